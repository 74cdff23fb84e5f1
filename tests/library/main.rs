//! The library beside a program that goes on: `Sandbox::spawn`.
//!
//! Each scenario is a program of its own (`tests/probe/spec_spawn.rs`), with threads, as a user or as root.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use support::{Actor, Launch, running, stage};

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| stage::example("spec_spawn", &["tests/probe", "src"]))
}

fn holds(scenario: &str) {
    for actor in [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here()) {
        let said = Launch::program(program(), actor, &[scenario]).run().done();
        assert_eq!(said, format!("{scenario} holds\n"), "{actor:?}");
    }
}

macro_rules! scenarios {
    ($($(#[$about:meta])* $test:ident: $scenario:literal,)*) => {
        $(
            $(#[$about])*
            #[test]
            fn $test() {
                holds($scenario);
            }
        )*
    };
}

scenarios! {
    a_box_has_the_descriptors_that_it_is_given_and_its_code_is_returned: "talks",
    two_boxes_run_at_once: "two-at-once",
    a_killed_box_leaves_no_process: "killed",
    a_dropped_box_leaves_no_process_and_no_zombie: "dropped",
    /// One that ends with nobody.
    a_dropped_box_ends_even_if_it_may_outlive_its_caller: "dropped-alone",
    a_stop_is_told: "stopped",
    what_the_program_has_left_is_told: "found",
    no_descriptor_is_left_and_none_gets_into_the_box: "descriptors",
    the_caller_stays_as_it_is: "unchanged",
    what_cannot_be_set_up_is_an_error_of_spawn: "refused",
    what_cannot_be_executed_is_an_error_of_wait: "not-there",
    handlers_of_the_caller_do_not_run_in_the_supervisor: "handlers",
    the_code_is_told_to_whoever_ignores_children: "children-ignored",
    a_closed_standard_input_stays_closed: "no-standard-input",
    threads_that_allocate_do_not_stand_in_the_way: "many",
}

/// Of `run`, which makes its caller the supervisor, and so takes the descriptors that it has.
#[test]
fn a_process_can_run_one_box_after_another() {
    holds("one-after-another");
}

#[test]
fn the_box_ends_with_its_caller() {
    for actor in [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here()) {
        let mut caller = Launch::program(program(), actor, &["waits-for-ever"]).start();
        let said = caller.read_until(1, |said| said.ends_with('\n'));
        let first = said.trim().strip_prefix("first ").and_then(|pid| pid.parse().ok()).expect("a process id");
        let first = running::pidfd(first).expect("the box");
        let caller_id = nix::unistd::Pid::from_raw(caller.pid());
        nix::sys::signal::kill(caller_id, nix::sys::signal::Signal::SIGKILL).unwrap();
        assert!(running::gone(&first), "{actor:?}: the box lives");
        caller.wait();
    }
}
