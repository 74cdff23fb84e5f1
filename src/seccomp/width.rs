//! Which arguments the kernel takes as 32 bits, although their register has 64.
//!
//! The kernel ignores the upper half of such a register: `ioctl(fd, TIOCSTI | 1 << 32)` is TIOCSTI. That bypasses a
//! filter that compares all 64 bits (CVE-2019-10063 in flatpak, CVE-2019-7303 in snap). The author of a profile should
//! not have to know. So conditions on the arguments listed here compare only the lower half.

/// Call, and index of the argument. The types are those of the kernel's `SYSCALL_DEFINE` (Linux 6.18). Only arguments
/// that a profile may want to test are listed. `clone` has `unsigned long`, but uses `lower_32_bits` of it
/// (kernel/fork.c). File modes are not listed: they have 16 bits, so a sound condition on one uses a mask anyway.
const NARROW: &[(&str, u8)] = &[
    ("accept4", 3),
    ("arch_prctl", 0),
    ("bpf", 0),
    ("clock_adjtime", 0),
    ("clock_settime", 0),
    ("clone", 0),
    ("close_range", 2),
    ("epoll_create1", 0),
    ("eventfd2", 1),
    ("execveat", 4),
    ("fallocate", 1),
    ("fanotify_init", 0),
    ("fchmodat2", 3),
    ("fcntl", 1),
    ("fsmount", 1),
    ("fsopen", 1),
    ("futex", 1),
    ("getpriority", 0),
    ("getsockopt", 1),
    ("getsockopt", 2),
    ("inotify_init1", 0),
    ("io_uring_setup", 0),
    ("ioctl", 1),
    ("ioprio_set", 0),
    ("keyctl", 0),
    ("kill", 0),
    ("kill", 1),
    ("landlock_create_ruleset", 2),
    ("lsm_set_self_attr", 0),
    ("madvise", 2),
    ("memfd_create", 1),
    ("mlock2", 2),
    ("mlockall", 0),
    ("move_mount", 4),
    ("mq_open", 1),
    ("open", 1),
    ("open_tree", 2),
    ("openat", 2),
    ("personality", 0),
    ("pidfd_open", 1),
    ("pidfd_send_signal", 1),
    ("pipe2", 1),
    ("prctl", 0),
    ("prlimit64", 0),
    ("prlimit64", 1),
    ("quotactl", 0),
    ("renameat2", 4),
    ("rt_sigqueueinfo", 1),
    ("sched_setscheduler", 1),
    ("seccomp", 0),
    ("seccomp", 1),
    ("setns", 1),
    ("setpriority", 0),
    ("setrlimit", 0),
    ("setsockopt", 1),
    ("setsockopt", 2),
    ("shutdown", 1),
    ("signalfd4", 3),
    ("socket", 0),
    ("socket", 1),
    ("socket", 2),
    ("socketpair", 0),
    ("socketpair", 1),
    ("socketpair", 2),
    ("syslog", 0),
    ("tgkill", 0),
    ("tgkill", 1),
    ("tgkill", 2),
    ("timer_create", 0),
    ("timerfd_create", 0),
    ("timerfd_create", 1),
    ("tkill", 0),
    ("tkill", 1),
    ("umount2", 1),
    ("unlinkat", 2),
    ("userfaultfd", 0),
    ("waitid", 3),
];

/// Whether the kernel takes argument `index` of call `name` as 32 bits.
pub(crate) fn is_narrow(name: &str, index: u8) -> bool {
    NARROW.contains(&(name, index))
}

/// Every listed call, once.
#[cfg(test)]
pub(super) fn calls() -> impl Iterator<Item = &'static str> {
    NARROW.iter().map(|(name, _)| *name).collect::<std::collections::BTreeSet<_>>().into_iter()
}
