//! Hints for a missing file or program: what the caller probably meant.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::lint;
use super::origin::Origin;
use super::view::{Seen, View};
use crate::error::{printable, push_printable};
use crate::spec::Op;
use crate::spec::path::to_os;

/// A hint for an option whose file is missing on the host. `is_link`: it is a symbolic link that leads nowhere.
pub(super) fn of_missing(origin: &Origin, is_link: bool) -> String {
    let Origin { option, profile, .. } = origin;
    let value = origin.value();
    if is_link {
        return "there is a symbolic link, and nothing where it leads to (ls -l shows it)".into();
    }
    if profile.is_none() && (value == b"~" || value.starts_with(b"~/")) {
        return format!("the shell has left the ~ as it is: write {option} ~/..., as two words, or $HOME");
    }
    if value.contains(&b':') && *option != "--file" {
        return "what stands behind a colon is the place inside; a colon that belongs to a path is written \\:".into();
    }
    match *option {
        "--rw" | "--ro" | "--dev" | "--overlay" => {
            format!("create it first, or write {option}-try, which skips what is missing")
        }
        _ => "create it first".into(),
    }
}

/// A hint for a program that is not found inside. Either the sandbox does not show its interpreter or its loader, or
/// the program exists only outside, such as a toolchain in the home directory.
///
/// `files` are the candidates, relative to the directory `start`. `ops` build the root.
pub(super) fn out_of_sight(files: &[CString], start: &CStr, ops: &[Op]) -> Option<String> {
    let start = Path::new(to_os(start));
    // `components` drops parts that are `.`.
    let path = |file: &CString| start.join(to_os(file)).components().collect::<PathBuf>();
    let outside = files.iter().map(path).find(|path| path.is_file())?;
    let view = View::new(ops);
    if let Seen::Host(host) = view.at(&outside) {
        let lacks = lint::lacks(&view, outside, host)?;
        return Some(String::from_utf8_lossy(&lacks).into_owned());
    }
    let mut hint = b"outside it is ".to_vec();
    push_printable(&mut hint, &outside);
    hint.extend_from_slice(
        b", which this sandbox does not show: --ro its directory (and what it needs), or --profile build for \
          toolchains in your home",
    );
    Some(String::from_utf8_lossy(&hint).into_owned())
}

/// A hint for a command that does not look like a program. `is_missing`: no program of this name was found.
pub(super) fn misread(command: &CStr, is_missing: bool) -> Option<String> {
    let command = command.to_bytes();
    let shown = printable(OsStr::from_bytes(command));
    let path = Path::new(OsStr::from_bytes(command));
    let is_name = |name: &[u8]| name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let variable = command.iter().position(|&byte| byte == b'=').map(|at| &command[..at]);
    if variable.is_some_and(|name| !name.is_empty() && is_name(name)) {
        return Some(format!("a variable is set by an option: --env {shown}"));
    }
    if path.is_dir() {
        return Some(format!("{shown} is a directory, and no program"));
    }
    let blank = command.iter().position(u8::is_ascii_whitespace);
    if let Some(at) = blank.filter(|&at| at > 0 && !path.exists()) {
        let first = printable(OsStr::from_bytes(&command[..at]));
        return Some(format!(
            "this is one word with a blank in it: write the program ({first}) and its arguments as words of their own, \
             without quotes"
        ));
    }
    let is_here = is_missing && !command.contains(&b'/') && path.is_file();
    is_here.then(|| format!("the current directory is not searched: write ./{shown}"))
}
