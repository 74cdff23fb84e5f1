//! What a look at directories has seen in them. It is plain data: only `workspace` makes it and knows what it means.

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::path::PathBuf;
use std::sync::Arc;

/// What was seen in directories, by device and inode.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenDirs {
    pub(crate) dirs: HashMap<(u64, u64), Arc<SeenDir>>,
}

/// What was seen in one directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SeenDir {
    /// Its ctime, in seconds and nanoseconds.
    pub(crate) changed: (i64, i64),
    /// The names of the directories in it.
    pub(crate) dirs: NameList,
    /// The other names in it that count.
    pub(crate) found: Vec<SeenName>,
}

/// A name, and the type of what has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SeenName {
    pub(crate) name: CString,
    /// As in a directory entry (`getdents64(2)`, `d_type`); 0 if it is not known.
    pub(crate) kind: u8,
}

/// Names in one piece of memory, because a record has thousands of lists. Each ends with a NUL.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct NameList(pub(crate) Vec<u8>);

impl NameList {
    pub(crate) fn push(&mut self, name: &CStr) {
        self.0.extend_from_slice(name.to_bytes_with_nul());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name that begins at byte `at`, and where the next one begins.
    pub(crate) fn name_at(&self, at: usize) -> Option<(&CStr, usize)> {
        let name = CStr::from_bytes_until_nul(self.0.get(at..)?).ok()?;
        Some((name, at + name.to_bytes_with_nul().len()))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &CStr> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let (name, next) = self.name_at(at)?;
            at = next;
            Some(name)
        })
    }
}

/// What the look before the run has found in a directory that the program can write, and in all below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenBefore {
    /// The directory: an absolute path without links.
    pub(crate) top: PathBuf,
    pub(crate) dirs: Arc<SeenDirs>,
    /// The state directory of the user, where `dirs` is kept for the next run. `None` if it need not be.
    pub(crate) state: Option<PathBuf>,
    /// The existing names that programs obey, absolute. A name that stays writable has a stamp.
    pub(crate) obeyed: HashMap<PathBuf, Option<Stamp>>,
    /// The names at the top that begin with a dot.
    pub(crate) dots: Vec<CString>,
    /// Directories of the caller's `PATH` that the program can write, each with its device and inode.
    pub(crate) programs: Vec<(PathBuf, (u64, u64))>,
    /// Directories of the home whose links may lead to what the program can write.
    pub(crate) links: Vec<PathBuf>,
    /// When the look began, in seconds and nanoseconds since 1970.
    pub(crate) began: (i64, i64),
}

/// Which file has a name, and when it was last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Device and inode.
    pub(crate) file: (u64, u64),
    /// Its ctime, in seconds and nanoseconds.
    pub(crate) changed: (i64, i64),
}
