//! The promises of `pinfold run`, asked from inside its box: one file a promise.
//!
//! Each is asked as an ordinary user and, where it could differ, as root.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

#[path = "../support/mod.rs"]
mod support;

mod best_effort;
mod deny;
mod descriptors;
mod environment;
mod exit_codes;
mod filesystem;
mod hostile;
mod json;
mod landlock;
mod network;
mod powers;
mod processes;
mod profiles;
mod seccomp;
mod workspace;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use support::{Actor, Launch, pinfold, probe, stage};

/// A home with a project in it, which belong to the user who acts. Removed when dropped.
struct Place {
    /// The caller's home.
    home: PathBuf,
    /// Where the caller is: a directory in it.
    project: PathBuf,
    actor: Actor,
}

impl Place {
    /// The place called `name`; two at a time need two names.
    fn new(name: &str, actor: Actor) -> Place {
        let home = stage().join(format!("{name}-{actor:?}"));
        let place = Place { project: home.join("project"), home, actor };
        fs::create_dir_all(&place.project).expect("make a project");
        fs::set_permissions(&place.home, fs::Permissions::from_mode(0o755)).expect("open the home");
        place.own(&place.home);
        place.own(&place.project);
        place
    }

    /// A file below the home, of the user who acts.
    fn file(&self, path: &str, text: &str) -> PathBuf {
        let path = self.home.join(path);
        let mut made = path.parent().expect("below the home").to_owned();
        fs::create_dir_all(&made).expect("make a directory");
        fs::write(&path, text).expect("write a file");
        self.own(&path);
        while made != self.home {
            self.own(&made);
            made.pop();
        }
        path
    }

    fn own(&self, path: &Path) {
        if let Some((uid, gid)) = self.actor.ids() {
            chown(path, Some(uid), Some(gid)).expect("give to the user");
        }
    }

    /// `pinfold` with `words`, in the project.
    fn pinfold(&self, words: &[&str]) -> Launch {
        Launch::program(pinfold(), self.actor, words).dir(&self.project).env("HOME", self.home.to_str().unwrap())
    }

    /// `command` in the box that `options`, which are separated by blanks, make. The probe is at `/probe`.
    fn run(&self, options: &str, command: &[&str]) -> Launch {
        let shown = format!("--ro={}:/probe", probe().display());
        let words = ["run", &shown].into_iter().chain(options.split_whitespace()).chain(["--"]);
        self.pinfold(&words.chain(command.iter().copied()).collect::<Vec<_>>())
    }

    /// The same, with a script of `/bin/sh`.
    fn sh(&self, options: &str, script: &str) -> Launch {
        self.run(options, &["sh", "-c", script])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        support::fixture::remove(&self.home);
    }
}

/// Who can act here.
fn actors() -> impl Iterator<Item = Actor> {
    [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here())
}
