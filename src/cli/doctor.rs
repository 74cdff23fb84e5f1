//! `pinfold doctor`: tests whether sandboxes work on this host. Starting a sandbox uses nothing of this.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use lexopt::prelude::{Long, Short, Value};

use super::commands;
use super::run::look::Desk;
use crate::doctor::{self, Refusal};
use crate::error::Error;

pub(super) const USAGE: &str = "usage: pinfold doctor [--json] [--quiet]\n";
/// The profile that should work: the default one.
const PROFILE: &CStr = c"workspace";
/// The profile to try if the default one cannot start in this directory, which says nothing about the host.
const ANYWHERE: &CStr = c"base";
const HELP: &str = "
Says what this host offers to sandboxes, what is missing, what that costs, and
how to mend it. Everything is tried in namespaces of its own, and nothing is left
behind.

      --json   print one JSON document
  -q, --quiet  leave out what is good to know and costs nothing (note)
  -h, --help   print this

The exit code is 0 if `pinfold run true` would work here, and 1 if not.
";

/// Runs the command line after `pinfold doctor`. Returns the text to print and the exit code.
pub(super) fn run(words: &[&CStr], environment: &[&CStr]) -> Result<(String, u8), Error> {
    let (mut json, mut quiet) = (false, false);
    let mut parser = lexopt::Parser::from_args(words.iter().map(|word| OsStr::from_bytes(word.to_bytes())));
    let bad = |error: lexopt::Error| commands::misused("doctor", None, error.to_string());
    let unknown = |word: &OsStr| commands::unknown_option("doctor", None, word);
    while let Some(word) = parser.next().map_err(bad)? {
        match word {
            Short('h') | Long("help") => return Ok((format!("{USAGE}{HELP}"), 0)),
            Long("json") => json = true,
            Short('q') | Long("quiet") => quiet = true,
            Short(letter) => return Err(unknown(format!("-{letter}").as_ref())),
            Long(name) => return Err(unknown(format!("--{name}").as_ref())),
            Value(word) => return Err(unknown(&word)),
        }
    }
    let mut desk = Desk::new(environment);
    let program = || vec![c"true".into()];
    let (here, (spec, frontend)) = match desk.lowered(PROFILE, program()) {
        Ok(lowered) => (None, lowered),
        Err(error) => {
            let other = desk.lowered(ANYWHERE, program());
            let (is_of_place, is_of_all) = (!desk.is_workspace() && other.is_ok(), other.is_err());
            let refusal = Refusal { directory: desk.directory(), error, is_of_place, is_of_all };
            // The host may still be able to run sandboxes: try without the user's configuration.
            (Some(refusal), other.or_else(|_| Desk::of_nobody().lowered(ANYWHERE, program()))?)
        }
    };
    let profile = if here.is_some() { ANYWHERE } else { PROFILE };
    let alone = desk.without_namespaces(profile, program()).ok();
    let mut report = doctor::examine(&spec, alone.as_ref(), here, environment, &frontend)?;
    if quiet {
        report.leave_out_notes();
    }
    Ok((if json { report.json() } else { report.text() }, u8::from(!report.works())))
}
