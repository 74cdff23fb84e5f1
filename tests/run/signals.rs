//! Signals to pinfold are for the program, which decides what becomes of them.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::running::{descendants, gone, pidfd};
use crate::support::{Actor, Fd, Launch, Running, Tweak, pinfold};
use crate::{Place, actors};

/// Says which signals it gets. A TERM lets it end with 7, but only once it has been fed a line.
const LOGS: &str = r#"use POSIX; $| = 1; sigprocmask(SIG_SETMASK, POSIX::SigSet->new);
    for my $name (qw(HUP INT QUIT USR1 USR2 CONT WINCH)) { $SIG{$name} = sub { print "got $name\n" } }
    $SIG{TERM} = sub { print "got TERM\n"; sysread(STDIN, my $x, 1) if $x eq ""; print "cleaned\n"; exit 7 };
    print "ready\n"; select(undef, undef, undef, 0.02) while 1"#;

const ALL: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGCONT,
    Signal::SIGWINCH,
];

fn send(running: &Running, signal: Signal) {
    kill(Pid::from_raw(running.pid()), signal).expect("send a signal");
}

fn name(signal: Signal) -> &'static str {
    signal.as_str().trim_start_matches("SIG")
}

/// A box in which [`LOGS`] runs.
fn logging(place: &Place, options: &str) -> Launch {
    place.run(options, &["perl", "-e", LOGS]).fd(0, Fd::In)
}

fn ready(launch: Launch) -> Running {
    let mut running = launch.start();
    running.read_until(1, |said| said.contains("ready"));
    running
}

/// Sends all but TERM, one after the other.
fn send_all(running: &mut Running) {
    for signal in ALL {
        send(running, signal);
        running.read_until(1, |said| said.contains(&format!("got {}\n", name(signal))));
    }
}

/// Sends TERM, and lets the handler end.
fn terminate(mut running: Running) -> crate::support::Outcome {
    send(&running, Signal::SIGTERM);
    running.read_until(1, |said| said.contains("got TERM"));
    running.feed(0, "\n");
    running.finish()
}

fn below(running: &Running) -> Vec<OwnedFd> {
    descendants(running.pid()).into_iter().filter_map(pidfd).collect()
}

#[test]
fn each_reaches_the_program_once_and_its_handler_runs_to_its_end() {
    for actor in actors() {
        let place = Place::new("forwards", actor);
        for options in [
            "",
            "--share pid",
            "--new-session",
            "--share pid --new-session",
            "--landlock off",
            "--seccomp off",
            "--seccomp strict",
            // What PID 1 does to pass signals on. The program needs none of it but the first.
            "--syscall-deny kill",
            "--syscall-deny poll",
            "--json-status-fd 9",
        ] {
            let mut running = ready(logging(&place, options).fd(9, Fd::Out));
            send_all(&mut running);
            let outcome = terminate(running);
            assert_eq!(outcome.ending(), "exit 7", "{actor:?} {options} {outcome}");
            let said = outcome.stdout_text();
            for signal in ALL.into_iter().chain([Signal::SIGTERM]) {
                assert_eq!(said.matches(&format!("got {}\n", name(signal))).count(), 1, "{options} {signal} {said}");
            }
            assert!(said.ends_with("cleaned\n"), "{said}");
        }
    }
}

/// A group: `sh -c 'a | b'` has more processes than one.
#[test]
fn the_whole_group_of_the_program_gets_them() {
    let place = Place::new("forwards-group", Actor::User);
    let script = r#"trap 'echo shell; wait; exit 3' TERM; perl -e '$| = 1; $SIG{TERM} = sub { print "child\n"; exit };
        print "ready\n"; select(undef, undef, undef, 0.02) while 1' & wait; exit 4"#;
    for options in ["", "--share pid"] {
        let running = ready(place.sh(options, script));
        send(&running, Signal::SIGTERM);
        let outcome = running.finish();
        assert_eq!(outcome.ending(), "exit 3", "{outcome}");
        assert!(outcome.stdout_text().contains("shell\n") && outcome.stdout_text().contains("child\n"), "{outcome}");
    }
}

#[test]
fn a_signal_that_kills_the_program_is_its_exit_code() {
    let place = Place::new("forwards-death", Actor::User);
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGUSR1, 138)] {
        for options in ["", "--share pid"] {
            let running = ready(place.sh(options, "echo ready; exec sleep 1000"));
            send(&running, signal);
            assert_eq!(running.finish().ending(), format!("exit {code}"), "{options}");
        }
    }
}

/// It signals its child, and then the group of its child.
#[test]
fn timeout_is_one_request() {
    let place = Place::new("forwards-timeout", Actor::User);
    let counts = r#"$| = 1; $SIG{TERM} = sub { $n++; alarm 1 }; $SIG{ALRM} = sub { print "term $n\n"; exit 9 };
        select(undef, undef, undef, 0.02) while 1"#;
    let tool = pinfold().display().to_string();
    for (options, ending) in
        [(&["1"][..], "exit 124"), (&["--preserve-status", "1"], "exit 9"), (&["--foreground", "1"], "exit 124")]
    {
        let words: Vec<&str> = options.iter().copied().chain([&*tool, "run", "perl", "-e", counts]).collect();
        let launch = Launch::program(Path::new("/usr/bin/timeout"), Actor::User, &words);
        let outcome = launch.dir(&place.project).env("HOME", place.home.to_str().unwrap()).run();
        assert_eq!(outcome.ending(), ending, "{outcome}");
        assert_eq!(outcome.stdout_text(), "term 1\n", "{options:?} {outcome}");
    }
}

#[test]
fn a_second_term_ends_the_box_at_once() {
    let place = Place::new("forwards-second", Actor::User);
    for options in ["", "--share pid", "--kill-after 1d"] {
        let mut running = ready(logging(&place, options));
        send(&running, Signal::SIGTERM);
        running.read_until(1, |said| said.contains("got TERM"));
        let below = below(&running);
        // By somebody else, so that it needs no time between the two.
        let pid = running.pid().to_string();
        Launch::program(Path::new("/bin/sh"), Actor::User, &["-c", &format!("kill -TERM {pid}")]).run().done();
        running.wait();
        let outcome = running.finish();
        assert_eq!(outcome.ending(), "signal 15", "{options} {outcome}");
        assert!(!outcome.stdout_text().contains("cleaned"), "{outcome}");
        assert!(below.iter().all(gone), "{options}");
    }
}

#[test]
fn after_term_and_not_after_others_the_program_has_its_time() {
    let place = Place::new("forwards-after", Actor::User);
    for options in ["--kill-after 0.1", "--kill-after 0.1 --share pid"] {
        let mut running = ready(logging(&place, options).fd(9, Fd::Out));
        send_all(&mut running);
        let below = below(&running);
        send(&running, Signal::SIGTERM);
        // Until then the handler has something to wait for.
        running.wait();
        let outcome = running.finish();
        assert_eq!(outcome.ending(), "exit 137", "{options} {outcome}");
        assert!(outcome.stdout_text().ends_with("got TERM\n"), "{outcome}");
        assert!(below.iter().all(gone), "{options}");
    }
    let mut status = ready(logging(&place, "--kill-after 0.1 --json-status-fd 9").fd(9, Fd::Out));
    send(&status, Signal::SIGTERM);
    status.wait();
    let outcome = status.finish();
    let said = String::from_utf8_lossy(&outcome.outs[&9]).into_owned();
    assert_eq!(said.lines().last(), Some("{ \"exit-code\": 137 }"), "{outcome}");
    // The program goes on for longer than it would have after TERM.
    let slow = r#"$| = 1; $SIG{$_} = sub { print "got\n" } for qw(INT HUP QUIT); print "ready\n";
        my $end = time + 2; select(undef, undef, undef, 0.02) while time < $end; exit 5"#;
    let mut running = ready(place.run("--kill-after 0.1", &["perl", "-e", slow]));
    for (signal, count) in [(Signal::SIGINT, 1), (Signal::SIGHUP, 2), (Signal::SIGQUIT, 3)] {
        send(&running, signal);
        running.read_until(1, |said| said.matches("got\n").count() == count);
    }
    assert_eq!(running.finish().ending(), "exit 5");
}

#[test]
fn a_time_that_is_none_is_refused() {
    let place = Place::new("forwards-wrong", Actor::User);
    for wrong in ["0", "-1", "1x", "", "inf"] {
        let outcome = place.run(&format!("--kill-after={wrong}"), &["true"]).run();
        assert_eq!(outcome.ending(), "exit 125", "{outcome}");
        assert!(outcome.stderr_text().contains("--kill-after") && outcome.stderr_text().contains("time"), "{outcome}");
    }
}

/// As under nohup(1): neither the program nor the box sees it.
#[test]
fn what_the_caller_ignores_is_ignored() {
    let place = Place::new("forwards-nohup", Actor::User);
    for options in ["", "--share pid"] {
        for ignored in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1] {
            let mut running = ready(logging(&place, options).tweak(Tweak::Ignore(ignored as i32)));
            send(&running, ignored);
            send(&running, Signal::SIGUSR2);
            running.read_until(1, |said| said.contains("got USR2"));
            // A box has no handler of its own: what it ignores, the kernel ignores.
            let outcome = if ignored == Signal::SIGTERM {
                send(&running, Signal::SIGKILL);
                running.finish()
            } else {
                terminate(running)
            };
            let said = outcome.stdout_text();
            assert!(!said.contains(&format!("got {}\n", name(ignored))), "{options} {ignored} {said}");
        }
    }
}

#[test]
fn odd_callers_are_no_hindrance() {
    let place = Place::new("forwards-odd", Actor::User);
    let blocked = ALL.into_iter().chain([Signal::SIGTERM, Signal::SIGCHLD, Signal::SIGTSTP]);
    let blocks =
        |launch: Launch| blocked.clone().fold(launch, |launch, signal| launch.tweak(Tweak::Block(signal as i32)));
    let ways: [&dyn Fn(Launch) -> Launch; 3] =
        [&|launch| launch.tweak(Tweak::Ignore(Signal::SIGCHLD as i32)), &blocks, &|launch| {
            launch.tweak(Tweak::Files(64))
        }];
    for (number, way) in ways.iter().enumerate() {
        for options in ["", "--share pid"] {
            let mut running = ready(way(logging(&place, options)));
            send_all(&mut running);
            let outcome = terminate(running);
            assert_eq!(outcome.ending(), "exit 7", "{number} {options} {outcome}");
        }
    }
    // Nothing is standard input, so that its number is free for something of ours.
    let script = r#"$| = 1; $SIG{TERM} = sub { print "got TERM\n"; exit 7 }; print "ready\n"; select(undef, undef, undef, 0.02) while 1"#;
    for options in ["", "--share pid"] {
        let running = ready(place.run(options, &["perl", "-e", script]).fd(0, Fd::Closed));
        send(&running, Signal::SIGTERM);
        assert_eq!(running.finish().ending(), "exit 7", "{options}");
    }
}

/// Without a terminal: a service manager, a test harness.
#[test]
fn a_stop_of_the_program_that_was_asked_for_stops_pinfold() {
    let place = Place::new("forwards-stop", Actor::User);
    // The parent is in the same session and in another group, as a shell is. It asks for a stop, and for an end.
    let outer = r#"use POSIX ":sys_wait_h"; $| = 1; pipe(my $r, my $w); my $pid = fork;
        if (!$pid) { setpgrp(0, 0); open(STDOUT, ">&", $w); exec @ARGV }
        close $w; readline $r; kill TSTP => $pid; waitpid($pid, WUNTRACED);
        open(my $stat, "<", "/proc/$pid/stat"); print readline($stat) =~ /\) T / ? "stopped\n" : "runs\n"; kill CONT => $pid; print scalar readline $r; kill TERM => $pid;
        waitpid($pid, 0); print "code ", $? >> 8, "\n""#;
    let inner = r#"$| = 1; $SIG{CONT} = sub { print "again\n" }; $SIG{TERM} = sub { exit 6 };
        print "ready\n"; select(undef, undef, undef, 0.02) while 1"#;
    let tool = pinfold().display().to_string();
    for options in [&[][..], &["--share", "pid"], &["--new-session"]] {
        let words = ["-e", outer, &*tool, "run"].into_iter().chain(options.iter().copied());
        let words: Vec<&str> = words.chain(["perl", "-e", inner]).collect();
        let launch = Launch::program(Path::new("/usr/bin/perl"), Actor::User, &words);
        let said = launch.dir(&place.project).env("HOME", place.home.to_str().unwrap()).run().done();
        // A leader of a session has nobody to be continued by: the kernel keeps it from stopping.
        let is_leader = options.contains(&"--share") && options.contains(&"--new-session");
        assert!(is_leader || said == "stopped\nagain\ncode 6\n", "{options:?} {said}");
    }
}

/// Another process inside continues it; nobody would continue pinfold.
#[test]
fn a_program_that_stops_itself_without_a_terminal_does_not_stop_pinfold() {
    let place = Place::new("forwards-self-stop", Actor::User);
    let script = r#"my $me = $$; if (!fork) { my $s; do { open my $f, "<", "/proc/$me/stat"; $s = <$f> } until $s =~ /\) T /;
        kill CONT => $me; exit } kill STOP => $$; exit 4"#;
    for options in ["", "--share pid"] {
        assert_eq!(place.run(options, &["perl", "-e", script]).run().ending(), "exit 4", "{options}");
    }
}

#[test]
fn the_box_ends_with_its_program_unless_everything_is_waited_for() {
    let place = Place::new("wait-all", Actor::User);
    let script = "(read x; echo late-$x) & echo ready; exit 3";
    // A background command of the shell has no input unless it is given one.
    let script = script.replace("(read x", "(exec <&6; read x");
    let mut running = ready(place.sh("--keep-fd 6", &script).fd(6, Fd::In));
    running.wait();
    let outcome = running.finish();
    assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 3".into(), "ready\n".into()), "{outcome}");
    let mut running =
        ready(place.sh("--keep-fd 6 --wait-all --json-status-fd 9", &script).fd(6, Fd::In).fd(9, Fd::Out));
    running.feed(6, "word\n");
    let outcome = running.finish();
    assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 3".into(), "ready\nlate-word\n".into()), "{outcome}");
    assert!(String::from_utf8_lossy(&outcome.outs[&9]).ends_with("{ \"exit-code\": 3 }\n"), "{outcome}");
    // What has left the group gets signals too once the program is gone.
    let leaves = r#"$| = 1; if (!fork) { setpgrp(0, 0); $SIG{TERM} = sub { print "child got TERM\n"; exit };
        select(undef, undef, undef, 0.02) until getppid == 1; print "ready\n"; select(undef, undef, undef, 0.02) while 1 } exit 5"#;
    let running = ready(place.run("--wait-all", &["perl", "-e", leaves]));
    send(&running, Signal::SIGTERM);
    let outcome = running.finish();
    assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 5".into(), "ready\nchild got TERM\n".into()));
    for options in ["--wait-all --share pid", "--wait-all --landlock only --best-effort"] {
        let outcome = place.run(options, &["true"]).run();
        assert_eq!(outcome.ending(), "exit 125", "{outcome}");
        let stderr = outcome.stderr_text();
        assert!(stderr.contains("--wait-all") && stderr.contains("PID namespace of its own"), "{stderr}");
    }
}

#[test]
fn where_others_may_stay_the_run_says_so_beforehand() {
    let place = Place::new("may-stay", Actor::User);
    let said = |options: &str| place.run(options, &["true"]).run().stderr_text();
    let note = "may outlive the run";
    assert!(!said("").contains(note));
    assert!(said("--share pid").contains(note) && !said("--share pid --quiet").contains(note));
    let outcome = place.sh("--share pid", "echo first >&2").run();
    let stderr = outcome.stderr_text();
    assert!(stderr.find(note).unwrap() < stderr.find("first").unwrap(), "{stderr}");
}

/// They come from inside as well as from outside, and at any moment.
#[test]
fn whoever_is_killed_nothing_of_the_box_lives_on() {
    let place = Place::new("killed", Actor::User);
    let rounds = std::env::var("PINFOLD_TEST_KILLS").unwrap_or_else(|_| "150".into());
    let tool = pinfold().display().to_string();
    let program = "sleep 1000 & setsid sleep 1000 & exec sleep 1000";
    for options in ["", "--new-session --net host"] {
        let box_of = ["run", "--quiet"].into_iter().chain(options.split_whitespace());
        let words: Vec<&str> =
            ["kills", &rounds, &tool].into_iter().chain(box_of).chain(["sh", "-c", program]).collect();
        let launch = Launch::program(crate::support::probe(), Actor::User, &words);
        let launch = launch.dir(&place.project).env("HOME", place.home.to_str().unwrap());
        let outcome = launch.fd(0, Fd::Text("")).run();
        assert_eq!(outcome.ending(), "exit 0", "{outcome}");
        assert!(outcome.stdout_text().starts_with(&format!("rounds {rounds}\n")), "{outcome}");
    }
}
