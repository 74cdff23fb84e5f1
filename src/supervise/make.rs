//! Makes the first process of a box, lets it begin, and closes the descriptors that the supervisor needs no more.

use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

use super::afterwards::Before;
use super::attend::{Attendant, Masters};
use super::child::{SuperviseError, become_opaque, let_go_on};
use super::events::Sources;
use super::job::Job;
use super::{network, status};
use crate::exec;
use crate::plan::{Maps, Plan, Start};
use crate::protocol::{At, Descriptors, Failure, Message, Packet, Stage};
use crate::spec::{FdNumber, OnSignal};
use crate::sys::cmdline::CommandLine;
use crate::sys::ns::NsSet;
use crate::sys::process::{self, Child, Cloned, SingleThread};
use crate::sys::signals::Signals;
use crate::sys::{content, fd, socket};
use crate::workspace::keeping::Keeping;

/// Makes the first process of the box, the setup process. Also returns the supervisor's end of the control socket.
pub(super) fn make(
    plan: &Plan,
    descriptors: &mut Descriptors,
    (job, signals): (Option<&Job>, Option<&Signals>),
    line: Option<CommandLine>,
    thread: SingleThread,
) -> Result<(OwnedFd, Child), SuperviseError> {
    let (control, inside) = socket::pair().stage(Stage::Prepare)?;
    let is_joining = plan.launch.joins.are_first();
    if is_joining || job.is_some() {
        // The supervisor must learn which process sends a message. The kernel adds its process id, as seen from this
        // process's PID namespace (SCM_CREDENTIALS, unix(7)).
        socket::pass_credentials(&control).stage(Stage::Prepare)?;
    }
    if plan.launch.start == Start::AtOnce {
        become_opaque()?;
    }
    // A process that joins a namespace makes a child, and that child gets the new namespaces.
    let namespaces = if is_joining { NsSet::NONE } else { plan.launch.clone };
    let mut child = match process::clone(thread, namespaces, false).stage(Stage::Clone)? {
        Cloned::Child => {
            drop(control);
            if signals.is_some_and(|signals| signals.unwatch().is_err()) {
                process::exit_now(1);
            }
            exec::run(plan, descriptors, inside, session(plan, job), line, thread)
        }
        Cloned::Parent(child) => child,
    };
    // While the setup process replaces itself with a child, the supervisor must notice if it dies, and for that this
    // end of the socket must be closed here. Otherwise `give_up` closes it with the rest, which saves a system call.
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

/// The session for the program. It shares the caller's session only where it shares its terminal.
fn session<'a>(plan: &Plan, job: Option<&'a Job>) -> exec::Session<'a> {
    match job {
        None if plan.init.obeys && !plan.program.new_session => exec::Session::Own,
        job => exec::Session::Callers(job.and_then(Job::for_program)),
    }
}

/// Returns the child that `between` made to replace itself. The child sends a hello, and the kernel adds its process
/// id.
fn next_below(control: &OwnedFd, between: Child) -> Result<Child, SuperviseError> {
    let mut packet = [0; Packet::ROOM];
    let said = socket::receive(control.as_fd(), &mut packet).stage(Stage::Control)?;
    let end = process::wait(between.as_fd()).stage(Stage::Control)?;
    match (Message::decode(&packet[..said.length]), said.sender) {
        (Some(Message::Hello), Some(pid)) => {
            let pidfd = process::pidfd_open(pid).stage(Stage::Control)?;
            Ok(Child { pid, pidfd })
        }
        (Some(Message::Failed(failure)), _) => Err(SuperviseError::Failed(failure)),
        _ => Err(SuperviseError::Silent(end)),
    }
}

/// Gives the setup process the word or the network namespace that it waits for. Returns the state of the host from
/// before the program runs: `before`, or else what a look finds now.
pub(super) fn let_begin(
    plan: &Plan,
    descriptors: &Descriptors,
    attendant: &mut Attendant<'_>,
    (control, child): (&OwnedFd, &Child),
    before: Option<Before>,
    thread: SingleThread,
) -> Result<Before, SuperviseError> {
    if plan.launch.start == Start::Held {
        become_opaque()?;
        let_go_on(control.as_fd())?;
    }
    if let Some(before) = before {
        return Ok(before);
    }
    let look = || Before::look(plan, descriptors.proc());
    network::make(control, child, thread, look).map_err(|failure| {
        // A failure of the setup process is the earlier one, so it is the one to report.
        let _ended = process::kill(child.as_fd()).is_ok();
        let told =
            give_up(attendant, descriptors, None).map_err(SuperviseError::from).and_then(|()| attendant.attend());
        match told {
            Err(SuperviseError::Failed(first)) => first.into(),
            _ => failure.into(),
        }
    })
}

/// Closes all descriptors except those that `attendant` and the reports use. If this process kept the caller's pipes
/// and sockets open, their other ends would wait for it to end.
pub(super) fn give_up(
    attendant: &Attendant<'_>,
    descriptors: &Descriptors,
    status: Option<FdNumber>,
) -> Result<(), Failure> {
    let mut keep: Vec<_> = attendant.descriptors().collect();
    keep.extend(attendant.keeping().into_iter().flat_map(Keeping::descriptors));
    keep.push(fd::number(descriptors.proc()));
    keep.extend(status.filter(|&fd| descriptors.get(fd).is_ok()));
    keep.sort_unstable();
    fd::close_all_but(&keep).stage(Stage::Control)
}

/// What ends the wait for the id maps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Event {
    /// The caller has ended, or wants the box to end.
    Ended,
    /// The process that writes the id maps has written them, or is gone.
    Mapped,
    /// The setup process has ended. Its last message is read next.
    Gone,
}

/// Reports a box whose setup process is held, and waits for the id maps if another process writes them. Returns false
/// if the box must end instead.
pub(super) fn hold(
    plan: &Plan,
    descriptors: &mut Descriptors,
    child: &Child,
    masters: Masters<'_>,
) -> Result<bool, Failure> {
    if plan.launch.start != Start::Held {
        return Ok(true);
    }
    if plan.lifecycle.on_signal != OnSignal::Default {
        // If the reader of the report is gone, that is an error to report. bubblewrap dies of SIGPIPE instead, and so
        // does its front end here.
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
    // Any answer means that the maps are written, also end of file.
    let _any_answer = event == Event::Mapped && content::read(fd, &mut [0]).is_ok();
    Ok(event != Event::Ended)
}
