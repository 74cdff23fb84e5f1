//! Namespaces that the caller has named, and that are joined.

use std::os::fd::{AsFd, OwnedFd};

use crate::plan::Launch;
use crate::protocol::{At, Descriptors, Message, Outcome, Stage};
use crate::sys::ns::{self, NsSet};
use crate::sys::process::{self, Cloned, SingleThread};
use crate::sys::socket;

/// Continues in the namespaces that are joined before any is made, and in those that are made: in a new process, which
/// is the supervisor's child like this one. The supervisor itself stays outside.
pub(super) fn enter_first(
    launch: &Launch,
    descriptors: &Descriptors,
    control: &OwnedFd,
    thread: SingleThread,
) -> Outcome<()> {
    for (fd, kind, stage) in
        [(launch.joins.user, NsSet::USER, Stage::JoinUser), (launch.joins.pid, NsSet::PID, Stage::JoinPid)]
    {
        if let Some(fd) = fd {
            join(descriptors, fd, kind, stage)?;
        }
    }
    go_on_in(launch.clone, Stage::Clone, control, thread)
}

/// Continues in a new PID namespace below the one that was joined.
pub(super) fn enter_new_pid_namespace(control: &OwnedFd, thread: SingleThread) -> Outcome<()> {
    go_on_in(NsSet::PID, Stage::CloneBelow, control, thread)
}

/// Continues in a new process, in new namespaces, and says hello from there.
fn go_on_in(namespaces: NsSet, stage: Stage, control: &OwnedFd, thread: SingleThread) -> Outcome<()> {
    match process::clone(thread, namespaces, true).stage(stage)? {
        Cloned::Parent(_) => process::exit_now(0),
        Cloned::Child => socket::send(control.as_fd(), &Message::Hello.encode()).stage(Stage::Control),
    }
}

/// Joins the namespace given by number to `setns(2)`; a number that is not open is the kernel's `EBADF`.
pub(super) fn join(descriptors: &Descriptors, number: i32, kind: NsSet, stage: Stage) -> Outcome<()> {
    descriptors.get(number).and_then(|fd| ns::join(fd, kind)).stage(stage)
}
