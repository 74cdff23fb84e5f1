//! `git commit` works in every layout, and leaves nothing but the commit.

use crate::Place;
use crate::support::Actor;

/// Commits in a box whose workspace is `dir`; the host sees the commit and nothing else. `taken` is what is said of it,
/// where `{}` is the place.
fn commits(place: &Place, dir: &str, taken: &str) {
    commits_below(place, (dir, dir), taken);
}

/// The same, with `top` as the workspace and `dir` in it as the current directory.
fn commits_below(place: &Place, (top, dir): (&str, &str), taken: &str) {
    // The first commit of a work tree leaves more than a commit: logs, the last message.
    place.host(dir, "git commit -q --allow-empty -m first");
    let before = place.names();
    let script = "echo 2 >>file; git add file; git commit -qm two; git status --porcelain; git log --format=%s -1";
    let outcome = place.launch_below(&[], (top, dir), script).run();
    assert_eq!(outcome.done(), "two\n", "{dir}");
    let taken = taken.replace("{}", place.path.to_str().unwrap());
    assert_eq!(outcome.stderr_text(), format!("pinfold: {taken} moved, taken over from the box\n"), "{dir}");
    let after = place.names();
    let differ: Vec<_> = after.lines().filter(|line| !before.contains(line)).collect();
    assert!(before.lines().count() == after.lines().count() && differ.is_empty(), "{dir}: left behind: {differ:?}");
    assert_eq!(place.host(dir, "git log --format=%s -1; git status --porcelain"), "two\n");
    assert_eq!(place.host(dir, "git fsck 2>&1"), "");
}

#[test]
fn in_a_repository() {
    for actor in [Actor::User, Actor::Root] {
        if actor.here() {
            let place = Place::new("commit-plain", actor);
            place.repository("r");
            commits(&place, "r", "git: main");
        }
    }
}

#[test]
fn in_a_directory_below_its_top_with_the_whole_repository() {
    let place = Place::new("commit-below", Actor::User);
    place.repository("r");
    commits_below(&place, ("r", "r/sub"), "{}/r: main");
}

/// Alone, such a directory is no repository: nothing above it is shown, and nothing can be made there.
#[test]
fn a_directory_below_its_top_shows_nothing_above() {
    let place = Place::new("commit-below-alone", Actor::User);
    place.repository("r");
    place.host(".", "mkdir home");
    let script = "echo 2 >file; ls -A ..; git status 2>/dev/null || echo no repository
                  echo x 2>/dev/null >../file || echo closed";
    assert_eq!(place.pinfold(&[], "r/sub", script).done(), "sub\nno repository\nclosed\n");
    assert_eq!(place.host("r", "cat file; git status --porcelain"), "1\n M sub/file\n");
}

#[test]
fn in_a_worktree_and_below_its_top() {
    let place = Place::new("commit-worktree", Actor::User);
    place.repository("r");
    place.host("r", "git worktree add -q ../w; git worktree add -q ../other");
    commits(&place, "w", "{}/r: w");
    place.host("w", "git reset -q --hard HEAD~2");
    commits_below(&place, ("w", "w/sub"), "{}/r: w");
    // The other worktree seems to be gone, and must not be cleaned up.
    let outcome = place.inside("w", "git worktree prune --expire now; git gc -q --prune=now; git status --porcelain");
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    assert_eq!(place.host("other", "git status --porcelain; git log --format=%s -1"), "one\n", "other");
    // The main work tree is not in the box.
    assert_ne!(place.inside("w", "cat ../r/file").ending(), "exit 0");
}

#[test]
fn in_a_worktree_of_a_bare_repository_beside_it_or_in_it() {
    let place = Place::new("commit-bare", Actor::User);
    place.repository("r");
    let own = "git config user.name N; git config user.email n@example.org";
    place.host(".", &format!("mkdir p; git clone -q --bare r p/.bare; cd p/.bare; {own}; git worktree add -q ../w"));
    commits(&place, "p/w", "{}/p/.bare: w");
    place.host(
        ".",
        &format!("git clone -q --bare r b.git; cd b.git; {own}; git worktree add -q w; git worktree add -q o"),
    );
    commits(&place, "b.git/w", "{}/b.git: w");
    let outcome = place.inside("b.git/w", "echo x >../o/file");
    assert!(outcome.stderr_text().contains("kept as "), "{outcome}");
    assert_eq!(place.host("b.git/o", "cat file"), "1\n");
}

#[test]
fn in_a_submodule_and_in_the_repository_around_it() {
    let place = Place::new("commit-submodule", Actor::User);
    place.repository("lib");
    place.repository("r");
    let add =
        "git -c protocol.file.allow=always submodule --quiet add ../lib vendor/lib 2>/dev/null; git commit -qm sub
               cd vendor/lib; git config user.name N; git config user.email n@example.org; git reset -q --hard";
    place.host("r", add);
    commits(&place, "r/vendor/lib", "{}/r/.git/modules/vendor/lib: main");
    // The repository around it is none of the submodule's business.
    assert_ne!(place.inside("r/vendor/lib", "cat ../../file").ending(), "exit 0");
    let script =
        "cd vendor/lib; echo 3 >>file; git commit -qam three; cd ../..; git commit -qam both; git status --porcelain";
    assert_eq!(place.inside("r", script).done(), "");
    assert_eq!(place.host("r", "git status --porcelain; git -C vendor/lib log --format=%s -1"), "three\n");
}

#[test]
fn without_a_repository_one_simply_works() {
    let place = Place::new("commit-none", Actor::User);
    place.host(".", "mkdir d");
    assert_eq!(place.inside("d", "echo x >file; cat file").done(), "x\n");
    assert_eq!(place.host("d", "cat file"), "x\n");
}
