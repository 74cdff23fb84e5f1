//! Timing several programs in one run, interleaved: A B C A B C …

use std::fmt;
use std::fs::File;
use std::io::{Error, Result};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A program that takes part.
pub(crate) struct Contestant {
    name: &'static str,
    command: Command,
    /// It is killed on its way, and says so.
    is_ended: bool,
}

impl Contestant {
    /// `command`, with nothing to read and nowhere to write, and an environment that is the same for all.
    pub(crate) fn new(name: &'static str, mut command: Command) -> Result<Contestant> {
        let null = File::options().read(true).write(true).open("/dev/null")?;
        command.stdin(null.try_clone()?).stdout(null).stderr(Stdio::inherit());
        Ok(Contestant { name, command: plain(command), is_ended: false })
    }

    /// The same in `project`, whose parent is the home.
    pub(crate) fn at_home(mut self, project: &Path) -> Contestant {
        self.command.current_dir(project).env("HOME", project.parent().unwrap_or(project));
        self
    }

    /// The same, where it will be killed on its way.
    pub(crate) fn that_is_ended(mut self) -> Contestant {
        self.command.stderr(Stdio::null());
        self.is_ended = true;
        self
    }

    /// One launch, in microseconds: from before the process is made until it was waited for.
    fn once(&mut self) -> Result<f64> {
        let start = Instant::now();
        let status = self.command.status()?;
        let took = start.elapsed();
        if status.success() == self.is_ended {
            return Err(Error::other(format!("{}: {status}: {:?}", self.name, self.command)));
        }
        Ok(took.as_secs_f64() * 1e6)
    }
}

/// `command` in `/`, with no more than a search path in its environment.
pub(crate) fn plain(mut command: Command) -> Command {
    command.current_dir("/").env_clear().env("PATH", "/usr/bin:/bin");
    command
}

/// What one contestant needed, in microseconds, round by round.
pub(crate) struct Times {
    pub(crate) name: &'static str,
    rounds: Vec<f64>,
}

impl Times {
    pub(crate) fn of(name: &'static str) -> Times {
        Times { name, rounds: Vec::new() }
    }

    pub(crate) fn add(&mut self, microseconds: f64) {
        self.rounds.push(microseconds);
    }

    /// These times as they are, compared with nobody's.
    pub(crate) fn alone(&self) -> Ratio {
        Ratio { median: self.median(), of_minima: self.min() }
    }

    pub(crate) fn min(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn median(&self) -> f64 {
        median(&self.rounds)
    }

    /// This contestant's times as parts of another's.
    pub(crate) fn ratio_to(&self, base: &Times) -> Ratio {
        self.compared(base, |own, other| own / other)
    }

    /// How many microseconds more this contestant needs than another.
    pub(crate) fn less(&self, base: &Times) -> Ratio {
        self.compared(base, |own, other| own - other)
    }

    fn compared(&self, base: &Times, how: fn(f64, f64) -> f64) -> Ratio {
        let each: Vec<f64> = self.rounds.iter().zip(&base.rounds).map(|(own, other)| how(*own, *other)).collect();
        Ratio { median: median(&each), of_minima: how(self.min(), base.min()) }
    }
}

/// How one contestant compares with another: a ratio, or a difference.
#[derive(Clone, Copy)]
pub(crate) struct Ratio {
    /// Median of those of each round. Both had the same machine then, however busy it was.
    pub(crate) median: f64,
    /// That of the best rounds.
    pub(crate) of_minima: f64,
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:6.3} ({:6.3})", self.median, self.of_minima)
    }
}

/// Lets every contestant run once in each of `rounds` rounds, after a few that do not count.
pub(crate) fn interleave(rounds: usize, mut contestants: Vec<Contestant>) -> Result<Vec<Times>> {
    let mut times: Vec<Times> = contestants.iter().map(|who| Times::of(who.name)).collect();
    for _warm_up in 0..rounds.min(25) / 5 {
        for contestant in &mut contestants {
            contestant.once()?;
        }
    }
    for _round in 0..rounds {
        for (contestant, times) in contestants.iter_mut().zip(&mut times) {
            times.add(contestant.once()?);
        }
    }
    Ok(times)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}
