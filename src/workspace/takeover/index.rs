//! The index. Only its entries are taken: path, mode, object, stage. What git remembers of the files is not, nor are
//! flags: with a forged time or with `assume-unchanged` a changed file would not show in `git status`.
//!
//! The entries that differ are given to git, which writes the host's index under its own lock and in its own format. It
//! looks at those files anew.

use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::at::At;
use super::base::Unit;
use super::connected::types;
use super::entries::{Entries, LONGEST, NAME, SHARED, by_path, hash, read, whole};
use super::git::Within;
use super::job::Job;
use super::settings;
use super::side::{Side, join};
use super::told::{TakenOver, What};
use super::upper::{Entry as UpperEntry, Upper, View};
use crate::sys::{Errno, Result};
use crate::workspace::settle::index::Entry;

/// The mode of a directory in a sparse index.
const DIRECTORY: u32 = 0o040_000;

/// So many bytes are the names of the files in such directories together, and so long does git list them: both are many
/// times what a checkout has.
const MOST_LISTED: usize = 64 << 20;
const LONGEST_LISTING: Duration = Duration::from_secs(5);

/// Takes over the index. `is_anchored`: `HEAD` is what it was in the box.
pub(super) fn take(at: &At<'_>, is_anchored: bool, told: &mut TakenOver) -> Result<()> {
    if at.upper.view(&at.up(NAME)) == View::File {
        match take_entries(at, is_anchored, told)? {
            None => at.forget(NAME)?,
            Some(why) => told.keep(at.up(NAME), None, why),
        }
    }
    // What a split index shares says nothing without it.
    let is_kept = told.is_kept(&at.up(NAME));
    for (name, entry) in at.upper.names(&at.path) {
        let is_shared = name.starts_with(SHARED) && matches!(entry, UpperEntry::File | UpperEntry::Whiteout);
        if is_shared && !is_kept {
            at.forget(&name)?;
        }
    }
    Ok(())
}

/// Returns why the index stays.
fn take_entries(at: &At<'_>, is_anchored: bool, told: &mut TakenOver) -> Result<Option<&'static str>> {
    let text = match at.upper.read(&at.up(NAME), at.job.bounds.index) {
        Ok(text) => text,
        Err(Errno::EFBIG) => return Ok(Some("is too long to be looked through")),
        Err(_) => return Ok(Some("cannot be read")),
    };
    let Some(new) = of_box(at.job, at.upper, at.host(), &at.path, &text, at.hash) else {
        return Ok(Some("is none that git writes"));
    };
    let Some(old) = read(at.host(), at.hash)? else { return Ok(Some("cannot be compared with the host's")) };
    let mut spent = Spent::new();
    let (Some(new), Some(old)) = (expanded(at, &new, &old, &mut spent)?, expanded(at, &old, &new, &mut spent)?) else {
        return Ok(Some("names objects that are missing or wrong, or more files than are looked at"));
    };
    let (new_paths, old_paths) = (by_path(&new), by_path(&old));
    let changed: BTreeSet<&Vec<u8>> =
        new_paths.keys().chain(old_paths.keys()).filter(|path| new_paths.get(*path) != old_paths.get(*path)).collect();
    if !changed.is_empty() {
        if let Some(why) = refusal(at, is_anchored, &changed, &new_paths)? {
            return Ok(Some(why));
        }
        at.go()?;
        let mut input = Vec::new();
        for path in &changed {
            push(&mut input, 0, &vec![0; at.hash], None, path);
            for (stage, mode, id) in new_paths.get(*path).into_iter().flatten() {
                push(&mut input, *mode, id, Some(*stage), path);
            }
        }
        if at.run(&[b"update-index", b"-z", b"--index-info"], &input)?.is_none() {
            return Ok(Some("could not be written: it is locked, or git refuses it"));
        }
        told.take(&at.path, What::Index(changed.len()));
    }
    take_skipped(at, &new, &old)
}

/// The entries of the box's index `text`, in the git directory `path`.
fn of_box(
    job: &Job<'_>,
    upper: &Upper<'_>,
    host: Side<'_>,
    path: &[u8],
    text: &[u8],
    hash: usize,
) -> Option<Vec<Entry>> {
    let rest = |name: &str| {
        let shared = [SHARED, name.as_bytes()].concat();
        let own = join(path, &shared);
        match upper.view(&own) {
            View::File => upper.read(&own, job.bounds.index).ok(),
            View::Same => host.read(&shared, LONGEST).ok().flatten(),
            _ => None,
        }
    };
    whole(text, hash, &rest)
}

/// The entries with those of the directories that a sparse index has in one, if the other index has not got the same
/// (gitformat-index(5), "Sparse Directory Entries"). `None`: such a directory is none that the host has, or `spent` is
/// spent: a few trees that name each other several times over have files without end.
fn expanded(at: &At<'_>, entries: &[Entry], other: &[Entry], spent: &mut Spent) -> Result<Option<Vec<Entry>>> {
    let dirs = |entries: &[Entry]| -> BTreeSet<(Vec<u8>, Vec<u8>)> {
        let dirs = entries.iter().filter(|entry| entry.mode == DIRECTORY);
        dirs.map(|entry| (entry.path.clone(), entry.id.clone())).collect()
    };
    let same = dirs(other);
    let mut all = Vec::new();
    for entry in entries {
        if entry.mode != DIRECTORY || same.contains(&(entry.path.clone(), entry.id.clone())) {
            all.push(entry.clone());
            continue;
        }
        let id = hexadecimal(&entry.id);
        let Some(said) = spent.run(at, &[b"ls-tree", b"-rz", b"--full-tree", id.as_bytes()])? else { return Ok(None) };
        for line in said.split(|&byte| byte == 0).filter(|line| !line.is_empty()) {
            let Some(file) = listed(line) else { return Ok(None) };
            all.push(Entry { path: [&entry.path[..], &file.path].concat(), ..file });
        }
    }
    Ok(Some(all))
}

/// What is left for the files of directories that a box has put into an index.
struct Spent {
    end: Instant,
    bytes: usize,
}

impl Spent {
    fn new() -> Spent {
        Spent { end: Instant::now() + LONGEST_LISTING, bytes: MOST_LISTED }
    }

    fn run(&mut self, at: &At<'_>, arguments: &[&[u8]]) -> Result<Option<Vec<u8>>> {
        let go_on = || Instant::now() < self.end && (at.job.go_on)();
        match at.run_within(arguments, b"", Within { go_on: &go_on, most: self.bytes }) {
            // It is this that has come to its end, and not all.
            Err(Errno::EINTR) => at.go().map(|()| None),
            said => {
                let said = said?;
                self.bytes -= said.as_ref().map_or(0, Vec::len).min(self.bytes);
                Ok(said)
            }
        }
    }
}

/// A line of `git ls-tree`: `MODE TYPE ID<tab>PATH`. The file is not in the work tree.
fn listed(line: &[u8]) -> Option<Entry> {
    let tab = line.iter().position(|&byte| byte == b'\t')?;
    let mut words = std::str::from_utf8(&line[..tab]).ok()?.split(' ');
    let mode = u32::from_str_radix(words.next()?, 8).ok()?;
    let id = words.nth(1)?;
    let digit = |at: usize| u8::from_str_radix(id.get(at..at + 2)?, 16).ok();
    let id = (0..id.len()).step_by(2).map(digit).collect::<Option<Vec<u8>>>()?;
    Some(Entry { path: line[tab + 1..].to_vec(), mode, id, stage: 0, is_skipped: true })
}

/// Whether the entries of the host's index are what they were when the box began.
fn is_unchanged(host: Side<'_>, base: &Unit, length: usize) -> Result<bool> {
    Ok(host.identity(NAME)? == base.index || base.entries.is_some() && hash(host, length) == base.entries)
}

/// Whether `HEAD` of the git directory `path`, or its branch, may move: the user has not staged anything meanwhile, or
/// the box's index is there already. Else the user's next commit would undo the box's.
pub(super) fn is_free(job: &Job<'_>, upper: &Upper<'_>, path: &[u8], hash: usize) -> Result<bool> {
    let dir = Side(job.host).dir(path)?;
    let host = Side(dir.as_fd());
    if is_unchanged(host, job.base.units.get(path).unwrap_or(&Unit::default()), hash)? {
        return Ok(true);
    }
    let Ok(text) = upper.read(&join(path, NAME), job.bounds.index) else { return Ok(false) };
    let (new, now) = (of_box(job, upper, host, path, &text, hash), read(host, hash)?);
    Ok(new.zip(now).is_some_and(|(new, now)| by_path(&new) == by_path(&now)))
}

/// Why entries are not taken.
fn refusal(
    at: &At<'_>,
    is_anchored: bool,
    changed: &BTreeSet<&Vec<u8>>,
    new: &Entries,
) -> Result<Option<&'static str>> {
    const LINK_TO_MODULE: u32 = 0o160_000;
    if !is_anchored {
        return Ok(Some("belongs to a HEAD that was not taken over"));
    }
    if !is_unchanged(at.host(), at.base, at.hash)? {
        return Ok(Some("has changed on the host too"));
    }
    let entries = || changed.iter().filter_map(|path| new.get(*path)).flatten();
    if !entries().all(|(_, mode, _)| matches!(*mode, 0o100_644 | 0o100_755 | 0o120_000 | LINK_TO_MODULE)) {
        return Ok(Some("has entries of a kind that is not taken over"));
    }
    let ids: BTreeSet<_> = entries()
        .filter(|(_, mode, _)| *mode != LINK_TO_MODULE)
        .map(|(_, _, id)| hexadecimal(id).into_bytes())
        .collect();
    let there = types(at, &ids)?;
    let is_whole = ids.iter().all(|id| there.get(id).is_some_and(|kind| kind == b"blob"));
    Ok((!is_whole).then_some("names objects that are missing or wrong"))
}

/// Where the host's settings say that the checkout is sparse, the files that the box has left out are left out too. The
/// flag is taken away in any case where the box has not got it.
fn take_skipped(at: &At<'_>, new: &[Entry], old: &[Entry]) -> Result<Option<&'static str>> {
    let skipped = |entries: &[Entry]| -> BTreeSet<Vec<u8>> {
        entries.iter().filter(|entry| entry.is_skipped).map(|entry| entry.path.clone()).collect()
    };
    let (now, wanted) = (skipped(old), skipped(new));
    let lists: [(&[u8], Vec<&Vec<u8>>); 2] = [
        (b"--no-skip-worktree", now.difference(&wanted).collect()),
        (b"--skip-worktree", if settings::is_sparse(at)? { wanted.difference(&now).collect() } else { Vec::new() }),
    ];
    for (word, paths) in lists.into_iter().filter(|(_, paths)| !paths.is_empty()) {
        at.go()?;
        let input: Vec<u8> = paths.iter().flat_map(|path| [&path[..], b"\0"].concat()).collect();
        if at.run(&[b"update-index", word, b"-z", b"--stdin"], &input)?.is_none() {
            return Ok(Some("could not be written: it is locked, or git refuses it"));
        }
    }
    Ok(None)
}

fn push(input: &mut Vec<u8>, mode: u32, id: &[u8], stage: Option<u8>, path: &[u8]) {
    let stage = stage.map(|stage| format!(" {stage}")).unwrap_or_default();
    input.extend_from_slice(format!("{mode:o} {}{stage}\t", hexadecimal(id)).as_bytes());
    input.extend_from_slice(path);
    input.push(0);
}

fn hexadecimal(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
