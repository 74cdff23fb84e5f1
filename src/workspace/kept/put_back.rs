//! Files that are put back: single files that the host obeys and git tracks. Git must be able to replace them, which no
//! mount allows, so they are live during the run. Their content is copied before it, and compared with it at the end.
//! If it has changed, the old content is put back, and the new one is kept in the entry.
//!
//! Everything is compared by its bytes: a store through a shared mapping changes no time of a file.
//!
//! Each step can be the last one before a kill. The next run does the same again, with the same result.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::names::{c_name, c_path, exists};
use super::{Copied, Entry, Record};
use crate::state;
use crate::sys::{Errno, Result, content, kernel, make, open, stat};
use crate::workspace::remove;

/// The largest file that is copied, in bytes. A larger one cannot be put back, and so is to be held.
pub(crate) const MOST: u64 = 1 << 20;
/// Appended to the name of what cannot be kept in the entry and was set aside beside the file.
pub(crate) const ASIDE: &str = "from-sandbox";
/// How many short names are tried for it, and as many random ones, which no box can have taken.
const MOST_ASIDE: u32 = 10;

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is as it was.
    Same,
    /// It has changed, to a content that the user has written before the run.
    Own,
    /// The old content is back. The new one is in the entry.
    PutBack,
    /// The old content is back. It was missing.
    Restored,
    /// The old content is back. What was there, a link or something else that is no small file, has this name now.
    SetAside(CString),
    /// The old content cannot be put back, and is in the entry: there is no such directory any more, or no way to it.
    Away(Errno),
}

/// Copies a file as number `n` of `entry`. `None` if it is larger than [`MOST`].
pub(crate) fn copy(entry: &Entry, n: usize, path: &Path) -> Result<Option<Copied>> {
    let (dir, name) = opened(path)?;
    let Some(about) = stat::look_at(dir.as_fd(), &name)? else { return Err(Errno::ENOENT) };
    let bytes = match content::read_at(dir.as_fd(), &name, MOST) {
        Err(Errno::EFBIG) => return Ok(None),
        bytes => bytes?,
    };
    state::replace(entry.files()?.as_fd(), &c_name(n.to_string()), &bytes)?;
    Ok(Some(Copied { path: path.to_owned(), mode: about.permissions(), modified: about.modified }))
}

/// Puts file number `n` back, if it has changed. `is_own` says whether a content is the user's own, in a version that
/// the run did not make. Where that cannot be because of what the box has made of the way there, or nobody will try it
/// again (`is_last`), the old content is kept instead.
pub(crate) fn restore(
    entry: &Entry,
    n: usize,
    file: &Copied,
    is_own: impl Fn(&[u8]) -> bool,
    is_last: bool,
) -> Result<Outcome> {
    match put_back(entry, n, file, is_own) {
        Err(errno) if is_last || matches!(errno, Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES | Errno::EPERM) => {
            let files = entry.files()?;
            if let Ok(old) = content::read_at(files.as_fd(), &c_name(n.to_string()), MOST) {
                state::replace(files.as_fd(), &c_name(format!("{n}.new")), &old)?;
            }
            Ok(Outcome::Away(errno))
        }
        done => done,
    }
}

fn put_back(entry: &Entry, n: usize, file: &Copied, is_own: impl Fn(&[u8]) -> bool) -> Result<Outcome> {
    let files = entry.files()?;
    let (number, new) = (c_name(n.to_string()), c_name(format!("{n}.new")));
    let old = content::read_at(files.as_fd(), &number, MOST)?;
    let (dir, name) = match opened(&file.path) {
        Ok((dir, name)) if stat::is_writable_at(dir.as_fd(), c".")? => (dir, name),
        // The box may have closed a directory on the way. Opened again, the file would be what the box has made of it.
        Ok(_) | Err(Errno::ENOENT | Errno::EACCES) => way(&file.path, true)?,
        Err(errno) => return Err(errno),
    };
    let dir = dir.as_fd();
    let part = c_name(format!(".pinfold-{}-{n}", entry.id));
    let before = match content::read_at(dir, &name, MOST) {
        Ok(bytes) if bytes == old => {
            remove::whatever(dir, &part)?;
            let mode = stat::look_at(dir, &name)?.map_or(file.mode, stat::Stat::permissions);
            if mode != file.mode {
                make::set_mode_of_place(open::path_at(dir, &name)?.as_fd(), file.mode)?;
            }
            return Ok(Outcome::Same);
        }
        Ok(bytes) if is_own(&bytes) => return Ok(Outcome::Own),
        Ok(bytes) => {
            state::replace(files.as_fd(), &new, &bytes)?;
            Some(bytes)
        }
        Err(Errno::ENOENT) => {
            replace(dir, &part, &name, (&old, file))?;
            return Ok(Outcome::Restored);
        }
        // A link, a directory, a device, a file that is too large or cannot be read.
        Err(_) => None,
    };
    let aside = set_aside(dir, &name)?;
    replace(dir, &part, &name, (&old, file))?;
    // Somebody may have written to it since it was read. Then it stays beside the file.
    if before.is_some() && content::read_at(dir, &aside, MOST).ok() == before {
        make::unlink_at(dir, &aside)?;
        return Ok(Outcome::PutBack);
    }
    Ok(Outcome::SetAside(aside))
}

/// Puts all files of an entry back, once: afterwards its user may take the new ones. `is_own` says of a path and a
/// content whether it is the user's own. Returns what became of each. If one could not be put back, the next run tries
/// again, but for the last attempt.
pub(crate) fn restore_all(
    entry: &Entry,
    record: &mut Record,
    is_own: &dyn Fn(&Path, &[u8]) -> bool,
    is_last: bool,
) -> Result<Vec<(usize, Result<Outcome>)>> {
    if record.is_put_back {
        return Ok(Vec::new());
    }
    let each = record.files.iter().enumerate();
    let done: Vec<_> =
        each.map(|(n, file)| (n, restore(entry, n, file, |now| is_own(&file.path, now), is_last))).collect();
    record.is_put_back = done.iter().all(|(_, outcome)| outcome.is_ok());
    entry.write(record)?;
    Ok(done)
}

/// Makes the file `name` with the old content, in one step. It must not exist.
fn replace(dir: BorrowedFd<'_>, part: &CStr, name: &CStr, (old, file): (&[u8], &Copied)) -> Result<()> {
    // Of a run that was killed here, or what a box has put there.
    remove::whatever(dir, part)?;
    let made = make::new_file_at(dir, part, 0o600)?;
    content::write_all(made.as_fd(), old)?;
    make::set_mode(made.as_fd(), file.mode)?;
    make::set_modified(made.as_fd(), file.modified)?;
    make::rename_new(dir, part, name)
}

/// Renames what has this name, and returns its new one.
fn set_aside(dir: BorrowedFd<'_>, name: &CStr) -> Result<CString> {
    let name_text = name.to_bytes();
    for number in 1..=2 * MOST_ASIDE {
        let end = match number {
            1 => format!(".{ASIDE}"),
            2..=MOST_ASIDE => format!(".{ASIDE}.{number}"),
            _ => format!(".{ASIDE}.{:016x}", kernel::random()),
        };
        let aside = CString::new([name_text, end.as_bytes()].concat()).map_err(|_| Errno::EINVAL)?;
        match make::rename_new(dir, name, &aside) {
            Err(Errno::EEXIST) => {}
            done => return done.map(|()| aside),
        }
    }
    Err(Errno::EEXIST)
}

/// The directory of a file, found without links, and the file's name.
pub(super) fn opened(path: &Path) -> Result<(OwnedFd, CString)> {
    let (above, name) = split(path)?;
    Ok((open::dir_without_links(&c_path(above.as_os_str()))?, name))
}

/// The same. Makes the directories that are missing.
pub(super) fn remade(path: &Path) -> Result<(OwnedFd, CString)> {
    way(path, false)
}

/// The same; `opens`: the user's permissions are added to directories on the way that lack them.
fn way(path: &Path, opens: bool) -> Result<(OwnedFd, CString)> {
    let (above, name) = split(path)?;
    let mut dir = open::dir_without_links(c"/")?;
    for part in above.components().skip(1) {
        let part = c_path(part.as_os_str());
        let mut found = open::dir_at(dir.as_fd(), &part);
        if found.as_ref().err() == Some(&Errno::EACCES) && opens {
            add_permissions(dir.as_fd())?;
            found = open::dir_at(dir.as_fd(), &part);
        }
        dir = match found {
            Err(Errno::ENOENT) => {
                make::dir_at(dir.as_fd(), &part, 0o755).or_else(exists)?;
                open::dir_at(dir.as_fd(), &part)?
            }
            found => found?,
        };
    }
    if opens && !stat::is_writable_at(dir.as_fd(), c".")? {
        // In the directory of somebody else the file may be as it was.
        let _added = add_permissions(dir.as_fd()).is_ok();
    }
    Ok((dir, name))
}

fn add_permissions(dir: BorrowedFd<'_>) -> Result<()> {
    make::set_mode_of_place(dir, stat::fstat(dir)?.permissions() | 0o700)
}

fn split(path: &Path) -> Result<(&Path, CString)> {
    let (above, name) = path.parent().zip(path.file_name()).ok_or(Errno::EINVAL)?;
    Ok((above, CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)?))
}
