//! What is said of a run.

use std::path::Path;

use pinfold::takeover::lines;

use crate::place::{Place, SETUP};

fn said(name: &str, before: &str, script: &str) -> Vec<String> {
    let place = Place::new(name);
    place.host(before);
    lines(Path::new(".git"), "k1", &place.run(script)).into_iter().map(|line| line.text).collect()
}

/// Each of them is lost but for its name.
#[test]
fn stashes_that_are_dropped() {
    let setup = format!("{SETUP}; for n in 1 2 3; do echo $n >a; git stash -q; done");
    for (name, script, gone) in [
        ("one", "git stash drop -q stash@{1}", &["stash@{1}"][..]),
        ("clear", "git stash clear", &["stash@{0}", "stash@{1}", "stash@{2}"]),
        ("none", "git stash pop -q", &["stash@{0}"]),
    ] {
        let place = Place::with(&format!("stash-{name}"), &setup);
        let ids: Vec<String> = gone.iter().map(|name| place.git(&format!("rev-parse '{name}'"))).collect();
        let told = place.run(script);
        let said = lines(std::path::Path::new(".git"), "k1", &told);
        let line = said.iter().find(|line| line.text.starts_with("git: stashes dropped: ")).map(|line| &line.text);
        assert!(ids.iter().all(|id| line.is_some_and(|line| line.contains(&id[..10]))), "{name}: {said:?}");
        assert_eq!(line.map(|line| line.matches(',').count()), Some(gone.len()), "{name}: {said:?}");
    }
}

#[test]
fn everyday_work_is_one_line_that_frightens_nobody() {
    let taken = |what: &str| vec![format!("git: {what}, taken over from the box")];
    for (name, before, script, what) in [
        ("commit", "", "echo x >x; git add x; git commit -qm x", "main moved"),
        (
            "branch",
            "",
            "git switch -qc fix/a; echo n >n; git add n; git commit -qm n",
            "branch fix/a new, now on fix/a",
        ),
        ("merge", "", "git merge -q -m m side; git tag v1", "main moved, tag v1 new"),
        ("reflog", "", "git reflog expire --expire=now --all; git commit -q --allow-empty -m x", "main moved"),
        ("again", "", "git branch -D side; git branch side main", "side moved"),
        (
            "conflict",
            "git checkout -q -b c main~1; echo c >a; git commit -qam c",
            "git rebase main || true",
            "HEAD detached, a rebase in progress",
        ),
        ("config", "", "git config pull.rebase true", "setting pull.rebase"),
    ] {
        assert_eq!(said(&format!("words-{name}"), before, script), taken(what), "{name}");
    }
    for (name, script) in [("status", "touch a b; git status"), ("add", "echo x >x; git add x"), ("gc", "git gc -q")] {
        assert_eq!(said(&format!("words-{name}"), "", script), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_stays_is_named_with_what_shows_it() {
    let script = "echo x >.git/hooks/pre-commit; git config core.hooksPath .husky/_; git config alias.x '!sh -c \"a\"'";
    let expected = "not taken over, kept as k1: alias.x='!sh -c \"a\"', core.hookspath=.husky/_, .git/hooks/pre-commit (pinfold kept diff k1)";
    assert_eq!(said("words-kept", "", script), [expected]);
}
