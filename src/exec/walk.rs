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
use std::rc::Rc;

use super::deny::{Deny, Found};
use crate::plan::names::{Names, Set};
use crate::plan::pattern::{Part, Pattern};
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::spec::path::join;
use crate::sys::dir::{self, Entries, For};
use crate::sys::file::{self, Kind, Open};
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

/// What is looked for in a directory. Most directories of a tree share one.
struct Live {
    states: Vec<State>,
    /// Those that a name fulfils.
    last: Vec<State>,
    /// Those of a name with more behind it.
    names: Vec<State>,
    /// Those of a `**` with more behind it.
    any: Vec<State>,
    /// The parts that a name can fulfil.
    sought: Set,
    /// In directories of which no name is known the same is looked for.
    is_steady: bool,
    purpose: For,
}

/// Covers everything that `patterns` match. One that matches nothing is a failure.
pub(super) fn walk(deny: &mut Deny<'_, '_>, patterns: &[Pattern]) -> Outcome<()> {
    if patterns.is_empty() {
        return Ok(());
    }
    let mut walk = Walk {
        deny,
        patterns,
        names: Names::of(patterns),
        ends_early: false,
        matched: vec![false; patterns.len()],
        dropped: vec![false; patterns.len()],
        followed: HashSet::new(),
        entries: Vec::new(),
        depth: 0,
    };
    let states: Vec<State> = (0..patterns.len()).map(|pattern| State { pattern, part: 0 }).collect();
    let live = walk.live(&states);
    let top = walk.deny.root.open(c"/", Open::Dir).stage(Stage::Root)?;
    walk.enter(top, c"", &live)?;
    for (number, pattern) in patterns.iter().enumerate() {
        if !walk.matched[number] && !walk.dropped[number] {
            walk.deny.fail(Failure { act: Act::NoMatch, ..Failure::nth(Stage::Op, pattern.op, 0) })?;
        }
    }
    Ok(())
}

struct Walk<'w, 'd, 'r> {
    deny: &'w mut Deny<'d, 'r>,
    patterns: &'w [Pattern],
    names: Names<'w>,
    /// The mount that is walked through tells the end of a directory with its last entries.
    ends_early: bool,
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
type Below = Vec<(CString, Rc<Live>)>;

impl Walk<'_, '_, '_> {
    fn part(&self, state: State) -> &Part {
        &self.patterns[state.pattern].parts[state.part]
    }

    fn is_last(&self, state: State) -> bool {
        state.part + 1 == self.patterns[state.pattern].parts.len()
    }

    /// These states, and what they amount to where `**` stands for nothing.
    fn closure(&self, states: &[State]) -> Vec<State> {
        let mut all: Vec<State> = Vec::with_capacity(states.len());
        for &state in states {
            let is_any = *self.part(state) == Part::AnyDirs && !self.is_last(state);
            let behind = is_any.then_some(State { part: state.part + 1, ..state });
            for state in [Some(state), behind].into_iter().flatten() {
                if !all.contains(&state) {
                    all.push(state);
                }
            }
        }
        all
    }

    fn live(&self, states: &[State]) -> Rc<Live> {
        let states = self.closure(states);
        let (last, others): (Vec<State>, Vec<State>) = states.iter().partition(|state| self.is_last(**state));
        let (any, names): (Vec<State>, Vec<State>) =
            others.into_iter().partition(|state| *self.part(*state) == Part::AnyDirs);
        let is_known = |state: &State| matches!(self.part(*state), Part::Exactly(_));
        let purpose = if states.iter().all(is_known) { For::Names } else { For::Listing };
        let sought = self.names.set(last.iter().chain(&names).map(|state| (state.pattern, state.part)));
        Rc::new(Live { is_steady: self.closure(&any) == states, states, last, names, any, sought, purpose })
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
    fn enter(&mut self, found: OwnedFd, path: &CStr, live: &Rc<Live>) -> Outcome<()> {
        // Where it cannot be told, the directory is asked until it says so.
        let here = dir::marks_last(found.as_fd()).unwrap_or(false);
        let above = std::mem::replace(&mut self.ends_early, here);
        let outcome = self.enter_mount(found, path, live);
        self.ends_early = above;
        outcome
    }

    fn enter_mount(&mut self, found: OwnedFd, path: &CStr, live: &Rc<Live>) -> Outcome<()> {
        let dir = match self.border(found.as_fd()) {
            Ok(Border::Covered) => {
                self.mark(&live.states);
                return Ok(());
            }
            Ok(Border::Kernels) => return Ok(()),
            Ok(Border::None) if live.purpose == For::Names => return self.directory(found, path, live),
            Ok(Border::None) => dir::open_any_mount(found.as_fd(), c".", For::Listing),
            Err(errno) => Err(errno),
        };
        match dir {
            Ok(dir) => self.directory(dir, path, live),
            Err(errno) => self.unopened(errno, found.as_fd(), path, &live.states),
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

    /// A directory that cannot be opened for its purpose. Where nobody inside can either, nothing is to be done.
    fn unopened(&mut self, errno: Errno, dir: BorrowedFd<'_>, path: &CStr, states: &[State]) -> Outcome<()> {
        let is_closed = file::fstat(dir).and_then(|about| self.deny.is_closed(dir, about));
        match (errno, is_closed) {
            (Errno::EACCES, Ok(true)) => Ok(()),
            _ => self.fail(errno, Act::Look, path, states),
        }
    }

    /// Looks for `live` in a directory and below it.
    fn directory(&mut self, dir: OwnedFd, path: &CStr, live: &Rc<Live>) -> Outcome<()> {
        if self.depth == DEEPEST {
            return self.fail(Errno::ENAMETOOLONG, Act::Look, path, &live.states);
        }
        let below = match live.purpose {
            For::Names => self.names(dir.as_fd(), path, live)?,
            For::Listing => self.list(dir.as_fd(), path, live)?,
        };
        self.depth += 1;
        for (name, next) in below {
            self.descend(dir.as_fd(), &name, path, &next)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn names(&mut self, dir: BorrowedFd<'_>, path: &CStr, live: &Rc<Live>) -> Outcome<Below> {
        let mut below = Below::new();
        let mut done: Vec<&CString> = Vec::new();
        let patterns = self.patterns;
        for state in &live.states {
            if let Part::Exactly(name) = &patterns[state.pattern].parts[state.part]
                && !done.contains(&name)
            {
                done.push(name);
                self.entry(dir, name, None, path, live, &mut below)?;
            }
        }
        Ok(below)
    }

    fn list(&mut self, dir: BorrowedFd<'_>, path: &CStr, live: &Rc<Live>) -> Outcome<Below> {
        let mut below = Below::new();
        let mut entries = self.entries.pop().unwrap_or_else(Entries::new);
        loop {
            match entries.read(dir) {
                Ok(true) => {}
                // It has been removed meanwhile.
                Ok(false) | Err(Errno::ENOENT) => break,
                Err(errno) => {
                    self.fail(errno, Act::Look, path, &live.states)?;
                    break;
                }
            }
            for (name, kind) in entries.iter() {
                self.entry(dir, name, kind, path, live, &mut below)?;
            }
            if self.ends_early && entries.is_last() {
                break;
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
        live: &Rc<Live>,
        below: &mut Below,
    ) -> Outcome<()> {
        if self.names.is_in(name.to_bytes(), &live.sought) {
            let matches = |state: &&State| self.part(**state).matches(name.to_bytes());
            let hits: Vec<State> = live.last.iter().filter(matches).copied().collect();
            if !hits.is_empty() {
                return self.hit(dir, name, path, &hits, live);
            }
        } else if kind.is_some_and(|kind| kind != Kind::Dir) {
            return Ok(());
        }
        let kind = match kind {
            Some(kind) => kind,
            None => match dir::kind_at(dir, name) {
                Ok(kind) => kind.unwrap_or(Kind::File),
                Err(Errno::ENOENT) => return Ok(()),
                Err(Errno::EACCES) => return self.unopened(Errno::EACCES, dir, path, &live.states),
                Err(errno) => return self.fail(errno, Act::Look, &join(path, name), &live.states),
            },
        };
        match kind {
            Kind::Dir => {
                let next = self.below(name, live);
                if !next.states.is_empty() {
                    below.push((name.to_owned(), next));
                }
                Ok(())
            }
            // `**` enters no links.
            Kind::Link => match self.behind(name, live) {
                next if next.is_empty() => Ok(()),
                next => self.follow(&join(path, name), &self.live(&next)),
            },
            Kind::File | Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice => Ok(()),
        }
    }

    /// What is to be looked for below a directory.
    fn below(&self, name: &CStr, live: &Rc<Live>) -> Rc<Live> {
        let behind = self.behind(name, live);
        if behind.is_empty() && live.is_steady {
            return live.clone();
        }
        self.live(&[live.any.as_slice(), &behind].concat())
    }

    /// What follows a name in the patterns.
    fn behind(&self, name: &CStr, live: &Live) -> Vec<State> {
        let fits = live.names.iter().filter(|state| self.part(**state).matches(name.to_bytes()));
        fits.map(|state| State { part: state.part + 1, ..*state }).collect()
    }

    /// Covers `name`, or what it leads to. What else would have been looked for below it is covered with it.
    fn hit(&mut self, dir: BorrowedFd<'_>, name: &CStr, path: &CStr, hits: &[State], live: &Rc<Live>) -> Outcome<()> {
        let full = join(path, name);
        let mut held = hits.to_vec();
        let mut has_link = !self.followed.is_empty();
        let found = match dir::open_path_at(dir, name).and_then(|fd| Ok((file::fstat(fd.as_fd())?, fd))) {
            // It has gone meanwhile.
            Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EACCES) => return self.unopened(Errno::EACCES, dir, path, hits),
            Err(errno) => return self.fail(errno, Act::Match, &full, hits),
            Ok((about, _)) if about.kind() == Some(Kind::Link) => match self.deny.look(&full) {
                Ok(Found::Object(target)) => {
                    held.extend(self.behind(name, live));
                    has_link = true;
                    target
                }
                Ok(Found::Closed) => {
                    self.mark(hits);
                    return Ok(());
                }
                // There is nothing that could be opened by this name.
                Ok(Found::Missing(_)) => return Ok(()),
                Err(errno) => return self.fail(errno, Act::Match, &full, hits),
            },
            Ok((about, object)) => {
                if about.is_dir() {
                    held.extend(&self.below(name, live).states);
                }
                object
            }
        };
        self.mark(&held);
        let op = hits.first().map_or(0, |state| self.patterns[state.pattern].op);
        let way = match self.hold_way(&full, found.as_fd(), hits, has_link) {
            Ok(way) => self.deny.note(found.as_fd(), way.as_deref().unwrap_or(&full), op).map(drop),
            Err(failure) => Err(failure),
        };
        match way.and_then(|()| self.deny.cover(found.as_fd(), 0)) {
            Ok(()) => Ok(()),
            Err(failure) => {
                let act = if failure.act == Act::Whole { Act::Match } else { failure.act };
                self.drop_with(&Failure { act, detail: Some(full), ..failure }, &held)
            }
        }
    }

    /// Has the way to what was found held, as far as its names count; all of it, where there are links on it, and returns
    /// it without them.
    fn hold_way(
        &mut self,
        path: &CStr,
        found: BorrowedFd<'_>,
        hits: &[State],
        has_link: bool,
    ) -> Outcome<Option<CString>> {
        for state in hits {
            self.deny.pinned.lead_to_match(path, &self.patterns[state.pattern]);
        }
        match hits.first().map(|state| self.patterns[state.pattern].op) {
            Some(op) if has_link => self.deny.hold_way(path, found, op).map(Some).op(op, Act::Whole),
            _ => Ok(None),
        }
    }

    fn descend(&mut self, dir: BorrowedFd<'_>, name: &CStr, path: &CStr, live: &Rc<Live>) -> Outcome<()> {
        let full = join(path, name);
        match dir::open_same_mount(dir, name, live.purpose) {
            Ok(found) => self.directory(found, &full, live),
            Err(Errno::ENOENT) => Ok(()),
            // Another mount, or a directory that cannot be listed: what it is, is asked of itself.
            Err(Errno::EXDEV | Errno::EACCES) => match dir::open_any_mount(dir, name, For::Names) {
                Ok(found) => self.enter(found, &full, live),
                Err(Errno::EACCES) => self.unopened(Errno::EACCES, dir, path, &live.states),
                Err(errno) => self.fail(errno, Act::Look, &full, &live.states),
            },
            Err(errno) => self.fail(errno, Act::Look, &full, &live.states),
        }
    }

    /// Goes on where a link leads to, with what follows its name in the patterns.
    fn follow(&mut self, path: &CStr, live: &Rc<Live>) -> Outcome<()> {
        let target = match self.deny.look(path) {
            Ok(Found::Object(target)) => target,
            Ok(Found::Closed) => {
                self.mark(&live.states);
                return Ok(());
            }
            Ok(Found::Missing(_)) => return Ok(()),
            Err(errno) => return self.fail(errno, Act::Look, path, &live.states),
        };
        let place: Result<_> =
            file::fstat(target.as_fd()).and_then(|about| Ok((about, file::place_at(target.as_fd(), c"")?)));
        match place {
            Ok((about, place)) if about.is_dir() && self.followed.insert((place, live.states.clone())) => {
                self.enter(target, path, live)
            }
            Ok(_) => Ok(()),
            Err(errno) => self.fail(errno, Act::Look, path, &live.states),
        }
    }
}
