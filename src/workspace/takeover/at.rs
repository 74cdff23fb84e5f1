//! One git directory that is being taken over.

use std::cell::RefCell;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::base::Unit;
use super::git::{Catalogue, Git, Within};
use super::job::Job;
use super::side::{Side, join};
use super::upper::Upper;
use crate::sys::{Errno, Result, fd};
use crate::workspace::files;
use crate::workspace::settle::pointer;

/// A git directory that is being taken over.
pub(super) struct At<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) git: &'a Git,
    pub(super) upper: &'a Upper<'a>,
    /// Its path in the whole git directory; empty for that itself.
    pub(super) path: Vec<u8>,
    pub(super) dir: OwnedFd,
    pub(super) base: &'a Unit,
    pub(super) is_worktree: bool,
    /// Length of a hash in bytes.
    pub(super) hash: usize,
    /// Started when it is asked for the first time.
    pub(super) catalogue: RefCell<Option<Catalogue>>,
}

impl At<'_> {
    /// The directory on the host.
    pub(super) fn host(&self) -> Side<'_> {
        Side(self.dir.as_fd())
    }

    /// The path of its `name` in the upper layer.
    pub(super) fn up(&self, name: &[u8]) -> Vec<u8> {
        join(&self.path, name)
    }

    /// Asked before each change.
    pub(super) fn go(&self) -> Result<()> {
        if (self.job.go_on)() { Ok(()) } else { Err(Errno::EINTR) }
    }

    /// Forgets a file of the upper layer.
    pub(super) fn forget(&self, name: &[u8]) -> Result<()> {
        self.go()?;
        self.upper.forget(&self.up(name))
    }

    /// Whether a path of the upper layer lies in this git directory, as far as its words tell.
    pub(super) fn owns(&self, path: &[u8]) -> bool {
        self.path.is_empty() || path.strip_prefix(&self.path[..]).is_some_and(|rest| rest.starts_with(b"/"))
    }

    /// The path of the git directory that has the branches: of a worktree the one around it.
    pub(super) fn common_path(&self) -> &[u8] {
        let above = |path: &[u8]| path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        if !self.is_worktree {
            return &self.path;
        }
        let worktrees = &self.path[..above(&self.path)];
        &worktrees[..above(worktrees)]
    }

    /// The message in the log of a ref that is written here.
    pub(super) fn marker(&self) -> String {
        format!("pinfold {}", self.job.id)
    }

    /// Runs git here.
    pub(super) fn run(&self, arguments: &[&[u8]], input: &[u8]) -> Result<Option<Vec<u8>>> {
        self.run_within(arguments, input, Within::new(self.job.go_on))
    }

    /// Runs git here, within other bounds.
    pub(super) fn run_within(&self, arguments: &[&[u8]], input: &[u8], within: Within<'_>) -> Result<Option<Vec<u8>>> {
        let arguments: Vec<&OsStr> = arguments.iter().map(|word| OsStr::from_bytes(word)).collect();
        self.git.run(self.dir.as_fd(), &arguments, input, within)
    }
}

/// Whether `tree`, relative to the git directory `git_dir`, is a directory that the box could write, and whose `.git`
/// leads back. No link is followed on the way there.
pub(super) fn is_work_tree(job: &Job<'_>, git_dir: BorrowedFd<'_>, tree: &[u8]) -> Result<bool> {
    let Some((_, path)) = pointer::work_tree(git_dir, tree)? else { return Ok(false) };
    Ok(job.writable.iter().any(|place| files::path_of(path.to_bytes()).starts_with(place)))
}

/// The path of an open directory, as the kernel knows it.
pub(super) fn path_of(dir: BorrowedFd<'_>) -> Result<PathBuf> {
    let path = fd::path(dir)?;
    Ok(files::path_of(path.to_bytes()).to_owned())
}
