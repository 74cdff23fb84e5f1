//! Known differences: where pinfold, on purpose, does not do what a reference does.
//!
//! pinfold follows bubblewrap 0.11.1 except where its way is a hole; the references here are older or newer than that.
//! A row that starts to agree fails the run: take it out then.

use crate::case::Who;
use crate::support::{Actor, Reference};

/// Which references a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    All,
    /// Those below 0.12.
    Older,
    /// 0.12 and later.
    Newer,
}
use Against::{All, Newer, Older};
use What::{Hangs, Result, Words};

/// How much differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Only the text on stderr; all else is compared still.
    Words,
    /// What happens.
    Result,
    /// The reference never ends, so it is not run: bubblewrap's child waits for ever when its parent dies too early.
    Hangs,
}

/// A known difference: in which case, whose run, against which reference, in what, and why.
pub(crate) struct Known {
    pub(crate) case: &'static str,
    who: Who,
    against: Against,
    pub(crate) what: What,
    pub(crate) why: &'static str,
}

const fn known(case: &'static str, against: Against, what: What, why: &'static str) -> Known {
    Known { case, who: Who::Both, against, what, why }
}

impl Known {
    const fn user(mut self) -> Known {
        self.who = Who::User;
        self
    }

    const fn root(mut self) -> Known {
        self.who = Who::Root;
        self
    }
}

pub(crate) const KNOWN: &[Known] = &[
    known("version", Older, Result, "we say 0.12.0, so that callers find every option of it"),
    known("info-not-open", All, Hangs, "the child waits for a parent that gave up"),
    known("json-not-open", All, Hangs, "the child waits for a parent that gave up"),
    known("userns2-not-a-namespace", All, Hangs, "the child waits for a parent that gave up"),
    known("userns2-twice", All, Hangs, "the child waits for a parent that gave up"),
];

/// What is known about `case` as `actor` against `reference`.
pub(crate) fn difference(case: &str, actor: Actor, reference: &Reference) -> Option<&'static Known> {
    let applies = |known: &&Known| {
        known.case == case
            && (known.who == Who::Both || (known.who == Who::Root) == (actor == Actor::Root))
            && match known.against {
                All => true,
                Older => reference.version < (0, 12, 0),
                Newer => reference.version >= (0, 12, 0),
            }
    };
    KNOWN.iter().find(applies)
}
