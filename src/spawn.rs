//! A box for a library user who goes on beside it.
//!
//! [`crate::run`] makes its caller the supervisor of the box. Here the supervisor is a process of its own: a copy of
//! the calling thread (`fork(2)`), in which there is no other thread whatever the caller has. Both talk over a socket:
//! the supervisor tells what happens, and any byte from here, or the end of this side, is the order to end the box.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::plan::Plan;
use crate::prepare;
use crate::protocol::{At, Descriptors, Failure, GO, Stage, Told};
use crate::report::{self, Library};
use crate::spec::Spec;
use crate::supervise::{self, Findings, Found, Frontend, Note, RunBox, SuperviseError};
use crate::sys::fork::{Forked, fork};
use crate::sys::process::{self, End};
use crate::sys::{self, Errno, fd, poll, socket, terminal};

/// A box that runs, and its program.
///
/// Dropped, it ends the box, waits until nothing lives in it any more, and leaves no process behind. So does the end of
/// the calling process, unless the box was to end with nobody ([`crate::spec::DieWith::Nobody`]).
#[derive(Debug)]
pub struct Child {
    plan: Plan,
    /// None where it had ended, and somebody had waited for it, before it could be looked at.
    supervisor: Option<OwnedFd>,
    channel: OwnedFd,
    /// The first process of the box.
    first: i32,
    /// What has been told and nobody has asked for.
    events: VecDeque<Event>,
    /// Once it is over.
    end: Option<Result<u8, Error>>,
}

/// Something that happens to a box.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A line about the box from before the program starts: a restriction that could not be had where as much as
    /// possible is wanted ([`Spec::best_effort`]), or something worth knowing.
    Note(String),
    /// The program has stopped, by this signal: of itself, or because it has asked for the terminal, which stays with
    /// the caller. Told where the box has processes of its own ([`crate::spec::Namespaces::pid`]).
    Stopped(u8),
    /// A line about what the program has left ([`crate::spec::Lifecycle::watch`], [`crate::spec::Lifecycle::settle`]).
    Found(String),
}

/// What the program has as its standard descriptors. One that is `None` is the caller's own.
#[derive(Debug, Default)]
pub struct Stdio {
    /// Standard input.
    pub input: Option<OwnedFd>,
    /// Standard output.
    pub output: Option<OwnedFd>,
    /// Standard error.
    pub error: Option<OwnedFd>,
}

/// Starts the program that `spec` asks for, and returns when everything is set up and the program is next.
///
/// What [`crate::run`] prints is an [`Event`] here. The calling process may have threads. It stays as it is: it loses
/// no descriptor and no right, and its signals stay its own. The box and its supervisor are in process groups of their
/// own, so that the keys of a terminal reach the caller only; the program starts without blocked signals and with
/// SIGPIPE as it is by default, as with [`std::process::Command`].
///
/// The supervisor allocates memory, as a copy of a process with threads: the global allocator must take a fork, as
/// those of glibc, musl, jemalloc and mimalloc do.
///
/// # Errors
/// Everything that keeps the box from being set up, and then the program has not run. That the program's own file
/// cannot be executed is an error of [`Child::wait`].
pub fn spawn(spec: Spec) -> Result<Child, Error> {
    spawn_with(spec, Stdio::default())
}

/// As [`spawn`], with other standard descriptors.
///
/// ```no_run
/// # use std::io::Read;
/// let (mut said, output) = std::io::pipe()?;
/// let spec = pinfold::Sandbox::new(["/usr/bin/id"]).ro_bind("/", "/").spec()?;
/// let stdio = pinfold::Stdio { output: Some(output.into()), ..pinfold::Stdio::default() };
/// let mut child = pinfold::spawn_with(spec, stdio)?;
/// let mut text = String::new();
/// said.read_to_string(&mut text)?;
/// assert_eq!(child.wait()?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`spawn`].
pub fn spawn_with(spec: Spec, stdio: Stdio) -> Result<Child, Error> {
    // Planning takes those that are closed, so that nothing of ours gets their numbers. They are the caller's.
    let closed = (0..=2).filter(|&fd| !fd::is_open(fd).unwrap_or(true)).collect::<Vec<_>>();
    let child = begin(spec, stdio);
    fd::close_numbers(closed);
    let mut child = child?;
    // Dropped where this fails.
    match child.listen_for_start() {
        Ok(()) => Ok(child),
        Err(error) => Err(error),
    }
}

/// Starts the program that `spec` asks for with these standard descriptors, and waits for it. When `go_on` says no, the
/// box is killed.
pub(crate) fn run_to_end(
    spec: Spec,
    [input, output, error]: [OwnedFd; 3],
    go_on: &dyn Fn() -> bool,
) -> Result<u8, Error> {
    /// So often is asked.
    const PAUSE: Duration = Duration::from_millis(50);
    let mut child = spawn_with(spec, Stdio { input: Some(input), output: Some(output), error: Some(error) })?;
    while child.end.is_none() {
        if poll::is_ready_within(child.channel.as_fd(), PAUSE).unwrap_or(true) {
            child.listen();
        } else if !go_on() {
            child.kill();
            break;
        }
    }
    child.wait()
}

fn begin(spec: Spec, stdio: Stdio) -> Result<Child, Error> {
    let (plan, mut descriptors) = prepare::prepare(spec)?;
    let failed = |errno: Errno| {
        Error::new(
            ErrorKind::Failed,
            format!("Can't start a process for the sandbox: {}", sys::error_text(errno as i32)),
        )
    };
    let (channel, supervisors) = socket::pair().map_err(failed)?;
    match fork().map_err(failed)? {
        Forked::Parent(supervisor) => {
            let notes = plan.unenforced.iter().map(|unenforced| Note::NotEnforced(unenforced.clone()));
            let events = notes.map(|note| Event::Note(text(report::note_line(&plan, &note)))).collect();
            let supervisor = process::pidfd_open(supervisor).ok();
            Ok(Child { plan, supervisor, channel, first: 0, events, end: None })
        }
        Forked::Child(guard) => {
            drop(channel);
            let code = supervise(&plan, &mut descriptors, supervisors, stdio);
            guard.exit(code)
        }
    }
}

/// The process of its own. Returns its exit code, which nobody relies on: everything was told.
fn supervise(plan: &Plan, descriptors: &mut Descriptors, channel: OwnedFd, stdio: Stdio) -> u8 {
    let prepared = prepare(stdio).stage(Stage::Prepare).map_err(SuperviseError::Failed);
    let done = prepared.and_then(|()| supervise::carry_out(plan, descriptors, None, &Sender(channel.as_fd())));
    let told = match done {
        Ok(code) => Told::Ended(code),
        Err(SuperviseError::Failed(failure)) => Told::Failed(failure),
        Err(SuperviseError::Silent(end)) => Told::Silent(end),
    };
    tell(channel.as_fd(), &told);
    0
}

/// Sets this process apart from the caller's.
fn prepare(stdio: Stdio) -> sys::Result<()> {
    terminal::start_group()?;
    let given = [stdio.input, stdio.output, stdio.error].into_iter().zip(0..);
    let given = given.filter_map(|(fd, number)| Some((fd?, number)));
    // First to numbers that none of them is to get.
    let above = given.map(|(fd, number)| Ok((fd::move_above_standard(fd)?, number)));
    let above = above.collect::<sys::Result<Vec<_>>>()?;
    above.iter().try_for_each(|(fd, number)| fd::redirect(*number, fd.as_fd()))
}

/// Tells the caller. One that has gone need not know.
fn tell(channel: BorrowedFd<'_>, told: &Told) {
    let _listening = socket::send(channel, &told.encode()).is_ok();
}

/// The front end of the process of its own: it has no words, and sends what happens to the caller.
struct Sender<'a>(BorrowedFd<'a>);

impl Frontend for Sender<'_> {
    fn error(&self, plan: &Plan, failure: &Failure) -> Error {
        // Nobody asks here: `supervise::carry_out` makes no words.
        Library { run_box: None }.error(plan, failure)
    }

    fn refusal(&self, error: Error) -> Error {
        error
    }

    fn note(&self, _: &Plan, note: &Note) {
        match note {
            Note::Dropped(failure) => tell(self.0, &Told::Dropped(failure.clone())),
            Note::Remark(failure) => tell(self.0, &Told::Remark(failure.clone())),
            // The caller has the same plan.
            Note::NotEnforced(_) => {}
        }
    }

    fn run_box(&self) -> Option<RunBox> {
        Some(run_to_end)
    }

    fn findings(&self, found: &[Found]) -> Findings {
        found.iter().for_each(|found| tell(self.0, &Told::Found(found.line())));
        Findings::default()
    }

    fn started(&self, pid: i32) {
        tell(self.0, &Told::Started(pid));
    }

    fn stopped(&self, signal: u8) {
        // A program can stop again and again, and a caller need not listen: then it is not told.
        let _told = socket::send_now(self.0, &Told::Stopped(signal).encode()).is_ok();
    }

    fn orders(&self) -> Option<BorrowedFd<'_>> {
        Some(self.0)
    }
}

impl Child {
    /// The process id of the first process of the box, as the caller sees it. It names another process once the box has
    /// ended.
    pub fn id(&self) -> u32 {
        self.first.cast_unsigned()
    }

    /// Waits for the next event. `None`: there will be none, and [`Child::wait`] returns at once.
    pub fn next_event(&mut self) -> Option<Event> {
        while self.events.is_empty() && self.end.is_none() {
            self.listen();
        }
        self.events.pop_front()
    }

    /// Waits until the box has ended and all is done. Returns the exit code of the program, 128 + n where signal n
    /// ended it. Events that come meanwhile can be asked for afterwards, but for stops.
    ///
    /// # Errors
    /// The program could not be executed, or the box not be looked after.
    pub fn wait(&mut self) -> Result<u8, Error> {
        loop {
            if let Some(end) = &self.end {
                return end.clone();
            }
            self.events.retain(|event| !matches!(event, Event::Stopped(_)));
            self.listen();
        }
    }

    /// As [`Child::wait`], but returns `None` at once where the box has not ended.
    ///
    /// # Errors
    /// As [`Child::wait`].
    pub fn try_wait(&mut self) -> Result<Option<u8>, Error> {
        while self.end.is_none() && poll::is_ready(self.channel.as_fd()).unwrap_or(true) {
            self.listen();
        }
        self.end.clone().transpose()
    }

    /// Orders the end of the box: everything in it is killed. What the program has left on the host is looked at all
    /// the same, so wait for that. The code of such an end is 137. A box that has ended already is no error.
    pub fn kill(&mut self) {
        // A supervisor that has gone needs no order.
        let _ordered = socket::send(self.channel.as_fd(), GO).is_ok();
    }

    /// Listens until everything is set up.
    fn listen_for_start(&mut self) -> Result<(), Error> {
        while self.first == 0 && self.end.is_none() {
            self.listen();
        }
        match &self.end {
            Some(Err(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Takes in the next thing that is told.
    fn listen(&mut self) {
        let mut packet = vec![0; Told::ROOM];
        let length = socket::receive(self.channel.as_fd(), &mut packet).map_or(0, |received| received.length);
        let (plan, frontend) = (&self.plan, &Library { run_box: None });
        let note = |note: &Note| Event::Note(text(report::note_line(plan, note)));
        match Told::decode(&packet[..length]) {
            Some(Told::Started(pid)) => self.first = pid,
            Some(Told::Dropped(failure)) => self.events.push_back(note(&Note::Dropped(failure))),
            Some(Told::Remark(failure)) => self.events.push_back(note(&Note::Remark(failure))),
            Some(Told::Stopped(signal)) => self.events.push_back(Event::Stopped(signal)),
            Some(Told::Found(line)) => self.events.push_back(Event::Found(text(line))),
            Some(Told::Ended(code)) => self.bury(|_| Ok(code)),
            Some(Told::Failed(failure)) => {
                let error = supervise::words(plan, &SuperviseError::Failed(failure), frontend);
                self.bury(|_| Err(error));
            }
            Some(Told::Silent(end)) => {
                let error = supervise::words(plan, &SuperviseError::Silent(end), frontend);
                self.bury(|_| Err(error));
            }
            None => self.bury(|end| {
                let how = match end {
                    Some(End::Signal(signal)) => format!("was killed by signal {signal}"),
                    _ => "has gone".into(),
                };
                Err(Error::new(ErrorKind::Failed, format!("The process that looks after the sandbox {how}")))
            }),
        }
    }

    /// It is over, and the process has ended or is about to. Somebody else may have waited for it.
    fn bury(&mut self, result: impl FnOnce(Option<End>) -> Result<u8, Error>) {
        let end = self.supervisor.as_ref().and_then(|supervisor| process::wait(supervisor.as_fd()).ok());
        self.end = Some(result(end));
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
        while self.end.is_none() {
            self.listen();
        }
    }
}

/// Ready to be read when an event or the end has been told: for a loop of one's own, which then calls
/// [`Child::try_wait`].
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}

fn text(line: Vec<u8>) -> String {
    String::from_utf8_lossy(&line).into_owned()
}
