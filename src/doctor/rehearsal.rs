//! Makes a real sandbox with the engine of every other run, in a process that then ends.

use std::cell::RefCell;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use crate::error::Error;
use crate::host::{Caller, Host};
use crate::plan::{self, Plan};
use crate::protocol::{Descriptors, Failure, Packet, Rehearsed};
use crate::spec::{FsOp, LandlockTier, Spec};
use crate::supervise::{self, Findings, Found, Frontend, Note};
use crate::sys::ns::NsSet;
use crate::sys::process::{self, Cloned, End, SingleThread};
use crate::sys::{Errno, Result as SysResult, content, error_text, fd, open, socket};

/// Why `pinfold run` refuses to start in the current directory, whatever the host can do. Another sandbox was tried
/// then.
pub(crate) struct Refusal {
    /// The current directory, if there is one.
    pub(crate) directory: Option<String>,
    /// The error of `pinfold run`.
    pub(crate) error: Error,
    /// Whether it would start in a directory that somebody works in.
    pub(crate) is_of_place: bool,
    /// Whether it refuses to start with any profile. Then the configuration of the user or the host is wrong.
    pub(crate) is_of_all: bool,
}

/// How the rehearsal of one sandbox went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rehearsal {
    /// The program ran and ended with 0.
    Works,
    /// It failed: the error message, the hint, and the failure if the engine met one.
    Fails { message: String, hint: Option<String>, failure: Option<Failure> },
}

impl Rehearsal {
    pub(super) fn works(&self) -> bool {
        *self == Rehearsal::Works
    }
}

/// The sandboxes that were tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rehearsals {
    /// As it was asked for.
    pub(super) full: Rehearsal,
    /// The same without Landlock, where this host has none: one wall less.
    pub(super) no_landlock: Rehearsal,
    /// That without a procfs of its own.
    pub(super) no_proc: Rehearsal,
    /// What `--best-effort` makes of the first one. Advice to use that is given only if it works.
    pub(super) best_effort: Rehearsal,
    /// No namespaces at all, by `--landlock only --best-effort`. The same counts for this advice.
    pub(super) alone: Rehearsal,
}

impl Rehearsals {
    /// Makes the sandbox `wish`. If that fails, makes others that ask for less: `alone` is the one without namespaces.
    /// `has_landlock`: this host has Landlock.
    pub(super) fn run(
        (wish, alone): (&Spec, Option<&Spec>),
        has_landlock: bool,
        caller: Caller,
        inherited: &[&CStr],
        frontend: &dyn Frontend,
    ) -> SysResult<Rehearsals> {
        let full = rehearse(wish.clone(), caller, inherited, frontend)?;
        let mut less = wish.clone();
        let no_landlock = if full.works() || has_landlock {
            full.clone()
        } else {
            less.lockdown.landlock.tier = LandlockTier::Off;
            rehearse(less.clone(), caller, inherited, frontend)?
        };
        let no_proc = if no_landlock.works() {
            // It does less than what has worked.
            Rehearsal::Works
        } else {
            less.ops.retain(|op| !matches!(op.fs, FsOp::Proc { .. }));
            rehearse(less, caller, inherited, frontend)?
        };
        if full.works() {
            return Ok(Rehearsals { best_effort: full.clone(), alone: full.clone(), full, no_landlock, no_proc });
        }
        let best_effort = Spec { best_effort: true, ..wish.clone() };
        let best_effort = rehearse(best_effort, caller, inherited, frontend)?;
        let alone = match alone {
            Some(alone) => rehearse(alone.clone(), caller, inherited, frontend)?,
            None => full.clone(),
        };
        Ok(Rehearsals { full, no_landlock, no_proc, best_effort, alone })
    }

    /// The result if nothing could be tried.
    pub(super) fn none(why: Errno) -> Rehearsals {
        let message = format!("cannot try anything here: {}", error_text(why as i32));
        let fails = Rehearsal::Fails { message, hint: None, failure: None };
        Rehearsals {
            full: fails.clone(),
            no_landlock: fails.clone(),
            no_proc: fails.clone(),
            best_effort: fails.clone(),
            alone: fails,
        }
    }
}

fn rehearse(spec: Spec, caller: Caller, inherited: &[&CStr], frontend: &dyn Frontend) -> SysResult<Rehearsal> {
    let planned = Host::probe(caller, &spec, c"pinfold", inherited)
        .and_then(|(host, descriptors)| Ok((plan::plan(spec, host)?, descriptors)));
    let (plan, mut descriptors) = match planned {
        Ok(planned) => planned,
        Err(error) => return Ok(fails(&frontend.refusal(error), None)),
    };
    let thread = SingleThread::check(descriptors.proc())?;
    let (ours, theirs) = socket::pair()?;
    let nowhere = open::write_at(crate::sys::mount::AT_FDCWD, c"/dev/null");
    match process::clone(thread, NsSet::NONE, false)? {
        Cloned::Child => {
            // The engine closes all descriptors but 0 to 2, so descriptor 2 leads back to this process. It also carries
            // what the program prints, such as the error of a loader that misses a library.
            if let Ok(nowhere) = nowhere {
                let _left_as_they_are = [0, 1].map(|fd| fd::redirect(fd, nowhere.as_fd()).is_ok());
            }
            match fd::redirect(2, theirs.as_fd()) {
                Ok(()) => process::exit_now(carry_out(&plan, &mut descriptors, frontend)),
                Err(_) => process::exit_now(1),
            }
        }
        Cloned::Parent(child) => {
            drop(theirs);
            let told = listen(ours.as_fd());
            let end = process::wait(child.as_fd())?;
            Ok(told?.outcome(end))
        }
    }
}

fn fails(error: &Error, failure: Option<Failure>) -> Rehearsal {
    let message = String::from_utf8_lossy(&error.text()).into_owned();
    Rehearsal::Fails { message, hint: error.hint.as_ref().map(ToString::to_string), failure }
}

/// In the process of its own: makes the box, tells what went wrong, and returns the exit code.
fn carry_out(plan: &Plan, descriptors: &mut Descriptors, frontend: &dyn Frontend) -> u8 {
    let frontend = Recorder { frontend, failure: RefCell::default() };
    match supervise::run(plan, descriptors, None, &frontend) {
        Ok(code) => code,
        Err(error) => {
            frontend.failure.take().map(Rehearsed::Failed).iter().for_each(tell);
            error.hint.as_ref().map(|hint| Rehearsed::Hint(hint.to_string().into_bytes())).iter().for_each(tell);
            tell(&Rehearsed::Error(error.text()));
            1
        }
    }
}

fn tell(what: &Rehearsed) {
    // If nobody listens, there is nobody to tell.
    let _listening = fd::callers_fd(2).and_then(|fd| socket::send(fd, &what.encode())).is_ok();
}

/// Copies each failure before it is turned into words.
struct Recorder<'a> {
    frontend: &'a dyn Frontend,
    failure: RefCell<Option<Failure>>,
}

impl Frontend for Recorder<'_> {
    fn error(&self, plan: &Plan, failure: &Failure) -> Error {
        *self.failure.borrow_mut() = Some(failure.clone());
        self.frontend.error(plan, failure)
    }

    fn refusal(&self, error: Error) -> Error {
        self.frontend.refusal(error)
    }

    fn note(&self, _: &Plan, _: &Note) {}

    fn findings(&self, _: &[Found]) -> Findings {
        Findings::default()
    }
}

/// What the new process sent.
#[derive(Default)]
struct Told {
    message: Option<String>,
    hint: Option<String>,
    failure: Option<Failure>,
    /// What the program in the sandbox printed.
    printed: Vec<u8>,
}

fn listen(from: BorrowedFd<'_>) -> SysResult<Told> {
    /// A longer message is cut. Length in bytes.
    const ROOM: usize = 16 * 1024;
    const _: () = assert!(ROOM > Packet::ROOM);
    let (mut told, mut room) = (Told::default(), vec![0; ROOM]);
    loop {
        let length = content::read(from, &mut room)?;
        if length == 0 {
            return Ok(told);
        }
        let text = |bytes: Vec<u8>| Some(String::from_utf8_lossy(&bytes).into_owned());
        match Rehearsed::decode(&room[..length]) {
            Some(Rehearsed::Hint(hint)) => told.hint = text(hint),
            Some(Rehearsed::Failed(failure)) => told.failure = Some(failure),
            Some(Rehearsed::Error(message)) => told.message = text(message),
            None if told.printed.len() < ROOM => told.printed.extend_from_slice(&room[..length]),
            None => {}
        }
    }
}

impl Told {
    fn outcome(self, end: End) -> Rehearsal {
        let Told { message, hint, failure, printed } = self;
        let message = match (message, end) {
            (None, End::Code(0)) => return Rehearsal::Works,
            (Some(message), _) => message,
            (None, End::Code(code)) => {
                let printed = String::from_utf8_lossy(&printed);
                format!("the program in the sandbox ended with code {code}: {}", printed.trim())
            }
            // Probably a filter around this program that kills (SIGSYS).
            (None, End::Signal(signal)) => format!("the tool itself was killed by signal {signal}"),
        };
        Rehearsal::Fails { message, hint, failure }
    }
}
