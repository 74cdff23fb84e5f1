//! Directories that are no workspace, and what in one cannot be protected.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::Place;
use crate::error::{Advice, ErrorKind, Hint};

#[test]
fn more_than_a_project_is_refused_by_any_name() {
    let place = Place::new("refused");
    place.link("home", "link");
    place.dir("home/project");
    for dir in ["home", "link", "home/project/..", "", "/", "/usr", "/tmp", "/proc", "/proc/self", "/etc"] {
        let error = place.find(dir).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsafe);
        assert_eq!(error.hint, Some(Hint::Advice(Advice::OneProject)), "{dir}: {error}");
    }
    assert_eq!(place.mounts("link/project"), ["w home/project"]);
    assert!(place.find("missing").unwrap_err().to_string().contains("No such file"));
    place.file("file", "");
    assert!(place.find("file").unwrap_err().to_string().contains("ot a directory"));
}

#[test]
fn a_directory_in_a_git_directory_is_refused() {
    let place = Place::new("inside");
    place.git_dir("r/.git");
    place.git_dir("b.git");
    for dir in ["r/.git", "r/.git/hooks", "b.git/hooks", "b.git/refs"] {
        assert!(place.find(dir).unwrap_err().to_string().contains("inside of a git directory"), "{dir}");
    }
}

#[test]
fn what_is_missing_could_be_made_by_the_program() {
    let place = Place::new("missing");
    place.git_dir("r/.git");
    place.file("r/.git/config", "[extensions]\nworktreeConfig\n[core]\nhooksPath=a/b\n[include]\npath=../inc");
    fs::remove_dir(place.path.join("r/.git/hooks")).unwrap();
    let why = "is missing, and the program could make one that the host obeys";
    // But not in the git directory, where what it makes is kept apart.
    let expected = ["a/b", "inc"].map(|name| format!("r/{name} {why}"));
    assert_eq!(place.unheld("r"), expected);
    let refusal = place.find("r").unwrap().refusal().unwrap();
    assert!(refusal.to_string().contains("(1 more like this)\nhint: make it once: mkdir -p /"), "{refusal}");
    // From below the top, where nothing of it can be made.
    place.dir("r/sub");
    assert_eq!(place.unheld("r/sub").len(), 0);
}

/// Whoever reads it must find what to change.
#[test]
fn the_setting_that_names_something_is_said() {
    let place = Place::new("named");
    place.git_dir("r/.git");
    place.file("home/.gitconfig", "[core]\nhooksPath = .hk\n[include]\npath = {}/r/inc\n");
    place.file("r/.git/config", "[filter \"x\"]\nclean = tools/clean %f\n[core]\nattributesFile = loop\n");
    place.link("loop", "r/loop");
    let found = place.find("r").unwrap();
    let said: Vec<_> = found
        .unheld
        .iter()
        .map(|unheld| String::from_utf8(unheld.message()).unwrap().replace(place.path.to_str().unwrap(), "{}"))
        .collect();
    let missing = "is missing, and the program could make one that the host obeys";
    let expected = [
        format!("{{}}/r/.hk {missing}; core.hookspath in {{}}/home/.gitconfig names it"),
        format!("{{}}/r/inc {missing}; include.path in {{}}/home/.gitconfig names it"),
        "{}/r/loop cannot be followed (Too many levels of symbolic links), and so not be protected; \
         core.attributesfile in {}/r/.git/config names it"
            .to_owned(),
    ];
    assert_eq!(said, expected);
    // What may be made is said with it, once it is there.
    let mut reasons = found.watch.iter().flat_map(|watch| &watch.reasons);
    let (_, reason) = reasons.find(|(name, _)| name.as_c_str() == c"tools").unwrap();
    assert_eq!(
        reason.replace(place.path.to_str().unwrap(), "{}"),
        "filter.clean in {}/r/.git/config names {}/r/tools/clean"
    );
}

#[test]
fn the_home_of_another_user_is_found_or_stops_the_run() {
    let place = Place::new("tilde");
    place.git_dir("r/.git");
    for (value, is_good) in [
        ("~/hooks", true),
        ("~home/hooks", true),
        ("~root/nothing", true),
        ("%(prefix)/nothing", true),
        ("~nobody-has-this-name/hooks", false),
    ] {
        place.file("r/.git/config", &format!("[core]\nhooksPath = {value}\n"));
        let unheld = place.unheld_text("r");
        assert_eq!(unheld.is_empty(), is_good, "{value}: {unheld:?}");
        assert!(
            is_good || unheld[0].starts_with(&format!("{value} lies in a home that is not in /etc/passwd")),
            "{unheld:?}"
        );
    }
    // Where it leads into the workspace, it is held.
    place.git_dir("home/r/.git");
    place.dir("home/r/hk");
    place.file("home/r/.git/config", "[core]\nhooksPath = ~home/r/hk\n");
    assert!(place.mounts("home/r").contains(&"a home/r/hk".to_owned()));
}

/// A work tree that the program makes would have other hooks there.
#[test]
fn hooks_in_the_top_itself_stop_the_run() {
    let place = Place::new("top-hooks");
    place.git_dir("r/.git");
    place.dir("r/sub");
    for value in [".", "./", "..", "sub/..", "sub/../."] {
        place.file("r/.git/config", &format!("[core]\nhooksPath = {value}\n"));
        for dir in ["r", "r/sub"] {
            let unheld = place.unheld_text(dir);
            assert!(unheld.iter().any(|line| line.contains(" is a work tree or lies above it")), "{value}: {unheld:?}");
        }
    }
}

#[test]
fn a_link_in_the_place_of_something_protected_is_held_with_its_target() {
    let place = Place::new("links");
    place.git_dir("r/.git");
    place.dir("r/tools/hooks");
    fs::remove_dir(place.path.join("r/.git/hooks")).unwrap();
    place.link("../tools/hooks", "r/.git/hooks");
    place.file("r/a/env", "");
    place.link("a", "r/b");
    place.link("b/env", "r/.envrc");
    place.link("/nonexistent/x", "r/.mcp.json");
    let mounts = place.mounts("r");
    let links = ["l r/.envrc", "l r/.mcp.json", "l r/b"];
    for held in links.into_iter().chain(["w r/a", "r r/a/env", "a r/.git", "w r/tools", "a r/tools/hooks"]) {
        assert!(mounts.contains(&held.to_owned()), "{held}: {mounts:?}");
    }
    place.link("loop", "r/.claude");
    place.link(".claude", "r/loop");
    let unheld = place.unheld("r");
    assert!(
        unheld.len() == 1 && unheld[0].contains("cannot be followed (Too many levels of symbolic links)"),
        "{unheld:?}"
    );
}

#[test]
fn a_repository_that_is_a_link_stays_in_the_workspace() {
    let place = Place::new("link-git");
    place.git_dir("s/real");
    place.link("real", "s/.git");
    assert_eq!(place.mounts("s"), ["w s", "l s/.git", "a s/real"]);
    place.dir("t");
    place.link("../s/real", "t/.git");
    assert_eq!(place.mounts_of(&place.find("t").unwrap()), ["w t", "l t/.git"]);
    assert_eq!(place.unheld("t").len(), 1);
}

#[test]
fn a_link_to_something_missing_counts_as_missing() {
    let place = Place::new("dangling");
    place.git_dir("r/.git");
    place.link("../../later", "r/.git/hooks/pre-commit");
    assert_eq!(place.unheld("r"), ["r/later is missing, and the program could make one that the host obeys"]);
}

#[test]
fn another_name_of_a_protected_file_is_found() {
    let place = Place::new("names");
    place.git_dir("r/.git");
    place.file("r/.git/hooks/pre-commit", "");
    fs::hard_link(place.path.join("r/.git/config"), place.path.join("r/one")).unwrap();
    fs::hard_link(place.path.join("r/.git/hooks/pre-commit"), place.path.join("r/two")).unwrap();
    let unheld = place.unheld("r");
    assert!(unheld.len() == 2 && unheld.iter().all(|line| line.contains("hard link")), "{unheld:?}");
}

/// git executes no hook of this name, so only what names it otherwise counts.
#[test]
fn another_name_of_an_example_of_a_hook_counts_where_somebody_obeys_it() {
    let place = Place::new("samples");
    place.git_dir("r/.git");
    place.file("r/.git/hooks/watch.sample", "");
    fs::hard_link(place.path.join("r/.git/hooks/watch.sample"), place.path.join("r/one")).unwrap();
    assert_eq!(place.unheld("r"), [""; 0]);
    let has_another_name = || {
        let unheld = place.unheld("r");
        unheld.len() == 1 && unheld[0].contains("watch.sample has another name (a hard link)")
    };
    place.link("watch.sample", "r/.git/hooks/pre-commit");
    assert!(has_another_name(), "a hook that is a link");
    fs::remove_file(place.path.join("r/.git/hooks/pre-commit")).unwrap();
    place.file("r/.git/config", "[core]\n\tfsmonitor = .git/hooks/watch.sample\n");
    assert!(has_another_name(), "a command");
}

/// Nothing outside is mounted because a file of the workspace says so.
#[test]
fn a_pointer_that_nothing_confirms_is_not_followed() {
    let place = Place::new("forged");
    place.git_dir("victim/.git");
    place.worktree("victim/.git", "tree");
    place.git_dir("victim/.git/modules/m");
    place.file("victim/.git/modules/m/config", "[core]\nworktree = ../../../m\n");
    place.dir("victim/m");
    place.git_dir("apart");
    let targets = ["victim/.git", "victim/.git/worktrees/tree", "victim/.git/modules/m", "apart", "nothing", "victim"];
    for (number, target) in targets.into_iter().enumerate() {
        let dir = format!("e{number}");
        place.file(&format!("{dir}/.git"), &format!("gitdir: {{}}/{target}\n"));
        assert_eq!(place.unheld(&dir).len(), 1, "{target}");
        let expected = [format!("w {dir}"), format!("r {dir}/.git")];
        assert_eq!(place.mounts_of(&place.find(&dir).unwrap()), expected, "{target}");
        // Deeper down it is held, and no reason to stop.
        let dir = format!("n{number}");
        place.file(&format!("{dir}/x/.git"), &format!("gitdir: {{}}/{target}\n"));
        assert_eq!(place.mounts(&dir), [format!("w {dir}"), format!("w {dir}/x"), format!("r {dir}/x/.git")]);
    }
    // An empty one is no pointer.
    for (text, stops) in [("", 0), ("gitdir:", 1), ("gitdir: \n", 1), ("x", 1), ("gitdir: \0", 1)] {
        place.file("odd/.git", text);
        assert_eq!(place.unheld("odd").len(), stops, "{text:?}");
    }
}

/// An entry that the program of an earlier box has put into `worktrees` shows nothing of the host.
#[test]
fn an_entry_of_a_worktree_that_nothing_confirms_is_not_shown() {
    let place = Place::new("entries");
    place.git_dir("r/.git");
    place.file("home/secret/.git", "secret");
    place.file("r/.git/worktrees/evil/gitdir", "{}/home/secret/.git\n");
    place.file("home/.ssh/id", "secret");
    place.file("r/.git/worktrees/worse/gitdir", "{}/home/.ssh/id\n");
    assert!(place.mounts("r").iter().all(|mount| !mount.contains("home")));
}

/// Root can look into every directory, so there is nothing to see for it.
#[test]
fn a_directory_of_ones_own_that_is_closed_stops_the_run() {
    let place = Place::new("closed");
    place.dir("r/closed");
    let closed = place.path.join("r/closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let result = place.find("r");
    let can_look = fs::read_dir(&closed).is_ok();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
    match result {
        Ok(_) => assert!(can_look),
        Err(error) => assert!(error.to_string().contains("chmod u+rx"), "{error}"),
    }
}

/// Links in held directories may lead from one to the next without end: neither the stack nor the time may be theirs.
#[test]
fn a_chain_of_links_is_followed_for_a_while() {
    for (length, is_held) in [(3000, true), (12_000, false)] {
        let place = Place::new(&format!("chain-{length}"));
        place.dir("r/.vscode");
        place.link("../d/0", "r/.vscode/l");
        for number in 0..length {
            place.dir(&format!("r/d/{number}"));
            place.link(&format!("../{}", number + 1), &format!("r/d/{number}/l"));
        }
        place.dir(&format!("r/d/{length}"));
        let found = place.find("r").unwrap();
        if is_held {
            assert_eq!(found.unheld, []);
            let last = format!("r r/d/{length}");
            assert!(place.mounts_of(&found).contains(&last));
        } else {
            let text = String::from_utf8(found.unheld[0].message()).unwrap();
            assert!(found.unheld[0].stops && text.contains("/r/d/9") && text.contains(" 10,000 files"), "{text}");
        }
    }
}
