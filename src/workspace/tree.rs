//! The record of directories: what was seen in each, so that the next run need not read them again.
//!
//! A directory's ctime is a sound witness of its names: each change of a name sets it, and no program can set it back
//! (inode(7), "ctime"). It is no witness of what is in files, so nothing here speaks of content. A directory that
//! moves keeps its names; its children are asked themselves.
//!
//! What was recorded counts only if all of this holds, and the directory is read otherwise:
//!
//! * It is on ext4, xfs, btrfs, f2fs or tmpfs ([`statfs::promises`]).
//! * Device, inode and ctime are the same.
//! * The ctime was two seconds old before the directory was read. A clock tick lasts up to 10 ms, and two changes
//!   within one have the same time (kernels before 6.13, kernel document `filesystems/multigrain-ts`; tmpfs).
//! * Its nanoseconds are not zero. ext4 with inodes of 128 bytes keeps whole seconds only.
//!
//! [`statfs::promises`]: crate::sys::statfs::promises

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::git_dir::{self, is_git_dir_with};
pub(super) use crate::spec::SeenDirs as Record;
use crate::spec::{NameList, SeenDir, SeenName};
use crate::sys::stat::{Kind, Stat};

/// How old a ctime must be before its directory is read, in seconds.
const SETTLED: i64 = 2;
/// The beginning of a stored record. Which names count depends on the version of this program.
const HEAD: &[u8] = concat!("pinfold tree 2 ", env!("CARGO_PKG_VERSION"), "\n").as_bytes();

/// Whether no later change can have this time. `now` is a time before the directory was read.
pub(super) fn is_settled(changed: (i64, i64), now: (i64, i64)) -> bool {
    changed.1 != 0 && changed.0.checked_add(SETTLED).is_some_and(|then| (then, changed.1) <= now)
}

impl Record {
    /// What is in the directory behind `about`, if it has not changed since it was recorded.
    pub(super) fn unchanged(&self, about: Stat) -> Option<&Arc<SeenDir>> {
        self.dirs.get(&(about.device, about.inode)).filter(|seen| seen.changed == about.changed)
    }

    pub(super) fn add(&mut self, about: Stat, seen: Arc<SeenDir>) {
        self.dirs.insert((about.device, about.inode), seen);
    }

    /// The record for the directory `top` as bytes, to be stored.
    pub(super) fn encode(&self, top: &Path) -> Vec<u8> {
        let mut out = HEAD.to_vec();
        out.extend_from_slice(top.as_os_str().as_bytes());
        out.push(0);
        for ((device, inode), seen) in &self.dirs {
            for number in [*device, *inode, seen.changed.0 as u64, seen.changed.1 as u64] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            for length in [seen.dirs.0.len(), seen.found.len()] {
                // No directory in a record of this size has more.
                out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
            }
            out.extend_from_slice(&seen.dirs.0);
            for SeenName { name, kind } in &seen.found {
                out.push(*kind);
                out.extend_from_slice(name.to_bytes_with_nul());
            }
        }
        out
    }

    /// Reads what [`Record::encode`] wrote for `top`. `None` for anything else, and for what another version wrote.
    pub(super) fn decode(bytes: &[u8], top: &Path) -> Option<Record> {
        let mut rest = bytes.strip_prefix(HEAD)?.strip_prefix(top.as_os_str().as_bytes())?.strip_prefix(b"\0")?;
        let mut record = Record::default();
        while !rest.is_empty() {
            let key = (number(&mut rest)?, number(&mut rest)?);
            let changed = (number(&mut rest)? as i64, number(&mut rest)? as i64);
            let (length, count) = (length(&mut rest)?, length(&mut rest)?);
            let (dirs, after) = rest.split_at_checked(length)?;
            let dirs = NameList(dirs.to_owned());
            // A name with a slash, or none, would lead the walk elsewhere.
            let is_ended = dirs.0.last().is_none_or(|last| *last == 0);
            if !is_ended || !dirs.iter().all(is_name) {
                return None;
            }
            rest = after;
            let found = (0..count).map(|_| found(&mut rest)).collect::<Option<_>>()?;
            record.dirs.insert(key, Arc::new(SeenDir { changed, dirs, found }));
        }
        Some(record)
    }
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_le_bytes(*bytes))
}

fn length(rest: &mut &[u8]) -> Option<usize> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    usize::try_from(u32::from_le_bytes(*bytes)).ok()
}

fn found(rest: &mut &[u8]) -> Option<SeenName> {
    let (&kind, after) = rest.split_first()?;
    let name = CStr::from_bytes_until_nul(after).ok().filter(|name| is_name(name))?;
    *rest = &after[name.to_bytes_with_nul().len()..];
    Some(SeenName { name: name.to_owned(), kind })
}

/// Whether this is the name of a file and not a path.
fn is_name(name: &CStr) -> bool {
    !matches!(name.to_bytes(), b"" | b"." | b"..") && !name.to_bytes().contains(&b'/')
}

impl SeenName {
    pub(super) fn new(name: &CStr, kind: Option<Kind>) -> SeenName {
        SeenName { name: name.to_owned(), kind: kind.map_or(0, Kind::entry_number) }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        Kind::of_entry(self.kind)
    }

    pub(super) fn as_os(&self) -> &OsStr {
        OsStr::from_bytes(self.name.to_bytes())
    }
}

impl SeenDir {
    pub(super) fn has(&self, name: &CStr) -> bool {
        self.found.iter().any(|found| *found.name == *name)
    }

    /// Whether this is a git directory.
    pub(super) fn is_git_dir(&self) -> bool {
        is_git_dir_with(|name| Ok::<_, ()>(self.has(name))) == Ok(true)
    }

    /// Whether a package manager or a build fills this directory, called `name`: it may remove all that is in it.
    pub(super) fn is_filled_by_tools(&self, name: &[u8]) -> bool {
        // bford.info/cachedir; docs.python.org/3/library/venv.html
        name == b"node_modules" || self.has(c"CACHEDIR.TAG") || self.has(c"pyvenv.cfg")
    }
}

/// The names that count in each directory besides those that programs obey.
pub(super) fn known_names() -> impl Iterator<Item = &'static CStr> {
    [c".git", c".gitmodules", c"CACHEDIR.TAG", c"pyvenv.cfg"].into_iter().chain(git_dir::NAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let mut record = Record::default();
        for inode in 0..3 {
            let mut seen = SeenDir { changed: (-5, inode), ..SeenDir::default() };
            (0..inode).for_each(|_| seen.dirs.push(c"a dir"));
            seen.found.push(SeenName::new(c".envrc", Some(Kind::File)));
            seen.found.push(SeenName::new(c".git", None));
            record.dirs.insert((7, inode as u64), Arc::new(seen));
        }
        record
    }

    #[test]
    fn what_was_encoded_is_read() {
        let top = Path::new("/a/b");
        let record = record();
        assert_eq!(Record::decode(&record.encode(top), top), Some(record.clone()));
        assert_eq!(Record::decode(&record.encode(top), Path::new("/a/c")), None);
        assert_eq!(Record::decode(&record.encode(top), Path::new("/a")), None);
        assert_eq!(record.dirs[&(7, 2)].dirs.iter().count(), 2);
    }

    #[test]
    fn what_another_wrote_is_no_record() {
        let top = Path::new("/a");
        let bytes = record().encode(top);
        for length in 0..bytes.len() {
            let cut = Record::decode(&bytes[..length], top);
            assert!(cut.is_none_or(|record| record.dirs.len() < 3), "{length}");
        }
        let head = [HEAD, b"/a\0", &[1; 32]].concat();
        let with = |name: &[u8], found: &[u8]| {
            let lengths = [(name.len() as u32).to_le_bytes(), 1u32.to_le_bytes()].concat();
            [&head[..], &lengths, name, &[8], found].concat()
        };
        assert!(Record::decode(&with(b"name\0", b"name\0"), top).is_some());
        for name in [&b"..\0"[..], b".\0", b"\0", b"a/b\0", b"/etc\0", b"name"] {
            assert_eq!(Record::decode(&with(name, b"name\0"), top), None, "{name:?}");
            assert_eq!(Record::decode(&with(b"name\0", name), top), None, "{name:?}");
        }
        assert_eq!(Record::decode(&[&head[..], &[255; 40]].concat(), top), None);
    }

    #[test]
    fn a_time_that_may_not_count_does_not() {
        assert!(is_settled((10, 1), (12, 1)) && !is_settled((10, 2), (12, 1)));
        assert!(!is_settled((10, 0), (99, 0)) && !is_settled((i64::MAX, 1), (i64::MAX, 1)));
    }
}
