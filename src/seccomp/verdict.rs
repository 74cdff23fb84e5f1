//! The answers that a filter can give: their names in the kernel and in OCI profiles, and their words for people.

use std::fmt;

/// The answer to one system call (seccomp(2)). The strictest comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Allow,
    /// The call is allowed, and written to the audit log.
    Log,
    /// The call is handed to a tracer with this number. Without a tracer it fails with ENOSYS.
    Trace(u16),
    /// The call fails with this errno.
    Errno(u16),
    /// The call is refused, and the thread gets SIGSYS.
    Trap,
    /// Ends the thread.
    KillThread,
    /// Ends the process, with a core dump.
    KillProcess,
}

pub(crate) const EPERM: u16 = 1;
pub(crate) const ENOSYS: u16 = 38;

/// The kernel returns no larger error number (`MAX_ERRNO` in include/linux/err.h). seccomp reduces larger ones to it.
pub(crate) const MAX_ERRNO: u16 = 4095;

/// `SCMP_ACT_…` of OCI profiles. `SCMP_ACT_KILL` is libseccomp's old name for killing the thread.
pub(crate) const ACTIONS: &[&str] = &[
    "SCMP_ACT_ALLOW",
    "SCMP_ACT_ERRNO",
    "SCMP_ACT_KILL",
    "SCMP_ACT_KILL_PROCESS",
    "SCMP_ACT_KILL_THREAD",
    "SCMP_ACT_TRAP",
    "SCMP_ACT_LOG",
    "SCMP_ACT_TRACE",
];

impl Verdict {
    /// The verdict of action `name`; `number` is the errno or the number for the tracer.
    pub(crate) fn from_action(name: &str, number: u16) -> Option<Verdict> {
        match name {
            "SCMP_ACT_ALLOW" => Some(Verdict::Allow),
            "SCMP_ACT_ERRNO" => Some(Verdict::Errno(number)),
            "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Some(Verdict::KillThread),
            "SCMP_ACT_KILL_PROCESS" => Some(Verdict::KillProcess),
            "SCMP_ACT_TRAP" => Some(Verdict::Trap),
            "SCMP_ACT_LOG" => Some(Verdict::Log),
            "SCMP_ACT_TRACE" => Some(Verdict::Trace(number)),
            _ => None,
        }
    }

    /// Whether the action carries a number.
    pub(crate) fn takes_number(self) -> bool {
        matches!(self, Verdict::Errno(_) | Verdict::Trace(_))
    }

    /// Whether a filter that returns `code` lets the call through.
    pub(crate) fn lets_through(code: u32) -> bool {
        [Verdict::Allow.code(), Verdict::Log.code()].contains(&code)
    }

    /// The verdict that has the code `code`, if a profile could have it.
    pub(crate) fn of_code(code: u32) -> Option<Verdict> {
        let number = code as u16;
        let known = [
            Verdict::Allow,
            Verdict::Log,
            Verdict::Trace(number),
            Verdict::Errno(number),
            Verdict::Trap,
            Verdict::KillThread,
            Verdict::KillProcess,
        ];
        known.into_iter().find(|verdict| verdict.code() == code)
    }

    /// What the filter returns: `SECCOMP_RET_…` of include/uapi/linux/seccomp.h.
    pub(crate) fn code(self) -> u32 {
        match self {
            Verdict::KillProcess => 0x8000_0000,
            Verdict::KillThread => 0,
            Verdict::Trap => 0x0003_0000,
            Verdict::Errno(number) => 0x0005_0000 | u32::from(number),
            Verdict::Trace(number) => 0x7ff0_0000 | u32::from(number),
            Verdict::Log => 0x7ffc_0000,
            Verdict::Allow => 0x7fff_0000,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Allow => f.write_str("allowed"),
            Verdict::Log => f.write_str("allowed and logged"),
            Verdict::Trace(number) => write!(f, "handed to a tracer (number {number})"),
            Verdict::Errno(number) => match errno_name(*number) {
                Some(name) => write!(f, "refused with {name} ({number})"),
                None => write!(f, "refused with errno {number}"),
            },
            Verdict::Trap => f.write_str("refused with SIGSYS"),
            Verdict::KillThread => f.write_str("refused, the thread is killed"),
            Verdict::KillProcess => f.write_str("refused, the process is killed"),
        }
    }
}

/// Errnos that make sense as an answer, and a few that existing profiles use. The numbers are those of
/// include/uapi/asm-generic/errno{-base,}.h, which all supported architectures share.
const ERRNOS: &[(&str, u16)] = &[
    ("EPERM", EPERM),
    ("ENOENT", 2),
    ("ESRCH", 3),
    ("EINTR", 4),
    ("EIO", 5),
    ("ENXIO", 6),
    ("E2BIG", 7),
    ("ENOEXEC", 8),
    ("EBADF", 9),
    ("ECHILD", 10),
    ("EAGAIN", 11),
    ("ENOMEM", 12),
    ("EACCES", 13),
    ("EFAULT", 14),
    ("EBUSY", 16),
    ("EEXIST", 17),
    ("ENODEV", 19),
    ("ENOTDIR", 20),
    ("EISDIR", 21),
    ("EINVAL", 22),
    ("ENFILE", 23),
    ("EMFILE", 24),
    ("ENOTTY", 25),
    ("ENOSPC", 28),
    ("EROFS", 30),
    ("ERANGE", 34),
    ("ENAMETOOLONG", 36),
    ("ENOSYS", ENOSYS),
    ("ENOPROTOOPT", 92),
    ("EPROTONOSUPPORT", 93),
    ("ESOCKTNOSUPPORT", 94),
    ("EOPNOTSUPP", 95),
    ("EPFNOSUPPORT", 96),
    ("EAFNOSUPPORT", 97),
    ("ENETUNREACH", 101),
    ("ECONNREFUSED", 111),
];

pub(crate) fn errno_name(number: u16) -> Option<&'static str> {
    ERRNOS.iter().find(|(_, known)| *known == number).map(|(name, _)| *name)
}

pub(crate) fn errno_number(name: &str) -> Option<u16> {
    ERRNOS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}
