//! How much memory a box costs besides its program: the supervisor and PID 1, at their peak.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

#[path = "support/mod.rs"]
mod support;

use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::running::{DEADLINE, descendants};
use support::{Actor, Fd, Place, Tool, line, references, tool};

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

/// Signals that are passed on.
const EVENTS: usize = if cfg!(debug_assertions) { 3_000 } else { 1_000_000 };

/// Most memory of its own that the supervisor and PID 1 may have, in KiB. `RssAnon` also counts what a process still
/// shares with the one that it is a copy of, but anybody may read it.
const MOST: [u64; 2] = [1024, 300];

#[test]
fn what_happens_while_a_box_runs_takes_no_memory() {
    let place = Place::new("memory", Actor::User);
    let mut running = place.sh("", "echo ready; read line; exit 3").fd(0, Fd::In).start();
    running.read_until(1, |text| text.contains("ready"));
    let both = [running.pid(), descendants(running.pid())[0]];
    let used = || both.map(|pid| memory(pid, "RssAnon:"));
    let woken = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", both[1])).expect("status of PID 1");
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        line.expect("a line of status").trim().parse::<usize>().expect("a number")
    };
    // The next one once this one has arrived: several that wait are one (signal(7)).
    let send = |count: usize| {
        let mut before = woken();
        for _ in 0..count {
            kill(Pid::from_raw(both[0]), Signal::SIGWINCH).expect("send a signal");
            let deadline = Instant::now() + DEADLINE;
            while woken() == before {
                assert!(Instant::now() < deadline, "a signal has not arrived");
                std::thread::yield_now();
            }
            before = woken();
        }
    };
    // Pages that the first events touch.
    send(100);
    let before = used();
    send(EVENTS);
    let after = used();
    println!("RssAnon {before:?} KiB, after {EVENTS} signals {after:?} KiB");
    for (number, most) in MOST.into_iter().enumerate() {
        assert!(before[number] <= most, "{before:?} KiB");
        // Two pages: what a rare path has touched for the first time.
        assert!(after[number] <= before[number] + 8, "{before:?} KiB, then {after:?} KiB");
    }
    running.feed(0, "\n");
    assert_eq!(running.finish().ending(), "exit 3");
}
