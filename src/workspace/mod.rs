//! The workspace: the directory that the user works in, which the box gets writable at its own path; and each other
//! directory of the host that a word makes writable. What the host would execute or obey later stays protected there.
//!
//! The files of such a directory decide no policy. They are read to find where things are, and they can only make the
//! box narrower. Nothing is executed before the run; afterwards git is, in a box of its own or where only the host's
//! files decide what it does.
//!
//! Git directories, and directories that somebody obeys (`core.hooksPath`, `.vscode`), are overlays. Their changes are
//! kept apart ([`keeping`]): of git directories, what is only data is taken over when the run ends ([`takeover`]), and
//! the rest waits for the user ([`kept`]). So no name in them needs care, whether it exists or not.
//!
//! To hold a file means to mount it read-only on itself. Held are, for each repository in reach: what its configuration
//! includes or names as a command, and the pointer file `.git` (gitrepository-layout(5), git-config(1)). So is what the
//! user's and the system's configuration names in the same way ([`scopes`]), and so are the files of the table of
//! [`obeyed`]. But those that git tracks are put back after the run, because git must be able to replace them.
//!
//! The program must not move a directory that contains a held file either. So each such directory is mounted on itself
//! too: the kernel does not rename or remove a mount point (rename(2), EBUSY). A link on the way to a held file is held
//! the same way, and so is its target. The price: the program cannot rename or link files between such a directory and
//! the rest (EXDEV).
//!
//! A program that works here must be able to write the following, so they are not held: files that a build executes
//! (`Makefile`, `package.json`, `build.rs`, `node_modules`), scripts that a hook calls, and `.gitattributes` (it names
//! drivers, but `config` defines those). What a link in a git directory leads to is held, because an overlay keeps the
//! link alone.
//!
//! A stranger or the program of an earlier box may have written every file that is read here. So only regular files of
//! at most 1 MiB are read, no read can block, and only held links are followed. An unreadable file never counts as
//! empty: an unreadable configuration stops the run, an unreadable pointer leads nowhere, and of an unreadable git
//! directory nothing is taken over. The walk uses descriptors, so no path is too long for it. What is too deep for a
//! mount is reported, and put in order at the end.
//!
//! What does not exist yet cannot be held. So the end of the run looks for it ([`settle()`]): repositories that the
//! program made, and pointer files. Until then, a git that runs outside obeys these files. If SIGKILL ends this tool,
//! they stay, and the next run takes them for the user's.
//!
//! A mount on a file ends when the host replaces the file (rename(2) in another mount namespace; kernel commit
//! 8ed936b5671b). So after an editor outside has replaced `.envrc`, the box can write it until the box ends.
//!
//! Between the look and the mounts, another process of the same user can replace what was found. So can the program of
//! another box with the same workspace. That can leave a file unheld. It cannot show the box any other file, because no
//! link is followed when the mounts are made ([`Source::Real`]).
//!
//! [`Source::Real`]: crate::spec::Source::Real
#![forbid(unsafe_code)]

mod area;
mod bounds;
mod commands;
mod common;
mod config;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod git;
mod git_dir;
mod identity;
pub(crate) mod keeping;
pub(crate) mod kept;
mod layout;
mod model;
mod names;
mod obeyed;
mod rebase;
mod refuse;
mod remove;
mod scopes;
mod settle;
mod stored;
pub mod takeover;
#[cfg(test)]
mod tests;
mod tracked;
mod tree;
mod users;
mod walk;

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, ErrorKind, printable, push_printable};
use crate::spec::{SeenBefore, Settle};
use crate::sys::stat::{self, Stat};
use crate::sys::{clock, io_error_text, process};
use area::Area;
use bounds::{BOUNDS, Bounds, Budget};
pub(crate) use common::GitConfig;
use files::{c_path, id_of, path_of};
pub(crate) use git_dir::top_of;
pub(crate) use identity::{identity, is_unsigned};
pub(crate) use model::{Surroundings, Unheld, Workspace};
pub(crate) use names::folded as folded_name;
pub(crate) use refuse::{is_obeyed, is_protected_name};
pub(crate) use settle::{News, Settled, settle};
use tree::Record;
use walk::Walked;

/// The directories in which changes may be kept apart, the best first: that for the state of programs, and for hosts
/// where no overlay can have its changes there, as in containers, two in memory.
pub(crate) fn stores(state: Option<PathBuf>, runtime_dir: Option<PathBuf>, uid: u32) -> Vec<PathBuf> {
    let in_memory = PathBuf::from(format!("/dev/shm/pinfold-{uid}"));
    state.into_iter().chain(runtime_dir).filter(|dir| dir.is_absolute()).chain([in_memory]).collect()
}

/// Resolves the links in `path`, and looks at the file there.
fn without_links(path: &Path) -> std::io::Result<(PathBuf, Stat)> {
    let look = |path: &Path| stat::look_without_links(&c_path(path));
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
    if !about.is_dir() && !around.is_named {
        return Err(failed(std::io::ErrorKind::NotADirectory.into()));
    }
    let here = (about.device, about.inode);
    let limits = refuse::Limits::new(around);
    if around.is_named {
        if !about.is_dir() || refuse::is_obeyed(&cwd) {
            // The user has named it, and so it is live.
            return Ok(Workspace::default());
        }
    } else if let Some(reason) = limits.refusal(&cwd).or_else(|| limits.refusal_of_place(here)) {
        return Err(refuse::error(&cwd, reason));
    } else if let Some(error) = refuse::protected(&cwd, around) {
        return Err(error);
    }
    let mut area = Area::new(&cwd, id_of(about), around.uid, Budget::new(bounds));
    let mut repositories = git::Repositories::new(around, &limits);
    repositories.find_own(&mut area, &cwd)?;
    // A record only saves time.
    let known = around.state.map_or_else(|| Ok(Record::default()), |state| Record::load(state, around.uid, &cwd));
    let unused = known.as_ref().err().map(ToString::to_string);
    let known = known.unwrap_or_default();
    let mut found = walk::walk(&cwd, around.uid, &mut area.budget, &known)?;
    repositories.add_nested(&mut area, &found);
    repositories.protect(&mut area, &cwd);
    area.protect_later(&cwd, &mut found.obeyed, &mut found.removable);
    let names = repositories.take_names();
    let before = vec![seen_before(around, &cwd, found, &known)];
    area.pin_ways();
    if let Some(error) = area.budget.error(&cwd) {
        return Err(error);
    }
    let above = repositories.take_above();
    let mut found = area.finish(Settle { names, before, ..Settle::default() }).map_err(failed)?;
    found.above = above;
    found.notes.extend(unused);
    if around.is_named {
        // The user's word shows it already.
        let place = c_path(&cwd);
        found.ops.retain(|op| op.dest() != Some(&place));
    }
    if let Some(dir) = found.keep.dirs.first().map(|dir| &dir.path).or(found.keep.files.first()) {
        found.keep.search = around.path.map(|path| c_path(Path::new(path))).unwrap_or_default();
        let mut refused = None;
        // Lazily: the first is the one in nearly all cases.
        let first = around.stores.iter().find(|store| {
            let can_hold = kept::Store::may_hold_changes(store, around.uid);
            can_hold.unwrap_or_else(|error| {
                refused.get_or_insert(error);
                false
            })
        });
        found.keep.stores = first.map(c_path).into_iter().collect();
        if let (Some(error), Some(store)) = (refused, first) {
            let store = printable(&**store);
            found.notes.push(format!("{error}; what changes is kept apart in {store}, and gone with the next restart"));
        }
        if first.is_none() {
            let note = format!(
                "{} and the like are read-only: there is no place to keep apart what changes in them, neither in \
                 $XDG_STATE_HOME nor in $XDG_RUNTIME_DIR nor in /dev/shm",
                printable(path_of(dir.to_bytes()))
            );
            found.notes.push(note);
            return Ok(found.read_only_instead());
        }
    }
    Ok(found)
}

/// What the end of the run needs to know of the walk through `top`. `known` is the record that the walk began with.
fn seen_before(around: &Surroundings<'_>, top: &Path, found: Walked, known: &Record) -> SeenBefore {
    let held = found.obeyed.into_iter().map(|name| (name.path, None));
    let stamped = found.removable.into_iter().map(|name| (settle::news::stamp(&name.path), name.path));
    let is_news = found.read > 0 || found.record.dirs.len() != known.dirs.len();
    let settle::elsewhere::Places { programs, links } = settle::elsewhere::places(top, around.path, around.home);
    SeenBefore {
        top: top.to_owned(),
        state: around.state.filter(|_| is_news && !found.record.dirs.is_empty()).map(Path::to_owned),
        obeyed: held.chain(stamped.map(|(stamp, path)| (path, stamp))).collect(),
        dots: found.dots,
        programs,
        links,
        // Without a clock everything may have changed since.
        began: clock::of_files().unwrap_or_default(),
        dirs: Arc::new(found.record),
    }
}

/// Keeps what the look before the run has seen of directories for the next run. A record only saves time, so it is no
/// failure if it cannot be kept.
pub(crate) fn remember(settle: &Settle) {
    let (uid, _) = process::real_ids();
    for seen in &settle.before {
        if let Some(state) = &seen.state {
            let _kept = seen.dirs.save(state, uid, &seen.top).is_ok();
        }
    }
}
