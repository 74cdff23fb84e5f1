//! What a box gets of the directory that somebody works in: that directory, writable at its own path, and around it
//! what `git commit` needs, without what the host would execute or obey later.
//!
//! Nothing here is policy: files of the workspace are looked at for where things are, and can only make the box
//! narrower. Nothing is executed, git neither.
//!
//! Held is, by a mount of its own that is read-only: of each repository in reach `hooks`, `config` with all that it
//! includes, `core.hooksPath`, files that it names as commands, `commondir`, `gitdir`, the pointer file `.git`
//! (gitrepository-layout(5), git-config(1)); what the user's and the system's configuration names in the same way
//! ([`scopes`]); and the files of [`later::TABLE`]. What holds one of them may not be
//! moved out of the way either: it is a mount on itself, since the kernel moves and removes no mount point (rename(2),
//! EBUSY). The same holds a link on the way to one of them, and what it leads to is held as well. The price is that the
//! program cannot rename or link between such a directory and the rest (EXDEV).
//!
//! Not held, since a program that may work here must be able to write it: what a build executes (`Makefile`,
//! `package.json`, `build.rs`, `node_modules`), scripts that a hook calls, `.gitattributes` and `info/attributes` (they
//! name drivers, which `config` defines), and the state of a rebase in progress: commands and options in it are written down, and
//! new ones are looked for at the end ([`rebase`]).
//!
//! A link in a git directory is held where it leads into the work tree, with that. Others are written down ([`links`]).
//!
//! All that is read here may have been written by a stranger, or by the program of an earlier box. Only regular files
//! of at most 1 MiB are read, nothing is waited for, and no link is followed that is not held. What cannot be read is
//! never taken for empty: a configuration stops the run, a pointer leads nowhere, a directory of git directories is
//! read-only as a whole. The walk goes along descriptors; what is too deep for a mount is said, and put in order at
//! the end.
//!
//! What is not there yet cannot be held, so it is looked for at the end of the run ([`settle()`]): repositories that
//! the program makes itself, pointer files, links in git directories, and a `commondir` in a git directory that has
//! none, which git obeys (setup.c, `get_common_dir`). Until then, a git that runs outside meanwhile obeys them; and so
//! it does after a run that was ended by SIGKILL to this tool, whose remains the next run takes for the user's.
//!
//! A mount ends when the host puts something else in the place of the file below it (rename(2) of another mount
//! namespace; kernel commit 8ed936b5671b): after a `git config` outside, the box can write `config` until it ends.
//!
//! Between the look and the mounts, another process of the same user can exchange what was found; so can the program of
//! another box that has the same workspace. It can leave something unheld that way, but show nothing else: no link is
//! followed when the mounts are made ([`Source::Real`]).
//!
//! [`Source::Real`]: crate::spec::Source::Real
#![forbid(unsafe_code)]

mod area;
mod bounds;
mod config;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod git;
mod identity;
mod later;
mod layout;
mod links;
mod names;
mod rebase;
mod refuse;
mod scopes;
mod settle;
#[cfg(test)]
mod tests;
mod walk;

use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, ErrorKind, push_printable};
use crate::spec::{FileId, FsOp, Settle, Watch};
use crate::sys::io_error_text;
use crate::sys::stat::{self, Stat};
use area::Area;
use bounds::{BOUNDS, Bounds, Budget};
pub(crate) use identity::identity;
pub(crate) use names::folded as folded_name;
pub(crate) use scopes::Common as GitConfig;
pub(crate) use settle::{Settled, settle};

/// Where somebody works, and what is theirs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The directory, absolute.
    pub(crate) cwd: &'a Path,
    /// `$HOME`, where it is set.
    pub(crate) home: Option<&'a Path>,
    /// `$XDG_RUNTIME_DIR`, where it is set.
    pub(crate) runtime_dir: Option<&'a Path>,
    /// The user.
    pub(crate) uid: u32,
    /// What is configured for every repository.
    pub(crate) git_config: &'a GitConfig,
}

/// What is mounted for a workspace, and what is looked for afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Workspace {
    /// Who commits, for a home of the box's own: see [`identity`]. Not looked for unless somebody does.
    pub(crate) identity: Vec<FsOp>,
    /// Binds, in order.
    pub(crate) ops: Vec<FsOp>,
    /// What must be held and cannot be, and what is held in a manner that somebody must know.
    pub(crate) unheld: Vec<Unheld>,
    /// Names that are not there yet.
    pub(crate) watch: Vec<Watch>,
    /// What is put in order afterwards.
    pub(crate) settle: Settle,
}

/// Something that the host would obey, and the program could write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unheld {
    pub(crate) path: PathBuf,
    /// Goes on after the path.
    pub(crate) why: Cow<'static, str>,
    /// What names it, if something does.
    pub(crate) named_by: Option<String>,
    /// What to do about it.
    pub(crate) remedy: String,
    /// Whether no run begins with it. Otherwise it is only said.
    pub(crate) stops: bool,
}

impl Unheld {
    /// `PATH WHY; KEY in FILE names it`, in printable characters.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        push_printable(&mut message, &self.path);
        message.push(b' ');
        message.extend_from_slice(self.why.as_bytes());
        if let Some(named_by) = &self.named_by {
            message.extend_from_slice(format!("; {named_by} names it").as_bytes());
        }
        message
    }
}

impl Workspace {
    /// The error that the first thing unheld is, where the run shall not be without it.
    pub(crate) fn refusal(&self) -> Option<Error> {
        let mut stopping = self.unheld.iter().filter(|unheld| unheld.stops);
        let first = stopping.next()?;
        let mut message = b"Can't protect the workspace: ".to_vec();
        message.extend_from_slice(&first.message());
        let more = stopping.count();
        if more > 0 {
            message.extend_from_slice(format!(" ({more} more like this)").as_bytes());
        }
        Some(Error::new(ErrorKind::Unsafe, message).with_hint(Some(first.remedy.clone())))
    }
}

/// Which file something is, that was looked at by [`crate::sys::entry`].
fn id_of(about: Stat) -> FileId {
    FileId { device: about.device, inode: about.inode, born: about.born }
}

/// `path` without links, and what is there.
fn without_links(path: &Path) -> std::io::Result<(PathBuf, Stat)> {
    let look = |path: &Path| stat::look_without_links(&area::c_path(path));
    // So it is already where the kernel has said where somebody is (getcwd(2)).
    let is_plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if is_plain && let Ok(Some(about)) = look(path) {
        return Ok((path.to_owned(), about));
    }
    let path = path.canonicalize()?;
    let about = stat::look_at_path(&path)?;
    Ok((path, about))
}

/// Finds out what to mount for a workspace.
///
/// # Errors
/// The directory is none that a program may write all of, or cannot be looked through.
pub(crate) fn find(around: &Surroundings<'_>) -> Result<Workspace, Error> {
    find_within(around, BOUNDS)
}

fn find_within(around: &Surroundings<'_>, bounds: Bounds) -> Result<Workspace, Error> {
    let failed = |error: std::io::Error| {
        let mut message = b"Can't use ".to_vec();
        push_printable(&mut message, around.cwd);
        message.extend_from_slice(format!(" as the workspace: {}", io_error_text(&error)).as_bytes());
        Error::new(ErrorKind::Failed, message)
    };
    let (cwd, about) = without_links(around.cwd).map_err(failed)?;
    if !about.is_dir() {
        return Err(failed(std::io::ErrorKind::NotADirectory.into()));
    }
    let here = (about.device, about.inode);
    let limits = refuse::Limits::new(around);
    if let Some(reason) = limits.refusal(&cwd).or_else(|| limits.refusal_of_place(here)) {
        return Err(refuse::error(&cwd, reason));
    }
    let mut area = Area::new(&cwd, id_of(about), around.uid, Budget::new(bounds));
    let mut repositories = git::Repositories::new(around, &limits);
    repositories.find_own(&mut area, &cwd)?;
    let found = walk::walk(&cwd, around.uid, &mut area.budget)?;
    repositories.add_nested(&mut area, &found);
    repositories.protect(&mut area, &cwd);
    area.protect_later(&cwd, Some(&found.names));
    for top in repositories.tops().filter(|top| *top != cwd) {
        if area.is_over(top) {
            break;
        }
        let names = walk::names(top, &mut area.budget);
        area.protect_later(top, names.as_ref());
    }
    let names = repositories.take_names();
    let before = links::find(&mut area, &repositories.into_known());
    area.pin_ways();
    if let Some(error) = area.budget.error(&cwd) {
        return Err(error);
    }
    area.finish(Settle { names, ..before }).map_err(failed)
}
