//! bash on a terminal: what a person does with it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, tcgetpgrp};

use crate::support::running::DEADLINE;
use crate::support::{Actor, Fd, Running};
use crate::{actors, installed, program};

/// A terminal, and bash in a box on the other side of it.
struct Session {
    terminal: OwnedFd,
    running: Running,
    said: String,
    /// How much of it has been looked at.
    seen: usize,
}

impl Session {
    fn start(actor: Actor) -> Session {
        use crate::support::Tweak;
        let pty = nix::pty::openpty(None, None).expect("a pseudo-terminal");
        let slave = Arc::new(pty.slave);
        let options = "--setenv PS1 <prompt> --setenv TERM dumb";
        let launch = program(actor, options, &["bash", "--norc", "--noprofile", "--noediting", "-i"]);
        let launch = [0, 1, 2].iter().fold(launch, |launch, fd| launch.fd(*fd, Fd::Given(slave.clone())));
        let running = launch.fd(6, Fd::Out).tweak(Tweak::Terminal).start();
        Session { terminal: pty.master, running, said: String::new(), seen: 0 }
    }

    fn types(&self, text: &str) {
        File::from(self.terminal.try_clone().unwrap()).write_all(text.as_bytes()).expect("type");
    }

    /// Reads until `text` has been said, after everything that was expected before.
    fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(at) = self.said[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            let left = PollTimeout::try_from(deadline.saturating_duration_since(Instant::now())).unwrap();
            let ready = poll(&mut [PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN)], left).expect("poll");
            assert!(ready > 0, "{text:?} was not said: {:?}", self.said);
            let mut buffer = [0; 4096];
            let count = File::from(self.terminal.try_clone().unwrap()).read(&mut buffer);
            let count = count.unwrap_or_else(|error| panic!("{error}, before {text:?}: {:?}", self.said));
            self.said.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    }

    /// Types a line at the next prompt.
    fn run(&mut self, line: &str, answer: &str) {
        self.expect("<prompt>");
        self.types(&format!("{line}\n"));
        // The terminal repeats what is typed.
        self.expect(line);
        self.expect(answer);
    }

    fn foreground(&self) -> Pid {
        tcgetpgrp(&self.terminal).expect("the foreground group")
    }

    /// Waits until a job has the terminal: a key that is pressed before is pressed at the shell.
    fn wait_for_job(&self, shell: Pid) {
        let deadline = Instant::now() + DEADLINE;
        while self.foreground() == shell {
            assert!(Instant::now() < deadline, "no job in the foreground: {:?}", self.said);
            std::thread::yield_now();
        }
    }
}

#[test]
fn bash_controls_its_jobs() {
    if !installed("/usr/bin/bash") {
        return;
    }
    for actor in actors() {
        let mut bash = Session::start(actor);
        // Until it says something it may still be a copy of the shell, which keys do not stop.
        bash.run("sh -c 'echo up >&6; exec sleep 1000' &", "");
        let shell = bash.foreground();
        bash.running.read_until(6, |text| text.contains("up"));
        bash.run("jobs", "Running");
        bash.run("fg", "exec sleep 1000");
        bash.wait_for_job(shell);
        bash.types("\u{1a}");
        bash.expect("Stopped");
        bash.run("bg", "&");
        assert_eq!(bash.foreground(), shell);
        bash.run("jobs", "Running");
        bash.run("fg", "exec sleep 1000");
        bash.wait_for_job(shell);
        bash.types("\u{3}");
        bash.run("echo code $?", "code 130");
        // At the prompt it ends nothing but the line.
        bash.expect("<prompt>");
        bash.types("half a line\u{3}");
        bash.expect("^C");
        bash.run("echo still $((40 + 2))", "still 42");
        bash.run("cat | tr a-z A-Z", "");
        bash.wait_for_job(shell);
        bash.types("through a pipe\n\u{4}");
        bash.expect("THROUGH A PIPE");
        bash.run("stty size; tty", "/dev/");
        assert!(!bash.said.contains("no job control"), "{}", bash.said);
        bash.run("exit 7", "");
        assert_eq!(bash.running.wait().code(), Some(7), "{}", bash.said);
    }
}

/// Without a terminal of its own the shell says so, and works.
#[test]
fn bash_in_a_new_session_does_without_job_control() {
    for actor in actors().filter(|_| installed("/usr/bin/bash")) {
        let launch = program(actor, "--new-session", &["bash", "--norc", "-i"]);
        let outcome = launch.fd(0, Fd::Text("echo $((6 * 7)); exit 5\n")).run();
        assert_eq!(outcome.ending(), "exit 5", "{outcome}");
        assert!(outcome.stdout_text().contains("42"), "{outcome}");
        assert!(outcome.stderr_text().contains("no job control"), "{outcome}");
    }
}
