//! What runs keep apart: `pinfold/kept/ID` in the user's state directory, with one entry for each run.
//!
//! An entry holds what a program has changed and the host must not obey unseen: the changes of overlays
//! ([`crate::spec::OverlayKind::Apart`]), and both versions of files that were put back ([`put_back`]). It is written
//! before the program starts. So a run that is killed leaves all that the next one needs to put things in order.
//!
//! ```text
//! ID/                the lock of the run that lives is on this directory
//! ID/record.json     what the rest is about (see `record`)
//! ID/N/upper, work   the changes of overlay number N
//! ID/N/base          what is needed to compare them, in a form that this module does not know
//! ID/files/N         the old content of file number N, which is put back
//! ID/files/N.new     the content that was there instead
//! ```
//!
//! Whoever can write here decides what is taken over later. So each directory must belong to the user and be closed to
//! others, and no link is followed below the state directory. No box may show it.

mod items;
mod names;
pub(crate) mod put_back;
mod record;
mod remove;
pub(crate) mod take;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, ErrorKind, push_printable};
use crate::sys::dir::Entries;
use crate::sys::mount::AT_FDCWD;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result as SysResult, content, error_text, fd, make, statfs};
pub(crate) use items::{Item, What, items};
use names::{CLOSED, c_name, c_path, exists};
pub(crate) use record::{Copied, Overlay, Record};

/// The largest record and the largest base, in bytes.
const MOST: u64 = 16 << 20;
const RECORD: &CStr = c"record.json";

/// The directory of all entries.
#[derive(Debug)]
pub(crate) struct Store {
    dir: OwnedFd,
    path: PathBuf,
}

/// An entry whose lock this process has.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    dir: OwnedFd,
    path: PathBuf,
}

/// What an entry turned out to be.
#[derive(Debug)]
pub(crate) enum Locked {
    /// The run that made it lives.
    Alive,
    /// Nobody uses it any more.
    Dead(Entry),
    /// There is no such entry.
    Missing,
}

impl Store {
    /// Opens the store in the state directory `state` of the user `uid`. Makes what is missing.
    pub(crate) fn open(state: &Path, uid: u32) -> Result<Store, Error> {
        let failed = |errno: Errno| refused(state, error_text(errno as i32));
        let top = match open::path(&c_path(state.as_os_str()), true) {
            Err(Errno::ENOENT) => {
                make_all(state).map_err(failed)?;
                open::path(&c_path(state.as_os_str()), true)
            }
            opened => opened,
        };
        let top = top.map_err(failed)?;
        if stat::fstat(top.as_fd()).map_err(failed)?.owner != uid {
            return Err(refused(state, "it belongs to somebody else"));
        }
        Store::below(top, state, uid, true)?.ok_or_else(|| failed(Errno::ENOENT))
    }

    /// Opens the store if there is one. Makes nothing.
    pub(crate) fn find(state: &Path, uid: u32) -> Result<Option<Store>, Error> {
        match open::path(&c_path(state.as_os_str()), true) {
            Ok(top) => Store::below(top, state, uid, false),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(refused(state, error_text(errno as i32))),
        }
    }

    fn below(top: OwnedFd, state: &Path, uid: u32, makes: bool) -> Result<Option<Store>, Error> {
        let (mut dir, mut path) = (top, state.to_owned());
        for name in [c"pinfold", c"kept"] {
            path.push(OsStr::from_bytes(name.to_bytes()));
            dir = match own_dir(dir.as_fd(), name, uid, makes) {
                Ok(Some(dir)) => dir,
                Ok(None) => return Ok(None),
                Err(why) => return Err(refused(&path, &why)),
            };
        }
        Ok(Some(Store { dir, path }))
    }

    /// Whether the kernel can make overlays whose changes lie here. On another overlay or a network filesystem it
    /// cannot (`ovl_mount_dir_check` and `ovl_make_workdir` in fs/overlayfs), nor without `user.*` attributes.
    pub(crate) fn can_hold_changes(&self) -> bool {
        let is_known = statfs::lists_inodes(self.dir.as_fd()).unwrap_or(false);
        is_known && make::mark(&c_path(self.path.as_os_str()), c"user.pinfold").is_ok()
    }

    /// Makes an entry and locks it.
    pub(crate) fn begin(&self) -> SysResult<Entry> {
        // Others see it only once it is locked: until then it has a name that they pass over.
        static BORN: AtomicU32 = AtomicU32::new(0);
        let born = c_name(format!(".born-{}-{}", std::process::id(), BORN.fetch_add(1, Ordering::Relaxed)));
        match make::dir_at(self.dir.as_fd(), &born, CLOSED) {
            // Of a process with the same number that has been killed just here.
            Err(Errno::EEXIST) => {}
            made => made?,
        }
        let dir = open::same_mount(self.dir.as_fd(), &born, For::Listing)?;
        if !fd::lock_alone(dir.as_fd())? {
            return Err(Errno::EBUSY);
        }
        make::dir_at(dir.as_fd(), c"files", CLOSED).or_else(exists)?;
        let numbers = self.ids()?.into_iter().filter_map(|id| id[1..].parse::<u64>().ok());
        let mut next = numbers.max().unwrap_or(0) + 1;
        loop {
            let id = format!("k{next}");
            match make::rename_new(self.dir.as_fd(), &born, &c_name(id.clone())) {
                Ok(()) => return Ok(Entry { path: self.path.join(&id), id, dir }),
                Err(Errno::EEXIST) => next += 1,
                Err(errno) => return Err(errno),
            }
        }
    }

    /// The names of all entries, in the order of their numbers.
    pub(crate) fn ids(&self) -> SysResult<Vec<String>> {
        let listing = open::same_mount(self.dir.as_fd(), c".", For::Listing)?;
        let mut ids: Vec<(u64, String)> = Vec::new();
        let mut entries = Entries::new();
        while entries.read(listing.as_fd())? {
            ids.extend(entries.iter().filter_map(|(name, _)| numbered(name.to_str().ok()?)));
        }
        ids.sort_unstable();
        Ok(ids.into_iter().map(|(_, id)| id).collect())
    }

    /// Takes the lock of the entry `id`, if its run has ended.
    pub(crate) fn lock(&self, id: &str) -> SysResult<Locked> {
        let Some((_, id)) = numbered(id) else { return Ok(Locked::Missing) };
        let name = c_name(id.clone());
        let dir = match open::same_mount(self.dir.as_fd(), &name, For::Listing) {
            Err(Errno::ENOENT) => return Ok(Locked::Missing),
            opened => opened?,
        };
        if !fd::lock_alone(dir.as_fd())? {
            return Ok(Locked::Alive);
        }
        // Whoever had the lock before may have removed it.
        let there = stat::look_at(self.dir.as_fd(), &name)?;
        let here = stat::look_at_open(dir.as_fd())?;
        if !there.is_some_and(|there| there.is_same_file(here)) {
            return Ok(Locked::Missing);
        }
        Ok(Locked::Dead(Entry { path: self.path.join(&id), id, dir }))
    }

    /// The entries whose run has ended, locked: what the next run puts in order.
    pub(crate) fn dead(&self) -> SysResult<Vec<Entry>> {
        let mut dead = Vec::new();
        for id in self.ids()? {
            if let Locked::Dead(entry) = self.lock(&id)? {
                dead.push(entry);
            }
        }
        Ok(dead)
    }

    /// Removes an entry with all that it holds.
    pub(crate) fn remove(&self, entry: &Entry) -> SysResult<()> {
        remove::tree(self.dir.as_fd(), &c_name(entry.id.clone()))
    }
}

impl Entry {
    /// Makes the place for the changes of overlay number `n`, for [`crate::spec::OverlayKind::Apart`]. `base` is what
    /// is needed to compare them later.
    pub(crate) fn make_overlay(&self, n: usize, base: &[u8]) -> SysResult<PathBuf> {
        let name = c_name(n.to_string());
        make::dir_at(self.dir.as_fd(), &name, CLOSED)?;
        let dir = open::dir_at(self.dir.as_fd(), &name)?;
        make::dir_at(dir.as_fd(), c"upper", CLOSED)?;
        make::dir_at(dir.as_fd(), c"work", CLOSED)?;
        write(dir.as_fd(), c"base", base)?;
        Ok(self.path.join(n.to_string()))
    }

    /// The changes of overlay number `n`, and its base.
    pub(crate) fn overlay(&self, n: usize) -> SysResult<(OwnedFd, Vec<u8>)> {
        let dir = open::dir_at(self.dir.as_fd(), &c_name(n.to_string()))?;
        Ok((open::same_mount(dir.as_fd(), c"upper", For::Listing)?, content::read_at(dir.as_fd(), c"base", MOST)?))
    }

    /// Writes the record. The old one stays until the new one is complete.
    pub(crate) fn write(&self, record: &Record) -> SysResult<()> {
        write(self.dir.as_fd(), RECORD, record.json().as_bytes())
    }

    /// Reads the record. `None` if there is none that this version understands.
    pub(crate) fn read(&self) -> SysResult<Option<Record>> {
        match content::read_at(self.dir.as_fd(), RECORD, MOST) {
            Ok(text) => Ok(Record::parse(&text)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    fn files(&self) -> SysResult<OwnedFd> {
        open::dir_at(self.dir.as_fd(), c"files")
    }
}

/// Writes the file `name` of `dir`: first under another name, so that nobody ever reads a part of it.
fn write(dir: BorrowedFd<'_>, name: &CStr, bytes: &[u8]) -> SysResult<()> {
    let other = CString::new([name.to_bytes(), b".part"].concat()).map_err(|_| Errno::EINVAL)?;
    make::unlink_at(dir, &other).or_else(|errno| if errno == Errno::ENOENT { Ok(()) } else { Err(errno) })?;
    let file = make::new_file_at(dir, &other, 0o600)?;
    content::write_all(file.as_fd(), bytes)?;
    make::rename_over(dir, &other, dir, name)
}

/// Opens the directory `name` of `dir`, which must belong to the user alone, or makes it.
pub(super) fn own_dir(dir: BorrowedFd<'_>, name: &CStr, uid: u32, makes: bool) -> Result<Option<OwnedFd>, String> {
    let failed = |errno: Errno| error_text(errno as i32).to_owned();
    if makes {
        make::dir_at(dir, name, CLOSED).or_else(exists).map_err(failed)?;
    }
    let own = match open::dir_at(dir, name) {
        Ok(own) => own,
        Err(Errno::ENOENT) if !makes => return Ok(None),
        Err(Errno::ENOTDIR | Errno::ELOOP) if stat::kind_at(dir, name) == Ok(Some(Kind::Link)) => {
            return Err("it is a link, and links are not followed here".into());
        }
        Err(errno) => return Err(failed(errno)),
    };
    let about = stat::fstat(own.as_fd()).map_err(failed)?;
    if about.owner != uid {
        return Err("it belongs to somebody else".into());
    }
    if about.permissions() & 0o077 != 0 {
        return Err(format!("others may use it (mode {:o}): chmod 700 closes it", about.permissions()));
    }
    Ok(Some(own))
}

/// Makes `path` and the directories above it.
pub(super) fn make_all(path: &Path) -> SysResult<()> {
    let mut missing: Vec<&Path> = Vec::new();
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && stat::stat(&c_path(path.as_os_str())).is_err();
    missing.extend(path.ancestors().take_while(is_missing));
    // The XDG Base Directory Specification wants them closed to others.
    missing.iter().rev().try_for_each(|path| make::dir_at(AT_FDCWD, &c_path(path.as_os_str()), CLOSED).or_else(exists))
}

/// The number in the name of an entry, and the name.
fn numbered(name: &str) -> Option<(u64, String)> {
    let number = name.strip_prefix('k')?.parse().ok()?;
    (name == format!("k{number}")).then(|| (number, name.to_owned()))
}

fn refused(path: &Path, why: &str) -> Error {
    let mut message = b"Can't keep changes in ".to_vec();
    push_printable(&mut message, path);
    message.extend_from_slice(b": ");
    message.extend_from_slice(why.as_bytes());
    Error::new(ErrorKind::Unsafe, message)
}
