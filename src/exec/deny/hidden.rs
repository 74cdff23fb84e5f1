//! Places that a mount hides from the search for hard links.
//!
//! Another mount may show such a place, and then it is searched there. If none does, nobody inside can reach it for as
//! long as it is hidden. But when the host unmounts something, that is unmounted below a writable bind too, and the
//! place appears (mount_namespaces(7), "propagation").

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::rc::Rc;

use super::inside::Inside;
use super::views::{By, File, Spot, Views};
use crate::sys::open::Open;
use crate::sys::{Errno, Result, stat};

/// A directory that is searched, and those above it. None of them is kept open.
pub(super) struct Path {
    pub(super) file: File,
    pub(super) above: Option<Rc<Path>>,
}

#[derive(Default)]
pub(super) struct Hidden {
    /// Directories with a hidden name in them, or further down.
    partial: HashSet<File>,
    /// Hidden places that the host may uncover while the sandbox runs.
    spots: Vec<Spot>,
}

impl Hidden {
    /// Notes that a mount hides `spot`, a name in the directory `path`.
    pub(super) fn below(&mut self, path: &Rc<Path>, spot: Spot, may_be_uncovered: bool) {
        if may_be_uncovered {
            self.spots.push(spot);
        }
        let mut next = Some(path);
        while let Some(path) = next {
            self.partial.insert(path.file);
            next = path.above.as_ref();
        }
    }

    /// Whether names were hidden when this directory, or one below it, was searched before. `sees_all`: nothing hides
    /// them this time.
    pub(super) fn is_partial(&mut self, dir: File, sees_all: bool) -> bool {
        if sees_all { self.partial.remove(&dir) } else { self.partial.contains(&dir) }
    }

    /// The first place that the host may uncover and that nothing else shows, among those for which `counts` holds.
    pub(super) fn to_be_uncovered(
        &self,
        counts: impl Fn(&Spot) -> bool,
        views: &Views,
        inside: &Inside<'_, '_>,
    ) -> Result<Option<&Spot>> {
        for spot in self.spots.iter().filter(|spot| counts(spot)) {
            if !is_settled(spot, views, inside)? {
                return Ok(Some(spot));
            }
        }
        Ok(None)
    }
}

/// Whether `spot` needs no search: another mount shows it, so it was searched there, or it is denied itself.
fn is_settled(spot: &Spot, views: &Views, inside: &Inside<'_, '_>) -> Result<bool> {
    for (view, path) in views.places(spot, false).filter(|(view, _)| view.by == By::Mount) {
        let found = match inside.root.open(&path, Open::Path) {
            Ok(found) => found,
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => continue,
            Err(errno) => return Err(errno),
        };
        let is_shown = stat::named_at(found.as_fd(), c"")?.mount == view.mount;
        if is_shown || inside.is_covered(stat::fstat(found.as_fd())?) {
            return Ok(true);
        }
    }
    Ok(false)
}
