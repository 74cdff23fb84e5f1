//! Names that shall not appear: looked for before the box begins, and again when nothing lives in it any more.
//!
//! No directory is held open meanwhile, there may be more than descriptors. Instead its number is remembered: what is
//! found by the path afterwards, on which no link is followed, must be the same directory.

use std::cmp::Ordering;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::findings::Found;
use crate::protocol::{Failure, Stage};
use crate::spec::path::join;
use crate::spec::{Lifecycle, OnAppear, Watch};
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Stat};
use crate::sys::{Errno, Result, make};
use crate::workspace::is_like_name;

/// What is looked for.
pub(super) struct Sweep {
    dirs: Vec<Dir>,
}

/// A directory with names that were not in it.
struct Dir {
    /// Index of [`crate::spec::Lifecycle::watch`].
    watch: usize,
    was: Stat,
    /// Indices of its names, sorted by them.
    absent: Vec<usize>,
}

/// So many names are asked for one by one; for more, the directory is listed.
const FEW: usize = 6;

impl Sweep {
    /// Notes which watched names are absent. Nothing is called where nothing is watched.
    pub(super) fn before(lifecycle: &Lifecycle) -> std::result::Result<Sweep, Failure> {
        let look = |(index, watch): (usize, &Watch)| {
            let failed = |errno: Errno| Failure::nth(Stage::Watch, index, errno as i32);
            if let Some(wrong) = watch.names.iter().find(|name| !is_name(name)) {
                return Err(Failure { detail: Some((**wrong).to_owned()), ..failed(Errno::EINVAL) });
            }
            let open = open::dir_without_links(&watch.dir).map_err(failed)?;
            let was = stat::look_at_open(open.as_fd()).map_err(failed)?;
            let mut all: Vec<usize> = (0..watch.names.len()).collect();
            all.sort_unstable_by(|&one, &other| compare(&watch.names[one], &watch.names[other]));
            let present = present(open.as_fd(), watch, &all).map_err(failed)?;
            all.retain(|name| !present.contains(name));
            Ok(Dir { watch: index, was, absent: all })
        };
        lifecycle.watch.iter().enumerate().map(look).collect::<std::result::Result<_, _>>().map(|dirs| Sweep { dirs })
    }

    /// Looks again, removes what is to be removed, and returns what there is to say.
    pub(super) fn after(&self, lifecycle: &Lifecycle) -> Vec<Found> {
        let mut found = Vec::new();
        for dir in self.dirs.iter().filter(|dir| !dir.absent.is_empty()) {
            let Some(watch) = lifecycle.watch.get(dir.watch) else { continue };
            let Ok(open) = dir.open_again(&watch.dir) else {
                found.push(Found::Unseen { path: watch.dir.clone() });
                continue;
            };
            let present = present(open.as_fd(), watch, &dir.absent);
            // Where one cannot look, what is to be removed is removed all the same, if it is there.
            for &index in present.as_ref().unwrap_or(&dir.absent) {
                let name = &watch.names[index];
                let removed = watch.on_appear == OnAppear::Remove && make::unlink_at(open.as_fd(), name).is_ok();
                if removed || present.is_ok() {
                    let reason = watch.reasons.iter().find(|(known, _)| **known == **name);
                    let reason = reason.map(|(_, reason)| reason.clone());
                    found.push(Found::Appeared { path: join(&watch.dir, name), removed, reason });
                }
            }
            if present.is_err() {
                found.push(Found::Unseen { path: watch.dir.clone() });
            }
        }
        found
    }
}

/// Which of the names of `watch`, given by their indices in the order of the names, are in `dir`; in the same order.
fn present(dir: BorrowedFd<'_>, watch: &Watch, sorted: &[usize]) -> Result<Vec<usize>> {
    let listed = if sorted.len() > FEW { open::any_mount(dir, c".", For::Listing) } else { Err(Errno::EACCES) };
    let mut present = Vec::new();
    match listed {
        Ok(listed) => {
            let mut entries = Entries::new();
            let mut places = Vec::new();
            while entries.read(listed.as_fd())? {
                for (name, _) in entries.iter() {
                    let is_like = |index: &usize| is_like_name(name.to_bytes(), watch.names[*index].to_bytes());
                    let place = match name.to_bytes().is_ascii() {
                        true => sorted.binary_search_by(|&index| compare(&watch.names[index], name)).ok(),
                        false => sorted.iter().position(is_like),
                    };
                    let is_it = |&place: &usize| is_that(dir, name, &watch.names[sorted[place]]);
                    places.extend(place.filter(is_it));
                }
            }
            // A name can be listed twice while others change the directory.
            places.sort_unstable();
            places.dedup();
            present.extend(places.into_iter().map(|place| sorted[place]));
        }
        // One may know names in a directory that one cannot list.
        Err(Errno::EACCES) => {
            for &index in sorted {
                if stat::has_name(dir, &watch.names[index])? {
                    present.push(index);
                }
            }
        }
        Err(errno) => return Err(errno),
    }
    Ok(present)
}

/// The order of names in which those that differ in the case of letters alone are equal.
fn compare(one: &CStr, other: &CStr) -> Ordering {
    let [one, other] = [one, other].map(|name| name.to_bytes().iter().map(u8::to_ascii_lowercase));
    one.cmp(other)
}

/// Whether `listed`, which is like `name`, is found by that name: some filesystems do not tell them apart. There may be
/// both.
fn is_that(dir: BorrowedFd<'_>, listed: &CStr, name: &CStr) -> bool {
    listed == name || stat::has_name(dir, name).unwrap_or(true)
}

/// Whether this is a name, and no path.
fn is_name(name: &CStr) -> bool {
    !matches!(name.to_bytes(), b"" | b"." | b"..") && !name.to_bytes().contains(&b'/')
}

impl Dir {
    fn open_again(&self, path: &CStr) -> Result<OwnedFd> {
        let open = open::dir_without_links(path)?;
        if stat::look_at_open(open.as_fd())?.is_same_file(self.was) { Ok(open) } else { Err(Errno::ESTALE) }
    }
}
