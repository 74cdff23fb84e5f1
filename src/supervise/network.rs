//! The network namespace of a box, made beside its mounts.
//!
//! It must belong to the user namespace of the box, and a process that moves there cannot come back. So a helper makes
//! it. The helper runs on the supervisor's memory while that stands still, as with `vfork(2)`, and is gone before the
//! program can start: nobody inside ever meets a process with its capabilities.

use std::os::fd::{AsFd, OwnedFd};

use super::child::{become_opaque, gone_is_fine, let_go_on};
use crate::protocol::{At, Failure, GO, Stage};
use crate::sys::ns::{self, NsSet};
use crate::sys::process::{self, Child, SingleThread};
use crate::sys::{Errno, net, socket};

/// What the helper has made.
enum Network {
    /// The namespace, and a socket in it.
    Made(OwnedFd, OwnedFd),
    /// None: the setup process can make its own.
    LeftToChild,
    /// None, nor will it be missed: the setup process has ended. What it had to say is read next.
    NotNeeded,
}

/// Makes the network namespace while the setup process mounts, and hands it over. Does `first` before that, and returns
/// what it yields.
pub(super) fn make<T>(
    control: &OwnedFd,
    child: &Child,
    thread: SingleThread,
    first: impl Fn() -> Result<T, Failure>,
) -> Result<T, Failure> {
    // What stands here in the end where the helper is killed.
    let mut done = Err(Failure::new(Stage::Net, Errno::EINTR as i32));
    let helped = process::help(thread, || {
        // Linux often starts a process on the processor of its maker, where it waits until that sleeps, although others
        // are idle (kernel/sched/fair.c, select_task_rq_fair). Here the setup process may be waiting so.
        process::leave_processor();
        done = first().and_then(|first| Ok((first, make_in(child)?)));
        0
    });
    if helped.is_err() {
        // There can be no further process.
        done = first().map(|first| (first, Network::LeftToChild));
    }
    let (first, network) = done?;
    become_opaque()?;
    match network {
        Network::Made(network, socket) => {
            let sent = socket::send_descriptor(control.as_fd(), GO, network.as_fd());
            // Closed with all the rest in `give_up`: two calls less.
            std::mem::forget((network, socket));
            sent.or_else(gone_is_fine).stage(Stage::Control)?;
        }
        Network::LeftToChild => let_go_on(control.as_fd())?,
        Network::NotNeeded => {}
    }
    Ok(first)
}

/// The work of the helper.
fn make_in(child: &Child) -> Result<Network, Failure> {
    match ns::join(child.as_fd(), NsSet::USER) {
        Err(Errno::ESRCH) => return Ok(Network::NotNeeded),
        // A filter around us that knows clone(2) but not this.
        Err(Errno::EPERM | Errno::ENOSYS) => return Ok(Network::LeftToChild),
        result => result.stage(Stage::Net)?,
    }
    ns::unshare(NsSet::NET).stage(Stage::Net)?;
    let socket = net::any_socket().stage(Stage::Prepare)?;
    net::bring_loopback_up(socket.as_fd()).stage(Stage::Loopback)?;
    Ok(Network::Made(net::namespace(socket.as_fd()).stage(Stage::Net)?, socket))
}
