//! Reads fields of a JSON object by name and type. Errors say where.

use std::cell::RefCell;
use std::fmt;

use serde_core::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Deserializer, Map, Value};

use crate::error::{Error, ErrorKind};
use crate::suggest::{did_you_mean, nearest};

/// An error that the author of a profile can fix.
pub(crate) fn refuse<T>(place: &str, reason: impl AsRef<str>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::Invalid, format!("{place}: {}", reason.as_ref())))
}

/// Reads `text`; `file` is its name in messages. A field that appears twice in an object is an error: a reader silently
/// takes the second one, and a person may have looked at the first (RFC 8259, section 4).
pub(crate) fn read(file: &str, text: &[u8]) -> Result<Value, Error> {
    // RFC 8259, section 8.1: a byte order mark may be ignored.
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
    let repeated = RefCell::new(None);
    let mut json = Deserializer::from_slice(text);
    let value = Unique(&repeated).deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    value.or_else(|error| match repeated.into_inner() {
        Some(name) => refuse(file, format!("field {name:?} is there twice (line {})", error.line())),
        None => refuse(file, format!("this is no JSON: {error}")),
    })
}

/// Reads a value and refuses repeated fields. The cell gets the name of a repeated field.
#[derive(Clone, Copy)]
struct Unique<'a>(&'a RefCell<Option<String>>);

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = entries.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                self.0.replace(Some(name));
                return Err(de::Error::custom("a field is there twice"));
            }
            object.insert(name, fields.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}

/// An object in which every field is known, but for those that begin with `_`: such a field (`"_comment"`) is a remark,
/// and Docker and Podman pass it over as any that they do not know.
pub(crate) struct Object<'a> {
    map: &'a Map<String, Value>,
    /// Where it stands: `FILE`, `FILE: syscalls[3] (clone).args[0]`.
    pub(crate) place: String,
    /// What stands between that and the name of a field.
    separator: &'static str,
}

impl<'a> Object<'a> {
    /// `value` as an object with no fields but `known` and remarks.
    ///
    /// An unknown field is an error: it may be the misspelt field that makes a rule strict.
    pub(crate) fn new(value: &'a Value, place: String, known: &[&str]) -> Result<Object<'a>, Error> {
        let Value::Object(map) = value else { return refuse(&place, "an object is wanted here") };
        if let Some(name) = map.keys().find(|name| !name.starts_with('_') && !known.contains(&name.as_str())) {
            let near = did_you_mean(nearest(name, known.iter().copied()));
            return refuse(&place, format!("unknown field {name:?}{near}"));
        }
        Ok(Object { map, place, separator: "." })
    }

    /// The same of a whole file.
    pub(crate) fn of_file(value: &'a Value, file: &str, known: &[&str]) -> Result<Object<'a>, Error> {
        Ok(Object { separator: ": ", ..Object::new(value, file.to_owned(), known)? })
    }

    /// The place of field `name`.
    pub(crate) fn at(&self, name: &str) -> String {
        format!("{}{}{name}", self.place, self.separator)
    }

    /// The field `name`, if it is present and not null. Go writes null for an empty list.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => refuse(&self.at(name), "a string is wanted here"),
        }
    }

    /// A whole number, at most `most`.
    pub(crate) fn number(&self, name: &str, most: u64) -> Result<Option<u64>, Error> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_u64() {
            Some(number) if number <= most => Ok(Some(number)),
            _ => refuse(&self.at(name), format!("a whole number from 0 to {most} is wanted here")),
        }
    }

    /// The entries of a list, each with its place. No entries if there is no list.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<(String, &'a Value)>, Error> {
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
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<(String, &'a str)>, Error> {
        let text = |(place, value): (String, &'a Value)| match value {
            Value::String(text) => Ok((place, text.as_str())),
            _ => refuse(&place, "a string is wanted here"),
        };
        self.list(name)?.into_iter().map(text).collect()
    }
}
