//! How much is looked at before the program starts.
//!
//! The program of an earlier box can have made anything in the workspace, repositories without number too. A part of
//! it that is not looked at would not be protected. So there are bounds that no project comes near to, and beyond one
//! of them no run begins.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Advice, Error, ErrorKind, push_printable};

/// The bounds of one look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Git directories, and things called `.git`. Android has about a thousand.
    pub(super) repositories: usize,
    /// Directories in all. A kernel tree has 6,000, a large monorepo 30,000; a million take a second or two.
    pub(super) directories: usize,
    /// Mounts. A repository takes four; each is an open descriptor for a while.
    pub(super) mounts: usize,
    /// Time for all of it. 280,000 files in 29,000 directories take half a second.
    pub(super) time: Duration,
}

pub(super) const BOUNDS: Bounds =
    Bounds { repositories: 2_000, directories: 1_000_000, mounts: 20_000, time: Duration::from_secs(10) };

/// A bound that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Repositories,
    Directories,
    Mounts,
    Time,
}

/// What is left of the bounds. Once one is reached, nothing is looked at any more.
pub(super) struct Budget {
    bounds: Bounds,
    end: Instant,
    repositories: usize,
    directories: usize,
    /// The bound, and where the look was.
    reached: Option<(Bound, PathBuf)>,
}

impl Budget {
    pub(super) fn new(bounds: Bounds) -> Budget {
        Budget { bounds, end: Instant::now() + bounds.time, repositories: 0, directories: 0, reached: None }
    }

    /// Whether a bound is reached.
    pub(super) fn is_spent(&self) -> bool {
        self.reached.is_some()
    }

    /// The same, after a look at the clock. `place` is where the look is.
    pub(super) fn is_late(&mut self, place: impl FnOnce() -> PathBuf) -> bool {
        if !self.is_spent() && Instant::now() >= self.end {
            self.reached = Some((Bound::Time, place()));
        }
        self.is_spent()
    }

    /// Takes note of one more repository. False where that is one too many.
    pub(super) fn add_repository(&mut self, place: impl FnOnce() -> PathBuf) -> bool {
        self.repositories += 1;
        self.allow(Bound::Repositories, self.repositories <= self.bounds.repositories, place)
    }

    /// Takes note of one more directory.
    pub(super) fn add_directory(&mut self, place: impl FnOnce() -> PathBuf) -> bool {
        self.directories += 1;
        self.allow(Bound::Directories, self.directories <= self.bounds.directories, place)
    }

    /// Whether there may be so many mounts.
    pub(super) fn allows_mounts(&mut self, count: usize, place: impl FnOnce() -> PathBuf) -> bool {
        self.allow(Bound::Mounts, count <= self.bounds.mounts, place)
    }

    fn allow(&mut self, bound: Bound, is_within: bool, place: impl FnOnce() -> PathBuf) -> bool {
        if !is_within && !self.is_spent() {
            self.reached = Some((bound, place()));
        }
        !self.is_spent()
    }

    /// The error of a look that has ended before its time.
    pub(super) fn error(&self, top: &Path) -> Option<Error> {
        let (bound, place) = self.reached.as_ref()?;
        let Bounds { repositories, directories, mounts, time } = self.bounds;
        let what = match bound {
            Bound::Repositories => format!("has more than {repositories} git repositories"),
            Bound::Directories => format!("has more than {directories} directories"),
            Bound::Mounts => format!("has more than {mounts} files and directories that need a mount each"),
            Bound::Time => format!("has more than can be looked through in {} seconds", time.as_secs()),
        };
        let mut message = b"Can't protect the workspace: ".to_vec();
        push_printable(&mut message, top);
        message.extend_from_slice(format!(" {what}; the look ended in ").as_bytes());
        push_printable(&mut message, place);
        Some(Error::new(ErrorKind::Unsafe, message).with_advice(Advice::SmallerWorkspace))
    }
}
