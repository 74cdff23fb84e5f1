//! What signals to this process mean for the program and for the box.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::plan::Plan;
use crate::protocol::Command;
use crate::spec::OnSignal;
use crate::sys::process::Child;
use crate::sys::signals::{self, Arrived};
use crate::sys::{socket, terminal};

/// timeout(1) sends its signal to its child, and at once again to the group of its child. That is one request.
const ONE_REQUEST: Duration = Duration::from_millis(100);

/// What to do about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The program gets it.
    Forward,
    /// The program gets it, and has [`crate::spec::Lifecycle::kill_after`] from now on.
    ForwardAndWait,
    /// It ends the box.
    End,
    /// Nothing.
    Nothing,
}

/// What has been asked of the program so far.
#[derive(Debug, Default)]
pub(super) struct Forwarding {
    is_on: bool,
    /// The last request to end that the program got: the signal, its sender, and when.
    last: Option<(Arrived, Instant)>,
    /// Whether the program got TERM.
    has_term: bool,
    /// Whether the program was told to stop and has not yet.
    is_to_stop: bool,
}

impl Forwarding {
    pub(super) fn new(on_signal: OnSignal) -> Forwarding {
        Forwarding { is_on: on_signal == OnSignal::Forward, ..Forwarding::default() }
    }

    /// What `arrived` means at `now` for a program that runs.
    pub(super) fn judge(&mut self, arrived: Arrived, now: Instant) -> Meaning {
        let signal = i32::from(arrived.signal);
        if !self.is_on || !signals::is_forwarded(signal) {
            return Meaning::End;
        }
        match signal {
            signals::STOP_TYPED => self.is_to_stop = true,
            signals::CONTINUE => self.is_to_stop = false,
            _ => {}
        }
        if !signals::asks_to_end(signal) {
            return Meaning::Forward;
        }
        let is_same = |(last, when): (Arrived, Instant)| {
            // 0 may be anybody.
            arrived == last && arrived.sender != 0 && now.saturating_duration_since(when) < ONE_REQUEST
        };
        if self.last.is_some_and(is_same) {
            return Meaning::Nothing;
        }
        self.last = Some((arrived, now));
        match signal {
            signals::TERMINATE if self.has_term => Meaning::End,
            signals::TERMINATE => {
                self.has_term = true;
                Meaning::ForwardAndWait
            }
            _ => Meaning::Forward,
        }
    }

    /// The program has stopped. Returns whether somebody has asked this process for that, so that it must stop too.
    /// What stops for another reason may be continued from inside, and then nobody would continue this process.
    pub(super) fn stopped(&mut self) -> bool {
        std::mem::take(&mut self.is_to_stop)
    }
}

/// Whether `signal` is nothing to a program that has not started yet: it ends no process.
pub(super) fn is_harmless(signal: u8) -> bool {
    [signals::CONTINUE, signals::RESIZED].contains(&signal.into())
}

/// Sends the program's process group `signal`.
pub(super) fn forward(plan: &Plan, control: &OwnedFd, child: &Child, signal: u8) {
    // A failure means that the program has ended, or that PID 1 stands still and has been told a hundred times.
    let _sent = if plan.init.obeys {
        socket::send_now(control.as_fd(), &Command::Signal(signal).encode()).is_ok()
    } else {
        // The program is a child of this process, which has not waited for it. So the number of its group is its own.
        terminal::signal_group(child.pid, signal).is_ok()
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrived(signal: i32, sender: u32) -> Arrived {
        Arrived { signal: signal as u8, is_typed: false, sender }
    }

    const TERM: i32 = signals::TERMINATE;
    const INT: i32 = 2;
    const HUP: i32 = 1;

    /// Signals with sender and time in milliseconds, and what each means.
    fn judged(all: &[(i32, u32, u64)]) -> Vec<Meaning> {
        let start = Instant::now();
        let mut forwarding = Forwarding::new(OnSignal::Forward);
        let at = |millis: &u64| start + Duration::from_millis(*millis);
        all.iter().map(|(signal, sender, millis)| forwarding.judge(arrived(*signal, *sender), at(millis))).collect()
    }

    #[test]
    fn a_second_term_ends_the_box_but_not_that_of_timeout() {
        use Meaning::{End, Forward, ForwardAndWait, Nothing};
        assert_eq!(judged(&[(TERM, 7, 0), (TERM, 7, 1), (TERM, 7, 99)]), [ForwardAndWait, Nothing, Nothing]);
        assert_eq!(judged(&[(TERM, 7, 0), (TERM, 7, 100)]), [ForwardAndWait, End]);
        assert_eq!(judged(&[(TERM, 7, 0), (TERM, 8, 1)]), [ForwardAndWait, End]);
        // Nobody knows who that was.
        assert_eq!(judged(&[(TERM, 0, 0), (TERM, 0, 1)]), [ForwardAndWait, End]);
        assert_eq!(judged(&[(TERM, 7, 0), (signals::CONTINUE, 7, 1), (TERM, 7, 2)])[2], Nothing);
        // Other requests neither start the clock nor end the box, however many come.
        assert_eq!(
            judged(&[(INT, 7, 0), (INT, 7, 1), (INT, 7, 500), (INT, 8, 501)]),
            [Forward, Nothing, Forward, Forward]
        );
        assert_eq!(judged(&[(HUP, 7, 0), (TERM, 7, 1), (INT, 7, 2)]), [Forward, ForwardAndWait, Forward]);
    }

    #[test]
    fn what_is_not_for_the_program_ends_the_box() {
        const ALARM: i32 = 14;
        const WINDOW: i32 = signals::RESIZED;
        assert_eq!(
            judged(&[(ALARM, 7, 0), (WINDOW, 7, 0), (WINDOW, 7, 0)]),
            [Meaning::End, Meaning::Forward, Meaning::Forward]
        );
        for on_signal in [OnSignal::Default, OnSignal::EndSandbox] {
            assert_eq!(Forwarding::new(on_signal).judge(arrived(TERM, 7), Instant::now()), Meaning::End);
        }
    }

    #[test]
    fn a_stop_counts_if_it_was_asked_for_and_once() {
        let mut forwarding = Forwarding::new(OnSignal::Forward);
        let mut judge = |signal| forwarding.judge(arrived(signal, 7), Instant::now());
        judge(signals::STOP_TYPED);
        assert!(forwarding.stopped() && !forwarding.stopped());
        let mut judge = |signal| forwarding.judge(arrived(signal, 7), Instant::now());
        judge(signals::STOP_TYPED);
        judge(signals::CONTINUE);
        assert!(!forwarding.stopped());
    }
}
