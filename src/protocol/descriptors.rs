//! The descriptors that a process of the launch uses: the host's procfs, and those of the caller.
//!
//! Each process has its own table, copied from the process that made it. A descriptor that one process closes stays
//! open in the other.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::spec::FdNumber;
use crate::sys::{Errno, Result, fd};

/// The table of one process.
#[derive(Debug)]
pub struct Descriptors {
    /// The host's procfs.
    proc: OwnedFd,
    /// Descriptors of the caller that the spec names and that are open in this process, each listed once.
    callers: Vec<FdNumber>,
    /// The entry of the store in which this run keeps changes apart: an absolute path without links. A descriptor would
    /// be of no use to the setup process, since the kernel makes no overlay of another mount namespace's mounts.
    kept: Option<CString>,
}

impl Descriptors {
    /// `callers` are the named descriptors that were open before we opened any.
    pub(crate) fn new(proc: OwnedFd, mut callers: Vec<FdNumber>) -> Descriptors {
        callers.sort_unstable();
        callers.dedup();
        Descriptors { proc, callers, kept: None }
    }

    /// The host's procfs.
    pub(crate) fn proc(&self) -> BorrowedFd<'_> {
        self.proc.as_fd()
    }

    /// Sets the entry of the store in which this run keeps changes apart.
    pub(crate) fn keep_in(&mut self, entry: CString) {
        self.kept = Some(entry);
    }

    /// The entry of the store in which this run keeps changes apart. `ENOENT` if it keeps none.
    pub(crate) fn kept(&self) -> Result<&CStr> {
        self.kept.as_deref().ok_or(Errno::ENOENT)
    }

    /// The caller's descriptor number `fd`. `EBADF` if it was not open at the start or has been closed since. The
    /// number may belong to a descriptor of ours by now.
    pub(crate) fn get(&self, fd: FdNumber) -> Result<BorrowedFd<'static>> {
        if self.callers.contains(&fd) { fd::callers_fd(fd) } else { Err(Errno::EBADF) }
    }

    /// Closes a descriptor of the caller that is no longer needed.
    pub(crate) fn close(&mut self, fd: FdNumber) {
        self.close_all_but(|mine| mine != fd);
    }

    /// Closes every descriptor of the caller for which `is_kept` is false.
    pub(crate) fn close_all_but(&mut self, is_kept: impl Fn(FdNumber) -> bool) {
        self.callers.retain(|&fd| {
            let is_kept = is_kept(fd);
            if !is_kept {
                fd::close_numbers([fd]);
            }
            is_kept
        });
    }
}
