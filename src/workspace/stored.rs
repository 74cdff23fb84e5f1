//! Keeps the record of directories between runs: `pinfold/trees/NAME` in the user's state directory, one file for each
//! workspace.
//!
//! Whoever can write here decides what the next run does not look at. So each directory must belong to the user and be
//! closed to others, as must the file, and no link is followed. A record that does not fit is no error: the walk then
//! reads all directories.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::files::c_path;
use super::kept;
use super::tree::{Record, file_name};
use crate::sys::open;
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result, content, make};

/// The longest record, in bytes. That of 30,000 directories has about 2 MiB.
const MOST: usize = 16 << 20;

/// A smaller tree has no record, because reading it costs less than a file.
const FEWEST: usize = 64;

/// Whether a tree with this many directories gets a record.
pub(super) fn is_worth_it(directories: usize) -> bool {
    directories >= FEWEST
}

impl Record {
    /// The record of the directory `top` of the user `uid`, from the state directory. Empty if there is none that may
    /// be used.
    pub(super) fn load(state: &Path, uid: u32, top: &Path) -> Record {
        let name = file_name(top);
        // Most workspaces are small and have none. One call finds that out.
        let whole = state.join("pinfold/trees").join(name.to_str().unwrap_or_default());
        if stat::stat(&c_path(&whole)).is_err() {
            return Record::default();
        }
        let read = || {
            let dir = trees(state, uid, false)?;
            let about = stat::look_at(dir.as_fd(), &name)?.ok_or(Errno::ENOENT)?;
            let is_own = about.kind() == Some(Kind::File) && about.owner == uid && about.permissions() & 0o077 == 0;
            if is_own { content::read_at(dir.as_fd(), &name, MOST as u64) } else { Err(Errno::EPERM) }
        };
        read().ok().and_then(|bytes| Record::decode(&bytes, top)).unwrap_or_default()
    }

    /// Stores the record of `top`. The old one stays until the new one is complete. A record that is too large is
    /// removed.
    pub(super) fn save(&self, state: &Path, uid: u32, top: &Path) -> Result<()> {
        let (dir, name) = (trees(state, uid, true)?, file_name(top));
        let bytes = self.encode(top);
        if bytes.len() > MOST {
            return make::unlink_at(dir.as_fd(), &name).or_else(|errno| gone(errno, ()));
        }
        // Two runs in one workspace may end at the same time.
        let part = CString::new(format!("{}.{}", name.to_string_lossy(), std::process::id())).unwrap_or_default();
        make::unlink_at(dir.as_fd(), &part).or_else(|errno| gone(errno, ()))?;
        let file = make::new_file_at(dir.as_fd(), &part, 0o600)?;
        let written = content::write_all(file.as_fd(), &bytes)
            .and_then(|()| make::rename_over(dir.as_fd(), &part, dir.as_fd(), &name));
        if written.is_err() {
            let _removed = make::unlink_at(dir.as_fd(), &part).is_ok();
        }
        written
    }
}

fn gone<T>(errno: Errno, instead: T) -> Result<T> {
    if errno == Errno::ENOENT { Ok(instead) } else { Err(errno) }
}

/// The directory of the records. `makes` says whether to make what is missing.
fn trees(state: &Path, uid: u32, makes: bool) -> Result<OwnedFd> {
    const BELOW: [&CStr; 2] = [c"pinfold", c"trees"];
    if makes {
        kept::make_all(state)?;
    }
    let mut dir = open::path(&c_path(state), true)?;
    if stat::fstat(dir.as_fd())?.owner != uid || state.as_os_str().as_bytes().is_empty() {
        return Err(Errno::EPERM);
    }
    for name in BELOW {
        dir = kept::own_dir(dir.as_fd(), name, uid, makes).map_err(|_| Errno::EPERM)?.ok_or(Errno::ENOENT)?;
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::PathBuf;
    use std::sync::Arc;

    use super::*;
    use crate::spec::SeenDir;

    struct Place(PathBuf, u32);

    impl Place {
        fn new(name: &str) -> Place {
            let path = PathBuf::from(format!("/var/tmp/pinfold-stored-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            let uid = fs::metadata(&path).unwrap().uid();
            Place(path, uid)
        }

        fn load(&self) -> Record {
            Record::load(&self.0.join("state"), self.1, Path::new("/top"))
        }

        fn save(&self) -> Record {
            let mut record = Record::default();
            record.dirs.insert((1, 2), Arc::new(SeenDir { changed: (3, 4), ..SeenDir::default() }));
            record.save(&self.0.join("state"), self.1, Path::new("/top")).unwrap();
            record
        }

        fn file(&self) -> PathBuf {
            let name = file_name(Path::new("/top"));
            self.0.join("state/pinfold/trees").join(name.to_str().unwrap())
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            assert!(fs::remove_dir_all(&self.0).is_ok() || std::thread::panicking(), "left behind");
        }
    }

    #[test]
    fn what_was_stored_is_found_and_closed_to_others() {
        let place = Place::new("kept");
        assert_eq!(place.load(), Record::default());
        let record = place.save();
        assert_eq!(place.load(), record);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let trees = place.file().parent().unwrap().to_owned();
        assert_eq!((mode(&place.file()), mode(&trees), fs::read_dir(&trees).unwrap().count()), (0o600, 0o700, 1));
        assert_eq!(Record::load(&place.0.join("state"), place.1, Path::new("/other")), Record::default());
    }

    #[test]
    fn what_others_can_write_is_not_used() {
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        for part in ["", "state/pinfold/trees", "state/pinfold"] {
            let place = Place::new("open");
            let record = place.save();
            let path = if part.is_empty() { place.file() } else { place.0.join(part) };
            open(&path, 0o755);
            assert_eq!(place.load(), Record::default(), "{part}");
            open(&path, if part.is_empty() { 0o600 } else { 0o700 });
            assert_eq!(place.load(), record, "{part}");
            let (uid, state) = (place.1 + 1, place.0.join("state"));
            assert_eq!(Record::load(&state, uid, Path::new("/top")), Record::default());
            assert_eq!(record.save(&state, uid, Path::new("/top")), Err(Errno::EPERM));
            // A link in its place, to the same.
            fs::rename(&path, place.0.join("moved")).unwrap();
            symlink(place.0.join("moved"), &path).unwrap();
            assert_eq!(place.load(), Record::default(), "{part}");
        }
    }
}
