//! Denials. When everything else is in place, each denied object is covered.
//!
//! The cover is a mount of an object of the same type. Nobody can open it, and it is empty for whoever can open
//! everything.
//!
//! All denied objects are found, and their other names are noted, before any directory is covered: a covered directory
//! would hide what lies below it from the denials that come later. So the order of the denials does not matter, and one
//! more denial never exposes anything.

mod denied;
mod hardlinks;
mod hidden;
mod host;
mod inside;
mod live;
mod matches;
mod pinned_ancestors;
mod place;
mod scan;
mod twins;
mod views;

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use denied::Denied;
pub(super) use inside::Own;
use inside::{Found, Ground, Inside};
use views::{Copy, Overlay, Views};

use super::root::NewRoot;
use super::sources::Upper;
use super::tell::Remarks;
use crate::plan::Root;
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::spec::{FsOp, OverlayKind, mode};
use crate::sys::{Errno, Result, stat};

impl Own {
    /// Must be called after each operation, if anything is denied.
    pub(super) fn note(&mut self, root: &NewRoot<'_>, op: &FsOp) -> Result<()> {
        match op {
            FsOp::Tmpfs { .. } | FsOp::Overlay { kind: OverlayKind::Tmp, .. } => {
                self.filesystems.push(stat::fstat(root.newest())?.device);
            }
            FsOp::Dev { .. } => self.devs.push(stat::place_at(root.newest(), c"")?.mount),
            _ => {}
        }
        Ok(())
    }

    /// Must be called when an overlay is mounted. Keeps its layers, because the denials look into them.
    pub(super) fn keep_overlay(
        &mut self,
        root: &NewRoot<'_>,
        mut layers: Vec<OwnedFd>,
        upper: Option<Upper>,
    ) -> Result<()> {
        layers.extend(upper.map(|upper| upper.upper));
        self.overlays.push(Overlay { mount: stat::place_at(root.newest(), c"")?.mount, layers });
        Ok(())
    }

    /// Must be called when the host's file `source` was copied. If that is denied, `copy` is denied too.
    pub(super) fn keep_copy(&mut self, proc: BorrowedFd<'_>, source: OwnedFd, copy: BorrowedFd<'_>) -> Result<()> {
        let path = views::path_of(proc, copy)?;
        self.copies.push(Copy { source, path, place: stat::place_at(copy, c"")? });
        Ok(())
    }
}

/// Covers everything that the plan denies.
pub(super) fn enforce(
    (plan, proc): (&Root, BorrowedFd<'_>),
    root: &mut NewRoot<'_>,
    own: &Own,
    remarks: &Remarks<'_>,
) -> Outcome<()> {
    if plan.denials.is_empty() {
        return Ok(());
    }
    let views = Views::read(proc, root, (&own.overlays, &own.copies)).stage(Stage::Root)?;
    let mut denied = Denied::new(Inside::new((plan, proc), root, own, remarks)?, views).stage(Stage::Root)?;
    let mut found = Vec::new();
    for &index in &plan.denials.paths {
        match find(&mut denied, index) {
            Ok(Some((object, way))) => found.push((index, object, way)),
            Ok(None) => {}
            Err(failure) => denied.inside.fail(failure)?,
        }
    }
    for (index, object, way) in &found {
        denied.note(object.as_fd(), way, *index)?;
    }
    let mut matches = scan::scan(&mut denied, &plan.denials.patterns)?;
    for (index, object, way) in found {
        if let Err(failure) = denied.inside.cover(object.as_fd(), index) {
            denied.is_open_still(&way);
            denied.inside.fail(failure.clone())?;
            matches.is_open_still(way, failure, &denied.inside)?;
        }
    }
    matches.cover(&mut denied)?;
    denied.finish()
}

/// Finds what denial number `index` must cover, and its path without links. `None` if nothing is left to cover.
fn find(denied: &mut Denied<'_, '_>, index: usize) -> Outcome<Option<(OwnedFd, CString)>> {
    let Some(FsOp::Deny { path, is_pattern: _, optional }) = denied.inside.plan.ops.get(index).map(|op| &op.fs) else {
        return Ok(None);
    };
    let grounds = match denied.inside.look(path).op(index, Act::Whole)? {
        Found::Object(object) => {
            let way = denied.hold_way(path, object.as_fd(), index).op(index, Act::Whole)?;
            let about = stat::fstat(object.as_fd()).op(index, Act::Whole)?;
            // The root is never covered.
            if denied.inside.is_own(about) && *way != *c"/" {
                denied.note_on_host(path, index)?;
            }
            return Ok(Some((object, way)));
        }
        Found::Closed => return Ok(None),
        Found::Missing(grounds) => grounds,
    };
    // Also of an optional one: what the host has at this path may be shown elsewhere inside.
    let is_nowhere = denied.note_on_host(path, index)?;
    if *optional {
        return Ok(None);
    }
    let remark = |inside: &mut Inside<'_, '_>| {
        if is_nowhere {
            inside.remark(Failure { act: Act::Nowhere, ..Failure::nth(Stage::Op, index, 0) });
        }
    };
    if grounds.iter().all(|ground| *ground == Ground::ReadOnly) {
        remark(&mut denied.inside);
        return Ok(None);
    }
    match grounds.last() {
        Some(Ground::Hosts) | None => {
            return Err(Failure { act: Act::Missing, ..Failure::nth(Stage::Op, index, Errno::ENOENT as i32) });
        }
        // If a link of the host leads there, nobody may replace it.
        Some(Ground::ReadOnly | Ground::Own) => {
            denied.pinned.trace_links(path, index, &denied.inside).op(index, Act::Whole)?;
        }
    }
    remark(&mut denied.inside);
    if grounds.last() == Some(&Ground::ReadOnly) {
        return Ok(None);
    }
    let inside = &mut denied.inside;
    let place = inside.root.file_for_mount(path, mode::CLOSED, index)?;
    let cover = inside.cover_for_missing().op(index, Act::Attach)?;
    inside.root.attach(cover, place, index).map(|_| None)
}
