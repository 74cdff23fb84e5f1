//! What a front end gives the supervisor: words for what happens, and who may give it orders.

use std::os::fd::BorrowedFd;

use super::findings::{Findings, Found};
use crate::error::Error;
use crate::plan::{Plan, Unenforced};
use crate::protocol::Failure;

/// The front end that was used: makes words of what happens, in its own manner.
pub(crate) trait Frontend {
    /// The words of a failure that ends the run.
    fn error(&self, plan: &Plan, failure: &Failure) -> Error;

    /// An error of the engine about what was asked for, in the words of this front end.
    fn refusal(&self, error: Error) -> Error;

    /// Says something that does not end the run. The program has not run yet.
    fn note(&self, plan: &Plan, note: &Note);

    /// Words for what was found after the run. All is done by then: to say it may take as long as a reader likes.
    fn findings(&self, found: &[Found]) -> Findings;

    /// Everything is set up, and the program is next. `pid` is the first process of the box, as its caller sees it.
    fn started(&self, _pid: i32) {}

    /// The program has stopped by this signal.
    fn stopped(&self, _signal: u8) {}

    /// Where somebody orders the end of the box, who goes on beside it and keeps the terminal. A byte is the order.
    fn orders(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Something worth a line before the program runs, which does not end the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// A restriction that could not be had, where as much as possible is wanted ([`crate::spec::Spec::best_effort`]).
    Dropped(Failure),
    /// The same, known before anything was begun.
    NotEnforced(Unenforced),
    /// Something about what was asked for, all of which holds.
    Remark(Failure),
}
