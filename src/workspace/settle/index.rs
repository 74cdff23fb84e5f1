//! The index of a repository. git checks names when it adds them, not when it reads them (read-cache.c,
//! `create_from_disk`): with an entry `.git/hooks/pre-commit`, `git checkout .` outside writes a hook.
//!
//! The format is that of gitformat-index(5). With threads, git begins to read at several places, which the file names
//! itself. If entries in order do not begin at these places, git could read other names there, so the index is bad.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

use super::judge::{Judge, OTHER_NAME};
use super::told::start_of;
use crate::sys::stat::{self, Stat};
use crate::sys::{Errno, content};
use crate::workspace::config::{self, LONGEST};
use crate::workspace::names::{is_like, is_recordable};

pub(super) const NAME: &CStr = c"index";

/// At most this many bytes of names are read in one index. In version 4 a short entry can stand for a long name.
const MOST_OF_NAMES: usize = 512 << 20;

/// At most this many files in conflict are remembered.
const MOST_UNMERGED: usize = 10_000;

/// What is wrong with an index.
#[derive(Debug, PartialEq, Eq)]
enum Wrong {
    /// git does not write it so.
    Format,
    /// A file that no checkout may write.
    Name(Vec<u8>),
    /// Looking through it takes too long.
    TooMuch,
}

/// What an index says, if nothing is wrong with it.
#[derive(Debug, PartialEq, Eq, Default)]
struct Parts {
    /// The hash of the index that this one shares entries with, in hexadecimal (a split index).
    shared: Option<String>,
    /// Files in conflict.
    unmerged: HashSet<Vec<u8>>,
    /// Which entries of the rest go, and which are replaced: two bitmaps (gitformat-index(5), "Split index").
    split: Vec<u8>,
}

/// An entry, without what git remembers of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::workspace) struct Entry {
    /// Empty for one that takes the place of another in a split index.
    pub(in crate::workspace) path: Vec<u8>,
    pub(in crate::workspace) mode: u32,
    pub(in crate::workspace) id: Vec<u8>,
    pub(in crate::workspace) stage: u8,
    /// `skip-worktree`: git takes the file for unchanged, whatever it is.
    pub(in crate::workspace) is_skipped: bool,
}

/// The entries of an index, in order. For a split one also the name of the rest, and its two bitmaps.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::workspace) struct Listed {
    pub(in crate::workspace) entries: Vec<Entry>,
    pub(in crate::workspace) split: Option<(String, Vec<u8>)>,
}

/// Reads the index `text`, with hashes of `hash` bytes. `is_shared`: it is the rest of a split one. `None`: it is no
/// index that git writes, or names what no checkout may write.
pub(in crate::workspace) fn list(text: &[u8], hash: usize, is_shared: bool) -> Option<Listed> {
    let index = Index::new(text, hash, is_shared).ok()?;
    let Parts { shared, split, .. } = index.parts(MOST_OF_NAMES).ok()?;
    let (mut at, mut reading, mut entries) = (Index::HEADER, Reading::new(MOST_OF_NAMES), Vec::new());
    for _ in 0..index.count {
        let start = at;
        at = index.entry(at, &mut reading).ok()?.0;
        let id = start + 40;
        let flags = be32(text, id + hash).ok()?;
        entries.push(Entry {
            path: reading.name.clone(),
            mode: be32(text, start + 24).ok()?,
            id: text[id..id + hash].to_vec(),
            stage: (flags >> 28 & 3) as u8,
            is_skipped: flags & 0x4000_0000 != 0 && flags & 0x4000 != 0,
        });
    }
    Some(Listed { entries, split: shared.map(|rest| (rest, split)) })
}

type Result<T> = std::result::Result<T, Wrong>;

/// What was found in the index of a git directory.
#[derive(Default)]
pub(super) struct Looked {
    /// Why it is set aside, if it is.
    pub(super) fault: Option<Fault>,
    /// The files in conflict. There are none in an index that is no good.
    pub(super) unmerged: HashSet<Vec<u8>>,
}

/// Why an index is set aside.
pub(super) struct Fault {
    pub(super) why: String,
    /// What takes its place, if only the file is wrong and not what it says.
    pub(super) copy: Option<Vec<u8>>,
}

/// Looks through the index of the git directory `dir`.
pub(super) fn look(judge: &mut Judge, dir: BorrowedFd<'_>, is_worktree: bool) -> Looked {
    let about = match stat::look_at(dir, NAME) {
        Ok(Some(about)) if !about.is_link() => Some(about),
        // Links are removed.
        Ok(_) => return Looked::default(),
        Err(_) => None,
    };
    if judge.is_late() {
        return Looked::bad("was not looked through, for want of time");
    }
    let text = match judge.index(dir, NAME) {
        Ok(text) => text,
        Err(Errno::ENOENT) => return Looked::default(),
        Err(Errno::EFBIG) => return Looked::bad("is too long to be looked through"),
        Err(_) => return Looked::bad("cannot be read"),
    };
    match read_with_shared(judge, dir, &text, hash_length(dir, is_worktree)) {
        Ok(unmerged) => {
            let has_more_names = about.is_some_and(Stat::has_more_names);
            let fault = has_more_names.then(|| Fault { why: OTHER_NAME.to_owned(), copy: Some(text) });
            Looked { fault, unmerged }
        }
        Err(Wrong::Name(name)) => Looked::bad(&format!("names '{}', which git would write", start_of(&name))),
        Err(Wrong::Format) => Looked::bad("is none that git writes"),
        Err(Wrong::TooMuch) => Looked::bad("takes too long to be looked through"),
    }
}

impl Looked {
    fn bad(what: &str) -> Looked {
        let fault = Fault { why: format!("{what} (git reset makes a new one)"), copy: None };
        Looked { fault: Some(fault), ..Looked::default() }
    }
}

/// Reads the index `text`, and the one that it shares entries with. Returns the files in conflict.
fn read_with_shared(judge: &mut Judge, dir: BorrowedFd<'_>, text: &[u8], hash: usize) -> Result<HashSet<Vec<u8>>> {
    let parts = Index::new(text, hash, false)?.parts(MOST_OF_NAMES)?;
    let Some(shared) = parts.shared else { return Ok(parts.unmerged) };
    let name = CString::new(format!("sharedindex.{shared}")).map_err(|_| Wrong::Format)?;
    // A later run could write to it under its other name, where nobody looks.
    if stat::look_at(dir, &name).is_ok_and(|about| about.is_some_and(Stat::has_more_names)) {
        return Err(Wrong::Format);
    }
    match judge.index(dir, &name) {
        Ok(text) => drop(Index::new(&text, hash, true)?.parts(MOST_OF_NAMES)?),
        // git cannot use the index then.
        Err(Errno::ENOENT) => {}
        Err(_) => return Err(Wrong::Format),
    }
    Ok(parts.unmerged)
}

/// The length of hashes, in bytes.
fn hash_length(dir: BorrowedFd<'_>, is_worktree: bool) -> usize {
    let name = if is_worktree { c"../../config" } else { c"config" };
    let settings = config::parse(&content::read_at(dir, name, LONGEST).unwrap_or_default());
    if config::last(&settings, "extensions.objectformat") == Some(b"sha256") { 32 } else { 20 }
}

/// The text of an index.
struct Index<'a> {
    text: &'a [u8],
    /// Length of a hash.
    hash: usize,
    version: u32,
    count: u32,
    /// Whether other indexes share its entries.
    is_shared: bool,
}

/// What is known after a part of the entries.
struct Reading {
    /// The name of the last entry. In version 4 the next one may begin with a part of it.
    name: Vec<u8>,
    /// How many bytes of names may still be read.
    names_left: usize,
    /// Whether an entry had no name.
    has_nameless: bool,
    unmerged: HashSet<Vec<u8>>,
}

impl Reading {
    fn new(most_of_names: usize) -> Reading {
        Reading { name: Vec::new(), names_left: most_of_names, has_nameless: false, unmerged: HashSet::new() }
    }
}

/// Where entries begin, for readers that do not begin with the first one.
struct Block {
    start: usize,
    /// Index of its first entry.
    first: u32,
}

impl<'a> Index<'a> {
    const HEADER: usize = 12;

    fn new(text: &'a [u8], hash: usize, is_shared: bool) -> Result<Index<'a>> {
        let (version, count) = (be32(text, 4)?, be32(text, 8)?);
        let index = Index { text, hash, version, count, is_shared };
        let is_whole = text.len() >= Self::HEADER + hash;
        let is_one = text.starts_with(b"DIRC") && matches!(index.version, 2..=4) && is_whole;
        if is_one { Ok(index) } else { Err(Wrong::Format) }
    }

    /// Where the entries and extensions end, and the hash of all begins.
    fn end(&self) -> usize {
        self.text.len() - self.hash
    }

    /// Reads all of it. Fails if the names have more than `most_of_names` bytes in total.
    fn parts(&self, most_of_names: usize) -> Result<Parts> {
        let mut reading = Reading::new(most_of_names);
        let mut at = Self::HEADER;
        for _ in 0..self.count {
            at = self.entry(at, &mut reading)?.0;
        }
        let (extensions, mut shared, mut blocks) = (at, None, None);
        let mut split = Vec::new();
        // An index that shares entries may have some without names. They replace those of the other one.
        let mut may_have_nameless = false;
        while at + 8 <= self.end() {
            let length = be32(self.text, at + 4)? as usize;
            let body =
                self.text.get(at + 8..(at + 8).checked_add(length).ok_or(Wrong::Format)?).ok_or(Wrong::Format)?;
            match &self.text[at..at + 4] {
                b"link" => {
                    let hash = body.get(..self.hash).ok_or(Wrong::Format)?;
                    if hash.iter().any(|&byte| byte != 0) {
                        may_have_nameless = !self.is_shared;
                        let hash = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                        only_one(shared.replace(hash))?;
                        split = body[self.hash..].to_vec();
                    }
                }
                b"IEOT" => only_one(blocks.replace(self.blocks(body)?))?,
                b"EOIE" if be32(body, 0)? as usize != extensions => return Err(Wrong::Format),
                _ => {}
            }
            at += 8 + length;
        }
        let is_right = at <= self.end() && !self.has_other_end(extensions);
        if !is_right || reading.has_nameless && !may_have_nameless {
            return Err(Wrong::Format);
        }
        // The blocks stand behind the entries, so the entries are read once more.
        if let Some(blocks) = blocks {
            reading.name.clear();
            self.check_blocks(&blocks, &mut reading)?;
        }
        Ok(Parts { shared, unmerged: reading.unmerged, split })
    }

    /// Whether the extension `EOIE` says that the entries end elsewhere. git looks for it in this place only.
    fn has_other_end(&self, extensions: usize) -> bool {
        let mark = self.end().checked_sub(8 + 4 + self.hash);
        let is_mark = |at: &usize| self.text[*at..].starts_with(b"EOIE");
        mark.filter(is_mark).is_some_and(|at| be32(self.text, at + 8) != Ok(extensions as u32))
    }

    /// The blocks of entries that threads read.
    fn blocks(&self, body: &[u8]) -> Result<Vec<Block>> {
        if body.len() % 8 != 4 || be32(body, 0)? != 1 {
            return Err(Wrong::Format);
        }
        let mut first = 0u32;
        let mut blocks = Vec::new();
        for at in (4..body.len()).step_by(8) {
            blocks.push(Block { start: be32(body, at)? as usize, first });
            first = first.checked_add(be32(body, at + 4)?).ok_or(Wrong::Format)?;
        }
        if first == self.count { Ok(blocks) } else { Err(Wrong::Format) }
    }

    /// Checks that each block begins with an entry, in order, whose name takes nothing from the one before.
    fn check_blocks(&self, blocks: &[Block], reading: &mut Reading) -> Result<()> {
        let mut at = Self::HEADER;
        let mut blocks = blocks.iter().peekable();
        for number in 0..self.count {
            let start = at;
            let (next, has_prefix) = self.entry(at, reading)?;
            while let Some(block) = blocks.next_if(|block| block.first == number) {
                if block.start != start || has_prefix {
                    return Err(Wrong::Format);
                }
            }
            at = next;
        }
        Ok(())
    }

    /// Reads the entry at `at`. Returns where it ends, and whether its name begins with a part of the one before.
    fn entry(&self, at: usize, reading: &mut Reading) -> Result<(usize, bool)> {
        const NAME_MASK: usize = 0xfff;
        const EXTENDED: u32 = 0x4000;
        const STAGE: u32 = 0x3000;
        const MODE: usize = 24;
        let flags_at = at + 40 + self.hash;
        let flags = be32(self.text, flags_at)? >> 16;
        let name = &mut reading.name;
        let mut start = flags_at + if flags & EXTENDED == 0 { 2 } else { 4 };
        let mut kept = 0;
        if self.version == 4 {
            let (cut, after) = self.varint(start)?;
            kept = name.len().checked_sub(cut).ok_or(Wrong::Format)?;
            start = after;
        }
        let rest = self.text.get(start..self.end()).ok_or(Wrong::Format)?;
        let length = rest.iter().position(|&byte| byte == 0).ok_or(Wrong::Format)?;
        name.truncate(kept);
        name.extend_from_slice(&rest[..length]);
        // git takes the length from here, where it has room.
        if flags as usize & NAME_MASK != name.len().min(NAME_MASK) {
            return Err(Wrong::Format);
        }
        reading.has_nameless |= name.is_empty();
        reading.names_left = reading.names_left.checked_sub(name.len()).ok_or(Wrong::TooMuch)?;
        if flags & STAGE != 0 && reading.unmerged.len() < MOST_UNMERGED {
            reading.unmerged.insert(name.clone());
        }
        // A directory of a sparse index ends with a slash.
        let kind = be32(self.text, at + MODE)? & 0o170_000;
        let is_dir = kind == 0o040_000;
        let plain = if is_dir { name.strip_suffix(b"/").unwrap_or(name) } else { &name[..] };
        // git writes where a link of this name leads (read-cache.c, `verify_dotfile`).
        let last = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let is_link_of_modules = kind == 0o120_000 && is_like(last, b".gitmodules");
        if !name.is_empty() && (!is_recordable(plain) || is_link_of_modules) {
            return Err(Wrong::Name(std::mem::take(name)));
        }
        let end = match self.version {
            4 => start + length + 1,
            // With one to eight NUL bytes, to a multiple of eight.
            _ => at + (start - at + length + 8) / 8 * 8,
        };
        if end <= self.end() { Ok((end, kept > 0)) } else { Err(Wrong::Format) }
    }

    /// A number of variable length (varint.c, `decode_varint`), and where it ends.
    fn varint(&self, mut at: usize) -> Result<(usize, usize)> {
        let mut value = 0usize;
        for nth in 0..4 {
            let byte = *self.text.get(at).ok_or(Wrong::Format)?;
            at += 1;
            value = ((value + usize::from(nth > 0)) << 7) | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok((value, at));
            }
        }
        // No name is so long.
        Err(Wrong::Format)
    }
}

/// Checks that nothing was replaced: an extension that may come once has come once.
fn only_one<T>(replaced: Option<T>) -> Result<()> {
    if replaced.is_none() { Ok(()) } else { Err(Wrong::Format) }
}

/// Four bytes, the highest first.
fn be32(text: &[u8], at: usize) -> Result<u32> {
    let bytes = at.checked_add(4).and_then(|end| text.get(at..end)).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_be_bytes).ok_or(Wrong::Format)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries in the format `version`, with hashes of 20 bytes, and what follows them.
    fn index(version: u32, names: &[&str], extensions: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut text = [&b"DIRC"[..], &version.to_be_bytes(), &(names.len() as u32).to_be_bytes()].concat();
        let mut before = "";
        for name in names {
            let start = text.len();
            text.extend([0; 60]);
            text.extend((name.len().min(0xfff) as u16).to_be_bytes());
            if version == 4 {
                let same = before.bytes().zip(name.bytes()).take_while(|(one, other)| one == other).count();
                text.push((before.len() - same) as u8);
                text.extend(&name.as_bytes()[same..]);
                text.push(0);
            } else {
                text.extend(name.as_bytes());
                text.resize(start + (text.len() - start + 8) / 8 * 8, 0);
            }
            before = name;
        }
        for (name, body) in extensions {
            text.extend([&name[..], &(body.len() as u32).to_be_bytes(), body].concat());
        }
        text.extend([0; 20]);
        text
    }

    fn read(text: &[u8]) -> Result<Vec<String>> {
        Index::new(text, 20, false)?.parts(MOST_OF_NAMES).map(|parts| parts.shared.into_iter().collect())
    }

    #[test]
    fn names_in_each_format() {
        for version in [2, 3, 4] {
            let long = "n/".repeat(60) + "n";
            assert_eq!(read(&index(version, &[], &[])), Ok(vec![]));
            assert_eq!(read(&index(version, &["a", "a/b", "a/bc", "b", &long], &[])), Ok(vec![]), "{version}");
            for bad in [".git/x", "/x", "../x", "a/../../x", "a/.GIT/x", "x/"] {
                let found = read(&index(version, &["a/b", bad], &[]));
                assert_eq!(found, Err(Wrong::Name(bad.as_bytes().to_vec())), "{version}");
            }
            // What does not end, or says another length.
            let text = index(version, &["a/b", "a/c"], &[]);
            for end in 0..text.len() - 1 {
                assert!(read(&text[..end]).is_err(), "{version} {end}");
            }
            let mut text = index(version, &["a/b"], &[]);
            text[12 + 61] += 1;
            assert_eq!(read(&text), Err(Wrong::Format), "{version}");
        }
        // Beyond the length that the entry has room for.
        let long = "n".repeat(5000);
        assert_eq!(read(&index(2, &[&long, &format!("/{long}")], &[])), Err(Wrong::Name(format!("/{long}").into())));
        assert_eq!(read(&index(5, &[], &[])), Err(Wrong::Format));
    }

    /// A name that is whole only where git begins to read with it.
    #[test]
    fn every_way_to_read_it_is_the_same() {
        let block = |start: u32, count: u32| [start.to_be_bytes(), count.to_be_bytes()].concat();
        let table = |blocks: &[Vec<u8>]| (b"IEOT", [1u32.to_be_bytes().to_vec(), blocks.concat()].concat());
        let end = |at: u32| (b"EOIE", [at.to_be_bytes().to_vec(), vec![0; 20]].concat());
        let names = ["a", "b/c", "b/d"];
        // Each of them is 62 bytes, a number, what is its own, a NUL.
        let (second, third, all) = (12 + 65, 12 + 65 + 67, 12 + 65 + 67 + 65);
        let good = [vec![table(&[block(12, 1), block(second, 2)]), end(all)], vec![end(all)], vec![]];
        for extensions in good {
            assert_eq!(read(&index(4, &names, &extensions)), Ok(vec![]));
        }
        let bad = [
            vec![table(&[block(12, 2), block(third, 1)])],
            vec![table(&[block(12, 1), block(second + 1, 2)])],
            vec![table(&[block(12, 1), block(second, 1)])],
            vec![table(&[block(12, 3)]), table(&[block(12, 3)])],
            vec![end(all - 1)],
        ];
        for extensions in bad {
            assert_eq!(read(&index(4, &names, &extensions)), Err(Wrong::Format));
        }
    }

    #[test]
    fn a_split_index_says_what_it_shares() {
        let link = |byte| (b"link", vec![byte; 20]);
        assert_eq!(read(&index(2, &["", "a"], &[link(0xab)])), Ok(vec!["ab".repeat(20)]));
        assert_eq!(read(&index(2, &["a"], &[link(0)])), Ok(vec![]));
        // Only of one that shares something an entry has no name.
        assert_eq!(read(&index(2, &["", "a"], &[link(0)])), Err(Wrong::Format));
        let text = index(2, &["", "a"], &[link(0xab)]);
        assert_eq!(Index::new(&text, 20, true).and_then(|index| index.parts(MOST_OF_NAMES)), Err(Wrong::Format));
    }

    #[test]
    fn a_short_entry_that_stands_for_a_long_name_costs_no_more_than_is_allowed() {
        let long = "n/".repeat(500) + "n";
        let text = index(4, &[long.as_str(); 10], &[]);
        let index = Index::new(&text, 20, false).unwrap();
        assert_eq!(index.parts(5 * long.len()), Err(Wrong::TooMuch));
        assert_eq!(read(&text), Ok(vec![]));
    }

    /// Debug code takes about a tenth of a second for this; the release a few milliseconds.
    #[test]
    fn many_entries_are_read_soon() {
        let names: Vec<String> =
            (0..100_000).map(|number| format!("some/directory/{}/{number}.c", number / 100)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let texts = [2, 4].map(|version| index(version, &names, &[]));
        for text in texts {
            assert_eq!(read(&text), Ok(vec![]));
        }
    }
}
