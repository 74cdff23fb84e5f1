//! How a box begins and ends, and what it leaves behind.
//!
//! * `death.rs`: who dies with whom
//! * `endings.rs`: exit codes, signals, what is left to reap
//! * `callers.rs`: odd callers: signals ignored, descriptors closed, every byte in an argument
//! * `traces.rs`: nothing stays behind
//! * `corners.rs`: what was wrong once
//!
//! Nothing waits for time to pass: processes say on pipes that they are ready, and their end is seen through pidfds.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

mod callers;
mod corners;
mod death;
mod endings;
#[path = "../support/mod.rs"]
mod support;
mod traces;
