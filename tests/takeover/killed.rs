//! Taking over that ends anywhere and runs again comes to the same.

use std::cell::Cell;

use crate::place::{Place, SETUP};

const SCRIPT: &str = "
    echo x >x; git add x; git commit -qm x; git branch -D side; git branch one/two; git pack-refs --all
    git tag -a -m t t; echo d >a; git stash -q; git config pull.ff only; git remote add two ../two
    git switch -qc c HEAD~1; echo c >a; git commit -qam c; git worktree add -q wt one/two; git rebase -q main || true";

#[test]
fn at_each_step() {
    let whole = Place::with("whole", SETUP);
    whole.inside(SCRIPT).take();
    let expected = whole.state();
    let mut steps = 0;
    loop {
        let place = Place::with(&format!("killed-{steps}"), SETUP);
        let left = place.inside(SCRIPT);
        let count = Cell::new(0);
        let go_on = || {
            count.set(count.get() + 1);
            count.get() <= steps
        };
        let first = left.take_while(&go_on);
        let told = left.take();
        assert_eq!(place.state(), expected, "stopped after {steps}: {told:?}");
        assert_eq!((told.kept, told.moved), (vec![], vec![]), "stopped after {steps}");
        assert_eq!(left.rest(), Vec::<String>::new(), "stopped after {steps}");
        if first.is_some() {
            break;
        }
        // All of the first, then some: each takes a second.
        steps += if steps < 8 { 1 } else { 3 };
    }
    assert!(steps > 20, "{steps}");
}

/// A directory of the state takes the place of another in one step.
#[test]
fn a_rebase_that_goes_on() {
    let setup = format!(
        "{SETUP}; git checkout -q side; git commit -q --allow-empty -m s2; git commit -q --allow-empty -m s3
         GIT_SEQUENCE_EDITOR='sed -i s/pick/edit/' git rebase -qi main 2>/dev/null || true; test -d .git/rebase-merge"
    );
    let script =
        "git commit -q --amend -m changed; git rebase --continue >/dev/null 2>&1 || true; test -d .git/rebase-merge";
    let whole = Place::with("rebase", &setup);
    whole.inside(script).take();
    let (expected, number) = (whole.state(), whole.host("cat .git/rebase-merge/msgnum"));
    assert_eq!(number, "2\n");
    for steps in 1.. {
        let place = Place::with(&format!("rebase-{steps}"), &setup);
        let left = place.inside(script);
        let count = Cell::new(0);
        let go_on = || {
            count.set(count.get() + 1);
            count.get() <= steps * 4
        };
        let first = left.take_while(&go_on);
        assert!(place.repo.join(".git/rebase-merge/msgnum").exists(), "stopped after {steps}");
        let told = left.take();
        assert_eq!((place.state(), told.kept), (expected.clone(), vec![]), "stopped after {steps}");
        assert!(!place.repo.join(".git/state.pinfold").exists());
        if first.is_some() {
            break;
        }
    }
}
