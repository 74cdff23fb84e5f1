//! What was found after the run is told, whatever the program did to standard error; and where that cannot be, the exit
//! code says so.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::net::UdpSocket;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use serde_json::Value;

use crate::Place;
use crate::support::{Actor, Fd, Launch, Outcome, Tweak};

/// A script that leaves something to be found, and then does `more`.
fn found(more: &str) -> String {
    format!("mkdir .vscode && {more}")
}

const LINE: &str = "pinfold: new here, and obeyed later: .vscode (tasks that run when the folder is opened, programs \
                    that settings name)";

/// Runs it with `stderr`, and descriptor 5 for the status.
fn launch(place: &Place, more: &str, stderr: impl Into<OwnedFd>) -> Launch {
    let stderr = Fd::Given(Arc::new(stderr.into()));
    place.sh("--json-status-fd 5", &found(more)).fd(2, stderr).fd(5, Fd::Out)
}

fn status(outcome: &Outcome) -> Vec<Value> {
    let text = String::from_utf8(outcome.outs[&5].clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The program ended with 0, and standard error does not have what was found: the status has both.
fn assert_unsaid(outcome: &Outcome, what: &str) {
    assert_eq!(outcome.ending(), "exit 125", "{what}: {outcome}");
    let status = status(outcome);
    let has = |wanted: Value| assert!(status.contains(&wanted), "{what}: {status:?}");
    has(serde_json::json!({ "exit-code": 0 }));
    has(serde_json::json!({ "unsaid": 1 }));
    assert!(status.iter().any(|line| line["new"].is_array()), "{what}: {status:?}");
}

/// It is all there, and nothing but that is new: the exit code is the program's.
fn assert_said(outcome: &Outcome, text: &str, what: &str) {
    assert_eq!(outcome.ending(), "exit 0", "{what}: {outcome}");
    assert!(text.ends_with(&format!("{}\n", LINE)), "{what}: {text:?}");
    assert!(status(outcome).iter().all(|line| line["unsaid"].is_null()), "{what}: {outcome}");
}

#[test]
fn a_socket_that_was_shut_down_costs_the_exit_code() {
    for (index, way) in ["shut-both", "shut-writing"].into_iter().enumerate() {
        let place = Place::new(&format!("report-socket-{index}"), Actor::User);
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let outcome = launch(&place, &format!("/probe spoil {way} 2"), theirs).run();
        assert_unsaid(&outcome, way);
        let mut said = String::new();
        ours.read_to_string(&mut said).unwrap();
        assert_eq!(said, "", "{way}");
    }
    let place = Place::new("report-socket", Actor::User);
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let outcome = launch(&place, "/probe spoil no-waiting 2", theirs).run();
    let mut said = String::new();
    ours.read_to_string(&mut said).unwrap();
    assert_said(&outcome, &said, "no-waiting");
}

/// A program can connect a socket of the network to somebody else, and set one so that what is written never leaves.
#[test]
fn a_socket_of_the_network_costs_the_exit_code() {
    let reader = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    reader.set_nonblocking(true).unwrap();
    other.set_nonblocking(true).unwrap();
    let connected = || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(reader.local_addr().unwrap()).unwrap();
        socket
    };
    let port = other.local_addr().unwrap().port();
    let away = format!("perl -MSocket -e 'connect(STDERR, sockaddr_in({port}, INADDR_LOOPBACK)) or exit 1'");
    let nowhere = r#"perl -e 'connect(STDERR, pack("S x14", 0)) or exit 1'"#;
    let box_of = |place: &Place, more: &str| {
        let stderr = Fd::Given(Arc::new(connected().into()));
        place.sh("--net host --json-status-fd 5", &found(more)).fd(2, stderr).fd(5, Fd::Out).run()
    };
    for (index, more) in [away.as_str(), nowhere].into_iter().enumerate() {
        let place = Place::new(&format!("report-elsewhere-{index}"), Actor::User);
        assert_unsaid(&box_of(&place, more), more);
        let mut packet = [0; 4096];
        assert!(reader.recv(&mut packet).is_err() && other.recv(&mut packet).is_err(), "{more}");
    }
    let place = Place::new("report-as-it-was", Actor::User);
    let outcome = box_of(&place, "true");
    let mut packet = [0; 4096];
    let mut text = String::new();
    while let Ok(length) = reader.recv(&mut packet) {
        text.push_str(std::str::from_utf8(&packet[..length]).unwrap());
    }
    assert_unsaid(&outcome, "as it was");
    // It is tried all the same.
    assert!(text.contains("hooks.from-sandbox") || text.contains("obeyed later"), "{text}");
    // UDP_CORK: the kernel keeps what is written, and drops it with the last descriptor.
    let place = Place::new("report-corked", Actor::User);
    let outcome = box_of(&place, r#"perl -e 'setsockopt(STDERR, 17, 1, 1) or exit 1'"#);
    assert_unsaid(&outcome, "corked");
}

/// The end of the file is found wherever the program left the offset, and who writes next does not write over it.
#[test]
fn a_file_has_it_at_its_end() {
    for (index, (append, more)) in [
        (true, "echo text >&2; /probe spoil rewind 2"),
        (false, "echo text >&2; /probe spoil rewind 2"),
        (false, "echo text >&2; /probe spoil rewind 2; /probe spoil closed-to-all 2; /probe spoil no-waiting 2"),
        (false, "echo text >&2; /probe spoil packets 2 || true"),
    ]
    .into_iter()
    .enumerate()
    {
        let place = Place::new(&format!("report-file-{index}"), Actor::User);
        let path = place.file("log", "before\n");
        let mut file = OpenOptions::new().read(true).write(true).append(append).open(&path).unwrap();
        file.seek(std::io::SeekFrom::End(0)).unwrap();
        let outcome = launch(&place, more, file.try_clone().unwrap()).run();
        file.write_all(b"after\n").unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let text = text.strip_suffix("after\n").unwrap_or_else(|| panic!("{more}: {text:?}"));
        assert!(text.starts_with("before\ntext\n"), "{more}: {text:?}");
        assert_said(&outcome, text, more);
    }
}

/// Where the program can reach the file, it can put another one in its place.
#[test]
fn a_file_that_was_taken_away_costs_the_exit_code() {
    for (index, more) in
        ["rm log && echo fine >log", "mv log other", "echo fine >x && mv x log"].into_iter().enumerate()
    {
        let place = Place::new(&format!("report-gone-{index}"), Actor::User);
        let log = File::options().append(true).open(place.file("project/log", "")).unwrap();
        assert_unsaid(&launch(&place, more, log).run(), more);
    }
    // One without a name never had one.
    let place = Place::new("report-nameless", Actor::User);
    let path = place.file("log", "");
    let mut log = File::options().read(true).write(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let outcome = launch(&place, "true", log.try_clone().unwrap()).run();
    let mut text = String::new();
    log.rewind().unwrap();
    log.read_to_string(&mut text).unwrap();
    assert_said(&outcome, &text, "nameless");
}

/// It is written, but nobody would get to it.
#[test]
fn a_hole_before_it_costs_the_exit_code() {
    let place = Place::new("report-hole", Actor::User);
    let path = place.file("log", "");
    let log = File::options().append(true).open(&path).unwrap();
    let outcome = launch(&place, "echo text >&2; /probe spoil hole 2", log).run();
    assert_unsaid(&outcome, "hole");
    assert!(std::fs::metadata(&path).unwrap().len() > 1 << 40, "{outcome}");
}

#[test]
fn a_full_pipe_makes_nobody_wait_for_ever() {
    let place = Place::new("report-pipe", Actor::User);
    // Nobody reads, but somebody could: the end is held open.
    let (_reader, writer) = nix::unistd::pipe().unwrap();
    assert_unsaid(&launch(&place, "/probe spoil fill 2", writer).run(), "full");
    for (index, way) in ["no-waiting", "packets"].into_iter().enumerate() {
        let place = Place::new(&format!("report-pipe-{index}"), Actor::User);
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let outcome = launch(&place, &format!("/probe spoil {way} 2"), writer).run();
        // In small pieces: of a packet, the rest would be lost.
        let mut text = Vec::new();
        let mut byte = [0];
        while nix::unistd::read(&reader, &mut byte).unwrap() > 0 {
            text.push(byte[0]);
        }
        assert_said(&outcome, &String::from_utf8(text).unwrap(), way);
    }
}

/// A pager reads on when somebody turns the page.
#[test]
fn a_full_pipe_gets_room() {
    let place = Place::new("report-room", Actor::User);
    let (reader, writer) = nix::unistd::pipe().unwrap();
    let more = "head -c 65536 /dev/zero >&2";
    let outcome = launch(&place, more, writer).run();
    let mut text = String::new();
    File::from(reader).read_to_string(&mut text).unwrap();
    assert_said(&outcome, &text, more);
}

#[test]
fn what_nobody_hears_costs_the_exit_code() {
    let place = Place::new("report-closed", Actor::User);
    let closed = place.sh("--json-status-fd 5", &found("true")).fd(2, Fd::Closed).fd(5, Fd::Out).run();
    assert_unsaid(&closed, "closed");
    let place = Place::new("report-reader", Actor::User);
    let (reader, writer) = nix::unistd::pipe().unwrap();
    drop(reader);
    assert_unsaid(&launch(&place, "true", writer).run(), "no reader");
    // Where nothing was found, there is nothing to hear.
    let place = Place::new("report-nothing", Actor::User);
    assert_eq!(place.sh("", "exit 3").fd(2, Fd::Closed).run().ending(), "exit 3");
}

/// The program can have another descriptor of where the status goes.
#[test]
fn a_status_that_does_not_arrive_costs_the_exit_code() {
    for (index, (more, wait)) in
        [("/probe spoil shut-both 6", false), ("/probe spoil fill 6", true)].into_iter().enumerate()
    {
        let place = Place::new(&format!("report-status-{index}"), Actor::User);
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let _open = (ours, reader);
        let given = Fd::Given(Arc::new(if wait { writer } else { theirs.into() }));
        let outcome = place.sh("--json-status-fd 5 --keep-fd 6", &found(more)).fd(5, given.clone()).fd(6, given).run();
        assert_eq!(outcome.ending(), "exit 125", "{more}: {outcome}");
        let said = outcome.stderr_text();
        assert!(said.contains(LINE) && said.contains("cannot write the report"), "{more}: {said}");
    }
}

/// What a terminal got, when all that is below has ended.
fn on_terminal(place: &Place, script: &str) -> (Outcome, String) {
    let pty = nix::pty::openpty(None, None).expect("a pseudo-terminal");
    let slave = Arc::new(pty.slave);
    let launch = place.sh("--json-status-fd 5 --seccomp off", script).fd(5, Fd::Out).fd(0, Fd::Given(slave.clone()));
    let outcome = launch.fd(2, Fd::Given(slave.clone())).tweak(Tweak::Terminal).run();
    (outcome, read_terminal(pty.master, slave))
}

fn read_terminal(master: OwnedFd, slave: Arc<OwnedFd>) -> String {
    drop(slave);
    let mut text = Vec::new();
    // Once nobody has the other side any more, the end is EIO.
    assert!(File::from(master).read_to_end(&mut text).is_err());
    String::from_utf8(text).unwrap()
}

#[test]
fn a_terminal_shows_it() {
    for (index, more) in [
        r"printf '\033[8m\033[?1049h' >&2",
        "/probe spoil no-discipline 2",
        "/probe spoil stop 2",
        "/probe spoil no-waiting 2",
        "stty -opost tostop",
    ]
    .into_iter()
    .enumerate()
    {
        let place = Place::new(&format!("report-terminal-{index}"), Actor::User);
        let (outcome, text) = on_terminal(&place, &found(more));
        assert_eq!(outcome.ending(), "exit 0", "{more}: {outcome}\n{text:?}");
        let end = format!("\r\n\x1b[J{}", LINE);
        let (before, after) = text.split_once(&end).unwrap_or_else(|| panic!("{more}: {text:?}"));
        assert!(["\r\n", "\r\r\n"].contains(&after), "{more}: {text:?}");
        for part in ["\x1b[?1049l", "\x1b[!p", "\x1b[0m", "\x1b(B\x0f"] {
            assert!(before.contains(part), "{more}: {part:?} is missing in {text:?}");
        }
        // A place of the cursor that was saved brings its attributes back.
        assert!(before.rfind("\x1b8") < before.rfind("\x1b[0m"), "{text:?}");
    }
    // Nothing at all where nothing was found.
    let place = Place::new("report-terminal", Actor::User);
    let (outcome, text) = on_terminal(&place, "printf '\\033[8m' >&2");
    assert_eq!((outcome.ending().as_str(), text.as_str()), ("exit 0", "\x1b[8m"));
}

/// In the background of a terminal where such processes are stopped when they write (`stty tostop`).
#[test]
fn nothing_in_the_background_is_stopped_by_speaking() {
    let place = Place::new("report-background", Actor::User);
    let pty = nix::pty::openpty(None, None).expect("a pseudo-terminal");
    let mut modes = tcgetattr(&pty.slave).unwrap();
    modes.local_flags.insert(LocalFlags::TOSTOP);
    tcsetattr(&pty.slave, SetArg::TCSANOW, &modes).unwrap();
    let slave = Arc::new(pty.slave);
    // A shell with job control makes a group of its own for what is in the background.
    let script = format!("set -m; {} run -- sh -c 'mkdir .vscode' & wait $!", crate::support::pinfold().display());
    let given = || Fd::Given(slave.clone());
    let shell = Launch::program(std::path::Path::new("/bin/sh"), place.actor, &["-c", &script]);
    let shell = shell.dir(&place.project).env("HOME", place.home.to_str().unwrap());
    let outcome = shell.fd(0, given()).fd(2, given()).tweak(Tweak::Terminal).run();
    let text = read_terminal(pty.master, slave);
    assert_eq!(outcome.ending(), "exit 0", "{outcome}\n{text}");
    assert!(text.contains(LINE), "{text:?}");
}
