//! pinfold: a rootless sandbox for Linux.
#![deny(unsafe_op_in_unsafe_fn)]

pub mod cli;
pub mod error;
mod exec;
pub mod host;
pub mod plan;
pub mod spec;
mod supervise;
mod sys;
