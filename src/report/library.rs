//! The front end of library users: what [`crate::run`] says on standard error while it runs, and its errors.

use super::error;
use super::hint::Terms;
use crate::error::Error;
use crate::plan::Plan;
use crate::protocol::Failure;
use crate::supervise::{Findings, Found, Frontend, Note};
use crate::sys::file;

/// The front end of library users.
pub(crate) struct Library;

const TERMS: Terms = Terms {
    skip_missing: "BindFlags::optional skips it then",
    skip_missing_layer: None,
    no_new_procfs: "with best_effort the run goes on without one",
    new_ipc: "namespaces.ipc",
    tmpfs: "FsOp::Tmpfs",
};

impl Frontend for Library {
    fn error(&self, plan: &Plan, failure: &Failure) -> Error {
        error(plan, failure, &TERMS)
    }

    fn refusal(&self, error: Error) -> Error {
        error
    }

    fn note(&self, plan: &Plan, note: &Note) {
        let (what, text) = match note {
            Note::Dropped(failure) => ("not enforced: ", self.error(plan, failure).text()),
            Note::NotEnforced(unenforced) => ("not enforced: ", unenforced.line()),
            Note::Remark(failure) => ("", self.error(plan, failure).text()),
        };
        let line = [b"pinfold: ", what.as_bytes(), &text, b"\n"].concat();
        // Whoever has closed standard error does not want to know.
        let _told = file::callers_fd(2).and_then(|fd| file::write_all(fd, &line)).is_ok();
    }

    fn findings(&self, found: &[Found]) -> Findings {
        let mut findings = Findings::default();
        found.iter().for_each(|found| findings.say("pinfold", &found.line()));
        findings
    }
}
