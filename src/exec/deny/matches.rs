//! Directories that patterns match. They are kept here until they are covered.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use super::denied::Denied;
use super::inside::Inside;
use super::live::State;
use crate::plan::pattern::Pattern;
use crate::protocol::{Act, At, Failure, Outcome};
use crate::sys::Errno;
use crate::sys::open::Open;
use crate::sys::stat::{self, PlaceId};

/// A path of this many bytes is too long for a system call (`PATH_MAX` in include/uapi/linux/limits.h).
const TOO_LONG: usize = 4096;

/// What the patterns matched.
pub(super) struct Matches<'p> {
    patterns: &'p [Pattern],
    /// Directories to cover, by their paths without links. Each sorts after those above it.
    dirs: BTreeMap<CString, Match>,
    /// By the path of a directory that is denied by that path: the patterns that rely on it. If it cannot be covered,
    /// they are not enforced either.
    within: BTreeMap<CString, Vec<State>>,
    /// Which patterns are known to the caller not to be enforced.
    dropped: Vec<bool>,
}

/// A directory that matches.
pub(super) struct Match {
    place: PlaceId,
    /// Open only if the path is too long to open the directory again. Others are not kept open, because thousands may
    /// match.
    held: Option<OwnedFd>,
    /// The path by which the walk found it.
    path: CString,
    /// The patterns that are not enforced if it cannot be covered.
    states: Vec<State>,
}

impl<'p> Matches<'p> {
    pub(super) fn none(patterns: &'p [Pattern]) -> Matches<'p> {
        Matches { patterns, dirs: BTreeMap::new(), within: BTreeMap::new(), dropped: vec![false; patterns.len()] }
    }

    pub(super) fn is_dropped(&self, pattern: usize) -> bool {
        self.dropped[pattern]
    }

    /// Keeps the directory `object` at `way`, to cover it later.
    pub(super) fn add(&mut self, way: CString, object: OwnedFd, found: Match) {
        let held = (way.count_bytes() >= TOO_LONG).then_some(object);
        self.dirs.insert(way, Match { held, ..found });
    }

    /// Notes patterns that rely on the directory at `way`, which is denied by its path.
    pub(super) fn rely_on(&mut self, way: &CStr, states: &[State]) {
        self.within.entry(way.to_owned()).or_default().extend(states);
    }

    /// Gives up the patterns that rely on the directory at `way`, which could not be covered. Fails if the run may not
    /// go on.
    pub(super) fn is_open_still(&mut self, way: CString, failure: Failure, inside: &Inside<'_, '_>) -> Outcome<()> {
        let states = self.within.remove(&way).unwrap_or_default();
        self.drop_with(&of_match(failure, way), &states, inside)
    }

    /// Covers the directories, except those that lie in another denied one.
    pub(super) fn cover(mut self, denied: &mut Denied<'_, '_>) -> Outcome<()> {
        for (way, found) in std::mem::take(&mut self.dirs) {
            if denied.is_below_denied(&way) {
                continue;
            }
            if let Err(failure) = found.cover(&way, &denied.inside) {
                denied.is_open_still(&way);
                self.drop_with(&of_match(failure, found.path), &found.states, &denied.inside)?;
            }
        }
        Ok(())
    }

    /// Gives up these patterns, each with `failure`. Fails if the run may not go on.
    pub(super) fn drop_with(&mut self, failure: &Failure, states: &[State], inside: &Inside<'_, '_>) -> Outcome<()> {
        for state in states {
            if !std::mem::replace(&mut self.dropped[state.pattern], true) {
                let index = self.patterns[state.pattern].op as u32;
                inside.fail(Failure { index, ..failure.clone() })?;
            }
        }
        Ok(())
    }
}

impl Match {
    pub(super) fn new(place: PlaceId, path: &CStr, states: &[State]) -> Match {
        Match { place, held: None, path: path.to_owned(), states: states.to_vec() }
    }

    fn cover(&self, way: &CStr, inside: &Inside<'_, '_>) -> Outcome<()> {
        let opened;
        let object = match &self.held {
            Some(held) => held,
            None => {
                opened = inside.root.open(way, Open::Path).op(0, Act::Whole)?;
                &opened
            }
        };
        if stat::place_at(object.as_fd(), c"").op(0, Act::Whole)? != self.place {
            return Err(Errno::ESTALE).op(0, Act::Whole);
        }
        inside.cover(object.as_fd(), 0)
    }
}

/// Turns `failure` into one about the match at `path`.
pub(super) fn of_match(failure: Failure, path: CString) -> Failure {
    let act = if failure.act == Act::Whole { Act::Match } else { failure.act };
    Failure { act, detail: Some(path), ..failure }
}
