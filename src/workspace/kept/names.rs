//! Names as the kernel wants them, and how directories of the store are made.

use std::ffi::CString;

pub(super) use crate::state::{CLOSED, exists};
pub(super) use crate::sys::c_path;

pub(super) fn c_name(name: String) -> CString {
    CString::new(name).unwrap_or_default()
}
