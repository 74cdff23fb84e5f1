//! Where a word comes from: the command line, or a line of a profile. Errors say it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::rc::Rc;

use super::profile;
use crate::cli::exit_code::FAILED;
use crate::error::{About, Error, push_printable};

/// Where a word comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Origin {
    /// The profile and the line in it, counted from 1; `None` on the command line.
    pub profile: Option<(Rc<[u8]>, usize)>,
    /// The option with its value, as typed.
    pub word: Rc<[u8]>,
}

impl Origin {
    /// `text` with the place in front that it is about.
    pub(crate) fn before(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.push(&mut out);
        out.extend_from_slice(b": ");
        out.extend_from_slice(text);
        out
    }

    /// The value behind the name of `option`, with or without dashes.
    pub(crate) fn value(&self, option: &str) -> &[u8] {
        let bare = self.word.strip_prefix(b"--").unwrap_or(&self.word);
        let value = bare.strip_prefix(option.trim_start_matches('-').as_bytes()).unwrap_or_default().trim_ascii_start();
        value.strip_prefix(b"=").unwrap_or(value).trim_ascii()
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
pub(super) fn last<'a>(seen: &'a [(&'static str, Origin)], option: &str) -> Option<&'a Origin> {
    seen.iter().rev().find(|(name, _)| *name == option).map(|(_, origin)| origin)
}

/// Where word number `nth` of all that the lists of `option` have stands.
pub(super) fn nth<'a>(seen: &'a [(&'static str, Origin)], option: &str, nth: usize) -> Option<&'a Origin> {
    let mut before = nth;
    let origins = seen.iter().filter(|(name, _)| *name == option).map(|(_, origin)| origin);
    origins.into_iter().find(|origin| {
        let count = 1 + origin.word.iter().filter(|&&byte| byte == b',').count();
        let is_here = before < count;
        before = before.saturating_sub(count);
        is_here
    })
}

/// `error` with the places of what it is about, where these are known.
pub(super) fn placed(seen: &[(&'static str, Origin)], origins: &[Origin], error: Error) -> Error {
    match &error.about {
        Some(About::Wish(wish, number)) => {
            let option = format!("--{wish}");
            let origin = number.map_or_else(|| last(seen, &option), |number| nth(seen, &option, number));
            let hint = file_meant(origin).filter(|_| *wish == "seccomp" && error.hint.is_none());
            // The place says that better.
            let rest = error.message.strip_prefix(format!("{wish}: ").as_bytes()).filter(|_| origin.is_some());
            let message = rest.unwrap_or(&error.message).to_vec();
            let error = at(origin, Error { message, ..error });
            Error { hint: error.hint.or(hint), ..error }
        }
        Some(About::Op(word)) => at(origins.get(*word), error),
        Some(About::Lines(words)) => {
            let mut message = Vec::new();
            // The first line says what all of them are.
            let places = std::iter::once(None).chain(words.iter().map(|word| word.and_then(|word| origins.get(word))));
            for (line, origin) in error.message.split(|&byte| byte == b'\n').zip(places) {
                if !message.is_empty() {
                    message.push(b'\n');
                }
                message.extend_from_slice(line);
                if let Some(origin) = origin {
                    message.extend_from_slice(b"  [");
                    origin.push(&mut message);
                    message.push(b']');
                }
            }
            Error { message, ..error }
        }
        None => error,
    }
}

/// What to say about the value of an option that nothing is called, where it is a file of the current directory.
fn file_meant(origin: Option<&Origin>) -> Option<String> {
    let word = &origin?.word;
    let at = word.iter().position(|byte| b" \t=".contains(byte))?;
    profile::file_meant(word[at + 1..].trim_ascii())
}

/// `error` with the place in front that it is about.
pub(super) fn at(origin: Option<&Origin>, error: Error) -> Error {
    match origin {
        Some(origin) => Error { message: origin.before(&error.message), ..error },
        None => error,
    }
}

/// A refusal in ready words, in front of which the reader puts the word that it is about.
pub(super) fn refuse<T>(message: impl Into<Vec<u8>>) -> Result<T, Error> {
    Err(Error::new(FAILED, message))
}
