//! Everything that the doctor found out.

use super::facts::Facts;
use super::finding::Severity;
use super::rehearsal::{Refusal, Rehearsals};
use super::trials::Trials;
use super::verdict::Verdict;

/// Everything that the doctor found out.
pub(crate) struct Report {
    pub(super) facts: Facts,
    pub(super) trials: Trials,
    pub(super) rehearsals: Rehearsals,
    pub(super) verdict: Verdict,
    pub(super) here: Option<Refusal>,
}

impl Report {
    /// Removes the findings that are notes.
    pub(crate) fn leave_out_notes(&mut self) {
        for area in &mut self.verdict.areas {
            area.findings.retain(|finding| finding.severity != Severity::Note);
            area.severity = area.severity.filter(|severity| *severity != Severity::Note);
        }
    }

    /// Whether `pinfold run true` would work here.
    pub(crate) fn works(&self) -> bool {
        self.rehearsals.full.works() && self.here.is_none()
    }
}
