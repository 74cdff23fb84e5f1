//! Real programs in the box that they would get: only the system, read-only, and what each needs.
//!
//! * `shell.rs`: bash on a terminal, with job control
//! * `tools.rs`: Python, git, cargo, a browser
//! * `binaries.rs`: programs that bring everything along, scripts without an interpreter line
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

mod binaries;
mod shell;
#[path = "../support/mod.rs"]
mod support;
mod tools;

use support::{Actor, Launch, TYPICAL, inside, skip};

/// A launch in the typical box, with a home in memory.
fn program(actor: Actor, options: &str, command: &[&str]) -> Launch {
    let options =
        format!("{TYPICAL} --setenv HOME /tmp --setenv PATH /usr/bin --chdir /tmp --die-with-parent {options}");
    inside(actor, &options, command)
}

/// Both, or one with a loud skip.
fn actors() -> impl Iterator<Item = Actor> {
    [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here())
}

/// Whether `path` is on this machine; says so loudly if not.
fn installed(path: &str) -> bool {
    let here = std::path::Path::new(path).exists();
    if !here {
        skip(&format!("no {path} on this machine"));
    }
    here
}
