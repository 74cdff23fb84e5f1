//! Who dies with whom: the caller, the supervisor, PID 1, the program.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::running::{DEADLINE, descendants, gone, lives, pidfd};
use crate::support::{Actor, Fd, Launch, Running, TYPICAL, inside, line, probe};

/// A program inside that says `ready` on 8 and ends with 7.
const WAITS: &str = "echo ready >&8; /probe pause 7 >&8; exit 5";

fn waiting(actor: Actor, options: &str) -> Launch {
    inside(actor, &format!("{TYPICAL} {options}"), &["sh", "-c", WAITS]).fd(7, Fd::In).fd(8, Fd::Out)
}

fn ready(running: &mut Running) {
    // Once from the shell, once from the probe: then every process of the box is there.
    running.read_until(8, |text| text.matches("ready").count() == 2);
}

/// Handles on everything below `pid`.
fn all_below(pid: i32) -> Vec<OwnedFd> {
    let below = descendants(pid);
    assert!(below.len() >= 2, "a box has processes: {below:?}");
    below.into_iter().filter_map(pidfd).collect()
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("send a signal");
}

/// The tool, started by a shell, which is killed: `words` are what the shell passes to it.
fn orphaned(options: &str) -> (Running, Vec<OwnedFd>) {
    let script = format!("{} sh -c '{WAITS}' & wait", line(&format!("{TYPICAL} {options}"), &[]).join(" "));
    let launch = Launch::program(Path::new("/bin/sh"), Actor::User, &["-c", &script]);
    let mut starter = launch.fd(7, Fd::In).fd(8, Fd::Out).fd(9, Fd::Text("")).start();
    ready(&mut starter);
    let below = all_below(starter.pid());
    signal(starter.pid(), Signal::SIGKILL);
    starter.wait();
    (starter, below)
}

/// The kernel's parent-death signal belongs to the thread that started a process (bubblewrap issue 633).
#[test]
fn the_end_of_the_thread_that_started_it_is_not_the_callers_end() {
    for options in ["--die-with-parent", "--die-with-parent --as-pid-1", "--die-with-parent --json-status-fd 9"] {
        let launch = waiting(Actor::User, options).fd(9, Fd::Out);
        let (mut running, thread) = std::thread::scope(|scope| {
            let starter = scope.spawn(|| {
                let mut running = launch.start();
                ready(&mut running);
                (running, nix::unistd::gettid())
            });
            starter.join().expect("the thread that starts")
        });
        // Joined means that it does no more; the signal comes at the very end of it.
        let deadline = std::time::Instant::now() + DEADLINE;
        while Path::new(&format!("/proc/self/task/{thread}")).exists() {
            assert!(std::time::Instant::now() < deadline, "the thread does not end");
            std::thread::yield_now();
        }
        running.end_feed(7);
        assert_eq!(running.finish().ending(), "exit 5", "{options}");
    }
}

#[test]
fn with_die_with_parent_the_callers_death_ends_everything() {
    for options in ["", "--as-pid-1", "--new-session", "--sync-fd 9", "--unshare-user --disable-userns"] {
        let (_starter, below) = orphaned(&format!("--die-with-parent {options}"));
        assert!(below.iter().all(gone), "{options}");
    }
}

#[test]
fn without_it_the_box_outlives_its_caller() {
    let (mut starter, below) = orphaned("");
    assert!(below.iter().all(lives));
    starter.end_feed(7);
    assert!(below.iter().all(gone));
}

#[test]
fn with_die_with_parent_the_supervisors_death_ends_everything() {
    for actor in [Actor::User, Actor::Root] {
        for how in [Signal::SIGKILL, Signal::SIGTERM] {
            for options in ["", "--as-pid-1", "--new-session"] {
                if !actor.here() {
                    continue;
                }
                let mut running = waiting(actor, &format!("--die-with-parent {options}")).start();
                ready(&mut running);
                let below = all_below(running.pid());
                signal(running.pid(), how);
                running.wait();
                assert!(below.iter().all(gone), "{how} {options}");
            }
        }
    }
}

#[test]
fn without_a_pid_namespace_the_supervisors_death_ends_the_program() {
    let probe = probe().display().to_string();
    for options in ["--dev-bind / / --die-with-parent", "--dev-bind / / --die-with-parent --sync-fd 9"] {
        let launch = inside(Actor::User, options, &[&probe, "pause"]).fd(0, Fd::In).fd(9, Fd::Text(""));
        let mut running = launch.start();
        running.read_until(1, |text| text.contains("ready"));
        let below: Vec<OwnedFd> = descendants(running.pid()).into_iter().filter_map(pidfd).collect();
        assert!(!below.is_empty());
        signal(running.pid(), Signal::SIGKILL);
        running.wait();
        assert!(below.iter().all(gone), "{options}");
    }
}

#[test]
fn without_it_the_box_outlives_the_supervisor() {
    for how in [Signal::SIGTERM, Signal::SIGKILL] {
        let mut running = waiting(Actor::User, "").start();
        ready(&mut running);
        let below = all_below(running.pid());
        signal(running.pid(), how);
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&running.wait()), Some(how as i32));
        assert!(below.iter().all(lives), "{how}");
        running.end_feed(7);
        assert!(below.iter().all(gone), "{how}");
    }
}

#[test]
fn the_death_of_pid_1_is_reported_as_the_programs() {
    for actor in [Actor::User, Actor::Root] {
        if !actor.here() {
            continue;
        }
        let mut running = waiting(actor, "--json-status-fd 9").fd(9, Fd::Out).start();
        ready(&mut running);
        let below = all_below(running.pid());
        signal(descendants(running.pid())[0], Signal::SIGKILL);
        assert!(below.iter().all(gone));
        let outcome = running.finish();
        assert_eq!(outcome.ending(), "exit 137", "{outcome}");
        let json = String::from_utf8_lossy(&outcome.outs[&9]).into_owned();
        assert_eq!(json.lines().last(), Some("{ \"exit-code\": 137 }"), "{json}");
    }
}

/// Each of these waits for a word that never comes: the box must not be left waiting (bubblewrap issue 198).
#[test]
fn a_box_that_waits_ends_with_its_supervisor() {
    for options in ["--block-fd 7", "--unshare-user --userns-block-fd 7"] {
        let options = format!("{TYPICAL} --info-fd 9 {options}");
        let launch = inside(Actor::User, &options, &["true"]).fd(7, Fd::In).fd(9, Fd::Out);
        let mut running = launch.start();
        running.read_until(9, |text| text.contains('}'));
        let below: Vec<OwnedFd> = descendants(running.pid()).into_iter().filter_map(pidfd).collect();
        assert!(!below.is_empty(), "{options}");
        signal(running.pid(), Signal::SIGKILL);
        running.wait();
        assert!(below.iter().all(gone), "{options}");
    }
}

#[test]
fn a_box_that_waits_ends_with_its_caller_where_it_shall() {
    for options in ["--block-fd 7", "--unshare-user --userns-block-fd 7 --info-fd 9"] {
        let options = format!("--die-with-parent {TYPICAL} --json-status-fd 8 {options}");
        let script = format!("{} & wait", line(&options, &["true"]).join(" "));
        let launch = Launch::program(Path::new("/bin/sh"), Actor::User, &["-c", &script]);
        let mut starter = launch.fd(7, Fd::In).fd(8, Fd::Out).fd(9, Fd::Out).start();
        starter.read_until(8, |text| text.contains('}'));
        let below: Vec<OwnedFd> = descendants(starter.pid()).into_iter().filter_map(pidfd).collect();
        assert!(below.len() >= 2, "{options}");
        // The test still holds the other end of 7: only the caller's death can end the wait.
        signal(starter.pid(), Signal::SIGKILL);
        starter.wait();
        assert!(below.iter().all(gone), "hang: {options}");
    }
}

/// The writer of the id maps is gone: its end of the pipe is closed, and nobody will ever write a map.
#[test]
fn a_box_whose_maps_never_come_ends() {
    let options = format!("{TYPICAL} --unshare-user --userns-block-fd 7 --info-fd 9");
    let mut running = inside(Actor::User, &options, &["true"]).fd(7, Fd::In).fd(9, Fd::Out).start();
    running.read_until(9, |text| text.contains('}'));
    let below: Vec<OwnedFd> = descendants(running.pid()).into_iter().filter_map(pidfd).collect();
    running.end_feed(7);
    running.wait();
    assert!(!below.is_empty() && below.iter().all(gone));
}
