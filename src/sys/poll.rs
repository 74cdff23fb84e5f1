//! Waiting for one of several descriptors (`poll(2)`).

use nix::poll::{PollFlags, PollTimeout, poll};

use super::{Call, Errno, Result};

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// A descriptor to wait for.
pub(crate) use nix::poll::PollFd as Awaited;

/// The system call that waits: poll(2), or ppoll(2) where there is no poll(2).
#[cfg(target_arch = "x86_64")]
pub(crate) const POLL: Call = Call::new("poll", libc::SYS_poll);
/// The system call that waits: poll(2), or ppoll(2) where there is no poll(2).
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const POLL: Call = Call::new("ppoll", libc::SYS_ppoll);

/// Waits until `fd` can be read or its other end is closed.
pub(crate) fn readable(fd: BorrowedFd<'_>) -> Awaited<'_> {
    Awaited::new(fd, PollFlags::POLLIN)
}

/// Whether `fd` can be read or its other end is closed at this moment.
pub(crate) fn is_ready(fd: BorrowedFd<'_>) -> Result<bool> {
    loop {
        match poll(&mut [readable(fd)], PollTimeout::ZERO) {
            Err(Errno::EINTR) => {}
            result => return result.map(|ready| ready > 0),
        }
    }
}

/// Whether `fd` can be read, or its other end is closed, within `patience`.
pub(crate) fn is_ready_within(fd: BorrowedFd<'_>, patience: Duration) -> Result<bool> {
    let end = Instant::now() + patience;
    loop {
        let left = PollTimeout::try_from(end.saturating_duration_since(Instant::now())).unwrap_or(PollTimeout::MAX);
        match poll(&mut [readable(fd)], left) {
            Err(Errno::EINTR) => {}
            result => return result.map(|ready| ready > 0),
        }
    }
}

/// Whether `one` was ready when [`wait`] returned.
pub(crate) fn was_ready(one: &Awaited<'_>) -> bool {
    // A flag that nix does not know counts as ready too.
    one.any().unwrap_or(true)
}

/// Waits until one of `all` is ready, or not at all if `is_busy`.
pub(crate) fn wait(all: &mut [Awaited<'_>], is_busy: bool) -> Result<()> {
    let timeout = if is_busy { PollTimeout::ZERO } else { PollTimeout::NONE };
    loop {
        match poll(all, timeout) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop),
        }
    }
}

/// Waits until one of `all` is ready, and returns the index of the first that is. `None`: none was before `end`.
pub(crate) fn first_ready_before(all: &mut [Awaited<'_>], end: Option<Instant>) -> Result<Option<usize>> {
    loop {
        // Rounded up: a timeout that ends early would be one more turn.
        let left = end.map(|end| end.saturating_duration_since(Instant::now()) + Duration::from_micros(999));
        let timeout = left.map_or(PollTimeout::NONE, |left| PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX));
        match poll(all, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        if let Some(first) = all.iter().position(was_ready) {
            return Ok(Some(first));
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            return Ok(None);
        }
    }
}

/// Waits until one of `all` is ready, and returns the index of the first that is.
pub(crate) fn first_ready(all: &mut [Awaited<'_>]) -> Result<usize> {
    loop {
        if let Some(first) = first_ready_before(all, None)? {
            return Ok(first);
        }
    }
}
