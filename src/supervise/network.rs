//! Makes the network namespace of a box while the setup process makes its mounts.
//!
//! The namespace must belong to the user namespace of the box, and a process that joins that one cannot come back. So a
//! helper makes it. The helper shares the supervisor's memory, and the supervisor waits for it, as with `vfork(2)`. The
//! helper is gone before the program can start, so nothing inside can attack a process with its capabilities.

use std::os::fd::{AsFd, OwnedFd};

use super::child::{become_opaque, gone_is_fine, let_go_on};
use crate::protocol::{At, Failure, GO, Stage};
use crate::sys::ns::{self, NsSet};
use crate::sys::process::{self, Child, SingleThread};
use crate::sys::{Errno, net, socket};

/// The result of the helper.
enum Network {
    /// The new namespace, and a socket in it.
    Made(OwnedFd, OwnedFd),
    /// The helper could not join the user namespace. The setup process can make the network namespace itself.
    LeftToChild,
    /// The setup process has ended and needs no namespace. Its last message is read next.
    NotNeeded,
}

/// Makes the network namespace while the setup process mounts, and sends it over. Calls `first` before that and returns
/// its result.
pub(super) fn make<T>(
    control: &OwnedFd,
    child: &Child,
    thread: SingleThread,
    first: impl Fn() -> Result<T, Failure>,
) -> Result<T, Failure> {
    // This stays if the helper is killed.
    let mut done = Err(Failure::new(Stage::Net, Errno::EINTR as i32));
    let helped = process::help(thread, || {
        // Linux often starts a process on its parent's processor, even if others are idle. The new process then waits
        // until the parent sleeps (kernel/sched/fair.c, select_task_rq_fair). The setup process may wait here like
        // that.
        process::move_to_other_cpu();
        done = first().and_then(|first| Ok((first, make_in(child)?)));
        0
    });
    if helped.is_err() {
        // The helper could not be started, for example because of a limit on processes.
        done = first().map(|first| (first, Network::LeftToChild));
    }
    let (first, network) = done?;
    become_opaque()?;
    match network {
        Network::Made(network, socket) => {
            let sent = socket::send_descriptor(control.as_fd(), GO, network.as_fd());
            // `give_up` closes these with the rest, which saves two system calls.
            std::mem::forget((network, socket));
            sent.or_else(gone_is_fine).stage(Stage::Control)?;
        }
        Network::LeftToChild => let_go_on(control.as_fd())?,
        Network::NotNeeded => {}
    }
    Ok(first)
}

/// What the helper does: makes the network namespace in the user namespace of `child`.
fn make_in(child: &Child) -> Result<Network, Failure> {
    match ns::join(child.as_fd(), NsSet::USER) {
        Err(Errno::ESRCH) => return Ok(Network::NotNeeded),
        // A system call filter around us allows clone(2) but not setns(2).
        Err(Errno::EPERM | Errno::ENOSYS) => return Ok(Network::LeftToChild),
        result => result.stage(Stage::Net)?,
    }
    ns::unshare(NsSet::NET).stage(Stage::Net)?;
    let socket = net::any_socket().stage(Stage::Prepare)?;
    net::bring_loopback_up(socket.as_fd()).stage(Stage::Loopback)?;
    Ok(Network::Made(net::namespace(socket.as_fd()).stage(Stage::Net)?, socket))
}
