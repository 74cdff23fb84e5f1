//! Names that shall not appear: looked for before the box begins, and again when nothing lives in it any more.
//!
//! No directory is held open meanwhile, there may be more than descriptors. Instead its number is remembered: what is
//! found by the path afterwards, on which no link is followed, must be the same directory.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Door, Note};
use crate::plan::Plan;
use crate::plan::failure::{Failure, Stage};
use crate::spec::OnAppear;
use crate::sys::dir::{self, Entries, For};
use crate::sys::file::Stat;
use crate::sys::{Errno, Result, file};

/// What is looked for.
pub(super) struct Sweep {
    dirs: Vec<Dir>,
}

/// A directory with names that were not in it.
struct Dir {
    path: CString,
    was: Stat,
    /// Indices of [`crate::spec::Lifecycle::watch`], and the names.
    absent: Vec<(usize, CString)>,
}

/// So many names are asked for one by one; for more, the directory is listed.
const FEW: usize = 6;

impl Sweep {
    /// Notes which watched names are absent. Nothing is called where nothing is watched.
    pub(super) fn before(plan: &Plan) -> std::result::Result<Sweep, Failure> {
        let mut dirs: Vec<Dir> = Vec::new();
        let failed = |index: usize| move |errno: Errno| Failure::nth(Stage::Watch, index, errno as i32);
        let mut watched = plan.life.watch.iter().enumerate().peekable();
        while let Some((first, watch)) = watched.next() {
            let (path, name) = split(&watch.path).ok_or_else(|| failed(first)(Errno::EINVAL))?;
            let mut absent = vec![(first, name)];
            let of_same = |watch: &crate::spec::Watch| split(&watch.path).filter(|(parent, _)| *parent == path);
            while let Some((index, name)) = watched.peek().and_then(|(index, watch)| Some((*index, of_same(watch)?.1)))
            {
                absent.push((index, name));
                watched.next();
            }
            let open = file::open_dir_without_links(&path).map_err(failed(first))?;
            let was = file::fstat(open.as_fd()).map_err(failed(first))?;
            let present = present(open.as_fd(), &absent).map_err(failed(first))?;
            absent.retain(|(_, name)| !present.contains(name));
            dirs.push(Dir { path, was, absent });
        }
        Ok(Sweep { dirs })
    }

    /// Looks again, removes what is to be removed, and says so.
    pub(super) fn after(&self, plan: &Plan, door: &dyn Door) {
        for dir in self.dirs.iter().filter(|dir| !dir.absent.is_empty()) {
            let Ok(open) = dir.open_again() else {
                door.note(plan, &Note::Unseen { path: dir.path.clone() });
                continue;
            };
            let present = present(open.as_fd(), &dir.absent);
            for (index, name) in &dir.absent {
                let Some(watch) = plan.life.watch.get(*index) else { continue };
                // Where one cannot look, the worst is taken for true.
                if present.as_ref().is_ok_and(|present| !present.contains(name)) {
                    continue;
                }
                let removed = watch.on_appear == OnAppear::Remove && file::unlink_at(open.as_fd(), name).is_ok();
                door.note(plan, &Note::Appeared { path: watch.path.clone(), removed });
            }
        }
    }
}

/// Which of the names are in `dir`.
fn present(dir: BorrowedFd<'_>, names: &[(usize, CString)]) -> Result<BTreeSet<CString>> {
    let listed = if names.len() > FEW { dir::open_any_mount(dir, c".", For::Listing) } else { Err(Errno::EACCES) };
    let mut present = BTreeSet::new();
    match listed {
        Ok(listed) => {
            let wanted: BTreeSet<&CStr> = names.iter().map(|(_, name)| name.as_c_str()).collect();
            let mut entries = Entries::new();
            while entries.read(listed.as_fd())? {
                let found = entries.iter().map(|(name, _)| name).filter(|name| wanted.contains(name));
                present.extend(found.map(CStr::to_owned));
            }
        }
        // One may know names in a directory that one cannot list.
        Err(Errno::EACCES) => {
            for (_, name) in names {
                if file::has_name(dir, name)? {
                    present.insert(name.clone());
                }
            }
        }
        Err(errno) => return Err(errno),
    }
    Ok(present)
}

impl Dir {
    fn open_again(&self) -> Result<OwnedFd> {
        let open = file::open_dir_without_links(&self.path)?;
        if file::fstat(open.as_fd())?.is_same_file(self.was) { Ok(open) } else { Err(Errno::ESTALE) }
    }
}

/// Directory and last part of an absolute path.
fn split(path: &CStr) -> Option<(CString, CString)> {
    let bytes = path.to_bytes();
    let at = bytes.iter().rposition(|&byte| byte == b'/')?;
    let (dir, name) = (&bytes[..at.max(1)], &bytes[at + 1..]);
    let is_name = !matches!(name, b"" | b"." | b"..") && bytes.starts_with(b"/");
    is_name.then(|| Some((CString::new(dir).ok()?, CString::new(name).ok()?)))?
}
