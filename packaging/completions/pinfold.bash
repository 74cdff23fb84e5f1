# bash completion for pinfold -*- shell-script -*-
# Generated from the option table (PINFOLD_BLESS=1 cargo test generated); do not edit.

_pinfold() {
    local cur=${COMP_WORDS[COMP_CWORD]} i=1 values
    COMPREPLY=()
    if [[ ${COMP_WORDS[0]##*/} != bwrap ]]; then
        if ((COMP_CWORD == 1)); then
            mapfile -t COMPREPLY < <(compgen -W bwrap -- "$cur")
            return
        fi
        [[ ${COMP_WORDS[1]} == bwrap ]] || return
        i=2
    fi
    # Step over the options and their values, one letter of $values each, up to the word to complete.
    while ((i < COMP_CWORD)); do
        case ${COMP_WORDS[i]} in
            --args) values=- ;;
            --argv0) values=- ;;
            --userns) values=- ;;
            --userns2) values=- ;;
            --pidns) values=- ;;
            --uid) values=- ;;
            --gid) values=- ;;
            --hostname) values=- ;;
            --bind) values=pp ;;
            --bind-try) values=pp ;;
            --dev-bind) values=pp ;;
            --dev-bind-try) values=pp ;;
            --ro-bind) values=pp ;;
            --ro-bind-try) values=pp ;;
            --bind-fd) values=-p ;;
            --ro-bind-fd) values=-p ;;
            --remount-ro) values=p ;;
            --overlay-src) values=p ;;
            --overlay) values=ppp ;;
            --tmp-overlay) values=p ;;
            --ro-overlay) values=p ;;
            --proc) values=p ;;
            --dev) values=p ;;
            --tmpfs) values=p ;;
            --mqueue) values=p ;;
            --dir) values=p ;;
            --file) values=-p ;;
            --bind-data) values=-p ;;
            --ro-bind-data) values=-p ;;
            --symlink) values=pp ;;
            --perms) values=- ;;
            --size) values=- ;;
            --chmod) values=-p ;;
            --chdir) values=p ;;
            --setenv) values=v- ;;
            --unsetenv) values=v ;;
            --seccomp) values=- ;;
            --add-seccomp-fd) values=- ;;
            --cap-add) values=- ;;
            --cap-drop) values=- ;;
            --exec-label) values=- ;;
            --file-label) values=- ;;
            --lock-file) values=p ;;
            --sync-fd) values=- ;;
            --block-fd) values=- ;;
            --userns-block-fd) values=- ;;
            --info-fd) values=- ;;
            --json-status-fd) values=- ;;
            --) ((i++)); break ;;
            -*) values= ;;
            *) break ;;
        esac
        ((i++))
        if ((COMP_CWORD < i + ${#values})); then
            case ${values:COMP_CWORD - i:1} in
                p) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
                v) mapfile -t COMPREPLY < <(compgen -v -- "$cur") ;;
            esac
            return
        fi
        ((i += ${#values}))
    done
    if ((i < COMP_CWORD)); then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    elif [[ $cur == -* && ${COMP_WORDS[i - 1]} != -- ]]; then
        mapfile -t COMPREPLY < <(compgen -W '
            --help
            --version
            --args
            --argv0
            --level-prefix
            --not-a-security-boundary
            --unshare-all
            --share-net
            --unshare-user
            --unshare-user-try
            --unshare-ipc
            --unshare-pid
            --unshare-net
            --unshare-uts
            --unshare-cgroup
            --unshare-cgroup-try
            --userns
            --userns2
            --disable-userns
            --assert-userns-disabled
            --pidns
            --uid
            --gid
            --hostname
            --bind
            --bind-try
            --dev-bind
            --dev-bind-try
            --ro-bind
            --ro-bind-try
            --bind-fd
            --ro-bind-fd
            --remount-ro
            --overlay-src
            --overlay
            --tmp-overlay
            --ro-overlay
            --proc
            --dev
            --tmpfs
            --mqueue
            --dir
            --file
            --bind-data
            --ro-bind-data
            --symlink
            --perms
            --size
            --chmod
            --chdir
            --clearenv
            --setenv
            --unsetenv
            --seccomp
            --add-seccomp-fd
            --cap-add
            --cap-drop
            --exec-label
            --file-label
            --new-session
            --die-with-parent
            --as-pid-1
            --lock-file
            --sync-fd
            --block-fd
            --userns-block-fd
            --info-fd
            --json-status-fd
        ' -- "$cur")
    else
        mapfile -t COMPREPLY < <(compgen -c -- "$cur")
    fi
}
complete -F _pinfold pinfold bwrap
