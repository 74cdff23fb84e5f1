//! Names that shall not appear: looked for before the box begins, and again when nothing lives in it any more.
//!
//! No directory is held open meanwhile, there may be more than descriptors. Instead its number is remembered: what is
//! found by the path afterwards, on which no link is followed, must be the same directory.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};

use super::{Door, Note};
use crate::plan::Plan;
use crate::plan::failure::{Failure, Stage};
use crate::spec::OnAppear;
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

impl Sweep {
    /// Notes which watched names are absent. Nothing is called where nothing is watched.
    pub(super) fn before(plan: &Plan) -> std::result::Result<Sweep, Failure> {
        let mut dirs: Vec<Dir> = Vec::new();
        let mut open = None;
        for (index, watch) in plan.life.watch.iter().enumerate() {
            let failed = |errno: Errno| Failure::nth(Stage::Watch, index, errno as i32);
            let (parent, name) = split(&watch.path).ok_or_else(|| failed(Errno::EINVAL))?;
            if dirs.last().is_none_or(|dir| dir.path != parent) {
                let fd = open.insert(file::open_dir_without_links(&parent).map_err(failed)?);
                let was = file::fstat(fd.as_fd()).map_err(failed)?;
                dirs.push(Dir { path: parent, was, absent: Vec::new() });
            }
            if let (Some(dir), Some(open)) = (dirs.last_mut(), &open)
                && !file::has_name(open.as_fd(), &name).map_err(failed)?
            {
                dir.absent.push((index, name));
            }
        }
        Ok(Sweep { dirs })
    }

    /// Whether there is anything to look for afterwards.
    pub(super) fn has_work(&self) -> bool {
        !self.dirs.is_empty()
    }

    /// Looks again, removes what is to be removed, and says so.
    pub(super) fn after(&self, plan: &Plan, door: &dyn Door) {
        for dir in self.dirs.iter().filter(|dir| !dir.absent.is_empty()) {
            let Ok(open) = dir.open_again() else {
                door.note(plan, &Note::Unseen { path: dir.path.clone() });
                continue;
            };
            for (index, name) in &dir.absent {
                let Some(watch) = plan.life.watch.get(*index) else { continue };
                // Where one cannot look, the worst is taken for true.
                if file::has_name(open.as_fd(), name) == Ok(false) {
                    continue;
                }
                let removed = watch.on_appear == OnAppear::Remove && file::unlink_at(open.as_fd(), name).is_ok();
                door.note(plan, &Note::Appeared { path: watch.path.clone(), removed });
            }
        }
    }
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
