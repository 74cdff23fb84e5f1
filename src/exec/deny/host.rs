//! What a denied path leads to on the host.
//!
//! The sandbox may have nothing at that path, or something of its own, as in its own home. But it may show the host's
//! object elsewhere: `--ro ~/project:/p --deny ~/project/.env`.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::spec::path::{Follow, Step, to_os};
use crate::sys::{Errno, Result, c_path, content, open};

/// What a path leads to.
pub(super) enum OnHost {
    Object(OwnedFd),
    Nothing,
    /// The caller may not look there, or the links lead in a circle.
    Unknown,
}

/// Opens what `path` leads to on the host, links included.
pub(super) fn look(path: &CStr) -> Result<OnHost> {
    let found = without_links(path).and_then(|path| open::without_links(&path));
    match found {
        Ok(object) => Ok(OnHost::Object(object)),
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG) => Ok(OnHost::Nothing),
        Err(Errno::EACCES | Errno::ELOOP) => Ok(OnHost::Unknown),
        Err(errno) => Err(errno),
    }
}

/// The path without links and without `..`.
///
/// The kernel must not resolve `..` here. The new root is mounted on the host's root already, and a `..` that arrives
/// there would lead into it (`follow_dotdot` in fs/namei.c). An absolute path starts below it.
fn without_links(path: &CStr) -> Result<CString> {
    let mut follow = Follow::new("/".into(), Path::new(to_os(path)));
    while let Some(step) = follow.step() {
        if step == Step::Up {
            continue;
        }
        match content::read_link(&c_path(follow.place())) {
            Ok(target) if follow.lead_to(Path::new(to_os(&target))) => {}
            Ok(_) => return Err(Errno::ELOOP),
            Err(Errno::EINVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(c_path(follow.place()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_what_goes_up_are_resolved() {
        for (path, wanted) in
            [(c"/", Ok(c"/")), (c"/proc/../../proc/.//sys/", Ok(c"/proc/sys")), (c"/none/..", Err(()))]
        {
            let found = without_links(path).map_err(drop);
            assert_eq!(found.as_deref(), wanted.as_deref(), "{path:?}");
        }
        let process = without_links(c"/proc/self/../self/status").unwrap();
        assert_eq!(process.to_str().unwrap(), format!("/proc/{}/status", std::process::id()));
        assert!(matches!(look(c"/proc/self/none"), Ok(OnHost::Nothing)));
        assert!(matches!(look(c"/proc/self/status"), Ok(OnHost::Object(_))));
    }
}
