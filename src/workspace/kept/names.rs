//! Names as the kernel wants them, and how directories of the store are made.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

pub(super) use crate::state::{CLOSED, exists};

pub(super) fn c_path(path: &OsStr) -> CString {
    CString::new(path.as_bytes()).unwrap_or_default()
}

pub(super) fn c_name(name: String) -> CString {
    CString::new(name).unwrap_or_default()
}
