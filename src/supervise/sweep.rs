//! Watched names, which must not appear during the run. They are looked for before the box begins, and again when no
//! process lives in it any more.
//!
//! There may be more directories than descriptors, so none is held open meanwhile. Instead the file's identity is
//! remembered. Afterwards the path must lead to the same directory, and no link is followed on it.

use std::cmp::Ordering;
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use super::findings::Found;
use crate::protocol::{Failure, Stage};
use crate::spec::path::join;
use crate::spec::{Lifecycle, Watch};
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Stat};
use crate::sys::{Errno, Result};
use crate::workspace::folded_name;

/// A look takes at most this long. A million names take a second, and a program can make more.
const TIME: Duration = Duration::from_secs(5);

/// The names to look for after the run.
pub(super) struct Sweep {
    dirs: Vec<Dir>,
}

/// A watched directory, and the watched names that it did not contain.
struct Dir {
    /// Index of [`crate::spec::Lifecycle::watch`].
    watch: usize,
    was: Stat,
    /// Indices into the names of the watch, sorted by name ([`compare`]).
    absent: Vec<usize>,
}

/// Up to this many names are asked for one by one. For more, the directory is listed.
const FEW: usize = 6;

impl Sweep {
    /// Notes which watched names are absent. Makes no system call if nothing is watched.
    pub(super) fn before(lifecycle: &Lifecycle) -> std::result::Result<Sweep, Failure> {
        let end = Instant::now() + TIME;
        let look = |(index, watch): (usize, &Watch)| {
            let failed = |errno: Errno| Failure::nth(Stage::Watch, index, errno as i32);
            if let Some(wrong) = watch.names.iter().find(|name| !is_name(name)) {
                return Err(Failure { detail: Some((**wrong).to_owned()), ..failed(Errno::EINVAL) });
            }
            let open = open::dir_without_links(&watch.dir).map_err(failed)?;
            let was = stat::look_at_open(open.as_fd()).map_err(failed)?;
            let mut all: Vec<usize> = (0..watch.names.len()).collect();
            all.sort_unstable_by(|&one, &other| compare(watch.names[one].to_bytes(), watch.names[other].to_bytes()));
            let present = present(open.as_fd(), watch, &all, end).map_err(failed)?;
            all.retain(|name| !present.contains(name));
            Ok(Dir { watch: index, was, absent: all })
        };
        lifecycle.watch.iter().enumerate().map(look).collect::<std::result::Result<_, _>>().map(|dirs| Sweep { dirs })
    }

    /// Looks again, and returns what was found.
    pub(super) fn after(&self, lifecycle: &Lifecycle) -> Vec<Found> {
        self.after_within(lifecycle, TIME)
    }

    fn after_within(&self, lifecycle: &Lifecycle, time: Duration) -> Vec<Found> {
        let end = Instant::now() + time;
        let mut found = Vec::new();
        for dir in self.dirs.iter().filter(|dir| !dir.absent.is_empty()) {
            let Some(watch) = lifecycle.watch.get(dir.watch) else { continue };
            let Ok(open) = dir.open_again(&watch.dir) else {
                found.push(Found::Unseen { path: watch.dir.clone() });
                continue;
            };
            let present = present(open.as_fd(), watch, &dir.absent, end);
            for &index in present.as_deref().unwrap_or_default() {
                let name = &watch.names[index];
                let reason = watch.reasons.iter().find(|(known, _)| **known == **name);
                let reason = reason.map(|(_, reason)| reason.clone());
                found.push(Found::Appeared { path: join(&watch.dir, name), reason });
            }
            match present {
                Ok(_) => {}
                // No time is left for the other directories either. That is reported once.
                Err(Errno::ETIME) if found.iter().any(|found| matches!(found, Found::CutShort { .. })) => {}
                Err(Errno::ETIME) => found.push(Found::CutShort { path: watch.dir.clone(), seconds: time.as_secs() }),
                Err(_) => found.push(Found::Unseen { path: watch.dir.clone() }),
            }
        }
        found
    }
}

/// Returns which names of `watch` are in `dir`. Takes and returns indices of names, sorted by name. Fails with `ETIME`
/// if listing `dir` is not done by `end`.
fn present(dir: BorrowedFd<'_>, watch: &Watch, sorted: &[usize], end: Instant) -> Result<Vec<usize>> {
    let listed = if sorted.len() > FEW { open::any_mount(dir, c".", For::Listing) } else { Err(Errno::EACCES) };
    let mut present = Vec::new();
    match listed {
        Ok(listed) => {
            let mut entries = Entries::new();
            let mut places = Vec::new();
            while entries.read(listed.as_fd())? {
                if Instant::now() >= end {
                    return Err(Errno::ETIME);
                }
                for (name, _) in entries.iter() {
                    // Folded once per entry and not for each watched name, because a program can make any number of
                    // entries.
                    let folded = folded_name(name.to_bytes());
                    let listed = folded.as_deref().unwrap_or(name.to_bytes());
                    let place = sorted.binary_search_by(|&index| compare(watch.names[index].to_bytes(), listed)).ok();
                    let is_it = |&place: &usize| is_that(dir, name, &watch.names[sorted[place]]);
                    places.extend(place.filter(is_it));
                }
            }
            // A name can be listed twice while another process changes the directory.
            places.sort_unstable();
            places.dedup();
            present.extend(places.into_iter().map(|place| sorted[place]));
        }
        // A directory that cannot be listed can still be asked for a name. (Few names are looked for like this too.)
        Err(Errno::EACCES) => {
            for &index in sorted {
                if stat::has_name(dir, &watch.names[index])? {
                    present.push(index);
                }
            }
        }
        Err(errno) => return Err(errno),
    }
    Ok(present)
}

/// Compares names and ignores the case of ASCII letters.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let [one, other] = [one, other].map(|name| name.iter().map(u8::to_ascii_lowercase));
    one.cmp(other)
}

/// Whether the entry `listed`, which is `name` in another spelling, can be opened as `name`. Some filesystems do not
/// tell them apart. On others both may exist.
fn is_that(dir: BorrowedFd<'_>, listed: &CStr, name: &CStr) -> bool {
    listed == name || stat::has_name(dir, name).unwrap_or(true)
}

/// Whether this is the name of a file and not a path.
fn is_name(name: &CStr) -> bool {
    !matches!(name.to_bytes(), b"" | b"." | b"..") && !name.to_bytes().contains(&b'/')
}

impl Dir {
    fn open_again(&self, path: &CStr) -> Result<OwnedFd> {
        let open = open::dir_without_links(path)?;
        if stat::look_at_open(open.as_fd())?.is_same_file(self.was) { Ok(open) } else { Err(Errno::ESTALE) }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::spec::Spec;

    /// A directory for one test, in which more names are watched than are asked for one by one.
    struct Place(PathBuf, Lifecycle);

    impl Place {
        fn new(name: &str) -> Place {
            let path = PathBuf::from(format!("/var/tmp/pinfold-sweep-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            let dir = std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap();
            let names = [c"a", c"b", c"c", c"d", c"e", c"f", c"k", c"\u{e9}"].map(Cow::Borrowed).to_vec();
            let watch = Watch { dir, names, reasons: Vec::new() };
            Place(path, Lifecycle { watch: vec![watch], ..Spec::new(Vec::new()).lifecycle })
        }

        fn appeared(name: &str, path: &std::path::Path) -> Found {
            let path = std::ffi::CString::new(path.join(name).as_os_str().as_encoded_bytes()).unwrap();
            Found::Appeared { path, reason: None }
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            assert!(fs::remove_dir_all(&self.0).is_ok() || std::thread::panicking(), "left behind");
        }
    }

    #[test]
    fn names_of_any_letters_are_found_in_a_list() {
        let place = Place::new("letters");
        let sweep = Sweep::before(&place.1).ok().unwrap();
        // U+212A is a small "k" to some filesystems, but not to this one.
        for name in ["b", "\u{e9}", "\u{212a}", "A", "\u{200b}"] {
            fs::write(place.0.join(name), "").unwrap();
        }
        let found = sweep.after(&place.1);
        assert_eq!(found, ["b", "\u{e9}"].map(|name| Place::appeared(name, &place.0)));
    }

    /// Without any time, it is said where the look ended.
    #[test]
    fn a_look_without_time_says_where_it_ended() {
        let place = Place::new("late");
        let sweep = Sweep::before(&place.1).ok().unwrap();
        fs::write(place.0.join("b"), "").unwrap();
        let found = sweep.after_within(&place.1, Duration::ZERO);
        let cut = Found::CutShort { path: place.1.watch[0].dir.clone(), seconds: 0 };
        assert_eq!(found, [cut]);
        let line = String::from_utf8(found[0].line()).unwrap();
        assert_eq!(line, format!("the look for what appeared ended after 0 seconds in {}", place.0.display()));
    }
}
