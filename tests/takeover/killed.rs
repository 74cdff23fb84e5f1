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
