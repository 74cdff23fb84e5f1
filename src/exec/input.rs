//! A file of the caller's as standard input. Who has it open for reading may read it, and no more: but fchmod(2),
//! futimens(2) and fsetxattr(2) take any descriptor of a file of one's own, and `/proc/self/fd/0` opens it for writing.
//!
//! Nothing forbids all of that but the mount on which the file was opened, if that is read-only. So the program gets the
//! file as opened once more on such a mount of its own. That has a place of its own in the file, too. Callers read on from
//! where the program has stopped (`while read line; do pinfold run ...; done <FILE`), so the supervisor moves the
//! caller's place there in the end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::sources::c_string;
use crate::protocol::{At, Message, Outcome, Stage};
use crate::sys::mount::{self, AT_FDCWD, Attr, Propagation};
use crate::sys::{Result, file, offset, socket};

/// Exchanges standard input, where it is a file that is open for reading only and has a path here. What has none, such as
/// a deleted file, is left as it is.
pub(super) fn protect(proc: BorrowedFd<'_>, control: &OwnedFd) -> Outcome<()> {
    let Some(input) = reopened(proc) else { return Ok(()) };
    file::redirect(0, input.as_fd()).stage(Stage::Control)?;
    // The place in the file is that of the description, which the supervisor shares from here on.
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
