//! What a run changes in the process that asks for it, and what that process has again afterwards.

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use super::{Errno, process};

/// The signals that a run sets: for its child, for its writing.
const CHANGED: [i32; 4] = [libc::SIGCHLD, libc::SIGPIPE, libc::SIGXFSZ, libc::SIGTTOU];

/// The settings of this process as they were when this was made. They are in force again when it is dropped.
///
/// Without that a second run would fail: the kernel lets nobody write the id maps of a process that is not dumpable
/// (user_namespaces(7)). And its program would inherit the signals that were blocked or ignored for the first.
#[must_use]
pub(crate) struct Callers {
    is_dumpable: bool,
    mask: Option<SigSet>,
    actions: [Option<libc::sigaction>; CHANGED.len()],
}

impl Callers {
    pub(crate) fn note() -> Callers {
        let mut mask = SigSet::empty();
        let has_mask = sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut mask)).is_ok();
        let actions = CHANGED.map(|signal| {
            // SAFETY: all-zero bytes are a valid action; it lives through the call, which sets no new one.
            unsafe {
                let mut action = std::mem::zeroed::<libc::sigaction>();
                Errno::result(libc::sigaction(signal, std::ptr::null(), &raw mut action)).is_ok().then_some(action)
            }
        });
        Callers { is_dumpable: process::is_dumpable(), mask: has_mask.then_some(mask), actions }
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        for (signal, action) in CHANGED.iter().zip(&self.actions) {
            // SAFETY: it was in force before, and if that was a handler, it still exists.
            let set = |action| unsafe { libc::sigaction(*signal, action, std::ptr::null_mut()) };
            let _restored = action.as_ref().is_some_and(|action| set(action) == 0);
        }
        if self.is_dumpable {
            let _restored = process::set_dumpable(true).is_ok();
        }
        // Last: a signal that has waited may end this process.
        let _restored = self.mask.is_some_and(|mask| sigprocmask(SigmaskHow::SIG_SETMASK, Some(&mask), None).is_ok());
    }
}
