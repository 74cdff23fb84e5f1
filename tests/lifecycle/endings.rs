//! How the tool ends: as its program did, and without waiting for anybody else.

use crate::support::running::{descendants, gone, lives, pidfd};
use crate::support::{Actor, Fd, TYPICAL, inside};

#[test]
fn every_exit_code_is_passed_on() {
    for code in 0..=255 {
        let options = if code % 2 == 0 { TYPICAL.to_owned() } else { format!("{TYPICAL} --as-pid-1") };
        let outcome = inside(Actor::User, &options, &["sh", "-c", &format!("exit {code}")]).run();
        assert_eq!(outcome.ending(), format!("exit {code}"), "{outcome}");
    }
}

#[test]
fn death_by_a_signal_is_128_and_its_number() {
    // Those that kill by default, real-time ones too; not those that stop, continue or are ignored.
    let deadly = (1..=16).chain([24, 25, 26, 27, 29, 30, 31, 34, 64]);
    for number in deadly {
        for options in ["--unshare-pid", ""] {
            let script = format!("ulimit -c 0; kill -{number} $$; exit 3");
            let options = format!("--ro-bind / / {options}");
            let outcome = inside(Actor::User, &options, &["sh", "-c", &script]).run();
            assert_eq!(outcome.ending(), format!("exit {}", 128 + number), "{options} {outcome}");
        }
    }
}

/// Bubblewrap's code for all its own errors.
#[test]
fn what_cannot_be_started_is_1_and_not_reported_as_an_exit() {
    for command in ["/nonexistent", "/usr", "nonexistent"] {
        let outcome = inside(Actor::User, &format!("{TYPICAL} --json-status-fd 9"), &[command]).fd(9, Fd::Out).run();
        assert_eq!(outcome.ending(), "exit 1");
        assert!(outcome.stderr_text().starts_with(&format!("bwrap: execvp {command}: ")), "{outcome}");
        let json = String::from_utf8_lossy(&outcome.outs[&9]).into_owned();
        assert_eq!(json.lines().count(), 1, "{json}");
        assert!(!json.contains("exit-code"), "{json}");
    }
}

#[test]
fn the_tool_returns_at_once_and_what_runs_on_keeps_pid_1() {
    for actor in [Actor::User, Actor::Root] {
        if !actor.here() {
            continue;
        }
        let script = "/probe pause 7 >&8 & read line <&6; exit 3";
        let launch = inside(actor, TYPICAL, &["sh", "-c", script]).fd(6, Fd::In).fd(7, Fd::In).fd(8, Fd::Out);
        let mut running = launch.start();
        running.read_until(8, |text| text.contains("ready"));
        let below = descendants(running.pid());
        let init = pidfd(below[0]).expect("PID 1");
        running.feed(6, "go\n");
        assert_eq!(running.wait().code(), Some(3));
        assert!(lives(&init));
        running.end_feed(7);
        assert!(gone(&init));
    }
}

#[test]
fn pid_1_reaps_what_the_program_leaves_behind() {
    for options in ["", "--die-with-parent"] {
        let options = format!("{TYPICAL} {options}");
        let outcome = inside(Actor::User, &options, &["/probe", "zombies", "2000"]).run();
        assert_eq!(outcome.done(), "zombies 0\n");
    }
}

/// The reaping must not take the program for one of the orphans, or an orphan for the program.
#[test]
fn an_orphans_ending_is_not_the_programs() {
    let script = "(sh -c 'exit 9' & ) ; /probe zombies 50 >/dev/null; (kill -9 $(sh -c 'echo $PPID')) ; exit 4";
    assert_eq!(inside(Actor::User, TYPICAL, &["sh", "-c", script]).run().ending(), "exit 4");
}
