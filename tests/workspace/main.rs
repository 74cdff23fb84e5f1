//! A workspace with real repositories: git works in it, and what the host would execute later is not changed.
//!
//! Every attack is also made without a box, where it must succeed.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

mod commit;
mod hold;
mod jobs;
mod killed;
mod news;
mod prepared;
mod scopes;
mod settle;
mod state;
#[path = "../support/mod.rs"]
mod support;
mod sweep;
mod unread;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use support::{Actor, Launch, Outcome, stage};

/// A directory for one test.
struct Place {
    path: PathBuf,
    actor: Actor,
}

impl Place {
    fn new(name: &str, actor: Actor) -> Place {
        let path = stage::stage().join(name);
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        if let Some((uid, gid)) = actor.ids() {
            chown(&path, Some(uid), Some(gid)).unwrap();
        }
        Place { path, actor }
    }

    /// Runs a script on the host, in `dir` below this place; it must succeed.
    fn host(&self, dir: &str, script: &str) -> String {
        self.on_host(dir, script).done()
    }

    fn on_host(&self, dir: &str, script: &str) -> Outcome {
        let words = ["-ec", script];
        let launch = Launch::program(Path::new("/bin/sh"), self.actor, &words);
        self.as_author(launch).dir(&self.path.join(dir)).run()
    }

    /// Runs a script in a box, with `dir` as the workspace.
    fn inside(&self, dir: &str, script: &str) -> Outcome {
        self.inside_with(&[], dir, script)
    }

    fn inside_with(&self, options: &[&str], dir: &str, script: &str) -> Outcome {
        self.launch(options, dir, script).run()
    }

    fn launch(&self, options: &[&str], dir: &str, script: &str) -> Launch {
        self.launch_below(options, (dir, dir), script)
    }

    /// The same, with `top` as the workspace and `dir` in it as the directory in which the script starts.
    fn launch_below(&self, options: &[&str], (top, dir): (&str, &str), script: &str) -> Launch {
        let dir = self.path.join(dir);
        let words = [options, &[dir.to_str().unwrap(), "/usr/bin/sh", "-ec", script]].concat();
        self.as_author(Launch::program(sandbox(), self.actor, &words)).dir(&self.path.join(top))
    }

    /// No configuration but that of the repository. The C library finds no user database in the box. What is kept
    /// apart lies in this place.
    fn as_author(&self, launch: Launch) -> Launch {
        let state = self.path.join("state");
        let launch = launch.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", "/nonexistent");
        launch.env("XDG_STATE_HOME", state.to_str().unwrap())
    }

    /// The same with `pinfold run`, as the owner of the home `home` in this place. It gets no more memory than any run
    /// needs, so that the machine outlives one that would read without end.
    fn pinfold(&self, env: &[(&str, &str)], dir: &str, script: &str) -> Outcome {
        let limited = "ulimit -v 1000000; exec \"$0\" run -- /bin/sh -ec \"$1\"";
        let words = ["-c", limited, stage::pinfold().to_str().unwrap(), script];
        let launch = Launch::program(Path::new("/bin/sh"), self.actor, &words).dir(&self.path.join(dir));
        self.at_home(launch, env).run()
    }

    /// A script on the host, as the owner of that home.
    fn host_at_home(&self, env: &[(&str, &str)], dir: &str, script: &str) -> Outcome {
        let launch = Launch::program(Path::new("/bin/sh"), self.actor, &["-ec", script]).dir(&self.path.join(dir));
        self.at_home(launch, env).run()
    }

    /// In values of the environment, `{}` is this place.
    fn at_home(&self, launch: Launch, env: &[(&str, &str)]) -> Launch {
        let place = self.path.to_str().unwrap();
        let launch = launch.env("HOME", &format!("{place}/home"));
        env.iter().fold(launch, |launch, (name, value)| launch.env(name, &value.replace("{}", place)))
    }

    /// Every name below this place, but for what a commit makes: objects. And but for what is kept apart.
    fn names(&self) -> String {
        self.host(".", "find . -path ./state -prune -o -path '*/objects/*' -prune -o -printf '%y %m %p %l\\n' | sort")
    }

    /// A repository with two files and one commit.
    fn repository(&self, dir: &str) {
        let script = format!(
            "git init -q -b main {dir}; cd {dir}; git config user.name N; git config user.email n@example.org
             mkdir -p sub; echo 1 >file; echo 1 >sub/file; git add .; git commit -qm one"
        );
        self.host(".", &script);
    }
}

/// What a run has said, but for the lines about what was taken over into git directories.
fn beside_taken_over(outcome: &Outcome) -> String {
    let said = outcome.stderr_text();
    let others = said.lines().filter(|line| !line.ends_with(", taken over from the box"));
    others.map(|line| format!("{line}\n")).collect()
}

impl Drop for Place {
    fn drop(&mut self) {
        support::fixture::remove(&self.path);
    }
}

fn sandbox() -> &'static Path {
    static SANDBOX: OnceLock<PathBuf> = OnceLock::new();
    SANDBOX.get_or_init(|| stage::example("spec_workspace", &["tests/probe", "src"]))
}
