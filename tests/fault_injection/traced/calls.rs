//! What a system call is called, how it can fail, and which failures nothing in the box could show.

use std::fmt;

use libc::c_long;
use nix::errno::Errno;

/// One system call as it was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) nr: i64,
    pub(crate) args: [u64; 6],
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let infallible = INFALLIBLE.iter().find(|(nr, _)| *nr == self.nr).map(|(_, name)| *name);
        match infallible.or(row(self.nr).map(|row| row.name)) {
            Some(name) => f.write_str(name),
            None => write!(f, "syscall_{}", self.nr),
        }
    }
}

/// How a failure is made to look real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    /// The call is not executed; it returns the error.
    Skip,
    /// The call is executed and then returns the error: close(2) frees the descriptor whatever it returns, so that a
    /// skipped close would be a leak which no kernel can cause.
    RunFirst,
    /// brk(2) has no errno: it returns the break, and a break that did not move is the failure. Asking for break 0
    /// gives exactly that.
    BreakUnmoved,
}

impl Call {
    /// The errors to inject, one launch for each; none for a call that cannot fail.
    pub(crate) fn errors(&self) -> Vec<Errno> {
        if self.cannot_fail() {
            return Vec::new();
        }
        let Some(row) = row(self.nr) else { return vec![Errno::EPERM] };
        let mut errors = if self.nr == libc::SYS_prctl { self.errors_of_prctl() } else { row.errors.to_vec() };
        // With GRND_INSECURE it takes whatever there is (getrandom(2)).
        if self.nr == libc::SYS_getrandom && self.args[2] & u64::from(libc::GRND_INSECURE) != 0 {
            errors.retain(|errno| *errno != Errno::EAGAIN);
        }
        if row.interruptible || self.waits_for_a_lock() {
            errors.push(Errno::EINTR);
        }
        errors
    }

    /// A kernel without the option says EINVAL; few options have another error.
    fn errors_of_prctl(&self) -> Vec<Errno> {
        match self.args[0] as i32 {
            libc::PR_CAPBSET_DROP | libc::PR_CAP_AMBIENT | libc::PR_SET_SECUREBITS => vec![Errno::EINVAL, Errno::EPERM],
            libc::PR_SET_SECCOMP => vec![Errno::EINVAL, Errno::EACCES],
            _ => vec![Errno::EINVAL],
        }
    }

    pub(crate) fn means(&self) -> Means {
        match self.nr {
            libc::SYS_close => Means::RunFirst,
            libc::SYS_brk => Means::BreakUnmoved,
            _ => Means::Skip,
        }
    }

    fn cannot_fail(&self) -> bool {
        let is_question = self.nr == libc::SYS_brk && self.args[0] == 0;
        is_question || INFALLIBLE.iter().any(|(nr, _)| *nr == self.nr)
    }

    fn waits_for_a_lock(&self) -> bool {
        self.nr == libc::SYS_fcntl && matches!(self.args[1] as i32, libc::F_SETLKW | libc::F_OFD_SETLKW)
    }

    /// Whether the C library makes this call between [`Call::ends_loading`] and `main`.
    pub(crate) fn is_of_the_c_runtime(&self) -> bool {
        const START: [c_long; 9] = [
            libc::SYS_set_robust_list,
            libc::SYS_rseq,
            libc::SYS_mprotect,
            libc::SYS_prlimit64,
            libc::SYS_munmap,
            libc::SYS_readlink,
            libc::SYS_readlinkat,
            libc::SYS_getrandom,
            libc::SYS_brk,
        ];
        START.contains(&self.nr)
    }

    /// The first call that a C library makes for a program, static or dynamic, once everything is loaded.
    pub(crate) fn ends_loading(&self) -> bool {
        self.nr == libc::SYS_set_tid_address
    }

    /// Restrictions that a probe inside cannot see. "The box looks the same" proves nothing about these, so a failure
    /// of one must always end the launch.
    pub(crate) fn is_unseen_restriction(&self) -> bool {
        let [first, second, ..] = self.args;
        match self.nr {
            libc::SYS_prctl => match first as i32 {
                libc::PR_SET_PDEATHSIG | libc::PR_SET_SECUREBITS | libc::PR_SET_MDWE => second != 0,
                libc::PR_SET_DUMPABLE => second == 0,
                _ => false,
            },
            libc::SYS_landlock_restrict_self => true,
            _ => false,
        }
    }
}

/// Calls without an error return: those which only read or swap a number of the process, and those which do not return.
const INFALLIBLE: &[(c_long, &str)] = &[
    (libc::SYS_getpid, "getpid"),
    (libc::SYS_gettid, "gettid"),
    (libc::SYS_getppid, "getppid"),
    (libc::SYS_getpgrp, "getpgrp"),
    (libc::SYS_getuid, "getuid"),
    (libc::SYS_geteuid, "geteuid"),
    (libc::SYS_getgid, "getgid"),
    (libc::SYS_getegid, "getegid"),
    (libc::SYS_umask, "umask"),
    (libc::SYS_alarm, "alarm"),
    (libc::SYS_sched_yield, "sched_yield"),
    (libc::SYS_rt_sigreturn, "rt_sigreturn"),
    (libc::SYS_restart_syscall, "restart_syscall"),
    (libc::SYS_sync, "sync"),
    (libc::SYS_exit, "exit"),
    (libc::SYS_exit_group, "exit_group"),
];

struct Row {
    nr: c_long,
    name: &'static str,
    /// Errors which the call can return, from its manual page.
    errors: &'static [Errno],
    /// May also return EINTR, after which a program tries again: such a launch must be complete.
    interruptible: bool,
}

const fn can(nr: c_long, name: &'static str, errors: &'static [Errno]) -> Row {
    Row { nr, name, errors, interruptible: false }
}

const fn may_wait(nr: c_long, name: &'static str, errors: &'static [Errno]) -> Row {
    Row { nr, name, errors, interruptible: true }
}

fn row(nr: i64) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.nr == nr)
}

/// Linux 6.15; libc does not know it yet.
const OPEN_TREE_ATTR: c_long = 467;

/// A call that is newer than the oldest kernel in use has ENOSYS as a second error: whatever the tool then falls back
/// to has to build the same box.
#[rustfmt::skip]
const ROWS: &[Row] = {
    use Errno::*;
    &[
    // Files.
    may_wait(libc::SYS_read,      "read",      &[EIO]),
    may_wait(libc::SYS_pread64,   "pread64",   &[EIO]),
    may_wait(libc::SYS_readv,     "readv",     &[EIO]),
    may_wait(libc::SYS_write,     "write",     &[EIO, ENOSPC]),
    may_wait(libc::SYS_pwrite64,  "pwrite64",  &[EIO, ENOSPC]),
    may_wait(libc::SYS_writev,    "writev",    &[EIO, ENOSPC]),
    can(libc::SYS_open,           "open",      &[EMFILE, EACCES]),
    can(libc::SYS_openat,         "openat",    &[EMFILE, EACCES]),
    can(libc::SYS_openat2,        "openat2",   &[EMFILE, EXDEV, ENOSYS]),
    can(libc::SYS_creat,          "creat",     &[ENOSPC]),
    can(libc::SYS_close,          "close",     &[EIO, EINTR]),
    can(libc::SYS_close_range,    "close_range", &[ENOMEM, ENOSYS]),
    can(libc::SYS_dup,            "dup",       &[EMFILE]),
    can(libc::SYS_dup2,           "dup2",      &[EMFILE]),
    can(libc::SYS_dup3,           "dup3",      &[EMFILE]),
    can(libc::SYS_fcntl,          "fcntl",     &[EINVAL]),
    may_wait(libc::SYS_flock,     "flock",     &[EAGAIN]),
    can(libc::SYS_lseek,          "lseek",     &[ESPIPE]),
    can(libc::SYS_stat,           "stat",      &[EACCES]),
    can(libc::SYS_lstat,          "lstat",     &[EACCES]),
    can(libc::SYS_fstat,          "fstat",     &[ENOMEM]),
    can(libc::SYS_newfstatat,     "newfstatat", &[EACCES, ENOMEM]),
    can(libc::SYS_statx,          "statx",     &[EACCES, ENOSYS]),
    can(libc::SYS_statfs,         "statfs",    &[EACCES]),
    can(libc::SYS_fstatfs,        "fstatfs",   &[EIO]),
    // Not EACCES: to the question which these ask, that is an answer.
    can(libc::SYS_access,         "access",    &[ENOMEM]),
    can(libc::SYS_faccessat,      "faccessat", &[ENOMEM]),
    can(libc::SYS_faccessat2,     "faccessat2", &[ENOMEM, ENOSYS]),
    can(libc::SYS_readlink,       "readlink",  &[EACCES]),
    can(libc::SYS_readlinkat,     "readlinkat", &[EACCES]),
    can(libc::SYS_getdents64,     "getdents64", &[ENOENT]),
    can(libc::SYS_getcwd,         "getcwd",    &[ENOENT]),
    can(libc::SYS_chdir,          "chdir",     &[EACCES]),
    can(libc::SYS_fchdir,         "fchdir",    &[EACCES]),
    can(libc::SYS_mkdir,          "mkdir",     &[ENOSPC, EACCES]),
    can(libc::SYS_mkdirat,        "mkdirat",   &[ENOSPC, EACCES]),
    can(libc::SYS_rmdir,          "rmdir",     &[EBUSY]),
    can(libc::SYS_symlink,        "symlink",   &[ENOSPC]),
    can(libc::SYS_symlinkat,      "symlinkat", &[ENOSPC]),
    can(libc::SYS_link,           "link",      &[EPERM]),
    can(libc::SYS_linkat,         "linkat",    &[EPERM]),
    can(libc::SYS_unlink,         "unlink",    &[EIO]),
    can(libc::SYS_unlinkat,       "unlinkat",  &[EIO]),
    can(libc::SYS_rename,         "rename",    &[EIO]),
    can(libc::SYS_renameat2,      "renameat2", &[EIO, ENOSYS]),
    can(libc::SYS_mknod,          "mknod",     &[EPERM]),
    can(libc::SYS_mknodat,        "mknodat",   &[EPERM]),
    can(libc::SYS_chmod,          "chmod",     &[EPERM]),
    can(libc::SYS_fchmod,         "fchmod",    &[EPERM]),
    can(libc::SYS_fchmodat,       "fchmodat",  &[EPERM]),
    can(libc::SYS_chown,          "chown",     &[EPERM]),
    can(libc::SYS_fchown,         "fchown",    &[EPERM]),
    can(libc::SYS_fchownat,       "fchownat",  &[EPERM]),
    can(libc::SYS_ftruncate,      "ftruncate", &[EIO]),
    can(libc::SYS_ioctl,          "ioctl",     &[EPERM]),
    can(libc::SYS_sendfile,       "sendfile",  &[EIO]),
    can(libc::SYS_copy_file_range, "copy_file_range", &[EXDEV, ENOSYS]),
    can(libc::SYS_memfd_create,   "memfd_create", &[EMFILE]),
    // Pipes, sockets, events.
    can(libc::SYS_pipe,           "pipe",      &[EMFILE]),
    can(libc::SYS_pipe2,          "pipe2",     &[EMFILE]),
    can(libc::SYS_eventfd2,       "eventfd2",  &[EMFILE]),
    can(libc::SYS_signalfd4,      "signalfd4", &[EMFILE]),
    can(libc::SYS_timerfd_create, "timerfd_create", &[EMFILE]),
    can(libc::SYS_epoll_create1,  "epoll_create1", &[EMFILE]),
    can(libc::SYS_epoll_ctl,      "epoll_ctl", &[ENOMEM]),
    may_wait(libc::SYS_epoll_wait, "epoll_wait", &[EINVAL]),
    may_wait(libc::SYS_epoll_pwait, "epoll_pwait", &[EINVAL]),
    may_wait(libc::SYS_poll,      "poll",      &[ENOMEM]),
    may_wait(libc::SYS_ppoll,     "ppoll",     &[ENOMEM]),
    may_wait(libc::SYS_select,    "select",    &[ENOMEM]),
    may_wait(libc::SYS_pselect6,  "pselect6",  &[ENOMEM]),
    can(libc::SYS_socket,         "socket",    &[EMFILE, EPERM]),
    can(libc::SYS_socketpair,     "socketpair", &[EMFILE]),
    can(libc::SYS_bind,           "bind",      &[EADDRINUSE]),
    may_wait(libc::SYS_connect,   "connect",   &[ECONNREFUSED]),
    can(libc::SYS_setsockopt,     "setsockopt", &[ENOPROTOOPT]),
    can(libc::SYS_getsockname,    "getsockname", &[ENOBUFS]),
    may_wait(libc::SYS_sendto,    "sendto",    &[ENOBUFS]),
    may_wait(libc::SYS_sendmsg,   "sendmsg",   &[ENOBUFS]),
    may_wait(libc::SYS_recvfrom,  "recvfrom",  &[ENOMEM]),
    may_wait(libc::SYS_recvmsg,   "recvmsg",   &[ENOMEM]),
    // Memory.
    can(libc::SYS_brk,            "brk",       &[ENOMEM]),
    can(libc::SYS_mmap,           "mmap",      &[ENOMEM]),
    can(libc::SYS_mremap,         "mremap",    &[ENOMEM]),
    can(libc::SYS_munmap,         "munmap",    &[ENOMEM]),
    can(libc::SYS_mprotect,       "mprotect",  &[ENOMEM]),
    can(libc::SYS_madvise,        "madvise",   &[ENOMEM]),
    // Processes and signals.
    can(libc::SYS_clone,          "clone",     &[EAGAIN, EPERM, ENOSPC]),
    can(libc::SYS_clone3,         "clone3",    &[EAGAIN, EPERM, ENOSYS]),
    can(libc::SYS_fork,           "fork",      &[EAGAIN]),
    can(libc::SYS_vfork,          "vfork",     &[EAGAIN]),
    can(libc::SYS_execve,         "execve",    &[ENOMEM, EACCES]),
    can(libc::SYS_execveat,       "execveat",  &[ENOMEM, EACCES]),
    may_wait(libc::SYS_wait4,     "wait4",     &[ECHILD]),
    may_wait(libc::SYS_waitid,    "waitid",    &[ECHILD]),
    can(libc::SYS_kill,           "kill",      &[EPERM]),
    can(libc::SYS_tgkill,         "tgkill",    &[EPERM]),
    can(libc::SYS_pidfd_open,     "pidfd_open", &[EMFILE, ENOSYS]),
    can(libc::SYS_pidfd_send_signal, "pidfd_send_signal", &[EPERM, ENOSYS]),
    can(libc::SYS_rt_sigaction,   "rt_sigaction", &[EINVAL]),
    can(libc::SYS_rt_sigprocmask, "rt_sigprocmask", &[EINVAL]),
    may_wait(libc::SYS_rt_sigtimedwait, "rt_sigtimedwait", &[EINVAL]),
    can(libc::SYS_sigaltstack,    "sigaltstack", &[ENOMEM]),
    can(libc::SYS_futex,          "futex",     &[EAGAIN]),
    can(libc::SYS_setsid,         "setsid",    &[EPERM]),
    can(libc::SYS_setpgid,        "setpgid",   &[EPERM]),
    can(libc::SYS_getpgid,        "getpgid",   &[EPERM]),
    can(libc::SYS_getsid,         "getsid",    &[EPERM]),
    can(libc::SYS_uname,          "uname",     &[EFAULT]),
    can(libc::SYS_sysinfo,        "sysinfo",   &[EFAULT]),
    may_wait(libc::SYS_getrandom, "getrandom", &[EAGAIN, ENOSYS]),
    can(libc::SYS_prlimit64,      "prlimit64", &[EPERM]),
    can(libc::SYS_getrlimit,      "getrlimit", &[EINVAL]),
    can(libc::SYS_setrlimit,      "setrlimit", &[EPERM]),
    can(libc::SYS_sched_getaffinity, "sched_getaffinity", &[EINVAL]),
    // The C library sets up its threads by it, also where PID 1 starts as a copy of itself. It fails for no address of
    // ours.
    can(libc::SYS_arch_prctl,     "arch_prctl", &[]),
    // The sandbox itself.
    can(libc::SYS_prctl,          "prctl",     &[EINVAL]),
    can(libc::SYS_seccomp,        "seccomp",   &[EINVAL, ENOMEM]),
    can(libc::SYS_landlock_create_ruleset, "landlock_create_ruleset", &[EOPNOTSUPP, ENOSYS]),
    can(libc::SYS_landlock_add_rule, "landlock_add_rule", &[ENOMEM]),
    can(libc::SYS_landlock_restrict_self, "landlock_restrict_self", &[E2BIG]),
    can(libc::SYS_capget,         "capget",    &[EPERM]),
    can(libc::SYS_capset,         "capset",    &[EPERM]),
    can(libc::SYS_unshare,        "unshare",   &[EPERM, ENOSPC]),
    can(libc::SYS_setns,          "setns",     &[EPERM]),
    can(libc::SYS_mount,          "mount",     &[EPERM, ENOSPC]),
    can(libc::SYS_umount2,        "umount2",   &[EBUSY]),
    can(libc::SYS_pivot_root,     "pivot_root", &[EINVAL]),
    can(libc::SYS_chroot,         "chroot",    &[EPERM]),
    can(libc::SYS_open_tree,      "open_tree", &[EPERM, EMFILE, ENOSYS]),
    can(OPEN_TREE_ATTR,           "open_tree_attr", &[EPERM, EMFILE, EINVAL, ENOSYS]),
    can(libc::SYS_move_mount,     "move_mount", &[EINVAL, ENOSYS]),
    can(libc::SYS_mount_setattr,  "mount_setattr", &[EPERM, EINVAL, ENOSYS]),
    can(libc::SYS_fsopen,         "fsopen",    &[EPERM, ENOSYS]),
    can(libc::SYS_fsconfig,       "fsconfig",  &[EPERM, EINVAL]),
    can(libc::SYS_fsmount,        "fsmount",   &[EPERM, EMFILE]),
    can(libc::SYS_fspick,         "fspick",    &[EPERM]),
    can(libc::SYS_sethostname,    "sethostname", &[EPERM]),
    can(libc::SYS_setdomainname,  "setdomainname", &[EPERM]),
    can(libc::SYS_setuid,         "setuid",    &[EAGAIN, EPERM]),
    can(libc::SYS_setgid,         "setgid",    &[EPERM]),
    can(libc::SYS_setresuid,      "setresuid", &[EAGAIN, EPERM]),
    can(libc::SYS_setresgid,      "setresgid", &[EPERM]),
    can(libc::SYS_setgroups,      "setgroups", &[EPERM]),
    can(libc::SYS_getgroups,      "getgroups", &[EINVAL]),
    can(libc::SYS_personality,    "personality", &[EINVAL]),
    can(libc::SYS_keyctl,         "keyctl",    &[EPERM]),
    ]
};
