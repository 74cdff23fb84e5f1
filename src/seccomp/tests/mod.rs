//! Tests of the compiler that need no kernel: reading profiles, resolving them, and what the programs answer.

mod oracle;
mod overrides;
mod programs;
mod reading;
mod shipped;
mod tables;

use std::collections::BTreeSet;

use super::arch::Arch;
use super::assemble::Program;
use super::compile::compile;
use super::interpret::Data;
use super::policy::{Policy, Target, resolve};
use super::profile::{Profile, Reader};
use super::proof::prove;
use super::table::Table;
use super::verdict::Verdict;
use crate::error::Error;

fn read(text: &str) -> Result<Profile, Error> {
    let is_cap = |name: &str| ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE"].contains(&name);
    let table = Table::new();
    Reader { table: &table, shipped: &super::shipped::text, is_cap: &is_cap }.read("file.json", text.as_bytes())
}

/// A profile for one kernel, compiled. Every program that a test sees is proved first.
struct Compiled {
    program: Program,
    arch: Arch,
}

impl Compiled {
    fn new(text: &str, arch: Arch) -> Compiled {
        Compiled::with(text, arch, &[], (6, 18))
    }

    fn with(text: &str, arch: Arch, caps: &[&str], kernel: (u32, u32)) -> Compiled {
        let profile = read(text).unwrap();
        let caps: BTreeSet<String> = caps.iter().map(|&cap| cap.to_owned()).collect();
        let policies = resolve(&profile, &Target { arch, kernel, caps: &caps }, &Table::new()).unwrap();
        let program = compile(&policies).unwrap();
        prove(&policies, &program, None).unwrap();
        Compiled { program, arch }
    }

    /// The verdict on `name` with these first arguments on `arch`.
    fn on(&self, arch: Arch, name: &str, args: &[u64]) -> u32 {
        let table = Table::new();
        let number = table.find(name).unwrap().number(arch).unwrap();
        self.number(arch, number, args)
    }

    fn call(&self, name: &str, args: &[u64]) -> u32 {
        self.on(self.arch, name, args)
    }

    fn number(&self, arch: Arch, number: u32, args: &[u64]) -> u32 {
        let mut all = [0; 6];
        all[..args.len()].copy_from_slice(args);
        self.program.run(&Data { arch: arch.audit(), number, args: all }).unwrap()
    }
}

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;

fn errno(number: u16) -> u32 {
    Verdict::Errno(number).code()
}

/// A profile with `rules` that answers everything else with ENOSYS.
fn profile(rules: &str) -> String {
    format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [{rules}]}}"#)
}

/// A rule for one call.
fn rule(name: &str, action: &str, args: &str) -> String {
    format!(r#"{{"names": ["{name}"], "action": "SCMP_ACT_{action}", "args": [{args}]}}"#)
}

/// A condition.
fn arg(index: u8, op: &str, value: u64, two: u64) -> String {
    format!(r#"{{"index": {index}, "op": "SCMP_CMP_{op}", "value": {value}, "valueTwo": {two}}}"#)
}

/// Calls `check` with the policies of `text` on `arch` and with their program.
fn with_policies(text: &str, arch: Arch, check: impl FnOnce(&[Policy<'_>], &Program)) {
    let profile = read(text).unwrap();
    let caps = BTreeSet::new();
    let policies = resolve(&profile, &Target { arch, kernel: (6, 18), caps: &caps }, &Table::new()).unwrap();
    check(&policies, &compile(&policies).unwrap());
}

/// xorshift64*, so that every run tests the same profiles.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        (self.bits() % sides as u64) as usize
    }

    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16 | self.0 << 48
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.throw(from.len())]
    }
}

/// Values at which a wrong comparison of halves shows first.
const VALUES: &[u64] = &[
    0,
    1,
    5,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x5_0000_0005,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_0000_0000,
    0xffff_ffff_ffff_fffb,
    u64::MAX,
];
