//! Process groups, and which of them is in the foreground of the terminal (`credentials(7)`, `tty_ioctl(4)`).

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use super::{Call, Errno, Result};

/// Opens the controlling terminal of this process. `ENXIO` if it has none.
///
/// If somebody has forbidden opening it again (`TIOCEXCL`, ioctl_tty(2)), a standard descriptor is duplicated instead.
pub(crate) fn open() -> Result<OwnedFd> {
    let opened = nix::fcntl::open(c"/dev/tty", OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY, Mode::empty());
    if !matches!(opened, Err(Errno::EBUSY)) {
        return opened;
    }
    let ours = (0..=2).filter_map(|number| super::fd::callers_fd(number).ok()).find(|fd| foreground(*fd).is_ok());
    ours.map_or(opened, |fd| nix::fcntl::fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(3)).map(super::fd::own))
}

/// Whether descriptor `number` is any terminal.
pub(crate) fn is_terminal(number: i32) -> bool {
    // SAFETY: a plain number.
    unsafe { libc::isatty(number) == 1 }
}

/// Lets others open the terminal again, if somebody has forbidden that.
pub(crate) fn share(terminal: BorrowedFd<'_>) {
    // SAFETY: TIOCNXCL takes no argument.
    let _shared = Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCNXCL as libc::Ioctl) }).is_ok();
}

/// The foreground process group. Keys send their signals to it, and it may read from the terminal.
pub(crate) fn foreground(terminal: BorrowedFd<'_>) -> Result<i32> {
    // SAFETY: a plain number.
    Errno::result(unsafe { libc::tcgetpgrp(terminal.as_raw_fd()) })
}

/// The system call of [`set_foreground`], besides [`super::process::UNBLOCK`].
pub(crate) const SET_FOREGROUND: Call = Call {
    args: [None, Some(libc::TIOCSPGRP as u32 as u64), None, None, None, None],
    ..Call::new("ioctl", libc::SYS_ioctl)
};

/// Makes `group`, a process group of this session, the foreground group. SIGTTOU is blocked meanwhile, because it would
/// stop a background process that does this.
pub(crate) fn set_foreground(terminal: BorrowedFd<'_>, group: i32) -> Result<()> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTTOU);
    let mut before = SigSet::empty();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut before))?;
    // SAFETY: plain numbers.
    let done = Errno::result(unsafe { libc::tcsetpgrp(terminal.as_raw_fd(), group) });
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    done.map(drop)
}

/// The process group of this process.
pub(crate) fn own_group() -> i32 {
    nix::unistd::getpgrp().as_raw()
}

/// The system call of [`start_group`].
pub(crate) const START_GROUP: Call =
    Call { args: [Some(0), Some(0), None, None, None, None], ..Call::new("setpgid", libc::SYS_setpgid) };

/// Moves this process into a new process group, whose id is its own.
pub(crate) fn start_group() -> Result<()> {
    nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))
}

/// The system call of [`signal_group`] and [`signal_all_inside`].
pub(crate) const SIGNAL_GROUP: Call = Call::new("kill", libc::SYS_kill);

/// The system call of [`signal_all_inside`] besides [`SIGNAL_GROUP`].
pub(crate) const WHO_AM_I: Call = Call::new("getpid", libc::SYS_getpid);

/// Sends `signal` to every process of the PID namespace whose init this process is, but not to this one (kill(2), -1).
/// In any other process this does nothing.
pub(crate) fn signal_all_inside(signal: u8) {
    if nix::unistd::getpid().as_raw() == 1 {
        // SAFETY: plain numbers. It fails if there is no other process.
        let _sent = unsafe { libc::kill(-1, signal.into()) };
    }
}

/// Sends `signal` to every process of `group`. It is no error if the group has no process any longer.
pub(crate) fn signal_group(group: i32, signal: u8) -> Result<()> {
    // SAFETY: plain numbers.
    match Errno::result(unsafe { libc::killpg(group, signal.into()) }) {
        Err(Errno::ESRCH) => Ok(()),
        result => result.map(drop),
    }
}

/// Whether `group` has no process any more. A terminal keeps the number of such a group.
pub(crate) fn is_gone(group: i32) -> bool {
    // SAFETY: plain numbers; 0 is no signal.
    group > 1 && Errno::result(unsafe { libc::killpg(group, 0) }) == Err(Errno::ESRCH)
}

/// The signal that has stopped `child` since the last time this was asked.
pub(crate) fn stopped(child: BorrowedFd<'_>) -> Result<Option<u8>> {
    // SAFETY: all-zero bytes are a valid `siginfo_t`.
    let mut found: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let number: RawFd = child.as_raw_fd();
    let options = libc::WSTOPPED | libc::WNOHANG;
    // SAFETY: `found` lives through the call.
    match Errno::result(unsafe { libc::waitid(libc::P_PIDFD, number as libc::id_t, &raw mut found, options) }) {
        // The child has ended, so it is not stopped.
        Err(Errno::ECHILD) => return Ok(None),
        result => result.map(drop)?,
    }
    // SAFETY: waitid(2) filled in the fields of SIGCHLD, or left them zero.
    let (pid, signal) = unsafe { (found.si_pid(), found.si_status()) };
    Ok(if pid == 0 { None } else { u8::try_from(signal).ok() })
}
