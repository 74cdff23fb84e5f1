//! The test's side: starts the tracing processes, adds up what they tell, and ends those in which a run hangs.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::Uid;

use super::calls::Call;
use super::example;
use super::judge::Verdict;
use super::worker::{JOB, Job, Line};

/// A run takes some 20 ms. One of which nothing is heard for so long hangs, on whatever machine.
/// `PINFOLD_FAULT_PATIENCE` gives another number of seconds, for work on a tool that hangs often.
const PATIENCE: u64 = 20;

/// A tool that hangs everywhere shall not keep the test for hours: so many seconds are spent on hangs of a shard.
const LONGEST_HANGS: u64 = 60;

fn patience() -> u64 {
    let given = std::env::var("PINFOLD_FAULT_PATIENCE").ok().and_then(|seconds| seconds.parse().ok());
    given.filter(|seconds| *seconds > 0).unwrap_or(PATIENCE)
}

/// The sum of what was done and seen.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) calls: usize,
    pub(crate) processes: usize,
    pub(crate) cannot_fail: usize,
    pub(crate) complete: usize,
    pub(crate) refused: usize,
    pub(crate) late: usize,
    pub(crate) missed: usize,
    pub(crate) failures: Vec<String>,
    /// Every verdict with the tool's message, for `PINFOLD_FAULT_VERBOSE`.
    pub(crate) log: String,
}

impl Tally {
    pub(crate) fn injections(&self) -> usize {
        self.complete + self.refused + self.late + self.failures.len()
    }

    /// Adds another shard of the same launch.
    fn add(&mut self, other: Tally) {
        let Tally { calls, processes, cannot_fail, complete, refused, late, missed, failures, log } = other;
        (self.calls, self.processes, self.cannot_fail) = (calls, processes, cannot_fail);
        self.complete += complete;
        self.refused += refused;
        self.late += late;
        self.missed += missed;
        self.failures.extend(failures);
        self.log += &log;
    }
}

/// Runs a job on all processors. `job` is the model, of which each tracing process gets its share.
pub(crate) fn run(job: &Job, shards: usize) -> Tally {
    let mut sum = Tally::default();
    std::thread::scope(|scope| {
        let share = |shard| Job { shard, shards, scratch: job.scratch.join(shard.to_string()), ..job.clone() };
        let threads: Vec<_> = (0..shards).map(|shard| scope.spawn(move || run_shard(share(shard)))).collect();
        for thread in threads {
            sum.add(thread.join().expect("the shard's thread"));
        }
    });
    sum
}

fn run_shard(mut job: Job) -> Tally {
    let directory = job.scratch.clone();
    let mut tally = Tally::default();
    let most_hangs = LONGEST_HANGS.div_ceil(patience());
    for attempt in 0..most_hangs {
        job.scratch = directory.with_extension(attempt.to_string());
        match follow(&job, &mut tally) {
            Ok(None) => return tally,
            Ok(Some(hung)) => job.from = hung + 1,
            Err(error) => {
                tally.failures.push(format!("the tracing process: {error}"));
                return tally;
            }
        }
    }
    tally.failures.push(format!("given up after {most_hangs} hangs; injections from {} on were not made", job.from));
    tally
}

/// Starts a tracing process and listens to it. Returns the number of the injection at which it hung, if it did.
fn follow(job: &Job, tally: &mut Tally) -> io::Result<Option<usize>> {
    let mut child = tracing_process(&std::env::current_exe()?)
        .args(["--ignored", "--exact", "traced::tracing_process", "--nocapture", "--test-threads=1"])
        .env(JOB, job.to_words())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("no pipe"))?;
    let outcome = listen(stdout, job, tally);
    if let Ok(Heard::Hang { number, label, tracer }) = &outcome {
        tally.failures.push(format!("{label}: hangs; left are {}", tracees(*tracer)));
        return end(&mut child).map(|()| Some(*number));
    }
    end(&mut child)?;
    outcome.map(|_| None)
}

/// A command that starts `program` with a table of mounts that nobody else changes. Root's tracing process makes one
/// for itself; an ordinary user needs a user namespace for that, which a program of several threads cannot make.
fn tracing_process(program: &Path) -> Command {
    if Uid::effective().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new(example::built("probe", &["tests/probe"]));
    command.args(["nest", "share", "--"]).arg(program);
    command
}

/// Ends the tracer if it has not ended; PTRACE_O_EXITKILL takes all that it traces along.
fn end(child: &mut Child) -> io::Result<()> {
    child.kill()?;
    child.wait().map(drop)
}

enum Heard {
    All,
    Hang { number: usize, label: String, tracer: i32 },
}

fn listen(stdout: ChildStdout, job: &Job, tally: &mut Tally) -> io::Result<Heard> {
    let patience = PollTimeout::try_from(Duration::from_secs(patience())).map_err(io::Error::other)?;
    let mut lines = Lines { pipe: stdout, buffer: Vec::new(), patience };
    let (mut number, mut label, mut tracer) = (0, format!("{}: recording", job.launch.name), 0);
    loop {
        let line = match lines.next()? {
            Next::Line(line) => line,
            Next::Silence => return Ok(Heard::Hang { number, label, tracer }),
            Next::End => return Err(io::Error::other(format!("it ended early, at {label}"))),
        };
        match Line::parse(&line) {
            Some(Line::Plan { tracer: id, calls, processes, cannot_fail }) => {
                tracer = id;
                (tally.calls, tally.processes, tally.cannot_fail) = (calls, processes, cannot_fail);
            }
            Some(Line::Run(which, aim)) => (number, label) = (which, format!("{}: {aim}", job.launch.name)),
            Some(Line::Good(verdict, message)) => {
                match verdict {
                    Verdict::Complete => tally.complete += 1,
                    Verdict::Refused => tally.refused += 1,
                    Verdict::Late => tally.late += 1,
                }
                _ = writeln!(tally.log, "{label}: {verdict:?} {message}");
            }
            Some(Line::Bad(reason)) => tally.failures.push(format!("{label}: {reason}")),
            Some(Line::Missed) => {
                tally.missed += 1;
                _ = writeln!(tally.log, "{label}: missed");
            }
            Some(Line::Done) => return Ok(Heard::All),
            // libtest's own.
            None => {}
        }
    }
}

enum Next {
    Line(String),
    Silence,
    End,
}

/// Lines of a pipe, with an end to patience.
struct Lines {
    pipe: ChildStdout,
    buffer: Vec<u8>,
    patience: PollTimeout,
}

impl Lines {
    fn next(&mut self) -> io::Result<Next> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(Next::Line(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            let mut ready = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
            match poll(&mut ready, self.patience) {
                Ok(0) => return Ok(Next::Silence),
                Ok(_) => {}
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            let mut chunk = [0; 4096];
            match self.pipe.read(&mut chunk)? {
                0 => return Ok(Next::End),
                count => self.buffer.extend_from_slice(&chunk[..count]),
            }
        }
    }
}

/// The processes that a tracer still has, each with what it waits in.
fn tracees(tracer: i32) -> String {
    let Ok(entries) = fs::read_dir("/proc") else { return "unknown".into() };
    let wanted = format!("TracerPid:\t{tracer}");
    let mut found = Vec::new();
    for directory in entries.flatten().map(|entry| entry.path()) {
        let Ok(status) = fs::read_to_string(directory.join("status")) else { continue };
        if status.lines().any(|line| line == wanted) {
            let name = status.lines().next().and_then(|line| line.strip_prefix("Name:\t")).unwrap_or("?");
            found.push(format!("{name} in {}", present_call(&directory)));
        }
    }
    found.join(", ")
}

fn present_call(process: &Path) -> String {
    let line = fs::read_to_string(process.join("syscall")).unwrap_or_default();
    match line.split(' ').next().and_then(|nr| nr.parse().ok()) {
        Some(nr) => Call { nr, args: [0; 6] }.to_string(),
        None => line.trim().to_owned(),
    }
}
