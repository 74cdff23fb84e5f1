//! What a denied path leads to on the host.
//!
//! The sandbox may have nothing at that path, or something of its own, as in its own home. But it may show the host's
//! object elsewhere: `--ro ~/project:/p --deny ~/project/.env`.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use crate::spec::path::MAX_LINKS;
use crate::sys::{Errno, Result, content, open};

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
    let mut way = Vec::new();
    let mut waiting = reversed(path);
    let mut links = 0;
    while let Some(name) = waiting.pop() {
        if name == b".." {
            way.truncate(way.iter().rposition(|&byte| byte == b'/').unwrap_or(0));
            continue;
        }
        let next = CString::new([&way, &b"/"[..], &name].concat()).unwrap_or_default();
        match content::read_link(&next) {
            Ok(_) if links == MAX_LINKS => return Err(Errno::ELOOP),
            Ok(target) => {
                links += 1;
                if target.to_bytes().starts_with(b"/") {
                    way.clear();
                }
                waiting.extend(reversed(&target));
            }
            Err(Errno::EINVAL) => way = next.into_bytes(),
            Err(errno) => return Err(errno),
        }
    }
    Ok(if way.is_empty() { c"/".to_owned() } else { CString::new(way).unwrap_or_default() })
}

/// The names of a path, the last one first.
fn reversed(path: &CStr) -> Vec<Vec<u8>> {
    let names = path.to_bytes().split(|&byte| byte == b'/').rev();
    names.filter(|name| !name.is_empty() && *name != b".").map(<[u8]>::to_vec).collect()
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
