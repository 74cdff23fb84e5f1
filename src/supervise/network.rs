//! The network namespace of a box, made beside its mounts.

use std::os::fd::{AsFd, OwnedFd};

use super::{become_opaque, gone_is_fine};
use crate::protocol::{At, Failure, GO, Stage};
use crate::sys::ns::{self, NsSet};
use crate::sys::process::Child;
use crate::sys::{Errno, net, socket};

/// Makes the network namespace of the box while the half inside is busy with its mounts, and hands it over.
///
/// It must belong to the user namespace of the box, so this process moves there: a place from where it can do no more
/// than before, once it has given the capabilities up that it has there.
pub(super) fn make(control: &OwnedFd, child: &Child) -> Result<(), Failure> {
    match ns::join(child.as_fd(), NsSet::USER) {
        // It ended early; what it had to say is read next.
        Err(Errno::ESRCH) => return Ok(()),
        // A filter around us that knows clone(2) but not this: the half inside makes its own.
        Err(Errno::EPERM | Errno::ENOSYS) => {
            become_opaque()?;
            return socket::send(control.as_fd(), GO).or_else(gone_is_fine).stage(Stage::Control);
        }
        result => result.stage(Stage::Net)?,
    }
    ns::unshare(NsSet::NET).stage(Stage::Net)?;
    let socket = net::any_socket().stage(Stage::Prepare)?;
    net::bring_loopback_up(socket.as_fd()).stage(Stage::Loopback)?;
    let network = net::namespace(socket.as_fd()).stage(Stage::Net)?;
    become_opaque()?;
    socket::send_descriptor(control.as_fd(), GO, network.as_fd()).or_else(gone_is_fine).stage(Stage::Control)?;
    // Closed with all the rest in `let_go`: two calls less.
    std::mem::forget((socket, network));
    Ok(())
}
