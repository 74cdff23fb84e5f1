//! Extended attributes (`xattr(7)`).

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Result};

/// The first byte of the attribute `name` of an open file. `None` if it has no such attribute, or an empty one.
pub(crate) fn first_byte(file: BorrowedFd<'_>, name: &CStr) -> Result<Option<u8>> {
    let mut value = [0u8; 16];
    // SAFETY: name and buffer live through the call, and the kernel is told the size of the buffer.
    let length = unsafe { libc::fgetxattr(file.as_raw_fd(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    match Errno::result(length) {
        Ok(0) | Err(Errno::ENODATA | Errno::EOPNOTSUPP) => Ok(None),
        Ok(_) => Ok(Some(value[0])),
        Err(errno) => Err(errno),
    }
}
