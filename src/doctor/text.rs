//! The report for people: one line for each area of the host, followed by what is wrong there.

use std::fmt::Write;

use super::finding::{Area, Severity};
use super::rehearsal::Refusal;
use super::report::Report;

/// Width of the column of names, in characters.
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
        (tiers.landlock_only, "landlock-only: no namespaces, but Landlock and seccomp (takes --best-effort)"),
    ] {
        line(&mut out, format_args!("  {:4} {name}", if works { "yes" } else { "no" }));
    }
    out.push('\n');
    match &report.here {
        here if !report.rehearsals.full.works() || here.as_ref().is_some_and(|here| here.is_of_all) => {
            line(&mut out, format_args!("`pinfold run true` would not work: see what is marked FAIL."));
        }
        Some(refusal) => here(&mut out, refusal),
        None => line(&mut out, format_args!("`pinfold run true` would work.")),
    }
    out
}

/// Sandboxes work, but not this one in this directory.
fn here(out: &mut String, refusal: &Refusal) {
    let Refusal { directory, error, is_of_place, is_of_all: _ } = refusal;
    let directory =
        directory.as_ref().map_or_else(String::new, |directory| format!(" (in {})", super::printable(directory)));
    line(out, format_args!("`pinfold run true` would not work here{directory}: it refuses to start."));
    line(out, format_args!("     {:>6}  {}", "what:", String::from_utf8_lossy(&error.text())));
    if let Some(hint) = &error.hint {
        line(out, format_args!("     {:>6}  {hint}", "fix:"));
    }
    let elsewhere = if *is_of_place { "In a project directory it works; here" } else { "Here" };
    line(out, format_args!("{elsewhere} `pinfold run --profile base true` would work."));
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
    // Writing to a string never fails.
    let _infallible = writeln!(out, "{text}");
}
