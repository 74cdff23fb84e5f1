//! What the walk notes of a directory.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

use crate::sys::stat::Kind;
use crate::workspace::layout::REMOTES;
use crate::workspace::names as judged;
use crate::workspace::rebase::STATES;

/// What is in a directory.
#[derive(Default)]
pub(super) struct List {
    pub(super) dirs: Vec<CString>,
    pub(super) links: Vec<CString>,
    pub(super) head: bool,
    pub(super) objects: bool,
    pub(super) refs: bool,
    pub(super) commondir: bool,
    pub(super) dot_git: bool,
    pub(super) pointer: bool,
    pub(super) gitmodules: bool,
    /// Which of [`STATES`] and [`REMOTES`] are there.
    pub(super) states: Vec<&'static CStr>,
}

impl List {
    pub(super) fn add(&mut self, dir: BorrowedFd<'_>, name: &CStr, kind: Option<Kind>) {
        const KNOWN: [&CStr; 7] = [c".git", c".gitmodules", c"HEAD", c"objects", c"refs", c"commondir", c"worktrees"];
        let known = KNOWN.iter().chain(&STATES).chain(&REMOTES).copied();
        let known = judged::recognize(dir, name, known);
        match known.map(CStr::to_bytes) {
            Some(b".git") => {
                self.dot_git = true;
                self.pointer |= kind != Some(Kind::Dir);
            }
            Some(b".gitmodules") => self.gitmodules |= kind == Some(Kind::Link),
            Some(b"HEAD") => self.head = true,
            Some(b"objects") => self.objects = true,
            Some(b"refs") => self.refs = true,
            Some(b"commondir") => self.commondir = true,
            Some(b"worktrees") | None => {}
            Some(_) => self.states.extend(known),
        }
        match kind {
            // By the name that git uses, which is the same to the filesystem.
            Some(Kind::Dir) => self.dirs.push(known.unwrap_or(name).to_owned()),
            Some(Kind::Link) => self.links.push(name.to_owned()),
            _ => {}
        }
    }

    /// Whether git takes a directory with this for a git directory (setup.c, `is_git_directory`). Of what type the
    /// parts are does not matter: git follows links, and asks of `objects` and `refs` only whether they can be
    /// executed.
    pub(super) fn is_git_dir(&self) -> bool {
        self.head && (self.objects && self.refs || self.commondir)
    }
}
