//! The half inside: everything between `clone(2)` and the program.
//!
//! It follows a plan and decides nothing. It prints nothing: what fails is reported over the control socket, and the
//! half outside makes words of it (`protocol/`).
#![forbid(unsafe_code)]

mod deny;
mod devices;
mod input;
mod joins;
mod landlock;
mod layers;
mod lockdown;
mod mounts;
mod pid1;
mod root;
mod sealed;
mod sources;
mod tell;
mod userns;

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use landlock::Fence;
use lockdown::Locked;
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
use crate::sys::{file, net, socket};

/// Runs the plan in the process that `clone(2)` has just made, and never returns. The program gets `terminal`, if there
/// is one, for its process group.
pub(crate) fn run(
    plan: &Plan,
    descriptors: &mut Descriptors,
    control: OwnedFd,
    terminal: Option<BorrowedFd<'_>>,
    words: Option<CommandLine>,
    thread: SingleThread,
) -> ! {
    // A panic ends this process, also where the caller's program unwinds: it must not go on as a copy of that.
    let ends = Ends::here();
    let failure = match set_up(plan, descriptors, &control, (terminal, words.is_some()), thread) {
        Ok(locked) if plan.init.stays => pid1::run(plan, &control, &locked, words, thread),
        Ok(locked) => locked.exec(plan, &control),
        Err(failure) => failure,
    };
    tell(&control, &Message::Failed(failure));
    ends.exit(1)
}

/// The stages, in order. Each undoes the powers that the next does not need.
/// `is_tool` is whether this process is the tool itself, and no user of the library.
fn set_up<'a>(
    plan: &Plan,
    descriptors: &mut Descriptors,
    control: &OwnedFd,
    (terminal, is_tool): (Option<BorrowedFd<'a>>, bool),
    thread: SingleThread,
) -> Outcome<Locked<'a>> {
    if plan.launch.joins.are_first() {
        joins::enter_first(&plan.launch, descriptors, control, thread)?;
    }
    if plan.lifecycle.die_with != DieWith::Nobody {
        // Set again when the ids are those of the program, because changing them ends this.
        process::die_with_maker().stage(Stage::DieWithParent)?;
    }
    // The supervisor writes the reports. A reader that waits for their end must not wait for this half.
    for fd in plan.launch.report.info_fd.into_iter().chain(plan.launch.report.json_status_fd) {
        descriptors.close(fd);
    }
    if plan.launch.start == Start::AtOnce {
        // The supervisor has closed itself before the clone. A box may be looked into by the tools of its owner
        // (nsenter), and its own /proc/self must be its own.
        process::set_dumpable(true).stage(Stage::Dumpable)?;
    }
    if plan.launch.joins.pid_below {
        joins::enter_new_pid_namespace(control, thread)?;
    }
    if plan.launch.start == Start::Held {
        wait_for_go(control)?;
    }
    if plan.launch.clone.has(NsSet::NET) {
        // Before the id maps, as bubblewrap: where user namespaces are restricted by AppArmor, callers look for the
        // text of this failure.
        bring_loopback_up()?;
    }
    userns::become_somebody(&plan.ids, descriptors.proc())?;
    let remarks = Remarks::new(control);
    let mut fence = Fence::begin(&plan.restrictions, &plan.root)?;
    if plan.root.is_new {
        let is_own = matches!(plan.program.fds, Fds::Only(_));
        let input = if is_own { input::reopen(descriptors.proc()) } else { None };
        fence = mounts::build(&plan.root, descriptors, &remarks, fence)?;
        input.map_or(Ok(()), |input| input.exchange(descriptors.proc(), control))?;
    } else {
        fence.allow_host_paths()?;
    }
    if plan.launch.start == Start::NetworkBeside {
        enter_network(control)?;
    }
    // What else the supervisor has sent was read before.
    remarks.wait_until_said()?;
    userns::leave_behind(plan, descriptors)?;
    let mut locked = lockdown::lock(plan, descriptors, control, fence)?;
    let kept = if let Fds::Only(kept) = &plan.program.fds { kept.as_slice() } else { &[] };
    descriptors.close_all_but(|fd| plan.lifecycle.sync_fd == Some(fd) || kept.contains(&fd));
    locked.copy = sealed::copy(plan, descriptors.proc(), is_tool)?;
    // Needed no more, and what PID 1 holds when the program starts could be reached through /proc/1/fd.
    match &plan.program.fds {
        Fds::Inherit => file::close_numbers([file::number(descriptors.proc())]),
        Fds::Only(kept) => {
            let mut keep = kept.clone();
            keep.push(file::number(control.as_fd()));
            keep.extend(plan.lifecycle.sync_fd);
            keep.extend(locked.copy.as_ref().map(AsRawFd::as_raw_fd));
            keep.extend(terminal.map(file::number));
            keep.sort_unstable();
            file::close_all_but(&keep).stage(Stage::Control)?;
        }
    }
    if plan.init.stays {
        // After the closing, which would end a lock on a file that has got the number of a descriptor used up before.
        locked.locks = pid1::take_locks(&plan.lifecycle)?;
    } else {
        file::close_numbers(plan.lifecycle.sync_fd);
    }
    locked.terminal = terminal;
    Ok(locked)
}

fn bring_loopback_up() -> Outcome<()> {
    let socket = net::any_socket().stage(Stage::Prepare)?;
    net::bring_loopback_up(socket.as_fd()).stage(Stage::Loopback)
}

/// Enters the network namespace that a helper of the supervisor has made meanwhile.
fn enter_network(control: &OwnedFd) -> Outcome<()> {
    match socket::receive(control.as_fd(), &mut [0]).stage(Stage::Control)? {
        Received { descriptor: Some(network), .. } => {
            ns::join(network.as_fd(), NsSet::NET).stage(Stage::JoinNet)?;
            // It is closed with the rest, by PID 1 or by exec: one call less.
            std::mem::forget(network);
            Ok(())
        }
        // The supervisor is gone, or has a failure to tell.
        Received { length: 0, .. } => process::exit_now(1),
        // It could not, where this process can.
        Received { .. } => {
            ns::unshare(NsSet::NET).stage(Stage::Net)?;
            bring_loopback_up()
        }
    }
}

/// Waits until the supervisor has reported this process to whoever wants to know, and its ids are mapped.
fn wait_for_go(control: &OwnedFd) -> Outcome<()> {
    match file::read(control.as_fd(), &mut [0]).stage(Stage::Control)? {
        // The supervisor is gone: so is this box, before it began.
        0 => process::exit_now(1),
        _ => Ok(()),
    }
}
