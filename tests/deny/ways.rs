//! What is denied stays at its path: nothing above it is moved away with it, during the run, for the next.

use crate::support::Actor;
use crate::{Tree, actors};

const FILL: &str = "mkdir -p a/b/c a/other d/secrets d/e own; echo secret > a/b/file; echo secret > d/secrets/x.pem; \
                    echo secret > d/e/.env; echo plain > a/b/plain; ln -s a/b link";

/// rename(2), which mv(1) replaces by copying where the kernel refuses: what came of each pair.
const RENAME: &str =
    "ren() { perl -e 'print rename($ARGV[0], $ARGV[1]) ? \"done\" : int($!), \"\\n\"' \"$1\" \"$2\"; }; cd /w;";

fn run(tree: &Tree, options: &str, script: &str) -> String {
    tree.run(&format!("--rw {{w}}:/w {options}"), &["/bin/sh", "-c", &format!("{RENAME} {script}")]).done()
}

/// Where something is mounted inside, below the places of these tests.
fn mounted(tree: &Tree, options: &str) -> usize {
    let script = "perl -lane 'print $F[4] if $F[4] =~ m{^/[wht](/|$)}' /proc/self/mountinfo | sort -u";
    tree.run(options, &["/bin/sh", "-c", script]).done().lines().count()
}

#[test]
fn no_directory_on_the_way_is_moved() {
    for actor in actors() {
        let tree = Tree::new("ways", actor, FILL);
        let before = tree.listing();
        for path in ["/w/a/b/file", "/w/link/file", "/w/a/../a/b//file", "/w/a/b/f*", "/w/*/b/file"] {
            // Away, into something, exchanged (renameat2(2), RENAME_EXCHANGE), removed.
            let script = "ren a x; ren a/b x; ren a/b own/b; \
                          perl -e 'for ([\"a\", \"own\"], [\"a/b\", \"a/other\"]) { \
                                   print syscall(316, -100, $$_[0], -100, $$_[1], 2) == 0 ? \"done\" : int($!), \"\\n\" }'; \
                          rm -rf a/b/c; mkdir a/b/c; rmdir a/b 2>&1 | grep -c busy; cat a/b/file link/file 2>&1 | grep -c denied";
            let found = run(&tree, &format!("--deny {path}"), script);
            let wanted = format!("{0}\n{1}\n{1}\n{0}\n{0}\n1\n2\n", libc::EBUSY, libc::EXDEV);
            if cfg!(target_arch = "x86_64") {
                assert_eq!(found, wanted, "{actor:?} {path}");
            } else {
                assert!(!found.contains("done"), "{actor:?} {path}: {found}");
            }
            assert_eq!(tree.listing(), before, "{actor:?} {path}");
        }
        // Where nothing is denied, they are moved.
        assert_eq!(run(&tree, "", "ren a x; ren x a"), "done\ndone\n");
    }
}

/// A run leaves no decoy at the path that the next one denies.
#[test]
fn the_next_run_denies_the_same_file() {
    let tree = Tree::new("decoy", Actor::User, FILL);
    let swap = "ren a x >&2; ren a/b x >&2; mkdir -p a/b 2>&1; echo decoy > a/b/file; true";
    for path in ["/w/a/b/file", "/w/a/b/*ile"] {
        run(&tree, &format!("--deny {path}"), swap);
        assert_eq!(run(&tree, &format!("--deny {path}"), "cat a/b/file x/file x/b/file 2>/dev/null; true"), "");
    }
}

#[test]
fn the_rest_of_a_directory_on_the_way_works() {
    for actor in actors() {
        let tree = Tree::new("rest", actor, FILL);
        // Atomic saves, links, new files: in the directory itself, and seen outside.
        let script =
            "echo new > a/b/tmp; ren a/b/tmp a/b/plain; ln a/b/plain a/b/hard; ren a/b/c a/b/moved; cat a/b/plain";
        assert_eq!(run(&tree, "--deny /w/a/b/file", script), "done\ndone\nnew\n");
        assert_eq!(std::fs::read_to_string(tree.path.join("a/b/hard")).unwrap(), "new\n");
        assert!(tree.path.join("a/b/moved").is_dir());
        // What is next to it is as free as ever; the price is paid across the border.
        assert_eq!(run(&tree, "--deny /w/a/b/file", "ren d/e own/e; ren own/e d/e"), "done\ndone\n");
        assert_eq!(run(&tree, "--deny /w/a/b/file", "ren a/b/plain own/plain"), format!("{}\n", libc::EXDEV));
    }
}

#[test]
fn only_names_that_count_are_held() {
    for actor in actors() {
        let tree = Tree::new("counts", actor, FILL);
        let none = mounted(&tree, "--rw {w}:/w");
        for (denial, held) in [
            ("/w/own", 0),
            ("/w/a/b", 1),
            ("/w/a/b/file", 2),
            ("/w/**/.env", 0),
            ("/w/d/**/.env", 1),
            ("/w/**/secrets/*.pem", 1),
            ("/w/d/*/*.pem", 2),
            ("/w/**/d/**/*.pem", 2),
        ] {
            // Each holds one mount of itself, which has the cover in it again; the cover first.
            assert_eq!(
                mounted(&tree, &format!("--rw {{w}}:/w --deny {denial}")),
                none + 1 + held,
                "{actor:?} {denial}"
            );
        }
        // What `**` stands for may have any name, as long as it stays below the directory.
        assert_eq!(
            run(
                &tree,
                "--deny /w/**/.env",
                "ren d/e d/f; ren d/f own/e; cat own/e/.env 2>&1 | grep -c denied; ren own/e d/e"
            ),
            "done\ndone\n1\ndone\n"
        );
        assert_eq!(
            run(&tree, "--deny /w/d/**/.env", "ren d/e d/f; ren d/f own/e; ren d/f d/e; ren d x"),
            format!("done\n{}\ndone\n{}\n", libc::EXDEV, libc::EBUSY)
        );
        assert_eq!(
            run(&tree, "--deny /w/**/secrets/*.pem", "ren d/secrets d/x; ren d own/d; ren own/d d"),
            format!("{}\ndone\ndone\n", libc::EBUSY)
        );
    }
}

/// Nothing is paid where nobody inside could move a directory.
#[test]
fn what_cannot_be_moved_is_left_alone() {
    for actor in actors() {
        let tree = Tree::new("still", actor, FILL);
        let count = |options: &str| mounted(&tree, options);
        assert_eq!(count("--ro {w}:/w --deny /w/a/b/file"), 2);
        assert_eq!(count("--tmpfs /t --dir /t/a/b --deny /t/a/b/file"), 2);
        assert_eq!(count("--rw {w}/a:/w --deny /w/b"), 2);
        // Nor for somebody else's directories.
        if actor == Actor::User {
            assert_eq!(count("--rw /:/h --deny /h/usr/bin/env"), count("--rw /:/h") + 1);
        }
    }
}

/// In a namespace of its own the program can move nothing either.
#[test]
fn a_nested_namespace_moves_nothing() {
    let tree = Tree::new("nested-ways", Actor::User, FILL);
    let script = "unshare -Ur -m sh -c 'umount /w/a/b; umount -l /w/a; mount --rbind /w /usr/share; \
                  mv -T /usr/share/a /usr/share/x; mv -T /w/a /w/x; rm -rf /w/a/b/file; cat /w/a/b/file /w/x/b/file' 2>/dev/null; true";
    assert_eq!(run(&tree, "--deny /w/a/b/file", script), "");
    assert!(tree.path.join("a/b/file").is_file());
    assert!(!tree.path.join("x/b/file").exists());
}

/// Mounts that lie in such a directory stay what they are.
#[test]
fn mounts_below_are_kept() {
    for actor in actors() {
        let tree = Tree::new("below", actor, FILL);
        let options = "--ro {w}/d:/w/a/other --tmpfs /w/a/b/c --deny /w/a/b/file --deny /w/a/other/e/.env";
        let script = "echo x > a/other/x; echo y > a/b/c/y; ls a/b/c a/other; cat a/other/e/.env; ren a/other a/o";
        let outcome = tree.run(&format!("--rw {{w}}:/w {options}"), &["/bin/sh", "-c", &format!("{RENAME} {script}")]);
        assert_eq!(outcome.stdout_text(), format!("a/b/c:\ny\n\na/other:\ne\nsecrets\n{}\n", libc::EBUSY), "{outcome}");
        assert!(outcome.stderr_text().contains("Read-only file system"), "{outcome}");
        assert!(!tree.path.join("d/x").exists() && !tree.path.join("a/b/c/y").exists());
    }
}

/// A link on the way stays too: another in its place would lead the next run elsewhere.
#[test]
fn no_link_on_the_way_is_exchanged() {
    let fill = "mkdir -p real/deep links other own; echo secret > real/deep/file; ln -s ../real/deep links/dir; ln -s links/dir chain; \
                ln -s chain/file last; echo decoy > other/file; ln -s /w/chain own/up; ln -s real free";
    for actor in actors() {
        let tree = Tree::new("exchange", actor, fill);
        let before = tree.listing();
        for (denial, links) in [
            ("/w/last", "last chain links/dir"),
            ("/w/chain/file", "chain links/dir"),
            ("/w/own/up/file", "own/up chain links/dir"),
            ("/w/l*t", "last chain links/dir"),
            ("/w/ch*/fi*", "chain links/dir"),
        ] {
            let script = format!(
                "for l in {links}; do ren $l own/x; ren other/file $l; ln -sfn /w/other $l 2>/dev/null; rm -f $l; done; \
                 ren real x; ren real/deep real/x; ren links x; cat last chain/file own/up/file real/deep/file; true"
            );
            let found = run(&tree, &format!("--deny {denial}"), &script);
            assert_eq!(found.lines().count(), 2 * links.split(' ').count() + 3, "{actor:?} {denial}: {found}");
            assert!(!found.contains("done"), "{actor:?} {denial}: {found}");
            assert_eq!(tree.listing(), before, "{actor:?} {denial}");
            assert_eq!(run(&tree, &format!("--deny {denial}"), "ren free x; ren x free"), "done\ndone\n");
        }
    }
}

/// A link in a writable place that leads where nobody inside can make anything: it is held, and that is all.
#[test]
fn a_link_that_leads_nowhere_inside_is_held() {
    let fill =
        "mkdir d own; ln -s /usr/nowhere/token d/link; ln -s d/link chain; ln -s /t/x own-link; echo decoy > decoy";
    for actor in actors() {
        let tree = Tree::new("nowhere", actor, fill);
        let before = tree.listing();
        for denial in ["--deny /w/d/link", "--deny /w/chain", "--tmpfs /t --deny /w/own-link", "--deny /w/chain/below"]
        {
            let script = "for l in d/link chain own-link; do ln -sfn ../decoy $l 2>/dev/null; done; ren d x; ren x d";
            let link = denial.split(['/', ' ']).rfind(|word| word.contains("link") || *word == "chain").unwrap();
            let found = run(&tree, denial, script);
            let kept = if link == "link" { "d/link" } else { link };
            let (was, is) = (tree.listing(), std::fs::read_link(tree.path.join(kept)).unwrap());
            assert_ne!(is, std::path::Path::new("../decoy"), "{actor:?} {denial}: {was}");
            assert_eq!(found.contains("done"), link == "own-link", "{actor:?} {denial}: {found}");
            let again = "ln -sfn /usr/nowhere/token d/link; ln -sfn d/link chain; ln -sfn /t/x own-link";
            run(&tree, "", again);
            assert_eq!(tree.listing(), before);
        }
        // What was made in a place of the sandbox is closed by every name.
        let said = tree.run(
            "--rw {w}:/w --tmpfs /t --deny /w/own-link",
            &["/bin/sh", "-c", "echo x > /t/x; cat /t/x; ls -l /t/x"],
        );
        assert!(said.stdout_text().starts_with("----------"), "{said}");
    }
}
