//! Symbolic links that are in git directories before the program starts.
//!
//! git opens its files without asking whether they are links, so a link that the program leaves in a git directory lets
//! git outside write where the program could not. At the end of the run such links are removed. A few people have links
//! there themselves (git-new-workdir, `repo` of Android), and those stay. Nothing in the file system tells who made a
//! link, nor when it came to its place: moving the directory around a link changes no time of the link. So those that
//! are there are written down before the program starts.
//!
//! This look may miss some: a link that is not written down is removed. Therefore it is short, and leaves out where
//! nobody has links.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::area::{Area, Missing, c_path, parts};
use super::bounds::Budget;
use super::layout::{REMOTES, path_of};
use super::{id_of, rebase};
use crate::spec::path::MAX_LINKS;
use crate::spec::{Settle, SettleCommands, SettleLink};
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind, Stat};
use crate::sys::{Errno, Spent, content, mount, statfs};

/// So many directories of one git directory are read, the upper ones first. A usual one has about twenty.
const MOST_DIRS: usize = 200;

/// So many are read in all.
const MOST_DIRS_IN_ALL: usize = 2000;

/// So many links are written down in all.
const MOST_LINKS: usize = 1000;

/// What a look has found.
#[derive(Default)]
struct Found {
    links: Vec<Link>,
    commands: Vec<SettleCommands>,
    /// Directories with files of remotes: git makes none any more, and obeys what it finds.
    remotes: Vec<PathBuf>,
}

/// A link, what it says, and what it is itself.
struct Link {
    path: PathBuf,
    target: CString,
    about: Stat,
}

/// Finds the links in those of `git_dirs` that the program can write, and what else is told apart at the end from
/// what the program has made: commands of rebases are written down, and remotes held.
///
/// One that leads to something in the work trees is held with that: the program could put other links there, and
/// nobody looks for links outside of git directories.
pub(super) fn find(area: &mut Area, git_dirs: &BTreeSet<PathBuf>) -> Settle {
    let mut found = Found::default();
    let mut left = MOST_DIRS_IN_ALL;
    for git_dir in git_dirs.iter().filter(|dir| area.contains(dir)).cloned().collect::<Vec<_>>() {
        if area.is_over(&git_dir) {
            break;
        }
        let most = left.min(MOST_DIRS);
        left -= look(&git_dir, git_dirs, most, &mut found, &mut area.budget);
    }
    let Found { links: mut found_links, commands, remotes } = found;
    for dir in remotes {
        area.hold(&dir, Missing::Ignore);
    }
    found_links.truncate(MOST_LINKS);
    let mut links = Vec::with_capacity(found_links.len());
    for Link { path, target, about } in found_links {
        let Some(end) = End::of(&path) else { continue };
        let is_gits = || end.path.ancestors().any(|above| git_dirs.contains(above));
        if end.is_there && area.contains(&end.path) && !is_gits() {
            area.hold(&path, Missing::Ignore);
        } else {
            let End { path: leads_to, is_there } = end;
            let (path, leads_to) = (c_path(&path), c_path(&leads_to));
            let (identity, changed) = (id_of(about), about.changed);
            links.push(SettleLink { path, target, leads_to, is_there, identity, changed });
        }
    }
    Settle { links, commands, ..Settle::default() }
}

/// Collects the links below `git_dir` with their targets. Returns how many directories were read, at most `most`.
fn look(git_dir: &Path, git_dirs: &BTreeSet<PathBuf>, most: usize, found: &mut Found, budget: &mut Budget) -> usize {
    let mut entries = Entries::new();
    let mut waiting = VecDeque::from([git_dir.to_owned()]);
    let mut read = 0;
    let Ok(top) = open::any_mount(mount::AT_FDCWD, &c_path(git_dir), For::Listing) else { return 0 };
    let marks_last = statfs::marks_last(top.as_fd()).unwrap_or(false);
    let mut spent = Spent::default();
    while let Some(dir) = waiting.pop_front().filter(|_| read < most && found.links.len() < MOST_LINKS) {
        read += 1;
        // What cannot be read has no link that stays.
        let Ok((open, marks_last)) = open_below(top.as_fd(), git_dir, &dir, marks_last) else { continue };
        let is_objects = dir.file_name() == Some(OsStr::new("objects"));
        let is_of_remotes = REMOTES.iter().any(|name| dir == git_dir.join(path_of(name.to_bytes())));
        let mut is_done = false;
        while !is_done && entries.read(open.as_fd()).unwrap_or(false) && !budget.is_late(|| dir.clone()) {
            is_done = marks_last && entries.is_last();
            for (name, kind) in entries.iter() {
                let kind = kind.or_else(|| stat::look_at(open.as_fd(), name).ok().flatten()?.kind());
                let path = || dir.join(OsStr::from_bytes(name.to_bytes()));
                match kind {
                    Some(Kind::Link) => {
                        let target = content::read_link_at(open.as_fd(), name).ok();
                        let about = stat::look_at(open.as_fd(), name).ok().flatten();
                        found.links.extend(target.zip(about).map(|(target, about)| Link {
                            path: path(),
                            target,
                            about,
                        }));
                    }
                    Some(Kind::File) if is_of_remotes && found.remotes.last() != Some(&dir) => {
                        found.remotes.push(dir.clone());
                    }
                    Some(Kind::Dir) if dir == git_dir && rebase::STATES.contains(&name) => {
                        found.add_commands(git_dir, open.as_fd(), name);
                        waiting.push_back(path());
                    }
                    Some(Kind::Dir) if !(is_objects && is_fan_out(name.to_bytes())) => waiting.push_back(path()),
                    _ => {}
                }
            }
        }
        spent.add(open);
        // A git directory in this one is looked at by itself.
        waiting.retain(|dir| !git_dirs.contains(dir));
    }
    read
}

impl Found {
    /// Writes down the commands in `state` of a git directory. One that cannot be read has none that stay.
    fn add_commands(&mut self, git_dir: &Path, open: BorrowedFd<'_>, state: &CStr) {
        if let Ok(commands) = rebase::commands(open, state)
            && !commands.is_empty()
        {
            self.commands.push(SettleCommands { git_dir: c_path(git_dir), commands });
        }
    }
}

/// Opens `dir`, which is `git_dir` or lies below it, where `top` is that. `marks_last` says whether the file system of
/// `top` marks the last entry of a directory; the answer is the same for `dir`.
fn open_below(top: BorrowedFd<'_>, git_dir: &Path, dir: &Path, marks_last: bool) -> Result<(OwnedFd, bool), Errno> {
    let name = dir.strip_prefix(git_dir).ok().filter(|name| !name.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match open::same_mount(top, &c_path(name), For::Listing) {
        // Something is mounted on the way.
        Err(Errno::EXDEV) => open::any_mount(top, &c_path(name), For::Listing).map(|open| (open, false)),
        opened => opened.map(|open| (open, marks_last)),
    }
}

/// Whether a directory in one called `objects` is one of the hundreds over which files are spread by their hashes, as
/// git, git-lfs and git-annex do. Nobody has links in those.
fn is_fan_out(name: &[u8]) -> bool {
    matches!(name.len(), 2 | 3)
}

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// An absolute path. As far as it exists, nothing in it is a link.
    pub(super) path: PathBuf,
    /// Whether there is something.
    pub(super) is_there: bool,
}

impl End {
    /// Follows `path`, which is absolute, to its end. `None` where it cannot be followed.
    pub(super) fn of(path: &Path) -> Option<End> {
        match fs::canonicalize(path) {
            Ok(path) => Some(End { path, is_there: true }),
            Err(error) if error.kind() == ErrorKind::NotFound => End::of_missing(path),
            Err(_) => None,
        }
    }

    /// The same where something on the way is missing: a link that is put there later leads elsewhere.
    fn of_missing(path: &Path) -> Option<End> {
        let (mut done, mut ahead, mut links) = (PathBuf::from("/"), parts(path), 0);
        while let Some(part) = ahead.pop_front() {
            if part == Component::ParentDir.as_os_str() {
                done.pop();
                continue;
            }
            done.push(part);
            let Ok(about) = fs::symlink_metadata(&done) else {
                done.extend(ahead);
                break;
            };
            if !about.is_symlink() {
                continue;
            }
            links += 1;
            let target = fs::read_link(&done).ok().filter(|_| links <= MAX_LINKS)?;
            done.pop();
            if target.is_absolute() {
                done = PathBuf::from("/");
            }
            let mut next = parts(&target);
            next.append(&mut ahead);
            ahead = next;
        }
        Some(End { path: done, is_there: false })
    }

    /// Whether this is where `link` has led before the program started.
    pub(super) fn is_that_of(&self, link: &SettleLink) -> bool {
        self.is_there == link.is_there && self.path.as_os_str().as_bytes() == link.leads_to.to_bytes()
    }
}
