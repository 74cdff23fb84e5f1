//! What is new in a place and obeyed by some program later. It is reported and left alone: nothing tells who has made a
//! name in a directory that the host and the box share.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::printable;
use crate::spec::{SeenBefore, Stamp};
use crate::sys::stat;
use crate::workspace::files::path_of;
use crate::workspace::obeyed;

/// At most this many names are reported, because a program can make any number.
const MOST_NAMES: usize = 10;

/// At most this many names of one kind are noted. The rest is only counted.
const MOST_NOTED: usize = 100;

/// What happened to the names. The order is that of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    New,
    Changed,
    /// In a directory of the caller's `PATH`.
    Program,
    /// A link of the home leads to it.
    Led,
    NewDot,
    GoneDot,
}

const EVENTS: [(Event, &str, &str); 6] = [
    (Event::New, "new here, and obeyed later: ", "new"),
    (Event::Changed, "changed here, and obeyed later: ", "changed"),
    (Event::Program, "new or changed programs in your PATH: ", "programs"),
    (Event::Led, "changed here, and used by way of a link: ", "linked"),
    (Event::NewDot, "new names with a dot: ", "dot_names"),
    (Event::GoneDot, "gone names with a dot: ", "dot_names_gone"),
];

/// A name and the program that obeys it, if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    event: Event,
    path: PathBuf,
    by: Option<Cow<'static, str>>,
}

/// What is new, and obeyed later.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct News {
    /// The directory that the program started in. Paths below it are shown relative to it.
    start: PathBuf,
    names: Vec<Name>,
    /// How many more there are.
    more: usize,
}

impl News {
    /// `start` is the directory that the program started in.
    pub(super) fn seen_from(self, start: &CStr) -> News {
        News { start: path_of(start.to_bytes()).to_owned(), ..self }
    }

    /// Notes those of `names`, in the directory `dir`, that some program obeys and that were not there before.
    pub(super) fn look<'n>(&mut self, seen: &[SeenBefore], dir: &[u8], names: impl Iterator<Item = &'n CStr>) {
        let dir = path_of(dir);
        let Some(seen) = seen.iter().find(|seen| dir.starts_with(&seen.top)) else { return };
        for name in names {
            let path = dir.join(OsStr::from_bytes(name.to_bytes()));
            if !seen.obeyed.contains_key(&path)
                && let Some(row) = obeyed::row(&path)
            {
                self.note(Event::New, path, Some(row.by.into()));
            }
        }
    }

    /// Notes what else has changed: programs, and names in directories that tools fill.
    pub(super) fn look_at_the_rest(&mut self, seen: &[SeenBefore]) {
        for seen in seen {
            let stamped = seen.obeyed.iter().filter_map(|(path, was)| Some((path, (*was)?)));
            let mut changed: Vec<&Path> = stamped
                .filter(|(path, was)| stamp(path).is_some_and(|now| now != *was))
                .map(|(path, _)| &**path)
                .collect();
            changed.sort_unstable();
            for path in changed {
                self.note(Event::Changed, path.to_owned(), obeyed::row(path).map(|row| row.by.into()));
            }
        }
    }

    /// Notes which dot names of the top `top` are new or gone. `now` are those that are there.
    pub(super) fn look_at_dots(&mut self, seen: &[SeenBefore], top: &[u8], now: &[CString]) {
        let Some(seen) = seen.iter().find(|seen| seen.top == path_of(top)) else { return };
        let set = |names: &[CString]| names.iter().cloned().collect::<BTreeSet<CString>>();
        let (was, now) = (set(&seen.dots), set(now));
        let path = |name: &CStr| seen.top.join(OsStr::from_bytes(name.to_bytes()));
        for name in now.difference(&was).filter(|name| !is_usual(name)) {
            // The walk reports those that are obeyed.
            if obeyed::row(&path(name)).is_none() {
                self.note(Event::NewDot, path(name), None);
            }
        }
        for name in was.difference(&now).filter(|name| !is_usual(name) && !is_made_anew(name)) {
            self.note(Event::GoneDot, path(name), None);
        }
    }

    pub(super) fn note(&mut self, event: Event, path: PathBuf, by: Option<Cow<'static, str>>) {
        // What lies in a directory that is reported itself adds nothing.
        let is_in = |known: &Name| known.event == event && path.starts_with(&known.path);
        if self.names.iter().any(is_in) {
            return;
        }
        if self.names.iter().filter(|known| known.event == event).count() < MOST_NOTED {
            self.names.push(Name { event, path, by });
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The message, in printable characters.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut left = MOST_NAMES;
        let mut parts = Vec::new();
        for (event, words, _) in EVENTS {
            let shown: Vec<String> = self.of(event).take(left).map(|name| self.shown(name)).collect();
            left -= shown.len();
            if !shown.is_empty() {
                parts.push(format!("{words}{}", shown.join(", ")));
            }
        }
        let more = self.more + self.names.len().saturating_sub(MOST_NAMES);
        let end = if more > 0 { format!(", and {more} more") } else { String::new() };
        format!("{}{end}", parts.join("; ")).into_bytes()
    }

    /// All names that were noted: the kind of each as the key of a report in JSON, its path, and who obeys it.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static str, &Path, Option<&str>)> {
        let kinds = EVENTS.iter();
        kinds.flat_map(|(event, _, key)| self.of(*event).map(|name| (*key, &*name.path, name.by.as_deref())))
    }

    /// How many more there are.
    pub(crate) fn more(&self) -> usize {
        self.more
    }

    fn of(&self, event: Event) -> impl Iterator<Item = &Name> {
        self.names.iter().filter(move |name| name.event == event)
    }

    fn shown(&self, Name { path, by, .. }: &Name) -> String {
        let path = printable(path.strip_prefix(&self.start).unwrap_or(path));
        by.as_ref().map_or_else(|| path.clone(), |by| format!("{path} ({by})"))
    }
}

/// Which file is at `path`, which may have been replaced by a link.
pub(in crate::workspace) fn stamp(path: &Path) -> Option<Stamp> {
    let about = stat::look_at_path(path).ok()?;
    Some(Stamp { file: (about.device, about.inode), changed: about.changed })
}

pub(super) fn is_dot(name: &CStr) -> bool {
    name.to_bytes().first() == Some(&b'.')
}

/// Whether it is a cache or the like, which tools make again: that it is gone tells nothing. A name that is missing
/// here is told.
fn is_made_anew(name: &CStr) -> bool {
    const NAMES: [&CStr; 9] =
        [c".venv", c".tox", c".nox", c".eggs", c".next", c".nuxt", c".turbo", c".gradle", c".coverage"];
    name.to_bytes().ends_with(b"cache") || NAMES.contains(&name)
}

/// Whether a dot name comes and goes without meaning.
fn is_usual(name: &CStr) -> bool {
    name.to_bytes().starts_with(b".git") || name == c".editorconfig"
}
