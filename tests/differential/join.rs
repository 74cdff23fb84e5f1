//! Namespaces that others made: `--userns`, `--userns2`, `--pidns`, and maps written by the caller.

use std::fs;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::case::words;
use crate::run::compare;
use crate::support::{Actor, Fd, Fixture, Launch, Outcome, Running, Tool, normal, probe};

/// A process that keeps namespaces open; see `hold` in tests/probe.
struct Holder(Running);

/// Numbers under which the holder keeps them.
const USER: i32 = 20;
const USER2: i32 = 21;
const PID: i32 = 22;

impl Holder {
    fn new(kind: &str, actor: Actor) -> Holder {
        let mut running = Launch::program(probe(), actor, &["hold", kind]).fd(0, Fd::In).start();
        running.read_until(1, |text| text.contains("ready"));
        Holder(running)
    }

    fn namespace(&self, number: i32) -> Fd {
        let file = fs::File::open(format!("/proc/{}/fd/{number}", self.0.pid())).expect("open a held namespace");
        Fd::Given(Arc::new(OwnedFd::from(file)))
    }
}

/// Runs `line` with namespaces of a holder under the numbers that `fds` pairs with the holder's.
fn run(tool: &Tool, fixture: &Fixture, actor: Actor, kind: &str, line: &str, fds: &[(i32, i32)]) -> Outcome {
    let holder = Holder::new(kind, actor);
    let args = words(line).into_iter().map(|word| fixture.expand(&word));
    let launch = tool.launch(actor, args).dir(&fixture.path);
    fds.iter().fold(launch, |launch, (number, held)| launch.fd(*number, holder.namespace(*held))).run()
}

/// Ending and output; descriptors 6 to 8 left out of the state, because bubblewrap leaks them and we do not.
fn told(outcome: &Outcome) -> Vec<(String, String)> {
    let leaked = |line: &&str| !["fd 6 ", "fd 7 ", "fd 8 "].iter().any(|fd| line.starts_with(fd));
    let stdout = normal::stdout(&outcome.stdout_text());
    let stdout: String = stdout.lines().filter(leaked).flat_map(|line| [line, "\n"]).collect();
    let stderr = normal::stderr(&outcome.stderr_text());
    vec![("ending".into(), outcome.ending()), ("stdout".into(), stdout), ("stderr".into(), stderr)]
}

/// The same for the user and root, with all of a holder's namespaces given as 6, 7 and 8 where it has them.
fn join(name: &str, kind: &str, line: &str) {
    let fds: &[(i32, i32)] = match kind {
        "user2" => &[(6, USER), (7, USER2)],
        "pid" => &[(6, USER), (8, PID)],
        _ => &[(6, USER)],
    };
    for actor in [Actor::User, Actor::Root] {
        compare(name, actor, |tool, fixture| told(&run(tool, fixture, actor, kind, line, fds)));
    }
}

#[test]
fn userns() {
    join("userns", "user", "R --userns 6 S");
    join("userns-dev", "user", "R --userns 6 --dev /dev S");
    join("userns-pidns", "user", "R --userns 6 --unshare-pid --proc /proc S");
    join("userns-caps", "user", "R --userns 6 --cap-add CAP_KILL S");
    join("userns-uid", "user", "R --userns 6 --uid 77 true");
    join("userns-gid", "user", "R --userns 6 --gid 77 true");
    join("userns-disable", "user", "R --userns 6 --disable-userns true");
}

#[test]
fn userns2() {
    join("userns2", "user2", "R --userns 6 --userns2 7 S");
    join("userns2-dev", "user2", "R --userns 6 --userns2 7 --dev /dev --tmpfs /tmp S");
    join("userns2-alone", "user2", "R --userns2 7 true");
}

#[test]
fn pidns() {
    join("pidns", "pid", "R --userns 6 --pidns 8 --proc /proc S");
    join("pidns-below", "pid", "R --userns 6 --pidns 8 --unshare-pid --proc /proc S");
    join("pidns-exit", "pid", "R --userns 6 --pidns 8 sh -c 'exit 7'");
    join("pidns-signal", "pid", "R --userns 6 --pidns 8 sh -c 'kill -9 $$'");
    join("pidns-info", "pid", "R --userns 6 --pidns 8 --info-fd 1 true");
    join("pidns-json", "pid", "R --userns 6 --pidns 8 --unshare-pid --json-status-fd 1 true");
}

#[test]
fn joined_namespaces_do_not_leak() {
    for (kind, line, fds) in [
        ("user", "R --userns 6 S", &[(6, USER)][..]),
        ("user2", "R --userns 6 --userns2 7 S", &[(6, USER), (7, USER2)]),
        ("pid", "R --userns 6 --pidns 8 S", &[(6, USER), (8, PID)]),
    ] {
        let fixture = Fixture::new(&format!("no-leak-{kind}"), Actor::User);
        let outcome = run(crate::support::tool(), &fixture, Actor::User, kind, line, fds);
        let state = outcome.stdout_text();
        let fds: Vec<&str> = state.lines().filter(|line| line.starts_with("fd ")).collect();
        assert_eq!(fds.len(), 3, "{line}: {fds:?} {}", outcome.stderr_text());
    }
}

/// The protocol of `--userns-block-fd`: read the process id, write its maps, release it.
fn mapped_by_caller(name: &str, options: &str, release: &str) {
    for actor in [Actor::User, Actor::Root] {
        compare(name, actor, |tool, fixture| {
            let line = format!("R --unshare-user --userns-block-fd 7 --info-fd 9 {options} S");
            let args = words(&line).into_iter().map(|word| fixture.expand(&word));
            let launch = tool.launch(actor, args).dir(&fixture.path).fd(7, Fd::In).fd(9, Fd::Out);
            let mut box_ = launch.start();
            let info = box_.read_until(9, |text| text.contains('}'));
            let pid =
                info.split("\"child-pid\": ").nth(1).and_then(|rest| rest.split([',', '\n']).next()).expect("pid");
            let (uid, gid) = actor.ids().unwrap_or((nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw()));
            let write = |file: &str, text: String| fs::write(format!("/proc/{pid}/{file}"), text).expect("write a map");
            write("uid_map", format!("33 {uid} 1"));
            write("setgroups", "deny".into());
            write("gid_map", format!("44 {gid} 1"));
            if release.is_empty() {
                box_.end_feed(7);
            } else {
                box_.feed(7, release);
            }
            told(&box_.finish())
        });
    }
}

#[test]
fn maps_written_by_the_caller() {
    mapped_by_caller("caller-maps", "", "x");
    mapped_by_caller("caller-maps-end-of-file", "", "");
    mapped_by_caller("caller-maps-pidns", "--unshare-pid --proc /proc", "x");
    mapped_by_caller("caller-maps-uid", "--uid 5 --gid 6", "x");
    mapped_by_caller("caller-maps-dev", "--dev /dev --tmpfs /tmp", "x");
}
