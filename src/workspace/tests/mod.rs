//! What is found in directories of every layout, and what is refused.

mod bounds;
mod identity;
mod layouts;
mod refusals;

use std::borrow::Cow;
use std::ffi::CStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::bounds::{BOUNDS, Bounds};
use super::{GitConfig, Surroundings, Workspace, find_within};
use crate::error::Error;
use crate::spec::{BindFlags, FsOp, OverlayKind, Source, Watch};

/// A directory for one test, removed at its end; a home is in it.
struct Place {
    path: PathBuf,
}

impl Place {
    fn new(name: &str) -> Place {
        let path = PathBuf::from(format!("/var/tmp/pinfold-workspace-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("home")).unwrap();
        Place { path }
    }

    /// Makes a file, with the directories above it. `{}` in the text is this place.
    fn file(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text.replace("{}", self.path.to_str().unwrap())).unwrap();
    }

    fn link(&self, target: &str, name: &str) {
        std::os::unix::fs::symlink(target.replace("{}", self.path.to_str().unwrap()), self.path.join(name)).unwrap();
    }

    fn dir(&self, name: &str) {
        fs::create_dir_all(self.path.join(name)).unwrap();
    }

    /// Makes what git takes for a git directory.
    fn git_dir(&self, name: &str) {
        for dir in ["objects", "refs", "hooks"] {
            self.dir(&format!("{name}/{dir}"));
        }
        self.file(&format!("{name}/HEAD"), "ref: refs/heads/main\n");
        self.file(&format!("{name}/config"), "[core]\n\tbare = false\n");
    }

    /// Makes a worktree of the git directory `of`.
    fn worktree(&self, of: &str, top: &str) {
        let name = Path::new(top).file_name().unwrap().to_str().unwrap();
        self.file(&format!("{top}/.git"), &format!("gitdir: {{}}/{of}/worktrees/{name}\n"));
        self.file(&format!("{of}/worktrees/{name}/gitdir"), &format!("{{}}/{top}/.git\n"));
        self.file(&format!("{of}/worktrees/{name}/commondir"), "../..\n");
        self.file(&format!("{of}/worktrees/{name}/HEAD"), "ref: refs/heads/x\n");
    }

    fn find(&self, dir: &str) -> Result<Workspace, Error> {
        self.find_within(dir, BOUNDS)
    }

    fn find_within(&self, dir: &str, bounds: Bounds) -> Result<Workspace, Error> {
        let home = self.path.join("home");
        let uid = fs::metadata(&self.path).map(|about| std::os::unix::fs::MetadataExt::uid(&about)).unwrap();
        let git_config = &GitConfig::new(Some(&home), None, &|_| None);
        let cwd = &self.path.join(dir);
        let stores = &[home.join(".local/state")];
        let around = Surroundings {
            cwd,
            home: Some(&home),
            is_named: false,
            runtime_dir: None,
            path: None,
            state: None,
            uid,
            stores,
            git_config,
        };
        find_within(&around, bounds)
    }

    /// The mounts in order: `w`, `r` or `a` (changes are kept apart), and the path below this place.
    fn mounts(&self, dir: &str) -> Vec<String> {
        let found = self.find(dir).unwrap();
        assert_eq!(found.unheld, [], "{dir}");
        self.mounts_of(&found)
    }

    fn mounts_of(&self, found: &Workspace) -> Vec<String> {
        let mount = |op: &FsOp| match op {
            FsOp::Bind { source: Source::Link(_), dest, flags: BindFlags { read_only: true, .. } } => {
                format!("l {}", self.short(dest))
            }
            FsOp::Bind { source: Source::Real(source), dest, flags } if source == dest => {
                format!("{} {}", if flags.read_only { 'r' } else { 'w' }, self.short(dest))
            }
            FsOp::Overlay { layers, kind: OverlayKind::Apart { .. }, dest } if layers == std::slice::from_ref(dest) => {
                format!("a {}", self.short(dest))
            }
            other => panic!("{other:?}"),
        };
        found.ops.iter().map(mount).collect()
    }

    /// The top of the repository around `dir`.
    fn above(&self, dir: &str) -> Option<String> {
        let above = self.find(dir).unwrap().above?;
        Some(above.strip_prefix(&self.path).unwrap().to_str().unwrap().to_owned())
    }

    fn short(&self, path: &CStr) -> String {
        let path = Path::new(std::ffi::OsStr::from_bytes(path.to_bytes()));
        path.strip_prefix(&self.path).unwrap().to_str().unwrap().to_owned()
    }

    /// Paths that cannot be held, with why.
    fn unheld(&self, dir: &str) -> Vec<String> {
        let found = self.find(dir).unwrap();
        let unheld = found.unheld.iter().map(|unheld| {
            let path = unheld.path.strip_prefix(&self.path).unwrap().display();
            format!("{path} {}", unheld.why)
        });
        unheld.collect()
    }

    /// The same as it is said.
    fn unheld_text(&self, dir: &str) -> Vec<String> {
        let found = self.find(dir).unwrap();
        found.unheld.iter().map(|unheld| String::from_utf8(unheld.message()).unwrap()).collect()
    }

    /// Watched names.
    fn watched(&self, dir: &str) -> Vec<String> {
        let found = self.find(dir).unwrap();
        let paths = |watch: &Watch| -> Vec<String> {
            let short = |name: &Cow<CStr>| format!("{}/{}", self.short(&watch.dir), name.to_string_lossy());
            watch.names.iter().map(short).collect()
        };
        found.watch.iter().flat_map(paths).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        assert!(fs::remove_dir_all(&self.path).is_ok() || std::thread::panicking(), "left behind");
    }
}
