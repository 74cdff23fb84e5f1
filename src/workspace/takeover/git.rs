//! Runs git in a repository of the host, where only the host's files decide what it does.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::sleep;

use super::side::{LOCK_PAUSE, LOCK_TRIES};
use crate::sys::{Errno, Result, fd, open, sealed, stat};

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
    pub(super) fn run(&self, dir: BorrowedFd<'_>, arguments: &[&OsStr], input: &[u8]) -> Result<Option<Vec<u8>>> {
        for _ in 0..LOCK_TRIES {
            let done = self.once(dir, arguments, input)?;
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
    ) -> Result<std::result::Result<Vec<u8>, Vec<u8>>> {
        // Files and not pipes: nobody waits for anybody.
        let (input, said, complaint) = (sealed::holding(input)?, sealed::holding(b"")?, sealed::holding(b"")?);
        let (read_said, read_complaint) = (again(said.as_fd())?, again(complaint.as_fd())?);
        let mut command = self.command(dir, arguments);
        command.stdin(input).stdout(said).stderr(complaint);
        let status = command.status().map_err(|error| errno(&error))?;
        let all = |file| {
            let mut text = Vec::new();
            File::from(file).read_to_end(&mut text).map_err(|_| Errno::EIO).map(|_| text)
        };
        Ok(if status.success() { Ok(all(read_said)?) } else { Err(all(read_complaint)?) })
    }
}

/// A git that says what type objects have, for as long as one repository is looked at. To start it each time would take
/// longer than all else.
pub(super) struct Catalogue {
    child: Child,
    /// Closed by dropping it: then git ends.
    questions: Option<ChildStdin>,
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
        let mut child = command.spawn().map_err(|error| errno(&error))?;
        let (questions, answers) = (child.stdin.take(), child.stdout.take().ok_or(Errno::EIO)?);
        Ok(Catalogue { child, questions, answers: BufReader::new(answers) })
    }

    /// One line for each of `ids`: `ID TYPE`, or `ID missing`.
    pub(super) fn ask(&mut self, ids: &[&Vec<u8>]) -> Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        for ids in ids.chunks(Self::AT_ONCE) {
            let text: Vec<u8> = ids.iter().flat_map(|id| [id, &b"\n"[..]].concat()).collect();
            let questions = self.questions.as_mut().ok_or(Errno::EIO)?;
            questions.write_all(&text).map_err(|error| errno(&error))?;
            for _ in ids {
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

impl Drop for Catalogue {
    fn drop(&mut self) {
        self.questions = None;
        drop(self.child.wait());
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
