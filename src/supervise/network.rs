//! The network namespace of a box, made beside its mounts.
//!
//! It must belong to the user namespace of the box, and a process that moves there cannot come back. So a helper makes
//! it. The helper runs on the supervisor's memory and is gone before the supervisor goes on, as with `vfork(2)`.

use std::os::fd::{AsFd, OwnedFd};

use super::child::{become_opaque, gone_is_fine, let_go_on};
use crate::protocol::{At, Failure, GO, Stage};
use crate::sys::ns::{self, NsSet};
use crate::sys::process::{self, Child, SingleThread};
use crate::sys::{Errno, net, socket};

/// Makes the network namespace while the setup process mounts, and hands it over. Does `first` before that, and returns
/// what it yields.
pub(super) fn make<T>(
    control: &OwnedFd,
    child: &Child,
    thread: SingleThread,
    first: impl Fn() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut done = None;
    let helper = process::spawn_on_own_stack(thread, || {
        // Linux often starts a process on the processor of its maker, where it waits until that sleeps, although others
        // are idle (kernel/sched/fair.c, select_task_rq_fair). Here the setup process may be waiting so.
        process::leave_processor();
        done = Some(first().and_then(|first| make_beside(control, child).map(|()| first)));
        0
    });
    match helper {
        Ok(helper) => drop(process::wait_for(helper).stage(Stage::Net)?),
        // There can be no further process: the setup process makes its own network.
        Err(_) => done = Some(first().and_then(|first| leave_to_child(control).map(|()| first))),
    }
    // It was killed.
    done.unwrap_or(Err(Failure::new(Stage::Net, Errno::EINTR as i32)))
}

/// The work of the helper. What it opens is closed by its end.
fn make_beside(control: &OwnedFd, child: &Child) -> Result<(), Failure> {
    match ns::join(child.as_fd(), NsSet::USER) {
        // It ended early; what it had to say is read next.
        Err(Errno::ESRCH) => return Ok(()),
        // A filter around us that knows clone(2) but not this.
        Err(Errno::EPERM | Errno::ENOSYS) => return leave_to_child(control),
        result => result.stage(Stage::Net)?,
    }
    ns::unshare(NsSet::NET).stage(Stage::Net)?;
    let socket = net::any_socket().stage(Stage::Prepare)?;
    net::bring_loopback_up(socket.as_fd()).stage(Stage::Loopback)?;
    let network = net::namespace(socket.as_fd()).stage(Stage::Net)?;
    become_opaque()?;
    socket::send_descriptor(control.as_fd(), GO, network.as_fd()).or_else(gone_is_fine).stage(Stage::Control)?;
    std::mem::forget((socket, network));
    Ok(())
}

/// Tells the setup process to make its own.
fn leave_to_child(control: &OwnedFd) -> Result<(), Failure> {
    become_opaque()?;
    let_go_on(control.as_fd())
}
