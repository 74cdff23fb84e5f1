//! Standard input that is a file of the caller's, open for reading only.
//!
//! The program should be able to read it and no more. But fchmod(2), futimens(2) and fsetxattr(2) accept any descriptor
//! of a file that the caller owns, and opening `/proc/self/fd/0` yields a writable one. Only one thing prevents all of
//! that: the mount on which the file was opened must be read-only. So the file is opened again for the program.
//!
//! Where the new root shows the same file at the same path, it is opened there: the descriptor gives nothing that the
//! path does not. `/proc/self/fd/0` leads to a path that exists then, and some programs read the link and open what it
//! says (`node /dev/stdin`). Otherwise the file is opened on a read-only mount of its own, which is attached nowhere.
//!
//! The new descriptor has its own file offset. Callers read on from where the program stopped (`while read line; do
//! pinfold run ...; done <FILE`), so the supervisor moves the caller's offset there in the end.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::sources::c_string;
use crate::protocol::{At, Message, Outcome, Stage};
use crate::sys::mount::{self, AT_FDCWD, Attr, Propagation};
use crate::sys::{Result, content, fd, offset, open, socket, stat};

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
    let callers = fd::callers_fd(0).ok()?;
    let found = stat::fstat(callers).ok().filter(|found| found.is_file())?;
    fd::access(callers).ok().filter(|access| !access.write)?;
    let again = || -> Result<Option<Input>> {
        let path = content::read_link_at(proc, c"self/fd/0")?;
        let mount = mount::clone_tree(AT_FDCWD, &path, true)?;
        if !stat::fstat(mount.as_fd())?.is_same_file(found) {
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
        fd::callers_fd(0).and_then(|callers| offset::copy(callers, input.as_fd())).stage(Stage::Control)?;
        fd::redirect(0, input.as_fd()).stage(Stage::Control)?;
        // The place in the file is that of the description, which the supervisor shares from here on.
        socket::send_descriptor(control.as_fd(), &Message::Input.encode(), input.as_fd()).stage(Stage::Control)
    }

    /// The same file at the same path of the new root, if it is there. It is looked at before it is opened for reading:
    /// a fifo would wait for a writer.
    fn shown(&self, proc: BorrowedFd<'_>) -> Result<Option<OwnedFd>> {
        let found = open::path(&self.path, false)?;
        if !stat::fstat(found.as_fd())?.is_same_file(stat::fstat(self.apart.as_fd())?) {
            return Ok(None);
        }
        open_to_read(proc, found.as_fd()).map(Some)
    }
}

/// Opens what `place` refers to.
fn open_to_read(proc: BorrowedFd<'_>, place: BorrowedFd<'_>) -> Result<OwnedFd> {
    open::read_at(proc, &c_string(format!("self/fd/{}", fd::number(place))))
}
