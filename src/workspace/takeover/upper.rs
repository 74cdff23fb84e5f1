//! What a box has written into an overlay: its upper layer (kernel, `filesystems/overlayfs.rst`).
//!
//! The box chose every name, type and length in it. So it is listed once, along descriptors, within bounds.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::job::Bounds;
use super::side::{Side, join};
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result, content, xattr};

/// So long is a path at most, in bytes. A longer one could not be opened at once.
const LONGEST_PATH: usize = 4000;

/// An entry of an upper layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// The box has removed what is below.
    Whiteout,
    File,
    /// `is_opaque`: the box has removed what was in it before.
    Dir {
        is_opaque: bool,
    },
    /// A link, a fifo, a socket, a device, or something that cannot be opened.
    Other,
}

/// What a path is, as the box had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// As on the host.
    Same,
    Gone,
    File,
    Dir,
    Other,
}

/// An upper layer.
#[derive(Debug)]
pub(super) struct Upper<'a> {
    pub(super) side: Side<'a>,
    entries: RefCell<BTreeMap<Vec<u8>, Entry>>,
    /// Directories of objects that were not listed any more.
    pub(super) is_cut: bool,
}

impl<'a> Upper<'a> {
    /// Lists the layer. Objects come last: they are many, and each of them can be missed by itself.
    ///
    /// # Errors
    /// `E2BIG` if something beside the objects was not seen. What is known then may be wrong.
    pub(super) fn list(dir: BorrowedFd<'a>, bounds: &Bounds) -> Result<Upper<'a>> {
        let end = Instant::now() + bounds.time;
        let mut entries = BTreeMap::new();
        let (mut dirs, mut objects) = (VecDeque::from([Vec::new()]), VecDeque::new());
        let mut is_cut = false;
        while let Some(path) = dirs.pop_front().or_else(|| objects.pop_front()) {
            let is_objects = path.split(|&byte| byte == b'/').any(|part| part == b"objects");
            let is_over = entries.len() > bounds.entries || path.len() > LONGEST_PATH || Instant::now() > end;
            if is_over && is_objects {
                is_cut = true;
                break;
            } else if is_over {
                return Err(Errno::E2BIG);
            }
            list_dir(dir, &path, &mut entries, |below| {
                if is_objects || below.ends_with(b"/objects") || below == b"objects" {
                    objects.push_back(below);
                } else {
                    dirs.push_back(below);
                }
            })?;
        }
        Ok(Upper { side: Side(dir), entries: RefCell::new(entries), is_cut })
    }

    /// Whether the box has changed nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.borrow().is_empty()
    }

    pub(super) fn view(&self, path: &[u8]) -> View {
        let entries = self.entries.borrow();
        match entries.get(path) {
            Some(Entry::Whiteout) => return View::Gone,
            Some(Entry::File) => return View::File,
            Some(Entry::Dir { .. }) => return View::Dir,
            Some(Entry::Other) => return View::Other,
            None => {}
        }
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let hides = |end: usize| !matches!(entries.get(&path[..end]), None | Some(Entry::Dir { is_opaque: false }));
        if ends.into_iter().any(hides) { View::Gone } else { View::Same }
    }

    /// Whether the box has removed the directory `path`, and perhaps made another one.
    pub(super) fn is_replaced(&self, path: &[u8]) -> bool {
        let is_opaque = matches!(self.entries.borrow().get(path), Some(Entry::Dir { is_opaque: true }));
        is_opaque || !matches!(self.view(path), View::Same | View::Dir)
    }

    /// The entries below the directory `path`, with their paths.
    pub(super) fn below(&self, path: &[u8]) -> Vec<(Vec<u8>, Entry)> {
        let start = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        let entries = self.entries.borrow();
        let from = entries.range(start.clone()..).take_while(|(path, _)| path.starts_with(&start));
        from.map(|(path, entry)| (path.clone(), *entry)).collect()
    }

    /// The names in the directory `path` itself.
    pub(super) fn names(&self, path: &[u8]) -> Vec<(Vec<u8>, Entry)> {
        let start = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        let entries = self.entries.borrow();
        let (mut names, mut from) = (Vec::new(), start.clone());
        while let Some((below, entry)) = entries.range(from..).next().filter(|(below, _)| below.starts_with(&start)) {
            let name = &below[start.len()..];
            from = match name.iter().position(|&byte| byte == b'/') {
                // What is deeper is passed over, however much that is: this is the first path behind it.
                Some(slash) => [&start, &name[..slash], b"0"].concat(),
                None => {
                    names.push((name.to_vec(), *entry));
                    [below, &b"\0"[..]].concat()
                }
            };
        }
        names
    }

    /// Reads the file `path`, of `most` bytes at most.
    pub(super) fn read(&self, path: &[u8], most: u64) -> Result<Vec<u8>> {
        self.side.read(path, most)?.ok_or(Errno::ENOENT)
    }

    /// Forgets a file or a mark of removal: it is taken over, or says nothing.
    pub(super) fn forget(&self, path: &[u8]) -> Result<()> {
        self.side.remove(path)?;
        self.entries.borrow_mut().remove(path);
        Ok(())
    }

    /// Removes the directories that have become empty, the deepest first.
    pub(super) fn remove_empty_dirs(&self) -> Result<()> {
        let all = self.below(b"");
        for (path, _) in all.iter().rev().filter(|(_, entry)| matches!(entry, Entry::Dir { .. })) {
            if self.side.remove_empty(path)? {
                self.entries.borrow_mut().remove(path);
            }
        }
        Ok(())
    }
}

/// Lists the directory `path` of the layer `top`. `found` gets the directories in it.
fn list_dir(
    top: BorrowedFd<'_>,
    path: &[u8],
    entries: &mut BTreeMap<Vec<u8>, Entry>,
    mut found: impl FnMut(Vec<u8>),
) -> Result<()> {
    let place = Side(top).dir(path)?;
    let dir = match open::any_mount(place.as_fd(), c".", For::Listing) {
        Ok(dir) => dir,
        // The box has closed it. What is in it is not known, and stays.
        Err(Errno::EACCES) => {
            entries.insert(path.to_vec(), Entry::Other);
            return Ok(());
        }
        Err(errno) => return Err(errno),
    };
    let mark = xattr::first_byte(dir.as_fd(), c"user.overlay.opaque")?;
    if !path.is_empty() {
        entries.insert(path.to_vec(), Entry::Dir { is_opaque: mark == Some(b'y') });
    }
    let mut read = Entries::new();
    while read.read(dir.as_fd())? {
        for (name, kind) in read.iter() {
            let below = join(path, name.to_bytes());
            let kind = kind.map_or_else(|| stat::kind_at(dir.as_fd(), name), |kind| Ok(Some(kind)))?;
            let entry = match kind {
                Some(Kind::Dir) => {
                    found(below);
                    continue;
                }
                Some(Kind::CharDevice) => {
                    let about = stat::look_at(dir.as_fd(), name)?;
                    if about.is_some_and(|about| about.rdev == 0) { Entry::Whiteout } else { Entry::Other }
                }
                // Only in a directory with this mark a file can stand for a whiteout.
                Some(Kind::File) if mark == Some(b'x') => match content::open_at(dir.as_fd(), name) {
                    Ok(file) => match xattr::first_byte(file.as_fd(), c"user.overlay.whiteout") {
                        Ok(None) => Entry::File,
                        _ => Entry::Whiteout,
                    },
                    Err(_) => Entry::Other,
                },
                Some(Kind::File) => Entry::File,
                _ => Entry::Other,
            };
            entries.insert(below, entry);
        }
    }
    Ok(())
}
