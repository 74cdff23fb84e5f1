//! Messages to the half outside.

use std::os::fd::{AsFd, OwnedFd};

use crate::protocol::Message;
use crate::sys::file;

/// Sends a message outside. If nobody listens any more there is nobody to tell.
pub(super) fn tell(control: &OwnedFd, message: &Message) {
    // write(2), because this may run under the caller's filter, which may know no other call.
    let _listening = file::write_all(control.as_fd(), &message.encode()).is_ok();
}
