//! Passes the committer's name and address from the user's git configuration into the box, and little else of it.
//!
//! The rest stays outside: it may contain tokens (`url.*.insteadOf`, `http.extraHeader`, `credential.helper`), and name
//! programs and keys that the box does not have (`commit.gpgSign` would make every commit fail). The environment cannot
//! pass the name, because it would override the name in the repository's configuration (git-commit(1), "COMMIT
//! INFORMATION").

use std::path::{Component, Path, PathBuf};

use super::config::{self, LONGEST};
use super::files::c_path;
use super::layout::expand;
use crate::spec::FsOp;
use crate::sys::content;

/// The settings to pass on: who commits, and the name of the first branch in a new repository. Without the latter,
/// `git init` prints a long explanation.
const KEPT: &[&str] = &[
    "user.name",
    "user.email",
    "user.useconfigonly",
    "author.name",
    "author.email",
    "committer.name",
    "committer.email",
    "init.defaultbranch",
];

/// The same limit as in git (config.c, MAX_INCLUDE_DEPTH).
const DEEPEST: u32 = 10;

/// Returns reduced git configuration files for a box with a home of its own. `config` is `$XDG_CONFIG_HOME`; in the box
/// it is at its usual place. Each included file becomes a file at its own path, whatever the condition, so that git
/// itself decides about the condition.
pub(crate) fn identity(home: &Path, config: &Path) -> Vec<FsOp> {
    let mut files = Files { home, ops: Vec::new(), done: Vec::new() };
    files.add(&config.join("git/config"), &home.join(".config/git/config"), 0);
    files.add(&home.join(".gitconfig"), &home.join(".gitconfig"), 0);
    files.ops
}

struct Files<'a> {
    home: &'a Path,
    ops: Vec<FsOp>,
    done: Vec<PathBuf>,
}

impl Files<'_> {
    /// Adds the settings to pass on from the file `source`, as the file `dest` in the box.
    fn add(&mut self, source: &Path, dest: &Path, depth: u32) {
        let is_plain = dest.starts_with(self.home) && dest.components().all(|part| part != Component::ParentDir);
        if depth > DEEPEST || !is_plain || self.done.iter().any(|done| done == dest) {
            return;
        }
        // Links are followed, because many people keep these files elsewhere. A missing file passes nothing on.
        let Ok(text) = content::read_regular(source, LONGEST) else { return };
        self.done.push(dest.to_owned());
        let kept = self.kept(&text, source, depth);
        if !kept.is_empty() {
            self.ops.push(FsOp::Text { text: kept, dest: c_path(dest), mode: 0o600 });
        }
    }

    fn kept(&mut self, text: &[u8], source: &Path, depth: u32) -> Vec<u8> {
        let mut out = Vec::new();
        for (header, (key, value)) in config::parse_with_headers(text) {
            let Some((section, name)) = key.split_once('.') else { continue };
            if matches!(key.as_str(), "include.path" | "includeif.path") {
                let base = source.parent().unwrap_or(source);
                let Some(included) = expand(Some(self.home), &value, base) else { continue };
                self.add(&included, &included, depth + 1);
                config::write_setting(&mut out, header, name, c_path(&included).as_bytes());
            } else if KEPT.contains(&key.as_str()) && header.eq_ignore_ascii_case(section.as_bytes()) {
                config::write_setting(&mut out, header, name, &value);
            }
        }
        out
    }
}
