//! The pinfold process that stays inside: the init (PID 1) of a new PID namespace, or just a holder of locks and
//! descriptors.
//!
//! It reaps orphaned processes, tells the supervisor at once how the program ended, and ends when no child is left. It
//! has no capabilities, no descriptors but its own, and the filters of the program.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd, RawFd};

use super::lockdown::Locked;
use super::reap::{let_start, reap};
use super::sealed;
use super::tell::tell;
use crate::plan::{Filters, Plan};
use crate::protocol::{At, Failure, Message, Outcome, Stage, Watch};
use crate::spec::{CapSet, DieWith, Lifecycle};
use crate::sys::children::Changes;
use crate::sys::cmdline::CommandLine;
use crate::sys::ns::NsSet;
use crate::sys::process::{self, Cloned, SingleThread};
use crate::sys::{Errno, caps, content, fd, open, socket};

/// Takes the locks that are held as long as anything lives inside, before the program could run without them.
pub(super) fn take_locks(lifecycle: &Lifecycle) -> Outcome<Vec<OwnedFd>> {
    let take = |(index, path): (usize, &CString)| {
        let failed = |stage| move |errno: Errno| Failure::nth(stage, index, errno as i32);
        let file = open::read(path).map_err(failed(Stage::OpenLock))?;
        fd::lock_shared(file.as_fd()).map_err(failed(Stage::TakeLock))?;
        // The lock is released when this process closes the file.
        Ok(file)
    };
    lifecycle.lock_files.iter().enumerate().map(take).collect()
}

/// Starts the program and stays. Returns only if something failed.
pub(super) fn run(
    plan: &Plan,
    control: &OwnedFd,
    locked: &Locked<'_>,
    words: Option<CommandLine>,
    thread: SingleThread,
) -> Failure {
    // Wipe the caller's command line before the program could read it (/proc/1/cmdline). The plan has its own copies.
    if let Some(words) = words {
        words.wipe(&plan.init.name);
    }
    // If the program must die with init, it compares its parent with this id: init may end before the program's
    // parent-death signal is set. In a PID namespace nothing outlives init.
    let init = if plan.launch.clone.has(NsSet::PID) { None } else { Some(process::getpid()) };
    if let Some(copy) = &locked.copy {
        return run_copied(plan, control, locked, (copy, init), thread);
    }
    // Before the program can run without being noticed, and before a filter may refuse the calls.
    let changes = match listen(plan) {
        Ok(changes) => changes,
        Err(failure) => return failure,
    };
    if let Filters::HandedOn(filter) = &plan.restrictions.lock.seccomp
        && let Err(errno) = process::install_filter(filter)
    {
        return Failure::nth(Stage::InstallFilter, 0, errno as i32);
    }
    // The system calls from here to `reap` are listed in plan/filter.rs too.
    let program = process::spawn_on_own_stack(thread, || become_program(plan, control, locked, init));
    let stays = |program| {
        stay(plan, control, locked, changes.as_ref().map(AsRawFd::as_raw_fd).as_slice())?;
        // The system calls that `reap` makes under the filters are listed in plan/filter.rs, which tries profiles with
        // them.
        locked.install_filters_of_init(plan).map(|()| program)
    };
    match program.stage(Stage::Spawn).and_then(stays) {
        Ok(program) => reap(watch(plan, program), control, changes.as_ref()),
        Err(failure) => failure,
    }
}

/// Does the same as `run`, but continues as `copy` before the program starts.
fn run_copied(
    plan: &Plan,
    control: &OwnedFd,
    locked: &Locked<'_>,
    (copy, init): (&OwnedFd, Option<i32>),
    thread: SingleThread,
) -> Failure {
    let start = || {
        let (held, release) = socket::pair().stage(Stage::Control)?;
        match process::clone(thread, NsSet::NONE, false).stage(Stage::Spawn)? {
            Cloned::Child => {
                drop(release);
                // Without a byte, PID 1 has ended early, and the program must not start.
                let may_start = content::read(held.as_fd(), &mut [0]) == Ok(1);
                process::exit_now(if may_start { become_program(plan, control, locked, init) } else { 1 })
            }
            Cloned::Parent(program) => {
                stay(plan, control, locked, &[copy.as_raw_fd(), release.as_raw_fd()])?;
                // `stay` has closed these two already.
                let _closed = (held.into_raw_fd(), program.pidfd.into_raw_fd());
                Ok((program.pid, release))
            }
        }
    };
    let (program, release) = match start() {
        Ok(started) => started,
        Err(failure) => return failure,
    };
    let watch = watch(plan, program);
    // If it fails, this process carries on as it is: non-dumpable, so that nobody can look into it.
    let _closed_still = sealed::become_copy(plan, control, locked, (copy, &release), watch).is_err();
    let goes_on = listen(plan).and_then(|changes| {
        let_start(release.as_fd()).stage(Stage::Control)?;
        locked.install_filters_of_init(plan).map(|()| changes)
    });
    match goes_on {
        Ok(changes) => reap(watch, control, changes.as_ref()),
        Err(failure) => failure,
    }
}

/// Begins to listen for changes of children, if this process is also to carry out commands.
fn listen(plan: &Plan) -> Outcome<Option<Changes>> {
    plan.init.obeys.then(Changes::watch).transpose().stage(Stage::Signals)
}

/// Becomes the program. Returns only after a failure, which it has reported.
fn become_program(plan: &Plan, control: &OwnedFd, locked: &Locked<'_>, init: Option<i32>) -> u8 {
    let failure = match tie_to_init(&plan.lifecycle, init) {
        Ok(()) => locked.exec(plan, control),
        Err(failure) => failure,
    };
    tell(control, &Message::Failed(failure));
    1
}

/// Sets up what differs between the program and the process that started it: descriptors, and the parent-death signal.
fn tie_to_init(lifecycle: &Lifecycle, init: Option<i32>) -> Outcome<()> {
    fd::close_numbers(lifecycle.sync_fd);
    if lifecycle.die_with != DieWith::Nobody {
        process::set_pdeathsig().stage(Stage::DieWithParent)?;
        if init.is_some_and(|init| process::getppid() != init) {
            process::exit_now(1);
        }
    }
    Ok(())
}

/// Gives up everything that reaping does not need, except the descriptors `besides`.
fn stay(plan: &Plan, control: &OwnedFd, locked: &Locked<'_>, besides: &[RawFd]) -> Outcome<()> {
    // SIGPIPE does not kill the first process of a PID namespace (pid_namespaces(7), "The namespace init process"). Any
    // other process must ignore it.
    if !plan.launch.clone.has(NsSet::PID) {
        process::ignore_sigpipe().stage(Stage::Signals)?;
    }
    if plan.restrictions.lock.caps != Some(CapSet::EMPTY) {
        caps::set(caps::Caps::same(0)).stage(Stage::SetCaps)?;
    }
    let mut keep = vec![control.as_raw_fd()];
    keep.extend(plan.lifecycle.sync_fd);
    keep.extend(locked.locks.iter().map(AsRawFd::as_raw_fd));
    keep.extend(besides);
    keep.sort_unstable();
    fd::close_all_but(&keep).stage(Stage::Control)
}

/// What to tell the supervisor about the program.
fn watch(plan: &Plan, program: i32) -> Watch {
    // Every orphan becomes a child of the init of its PID namespace, and of no other process. So only init can tell
    // whether anything is left.
    let tells_more = plan.lifecycle.looks_afterwards() && plan.launch.clone.has(NsSet::PID);
    Watch { program, tells_more, tells_stops: plan.program.new_group, obeys: plan.init.obeys }
}
