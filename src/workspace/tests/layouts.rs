//! What is mounted for repositories of every layout.

use super::Place;

#[test]
fn a_directory_without_a_repository() {
    let place = Place::new("plain");
    place.file("d/file", "");
    assert_eq!(place.mounts("d"), ["w d"]);
    assert_eq!(place.watched("d"), [""; 0]);
}

#[test]
fn a_repository() {
    let place = Place::new("repository");
    place.git_dir("r/.git");
    place.file("r/.envrc", "");
    place.file("r/src/.envrc", "");
    // It counts at any depth, but not in what a package manager fills and must be able to empty.
    place.file("r/node_modules/x/.envrc", "");
    assert_eq!(place.mounts("r"), ["w r", "r r/.envrc", "a r/.git", "w r/src", "r r/src/.envrc"]);
    assert_eq!(place.watched("r"), [""; 0]);
}

#[test]
fn repositories_in_a_bare_one() {
    let place = Place::new("bare-nested");
    place.git_dir("w/b.git");
    place.git_dir("w/b.git/main/.git");
    place.git_dir("w/d.git/objects/no");
    for name in ["HEAD", "config"] {
        place.file(&format!("w/d.git/{name}"), "");
    }
    place.link("/nowhere", "w/d.git/refs");
    let mounts = place.mounts("w");
    for held in ["a w/b.git", "w w/b.git/main", "a w/b.git/main/.git", "a w/d.git"] {
        assert!(mounts.contains(&held.to_owned()), "{held}: {mounts:?}");
    }
    assert!(!mounts.iter().any(|mount| mount.contains("objects")), "{mounts:?}");
}

/// Of a repository of another tool, only what that obeys.
#[test]
fn a_file_in_a_directory() {
    let place = Place::new("below-a-name");
    place.file("a/.hg/hgrc", "");
    place.file("a/.hg/store/data", "");
    place.file("b/.hg/store/data", "");
    assert_eq!(place.mounts("a"), ["w a", "w a/.hg", "r a/.hg/hgrc"]);
    assert_eq!(place.mounts("b"), ["w b"]);
}

/// Nothing of the repository around it is shown. What that names in it is held all the same.
#[test]
fn a_directory_below_the_top() {
    let place = Place::new("below");
    place.git_dir("r/.git");
    place.file("r/.envrc", "");
    place.dir("r/a/b/hooks");
    place.file("r/a/b/clean", "");
    assert_eq!(place.mounts("r/a/b"), ["w r/a/b"]);
    assert_eq!(place.above("r/a/b"), Some("r".into()));
    place.worktree("r/.git", "w");
    place.dir("w/a/b/hooks");
    place.file("w/a/b/clean", "");
    place.file("r/.git/config", "[core]\nhooksPath = a/b/hooks\n[filter \"x\"]\nclean = a/b/clean %f\n");
    for top in ["r", "w"] {
        let held = [format!("w {top}/a/b"), format!("r {top}/a/b/clean"), format!("a {top}/a/b/hooks")];
        assert_eq!(place.mounts(&format!("{top}/a/b")), held);
        assert_eq!(place.mounts(&format!("{top}/a/b/hooks/..")), held);
    }
    // The program could make them.
    std::fs::remove_dir(place.path.join("r/a/b/hooks")).unwrap();
    assert_eq!(place.unheld("r/a/b"), ["r/a/b/hooks is missing, and the program could make one that the host obeys"]);
    place.file("r/.git/config", "[core]\nhooksPath = a/b\n");
    assert!(place.unheld("r/a/b")[0].starts_with("r/a/b is writable as a whole"));
}

#[test]
fn a_repository_of_the_home_is_left_out() {
    let place = Place::new("home");
    place.git_dir("home/.git");
    place.dir("home/d");
    assert_eq!(place.mounts("home/d"), ["w home/d"]);
}

#[test]
fn a_git_directory_that_is_none_yet_is_closed() {
    let place = Place::new("incomplete");
    place.git_dir("r/.git");
    place.dir("r/sub/.git/objects");
    assert!(place.mounts("r").contains(&"a r/sub/.git".to_owned()));
    // As git does, the search goes on above it.
    assert_eq!(place.mounts("r/sub"), ["w r/sub", "a r/sub/.git"]);
    assert_eq!(place.above("r/sub"), Some("r".into()));
}

#[test]
fn a_worktree_and_another_one() {
    let place = Place::new("worktree");
    place.git_dir("r/.git");
    place.worktree("r/.git", "w");
    place.worktree("r/.git", "other");
    place.dir("w/sub");
    assert_eq!(place.mounts("w"), ["r other/.git", "a r/.git", "w w", "r w/.git"]);
    assert_eq!(place.mounts("w/sub"), ["w w/sub"]);
    assert_eq!(place.above("w/sub"), Some("w".into()));
    // A relative pointer is as good (worktree.useRelativePaths).
    place.file("w/.git", "gitdir: ../r/.git/worktrees/w\n");
    place.file("r/.git/worktrees/w/gitdir", "../../../../w/.git\n");
    assert_eq!(place.mounts("w"), ["r other/.git", "a r/.git", "w w", "r w/.git"]);
    // Of one that is gone there is nothing to show.
    std::fs::remove_dir_all(place.path.join("other")).unwrap();
    assert_eq!(place.mounts("w"), ["a r/.git", "w w", "r w/.git"]);
}

#[test]
fn worktrees_within_the_workspace() {
    let place = Place::new("within");
    place.git_dir("r/.git");
    place.worktree("r/.git", "r/trees/w");
    let mounts = place.mounts("r");
    assert_eq!(mounts, ["w r", "a r/.git", "w r/trees", "w r/trees/w", "r r/trees/w/.git"]);
}

#[test]
fn a_bare_repository_with_worktrees_in_it() {
    let place = Place::new("bare");
    place.git_dir("b.git");
    place.worktree("b.git", "b.git/w");
    place.worktree("b.git", "b.git/o");
    // What is changed in the other one is kept apart with the rest.
    assert_eq!(place.mounts("b.git/w"), ["a b.git", "w b.git/w", "r b.git/w/.git"]);
    assert_eq!(place.mounts("b.git"), ["a b.git", "w b.git/o", "r b.git/o/.git", "w b.git/w", "r b.git/w/.git"]);
}

#[test]
fn a_submodule_and_what_is_around_it() {
    let place = Place::new("submodule");
    place.git_dir("r/.git");
    place.git_dir("r/.git/modules/a/b");
    place.file("r/.git/modules/a/b/config", "[core]\nworktree = ../../../../lib/b\n");
    place.file("r/lib/b/.git", "gitdir: ../../.git/modules/a/b\n");
    assert_eq!(place.mounts("r/lib/b"), ["a r/.git/modules/a/b", "w r/lib/b", "r r/lib/b/.git"]);
    assert_eq!(place.mounts("r"), ["w r", "a r/.git", "w r/lib", "w r/lib/b", "r r/lib/b/.git"]);
}

#[test]
fn repositories_deeper_down() {
    let place = Place::new("nested");
    place.git_dir("r/.git");
    place.git_dir("r/a/b/.git");
    place.file("r/a/b/.envrc", "");
    place.git_dir("r/c/d.git");
    place.git_dir("r/.git/x/.git");
    let mounts = place.mounts("r");
    let expected = ["w r", "a r/.git", "w r/a", "w r/a/b", "r r/a/b/.envrc", "a r/a/b/.git", "w r/c", "a r/c/d.git"];
    assert_eq!(mounts, expected);
}

#[test]
fn what_the_configuration_names() {
    let place = Place::new("named");
    place.git_dir("r/.git");
    let config = "[core]\nhooksPath = .hooks/_\nfsmonitor = tools/watch\n[include]\npath = ../inc\n\
                  [includeIf \"onbranch:x\"]\npath = {}/r/inc3\n[alias]\nrun = !sh tools/alias.sh HEAD file\nl = log file\n\
                  [filter \"x\"]\nclean = python3 clean.py %f\n[diff]\ntool = file\n";
    place.file("r/.git/config", config);
    place.file("r/inc", "[include]\npath = inc2\n[merge \"x\"]\ndriver = 'tools/merge' %A\n");
    for name in
        ["inc2", "inc3", "tools/watch", "tools/merge", "tools/alias.sh", "clean.py", "file", "HEAD", "tools/other"]
    {
        place.file(&format!("r/{name}"), "");
    }
    place.dir("r/.hooks/_");
    let mounts = place.mounts("r");
    let held: Vec<_> = mounts.iter().filter_map(|mount| mount.strip_prefix("r r/")).collect();
    let expected = ["clean.py", "inc", "inc2", "inc3", "tools/alias.sh", "tools/merge", "tools/watch"];
    assert_eq!(held, expected);
    for mount in ["w r/tools", "w r/.hooks", "a r/.hooks/_"] {
        assert!(mounts.contains(&mount.to_owned()), "{mount}: {mounts:?}");
    }
}

#[test]
fn hooks_that_are_links_into_the_work_tree() {
    let place = Place::new("hooks");
    place.git_dir("r/.git");
    place.file("r/scripts/pre-commit", "");
    place.link("../../scripts/pre-commit", "r/.git/hooks/pre-commit");
    place.link("/usr/bin/true", "r/.git/hooks/pre-push");
    place.dir("r/.claude");
    place.link("..", "r/.claude/up");
    let mounts = place.mounts("r");
    assert!(mounts.contains(&"r r/scripts/pre-commit".to_owned()) && mounts.contains(&"w r/scripts".to_owned()));
}

#[test]
fn a_hooks_path_that_is_the_work_tree_itself_cannot_be_held() {
    let place = Place::new("hooks-top");
    place.git_dir("r/.git");
    place.file("r/.git/config", "[core]\nhooksPath = .\n");
    assert_eq!(place.unheld("r").len(), 1);
}
