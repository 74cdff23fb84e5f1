//! Rules for reading paths that several modules share.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

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

/// Whether `path` is `top` or lies below it. Compares the paths as text; `top` has no slash at its end.
pub(crate) fn is_at_or_below(path: &[u8], top: &[u8]) -> bool {
    // Most paths differ in this byte already.
    matches!(path.get(top.len()), None | Some(b'/')) && path.starts_with(top)
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

/// An absolute path without `.`, `..` and doubled slashes. No link is looked at.
pub(crate) fn without_dots(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(whole.pop()),
            part => whole.push(part),
        }
    }
    whole
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

/// Follows a path name by name, by the rules of path_resolution(7).
///
/// This makes no system call. The caller looks at each place, and says where it leads if it is a link. So callers can
/// look at different worlds, note what is on the way, and decide what a missing place means.
pub(crate) struct Follow {
    done: PathBuf,
    /// What is left, the next part last.
    rest: Vec<OsString>,
    links: u32,
}

/// What a step of [`Follow`] has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A name in the directory before. It may be a link.
    Down,
    /// The directory above, by `..`.
    Up,
}

impl Follow {
    /// `start` is absolute and has no links. `path` is relative to it, or absolute if `start` is the root.
    pub(crate) fn new(start: PathBuf, path: &Path) -> Follow {
        Follow { done: start, rest: reversed(path), links: 0 }
    }

    /// Goes on to the next part. `None` at the end of the path.
    pub(crate) fn step(&mut self) -> Option<Step> {
        let part = self.rest.pop()?;
        if part == ".." {
            self.done.pop();
            return Some(Step::Up);
        }
        self.done.push(part);
        Some(Step::Down)
    }

    /// Says that the present place is a link. Returns false if there were too many of them. Then the place stays.
    pub(crate) fn lead_to(&mut self, target: &Path) -> bool {
        if self.links == MAX_LINKS {
            return false;
        }
        self.links += 1;
        self.done.pop();
        if target.is_absolute() {
            self.done = PathBuf::from("/");
        }
        self.rest.extend(reversed(target));
        true
    }

    /// The present place. No part before its last one is a link.
    pub(crate) fn place(&self) -> &Path {
        &self.done
    }

    /// The present place, and what is left of the path behind it.
    pub(crate) fn into_parts(self) -> (PathBuf, PathBuf) {
        let rest = self.rest.iter().rev().collect();
        (self.done, rest)
    }
}

/// The names and `..` in a path, the last one first.
fn reversed(path: &Path) -> Vec<OsString> {
    let part = |part: Component<'_>| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().rev().filter_map(part).collect()
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
    /// In a world of a few links.
    #[test]
    fn a_path_is_followed_as_the_kernel_does() {
        let links = [("/a/l", "b/c"), ("/a/up", "../x"), ("/abs", "/a/l"), ("/loop", "loop"), ("/root", "..")];
        let end = |path: &str| {
            let mut follow = Follow::new("/".into(), Path::new(path));
            while let Some(step) = follow.step() {
                let target = links.iter().find(|(link, _)| step == Step::Down && follow.place() == Path::new(link));
                if target.is_some_and(|(_, target)| !follow.lead_to(Path::new(target))) {
                    return None;
                }
            }
            Some(follow.into_parts().0.into_os_string().into_string().unwrap())
        };
        for (path, expected) in [
            ("/", "/"),
            ("/n//./m/", "/n/m"),
            ("/a/l/d", "/a/b/c/d"),
            ("/a/l/..", "/a/b"),
            ("/a/up/y", "/x/y"),
            ("/abs/e", "/a/b/c/e"),
            ("/../root/../z", "/z"),
        ] {
            assert_eq!(end(path).as_deref(), Some(expected), "{path}");
        }
        assert_eq!(end("/loop/x"), None);
        let mut follow = Follow::new("/k".into(), Path::new("n/../m"));
        assert_eq!(follow.step(), Some(Step::Down));
        assert_eq!(follow.into_parts(), ("/k/n".into(), "../m".into()));
    }
}
