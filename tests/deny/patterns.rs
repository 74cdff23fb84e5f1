//! What patterns find, and what they must not overlook.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::support::Actor;
use crate::{Tree, actors, raw};

const FILL: &str = "mkdir -p a/b/c .hidden/d z; for f in .env a/.env a/b/.env a/b/c/.env .hidden/d/.env a/x.pem a/b/y.pem \
                    z/key-1 z/key-2 z/key-a a/open; do echo secret > $f; done";

/// The files that cannot be read inside, by their paths below `/w`, in order.
fn closed(tree: &Tree, options: &str) -> String {
    let script =
        "cd /w; find . \\( -type f -o -perm 000 \\) ! -readable -printf '%P\\n' 2>/dev/null | sort | tr '\\n' ' '";
    tree.run(options, &["/bin/sh", "-c", script]).stdout_text().trim().to_owned()
}

#[test]
fn each_form_finds_its_own() {
    for actor in actors() {
        let tree = Tree::new("forms", actor, FILL);
        let before = tree.listing();
        let cases = [
            ("/w/.env*", ".env"),
            ("/w/*.pem", "error"),
            ("/w/*/*.pem", "a/x.pem"),
            ("/w/**/*.pem", "a/b/y.pem a/x.pem"),
            ("/w/**/.env", ".env .hidden/d/.env a/.env a/b/.env a/b/c/.env"),
            ("/**/.env", ".env .hidden/d/.env a/.env a/b/.env a/b/c/.env"),
            ("/w/a/**/.env", "a/.env a/b/.env a/b/c/.env"),
            ("/w/**/b/**/.env", "a/b/.env a/b/c/.env"),
            ("/w/**/b/.env", "a/b/.env"),
            ("/w/z/key-[0-9]", "z/key-1 z/key-2"),
            ("/w/z/key-[!0-9]", "z/key-a"),
            ("/w/?/key-?", "z/key-1 z/key-2 z/key-a"),
            ("/w/.*/d", ".hidden/d"),
            ("//w/./z//key-1*/", "z/key-1"),
            ("w/z/key-1*", "z/key-1"),
            ("/w/z/**", "z/key-1 z/key-2 z/key-a"),
            ("/w/**/c", "a/b/c"),
            ("/*/a", "a"),
            ("/w/[.]env", ".env"),
        ];
        for (pattern, wanted) in cases {
            let options = format!("--rw {{w}}:/w --deny {pattern}");
            if wanted == "error" {
                let error = tree.run(&options, &["true"]).error();
                assert!(
                    error.starts_with(&format!("mounts: deny what matches {pattern}: nothing matches it\nhint: ")),
                    "{error}"
                );
            } else {
                assert_eq!(closed(&tree, &options), wanted, "{actor:?} {pattern}");
            }
        }
        assert_eq!(tree.listing(), before);
    }
}

/// All patterns at once find what each finds alone, also where one denies what another looks into.
#[test]
fn patterns_do_not_disturb_each_other() {
    for actor in actors() {
        let tree = Tree::new("many", actor, FILL);
        let mut options = vec![
            "--rw {w}:/w",
            "--deny /w/**/*.pem",
            "--deny /w/a/b/*.pem",
            "--deny /w/*/.env",
            "--deny /w/a/b",
            "--deny /w/z/key-1",
            "--deny /w/z/key-*",
            "--deny /w/**/c/*",
            "--deny /w/a/b/**/never",
        ];
        for _ in 0..options.len() {
            options[1..].rotate_left(1);
            assert_eq!(closed(&tree, &options.join(" ")), "a/.env a/b a/x.pem z/key-1 z/key-2 z/key-a", "{options:?}");
        }
    }
}

/// A further denial never shows more: not by covering what leads to something that another one denies.
#[test]
fn a_further_denial_shows_nothing() {
    let fill = "mkdir -p o2/sub dir far/kept; touch o2/k o2/sub/k; for f in key uno two far/three far/kept/k4; do \
                echo secret > $f; done; ln -s ../uno o2/kl; ln -s ../../dir o2/sub/kd; echo secret > dir/five; \
                ln -s ../far o2/way; ln -s ../../two o2/sub/k2";
    let files = ["key", "uno", "two", "dir/five", "far/three", "far/kept/k4"];
    for actor in actors() {
        let tree = Tree::new("further", actor, fill);
        let before = tree.listing();
        let shown = "--rw {w}:/w --ro {w}/key:/w/o2/k";
        let closed = |denials: &[&str]| {
            let script = format!("cd /w; for f in {}; do cat $f >/dev/null 2>&1 || echo $f; done", files.join(" "));
            let options = format!("{shown} {}", denials.join(" "));
            tree.run(&options, &["/bin/sh", "-c", &script]).done().lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let found = [
            ("--deny /w/o2/k*", &["key", "uno"][..]),
            ("--deny /w/o2/**/k*", &["key", "uno", "two", "dir/five"]),
            ("--deny /w/o2/way/t*", &["far/three"]),
            ("--deny /w/o2/*/kept/k*", &["far/kept/k4"]),
            ("--deny /w/o2/sub/k[d2]", &["two", "dir/five"]),
        ];
        let further =
            ["--deny /w/o2", "--deny /w/o*", "--deny /w/**/o2", "--deny /w/**/sub", "--deny /w/o2/sub/../../o2"];
        for (pattern, wanted) in found {
            assert_eq!(closed(&[pattern]), wanted, "{actor:?} {pattern}");
            for other in further {
                for denials in [[pattern, other], [other, pattern]] {
                    assert_eq!(closed(&denials), wanted, "{actor:?} {denials:?}");
                }
            }
        }
        let all: Vec<&str> = found.iter().map(|(pattern, _)| *pattern).chain(further[..4].iter().copied()).collect();
        assert_eq!(closed(&all), files, "{actor:?}");
        assert_eq!(tree.listing(), before);
    }
}

/// One mount covers a directory, and what lies in it needs none of its own.
#[test]
fn what_lies_in_a_denied_directory_takes_no_mount() {
    let fill = "mkdir -p d/e k1/k2/k3; for n in 1 2 3 4 5 6; do echo secret > d/$n.pem; echo secret > d/e/$n.pem; done; \
                echo secret > k1/k2/k3/k4";
    let count = ["perl", "-lane", "$n += $F[4] =~ m{^/w/}; END { print $n + 0 }", "/proc/self/mountinfo"];
    for actor in actors() {
        let tree = Tree::new("no-mount", actor, fill);
        for (denials, wanted) in [
            ("--deny /w/d --deny /w/**/*.pem", "1\n"),
            ("--deny /w/[d] --deny /w/**/*.pem --deny /w/d/**", "1\n"),
            ("--deny /w/**/k*", "1\n"),
            ("--deny /w/**/k[23] --deny /w/**/k[1]", "1\n"),
        ] {
            assert_eq!(tree.run(&format!("--rw {{w}}:/w {denials}"), &count).done(), wanted, "{actor:?} {denials}");
        }
    }
}

/// What one pattern finds is no match of another one.
#[test]
fn each_pattern_must_match_by_itself() {
    for actor in actors() {
        let tree = Tree::new(
            "each",
            actor,
            "mkdir -p a/b; for f in .env a/.env a/b/.env; do echo secret > $f; done; ln -s b a/l",
        );
        for others in ["--deny /w/**/.env", "--deny /w/a/*", "--deny /w/**/l"] {
            let error = tree.run(&format!("--rw {{w}}:/w {others} --deny /w/**/*.typo"), &["true"]);
            // What lies in a directory that is denied is not known.
            if others != "--deny /w/**/.env" {
                assert_eq!(error.ending(), "exit 0", "{others} {error}");
            } else {
                assert_eq!(
                    error.error().lines().next(),
                    Some("mounts: deny what matches /w/**/*.typo: nothing matches it"),
                    "{others}"
                );
            }
        }
    }
}

#[test]
fn names_that_are_no_text_match() {
    use std::os::unix::ffi::OsStrExt;
    for actor in actors() {
        let tree = Tree::new("raw", actor, "mkdir dir");
        for name in [&b"\xff.env"[..], b"dir/\xe2\x82.env", b"\xc3(", "\u{e9}.env".as_bytes()] {
            let path = tree.path.join(raw(name));
            fs::write(&path, "secret").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        }
        for (pattern, wanted) in [
            ("/w/**/*.env", &[&b"\xff.env"[..], b"dir/\xe2\x82.env", "\u{e9}.env".as_bytes()][..]),
            ("/w/?.env", &[b"\xff.env", "\u{e9}.env".as_bytes()]),
            ("/w/*(", &[b"\xc3("]),
        ] {
            let script =
                "cd /w; for f in * */*; do [ -f \"$f\" ] && ! [ -r \"$f\" ] && printf '%s\\n' \"$f\"; done; true";
            let outcome = tree.run(&format!("--rw {{w}}:/w --deny {pattern}"), &["/bin/sh", "-c", script]);
            let found: std::collections::BTreeSet<&[u8]> =
                outcome.stdout.split(|&b| b == b'\n').filter(|l| !l.is_empty()).collect();
            // Root reads by its owner's mode too: a cover is of mode 0 for everybody.
            assert_eq!(
                found,
                wanted.iter().copied().collect(),
                "{actor:?} {pattern} {:?}",
                std::ffi::OsStr::from_bytes(&outcome.stdout)
            );
        }
    }
}

#[test]
fn links_that_match_close_what_they_lead_to() {
    let script = "mkdir -p data/deep links real; echo secret > data/one; echo secret > data/two; echo secret > data/deep/x.key; \
                  ln -s ../data/one links/rel.pem; ln -s /w/data/two links/abs.pem; ln -s nowhere links/dangling.pem; \
                  ln -s data alias; ln -s ../data/deep real/dir; ln -s . self; ln -s /w/links/rel.pem links/chain.crt";
    for actor in actors() {
        let tree = Tree::new("pattern-links", actor, script);
        for (pattern, wanted) in [
            ("/w/links/*.pem", "data/one data/two"),
            ("/w/links/*.crt", "data/one"),
            // A part that is not `**` follows a link, as a shell does; `**` does not.
            ("/w/alias/o*", "data/one"),
            ("/w/real/*/*.key", "data/deep/x.key"),
            ("/w/re*/dir/x.k*", "data/deep/x.key"),
            ("/w/self/self/self/data/t*", "data/two"),
            ("/w/*/*/*/*/*/t*", "data/two"),
            ("/w/al*/**/x*", "data/deep/x.key"),
        ] {
            assert_eq!(closed(&tree, &format!("--rw {{w}}:/w --deny {pattern}")), wanted, "{actor:?} {pattern}");
        }
        for pattern in ["/w/links/dang*", "/w/real/**/*.key"] {
            let error = tree.run(&format!("--rw {{w}}:/w --deny {pattern}"), &["true"]).error();
            assert!(error.contains(": nothing matches it"), "{error}");
        }
        let error = tree.run("--rw {w}:/w --deny /w/links/../data/*", &["true"]).error();
        assert_eq!(error, "deny what matches /w/links/../data/*: a pattern cannot have .. in it\n");
        // Behind a link may be what each process has of its own, or the root itself: both are errors.
        let error =
            tree.run("--rw {w}:/w --tmpfs /t --symlink /proc/self/environ:/t/a.pem --deny /t/*.pem", &["true"]).error();
        assert!(error.starts_with("mounts: deny what matches /t/*.pem: it belongs to one process"), "{error}");
        let error = tree.run("--tmpfs /t --symlink /proc/self/root/usr:/t/a.pem --deny /t/*.pem", &["true"]).error();
        assert!(
            error.starts_with("mounts: deny what matches /t/*.pem: covering the match /t/a.pem: Too many levels"),
            "{error}"
        );
        let error = tree.run("--tmpfs /t --symlink /:/t/a.pem --deny /t/*.pem", &["true"]).error();
        assert!(
            error.starts_with(
                "mounts: deny what matches /t/*.pem: covering the match /t/a.pem: Device or resource busy\nhint: "
            ),
            "{error}"
        );
    }
}

#[test]
fn every_type_matches() {
    let script = "echo secret > x.file; mkdir x.dir; mkfifo x.fifo; perl -MIO::Socket::UNIX -e \
                  'IO::Socket::UNIX->new(Local => \"x.socket\", Listen => 1)'";
    for actor in actors() {
        let tree = Tree::new("pattern-types", actor, script);
        let said = tree.run("--rw {w}:/w --deny /w/x.*", &["/bin/sh", "-c", "cd /w; stat -c '%n %A' *"]).done();
        assert_eq!(said, "x.dir d---------\nx.fifo p---------\nx.file ----------\nx.socket s---------\n");
    }
}

/// Neither the kernel's own filesystems nor a new `/dev` are looked into; a mount of files is.
#[test]
fn mounts_are_walked_but_not_the_kernels() {
    for actor in actors() {
        let tree = Tree::new("crossing", actor, "mkdir -p a b; echo secret > b/x.pem; echo secret > status");
        assert_eq!(closed(&tree, "--rw {w}:/w --rw {w}/b:/w/a --deny /w/**/*.pem"), "a/x.pem b/x.pem");
        let options = "--rw {w}:/w --proc /w/a --deny /w/**/status --deny /proc*";
        assert_eq!(tree.probe(options, &["cat", "/w/status"]).refused(), libc::EACCES);
        assert_eq!(tree.probe(options, &["cat", "/proc/version"]).refused(), libc::EACCES);
        tree.probe(options, &["cat", "/w/a/self/status"]).done();
        for pattern in ["/proc/*/environ", "/proc/cpu*", "/dev/nul*", "/dev/pts/*", "/dev/../dev/nul*"] {
            let error = tree.run(&format!("--deny {pattern}"), &["true"]).error();
            let wanted = if pattern.contains("..") { ": a pattern cannot" } else { ": nothing matches it\nhint: " };
            assert!(error.contains(&format!("deny what matches {pattern}{wanted}")), "{error}");
        }
        // What is mounted over a new /dev is no /dev any more.
        assert_eq!(closed(&tree, "--rw {w}:/w --dev /w/a --rw {w}/b:/w/a --deny /w/a/*.pem"), "a/x.pem b/x.pem");
    }
}

/// A file of the host is looked at wherever it is mounted.
#[test]
fn files_of_the_host_among_the_kernels_match() {
    let fill = "mkdir -p dir; echo secret > x.pem; echo secret > dir/y.pem; mkdir sub; echo secret > sub/z";
    for actor in actors() {
        let tree = Tree::new("kernels", actor, fill);
        for (shown, pattern, file) in [
            ("--ro {w}/x.pem:/dev/x.pem", "/dev/*.pem", "/dev/x.pem"),
            ("--ro {w}/x.pem:/dev/x.pem", "/**/*.pem", "/dev/x.pem"),
            ("--ro {w}/x.pem:/dev/a/b/x.pem", "/dev/**/x.*", "/dev/a/b/x.pem"),
            ("--ro {w}/x.pem:/dev/a/b/x.pem", "/dev/a*", "/dev/a/b/x.pem"),
            ("--ro {w}/x.pem:/dev/shm/x.pem", "/dev/*/x.p*", "/dev/shm/x.pem"),
            ("--ro {w}/dir:/dev/dir", "/dev/dir/*.pem", "/dev/dir/y.pem"),
            ("--ro {w}/dir:/dev/dir", "/**/y.pem", "/dev/dir/y.pem"),
            ("--ro {w}/dir:/dev/dir", "/dev/d?r", "/dev/dir/y.pem"),
            ("--ro {w}/x.pem:/proc/version", "/proc/ver*", "/proc/version"),
            ("--ro {w}/x.pem:/proc/sys/kernel/hostname", "/proc/**/host*", "/proc/sys/kernel/hostname"),
            ("--ro {w}/sub:/proc/fs", "/proc/*/z", "/proc/fs/z"),
            ("--ro {w}/sub:/proc/fs --symlink proc:/p", "/p/*/z", "/proc/fs/z"),
        ] {
            let read = |options: &str| tree.probe(options, &["cat", file]);
            assert_eq!(read(shown).done(), "secret\n", "{actor:?} {shown}");
            assert_eq!(read(&format!("{shown} --deny {pattern}")).refused(), libc::EACCES, "{shown} {pattern}");
        }
        // Devices and the kernel's own files are none.
        for pattern in ["/dev/nul*", "/dev/sh*", "/proc/sy*", "/proc/ke*"] {
            let error = tree.run(&format!("--ro {{w}}/x.pem:/dev/x --deny {pattern}"), &["true"]).error();
            assert!(error.starts_with(&format!("mounts: deny what matches {pattern}: nothing matches it")), "{error}");
        }
    }
}

/// A directory that cannot be listed, but whose files can be opened by name, must not be passed over in silence.
#[test]
fn a_directory_that_cannot_be_listed_is_an_error() {
    if !Actor::Root.here() {
        return;
    }
    let tree = Tree::new(
        "unlisted",
        Actor::User,
        "mkdir -p search/below closed own; echo secret > own/.env; chmod 000 own; \
                                                   echo secret > .env",
    );
    for (name, mode) in [("search", 0o711), ("closed", 0o700)] {
        let path = tree.path.join(name);
        fs::write(path.join(".env"), "secret").unwrap();
        chown(&path, Some(0), Some(0)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let error = tree.run("--rw {w}:/w --deny /w/**/.env", &["true"]).error();
    assert!(
        error.starts_with("mounts: deny what matches /w/**/.env: looking into /w/search: Permission denied\nhint: "),
        "{error}"
    );
    // Where all names are known nothing needs to be listed.
    let options = "--rw {w}:/w --deny /w/*/.env";
    let script = "cat /w/search/.env; chmod 700 /w/own; cat /w/own/.env; cat /w/closed/.env";
    let outcome = tree.run(options, &["/bin/sh", "-c", script]);
    assert!(outcome.stdout.is_empty() && outcome.stderr_text().matches("Permission denied").count() == 3, "{outcome}");
    // As much as possible is what is found elsewhere.
    let outcome = tree.run("--best-effort --rw {w}:/w --deny /w/**/.env", &["cat", "/w/.env"]);
    assert!(
        outcome.stderr_text().contains("not enforced: mounts: deny what matches /w/**/.env: looking into /w/search"),
        "{outcome}"
    );
    assert_eq!(outcome.stdout_text(), "");
    // An own directory that nobody can list is opened by its owner.
    fs::remove_dir_all(tree.path.join("search")).unwrap();
    fs::write(tree.path.join("own/.env"), "secret").unwrap();
    fs::set_permissions(tree.path.join("own"), fs::Permissions::from_mode(0o000)).unwrap();
    let script = "chmod 700 /w/own; cat /w/own/.env";
    let outcome = tree.run("--rw {w}:/w --deny /w/**/.env", &["/bin/sh", "-c", script]);
    assert!(outcome.stdout.is_empty() && outcome.stderr_text().contains("Permission denied"), "{outcome}");
}

/// Deeper than a path can be long: what cannot be named by a path can be found all the same.
#[test]
fn depth_hides_nothing() {
    let deep = "exec bash -euc 'n=$(printf %0200d 0); i=0; while [ $i -lt 30 ]; do mkdir $n; cd ./$n; i=$((i + 1)); done; echo secret > .env; mkdir keys; echo secret > keys/one'";
    let tree = Tree::new("deep", Actor::User, deep);
    let script = "n=$(printf '%0200d' 0); cd /w; i=0; while [ $i -lt 30 ]; do cd ./$n; i=$((i + 1)); done; cat .env";
    let in_dir = script.replace("cat .env", "cat keys/one");
    assert_eq!(tree.run("--rw {w}:/w", &["bash", "-c", script]).stdout_text(), "secret\n");
    let outcome = tree.run("--rw {w}:/w --deny /w/**/.env", &["bash", "-c", script]);
    assert!(outcome.stdout.is_empty() && outcome.stderr_text().contains("Permission denied"), "{outcome}");
    assert_eq!(tree.run("--rw {w}:/w", &["bash", "-c", &in_dir]).stdout_text(), "secret\n");
    let outcome = tree.run("--rw {w}:/w --deny /w/**/keys", &["bash", "-c", &in_dir]);
    assert!(outcome.stdout.is_empty() && outcome.stderr_text().contains("Permission denied"), "{outcome}");
    let abyss = "exec perl -e 'for (1..1100) { mkdir \"d\" or die; chdir \"d\" or die }'";
    let tree = Tree::new("abyss", Actor::User, abyss);
    let error = tree.run("--rw {w}:/w --deny /w/**/.env", &["true"]).error();
    assert!(error.starts_with("mounts: deny what matches /w/**/.env: looking into /w/d/d/d/"), "{error}");
}
