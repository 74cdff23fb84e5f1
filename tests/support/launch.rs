//! One launch of a program in a fixed surrounding: user, descriptors, environment, directory, signals.
#![allow(unsafe_code)] // what a child does between fork and exec

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use nix::sys::resource::{Resource, setrlimit};

use super::running::{Outcome, Running};
use super::{is_root, leave_to_root};

/// Who runs the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Actor {
    /// An ordinary user: 1000 when the tests run as root, else whoever runs them.
    User,
    /// Root, or whoever runs the tests; ask [`Actor::here`] first.
    Root,
}

impl Actor {
    /// The ids to change to before the launch, if any.
    pub(crate) fn ids(self) -> Option<(u32, u32)> {
        (self == Actor::User && is_root()).then_some((1000, 1000))
    }

    /// The user id that the tool runs with.
    pub(crate) fn uid(self) -> u32 {
        self.ids().map_or_else(|| nix::unistd::geteuid().as_raw(), |(uid, _)| uid)
    }

    /// Whether the tests can act as this one; says so loudly if not.
    pub(crate) fn here(self) -> bool {
        let here = self == Actor::User || is_root();
        if !here {
            leave_to_root("not root: nothing is tested as root");
        }
        here
    }
}

/// What the tool finds under a descriptor number.
#[derive(Debug, Clone)]
pub(crate) enum Fd {
    /// Not open.
    Closed,
    /// A file without a name that holds these bytes, at its start.
    Text(&'static str),
    /// As `Text`, for bytes that are no text.
    Bytes(&'static [u8]),
    /// The read end of a pipe that holds these bytes and then ends.
    Pipe(&'static str),
    /// A file or directory of this name, opened for reading; see [`Launch::files`].
    Open(&'static str),
    /// As `Open`, with `O_PATH`.
    Path(&'static str),
    /// The write end of a pipe that the test reads; see [`Outcome::outs`].
    Out,
    /// The read end of a pipe that the test feeds; see [`Running::feed`].
    In,
    /// A descriptor that the test made.
    Given(Arc<OwnedFd>),
}

/// An odd surrounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tweak {
    /// The caller ignores this signal.
    Ignore(i32),
    /// The caller blocks this signal.
    Block(i32),
    Umask(u32),
    /// No other processor may be used.
    Processor(usize),
    /// The limit of open files.
    Files(u64),
    /// The limit of a file's size.
    FileSize(u64),
    /// The limit of the user's processes.
    Processes(u64),
    /// Standard input is the controlling terminal.
    Terminal,
}

/// A launch in the making.
#[derive(Debug)]
pub(crate) struct Launch {
    what: String,
    command: Command,
    actor: Actor,
    fds: Vec<(RawFd, Fd)>,
    dir: PathBuf,
    files: PathBuf,
    tweaks: Vec<Tweak>,
}

impl Launch {
    pub(super) fn new(name: &str, program: &Path, words: Vec<OsString>, actor: Actor) -> Launch {
        let mut command = Command::new(program);
        command.arg0("bwrap").args(&words).env_clear();
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("LANG", "C.UTF-8").env("HOME", "/").env("CANARY", "of the host");
        let what = format!("{name} as {actor:?}: bwrap {words:?}");
        let fds = vec![(0, Fd::Text("")), (1, Fd::Out), (2, Fd::Out)];
        let root = PathBuf::from("/");
        Launch { what, command, actor, fds, dir: root.clone(), files: root, tweaks: Vec::new() }
    }

    /// Any program, not a sandbox, under its own name.
    pub(crate) fn program(program: &Path, actor: Actor, args: &[&str]) -> Launch {
        let words = args.iter().map(OsString::from).collect();
        let mut launch = Launch::new(&program.display().to_string(), program, words, actor);
        launch.command.arg0(program);
        launch
    }

    /// Descriptor `number` is `fd`; 0 is an empty file unless told, 1 and 2 are read by the test.
    #[must_use]
    pub(crate) fn fd(mut self, number: RawFd, fd: Fd) -> Launch {
        self.fds.retain(|(known, _)| *known != number);
        self.fds.push((number, fd));
        self
    }

    #[must_use]
    pub(crate) fn env(mut self, name: &str, value: &str) -> Launch {
        self.command.env(name, value);
        self
    }

    /// The working directory, `/` unless told.
    #[must_use]
    pub(crate) fn dir(mut self, dir: &Path) -> Launch {
        self.dir = dir.to_path_buf();
        self
    }

    /// Where the names of [`Fd::Open`] and [`Fd::Path`] start: the fixture.
    #[must_use]
    pub(crate) fn files(mut self, files: &Path) -> Launch {
        self.files = files.to_path_buf();
        self
    }

    #[must_use]
    pub(crate) fn tweak(mut self, tweak: Tweak) -> Launch {
        self.tweaks.push(tweak);
        self
    }

    /// Runs it to its end: the program has exited, and nobody holds its output any more.
    pub(crate) fn run(self) -> Outcome {
        self.start().finish()
    }

    /// Starts it.
    pub(crate) fn start(mut self) -> Running {
        let (mut given, mut outs, mut feeds) = (Vec::new(), Vec::new(), Vec::new());
        for (number, fd) in &self.fds {
            let opened = match fd {
                Fd::Closed => continue,
                Fd::Text(text) => holding(text.as_bytes()),
                Fd::Bytes(bytes) => holding(bytes),
                Fd::Pipe(text) => {
                    let (reader, writer) = pipe();
                    File::from(writer).write_all(text.as_bytes()).expect("fill a pipe");
                    reader
                }
                Fd::Open(name) => open(&self.files.join(name), 0),
                Fd::Path(name) => open(&self.files.join(name), libc::O_PATH),
                Fd::Out => {
                    let (reader, writer) = pipe();
                    outs.push((*number, reader));
                    writer
                }
                Fd::In => {
                    let (reader, writer) = pipe();
                    feeds.push((*number, writer));
                    reader
                }
                Fd::Given(fd) => fd.try_clone().expect("copy a descriptor"),
            };
            given.push((*number, opened));
        }
        self.command.current_dir(&self.dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((uid, gid)) = self.actor.ids() {
            self.command.uid(uid).gid(gid);
        }
        let numbers: Vec<(RawFd, RawFd)> = given.iter().map(|(number, fd)| (*number, fd.as_raw_fd())).collect();
        let closed: Vec<RawFd> =
            self.fds.iter().filter(|(_, fd)| matches!(fd, Fd::Closed)).map(|(number, _)| *number).collect();
        let tweaks = std::mem::take(&mut self.tweaks);
        // SAFETY: the closure makes system calls on numbers and vectors made before the fork, and allocates nothing.
        unsafe { self.command.pre_exec(move || surround(&numbers, &closed, &tweaks)) };
        let child = self.command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", self.what));
        Running::new(self.what, child, outs, feeds)
    }
}

/// In the child: a new session, exactly the wanted descriptors, no signal ignored, the tweaks. Only async-signal-safe
/// calls.
fn surround(numbers: &[(RawFd, RawFd)], closed: &[RawFd], tweaks: &[Tweak]) -> io::Result<()> {
    /// Above every number that a test asks for.
    const AWAY: RawFd = 500;
    let check = |result: i32| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) };
    // SAFETY: each call takes numbers, or pointers to live locals; none touches memory of the parent.
    unsafe {
        check(libc::setsid())?;
        // Nothing that the test harness holds open may reach the tool.
        // The wrapper is in glibc only.
        check(libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) as i32)?;
        // Out of the way first, so that no number is overwritten before it was copied.
        for (index, (_, source)) in numbers.iter().enumerate() {
            check(libc::dup3(*source, AWAY + index as RawFd, libc::O_CLOEXEC))?;
        }
        for (index, (number, _)) in numbers.iter().enumerate() {
            check(libc::dup2(AWAY + index as RawFd, *number))?;
        }
        for number in closed {
            libc::close(*number);
        }
        // Who runs the tests in the background of a script, or by nohup(1), ignores some signals. KILL and STOP are
        // refused here, and so are the two that the C library keeps for itself.
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        for tweak in tweaks {
            match *tweak {
                Tweak::Ignore(signal) => drop(libc::signal(signal, libc::SIG_IGN)),
                Tweak::Block(signal) => {
                    let mut set: libc::sigset_t = std::mem::zeroed();
                    check(libc::sigaddset(&raw mut set, signal))?;
                    check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
                }
                Tweak::Umask(mask) => drop(libc::umask(mask)),
                Tweak::Processor(number) => {
                    let mut set: libc::cpu_set_t = std::mem::zeroed();
                    libc::CPU_SET(number, &mut set);
                    check(libc::sched_setaffinity(0, size_of_val(&set), &raw const set))?;
                }
                Tweak::Terminal => drop(check(libc::ioctl(0, libc::TIOCSCTTY, 0))?),
                Tweak::Files(limit) => setrlimit(Resource::RLIMIT_NOFILE, limit, limit)?,
                Tweak::FileSize(limit) => setrlimit(Resource::RLIMIT_FSIZE, limit, limit)?,
                Tweak::Processes(limit) => setrlimit(Resource::RLIMIT_NPROC, limit, limit)?,
            }
        }
    }
    Ok(())
}

/// A file without a name that holds `bytes`, at its start.
fn holding(bytes: &[u8]) -> OwnedFd {
    use std::io::Seek;
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).custom_flags(libc::O_TMPFILE).mode(0o600).open(super::stage::stage());
    let mut file = file.expect("make a file without a name");
    file.write_all(bytes).expect("fill a file");
    file.rewind().expect("rewind a file");
    file.into()
}

fn open(path: &Path, flags: i32) -> OwnedFd {
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    opened.unwrap_or_else(|error| panic!("open {}: {error}", path.display())).into()
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: pipe2 writes two numbers into a live array.
    let result = unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) };
    assert_eq!(result, 0, "pipe: {}", io::Error::last_os_error());
    // SAFETY: pipe2 has just made both, and nobody else knows them.
    ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) }).into()
}
