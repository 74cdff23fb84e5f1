//! Takes a kept file over to the host, because its user wants it. What the host has there takes its place in the entry.
//! So nothing is lost, and the same again undoes it; what is new leaves the entry.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};

use super::Entry;
use super::items::{Item, What, what};
use super::names::c_name;
use super::put_back::{opened, remade};
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result, content, make};
use crate::workspace::remove;

/// The largest file that is taken or shown, in bytes.
pub(crate) const MOST: u64 = 256 << 20;
/// The host's version on its way into the entry.
const PART: &CStr = c"take.part";

/// The content of a file. `None` if it is no regular file.
type Content = Option<Vec<u8>>;

/// The content of a kept file, and that of the host's.
pub(crate) fn contents(entry: &Entry, item: &Item) -> Result<(Content, Content)> {
    let read = |dir: BorrowedFd<'_>, name: &CStr| match content::read_at(dir, name, MOST) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Errno::ENOENT | Errno::ELOOP | Errno::EISDIR | Errno::EINVAL) => Ok(None),
        Err(errno) => Err(errno),
    };
    let (kept, kept_name) = item.kept(entry)?;
    let present = match opened(&item.path) {
        Ok((dir, name)) => read(dir.as_fd(), &name)?,
        Err(Errno::ENOENT | Errno::ENOTDIR) => None,
        Err(errno) => return Err(errno),
    };
    let kept = if item.what == What::File { read(kept.as_fd(), &kept_name)? } else { None };
    Ok((kept, present))
}

/// Whether [`take`] would take `item`, as far as a look tells. Changes nothing.
///
/// # Errors
/// Those of [`take`].
pub(crate) fn check(entry: &Entry, item: &Item) -> Result<()> {
    let (kept, kept_name) = item.kept(entry)?;
    let (dir, name) = match opened(&item.path) {
        // The directory is made then.
        Err(Errno::ENOENT) => return allowed(item, None),
        opened => opened?,
    };
    let present = what(dir.as_fd(), &name)?;
    allowed(item, present)?;
    for (dir, name) in [(kept.as_fd(), &kept_name), (dir.as_fd(), &name)] {
        if stat::look_at(dir, name)?.is_some_and(|about| about.kind() == Some(Kind::File) && about.size > MOST) {
            return Err(Errno::EFBIG);
        }
    }
    let is_needless = item.what == What::Removal && present.is_none();
    if is_needless || stat::is_writable_at(dir.as_fd(), c".")? { Ok(()) } else { Err(Errno::EACCES) }
}

/// A directory or a device is never taken, and none is replaced.
fn allowed(item: &Item, present: Option<What>) -> Result<()> {
    let is_plain = item.what != What::Other && matches!(present, None | Some(What::File | What::Link));
    if is_plain { Ok(()) } else { Err(Errno::ENOTSUP) }
}

/// Takes `item` over. A directory or a device is never taken, and none is replaced (ENOTSUP).
pub(crate) fn take(entry: &Entry, item: &Item) -> Result<()> {
    let (kept, kept_name) = item.kept(entry)?;
    let (dir, name) = match opened(&item.path) {
        // Nothing is there to be removed.
        Err(Errno::ENOENT) if item.what == What::Removal => return make::unlink_at(kept.as_fd(), &kept_name),
        Err(Errno::ENOENT) => remade(&item.path)?,
        opened => opened?,
    };
    let (dir, kept) = (dir.as_fd(), kept.as_fd());
    let files = entry.files()?;
    let present = what(dir, &name)?;
    allowed(item, present)?;
    let part = c_name(format!(".pinfold-{}-take", entry.id));
    let save =
        |name: &CStr| remove::whatever(files.as_fd(), PART).and_then(|()| copy((dir, name), (files.as_fd(), PART)));
    if present.is_some() {
        save(&name)?;
    }
    remove::whatever(dir, &part)?;
    match (item.what, present) {
        (What::Removal, None) => {}
        (What::Removal, Some(_)) => make::rename_new(dir, &name, &part)?,
        (_, None) => {
            copy((kept, &kept_name), (dir, &part))?;
            make::rename_new(dir, &part, &name)?;
        }
        (_, Some(_)) => {
            copy((kept, &kept_name), (dir, &part))?;
            match make::exchange((dir, &part), (dir, &name)) {
                // The filesystem cannot exchange two names (rename(2)). What was saved above is all then.
                Err(Errno::EINVAL | Errno::ENOSYS) => make::rename_over(dir, &part, dir, &name)?,
                done => done?,
            }
        }
    }
    if present.is_none() {
        return make::unlink_at(kept, &kept_name);
    }
    // Somebody may have written to it since it was saved, and nobody finds it any more.
    if what(dir, &part)?.is_some() {
        save(&part)?;
    }
    make::rename_over(files.as_fd(), PART, kept, &kept_name)?;
    remove::whatever(dir, &part)
}

/// Copies a file or a link, with its permissions and the time of its last change, to a name that must be free.
fn copy((from, name): (BorrowedFd<'_>, &CStr), (to, new): (BorrowedFd<'_>, &CStr)) -> Result<()> {
    let about = stat::look_at(from, name)?.ok_or(Errno::ENOENT)?;
    if about.is_link() {
        let target: CString = content::read_link_at(from, name)?;
        return make::link_at(&target, to, new);
    }
    let bytes = content::read_at(from, name, MOST)?;
    let made = make::new_file_at(to, new, 0o600)?;
    content::write_all(made.as_fd(), &bytes)?;
    make::set_modified(made.as_fd(), about.modified)?;
    make::set_mode(made.as_fd(), about.permissions())
}
