//! Which content of a tracked file is the user's own: that of a local branch which was there before the run, and whose
//! last commit no box has made. After `git switch` inside, the files are those of such a branch.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;

use super::base::Base;
use super::form::parse_packed;
use super::git::{Git, Within};
use crate::sys::Result;

/// So many branches are asked.
const MOST: usize = 1000;

/// Whether `content` of the file `path` in the work tree is the user's own. `made` holds the commits that boxes have
/// made, in hexadecimal.
pub(crate) fn is_own(
    (git, dir): (&Git, BorrowedFd<'_>),
    base: &Base,
    made: &BTreeSet<Vec<u8>>,
    (path, content): (&[u8], &[u8]),
) -> Result<bool> {
    let run = |words: &[&str], input: &[u8]| {
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        git.run(dir, &words, input, Within::new(&|| true))
    };
    let Some(unit) = base.units.get(&b""[..]) else { return Ok(false) };
    let packed = parse_packed(unit.packed.as_deref().unwrap_or_default());
    let listed = run(&["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads"], b"")?.unwrap_or_default();
    let was = |name: &[u8]| unit.loose.get(name).or_else(|| packed.get(name));
    let branch = |line: &[u8]| {
        let space = line.iter().position(|&byte| byte == b' ')?;
        let (id, name) = (&line[..space], &line[space + 1..]);
        (was(name).is_some_and(|was| was == id) && !made.contains(id)).then(|| id.to_vec())
    };
    let tips: BTreeSet<Vec<u8>> = listed.split(|&byte| byte == b'\n').filter_map(branch).take(MOST).collect();
    // A path with a line feed in it would be two questions.
    if tips.is_empty() || path.contains(&b'\n') {
        return Ok(false);
    }
    let Some(id) = run(&["hash-object", "--stdin", "--no-filters"], content)? else { return Ok(false) };
    let question = |tip: &Vec<u8>| [tip, &b":"[..], path, b"\n"].concat();
    let questions = tips.iter().map(question).collect::<Vec<_>>().concat();
    let answers = run(&["cat-file", "--batch-check=%(objectname)"], &questions)?.unwrap_or_default();
    Ok(answers.split(|&byte| byte == b'\n').any(|answer| answer == id.trim_ascii_end()))
}
