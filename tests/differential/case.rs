//! A row of a table: one argument line, its surroundings, and from which bubblewrap on it means something.

use crate::support::stage::Version;
use crate::support::{Fd, Tweak};

/// The release in which the newer options came.
pub(crate) const V0_9: Version = (0, 9, 0);
pub(crate) const V0_10: Version = (0, 10, 0);
pub(crate) const V0_11: Version = (0, 11, 0);
pub(crate) const V0_12: Version = (0, 12, 0);

/// Who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Both,
    User,
    Root,
}

/// How much of the output is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    All,
    /// Usage and help: programs read the first line and the names, and our words are our own.
    FirstLine,
}

/// One argument line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The words, see [`words`].
    pub(crate) line: &'static str,
    pub(crate) who: Who,
    pub(crate) since: Version,
    pub(crate) fds: &'static [(i32, Fd)],
    pub(crate) env: &'static [(&'static str, &'static str)],
    pub(crate) dir: &'static str,
    pub(crate) tweaks: &'static [Tweak],
    pub(crate) output: Output,
    /// What 0.11.1 does, where it is stated and a reference may differ: exit code, parts of stdout and of stderr.
    pub(crate) gives: Option<(i32, &'static str, &'static str)>,
}

/// A case that every reference knows, for both users, with all output compared.
pub(crate) const fn case(name: &'static str, line: &'static str) -> Case {
    Case {
        name,
        line,
        who: Who::Both,
        since: (0, 8, 0),
        fds: &[],
        env: &[],
        dir: "{d}",
        tweaks: &[],
        output: Output::All,
        gives: None,
    }
}

/// A case that its own line names.
pub(crate) const fn line(line: &'static str) -> Case {
    case(line, line)
}

impl Case {
    pub(crate) const fn user(mut self) -> Case {
        self.who = Who::User;
        self
    }

    pub(crate) const fn root(mut self) -> Case {
        self.who = Who::Root;
        self
    }

    pub(crate) const fn since(mut self, version: Version) -> Case {
        self.since = version;
        self
    }

    pub(crate) const fn fds(mut self, fds: &'static [(i32, Fd)]) -> Case {
        self.fds = fds;
        self
    }

    pub(crate) const fn env(mut self, env: &'static [(&'static str, &'static str)]) -> Case {
        self.env = env;
        self
    }

    /// The working directory; the fixture unless told.
    pub(crate) const fn dir(mut self, dir: &'static str) -> Case {
        self.dir = dir;
        self
    }

    pub(crate) const fn tweaks(mut self, tweaks: &'static [Tweak]) -> Case {
        self.tweaks = tweaks;
        self
    }

    pub(crate) const fn first_line(mut self) -> Case {
        self.output = Output::FirstLine;
        self
    }

    /// Exit code, and what stdout and stderr contain (an empty text: nothing is said about it).
    pub(crate) const fn gives(mut self, code: i32, stdout: &'static str, stderr: &'static str) -> Case {
        self.gives = Some((code, stdout, stderr));
        self
    }
}

/// The words of `line`: separated by blanks, and `'…'` keeps blanks. `R` stands for `--ro-bind / /`, `P` for the probe,
/// `S` for `{probe} state`.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let (mut word, mut quoted) = (None::<String>, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => out.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    assert!(!quoted, "a quote is left open: {line}");
    out.extend(word);
    let long = |word: String| match word.as_str() {
        "R" => vec!["--ro-bind".to_owned(), "/".to_owned(), "/".to_owned()],
        "P" => vec!["{probe}".to_owned()],
        "S" => vec!["{probe}".to_owned(), "state".to_owned()],
        _ => vec![word],
    };
    out.into_iter().flat_map(long).collect()
}
