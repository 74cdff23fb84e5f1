//! Resolves paths inside the sandbox from its operations alone. `pinfold profile check` needs this, as it runs nothing.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::spec::path::{Follow, Step};
use crate::spec::{FsOp, Op, Source};

/// The root that the operations build.
pub(in crate::cli) struct View<'a> {
    ops: &'a [Op],
}

/// What is at a path inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Seen {
    /// This file or directory of the host.
    Host(PathBuf),
    /// A file or directory that the sandbox makes.
    Own,
    /// Nothing.
    Nothing,
}

impl View<'_> {
    pub(in crate::cli) fn new(ops: &[Op]) -> View<'_> {
        View { ops }
    }

    /// Finds what is at `path` (absolute, inside), following links.
    pub(in crate::cli) fn at(&self, path: &Path) -> Seen {
        let mut follow = Follow::new("/".into(), path);
        while let Some(step) = follow.step() {
            if step == Step::Up {
                continue;
            }
            let target = match self.place(follow.place()) {
                Place::Link(target) => Some(target),
                Place::Host(host) => std::fs::read_link(host).ok(),
                Place::Own | Place::Nothing => None,
            };
            if target.is_some_and(|target| !follow.lead_to(&target)) {
                return Seen::Nothing;
            }
        }
        match self.place(follow.place()) {
            Place::Host(host) if host.exists() => Seen::Host(host),
            Place::Own | Place::Link(_) => Seen::Own,
            Place::Host(_) | Place::Nothing => Seen::Nothing,
        }
    }

    /// Finds what the operations put at `path`. No part of `path` before the last is a link.
    fn place(&self, path: &Path) -> Place {
        for op in self.ops.iter().rev() {
            let Some(dest) = op.fs.dest().map(|dest| Path::new(OsStr::from_bytes(dest.to_bytes()))) else { continue };
            match &op.fs {
                FsOp::Symlink { target, .. } if dest == path => {
                    return Place::Link(OsStr::from_bytes(target.to_bytes()).into());
                }
                FsOp::CopyFile { .. } | FsOp::Dir { .. } | FsOp::Data { .. } | FsOp::Text { .. } if dest == path => {
                    return Place::Own;
                }
                FsOp::Bind { source: Source::Path(source) | Source::Real(source), .. } => {
                    if let Ok(rest) = path.strip_prefix(dest) {
                        return Place::Host(below(source.to_bytes(), rest));
                    }
                }
                FsOp::Overlay { layers, .. } => {
                    if let (Ok(rest), Some(layer)) = (path.strip_prefix(dest), layers.last()) {
                        return Place::Host(below(layer.to_bytes(), rest));
                    }
                }
                // These create nothing.
                FsOp::Deny { .. } | FsOp::RemountReadOnly { .. } | FsOp::Chmod { .. } => continue,
                op if op.is_mount() && path.starts_with(dest) => return Place::Own,
                // Not at this path, but it may be a parent directory of the destination (below).
                _ => {}
            }
            if dest.starts_with(path) {
                return Place::Own;
            }
        }
        Place::Nothing
    }
}

/// The host path of `rest` below the source of a bind. Links in the source itself are resolved.
fn below(source: &[u8], rest: &Path) -> PathBuf {
    let source = Path::new(OsStr::from_bytes(source));
    let source = std::fs::canonicalize(source).unwrap_or_else(|_| source.to_owned());
    if rest.as_os_str().is_empty() { source } else { source.join(rest) }
}

enum Place {
    Host(PathBuf),
    Own,
    Link(PathBuf),
    Nothing,
}
