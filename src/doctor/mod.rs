//! `pinfold doctor`: what works on this host, and what prevents the rest. Nothing here runs when a sandbox is started.
//!
//! `facts` reads what the host says about itself. `trials` tries single system calls. `rehearsal` starts a real sandbox
//! with the same engine as every other run: whether that works is the answer, and the rest explains it. `verdict` turns
//! all this into findings, without side effects. `causes` is the table of what can refuse something and what to do
//! about it. `resources` judges what a sandbox can be given. `text` and `json` print the report.
#![forbid(unsafe_code)]

mod causes;
mod facts;
mod finding;
mod ids;
mod json;
mod rehearsal;
mod report;
mod resources;
mod root;
mod sysctl;
mod text;
mod trials;
mod verdict;

#[cfg(test)]
mod tests;

use std::ffi::CStr;
use std::path::Path;

use crate::error::{Error, ErrorKind, printable};
use crate::host::{Caller, refuse_privileges};
use crate::spec::Spec;
use crate::supervise::Frontend;
use crate::sys::fd;
use crate::sys::{error_text, process};

use facts::Facts;
pub(crate) use rehearsal::Refusal;
use rehearsal::Rehearsals;
pub(crate) use report::Report;
use trials::{Trial, Trials, Tried};
use verdict::Verdict;

impl Report {
    /// The report for people.
    pub(crate) fn text(&self) -> String {
        text::text(self)
    }

    /// The report for programs: one JSON object, see pinfold(1).
    pub(crate) fn json(&self) -> String {
        json::json(self)
    }
}

/// Looks at this host. `wish` is the box that shall work, `alone` the same without namespaces, `here` why another one
/// would be refused in this directory, `inherited` the environment, `frontend` the words of a failure.
///
/// Each trial runs in processes and namespaces of its own. These processes have ended when this returns. The calling
/// process must have only one thread.
///
/// # Errors
///
/// The file of this program gives it privileges, or it cannot have descriptors 0 to 2.
pub(crate) fn examine(
    wish: &Spec,
    alone: Option<&Spec>,
    here: Option<Refusal>,
    inherited: &[&CStr],
    frontend: &dyn Frontend,
) -> Result<Report, Error> {
    let failed =
        |errno| Error::new(ErrorKind::Failed, format!("cannot try anything here: {}", error_text(errno as i32)));
    // Before anything is read or tried with them.
    refuse_privileges()?;
    // If the caller ignores SIGCHLD, the kernel throws away how the trials ended.
    process::default_sigchld().map_err(failed)?;
    // No descriptor that a trial opens may get number 0, 1 or 2, because its program would print to that.
    fd::occupy_standard_numbers().map_err(failed)?;
    let caller = Caller::probe();
    let facts = Facts::read(Path::new("/"), caller);
    let trials = Trials::run(caller);
    let has_landlock = trials.get(Trial::Landlock) == Tried::Works;
    // That no process can be made is a finding like any other.
    let rehearsals = match trials.stuck {
        None => {
            Rehearsals::run((wish, alone), has_landlock, caller, inherited, frontend).unwrap_or_else(Rehearsals::none)
        }
        Some(errno) => Rehearsals::none(errno),
    };
    let mut verdict = Verdict::of(&facts, &trials, &rehearsals);
    verdict.areas.extend(here.as_ref().filter(|here| here.is_of_all).map(verdict::set_up));
    Ok(Report { facts, trials, rehearsals, verdict, here })
}
