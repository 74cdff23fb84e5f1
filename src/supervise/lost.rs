//! Files that the program leaves in a home that ends with the box: how many, and how to keep them.
//!
//! The look takes place when no process lives inside any more, or only our own init. The descriptor of the mount keeps
//! the filesystem alive. All names and sizes are the program's, so the look is bounded, follows no link and enters no
//! other mount.
//!
//! A file counts if it is not empty. Names directly in the home with a dot in front are passed over: by convention,
//! settings and caches have such names. What the set-up has made is passed over too.

use std::collections::HashSet;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use crate::error::printable;
use crate::spec::path::join;
use crate::spec::{FsOp, Op};
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind};

/// Caches in the home without a dot in front: that of Go's modules (`go env GOMODCACHE`).
const CACHES: &[&[u8]] = &[b"go/pkg"];

/// How much is looked at: entries, directories below each other, and time.
const MOST_ENTRIES: usize = 50_000;
const DEEPEST: usize = 64;
const TIME: Duration = Duration::from_secs(1);

/// How many letters of the largest file's path are shown.
const LONGEST_SHOWN: usize = 300;

/// What is lost with a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// How many files.
    pub(crate) count: usize,
    /// Their sizes together.
    pub(crate) bytes: u64,
    /// The home.
    pub(crate) home: CString,
    /// The path of the largest file, from the home on.
    largest: CString,
    /// The directory in the home that has all of them in it, if there is one.
    pub(crate) top: Option<CString>,
    /// Whether the look saw everything.
    pub(crate) is_all: bool,
}

/// Looks into the home at the path `path`, whose mount is `home`. Returns `None` if nothing is lost.
pub(super) fn look(path: &CStr, home: BorrowedFd<'_>, ops: &[Op]) -> Option<Lost> {
    // What may be missing (`--rw-try`) is another mount, or the program has made it.
    let is_made = |op: &&Op| match &op.fs {
        FsOp::Dir { .. } | FsOp::Chmod { .. } => false,
        FsOp::Bind { flags, .. } => !flags.optional,
        _ => true,
    };
    let made = ops.iter().filter(is_made);
    let below = |dest: &'_ CStr| dest.to_bytes().strip_prefix(path.to_bytes())?.strip_prefix(b"/").map(<[u8]>::to_vec);
    let passed_over = made.filter_map(|op| op.fs.dest().and_then(below)).chain(CACHES.iter().map(|path| path.to_vec()));
    let mut look = Look {
        device: stat::fstat(home).ok()?.device,
        passed_over: passed_over.collect(),
        end: Instant::now() + TIME,
        entries: 0,
        count: 0,
        bytes: 0,
        largest: (0, Vec::new()),
        top: None,
        is_all: true,
    };
    look.directory(home, c".", &mut Vec::new(), 0);
    let Look { count, bytes, largest: (_, largest), top, is_all, .. } = look;
    let text = |bytes| CString::new(bytes).unwrap_or_default();
    let top = top.flatten().map(text);
    (count > 0).then(|| Lost { count, bytes, home: path.to_owned(), largest: text(largest), top, is_all })
}

struct Look {
    /// The filesystem of the home.
    device: u64,
    /// Paths in the home that do not count.
    passed_over: HashSet<Vec<u8>>,
    end: Instant,
    entries: usize,
    count: usize,
    bytes: u64,
    /// Size and path of the largest file.
    largest: (u64, Vec<u8>),
    /// The directory in the home with all files so far; the inner `None` means that there is none.
    top: Option<Option<Vec<u8>>>,
    is_all: bool,
}

impl Look {
    /// Counts in the directory `name` of `parent`. `path` is its path from the home on. What cannot be opened is passed
    /// over: another mount, or a directory that the program has closed to its owner.
    fn directory(&mut self, parent: BorrowedFd<'_>, name: &CStr, path: &mut Vec<u8>, depth: usize) {
        let Ok(dir) = open::same_mount(parent, name, For::Listing) else { return };
        let (mut entries, mut below) = (Entries::new(), Vec::new());
        while entries.read(dir.as_fd()).unwrap_or(false) {
            for (name, kind) in entries.iter() {
                self.entries += 1;
                let is_over = self.entries > MOST_ENTRIES || Instant::now() > self.end;
                if is_over {
                    self.is_all = false;
                    return;
                }
                let before = path.len();
                push(path, name);
                let is_dot_name = depth == 0 && name.to_bytes().starts_with(b".");
                if !is_dot_name && !self.passed_over.contains(path.as_slice()) {
                    match kind {
                        Some(Kind::Dir) => below.push(name.to_owned()),
                        Some(Kind::File) => self.file(dir.as_fd(), name, path),
                        _ => {}
                    }
                }
                path.truncate(before);
            }
        }
        if depth == DEEPEST {
            self.is_all &= below.is_empty();
            return;
        }
        for name in below {
            let before = path.len();
            push(path, &name);
            self.directory(dir.as_fd(), &name, path, depth + 1);
            path.truncate(before);
        }
    }

    fn file(&mut self, dir: BorrowedFd<'_>, name: &CStr, path: &[u8]) {
        // Another filesystem: a file of the host is mounted there.
        let is_own = |found: &stat::Stat| found.device == self.device && found.size > 0;
        let Some(found) = stat::look_at(dir, name).ok().flatten().filter(is_own) else { return };
        self.count += 1;
        self.bytes = self.bytes.saturating_add(found.size);
        if found.size > self.largest.0 {
            self.largest = (found.size, path.to_vec());
        }
        let top = path.iter().position(|&byte| byte == b'/').map(|end| path[..end].to_vec());
        match &self.top {
            None => self.top = Some(top),
            Some(known) if *known != top => self.top = Some(None),
            Some(_) => {}
        }
    }
}

fn push(path: &mut Vec<u8>, name: &CStr) {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name.to_bytes());
}

impl Lost {
    /// The path of the largest file in the box.
    pub(crate) fn largest(&self) -> CString {
        join(&self.home, &self.largest)
    }

    /// The message, in printable characters.
    pub(super) fn line(&self) -> Vec<u8> {
        let (files, were, are) = if self.count == 1 { ("file", "was", "is") } else { ("files", "were", "are") };
        let at_least = if self.is_all { "" } else { "at least " };
        let mut line = format!("{at_least}{} {files} ({}", self.count, size(self.bytes)).into_bytes();
        line.extend_from_slice(if self.count == 1 { b", ~/" } else { b"; the largest: ~/" });
        let largest = printable(OsStr::from_bytes(self.largest.to_bytes()));
        line.extend(largest.chars().take(LONGEST_SHOWN).collect::<String>().bytes());
        if largest.chars().nth(LONGEST_SHOWN).is_some() {
            line.extend_from_slice(b"...");
        }
        line.extend_from_slice(format!(") {were} written to the box's own home and {are} gone").as_bytes());
        line
    }
}

/// A size for people.
fn size(bytes: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{} {name}", (bytes + unit / 2) / unit),
        None => format!("{bytes} bytes"),
    }
}
