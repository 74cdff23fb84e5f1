//! The program as a job of the caller's terminal.
//!
//! The program has a process group of its own, so that nothing inside can send a signal to the caller's group. But a
//! terminal has one foreground group. Only that group may read, and only that group gets the signals of the keys (^C,
//! ^Z). And the caller waits for this process, not for the program. So this process hands the foreground to the
//! program's group. What then happens to the program also happens to the caller's group, as if both were one:
//!
//! * If standard input and output are both a terminal, the program's group gets the terminal at once. Otherwise another
//!   member of the caller's group may need it (`pinfold run make | less`). Then the program gets it when it tries to
//!   use it: SIGTTIN or SIGTTOU stops it, and this process sees that. sudo(8) does the same.
//! * If the program stops (^Z), the caller's group stops too, and the shell shows its prompt. When the shell continues
//!   the job (`fg`), the program's group goes on. It gets the terminal back if it had it before.
//! * If SIGINT or SIGQUIT kills the program (^C), the caller's group gets that signal too once the run is over.
//!
//! A program that stops or kills itself looks the same; shells with job control do not tell the cases apart either. All
//! this applies in the foreground only, where a user is there to continue a stopped job or start an ended one again.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use crate::plan::Program;
use crate::sys::process::End;
use crate::sys::signals::{self, Arrived};
use crate::sys::terminal;

/// The terminal, and whose group has it.
pub(super) struct Job {
    terminal: OwnedFd,
    /// The process group of this process and its caller.
    callers: i32,
    /// The program's group, once there is one.
    programs: Cell<Option<i32>>,
    /// Whether the box has the terminal: the program's group, or one that the program has made.
    has_terminal: Cell<bool>,
    /// Whether the program gets the terminal whenever the job is in the foreground: it has tried to use it, or its
    /// standard input and output are both a terminal.
    wants_terminal: Cell<bool>,
    /// The last SIGINT or SIGQUIT that the terminal sent to the caller's group and that this process passed on.
    passed_on: Cell<Option<u8>>,
}

/// How this process ends after SIGINT or SIGQUIT has killed the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupted {
    /// By this signal. The caller's group has got it already.
    Alone(u8),
    /// By this signal, which it sends to the whole caller's group.
    WithGroup(u8),
}

impl Job {
    /// Returns the job that the program will be, or `None` if no terminal is involved.
    pub(super) fn of(program: &Program) -> Option<Job> {
        if !program.new_group {
            return None;
        }
        // A failure is no error. Usually the caller has no controlling terminal. A terminal that cannot be opened or
        // asked is not used.
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

    /// The terminal, if the program's group becomes its foreground group from the start.
    pub(super) fn for_program(&self) -> Option<BorrowedFd<'_>> {
        self.has_terminal.get().then_some(self.terminal.as_fd())
    }

    /// Notes that the program is about to start. Its group has the same number as its process.
    pub(super) fn started(&self, group: Option<i32>) {
        self.programs.set(group.filter(|&group| group > 1));
    }

    /// Does what a signal to this process means for the job. Returns false if the signal ends the box instead.
    pub(super) fn takes(&self, Arrived { signal, is_typed, sender: _ }: Arrived) -> bool {
        match (i32::from(signal), self.programs.get()) {
            (signals::CONTINUE, Some(group)) => self.resume(group),
            // The set-up goes on by itself.
            (signals::CONTINUE, None) => {}
            (signals::STOP_TYPED, Some(group)) => send(group, signal),
            (signals::STOP_TYPED, None) => signals::stop(signal, false),
            // The terminal sent it to the caller's group. So the program's group is not in the foreground and has not
            // got it.
            (_, Some(group)) if is_typed => {
                self.passed_on.set(Some(signal));
                send(group, signal);
            }
            _ => return false,
        }
        true
    }

    /// Handles that `signal` has stopped the program.
    pub(super) fn stopped(&self, signal: u8) {
        let Some(group) = self.programs.get() else { return };
        let foreground = terminal::foreground(self.terminal.as_fd()).ok();
        let is_ours = foreground == Some(self.callers);
        // A pending SIGCONT means that this process was itself stopped meanwhile (SIGSTOP). Then the shell has taken
        // the terminal, and `has_terminal` is out of date.
        let is_known = !signals::is_pending(signals::CONTINUE);
        if is_ours && signals::wants_terminal(signal) {
            // The program tries to use the terminal for the first time, or the shell has moved this job to the
            // foreground without a signal.
            self.wants_terminal.set(true);
            return self.resume(group);
        }
        let is_foreground = is_ours || foreground == Some(group) || self.has_terminal.get() && is_known;
        // While this process is stopped, the terminal belongs to the shell.
        self.has_terminal.set(false);
        if is_foreground && !is_ours {
            // Any group of the box may have it. Nobody outside waits for that group, so it would keep the terminal
            // while this process is stopped.
            let _taken = terminal::set_foreground(self.terminal.as_fd(), self.callers).is_ok();
        }
        // In the background this process stops alone. The shell notices that, and the rest of the caller's group goes
        // on.
        signals::stop(signal, is_foreground);
        // The kernel does not stop a process that nobody could continue (an orphaned process group). No SIGCONT has
        // come then, so the program goes on at once. In the background it would only stop again.
        if is_foreground && !signals::is_pending(signals::CONTINUE) {
            self.resume(group);
        }
    }

    /// Returns how this process must end after the program has ended, or `None` if an exit code says it all.
    pub(super) fn ended(&self, end: End) -> Option<Interrupted> {
        match end {
            End::Signal(signal) if !signals::is_typed(signal) => None,
            End::Signal(signal) if self.passed_on.get() == Some(signal) => Some(Interrupted::Alone(signal)),
            End::Signal(signal) if self.has_terminal.get() => Some(Interrupted::WithGroup(signal)),
            _ => None,
        }
    }

    /// Whether the box has or has had the terminal.
    pub(super) fn was_foreground(&self) -> bool {
        self.wants_terminal.get()
    }

    /// Takes the terminal back for the caller's group from any group of the box, and lets others open it again
    /// (`TIOCEXCL`, ioctl_tty(2)).
    ///
    /// It must not take the terminal from the shell, which would then stop or end. The shell takes the terminal without
    /// a notice when this process is stopped or the script around it has ended. So this only takes it from a group that
    /// belongs to the box: the program's group, or a group without any process, since the box has ended.
    pub(super) fn give_back(&self) {
        let foreground = terminal::foreground(self.terminal.as_fd()).ok();
        let is_of_box = |group: i32| self.programs.get() == Some(group) || terminal::is_gone(group);
        if self.wants_terminal.get() && foreground.is_some_and(is_of_box) {
            // This fails if the terminal is gone. Then nobody needs it back.
            let _done = terminal::set_foreground(self.terminal.as_fd(), self.callers).is_ok();
        }
        if self.wants_terminal.get() {
            terminal::share(self.terminal.as_fd());
        }
    }

    /// Continues the program after this process goes on. The program gets the terminal if the job is in the foreground
    /// and the program wants it.
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
    // This fails if the group has ended. Then it needs no signal.
    let _sent = terminal::signal_group(group, signal).is_ok();
}

impl AsRawFd for Job {
    fn as_raw_fd(&self) -> RawFd {
        self.terminal.as_raw_fd()
    }
}
