//! The tracing process: a re-execution of this test binary, so that it has one thread which matters and no children
//! but its tracees. It tells the test what it does line by line (see [`Line`]) before it does it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_child_subreaper;
use nix::unistd::{Uid, gettid};

use super::judge::{Seen, Verdict, judge};
use super::launch::{Launch, Scratch, list};
use super::shot::{Aim, Entry, Lineage, Shot, Trace};
use super::tracer::trace;

/// The environment variable that makes this binary the tracer.
pub(crate) const JOB: &str = "PINFOLD_FAULT_JOB";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Every call fails, with each of its errors.
    Fail,
    /// Every process is killed at each of its calls.
    Kill,
}

/// What one tracing process has to do.
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) launch: &'static Launch,
    pub(crate) mode: Mode,
    /// It takes the injections whose number is `shard` modulo `shards`, from number `from` on.
    pub(crate) shard: usize,
    pub(crate) shards: usize,
    pub(crate) from: usize,
    pub(crate) tool: PathBuf,
    /// A directory that does not exist yet.
    pub(crate) scratch: PathBuf,
}

impl Job {
    pub(crate) fn to_words(&self) -> String {
        let Job { launch, mode, shard, shards, from, tool, scratch } = self;
        format!("{}\t{mode:?}\t{shard}\t{shards}\t{from}\t{}\t{}", launch.name, tool.display(), scratch.display())
    }

    pub(crate) fn from_words(words: &str) -> Option<Job> {
        let [name, mode, shard, shards, from, tool, scratch] = words.split('\t').collect::<Vec<_>>().try_into().ok()?;
        Some(Job {
            launch: Launch::named(name)?,
            mode: if mode == "Fail" { Mode::Fail } else { Mode::Kill },
            shard: shard.parse().ok()?,
            shards: shards.parse().ok()?,
            from: from.parse().ok()?,
            tool: tool.into(),
            scratch: scratch.into(),
        })
    }
}

/// The words between tracer and test, one a line, after a mark that libtest's own lines do not have.
#[derive(Debug)]
pub(crate) enum Line {
    /// Its thread id; calls and processes of the launch; calls that cannot fail.
    Plan {
        tracer: i32,
        calls: usize,
        processes: usize,
        cannot_fail: usize,
    },
    /// Begins the injection of this number, described.
    Run(usize, String),
    Good(Verdict, String),
    Bad(String),
    /// The call to hit did not come.
    Missed,
    Done,
}

impl Line {
    const MARK: &str = "@fault ";

    fn send(&self) -> io::Result<()> {
        let words = match self {
            Line::Plan { tracer, calls, processes, cannot_fail } => {
                format!("plan\t{tracer}\t{calls}\t{processes}\t{cannot_fail}")
            }
            Line::Run(number, label) => format!("run\t{number}\t{label}"),
            Line::Good(verdict, message) => format!("good\t{verdict:?}\t{message}"),
            Line::Bad(reason) => format!("bad\t{reason}"),
            Line::Missed => "missed".into(),
            Line::Done => "done".into(),
        };
        // One write, straight to the descriptor: libtest captures what println! prints. The line break in front ends
        // what libtest may have begun.
        let mut stdout = io::stdout().lock();
        stdout.write_all(format!("\n{}{}\n", Self::MARK, words.replace('\n', " | ")).as_bytes())?;
        stdout.flush()
    }

    pub(crate) fn parse(line: &str) -> Option<Line> {
        let words: Vec<&str> = line.strip_prefix(Self::MARK)?.split('\t').collect();
        Some(match words[..] {
            ["plan", tracer, calls, processes, cannot_fail] => Line::Plan {
                tracer: tracer.parse().ok()?,
                calls: calls.parse().ok()?,
                processes: processes.parse().ok()?,
                cannot_fail: cannot_fail.parse().ok()?,
            },
            ["run", number, label] => Line::Run(number.parse().ok()?, label.into()),
            ["good", "Complete", message] => Line::Good(Verdict::Complete, message.into()),
            ["good", "Refused", message] => Line::Good(Verdict::Refused, message.into()),
            ["good", "Late", message] => Line::Good(Verdict::Late, message.into()),
            ["bad", ref reason @ ..] => Line::Bad(reason.join(" ")),
            ["missed"] => Line::Missed,
            ["done"] => Line::Done,
            _ => return None,
        })
    }
}

/// Does the whole job.
pub(crate) fn work(job: &Job) -> Result<(), Box<dyn std::error::Error>> {
    set_child_subreaper(true)?;
    if Uid::effective().is_root() {
        own_mounts()?;
    }
    let bench = Bench { job, scratch: Scratch::create(&job.scratch, job.launch.user)? };
    let (plan, normal) = bench.plan()?;
    plan.line().send()?;
    for (number, aim) in plan.aims.iter().enumerate() {
        if number < job.from || number % job.shards != job.shard {
            continue;
        }
        Line::Run(number, aim.to_string()).send()?;
        bench.inject(aim, &normal)?.send()?;
    }
    Line::Done.send()?;
    Ok(())
}

/// As root the runs get mounts of their own: fresh /tmp and /dev/shm, in which anything left is the tool's, and a table
/// that no other program changes meanwhile. All of it is shared, as systemd makes it on most hosts, so that a mount
/// which escapes from the box becomes visible here.
fn own_mounts() -> nix::Result<()> {
    const NONE: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    for directory in PRIVATE.iter().filter(|directory| Path::new(directory).is_dir()) {
        mount(Some("tmpfs"), *directory, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=1777"))?;
    }
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_SHARED, NONE)
}

const PRIVATE: [&str; 2] = ["/tmp", "/dev/shm"];

/// The injections of a launch, in a fixed order.
struct Plan {
    aims: Vec<Aim>,
    calls: usize,
    processes: usize,
    cannot_fail: usize,
}

impl Plan {
    fn of(trace: &Trace, mode: Mode) -> Plan {
        let mut by_process: BTreeMap<&Lineage, Vec<&Entry>> = BTreeMap::new();
        for entry in &trace.entries {
            by_process.entry(&entry.process).or_default().push(entry);
        }
        let mut plan = Plan { aims: Vec::new(), calls: 0, processes: by_process.len(), cannot_fail: 0 };
        for (process, entries) in by_process {
            let first = if *process == Lineage::tool() { own_work(&entries) } else { 0 };
            for entry in &entries[first..] {
                let shots = match mode {
                    Mode::Fail => entry.call.errors().into_iter().map(Shot::Fail).collect(),
                    Mode::Kill => vec![Shot::Kill],
                };
                plan.calls += 1;
                plan.cannot_fail += usize::from(shots.is_empty());
                plan.aims.extend(shots.into_iter().map(|shot| Aim { at: (*entry).clone(), shot }));
            }
        }
        plan
    }

    fn line(&self) -> Line {
        let tracer = gettid().as_raw();
        Line::Plan { tracer, calls: self.calls, processes: self.processes, cannot_fail: self.cannot_fail }
    }
}

/// Where the tool's own work begins. Loader and C library stand before it; when they fail, no code of the tool runs
/// yet.
fn own_work(entries: &[&Entry]) -> usize {
    let loaded = entries.iter().position(|entry| entry.call.ends_loading()).map_or(0, |position| position + 1);
    let of_the_tool = entries[loaded..].iter().position(|entry| !entry.call.is_of_the_c_runtime());
    loaded + of_the_tool.unwrap_or(0)
}

struct Bench<'a> {
    job: &'a Job,
    scratch: Scratch,
}

impl Bench<'_> {
    /// Records the launch, twice: what differs between two runs without an injection would make every verdict void.
    fn plan(&self) -> Result<(Plan, Seen), String> {
        let record = || self.run(None).map_err(|error| error.to_string());
        let (trace, normal) = record()?;
        let (_, again) = record()?;
        if !normal.is_complete() {
            return Err(format!("the launch fails without any injection: {:?}, {}", normal.end, normal.stderr));
        }
        match again.difference(&normal) {
            None => Ok((Plan::of(&trace, self.job.mode), normal)),
            Some(difference) => Err(format!("two equal runs differ: {difference}")),
        }
    }

    /// One injection. A call that does not come is tried for again: which of two ready events a process takes first is
    /// up to the scheduler.
    fn inject(&self, aim: &Aim, normal: &Seen) -> io::Result<Line> {
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let (trace, seen) = self.run(Some(aim))?;
            if let Some(hit) = trace.hit {
                return Ok(match judge(self.job.launch, aim, hit, &seen, normal) {
                    Ok(verdict) => Line::Good(verdict, seen.stderr.trim_end().into()),
                    Err(reason) => Line::Bad(reason),
                });
            }
        }
        Ok(Line::Missed)
    }

    fn run(&self, aim: Option<&Aim>) -> io::Result<(Trace, Seen)> {
        let before = surroundings(&self.scratch)?;
        let (mut command, fds) = self.job.launch.command(&self.job.tool, &self.scratch)?;
        let trace = trace(&mut command, aim)?;
        let evidence = self.scratch.take_evidence();
        let after = surroundings(&self.scratch)?;
        let left = after.symmetric_difference(&before).cloned().collect();
        let seen = Seen::new(&trace, &fds, evidence, left);
        Ok((trace, seen))
    }
}

/// The mounts, and the files in every directory that the tool may write to.
fn surroundings(scratch: &Scratch) -> io::Result<BTreeSet<String>> {
    let mut paths = scratch.listing();
    if Uid::effective().is_root() {
        PRIVATE.iter().for_each(|directory| list(Path::new(directory), &mut paths));
    }
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo")?;
    let paths = paths.iter().map(|path| path.display().to_string());
    Ok(paths.chain(mounts.lines().map(str::to_owned)).collect())
}
