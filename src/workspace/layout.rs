//! Finds the parts of a repository by the files that lead from one to the other (gitrepository-layout(5)).
//!
//! Anybody may have written these files. So they are only read by [`content::read_without_links`], and one that cannot
//! be read leads nowhere.

use std::ffi::{CStr, OsStr};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::config::{self, LONGEST};
use super::files::{c_path, path_of};
use super::git_dir::is_git_dir;
use super::users::home_of;
use crate::sys::{Errno, content};

/// Directories in a git directory with a file for each remote (gitrepository-layout(5)). git makes none any more.
pub(super) const REMOTES: [&CStr; 2] = [c"remotes", c"branches"];

/// Returns the directory with the objects, hooks and configuration of a git directory. Returns `None` if its
/// `commondir` leads nowhere.
pub(super) fn common_dir(git_dir: &Path) -> Option<PathBuf> {
    let file = git_dir.join("commondir");
    if file.symlink_metadata().is_err() {
        return Some(git_dir.to_owned());
    }
    git_dir.join(path_of(&first_line(&file)?)).canonicalize().ok()
}

/// Whether the path of `git_dir` is that of a worktree's entry in `common`.
pub(super) fn is_worktree_of(git_dir: &Path, common: &Path) -> bool {
    is_in_worktrees(git_dir) && git_dir.ancestors().nth(2) == Some(common)
}

/// Whether the path of `git_dir` is that of a worktree's entry in the repository around it.
pub(super) fn is_worktree(git_dir: &Path) -> bool {
    is_in_worktrees(git_dir) && git_dir.ancestors().nth(2).is_some_and(is_git_dir)
}

fn is_in_worktrees(git_dir: &Path) -> bool {
    git_dir.parent().and_then(Path::file_name) == Some(OsStr::new("worktrees"))
}

/// The top of the worktree with this git directory, by the back pointer in it.
pub(super) fn checkout(git_dir: &Path) -> Option<PathBuf> {
    let dot_git = git_dir.join(path_of(&first_line(&git_dir.join("gitdir"))?));
    let is_dot_git = dot_git.file_name() == Some(OsStr::new(".git"));
    dot_git.parent().filter(|_| is_dot_git)?.canonicalize().ok()
}

/// Whether this lies in `modules` of another git directory.
pub(super) fn is_module(git_dir: &Path) -> bool {
    let is_modules = |dir: &&Path| dir.file_name() == Some(OsStr::new("modules"));
    git_dir.ancestors().skip(1).filter(is_modules).any(|modules| modules.parent().is_some_and(is_git_dir))
}

/// The work tree that a git directory names (`core.worktree`).
pub(super) fn work_tree(git_dir: &Path) -> Option<PathBuf> {
    let read = |name| content::read_without_links(&c_path(git_dir.join(name)), LONGEST);
    let files = ["config", "config.worktree"].map(|name| match read(name) {
        Err(Errno::ENOENT) => Some(Vec::new()),
        text => text.ok().map(|text| config::parse(&text)),
    });
    let [shared, own] = files;
    let (shared, own) = (shared?, own?);
    named_work_tree(git_dir, shared.iter().chain(&own).map(|(key, value)| (&key[..], &value[..])))
}

/// The same, from settings that were read already.
pub(super) fn named_work_tree<'s>(
    git_dir: &Path,
    settings: impl DoubleEndedIterator<Item = (&'s str, &'s [u8])>,
) -> Option<PathBuf> {
    let (_, tree) = settings.rev().find(|(key, _)| *key == "core.worktree")?;
    git_dir.join(path_of(tree)).canonicalize().ok()
}

/// Whether `dot_git` is a pointer file, not a link, and leads to `git_dir`.
pub(super) fn leads_to(dot_git: &Path, git_dir: &Path) -> bool {
    let named = || {
        let text = first_line(dot_git)?;
        dot_git.parent()?.join(path_of(text.strip_prefix(b"gitdir: ")?)).canonicalize().ok()
    };
    named().is_some_and(|named| named == git_dir)
}

/// Lists the directories in `dir`, without links to directories. A missing `dir` has none.
pub(super) fn directories(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Reads a file of one line. git refuses longer pointer files too (setup.c, `read_gitfile_gently`).
pub(super) fn first_line(file: &Path) -> Option<Vec<u8>> {
    let mut text = content::read_without_links(&c_path(file), LONGEST).ok()?;
    while text.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        text.pop();
    }
    (!text.is_empty()).then_some(text)
}

/// Resolves a path in the configuration, relative to `base` (git-config(1), "pathname"; path.c, `interpolate_path`).
/// Returns `None` for the home of a user who is unknown here but may be known to git.
pub(super) fn expand(home: Option<&Path>, value: &[u8], base: &Path) -> Option<PathBuf> {
    // The directory where git is installed. No box writes there, so a guess is good enough.
    if let Some(rest) = value.strip_prefix(b"%(prefix)/") {
        return Some(Path::new("/usr").join(path_of(rest)));
    }
    let Some(rest) = value.strip_prefix(b"~") else { return Some(base.join(path_of(value))) };
    let end = rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len());
    let (user, rest) = (&rest[..end], path_of(rest.get(end + 1..).unwrap_or_default()));
    let is_own = |home: &&Path| user.is_empty() || home.file_name() == Some(OsStr::from_bytes(user));
    let other = || if user.is_empty() { None } else { home_of(user) };
    let home = other().or_else(|| home.filter(is_own).map(Path::to_owned))?;
    Some(home.join(rest))
}

/// Whether a repository at `path` is too deep for a mount. No system call takes a path longer than `PATH_MAX` (4096
/// bytes with the NUL), and the names in the repository need some room.
pub(super) fn is_too_deep(path: &[u8]) -> bool {
    const ROOM: usize = 512;
    path.len() >= 4096 - ROOM
}
