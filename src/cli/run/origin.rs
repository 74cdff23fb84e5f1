//! The origin of a word: the command line, or a line of a profile. Errors show it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use super::profile;
use super::terms::worded;
use crate::error::{Error, ErrorKind, Field, Hint, push_printable};

/// The origin of a word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    /// The full name of the option, in whatever form it was typed; empty for an unknown option.
    pub option: &'static str,
    /// The profile and the line number in it, from 1; `None` for the command line.
    pub profile: Option<(Rc<[u8]>, usize)>,
    /// The option with its value, as typed.
    pub word: Rc<[u8]>,
    /// The index in `word` where the value begins.
    pub value_at: usize,
}

impl Origin {
    /// Puts the origin before `text`.
    pub(crate) fn before(&self, text: &[u8]) -> Vec<u8> {
        [&self.text(), &b": "[..], text].concat()
    }

    /// The value; empty if there is none.
    pub(crate) fn value(&self) -> &[u8] {
        self.word.get(self.value_at..).unwrap_or_default().trim_ascii()
    }

    /// The words of a value that is a list with commas.
    pub(crate) fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.value().split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
    }

    /// The text that [`Origin::push`] writes.
    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.push(&mut out);
        out
    }

    /// Appends the origin to `out`: `--ro /x`, or `FILE:LINE: ro /x`.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        if let Some((file, line)) = &self.profile {
            push_printable(out, OsStr::from_bytes(file));
            out.extend_from_slice(format!(":{line}: ").as_bytes());
        }
        push_printable(out, OsStr::from_bytes(&self.word));
    }
}

/// The last origin that sets `option`.
pub(super) fn last<'a>(seen: &'a [Origin], option: &str) -> Option<&'a Origin> {
    seen.iter().rev().find(|origin| origin.option == option)
}

/// The origin of list word number `nth`, counted over all values of `option`.
pub(super) fn nth<'a>(seen: &'a [Origin], option: &str, nth: usize) -> Option<&'a Origin> {
    let mut before = nth;
    seen.iter().filter(|origin| origin.option == option).find(|origin| {
        let count = origin.values().count();
        let is_here = before < count;
        before = before.saturating_sub(count);
        is_here
    })
}

/// The origin that asked for a field of the spec, if any did.
fn of_field<'a>(seen: &'a [Origin], origins: &'a [Origin], field: Field) -> Option<&'a Origin> {
    match field {
        Field::Op(word) => origins.get(word),
        Field::NetNs => last(seen, "--net").or_else(|| last(seen, "--share")),
        Field::PidNs | Field::IpcNs | Field::UtsNs | Field::CgroupNs => last(seen, "--share"),
        Field::Uid => last(seen, "--uid"),
        Field::Gid => last(seen, "--gid"),
        Field::Chdir => last(seen, "--workdir"),
        Field::KeepFd(number) => nth(seen, "--keep-fd", number),
        Field::Caps => last(seen, "--cap-add"),
        Field::Seccomp => last(seen, "--seccomp"),
        Field::SyscallDeny(number) => nth(seen, "--syscall-deny", number),
        Field::SyscallAllow(number) => nth(seen, "--syscall-allow", number),
        Field::Landlock => last(seen, "--landlock"),
        Field::ConnectTcp => last(seen, "--tcp-connect"),
        Field::BindTcp => last(seen, "--tcp-bind"),
        Field::JsonStatusFd => last(seen, "--json-status-fd"),
        // No option asks for these.
        Field::UserNs
        | Field::InnerUserNs
        | Field::UserMapsFrom
        | Field::JoinedPidNs
        | Field::Command
        | Field::ExecLabel
        | Field::FileLabel
        | Field::NestedUserNs
        | Field::AsPid1
        | Field::InfoFd => None,
    }
}

/// Adds the origins to an error of the engine, and puts its hint in terms of our options.
pub(super) fn placed(seen: &[Origin], origins: &[Origin], mut error: Error) -> Error {
    let of_field = |field: Option<Field>| field.and_then(|field| of_field(seen, origins, field));
    for part in &mut error.parts {
        part.place = of_field(part.field).map(|origin| origin.text().into());
    }
    let origin = of_field(error.field);
    if error.field == Some(Field::Seccomp) {
        error.hint = file_meant(origin).map(Hint::Text).or(error.hint);
    }
    at(origin, error)
}

/// A hint for an unknown name that is the name of a file in the current directory.
fn file_meant(origin: Option<&Origin>) -> Option<String> {
    profile::file_meant(origin?.value())
}

/// Adds the origin to `error`.
pub(super) fn at(origin: Option<&Origin>, error: Error) -> Error {
    Error { place: origin.map(|origin| origin.text().into()).or(error.place), hint: error.hint.map(worded), ..error }
}

/// Refuses a word with this message. The reader adds the origin.
pub(super) fn refuse<T>(message: impl Into<Vec<u8>>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::Invalid, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Advice, Part};

    fn typed(option: &'static str, value: &str) -> Origin {
        let word = format!("{option} {value}").into_bytes().into();
        Origin { option, profile: None, word, value_at: option.len() + 1 }
    }

    #[test]
    fn a_field_leads_to_the_word_that_asked_for_it() {
        let seen =
            [typed("--syscall-deny", "a,b"), typed("--uid", "1"), typed("--syscall-deny", "c"), typed("--uid", "2")];
        let origins = [typed("--ro", "/x")];
        let place = |field| {
            let error = Error { field: Some(field), ..Error::new(ErrorKind::Invalid, "no") };
            String::from_utf8(placed(&seen, &origins, error).text()).unwrap()
        };
        assert_eq!(place(Field::SyscallDeny(1)), "--syscall-deny a,b: no");
        assert_eq!(place(Field::SyscallDeny(2)), "--syscall-deny c: no");
        // One that an option implies, and nobody typed.
        assert_eq!(place(Field::SyscallDeny(3)), "no");
        assert_eq!(place(Field::Uid), "--uid 2: no");
        assert_eq!(place(Field::Op(0)), "--ro /x: no");
        assert_eq!(place(Field::Command), "no");
    }

    #[test]
    fn parts_have_places_of_their_own_and_advice_has_our_words() {
        let part = |field| Part { field, place: None, message: b"part".to_vec() };
        let parts = [part(Some(Field::Op(0))), part(None)].into();
        let error = Error { parts, ..Error::new(ErrorKind::Unsupported, "these:") }.with_advice(Advice::BestEffort);
        let placed = placed(&[], &[typed("--ro", "/x")], error);
        assert_eq!(placed.text(), b"these:\n  part  [--ro /x]\n  part");
        assert!(placed.hint.is_some_and(|hint| hint.to_string().contains("--best-effort ")));
    }
}
