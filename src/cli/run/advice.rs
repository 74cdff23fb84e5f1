//! Hints for a missing file or program: what the caller probably meant.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::lint;
use super::origin::Origin;
use super::profile;
use super::view::{Seen, View};
use crate::error::{printable, push_printable, quoted};
use crate::spec::Op;
use crate::spec::path::to_os;
use crate::suggest::nearest;

/// A hint for an option whose file `source` is missing on the host. `is_link`: it is a symbolic link that leads
/// nowhere.
pub(super) fn of_missing(origin: &Origin, source: &CStr, is_link: bool) -> String {
    let Origin { option, .. } = origin;
    let value = origin.value();
    if is_link {
        return "there is a symbolic link, and nothing where it leads to (ls -l shows it)".into();
    }
    let meant = misspelt(Path::new(to_os(source))).map(|near| format!("did you mean {}?", quoted(near)));
    if let Some(meant) = meant.as_ref().filter(|_| *option != "--rw") {
        return meant.clone();
    }
    if value.contains(&b':') && *option != "--file" && meant.is_none() {
        return "what stands behind a colon is the place inside; a colon that belongs to a path is written \\:".into();
    }
    match *option {
        // With --rw-try the output would be written to the sandbox's own files, and be lost.
        "--rw" => {
            let path = quoted(to_os(source));
            // What is to be written is often beside what has nearly the same name.
            let or = meant.map_or_else(String::new, |meant| format!(" (or {meant})"));
            format!(
                "make it first: touch {path} for a file, mkdir {path} for a directory{or}; --rw-try skips what is \
                 missing, and what is written there then is lost"
            )
        }
        "--ro" | "--dev" | "--overlay" => {
            format!("create it first, or write {option}-try, which skips what is missing")
        }
        _ => "create it first".into(),
    }
}

/// How many names of a directory are compared with a misspelt one.
const MOST_NAMES: usize = 10_000;

/// What `path` (missing) probably stands for: the first part of it that is missing, with a name that is nearly the
/// same.
fn misspelt(path: &Path) -> Option<PathBuf> {
    let missing = path.ancestors().take_while(|part| !part.as_os_str().is_empty() && !part.exists()).last()?;
    let parent = missing.parent()?;
    let names = names_in(if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let near = nearest(missing.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    let meant = parent.join(near).join(path.strip_prefix(missing).ok()?);
    // `join` with nothing adds a slash.
    let meant: PathBuf = meant.components().collect();
    meant.exists().then_some(meant)
}

/// Names in `directory`.
fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten().take(MOST_NAMES);
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// A hint for a program that is found neither inside nor outside. `files` are the candidates, as in [`out_of_sight`].
pub(super) fn nowhere(command: &CStr, files: &[CString], start: &CStr) -> Option<String> {
    let name = Path::new(to_os(command));
    let shown = printable(name);
    let start = Path::new(to_os(start));
    if files.iter().any(|file| start.join(to_os(file)).exists()) {
        return None;
    }
    if command.to_bytes().contains(&b'/') {
        let meant = misspelt(&start.join(name)).filter(|meant| meant.is_file());
        return Some(match meant {
            Some(meant) => format!("it is missing outside too; did you mean {}?", quoted(meant)),
            None => format!("{shown} is missing outside too"),
        });
    }
    let directories: Vec<PathBuf> =
        files.iter().filter_map(|file| Some(start.join(to_os(file)).parent()?.into())).collect();
    let names: Vec<String> = directories.iter().flat_map(|directory| names_in(directory)).collect();
    // A name of two letters is a slip of one of many.
    let near =
        name.to_str().filter(|name| name.len() > 2).and_then(|name| nearest(name, names.iter().map(String::as_str)));
    let meant = near.map_or_else(String::new, |near| format!("; did you mean {}?", quoted(near)));
    Some(format!("it is missing outside too, in all directories of PATH{meant}"))
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
    hint.extend_from_slice(b", which this sandbox does not show: --ro its directory (and what it needs)");
    let real = outside.canonicalize().unwrap_or_else(|_| outside.clone());
    if [&outside, &real].into_iter().any(|path| is_of_build(path)) {
        hint.extend_from_slice(b", or --profile build for toolchains in your home");
    }
    Some(String::from_utf8_lossy(&hint).into_owned())
}

/// Whether the profile `build` shows `path`, which lies in a toolchain of the home.
fn is_of_build(path: &Path) -> bool {
    let text = profile::SHIPPED.iter().find(|(name, _)| *name == "build").map_or("", |(_, text)| text);
    let below = |line: &str| Some(format!("/{}/", line.strip_prefix("ro-try ~/")?));
    let path = path.to_string_lossy();
    text.lines().filter_map(below).any(|part| path.contains(&part))
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
