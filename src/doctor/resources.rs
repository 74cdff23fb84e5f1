//! What a sandbox shares with its caller: the terminal. No side effects, as in `verdict`.
//!
//! Control groups and ranges of ids are facts in the JSON document only: this version of pinfold uses neither, so there
//! is nothing to advise.

use super::facts::Facts;
use super::finding::{Area, note};

pub(super) fn terminal(facts: &Facts) -> Area {
    let mut findings = Vec::new();
    if facts.tiocsti != Some(false) {
        findings.push(note(
            "tiocsti",
            "programs may push input into their terminal (TIOCSTI)",
            "a sandbox that shares the terminal with your shell could type into it (CVE-2017-5226); the seccomp profiles \
             that come with pinfold refuse that",
            "use a shipped profile or --new-session; sysctl -w dev.tty.legacy_tiocsti=0 (Linux 6.2) ends it for everybody",
        ));
    }
    let value = if findings.is_empty() { "TIOCSTI is off" } else { "TIOCSTI is on" };
    Area::new("terminal", value.into(), findings)
}
