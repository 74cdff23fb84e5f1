//! What the box must not see or do, asserted from inside; a test a promise.
//!
//! * `powers.rs`: capabilities, mounting, read-only binds, user namespaces
//! * `root.rs`: nothing of the host's files but what was bound
//! * `processes.rs`: the host's processes, and ours
//! * `reach.rs`: network, System V objects, names, the terminal
//! * `descriptors.rs`: what is open inside
//! * `flags.rs`: mount flags of the host, and what is mounted there later
//! * `links.rs`: links in a writable tree
//!
//! Most have a second launch that shows the attempt succeeding where it may, so that none passes for a wrong reason.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

mod descriptors;
mod flags;
mod links;
mod powers;
mod processes;
mod reach;
mod reported;
mod root;
#[path = "../support/mod.rs"]
mod support;

/// Error numbers that probes report.
mod errno {
    pub(crate) const PERM: i32 = libc::EPERM;
    pub(crate) const NO_FILE: i32 = libc::ENOENT;
    pub(crate) const READ_ONLY: i32 = libc::EROFS;
}
