//! What takes several processes: who lives on, who is killed, what is told when. Nothing here waits for time to pass:
//! the processes inside say that they are ready on a pipe, end at the end of another, and are watched through pidfds.

use std::time::{Duration, Instant};

use std::fs::File;
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::case::words;
use crate::run::compare;
use crate::support::running::{gone, lives, pidfd};
use crate::support::{Actor, Fd, Fixture, Running, Tool, normal};

/// What one launch told, by name.
type Told = Vec<(String, String)>;

/// Descriptors of every launch here: the first process inside ends with 7, says `ready` on 8; 9 is `--info-fd`.
const END: i32 = 7;
const READY: i32 = 8;
const INFO: i32 = 9;

/// The line up to the command: `--info-fd` and a pipe for each of the others.
fn start(tool: &Tool, actor: Actor, fixture: &Fixture, line: &str) -> Running {
    let line = format!("--info-fd 9 {line}");
    let args = words(&line).into_iter().map(|word| fixture.expand(&word));
    let launch = tool.launch(actor, args).files(&fixture.path).dir(&fixture.path);
    launch.fd(END, Fd::In).fd(READY, Fd::Out).fd(INFO, Fd::Out).start()
}

/// A handle on the process that `--info-fd` names: init, or the command where there is none.
fn told_process(running: &mut Running) -> OwnedFd {
    pidfd(told_pid(running)).expect("the process that --info-fd names")
}

fn told_pid(running: &mut Running) -> i32 {
    let info = running.read_until(INFO, |text| text.contains('}'));
    let number = info.split("\"child-pid\": ").nth(1).and_then(|rest| rest.split([',', '\n']).next());
    number.and_then(|number| number.trim().parse().ok()).expect("child-pid in --info-fd")
}

fn ready(running: &mut Running) {
    running.read_until(READY, |text| text.contains("ready"));
}

fn told(parts: &[(&str, String)]) -> Told {
    parts.iter().map(|(what, text)| ((*what).to_owned(), text.clone())).collect()
}

fn both(name: &str, script: impl Fn(&Tool, &Fixture, Actor) -> Told) {
    for actor in [Actor::User, Actor::Root] {
        compare(name, actor, |tool, fixture| script(tool, fixture, actor));
    }
}

#[test]
fn background_processes_outlive_the_command_with_init() {
    both("background", |tool, fixture, actor| {
        let mut box_ = start(tool, actor, fixture, "--dev-bind / / --unshare-pid sh -c '{probe} pause 7 >&8 & exit 3'");
        ready(&mut box_);
        let init = told_process(&mut box_);
        let status = box_.wait();
        let after = lives(&init);
        box_.end_feed(END);
        let ended = gone(&init);
        told(&[("status", status.to_string()), ("init lives", after.to_string()), ("init ends", ended.to_string())])
    });
}

/// The command waits; `signal` goes to the monitor. Tells how the monitor ends and whether the box lives on.
fn signal_to_monitor(
    tool: &Tool,
    fixture: &Fixture,
    actor: Actor,
    options: &str,
    signal: Signal,
    killed: bool,
) -> Told {
    let mut box_ = start(tool, actor, fixture, &format!("R {options} sh -c '{{probe}} pause 7 >&8; exit 5'"));
    ready(&mut box_);
    let inside = told_process(&mut box_);
    kill(Pid::from_raw(box_.pid()), signal).expect("signal the monitor");
    let status = box_.wait();
    // A box that is to be killed is waited for; one that is to live on must live now.
    let state = if killed { !gone(&inside) } else { lives(&inside) };
    box_.end_feed(END);
    let ended = gone(&inside);
    told(&[("status", status.to_string()), ("lives on", state.to_string()), ("ends", ended.to_string())])
}

#[test]
fn term_kills_only_the_monitor() {
    both("term", |tool, fixture, actor| {
        signal_to_monitor(tool, fixture, actor, "--unshare-pid", Signal::SIGTERM, false)
    });
    both("term-no-pidns", |tool, fixture, actor| signal_to_monitor(tool, fixture, actor, "", Signal::SIGTERM, false));
    both("kill-monitor", |tool, fixture, actor| {
        signal_to_monitor(tool, fixture, actor, "--unshare-pid", Signal::SIGKILL, false)
    });
}

#[test]
fn die_with_parent_takes_the_box_along() {
    both("term-die", |tool, fixture, actor| {
        signal_to_monitor(tool, fixture, actor, "--unshare-pid --die-with-parent", Signal::SIGTERM, true)
    });
    both("kill-die", |tool, fixture, actor| {
        signal_to_monitor(tool, fixture, actor, "--die-with-parent", Signal::SIGKILL, true)
    });
    both("kill-die-as-pid-1", |tool, fixture, actor| {
        let options = "--unshare-pid --as-pid-1 --die-with-parent";
        signal_to_monitor(tool, fixture, actor, options, Signal::SIGKILL, true)
    });
}

#[test]
fn init_killed_from_outside_is_reported() {
    both("kill-init-outside", |tool, fixture, actor| {
        let line = "--info-fd 9 --json-status-fd 6 R --unshare-pid sh -c '{probe} pause 7 >&8'";
        let args = words(line).into_iter().map(|word| fixture.expand(&word));
        let launch = tool.launch(actor, args).fd(END, Fd::In).fd(READY, Fd::Out).fd(INFO, Fd::Out).fd(6, Fd::Out);
        let mut box_ = launch.start();
        ready(&mut box_);
        let pid = told_pid(&mut box_);
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("kill init");
        let outcome = box_.finish();
        let json = String::from_utf8_lossy(&outcome.outs[&6]).into_owned();
        let last = json.lines().last().unwrap_or_default().to_owned();
        told(&[("ending", outcome.ending()), ("last line", last), ("lines", json.lines().count().to_string())])
    });
}

#[test]
fn json_tells_of_the_start_while_the_command_runs() {
    both("json-early", |tool, fixture, actor| {
        let line = "--json-status-fd 6 R sh -c '{probe} pause 7 >&8; exit 9'";
        let args = words(line).into_iter().map(|word| fixture.expand(&word));
        let mut box_ = tool.launch(actor, args).fd(END, Fd::In).fd(READY, Fd::Out).fd(6, Fd::Out).start();
        ready(&mut box_);
        let first = box_.read_until(6, |text| text.ends_with('\n'));
        box_.end_feed(END);
        let outcome = box_.finish();
        let json = String::from_utf8_lossy(&outcome.outs[&6]).into_owned();
        told(&[("first", first.lines().count().to_string()), ("rest", json[first.len()..].to_owned())])
    });
}

#[test]
fn block_fd_holds_the_command_back() {
    both("block", |tool, fixture, actor| {
        let mut box_ = start(tool, actor, fixture, "--bind / / --block-fd 7 cat late");
        told_process(&mut box_);
        // Made after the setup and before the release: the command finds it only if it waited.
        std::fs::write(fixture.path.join("late"), "came late\n").expect("write a file");
        box_.feed(END, "x");
        let outcome = box_.finish();
        told(&[("ending", outcome.ending()), ("stdout", outcome.stdout_text()), ("stderr", outcome.stderr_text())])
    });
}

#[test]
fn sync_fd_is_held_until_the_last_process_ends() {
    both("sync", |tool, fixture, actor| {
        let line = "--dev-bind / / --unshare-pid --sync-fd 6 sh -c '{probe} pause 7 >&8 & exit 0'";
        let args = words(&format!("--info-fd 9 {line}")).into_iter().map(|word| fixture.expand(&word));
        let launch = tool.launch(actor, args).fd(END, Fd::In).fd(READY, Fd::Out).fd(INFO, Fd::Out).fd(6, Fd::Out);
        let mut box_ = launch.start();
        ready(&mut box_);
        let init = told_process(&mut box_);
        let status = box_.wait();
        let held = box_.is_held(6);
        box_.end_feed(END);
        let ended = gone(&init);
        told(&[("status", status.to_string()), ("held", held.to_string()), ("ended", ended.to_string())])
    });
}

#[test]
fn lock_is_held_until_the_last_process_ends() {
    both("lock-background", |tool, fixture, actor| {
        let line = "--dev-bind / / --unshare-pid --lock-file {d}/file sh -c '{probe} pause 7 >&8 & exit 0'";
        let mut box_ = start(tool, actor, fixture, line);
        ready(&mut box_);
        let init = told_process(&mut box_);
        let status = box_.wait();
        let locked = lock(fixture);
        box_.end_feed(END);
        gone(&init);
        told(&[("status", status.to_string()), ("locked", locked), ("after", lock(fixture))])
    });
}

/// Asks for a lock that this process holds. Tells whether the command has left its mark.
fn lock_in_vain(tool: &Tool, fixture: &Fixture, actor: Actor, options: &str) -> Told {
    let file = File::options().write(true).open(fixture.path.join("file")).expect("open the file");
    fcntl(&file, FcntlArg::F_SETLK(&whole(libc::F_WRLCK))).expect("lock the file");
    let line = format!("--bind / / {options} --lock-file {{d}}/file {{probe}} write {{d}}/ran");
    let args = words(&line).into_iter().map(|word| fixture.expand(&word));
    let outcome = tool.launch(actor, args).dir(&fixture.path).run();
    let ran = fixture.path.join("ran").exists().to_string();
    told(&[("ending", outcome.ending()), ("stderr", normal::stderr(&outcome.stderr_text())), ("command ran", ran)])
}

#[test]
fn lock_that_another_holds_is_an_error() {
    both("lock-busy", |tool, fixture, actor| lock_in_vain(tool, fixture, actor, ""));
}

/// In a pid namespace bubblewrap's command may or may not have run by then, so there is nothing to compare with.
#[test]
fn no_lock_no_command() {
    for options in ["", "--unshare-pid"] {
        let fixture = Fixture::new("no-lock", Actor::User);
        let told = lock_in_vain(crate::support::tool(), &fixture, Actor::User, options);
        let text = |what: &str| told.iter().find(|(name, _)| name == what).map(|(_, text)| text.clone()).expect("told");
        assert_eq!(text("ending"), "exit 1");
        assert_eq!(text("command ran"), "false");
        let file = fixture.expand("{d}/file");
        assert_eq!(text("stderr"), format!("bwrap: Unable to lock file {file}: Resource temporarily unavailable\n"));
    }
}

fn whole(kind: i32) -> libc::flock {
    libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 }
}

/// Whether someone else has locked the fixture's file.
fn lock(fixture: &Fixture) -> String {
    let file = File::open(fixture.path.join("file")).expect("open the file");
    let mut lock = whole(libc::F_WRLCK);
    fcntl(&file, FcntlArg::F_GETLK(&mut lock)).expect("ask for a lock");
    (i32::from(lock.l_type) != libc::F_UNLCK).to_string()
}

#[test]
fn init_keeps_only_what_it_needs() {
    let script = |tool: &Tool, fixture: &Fixture| {
        let line = "--info-fd 9 R --unshare-pid --sync-fd 6 --block-fd 10 --ro-bind-data 11 {d}/file {probe} pause 7";
        let args = words(line).into_iter().map(|word| fixture.expand(&word));
        let given = [(6, Fd::Text("")), (10, Fd::Text("x")), (11, Fd::Text("")), (12, Fd::Text(""))];
        let launch =
            given.into_iter().fold(tool.launch(Actor::User, args), |launch, (number, fd)| launch.fd(number, fd));
        let mut box_ = launch.fd(END, Fd::In).fd(INFO, Fd::Out).start();
        box_.read_until(1, |text| text.contains("ready"));
        let pid = told_pid(&mut box_);
        let held = |fd: &i32| std::fs::symlink_metadata(format!("/proc/{pid}/fd/{fd}")).is_ok();
        // The program may run before init has closed what it does not need: that passes, or the comparison fails.
        let deadline = Instant::now() + Duration::from_secs(10);
        let held_now = || -> Vec<i32> { [0, 1, 2, 6, 7, 9, 10, 11, 12].into_iter().filter(&held).collect() };
        while held_now().len() > 4 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let held = held_now();
        told(&[("held", format!("{held:?}"))])
    };
    // Only root may look at another process's descriptors.
    if Actor::Root.here() {
        compare("init-fds", Actor::User, script);
    }
}

#[test]
fn console_is_the_terminal_of_stdout() {
    both("console", |tool, fixture, actor| {
        let pty = nix::pty::openpty(None, None).expect("a pseudo-terminal");
        let slave = std::sync::Arc::new(pty.slave);
        let line = "R --dev /dev sh -c 'tty >&6; ls -l /dev/console | cut -c1 >&6; tty </dev/console >&6'";
        let args = words(line).into_iter().map(|word| fixture.expand(&word));
        let launch = tool.launch(actor, args).fd(0, Fd::Given(slave.clone())).fd(1, Fd::Given(slave)).fd(6, Fd::Out);
        let outcome = launch.run();
        let said = String::from_utf8_lossy(&outcome.outs[&6]).into_owned();
        told(&[("ending", outcome.ending()), ("said", said), ("stderr", outcome.stderr_text())])
    });
}
