//! Forgets what an overlay holds although nothing has changed: a file that was opened for writing, or written with the
//! content that it had, is in the upper layer too.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::take::MOST;
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result, content, make, xattr};
use crate::workspace::remove::list;

/// So deep are directories looked at. What lies deeper is kept.
const DEEPEST: usize = 64;

/// Whether nothing is in the directory.
pub(crate) fn is_empty(dir: BorrowedFd<'_>) -> Result<bool> {
    let listing = open::same_mount(dir, c".", For::Listing)?;
    let mut entries = Entries::new();
    while entries.read(listing.as_fd())? {
        if entries.iter().next().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes from the layer `upper` what is the same in `lower`.
pub(crate) fn forget(upper: BorrowedFd<'_>, lower: BorrowedFd<'_>) -> Result<()> {
    forget_below(upper, Some(lower), DEEPEST).map(drop)
}

/// Returns whether nothing is left.
fn forget_below(upper: BorrowedFd<'_>, lower: Option<BorrowedFd<'_>>, depth: usize) -> Result<bool> {
    let (mut dirs, mut files) = (Vec::new(), Vec::new());
    list(upper, |name, is_dir| if is_dir { dirs.push(name.to_owned()) } else { files.push(name.to_owned()) })?;
    let mut is_empty = true;
    for name in &files {
        if lower.is_some_and(|lower| is_same(upper, lower, name).unwrap_or(false)) {
            make::unlink_at(upper, name)?;
        } else {
            is_empty = false;
        }
    }
    for name in &dirs {
        is_empty &= forget_dir(upper, lower, name, depth).unwrap_or(false);
    }
    Ok(is_empty)
}

fn forget_dir(upper: BorrowedFd<'_>, lower: Option<BorrowedFd<'_>>, name: &CStr, depth: usize) -> Result<bool> {
    let depth = depth.checked_sub(1).ok_or(Errno::ELOOP)?;
    let dir = listed(upper, name)?;
    // What was in it before is removed, if it was there.
    if xattr::first_byte(dir.as_fd(), c"user.overlay.opaque")? == Some(b'y') {
        return Ok(false);
    }
    let below = lower.and_then(|lower| open::dir_at(lower, name).ok());
    let is_empty = forget_below(dir.as_fd(), below.as_ref().map(AsFd::as_fd), depth)?;
    // A new directory with nothing in it says nothing that anybody obeys.
    if is_empty {
        make::remove_dir_at(upper, name)?;
    }
    Ok(is_empty)
}

fn listed(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    open::same_mount(dir, name, For::Listing)
}

fn is_same(upper: BorrowedFd<'_>, lower: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
    let (Some(new), Some(old)) = (stat::look_at(upper, name)?, stat::look_at(lower, name)?) else { return Ok(false) };
    Ok(match (new.kind(), old.kind()) {
        (Some(Kind::File), Some(Kind::File)) => {
            let read = |dir: BorrowedFd<'_>| content::read_at(dir, name, MOST);
            new.permissions() == old.permissions() && read(upper)? == read(lower)?
        }
        (Some(Kind::Link), Some(Kind::Link)) => {
            let target = |dir: BorrowedFd<'_>| -> Result<CString> { content::read_link_at(dir, name) };
            target(upper)? == target(lower)?
        }
        _ => false,
    })
}
