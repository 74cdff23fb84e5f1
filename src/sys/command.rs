//! Programs of the host that this process starts and waits for.

use std::ffi::c_void;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::{Errno, Result, check, process};

/// Has `command` end by SIGTERM when the thread that starts it does, however that ends (`PR_SET_PDEATHSIG`, prctl(2)).
pub(crate) fn end_with_caller(command: &mut Command) {
    let caller = process::getpid();
    // SAFETY: between fork and exec this makes two system calls and an error from a number, and allocates nothing
    // (signal-safety(7)).
    unsafe {
        command.pre_exec(move || {
            Errno::result(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM as libc::c_ulong))?;
            // The caller may have ended before.
            if process::getppid() == caller { Ok(()) } else { Err(Errno::ESRCH.into()) }
        });
    }
}

/// Asks the process `child` to end (SIGTERM). It is no error if it has ended already.
pub(crate) fn ask_to_end(child: BorrowedFd<'_>) -> Result<()> {
    let signal = libc::SIGTERM;
    // SAFETY: no siginfo is given; the rest are plain numbers.
    match check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, child.as_raw_fd(), signal, std::ptr::null::<c_void>(), 0)
    }) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno),
    }
}
