//! Runs one launch under ptrace, writes down every system call, and makes one of them fail or kills the caller there.
//!
//! The process that calls [`trace`] must have no other children, be a child subreaper, and call it from one thread
//! only: the end of a run is the moment at which waitpid(2) knows of no process any more, neither traced nor orphaned.
//! Nothing here waits for a time; a run that does not end is the business of the process above (`pool.rs`).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::calls::{Call, Means};
use super::shot::{Aim, End, Entry, Hit, Lineage, Shot, Trace};
use super::words::in_words;

/// What a process finds when its call returns.
enum Answer {
    Error(Errno),
    /// The kernel's own answer, and the first argument, which it asked with before it was changed: the kernel keeps it,
    /// so a C library may compare the answer with it.
    Argument(u64),
}

struct Tracee {
    lineage: Lineage,
    children: usize,
    /// How many calls of each number it entered.
    counts: HashMap<i64, usize>,
    /// The payload or a descendant of it: runs freely.
    payload: bool,
    /// Still to make its first stop, a SIGSTOP that the kernel invents for it.
    newborn: bool,
    /// The number of a call which a signal interrupted and the kernel will enter once more.
    interrupted: Option<i64>,
    last: i64,
    /// Its last child is a vfork's, for whose execve(2) it may wait.
    vforked: bool,
    /// Inside of an execve(2).
    executes: bool,
    /// The value that the call in progress is to return.
    answer: Option<Answer>,
}

enum Phase {
    /// The call to hit has not come yet, or none is to be hit.
    Seeking,
    /// This process was hit: the others stand still wherever they stop until it sleeps, forks, or is gone with all that
    /// it takes along. So it is the half which met the error that acts first, and a run takes the same course every
    /// time.
    Holding(Pid),
    /// All run on without stops at their calls.
    Free,
}

struct Tracer<'a> {
    aim: Option<&'a Aim>,
    payload: (u64, u64),
    tool: Pid,
    tracees: HashMap<Pid, Tracee>,
    /// Stopped before the event that tells who their parent is.
    unclaimed: HashSet<Pid>,
    /// The process that ended last, which may have a child that is not known yet.
    gone: Option<Tracee>,
    /// The setup process said that everything is set up.
    ready: bool,
    held: Vec<(Pid, Option<Signal>)>,
    phase: Phase,
    end: Option<End>,
    entries: Vec<Entry>,
    started: bool,
    hit: Option<Hit>,
    /// Inside of their execve(2) at the time of the hit.
    ahead: HashSet<Pid>,
}

/// Runs `command` until nothing of it is left.
pub(crate) fn trace(command: &mut Command, aim: Option<&Aim>) -> io::Result<Trace> {
    let tool = start(command)?;
    let mut tracer = Tracer {
        aim,
        payload: identity("/bin/sh")?,
        tool,
        tracees: HashMap::from([(tool, Tracee::new(Lineage::tool(), false))]),
        unclaimed: HashSet::new(),
        gone: None,
        ready: false,
        held: Vec::new(),
        phase: Phase::Seeking,
        end: None,
        entries: Vec::new(),
        started: false,
        hit: None,
        ahead: HashSet::new(),
    };
    tracer.resume(tool, None);
    while let Some(event) = tracer.next_event()? {
        tracer.on_event(event)?;
    }
    let end = tracer.end.ok_or_else(|| io::Error::other("the tool's end was not reported"))?;
    Ok(Trace { end, entries: tracer.entries, started: tracer.started, hit: tracer.hit })
}

/// Starts the program; it then stands at its first instruction.
fn start(command: &mut Command) -> io::Result<Pid> {
    // SAFETY: after fork only the one ptrace(2) call is made, which neither allocates nor takes a lock.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(io::Error::from)) };
    let pid = Pid::from_raw(command.spawn()?.id().cast_signed());
    let stop = waitpid(pid, Some(WaitPidFlag::__WALL))?;
    if stop != WaitStatus::Stopped(pid, Signal::SIGTRAP) {
        return Err(io::Error::other(format!("no stop at execve but {stop:?}")));
    }
    ptrace::setoptions(
        pid,
        Options::PTRACE_O_TRACESYSGOOD
            | Options::PTRACE_O_TRACEFORK
            | Options::PTRACE_O_TRACEVFORK
            | Options::PTRACE_O_TRACECLONE
            | Options::PTRACE_O_TRACEEXEC
            | Options::PTRACE_O_EXITKILL,
    )?;
    Ok(pid)
}

fn identity(path: &str) -> io::Result<(u64, u64)> {
    let file = fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

impl Tracee {
    fn new(lineage: Lineage, payload: bool) -> Tracee {
        let counts = HashMap::new();
        Tracee {
            lineage,
            children: 0,
            counts,
            payload,
            newborn: false,
            interrupted: None,
            last: -1,
            vforked: false,
            executes: false,
            answer: None,
        }
    }
}

impl Tracer<'_> {
    /// The next change of any process; None when there is none left.
    fn next_event(&mut self) -> io::Result<Option<WaitStatus>> {
        loop {
            let mut flags = WaitPidFlag::__WALL;
            if let Phase::Holding(_) = self.phase {
                flags |= WaitPidFlag::WNOHANG;
            }
            match waitpid(None, Some(flags)) {
                Ok(WaitStatus::StillAlive) => self.look_at_the_victim(),
                Ok(event) => return Ok(Some(event)),
                Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => return Ok(None),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Lets the others go if the process that was hit waits for something, which may be them. When it is gone, they go
    /// on once nobody is on its way out any more: a parent-death signal takes the child, and with a first process its
    /// whole pid namespace, but each only when the one before has come to its end.
    fn look_at_the_victim(&mut self) {
        let Phase::Holding(victim) = self.phase else { return };
        let goes_on = if self.tracees.contains_key(&victim) {
            state(victim) == 'S'
        } else {
            self.tracees.iter().all(|(pid, tracee)| match state(*pid) {
                'S' | 't' => true,
                // Uninterruptible, as the wait of vfork is; anything else of that kind passes by itself.
                'D' => tracee.vforked,
                _ => false,
            })
        };
        if goes_on {
            self.release();
        } else {
            std::thread::yield_now();
        }
    }

    fn release(&mut self) {
        self.phase = Phase::Free;
        for (pid, signal) in std::mem::take(&mut self.held) {
            self.resume(pid, signal);
        }
    }

    fn on_event(&mut self, event: WaitStatus) -> io::Result<()> {
        match event {
            WaitStatus::Exited(pid, code) => self.on_end(pid, End::Exited(code)),
            WaitStatus::Signaled(pid, signal, _) => self.on_end(pid, End::Killed(signal)),
            WaitStatus::PtraceSyscall(pid) => self.on_call(pid),
            WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_EXEC) => self.on_exec(pid),
            WaitStatus::PtraceEvent(pid, _, event) => self.on_fork(pid, event == libc::PTRACE_EVENT_VFORK),
            WaitStatus::Stopped(pid, signal) => self.on_signal(pid, signal),
            WaitStatus::Continued(_) | WaitStatus::StillAlive => {}
        }
        Ok(())
    }

    fn on_end(&mut self, pid: Pid, end: End) {
        if pid == self.tool && self.end.is_none() {
            self.end = Some(end);
        }
        // An orphan is reported twice: to its tracer, then to its subreaper.
        if let Some(gone) = self.tracees.remove(&pid) {
            self.adopt(&gone);
            self.gone = Some(gone);
        }
        self.held.retain(|(held, _)| *held != pid);
    }

    /// A process that was killed while it forked never tells of its child, which would then stand still for ever.
    fn adopt(&mut self, gone: &Tracee) {
        for pid in std::mem::take(&mut self.unclaimed) {
            let lineage = gone.lineage.child(gone.children + 1);
            self.tracees.insert(pid, Tracee::new(lineage, gone.payload));
            self.go_on(pid, None);
        }
    }

    fn on_fork(&mut self, pid: Pid, is_vfork: bool) {
        let Ok(child) = ptrace::getevent(pid) else { return };
        let child = Pid::from_raw(child as i32);
        if let Some(parent) = self.tracees.get_mut(&pid) {
            parent.children += 1;
            parent.vforked = is_vfork;
            let lineage = parent.lineage.child(parent.children);
            let mut tracee = Tracee::new(lineage, parent.payload);
            let stands = self.unclaimed.remove(&child);
            tracee.newborn = !stands;
            self.tracees.insert(child, tracee);
            if stands {
                self.go_on(child, None);
            }
        }
        // The victim got over its error. It may wait for the child in an uninterruptible sleep (vfork).
        if matches!(self.phase, Phase::Holding(victim) if victim == pid) {
            self.release();
        }
        self.go_on(pid, None);
    }

    fn on_exec(&mut self, pid: Pid) {
        // The tool may execute itself. What cannot be read is taken for the payload, the stricter reading.
        let program = identity(&format!("/proc/{pid}/exe")).unwrap_or(self.payload);
        if program == self.payload
            && let Some(tracee) = self.tracees.get_mut(&pid)
        {
            tracee.payload = true;
            self.started = true;
            // The kernel closes the close-on-exec descriptors, which tells the supervisor, some time before it tells
            // the tracer. Nobody could have stopped this payload any more.
            if let Some(hit) = &mut self.hit {
                hit.after_start |= self.ahead.contains(&pid);
            }
        }
        self.go_on(pid, None);
    }

    fn on_signal(&mut self, pid: Pid, signal: Signal) {
        let Some(tracee) = self.tracees.get_mut(&pid) else {
            self.unclaimed.insert(pid);
            if let Some(gone) =
                self.gone.take_if(|_| parent(pid).is_none_or(|parent| !self.tracees.contains_key(&parent)))
            {
                self.adopt(&gone);
            }
            return;
        };
        let invented = std::mem::take(&mut tracee.newborn) && signal == Signal::SIGSTOP;
        self.go_on(pid, (!invented).then_some(signal));
    }

    fn on_call(&mut self, pid: Pid) {
        // Killed in the meantime: its end is the next that we hear of it.
        let Ok(info) = ptrace::syscall_info(pid) else { return };
        if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
            // SAFETY: `op` says that the kernel filled in the `entry` member.
            let entry = unsafe { info.u.entry };
            self.on_entry(pid, Call { nr: entry.nr.cast_signed(), args: entry.args });
        } else if info.op == libc::PTRACE_SYSCALL_INFO_EXIT {
            // SAFETY: `op` says that the kernel filled in the `exit` member.
            let result = unsafe { info.u.exit.sval };
            self.on_exit(pid, result);
        }
        self.go_on(pid, None);
    }

    fn on_entry(&mut self, pid: Pid, call: Call) {
        let Some(tracee) = self.tracees.get_mut(&pid) else { return };
        let again = tracee.interrupted.take();
        if tracee.payload || again.is_some_and(|nr| nr == call.nr || call.nr == libc::SYS_restart_syscall) {
            return;
        }
        let count = tracee.counts.entry(call.nr).or_default();
        *count += 1;
        let nth = *count;
        tracee.last = call.nr;
        tracee.executes = matches!(call.nr, libc::SYS_execve | libc::SYS_execveat);
        let Some(Aim { at, shot }) = self.aim else {
            let words = in_words(pid, &call);
            self.entries.push(Entry { process: tracee.lineage.clone(), call, nth, words });
            return;
        };
        if self.hit.is_some() || at.call.nr != call.nr || at.nth != nth || at.process != tracee.lineage {
            // The first message of the setup process says that everything is set up; nothing can stop the payload after
            // it. The supervisor may have read it before the tracer hears of the end of this call. With `pinfold run`
            // the process that becomes the payload sends it, and its home with it. The first process of the box sends a
            // descriptor too, but long before.
            self.ready |= match call.nr {
                libc::SYS_sendto => tracee.lineage != Lineage::tool(),
                libc::SYS_sendmsg => tracee.lineage.depth() > 2,
                _ => false,
            };
            return;
        }
        self.hit = Some(Hit { call, after_ready: self.ready, after_start: self.started });
        self.phase = Phase::Holding(pid);
        let done = match *shot {
            Shot::Kill => kill(pid, Signal::SIGKILL),
            Shot::Fail(errno) => {
                tracee.answer = Some(match call.means() {
                    Means::BreakUnmoved => Answer::Argument(call.args[0]),
                    Means::Skip | Means::RunFirst => Answer::Error(errno),
                });
                change_registers(pid, |registers| match call.means() {
                    // A number that no call has: the kernel executes nothing and leaves -ENOSYS, replaced at the exit.
                    Means::Skip => registers.orig_rax = u64::MAX,
                    Means::BreakUnmoved => registers.rdi = 0,
                    Means::RunFirst => {}
                })
            }
        };
        let ahead = self.tracees.iter().filter(|(other, tracee)| **other != pid && tracee.executes);
        self.ahead = ahead.map(|(other, _)| *other).collect();
        if done.is_err() {
            // Somebody else killed it first: not our hit.
            self.hit = None;
            self.release();
        }
    }

    fn on_exit(&mut self, pid: Pid, result: i64) {
        // The kernel's own codes (ERESTARTSYS to ERESTART_RESTARTBLOCK), never seen by a program: the call will be
        // entered again after a signal without a handler, and is still the same call of the program.
        const RESTART: std::ops::RangeInclusive<i64> = -516..=-512;
        let Some(tracee) = self.tracees.get_mut(&pid) else { return };
        tracee.executes = false;
        if RESTART.contains(&result) {
            tracee.interrupted = Some(tracee.last);
        }
        if let Some(answer) = tracee.answer.take() {
            // A failure means that it was killed just now, which will be reported.
            _ = change_registers(pid, |registers| match answer {
                Answer::Error(errno) => registers.rax = (-i64::from(errno as i32)).cast_unsigned(),
                Answer::Argument(first) => registers.rdi = first,
            });
        }
    }

    /// Resumes a stopped process, or notes that it waits until the victim is done.
    fn go_on(&mut self, pid: Pid, signal: Option<Signal>) {
        match self.phase {
            Phase::Holding(victim) if victim != pid => self.held.push((pid, signal)),
            Phase::Seeking | Phase::Holding(_) | Phase::Free => self.resume(pid, signal),
        }
    }

    fn resume(&mut self, pid: Pid, signal: Option<Signal>) {
        let watched = self
            .tracees
            .get(&pid)
            .is_some_and(|tracee| !tracee.payload && (matches!(self.phase, Phase::Seeking) || tracee.answer.is_some()));
        // A failure means that it was killed while it stood; waitpid will tell.
        _ = if watched { ptrace::syscall(pid, signal) } else { ptrace::cont(pid, signal) };
    }
}

/// The letter of proc_pid_stat(5): S asleep, t in a tracing stop; X also if there is no such process any more.
fn state(pid: Pid) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // It follows the name, which is in parentheses and may contain any character.
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).unwrap_or('X')
}

/// The parent of a process, see proc_pid_stat(5); none if there is no such process any more.
fn parent(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let parent = stat.rsplit(") ").next()?.split(' ').nth(1)?.parse().ok()?;
    Some(Pid::from_raw(parent))
}

fn change_registers(pid: Pid, change: impl FnOnce(&mut libc::user_regs_struct)) -> nix::Result<()> {
    let mut registers = ptrace::getregs(pid)?;
    change(&mut registers);
    ptrace::setregs(pid, registers)
}
