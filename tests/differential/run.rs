//! Running a table: each case under the tool and under every reference that knows it, the results side by side.

use std::fmt::Write as _;
use std::os::fd::RawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::case::{Case, Output, Who, words};
use crate::known::{self, What};
use crate::support::{Actor, Fixture, Outcome, Tool, normal, references, tool};

/// A launch as it is compared: ending, output, what was told on other descriptors, what became of the fixture.
type Seen = Vec<(String, String)>;

/// Runs every case of `table` as `actor`; fails with all differences at the end.
pub(crate) fn table(name: &str, table: &[Case], actor: Actor) {
    if !actor.here() || references().is_empty() {
        return;
    }
    let fixture = Fixture::new(&format!("{name}-{actor:?}"), actor);
    let only = std::env::var("PINFOLD_TEST_CASE").unwrap_or_default();
    let mut faults = Vec::new();
    for case in table.iter().filter(|case| acts(case, actor) && case.name.contains(&only)) {
        faults.append(&mut undisturbed(|found| {
            // A hang is a panic of the launcher: it is a fault of this row, and the other rows are still worth seeing.
            let checked = catch_unwind(AssertUnwindSafe(|| check(case, actor, &fixture, found)));
            if let Err(panic) = checked {
                let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                found.push(format!("{}\n  {text}", title(case)));
            }
        }));
    }
    assert!(faults.is_empty(), "{} of {} as {actor:?} differ\n{}", faults.len(), name, faults.join("\n"));
}

/// The faults that `look` finds. A box shows mounts of the host, which others may change between the launches that are
/// compared: what is found while they do is looked for again.
fn undisturbed(mut look: impl FnMut(&mut Vec<String>)) -> Vec<String> {
    const TRIES: usize = 20;
    let mounts = || std::fs::read("/proc/self/mountinfo").expect("the host's mounts");
    let mut faults = Vec::new();
    for _ in 0..TRIES {
        let before = mounts();
        faults.clear();
        look(&mut faults);
        if faults.is_empty() || mounts() == before {
            break;
        }
    }
    faults
}

/// Runs `script` with the tool and with every reference; what it tells of each must be the same.
pub(crate) fn compare(name: &str, actor: Actor, script: impl Fn(&Tool, &Fixture) -> Vec<(String, String)>) {
    if !actor.here() || references().is_empty() {
        return;
    }
    let fixture = Fixture::new(&format!("{name}-{actor:?}"), actor);
    let faults = undisturbed(|faults| {
        fixture.refill();
        let ours = script(tool(), &fixture);
        for reference in references() {
            fixture.refill();
            let known = known::difference(name, actor, reference);
            if known.is_none_or(|known| known.what != What::Hangs) {
                let against = format!("[{name}] ({actor:?}, against {} {:?})", reference.tool.name, reference.version);
                judge(&against, &script(&reference.tool, &fixture), &ours, known, faults);
            }
        }
    });
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn acts(case: &Case, actor: Actor) -> bool {
    matches!((case.who, actor), (Who::Both, _) | (Who::User, Actor::User) | (Who::Root, Actor::Root))
}

fn check(case: &Case, actor: Actor, fixture: &Fixture, faults: &mut Vec<String>) {
    let (ours, outcome) = launch(tool(), case, actor, fixture);
    if let Some((code, stdout, stderr)) = case.gives {
        let said = outcome.status.code() == Some(code)
            && outcome.stdout_text().contains(&fixture.expand(stdout))
            && outcome.stderr_text().contains(&fixture.expand(stderr));
        if !said {
            faults.push(format!("{}\n  stated: exit {code}, {stdout:?}, {stderr:?}\n{}", title(case), show(&ours)));
        }
    }
    for reference in references().iter().filter(|reference| reference.version >= case.since) {
        let known = known::difference(case.name, actor, reference);
        if known.is_some_and(|known| known.what == What::Hangs) {
            continue;
        }
        let (theirs, _) = launch(&reference.tool, case, actor, fixture);
        let against = format!("{} ({actor:?}, against {} {:?})", title(case), reference.tool.name, reference.version);
        judge(&against, &theirs, &ours, known, faults);
    }
}

/// Two results, and what is known about their difference.
fn judge(against: &str, theirs: &Seen, ours: &Seen, known: Option<&known::Known>, faults: &mut Vec<String>) {
    let different: Vec<&str> =
        theirs.iter().zip(ours).filter(|(theirs, ours)| theirs != ours).map(|((what, _), _)| what.as_str()).collect();
    let Some(known) = known else {
        if !different.is_empty() {
            faults.push(format!("{against}\n{}", difference(theirs, ours)));
        }
        return;
    };
    let words_only = different.iter().all(|what| *what == "stderr");
    match known.what {
        _ if different.is_empty() => {
            faults.push(format!("{against}\n  agrees, but is listed as a known difference: {}", known.why));
        }
        What::Words if !words_only => {
            faults.push(format!("{against}\n  more than the words differ\n{}", difference(theirs, ours)));
        }
        What::Result if words_only => {
            faults.push(format!("{against}\n  only the words differ: say so\n{}", difference(theirs, ours)));
        }
        What::Words | What::Result | What::Hangs => {}
    }
}

fn title(case: &Case) -> String {
    format!("[{}] bwrap {}", case.name, case.line)
}

/// Runs `case` with `tool` in a fresh fixture.
fn launch(tool: &Tool, case: &Case, actor: Actor, fixture: &Fixture) -> (Seen, Outcome) {
    fixture.refill();
    let args = words(case.line).into_iter().map(|word| fixture.expand(&word));
    let mut launch = tool.launch(actor, args).files(&fixture.path).dir(Path::new(&fixture.expand(case.dir)));
    for (number, fd) in case.fds {
        launch = launch.fd(*number, fd.clone());
    }
    for (name, value) in case.env {
        launch = launch.env(name, &fixture.expand(value));
    }
    for tweak in case.tweaks {
        launch = launch.tweak(*tweak);
    }
    let outcome = launch.run();
    (seen(case, &outcome, fixture), outcome)
}

fn seen(case: &Case, outcome: &Outcome, fixture: &Fixture) -> Seen {
    let shape = |text: String| match case.output {
        Output::All => text,
        Output::FirstLine => text.lines().next().unwrap_or_default().to_owned(),
    };
    let mut seen = vec![
        ("ending".to_owned(), outcome.ending()),
        ("stdout".to_owned(), shape(normal::stdout(&outcome.stdout_text()))),
        ("stderr".to_owned(), shape(normal::stderr(&outcome.stderr_text()))),
    ];
    let out = |(number, bytes): (&RawFd, &Vec<u8>)| {
        (format!("fd {number}"), normal::status_lines(&String::from_utf8_lossy(bytes)))
    };
    seen.extend(outcome.outs.iter().map(out));
    seen.push(("files".to_owned(), fixture.listing()));
    seen
}

/// The lines that only one side has: `-` the reference, `+` the tool under test.
fn difference(theirs: &Seen, ours: &Seen) -> String {
    let mut out = String::new();
    for ((what, theirs), (_, ours)) in theirs.iter().zip(ours).filter(|(theirs, ours)| theirs != ours) {
        let (theirs, ours): (Vec<&str>, Vec<&str>) = (theirs.lines().collect(), ours.lines().collect());
        for line in theirs.iter().filter(|line| !ours.contains(line)) {
            writeln!(out, "  - {what}: {line}").expect("write to a string");
        }
        for line in ours.iter().filter(|line| !theirs.contains(line)) {
            writeln!(out, "  + {what}: {line}").expect("write to a string");
        }
        if theirs.len() == ours.len() && theirs.iter().all(|line| ours.contains(line)) {
            writeln!(out, "  ! {what}: the same lines in another order").expect("write to a string");
        }
    }
    out
}

fn show(seen: &Seen) -> String {
    seen.iter().filter(|(what, _)| what != "files").map(|(what, text)| format!("  + {what}: {text}\n")).collect()
}
