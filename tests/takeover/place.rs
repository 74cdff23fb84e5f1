//! A repository with an overlay over its git directory.

use std::fs::{self, File};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pinfold::spec::Spec;
use pinfold::takeover::{Base, Bounds, Git, Job, RunBox, TakenOver, take_over};
use pinfold::{Error, Stdio, spawn_with};

/// The same in every repository: who commits and when.
const ENVIRONMENT: [(&str, &str); 10] = [
    ("GIT_AUTHOR_NAME", "A"),
    ("GIT_AUTHOR_EMAIL", "a@example.org"),
    ("GIT_AUTHOR_DATE", "1700000000 +0000"),
    ("GIT_COMMITTER_NAME", "C"),
    ("GIT_COMMITTER_EMAIL", "c@example.org"),
    ("GIT_COMMITTER_DATE", "1700000000 +0000"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_EDITOR", "true"),
    ("GIT_ALLOW_PROTOCOL", "file"),
];

/// A repository with two branches and a remote.
pub(crate) const SETUP: &str = "
    git init -q -b main .; echo a >a; echo b >b; git add .; git commit -qm one
    git branch side; echo a2 >a; git commit -qam two; git checkout -q side; echo s >s; git add s; git commit -qm side
    git checkout -q main; git init -q --bare -b main ../remote; git remote add origin ../remote; git push -q origin main side
    git branch -q -u origin/main";

pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) repo: PathBuf,
}

/// What is in the upper layer, and what the repository was.
pub(crate) struct Left {
    pub(crate) base: Base,
    pub(crate) upper: PathBuf,
    git_dir: PathBuf,
    writable: Vec<PathBuf>,
}

impl Place {
    pub(crate) fn new(name: &str) -> Place {
        Place::with(name, SETUP)
    }

    /// A place with the repository that `setup` makes.
    pub(crate) fn with(name: &str, setup: &str) -> Place {
        let path = PathBuf::from(format!("/var/tmp/pinfold-takeover-{}-{name}", std::process::id()));
        let repo = path.join("repo");
        fs::create_dir_all(&repo).unwrap();
        let place = Place { path, repo };
        place.host(setup);
        place
    }

    pub(crate) fn command(&self, program: &str, words: &[&str]) -> Output {
        let mut command = Command::new(program);
        command.args(words).envs(ENVIRONMENT).env("HOME", &self.path).env("P", &self.path).current_dir(&self.repo);
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
            command.env_remove(name);
        }
        command.output().unwrap()
    }

    /// Runs a script in the repository. It must succeed.
    pub(crate) fn host(&self, script: &str) -> String {
        let done = self.command("sh", &["-ec", script]);
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Runs a script with an overlay over `.git`.
    pub(crate) fn inside(&self, script: &str) -> Left {
        self.inside_of(".git", script)
    }

    /// The same over another git directory.
    pub(crate) fn inside_of(&self, git_dir: &str, script: &str) -> Left {
        let git_dir = self.repo.join(git_dir).canonicalize().unwrap();
        let mut base = Base::record(File::open(&git_dir).unwrap().as_fd()).unwrap();
        base.read_indexes(File::open(&git_dir).unwrap().as_fd());
        let base = Base::from_bytes(&base.to_bytes()).filter(|read| *read == base).expect("the same that was written");
        let state = self.path.join("state");
        fs::create_dir_all(state.join("upper")).unwrap();
        fs::create_dir_all(state.join("work")).unwrap();
        let (lower, state) = (git_dir.display(), state.display());
        // Mounting takes the ids of root. git wants those of the user: it keeps them in the index.
        let mount = format!(
            "mount -t overlay overlay -o lowerdir={lower},upperdir={state}/upper,workdir={state}/work,\
             userxattr,index=off,xino=off,metacopy=off {lower}; cd .
             exec unshare -U --map-user={} --map-group={} sh -ec \"$0\"",
            nix::unistd::geteuid(),
            nix::unistd::getegid(),
        );
        let done = self.command("unshare", &["-rm", "sh", "-ec", &mount, script]);
        assert!(done.status.success(), "{script}: {}", String::from_utf8_lossy(&done.stderr));
        Left { base, upper: self.path.join("state/upper"), git_dir, writable: vec![self.repo.clone()] }
    }

    /// A script in the box, and what was taken over of it.
    pub(crate) fn run(&self, script: &str) -> TakenOver {
        self.inside(script).take()
    }

    /// What git says of the repository, where it lies left out.
    pub(crate) fn state(&self) -> String {
        let script = "
            git status --porcelain; git for-each-ref; git symbolic-ref -q HEAD || git rev-parse HEAD; git ls-files -s -t
            git stash list; git reflog; git config --list --local | sort; git fsck --strict 2>&1
            for x in ORIG_HEAD MERGE_HEAD MERGE_MSG CHERRY_PICK_HEAD; do test ! -e .git/$x || { echo $x; cat .git/$x; }; done
            git worktree list; git submodule status 2>&1; ls .git/rebase-merge 2>/dev/null || true";
        let said = self.host(script).replace(self.path.to_str().unwrap(), "PLACE");
        said.lines().filter(|line| !line.contains("dangling")).map(|line| format!("{line}\n")).collect()
    }

    pub(crate) fn git(&self, words: &str) -> String {
        self.host(&format!("git {words}"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // An overlay leaves a directory that nobody may enter.
        let closed = self.path.join("state/work/work");
        if closed.exists() {
            let mode = <fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
            fs::set_permissions(closed, mode).unwrap();
        }
        let is_removed =
            Command::new("sh").args(["-c", "chmod -R u+rwX \"$0\"; rm -rf \"$0\""]).arg(&self.path).status();
        assert!(is_removed.unwrap().success() || std::thread::panicking(), "left behind");
    }
}

impl Left {
    /// Takes over all of it.
    pub(crate) fn take(&self) -> TakenOver {
        self.take_while(&|| true).unwrap()
    }

    /// The same, until `go_on` says no.
    pub(crate) fn take_while(&self, go_on: &dyn Fn() -> bool) -> Option<TakenOver> {
        let git = Git::find(&std::env::var_os("PATH").unwrap(), &self.writable);
        self.take_with(git.as_ref(), Bounds::default(), go_on)
    }

    pub(crate) fn take_with(&self, git: Option<&Git>, bounds: Bounds, go_on: &dyn Fn() -> bool) -> Option<TakenOver> {
        self.take_by(git, bounds, go_on, &run_box)
    }

    pub(crate) fn take_by(
        &self,
        git: Option<&Git>,
        bounds: Bounds,
        go_on: &dyn Fn() -> bool,
        run_box: RunBox<'_>,
    ) -> Option<TakenOver> {
        let (host, upper) = (File::open(&self.git_dir).unwrap(), File::open(&self.upper).unwrap());
        take_over(&Job {
            host: host.as_fd(),
            upper: upper.as_fd(),
            base: &self.base,
            id: "k1",
            writable: &self.writable,
            git,
            run_box,
            go_on,
            note_made: &|_| Ok(()),
            bounds,
        })
        .ok()
    }

    /// The files that are still in the upper layer.
    pub(crate) fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        list(&self.upper, &self.upper, &mut rest);
        rest.sort();
        rest
    }
}

fn list(top: &Path, dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            list(top, &entry.path(), found);
        } else {
            found.push(entry.path().strip_prefix(top).unwrap().display().to_string());
        }
    }
}

pub(crate) fn run_box(spec: Spec, [input, output, error]: [OwnedFd; 3], go_on: &dyn Fn() -> bool) -> Result<u8, Error> {
    let mut child = spawn_with(spec, Stdio { input: Some(input), output: Some(output), error: Some(error) })?;
    loop {
        match child.try_wait()? {
            Some(code) => return Ok(code),
            None if go_on() => std::thread::sleep(std::time::Duration::from_millis(5)),
            None => child.kill(),
        }
    }
}

/// What was kept, as `PATH` or `PATH: NAME`.
pub(crate) fn kept(told: &TakenOver) -> Vec<String> {
    for kept in &told.kept {
        eprintln!("{}: {}", String::from_utf8_lossy(&kept.path), kept.why);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let kept = told.kept.iter().map(|kept| match &kept.name {
        Some(name) => format!("{}: {}", text(&kept.path), text(name)),
        None => text(&kept.path),
    });
    kept.collect()
}
