//! What is known about the denied objects: their other names, the directories above them, and which are directories.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};

use super::host::{self, OnHost};
use super::inside::Inside;
use super::pinned_ancestors::PinnedAncestors;
use super::twins::Twins;
use super::views::Views;
use crate::protocol::{Act, At, Outcome};
use crate::sys::Result;

pub(super) struct Denied<'a, 'r> {
    pub(super) inside: Inside<'a, 'r>,
    pub(super) pinned: PinnedAncestors,
    pub(super) twins: Twins,
    /// Denied directories, by their paths without links. Everything in them is denied too.
    dirs: HashSet<CString>,
}

impl<'a, 'r> Denied<'a, 'r> {
    pub(super) fn new(inside: Inside<'a, 'r>, views: Views) -> Result<Denied<'a, 'r>> {
        let twins = Twins::of(views, &inside)?;
        Ok(Denied { inside, pinned: PinnedAncestors::default(), twins, dirs: HashSet::new() })
    }

    /// Notes a denied object, so that its other names are found. `way` is its path without links. Must be called before
    /// the object is covered.
    pub(super) fn note(&mut self, object: BorrowedFd<'_>, way: &CStr, op: usize) -> Outcome<()> {
        match self.twins.note(object, way, op, &self.inside, &mut self.pinned) {
            Ok(is_dir) => {
                if is_dir {
                    self.dirs.insert(way.to_owned());
                }
                Ok(())
            }
            Err(failure) => self.inside.fail(failure),
        }
    }

    /// Notes what the host has at the denied `path`, if there is anything. The sandbox has something of its own at that
    /// path, or nothing, and may still show the host's object elsewhere. Returns true if the host has nothing there.
    pub(super) fn note_on_host(&mut self, path: &CStr, op: usize) -> Outcome<bool> {
        match host::look(path).op(op, Act::Whole)? {
            OnHost::Object(object) => {
                self.twins.note_on_host(object.as_fd(), path, op, &self.inside, &mut self.pinned)?;
                Ok(false)
            }
            OnHost::Nothing => Ok(true),
            OnHost::Unknown => Ok(false),
        }
    }

    /// Whether the directory at `way` itself is denied.
    pub(super) fn is_denied(&self, way: &CStr) -> bool {
        !self.dirs.is_empty() && self.dirs.contains(way)
    }

    /// Whether a directory above `way` is denied.
    pub(super) fn is_below_denied(&self, way: &CStr) -> bool {
        let bytes = way.to_bytes();
        let ends = (1..bytes.len()).filter(|&at| bytes[at] == b'/');
        ends.into_iter().any(|end| CString::new(&bytes[..end]).is_ok_and(|above| self.dirs.contains(&above)))
    }

    /// Forgets a directory that could not be covered: what lies in it must be covered by itself.
    pub(super) fn is_open_still(&mut self, way: &CStr) {
        self.dirs.remove(way);
    }

    /// Notes the way of `path` to `object`, links included, to be held in its place. Must be called while nothing on
    /// the way is covered. Returns the path without links.
    pub(super) fn hold_way(&mut self, path: &CStr, object: BorrowedFd<'_>, op: usize) -> Result<CString> {
        let way = self.inside.path_of(object)?;
        self.pinned.lead_to(&way, op);
        if *path != *way {
            self.pinned.trace_links(path, op, &self.inside)?;
        }
        Ok(way)
    }

    /// Covers the other names, and holds everything that leads to any of them.
    pub(super) fn finish(mut self) -> Outcome<()> {
        self.twins.cover(&self.inside, &mut self.pinned)?;
        self.pinned.hold(&self.inside)
    }
}
