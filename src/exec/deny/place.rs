//! Another path at which a denied object is seen.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use super::inside::Inside;
use super::views::View;
use crate::protocol::{Act, Failure, Outcome, Stage};
use crate::sys::open::Open;
use crate::sys::{Errno, Result, stat};

/// A path inside that shows a denied object, provided that the mount there is `mount`.
pub(super) struct Place {
    pub(super) path: CString,
    pub(super) mount: u64,
    /// Device and inode that the object must have. `None` in an overlay, which shows other numbers.
    pub(super) file: Option<(u64, u64)>,
    pub(super) op: usize,
}

impl Place {
    fn failed(&self, errno: Errno) -> Failure {
        Failure {
            act: Act::Elsewhere,
            detail: Some(self.path.clone()),
            ..Failure::nth(Stage::Op, self.op, errno as i32)
        }
    }

    /// Opens what is there, if it is the object meant.
    pub(super) fn object(&self, inside: &Inside<'_, '_>) -> Outcome<Option<OwnedFd>> {
        let failed = |errno| self.failed(errno);
        let Some(object) = open(&self.path, self.mount, inside).map_err(failed)? else { return Ok(None) };
        let is_it = match self.file {
            Some(file) => stat::named_at(object.as_fd(), c"").map_err(failed)?.file == file,
            None => true,
        };
        Ok(is_it.then_some(object))
    }

    pub(super) fn cover(&self, inside: &Inside<'_, '_>) -> Outcome<()> {
        let Some(object) = self.object(inside)? else { return Ok(()) };
        inside.cover(object.as_fd(), self.op).map_err(|failure| match failure.act {
            Act::Whole => Failure { act: Act::Elsewhere, detail: Some(self.path.clone()), ..failure },
            _ => failure,
        })
    }
}

impl View {
    /// Opens the root of this view, if that is visible.
    pub(super) fn open(&self, inside: &Inside<'_, '_>) -> Result<Option<OwnedFd>> {
        open(&CString::new(self.point.as_slice()).unwrap_or_default(), self.mount, inside)
    }
}

/// Opens `path`. `None` if it does not lie on `mount`: then something else hides it, and nobody inside can reach it.
fn open(path: &CStr, mount: u64, inside: &Inside<'_, '_>) -> Result<Option<OwnedFd>> {
    match inside.root.open(path, Open::Path) {
        Ok(found) => Ok((stat::named_at(found.as_fd(), c"")?.mount == mount).then_some(found)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => Ok(None),
        Err(errno) => Err(errno),
    }
}
