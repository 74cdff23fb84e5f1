//! What the walk notes about the entries of a directory.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use crate::sys::stat::Kind;
use crate::workspace::git_dir;
use crate::workspace::layout::REMOTES;
use crate::workspace::names as judged;
use crate::workspace::obeyed;
use crate::workspace::rebase::STATES;

/// What is in a directory.
#[derive(Default)]
pub(super) struct List {
    pub(super) dirs: Vec<CString>,
    pub(super) links: Vec<CString>,
    /// Which parts of a git directory are there.
    pub(super) parts: git_dir::Listed,
    pub(super) dot_git: bool,
    pub(super) pointer: bool,
    pub(super) gitmodules: bool,
    /// Which of [`STATES`] and [`REMOTES`] are there.
    pub(super) states: Vec<&'static CStr>,
    /// Names of pinfold's own.
    pub(super) ours: Vec<CString>,
    /// Names that some program may obey.
    pub(super) obeyed: Vec<CString>,
    /// Names that begin with a dot, of the top.
    pub(super) dots: Vec<CString>,
}

/// At most this many names that some program may obey are noted in one directory.
const MOST_OBEYED: usize = 1000;

/// At most this many names of pinfold's own are noted in one directory.
const MOST_OURS: usize = 100;

impl List {
    pub(super) fn add(&mut self, dir: BorrowedFd<'_>, name: &CStr, kind: Option<Kind>) {
        const KNOWN: [&CStr; 3] = [c".git", c".gitmodules", c"worktrees"];
        let known = KNOWN.iter().chain(&git_dir::NAMES).chain(&STATES).chain(&REMOTES).copied();
        let known = judged::recognize(dir, name, known);
        match known.map(CStr::to_bytes) {
            Some(b".git") => {
                self.dot_git = true;
                self.pointer |= kind != Some(Kind::Dir);
            }
            Some(b".gitmodules") => self.gitmodules |= kind == Some(Kind::Link),
            _ => {}
        }
        if let Some(known) = known {
            self.parts.note(known);
            self.states.extend(STATES.iter().chain(&REMOTES).find(|state| **state == known));
        }
        let text = name.to_bytes();
        // What taking over makes in a git directory, and in `objects`.
        let is_ours = text.ends_with(b".pinfold") || text.starts_with(b"tmp_objdir-pinfold-");
        if is_ours && self.ours.len() < MOST_OURS {
            self.ours.push(name.to_owned());
        }
        if self.obeyed.len() < MOST_OBEYED && obeyed::may_be_obeyed(OsStr::from_bytes(name.to_bytes())) {
            self.obeyed.push(name.to_owned());
        }
        match kind {
            // By the name that git uses, which is the same to the filesystem.
            Some(Kind::Dir) => self.dirs.push(known.unwrap_or(name).to_owned()),
            Some(Kind::Link) => self.links.push(name.to_owned()),
            _ => {}
        }
    }
}
