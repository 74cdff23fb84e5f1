# bash completion for pinfold -*- shell-script -*-
# Generated from the tables of options (PINFOLD_BLESS=1 cargo test generated); do not edit.

# Kinds of words, a letter each: p a path, P a path and another one behind a colon, v a variable, w one of $choices, l some
# of them with commas between, f one of them or a path with a slash, n a profile, c a command, - anything.

# Sets kinds and choices for the values of an option: "run --net".
_pinfold_values() {
    kinds= choices=
    case $1 in
    'run --ro') kinds=P ;;
    'run --ro-try') kinds=P ;;
    'run --rw') kinds=P ;;
    'run --rw-try') kinds=P ;;
    'run --dev') kinds=P ;;
    'run --dev-try') kinds=P ;;
    'run --overlay') kinds=P ;;
    'run --overlay-try') kinds=P ;;
    'run --mirror') kinds=p ;;
    'run --deny') kinds=p ;;
    'run --deny-try') kinds=p ;;
    'run --tmpfs') kinds=p ;;
    'run --file') kinds=P ;;
    'run --symlink') kinds=P ;;
    'run --proc') kinds=p ;;
    'run --basic-dev') kinds=p ;;
    'run --env') kinds=v ;;
    'run --workdir') kinds=p ;;
    'run --hostname') kinds=- ;;
    'run --uid') kinds=- ;;
    'run --gid') kinds=- ;;
    'run --keep-fd') kinds=- ;;
    'run --kill-after') kinds=- ;;
    'run --net') kinds=w choices='none host' ;;
    'run --share') kinds=l choices='net ipc pid uts cgroup' ;;
    'run --seccomp') kinds=f choices='default build desktop strict off' ;;
    'run --syscall-deny') kinds=l choices='@io @file @memory @process @signal @time @sched @identity @socket @ipc @aio @io_uring @sandbox @mount @namespace @ptrace @keyring @bpf @perf @userfaultfd @fanotify @handle @numa @module @boot @clock @admin @rawio @emulation @obsolete' ;;
    'run --syscall-allow') kinds=l choices='@io @file @memory @process @signal @time @sched @identity @socket @ipc @aio @io_uring @sandbox @mount @namespace @ptrace @keyring @bpf @perf @userfaultfd @fanotify @handle @numa @module @boot @clock @admin @rawio @emulation @obsolete' ;;
    'run --landlock') kinds=w choices='auto off only' ;;
    'run --tcp-connect') kinds=- ;;
    'run --tcp-bind') kinds=- ;;
    'run --cap-add') kinds=w choices='ALL CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' ;;
    'run --profile') kinds=n ;;
    'run --dry-run=') kinds=w choices='text json' ;;
    'run --json-status-fd') kinds=- ;;
    'bwrap --args') kinds=- ;;
    'bwrap --argv0') kinds=- ;;
    'bwrap --userns') kinds=- ;;
    'bwrap --userns2') kinds=- ;;
    'bwrap --pidns') kinds=- ;;
    'bwrap --uid') kinds=- ;;
    'bwrap --gid') kinds=- ;;
    'bwrap --hostname') kinds=- ;;
    'bwrap --bind') kinds=pp ;;
    'bwrap --bind-try') kinds=pp ;;
    'bwrap --dev-bind') kinds=pp ;;
    'bwrap --dev-bind-try') kinds=pp ;;
    'bwrap --ro-bind') kinds=pp ;;
    'bwrap --ro-bind-try') kinds=pp ;;
    'bwrap --bind-fd') kinds=-p ;;
    'bwrap --ro-bind-fd') kinds=-p ;;
    'bwrap --remount-ro') kinds=p ;;
    'bwrap --overlay-src') kinds=p ;;
    'bwrap --overlay') kinds=ppp ;;
    'bwrap --tmp-overlay') kinds=p ;;
    'bwrap --ro-overlay') kinds=p ;;
    'bwrap --proc') kinds=p ;;
    'bwrap --dev') kinds=p ;;
    'bwrap --tmpfs') kinds=p ;;
    'bwrap --mqueue') kinds=p ;;
    'bwrap --dir') kinds=p ;;
    'bwrap --file') kinds=-p ;;
    'bwrap --bind-data') kinds=-p ;;
    'bwrap --ro-bind-data') kinds=-p ;;
    'bwrap --symlink') kinds=pp ;;
    'bwrap --perms') kinds=- ;;
    'bwrap --size') kinds=- ;;
    'bwrap --chmod') kinds=-p ;;
    'bwrap --chdir') kinds=p ;;
    'bwrap --setenv') kinds=v- ;;
    'bwrap --unsetenv') kinds=v ;;
    'bwrap --seccomp') kinds=- ;;
    'bwrap --add-seccomp-fd') kinds=- ;;
    'bwrap --cap-add') kinds=w choices='ALL CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' ;;
    'bwrap --cap-drop') kinds=w choices='ALL CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' ;;
    'bwrap --exec-label') kinds=- ;;
    'bwrap --file-label') kinds=- ;;
    'bwrap --lock-file') kinds=p ;;
    'bwrap --sync-fd') kinds=- ;;
    'bwrap --block-fd') kinds=- ;;
    'bwrap --userns-block-fd') kinds=- ;;
    'bwrap --info-fd') kinds=- ;;
    'bwrap --json-status-fd') kinds=- ;;
    'seccomp compile --arch') kinds=w choices='x86_64 aarch64 riscv64' ;;
    'seccomp compile --cap') kinds=w choices='CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' ;;
    'seccomp compile --kernel') kinds=- ;;
    'seccomp compile -o') kinds=p ;;
    'seccomp check --arch') kinds=w choices='x86_64 aarch64 riscv64' ;;
    'seccomp check --cap') kinds=w choices='CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' ;;
    'seccomp check --kernel') kinds=- ;;
    'seccomp explain --profile') kinds=f choices='default build desktop strict' ;;
    'seccomp explain --arch') kinds=w choices='x86_64 aarch64 riscv64' ;;
    'seccomp explain --cap') kinds=w choices='CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_KILL CAP_SETGID CAP_SETUID CAP_SETPCAP CAP_LINUX_IMMUTABLE CAP_NET_BIND_SERVICE CAP_NET_BROADCAST CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK CAP_IPC_OWNER CAP_SYS_MODULE CAP_SYS_RAWIO CAP_SYS_CHROOT CAP_SYS_PTRACE CAP_SYS_PACCT CAP_SYS_ADMIN CAP_SYS_BOOT CAP_SYS_NICE CAP_SYS_RESOURCE CAP_SYS_TIME CAP_SYS_TTY_CONFIG CAP_MKNOD CAP_LEASE CAP_AUDIT_WRITE CAP_AUDIT_CONTROL CAP_SETFCAP CAP_MAC_OVERRIDE CAP_MAC_ADMIN CAP_SYSLOG CAP_WAKE_ALARM CAP_BLOCK_SUSPEND CAP_AUDIT_READ CAP_PERFMON CAP_BPF CAP_CHECKPOINT_RESTORE' ;;
    'seccomp explain --kernel') kinds=- ;;
    esac
}

# Sets words to those of the line, and starts to where they begin in COMP_WORDS: bash takes words apart at = and :.
_pinfold_words() {
    local rest=$COMP_LINE index
    words=() starts=()
    for ((index = 0; index <= COMP_CWORD; index++)); do
        if [[ $index == 0 || $rest == [[:blank:]]* ]]; then
            words+=('') starts+=("$index")
        fi
        rest=${rest#"${rest%%[![:blank:]]*}"}
        words[-1]+=${COMP_WORDS[index]}
        rest=${rest#"${COMP_WORDS[index]}"}
    done
}

# Names that `profile` takes. compgen -W would carry out what stands in other ones.
_pinfold_profiles() {
    local name rest
    "${words[0]}" profile list 2>/dev/null | while read -r name rest; do
        [[ $name == *[!A-Za-z0-9._+-]* ]] || printf '%s ' "$name"
    done
}

# Completes the end $2 of the word $1, which is of the kind $3.
_pinfold_reply() {
    local word=$1 value=$2 kind=$3 head piece=${COMP_WORDS[COMP_CWORD]}
    local -a found=()
    head=${word%"$value"}
    case $kind in
    n) choices=$(_pinfold_profiles) kind=f ;;
    P) head=${word%"${word##*:}"} value=${word##*:} kind=p
        [[ $head ]] || { value=$2 head=${word%"$2"}; } ;;
    l) head+=${value%"${value##*,}"} value=${value##*,} kind=w ;;
    esac
    case $kind in
    w | f) mapfile -t found < <(compgen -W "$choices" -- "$value") ;;
    v) mapfile -t found < <(compgen -v -- "$value") ;;
    c) mapfile -t found < <(compgen -c -- "$value") ;;
    esac
    # A file is written with a slash: without one only directories are offered, in which there may be one.
    case $kind:$value in
    p:* | f:*/*) compopt -o filenames; mapfile -t -O "${#found[@]}" found < <(compgen -f -- "$value") ;;
    f:*) compopt -o filenames; mapfile -t -O "${#found[@]}" found < <(compgen -d -- "$value") ;;
    esac
    # bash replaces what stands behind the last = or : only.
    [[ $piece == [=:]* ]] && piece=
    found=("${found[@]/#/"$head"}")
    COMPREPLY=("${found[@]#"${word%"$piece"}"}")
}

_pinfold() {
    local words starts cur last verb i ended= kinds choices= options operands
    COMPREPLY=()
    _pinfold_words
    last=$((${#words[@]} - 1)) cur=${words[-1]}
    if [[ ${words[0]##*/} == bwrap ]]; then
        verb=bwrap i=1
    elif ((last == 1)); then
        choices='run bwrap profile seccomp kept doctor --help --version'
        _pinfold_reply "$cur" "$cur" w
        return
    else
        verb=${words[1]} i=2
    fi
    case $verb in
    profile) choices='list show check diff trust' ;;
    seccomp) choices='list show compile check explain' ;;
    kept) choices='list diff take drop' ;;
    esac
    if [[ $choices ]]; then
        if ((last == 2)); then
            _pinfold_reply "$cur" "$cur" w
            return
        fi
        verb+=" ${words[2]}" i=3
    fi
    # Options, their values, operands, up to the word to complete.
    _pinfold_operands "$verb"
    operands=$kinds
    for (( ; i < last; i++)); do
        if [[ ! $ended && ${words[i]} == -- ]]; then
            ended=1
        elif [[ ! $ended && ${words[i]} == -?* ]]; then
            _pinfold_values "$verb ${words[i]}"
            if ((last - i <= ${#kinds})); then
                _pinfold_reply "$cur" "$cur" "${kinds:last-i-1:1}"
                return
            fi
            ((i += ${#kinds}))
        elif [[ $operands == c* ]]; then
            _pinfold_command "${starts[i]}"
            return
        else
            operands=${operands:1}
        fi
    done
    if [[ ! $ended && $verb != bwrap && $cur == --*=* ]]; then
        _pinfold_values "$verb ${cur%%=*}"
        [[ $kinds ]] || _pinfold_values "$verb ${cur%%=*}="
        _pinfold_reply "$cur" "${cur#*=}" "$kinds"
    elif [[ ! $ended && $cur == -* ]]; then
        choices=$options
        _pinfold_reply "$cur" "$cur" w
    else
        _pinfold_operands "$verb"
        _pinfold_reply "$cur" "$cur" "${operands:0:1}"
    fi
}

# Sets kinds and choices for the operands of a command, and its options.
_pinfold_operands() {
    kinds= choices= options=
    case $1 in
    'run') kinds=c options='--ro --ro-try --rw --rw-try --dev --dev-try --overlay --overlay-try --mirror --workspace --repo --deny --deny-try --tmpfs --file --symlink --proc --basic-dev --env --workdir --hostname --uid --gid --keep-fd --new-session --die-with-parent --kill-after --wait-all --net --share --allow-userns --seccomp --syscall-deny --syscall-allow --landlock --tcp-connect --tcp-bind --cap-add --profile --best-effort --dry-run --print-bwrap --json-status-fd --verbose --quiet --version --help' ;;
    'bwrap') kinds=c options='--help --version --args --argv0 --level-prefix --not-a-security-boundary --unshare-all --share-net --unshare-user --unshare-user-try --unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup --unshare-cgroup-try --userns --userns2 --disable-userns --assert-userns-disabled --pidns --uid --gid --hostname --bind --bind-try --dev-bind --dev-bind-try --ro-bind --ro-bind-try --bind-fd --ro-bind-fd --remount-ro --overlay-src --overlay --tmp-overlay --ro-overlay --proc --dev --tmpfs --mqueue --dir --file --bind-data --ro-bind-data --symlink --perms --size --chmod --chdir --clearenv --setenv --unsetenv --seccomp --add-seccomp-fd --cap-add --cap-drop --exec-label --file-label --new-session --die-with-parent --as-pid-1 --lock-file --sync-fd --block-fd --userns-block-fd --info-fd --json-status-fd' ;;
    'profile list') kinds= options='--quiet' ;;
    'profile show') kinds=n options='--quiet' ;;
    'profile check') kinds=nc options='--quiet' ;;
    'profile diff') kinds=nn options='--quiet' ;;
    'profile trust') kinds=p options='--quiet' ;;
    'seccomp list') kinds= options='' ;;
    'seccomp show') kinds=w choices='default build desktop strict @io @file @memory @process @signal @time @sched @identity @socket @ipc @aio @io_uring @sandbox @mount @namespace @ptrace @keyring @bpf @perf @userfaultfd @fanotify @handle @numa @module @boot @clock @admin @rawio @emulation @obsolete' options='' ;;
    'seccomp compile') kinds=f choices='default build desktop strict' options='--arch --cap --kernel -o' ;;
    'seccomp check') kinds=f choices='default build desktop strict' options='--arch --cap --kernel --quiet' ;;
    'seccomp explain') kinds=- options='--profile --arch --cap --kernel' ;;
    'kept list') kinds=- options='--quiet' ;;
    'kept diff') kinds=-- options='--quiet' ;;
    'kept take') kinds=-- options='--quiet' ;;
    'kept drop') kinds=- options='--all --quiet' ;;
    'doctor') kinds= options='--json --quiet' ;;
    esac
}

# Completes the words of the command that begins at COMP_WORDS[$1].
_pinfold_command() {
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    else
        _pinfold_reply "$cur" "$cur" p
    fi
}

complete -F _pinfold pinfold bwrap
