//! One git directory at a time: the repository itself, its modules, its worktrees.

use std::cell::RefCell;
use std::os::fd::{AsFd, OwnedFd};

use super::at::{At, is_work_tree};
use super::base::Unit;
use super::form::{self, FIRST_HEAD, Format, LONGEST_SETTINGS};
use super::git::Git;
use super::job::Job;
use super::side::{Side, join};
use super::told::{TakenOver, What};
use super::upper::{Entry, Upper, View};
use super::{index, logs, objects, refs, reftable, settings, state};
use crate::sys::{Errno, Result};
use crate::workspace::config;
use crate::workspace::settle::pointer;

/// So many new modules and worktrees are taken over of one run.
const MOST_NEW: usize = 50;

/// Names in a git directory that no part of the name of a new module may be: git takes what lies there for its own.
const OF_GIT: [&[u8]; 6] = [b"refs", b"objects", b"hooks", b"info", b"logs", b"worktrees"];

/// Takes over the git directory and all that belong to it.
pub(super) fn take_all(job: &Job<'_>, git: &Git, upper: &Upper<'_>, told: &mut TakenOver) -> Result<()> {
    let mut ahead = vec![(Vec::new(), false)];
    while let Some((path, is_worktree)) = ahead.pop() {
        if take(job, git, upper, &path, is_worktree, told)? {
            let mut below = below(job, upper, &path, told)?;
            below.reverse();
            ahead.extend(below);
        }
    }
    Ok(())
}

/// The modules and worktrees of the git directory `path`, and whether each is a worktree. The name of a module can have
/// slashes; but what the host knows as a git directory is one, whatever the box has removed from it, and nothing in it
/// is a module of another one.
fn below(job: &Job<'_>, upper: &Upper<'_>, path: &[u8], told: &mut TakenOver) -> Result<Vec<(Vec<u8>, bool)>> {
    let mut found = Vec::new();
    let mut dirs = vec![join(path, b"modules")];
    while let Some(dir) = dirs.pop() {
        for (name, _) in upper.names(&dir).into_iter().filter(|(_, entry)| matches!(entry, Entry::Dir { .. })) {
            let below = join(&dir, &name);
            if is_known(job, &below)? {
                found.push((below, false));
            } else if OF_GIT.iter().any(|own| own.eq_ignore_ascii_case(&name)) {
                told.keep(below, None, "has a name that no module may have");
            } else if upper.view(&join(&below, b"HEAD")) == View::File {
                found.push((below, false));
            } else {
                dirs.push(below);
            }
        }
    }
    let worktrees = join(path, b"worktrees");
    for (name, entry) in upper.names(&worktrees) {
        if matches!(entry, Entry::Dir { .. }) {
            found.push((join(&worktrees, &name), true));
        }
    }
    Ok(found)
}

/// Whether `path` is a git directory on the host, or was one when the box began.
fn is_known(job: &Job<'_>, path: &[u8]) -> Result<bool> {
    Ok(job.base.units.contains_key(path) || has_head(job, path)?)
}

fn has_head(job: &Job<'_>, path: &[u8]) -> Result<bool> {
    Ok(Side(job.host).look(&join(path, b"HEAD"))?.is_some())
}

/// Whether the box has removed what every git directory has, or a branch that is checked out, which git itself does
/// not. Then what is gone was not meant branch by branch: `rm -rf .git` must not remove what the host has.
fn is_replaced(job: &Job<'_>, upper: &Upper<'_>, path: &[u8]) -> Result<bool> {
    if upper.view(&join(path, b"HEAD")) == View::Gone && is_known(job, path)? {
        return Ok(true);
    }
    let known = job.base.units.get(path);
    let Some(known) = known.filter(|known| known.head.is_some()) else { return Ok(false) };
    let is_gone = |name: &[u8]| -> Result<bool> {
        let path = join(path, name);
        Ok(Side(job.host).look(&path)?.is_some() && upper.is_replaced(&path))
    };
    if is_gone(b"objects")? || is_gone(b"refs")? {
        return Ok(true);
    }
    // `refs/heads/x` of `ref: refs/heads/x`, where HEAD is as it was.
    let head = known.head.as_deref().and_then(form::value);
    let branch = head.as_deref().and_then(|head| head.strip_prefix(b"ref: "));
    let is_same_head = upper.view(&join(path, b"HEAD")) == View::Same;
    Ok(is_same_head && branch.is_some_and(|branch| refs::is_removed(known, upper, path, branch)))
}

/// Takes over the git directory `path`. Returns whether those that belong to it may be taken over too.
fn take(
    job: &Job<'_>,
    git: &Git,
    upper: &Upper<'_>,
    path: &[u8],
    is_worktree: bool,
    told: &mut TakenOver,
) -> Result<bool> {
    let nothing = Unit::default();
    if is_replaced(job, upper, path)? {
        told.keep(path.to_vec(), None, "was removed or made anew, so nothing of it is taken over");
        return Ok(false);
    }
    if !has_head(job, path)? {
        if job.base.units.contains_key(path) {
            told.keep(path.to_vec(), None, "was removed on the host");
            return Ok(false);
        }
        let new = told.taken.iter().filter(|taken| taken.what == What::Directory).count();
        if new >= MOST_NEW {
            told.keep(path.to_vec(), None, "is one of too many new ones");
            return Ok(false);
        }
        let made = if is_worktree { make_worktree(job, upper, path)? } else { make_module(job, upper, path)? };
        if let Err(why) = made {
            told.keep(path.to_vec(), None, why);
            return Ok(false);
        }
        told.take(path, What::Directory);
    }
    let dir = Side(job.host).dir(path)?;
    let Format { hash, has_tables } = form::format(Side(dir.as_fd()))?;
    let base = job.base.units.get(path).unwrap_or(&nothing);
    let at = At { job, git, upper, path: path.to_vec(), dir, base, is_worktree, hash, catalogue: RefCell::default() };
    if !is_worktree {
        objects::take(&at, told)?;
    }
    forget_same_pointers(&at)?;
    if has_tables {
        let is_anchored = reftable::take(&at, told)?;
        settings::take(&at, told)?;
        index::take(&at, is_anchored, told)?;
        state::take(&at, is_anchored, told)?;
        return reftable::forget(&at, told).map(|()| true);
    }
    refs::take(&at, told)?;
    logs::take(&at, told)?;
    settings::take(&at, told)?;
    let is_anchored = state::is_anchored(&at, told)?;
    index::take(&at, is_anchored, told)?;
    state::take(&at, is_anchored, told)?;
    refs::forget(&at, told).map(|()| true)
}

/// Forgets where a worktree is, if that is on the host already.
fn forget_same_pointers(at: &At<'_>) -> Result<()> {
    for name in [&b"gitdir"[..], b"commondir"] {
        let new = at.upper.read(&at.up(name), pointer::LONGEST);
        let host = at.host().read(name, pointer::LONGEST)?;
        if at.is_worktree && new.is_ok_and(|new| host.is_some_and(|host| host == new)) {
            at.forget(name)?;
        }
    }
    Ok(())
}

const ELSEWHERE: &str = "leads out of what the box could write, or to no worktree";

/// Makes the directory of a new module or worktree, if `tree` is its work tree: one that is where the box could write,
/// and says itself whose it is. A box can make any number of git directories, but each of these is one that it works
/// in.
fn made_for(job: &Job<'_>, path: &[u8], tree: &[u8]) -> Result<Option<OwnedFd>> {
    let host = Side(job.host);
    // The work tree leads to this path, so it must be there.
    host.make_dirs(path)?;
    let dir = host.dir(path)?;
    if is_work_tree(job, dir.as_fd(), tree).unwrap_or(false) {
        return Ok(Some(dir));
    }
    let mut path = path;
    while host.remove_empty(path)? {
        let Some(slash) = path.iter().rposition(|&byte| byte == b'/') else { break };
        path = &path[..slash];
    }
    Ok(None)
}

type Made = std::result::Result<(), &'static str>;

/// Makes the git directory of a new module, with nothing in it but what its configuration may say.
fn make_module(job: &Job<'_>, upper: &Upper<'_>, path: &[u8]) -> Result<Made> {
    let host = Side(job.host);
    let Ok(config) = upper.read(&join(path, b"config"), LONGEST_SETTINGS) else {
        return Ok(Err("has no configuration that can be read"));
    };
    let settings = config::parse(&config);
    let Some(tree) = config::last(&settings, "core.worktree") else { return Ok(Err("is the module of no work tree")) };
    if upper.view(&join(path, b"reftable")) == View::Dir {
        return Ok(Err("is a store of refs that is not taken over"));
    }
    if !(job.go_on)() {
        return Err(Errno::EINTR);
    }
    let Some(dir) = made_for(job, path, tree)? else { return Ok(Err(ELSEWHERE)) };
    for name in [&b"objects/pack"[..], b"objects/info", b"refs/heads", b"refs/tags"] {
        host.make_dirs(&join(path, name))?;
    }
    let is_tree = |tree: &[u8]| is_work_tree(job, dir.as_fd(), tree).unwrap_or(false);
    let Some(config) = settings::of_new(&config, &is_tree) else { return Ok(Err("has too many settings")) };
    host.write(&join(path, b"config"), &config)?;
    // Last: with it, it is a git directory.
    host.write(&join(path, b"HEAD"), &[FIRST_HEAD, b"\n"].concat())?;
    Ok(Ok(()))
}

/// Makes the entry of a new worktree, if the worktree is where the box could write, and says itself that it is one.
fn make_worktree(job: &Job<'_>, upper: &Upper<'_>, path: &[u8]) -> Result<Made> {
    let host = Side(job.host);
    if upper.view(path) != View::Dir || upper.view(&join(path, b"HEAD")) != View::File {
        return Ok(Err("is not whole"));
    }
    let pointer = upper.read(&join(path, b"gitdir"), pointer::LONGEST).unwrap_or_default();
    let common = upper.read(&join(path, b"commondir"), pointer::LONGEST).unwrap_or_default();
    if common.trim_ascii_end() != b"../.." {
        return Ok(Err("makes git obey another directory"));
    }
    let Some(tree) = pointer.trim_ascii_end().strip_suffix(b"/.git") else { return Ok(Err(ELSEWHERE)) };
    if !(job.go_on)() {
        return Err(Errno::EINTR);
    }
    if made_for(job, path, tree)?.is_none() {
        return Ok(Err(ELSEWHERE));
    }
    host.write(&join(path, b"gitdir"), &pointer)?;
    host.write(&join(path, b"commondir"), b"../..\n")?;
    let head = upper.read(&join(path, b"HEAD"), pointer::LONGEST)?;
    let Some(head) = form::value(&head).filter(|head| form::is_head(head)) else {
        return Ok(Err("has a HEAD that git does not write"));
    };
    // A hash is only taken by the step for HEAD, which looks whether the commit is there.
    let head = if head.starts_with(b"ref: ") { [&head[..], b"\n"].concat() } else { [FIRST_HEAD, b"\n"].concat() };
    host.write(&join(path, b"HEAD"), &head)?;
    Ok(Ok(()))
}
