//! What a walk notes in each directory.

use super::found::Obeyed;
use super::{Walk, Within, high_above};
use crate::spec::{SeenDir, SeenName};
use crate::sys::stat::Kind;
use crate::workspace::files::path_of;
use crate::workspace::layout::is_too_deep;
use crate::workspace::obeyed;

/// At most this many names in directories of tools are noted.
const MOST_REMOVABLE: usize = 10_000;

impl Walk<'_> {
    /// Notes what is in the directory where the walk is. Returns what it lies in.
    pub(super) fn arrive(&mut self, seen: &SeenDir) -> Within {
        let above = self.levels.last().map(|level| level.within);
        let name = self.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        let is_git = seen.is_git_dir();
        let within = match above {
            None => Within::default(),
            Some(above) => Within { git: above.git || is_git, tools: above.tools || seen.is_filled_by_tools(name) },
        };
        if is_git {
            self.note(None);
        }
        if seen.has(c".git") {
            self.note(Some(".git"));
            let is_link = |found: &SeenName| *found.name == *c".gitmodules" && found.kind() == Some(Kind::Link);
            if seen.found.iter().any(is_link) {
                self.note(Some(".gitmodules"));
            }
        }
        if above.is_none() {
            let dots = seen.found.iter().map(|found| &found.name);
            self.found.dots = dots.filter(|name| name.to_bytes().first() == Some(&b'.')).cloned().collect();
        }
        if !within.git {
            self.note_obeyed(seen, within.tools);
        }
        within
    }

    /// Notes the names that programs obey in the directory where the walk is.
    fn note_obeyed(&mut self, seen: &SeenDir, is_removable: bool) {
        if seen.found.is_empty() || is_too_deep(&self.path) {
            return;
        }
        let dir = path_of(&self.path);
        for found in seen.found.iter().filter(|found| obeyed::may_be_obeyed(found.as_os())) {
            let path = dir.join(found.as_os());
            let Some(row) = obeyed::row(&path) else { continue };
            let noted = Obeyed { path, kind: row.kind, entry: found.kind(), row };
            if !is_removable {
                // Each needs a mount.
                if !self.budget.allows_mounts(self.found.obeyed.len() + 1, || dir.to_owned()) {
                    return;
                }
                self.found.obeyed.push(noted);
            } else if self.found.removable.len() < MOST_REMOVABLE {
                self.found.removable.push(noted);
            }
        }
    }

    /// Notes the directory where the walk is, or something in it.
    fn note(&mut self, name: Option<&str>) {
        let dir = path_of(&self.path);
        if name != Some(".gitmodules") && !self.budget.add_repository(|| high_above(dir)) {
            return;
        }
        match name {
            _ if is_too_deep(&self.path) => {
                self.found.too_deep.get_or_insert_with(|| high_above(dir));
            }
            Some(".git") => self.found.dot_gits.push(dir.join(".git")),
            Some(link) => self.found.gitmodules.push(dir.join(link)),
            None => self.found.bare.push(dir.to_owned()),
        }
    }
}
