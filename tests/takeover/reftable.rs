//! Refs in tables, which git has since 2.45.

use std::cell::Cell;
use std::fs;

use crate::place::{Place, SETUP, kept};
use crate::support;

/// The same setup with tables. `None` if this git has none.
fn setup(test: &str) -> Option<String> {
    let place = Place::with(&format!("reftable-known-{test}"), "true");
    if !place.command("git", &["init", "-q", "--ref-format=reftable", "."]).status.success() {
        support::skip("this git has no reftable (2.45)");
        return None;
    }
    Some(SETUP.replace("git init -q -b main .", "git init -q --ref-format=reftable -b main ."))
}

#[test]
fn work_on_tables_is_taken_over() {
    let Some(setup) = setup("work") else { return };
    for (name, script) in [
        ("commit", "echo x >x; git add x; git commit -qm x; git branch new; git tag t; git branch -D side"),
        ("switch", "git switch -qc new; echo n >n; git add n; git commit -qm n"),
        ("stash", "echo d >a; git stash -q; echo e >b; git stash -q"),
        ("conflict", "git switch -qc c HEAD~1; echo c >a; git commit -qam c; git merge -q main || true"),
        ("reset", "git reset -q --hard HEAD~1; git pack-refs --all"),
        ("status", "touch a; git status >/dev/null"),
    ] {
        let (plain, boxed) =
            (Place::with(&format!("reftable-{name}-plain"), &setup), Place::with(&format!("reftable-{name}"), &setup));
        plain.host(script);
        let left = boxed.inside(script);
        let told = left.take();
        assert_eq!(boxed.state(), plain.state(), "{name}: {told:?}");
        assert_eq!((kept(&told), left.rest()), (vec![], vec![]), "{name}");
        // The host's git goes on with it.
        boxed.host("git branch later; git pack-refs --all; git gc -q; git fsck --strict --no-dangling");
        let again = left.take();
        assert_eq!((again.taken, again.kept), (vec![], vec![]), "{name}");
    }
}

#[test]
fn one_bad_ref_keeps_all_of_it_apart() {
    let Some(setup) = setup("bad") else { return };
    for (name, script) in [
        ("replace", "git commit -q --allow-empty -m two; git replace main main~1"),
        ("link", "git symbolic-ref refs/heads/alias refs/heads/main"),
        ("garbage", "for x in .git/reftable/*.ref; do echo garbage >$x; done"),
        ("list", "echo ../../../x >.git/reftable/tables.list"),
        ("gone", "rm -rf .git/reftable"),
        (
            "missing",
            "t=$(printf '100644 blob 1234567890123456789012345678901234567890\\tx\\n' | git mktree --missing)
            git branch bad $(git commit-tree -m broken $t)",
        ),
    ] {
        let place = Place::with(&format!("reftable-{name}"), &setup);
        let before = place.git("for-each-ref");
        let left = place.inside(script);
        let told = left.take();
        assert_eq!(place.git("for-each-ref"), before, "{name}");
        assert!(kept(&told).contains(&"reftable".into()), "{name}: {told:?}");
        assert_eq!(place.git("fsck --strict --no-dangling 2>&1"), "", "{name}");
    }
}

#[test]
fn what_the_user_has_done_meanwhile_stays() {
    let Some(setup) = setup("meanwhile") else { return };
    let place = Place::with("reftable-both", &setup);
    let left = place.inside("git commit -q --allow-empty -m box");
    place.git("branch mine");
    let before = place.git("for-each-ref");
    assert!(kept(&left.take()).contains(&"reftable".into()));
    assert_eq!(place.git("for-each-ref"), before);
    assert!(!fs::exists(place.repo.join(".git/reftable/tables.list.lock")).unwrap());
}

#[test]
fn taking_over_tables_can_end_anywhere_and_run_again() {
    let Some(setup) = setup("killed") else { return };
    let script = "echo x >x; git add x; git commit -qm x; git branch -D side; git tag t; git switch -qc c HEAD~1";
    let whole = Place::with("reftable-whole", &setup);
    whole.inside(script).take();
    let mut steps = 0;
    loop {
        let place = Place::with(&format!("reftable-killed-{steps}"), &setup);
        let (left, count) = (place.inside(script), Cell::new(0));
        let first = left.take_while(&|| {
            count.set(count.get() + 1);
            count.get() <= steps
        });
        let told = left.take();
        assert_eq!((place.state(), left.rest()), (whole.state(), vec![]), "stopped after {steps}: {told:?}");
        if first.is_some() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 5, "{steps}");
}
