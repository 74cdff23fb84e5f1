//! What people and agents do with git: in a box it ends as it does without one. Only what the host obeys later is as it
//! was before, or as it is in a branch that the user has made.

use std::collections::{BTreeMap, BTreeSet};

use crate::Place;
use crate::support::{Actor, Launch, Outcome, stage};

/// Two branches that differ in all files, `main` and `feat`, one more, and a remote.
const SETUP: &str = "
    git init -q -b main r; cd r; mkdir .vscode .husky src
    all() { for f in .vscode/settings.json .husky/pre-commit .envrc .mcp.json rust-toolchain.toml src/f; do echo $1 >$f; done; }
    all one; echo same >src/same; git add -A; git commit -qm one
    git switch -qc feat; all two; git commit -qam feat; git switch -q main
    git switch -qc topic; echo new >src/g; git add -A; git commit -qm topic; git switch -q main
    git switch -qc without; git rm -qr .vscode .husky .envrc .mcp.json rust-toolchain.toml; git commit -qm without
    git switch -q main; git init -q --bare -b main ../remote.git; git remote add origin ../remote.git
    git push -q origin main feat topic; git branch -q -u origin/main
    git init -q -b main ../lib; cd ../lib; echo l >l; git add l; git commit -qm l";

/// Commits have the same names wherever they are made.
const SAME_TIME: &str =
    "export GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' GIT_EDITOR=true;";

/// What the host obeys later.
const HELD: [&str; 5] = [".vscode", ".husky", ".envrc", ".mcp.json", "rust-toolchain.toml"];

/// Name, what is done before, and the job.
const JOBS: &[(&str, &str, &str)] = &[
    ("switch", "", "git switch -q feat"),
    ("merge-ff", "", "git merge -q feat"),
    ("merge", "git switch -q topic", "git merge -q -m m feat"),
    (
        "pull",
        "git clone -q ../remote.git ../other; cd ../other; git merge -q origin/feat; git push -q origin main",
        "git pull -q",
    ),
    ("rebase", "git switch -q topic", "git rebase -q feat"),
    ("stash-pop", "echo x >.envrc; echo x >.vscode/settings.json; echo x >src/f", "git stash -q; git stash pop -q"),
    ("stash", "echo x >.envrc; echo x >.vscode/settings.json; echo x >src/f", "git stash -q"),
    ("stash-untracked", "echo x >src/f; echo x >src/x; echo x >.envrc", "git stash -qu"),
    ("checkout-file", "", "git checkout -q feat -- .envrc .vscode src/f"),
    ("branch-without", "", "git switch -q without"),
    ("reset", "", "git reset -q --hard feat"),
    ("cherry-pick", "git switch -q topic", "git cherry-pick feat"),
    (
        "conflict-solved",
        "git switch -q topic; echo three >.envrc; echo three >src/f; git commit -qam three",
        "git merge feat || true; echo both >.envrc; echo both >src/f; git commit -qam both",
    ),
    (
        "conflict-open",
        "git switch -q topic; echo three >.envrc; echo three >src/f; git commit -qam three",
        "git merge feat",
    ),
    (
        "rebase-open",
        "git switch -q topic; echo three >.envrc; echo three >src/f; git commit -qam three",
        "git rebase feat",
    ),
    ("amend", "", "echo x >.envrc; echo x >src/f; git commit -qa --amend -m other"),
    ("tag", "", "git tag light; git tag -a -m t heavy"),
    ("config", "", "git config pull.rebase true; git config user.name Somebody"),
    ("remote", "", "git remote add two ../two.git; git remote rename two three"),
    ("push", "", "git switch -qc mine; echo x >src/x; git add .; git commit -qm x; git push -qu origin mine"),
    ("branches", "", "git branch -m topic other; git branch -D feat"),
    ("submodule", "", "git -c protocol.file.allow=always submodule --quiet add ../lib vendor/lib; git commit -qm sub"),
    ("worktree", "", "git worktree add -q wt topic; cd wt; echo w >w; git add w; git commit -qm w"),
    ("gc", "", "git gc -q"),
    ("pack-refs", "git tag t", "git pack-refs --all; git branch -D feat; git tag -d t"),
    ("husky", "", "git config core.hooksPath .husky/_; mkdir -p .husky/_; echo h >.husky/_/h"),
    ("sparse-checkout", "", "git sparse-checkout set src"),
    ("clean", "echo x >x; mkdir d; echo y >d/y", "git clean -fdxq"),
    ("reflog-expire", "", "git reflog expire --expire=now --all"),
    ("init-and-clone", "", "git init -q new; git clone -q ../lib copy"),
];

impl Place {
    /// A job with `pinfold run`.
    fn job(&self, script: &str) -> Outcome {
        let options = ["run", "--rw", "../remote.git", "--ro", "../lib", "--", "/bin/sh", "-ec", script];
        let launch = Launch::program(stage::pinfold(), self.actor, &options).dir(&self.path.join("r"));
        self.at_home(launch, &[]).run()
    }

    /// What git says of the repository `r`, but for the files that are held.
    fn state(&self) -> String {
        let script = "
            git status --porcelain -uall; git for-each-ref; git symbolic-ref -q HEAD || git rev-parse HEAD; git ls-files -s
            git stash list; git config --list --local | sort; git worktree list; git submodule status
            git fsck --strict 2>&1 | grep -v dangling || true; git -C ../remote.git for-each-ref
            for x in MERGE_HEAD MERGE_MSG CHERRY_PICK_HEAD REBASE_HEAD; do test ! -e .git/$x || { echo $x; cat .git/$x; }; done
            for m in vendor/lib wt; do test ! -e $m || (cd $m; git status --porcelain; git log --format=%H%d; git config --list --local | sort); done
            ls .git/rebase-merge 2>/dev/null || true; find . -path ./.git -prune -o -path ./wt/.git -prune -o -type f -print |
                grep -v /.git/ | sort | xargs sha1sum";
        let said = self.host_at_home(&[], "r", script).done();
        let is_held = |line: &&str| {
            let path = line.get(3..).unwrap_or_default().trim_start_matches('"');
            let whole = line.split_once("  ./").map_or("", |(_, path)| path);
            HELD.iter().any(|held| path.starts_with(held) || whole.starts_with(held))
        };
        said.lines().filter(|line| !is_held(line)).map(|line| format!("{line}\n")).collect()
    }

    /// The content of the held files.
    fn held(&self) -> BTreeMap<String, String> {
        let script = format!("find {} -type f 2>/dev/null | xargs -r grep -H . || true", HELD.join(" "));
        by_file(&self.host("r", &script))
    }

    /// The last commits of the branches.
    fn tips(&self) -> BTreeSet<String> {
        let said = self.host("r", "git for-each-ref --format='%(objectname) %(refname)' refs/heads");
        said.lines().map(str::to_owned).collect()
    }

    /// What the held files are in one of `tips`.
    fn contents(&self, tips: &BTreeSet<String>) -> BTreeSet<(String, String)> {
        let of_tip = |tip: &String| {
            let (commit, _) = tip.split_once(' ').unwrap();
            let script = format!("git grep . {commit} -- {} | sed s/^{commit}:// || true", HELD.join(" "));
            by_file(&self.host("r", &script))
        };
        tips.iter().flat_map(of_tip).collect()
    }
}

/// Takes lines of grep(1) apart: the lines of each file.
fn by_file(said: &str) -> BTreeMap<String, String> {
    let mut files = BTreeMap::<String, String>::new();
    for (name, line) in said.lines().map(|line| line.split_once(':').unwrap()) {
        *files.entry(name.to_owned()).or_default() += &format!("{line}\n");
    }
    files
}

/// A place with the repository, and a copy of all that is in it.
fn place(name: &str) -> Place {
    let place = Place::new(&format!("jobs-{name}"), Actor::User);
    place.host(".", "mkdir home");
    let config = "[user]\nname = N\nemail = n@example.org\n[advice]\ndetachedHead = false\n[safe]\ndirectory = *\n";
    std::fs::write(place.path.join("home/.gitconfig"), config).unwrap();
    place.host_at_home(&[], ".", &format!("{SAME_TIME}{SETUP}")).done();
    place
}

fn same_as_on_host((name, before, job): &(&str, &str, &str)) {
    let place = place(name);
    place.host_at_home(&[], "r", &format!("{SAME_TIME}{before}")).done();
    place.host(".", "mkdir pristine; cp -a r remote.git pristine");
    let script = format!("{SAME_TIME}{job}");
    let (mut held, unchanged, tips) = (place.held(), place.state(), place.tips());
    let plain = place.host_at_home(&[], "r", &script);
    let expected = place.state();
    // Of held files, the box brings what they are in the branch that it ends on, if that was there before, and has not
    // moved.
    let head = format!(" {}", place.host("r", "git symbolic-ref -q HEAD || echo none").trim());
    let own = place.contents(&tips.intersection(&place.tips()).filter(|tip| tip.ends_with(&head)).cloned().collect());
    held.extend(place.held().into_iter().filter(|file| own.contains(file)));
    let shows = !["stash-pop", "gc", "reflog-expire"].contains(name);
    assert!(expected != unchanged || !shows, "{name} does nothing: {plain}");
    place.host(".", "rm -rf r remote.git; cp -a pristine/r pristine/remote.git .");
    let boxed = place.job(&script);
    assert_eq!(boxed.ending(), plain.ending(), "{name}: {boxed}");
    let mut state = place.state();
    if *name == "husky" {
        state.push_str("core.hookspath=.husky/_\n");
    }
    let sorted = |state: &str| {
        let mut lines: Vec<String> = state.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&state), sorted(&expected), "{name}: {boxed}");
    assert_eq!(place.held(), held, "{name}: {boxed}");
    // Nothing else is kept.
    let said = boxed.stderr_text();
    for line in said.lines().filter_map(|line| line.strip_prefix("pinfold: not taken over, kept as k1: ")) {
        let names = line.rsplit_once(" (pinfold").unwrap().0.split(", ");
        let is_hook = |kept: &str| *name == "husky" && kept == "core.hookspath=.husky/_";
        let is_held = |kept: &str| HELD.iter().any(|held| kept.starts_with(held)) || is_hook(kept);
        assert!(names.clone().all(is_held), "{name}: {said}");
    }
}

macro_rules! quarters {
    ($($test:ident: $number:literal;)*) => {
        $(
            #[test]
            fn $test() {
                JOBS.iter().skip($number).step_by(4).for_each(same_as_on_host);
            }
        )*
    };
}

// In parts, so that they can run beside each other.
quarters! {
    a_job_ends_as_on_the_host_1: 0;
    a_job_ends_as_on_the_host_2: 1;
    a_job_ends_as_on_the_host_3: 2;
    a_job_ends_as_on_the_host_4: 3;
}

/// A branch that somebody else has written may be there, and nobody has switched to it.
#[test]
fn only_the_branch_that_git_is_on_is_the_users_own() {
    let place = place("own");
    let held = place.held();
    let outcome =
        place.job("for f in .envrc .vscode/settings.json; do git show feat:$f >$f; done; git diff --quiet feat .envrc");
    assert_eq!(place.held(), held, "{outcome}");
    let said = outcome.stderr_text();
    assert!(said.contains(".envrc is as before") && said.contains(".vscode/settings.json"), "{outcome}");
    let outcome = place.job("git switch -q feat");
    let said = outcome.stderr_text();
    assert!(said.contains(".envrc, ") && said.contains(" are those of branch feat now"), "{outcome}");
    assert!(!said.contains("as before") && !said.contains("kept as"), "{outcome}");
    assert_eq!(place.host("r", "git status --porcelain; git show feat:.envrc | cmp - .envrc"), "", "{outcome}");
}

/// What is kept apart is in the history, and git takes it.
#[test]
fn what_is_held_can_be_taken_from_the_history() {
    let place = place("restore");
    let held = place.held();
    let change = "for f in .vscode/settings.json .husky/pre-commit .envrc .mcp.json rust-toolchain.toml; do echo boxed >$f; done";
    let outcome = place.job(&format!("{change}; git commit -qam boxed"));
    let said = outcome.stderr_text();
    assert!(said.contains(".envrc") && said.contains("as before"), "{outcome}");
    assert_eq!(place.held(), held, "{outcome}");
    let script = "git status --porcelain | grep -c '^ M'; git restore .; git status --porcelain; cat .envrc .vscode/*";
    assert_eq!(place.host_at_home(&[], "r", script).done(), "5\nboxed\nboxed\n", "{outcome}");
}
