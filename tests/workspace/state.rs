//! What git keeps for later and obeys then: a rebase that is not finished, entries of worktrees, files of remotes, the
//! place of `.gitmodules`.

use crate::settle::{Attack, come_to_nothing};
use crate::support::Actor;
use crate::{Place, beside_taken_over};

/// Begins a rebase that stops at once, with one commit ahead that is no fast-forward.
const REBASE: &str = "
rebase() {
    export GIT_AUTHOR_NAME=N GIT_COMMITTER_NAME=N EMAIL=e@x
    commit; git checkout -q -b other HEAD~1; echo x >other; git add other; git commit -qm other; git checkout -q main
    GIT_SEQUENCE_EDITOR='sed -i 1ibreak' git rebase -q -i --keep-empty other 2>&1
}
remote() { mkdir -p $1; printf '#!/bin/sh\n%s\n' \"$M\" >m; chmod 755 m; }
";

const CONTINUE: &str = "GIT_COMMITTER_NAME=N EMAIL=e@x git rebase --continue";

#[test]
fn commands_of_an_unfinished_rebase_are_not_executed() {
    let attacks = [
        ("rebase; echo \"exec $M\" >>.git/rebase-merge/git-rebase-todo", CONTINUE),
        ("rebase; printf '\\t x\\t%s' \"$M\" >>.git/rebase-merge/git-rebase-todo", CONTINUE),
        (
            "rebase; hook git-merge-x; mv git-merge-x/pre-commit git-merge-x/evil
             echo x/evil >.git/rebase-merge/strategy",
            CONTINUE,
        ),
        (
            "rebase; hook git-merge-x; mv git-merge-x/pre-commit git-merge-x/evil; git rebase --abort
             git checkout -q other; echo y >other; git commit -qam y; git checkout -q main; echo z >other; git add other
             git commit -qm z; git cherry-pick other~1 other >/dev/null 2>&1 || git checkout -q HEAD other
             printf '[options]\\n\\tstrategy = x/evil\\n' >.git/sequencer/opts",
            "git -c user.name=N -c user.email=e cherry-pick --skip",
        ),
        // In a worktree, whose git directory is another one.
        (
            "git worktree add -q wt; cd wt; commit; GIT_SEQUENCE_EDITOR='sed -i 1ibreak' git rebase -q -i HEAD~1 2>&1
             echo \"exec $M\" >>../.git/worktrees/wt/rebase-merge/git-rebase-todo",
            "cd wt; GIT_COMMITTER_NAME=N EMAIL=e@x git rebase --continue",
        ),
    ];
    come_to_nothing(
        "state-rebase",
        &attacks.map(|(made, then)| (format!("{REBASE}{made}"), then.to_owned())).each_ref().map(attack),
    );
}

#[test]
fn what_git_writes_to_lies_in_the_workspace() {
    let entry = "entry() { mkdir -p .git/worktrees/x; echo ../.. >.git/worktrees/x/commondir
                 cp .git/HEAD .git/worktrees/x; echo $1 >.git/worktrees/x/gitdir; }; ";
    let repair = "git worktree repair; mv $(dirname $V)/.git $(dirname $V)/mark";
    let attacks = [
        (format!("{entry} entry $(dirname $V)/.git"), repair),
        (format!("{entry} entry $PWD/../../.git"), repair),
        (format!("{entry} ln -s $(dirname $V) l; entry $PWD/l/.git"), repair),
        // The link is tracked, and comes back.
        (
            format!("{entry} ln -s $(dirname $V) l; git add l; commit; rm l; entry $PWD/l/.git"),
            "git checkout .; git worktree repair; mv $(dirname $V)/.git $(dirname $V)/mark",
        ),
        // `gitdir` alone is enough.
        (format!("{entry} entry $(dirname $V)/.git; rm .git/worktrees/x/HEAD .git/worktrees/x/commondir"), repair),
        (
            "ln -s $(dirname $V)/mark .gitmodules; git init -q dep; (cd dep; commit)".to_owned(),
            "git submodule add ./dep",
        ),
        (
            "git init -q s; ln -s $(dirname $V)/mark s/.gitmodules; git init -q s/sub; (cd s/sub; commit)".to_owned(),
            "cd s; git submodule add ./sub",
        ),
    ];
    come_to_nothing("state-writes", &attacks.each_ref().map(|(made, then)| Attack(made, then)));
}

#[test]
fn old_forms_of_remotes_name_no_program() {
    let fetch = "git -c protocol.ext.allow=always fetch";
    let attacks = [
        ("remote .git/remotes; echo 'URL: ext::./m' >.git/remotes/origin", fetch.to_owned()),
        ("remote .git/branches; echo ext::./m >.git/branches/b", format!("{fetch} b")),
        (
            "remote .git/remotes; printf 'Pull: x\\nURL:ext::./m\\n' >x; ln x y; mv x .git/remotes/o",
            format!("{fetch} o"),
        ),
        (
            "git init -q s; cd s; remote .git/remotes; echo 'URL: ext::./m' >.git/remotes/origin",
            format!("cd s; {fetch}"),
        ),
    ];
    come_to_nothing(
        "state-remotes",
        &attacks.map(|(made, then)| (format!("{REBASE}{made}"), then)).each_ref().map(attack),
    );
}

fn attack((made, then): &(String, String)) -> Attack<'_> {
    Attack(made, then)
}

/// `rerere` reads and writes the files that `MERGE_RR` names, and asks nothing.
#[test]
fn what_is_written_down_of_conflicts_leads_to_no_other_file() {
    let prepare = "id=$(printf 'ab%.0s' $(seq 20)); mkdir -p .git/rr-cache/$id; echo kept >.git/rr-cache/$id/preimage
                   echo evil >.git/rr-cache/$id/postimage; record() { printf \"$id.-1\\t%s\\0\" \"$1\"; };";
    let attacks = [
        ("record $V >.git/MERGE_RR", "commit"),
        ("record ../../victim >.git/MERGE_RR", "commit"),
        ("record sub/../../../victim >.git/MERGE_RR", "commit"),
        ("ln -s $V l; record l >.git/MERGE_RR", "commit"),
        ("ln -s $(dirname $V) l; (printf \"$id\\tx\\0\"; record l/victim) >.git/MERGE_RR", "commit"),
        ("git init -q s; mv .git/rr-cache s/.git; record $V >s/.git/MERGE_RR", "cd s; commit"),
        ("git worktree add -q wt; record ../../../victim >.git/worktrees/wt/MERGE_RR", "cd wt; commit"),
        (
            "cp .git/config .git/rr-cache/$id/preimage
             (cat .git/config; printf '[alias]\\nx=\"!%s\"\\n' \"$M\") >.git/rr-cache/$id/postimage
             record .git/config >.git/MERGE_RR",
            "commit; git x",
        ),
    ];
    let attacks = attacks.map(|(made, then)| (format!("{prepare} {made}"), then.to_owned()));
    come_to_nothing("state-rerere", &attacks.each_ref().map(attack));
}

/// git gives the options that it has kept to `git apply`, which may write its index to any file.
#[test]
fn options_of_an_unfinished_rebase_are_not_obeyed() {
    let begin = "conflict() {
            export GIT_AUTHOR_NAME=N GIT_COMMITTER_NAME=N EMAIL=e@x
            git checkout -qb other; echo 2 >file; git commit -qam 2; git checkout -q main
            echo 3 >file; git commit -qam 3; echo 4 >file; git commit -qam 4; git rebase -q --apply other 2>&1 || true
        }; conflict;";
    let go_on = "echo 5 >file; git add file; GIT_COMMITTER_NAME=N EMAIL=e@x git rebase --continue";
    let am = "echo 5 >file; git add file; GIT_COMMITTER_NAME=N EMAIL=e@x git am --continue";
    let attacks = [
        (format!("{begin} echo \" '--build-fake-ancestor=$V'\" >.git/rebase-apply/apply-opt"), go_on.to_owned()),
        (format!("{begin} echo \" '-C1' '--build-fake-ancestor=$V'\" >.git/rebase-apply/apply-opt"), am.to_owned()),
    ];
    come_to_nothing("state-apply", &attacks.each_ref().map(attack));
}

/// git signs what it goes on with, by the program that the user has for it, and with the key that the state names.
#[test]
fn nothing_is_signed_that_the_program_has_made() {
    let sign = "-c gpg.program=$(dirname $V)/w/r/gpg";
    let prepare = "printf '#!/bin/sh\\n%s\\n' \"$M\" >gpg; chmod 755 gpg;";
    let go_on = format!("export GIT_COMMITTER_NAME=N EMAIL=e@x; git {sign} rebase --continue");
    let apply = "git checkout -qb other; echo 2 >file; git commit -qam 2; git checkout -q main
                 echo 3 >file; git commit -qam 3; git rebase -q --apply other 2>&1 || true";
    let pick = "git checkout -qb other; echo 2 >file; git commit -qam 2; echo 3 >sub/file; git commit -qam 3
                git checkout -q main; echo 4 >file; git commit -qam 4; git cherry-pick other~1 other 2>&1 || true";
    let attacks = [
        (format!("{REBASE} {prepare} rebase; echo -Sx >.git/rebase-merge/gpg_sign_opt"), go_on.clone()),
        (
            format!(
                "{prepare} export GIT_COMMITTER_NAME=N EMAIL=e@x; {apply}; echo -Sx >.git/rebase-apply/gpg_sign_opt"
            ),
            format!("echo 5 >file; git add file; {go_on}"),
        ),
        (
            format!("{prepare} {pick}; printf '[options]\\n\\tgpg-sign = x\\n' >.git/sequencer/opts"),
            format!("echo 5 >file; git add file; GIT_EDITOR=: git {sign} cherry-pick --continue"),
        ),
    ];
    come_to_nothing("state-sign", &attacks.each_ref().map(attack));
}

/// git does not check the names that it reads from an index, and writes, reads and executes what they name.
#[test]
fn an_index_names_no_file_but_those_of_the_work_tree() {
    let forge = "forge() { sed -i \"s,$2,$3,g\" $1; };
                 add() { mkdir -p aa/aa xgit/hooks; echo evil >aa/aa/victim
                 printf '#!/bin/sh\\n%s\\n' \"$M\" >xgit/hooks/pre-commit; chmod 755 xgit/hooks/pre-commit
                 git add $1; rm -r aa xgit; };";
    let hooks = "git checkout .; commit";
    let attacks = [
        ("add xgit; forge .git/index xgit/ .git/", hooks),
        ("add xgit; git update-index --index-version 4; forge .git/index xgit/ .git/", hooks),
        ("add xgit; git update-index --split-index; forge '.git/sharedindex.*' xgit/ .git/", hooks),
        ("add aa/aa; forge .git/index aa/aa/ ../../", "git checkout ."),
        (
            "git init -q dep; (cd dep; commit); link=$(printf $(dirname $V)/mark | git hash-object -w --stdin)
             git update-index --add --cacheinfo 120000,$link,Xgitmodules; forge .git/index Xgitmodules .gitmodules",
            "git checkout .; git submodule add ./dep",
        ),
        ("mkdir -p x$(dirname $V); echo evil >x$V; git add x; rm -r x; forge .git/index x$V /$V", "git checkout ."),
        (
            "git worktree add -q wt; cd wt; mkdir -p aa/aa/aa; echo evil >aa/aa/aa/victim; git add aa; rm -r aa
             forge ../.git/worktrees/wt/index aa/aa/aa/ ../../../",
            "cd wt; git checkout .",
        ),
        ("git init -q s; cd s; add xgit; forge .git/index xgit/ .git/", "cd s; git checkout .; commit"),
        (
            "git init -q --object-format=sha256 s; cd s; add xgit; forge .git/index xgit/ .git/",
            "cd s; git checkout .; commit",
        ),
    ];
    let attacks = attacks.map(|(made, then)| (format!("{forge} {made}"), then.to_owned()));
    come_to_nothing("state-index", &attacks.each_ref().map(attack));
}

/// What was set aside can be taken back, and a new one is as good as it was; of one with another name, a copy stays.
#[test]
fn an_index_that_is_set_aside_can_be_made_anew() {
    let place = Place::new("state-reset", Actor::User);
    place.repository("r");
    let make = "git init -q s; cd s; mkdir sub; echo 1 >sub/file; git add .; git commit -qm one;";
    let author = "export GIT_AUTHOR_NAME=N GIT_COMMITTER_NAME=N EMAIL=e@x;";
    let outcome = place.inside("r", &format!("{author} {make} sed -i s,sub/file,sub//ile, .git/index"));
    let git_dir = place.path.join("r/s/.git").display().to_string();
    let expected = format!(
        "pinfold: {git_dir}: index names 'sub//ile', which git would write (git reset makes a new one), and is now \
         index.from-sandbox; if you trust it: cd {git_dir} && mv -T index.from-sandbox index\n"
    );
    assert_eq!(outcome.stderr_text(), expected);
    assert_eq!(place.host("r/s", "git reset -q; git status --short"), "");
    // It was there before this run, so it is kept apart.
    let outcome = place.inside("r", "cd s; sed -i s,sub/file,sub//ile, .git/index");
    assert!(outcome.stderr_text().contains(": s/.git/index (pinfold kept diff k"), "{outcome}");
    assert_eq!(place.host("r/s", "git status --short"), "");
    let outcome = place.inside("r", &format!("{author} rm -rf s; {make} ln .git/index .git/other"));
    assert!(outcome.ending() != "exit 0", "a repository from before the run went away: {outcome}");
    let outcome = place.inside(
        "r",
        &format!("{author} {} ln .git/index .git/other", make.replacen("init -q s; cd s", "init -q t; cd t", 1)),
    );
    assert!(outcome.stderr_text().contains("index has another name (a hard link)"), "{outcome}");
    assert_eq!(place.host("r/t", "stat -c %h .git/index; rm .git/other; git status --short"), "1\n");
}

/// A later run, in another repository, could write to a file under its other name.
#[test]
fn nothing_that_git_obeys_later_has_another_name() {
    let place = Place::new("state-links", Actor::User);
    place.repository("r");
    let commit = "export GIT_AUTHOR_NAME=N GIT_COMMITTER_NAME=N EMAIL=e@x; commit() { git commit --allow-empty -qm x; }
                  git init -q -b main s; cd s; echo 1 >file; git add file; commit;";
    let cases = [
        (
            format!("{commit} {REBASE} rebase; ln .git/rebase-merge/git-rebase-todo .git/todo"),
            "rebase-merge cannot be read",
        ),
        (
            format!("{commit} git update-index --split-index; for f in .git/sharedindex.*; do ln $f .git/shared; done"),
            "index is none",
        ),
    ];
    for (script, said) in cases {
        place.host(".", "cp -a r w");
        let outcome = place.inside("w", &script);
        assert!(outcome.stderr_text().contains(said), "{script}: {outcome}");
        place.host(".", "rm -r w");
    }
}

/// The same of a file that is not in conflict: a checkout may put a link in its place.
#[test]
fn a_file_that_is_not_in_conflict_is_no_matter_of_rerere() {
    let place = Place::new("state-no-conflict", Actor::User);
    place.repository("r");
    let record = "git init -q s; cd s; mkdir sub .git/rr-cache; : >sub/file
                  printf '%s\\tsub/file\\0' $(printf 'ab%.0s' $(seq 20)) >.git/MERGE_RR";
    let outcome = place.inside("r", record);
    assert!(outcome.stderr_text().contains("'sub/file', which is not in conflict"), "{outcome}");
}

/// A conflict that the program has left in the usual way, for the user to end.
#[test]
fn what_git_writes_down_itself_stays() {
    let place = Place::new("state-conflict", Actor::User);
    place.repository("r");
    let new = "export GIT_AUTHOR_NAME=N; git init -q -b main s; cd s; mkdir sub; echo 1 >sub/file; git add .
               git -c user.name=N -c user.email=e@x commit -qm one; mkdir .git/rr-cache;";
    let conflict = "export GIT_COMMITTER_NAME=N EMAIL=e@x; git checkout -qb other; echo 2 >sub/file; git commit -qam 2
                    git checkout -q main; echo 3 >sub/file; git commit -qam 3;";
    for begin in ["git rebase --apply -C1 --whitespace=fix other", "git merge other", "git cherry-pick other"] {
        for (made, left) in [("", "git status --short | grep -q ^UU"), (new, "test -s .git/MERGE_RR")] {
            place.host(".", "cp -a r w");
            let outcome = place.inside("w", &format!("{made} {conflict} {begin} >/dev/null 2>&1 || {left}"));
            assert_eq!((&*outcome.ending(), &*beside_taken_over(&outcome)), ("exit 0", ""), "{begin}: {outcome}");
            place.host(if made.is_empty() { "w" } else { "w/s" }, left);
            place.host(".", "rm -rf w");
        }
    }
}

/// What the user has begun goes on, with the same commands; and what is harmless stays whoever made it.
#[test]
fn what_is_the_users_or_harmless_stays() {
    let place = Place::new("state-own", Actor::User);
    place.repository("r");
    let author =
        "export GIT_AUTHOR_NAME=N GIT_COMMITTER_NAME=N EMAIL=e@x; commit() { git commit --allow-empty -qm x; };";
    place.host(
        "r",
        &format!(
            "{author} {REBASE} rebase; echo 'exec touch ../own' >>.git/rebase-merge/git-rebase-todo
             mkdir -p .git/remotes; echo 'URL: ext::sh' >.git/remotes/mine; : >../modules; ln -s ../modules .gitmodules"
        ),
    );
    let inside = |script: &str| place.inside("r", &format!("{author} {REBASE} {script}"));
    let outcome = inside(
        "commit; git init -q -b main s; cd s; commit; commit; rebase; mkdir -p .git/remotes
         printf 'URL: https://example.org/x\\nPull: a:b\\n' >.git/remotes/o; git worktree add -q wt
         git worktree add -q wt2",
    );
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    assert_eq!(beside_taken_over(&outcome), "", "{outcome}");
    assert_ne!(inside("ln -sf /x .gitmodules").ending(), "exit 0");
    let outcome = inside("echo x >.git/remotes/x");
    assert!(outcome.stderr_text().contains(" .git/remotes/x (pinfold kept diff k"), "{outcome}");
    place.host("r", "cp -a . ../copy; export GIT_COMMITTER_NAME=N EMAIL=e@x; git rebase --continue; test -e ../own");
    // One more command, and it is not the same any more.
    place.host("r", "cd ..; rm -r r own; mv copy r");
    let outcome = inside("echo 'exec touch ../evil' >>.git/rebase-merge/git-rebase-todo");
    assert!(outcome.stderr_text().contains(": .git/rebase-merge (pinfold kept diff k"), "{outcome}");
    place.host("r", "export GIT_COMMITTER_NAME=N EMAIL=e@x; git rebase --continue; test -e ../own; test ! -e ../evil");
}

/// What taking over makes in a git directory for a moment. A branch may be called so.
#[test]
fn names_of_pinfolds_own_are_set_aside() {
    let place = Place::new("state-ours", Actor::User);
    place.host(".", "mkdir w");
    let names = ".git/state.pinfold .git/objects/tmp_objdir-pinfold-k1 .git/HEAD.pinfold";
    let made = format!(
        "git init -q r; cd r; mkdir -p {names}; git -c user.name=N -c user.email=e commit -q --allow-empty -m x
         git branch x.pinfold"
    );
    let outcome = place.inside("w", &made);
    let left =
        place.host("w/r", &format!("for x in {names}; do test ! -e $x; done; git rev-parse --abbrev-ref x.pinfold"));
    assert_eq!(left, "x.pinfold\n", "{outcome}");
    assert!(outcome.stderr_text().contains("has a name that only pinfold gives"), "{outcome}");
}
