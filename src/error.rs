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
    /// What it is about, where that is known. A front door may know where it was typed.
    pub about: Option<About>,
}

/// What an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// A wish that is no operation: `seccomp`, `syscall-deny`. Of several, or of a list, the one with this number,
    /// counted from 0, where it is known which.
    Wish(&'static str, Option<usize>),
    /// An operation, by its [`crate::spec::Op::word`].
    Op(usize),
    /// Each line of the message but the first is about an operation, by its word, or about none.
    Lines(Vec<Option<usize>>),
}

impl Error {
    /// An error that ends the tool with `code` (1–255).
    pub fn new(code: u8, message: impl Into<Vec<u8>>) -> Error {
        Error { message: message.into(), hint: None, code, about: None }
    }

    /// The same error, about a wish.
    #[must_use]
    pub(crate) fn about(self, wish: &'static str) -> Error {
        self.concerning(About::Wish(wish, None))
    }

    /// The same error, about this.
    #[must_use]
    pub(crate) fn concerning(mut self, about: About) -> Error {
        self.about = Some(about);
        self
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

/// What to do where no more descriptors may be open (`EMFILE`).
pub(crate) const MORE_FILES: &str = "raise the limit of open files (ulimit -n)";

/// The hint where the kernel does not have a call (ENOSYS), or somebody says so.
pub(crate) const MISSING_CALL: &str = "pinfold needs Linux 5.12 or newer (mount_setattr, openat2, close_range, pidfd_open), and no filter that hides these \
     calls: inside one of `pinfold run`, begin that with --allow-userns --landlock off";

/// Appends `text` with control characters escaped (`\n`, `\x1b`, `\u{9b}`), all other bytes as they are.
///
/// A path or argument that came from somebody else must not move the cursor, turn the direction of writing around or
/// fake a second line of a message (CVE-2023-28101 did that to a permission prompt).
pub(crate) fn push_printable(out: &mut Vec<u8>, text: impl AsRef<OsStr>) {
    for chunk in text.as_ref().as_bytes().utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' => out.extend_from_slice(b"\\n"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\0'..='\x1f' | '\x7f' => out.extend_from_slice(format!("\\x{:02x}", u32::from(letter)).as_bytes()),
                letter if is_hidden(letter) => out.extend(letter.escape_unicode().map(|escaped| escaped as u8)),
                letter => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
}

/// `text` as [`push_printable`] has it, and what is no UTF-8 replaced.
pub(crate) fn printable(text: impl AsRef<OsStr>) -> String {
    let mut out = Vec::new();
    push_printable(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// `text` as one word of a shell, which executes nothing in it; a terminal shows what is there. Where that takes escapes
/// (`$'...'`, POSIX.1-2024, and bash, zsh and ksh since long) the word is still the same to the byte.
pub(crate) fn quoted(text: impl AsRef<OsStr>) -> String {
    let bytes = text.as_ref().as_bytes();
    // A word with `=` in it may be an assignment, but not an option.
    let is_option = bytes.starts_with(b"-");
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(byte) || is_option && *byte == b'=';
    match std::str::from_utf8(bytes) {
        Ok(plain) if !plain.is_empty() && bytes.iter().all(is_bare) => plain.to_owned(),
        Ok(seen) if !seen.chars().any(|letter| letter.is_ascii_control() || is_hidden(letter)) => {
            format!("'{}'", seen.replace('\'', r"'\''"))
        }
        _ => {
            let escaped = |chunk: std::str::Utf8Chunk<'_>| {
                let seen = chunk.valid().chars().map(|letter| match letter {
                    '\\' | '\'' => format!("\\{letter}"),
                    letter if letter.is_ascii_control() || is_hidden(letter) => {
                        letter.encode_utf8(&mut [0; 4]).bytes().map(in_octal).collect()
                    }
                    letter => letter.to_string(),
                });
                seen.chain(chunk.invalid().iter().copied().map(in_octal)).collect::<String>()
            };
            format!("$'{}'", bytes.utf8_chunks().map(escaped).collect::<String>())
        }
    }
}

/// Three octal digits: a shell reads no more of them, as it may of hexadecimal ones.
fn in_octal(byte: u8) -> String {
    format!("\\{byte:03o}")
}

/// Text of a JSON value with what cannot be seen escaped, so that a terminal shows what is there. Strings are the only
/// place where it can stand.
pub(crate) fn printable_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_hidden(letter) || letter == '\x7f' {
            // Beyond the first 65536 it takes two (RFC 8259, section 7).
            let units =
                letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            out.push_str(&units);
        } else {
            out.push(letter);
        }
    }
    out
}

/// Control characters beyond ASCII, those that turn the direction of writing around (Unicode, annex 9; CVE-2021-42574),
/// and those that show nothing at all: spaces without width, joiners, fillers, variation selectors, the byte order mark,
/// tags.
fn is_hidden(letter: char) -> bool {
    // Down to the next comment this is Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties.txt).
    matches!(
        letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            // C1 controls, ends of lines and paragraphs, a pattern of Braille without a dot, marks of annotations.
            | '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{2029}' | '\u{2800}' | '\u{fff9}'..='\u{fffb}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_other_bytes_kept() {
        let mut out = Vec::new();
        push_printable(&mut out, OsStr::from_bytes(b"a\x1b[2J\n\xffz"));
        assert_eq!(out, b"a\\x1b[2J\\n\xffz");
        let mut out = Vec::new();
        push_printable(&mut out, "é\u{9b}2J\u{202e}\u{2069}ß");
        assert_eq!(String::from_utf8(out).unwrap(), r"é\u{9b}2J\u{202e}\u{2069}ß");
    }

    #[test]
    fn what_shows_nothing_is_escaped_and_its_neighbours_are_kept() {
        for range in [
            0xad..=0xad_u32,
            0x34f..=0x34f,
            0x61c..=0x61c,
            0x115f..=0x1160,
            0x17b4..=0x17b5,
            0x180b..=0x180f,
            0x200b..=0x200f,
            0x2028..=0x202e,
            0x2060..=0x206f,
            0x2800..=0x2800,
            0x3164..=0x3164,
            0xfe00..=0xfe0f,
            0xfeff..=0xfeff,
            0xffa0..=0xffa0,
            0xfff0..=0xfffb,
            0x1bca0..=0x1bca3,
            0x1d173..=0x1d17a,
            0xe0000..=0xe0fff,
        ] {
            for outside in [range.start() - 1, range.end() + 1].into_iter().filter_map(char::from_u32) {
                assert_eq!(printable(outside.to_string()), outside.to_string(), "{:x}", u32::from(outside));
            }
            for letter in range.filter_map(char::from_u32) {
                assert_eq!(printable(letter.to_string()), format!("\\u{{{:x}}}", u32::from(letter)));
                let octal: String = letter.to_string().bytes().map(in_octal).collect();
                assert_eq!(quoted(letter.to_string()), format!("$'{octal}'"));
            }
        }
    }

    #[test]
    fn a_word_of_a_shell_is_what_it_was_and_executes_nothing() {
        for (text, word) in [
            (&b"/a/b-c.d:@%,+_1"[..], "/a/b-c.d:@%,+_1"),
            (b"--x=/y", "--x=/y"),
            (b"A=b", "'A=b'"),
            (b"", "''"),
            (b"~/x", "'~/x'"),
            (b"/a b/$(x)'y\"\\", r#"'/a b/$(x)'\''y"\'"#),
            ("/\u{e9}".as_bytes(), "'/\u{e9}'"),
            (b"a\n'1\\\x1b[2J", r"$'a\012\'1\\\033[2J'"),
            (b"/\xff1\xe2\x80\xae", r"$'/\3771\342\200\256'"),
        ] {
            assert_eq!(quoted(OsStr::from_bytes(text)), word);
        }
    }

    #[test]
    fn json_says_the_same_with_what_cannot_be_seen_escaped() {
        let text = "é\u{9b}\u{202e}\u{7f}\u{e0041}";
        let json = printable_json(&serde_json::json!({ "é": text }).to_string());
        assert_eq!(json, r#"{"é":"é\u009b\u202e\u007f\udb40\udc41"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["é"], text);
    }

    #[test]
    fn the_hint_stands_on_a_line_of_its_own() {
        let error = Error::new(1, "no").with_hint(Some("yes".into()));
        assert_eq!(error.to_string(), "no\nhint: yes");
    }
}
