//! Records the symbolic links that are in git directories before the program starts.
//!
//! git follows links when it opens its files. So a link that the program leaves in a git directory makes git outside
//! write where the program could not. The end of the run removes such links. A few people have links there themselves
//! (git-new-workdir, `repo` of Android), and those must stay. The file system does not tell who made a link or when it
//! came to its place: moving the directory around a link changes no time of the link. So the links are recorded before
//! the program starts.
//!
//! It is safe to miss a link here, because the end removes every link that is not recorded. So this look is short, and
//! leaves out directories where nobody has links.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::area::{Area, Missing};
use super::bounds::Budget;
use super::files::{c_path, id_of, path_of};
use super::layout::REMOTES;
use super::rebase;
use crate::spec::path::{Follow, Step};
use crate::spec::{Settle, SettleCommands, SettleLink};
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind, Stat};
use crate::sys::{Errno, Spent, content, mount, statfs};

/// At most this many directories are read in one git directory, the upper ones first. Usually there are about twenty.
const MOST_DIRS: usize = 200;

/// At most this many directories are read in total.
const MOST_DIRS_IN_ALL: usize = 2000;

/// At most this many links are recorded in total.
const MOST_LINKS: usize = 1000;

/// The result of a look.
#[derive(Default)]
struct Recorded {
    links: Vec<Link>,
    commands: Vec<SettleCommands>,
    /// Directories with a file for each remote. git makes none any more, but obeys those that it finds.
    remotes: Vec<PathBuf>,
}

/// A link: its path, its text, and its identity.
struct Link {
    path: PathBuf,
    target: CString,
    about: Stat,
}

/// Records the links in those of `git_dirs` that the program can write. Also records the commands of rebases, so that
/// the end can tell new ones, and holds the files of remotes.
///
/// Holds a link that leads into a work tree, and its target. Otherwise the program could put other links at the target,
/// and nothing looks for links outside of git directories.
pub(super) fn find(area: &mut Area, git_dirs: &BTreeSet<PathBuf>) -> Settle {
    let mut found = Recorded::default();
    let mut left = MOST_DIRS_IN_ALL;
    for git_dir in git_dirs.iter().filter(|dir| area.contains(dir)).cloned().collect::<Vec<_>>() {
        if area.is_over(&git_dir) {
            break;
        }
        let most = left.min(MOST_DIRS);
        left -= look(&git_dir, git_dirs, most, &mut found, &mut area.budget);
    }
    let Recorded { links: mut found_links, commands, remotes } = found;
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
fn look(git_dir: &Path, git_dirs: &BTreeSet<PathBuf>, most: usize, found: &mut Recorded, budget: &mut Budget) -> usize {
    let mut entries = Entries::new();
    let mut waiting = VecDeque::from([git_dir.to_owned()]);
    let mut read = 0;
    let Ok(top) = open::any_mount(mount::AT_FDCWD, &c_path(git_dir), For::Listing) else { return 0 };
    let marks_last = statfs::marks_last(top.as_fd()).unwrap_or(false);
    let mut spent = Spent::default();
    while let Some(dir) = waiting.pop_front().filter(|_| read < most && found.links.len() < MOST_LINKS) {
        read += 1;
        // Links in a directory that cannot be read are not recorded, so they do not stay.
        let below =
            if dir == git_dir { Ok(None) } else { open_below(top.as_fd(), git_dir, &dir, marks_last).map(Some) };
        let Ok(below) = below else { continue };
        let (open, marks_last) =
            below.as_ref().map_or((top.as_fd(), marks_last), |(open, marks)| (open.as_fd(), *marks));
        let is_objects = dir.file_name() == Some(OsStr::new("objects"));
        let is_of_remotes = REMOTES.iter().any(|name| dir == git_dir.join(path_of(name.to_bytes())));
        let mut is_done = false;
        while !is_done && entries.read(open).unwrap_or(false) && !budget.is_late(|| dir.clone()) {
            is_done = marks_last && entries.is_last();
            for (name, kind) in entries.iter() {
                let kind = kind.or_else(|| stat::look_at(open, name).ok().flatten()?.kind());
                let path = || dir.join(OsStr::from_bytes(name.to_bytes()));
                match kind {
                    Some(Kind::Link) => {
                        let target = content::read_link_at(open, name).ok();
                        let about = stat::look_at(open, name).ok().flatten();
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
                        found.add_commands(git_dir, open, name);
                        waiting.push_back(path());
                    }
                    Some(Kind::Dir) if !(is_objects && is_fan_out(name.to_bytes())) => waiting.push_back(path()),
                    _ => {}
                }
            }
        }
        if let Some((open, _)) = below {
            spent.add(open);
        }
        // A git directory in this one gets a look of its own.
        waiting.retain(|dir| !git_dirs.contains(dir));
    }
    read
}

impl Recorded {
    /// Records the commands in the directory `state` of a git directory. If it cannot be read, none of them stays.
    fn add_commands(&mut self, git_dir: &Path, open: BorrowedFd<'_>, state: &CStr) {
        if let Ok(commands) = rebase::commands(open, state)
            && !commands.is_empty()
        {
            self.commands.push(SettleCommands { git_dir: c_path(git_dir), commands });
        }
    }
}

/// Opens `dir`, which lies below `git_dir`. `top` is the open `git_dir`. `marks_last` says whether the file
/// system of `top` marks the last entry of a directory. Also returns the answer for `dir`.
fn open_below(top: BorrowedFd<'_>, git_dir: &Path, dir: &Path, marks_last: bool) -> Result<(OwnedFd, bool), Errno> {
    let name = dir.strip_prefix(git_dir).unwrap_or(dir);
    match open::same_mount(top, &c_path(name), For::Listing) {
        // There is a mount point on the way.
        Err(Errno::EXDEV) => open::any_mount(top, &c_path(name), For::Listing).map(|open| (open, false)),
        opened => opened.map(|open| (open, marks_last)),
    }
}

/// Whether a directory in `objects` is one of the hundreds that hold files by the start of their hash, as git, git-lfs
/// and git-annex make them. Nobody has links in those.
fn is_fan_out(name: &[u8]) -> bool {
    matches!(name.len(), 2 | 3)
}

/// The place that a link leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct End {
    /// An absolute path. The part of it that exists has no links.
    pub(super) path: PathBuf,
    /// Whether a file exists there.
    pub(super) is_there: bool,
}

impl End {
    /// Follows `path`, which is absolute, to its end. Returns `None` if it cannot be followed.
    pub(super) fn of(path: &Path) -> Option<End> {
        match fs::canonicalize(path) {
            Ok(path) => Some(End { path, is_there: true }),
            Err(error) if error.kind() == ErrorKind::NotFound => End::of_missing(path),
            Err(_) => None,
        }
    }

    /// The same for a path with a missing part. A link that is made there later would lead elsewhere.
    fn of_missing(path: &Path) -> Option<End> {
        let mut follow = Follow::new("/".into(), path);
        while let Some(step) = follow.step() {
            if step == Step::Up {
                continue;
            }
            let Ok(about) = fs::symlink_metadata(follow.place()) else { break };
            if about.is_symlink() {
                let target = fs::read_link(follow.place()).ok()?;
                if !follow.lead_to(&target) {
                    return None;
                }
            }
        }
        let (mut path, rest) = follow.into_parts();
        path.extend(&rest);
        Some(End { path, is_there: false })
    }

    /// Whether `link` led here before the program started.
    pub(super) fn is_that_of(&self, link: &SettleLink) -> bool {
        self.is_there == link.is_there && self.path.as_os_str().as_bytes() == link.leads_to.to_bytes()
    }
}
