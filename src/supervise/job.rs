//! The program as a job of the caller's terminal.
//!
//! The program has a process group of its own, so that nothing inside reaches the caller's group. But a terminal sends
//! what is typed (^C, ^Z) to one group only, its foreground group, lets only that one read, and the caller waits for this
//! process, not for the program. So the foreground is handed on, and what happens to the program there happens to the
//! caller's group as well, as if both were one:
//!
//! * The program's group gets the terminal at once where its standard input and output both are one. Otherwise another
//!   member of the caller's group may need it (`pinfold run make | less`), and the program gets it when it asks: it stops
//!   by TTIN or TTOU then, which is how sudo(8) finds out.
//! * It stops (^Z): the caller's group stops, and the shell shows its prompt. When the shell continues the job (`fg`),
//!   the program's group goes on, with the terminal if it had that.
//! * INT or QUIT ends it (^C): the caller's group is interrupted too once the run is over.
//!
//! A program that stops or kills itself looks the same. Shells with job control make no difference either. It counts in
//! the foreground only, where a user can continue or start again what has stopped or ended.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::plan::Program;
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
    /// It gets the terminal whenever the job is in the foreground: it has asked for it, or both of its standard
    /// descriptors are terminals.
    wants_terminal: Cell<bool>,
    /// The last of INT and QUIT that the terminal sent to the caller's group, and that was passed on.
    passed_on: Cell<Option<u8>>,
}

/// How this process ends after a program that an interrupt has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// By this signal, which the caller's group has got already.
    Alone(u8),
    /// By this signal, after an interrupt of the caller's group.
    WithGroup(u8),
}

impl Job {
    /// The job that the program will be. `None` where no terminal is involved.
    pub(super) fn of(program: &Program) -> Option<Job> {
        if !program.new_group {
            return None;
        }
        // No error: most callers without a terminal have none at all, and a terminal that cannot be asked is not used.
        let terminal = terminal::open().ok()?;
        let callers = terminal::own_group();
        let is_foreground = terminal::foreground(terminal.as_fd()).ok()? == callers;
        let wants = is_foreground && [0, 1].into_iter().all(terminal::is_terminal);
        let (has_terminal, wants_terminal) = (Cell::new(wants), Cell::new(wants));
        Some(Job {
            terminal,
            callers,
            programs: Cell::default(),
            has_terminal,
            wants_terminal,
            passed_on: Cell::default(),
        })
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
            (_, Some(group)) if is_typed => {
                self.passed_on.set(Some(signal));
                send(group, signal);
            }
            _ => return false,
        }
        true
    }

    /// The program has stopped by `signal`.
    pub(super) fn stopped(&self, signal: u8) {
        let Some(group) = self.programs.get() else { return };
        let foreground = terminal::foreground(self.terminal.as_fd()).ok();
        let is_ours = foreground == Some(self.callers);
        // Somebody may have stopped this process itself meanwhile (SIGSTOP). Then the shell has taken the terminal.
        let is_known = !signals::is_pending(signals::CONTINUE);
        if is_ours && signals::wants_terminal(signal) {
            // It asks for what it has not had yet, or the shell has moved this job to the foreground without a signal.
            self.wants_terminal.set(true);
            return self.resume(group);
        }
        let is_foreground = is_ours || foreground == Some(group) || self.has_terminal.get() && is_known;
        // As long as this process is stopped the terminal is the shell's.
        self.has_terminal.set(false);
        if is_foreground && !is_ours {
            // From a group of the box, whichever: one that nobody waits for would keep it while this process is stopped.
            let _taken = terminal::set_foreground(self.terminal.as_fd(), self.callers).is_ok();
        }
        // In the background this process alone: that is enough for the shell to notice, and the rest of the caller's
        // group goes on.
        signals::stop(signal, is_foreground);
        // Where nobody can continue this process, the kernel has not stopped it, and the program goes on at once. In the
        // background it would only stop again.
        if is_foreground && !signals::is_pending(signals::CONTINUE) {
            self.resume(group);
        }
    }

    /// The program has ended. Returns what that means for this process, if it means more than an exit code.
    pub(super) fn ended(&self, end: End) -> Option<Interrupted> {
        match end {
            End::Signal(signal) if !signals::is_typed(signal) => None,
            End::Signal(signal) if self.passed_on.get() == Some(signal) => Some(Interrupted::Alone(signal)),
            End::Signal(signal) if self.has_terminal.get() => Some(Interrupted::WithGroup(signal)),
            _ => None,
        }
    }

    /// Whether the box has the terminal, or has had it.
    pub(super) fn was_foreground(&self) -> bool {
        self.wants_terminal.get()
    }

    /// Takes the terminal back for the caller's group, from whichever group of the box has it, and lets others open it
    /// (`TIOCEXCL`, ioctl_tty(2)).
    ///
    /// The box has ended. So a group of it has no process any more, or it is the program's: one that has outlived the
    /// program. The shell takes the terminal when this process is stopped or the script around it has ended, and does
    /// not say so. It would be stopped, or end, without the terminal.
    pub(super) fn give_back(&self) {
        let foreground = terminal::foreground(self.terminal.as_fd()).ok();
        let is_of_box = |group: i32| self.programs.get() == Some(group) || terminal::is_gone(group);
        if self.wants_terminal.get() && foreground.is_some_and(is_of_box) {
            // A terminal that has gone is nobody's.
            let _done = terminal::set_foreground(self.terminal.as_fd(), self.callers).is_ok();
        }
        if self.wants_terminal.get() {
            terminal::share(self.terminal.as_fd());
        }
    }

    /// This process goes on, and the program with it: in the foreground if the job is there and the program wants that.
    fn resume(&self, group: i32) {
        let foreground = terminal::foreground(self.terminal.as_fd()).ok();
        let is_given = foreground == Some(self.callers)
            && self.wants_terminal.get()
            && terminal::set_foreground(self.terminal.as_fd(), group).is_ok();
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
