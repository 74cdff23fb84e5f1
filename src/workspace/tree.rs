//! The record of directories: what was found in each, so that the next run need not read them again.
//!
//! A directory's ctime is a sound witness of its names: each change of a name sets it, and no program can set it back
//! (inode(7), "ctime"). It is no witness of what is in files, so nothing here speaks of content. A directory that
//! moves keeps its names; its children are asked themselves.
//!
//! What was recorded counts only if all of this holds, and the directory is read otherwise:
//!
//! * It is on ext4, xfs, btrfs, f2fs or tmpfs. Network filesystems and FUSE report times of others, overlays those of
//!   another layer, vfat none.
//! * Device, inode and ctime are the same.
//! * The ctime was two seconds old when the directory was read. A clock tick lasts up to 10 ms, and two changes within
//!   one have the same time (kernels before 6.13, kernel document `filesystems/multigrain-ts`; tmpfs).
//! * Its nanoseconds are not zero. ext4 with inodes of 128 bytes keeps whole seconds only.

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind, Stat};
use crate::sys::{Errno, Result};

/// How old a ctime must be when its directory is read, in seconds.
const SETTLED: i64 = 2;
/// The beginning of a stored record. Which names count depends on the version of this program.
const HEAD: &[u8] = concat!("pinfold tree 1 ", env!("CARGO_PKG_VERSION"), "\n").as_bytes();

/// What was seen in one directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    /// The names of the directories in it.
    pub(super) dirs: Vec<CString>,
    /// The names in it that the caller wants to know, of any type.
    pub(super) found: Vec<CString>,
}

/// What is known of directories, by device and inode.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    dirs: HashMap<(u64, u64), ((i64, i64), Seen)>,
}

/// What a walk needs to know.
pub(super) struct Rules<'a> {
    /// Whether the caller wants to know this name.
    pub(super) counts: &'a dyn Fn(&CStr) -> bool,
    /// Whether the filesystem of a directory has times that count. It is asked once for each device.
    pub(super) has_sound_times: &'a dyn Fn(BorrowedFd<'_>) -> bool,
    /// The present time, in seconds and nanoseconds since 1970.
    pub(super) now: (i64, i64),
}

/// What a walk did.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// What is known now.
    pub(super) record: Record,
    /// How many directories were asked for their attributes.
    pub(super) asked: usize,
    /// How many were read.
    pub(super) read: usize,
    /// Directories that could not be read, relative to the top. Those too deep for a path are among them.
    pub(super) unread: Vec<(PathBuf, Errno)>,
}

/// Walks through `top` and everything below it, other mounts too. Follows no link. `visit` gets each directory,
/// relative to the top, with what is in it; returns false where the walk shall not go below.
pub(super) fn walk(
    top: BorrowedFd<'_>,
    known: &Record,
    rules: &Rules<'_>,
    mut visit: impl FnMut(&Path, &Seen) -> bool,
) -> Result<Walked> {
    let mut walk = Walk { top, rules, sound: HashMap::new(), entries: Entries::new() };
    let mut walked = Walked::default();
    let mut ahead = vec![PathBuf::new()];
    while let Some(rel) = ahead.pop() {
        let (about, seen) = match walk.look(&rel, known, &mut walked) {
            Ok(Some(found)) => found,
            // Somebody has removed or replaced it meanwhile.
            Ok(None) => continue,
            Err(errno) if rel.as_os_str().is_empty() => return Err(errno),
            Err(errno) => {
                walked.unread.push((rel, errno));
                continue;
            }
        };
        if visit(&rel, &seen) {
            ahead.extend(seen.dirs.iter().map(|name| rel.join(OsStr::from_bytes(name.to_bytes()))));
        }
        if let Some(about) = about {
            walked.record.dirs.insert((about.device, about.inode), (about.changed, seen));
        }
    }
    Ok(walked)
}

struct Walk<'a> {
    top: BorrowedFd<'a>,
    rules: &'a Rules<'a>,
    /// Devices whose times count, or not.
    sound: HashMap<u64, bool>,
    entries: Entries,
}

impl Walk<'_> {
    /// What is in the directory `rel`, and its attributes if that may be recorded.
    fn look(&mut self, rel: &Path, known: &Record, walked: &mut Walked) -> Result<Option<(Option<Stat>, Seen)>> {
        walked.asked += 1;
        // The directories above were asked just now and were no links. If somebody has put a link there since, another
        // file answers, which is not known and so is opened without links.
        let about = match stat::look_at(self.top, &c_path(rel))? {
            Some(about) if about.is_dir() => about,
            _ => return Ok(None),
        };
        let mut opened = None;
        let sound = match self.sound.get(&about.device) {
            Some(&sound) => sound,
            None => {
                let dir = self.open(rel)?;
                let sound = (self.rules.has_sound_times)(dir.as_fd());
                opened = Some(dir);
                *self.sound.entry(about.device).or_insert(sound)
            }
        };
        if let Some((changed, seen)) = known.dirs.get(&(about.device, about.inode))
            && sound
            && *changed == about.changed
        {
            return Ok(Some((Some(about), seen.clone())));
        }
        let dir = match opened {
            Some(dir) => dir,
            None => match self.open(rel) {
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(None),
                opened => opened?,
            },
        };
        // What changes from here on has a later time than the one that is recorded.
        let about = stat::look_at_open(dir.as_fd())?;
        walked.read += 1;
        let seen = self.read(dir.as_fd())?;
        Ok(Some((Some(about).filter(|about| sound && is_settled(about.changed, self.rules.now)), seen)))
    }

    fn open(&self, rel: &Path) -> Result<OwnedFd> {
        let place = open::without_links_at(self.top, &c_path(rel))?;
        open::same_mount(place.as_fd(), c".", For::Listing)
    }

    fn read(&mut self, dir: BorrowedFd<'_>) -> Result<Seen> {
        let mut seen = Seen::default();
        while self.entries.read(dir)? {
            for (name, kind) in self.entries.iter() {
                let kind = match kind {
                    Some(kind) => Some(kind),
                    None => stat::look_at(dir, name)?.and_then(Stat::kind),
                };
                if kind == Some(Kind::Dir) {
                    seen.dirs.push(name.to_owned());
                }
                if (self.rules.counts)(name) {
                    seen.found.push(name.to_owned());
                }
            }
        }
        Ok(seen)
    }
}

/// Whether no later change can have this time.
fn is_settled(changed: (i64, i64), now: (i64, i64)) -> bool {
    changed.1 != 0 && changed.0.checked_add(SETTLED).is_some_and(|then| (then, changed.1) <= now)
}

impl Record {
    /// The record as bytes, to be stored.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = HEAD.to_vec();
        for ((device, inode), (changed, seen)) in &self.dirs {
            for number in [*device, *inode, changed.0 as u64, changed.1 as u64] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            for names in [&seen.dirs, &seen.found] {
                out.extend_from_slice(&(names.len() as u64).to_le_bytes());
                names.iter().for_each(|name| out.extend_from_slice(name.to_bytes_with_nul()));
            }
        }
        out
    }

    /// Reads what [`Record::encode`] wrote. `None` for anything else, and for what another version wrote.
    pub(super) fn decode(bytes: &[u8]) -> Option<Record> {
        let mut rest = bytes.strip_prefix(HEAD)?;
        let mut record = Record::default();
        while !rest.is_empty() {
            let key = (number(&mut rest)?, number(&mut rest)?);
            let changed = (number(&mut rest)? as i64, number(&mut rest)? as i64);
            let seen = Seen { dirs: names(&mut rest)?, found: names(&mut rest)? };
            record.dirs.insert(key, (changed, seen));
        }
        Some(record)
    }
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_le_bytes(*bytes))
}

fn names(rest: &mut &[u8]) -> Option<Vec<CString>> {
    let count = number(rest)?;
    (0..count)
        .map(|_| {
            let name = CStr::from_bytes_until_nul(rest).ok()?;
            // A name with a slash, or none, would lead the walk elsewhere.
            let is_name = !matches!(name.to_bytes(), b"" | b"." | b"..") && !name.to_bytes().contains(&b'/');
            *rest = &rest[name.count_bytes() + 1..];
            is_name.then(|| name.to_owned())
        })
        .collect()
}

fn c_path(rel: &Path) -> CString {
    let path = if rel.as_os_str().is_empty() { OsStr::new(".") } else { rel.as_os_str() };
    CString::new(path.as_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    /// A directory for one test, removed at its end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            let path = PathBuf::from(format!("/var/tmp/pinfold-tree-{}-{name}", std::process::id()));
            for dir in ["a/b/c", "a/.git", "d"] {
                fs::create_dir_all(path.join(dir)).unwrap();
            }
            fs::write(path.join("a/file"), "").unwrap();
            fs::write(path.join("d/.envrc"), "").unwrap();
            symlink("../a", path.join("d/link")).unwrap();
            Place(path)
        }

        /// Seconds after its directories were changed.
        fn walk_at(&self, seconds: i64, known: &Record, sound: bool) -> (Vec<String>, Walked) {
            let changed = fs::metadata(&self.0).unwrap().ctime();
            let top = open::path(&c_path(&self.0), true).unwrap();
            let rules = Rules {
                counts: &|name| matches!(name.to_bytes(), b".git" | b".envrc"),
                has_sound_times: &|_| sound,
                now: (changed + seconds, 0),
            };
            let mut visited = Vec::new();
            let walked = walk(top.as_fd(), known, &rules, |path, seen| {
                visited.push(format!("{} {:?}", path.display(), seen.found));
                true
            });
            visited.sort();
            (visited, walked.unwrap())
        }

        fn walk(&self, known: &Record) -> (Vec<String>, Walked) {
            self.walk_at(60, known, true)
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    const ALL: [&str; 6] = [" []", "a [\".git\"]", "a/.git []", "a/b []", "a/b/c []", "d [\".envrc\"]"];

    #[test]
    fn a_tree_that_has_not_changed_is_asked_and_not_read() {
        let place = Place::new("same");
        let (visited, first) = place.walk(&Record::default());
        assert_eq!((visited, first.asked, first.read), (ALL.map(String::from).to_vec(), 6, 6));
        let stored = Record::decode(&first.record.encode()).unwrap();
        assert_eq!(stored, first.record);
        let (visited, second) = place.walk(&stored);
        assert_eq!((visited, second.asked, second.read), (ALL.map(String::from).to_vec(), 6, 0));
        assert_eq!(second.record, first.record);
    }

    #[test]
    fn a_directory_that_has_changed_is_read() {
        let place = Place::new("changed");
        let known = place.walk(&Record::default()).1.record;
        fs::create_dir(place.0.join("a/b/.git")).unwrap();
        let (visited, walked) = place.walk(&known);
        assert!(visited.contains(&"a/b [\".git\"]".to_owned()), "{visited:?}");
        assert_eq!(walked.read, 2, "a/b and the new one");
        // Another directory under the same name, and one under another name.
        fs::rename(place.0.join("d"), place.0.join("e")).unwrap();
        fs::create_dir(place.0.join("d")).unwrap();
        let (visited, _) = place.walk(&walked.record);
        assert!(visited.contains(&"d []".to_owned()) && visited.contains(&"e [\".envrc\"]".to_owned()), "{visited:?}");
        // A link in place of a directory.
        fs::remove_dir(place.0.join("d")).unwrap();
        symlink("a", place.0.join("d")).unwrap();
        assert!(!place.walk(&walked.record).0.iter().any(|path| path.starts_with("d ")));
    }

    #[test]
    fn a_time_that_may_not_count_does_not() {
        let place = Place::new("young");
        for (seconds, sound) in [(1, true), (-5, true), (60, false)] {
            let (_, walked) = place.walk_at(seconds, &Record::default(), sound);
            assert_eq!(walked.record, Record::default(), "{seconds} {sound}");
        }
        // Recorded where times counted, and asked where they do not.
        let known = place.walk(&Record::default()).1.record;
        assert_eq!(place.walk_at(60, &known, false).1.read, 6);
        assert!(is_settled((10, 1), (12, 1)) && !is_settled((10, 2), (12, 1)));
        assert!(!is_settled((10, 0), (99, 0)) && !is_settled((i64::MAX, 1), (i64::MAX, 1)));
    }

    #[test]
    fn what_another_wrote_is_no_record() {
        let place = Place::new("bytes");
        let bytes = place.walk(&Record::default()).1.record.encode();
        for length in (0..bytes.len()).filter(|length| *length != HEAD.len()) {
            let cut = Record::decode(&bytes[..length]);
            assert!(cut.is_none_or(|record| record.dirs.len() < 6), "{length}");
        }
        let with_name = |name: &[u8]| {
            let number = |number: u64| number.to_le_bytes();
            let head = [HEAD, &number(1), &number(2), &number(3), &number(4)].concat();
            [&head[..], &number(1), name, b"\0", &number(0)].concat()
        };
        assert!(Record::decode(&with_name(b"name")).is_some());
        for name in [&b".."[..], b".", b"", b"a/b", b"/etc"] {
            assert_eq!(Record::decode(&with_name(name)), None, "{name:?}");
        }
        assert_eq!(Record::decode(&[HEAD, &[255; 40]].concat()), None);
    }

    #[test]
    fn what_is_too_deep_for_a_path_is_told() {
        let place = Place::new("deep");
        let name = CString::new("d".repeat(250)).unwrap();
        let mut dir = open::path(&c_path(&place.0), true).unwrap();
        for _ in 0..20 {
            crate::sys::make::dir_at(dir.as_fd(), &name, 0o700).unwrap();
            dir = open::dir_at(dir.as_fd(), &name).unwrap();
        }
        let (_, walked) = place.walk(&Record::default());
        assert!(matches!(walked.unread[..], [(_, Errno::ENAMETOOLONG)]), "{:?}", walked.unread);
    }
}
