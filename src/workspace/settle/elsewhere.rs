//! What a user obeys of a place without being in it: programs of his `PATH`, what links of his home lead to, and the
//! file of pinfold itself. Nothing holds these, because their names mean nothing; what has changed since the run began
//! is reported.

use std::collections::BTreeSet;
use std::ffi::{CStr, OsStr};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::news::{Event, News};
use crate::error::printable;
use crate::spec::SeenBefore;
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result};
use crate::workspace::files::c_path;

/// At most so many files of a directory that a link leads to are looked at.
const MOST_FILES: usize = 5_000;
/// At most so many names of a directory.
const MOST_NAMES: usize = 10_000;

/// The file of the running process.
const OWN: &str = "/proc/self/exe";

/// What is looked at when the run ends.
#[derive(Default)]
pub(in crate::workspace) struct Places {
    /// Directories of the caller's `PATH` in the place, each with its device and inode.
    pub(in crate::workspace) programs: Vec<(PathBuf, (u64, u64))>,
    /// Directories of the home whose links may lead to the place.
    pub(in crate::workspace) links: Vec<PathBuf>,
}

/// What of `top` its user may obey from elsewhere.
pub(in crate::workspace) fn places(top: &Path, path: Option<&OsStr>, home: Option<&Path>) -> Places {
    let dirs: BTreeSet<PathBuf> = path.map(|path| std::env::split_paths(path).collect()).unwrap_or_default();
    let (inside, outside): (Vec<PathBuf>, Vec<PathBuf>) = dirs.into_iter().partition(|dir| dir.starts_with(top));
    let known = |dir: PathBuf| {
        let about = stat::look_at_path(&dir).ok()?;
        Some((dir, (about.device, about.inode)))
    };
    let programs = inside.into_iter().filter(|dir| dir != top).filter_map(known).collect();
    let Some(home) = home else { return Places { programs, ..Places::default() } };
    let of_home = outside.into_iter().filter(|dir| dir.starts_with(home) && dir != home);
    Places { programs, links: [home.to_owned(), home.join(".config")].into_iter().chain(of_home).collect() }
}

/// Notes what of `seen` has changed.
pub(super) fn look(news: &mut News, seen: &SeenBefore) {
    for (dir, was) in &seen.programs {
        look_at_programs(news, seen, dir, *was);
    }
    for dir in &seen.links {
        for name in names(dir, |kind| kind == Some(Kind::Link)).unwrap_or_default() {
            look_at_link(news, seen, &dir.join(name));
        }
    }
    look_at_own(news, seen);
}

fn look_at_programs(news: &mut News, seen: &SeenBefore, dir: &Path, was: (u64, u64)) {
    let about = stat::look_at_path(dir);
    // Another directory in its place may hold what is older than the run.
    if about.is_ok_and(|about| (about.device, about.inode) != was) {
        return news.note(Event::Program, dir.to_owned(), None);
    }
    match names(dir, |kind| kind != Some(Kind::Dir)) {
        Ok(names) => {
            for path in names.into_iter().map(|name| dir.join(name)).filter(|path| is_changed(seen, path)) {
                news.note(Event::Program, path, None);
            }
        }
        Err(Errno::ENOENT) => {}
        // Anything may be in it.
        Err(_) => news.note(Event::Program, dir.to_owned(), None),
    }
}

fn look_at_link(news: &mut News, seen: &SeenBefore, link: &Path) {
    let Ok(target) = link.canonicalize() else { return };
    if target.starts_with(&seen.top) && has_change(seen, &target, &mut MOST_FILES.clone()) {
        news.note(Event::Led, target, Some(format!("{} leads to it", printable(link)).into()));
    }
}

/// Whether the file of this process lies in the place and is another one now.
fn look_at_own(news: &mut News, seen: &SeenBefore) {
    let Ok(own) = std::fs::read_link(OWN) else { return };
    // The kernel says so of a file without a name (d_path in fs/d_path.c).
    let own = own.as_os_str().as_bytes();
    let path = Path::new(OsStr::from_bytes(own.strip_suffix(b" (deleted)").unwrap_or(own)));
    if !path.starts_with(&seen.top) {
        return;
    }
    let running = std::fs::metadata(OWN).map(|about| (about.dev(), about.ino())).ok();
    let there = std::fs::symlink_metadata(path).map(|about| (about.dev(), about.ino())).ok();
    if there != running || is_changed(seen, path) {
        news.note(Event::Changed, path.to_owned(), Some("the program that has made this box".into()));
    }
}

/// Whether a file has changed, or one in a directory.
fn has_change(seen: &SeenBefore, path: &Path, left: &mut usize) -> bool {
    let Some(rest) = left.checked_sub(1) else { return false };
    *left = rest;
    if is_changed(seen, path) {
        return true;
    }
    let is_dir = std::fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
    is_dir && names(path, |_| true).is_ok_and(|names| names.iter().any(|name| has_change(seen, &path.join(name), left)))
}

/// Whether the file at `path` has changed since the run began, by its ctime, which only the kernel sets. Some
/// filesystems keep whole seconds.
fn is_changed(seen: &SeenBefore, path: &Path) -> bool {
    let Ok(about) = stat::look_at_path(path) else { return false };
    let (seconds, nanoseconds) = about.changed;
    let began = if nanoseconds == 0 { (seen.began.0, 0) } else { seen.began };
    (seconds, nanoseconds) >= began
}

/// The names of a wanted kind in the directory `dir`, sorted. A link to it is not followed.
fn names(dir: &Path, is_wanted: impl Fn(Option<Kind>) -> bool) -> Result<Vec<std::ffi::OsString>> {
    let place = open::dir_without_links(&c_path(dir))?;
    let open = open::any_mount(place.as_fd(), c".", For::Listing)?;
    let (mut entries, mut names) = (Entries::new(), Vec::new());
    let kind_of = |name: &CStr, kind: Option<Kind>| kind.or_else(|| stat::kind_at(open.as_fd(), name).ok().flatten());
    while names.len() < MOST_NAMES && entries.read(open.as_fd())? {
        let wanted = entries.iter().filter(|(name, kind)| is_wanted(kind_of(name, *kind)));
        names.extend(wanted.map(|(name, _)| OsStr::from_bytes(name.to_bytes()).to_owned()));
    }
    names.sort_unstable();
    names.dedup();
    Ok(names)
}
