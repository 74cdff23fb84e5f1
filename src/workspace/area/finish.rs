//! Turns a complete [`Area`] into the result: mounts, watched names, and what to put in order afterwards.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Access, Area};
use crate::spec::{BindFlags, FsOp, Keep, KeptDir, OverlayKind, Settle, SettleTop, Source, Watch};
use crate::sys::stat;
use crate::workspace::files::{c_path, id_of};
use crate::workspace::model::Workspace;

/// At most this many directories are overlays: each takes 0.2 ms to make, and 0.3 ms to end. The others are read-only.
const MOST_APART: usize = 200;

impl Area {
    /// Returns the result. Deeper mounts come later.
    pub(in crate::workspace) fn finish(self, settle: Settle) -> io::Result<Workspace> {
        let settle = self.settlement(settle)?;
        let nearest = |path: &Path| path.ancestors().skip(1).find_map(|above| self.mounts.get(above));
        // A place below one that the program cannot change needs no mount of its own, unless it is to be writable.
        let is_needed = |path: &Path, access: Access| {
            let is_closed = matches!(nearest(path), Some(Access::Read | Access::Apart { .. }));
            access == Access::Write || self.is_region(path) || !is_closed
        };
        let (mut ops, mut dirs) = (Vec::with_capacity(self.mounts.len()), Vec::new());
        for (path, access) in self.mounts.iter().filter(|(path, access)| is_needed(path, **access)) {
            ops.push(match access {
                Access::Apart { is_git } if dirs.len() < MOST_APART => {
                    dirs.push(KeptDir { path: c_path(path), is_git: *is_git });
                    overlay(path)
                }
                access => bind(path, *access),
            });
        }
        let put_back = self.put_back.iter().filter(|path| nearest(path) == Some(&Access::Write));
        let files = put_back.map(c_path).collect();
        let writable = settle.tops.iter().map(|top| top.path.clone()).collect();
        let keep = Keep { dirs, files, writable, ..Keep::default() };
        let watch = self.watch.into_iter();
        let mut all_reasons = self.reasons;
        let watch = watch.map(|(dir, names)| {
            let mut reasons = Vec::new();
            if !all_reasons.is_empty() {
                let reason = |name: &Cow<'static, CStr>| {
                    let path = dir.join(OsStr::from_bytes(name.to_bytes()));
                    all_reasons.remove(&path).map(|reason| (name.clone().into_owned(), reason))
                };
                reasons.extend(names.iter().filter_map(reason));
            }
            Watch { dir: c_path(&dir), names, reasons }
        });
        let unheld = self.unheld.into_values().collect();
        Ok(Workspace { ops, keep, unheld, watch: watch.collect(), settle, ..Workspace::default() })
    }

    /// What to put in order afterwards: everything writable except what is held. `found` holds the rest.
    fn settlement(&self, found: Settle) -> io::Result<Settle> {
        // What is held outside of the writable directories is left out, because nothing walks through it.
        let is_held = |(path, access): &(&PathBuf, &Access)| **access != Access::Write && self.contains(path);
        let (mut held, mut held_as) = (Vec::new(), Vec::new());
        for (path, _) in self.mounts.iter().filter(is_held) {
            held_as.push(match self.identities.get(path) {
                Some(identity) => *identity,
                None => id_of(stat::look_at_path(path)?),
            });
            held.push(c_path(path));
        }
        let top = |region: &PathBuf| {
            let identity = match self.identities.get(region) {
                Some(identity) => *identity,
                // It has no links in it.
                None => id_of(stat::look_at_path(region)?),
            };
            Ok(SettleTop { path: c_path(region), identity })
        };
        let is_live = |region: &&PathBuf| self.mounts.get(*region) == Some(&Access::Write);
        let tops = self.regions.iter().filter(is_live).map(top).collect::<io::Result<_>>()?;
        Ok(Settle { tops, held, held_as, ..found })
    }

    /// Mounts each directory between a writable place and a held file in it. Otherwise the program could move such a
    /// directory away, the held file with it, and put another file at the free path.
    pub(in crate::workspace) fn pin_ways(&mut self) {
        let mut ways = BTreeSet::new();
        for path in self.mounts.keys() {
            let between = || path.ancestors().skip(1).take_while(|above| !self.mounts.contains_key(*above));
            let above = path.ancestors().skip(1).find_map(|above| self.mounts.get(above));
            if above == Some(&Access::Write) {
                ways.extend(between().map(Path::to_owned));
            }
            if !self.budget.allows_mounts(self.mounts.len() + ways.len(), || path.clone()) {
                return;
            }
        }
        self.mounts.extend(ways.into_iter().map(|way| (way, Access::Write)));
    }
}

/// Where the changes are kept is not known yet.
fn overlay(path: &Path) -> FsOp {
    let dest = c_path(path);
    FsOp::Overlay { layers: vec![dest.clone()], kind: OverlayKind::Apart { kept: CString::default() }, dest }
}

fn bind(path: &Path, access: Access) -> FsOp {
    let flags = BindFlags { read_only: access != Access::Write, devices: false, optional: false };
    let dest = c_path(path);
    let source = if access == Access::Link { Source::Link(dest.clone()) } else { Source::Real(dest.clone()) };
    FsOp::Bind { source, dest, flags }
}
