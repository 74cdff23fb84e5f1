//! Which objects are on the host, with all that they lead to.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

use super::at::At;
use super::git::{Catalogue, Within};
use crate::sys::Result;

/// So many objects are asked for one by one, if all together have one that is bad.
const MOST_SINGLE: usize = 200;

/// Those of `ids` that the host has whole: with all that they lead to. `git fetch` asks the same way (connected.c).
pub(super) fn connected(at: &At<'_>, ids: &BTreeSet<Vec<u8>>) -> Result<BTreeSet<Vec<u8>>> {
    let there: BTreeSet<Vec<u8>> = types(at, ids)?.into_keys().collect();
    if there.is_empty() || is_connected(at, &there)? {
        return Ok(there);
    }
    let mut good = BTreeSet::new();
    for id in there.into_iter().take(MOST_SINGLE) {
        let one = BTreeSet::from([id]);
        if is_connected(at, &one)? {
            good.extend(one);
        }
    }
    Ok(good)
}

fn is_connected(at: &At<'_>, ids: &BTreeSet<Vec<u8>>) -> Result<bool> {
    // Only the number is said: there may be many objects.
    let all: [&[u8]; 7] =
        [b"rev-list", b"--objects", b"--count", b"--stdin", b"--not", b"--all", b"--exclude-promisor-objects"];
    // Without the last one a partial clone would miss what it has never had; others know no such objects.
    Ok(at.run(&all, &lines(ids))?.is_some())
}

/// The types of those of `ids` that the host has.
pub(super) fn types(at: &At<'_>, ids: &BTreeSet<Vec<u8>>) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut catalogue = at.catalogue.borrow_mut();
    let catalogue = match &mut *catalogue {
        Some(catalogue) => catalogue,
        none => none.insert(Catalogue::start(at.git, at.dir.as_fd())?),
    };
    let said = catalogue.ask(&ids.iter().collect::<Vec<_>>(), Within::new(at.job.go_on))?;
    let pairs = said.iter().filter_map(|line| {
        let space = line.iter().position(|&byte| byte == b' ')?;
        let (id, kind) = (&line[..space], &line[space + 1..]);
        [&b"commit"[..], b"tree", b"blob", b"tag"].contains(&kind).then(|| (id.to_vec(), kind.to_vec()))
    });
    Ok(pairs.collect())
}

fn lines(ids: &BTreeSet<Vec<u8>>) -> Vec<u8> {
    ids.iter().flat_map(|id| [id, &b"\n"[..]].concat()).collect()
}
