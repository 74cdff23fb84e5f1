//! What was asked for and cannot be enforced on this host. It is an error, or with [`crate::spec::Spec::best_effort`]
//! an entry in the plan.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use crate::error::{self, Advice, Error, ErrorKind, Field, Hint, Part};
use crate::spec::Op;

/// One request that cannot be enforced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unenforced {
    /// The field of the spec that asks for it, if there is one.
    pub field: Option<Field>,
    /// What was asked for, in plain words with control characters escaped: `tmpfs on /tmp`. Bytes, like paths.
    pub what: Vec<u8>,
    /// Why it cannot be enforced.
    pub why: String,
}

impl Unenforced {
    pub(super) fn wish(field: Option<Field>, what: &str, why: impl Into<String>) -> Unenforced {
        Unenforced { field, what: what.into(), why: why.into() }
    }

    pub(super) fn op(op: &Op, why: impl Into<String>) -> Unenforced {
        Unenforced { field: Some(Field::Op(op.word)), what: op.fs.in_words(), why: why.into() }
    }

    /// `what: why`, on one line.
    pub fn line(&self) -> Vec<u8> {
        [&self.what, &b": "[..], self.why.as_bytes()].concat()
    }
}

/// The error that names each of them. `too_old` says that the kernel is too old, if it is. Then there is no hint:
/// leaving something out would not help.
pub(super) fn refusal(unenforced: &[Unenforced], too_old: Option<String>) -> Error {
    let part = |one: &Unenforced| Part { field: one.field, place: None, message: one.line() };
    let hint = too_old.is_none().then_some(Hint::Advice(Advice::BestEffort));
    let message = too_old.unwrap_or_default() + "this cannot be enforced here:";
    Error { parts: unenforced.iter().map(part).collect(), hint, ..Error::new(ErrorKind::Unsupported, message) }
}

/// A path for messages: control characters are escaped.
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
        let unenforced = [Unenforced::wish(None, "host name x", "no"), Unenforced::op(&op, "it takes a mount")];
        let error = refusal(&unenforced, None);
        assert_eq!(error.parts.iter().map(|part| part.field).collect::<Vec<_>>(), [None, Some(Field::Op(3))]);
        let text =
            "this cannot be enforced here:\n  host name x: no\n  tmpfs on /a\\x1b[2J (mode 755): it takes a mount";
        assert_eq!(error.text(), text.as_bytes());
        assert_eq!(error.hint, Some(Hint::Advice(Advice::BestEffort)));
    }

    #[test]
    fn a_kernel_that_is_too_old_is_named_first_and_nothing_is_said_to_help() {
        let error = refusal(&[Unenforced::wish(None, "Landlock", "none")], Some("Linux 5.10 is too old: ".into()));
        assert_eq!(error.text(), b"Linux 5.10 is too old: this cannot be enforced here:\n  Landlock: none");
        assert_eq!(error.hint, None);
    }
}
