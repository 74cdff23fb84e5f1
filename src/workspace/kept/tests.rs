//! The store, what is put back, and what is taken.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::put_back::Outcome;
use super::*;
use crate::spec::FileId;

/// A directory for one test, removed at its end, with a state directory in it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let path = PathBuf::from(format!("/var/tmp/pinfold-kept-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("state")).unwrap();
        Place(path)
    }

    fn uid(&self) -> u32 {
        fs::metadata(&self.0).unwrap().uid()
    }

    fn store(&self) -> Store {
        Store::open(&self.0.join("state"), self.uid()).unwrap()
    }

    fn kept(&self) -> PathBuf {
        self.0.join("state/pinfold/kept")
    }

    fn said(&self) -> String {
        Store::open(&self.0.join("state"), self.uid()).unwrap_err().to_string()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn close(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_store_is_made_for_its_user_alone() {
    let place = Place::new("made");
    assert!(Store::find(&place.0.join("state"), place.uid()).unwrap().is_none());
    assert!(Store::find(&place.0.join("nowhere"), place.uid()).unwrap().is_none());
    assert!(fs::read_dir(place.0.join("state")).unwrap().next().is_none(), "a look has made something");
    let deep = place.0.join("home/.local/state");
    Store::open(&deep, place.uid()).unwrap();
    for dir in [deep.clone(), deep.join("pinfold"), deep.join("pinfold/kept")] {
        assert_eq!(mode(&dir), 0o700, "{dir:?}");
    }
    let store = Store::find(&deep, place.uid()).unwrap().unwrap();
    let can_list = statfs::lists_inodes(store.dir.as_fd()).unwrap();
    assert_eq!(store.can_hold_changes(), can_list, "an ordinary filesystem holds changes, an overlay does not");
}

/// Root could make one.
#[test]
fn no_store_is_made_in_a_home_that_does_not_exist() {
    let state = Path::new("/nonexistent-home-of-pinfold/.local/state");
    assert!(Store::open(state, 0).is_err() && !Store::may_hold_changes(state, 0).unwrap());
    assert!(!state.ancestors().nth(2).unwrap().exists());
}

#[test]
fn a_store_that_others_may_use_is_refused_and_the_reason_is_said() {
    let place = Place::new("refused");
    place.store();
    close(&place.kept(), 0o750);
    assert!(place.said().contains("mode 750"), "{}", place.said());
    close(&place.kept(), 0o700);
    fs::rename(place.kept(), place.0.join("elsewhere")).unwrap();
    symlink(place.0.join("elsewhere"), place.kept()).unwrap();
    assert!(place.said().contains("it is a link"), "{}", place.said());
    fs::remove_file(place.kept()).unwrap();
    fs::write(place.kept(), "").unwrap();
    assert!(place.said().contains("Not a directory"), "{}", place.said());
    let other = Store::open(&place.0.join("state"), place.uid() + 1).unwrap_err().to_string();
    assert!(other.contains("somebody else"), "{other}");
}

#[test]
fn a_run_that_lives_is_told_from_one_that_has_ended() {
    let place = Place::new("lock");
    let store = place.store();
    let first = store.begin().unwrap();
    let second = store.begin().unwrap();
    assert_eq!((first.id.as_str(), second.id.as_str()), ("k1", "k2"));
    assert!(matches!(store.lock("k1").unwrap(), Locked::Alive));
    assert!(store.dead().unwrap().is_empty());
    drop(first);
    let dead = store.dead().unwrap();
    assert_eq!(dead.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["k1"]);
    assert!(matches!(place.store().lock("k1").unwrap(), Locked::Alive), "two put the same in order");
    for name in ["k3", "k01", "..", "k1/../k2", "", "k", "k-1"] {
        assert!(matches!(store.lock(name).unwrap(), Locked::Missing), "{name}");
    }
    store.remove(&dead[0]).unwrap();
    assert_eq!(store.ids().unwrap(), ["k2"]);
    // A number is not used again while a later one stands.
    assert_eq!(store.begin().unwrap().id, "k3");
}

#[test]
fn a_record_is_read_as_it_was_written_and_others_are_not() {
    let place = Place::new("record");
    let entry = place.store().begin().unwrap();
    assert_eq!(entry.read().unwrap(), None);
    let odd = PathBuf::from(OsStr::from_bytes(b"/p/\xff\"\n"));
    let id = |born| FileId { device: 1, inode: u64::MAX, born };
    let record = Record {
        started: -1,
        command: "sh -c \u{1b}[2J".into(),
        place: odd.clone(),
        first: Some((2, u64::MAX)),
        writable: vec!["/w".into(), odd.clone()],
        overlays: vec![
            Overlay { path: odd.join(".git"), id: id(Some((7, 8))), is_git: true },
            Overlay { path: "/a".into(), id: id(None), is_git: false },
        ],
        files: vec![Copied { path: odd, mode: 0o644, modified: (3, 4) }],
        is_put_back: true,
        is_ended: true,
        attempts: 2,
        left: Some("why".into()),
    };
    entry.write(&record).unwrap();
    entry.write(&record).unwrap();
    assert_eq!(entry.read().unwrap(), Some(record.clone()));
    let text = record.json();
    assert!(!text.contains('\u{1b}'));
    for wrong in [
        text.replace("\"version\":1", "\"version\":2"),
        text.replace("\"/a\"", "\"a\""),
        text.replace("644", "-1").replace("420", "-1"),
        text[..text.len() - 3].to_owned(),
        "[]".into(),
        String::new(),
    ] {
        assert_eq!(Record::parse(wrong.as_bytes()), None, "{wrong}");
    }
    // A link in place of the record.
    let path = place.kept().join("k1.run/record.json");
    fs::rename(&path, place.0.join("r")).unwrap();
    symlink(place.0.join("r"), &path).unwrap();
    assert_eq!(entry.read(), Err(Errno::ELOOP));
}

#[test]
fn an_entry_is_removed_however_deep_and_closed_it_is() {
    let place = Place::new("remove");
    let store = place.store();
    let entry = store.begin().unwrap();
    entry.make_overlay(0, b"base").unwrap();
    assert_eq!(entry.base(0).unwrap(), b"base");
    let outside = place.0.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "").unwrap();
    let upper = place.kept().join("k1.run/0/upper");
    symlink(&outside, upper.join("link")).unwrap();
    fs::create_dir_all(place.kept().join("k1.run/0/work/work/inside")).unwrap();
    close(&place.kept().join("k1.run/0/work/work"), 0);
    // Deeper than a path may be long.
    let mut dir = open::path(&c_path(upper.as_os_str()), true).unwrap();
    let name = c_name("d".repeat(200));
    for _ in 0..100 {
        make::dir_at(dir.as_fd(), &name, 0o500 | 0o200).unwrap();
        dir = open::dir_at(dir.as_fd(), &name).unwrap();
        make::file_at(dir.as_fd(), c"f", 0).unwrap();
    }
    store.remove(&entry).unwrap();
    assert!(fs::read_dir(place.kept()).unwrap().next().is_none());
    assert!(outside.join("file").exists(), "a link was followed");
}

#[test]
fn a_changed_file_is_put_back_and_both_versions_are_there() {
    let place = Place::new("put-back");
    let entry = place.store().begin().unwrap();
    let file = place.0.join("dir/.envrc");
    fs::create_dir(place.0.join("dir")).unwrap();
    let new = place.kept().join("k1.run/files/0.new");
    let fresh = || {
        let _nothing = fs::remove_dir_all(place.0.join("dir"));
        fs::create_dir(place.0.join("dir")).unwrap();
        fs::write(&file, "old").unwrap();
        close(&file, 0o640);
        put_back::copy(&entry, 0, &file).unwrap().unwrap()
    };
    let is_back = || (fs::read_to_string(&file).unwrap().as_str(), mode(&file)) == ("old", 0o640);
    let restore = |copied: &Copied| put_back::restore(&entry, 0, copied, |bytes| bytes == b"mine", false).unwrap();
    let names = || fs::read_dir(place.0.join("dir")).unwrap().count();

    let copied = fresh();
    assert_eq!(restore(&copied), Outcome::Same);
    close(&file, 0o755);
    assert_eq!(restore(&copied), Outcome::Same);
    assert!(is_back());

    fs::remove_file(&file).unwrap();
    fs::write(&file, "new").unwrap();
    assert_eq!(restore(&copied), Outcome::PutBack);
    let about = fs::metadata(&file).unwrap();
    assert!(is_back() && (about.mtime(), about.mtime_nsec()) == copied.modified && names() == 1);
    assert_eq!(fs::read_to_string(&new).unwrap(), "new");
    // As after a kill: the same again, with what was left in between.
    fs::write(place.0.join("dir/.pinfold-k1-0"), "ol").unwrap();
    assert_eq!(restore(&copied), Outcome::Same);
    assert!(is_back() && names() == 1 && new.exists());

    fs::write(&file, "mine").unwrap();
    assert_eq!(restore(&copied), Outcome::Own);
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

    let copied = fresh();
    fs::remove_dir_all(place.0.join("dir")).unwrap();
    assert_eq!(restore(&copied), Outcome::Restored);
    assert!(is_back());
}

#[test]
fn what_is_no_small_file_is_set_aside_and_no_link_is_followed() {
    let place = Place::new("set-aside");
    let entry = place.store().begin().unwrap();
    let (file, victim) = (place.0.join("dir/.envrc"), place.0.join("victim"));
    fs::create_dir(place.0.join("dir")).unwrap();
    fs::write(&victim, "victim").unwrap();
    fs::write(&file, "old").unwrap();
    let copied = put_back::copy(&entry, 0, &file).unwrap().unwrap();
    let restore = || put_back::restore(&entry, 0, &copied, |_| false, false);
    let makes: [&dyn Fn(); 3] =
        [&|| symlink(&victim, &file).unwrap(), &|| fs::create_dir_all(file.join("inner")).unwrap(), &|| {
            fs::write(&file, vec![0; put_back::MOST as usize + 1]).unwrap()
        }];
    for (number, make) in makes.iter().enumerate() {
        fs::remove_file(&file).unwrap();
        make();
        let aside =
            if number == 0 { ".envrc.from-sandbox".into() } else { format!(".envrc.from-sandbox.{}", number + 1) };
        assert_eq!(restore(), Ok(Outcome::SetAside(c_name(aside))));
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "victim");
    // A link in place of the directory.
    fs::rename(place.0.join("dir"), place.0.join("moved")).unwrap();
    symlink(&place.0, place.0.join("dir")).unwrap();
    assert_eq!(restore(), Ok(Outcome::Away(Errno::ELOOP)));
    assert_eq!(fs::read_to_string(place.kept().join("k1.run/files/0.new")).unwrap(), "old");
    assert!(!place.0.join(".envrc").exists());
    fs::remove_file(place.0.join("dir")).unwrap();
    // What cannot be copied is not taken for empty.
    assert_eq!(put_back::copy(&entry, 1, &place.0.join("moved/.envrc.from-sandbox.3")), Ok(None));
    assert_eq!(put_back::copy(&entry, 1, &place.0.join("moved/.envrc.from-sandbox")), Err(Errno::ELOOP));
    assert_eq!(put_back::copy(&entry, 1, &place.0.join("moved/nothing")), Err(Errno::ENOENT));
}

/// An entry with an overlay of `place/dir`, in whose upper layer `make` has worked.
fn changed(place: &Place, make: impl Fn(&Path)) -> (Entry, Record) {
    let entry = place.store().begin().unwrap();
    entry.make_overlay(0, b"").unwrap();
    let upper = place.kept().join(entry.id.clone() + ".run/0/upper");
    fs::create_dir(place.0.join("dir")).unwrap();
    make(&upper);
    let overlay = Overlay { path: place.0.join("dir"), id: FileId { device: 0, inode: 0, born: None }, is_git: false };
    let record = Record { place: place.0.clone(), overlays: vec![overlay], ..Record::default() };
    (entry, record)
}

/// As overlayfs notes that `path` was removed. Any user may make such a node (mknod(2), `WHITEOUT_DEV`).
fn remove_above(path: &Path) {
    let made = std::process::Command::new("mknod").arg(path).args(["c", "0", "0"]).status();
    assert!(made.unwrap().success());
}

#[test]
fn what_is_kept_is_listed_and_can_be_taken_and_given_back() {
    let place = Place::new("take");
    let (entry, record) = changed(&place, |upper| {
        fs::create_dir_all(upper.join("sub/deep")).unwrap();
        fs::write(upper.join("sub/deep/new"), "new").unwrap();
        close(&upper.join("sub/deep/new"), 0o4755);
        fs::write(upper.join("both"), "kept").unwrap();
        symlink("/etc/passwd", upper.join("link")).unwrap();
        remove_above(&upper.join("gone"));
    });
    let host = |name: &str| place.0.join("dir").join(name);
    fs::write(host("both"), "mine").unwrap();
    fs::write(host("gone"), "mine too").unwrap();
    let list = || items(&entry, &record).unwrap().0;
    let listed: Vec<_> = list().into_iter().map(|item| (item.path, item.what)).collect();
    let wanted = [("both", What::File), ("gone", What::Removal), ("link", What::Link), ("sub/deep/new", What::File)];
    assert_eq!(listed, wanted.map(|(name, what)| (host(name), what)));

    for item in list() {
        take::take(&entry, &item).unwrap();
    }
    assert_eq!(fs::read_to_string(host("both")).unwrap(), "kept");
    assert!(!host("gone").exists() && fs::read_link(host("link")).unwrap() == Path::new("/etc/passwd"));
    assert_eq!(
        (fs::read_to_string(host("sub/deep/new")).unwrap().as_str(), mode(&host("sub/deep/new"))),
        ("new", 0o755)
    );
    let files = fs::read_dir(place.0.join("dir")).unwrap().count();
    assert_eq!(files, 3, "something is left in between");

    // What the user had is kept now, and the same again gives it back.
    let left: Vec<_> = list().into_iter().map(|item| item.path).collect();
    assert_eq!(left, ["both", "gone"].map(host));
    for item in list() {
        take::take(&entry, &item).unwrap();
    }
    assert_eq!(fs::read_to_string(host("both")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(host("gone")).unwrap(), "mine too");
    assert_eq!(take::contents(&entry, &list()[0]).unwrap(), (Some(b"kept".to_vec()), Some(b"mine".to_vec())));
}

#[test]
fn nothing_is_taken_through_a_link_or_over_a_directory() {
    let place = Place::new("take-links");
    let (entry, record) = changed(&place, |upper| {
        fs::create_dir(upper.join("sub")).unwrap();
        fs::write(upper.join("sub/file"), "kept").unwrap();
        fs::write(upper.join("dir"), "kept").unwrap();
        fs::write(upper.join("link"), "kept").unwrap();
        make::special_at(open::path(&c_path(upper.as_os_str()), true).unwrap().as_fd(), c"fifo", false).unwrap();
    });
    let victim = place.0.join("victim");
    fs::create_dir(&victim).unwrap();
    fs::write(victim.join("file"), "victim").unwrap();
    symlink(&victim, place.0.join("dir/sub")).unwrap();
    symlink(victim.join("file"), place.0.join("dir/link")).unwrap();
    fs::create_dir(place.0.join("dir/dir")).unwrap();
    let results: Vec<_> = items(&entry, &record).unwrap().0.iter().map(|item| take::take(&entry, item)).collect();
    // dir, fifo, link, sub/file
    assert_eq!(results, [Err(Errno::ENOTSUP), Err(Errno::ENOTSUP), Ok(()), Err(Errno::ELOOP)]);
    assert_eq!(fs::read_to_string(victim.join("file")).unwrap(), "victim");
    assert!(fs::symlink_metadata(place.0.join("dir/link")).unwrap().is_file());
    // The user's link is kept, and nothing was written through it.
    assert_eq!(fs::read_link(place.kept().join("k1.run/0/upper/link")).unwrap(), victim.join("file"));
}

#[test]
fn files_are_put_back_once() {
    let place = Place::new("once");
    let entry = place.store().begin().unwrap();
    let file = place.0.join(".envrc");
    fs::write(&file, "old").unwrap();
    let copied = put_back::copy(&entry, 0, &file).unwrap().unwrap();
    let mut record = Record { place: place.0.clone(), files: vec![copied], ..Record::default() };
    entry.write(&record).unwrap();
    fs::write(&file, "new").unwrap();
    let done = put_back::restore_all(&entry, &mut record, &|_, _| false, false).unwrap();
    assert_eq!(done, [(0, Ok(Outcome::PutBack))]);
    assert_eq!(entry.read().unwrap(), Some(record.clone()));
    let (kept, _) = items(&entry, &record).unwrap();
    assert_eq!(kept.iter().map(|item| (&item.path, item.what)).collect::<Vec<_>>(), [(&file, What::File)]);
    take::take(&entry, &kept[0]).unwrap();
    assert_eq!(put_back::restore_all(&entry, &mut record, &|_, _| false, false).unwrap(), []);
    assert_eq!(fs::read_to_string(&file).unwrap(), "new", "what the user has taken was put back");
}
