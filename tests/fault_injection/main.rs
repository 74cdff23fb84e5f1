//! Fail closed, proven.
//!
//! A tracer of our own (ptrace) makes each system call of a launch fail in turn, with errors that the call can
//! return, and in a second test kills the calling process there. For every one, either the launch is complete and its
//! box identical, or the exit code is the tool's, the message names the step, the payload never ran, and nothing is
//! left: no process, no mount, no file.
//!
//! `traced.rs` holds the tests; under `traced/` are
//!
//! * `launch.rs`: the command lines and the probe that is their payload
//! * `calls.rs`: which errors a call can return
//! * `shot.rs`: what is hit, and what came of it
//! * `tracer.rs`: one run, with one call hit
//! * `judge.rs`: what may come of it
//! * `worker.rs`: the tracing process, which does many runs
//! * `words.rs`: a call in a report
//! * `pool.rs`: the test's side of it, with the guard against hangs
//!
//! Environment: `PINFOLD_TEST_TOOL=/usr/bin/bwrap` tests another program; `PINFOLD_FAULT_VERBOSE=1` prints the verdict
//! and the tool's message of every injection; `PINFOLD_FAULT_PATIENCE=2` takes a silence of so many seconds for a hang;
//! `PINFOLD_FAULT_ONLY=run,typical` takes only these launches; `PINFOLD_TEST_REQUIRE=all` makes a skip a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test ends at the first surprise")]

// The registers, and the system call information in glibc's ptrace bindings.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod traced;

#[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
#[test]
fn every_call_fails_in_turn() {
    skip("the tracer knows the registers of x86_64 only");
}

/// A skip is loud, and an error where all is required.
fn skip(reason: &str) {
    let required = std::env::var("PINFOLD_TEST_REQUIRE").is_ok_and(|value| value == "all");
    assert!(!required, "cannot be skipped (PINFOLD_TEST_REQUIRE=all): {reason}");
    say_skip(reason);
}

/// What takes root cannot be required of anybody else.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
fn leave_to_root(reason: &str) {
    say_skip(&format!("{reason}: needs root"));
}

fn say_skip(reason: &str) {
    use std::io::Write;

    // Not eprintln!, which libtest keeps for itself when a test succeeds.
    _ = writeln!(std::io::stderr(), "SKIP: fault injection: {reason}");
}
