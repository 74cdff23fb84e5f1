//! Fields of a JSON object by name and type, with errors that say where.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::Error;
use crate::suggest::{did_you_mean, nearest};

/// A failure that the author of a profile can mend.
pub(super) fn refuse<T>(place: &str, reason: impl AsRef<str>) -> Result<T, Error> {
    Err(Error::new(125, format!("{place}: {}", reason.as_ref())))
}

/// The first name that an object of `json` has twice, and its line, counted from 1. `json` has been read before, without
/// an error: a reader takes the last of two, silently, and a person may have looked at the first (RFC 8259, section 4).
pub(super) fn repeated(json: &[u8]) -> Option<(String, usize)> {
    let (mut open, mut line) = (Vec::<BTreeSet<String>>::new(), 1);
    let (mut last, mut rest) = (&b""[..], json);
    while let Some((&byte, after)) = rest.split_first() {
        let mut length = 1;
        match byte {
            b'{' => open.push(BTreeSet::new()),
            b'}' => drop(open.pop()),
            b'\n' => line += 1,
            b'"' => {
                length += text_length(after) + 1;
                last = rest.get(..length)?;
            }
            // Outside of strings it stands behind a name only.
            b':' => {
                let name: String = serde_json::from_slice(last).ok()?;
                if !open.last_mut()?.insert(name.clone()) {
                    return Some((name, line));
                }
            }
            _ => {}
        }
        rest = rest.get(length..)?;
    }
    None
}

/// Bytes up to the quote that ends a string.
fn text_length(text: &[u8]) -> usize {
    let mut is_escaped = false;
    let is_end = |&byte: &u8| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    };
    text.iter().position(is_end).unwrap_or(text.len())
}

/// An object whose fields are all known.
pub(super) struct Object<'a> {
    map: &'a Map<String, Value>,
    /// Where it stands: `FILE: syscalls[3] (clone).args[0]`.
    pub(super) place: String,
}

impl<'a> Object<'a> {
    /// `value` as an object that has no other fields than `known`.
    ///
    /// A field that is skipped because nobody knows it may be the misspelt one that makes a rule strict.
    pub(super) fn new(value: &'a Value, place: String, known: &[&str]) -> Result<Object<'a>, Error> {
        let Value::Object(map) = value else { return refuse(place.trim_end_matches(": "), "an object is wanted here") };
        if let Some(name) = map.keys().find(|name| !known.contains(&name.as_str())) {
            let near = did_you_mean(nearest(name, known.iter().copied()));
            return refuse(place.trim_end_matches(": "), format!("unknown field {name:?}{near}"));
        }
        Ok(Object { map, place })
    }

    /// The place of field `name`.
    pub(super) fn at(&self, name: &str) -> String {
        if self.place.ends_with(": ") { format!("{}{name}", self.place) } else { format!("{}.{name}", self.place) }
    }

    /// The field, where it is there and not null (which Go writes for an empty list).
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => refuse(&self.at(name), "a string is wanted here"),
        }
    }

    /// A whole number up to `most`.
    pub(super) fn number(&self, name: &str, most: u64) -> Result<Option<u64>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if number <= most => Ok(Some(number)),
            _ => refuse(&self.at(name), format!("a whole number from 0 to {most} is wanted here")),
        }
    }

    /// The entries of a list with the place of each; none where there is no list.
    pub(super) fn list(&self, name: &str) -> Result<Vec<(String, &'a Value)>, Error> {
        let place = self.at(name);
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(entries)) => {
                Ok(entries.iter().enumerate().map(|(index, entry)| (format!("{place}[{index}]"), entry)).collect())
            }
            Some(_) => refuse(&place, "a list is wanted here"),
        }
    }

    /// A list of strings, each with its place.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<(String, &'a str)>, Error> {
        let text = |(place, value): (String, &'a Value)| match value {
            Value::String(text) => Ok((place, text.as_str())),
            _ => refuse(&place, "a string is wanted here"),
        };
        self.list(name)?.into_iter().map(text).collect()
    }
}
