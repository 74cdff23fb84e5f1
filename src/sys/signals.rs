//! Signals that would end this process, read instead (`signalfd(2)`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::{Errno, Result};

/// Those that end a program in order: from a terminal, from a session that goes, from `kill(1)`.
const ENDING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// The signals of this process from now on.
pub(crate) struct Signals {
    read: SignalFd,
    /// What a terminal sends goes to the program as well.
    shares_terminal: bool,
}

impl Signals {
    /// Blocks the signals that would end this process, and reads them from now on. Those that the caller has set to be
    /// ignored stay ignored (`nohup(1)`). `shares_terminal`: the program is in the session of this process.
    pub(crate) fn watch(shares_terminal: bool) -> Result<Signals> {
        let mut set = SigSet::empty();
        for signal in ENDING {
            if !is_ignored(signal)? {
                set.add(signal);
            }
        }
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None)?;
        let read = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Signals { read, shares_terminal })
    }

    /// The next signal that ends this process. INT and QUIT that a terminal has sent are none where the program has got
    /// them too: it may live on.
    pub(crate) fn next(&self) -> Result<Option<u8>> {
        while let Some(info) = self.read.read_signal()? {
            let signal = info.ssi_signo.cast_signed();
            let is_typed = info.ssi_code == libc::SI_KERNEL && [libc::SIGINT, libc::SIGQUIT].contains(&signal);
            if !is_typed || !self.shares_terminal {
                return Ok(u8::try_from(signal).ok());
            }
        }
        Ok(None)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.read.as_raw_fd()
    }
}

fn is_ignored(signal: Signal) -> Result<bool> {
    // SAFETY: the old action is written into a live variable; no new one is set.
    let old = unsafe {
        let mut old = std::mem::zeroed::<libc::sigaction>();
        Errno::result(libc::sigaction(signal as i32, std::ptr::null(), &raw mut old))?;
        old
    };
    Ok(old.sa_sigaction == libc::SIG_IGN)
}

/// Ends this process by `signal`, as it would have ended without anybody reading it.
pub(super) fn die_of(signal: u8) {
    let Ok(signal) = Signal::try_from(i32::from(signal)) else { return };
    let mut set = SigSet::empty();
    set.add(signal);
    // SAFETY: the default action runs no code of ours.
    let is_default = unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.is_ok();
    let is_sent = is_default && nix::sys::signal::raise(signal).is_ok();
    // It is delivered here. Where it was not, the caller gets the code 128 + n instead.
    let _delivered = is_sent && sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set), None).is_ok();
}
