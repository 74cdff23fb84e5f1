//! Finds what the patterns match. One walk serves all patterns. It goes along descriptors, so that nobody can lead it
//! astray by moving directories.
//!
//! A directory is listed only if a wildcard needs that; otherwise only known names are looked up. The walk enters
//! denied directories too, because a link in one may match and lead elsewhere. So directories are covered last. The
//! walk does not enter the kernel's own filesystems, but it enters what is mounted in them.
//!
//! It does not follow symbolic links, with two exceptions. If the name of a link matches, what the link leads to is
//! covered. And if a single part of a pattern (not `**`) matches a link, the next parts are looked for in the directory
//! to which the link leads.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::denied::Denied;
use super::inside::Found;
use super::live::{Live, Matcher, State};
use super::matches::{Match, Matches, of_match};
use crate::plan::pattern::Pattern;
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::spec::path::join;
use crate::sys::dir::Entries;
use crate::sys::open::{self, For, Open};
use crate::sys::stat::{self, Kind, PlaceId, Stat};
use crate::sys::{Errno, Result, statfs};

/// The walk gives up at this depth. It keeps each directory on the way open, and most processes may have 1024 open
/// files (`getrlimit(2)`).
const DEEPEST: usize = 1000;

/// Finds everything that `patterns` match. Covers all of it except directories, which it returns. A pattern that
/// matches nothing is a failure, unless it is optional.
pub(super) fn scan<'p>(denied: &mut Denied<'_, '_>, patterns: &'p [Pattern]) -> Outcome<Matches<'p>> {
    let matches = Matches::none(patterns);
    if patterns.is_empty() {
        return Ok(matches);
    }
    let mut scan = Scan {
        denied,
        matcher: Matcher::of(patterns),
        on: On { mount: 0, ends_early: false, is_kernels: false },
        closed: None,
        matched: vec![false; patterns.len()],
        matches,
        followed: HashSet::new(),
        entries: Vec::new(),
        depth: 0,
    };
    let live = scan.matcher.start();
    let top = scan.denied.inside.root.open(c"/", Open::Dir).stage(Stage::Root)?;
    scan.enter(top, c"", &live, false)?;
    for (number, pattern) in patterns.iter().enumerate() {
        let is_optional = scan.denied.inside.is_optional(pattern.op);
        if !scan.matched[number] && !is_optional && !scan.matches.is_dropped(number) {
            let failure = Failure { act: Act::NoMatch, ..Failure::nth(Stage::Op, pattern.op, 0) };
            scan.denied.inside.fail(failure)?;
        }
    }
    Ok(scan.matches)
}

struct Scan<'w, 'p, 'd, 'r> {
    denied: &'w mut Denied<'d, 'r>,
    matcher: Matcher<'p>,
    on: On,
    /// Within a denied directory: the mount on which that lies. What lies on the same mount is denied with it, by all
    /// of its names.
    closed: Option<u64>,
    /// Which patterns have matched something, or might have in what is denied already.
    matched: Vec<bool>,
    matches: Matches<'p>,
    /// Where links led, and what was looked for there. Nothing is looked for twice.
    followed: HashSet<(PlaceId, Vec<State>)>,
    /// Buffers that are not in use.
    entries: Vec<Entries>,
    depth: usize,
}

/// The mount that the walk is on.
#[derive(Clone, Copy)]
struct On {
    mount: u64,
    /// The last entries of a directory are marked as such.
    ends_early: bool,
    /// It shows the kernel's own state, or it is a new `/dev`.
    is_kernels: bool,
}

/// What to look at below a directory, once it has been read.
type Below = Vec<Next>;

struct Next {
    name: CString,
    live: Rc<Live>,
    /// A pattern matches it.
    is_denied: bool,
}

impl Scan<'_, '_, '_, '_> {
    /// Reports a failure at `path`. The patterns that are looked for there are not enforced, or the run ends.
    fn fail(&mut self, errno: Errno, act: Act, path: &CStr, states: &[State]) -> Outcome<()> {
        let failure = Failure { act, detail: Some(path.to_owned()), ..Failure::nth(Stage::Op, 0, errno as i32) };
        self.matches.drop_with(&failure, states, &self.denied.inside)
    }

    fn mark(&mut self, states: &[State]) {
        for state in states {
            self.matched[state.pattern] = true;
        }
    }

    /// Looks for `live` below a directory, which may lie on any mount.
    fn enter(&mut self, found: OwnedFd, path: &CStr, live: &Rc<Live>, is_denied: bool) -> Outcome<()> {
        let above = (self.on, self.closed);
        let outcome = match self.on_mount(found.as_fd()) {
            Ok(on) => {
                self.on = on;
                self.closed = if is_denied { Some(on.mount) } else { self.closed };
                self.enter_mount(found, path, live)
            }
            Err(errno) => self.fail(errno, Act::Look, path, &live.states),
        };
        (self.on, self.closed) = above;
        outcome
    }

    fn on_mount(&self, found: BorrowedFd<'_>) -> Result<On> {
        Ok(On {
            mount: stat::place_at(found, c"")?.mount,
            // If this is unknown, read until nothing is returned.
            ends_early: statfs::marks_last(found).unwrap_or(false),
            is_kernels: self.denied.inside.is_kernels(found)?,
        })
    }

    fn enter_mount(&mut self, found: OwnedFd, path: &CStr, live: &Rc<Live>) -> Outcome<()> {
        if live.purpose == For::Names || self.on.is_kernels {
            return self.directory(found, path, live);
        }
        match open::any_mount(found.as_fd(), c".", For::Listing) {
            Ok(dir) => self.directory(dir, path, live),
            Err(errno) => self.unopened(errno, found.as_fd(), path, &live.states),
        }
    }

    /// Handles a directory that cannot be opened. If nobody inside can open it either, there is nothing to do.
    fn unopened(&mut self, errno: Errno, dir: BorrowedFd<'_>, path: &CStr, states: &[State]) -> Outcome<()> {
        let is_closed = stat::fstat(dir).and_then(|about| self.denied.inside.is_closed(dir, about));
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
            _ if self.on.is_kernels => self.mounted(dir.as_fd(), path, live)?,
            For::Names => self.names(dir.as_fd(), path, live)?,
            For::Listing => self.list(dir.as_fd(), path, live)?,
        };
        self.depth += 1;
        for next in below {
            self.descend(dir.as_fd(), path, &next)?;
        }
        self.depth -= 1;
        Ok(())
    }

    fn names(&mut self, dir: BorrowedFd<'_>, path: &CStr, live: &Rc<Live>) -> Outcome<Below> {
        let mut below = Below::new();
        for name in self.matcher.known_names(live) {
            self.entry(dir, name, None, path, live, &mut below)?;
        }
        Ok(below)
    }

    /// In a directory of the kernel's, looks only at names that lead to mounts: one may be a file of the host.
    fn mounted(&mut self, dir: BorrowedFd<'_>, path: &CStr, live: &Rc<Live>) -> Outcome<Below> {
        let mut below = Below::new();
        match self.denied.inside.path_of(dir) {
            Ok(way) => {
                for name in self.denied.twins.leading_to_mounts(&way) {
                    self.entry(dir, &name, None, path, live, &mut below)?;
                }
            }
            Err(errno) => self.fail(errno, Act::Look, path, &live.states)?,
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
            if self.on.ends_early && entries.is_last() {
                break;
            }
        }
        self.entries.push(entries);
        Ok(below)
    }

    /// Examines one name: denies it, and notes what to look for below it.
    fn entry(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        kind: Option<Kind>,
        path: &CStr,
        live: &Rc<Live>,
        below: &mut Below,
    ) -> Outcome<()> {
        if self.matcher.is_sought(name, live) {
            let hits = self.matcher.hits(name, live);
            if !hits.is_empty() {
                return self.hit(dir, name, path, &hits, live, below);
            }
        } else if kind.is_some_and(|kind| kind != Kind::Dir) {
            return Ok(());
        }
        let kind = match kind {
            Some(kind) => kind,
            None => match stat::kind_at(dir, name) {
                Ok(kind) => kind.unwrap_or(Kind::File),
                Err(Errno::ENOENT) => return Ok(()),
                Err(Errno::EACCES) => return self.unopened(Errno::EACCES, dir, path, &live.states),
                Err(errno) => return self.fail(errno, Act::Look, &join(path, name), &live.states),
            },
        };
        match kind {
            Kind::Dir => {
                self.look_below(name, live, false, below);
                Ok(())
            }
            // `**` does not follow links.
            Kind::Link => self.follow(&join(path, name), &self.matcher.behind(name, live)),
            Kind::File | Kind::Fifo | Kind::Socket | Kind::CharDevice | Kind::BlockDevice => Ok(()),
        }
    }

    fn look_below(&self, name: &CStr, live: &Rc<Live>, is_denied: bool, below: &mut Below) {
        let next = self.matcher.below(name, live);
        if !next.states.is_empty() {
            below.push(Next { name: name.to_owned(), live: next, is_denied });
        }
    }

    /// Denies `name`, or what it leads to if it is a link.
    fn hit(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        path: &CStr,
        hits: &[State],
        live: &Rc<Live>,
        below: &mut Below,
    ) -> Outcome<()> {
        let full = join(path, name);
        let opened = open::path_at(dir, name).and_then(|found| Ok((stat::fstat(found.as_fd())?, found)));
        let (about, found) = match opened {
            Ok(found) => found,
            // It has gone meanwhile.
            Err(Errno::ENOENT) => return Ok(()),
            Err(Errno::EACCES) => return self.unopened(Errno::EACCES, dir, path, hits),
            Err(errno) => return self.fail(errno, Act::Match, &full, hits),
        };
        if about.is_link() {
            return self.hit_link(&full, hits, self.matcher.behind(name, live));
        }
        let is_hosts = match self.is_hosts(found.as_fd(), about) {
            Ok(is_hosts) => is_hosts,
            Err(errno) => return self.fail(errno, Act::Match, &full, hits),
        };
        if about.is_dir() {
            self.look_below(name, live, is_hosts, below);
        }
        if !is_hosts {
            return Ok(());
        }
        let inside = if about.is_dir() { self.matcher.below(name, live).states.clone() } else { Vec::new() };
        self.deny(full, found, about, Hit { hits, held: &[hits, &inside].concat(), is_link: false })
    }

    /// Denies what a link leads to, and looks there for the parts that follow the link's name in the patterns.
    fn hit_link(&mut self, path: &CStr, hits: &[State], behind: Vec<State>) -> Outcome<()> {
        let looked = self.denied.inside.look(path);
        match looked.and_then(|found| match found {
            Found::Object(target) => Ok(Some((stat::fstat(target.as_fd())?, target))),
            Found::Closed => {
                self.mark(hits);
                Ok(None)
            }
            // Nobody can open anything by this name.
            Found::Missing(_) => Ok(None),
        }) {
            Ok(Some((about, target))) => {
                let held = [hits, &behind].concat();
                self.deny(path.to_owned(), target, about, Hit { hits, held: &held, is_link: true })?;
                if about.is_dir() { self.follow(path, &behind) } else { Ok(()) }
            }
            Ok(None) => Ok(()),
            Err(errno) => self.fail(errno, Act::Match, path, hits),
        }
    }

    /// Whether patterns apply to what was found. In a directory of the kernel's they apply only to files and
    /// directories of the host that are mounted there, and to directories that lead to those.
    fn is_hosts(&self, found: BorrowedFd<'_>, about: Stat) -> Result<bool> {
        let is_device = || matches!(about.kind(), Some(Kind::CharDevice | Kind::BlockDevice));
        Ok(!self.on.is_kernels || !is_device() && !statfs::is_kernels(found)?)
    }

    /// Denies what was found at `path`.
    fn deny(&mut self, path: CString, found: OwnedFd, about: Stat, hit: Hit<'_>) -> Outcome<()> {
        self.mark(hit.held);
        match self.deny_found(&path, found, about, &hit) {
            Ok(()) => Ok(()),
            Err(failure) => self.matches.drop_with(&of_match(failure, path), hit.held, &self.denied.inside),
        }
    }

    fn deny_found(&mut self, path: &CStr, found: OwnedFd, about: Stat, hit: &Hit<'_>) -> Outcome<()> {
        let op = hit.hits.first().map_or(0, |state| self.matcher.patterns[state.pattern].op);
        let place = stat::place_at(found.as_fd(), c"").op(op, Act::Whole)?;
        let is_within = self.closed.is_some() && !hit.is_link;
        if is_within && self.closed == Some(place.mount) {
            return Ok(());
        }
        let way = self.hold_way(path, found.as_fd(), hit)?;
        let is_known = about.is_dir() && self.denied.is_denied(&way);
        if !is_known {
            self.denied.note(found.as_fd(), &way, op)?;
        }
        match about.is_dir() {
            // The cover of the directory above hides it.
            _ if is_within => Ok(()),
            true if is_known => {
                self.matches.rely_on(&way, hit.held);
                Ok(())
            }
            true => {
                self.matches.add(way, found, Match::new(place, path, hit.held));
                Ok(())
            }
            false => self.denied.inside.cover(found.as_fd(), 0),
        }
    }

    /// Notes the way to a match, to be held in its place as far as its names matter; all of it, if there are links on
    /// it. Returns the path without links.
    fn hold_way(&mut self, path: &CStr, found: BorrowedFd<'_>, hit: &Hit<'_>) -> Outcome<CString> {
        for state in hit.hits {
            self.denied.pinned.lead_to_match(path, &self.matcher.patterns[state.pattern]);
        }
        match hit.hits.first().map(|state| self.matcher.patterns[state.pattern].op) {
            Some(op) if hit.is_link || !self.followed.is_empty() => {
                self.denied.hold_way(path, found, op).op(op, Act::Whole)
            }
            _ => Ok(path.to_owned()),
        }
    }

    fn descend(&mut self, dir: BorrowedFd<'_>, path: &CStr, next: &Next) -> Outcome<()> {
        let Next { name, live, is_denied } = next;
        let full = join(path, name);
        let is_known = self.denied.is_denied(&full);
        if is_known && !is_denied {
            self.matches.rely_on(&full, &live.states);
        }
        let is_denied = *is_denied || is_known;
        if is_denied {
            self.mark(&live.states);
        }
        let purpose = if self.on.is_kernels { For::Names } else { live.purpose };
        match open::same_mount(dir, name, purpose) {
            Ok(found) => {
                let closed = if is_denied { Some(self.on.mount) } else { self.closed };
                let above = std::mem::replace(&mut self.closed, closed);
                let outcome = self.directory(found, &full, live);
                self.closed = above;
                outcome
            }
            Err(Errno::ENOENT) => Ok(()),
            // Another mount, or a directory that cannot be listed. `enter` finds out which.
            Err(Errno::EXDEV | Errno::EACCES) => match open::any_mount(dir, name, For::Names) {
                Ok(found) => self.enter(found, &full, live, is_denied),
                Err(Errno::EACCES) => self.unopened(Errno::EACCES, dir, path, &live.states),
                Err(errno) => self.fail(errno, Act::Look, &full, &live.states),
            },
            Err(errno) => self.fail(errno, Act::Look, &full, &live.states),
        }
    }

    /// Continues where a link leads, with the parts that follow its name in the patterns.
    fn follow(&mut self, path: &CStr, behind: &[State]) -> Outcome<()> {
        if behind.is_empty() {
            return Ok(());
        }
        let live = self.matcher.live(behind);
        let target = match self.denied.inside.look(path) {
            Ok(Found::Object(target)) => target,
            Ok(Found::Closed) => {
                self.mark(&live.states);
                return Ok(());
            }
            Ok(Found::Missing(_)) => return Ok(()),
            Err(errno) => return self.fail(errno, Act::Look, path, &live.states),
        };
        let fd = target.as_fd();
        let place: Result<_> = stat::fstat(fd).and_then(|about| Ok((about, stat::place_at(fd, c"")?)));
        match place {
            Ok((about, place)) if about.is_dir() && self.followed.insert((place, live.states.clone())) => {
                let above = self.closed.take();
                let way = self.denied.inside.path_of(target.as_fd()).unwrap_or_default();
                let is_denied = self.denied.is_denied(&way);
                if is_denied || self.denied.is_below_denied(&way) {
                    self.mark(&live.states);
                }
                let outcome = self.enter(target, path, &live, is_denied);
                self.closed = above;
                outcome
            }
            Ok(_) => Ok(()),
            Err(errno) => self.fail(errno, Act::Look, path, &live.states),
        }
    }
}

/// A name that patterns match.
struct Hit<'a> {
    hits: &'a [State],
    /// Patterns that are not enforced if it cannot be denied, those looked for below it included.
    held: &'a [State],
    is_link: bool,
}
