//! Other names of what is denied: a second mount of the same tree, a layer of an overlay, a hard link.
//!
//! Where else the mounts show a place is known by their list ([`super::views`]). Hard links have to be looked for
//! ([`super::hardlinks`]).

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::deny::Deny;
use super::hardlinks::HardLinks;
use super::views::{Overlay, Spot, View, Views, below};
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::sys::dir::{self, Named};
use crate::sys::file::{self, Kind, Open};
use crate::sys::{Errno, Result};

/// The names that have been found of what is denied, and those that are to be covered.
#[derive(Default)]
pub(super) struct Twins {
    views: Rc<Views>,
    /// Where else something denied is seen, to be covered when all denials are known.
    places: Vec<Place>,
    links: HardLinks,
}

/// A path inside that shows something denied, if the mount there is `mount`.
pub(super) struct Place {
    pub(super) path: CString,
    pub(super) mount: u64,
    /// The file that it must be; in an overlay it has other numbers.
    pub(super) file: Option<(u64, u64)>,
    pub(super) op: usize,
}

impl Twins {
    pub(super) fn of(views: Views) -> Twins {
        let views = Rc::new(views);
        Twins { links: HardLinks::of(views.clone()), views, places: Vec::new() }
    }

    /// Notes something that is denied, before it is covered. `way` is its path, without links in it.
    pub(super) fn note(
        &mut self,
        object: BorrowedFd<'_>,
        way: &CStr,
        op: usize,
        deny: &mut Deny<'_, '_>,
    ) -> Outcome<()> {
        let about = dir::named_at(object, c"").op(op, Act::Whole)?;
        let Some((view, spot)) = self.seen(about.mount, way) else {
            let is_covered = file::fstat(object).map(|about| deny.is_covered(about)).op(op, Act::Whole)?;
            // A device is covered by itself. Anything else lies on a mount that has come meanwhile.
            let is_known = is_covered || !matches!(about.kind, Some(Kind::Dir | Kind::File));
            return if is_known { Ok(()) } else { Err(Errno::ESTALE).op(op, Act::Whole) };
        };
        let rest = &spot.path[view.root.path.len()..];
        let layers = self.layers_of(&view, rest, deny.overlays()).op(op, Act::Whole)?;
        self.also_at(about, &spot, Seen { way, rest, is_held: view.is_writable }, op, deny);
        // Of an overlay it is the files of the layers that have links.
        if !self.is_overlay(&view) {
            self.links.note(object, about, &spot, op, deny)?;
        }
        for (fd, spot) in layers {
            let about = dir::named_at(fd.as_fd(), c"").op(op, Act::Whole)?;
            self.also_at(about, &spot, Seen { way, rest: b"", is_held: false }, op, deny);
            self.links.note(fd.as_fd(), about, &spot, op, deny)?;
        }
        Ok(())
    }

    /// The mount of `way`, and its place in that filesystem.
    fn seen(&self, mount: u64, way: &CStr) -> Option<(View, Spot)> {
        let view = self.views.of_mount(mount)?;
        Some((view.clone(), view.spot(way.to_bytes())?))
    }

    fn is_overlay(&self, view: &View) -> bool {
        self.views.0.iter().any(|layer| layer.mount == view.mount && layer.layer.is_some())
    }

    /// What of the layers of an overlay is seen at `rest` in it.
    fn layers_of(&self, view: &View, rest: &[u8], overlays: &[Overlay]) -> Result<Vec<(OwnedFd, Spot)>> {
        let mut found = Vec::new();
        for layer in self.views.0.iter().filter(|layer| layer.mount == view.mount) {
            let Some((overlay, number)) = layer.layer else { continue };
            let path = CString::new(rest).unwrap_or_default();
            match file::open_in_root(overlays[overlay].layers[number].as_fd(), &path, Open::Path) {
                Ok(fd) => found.push((fd, Spot { fs: layer.root.fs, path: [&layer.root.path, rest].concat() })),
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => {}
                Err(errno) => return Err(errno),
            }
        }
        Ok(found)
    }

    /// Notes where else `spot` is seen.
    fn also_at(&mut self, about: Named, spot: &Spot, seen: Seen<'_>, op: usize, deny: &mut Deny<'_, '_>) {
        let is_dir = about.kind == Some(Kind::Dir);
        for (view, path) in self.views.places(spot, is_dir) {
            if *path == *seen.way {
                continue;
            }
            if view.is_writable {
                seen.hold(&path, op, deny);
            }
            // A mount of a part of what is denied is another file than that.
            let is_same = !is_dir || below(&spot.path, &view.root.path).is_some();
            let file = (view.layer.is_none() && is_same).then_some(about.file);
            self.places.push(Place { path, mount: view.mount, file, op });
        }
    }

    /// Covers all that is denied at other paths too.
    pub(super) fn cover(&mut self, deny: &mut Deny<'_, '_>) -> Outcome<()> {
        for place in std::mem::take(&mut self.places) {
            if let Err(failure) = place.cover(deny) {
                deny.fail(failure)?;
            }
        }
        self.links.cover(deny)
    }
}

/// Where something denied was named.
#[derive(Clone, Copy)]
struct Seen<'a> {
    way: &'a CStr,
    /// The end of that, within its mount.
    rest: &'a [u8],
    /// What could be renamed through that mount is kept in its place there.
    is_held: bool,
}

impl Seen<'_> {
    /// Keeps the directories above `path`, which shows the same, in their places. A directory that is kept through one
    /// mount is kept for all of them.
    fn hold(self, path: &CStr, op: usize, deny: &mut Deny<'_, '_>) {
        let bytes = path.to_bytes();
        let top = if self.is_held { bytes.strip_suffix(self.rest).map(|top| [top, b"/."].concat()) } else { None };
        deny.pinned.lead_to(&CString::new(top.as_deref().unwrap_or(bytes)).unwrap_or_default(), op);
    }
}

impl Place {
    pub(super) fn cover(&self, deny: &Deny<'_, '_>) -> Outcome<()> {
        let failed = |errno: Errno| Failure {
            act: Act::Elsewhere,
            detail: Some(self.path.clone()),
            ..Failure::nth(Stage::Op, self.op, errno as i32)
        };
        let Some(object) = open(&self.path, self.mount, deny).map_err(failed)? else { return Ok(()) };
        if let Some(file) = self.file
            && dir::named_at(object.as_fd(), c"").map_err(failed)?.file != file
        {
            return Ok(());
        }
        deny.cover(object.as_fd(), self.op).map_err(|failure| match failure.act {
            Act::Whole => Failure { act: Act::Elsewhere, detail: Some(self.path.clone()), ..failure },
            _ => failure,
        })
    }
}

impl View {
    /// Where it is seen, if it is.
    pub(super) fn open(&self, deny: &Deny<'_, '_>) -> Result<Option<OwnedFd>> {
        open(&CString::new(self.point.as_slice()).unwrap_or_default(), self.mount, deny)
    }
}

/// What is at `path`; `None` where that does not lie on `mount`: something else hides it, and nobody inside gets there.
fn open(path: &CStr, mount: u64, deny: &Deny<'_, '_>) -> Result<Option<OwnedFd>> {
    match deny.root.open(path, Open::Path) {
        Ok(found) => Ok((dir::named_at(found.as_fd(), c"")?.mount == mount).then_some(found)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => Ok(None),
        Err(errno) => Err(errno),
    }
}
