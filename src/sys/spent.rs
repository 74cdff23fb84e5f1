//! Closes descriptors that are no longer needed, many at once.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use super::check;

/// Descriptors to close. A launch has dozens with consecutive numbers, and one `close_range(2)` closes them all.
#[derive(Debug, Default)]
pub(crate) struct Spent(Vec<OwnedFd>);

impl Spent {
    /// The most descriptors that are kept open.
    pub(crate) const MOST: usize = 64;

    pub(crate) fn add(&mut self, fd: OwnedFd) {
        if self.0.len() == Spent::MOST {
            self.close();
        }
        self.0.push(fd);
    }

    fn close(&mut self) {
        self.0.sort_unstable_by_key(AsRawFd::as_raw_fd);
        let numbers: Vec<RawFd> = self.0.drain(..).map(IntoRawFd::into_raw_fd).collect();
        for run in numbers.chunk_by(|one, next| one + 1 == *next) {
            close_run(run);
        }
    }
}

impl Drop for Spent {
    fn drop(&mut self) {
        self.close();
    }
}

/// Closes descriptors with consecutive numbers.
fn close_run(run: &[RawFd]) {
    if let [first, .., last] = run {
        // SAFETY: plain numbers. `Spent` owned each descriptor in the range and has given up all of them.
        if check(unsafe { libc::syscall(libc::SYS_close_range, *first, *last, 0) }).is_ok() {
            return;
        }
    }
    for number in run {
        // SAFETY: as above, and none is closed yet: a close_range(2) that fails has closed nothing.
        unsafe { libc::close(*number) };
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::sys::fd;

    /// Uses numbers that no other test uses at the same time, with a gap that stays open.
    #[test]
    fn all_are_closed_and_what_lies_between_them_is_not() {
        let open = |number: RawFd| {
            let null = File::open("/dev/null").unwrap();
            // SAFETY: plain numbers; nobody else in this program uses them.
            assert_eq!(unsafe { libc::dup2(null.as_raw_fd(), number) }, number);
            fd::own(number)
        };
        let between = open(702);
        let mut spent = Spent::default();
        [704, 700, 703, 701, 706].into_iter().for_each(|number| spent.add(open(number)));
        drop(spent);
        let is_open = |number| fd::is_open(number).unwrap();
        assert_eq!([700, 701, 703, 704, 706].map(is_open), [false; 5]);
        assert!(is_open(between.as_raw_fd()));
    }

    #[test]
    fn no_more_than_so_many_are_kept() {
        let mut spent = Spent::default();
        (0..=Spent::MOST).for_each(|_| spent.add(File::open("/dev/null").unwrap().into()));
        assert_eq!(spent.0.len(), 1);
    }
}
