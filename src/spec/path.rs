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

/// Parent and last part of a path, without the slashes between and behind; `None` for the root and for a path that
/// ends in `.` or `..`, which name a directory that exists or does not.
pub(crate) fn split(path: &CStr) -> Option<(CString, CString)> {
    let mut bytes = path.to_bytes();
    loop {
        bytes = match bytes {
            [rest @ .., b'/'] => rest,
            [rest @ .., b'/', b'.'] => rest,
            b"." | b"" => return None,
            _ => break,
        };
    }
    let at = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    let (parent, name) = bytes.split_at(at);
    if name == b".." {
        return None;
    }
    let parent = parent.iter().rposition(|&byte| byte != b'/').map_or(&b""[..], |end| &parent[..=end]);
    Some((CString::new(parent).ok()?, CString::new(name).ok()?))
}

/// The path without its last part; `None` where there is only one.
pub(crate) fn without_last_part(path: &CStr) -> Option<CString> {
    let bytes = path.to_bytes();
    let at = bytes.iter().rposition(|&byte| byte == b'/').filter(|&at| at > 0)?;
    CString::new(&bytes[..at]).ok()
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
        assert_eq!(parts(c"/a/./b/."), Some(["/a/.".into(), "b".into()]));
        assert_eq!(parts(c"/a/../b"), Some(["/a/..".into(), "b".into()]));
        for root in [c"", c"/", c"//", c".", c"/.", c"./", c"/a/..", c".."] {
            assert_eq!(parts(root), None, "{root:?}");
        }
    }
}
