//! What a look at a workspace begins with, and what it comes to.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::common::GitConfig;
use crate::error::{Error, ErrorKind, push_printable};
use crate::spec::{FsOp, Settle, Watch};

/// The directory that the user works in, and what belongs to the user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// The directory, absolute.
    pub(crate) cwd: &'a Path,
    /// `$HOME`, if it is set.
    pub(crate) home: Option<&'a Path>,
    /// `$XDG_RUNTIME_DIR`, if it is set.
    pub(crate) runtime_dir: Option<&'a Path>,
    /// `$PATH`, if it is set.
    pub(crate) path: Option<&'a OsStr>,
    /// `$XDG_STATE_HOME`, or what stands for it. `None` if nothing is remembered between runs.
    pub(crate) state: Option<&'a Path>,
    /// The user's id.
    pub(crate) uid: u32,
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
    /// Binds, in order.
    pub(crate) ops: Vec<FsOp>,
    /// What must be held and cannot be, and what the user must know about how something is held.
    pub(crate) unheld: Vec<Unheld>,
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
