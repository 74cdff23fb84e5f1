//! The first process of a box, as the supervisor sees it: it may look into that one, never the other way round, and
//! ends it.

use std::os::fd::{AsFd, BorrowedFd};

use crate::protocol::{At, Failure, GO, Stage};
use crate::spec::{DieWith, Lifecycle};
use crate::sys::process::{self, Child, End};
use crate::sys::{Errno, Result as SysResult, socket};

/// What went wrong.
pub(crate) enum Trouble {
    /// A call of this process, or of one inside.
    Failed(Failure),
    /// The setup process ended without a word.
    Silent(End),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Failed(failure)
    }
}

/// Nothing inside may look into this process, whatever namespaces are shared.
pub(super) fn become_opaque() -> Result<(), Failure> {
    process::set_dumpable(false).stage(Stage::Dumpable)
}

/// Lets the setup process go on that waits for a word.
pub(super) fn let_go_on(control: BorrowedFd<'_>) -> Result<(), Failure> {
    socket::send(control, GO).or_else(gone_is_fine).stage(Stage::Control)
}

/// A setup process that ended early is no failure of sending: what it had to say is read next.
pub(super) fn gone_is_fine(errno: Errno) -> SysResult<()> {
    if errno == Errno::EPIPE { Ok(()) } else { Err(errno) }
}

/// Ends a box, and waits until it is gone. One that has ended by itself and was waited for is no error.
pub(super) fn abandon(child: &Child) {
    let _gone = process::kill(child.as_fd()).is_ok() && process::wait(child.as_fd()).is_ok();
}

/// Sees to it that nothing lives inside any more, and so nothing appears after a look. In a PID namespace of its own
/// the kernel kills all with the first process, whose end is told after theirs (`zap_pid_ns_processes` in
/// kernel/pid_namespace.c).
pub(super) fn outlast(lifecycle: &Lifecycle, child: &Child) {
    if lifecycle.die_with == DieWith::Nobody {
        // One that has been waited for is gone already.
        let _gone = process::wait(child.as_fd()).is_ok();
    } else {
        abandon(child);
    }
}
