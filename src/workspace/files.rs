//! Paths and identities of files, in the forms that the rest of the workspace needs.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::spec::FileId;
pub(super) use crate::sys::c_path;
use crate::sys::stat::Stat;

/// A path as the standard library has it.
pub(super) fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The identity of the file behind `about`.
pub(super) fn id_of(about: Stat) -> FileId {
    FileId { device: about.device, inode: about.inode, born: about.born }
}
