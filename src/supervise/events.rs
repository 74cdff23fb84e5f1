//! The event loop of the supervisor: which descriptors it listens to, and which event each of them means.
//!
//! To add a source, add a value to the listener's event type, call [`Sources::register`], and handle the event.
//! Everything to wait for is a descriptor: a socket, a process (`pidfd_open(2)`), signals (`signalfd(2)`), time
//! (`timerfd_create(2)`), the notifications of a system call filter (`seccomp_unotify(2)`).
//!
//! This uses poll(2) and not epoll(7), because a launch waits only two or three times for a handful of descriptors.
//! poll(2) needs one system call. epoll(7) needs two, and one more for each source.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::sys::Result;
use crate::sys::poll::{self, Awaited};

/// The descriptors to listen to. `E` is the event that each one means.
pub(super) struct Sources<'a, E> {
    awaited: Vec<Awaited<'a>>,
    events: Vec<E>,
}

impl<'a, E: Copy + PartialEq> Sources<'a, E> {
    pub(super) fn new() -> Sources<'a, E> {
        Sources { awaited: Vec::new(), events: Vec::new() }
    }

    /// From now on `event` happens when `fd` can be read or its other end is gone.
    pub(super) fn register(&mut self, fd: BorrowedFd<'a>, event: E) {
        self.awaited.push(poll::readable(fd));
        self.events.push(event);
    }

    /// Like [`Sources::register`], but does nothing without a descriptor.
    pub(super) fn register_if(&mut self, fd: Option<BorrowedFd<'a>>, event: E) {
        fd.into_iter().for_each(|fd| self.register(fd, event));
    }

    /// Stops listening for `event`.
    pub(super) fn remove(&mut self, event: E) {
        if let Some(place) = self.events.iter().position(|known| *known == event) {
            self.events.remove(place);
            self.awaited.remove(place);
        }
    }

    /// Replaces `event` and keeps its rank. From now on the event `by` happens there when `fd` can be read or its other
    /// end is gone.
    pub(super) fn replace(&mut self, event: E, fd: BorrowedFd<'a>, by: E) {
        if let Some(place) = self.events.iter().position(|known| *known == event) {
            self.events[place] = by;
            self.awaited[place] = poll::readable(fd);
        }
    }

    /// Waits for the next event. If several come at once, returns the one that was registered first. The others are
    /// returned by the next calls.
    ///
    /// If there is only one source, this returns without a wait. The reader then waits in its read, which saves a
    /// system call.
    pub(super) fn next(&mut self) -> Result<E> {
        let place = if self.awaited.len() == 1 { 0 } else { poll::first_ready(&mut self.awaited)? };
        Ok(self.events[place])
    }

    /// The descriptors that are listened to.
    pub(super) fn numbers(&self) -> impl Iterator<Item = RawFd> {
        self.awaited.iter().map(|one| one.as_fd().as_raw_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::content;
    use crate::sys::socket;

    #[test]
    fn the_first_of_what_is_ready_is_the_next_event_until_it_is_removed() {
        let (quiet, _other) = socket::pair().unwrap();
        let [(one, to_one), (two, to_two)] = [(); 2].map(|()| socket::pair().unwrap());
        let mut sources = Sources::new();
        for (fd, event) in [(&quiet, 'q'), (&one, '1'), (&two, '2')] {
            sources.register(fd.as_fd(), event);
        }
        sources.register_if(None, 'n');
        content::write_all(to_two.as_fd(), b"x").unwrap();
        assert_eq!(sources.next(), Ok('2'));
        // An end is an event too.
        drop(to_one);
        assert_eq!(sources.next(), Ok('1'));
        assert_eq!(sources.next(), Ok('1'));
        sources.replace('1', quiet.as_fd(), '3');
        assert_eq!(sources.next(), Ok('2'));
        // What takes the place of another comes before what was registered later.
        sources.replace('q', two.as_fd(), 't');
        assert_eq!(sources.next(), Ok('t'));
        sources.remove('t');
        assert_eq!(sources.next(), Ok('2'));
        assert_eq!(sources.numbers().count(), 2);
    }

    #[test]
    fn a_sole_source_is_left_to_its_reader() {
        let (quiet, _other) = socket::pair().unwrap();
        let mut sources = Sources::new();
        sources.register(quiet.as_fd(), 'q');
        assert_eq!(sources.next(), Ok('q'));
    }
}
