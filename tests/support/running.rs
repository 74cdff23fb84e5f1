//! A program that was started: reading what it says, feeding it, waiting for it, ending it when it hangs.
#![allow(unsafe_code)] // pidfd_open has no wrapper

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Only a hang reaches this. No launch takes a hundredth of it on a machine at rest, but tests also run on busy ones.
pub(crate) const DEADLINE: Duration = Duration::from_secs(600);

/// What a program did.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// What was written to each [`super::Fd::Out`], by its number, 1 and 2 left out.
    pub(crate) outs: BTreeMap<RawFd, Vec<u8>>,
}

impl Outcome {
    /// `exit N` or `signal N`.
    pub(crate) fn ending(&self) -> String {
        match (self.status.code(), self.status.signal()) {
            (Some(code), _) => format!("exit {code}"),
            (None, signal) => format!("signal {}", signal.unwrap_or(0)),
        }
    }

    pub(crate) fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// A program that runs. Dropped before its end, it is killed with everything below it.
#[derive(Debug)]
pub(crate) struct Running {
    what: String,
    child: Child,
    outs: Vec<(RawFd, OwnedFd)>,
    said: BTreeMap<RawFd, Vec<u8>>,
    feeds: Vec<(RawFd, OwnedFd)>,
    ended: bool,
}

impl Running {
    pub(super) fn new(
        what: String,
        child: Child,
        outs: Vec<(RawFd, OwnedFd)>,
        feeds: Vec<(RawFd, OwnedFd)>,
    ) -> Running {
        let said = outs.iter().map(|(number, _)| (*number, Vec::new())).collect();
        Running { what, child, outs, said, feeds, ended: false }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Writes `text` to the [`super::Fd::In`] called `number`.
    pub(crate) fn feed(&mut self, number: RawFd, text: &str) {
        let (_, fd) = self.feeds.iter().find(|(known, _)| *known == number).expect("an Fd::In of that number");
        File::from(fd.try_clone().expect("copy a descriptor")).write_all(text.as_bytes()).expect("feed a pipe");
    }

    /// Closes the [`super::Fd::In`] called `number`: its reader meets the end of the file.
    pub(crate) fn end_feed(&mut self, number: RawFd) {
        self.feeds.retain(|(known, _)| *known != number);
    }

    /// Reads descriptor `number` until `wanted` says that it has seen enough; returns all that was said there.
    pub(crate) fn read_until(&mut self, number: RawFd, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let said = String::from_utf8_lossy(&self.said[&number]).into_owned();
            if wanted(&said) {
                return said;
            }
            assert!(self.outs.iter().any(|(known, _)| *known == number), "{}: fd {number} ended: {said:?}", self.what);
            self.listen(deadline);
        }
    }

    /// Reads descriptor `number` until nobody holds its other end any more.
    pub(crate) fn read_until_end(&mut self, number: RawFd) {
        let deadline = Instant::now() + DEADLINE;
        while self.outs.iter().any(|(known, _)| *known == number) {
            self.listen(deadline);
        }
    }

    /// Whether anyone still holds the other end of the [`super::Fd::Out`] called `number`, at this moment.
    pub(crate) fn is_held(&self, number: RawFd) -> bool {
        let Some((_, fd)) = self.outs.iter().find(|(known, _)| *known == number) else { return false };
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::empty())];
        poll(&mut fds, PollTimeout::ZERO).expect("poll a pipe");
        !fds[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
    }

    /// Reads the next bytes that come on any descriptor, and drops descriptors that ended.
    fn listen(&mut self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds: Vec<PollFd> = self.outs.iter().map(|(_, fd)| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(0) => self.hung(),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        let mut ready = ready.into_iter();
        self.outs.retain(|(number, fd)| {
            if ready.next() != Some(true) {
                return true;
            }
            let mut buffer = [0; 65536];
            let count = File::from(fd.try_clone().expect("copy a descriptor")).read(&mut buffer).expect("read a pipe");
            self.said.entry(*number).or_default().extend_from_slice(&buffer[..count]);
            count > 0
        });
    }

    /// Waits for the program itself; others may still hold its output.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let Some(process) = pidfd(self.pid()) else { panic!("{}: already waited for", self.what) };
        if !readable(&process, DEADLINE) {
            self.hung();
        }
        let status = self.child.wait().expect("wait for a child");
        self.ended = true;
        status
    }

    /// Waits until the program has exited and nobody holds its output.
    pub(crate) fn finish(mut self) -> Outcome {
        self.feeds.clear();
        let deadline = Instant::now() + DEADLINE;
        while !self.outs.is_empty() {
            self.listen(deadline);
        }
        let status = if self.ended { self.child.wait().expect("status of a child") } else { self.wait() };
        let mut outs = std::mem::take(&mut self.said);
        let stdout = outs.remove(&1).unwrap_or_default();
        let stderr = outs.remove(&2).unwrap_or_default();
        Outcome { status, stdout, stderr, outs }
    }

    fn hung(&mut self) -> ! {
        let said: Vec<String> = self
            .said
            .iter()
            .map(|(number, text)| format!("fd {number}: {:?}", String::from_utf8_lossy(text)))
            .collect();
        let tree = session(self.pid());
        self.end();
        panic!("hang: {} (processes {tree:?})\n{}", self.what, said.join("\n"));
    }

    fn end(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        // Orphans are no descendants any more, but still of the session that the launch began.
        for pid in descendants(self.pid()).into_iter().chain(session(self.pid())).chain([self.pid()]) {
            // A process may end by itself between the look and the kill.
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap_or(());
        }
        self.child.wait().expect("wait for a killed child");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Every process below `pid`, the nearest first.
pub(crate) fn descendants(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let tasks = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        found.extend(tasks.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    found.split_off(1)
}

/// Every process of the session that `leader` began.
pub(crate) fn session(leader: i32) -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let of_session = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // After the name in parentheses: state, parent, group, session.
        let session = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(3).map(str::to_owned));
        session.is_some_and(|session| session == leader.to_string())
    };
    pids.filter(of_session).collect()
}

/// A handle on the process `pid`, if it is there.
pub(crate) fn pidfd(pid: i32) -> Option<OwnedFd> {
    // SAFETY: pidfd_open takes two numbers and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    // SAFETY: the kernel has just made this descriptor, and nobody else knows it.
    (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Waits until the process behind `process` has ended; false when it lives on past the deadline.
pub(crate) fn gone(process: &OwnedFd) -> bool {
    readable(process, DEADLINE)
}

/// Whether the process behind `process` lives at this moment.
pub(crate) fn lives(process: &OwnedFd) -> bool {
    !readable(process, Duration::ZERO)
}

fn readable(fd: &OwnedFd, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(fd.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(count) => return count > 0,
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
    }
}
