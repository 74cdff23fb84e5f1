//! Seccomp profiles: text in the JSON form of OCI and Docker is compiled to a BPF program.
//!
//! `profile` reads, `overrides` puts names in front that are refused or allowed in any case, `policy` decides what that
//! means for every number of an architecture, `compile` makes the program (with `assemble`), `interpret` runs one, and
//! `proof` compares what it says with the policy. What is in the form of seccompiler is compiled elsewhere
//! (`seccompiler_json`) and put behind a program of ours. `table` and `width` hold facts about system calls, `shipped`
//! the profiles that come with us. To change …
//!
//! * a number, or the group of a call: `tables/syscalls.tbl`
//! * what a shipped profile allows: `seccomp-profiles/` at the top
//! * what a field of a profile means: `profile`, then `policy`, and man/pinfold-seccomp.7
#![forbid(unsafe_code)]

pub(crate) mod arch;
mod assemble;
mod compile;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(crate) mod interpret;
pub(crate) mod json;
mod overrides;
pub(crate) mod policy;
pub(crate) mod profile;
pub(crate) mod proof;
pub(crate) mod shipped;
pub(crate) mod table;
pub(crate) mod verdict;
mod width;

pub(crate) use assemble::{Instruction, Program};
pub(crate) use compile::{compile, compile_before};
pub(crate) use overrides::with_overrides;

#[cfg(test)]
mod tests;
