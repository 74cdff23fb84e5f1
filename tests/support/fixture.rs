//! A directory of files for one launch, the same at each, and what became of it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use super::executable;
use super::launch::Actor;
use super::stage::stage;

/// The files of a fixture: name, mode, text.
const FILES: &[(&str, u32, &str)] = &[
    ("file", 0o644, "file\n"),
    ("orig", 0o644, "orig\n"),
    ("private", 0o600, "private\n"),
    ("dir/inner", 0o644, "inner\n"),
    ("dir/sub/deep", 0o644, "deep\n"),
    ("script", 0o755, "echo \"script $0 $1\"\n"),
    ("lost-script", 0o755, "#!/nonexistent\necho no\n"),
    ("noexec", 0o644, "#!/bin/sh\necho no\n"),
    ("locked/x", 0o644, "x\n"),
    ("low/a", 0o644, "low a\n"),
    ("low/both", 0o644, "low both\n"),
    ("high/b", 0o644, "high b\n"),
    ("high/both", 0o644, "high both\n"),
    ("od,d:na\\me/c", 0o644, "odd\n"),
    ("victim/kept", 0o644, "kept\n"),
];

/// Directories of a fixture that start empty.
const EMPTY: &[&str] = &["up", "wk", "empty", "tree"];

/// Links: name, target. `{d}` is the fixture's own path.
const LINKS: &[(&str, &str)] = &[
    ("link", "orig"),
    ("dirlink", "dir"),
    ("abslink", "{d}/dir"),
    ("dangling", "missing"),
    ("chain", "dirlink"),
    ("loop", "loop"),
    ("tree/rel", "sub"),
    ("tree/abs", "/sub"),
    ("tree/chain", "rel"),
    ("tree/dangling", "nowhere"),
    ("tree/absdangling", "/nowhere"),
    ("tree/up", "../../../../../../sub"),
    ("tree/out", "{d}/victim"),
    ("tree/staging", "../../oldroot{d}/victim"),
    ("tree/proc", "/proc/self/root{d}/victim"),
];

/// A directory that belongs to the user who acts. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Fixture {
    pub(crate) path: PathBuf,
    actor: Actor,
}

impl Fixture {
    /// The fixture called `name`; two at a time need two names.
    pub(crate) fn new(name: &str, actor: Actor) -> Fixture {
        let fixture = Fixture { path: stage().join(name), actor };
        fixture.fill();
        fixture
    }

    /// As at the start: every launch of a comparison finds the same files under the same path.
    pub(crate) fn refill(&self) {
        remove(&self.path);
        self.fill();
    }

    /// `text` with `{d}` and `{probe}` replaced.
    pub(crate) fn expand(&self, text: &str) -> String {
        let probe = if text.contains("{probe}") { super::probe().display().to_string() } else { String::new() };
        text.replace("{d}", &self.path.display().to_string()).replace("{probe}", &probe)
    }

    fn fill(&self) {
        let make_dir = |path: &Path| fs::create_dir_all(path).expect("make a fixture directory");
        make_dir(&self.path);
        for name in EMPTY.iter().copied().chain(["tree/sub"]) {
            make_dir(&self.path.join(name));
        }
        for (name, mode, text) in FILES {
            let path = self.path.join(name);
            make_dir(path.parent().expect("below the fixture"));
            if mode & 0o111 != 0 {
                executable::write(&path, text.as_bytes());
                continue;
            }
            fs::write(&path, text).expect("write a fixture file");
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).expect("set a mode");
        }
        for (name, target) in LINKS {
            symlink(self.expand(target), self.path.join(name)).expect("make a fixture link");
        }
        if let Some(uid) = self.actor.ids() {
            give(&self.path, uid);
        }
        // Not the user's own, where there is a choice: in a user namespace he may enter even a closed directory of his.
        let locked = self.path.join("locked");
        if super::is_root() {
            lchown(&locked, Some(0), Some(0)).expect("take a directory from the user");
        }
        fs::set_permissions(locked, fs::Permissions::from_mode(0o000)).expect("close a directory");
    }

    /// Every file with its type, mode and text, one a line, in the order of names. What a launch changed shows here.
    pub(crate) fn listing(&self) -> String {
        let mut out = String::new();
        list(&self.path, &self.path, &mut out);
        out
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

fn list(root: &Path, path: &Path, out: &mut String) {
    let name = path.strip_prefix(root).unwrap_or(path).display();
    let Ok(about) = fs::symlink_metadata(path) else { return };
    write!(out, "{name} {:o}", about.mode()).expect("write to a string");
    if about.is_symlink() {
        write!(out, " -> {}", fs::read_link(path).unwrap_or_default().display()).expect("write to a string");
    } else if about.is_file() {
        write!(out, " {:?}", fs::read_to_string(path).unwrap_or_default()).expect("write to a string");
    }
    out.push('\n');
    // The kernel's own scratch directory of an overlay is none of ours.
    if !about.is_dir() || path.ends_with("wk") {
        return;
    }
    let mut below: Vec<PathBuf> =
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    below.sort();
    for path in below {
        list(root, &path, out);
    }
}

fn give(path: &Path, (uid, gid): (u32, u32)) {
    lchown(path, Some(uid), Some(gid)).expect("give a fixture file to the user");
    if path.is_symlink() || !path.is_dir() {
        return;
    }
    for entry in fs::read_dir(path).expect("list a fixture").flatten() {
        give(&entry.path(), (uid, gid));
    }
}

/// Removes a directory with all below it, closed ones too.
pub(crate) fn remove(path: &Path) {
    if fs::remove_dir_all(path).is_ok() || !path.exists() {
        return;
    }
    open_up(path);
    if let Err(error) = fs::remove_dir_all(path) {
        eprintln!("left behind: {}: {error}", path.display());
    }
}

fn open_up(path: &Path) {
    if path.is_symlink() || !path.is_dir() || fs::set_permissions(path, fs::Permissions::from_mode(0o755)).is_err() {
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        open_up(&entry.path());
    }
}
