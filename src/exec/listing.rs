//! A directory in which many optional sources lie, such as `/etc`: one listing tells of all what would be a call for
//! each.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use crate::sys::dir::Entries;
use crate::sys::mount::AT_FDCWD;
use crate::sys::open::{self, For};
use crate::sys::stat::Kind;
use crate::sys::{Result, Spent, statfs};

/// With fewer sources, looking at each is as quick.
const FEWEST: usize = 16;

/// A directory that does not end after so many reads is no longer a quick look.
const MOST_READS: usize = 4;

/// What a listing tells of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It is there, and is no link.
    There { is_dir: bool },
    /// It is not there.
    Missing,
    /// Nothing: it has to be looked at.
    Nothing,
}

/// What is known of the directory in which most of the sources lie.
#[derive(Default)]
pub(super) struct Listing<'a> {
    /// The directory, with a slash behind it.
    dir: &'a [u8],
    /// The names of the sources, with what is listed of them.
    names: Vec<(&'a [u8], Listed)>,
    /// Whether a name that is not listed is not there.
    is_whole: bool,
}

/// What is listed of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    No,
    /// A directory or a file.
    Plainly {
        is_dir: bool,
    },
    /// Something else, or only in another spelling, which may mean the same (`casefold` of ext4(5)).
    Unclearly,
}

impl<'a> Listing<'a> {
    /// Lists the directory of most of `sources`. Where that is not worth it or cannot be done, nothing is known.
    pub(super) fn of(sources: impl Iterator<Item = &'a CStr> + Clone, spent: &mut Spent) -> Listing<'a> {
        let parts = sources.filter_map(|source| split(source.to_bytes()));
        let mut dirs: BTreeMap<&[u8], usize> = BTreeMap::new();
        for (dir, _) in parts.clone() {
            *dirs.entry(dir).or_default() += 1;
        }
        let most = dirs.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count >= FEWEST);
        let Some((dir, _)) = most else { return Listing::default() };
        let names = parts.filter(|(parent, _)| *parent == dir).map(|(_, name)| (name, Listed::No)).collect();
        let mut listing = Listing { dir, names, is_whole: false };
        if listing.read(spent).is_err() { Listing::default() } else { listing }
    }

    fn read(&mut self, spent: &mut Spent) -> Result<()> {
        // It was part of a string.
        let path = CString::new(self.dir).unwrap_or_default();
        let open = open::any_mount(AT_FDCWD, &path, For::Listing)?;
        let marks_last = statfs::marks_last(open.as_fd())?;
        // ext4 does both.
        self.is_whole = marks_last || statfs::lists_all(open.as_fd())?;
        let (mut entries, mut is_done) = (Entries::new(), false);
        for _ in 0..MOST_READS {
            is_done = is_done || !entries.read(open.as_fd())?;
            if is_done {
                break;
            }
            entries.iter().for_each(|(name, kind)| self.add(name.to_bytes(), kind));
            is_done = marks_last && entries.is_last();
        }
        self.is_whole &= is_done;
        spent.add(open);
        Ok(())
    }

    fn add(&mut self, found: &[u8], kind: Option<Kind>) {
        // Some of these mean a name of ASCII letters where case does not count.
        self.is_whole &= found.is_ascii();
        // Nearly all names differ in this already. With this bit, a letter is the same in both cases.
        let start = |name: &[u8]| name.first().map(|first| first | 0x20);
        let is_like = |name: &[u8]| name.len() == found.len() && start(name) == start(found);
        for (name, listed) in self.names.iter_mut().filter(|(name, _)| is_like(name)) {
            if *name == found && matches!(kind, Some(Kind::Dir | Kind::File)) {
                *listed = Listed::Plainly { is_dir: kind == Some(Kind::Dir) };
            } else if name.eq_ignore_ascii_case(found) {
                *listed = Listed::Unclearly;
            }
        }
    }

    /// What is known of `source`.
    pub(super) fn tells(&self, source: &CStr) -> Told {
        let Some((_, name)) = split(source.to_bytes()).filter(|(dir, _)| *dir == self.dir) else {
            return Told::Nothing;
        };
        match self.names.iter().find(|(known, _)| *known == name) {
            Some((_, Listed::Plainly { is_dir })) => Told::There { is_dir: *is_dir },
            Some((_, Listed::No)) if self.is_whole && name.is_ascii() => Told::Missing,
            _ => Told::Nothing,
        }
    }
}

/// The directory with the slash behind it, and the name; `None` where the path does not end in a name.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let (dir, name) = path.split_at(path.iter().rposition(|&byte| byte == b'/')? + 1);
    (!matches!(name, b"" | b"." | b"..")).then_some((dir, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a listing with these entries tells of `/etc/NAME`.
    fn told(name: &str, is_whole: bool, entries: &[(&str, Option<Kind>)]) -> Told {
        let mut listing = Listing { dir: b"/etc/", names: vec![(name.as_bytes(), Listed::No)], is_whole };
        entries.iter().for_each(|(entry, kind)| listing.add(entry.as_bytes(), *kind));
        listing.tells(&CString::new(format!("/etc/{name}")).unwrap())
    }

    #[test]
    fn only_what_is_certain_is_told() {
        let entries =
            [("hosts", Some(Kind::File)), ("ssl", Some(Kind::Dir)), ("mtab", Some(Kind::Link)), ("odd", None)];
        let whole = |name| told(name, true, &entries);
        assert_eq!(whole("hosts"), Told::There { is_dir: false });
        assert_eq!(whole("ssl"), Told::There { is_dir: true });
        assert_eq!(whole("vimrc"), Told::Missing);
        // A link is followed, and a file system may say nothing. Another spelling may be the same name.
        for name in ["mtab", "odd", "HOSTS", "caf\u{e9}"] {
            assert_eq!(whole(name), Told::Nothing, "{name}");
        }
        assert_eq!(told("vimrc", false, &entries), Told::Nothing, "a part of it is unknown");
        assert_eq!(
            told("k", true, &[("\u{212a}", Some(Kind::File))]),
            Told::Nothing,
            "the sign of the kelvin folds to k"
        );
        let both = [("hosts", Some(Kind::File)), ("Hosts", Some(Kind::Dir))];
        assert_eq!(told("Hosts", true, &both), Told::There { is_dir: true });
        assert_eq!(Listing::default().tells(c"/etc/hosts"), Told::Nothing);
    }

    #[test]
    fn a_directory_is_listed_where_many_sources_lie() {
        let mut sources: Vec<CString> =
            (1..FEWEST).map(|number| CString::new(format!("/proc/{number}-no")).unwrap()).collect();
        let of = |sources: &[CString]| {
            let listing = Listing::of(sources.iter().map(CString::as_c_str), &mut Spent::default());
            [c"/proc/sys", c"/proc/1-no"].map(|source| listing.tells(source))
        };
        assert_eq!(of(&sources), [Told::Nothing; 2]);
        sources.push(c"/proc/sys".into());
        let is_there = Told::There { is_dir: true };
        assert_eq!(of(&sources), [is_there, Told::Nothing], "a procfs has names that it does not list");
    }
}
