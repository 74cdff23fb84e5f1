//! What does not exist when the sandbox starts: nothing to be done where nobody can make it, held where it leaves
//! nothing on the host, and refused elsewhere.

use std::fs;

use crate::support::Actor;
use crate::{Tree, actors};

const WRITABLE: &str = ": > file; mkdir dir; ln -s nowhere dangling; ln -s /w/nowhere absolute; ln -s gone/dir way";

#[test]
fn in_a_writable_place_of_the_host_it_is_refused() {
    for actor in actors() {
        let tree = Tree::new("writable", actor, WRITABLE);
        let before = tree.listing();
        for path in
            ["new", "new/below", "dir/new", "file/below", "dangling", "absolute", "way", "way/below", "new/../x"]
        {
            let error = tree.run(&format!("--rw {{w}}:/w --deny /w/{path}"), &["true"]).error();
            let wanted = format!("mounts: deny /w/{path}: it does not exist, and the program could make it\nhint: ");
            assert!(error.starts_with(&wanted), "{error}");
            assert_eq!(tree.listing(), before, "{path}");
        }
    }
}

#[test]
fn in_a_read_only_place_nothing_is_to_be_done() {
    for actor in actors() {
        let tree =
            Tree::new("readonly", actor, "ln -s nowhere dangling; ln -s /usr/nowhere outside; : > file; mkdir rw");
        for path in ["/w/new", "/w/new/below", "/w/dangling", "/w/outside", "/w/file/below", "/usr/new"] {
            let options = format!("--ro {{w}}:/w --deny {path}");
            assert_eq!(tree.run(&options, &["echo", "ran"]).done(), "ran\n", "{path}");
            let error = tree.run(&options, &["/bin/sh", "-c", &format!(": > {path}")]);
            assert!(error.stderr_text().contains("cannot create"), "{error}");
        }
        // A link in a read-only place that leads into a writable one is as open as that.
        fs::remove_file(tree.path.join("dangling")).unwrap();
        std::os::unix::fs::symlink("/rw/new", tree.path.join("dangling")).unwrap();
        let error = tree.run("--ro {w}:/w --rw {w}/rw:/rw --deny /w/dangling", &["true"]).error();
        assert!(error.starts_with("mounts: deny /w/dangling: it does not exist"), "{error}");
        // A writable mount below a read-only one is what counts, and the other way round.
        let error = tree.run("--ro {w}:/w --rw {w}/rw:/w/rw --deny /w/rw/new", &["true"]).error();
        assert!(error.starts_with("mounts: deny /w/rw/new: it does not exist"), "{error}");
        assert_eq!(tree.run("--rw {w}:/w --ro {w}/rw:/w/rw --deny /w/rw/new", &["echo", "ran"]).done(), "ran\n");
    }
}

#[test]
fn in_a_place_of_the_sandbox_it_is_held() {
    for actor in actors() {
        let tree = Tree::new("own", actor, "mkdir rw");
        let before = tree.listing();
        for (options, path) in [
            ("", "/new"),
            ("", "/new/below"),
            ("--tmpfs /t", "/t/new"),
            ("--tmpfs /t --symlink gone/x:/t/link", "/t/link"),
            ("--tmpfs /", "/new"),
            ("--dir /d", "/d/new"),
        ] {
            let system = if options == "--tmpfs /" { "--ro {probe}:/probe" } else { "" };
            let options = format!("{options} {system} --deny {path}");
            assert_eq!(tree.probe(&options, &["cat", path]).refused(), libc::EACCES, "{options}");
            let outcome = tree.probe(&options, &["write", path]);
            assert_eq!(outcome.refused(), libc::EROFS, "{options}");
            let told = format!("pinfold: mounts: deny {path}: nothing is there, inside or outside\n");
            assert_eq!(outcome.stderr_text(), told, "{options}");
        }
        let options = "--tmpfs /t --remount-ro /t --deny /t/new";
        assert_eq!(tree.probe(options, &["write", "/t/new"]).refused(), libc::EROFS);
        assert_eq!(tree.probe(options, &["exists", "/t/new"]).refused(), libc::ENOENT);
        // What is the host's below it is the host's.
        let error = tree.run("--tmpfs /t --rw {w}/rw:/t/rw --deny /t/rw/new", &["true"]).error();
        assert!(error.starts_with("mounts: deny /t/rw/new: it does not exist"), "{error}");
        assert_eq!(tree.listing(), before);
    }
}

/// A tmpfs of the host is the host's, although it is one.
#[test]
fn a_tmpfs_of_the_host_is_the_hosts() {
    if !Actor::Root.here() {
        return;
    }
    let tree = Tree::new("shm", Actor::User, "mkdir w");
    let shm = std::path::PathBuf::from(format!("/dev/shm/pinfold-test-deny-{}", std::process::id()));
    fs::create_dir(&shm).unwrap();
    let (uid, gid) = Actor::User.ids().unzip();
    std::os::unix::fs::chown(&shm, uid, gid).unwrap();
    let outcome = tree.run(&format!("--rw {}:/w --deny /w/new", shm.display()), &["true"]);
    let left = fs::read_dir(&shm).unwrap().count();
    fs::remove_dir_all(&shm).unwrap();
    assert!(outcome.error().starts_with("mounts: deny /w/new: it does not exist"), "{outcome}");
    assert_eq!(left, 0);
}

/// A directory of somebody else that the caller may not enter is closed to the box for good; one of the caller's own
/// is not, whatever its mode.
#[test]
fn behind_a_closed_door_it_is_denied_already() {
    if !Actor::Root.here() {
        return;
    }
    let tree = Tree::new("closed", Actor::User, "mkdir foreign own; echo secret > own/file; chmod 000 own");
    fs::write(tree.path.join("foreign/file"), "secret").unwrap();
    std::os::unix::fs::chown(tree.path.join("foreign"), Some(0), Some(0)).unwrap();
    fs::set_permissions(tree.path.join("foreign"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    for path in ["/w/foreign/file", "/w/foreign/new"] {
        let outcome = tree.probe(&format!("--rw {{w}}:/w --deny {path}"), &["cat", path]);
        assert_eq!(outcome.refused(), libc::EACCES);
    }
    let options = "--rw {w}:/w --deny /w/own/file";
    let opened = tree.run(options, &["/bin/sh", "-c", "chmod 700 /w/own; cat /w/own/file"]);
    assert!(opened.stdout.is_empty() && opened.stderr_text().contains("Permission denied"), "{opened}");
    fs::set_permissions(tree.path.join("own"), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn what_need_not_be_held_is_told_and_the_program_runs() {
    for actor in actors() {
        let tree = Tree::new("effort", actor, "echo secret > file");
        let options = "--best-effort --rw {w}:/w --deny /w/new --deny /w/file --deny /w/*.zip --deny /w/other";
        let outcome = tree.probe(options, &["cat", "/w/file"]);
        assert_eq!(outcome.refused(), libc::EACCES);
        let said = outcome.stderr_text();
        let lines: Vec<&str> = said.lines().collect();
        let missing = |path| {
            format!("pinfold: not enforced: mounts: deny {path}: it does not exist, and the program could make it")
        };
        let wanted = [
            missing("/w/new"),
            missing("/w/other"),
            "pinfold: not enforced: mounts: deny what matches /w/*.zip: nothing matches it".into(),
        ];
        assert_eq!(lines, wanted);
    }
}
