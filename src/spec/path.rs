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

/// Parent and last part of a path, without the slashes between and behind; `None` for the root.
///
/// The last part may be `.` or `..`. What is before it is made then if it is missing, and what the path means is there
/// already: so does bubblewrap.
pub(crate) fn split(path: &CStr) -> Option<(CString, CString)> {
    let path = without_slashes_behind(path.to_bytes());
    if path.is_empty() {
        return None;
    }
    let at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    let (parent, name) = path.split_at(at);
    Some((CString::new(without_slashes_behind(parent)).ok()?, CString::new(name).ok()?))
}

/// A path that names the same, but what a link at its end leads to only where that is asked for (path_resolution(7)).
fn without_slashes_behind(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte != b'/').map_or(&[], |end| &path[..=end])
}

/// The path of a file. A slash behind it does no harm, as in bubblewrap 0.12; to the kernel it means a directory.
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
