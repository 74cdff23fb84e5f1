//! Taking over what a box has written into a git directory: with the real git, on a real overlay.
//!
//! Each test makes a repository, mounts an overlay over its `.git` in namespaces of its own, runs a script in there,
//! and takes over what is in the upper layer then.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

mod attacks;
mod cost;
mod hostile;
mod jobs;
mod killed;
mod meanwhile;
mod place;
mod reftable;
#[path = "../support/mod.rs"]
mod support;
mod words;
