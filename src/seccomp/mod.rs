//! Seccomp profiles: text in the JSON form of OCI and Docker is compiled to a BPF program.
//!
//! `profile` reads the text. `overrule` puts names in front that are refused or allowed in any case. `policy` resolves
//! the profile to a verdict for every number of an architecture. `compile` makes the program, with `assemble`.
//! `interpret` runs a program, and `proof` compares its answers with the policy. `seccompiler_json` compiles text in
//! the form of seccompiler; a program of pinfold is put in front of that. `table` and `width` hold facts about system
//! calls, and `shipped` holds the profiles that ship with pinfold.
//!
//! To change …
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
mod overrule;
pub(crate) mod policy;
pub(crate) mod profile;
pub(crate) mod proof;
pub(crate) mod shipped;
pub(crate) mod table;
pub(crate) mod verdict;
mod width;

pub(crate) use assemble::{Instruction, Program};
pub(crate) use compile::{compile, compile_before};
pub(crate) use overrule::overrule;

#[cfg(test)]
mod tests;
