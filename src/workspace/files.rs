//! Paths and identities of files, in the forms that the rest of the workspace needs.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use crate::spec::FileId;
use crate::sys::stat::Stat;

/// A path for a system call. It came from the kernel or from a C string, so it has no NUL.
pub(super) fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

/// The names and `..` in a path, in order.
pub(super) fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |part: Component<'_>| match part {
        Component::Normal(_) | Component::ParentDir => Some(part.as_os_str().to_owned()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().filter_map(part).collect()
}

/// A path as the standard library has it.
pub(super) fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The identity of the file behind `about`.
pub(super) fn id_of(about: Stat) -> FileId {
    FileId { device: about.device, inode: about.inode, born: about.born }
}
