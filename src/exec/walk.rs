//! Finding what patterns match: one walk for all of them, along descriptors, so that nothing that is moved meanwhile can
//! lead it astray.
//!
//! A directory is listed where a wildcard asks for it, and only names that are known are looked up elsewhere. What is
//! covered is not entered, nor is what the kernel shows of itself. Links are not followed, with two exceptions: what a
//! link leads to is covered where its name matches, and a link that one part of a pattern (not `**`) matches is the
//! directory that it leads to, in which the following parts are looked for.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::deny::{Deny, Found};
use super::root::join;
use super::{At, Outcome};
use crate::plan::failure::{Act, Failure, Stage};
use crate::plan::pattern::{Part, Pattern};
use crate::sys::dir::{self, Entries, For};
use crate::sys::file::{self, Kind};
use crate::sys::{Errno, Result};

/// Depth at which the walk gives up, because each directory on the way is held open and most processes may have 1024
/// open files (`getrlimit(2)`).
const DEEPEST: usize = 1000;

/// A pattern, and the part of it that is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    pattern: usize,
    part: usize,
}

/// Covers everything that `patterns` match. One that matches nothing is a failure.
pub(super) fn walk(deny: &mut Deny<'_, '_>, patterns: &[Pattern]) -> Outcome<()> {
    if patterns.is_empty() {
        return Ok(());
    }
    let mut walk = Walk {
        deny,
        patterns,
        matched: vec![false; patterns.len()],
        dropped: vec![false; patterns.len()],
        followed: HashSet::new(),
        entries: Vec::new(),
        depth: 0,
    };
    let mut live = Vec::new();
    for pattern in 0..patterns.len() {
        walk.add(&mut live, State { pattern, part: 0 });
    }
    let top = walk.deny.root.open(c"/", crate::sys::file::Open::Dir).stage(Stage::Root)?;
    walk.enter(top, c"", &live)?;
    for (number, pattern) in patterns.iter().enumerate() {
        if !walk.matched[number] && !walk.dropped[number] {
            walk.deny.fail(Failure { act: Act::NoMatch, ..Failure::nth(Stage::Op, pattern.op, 0) })?;
        }
    }
    Ok(())
}

struct Walk<'w, 'd> {
    deny: &'w mut Deny<'d>,
    patterns: &'w [Pattern],
    /// Which patterns have matched something, or might have, had it not been denied already.
    matched: Vec<bool>,
    /// Which patterns the caller knows not to be held.
    dropped: Vec<bool>,
    /// Where links have led, and what was looked for there: nothing is looked for twice.
    followed: HashSet<((u64, u64, u64), Vec<State>)>,
    /// Buffers that are not in use.
    entries: Vec<Entries>,
    depth: usize,
}

/// Whether a directory on another mount is entered.
enum Border {
    None,
    /// Denied as a whole.
    Covered,
    /// Of the kernel or of devices.
    Kernels,
}

/// What is to be looked at below a directory, once it has been read.
type Below = Vec<(CString, Vec<State>)>;

impl Walk<'_, '_> {
    fn part(&self, state: State) -> &Part {
        &self.patterns[state.pattern].parts[state.part]
    }

    fn is_last(&self, state: State) -> bool {
        state.part + 1 == self.patterns[state.pattern].parts.len()
    }

    /// Adds a state, and what it amounts to where `**` stands for nothing.
    fn add(&self, live: &mut Vec<State>, state: State) {
        let mut push = |state| {
            if !live.contains(&state) {
                live.push(state);
            }
        };
        push(state);
        if *self.part(state) == Part::AnyDirs && !self.is_last(state) {
            push(State { part: state.part + 1, ..state });
        }
    }

    /// What `path` goes wrong with ends the run, or the promise of the patterns that are looked for there.
    fn fail(&mut self, errno: Errno, act: Act, path: &CStr, states: &[State]) -> Outcome<()> {
        self.drop_with(
            &Failure { act, detail: Some(path.to_owned()), ..Failure::nth(Stage::Op, 0, errno as i32) },
            states,
        )
    }

    fn drop_with(&mut self, failure: &Failure, states: &[State]) -> Outcome<()> {
        for state in states {
            if !std::mem::replace(&mut self.dropped[state.pattern], true) {
                let index = self.patterns[state.pattern].op as u32;
                self.deny.fail(Failure { index, ..failure.clone() })?;
            }
        }
        Ok(())
    }

    fn mark(&mut self, states: &[State]) {
        for state in states {
            self.matched[state.pattern] = true;
        }
    }

    /// Looks for `live` below a directory that lies on any mount.
    fn enter(&mut self, found: OwnedFd, path: &CStr, live: &[State]) -> Outcome<()> {
        let purpose = self.purpose(live);
        let dir = match self.border(found.as_fd()) {
            Ok(Border::Covered) => {
                self.mark(live);
                return Ok(());
            }
            Ok(Border::Kernels) => return Ok(()),
            Ok(Border::None) if purpose == For::Names => return self.directory(found, path, live),
            Ok(Border::None) => dir::open_any_mount(found.as_fd(), c".", For::Listing),
            Err(errno) => Err(errno),
        };
        match dir {
            Ok(dir) => self.directory(dir, path, live),
            Err(errno) => self.unopened(errno, found.as_fd(), path, live),
        }
    }

    fn border(&self, dir: BorrowedFd<'_>) -> Result<Border> {
        Ok(if self.deny.is_covered(file::fstat(dir)?) {
            Border::Covered
        } else if self.deny.is_kernels(dir)? {
            Border::Kernels
        } else {
            Border::None
        })
    }

    fn purpose(&self, live: &[State]) -> For {
        let is_known = |state: &State| matches!(self.part(*state), Part::Exactly(_));
        if live.iter().all(is_known) { For::Names } else { For::Listing }
    }

    /// A directory that cannot be opened for its purpose. Where nobody inside can either, nothing is to be done.
    fn unopened(&mut self, errno: Errno, dir: BorrowedFd<'_>, path: &CStr, live: &[State]) -> Outcome<()> {
        let is_closed = file::fstat(dir).and_then(|about| self.deny.is_closed(dir, about));
        match (errno, is_closed) {
            (Errno::EACCES, Ok(true)) => Ok(()),
            _ => self.fail(errno, Act::Look, path, live),
        }
    }

    /// Looks for `live` in a directory and below it.
    fn directory(&mut self, dir: OwnedFd, path: &CStr, live: &[State]) -> Outcome<()> {
        if self.depth == DEEPEST {
            return self.fail(Errno::ENAMETOOLONG, Act::Look, path, live);
        }
        let below = match self.purpose(live) {
            For::Names => self.names(dir.as_fd(), path, live)?,
            For::Listing => self.list(dir.as_fd(), path, live)?,
        };
        self.depth += 1;
        for (name, states) in below {
            self.descend(dir.as_fd(), &name, path, &states)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn names(&mut self, dir: BorrowedFd<'_>, path: &CStr, live: &[State]) -> Outcome<Below> {
        let mut below = Below::new();
        let mut done: Vec<&CString> = Vec::new();
        let patterns = self.patterns;
        for state in live {
            if let Part::Exactly(name) = &patterns[state.pattern].parts[state.part]
                && !done.contains(&name)
            {
                done.push(name);
                self.entry(dir, name, None, path, live, &mut below)?;
            }
        }
        Ok(below)
    }

    fn list(&mut self, dir: BorrowedFd<'_>, path: &CStr, live: &[State]) -> Outcome<Below> {
        let mut below = Below::new();
        let mut entries = self.entries.pop().unwrap_or_else(Entries::new);
        loop {
            match entries.read(dir) {
                Ok(true) => {}
                // It has been removed meanwhile.
                Ok(false) | Err(Errno::ENOENT) => break,
                Err(errno) => {
                    self.fail(errno, Act::Look, path, live)?;
                    break;
                }
            }
            for (name, kind) in entries.iter() {
                self.entry(dir, name, kind, path, live, &mut below)?;
            }
        }
        self.entries.push(entries);
        Ok(below)
    }

    /// Judges one name: covers it, or notes what is to be looked for below it.
    fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        kind: Option<Kind>,
        path: &CStr,
        live: &[State],
        below: &mut Below,
    ) -> Outcome<()> {
        let hits: Vec<State> = live.iter().copied().filter(|&state| self.is_hit(name, state)).collect();
        if !hits.is_empty() {
            let next = self.next(name, live, true);
            return self.hit(dir, name, path, &hits, &next);
        }
        let kind = match kind {
            Some(Kind::Dir | Kind::Link) => kind,
            Some(_) => return Ok(()),
            None => match dir::kind_at(dir, name) {
                Ok(kind) => kind,
                Err(Errno::ENOENT) => return Ok(()),
                Err(Errno::EACCES) => return self.unopened(Errno::EACCES, dir, path, live),
                Err(errno) => return self.fail(errno, Act::Look, &join(path, name), live),
            },
        };
        let next = match kind {
            Some(Kind::Dir) => self.next(name, live, true),
            Some(Kind::Link) => self.next(name, live, false),
            _ => return Ok(()),
        };
        match kind {
            _ if next.is_empty() => Ok(()),
            Some(Kind::Link) => self.follow(&join(path, name), &next),
            _ => {
                below.push((name.to_owned(), next));
                Ok(())
            }
        }
    }

    /// Whether a name is all that was looked for.
    fn is_hit(&self, name: &CStr, state: State) -> bool {
        self.is_last(state) && self.part(state).matches(name.to_bytes())
    }

    /// What is to be looked for below a name. `**` enters directories, and no links.
    fn next(&self, name: &CStr, live: &[State], is_dir: bool) -> Vec<State> {
        let mut next = Vec::new();
        for &state in live.iter().filter(|state| !self.is_last(**state)) {
            match self.part(state) {
                Part::AnyDirs if is_dir => self.add(&mut next, state),
                Part::AnyDirs => {}
                part if part.matches(name.to_bytes()) => {
                    self.add(&mut next, State { part: state.part + 1, ..state });
                }
                _ => {}
            }
        }
        next
    }

    /// Covers `name`, or what it leads to. What `next` would have matched below it is covered with it.
    fn hit(&mut self, dir: BorrowedFd<'_>, name: &CStr, path: &CStr, hits: &[State], next: &[State]) -> Outcome<()> {
        let full = join(path, name);
        let found = match dir::open_path_at(dir, name).and_then(|fd| Ok((file::fstat(fd.as_fd())?, fd))) {
            // It has gone meanwhile.
            Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EACCES) => return self.unopened(Errno::EACCES, dir, path, hits),
            Err(errno) => return self.fail(errno, Act::Match, &full, hits),
            Ok((about, _)) if about.kind() == Some(Kind::Link) => match self.deny.look(&full) {
                Ok(Found::Object(target)) => target,
                Ok(Found::Closed) => {
                    self.mark(hits);
                    return Ok(());
                }
                // There is nothing that could be opened by this name.
                Ok(Found::Missing(_)) => return Ok(()),
                Err(errno) => return self.fail(errno, Act::Match, &full, hits),
            },
            Ok((_, object)) => object,
        };
        self.mark(hits);
        self.mark(next);
        match self.deny.cover(found.as_fd(), 0) {
            Ok(()) => Ok(()),
            Err(failure) => {
                let act = if failure.act == Act::Whole { Act::Match } else { failure.act };
                self.drop_with(&Failure { act, detail: Some(full), ..failure }, hits)
            }
        }
    }

    fn descend(&mut self, dir: BorrowedFd<'_>, name: &CStr, path: &CStr, states: &[State]) -> Outcome<()> {
        let full = join(path, name);
        match dir::open_same_mount(dir, name, self.purpose(states)) {
            Ok(found) => self.directory(found, &full, states),
            Err(Errno::ENOENT) => Ok(()),
            // Another mount, or a directory that cannot be listed: what it is, is asked of itself.
            Err(Errno::EXDEV | Errno::EACCES) => match dir::open_any_mount(dir, name, For::Names) {
                Ok(found) => self.enter(found, &full, states),
                Err(Errno::EACCES) => self.unopened(Errno::EACCES, dir, path, states),
                Err(errno) => self.fail(errno, Act::Look, &full, states),
            },
            Err(errno) => self.fail(errno, Act::Look, &full, states),
        }
    }

    /// Goes on where a link leads to, with what follows its name in the patterns.
    fn follow(&mut self, path: &CStr, states: &[State]) -> Outcome<()> {
        let target = match self.deny.look(path) {
            Ok(Found::Object(target)) => target,
            Ok(Found::Closed) => {
                self.mark(states);
                return Ok(());
            }
            Ok(Found::Missing(_)) => return Ok(()),
            Err(errno) => return self.fail(errno, Act::Look, path, states),
        };
        let place: Result<_> =
            file::fstat(target.as_fd()).and_then(|about| Ok((about, file::place_at(target.as_fd(), c"")?)));
        match place {
            Ok((about, place)) if about.is_dir() && self.followed.insert((place, states.to_vec())) => {
                self.enter(target, path, states)
            }
            Ok(_) => Ok(()),
            Err(errno) => self.fail(errno, Act::Look, path, states),
        }
    }
}
