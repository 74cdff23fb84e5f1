//! What is done when nothing lives in the box any more: git repositories that the program has made or completed are put
//! in order, so that git outside executes nothing of them and writes nothing through them.
//!
//! All that could be written is walked through once more. Only what was held is left alone, and links that were written
//! down before the program started. No time in the file system counts: a program can have things ready since an earlier
//! run, and move the directory around them into place, which changes no time of theirs. The tree is the program's:
//! everything happens along descriptors, no link is followed, nothing recurs on the stack, and what cannot be looked at
//! is said.
//!
//! Nothing is lost: what git would obey gets another name beside the old one. Links only are removed, and their targets
//! said.
//!
//! The look ends, however much the program has made: there are bounds on what is read and on time ([`judge`]). Signals
//! wait until then, which is a few seconds. And nothing is said before all is done: whoever reads the lines may make
//! this process wait for ever.

mod harmless;
mod judge;
mod names;
mod pointer;
mod repository;
mod settings;
mod tree;

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::git::path_of;
use super::links;
use crate::error::{printable, push_printable, quoted};
use crate::spec::{Settle, SettleLink, SettleName, SettleTop};
use crate::sys::{Errno, entry, error_text, file, process};
use judge::{Judge, LIMITS, Limits};
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

/// Puts in order what the program has left. Returns each repository where something was done or could not be, for
/// whoever says so.
pub(crate) fn settle(wish: &Settle) -> Vec<Settled> {
    settle_within(wish, LIMITS)
}

fn settle_within(wish: &Settle, limits: Limits) -> Vec<Settled> {
    let mut told = Told::default();
    let mut judge = Judge::new(limits);
    let facts = Facts {
        held: wish.held.iter().map(|path| path.to_bytes()).zip(wish.held_as.iter().copied()).collect(),
        links: wish.links.iter().map(|link| (link.path.to_bytes(), link)).collect(),
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
    for place in &found.pointers {
        if pointer::settle(place, &found.git_dirs, &mut told) {
            names::settle_at(&facts, &judge, place, true, &mut told);
        }
    }
    for top in &found.tops {
        names::settle_at(&facts, &judge, top, false, &mut told);
    }
    told.finish()
}

/// What is known before the walk.
struct Facts<'a> {
    /// What was held, by its path, with device and inode number.
    held: HashMap<&'a [u8], (u64, u64)>,
    /// Links that were there before, by their paths.
    links: HashMap<&'a [u8], &'a SettleLink>,
    tops: &'a [SettleTop],
    /// What is obeyed in every work tree.
    names: &'a [SettleName],
    /// Whoever runs this.
    user: u32,
}

impl Facts<'_> {
    /// Whether `path`, which is `name` in `dir`, was held, and is still the same. Without a look at one that is too long
    /// for that: a tree of the program's can be deeper than looking is quick.
    fn is_held(&self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> bool {
        let held = if path.len() <= LONGEST_PATH { self.held.get(path) } else { None };
        let is_same = |held| matches!(entry::look_at(dir, name), Ok(Some(now)) if (now.device, now.inode) == held);
        held.is_some_and(|held| is_same(*held))
    }

    /// The same for `name` in the directory `path`, which `dir` is.
    fn is_held_in(&self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> bool {
        path.len() < LONGEST_PATH && self.is_held(dir, name, &[path, b"/", name.to_bytes()].concat())
    }

    /// Whether the link `name` in the directory `path`, which `dir` is, was there before, and leads where it did.
    fn is_old_link(&self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8], target: &CStr) -> bool {
        if self.links.is_empty() || path.len() >= LONGEST_PATH {
            return false;
        }
        let whole = [path, b"/", name.to_bytes()].concat();
        let is_same = |old: &&&SettleLink| {
            let now = entry::look_at(dir, name).ok().flatten();
            now.is_some_and(|now| (now.device, now.inode) == old.identity && now.changed == old.changed)
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
    /// Directories with something called `.git` in them that is no directory.
    pointers: Vec<Vec<u8>>,
    /// Git directories that were not there before, and the directories around them: git works in either.
    tops: Vec<Vec<u8>>,
}

/// What there is to say. What could not be done comes first: a program can make as much of the rest as it likes.
#[derive(Default)]
struct Told {
    undone: Vec<Settled>,
    done: Vec<Settled>,
    more: usize,
    /// There was no time for all.
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

    /// Says once that there was no time for all. `path` is where the look ended.
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

    /// All there is to say, with how much was not kept.
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
    /// New names, and old ones.
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
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;
    use crate::workspace::area::c_path;

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
        let said: Vec<String> =
            told.finish().iter().map(|settled| String::from_utf8(settled.line()).unwrap()).collect();
        assert!(said[0].starts_with("/w/last: hooks cannot be renamed: "), "{said:?}");
        assert!(said[1].starts_with("/w/closed: cannot look for "), "{said:?}");
        assert!(said.len() == MOST_LINES + 3 && said.last().unwrap().contains("3 more "), "{said:?}");
    }

    /// A directory for one test, removed at its end.
    struct Place(PathBuf);

    impl Place {
        /// With a repository `s` in it, whose settings are harmful, and many directories.
        fn new(name: &str) -> Place {
            let path = PathBuf::from(format!("/var/tmp/pinfold-settle-{}-{name}", std::process::id()));
            for dir in ["s/.git/objects", "s/.git/refs", "s/.git/hooks", "s/deep/er", "t"] {
                std::fs::create_dir_all(path.join(dir)).unwrap();
            }
            std::fs::write(path.join("s/.git/HEAD"), "ref: refs/heads/x").unwrap();
            std::fs::write(path.join("s/.git/config"), "[core]\npager=x\nbare\n").unwrap();
            std::fs::write(path.join("s/.git/hooks/update"), "x").unwrap();
            Place(path)
        }

        fn top(&self) -> SettleTop {
            let about = std::fs::metadata(&self.0).unwrap();
            SettleTop { path: c_path(&self.0), identity: (about.dev(), about.ino()) }
        }

        fn settle(&self, limits: Limits) -> Vec<String> {
            let settled = settle_within(&Settle { tops: vec![self.top()], ..Settle::default() }, limits);
            settled.iter().map(|settled| String::from_utf8(settled.line()).unwrap()).collect()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            assert!(std::fs::remove_dir_all(&self.0).is_ok() || std::thread::panicking(), "left behind");
        }
    }

    /// Without time for reading, the walk goes on.
    #[test]
    fn what_is_not_read_is_set_aside() {
        let place = Place::new("unread");
        let said = place.settle(Limits { reading: Duration::ZERO, ..LIMITS });
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("hooks holds what git would execute, and is now hooks.from-sandbox"), "{said:?}");
        assert!(said[0].contains("config was not read, since there are more settings in all than "), "{said:?}");
        let git = place.0.join("s/.git");
        assert_eq!(std::fs::read(git.join("config")).unwrap(), b"");
        assert!(git.join("config.from-sandbox").exists() && git.join("hooks.from-sandbox/update").exists());
    }

    /// A program that works in another directory later could write to it under its other name.
    #[test]
    fn what_has_another_name_is_replaced_by_a_copy() {
        let place = Place::new("names");
        let path = |name: &str| place.0.join(name);
        fs::create_dir_all(path("s/.git/worktrees/w")).unwrap();
        fs::write(path("s/.git/worktrees/w/HEAD"), "ref: refs/heads/y").unwrap();
        fs::create_dir_all(path("w")).unwrap();
        fs::create_dir_all(path("nothing")).unwrap();
        let files = [
            ("s/.git/config", "[core]\n\tbare = false\n", true),
            ("s/.git/config.worktree", "", true),
            ("s/.git/worktrees/w/commondir", "../..\n", true),
            ("w/.git", "gitdir: ../s/.git/worktrees/w\n", true),
            ("nothing/.git", "something else", false),
        ];
        for (number, (name, text, _)) in files.iter().enumerate() {
            fs::write(path(name), text).unwrap();
            fs::hard_link(path(name), path(&format!("t/notes{number}"))).unwrap();
        }
        let said = place.settle(LIMITS).join("\n");
        assert_eq!(said.matches(judge::OTHER_NAME).count(), files.len(), "{said}");
        for (number, (name, text, is_copied)) in files.iter().enumerate() {
            fs::write(path(&format!("t/notes{number}")), "changed").unwrap();
            assert_eq!(fs::read_to_string(path(&format!("{name}.from-sandbox"))).unwrap(), "changed");
            match fs::read_to_string(path(name)) {
                Ok(found) => assert!(*is_copied && found == *text && fs::metadata(path(name)).unwrap().nlink() == 1),
                Err(_) => assert!(!is_copied, "{name}"),
            }
        }
        // It has one name now, and stays.
        assert_eq!(place.settle(LIMITS), [""; 0]);
    }

    /// A mount ends when somebody outside gives its name to another file.
    #[test]
    fn what_was_held_must_be_the_same_still() {
        let place = Place::new("held");
        let about = |name: &str| fs::metadata(place.0.join(name)).map(|about| (about.dev(), about.ino())).unwrap();
        let path = |name: &str| c_path(&place.0.join(name));
        fs::write(place.0.join("t/.git"), "gitdir: /x").unwrap();
        let names = ["s/.git/config", "s/.git/hooks", "t/.git"];
        let wish = Settle {
            tops: vec![place.top()],
            held: names.map(path).into(),
            held_as: names.map(about).into(),
            ..Settle::default()
        };
        assert_eq!(settle_within(&wish, LIMITS), []);
        for name in names {
            // The old one is kept, so that the new one cannot get its number.
            fs::rename(place.0.join(name), place.0.join("old")).unwrap();
            match name {
                "s/.git/hooks" => {
                    fs::create_dir(place.0.join(name)).unwrap();
                    fs::write(place.0.join("s/.git/hooks/update"), "x").unwrap();
                }
                _ => drop(fs::copy(place.0.join("old"), place.0.join(name)).unwrap()),
            }
            assert_eq!(settle_within(&wish, LIMITS).len(), 1, "{name}");
            assert!(place.0.join(format!("{name}.from-sandbox")).exists(), "{name}");
            match name {
                "s/.git/hooks" => fs::remove_dir_all(place.0.join("old")).unwrap(),
                _ => fs::remove_file(place.0.join("old")).unwrap(),
            }
        }
    }

    /// Two boxes at the same time could put another link that says the same in its place, and one that leads elsewhere
    /// later.
    #[test]
    fn a_link_of_before_must_be_the_same_still() {
        let place = Place::new("links");
        fs::remove_dir_all(place.0.join("s/.git/hooks")).unwrap();
        fs::remove_file(place.0.join("s/.git/config")).unwrap();
        let link = place.0.join("s/.git/l");
        type Change = fn(&mut SettleLink);
        let changes: [(Change, bool); 4] = [
            (|_| {}, true),
            (|old| old.identity.0 += 1, false),
            (|old| old.identity.1 += 1, false),
            (|old| old.changed.1 -= 1, false),
        ];
        for (number, (change, stays)) in changes.into_iter().enumerate() {
            symlink("/nowhere", &link).unwrap();
            let about = fs::symlink_metadata(&link).unwrap();
            let mut old = SettleLink {
                path: c_path(&link),
                target: c"/nowhere".into(),
                leads_to: c"/nowhere".into(),
                is_there: false,
                identity: (about.dev(), about.ino()),
                changed: (about.ctime(), about.ctime_nsec()),
            };
            change(&mut old);
            let wish = Settle { tops: vec![place.top()], links: vec![old], ..Settle::default() };
            assert_eq!(settle_within(&wish, LIMITS).is_empty(), stays, "{number}");
            assert_eq!(fs::remove_file(&link).is_ok(), stays, "{number}");
        }
    }

    /// Without any time, it ends at once and says so.
    #[test]
    fn a_walk_without_time_says_where_it_ended() {
        let place = Place::new("late");
        let said = place.settle(Limits { all: Duration::ZERO, ..LIMITS });
        assert_eq!(said.len(), 1, "{said:?}");
        let start = format!("{}: the look for repositories that the program has made ended here ", place.0.display());
        assert!(said[0].starts_with(&start), "{said:?}");
        assert!(!place.0.join("s/.git/config.from-sandbox").exists());
    }
}
