//! What something mounted hides from the search for hard links.
//!
//! Another mount may show it, where it is looked for then. If none does, nobody inside reaches it for as long as it is
//! hidden; but what the host unmounts is unmounted below a writable bind too (mount_namespaces(7), "propagation").

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::rc::Rc;

use super::inside::Inside;
use super::views::{By, File, Spot, Views};
use crate::sys::dir;
use crate::sys::file::{self, Open};
use crate::sys::{Errno, Result};

/// Which directory is looked through, and those above it. It keeps none of them open.
pub(super) struct Path {
    pub(super) file: File,
    pub(super) above: Option<Rc<Path>>,
}

#[derive(Default)]
pub(super) struct Hidden {
    /// Directories in which a name was hidden, or a name further down.
    partial: HashSet<File>,
    /// What the host may uncover while the box runs.
    spots: Vec<Spot>,
}

impl Hidden {
    /// Notes that something mounted hides `spot`, a name in the directory `path`.
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

    /// Whether names were hidden when this directory was looked through, or one below it. `sees_all` is whether nothing
    /// hides them this time.
    pub(super) fn is_partial(&mut self, dir: File, sees_all: bool) -> bool {
        if sees_all { self.partial.remove(&dir) } else { self.partial.contains(&dir) }
    }

    /// The first that the host may uncover, and that nothing else shows, of those that `counts`.
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

/// Whether another mount shows `spot`, so that it has been looked through, or whether it is denied itself.
fn is_settled(spot: &Spot, views: &Views, inside: &Inside<'_, '_>) -> Result<bool> {
    for (view, path) in views.places(spot, false).filter(|(view, _)| view.by == By::Mount) {
        let found = match inside.root.open(&path, Open::Path) {
            Ok(found) => found,
            Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::EACCES) => continue,
            Err(errno) => return Err(errno),
        };
        let is_shown = dir::named_at(found.as_fd(), c"")?.mount == view.mount;
        if is_shown || inside.is_covered(file::fstat(found.as_fd())?) {
            return Ok(true);
        }
    }
    Ok(false)
}
