//! Standard input that is a file of the caller's, open for reading only.
//!
//! The program should be able to read it and no more. But fchmod(2), futimens(2) and fsetxattr(2) accept any descriptor
//! of a file that the caller owns, and opening `/proc/self/fd/0` yields a writable one. Only one thing prevents all of
//! that: the mount on which the file was opened must be read-only. So this process opens the file again on a read-only
//! mount of its own, and gives the program that descriptor.
//!
//! The new descriptor has its own file offset. Callers read on from where the program stopped (`while read line; do
//! pinfold run ...; done <FILE`), so the supervisor moves the caller's offset there in the end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::sources::c_string;
use crate::protocol::{At, Message, Outcome, Stage};
use crate::sys::mount::{self, AT_FDCWD, Attr, Propagation};
use crate::sys::{Result, file, offset, socket};

/// Replaces standard input if it is a file that is open for reading only and has a path in this mount namespace. A file
/// without a path, such as a deleted one, stays as it is.
pub(super) fn protect(proc: BorrowedFd<'_>, control: &OwnedFd) -> Outcome<()> {
    let Some(input) = reopened(proc) else { return Ok(()) };
    file::redirect(0, input.as_fd()).stage(Stage::Control)?;
    // The offset belongs to the open file description (open(2)). From here on the supervisor shares it.
    socket::send_descriptor(control.as_fd(), &Message::Input.encode(), input.as_fd()).stage(Stage::Control)
}

fn reopened(proc: BorrowedFd<'_>) -> Option<OwnedFd> {
    let callers = file::callers_fd(0).ok()?;
    let found = file::fstat(callers).ok().filter(|found| found.is_file())?;
    file::access(callers).ok().filter(|access| !access.write)?;
    let again = || -> Result<Option<OwnedFd>> {
        let path = file::read_link_at(proc, c"self/fd/0")?;
        let mount = mount::clone_tree(AT_FDCWD, &path, true)?;
        if !file::fstat(mount.as_fd())?.is_same_file(found) {
            return Ok(None);
        }
        mount::set_attr(mount.as_fd(), Attr::READ_ONLY, Propagation::Private, true)?;
        let link = c_string(format!("self/fd/{}", file::number(mount.as_fd())));
        let input = file::open_read_at(proc, &link)?;
        offset::copy(callers, input.as_fd())?;
        Ok(Some(input))
    };
    again().ok().flatten()
}
