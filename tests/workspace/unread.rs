//! Whoever should read what is said may never do: what the program has left is put in order all the same.

use std::io::{PipeWriter, Read, Write, pipe};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::Place;
use crate::support::{Actor, Fd, Launch, pinfold};

#[test]
fn lines_that_nobody_reads_stop_nothing() {
    let place = Place::new("unread-lines", Actor::User);
    place.repository("r");
    let (mut reader, writer) = pipe().unwrap();
    fill(&writer);
    let script = "git init -q s 2>/dev/null; echo x >s/.git/hooks/pre-commit; echo x >.envrc; ln -s /x .git/l
                  git -C s config core.pager x; echo /evil >.git/commondir";
    let dir = place.path.join("r");
    let launch = place.launch(&[], "r", script);
    let running = launch.fd(2, Fd::Given(Arc::new(writer.into()))).start();
    // The program makes them at some time, and they are gone at some time after that.
    wait_until(|| {
        let aside = ["hooks.from-sandbox/pre-commit", "config.from-sandbox", "config", "hooks"];
        let is_aside = aside.iter().all(|name| exists(&dir.join("s/.git").join(name)));
        is_aside && ["l", "commondir"].iter().all(|name| !exists(&dir.join(".git").join(name)))
    });
    // Now somebody reads, to the end.
    reader.read_to_end(&mut Vec::new()).unwrap();
    let outcome = running.finish();
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
}

#[test]
fn a_status_that_nobody_reads_stops_nothing() {
    let place = Place::new("unread-status", Actor::User);
    place.host(".", "mkdir r");
    let (mut reader, writer) = pipe().unwrap();
    let script = "while [ ! -e go ]; do sleep 0.01; done; mkdir -p s/objects s/refs s/hooks; : >s/HEAD; : >s/hooks/x";
    let dir = place.path.join("r");
    let words = ["run", "--json-status-fd", "3", "--", "/bin/sh", "-ec", script];
    let launch = place.as_author(Launch::program(pinfold(), Actor::User, &words)).dir(&dir);
    let running = launch.fd(3, Fd::Given(Arc::new(writer.try_clone().unwrap().into()))).start();
    // The line that comes before the program.
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        reader.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    fill(&writer);
    drop(writer);
    place.host("r", ": >go");
    wait_until(|| exists(&dir.join("s/hooks.from-sandbox/x")));
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    let (rest, outcome) = (String::from_utf8_lossy(&rest), running.finish());
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    assert!(rest.contains("{ \"exit-code\": 0 }\n") && rest.contains("\"settled\""), "{outcome}");
}

/// Waits for something that comes at some time, if it comes at all.
fn wait_until(is_done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_done() {
        assert!(Instant::now() < deadline, "nothing was put in order before somebody read");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Fills a pipe, so that whoever writes waits for a reader.
fn fill(mut writer: &PipeWriter) {
    fcntl(writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    for size in [4096, 1] {
        while writer.write(&vec![b'x'; size]).is_ok() {}
    }
    fcntl(writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
}
