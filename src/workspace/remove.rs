//! Removes a tree that a program has written: it may be deeper than the stack or a path, and has directories of mode 0
//! (overlayfs leaves its `work/work` so).

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::state::CLOSED;
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::Kind;
use crate::sys::{Errno, Result, make, stat};

/// Removes the directory `name` of `dir` with all that is in it. Follows no link.
///
/// Each directory below is first moved to one place beside the others. So nothing here depends on how deep they lie.
pub(super) fn tree(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let heap = CString::new([b".gone-", name.to_bytes()].concat()).map_err(|_| Errno::EINVAL)?;
    let heap_dir = heap_in(dir, &heap)?;
    let mut next = 0_u64;
    // What an earlier removal has left when it was killed has numbers already.
    let mut waiting = unlink_files(heap_dir.as_fd())?;
    for known in &waiting {
        next = next.max(known.to_string_lossy().parse().unwrap_or(0) + 1);
    }
    let first = numbered(next)?;
    make::set_mode_of_place(open::dir_at(dir, name)?.as_fd(), CLOSED)?;
    make::rename_over(dir, name, heap_dir.as_fd(), &first)?;
    waiting.push(first);
    while let Some(one) = waiting.pop() {
        make::set_mode_of_place(open::dir_at(heap_dir.as_fd(), &one)?.as_fd(), CLOSED)?;
        let inside = open::same_mount(heap_dir.as_fd(), &one, For::Listing)?;
        for below in unlink_files(inside.as_fd())? {
            next += 1;
            let number = numbered(next)?;
            // The kernel wants to write to a directory whose parent changes.
            make::set_mode_of_place(open::dir_at(inside.as_fd(), &below)?.as_fd(), CLOSED)?;
            make::rename_over(inside.as_fd(), &below, heap_dir.as_fd(), &number)?;
            waiting.push(number);
        }
        make::remove_dir_at(heap_dir.as_fd(), &one)?;
    }
    make::remove_dir_at(dir, &heap)
}

fn numbered(number: u64) -> Result<CString> {
    CString::new(number.to_string()).map_err(|_| Errno::EINVAL)
}

/// Removes what has this name in `dir`, whatever it is, if anything has. Follows no link.
pub(super) fn whatever(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    match make::unlink_at(dir, name) {
        // The kernel's answer for a directory, and that of POSIX.
        Err(Errno::EISDIR | Errno::EPERM) => tree(dir, name),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
        done => done,
    }
}

/// Opens the directory `heap` of `dir`, and makes it. What somebody has put there instead goes.
fn heap_in(dir: BorrowedFd<'_>, heap: &CStr) -> Result<OwnedFd> {
    if let Err(errno) = make::dir_at(dir, heap, CLOSED) {
        if errno != Errno::EEXIST {
            return Err(errno);
        }
        match make::unlink_at(dir, heap) {
            Ok(()) => make::dir_at(dir, heap, CLOSED)?,
            Err(_) => make::set_mode_of_place(open::dir_at(dir, heap)?.as_fd(), CLOSED)?,
        }
    }
    open::same_mount(dir, heap, For::Listing)
}

/// Removes everything in `dir` but directories, whose names it returns.
fn unlink_files(dir: BorrowedFd<'_>) -> Result<Vec<CString>> {
    let (mut dirs, mut files) = (Vec::new(), Vec::new());
    list(dir, |name, is_dir| if is_dir { dirs.push(name.to_owned()) } else { files.push(name.to_owned()) })?;
    files.iter().try_for_each(|name| make::unlink_at(dir, name))?;
    Ok(dirs)
}

pub(super) fn list(dir: BorrowedFd<'_>, mut found: impl FnMut(&CStr, bool)) -> Result<()> {
    let mut entries = Entries::new();
    while entries.read(dir)? {
        for (name, kind) in entries.iter() {
            let kind = match kind {
                Some(kind) => Some(kind),
                None => match stat::kind_at(dir, name) {
                    Err(Errno::ENOENT) => continue,
                    kind => kind?,
                },
            };
            found(name, kind == Some(Kind::Dir));
        }
    }
    Ok(())
}
