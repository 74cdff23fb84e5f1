//! Profiles that a `Spec` asks for: what is denied and allowed, and what we do under the filter ourselves.
#![cfg(target_arch = "x86_64")]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::enforce::calls;
use super::support::{Actor, Launch, Outcome, example, executable, stage};
use super::{PROFILES, built, data};

/// `command` in a box of the library with these options; see tests/probe/spec_seccomp.rs.
fn run(actor: Actor, options: &str, command: &[&str]) -> Outcome {
    static EXAMPLE: OnceLock<PathBuf> = OnceLock::new();
    let program = EXAMPLE.get_or_init(|| example("spec_seccomp", &["tests/probe", "src", "seccomp-profiles"]));
    let words: Vec<&str> = options.split_whitespace().chain(["--"]).chain(command.iter().copied()).collect();
    Launch::program(program, actor, &words).run()
}

/// What the kernel answers to `words`, calls that `--` separates, from a program of `bits` bits.
fn answers(options: &str, bits: &str, words: &str) -> Option<Vec<i64>> {
    let program = calls(bits)?;
    let command: Vec<&str> = ["/calls"].into_iter().chain(words.split_whitespace()).collect();
    let said = run(Actor::User, &format!("{options} bind={}:/calls", program.display()), &command).done();
    Some(said.lines().map(|line| line.parse().unwrap()).collect())
}

/// A profile in the stage that kills whoever makes another call than these.
fn only(name: &str, calls: &[&str]) -> String {
    let path = stage::stage().join(name);
    let text = format!(
        r#"{{"defaultAction": "SCMP_ACT_KILL_PROCESS", "syscalls": [{{"names": {calls:?}, "action": "SCMP_ACT_ALLOW"}}]}}"#
    );
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// The list in plan/filter.rs is all that we do under a filter: whoever does more dies.
#[test]
fn we_make_no_other_calls_than_those_that_are_proved() {
    let Some(program) = calls("64") else { return };
    let program = program.display();
    let script = stage::stage().join("no-interpreter");
    executable::write(&script, b"no line that begins with #!\n");
    let (script, plain) = (script.display(), stage::stage().join("plain"));
    fs::write(&plain, "").unwrap();
    let plain = plain.display();
    // Each writes nothing, and prints that this went well.
    let write = ["1", "1", "0", "0"];
    let ways: &[(String, &str, &str, &str)] = &[
        (format!("path=/one bind={program}:/one/calls"), "calls", "exit 0", "0\n"),
        (format!("path=/none:/one bind={program}:/one/calls"), "calls", "exit 0", "0\n"),
        (format!("bind={program}:/calls"), "/calls", "exit 0", "0\n"),
        // What is called `1` is run as `/bin/sh 1 1 0 0`.
        (format!("path=: bind={script}:/1,{program}:/bin/sh"), "1", "exit 0", "0\n"),
        ("path=/none:/neither".into(), "calls", "exit 1", "program: cannot execute calls: No such file or directory"),
        (
            format!("path=/one bind={plain}:/one/calls"),
            "calls",
            "exit 1",
            "program: cannot execute calls: Permission denied",
        ),
        (format!("bind={script}:/1"), "/1", "exit 1", "program: cannot execute /1: No such file or directory"),
    ];
    let of_program = ["execve", "write", "exit_group"];
    let with_init = ["execve", "write", "exit_group", "wait4"];
    let lists = [only("with-init.json", &with_init), only("alone.json", &of_program), only("alone.json", &of_program)];
    for actor in [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here()) {
        for (profile, first) in lists.iter().zip(["init", "program", "nobody"]) {
            for (options, command, ending, said) in ways {
                let words: Vec<&str> = [*command]
                    .into_iter()
                    .chain(if *command == "1" { &write[1..] } else { &write }.iter().copied())
                    .collect();
                let outcome = run(actor, &format!("profile={profile} first={first} {options}"), &words);
                assert_eq!(outcome.ending(), *ending, "{first} {options}: {outcome}");
                let text = if *ending == "exit 0" { outcome.stdout_text() } else { outcome.stderr_text() };
                assert!(text.contains(said), "{first} {options}: {outcome}");
            }
        }
    }
    // And each of them is needed.
    for missing in with_init {
        let rest: Vec<&str> = with_init.into_iter().filter(|call| *call != missing).collect();
        let profile = only(&format!("without-{missing}.json"), &rest);
        let outcome = run(Actor::User, &format!("profile={profile} bind={program}:/calls"), &["/calls"]);
        assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 1".into(), String::new()), "{outcome}");
        let wanted = format!("spec_seccomp: lockdown.seccomp: the system call filter refuses {missing}, which ");
        assert!(outcome.stderr_text().starts_with(&wanted), "{outcome}");
    }
}

const EPERM: i64 = -1;
const ENOSYS: i64 = -38;

#[test]
fn names_are_denied_and_allowed_for_programs_of_64_and_32_bits() {
    // Options, then a call of each kind of program and its answer.
    let rows: &[(&str, &str, &str, i64)] = &[
        ("profile=default", "110", "64", 1),
        ("profile=default deny=getppid", "110", "64", EPERM),
        ("profile=default", "101 0 0 0 0", "26 0 0 0 0", EPERM),
        ("profile=default allow=@ptrace", "101 0 0 0 0", "26 0 0 0 0", 0),
        ("profile=default allow=@ptrace deny=ptrace", "101 0 0 0 0", "26 0 0 0 0", EPERM),
        ("profile=build", "101 0 0 0 0", "26 0 0 0 0", 0),
        ("profile=build deny=@ptrace", "101 0 0 0 0", "26 0 0 0 0", EPERM),
        ("profile=default allow=clone3", "435 0 0", "435 0 0", -22),
        ("profile=default deny=clone3", "435 0 0", "435 0 0", ENOSYS),
        ("profile=default", "16 0 0x5423 0", "54 0 0x5423 0", EPERM),
        ("profile=default allow=ioctl", "16 0 0x5423 0", "54 0 0x5423 0", -25),
        ("profile=default allow=ioctl", "16 0 0x5412 0", "54 0 0x5412 0", EPERM),
        ("profile=default allow=@io", "16 0 0xf0000541c 0", "54 0 0x541c 0", EPERM),
        ("profile=strict allow=ioctl", "16 0 0x5412 0", "54 0 0x5412 0", EPERM),
        ("profile=strict", "41 1 1 0", "359 1 1 0", EPERM),
        ("profile=strict allow=socket deny=@ipc", "41 55 1 0", "359 55 1 0", -97),
        // x32 is let in by no name.
        ("profile=default allow=@process,@identity", "0x40000027", "", ENOSYS),
    ];
    for &(options, native, compat, wanted) in rows {
        let is_wanted = |bits, call: &str| {
            if let Some(answers) = answers(options, bits, call) {
                assert_eq!(answers, [wanted], "{options}: {bits} bits: {call}");
            }
        };
        is_wanted("64", native);
        if !compat.is_empty() {
            is_wanted("32", compat);
            is_wanted("64", &format!("int80 {compat}"));
        }
    }
}

#[test]
fn a_program_of_32_bits_runs_and_mounts_nothing() {
    let Some(program) = built("hello.c", "spec-hello32", &["-m32", "-static", "-pthread"]) else { return };
    for profile in PROFILES {
        let options = format!("profile={profile} bind={}:/hello", program.display());
        assert_eq!(
            run(Actor::User, &options, &["/hello"]).done(),
            "hello from 32 bits\nmount: Operation not permitted\n"
        );
    }
}

#[test]
fn every_profile_holds_the_program_and_its_children() {
    let script = "grep -E '^(Seccomp|NoNewPrivs)' /proc/self/status; mkdir /tmp/d && cd /tmp/d && unshare -U true";
    for actor in [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here()) {
        for profile in PROFILES {
            for first in ["init", "program", "nobody"] {
                let options = format!("profile={profile} first={first}");
                let outcome = run(actor, &options, &["/usr/bin/bash", "-c", script]);
                let said = outcome.stdout_text();
                // Where the processes are shared, another filter keeps those outside from being changed.
                let filters = if first == "nobody" { 2 } else { 1 };
                let wanted = format!("NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t{filters}\n");
                assert_eq!(said, wanted, "{options}: {outcome}");
                assert!(
                    outcome.stderr_text().contains("unshare failed: Operation not permitted"),
                    "{options}: {outcome}"
                );
            }
        }
    }
}

/// PID 1 lives under the filter too. It puts it on while the program already runs, so that this one waits for it.
#[test]
fn the_first_process_has_the_filter_as_well() {
    let script = "until grep -q 'Seccomp:.*2' /proc/1/status; do :; done; echo it has";
    assert_eq!(run(Actor::User, "profile=default", &["/usr/bin/bash", "-c", script]).done(), "it has\n");
}

/// Docker's profile lets mount through for a program that keeps CAP_SYS_ADMIN.
#[test]
fn a_profile_is_compiled_for_the_capabilities_of_the_program() {
    // Where the user who runs it can read it.
    let profile = stage::stage().join("spec-docker.json");
    fs::copy(data("docker.json"), &profile).unwrap();
    let with = |cap: &str| answers(&format!("profile={} cap={cap}", profile.display()), "64", "165 0 0 0 0 0");
    if let Some((none, admin)) = with("").zip(with("CAP_SYS_ADMIN")) {
        assert_eq!((none[0], admin[0]), (EPERM, -14));
    }
}

#[test]
fn what_cannot_be_enforced_ends_the_run_before_anything_is_made() {
    let cases = [
        ("profile=defualt", "lockdown.seccomp: no seccomp profile is called \"defualt\", did you mean default?"),
        ("profile=default deny=opne", "lockdown.seccomp.deny[0]: unknown system call \"opne\", did you mean open?"),
        ("profile=default allow=@mounts", "lockdown.seccomp.allow[0]: unknown group \"@mounts\", did you mean @mount?"),
        (
            "profile=default deny=@process",
            "lockdown.seccomp.deny[0]: the system call filter refuses execve, which starting the program needs",
        ),
        (
            "profile=default deny=wait4",
            "lockdown.seccomp.deny[0]: the system call filter refuses wait4, which waiting for the program inside the sandbox needs",
        ),
    ];
    for (options, wanted) in cases {
        // A source that is missing would be noticed when the box is made.
        let outcome = run(Actor::User, &format!("{options} bind=/nonexistent:/x"), &["/usr/bin/id"]);
        let said = outcome.stderr_text();
        assert_eq!(said.lines().next(), Some(&*format!("spec_seccomp: {wanted}")), "{outcome}");
        assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 1".into(), String::new()), "{outcome}");
    }
}
