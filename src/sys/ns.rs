//! Namespaces (`namespaces(7)`) and the host name, which belongs to one.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use nix::sched::CloneFlags;

use super::Result;

/// A set of namespace kinds, as `clone(2)` takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NsSet(CloneFlags);

impl NsSet {
    pub(crate) const NONE: NsSet = NsSet(CloneFlags::empty());
    pub(crate) const USER: NsSet = NsSet(CloneFlags::CLONE_NEWUSER);
    pub(crate) const MOUNT: NsSet = NsSet(CloneFlags::CLONE_NEWNS);
    pub(crate) const PID: NsSet = NsSet(CloneFlags::CLONE_NEWPID);
    pub(crate) const NET: NsSet = NsSet(CloneFlags::CLONE_NEWNET);
    pub(crate) const IPC: NsSet = NsSet(CloneFlags::CLONE_NEWIPC);
    pub(crate) const UTS: NsSet = NsSet(CloneFlags::CLONE_NEWUTS);
    pub(crate) const CGROUP: NsSet = NsSet(CloneFlags::CLONE_NEWCGROUP);

    #[must_use]
    pub(crate) fn with_if(self, wanted: bool, other: NsSet) -> NsSet {
        if wanted { NsSet(self.0 | other.0) } else { self }
    }

    pub(crate) fn has(self, other: NsSet) -> bool {
        self.0.contains(other.0)
    }

    pub(super) fn bits(self) -> libc::c_int {
        self.0.bits()
    }
}

/// Moves this process into the namespace of kind `kind` that `fd` refers to.
pub(crate) fn join(fd: BorrowedFd<'_>, kind: NsSet) -> Result<()> {
    nix::sched::setns(fd, kind.0)
}

/// Moves this process into new namespaces.
pub(crate) fn unshare(kinds: NsSet) -> Result<()> {
    nix::sched::unshare(kinds.0)
}

pub(crate) fn sethostname(name: &CStr) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    nix::unistd::sethostname(std::ffi::OsStr::from_bytes(name.to_bytes()))
}
