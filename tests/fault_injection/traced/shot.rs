//! What is aimed at in a launch, and what came of it.

use std::fmt;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::calls::Call;

/// A process by its descent, which unlike its pid is the same in every run: the tool is `0`, its second child `0.2`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Lineage(Vec<usize>);

impl Lineage {
    pub(crate) fn tool() -> Lineage {
        Lineage(vec![0])
    }

    pub(crate) fn child(&self, number: usize) -> Lineage {
        let mut path = self.0.clone();
        path.push(number);
        Lineage(path)
    }

    /// How many processes there are from the tool to this one, both counted.
    pub(crate) fn depth(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(usize::to_string).collect();
        f.write_str(&words.join("."))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shot {
    Fail(Errno),
    Kill,
}

impl fmt::Display for Shot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shot::Fail(errno) => write!(f, "{errno:?}"),
            Shot::Kill => f.write_str("SIGKILL"),
        }
    }
}

/// A call in the course of a launch.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) process: Lineage,
    pub(crate) call: Call,
    /// Counted from 1 among the calls of that number in that process: an additional read(2) of a longer file does not
    /// move the mounts.
    pub(crate) nth: usize,
    /// Its arguments.
    pub(crate) words: String,
}

/// Which call to hit, and how.
pub(crate) struct Aim {
    pub(crate) at: Entry,
    pub(crate) shot: Shot,
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Entry { process, call, nth, words } = &self.at;
        write!(f, "process {process}, {call} no. {nth} {words}: {}", self.shot)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Exited(i32),
    Killed(Signal),
}

/// What happened in a run.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) end: End,
    /// Recorded without an aim, in the order of entry; of the payload only what it did before it became the payload.
    pub(crate) entries: Vec<Entry>,
    /// The payload's program was executed.
    pub(crate) started: bool,
    pub(crate) hit: Option<Hit>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Hit {
    pub(crate) call: Call,
    /// The setup process had said that everything was set up.
    pub(crate) after_ready: bool,
    /// The payload was already running: the launch was over.
    pub(crate) after_start: bool,
}
