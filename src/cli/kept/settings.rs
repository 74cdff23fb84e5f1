//! Settings of git that were kept apart, as the command shows and takes them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::error::{Error, ErrorKind, printable, push_printable};
use crate::sys::{Errno, error_text};
use crate::workspace::kept::Record;
use crate::workspace::kept::settings::{Setting, take_setting};

type Values = [Option<Vec<u8>>];

/// Appends `KEY = VALUE`, a line for each value.
pub(super) fn describe(out: &mut Vec<u8>, setting: &Setting) {
    if setting.what.kept.is_empty() {
        put(out, b"        removed: ", setting, None);
    }
    for value in &setting.what.kept {
        put(out, b"        ", setting, value.as_deref());
    }
}

/// Appends the values of the host and the kept ones.
pub(super) fn diff(out: &mut Vec<u8>, setting: &Setting) {
    out.extend_from_slice(b"setting of ");
    push_printable(out, &setting.path);
    out.extend_from_slice(b":\n");
    for (sign, values) in [(&b"-"[..], &setting.what.host), (b"+", &setting.what.kept)] {
        values.iter().for_each(|value| put(out, sign, setting, value.as_deref()));
    }
}

/// Writes the setting into the host's configuration. Returns whether that was done.
pub(super) fn take(out: &mut Vec<u8>, setting: &Setting, path: &OsStr, record: &Record) -> bool {
    // What the run could write is no place for the git that is started here.
    let writable: Vec<PathBuf> =
        record.overlays.iter().map(|overlay| &overlay.path).chain([&record.place]).cloned().collect();
    let taken = take_setting(setting, path, &writable);
    let start = match taken {
        Ok(()) => "taken: ".to_owned(),
        Err(Errno::ENOEXEC) => "not taken (there is no git in PATH): ".to_owned(),
        Err(Errno::EAGAIN) => "not taken (git refuses it, or the file is locked): ".to_owned(),
        Err(errno) => format!("not taken ({}): ", error_text(errno as i32)),
    };
    out.extend_from_slice(start.as_bytes());
    push_printable(out, OsStr::from_bytes(&setting.what.key));
    out.extend_from_slice(b" of ");
    push_printable(out, &setting.path);
    if taken.is_ok() {
        out.extend_from_slice(b", which was ");
        out.extend_from_slice(before(&setting.what.host).as_bytes());
    }
    out.push(b'\n');
    taken.is_ok()
}

/// The error if a key is in more than one file.
pub(super) fn ambiguous(id: &str, word: &OsStr, one: &Setting) -> Error {
    let mut message = format!("{id} keeps this in more than one file: ").into_bytes();
    push_printable(&mut message, word);
    let hint = format!("FILE:KEY names one: {}:{}", printable(&one.path), printable(OsStr::from_bytes(&one.what.key)));
    Error::new(ErrorKind::Invalid, message).with_hint(Some(hint))
}

fn before(values: &Values) -> String {
    let shown = |value: &Option<Vec<u8>>| printable(OsStr::from_bytes(value.as_deref().unwrap_or(b"true")));
    if values.is_empty() { "not set".to_owned() } else { values.iter().map(shown).collect::<Vec<_>>().join(", ") }
}

fn put(out: &mut Vec<u8>, start: &[u8], setting: &Setting, value: Option<&[u8]>) {
    out.extend_from_slice(start);
    push_printable(out, OsStr::from_bytes(&setting.what.key));
    if let Some(value) = value {
        out.extend_from_slice(b" = ");
        push_printable(out, OsStr::from_bytes(value));
    }
    out.push(b'\n');
}
