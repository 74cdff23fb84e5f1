//! Trees that somebody has prepared to stop the run before it begins: files without an end, that nobody writes to, that
//! are larger than memory, and a tree that is deeper than any path.

use std::path::Path;

use crate::Place;
use crate::support::{Actor, Launch};

/// A place with a repository `w/r`, in which `script` has prepared something.
fn prepared(name: &str, script: &str) -> Place {
    let place = Place::new(name, Actor::User);
    place.host(".", "mkdir w home");
    place.repository("w/r");
    place.host("w/r", script);
    place
}

/// A bare repository that git could carry.
const BARE: &str = "mkdir -p b.git/objects b.git/refs b.git/hooks; echo ref: refs/heads/main >b.git/HEAD; ";

/// What cannot be read as a configuration could name anything as a hook, so nothing runs. And it is said at once.
#[test]
fn a_configuration_that_cannot_be_read_stops_the_run() {
    let cases = [
        ("fifo", "mkfifo b.git/config", "b.git/config cannot be read as a configuration of git (it is no regular"),
        (
            "zero",
            "ln -s /dev/zero b.git/config",
            "b.git/config cannot be read as a configuration of git (it is no regular",
        ),
        (
            "sparse",
            "truncate -s 2G b.git/config",
            "b.git/config cannot be read as a configuration of git (it has more than",
        ),
        ("large", "head -c 1048577 /dev/zero | tr '\\0' '#' >b.git/config", "b.git/config cannot be read"),
        ("directory", "mkdir b.git/config", "b.git/config cannot be read"),
        ("own-fifo", "rm .git/config; mkfifo .git/config", ".git/config cannot be read"),
        ("own-zero", "ln -sf /dev/zero .git/config", ".git/config cannot be read"),
        ("own-sparse", "truncate -s 2G .git/config", ".git/config cannot be read"),
        ("worktree-sparse", "truncate -s 2G b.git/config.worktree", "b.git/config.worktree cannot be read"),
        ("include", "mkfifo z; echo '[include]path=z' >y; echo '[include]path=../y' >b.git/config", "r/z is a fifo"),
        ("include-zero", "ln -s /dev/zero z; echo '[include]path=../z' >b.git/config", "z cannot be read"),
    ];
    for (name, script, why) in cases {
        let place = prepared(&format!("prepared-{name}"), &[BARE, script].concat());
        let outcome = place.pinfold(&[], "w/r", "touch ran");
        assert_eq!(outcome.ending(), "exit 125", "{name}: {outcome}");
        assert!(outcome.stderr_text().contains(why), "{name}: {outcome}");
        place.host("w/r", "test ! -e ran");
    }
}

/// Small files that include each other are no larger than memory, and have no fewer settings than atoms.
#[test]
fn includes_without_end_stop_the_run() {
    let script =
        "for n in 1 2 3 4 5 6 7 8 9 10; do echo '[include]path=x'; done >x; echo '[include]path=../x' >b.git/config";
    let place = prepared("prepared-many", &[BARE, script].concat());
    let outcome = place.pinfold(&[], "w/r", "true");
    assert_eq!(outcome.ending(), "exit 125", "{outcome}");
    assert!(outcome.stderr_text().contains("more configuration of git"), "{outcome}");
}

/// What git reads as nothing is nothing.
#[test]
fn a_configuration_that_is_empty_is_none() {
    let place = prepared(
        "prepared-null",
        &[BARE, "ln -s /dev/null b.git/config; ln -s /dev/null ../../home/.gitconfig"].concat(),
    );
    let outcome = place.pinfold(&[("GIT_CONFIG_GLOBAL", "/dev/null")], "w/r", "echo ran");
    assert_eq!(outcome.done(), "ran\n", "{outcome}");
}

/// Pointer files that lead nowhere are held, and nothing waits for them; the same with what is never read.
#[test]
fn files_that_lead_nowhere_are_not_waited_for() {
    let cases = [
        ("pointer-sparse", "mkdir x; truncate -s 2G x/.git"),
        ("pointer-zero", "mkdir x; ln -s /dev/zero x/.git"),
        ("head", "rm b.git/HEAD; mkfifo b.git/HEAD"),
        ("head-own", "rm .git/HEAD; mkfifo .git/HEAD; true"),
        ("gitdir", "mkdir -p .git/worktrees/x; mkfifo .git/worktrees/x/gitdir"),
        ("index", "rm .git/index; mkfifo .git/index"),
        ("packed", "truncate -s 2G .git/packed-refs b.git/packed-refs"),
    ];
    for (name, script) in cases {
        let place = prepared(&format!("prepared-{name}"), &[BARE, script].concat());
        let outcome = place.pinfold(&[], "w/r", "echo ran");
        assert_eq!(outcome.done(), "ran\n", "{name}: {outcome}");
    }
    for (name, script) in [
        ("own-pointer", "rm -rf .git; mkfifo .git"),
        ("own-pointer-sparse", "rm -rf .git; truncate -s 2G .git"),
        ("own-pointer-zero", "rm -rf .git; ln -s /dev/zero .git"),
        ("pointer-fifo", "mkdir x; mkfifo x/.git"),
        ("commondir", "mkfifo b.git/commondir"),
        ("only-commondir", "mkdir w2; echo ../b.git >w2/commondir; cp b.git/HEAD w2"),
        ("named-worktree", "mkdir -p worktrees/x; truncate -s 2G worktrees/x/commondir; cp b.git/HEAD worktrees/x"),
    ] {
        let place = prepared(&format!("prepared-{name}"), &[BARE, script].concat());
        let outcome = place.pinfold(&[], "w/r", "true");
        assert_eq!(outcome.ending(), "exit 125", "{name}: {outcome}");
    }
}

/// A program can write to a fifo that it cannot replace, also where that is read-only. So one is not held in silence.
#[test]
fn a_fifo_in_the_place_of_something_held_stops_the_run() {
    let place = prepared("prepared-held", "mkfifo .envrc");
    let outcome = place.pinfold(&[], "w/r", "true");
    assert_eq!(outcome.ending(), "exit 125", "{outcome}");
    assert!(outcome.stderr_text().contains("is a fifo"), "{outcome}");
}

/// In an overlay it is another fifo.
#[test]
fn a_fifo_in_a_directory_that_is_kept_apart_leads_nowhere() {
    for (number, fifo) in [".claude/settings.json", ".git/hooks/pre-push"].into_iter().enumerate() {
        let place = prepared(&format!("prepared-apart-{number}"), &format!("mkdir -p .claude; mkfifo {fifo}"));
        let dir = place.path.join("w/r");
        let reader = Launch::program(Path::new("/bin/sh"), place.actor, &["-c", &format!("cat {fifo}")]).dir(&dir);
        let reader = reader.start();
        let write = format!("timeout 1 sh -c 'echo evil >{fifo}'");
        let outcome = place.pinfold(&[], "w/r", &write);
        place.host("w/r", &format!("echo own >{fifo}"));
        assert_eq!(reader.finish().stdout_text(), "own\n", "{fifo}: {outcome}");
        assert_eq!(outcome.ending(), "exit 124", "{fifo}: {outcome}");
    }
}

/// What lies deeper than a path can say is walked through all the same. Nothing there can be held, so a repository is
/// said; what the program makes there is dealt with at the end, as everywhere.
#[test]
fn a_tree_that_is_deeper_than_any_path() {
    const DEEP: &str = "perl -e 'my $n = \"d\" x 250; for (1..60) { mkdir $n; chdir $n or die } mkdir $_ for @ARGV;
                        if (@ARGV) { open(my $f, q(>), q(.git/HEAD)); print $f qq(ref: refs/heads/x\\n) }' --";
    let place = prepared("prepared-deep", DEEP);
    let outcome = place.pinfold(&[], "w/r", "echo ran");
    assert_eq!(outcome.done(), "ran\n", "{outcome}");
    assert_eq!(outcome.stderr_text(), "", "{outcome}");
    place.host("w/r", &format!("{DEEP} .git .git/objects .git/refs"));
    let outcome = place.pinfold(&[], "w/r", "echo ran");
    assert_eq!(outcome.done(), "ran\n", "{outcome}");
    assert!(outcome.stderr_text().contains("too deep to be protected"), "{outcome}");
}

/// The program can open a directory that its owner has closed. What it makes there is kept apart.
#[test]
fn a_closed_directory_of_git_directories_is_kept_apart() {
    let script = "mkdir -p .git/modules/m/objects .git/modules/m/refs .git/modules/m/hooks; echo x >.git/modules/m/HEAD
                  chmod 0 .git/modules";
    let place = prepared("prepared-closed", script);
    let outcome = place.pinfold(&[], "w/r", "chmod 755 .git/modules && echo evil >.git/modules/m/hooks/post-checkout");
    place.host("w/r", "chmod 755 .git/modules; test ! -e .git/modules/m/hooks/post-checkout");
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    let said = outcome.stderr_text();
    assert!(said.contains("/.git could not be read before the run, so nothing is taken over there\n"), "{outcome}");
    assert!(said.contains(".git/modules/m/hooks/post-checkout (pinfold kept diff k1)\n"), "{outcome}");
}
