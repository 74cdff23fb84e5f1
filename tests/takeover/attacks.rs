//! What a box may try: the host neither executes nor obeys it, before and after taking over, and it stays apart.

use std::fs;

use pinfold::takeover::Git;

use crate::place::{Place, SETUP, kept};

/// Commands of the user that would set off what the box has left. Their result does not matter.
const USE: &str = "
    git status; git diff; git log; git fetch; git add -A; git commit -qm user; git switch -q side; git rebase --continue
    git -C lib status; git gc --auto; git worktree list; git stash; git checkout .; git reset; true";

/// Writes a program that leaves a mark.
const EVIL: &str = "printf '#!/bin/sh\\ntouch %s/mark\\n' $P >$P/evil; chmod 755 $P/evil; E=$P/evil;";

/// Runs `script` in a box. `stays` is still in the upper layer then, and using the repository leaves no mark.
fn holds(name: &str, script: &str, stays: &[&str]) -> Place {
    let place = Place::new(name);
    let left = place.inside(&format!("{EVIL} {script}"));
    let mark = place.path.join("mark");
    // Set off in the box by its own git, perhaps.
    let forget_mark = || drop(fs::remove_file(&mark));
    forget_mark();
    place.command("sh", &["-c", "git status; git log; git diff"]);
    assert!(!mark.exists(), "{name}: before");
    let told = left.take();
    let (rest, said) = (left.rest(), kept(&told));
    for path in stays {
        assert!(rest.iter().any(|file| file == path), "{name}: {path} is not in {rest:?}");
        assert!(said.iter().any(|kept| kept.starts_with(path)), "{name}: {path} is not told in {said:?}");
    }
    place.command("sh", &["-c", USE]);
    assert!(!mark.exists(), "{name}: after; {told:?}");
    place
}

#[test]
fn hooks() {
    holds("hook", "cp $E .git/hooks/pre-commit; cp $E .git/hooks/post-checkout", &["hooks/pre-commit"]);
    holds(
        "hook-transaction",
        "cp $E .git/hooks/reference-transaction; git commit -q --allow-empty -m x || true",
        &["hooks/reference-transaction"],
    );
    holds("hooks-path", "mkdir -p h; cp $E h/pre-commit; git config core.hooksPath h", &["config"]);
    holds("hooks-directory", "rm -rf .git/hooks; ln -s ../h .git/hooks; mkdir h; cp $E h/pre-commit", &["hooks"]);
}

#[test]
fn settings() {
    holds("fsmonitor", "git config core.fsmonitor $E", &["config"]);
    holds(
        "worktree-config",
        "git config extensions.worktreeConfig true; printf '[core]\\nfsmonitor=%s\\n' $E >.git/config.worktree",
        &["config", "config.worktree"],
    );
    holds("include", "printf '[core]\\nfsmonitor=%s\\n' $E >inc; git config include.path ../inc", &["config"]);
    holds("ext", "git config remote.origin.url \"ext::$E\"", &["config"]);
    holds(
        "filter",
        "git config filter.x.clean $E; mkdir -p .git/info; echo '* filter=x' >.git/info/attributes; echo x >x",
        &["config", "info/attributes"],
    );
    holds("one-line", "printf '[core] fsmonitor = %s\\n' $E >>.git/config", &["config"]);
    holds("nul", "printf '[core \"fsmonitor\\0\"]\\n\\tx = %s\\n' $E >>.git/config", &["config"]);
    let place = holds(
        "alias",
        "git config alias.st \"!$E\"; git config core.pager $E; git config pull.rebase true",
        &["config"],
    );
    // What is harmless is taken all the same.
    assert_eq!(place.git("config --get-regexp 'alias|pager|pull'"), "pull.rebase true\n");
}

#[test]
fn other_directories() {
    let evil = "git init -q --bare $P/repo/e; git -C e config core.fsmonitor $E; git -C e config core.bare false;";
    holds("commondir", &format!("{evil} echo ../e >.git/commondir"), &["commondir"]);
    holds(
        "alternates",
        &format!("{evil} echo ../../e/objects >.git/objects/info/alternates"),
        &["objects/info/alternates"],
    );
    holds(
        "module",
        "git init -q lib; (cd lib; git commit -q --allow-empty -m l); mkdir -p .git/modules; mv lib/.git .git/modules/lib
         echo gitdir: ../.git/modules/lib >lib/.git; git -C .git/modules/lib config core.worktree ../../../lib
         git -C lib config core.fsmonitor $E; cp $E .git/modules/lib/hooks/pre-commit
         git update-index --add --cacheinfo 160000,$(git -C lib rev-parse HEAD),lib",
        &["modules/lib/hooks/pre-commit", "modules/lib/config"],
    );
    holds(
        "worktree-elsewhere",
        "mkdir $P/out; git worktree add -q $P/out/wt side; rm -rf $P/out/wt/.git; ln -s / $P/out/wt/.git",
        &["worktrees/wt/gitdir"],
    );
    holds(
        "worktree-commondir",
        &format!("{evil} git worktree add -q wt side; echo $P/repo/e >.git/worktrees/wt/commondir"),
        &["worktrees/wt/commondir"],
    );
    holds(
        "rerere",
        "printf '%040d\\tx/../.git/config\\0' 0 >.git/MERGE_RR; mkdir -p .git/rr-cache/x; echo x >.git/rr-cache/x/y",
        &["MERGE_RR", "rr-cache/x/y"],
    );
}

/// What hides changes, cuts off commits, or has a name that nothing has checked.
#[test]
fn what_git_only_reads() {
    holds("exclude", "echo '*' >>.git/info/exclude", &["info/exclude"]);
    holds("patterns", "mkdir -p .git/info; echo '/b' >.git/info/sparse-checkout", &["info/sparse-checkout"]);
    let place = holds("shallow", "git rev-parse main >.git/shallow", &["shallow"]);
    assert_eq!(place.git("rev-list --count main"), "2\n");
    let object = format!("lfs/objects/ab/cd/{:064}", 1);
    let script = format!(
        "mkdir -p .git/lfs/objects/ab/cd .git/lfs/tmp .git/lfs/cache/locks; echo x >.git/{object}; echo x >.git/lfs/tmp/x
         echo x >.git/lfs/cache/locks/x; echo x >.git/lfs/x"
    );
    let place = Place::new("lfs");
    let left = place.inside(&script);
    assert_eq!(kept(&left.take()), [&object, "lfs/x"]);
    assert!(!place.repo.join(".git/lfs").exists());
}

#[test]
fn links_are_not_followed() {
    let place = holds(
        "links",
        "echo secret >$P/secret
         ln -sf $P/victim .git/COMMIT_EDITMSG; ln -s $P/secret .git/MERGE_MSG; rm -rf .git/logs; ln -s $P/there .git/logs
         ln -s $P/victim .git/refs/heads/link; mkdir -p .git/objects/ab; ln -s $P/secret .git/objects/ab/$(printf %038d 1)",
        &["COMMIT_EDITMSG", "MERGE_MSG", "logs", "refs/heads/link"],
    );
    assert!(!place.path.join("victim").exists() && !place.path.join("there").exists());
    assert!(!place.repo.join(".git/MERGE_MSG").exists());
}

#[test]
fn a_rebase_with_commands() {
    holds(
        "rebase-exec",
        "git switch -qc c HEAD~1; git commit -q --allow-empty -m c
         GIT_SEQUENCE_EDITOR=\"sed -i '1i break'\" git rebase -q -i main || true
         echo \"exec $E\" >.git/rebase-merge/git-rebase-todo",
        &["rebase-merge/git-rebase-todo"],
    );
    holds(
        "rebase-strategy",
        "mkdir .git/rebase-merge; echo x/../evil >.git/rebase-merge/strategy",
        &["rebase-merge/strategy"],
    );
}

/// The object of a public commit under the name of another one: the next pull would check it out.
#[test]
fn an_object_under_a_foreign_name() {
    let setup = format!(
        "{SETUP}; git clone -q ../remote ../other; cd ../other; echo good >g; git add g; git commit -qm g; git push -q origin main"
    );
    for (name, pack) in [("loose", ""), ("packed", "git repack -q -d --keep-unreachable 2>/dev/null || true")] {
        let place = Place::with(&format!("foreign-{name}"), &setup);
        let good = place.host("git -C ../other rev-parse HEAD:g");
        let good = good.trim();
        let told = place.run(&format!(
            "bad=$(echo evil | git hash-object -w --stdin); mkdir -p .git/objects/{0}
             cp .git/objects/$(echo $bad | sed 's,..,&/,') .git/objects/{0}/{1}; {pack}",
            &good[..2],
            &good[2..]
        ));
        let has = place.command("git", &["cat-file", "-e", good]).status.success();
        assert!(!has, "{name}: {told:?}");
        place.git("pull -q");
        assert_eq!(place.host("cat g; git fsck --strict --no-dangling 2>&1"), "good\n", "{name}");
    }
}

#[test]
fn replaced_objects() {
    let place = holds("replace", "git replace main side; git pack-refs --all", &["packed-refs"]);
    assert_eq!(place.git("for-each-ref refs/replace"), "");
    let main = place.git("rev-parse main");
    let loose = format!("refs/replace/{}", main.trim());
    let place = holds("replace-loose", "git replace main side", &[&loose]);
    assert_eq!(place.git("for-each-ref refs/replace"), "");
}

#[test]
fn a_forged_index() {
    for (name, script) in [
        ("assumed", "echo evil >a; git update-index --assume-unchanged a"),
        ("skipped", "echo evil >a; git update-index --skip-worktree a"),
        (
            "times",
            "git update-index --refresh -q || true; t=$(stat -c %y a); echo e2 >a; touch -d \"$t\" a; git config core.trustctime false
             cp .git/index i; git update-index --refresh || true",
        ),
    ] {
        let place = Place::new(&format!("forged-{name}"));
        let told = place.run(script);
        let content = fs::read_to_string(place.repo.join("a")).unwrap();
        assert_ne!(content, "a2\n", "{name}");
        assert!(place.git("status --porcelain").contains(" M a"), "{name}: {told:?}");
    }
    // An entry that is new, with times and size of what the box has put there afterwards.
    let place = Place::new("forged-new");
    place.run(
        "echo good >n; git add n; git commit -qm n; echo evil >n; git update-index --really-refresh -q || true
        git update-index --assume-unchanged n",
    );
    assert_eq!(place.git("status --porcelain"), " M n\n");
    // Names that a checkout would write into the git directory.
    let place = Place::new("forged-name");
    let left = place.inside(
        "python3 -c \"
import os
text = open('.git/index', 'rb').read()
open('.git/index', 'wb').write(text.replace(b'\\\\x00\\\\x01a\\\\0', b'\\\\x00\\\\x01/\\\\0'))\"",
    );
    let before = place.git("ls-files -s");
    assert_eq!(kept(&left.take()), ["index"]);
    assert_eq!(place.git("ls-files -s"), before);
}

#[test]
fn refs_to_nothing() {
    let place = Place::new("missing");
    let before = place.git("for-each-ref");
    let left = place.inside(
        "echo 1234567890123456789012345678901234567890 >.git/refs/heads/nothing; echo garbage >.git/refs/heads/garbage
         tree=$(printf '100644 blob 1234567890123456789012345678901234567890\\tx\\n' | git mktree --missing)
         git commit-tree -m broken $tree >.git/refs/heads/broken; echo 'ref: refs/heads/main' >.git/refs/heads/alias
         echo 1234567890123456789012345678901234567890 >.git/HEAD",
    );
    let told = left.take();
    assert_eq!(place.git("for-each-ref"), before);
    assert_eq!(place.git("symbolic-ref HEAD"), "refs/heads/main\n");
    let said = kept(&told);
    for name in ["nothing", "garbage", "broken", "alias"] {
        assert!(said.contains(&format!("refs/heads/{name}: refs/heads/{name}")), "{said:?}");
    }
    assert_eq!(place.git("fsck --connectivity-only --no-dangling"), "");
}

/// What no git does as a whole is not taken ref by ref.
#[test]
fn a_repository_that_is_removed_stays_on_the_host() {
    for (name, script) in [
        ("all", "rm -rf .git/*"),
        ("anew", "rm -rf .git/*; git init -q -b main .; git add .; git commit -qm other"),
        ("refs", "rm -f .git/packed-refs; rm -rf .git/refs/heads/*"),
        ("packed", "git pack-refs --all; rm -f .git/packed-refs; rm -rf .git/refs/heads/*"),
    ] {
        let place = Place::with(&format!("removed-{name}"), &format!("{SETUP}; git tag v1; git stash list"));
        let before = place.git("for-each-ref");
        let told = place.run(script);
        assert_eq!(place.git("for-each-ref"), before, "{name}: {told:?}");
        assert_eq!(place.git("status --porcelain"), "", "{name}");
        assert!(told.kept.iter().any(|kept| kept.why.contains("removed or made anew")), "{name}: {told:?}");
    }
}

/// Refs that git writes or removes when the user goes on.
#[test]
fn refs_of_a_rebase_that_waits() {
    for (name, file, text) in [
        ("update", "update-refs", "refs/replace/$(git rev-parse main)\\n$(printf %040d 0)\\n$(git rev-parse side)\\n"),
        ("delete", "refs-to-delete", "refs/heads/main\\n"),
        ("head", "head-name", "refs/replace/x\\n"),
    ] {
        let script = format!(
            "git checkout -q side; GIT_SEQUENCE_EDITOR='sed -i s/pick/edit/' git rebase -qi main 2>/dev/null || true
             test -d .git/rebase-merge; printf \"{text}\" >.git/rebase-merge/{file}"
        );
        let place = Place::new(&format!("rebase-{name}"));
        let told = place.run(&script);
        assert!(!place.repo.join(".git/rebase-merge").exists(), "{name}: {told:?}");
    }
}

/// With these the user would not see what has changed, or could not see anything.
#[test]
fn settings_that_hide_a_change() {
    let place = Place::new("settings-hide");
    let keys = [
        "core.trustctime=false",
        "core.checkStat=minimal",
        "core.fileMode=false",
        "core.bare=true",
        "sparse.expectFilesOutsideOfPatterns=true",
        "status.showUntrackedFiles=no",
        "diff.ignoreSubmodules=all",
        "submodule.x.ignore=all",
        "remote.origin.fetch=+refs/heads/*:refs/replace/*",
        "remote.origin.mirror=true",
    ];
    let before = place.git("config --list --local");
    let set = keys.map(|setting| format!("git config {}", setting.replacen('=', " '", 1) + "'")).join("; ");
    let told = place.run(&set);
    assert_eq!(place.git("config --list --local"), before);
    assert_eq!(kept(&told).len(), keys.len(), "{told:?}");
    // Pushing would overwrite or remove what others have.
    for refspec in ["+refs/heads/*:refs/heads/*", ":refs/heads/main", ":"] {
        let place = Place::new("pushes");
        let told = place.run(&format!("git config remote.origin.push '{refspec}'"));
        assert_eq!(kept(&told), ["config: remote.origin.push"]);
    }
    let place = Place::new("pushes-some");
    let told = place.run("git config remote.origin.push refs/heads/main:refs/heads/x");
    assert_eq!(kept(&told), Vec::<String>::new());
    let place = Place::new("fetches-all");
    let told = place.run("git config remote.origin.fetch '+refs/*:refs/*'");
    assert_eq!(kept(&told).len(), 1, "{told:?}");
}

/// A link in a place that the box can write may lead to a program anywhere.
#[test]
fn a_git_that_a_link_leads_to() {
    let place = Place::new("git-link");
    let bin = place.repo.join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink("/usr/bin/tee", bin.join("git")).unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let found = |path: &str| Git::find(path.as_ref(), std::slice::from_ref(&place.repo));
    assert!(found(bin.to_str().unwrap()).is_none());
    std::os::unix::fs::symlink(&bin, place.path.join("led")).unwrap();
    assert!(found(place.path.join("led").to_str().unwrap()).is_none());
    assert!(found(&path).is_some());
}
