//! The supervisor: the process outside that makes a box, tells whoever wants to know, and looks after it until it has
//! ended.
//!
//! It stays outside. It enters none of the box's namespaces, not even one that the caller has named, so that it has the
//! caller's powers over the box from beginning to end. What must be done in there is done by the setup process, or by a
//! helper that ends.
#![forbid(unsafe_code)]

mod afterwards;
mod attend;
mod child;
mod events;
mod findings;
mod frontend;
mod job;
mod make;
mod network;
mod status;
mod sweep;

use std::os::fd::{AsFd, OwnedFd};

use crate::error::{Error, ErrorKind};
use crate::plan::{Plan, Start};
use crate::protocol::{At, Descriptors, Failure, Stage};
use crate::spec::{DieWith, Lifecycle};
use crate::sys::cmdline::CommandLine;
use crate::sys::process::{self, Child, End, SingleThread};
use crate::sys::signals::{Signals, Wanted};
use crate::sys::{Errno, fd, mount, offset};
use afterwards::Before;
use attend::{Attendant, Ended, Masters};
pub(crate) use child::Trouble;
use child::{abandon, outlast};
use findings::UNSAID;
pub(crate) use findings::{Findings, Found, PATIENCE};
pub(crate) use frontend::{Frontend, Note};
use job::{Interrupted, Job};

/// Carries out a plan. Returns the exit code of the program, 128 + n where signal n ended it.
///
/// The calling process must have one thread: the box begins as a copy of it. `line` is overwritten in that copy.
pub(crate) fn run(
    plan: &Plan,
    descriptors: &mut Descriptors,
    line: Option<CommandLine>,
    frontend: &dyn Frontend,
) -> Result<u8, Error> {
    for unenforced in &plan.unenforced {
        frontend.note(plan, &Note::NotEnforced(unenforced.clone()));
    }
    carry_out(plan, descriptors, line, frontend).map_err(|trouble| words(plan, &trouble, frontend))
}

/// The words for what went wrong.
pub(crate) fn words(plan: &Plan, trouble: &Trouble, frontend: &dyn Frontend) -> Error {
    match trouble {
        Trouble::Failed(failure) => frontend.error(plan, failure),
        Trouble::Silent(End::Code(code)) => {
            let message = format!("The half inside the sandbox ended with code {code} and without a report");
            Error::new(ErrorKind::Failed, message)
        }
        Trouble::Silent(End::Signal(signal)) => {
            let message = format!("The half inside the sandbox was killed by signal {signal} during set-up");
            Error::new(ErrorKind::Failed, message)
        }
    }
}

/// As [`run`], without words.
pub(crate) fn carry_out(
    plan: &Plan,
    descriptors: &mut Descriptors,
    line: Option<CommandLine>,
    frontend: &dyn Frontend,
) -> Result<u8, Trouble> {
    let thread = SingleThread::check(descriptors.proc()).stage(Stage::Prepare)?;
    if plan.root.is_new && plan.launch.report.is_wanted() {
        // Otherwise it is found out in time by the setup process; of a box that cannot be, nobody is told.
        mount::look_for_set_attr().stage(Stage::Prepare)?;
    }
    process::default_sigchld().stage(Stage::Prepare)?;
    process::set_no_new_privs().stage(Stage::NoNewPrivs)?;
    let parent = watch_parent(&plan.lifecycle)?;
    let masters = Masters { parent: parent.as_ref(), orders: frontend.orders() };
    // Where there is time for it later, it is done then.
    let is_later = plan.launch.start == Start::NetworkBeside;
    let before = if is_later { None } else { Some(Before::look(plan, descriptors.proc())?) };
    let job = if frontend.orders().is_some() { None } else { Job::of(&plan.program) };
    let (control, child) = make::make(plan, descriptors, job.as_ref(), line, thread)?;
    let held = make::hold(plan, descriptors, &child, masters);
    // The program has not run, and nothing is looked for that it might have left.
    if !held.inspect_err(|_| abandon(&child))? {
        abandon(&child);
        return Ok(Ended::killed().end.exit_code());
    }
    let (before, outcome) =
        attend((plan, frontend), descriptors, (&control, &child), masters, job.as_ref(), (before, thread))
            .inspect_err(|_| abandon(&child))?;
    let interrupted = match (&job, &outcome) {
        (Some(job), Ok(Ended { end, signal: None, .. })) => job.ended(*end),
        _ => None,
    };
    if outcome.is_err() {
        // Whatever went wrong: nothing of a box that could not be looked after stays behind.
        abandon(&child);
    }
    if let Some(job) = &job {
        // What lives on inside could take the terminal again. The kernel ends it with the box.
        if job.was_foreground() && !outcome.as_ref().is_ok_and(|ended| ended.is_empty) {
            outlast(&plan.lifecycle, &child);
        }
        // Before anything is said: it would be said from the background.
        job.give_back();
    }
    let told = tell((plan, frontend), descriptors, &child, &outcome, &before);
    if let Ok(Ended { signal: Some(signal), .. }) = outcome {
        // As if it had ended this process at once: the caller sees a death by signal.
        process::die_of(signal);
    }
    let ended = outcome?;
    let told = told?;
    match interrupted.filter(|_| told) {
        Some(Interrupted::WithGroup(signal)) => process::die_with_group(signal),
        Some(Interrupted::Alone(signal)) => process::die_of(signal),
        None => {}
    }
    Ok(if told { ended.end.exit_code() } else { UNSAID })
}

/// Lets the box begin and looks after it until it has ended. An error of the whole is one from before the program could
/// run.
fn attend<'a>(
    (plan, frontend): (&'a Plan, &'a dyn Frontend),
    descriptors: &Descriptors,
    (control, child): (&'a OwnedFd, &'a Child),
    masters: Masters<'a>,
    job: Option<&'a Job>,
    (before, thread): (Option<Before>, SingleThread),
) -> Result<(Before, Result<Ended, Trouble>), Trouble> {
    let jobs = job.is_some();
    let wanted =
        Wanted { typed: plan.program.new_session || plan.program.new_group, jobs, child: jobs && !plan.init.stays };
    // Before the program can run: a signal must not end this process without a look at what the program has left.
    let signals = plan.lifecycle.orderly.then(|| Signals::watch(wanted)).transpose().stage(Stage::Signals)?;
    let mut attendant = Attendant::new((plan, frontend), (control, child), masters, signals.as_ref(), job);
    let before = make::let_begin(plan, descriptors, &mut attendant, (control, child), before, thread)?;
    let given_up = make::give_up(&attendant, descriptors, plan.launch.report.json_status_fd);
    let ended = given_up.map_err(Trouble::from).and_then(|()| attendant.attend());
    if let (Some(input), Ok(callers)) = (attendant.input(), fd::callers_fd(0)) {
        // The caller reads on where the program has stopped. One that has closed its input does not.
        let _moved = offset::copy(input.as_fd(), callers).is_ok();
    }
    Ok((before, ended))
}

/// Says how the box has ended, and what its program has left on the host. False where standard error does not have all
/// of it.
fn tell(
    (plan, frontend): (&Plan, &dyn Frontend),
    descriptors: &Descriptors,
    child: &Child,
    outcome: &Result<Ended, Trouble>,
    before: &Before,
) -> Result<bool, Failure> {
    if plan.lifecycle.looks_afterwards() {
        // Whoever reads the messages may have gone (`2>&1 | head`): what the program has left is no better then.
        process::ignore_signals_of_writing().stage(Stage::Signals)?;
        let found = before.look_again(&plan.lifecycle, child, outcome);
        before.tell(descriptors.proc(), outcome, &frontend.findings(&found))
    } else if let Ok(Ended { end, is_own: true, .. }) = outcome {
        let said = status::exit_code(&plan.launch, descriptors, end.exit_code());
        said.map(|()| true).inspect_err(|_| abandon(child)).stage(Stage::Report)
    } else {
        Ok(true)
    }
}

/// A descriptor of the caller's process where the box shall end with it.
///
/// Not `PR_SET_PDEATHSIG`, which fires when the *thread* that started us ends (bubblewrap issue 633).
fn watch_parent(lifecycle: &Lifecycle) -> Result<Option<OwnedFd>, Failure> {
    if lifecycle.die_with != DieWith::Caller {
        return Ok(None);
    }
    match process::parent_pidfd() {
        // The caller lives in an outer PID namespace, where nothing but the signal reaches.
        Ok(None) => process::die_with_maker().map(|()| None).stage(Stage::DieWithParent),
        Ok(parent) => Ok(parent),
        // It ended before it could be watched.
        Err(Errno::ESRCH) => process::exit_now(1),
        Err(errno) => Err(errno).stage(Stage::DieWithParent),
    }
}
