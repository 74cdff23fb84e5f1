//! The supervisor: the process outside the box. It makes the box, reports on it, and looks after it until it ends.
//!
//! It never enters a namespace of the box, not even one that the caller named. So it keeps the caller's powers over the
//! box all the time. Work inside a namespace is done by the setup process, or by a helper that exits.
#![forbid(unsafe_code)]

mod afterwards;
mod attend;
mod child;
mod events;
mod findings;
mod forwarding;
mod frontend;
mod job;
mod lost;
mod make;
mod network;
mod status;
mod sweep;

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, quoted};
use crate::plan::{Plan, Start};
use crate::protocol::{At, Descriptors, Failure, Stage};
use crate::spec::path::to_os;
use crate::spec::{DieWith, Lifecycle, OnSignal};
use crate::sys::cmdline::CommandLine;
use crate::sys::process::{self, Child, End, SingleThread};
use crate::sys::signals::{Signals, Wanted};
use crate::sys::{Errno, fd, mount, offset};
use crate::workspace::keeping::{self, Keeping};
use afterwards::Before;
use attend::{Attendant, Ended, Masters};
pub(crate) use child::SuperviseError;
use child::{abandon, outlast};
use findings::UNSAID;
pub(crate) use findings::{Findings, Found, PATIENCE};
pub(crate) use frontend::{Frontend, Note, RunBox};
use job::{Interrupted, Job};
pub(crate) use lost::Lost;

/// Carries out a plan. Returns the exit code of the program, or 128 + n if signal n killed it.
///
/// The calling process must have one thread only, because the setup process is a copy of it. `line` is overwritten in
/// that copy.
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

/// Turns a failure into an error message.
pub(crate) fn words(plan: &Plan, trouble: &SuperviseError, frontend: &dyn Frontend) -> Error {
    match trouble {
        SuperviseError::Failed(failure) => frontend.error(plan, failure),
        SuperviseError::Silent(End::Code(code)) => {
            let message = format!("The setup process of the sandbox ended with code {code} and without a report");
            Error::new(ErrorKind::Failed, message)
        }
        SuperviseError::Silent(End::Signal(signal)) => {
            let message = format!("The setup process of the sandbox was killed by signal {signal} during set-up");
            Error::new(ErrorKind::Failed, message)
        }
    }
}

/// Like [`run`], but returns the failure instead of an error message.
pub(crate) fn carry_out(
    plan: &Plan,
    descriptors: &mut Descriptors,
    line: Option<CommandLine>,
    frontend: &dyn Frontend,
) -> Result<u8, SuperviseError> {
    let thread = SingleThread::check(descriptors.proc()).stage(Stage::Prepare)?;
    if plan.root.is_new && plan.launch.report.is_wanted() {
        // A box that cannot be set up must not be reported. Without a report the setup process notices early enough.
        mount::look_for_set_attr().stage(Stage::Prepare)?;
    }
    process::default_sigchld().stage(Stage::Prepare)?;
    process::set_no_new_privs().stage(Stage::NoNewPrivs)?;
    let parent = watch_parent(&plan.lifecycle)?;
    let masters = Masters { parent: parent.as_ref(), orders: frontend.orders() };
    // With `NetworkBeside` the supervisor has time for this later, while the setup process mounts.
    let is_later = plan.launch.start == Start::NetworkBeside;
    let before = if is_later { None } else { Some(Before::look(plan, descriptors.proc())?) };
    let job = if frontend.orders().is_some() { None } else { Job::of(&plan.program) };
    // A setup process that waits for nothing may have started the program before this process goes on.
    let early = if plan.launch.start == Start::AtOnce { listen(plan, job.is_some())? } else { None };
    let keeping = keep_apart(plan, descriptors)?;
    let made = make::make(plan, descriptors, (job.as_ref(), early.as_ref()), line, thread);
    // The program has not run yet, and may never run.
    let cancel = || keeping.iter().for_each(Keeping::cancel);
    let (control, child) = made.inspect_err(|_| cancel())?;
    let held = make::hold(plan, descriptors, &child, masters);
    // If this fails or the box must end, the program has not run. So there is nothing to look for afterwards.
    let is_to_begin = held.inspect_err(|_| {
        abandon(&child);
        cancel();
    })?;
    if !is_to_begin {
        abandon(&child);
        cancel();
        return Ok(Ended::killed().end.exit_code());
    }
    let (before, outcome) = attend(
        (plan, frontend, keeping.as_ref()),
        descriptors,
        (&control, &child),
        masters,
        job.as_ref(),
        (before, early, thread),
    )
    .inspect_err(|_| {
        abandon(&child);
        cancel();
    })?;
    let interrupted = match (&job, &outcome) {
        (Some(job), Ok(Ended { end, signal: None, .. })) => job.ended(*end),
        _ => None,
    };
    if outcome.is_err() {
        // The supervisor cannot look after this box any more, so nothing of it may stay behind.
        abandon(&child);
    }
    if let Some(job) = &job {
        // A process that is still alive inside could take the terminal again. The kernel kills it with the box.
        if job.was_foreground() && !outcome.as_ref().is_ok_and(|ended| ended.is_empty) {
            outlast(&plan.lifecycle, &child);
        }
        // Before the messages: otherwise this process would write them from the background.
        job.give_back();
    }
    let told = tell((plan, frontend, keeping.as_ref()), descriptors, &child, &outcome, &before);
    if let Ok(Ended { signal: Some(signal), .. }) = outcome {
        // The caller sees a death by signal, as if the signal had killed this process at once.
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

/// Begins to read the signals that the plan wants to be read.
fn listen(plan: &Plan, jobs: bool) -> Result<Option<Signals>, Failure> {
    let forwards = plan.lifecycle.on_signal == OnSignal::Forward;
    let wanted = Wanted {
        typed: plan.program.new_session || plan.program.new_group,
        jobs,
        forwards,
        // A program without init is a child of this process.
        child: (jobs || forwards) && !plan.init.stays,
    };
    let is_read = plan.lifecycle.on_signal != OnSignal::Default;
    is_read.then(|| Signals::watch(wanted)).transpose().stage(Stage::Signals)
}

/// Lets the setup process begin and looks after the box until it has ended. The outer result is an error if something
/// failed before the program could run.
fn attend<'a>(
    (plan, frontend, keeping): (&'a Plan, &'a dyn Frontend, Option<&'a Keeping>),
    descriptors: &Descriptors,
    (control, child): (&'a OwnedFd, &'a Child),
    masters: Masters<'a>,
    job: Option<&'a Job>,
    (before, early, thread): (Option<Before>, Option<Signals>, SingleThread),
) -> Result<(Before, Result<Ended, SuperviseError>), SuperviseError> {
    // Before the program can run: from then on a signal must not kill this process before it has looked at what the
    // program left.
    let signals = match early {
        Some(signals) => Some(signals),
        None => listen(plan, job.is_some())?,
    };
    let mut attendant = Attendant::new((plan, frontend, keeping), (control, child), masters, signals.as_ref(), job);
    let mut before = make::let_begin(plan, descriptors, &mut attendant, (control, child), before, thread)?;
    let given_up = make::give_up(&attendant, descriptors, plan.launch.report.json_status_fd);
    let ended = given_up.map_err(SuperviseError::from).and_then(|()| attendant.attend());
    before.own_home = attendant.take_home();
    if let (Some(input), Ok(callers)) = (attendant.input(), fd::callers_fd(0)) {
        // The caller reads on where the program stopped reading, unless the caller has closed its standard input.
        let _moved = offset::copy(input.as_fd(), callers).is_ok();
    }
    Ok((before, ended))
}

/// Reports how the box ended and what its program left on the host. Returns false if part of that did not reach
/// standard error.
fn tell(
    (plan, frontend, keeping): (&Plan, &dyn Frontend, Option<&Keeping>),
    descriptors: &Descriptors,
    child: &Child,
    outcome: &Result<Ended, SuperviseError>,
    before: &Before,
) -> Result<bool, Failure> {
    if plan.lifecycle.looks_afterwards() {
        // The reader of the messages may have gone (`2>&1 | head`). What the program left must be dealt with all the
        // same.
        process::ignore_signals_of_writing().stage(Stage::Signals)?;
        let found = before.look_again(plan, (keeping, frontend), child, outcome);
        let is_undone = found.iter().any(|found| matches!(found, Found::Kept(line) if line.is_undone));
        let is_told = before.tell(descriptors.proc(), outcome, &frontend.findings(&found))?;
        Ok(is_told && !is_undone)
    } else if let Ok(Ended { end, is_own: true, .. }) = outcome {
        let said = status::exit_code(&plan.launch, descriptors, end.exit_code());
        said.map(|()| true).inspect_err(|_| abandon(child)).stage(Stage::Report)
    } else {
        Ok(true)
    }
}

/// Makes the entry in which the changes are kept apart, if there is something to keep.
fn keep_apart(plan: &Plan, descriptors: &mut Descriptors) -> Result<Option<Keeping>, Failure> {
    let keep = &plan.lifecycle.keep;
    if keep.is_empty() {
        return Ok(None);
    }
    let failed = |path: &Path, errno: Errno| Failure {
        detail: CString::new(path.as_os_str().as_bytes()).ok(),
        ..Failure::new(Stage::KeepApart, errno as i32)
    };
    let words = plan.program.exec.arguments.iter().map(|word| quoted(to_os(word)));
    let command = words.collect::<Vec<_>>().join(" ");
    let uid = process::real_ids().0;
    let keeping = Keeping::begin(keep, command, plan.program.cwd.first(), uid)
        .map_err(|keeping::Failed { path, errno }| failed(&path, errno))?;
    descriptors.keep_in(keeping.path().stage(Stage::KeepApart)?);
    Ok(Some(keeping))
}

/// Returns a pidfd of the caller's process if the box is to end with that process.
///
/// `PR_SET_PDEATHSIG` will not do: it fires when the *thread* that started us ends (bubblewrap issue 633).
fn watch_parent(lifecycle: &Lifecycle) -> Result<Option<OwnedFd>, Failure> {
    if lifecycle.die_with != DieWith::Caller {
        return Ok(None);
    }
    match process::parent_pidfd() {
        // The caller lives in an outer PID namespace, so no pidfd of it can be had. Only the signal is left.
        Ok(None) => process::set_pdeathsig().map(|()| None).stage(Stage::DieWithParent),
        Ok(parent) => Ok(parent),
        // The caller ended before this process could watch it.
        Err(Errno::ESRCH) => process::exit_now(1),
        Err(errno) => Err(errno).stage(Stage::DieWithParent),
    }
}
