//! Settings, key by key. Taken are those of the list of harmless ones, which also says what stays in a repository that
//! a box has made. They are written by `git config` into the host's file, so everything else in it stays as it is.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;

use super::at::{At, is_work_tree};
use super::base::Base;
use super::form::LONGEST_SETTINGS;
use super::git::{Git, Within};
use super::shape;
use super::told::{Kept, TakenOver, What};
use super::upper::View;
use crate::sys::Result;
use crate::workspace::config::is_true;
use crate::workspace::settle::harmless::{self, MIRROR, Named};

const CONFIG: &[u8] = b"config";
const OF_WORKTREE: &[u8] = b"config.worktree";
const PATTERNS: &[u8] = b"info/sparse-checkout";

/// So many settings are looked at in a file, and so many are written.
const MOST: usize = 100_000;
const MOST_WRITTEN: usize = 200;

/// Keys that may be in a new repository, and change what an old one is.
const OF_FORMAT: [&[u8]; 4] = [b"core.worktree", b"core.repositoryformatversion", b"core.bare", b"core.filemode"];
const WITH_WORKTREES: &[u8] = b"extensions.worktreeconfig";

/// The values of each key, in order.
type Values = BTreeMap<Vec<u8>, Vec<Option<Vec<u8>>>>;

/// A configuration that was read.
#[derive(Default)]
struct Read {
    values: Values,
    /// Keys with a value that is not harmless.
    harmful: BTreeSet<Vec<u8>>,
    /// It has lines that git does not write so.
    is_odd: bool,
}

/// The configuration of a new module: what of the box's is harmless.
pub(super) fn of_new(text: &[u8], is_tree: &dyn Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    match harmless::rest(text, &mut MOST.clone(), is_tree) {
        Ok(None) => Some(text.to_vec()),
        Ok(Some(rest)) => Some(rest.text),
        Err(_) => None,
    }
}

/// Takes over the settings of a git directory.
pub(super) fn take(at: &At<'_>, told: &mut TakenOver) -> Result<()> {
    // With `extensions.worktreeConfig` git reads this file, so it comes first, and the key only if all of it was taken:
    // else the host would see the files that a sparse checkout leaves out as removed.
    let is_whole = take_file(at, OF_WORKTREE, at.base.config_worktree.as_deref(), false, told)?;
    take_file(at, CONFIG, at.base.config.as_deref(), is_whole, told)?;
    take_patterns(at, told)
}

/// Takes over one file. Returns whether all that the box has changed in it is on the host.
fn take_file(at: &At<'_>, name: &[u8], was: Option<&[u8]>, may_extend: bool, told: &mut TakenOver) -> Result<bool> {
    let path = at.up(name);
    match at.upper.view(&path) {
        View::File => {}
        View::Same => return Ok(true),
        _ => return Ok(false),
    }
    let Some(new) = at.upper.read(&path, LONGEST_SETTINGS).ok().and_then(|text| read(at, &text)) else {
        told.keep(path, None, "cannot be read");
        return Ok(false);
    };
    let host = at.host().read(name, LONGEST_SETTINGS)?.unwrap_or_default();
    let (Some(now), Some(was)) = (read(at, &host), read(at, was.unwrap_or_default())) else { return Ok(false) };
    if new.is_odd && !was.is_odd {
        told.keep(path, None, "has lines that git does not write so");
        return Ok(false);
    }
    let is_new = !at.job.base.units.contains_key(&at.path);
    let mut left = MOST_WRITTEN;
    let before = told.kept.len();
    let keys: BTreeSet<&Vec<u8>> = new.values.keys().chain(was.values.keys()).collect();
    for key in keys {
        let of = |read: &Read| read.values.get(key).cloned().unwrap_or_default();
        let (new_values, now_values) = (of(&new), of(&now));
        if new_values == of(&was) || new_values == now_values {
            continue;
        }
        let is_format = !is_new && (OF_FORMAT.contains(&&key[..]) || key.starts_with(b"extensions."));
        let is_mirror = key.starts_with(b"remote.")
            && (key.ends_with(b".mirror") || new_values.iter().flatten().any(|value| value == MIRROR));
        let is_format = is_format || !is_new && is_mirror;
        let is_extension = key == WITH_WORKTREES || key == OF_FORMAT[1];
        let why = if new.harmful.contains(key) || was.harmful.contains(key) {
            Some("is not on the list of settings that are taken over")
        } else if is_format && !(is_extension && may_extend && at.host().look(OF_WORKTREE)?.is_some()) {
            Some("changes what the repository is")
        } else if !is_new && now_values != of(&was) {
            Some("has changed on the host too")
        } else if left == 0 {
            Some("is one of too many")
        } else {
            left -= 1;
            (!write(at, name, key, &new_values, !now_values.is_empty())?).then_some("could not be written")
        };
        match why {
            Some(why) => {
                let value = new_values.last().cloned().flatten();
                told.keep_all_of(Kept { path: path.clone(), name: Some(key.clone()), value, why });
            }
            None => told.take(&at.path, What::Setting { key: key.clone(), is_there: !new_values.is_empty() }),
        }
    }
    let is_whole = told.kept.len() == before;
    if is_whole && (name == CONFIG || at.host().look(name)?.is_some()) {
        at.forget(name)?;
    }
    Ok(is_whole)
}

/// Writes the values of a key. If this is killed in between, the next run finds values that are neither the old nor the
/// new ones and keeps the key; so a key with one value, which most are, is written at once.
fn write(at: &At<'_>, file: &[u8], key: &[u8], values: &[Option<Vec<u8>>], is_there: bool) -> Result<bool> {
    at.go()?;
    write_by(&|words| Ok(at.run(words, b"")?.is_some()), file, key, values, is_there)
}

/// The same, with what runs git in the git directory.
fn write_by(
    git: &dyn Fn(&[&[u8]]) -> Result<bool>,
    file: &[u8],
    key: &[u8],
    values: &[Option<Vec<u8>>],
    is_there: bool,
) -> Result<bool> {
    let run = |words: &[&[u8]]| git(&[&[&b"config"[..], b"-f", file], words].concat());
    let text = |value: &Option<Vec<u8>>| value.clone().unwrap_or_else(|| b"true".to_vec());
    if let [value] = values {
        return run(&[b"--replace-all", key, &text(value)]);
    }
    if is_there && !run(&[b"--unset-all", key])? {
        return Ok(false);
    }
    for value in values {
        if !run(&[b"--add", key, &text(value)])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A setting that was kept apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) key: Vec<u8>,
    /// The values in the kept file, in order. A key alone, which is true, has none.
    pub(crate) kept: Vec<Option<Vec<u8>>>,
    /// Those in the host's file.
    pub(crate) host: Vec<Option<Vec<u8>>>,
}

/// The settings that were not taken over of a configuration that the box has left, at `path` in the upper layer. `host`
/// is the host's file.
pub(crate) fn kept_apart(base: &Base, path: &[u8], kept: &[u8], host: &[u8]) -> Vec<Setting> {
    let (unit, name) = shape::split(path);
    let was = base.units.get(unit).map(|unit| if name == CONFIG { &unit.config } else { &unit.config_worktree });
    let was = was.and_then(Option::as_deref).unwrap_or_default();
    let parts = [kept, was, host].map(|text| read_by(text, &|_| false).unwrap_or_default().values);
    let [kept, was, host] = &parts;
    let of = |values: &Values, key: &Vec<u8>| values.get(key).cloned().unwrap_or_default();
    let keys: BTreeSet<&Vec<u8>> = kept.keys().chain(was.keys()).collect();
    let differs = |key: &&Vec<u8>| kept.get(*key) != was.get(*key) && kept.get(*key) != host.get(*key);
    let setting = |key: &Vec<u8>| Setting { key: key.clone(), kept: of(kept, key), host: of(host, key) };
    keys.into_iter().filter(differs).map(setting).collect()
}

/// Whether `path` in an upper layer is a configuration.
pub(crate) fn is_config(path: &[u8]) -> bool {
    matches!(shape::split(path).1, CONFIG | OF_WORKTREE)
}

/// Writes a setting that was kept apart into the file `name` of the host's git directory `dir`, because its user wants
/// it.
pub(crate) fn take_kept(git: &Git, dir: BorrowedFd<'_>, name: &[u8], setting: &Setting) -> Result<bool> {
    let run = |words: &[&[u8]]| {
        let words: Vec<&OsStr> = words.iter().map(|word| OsStr::from_bytes(word)).collect();
        Ok(git.run(dir, &words, b"", Within::new(&|| true))?.is_some())
    };
    write_by(&run, name, &setting.key, &setting.kept, !setting.host.is_empty())
}

/// The patterns of a sparse checkout, if the host's checkout is one now.
fn take_patterns(at: &At<'_>, told: &mut TakenOver) -> Result<()> {
    let path = at.up(PATTERNS);
    if at.upper.view(&path) != View::File {
        return Ok(());
    }
    match at.upper.read(&path, LONGEST_SETTINGS) {
        Ok(text) if is_sparse(at)? && !text.contains(&0) => {
            at.go()?;
            at.host().make_dirs(b"info")?;
            at.host().write(PATTERNS, &text)?;
            at.forget(PATTERNS)
        }
        _ => {
            told.keep(path, None, "belongs to a sparse checkout that was not taken over");
            Ok(())
        }
    }
}

/// Whether the host's settings say that the checkout is sparse.
pub(super) fn is_sparse(at: &At<'_>) -> Result<bool> {
    let mut is_sparse = false;
    for name in [CONFIG, OF_WORKTREE] {
        let text = at.host().read(name, LONGEST_SETTINGS)?.unwrap_or_default();
        let values = read(at, &text).unwrap_or_default().values;
        if let Some(Some(value)) = values.get(&b"core.sparsecheckout"[..]).and_then(|values| values.last()) {
            is_sparse = is_true(value);
        }
    }
    Ok(is_sparse)
}

fn read(at: &At<'_>, text: &[u8]) -> Option<Read> {
    read_by(text, &|tree| at.host().dir(b"").and_then(|dir| is_work_tree(at.job, dir.as_fd(), tree)).unwrap_or(false))
}

fn read_by(text: &[u8], is_tree: &dyn Fn(&[u8]) -> bool) -> Option<Read> {
    let (settings, is_odd) = harmless::named(text, &mut MOST.clone(), is_tree).ok()?;
    let mut read = Read { is_odd, ..Read::default() };
    for Named { name, value, is_harmless } in settings {
        if !is_harmless {
            read.harmful.insert(name.clone());
        }
        read.values.entry(name).or_default().push(value);
    }
    Some(read)
}
