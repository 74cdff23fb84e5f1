//! Which profiles may decide about a box: those that nobody but the caller and the system's administrator can write.
//!
//! A file that is named by its path may lie anywhere, also in a project that somebody else has shared or that earlier
//! boxes have written to. Nothing in such a tree shows who has written it, so the caller says of each file there that
//! it is as he wants it: `pinfold profile trust` keeps its text in `pinfold/trusted` of the state directory, and
//! another text is not used. `World::guard_profiles` adds that nothing in this box can write to it.

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, printable, push_printable, quoted};
use crate::host::Caller;
use crate::state;
use crate::sys::stat::Stat;
use crate::sys::{Errno, content, error_text};

/// The directory of the texts that are trusted, in that of pinfold.
const NAME: &CStr = c"trusted";

/// The longest entry there, in bytes: a path and a text.
const LONGEST: u64 = 20 << 20;

/// Who reads profiles, and where.
#[derive(Debug)]
pub(super) struct Trust {
    pub(super) cwd: Option<PathBuf>,
    pub(super) home: Option<PathBuf>,
    /// The state directory.
    pub(super) state: Option<PathBuf>,
    pub(super) caller: Caller,
}

/// Why a profile may not be used, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Distrust {
    pub(super) why: String,
    pub(super) hint: String,
}

/// Why a file or directory of profiles with these attributes is not the caller's alone.
pub(super) fn of_owner(about: Stat, path: &Path, caller: Caller) -> Option<Distrust> {
    let mode = about.permissions();
    // The group of a user who has one of his own, as most distributions make it (umask 002), is nobody else.
    let is_own_group = about.group == caller.gid && caller.gid == caller.uid;
    if about.owner != caller.uid && about.owner != 0 {
        let why = format!("it belongs to somebody else (user id {})", about.owner);
        let hint = "read it, and keep a copy of your own".to_owned();
        return Some(Distrust { why, hint });
    }
    let others = match mode {
        _ if mode & 0o002 != 0 => "everybody",
        _ if mode & 0o020 != 0 && !is_own_group => "its group",
        _ => return None,
    };
    let why = format!("{others} can write to it (mode {:o})", mode & 0o7777);
    Some(Distrust { why, hint: format!("chmod go-w {}", quoted(path)) })
}

impl Trust {
    /// Why the profile `path` (absolute) may not be used where it is a link. A link in the project may be the work of
    /// an earlier box, and so may the way that it leads. Links elsewhere are the user's own.
    pub(super) fn of_link(&self, path: &Path) -> Option<Distrust> {
        let project = self.project()?;
        let is_link = path.symlink_metadata().is_ok_and(|about| about.is_symlink());
        // `..` leads out of the project too.
        let parent = path.parent()?.canonicalize().ok()?;
        if !is_link || !parent.starts_with(&project) {
            return None;
        }
        let why = format!("it is a link, and lies in {}, where a box may have made it", printable(&project));
        let target = path.canonicalize().map_or_else(|_| "the file".into(), quoted);
        Some(Distrust { why, hint: format!("if {target} is what you mean, name that") })
    }

    /// Why the file `real` (absolute, without links) with this `text` may not be used where it lies in the project.
    ///
    /// # Errors
    /// The state directory cannot be used.
    pub(super) fn of_text(&self, real: &Path, text: &[u8]) -> Result<Option<Distrust>, Error> {
        let Some(project) = self.project().filter(|project| real.starts_with(project)) else { return Ok(None) };
        let trusted = self.trusted(real)?;
        if trusted.as_deref() == Some(text) {
            return Ok(None);
        }
        let why = match trusted {
            Some(_) => "it has changed since you trusted it".to_owned(),
            None => format!("it lies in {}, where an earlier box may have written it", printable(&project)),
        };
        let hint = format!(
            "keep it elsewhere, such as below ~/.config/pinfold; or, for boxes that cannot write to it: read it, and if it \
             is as you want it, `pinfold profile trust {}`",
            quoted(real)
        );
        Ok(Some(Distrust { why, hint }))
    }

    /// Notes that the file `real` (absolute, without links) may be used with this `text`.
    ///
    /// # Errors
    /// The state directory cannot be used.
    pub(super) fn trust(&self, real: &Path, text: &[u8]) -> Result<(), Error> {
        let Some(state) = &self.state else { return Err(without_state()) };
        let dir = state::open(state, NAME, self.caller.uid)?;
        let entry = [real.as_os_str().as_bytes(), b"\0", text].concat();
        state::replace(dir.as_fd(), &state::file_for(real), &entry).map_err(|errno| failed(state, errno))
    }

    /// The text that the caller trusts in the file `real`.
    fn trusted(&self, real: &Path) -> Result<Option<Vec<u8>>, Error> {
        let Some(state) = &self.state else { return Ok(None) };
        let Some(dir) = state::find(state, NAME, self.caller.uid)? else { return Ok(None) };
        let entry = match content::read_at(dir.as_fd(), &state::file_for(real), LONGEST) {
            Err(Errno::ENOENT) => return Ok(None),
            read => read.map_err(|errno| failed(state, errno))?,
        };
        // Two paths may have one name there.
        let text = entry.strip_prefix(real.as_os_str().as_bytes()).and_then(|rest| rest.strip_prefix(b"\0"));
        Ok(text.map(<[u8]>::to_vec))
    }

    /// The directory that boxes may have written to: the repository, or else the current directory. The home and what
    /// is above it are never the workspace of one.
    fn project(&self) -> Option<PathBuf> {
        let cwd = self.cwd.as_deref()?;
        let top = cwd.ancestors().find(|directory| directory.join(".git").symlink_metadata().is_ok());
        let top = top.unwrap_or(cwd);
        let is_above_home = self.home.as_ref().is_some_and(|home| home.starts_with(top));
        (!is_above_home).then(|| top.to_owned())
    }
}

fn without_state() -> Error {
    Error::new(ErrorKind::Failed, "without a home or XDG_STATE_HOME there is no place to keep what you trust")
}

fn failed(state: &Path, errno: Errno) -> Error {
    let mut message = b"cannot use pinfold/trusted in ".to_vec();
    push_printable(&mut message, state);
    message.extend_from_slice(format!(": {}", error_text(errno as i32)).as_bytes());
    Error::new(ErrorKind::Failed, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// The caller in `cwd`, with a home and a state directory in `top`.
    fn trust_in(top: &Path, cwd: &Path) -> Trust {
        let about = crate::sys::stat::look_at_path(top).unwrap();
        let caller = Caller { uid: about.owner, gid: about.group };
        let home = top.join("home");
        Trust { cwd: Some(cwd.to_owned()), state: Some(home.join("state")), home: Some(home), caller }
    }

    #[test]
    fn a_file_in_the_project_is_used_with_the_text_that_was_trusted() {
        let top = Path::new("/tmp").canonicalize().unwrap().join(format!("pinfold-text-{}", std::process::id()));
        let (project, file) = (top.join("home/project"), top.join("home/project/x.profile"));
        std::fs::create_dir_all(&project).unwrap();
        std::fs::set_permissions(&top, PermissionsExt::from_mode(0o700)).unwrap();
        let trust = trust_in(&top, &project);
        let why = |file: &Path, text: &[u8]| trust.of_text(file, text).unwrap().map(|distrust| distrust.why);
        assert!(why(&file, b"one").unwrap().contains("an earlier box may have written it"));
        trust.trust(&file, b"one").unwrap();
        assert_eq!(why(&file, b"one"), None);
        assert!(why(&file, b"two").unwrap().contains("it has changed"));
        assert!(why(&project.join("y.profile"), b"one").unwrap().contains("an earlier box"));
        trust.trust(&file, b"two").unwrap();
        assert_eq!((why(&file, b"two"), why(&file, b"one").is_some()), (None, true));
        // Elsewhere it is the user's own, as in the home, which is never a workspace.
        assert_eq!(why(&top.join("home/x.profile"), b"one"), None);
        let at_home = Trust { cwd: Some(top.join("home")), ..trust_in(&top, &project) };
        assert_eq!(at_home.of_text(&top.join("home/x.profile"), b"one").unwrap(), None);
        // What others could have written counts for nothing.
        let trusted = top.join("home/state/pinfold/trusted");
        std::fs::set_permissions(&trusted, PermissionsExt::from_mode(0o770)).unwrap();
        assert!(trust.of_text(&file, b"two").unwrap_err().to_string().contains("mode 770"));
        std::fs::remove_dir_all(top).unwrap();
    }

    #[test]
    fn only_the_callers_own_files_are_trusted() {
        let file = Path::new("/tmp").join(format!("pinfold-trust-{}", std::process::id()));
        std::fs::write(&file, "").unwrap();
        let found = |mode: u32, uid: u32, gid: u32| {
            std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
            let about = crate::sys::stat::look_at_path(&file).unwrap();
            let caller = Caller { uid: about.owner + uid, gid: about.group + gid };
            of_owner(about, &file, caller).map(|distrust| distrust.why)
        };
        assert_eq!(found(0o644, 0, 0), None);
        assert_eq!(found(0o646, 0, 0).as_deref(), Some("everybody can write to it (mode 646)"));
        assert_eq!(found(0o664, 0, 1).as_deref(), Some("its group can write to it (mode 664)"));
        let about = crate::sys::stat::look_at_path(&file).unwrap();
        if about.owner == about.group {
            assert_eq!(found(0o664, 0, 0), None, "a group of one's own");
        }
        if about.owner != 0 {
            assert!(found(0o644, 1, 0).unwrap().starts_with("it belongs to somebody else"));
        }
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_link_in_the_project_is_not_followed() {
        let top = Path::new("/tmp").canonicalize().unwrap().join(format!("pinfold-led-{}", std::process::id()));
        let sub = top.join("project/sub");
        std::fs::create_dir_all(&sub).unwrap();
        std::fs::create_dir_all(top.join("project/.git")).unwrap();
        symlink("/etc/passwd", top.join("project/link")).unwrap();
        symlink("/etc/passwd", top.join("link")).unwrap();
        let led = |path: &str, cwd: &Path| trust_in(&top, cwd).of_link(&top.join(path)).is_some();
        assert!(led("project/link", &sub), "above the current directory, in the repository");
        assert!(led("project/link", &top.join("project")));
        assert!(!led("link", &sub), "outside of the project");
        assert!(!led("project/sub", &sub), "no link");
        std::fs::remove_dir_all(top).unwrap();
    }
}
