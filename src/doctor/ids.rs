//! The ranges of ids that the caller may map besides their own (`subuid(5)`, `newuidmap(1)`).

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use super::root::Root;
use crate::host::Caller;
use crate::sys::kernel;

/// The ranges of user ids and of group ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdRanges {
    /// The caller's name, or number if there is no name.
    pub(super) user: String,
    pub(super) uids: Ranges,
    pub(super) gids: Ranges,
}

/// The ranges of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranges {
    pub(super) state: Helper,
    /// The caller's ranges: first id, and how many.
    pub(super) own: Vec<(u64, u64)>,
}

/// Whether the program that maps ranges can do so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Helper {
    Missing,
    /// It lacks the privilege that it needs.
    Powerless,
    Ready,
}

pub(super) fn read(root: &Root<'_>, caller: Caller) -> IdRanges {
    let number = caller.uid.to_string();
    let passwd = root.text("etc/passwd");
    let entry = passwd.lines().find(|line| line.split(':').nth(2) == Some(&number));
    let user = entry.and_then(|line| line.split(':').next()).unwrap_or(&number).to_owned();
    IdRanges {
        uids: ranges(root, "/etc/subuid", "newuidmap", &[&user, &number]),
        gids: ranges(root, "/etc/subgid", "newgidmap", &[&user, &number]),
        user,
    }
}

fn ranges(root: &Root<'_>, file: &str, helper: &str, names: &[&str]) -> Ranges {
    let text = root.text(file);
    let line = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?.to_owned();
        let mut number = || fields.next()?.parse::<u32>().ok().map(u64::from);
        Some((owner, (number()?, number()?)))
    };
    let all: Vec<(String, (u64, u64))> = text.lines().filter_map(line).collect();
    let is_own = |owner: &str| names.contains(&owner);
    let own: Vec<(u64, u64)> = all.iter().filter(|(owner, _)| is_own(owner)).map(|&(_, range)| range).collect();
    Ranges { state: state(root, helper), own }
}

/// Directories to search for a program. The last one is where NixOS keeps programs with privileges.
const DIRECTORIES: [&str; 6] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/run/wrappers/bin"];

fn state(root: &Root<'_>, helper: &str) -> Helper {
    const SETUID: u32 = 0o4000;
    let mut found = Helper::Missing;
    for dir in DIRECTORIES {
        let path = root.path(&format!("{dir}/{helper}"));
        let Ok(about) = path.metadata() else { continue };
        let has_caps = CString::new(path.as_os_str().as_bytes())
            .is_ok_and(|path| kernel::has_attribute(&path, c"security.capability"));
        if about.permissions().mode() & SETUID != 0 || has_caps {
            return Helper::Ready;
        }
        found = Helper::Powerless;
    }
    found
}
