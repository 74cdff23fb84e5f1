//! What the host executes or obeys later is as before: it can neither be changed nor replaced, or what the program
//! changes is kept apart.

use std::time::{Duration, Instant};

use crate::Place;
use crate::support::{Actor, Outcome};

/// Attacks on the repository of the current directory; `$g` is its common git directory.
const ON_GIT: &[&str] = &[
    "echo x >$g/hooks/pre-commit",
    "echo x >>$g/config",
    "git config core.fsmonitor evil",
    "rm $g/config",
    "ren $g/config $g/x",
    "echo x >$g/new; ren $g/new $g/config",
    "ren $g/hooks $g/x",
    "mkdir $g/new; ren $g/hooks $g/x; ren $g/new $g/hooks",
    "rm -r $g/hooks",
    "chmod 700 $g/hooks",
    "ln $g/config stolen",
];

/// rename(2): mv(1) copies and removes where the kernel refuses.
const RENAME: &str = "ren() { perl -e 'rename($ARGV[0], $ARGV[1]) or exit 1' \"$1\" \"$2\"; }";

/// When the host's files must be as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// Always.
    DuringAndAfter,
    /// When the run has ended: git must be able to replace the files that it tracks.
    After,
}

/// Attacks the files below `w` from a box with the workspace `dir`. On the host every attack must change nothing,
/// and what was changed in the box must be said. Without a box every attack must succeed.
fn withstands(place: &Place, dir: &str, attacks: &[&str]) {
    withstands_as(Promise::DuringAndAfter, place, (dir, dir), attacks);
}

/// The same, with `top` as the workspace and `dir` in it as the current directory.
fn withstands_as(promise: Promise, place: &Place, (top, dir): (&str, &str), attacks: &[&str]) {
    let (top, dir) = (format!("w/{top}"), format!("w/{dir}"));
    place.host(".", "rm -rf pristine; cp -a w pristine");
    for attack in attacks {
        let script = format!("{RENAME}; g=$(git rev-parse --git-common-dir 2>/dev/null) || g=; {attack}");
        let outcome = attacked(place, (&top, &dir), &script, promise);
        assert_ne!(outcome.ending(), "exit 125", "{dir}: {attack}: {outcome}");
        assert_eq!(changed(place), "", "{dir}: {attack}: {outcome}");
        let said = outcome.stderr_text();
        // A mode alone is not kept.
        let is_said = said.contains("kept as k") || said.contains(" as before") || attack.starts_with("chmod");
        assert!(outcome.ending() != "exit 0" || is_said, "{dir}: {attack}: {outcome}");
        place.host(".", "rm -rf w; cp -a pristine w");
        let outcome = place.on_host(&dir, &script);
        assert_eq!(outcome.ending(), "exit 0", "{attack}: no attack at all: {outcome}");
        place.host(".", "rm -rf w; cp -a pristine w");
    }
}

/// Runs an attack in a box, which lives on until the host has looked.
fn attacked(place: &Place, (top, dir): (&str, &str), script: &str, promise: Promise) -> Outcome {
    let script = format!(
        "code=0; ( {script} ) || code=$?; : >was-attacked; while [ -e was-attacked ]; do sleep 0.01; done; exit $code"
    );
    let running = place.launch_below(&[], (top, dir), &script).start();
    let (flag, deadline) = (place.path.join(dir).join("was-attacked"), Instant::now() + Duration::from_secs(60));
    while !flag.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let during = changed(place);
    let is_attacked = std::fs::remove_file(&flag).is_ok();
    let outcome = running.finish();
    assert!(is_attacked, "{script}: {outcome}");
    assert!(promise == Promise::After || during.is_empty(), "{script}: meanwhile: {during}");
    outcome
}

/// What is not as it was on the host.
fn changed(place: &Place) -> String {
    place.host(".", "diff -r --no-dereference -x new -x x -x config.lock -x was-attacked pristine w || true")
}

fn built(name: &str, script: &str) -> Place {
    let place = Place::new(name, Actor::User);
    place.host(".", "mkdir w");
    place.repository("w/r");
    place.host("w/r", script);
    place
}

const SUBMODULE: &str = "git -c protocol.file.allow=always submodule --quiet add ../lib vendor/lib 2>/dev/null
                         git commit -qm sub";

#[test]
fn of_a_repository() {
    let place = built("hold-plain", "echo x >.git/hooks/pre-push");
    withstands(&place, "r", ON_GIT);
    withstands(&place, "r", &["ren .git x", "mkdir new; ren .git x; ren new .git"]);
}

#[test]
fn of_a_repository_from_below_its_top() {
    let place = built("hold-below", "echo e >.envrc");
    let attacks = [ON_GIT, &["ren ../.git ../x", "echo x >../.envrc"]].concat();
    withstands_as(Promise::DuringAndAfter, &place, ("r", "r/sub"), &attacks);
    // Alone, it has nothing above that could be changed.
    withstands(&place, "r/sub", &["echo x >>../.git/config", "ren ../.git ../x", "ren ../sub ../x"]);
}

#[test]
fn of_a_worktree() {
    let place = built("hold-worktree", "for t in t o gone; do git worktree add -q ../$t; done; rm -r ../gone");
    withstands(&place, "t", ON_GIT);
    let attacks = [
        "echo gitdir: evil >.git",
        "rm .git",
        "ren .git x; mkdir .git",
        "echo evil >$g/worktrees/t/commondir",
        "echo evil >$g/worktrees/t/gitdir",
        "ren $g/worktrees/t $g/x",
        "ren $g/worktrees $g/x",
        "echo evil >$g/worktrees/o/gitdir",
        "rm $g/worktrees/gone/HEAD",
    ];
    withstands(&place, "t", &attacks);
}

#[test]
fn of_a_submodule() {
    let place = Place::new("hold-submodule", Actor::User);
    place.host(".", "mkdir w");
    place.repository("w/lib");
    place.repository("w/r");
    place.host("w/r", SUBMODULE);
    withstands(&place, "r/vendor/lib", ON_GIT);
    withstands(&place, "r/vendor/lib", &["rm .git", "echo gitdir: evil >.git"]);
    let from_around = [
        "echo x >.git/modules/vendor/lib/hooks/post-checkout",
        "echo x >>.git/modules/vendor/lib/config",
        "ren .git/modules/vendor/lib .git/x",
        "ren .git/modules/vendor .git/x",
        "ren .git/modules .git/x",
        "echo x >vendor/lib/.git",
        "ren vendor/lib x",
        "ren vendor x",
    ];
    withstands(&place, "r", &from_around);
}

#[test]
fn of_a_repository_in_another() {
    let place = built("hold-nested", "true");
    place.repository("w/r/deep/down/inner");
    place.host("w/r/deep/down", "git init -q --bare b.git");
    let attacks = [
        "echo x >deep/down/inner/.git/hooks/pre-commit",
        "echo x >>deep/down/inner/.git/config",
        "ren deep/down/inner/.git x",
        "ren deep/down/inner x",
        "ren deep x",
        "echo x >deep/down/b.git/hooks/update",
        "echo x >>deep/down/b.git/config",
    ];
    withstands(&place, "r", &attacks);
    withstands(&place, "r/deep", &["echo x >>down/inner/.git/config", "ren down x"]);
}

#[test]
fn hooks_and_settings_that_lie_in_the_work_tree() {
    let script =
        "mkdir -p tools/hooks scripts; echo h >tools/hooks/pre-commit; echo s >scripts/clean; echo '[a]b=c' >.inc
                  ln -s ../../scripts/linked .git/hooks/pre-push; echo l >scripts/linked
                  git config core.hooksPath tools/hooks; git config include.path ../.inc
                  git config filter.x.clean 'scripts/clean %f'; git add .; git commit -qm more";
    let place = built("hold-named", script);
    let attacks = [
        "echo x >tools/hooks/post-commit",
        "echo x >tools/hooks/pre-commit",
        "ren tools x",
        "echo x >.inc",
        "ren .inc x",
        "echo x >scripts/clean",
        "rm scripts/clean",
        "echo x >scripts/linked",
        "ren scripts x",
    ];
    withstands(&place, "r", &attacks);
}

/// A mount lies on the link itself: through it one still gets to what it leads to, which is held as well.
#[test]
fn links_to_what_is_protected() {
    let script =
        "mkdir tools; mv .git/hooks tools/hooks; ln -s ../tools/hooks .git/hooks; echo e >env; ln -s env .envrc
                  mv .git real; ln -s real .git";
    let place = built("hold-links", script);
    let attacks = [
        "rm .git",
        "ren .git x",
        "ln -s evil new; ren new .git",
        "rm .envrc",
        "ln -s /evil new; ren new .envrc",
        "echo x >.envrc",
        "echo x >env",
        "ren .git/hooks real/x",
        "echo x >.git/hooks/post-commit",
        "echo x >tools/hooks/post-commit",
        "ren tools x",
        "git config core.fsmonitor evil",
    ];
    withstands(&place, "r", &attacks);
    let outcome = place.inside("w/r", "cat .envrc; git add env; git commit -qm linked; git log --format=%s -1");
    assert_eq!(outcome.done(), "e\nlinked\n", "{outcome}");
}

#[test]
fn of_shells_editors_and_agents() {
    let script = "echo e >.envrc; mkdir -p .vscode .claude .husky .cargo; echo t >.vscode/tasks.json
                  echo s >.claude/settings.json; echo c >.cargo/config.toml; echo h >.husky/pre-commit; echo m >.mcp.json";
    let place = built("hold-later", script);
    let attacks = [
        "echo x >.envrc",
        "rm .envrc",
        "echo x >new; ren new .envrc",
        "echo x >.vscode/tasks.json",
        "echo x >.vscode/settings.json",
        "ren .vscode x",
        "rm -r .claude",
        "echo x >.claude/settings.local.json",
        "echo x >>.cargo/config.toml",
        "echo x >.husky/post-checkout",
        "echo x >.mcp.json",
    ];
    withstands(&place, "r", &attacks);
    // What git tracks, it must be able to replace.
    place.host("w/r", "git add -f .; git commit -qm later");
    withstands_as(Promise::After, &place, ("r", "r"), &attacks);
}

/// What an archive has brought must not make the box write to another repository.
#[test]
fn of_a_repository_that_a_forged_pointer_names() {
    let place = Place::new("hold-forged", Actor::User);
    place.repository("victim");
    place.host("victim", "git worktree add -q ../tree");
    place.host(".", "mkdir -p evil/x; echo gitdir: ../victim/.git/worktrees/tree >evil/.git");
    let outcome = place.inside("evil", "true");
    assert_eq!(outcome.ending(), "exit 125", "{outcome}");
    assert!(outcome.stderr_text().contains("does not lead back here"), "{outcome}");
    // Deeper down it is held, and leads to nothing.
    place.host(".", "mkdir -p good/evil; mv evil/.git good/evil");
    let outcome = place.inside("good", "cd evil; git status 2>&1 || echo no; ls ../../victim 2>&1 || echo nothing");
    assert!(outcome.done().ends_with("nothing\n"), "{outcome}");
    assert_ne!(place.inside("good", "echo x >evil/.git").ending(), "exit 0");
}

/// Android's repo and git-new-workdir have a link in the place of `.git`, uv's cache an empty file.
#[test]
fn of_a_dot_git_that_is_a_link_or_empty() {
    let place = Place::new("hold-linked", Actor::User);
    place.repository("real");
    place.host(".", "mkdir home work empty; ln -s ../real/.git work/.git; : >empty/.git");
    let outcome = place.pinfold(&[], "work", "touch made; ! rm .git 2>/dev/null; ! git status 2>/dev/null");
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    assert!(outcome.stderr_text().contains("/work/.git is a link that leads out of the box, so git"), "{outcome}");
    place.host(".", "test -e work/made; test -L work/.git; git -C work status");
    let outcome = place.pinfold(&[], "empty", "rm .git; touch made");
    assert_eq!((outcome.ending(), outcome.stderr_text()), ("exit 0".into(), String::new()));
    place.host("empty", "test -e made; test ! -e .git; : >.git");
    // A pointer that the program makes of it leads nowhere afterwards.
    let script = "git init -q x; echo x >x/.git/hooks/pre-commit; echo gitdir: x/.git >.git";
    let outcome = place.pinfold(&[], "empty", script);
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    place.host("empty", "test ! -e x/.git/hooks/pre-commit");
}

#[test]
fn what_cannot_be_held_stops_the_run() {
    let place = built("hold-not", "git config core.hooksPath hk");
    let outcome = place.inside("w/r", "touch ran");
    assert_eq!(outcome.ending(), "exit 125", "{outcome}");
    let said = outcome.stderr_text();
    assert!(said.contains("/hk is missing") && said.contains("hint: make it once: mkdir -p "), "{said}");
    place.host("w/r", "test ! -e ran; mkdir -p hk closed/x; chmod 0 closed");
    let outcome = place.inside("w/r", "true");
    assert!(outcome.stderr_text().contains("closed: Permission denied"), "{outcome}");
    place.host("w/r", "rmdir closed 2>/dev/null || chmod 755 closed");
    assert_eq!(place.inside("w/r", "true").ending(), "exit 0");
}

/// A git directory that the host has replaced meanwhile gets nothing of the box's. What is kept of it is named.
#[test]
fn of_a_repository_that_was_replaced_meanwhile() {
    let place = built("hold-replaced", "true");
    let script = "echo x >.git/hooks/pre-push; git commit -q --allow-empty -m inside; : >ready
                  while [ ! -e go ]; do sleep 0.01; done";
    let running = place.launch(&[], "w/r", script).start();
    let (ready, deadline) = (place.path.join("w/r/ready"), Instant::now() + Duration::from_secs(60));
    while !ready.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    place.host("w/r", "mv .git ../git; cp -a ../git .git; : >go");
    let outcome = running.finish();
    let said = outcome.stderr_text();
    assert!(said.contains("not taken over, kept as k1: ") && said.contains(".git/COMMIT_EDITMSG"), "{outcome}");
    assert_eq!(place.host("w/r", "git log --format=%s; test ! -e .git/hooks/pre-push"), "one\n", "{outcome}");
}
