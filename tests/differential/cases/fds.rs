//! Descriptors given to the tool: what it reads, writes, keeps and closes.

use crate::case::{Case, V0_10, case};
use crate::support::Fd::{Bytes, Open, Out, Pipe, Text};

/// A BPF instruction, linux/filter.h.
const fn instruction(code: u16, if_true: u8, if_false: u8, value: u32) -> [u8; 8] {
    let (code, value) = (code.to_ne_bytes(), value.to_ne_bytes());
    [code[0], code[1], if_true, if_false, value[0], value[1], value[2], value[3]]
}

/// Allows everything.
const ALLOW: [u8; 8] = instruction(0x06, 0, 0, libc::SECCOMP_RET_ALLOW);

/// Refuses one system call with an error number and allows all others.
const fn refuse(call: libc::c_long, errno: i32) -> [u8; 32] {
    let parts = [
        instruction(0x20, 0, 0, 0), // load the number of the call
        instruction(0x15, 0, 1, call as u32),
        instruction(0x06, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        ALLOW,
    ];
    let mut bytes = [0; 32];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = parts[at / 8][at % 8];
        at += 1;
    }
    bytes
}

const NO_UNAME: [u8; 32] = refuse(libc::SYS_uname, libc::EPERM);
const NO_UNAME_11: [u8; 32] = refuse(libc::SYS_uname, libc::EAGAIN);
const NO_EXEC: [u8; 32] = refuse(libc::SYS_execve, libc::ENOSYS);
const NO_MKDIR: [u8; 32] = refuse(libc::SYS_mkdir, libc::EXDEV);

pub(crate) const CASES: &[Case] = &[
    // Which ones the command sees.
    case("fds-inherited", "R S").fds(&[(3, Text("")), (7, Open("dir")), (11, Text(""))]),
    case("fds-inherited-pidns", "R --unshare-pid --proc /proc S").fds(&[(3, Text("")), (7, Open("dir"))]),
    case("sync-fd", "R --sync-fd 7 S").fds(&[(7, Text(""))]),
    case("sync-fd-pidns", "R --unshare-pid --proc /proc --sync-fd 7 S").fds(&[(7, Text(""))]),
    case("sync-fd-as-pid-1", "R --unshare-pid --as-pid-1 --proc /proc --sync-fd 7 S").fds(&[(7, Text(""))]),
    case("sync-fd-not-open", "R --sync-fd 99 P args"),
    case("sync-fd-init", "R --sync-fd 7 P state").fds(&[(7, Text(""))]),
    case("fds-of-all-kinds", "R --sync-fd 7 --block-fd 8 --info-fd 9 --bind-fd 10 {d}/empty --file 11 /dev/null S")
        .fds(&[(3, Text("")), (7, Text("")), (8, Text("x")), (9, Out), (10, Open("dir")), (11, Text(""))])
        .since(V0_10),
    case("fds-of-older-kinds", "--bind / / --args 6 --sync-fd 7 --block-fd 8 --info-fd 9 --json-status-fd 10 --ro-bind-data 11 {d}/file --seccomp 12 S")
        .fds(&[
            (6, Text("--unshare-pid\0")),
            (7, Text("")),
            (8, Text("x")),
            (9, Out),
            (10, Out),
            (11, Text("")),
            (12, Bytes(&ALLOW)),
        ]),
    // Blocking.
    case("block-byte", "R --block-fd 6 S").fds(&[(6, Pipe("x"))]),
    case("block-end", "R --block-fd 6 S").fds(&[(6, Pipe(""))]),
    case("block-not-open", "R --block-fd 99 P args"),
    case("block-takes-one-byte", "R --block-fd 0 cat").fds(&[(0, Pipe("xyz"))]),
    // What is told.
    case("info", "R --info-fd 6 P args").fds(&[(6, Out)]),
    case("info-all", "R --unshare-all --info-fd 6 P args").fds(&[(6, Out)]),
    case("info-some", "R --unshare-user --unshare-uts --unshare-ipc --info-fd 6 P args").fds(&[(6, Out)]),
    case("info-stdout", "R --info-fd 1 P args"),
    case("info-not-open", "R --info-fd 99 true").gives(1, "", "bwrap: Write to info_fd: Bad file descriptor"),
    case("info-read-only", "R --info-fd 6 P args").fds(&[(6, Text(""))]),
    case("json", "R --json-status-fd 6 sh -c 'exit 7'").fds(&[(6, Out)]),
    case("json-all", "R --unshare-all --json-status-fd 6 true").fds(&[(6, Out)]),
    case("json-signal", "R --json-status-fd 6 sh -c 'kill -9 $$'").fds(&[(6, Out)]),
    case("json-signal-pidns", "R --unshare-pid --json-status-fd 6 sh -c 'kill -TERM $$'").fds(&[(6, Out)]),
    case("json-as-pid-1", "R --unshare-pid --as-pid-1 --json-status-fd 6 sh -c 'exit 7'").fds(&[(6, Out)]),
    case("json-no-exec", "R --json-status-fd 6 /nonexist").fds(&[(6, Out)]),
    case("json-no-exec-pidns", "R --unshare-pid --json-status-fd 6 /nonexist").fds(&[(6, Out)]),
    case("json-no-setup", "R --bind /none /mnt --json-status-fd 6 true").fds(&[(6, Out)]),
    case("json-parse-error", "R --json-status-fd 6 --bogus").fds(&[(6, Out)]),
    case("json-not-open", "R --json-status-fd 99 true").gives(1, "", "bwrap: Write to info_fd: Bad file descriptor"),
    case("json-and-info", "R --unshare-pid --json-status-fd 6 --info-fd 7 true").fds(&[(6, Out), (7, Out)]),
    // Filters.
    case("seccomp", "R --seccomp 6 S").fds(&[(6, Bytes(&ALLOW))]),
    case("seccomp-pidns", "R --unshare-pid --proc /proc --seccomp 6 S").fds(&[(6, Bytes(&ALLOW))]),
    case("seccomp-init", "R --unshare-pid --proc /proc --seccomp 6 P status 1").fds(&[(6, Bytes(&ALLOW))]),
    case("seccomp-refuses", "R --seccomp 6 P syscall 63").fds(&[(6, Bytes(&NO_UNAME))]),
    case("seccomp-setup-is-free", "R --tmpfs /tmp --dir /tmp/a --seccomp 6 P tree /tmp").fds(&[(6, Bytes(&NO_MKDIR))]),
    case("seccomp-no-exec", "R --seccomp 6 true").fds(&[(6, Bytes(&NO_EXEC))]),
    case("seccomp-empty", "R --seccomp 6 --seccomp 6 true").fds(&[(6, Text(""))]),
    case("seccomp-odd-length", "R --seccomp 6 true").fds(&[(6, Text("12345"))]),
    case("seccomp-not-a-program", "R --seccomp 6 true").fds(&[(6, Text("12345678"))]),
    case("seccomp-not-open", "R --seccomp 99 true"),
    case("seccomp-pipe", "R --seccomp 6 S").fds(&[(6, Pipe("\u{6}\0\0\0\0\0\u{ff}\u{7f}"))]),
    case("add-seccomp", "R --add-seccomp-fd 6 S").fds(&[(6, Bytes(&ALLOW))]),
    case("add-seccomp-two", "R --add-seccomp-fd 6 --add-seccomp-fd 7 P syscall 63")
        .fds(&[(6, Bytes(&NO_MKDIR)), (7, Bytes(&NO_UNAME))]),
    case("add-seccomp-order", "R --add-seccomp-fd 6 --add-seccomp-fd 7 P syscall 63")
        .fds(&[(6, Bytes(&NO_UNAME)), (7, Bytes(&NO_UNAME_11))]),
    case("add-seccomp-init", "R --unshare-pid --proc /proc --add-seccomp-fd 6 --add-seccomp-fd 7 P status 1")
        .fds(&[(6, Bytes(&ALLOW)), (7, Bytes(&ALLOW))]),
    case("add-seccomp-empty", "R --add-seccomp-fd 6 true").fds(&[(6, Text(""))]),
    case("add-seccomp-odd-length", "R --add-seccomp-fd 6 true").fds(&[(6, Text("12345"))]),
    case("add-seccomp-not-open", "R --add-seccomp-fd 99 true"),
    case("add-seccomp-same-fd", "R --add-seccomp-fd 6 --add-seccomp-fd 6 true").fds(&[(6, Bytes(&ALLOW))]),
    case("add-seccomp-directory", "R --add-seccomp-fd 6 true").fds(&[(6, Open("dir"))]),
    // Joining what is no namespace; joining real ones is in live.rs.
    case("userns-not-a-namespace", "R --userns 6 true").fds(&[(6, Text(""))]),
    case("userns-not-open", "R --userns 99 true"),
    case("userns2-not-a-namespace", "R --userns2 6 true").fds(&[(6, Text(""))]).gives(1, "", "bwrap: Setting userns2 failed"),
    case("pidns-not-a-namespace", "R --pidns 6 true").fds(&[(6, Text(""))]),
    case("pidns-not-open", "R --pidns 99 true"),
    // Locks.
    case("lock", "--bind / / --lock-file {d}/file P lock-holder {d}/file"),
    case("lock-two", "--bind / / --lock-file {d}/file --lock-file {d}/orig P lock-holder {d}/orig"),
    case("lock-pidns", "--bind / / --unshare-pid --proc /proc --lock-file {d}/file P lock-holder {d}/file"),
    case("lock-read-only", "R --lock-file {d}/file P lock-holder {d}/file"),
    case("lock-inside", "--ro-bind {probe} /p --file 6 /x --lock-file /x /p lock-holder /x").fds(&[(6, Text(""))]),
    case("lock-missing", "--bind / / --lock-file {d}/none P write {d}/ran").gives(
        1,
        "",
        "bwrap: Unable to open lock file {d}/none: No such file or directory",
    ),
];
