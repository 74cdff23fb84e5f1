//! Another place at which something denied is seen.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use super::inside::Inside;
use super::views::View;
use crate::protocol::{Act, Failure, Outcome, Stage};
use crate::sys::dir;
use crate::sys::file::Open;
use crate::sys::{Errno, Result};

/// A path inside that shows something denied, if the mount there is `mount`.
pub(super) struct Place {
    pub(super) path: CString,
    pub(super) mount: u64,
    /// The file that it must be; in an overlay it has other numbers.
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

    /// What is there, if it is what was meant.
    pub(super) fn object(&self, inside: &Inside<'_, '_>) -> Outcome<Option<OwnedFd>> {
        let failed = |errno| self.failed(errno);
        let Some(object) = open(&self.path, self.mount, inside).map_err(failed)? else { return Ok(None) };
        let is_it = match self.file {
            Some(file) => dir::named_at(object.as_fd(), c"").map_err(failed)?.file == file,
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
    /// Where it is seen, if it is.
    pub(super) fn open(&self, inside: &Inside<'_, '_>) -> Result<Option<OwnedFd>> {
        open(&CString::new(self.point.as_slice()).unwrap_or_default(), self.mount, inside)
    }
}

/// What is at `path`; `None` where that does not lie on `mount`: something else hides it, and nobody inside gets there.
fn open(path: &CStr, mount: u64, inside: &Inside<'_, '_>) -> Result<Option<OwnedFd>> {
    match inside.root.open(path, Open::Path) {
        Ok(found) => Ok((dir::named_at(found.as_fd(), c"")?.mount == mount).then_some(found)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => Ok(None),
        Err(errno) => Err(errno),
    }
}
