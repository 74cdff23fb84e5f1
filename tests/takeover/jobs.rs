//! What people and agents do with git: in a box it ends as it does without one.

use crate::place::{Place, SETUP, kept};

/// Runs `script` in two equal repositories, in one of them in a box. Both must be the same then, and whole.
fn same(name: &str, script: &str) {
    same_after(name, "", script);
}

fn same_after(name: &str, before: &str, script: &str) {
    let setup = format!("{SETUP}\n{before}");
    let (plain, boxed) = (Place::with(&format!("{name}-plain"), &setup), Place::with(name, &setup));
    plain.host(script);
    let left = boxed.inside(script);
    let told = left.take();
    assert_eq!(boxed.state(), plain.state(), "{name}: {told:?}");
    assert_eq!((kept(&told), left.rest()), (vec![], vec![]), "{name}");
    // There is nothing left to do.
    let again = left.take();
    assert_eq!((again.taken, again.kept), (vec![], vec![]), "{name}");
}

macro_rules! jobs {
    ($($test:ident: $before:literal, $script:literal;)*) => {
        $(
            #[test]
            fn $test() {
                same_after(stringify!($test), $before, $script);
            }
        )*
    };
}

jobs! {
    commit: "", "echo x >x; git add x; git commit -qm x";
    add_only: "", "echo x >x; git add x; echo b3 >b";
    refreshed_only: "", "touch a b; git status >/dev/null";
    switch: "", "git switch -q side";
    switch_to_new: "", "git switch -qc new; echo n >n; git add n; git commit -qm n";
    detached: "", "git checkout -q --detach side";
    merge: "", "git merge -q -m m side";
    fast_forward: "git checkout -q -b old main~1", "git merge -q main";
    pull: "git clone -q ../remote ../other; cd ../other; echo o >o; git add o; git commit -qm o; git push -q origin main",
        "git pull -q";
    rebase: "", "git switch -q side; git rebase -q main";
    stash_and_pop: "", "echo dirty >a; git stash -q; git stash pop -q";
    stash: "", "echo dirty >a; echo n >n; git stash -qu; echo more >b; git stash -q";
    stash_popped: "echo dirty >a; git stash -q; echo more >b; git stash -q", "git stash pop -q";
    checkout_file: "", "git checkout -q side -- s; git checkout -q HEAD~1 -- a";
    reset_hard: "", "git reset -q --hard HEAD~1";
    cherry_pick: "", "git cherry-pick side";
    conflict_solved: "git checkout -q -b c main~1; echo c >a; git commit -qam c",
        "git merge -q main || true; echo both >a; git commit -qam both";
    conflict_open: "git checkout -q -b c main~1; echo c >a; git commit -qam c", "git merge -q main || true";
    conflict_ended: "git checkout -q -b c main~1; echo c >a; git commit -qam c; git merge -q main || true",
        "echo both >a; git commit -qam both";
    rebase_open: "git checkout -q -b c main~1; echo c >a; git commit -qam c", "git rebase -q main || true";
    rebase_ended: "git checkout -q -b c main~1; echo c >a; git commit -qam c; git rebase -q main || true",
        "echo both >a; git add a; git rebase --continue";
    amend: "", "echo x >a; git commit -qa --amend -m other";
    tags: "", "git tag light; git tag -a -m t heavy; git tag -d light";
    config: "", "git config pull.rebase true; git config user.name N; git config branch.main.description d";
    remotes: "", "git remote add two ../two; git remote rename two three; git remote add gone x; git remote remove gone";
    push_upstream: "", "git switch -qc new; git push -qu origin new";
    branch_renamed: "", "git branch -m side other; git branch -m main trunk";
    branch_deleted: "", "git branch -D side";
    a_name_becomes_a_directory: "git branch x", "git branch -d x; git branch x/y; git branch x/z";
    packed: "git pack-refs --all; git branch loose", "git branch -D side; git commit -q --allow-empty -m e; git pack-refs --all";
    worktree: "", "git worktree add -q wt side; cd wt; echo w >w; git add w; git commit -qm w";
    clean: "echo x >x; mkdir d; echo y >d/y", "git clean -fdxq";
    sparse: "mkdir d e; echo d >d/f; echo e >e/f; git add .; git commit -qm dirs", "git sparse-checkout set d";
    sparse_no_more: "mkdir d e; echo d >d/f; echo e >e/f; git add .; git commit -qm dirs; git sparse-checkout set d",
        "git sparse-checkout disable";
    index_version_4: "git update-index --index-version 4", "echo x >x; git add x; git rm -q b";
    split_index: "git update-index --split-index", "echo x >x; git add x; git rm -q b; echo a5 >a; git add a";
    split_inside: "", "git update-index --split-index; echo x >x; git add x; git rm -q b";
    sparse_index: "mkdir d e; echo d >d/f; echo e >e/f; git add .; git commit -qm dirs; git sparse-checkout set --sparse-index d",
        "echo x >x; git add x; echo d2 >d/f; git commit -qam x; git sparse-checkout set d e";
    sparse_index_inside: "mkdir d e; echo d >d/f; echo e >e/f; git add .; git commit -qm dirs",
        "git sparse-checkout set --sparse-index d; echo d2 >d/f; git commit -qam d";
    refs_directory_remade: "git branch x/a; git branch x/b; git pack-refs --all; git branch x/d; git branch -f x/a side",
        "rm -rf .git/refs/heads/x; mkdir .git/refs/heads/x; git branch x/c";
    worktree_remade: "git worktree add -q wt side; cd wt; git commit -q --allow-empty -m w",
        "git worktree remove wt; git worktree add -q --detach wt main; cd wt; echo w >w; git add w";
    worktree_collected: "git config gc.reflogExpire never; git worktree add -q wt", "git gc -q";
    rebase_remade: "git checkout -q -b c main~1; echo c >a; git commit -qam c; git rebase -q main || true",
        "git rebase --abort; git commit -q --allow-empty -m d; git rebase -q --keep-empty main || true";
    branch_made_anew: "", "git branch -D side; git branch side main; git tag t side";
    rerere_and_notes: "", "git notes add -m n; git config rerere.enabled true";
    nothing: "", "git log >/dev/null; git diff >/dev/null";
}

/// A worktree that a box has made has no directory of its own for refs on the host.
#[test]
fn worktree_of_a_box_remade() {
    let (plain, boxed) = (Place::new("worktree-again-plain"), Place::new("worktree-again"));
    for script in ["git worktree add -q wt side", "git worktree remove wt; git worktree add -q --detach wt main"] {
        plain.host(script);
        let told = boxed.run(script);
        assert_eq!(boxed.state(), plain.state(), "{told:?}");
    }
}

#[test]
fn sha256() {
    let setup = SETUP.replace("git init", "git init --object-format=sha256");
    let (plain, boxed) = (Place::with("sha256-plain", &setup), Place::with("sha256", &setup));
    let script = "echo x >x; git add x; git commit -qm x; git branch n; echo y >y; git add y";
    plain.host(script);
    let told = boxed.run(script);
    assert_eq!(boxed.state(), plain.state(), "{told:?}");
}

#[test]
fn sha256_with_a_stash_and_a_conflict() {
    let setup = SETUP.replace("git init", "git init --object-format=sha256");
    let (plain, boxed) = (Place::with("sha256-more-plain", &setup), Place::with("sha256-more", &setup));
    let script =
        "echo dirty >b; git stash -q; git switch -qc c HEAD~1; echo c >a; git commit -qam c; git merge -q main || true";
    plain.host(script);
    let left = boxed.inside(script);
    let told = left.take();
    assert_eq!(boxed.state(), plain.state(), "{told:?}");
    assert_eq!((kept(&told), left.rest()), (vec![], vec![]));
}

/// A partial clone has promises instead of objects. They stay promises: nothing is fetched.
#[test]
fn a_partial_clone_fetches_nothing() {
    let setup = format!(
        "git init -q -b main ../from; (cd ../from; {}; git config uploadpack.allowFilter true)
         git clone -q --no-checkout --filter=blob:none file://$P/from .; git sparse-checkout set --no-cone /a; git checkout -q main",
        SETUP.replace("git init -q -b main .;", "").replace("../remote", "../far")
    );
    let place = Place::with("partial", &setup);
    let missing = "git rev-list --objects --all --missing=print | grep -c '^?'";
    let before = place.host(missing);
    let left = place.inside("echo a3 >a; git commit -qam inside; git branch new");
    place.host("mv ../from ../gone");
    let told = left.take();
    assert_eq!(kept(&told), Vec::<String>::new());
    assert_eq!((place.host(missing), place.git("log -1 --format=%s new")), (before, "inside\n".into()), "{told:?}");
}

#[test]
fn a_shallow_clone() {
    let setup = format!("mkdir ../from; (cd ../from; {SETUP}); git clone -q --depth=1 file://$P/from .");
    let place = Place::with("shallow", &setup);
    let left = place.inside("echo x >x; git add x; git commit -qm inside");
    assert_eq!(kept(&left.take()), Vec::<String>::new());
    assert_eq!(place.git("log -1 --format=%s; git fsck"), "inside\n");
    // What is cut off is what the user has cut off.
    let before = place.host("cat .git/shallow; git log --format=%H");
    let place = Place::with("shallow-less", &setup);
    let told = place.inside("git fetch -q --unshallow; git commit -q --allow-empty -m more").take();
    assert!(kept(&told).contains(&"shallow".into()), "{told:?}");
    assert_eq!(
        place.host("cat .git/shallow; git rev-parse HEAD~1"),
        before.replace(before.lines().nth(1).unwrap(), "").replace("\n\n", "\n")
    );
    assert_eq!(place.git("log -1 --format=%s; git fsck --no-dangling"), "more\n");
}

#[test]
fn gc_inside_takes_nothing_away() {
    let place = Place::new("gc");
    let before = place.state();
    let left = place.inside("git gc -q; git reflog expire --expire=now --all; git gc -q --prune=now");
    let told = left.take();
    assert_eq!(place.state(), before, "{told:?}");
    assert_eq!(kept(&told), Vec::<String>::new());
}

#[test]
fn submodule_is_there() {
    let setup = format!("git init -q ../lib; (cd ../lib; echo l >l; git add l; git commit -qm l); {SETUP}");
    let script = "git submodule --quiet add ../lib libs/deep; git commit -qm sub; cd libs/deep; echo m >m; git add m; \
                  git commit -qm m; git checkout -q -b topic";
    let (plain, boxed) = (Place::with("submodule-plain", &setup), Place::with("submodule", &setup));
    plain.host(script);
    let left = boxed.inside(script);
    let told = left.take();
    assert_eq!(boxed.state(), plain.state(), "{told:?}");
    let inner = "cd libs/deep; git status; git log --format=%H%d; git config --local --list | sort; git fsck";
    let said = |place: &Place| place.host(inner).replace(place.path.to_str().unwrap(), "PLACE");
    assert_eq!(said(&boxed), said(&plain), "{told:?}");
    assert_eq!((kept(&told), left.rest()), (vec![], vec![]));
}

#[test]
fn bare_and_worktree_of_it() {
    let place = Place::with("bare", &format!("{SETUP}; git clone -q --bare . ../bare; mv ../bare bare"));
    let told = place.inside_of("bare", "git -C bare branch new main; git -C bare tag t").take();
    assert_eq!(kept(&told), Vec::<String>::new());
    assert_eq!(place.git("-C bare rev-parse new t"), place.git("rev-parse main main"));
}

#[test]
fn a_job_in_a_worktree_is_there() {
    let before = "git worktree add -q wt side";
    same_after(
        "in-worktree",
        before,
        "cd wt; echo w >w; git add w; git commit -qm w; git switch -qc wtb; echo v >v; git add v",
    );
}

/// The git directory of such a submodule lies in the entry of the worktree.
#[test]
fn a_job_in_a_submodule_of_a_worktree() {
    let setup = format!(
        "git init -q ../lib; (cd ../lib; echo l >l; git add l; git commit -qm l); {SETUP}
         git submodule --quiet add $P/lib sm; git commit -qm sub; git worktree add -q wt; git worktree add -q two
         cd wt; git submodule --quiet update --init"
    );
    let place = Place::with("submodule-of-worktree", &setup);
    let left = place.inside(
        "cd wt/sm; git switch -qc topic; echo m >m; git add m; git commit -qm inside; git config core.pager evil
         cd ../../two; git submodule --quiet update --init; cd sm; git commit -q --allow-empty -m two",
    );
    let told = left.take();
    assert_eq!(place.host("cd wt/sm; git log -1 --format='%s %D'; git status --porcelain"), "inside HEAD -> topic\n");
    assert_eq!(place.host("cd two/sm; git log -1 --format=%s; git status --porcelain; git fsck"), "two\n");
    assert_eq!(kept(&told), ["worktrees/wt/modules/sm/config: core.pager"]);
    assert_eq!(left.rest(), ["worktrees/wt/modules/sm/config"]);
}

#[test]
fn what_was_left_by_a_run_is_no_obstacle() {
    same("twice", "echo x >x; git add x; git commit -qm x; git stash list; touch .git/index.lock; rm .git/index.lock");
}
