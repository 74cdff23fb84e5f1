//! What a repository was when the box began: what it takes to tell afterwards who has changed what.
//!
//! It is recorded before the program starts, so it reads no more than git itself would for `git status`. The index can
//! be long, and only its identity is taken. [`Base::read_indexes`] reads it once the program runs: an index that has
//! only been refreshed outside then still counts as the same.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::BorrowedFd;

use super::entries;
use super::form::parse_packed;
use super::form::{self, LONGEST_REF, LONGEST_SETTINGS};
use super::side::{Identity, Side, join};
use crate::sys::stat::Kind;
use crate::sys::{Errno, Result};

/// The longest `packed-refs`, in bytes: a million refs.
pub(super) const LONGEST_PACKED: u64 = 64 << 20;
/// Which tables there are, where refs are kept in such.
pub(super) const TABLES: &[u8] = b"reftable/tables.list";
/// So many git directories belong to one: its modules and worktrees.
const MOST_UNITS: usize = 10_000;

/// What a repository was, with its modules and worktrees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Base {
    /// By their paths in the git directory; its own is empty.
    pub(super) units: BTreeMap<Vec<u8>, Unit>,
}

/// What one git directory was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) head: Option<Vec<u8>>,
    /// `packed-refs` as it was. It is parsed when it is needed.
    pub(super) packed: Option<Vec<u8>>,
    /// The list of tables, where refs are kept in such.
    pub(super) tables: Option<Vec<u8>>,
    /// Refs in files of their own.
    pub(super) loose: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The log of `refs/stash`: it is the list of stashes, and the only log that loses lines every day.
    pub(super) stash: Option<Vec<u8>>,
    pub(super) config: Option<Vec<u8>>,
    pub(super) config_worktree: Option<Vec<u8>>,
    pub(super) index: Option<Identity>,
    /// Of the entries of the index.
    pub(super) entries: Option<u64>,
    /// Other files that git writes by the way, and directories of an operation in progress.
    pub(super) states: BTreeMap<Vec<u8>, Identity>,
}

impl Base {
    /// Records the git directory `git_dir`.
    ///
    /// # Errors
    /// Something in it cannot be read, or is longer than git writes it.
    pub fn record(git_dir: BorrowedFd<'_>) -> Result<Base> {
        let side = Side(git_dir);
        let mut base = Base::default();
        for path in units(side, b"")? {
            base.units.insert(path.clone(), Unit::record(side, &path)?);
        }
        Ok(base)
    }

    /// Reads the indexes, as far as they are still the recorded ones.
    pub fn read_indexes(&mut self, git_dir: BorrowedFd<'_>) {
        for (path, unit) in &mut self.units {
            let Ok(dir) = Side(git_dir).dir(path) else { continue };
            let side = Side(std::os::fd::AsFd::as_fd(&dir));
            let entries = form::format(side).ok().and_then(|format| entries::hash(side, format.hash));
            let is_same = side.identity(b"index").is_ok_and(|now| now.is_some() && now == unit.index);
            unit.entries = entries.filter(|_| is_same);
        }
    }

    /// The values that refs had.
    pub(crate) fn values(&self) -> BTreeSet<Vec<u8>> {
        let of = |unit: &Unit| {
            let packed = parse_packed(unit.packed.as_deref().unwrap_or_default());
            unit.loose.values().cloned().chain(packed.into_values()).collect::<Vec<_>>()
        };
        self.units.values().flat_map(of).collect()
    }

    /// Whether it says nothing at all, as of a directory that is none of git's.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// As bytes, to be kept: records of `NAME LENGTH`, a line feed, so many bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let mut put = |name: &str, bytes: &[u8]| {
            out.extend_from_slice(format!("{name} {}\n", bytes.len()).as_bytes());
            out.extend_from_slice(bytes);
        };
        for (path, unit) in &self.units {
            put("unit", path);
            let files = [
                ("head", &unit.head),
                ("packed", &unit.packed),
                ("tables", &unit.tables),
                ("stash", &unit.stash),
                ("config", &unit.config),
                ("config.worktree", &unit.config_worktree),
            ];
            for (name, bytes) in files {
                bytes.iter().for_each(|bytes| put(name, bytes));
            }
            for (name, value) in &unit.loose {
                put("ref", &[name, &b" "[..], value].concat());
            }
            unit.index.iter().for_each(|index| put("index", &numbers(*index)));
            unit.entries.iter().for_each(|entries| put("entries", entries.to_string().as_bytes()));
            for (name, identity) in &unit.states {
                put("state", &[name, &b" "[..], &numbers(*identity)].concat());
            }
        }
        out
    }

    /// What [`Base::to_bytes`] has written. `None` if it is something else.
    pub fn from_bytes(mut text: &[u8]) -> Option<Base> {
        let mut base = Base::default();
        let mut path = None;
        while !text.is_empty() {
            let end = text.iter().position(|&byte| byte == b'\n')?;
            let line = std::str::from_utf8(&text[..end]).ok()?;
            let (name, length) = line.split_once(' ')?;
            let (bytes, rest) = text[end + 1..].split_at_checked(length.parse().ok()?)?;
            text = rest;
            if name == "unit" {
                base.units.insert(bytes.to_vec(), Unit::default());
                path = Some(bytes.to_vec());
            } else {
                base.units.get_mut(path.as_ref()?)?.set(name, bytes)?;
            }
        }
        Some(base)
    }
}

impl Unit {
    fn record(side: Side<'_>, path: &[u8]) -> Result<Unit> {
        let below = if path.is_empty() { None } else { Some(side.dir(path)?) };
        let side = below.as_ref().map_or(side, |dir| Side(std::os::fd::AsFd::as_fd(dir)));
        let mut unit = Unit::default();
        for (name, kind) in side.names(b"")? {
            match &name[..] {
                b"HEAD" => unit.head = side.read(&name, LONGEST_REF)?,
                b"packed-refs" => unit.packed = side.read(&name, LONGEST_PACKED)?,
                b"reftable" => unit.tables = side.read(TABLES, LONGEST_PACKED)?,
                b"config" => unit.config = side.read(&name, LONGEST_SETTINGS)?,
                b"config.worktree" => unit.config_worktree = side.read(&name, LONGEST_SETTINGS)?,
                b"index" => unit.index = side.identity(&name)?,
                b"refs" if kind == Some(Kind::Dir) => form::read_loose(side, b"refs", &mut unit.loose)?,
                _ if form::is_state(&name) => {
                    unit.states.extend(side.identity(&name)?.map(|identity| (name.clone(), identity)));
                }
                _ => {}
            }
        }
        if unit.loose.contains_key(&b"refs/stash"[..]) {
            unit.stash = side.read(b"logs/refs/stash", LONGEST_SETTINGS)?;
        }
        Ok(unit)
    }

    fn set(&mut self, name: &str, bytes: &[u8]) -> Option<()> {
        let own = || Some(bytes.to_vec());
        match name {
            "head" => self.head = own(),
            "packed" => self.packed = own(),
            "tables" => self.tables = own(),
            "stash" => self.stash = own(),
            "config" => self.config = own(),
            "config.worktree" => self.config_worktree = own(),
            "index" => self.index = Some(identity(bytes)?),
            "entries" => self.entries = Some(std::str::from_utf8(bytes).ok()?.parse().ok()?),
            "ref" => {
                let space = bytes.iter().position(|&byte| byte == b' ')?;
                self.loose.insert(bytes[..space].to_vec(), bytes[space + 1..].to_vec());
            }
            "state" => {
                let space = bytes.iter().position(|&byte| byte == b' ')?;
                self.states.insert(bytes[..space].to_vec(), identity(&bytes[space + 1..])?);
            }
            _ => return None,
        }
        Some(())
    }
}

/// The git directories at and below `path`: itself, the worktrees and the modules, each with its own.
fn units(side: Side<'_>, path: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut found = vec![path.to_vec()];
    for (name, _) in side.names(&join(path, b"worktrees"))? {
        let worktree = join(&join(path, b"worktrees"), &name);
        if side.look(&join(&worktree, b"HEAD"))?.is_some() {
            // The submodules of a worktree have their git directories in its entry.
            found.extend(units(side, &worktree)?);
        }
        if found.len() > MOST_UNITS {
            return Err(Errno::E2BIG);
        }
    }
    let mut dirs = vec![join(path, b"modules")];
    while let Some(dir) = dirs.pop() {
        for (name, kind) in side.names(&dir)? {
            let below = join(&dir, &name);
            // The name of a module can have slashes.
            if kind == Some(Kind::Dir) && side.look(&join(&below, b"HEAD"))?.is_some() {
                found.extend(units(side, &below)?);
            } else if kind == Some(Kind::Dir) {
                dirs.push(below);
            }
            if found.len() + dirs.len() > MOST_UNITS {
                return Err(Errno::E2BIG);
            }
        }
    }
    Ok(found)
}

fn numbers((inode, seconds, nanoseconds): Identity) -> Vec<u8> {
    format!("{inode} {seconds} {nanoseconds}").into_bytes()
}

fn identity(text: &[u8]) -> Option<Identity> {
    let mut parts = std::str::from_utf8(text).ok()?.split(' ');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
