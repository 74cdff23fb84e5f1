//! Names that a mount of the host hides at one place, and another mount shows.

use std::path::Path;

use crate::support::{Launch, Outcome};
use crate::{Tree, actors, deny_box};

/// Runs a command in a box below a mount namespace, where `mounts` has been done in the tree.
fn run_with_mounts(tree: &Tree, mounts: &str, options: &str, command: &[&str]) -> Outcome {
    let script = format!("cd {}; {mounts}; exec \"$@\"", tree.path.display());
    let mut words = ["-Urm", "/bin/sh", "-euc", &script, "sh"].map(str::to_owned).to_vec();
    words.push(deny_box().display().to_string());
    words.extend(tree.words(options, command));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Launch::program(Path::new("/usr/bin/unshare"), tree.actor, &words).run()
}

/// The files that can be read, of those given, and what was said.
fn readable(tree: &Tree, mounts: &str, options: &str, files: &str) -> (String, String) {
    let script = format!("for f in {files}; do cat $f >/dev/null 2>&1 && echo $f; done; true");
    let outcome = run_with_mounts(tree, mounts, options, &["/bin/sh", "-c", &script]);
    (outcome.done().replace('\n', " ").trim().to_owned(), outcome.stderr_text())
}

#[test]
fn a_hidden_link_is_covered_where_it_is_shown() {
    let fill = "mkdir -p a/d/x b keys/sub; echo secret > file; ln file a/d/x/link; ln file a/name; echo plain > plain; \
                echo secret > keys/one; ln keys/one a/d/x/one; echo secret > keys/sub/two; ln keys/sub/two a/d/two";
    let of_file = "/w/file /w/b/d/x/link /w/b/name";
    let of_keys = "/w/keys/one /w/b/d/x/one /w/b/d/two";
    for actor in actors() {
        let tree = Tree::new("hidden", actor, fill);
        let before = tree.listing();
        for (mounts, denial, files) in [
            ("mount --bind a b; mount -t tmpfs none a/d/x", "--deny /w/file", of_file),
            ("mount --bind a b; mount -t tmpfs none a/d/x", "--deny /w/f*", of_file),
            ("mount --bind a b; mount -t tmpfs none a/d", "--deny /w/**/file", of_file),
            ("mount --bind a b; mount --bind plain a/name", "--deny /w/file", of_file),
            ("mount --bind a b; mount -t tmpfs none a/d/x", "--deny /w/keys", of_keys),
            // A mount in what is denied itself, and what is denied twice is counted once.
            (
                "mount --bind a b; mount -t tmpfs none a/d; mount --bind plain keys/sub/two",
                "--deny /w/keys",
                "/w/b/d/x/one",
            ),
            ("mount --bind a b; mount -t tmpfs none a/d/x", "--deny /w/b/d --deny /w/a/d", of_file),
            ("mount --bind a b; mount -t tmpfs none a/d/x", "--deny /w/a/d --deny /w/a --deny /w/b/d", of_file),
        ] {
            for shown in ["--rw {w}:/w", "--ro {w}:/w"] {
                let open = readable(&tree, mounts, shown, files);
                assert_eq!(open, (files.into(), String::new()), "{actor:?} {mounts} {shown}");
                let options = format!("{shown} {denial}");
                let (open, said) = readable(&tree, mounts, &options, files);
                assert_eq!((open.as_str(), said.as_str()), ("", ""), "{actor:?} {mounts} {options}");
            }
        }
        assert_eq!(tree.listing(), before);
    }
}

/// What is hidden wherever it lies cannot be reached: that it has more names is told, and the run goes on.
#[test]
fn what_is_hidden_everywhere_is_told() {
    for actor in actors() {
        let tree = Tree::new("nowhere", actor, "mkdir -p a/x b; echo secret > file; ln file a/x/link");
        let mounts = "mount --bind a b; mount -t tmpfs none a/x; mount -t tmpfs none b/x";
        let files = "/w/file /w/a/x/link /w/b/x/link";
        let (open, said) = readable(&tree, mounts, "--rw {w}:/w --deny /w/file", files);
        assert_eq!(open, "", "{actor:?}");
        assert!(said.contains(": 1 file has more hard links outside of what this sandbox shows"), "{said}");
        // In a namespace of its own the program cannot take away what hides it.
        let nested = "unshare -Urm sh -c 'umount /w/a/x; cat /w/a/x/link' 2>/dev/null; true";
        let outcome = run_with_mounts(&tree, mounts, "--rw {w}:/w --deny /w/file", &["/bin/sh", "-c", nested]);
        assert_eq!(outcome.done(), "", "{outcome}");
    }
}

/// Where the host can unmount what hides them, the names would be seen in the box.
#[test]
fn what_the_host_may_uncover_is_refused() {
    for actor in actors() {
        let fill = "mkdir -p a/x b out; echo secret > file; ln file a/x/link; echo secret > free; echo plain > plain";
        let tree = Tree::new("uncover", actor, fill);
        let mounts = "mount --rbind . .; cd \"$PWD\"; mount --make-shared .; mount -t tmpfs none a/x";
        let command = ["/bin/sh", "-c", "echo ran"];
        let error = run_with_mounts(&tree, mounts, "--rw {w}:/w --deny /w/file", &command).error();
        let wanted = "mounts: deny /w/file: 1 file has more hard links, which may be in what is hidden by the mount at /w/a/x\n\
                      hint: ";
        assert!(error.starts_with(wanted), "{error}");
        for (mounts, options) in [
            // Nothing that is unmounted on the host is unmounted below a read-only bind.
            (mounts.to_owned(), "--ro {w}:/w --deny /w/file"),
            // No name is missing.
            (mounts.to_owned(), "--rw {w}:/w --deny /w/free"),
            // It is shown elsewhere.
            (format!("mount --bind a b; {mounts}"), "--rw {w}:/w --ro {w}/b:/b --deny /w/file"),
            // No file of these is hidden.
            (mounts.replace("-t tmpfs none a/x", "--bind plain free"), "--rw {w}:/w --deny /w/file"),
        ] {
            let outcome = run_with_mounts(&tree, &mounts, options, &command);
            assert_eq!(outcome.done(), "ran\n", "{actor:?} {mounts} {options}");
        }
    }
}

/// What was removed while it was mounted has no path by which it could be found or covered.
#[test]
fn what_was_removed_under_a_mount_is_refused() {
    let fill = "mkdir -p keys d; echo secret > keys/one; ln keys/one d/gone; touch place; echo plain > d/plain; touch other free";
    let mounts = "mount --bind d/gone place; rm d/gone; mount --bind d/plain other; rm d/plain";
    for actor in actors() {
        for denial in ["/w/keys/one", "/w/keys", "/w/**/one", "/w/place", "/w/d", "/w/pl*"] {
            let tree = Tree::new("removed", actor, fill);
            let options = format!("--rw {{w}}:/w --deny {denial}");
            let error = run_with_mounts(&tree, mounts, &options, &["/bin/cat", "/w/place"]).error();
            assert!(error.starts_with("mounts: deny ") && error.contains(": Stale file handle\nhint: "), "{error}");
            assert!(error.contains("umount"), "{error}");
        }
        // What is not denied is shown still.
        let tree = Tree::new("removed", actor, fill);
        let (open, said) = readable(&tree, mounts, "--rw {w}:/w --deny /w/free", "/w/place /w/other");
        assert_eq!((open.as_str(), said.as_str()), ("/w/place /w/other", ""), "{actor:?}");
    }
}

/// A filesystem of the host may show files of another: nobody says then that they are out of reach.
#[test]
fn what_another_filesystem_may_show_is_told() {
    for actor in actors() {
        let tree =
            Tree::new("another", actor, "mkdir -p in out empty over; echo secret > in/file; ln in/file out/link");
        let mounts = "mount -t overlay overlay -o lowerdir=out:empty over";
        let options = "--rw {w}/in:/w --ro {w}/over:/over --deny /w/file";
        let (open, said) = readable(&tree, mounts, options, "/w/file /over/link");
        assert_eq!(open, "/over/link", "{actor:?}: known as a limit");
        let wanted = "1 file has more hard links, which were not found, and may be shown by another kind of filesystem, at /over\n";
        assert!(said.ends_with(wanted), "{said}");
        // Where it is an overlay of the sandbox's own, its layers are looked through.
        let options = "--rw {w}/in:/w --overlay {w}/out:/over --deny /w/file";
        let (open, said) = readable(&tree, ":", options, "/w/file /over/link");
        assert_eq!((open.as_str(), said.as_str()), ("", ""), "{actor:?}");
    }
}

/// That is told of files without hard links too, once, and not where only one filesystem could show the file.
#[test]
fn what_another_filesystem_may_show_is_told_of_every_file() {
    for actor in actors() {
        let tree =
            Tree::new("kinds", actor, "mkdir -p in/dir out empty over; echo secret > in/file; cp in/file in/dir");
        let mounts = "mount -t overlay overlay -o lowerdir=in:empty over";
        let told = |path: &str| {
            format!("pinfold: mounts: deny {path}: a filesystem of another kind may show it too, at /over\n")
        };
        let over = "--ro {w}/over:/over";
        for (options, files, wanted) in [
            ("--rw {w}/in:/w --deny /w/file", "/over/file", told("/w/file")),
            ("--rw {w}/in:/w --deny /w/f*", "/over/file", told("/w/f*").replace("deny ", "deny what matches ")),
            ("--rw {w}/in:/w --deny /w/dir --deny /w/file", "/over/file /over/dir/file", told("/w/dir")),
            // What the box does not show at that path.
            ("--deny {w}/in/file", "/over/file", told("{w}/in/file")),
            // The file lies on that filesystem itself.
            ("--deny /over/file", "/over/dir/file", String::new()),
            // What the box has of its own.
            ("--tmpfs /t --dir /t/own --deny /t/own", "/over/file", String::new()),
            ("--deny /proc/version", "/over/file", String::new()),
        ] {
            let expand = |text: &str| text.replace("{w}", &tree.path.display().to_string());
            let (open, said) = readable(&tree, mounts, &format!("{over} {options}"), files);
            assert_eq!((open.as_str(), said), (files, expand(&wanted)), "{actor:?} {options}");
        }
        // Where no such filesystem is shown, nothing is said of it: not at all, or not any more.
        for options in
            ["--rw {w}/in:/w --deny /w/file", "--rw {w}/in:/w --ro {w}/over:/t/over --tmpfs /t --deny /w/file"]
        {
            let (open, said) = readable(&tree, mounts, options, "/w/file /w/dir/file");
            assert_eq!((open.as_str(), said.as_str()), ("/w/dir/file", ""), "{actor:?} {options}");
        }
    }
}
