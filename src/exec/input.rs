//! A file of the caller's as standard input. Who has it open for reading may read it, and no more: but fchmod(2),
//! futimens(2) and fsetxattr(2) take any descriptor of a file of one's own, and `/proc/self/fd/0` opens it for writing.
//!
//! Nothing forbids all of that but the mount on which the file was opened, if that is read-only. So the program gets the
//! file as opened once more: through the new root, where that shows the same file at the same path. What can be done
//! to it there can be done without the descriptor. Otherwise it is opened on a read-only mount of its own, which has no
//! place anywhere.
//!
//! The first is better where it can be had: `/proc/self/fd/0` leads to a path that exists. Some programs read the link
//! and open what it says (`node /dev/stdin`).
//!
//! What is opened once more has a place of its own in the file, too. Callers read on from where the program has
//! stopped (`while read line; do pinfold run ...; done <FILE`), so the supervisor moves the caller's place there in the
//! end.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::sources::c_string;
use crate::protocol::{At, Message, Outcome, Stage};
use crate::sys::mount::{self, AT_FDCWD, Attr, Propagation};
use crate::sys::{Result, file, offset, socket};

/// Standard input as it will be exchanged.
pub(super) struct Input {
    /// Its path outside.
    path: CString,
    /// The file on a mount of its own.
    apart: OwnedFd,
}

/// Opens standard input once more, where it is a file that is open for reading only and has a path here. What has none,
/// such as a deleted file, is left as it is.
pub(super) fn reopen(proc: BorrowedFd<'_>) -> Option<Input> {
    let callers = file::callers_fd(0).ok()?;
    let found = file::fstat(callers).ok().filter(|found| found.is_file())?;
    file::access(callers).ok().filter(|access| !access.write)?;
    let again = || -> Result<Option<Input>> {
        let path = file::read_link_at(proc, c"self/fd/0")?;
        let mount = mount::clone_tree(AT_FDCWD, &path, true)?;
        if !file::fstat(mount.as_fd())?.is_same_file(found) {
            return Ok(None);
        }
        mount::set_attr(mount.as_fd(), Attr::READ_ONLY, Propagation::Private, true)?;
        let apart = open_to_read(proc, mount.as_fd())?;
        Ok(Some(Input { path, apart }))
    };
    again().ok().flatten()
}

impl Input {
    /// Exchanges standard input, once the new root is the root.
    pub(super) fn exchange(self, proc: BorrowedFd<'_>, control: &OwnedFd) -> Outcome<()> {
        let shown = self.shown(proc).ok().flatten();
        let input = shown.unwrap_or(self.apart);
        file::callers_fd(0).and_then(|callers| offset::copy(callers, input.as_fd())).stage(Stage::Control)?;
        file::redirect(0, input.as_fd()).stage(Stage::Control)?;
        // The place in the file is that of the description, which the supervisor shares from here on.
        socket::send_descriptor(control.as_fd(), &Message::Input.encode(), input.as_fd()).stage(Stage::Control)
    }

    /// The same file at the same path of the new root, if it is there. It is looked at before it is opened for reading:
    /// a fifo would wait for a writer.
    fn shown(&self, proc: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
        let found = file::open_path(&self.path, false)?;
        if !file::fstat(found.as_fd())?.is_same_file(file::fstat(self.apart.as_fd())?) {
            return Ok(None);
        }
        open_to_read(proc, found.as_fd()).map(Some)
    }
}

/// Opens what `place` refers to.
fn open_to_read(proc: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<OwnedFd> {
    file::open_read_at(proc, &c_string(format!("self/fd/{}", file::number(place))))
}
