//! The workspace: the directory that the user works in. The box gets it writable at its own path, with the parts of the
//! repository around it that `git commit` needs. Files that the host would execute or obey later stay protected.
//!
//! The files of the workspace decide no policy. They are read to find where things are, and they can only make the box
//! narrower. Nothing is executed, not even git.
//!
//! To hold a file means to mount it read-only on itself. Held are, in each repository in reach: `hooks`, `config` and
//! all that it includes, `core.hooksPath`, files that `config` names as commands, `commondir`, `gitdir`, and the
//! pointer file `.git` (gitrepository-layout(5), git-config(1)). So is what the user's and the system's configuration
//! names in the same way ([`scopes`]), and so are the files of [`later::TABLE`].
//!
//! The program must not move a directory that contains a held file either. So each such directory is mounted on itself
//! too: the kernel does not rename or remove a mount point (rename(2), EBUSY). A link on the way to a held file is held
//! the same way, and so is its target. The price: the program cannot rename or link files between such a directory and
//! the rest (EXDEV).
//!
//! A program that works here must be able to write the following, so they are not held: files that a build executes
//! (`Makefile`, `package.json`, `build.rs`, `node_modules`), scripts that a hook calls, `.gitattributes` and
//! `info/attributes` (they name drivers, but `config` defines those), and the state of a rebase in progress. The
//! commands and options in that state are recorded, and new ones are looked for at the end ([`rebase`]).
//!
//! A link in a git directory is held together with its target if it leads into the work tree. Other links are recorded
//! ([`links`]).
//!
//! A stranger or the program of an earlier box may have written every file that is read here. So only regular files of
//! at most 1 MiB are read, no read can block, and only held links are followed. An unreadable file never counts as
//! empty: an unreadable configuration stops the run, an unreadable pointer leads nowhere, and an unreadable directory
//! of git directories becomes read-only as a whole. The walk uses descriptors, so no path is too long for it. What is
//! too deep for a mount is reported, and put in order at the end.
//!
//! What does not exist yet cannot be held. So the end of the run looks for it ([`settle()`]): repositories that the
//! program made, pointer files, links in git directories, and a new `commondir` in a git directory, which git obeys
//! (setup.c, `get_common_dir`). Until then, a git that runs outside obeys these files. If SIGKILL ends this tool, they
//! stay, and the next run takes them for the user's.
//!
//! A mount on a file ends when the host replaces the file (rename(2) in another mount namespace; kernel commit
//! 8ed936b5671b). So after a `git config` outside, the box can write `config` until the box ends.
//!
//! Between the look and the mounts, another process of the same user can replace what was found. So can the program of
//! another box with the same workspace. That can leave a file unheld. It cannot show the box any other file, because no
//! link is followed when the mounts are made ([`Source::Real`]).
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
pub mod takeover;
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

/// The directory that the user works in, and what belongs to the user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The directory, absolute.
    pub(crate) cwd: &'a Path,
    /// `$HOME`, if it is set.
    pub(crate) home: Option<&'a Path>,
    /// `$XDG_RUNTIME_DIR`, if it is set.
    pub(crate) runtime_dir: Option<&'a Path>,
    /// The user's id.
    pub(crate) uid: u32,
    /// The git configuration that applies to every repository.
    pub(crate) git_config: &'a GitConfig,
}

/// What to mount for a workspace, and what to look for afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Workspace {
    /// Files that say who commits, for a box with a home of its own. [`find`] leaves this empty: see [`identity`].
    pub(crate) identity: Vec<FsOp>,
    /// Binds, in order.
    pub(crate) ops: Vec<FsOp>,
    /// What must be held and cannot be, and what the user must know about how something is held.
    pub(crate) unheld: Vec<Unheld>,
    /// Names that do not exist yet and are looked for afterwards.
    pub(crate) watch: Vec<Watch>,
    /// What to put in order afterwards.
    pub(crate) settle: Settle,
}

/// A file that the host would obey and the program could write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unheld {
    pub(crate) path: PathBuf,
    /// The rest of the message, after the path.
    pub(crate) why: Cow<'static, str>,
    /// The setting that names it, if any.
    pub(crate) named_by: Option<String>,
    /// What to do about it.
    pub(crate) remedy: String,
    /// Whether it stops the run. Otherwise it is only reported.
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
    /// The error about the first unheld file that stops the run, if there is one.
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

/// The identity of the file behind `about`.
fn id_of(about: Stat) -> FileId {
    FileId { device: about.device, inode: about.inode, born: about.born }
}

/// Resolves the links in `path`, and looks at the file there.
fn without_links(path: &Path) -> std::io::Result<(PathBuf, Stat)> {
    let look = |path: &Path| stat::look_without_links(&area::c_path(path));
    // The path usually comes from getcwd(2), which returns one without links.
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
/// A program may not write all of this directory, or the directory cannot be searched.
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
