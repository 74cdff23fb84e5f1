//! What the processes inside tell the supervisor.

use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};

use crate::protocol::{At, Failure, Message, Outcome, Stage};
use crate::sys::{content, process};

/// Sends a message to the supervisor. If that has ended, there is nobody to tell.
pub(super) fn tell(control: &OwnedFd, message: &Message) {
    // Use write(2): this may run under the caller's filter, which may allow no other call.
    let _listening = content::write_all(control.as_fd(), &message.encode()).is_ok();
}

/// What does not end the run, and is said before the program runs.
pub(super) struct Remarks<'a> {
    control: &'a OwnedFd,
    /// How many were told.
    told: Cell<u32>,
}

impl<'a> Remarks<'a> {
    pub(super) fn new(control: &'a OwnedFd) -> Remarks<'a> {
        Remarks { control, told: Cell::new(0) }
    }

    /// Something could not be enforced, and need not be.
    pub(super) fn dropped(&self, failure: Failure) {
        self.tell(&Message::Dropped(failure));
    }

    /// Something that takes nothing from what was asked for.
    pub(super) fn remark(&self, failure: Failure) {
        self.tell(&Message::Remark(failure));
    }

    fn tell(&self, message: &Message) {
        tell(self.control, message);
        self.told.set(self.told.get() + 1);
    }

    /// Waits until the supervisor has said all of them: its lines shall not stand below those of the program.
    pub(super) fn wait_until_said(&self) -> Outcome<()> {
        for _ in 0..self.told.get() {
            if content::read(self.control.as_fd(), &mut [0]).stage(Stage::Control)? == 0 {
                // The supervisor is gone: so is this box, before it began.
                process::exit_now(1);
            }
        }
        Ok(())
    }
}
