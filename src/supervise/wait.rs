//! Waits until a box has ended, by itself or by what ends it from outside.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::job::Job;
use super::{Frontend, Note, Trouble, abandon};
use crate::plan::Plan;
use crate::protocol::{At, Failure, Message, Packet, Stage};
use crate::sys::process::{self, Child, End};
use crate::sys::signals::{self, Signals};
use crate::sys::{Errno, socket, terminal};

/// How a box has ended.
pub(super) struct Ended {
    pub(super) end: End,
    /// The end is that of the program.
    pub(super) is_own: bool,
    /// It is known that nothing lives inside any more but its first process, which is ours.
    pub(super) is_empty: bool,
    /// The signal to this process that has ended it.
    pub(super) signal: Option<u8>,
}

/// What may end a box besides its own end.
#[derive(Clone, Copy)]
pub(super) struct Others<'a> {
    /// The caller's process.
    pub(super) parent: Option<&'a OwnedFd>,
    /// Signals to this process.
    pub(super) signals: Option<&'a Signals>,
    /// Where the program may stop, and go on.
    pub(super) job: Option<&'a Job>,
}

/// Listens to the half inside until the program has ended. `input` is what it reads, if that is not what the caller
/// has.
pub(super) fn wait(
    plan: &Plan,
    control: &OwnedFd,
    child: &Child,
    others: Others<'_>,
    frontend: &dyn Frontend,
    input: &mut Option<OwnedFd>,
) -> Result<Ended, Trouble> {
    let mut ready = false;
    loop {
        if let Some(ended) = ended_by_others(control.as_fd(), child, others)? {
            return Ok(ended);
        }
        let mut packet = [0; Packet::ROOM];
        let received = match socket::receive(control.as_fd(), &mut packet) {
            // It ended with a packet of ours unread, which is said once, and before what it had to say itself.
            Err(Errno::ECONNRESET) => continue,
            result => result.stage(Stage::Control)?,
        };
        if received.length == 0 {
            break;
        }
        match Message::decode(&packet[..received.length]) {
            Some(Message::Input) => *input = received.descriptor,
            Some(Message::Ready) => {
                ready = true;
                others.job.iter().for_each(|job| job.started(received.sender));
            }
            Some(Message::Stopped(signal)) => others.job.iter().for_each(|job| job.stopped(signal)),
            Some(Message::Ended { end, is_empty }) if ready => {
                return Ok(Ended { end, is_own: true, is_empty, signal: None });
            }
            // Its process was killed before everything was set up: then the program never was.
            Some(Message::Ended { end, .. }) => return Err(Trouble::Silent(end)),
            Some(Message::Failed(failure)) => return Err(Trouble::Failed(failure)),
            Some(Message::Dropped(failure)) if !ready => frontend.note(plan, &Note::Dropped(failure)),
            Some(Message::Remark(failure)) if !ready => frontend.note(plan, &Note::Remark(failure)),
            Some(Message::Hello | Message::Dropped(_) | Message::Remark(_)) | None => {
                return Err(Trouble::Silent(End::Code(1)));
            }
        }
    }
    if let Some(ended) = ended_by_others(child.as_fd(), child, others)? {
        return Ok(ended);
    }
    let end = process::wait(child.as_fd()).stage(Stage::Reap)?;
    if ready { Ok(Ended { end, is_own: true, is_empty: true, signal: None }) } else { Err(Trouble::Silent(end)) }
}

/// Waits for `event`, or for what ends the box before: then it is gone, and this says how.
fn ended_by_others(event: BorrowedFd<'_>, child: &Child, others: Others<'_>) -> Result<Option<Ended>, Failure> {
    let Others { parent, signals, job } = others;
    // With nothing else to wait for, the next call waits by itself.
    if parent.is_none() && signals.is_none() {
        return Ok(None);
    }
    loop {
        let awaited = [Some(event), parent.map(AsFd::as_fd), signals.map(AsFd::as_fd)];
        let [said, orphaned, signalled] = socket::wait_any(awaited, false).stage(Stage::Control)?;
        if orphaned {
            return Ok(Some(die_with_parent(child)));
        }
        if said {
            return Ok(None);
        }
        let Some(signals) = signals.filter(|_| signalled) else { continue };
        let Some(arrived) = signals.next().stage(Stage::Signals)? else { continue };
        match job {
            Some(job) if i32::from(arrived.signal) == signals::CHILD => {
                let stopped = terminal::stopped(child.as_fd()).stage(Stage::Signals)?;
                stopped.into_iter().for_each(|signal| job.stopped(signal));
            }
            Some(job) if job.takes(arrived) => {}
            _ => {
                abandon(child);
                let signal = arrived.signal;
                return Ok(Some(Ended {
                    end: End::Signal(signal),
                    is_own: false,
                    is_empty: false,
                    signal: Some(signal),
                }));
            }
        }
    }
}

pub(super) fn die_with_parent(child: &Child) -> Ended {
    abandon(child);
    Ended { end: End::Signal(9), is_own: false, is_empty: false, signal: None }
}
