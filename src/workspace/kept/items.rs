//! What an entry keeps: each file that somebody can look at, take or drop.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::names::{c_name, c_path};
use super::{Entry, Record};
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result, make};

/// How many are listed.
const MOST: usize = 10_000;

/// One kept file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where it belongs on the host.
    pub(crate) path: PathBuf,
    pub(crate) what: What,
    /// Where it is kept.
    at: At,
}

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// A regular file.
    File,
    /// A link.
    Link,
    /// That the program has removed the file.
    Removal,
    /// A directory that cannot be read, a FIFO, a socket, a device: it can only be dropped.
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// In the upper layer of an overlay: its number, and the path in it.
    Upper(usize, PathBuf),
    /// A file that was put back, by its number.
    New(usize),
}

/// The items of an entry, in the order of their paths, and whether these are all.
pub(crate) fn items(entry: &Entry, record: &Record) -> Result<(Vec<Item>, bool)> {
    let mut found = Vec::new();
    let mut is_all = true;
    for (n, overlay) in record.overlays.iter().enumerate() {
        let upper = entry.upper(n)?;
        is_all &= walk(upper.as_fd(), |rel, what| {
            found.push(Item { path: overlay.path.join(rel), what, at: At::Upper(n, rel.to_owned()) });
            found.len() < MOST
        })?;
    }
    let files = entry.files()?;
    for (n, file) in record.files.iter().enumerate() {
        if let Some(what) = what(files.as_fd(), &of_new(n))? {
            found.push(Item { path: file.path.clone(), what, at: At::New(n) });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((found, is_all))
}

impl Item {
    /// Whether it lies in overlay number `n`.
    pub(crate) fn is_of(&self, n: usize) -> bool {
        matches!(self.at, At::Upper(number, _) if number == n)
    }

    /// Drops it, if it is there.
    pub(crate) fn drop(&self, entry: &Entry) -> Result<()> {
        let (dir, name) = self.kept(entry)?;
        match make::unlink_at(dir.as_fd(), &name) {
            Err(Errno::ENOENT) => Ok(()),
            done => done,
        }
    }

    /// The number of the overlay that it was changed in, and its path there.
    pub(super) fn in_overlay(&self) -> Option<(usize, &Path)> {
        match &self.at {
            At::Upper(n, rel) => Some((*n, rel)),
            At::New(_) => None,
        }
    }

    /// The directory that it is kept in, and its name there.
    pub(super) fn kept(&self, entry: &Entry) -> Result<(OwnedFd, CString)> {
        match &self.at {
            At::New(n) => Ok((entry.files()?, of_new(*n))),
            At::Upper(n, rel) => {
                let upper = entry.upper(*n)?;
                let (above, name) = rel.parent().zip(rel.file_name()).ok_or(Errno::EINVAL)?;
                Ok((below(upper.as_fd(), above)?, c_path(name)))
            }
        }
    }
}

fn of_new(n: usize) -> CString {
    c_name(format!("{n}.new"))
}

/// The directory `path` below `top`, found without links.
fn below(top: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() { OsStr::new(".") } else { path.as_os_str() };
    open::without_links_at(top, &c_path(path))
}

/// Calls `found` for everything in an upper layer that is no directory, until that returns false. Returns whether this
/// was all. A directory too deep for a path counts as one that cannot be read.
fn walk(upper: BorrowedFd<'_>, mut found: impl FnMut(&Path, What) -> bool) -> Result<bool> {
    let mut ahead = vec![PathBuf::new()];
    while let Some(rel) = ahead.pop() {
        let listing = below(upper, &rel).and_then(|dir| open::same_mount(dir.as_fd(), c".", For::Listing));
        let listing = match listing {
            Ok(listing) => listing,
            Err(errno) if rel.as_os_str().is_empty() => return Err(errno),
            Err(_) if found(&rel, What::Other) => continue,
            Err(_) => return Ok(false),
        };
        let mut entries = Entries::new();
        while entries.read(listing.as_fd())? {
            for (name, kind) in entries.iter() {
                let path = rel.join(OsStr::from_bytes(name.to_bytes()));
                if kind == Some(Kind::Dir) {
                    ahead.push(path);
                    continue;
                }
                match what(listing.as_fd(), name)? {
                    None => {}
                    Some(_) if stat::kind_at(listing.as_fd(), name)? == Some(Kind::Dir) => ahead.push(path),
                    Some(what) if found(&path, what) => {}
                    Some(_) => return Ok(false),
                }
            }
        }
    }
    Ok(true)
}

/// What is kept under this name. `None` if there is nothing.
pub(super) fn what(dir: BorrowedFd<'_>, name: &CStr) -> Result<Option<What>> {
    let Some(about) = stat::look_at(dir, name)? else { return Ok(None) };
    Ok(Some(match about.kind() {
        Some(Kind::File) => What::File,
        Some(Kind::Link) => What::Link,
        // Overlayfs notes a removal so (kernel document filesystems/overlayfs, "whiteouts and opaque directories").
        Some(Kind::CharDevice) if about.rdev == 0 => What::Removal,
        _ => What::Other,
    }))
}
