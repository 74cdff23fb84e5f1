//! Walks through a hostile tree, which may be as deep and as wide as the file system allows.
//!
//! Only the directories of the last levels stay open. The walk finds those above again by `..`, and checks that they
//! are the same.
//!
//! A directory that has not changed since before the run, and that held no part of a repository, is not read again.
//! Only the directories in it are visited.

use super::before::{Before, Deferred};
use super::judge::Judge;
use super::list::List;
use super::news::News;
use super::repository::Repository;
use super::told::{LONGEST_PATH, Told};
use super::{names, news, pointer, state};
use crate::spec::SeenDir;
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Stat};
use crate::sys::{Errno, Result, make};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How many levels stay open.
const OPEN: usize = 32;

/// At most this many pointer files are followed. Each submodule and each worktree has one.
const MOST_POINTERS: usize = 10_000;

/// At most this many dot names of the top are compared with those before.
const MOST_DOTS: usize = 10_000;

/// A directory on the way from the top to where the walk is.
struct Level {
    open: Option<OwnedFd>,
    about: Stat,
    /// Directories in it that are still to be visited.
    ahead: Vec<CString>,
    /// Length of its path.
    path: usize,
    /// The level of the git directory that this lies in, or is.
    git: Option<usize>,
    /// What was done in it, if it is a git directory.
    repository: Option<Repository>,
    /// Its permissions, where it was closed.
    mode: Option<u32>,
}

/// A directory that was opened for listing.
struct Dir {
    open: OwnedFd,
    /// What it was before.
    about: Stat,
    /// Its permissions, where it was closed.
    mode: Option<u32>,
}

pub(super) struct Tree<'t, 'f> {
    before: &'t Before<'f>,
    judge: &'t mut Judge,
    deferred: &'t mut Deferred,
    told: &'t mut Told,
    news: &'t mut News,
    levels: Vec<Level>,
    path: Vec<u8>,
    entries: Entries,
}

impl<'t, 'f> Tree<'t, 'f> {
    pub(super) fn new(
        before: &'t Before<'f>,
        judge: &'t mut Judge,
        deferred: &'t mut Deferred,
        (told, news): (&'t mut Told, &'t mut News),
    ) -> Tree<'t, 'f> {
        Tree { before, judge, deferred, told, news, levels: Vec::new(), path: Vec::new(), entries: Entries::new() }
    }

    /// Walks through `top`, an open place, and all below it, with what is mounted there.
    pub(super) fn walk(mut self, top: OwnedFd, path: &CStr) {
        self.path = path.to_bytes().to_owned();
        self.visit(top.as_fd(), c".");
        while let Some(level) = self.levels.last_mut() {
            let Some(name) = level.ahead.pop() else {
                self.leave();
                continue;
            };
            self.path.truncate(level.path);
            self.path.push(b'/');
            self.path.extend_from_slice(name.to_bytes());
            let Some(open) = level.open.take() else { continue };
            let here = self.levels.len() - 1;
            if self.before.is_held(open.as_fd(), &name, &self.path) {
                self.note_held(open.as_fd(), &name);
                self.levels[here].open = Some(open);
                continue;
            }
            self.visit(open.as_fd(), &name);
            self.levels[here].open = Some(open);
            if let Some(far) = self.levels.len().checked_sub(OPEN + 1) {
                self.levels[far].open = None;
            }
        }
    }

    /// Notes a held directory. If it is the entry of a worktree, pointer files may lead to it.
    fn note_held(&mut self, above: BorrowedFd<'_>, name: &CStr) {
        if parent_name(&self.path) == b"worktrees"
            && let Ok(Some(about)) = stat::look_at(above, name)
        {
            self.deferred.git_dirs.insert((about.device, about.inode));
            if let Ok(open) = open::any_mount(above, name, For::Names) {
                state::settle_worktree(self.before, open.as_fd(), &self.path, true, self.told);
            }
        }
    }

    /// Opens the directory `name` of `above` and does what is to be done in it.
    fn visit(&mut self, above: BorrowedFd<'_>, name: &CStr) {
        let done = match self.unchanged(above, name) {
            Some((about, seen)) => self.pass(above, name, about, seen),
            None => self.open(above, name).and_then(|open| match open {
                Some(dir) => self.enter(dir),
                None => Ok(()),
            }),
        };
        match done {
            // Somebody works here.
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(Errno::ETIME) => self.cut_short(),
            Err(errno) => self.told.unseen(&self.path, errno),
        }
    }

    /// What is in the directory `name` of `above`, if that is known and none of it counts. In a git directory every
    /// directory counts.
    fn unchanged(&self, above: BorrowedFd<'_>, name: &CStr) -> Option<(Stat, &'t SeenDir)> {
        let is_in_git = self.levels.last().is_some_and(|level| level.git.is_some());
        if self.before.seen.is_empty() || is_in_git {
            return None;
        }
        let about =
            stat::look_at(above, name).ok().flatten().filter(|about| about.is_dir() && !self.is_closed(*about))?;
        Some((about, self.before.unchanged(about)?))
    }

    /// Enters a directory that has not changed, if there are directories in it.
    fn pass(&mut self, above: BorrowedFd<'_>, name: &CStr, about: Stat, seen: &SeenDir) -> Result<()> {
        if self.judge.is_late() {
            return Err(Errno::ETIME);
        }
        // It may have come here with a directory around it.
        self.news.look(self.before.seen, &self.path, seen.found.iter().map(|found| found.name.as_c_str()));
        if !seen.dirs.is_empty() {
            let open = Some(open::any_mount(above, name, For::Names)?);
            let (ahead, path) = (seen.dirs.iter().map(CStr::to_owned).collect(), self.path.len());
            self.levels.push(Level { open, about, ahead, path, git: None, repository: None, mode: None });
        }
        Ok(())
    }

    /// Whether this is a directory of the user that the user cannot list or enter.
    fn is_closed(&self, about: Stat) -> bool {
        about.permissions() & 0o500 != 0o500 && about.owner == self.before.user
    }

    /// Ends the walk because time ran out, and reports where. The walk still goes back to the top, and restores the
    /// permissions of directories on the way.
    fn cut_short(&mut self) {
        self.told.cut_short(&self.path, self.judge.time());
        for level in &mut self.levels {
            level.ahead = Vec::new();
        }
    }

    /// Opens a directory for listing. The program can take away the user's permissions for a directory of theirs. Then
    /// this adds them until the walk has left it. Returns `None` for a closed directory of another user, which was
    /// closed to the program as well.
    fn open(&mut self, above: BorrowedFd<'_>, name: &CStr) -> Result<Option<Dir>> {
        let mode_to_restore = |about: Stat| self.is_closed(about).then_some(about.permissions());
        match open::any_mount(above, name, For::Listing) {
            Err(Errno::EACCES) => {
                // `above` is the top itself. Not even `.` is found in a closed directory.
                let found = if name == c"." { None } else { Some(open::any_mount(above, name, For::Names)?) };
                let place = found.as_ref().map_or(above, OwnedFd::as_fd);
                let about = stat::fstat(place)?;
                let Some(mode) = mode_to_restore(about) else { return Ok(None) };
                make::set_mode_of_place(place, mode | 0o700)?;
                let open = open::any_mount(above, name, For::Listing)?;
                Ok(Some(Dir { open, about, mode: Some(mode) }))
            }
            open => {
                let open = open?;
                let about = stat::fstat(open.as_fd())?;
                let mode = mode_to_restore(about);
                if let Some(mode) = mode {
                    make::set_mode(open.as_fd(), mode | 0o700)?;
                }
                Ok(Some(Dir { open, about, mode }))
            }
        }
    }

    fn enter(&mut self, Dir { open, about, mode }: Dir) -> Result<()> {
        let list = self.list(open.as_fd());
        if let (Err(_), Some(mode)) = (&list, mode) {
            let _closed_again = make::set_mode(open.as_fd(), mode).is_ok();
        }
        let mut list = list?;
        let above = self.levels.last().and_then(|level| level.git);
        let depth = self.levels.len();
        let is_git_dir = self.path.ends_with(b"/.git") || list.parts.is_git_dir();
        let mut repository = is_git_dir.then(|| {
            self.deferred.git_dirs.insert((about.device, about.inode));
            Repository::default()
        });
        // `worktrees/NAME` of a git directory, which git takes for one by its `gitdir` alone.
        let is_worktree = above.is_some_and(|git| git + 2 == depth) && parent_name(&self.path) == b"worktrees";
        if is_worktree {
            state::settle_worktree(self.before, open.as_fd(), &self.path, false, self.told);
        }
        if list.dot_git && list.gitmodules {
            state::settle_gitmodules(self.before, open.as_fd(), &self.path, self.told);
        }
        if let Some(repository) = &mut repository {
            repository.settle(self.before, self.judge, open.as_fd(), &self.path, &list, is_worktree);
            self.note_tops(open.as_fd());
        }
        let git = if is_git_dir { Some(depth) } else { above };
        if git.is_none() {
            self.news.look(self.before.seen, &self.path, list.obeyed.iter().map(CString::as_c_str));
        }
        if self.levels.is_empty() {
            self.news.look_at_dots(self.before.seen, &self.path, &list.dots);
        }
        let around = match &mut repository {
            Some(repository) => Some((self.path.len(), repository)),
            None => git
                .and_then(|git| self.levels.get_mut(git))
                .and_then(|level| Some((level.path, level.repository.as_mut()?))),
        };
        let is_done = match around {
            Some((top, around)) => {
                if matches!(&self.path[top..], b"" | b"/objects") {
                    around.set_aside_ours(self.before, open.as_fd(), &self.path, &list.ours);
                }
                around.remove_links(self.before, self.judge, open.as_fd(), &self.path, &list.links, top)
            }
            None => true,
        };
        if list.pointer && !self.before.is_held_in(open.as_fd(), c".git", &self.path) {
            self.note_pointer(open.as_fd());
        }
        // The last one is visited next. `.git` comes first, because it matters most if time runs out.
        if let Some(place) = list.dirs.iter().position(|name| name.as_c_str() == c".git") {
            let last = list.dirs.len() - 1;
            list.dirs.swap(place, last);
        }
        let (ahead, path) = (list.dirs, self.path.len());
        self.levels.push(Level { open: Some(open), about, ahead, path, git, repository, mode });
        if is_done { Ok(()) } else { Err(Errno::ETIME) }
    }

    /// Keeps the tops of a new git directory for later, because the walk has not been in them yet. If there are too
    /// many, or they are too deep, they are handled at once. Otherwise they would take memory without end.
    fn note_tops(&mut self, git_dir: BorrowedFd<'_>) {
        if self.before.names.is_empty() || self.before.is_held_in(git_dir, c"config", &self.path) {
            return;
        }
        let mut tops = vec![(self.path.as_slice(), c".")];
        tops.extend(self.path.strip_suffix(b"/.git").map(|around| (around, c"..")));
        for (path, way) in tops {
            if path.len() <= LONGEST_PATH && self.deferred.tops.len() < MOST_POINTERS {
                self.deferred.tops.push(path.to_owned());
            } else if let Ok(top) = open::any_mount(git_dir, way, For::Names) {
                names::settle(self.before, self.judge, top.as_fd(), path, false, self.told);
            }
        }
    }

    /// Keeps the place of a pointer file for later. If there are too many, or they are too deep, they are set aside at
    /// once. Otherwise they would take memory without end.
    fn note_pointer(&mut self, dir: BorrowedFd<'_>) {
        if self.path.len() <= LONGEST_PATH && self.deferred.pointers.len() < MOST_POINTERS {
            self.deferred.pointers.push(self.path.clone());
        } else {
            pointer::set_aside(dir, &self.path, "is one too many, or too deep", self.told);
        }
    }

    fn list(&mut self, open: BorrowedFd<'_>) -> Result<List> {
        let mut list = List::default();
        let is_top = self.levels.is_empty();
        while self.entries.read(open)? {
            if self.judge.is_late() {
                return Err(Errno::ETIME);
            }
            for (name, kind) in self.entries.iter() {
                let kind = match kind {
                    Some(kind) => Some(kind),
                    None => stat::look_at(open, name)?.and_then(Stat::kind),
                };
                list.add(open, name, kind);
                if is_top && list.dots.len() < MOST_DOTS && news::is_dot(name) {
                    list.dots.push(name.to_owned());
                }
            }
        }
        Ok(list)
    }

    /// Goes back up.
    fn leave(&mut self) {
        let Some(level) = self.levels.pop() else { return };
        if let Some(repository) = level.repository {
            repository.tell(&self.path[..level.path], self.told);
        }
        if let Some(above) = self.levels.last_mut()
            && above.open.is_none()
        {
            above.open = level.open.as_ref().and_then(|open| {
                let back = open::any_mount(open.as_fd(), c"..", For::Names).ok()?;
                stat::fstat(back.as_fd()).is_ok_and(|about| about.is_same_file(above.about)).then_some(back)
            });
            if above.open.is_none() && !std::mem::take(&mut above.ahead).is_empty() {
                self.told.unseen(&self.path[..above.path], Errno::ESTALE);
            }
        }
        if let (Some(mode), Some(open)) = (level.mode, &level.open) {
            // Nothing depends on it, and the user can do the same.
            let _closed_again = make::set_mode(open.as_fd(), mode).is_ok();
        }
    }
}

/// The name of the directory around the last part of a path.
fn parent_name(path: &[u8]) -> &[u8] {
    path.split(|&byte| byte == b'/').rev().nth(1).unwrap_or_default()
}
