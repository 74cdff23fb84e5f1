//! Refs in tables (git's Documentation/technical/reftable; since git 2.45). A table is a binary file with indexes of
//! its own: what a listing of it shows and what git finds in it by name can differ. So no table of the box comes to the
//! host.
//!
//! git writes all of them anew into one, in the box that checks objects too, and lists that. All of it is taken, with
//! the logs, or nothing: if one ref may not be taken, or the host has changed any ref meanwhile, it stays apart.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;

use super::at::At;
use super::base::TABLES;
use super::connected::connected;
use super::form::{FILES, Form, is_head, is_id};
use super::git::again;
use super::objects::Staging;
use super::side::join;
use super::told::{TakenOver, What};
use super::upper::{Entry, View};
use super::{index, refs};
use crate::sys::{Errno, Result, sealed};

const DIR: &[u8] = b"reftable";

/// The longest table, and so many are there. git keeps them few.
const LONGEST: u64 = 64 << 20;
const MOST: usize = 1000;

/// A single table would not be written anew, so there is one more for a moment.
const REWRITE: &CStr = c"
    g() { \"$0\" --git-dir=/repository \"$@\"; }
    g symbolic-ref refs/pinfold/rewrite refs/heads/x && g symbolic-ref -d refs/pinfold/rewrite && g pack-refs >&2 &&
    g for-each-ref --include-root-refs '--format=%(refname) %(objectname) %(symref)'";
const LIST: [&[u8]; 3] = [b"for-each-ref", b"--include-root-refs", b"--format=%(refname) %(objectname) %(symref)"];

const OF_HOST: &str = "has changed on the host too";
const ODD: &str = "is no store of refs that git writes";

/// The value of each ref: an object, or `ref: NAME`.
type Refs = BTreeMap<Vec<u8>, Vec<u8>>;

/// Takes over the refs. Returns whether the host has now what the box had.
pub(super) fn take(at: &At<'_>, told: &mut TakenOver) -> Result<bool> {
    let listed = tables(at.base.tables.as_deref().unwrap_or_default()).unwrap_or_default();
    match at.upper.view(&at.up(TABLES)) {
        // git never changes a table: it writes another one, and the list anew.
        View::Same if listed.iter().any(|table| at.upper.view(&at.up(&join(DIR, table))) == View::File) => {
            return Ok(keep(at, told, ODD));
        }
        View::Same => return Ok(at.host().read(TABLES, LONGEST)? == at.base.tables),
        View::File if !at.is_worktree => {}
        View::File => return Ok(keep(at, told, "is a store of refs of a worktree")),
        _ => return Ok(keep(at, told, ODD)),
    }
    at.go()?;
    let staging = Staging::make(at)?;
    let why = take_staged(at, &staging, told);
    staging.clear()?;
    Ok(why?.is_none_or(|why| keep(at, told, why)))
}

/// Forgets the tables of the box, when all that goes by them is done, and those of the host that the new one replaces.
/// The list comes first: tables that it does not name say nothing.
pub(super) fn forget(at: &At<'_>, told: &TakenOver) -> Result<()> {
    if told.is_kept(&at.up(DIR)) {
        return Ok(());
    }
    let has_new = at.upper.view(&at.up(TABLES)) == View::File;
    if has_new {
        at.forget(TABLES)?;
    }
    for (path, entry) in at.upper.below(&at.up(DIR)) {
        if matches!(entry, Entry::File | Entry::Whiteout) {
            at.go()?;
            at.upper.forget(&path)?;
        }
    }
    let now = at.host().read(TABLES, LONGEST)?.unwrap_or_default();
    let now = tables(&now).unwrap_or_default();
    let was = tables(at.base.tables.as_deref().unwrap_or_default()).unwrap_or_default();
    for old in was.into_iter().filter(|old| has_new && !now.contains(old)) {
        at.host().remove(&join(DIR, old))?;
    }
    Ok(())
}

fn keep(at: &At<'_>, told: &mut TakenOver, why: &'static str) -> bool {
    told.keep(at.up(DIR), None, why);
    false
}

/// Returns why nothing is taken.
fn take_staged(at: &At<'_>, staging: &Staging<'_>, told: &mut TakenOver) -> Result<Option<&'static str>> {
    let Some((table, new)) = rewritten(at, staging)? else { return Ok(Some(ODD)) };
    let Some(now) = at.run(&LIST, b"")?.and_then(|text| parsed(&text)) else {
        return Ok(Some("cannot be compared with the host's"));
    };
    let names: BTreeSet<&Vec<u8>> = new.keys().chain(now.keys()).collect();
    let changed: Vec<&Vec<u8>> = names.into_iter().filter(|name| new.get(*name) != now.get(*name)).collect();
    if changed.is_empty() && at.host().read(TABLES, LONGEST)? != at.base.tables {
        return Ok(None);
    }
    if let Some(why) = refusal(at, &new, &changed)? {
        return Ok(Some(why));
    }
    at.go()?;
    let own = join(DIR, &table);
    if at.host().look(&own)?.is_some() {
        return Ok(Some(ODD));
    }
    (at.job.note_made)(&changed.iter().filter_map(|name| new.get(*name).cloned()).filter(|new| is_id(new)).collect())?;
    staging.side().rename(&own, at.host(), &own)?;
    let is_unchanged = || Ok(at.host().read(TABLES, LONGEST)? == at.base.tables);
    match at.host().write_locked(TABLES, Some(&[&table[..], b"\n"].concat()), &is_unchanged) {
        Ok(true) => {}
        Ok(false) | Err(Errno::EAGAIN) => {
            at.host().remove(&own)?;
            return Ok(Some("could not be written: it has changed on the host, or is locked"));
        }
        Err(errno) => return Err(errno),
    }
    for name in changed {
        let (old, new) = (now.get(name).cloned(), new.get(name).cloned());
        match new {
            Some(new) if name == b"HEAD" => told.take(&at.path, What::Head(new)),
            new if name.starts_with(b"refs/") => told.take(&at.path, What::Ref { name: name.clone(), old, new }),
            new => told.take(&at.path, What::State { name: name.clone(), is_there: new.is_some() }),
        }
    }
    Ok(None)
}

/// Has git write the tables of the box anew. Returns the name of the new one, and its refs.
fn rewritten(at: &At<'_>, staging: &Staging<'_>) -> Result<Option<(Vec<u8>, Refs)>> {
    let Ok(list) = at.upper.read(&at.up(TABLES), LONGEST) else { return Ok(None) };
    let Some(old) = tables(&list) else { return Ok(None) };
    let side = staging.side();
    let format: &[u8] = if at.hash == 32 { b"\tobjectformat = sha256\n" } else { b"" };
    let config: &[u8] = b"[core]\n\trepositoryformatversion = 1\n\tlogallrefupdates = false\n[extensions]\n\
                          \trefstorage = reftable\n";
    side.write(b"config", &[config, format].concat())?;
    side.write(b"HEAD", b"ref: refs/heads/.invalid\n")?;
    side.make_dirs(DIR)?;
    for table in &old {
        let own = join(DIR, table);
        let text = match at.upper.view(&at.up(&own)) {
            View::File => at.upper.read(&at.up(&own), LONGEST).ok(),
            View::Same => at.host().read(&own, LONGEST)?,
            _ => None,
        };
        let Some(text) = text else { return Ok(None) };
        side.write(&own, &text)?;
    }
    side.write(TABLES, &list)?;
    let said = sealed::holding(b"")?;
    let reading = again(said.as_fd())?;
    if !staging.run_into(staging.spec(REWRITE)?, sealed::holding(b"")?, said)? {
        return Ok(None);
    }
    let mut text = Vec::new();
    File::from(reading).take(LONGEST).read_to_end(&mut text).map_err(|_| Errno::EIO)?;
    let new = side.read(TABLES, LONGEST)?.unwrap_or_default();
    let new = match tables(&new).as_deref() {
        Some([table]) if !old.contains(table) => table.to_vec(),
        _ => return Ok(None),
    };
    let is_file = side.look(&join(DIR, &new))?.is_some_and(|about| about.is_file());
    Ok(parsed(&text).filter(|_| is_file).map(|refs| (new, refs)))
}

/// The names in a list of tables: `0xMIN-0xMAX-RANDOM.ref`.
fn tables(list: &[u8]) -> Option<Vec<&[u8]>> {
    let names: Vec<&[u8]> = list.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
    let is_name = |name: &&[u8]| {
        let stem = name.strip_suffix(b".ref").unwrap_or_default();
        stem.starts_with(b"0x")
            && stem.len() < 60
            && stem.iter().all(|&byte| byte.is_ascii_hexdigit() || b"x-".contains(&byte))
    };
    (names.len() <= MOST && names.iter().all(is_name)).then_some(names)
}

/// Lines of name, object, and the ref that it leads to.
fn parsed(text: &[u8]) -> Option<Refs> {
    let mut found = Refs::new();
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let [name, id, leads_to] = words[..] else { return None };
        let value = if leads_to.is_empty() { id.to_vec() } else { [b"ref: ", leads_to].concat() };
        found.insert(name.to_vec(), value);
    }
    Some(found)
}

/// Why the refs of the box are not taken.
fn refusal(at: &At<'_>, new: &Refs, changed: &[&Vec<u8>]) -> Result<Option<&'static str>> {
    if at.host().read(TABLES, LONGEST)? != at.base.tables {
        return Ok(Some(OF_HOST));
    }
    if !new.get(&b"HEAD"[..]).is_some_and(|head| is_head(head)) {
        return Ok(Some("has no HEAD that git writes"));
    }
    let is_state = |name: &[u8]| FILES.iter().any(|(known, form, _)| *known == name && *form == Form::Ids);
    for name in changed {
        let value = new.get(*name);
        if name == &b"HEAD" || is_state(name) && value.is_none_or(|value| is_id(value)) {
            continue;
        }
        if let Some(why) = refs::refusal(name, value) {
            return Ok(Some(why));
        }
    }
    let ids: BTreeSet<Vec<u8>> =
        changed.iter().filter_map(|name| new.get(*name)).filter(|value| is_id(value)).cloned().collect();
    if connected(at, &ids)?.len() != ids.len() {
        return Ok(Some("is kept, because objects are missing or wrong"));
    }
    let head = new.get(&b"HEAD"[..]).and_then(|head| head.strip_prefix(b"ref: "));
    let is_moved = changed.iter().any(|name| name == &b"HEAD" || head == Some(&name[..]));
    if is_moved && !index::is_free(at.job, at.upper, &at.path, at.hash)? {
        return Ok(Some(OF_HOST));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tables() {
        let name = &b"0x000000000001-0x00000000000a-1b2c3d4e.ref"[..];
        assert_eq!(tables(&[name, b"\n"].concat()), Some(vec![name]));
        for bad in ["../x.ref", "0x1-0x2-3", "x.ref", "0x1/0x2.ref", "0x1-0x2-3.ref\n/etc/passwd"] {
            assert_eq!(tables(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn lines_of_refs() {
        let refs = parsed(b"HEAD 12 refs/heads/x\nrefs/heads/x 12 \n").unwrap();
        assert_eq!(refs[&b"HEAD"[..]], b"ref: refs/heads/x");
        assert_eq!(refs[&b"refs/heads/x"[..]], b"12");
        assert_eq!(parsed(b"x y\n"), None);
    }
}
