//! The front end of the library: the messages of [`crate::run`] on standard error, the notes of [`crate::spawn`], and
//! the errors of both.

use super::error;
use super::hint::Terms;
use crate::error::Error;
use crate::plan::Plan;
use crate::protocol::Failure;
use crate::supervise::{Findings, Found, Frontend, Note, RunBox};
use crate::sys::signals::FileLimitFails;
use crate::sys::{Result, content, fd};

/// The front end of the library.
pub(crate) struct Library {
    /// Runs another box.
    pub(crate) run_box: Option<RunBox>,
}

/// The words alone.
const WORDS: Library = Library { run_box: None };

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
        let line = [b"pinfold: ", &note_line(plan, note)[..], b"\n"].concat();
        // Ignored: a caller who has closed standard error, or has no room for the line, does not want it.
        let _told = write(&line).is_ok();
    }

    fn run_box(&self) -> Option<RunBox> {
        self.run_box
    }

    fn findings(&self, found: &[Found]) -> Findings {
        let mut findings = Findings::default();
        found.iter().for_each(|found| findings.say("pinfold", &found.line()));
        findings
    }
}

/// The text of a note.
pub(crate) fn note_line(plan: &Plan, note: &Note) -> Vec<u8> {
    let (what, text) = match note {
        Note::Dropped(failure) => ("not enforced: ", WORDS.error(plan, failure).text()),
        Note::NotEnforced(unenforced) => ("not enforced: ", unenforced.line()),
        Note::Remark(failure) => ("", WORDS.error(plan, failure).text()),
    };
    [what.as_bytes(), &text].concat()
}

/// Writes to standard error. If that is a file at its size limit, this is an error, and SIGXFSZ does not kill the
/// caller.
fn write(line: &[u8]) -> Result<()> {
    let limit = FileLimitFails::begin()?;
    let written = fd::callers_fd(2).and_then(|fd| content::write_all(fd, line));
    limit.end()?;
    written
}
