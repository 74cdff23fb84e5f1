//! `MERGE_RR`: the files in conflict that `git rerere` looks after. git reads and writes them at the next commit, and
//! does not ask whether they lie in the work tree (rerere.c, `read_rr`): one called `.git/config` becomes what the
//! program has put into `rr-cache`.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use super::index;
use super::judge::{Judge, OTHER_NAME};
use crate::error::printable;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Stat};
use crate::sys::{Errno, Result, content};
use crate::workspace::config;
use crate::workspace::names::is_recordable;

pub(super) const NAME: &CStr = c"MERGE_RR";

/// So much of a name is said, in bytes: it may be as long as the file.
const MOST_SAID: usize = 200;

/// The longest file that is read, in bytes: that of ten thousand conflicts. Configurations are no longer either.
const LONGEST: u64 = 1 << 20;

/// Why the records of the git directory `dir`, which is `path`, are set aside: one of them leads out of the work tree.
pub(super) fn fault(judge: &mut Judge, dir: BorrowedFd<'_>, path: &[u8], is_worktree: bool) -> Option<String> {
    let about = stat::look_at(dir, NAME);
    // Links are removed.
    if about.is_ok_and(|about| about.is_none_or(Stat::is_link)) {
        return None;
    }
    let text = match content::read_at(dir, NAME, LONGEST) {
        Ok(text) => text,
        Err(Errno::ENOENT) => return None,
        Err(_) => return Some("cannot be read, and may have git write anywhere".to_owned()),
    };
    if let Some(file) = astray(dir, path, &text) {
        let file = printable(OsStr::from_bytes(&file[..file.len().min(MOST_SAID)]));
        return Some(format!("would have git write to '{file}', which is no file of the work tree"));
    }
    // Until a conflict is resolved git checks nothing out. Otherwise a checkout may put a link on the way to the file.
    let unmerged = index::unmerged(judge, dir, is_worktree);
    let files = text.split(|&byte| byte == 0).filter_map(file_of);
    if let Some(file) = files.into_iter().find(|file| !unmerged.contains(*file)) {
        let file = printable(OsStr::from_bytes(&file[..file.len().min(MOST_SAID)]));
        return Some(format!("would have git write to '{file}', which is not in conflict"));
    }
    about.is_ok_and(|about| about.is_some_and(|about| about.links > 1)).then(|| OTHER_NAME.to_owned())
}

/// The first file in `text` that is none of the work tree.
fn astray<'t>(dir: BorrowedFd<'_>, path: &[u8], text: &'t [u8]) -> Option<&'t [u8]> {
    if text.is_empty() {
        return None;
    }
    let Some(records) = text.strip_suffix(b"\0") else { return Some(text) };
    let tree = work_tree(dir, path);
    // git follows links, also one that is the file itself.
    let has_link = |file: &[u8]| match (&tree, CString::new(file)) {
        (Ok(tree), Ok(file)) => {
            let opened = open::without_links_at(tree.as_fd(), &file);
            !matches!(opened, Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR))
        }
        _ => true,
    };
    let is_astray = |record: &&[u8]| file_of(record).is_none_or(|file| !is_recordable(file) || has_link(file));
    let record = records.split(|&byte| byte == 0).find(is_astray)?;
    Some(file_of(record).unwrap_or(record))
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

/// The work tree of a git directory: of a worktree's where its `gitdir` says, of a submodule's where its configuration
/// says, otherwise the directory around it. What git would not obey of that was set aside before.
fn work_tree(dir: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd> {
    let tree = if stat::look_at(dir, c"commondir")?.is_some() {
        let text = content::read_at(dir, c"gitdir", LONGEST)?;
        let text = text.trim_ascii_end();
        text.strip_suffix(b"/.git").unwrap_or(text).to_owned()
    } else {
        let settings = config::parse(&content::read_at(dir, c"config", LONGEST)?);
        let tree = settings.into_iter().rev().find(|(key, _)| key == "core.worktree");
        match tree {
            Some((_, tree)) => tree,
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
