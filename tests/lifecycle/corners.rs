//! What a review of the finished engine found: each was wrong once.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use nix::fcntl::{FcntlArg, fcntl};

use crate::support::running::DEADLINE;
use crate::support::{Actor, Fd, Fixture, Launch, TYPICAL, executable, inside, line, tool};

/// The setup process ends with a packet unread, which the kernel tells the supervisor before what that had to say.
#[test]
fn what_failed_inside_is_what_is_said() {
    for _ in 0..60 {
        let outcome = inside(Actor::User, &format!("{TYPICAL} --ro-bind /nonexistent /x"), &["true"]).run();
        assert!(outcome.stderr_text().starts_with("bwrap: Can't find source path /nonexistent: "), "{outcome}");
    }
}

/// Callers read the whole report, to its end, before they let the box begin.
#[test]
fn a_report_ends_before_the_box_begins() {
    let options = format!("{TYPICAL} --info-fd 8 --block-fd 9");
    let mut waiting = inside(Actor::User, &options, &["true"]).fd(8, Fd::Out).fd(9, Fd::In).start();
    waiting.read_until(8, |said| said.contains('}'));
    let deadline = Instant::now() + DEADLINE;
    while waiting.is_held(8) {
        assert!(Instant::now() < deadline, "somebody holds the report open while the box waits");
        std::thread::yield_now();
    }
    waiting.end_feed(9);
    assert_eq!(waiting.finish().ending(), "exit 0");
}

/// A POSIX lock would end when any other descriptor of its file is closed, one that the caller left open for instance.
#[test]
fn a_lock_outlives_other_descriptors_of_its_file() {
    let fixture = Fixture::new("lock-twice", Actor::User);
    let path = fixture.path.join("lock-me");
    fs::write(&path, "").expect("make a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).expect("open it to all");
    let options = format!("--bind / / --unshare-pid --lock-file {}", path.display());
    let launch = inside(Actor::User, &options, &["sh", "-c", "echo up; read end"]).files(&fixture.path);
    let mut running = launch.fd(0, Fd::In).fd(9, Fd::Open("lock-me")).start();
    running.read_until(1, |said| said.contains("up"));
    let file = fs::File::options().write(true).open(&path).expect("open the file");
    let wanted =
        libc::flock { l_type: libc::F_WRLCK as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 };
    // The descriptors that init does not need are closed at some time after the program has started.
    for _ in 0..200 {
        assert!(fcntl(&file, FcntlArg::F_SETLK(&wanted)).is_err(), "the lock is gone");
        std::thread::yield_now();
    }
    running.end_feed(0);
    assert_eq!(running.finish().ending(), "exit 1");
    // Init ends some time after the tool.
    let deadline = Instant::now() + DEADLINE;
    while fcntl(&file, FcntlArg::F_SETLK(&wanted)).is_err() {
        assert!(Instant::now() < deadline, "somebody holds the lock still");
        std::thread::yield_now();
    }
}

/// Of the file of the program, not of its caller: such a copy could be told to give away what only root may read.
#[test]
fn a_setuid_copy_does_nothing() {
    if !Actor::Root.here() {
        return;
    }
    let fixture = Fixture::new("setuid", Actor::Root);
    fs::set_permissions(&fixture.path, fs::Permissions::from_mode(0o755)).expect("let others in");
    let copy = fixture.path.join("bwrap");
    executable::copy(tool().path(), &copy);
    for mode in [0o4755, 0o2755] {
        fs::set_permissions(&copy, fs::Permissions::from_mode(mode)).expect("make it setuid");
        let words = line("--ro-bind / /", &["true"]);
        let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        let outcome = Launch::program(&copy, Actor::User, &words).run();
        assert_eq!(outcome.ending(), "exit 1");
        assert!(outcome.stderr_text().contains("setuid"), "{mode:o} {outcome}");
    }
}

/// A box can leave one in a directory that it keeps, and the next would wait for its reader for ever.
#[test]
fn a_fifo_as_the_destination_of_a_file_is_an_error() {
    let fixture = Fixture::new("fifo", Actor::User);
    let fifo = fixture.path.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o666)).expect("make a fifo");
    fs::set_permissions(&fifo, fs::Permissions::from_mode(0o666)).expect("open it to all");
    let outcome = inside(Actor::User, &format!("--bind / / --file 9 {}", fifo.display()), &["true"]);
    let outcome = outcome.fd(9, Fd::Text("text")).run();
    assert!(outcome.stderr_text().starts_with("bwrap: Can't create file "), "{outcome}");
}

/// What overlays and data are made from does not show, and does not change when the root is remounted.
#[test]
fn scratch_is_out_of_sight() {
    let fixture = Fixture::new("scratch", Actor::User);
    let layer = fixture.path.display();
    let options = format!(
        "{TYPICAL} --overlay-src {layer} --tmp-overlay /mnt --tmpfs /etc --remount-ro / \
                           --ro-bind-data 9 /etc/data"
    );
    let script = "ls -A / && echo new >/mnt/new && cat /mnt/new /etc/data";
    let said = inside(Actor::User, &options, &["sh", "-c", script]).fd(9, Fd::Text("data")).run().done();
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!(words, ["bin", "dev", "etc", "lib", "lib64", "mnt", "probe", "proc", "tmp", "usr", "new", "data"]);
}

/// More layers than fit into one option of fsconfig(2).
#[test]
fn an_overlay_may_have_many_layers() {
    let fixture = Fixture::new("layers", Actor::User);
    let mut options = "--ro-bind / /".to_owned();
    for number in 0..40 {
        let layer = fixture.path.join(format!("layer-{number}"));
        fs::create_dir(&layer).expect("make a layer");
        fs::write(layer.join(number.to_string()), "").expect("fill a layer");
        options.push_str(&format!(" --overlay-src {}", layer.display()));
    }
    let said = inside(Actor::User, &format!("{options} --ro-overlay /mnt"), &["ls", "/mnt"]).run().done();
    assert_eq!(said.lines().count(), 40, "{said}");
}
