//! The user works outside during the run: nothing of either is lost.

use crate::place::{Place, kept};

#[test]
fn both_have_committed() {
    let place = Place::new("both");
    let left = place.inside("echo x >x; git add x; git commit -qm box; git branch new; git config pull.ff only");
    let theirs = std::fs::read_to_string(left.upper.join("refs/heads/main")).unwrap();
    place.host("git reset -q; echo y >y; git add y; git commit -qm user; git config pull.ff false");
    let mine = place.git("rev-parse main");
    let told = left.take();
    assert_eq!(place.git("rev-parse main"), mine, "{told:?}");
    assert_eq!(place.git("rev-parse refs/pinfold/k1/heads/main new"), format!("{theirs}{theirs}"));
    assert_eq!((told.moved.len(), &told.moved[0].kept_as[..]), (1, &b"refs/pinfold/k1/heads/main"[..]));
    assert_eq!(place.git("config pull.ff"), "false\n");
    assert!(kept(&told).contains(&"config: pull.ff".into()), "{told:?}");
    assert!(kept(&told).contains(&"index".into()) && kept(&told).contains(&"logs/HEAD".into()), "{told:?}");
    assert_eq!(place.git("fsck --strict"), "");
}

#[test]
fn the_user_has_it_already() {
    let place = Place::new("already");
    let left = place.inside("git branch new; git tag t; git commit -q --allow-empty -m one");
    place.host("git branch new; git tag t");
    let told = left.take();
    assert_eq!((kept(&told), told.moved), (vec![], vec![]));
}

#[test]
fn the_user_has_only_looked() {
    let place = Place::new("looked");
    let left = place.inside("echo x >x; git add x; git commit -qm box");
    // The index is written anew, with the same entries.
    place.host("touch a b; git update-index --refresh -q; git status >/dev/null");
    let told = left.take();
    assert_eq!(kept(&told), Vec::<String>::new());
    assert_eq!(place.git("status --porcelain"), "");
}

#[test]
fn the_user_packs_and_collects() {
    let place = Place::new("collects");
    let left = place.inside("echo x >x; git add x; git commit -qm box; git branch -D side; git branch new");
    place.host("git gc -q --prune=now; git pack-refs --all");
    let told = left.take();
    assert_eq!((kept(&told), told.moved), (vec![], vec![]));
    assert_eq!(place.git("branch --format='%(refname)'"), "refs/heads/main\nrefs/heads/new\n");
    assert_eq!(place.git("status --porcelain; git fsck --strict"), "");
}

/// `packed-refs` taken as a file would take back both.
#[test]
fn what_the_user_commits_while_the_box_packs_stays() {
    let place = Place::new("packs");
    let left = place.inside("git gc -q");
    place.host("git commit -q --allow-empty -m one; git branch two");
    let before = place.git("for-each-ref");
    let told = left.take();
    assert_eq!(place.git("for-each-ref"), before);
    assert_eq!((kept(&told), told.moved), (vec![], vec![]));
}

#[test]
fn a_lock_is_waited_for_and_then_said() {
    let place = Place::new("locked");
    let left = place.inside(
        "git commit -q --allow-empty -m x; echo n >n; git add n; git config pull.ff only; git checkout -q --detach",
    );
    place.host("touch .git/index.lock .git/HEAD.lock .git/config.lock .git/refs/heads/main.lock");
    let before = place.git("rev-parse main");
    let told = left.take();
    let said = kept(&told);
    for name in ["HEAD", "refs/heads/main: refs/heads/main", "config: pull.ff", "index"] {
        assert!(said.contains(&name.into()), "{name}: {said:?}");
    }
    assert_eq!(place.git("rev-parse main"), before);
    assert!(place.repo.join(".git/HEAD.lock").exists());
    // What could not be done can be done later.
    place.host("rm .git/*.lock .git/refs/heads/main.lock");
    let told = left.take();
    assert_eq!(place.git("status --porcelain"), "A  n\n", "{told:?}");
    assert_ne!(place.git("rev-parse main"), before);
}

#[test]
fn an_operation_of_the_user_stays() {
    let place = Place::new("operation");
    let left = place.inside("git switch -qc c HEAD~1; echo c >a; git commit -qam c; git merge -q main || true");
    place.host("git reset -q --hard; git merge -q --no-commit --no-ff side");
    let before = place.host("cat .git/MERGE_HEAD; git ls-files -s; git symbolic-ref HEAD");
    let told = left.take();
    assert_eq!(place.host("cat .git/MERGE_HEAD; git ls-files -s; git symbolic-ref HEAD"), before);
    let said = kept(&told);
    assert!(said.contains(&"MERGE_HEAD".into()) && said.contains(&"index".into()), "{said:?}");
}
