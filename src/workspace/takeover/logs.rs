//! The logs of refs (`logs/`). They are lines of old value, new value, name, time and message.
//!
//! They come after the refs: git writes a line when a ref is written, which this one takes the place of. On the host a
//! log only grows. The exception is that of `refs/stash`, which is the list of stashes.

use std::collections::BTreeSet;

use super::at::At;
use super::connected::types;
use super::form::{self, is_id};
use super::side::join;
use super::told::{Kept, TakenOver, What};
use super::upper::{Entry, View};
use crate::sys::Result;

/// The longest log.
const LONGEST: u64 = 16 << 20;
/// The longest line.
const LONGEST_LINE: usize = 8192;

pub(super) const OF_KEPT: &str = "is the log of a ref that was not taken over";

const STASH: &[u8] = b"refs/stash";

/// Takes over the logs of a git directory.
pub(super) fn take(at: &At<'_>, told: &mut TakenOver) -> Result<()> {
    let start = at.up(b"logs").len() + 1;
    let around = at.common_path();
    let is_around = |kept: &Kept| around.is_empty() || kept.path.starts_with(&join(around, b""));
    let mut names: BTreeSet<Vec<u8>> =
        told.kept.iter().filter(|kept| at.owns(&kept.path)).filter_map(|kept| kept.name.clone()).collect();
    names.extend(told.moved.iter().filter(|moved| moved.dir == at.path).map(|moved| moved.name.clone()));
    let dropped = dropped(at);
    let others = Others { names, has_any: told.kept.iter().any(is_around) };
    for (path, entry) in at.upper.below(&at.up(b"logs")) {
        let name = &path[start..];
        let own = join(b"logs", name);
        match entry {
            // A log goes with its ref. What has only been expired stays on the host.
            Entry::Whiteout => at.forget(&own)?,
            Entry::File => match take_one(at, name, &path, &others)? {
                None => at.forget(&own)?,
                Some(why) => told.keep(path, None, why),
            },
            _ => {}
        }
    }
    if !dropped.is_empty() {
        let now = at.host().read(b"logs/refs/stash", LONGEST)?.unwrap_or_default();
        let now = stashes(&now);
        // What is still there stays, for a reason that was told.
        for id in dropped.into_iter().filter(|id| !now.contains(&id[..])) {
            told.take(&at.path, What::Dropped(id));
        }
    }
    Ok(())
}

/// The stashes that were there when the box began, and that it has dropped.
fn dropped(at: &At<'_>) -> Vec<Vec<u8>> {
    let path = at.up(b"logs/refs/stash");
    let text = match at.upper.view(&path) {
        View::File => at.upper.read(&path, LONGEST).unwrap_or_default(),
        View::Gone => Vec::new(),
        _ => return Vec::new(),
    };
    let (was, new) = (stashes(at.base.stash.as_deref().unwrap_or_default()), stashes(&text));
    was.difference(&new).map(|id| id.to_vec()).collect()
}

/// The commits of a list of stashes.
fn stashes(log: &[u8]) -> BTreeSet<&[u8]> {
    log.split_inclusive(|&byte| byte == b'\n').filter_map(ids_of).map(|(_, new)| new).collect()
}

/// What was not taken over of the refs.
struct Others {
    /// Those of this git directory.
    names: BTreeSet<Vec<u8>>,
    /// Whether anything around stays.
    has_any: bool,
}

/// Takes over the log of `name`. Returns why not.
fn take_one(at: &At<'_>, name: &[u8], path: &[u8], others: &Others) -> Result<Option<&'static str>> {
    let is_known = name == b"HEAD" || form::is_name(name) && !name.starts_with(b"refs/replace/");
    if !is_known || others.names.contains(name) {
        return Ok(Some(OF_KEPT));
    }
    let Ok(text) = at.upper.read(path, LONGEST).map(plain) else { return Ok(Some("cannot be read")) };
    let Some(new) = lines(&text) else { return Ok(Some("has lines that git does not write")) };
    let own = join(b"logs", name);
    let old_text = plain(at.host().read(&own, LONGEST)?.unwrap_or_default());
    let old = old_text.split_inclusive(|&byte| byte == b'\n');
    let is_ours = |line: &&[u8]| line.ends_with(format!("\t{}\n", at.marker()).as_bytes());
    let old: Vec<&[u8]> = old.filter(|line| !is_ours(line)).collect();
    let was_stash = at.base.stash.as_ref().is_some_and(|was| plain(was.clone()) == old.concat());
    let is_grown = new.starts_with(&old) || name == STASH && was_stash;
    let known: BTreeSet<&[u8]> = old.iter().copied().collect();
    let new = if is_grown { Some(new) } else { joined(name, &old, &known, &new) };
    let Some(new) = new else { return Ok(Some("has changed on the host too")) };
    let ids = new.iter().filter(|line| !known.contains(*line)).flat_map(|line| ids(line));
    let there = types(at, &ids.map(<[u8]>::to_vec).collect())?;
    let is_there = |id: &[u8]| id.iter().all(|&byte| byte == b'0') || there.contains_key(id);
    let all = new.len();
    let good: Vec<&[u8]> = new
        .into_iter()
        .filter(|line| known.contains(line) || ids_of(line).is_some_and(|(old, new)| is_there(old) && is_there(new)))
        .collect();
    // The log of `HEAD` has lines of branches. What these need may be taken later, and the lines with it.
    let has_more = good.len() < all && others.has_any;
    let good = good.concat();
    if good != old_text {
        at.go()?;
        at.host().make_dirs(&own[..own.iter().rposition(|&byte| byte == b'/').unwrap_or(0)])?;
        at.host().write(&own, &good)?;
    }
    Ok(has_more.then_some(OF_KEPT))
}

/// The log of the host with what is new in that of the box, which has lost lines: they were expired there, or the ref
/// was removed and made anew. `None`: what is new does not go on from the host's last line.
fn joined<'l>(name: &[u8], old: &[&'l [u8]], known: &BTreeSet<&[u8]>, new: &[&'l [u8]]) -> Option<Vec<&'l [u8]>> {
    let start = new.iter().position(|line| !known.contains(line)).unwrap_or(new.len());
    let added = &new[start..];
    let Some((first, _)) = added.split_first().and_then(|(line, _)| ids_of(line)) else { return Some(old.to_vec()) };
    let last = old.last().and_then(|line| ids_of(line)).map(|(_, last)| last);
    let goes_on = Some(first) == last || first.iter().all(|&byte| byte == b'0');
    let is_new = !added.iter().any(|line| known.contains(line));
    (goes_on && is_new && name != STASH).then(|| [old, added].concat())
}

/// A log in which no line ends with a tab: `git worktree add` writes none before an empty message, and `git gc` one.
fn plain(text: Vec<u8>) -> Vec<u8> {
    let lines = text.split_inclusive(|&byte| byte == b'\n');
    lines.flat_map(|line| line.strip_suffix(b"\t\n").map_or([line, b""], |line| [line, b"\n"]).concat()).collect()
}

/// The lines of a log, each with its line feed. `None` if git does not write one of them.
fn lines(text: &[u8]) -> Option<Vec<&[u8]>> {
    let is_line = |line: &&[u8]| {
        let Some(body) = line.strip_suffix(b"\n") else { return false };
        line.len() < LONGEST_LINE
            && ids_of(line).is_some()
            && !body.iter().any(|&byte| byte != b'\t' && byte.is_ascii_control())
    };
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    lines.iter().all(is_line).then_some(lines)
}

fn ids_of(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = line.split(|&byte| byte == b' ');
    let (old, new) = (words.next()?, words.next()?);
    (is_id(old) && is_id(new)).then_some((old, new))
}

fn ids(line: &[u8]) -> Vec<&[u8]> {
    ids_of(line).map(|(old, new)| vec![old, new]).unwrap_or_default()
}
