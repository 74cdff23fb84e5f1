//! `pinfold doctor`: whether boxes work on this host. Nothing here runs when a box is started.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use lexopt::prelude::{Long, Short, Value};

use super::run::look::Desk;
use crate::doctor;
use crate::error::Error;

pub(super) const USAGE: &str = "usage: pinfold doctor [--json]\n";
/// The box that shall work: the default one.
const PROFILE: &CStr = c"workspace";
/// The same without the current directory, where that is none to work in, which is no fact of the host.
const ANYWHERE: &CStr = c"base";
const HELP: &str = "
Says what this host offers to sandboxes, what is missing, what that costs, and
how to mend it. Everything is tried in namespaces of its own, and nothing is left
behind.

      --json  print one JSON document
  -h, --help  print this

The exit code is 0 if `pinfold run true` would work here, and 1 if not.
";

/// Does what the words after `pinfold doctor` say. Returns what is to be printed, and the exit code.
pub(super) fn run(words: &[&CStr], environment: &[&CStr]) -> Result<(String, u8), Error> {
    let mut json = false;
    let mut parser = lexopt::Parser::from_args(words.iter().map(|word| OsStr::from_bytes(word.to_bytes())));
    let bad = |error: lexopt::Error| Error::new(125, format!("{error}\n{USAGE}"));
    while let Some(word) = parser.next().map_err(bad)? {
        match word {
            Short('h') | Long("help") => return Ok((format!("{USAGE}{HELP}"), 0)),
            Long("json") => json = true,
            Short(_) | Long(_) | Value(_) => return Err(bad(word.unexpected())),
        }
    }
    let mut desk = Desk::new(environment);
    let program = || vec![c"true".into()];
    let (spec, door) = desk.meant(PROFILE, program()).or_else(|_| desk.meant(ANYWHERE, program()))?;
    let report = doctor::examine(&spec, environment, &door)?;
    Ok((if json { report.json() } else { report.text() }, u8::from(!report.works())))
}
