//! Landlock, asserted from inside: as the second wall behind the mounts, and as the only one.
//!
//! * `mirror.rs`: what the mounts allow works, and what they do not cover is refused
//! * `reach.rs`: ports, abstract sockets, signals
//! * `only.rs`: no namespaces
//! * `apart.rs`: changes that are kept apart
//!
//! What a mount would refuse anyway is no test of a rule: each refusal has a twin that succeeds without the rule.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

mod apart;
mod mirror;
mod only;
mod reach;
#[path = "../support/mod.rs"]
mod support;

use support::{Actor, Launch, door, probe};

/// Error numbers that probes report.
mod errno {
    pub(crate) const PERM: i32 = libc::EPERM;
    pub(crate) const ACCESS: i32 = libc::EACCES;
}

/// A box with a system, a `/tmp` of its own and a root that nobody may write to.
const TYPICAL: &str = "ro /usr /usr link usr/lib /lib link usr/lib64 /lib64 link usr/bin /bin proc /proc dev /dev \
                       tmpfs /tmp ro {probe} /probe";
/// Everything of its own, so that no scope is needed.
const APART: &str = "net pid";

/// A launch of the door; `{probe}` in `wishes` is the path of the probe.
fn through(actor: Actor, wishes: &str, command: &[&str]) -> Launch {
    let wishes = wishes.replace("{probe}", &probe().display().to_string());
    let words = wishes.split_whitespace().chain(["--"]).chain(command.iter().copied()).map(String::from);
    door().launch(actor, words.collect::<Vec<_>>())
}

/// Those of the actors that this test process can be.
fn actors() -> impl Iterator<Item = Actor> {
    [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here())
}
