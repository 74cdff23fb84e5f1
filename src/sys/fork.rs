//! Copies a process that may have threads (`fork(2)`).

use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

use super::process::exit_now;
use super::signals::forget_handlers;
use super::{Errno, Result};

/// The result of [`fork`], once in each process.
pub(crate) enum Forked {
    /// In the caller: the id of the new process.
    Parent(i32),
    /// In the new process.
    Child(Ends),
}

/// Held in a process that is a copy of somebody's program. Dropping it ends the process, so that the copy never goes on
/// as that program.
pub(crate) struct Ends(());

impl Ends {
    /// For a process that [`super::process::clone`] has made.
    pub(crate) fn here() -> Ends {
        Ends(())
    }

    pub(crate) fn exit(self, code: u8) -> ! {
        exit_now(code)
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        // Reached when a panic unwinds.
        exit_now(1);
    }
}

/// `fork(2)` for a caller that may have threads. The new process has one thread, a copy of the calling one. No signal
/// is blocked in it, and no handler has run in it.
///
/// It uses fork(3) of the C library, which takes the locks of its allocator, so the copy can allocate memory. Other
/// locks may be held for ever by threads that the copy does not have. So the copy must not use anything of `std` that
/// locks: not the environment, not the standard streams.
pub(crate) fn fork() -> Result<Forked> {
    let mut before = SigSet::empty();
    // A handler in the new process must not act in the caller's name.
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    // SAFETY: the new process keeps the rules above.
    let pid = Errno::result(unsafe { libc::fork() });
    if pid == Ok(0) {
        forget_handlers();
        before = SigSet::empty();
    }
    let restored = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None);
    match pid {
        Ok(0) if restored.is_err() => exit_now(1),
        Ok(0) => Ok(Forked::Child(Ends(()))),
        pid => pid.map(Forked::Parent),
    }
}
