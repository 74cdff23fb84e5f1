# What nearly every program needs: the system read-only, a home, /tmp and /run of its own, and nothing of yours.

# Programs and libraries. On merged systems /bin and its like are links.
ro-try /usr
mirror /bin
mirror /sbin
mirror /lib
mirror /lib32
mirror /lib64
mirror /libx32
ro-try /nix/store
ro-try /gnu/store
mirror /run/current-system

# Of /etc what libraries read. No keys, no service's configuration.
ro-try /etc/alternatives
ro-try /etc/ld.so.cache
mirror /etc/localtime
mirror /etc/os-release
ro-try /etc/nsswitch.conf
ro-try /etc/passwd
ro-try /etc/group
ro-try /etc/hosts
ro-try /etc/resolv.conf
ro-try /etc/services
ro-try /etc/protocols
ro-try /etc/ssl/certs
ro-try /etc/ssl/openssl.cnf
ro-try /etc/pki/tls/certs
ro-try /etc/pki/ca-trust/extracted
ro-try /etc/crypto-policies
ro-try /etc/gitconfig
ro-try /etc/timezone
ro-try /etc/mime.types
ro-try /etc/terminfo
ro-try /etc/fonts

# And programs that are everywhere: without it they do not start, forget how to be safe, or are no joy.
ro-try /etc/bash.bashrc
ro-try /etc/bashrc
ro-try /etc/inputrc
ro-try /etc/vim
ro-try /etc/vimrc
ro-try /etc/manpath.config
ro-try /etc/man_db.conf
ro-try /etc/groff
ro-try /etc/ImageMagick-6
ro-try /etc/ImageMagick-7
ro-try /etc/java
ro-try /etc/java-8-openjdk
ro-try /etc/java-11-openjdk
ro-try /etc/java-17-openjdk
ro-try /etc/java-21-openjdk
ro-try /etc/java-25-openjdk
symlink /proc/self/mounts:/etc/mtab

# The sandbox's own. The runtime directory may lie in the home, which would cover it.
proc /proc
basic-dev /dev
tmpfs /tmp:mode=1777
tmpfs /var/tmp:mode=1777
tmpfs ~:mode=700
tmpfs ${XDG_RUNTIME_DIR}:mode=700

# No token, no socket, no name of an agent: only what programs need to find their way and to talk in your language.
env PATH
env HOME=${HOME}
env USER
env LOGNAME
env SHELL
env LANG
env LANGUAGE
env LC_*
env TZ
env TERM
env COLORTERM
env NO_COLOR
env CLICOLOR
env COLUMNS
env LINES
env EDITOR
env PAGER
env CI
env XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR}
