//! Collects the denials of a spec for the setup process.

use std::ffi::CStr;
use std::path::Path;

use super::pattern::Pattern;
use crate::error::{Error, ErrorKind, Field};
use crate::spec::path::{first_wildcard, to_os};
use crate::spec::{FsOp, Op};

/// What is denied after all other operations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Denials {
    /// Indices of the operations that deny a path.
    pub(crate) paths: Vec<usize>,
    /// The patterns of the other denials.
    pub(crate) patterns: Vec<Pattern>,
}

impl Denials {
    /// Collects the denials in `ops`.
    pub(super) fn of(ops: &[Op]) -> Result<Denials, Error> {
        let mut denials = Denials::default();
        for (index, op) in ops.iter().enumerate() {
            let FsOp::Deny { path, is_pattern, .. } = &op.fs else { continue };
            let path = path.to_bytes();
            // A pattern without wildcards is a path, which fewer things can go wrong with.
            if !*is_pattern || first_wildcard(path).is_none() {
                denials.paths.push(index);
                continue;
            }
            let pattern = Pattern::parse(index, path).map_err(|invalid| {
                let message = [&op.fs.in_words(), &b": "[..], invalid.text().as_bytes()].concat();
                Error::new(ErrorKind::Invalid, message).about(Field::Op(op.word))
            })?;
            denials.patterns.push(pattern);
        }
        Ok(denials)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.patterns.is_empty()
    }
}

/// Whether `op` denies the directory `path` or one above it. Compares the paths as text and does not follow links.
pub(crate) fn denies(op: &FsOp, path: &CStr) -> bool {
    let FsOp::Deny { path: denied, is_pattern, .. } = op else { return false };
    if !is_pattern {
        return Path::new(to_os(path)).starts_with(to_os(denied));
    }
    let names: Vec<&[u8]> = path.to_bytes().split(|&byte| byte == b'/').filter(|name| !name.is_empty()).collect();
    Pattern::parse(0, denied.to_bytes()).is_ok_and(|pattern| pattern.matches_above(&names))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denials(paths: &[(&std::ffi::CStr, bool)]) -> Result<Denials, Error> {
        let deny = |&(path, is_pattern): &(&std::ffi::CStr, bool)| FsOp::Deny {
            path: path.into(),
            is_pattern,
            optional: false,
        };
        let mut ops = vec![Op::new(FsOp::Proc { dest: c"/proc".into() }, 0)];
        ops.extend(paths.iter().map(|path| Op::new(deny(path), 0)));
        Denials::of(&ops)
    }

    #[test]
    fn paths_and_patterns_are_told_apart() {
        let found = denials(&[(c"/a", false), (c"/b*", true), (c"/c*", false), (c"/d", true)]).unwrap();
        assert_eq!(found.paths, [1, 3, 4]);
        assert_eq!(found.patterns.iter().map(|pattern| pattern.op).collect::<Vec<_>>(), [2]);
        assert!(denials(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let error = denials(&[(c"/a\n[", true)]).unwrap_err();
        assert_eq!(error.field, Some(Field::Op(0)));
        assert_eq!(error.text(), b"deny what matches /a\\n[: a [ is not closed; [[] stands for the character itself");
    }

    #[test]
    fn what_lies_below_a_denied_directory_is_denied() {
        for (denied, is_pattern, yes, no) in [
            (c"/a/b", false, &[c"/a/b", c"/a/b/c"][..], &[c"/a", c"/a/bc", c"/"][..]),
            (c"/a/b*", true, &[c"/a/b", c"/a/bc/d"], &[c"/a", c"/a/c/b"]),
            (c"/**/b", true, &[c"/b", c"/a/b", c"/a/c/b/d"], &[c"/a", c"/a/c"]),
            (c"/a/**", true, &[c"/a/b", c"/a/b/c"], &[c"/a", c"/b"]),
            (c"/a*", false, &[c"/a*"], &[c"/ab"]),
        ] {
            let op = FsOp::Deny { path: denied.into(), is_pattern, optional: false };
            assert!(yes.iter().all(|path| denies(&op, path)), "{denied:?}");
            assert!(!no.iter().any(|path| denies(&op, path)), "{denied:?}");
        }
        assert!(!denies(&FsOp::Proc { dest: c"/a".into() }, c"/a"));
    }
}
