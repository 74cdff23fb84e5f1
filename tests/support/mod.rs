//! What several test files need: the binaries under test, launching them, fixtures, normalised output.
//!
//! Tests find the references (Debian's `bwrap`) by themselves; one that is absent is a loud skip, and a failure under
//! `PINFOLD_TEST_REQUIRE=all`. What only root can test is skipped for everybody else, and fails for nobody: a machine
//! that must test everything runs the tests twice. `PINFOLD_TEST_TOOL=/path` puts another program in place of the tool
//! under test, `PINFOLD_TEST_BWRAP=/path` another one in place of the installed `bwrap`.
#![allow(dead_code, unused_imports)] // each test file uses its own part of this module
#![allow(clippy::unwrap_used, clippy::expect_used)] // a helper that cannot do its work must stop the test

pub(crate) mod example;
pub(crate) mod exchange;
pub(crate) mod executable;
pub(crate) mod fixture;
pub(crate) mod inside;
pub(crate) mod launch;
pub(crate) mod normal;
pub(crate) mod place;
pub(crate) mod running;
pub(crate) mod stage;
pub(crate) mod terminal;
pub(crate) mod toolchain;

pub(crate) use exchange::exchange;
pub(crate) use fixture::Fixture;
pub(crate) use inside::{TYPICAL, inside, inside_nest, line, nest};
pub(crate) use launch::{Actor, Fd, Launch, Tweak};
pub(crate) use place::Place;
pub(crate) use running::{Outcome, Running};
pub(crate) use stage::{Reference, Tool, door, example, pinfold, probe, references, stage, tool};

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Mutex;

/// Says that something was not tested, or fails where everything is required.
pub(crate) fn skip(reason: &str) {
    let required = std::env::var_os("PINFOLD_TEST_REQUIRE").is_some_and(|value| value == "all");
    assert!(!required, "required, but skipped: {reason}");
    say_skip(reason);
}

/// Says that something was not tested because it takes root. Nobody can require that of an ordinary user.
pub(crate) fn leave_to_root(reason: &str) {
    assert!(!is_root(), "root must test this: {reason}");
    say_skip(reason);
}

/// Says it on the real standard error, once: the test harness keeps what a passing test prints.
fn say_skip(reason: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if SAID.lock().expect("no test panics here").insert(reason.to_owned()) {
        writeln!(std::io::stderr(), "SKIP: {reason}").expect("write to stderr");
    }
}

/// Whether this test process is root, and so can act as root and as an ordinary user.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
