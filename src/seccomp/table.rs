//! Names and numbers of system calls, and their groups.

use super::arch::Arch;

/// One line per call. The file says where its numbers come from.
const TABLE: &str = include_str!("tables/syscalls.tbl");

/// The group of calls that only other architectures have. A profile cannot use its name.
pub(crate) const FOREIGN: &str = "@foreign";

/// Every group and its contents. `seccomp show @group` lists the calls.
pub(crate) const GROUPS: &[(&str, &str)] = &[
    ("@io", "reading, writing, waiting and controlling what is open (ioctl too)"),
    ("@file", "files and directories by path or descriptor: opening, attributes, links, watching"),
    ("@memory", "mapping and protecting memory of the process itself"),
    ("@process", "processes and threads: starting, ending, waiting, futexes, facts about the system"),
    ("@signal", "sending and receiving signals"),
    ("@time", "reading clocks, sleeping, timers"),
    ("@sched", "scheduling, priorities, resource limits"),
    ("@identity", "user and group ids, capabilities of the process itself"),
    ("@socket", "sockets of every family"),
    ("@ipc", "System V IPC and POSIX message queues"),
    ("@aio", "asynchronous I/O of the kernel (io_submit), not io_uring"),
    ("@io_uring", "io_uring: operations that no filter sees"),
    ("@sandbox", "further restriction of the process itself: seccomp, Landlock"),
    ("@mount", "changing the file system tree: mount, pivot_root, chroot, the new mount interface"),
    ("@namespace", "unshare and setns; clone can make namespaces too"),
    ("@ptrace", "reading and controlling other processes"),
    ("@keyring", "the kernel's keyrings, which no namespace separates"),
    ("@bpf", "bpf"),
    ("@perf", "perf_event_open"),
    ("@userfaultfd", "userfaultfd"),
    ("@fanotify", "watching whole file systems"),
    ("@handle", "opening files by handle, past every path"),
    ("@numa", "placing memory on NUMA nodes"),
    ("@module", "loading and removing kernel modules"),
    ("@boot", "reboot and kexec"),
    ("@clock", "setting the clock"),
    ("@admin", "administration of the host: accounting, quota, swap, host name, kernel log"),
    ("@rawio", "direct access to hardware"),
    ("@emulation", "personality, and the segments and 16-bit modes of x86"),
    ("@obsolete", "calls that the kernel has dropped, or keeps for programs of the nineties"),
];

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) group: &'static str,
    numbers: [Option<u32>; Arch::ALL.len()],
}

impl Call {
    /// The number on `arch`, if the call exists there.
    pub(crate) fn number(&self, arch: Arch) -> Option<u32> {
        Arch::ALL.iter().zip(self.numbers).find(|(known, _)| **known == arch).and_then(|(_, number)| number)
    }

    fn parse(line: &'static str) -> Option<Call> {
        let mut words = line.split(' ');
        let (name, group) = (words.next()?, words.next()?);
        let mut numbers = [None; Arch::ALL.len()];
        for number in &mut numbers {
            *number = words.next()?.parse().ok();
        }
        Some(Call { name, group, numbers })
    }
}

/// The parsed table.
#[derive(Debug)]
pub(crate) struct Table {
    /// Sorted by name, as the file is.
    calls: Vec<Call>,
}

impl Table {
    pub(crate) fn new() -> Table {
        Table { calls: TABLE.lines().filter(|line| !line.starts_with('#')).filter_map(Call::parse).collect() }
    }

    #[cfg(test)]
    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Call> {
        self.calls.binary_search_by_key(&name, |call| call.name).ok().and_then(|index| self.calls.get(index))
    }

    /// The call with this `number` on `arch`.
    pub(crate) fn by_number(&self, arch: Arch, number: u32) -> Option<&Call> {
        self.calls.iter().find(|call| call.number(arch) == Some(number))
    }

    /// The calls of `group` (`@mount`). `None` if there is no such group.
    pub(crate) fn group(&self, group: &str) -> Option<impl Iterator<Item = &Call>> {
        let known = GROUPS.iter().any(|(name, _)| *name == group);
        known.then(|| self.calls.iter().filter(move |call| call.group == group))
    }

    /// The call or group with the name most like `name`, if one is similar.
    pub(crate) fn suggestion(&self, name: &str) -> Option<&'static str> {
        let groups = GROUPS.iter().map(|(group, _)| *group);
        crate::suggest::nearest(name, self.calls.iter().map(|call| call.name).chain(groups))
    }
}
