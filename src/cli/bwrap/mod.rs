//! The `bwrap` front end, with bubblewrap's options, messages and exit codes.

pub(super) mod args;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(super) mod lower;
mod messages;
pub(super) mod parse;
mod table;

use crate::cli::{CommandLine, console, render};
use crate::error::Error;
use crate::host::{Caller, Host};
use crate::plan;
use crate::spec::{CapSet, FdNumber, Spec};
use crate::supervise::{self, Frontend};
use crate::sys::{content, error_text, fd};
use args::Args;
use lower::{Context, Lowered};
use messages::Bubblewrap;
use parse::{Outside, Parsed};
pub(super) use table::{TABLE, VERSION};

/// The exit code of all of bubblewrap's own errors.
const FAILED: u8 = 1;

/// Runs a bubblewrap command line, which starts at word number `skip`.
pub(super) fn run(line: CommandLine, skip: usize) -> u8 {
    let mut args = Args::default();
    match understand(&mut args, line, skip) {
        Ok(code) => code,
        Err(error) => {
            console::complain("bwrap", if args.level_prefix { "<3>" } else { "" }, &error);
            FAILED
        }
    }
}

fn understand(args: &mut Args, line: CommandLine, skip: usize) -> Result<u8, Error> {
    let name: Vec<_> = line.words().iter().take(skip).map(|word| word.to_string_lossy().into_owned()).collect();
    let name = if name.is_empty() { "bwrap".into() } else { name.join(" ") };
    match parse::parse(args, TABLE, line.words().get(skip..).unwrap_or_default(), &mut World)? {
        Parsed::Help => return Ok(print(&render::help(TABLE, &name))),
        Parsed::Version => return Ok(print(&format!("{}\n", VERSION))),
        Parsed::Complete => {}
    }
    let caller = Caller::probe();
    let context = Context {
        uid: caller.uid,
        gid: caller.gid,
        own_caps: if args.names_caps() { CapSet(Caller::capabilities()?) } else { CapSet::EMPTY },
        last_cap: if args.names_caps() { Caller::last_capability() } else { 0 },
    };
    let level_prefix = args.level_prefix;
    let lowered = lower::lower(std::mem::take(args), &context);
    args.level_prefix = level_prefix;
    match lowered? {
        Lowered::Run(spec) => sandbox(*spec, caller, line),
        Lowered::Usage => {
            console::tell(render::help(TABLE, &name).as_bytes());
            Ok(FAILED)
        }
    }
}

/// Prints `text` and returns the exit code.
fn print(text: &str) -> u8 {
    u8::from(console::write(1, text.as_bytes()).is_err())
}

fn sandbox(spec: Spec, caller: Caller, line: CommandLine) -> Result<u8, Error> {
    let (host, mut descriptors) = {
        let words = line.words();
        Host::probe(caller, &spec, words.first().copied().unwrap_or_default(), &line.environment())?
    };
    let plan = plan::plan(spec, host).map_err(|error| Bubblewrap.refusal(error))?;
    supervise::run(&plan, &mut descriptors, Some(line), &Bubblewrap)
}

/// The real descriptors and standard error, for the parser.
struct World;

impl Outside for World {
    fn read(&mut self, fd: FdNumber) -> Result<Vec<u8>, String> {
        let content = fd::callers_fd(fd).and_then(content::read_to_end);
        fd::close_numbers([fd]);
        content.map_err(|errno| error_text(errno as i32).into())
    }

    fn warn(&mut self, message: &str, level_prefix: bool) {
        let level = if level_prefix { "<4>" } else { "" };
        console::tell(format!("{level}bwrap: {message}\n").as_bytes());
    }
}
