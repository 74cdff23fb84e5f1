//! Nobody inside gets at what is denied, by whatever way; and what it is stays to be seen.

use std::collections::BTreeMap;

use crate::support::{Actor, Fd};
use crate::{Tree, actors};

const FILL: &str = "echo secret > file; mkdir dir own own/dir; echo deep > dir/deep; mkfifo fifo; echo own > own/file; \
                    perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => \"socket\", Listen => 1)'; \
                    echo '#!/bin/sh' > script; chmod 755 script";

/// What came of each attempt of `probe tamper`, by name.
fn attempts(tree: &Tree, options: &str, path: &str) -> BTreeMap<String, String> {
    let said = tree.probe(options, &["tamper", path, "/w/own"]).done();
    let found: BTreeMap<String, String> = said
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, result)| (name.into(), result.into()))
        .collect();
    assert_eq!(found.len(), 23, "{said}");
    found
}

#[test]
fn every_attempt_on_every_type_fails() {
    for actor in actors() {
        let tree = Tree::new("types", actor, FILL);
        let before = tree.listing();
        for name in ["file", "dir", "fifo", "socket", "script"] {
            let found = attempts(&tree, &format!("--rw {{w}}:/w --deny /w/{name}"), &format!("/w/{name}"));
            let done: Vec<&String> =
                found.iter().filter(|(_, result)| *result == "done").map(|(name, _)| name).collect();
            assert!(done.is_empty(), "{actor:?} {name}: {done:?}");
            let errno = |attempt: &str| found[attempt].strip_prefix("errno ").unwrap().parse::<i32>().unwrap();
            assert_eq!(errno("read"), libc::EACCES, "{actor:?} {name}");
            assert!([libc::EBUSY, libc::EISDIR].contains(&errno("unlink")), "{found:?}");
            assert!([libc::EBUSY, libc::EXDEV].contains(&errno("rename-away")), "{found:?}");
            assert!([libc::EXDEV, libc::EPERM].contains(&errno("link-to")), "{found:?}");
            assert_eq!(errno("chmod"), libc::EROFS, "{found:?}");
            assert_eq!(tree.listing(), before, "{actor:?} {name}: the host was changed");
        }
    }
}

/// The attempts are real ones: on the same things, not denied, they succeed.
#[test]
fn the_attempts_succeed_where_nothing_is_denied() {
    let tree = Tree::new("free", Actor::User, FILL);
    let found = attempts(&tree, "--rw {w}:/w", "/w/file");
    for name in ["read", "write", "truncate", "create", "chmod", "chown", "unlink"] {
        assert_eq!(found[name], "done", "{name}");
    }
    let tree = Tree::new("free-dir", Actor::User, FILL);
    let found = attempts(&tree, "--rw {w}:/w", "/w/dir");
    for name in ["list", "enter", "create-in", "rename-away"] {
        assert_eq!(found[name], "done", "{name}");
    }
    assert_eq!(attempts(&tree, "--rw {w}:/w", "/w/socket")["connect"], "errno 111", "nobody listens any more");
}

/// With every capability that a box can have but that of mounting, there is nothing to see either.
#[test]
fn capabilities_show_nothing() {
    for actor in actors() {
        let tree = Tree::new("caps", actor, FILL);
        let before = tree.listing();
        for name in ["file", "dir", "fifo", "socket"] {
            let path = format!("/w/{name}");
            let options = format!("--caps --rw {{w}}:/w --deny {path}");
            // Whoever may open everything waits for a writer at a fifo: it is another one than the host's.
            let limit = ["timeout", if name == "fifo" { "1" } else { "10" }, "cat", &path];
            assert!(!tree.run(&options, &limit).stdout_text().contains("secret"), "{name}");
            assert!(!tree.run(&options, &["ls", "-A", &path]).stdout_text().contains("deep"), "{name}");
            let write = tree.run(&options, &["/bin/sh", "-c", "echo x > /w/file; echo x > /w/dir/x; exit 0"]);
            assert_eq!(write.ending(), "exit 0");
            if name == "file" {
                assert_eq!(std::fs::read_to_string(tree.path.join("file")).unwrap(), "secret\n");
            }
            tree.probe(&options, &["cat", "/w/own/file"]).done();
        }
        std::fs::remove_file(tree.path.join("dir/x")).unwrap();
        std::fs::write(tree.path.join("file"), "secret\n").unwrap();
        assert_eq!(tree.listing(), before);
    }
}

#[test]
fn types_are_kept() {
    for actor in actors() {
        let tree = Tree::new("kept", actor, FILL);
        let options = "--rw {w}:/w --deny /w/file --deny /w/dir --deny /w/fifo --deny /w/socket --deny /dev/null";
        let script = "cd /w; stat -c '%n %A %s' file fifo socket; stat -c '%n %A' dir; stat -c '%n %F %t:%T' /dev/null";
        let said = tree.run(options, &["/bin/sh", "-c", script]).done();
        let wanted = "file ---------- 0\nfifo p--------- 0\nsocket s--------- 0\ndir d---------\n\
                      /dev/null character special file 1:3\n";
        assert_eq!(said, wanted, "{actor:?}");
    }
}

#[test]
fn devices_cannot_be_opened() {
    for actor in actors() {
        let tree = Tree::new("devices", actor, "mkdir own");
        for (options, path) in [("", "/dev/zero"), ("--dev-bind /dev:/d", "/d/zero")] {
            for caps in ["", "--caps"] {
                let open = &["/bin/sh", "-c", &*format!("head -c 1 {path} | od -An -tx1")];
                assert_eq!(tree.run(&format!("{caps} {options}"), open).done().trim(), "00");
                let denied = tree.run(&format!("{caps} {options} --deny {path}"), open);
                assert!(denied.stderr_text().contains("Permission denied"), "{actor:?} {denied}");
                assert_eq!(denied.stdout_text(), "");
            }
        }
    }
}

/// The half that a program can make a user namespace of its own in does not help it: the mounts there are locked.
#[test]
fn a_nested_namespace_uncovers_nothing() {
    // As an ordinary user only: to map root once more takes capabilities (user_namespaces(7), CAP_SETFCAP).
    let tree = Tree::new("nested", Actor::User, "echo secret > file; mkdir dir");
    for path in ["/w/file", "/w/dir"] {
        let options = format!("--rw {{w}}:/w --deny {path}");
        assert_eq!(tree.probe(&options, &["umount", path, "nested"]).refused(), libc::EINVAL);
        assert_eq!(tree.probe(&options, &["remount-rw", path, "nested"]).refused(), libc::EPERM);
    }
    // What is mounted in a nested namespace and not by the sandbox can be taken away there.
    let script = "unshare -Ur -m sh -c 'mount --bind /w/dir /w/dir && umount /w/dir && echo done'";
    assert_eq!(tree.run("--rw {w}:/w", &["/bin/sh", "-c", script]).done(), "done\n");
    // A bind that leaves the covers out is refused too.
    let script = "unshare -Ur -m sh -c 'mount --bind /w /usr/share && cat /usr/share/file'";
    let outcome = tree.run("--rw {w}:/w --deny /w/file", &["/bin/sh", "-c", script]);
    assert!(!outcome.stdout_text().contains("secret") && outcome.ending() != "exit 0", "{outcome}");
}

#[test]
fn the_scratch_cannot_be_reached() {
    let tree = Tree::new("scratch", Actor::User, "echo secret > file; mkdir dir");
    let options = "--caps --rw {w}:/w --deny /w/file --deny /w/dir";
    let script = "cd /w/dir && ls -A . .. | sort | tr '\\n' ' '; ls -A / | tr '\\n' ' '; find / -xdev -name '.deny-*'";
    let said = tree.run(options, &["/bin/sh", "-c", script]).done();
    assert!(!said.contains(".deny-"), "{said}");
}

#[test]
fn a_later_mount_does_not_undo_it() {
    for actor in actors() {
        let tree = Tree::new("order", actor, "mkdir a b; echo secret > a/file; echo secret > b/file");
        // The denial comes first, and what it denies is mounted afterwards.
        let outcome = tree.probe("--deny /w/file --rw {w}/a:/w --rw {w}/b:/w", &["cat", "/w/file"]);
        assert_eq!(outcome.refused(), libc::EACCES);
    }
}

#[test]
fn any_order_does_and_twice_is_once() {
    let script =
        "mkdir -p a/b; echo secret > a/b/file; mkdir other; echo secret > other/file; ln -s ../other/file a/link";
    for actor in actors() {
        let tree = Tree::new("orders", actor, script);
        let denials = ["--deny /w/a", "--deny /w/a/b", "--deny /w/a/b/file", "--deny /w/a/link", "--deny /w/a/"];
        for turn in 0..denials.len() {
            let mut options = vec!["--rw {w}:/w"];
            options.extend(denials[turn..].iter().chain(&denials[..turn]));
            let options = options.join(" ");
            assert_eq!(tree.probe(&options, &["cat", "/w/a/b/file"]).refused(), libc::EACCES, "{options}");
            // Whose name lies below something that is denied is denied by its other name too.
            assert_eq!(tree.probe(&options, &["cat", "/w/other/file"]).refused(), libc::EACCES, "{options}");
        }
    }
}

#[test]
fn links_are_followed_inside() {
    let script = "mkdir dir; echo secret > dir/file; ln -s dir/file relative; ln -s /w/dir/file absolute; \
                  ln -s relative chain; ln -s dir way; ln -s /../../w/dir/file up; echo host > outside";
    for actor in actors() {
        let tree = Tree::new("links", actor, script);
        for path in ["/w/relative", "/w/absolute", "/w/chain", "/w/way/file", "/w/up", "/../w/./dir//file"] {
            let options = format!("--rw {{w}}:/w --deny {path}");
            assert_eq!(tree.probe(&options, &["cat", "/w/dir/file"]).refused(), libc::EACCES, "{path}");
            assert_eq!(tree.probe(&options, &["cat", path]).refused(), libc::EACCES, "{path}");
        }
        // The link cannot be made to lead elsewhere.
        let script = "ln -sf outside /w/relative; cat /w/relative; cat /w/dir/file";
        let outcome = tree.run("--rw {w}:/w --deny /w/relative", &["/bin/sh", "-c", script]);
        assert_eq!(outcome.stdout_text(), "");
        assert!(outcome.stderr_text().contains("busy"), "{outcome}");
    }
}

#[test]
fn a_circle_of_links_is_an_error() {
    let tree = Tree::new("circle", Actor::User, "ln -s loop loop; ln -s b a; ln -s a b");
    for path in ["/w/loop", "/w/a", "/w/a/x", "/proc/self/root/w", "/dev/stdin"] {
        let error = tree.run(&format!("--rw {{w}}:/w --deny {path}"), &["true"]).error();
        assert!(
            error.starts_with(&format!("mounts: deny {path}: Too many levels")) && error.contains("\nhint: "),
            "{error}"
        );
    }
}

/// Files of the sandbox's own lie where its covers do, and are no covers.
#[test]
fn data_of_the_sandbox_is_denied() {
    for actor in actors() {
        let tree = Tree::new("data", actor, "");
        for denial in ["/x", "/x*", "/**/x"] {
            let options = format!("--bind-data 5:/x --deny {denial}");
            let launch = tree.launch(&options, &["/probe", "cat", "/x"]).fd(5, Fd::Text("secret"));
            assert_eq!(launch.run().refused(), libc::EACCES, "{denial}");
        }
    }
}

/// A mount point is denied like anything else, and so is what lies below a read-only one.
#[test]
fn mounts_are_denied() {
    for actor in actors() {
        let tree = Tree::new("mounts", actor, "mkdir -p ro/dir rw; echo secret > ro/file; echo secret > rw/file");
        for (options, path) in [
            ("--ro {w}/ro:/ro --deny /ro", "/ro/file"),
            ("--ro {w}/ro:/ro --deny /ro/file", "/ro/file"),
            ("--ro {w}/ro:/ro --rw {w}/rw:/ro/dir --deny /ro/dir", "/ro/dir/file"),
            ("--ro {w}/ro:/ro --rw {w}/rw:/ro/dir --deny /ro/dir/file", "/ro/dir/file"),
            ("--tmpfs /t --rw {w}/rw:/t/rw --deny /t", "/t/rw/file"),
            ("--ro {w}/ro/file:/f --deny /f", "/f"),
            ("--deny /proc", "/proc/self/status"),
            ("--deny /proc/cpuinfo", "/proc/cpuinfo"),
            ("--deny /proc/sys/kernel", "/proc/sys/kernel/hostname"),
            ("--ro /:/h --deny /h{w}/ro", "/h{w}/ro/file"),
        ] {
            let path = path.replace("{w}", &tree.path.display().to_string());
            let (free, _) = options.split_once("--deny").unwrap();
            tree.probe(free, &["cat", &path]).done();
            assert_eq!(tree.probe(options, &["cat", &path]).refused(), libc::EACCES, "{actor:?} {options}");
        }
    }
}

#[test]
fn the_root_and_what_each_process_has_are_refused() {
    for actor in actors() {
        let tree = Tree::new("root", actor, "ln -s / link");
        for path in ["/", "/.", "/w/..", "/w/link", "/w/link/"] {
            let error = tree.run(&format!("--rw {{w}}:/w --deny {path}"), &["true"]).error();
            assert!(
                error.starts_with("mounts: deny ") && error.contains("hint: it is the root of the sandbox"),
                "{error}"
            );
        }
        for path in ["/proc/self/environ", "/proc/self", "/proc/1/environ", "/proc/net/dev", "/proc/thread-self/comm"] {
            let error = tree.run(&format!("--deny {path}"), &["true"]).error();
            assert!(error.starts_with(&format!("mounts: deny {path}: it belongs to one process")), "{error}");
        }
    }
}

/// Without a user namespace root's own powers are those of the host.
#[test]
fn root_without_a_user_namespace_is_held_too() {
    if !Actor::Root.here() {
        return;
    }
    let tree = Tree::new("host-root", Actor::Root, FILL);
    let before = tree.listing();
    for caps in ["", "--own-caps"] {
        for name in ["file", "dir", "fifo", "socket"] {
            let options = format!("--no-userns {caps} --rw {{w}}:/w --deny /w/{name}");
            let script = format!("cat /w/{name}/deep; timeout 5 cat /w/{name}; ls -A /w/{name}");
            let script = if name == "fifo" { "ls -A /w/fifo".into() } else { script };
            let said = tree.run(&options, &["/bin/sh", "-c", &script]).stdout_text();
            assert!(
                !said.contains("secret") && !said.lines().any(|line| line.contains("deep")),
                "{caps} {name}: {said}"
            );
        }
        let kept =
            tree.run(&format!("--no-userns {caps} --dev-bind /dev:/d --deny /d/zero"), &["head", "-c1", "/d/zero"]);
        assert!(kept.stderr_text().contains("Permission denied"), "{kept}");
    }
    assert_eq!(tree.listing(), before);
}
