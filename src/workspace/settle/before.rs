//! What is known before the walk, and what the walk leaves for later.

use std::collections::{HashMap, HashSet};
use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use super::told::LONGEST_PATH;
use crate::spec::{FileId, SeenBefore, SeenDir, SettleName, SettleTop};
use crate::sys::stat::{self, Stat};
use crate::workspace::files::id_of;

/// What is known before the walk.
pub(super) struct Before<'a> {
    /// The identities of the held files, by path.
    pub(super) held: HashMap<&'a [u8], FileId>,
    pub(super) tops: &'a [SettleTop],
    /// Names that git obeys in every work tree.
    pub(super) names: &'a [SettleName],
    /// What was seen before the run.
    pub(super) seen: &'a [SeenBefore],
    /// The id of the user who runs this.
    pub(super) user: u32,
}

impl<'a> Before<'a> {
    /// Whether `path`, which is `name` in `dir`, was held and is still the same file. A path that is too long is not
    /// even looked up, because the lookups would be slow in a very deep tree.
    pub(super) fn is_held(&self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> bool {
        let held = if path.len() <= LONGEST_PATH { self.held.get(path) } else { None };
        let is_same = |held| matches!(stat::look_at(dir, name), Ok(Some(now)) if id_of(now) == held);
        held.is_some_and(|held| is_same(*held))
    }

    /// The same for `name` in `dir`, whose path is `path`.
    pub(super) fn is_held_in(&self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> bool {
        path.len() < LONGEST_PATH && self.is_held(dir, name, &[path, b"/", name.to_bytes()].concat())
    }

    /// What is in the directory behind `about`, if the look before the run has seen the same: its ctime is a sound
    /// witness of the names in it. `None` if there is a part of a repository among them.
    pub(super) fn unchanged(&self, about: Stat) -> Option<&'a SeenDir> {
        let seen = self.seen.iter().find_map(|before| before.dirs.unchanged(about))?;
        (!seen.has(c".git") && !seen.is_git_dir()).then_some(seen)
    }

    /// Whether this is one of the directories where the walk starts.
    pub(super) fn is_top(&self, about: Stat) -> bool {
        self.tops.iter().any(|top| (top.identity.device, top.identity.inode) == (about.device, about.inode))
    }
}

/// What is dealt with after the walk, when all git directories are known.
#[derive(Default)]
pub(super) struct Deferred {
    /// Device and inode number of each git directory that was put in order or is held.
    pub(super) git_dirs: HashSet<(u64, u64)>,
    /// Directories with an entry `.git` that is no directory.
    pub(super) pointers: Vec<Vec<u8>>,
    /// New git directories, and the directories around them. git works in both.
    pub(super) tops: Vec<Vec<u8>>,
}
