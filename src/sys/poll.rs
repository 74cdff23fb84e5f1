//! Waiting for one of several descriptors (`poll(2)`).

use nix::poll::{PollFlags, PollTimeout, poll};

use super::{Errno, Result};

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

/// A descriptor to wait for.
pub(crate) use nix::poll::PollFd as Awaited;

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

/// Waits until one of `all` is ready, and returns the index of the first that is.
pub(crate) fn first_ready(all: &mut [Awaited<'_>]) -> Result<usize> {
    loop {
        match poll(all, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        // A flag that nix does not know counts as ready too.
        if let Some(first) = all.iter().position(|one| one.any().unwrap_or(true)) {
            return Ok(first);
        }
    }
}
