//! The parts of a report: findings about areas of the host.

/// The cost of everything that prevents namespaces.
const NO_BOX: &str = "no box of namespaces can be made, which is what `pinfold run` and `pinfold bwrap` do";

/// How bad a finding is, in ascending order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// Nothing is wrong, but the user should know it.
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
    /// Name that never changes, for programs.
    pub(super) id: &'static str,
    pub(super) severity: Severity,
    pub(super) what: String,
    /// What does not work because of it.
    pub(super) cost: String,
    /// What to do about it, best advice first.
    pub(super) fix: Vec<String>,
}

/// One area of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) name: &'static str,
    /// Its state, in a few words.
    pub(super) value: String,
    /// The worst of its findings; `None` if there is none.
    pub(super) severity: Option<Severity>,
    pub(super) findings: Vec<Finding>,
}

impl Area {
    pub(super) fn new(name: &'static str, value: String, findings: Vec<Finding>) -> Area {
        let severity = findings.iter().map(|finding| finding.severity).max();
        Area { name, value, severity, findings }
    }
}

/// A finding that prevents every ordinary run.
pub(super) fn blocks(id: &'static str, what: impl Into<String>, fix: Vec<String>) -> Finding {
    Finding { id, severity: Severity::Blocks, what: what.into(), cost: NO_BOX.into(), fix }
}

/// A finding that prevents something beyond an ordinary run.
pub(super) fn costs(id: &'static str, what: impl Into<String>, cost: &str, fix: &str) -> Finding {
    Finding { id, severity: Severity::Costs, what: what.into(), cost: cost.into(), fix: vec![fix.into()] }
}

/// A finding that the user should know.
pub(super) fn note(id: &'static str, what: impl Into<String>, cost: &str, fix: &str) -> Finding {
    Finding { severity: Severity::Note, ..costs(id, what, cost, fix) }
}
