//! Rules for reading paths that several modules share.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;

/// How many links are followed before a path counts as a loop: as many as in the kernel (`path_resolution(7)`).
pub(crate) const MAX_LINKS: u32 = 40;

/// The path of `name` in `dir`. An empty `dir` means the root.
pub(crate) fn join(dir: &CStr, name: &CStr) -> CString {
    let dir = dir.to_bytes().strip_suffix(b"/").unwrap_or(dir.to_bytes());
    // Both come from C strings, so there is no NUL in them.
    CString::new([dir, b"/", name.to_bytes()].concat()).unwrap_or_default()
}

/// The position of the first wildcard in `path`.
pub(crate) fn first_wildcard(path: &[u8]) -> Option<usize> {
    path.iter().position(|byte| b"*?[".contains(byte))
}

/// A pattern that matches `path` and nothing else.
pub(crate) fn without_wildcards(path: &CStr) -> CString {
    let mut out = Vec::with_capacity(path.count_bytes());
    for &byte in path.to_bytes() {
        match byte {
            b'*' | b'?' | b'[' => out.extend_from_slice(&[b'[', byte, b']']),
            byte => out.push(byte),
        }
    }
    // Of a C string, so there is no NUL.
    CString::new(out).unwrap_or_default()
}

/// A path in the type of the standard library.
pub(crate) fn to_os(path: &CStr) -> &OsStr {
    OsStr::from_bytes(path.to_bytes())
}

/// The parent and the last part of a path, without the slashes between and after them. `None` for the root.
///
/// The last part may be `.` or `..`. Then the missing parents are created, and the path itself exists already, as in
/// bubblewrap.
pub(crate) fn split(path: &CStr) -> Option<(CString, CString)> {
    let path = without_slashes_behind(path.to_bytes());
    if path.is_empty() {
        return None;
    }
    let at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    let (parent, name) = path.split_at(at);
    Some((CString::new(without_slashes_behind(parent)).ok()?, CString::new(name).ok()?))
}

/// A path without its trailing slashes. A link in the last part is then followed only on request (path_resolution(7)).
fn without_slashes_behind(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte != b'/').map_or(&[], |end| &path[..=end])
}

/// The path of a file without its trailing slashes. They do no harm in bubblewrap 0.12, but the kernel takes a path
/// with one for a directory.
pub(crate) fn of_file(path: &CStr) -> CString {
    CString::new(without_slashes_behind(path.to_bytes())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_as_the_kernel_reads_it() {
        let parts =
            |path: &CStr| split(path).map(|(parent, name)| [parent, name].map(|part| part.into_string().unwrap()));
        assert_eq!(parts(c"/usr"), Some(["".into(), "usr".into()]));
        assert_eq!(parts(c"usr"), Some(["".into(), "usr".into()]));
        assert_eq!(parts(c"//a//b//"), Some(["//a".into(), "b".into()]));
        assert_eq!(parts(c"/a/./b/."), Some(["/a/./b".into(), ".".into()]));
        assert_eq!(parts(c"/a/../b"), Some(["/a/..".into(), "b".into()]));
        assert_eq!(parts(c"/a//.././"), Some(["/a//..".into(), ".".into()]));
        assert_eq!(parts(c".."), Some(["".into(), "..".into()]));
        for root in [c"", c"/", c"//"] {
            assert_eq!(parts(root), None, "{root:?}");
        }
    }
}
