//! What is done when nothing lives in the box any more: git repositories that the program has made or completed are put
//! in order, so that git outside executes nothing of them and writes nothing through them.
//!
//! All that could be written is walked through once more. What was held is left alone, and so is what was not changed
//! since the start in repositories that were there, by the time that no program can set (inode(7), `ctime`). The tree is
//! the program's: everything happens along descriptors, no link is followed, nothing recurs on the stack, and what cannot
//! be looked at is said.
//!
//! Nothing is lost: what git would obey gets another name beside the old one. Links only are removed, and their targets
//! said.

mod harmless;
mod pointer;
mod repository;
mod settings;
mod tree;

use std::collections::HashSet;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use super::git::path_of;
use crate::error::{printable, push_printable, quoted};
use crate::spec::{Settle, SettleTop};
use crate::sys::file::Stat;
use crate::sys::{Errno, entry, error_text, file, process};
use tree::Tree;

/// So many lines are said of one run; a program can make repositories without number.
const MOST_LINES: usize = 20;

/// So many things are said of one repository, for the same reason.
const MOST_DEEDS: usize = 6;

/// No call takes a longer path, in bytes (`PATH_MAX`, with the NUL); nothing that was there at the start has one.
const LONGEST_PATH: usize = 4095;

/// Something that was put in order, or that could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The git directory, or the directory with the pointer file.
    pub(crate) path: PathBuf,
    /// What was done, each in printable characters.
    pub(crate) deeds: Vec<String>,
    /// A command that takes it back.
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

/// Puts in order what the program has left, and tells each repository where something was done.
pub(crate) fn settle(wish: &Settle, tell: &mut dyn FnMut(&Settled)) {
    let mut told = Told::default();
    let facts = Facts {
        held: wish.held.iter().map(|path| path.to_bytes()).collect(),
        known: wish.known.iter().map(|path| path.to_bytes()).collect(),
        since: since(wish),
        tops: &wish.tops,
        user: process::real_ids().0,
    };
    let mut found = Found::default();
    for top in &wish.tops {
        match open_top(top) {
            Ok(open) => Tree::new(&facts, &mut found, &mut told).walk(open, &top.path),
            Err(errno) => told.unseen(top.path.to_bytes(), errno),
        }
    }
    for place in &found.pointers {
        pointer::settle(place, &found.git_dirs, &mut told);
    }
    // Whoever listens may make one wait.
    told.finish(tell);
}

/// What is known before the walk.
struct Facts<'a> {
    held: HashSet<&'a [u8]>,
    known: HashSet<&'a [u8]>,
    /// What was changed before is old, in nanoseconds since 1970.
    since: i64,
    tops: &'a [SettleTop],
    /// Whoever runs this.
    user: u32,
}

impl Facts<'_> {
    /// Whether `path` was held. Without a look at one that is too long for that: a tree of the program's can be deeper
    /// than looking is quick.
    fn is_held(&self, path: &[u8]) -> bool {
        path.len() <= LONGEST_PATH && self.held.contains(path)
    }

    /// The same for `name` in the directory `path`.
    fn is_held_in(&self, path: &[u8], name: &[u8]) -> bool {
        path.len() < LONGEST_PATH && self.is_held(&[path, b"/", name].concat())
    }

    fn is_known(&self, path: &[u8]) -> bool {
        path.len() <= LONGEST_PATH && self.known.contains(path)
    }

    /// Whether this was changed during the run, as far as can be told. Some file systems keep whole seconds only.
    fn is_changed(&self, about: Stat) -> bool {
        const SECOND: i64 = 1_000_000_000;
        let since = if about.changed % SECOND == 0 { self.since - self.since.rem_euclid(SECOND) } else { self.since };
        about.changed >= since
    }
}

/// What the walk has found for later.
#[derive(Default)]
struct Found {
    /// Device and inode number of each git directory that was put in order or is held.
    git_dirs: HashSet<(u64, u64)>,
    /// Directories with something called `.git` in them that is no directory.
    pointers: Vec<Vec<u8>>,
}

/// What there is to say. What could not be done comes first: a program can make as much of the rest as it likes.
#[derive(Default)]
struct Told {
    undone: Vec<Settled>,
    done: Vec<Settled>,
    more: usize,
}

impl Told {
    fn say(&mut self, settled: Settled, is_done: bool) {
        let lines = if is_done { &mut self.done } else { &mut self.undone };
        if lines.len() < MOST_LINES {
            lines.push(settled);
        } else {
            self.more += 1;
        }
    }

    fn unseen(&mut self, path: &[u8], errno: Errno) {
        let why = format!("cannot look for repositories that the program has made in it: {}", error_text(errno as i32));
        self.say(Settled { path: shortened(path), deeds: vec![why], undo: None }, false);
    }

    /// Says it all, and how much was not kept.
    fn finish(mut self, tell: &mut dyn FnMut(&Settled)) {
        if self.more > 0 {
            let deeds = vec![format!("{} more repositories or directories like these", self.more)];
            self.done.push(Settled { path: PathBuf::from("(all)"), deeds, undo: None });
        }
        self.undone.iter().chain(&self.done).for_each(tell);
    }
}

/// What was done to one repository.
#[derive(Default)]
struct Deeds {
    said: Vec<String>,
    has_failed: bool,
    more: usize,
    /// New names, and old ones.
    moved: Vec<(String, &'static str)>,
}

impl Deeds {
    fn add(&mut self, deed: impl FnOnce() -> String) {
        if self.said.len() < MOST_DEEDS {
            self.said.push(deed());
        } else {
            self.more += 1;
        }
    }

    fn set_aside(&mut self, name: &'static CStr, to: &CStr, why: &str) {
        let (name, to) = (name.to_str().unwrap_or_default(), to.to_string_lossy().into_owned());
        self.add(|| format!("{name} {why}, and is now {to}"));
        self.moved.push((to, name));
    }

    fn failed(&mut self, what: &str, errno: Errno) {
        let said = format!("{what}: {}", error_text(errno as i32));
        // Never among those that are only counted.
        match self.has_failed {
            true => self.add(|| said),
            false => self.said.insert(0, said),
        }
        self.has_failed = true;
    }

    /// `at` is the path of the repository.
    fn tell(mut self, at: &[u8], told: &mut Told) {
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

/// The start, by the clock as it is now: where somebody has set that back meanwhile, times of the run may lie before it.
fn since(wish: &Settle) -> i64 {
    let (wall, boot) = entry::clocks();
    let lasted = boot.saturating_sub(wish.since.boot);
    wish.since.wall.min(wall.saturating_sub(lasted))
}

fn open_top(top: &SettleTop) -> Result<OwnedFd, Errno> {
    let open = file::open_dir_without_links(&top.path)?;
    let about = file::fstat(open.as_fd())?;
    if (about.device, about.inode) == top.identity { Ok(open) } else { Err(Errno::ESTALE) }
}

/// A path for a message: of one that no command takes, the ends.
fn shortened(path: &[u8]) -> PathBuf {
    const END: usize = 200;
    if path.len() <= LONGEST_PATH {
        return path_of(path).to_owned();
    }
    path_of(&[&path[..END], b"[...]", &path[path.len() - END..]].concat()).to_owned()
}

/// A text of the program's in a message.
fn shown(text: &CStr) -> String {
    printable(path_of(text.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_done_is_said_first_however_much_was_done() {
        let mut told = Told::default();
        for number in 0..MOST_LINES + 3 {
            let mut deeds = Deeds::default();
            (0..MOST_DEEDS + 1).for_each(|_| deeds.add(|| "is removed".into()));
            deeds.tell(format!("/w/{number}").as_bytes(), &mut told);
        }
        let mut deeds = Deeds::default();
        (0..MOST_DEEDS + 1).for_each(|_| deeds.add(|| "is removed".into()));
        deeds.failed("hooks cannot be renamed", Errno::EIO);
        deeds.tell(b"/w/last", &mut told);
        told.unseen(b"/w/closed", Errno::EACCES);
        let mut said = Vec::new();
        told.finish(&mut |settled| said.push(String::from_utf8(settled.line()).unwrap()));
        assert!(said[0].starts_with("/w/last: hooks cannot be renamed: "), "{said:?}");
        assert!(said[1].starts_with("/w/closed: cannot look for "), "{said:?}");
        assert!(said.len() == MOST_LINES + 3 && said.last().unwrap().contains("3 more "), "{said:?}");
    }
}
