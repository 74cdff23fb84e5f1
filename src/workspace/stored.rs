//! Keeps the record of directories between runs: `pinfold/trees/NAME` in the user's state directory, one file for each
//! workspace.
//!
//! Whoever can write here decides what the next run does not look at. So the file must belong to the user and be closed
//! to others, as its directories must ([`crate::state`]). Otherwise the walk reads all directories.

use std::ffi::CStr;
use std::os::fd::AsFd;
use std::path::Path;

use super::files::c_path;
use super::tree::Record;
use crate::error::{Error, ErrorKind, push_printable};
use crate::state;
use crate::sys::stat::{self, Kind, Stat};
use crate::sys::{content, error_text, make};

/// The directory of the records, in that of pinfold.
const NAME: &CStr = c"trees";

/// The longest record, in bytes. That of 30,000 directories has about 2 MiB.
const MOST: usize = 16 << 20;

/// A smaller tree has no record, because reading it costs less than a file.
const FEWEST: usize = 64;

/// Whether a tree with this many directories gets a record.
pub(super) fn is_worth_it(directories: usize) -> bool {
    directories >= FEWEST
}

impl Record {
    /// The record of the directory `top` of the user `uid`, from the state directory. Empty if there is none, or none
    /// that fits.
    ///
    /// # Errors
    /// It is there, but somebody else could have written it.
    pub(super) fn load(state: &Path, uid: u32, top: &Path) -> Result<Record, Error> {
        let name = state::file_for(top);
        // Most workspaces are small and have none. One call finds that out.
        let whole = state.join("pinfold/trees").join(name.to_str().unwrap_or_default());
        if stat::stat(&c_path(&whole)).is_err() {
            return Ok(Record::default());
        }
        let Some(dir) = state::find(state, NAME, uid)? else { return Ok(Record::default()) };
        let about = stat::look_at(dir.as_fd(), &name).ok().flatten();
        if about.is_some_and(|about| !is_own(about, uid)) {
            let mut message = b"cannot use ".to_vec();
            push_printable(&mut message, &whole);
            message.extend_from_slice(b": it must be a file of your own that is closed to others");
            return Err(Error::new(ErrorKind::Unsafe, message));
        }
        let bytes = content::read_at(dir.as_fd(), &name, MOST as u64).ok();
        Ok(bytes.and_then(|bytes| Record::decode(&bytes, top)).unwrap_or_default())
    }

    /// Stores the record of `top`. The old one stays until the new one is complete. A record that is too large is
    /// removed.
    pub(super) fn save(&self, state: &Path, uid: u32, top: &Path) -> Result<(), Error> {
        let (dir, name) = (state::open(state, NAME, uid)?, state::file_for(top));
        let bytes = self.encode(top);
        let stored = if bytes.len() > MOST {
            make::unlink_at(dir.as_fd(), &name)
        } else {
            state::replace(dir.as_fd(), &name, &bytes)
        };
        stored.map_err(|errno| Error::new(ErrorKind::Failed, error_text(errno as i32)))
    }
}

fn is_own(about: Stat, uid: u32) -> bool {
    about.kind() == Some(Kind::File) && about.owner == uid && about.permissions() & 0o077 == 0
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
            Record::load(&self.0.join("state"), self.1, Path::new("/top")).unwrap()
        }

        fn refused(&self) -> bool {
            Record::load(&self.0.join("state"), self.1, Path::new("/top")).is_err()
        }

        fn save(&self) -> Record {
            let mut record = Record::default();
            record.dirs.insert((1, 2), Arc::new(SeenDir { changed: (3, 4), ..SeenDir::default() }));
            record.save(&self.0.join("state"), self.1, Path::new("/top")).unwrap();
            record
        }

        fn file(&self) -> PathBuf {
            let name = state::file_for(Path::new("/top"));
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
        assert_eq!(Record::load(&place.0.join("state"), place.1, Path::new("/other")).unwrap(), Record::default());
    }

    #[test]
    fn what_others_can_write_is_not_used() {
        let open = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        for part in ["", "state/pinfold/trees", "state/pinfold"] {
            let place = Place::new("open");
            let record = place.save();
            let path = if part.is_empty() { place.file() } else { place.0.join(part) };
            open(&path, 0o755);
            assert!(place.refused(), "{part}");
            open(&path, if part.is_empty() { 0o600 } else { 0o700 });
            assert_eq!(place.load(), record, "{part}");
            let (uid, state) = (place.1 + 1, place.0.join("state"));
            assert!(Record::load(&state, uid, Path::new("/top")).is_err());
            assert!(record.save(&state, uid, Path::new("/top")).is_err());
            // A link in its place, to the same.
            fs::rename(&path, place.0.join("moved")).unwrap();
            symlink(place.0.join("moved"), &path).unwrap();
            assert!(place.refused(), "{part}");
        }
    }
}
