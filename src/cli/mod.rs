//! The front ends. This module selects the front end and the command, and prints the error.
#![forbid(unsafe_code)]

pub(crate) mod bwrap;
mod commands;
mod console;
mod doctor;
mod exit_code;
mod kept;
mod profile;
mod render;
pub(crate) mod run;
mod seccomp;
mod table;

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, push_printable, quoted};
use crate::exec;
use crate::host;
pub use crate::sys::cmdline::CommandLine;
use commands::Id;
use console::{VERSION, complain, complaint, end, print};
use table::Action;

/// Runs the command line `line` and returns the exit code.
///
/// Installed or linked as `bwrap`, this program is bubblewrap; `pinfold bwrap …` is the same. Inside a sandbox, it may
/// be running because it has executed itself (`exec::resume`).
pub fn main(line: CommandLine) -> u8 {
    if line.words().first() == Some(&exec::STARTING) {
        exec::resume(line);
    }
    if is_bubblewrap(&line.words()) {
        return bwrap::run(line, 1);
    }
    pinfold_command(line)
}

/// Whether a command line is bubblewrap's.
///
/// The name decides if it contains one of the two names: `flatpak-bwrap` is bubblewrap, `pinfold-1.0` is not. Any other
/// name tells nothing, such as that of a program that runs itself through `/proc/self/exe`. Then the first word
/// decides: an option of bubblewrap means bubblewrap, since the first word of `pinfold` is a command. `--help` and
/// `--version` do not count, because both front ends have them.
fn is_bubblewrap(words: &[&CStr]) -> bool {
    let called = words.first().map_or(&b""[..], |word| word.to_bytes());
    let name = called.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let is_part = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    let is_bubblewraps = |word: &&CStr| {
        let own = table::opts(bwrap::TABLE).filter(|opt| !matches!(opt.action, Action::Help | Action::Version));
        own.into_iter().any(|opt| opt.name.as_bytes() == word.to_bytes())
    };
    is_part(b"bwrap") || (!is_part(b"pinfold") && words.get(1).is_some_and(is_bubblewraps))
}

/// `pinfold VERB …`.
fn pinfold_command(line: CommandLine) -> u8 {
    let Some(word) = line.words().get(1).map(|word| word.to_bytes().to_vec()) else {
        let message = format!("no command is given\n{}", render::overview_usage().trim_end());
        return end("pinfold", Err(Error::new(ErrorKind::Invalid, message)));
    };
    match word.as_slice() {
        b"--help" | b"-h" | b"help" => return end("pinfold", print(render::overview(), 0)),
        b"--version" | b"-V" => return end("pinfold", print(VERSION, 0)),
        _ => {}
    }
    match commands::find(&String::from_utf8_lossy(&word)) {
        Ok(command) => {
            // Refuse privileges that the program's file gives (setuid) before any file is read: the caller may not be
            // allowed to read it (CVE-2020-5291 and similar). The `bwrap` front end refuses in its own words.
            if command.id != Id::Bwrap
                && let Err(error) = host::refuse_privileges()
            {
                complain("pinfold", "", &error);
                // For `doctor` this is a finding like others.
                return exit_code_of(command.id, &error);
            }
            carry_out(command.id, line)
        }
        Err(near) => {
            let mut message = b"unknown command ".to_vec();
            push_printable(&mut message, OsStr::from_bytes(&word));
            let is_option = table::opts(run::table::TABLE).any(|opt| opt.name.as_bytes() == word);
            let is_bubblewraps = table::opts(bwrap::TABLE).any(|opt| opt.name.as_bytes() == word);
            let hint = match near {
                Some(near) => format!("did you mean {near}?"),
                None if is_option => "an option stands behind its command: pinfold run [OPTIONS...]".into(),
                None if is_bubblewraps => "that is an option of bubblewrap: pinfold bwrap [OPTIONS...]".into(),
                None if is_program(&word, &line.environment()) => {
                    format!("a program is run by `pinfold run {}`", quoted(OsStr::from_bytes(&word)))
                }
                None => "`pinfold --help` lists the commands".into(),
            };
            complain("pinfold", "", &Error::new(ErrorKind::Invalid, message).with_hint(Some(hint)));
            exit_code::FAILED
        }
    }
}

/// Whether an unknown command is a program in the caller's `PATH`, or a file.
fn is_program(word: &[u8], environment: &[&CStr]) -> bool {
    let name = OsStr::from_bytes(word);
    let path = environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH=")).unwrap_or_default();
    let mut places = path.split(|&byte| byte == b':').map(|place| Path::new(OsStr::from_bytes(place)));
    let is_file = |place: &Path| place.is_absolute() && place.join(name).is_file();
    !word.starts_with(b"-") && if word.contains(&b'/') { Path::new(name).is_file() } else { places.any(is_file) }
}

/// The exit code of a command that ends with `error`.
fn exit_code_of(command: Id, error: &Error) -> u8 {
    if command == Id::Doctor { exit_code::of_doctor(error.kind) } else { exit_code::of(error.kind) }
}

/// Runs one command and returns the exit code.
fn carry_out(command: Id, line: CommandLine) -> u8 {
    match command {
        Id::Run => run_command(line),
        Id::Bwrap => bwrap::run(line, 2),
        Id::Profile => profile_command(line),
        Id::Seccomp => seccomp_command(line),
        Id::Kept => kept_command(line),
        Id::Doctor => doctor_command(line),
    }
}

/// `pinfold run …`.
fn run_command(line: CommandLine) -> u8 {
    run::run(line).unwrap_or_else(|error| {
        run::tell(&complaint("pinfold", "", &error));
        exit_code_of(Id::Run, &error)
    })
}

/// `pinfold profile …`.
fn profile_command(line: CommandLine) -> u8 {
    let done = profile::run(line.words().get(2..).unwrap_or_default(), &line.environment());
    end("pinfold profile", done.and_then(|(text, code)| print(text, code)))
}

/// `pinfold seccomp …`.
fn seccomp_command(line: CommandLine) -> u8 {
    let done = seccomp::run(line.words().get(2..).unwrap_or_default()).and_then(|output| match output {
        seccomp::Output::Text(text) => print(text, 0),
        seccomp::Output::Filter(bytes, path) => seccomp::deliver(&bytes, &path),
    });
    end("pinfold seccomp", done)
}

/// `pinfold kept …`.
fn kept_command(line: CommandLine) -> u8 {
    let done = kept::run(line.words().get(2..).unwrap_or_default(), &line.environment());
    end("pinfold kept", done.and_then(|(text, code)| print(text, code)))
}

/// `pinfold doctor …`.
fn doctor_command(line: CommandLine) -> u8 {
    match doctor::run(line.words().get(2..).unwrap_or_default(), &line.environment()) {
        Ok((text, code)) => end("pinfold doctor", print(text, code)),
        Err(error) => {
            complain("pinfold doctor", "", &error);
            exit_code_of(Id::Doctor, &error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides_and_the_first_word_where_it_says_nothing() {
        for name in
            [c"bwrap", c"/usr/bin/bwrap", c"flatpak-bwrap", c"./bwrap-0.12", c"/pinfold/bwrap", c"pinfold-bwrap"]
        {
            for rest in [&[][..], &[c"--help"], &[c"true"], &[c"--bogus"], &[c"run"]] {
                assert!(is_bubblewrap(&[&[name], rest].concat()), "{name:?} {rest:?}");
            }
        }
        for name in [c"pinfold", c"/usr/bin/pinfold", c"pinfold-1.0", c"/bwrap/pinfold"] {
            for rest in [&[][..], &[c"--help"], &[c"--ro-bind", c"/", c"/"], &[c"bwrap", c"--bind"]] {
                assert!(!is_bubblewrap(&[&[name], rest].concat()), "{name:?} {rest:?}");
            }
        }
        for name in [c"/proc/self/exe", c"exe", c"", c"/tmp/", c"sandbox"] {
            for word in [c"--ro-bind", c"--args", c"--unshare-all", c"--setenv", c"--level-prefix"] {
                assert!(is_bubblewrap(&[name, word]), "{name:?} {word:?}");
            }
            for word in [c"--help", c"--version", c"run", c"bwrap", c"--bogus", c"--ro-bind=/", c"--", c""] {
                assert!(!is_bubblewrap(&[name, word]), "{name:?} {word:?}");
            }
            assert!(!is_bubblewrap(&[name]));
        }
        assert!(!is_bubblewrap(&[]), "execve(2) with no arguments at all");
    }
}
