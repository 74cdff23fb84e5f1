//! What a look at a workspace begins with, and what it comes to.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr};
use std::path::{Path, PathBuf};

use super::common::GitConfig;
use crate::error::{Error, ErrorKind, push_printable};
use crate::spec::{BindFlags, FsOp, Keep, OverlayKind, Settle, Source, Watch};

/// The directory that the user works in, and what belongs to the user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The directory, absolute.
    pub(crate) cwd: &'a Path,
    /// `$HOME`, if it is set.
    pub(crate) home: Option<&'a Path>,
    /// Whether the user has named the directory as one to be writable. Otherwise it is the one that the user is in.
    pub(crate) is_named: bool,
    /// `$XDG_RUNTIME_DIR`, if it is set.
    pub(crate) runtime_dir: Option<&'a Path>,
    /// `$PATH`, if it is set.
    pub(crate) path: Option<&'a OsStr>,
    /// `$XDG_STATE_HOME`, or what stands for it. `None` if nothing is remembered between runs.
    pub(crate) state: Option<&'a Path>,
    /// The user's id.
    pub(crate) uid: u32,
    /// Directories in which changes may be kept apart ([`Keep::stores`]).
    pub(crate) stores: &'a [PathBuf],
    /// The git configuration that applies to every repository.
    pub(crate) git_config: &'a GitConfig,
}

/// What to mount for a workspace, and what to look for afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Workspace {
    /// Files that say who commits, for a box with a home of its own. [`find`] leaves this empty: see [`identity`].
    ///
    /// [`find`]: super::find
    /// [`identity`]: super::identity()
    pub(crate) identity: Vec<FsOp>,
    /// Mounts, in order. Where the changes of overlays are kept is not known yet.
    pub(crate) ops: Vec<FsOp>,
    /// What is kept apart, its directories in the order of `ops`.
    pub(crate) keep: Keep,
    /// What must be held and cannot be, and what the user must know about how something is held.
    pub(crate) unheld: Vec<Unheld>,
    /// What the user must know about how something is held.
    pub(crate) notes: Vec<String>,
    /// The top of the repository that the directory lies in, which is not shown.
    pub(crate) above: Option<PathBuf>,
    /// Names that do not exist yet and are looked for afterwards.
    pub(crate) watch: Vec<Watch>,
    /// What to put in order afterwards.
    pub(crate) settle: Settle,
}

/// A file that the host would obey and the program could write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unheld {
    pub(crate) path: PathBuf,
    /// The rest of the message, after the path.
    pub(crate) why: Cow<'static, str>,
    /// The setting that names it, if any.
    pub(crate) named_by: Option<String>,
    /// What to do about it.
    pub(crate) remedy: String,
    /// Whether it stops the run. Otherwise it is only reported.
    pub(crate) stops: bool,
}

impl Unheld {
    /// `PATH WHY; KEY in FILE names it`, in printable characters.
    pub(crate) fn message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        push_printable(&mut message, &self.path);
        message.push(b' ');
        message.extend_from_slice(self.why.as_bytes());
        if let Some(named_by) = &self.named_by {
            message.extend_from_slice(format!("; {named_by} names it").as_bytes());
        }
        message
    }
}

impl Workspace {
    /// The same with everything read-only that would be kept apart.
    pub(crate) fn read_only_instead(mut self) -> Workspace {
        let bind = |path: &CString| FsOp::Bind {
            source: Source::Real(path.clone()),
            dest: path.clone(),
            flags: BindFlags { read_only: true, devices: false, optional: false },
        };
        for op in &mut self.ops {
            if let FsOp::Overlay { kind: OverlayKind::Apart { .. }, dest, .. } = op {
                *op = bind(dest);
            }
        }
        self.ops.extend(self.keep.files.iter().map(bind));
        self.keep = Keep::default();
        self
    }

    /// The same where the directory `place` of the host is shown at `dest`.
    pub(crate) fn shown_at(mut self, place: &CStr, dest: &CStr) -> Workspace {
        if place == dest {
            return self;
        }
        for op in &mut self.ops {
            let Some(at) = op.dest_mut() else { continue };
            let Some(rest) = at.to_bytes().strip_prefix(place.to_bytes()) else { continue };
            if rest.is_empty() || rest.starts_with(b"/") {
                // Both are C strings, so there is no NUL.
                *at = CString::new([dest.to_bytes(), rest].concat()).unwrap_or_default();
            }
        }
        self
    }

    /// The error about the first unheld file that stops the run, if there is one.
    pub(crate) fn refusal(&self) -> Option<Error> {
        let mut stopping = self.unheld.iter().filter(|unheld| unheld.stops);
        let first = stopping.next()?;
        let mut message = b"Can't protect the workspace: ".to_vec();
        message.extend_from_slice(&first.message());
        let more = stopping.count();
        if more > 0 {
            message.extend_from_slice(format!(" ({more} more like this)").as_bytes());
        }
        Some(Error::new(ErrorKind::Unsafe, message).with_hint(Some(first.remedy.clone())))
    }
}
