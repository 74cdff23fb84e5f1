//! Holds what the host obeys: the file itself, the links on the way to it, and what links in it lead to.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Access, Area, End, Missing};
use crate::error::{printable, quoted};
use crate::sys::stat::{self, Kind, Stat};
use crate::sys::{error_text, io_error_text};
use crate::workspace::files::id_of;

impl Area {
    /// Makes sure that the program can neither change nor replace what `path` leads to. Returns where that is, if it
    /// exists.
    pub(in crate::workspace) fn hold(&mut self, path: &Path, missing: Missing) -> Option<(PathBuf, Stat)> {
        let held = self.hold_end(path, missing);
        while let Some(dir) = self.ahead.pop() {
            self.hold_targets(&dir);
        }
        held
    }

    /// Like [`Area::hold`], for the `hooks` of a git directory. Does not look at the files called `*.sample` there,
    /// because git does not execute them (githooks(5)).
    pub(in crate::workspace) fn hold_hooks(&mut self, hooks: &Path, missing: Missing) {
        self.samples_in = Some(hooks.to_owned());
        let _held = self.hold(hooks, missing);
        self.samples_in = None;
    }

    /// Like [`Area::hold`], but leaves the targets of links in it to the caller.
    fn hold_end(&mut self, path: &Path, missing: Missing) -> Option<(PathBuf, Stat)> {
        if self.is_over(path) {
            return None;
        }
        match self.follow(path) {
            End::There(place, about) => {
                self.hold_place(&place, about);
                return Some((place, about));
            }
            End::Missing { first, whole } if self.can_change(&first) => match missing {
                Missing::Make(command) => {
                    let mut remedy = format!("make it once: {command} ");
                    remedy.push_str(&quoted(&whole));
                    self.give_up(&whole, "is missing, and the program could make one that the host obeys", remedy);
                }
                Missing::Watch => {
                    if let Some(named_by) = self.naming() {
                        let reason = format!("{named_by} names {}", printable(&whole));
                        self.reasons.entry(first.clone()).or_insert(reason);
                    }
                    self.watch(&first);
                }
                Missing::Ignore => {}
            },
            End::Missing { .. } => {}
            End::Unknown { place, is_barred: true, .. } if !self.can_change(&place) => {}
            End::Unknown { place, errno, .. } => {
                let why = format!("cannot be followed ({}), and so not be protected", error_text(errno as i32));
                self.give_up(&place, why, "see that it can be looked at (ls -l)".into());
            }
        }
        None
    }

    fn hold_place(&mut self, place: &Path, about: Stat) {
        if self.is_region(place) && self.mounts.get(place) == Some(&Access::Write) {
            let why = "is writable as a whole, and named by the configuration as something that the host executes";
            self.give_up(place, why, "name a directory in it instead (git config --show-origin --list)".into());
            return;
        }
        if !self.can_change(place) {
            if self.contains(place) {
                // It lies in a directory that is held already, but not every file in there was checked.
                self.check_file(place, about);
                if about.is_dir() && self.looked.insert(place.to_owned()) {
                    self.ahead.push(place.to_owned());
                }
            }
            return;
        }
        self.check_file(place, about);
        if about.is_dir() {
            self.looked.insert(place.to_owned());
            self.ahead.push(place.to_owned());
            self.mounts.insert(place.to_owned(), Access::Apart { is_git: false });
        } else if self.may_put_back && about.is_file() && self.tracked.is_tracked(place) {
            // git must be able to replace it, which no mount allows.
            self.put_back.insert(place.to_owned());
            return;
        } else {
            self.mounts.insert(place.to_owned(), Access::Read);
        }
        self.identities.insert(place.to_owned(), id_of(about));
    }

    /// Checks for files that a read-only mount does not protect. A hard link may lie where the program can write. And a
    /// fifo can be written to even in a read-only mount (open(2): EROFS is for regular files).
    fn check_file(&mut self, place: &Path, about: Stat) {
        // One in an overlay is another fifo than that of the host.
        if about.kind() == Some(Kind::Fifo) && !self.is_apart(place) {
            let why = "is a fifo, in which the program could write to whoever reads it";
            self.give_up(place, why, format!("remove it if it is not yours: rm {}", quoted(place)));
        }
        if about.is_file() && about.has_more_names() {
            let remedy = "give it a file of its own: cp -p FILE FILE.new && mv FILE.new FILE".into();
            self.give_up(place, "has another name (a hard link), under which the program could write to it", remedy);
        }
    }

    fn is_own(&self, path: &Path) -> bool {
        stat::look_at_path(path).is_ok_and(|about| about.owner == self.uid)
    }

    /// Holds the targets of the links in a held directory. The links themselves cannot be changed any more.
    fn hold_targets(&mut self, dir: &Path) {
        let most = self.entries_left + 1;
        let entries = match fs::read_dir(dir).and_then(|list| list.take(most).collect::<io::Result<Vec<_>>>()) {
            Ok(entries) => entries,
            // Another process has removed it meanwhile, or its path is too long for git as well.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidFilename) => return,
            // The program cannot list it either. But an owner could change its mode.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !self.is_own(dir) => return,
            Err(error) => {
                let why = format!(
                    "cannot be listed ({}), so what links in it lead to cannot be protected",
                    io_error_text(&error)
                );
                return self.give_up(dir, why, "see that it can be looked at (ls -l)".into());
            }
        };
        let Some(left) = self.entries_left.checked_sub(entries.len()) else {
            self.ahead.clear();
            let why = "is held, and with it and others there are more than 10,000 files in which links would have to be \
                       looked for";
            return self.give_up(
                dir,
                why,
                format!("move some elsewhere, or remove links to it: ls -la {}", quoted(dir)),
            );
        };
        self.entries_left = left;
        let is_sample = |entry: &fs::DirEntry| {
            let is_file = || entry.file_type().is_ok_and(|kind| kind.is_file());
            entry.file_name().as_bytes().ends_with(b".sample") && is_file()
        };
        let has_samples = self.samples_in.as_deref() == Some(dir);
        for path in entries.iter().filter(|entry| !(has_samples && is_sample(entry))).map(fs::DirEntry::path) {
            match stat::look_at_path(&path) {
                Ok(about) if about.is_dir() => self.ahead.push(path),
                Ok(about) if about.is_link() => {
                    if !fs::canonicalize(&path).is_ok_and(|target| self.is_region(&target)) {
                        self.hold_end(&path, Missing::Make("touch"));
                    }
                }
                Ok(about) => self.check_file(&path, about),
                Err(_) => {}
            }
        }
    }
}
