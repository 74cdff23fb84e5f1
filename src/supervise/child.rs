//! What the supervisor does to the first process of a box: it lets it go on, kills it, and waits for it. It also
//! protects itself: nothing inside may look into the supervisor.

use std::os::fd::{AsFd, BorrowedFd};

use crate::protocol::{At, Failure, GO, Stage};
use crate::spec::{DieWith, Lifecycle};
use crate::sys::process::{self, Child, End};
use crate::sys::{Errno, Result as SysResult, socket};

/// What went wrong.
pub(crate) enum SuperviseError {
    /// A system call failed, in this process or in one inside.
    Failed(Failure),
    /// The setup process ended without a report.
    Silent(End),
}

impl From<Failure> for SuperviseError {
    fn from(failure: Failure) -> SuperviseError {
        SuperviseError::Failed(failure)
    }
}

/// Keeps every process inside from looking into this one, whatever namespaces they share (`PR_SET_DUMPABLE`,
/// ptrace(2)).
pub(super) fn become_opaque() -> Result<(), Failure> {
    process::set_dumpable(false).stage(Stage::Dumpable)
}

/// Tells the waiting setup process to go on.
pub(super) fn let_go_on(control: BorrowedFd<'_>) -> Result<(), Failure> {
    socket::send(control, GO).or_else(gone_is_fine).stage(Stage::Control)
}

/// Ignores `EPIPE` from a send to the setup process. It has ended early then, and its last message is read next.
pub(super) fn gone_is_fine(errno: Errno) -> SysResult<()> {
    if errno == Errno::EPIPE { Ok(()) } else { Err(errno) }
}

/// Kills a box and waits until it is gone. A box that was waited for already is no error.
pub(super) fn abandon(child: &Child) {
    let _gone = process::kill(child.as_fd()).is_ok() && process::wait(child.as_fd()).is_ok();
}

/// Makes sure that no process lives inside any more, so that no file can appear after a look at what is left. In a new
/// PID namespace the kernel kills all processes with the first one, and reports the end of the first one last
/// (`zap_pid_ns_processes` in kernel/pid_namespace.c).
pub(super) fn outlast(lifecycle: &Lifecycle, child: &Child) {
    if lifecycle.die_with == DieWith::Nobody {
        // The wait fails if the process was waited for already. Then it is gone.
        let _gone = process::wait(child.as_fd()).is_ok();
    } else {
        abandon(child);
    }
}
