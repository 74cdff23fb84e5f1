//! A git directory, opened: files in it are reached by relative paths, and no link is followed on the way.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::thread::sleep;
use std::time::Duration;

use crate::sys::dir::Entries;
use crate::sys::open;
use crate::sys::stat::{self, Kind, Stat};
use crate::sys::{Errno, Result, content, make};
use crate::workspace::remove;

/// What our own files in the user's git directory end with. They last as long as one write.
const OWN: &str = ".pinfold";

/// So often, and with so long between, a lock is asked for that somebody else holds: a second in all.
pub(super) const LOCK_TRIES: u32 = 10;
pub(super) const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// What tells whether a file has been replaced or changed since: its inode number and the time of its last change. The
/// number of the device is no part of it, because it may be another one after a restart of the machine.
pub(super) type Identity = (u64, i64, i64);

/// A directory that paths are relative to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Side<'a>(pub(super) BorrowedFd<'a>);

/// The directory that holds a path.
enum Above<'a> {
    Here(BorrowedFd<'a>),
    Below(OwnedFd),
}

impl AsFd for Above<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Above::Here(dir) => *dir,
            Above::Below(dir) => dir.as_fd(),
        }
    }
}

impl<'a> Side<'a> {
    /// The directory that holds `path`, and the last part of `path`.
    fn parent(self, path: &[u8]) -> Result<(Above<'a>, CString)> {
        let Some(slash) = path.iter().rposition(|&byte| byte == b'/') else {
            return Ok((Above::Here(self.0), text(path)?));
        };
        let above = open::without_links_at(self.0, &text(&path[..slash])?)?;
        Ok((Above::Below(above), text(&path[slash + 1..])?))
    }

    /// Reads the regular file `path`, of `most` bytes at most. `None` if there is nothing.
    pub(super) fn read(self, path: &[u8], most: u64) -> Result<Option<Vec<u8>>> {
        let read = self.parent(path).and_then(|(dir, name)| content::read_at(dir.as_fd(), &name, most));
        absent(read)
    }

    /// Opens the regular file `path` for reading.
    pub(super) fn open(self, path: &[u8]) -> Result<OwnedFd> {
        let (dir, name) = self.parent(path)?;
        content::open_at(dir.as_fd(), &name)
    }

    pub(super) fn look(self, path: &[u8]) -> Result<Option<Stat>> {
        let look = self.parent(path).and_then(|(dir, name)| stat::look_at(dir.as_fd(), &name));
        absent(look).map(Option::flatten)
    }

    pub(super) fn identity(self, path: &[u8]) -> Result<Option<Identity>> {
        Ok(self.look(path)?.map(|about| (about.inode, about.changed.0, about.changed.1)))
    }

    /// How long the regular file `path` is, in bytes.
    pub(super) fn size(self, path: &[u8]) -> Result<u64> {
        let file = self.open(path)?;
        std::fs::File::from(file).metadata().map(|about| about.len()).map_err(|_| Errno::EIO)
    }

    pub(super) fn is_dir(self, path: &[u8]) -> Result<bool> {
        Ok(self.look(path)?.is_some_and(Stat::is_dir))
    }

    /// Opens the directory `path` as a location. An empty path is the directory itself.
    pub(super) fn dir(self, path: &[u8]) -> Result<OwnedFd> {
        let place = open::without_links_at(self.0, &text(if path.is_empty() { b"." } else { path })?)?;
        if stat::fstat(place.as_fd())?.is_dir() { Ok(place) } else { Err(Errno::ENOTDIR) }
    }

    /// The names in the directory `path`, with their types. None if there is no such directory.
    pub(super) fn names(self, path: &[u8]) -> Result<Vec<(Vec<u8>, Option<Kind>)>> {
        let path = text(if path.is_empty() { b"." } else { path })?;
        let Some(dir) = absent(open::listing_without_links(self.0, &path))? else { return Ok(Vec::new()) };
        let (mut entries, mut names) = (Entries::new(), Vec::new());
        while entries.read(dir.as_fd())? {
            for (name, kind) in entries.iter() {
                let kind = kind.map_or_else(|| stat::kind_at(dir.as_fd(), name), |kind| Ok(Some(kind)))?;
                names.push((name.to_bytes().to_vec(), kind));
            }
        }
        Ok(names)
    }

    /// Makes the directory `path`, and those above it that are missing.
    pub(super) fn make_dirs(self, path: &[u8]) -> Result<()> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let (dir, name) = self.parent(&path[..end])?;
            match make::dir_at(dir.as_fd(), &name, 0o755) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Removes the file `path`, if it exists.
    pub(super) fn remove(self, path: &[u8]) -> Result<()> {
        let removed = self.parent(path).and_then(|(dir, name)| make::unlink_at(dir.as_fd(), &name));
        absent(removed).map(drop)
    }

    /// Removes the directory `path`, if it exists and is empty.
    pub(super) fn remove_empty(self, path: &[u8]) -> Result<bool> {
        match self.parent(path).and_then(|(dir, name)| make::remove_dir_at(dir.as_fd(), &name)) {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT | Errno::ENOTEMPTY | Errno::EEXIST | Errno::ENOTDIR) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Removes what stands at `path` and all below it, if anything does. The name is one of ours, but a box may have
    /// put anything there. No link is followed.
    pub(super) fn remove_all(self, path: &[u8]) -> Result<()> {
        let Some((dir, name)) = absent(self.parent(path))? else { return Ok(()) };
        remove::whatever(dir.as_fd(), &name)
    }

    /// Exchanges `one` and `other`, in one step.
    pub(super) fn exchange(self, one: &[u8], other: &[u8]) -> Result<()> {
        let ((one_dir, one), (other_dir, other)) = (self.parent(one)?, self.parent(other)?);
        make::exchange((one_dir.as_fd(), &one), (other_dir.as_fd(), &other))
    }

    /// Renames `from` to `to` of another side, and replaces what is there.
    pub(super) fn rename(self, from: &[u8], to_side: Side<'_>, to: &[u8]) -> Result<()> {
        let ((from_dir, from), (to_dir, to)) = (self.parent(from)?, to_side.parent(to)?);
        make::rename_over(from_dir.as_fd(), &from, to_dir.as_fd(), &to)
    }

    /// Writes `bytes` to the file `path` by a temporary file, so that nobody ever reads a part of it.
    pub(super) fn write(self, path: &[u8], bytes: &[u8]) -> Result<()> {
        let (dir, name) = self.parent(path)?;
        let temporary = temporary(dir.as_fd(), &name, bytes)?;
        make::rename_over(dir.as_fd(), &temporary, dir.as_fd(), &name)
    }

    /// Writes the file `path`, or removes it, under git's own lock (`PATH.lock`; git's lockfile.h). With the lock held
    /// `is_wanted` looks once more. Returns whether it was done. `EAGAIN`: somebody else holds the lock.
    ///
    /// The lock is a second name of the temporary file. So if we are killed, the next run knows the lock for ours.
    pub(super) fn write_locked(
        self,
        path: &[u8],
        bytes: Option<&[u8]>,
        is_wanted: &dyn Fn() -> Result<bool>,
    ) -> Result<bool> {
        let (dir, name) = self.parent(path)?;
        let dir = dir.as_fd();
        let lock = with_end(&name, ".lock")?;
        let own = with_end(&name, OWN)?;
        // Of a run that was killed.
        if let (Some(old), Some(held)) = (stat::look_at(dir, &own)?, stat::look_at(dir, &lock)?)
            && old.is_same_file(held)
        {
            make::unlink_at(dir, &lock)?;
        }
        let temporary = temporary(dir, &name, bytes.unwrap_or_default())?;
        let locked = take_lock(dir, &temporary, &lock);
        let done = locked.and_then(|()| {
            let done = is_wanted().and_then(|is_wanted| match (is_wanted, bytes) {
                (false, _) => Ok(false),
                (true, Some(_)) => make::rename_over(dir, &lock, dir, &name).map(|()| true),
                (true, None) => absent(make::unlink_at(dir, &name)).map(|_| true),
            });
            if !matches!((&done, bytes), (Ok(true), Some(_))) {
                make::unlink_at(dir, &lock)?;
            }
            done
        });
        make::unlink_at(dir, &temporary)?;
        done
    }
}

fn take_lock(dir: BorrowedFd<'_>, temporary: &CStr, lock: &CStr) -> Result<()> {
    for _ in 0..LOCK_TRIES {
        match make::second_name(dir, temporary, lock) {
            Err(Errno::EEXIST) => sleep(LOCK_PAUSE),
            result => return result,
        }
    }
    Err(Errno::EAGAIN)
}

/// Makes the temporary file for `name` in `dir`, and returns what it is called.
fn temporary(dir: BorrowedFd<'_>, name: &CStr, bytes: &[u8]) -> Result<CString> {
    let temporary = with_end(name, OWN)?;
    remove::whatever(dir, &temporary)?;
    let file = make::new_file_at(dir, &temporary, 0o644)?;
    content::write_all(file.as_fd(), bytes)?;
    Ok(temporary)
}

fn with_end(name: &CStr, end: &str) -> Result<CString> {
    text(&[name.to_bytes(), end.as_bytes()].concat())
}

fn text(path: &[u8]) -> Result<CString> {
    CString::new(path).map_err(|_| Errno::EINVAL)
}

/// `None` for something that does not exist.
pub(super) fn absent<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(errno),
    }
}

pub(super) fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}
