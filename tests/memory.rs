//! How much memory a box costs besides its program: the supervisor and PID 1, at their peak.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

#[path = "support/mod.rs"]
mod support;

use support::running::descendants;
use support::{Actor, Fd, Tool, line, references, tool};

const OPTIONS: &str = "--unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 \
                       /lib64 --symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp --ro-bind {probe} /probe";

/// A line of `/proc/PID/status`, in KiB.
fn memory(pid: i32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status of a process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a process with memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The peak of all memory; for a debug build only what it has written to, because the pages of its unoptimised code are
/// none that anybody ships.
const MEASURE: &str = if cfg!(debug_assertions) { "RssAnon:" } else { "VmHWM:" };

/// Memory of the supervisor and of PID 1 while the program waits.
fn used(tool: &Tool) -> [u64; 2] {
    let words = line(OPTIONS, &["/probe", "pause"]).split_off(1);
    let mut running = tool.launch(Actor::User, words).fd(0, Fd::In).start();
    running.read_until(1, |text| text.contains("ready"));
    let init = descendants(running.pid())[0];
    [running.pid(), init].map(|pid| memory(pid, MEASURE))
}

#[test]
fn supervisor_and_pid_1_take_less_memory_than_bubblewraps() {
    let ours = used(tool());
    println!("{MEASURE} ours {ours:?} KiB");
    for reference in references() {
        let theirs = used(&reference.tool);
        println!("{} {theirs:?} KiB", reference.tool.name);
        assert!(ours.iter().sum::<u64>() < theirs.iter().sum(), "{ours:?} against {theirs:?} KiB");
    }
}
