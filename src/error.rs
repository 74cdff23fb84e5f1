//! One error type, in ready words. Used by every module, uses none.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// A failure of ours, worded for the person who typed the command line.
///
/// It is printed once, by the front door, as `<program>: <message>` and at most one `hint: <hint>` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What failed, with the word, path and reason. Bytes, because paths and arguments are not always UTF-8.
    pub message: Vec<u8>,
    /// The likely cause and what to do about it, where it is known.
    pub hint: Option<String>,
    /// The exit code (1–255) that the tool ends with.
    pub code: u8,
}

impl Error {
    /// An error that ends the tool with `code` (1–255).
    pub fn new(code: u8, message: impl Into<Vec<u8>>) -> Error {
        Error { message: message.into(), hint: None, code }
    }

    /// The same error with a hint line.
    #[must_use]
    pub fn with_hint(mut self, hint: Option<String>) -> Error {
        self.hint = hint;
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// Appends `text` with control characters escaped (`\n`, `\x1b`), all other bytes as they are.
///
/// A path or argument that came from somebody else must not move the cursor or fake a second line of a message
/// (CVE-2023-28101 did that to a permission prompt).
pub(crate) fn push_printable(out: &mut Vec<u8>, text: impl AsRef<OsStr>) {
    for &byte in text.as_ref().as_bytes() {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=0x1f | 0x7f => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            0x20.. => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_other_bytes_kept() {
        let mut out = Vec::new();
        push_printable(&mut out, OsStr::from_bytes(b"a\x1b[2J\n\xffz"));
        assert_eq!(out, b"a\\x1b[2J\\n\xffz");
    }

    #[test]
    fn the_hint_stands_on_a_line_of_its_own() {
        let error = Error::new(1, "no").with_hint(Some("yes".into()));
        assert_eq!(error.to_string(), "no\nhint: yes");
    }
}
