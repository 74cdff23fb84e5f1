//! Runs git in a repository of the host, where only the host's files decide what it does.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::side::{LOCK_PAUSE, LOCK_TRIES};
use crate::sys::{Errno, Result, command, fd, open, poll, process, sealed, stat};

/// What every call begins with. No hook (githooks(5), `reference-transaction`) and no monitor is started, and a lock is
/// waited for as long as for our own.
const SETTINGS: [&str; 10] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.filesRefLockTimeout=1000",
    "-c",
    "core.packedRefsTimeout=1000",
    "-c",
    "gc.auto=0",
];

/// So many bytes does git say at most: a line for each of half a million files.
const MOST_SAID: usize = 64 << 20;
/// So much of what it complains about is read.
const MOST_COMPLAINT: u64 = 64 << 10;
/// So often is asked whether to go on while git works.
const PAUSE: Duration = Duration::from_millis(50);
/// So long does git take to end that is asked to.
const DYING: Duration = Duration::from_secs(2);

/// The program git.
#[derive(Debug, Clone)]
pub struct Git {
    pub(super) program: PathBuf,
}

impl Git {
    /// Looks for git along `path`, the caller's `PATH`. A box may have put a program of this name where it can write:
    /// nothing in or below `writable` is taken.
    pub fn find(path: &OsStr, writable: &[PathBuf]) -> Option<Git> {
        let dirs = path.as_bytes().split(|&byte| byte == b':').filter(|dir| dir.starts_with(b"/"));
        for dir in dirs {
            let named = Path::new(OsStr::from_bytes(dir));
            let Ok(program) = named.join("git").canonicalize() else { continue };
            // A link in such a place may lead anywhere.
            let real = named.canonicalize().unwrap_or_default();
            if writable.iter().any(|place| named.starts_with(place) || real.starts_with(place)) {
                continue;
            }
            let is_program =
                stat::look_at_path(&program).is_ok_and(|about| about.is_file() && about.permissions() & 0o111 != 0);
            if is_program && !writable.iter().any(|place| program.starts_with(place)) {
                return Some(Git { program });
            }
        }
        None
    }

    /// Runs git in the git directory `dir`, with `input` as standard input. Returns what it said, `None` if it failed.
    /// If another git holds a lock, this tries again for a second.
    ///
    /// # Errors
    /// `EINTR`: [`Within::go_on`] said no, and git was ended.
    pub(super) fn run(
        &self,
        dir: BorrowedFd<'_>,
        arguments: &[&OsStr],
        input: &[u8],
        within: Within<'_>,
    ) -> Result<Option<Vec<u8>>> {
        for _ in 0..LOCK_TRIES {
            let done = self.once(dir, arguments, input, within)?;
            match done {
                Ok(said) => return Ok(Some(said)),
                Err(complaint) if is_about_lock(&complaint) => sleep(LOCK_PAUSE),
                Err(_) => return Ok(None),
            }
        }
        Ok(None)
    }

    /// git in the git directory `dir`.
    fn command(&self, dir: BorrowedFd<'_>, arguments: &[&OsStr]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(SETTINGS).arg("--git-dir=.").args(arguments);
        command.current_dir(format!("/proc/self/fd/{}", fd::number(dir))).env_clear().envs(ENVIRONMENT);
        command
    }

    fn once(
        &self,
        dir: BorrowedFd<'_>,
        arguments: &[&OsStr],
        input: &[u8],
        within: Within<'_>,
    ) -> Result<std::result::Result<Vec<u8>, Vec<u8>>> {
        if !(within.go_on)() {
            return Err(Errno::EINTR);
        }
        // Files and not pipes: only what git says is waited for.
        let (input, complaint) = (sealed::holding(input)?, sealed::holding(b"")?);
        let read_complaint = again(complaint.as_fd())?;
        let mut command = self.command(dir, arguments);
        command.stdin(input).stdout(Stdio::piped()).stderr(complaint);
        let mut running = Running::start(&mut command)?;
        let Some(said) = running.said(within)? else { return Ok(Err(Vec::new())) };
        if running.has_done_well(within)? {
            return Ok(Ok(said));
        }
        let mut text = Vec::new();
        let read = File::from(read_complaint).take(MOST_COMPLAINT).read_to_end(&mut text);
        read.map_err(|_| Errno::EIO).map(|_| Err(text))
    }
}

/// What bounds a call of git.
#[derive(Clone, Copy)]
pub(super) struct Within<'a> {
    /// Asked again and again while git runs. False: git is to end.
    pub(super) go_on: &'a dyn Fn() -> bool,
    /// So many bytes it may say. With more it has failed.
    pub(super) most: usize,
}

impl<'a> Within<'a> {
    pub(super) fn new(go_on: &'a dyn Fn() -> bool) -> Within<'a> {
        Within { go_on, most: MOST_SAID }
    }

    fn go(self) -> Result<()> {
        if (self.go_on)() { Ok(()) } else { Err(Errno::EINTR) }
    }

    /// Waits until `fd` can be read or its other end is closed.
    fn wait_for(self, fd: BorrowedFd<'_>) -> Result<()> {
        while !poll::is_ready_within(fd, PAUSE)? {
            self.go()?;
        }
        Ok(())
    }
}

/// A git that runs. It ends when this is dropped, and when this process ends, however that comes about: what a box has
/// left may take a git as long as the box wants.
struct Running {
    child: Child,
    process: OwnedFd,
}

impl Running {
    fn start(command: &mut Command) -> Result<Running> {
        command::end_with_caller(command);
        let mut child = command.spawn().map_err(|error| errno(&error))?;
        match process::pidfd_open(child.id().cast_signed()) {
            Ok(process) => Ok(Running { child, process }),
            Err(errno) => {
                let _killed = child.kill().and_then(|()| child.wait()).is_ok();
                Err(errno)
            }
        }
    }

    /// What git says, until it says no more. `None`: it is too much.
    fn said(&mut self, within: Within<'_>) -> Result<Option<Vec<u8>>> {
        let mut output = self.child.stdout.take().ok_or(Errno::EIO)?;
        let (mut said, mut part) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            within.wait_for(output.as_fd())?;
            match output.read(&mut part).map_err(|error| errno(&error)) {
                Ok(0) => return Ok(Some(said)),
                Ok(length) => said.extend_from_slice(&part[..length]),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
            if said.len() > within.most {
                return Ok(None);
            }
            within.go()?;
        }
    }

    fn has_done_well(&mut self, within: Within<'_>) -> Result<bool> {
        within.wait_for(self.process.as_fd())?;
        self.child.wait().map(|status| status.success()).map_err(|error| errno(&error))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It removes its locks then, which it would not if it was killed.
        if let Ok(None) = self.child.try_wait() {
            let _asked = command::ask_to_end(self.process.as_fd()).is_ok();
            if !poll::is_ready_within(self.process.as_fd(), DYING).unwrap_or(false) {
                let _killed = self.child.kill().is_ok();
            }
            let _ended = self.child.wait().is_ok();
        }
    }
}

/// A git that says what type objects have, for as long as one repository is looked at. To start it each time would take
/// longer than all else.
pub(super) struct Catalogue {
    _running: Running,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Catalogue {
    /// So many questions are asked before the answers are read. Both fit in a pipe, also where it has 4 KiB because the
    /// user has many (pipe(7)), so neither side waits for the other.
    const AT_ONCE: usize = 40;

    pub(super) fn start(git: &Git, dir: BorrowedFd<'_>) -> Result<Catalogue> {
        let words = ["cat-file", "--batch-check=%(objectname) %(objecttype)"].map(OsStr::new);
        let mut command = git.command(dir, &words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut running = Running::start(&mut command)?;
        let child = &mut running.child;
        let (questions, answers) = (child.stdin.take().ok_or(Errno::EIO)?, child.stdout.take().ok_or(Errno::EIO)?);
        Ok(Catalogue { _running: running, questions, answers: BufReader::new(answers) })
    }

    /// One line for each of `ids`: `ID TYPE`, or `ID missing`.
    pub(super) fn ask(&mut self, ids: &[&Vec<u8>], within: Within<'_>) -> Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        for ids in ids.chunks(Self::AT_ONCE) {
            within.go()?;
            let text: Vec<u8> = ids.iter().flat_map(|id| [id, &b"\n"[..]].concat()).collect();
            self.questions.write_all(&text).map_err(|error| errno(&error))?;
            for _ in ids {
                if self.answers.buffer().is_empty() {
                    within.wait_for(self.answers.get_ref().as_fd())?;
                }
                let mut line = Vec::new();
                self.answers.read_until(b'\n', &mut line).map_err(|error| errno(&error))?;
                // git has ended.
                line.pop().ok_or(Errno::EIO)?;
                lines.push(line);
            }
        }
        Ok(lines)
    }
}

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

/// Nothing of the caller's: `GIT_DIR` and its relatives lead elsewhere, and settings of the user may name programs. No
/// protocol is allowed, so that git fetches nothing (a partial clone would, gitprotocol and git(1)).
const ENVIRONMENT: [(&str, &str); 12] = [
    ("PATH", "/usr/local/bin:/usr/bin:/bin"),
    ("LC_ALL", "C"),
    ("HOME", "/nonexistent"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_COMMITTER_NAME", "pinfold"),
    ("GIT_COMMITTER_EMAIL", "pinfold@localhost"),
];

/// Opens a file anew, to read it from its start.
pub(super) fn again(file: BorrowedFd<'_>) -> Result<OwnedFd> {
    let path = CString::new(format!("/proc/self/fd/{}", fd::number(file))).map_err(|_| Errno::EINVAL)?;
    open::read(&path)
}

fn is_about_lock(complaint: &[u8]) -> bool {
    let has = |words: &[u8]| complaint.windows(words.len()).any(|part| part == words);
    has(b".lock") && has(b"File exists") || has(b"could not lock config file")
}
