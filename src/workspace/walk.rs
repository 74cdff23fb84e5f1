//! One walk through a workspace, for the repositories in it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::CODE;
use crate::error::{Error, push_printable};

/// What a walk has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Everything called `.git`, whatever it is.
    pub(super) dot_gits: Vec<PathBuf>,
    /// Directories that look like git directories and have another name.
    pub(super) bare: Vec<PathBuf>,
    /// The names in the directory where the walk began.
    pub(super) names: BTreeSet<OsString>,
}

/// Walks through `top` and all below it, with what is mounted there. No link is followed, and of git directories
/// nothing is entered that git has made.
///
/// The types of files come with the names (getdents(2)): no file is looked at.
pub(super) fn walk(top: &Path, uid: u32) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut waiting = vec![top.to_owned()];
    while let Some(dir) = waiting.pop() {
        let before = waiting.len();
        match look(&dir, dir == top, &mut waiting, &mut found) {
            Ok(true) => {
                // There may be work trees in it.
                let inside = waiting.split_off(before);
                waiting.extend(inside.into_iter().filter(|dir| !is_gits_own(dir)));
                found.bare.push(dir);
            }
            Ok(false) => {}
            // Somebody works here.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            // Closed to the program as well; but the owner can open it.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !is_own(&dir, uid) => {}
            Err(error) => return Err(failed(&dir, &error)),
        }
    }
    Ok(found)
}

/// Looks at one directory. True when it is a git directory itself.
fn look(dir: &Path, is_top: bool, waiting: &mut Vec<PathBuf>, found: &mut Found) -> io::Result<bool> {
    let (mut head, mut objects, mut refs) = (false, false, false);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if is_top {
            found.names.insert(name.clone());
        }
        if name == ".git" {
            found.dot_gits.push(dir.join(name));
            continue;
        }
        let is_dir = entry.file_type()?.is_dir();
        head |= name == "HEAD";
        // Links too: git follows them.
        objects |= name == "objects";
        refs |= name == "refs";
        if is_dir {
            waiting.push(dir.join(name));
        }
    }
    Ok(head && objects && refs)
}

/// Directories that git makes in a git directory (gitrepository-layout(5)).
fn is_gits_own(dir: &Path) -> bool {
    const NAMES: [&str; 9] =
        ["branches", "hooks", "info", "logs", "modules", "objects", "refs", "reftable", "worktrees"];
    dir.file_name().is_some_and(|name| NAMES.iter().any(|own| name == *own))
}

/// The names in a directory that can be listed.
pub(super) fn names(dir: &Path) -> Option<BTreeSet<OsString>> {
    let entries = fs::read_dir(dir).ok()?;
    entries.map(|entry| entry.ok().map(|entry| entry.file_name())).collect()
}

fn is_own(dir: &Path, uid: u32) -> bool {
    let is_own = |dir: &Path| fs::symlink_metadata(dir).map(|about| about.uid() == uid);
    // What cannot even be looked at lies in a directory that can be listed, but not entered.
    is_own(dir).or_else(|_| dir.parent().map_or(Ok(false), is_own)).unwrap_or(false)
}

fn failed(dir: &Path, error: &io::Error) -> Error {
    let mut message = b"Can't look for repositories in ".to_vec();
    push_printable(&mut message, dir);
    message.extend_from_slice(format!(": {error}").as_bytes());
    let hint = "the program could open it and change the hooks of a repository there: chmod u+rx it, or remove it";
    let hint = (error.kind() == ErrorKind::PermissionDenied).then(|| hint.to_owned());
    Error::new(CODE, message).with_hint(hint)
}
