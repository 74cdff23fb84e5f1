//! The processes of the host, and those of ours that the box lives next to.

use crate::errno;
use std::fs;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::support::running::{lives, pidfd};
use crate::support::{Actor, Fd, Launch, TYPICAL, inside, probe};

#[test]
fn only_the_boxs_own_processes_are_visible() {
    for actor in [Actor::User, Actor::Root] {
        if actor.here() {
            assert_eq!(inside(actor, TYPICAL, &["/probe", "pids"]).run().done(), "[1, 2]\n");
            let alone = format!("{TYPICAL} --as-pid-1");
            assert_eq!(inside(actor, &alone, &["/probe", "pids"]).run().done(), "[1]\n");
        }
    }
}

#[test]
fn processes_of_the_host_cannot_be_signalled_or_traced() {
    let mut victim = Launch::program(probe(), Actor::User, &["pause"]).fd(0, Fd::In).start();
    victim.read_until(1, |text| text.contains("ready"));
    let pid = victim.pid().to_string();
    let handle = pidfd(victim.pid()).expect("the victim");
    for actor in [Actor::User, Actor::Root] {
        if actor.here() {
            assert_eq!(inside(actor, TYPICAL, &["/probe", "kill", &pid, "9"]).run().refused(), libc::ESRCH);
            assert_eq!(inside(actor, TYPICAL, &["/probe", "ptrace", &pid]).run().refused(), libc::ESRCH);
            // Everybody that there is.
            inside(actor, TYPICAL, &["/probe", "kill", "-1", "9"]).run();
        }
    }
    assert!(lives(&handle));
    let shared = "--ro-bind / / --ro-bind {probe} /mnt";
    let probe = probe().display().to_string();
    inside(Actor::User, &shared.replace("--ro-bind {probe} /mnt", ""), &[&probe, "kill", &pid, "0"]).run().done();
}

/// What the caller keeps from the program, by an option or by passing it on a descriptor.
const SECRETS: [&str; 4] = ["of the host", "taken-back", "from-a-file", "kept-by-name"];

fn secretive(options: &str) -> String {
    format!(
        "--clearenv --setenv PATH /usr/bin --setenv SECRET taken-back --unsetenv SECRET --args 5 --dir /kept-by-name \
         {TYPICAL} {options}"
    )
}

/// `/proc/1/environ` would have the caller's environment, `/proc/1/cmdline` all options (bubblewrap issue 725).
#[test]
fn pid_1_shows_nothing_of_the_caller() {
    for (actor, options) in [
        (Actor::User, ""),
        (Actor::User, "--uid 0 --gid 0"),
        (Actor::User, "--unshare-user --disable-userns"),
        (Actor::User, "--cap-add ALL"),
        (Actor::User, "--info-fd 8"),
        (Actor::Root, ""),
        (Actor::Root, "--cap-drop ALL"),
    ] {
        if !actor.here() {
            continue;
        }
        for file in ["environ", "cmdline", "comm", "stat", "status"] {
            let launch = inside(actor, &secretive(options), &["/probe", "cat", &format!("/proc/1/{file}")]);
            let outcome = launch.fd(5, Fd::Bytes(b"--setenv\0A\0from-a-file\0")).fd(8, Fd::Out).run();
            let said = outcome.stdout_text();
            for secret in SECRETS {
                assert!(!said.contains(secret), "{file} {options}: {said:?}");
            }
            assert!(!said.contains("--"), "an option is left: {file} {options}: {said:?}");
            if file == "comm" {
                assert_eq!(outcome.done(), "bwrap\n");
            }
        }
    }
}

/// Its memory holds what the launch read, and its program is a file of the host that may belong to the caller. A caller
/// that asks for its id (`--info-fd`) may want to enter the box by it, and gets a PID 1 that can be looked into.
#[test]
fn pid_1_cannot_be_looked_into() {
    for options in ["", "--uid 0 --gid 0", "--die-with-parent", "--lock-file /probe"] {
        let options = secretive(options);
        let refused = |words: &[&str]| {
            let launch = inside(Actor::User, &options, words);
            launch.fd(5, Fd::Bytes(b"--setenv\0A\0from-a-file\0")).run().refused()
        };
        assert_eq!(refused(&["/probe", "ptrace", "1"]), errno::PERM, "{options}");
        for file in ["mem", "maps", "exe"] {
            assert_eq!(refused(&["/probe", "cat", &format!("/proc/1/{file}")]), libc::EACCES, "{file} {options}");
        }
    }
}

/// CVE-2019-5736: with the tool's binary open for reading, a payload waits until nobody executes it and then opens the
/// same file for writing, past every read-only bind.
#[test]
fn the_tools_own_binary_is_out_of_reach() {
    let probe = probe().display().to_string();
    for options in ["--ro-bind / /", "--ro-bind / / --sync-fd 5", "--ro-bind / / --unshare-pid --proc /proc"] {
        for pid in ["$PPID", "1"].iter().filter(|pid| **pid != "1" || options.contains("pid")) {
            let script = format!("{probe} cat /proc/{pid}/exe | head -c 200");
            let said = inside(Actor::User, options, &["sh", "-c", &script]).fd(5, Fd::Text("")).run().stdout_text();
            assert_eq!(said, format!("refused errno {}\n", libc::EACCES), "{options} {pid}");
        }
    }
}

/// What the supervisor of a box with the host's processes lets its program see: as [`secretive`], but with pids shared.
#[test]
fn the_supervisor_cannot_be_looked_into() {
    let probe = probe().display().to_string();
    let cases = [
        (Actor::User, "--dev-bind / /"),
        (Actor::User, "--dev-bind / / --uid 0 --gid 0"),
        (Actor::User, "--dev-bind / / --json-status-fd 6"),
        (Actor::Root, "--dev-bind / / --cap-drop ALL"),
        (Actor::Root, "--dev-bind / / --cap-drop ALL --json-status-fd 6"),
    ];
    for (actor, options) in cases {
        if !actor.here() {
            continue;
        }
        for (attempt, errno) in [
            ("ptrace $PPID", libc::EPERM),
            ("cat /proc/$PPID/environ", libc::EACCES),
            ("cat /proc/$PPID/mem", libc::EACCES),
            ("cat /proc/$PPID/maps", libc::EACCES),
            ("exists /proc/$PPID/root/etc", libc::EACCES),
            ("cat /proc/$PPID/fd/0", libc::EACCES),
        ] {
            let script = format!("{probe} {attempt}");
            let launch = inside(actor, options, &["sh", "-c", &script]).fd(0, Fd::Open("/dev/null")).fd(6, Fd::Out);
            assert_eq!(launch.run().refused(), errno, "{options}: {attempt}");
        }
        // The same attempts on a process of the box itself.
        for attempt in ["ptrace $$", "cat /proc/$$/environ", "cat /proc/$$/maps", "cat /proc/$$/fd/0"] {
            let script = format!("{probe} {attempt}; exit $?");
            inside(actor, options, &["sh", "-c", &script]).fd(0, Fd::Open("/dev/null")).fd(6, Fd::Out).run().done();
        }
    }
}

/// It has the caller's powers over the box and no others, and goes into no namespace, not even one that it is to join.
#[test]
fn the_supervisor_stays_outside() {
    // Unlike the namespaces themselves, of which only a tracer is told.
    let of = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
        let caps: Vec<&str> =
            status.lines().filter(|line| line.starts_with("Cap") && !line.starts_with("CapBnd")).collect();
        let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).expect("its ids");
        (caps.join(" "), map)
    };
    for actor in [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here()) {
        let mut plain = Launch::program(probe(), actor, &["pause"]).fd(0, Fd::In).start();
        plain.read_until(1, |text| text.contains("ready"));
        let mut holder = Launch::program(probe(), actor, &["hold", "user"]).fd(0, Fd::In).start();
        holder.read_until(1, |text| text.contains("ready"));
        let held = fs::File::open(format!("/proc/{}/fd/20", holder.pid())).expect("a user namespace");
        let held = Fd::Given(Arc::new(OwnedFd::from(held)));
        let (joins, there) = ("--userns 6 --ro-bind / /", probe().display().to_string());
        for (options, program) in [
            (TYPICAL.to_owned(), "/probe"),
            (format!("{TYPICAL} --share-net"), "/probe"),
            (joins.to_owned(), &*there),
            (format!("--unshare-pid {joins}"), &*there),
        ] {
            let launch = inside(actor, &options, &[program, "pause"]).fd(0, Fd::In).fd(6, held.clone());
            let mut running = launch.start();
            running.read_until(1, |text| text.contains("ready"));
            assert_eq!(of(&running.pid().to_string()), of(&plain.pid().to_string()), "{actor:?} {options}");
        }
    }
}
