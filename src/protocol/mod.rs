//! The messages between the processes of a launch, and the descriptors that each of them has.
//!
//! * `stage.rs`: the table of what can fail, with the words for it
//! * `failure.rs`: one failure
//! * `message.rs`: what the processes in the sandbox tell the supervisor, and the byte that lets a waiting process
//!   continue
//! * `command.rs`: what the supervisor tells PID 1 while the program runs
//! * `orders.rs`: what PID 1 tells the copy of this program that it executes
//! * `rehearsal.rs`: what a trial launch tells `pinfold doctor`
//! * `told.rs`: what the supervisor tells the process of a library user that runs beside it
//! * `wire.rs`: the building blocks of the encodings
//! * `descriptors.rs`: the table of descriptors of a process
//!
//! All processes run the same program on the same machine. So numbers have the native byte order, and there are no
//! versions.
#![forbid(unsafe_code)]

mod command;
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

pub(crate) use command::Command;
pub(crate) use descriptors::Descriptors;
pub(crate) use failure::{At, Failure, Outcome};
pub(crate) use message::{GO, Message};
pub(crate) use orders::{Orders, Watch};
pub(crate) use rehearsal::Rehearsed;
pub(crate) use stage::{Act, Stage};
pub(crate) use told::Told;
pub(crate) use wire::Packet;
