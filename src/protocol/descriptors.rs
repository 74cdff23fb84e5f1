//! Which descriptors a process of the launch has that matter to it: the host's procfs, and those of the caller.
//!
//! Each process has a table of its own, a copy of that of the process that made it: what one closes, the other still
//! has.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::spec::FdNumber;
use crate::sys::{Errno, Result, fd};

/// The table of one process.
#[derive(Debug)]
pub struct Descriptors {
    /// The host's procfs.
    proc: OwnedFd,
    /// Descriptors of the caller that the spec names and that are open in this process, each once.
    callers: Vec<FdNumber>,
}

impl Descriptors {
    /// `callers` are those of them that were open before any of ours was.
    pub(crate) fn new(proc: OwnedFd, mut callers: Vec<FdNumber>) -> Descriptors {
        callers.sort_unstable();
        callers.dedup();
        Descriptors { proc, callers }
    }

    /// The host's procfs.
    pub(crate) fn proc(&self) -> BorrowedFd<'_> {
        self.proc.as_fd()
    }

    /// The caller's descriptor with number `fd`. A number that was not open when we began, or that is closed since, is
    /// `EBADF`, even where a descriptor of ours has it by now.
    pub(crate) fn get(&self, fd: FdNumber) -> Result<BorrowedFd<'static>> {
        if self.callers.contains(&fd) { fd::callers_fd(fd) } else { Err(Errno::EBADF) }
    }

    /// Closes a descriptor of the caller that is used up.
    pub(crate) fn close(&mut self, fd: FdNumber) {
        self.close_all_but(|mine| mine != fd);
    }

    /// Closes every descriptor of the caller that `is_kept` does not keep.
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
