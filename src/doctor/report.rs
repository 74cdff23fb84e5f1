//! Everything that the doctor found out.

use super::facts::Facts;
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
    /// Whether `pinfold run true` would work here.
    pub(crate) fn works(&self) -> bool {
        self.rehearsals.full.works() && self.here.is_none()
    }
}
