//! Names in git's configuration that are relative to the top of a work tree (`core.hooksPath = .husky/_`). In a work
//! tree that existed before the run, the file is held. The program can make another work tree, where git obeys the same
//! name.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::before::Before;
use super::change;
use super::judge::Judge;
use super::told::{Deeds, Told};
use crate::spec::SettleName;
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind, Stat};
use crate::sys::{Errno, Result, content};

/// Files up to this size are compared with the originals, in bytes. Longer ones are set aside.
const LONGEST: u64 = 1 << 20;

/// At most this many entries are compared in a directory and below it. A directory with more is set aside.
const MOST_ENTRIES: usize = 200;

/// How deep directories are compared.
const DEEPEST: usize = 8;

/// Does what [`settle`] does at the top `path`, which is opened.
pub(super) fn settle_at(before: &Before<'_>, judge: &Judge, path: &[u8], is_linked: bool, told: &mut Told) {
    if before.names.is_empty() {
        return;
    }
    let open = CString::new(path).map_err(|_| Errno::EINVAL).and_then(|path| open::dir_without_links(&path));
    match open {
        Ok(top) => settle(before, judge, top.as_fd(), path, is_linked, told),
        // Somebody works here.
        Err(Errno::ENOENT | Errno::ENOTDIR) => {}
        Err(errno) => told.unseen(path, errno),
    }
}

/// Sets aside what git would obey below `top`. A pointer file leads from a linked top to its repository. That may have
/// been there before, with names of its own.
pub(super) fn settle(
    before: &Before<'_>,
    judge: &Judge,
    top: BorrowedFd<'_>,
    path: &[u8],
    is_linked: bool,
    told: &mut Told,
) {
    for name in before.names.iter().filter(|name| is_linked || name.is_everywhere) {
        if judge.is_late() {
            return told.cut_short(path, judge.time());
        }
        match settle_one(before, top, path, name, told) {
            // Nothing that git could obey, or somebody works here.
            Ok(()) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES | Errno::ENAMETOOLONG) => {}
            Err(errno) => told.unseen(path, errno),
        }
    }
}

/// Sets aside what is at this name below `top`. Stops at the first link on the way, because git would follow it.
fn settle_one(before: &Before<'_>, top: BorrowedFd<'_>, path: &[u8], name: &SettleName, told: &mut Told) -> Result<()> {
    let (mut open, mut path): (Option<OwnedFd>, _) = (None, path.to_owned());
    let is_part = |part: &&[u8]| !matches!(*part, b"" | b".");
    let mut parts = name.path.to_bytes().split(|&byte| byte == b'/').filter(is_part).peekable();
    while let Some(part) = parts.next() {
        let here = open.as_ref().map_or(top, OwnedFd::as_fd);
        if part == b".." {
            let about = stat::fstat(here)?;
            // The program can write nothing above.
            if before.is_top(about) {
                return Ok(());
            }
            open = Some(open::any_mount(here, c"..", For::Names)?);
            path.truncate(path.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
            continue;
        }
        let own = CString::new(part).map_err(|_| Errno::EINVAL)?;
        let about = stat::look_at(here, &own)?;
        let Some(kind) = about.map(Stat::kind).filter(|_| !before.is_held_in(here, &own, &path)) else {
            return Ok(());
        };
        let is_last = parts.peek().is_none();
        if kind == Some(Kind::Dir) && !is_last {
            open = Some(open::any_mount(here, &own, For::Names)?);
            path.extend_from_slice(&[b"/", part].concat());
            continue;
        }
        let is_obeyed = match kind {
            Some(Kind::Link) => true,
            Some(Kind::Dir) => !name.is_command,
            _ => is_last,
        };
        if is_obeyed && !name.originals.iter().any(|original| is_same(here, &own, original)) {
            let mut deeds = Deeds::default();
            let why = format!("is named by {}, so git would obey it", name.key);
            change::set_aside(here, &own, &why, &mut deeds);
            deeds.tell(&path, told);
        }
        return Ok(());
    }
    Ok(())
}

/// Whether `name` in `dir` has the same content as the original. Then a checkout has made it. False if it cannot be
/// read.
fn is_same(dir: BorrowedFd<'_>, name: &CStr, original: &CStr) -> bool {
    let whole = original.to_bytes();
    let Some(end) = whole.iter().rposition(|&byte| byte == b'/') else { return false };
    let parts = (CString::new(&whole[..end.max(1)]), CString::new(&whole[end + 1..]));
    let (Ok(above), Ok(last)) = parts else { return false };
    let mut left = MOST_ENTRIES;
    open::dir_without_links(&above)
        .and_then(|above| is_same_entry(dir, name, above.as_fd(), &last, &mut left, DEEPEST))
        .unwrap_or(false)
}

fn is_same_entry(
    dir: BorrowedFd<'_>,
    name: &CStr,
    original_dir: BorrowedFd<'_>,
    original: &CStr,
    left: &mut usize,
    depth: usize,
) -> Result<bool> {
    let (Some(about), Some(expected)) = (stat::look_at(dir, name)?, stat::look_at(original_dir, original)?) else {
        return Ok(false);
    };
    // git skips a hook without the permission to execute it.
    let is_more = about.permissions() & 0o111 != 0 && expected.permissions() & 0o111 == 0;
    match (about.kind(), expected.kind()) {
        (Some(Kind::File), Some(Kind::File)) => {
            let text = content::read_at(dir, name, LONGEST)?;
            Ok(!is_more && text == content::read_at(original_dir, original, LONGEST)?)
        }
        (Some(Kind::Dir), Some(Kind::Dir)) if depth > 0 => {
            let dir = open::any_mount(dir, name, For::Listing)?;
            let original = open::any_mount(original_dir, original, For::Listing)?;
            let mut entries = Entries::new();
            while entries.read(dir.as_fd())? {
                for (name, _) in entries.iter() {
                    *left = left.checked_sub(1).ok_or(Errno::E2BIG)?;
                    if !is_same_entry(dir.as_fd(), name, original.as_fd(), name, left, depth - 1)? {
                        return Ok(false);
                    }
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}
