//! The half outside: makes the box, tells whoever wants to know, and waits for its end.
#![forbid(unsafe_code)]

mod findings;
mod job;
mod network;
mod status;
mod sweep;
mod wait;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use crate::error::{Error, ErrorKind};
use crate::exec;
use crate::plan::{Maps, Plan, Unenforced};
use crate::protocol::{At, Descriptors, Failure, GO, Message, Packet, Stage};
use crate::spec::{DieWith, FdNumber, Lifecycle};
use crate::sys::cmdline::CommandLine;
use crate::sys::ns::{self, NsSet};
use crate::sys::process::{self, Child, Cloned, End, SingleThread};
use crate::sys::signals::{Signals, Wanted};
use crate::sys::{Errno, Result as SysResult, caps, file, mount, offset, socket};
use crate::workspace;
pub(crate) use findings::{Findings, Found, PATIENCE};
use findings::{Outlet, UNSAID};
use job::{Interrupted, Job};
use sweep::Sweep;
use wait::{Ended, Others, die_with_parent, wait};

/// The front end that was used: makes words of what happens, in its own manner.
pub(crate) trait Frontend {
    /// The words of a failure that ends the run.
    fn error(&self, plan: &Plan, failure: &Failure) -> Error;

    /// An error of the engine about what was asked for, in the words of this front end.
    fn refusal(&self, error: Error) -> Error;

    /// Says something that does not end the run. The program has not run yet.
    fn note(&self, plan: &Plan, note: &Note);

    /// Words for what was found after the run. All is done by then: to say it may take as long as a reader likes.
    fn findings(&self, found: &[Found]) -> Findings;
}

/// Something worth a line before the program runs, which does not end the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// A restriction that could not be had, where as much as possible is wanted ([`crate::spec::Spec::best_effort`]).
    Dropped(Failure),
    /// The same, known before anything was begun.
    NotEnforced(Unenforced),
    /// Something about what was asked for, all of which holds.
    Remark(Failure),
}

/// What went wrong outside.
enum Trouble {
    /// A call of this process, or of the half inside.
    Failed(Failure),
    /// The half inside ended without a word.
    Silent(End),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Failed(failure)
    }
}

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
    supervise(plan, descriptors, line, frontend).map_err(|trouble| match trouble {
        Trouble::Failed(failure) => frontend.error(plan, &failure),
        Trouble::Silent(End::Code(code)) => Error::new(
            ErrorKind::Failed,
            format!("The half inside the sandbox ended with code {code} and without a report"),
        ),
        Trouble::Silent(End::Signal(signal)) => Error::new(
            ErrorKind::Failed,
            format!("The half inside the sandbox was killed by signal {signal} during set-up"),
        ),
    })
}

fn supervise(
    plan: &Plan,
    descriptors: &mut Descriptors,
    line: Option<CommandLine>,
    frontend: &dyn Frontend,
) -> Result<u8, Trouble> {
    let thread = SingleThread::check(descriptors.proc()).stage(Stage::Prepare)?;
    if plan.root.is_new && plan.launch.report.is_wanted() {
        // Otherwise it is found out in time by the half inside; of a box that cannot be, nobody is told.
        mount::look_for_set_attr().stage(Stage::Prepare)?;
    }
    process::default_sigchld().stage(Stage::Prepare)?;
    process::set_no_new_privs().stage(Stage::NoNewPrivs)?;
    let parent = watch_parent(&plan.lifecycle)?;
    // Where there is time for it later, it is done then.
    let before = if plan.launch.net_meanwhile { None } else { Some(Before::look(plan, descriptors.proc())?) };
    join(descriptors, plan.launch.joins.user, NsSet::USER, Stage::JoinUser)?;
    join(descriptors, plan.launch.joins.pid, NsSet::PID, Stage::JoinPid)?;
    let (control, inside) = socket::pair().stage(Stage::Prepare)?;
    let job = Job::of(&plan.program);
    if plan.launch.joins.pid_below || job.is_some() {
        socket::pass_credentials(&control).stage(Stage::Prepare)?;
    }
    if !plan.launch.is_met_again() {
        become_opaque()?;
    }
    let child = match process::clone(thread, plan.launch.clone, false).stage(Stage::Clone)? {
        Cloned::Child => {
            drop(control);
            exec::run(plan, descriptors, inside, job.as_ref().and_then(Job::for_program), line, thread)
        }
        Cloned::Parent(child) => child,
    };
    // Closed with all the rest in `let_go`, which is one call less, unless its end must be noticed before.
    let inside = inside.into_raw_fd();
    let child = if plan.launch.joins.pid_below {
        file::close_numbers([inside]);
        child_below(&control, child)?
    } else {
        child
    };
    let begun = begin(plan, descriptors, &control, &child, parent.as_ref(), before, frontend);
    // The program has not run, and nothing is looked for that it might have left.
    let Some(before) = begun.inspect_err(|_| abandon(&child))? else {
        return Ok(die_with_parent(&child).end.exit_code());
    };
    let outcome = attend(
        plan,
        descriptors,
        &control,
        &child,
        Others { parent: parent.as_ref(), job: job.as_ref(), signals: None },
        frontend,
    );
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
    let told = if plan.lifecycle.looks_afterwards() {
        // Whoever reads the messages may have gone (`2>&1 | head`): what the program has left is no better then.
        process::ignore_signals_of_writing().stage(Stage::Signals)?;
        let found = look_afterwards(&plan.lifecycle, &child, &outcome, &before.sweep);
        before.tell(descriptors.proc(), &outcome, &frontend.findings(&found))
    } else if let Ok(Ended { end, is_own: true, .. }) = outcome {
        status::exit_code(&plan.launch, descriptors, end.exit_code())
            .map(|()| true)
            .inspect_err(|_| abandon(&child))
            .stage(Stage::Report)
    } else {
        Ok(true)
    };
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

/// Looks at what the program has left on the host, and puts it in order. Returns what there is to say about it.
fn look_afterwards(
    lifecycle: &Lifecycle,
    child: &Child,
    outcome: &Result<Ended, Trouble>,
    sweep: &Sweep,
) -> Vec<Found> {
    if !outcome.as_ref().is_ok_and(|ended| ended.is_empty) {
        outlast(lifecycle, child);
    }
    let mut found = sweep.after(lifecycle);
    found.extend(lifecycle.settle.iter().flat_map(workspace::settle).map(Found::Settled));
    found
}

/// What is to be known before the program can change anything.
struct Before {
    sweep: Sweep,
    stderr: Outlet,
    /// Where events are reported, if anywhere.
    status: Option<Outlet>,
}

impl Before {
    fn look(plan: &Plan, proc: BorrowedFd<'_>) -> Result<Before, Failure> {
        let sweep = Sweep::before(&plan.lifecycle)?;
        let stderr = Outlet::before(&plan.lifecycle, proc, 2);
        Ok(Before {
            sweep,
            stderr,
            status: plan.launch.report.json_status_fd.map(|fd| Outlet::before(&plan.lifecycle, proc, fd)),
        })
    }

    /// Tells how the program has ended, and what was found. False where standard error does not have all of it.
    fn tell(
        &self,
        proc: BorrowedFd<'_>,
        outcome: &Result<Ended, Trouble>,
        findings: &Findings,
    ) -> Result<bool, Failure> {
        let mut status = match outcome {
            Ok(Ended { end, is_own: true, .. }) => status::end(end.exit_code()).into_bytes(),
            _ => Vec::new(),
        };
        status.extend_from_slice(&findings.status);
        let reported = self.status.as_ref().map_or(Ok(()), |outlet| outlet.tell(proc, &status));
        let is_said = self.stderr.tell(proc, &findings.text).is_ok();
        reported.stage(Stage::Report)?;
        if let Some(outlet) = self.status.as_ref().filter(|_| !is_said) {
            outlet.tell(proc, status::unsaid(findings).as_bytes()).stage(Stage::Report)?;
        }
        Ok(is_said)
    }
}

/// Gives the half inside what the program does not run without, and says what was before: `before`, or what is found
/// now. Nothing when the caller ended meanwhile, and the box shall end with it.
fn begin(
    plan: &Plan,
    descriptors: &mut Descriptors,
    control: &OwnedFd,
    child: &Child,
    parent: Option<&OwnedFd>,
    before: Option<Before>,
    frontend: &dyn Frontend,
) -> Result<Option<Before>, Trouble> {
    if !release(plan, descriptors, control, child, parent)? {
        return Ok(None);
    }
    if before.is_some() {
        return Ok(before);
    }
    // Linux often starts a process on the processor of its maker, where it waits until that sleeps, although others are
    // idle (kernel/sched/fair.c, select_task_rq_fair).
    process::leave_processor();
    let made = Before::look(plan, descriptors.proc()).and_then(|before| network::make(control, child).map(|()| before));
    // What went wrong inside came first.
    made.map(Some).map_err(|failure| failure_told(plan, control, frontend).unwrap_or(failure).into())
}

fn attend(
    plan: &Plan,
    descriptors: &Descriptors,
    control: &OwnedFd,
    child: &Child,
    others: Others<'_>,
    frontend: &dyn Frontend,
) -> Result<Ended, Trouble> {
    let jobs = others.job.is_some();
    let wanted =
        Wanted { typed: plan.program.new_session || plan.program.new_group, jobs, child: jobs && !plan.init.stays };
    let signals = plan.lifecycle.orderly.then(|| Signals::watch(wanted)).transpose().stage(Stage::Signals)?;
    let others = Others { signals: signals.as_ref(), ..others };
    let_go(plan, descriptors, control, child, others)?;
    let mut input = None;
    let ended = wait(plan, control, child, others, frontend, &mut input);
    if let (Some(input), Ok(callers)) = (input, file::callers_fd(0)) {
        // The caller reads on where the program has stopped. One that has closed its input does not.
        let _moved = offset::copy(input.as_fd(), callers).is_ok();
    }
    ended
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

fn join(descriptors: &Descriptors, fd: Option<FdNumber>, kind: NsSet, stage: Stage) -> Result<(), Failure> {
    match fd {
        Some(fd) => descriptors.get(fd).and_then(|fd| ns::join(fd, kind)).stage(stage),
        None => Ok(()),
    }
}

/// Nothing inside may look into this process, whatever namespaces are shared.
fn become_opaque() -> Result<(), Failure> {
    process::set_dumpable(false).stage(Stage::Dumpable)
}

/// The process in the new PID namespace below a joined one: it says hello, and the kernel says who it is.
fn child_below(control: &OwnedFd, between: Child) -> Result<Child, Trouble> {
    let mut packet = [0; Packet::ROOM];
    let said = socket::receive(control.as_fd(), &mut packet).stage(Stage::Control)?;
    let end = process::wait(between.as_fd()).stage(Stage::Control)?;
    match (Message::decode(&packet[..said.length]), said.sender) {
        (Some(Message::Hello), Some(pid)) => {
            let pidfd = process::pidfd_open(pid).stage(Stage::Control)?;
            Ok(Child { pid, pidfd })
        }
        (Some(Message::Failed(failure)), _) => Err(Trouble::Failed(failure)),
        _ => Err(Trouble::Silent(end)),
    }
}

/// Tells the caller about the box, waits for its id maps where others write them, and lets it begin. False when the
/// caller ended meanwhile, and the box shall end with it.
fn release(
    plan: &Plan,
    descriptors: &mut Descriptors,
    control: &OwnedFd,
    child: &Child,
    parent: Option<&OwnedFd>,
) -> Result<bool, Failure> {
    if !plan.launch.is_held_at_start {
        return Ok(true);
    }
    status::announce(&plan.launch, descriptors, child.pid).stage(Stage::Report)?;
    if let Maps::From(fd) = plan.ids.maps
        && let Ok(fd) = descriptors.get(fd)
    {
        let awaited = [Some(fd), Some(child.as_fd()), parent.map(AsFd::as_fd)];
        let [answer, _, orphaned] = socket::wait_any(awaited, false).stage(Stage::Control)?;
        if orphaned {
            return Ok(false);
        }
        // Whatever the answer, end of file too, it is the caller's word that the maps are written.
        let _any_answer = answer && file::read(fd, &mut [0]).is_ok();
    }
    become_opaque()?;
    socket::send(control.as_fd(), GO).or_else(gone_is_fine).stage(Stage::Control)?;
    Ok(true)
}

/// A half inside that ended early is no failure of sending: what it had to say is read next.
fn gone_is_fine(errno: Errno) -> SysResult<()> {
    if errno == Errno::EPIPE { Ok(()) } else { Err(errno) }
}

/// What the half inside has said already, if that is a failure.
fn failure_told(plan: &Plan, control: &OwnedFd, frontend: &dyn Frontend) -> Option<Failure> {
    let mut packet = [0; Packet::ROOM];
    loop {
        let [told] = socket::wait_any([Some(control.as_fd())], true).ok()?;
        let length = if told { file::read(control.as_fd(), &mut packet).ok()? } else { 0 };
        match Message::decode(&packet[..length]) {
            Some(Message::Failed(failure)) => return Some(failure),
            Some(Message::Dropped(failure)) => frontend.note(plan, &Note::Dropped(failure)),
            Some(Message::Remark(failure)) => frontend.note(plan, &Note::Remark(failure)),
            Some(Message::Input) => {}
            _ => return None,
        }
    }
}

/// Gives up what waiting does not need: capabilities, and the caller's descriptors, whose other ends would otherwise
/// wait for this process.
fn let_go(
    plan: &Plan,
    descriptors: &Descriptors,
    control: &OwnedFd,
    child: &Child,
    others: Others<'_>,
) -> Result<(), Failure> {
    if plan.caller.uid == 0 || plan.launch.joins.user.is_some() || plan.launch.net_meanwhile {
        caps::set(caps::Caps::same(0)).stage(Stage::SetCaps)?;
    }
    let mut keep = vec![control.as_raw_fd(), child.pidfd.as_raw_fd(), descriptors.proc().as_raw_fd()];
    let Others { parent, signals, job } = others;
    keep.extend(parent.map(AsRawFd::as_raw_fd));
    keep.extend(signals.map(AsRawFd::as_raw_fd));
    keep.extend(job.map(AsRawFd::as_raw_fd));
    keep.extend(plan.launch.report.json_status_fd.filter(|&fd| descriptors.get(fd).is_ok()));
    keep.sort_unstable();
    file::close_all_but(&keep).stage(Stage::Control)
}

/// Ends a box, and waits until it is gone. One that has ended by itself and was waited for is no error.
fn abandon(child: &Child) {
    let _gone = process::kill(child.as_fd()).is_ok() && process::wait(child.as_fd()).is_ok();
}

/// Sees to it that nothing lives inside any more, and so nothing appears after a look. In a PID namespace of its own
/// the kernel kills all with the first process, whose end is told after theirs (`zap_pid_ns_processes` in
/// kernel/pid_namespace.c).
fn outlast(lifecycle: &Lifecycle, child: &Child) {
    if lifecycle.die_with == DieWith::Nobody {
        // One that has been waited for is gone already.
        let _gone = process::wait(child.as_fd()).is_ok();
    } else {
        abandon(child);
    }
}
