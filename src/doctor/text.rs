//! The report for a person: a line for each part of the host, and below it what is wrong with it.

use std::fmt::Write;

use super::Report;
use super::verdict::{Area, Severity};

/// Width of the names, in characters.
const NAMES: usize = 15;

pub(super) fn text(report: &Report) -> String {
    let mut out = format!("pinfold {}\n\n", env!("CARGO_PKG_VERSION"));
    for area in &report.verdict.areas {
        self::area(&mut out, area);
    }
    let tiers = report.verdict.tiers;
    line(&mut out, format_args!("\nWhat works here:"));
    for (works, name) in [
        (tiers.full, "full: namespaces, mounts, a /proc of its own, seccomp"),
        (tiers.no_proc, "no-proc: the same without a /proc of its own"),
        (tiers.landlock_only, "landlock-only: no namespaces, but Landlock and seccomp"),
    ] {
        line(&mut out, format_args!("  {:4} {name}", if works { "yes" } else { "no" }));
    }
    let answer = if report.works() { "would work" } else { "would not work: see what is marked FAIL" };
    line(&mut out, format_args!("\n`pinfold run true` {answer}."));
    out
}

fn area(out: &mut String, area: &Area) {
    let mark = match area.severity {
        None => "ok",
        Some(Severity::Note) => "note",
        Some(Severity::Costs) => "lack",
        Some(Severity::Blocks) => "FAIL",
    };
    line(out, format_args!("{mark:5}{:NAMES$}  {}", area.name, area.value));
    for finding in &area.findings {
        let mut put = |name: &str, text: &str| line(out, format_args!("     {name:>6}  {text}"));
        put("what:", &finding.what);
        put("cost:", &finding.cost);
        for fix in &finding.fix {
            put("fix:", fix);
        }
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    // A string takes whatever is written to it.
    let _infallible = writeln!(out, "{text}");
}
