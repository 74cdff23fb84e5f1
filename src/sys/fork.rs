//! A copy of a program that goes on, which may have threads (`fork(2)`).

use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};

use super::process::exit_now;
use super::signals::forget_handlers;
use super::{Errno, Result};

/// What [`fork`] returns, once in each process.
pub(crate) enum Forked {
    /// In the caller: the id of the new process.
    Parent(i32),
    /// In the new process.
    Child(Ends),
}

/// In a process that is a copy of somebody's program: it ends here, whatever happens, and never goes on as that program.
pub(crate) struct Ends(());

impl Ends {
    /// In a process that [`super::process::clone`] has made.
    pub(crate) fn here() -> Ends {
        Ends(())
    }

    pub(crate) fn exit(self, code: u8) -> ! {
        exit_now(code)
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        // A panic that unwinds.
        exit_now(1);
    }
}

/// `fork(2)`, for a caller that may have threads: the new process has one, a copy of this one, and no signal is blocked in
/// it. No handler has run in it.
///
/// The function of the C library: it takes the locks of its allocator, so that the copy can allocate memory. Other locks
/// may be held for ever by threads that the copy does not have. So nothing of `std` that locks may be used there: not its
/// environment, not its standard streams.
pub(crate) fn fork() -> Result<Forked> {
    let mut before = SigSet::empty();
    // A handler must not act for the caller in the new process.
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    // SAFETY: the new process does what is said above.
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
