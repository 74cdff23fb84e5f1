//! The setup process: everything between `clone(2)` and the program.
//!
//! It follows the plan and decides nothing. It prints nothing: it reports failures over the control socket, and the
//! supervisor turns them into messages (`protocol/`).
#![forbid(unsafe_code)]

mod deny;
mod devices;
mod filters;
mod input;
mod joins;
mod landlock;
mod layers;
mod listing;
mod lockdown;
mod mounts;
mod pid1;
mod reap;
mod root;
mod sealed;
mod sources;
mod tell;
mod userns;

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use landlock::Fence;
use lockdown::Locked;
pub(crate) use lockdown::Session;
pub(crate) use sealed::{STARTING, resume};
use tell::{Remarks, tell};

use crate::plan::{Plan, Start};
use crate::protocol::{At, Descriptors, Message, Outcome, Stage};
use crate::spec::{DieWith, Fds};
use crate::sys::cmdline::CommandLine;
use crate::sys::fork::Ends;
use crate::sys::ns::{self, NsSet};
use crate::sys::process::{self, SingleThread};
use crate::sys::socket::Received;
use crate::sys::{Spent, content, fd, net, socket};

/// Runs the plan in the process that `clone(2)` has just made, and never returns. The program runs in `session`.
pub(crate) fn run(
    plan: &Plan,
    descriptors: &mut Descriptors,
    control: OwnedFd,
    session: Session<'_>,
    words: Option<CommandLine>,
    thread: SingleThread,
) -> ! {
    // A panic ends this process, also where the caller's program unwinds: it must not go on as a copy of that.
    let ends = Ends::here();
    let failure = match set_up(plan, descriptors, &control, (session, words.is_some()), thread) {
        Ok(locked) if plan.init.stays => pid1::run(plan, &control, &locked, words, thread),
        Ok(locked) => locked.exec(plan, &control),
        Err(failure) => failure,
    };
    tell(&control, &Message::Failed(failure));
    ends.exit(1)
}

/// Runs the setup stages in order. Each stage drops the privileges that later ones do not need. `is_tool`: this process
/// is the pinfold program itself, not another program that uses the library.
fn set_up<'a>(
    plan: &Plan,
    descriptors: &mut Descriptors,
    control: &OwnedFd,
    (session, is_tool): (Session<'a>, bool),
    thread: SingleThread,
) -> Outcome<Locked<'a>> {
    if plan.launch.joins.are_first() {
        joins::enter_first(&plan.launch, descriptors, control, thread)?;
    }
    if plan.lifecycle.die_with != DieWith::Nobody {
        // `lockdown::lock` sets it again, because a change of ids clears it (prctl(2), PR_SET_PDEATHSIG).
        process::set_pdeathsig().stage(Stage::DieWithParent)?;
    }
    // The supervisor writes these reports. Whoever reads one to its end must not have to wait for this process too.
    for fd in plan.launch.report.info_fd.into_iter().chain(plan.launch.report.json_status_fd) {
        descriptors.close(fd);
    }
    if plan.launch.start == Start::AtOnce {
        // The supervisor made itself non-dumpable before the clone, and this process inherited that. Undo it: the
        // owner's tools may look into a sandbox (nsenter), and /proc/self must belong to the sandbox's user.
        process::set_dumpable(true).stage(Stage::Dumpable)?;
    }
    if plan.launch.joins.pid_below {
        joins::enter_new_pid_namespace(control, thread)?;
    }
    if plan.launch.start == Start::Held {
        wait_for_go(control)?;
    }
    if plan.launch.clone.has(NsSet::NET) {
        // Before the id maps are written, as bubblewrap does: where AppArmor restricts user namespaces, callers look
        // for the text of this failure.
        bring_loopback_up()?;
    }
    let mut spent = Spent::default();
    userns::map_ids(&plan.ids, descriptors.proc(), &mut spent)?;
    let remarks = Remarks::new(control);
    let mut own_home = None;
    let mut fence = Fence::begin(&plan.restrictions, &plan.root)?;
    if plan.root.is_new {
        let is_own = matches!(plan.program.fds, Fds::Only(_));
        let input = if is_own { input::reopen(descriptors.proc()) } else { None };
        (fence, own_home) = mounts::build(&plan.root, descriptors, &remarks, (fence, spent))?;
        input.map_or(Ok(()), |input| input.exchange(descriptors.proc(), control))?;
    } else {
        // Now, and not when others may have got the numbers.
        drop(spent);
        fence.allow_host_paths()?;
    }
    if plan.launch.start == Start::NetworkBeside {
        enter_network(control)?;
    }
    userns::leave_behind(plan, descriptors, &remarks)?;
    // What else the supervisor has sent was read before.
    remarks.wait_until_said()?;
    let mut locked = lockdown::lock(plan, descriptors, control, session, fence)?;
    let kept = if let Fds::Only(kept) = &plan.program.fds { kept.as_slice() } else { &[] };
    descriptors.close_all_but(|fd| plan.lifecycle.sync_fd == Some(fd) || kept.contains(&fd));
    locked.copy = sealed::copy(plan, descriptors.proc(), is_tool)?;
    // The procfs descriptor is no longer needed. The program could reach what PID 1 still holds through /proc/1/fd.
    match &plan.program.fds {
        Fds::Inherit => fd::close_numbers([fd::number(descriptors.proc())]),
        Fds::Only(kept) => {
            let mut keep = kept.clone();
            keep.push(fd::number(control.as_fd()));
            keep.extend(plan.lifecycle.sync_fd);
            keep.extend(locked.copy.as_ref().map(AsRawFd::as_raw_fd));
            keep.extend(session.terminal().map(fd::number));
            keep.extend(own_home.as_ref().map(AsRawFd::as_raw_fd));
            keep.sort_unstable();
            fd::close_all_but(&keep).stage(Stage::Control)?;
        }
    }
    if plan.init.stays {
        // After the descriptors are closed: a lock file could get a number that is still to be closed, and closing it
        // would release the lock.
        locked.locks = pid1::take_locks(&plan.lifecycle)?;
    } else {
        fd::close_numbers(plan.lifecycle.sync_fd);
    }
    locked.own_home = own_home.map(ManuallyDrop::new);
    Ok(locked)
}

fn bring_loopback_up() -> Outcome<()> {
    let socket = net::any_socket().stage(Stage::Prepare)?;
    net::bring_loopback_up(socket.as_fd()).stage(Stage::Loopback)
}

/// Enters the network namespace that a helper of the supervisor has made in the meantime.
fn enter_network(control: &OwnedFd) -> Outcome<()> {
    match socket::receive(control.as_fd(), &mut [0]).stage(Stage::Control)? {
        Received { descriptor: Some(network), .. } => {
            ns::join(network.as_fd(), NsSet::NET).stage(Stage::JoinNet)?;
            // PID 1 or exec closes it with the rest. That saves a call here.
            std::mem::forget(network);
            Ok(())
        }
        // The supervisor has ended, or has a failure of its own to report.
        Received { length: 0, .. } => process::exit_now(1),
        // The supervisor could not make one. This process can.
        Received { .. } => {
            ns::unshare(NsSet::NET).stage(Stage::Net)?;
            bring_loopback_up()
        }
    }
}

/// Waits until the supervisor has reported this process to whoever asked for its id, and has mapped its ids.
fn wait_for_go(control: &OwnedFd) -> Outcome<()> {
    match content::read(control.as_fd(), &mut [0]).stage(Stage::Control)? {
        // The supervisor has ended, so this sandbox ends before it begins.
        0 => process::exit_now(1),
        _ => Ok(()),
    }
}
