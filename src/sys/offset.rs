//! The file offset, at which the next read(2) begins (`lseek(2)`).

use std::os::fd::BorrowedFd;

use nix::unistd::{Whence, lseek};

use super::Result;

/// Sets the offset of `to` to that of `from`, another description of the same file.
pub(crate) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    lseek(to, lseek(from, 0, Whence::SeekCur)?, Whence::SeekSet).map(drop)
}
