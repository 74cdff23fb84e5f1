//! What all who read paths go by.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// Links that are followed before a path is taken for a loop; as the kernel (`path_resolution(7)`).
pub(crate) const MAX_LINKS: u32 = 40;

/// The path of `name` in `dir`; from the root where that is empty.
pub(crate) fn join(dir: &CStr, name: &CStr) -> CString {
    let dir = dir.to_bytes().strip_suffix(b"/").unwrap_or(dir.to_bytes());
    // Both were strings: there is no NUL in them.
    CString::new([dir, b"/", name.to_bytes()].concat()).unwrap_or_default()
}

/// Where the first wildcard of `path` stands, if it has any.
pub(crate) fn first_wildcard(path: &[u8]) -> Option<usize> {
    path.iter().position(|byte| b"*?[".contains(byte))
}

/// A path as the standard library has it.
pub(crate) fn to_os(path: &CStr) -> &OsStr {
    OsStr::from_bytes(path.to_bytes())
}
