//! What is open inside: what the caller left open for the program, and nothing of ours.

use crate::support::{Actor, Fd, Fixture, Launch, TYPICAL, inside};

/// The numbers that are open in the probe.
fn open_inside(launch: Launch) -> Vec<i32> {
    let state = launch.run().done();
    let numbers = state.lines().filter_map(|line| line.strip_prefix("fd ")?.split(' ').next()?.parse().ok());
    numbers.collect()
}

/// A BPF program that allows everything: `BPF_RET | BPF_K`, `SECCOMP_RET_ALLOW`.
const ALLOW: &[u8] = &[6, 0, 0, 0, 0, 0, 0xff, 0x7f];

#[test]
fn nothing_but_the_standard_ones_is_open() {
    for actor in [Actor::User, Actor::Root] {
        for options in ["", "--as-pid-1", "--die-with-parent", "--unshare-user --disable-userns"] {
            if actor.here() {
                let launch = inside(actor, &format!("{TYPICAL} {options}"), &["/probe", "state"]);
                assert_eq!(open_inside(launch), [0, 1, 2], "{options}");
            }
        }
    }
}

#[test]
fn what_the_caller_left_open_is_there() {
    let launch = inside(Actor::User, TYPICAL, &["/probe", "state"]);
    let launch = launch.fd(5, Fd::Text("")).fd(77, Fd::Text("")).fd(400, Fd::Text(""));
    assert_eq!(open_inside(launch), [0, 1, 2, 5, 77, 400]);
}

#[test]
fn descriptors_given_to_options_are_not_passed_on() {
    let fixture = Fixture::new("options", Actor::User);
    for (options, fds) in [
        ("--args 5", &[(5, Fd::Text(""))][..]),
        (
            "--file 5 /f --bind-data 6 /g --ro-bind-data 7 /h",
            &[(5, Fd::Text("")), (6, Fd::Text("")), (7, Fd::Pipe(""))],
        ),
        ("--bind-fd 5 /f --ro-bind-fd 6 /g", &[(5, Fd::Open("dir")), (6, Fd::Path("dir"))]),
        ("--seccomp 5", &[(5, Fd::Bytes(ALLOW))]),
        ("--add-seccomp-fd 5 --add-seccomp-fd 6", &[(5, Fd::Bytes(ALLOW)), (6, Fd::Bytes(ALLOW))]),
        ("--info-fd 5 --json-status-fd 6", &[(5, Fd::Out), (6, Fd::Out)]),
        ("--block-fd 5 --sync-fd 6", &[(5, Fd::Pipe("x")), (6, Fd::Text(""))]),
        ("--sync-fd 6 --as-pid-1", &[(6, Fd::Text(""))]),
    ] {
        let launch = inside(Actor::User, &format!("{TYPICAL} {options}"), &["/probe", "state"]).files(&fixture.path);
        let launch = fds.iter().fold(launch, |launch, (number, fd)| launch.fd(*number, fd.clone()));
        assert_eq!(open_inside(launch.fd(9, Fd::Text(""))), [0, 1, 2, 9], "{options}");
    }
}

/// The control socket, the descriptor of procfs, the handles on processes: none may stay in PID 1 or in the program.
#[test]
fn pid_1_keeps_one_descriptor_beside_the_standard_ones() {
    if !Actor::Root.here() {
        return;
    }
    let launch = inside(Actor::User, TYPICAL, &["/probe", "pause"]).fd(0, Fd::In).fd(5, Fd::Text(""));
    let mut running = launch.start();
    running.read_until(1, |text| text.contains("ready"));
    let init = crate::support::running::descendants(running.pid())[0];
    let held = || -> Vec<String> {
        let entries = std::fs::read_dir(format!("/proc/{init}/fd")).unwrap().flatten();
        entries.map(|entry| std::fs::read_link(entry.path()).unwrap_or_default().display().to_string()).collect()
    };
    // It starts the program first and closes then: give it time, but not for ever.
    let patience = std::time::Instant::now() + crate::support::running::DEADLINE;
    while held().len() > 4 && std::time::Instant::now() < patience {
        std::thread::yield_now();
    }
    let held = held();
    assert_eq!(held.len(), 4, "{held:?}");
    assert_eq!(held.iter().filter(|name| name.starts_with("socket:")).count(), 1, "{held:?}");
}
