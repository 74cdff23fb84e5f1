//! Names as the kernel wants them, and how directories of the store are made.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

use crate::sys::{Errno, Result as SysResult};

/// Permissions of all directories here: nobody else's business.
pub(super) const CLOSED: u32 = 0o700;

/// It is no failure that something is there already.
pub(super) fn exists(errno: Errno) -> SysResult<()> {
    if errno == Errno::EEXIST { Ok(()) } else { Err(errno) }
}

pub(super) fn c_path(path: &OsStr) -> CString {
    CString::new(path.as_bytes()).unwrap_or_default()
}

pub(super) fn c_name(name: String) -> CString {
    CString::new(name).unwrap_or_default()
}
