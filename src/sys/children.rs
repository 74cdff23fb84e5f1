//! The children of a process that stays inside: which of them has changed, and how to learn that one has (`wait4(2)`,
//! `signalfd(2)`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use libc::c_int;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::process::End;
use super::{Call, Errno, Result};

/// The system call of [`wait_for_any`].
pub(crate) const WAIT_FOR_ANY: Call =
    // The id is an `int`, so the compiler decides what the upper half of its register holds.
    Call {
        args: [None, None, Some(libc::WUNTRACED as u64), Some(0), None, None],
        ..Call::new("wait4", libc::SYS_wait4)
    };

/// A change in the state of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has ended and was reaped.
    Ended(End),
    /// A signal has stopped it.
    Stopped(u8),
}

/// Waits until any child ends or stops. Fails with `ECHILD` if there is none.
pub(crate) fn wait_for_any() -> Result<(i32, Change)> {
    loop {
        if let Some(changed) = wait(libc::WUNTRACED)? {
            return Ok(changed);
        }
    }
}

/// The system call of [`look_for_change`].
pub(crate) const LOOK_FOR_CHANGE: Call = Call {
    args: [None, None, Some((libc::WUNTRACED | libc::WNOHANG) as u64), Some(0), None, None],
    ..Call::new("wait4", libc::SYS_wait4)
};

/// A child that has ended or stopped since the last look, or `None`. Fails with `ECHILD` if there is no child.
pub(crate) fn look_for_change() -> Result<Option<(i32, Change)>> {
    wait(libc::WUNTRACED | libc::WNOHANG)
}

fn wait(options: c_int) -> Result<Option<(i32, Change)>> {
    loop {
        // wait4(2) and no newer call: the init of a sandbox runs under the caller's filter, which may not know newer
        // ones.
        let mut status: c_int = 0;
        // SAFETY: `status` lives through the call.
        let pid = unsafe { libc::wait4(-1, &raw mut status, options, std::ptr::null_mut()) };
        let change = match () {
            () if libc::WIFSTOPPED(status) => Change::Stopped(libc::WSTOPSIG(status) as u8),
            () => Change::Ended(End::of_status(status)),
        };
        match Errno::result(pid) {
            Err(Errno::EINTR) => {}
            result => return result.map(|pid| (pid > 0).then_some((pid, change))),
        }
    }
}

/// The system call of [`are_none`].
pub(crate) const LOOK_FOR_ANY: Call = Call {
    args: [None, None, Some((libc::WNOHANG | libc::__WALL) as u32 as u64), Some(0), None, None],
    ..Call::new("wait4", libc::SYS_wait4)
};

/// Whether this process has no child. Reaps those that have ended.
pub(crate) fn are_none() -> bool {
    loop {
        // `__WALL`: children of every kind, whatever signal they send at their end.
        // SAFETY: the kernel does not write to our memory.
        let pid = unsafe { libc::wait4(-1, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL, std::ptr::null_mut()) };
        match Errno::result(pid) {
            Ok(0) => return false,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return errno == Errno::ECHILD,
        }
    }
}

/// Can be read when a child has ended or stopped.
pub(crate) struct Changes(SignalFd);

impl Changes {
    /// From now on SIGCHLD is blocked in this process, and read here. A program that it starts must unblock it.
    pub(crate) fn watch() -> Result<Changes> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGCHLD);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
        SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).map(Changes)
    }

    /// Notes what has been said so far. Must come before the look at the children: what changes after this is said
    /// again.
    pub(crate) fn note(&self) -> Result<()> {
        match self.0.read_signal() {
            // Several ends of children are one signal (signal(7)). Others inside can send it too.
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Changes {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
