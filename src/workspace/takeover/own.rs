//! Which content of a tracked file is the user's own: that of the branch which `HEAD` names, if it was there before the
//! run and no box has made its last commit. After `git switch` inside, the files are those of such a branch. The
//! content of other branches is not: the user has fetched them, perhaps, and never switched to them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;

use super::base::Base;
use super::form::parse_packed;
use super::git::{Git, Within};
use crate::sys::Result;

/// The branch that `content` of the file `path` in the work tree is the user's own by. `None`: it is not. `made` holds
/// the commits that boxes have made, in hexadecimal. Asked when the run has been taken over; `go_on` as in
/// [`super::Job`].
pub(crate) fn owner(
    (git, dir): (&Git, BorrowedFd<'_>),
    base: &Base,
    made: &BTreeSet<Vec<u8>>,
    (path, content): (&[u8], &[u8]),
    go_on: &dyn Fn() -> bool,
) -> Result<Option<Vec<u8>>> {
    let run = |words: &[&[u8]], input: &[u8]| {
        let words: Vec<&OsStr> = words.iter().map(|word| OsStr::from_bytes(word)).collect();
        let said = git.run(dir, &words, input, Within::new(go_on))?;
        Ok(said.map(|said| said.trim_ascii_end().to_vec()))
    };
    let Some(unit) = base.units.get(&b""[..]) else { return Ok(None) };
    let Some(name) = run(&[b"symbolic-ref", b"-q", b"HEAD"], b"")? else { return Ok(None) };
    let Some(branch) = name.strip_prefix(b"refs/heads/") else { return Ok(None) };
    let Some(tip) = run(&[b"rev-parse", b"-q", b"--verify", &name], b"")? else { return Ok(None) };
    let packed = parse_packed(unit.packed.as_deref().unwrap_or_default());
    let was = unit.loose.get(&name).or_else(|| packed.get(&name));
    // A path with a line feed in it would be two questions.
    if was != Some(&tip) || made.contains(&tip) || path.contains(&b'\n') {
        return Ok(None);
    }
    let Some(id) = run(&[b"hash-object", b"--stdin", b"--no-filters"], content)? else { return Ok(None) };
    let question = [&tip, &b":"[..], path, b"\n"].concat();
    let answer = run(&[b"cat-file", b"--batch-check=%(objectname)"], &question)?;
    Ok((answer == Some(id)).then(|| branch.to_vec()))
}
