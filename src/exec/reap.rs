//! The part of init that also runs in its sealed copy: it lets the program start, reaps, and carries out what the
//! supervisor commands.
//!
//! It allocates no memory: the filter of the program may be in force, and PID 1 stays as small as it begins.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::tell::tell;
use crate::protocol::{At, Command, Failure, GO, Message, Outcome, Stage, Watch};
use crate::sys::children::{self, Change, Changes};
use crate::sys::process::{self, End};
use crate::sys::{Errno, content, poll, terminal};

/// Lets the program's process go on, and waits until it has executed the program, which closes its end of the socket.
/// As with `process::spawn_on_own_stack`, a failure from here on is one after the start.
pub(super) fn let_start(release: BorrowedFd<'_>) -> Result<(), Errno> {
    content::write_all(release, GO)?;
    // The result does not matter: the process was released.
    let _executed = content::read(release, &mut [0]).is_ok();
    Ok(())
}

/// Waits until no child is left. Reports how the program ended as soon as it has. With `changes` it also carries out
/// commands meanwhile.
pub(super) fn reap(watch: Watch, control: &OwnedFd, changes: Option<&Changes>) -> Failure {
    let mut reaper = Reaper { watch, control, ended: None };
    let failed = match changes {
        Some(changes) => reaper.obey(changes),
        None => reaper.wait(),
    };
    match failed {
        Ok(code) => process::exit_now(code),
        Err(failure) => failure,
    }
}

/// PID 1 while the program runs.
struct Reaper<'a> {
    watch: Watch,
    control: &'a OwnedFd,
    /// How the program has ended.
    ended: Option<End>,
}

impl Reaper<'_> {
    /// Waits until no child is left. Returns the exit code of the program.
    fn wait(&mut self) -> Outcome<u8> {
        loop {
            match children::wait_for_any() {
                Ok((pid, change)) => self.changed(pid, change),
                Err(errno) => return self.no_child(errno),
            }
        }
    }

    /// Does the same, and carries out the commands of the supervisor.
    fn obey(&mut self, changes: &Changes) -> Outcome<u8> {
        /// Most children that are looked at in a row. A command must not wait for all that a fork bomb has left.
        const IN_A_ROW: usize = 64;
        // Children first: the supervisor may be gone, and is then not listened to.
        let mut sources = [poll::readable(changes.as_fd()), poll::readable(self.control.as_fd())];
        let (mut listened, mut is_more) = (sources.len(), false);
        loop {
            poll::wait(&mut sources[..listened], is_more).stage(Stage::Reap)?;
            if listened > 1 && poll::was_ready(&sources[1]) && !self.carry_out() {
                listened = 1;
            }
            if poll::was_ready(&sources[0]) {
                changes.note().stage(Stage::Reap)?;
            } else if !is_more {
                continue;
            }
            is_more = true;
            for _ in 0..IN_A_ROW {
                match children::look_for_change() {
                    Ok(Some((pid, change))) => self.changed(pid, change),
                    Ok(None) => {
                        is_more = false;
                        break;
                    }
                    Err(errno) => return self.no_child(errno),
                }
            }
        }
    }

    /// Carries out a command. Returns false if the supervisor is gone.
    fn carry_out(&self) -> bool {
        let mut packet = [0; Command::ROOM];
        match content::read(self.control.as_fd(), &mut packet) {
            Ok(0) => return false,
            Ok(length) => match (Command::decode(&packet[..length]), self.ended) {
                // The program has not been waited for, so its number is still its own.
                (Some(Command::Signal(signal)), None) => {
                    let _sent = terminal::signal_group(self.watch.program, signal).is_ok();
                }
                (Some(Command::Signal(signal)), Some(_)) => terminal::signal_all_inside(signal),
                (None, _) => {}
            },
            // The supervisor has closed its end with a message of ours unread. The end of file comes next.
            Err(errno) => return errno == Errno::ECONNRESET,
        }
        true
    }

    fn changed(&mut self, pid: i32, change: Change) {
        match change {
            _ if pid != self.watch.program => {}
            Change::Ended(end) => {
                self.ended = Some(end);
                let is_empty = self.watch.tells_more && children::are_none();
                tell(self.control, &Message::Ended { end, is_empty });
            }
            Change::Stopped(signal) if self.watch.tells_stops => tell(self.control, &Message::Stopped(signal)),
            Change::Stopped(_) => {}
        }
    }

    fn no_child(&self, errno: Errno) -> Outcome<u8> {
        self.ended.map(End::exit_code).ok_or(Failure::new(Stage::Reap, errno as i32))
    }
}
