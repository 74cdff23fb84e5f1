//! Walks through small trees, with and without a record of them.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::workspace::bounds::{BOUNDS, Budget};
use crate::workspace::obeyed;

/// A directory for one test, removed at its end.
struct Place(PathBuf);

const SOUND: Promises = Promises { marks_last: false, sound_times: true };

impl Place {
    fn new(name: &str) -> Place {
        let path = PathBuf::from(format!("/var/tmp/pinfold-walk-{}-{name}", std::process::id()));
        for dir in
            ["a/b/c", "a/.git/hooks", "a/node_modules/x/.vscode", "d", "bare/refs", "bare/objects", "bare/in/.vscode"]
        {
            fs::create_dir_all(path.join(dir)).unwrap();
        }
        for file in ["a/file", "a/.Envrc", "d/.envrc", "bare/HEAD", "a/b/c/x.code-workspace", ".npmrc", "bare/.envrc"] {
            fs::write(path.join(file), "").unwrap();
        }
        symlink("../a", path.join("d/link")).unwrap();
        symlink("/none", path.join("d/.mcp.json")).unwrap();
        Place(path)
    }

    /// Seconds after its directories were changed.
    fn walk_at(&self, seconds: i64, known: &Record, promises: Promises) -> Walked {
        let about = fs::metadata(&self.0).unwrap();
        let now = (about.ctime() + seconds, 0);
        let rules = Rules { now, promises: &|_| promises };
        walk_by(&self.0, about.uid(), &mut Budget::new(BOUNDS), known, &rules).unwrap()
    }

    /// The same, as if the tree were worth a record.
    fn walk(&self, known: &Record) -> Walked {
        self.walk_at(60, known, SOUND)
    }

    /// A record of all directories. Its first walk knows one that is not there.
    fn record(&self) -> Record {
        self.walk(&other()).record
    }

    fn short(&self, path: &Path) -> String {
        path.strip_prefix(&self.0).unwrap().to_str().unwrap().to_owned()
    }

    fn obeyed(&self, names: &[Obeyed]) -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(|name| self.short(&name.path)).collect();
        names.sort();
        names
    }
}

/// A record of something else.
fn other() -> Record {
    let mut record = Record::default();
    record.dirs.insert((0, 0), Arc::new(SeenDir::default()));
    record
}

impl Drop for Place {
    fn drop(&mut self) {
        assert!(fs::remove_dir_all(&self.0).is_ok() || std::thread::panicking(), "left behind");
    }
}

/// All directories but `.git` and those of git itself in `bare`.
const DIRS: usize = 11;

#[test]
fn obeyed_names_are_found_at_any_depth() {
    let place = Place::new("obeyed");
    let walked = place.walk(&Record::default());
    assert_eq!(place.obeyed(&walked.obeyed), ["a/.Envrc", "a/b/c/x.code-workspace", "d/.envrc", "d/.mcp.json"]);
    assert_eq!(place.obeyed(&walked.removable), ["a/node_modules/x/.vscode"]);
    let link = walked.obeyed.iter().find(|name| name.path.ends_with(".mcp.json")).unwrap();
    assert_eq!((link.entry, link.kind), (Some(Kind::Link), obeyed::Kind::File));
    assert_eq!(walked.dots, [c".npmrc".to_owned()]);
    assert_eq!((walked.dot_gits.len(), walked.bare.len(), walked.read), (1, 1, DIRS));
    // Not worth a record.
    assert_eq!((walked.record, walked.asked), (Record::default(), 0));
}

#[test]
fn what_tools_fill_is_known_by_what_is_in_it() {
    let place = Place::new("tools");
    for (dir, mark) in [("env", "pyvenv.cfg"), ("target", "CACHEDIR.TAG")] {
        fs::create_dir_all(place.0.join(dir).join("deep/.vscode")).unwrap();
        fs::write(place.0.join(dir).join(mark), "").unwrap();
    }
    let removable = ["a/node_modules/x/.vscode", "env/deep/.vscode", "target/deep/.vscode"];
    assert_eq!(place.obeyed(&place.walk(&Record::default()).removable), removable);
    // At the top it says nothing.
    fs::write(place.0.join("CACHEDIR.TAG"), "").unwrap();
    let walked = place.walk(&Record::default());
    assert_eq!(place.obeyed(&walked.removable), removable);
    assert_eq!(walked.obeyed.len(), 4);
}

#[test]
fn a_tree_that_has_not_changed_is_asked_and_not_read() {
    let place = Place::new("same");
    let first = place.walk(&other());
    assert_eq!((first.read, first.record.dirs.len()), (DIRS, DIRS));
    let stored = Record::decode(&first.record.encode(&place.0), &place.0).unwrap();
    let second = place.walk(&stored);
    assert_eq!((second.asked, second.read), (DIRS - 1, 0), "the top is opened");
    assert_eq!(second.record, first.record);
    assert_eq!((second.obeyed, second.removable), (first.obeyed, first.removable));
    assert_eq!((second.dot_gits, second.bare, second.dots), (first.dot_gits, first.bare, first.dots));
}

#[test]
fn a_directory_that_has_changed_is_read() {
    let place = Place::new("changed");
    let known = place.record();
    fs::create_dir(place.0.join("a/b/.git")).unwrap();
    let walked = place.walk(&known);
    assert_eq!((walked.dot_gits.len(), walked.read), (2, 1), "a/b");
    // Another directory under the same name, and one under another name.
    fs::rename(place.0.join("d"), place.0.join("e")).unwrap();
    fs::create_dir(place.0.join("d")).unwrap();
    let walked = place.walk(&walked.record);
    assert_eq!(place.obeyed(&walked.obeyed)[2..], ["e/.envrc", "e/.mcp.json"]);
    // A link in place of a directory.
    fs::remove_dir(place.0.join("d")).unwrap();
    symlink("a", place.0.join("d")).unwrap();
    assert_eq!(place.obeyed(&place.walk(&walked.record).obeyed).len(), 4);
    // A name that is gone.
    fs::remove_file(place.0.join("e/.envrc")).unwrap();
    assert_eq!(place.obeyed(&place.walk(&walked.record).obeyed).len(), 3);
}

#[test]
fn a_time_that_may_not_count_does_not() {
    let place = Place::new("young");
    for (seconds, promises) in [(1, SOUND), (-5, SOUND), (60, Promises::default())] {
        assert_eq!(place.walk_at(seconds, &other(), promises).record, Record::default(), "{seconds}");
    }
    // Recorded where times counted, and asked where they do not.
    let known = place.record();
    let walked = place.walk_at(60, &known, Promises::default());
    assert_eq!((walked.read, walked.asked), (DIRS, 0));
}

/// The first directories are recorded too, although they were read before it showed that there are enough.
#[test]
fn a_large_tree_is_recorded_from_the_first_walk_on() {
    let place = Place::new("large");
    for number in 0..64 {
        fs::create_dir_all(place.0.join(format!("many/{number}/in"))).unwrap();
    }
    let first = place.walk(&Record::default());
    assert_eq!((first.read, first.record.dirs.len(), first.asked), (DIRS + 129, DIRS + 129, 0));
    assert_eq!(place.walk(&first.record).read, 0);
}

#[test]
fn a_deep_tree_is_recorded_and_found_again() {
    let place = Place::new("deep");
    let name = CString::new("d".repeat(250)).unwrap();
    let mut dir = open::path(&c_path(&place.0), true).unwrap();
    for _ in 0..80 {
        crate::sys::make::dir_at(dir.as_fd(), &name, 0o700).unwrap();
        dir = open::dir_at(dir.as_fd(), &name).unwrap();
    }
    crate::sys::make::dir_at(dir.as_fd(), c".git", 0o700).unwrap();
    let first = place.walk(&Record::default());
    assert_eq!((first.read, first.record.dirs.len(), first.too_deep.is_some()), (DIRS + 80, DIRS + 80, true));
    let second = place.walk(&first.record);
    assert_eq!((second.read, second.asked, second.too_deep), (0, DIRS + 79, first.too_deep));
}

/// An owner could change its mode, and a record says nothing about it.
#[test]
fn a_closed_directory_stops_the_walk() {
    let place = Place::new("closed");
    let known = place.record();
    let mode = |mode| fs::set_permissions(place.0.join("a/b"), fs::Permissions::from_mode(mode)).unwrap();
    mode(0);
    let can_read = fs::read_dir(place.0.join("a/b")).is_ok();
    for known in [&Record::default(), &known] {
        let rules = Rules { now: (i64::MAX, 0), promises: &|_| SOUND };
        let uid = fs::metadata(&place.0).unwrap().uid();
        let walked = walk_by(&place.0, uid, &mut Budget::new(BOUNDS), known, &rules);
        assert_eq!(walked.is_ok(), can_read, "only root can read it");
    }
    mode(0o700);
}
