//! A system call as a reader of a report wants to see it.

use std::fs::File;
use std::os::unix::fs::FileExt;

use nix::unistd::Pid;

use super::calls::Call;

/// Of any call the first three arguments: they name what it is about.
const SHOWN: usize = 3;

/// `(-100, "/proc/self/uid_map", 1)`. A stopped process is asked for its strings; one that does not let itself be
/// read (PR_SET_DUMPABLE 0) has none.
pub(crate) fn in_words(pid: Pid, call: &Call) -> String {
    let memory = File::open(format!("/proc/{pid}/mem")).ok();
    let arguments: Vec<String> = call.args[..SHOWN].iter().map(|value| argument(memory.as_ref(), *value)).collect();
    format!("({})", arguments.join(", "))
}

fn argument(memory: Option<&File>, value: u64) -> String {
    // Below lie numbers and flags: no program is mapped at so low an address.
    const LOWEST_ADDRESS: u64 = 1 << 20;
    let number = value as u32 as i32;
    if value < LOWEST_ADDRESS || value >> 32 == 0 && number < 0 || value.cast_signed() < 0 {
        return number.to_string();
    }
    match memory.and_then(|memory| string_at(memory, value)) {
        Some(text) => format!("{text:?}"),
        None => "…".into(),
    }
}

/// A string that looks like a path or a name.
fn string_at(memory: &File, address: u64) -> Option<String> {
    let mut bytes = [0; 80];
    let count = memory.read_at(&mut bytes, address).ok()?;
    let text = bytes[..count].split(|byte| *byte == 0).next()?;
    let is_readable = text.len() > 1 && text.iter().all(|byte| (b' '..=b'~').contains(byte));
    is_readable.then(|| String::from_utf8_lossy(text).into_owned())
}
