//! Reads the signals that would otherwise end or stop this process (`signalfd(2)`).

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, sigaction, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::{Call, Errno, Result};

/// Signals whose default action ends a process (signal(7)): from a terminal, from a session that ends, from `kill(1)`,
/// from a timer or a limit. The real-time signals belong to them too. Signals for a fault of the process itself do not:
/// if the kernel sends one, it cannot be blocked.
const ENDING: [Signal; 15] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGPIPE,
    Signal::SIGALRM,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGSTKFLT,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
];

/// Those of them that ask a program to end.
const ASK_TO_END: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// Signals that the program gets in place of this process, where signals are forwarded, besides those that ask to end,
/// [`STOP_TYPED`] and [`CONTINUE`].
const FORWARDED: [Signal; 3] = [Signal::SIGUSR1, Signal::SIGUSR2, Signal::SIGWINCH];

/// Signals that stop and continue a job (`credentials(7)`).
const OF_JOBS: [Signal; 2] = [Signal::SIGTSTP, Signal::SIGCONT];

/// A job continues.
pub(crate) const CONTINUE: i32 = libc::SIGCONT;
/// ^Z.
pub(crate) const STOP_TYPED: i32 = libc::SIGTSTP;
/// Asks a program to end.
pub(crate) const TERMINATE: i32 = libc::SIGTERM;
/// The size of the terminal has changed.
pub(crate) const RESIZED: i32 = libc::SIGWINCH;
/// A child has stopped, or ended.
pub(crate) const CHILD: i32 = libc::SIGCHLD;

/// Which signals are read besides those that end this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// INT and QUIT from the terminal. The program gets them as well and may survive them, so they are otherwise
    /// ignored here.
    pub(crate) typed: bool,
    /// Job control signals.
    pub(crate) jobs: bool,
    /// Those that the program gets instead ([`is_forwarded`]), and job control signals.
    pub(crate) forwards: bool,
    /// SIGCHLD.
    pub(crate) child: bool,
}

/// Receives the signals of this process.
pub(crate) struct Signals {
    read: SignalFd,
    wanted: Wanted,
    /// What was blocked before.
    before: SigSet,
}

/// A signal that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) signal: u8,
    /// It is INT or QUIT, and the terminal has sent it to the whole process group.
    pub(crate) is_typed: bool,
    /// The process that sent it. 0: the kernel, or a process that this process's PID namespace does not show.
    pub(crate) sender: u32,
}

impl Signals {
    /// Blocks the signals that would end this process and the `wanted` ones. They are read instead.
    pub(crate) fn watch(wanted: Wanted) -> Result<Signals> {
        let jobs = if wanted.jobs || wanted.forwards { &OF_JOBS[..] } else { &[] };
        let forwarded = if wanted.forwards { &FORWARDED[..] } else { &[] };
        let child = if wanted.child { &[Signal::SIGCHLD][..] } else { &[] };
        let all = with_real_time(ENDING.iter().chain(jobs).chain(forwarded).chain(child).copied().collect());
        let mut before = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&all), Some(&mut before))?;
        let set = without_blocked(all, before, wanted.forwards);
        let read = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Signals { read, wanted, before })
    }

    /// Blocks what was blocked before: for a process that this one has made, and that reads no signals.
    pub(crate) fn unwatch(&self) -> Result<()> {
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.before), None)
    }

    /// The next signal, or `None` if none is pending.
    pub(crate) fn next(&self) -> Result<Option<Arrived>> {
        while let Some(info) = self.read.read_signal()? {
            let Ok(signal) = u8::try_from(info.ssi_signo) else { continue };
            let is_typed = info.ssi_code == libc::SI_KERNEL && is_typed(signal);
            if is_typed && !self.wanted.typed || !is_for_us(signal.into())? {
                continue;
            }
            return Ok(Some(Arrived { signal, is_typed, sender: info.ssi_pid }));
        }
        Ok(None)
    }
}

/// `set` and the real-time signals, except for those that the C library keeps for itself.
fn with_real_time(set: SigSet) -> SigSet {
    let mut raw = *set.as_ref();
    for signal in libc::SIGRTMIN()..=libc::SIGRTMAX() {
        // SAFETY: the set lives through the call; what is no signal is refused.
        unsafe { libc::sigaddset(&raw mut raw, signal) };
    }
    // SAFETY: it was a valid set before, and sigaddset(3) has changed nothing else.
    unsafe { SigSet::from_sigset_t_unchecked(raw) }
}

/// `set` without what the caller has blocked already: that would not end this process, and may wait for somebody else
/// to read it. What asks to end, and what is for the job, is read all the same. So is what the program gets instead: it
/// inherits what is blocked, and may wait for it.
fn without_blocked(set: SigSet, blocked: SigSet, forwards: bool) -> SigSet {
    let mut raw = *set.as_ref();
    let is_read = |signal| is_always_read(signal) || forwards && is_forwarded(signal);
    let others = (1..=libc::SIGRTMAX()).filter(|&signal| !is_read(signal));
    // SAFETY: both sets live through the calls, which leave the first one valid and refuse what is no signal.
    unsafe {
        for signal in others {
            if libc::sigismember(blocked.as_ref(), signal) == 1 {
                libc::sigdelset(&raw mut raw, signal);
            }
        }
        SigSet::from_sigset_t_unchecked(raw)
    }
}

/// Whether the program gets this signal in place of this process, where signals are forwarded.
pub(crate) fn is_forwarded(signal: i32) -> bool {
    [STOP_TYPED, CONTINUE].contains(&signal) || asks_to_end(signal) || is_one_of(&FORWARDED, signal)
}

/// Whether this signal asks a program to end.
pub(crate) fn asks_to_end(signal: i32) -> bool {
    is_one_of(&ASK_TO_END, signal)
}

fn is_one_of(signals: &[Signal], signal: i32) -> bool {
    signals.iter().any(|&known| known as i32 == signal)
}

fn is_always_read(signal: i32) -> bool {
    asks_to_end(signal) || [CONTINUE, STOP_TYPED, CHILD].contains(&signal)
}

/// Whether `signal`, which was read, means something here. It is asked now, because to ask before costs a call for each
/// signal: a signal that is blocked is kept even if it is ignored.
fn is_for_us(signal: i32) -> Result<bool> {
    // That a stop has ended is worth knowing whatever the caller does then.
    if signal == CONTINUE {
        return Ok(true);
    }
    match action(signal)? {
        // As the caller has set it (`nohup(1)`).
        libc::SIG_IGN => Ok(false),
        libc::SIG_DFL => Ok(true),
        // A user of the library may have handlers: of a timer, of a profiler.
        _ if is_always_read(signal) => Ok(true),
        _ => deliver(signal).map(|()| false),
    }
}

/// Sends this thread `signal`, which is blocked, so that its handler runs.
fn deliver(signal: i32) -> Result<()> {
    let mut before = SigSet::empty();
    // SAFETY: a plain number. The handler runs where it would have run without us.
    Errno::result(unsafe { libc::raise(signal) })?;
    sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&only(signal)), Some(&mut before))?;
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None)
}

/// The set of this signal alone, which may be a real-time signal.
fn only(signal: i32) -> SigSet {
    let mut raw = *SigSet::empty().as_ref();
    // SAFETY: the set lives through both calls; sigaddset(3) leaves it valid, and refuses what is no signal.
    unsafe {
        libc::sigaddset(&raw mut raw, signal);
        SigSet::from_sigset_t_unchecked(raw)
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

/// Whether `signal` is one that a terminal sends to end the processes in it.
pub(crate) fn is_typed(signal: u8) -> bool {
    [libc::SIGINT, libc::SIGQUIT].contains(&signal.into())
}

/// Whether `signal` stops a background process that reads from a terminal, writes to it or changes its settings.
pub(crate) fn wants_terminal(signal: u8) -> bool {
    [libc::SIGTTIN, libc::SIGTTOU].contains(&signal.into())
}

/// Whether `signal` is pending: it has arrived, but this process blocks it.
pub(crate) fn is_pending(signal: i32) -> bool {
    // SAFETY: all-zero bytes are a valid set; it lives through both calls.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigpending(&raw mut set) == 0 && libc::sigismember(&raw const set, signal) == 1
    }
}

/// Takes the pending signals that ask this process to end, and returns how many there were. They must be blocked. Those
/// that the caller has ignored (`nohup(1)`) ask for nothing.
pub(crate) fn take_asking() -> usize {
    let asking: SigSet = ASK_TO_END.into_iter().collect();
    let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let mut count = 0;
    loop {
        // SAFETY: the set and the time live through the call; nothing is written to.
        let signal = unsafe { libc::sigtimedwait(asking.as_ref(), std::ptr::null_mut(), &raw const now) };
        if signal < 0 {
            return count;
        }
        count += usize::from(action(signal).is_ok_and(|action| action != libc::SIG_IGN));
    }
}

/// Stops this process as `signal` has stopped the program, with its whole process group or alone. Returns when it
/// continues. Returns at once if nobody could continue it: the kernel ignores the signal in an orphaned process group
/// (`_exit(2)`).
pub(crate) fn stop(signal: u8, with_group: bool) {
    // Not SIGSTOP: it would stop even a process in an orphaned group.
    let by = if wants_terminal(signal) { i32::from(signal) } else { STOP_TYPED };
    let Ok(signal) = Signal::try_from(by) else { return };
    let mut set = SigSet::empty();
    set.add(signal);
    let mut before = SigSet::empty();
    let is_sent = if with_group {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(0), signal)
    } else {
        nix::sys::signal::raise(signal)
    };
    // If the signal was blocked, the process stops in this call.
    if is_sent.is_ok() && sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set), Some(&mut before)).is_ok() {
        let _as_before = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&before), None).is_ok();
    }
}

/// The system call of [`miss_typed_stop`].
pub(crate) const MISS_TYPED_STOP: Call = Call::new("rt_sigaction", libc::SYS_rt_sigaction);

/// Makes ^Z do nothing in this process until it executes a program. The program then finds SIGTSTP as this process had
/// it: exec(2) resets a handler, but would keep a blocked or ignored signal.
pub(crate) fn miss_typed_stop() -> Result<()> {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: all-zero bytes are a valid action; the handler does nothing.
    unsafe {
        let mut action = std::mem::zeroed::<libc::sigaction>();
        let mut before = action;
        action.sa_sigaction = nothing as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        Errno::result(libc::sigaction(STOP_TYPED, &raw const action, &raw mut before))?;
        if before.sa_sigaction == libc::SIG_IGN {
            Errno::result(libc::sigaction(STOP_TYPED, &raw const before, std::ptr::null_mut()))?;
        }
    }
    Ok(())
}

/// Resets every handler of this process. They belong to the program that it is a copy of, and would act for that
/// program. Also resets SIGPIPE: the Rust runtime ignores it, but the program in the sandbox must have the default.
pub(crate) fn forget_handlers() {
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the kernel writes the old action into a live variable. The new action is the default, which runs no
        // code of ours. Numbers that are no signal, or that the C library keeps for itself, are refused.
        unsafe {
            let mut action = std::mem::zeroed::<libc::sigaction>();
            let is_known = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0;
            let is_ignored = action.sa_sigaction == libc::SIG_IGN && signal != libc::SIGPIPE;
            if is_known && action.sa_sigaction != libc::SIG_DFL && !is_ignored {
                libc::signal(signal, libc::SIG_DFL);
            }
        }
    }
}

/// What a signal does: a handler, `SIG_DFL` or `SIG_IGN`.
fn action(signal: i32) -> Result<libc::sighandler_t> {
    // SAFETY: the old action is written into a live variable; no new one is set.
    let old = unsafe {
        let mut old = std::mem::zeroed::<libc::sigaction>();
        Errno::result(libc::sigaction(signal, std::ptr::null(), &raw mut old))?;
        old
    };
    Ok(old.sa_sigaction)
}

/// While this is held, a write beyond the limit of a file's size fails (`EFBIG`, setrlimit(2)). Otherwise the kernel
/// would end this process (SIGXFSZ).
#[must_use]
pub(crate) struct FileLimitFails {
    before: SigAction,
}

impl FileLimitFails {
    pub(crate) fn begin() -> Result<FileLimitFails> {
        let ignored = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        // SAFETY: SIG_IGN installs no handler.
        let before = unsafe { sigaction(Signal::SIGXFSZ, &ignored) }?;
        Ok(FileLimitFails { before })
    }

    /// Restores the caller's setting, which the program inherits.
    pub(crate) fn end(self) -> Result<()> {
        // SAFETY: the action was in force before; if it was a handler, that still exists.
        let restore = || unsafe { sigaction(Signal::SIGXFSZ, &self.before) }.map(drop);
        // Tries twice: some callers cannot report a failure, and the program must not inherit our setting.
        restore().or_else(|_| restore())
    }
}

/// Ends this process by `signal`, as if the signal had never been read.
pub(super) fn die_of(signal: u8) {
    let signal = i32::from(signal);
    // SAFETY: the default action runs no code of ours; plain numbers.
    let is_sent = unsafe { libc::signal(signal, libc::SIG_DFL) != libc::SIG_ERR && libc::raise(signal) == 0 };
    // It is delivered here. Where it was not, the caller gets the code 128 + n instead.
    let _delivered = is_sent && sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&only(signal)), None).is_ok();
}

/// Sends INT to the process group of this process and ends this process by `signal`. Does nothing if `signal` is
/// ignored.
///
/// The others get INT even if `signal` is QUIT, because QUIT would make them write core files (core(5)).
pub(super) fn die_with_group(signal: u8) {
    if action(signal.into()).is_ok_and(|action| action != libc::SIG_IGN) {
        // This process blocks INT: it is read instead.
        let _interrupted = nix::sys::signal::kill(nix::unistd::Pid::from_raw(0), Signal::SIGINT).is_ok();
        die_of(signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_stop_is_missed_unless_it_is_ignored() {
        for ignored in [false, true] {
            // SAFETY: the new process only makes system calls and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                if ignored {
                    // SAFETY: no handler is installed.
                    unsafe { libc::signal(STOP_TYPED, libc::SIG_IGN) };
                }
                let is_missed = miss_typed_stop().is_ok() && nix::sys::signal::raise(Signal::SIGTSTP).is_ok();
                let stays = action(STOP_TYPED).map(|action| action == libc::SIG_IGN) == Ok(ignored);
                // SAFETY: it takes a plain number and does not return.
                unsafe { libc::_exit(if is_missed && stays { 0 } else { 1 }) };
            }
            let mut status = 0;
            // SAFETY: `status` lives through the call.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, libc::WUNTRACED) }, child);
            assert_eq!(status, 0, "ignored: {ignored}");
        }
    }
}
