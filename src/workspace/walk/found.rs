//! What a walk finds, and which names count.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::sys::stat::Kind;
use crate::workspace::tree::{Record, known_names};
use crate::workspace::{names, obeyed};

/// The result of a walk.
#[derive(Debug, Default)]
pub(in crate::workspace) struct Walked {
    /// Every entry called `.git`, of any type.
    pub(in crate::workspace) dot_gits: Vec<PathBuf>,
    /// Directories that look like git directories but have another name.
    pub(in crate::workspace) bare: Vec<PathBuf>,
    /// Links called `.gitmodules` beside a `.git`.
    pub(in crate::workspace) gitmodules: Vec<PathBuf>,
    /// The names that other programs obey, those above others first. Those in git directories are not among them.
    pub(in crate::workspace) obeyed: Vec<Obeyed>,
    /// The same names in directories that tools fill and empty again, such as `node_modules`. They must stay removable.
    pub(in crate::workspace) removable: Vec<Obeyed>,
    /// The names at the top that begin with a dot.
    pub(in crate::workspace) dots: Vec<CString>,
    /// A directory far above the first of these that is too deep for a mount.
    pub(in crate::workspace) too_deep: Option<PathBuf>,
    /// What is known of the directories now. Empty if the tree is too small for a record.
    pub(in crate::workspace) record: Record,
    /// How many directories were asked for their attributes because the record may know them.
    pub(in crate::workspace) asked: usize,
    /// How many directories were read.
    pub(in crate::workspace) read: usize,
}

/// An existing name that some program obeys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workspace) struct Obeyed {
    pub(in crate::workspace) path: PathBuf,
    /// What the program takes it for.
    pub(in crate::workspace) kind: obeyed::Kind,
    /// What it is. `None` if this program does not know the type.
    pub(in crate::workspace) entry: Option<Kind>,
    pub(in crate::workspace) row: &'static obeyed::Row,
}

/// Which name that counts the entry `name` of `dir` is.
pub(super) fn counts<'n>(dir: BorrowedFd<'_>, name: &'n CStr, is_top: bool) -> Option<&'n CStr> {
    let known = names::recognize(dir, name, known_names());
    let is_own_name = || {
        let bytes = name.to_bytes();
        is_top && bytes.first() == Some(&b'.') || obeyed::may_be_obeyed(OsStr::from_bytes(bytes))
    };
    known.or_else(|| is_own_name().then_some(name))
}
