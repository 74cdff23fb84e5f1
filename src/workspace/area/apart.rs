//! Which git directories and obeyed names an [`Area`] protects, and what stays live in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Access, Area, Missing};
use crate::workspace::walk::Obeyed;

impl Area {
    /// Keeps apart what the program changes in the git directory `dir`. `tops` are the work trees in it, which stay
    /// live.
    pub(in crate::workspace) fn keep_apart(&mut self, dir: &Path, tops: &BTreeSet<PathBuf>) {
        if !self.can_change(dir) && !self.is_region(dir) {
            return;
        }
        self.mounts.insert(dir.to_owned(), Access::Apart { is_git: true });
        for top in tops.iter().filter(|top| top.starts_with(dir) && *top != dir) {
            if !self.is_region(top) {
                self.add_region(top);
            }
        }
    }

    /// Whether the nearest mount at or above `path` keeps changes apart.
    pub(in crate::workspace) fn is_apart(&self, path: &Path) -> bool {
        matches!(path.ancestors().find_map(|above| self.mounts.get(above)), Some(Access::Apart { .. }))
    }

    /// Holds the existing names that programs obey: at `top`, and in work trees of repositories. Elsewhere they are
    /// only told, as below directories that tools fill: a cache of sources has thousands of them. Those move to `told`.
    pub(in crate::workspace) fn protect_later(&mut self, top: &Path, obeyed: &mut Vec<Obeyed>, told: &mut Vec<Obeyed>) {
        told.extend(obeyed.extract_if(.., |Obeyed { path, row, .. }| {
            row.place_of(path) != Some(top) && self.tracked.top_of(path).is_none()
        }));
        self.may_put_back = true;
        for Obeyed { path, .. } in obeyed {
            if self.is_over(path) {
                break;
            }
            let _held = self.hold(path, Missing::Ignore);
        }
        self.may_put_back = false;
    }
}
