//! Settings that were kept apart, one by one: somebody may want `core.hooksPath` of a configuration and not the rest.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Entry;
use super::items::{Item, What};
use super::put_back::opened;
use super::take::contents;
use crate::sys::open::{self, For};
use crate::sys::{Errno, Result};
use crate::workspace::takeover::{self, Base, Git};

/// A setting of a kept configuration that the host's has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The host's file.
    pub(crate) path: PathBuf,
    pub(crate) what: takeover::Setting,
}

/// The settings in those of `items` that are configurations of git.
pub(crate) fn settings(entry: &Entry, items: &[Item]) -> Result<Vec<Setting>> {
    let mut found = Vec::new();
    for item in items.iter().filter(|item| item.what == What::File) {
        let Some((n, rel)) = item.in_overlay() else { continue };
        let rel = rel.as_os_str().as_bytes();
        // Other directories than those of git have no base.
        let base = if takeover::is_config(rel) { Base::from_bytes(&entry.base(n)?) } else { None };
        let Some(base) = base.filter(|base| !base.is_empty()) else { continue };
        let (Some(kept), host) = contents(entry, item)? else { continue };
        let all = takeover::kept_apart(&base, rel, &kept, &host.unwrap_or_default());
        found.extend(all.into_iter().map(|what| Setting { path: item.path.clone(), what }));
    }
    Ok(found)
}

/// Writes a setting into the host's configuration. git is looked for along `path`, but not below `writable`.
///
/// # Errors
/// `ENOEXEC`: there is no git. `EAGAIN`: git refuses it, or somebody else has the configuration locked.
pub(crate) fn take_setting(setting: &Setting, path: &OsStr, writable: &[PathBuf]) -> Result<()> {
    let git = Git::find(path, writable).ok_or(Errno::ENOEXEC)?;
    // The file itself may be missing. No link leads to the directory.
    let (dir, name) = opened(&setting.path)?;
    let dir = open::same_mount(dir.as_fd(), c".", For::Listing)?;
    let is_written = takeover::take_kept(&git, dir.as_fd(), name.to_bytes(), &setting.what)?;
    if is_written { Ok(()) } else { Err(Errno::EAGAIN) }
}

impl Setting {
    /// Whether `word` names it: its key, or file and key with a colon between them. Sections and keys have no case.
    pub(crate) fn is_named(&self, word: &[u8], absolute: impl Fn(&Path) -> PathBuf) -> bool {
        if word.eq_ignore_ascii_case(&self.what.key) {
            return true;
        }
        let file = word.len().checked_sub(self.what.key.len() + 1).map(|end| word.split_at(end));
        file.is_some_and(|(file, key)| {
            key[1..].eq_ignore_ascii_case(&self.what.key)
                && key[0] == b':'
                && absolute(Path::new(OsStr::from_bytes(file))) == self.path
        })
    }
}
