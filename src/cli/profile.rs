//! `pinfold profile …`: lists, shows, checks and compares profiles. Starting a sandbox uses nothing of this.

use std::ffi::{CStr, CString, OsStr};
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::cli::commands::{self, PROFILE, Subcommand};
use crate::cli::console;
use crate::cli::render;
use crate::cli::run::look::Desk;
use crate::error::{Error, ErrorKind, printable, push_printable};
use crate::spec::path::to_os;

const HELP: &str = "
A profile is a file of options of `pinfold run`, one a line. `check` with a command also
says whether that, its interpreter and its loader are visible inside, and whether it
would start in the current directory. `diff` compares what the two say with all that
they build on.

A profile, or a filter of system calls, that lies in the project where the run starts is
used only after `trust`, and until it changes: an earlier box may have written it.

  -q, --quiet  print no notes; the exit code of `check` is the same

pinfold-profile(5) describes profiles.
";

/// The text to print, and the exit code.
pub(super) type Output = (Vec<u8>, u8);

/// Runs the command line after `pinfold profile`. `environment` is the caller's.
pub(super) fn run(words: &[&CStr], environment: &[&CStr]) -> Result<Output, Error> {
    let Some((&word, rest)) = words.split_first() else {
        return Err(commands::misused("profile", None, "a command is missing"));
    };
    if [word].iter().chain(rest.first()).any(|&word| word == c"--help" || word == c"-h") || word == c"help" {
        return Ok((format!("{}\n{}{HELP}", usage(), render::sub_briefs(PROFILE)).into_bytes(), 0));
    }
    let sub = PROFILE.iter().find(|sub| sub.name.as_bytes() == word.to_bytes());
    let is_option = |word: &&CStr| word.to_bytes().starts_with(b"-") && *word != c"--";
    let Some(sub) = sub else {
        return Err(if is_option(&word) {
            commands::unknown_option("profile", None, to_os(word))
        } else {
            commands::unknown_command("profile", PROFILE, to_os(word))
        });
    };
    // After the profile of `check` comes a command, whose options are its own.
    let end = if sub.name == "check" { rest.iter().take_while(|word| is_option(word)).count() } else { rest.len() };
    let (own, command) = rest.split_at(end);
    let (mut rest, given) = commands::split("profile", sub, own)?;
    let is_quiet = given.contains(&"--quiet");
    rest.extend(command);
    let mut desk = Desk::new(environment);
    let done = carry_out(&mut desk, sub, &rest, is_quiet);
    if !is_quiet {
        desk.notes().for_each(|note| console::tell(&[b"pinfold profile: note: ", note, b"\n"].concat()));
    }
    done
}

fn carry_out(desk: &mut Desk<'_>, sub: &Subcommand, rest: &[&CStr], is_quiet: bool) -> Result<Output, Error> {
    match (sub.name, rest) {
        ("list", []) => Ok((list(desk), 0)),
        ("show", [name]) => Ok((shown(desk.text(name)?, io::stdout().is_terminal()), 0)),
        ("diff", [old, new]) => diff(desk, old, new),
        ("trust", [file]) => trust(desk, file),
        ("check", [name, command @ ..]) => {
            let command = command.strip_prefix(&[c"--"]).unwrap_or(command);
            check(desk, name, command.iter().map(|&word| word.to_owned()).collect(), is_quiet)
        }
        _ => {
            let words: Vec<&OsStr> = rest.iter().map(|word| to_os(word)).collect();
            Err(commands::wrong_count("profile", sub, &words))
        }
    }
}

/// Prepares the text of a profile for printing. Somebody else may have written it: on a terminal, its control
/// characters must not move the cursor and fake the text (CVE-2023-28101). A file or a pipe gets the exact bytes.
fn shown(text: Vec<u8>, on_terminal: bool) -> Vec<u8> {
    if !on_terminal {
        return text;
    }
    let mut out = Vec::with_capacity(text.len());
    for piece in text.split_inclusive(|byte| b"\t\n".contains(byte)) {
        let (piece, end) = match piece.split_last() {
            Some((end, piece)) if b"\t\n".contains(end) => (piece, Some(*end)),
            _ => (piece, None),
        };
        push_printable(&mut out, OsStr::from_bytes(piece));
        out.extend(end);
    }
    out
}

fn list(desk: &mut Desk<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, path) in desk.names() {
        // Skip a name that cannot be typed.
        let Ok(typed) = CString::new(name.as_str()) else { continue };
        // Skip a profile that cannot be read.
        let Ok(text) = desk.text(&typed) else { continue };
        let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        push_printable(&mut out, &name);
        out.resize(out.len() + 14_usize.saturating_sub(name.len()).max(1), b' ');
        push_printable(
            &mut out,
            OsStr::from_bytes(first.trim_ascii_start().strip_prefix(b"#").unwrap_or(b"").trim_ascii()),
        );
        out.extend_from_slice(b" [");
        push_printable(&mut out, path.as_deref().unwrap_or(Path::new("built in")));
        out.extend_from_slice(b"]\n");
    }
    out
}

/// Checks a profile and prints its probable mistakes, unless `is_quiet`. The exit code is 1 if there are any.
fn check(desk: &mut Desk<'_>, name: &CStr, command: Vec<CString>, is_quiet: bool) -> Result<Output, Error> {
    let notes = desk.lint(name, command)?;
    let out = notes.iter().filter(|_| !is_quiet).flat_map(|note| [&note[..], b"\n"].concat()).collect();
    Ok((out, u8::from(!notes.is_empty())))
}

/// Prints the options that only one of the two profiles has. The exit code is 1 if they differ.
fn diff(desk: &mut Desk<'_>, old: &CStr, new: &CStr) -> Result<Output, Error> {
    let (old, new) = (desk.lines(old)?, desk.lines(new)?);
    let mut out = Vec::new();
    for (sign, lines, other) in [(b"- ", &old, &new), (b"+ ", &new, &old)] {
        for line in lines.iter().filter(|line| !other.contains(line)) {
            out.extend_from_slice(sign);
            push_printable(&mut out, OsStr::from_bytes(line));
            out.push(b'\n');
        }
    }
    let is_same_set = out.is_empty();
    if is_same_set && old != new {
        out.extend_from_slice(b"the same options in another order\n");
    }
    let code = u8::from(!out.is_empty());
    Ok((out, code))
}

/// Has the text of a profile, or of a seccomp profile, used from now on, also where earlier boxes may have written it.
fn trust(desk: &mut Desk<'_>, file: &CStr) -> Result<Output, Error> {
    if !file.to_bytes().contains(&b'/') {
        let shown = printable(to_os(file));
        let hint = format!("a file is written with its directory: ./{shown}; profiles that have a name need no trust");
        return Err(Error::new(ErrorKind::Invalid, format!("{shown}: this is no path")).with_hint(Some(hint)));
    }
    let mut out = Vec::new();
    push_printable(&mut out, desk.trust(file)?);
    out.extend_from_slice(b" is used as it is now; when it changes, this is to be said again\n");
    Ok((out, 0))
}

fn usage() -> String {
    render::sub_usage("profile", PROFILE)
}
