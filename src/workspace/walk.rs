//! One walk through a workspace, for the repositories in it.

use std::ffi::OsStr;
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
}

/// Walks through `top` and all below it, with what is mounted there. No link is followed, and no git directory entered.
///
/// The types of files come with the names (getdents(2)): no file is looked at.
pub(super) fn walk(top: &Path, uid: u32) -> Result<Found, Error> {
    let mut found = Found::default();
    let mut waiting = vec![top.to_owned()];
    while let Some(dir) = waiting.pop() {
        let before = waiting.len();
        match look(&dir, &mut waiting, &mut found) {
            Ok(true) => {
                // There may be work trees in the workspace's own.
                if dir != top {
                    waiting.truncate(before);
                }
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
fn look(dir: &Path, waiting: &mut Vec<PathBuf>, found: &mut Found) -> io::Result<bool> {
    let (mut head, mut objects, mut refs) = (false, false, false);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == ".git" {
            found.dot_gits.push(dir.join(name));
            continue;
        }
        let is_dir = entry.file_type()?.is_dir();
        head |= name == "HEAD";
        if is_dir {
            objects |= name == OsStr::new("objects");
            refs |= name == OsStr::new("refs");
            waiting.push(dir.join(name));
        }
    }
    Ok(head && objects && refs)
}

fn is_own(dir: &Path, uid: u32) -> bool {
    // What cannot even be looked at lies in a directory that was open a moment ago.
    fs::symlink_metadata(dir).is_ok_and(|about| about.uid() == uid)
}

fn failed(dir: &Path, error: &io::Error) -> Error {
    let mut message = b"Can't look for repositories in ".to_vec();
    push_printable(&mut message, dir);
    message.extend_from_slice(format!(": {error}").as_bytes());
    let hint = "the program could open it and change the hooks of a repository there: chmod u+rx it, or remove it";
    let hint = (error.kind() == ErrorKind::PermissionDenied).then(|| hint.to_owned());
    Error::new(CODE, message).with_hint(hint)
}
