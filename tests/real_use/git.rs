//! git at work: in a repository, below its top, in a worktree, in a submodule and in what holds it.

use crate::installed;
use crate::support::{Actor, Launch, Place};

/// A place with `~/work/r` (branch main, and a worktree of it in `~/work/w`) and `~/work/super`, whose submodule `mod`
/// is a clone of it. The user is known by `~/.gitconfig` only.
fn place(name: &str) -> Option<Place> {
    if !installed("/usr/bin/git", "git") {
        return None;
    }
    let place = Place::new(name, Actor::User);
    place.file(".gitconfig", "[user]\n\tname = Anna\n\temail = anna@example.org\n[init]\n\tdefaultBranch = main\n[include]\n\tpath = .more\n");
    place.file(".more", "[url \"https://TOKEN@example.org/\"]\n\tinsteadOf = ours:\n[commit]\n\tgpgSign = false\n");
    let script =
        "mkdir work; cd work; git init -q r; cd r; mkdir sub; echo 1 >a; echo 1 >sub/b; git add .; git commit -qm one
                  git worktree add -q ../w; git init -q ../super; cd ../super
                  git -c protocol.file.allow=always submodule --quiet add ~/work/r mod; git commit -qm super";
    let launch = Launch::program("/bin/sh".as_ref(), Actor::User, &["-ec", script]);
    launch.dir(&place.home).env("HOME", place.home.to_str().unwrap()).run().done();
    Some(place)
}

/// What a script says in the default box, in `dir` below the home; it must succeed.
fn inside(place: &Place, dir: &str, script: &str) -> String {
    let words = ["run", "--", "sh", "-ec", script];
    place.pinfold(&words).dir(&place.home.join(dir)).run().done()
}

#[test]
fn commits_bear_the_name_of_the_user_and_no_token_is_shown() {
    let Some(place) = place("git-name") else { return };
    let said = inside(&place, "work/r", "echo 2 >a; git commit -qam two; git log -1 --format='%an <%ae> %cn %s'");
    assert_eq!(said, "Anna <anna@example.org> Anna two\n");
    let said = inside(&place, "work/r", "cat ~/.gitconfig ~/.more 2>/dev/null || true; git config --list --global");
    assert!(said.contains("user.name=Anna") && !said.contains("TOKEN"), "{said}");
    // That of the repository is stronger, and what is set inside is lost.
    let script = "git config --global user.name Lost; git config --global safe.directory '*'; git init -q new; cd new
                  git config user.email new@example.org; git commit -q --allow-empty -m x; git log -1 --format='%an %ae'; \
                  rm -r ../new";
    assert_eq!(inside(&place, "work/r", script), "Lost new@example.org\n");
    assert!(!std::fs::read_to_string(place.home.join(".gitconfig")).unwrap().contains("Lost"));
}

/// git itself decides about a condition.
#[test]
fn a_name_on_condition_holds_where_it_does_outside() {
    let Some(place) = place("git-condition") else { return };
    place.file(
        ".gitconfig",
        "[user]\n\tname = Anna\n\temail = a@example.org\n[includeIf \"gitdir:~/work/super/\"]\n\tpath = ~/.at-work\n",
    );
    place.file(".at-work", "[user]\n\temail = anna@work.example\n");
    for (dir, address) in [("work/r", "a@example.org"), ("work/super", "anna@work.example")] {
        let script = "git commit -q --allow-empty -m x; git log -1 --format=%ae";
        assert_eq!(inside(&place, dir, script).trim(), address, "{dir}");
    }
}

#[test]
fn daily_work_is_done() {
    let Some(place) = place("git-daily") else { return };
    let script = "echo z >>a; git stash -q; git stash pop -q; git switch -q -c br; git commit -qam br; git switch -q main
                  echo q >sub/b; git commit -qam sub; git rebase -q br; git tag -a v1 -m v1; git merge -q br; git gc -q
                  git fsck --no-dangling; git clone -q . copy; git -C copy describe; rm -rf copy; git worktree add -q wt; git worktree remove wt
                  git revert --no-edit HEAD >/dev/null; git log --format=%s; git status --short";
    assert_eq!(inside(&place, "work/r", script), "v1\nRevert \"sub\"\nsub\nbr\none\n");
}

#[test]
fn commits_work_everywhere_and_what_git_obeys_stays_as_it_is() {
    let Some(place) = place("git-everywhere") else { return };
    // Where it is, how the box is started, what changes, and where its pointer is from there.
    for (dir, options, file, pointer) in [
        ("work/r", &[][..], "a", ""),
        ("work/r/sub", &["--repo"], "b", ""),
        ("work/w", &[], "a", ".git"),
        ("work/super/mod", &[], "a", ".git"),
        ("work/super", &[], "mod", ""),
    ] {
        let script = format!(
            "test -d {file} || echo 2 >>{file}; git commit -qm two --allow-empty -a; git log -1 --format=%s
             common=$(git rev-parse --git-common-dir); own=$(git rev-parse --git-dir)
             for name in {pointer}; do if (echo '# x' >>$name) 2>/dev/null; then echo wrote $name; fi; done
             for name in $common/hooks/pre-commit $common/config $own/commondir; do echo '# x' >>$name; done
             rm -f $own/commondir; mv $common/config $common/x; mv $common/hooks $common/y"
        );
        let before = obeyed(&place, dir);
        let words = [&["run"], options, &["--", "sh", "-ec", &script]].concat();
        let outcome = place.pinfold(&words).dir(&place.home.join(dir)).run();
        assert_eq!(outcome.done(), "two\n", "{dir}: {outcome}");
        assert!(outcome.stderr_text().contains("hooks"), "{dir}: {outcome}");
        assert_eq!(obeyed(&place, dir), before, "{dir}: {outcome}");
        // The host sees the commit, and runs nothing of the box's.
        let launch = Launch::program("/usr/bin/git".as_ref(), Actor::User, &["log", "-1", "--format=%s %an"]);
        let said = launch.dir(&place.home.join(dir)).env("HOME", place.home.to_str().unwrap()).run().done();
        assert_eq!(said, "two Anna\n", "{dir}");
    }
}

/// What git obeys in the repository of `dir`: names and contents.
fn obeyed(place: &Place, dir: &str) -> String {
    let script = "common=$(git rev-parse --git-common-dir); own=$(git rev-parse --git-dir)
                  for name in $common/hooks $common/config $common/x $common/y $own/commondir .git; do
                      ls -ld $name 2>&1 | cut -c1-10; test -d $name || cat $name 2>&1 || true; done; ls $common/hooks";
    let launch = Launch::program("/bin/sh".as_ref(), Actor::User, &["-ec", script]);
    launch.dir(&place.home.join(dir)).env("HOME", place.home.to_str().unwrap()).run().done()
}

#[test]
fn a_submodule_is_used_from_above() {
    let Some(place) = place("git-submodule") else { return };
    let script =
        "cd mod; echo m >>a; git commit -qam inner; cd ..; git commit -qam outer; git submodule status | cut -c1
                  git log -1 --format=%s; git submodule foreach -q 'git log -1 --format=%s'";
    assert_eq!(inside(&place, "work/super", script), " \nouter\ninner\n");
}
