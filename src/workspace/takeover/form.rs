//! The forms of what git writes into small files: refs, `HEAD`, the state of an operation in progress.

use std::collections::{BTreeMap, BTreeSet};

use super::side::{Side, join};
use crate::sys::stat::Kind;
use crate::sys::{Errno, Result};
use crate::workspace::{config, rebase};

/// The longest configuration.
pub(super) const LONGEST_SETTINGS: u64 = 1 << 20;

/// The longest file of a ref.
pub(super) const LONGEST_REF: u64 = 4096;
/// What a new git directory says before its own `HEAD` is taken over.
pub(super) const FIRST_HEAD: &[u8] = b"ref: refs/heads/main";

/// So many refs have a file of their own, and so deep are they.
const MOST_LOOSE: usize = 100_000;
const DEEPEST: usize = 40;

/// A value: hexadecimal, or `ref: NAME`.
pub(super) type Value = Vec<u8>;

/// What the configuration of a git directory says of its form.
#[derive(Clone, Copy)]
pub(super) struct Format {
    /// Length of a hash in bytes.
    pub(super) hash: usize,
    /// Whether refs are in tables.
    pub(super) has_tables: bool,
}

/// Reads the format of the git directory `dir`. A worktree has that of the repository that it belongs to.
pub(super) fn format(dir: Side<'_>) -> Result<Format> {
    let common = if dir.look(b"commondir")?.is_some() { &b"../../config"[..] } else { b"config" };
    let text = dir.read(common, LONGEST_SETTINGS).ok().flatten().unwrap_or_default();
    let settings = config::parse(&text);
    let hash = if config::last(&settings, "extensions.objectformat") == Some(b"sha256") { 32 } else { 20 };
    Ok(Format { hash, has_tables: config::last(&settings, "extensions.refstorage") == Some(b"reftable") })
}

/// The value in the file of a ref.
pub(super) fn value(text: &[u8]) -> Option<Value> {
    let text = text.trim_ascii_end();
    let is_value = is_id(text) || text.strip_prefix(b"ref: ").is_some_and(is_name);
    is_value.then(|| text.to_vec())
}

pub(super) fn is_id(text: &[u8]) -> bool {
    matches!(text.len(), 40 | 64) && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What `HEAD` may be: a commit, or a branch.
pub(super) fn is_head(value: &[u8]) -> bool {
    is_id(value) || value.strip_prefix(b"ref: ").is_some_and(|name| name.starts_with(b"refs/heads/"))
}

/// Whether git takes this for the name of a ref (git-check-ref-format(1)).
pub(super) fn is_name(name: &[u8]) -> bool {
    let is_part = |part: &[u8]| !(part.is_empty() || part.starts_with(b".") || part.ends_with(b".lock"));
    let has = |pair: &[u8]| name.windows(2).any(|two| two == pair);
    name.starts_with(b"refs/")
        && name.len() < 1024
        && !name.ends_with(b".")
        && !has(b"..")
        && !has(b"@{")
        && name.split(|&byte| byte == b'/').all(is_part)
        && !name.iter().any(|byte| byte.is_ascii_control() || b" ~^:?*[\\".contains(byte))
}

/// Reads the refs in files below `dir` of a git directory.
pub(super) fn read_loose(side: Side<'_>, dir: &[u8], found: &mut BTreeMap<Vec<u8>, Value>) -> Result<()> {
    let mut dirs = vec![dir.to_vec()];
    while let Some(dir) = dirs.pop() {
        for (name, kind) in side.names(&dir)? {
            let path = join(&dir, &name);
            match kind {
                Some(Kind::Dir) if path.iter().filter(|&&byte| byte == b'/').count() < DEEPEST => dirs.push(path),
                Some(Kind::File) if !name.ends_with(b".lock") => {
                    let value = side.read(&path, LONGEST_REF)?.and_then(|text| value(&text));
                    found.extend(value.map(|value| (path.clone(), value)));
                }
                _ => {}
            }
            if found.len() > MOST_LOOSE {
                return Err(Errno::E2BIG);
            }
        }
    }
    Ok(())
}

/// What a file of the state says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Names of objects, one a line.
    Ids,
    /// Lines that begin with the name of an object.
    Fetched,
    Text,
    /// A word that git gives to itself as an argument.
    Word,
}

/// The files, what they say, and whether they stand for themselves: the others belong to a `HEAD` and an index.
pub(super) const FILES: [(&[u8], Form, bool); 18] = [
    (b"ORIG_HEAD", Form::Ids, true),
    (b"FETCH_HEAD", Form::Fetched, true),
    (b"COMMIT_EDITMSG", Form::Text, true),
    (b"MERGE_HEAD", Form::Ids, false),
    (b"CHERRY_PICK_HEAD", Form::Ids, false),
    (b"REVERT_HEAD", Form::Ids, false),
    (b"REBASE_HEAD", Form::Ids, false),
    (b"AUTO_MERGE", Form::Ids, false),
    (b"MERGE_AUTOSTASH", Form::Ids, false),
    (b"BISECT_EXPECTED_REV", Form::Ids, false),
    (b"MERGE_MSG", Form::Text, false),
    (b"MERGE_MODE", Form::Text, false),
    (b"SQUASH_MSG", Form::Text, false),
    (b"BISECT_LOG", Form::Text, false),
    (b"BISECT_TERMS", Form::Text, false),
    (b"BISECT_NAMES", Form::Text, false),
    (b"BISECT_ANCESTORS_OK", Form::Text, false),
    (b"BISECT_START", Form::Word, false),
];

/// Whether a name is one of the state, `HEAD` apart.
pub(super) fn is_state(name: &[u8]) -> bool {
    FILES.iter().any(|(known, ..)| *known == name) || rebase::STATES.iter().any(|known| known.to_bytes() == name)
}

/// The objects that a file names. `None` if it has not got the form.
pub(super) fn ids(text: &[u8], form: Form) -> Option<BTreeSet<Vec<u8>>> {
    let lines = || text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let first = |line: &[u8]| line.split(|&byte| byte == b'\t').next().unwrap_or_default().to_vec();
    let is_text = !text.contains(&0);
    match form {
        Form::Ids => lines().all(is_id).then(|| lines().map(<[u8]>::to_vec).collect()),
        Form::Fetched => (is_text && lines().all(|line| is_id(&first(line)))).then(|| lines().map(first).collect()),
        Form::Text => is_text.then(BTreeSet::new),
        Form::Word => (is_text && !text.starts_with(b"-") && lines().count() <= 1).then(BTreeSet::new),
    }
}

/// The refs in a `packed-refs`. Lines that are none are left out: peeled tags, and what git does not write.
pub(super) fn parse_packed(text: &[u8]) -> BTreeMap<Vec<u8>, Value> {
    let lines = text.split(|&byte| byte == b'\n');
    let refs = lines.filter_map(|line| {
        let space = line.iter().position(|&byte| byte == b' ')?;
        let (id, name) = (&line[..space], &line[space + 1..]);
        (is_id(id) && name.starts_with(b"refs/")).then(|| (name.to_vec(), id.to_vec()))
    });
    refs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_refs() {
        for name in ["refs/heads/main", "refs/heads/a/b", "refs/stash", "refs/heads/\u{e9}", "refs/heads/a.b"] {
            assert!(is_name(name.as_bytes()), "{name}");
        }
        let bad = "heads/x refs/heads/../x refs/heads/.x refs/heads/x.lock refs//x refs/x/ refs/heads/a..b refs/heads/x. \
                   refs/heads/x@{1} refs/heads/a:b refs/heads/a~b refs/heads/a^ refs/heads/a\\b refs/heads/* HEAD";
        for name in bad.split(' ').chain(["refs/heads/a b", "refs/heads/a\nb", ""]) {
            assert!(!is_name(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn values_of_refs() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(value(format!("{id}\n").as_bytes()), Some(id.into()));
        assert_eq!(value(b"ref: refs/heads/x\n"), Some(b"ref: refs/heads/x".to_vec()));
        for text in ["", "x", "ref: ../x", "ref: HEAD", &id[1..], &id.to_uppercase(), &format!("{id}\n{id}")] {
            assert_eq!(value(text.as_bytes()), None, "{text}");
        }
        assert!(is_head(b"ref: refs/heads/x") && is_head(id.as_bytes()) && !is_head(b"ref: refs/remotes/x"));
    }

    #[test]
    fn forms_of_the_state() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        let count = |text: &str, form| ids(text.as_bytes(), form).map(|ids| ids.len());
        assert_eq!(count(&format!("{id}\n"), Form::Ids), Some(1));
        assert_eq!(count("x\n", Form::Ids), None);
        assert_eq!(count(&format!("{id}\tnot-for-merge\tbranch 'x' of y\n"), Form::Fetched), Some(1));
        assert_eq!(count("x\ty\n", Form::Fetched), None);
        assert_eq!((count("a\nb\n", Form::Text), count("a\0b", Form::Text)), (Some(0), None));
        assert_eq!(
            (count("main\n", Form::Word), count("--x\n", Form::Word), count("a\nb", Form::Word)),
            (Some(0), None, None)
        );
    }
}
