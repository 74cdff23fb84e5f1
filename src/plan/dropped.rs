//! What was asked for and cannot be enforced on this host: an error, or, where as much as possible is wanted
//! ([`crate::spec::Spec::best_effort`]), a list in the plan.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use crate::error::{self, About, Error};
use crate::spec::Op;

/// One wish that cannot be enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The operation that it is, by its index in [`crate::spec::Spec::ops`]; `None` where it is no operation.
    pub op: Option<usize>,
    /// What was asked for, in plain words with control characters escaped: `tmpfs on /tmp`. Bytes, as paths are.
    pub what: Vec<u8>,
    /// Why it cannot be enforced.
    pub why: String,
}

impl Dropped {
    pub(super) fn wish(what: &str, why: impl Into<String>) -> Dropped {
        Dropped { op: None, what: what.into(), why: why.into() }
    }

    pub(super) fn op(index: usize, op: &Op, why: impl Into<String>) -> Dropped {
        Dropped { op: Some(index), what: op.fs.in_words(), why: why.into() }
    }

    /// `what: why`, on one line.
    pub fn line(&self) -> Vec<u8> {
        [&self.what, &b": "[..], self.why.as_bytes()].concat()
    }
}

/// The error that names each of them; `ops` are the spec's. `too_old` says that the kernel is too old, where it is: then
/// it helps nothing to leave something out.
pub(super) fn refusal(dropped: &[Dropped], ops: &[Op], too_old: Option<String>) -> Error {
    let hint = "--best-effort goes on without what cannot be enforced, and says so";
    let hint = too_old.is_none().then(|| hint.to_owned());
    let mut message = too_old.unwrap_or_default().into_bytes();
    message.extend_from_slice(b"this cannot be enforced here:");
    for one in dropped {
        message.extend_from_slice(b"\n  ");
        message.extend_from_slice(&one.line());
    }
    let words = dropped.iter().map(|one| one.op.and_then(|index| ops.get(index)).map(|op| op.word)).collect();
    Error::new(1, message).concerning(About::Lines(words)).with_hint(hint)
}

/// A path for people: control characters are escaped.
pub(super) fn printable(path: &CStr) -> String {
    error::printable(OsStr::from_bytes(path.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::FsOp;

    #[test]
    fn the_refusal_names_each_and_escapes_what_others_wrote() {
        let op = Op::new(FsOp::Tmpfs { dest: c"/a\x1b[2J".into(), mode: 0o755, size: None }, 3);
        let dropped = [Dropped::wish("host name x", "no"), Dropped::op(0, &op, "it takes a mount")];
        let error = refusal(&dropped, std::slice::from_ref(&op), None);
        assert_eq!(error.about, Some(About::Lines(vec![None, Some(3)])));
        let text =
            "this cannot be enforced here:\n  host name x: no\n  tmpfs on /a\\x1b[2J (mode 755): it takes a mount";
        assert_eq!(error.message, text.as_bytes());
        assert!(error.hint.is_some_and(|hint| hint.contains("--best-effort")));
    }

    #[test]
    fn a_kernel_that_is_too_old_is_named_first_and_nothing_is_said_to_help() {
        let error = refusal(&[Dropped::wish("Landlock", "none")], &[], Some("Linux 5.10 is too old: ".into()));
        assert_eq!(error.message, b"Linux 5.10 is too old: this cannot be enforced here:\n  Landlock: none");
        assert_eq!(error.hint, None);
    }
}
