//! What runs keep apart: `pinfold/kept/ID` in the user's state directory, with one entry for each run.
//!
//! An entry holds what a program has changed and the host must not obey unseen: the changes of overlays
//! ([`crate::spec::OverlayKind::Apart`]), and both versions of files that were put back ([`put_back`]). It is written
//! before the program starts. So a run that is killed leaves all that the next one needs to put things in order.
//!
//! ```text
//! ID.run/            until the run was put in order; its lock is on this directory
//! ID/                afterwards
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
pub(crate) mod same;
pub(crate) mod settings;
pub(crate) mod take;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::state;
use crate::sys::dir::Entries;
use crate::sys::mount::AT_FDCWD;
use crate::sys::open::{self, For};
use crate::sys::stat;
use crate::sys::{Errno, Result as SysResult, content, fd, make, statfs};
use crate::workspace::remove;
pub(crate) use items::{Item, What, items};
use names::{CLOSED, c_name, c_path, exists};
pub(crate) use record::{Copied, Overlay, Record};

/// The largest record and the largest base, in bytes.
const MOST: u64 = 16 << 20;
/// The directory of all entries, in that of pinfold.
const NAME: &CStr = c"kept";
const RECORD: &CStr = c"record.json";
/// The commits that boxes have made: lines of hexadecimal digits. 16 MiB of them are 400,000.
const MADE: &CStr = c"made";
/// So long does the last process of a box take to end after its supervisor was killed, at most.
const DYING: Duration = Duration::from_secs(2);
/// The letters of stores: that in the state directory, one in memory, one of the session.
const LETTERS: [char; 3] = ['k', 'm', 'r'];
/// The end of an empty file that keeps the last number from being used again: its user may have read it.
const PAST: &str = ".past";
/// The end of the name of an entry whose run was not put in order yet.
const OPEN: &str = ".run";

/// The directory of all entries.
#[derive(Debug)]
pub(crate) struct Store {
    dir: OwnedFd,
    letter: char,
    /// Its directories, the deepest first.
    paths: Vec<PathBuf>,
}

/// An entry whose lock this process has.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// Whether its run has not been put in order yet.
    is_open: bool,
    dir: OwnedFd,
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
        Ok(Store::of(state::open(state, NAME, uid)?, state))
    }

    /// Opens the store if there is one. Makes nothing.
    pub(crate) fn find(state: &Path, uid: u32) -> Result<Option<Store>, Error> {
        Ok(state::find(state, NAME, uid)?.map(|dir| Store::of(dir, state)))
    }

    fn of(dir: OwnedFd, state: &Path) -> Store {
        let letter = match state {
            _ if state.starts_with("/dev/shm") => LETTERS[1],
            _ if state.starts_with("/run") => LETTERS[2],
            _ => LETTERS[0],
        };
        let path = state.join("pinfold/kept");
        Store { letter, paths: path.ancestors().take(3).map(Path::to_owned).collect(), dir }
    }

    /// Opens the first of these stores that can be opened. Makes what is missing.
    ///
    /// # Errors
    /// That of the last one.
    pub(crate) fn first(states: &[&Path], uid: u32) -> Result<Store, Error> {
        let mut refused = Error::new(ErrorKind::Unsafe, "there is no directory for what changes");
        for state in states {
            match Store::open(state, uid) {
                Ok(store) => return Ok(store),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Whether a store in the state directory `state` could be opened and hold changes, as far as a look tells. Makes
    /// nothing.
    ///
    /// # Errors
    /// It is there, but is not the user's alone.
    pub(crate) fn may_hold_changes(state: &Path, uid: u32) -> Result<bool, Error> {
        if let Some(store) = Store::find(state, uid)? {
            return Ok(store.can_hold_changes());
        }
        let there =
            state.ancestors().find_map(|above| open::path(&c_path(above.as_os_str()), true).ok().zip(Some(above)));
        let there = there.filter(|(_, above)| *above != Path::new("/") || *above == state).map(|(there, _)| there);
        let is_writable = |dir: BorrowedFd<'_>| stat::is_writable_at(dir, c".").unwrap_or(false);
        Ok(there
            .is_some_and(|there| is_writable(there.as_fd()) && statfs::lists_inodes(there.as_fd()).unwrap_or(false)))
    }

    /// Whether the kernel can make overlays whose changes lie here. On another overlay or a network filesystem it
    /// cannot (`ovl_mount_dir_check` and `ovl_make_workdir` in fs/overlayfs), nor without `user.*` attributes.
    fn can_hold_changes(&self) -> bool {
        let is_known = statfs::lists_inodes(self.dir.as_fd()).unwrap_or(false);
        let here = c_name(format!("/proc/self/fd/{}", fd::number(self.dir.as_fd())));
        is_known && make::mark(&here, c"user.pinfold").is_ok()
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
        let (names, past) = self.listed()?;
        let mut next = names.iter().chain(&past).map(|name| name.number).max().unwrap_or(0) + 1;
        loop {
            let name = Name { letter: self.letter, number: next, is_open: true };
            // The number must be free in both forms.
            let is_free = !stat::has_name(self.dir.as_fd(), &Name { is_open: false, ..name }.of_dir())?;
            match make::rename_new(self.dir.as_fd(), &born, &name.of_dir()) {
                Ok(()) if is_free => return Ok(Entry { id: name.id(), is_open: true, dir }),
                Ok(()) => make::rename_new(self.dir.as_fd(), &name.of_dir(), &born)?,
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
            next += 1;
        }
    }

    /// The names of all entries, in the order of their numbers.
    pub(crate) fn ids(&self) -> SysResult<Vec<String>> {
        Ok(self.listed()?.0.into_iter().map(Name::id).collect())
    }

    /// The names of the entries in their order, and those that are past.
    fn listed(&self) -> SysResult<(Vec<Name>, Vec<Name>)> {
        let listing = open::same_mount(self.dir.as_fd(), c".", For::Listing)?;
        let (mut names, mut past) = (Vec::new(), Vec::new());
        let mut entries = Entries::new();
        while entries.read(listing.as_fd())? {
            for name in entries.iter().filter_map(|(name, _)| name.to_str().ok()) {
                names.extend(Name::read(name));
                past.extend(Name::of_past(name));
            }
        }
        names.sort_unstable();
        Ok((names, past))
    }

    /// Takes the lock of the entry `id`, if its run has ended.
    pub(crate) fn lock(&self, id: &str) -> SysResult<Locked> {
        let Some(name) = Name::read(id).filter(|name| !name.is_open) else { return Ok(Locked::Missing) };
        match self.lock_name(Name { is_open: true, ..name })? {
            Locked::Missing => self.lock_name(name),
            locked => Ok(locked),
        }
    }

    fn lock_name(&self, name: Name) -> SysResult<Locked> {
        let dir = match open::same_mount(self.dir.as_fd(), &name.of_dir(), For::Listing) {
            Err(Errno::ENOENT) => return Ok(Locked::Missing),
            opened => opened?,
        };
        if !fd::lock_alone(dir.as_fd())? {
            return Ok(Locked::Alive);
        }
        // Whoever had the lock before may have removed or renamed it.
        let there = stat::look_at(self.dir.as_fd(), &name.of_dir())?;
        let here = stat::look_at_open(dir.as_fd())?;
        if !there.is_some_and(|there| there.is_same_file(here)) {
            return Ok(Locked::Missing);
        }
        let entry = Entry { id: name.id(), is_open: name.is_open, dir };
        let is_alive = name.is_open && entry.read()?.is_some_and(|record| record.lives_on(DYING));
        Ok(if is_alive { Locked::Alive } else { Locked::Dead(entry) })
    }

    /// The entries whose run has ended and was not put in order, locked: the next run does that. Those of a newer
    /// version are left to that.
    pub(crate) fn dead(&self) -> SysResult<Vec<Entry>> {
        let mut dead = Vec::new();
        for name in self.listed()?.0.into_iter().filter(|name| name.is_open) {
            if let Locked::Dead(entry) = self.lock_name(name)?
                && entry.is_ours().unwrap_or(false)
            {
                dead.push(entry);
            }
        }
        Ok(dead)
    }

    /// Notes that the run of an entry was put in order. What is left waits for its user.
    pub(crate) fn close(&self, entry: &mut Entry) -> SysResult<()> {
        if std::mem::replace(&mut entry.is_open, false) {
            let name = Name::read(&entry.id).ok_or(Errno::EINVAL)?;
            make::rename_new(self.dir.as_fd(), &Name { is_open: true, ..name }.of_dir(), &name.of_dir())?;
        }
        Ok(())
    }

    /// The commits that boxes have made, in hexadecimal, of all repositories.
    pub(crate) fn made(&self) -> BTreeSet<Vec<u8>> {
        let text = content::read_at(self.dir.as_fd(), MADE, MOST).unwrap_or_default();
        text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect()
    }

    /// Adds to them.
    pub(crate) fn add_made(&self, ids: Vec<Vec<u8>>) -> SysResult<()> {
        let known = self.made();
        let new: BTreeSet<Vec<u8>> = ids.into_iter().filter(|id| !known.contains(id)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let lines: Vec<&[u8]> = known.iter().chain(&new).map(Vec::as_slice).collect();
        state::replace(self.dir.as_fd(), MADE, &lines.join(&b'\n'))
    }

    /// Removes an entry whose name its user may have read, so that no other one gets it.
    pub(crate) fn retire(&self, entry: &Entry) -> SysResult<()> {
        let of_file = |name: Name| c_name(format!("{}{PAST}", name.id()));
        let name = Name::read(&entry.id).ok_or(Errno::EINVAL)?;
        let (_, past) = self.listed()?;
        match make::new_file_at(self.dir.as_fd(), &of_file(name), 0o600) {
            Ok(_) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
        // One is enough, the last.
        for old in past.into_iter().filter(|old| old.number < name.number) {
            let _removed = make::unlink_at(self.dir.as_fd(), &of_file(old)).is_ok();
        }
        self.remove(entry)
    }

    /// Removes an entry with all that it holds.
    pub(crate) fn remove(&self, entry: &Entry) -> SysResult<()> {
        remove::tree(self.dir.as_fd(), &entry.name().ok_or(Errno::EINVAL)?)?;
        // In memory nobody expects a directory of ours. Where something is in one, it stays.
        if self.paths.last().is_some_and(|state| state.starts_with("/dev/shm")) {
            let remove = |path: &PathBuf| make::remove_dir_at(AT_FDCWD, &c_path(path.as_os_str())).is_ok();
            let _all = self.paths.iter().all(remove);
        }
        Ok(())
    }

    /// Its directory.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

impl Entry {
    /// Its directory.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Whether its run has not been put in order yet.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    fn name(&self) -> Option<CString> {
        Some(Name { is_open: self.is_open, ..Name::read(&self.id)? }.of_dir())
    }

    /// Makes the place for the changes of overlay number `n`, for [`crate::spec::OverlayKind::Apart`]. `base` is what
    /// is needed to compare them later.
    pub(crate) fn make_overlay(&self, n: usize, base: &[u8]) -> SysResult<()> {
        let name = c_name(n.to_string());
        make::dir_at(self.dir.as_fd(), &name, CLOSED)?;
        let dir = open::dir_at(self.dir.as_fd(), &name)?;
        make::dir_at(dir.as_fd(), c"upper", CLOSED)?;
        make::dir_at(dir.as_fd(), c"work", CLOSED)?;
        state::replace(dir.as_fd(), c"base", base)
    }

    /// Writes the base of overlay number `n` anew.
    pub(crate) fn write_base(&self, n: usize, base: &[u8]) -> SysResult<()> {
        state::replace(self.overlay(n)?.as_fd(), c"base", base)
    }

    /// The changes of overlay number `n`.
    pub(crate) fn upper(&self, n: usize) -> SysResult<OwnedFd> {
        open::same_mount(self.overlay(n)?.as_fd(), c"upper", For::Listing)
    }

    /// What was there before, for overlay number `n`.
    pub(crate) fn base(&self, n: usize) -> SysResult<Vec<u8>> {
        content::read_at(self.overlay(n)?.as_fd(), c"base", MOST)
    }

    fn overlay(&self, n: usize) -> SysResult<OwnedFd> {
        open::dir_at(self.dir.as_fd(), &c_name(n.to_string()))
    }

    /// Writes the record. The old one stays until the new one is complete.
    pub(crate) fn write(&self, record: &Record) -> SysResult<()> {
        state::replace(self.dir.as_fd(), RECORD, record.json().as_bytes())
    }

    /// Reads the record. `None` if there is none that this version understands.
    pub(crate) fn read(&self) -> SysResult<Option<Record>> {
        match content::read_at(self.dir.as_fd(), RECORD, MOST) {
            Ok(text) => Ok(Record::parse(&text)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Whether this version can put it in order: it understands the record, or there is none.
    pub(crate) fn is_ours(&self) -> SysResult<bool> {
        Ok(!stat::has_name(self.dir.as_fd(), RECORD)? || self.read()?.is_some())
    }

    /// Removes what the kernel has used for making the changes, and nobody can look at.
    pub(crate) fn drop_work(&self, record: &Record) -> SysResult<()> {
        for n in 0..record.overlays.len() {
            let dir = self.overlay(n)?;
            if stat::has_name(dir.as_fd(), c"work")? {
                remove::tree(dir.as_fd(), c"work")?;
            }
        }
        Ok(())
    }

    fn files(&self) -> SysResult<OwnedFd> {
        open::dir_at(self.dir.as_fd(), c"files")
    }
}

/// The name of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    /// That of the store: no two stores of a user have an entry of the same name.
    letter: char,
    number: u64,
    /// Whether its run has not been put in order yet.
    is_open: bool,
}

impl Name {
    fn read(name: &str) -> Option<Name> {
        let is_open = name.ends_with(OPEN);
        let letter = name.chars().next().filter(|letter| LETTERS.contains(letter))?;
        let number = name.strip_suffix(OPEN).unwrap_or(name).strip_prefix(letter)?.parse().ok()?;
        let read = Name { letter, number, is_open };
        (read.of_dir().to_bytes() == name.as_bytes()).then_some(read)
    }

    /// The number of an entry that was there once.
    fn of_past(name: &str) -> Option<Name> {
        Name::read(name.strip_suffix(PAST)?).filter(|name| !name.is_open)
    }

    fn id(self) -> String {
        format!("{}{}", self.letter, self.number)
    }

    fn of_dir(self) -> CString {
        c_name(format!("{}{}", self.id(), if self.is_open { OPEN } else { "" }))
    }
}
