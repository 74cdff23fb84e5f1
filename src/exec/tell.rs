//! Messages to the supervisor.

use std::os::fd::{AsFd, OwnedFd};

use crate::protocol::Message;
use crate::sys::file;

/// Sends a message to the supervisor. If that has ended, there is nobody to tell.
pub(super) fn tell(control: &OwnedFd, message: &Message) {
    // Use write(2): this may run under the caller's filter, which may allow no other call.
    let _listening = file::write_all(control.as_fd(), &message.encode()).is_ok();
}
