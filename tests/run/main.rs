//! The promises of `pinfold run`, asked from inside its box: one file a promise.
//!
//! Each is asked as an ordinary user and, where it could differ, as root.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

#[path = "../support/mod.rs"]
mod support;

mod best_effort;
mod deny;
mod descriptors;
mod environment;
mod exit_codes;
mod filesystem;
mod home;
mod hostile;
mod jobs;
mod json;
mod landlock;
mod network;
mod policy;
mod powers;
mod processes;
mod profiles;
mod report;
mod seccomp;
mod set_id;
mod shapes;
mod signals;
mod workspace;

use support::{Actor, Place};

/// Who can act here.
fn actors() -> impl Iterator<Item = Actor> {
    [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here())
}
