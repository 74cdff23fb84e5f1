//! What is denied is denied by every name that the sandbox has for it: hard links, other mounts, overlays.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

use crate::support::Actor;
use crate::{Tree, actors};

const FILL: &str = "mkdir -p in/keys/deep in/own out; echo secret > in/file; echo secret > in/keys/one; \
                    echo secret > in/keys/deep/two; echo plain > in/own/plain; ln in/own/plain in/own/twin";

/// Prints the files that can be read, of those given.
pub(crate) fn readable(tree: &Tree, options: &str, files: &str) -> (String, String) {
    let script = format!("for f in {files}; do cat $f >/dev/null 2>&1 && echo $f; done; true");
    let outcome = tree.run(options, &["/bin/sh", "-c", &script]);
    (outcome.done().replace('\n', " ").trim().to_owned(), outcome.stderr_text())
}

/// Nothing of `files` can be read with `options`, all of it without the denials, and nothing is said.
pub(crate) fn closed(tree: &Tree, options: &str, denials: &str, files: &str) {
    assert_eq!(readable(tree, options, files), (files.into(), String::new()), "{options}");
    let found = readable(tree, &format!("{options} {denials}"), files);
    assert_eq!(found, (String::new(), String::new()), "{:?} {options} {denials}", tree.actor);
}

fn outside(path: &str, files: &str) -> String {
    format!(
        "pinfold: mounts: deny {path}: {files} more hard links outside of what this sandbox shows: nothing inside reaches them\n"
    )
}

#[test]
fn a_hard_link_is_covered_wherever_it_is_shown() {
    for actor in actors() {
        let tree = Tree::new("hard", actor, &format!("{FILL}; ln in/file in/own/hard; ln in/file out/hard"));
        let before = tree.listing();
        for (options, files) in [
            ("--rw {w}:/w", "/w/in/file /w/in/own/hard /w/out/hard"),
            ("--ro {w}:/w", "/w/in/file /w/in/own/hard /w/out/hard"),
            ("--rw {w}/in:/w/in --ro {w}/out:/r", "/w/in/file /w/in/own/hard /r/hard"),
            ("--ro {w}/in:/w/in --ro {w}/out/hard:/single", "/w/in/file /w/in/own/hard /single"),
            // Where something of the sandbox is mounted over a directory, another mount shows what is in it.
            ("--rw {w}:/w --tmpfs /w/in/own --ro {w}/in/own:/r", "/w/in/file /w/out/hard /r/hard"),
        ] {
            for denial in ["--deny /w/in/file", "--deny /w/in/f*", "--deny /w/**/file"] {
                closed(&tree, options, denial, files);
            }
        }
        // By whatever name it is denied, and nothing else with it.
        closed(&tree, "--rw {w}:/w", "--deny /w/out/hard", "/w/in/file /w/in/own/hard");
        let free = "/w/in/own/plain /w/in/own/twin /w/in/keys/one";
        assert_eq!(readable(&tree, "--rw {w}:/w --deny /w/in/file", free).0, free);
        // It can be neither replaced nor removed by those names.
        let script = "cd /w; rm -f out/hard; mv in/own/plain out/hard; mv out/hard x; ln out/hard x; true";
        assert_eq!(tree.run("--rw {w}:/w --deny /w/in/file", &["/bin/sh", "-c", script]).ending(), "exit 0");
        assert_eq!(tree.listing(), before);
    }
}

/// The program cannot reach such a name here; whoever asked is told that others can.
#[test]
fn a_link_that_is_not_shown_is_told() {
    for actor in actors() {
        let tree = Tree::new("told", actor, &format!("{FILL}; ln in/file out/hard; ln in/file in/own/hard"));
        let files = "/w/file /w/own/hard";
        let found = readable(&tree, "--rw {w}/in:/w --deny /w/file", files);
        assert_eq!(found, (String::new(), outside("/w/file", "1 file has")), "{actor:?}");
        // Two mounts of the same directory are not two names.
        for options in ["--rw {w}/in:/w --ro {w}/in:/v", "--rw {w}/in:/w --ro {w}/in/own:/v --ro {w}/in/own:/w/keys"] {
            for denial in ["--deny /w/file", "--deny /w/file --deny /w/own", "--deny /w/own --deny /w/f*"] {
                let (open, said) = readable(&tree, &format!("{options} {denial}"), files);
                assert_eq!((open.as_str(), said.lines().count()), ("", 1), "{options} {denial}: {said}");
                assert!(said.contains(": 1 file has more hard links outside"), "{said}");
            }
        }
        let found = readable(&tree, "--rw {w}/in:/w --deny /w/own", "/w/file /w/own/hard");
        assert_eq!(found, (String::new(), outside("/w/own", "1 file has")), "{actor:?}");
    }
}

#[test]
fn files_of_a_denied_directory_are_covered_elsewhere_too() {
    let links = "ln in/keys/one in/own/one; ln in/keys/deep/two out/two; ln in/keys/one in/keys/deep/one; \
                 mkfifo in/keys/fifo; ln in/keys/fifo in/own/fifo; ln -s one in/keys/link";
    for actor in actors() {
        let tree = Tree::new("files", actor, &format!("{FILL}; {links}"));
        let before = tree.listing();
        let files = "/w/in/keys/one /w/in/own/one /w/out/two";
        for denial in ["--deny /w/in/keys", "--deny /w/**/keys", "--deny /w/in/keys/** --deny /w/in/keys"] {
            closed(&tree, "--rw {w}:/w", denial, files);
            let fifo = tree.run(&format!("--rw {{w}}:/w {denial}"), &["stat", "-c", "%A", "/w/in/own/fifo"]);
            assert_eq!(fifo.done(), "p---------\n");
        }
        // A symbolic link of it is not followed: what it leads to is denied where it is asked for.
        assert_eq!(readable(&tree, "--rw {w}:/w --deny /w/in/keys", "/w/in/file").0, "/w/in/file");
        // In one that other things are mounted in, and cover.
        let options = "--rw {w}:/w --tmpfs /w/in/keys/deep --ro {w}/in/own/plain:/w/in/keys/one";
        closed(&tree, options, "--deny /w/in/keys", "/w/in/own/one /w/out/two");
        assert_eq!(tree.listing(), before);
    }
}

#[test]
fn a_second_mount_of_the_same_tree_is_covered() {
    for actor in actors() {
        let tree = Tree::new("second", actor, FILL);
        let before = tree.listing();
        for (options, denials, files) in [
            ("--rw {w}:/w --ro {w}:/v", "--deny /w/in/file", "/w/in/file /v/in/file"),
            ("--rw {w}:/w --rw {w}:/v", "--deny /v/in/f*", "/w/in/file /v/in/file"),
            ("--ro {w}/in:/w --ro {w}:/v --ro {w}/in/file:/x", "--deny /w/file", "/w/file /v/in/file /x"),
            ("--rw {w}/in:/w --ro {w}:/v", "--deny /w/keys", "/w/keys/one /v/in/keys/one /v/in/keys/deep/two"),
            ("--rw {w}/in:/w --ro {w}:/v", "--deny /w/**/ke*", "/w/keys/one /v/in/keys/one"),
            ("--rw {w}/in:/w --ro {w}:/v", "--deny /w/keys/**", "/w/keys/one /v/in/keys/deep/two"),
            // A part of what is denied.
            ("--rw {w}:/w --ro {w}/in/keys/deep:/d --ro {w}/in/keys/one:/o", "--deny /w/in/keys", "/d/two /o"),
            ("--rw {w}:/w --ro {w}/in/keys:/k", "--deny /k", "/k/one /w/in/keys/one /w/in/keys/deep/two"),
            // All of the host, and a directory of it again at its own path.
            ("--ro /:/h --rw {w}:/h{w}", "--deny /h{w}/in/file", "/h{w}/in/file"),
            ("--ro /:/h --rw {w}:/w", "--deny /w/in/file", "/h{w}/in/file /w/in/file"),
            ("--ro /:/h --rw {w}:/w", "--deny /h{w}/in/keys", "/w/in/keys/deep/two"),
        ] {
            let expand = |text: &str| text.replace("{w}", &tree.path.display().to_string());
            closed(&tree, options, denials, &expand(files));
        }
        assert_eq!(tree.listing(), before);
    }
}

/// Through a mount that can be written to nothing above it is renamed, where the denied path lies in one that cannot.
#[test]
fn by_another_mount_it_stays_at_its_path_too() {
    for actor in actors() {
        let tree = Tree::new("kept", actor, FILL);
        let before = tree.listing();
        // rename(2), which mv(1) replaces by copying where the kernel refuses.
        let script = "ren() { perl -e 'rename($ARGV[0], $ARGV[1]) or print STDERR \"$!\\n\"' $1 $2; }; \
                      ren /v/in/keys/deep /v/x; ren /v/in/keys /v/x; ren /v/in /v/x; rm -rf /v/in/keys; cat /v/x/two /v/x/deep/two /v/x/keys/deep/two /w/keys/deep/two; true";
        for shown in ["--ro {w}/in:/w", "--rw {w}/in:/w"] {
            let options = format!("{shown} --rw {{w}}:/v --deny /w/keys/deep/two --deny /w/keys/one");
            let outcome = tree.run(&options, &["/bin/sh", "-c", script]);
            assert_eq!((outcome.ending().as_str(), outcome.stdout_text()), ("exit 0", String::new()), "{outcome}");
            assert_eq!(tree.listing(), before, "{actor:?} {shown}: {outcome}");
        }
        // What denies nothing there pays nothing.
        let free = tree.run("--rw {w}:/v --ro {w}/out:/w --deny /w", &["mv", "/v/in/own", "/v/own"]);
        assert_eq!(free.ending(), "exit 0", "{free}");
    }
}

#[test]
fn an_overlay_shows_nothing_of_it() {
    let links = "ln in/file in/own/hard; ln in/keys/one out/one";
    for actor in actors() {
        let tree = Tree::new("overlay", actor, &format!("{FILL}; {links}"));
        let before = tree.listing();
        for (options, denials, files) in [
            // Denied in a tree that is a layer.
            ("--rw {w}:/w --overlay {w}:/o", "--deny /w/in/file", "/w/in/file /o/in/file /o/in/own/hard"),
            ("--rw {w}/in:/w --overlay {w}:/o", "--deny /w/keys", "/w/keys/one /o/in/keys/deep/two /o/out/one"),
            ("--rw {w}:/w --overlay {w}/in/keys:/o", "--deny /w/in/keys", "/o/one /o/deep/two /w/out/one"),
            // Denied in the overlay.
            ("--ro {w}:/w --overlay {w}:/o", "--deny /o/in/file", "/w/in/file /o/in/own/hard /w/in/own/hard"),
            ("--ro {w}:/w --overlay {w}/in:/o", "--deny /o/keys", "/w/in/keys/deep/two /w/out/one"),
            ("--ro {w}:/w --overlay {w}/in:/o", "--deny /o/**/two", "/w/in/keys/deep/two /o/keys/deep/two"),
            ("--ro {w}:/w --overlay {w}/in/own:/o", "--deny /o/hard", "/o/hard /w/in/file /w/in/own/hard"),
            ("--overlay {w}:/w --overlay {w}/in:/o", "--deny /o/file", "/w/in/file /w/in/own/hard /o/own/hard"),
        ] {
            closed(&tree, options, denials, files);
        }
        assert_eq!(tree.listing(), before);
    }
}

/// As in the directories of package managers and compilers: one line with a number, and no mount for what lies within.
#[test]
fn thousands_of_links_are_one_line() {
    let fill = "mkdir -p in/store/a in/store/b out; exec perl -e 'for (1..3000) { open F, \">in/store/a/$_\"; close F; \
                link \"in/store/a/$_\", \"in/store/b/$_\" } for (1..2000) { link \"in/store/a/$_\", \"out/$_\" }'";
    for actor in actors() {
        let tree = Tree::new("thousands", actor, fill);
        let count = ["perl", "-lane", "$n += $F[4] =~ m{^/[wv](/|$)}; END { print $n }", "/proc/self/mountinfo"];
        let inside = tree.run("--rw {w}/in:/w --deny /w/store", &count);
        let told = outside("/w/store", "2000 files have");
        assert_eq!((inside.done(), inside.stderr_text()), ("2\n".into(), told), "{actor:?}");
        let shown = tree.run("--rw {w}/in:/w --ro {w}/out:/v --deny /w/store", &count);
        assert_eq!((shown.done(), shown.stderr_text()), ("2003\n".into(), String::new()), "{actor:?}");
    }
}

/// Where a name may lie in a directory that cannot be listed, the denial does not hold.
#[test]
fn what_cannot_be_looked_for_is_refused() {
    if !Actor::Root.here() {
        return;
    }
    let tree = Tree::new("unlistable", Actor::User, &format!("{FILL}; mkdir foreign; ln in/file foreign/hard"));
    chown(tree.path.join("foreign"), Some(0), Some(0)).unwrap();
    fs::set_permissions(tree.path.join("foreign"), fs::Permissions::from_mode(0o711)).unwrap();
    let read = "cat /w/foreign/hard 2>/dev/null; echo ran";
    let command = ["/bin/sh", "-c", read];
    assert_eq!(tree.run("--rw {w}:/w", &command).done(), "secret\nran\n");
    let error = tree.run("--rw {w}:/w --deny /w/in/file", &command).error();
    let wanted = "mounts: deny /w/in/file: 1 file has more hard links, which may be in a directory that cannot be listed, \
                  /w/foreign: Permission denied\nhint: ";
    assert!(error.starts_with(wanted), "{error}");
    let effort = tree.run("--best-effort --rw {w}:/w --deny /w/in/file", &command);
    assert!(effort.stderr_text().starts_with("pinfold: not enforced: mounts: deny /w/in/file: 1 file"), "{effort}");
    assert_eq!(effort.done(), "secret\nran\n");
    // Denied as well, or not shown, it holds; and where nobody may enter it, nothing is to be done.
    assert_eq!(tree.run("--rw {w}:/w --deny /w/in/file --deny /w/foreign/hard", &command).done(), "ran\n");
    assert_eq!(tree.run("--rw {w}/in:/w/in --deny /w/in/file", &command).done(), "ran\n");
    fs::set_permissions(tree.path.join("foreign"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(tree.run("--rw {w}:/w --deny /w/in/file", &command).done(), "ran\n");
    // In a directory that is denied, its files may have links elsewhere.
    fs::set_permissions(tree.path.join("foreign"), fs::Permissions::from_mode(0o711)).unwrap();
    fs::create_dir(tree.path.join("in/keys/shut")).unwrap();
    fs::set_permissions(tree.path.join("in/keys/shut"), fs::Permissions::from_mode(0o711)).unwrap();
    let error = tree.run("--rw {w}:/w --deny /w/in/keys", &command).error();
    assert!(error.starts_with("mounts: deny /w/in/keys: looking into /w/in/keys/shut: Permission denied"), "{error}");
}
