//! The last steps before the program: capabilities, working directory, session. Only a [`Locked`] process can exec.

use std::ffi::{CStr, CString};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::landlock::Fence;
use super::{mounts, pid1};
use crate::plan::{Cwd, Exec, Filters, Lock, Plan, Restrictions};
use crate::protocol::{At, Descriptors, Failure, Message, Outcome, Stage};
use crate::spec::{DieWith, Lifecycle};
use crate::sys::process::{self, CStrArray};
use crate::sys::{Errno, caps, file, poll, signals, socket, terminal};

/// Everything that the program may not do has been taken away, except what the filters take.
pub(super) struct Locked<'a> {
    /// Index of the working directory's candidate that was entered.
    cwd: usize,
    /// Files on which a lock is held.
    pub(super) locks: Vec<OwnedFd>,
    /// The copy of this program that PID 1 becomes.
    pub(super) copy: Option<OwnedFd>,
    /// The terminal that the program's process group gets; closed by exec.
    pub(super) terminal: Option<BorrowedFd<'a>>,
    /// The program of [`Filters::ReadLate`].
    late_filter: Option<Vec<u8>>,
}

/// Locks this process down.
pub(super) fn lock<'a>(
    plan: &Plan,
    descriptors: &Descriptors,
    control: &OwnedFd,
    fence: Fence<'_>,
) -> Outcome<Locked<'a>> {
    let Lock { bounding, caps: set, ambient: _, seccomp, limit_userns: _, assert_no_userns: _, exec_label } =
        &plan.restrictions.lock;
    // Until then the caller's tools may look into this process (they attach a network by /proc/PID/ns), and nobody
    // inside may, because it has more capabilities than they.
    wait_for_release(&plan.lifecycle, descriptors, control)?;
    if let Some(label) = exec_label {
        mounts::write_label(descriptors.proc(), c"self/attr/exec", label).stage(Stage::ExecLabel)?;
    }
    if !plan.init.is_open {
        process::set_dumpable(false).stage(Stage::Dumpable)?;
    }
    if let Some(keep) = bounding {
        caps::limit_bounding_set(keep.0).stage(Stage::BoundingSet)?;
    }
    if let Some(set) = set {
        caps::set(caps::Caps::same(set.0)).stage(Stage::SetCaps)?;
    }
    prove(&plan.restrictions.lock)?;
    let late_filter = match seccomp {
        Filters::ReadLate(fd) => Some(read_filter(descriptors, *fd)?),
        Filters::Programs(_) | Filters::HandedOn(_) => None,
    };
    let cwd = enter_cwd(&plan.program.cwd)?;
    if plan.program.new_session {
        process::setsid().stage(Stage::NewSession)?;
    }
    if plan.lifecycle.die_with != DieWith::Nobody {
        process::die_with_maker().stage(Stage::DieWithParent)?;
    }
    // Once, and here: what stays inside and all that is ever started there descend from this process. Two domains made
    // from the same rules are strangers, and neither may signal or trace the other. Nothing of the host is opened by its
    // path from here on, and nothing mounted.
    fence.close()?;
    Ok(Locked { cwd, locks: Vec::new(), copy: None, terminal: None, late_filter })
}

/// Reads back what was promised: a call that was answered by somebody else (a filter, a debugger) does not count.
fn prove(lock: &Lock) -> Outcome<()> {
    let unproven = || Failure::new(Stage::Unproven, 0);
    if !process::has_no_new_privs().stage(Stage::Unproven)? {
        return Err(unproven());
    }
    match lock.caps {
        Some(set) if caps::get().stage(Stage::Unproven)? != caps::Caps::same(set.0) => Err(unproven()),
        _ => Ok(()),
    }
}

/// Waits for the caller's word where one is asked for; ends when the supervisor does.
fn wait_for_release(lifecycle: &Lifecycle, descriptors: &Descriptors, control: &OwnedFd) -> Outcome<()> {
    let Some(fd) = lifecycle.block_fd else { return Ok(()) };
    // A descriptor that cannot be read does not block, as in bubblewrap.
    let Ok(fd) = descriptors.get(fd) else { return Ok(()) };
    let first = poll::first_ready(&mut [poll::readable(control.as_fd()), poll::readable(fd)]);
    if first.stage(Stage::Control)? == 0 {
        process::exit_now(1);
    }
    let _any_answer = file::read(fd, &mut [0]).is_ok();
    Ok(())
}

fn read_filter(descriptors: &Descriptors, fd: i32) -> Outcome<Vec<u8>> {
    let program = descriptors.get(fd).and_then(file::read_to_end).stage(Stage::ReadFilter)?;
    if program.len() % 8 == 0 { Ok(program) } else { Err(Failure::new(Stage::FilterLength, 0)) }
}

/// Enters the first candidate that exists, and says which.
fn enter_cwd(cwd: &Cwd) -> Outcome<usize> {
    let mut last = Errno::ENOENT;
    for (index, path) in cwd.candidates().iter().enumerate() {
        match enter(path) {
            Ok(()) => return Ok(index),
            Err(errno) => last = errno,
        }
    }
    Err(last).stage(Stage::Chdir)
}

/// Enters a directory, if it is one of the box: a descriptor of the caller that was left open could lead outside,
/// through the links of procfs (CVE-2024-21626).
fn enter(path: &CStr) -> crate::sys::Result<()> {
    file::chdir(path)?;
    // The kernel writes "(unreachable)" in front of a directory that is not below the root (getcwd(2)).
    if file::getcwd()?.to_bytes().starts_with(b"/") { Ok(()) } else { Err(Errno::EXDEV) }
}

impl Locked<'_> {
    /// Takes away what is left and becomes the program. Returns only what went wrong.
    pub(super) fn exec(&self, plan: &Plan, control: &OwnedFd) -> Failure {
        // Laid out before the filters are there and never given back: both may take calls that a filter refuses.
        let mut strings = ManuallyDrop::new(Strings::new(&plan.program.exec, self.cwd));
        match self.shed(plan, control) {
            Ok(()) => strings.exec_first_found(&plan.program.exec),
            Err(failure) => failure,
        }
    }

    fn shed(&self, plan: &Plan, control: &OwnedFd) -> Outcome<()> {
        if plan.program.new_group {
            // Here and not earlier: the group's number is that of the program's process. As the group of PID 1 it would
            // be 1, and a signal to group 1 goes to every process (kill(2)).
            terminal::start_group().stage(Stage::NewGroup)?;
            if let Some(terminal) = self.terminal {
                // Whoever started this process waits until it executes the program, and would never hear of a stop.
                signals::miss_typed_stop().stage(Stage::Signals)?;
                // A terminal that has gone meanwhile is nobody's.
                let _has_it = terminal::set_foreground(terminal, process::getpid()).is_ok();
            }
        }
        process::unblock_sigchld().stage(Stage::Signals)?;
        caps::raise_ambient(plan.restrictions.lock.ambient.0).stage(Stage::AmbientCaps)?;
        // A supervisor that is gone cannot be told, and then the program must not start. If it ends after this, the
        // program is killed by PR_SET_PDEATHSIG, where that was asked for.
        socket::send(control.as_fd(), &Message::Ready.encode()).stage(Stage::Control)?;
        // Last: a filter may well forbid everything above. What follows it is in plan/filter.rs, where a profile is
        // tried with these calls.
        self.install_filters(&plan.restrictions)
    }

    /// Installs the filters for this process and what it starts.
    pub(super) fn install_filters(&self, restrictions: &Restrictions) -> Outcome<()> {
        pid1::install(self.filters(restrictions))
    }

    /// The programs of the filters that are not in force yet, in their order.
    pub(super) fn filters<'a>(&'a self, restrictions: &'a Restrictions) -> impl Iterator<Item = &'a [u8]> {
        let programs = match &restrictions.lock.seccomp {
            Filters::Programs(programs) => programs.as_slice(),
            // That is in force, and comes with no other.
            Filters::HandedOn(_) | Filters::ReadLate(_) => &[],
        };
        let programs = programs.iter().map(AsRef::as_ref).chain(self.late_filter.as_deref());
        let own =
            [&restrictions.tcp_filter, &restrictions.others_filter].into_iter().filter_map(|filter| filter.as_deref());
        own.chain(programs)
    }
}

/// What the program is started with.
struct Strings<'a> {
    arguments: CStrArray<'a>,
    /// For a file without `#!`, whose place is still empty.
    of_shell: CStrArray<'a>,
    environment: CStrArray<'a>,
}

impl<'a> Strings<'a> {
    /// `cwd` is the index of the working directory.
    fn new(exec: &'a Exec, cwd: usize) -> Strings<'a> {
        let environment = exec.environment.iter().enumerate();
        Strings {
            arguments: CStrArray::new(exec.arguments.iter().map(CString::as_c_str)),
            of_shell: CStrArray::new(exec.shell_arguments(c"")),
            environment: CStrArray::new(environment.map(|(at, entry)| match exec.pwd.get(cwd) {
                Some(pwd) if at == exec.pwd_at => pwd.as_c_str(),
                _ => entry.as_c_str(),
            })),
        }
    }

    /// The rules of `execvp(3)`: which errors end the search, and what a file without `#!` is.
    fn exec_first_found(&mut self, exec: &'a Exec) -> Failure {
        let failed = |errno: Errno| Failure::new(Stage::Exec, errno as i32);
        let mut denied = false;
        let mut last = if exec.command.is_empty() || exec.command.count_bytes() < 256 {
            Errno::ENOENT
        } else {
            Errno::ENAMETOOLONG
        };
        for file in &exec.files {
            last = process::exec(file, &self.arguments, &self.environment);
            if last == Errno::ENOEXEC {
                self.of_shell.set(1, file);
                last = process::exec(c"/bin/sh", &self.of_shell, &self.environment);
            }
            match last {
                Errno::EACCES => denied = true,
                Errno::ENOENT | Errno::ESTALE | Errno::ENOTDIR | Errno::ENODEV | Errno::ETIMEDOUT => {}
                errno => return failed(errno),
            }
        }
        failed(if denied { Errno::EACCES } else { last })
    }
}
