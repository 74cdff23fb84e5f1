//! What a front end provides to the supervisor: the message texts, and a descriptor for orders.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::findings::{Findings, Found};
use crate::error::Error;
use crate::plan::{Plan, Unenforced};
use crate::protocol::Failure;
use crate::spec::Spec;

/// Runs a box and waits for it. Returns its exit code.
pub(crate) type RunBox = fn(Spec, [OwnedFd; 3], &dyn Fn() -> bool) -> Result<u8, Error>;

/// The front end in use. It turns what happens into messages in its own style.
pub(crate) trait Frontend {
    /// Returns the message for a failure that ends the run.
    fn error(&self, plan: &Plan, failure: &Failure) -> Error;

    /// Rewords an error of the engine about the request in this front end's terms.
    fn refusal(&self, error: Error) -> Error;

    /// Reports something that does not end the run. The program has not started yet.
    fn note(&self, plan: &Plan, note: &Note);

    /// Returns the messages for what was found after the run. All other work is done by then, so a slow reader delays
    /// nothing.
    fn findings(&self, found: &[Found]) -> Findings;

    /// Called when everything is set up and the program is about to start. `pid` is the first process of the box, as
    /// the caller sees it.
    fn started(&self, _pid: i32) {}

    /// Called when this signal has stopped the program.
    fn stopped(&self, _signal: u8) {}

    /// Runs a box with these standard descriptors and waits for it: git looks in one at what a box has left. None:
    /// nothing is taken over.
    fn run_box(&self) -> Option<RunBox> {
        None
    }

    /// A descriptor from which the supervisor takes the order to end the box: any byte. Its holder runs beside the box
    /// and keeps the terminal.
    fn orders(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// Something to report before the program runs. It does not end the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// A restriction could not be applied, and the caller accepts that ([`crate::spec::Spec::best_effort`]).
    Dropped(Failure),
    /// The same, but known before anything was started.
    NotEnforced(Unenforced),
    /// A remark about the request. Everything requested is in effect.
    Remark(Failure),
}
