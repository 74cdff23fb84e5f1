//! `MERGE_RR`: the list of files in conflict whose resolutions `git rerere` records. git reads and writes these files
//! at the next commit, and does not check that they lie in the work tree (rerere.c, `read_rr`). With `.git/config` in
//! the list, git would write into it what the program has put into `rr-cache`.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::judge::OTHER_NAME;
use super::told::start_of;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Stat};
use crate::sys::{Errno, Result, content};
use crate::workspace::config::{self, LONGEST};
use crate::workspace::names::is_recordable;

pub(super) const NAME: &CStr = c"MERGE_RR";

/// Returns why the records of the git directory `dir`, which is `path`, are set aside, if they are. `unmerged` are the
/// files in conflict.
pub(super) fn fault(dir: BorrowedFd<'_>, path: &[u8], unmerged: &HashSet<Vec<u8>>) -> Option<String> {
    let about = match stat::look_at(dir, NAME) {
        Ok(Some(about)) if !about.is_link() => Some(about),
        // Links are removed.
        Ok(_) => return None,
        Err(_) => None,
    };
    let text = match content::read_at(dir, NAME, LONGEST) {
        Ok(text) => text,
        Err(Errno::ENOENT) => return None,
        Err(_) => return Some("cannot be read, and may have git write anywhere".to_owned()),
    };
    match bad_file(dir, path, &text, unmerged) {
        Some((file, why)) => Some(format!("would have git write to '{}', {why}", start_of(file))),
        None => about.is_some_and(Stat::has_more_names).then(|| OTHER_NAME.to_owned()),
    }
}

/// The first file in `text` that git must not write, and why.
fn bad_file<'t>(
    dir: BorrowedFd<'_>,
    path: &[u8],
    text: &'t [u8],
    unmerged: &HashSet<Vec<u8>>,
) -> Option<(&'t [u8], &'static str)> {
    const OUTSIDE: &str = "which is no file of the work tree";
    if text.is_empty() {
        return None;
    }
    let Some(records) = text.strip_suffix(b"\0") else { return Some((text, OUTSIDE)) };
    let tree = work_tree(dir, path);
    // git follows links, even if the file itself is one.
    let has_link = |file: &[u8]| match (&tree, CString::new(file)) {
        (Ok(tree), Ok(file)) => {
            let opened = open::without_links_at(tree.as_fd(), &file);
            !matches!(opened, Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR))
        }
        _ => true,
    };
    let mut not_in_conflict = None;
    for record in records.split(|&byte| byte == 0) {
        match file_of(record) {
            None => return Some((record, OUTSIDE)),
            Some(file) if !is_recordable(file) || has_link(file) => return Some((file, OUTSIDE)),
            // git checks nothing out before a conflict is resolved. Without a conflict, a checkout could put a link on
            // the way to the file.
            Some(file) if !unmerged.contains(file) => {
                not_in_conflict.get_or_insert((file, "which is not in conflict"));
            }
            Some(_) => {}
        }
    }
    not_in_conflict
}

/// The file of a record: `HASH<tab>FILE`, or `HASH.NUMBER<tab>FILE`.
fn file_of(record: &[u8]) -> Option<&[u8]> {
    let tab = record.iter().position(|&byte| byte == b'\t')?;
    let (id, file) = (&record[..tab], &record[tab + 1..]);
    let (hash, variant) = match id.iter().position(|&byte| byte == b'.') {
        Some(dot) => (&id[..dot], &id[dot + 1..]),
        None => (id, &b"0"[..]),
    };
    let is_hash = matches!(hash.len(), 40 | 64) && hash.iter().all(u8::is_ascii_hexdigit);
    let is_number = matches!(variant.len(), 1..=9) && variant.iter().all(u8::is_ascii_digit);
    (is_hash && is_number).then_some(file)
}

/// Opens the work tree of a git directory. The `gitdir` of a worktree names it, and so does the configuration of a
/// submodule; otherwise it is the directory around `.git`. Names that git must not obey were set aside before.
fn work_tree(dir: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let tree = if stat::look_at(dir, c"commondir")?.is_some() {
        let text = content::read_at(dir, c"gitdir", LONGEST)?;
        let text = text.trim_ascii_end();
        text.strip_suffix(b"/.git").unwrap_or(text).to_owned()
    } else {
        let settings = config::parse(&content::read_at(dir, c"config", LONGEST)?);
        match config::last(&settings, "core.worktree") {
            Some(tree) => tree.to_owned(),
            None if path.ends_with(b"/.git") => b"..".to_vec(),
            None => return Err(Errno::ENOENT),
        }
    };
    open::any_mount(dir, &CString::new(tree).map_err(|_| Errno::EINVAL)?, For::Names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_as_git_writes_them() {
        let (sha1, sha256) = ("0a".repeat(20), "0a".repeat(32));
        for record in [format!("{sha1}\ta/b"), format!("{sha256}\ta/b"), format!("{sha1}.12\ta/b")] {
            assert_eq!(file_of(record.as_bytes()), Some(&b"a/b"[..]), "{record}");
        }
        for record in
            [format!("{sha1}.-1\tx"), format!("{sha1}x"), format!("{sha1}.\tx"), "ab\tx".into(), String::new()]
        {
            assert_eq!(file_of(record.as_bytes()), None, "{record}");
        }
    }
}
