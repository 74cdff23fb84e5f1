//! Puts git repositories in order that the program has made or completed, once no process lives in the box any more.
//! git outside must execute nothing from them and write nothing through them.
//!
//! This walks once more through everything that the program could write. It leaves alone only what was held, and links
//! that were recorded before the program started. It ignores all times in the file system: a program can prepare files
//! in an earlier run and move the directory around them into place, which changes no time of the files. The program
//! made the tree, so this works along descriptors, follows no link, does not recurse, and reports what it cannot look
//! at.
//!
//! Nothing is lost: what git would obey is renamed within its directory. Only links are removed, and their targets are
//! reported.
//!
//! The look ends however much the program has made, because what is read and the time are bounded ([`judge`]). Signals
//! wait until then, a few seconds at most. Messages come after all work, because their reader may make this process
//! wait for ever.

mod harmless;
mod index;
mod judge;
mod names;
mod pointer;
mod repository;
mod rerere;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::git::path_of;
use super::{id_of, links};
use crate::error::{printable, push_printable, quoted};
use crate::spec::{FileId, Settle, SettleCommands, SettleLink, SettleName, SettleTop};
use crate::sys::open;
use crate::sys::stat::{self, Stat};
use crate::sys::{Errno, error_text, process};
use judge::{Judge, LIMITS, Limits};
use tree::Tree;

/// At most this many lines are reported for a run, because a program can make any number of repositories.
const MOST_LINES: usize = 20;

/// At most this many changes are reported for one repository, for the same reason.
const MOST_DEEDS: usize = 6;

/// In bytes. No system call takes a longer path (`PATH_MAX` counts the NUL), so nothing that was noted at the start has
/// one.
const LONGEST_PATH: usize = 4095;

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

/// Puts in order what the program has left. Returns each repository where something was done or could not be done.
pub(crate) fn settle(wish: &Settle) -> Vec<Settled> {
    settle_within(wish, LIMITS)
}

fn settle_within(wish: &Settle, limits: Limits) -> Vec<Settled> {
    let mut told = Told::default();
    let mut judge = Judge::new(limits);
    let facts = Facts {
        held: wish.held.iter().map(|path| path.to_bytes()).zip(wish.held_as.iter().copied()).collect(),
        links: wish.links.iter().map(|link| (link.path.to_bytes(), link)).collect(),
        commands: commands(&wish.commands),
        tops: &wish.tops,
        names: &wish.names,
        user: process::real_ids().0,
    };
    let mut found = Found::default();
    for top in &wish.tops {
        match open_top(top) {
            Ok(open) => Tree::new(&facts, &mut judge, &mut found, &mut told).walk(open, &top.path),
            Err(errno) => told.unseen(top.path.to_bytes(), errno),
        }
    }
    settle_found(&facts, &judge, &found, &mut told);
    told.finish()
}

/// Handles what the walk has kept for later, while there is time.
fn settle_found(facts: &Facts<'_>, judge: &Judge, found: &Found, told: &mut Told) {
    let pointers = found.pointers.iter().map(|place| (place, true));
    for (place, is_pointer) in pointers.chain(found.tops.iter().map(|top| (top, false))) {
        if judge.is_late() {
            return told.cut_short(place, judge.time());
        }
        if !is_pointer || pointer::settle(place, &found.git_dirs, told) {
            names::settle_at(facts, judge, place, is_pointer, told);
        }
    }
}

fn commands(before: &[SettleCommands]) -> HashMap<&[u8], Vec<&[u8]>> {
    let mut known: HashMap<&[u8], Vec<&[u8]>> = HashMap::new();
    for one in before {
        known.entry(one.git_dir.to_bytes()).or_default().extend(one.commands.iter().map(Vec::as_slice));
    }
    known
}

/// What is known before the walk.
struct Facts<'a> {
    /// The identities of the held files, by path.
    held: HashMap<&'a [u8], FileId>,
    /// Links that existed before the run, by path.
    links: HashMap<&'a [u8], &'a SettleLink>,
    /// Commands of unfinished rebases from before the run, by git directory.
    commands: HashMap<&'a [u8], Vec<&'a [u8]>>,
    tops: &'a [SettleTop],
    /// Names that git obeys in every work tree.
    names: &'a [SettleName],
    /// The id of the user who runs this.
    user: u32,
}

impl Facts<'_> {
    /// Whether `path`, which is `name` in `dir`, was held and is still the same file. A path that is too long is not
    /// even looked up, because the lookups would be slow in a very deep tree.
    fn is_held(&self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> bool {
        let held = if path.len() <= LONGEST_PATH { self.held.get(path) } else { None };
        let is_same = |held| matches!(stat::look_at(dir, name), Ok(Some(now)) if id_of(now) == held);
        held.is_some_and(|held| is_same(*held))
    }

    /// The same for `name` in `dir`, whose path is `path`.
    fn is_held_in(&self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> bool {
        path.len() < LONGEST_PATH && self.is_held(dir, name, &[path, b"/", name.to_bytes()].concat())
    }

    /// Whether this is one of the directories where the walk starts.
    fn is_top(&self, about: Stat) -> bool {
        self.tops.iter().any(|top| (top.identity.device, top.identity.inode) == (about.device, about.inode))
    }

    /// Whether the link `name` in `dir`, whose path is `path`, existed before the run and still leads to the same
    /// place.
    fn is_old_link(&self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8], target: &CStr) -> bool {
        if self.links.is_empty() || path.len() >= LONGEST_PATH {
            return false;
        }
        let whole = [path, b"/", name.to_bytes()].concat();
        let is_same = |old: &&&SettleLink| {
            let now = stat::look_at(dir, name).ok().flatten();
            now.is_some_and(|now| id_of(now) == old.identity && now.changed == old.changed)
        };
        let old = self.links.get(&whole[..]).filter(|old| *old.target == *target).filter(is_same);
        let end = || links::End::of(Path::new(OsStr::from_bytes(&whole)));
        old.is_some_and(|old| end().is_some_and(|end| end.is_that_of(old)))
    }
}

/// What the walk has found for later.
#[derive(Default)]
struct Found {
    /// Device and inode number of each git directory that was put in order or is held.
    git_dirs: HashSet<(u64, u64)>,
    /// Directories with an entry `.git` that is no directory.
    pointers: Vec<Vec<u8>>,
    /// New git directories, and the directories around them. git works in both.
    tops: Vec<Vec<u8>>,
}

/// The findings. Failures come first, because a program can make any number of the others.
#[derive(Default)]
struct Told {
    undone: Vec<Settled>,
    done: Vec<Settled>,
    more: usize,
    /// Whether time ran out.
    is_cut_short: bool,
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

    /// Reports once that time ran out. `path` is where the look ended.
    fn cut_short(&mut self, path: &[u8], time: Duration) {
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
    fn finish(mut self) -> Vec<Settled> {
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
struct Deeds {
    said: Vec<String>,
    has_failed: bool,
    more: usize,
    /// New names, each with the old one.
    moved: Vec<(String, String)>,
}

impl Deeds {
    fn add(&mut self, deed: impl FnOnce() -> String) {
        if self.said.len() < MOST_DEEDS {
            self.said.push(deed());
        } else {
            self.more += 1;
        }
    }

    fn set_aside(&mut self, name: &CStr, to: &CStr, why: &str) {
        self.add(|| format!("{} {why}, and is now {}", shown(name), shown(to)));
        let word = |name: &CStr| quoted(path_of(name.to_bytes()));
        self.moved.push((word(to), word(name)));
    }

    fn failed(&mut self, what: &str, errno: Errno) {
        let said = format!("{what}: {}", error_text(errno as i32));
        // The first failure must not be among those that are only counted.
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

fn open_top(top: &SettleTop) -> Result<OwnedFd, Errno> {
    let open = open::dir_without_links(&top.path)?;
    let (now, then) = (id_of(stat::look_at_open(open.as_fd())?), top.identity);
    // Only statx(2) tells the time of birth. If it was refused, device and inode number must be enough: not to put the
    // workspace in order would be worse.
    let is_born_with = now.born.zip(then.born).is_none_or(|(now, then)| now == then);
    let has_its_numbers = (now.device, now.inode) == (then.device, then.inode);
    if has_its_numbers && is_born_with { Ok(open) } else { Err(Errno::ESTALE) }
}

/// Returns a path for a message. If it is too long for any command, only its start and end.
fn shortened(path: &[u8]) -> PathBuf {
    const END: usize = 200;
    if path.len() <= LONGEST_PATH {
        return path_of(path).to_owned();
    }
    path_of(&[&path[..END], b"[...]", &path[path.len() - END..]].concat()).to_owned()
}

/// Makes a text that the program chose printable.
fn shown(text: &CStr) -> String {
    printable(path_of(text.to_bytes()))
}
