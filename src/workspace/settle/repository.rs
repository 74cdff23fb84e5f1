//! One git directory: what git would execute, obey, or write through (gitrepository-layout(5)).

use super::before::Before;
use super::change::{remove, set_aside, target_of, with_write, write_new};
use super::judge::{Judge, OTHER_NAME, Verdict};
use super::list::List;
use super::told::{Deeds, Told};
use super::{index, pointer, rerere, state};
use crate::spec::path::is_at_or_below;
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Stat};
use crate::sys::{Result, content, make};
use crate::workspace::{git_dir, rebase};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Names that [`Repository::settle`] handles one by one, whatever type of file they are.
const OWN: [&CStr; 4] = [c"hooks", c"config", c"config.worktree", c"commondir"];

/// A git directory on the walk.
#[derive(Default)]
pub(super) struct Repository {
    deeds: Deeds,
}

impl Repository {
    pub(super) fn tell(self, path: &[u8], told: &mut Told) {
        self.deeds.tell(path, told);
    }

    /// Deals with hooks, configuration and `commondir` of the git directory `path`.
    pub(super) fn settle(
        &mut self,
        before: &Before<'_>,
        judge: &mut Judge,
        dir: BorrowedFd<'_>,
        path: &[u8],
        list: &List,
        is_worktree: bool,
    ) {
        for name in list.states.iter().filter(|name| !before.is_held_in(dir, name, path)) {
            if rebase::STATES.contains(name) {
                state::settle_rebase(dir, name, &mut self.deeds);
            } else {
                state::settle_remotes(judge, dir, name, &mut self.deeds);
            }
        }
        for name in OWN {
            if before.is_held_in(dir, name, path) {
                continue;
            }
            let about = match stat::look_at(dir, name) {
                Ok(Some(about)) => about,
                Ok(None) => continue,
                Err(errno) => {
                    self.deeds.failed(&format!("cannot look at {}", name.to_string_lossy()), errno);
                    continue;
                }
            };
            match name.to_bytes() {
                b"hooks" => self.settle_hooks(judge, dir, about),
                b"commondir" => self.settle_common_dir(dir, about, is_worktree),
                _ => self.settle_config(before, judge, dir, name, about),
            }
        }
        // Both need the configuration, which is in order now: it names the work tree, and the format of hashes.
        self.settle_files(judge, dir, path, is_worktree);
    }

    /// Deals with files that contain names of other files, which git then writes without a check.
    fn settle_files(&mut self, judge: &mut Judge, dir: BorrowedFd<'_>, path: &[u8], is_worktree: bool) {
        let index = index::look(judge, dir, is_worktree);
        if let Some(why) = rerere::fault(dir, path, &index.unmerged) {
            set_aside(dir, rerere::NAME, &why, &mut self.deeds);
        }
        if let Some(fault) = index.fault
            && set_aside(dir, index::NAME, &fault.why, &mut self.deeds)
            && let Some(copy) = fault.copy
        {
            self.note_failure("cannot write a new index", write_new(dir, index::NAME, &copy));
        }
    }

    fn settle_hooks(&mut self, judge: &Judge, dir: BorrowedFd<'_>, about: Stat) {
        const NAME: &CStr = c"hooks";
        let is_set_aside = if about.is_dir() {
            // If it cannot be listed, it may hold hooks.
            if has_hook(judge, dir, NAME) == Ok(false) {
                return;
            }
            set_aside(dir, NAME, "holds what git would execute", &mut self.deeds)
        } else {
            set_aside(dir, NAME, "is no directory", &mut self.deeds)
        };
        if is_set_aside {
            // The next box can only protect a directory that exists.
            let made = with_write(dir, || make::dir_at(dir, NAME, 0o755));
            self.note_failure("cannot make an empty directory hooks", made);
        }
    }

    fn settle_config(
        &mut self,
        before: &Before<'_>,
        judge: &mut Judge,
        dir: BorrowedFd<'_>,
        name: &'static CStr,
        about: Stat,
    ) {
        let is_tree = |tree: &[u8]| is_work_tree(before, dir, tree) == Ok(true);
        let verdict = judge.config(dir, name, about, &is_tree);
        let Verdict::Replace(rest) = &*verdict else { return };
        if set_aside(dir, name, &rest.why, &mut self.deeds) {
            self.note_failure("cannot write a new configuration", write_new(dir, name, &rest.text));
        }
    }

    /// `commondir` makes git obey another directory (setup.c, `get_common_dir`). git makes one only in the entry of a
    /// worktree, where it names the repository around the entry.
    fn settle_common_dir(&mut self, dir: BorrowedFd<'_>, about: Stat, is_worktree: bool) {
        const NAME: &CStr = c"commondir";
        let text = || content::read_at(dir, NAME, 16);
        if !(is_worktree && text().is_ok_and(|text| text == b"../.." || text == b"../..\n")) {
            set_aside(dir, NAME, "makes git obey another directory", &mut self.deeds);
        } else if about.has_more_names() && set_aside(dir, NAME, OTHER_NAME, &mut self.deeds) {
            self.note_failure("cannot write a new commondir", write_new(dir, NAME, b"../..\n"));
        }
    }

    /// Sets aside what has a name of pinfold's own. Nothing believes it, but it would be removed as pinfold's.
    pub(super) fn set_aside_ours(&mut self, before: &Before<'_>, dir: BorrowedFd<'_>, path: &[u8], names: &[CString]) {
        for name in names.iter().filter(|name| !before.is_held_in(dir, name, path)) {
            set_aside(dir, name, "has a name that only pinfold gives", &mut self.deeds);
        }
    }

    /// Removes `links`, which are in the directory `path`, because git follows links when it writes files. The first
    /// `top` bytes of `path` are this git directory. Returns false if time ran out.
    pub(super) fn remove_links(
        &mut self,
        before: &Before<'_>,
        judge: &Judge,
        dir: BorrowedFd<'_>,
        path: &[u8],
        links: &[CString],
        top: usize,
    ) -> bool {
        let is_top = path.len() == top;
        for name in links {
            if is_top && OWN.contains(&name.as_c_str()) || name.as_c_str() == c".git" {
                continue;
            }
            if judge.is_late() {
                return false;
            }
            let Some(target) = target_of(dir, name, &mut self.deeds) else { continue };
            let is_branch = is_top && name.as_c_str() == c"HEAD" && is_below_refs(&target);
            let is_held = before.is_held_in(dir, name, path);
            if is_branch || is_held {
                continue;
            }
            remove(dir, name, path.get(top + 1..).unwrap_or_default(), &target, &mut self.deeds);
        }
        true
    }

    fn note_failure(&mut self, what: &str, done: Result<()>) {
        if let Err(errno) = done {
            self.deeds.failed(what, errno);
        }
    }
}

/// Whether the directory `name` of `dir` contains anything but examples (`*.sample`).
fn has_hook(judge: &Judge, dir: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
    let open = open::any_mount(dir, name, For::Listing)?;
    let mut entries = Entries::new();
    while entries.read(open.as_fd())? {
        if judge.is_late() || entries.iter().any(|(name, _)| !name.to_bytes().ends_with(b".sample")) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether this is the target of a `HEAD` that is a link, as old versions of git made it (git-config(1),
/// `core.preferSymlinkRefs`).
fn is_below_refs(target: &CStr) -> bool {
    let target = target.to_bytes();
    target.starts_with(b"refs/") && !target.split(|&byte| byte == b'/').any(|part| part == b"..")
}

/// Whether `tree`, relative to a git directory, is a work tree in the workspace that leads back to it
/// ([`pointer::work_tree`]), and does not lie in any git directory.
fn is_work_tree(before: &Before<'_>, git_dir: BorrowedFd<'_>, tree: &[u8]) -> Result<bool> {
    let Some((tree, path)) = pointer::work_tree(git_dir, tree)? else { return Ok(false) };
    let is_inside = before.tops.iter().any(|top| is_at_or_below(path.to_bytes(), top.path.to_bytes()));
    Ok(is_inside && !lies_in_git_dir(before, tree)?)
}

/// Whether `dir`, or a directory above it in the workspace, is a git directory.
fn lies_in_git_dir(before: &Before<'_>, mut dir: OwnedFd) -> Result<bool> {
    loop {
        if git_dir::is_git_dir_with(|name| stat::has_name(dir.as_fd(), name))? {
            return Ok(true);
        }
        let about = stat::fstat(dir.as_fd())?;
        if before.is_top(about) {
            return Ok(false);
        }
        let above = open::any_mount(dir.as_fd(), c"..", For::Names)?;
        if stat::fstat(above.as_fd())?.is_same_file(about) {
            return Ok(false);
        }
        dir = above;
    }
}
