//! A tree with more in it than is looked at.

use std::time::Duration;

use super::Place;
use crate::error::{Advice, ErrorKind, Hint};
use crate::workspace::bounds::{BOUNDS, Bounds};

/// Time does not count here: a slow machine must not change what is found.
const PATIENT: Bounds = Bounds { time: Duration::from_secs(1 << 20), ..BOUNDS };

impl Place {
    /// The error of a look within these bounds, if it has one.
    fn stopped(&self, dir: &str, bounds: Bounds) -> Option<String> {
        self.find_within(dir, bounds).err().map(|error| {
            assert_eq!(error.kind, ErrorKind::Unsafe);
            assert_eq!(error.hint, Some(Hint::Advice(Advice::SmallerWorkspace)));
            let text = error.to_string();
            assert!(text.contains("Can't protect the workspace: "), "{text}");
            assert!(text.contains("; the look ended in ") && text.contains(&format!("{}/{dir}", self.path.display())));
            text
        })
    }
}

#[test]
fn repositories_of_every_kind_count() {
    let place = Place::new("bounds-repositories");
    place.git_dir("r/.git");
    place.git_dir("r/one/.git");
    place.git_dir("r/two.git");
    place.git_dir("r/.git/modules/three");
    place.file("r/three/.git", "gitdir: ../.git/modules/three\n");
    // The pointer leads to that module. Nothing leads to this one.
    place.git_dir("r/.git/modules/x/five");
    assert_eq!(place.stopped("r", Bounds { repositories: 5, ..PATIENT }), None);
    for most in 0..5 {
        let text = place.stopped("r", Bounds { repositories: most, ..PATIENT }).unwrap();
        assert!(text.contains(&format!("has more than {most} git repositories")), "{text}");
    }
}

#[test]
fn directories_count_also_where_git_keeps_them() {
    let place = Place::new("bounds-directories");
    for number in 0..10 {
        place.dir(&format!("r/a/{number}"));
    }
    assert_eq!(place.stopped("r", Bounds { directories: 11, ..PATIENT }), None);
    let text = place.stopped("r", Bounds { directories: 10, ..PATIENT }).unwrap();
    assert!(text.contains("more than 10 directories; the look ended in ") && text.contains("/r/a\n"), "{text}");
    place.git_dir("s/.git");
    for number in 0..10 {
        place.dir(&format!("s/.git/modules/x/{number}"));
    }
    // `modules/x` and what is in it, and three of git itself.
    assert_eq!(place.stopped("s", Bounds { directories: 20, ..PATIENT }), None);
    assert!(place.stopped("s", Bounds { directories: 8, ..PATIENT }).unwrap().contains("/s/.git/modules/x"));
}

#[test]
fn mounts_count_with_those_on_the_way() {
    let place = Place::new("bounds-mounts");
    place.git_dir("r/a/b/c/.git");
    let mounts = place.mounts("r");
    assert_eq!(mounts.len(), 5, "{mounts:?}");
    assert_eq!(place.stopped("r", Bounds { mounts: 5, ..PATIENT }), None);
    for most in [0, 2, 4] {
        let text = place.stopped("r", Bounds { mounts: most, ..PATIENT }).unwrap();
        assert!(text.contains(&format!("more than {most} files and directories that need a mount")), "{text}");
    }
}

/// Without any time, it ends where it begins.
#[test]
fn a_look_without_time_says_where_it_ended() {
    let place = Place::new("bounds-time");
    place.dir("r/a");
    let text = place.stopped("r", Bounds { time: Duration::ZERO, ..BOUNDS }).unwrap();
    assert!(text.contains("/r has more than can be looked through in 0 seconds; the look ended in "), "{text}");
}

/// Hundreds of settings in each of hundreds of repositories are no more than the bound on names lets through.
#[test]
fn names_of_obeyed_files_count_as_those_of_commands_do() {
    let place = Place::new("bounds-names");
    place.git_dir("r/.git");
    place.file("r/.git/config", &"[core]\nhooksPath=.git/hooks\n".repeat(26_000));
    assert!(place.unheld("r")[0].contains("more configuration of git"));
}
