//! Other names of denied objects: a second mount of the same tree, a layer of an overlay, a hard link, a copy that was
//! made for the sandbox.
//!
//! The list of mounts tells where else a place is seen ([`super::views`]). Hard links must be searched for
//! ([`super::hardlinks`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::hardlinks::HardLinks;
use super::inside::Inside;
use super::pinned_ancestors::PinnedAncestors;
use super::place::Place;
use super::views::{By, Spot, View, Views, below};
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::sys::open::{self, Open};
use crate::sys::stat::{self, Kind, Named, PlaceId};
use crate::sys::{Errno, Result};

/// The other names that were found, and those still to be covered.
#[derive(Default)]
pub(super) struct Twins {
    views: Rc<Views>,
    /// Where else denied objects are seen. These places are covered when all denials are known.
    places: Vec<Place>,
    /// Copies of denied files: number of the copy, and the denial.
    copies: BTreeMap<usize, usize>,
    links: HardLinks,
    /// Where files are denied: the filesystem, and the first denial. Filled only if something shown may show files of
    /// other filesystems.
    filesystems: BTreeMap<u64, usize>,
}

impl Twins {
    pub(super) fn of(views: Views, inside: &Inside<'_, '_>) -> Result<Twins> {
        let views = Rc::new(views);
        let mut links = HardLinks::of(views.clone());
        links.look_for_removed(inside)?;
        Ok(Twins { links, views, ..Twins::default() })
    }

    /// Notes a denied object, before it is covered. `way` is its path without links. Returns whether it is a directory.
    pub(super) fn note(
        &mut self,
        object: BorrowedFd<'_>,
        way: &CStr,
        op: usize,
        inside: &Inside<'_, '_>,
        pinned: &mut PinnedAncestors,
    ) -> Outcome<bool> {
        let about = stat::named_at(object, c"").op(op, Act::Whole)?;
        let is_dir = about.kind == Some(Kind::Dir);
        let Some((view, spot)) = self.seen(about.mount, way) else {
            let is_covered = stat::fstat(object).map(|about| inside.is_covered(about)).op(op, Act::Whole)?;
            // A cover is in no view, and neither is a device that covers itself. Anything else lies on a mount that
            // appeared meanwhile.
            let is_known = is_covered || !matches!(about.kind, Some(Kind::Dir | Kind::File));
            return if is_known { Ok(is_dir) } else { Err(Errno::ESTALE).op(op, Act::Whole) };
        };
        let rest = &spot.path[view.root.path.len()..];
        let layers = self.layers_of(&view, rest, inside).op(op, Act::Whole)?;
        self.also_at(about, &spot, Seen { way, rest, is_held: view.is_writable }, op, pinned);
        // Of an overlay it is the files of the layers that have links.
        if !self.is_overlay(&view) {
            self.links.note(object, about, &spot, op, inside)?;
        }
        if layers.is_empty() {
            self.note_filesystem(object, spot.fs, op, inside).op(op, Act::Whole)?;
        }
        for (fd, spot) in layers {
            let about = stat::named_at(fd.as_fd(), c"").op(op, Act::Whole)?;
            self.note_filesystem(fd.as_fd(), spot.fs, op, inside).op(op, Act::Whole)?;
            self.also_at(about, &spot, Seen { way, rest: b"", is_held: false }, op, pinned);
            self.links.note(fd.as_fd(), about, &spot, op, inside)?;
        }
        Ok(is_dir)
    }

    /// Notes `object`, which lies on the host at the denied `path`. Inside, that path shows something else, or nothing.
    pub(super) fn note_on_host(
        &mut self,
        object: BorrowedFd<'_>,
        path: &CStr,
        op: usize,
        inside: &Inside<'_, '_>,
        pinned: &mut PinnedAncestors,
    ) -> Outcome<()> {
        let Some(spot) = self.views.spot_on_host(inside.proc, object).op(op, Act::Whole)? else { return Ok(()) };
        self.note_filesystem(object, spot.fs, op, inside).op(op, Act::Whole)?;
        if !self.views.show(spot.fs) {
            return Ok(());
        }
        let about = stat::named_at(object, c"").op(op, Act::Whole)?;
        self.also_at(about, &spot, Seen { way: path, rest: b"", is_held: false }, op, pinned);
        self.links.note_on_host(object, about, &spot, op, inside)
    }

    /// The names in the directory `dir` that lead to mounts.
    pub(super) fn leading_to_mounts(&self, dir: &CStr) -> BTreeSet<CString> {
        self.views.leading_to_mounts(dir)
    }

    /// The view of the mount that shows `way`, and the place of `way` in that filesystem.
    fn seen(&self, mount: u64, way: &CStr) -> Option<(View, Spot)> {
        let view = self.views.of_mount(mount)?;
        Some((view.clone(), view.spot(way.to_bytes())?))
    }

    fn is_overlay(&self, view: &View) -> bool {
        self.views.inside.iter().any(|layer| layer.mount == view.mount && matches!(layer.by, By::Layer(..)))
    }

    /// What the layers of an overlay have at `rest`.
    fn layers_of(&self, view: &View, rest: &[u8], inside: &Inside<'_, '_>) -> Result<Vec<(OwnedFd, Spot)>> {
        let mut found = Vec::new();
        for layer in self.views.inside.iter().filter(|layer| layer.mount == view.mount) {
            let By::Layer(overlay, number) = layer.by else { continue };
            let path = CString::new(rest).unwrap_or_default();
            match open::in_root(inside.own.overlays[overlay].layers[number].as_fd(), &path, Open::Path) {
                Ok(fd) => found.push((fd, Spot { fs: layer.root.fs, path: [&layer.root.path, rest].concat() })),
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(found)
    }

    /// Notes where else `spot` is seen.
    fn also_at(&mut self, about: Named, spot: &Spot, seen: Seen<'_>, op: usize, pinned: &mut PinnedAncestors) {
        let is_dir = about.kind == Some(Kind::Dir);
        for (view, path) in self.views.places(spot, is_dir) {
            if let By::Copy(number) = view.by {
                self.copies.entry(number).or_insert(op);
                continue;
            }
            if *path == *seen.way {
                continue;
            }
            if view.is_writable {
                seen.hold(&path, op, pinned);
            }
            // A view of a part of the denied directory starts at another file than the denied one.
            let is_same = !is_dir || below(&spot.path, &view.root.path).is_some();
            let file = (view.by == By::Mount && is_same).then_some(about.file);
            self.places.push(Place { path, mount: view.mount, file, op });
        }
    }

    /// Covers all that is denied at other paths too.
    pub(super) fn cover(&mut self, inside: &Inside<'_, '_>, pinned: &mut PinnedAncestors) -> Outcome<()> {
        for number in 0..inside.own.copies.len() {
            self.cover_copies(number, inside, pinned)?;
        }
        for place in std::mem::take(&mut self.places) {
            if let Err(failure) = place.cover(inside) {
                inside.fail(failure)?;
            }
        }
        let is_told = self.links.cover(inside)?;
        if is_told { Ok(()) } else { self.tell_of_unknown(inside) }
    }

    /// Notes that `object` is denied on the filesystem `fs`.
    fn note_filesystem(&mut self, object: BorrowedFd<'_>, fs: u64, op: usize, inside: &Inside<'_, '_>) -> Result<()> {
        if self.views.unknown().next().is_none() || self.filesystems.contains_key(&fs) {
            return Ok(());
        }
        // Nobody mounts the sandbox's own files elsewhere, and the kernel's are no files of the user's.
        if !inside.is_own(stat::fstat(object)?) && !inside.is_kernels(object)? {
            self.filesystems.insert(fs, op);
        }
        Ok(())
    }

    /// Tells the caller, once, of a filesystem that may show denied files of another one: an overlay that the host has
    /// mounted, FUSE. Where it shows what, nobody can know.
    fn tell_of_unknown(&self, inside: &Inside<'_, '_>) -> Outcome<()> {
        let mut denied: Vec<(usize, u64)> = self.filesystems.iter().map(|(&fs, &op)| (op, fs)).collect();
        denied.sort_unstable();
        for (op, fs) in denied {
            for view in self.views.unknown().filter(|view| view.root.fs != fs) {
                if view.open(inside).stage(Stage::Root)?.is_some() {
                    let detail = Some(view.path());
                    inside.remark(Failure { act: Act::OtherKind, detail, ..Failure::nth(Stage::Op, op, 0) });
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Covers copy number `number` of a denied file. A later one may be a copy of it.
    fn cover_copies(&mut self, number: usize, inside: &Inside<'_, '_>, pinned: &mut PinnedAncestors) -> Outcome<()> {
        let copy = &inside.own.copies[number];
        let by_link = stat::named_at(copy.source.as_fd(), c"").map(|source| self.links.denial_of(source.file));
        let by_link = by_link.stage(Stage::Root)?;
        let Some(op) = self.copies.get(&number).copied().or(by_link) else { return Ok(()) };
        let PlaceId { mount, device, inode } = copy.place;
        let place = Place { path: copy.path.clone(), mount, file: Some((device, inode)), op };
        let Some(object) = place.object(inside)? else { return Ok(()) };
        let noted = self.note(object.as_fd(), &copy.path, op, inside, pinned).map(drop);
        if let Err(failure) = noted.and_then(|()| place.cover(inside)) {
            inside.fail(failure)?;
        }
        Ok(())
    }
}

/// Where a denied object was found.
#[derive(Clone, Copy)]
struct Seen<'a> {
    way: &'a CStr,
    /// The end of `way`, within its mount.
    rest: &'a [u8],
    /// The mount is writable, so what could be renamed through it is held there.
    is_held: bool,
}

impl Seen<'_> {
    /// Keeps the directories above `path`, which shows the same, in their places. A directory that is kept through one
    /// mount is kept for all of them.
    fn hold(self, path: &CStr, op: usize, pinned: &mut PinnedAncestors) {
        let bytes = path.to_bytes();
        let top = if self.is_held { bytes.strip_suffix(self.rest).map(|top| [top, b"/."].concat()) } else { None };
        pinned.lead_to(&CString::new(top.as_deref().unwrap_or(bytes)).unwrap_or_default(), op);
    }
}
