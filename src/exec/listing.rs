//! A directory in which many optional sources lie, such as `/etc`: one listing tells of all what would be a call for each.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::AsFd;

use crate::sys::dir::{self, Entries, For};
use crate::sys::file::Kind;
use crate::sys::mount::AT_FDCWD;
use crate::sys::{Result, Spent};

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
pub(super) struct Listing {
    /// The directory, with a slash behind it.
    dir: Vec<u8>,
    /// What is in it, by name in small letters, with the name itself.
    entries: BTreeMap<Vec<u8>, (Vec<u8>, Option<Kind>)>,
    /// Whether a name that is not listed is not there.
    is_whole: bool,
}

impl Listing {
    /// Lists the directory of most of `sources`. Where that is not worth it or cannot be done, nothing is known.
    pub(super) fn of<'a>(sources: impl Iterator<Item = &'a CStr>, spent: &mut Spent) -> Listing {
        let mut dirs: BTreeMap<&[u8], usize> = BTreeMap::new();
        for (dir, _) in sources.filter_map(|source| split(source.to_bytes())) {
            *dirs.entry(dir).or_default() += 1;
        }
        let most = dirs.into_iter().max_by_key(|(_, count)| *count).filter(|(_, count)| *count >= FEWEST);
        most.and_then(|(dir, _)| Listing::read(dir, spent).ok()).unwrap_or_default()
    }

    fn read(dir: &[u8], spent: &mut Spent) -> Result<Listing> {
        // It was part of a string.
        let path = CString::new(dir).unwrap_or_default();
        let open = dir::open_any_mount(AT_FDCWD, &path, For::Listing)?;
        let marks_last = dir::marks_last(open.as_fd())?;
        let mut listing =
            Listing { dir: dir.to_owned(), is_whole: dir::lists_all(open.as_fd())?, ..Listing::default() };
        let mut entries = Entries::new();
        let mut is_done = false;
        for _ in 0..MOST_READS {
            is_done = is_done || !entries.read(open.as_fd())?;
            if is_done {
                break;
            }
            for (name, kind) in entries.iter() {
                listing.add(name.to_bytes(), kind);
            }
            is_done = marks_last && entries.is_last();
        }
        listing.is_whole &= is_done;
        spent.add(open);
        Ok(listing)
    }

    fn add(&mut self, name: &[u8], kind: Option<Kind>) {
        // In a directory that takes no notice of case (`casefold` of ext4(5)), such a name may mean one of ASCII letters.
        self.is_whole &= name.is_ascii();
        self.entries.insert(name.to_ascii_lowercase(), (name.to_owned(), kind));
    }

    /// What is known of `source`.
    pub(super) fn tells(&self, source: &CStr) -> Told {
        let Some((_, name)) = split(source.to_bytes()).filter(|(dir, _)| *dir == self.dir) else {
            return Told::Nothing;
        };
        match self.entries.get(&name.to_ascii_lowercase()) {
            None if self.is_whole && name.is_ascii() => Told::Missing,
            Some((listed, Some(kind @ (Kind::Dir | Kind::File)))) if listed == name => {
                Told::There { is_dir: *kind == Kind::Dir }
            }
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

    fn listing(is_whole: bool, names: &[(&str, Option<Kind>)]) -> Listing {
        let mut listing = Listing { dir: b"/etc/".to_vec(), is_whole, ..Listing::default() };
        names.iter().for_each(|(name, kind)| listing.add(name.as_bytes(), *kind));
        listing
    }

    #[test]
    fn only_what_is_certain_is_told() {
        let names = [("hosts", Some(Kind::File)), ("ssl", Some(Kind::Dir)), ("mtab", Some(Kind::Link)), ("odd", None)];
        let whole = listing(true, &names);
        assert_eq!(whole.tells(c"/etc/hosts"), Told::There { is_dir: false });
        assert_eq!(whole.tells(c"/etc/ssl"), Told::There { is_dir: true });
        assert_eq!(whole.tells(c"/etc/vimrc"), Told::Missing);
        // A link is followed, and a file system may say nothing. Another spelling may be the same name.
        for source in
            [c"/etc/mtab", c"/etc/odd", c"/etc/HOSTS", c"/etc/ssl/", c"/etc/.", c"/etc/caf\xc3\xa9", c"/usr/x"]
        {
            assert_eq!(whole.tells(source), Told::Nothing, "{source:?}");
        }
        assert_eq!(listing(false, &names).tells(c"/etc/vimrc"), Told::Nothing, "a part of it is unknown");
        let other = listing(true, &[("\u{212a}", Some(Kind::File))]);
        assert_eq!(other.tells(c"/etc/k"), Told::Nothing, "the sign of the kelvin folds to k");
        assert_eq!(Listing::default().tells(c"/etc/hosts"), Told::Nothing);
    }

    #[test]
    fn a_directory_is_listed_where_many_sources_lie() {
        let names: Vec<CString> =
            (0..FEWEST).map(|number| CString::new(format!("/proc/{number}-no")).unwrap()).collect();
        let of = |names: &[CString]| Listing::of(names.iter().map(CString::as_c_str), &mut Spent::default());
        assert!(of(&names[1..]).entries.is_empty());
        let listed = of(&names);
        assert_eq!(listed.tells(c"/proc/sys"), Told::There { is_dir: true });
        assert_eq!(listed.tells(c"/proc/nothing"), Told::Nothing, "a procfs has names that it does not list");
    }
}
