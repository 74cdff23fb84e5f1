//! Judges the configurations that the program made, and limits how much is read for that.
//!
//! The program chooses the number of files, their length, and the number of hard links to each. So bytes, settings and
//! time are bounded, and a file with many names is read once. Beyond the bounds a file is set aside unread. So the look
//! ends soon, and no file escapes it because there are too many.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::harmless::{self, Rest};
use crate::sys::stat::Stat;
use crate::sys::{Result, content};

/// Bounds for one look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of one configuration. A longer one was made by no git.
    pub(super) file_bytes: u64,
    /// Of all configurations, read and written.
    pub(super) bytes: u64,
    /// Settings in all of them. A clone with its submodules has about ten for each.
    pub(super) settings: usize,
    /// Of one index. Half a million files take 50 MiB.
    pub(super) index_bytes: u64,
    /// Of all indexes.
    pub(super) indexes_bytes: u64,
    /// For reading configurations.
    pub(super) reading: Duration,
    /// For all, with the walk. A million directories take less.
    pub(super) all: Duration,
}

pub(super) const LIMITS: Limits = Limits {
    file_bytes: 1 << 20,
    bytes: 16 << 20,
    settings: 100_000,
    index_bytes: 256 << 20,
    indexes_bytes: 512 << 20,
    reading: Duration::from_secs(2),
    all: Duration::from_secs(10),
};

/// Why a file with more than one link is replaced by a copy.
pub(super) const OTHER_NAME: &str = "has another name (a hard link), under which a program could change it later";

/// What to do with a configuration.
pub(super) enum Verdict {
    Harmless,
    /// It is set aside, and this takes its place.
    Replace(Rest),
}

/// Reads configurations, within limits.
pub(super) struct Judge {
    /// What is left of the limits.
    limits: Limits,
    /// When all of it ends.
    end: Instant,
    /// What takes the place of files with more than one name, by device and inode number. Nothing here says that a
    /// file may stay: it can change under its other names.
    known: HashMap<(u64, u64), Rc<Verdict>>,
}

impl Judge {
    pub(super) fn new(limits: Limits) -> Judge {
        Judge { limits, end: Instant::now() + limits.all, known: HashMap::new() }
    }

    /// How long the whole look may take.
    pub(super) fn time(&self) -> Duration {
        self.limits.all
    }

    /// Whether the time for the whole look is over.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Reads the configuration `name` in `dir`. `about` is what that is, and `is_tree` tells whether a directory may be
    /// the work tree.
    pub(super) fn config(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        about: Stat,
        is_tree: &dyn Fn(&[u8]) -> bool,
    ) -> Rc<Verdict> {
        let identity = (about.device, about.inode);
        let verdict = match self.known.get(&identity) {
            Some(known) => Rc::clone(known),
            None => {
                let begun = Instant::now();
                // git has one. Each takes a walk up to the top of the workspace.
                let is_asked = Cell::new(false);
                let is_first_tree = |tree: &[u8]| !is_asked.replace(true) && is_tree(tree);
                let verdict = Rc::new(self.read(dir, name, about.has_more_names(), &is_first_tree));
                self.limits.reading = self.limits.reading.saturating_sub(begun.elapsed());
                // The work tree is relative to the directory.
                if about.has_more_names() && !is_asked.get() {
                    self.known.insert(identity, Rc::clone(&verdict));
                }
                verdict
            }
        };
        let text = match &*verdict {
            Verdict::Harmless => 0,
            Verdict::Replace(rest) => rest.text.len() as u64,
        };
        if self.spend(text) { verdict } else { Rc::new(unread()) }
    }

    /// Reads the index `name` in `dir`, or a part of one; `EFBIG` where that is too long, or all of them are.
    pub(super) fn index(&mut self, dir: BorrowedFd<'_>, name: &CStr) -> Result<Vec<u8>> {
        let text = content::read_at(dir, name, self.limits.index_bytes.min(self.limits.indexes_bytes))?;
        self.limits.indexes_bytes -= text.len() as u64;
        Ok(text)
    }

    /// A file that `has_more_names` never stays, however harmless it is: a program of a later run may write to it under
    /// another name, where nobody looks.
    fn read(
        &mut self,
        dir: BorrowedFd<'_>,
        name: &CStr,
        has_more_names: bool,
        is_tree: &dyn Fn(&[u8]) -> bool,
    ) -> Verdict {
        if self.limits.bytes == 0 || self.limits.settings == 0 || self.limits.reading.is_zero() {
            return unread();
        }
        let Ok(text) = content::read_at(dir, name, self.limits.file_bytes) else {
            let why = "is no file of settings (a new one is empty)".into();
            return Verdict::Replace(Rest { text: Vec::new(), why });
        };
        if !self.spend(text.len() as u64) {
            return unread();
        }
        match harmless::rest(&text, &mut self.limits.settings, is_tree) {
            Ok(None) if has_more_names => {
                Verdict::Replace(Rest { text, why: format!("{OTHER_NAME} (a new one says the same)") })
            }
            Ok(None) => Verdict::Harmless,
            Ok(Some(rest)) => Verdict::Replace(rest),
            Err(harmless::TooMany) => unread(),
        }
    }

    /// Takes `bytes` off what is left. If that is not enough, returns false, and nothing is left.
    fn spend(&mut self, bytes: u64) -> bool {
        let left = self.limits.bytes.checked_sub(bytes);
        self.limits.bytes = left.unwrap_or(0);
        left.is_some()
    }
}

fn unread() -> Verdict {
    let why = "was not read, since there are more settings in all than are looked at (a new one is empty)".into();
    Verdict::Replace(Rest { text: Vec::new(), why })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;
    use std::path::PathBuf;

    use super::*;
    use crate::sys::stat;

    /// A directory for one test, removed at its end.
    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Place {
            let path = PathBuf::from(format!("/var/tmp/pinfold-judge-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Place(path)
        }

        fn write(&self, name: &str, text: &str) {
            fs::write(self.0.join(name), text).unwrap();
        }

        /// What the file is replaced by, and why.
        fn judge(&self, judge: &mut Judge, name: &str) -> Option<(String, String)> {
            let dir = fs::File::open(&self.0).unwrap();
            let name = std::ffi::CString::new(name).unwrap();
            let about = stat::look_at(dir.as_fd(), &name).unwrap().unwrap();
            match &*judge.config(dir.as_fd(), &name, about, &|tree| tree == b"here") {
                Verdict::Harmless => None,
                Verdict::Replace(rest) => Some((String::from_utf8(rest.text.clone()).unwrap(), rest.why.clone())),
            }
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            assert!(fs::remove_dir_all(&self.0).is_ok() || std::thread::panicking(), "left behind");
        }
    }

    /// Time does not count here: a slow machine must not change what is found.
    const PATIENT: Limits = Limits { reading: Duration::MAX, all: Duration::from_secs(1 << 20), ..LIMITS };

    fn is_unread(found: &Option<(String, String)>) -> bool {
        found.as_ref().is_some_and(|(text, why)| text.is_empty() && why.starts_with("was not read"))
    }

    #[test]
    fn a_file_with_many_names_is_read_once() {
        let place = Place::new("names");
        let comment = format!("#{}\n", "x".repeat(100_000));
        let good = format!("{comment}[core]\n\tbare\n");
        for (name, text, rest) in
            [("good", &good, &good), ("bad", &format!("{comment}[core]\npager=x\n"), &String::new())]
        {
            place.write(name, text);
            let mut judge = Judge::new(PATIENT);
            for number in 0..100 {
                let other = format!("{name}{number}");
                fs::hard_link(place.0.join(name), place.0.join(&other)).unwrap();
                assert_eq!(place.judge(&mut judge, &other).map(|(text, _)| text).as_ref(), Some(rest), "{other}");
            }
            // Read once, and written a hundred times.
            let used = PATIENT.bytes - judge.limits.bytes;
            assert_eq!(used, (text.len() + 100 * rest.len()) as u64, "{name}");
            assert!(PATIENT.settings - judge.limits.settings <= 1, "{name}");
        }
        // What depends on where it lies is asked of each.
        place.write("tree", "[core]\nworktree=here\n");
        fs::hard_link(place.0.join("tree"), place.0.join("tree2")).unwrap();
        let mut judge = Judge::new(PATIENT);
        for name in ["tree", "tree2"] {
            let (text, why) = place.judge(&mut judge, name).unwrap();
            assert!(text == "[core]\nworktree=here\n" && why.starts_with(OTHER_NAME), "{name}: {why}");
        }
        assert!(judge.known.is_empty());
    }

    #[test]
    fn beyond_any_bound_nothing_is_read() {
        let place = Place::new("bounds");
        place.write("config", "[user]\n\tname = x\n\temail = x\n");
        let bounds = [
            Limits { bytes: 20, ..PATIENT },
            Limits { bytes: 0, ..PATIENT },
            Limits { settings: 1, ..PATIENT },
            Limits { settings: 0, ..PATIENT },
            Limits { reading: Duration::ZERO, ..PATIENT },
        ];
        for limits in bounds {
            let mut judge = Judge::new(limits);
            assert!(is_unread(&place.judge(&mut judge, "config")), "{limits:?}");
            // Not the next one either, though it may be shorter.
            place.write("short", "[core]\n\tbare\n");
            assert!(is_unread(&place.judge(&mut judge, "short")), "{limits:?}");
        }
        let mut judge = Judge::new(PATIENT);
        assert_eq!(place.judge(&mut judge, "config"), None);
        assert!(Judge::new(Limits { all: Duration::ZERO, ..PATIENT }).is_late() && !judge.is_late());
    }

    /// The same text may be written for each of its names.
    #[test]
    fn what_is_written_counts_too() {
        let place = Place::new("written");
        let name = "n".repeat(1000);
        place.write("config", &format!("[user]\n\tname = {name}\n[core]\n\tpager = x\n"));
        let mut judge = Judge::new(Limits { bytes: 6000, ..PATIENT });
        for number in 0..20 {
            fs::hard_link(place.0.join("config"), place.0.join(number.to_string())).unwrap();
            let found = place.judge(&mut judge, &number.to_string());
            assert_eq!(is_unread(&found), number >= 4, "{number}");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_never_empty() {
        let place = Place::new("kinds");
        place.write("file", "");
        std::os::unix::fs::symlink("file", place.0.join("link")).unwrap();
        fs::create_dir(place.0.join("dir")).unwrap();
        fs::File::create(place.0.join("sparse")).unwrap().set_len(1 << 31).unwrap();
        let dir = fs::File::open(&place.0).unwrap();
        crate::sys::make::special_at(dir.as_fd(), c"fifo", false).unwrap();
        let mut judge = Judge::new(PATIENT);
        for name in ["link", "dir", "sparse", "fifo"] {
            let (text, why) = place.judge(&mut judge, name).unwrap();
            assert!(text.is_empty() && why.starts_with("is no file of settings"), "{name}: {why}");
        }
        assert_eq!(place.judge(&mut judge, "file"), None);
    }

    #[test]
    fn a_second_work_tree_is_left_out() {
        let place = Place::new("trees");
        place.write("config", "[core]\nworktree=here\nworktree=here\n");
        let (text, _) = place.judge(&mut Judge::new(PATIENT), "config").unwrap();
        assert_eq!(text, "[core]\n\tworktree = \"here\"\n");
    }
}
