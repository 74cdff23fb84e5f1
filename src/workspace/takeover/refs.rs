//! Refs. They are compared by their values and written by git with their old values, never copied as files: a
//! `packed-refs` that was written inside would take back what the host has committed meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use super::at::At;
use super::base::{LONGEST_PACKED, Unit};
use super::connected::connected;
use super::form::{LONGEST_REF, Value, is_id, is_name, parse_packed, value};
use super::index;
use super::side::{Side, join};
use super::told::{Moved, TakenOver, What};
use super::upper::{Entry, Upper, View};
use crate::sys::{Errno, Result};

const PACKED: &[u8] = b"packed-refs";

/// Refs that each worktree has of its own (gitrepository-layout(5)).
const OF_WORKTREE: [&[u8]; 3] = [b"refs/bisect/", b"refs/worktree/", b"refs/rewritten/"];

/// A ref that the box has changed.
#[derive(Debug, Clone)]
struct Change {
    name: Vec<u8>,
    old: Option<Value>,
    new: Option<Value>,
}

/// Whether the ref `name` of the git directory `path`, which was `unit`, is gone in the box.
pub(super) fn is_removed(unit: &Unit, upper: &Upper<'_>, path: &[u8], name: &[u8]) -> bool {
    let has = |packed: &[u8]| parse_packed(packed).contains_key(name);
    let was_packed = unit.packed.as_deref().is_some_and(has);
    let is_packed = match upper.view(&join(path, PACKED)) {
        View::Same => was_packed,
        View::File => upper.read(&join(path, PACKED), LONGEST_PACKED).is_ok_and(|packed| has(&packed)),
        _ => false,
    };
    let is_loose = match upper.view(&join(path, name)) {
        View::Same => unit.loose.contains_key(name),
        view => view == View::File,
    };
    (was_packed || unit.loose.contains_key(name)) && !is_packed && !is_loose
}

/// Refs that the box may not make: git takes one object for another, or they are our own.
pub(super) fn refusal(name: &[u8], new: Option<&Value>) -> Option<&'static str> {
    if name.starts_with(b"refs/replace/") {
        return Some("would have git take one object for another");
    }
    if !is_name(name) || name.starts_with(b"refs/pinfold/") {
        return Some("is no name that a ref may have");
    }
    let target = new.and_then(|new| new.strip_prefix(b"ref: "))?;
    let is_remotes = |name: &[u8]| name.starts_with(b"refs/remotes/");
    let is_usual = is_remotes(name) && name.ends_with(b"/HEAD") && is_remotes(target);
    (!is_usual).then_some("leads to another ref")
}

/// Takes over the refs of a git directory; of a worktree those of its own.
pub(super) fn take(at: &At<'_>, told: &mut TakenOver) -> Result<()> {
    let changes = changes(at, told)?;
    let ids = changes.iter().filter_map(|change| change.new.clone()).filter(|new| is_id(new)).collect::<BTreeSet<_>>();
    let good = connected(at, &ids)?;
    let mut wanted = Vec::new();
    for change in changes {
        if change.new.as_ref().is_some_and(|new| is_id(new) && !good.contains(new)) {
            keep(at, told, &change.name, "is kept, because objects are missing or wrong");
        } else {
            wanted.push(change);
        }
    }
    write(at, wanted, told)
}

/// What the box has changed and may. The rest is kept. Moved refs get a name of ours here.
fn changes(at: &At<'_>, told: &mut TakenOver) -> Result<Vec<Change>> {
    let was_packed = parse_packed(at.base.packed.as_deref().unwrap_or_default());
    let box_packed = match at.upper.view(&at.up(PACKED)) {
        View::File => match at.upper.read(&at.up(PACKED), LONGEST_PACKED) {
            Ok(text) => Some(parse_packed(&text)),
            Err(_) => {
                told.keep(at.up(PACKED), None, "cannot be read");
                return Ok(Vec::new());
            }
        },
        View::Gone => Some(BTreeMap::new()),
        _ => None,
    };
    let host_packed = parse_packed(&at.host().read(PACKED, LONGEST_PACKED)?.unwrap_or_default());
    let skip = if at.path.is_empty() { 0 } else { at.path.len() + 1 };
    let mut names: BTreeSet<Vec<u8>> = at.base.loose.keys().cloned().collect();
    for (path, entry) in at.upper.below(&at.up(b"refs")) {
        if entry == Entry::File {
            names.insert(path[skip..].to_vec());
        }
    }
    if let Some(packed) = &box_packed {
        names.extend(packed.keys().chain(was_packed.keys()).cloned());
    }
    let mut changes = Vec::new();
    let heads = heads(at)?;
    for name in names.into_iter().filter(|name| !name.ends_with(b".lock")) {
        let packed = |packed: &BTreeMap<_, _>| packed.get(&name).cloned();
        let was = at.base.loose.get(&name).cloned().or_else(|| packed(&was_packed));
        let below = || box_packed.as_ref().map_or_else(|| packed(&was_packed), packed);
        let new = match at.upper.view(&at.up(&name)) {
            View::File => match at.upper.read(&at.up(&name), LONGEST_REF).ok().and_then(|text| value(&text)) {
                Some(value) => Some(value),
                None => {
                    keep(at, told, &name, "has a value that git does not write");
                    continue;
                }
            },
            View::Same => at.base.loose.get(&name).cloned().or_else(below),
            _ => below(),
        };
        if new == was {
            continue;
        }
        at.go()?;
        let now = host_value(at, &name)?.or_else(|| packed(&host_packed));
        if new == now {
            continue;
        }
        let is_common = at.is_worktree && !OF_WORKTREE.iter().any(|own| name.starts_with(own));
        let refusal = refusal(&name, new.as_ref()).or(is_common.then_some("is none of a worktree's own"));
        if let Some(why) = refusal {
            keep(at, told, &name, why);
        } else if now == was && is_free(at, heads.get(&name))? {
            changes.push(Change { name, old: now, new });
        } else {
            moved(at, &name, new, now, &mut changes, told)?;
        }
    }
    Ok(changes)
}

/// The branches that are checked out, and in which git directories.
fn heads(at: &At<'_>) -> Result<BTreeMap<Vec<u8>, Vec<Vec<u8>>>> {
    let worktrees = join(&at.path, b"worktrees");
    let others = Side(at.job.host).names(&worktrees)?;
    let mut heads = BTreeMap::<_, Vec<_>>::new();
    for dir in others.into_iter().map(|(name, _)| join(&worktrees, &name)).chain([at.path.clone()]) {
        let head = Side(at.job.host).read(&join(&dir, b"HEAD"), LONGEST_REF)?.and_then(|text| value(&text));
        if let Some(branch) = head.as_deref().and_then(|head| head.strip_prefix(b"ref: ")) {
            heads.entry(branch.to_vec()).or_default().push(dir);
        }
    }
    Ok(heads)
}

/// Whether a branch may move that is checked out in these git directories: the user has staged nothing there meanwhile.
fn is_free(at: &At<'_>, dirs: Option<&Vec<Vec<u8>>>) -> Result<bool> {
    for dir in dirs.into_iter().flatten() {
        if !index::is_free(at.job, at.upper, dir, at.hash)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn host_value(at: &At<'_>, name: &[u8]) -> Result<Option<Value>> {
    match at.host().read(name, LONGEST_REF) {
        Ok(text) => Ok(text.and_then(|text| value(&text))),
        // A directory: there are refs below this name.
        Err(Errno::EISDIR | Errno::ENAMETOOLONG | Errno::EINVAL) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The host's ref has changed too. If it has all that the box's has, there is nothing to do.
fn moved(
    at: &At<'_>,
    name: &[u8],
    new: Option<Value>,
    now: Option<Value>,
    changes: &mut Vec<Change>,
    told: &mut TakenOver,
) -> Result<()> {
    let Some(new) = new.filter(|new| is_id(new)) else {
        keep(at, told, name, "has changed on the host too");
        return Ok(());
    };
    if let Some(now) = &now
        && at.run(&[b"merge-base", b"--is-ancestor", &new, now], b"")?.is_some()
    {
        return Ok(());
    }
    let kept_as = [b"refs/pinfold/", at.job.id.as_bytes(), &name[b"refs".len()..]].concat();
    let old = host_value(at, &kept_as)?;
    told.moved.push(Moved { dir: at.path.clone(), name: name.to_vec(), kept_as: kept_as.clone() });
    if old.as_ref() != Some(&new) {
        changes.push(Change { name: kept_as, old, new: Some(new) });
    }
    Ok(())
}

fn keep(at: &At<'_>, told: &mut TakenOver, name: &[u8], why: &'static str) {
    let path = at.up(name);
    let file = if at.upper.view(&path) == View::File { path } else { at.up(PACKED) };
    told.keep(file, Some(name), why);
}

/// Writes refs. What goes is removed first: `a` must be gone before there can be an `a/b`.
fn write(at: &At<'_>, changes: Vec<Change>, told: &mut TakenOver) -> Result<()> {
    (at.job.note_made)(&changes.iter().filter_map(|change| change.new.clone()).filter(|new| is_id(new)).collect())?;
    let (links, values): (Vec<_>, Vec<_>) =
        changes.into_iter().partition(|change| change.new.as_ref().is_some_and(|new| new.starts_with(b"ref: ")));
    let (gone, there): (Vec<_>, Vec<_>) = values.into_iter().partition(|change| change.new.is_none());
    write_all(at, &gone, told)?;
    write_all(at, &there, told)?;
    for change in &links {
        at.go()?;
        let target = change.new.as_deref().unwrap_or_default().strip_prefix(b"ref: ").unwrap_or_default();
        note(
            at,
            change,
            at.run(&[b"symbolic-ref", b"-m", at.marker().as_bytes(), &change.name, target], b"")?.is_some(),
            told,
        );
    }
    Ok(())
}

/// Writes refs in one transaction. If that fails, the halves are tried: one bad name must not keep the others.
fn write_all(at: &At<'_>, changes: &[Change], told: &mut TakenOver) -> Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    at.go()?;
    let mut input = Vec::new();
    for Change { name, old, new } in changes {
        let none = vec![b'0'; at.hash * 2];
        // A link is compared by where it leads, which is not known here: its name is enough.
        let old = old.as_ref().map_or(Some(&none), |old| is_id(old).then_some(old));
        let words = match new {
            Some(new) => [Some(&b"update"[..]), Some(name), Some(new), old.map(|old| &old[..])],
            None => [Some(&b"delete"[..]), Some(name), old.map(|old| &old[..]), None],
        };
        input.extend_from_slice(b"option no-deref\n");
        input.extend_from_slice(&words.into_iter().flatten().collect::<Vec<_>>().join(&b' '));
        input.push(b'\n');
    }
    if at.run(&[b"update-ref", b"-m", at.marker().as_bytes(), b"--stdin"], &input)?.is_some() {
        changes.iter().for_each(|change| note(at, change, true, told));
    } else if let [change] = changes {
        note(at, change, false, told);
    } else {
        let (one, other) = changes.split_at(changes.len() / 2);
        write_all(at, one, told)?;
        write_all(at, other, told)?;
    }
    Ok(())
}

fn note(at: &At<'_>, change: &Change, is_done: bool, told: &mut TakenOver) {
    let Change { name, old, new } = change.clone();
    let is_ours = name.starts_with(b"refs/pinfold/");
    if !is_done {
        told.moved.retain(|moved| moved.kept_as != name);
        let ours = [b"refs/pinfold/", at.job.id.as_bytes()].concat();
        let name = name.strip_prefix(&ours[..]).map_or(name.clone(), |rest| [b"refs", rest].concat());
        keep(at, told, &name, "could not be written: it has changed on the host, or is locked");
    } else if !is_ours {
        told.take(&at.path, What::Ref { name, old, new });
    }
}

/// Forgets the refs of the upper layer, when all that goes by them is done: whether a branch has moved says whether the
/// index is taken. `packed-refs` is the last: without it the marks of removal say something else.
pub(super) fn forget(at: &At<'_>, told: &TakenOver) -> Result<()> {
    let skip = if at.path.is_empty() { 0 } else { at.path.len() + 1 };
    for (path, entry) in at.upper.below(&at.up(b"refs")) {
        let is_dealt_with = matches!(entry, Entry::File | Entry::Whiteout) && !told.is_kept(&path);
        if is_dealt_with {
            at.forget(&path[skip..])?;
        }
    }
    let is_there = matches!(at.upper.view(&at.up(PACKED)), View::File | View::Gone);
    if is_there && !told.is_kept(&at.up(PACKED)) { at.forget(PACKED) } else { Ok(()) }
}
