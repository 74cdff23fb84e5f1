//! Where the time of a launch goes: a table of its stages.
//!
//! Each stage ends with a system call that the launch makes there and nowhere before. A filter of system calls, which
//! the launch inherits, kills the process that makes it (`SECCOMP_RET_KILL_PROCESS`, seccomp(2)). So nothing is traced,
//! and the program is the one that is shipped. The time until a launch is killed, less the time until one is killed a
//! stage earlier, is the time of the stage. The best rounds are compared: they have the least of others in them.
//!
//! From the third stage on it is the setup process that is killed, and then the supervisor ends with an error, which
//! the third stage pays for. The last stage has no such end, and may come out too short for it.
#![allow(unsafe_code)] // what a child does between fork and exec

use std::io::{Error, Result};
use std::os::unix::process::CommandExt;

use crate::boxes;
use crate::rounds::{Contestant, interleave};
use crate::stage::Stage;

/// What a stage does, and the call that ends it: its number, and its first argument where others have the same number.
type Row = (&'static str, Option<(libc::c_long, Option<i32>)>);

/// The stages of `pinfold run`, in order. The last one ends by itself.
const STAGES: [Row; 8] = [
    ("spawn, exec, start of the C library", Some((libc::SYS_getuid, None))),
    ("words, profile, workspace, host, plan", Some((libc::SYS_clone, None))),
    ("clone, until the setup process runs", Some((libc::SYS_prctl, Some(libc::PR_SET_PDEATHSIG)))),
    ("id maps, sources, rules for descriptors", Some((libc::SYS_umask, None))),
    ("mounts, nodes, links", Some((libc::SYS_pivot_root, None))),
    ("pivot_root, umount2, network", Some((libc::SYS_prctl, Some(libc::PR_CAPBSET_DROP)))),
    ("capabilities, Landlock, descriptors", Some((libc::SYS_prctl, Some(libc::PR_SET_SECCOMP)))),
    ("filter, program, ends", None),
];

/// Prints the table.
pub(crate) fn print(stage: &Stage, rounds: usize) -> Result<()> {
    println!("\nstages of `pinfold run true` in an empty project ({rounds} rounds; minima)");
    let contestants: Result<Vec<Contestant>> = STAGES.iter().map(|(name, end)| ending(stage, name, *end)).collect();
    let times = interleave(rounds, contestants?)?;
    let whole = times.last().map_or(f64::NAN, |last| last.min());
    let mut before = 0.;
    for one in &times {
        let took = one.min() - before;
        println!("  {:42} {took:>7.0} {:>4.0} %", one.name, 100. * took / whole);
        before = one.min();
    }
    println!("  {:42} {whole:>7.0}", "whole");
    Ok(())
}

/// A launch that is killed where it makes a call.
fn ending(stage: &Stage, name: &'static str, end: Option<(libc::c_long, Option<i32>)>) -> Result<Contestant> {
    let mut line = boxes::native(stage);
    let filter = filter(end);
    // SAFETY: between fork and exec only system calls are made, which neither allocate nor take a lock.
    unsafe { line.pre_exec(move || install(&filter)) };
    let contestant = Contestant::new(name, line)?.at_home(&stage.project());
    Ok(if end.is_some() { contestant.that_is_ended() } else { contestant })
}

/// The program of the filter (`struct seccomp_data`: the number of the call at 0, its first argument at 16).
fn filter(end: Option<(libc::c_long, Option<i32>)>) -> Vec<libc::sock_filter> {
    let (load, equal, answer) =
        (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::BPF_RET);
    let instruction = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = Vec::new();
    if let Some((call, first)) = end {
        let (allow, argument) =
            (if first.is_some() { 3 } else { 1 }, if cfg!(target_endian = "big") { 20 } else { 16 });
        program.push(instruction(load, 0, 0, 0));
        program.push(instruction(equal, 0, allow, call as u32));
        if let Some(first) = first {
            program.push(instruction(load, 0, 0, argument));
            program.push(instruction(equal, 0, 1, first as u32));
        }
        program.push(instruction(answer, 0, 0, libc::SECCOMP_RET_KILL_PROCESS));
    }
    program.push(instruction(answer, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

fn install(program: &[libc::sock_filter]) -> Result<()> {
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // One byte, which the kernel takes for no core dump, also where a program would take it (core(5)).
    let no_core = libc::rlimit { rlim_cur: 1, rlim_max: 1 };
    // SAFETY: plain numbers, and pointers to what lives through the calls; the kernel only reads it.
    let failed = unsafe {
        libc::setrlimit(libc::RLIMIT_CORE, &raw const no_core) != 0
            || libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
    };
    if failed { Err(Error::last_os_error()) } else { Ok(()) }
}
