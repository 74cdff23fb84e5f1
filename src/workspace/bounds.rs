//! Limits how much is looked at before the program starts.
//!
//! The program of an earlier box can have made any number of repositories in the workspace. A part that is not looked
//! at would not be protected. So there are bounds that no real project comes near. If one is reached, the run does not
//! start.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Advice, Error, ErrorKind, push_printable};

/// The bounds of one look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Git directories, and things called `.git`. Android has about a thousand.
    pub(super) repositories: usize,
    /// Directories in total. A kernel tree has 6,000, a large monorepo 30,000. A million take a second or two.
    pub(super) directories: usize,
    /// Mounts. A repository takes four. Each mount needs an open descriptor for a while.
    pub(super) mounts: usize,
    /// Time for the whole look. 280,000 files in 29,000 directories take half a second.
    pub(super) time: Duration,
}

pub(super) const BOUNDS: Bounds =
    Bounds { repositories: 2_000, directories: 1_000_000, mounts: 20_000, time: Duration::from_secs(10) };

/// The kind of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    Repositories,
    Directories,
    Mounts,
    Time,
}

/// Counts against the bounds. Once one is reached, nothing more is looked at.
pub(super) struct Budget {
    bounds: Bounds,
    end: Instant,
    repositories: usize,
    directories: usize,
    /// The bound that was reached, and where the look was.
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

    /// The same, but checks the clock first. `place` is where the look is.
    pub(super) fn is_late(&mut self, place: impl FnOnce() -> PathBuf) -> bool {
        if !self.is_spent() && Instant::now() >= self.end {
            self.reached = Some((Bound::Time, place()));
        }
        self.is_spent()
    }

    /// Counts one more repository. Returns false if that is one too many.
    pub(super) fn add_repository(&mut self, place: impl FnOnce() -> PathBuf) -> bool {
        self.repositories += 1;
        self.allow(Bound::Repositories, self.repositories <= self.bounds.repositories, place)
    }

    /// How many directories were counted.
    pub(super) fn directories(&self) -> usize {
        self.directories
    }

    /// Counts one more directory. Returns false if that is one too many.
    pub(super) fn add_directory(&mut self, place: impl FnOnce() -> PathBuf) -> bool {
        self.add_directories(1, place)
    }

    /// The same for more of them.
    pub(super) fn add_directories(&mut self, count: usize, place: impl FnOnce() -> PathBuf) -> bool {
        self.directories += count;
        self.allow(Bound::Directories, self.directories <= self.bounds.directories, place)
    }

    /// Whether this many mounts are allowed.
    pub(super) fn allows_mounts(&mut self, count: usize, place: impl FnOnce() -> PathBuf) -> bool {
        self.allow(Bound::Mounts, count <= self.bounds.mounts, place)
    }

    fn allow(&mut self, bound: Bound, is_within: bool, place: impl FnOnce() -> PathBuf) -> bool {
        if !is_within && !self.is_spent() {
            self.reached = Some((bound, place()));
        }
        !self.is_spent()
    }

    /// The error for a look that a bound has cut short.
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
