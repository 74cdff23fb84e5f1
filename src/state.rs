//! pinfold's own directories in a user's state directory: `pinfold/NAME`.
//!
//! Whoever can write there decides about later runs. So each of these directories must belong to the user and be closed
//! to others, and no link is followed below the state directory.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, push_printable};
use crate::sys::mount::AT_FDCWD;
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result as SysResult, c_path, content, error_text, make, open};

/// Permissions of all directories here: nobody else's business.
pub(crate) const CLOSED: u32 = 0o700;

/// The directory of pinfold in the state directory.
const PINFOLD: &CStr = c"pinfold";

/// Opens `pinfold/NAME` in the state directory `state` of the user `uid`. Makes what is missing.
///
/// # Errors
/// What cannot be opened or made, belongs to somebody else, is open to others, or is a link.
pub(crate) fn open(state: &Path, name: &CStr, uid: u32) -> Result<OwnedFd, Error> {
    let failed = |errno: Errno| refused(state, error_text(errno as i32));
    let top = match open::path(&c_path(state), true) {
        Err(Errno::ENOENT) => {
            make_all(state).map_err(failed)?;
            open::path(&c_path(state), true)
        }
        opened => opened,
    };
    let top = top.map_err(failed)?;
    if stat::fstat(top.as_fd()).map_err(failed)?.owner != uid {
        return Err(refused(state, "it belongs to somebody else"));
    }
    below(top, state, name, uid, true)?.ok_or_else(|| failed(Errno::ENOENT))
}

/// Opens `pinfold/NAME` if it is there. Makes nothing.
///
/// # Errors
/// As [`open`].
pub(crate) fn find(state: &Path, name: &CStr, uid: u32) -> Result<Option<OwnedFd>, Error> {
    match open::path(&c_path(state), true) {
        Ok(top) => below(top, state, name, uid, false),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(errno) => Err(refused(state, error_text(errno as i32))),
    }
}

fn below(top: OwnedFd, state: &Path, name: &CStr, uid: u32, makes: bool) -> Result<Option<OwnedFd>, Error> {
    let (mut dir, mut path) = (top, state.to_owned());
    for name in [PINFOLD, name] {
        path.push(OsStr::from_bytes(name.to_bytes()));
        dir = match own_dir(dir.as_fd(), name, uid, makes) {
            Ok(Some(dir)) => dir,
            Ok(None) => return Ok(None),
            Err(why) => return Err(refused(&path, &why)),
        };
    }
    Ok(Some(dir))
}

/// Writes the file `name` of `dir`: first under another name, so that nobody ever reads a part of it. Two processes may
/// do that at the same time.
pub(crate) fn replace(dir: BorrowedFd<'_>, name: &CStr, bytes: &[u8]) -> SysResult<()> {
    let part = format!(".{}.part", std::process::id());
    let part = CString::new([name.to_bytes(), part.as_bytes()].concat()).map_err(|_| Errno::EINVAL)?;
    let file = match make::new_file_at(dir, &part, 0o600) {
        // Of a process with the same number that was killed here.
        Err(Errno::EEXIST) => make::unlink_at(dir, &part).and_then(|()| make::new_file_at(dir, &part, 0o600)),
        made => made,
    }?;
    let written = content::write_all(file.as_fd(), bytes).and_then(|()| make::rename_over(dir, &part, dir, name));
    if written.is_err() {
        let _removed = make::unlink_at(dir, &part).is_ok();
    }
    written
}

/// The name of a file about `path`: a hash. Two paths may have one, so the file also has the path in it.
pub(crate) fn file_for(path: &Path) -> CString {
    // FNV-1a.
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let hash = path.as_os_str().as_bytes().iter().fold(0xcbf2_9ce4_8422_2325, add);
    CString::new(format!("{hash:016x}")).unwrap_or_default()
}

/// Opens the directory `name` of `dir`, which must belong to the user alone, or makes it.
fn own_dir(dir: BorrowedFd<'_>, name: &CStr, uid: u32, makes: bool) -> Result<Option<OwnedFd>, String> {
    let failed = |errno: Errno| error_text(errno as i32).to_owned();
    if makes {
        make::dir_at(dir, name, CLOSED).or_else(exists).map_err(failed)?;
    }
    let own = match open::dir_at(dir, name) {
        Ok(own) => own,
        Err(Errno::ENOENT) if !makes => return Ok(None),
        Err(Errno::ENOTDIR | Errno::ELOOP) if stat::kind_at(dir, name) == Ok(Some(Kind::Link)) => {
            return Err("it is a link, and links are not followed here".into());
        }
        Err(errno) => return Err(failed(errno)),
    };
    let about = stat::fstat(own.as_fd()).map_err(failed)?;
    if about.owner != uid {
        return Err("it belongs to somebody else".into());
    }
    if about.permissions() & 0o077 != 0 {
        return Err(format!("others may use it (mode {:o}): chmod 700 closes it", about.permissions()));
    }
    Ok(Some(own))
}

/// Makes `path` and the directories above it.
fn make_all(path: &Path) -> SysResult<()> {
    let mut missing: Vec<&Path> = Vec::new();
    let is_missing = |path: &&Path| !path.as_os_str().is_empty() && stat::stat(&c_path(path)).is_err();
    missing.extend(path.ancestors().take_while(is_missing));
    // A home that does not exist is nobody's, such as /nonexistent.
    if missing.last().is_some_and(|first| first.parent() == Some(Path::new("/"))) {
        return Err(Errno::ENOENT);
    }
    // The XDG Base Directory Specification wants them closed to others.
    missing.iter().rev().try_for_each(|path| make::dir_at(AT_FDCWD, &c_path(path), CLOSED).or_else(exists))
}

/// It is no failure that something is there already.
pub(crate) fn exists(errno: Errno) -> SysResult<()> {
    if errno == Errno::EEXIST { Ok(()) } else { Err(errno) }
}

fn refused(path: &Path, why: &str) -> Error {
    let mut message = b"cannot use ".to_vec();
    push_printable(&mut message, path);
    message.extend_from_slice(b": ");
    message.extend_from_slice(why.as_bytes());
    Error::new(ErrorKind::Unsafe, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_somebody_else_below_a_state_directory_of_ones_own_is_refused() {
        let place = Path::new("/var/tmp").join(format!("pinfold-state-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        let uid = stat::stat(&c_path(&place)).unwrap().owner;
        let top = open::path(&c_path(&place), true).unwrap();
        let refused = own_dir(top.as_fd(), c"name", uid + 1, true).unwrap_err();
        std::fs::remove_dir_all(&place).unwrap();
        assert!(refused.contains("somebody else"), "{refused}");
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let place = Path::new("/var/tmp").join(format!("pinfold-replace-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        let dir = open::dir_without_links(&c_path(&place)).unwrap();
        let part = place.join(format!("x.{}.part", std::process::id()));
        std::fs::write(part, "of a process that was killed").unwrap();
        for text in ["one", "two"] {
            replace(dir.as_fd(), c"x", text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(place.join("x")).unwrap(), text);
        }
        let left = std::fs::read_dir(&place).unwrap().count();
        std::fs::remove_dir_all(&place).unwrap();
        assert_eq!(left, 1);
    }
}
