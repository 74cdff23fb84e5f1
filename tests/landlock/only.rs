//! The only wall: no namespace, no mount, no capability.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use crate::support::{Actor, Fixture, Launch, Outcome, probe};
use crate::{actors, errno, through};

/// What a program needs, at the place where the host has it. The kernels of today leave something open that is named:
/// `best-effort` takes that.
const SYSTEM: &str = "only best-effort ro /usr /usr ro /bin /bin ro /lib /lib ro /lib64 /lib64 ro {probe} {probe}";

fn alone(actor: Actor, wishes: &str, command: &[&str]) -> Outcome {
    let probe = probe().display().to_string();
    let command: Vec<&str> = command.iter().map(|&word| if word == "/probe" { &probe } else { word }).collect();
    through(actor, &format!("{SYSTEM} {wishes}"), &command).run()
}

#[test]
fn what_is_granted_works_and_the_rest_of_the_host_is_shut() {
    for actor in actors() {
        let fixture = Fixture::new("landlock-only", actor);
        fixture.refill();
        let dir = fixture.expand("{d}");
        let secret = format!("{dir}-secret");
        std::fs::write(&secret, "secret").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o666)).unwrap();
        let grant = format!("rw {dir} {dir} rw-try /does-not-exist /does-not-exist chdir {dir}");
        let work = "mkdir -p a/b; echo x > a/f; mv a/f a/b/g; cat a/b/g; rm -r a; exit 7";
        let said = alone(actor, &grant, &["/bin/sh", "-ec", work]);
        assert_eq!((said.ending().as_str(), said.stdout_text().as_str()), ("exit 7", "x\n"), "{said}");
        Launch::program(probe(), actor, &["cat", &secret]).run().done();
        for words in [&["cat", &secret[..]][..], &["write", &secret, "x"], &["cat", "/etc/passwd"]] {
            let words: Vec<&str> = ["/probe"].into_iter().chain(words.iter().copied()).collect();
            assert_eq!(alone(actor, &grant, &words).refused(), errno::ACCESS, "{words:?}");
        }
        let missing = alone(actor, "ro /does-not-exist /does-not-exist", &["/bin/true"]);
        let message = "mounts: bind /does-not-exist (read-only): the source: No such file or directory";
        assert!(missing.ending() == "exit 1" && missing.stderr_text().contains(message), "{missing}");
        let read_only = format!("ro {dir} {dir}");
        let write = ["/probe", "write", &format!("{dir}/new"), "x"];
        assert_eq!(alone(actor, &read_only, &write).refused(), errno::ACCESS);
        std::fs::remove_file(&secret).unwrap();
    }
}

/// Most programs end without these.
#[test]
fn harmless_devices_are_there_and_no_other() {
    for actor in actors() {
        let script = "echo x >/dev/null && head -c 4 /dev/urandom | wc -c; ! ls /dev 2>/dev/null; ! cat /dev/tty";
        let said = alone(actor, "dev /dev", &["/bin/sh", "-c", script]);
        assert_eq!((said.ending(), said.stdout_text()), ("exit 0".into(), "4\n".into()), "{said}");
        assert!(said.stderr_text().contains("/dev/tty: Permission denied"), "{said}");
        // At another place it would be something else of the host's.
        let said = alone(actor, "dev /other", &["/bin/sh", "-c", ": </dev/null"]);
        assert_ne!(said.ending(), "exit 0", "{said}");
    }
}

#[test]
fn no_namespace_is_made_and_no_capability_stays() {
    for actor in actors() {
        let state = |outcome: Outcome| outcome.done();
        let namespaces =
            |text: &str| text.lines().filter(|line| line.contains("ns ")).map(String::from).collect::<Vec<_>>();
        let proc = "dev-bind /proc /proc";
        let inside = state(alone(actor, proc, &["/probe", "state"]));
        let outside = Launch::program(probe(), actor, &["state"]).run().done();
        assert_eq!(namespaces(&inside), namespaces(&outside));
        for set in ["effective", "permitted", "inheritable", "ambient"] {
            assert!(inside.contains(&format!("cap {set} 0\n")), "{inside}");
        }
        assert!(inside.contains("no-new-privs 1\n"), "{inside}");
        if actor == Actor::Root {
            assert!(inside.contains("cap bounding 0\n"), "{inside}");
            assert_eq!(alone(actor, "", &["/probe", "mount", "/tmp"]).refused(), errno::PERM);
        }
    }
}

#[test]
fn processes_and_abstract_sockets_outside_are_out_of_reach() {
    for actor in actors() {
        let outside = Launch::program(probe(), actor, &["pause"]).start();
        let pid = outside.pid().to_string();
        Launch::program(probe(), actor, &["kill", &pid, "0"]).run().done();
        assert_eq!(alone(actor, "", &["/probe", "kill", &pid, "0"]).refused(), errno::PERM);
        assert_eq!(alone(actor, "", &["/probe", "ptrace", &pid]).refused(), errno::PERM);
        drop(outside);
    }
}

#[test]
fn filters_sessions_locks_and_exit_codes_are_as_ever() {
    for actor in actors() {
        assert_eq!(alone(actor, "filter", &["/probe", "syscall", "135"]).refused(), 42);
        assert_eq!(alone(actor, "", &["/bin/sh", "-c", "kill -TERM $$"]).ending(), "exit 143");
        let missing = alone(actor, "", &["/does/not/exist"]);
        assert!(
            missing.ending() == "exit 1" && missing.stderr_text().contains("program: cannot execute /does/not/exist: "),
            "{missing}"
        );
        let locked = alone(actor, "lock /usr", &["/bin/sh", "-c", "exit 5"]);
        assert_eq!(locked.ending(), "exit 5", "{locked}");
        let session = alone(actor, "dev-bind /proc /proc session", &["/bin/sh", "-c", "cut -d' ' -f1,6 /proc/$$/stat"]);
        let text = session.done();
        let ids: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(ids[0], ids[1], "the program leads its session");
    }
}

/// What is asked for and cannot be had is named, all of it at once, and nothing has run.
#[test]
fn everything_inexpressible_is_refused_by_name() {
    let wishes = "only net pid user uts no-nesting ro /usr /usr ro /usr /other tmpfs /tmp proc /proc dev /dev \
                  overlay /usr /o link a /b ro-remount /usr hostname x";
    for actor in actors() {
        let said = through(actor, wishes, &["/bin/echo", "ran"]).run();
        assert_eq!((said.ending().as_str(), said.stdout_text().as_str()), ("exit 1", ""), "{said}");
        let names = [
            "network namespace: ",
            "PID namespace: ",
            "user namespace: ",
            "UTS namespace: ",
            "limit of user namespaces: ",
            "bind /usr on /other (read-only): ",
            "tmpfs on /tmp (mode ",
            "procfs on /proc: ",
            "basic devices on /dev: ",
            "overlay /usr on /o (changes are lost): ",
            "link /b -> a: ",
            "host name x: ",
        ];
        for name in names {
            assert!(said.stderr_text().contains(name), "{name}: {said}");
        }
        assert!(!said.stderr_text().contains("make read-only /usr"), "that can be expressed: {said}");
    }
}

#[test]
fn what_is_dropped_is_said_and_never_more_is_granted() {
    let fixture = Fixture::new("landlock-dropped", Actor::User);
    fixture.refill();
    let dir = fixture.expand("{d}");
    assert!(std::fs::metadata(&dir).unwrap().is_dir() && std::fs::metadata(&dir).unwrap().nlink() > 1);
    let wishes = format!("rw {dir} {dir} tmpfs {dir}/hidden net");
    let said = alone(Actor::User, &wishes, &["/probe", "write", &format!("{dir}/x"), "x"]);
    assert_eq!(said.refused(), errno::ACCESS, "{said}");
    for name in [format!("not enforced: tmpfs on {dir}/hidden (mode "), "not enforced: network namespace: ".into()] {
        assert!(said.stderr_text().contains(&name), "{name}: {said}");
    }
    // No network is no port.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    assert_eq!(alone(Actor::User, "net", &["/probe", "connect-tcp", &address]).refused(), errno::ACCESS);
    alone(Actor::User, "", &["/probe", "connect-tcp", &address]).done();
}
