//! What a report is made of: findings about the parts of a host.

/// Without it there is no box of namespaces.
const NO_BOX: &str = "no box of namespaces can be made, which is what `pinfold run` and `pinfold bwrap` do";

/// How bad something is; the order is that of badness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Good to know.
    Note,
    /// Something beyond an ordinary run does not work.
    Costs,
    /// An ordinary run does not work.
    Blocks,
}

impl Severity {
    pub(super) fn name(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Costs => "costs",
            Severity::Blocks => "blocks",
        }
    }
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// Stable name.
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    pub(super) what: String,
    /// What does not work for it.
    pub(super) cost: String,
    /// What to do, best first.
    pub(super) fix: Vec<String>,
}

/// One part of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) name: &'static str,
    /// In a few words.
    pub(super) value: String,
    /// How bad it is; `None` where all is well.
    pub(super) severity: Option<Severity>,
    pub(super) findings: Vec<Finding>,
}

impl Area {
    pub(super) fn new(name: &'static str, value: String, findings: Vec<Finding>) -> Area {
        let severity = findings.iter().map(|finding| finding.severity).max();
        Area { name, value, severity, findings }
    }
}

/// Something that keeps every ordinary run from starting.
pub(super) fn blocks(id: &'static str, what: impl Into<String>, fix: Vec<String>) -> Finding {
    Finding { id, severity: Severity::Blocks, what: what.into(), cost: NO_BOX.into(), fix }
}

/// Something beyond an ordinary run that does not work.
pub(super) fn costs(id: &'static str, what: impl Into<String>, cost: &str, fix: &str) -> Finding {
    Finding { id, severity: Severity::Costs, what: what.into(), cost: cost.into(), fix: vec![fix.into()] }
}

/// Something that is good to know.
pub(super) fn note(id: &'static str, what: impl Into<String>, cost: &str, fix: &str) -> Finding {
    Finding { severity: Severity::Note, ..costs(id, what, cost, fix) }
}
