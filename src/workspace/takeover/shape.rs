//! What names in a git directory are (gitrepository-layout(5)), and what is left in the end.

use super::form;
use super::job::Job;
use super::side::{Side, join};
use super::told::TakenOver;
use super::upper::{Entry, Upper};
use crate::sys::{Errno, Result};

/// What a file below `objects` is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Object {
    /// An object with this name.
    Loose(Vec<u8>),
    Pack,
    /// git can make it anew, or has left it behind.
    Derived,
}

/// What the file `path`, relative to `objects`, is. A name has `length` digits.
pub(super) fn object(path: &[u8], length: usize) -> Option<Object> {
    let is_named = |id: &[u8]| id.len() == length && form::is_id(id);
    if path.len() == length + 1 && path[2] == b'/' {
        let id = [&path[..2], &path[3..]].concat();
        return is_named(&id).then_some(Object::Loose(id));
    }
    if let Some(name) = path.strip_prefix(b"pack/").filter(|name| !name.contains(&b'/')) {
        let dot = name.iter().rposition(|&byte| byte == b'.').unwrap_or(name.len());
        let (stem, end) = name.split_at(dot);
        let is_pack = stem.strip_prefix(b"pack-").is_some_and(is_named);
        return match end {
            b".pack" if is_pack => Some(Object::Pack),
            b".idx" | b".rev" | b".bitmap" | b".mtimes" if is_pack || stem.starts_with(b"multi-pack-index") => {
                Some(Object::Derived)
            }
            _ if name == b"multi-pack-index" || name.starts_with(b"tmp_") => Some(Object::Derived),
            _ => None,
        };
    }
    let is_derived = matches!(path, b"info/commit-graph" | b"info/packs" | b"maintenance.lock")
        || path.starts_with(b"info/commit-graphs/")
        || path.split(|&byte| byte == b'/').next_back().is_some_and(|name| name.starts_with(b"tmp_obj_"));
    is_derived.then_some(Object::Derived)
}

/// Whether the file `path`, relative to `objects`, holds objects. Hashes are of any length.
pub(super) fn is_object(path: &[u8]) -> bool {
    [40, 64].iter().any(|&length| matches!(object(path, length), Some(Object::Loose(_) | Object::Pack)))
}

/// Why a file that no step has taken stays, by its path in its own git directory. `None`: nobody needs it.
fn reason(path: &[u8], entry: Entry, is_new: bool) -> Option<&'static str> {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let first = path.split(|&byte| byte == b'/').next().unwrap_or_default();
    // What `git init` puts into a new git directory and git never obeys.
    let is_example =
        first == b"hooks" && name.ends_with(b".sample") || matches!(path, b"description" | b"info/exclude");
    let is_left_behind = name.ends_with(b".lock")
        || matches!(path, b"gc.pid" | b"gc.log" | b"info/refs")
        // What git-lfs has not finished, and what it asks its server for again (git-lfs's lfs/config.go).
        || [&b"lfs/tmp/"[..], b"lfs/incomplete/", b"lfs/cache/"].iter().any(|dir| path.starts_with(dir));
    if entry == Entry::File && (is_left_behind || is_new && is_example) {
        return None;
    }
    Some(match first {
        _ if entry == Entry::Other => "is no file, or cannot be opened",
        b"hooks" => "is what git executes",
        b"objects" if path.ends_with(b"info/alternates") => "has git read objects elsewhere",
        b"config" | b"config.worktree" | b"commondir" | b"gitdir" => "is what git obeys",
        b"info" => "is what git obeys",
        // git-lfs believes the name (a SHA-256) too, and nothing here can compute one.
        b"lfs" if path.starts_with(b"lfs/objects/") => "has a name that was not checked",
        b"shallow" => "cuts off what commits there are",
        b"worktrees" | b"modules" if entry == Entry::Whiteout => "was removed, and stays on the host",
        _ => "is not known to be git's data",
    })
}

/// Of a directory that the host has not, so many files are told one by one.
const MOST_OF_DIR: usize = 20;

/// Forgets what nobody needs, and tells what stays.
pub(super) fn tell_rest(job: &Job<'_>, upper: &Upper<'_>, told: &mut TakenOver) -> Result<()> {
    let mut rest = Vec::new();
    for (path, entry) in upper.below(b"") {
        if matches!(entry, Entry::Dir { .. }) || told.is_kept(&path) {
            continue;
        }
        let (unit, below) = split(&path);
        match reason(below, entry, !job.base.units.contains_key(unit)) {
            Some(why) => rest.push((path, why)),
            None if (job.go_on)() => upper.forget(&path)?,
            None => return Err(Errno::EINTR),
        }
    }
    let mut rest = &rest[..];
    while let Some((path, why)) = rest.first() {
        let new = new_dir(job, path)?;
        // Paths are in order, so those of a directory follow each other.
        let count = new.as_ref().map_or(1, |dir| rest.iter().take_while(|(path, _)| path.starts_with(dir)).count());
        match new {
            Some(dir) if count > MOST_OF_DIR => told.keep(dir, None, why),
            _ => rest[..count].iter().for_each(|(path, why)| told.keep(path.clone(), None, why)),
        }
        rest = &rest[count..];
    }
    if upper.is_cut {
        told.keep(join(b"objects", b""), None, "has more than is looked at");
    }
    upper.remove_empty_dirs()
}

/// The directory around `path` that the host has not, the outermost one, with a slash at its end.
fn new_dir(job: &Job<'_>, path: &[u8]) -> Result<Option<Vec<u8>>> {
    let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    for end in ends {
        if Side(job.host).look(&path[..end])?.is_none() {
            return Ok(Some(path[..=end].to_vec()));
        }
    }
    Ok(None)
}

/// The git directory that `path` lies in, as far as its words tell, and the rest.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let known: [&[u8]; 14] = [
        b"HEAD",
        b"objects",
        b"refs",
        b"logs",
        b"hooks",
        b"info",
        b"config",
        b"index",
        b"description",
        b"branches",
        b"packed-refs",
        b"commondir",
        b"gitdir",
        b"worktrees",
    ];
    let (mut start, mut at) = (0, 0);
    let mut parts = path.split(|&byte| byte == b'/').peekable();
    while let Some(part) = parts.next() {
        let is_below = matches!(part, b"modules" | b"worktrees") && at == start;
        at += part.len() + 1;
        if !is_below {
            break;
        }
        // The name of a module can have slashes: it ends before a name that git gives.
        while let Some(name) = parts.next() {
            at += name.len() + 1;
            start = at.min(path.len());
            if part == b"worktrees" || parts.peek().is_some_and(|next| known.contains(next) || *next == b"modules") {
                break;
            }
        }
    }
    if start == 0 { (b"", path) } else { (&path[..start - usize::from(start < path.len())], &path[start..]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let kind = |path: &str| object(path.as_bytes(), 40);
        assert_eq!(kind(&format!("{}/{}", &id[..2], &id[2..])), Some(Object::Loose(id.into())));
        assert_eq!(kind(&format!("pack/pack-{id}.pack")), Some(Object::Pack));
        for end in ["idx", "rev", "bitmap", "mtimes"] {
            assert_eq!(kind(&format!("pack/pack-{id}.{end}")), Some(Object::Derived), "{end}");
        }
        assert_eq!(kind("info/commit-graph"), Some(Object::Derived));
        for path in ["info/alternates", "pack/x.pack", "pack/pack-x.pack", &format!("{id}/"), "zz", "pack/pack-0.keep"]
        {
            assert_eq!(kind(path), None, "{path}");
        }
    }

    #[test]
    fn git_directories_in_paths() {
        let split = |path: &'static str| {
            let (unit, rest) = split(path.as_bytes());
            (std::str::from_utf8(unit).unwrap(), std::str::from_utf8(rest).unwrap())
        };
        assert_eq!(split("hooks/x"), ("", "hooks/x"));
        assert_eq!(split("worktrees/x/gitdir"), ("worktrees/x", "gitdir"));
        assert_eq!(split("modules/a/b/hooks/x"), ("modules/a/b", "hooks/x"));
        assert_eq!(split("modules/a/modules/b/hooks/x"), ("modules/a/modules/b", "hooks/x"));
        assert_eq!(split("worktrees/w/modules/a/hooks/x"), ("worktrees/w/modules/a", "hooks/x"));
        assert_eq!(split("refs/heads/modules/x"), ("", "refs/heads/modules/x"));
    }
}
