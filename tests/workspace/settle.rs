//! Repositories that the program has made itself: afterwards git outside executes nothing of them, and writes nothing
//! through them. What is honest stays as it is, and nothing is said about it.

use crate::support::{Actor, Launch, Outcome};
use crate::{Place, beside_taken_over, sandbox};

/// What the program does, and what is done outside afterwards. `$M` is a command that leaves a mark, `$V` a file that
/// nobody may write.
pub(crate) struct Attack<'a>(pub(crate) &'a str, pub(crate) &'a str);

/// A git directory by hand, without `HEAD`, whose configuration leaves a mark.
const EVIL: &str = r#"
evil() {
    mkdir -p "$1/objects" "$1/refs"
    echo 'ref: refs/heads/x' >"$1/HEAD"
    printf '[core]\n\tfsmonitor = "%s"\n[alias]\n\tx = "!%s"\n' "$M" "$M" >"$1/config"
}
hook() {
    mkdir -p "$1"
    printf '#!/bin/sh\n%s\n' "$M" >"$1/pre-commit"
    chmod 755 "$1/pre-commit"
}
"#;

const COMMIT: &str = "git -c user.name=N -c user.email=e commit --allow-empty -qm x";

const ON_REPOSITORIES: &[Attack<'_>] = &[
    Attack("git init -q s; hook s/.git/hooks", "cd s; commit"),
    Attack("git init -q s; git -C s config core.fsmonitor \"$M\"", "cd s; git status"),
    Attack("git init -q s; printf '[alias]\\n\\tx = \"!%s\"\\n' \"$M\" >>s/.git/config", "cd s; git x"),
    Attack("git init -q s; hook h; git -C s config core.hooksPath $PWD/h", "cd s; commit"),
    Attack("git init -q s; echo '[include]path=../../inc' >>s/.git/config; evil e; mv e/config inc", "cd s; git status"),
    Attack("git init -q s; evil e; cp s/.git/config x; cat e/config >>x; ln -sf ../../x s/.git/config", "cd s; git status"),
    Attack("git init -q s; hook h; rm -r s/.git/hooks; ln -s ../../h s/.git/hooks", "cd s; commit"),
    Attack("evil s/.git", "cd s; git status"),
    Attack("evil s/.git; chmod 555 s/.git", "cd s; git status"),
    Attack("evil s/.git; chmod 400 s", "chmod 700 s; cd s; git status"),
    Attack("evil c/s/.git; chmod 0 c", "chmod 700 c; cd c/s; git status"),
    Attack("evil \"$(printf 'a\\nb')/.git\"; mv a*b s", "cd s; git status"),
    Attack("evil s/.git; mv s/.git/objects s/.git/refs s; ln -s ../objects ../refs s/.git", "cd s; git status"),
    Attack("evil s", "cd s; git x"),
    Attack(
        "evil e; mkdir -p s/.git; mv e/HEAD s/.git; echo ../../e >s/.git/commondir",
        "cd s; git status",
    ),
    Attack("evil .git/objects/ab/e; mkdir s; echo gitdir: ../.git/objects/ab/e >s/.git", "cd s; git status"),
    Attack("evil .git/objects/ab/e; mkdir s; ln -s ../.git/objects/ab/e s/.git", "cd s; git status"),
    Attack("evil e; mkdir s; echo gitdir: ../e >s/.git", "cd s; git status"),
    Attack("evil .git/modules/s; mkdir s; echo gitdir: ../.git/modules/s >s/.git", "cd s; git status"),
    Attack(
        "evil .git/e; mkdir -p s .git/worktrees/s; cp .git/e/HEAD .git/worktrees/s; echo ../../e >.git/worktrees/s/commondir
         rm .git/e/HEAD; echo $PWD/s/.git >.git/worktrees/s/gitdir; echo gitdir: ../.git/worktrees/s >s/.git",
        "cd s; git status",
    ),
    Attack(
        "git init -q s; git -C s config extensions.worktreeConfig true; evil e; mv e/config s/.git/config.worktree",
        "cd s; git status",
    ),
    // All names that a number makes for what is set aside.
    Attack(
        "git init -q s; hook s/.git/hooks; cd s/.git; mkdir hooks.from-sandbox; for i in $(seq 2000); do mkdir hooks.from-sandbox.$i; done",
        "cd s; commit",
    ),
    // The name of a remote as an option of a git that git starts.
    Attack(
        "git init -q s; cd s; commit; printf '[remote \"origin\"]\n\turl = .\n[remote \"--upload-pack=%s; git-upload-pack\"]\n\tfetch = x\n' \"$M\" >>.git/config",
        "cd s; git fetch --all",
    ),
    // Objects that are missing are asked for, by ssh here.
    Attack(
        "git init -q s; cd s; git config core.repositoryFormatVersion 1; git config extensions.partialClone o
         git config remote.o.promisor true; git config remote.o.url ssh://h/x
         echo 1234567890123456789012345678901234567890 >.git/HEAD",
        "cd s; GIT_SSH_COMMAND=\"sh -c '$M'\" git status",
    ),
    // A work tree that lies in a git directory: git outside writes its hooks.
    Attack(
        "git init -q e; hook e/h; mv e/h e/hooks; git -C e add .; cd e; commit; cd ..; mkdir -p .git/modules s
         mv e/.git .git/modules/s; echo gitdir: ../.git/modules/s >s/.git; echo gitdir: modules/s >.git/.git
         git -C s config core.worktree ../..",
        "(cd s; git reset -q --hard); commit",
    ),
    // A submodule by the index alone: `git status` in the repository around it goes in.
    Attack(
        "git init -q s; cd s; commit; git config core.fsmonitor \"$M\"; cd ..
         git update-index --add --cacheinfo 160000,$(git -C s rev-parse HEAD),s",
        "git status",
    ),
    // The parts were there before, but for the one that makes a git directory of them.
    Attack("cp old/x old/HEAD", "cd old; git x"),
    Attack("cp -r old s; mv s/x s/HEAD", "cd s; git x"),
    // Deeper than directories are kept open, with others beside the way.
    Attack(
        "d=.; for i in $(seq 70); do mkdir -p $d/a $d/z; d=$d/m; done; evil $d/.git; mv $d s; mkdir $d; evil $d/s/.git
         evil z/s/.git",
        "find . -name s | while read s; do (cd $s; git status); done",
    ),
];

const ON_FILES: &[Attack<'_>] = &[
    Attack("ln -sf $V .git/COMMIT_EDITMSG", "commit"),
    Attack("rm -r .git/logs; mkdir -p .git/logs; ln -s $V .git/logs/HEAD", "commit"),
    Attack("ln -s $V .git/FETCH_HEAD", "git fetch -q . main"),
    Attack("mv .git/index i; ln -s $V .git/index", "git read-tree HEAD"),
    Attack("mkdir -p .git/objects/info; ln -s $V .git/objects/info/commit-graph", "git commit-graph write --reachable"),
    Attack("git init -q s; ln -s $V s/.git/COMMIT_EDITMSG", "cd s; commit"),
];

/// Things made ready in one run, and moved into place in the next one, by what does not change their own times: moving
/// the directory around them, or a directory on the way of a link.
const IN_TWO_RUNS: &[(&str, Attack<'_>)] = &[
    (
        "mkdir -p x; echo \"exec $M\" >x/git-rebase-todo",
        Attack(
            "commit; GIT_SEQUENCE_EDITOR='sed -i 1ibreak' git rebase -q -i HEAD~1 2>&1; mv x/* .git/rebase-merge",
            "GIT_COMMITTER_NAME=N EMAIL=e@x git rebase --continue",
        ),
    ),
    (
        "mkdir -p x/x; echo $(dirname $V)/.git >x/x/gitdir",
        Attack("mv x .git/worktrees", "git worktree repair; mv $(dirname $V)/.git $(dirname $V)/mark"),
    ),
    // What was there at the start is held, but not the way that it says.
    (
        "mkdir -p .git/worktrees/x; echo $PWD/wt/.git >.git/worktrees/x/gitdir",
        Attack("ln -s $(dirname $V) wt", "git worktree repair; mv $(dirname $V)/.git $(dirname $V)/mark"),
    ),
    (
        "mkdir s; ln -s $(dirname $V)/mark s/.gitmodules",
        Attack("git init -q s; git init -q s/sub; (cd s/sub; commit)", "cd s; git submodule add ./sub"),
    ),
    (
        "mkdir -p .git/objects/zz; ln -s $V .git/objects/zz/HEAD",
        Attack("mv .git/logs .git/l; mv .git/objects/zz .git/logs", "commit"),
    ),
    ("mkdir x; ln -s $V x/HEAD", Attack("mv .git/logs .git/l; mv x .git/logs", "commit")),
    ("mkdir -p x/y/logs; ln -s $V x/y/logs/HEAD", Attack("mv .git/logs l; mv x/y/logs .git/logs", "commit")),
    ("git init -q s; mkdir x; ln -s $V x/HEAD", Attack("rm -rf s/.git/logs; mv x s/.git/logs", "cd s; commit")),
    ("mkdir -p .git/objects/zz; evil e; mv e .git/objects/zz/", Attack("mv .git/objects/zz/e s", "cd s; git x")),
    ("evil x; mv x/HEAD x/h", Attack("mv x s; mv s/h s/HEAD", "cd s; git x")),
    ("mkdir -p s x; hook x/hooks", Attack("git init -q s; rm -r s/.git/hooks; mv x/hooks s/.git", "cd s; commit")),
];

#[test]
fn what_was_ready_before_the_run_comes_to_nothing() {
    let place = Place::new("settle-two-runs", Actor::User);
    place.host(".", "mkdir w");
    place.repository("w/r");
    let path = place.path.display();
    let words = format!("M='touch {path}/mark; false'; V={path}/victim; {EVIL}\ncommit() {{ {COMMIT}; }}\n");
    place.host(".", "cp -a w pristine");
    for (before, Attack(attack, afterwards)) in IN_TWO_RUNS {
        for in_box in [false, true] {
            place.host(".", "rm -rf w mark; cp -a pristine w; rm -f victim; echo kept >victim");
            let run = |script: &str| {
                let script = format!("{words}{script}");
                let outcome = if in_box { place.inside("w/r", &script) } else { place.on_host("w/r", &script) };
                // What the first run has left may be kept apart, so the second one may not find it.
                let is_good = outcome.ending() == "exit 0" || in_box && outcome.ending() == "exit 1";
                assert!(is_good, "{script}: {outcome}");
                outcome
            };
            let said = run(before).stderr_text() + &run(attack).stderr_text();
            let _any = place.on_host("w/r", &format!("{words} set +e; {afterwards}; true"));
            let done = place.host(".", "test ! -e mark || echo mark; cat victim 2>&1");
            assert_eq!(done == "kept\n", in_box, "{attack} (in a box: {in_box}): {done}{said}");
            assert_eq!(said.is_empty(), !in_box, "{attack}: {said}");
        }
    }
}

/// Each attack without a box, where it must succeed, and with one, where it must come to nothing.
pub(crate) fn come_to_nothing(name: &str, attacks: &[Attack<'_>]) {
    let place = Place::new(name, Actor::User);
    place.host(".", "mkdir w");
    place.repository("w/r");
    let path = place.path.display();
    let words = format!("M='touch {path}/mark; false'; V={path}/victim; {EVIL}\ncommit() {{ {COMMIT}; }}\n");
    place.host("w/r", &format!("{words} evil old; hook old/hooks; mv old/HEAD old/x; printf '[core]\\nbare=false\\nworktree=.\\n' >>old/config"));
    place.host(".", "cp -a w pristine");
    let is_done = || place.host(".", "test ! -e mark || echo mark; cat victim 2>&1");
    for Attack(attack, afterwards) in attacks {
        for in_box in [false, true] {
            place.host(".", "chmod -R u+rwx w; rm -rf w mark; cp -a pristine w; rm -f victim; echo kept >victim");
            let script = format!("{words}{attack}");
            let outcome = if in_box { place.inside("w/r", &script) } else { place.on_host("w/r", &script) };
            assert_eq!(outcome.ending(), "exit 0", "{attack}: {outcome}");
            // What git says to that is its own affair.
            let _any = place.on_host("w/r", &format!("{words} set +e; {afterwards}; true"));
            let done = is_done();
            assert_eq!(done == "kept\n", in_box, "{attack} (in a box: {in_box}): {done}{outcome}");
            assert_eq!(outcome.stderr_text().is_empty(), !in_box, "{attack}: {outcome}");
        }
    }
}

#[test]
fn repositories_of_the_program_execute_nothing() {
    come_to_nothing("settle-repositories", ON_REPOSITORIES);
}

#[test]
fn links_in_git_directories_lead_nowhere() {
    come_to_nothing("settle-links", ON_FILES);
}

/// What people and tools do all day: nothing is touched, and nothing is said but what was taken over.
#[test]
fn honest_work_is_left_alone() {
    let place = Place::new("settle-honest", Actor::User);
    place.repository("r");
    place.repository("lib");
    place.host("r", "cp -r ../lib lib; git add . 2>/dev/null; git commit -qm lib; git gc -q");
    let honest = [
        "git init -q a; cd a; echo x >f; git add f; commit; git branch b; git tag t; git gc -q",
        "git init -q --bare a.git; git -C lib push -q ../a.git HEAD:main",
        "git init -q --object-format=sha256 a; cd a; commit",
        "git init -q --ref-format=reftable a 2>/dev/null || exit 0; cd a; commit",
        "git init -q --separate-git-dir=g a; cd a; commit",
        "git clone -q lib a; cd a; git config user.name 'A \"B\" # C'; git fetch -q; git pull -q; git push -q",
        "git clone -q --bare lib a; git clone -q --mirror lib b; git clone -q --depth 1 file://$PWD/lib c",
        "git clone -q -o up.stream lib a; git -C a remote add x https://example.org/x",
        "git init -q a; cd a; git -c protocol.file.allow=always submodule --quiet add ../lib sub/lib; commit
         git -C sub/lib checkout -q HEAD^0",
        "git init -q a; cd a; commit; git worktree add -q ../b; cd ../b; commit; git sparse-checkout set x",
        "git worktree add -q t; cd t; echo x >y; git add y; commit",
        "echo x >y; git add y; commit; git gc -q; git repack -adq; git stash -q; git tag t",
        "git init -q -b main a; cd a; commit; git config branch.main.remote .; git config branch.main.merge refs/heads/main
         git commit-graph write --reachable; git checkout -qb b; git rebase -q main; rm .git/hooks/*; rm -r .git/hooks",
        "git init -q a; cd a; git config color.ui auto; git config color.status.added green; git config pull.rebase true
         git config advice.detachedHead false; git config commit.gpgSign false; git config pager.branch true
         git config core.commentChar ';'; git config branch.sort -committerdate; git config log.date iso; commit",
        "mkdir -p src/objects src/refs src/hooks src/config; echo x >src/hooks/useThis; ln -s hooks src/link; touch src/.gitignore",
    ];
    for script in honest {
        place.host(".", "rm -rf w; cp -a r w");
        let path = place.path.display();
        let words =
            format!("commit() {{ {COMMIT}; }}; export GIT_AUTHOR_NAME=N GIT_COMMITTER_NAME=N EMAIL=e@x; : {path};");
        let outcome = place.inside("w", &format!("{words} {script}"));
        assert_eq!(outcome.ending(), "exit 0", "{script}: {outcome}");
        assert_eq!(beside_taken_over(&outcome), "", "{script}");
        let aside = place.host("w", "find . -name '*.from-sandbox*'");
        assert_eq!(aside, "", "{script}");
    }
}

/// Of a configuration that is replaced, git reads the same but for what is left out.
#[test]
fn the_new_configuration_says_the_rest() {
    let place = Place::new("settle-config", Actor::User);
    place.repository("r");
    let script =
        "git init -q s; cd s; git config user.name 'A \"B\\C\" #;  D '; git config remote.'x \"y\\z'.url ' a;b'
                  git config --add remote.'x \"y\\z'.fetch +a:refs/tags/b; git config --add remote.'x \"y\\z'.fetch +c:refs/tags/d
                  printf '[branch \"m\"]\\n\\trebase\\n\\tremote = ext::sh -c x\\n' >>.git/config
                  git config core.pager x; cp .git/config ../before";
    let outcome = place.inside("r", script);
    let path = place.path.display();
    let expected = format!(
        "pinfold: {path}/r/s/.git: config has settings that may do harm (core.pager, branch.m.remote; a new one has the \
         others), and is now config.from-sandbox; if you trust it: cd {path}/r/s/.git && mv -T config.from-sandbox config\n"
    );
    assert_eq!(outcome.stderr_text(), expected);
    let list = |file: &str| place.host("r", &format!("git config -z --list --file {file} | tr '\\0' '@'"));
    let is_left_out = |setting: &&str| setting.starts_with("core.pager") || setting.starts_with("branch.m.remote");
    let (before, after) = (list("before"), list("s/.git/config"));
    let expected: Vec<&str> = before.split('@').filter(|setting| !is_left_out(setting)).collect();
    assert_eq!(after.split('@').collect::<Vec<_>>(), expected);
    assert_eq!(expected.len() + 2, before.split('@').count());
    // What is said takes it back, and it is not taken away again: it was there before this run.
    place.host("r", "cd s/.git && mv -T config.from-sandbox config; cmp config ../../before");
    let outcome = place.inside("r", "echo x >s/file; git -C s add file");
    assert_eq!(outcome.stderr_text(), "", "{outcome}");
    place.host("r", "cmp before s/.git/config");
}

#[test]
fn what_was_there_stays() {
    let place = Place::new("settle-old", Actor::User);
    place.repository("r");
    place.host(
        "r",
        "mkdir .git/info/d; ln -s /nowhere .git/info/old; ln -s ../x .git/objects/old; ln -s x .git/info/d/old",
    );
    place.host(
        "r",
        "git init -q s; echo x >s/.git/hooks/update; git -C s config core.pager cat; ln -s /nowhere s/.git/old",
    );
    let before = place.names();
    let outcome = place.inside("r", &format!("{COMMIT}; git -C s add .; ln -s /x .git/new; mkdir s/n; touch s/n/f"));
    let kept = "pinfold: not taken over, kept as k1: .git/new (pinfold kept diff k1)\n";
    assert_eq!(outcome.stderr_text(), format!("{kept}pinfold: git: main moved, taken over from the box\n"));
    place.host("r", "rm -r s/n");
    let links = |names: &str| -> Vec<String> {
        names.lines().filter(|line| line.starts_with('l') || line.contains("hooks")).map(str::to_owned).collect()
    };
    assert_eq!(links(&place.names()), links(&before));
}

/// From a linked worktree the repository is written that lies elsewhere.
#[test]
fn what_is_written_to_the_repository_of_a_worktree_is_kept_apart_too() {
    let place = Place::new("settle-worktree", Actor::User);
    place.repository("r");
    place.host("r", "git worktree add -q ../t");
    let script =
        "g=$(git rev-parse --git-common-dir); mkdir -p $g/modules/m/objects $g/modules/m/refs $g/modules/m/hooks
                  echo x >$g/modules/m/hooks/x; echo x >$g/modules/m/HEAD; ln -sf /x $g/COMMIT_EDITMSG";
    let outcome = place.inside("t", script);
    let path = place.path.display();
    let said = outcome.stderr_text();
    for kept in [".git/modules/m", ".git/COMMIT_EDITMSG"] {
        assert!(said.contains(&format!("{path}/r/{kept}")), "{outcome}");
    }
    place.host("r", "test ! -e .git/modules; test ! -L .git/COMMIT_EDITMSG");
}

/// However many there are, the user gets few lines; and names cannot fake one.
#[test]
fn what_is_said_is_short_and_plain() {
    let place = Place::new("settle-many", Actor::User);
    place.repository("r");
    let script = "for i in $(seq 50); do mkdir -p m/$i; echo gitdir: /x >m/$i/.git; done
                  git init -q s; for i in $(seq 50); do ln -s \"$(printf '/x\\n\\033[2J')\" s/.git/l$i; done";
    let outcome = place.inside("r", script);
    let said = outcome.stderr_text();
    assert_eq!(said.lines().count(), 21, "{said}");
    assert!(said.contains("-> /x\\n\\x1b[2J is removed") && said.contains("and 44 more like this"), "{said}");
    assert!(said.contains("31 more repositories or directories like these"), "{said}");
    assert_eq!(place.host("r", "find m -name .git; find s/.git -type l"), "");
}

/// What is closed as a whole can be opened again by its owner, and was open to the program.
#[test]
fn a_closed_workspace_is_settled_and_closed_again() {
    for mode in ["0", "200", "400"] {
        let place = Place::new("settle-closed", Actor::User);
        place.repository("r");
        let make = format!(
            "git init -q s; mkdir s/.git/hooks.d; printf 'exit 1\\n' >s/.git/hooks/pre-commit; chmod {mode} s/.git s ."
        );
        let outcome = place.inside("r", &make);
        assert_eq!(outcome.ending(), "exit 0", "{outcome}");
        assert!(outcome.stderr_text().contains("hooks holds what git would execute"), "{mode}: {outcome}");
        assert_eq!(place.host(".", "stat -c %a r; chmod 700 r r/s r/s/.git"), format!("{mode}\n"));
        assert_eq!(
            place.host("r/s/.git", "ls hooks; ls hooks.from-sandbox/pre-commit"),
            "hooks.from-sandbox/pre-commit\n"
        );
    }
}

/// A path that is longer than any call takes (PATH_MAX), and directories that are closed on the way.
#[test]
fn no_tree_is_too_deep() {
    let place = Place::new("settle-deep", Actor::User);
    place.repository("r");
    let down = |what: &str| {
        format!(
            "perl -e 'for (1..1200) {{ mkdir \"dir\"; chdir \"dir\" or chmod(0700, \"dir\") && chdir \"dir\" or exit 1; mkdir \"side\" }} {what}'"
        )
    };
    let make = down(
        "mkdir \"../side/.git\"; symlink \"x\", \"../side/.git/y\"; mkdir \".git\"; mkdir \".git/hooks\";
         open F, \">\", \".git/hooks/x\"; chmod 0, \"../dir\" or exit 1",
    );
    let outcome = place.inside("r", &make);
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    let said = outcome.stderr_text();
    let ends: Vec<&str> = said.lines().map(|line| line.rsplit_once("/dir/").unwrap().1).collect();
    assert!(said.lines().count() == 2 && said.contains("/side/.git: the link y -> x is removed"), "{ends:?}");
    assert!(said.contains("/dir/.git: hooks holds what git would execute, and is now hooks.from-sandbox"), "{ends:?}");
    // What was closed is closed again.
    assert_eq!(place.host("r", "find . -type d -perm 0 -print 2>/dev/null | wc -l"), "1\n");
    place.host("r", &down("-e \".git/hooks.from-sandbox/x\" or exit 1"));
    place.host("r", "rm -r dir");
}

/// Levels of git directories, each with a pointer file beside it, cost no more than their number: with a copy of each
/// path, these would take gigabytes.
#[test]
fn deep_repositories_take_little_memory() {
    let place = Place::new("settle-nest", Actor::User);
    place.repository("r");
    let nest = "perl -e 'mkdir \"nest\"; chdir \"nest\"; $d = \"d\" x 60; for (1..3000) { symlink \"x\", \".git\"; mkdir \"objects\"; mkdir \"refs\";
                open F, \">\", \"HEAD\"; mkdir $d; chdir $d or exit 1 }'";
    let outcome = in_little_memory(&place, nest);
    // Too deep for the end of a test.
    place.host("r", "rm -r nest");
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    let said = outcome.stderr_text();
    assert!(said.lines().count() == 21 && said.len() < 21 * 3000, "{said}");
}

/// As many settings as a file takes, in a section with a long name: with a copy of that for each, half a gigabyte. They
/// are too many to be looked at.
#[test]
fn many_settings_take_little_memory() {
    let place = Place::new("settle-many-settings", Actor::User);
    place.repository("r");
    let script = "mkdir s; cd s; git init -q; perl -e 'print \"[x \\\"\", \"n\" x 1000, \"\\\"]\\n\", \"a\\n\" x 520000' >.git/config";
    let outcome = in_little_memory(&place, script);
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    assert!(outcome.stderr_text().contains("config was not read, since there are more settings"), "{outcome}");
    assert_eq!(place.host("r", "cat s/.git/config; stat -c %s s/.git/config.from-sandbox"), "1041007\n");
}

/// Runs a script in a box, with so little that a few hundred megabytes are too much.
fn in_little_memory(place: &Place, script: &str) -> Outcome {
    place.host(".", "printf '#!/bin/sh\\nulimit -v 300000; exec \"$@\"\\n' >limited; chmod 755 limited");
    let dir = place.path.join("r");
    let words = [sandbox().to_str().unwrap(), dir.to_str().unwrap(), "/usr/bin/sh", "-ec", script];
    place.as_author(Launch::program(&place.path.join("limited"), Actor::User, &words)).dir(&dir).run()
}

/// One configuration of a megabyte, under the names of many repositories: all are set aside, and it is read once (a
/// test of the module counts that).
#[test]
fn a_configuration_of_many_repositories_is_set_aside_in_all() {
    let place = Place::new("settle-hard-links", Actor::User);
    place.repository("r");
    let script = "perl -e 'print \"[x]\\n\", \"a\\n\" x 520000' >big
                  for i in $(seq 300); do mkdir -p s$i/.git/objects s$i/.git/refs; : >s$i/.git/HEAD; ln big s$i/.git/config; done";
    let outcome = place.inside("r", script);
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    assert!(outcome.stderr_text().contains("config was not read, since there are more settings"), "{outcome}");
    assert!(outcome.stderr_text().contains("280 more repositories"), "{outcome}");
    assert_eq!(
        place.host("r", "find . -path './s*/.git/config' -empty | wc -l; find . -name config.from-sandbox | wc -l"),
        "300\n300\n"
    );
}

/// Links of the user's in git directories stay where they are and lead where they did.
#[test]
fn links_of_the_user_stay_as_they_are() {
    let place = Place::new("settle-own-links", Actor::User);
    place.repository("r");
    place.host(
        "r",
        "git init -q s; rm -r s/.git/info; ln -s ../../.git/info s/.git/info; ln -s /nowhere .git/out
         mkdir shared; ln -s ../shared .git/shared; ln -s /nowhere .git/info/out; mkdir hop; ln -s /tmp hop/x
         ln -s ../hop/x .git/hop",
    );
    let before = place.names();
    let outcome = place.inside("r", &format!("{COMMIT}; git -C s add ."));
    assert_eq!(beside_taken_over(&outcome), "", "{outcome}");
    assert_eq!(place.host("r", "find . -type l | wc -l"), "6\n", "{before}");
    // What a link leads to in the work tree cannot get links of the program.
    let outcome = place.inside("r", "ln -s /x shared/x; ! mv shared shared2 2>/dev/null; ! rm hop/x 2>/dev/null");
    assert!(outcome.ending() == "exit 0" && outcome.stderr_text().contains(": shared/x (pinfold kept"), "{outcome}");
    let outcome = place.inside("r", "rm .git/out; ln -s /other .git/out; rm s/.git/info");
    let said = outcome.stderr_text();
    assert!(outcome.ending() == "exit 0" && said.contains(" .git/out") && said.contains(" s/.git/info"), "{said}");
    let links = |names: &str| names.lines().filter(|line| line.starts_with('l')).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(links(&place.names()), links(&before));
    // One that leads to nothing would lead to what the program makes there.
    place.host("r", "ln -s ../later .git/later");
    let outcome = place.inside("r", "true");
    assert!(outcome.ending() == "exit 125" && outcome.stderr_text().contains("/r/later is missing"), "{outcome}");
}
