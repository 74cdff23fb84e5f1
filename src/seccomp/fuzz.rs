//! Fuzz target: a seccomp profile in JSON.

use std::collections::BTreeSet;

use super::arch::Arch;
use super::policy::{Target, resolve};
use super::profile::{Profile, Reader};
use super::table::Table;
use super::{compile, compile_before, proof, shipped};
use crate::fuzzing::shown::check_shown;
use crate::seccompiler_json;

/// A profile that is read is compiled to a program that says the same, or refused in words.
pub(crate) fn json(text: &[u8]) {
    // Firecracker's form, or neither.
    match seccompiler_json::compile("fuzz.json", text, None, Arch::X86_64) {
        Ok(Some(program)) => {
            let profile = Profile::open();
            let target = Target { arch: Arch::X86_64, kernel: (6, 12), caps: &BTreeSet::new() };
            let policies = resolve(&profile, &target, &Table::new()).unwrap_or_default();
            match compile_before(&policies, &program) {
                Ok(whole) => assert!(proof::prove(&policies, &whole, Some(&program)).is_ok()),
                Err(error) => check_shown(&error),
            }
        }
        Ok(None) => {}
        Err(error) => check_shown(&error),
    }
    let table = Table::new();
    let reader = Reader { table: &table, shipped: &shipped::text, is_cap: &|name| name.starts_with("CAP_") };
    let profile = match reader.read("fuzz.json", text) {
        Ok(profile) => profile,
        Err(error) => return check_shown(&error),
    };
    let target = Target { arch: Arch::X86_64, kernel: (6, 12), caps: &BTreeSet::new() };
    let policies = resolve(&profile, &target, &table);
    match policies.and_then(|policies| compile(&policies).map(|program| (policies, program))) {
        Ok((policies, program)) => {
            if let Err(difference) = proof::prove(&policies, &program, None) {
                panic!("{difference}");
            }
        }
        Err(error) => check_shown(&error),
    }
}
