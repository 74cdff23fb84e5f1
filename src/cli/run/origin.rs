//! Where a word comes from: the command line, or a line of a profile. Errors say it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use super::profile;
use super::terms::worded;
use crate::error::{Error, ErrorKind, Field, Hint, push_printable};

/// Where a word comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    /// The name of the option, whatever form it was typed in; empty where nothing is called so.
    pub option: &'static str,
    /// The profile and the line in it, counted from 1; `None` on the command line.
    pub profile: Option<(Rc<[u8]>, usize)>,
    /// The option with its value, as typed.
    pub word: Rc<[u8]>,
    /// Where its value begins in that.
    pub value_at: usize,
}

impl Origin {
    /// `text` with the place in front that it is about.
    pub(crate) fn before(&self, text: &[u8]) -> Vec<u8> {
        [&self.text(), &b": "[..], text].concat()
    }

    /// The value; empty where there is none.
    pub(crate) fn value(&self) -> &[u8] {
        self.word.get(self.value_at..).unwrap_or_default().trim_ascii()
    }

    /// The words of a value that is a list.
    pub(crate) fn values(&self) -> impl Iterator<Item = &[u8]> {
        self.value().split(|&byte| byte == b',').map(<[u8]>::trim_ascii)
    }

    /// As [`Origin::push`] writes it.
    fn text(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.push(&mut out);
        out
    }

    /// `--ro /x`, or `FILE:LINE: ro /x`.
    pub(crate) fn push(&self, out: &mut Vec<u8>) {
        if let Some((file, line)) = &self.profile {
            push_printable(out, OsStr::from_bytes(file));
            out.extend_from_slice(format!(":{line}: ").as_bytes());
        }
        push_printable(out, OsStr::from_bytes(&self.word));
    }
}

/// Where `option` was set last.
pub(super) fn last<'a>(seen: &'a [Origin], option: &str) -> Option<&'a Origin> {
    seen.iter().rev().find(|origin| origin.option == option)
}

/// Where word number `nth` of all that the lists of `option` have stands.
pub(super) fn nth<'a>(seen: &'a [Origin], option: &str, nth: usize) -> Option<&'a Origin> {
    let mut before = nth;
    seen.iter().filter(|origin| origin.option == option).find(|origin| {
        let count = origin.values().count();
        let is_here = before < count;
        before = before.saturating_sub(count);
        is_here
    })
}

/// Where the field of the spec was asked for, where somebody has asked.
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

/// An error of the engine with the places of what it is about, and what to do about it in words of ours.
pub(super) fn placed(seen: &[Origin], origins: &[Origin], mut error: Error) -> Error {
    let of_field = |field: Option<Field>| field.and_then(|field| of_field(seen, origins, field));
    for part in &mut error.parts {
        part.place = of_field(part.field).map(|origin| origin.text().into());
    }
    let origin = of_field(error.field);
    if error.field == Some(Field::Seccomp) && error.hint.is_none() {
        error.hint = file_meant(origin).map(Hint::Text);
    }
    at(origin, error)
}

/// What to say about the value of an option that nothing is called, where it is a file of the current directory.
fn file_meant(origin: Option<&Origin>) -> Option<String> {
    profile::file_meant(origin?.value())
}

/// `error` with the place that it is about.
pub(super) fn at(origin: Option<&Origin>, error: Error) -> Error {
    Error { place: origin.map(|origin| origin.text().into()).or(error.place), hint: error.hint.map(worded), ..error }
}

/// A refusal, to which the reader adds the word that it is about.
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
