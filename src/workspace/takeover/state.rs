//! `HEAD`, the refs beside it, and the state of an operation in progress (gitrepository-layout(5), git-merge(1)).
//!
//! Text of the right form is taken. git executes some of it when the user continues the operation: the commands of a
//! rebase ([`rebase::commands`]). A rebase with commands that the host's has not is kept apart as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::os::fd::AsFd;

use super::at::At;
use super::connected::types;
use super::form::{self, FILES, FIRST_HEAD, Form, LONGEST_REF, ids, is_id};
use super::index;
use super::side::join;
use super::told::{TakenOver, What};
use super::upper::{Entry, View};
use crate::sys::stat::Kind;
use crate::sys::{Errno, Result};
use crate::workspace::rebase;

const HEAD: &[u8] = b"HEAD";

/// The longest file of a state, and all files of a directory.
const LONGEST: u64 = 1 << 20;
const LONGEST_DIR: usize = 32 << 20;
const MOST_FILES: usize = 20_000;

/// Where a new directory of the state is put together.
const STAGING: &[u8] = b"state.pinfold";

/// Takes over `HEAD`. Returns whether the host's is what the box's was, with its branch: only then index and state fit.
pub(super) fn is_anchored(at: &At<'_>, told: &mut TakenOver) -> Result<bool> {
    let was = at.base.head.as_deref().map_or_else(|| Some(FIRST_HEAD.to_vec()), form::value);
    let view = at.upper.view(&at.up(HEAD));
    let new = match view {
        View::Same => was.clone(),
        View::File => at.upper.read(&at.up(HEAD), LONGEST_REF).ok().and_then(|text| form::value(&text)),
        _ => None,
    };
    let Some(new) = new.filter(|new| form::is_head(new)) else {
        // One that was so before is nothing of the box's.
        if view != View::Same {
            told.keep(at.up(HEAD), None, "says what git does not write");
        }
        return Ok(false);
    };
    let now = || Ok(at.host().read(HEAD, LONGEST_REF)?.and_then(|text| form::value(&text)));
    let host = now()?;
    if host.as_ref() != Some(&new) {
        if Some(&new) == was.as_ref() {
            return Ok(false);
        }
        let is_free = host == was && index::is_free(at.job, at.upper, &at.path, at.hash)?;
        let is_there =
            !is_id(&new) || types(at, &BTreeSet::from([new.clone()]))?.get(&new).is_some_and(|kind| kind == b"commit");
        if !is_free || !is_there {
            let why = if is_there {
                "has changed on the host too, or the index has"
            } else {
                "names a commit that is missing"
            };
            told.keep(at.up(HEAD), None, why);
            return Ok(false);
        }
        at.go()?;
        let text = [&new[..], b"\n"].concat();
        match at.host().write_locked(HEAD, Some(&text), &|| Ok(now()? == was)) {
            Ok(true) => told.take(&at.path, What::Head(new.clone())),
            Ok(false) | Err(Errno::EAGAIN) => {
                told.keep(at.up(HEAD), None, "could not be written: it has changed on the host, or is locked");
                return Ok(false);
            }
            Err(errno) => return Err(errno),
        }
    }
    let branch = new.strip_prefix(b"ref: ").unwrap_or_default();
    let common = at.common_path();
    let is_moved = told.moved.iter().any(|moved| moved.name == branch && moved.dir == common);
    Ok(!is_moved && !told.kept.iter().any(|kept| kept.name.as_deref() == Some(branch)))
}

/// Takes over the rest of the state.
pub(super) fn take(at: &At<'_>, is_anchored: bool, told: &mut TakenOver) -> Result<()> {
    let is_anchored = is_anchored && !told.is_kept(&at.up(b"index"));
    for (name, form, is_alone) in FILES {
        let view = at.upper.view(&at.up(name));
        if matches!(view, View::File | View::Gone) {
            match take_file(at, name, form, view, is_anchored || is_alone, told)? {
                None => at.forget(name)?,
                Some(why) => told.keep(at.up(name), None, why),
            }
        }
    }
    // Of a run that was killed, or of a box that wants it believed.
    at.host().remove_all(STAGING)?;
    for name in rebase::STATES {
        let name = name.to_bytes();
        if let Some(why) = take_dir(at, name, is_anchored, told)? {
            told.keep(at.up(name), None, why);
            for (path, entry) in at.upper.below(&at.up(name)) {
                if !matches!(entry, Entry::Dir { .. }) {
                    told.keep(path, None, why);
                }
            }
        }
    }
    // Until here it says that the rest is taken.
    if at.upper.view(&at.up(HEAD)) == View::File && !told.is_kept(&at.up(HEAD)) {
        at.forget(HEAD)?;
    }
    Ok(())
}

const UNANCHORED: &str = "belongs to a HEAD or an index that was not taken over";

/// Returns why the file stays.
fn take_file(
    at: &At<'_>,
    name: &[u8],
    form: Form,
    view: View,
    may: bool,
    told: &mut TakenOver,
) -> Result<Option<&'static str>> {
    let new = match view {
        View::File => match at.upper.read(&at.up(name), LONGEST) {
            Ok(text) => Some(text),
            Err(_) => return Ok(Some("cannot be read")),
        },
        _ => None,
    };
    if at.host().read(name, LONGEST).ok() == Some(new.clone()) {
        return Ok(None);
    }
    let is_unchanged = || Ok(at.host().identity(name)? == at.base.states.get(name).copied());
    if !may {
        return Ok(Some(UNANCHORED));
    }
    if !is_unchanged()? {
        return Ok(Some("has changed on the host too"));
    }
    if let Some(text) = &new {
        let Some(ids) = ids(text, form) else { return Ok(Some("says what git does not write")) };
        if types(at, &ids)?.len() != ids.len() {
            return Ok(Some("names objects that are missing"));
        }
    }
    at.go()?;
    match at.host().write_locked(name, new.as_deref(), &is_unchanged) {
        Ok(true) => told.take(&at.path, What::State { name: name.to_vec(), is_there: new.is_some() }),
        Ok(false) | Err(Errno::EAGAIN) => return Ok(Some("could not be written: it has changed, or is locked")),
        Err(errno) => return Err(errno),
    }
    Ok(None)
}

type Files = BTreeMap<Vec<u8>, Vec<u8>>;

/// Takes over a directory of the state, or that it has gone. Returns why not.
fn take_dir(at: &At<'_>, name: &[u8], is_anchored: bool, told: &mut TakenOver) -> Result<Option<&'static str>> {
    let view = at.upper.view(&at.up(name));
    if view == View::Same {
        return Ok(None);
    }
    let Ok(old) = host_files(at, name) else { return Ok(Some("cannot be compared with the host's")) };
    let new = match (view, files(at, name, &old)) {
        (View::Dir, Some(new)) => Some(new),
        (View::Gone, _) => None,
        _ => return Ok(Some("has other things in it than files that can be read")),
    };
    if new != old {
        if !is_anchored {
            return Ok(Some(UNANCHORED));
        }
        if at.host().identity(name)? != at.base.states.get(name).copied() {
            return Ok(Some("has changed on the host too"));
        }
        at.go()?;
        match &new {
            Some(new) => {
                if let Some(why) = put(at, name, new, old.is_some())? {
                    return Ok(Some(why));
                }
            }
            None => put_away(at, name)?,
        }
        told.take(&at.path, What::State { name: name.to_vec(), is_there: new.is_some() });
    }
    for (path, entry) in at.upper.below(&at.up(name)) {
        if !matches!(entry, Entry::Dir { .. }) {
            at.go()?;
            at.upper.forget(&path)?;
        }
    }
    if view == View::Gone { at.forget(name).map(|()| None) } else { Ok(None) }
}

/// Puts a directory with these files in the place of the host's, in one step. So the host has one of both at each
/// moment, and nothing that lies in the staging is ever believed: a box that has made the repository can have put it
/// there.
/// Returns why not.
fn put(at: &At<'_>, name: &[u8], files: &Files, has_old: bool) -> Result<Option<&'static str>> {
    let staged = join(STAGING, name);
    at.host().make_dirs(&staged)?;
    for (file, text) in files {
        at.host().write(&join(&staged, file), text)?;
    }
    let why = if !is_harmless(at, name)? {
        Some("has commands or options that git would obey when it goes on")
    } else if has_old {
        match at.host().exchange(&staged, name) {
            Ok(()) => None,
            Err(Errno::EINVAL | Errno::ENOSYS) => Some("cannot take the place of the host's in one step here"),
            Err(errno) => return Err(errno),
        }
    } else {
        at.host().rename(&staged, at.host(), name)?;
        None
    };
    at.host().remove_all(STAGING)?;
    Ok(why)
}

/// Removes a directory. It goes as a whole: with a part of it git would go on.
fn put_away(at: &At<'_>, name: &[u8]) -> Result<()> {
    at.host().make_dirs(STAGING)?;
    at.host().rename(name, at.host(), &join(STAGING, name))?;
    at.host().remove_all(STAGING)
}

/// Whether git would obey nothing of the staged directory that it does not obey already.
fn is_harmless(at: &At<'_>, name: &[u8]) -> Result<bool> {
    let state = CString::new(name).map_err(|_| Errno::EINVAL)?;
    let staging = at.host().dir(STAGING)?;
    let Ok(new) = rebase::commands(staging.as_fd(), &state) else { return Ok(false) };
    let here = at.host().dir(b"")?;
    let known = rebase::commands(here.as_fd(), &state).unwrap_or_default();
    Ok(new.iter().all(|command| known.contains(command)))
}

/// The files in a directory of the host. `None`: it does not exist.
fn host_files(at: &At<'_>, name: &[u8]) -> Result<Option<Files>> {
    if at.host().look(name)?.is_none() {
        return Ok(None);
    }
    let mut files = Files::new();
    for (file, kind) in at.host().names(name)? {
        if kind != Some(Kind::File) || files.len() > MOST_FILES {
            return Err(Errno::EINVAL);
        }
        let text = at.host().read(&join(name, &file), LONGEST)?.unwrap_or_default();
        files.insert(file, text);
    }
    Ok(Some(files))
}

/// The files in a directory as the box had it. `None`: there is something else in it, or too much.
fn files(at: &At<'_>, name: &[u8], old: &Option<Files>) -> Option<Files> {
    let mut files = Files::new();
    for (file, text) in old.iter().flatten() {
        if at.upper.view(&join(&at.up(name), file)) == View::Same {
            files.insert(file.clone(), text.clone());
        }
    }
    for (file, entry) in at.upper.names(&at.up(name)) {
        match entry {
            Entry::Whiteout => {}
            Entry::File if !file.ends_with(b".lock") => {
                files.insert(file.clone(), at.upper.read(&join(&at.up(name), &file), LONGEST).ok()?);
            }
            Entry::File => {}
            _ => return None,
        }
    }
    let length: usize = files.values().map(Vec::len).sum();
    (files.len() <= MOST_FILES && length <= LONGEST_DIR).then_some(files)
}
