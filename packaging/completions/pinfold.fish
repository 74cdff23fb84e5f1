# fish completion for pinfold
# Generated from the tables of options (PINFOLD_BLESS=1 cargo test generated); do not edit.

# How many values the option $argv[2] of the command $argv[1] takes.
function __pinfold_values
    switch "$argv"
        case 'run --ro' 'run --ro-try' 'run --rw' 'run --rw-try' 'run --dev' 'run --dev-try' 'run --overlay' 'run --overlay-try'
            echo 1
        case 'run --mirror' 'run --deny' 'run --deny-try' 'run --tmpfs' 'run --file' 'run --symlink' 'run --proc' 'run --basic-dev'
            echo 1
        case 'run --env' 'run --workdir' 'run --hostname' 'run --uid' 'run --gid' 'run --keep-fd' 'run --kill-after' 'run --net'
            echo 1
        case 'run --share' 'run --seccomp' 'run --syscall-deny' 'run --syscall-allow' 'run --landlock' 'run --tcp-connect' 'run --tcp-bind' 'run --cap-add'
            echo 1
        case 'run --profile' 'run --json-status-fd'
            echo 1
        case 'bwrap --args' 'bwrap --argv0' 'bwrap --userns' 'bwrap --userns2' 'bwrap --pidns' 'bwrap --uid' 'bwrap --gid' 'bwrap --hostname'
            echo 1
        case 'bwrap --remount-ro' 'bwrap --overlay-src' 'bwrap --tmp-overlay' 'bwrap --ro-overlay' 'bwrap --proc' 'bwrap --dev' 'bwrap --tmpfs' 'bwrap --mqueue'
            echo 1
        case 'bwrap --dir' 'bwrap --perms' 'bwrap --size' 'bwrap --chdir' 'bwrap --unsetenv' 'bwrap --seccomp' 'bwrap --add-seccomp-fd' 'bwrap --cap-add'
            echo 1
        case 'bwrap --cap-drop' 'bwrap --exec-label' 'bwrap --file-label' 'bwrap --lock-file' 'bwrap --sync-fd' 'bwrap --block-fd' 'bwrap --userns-block-fd' 'bwrap --info-fd'
            echo 1
        case 'bwrap --json-status-fd'
            echo 1
        case 'bwrap --bind' 'bwrap --bind-try' 'bwrap --dev-bind' 'bwrap --dev-bind-try' 'bwrap --ro-bind' 'bwrap --ro-bind-try' 'bwrap --bind-fd' 'bwrap --ro-bind-fd'
            echo 2
        case 'bwrap --file' 'bwrap --bind-data' 'bwrap --ro-bind-data' 'bwrap --symlink' 'bwrap --chmod' 'bwrap --setenv'
            echo 2
        case 'bwrap --overlay'
            echo 3
        case 'seccomp compile --arch' 'seccomp compile --cap' 'seccomp compile --kernel' 'seccomp compile -o'
            echo 1
        case 'seccomp check --arch' 'seccomp check --cap' 'seccomp check --kernel'
            echo 1
        case 'seccomp explain --profile' 'seccomp explain --arch' 'seccomp explain --cap' 'seccomp explain --kernel'
            echo 1
        case '*'
            echo 0
    end
end

# What has been typed before the cursor: the command, the number of its operands, whether options may still follow, and
# where the words of the program begin that it launches (0 where they cannot).
function __pinfold_state
    set -l words (commandline -opc)
    set -l verb "$words[2]"
    set -l at 3
    if contains -- "$verb" profile seccomp kept
        set verb "$verb $words[3]"
        set at 4
    end
    set -l operands 0
    set -l options 1
    set -l launch -1
    switch $verb
        case 'run'
            set launch 0
        case 'bwrap'
            set launch 0
        case 'profile check'
            set launch 1
    end
    while test $at -le (count $words)
        if test $options = 1 -a "$words[$at]" = --
            set options 0
        else if test $options = 1; and string match -q -- '-?*' $words[$at]
            set -l option $at
            set at (math $at + (__pinfold_values $verb $words[$at]))
            if test $at -gt (count $words)
                # A value stands at the cursor. The first one is completed where the option is.
                test $option = (count $words); and set options 1; or set options 0
                printf '%s\n' $verb -1 $options 0
                return
            end
        else if test $operands = $launch
            printf '%s\n' $verb $operands 0 $at
            return
        else
            set operands (math $operands + 1)
        end
        set at (math $at + 1)
    end
    test $operands = $launch; or set at 0
    printf '%s\n' $verb $operands $options $at
end

# Whether the command is $argv[2..], operand number $argv[1] (from 0) comes next, and its program has not begun.
function __pinfold_operand
    set -l state (__pinfold_state)
    test "$state[1]" = "$argv[2..]" -a "$state[2]" = $argv[1]
end

# Whether the command is $argv, and options of its own may follow.
function __pinfold_at
    set -l state (__pinfold_state)
    test "$state[1]" = "$argv" -a "$state[3]" = 1
end

# Whether the program has begun, or may begin here.
function __pinfold_launched
    set -l state (__pinfold_state)
    test "$state[4]" != 0; or return
    test "$state[3]" = 0; or not string match -q -- '-*' (commandline -ct)
end

# What completes the program and its words.
function __pinfold_program
    set -l state (__pinfold_state)
    set -l words (commandline -opc)
    set -l own $words[$state[4]..-1]
    complete "-C$(string join ' ' -- (string escape -- $own) "$(commandline -ct)")"
end

# Whether $argv[1] words have been typed, of which the second is $argv[2].
function __pinfold_count
    set -l words (commandline -opc)
    test (count $words) = $argv[1]; and test (count $argv) = 1 -o "$words[2]" = "$argv[2]"
end

# Files where a word can be a name too: they are written with a slash. Without one, directories are offered.
function __pinfold_slash
    set -l word (commandline -ct | string replace -r -- '^--[a-z-]+=' '')
    if string match -q '*/*' -- $word
        __fish_complete_path $word
    else
        __fish_complete_directories $word ''
    end
end

function __pinfold_profiles
    set -l words (commandline -opc)
    command $words[1] profile list 2>/dev/null | string replace -r '^(\S+)\s+' '$1\t'
end

complete -c pinfold -n __pinfold_launched -f -a '(__pinfold_program)'
complete -c pinfold -n '__pinfold_count 1' -f -a run -d 'run a program in a box that is safe with no options; `pinfold run -h` lists them'
complete -c pinfold -n '__pinfold_count 1' -f -a bwrap -d 'understand the options of bubblewrap; `pinfold bwrap --help` lists them. A link to this program that is called `bwrap` does the same.'
complete -c pinfold -n '__pinfold_count 1' -f -a profile -d 'list, show, check and compare profiles of `run`'
complete -c pinfold -n '__pinfold_count 2 profile' -f -a list -d 'Print the profiles that can be named, and where they come from'
complete -c pinfold -n '__pinfold_count 2 profile' -f -a show -d 'Print the text of a profile'
complete -c pinfold -n '__pinfold_count 2 profile' -f -a check -d 'Say what in a profile is probably not meant, and whether COMMAND could start'
complete -c pinfold -n '__pinfold_count 2 profile' -f -a diff -d 'Compare what two profiles say'
complete -c pinfold -n '__pinfold_count 2 profile' -f -a trust -d 'Let a file of this project decide about boxes, as it is now'
complete -c pinfold -n '__pinfold_count 1' -f -a seccomp -d 'list, show, check, explain and compile seccomp profiles'
complete -c pinfold -n '__pinfold_count 2 seccomp' -f -a list -d 'Print the profiles that come with pinfold, and the groups'
complete -c pinfold -n '__pinfold_count 2 seccomp' -f -a show -d 'Print the text of a profile, or the members of a group'
complete -c pinfold -n '__pinfold_count 2 seccomp' -f -a compile -d 'Write the filter that a profile makes'
complete -c pinfold -n '__pinfold_count 2 seccomp' -f -a check -d 'Find mistakes in a profile, and prove its filters'
complete -c pinfold -n '__pinfold_count 2 seccomp' -f -a explain -d 'Say what becomes of a system call, and why'
complete -c pinfold -n '__pinfold_count 1' -f -a kept -d 'list, show, take over and drop what earlier runs have kept apart'
complete -c pinfold -n '__pinfold_count 2 kept' -f -a list -d 'Print what is kept, by run, or only what is of PATH'
complete -c pinfold -n '__pinfold_count 2 kept' -f -a diff -d 'Compare what is kept with what is there now'
complete -c pinfold -n '__pinfold_count 2 kept' -f -a take -d 'Put what is kept where it belongs, and keep what was there'
complete -c pinfold -n '__pinfold_count 2 kept' -f -a drop -d 'Remove what is kept'
complete -c pinfold -n '__pinfold_count 1' -f -a doctor -d 'say whether boxes work on this host, and if not, what to do'
complete -c pinfold -n '__pinfold_at run' -l ro -r -F -d 'Show PATH of the host, read-only'
complete -c pinfold -n '__pinfold_at run' -l ro-try -r -F -d 'Like --ro, or nothing if PATH does not exist'
complete -c pinfold -n '__pinfold_at run' -l rw -r -F -d 'Show PATH of the host, writable'
complete -c pinfold -n '__pinfold_at run' -l rw-try -r -F -d 'Like --rw, or nothing if PATH does not exist'
complete -c pinfold -n '__pinfold_at run' -l dev -r -F -d 'Show a device of the host, or a directory of them, usable'
complete -c pinfold -n '__pinfold_at run' -l dev-try -r -F -d 'Like --dev, or nothing if PATH does not exist'
complete -c pinfold -n '__pinfold_at run' -l overlay -r -F -d 'Show a directory of the host, writable; the changes are lost'
complete -c pinfold -n '__pinfold_at run' -l overlay-try -r -F -d 'Like --overlay, or nothing if PATH does not exist'
complete -c pinfold -n '__pinfold_at run' -l mirror -r -F -d 'Show PATH of the host, read-only; of a link make the same link'
complete -c pinfold -n '__pinfold_at run' -l workspace -d 'Show the current directory, writable, and start there'
complete -c pinfold -n '__pinfold_at run' -l repo -d 'Take the whole git repository around as the workspace'
complete -c pinfold -n '__pinfold_at run' -l deny -r -F -d 'Keep PATH closed: nobody inside can open it'
complete -c pinfold -n '__pinfold_at run' -l deny-try -r -F -d 'Like --deny, or nothing if PATH does not exist'
complete -c pinfold -n '__pinfold_at run' -l tmpfs -r -F -d 'Make an empty directory in memory, writable'
complete -c pinfold -n '__pinfold_at run' -l file -r -F -d 'Copy a file of the host to DEST; the copy is writable'
complete -c pinfold -n '__pinfold_at run' -l symlink -r -F -d 'Make a symbolic link at PATH that says TARGET'
complete -c pinfold -n '__pinfold_at run' -l proc -r -F -d 'Mount a procfs, which shows the processes of the sandbox'
complete -c pinfold -n '__pinfold_at run' -l basic-dev -r -F -d 'Make a device directory with what every program may use'
complete -c pinfold -n '__pinfold_at run' -l env -x -a '(set -xn)' -d 'Set a variable, or pass on yours'
complete -c pinfold -n '__pinfold_at run' -l workdir -r -F -d 'Start in the directory DIR of the sandbox'
complete -c pinfold -n '__pinfold_at run' -l hostname -x -d 'Be called NAME inside'
complete -c pinfold -n '__pinfold_at run' -l uid -x -d 'Be user UID inside; yours otherwise'
complete -c pinfold -n '__pinfold_at run' -l gid -x -d 'Be group GID inside; yours otherwise'
complete -c pinfold -n '__pinfold_at run' -l keep-fd -x -d 'Let the program have the open file descriptor FD'
complete -c pinfold -n '__pinfold_at run' -l new-session -d 'Start without a controlling terminal'
complete -c pinfold -n '__pinfold_at run' -l die-with-parent -d 'Kill the whole sandbox when the calling process ends'
complete -c pinfold -n '__pinfold_at run' -l kill-after -x -d 'Kill the sandbox if the program runs on TIME after TERM'
complete -c pinfold -n '__pinfold_at run' -l wait-all -d 'Wait for everything that the program has started'
complete -c pinfold -n '__pinfold_at run' -l net -x -a 'none host' -d 'Have no network but a loopback device, or the host'\''s'
complete -c pinfold -n '__pinfold_at run' -l share -x -a '(__fish_append , net ipc pid uts cgroup)' -d 'Share namespaces of the host: net, ipc, pid, uts, cgroup'
complete -c pinfold -n '__pinfold_at run' -l allow-userns -d 'Let the program make user namespaces'
complete -c pinfold -n '__pinfold_at run' -l seccomp -x -a 'default build desktop strict off (__pinfold_slash)' -d 'Filter system calls by PROFILE, or not at all (off)'
complete -c pinfold -n '__pinfold_at run' -l syscall-deny -x -a '(__fish_append , @io @file @memory @process @signal @time @sched @identity @socket @ipc @aio @io_uring @sandbox @mount @namespace @ptrace @keyring @bpf @perf @userfaultfd @fanotify @handle @numa @module @boot @clock @admin @rawio @emulation @obsolete)' -d 'Refuse these system calls, whatever the filter says'
complete -c pinfold -n '__pinfold_at run' -l syscall-allow -x -a '(__fish_append , @io @file @memory @process @signal @time @sched @identity @socket @ipc @aio @io_uring @sandbox @mount @namespace @ptrace @keyring @bpf @perf @userfaultfd @fanotify @handle @numa @module @boot @clock @admin @rawio @emulation @obsolete)' -d 'Allow these system calls, whatever the filter says'
complete -c pinfold -n '__pinfold_at run' -l landlock -x -a 'auto off only' -d 'Restrict files by Landlock as well, not, or by nothing else'
complete -c pinfold -n '__pinfold_at run' -l tcp-connect -x -d 'Connect to these TCP ports only; `none` is none'
complete -c pinfold -n '__pinfold_at run' -l tcp-bind -x -d 'Bind TCP sockets to these ports only; `none` is none'
complete -c pinfold -n '__pinfold_at run' -l cap-add -x -a 'ALL CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' -d 'Give the program a capability, or ALL of them'
complete -c pinfold -n '__pinfold_at run' -l profile -x -a '(__pinfold_profiles) (__pinfold_slash)' -d 'Take the options of a profile, a name or a file; can be repeated'
complete -c pinfold -n '__pinfold_at run' -l best-effort -d 'Go on without what this host cannot enforce, and say so'
complete -c pinfold -n '__pinfold_at run' -l dry-run -d 'Print what would be done, and stop'
complete -c pinfold -n '__pinfold_at run' -f -a '--dry-run=text' -d 'Print what would be done, and stop'
complete -c pinfold -n '__pinfold_at run' -f -a '--dry-run=json' -d 'Print what would be done, and stop'
complete -c pinfold -n '__pinfold_at run' -l print-bwrap -d 'Print the line for bubblewrap that does the same, and stop'
complete -c pinfold -n '__pinfold_at run' -l json-status-fd -x -d 'Report start, errors and exit code on FD, in lines of JSON'
complete -c pinfold -n '__pinfold_at run' -l verbose -d 'Print the plan on standard error, and go on'
complete -c pinfold -n '__pinfold_at run' -l quiet -d 'Print no notes'
complete -c pinfold -n '__pinfold_at run' -l version -d 'Show the version and exit'
complete -c pinfold -n '__pinfold_at run' -l help -d 'Explain the options and exit; -h only lists them'
complete -c pinfold -n '__pinfold_at bwrap' -l help -d 'Explain the options and exit'
complete -c pinfold -n '__pinfold_at bwrap' -l version -d 'Show the version of bubblewrap that this stands in for and exit'
complete -c pinfold -n '__pinfold_at bwrap' -l args -x -d 'Read more options from FD, a NUL after each word'
complete -c pinfold -n '__pinfold_at bwrap' -l argv0 -x -d 'Start the command with VALUE as its own name (argv[0])'
complete -c pinfold -n '__pinfold_at bwrap' -l level-prefix -d 'Begin diagnostics with their syslog level, as in <3>'
complete -c pinfold -n '__pinfold_at bwrap' -l not-a-security-boundary -d 'Accepted for compatibility; every restriction still holds'
complete -c pinfold -n '__pinfold_at bwrap' -l unshare-all -d 'Make every kind of namespace new'
complete -c pinfold -n '__pinfold_at bwrap' -l share-net -d 'Keep the host'\''s network after all'
complete -c pinfold -n '__pinfold_at bwrap' -l unshare-user -d 'Make a user namespace, or fail'
complete -c pinfold -n '__pinfold_at bwrap' -l unshare-user-try -d 'Make a user namespace if the host has them'
complete -c pinfold -n '__pinfold_at bwrap' -l unshare-ipc -d 'Make an IPC namespace'
complete -c pinfold -n '__pinfold_at bwrap' -l unshare-pid -d 'Make a PID namespace'
complete -c pinfold -n '__pinfold_at bwrap' -l unshare-net -d 'Make a network namespace, with nothing but a loopback device'
complete -c pinfold -n '__pinfold_at bwrap' -l unshare-uts -d 'Make a UTS (host name) namespace'
complete -c pinfold -n '__pinfold_at bwrap' -l unshare-cgroup -d 'Make a cgroup namespace, or fail'
complete -c pinfold -n '__pinfold_at bwrap' -l unshare-cgroup-try -d 'Make a cgroup namespace if the host has them'
complete -c pinfold -n '__pinfold_at bwrap' -l userns -x -d 'Join the user namespace that FD refers to'
complete -c pinfold -n '__pinfold_at bwrap' -l userns2 -x -d 'Join the user namespace FD once the root is complete'
complete -c pinfold -n '__pinfold_at bwrap' -l disable-userns -d 'Let nobody inside make another user namespace'
complete -c pinfold -n '__pinfold_at bwrap' -l assert-userns-disabled -d 'Fail unless making a user namespace inside is impossible'
complete -c pinfold -n '__pinfold_at bwrap' -l pidns -x -d 'Join the PID namespace that FD refers to'
complete -c pinfold -n '__pinfold_at bwrap' -l uid -x -d 'Be user UID inside'
complete -c pinfold -n '__pinfold_at bwrap' -l gid -x -d 'Be group GID inside'
complete -c pinfold -n '__pinfold_at bwrap' -l hostname -x -d 'Be called NAME inside'
complete -c pinfold -n '__pinfold_at bwrap' -l bind -r -F -d 'Mount the host'\''s SRC on DEST, writable'
complete -c pinfold -n '__pinfold_at bwrap' -l bind-try -r -F -d 'Like --bind, or nothing if SRC does not exist'
complete -c pinfold -n '__pinfold_at bwrap' -l dev-bind -r -F -d 'Mount the host'\''s SRC on DEST, writable and with its devices usable'
complete -c pinfold -n '__pinfold_at bwrap' -l dev-bind-try -r -F -d 'Like --dev-bind, or nothing if SRC does not exist'
complete -c pinfold -n '__pinfold_at bwrap' -l ro-bind -r -F -d 'Mount the host'\''s SRC on DEST, read-only'
complete -c pinfold -n '__pinfold_at bwrap' -l ro-bind-try -r -F -d 'Like --ro-bind, or nothing if SRC does not exist'
complete -c pinfold -n '__pinfold_at bwrap' -l bind-fd -x -d 'Mount the file or directory open at FD on DEST, writable'
complete -c pinfold -n '__pinfold_at bwrap' -l ro-bind-fd -x -d 'Mount the file or directory open at FD on DEST, read-only'
complete -c pinfold -n '__pinfold_at bwrap' -l remount-ro -r -F -d 'Make the mount at DEST read-only, but not those below it'
complete -c pinfold -n '__pinfold_at bwrap' -l overlay-src -r -F -d 'Use the host'\''s SRC as a lower layer of the overlay that follows'
complete -c pinfold -n '__pinfold_at bwrap' -l overlay -r -F -d 'Mount the layers on DEST; what is written goes to the host'\''s RWSRC'
complete -c pinfold -n '__pinfold_at bwrap' -l tmp-overlay -r -F -d 'Mount the layers on DEST; what is written is lost in the end'
complete -c pinfold -n '__pinfold_at bwrap' -l ro-overlay -r -F -d 'Mount two or more layers on DEST, read-only'
complete -c pinfold -n '__pinfold_at bwrap' -l proc -r -F -d 'Mount procfs on DEST'
complete -c pinfold -n '__pinfold_at bwrap' -l dev -r -F -d 'Make a small /dev on DEST'
complete -c pinfold -n '__pinfold_at bwrap' -l tmpfs -r -F -d 'Mount an empty tmpfs on DEST'
complete -c pinfold -n '__pinfold_at bwrap' -l mqueue -r -F -d 'Mount a POSIX message queue filesystem on DEST'
complete -c pinfold -n '__pinfold_at bwrap' -l dir -r -F -d 'Make the directory DEST'
complete -c pinfold -n '__pinfold_at bwrap' -l file -x -d 'Write what FD yields to the file DEST'
complete -c pinfold -n '__pinfold_at bwrap' -l bind-data -x -d 'Write what FD yields to a new file and mount that on DEST'
complete -c pinfold -n '__pinfold_at bwrap' -l ro-bind-data -x -d 'Like --bind-data, mounted read-only'
complete -c pinfold -n '__pinfold_at bwrap' -l symlink -r -F -d 'Make a symbolic link DEST that points to SRC'
complete -c pinfold -n '__pinfold_at bwrap' -l perms -x -d 'Give what the next option makes the mode OCTAL'
complete -c pinfold -n '__pinfold_at bwrap' -l size -x -d 'Limit the next tmpfs to BYTES'
complete -c pinfold -n '__pinfold_at bwrap' -l chmod -x -d 'Change the mode of PATH, which must exist, to OCTAL'
complete -c pinfold -n '__pinfold_at bwrap' -l chdir -r -F -d 'Start in the directory DIR of the sandbox'
complete -c pinfold -n '__pinfold_at bwrap' -l clearenv -d 'Remove all variables'
complete -c pinfold -n '__pinfold_at bwrap' -l setenv -x -a '(set -xn)' -d 'Set the variable VAR to VALUE'
complete -c pinfold -n '__pinfold_at bwrap' -l unsetenv -x -a '(set -xn)' -d 'Remove the variable VAR'
complete -c pinfold -n '__pinfold_at bwrap' -l seccomp -x -d 'Install the system call filter read from FD'
complete -c pinfold -n '__pinfold_at bwrap' -l add-seccomp-fd -x -d 'Install one more system call filter, read from FD'
complete -c pinfold -n '__pinfold_at bwrap' -l cap-add -x -a 'ALL CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' -d 'Let the command keep the capability CAP, or ALL'
complete -c pinfold -n '__pinfold_at bwrap' -l cap-drop -x -a 'ALL CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' -d 'Take the capability CAP, or ALL, from the command'
complete -c pinfold -n '__pinfold_at bwrap' -l exec-label -x -d 'Run the command with the SELinux label LABEL'
complete -c pinfold -n '__pinfold_at bwrap' -l file-label -x -d 'Give new files the SELinux label LABEL'
complete -c pinfold -n '__pinfold_at bwrap' -l new-session -d 'Start the command in a session of its own, without a terminal'
complete -c pinfold -n '__pinfold_at bwrap' -l die-with-parent -d 'Kill the whole sandbox when the caller ends'
complete -c pinfold -n '__pinfold_at bwrap' -l as-pid-1 -d 'Make the command itself PID 1, with nobody to collect orphans'
complete -c pinfold -n '__pinfold_at bwrap' -l lock-file -r -F -d 'Hold a read lock on DEST while anything runs inside'
complete -c pinfold -n '__pinfold_at bwrap' -l sync-fd -x -d 'Keep FD open while anything runs inside'
complete -c pinfold -n '__pinfold_at bwrap' -l block-fd -x -d 'Start the command only when FD yields a byte or ends'
complete -c pinfold -n '__pinfold_at bwrap' -l userns-block-fd -x -d 'Leave the id maps to you, and wait on FD until they are written'
complete -c pinfold -n '__pinfold_at bwrap' -l info-fd -x -d 'Describe the sandbox on FD, in JSON'
complete -c pinfold -n '__pinfold_at bwrap' -l json-status-fd -x -d 'Report start and exit code on FD, in lines of JSON'
complete -c pinfold -n '__pinfold_at profile list' -l quiet -d ''
complete -c pinfold -n '__pinfold_at profile show' -l quiet -d ''
complete -c pinfold -n '__pinfold_operand 0 profile show' -f -a '(__pinfold_profiles) (__pinfold_slash)'
complete -c pinfold -n '__pinfold_at profile check' -l quiet -d ''
complete -c pinfold -n '__pinfold_operand 0 profile check' -f -a '(__pinfold_profiles) (__pinfold_slash)'
complete -c pinfold -n '__pinfold_at profile diff' -l quiet -d ''
complete -c pinfold -n '__pinfold_operand 0 profile diff' -f -a '(__pinfold_profiles) (__pinfold_slash)'
complete -c pinfold -n '__pinfold_operand 1 profile diff' -f -a '(__pinfold_profiles) (__pinfold_slash)'
complete -c pinfold -n '__pinfold_at profile trust' -l quiet -d ''
complete -c pinfold -n '__pinfold_operand 0 profile trust' -F
complete -c pinfold -n '__pinfold_operand 0 seccomp show' -f -a 'default build desktop strict @io @file @memory @process @signal @time @sched @identity @socket @ipc @aio @io_uring @sandbox @mount @namespace @ptrace @keyring @bpf @perf @userfaultfd @fanotify @handle @numa @module @boot @clock @admin @rawio @emulation @obsolete'
complete -c pinfold -n '__pinfold_at seccomp compile' -l arch -x -a 'x86_64 aarch64 riscv64' -d 'ARCH'
complete -c pinfold -n '__pinfold_at seccomp compile' -l cap -x -a 'CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' -d 'CAP'
complete -c pinfold -n '__pinfold_at seccomp compile' -l kernel -x -d 'X.Y'
complete -c pinfold -n '__pinfold_at seccomp compile' -s o -r -F -d 'FILE'
complete -c pinfold -n '__pinfold_operand 0 seccomp compile' -f -a 'default build desktop strict (__pinfold_slash)'
complete -c pinfold -n '__pinfold_at seccomp check' -l arch -x -a 'x86_64 aarch64 riscv64' -d 'ARCH'
complete -c pinfold -n '__pinfold_at seccomp check' -l cap -x -a 'CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' -d 'CAP'
complete -c pinfold -n '__pinfold_at seccomp check' -l kernel -x -d 'X.Y'
complete -c pinfold -n '__pinfold_at seccomp check' -l quiet -d ''
complete -c pinfold -n '__pinfold_operand 0 seccomp check' -f -a 'default build desktop strict (__pinfold_slash)'
complete -c pinfold -n '__pinfold_at seccomp explain' -l profile -x -a 'default build desktop strict (__pinfold_slash)' -d 'NAME|FILE'
complete -c pinfold -n '__pinfold_at seccomp explain' -l arch -x -a 'x86_64 aarch64 riscv64' -d 'ARCH'
complete -c pinfold -n '__pinfold_at seccomp explain' -l cap -x -a 'CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' -d 'CAP'
complete -c pinfold -n '__pinfold_at seccomp explain' -l kernel -x -d 'X.Y'
complete -c pinfold -n '__pinfold_operand 0 seccomp explain' -f
complete -c pinfold -n '__pinfold_at kept list' -l quiet -d ''
complete -c pinfold -n '__pinfold_operand 0 kept list' -f
complete -c pinfold -n '__pinfold_at kept diff' -l quiet -d ''
complete -c pinfold -n '__pinfold_operand 0 kept diff' -f
complete -c pinfold -n '__pinfold_operand 1 kept diff' -f
complete -c pinfold -n '__pinfold_at kept take' -l quiet -d ''
complete -c pinfold -n '__pinfold_operand 0 kept take' -f
complete -c pinfold -n '__pinfold_operand 1 kept take' -f
complete -c pinfold -n '__pinfold_at kept drop' -l all -d ''
complete -c pinfold -n '__pinfold_at kept drop' -l quiet -d ''
complete -c pinfold -n '__pinfold_operand 0 kept drop' -f
complete -c pinfold -n '__pinfold_at doctor' -l json -d ''
complete -c pinfold -n '__pinfold_at doctor' -l quiet -d ''
complete -c bwrap -w 'pinfold bwrap'
