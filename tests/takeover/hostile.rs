//! Upper layers that no git has written: they cost little, and nothing of them is taken.

use std::fs;
use std::time::{Duration, Instant};

use pinfold::takeover::Bounds;

use crate::place::{Place, SETUP, kept};

#[test]
fn files_that_are_none() {
    let place = Place::new("kinds");
    let before = place.state();
    let left = place.inside("true");
    for name in
        ["config", "HEAD", "packed-refs", "refs/heads/pipe", "logs/HEAD", "objects/pack/pack-0.pack", "MERGE_HEAD"]
    {
        let path = left.upper.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        place.host(&format!("mkfifo {}", path.display()));
    }
    let begun = Instant::now();
    let told = left.take();
    assert!(begun.elapsed() < Duration::from_secs(20), "blocked");
    assert_eq!(place.state(), before);
    assert_eq!(kept(&told).len(), 7, "{told:?}");
}

/// A box that makes a repository writes all of its git directory. What it puts where taking over puts things together
/// is neither believed nor in the way, in any later run.
#[test]
fn a_staging_that_a_box_has_made() {
    let place = Place::new("staging");
    place.host(
        "todo=git-rebase-todo; mkdir -p .git/state.pinfold/old .git/state.pinfold/rebase-merge/q/r
         cd .git/state.pinfold/rebase-merge; echo refs/heads/main >head-name; git rev-parse main >onto
         git rev-parse side >orig-head; echo 1 >msgnum; echo 1 >end; : >done; : >interactive
         printf 'exec touch %s/mark\\n' $P >git-rebase-todo; cd ../../..
         mkdir -p .git/objects/tmp_objdir-pinfold-k1/objects/a/b/c; echo x >.git/objects/tmp_objdir-pinfold-k1/objects/a/b/c/d
         ln -s / .git/objects/tmp_objdir-pinfold-k1/objects/pack; mkdir -p .git/ORIG_HEAD.pinfold/x
         chmod 0 .git/objects/tmp_objdir-pinfold-k1/objects/a/b; echo x >.git/.gone-state.pinfold
         mkdir -p .git/objects/.gone-tmp_objdir-pinfold-k1/5; echo x >.git/objects/.gone-tmp_objdir-pinfold-k1/6",
    );
    let told = place.run("git commit -q --allow-empty -m x; git reset -q --hard HEAD");
    assert_eq!(kept(&told), Vec::<String>::new());
    assert_eq!(place.git("log -1 --format=%s"), "x\n");
    let left = "find .git -name '*pinfold*' -o -name 'rebase-*' | sort";
    assert_eq!(place.host(left), "", "{told:?}");
    place.command("git", &["rebase", "--continue"]);
    assert!(!place.path.join("mark").exists());
}

/// A box that takes `HEAD` away from the git directory of a submodule makes nothing in it a module.
#[test]
fn a_module_in_a_module() {
    let setup = format!(
        "{SETUP}; git init -q -b main ../lib; git -C ../lib commit -q --allow-empty -m lib
         git -c protocol.file.allow=always submodule --quiet add ../lib sm; git commit -qm sm"
    );
    let place = Place::with("module-in-module", &setup);
    let names = "cd .git/modules/sm; find . -not -path './objects/*' | sort; cat config; git for-each-ref";
    let before = place.host(names);
    let told = place.run(
        "cd .git/modules/sm; mv HEAD ../h; id=$(cat refs/heads/main)
         for x in refs/replace/$id refs/heads/x hooks info logs/refs x/y/refs/z; do
             git init -q --bare $x; echo $id >$x/HEAD; git -C $x config core.worktree ../../../../../..
         done; rm ../h",
    );
    assert_eq!(place.host(names), before, "{told:?}");
    assert!(told.taken.iter().all(|taken| taken.dir.is_empty()), "{told:?}");
    let is_kept = |kept: &pinfold::takeover::Kept| kept.path == b"modules/sm" && kept.why.contains("was removed");
    assert!(told.kept.iter().any(is_kept), "{told:?}");
    // Nor does what is called as git's own directories are.
    let told = place.run("git init -q --bare .git/modules/a/refs/b; git init -q --bare .git/modules/Hooks");
    assert!(told.taken.is_empty() && !place.repo.join(".git/modules/a").exists(), "{told:?}");
    assert!(!place.repo.join(".git/modules/Hooks").exists());
}

/// Too many repositories would have every later run refused.
#[test]
fn modules_without_a_work_tree() {
    let place = Place::new("modules-many");
    let made = "i=0; while [ $i -lt 60 ]; do git init -q --bare --template= .git/modules/$i; i=$((i + 1)); done";
    let told = place.run(made);
    assert!(told.taken.is_empty() && !place.repo.join(".git/modules").exists(), "{told:?}");
    // Each with one that leads back.
    let place = Place::new("modules-real");
    let told = place.run(&format!(
        "{made}; i=0; while [ $i -lt 60 ]; do mkdir $i; echo gitdir: ../.git/modules/$i >$i/.git
         git -C .git/modules/$i config core.bare false
         git -C .git/modules/$i config core.worktree ../../../$i; i=$((i + 1)); done"
    ));
    assert_eq!(place.host("ls .git/modules | wc -l").trim(), "50", "{told:?}");
    // One that leads to that of another module, or out.
    let place = Place::new("module-of-other");
    let told = place.run(
        "git init -q --bare .git/modules/m; mkdir m; echo gitdir: ../.git/modules/b >m/.git
         git -C .git/modules/m config core.worktree ../../../m; git init -q --bare .git/modules/c
         git -C .git/modules/c config core.worktree ../../../..",
    );
    assert!(told.taken.is_empty() && !place.repo.join(".git/modules").exists(), "{told:?}");
}

/// A few trees that name each other several times over have files without end, or directories without a file.
#[test]
fn a_sparse_index_without_end() {
    let setup = "git init -q -b main .; mkdir d x; echo d >d/d; echo x >x/x; git add .; git commit -qm one
                 git sparse-checkout set --cone --sparse-index x";
    for (name, leaf) in
        [("files", "printf \"100644 blob $(echo e | git hash-object -w --stdin)\\tf\n\""), ("time", "true")]
    {
        let place = Place::with(&format!("bomb-{name}"), setup);
        let left = place.inside(&format!(
            "t=$({leaf} | git mktree)
             for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
                 t=$(for n in 0 1 2 3 4 5 6 7 8 9; do printf \"040000 tree $t\\t$n\n\"; done | git mktree)
             done
             root=$( (printf \"040000 tree $t\\td\n\"; git ls-tree HEAD x) | git mktree)
             c=$(git commit-tree -p HEAD -m bomb $root); git read-tree -m HEAD $c; git update-ref refs/heads/main $c"
        ));
        // What is to end while git works ends at once.
        let begun = Instant::now();
        if name == "time" {
            let none = left.take_while(&|| begun.elapsed() < Duration::from_secs(2));
            assert!(none.is_none() && begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        }
        let begun = Instant::now();
        let told = left.take();
        assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
        assert_eq!(kept(&told), ["index"], "{name}");
        assert_eq!(place.git("ls-files --sparse").lines().count(), 2, "{name}");
        assert_eq!(place.git("log -1 --format=%s"), "bomb\n");
    }
}

/// The box in which objects are looked through ends when it is to.
#[test]
fn objects_that_take_too_long() {
    let place = Place::new("long-objects");
    let before = place.state();
    let left = place.inside("git commit -q --allow-empty -m x");
    let git = pinfold::takeover::Git::find(&std::env::var_os("PATH").unwrap(), &[]);
    let begun = Instant::now();
    let go_on = || begun.elapsed() < Duration::from_secs(1);
    let slow = |mut spec: pinfold::spec::Spec, files: [std::os::fd::OwnedFd; 3], go_on: &dyn Fn() -> bool| {
        spec.process.command = vec![c"/bin/sleep".into(), c"1000".into()];
        crate::place::run_box(spec, files, go_on)
    };
    assert_eq!(left.take_by(git.as_ref(), Bounds::default(), &go_on, &slow), None);
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(place.host("ls .git/objects | grep tmp_ || true"), "");
    assert_eq!(place.state(), before);
    left.take();
    assert_eq!(place.git("log -1 --format=%s"), "x\n");
}

/// What is kept costs no more the more there is of it.
#[test]
fn many_names_that_are_kept() {
    let place = Place::new("names-many");
    let left = place.inside("true");
    place.host(&format!(
        "cd {0}; mkdir -p new/deep/er logs/refs/heads; seq -f x%g 1 20000 | xargs touch
         cd new/deep/er; seq -f y%g 1 10000 | xargs touch; cd {0}/logs/refs/heads; seq -f z%g 1 10000 | xargs touch",
        left.upper.display()
    ));
    let begun = Instant::now();
    let told = left.take();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    // A directory that the host has not is one thing.
    let kept = kept(&told);
    assert!(kept.len() > 20_000 && kept.contains(&"new/".into()) && !kept.iter().any(|kept| kept.ends_with("y1")));
    let lines = pinfold::takeover::lines(std::path::Path::new(".git"), "k1", &told);
    assert!(begun.elapsed() < Duration::from_secs(30) && lines[0].text.contains(".git/new"), "{lines:?}");
}

#[test]
fn files_without_end() {
    let place = Place::new("sparse-files");
    let before = place.state();
    let left = place.inside("true");
    for name in ["config", "HEAD", "index", "packed-refs", "refs/heads/long", "logs/HEAD", "MERGE_MSG"] {
        let path = left.upper.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().set_len(2 << 30).unwrap();
    }
    let told = left.take();
    assert_eq!(place.state(), before, "{told:?}");
    for name in ["config", "HEAD", "index", "packed-refs", "logs/HEAD", "MERGE_MSG"] {
        assert!(told.kept.iter().any(|kept| kept.path == name.as_bytes()), "{name}: {told:?}");
    }
}

/// A file can stand for a whiteout, in a directory that says so (overlayfs.rst, "Whiteouts and opaque directories").
#[test]
fn both_kinds_of_marks_are_read() {
    let place = Place::with("marks", &format!("{SETUP}; git branch d/one; git branch d/two"));
    let left = place.inside("true");
    place.host(&format!(
        "mkdir -p {0}/refs/heads/d; touch {0}/refs/heads/side; python3 -c \"
import os
os.setxattr('{0}/refs/heads', 'user.overlay.opaque', b'x')
os.setxattr('{0}/refs/heads/side', 'user.overlay.whiteout', b'y')
os.setxattr('{0}/refs/heads/d', 'user.overlay.opaque', b'y')\"
         git rev-parse main >{0}/refs/heads/d/two",
        left.upper.display()
    ));
    let told = left.take();
    assert_eq!(place.git("branch --format='%(refname)'"), "refs/heads/d/two\nrefs/heads/main\n", "{told:?}");
    assert_eq!(kept(&told), Vec::<String>::new());
}

#[test]
fn more_than_is_looked_at() {
    let place = Place::new("many");
    let before = place.state();
    let left = place.inside("git commit -q --allow-empty -m x");
    let bounds = Bounds { entries: 3, ..Bounds::default() };
    assert_eq!(left.take_with(None, bounds, &|| true), None);
    assert_eq!(place.state(), before);
    let deep = format!("{}/{}", left.upper.join("refs/heads").display(), "d/".repeat(1500));
    place.host(&format!("mkdir -p {deep}; cd {deep}; mkdir -p {}", "d/".repeat(1500)));
    assert_eq!(left.take_while(&|| true), None);
    assert_eq!(place.state(), before);
}

#[test]
fn without_git_nothing_is_taken() {
    let place = Place::new("no-git");
    let before = place.state();
    let left = place.inside("git commit -q --allow-empty -m x");
    let told = left.take_with(None, Bounds::default(), &|| true).unwrap();
    assert!(told.is_git_missing && told.taken.is_empty() && !told.kept.is_empty(), "{told:?}");
    assert_eq!(place.state(), before);
    // Nothing is said of a run that has changed nothing.
    let place = Place::new("no-git-unchanged");
    let told = place.inside("true").take_with(None, Bounds::default(), &|| true).unwrap();
    assert!(!told.is_git_missing);
}

#[test]
fn git_is_not_looked_for_where_the_box_could_write() {
    let place = Place::new("path");
    place.host("mkdir bin; printf '#!/bin/sh\\ntouch $P/mark\\n' >bin/git; chmod 755 bin/git; ln -s $PWD/bin ../link");
    for dir in [place.repo.join("bin"), place.path.join("link"), "bin".into()] {
        assert!(pinfold::takeover::Git::find(dir.as_os_str(), std::slice::from_ref(&place.repo)).is_none(), "{dir:?}");
    }
    assert!(pinfold::takeover::Git::find(place.repo.join("bin").as_os_str(), &[]).is_some());
}
