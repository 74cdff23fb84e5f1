//! Makes the first process of a box, lets it begin, and gives up what is not needed from then on.

use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

use super::afterwards::Before;
use super::attend::{Attendant, Masters};
use super::child::{Trouble, become_opaque, let_go_on};
use super::events::Sources;
use super::job::Job;
use super::{network, status};
use crate::exec;
use crate::plan::{Maps, Plan, Start};
use crate::protocol::{At, Descriptors, Failure, Message, Packet, Stage};
use crate::spec::FdNumber;
use crate::sys::cmdline::CommandLine;
use crate::sys::ns::NsSet;
use crate::sys::process::{self, Child, Cloned, SingleThread};
use crate::sys::{content, fd, socket};

/// Makes the first process of the box, which begins to set itself up. Returns the supervisor's end of the control
/// socket too.
pub(super) fn make(
    plan: &Plan,
    descriptors: &mut Descriptors,
    job: Option<&Job>,
    line: Option<CommandLine>,
    thread: SingleThread,
) -> Result<(OwnedFd, Child), Trouble> {
    let (control, inside) = socket::pair().stage(Stage::Prepare)?;
    let is_joining = plan.launch.joins.are_first();
    if is_joining || job.is_some() {
        // Who says something: the kernel knows the process ids of a box as this process sees them.
        socket::pass_credentials(&control).stage(Stage::Prepare)?;
    }
    if plan.launch.start == Start::AtOnce {
        become_opaque()?;
    }
    // Where it joins a namespace, one below it gets the new ones.
    let namespaces = if is_joining { NsSet::NONE } else { plan.launch.clone };
    let mut child = match process::clone(thread, namespaces, false).stage(Stage::Clone)? {
        Cloned::Child => {
            drop(control);
            exec::run(plan, descriptors, inside, job.and_then(Job::for_program), line, thread)
        }
        Cloned::Parent(child) => child,
    };
    // Its end must be noticed while one process takes the place of another. Otherwise it is closed with all the rest in
    // `give_up`, which is one call less.
    let inside = inside.into_raw_fd();
    if is_joining {
        fd::close_numbers([inside]);
        child = next_below(&control, child)?;
    }
    if plan.launch.joins.pid_below {
        child = next_below(&control, child)?;
    }
    Ok((control, child))
}

/// The process that `between` has made in the place of itself: it says hello, and the kernel says who it is.
fn next_below(control: &OwnedFd, between: Child) -> Result<Child, Trouble> {
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

/// Gives the setup process what the program does not run without, and says what was before: `before`, or what is found
/// now.
pub(super) fn let_begin(
    plan: &Plan,
    descriptors: &Descriptors,
    attendant: &mut Attendant<'_>,
    (control, child): (&OwnedFd, &Child),
    before: Option<Before>,
    thread: SingleThread,
) -> Result<Before, Trouble> {
    if plan.launch.start == Start::Held {
        become_opaque()?;
        let_go_on(control.as_fd())?;
    }
    if let Some(before) = before {
        return Ok(before);
    }
    let look = || Before::look(plan, descriptors.proc());
    network::make(control, child, thread, look).map_err(|failure| {
        // What went wrong inside came first.
        let _ended = process::kill(child.as_fd()).is_ok();
        let told = give_up(attendant, descriptors, None).map_err(Trouble::from).and_then(|()| attendant.attend());
        match told {
            Err(Trouble::Failed(first)) => first.into(),
            _ => failure.into(),
        }
    })
}

/// Closes the descriptors of the caller, whose other ends would otherwise wait for this process, and what was left to be
/// closed here: all but what `attendant` and reports take.
pub(super) fn give_up(
    attendant: &Attendant<'_>,
    descriptors: &Descriptors,
    status: Option<FdNumber>,
) -> Result<(), Failure> {
    let mut keep: Vec<_> = attendant.descriptors().collect();
    keep.push(fd::number(descriptors.proc()));
    keep.extend(status.filter(|&fd| descriptors.get(fd).is_ok()));
    keep.sort_unstable();
    fd::close_all_but(&keep).stage(Stage::Control)
}

/// What ends the wait of a box that is held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    /// Its caller has ended, or wants it to end.
    Ended,
    /// Whoever writes the id maps has done so, or has gone.
    Mapped,
    /// Its process has ended. What it had to say is read next.
    Gone,
}

/// Tells the caller about a box that is held, and waits for its id maps where others write them. False where the box
/// shall end instead.
pub(super) fn hold(
    plan: &Plan,
    descriptors: &mut Descriptors,
    child: &Child,
    masters: Masters<'_>,
) -> Result<bool, Failure> {
    if plan.launch.start != Start::Held {
        return Ok(true);
    }
    if plan.lifecycle.orderly {
        // A reader that has gone is an error to be told. bubblewrap dies of it, and so does its front end.
        process::ignore_sigpipe().stage(Stage::Report)?;
    }
    status::announce(&plan.launch, descriptors, child.pid).stage(Stage::Report)?;
    let Maps::From(fd) = plan.ids.maps else { return Ok(true) };
    let Ok(fd) = descriptors.get(fd) else { return Ok(true) };
    let mut sources = Sources::new();
    masters.register(&mut sources, [Event::Ended; 2]);
    sources.register(fd, Event::Mapped);
    sources.register(child.as_fd(), Event::Gone);
    let event = sources.next().stage(Stage::Control)?;
    // Whatever the answer, end of file too, it is the caller's word that the maps are written.
    let _any_answer = event == Event::Mapped && content::read(fd, &mut [0]).is_ok();
    Ok(event != Event::Ended)
}
