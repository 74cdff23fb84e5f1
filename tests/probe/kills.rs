//! Kills processes of a program at random moments, and makes sure that nothing of it lives on.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Answer, checked, number};

/// The same sequence in every run (xorshift64*, Marsaglia 2003 and Vigna 2016).
struct Dice(u64);

impl Dice {
    /// A number below `sides`, which is not 0.
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

/// Only a process that lives on reaches this.
const DEADLINE: Duration = Duration::from_secs(120);

/// Starts PROGRAM, which does not end by itself, N times. At a random moment, most of them while it starts, kills a
/// random process of it, and a moment later the first one. Then every process must end.
///
/// This process becomes the parent of all orphans (`PR_SET_CHILD_SUBREAPER`, prctl(2)). So it has no child when
/// nothing is left, whatever the processes are called and whoever may look into them.
pub(crate) fn kills(words: &[OsString]) -> Answer {
    let rounds: u32 = number(words, 0)?;
    let program = words.get(1).ok_or_else(|| io::Error::other("missing program"))?;
    // SAFETY: plain numbers.
    checked(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) }.into())?;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut later = 0;
    for round in 0..rounds {
        let mut command = Command::new(program);
        command.args(&words[2..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let first = command.spawn()?.id().cast_signed();
        sleep(Duration::from_micros(dice.throw(25_000)));
        let below = descendants(first);
        let all: Vec<i32> = [first].into_iter().chain(below).collect();
        let victim = all[dice.throw(all.len() as u64) as usize];
        kill(victim);
        if victim != first {
            later += 1;
            sleep(Duration::from_micros(dice.throw(2_000)));
            kill(first);
        }
        if let Some(left) = left_after(Instant::now() + DEADLINE) {
            return Err(io::Error::other(format!("round {round}, killed {victim} of {all:?}: {left} lives on")));
        }
    }
    Ok(format!("rounds {rounds}\nothers first {later}\n").into_bytes())
}

fn kill(pid: i32) {
    // SAFETY: plain numbers. The process may have ended; its number is kept until this process waits for it.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// Every process below `pid`.
fn descendants(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        next += 1;
        let tasks = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        found.extend(tasks.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    found.split_off(1)
}

/// Waits for all children. Returns what is known of those that still live at `deadline`.
fn left_after(deadline: Instant) -> Option<String> {
    loop {
        // SAFETY: the kernel does not write to our memory.
        match unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } {
            0 if Instant::now() > deadline => {
                let about = |pid: i32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                let left = descendants(std::process::id().cast_signed());
                left.iter().for_each(|&pid| kill(pid));
                return Some(left.into_iter().map(about).collect());
            }
            0 => sleep(Duration::from_micros(200)),
            -1 => return None,
            _ => {}
        }
    }
}
