//! Looks after a box until it ends by itself or is killed from outside.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Instant;

use super::child::{SuperviseError, abandon, let_go_on};
use super::events::Sources;
use super::forwarding::{self, Forwarding, Meaning};
use super::frontend::{Frontend, Note};
use super::job::Job;
use crate::plan::Plan;
use crate::protocol::{At, Message, Packet, Stage};
use crate::spec::DieWith;
use crate::sys::process::{self, Child, End};
use crate::sys::signals::{self, Signals};
use crate::sys::{Errno, content, socket, terminal};
use crate::workspace::keeping::Keeping;

/// How a box has ended.
pub(super) struct Ended {
    pub(super) end: End,
    /// Whether `end` is how the program ended.
    pub(super) is_own: bool,
    /// Whether it is certain that at most the first process still lives inside. That one is our own init.
    pub(super) is_empty: bool,
    /// The signal to this process that made it kill the box.
    pub(super) signal: Option<u8>,
}

impl Ended {
    /// The supervisor killed the box, because the caller ended or ordered it.
    pub(super) fn killed() -> Ended {
        Ended { end: End::Signal(9), is_own: false, is_empty: false, signal: None }
    }
}

/// Who may end a box from outside.
#[derive(Clone, Copy)]
pub(super) struct Masters<'a> {
    /// The caller's process: the box ends with it.
    pub(super) parent: Option<&'a OwnedFd>,
    /// [`Frontend::orders`].
    pub(super) orders: Option<BorrowedFd<'a>>,
}

impl<'a> Masters<'a> {
    /// Listens to both. `events` holds the event of the parent, then that of the orders.
    pub(super) fn register<E: Copy + PartialEq>(self, sources: &mut Sources<'a, E>, events: [E; 2]) {
        sources.register_if(self.parent.map(AsFd::as_fd), events[0]);
        sources.register_if(self.orders, events[1]);
    }
}

/// What the supervisor listens to. If several events come at once, the first in this order is handled first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    /// The caller has ended.
    Orphaned,
    /// The caller wants the box to end.
    Ordered,
    /// The box has sent a message.
    Said,
    /// The box has ended without a message about it.
    Gone,
    /// A signal to this process.
    Signalled,
    /// The program has had its time after TERM.
    Overdue,
}

/// The supervisor, while the box sets itself up and runs.
pub(super) struct Attendant<'a> {
    plan: &'a Plan,
    frontend: &'a dyn Frontend,
    keeping: Option<&'a Keeping>,
    control: &'a OwnedFd,
    child: &'a Child,
    signals: Option<&'a Signals>,
    job: Option<&'a Job>,
    forwarding: Forwarding,
    sources: Sources<'a, Event>,
    /// Whether everything is set up.
    is_ready: bool,
    /// How the program has ended, while something else still runs that is waited for.
    ended: Option<End>,
    /// The program's standard input, if it is not the caller's.
    input: Option<OwnedFd>,
    /// The program's home, if it is to be looked at in the end.
    own_home: Option<OwnedFd>,
}

impl<'a> Attendant<'a> {
    pub(super) fn new(
        (plan, frontend, keeping): (&'a Plan, &'a dyn Frontend, Option<&'a Keeping>),
        (control, child): (&'a OwnedFd, &'a Child),
        masters: Masters<'a>,
        signals: Option<&'a Signals>,
        job: Option<&'a Job>,
    ) -> Attendant<'a> {
        let mut sources = Sources::new();
        masters.register(&mut sources, [Event::Orphaned, Event::Ordered]);
        sources.register(control.as_fd(), Event::Said);
        sources.register_if(signals.map(AsFd::as_fd), Event::Signalled);
        Attendant {
            plan,
            frontend,
            keeping,
            control,
            child,
            signals,
            job,
            forwarding: Forwarding::new(plan.lifecycle.on_signal),
            sources,
            is_ready: false,
            ended: None,
            input: None,
            own_home: None,
        }
    }

    /// The descriptors that this uses and that must stay open.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> {
        let terminal = self.job.map(AsRawFd::as_raw_fd);
        self.sources.numbers().chain([self.child.pidfd.as_raw_fd()]).chain(terminal)
    }

    /// What is kept apart, if anything is.
    pub(super) fn keeping(&self) -> Option<&Keeping> {
        self.keeping
    }

    /// The standard input that the program has read, if it is not the caller's.
    pub(super) fn input(&self) -> Option<&OwnedFd> {
        self.input.as_ref()
    }

    /// The mount of the program's home, if it is to be looked at in the end.
    pub(super) fn take_home(&mut self) -> Option<OwnedFd> {
        self.own_home.take()
    }

    /// Listens until the box has ended.
    pub(super) fn attend(&mut self) -> Result<Ended, SuperviseError> {
        loop {
            let ended = match self.sources.next().stage(Stage::Control)? {
                Event::Orphaned => Some(self.kill()),
                Event::Ordered => self.obey(),
                Event::Said => self.listen()?,
                Event::Gone => Some(self.bury()?),
                Event::Signalled => self.take_signal()?,
                Event::Overdue => Some(Ended { is_own: true, ..self.kill() }),
            };
            if let Some(ended) = ended {
                return Ok(ended);
            }
        }
    }

    fn kill(&self) -> Ended {
        abandon(self.child);
        Ended::killed()
    }

    /// Handles an order. Any byte is the order to end the box. So is end of file, unless the box outlives its caller
    /// ([`DieWith::Nobody`]).
    fn obey(&mut self) -> Option<Ended> {
        let said = self.frontend.orders().and_then(|orders| content::read(orders, &mut [0]).ok());
        if said == Some(0) && self.plan.lifecycle.die_with == DieWith::Nobody {
            self.sources.remove(Event::Ordered);
            return None;
        }
        Some(self.kill())
    }

    fn listen(&mut self) -> Result<Option<Ended>, SuperviseError> {
        let mut packet = [0; Packet::ROOM];
        let received = match socket::receive(self.control.as_fd(), &mut packet) {
            // The other side has closed the socket with a packet of ours unread. The kernel reports that once, before
            // the last messages from there.
            Err(Errno::ECONNRESET) => return Ok(None),
            result => result.stage(Stage::Control)?,
        };
        if received.length == 0 {
            // End of file: nobody can send a message any more. Only the end of the process is left to wait for.
            self.sources.replace(Event::Said, self.child.as_fd(), Event::Gone);
            return Ok(None);
        }
        match Message::decode(&packet[..received.length]) {
            Some(Message::Input) => self.input = received.descriptor,
            Some(Message::Ready) => {
                self.is_ready = true;
                self.own_home = received.descriptor;
                self.job.iter().for_each(|job| job.started(received.sender));
                self.frontend.started(self.child.pid);
                self.keeping.iter().for_each(|keeping| keeping.started(self.child.pid));
            }
            Some(Message::Stopped(signal)) => self.stopped(signal),
            Some(Message::Ended { end, is_empty: false }) if self.is_ready && self.plan.lifecycle.wait_all => {
                self.ended = Some(end);
            }
            Some(Message::Ended { end, is_empty }) if self.is_ready => {
                return Ok(Some(Ended { end, is_own: true, is_empty, signal: None }));
            }
            // The process was killed before everything was set up, so the program never ran.
            Some(Message::Ended { end, .. }) => return Err(SuperviseError::Silent(end)),
            Some(Message::Failed(failure)) => return Err(SuperviseError::Failed(failure)),
            Some(Message::Dropped(failure)) if !self.is_ready => self.note(&Note::Dropped(failure))?,
            Some(Message::Remark(failure)) if !self.is_ready => self.note(&Note::Remark(failure))?,
            Some(Message::Hello | Message::Dropped(_) | Message::Remark(_)) | None => {
                return Err(SuperviseError::Silent(End::Code(1)));
            }
        }
        Ok(None)
    }

    /// Reports something. The setup process waits until that is done.
    fn note(&self, note: &Note) -> Result<(), SuperviseError> {
        self.frontend.note(self.plan, note);
        Ok(let_go_on(self.control.as_fd())?)
    }

    fn bury(&self) -> Result<Ended, SuperviseError> {
        let end = process::wait(self.child.as_fd()).stage(Stage::Reap)?;
        if self.is_ready {
            Ok(Ended { end: self.ended.unwrap_or(end), is_own: true, is_empty: true, signal: None })
        } else {
            Err(SuperviseError::Silent(end))
        }
    }

    fn take_signal(&mut self) -> Result<Option<Ended>, SuperviseError> {
        let Some(signals) = self.signals else { return Ok(None) };
        let Some(arrived) = signals.next().stage(Stage::Signals)? else { return Ok(None) };
        let signal = arrived.signal;
        match self.job {
            _ if i32::from(signal) == signals::CHILD => {
                let stopped = terminal::stopped(self.child.as_fd()).stage(Stage::Signals)?;
                stopped.into_iter().for_each(|signal| self.stopped(signal));
                return Ok(None);
            }
            Some(job) if job.takes(arrived) => return Ok(None),
            _ => {}
        }
        if !self.is_ready && forwarding::is_harmless(signal) {
            return Ok(None);
        }
        if !self.is_ready && i32::from(signal) == signals::STOP_TYPED {
            signals::stop(signal, false);
            return Ok(None);
        }
        let now = Instant::now();
        match if self.is_ready { self.forwarding.judge(arrived, now) } else { Meaning::End } {
            Meaning::Nothing => Ok(None),
            Meaning::End => {
                abandon(self.child);
                let end = End::Signal(signal);
                Ok(Some(Ended { end, is_own: false, is_empty: false, signal: Some(signal) }))
            }
            meaning @ (Meaning::Forward | Meaning::ForwardAndWait) => {
                let grace = self.plan.lifecycle.kill_after.filter(|_| meaning == Meaning::ForwardAndWait);
                // A time that no clock reaches is none.
                let end = grace.and_then(|grace| now.checked_add(grace));
                end.into_iter().for_each(|end| self.sources.at(end, Event::Overdue));
                forwarding::forward(self.plan, self.control, self.child, signal);
                Ok(None)
            }
        }
    }

    fn stopped(&mut self, signal: u8) {
        match self.job {
            Some(job) => job.stopped(signal),
            None if self.forwarding.stopped() => signals::stop(signal, false),
            None => {}
        }
        self.frontend.stopped(signal);
    }
}
