//! What the look at the end does, without a box.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use std::path::PathBuf;
use std::time::Duration;

use super::told::{Deeds, MOST_DEEDS, MOST_LINES};
use super::*;
use crate::spec::FileId;
use crate::workspace::files::c_path;

#[test]
fn what_could_not_be_done_is_said_first_however_much_was_done() {
    let mut told = Told::default();
    for number in 0..MOST_LINES + 3 {
        let mut deeds = Deeds::default();
        (0..MOST_DEEDS + 1).for_each(|_| deeds.add(|| "is removed".into()));
        deeds.tell(format!("/w/{number}").as_bytes(), &mut told);
    }
    let mut deeds = Deeds::default();
    (0..MOST_DEEDS + 1).for_each(|_| deeds.add(|| "is removed".into()));
    deeds.failed("hooks cannot be renamed", Errno::EIO);
    deeds.tell(b"/w/last", &mut told);
    told.unseen(b"/w/closed", Errno::EACCES);
    let said: Vec<String> = told.finish().iter().map(|settled| String::from_utf8(settled.line()).unwrap()).collect();
    assert!(said[0].starts_with("/w/last: hooks cannot be renamed: "), "{said:?}");
    assert!(said[1].starts_with("/w/closed: cannot look for "), "{said:?}");
    assert!(said.len() == MOST_LINES + 3 && said.last().unwrap().contains("3 more "), "{said:?}");
}

/// A directory for one test, removed at its end.
struct Place(PathBuf);

impl Place {
    /// With a repository `s` in it, whose settings are harmful, and many directories.
    fn new(name: &str) -> Place {
        let path = PathBuf::from(format!("/var/tmp/pinfold-settle-{}-{name}", std::process::id()));
        for dir in ["s/.git/objects", "s/.git/refs", "s/.git/hooks", "s/deep/er", "t"] {
            std::fs::create_dir_all(path.join(dir)).unwrap();
        }
        std::fs::write(path.join("s/.git/HEAD"), "ref: refs/heads/x").unwrap();
        std::fs::write(path.join("s/.git/config"), "[core]\npager=x\nbare\n").unwrap();
        std::fs::write(path.join("s/.git/hooks/update"), "x").unwrap();
        Place(path)
    }

    fn top(&self) -> SettleTop {
        SettleTop { path: c_path(&self.0), identity: id_of(stat::look_at_path(&self.0).unwrap()) }
    }

    fn settle(&self, limits: Limits) -> Vec<String> {
        let settled = settle_within(&Settle { tops: vec![self.top()], ..Settle::default() }, limits).0;
        settled.iter().map(|settled| String::from_utf8(settled.line()).unwrap()).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        assert!(std::fs::remove_dir_all(&self.0).is_ok() || std::thread::panicking(), "left behind");
    }
}

/// Without time for reading, the walk goes on.
#[test]
fn what_is_not_read_is_set_aside() {
    let place = Place::new("unread");
    let said = place.settle(Limits { reading: Duration::ZERO, ..LIMITS });
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("hooks holds what git would execute, and is now hooks.from-sandbox"), "{said:?}");
    assert!(said[0].contains("config was not read, since there are more settings in all than "), "{said:?}");
    let git = place.0.join("s/.git");
    assert_eq!(std::fs::read(git.join("config")).unwrap(), b"");
    assert!(git.join("config.from-sandbox").exists() && git.join("hooks.from-sandbox/update").exists());
}

/// The files in conflict are found when the index is checked, so a list of them costs no second look.
#[test]
fn an_index_is_read_once() {
    let place = Place::new("once");
    let git = place.0.join("s/.git");
    let (header, id_and_flags) = (b"DIRC\0\0\0\x02\0\0\0\x01", [&[0; 60][..], &[0x10, 1]].concat());
    let index = [header, &id_and_flags[..], b"a\0\0\0\0\0\0\0\0\0", &[0; 20]].concat();
    fs::write(git.join("index"), &index).unwrap();
    fs::write(git.join("MERGE_RR"), format!("{}\ta\0", "0a".repeat(20))).unwrap();
    let length = index.len() as u64;
    for (indexes_bytes, stays) in [(length, true), (length - 1, false)] {
        let said = place.settle(Limits { indexes_bytes, ..LIMITS }).join("\n");
        assert_eq!(!said.contains("index"), stays, "{said}");
        assert_eq!((git.join("index").exists(), git.join("MERGE_RR").exists()), (stays, stays), "{said}");
    }
}

/// A program that works in another directory later could write to it under its other name.
#[test]
fn what_has_another_name_is_replaced_by_a_copy() {
    let place = Place::new("names");
    let path = |name: &str| place.0.join(name);
    fs::create_dir_all(path("s/.git/worktrees/w")).unwrap();
    fs::write(path("s/.git/worktrees/w/HEAD"), "ref: refs/heads/y").unwrap();
    fs::create_dir_all(path("w")).unwrap();
    fs::create_dir_all(path("nothing")).unwrap();
    let files = [
        ("s/.git/config", "[core]\n\tbare = false\n", true),
        ("s/.git/config.worktree", "", true),
        ("s/.git/worktrees/w/commondir", "../..\n", true),
        ("w/.git", "gitdir: ../s/.git/worktrees/w\n", true),
        ("nothing/.git", "something else", false),
    ];
    for (number, (name, text, _)) in files.iter().enumerate() {
        fs::write(path(name), text).unwrap();
        fs::hard_link(path(name), path(&format!("t/notes{number}"))).unwrap();
    }
    let said = place.settle(LIMITS).join("\n");
    assert_eq!(said.matches(judge::OTHER_NAME).count(), files.len(), "{said}");
    for (number, (name, text, is_copied)) in files.iter().enumerate() {
        fs::write(path(&format!("t/notes{number}")), "changed").unwrap();
        assert_eq!(fs::read_to_string(path(&format!("{name}.from-sandbox"))).unwrap(), "changed");
        match fs::read_to_string(path(name)) {
            Ok(found) => assert!(*is_copied && found == *text && fs::metadata(path(name)).unwrap().nlink() == 1),
            Err(_) => assert!(!is_copied, "{name}"),
        }
    }
    // It has one name now, and stays.
    assert_eq!(place.settle(LIMITS), [""; 0]);
}

/// A mount ends when somebody outside gives its name to another file.
#[test]
fn what_was_held_must_be_the_same_still() {
    let place = Place::new("held");
    let about = |name: &str| id_of(stat::look_at_path(&place.0.join(name)).unwrap());
    let path = |name: &str| c_path(place.0.join(name));
    fs::write(place.0.join("t/.git"), "gitdir: /x").unwrap();
    let names = ["s/.git/config", "s/.git/hooks", "t/.git"];
    let wish = Settle {
        tops: vec![place.top()],
        held: names.map(path).into(),
        held_as: names.map(about).into(),
        ..Settle::default()
    };
    assert_eq!(settle_within(&wish, LIMITS).0, []);
    for name in names {
        // The old one is kept, so that the new one cannot get its number.
        fs::rename(place.0.join(name), place.0.join("old")).unwrap();
        match name {
            "s/.git/hooks" => {
                fs::create_dir(place.0.join(name)).unwrap();
                fs::write(place.0.join("s/.git/hooks/update"), "x").unwrap();
            }
            _ => drop(fs::copy(place.0.join("old"), place.0.join(name)).unwrap()),
        }
        assert_eq!(settle_within(&wish, LIMITS).0.len(), 1, "{name}");
        assert!(place.0.join(format!("{name}.from-sandbox")).exists(), "{name}");
        match name {
            "s/.git/hooks" => fs::remove_dir_all(place.0.join("old")).unwrap(),
            _ => fs::remove_file(place.0.join("old")).unwrap(),
        }
    }
}

/// Once a file is gone, the next one may get its number.
#[test]
fn what_was_held_was_made_at_the_same_time() {
    let place = Place::new("born");
    let path = place.0.join("s/.git/config");
    let id = id_of(stat::look_at_path(&path).unwrap());
    let born = id.born.expect("the file system of /var/tmp keeps times of birth");
    let other = FileId { born: Some((born.0, born.1 ^ 1)), ..id };
    fs::remove_file(place.0.join("s/.git/hooks/update")).unwrap();
    for (id, is_left) in [(id, true), (other, false), (FileId { born: None, ..id }, false)] {
        let wish =
            Settle { tops: vec![place.top()], held: vec![c_path(&path)], held_as: vec![id], ..Settle::default() };
        assert_eq!(settle_within(&wish, LIMITS).0.is_empty(), is_left, "{id:?}");
        let _back = fs::rename(path.with_file_name("config.from-sandbox"), &path).is_ok();
    }
}

/// Only a time of birth that is known to differ tells of another directory: the call that tells it may be refused once.
#[test]
fn a_top_without_a_time_of_birth_is_put_in_order_by_its_numbers() {
    let place = Place::new("unborn");
    let top = place.top();
    let born = top.identity.born.expect("the file system of /var/tmp keeps times of birth");
    let open = |identity: FileId| open_top(&SettleTop { identity, ..top.clone() }).map(drop);
    assert_eq!(open(top.identity), Ok(()));
    assert_eq!(open(FileId { born: None, ..top.identity }), Ok(()));
    assert_eq!(open(FileId { born: Some((born.0, born.1 ^ 1)), ..top.identity }), Err(Errno::ESTALE));
    assert_eq!(open(FileId { born: None, inode: top.identity.inode ^ 1, ..top.identity }), Err(Errno::ESTALE));
}

/// Without any time, it ends at once and says so.
#[test]
fn a_walk_without_time_says_where_it_ended() {
    let place = Place::new("late");
    let said = place.settle(Limits { all: Duration::ZERO, ..LIMITS });
    assert_eq!(said.len(), 1, "{said:?}");
    let start = format!("{}: the look for repositories that the program has made ended here ", place.0.display());
    assert!(said[0].starts_with(&start), "{said:?}");
    assert!(!place.0.join("s/.git/config.from-sandbox").exists());
}

/// Pointer files are as many as the program likes, and are dealt with after the walk.
#[test]
fn what_was_kept_for_later_is_dealt_with_as_long_as_there_is_time() {
    let place = Place::new("late-pointers");
    for dir in ["t", "s/deep"] {
        fs::write(place.0.join(dir).join(".git"), "gitdir: /nowhere").unwrap();
    }
    let before = Before { held: HashMap::new(), tops: &[], names: &[], seen: &[], user: 0 };
    let pointers = ["t", "s/deep"].map(|dir| c_path(place.0.join(dir)).into_bytes()).to_vec();
    let deferred = Deferred { pointers, ..Deferred::default() };
    let mut told = Told::default();
    settle_deferred(&before, &Judge::new(Limits { all: Duration::ZERO, ..LIMITS }), &deferred, &mut told);
    assert!(place.0.join("t/.git").exists());
    let said: Vec<String> = told.finish().iter().map(|settled| String::from_utf8(settled.line()).unwrap()).collect();
    assert!(said.len() == 1 && said[0].starts_with(&format!("{}/t: the look ", place.0.display())), "{said:?}");
}
