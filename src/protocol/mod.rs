//! What the processes of a launch say to each other, and which descriptors each of them has.
//!
//! * `stage.rs`: the table of what can fail, with the words for it
//! * `failure.rs`: one failure
//! * `message.rs`: what the processes inside tell the supervisor, and what lets one go on that waits
//! * `orders.rs`: what PID 1 tells the copy of this program that it becomes
//! * `rehearsal.rs`: what a launch that is only tried tells `pinfold doctor`
//! * `told.rs`: what the supervisor tells a library user who goes on beside it
//! * `wire.rs`: what their bytes are made of
//! * `descriptors.rs`: the table of descriptors that a process has
//!
//! All are the same program in the same run, so numbers have the byte order of the machine and nothing has a version.
#![forbid(unsafe_code)]

mod descriptors;
mod failure;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod message;
mod orders;
mod rehearsal;
mod stage;
mod told;
mod wire;

pub(crate) use descriptors::Descriptors;
pub(crate) use failure::{At, Failure, Outcome};
pub(crate) use message::{GO, Message};
pub(crate) use orders::{Orders, Watch};
pub(crate) use rehearsal::Rehearsed;
pub(crate) use stage::{Act, Stage};
pub(crate) use told::Told;
pub(crate) use wire::Packet;
