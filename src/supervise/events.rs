//! The event loop of the supervisor: which descriptors it listens to, and which event each of them means.
//!
//! To add a source, add a value to the listener's event type, call [`Sources::register`], and handle the event. What to
//! wait for is a descriptor: a socket, a process (`pidfd_open(2)`), signals (`signalfd(2)`), the notifications of a
//! system call filter (`seccomp_unotify(2)`). Or it is a point in time, see [`Sources::at`].
//!
//! This uses poll(2) and not epoll(7), because a launch waits only two or three times for a handful of descriptors.
//! poll(2) needs one system call. epoll(7) needs two, and one more for each source.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Instant;

use crate::sys::Result;
use crate::sys::poll::{self, Awaited};

/// The descriptors to listen to. `E` is the event that each one means.
pub(super) struct Sources<'a, E> {
    awaited: Vec<Awaited<'a>>,
    events: Vec<E>,
    /// The events that happen at a point in time.
    deadlines: Vec<(Instant, E)>,
}

impl<'a, E: Copy + PartialEq> Sources<'a, E> {
    pub(super) fn new() -> Sources<'a, E> {
        Sources { awaited: Vec::new(), events: Vec::new(), deadlines: Vec::new() }
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

    /// `event` happens once, at `when` or as soon afterwards as it is waited for, and before any event of a descriptor:
    /// otherwise a descriptor that is always ready could put it off for ever. It takes no descriptor and no system
    /// call.
    pub(super) fn at(&mut self, when: Instant, event: E) {
        self.deadlines.push((when, event));
    }

    /// Stops listening for `event` of a descriptor.
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
        if self.deadlines.is_empty() && self.awaited.len() == 1 {
            return Ok(self.events[0]);
        }
        loop {
            let first = self.deadlines.iter().enumerate().min_by_key(|(_, (when, _))| *when);
            let first = first.map(|(place, (when, _))| (place, *when));
            if let Some((place, _)) = first.filter(|(_, when)| *when <= Instant::now()) {
                return Ok(self.deadlines.remove(place).1);
            }
            let until = first.map(|(_, when)| when);
            if let Some(place) = poll::first_ready_before(&mut self.awaited, until)? {
                return Ok(self.events[place]);
            }
        }
    }

    /// The descriptors that are listened to.
    pub(super) fn numbers(&self) -> impl Iterator<Item = RawFd> {
        self.awaited.iter().map(|one| one.as_fd().as_raw_fd())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn a_point_in_time_is_an_event_once_and_comes_before_descriptors() {
        let (one, to_one) = socket::pair().unwrap();
        let mut sources = Sources::new();
        sources.register(one.as_fd(), '1');
        let now = Instant::now();
        // Even where there is only one descriptor, and nothing to read from it.
        sources.at(now + Duration::from_millis(20), 'b');
        sources.at(now + Duration::from_millis(10), 'a');
        assert_eq!(sources.next(), Ok('a'));
        content::write_all(to_one.as_fd(), b"x").unwrap();
        while sources.next() == Ok('1') {}
        assert!(now.elapsed() >= Duration::from_millis(20));
        assert_eq!(sources.next(), Ok('1'));
    }

    #[test]
    fn a_sole_source_is_left_to_its_reader() {
        let (quiet, _other) = socket::pair().unwrap();
        let mut sources = Sources::new();
        sources.register(quiet.as_fd(), 'q');
        assert_eq!(sources.next(), Ok('q'));
    }
}
