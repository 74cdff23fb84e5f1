//! Undoes what a program can do to an output that it shares with others, so that the next writer finds it usable.
//!
//! The program has a copy of the descriptor. Both copies refer to one open file description (open(2), NOTES): its
//! flags, its offset and the state of the pipe or terminal behind it outlive the program. Opening the file again does
//! not help: a program can forbid that (fchmod(2), TIOCEXCL), and a pipe of another user cannot be opened at all.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use super::signals::FileLimitFails;
use super::{Errno, Result};

/// Sets the flags of a description to ordinary ones. When dropped, it restores the old flags without the harmful ones.
pub(crate) struct Flags<'a> {
    fd: BorrowedFd<'a>,
    before: OFlag,
}

impl<'a> Flags<'a> {
    /// Makes writes to `fd` behave in the ordinary way. With `at_end`, they append to the file.
    ///
    /// Clears O_DIRECT: with it, a file takes whole blocks only, and the reader of a pipe loses what does not fit into
    /// its buffer (open(2), pipe(2)). Clears O_ASYNC: with it, the kernel sends a signal to a process that the program
    /// has chosen.
    pub(crate) fn ordinary(fd: BorrowedFd<'a>, at_end: bool) -> Result<Flags<'a>> {
        let before = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
        let odd = OFlag::O_DIRECT | OFlag::O_ASYNC;
        let append = if at_end { OFlag::O_APPEND } else { OFlag::empty() };
        fcntl(fd, FcntlArg::F_SETFL((before - odd) | append))?;
        Ok(Flags { fd, before: before - odd })
    }
}

impl Drop for Flags<'_> {
    fn drop(&mut self) {
        let _as_before = fcntl(self.fd, FcntlArg::F_SETFL(self.before)).is_ok();
    }
}

/// Grows a pipe by `bytes`, so that a write fits even if nobody reads. The limit is `pipe-max-size` (pipe(7)), and a
/// failure is ignored.
pub(crate) fn make_room(pipe: BorrowedFd<'_>, bytes: usize) {
    let Ok(size) = fcntl(pipe, FcntlArg::F_GETPIPE_SZ) else { return };
    let more = i32::try_from(bytes).ok().and_then(|bytes| size.checked_add(bytes));
    let _has_room = more.is_some_and(|size| fcntl(pipe, FcntlArg::F_SETPIPE_SZ(size)).is_ok());
}

/// Returns whether `fd` is a terminal. If it is, restarts its output.
pub(crate) fn restart_terminal(fd: BorrowedFd<'_>) -> bool {
    /// include/uapi/linux/tty.h
    const N_TTY: libc::c_int = 0;
    // With another line discipline (N_NULL) nothing can be written, and isatty(3) says no. So the discipline is read
    // first. It is set only if it differs, because TIOCSETD waits for all readers (kernel, `tty_set_ldisc`).
    let mut discipline: libc::c_int = 0;
    // SAFETY: TIOCGETD writes one int, which lives through the call.
    if Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCGETD, &raw mut discipline) }).is_err() {
        return false;
    }
    if discipline != N_TTY {
        let ordinary = N_TTY;
        // SAFETY: TIOCSETD reads one int, which lives through the call.
        let _set = Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCSETD, &raw const ordinary) }).is_ok();
    }
    // TCOON alone restarts output that TCOOFF has stopped, but not output that a key has stopped (kernel,
    // `n_tty_ioctl_helper`). A program can make any key the stop key.
    for action in [libc::TCOOFF, libc::TCOON] {
        // SAFETY: TCXONC takes a plain number.
        let _flows = Errno::result(unsafe { libc::ioctl(fd.as_raw_fd(), libc::TCXONC, action) }).is_ok();
    }
    true
}

/// Writes all of `bytes`. Fails with ETIMEDOUT if nothing is accepted for the time `patience`, whether or not `fd`
/// blocks. If the reader has gone, fails with EPIPE and raises no signal.
///
/// `fd` is not made non-blocking, because others who share it would notice. A timer interrupts the call instead.
pub(crate) fn write_within(fd: BorrowedFd<'_>, bytes: &[u8], patience: Duration) -> Result<()> {
    let limit = FileLimitFails::begin()?;
    let written = write_while(fd, bytes, patience);
    limit.end()?;
    written
}

fn write_while(fd: BorrowedFd<'_>, mut bytes: &[u8], patience: Duration) -> Result<()> {
    let mut deadline = Instant::now() + patience;
    let _interrupted = Interrupted::after(patience)?;
    while !bytes.is_empty() {
        match nix::unistd::write(fd, bytes) {
            Ok(0) => return Err(Errno::EIO),
            Ok(count) => {
                bytes = &bytes[count..];
                deadline = Instant::now() + patience;
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let left = PollTimeout::try_from(deadline.saturating_duration_since(Instant::now()));
                match poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], left.unwrap_or(PollTimeout::ZERO)) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
            Err(errno) => return Err(errno),
        }
        if !bytes.is_empty() && Instant::now() >= deadline {
            return Err(Errno::ETIMEDOUT);
        }
    }
    Ok(())
}

/// After a given time, blocking calls of this process fail with EINTR, until this is dropped. SIGPIPE is blocked
/// meanwhile.
struct Interrupted {
    action: libc::sigaction,
    mask: SigSet,
}

impl Interrupted {
    fn after(time: Duration) -> Result<Interrupted> {
        /// A signal that arrives between two calls interrupts neither, so it is sent again after this time.
        const AGAIN: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 50_000 };
        extern "C" fn nothing(_: libc::c_int) {}
        // SAFETY: all-zero bytes are a valid `sigaction`: no flags, so that calls are not started again (SA_RESTART).
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = nothing as *const () as libc::sighandler_t;
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: the handler does nothing at all; both structures live through the call.
        Errno::result(unsafe { libc::sigaction(libc::SIGALRM, &raw const action, before.as_mut_ptr()) })?;
        // SAFETY: sigaction(2) has filled it in.
        let before = unsafe { before.assume_init() };
        let mut mask = SigSet::empty();
        let alarm = SigSet::from(Signal::SIGALRM);
        sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&alarm), Some(&mut mask))?;
        let interrupted = Interrupted { action: before, mask };
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&SigSet::from(Signal::SIGPIPE)), None)?;
        let first =
            libc::timeval { tv_sec: time.as_secs().cast_signed(), tv_usec: time.subsec_micros().cast_signed().into() };
        set_timer(libc::itimerval { it_interval: AGAIN, it_value: first })?;
        Ok(interrupted)
    }
}

impl Drop for Interrupted {
    fn drop(&mut self) {
        const NEVER: libc::timeval = libc::timeval { tv_sec: 0, tv_usec: 0 };
        let _ended = set_timer(libc::itimerval { it_interval: NEVER, it_value: NEVER }).is_ok();
        take_back_sigpipe();
        let _masked = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask), None).is_ok();
        // SAFETY: the action is the one that was there before.
        let _restored = unsafe { libc::sigaction(libc::SIGALRM, &raw const self.action, std::ptr::null_mut()) } == 0;
    }
}

/// Consumes a pending, blocked SIGPIPE.
fn take_back_sigpipe() {
    let (pipe, now) = (SigSet::from(Signal::SIGPIPE), libc::timespec { tv_sec: 0, tv_nsec: 0 });
    // SAFETY: set and time live through the call; the kernel writes no siginfo.
    let _taken = unsafe { libc::sigtimedwait(pipe.as_ref(), std::ptr::null_mut(), &raw const now) } == libc::SIGPIPE;
}

fn set_timer(timer: libc::itimerval) -> Result<()> {
    // SAFETY: the structure lives through the call; the old one is not asked for.
    Errno::result(unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) }).map(drop)
}
