//! What is asked: one git directory to take over, and what it takes.

use std::collections::BTreeSet;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use super::base::Base;
use super::git::Git;
use crate::error::Error;
use crate::spec::Spec;
use crate::sys::Errno;

/// How much of an upper layer is looked at. The box chose how much there is.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Files and directories in it.
    pub entries: usize,
    /// Time for listing it.
    pub time: Duration,
    /// Bytes of one index.
    pub index: u64,
    /// Bytes of one pack, or of one object in a file of its own. Only git reads them.
    pub pack: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { entries: 500_000, time: Duration::from_secs(2), index: 256 << 20, pack: 8 << 30 }
    }
}

/// Runs a box and waits for it: what it is, its standard input, output and error, and what is asked meanwhile: false
/// ends the box. Returns the exit code.
pub type RunBox<'a> = &'a dyn Fn(Spec, [OwnedFd; 3], &dyn Fn() -> bool) -> Result<u8, Error>;

/// Notes commits, in hexadecimal.
pub type NoteMade<'a> = &'a dyn Fn(&BTreeSet<Vec<u8>>) -> Result<(), Errno>;

/// One git directory to take over.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The git directory on the host: a common one, not that of a worktree.
    pub host: BorrowedFd<'a>,
    /// The upper layer of its overlay. No process may write to it any more.
    pub upper: BorrowedFd<'a>,
    /// What the git directory was when the box began.
    pub base: &'a Base,
    /// What the kept things are called, in letters and digits (`k3`).
    pub id: &'a str,
    /// The directories that the box could write, absolute and without links. Worktrees and the work trees of modules
    /// lie in one of them.
    pub writable: &'a [PathBuf],
    /// git. Without it nothing is taken over.
    pub git: Option<&'a Git>,
    /// Runs a box.
    pub run_box: RunBox<'a>,
    /// Is asked before each change, and again and again while git or a box runs. False: stop here, and a later call
    /// goes on.
    pub go_on: &'a dyn Fn() -> bool,
    /// Notes commits that the box has made, in hexadecimal. Called before a ref of the host names them, so that nothing
    /// that ends this process leaves one that nobody knows of.
    pub note_made: NoteMade<'a>,
    /// How much is looked at.
    pub bounds: Bounds,
}
