//! The ranges of ids that the caller may map besides their own (`subuid(5)`, `newuidmap(1)`).

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use super::root::Root;
use crate::host::Caller;
use crate::sys::kernel;

/// As many ids as `useradd(8)` gives to a user (`login.defs(5)`, `SUB_UID_COUNT`). The files of a distribution need as
/// many.
pub(super) const ENOUGH: u64 = 65_536;
/// The first id that `useradd(8)` gives out (`login.defs(5)`, `SUB_UID_MIN`).
const FIRST: u64 = 100_000;

/// The ranges of user ids and of group ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IdRanges {
    /// The caller's name, or number if there is no name.
    pub(super) user: String,
    /// Another service than the two files keeps the ranges (`nsswitch.conf(5)`, `subid`).
    pub(super) elsewhere: bool,
    pub(super) uids: Ranges,
    pub(super) gids: Ranges,
}

/// The ranges of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranges {
    /// The file that lists them.
    pub(super) file: &'static str,
    /// The program that maps them.
    pub(super) helper: &'static str,
    pub(super) state: Helper,
    /// The caller's ranges: first id, and how many.
    pub(super) own: Vec<(u64, u64)>,
    /// A range of another user that shares ids with one of the caller's: that user, and the caller's range.
    pub(super) overlap: Option<(String, (u64, u64))>,
    /// The first id of a possible new range.
    pub(super) free: u64,
}

impl Ranges {
    /// The number of ids.
    pub(super) fn total(&self) -> u64 {
        self.own.iter().map(|(_, count)| count).sum()
    }
}

/// Whether the program that maps ranges can do so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Helper {
    Missing,
    /// The program at this path lacks the privilege that it needs.
    Powerless(String),
    Ready,
}

pub(super) fn read(root: &Root<'_>, caller: Caller) -> IdRanges {
    let number = caller.uid.to_string();
    let passwd = root.text("etc/passwd");
    let entry = passwd.lines().find(|line| line.split(':').nth(2) == Some(&number));
    let user = entry.and_then(|line| line.split(':').next()).unwrap_or(&number).to_owned();
    let switch = root.text("etc/nsswitch.conf");
    let source = switch.lines().find_map(|line| line.trim().strip_prefix("subid:"));
    IdRanges {
        elsewhere: source.is_some_and(|source| source.trim() != "files"),
        uids: ranges(root, "/etc/subuid", "newuidmap", &[&user, &number]),
        gids: ranges(root, "/etc/subgid", "newgidmap", &[&user, &number]),
        user,
    }
}

fn ranges(root: &Root<'_>, file: &'static str, helper: &'static str, names: &[&str]) -> Ranges {
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
    let meets = |(a, n): (u64, u64), (b, m): (u64, u64)| a < b + m && b < a + n;
    let overlap = all
        .iter()
        .filter(|(owner, _)| !is_own(owner))
        .find_map(|(owner, theirs)| own.iter().find(|&&ours| meets(ours, *theirs)).map(|&ours| (owner.clone(), ours)));
    let free = all.iter().map(|(_, (start, count))| start + count).max().unwrap_or(0).max(FIRST);
    Ranges { file, helper, state: state(root, helper), own, overlap, free }
}

/// Directories to search for a program. The last one is where NixOS keeps programs with privileges.
const DIRECTORIES: [&str; 6] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/run/wrappers/bin"];

fn state(root: &Root<'_>, helper: &str) -> Helper {
    const SETUID: u32 = 0o4000;
    let mut found = Helper::Missing;
    for dir in DIRECTORIES {
        let shown = format!("{dir}/{helper}");
        let path = root.path(&shown);
        let Ok(about) = path.metadata() else { continue };
        let has_caps = CString::new(path.as_os_str().as_bytes())
            .is_ok_and(|path| kernel::has_attribute(&path, c"security.capability"));
        if about.permissions().mode() & SETUID != 0 || has_caps {
            return Helper::Ready;
        }
        found = Helper::Powerless(shown);
    }
    found
}
