//! The second wall, through the front door: it stands, it can be left out, and it can stand alone.

use std::fs;

use crate::support::{Actor, probe};
use crate::{Place, actors};

/// Whoever could change the mounts meets Landlock.
#[test]
fn behind_the_mounts_stands_another_wall() {
    for actor in actors() {
        let place = Place::new("landlock-wall", actor);
        place.file("data/file", "of the host\n");
        let data = place.home.join("data");
        let shown = format!("--ro {}:/data --seccomp off --cap-add CAP_SYS_ADMIN --allow-userns", data.display());
        // With the capability for it and no filter, the first wall gives way: mount_setattr(2) asks no security module.
        let through = |options: &str| {
            let script = "/probe remount-rw /data; (echo x > /data/new) 2>/dev/null && echo written || echo kept";
            place.sh(&format!("{shown} {options}"), script).run().done()
        };
        assert_eq!(through(""), "writable\nkept\n");
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1);
        assert_eq!(through("--landlock off"), "writable\nwritten\n");
        fs::remove_file(data.join("new")).unwrap();
    }
}

/// A fifo on a read-only mount can be written to, as far as the mount is concerned (mount(8)); not under the rules.
#[test]
fn a_fifo_that_is_shown_read_only_cannot_be_written_to() {
    for actor in actors() {
        let place = Place::new("landlock-fifo", actor);
        place.file("data/x", "");
        let fifo = place.home.join("data/fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        place.own(&fifo);
        let _reader = fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
        let write = |options: &str| {
            let options = format!("--ro {}:/data {options}", place.home.join("data").display());
            place.run(&options, &["/probe", "write", "/data/fifo"]).run()
        };
        assert_eq!(write("").refused(), libc::EACCES);
        write("--landlock off").done();
    }
}

#[test]
fn a_dry_run_shows_the_rules() {
    let place = Place::new("landlock-shown", Actor::User);
    let shown = |options: &str| {
        let text = place.sh(&format!("--dry-run {options}"), "true").run().done();
        text.lines().filter(|line| line.starts_with("landlock")).map(str::to_owned).collect::<Vec<_>>()
    };
    let project = place.project.display().to_string();
    let lines = shown("");
    assert!(lines.iter().any(|line| line.contains(&project) && line.contains("WriteFile")), "{lines:?}");
    let more = shown("--net host --tcp-connect 80");
    assert!(more.contains(&"landlock      TCP ports to connect to: 80".to_owned()), "{more:?}");
    assert!(more.len() > lines.len() + 1, "the scopes");
    assert_eq!(shown("--landlock off"), [""; 0]);
}

/// No namespace at all: what is granted works, the rest of the host is shut.
#[test]
fn landlock_alone_keeps_the_host_shut() {
    for actor in actors() {
        let place = Place::new("landlock-only", actor);
        place.file("data/file", "of the host\n");
        place.file("secret", "secret\n");
        fs::set_permissions(place.home.join("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
        let (data, probe) = (place.home.join("data").display().to_string(), probe().display().to_string());
        let system = ["/usr", "/bin", "/lib", "/lib64"].map(|dir| format!("--ro-try {dir}")).join(" ");
        let options = format!(
            "--profile none --landlock only --best-effort --net host --share ipc {system} --ro {probe} --ro {data}"
        );
        let run = |command: &[&str]| {
            let words: Vec<&str> = ["run"].into_iter().chain(options.split_whitespace()).chain(["--"]).collect();
            place.pinfold(&[&words[..], command].concat()).run()
        };
        assert_eq!(run(&[&probe, "cat", &format!("{data}/file")]).done(), "of the host\n");
        let secret = place.home.join("secret").display().to_string();
        assert_eq!(run(&[&probe, "cat", &secret]).refused(), libc::EACCES);
        assert_eq!(run(&[&probe, "write", &secret]).refused(), libc::EACCES);
        assert_eq!(run(&[&probe, "write", &format!("{data}/file")]).refused(), libc::EACCES);
        assert_eq!(run(&[&probe, "cat", "/etc/passwd"]).refused(), libc::EACCES);
        // Nobody outside can be signalled, and the filter is there as ever.
        assert_eq!(run(&[&probe, "kill", &std::process::id().to_string(), "0"]).refused(), libc::EPERM);
        assert_eq!(run(&[&probe, "mount", "/tmp"]).refused(), libc::EPERM);
        assert_eq!(run(&[&probe, "syscall", "425", "1"]).refused(), libc::ENOSYS);
    }
}

/// What it cannot do is refused by name, line by line, and nothing runs.
#[test]
fn what_landlock_alone_cannot_do_is_named() {
    let place = Place::new("landlock-named", Actor::User);
    let closed = ["run", "--profile", "none", "--landlock", "only", "--best-effort", "/bin/true"];
    let outcome = place.pinfold(&closed).run();
    assert_eq!(outcome.ending(), "exit 126", "{outcome}");
    assert!(outcome.stderr_text().contains("no rule of Landlock"), "{outcome}");
    let outcome = place.sh("--landlock only --hostname box", "echo it ran").run();
    assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{outcome}");
    assert!(outcome.stderr_text().contains("--landlock only"), "{outcome}");
    let outcome = place.sh("--landlock only --deny /etc/hosts", "echo it ran; touch ran").run();
    assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{outcome}");
    let said = outcome.stderr_text();
    assert!(said.starts_with("pinfold: this cannot be enforced here:\n  "), "{said}");
    for what in ["network namespace", "tmpfs on /tmp", "deny /etc/hosts"] {
        assert!(said.lines().any(|line| line.trim_start().starts_with(what)), "{what}: {said}");
    }
    assert!(said.lines().last().unwrap().starts_with("hint: --best-effort"), "{said}");
    assert!(!place.project.join("ran").exists());
}
