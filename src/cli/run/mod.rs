//! `pinfold run`: the native front end. It turns words and profiles into a sandbox that is safe with no options at all.

mod advice;
mod after;
mod args;
mod as_bwrap;
mod dry_run;
mod footprint;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod guess;
mod links;
mod lint;
pub(super) mod look;
mod lower;
mod messages;
mod origin;
mod own;
mod profile;
mod read;
pub(super) mod table;
mod terms;
mod trust;
mod value;
mod view;
mod world;

use std::mem::ManuallyDrop;
use std::num::NonZeroI32;
use std::time::SystemTime;

use crate::cli::commands::RUN_FORM;
use crate::cli::exit_code;
use crate::cli::{CommandLine, console, render};
use crate::error::Error;
use crate::host::Host;
use crate::plan::{self, Plan, Unenforced};
use crate::protocol::Descriptors;
use crate::spawn;
use crate::spec::FdNumber;
use crate::supervise::{self, Frontend};
use crate::sys::{fd, output};
use crate::workspace::Unheld;
use args::{Format, RunArgs};
use lower::Lowered;
use messages::Native;
use read::Parsed;
pub(super) use world::World;

/// Runs the command line after `pinfold run` and returns the exit code.
pub(super) fn run(line: CommandLine) -> Result<u8, Error> {
    let mut status = None;
    match prepare(&line, &mut status) {
        Ok(Prepared::Done(code)) => Ok(code),
        // This process ends with the run, so the plan is not dropped. Dropping it would write to hundreds of places in
        // pages that the setup process shares, and the kernel would copy each of those pages.
        Ok(Prepared::Box(prepared)) => {
            let mut prepared = ManuallyDrop::new(prepared);
            let (plan, descriptors, frontend) = &mut **prepared;
            carry_out(plan, descriptors, line, frontend)
        }
        Err(error) => {
            if let Some(fd) = status {
                messages::report_to(fd::callers_fd(fd), &report(&error));
            }
            Err(error)
        }
    }
}

/// The result of reading a command line.
enum Prepared {
    /// Nothing is left to do; this is the exit code.
    Done(u8),
    /// A sandbox is to be started.
    Box(Box<(Plan, Descriptors, Native)>),
}

/// Does everything before the sandbox starts. Sets `status` to the descriptor for errors as soon as it is known.
fn prepare(line: &CommandLine, status: &mut Option<FdNumber>) -> Result<Prepared, Error> {
    let environment = line.environment();
    let mut world = World::probe(&environment);
    let mut args = RunArgs::new(world.variables.clone());
    let read = read::command_line(&mut args, line.words().get(2..).unwrap_or_default(), &mut world);
    *status = args.json_status_fd;
    let print = |text: &str| console::print(text, 0).map(Prepared::Done);
    match read? {
        Parsed::Help { long } => return print(&help(long)),
        Parsed::Version => return print(console::VERSION),
        Parsed::Complete => {}
    }
    let (dry_run, print_bwrap, verbose, is_quiet) = (args.dry_run, args.print_bwrap, args.verbose, args.quiet);
    let is_run = dry_run.is_none() && !print_bwrap;
    if is_run {
        world.put_dead_in_order(&spawn::run_to_end).iter().for_each(|line| messages::say(line.text.as_bytes()));
    }
    let Lowered { mut spec, origins, seen, unheld, notes, above } =
        world.lowered(args, &environment, &|| world.workspace())?;
    if let Some(error) = messages::useless_ports(&spec, &seen) {
        return Err(error);
    }
    world.guard_links(&mut spec, &origins)?;
    let unguarded = match world.guard_profiles(&spec, &origins) {
        Err(error) if spec.best_effort => Some(not_enforced("protection of profiles", error.text())),
        guarded => guarded.map(|()| None)?,
    };
    if !is_quiet {
        let passed_over = world.library.passed_over.iter().map(Vec::as_slice);
        let notes = passed_over.chain(notes.iter().map(String::as_bytes));
        notes.for_each(|note| messages::say(&[b"note: ", note].concat()));
    }
    if print_bwrap {
        let as_bwrap::Line { text, notes } =
            as_bwrap::line(&spec).map_err(|error| origin::placed(&seen, &origins, error))?;
        notes.iter().filter(|_| !is_quiet).for_each(|note| messages::say(note.as_bytes()));
        return console::print(text, 0).map(Prepared::Done);
    }
    let program = line.words().first().copied().unwrap_or_default().to_owned();
    let mut frontend =
        Native { origins, seen, status: spec.report.json_status_fd, is_quiet, run_box: Some(spawn::run_to_end), above };
    let (host, descriptors) = Host::probe(world.caller, &spec, &program, &environment)?;
    frontend.status = frontend.status.filter(|fd| host.descriptors.contains(fd));
    let outlives = !spec.namespaces.pid;
    let mut plan = plan::plan(spec, host).map_err(|error| frontend.refusal(error))?;
    plan.unenforced.extend(unguarded);
    plan.unenforced.extend(unheld.into_iter().map(|unheld| unprotected(&unheld)));
    match dry_run {
        Some(Format::Text) => return print(&dry_run::text(&plan, &frontend.origins, &world::is_skipped)),
        Some(Format::Json) => return print(&dry_run::json(&plan, &frontend.origins, &world::is_skipped)),
        None => {}
    }
    if verbose {
        console::tell(dry_run::text(&plan, &frontend.origins, &world::is_skipped).as_bytes());
    }
    if outlives && !is_quiet {
        messages::say(OUTLIVES);
    }
    Ok(Prepared::Box(Box::new((plan, descriptors, frontend))))
}

/// The note where nothing ends what the program leaves running: the kernel does that at the end of a PID namespace.
const OUTLIVES: &[u8] =
    b"note: what the program leaves running may outlive the run: the sandbox has no PID namespace of \
                          its own, which would end it";

/// The first paragraph of the help.
const ABOUT: &str = "\
Runs COMMAND in a box that has the system's programs, read-only, the current directory,
writable, and nothing else of yours: no files, no network, no capabilities, of the
environment only what is harmless. Options and profiles change that.
";

fn help(long: bool) -> String {
    let options = render::native_help(table::TABLE, table::SHORT, long);
    let more = if long { "" } else { "\n`pinfold run --help` explains them, and pinfold(1) has examples.\n" };
    format!("usage: pinfold run {RUN_FORM}\n\n{ABOUT}{options}{more}")
}

/// Reports a part of the workspace that cannot be protected as a restriction that is not enforced.
fn unprotected(unheld: &Unheld) -> Unenforced {
    not_enforced("protection of the workspace", unheld.message())
}

fn not_enforced(what: &str, why: Vec<u8>) -> Unenforced {
    Unenforced { field: None, what: what.into(), why: String::from_utf8_lossy(&why).into_owned() }
}

fn carry_out(plan: &Plan, descriptors: &mut Descriptors, line: CommandLine, frontend: &Native) -> Result<u8, Error> {
    let start = SystemTime::now();
    let ended = supervise::run(plan, descriptors, Some(line), frontend);
    match &ended {
        Err(error) => frontend.report(&report(error)),
        Ok(_) if frontend.is_quiet => {}
        Ok(code) => {
            let failed = if *code == 0 { Vec::new() } else { after::notes(plan, &frontend.origins) };
            let notes = failed.into_iter().chain(after::unsigned(plan, start));
            notes.for_each(|note| tell(&[b"pinfold: note: ", &note[..], b"\n"].concat()));
            if *code != 0 {
                frontend.hint_at_repository();
            }
        }
    }
    ended
}

/// Writes to standard error with a time limit: the program may have left it as a full pipe that nobody reads.
pub(super) fn tell(text: &[u8]) {
    let _told = fd::callers_fd(2).and_then(|fd| output::write_within(fd, text, supervise::PATIENCE)).is_ok();
}

/// The JSON status line for an error.
fn report(error: &Error) -> serde_json::Value {
    serde_json::json!({
        "error": String::from_utf8_lossy(&error.text()),
        "step": error.step,
        "errno": error.errno.map(NonZeroI32::get),
        "hint": error.hint.as_ref().map(ToString::to_string),
        "exit-code": exit_code::of(error.kind),
    })
}

/// Needed by the tests that generate the manual and the completions.
#[cfg(test)]
pub(super) use {
    args::KINDS,
    profile::{SHIPPED, SYSTEM as DIRECTORIES},
    read::ONLY_TYPED,
};

/// The names of the variables that profiles can use.
#[cfg(test)]
pub(super) fn variables() -> Vec<&'static str> {
    World::probe(&[]).variables.into_iter().map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests;
