//! The program as a job of the caller's terminal.
//!
//! The program has a process group of its own, so that nothing inside reaches the caller's group. But a terminal sends
//! what is typed (^C, ^Z) to one group only, its foreground group, and the caller waits for this process, not for the
//! program. So the program's group is made the foreground group, and what happens to it there happens to the caller's
//! group as well, as if both were one:
//!
//! * It stops (^Z): the caller's group stops, and the shell shows its prompt. When the shell continues the job (`fg`),
//!   the program's group gets the terminal and goes on.
//! * INT or QUIT ends it (^C): the same signal goes to the caller's group once the run is over.
//!
//! A program that stops or kills itself looks the same. Shells with job control make no difference either. It counts in
//! the foreground only, where a user can continue or start again what has stopped or ended.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::plan::Plan;
use crate::sys::process::End;
use crate::sys::signals::{self, Arrived};
use crate::sys::terminal;

/// The terminal, and who has it.
pub(super) struct Job {
    terminal: OwnedFd,
    /// The group of this process.
    callers: i32,
    /// The program's group, once there is one.
    programs: Cell<Option<i32>>,
    /// The box has the terminal: the program's group, or one that the program has made.
    has_terminal: Cell<bool>,
}

impl Job {
    /// The job that the program will be. `None` where no terminal is involved.
    pub(super) fn of(plan: &Plan) -> Option<Job> {
        // No error: most callers without a terminal have none at all, and a terminal that cannot be asked is not used.
        let terminal = if plan.new_group { terminal::open().ok()? } else { return None };
        let callers = terminal::own_group();
        let is_foreground = terminal::foreground(terminal.as_fd()).ok()? == callers;
        Some(Job { terminal, callers, programs: Cell::default(), has_terminal: Cell::new(is_foreground) })
    }

    /// The terminal, where the program's group is to be its foreground group from the start.
    pub(super) fn for_program(&self) -> Option<BorrowedFd<'_>> {
        self.has_terminal.get().then_some(self.terminal.as_fd())
    }

    /// The program is about to start, in the group that has the number of its process.
    pub(super) fn started(&self, group: Option<i32>) {
        self.programs.set(group.filter(|&group| group > 1));
    }

    /// Does what a signal to this process means for the job. False for a signal that ends the box.
    pub(super) fn takes(&self, Arrived { signal, is_typed }: Arrived) -> bool {
        match (i32::from(signal), self.programs.get()) {
            (signals::CONTINUE, Some(group)) => self.resume(group),
            // It goes on with being set up.
            (signals::CONTINUE, None) => {}
            (signals::STOP_TYPED, Some(group)) => send(group, signal),
            (signals::STOP_TYPED, None) => signals::stop(signal, false),
            // The terminal sent it to this group: the program's is not the foreground group, and has not got it.
            (_, Some(group)) if is_typed => send(group, signal),
            _ => return false,
        }
        true
    }

    /// The program has stopped by `signal`.
    pub(super) fn stopped(&self, signal: u8) {
        let Some(group) = self.programs.get() else { return };
        let foreground = terminal::foreground(self.terminal.as_fd()).ok();
        let is_ours = foreground == Some(self.callers);
        if is_ours && signals::wants_terminal(signal) {
            // Only that. The shell has moved this job to the foreground without a signal.
            return self.resume(group);
        }
        let is_foreground = is_ours || foreground == Some(group);
        // In the background this process alone: that is enough for the shell to notice, and the rest of the caller's
        // group goes on.
        signals::stop(signal, is_foreground);
        // Where nobody can continue this process, the kernel has not stopped it, and the program goes on at once. In the
        // background it would only stop again.
        if is_foreground && !signals::is_pending(signals::CONTINUE) {
            self.resume(group);
        }
    }

    /// The program has ended. Returns the signal that the caller's group gets for it.
    pub(super) fn ended(&self, end: End) -> Option<u8> {
        let is_interrupted = self.has_terminal.get() && matches!(end, End::Signal(signal) if signals::is_typed(signal));
        self.programs.set(None);
        match end {
            End::Signal(signal) if is_interrupted => Some(signal),
            _ => None,
        }
    }

    /// Takes the terminal back for the caller's group.
    pub(super) fn give_back(&self) {
        if self.has_terminal.replace(false) {
            // One that has gone is nobody's.
            let _done = terminal::set_foreground(self.terminal.as_fd(), self.callers).is_ok();
        }
    }

    /// This process goes on, and the program with it: in the foreground if the job is there.
    fn resume(&self, group: i32) {
        let foreground = terminal::foreground(self.terminal.as_fd()).ok();
        let is_given =
            foreground == Some(self.callers) && terminal::set_foreground(self.terminal.as_fd(), group).is_ok();
        self.has_terminal.set(is_given || foreground == Some(group));
        send(group, signals::CONTINUE as u8);
    }
}

fn send(group: i32, signal: u8) {
    // One that has ended needs none.
    let _sent = terminal::signal_group(group, signal).is_ok();
}

impl AsRawFd for Job {
    fn as_raw_fd(&self) -> RawFd {
        self.terminal.as_raw_fd()
    }
}
