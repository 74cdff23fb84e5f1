//! Where `pinfold run` is called: a home with a project.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::{Actor, Launch, pinfold, probe, stage};

/// A home with a project in it, which belong to the user who acts. Removed when dropped.
pub(crate) struct Place {
    /// The caller's home.
    pub(crate) home: PathBuf,
    /// Where the caller is: a directory in it.
    pub(crate) project: PathBuf,
    pub(crate) actor: Actor,
}

impl Place {
    /// The place called `name`; two at a time need two names.
    pub(crate) fn new(name: &str, actor: Actor) -> Place {
        let home = stage().join(format!("{name}-{actor:?}"));
        let place = Place { project: home.join("project"), home, actor };
        fs::create_dir_all(&place.project).expect("make a project");
        fs::set_permissions(&place.home, fs::Permissions::from_mode(0o755)).expect("open the home");
        place.own(&place.home);
        place.own(&place.project);
        place
    }

    /// A file below the home, of the user who acts.
    pub(crate) fn file(&self, path: &str, text: &str) -> PathBuf {
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

    pub(crate) fn own(&self, path: &Path) {
        if let Some((uid, gid)) = self.actor.ids() {
            chown(path, Some(uid), Some(gid)).expect("give to the user");
        }
    }

    /// `pinfold` with `words`, in the project.
    pub(crate) fn pinfold(&self, words: &[&str]) -> Launch {
        Launch::program(pinfold(), self.actor, words).dir(&self.project).env("HOME", self.home.to_str().unwrap())
    }

    /// `command` in the box that `options`, which are separated by blanks, make. The probe is at `/probe`.
    pub(crate) fn run(&self, options: &str, command: &[&str]) -> Launch {
        let shown = format!("--ro={}:/probe", probe().display());
        let words = ["run", &shown].into_iter().chain(options.split_whitespace()).chain(["--"]);
        self.pinfold(&words.chain(command.iter().copied()).collect::<Vec<_>>())
    }

    /// The same, with a script of `/bin/sh`.
    pub(crate) fn sh(&self, options: &str, script: &str) -> Launch {
        self.run(options, &["sh", "-c", script])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        super::fixture::remove(&self.home);
    }
}
