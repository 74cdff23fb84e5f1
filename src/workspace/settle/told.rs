//! The messages about what was put in order.

use std::ffi::CStr;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{printable, push_printable, quoted};
use crate::sys::{Errno, error_text};
use crate::workspace::files::path_of;

/// At most this many lines are reported for a run, because a program can make any number of repositories.
pub(super) const MOST_LINES: usize = 20;

/// At most this many changes are reported for one repository, for the same reason.
pub(super) const MOST_DEEDS: usize = 6;

/// In bytes. No system call takes a longer path (`PATH_MAX` counts the NUL), so nothing that was noted at the start has
/// one.
pub(super) const LONGEST_PATH: usize = 4095;

/// Something that was put in order, or that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The git directory, or the directory with the pointer file.
    pub(crate) path: PathBuf,
    /// What was done, in printable characters.
    pub(crate) deeds: Vec<String>,
    /// A command that undoes it.
    pub(crate) undo: Option<String>,
}

impl Settled {
    /// `PATH: DEEDS`, in printable characters.
    pub(crate) fn line(&self) -> Vec<u8> {
        let mut line = Vec::new();
        push_printable(&mut line, &self.path);
        line.extend_from_slice(b": ");
        line.extend_from_slice(self.deeds.join(", ").as_bytes());
        if let Some(undo) = &self.undo {
            line.extend_from_slice(b"; if you trust it: ");
            line.extend_from_slice(undo.as_bytes());
        }
        line
    }
}

/// The findings. Failures come first, because a program can make any number of the others.
#[derive(Default)]
pub(super) struct Told {
    pub(super) undone: Vec<Settled>,
    pub(super) done: Vec<Settled>,
    pub(super) more: usize,
    /// Whether time ran out.
    pub(super) is_cut_short: bool,
}

impl Told {
    pub(super) fn say(&mut self, settled: Settled, is_done: bool) {
        let lines = if is_done { &mut self.done } else { &mut self.undone };
        if lines.len() < MOST_LINES {
            lines.push(settled);
        } else {
            self.more += 1;
        }
    }

    pub(super) fn unseen(&mut self, path: &[u8], errno: Errno) {
        let why = format!("cannot look for repositories that the program has made in it: {}", error_text(errno as i32));
        self.say(Settled { path: shortened(path), deeds: vec![why], undo: None }, false);
    }

    /// Reports once that time ran out. `path` is where the look ended.
    pub(super) fn cut_short(&mut self, path: &[u8], time: Duration) {
        if std::mem::replace(&mut self.is_cut_short, true) {
            return;
        }
        let seconds = time.as_secs();
        let why = format!(
            "the look for repositories that the program has made ended here after {seconds} seconds: there are too \
             many directories, and git may execute what the others hold"
        );
        self.undone.insert(0, Settled { path: shortened(path), deeds: vec![why], undo: None });
    }

    /// Returns all findings, and the number of those that were dropped.
    pub(super) fn finish(mut self) -> Vec<Settled> {
        if self.more > 0 {
            let deeds = vec![format!("{} more repositories or directories like these", self.more)];
            self.done.push(Settled { path: PathBuf::from("(all)"), deeds, undo: None });
        }
        self.undone.append(&mut self.done);
        self.undone
    }
}

/// What was done to one repository.
#[derive(Default)]
pub(super) struct Deeds {
    pub(super) said: Vec<String>,
    pub(super) has_failed: bool,
    pub(super) more: usize,
    /// New names, each with the old one.
    pub(super) moved: Vec<(String, String)>,
}

impl Deeds {
    pub(super) fn add(&mut self, deed: impl FnOnce() -> String) {
        if self.said.len() < MOST_DEEDS {
            self.said.push(deed());
        } else {
            self.more += 1;
        }
    }

    pub(super) fn set_aside(&mut self, name: &CStr, to: &CStr, why: &str) {
        self.add(|| format!("{} {why}, and is now {}", shown(name), shown(to)));
        let word = |name: &CStr| quoted(path_of(name.to_bytes()));
        self.moved.push((word(to), word(name)));
    }

    pub(super) fn failed(&mut self, what: &str, errno: Errno) {
        let said = format!("{what}: {}", error_text(errno as i32));
        // The first failure must not be among those that are only counted.
        match self.has_failed {
            true => self.add(|| said),
            false => self.said.insert(0, said),
        }
        self.has_failed = true;
    }

    /// `at` is the path of the repository.
    pub(super) fn tell(mut self, at: &[u8], told: &mut Told) {
        if self.said.is_empty() {
            return;
        }
        if self.more > 0 {
            self.said.push(format!("and {} more like this", self.more));
        }
        let path = shortened(at);
        let moves = self.moved.iter().map(|(to, name)| format!(" && mv -T {to} {name}"));
        let can_undo = !self.moved.is_empty() && at.len() <= LONGEST_PATH;
        let undo = can_undo.then(|| format!("cd {}{}", quoted(&path), moves.collect::<String>()));
        told.say(Settled { path, deeds: self.said, undo }, !self.has_failed);
    }
}

/// Returns a path for a message. If it is too long for any command, only its start and end.
pub(super) fn shortened(path: &[u8]) -> PathBuf {
    const END: usize = 200;
    if path.len() <= LONGEST_PATH {
        return path_of(path).to_owned();
    }
    path_of(&[&path[..END], b"[...]", &path[path.len() - END..]].concat()).to_owned()
}

/// Makes a text that the program chose printable.
pub(super) fn shown(text: &CStr) -> String {
    printable(path_of(text.to_bytes()))
}

/// The start of a name that the program chose, in printable characters. The name may be as long as a file.
pub(super) fn start_of(name: &[u8]) -> String {
    const MOST: usize = 200;
    printable(path_of(&name[..name.len().min(MOST)]))
}
