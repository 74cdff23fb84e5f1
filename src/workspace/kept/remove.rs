//! Removes a tree that a program has written: it may be deeper than the stack or a path, and has directories of mode 0
//! (overlayfs leaves its `work/work` so).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use super::names::{CLOSED, c_name, exists};
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::Kind;
use crate::sys::{Errno, Result, make, stat};

/// Removes the directory `name` of `dir` with all that is in it. Follows no link.
///
/// Each directory below is first moved to one place beside the others. So nothing here depends on how deep they lie.
pub(super) fn tree(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let heap = c_name(format!(".gone-{}", name.to_string_lossy()));
    make::dir_at(dir, &heap, CLOSED).or_else(exists)?;
    let heap_dir = open::same_mount(dir, &heap, For::Listing)?;
    let mut next = 0;
    // What an earlier removal has left when it was killed has numbers already.
    let mut waiting = directories(heap_dir.as_fd())?;
    for known in &waiting {
        next = next.max(known.to_string_lossy().parse().unwrap_or(0) + 1);
    }
    let first = c_name(next.to_string());
    make::set_mode_of_place(open::dir_at(dir, name)?.as_fd(), CLOSED)?;
    make::rename_over(dir, name, heap_dir.as_fd(), &first)?;
    waiting.push(first);
    while let Some(one) = waiting.pop() {
        make::set_mode_of_place(open::dir_at(heap_dir.as_fd(), &one)?.as_fd(), CLOSED)?;
        let inside = open::same_mount(heap_dir.as_fd(), &one, For::Listing)?;
        for below in unlink_files(inside.as_fd())? {
            next += 1;
            let number = c_name(next.to_string());
            // The kernel wants to write to a directory whose parent changes.
            make::set_mode_of_place(open::dir_at(inside.as_fd(), &below)?.as_fd(), CLOSED)?;
            make::rename_over(inside.as_fd(), &below, heap_dir.as_fd(), &number)?;
            waiting.push(number);
        }
        make::remove_dir_at(heap_dir.as_fd(), &one)?;
    }
    make::remove_dir_at(dir, &heap)
}

/// Removes everything in `dir` but directories, whose names it returns.
fn unlink_files(dir: BorrowedFd<'_>) -> Result<Vec<std::ffi::CString>> {
    let (mut dirs, mut files) = (Vec::new(), Vec::new());
    list(dir, |name, is_dir| if is_dir { dirs.push(name.to_owned()) } else { files.push(name.to_owned()) })?;
    files.iter().try_for_each(|name| make::unlink_at(dir, name))?;
    Ok(dirs)
}

fn directories(dir: BorrowedFd<'_>) -> Result<Vec<std::ffi::CString>> {
    let mut dirs = Vec::new();
    list(dir, |name, is_dir| dirs.extend(is_dir.then(|| name.to_owned())))?;
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
