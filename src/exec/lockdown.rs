//! The last steps before the program: capabilities, working directory, session. Only a [`Locked`] process can exec.

use std::ffi::{CStr, CString};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::landlock::Fence;
use super::{filters, mounts};
use crate::plan::{Cwd, Exec, Filters, Lock, Plan, Restrictions};
use crate::protocol::{At, Descriptors, Failure, Message, Outcome, Stage};
use crate::spec::{DieWith, Lifecycle};
use crate::sys::process::{self, CStrArray};
use crate::sys::{Errno, caps, content, cwd, poll, signals, socket, terminal};

/// The session in which the program runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Session<'a> {
    /// The caller's. If the terminal is given, the program's process group becomes its foreground group.
    Callers(Option<BorrowedFd<'a>>),
    /// One that PID 1 leads, which no terminal controls. The kernel stops a program by TSTP and the like only if its
    /// parent is in another process group of the same session (kernel/signal.c, `is_current_pgrp_orphaned`).
    Own,
}

impl<'a> Session<'a> {
    /// The terminal, if the program's process group becomes its foreground group.
    pub(super) fn terminal(self) -> Option<BorrowedFd<'a>> {
        if let Session::Callers(terminal) = self { terminal } else { None }
    }
}

/// A process that has lost everything the program must not have, except for what the filters take away.
pub(super) struct Locked<'a> {
    /// Which of the candidates became the working directory.
    cwd: usize,
    /// Files on which a lock is held.
    pub(super) locks: Vec<OwnedFd>,
    /// The copy of this program that PID 1 becomes.
    pub(super) copy: Option<OwnedFd>,
    /// The terminal that gets the program's process group as its foreground group. Exec closes it.
    pub(super) terminal: Option<BorrowedFd<'a>>,
    /// The mount of the program's home, for the supervisor. PID 1 and exec close it with the rest.
    pub(super) own_home: Option<ManuallyDrop<OwnedFd>>,
    /// The filter that [`Filters::ReadLate`] refers to.
    late_filter: Option<Vec<u8>>,
}

/// Locks this process down.
pub(super) fn lock<'a>(
    plan: &Plan,
    descriptors: &Descriptors,
    control: &OwnedFd,
    session: Session<'a>,
    fence: Fence<'_>,
) -> Outcome<Locked<'a>> {
    let Lock { bounding, caps: set, ambient: _, seccomp, limit_userns: _, assert_no_userns: _, exec_label } =
        &plan.restrictions.lock;
    // Wait before anything is dropped. While this process waits, the caller's tools may look into it (they attach a
    // network by /proc/PID/ns). Nobody inside may, because this process has more capabilities than they have.
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
    if plan.program.new_session || matches!(session, Session::Own) {
        process::setsid().stage(Stage::NewSession)?;
    }
    if plan.lifecycle.die_with != DieWith::Nobody {
        process::set_pdeathsig().stage(Stage::DieWithParent)?;
    }
    // Landlock is entered once, and here: everything that stays or starts inside descends from this process. Two
    // domains made from the same rules are strangers: neither may signal or trace the other. From here on nothing of
    // the host is opened by path, and nothing is mounted.
    fence.close()?;
    Ok(Locked { cwd, locks: Vec::new(), copy: None, terminal: session.terminal(), own_home: None, late_filter })
}

/// Reads back what was set: a filter or a debugger may have answered a call without carrying it out.
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

/// Waits for the caller's word, if the plan asks for that. Exits if the supervisor ends.
fn wait_for_release(lifecycle: &Lifecycle, descriptors: &Descriptors, control: &OwnedFd) -> Outcome<()> {
    let Some(fd) = lifecycle.block_fd else { return Ok(()) };
    // A descriptor that cannot be read does not block, as in bubblewrap.
    let Ok(fd) = descriptors.get(fd) else { return Ok(()) };
    let first = poll::first_ready(&mut [poll::readable(control.as_fd()), poll::readable(fd)]);
    if first.stage(Stage::Control)? == 0 {
        process::exit_now(1);
    }
    let _any_answer = content::read(fd, &mut [0]).is_ok();
    Ok(())
}

fn read_filter(descriptors: &Descriptors, fd: i32) -> Outcome<Vec<u8>> {
    let program = descriptors.get(fd).and_then(content::read_to_end).stage(Stage::ReadFilter)?;
    if program.len() % 8 == 0 { Ok(program) } else { Err(Failure::new(Stage::FilterLength, 0)) }
}

/// Enters the first candidate that exists, and returns its index.
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

/// Enters a directory of the sandbox. A descriptor that the caller left open could lead outside through the links of
/// procfs (CVE-2024-21626).
fn enter(path: &CStr) -> crate::sys::Result<()> {
    cwd::chdir(path)?;
    // The kernel puts "(unreachable)" before the path of a directory that is not below the root (getcwd(2)).
    if cwd::getcwd()?.to_bytes().starts_with(b"/") { Ok(()) } else { Err(Errno::EXDEV) }
}

impl Locked<'_> {
    /// Drops what is left and becomes the program. Returns only the failure.
    pub(super) fn exec(&self, plan: &Plan, control: &OwnedFd) -> Failure {
        // Allocate before the filters are installed, and never free: both may make calls that a filter refuses.
        let mut strings = ManuallyDrop::new(Strings::new(&plan.program.exec, self.cwd));
        match self.shed(plan, control) {
            Ok(()) => strings.exec_first_found(&plan.program.exec),
            Err(failure) => failure,
        }
    }

    fn shed(&self, plan: &Plan, control: &OwnedFd) -> Outcome<()> {
        if plan.program.new_group {
            // Not earlier, because the group gets the id of the process that makes it. If PID 1 made it, it would be
            // group 1, and a signal to group 1 goes to every process (kill(2)).
            terminal::start_group().stage(Stage::NewGroup)?;
            if let Some(terminal) = self.terminal {
                // The parent waits until this process executes the program, so it would never hear of a stop.
                signals::miss_typed_stop().stage(Stage::Signals)?;
                // If the terminal has gone meanwhile, there is no foreground to set.
                let _has_it = terminal::set_foreground(terminal, process::getpid()).is_ok();
            }
        }
        process::unblock_sigchld().stage(Stage::Signals)?;
        caps::raise_ambient(plan.restrictions.lock.ambient.0).stage(Stage::AmbientCaps)?;
        // If the supervisor has ended, this fails and the program does not start. If the supervisor ends later,
        // PR_SET_PDEATHSIG kills the program, where that was asked for.
        let ready = Message::Ready.encode();
        match &self.own_home {
            Some(home) => socket::send_descriptor(control.as_fd(), &ready, home.as_fd()),
            None => socket::send(control.as_fd(), &ready),
        }
        .stage(Stage::Control)?;
        // Last: a filter may forbid everything above. plan/filter.rs lists the calls that follow, and tries profiles
        // with them.
        self.install_filters(&plan.restrictions)
    }

    /// Installs the filters for this process and everything it starts.
    fn install_filters(&self, restrictions: &Restrictions) -> Outcome<()> {
        filters::install(self.filters(restrictions))
    }

    /// Installs the filters of PID 1.
    pub(super) fn install_filters_of_init(&self, plan: &Plan) -> Outcome<()> {
        filters::install(self.filters_of_init(plan))
    }

    /// The filters of PID 1 that are not in force yet, in their order: those of the program, unless they refuse what
    /// PID 1 has to do.
    pub(super) fn filters_of_init<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = &'a [u8]> {
        self.filters(&plan.restrictions).filter(|_| plan.init.is_filtered)
    }

    /// The filters that are not in force yet, in their order.
    fn filters<'a>(&'a self, restrictions: &'a Restrictions) -> impl Iterator<Item = &'a [u8]> {
        let programs = match &restrictions.lock.seccomp {
            Filters::Programs(programs) => programs.as_slice(),
            // A filter that was handed on is in force already, and comes with no other.
            Filters::HandedOn(_) | Filters::ReadLate(_) => &[],
        };
        let programs = programs.iter().map(AsRef::as_ref).chain(self.late_filter.as_deref());
        let own =
            [&restrictions.tcp_filter, &restrictions.others_filter].into_iter().filter_map(|filter| filter.as_deref());
        own.chain(programs)
    }
}

/// The strings that the program gets.
struct Strings<'a> {
    arguments: CStrArray<'a>,
    /// Arguments of the shell that runs a file without `#!`. The place of the file is still empty.
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

    /// Follows `execvp(3)`: which errors end the search, and how a file without `#!` is run.
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
