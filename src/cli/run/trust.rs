//! Which profiles may decide about a box: those that nobody but the caller and the system's administrator can write.
//!
//! A profile that is named by its path may lie anywhere, also in a project that somebody else has shared or that
//! earlier boxes have written to. `World::guard_profiles` adds that nothing in this box can write to it.

use std::path::{Path, PathBuf};

use crate::error::{printable, quoted};
use crate::host::Caller;
use crate::sys::stat::Stat;

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

/// Why the profile `path` (absolute) may not be used where it is a link. A link in the project may be the work of an
/// earlier box, and so may the way that it leads. Links elsewhere are the user's own.
pub(super) fn of_link(path: &Path, cwd: Option<&Path>) -> Option<Distrust> {
    let project = project(cwd?);
    let is_link = path.symlink_metadata().is_ok_and(|about| about.is_symlink());
    if !is_link || !path.starts_with(&project) {
        return None;
    }
    let why = format!("it is a link, and lies in {}, where a box may have made it", printable(&project));
    let target = path.canonicalize().map_or_else(|_| "the file".into(), quoted);
    Some(Distrust { why, hint: format!("if {target} is what you mean, name that") })
}

/// The directory that boxes started in `cwd` may have written to: the repository, or else `cwd` itself.
fn project(cwd: &Path) -> PathBuf {
    let top = cwd.ancestors().find(|directory| directory.join(".git").symlink_metadata().is_ok());
    top.unwrap_or(cwd).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

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
        let led = |path: &str, cwd: &Path| of_link(&top.join(path), Some(cwd)).is_some();
        assert!(led("project/link", &sub), "above the current directory, in the repository");
        assert!(led("project/link", &top.join("project")));
        assert!(!led("link", &sub), "outside of the project");
        assert!(!led("project/sub", &sub), "no link");
        std::fs::remove_dir_all(top).unwrap();
    }
}
