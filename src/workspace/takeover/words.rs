//! What was done, in words: what could not be done comes first. All names are the box's, so they are quoted.
//!
//! An ordinary commit is one short line. Objects, the index and logs are not worth words when they were taken.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::told::{Kept, Moved, Taken, TakenOver, What};
use super::{logs, shape};
use crate::error::quoted;

/// So many lines about a git directory, and so many names in one of them.
const MOST_LINES: usize = 10;
const MOST_NAMES: usize = 6;
/// So many lines are about refs that have moved on both sides.
const MOST_MOVED: usize = 4;
/// So many dropped stashes are named.
const MOST_DROPPED: usize = 10;
/// So many digits of an object's name are shown.
const SHORT: usize = 10;
/// The longest name, in letters. Of a longer one the middle is left out.
const LONGEST: usize = 80;

/// A line about a git directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its text.
    pub text: String,
    /// Whether it says only that what was wanted was done.
    pub is_note: bool,
    /// Whether it says that something could not be done.
    pub is_undone: bool,
}

/// Lines about the git directory `path`, as it is to be shown. What was kept apart is called `id`.
pub fn lines(path: &Path, id: &str, told: &TakenOver) -> Vec<Line> {
    if told.is_git_missing {
        let path = quoted(path);
        let text = format!("there is no git here, so nothing of {path} was taken over: all of it is kept as {id}");
        return vec![Line { text, is_note: false, is_undone: false }];
    }
    let findings = kept(path, id, told).into_iter().chain(moved(id, &told.moved));
    let mut lines: Vec<Line> = findings.map(|text| Line { text, is_note: false, is_undone: false }).collect();
    lines.extend(taken(path, &told.taken).into_iter().map(|text| Line { text, is_note: true, is_undone: false }));
    lines.truncate(MOST_LINES);
    lines
}

/// What stays, in two lines: what the host does not obey unseen, and what the user has changed meanwhile.
fn kept(path: &Path, id: &str, told: &TakenOver) -> Vec<String> {
    let is_outside = |kept: &&Kept| kept.why.contains("changed on the host") || kept.why.contains("locked");
    let has_outside = !told.moved.is_empty() || told.kept.iter().any(|kept| is_outside(&kept));
    // What belongs to something else that stays goes with it.
    let follows = |kept: &&Kept| has_outside && kept.why.starts_with("belongs to");
    let (outside, own): (Vec<&Kept>, Vec<&Kept>) =
        told.kept.iter().filter(|kept| kept.why != logs::OF_KEPT).partition(|kept| is_outside(kept) || follows(kept));
    let mut lines = Vec::new();
    for (kept, why) in [(own, ""), (outside, ", because it changed outside too or was locked")] {
        let names = kept_names(path, &kept);
        if !names.is_empty() {
            // Once is enough.
            let hint = if lines.is_empty() { format!(" (pinfold kept diff {id})") } else { String::new() };
            lines.push(format!("not taken over{why}, kept as {id}: {}{hint}", list(&names)));
        }
    }
    lines
}

fn kept_names(path: &Path, kept: &[&Kept]) -> Vec<String> {
    let (mut names, mut objects, mut large) = (Vec::new(), 0, 0);
    let whole: BTreeSet<&[u8]> = kept.iter().filter(|kept| kept.name.is_none()).map(|kept| &kept.path[..]).collect();
    for Kept { path: below, name, value, .. } in kept {
        let is_in_other = || {
            let mut ends = below.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            ends.any(|end| whole.contains(&below[..end]) || end + 1 < below.len() && whole.contains(&below[..=end]))
        };
        let (unit, rest) = shape::split(below);
        if rest.starts_with(b"objects/") && shape::is_object(&rest[b"objects/".len()..]) {
            objects += 1;
        } else if rest.starts_with(b"lfs/objects/") {
            large += 1;
        } else if let Some(name) = name {
            let value = value.as_ref().map_or_else(String::new, |value| format!("={}", word(value)));
            names.push(format!("{}{value}{}", word(name), of_unit(unit)));
        } else if !is_in_other() {
            names.push(word(path.join(OsStr::from_bytes(below)).as_os_str().as_bytes()));
        }
    }
    names.extend((objects > 0).then(|| counted(objects, "object", "objects")));
    names.extend((large > 0).then(|| counted(large, "LFS object", "LFS objects")));
    names
}

fn moved(id: &str, moved: &[Moved]) -> Vec<String> {
    let one = |Moved { dir, name, kept_as }: &Moved| {
        let (name, unit) = (word(name.strip_prefix(b"refs/heads/").unwrap_or(name)), of_unit(dir));
        format!("{name}{unit} moved outside too: yours stays, the box's is {}", word(kept_as))
    };
    let mut lines: Vec<String> = moved.iter().take(MOST_MOVED).map(one).collect();
    let more = moved.len().saturating_sub(MOST_MOVED);
    lines.extend((more > 0).then(|| {
        format!("{} moved outside too: yours stay, the box's are in refs/pinfold/{id}/", counted(more, "ref", "refs"))
    }));
    lines
}

fn taken(path: &Path, taken: &[Taken]) -> Vec<String> {
    let made = taken.iter().filter(|taken| taken.what == What::Directory);
    let made: BTreeSet<&[u8]> = made.map(|taken| &taken.dir[..]).collect();
    let (mut names, mut tracking, mut settings) = (Vec::new(), Vec::new(), Vec::new());
    let mut dropped = Vec::new();
    for Taken { dir, what } in taken {
        match what {
            What::Directory => names.push(format!("{} new", unit(dir))),
            // All of it is new.
            _ if made.contains(&dir[..]) => {}
            What::Ref { name, .. } if name.starts_with(b"refs/remotes/") => {
                tracking.push(format!("{}{}", word(&name[b"refs/remotes/".len()..]), of_unit(dir)));
            }
            What::Ref { name, old, new } => {
                let verb = if old.is_none() { "new" } else { new.as_ref().map_or("gone", |_| "moved") };
                // As git says when it removes a branch: by its value it can be made again.
                let was = old.as_ref().filter(|_| new.is_none()).and_then(|old| old.get(..SHORT));
                let was = was.map_or_else(String::new, |was| format!(" (was {})", word(was)));
                names.push(format!("{}{} {verb}{was}", ref_name(name, verb), of_unit(dir)));
            }
            What::Head(value) => names.push(match value.strip_prefix(b"ref: refs/heads/") {
                Some(branch) => format!("now on {}{}", word(branch), of_unit(dir)),
                None => format!("HEAD detached{}", of_unit(dir)),
            }),
            What::State { name, is_there: true } => {
                names.extend(in_progress(name).map(|what| format!("{what} in progress{}", of_unit(dir))));
            }
            What::Setting { key, is_there } => {
                let end = if *is_there { "" } else { " removed" };
                settings.push(format!("{}{}{end}", word(key), of_unit(dir)));
            }
            What::Dropped(id) => dropped.push(word(id.get(..SHORT).unwrap_or(id))),
            What::State { .. } | What::Objects(_) | What::Index(_) => {}
        }
    }
    names.dedup();
    if tracking.len() > 2 {
        names.push(format!("{} remote-tracking branches", tracking.len()));
    } else {
        names.extend(tracking);
    }
    let settings_line = || format!("{} {}", if settings.len() == 1 { "setting" } else { "settings" }, list(&settings));
    let start = match path.file_name() {
        _ if path == Path::new(".git") => "git".to_owned(),
        Some(name) if name == ".git" => quoted(path.parent().unwrap_or(path)),
        _ => quoted(path),
    };
    let line = |what: String| format!("{start}: {what}, taken over from the box");
    let mut lines = match (names.is_empty(), settings.is_empty()) {
        (true, true) => Vec::new(),
        (false, true) => vec![line(list(&names))],
        (true, false) => vec![line(settings_line())],
        _ if names.len() + settings.len() <= MOST_NAMES => {
            names.push(settings_line());
            vec![line(names.join(", "))]
        }
        _ => vec![line(list(&names)), line(settings_line())],
    };
    if !dropped.is_empty() {
        // By its name each can be put on the list again (git-stash(1), `store`).
        let more = dropped.len().saturating_sub(MOST_DROPPED);
        dropped.truncate(MOST_DROPPED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(line(format!("stashes dropped: {}{more}", dropped.join(", "))));
    }
    lines
}

/// A branch that has only moved is what everybody has: its name is enough.
fn ref_name(name: &[u8], verb: &str) -> String {
    if name == b"refs/stash" {
        return "the list of stashes".to_owned();
    }
    match (name.strip_prefix(b"refs/heads/"), name.strip_prefix(b"refs/tags/")) {
        (Some(branch), _) if verb == "moved" => word(branch),
        (Some(branch), _) => format!("branch {}", word(branch)),
        (_, Some(tag)) => format!("tag {}", word(tag)),
        _ => word(name),
    }
}

fn in_progress(state: &[u8]) -> Option<&'static str> {
    Some(match state {
        b"MERGE_HEAD" => "a merge",
        b"rebase-merge" | b"rebase-apply" => "a rebase",
        b"CHERRY_PICK_HEAD" => "a cherry-pick",
        b"REVERT_HEAD" => "a revert",
        b"BISECT_LOG" => "a bisection",
        _ => return None,
    })
}

/// A module or worktree by its name.
fn unit(dir: &[u8]) -> String {
    let parts: Vec<&[u8]> = dir.split(|&byte| byte == b'/').collect();
    match &parts[..] {
        [b"modules", rest @ ..] if !rest.contains(&&b"worktrees"[..]) => {
            format!("submodule {}", word(&rest.join(&b'/')))
        }
        [.., b"worktrees", name] => format!("worktree {}", word(name)),
        _ => word(dir),
    }
}

fn of_unit(dir: &[u8]) -> String {
    if dir.is_empty() { String::new() } else { format!(" in {}", unit(dir)) }
}

/// The first of `names`, and how many more there are.
fn list(names: &[String]) -> String {
    let first = names[..names.len().min(MOST_NAMES)].join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// A name of the box's, quoted if it could be taken for something else.
fn word(name: &[u8]) -> String {
    let letters: Vec<char> = String::from_utf8_lossy(name).chars().collect();
    if letters.len() <= LONGEST {
        return quoted(OsStr::from_bytes(name));
    }
    let half = LONGEST / 2;
    let ends = [&letters[..half], &['.'; 3], &letters[letters.len() - half..]].concat();
    quoted(ends.into_iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTSIDE: &str = "has changed on the host too";

    fn said(path: &str, told: &TakenOver) -> Vec<String> {
        lines(Path::new(path), "k3", told).into_iter().map(|line| line.text).collect()
    }

    fn taken_of(what: Vec<What>) -> TakenOver {
        let taken = what.into_iter().map(|what| Taken { dir: Vec::new(), what });
        TakenOver { taken: taken.collect(), ..TakenOver::default() }
    }

    fn change(name: &str, old: bool, new: bool) -> What {
        let value = |is_there: bool| is_there.then(|| b"0".to_vec());
        What::Ref { name: name.into(), old: value(old), new: value(new) }
    }

    fn stays(path: &str, name: Option<&str>, value: Option<&str>, why: &'static str) -> Kept {
        let bytes = |text: &str| text.as_bytes().to_vec();
        Kept { path: bytes(path), name: name.map(bytes), value: value.map(bytes), why }
    }

    #[test]
    fn what_was_taken() {
        let state = |name: &str| What::State { name: name.into(), is_there: true };
        let main = || change("refs/heads/main", true, true);
        let setting = |name: &str| What::Setting { key: name.into(), is_there: true };
        let removed = |name: &str| What::Setting { key: name.into(), is_there: false };
        const DROPPED: &str = "stashes dropped: 7777777777, 7777777777, 7777777777, 7777777777, 7777777777, 7777777777, 7777777777, \
             7777777777, 7777777777, 7777777777 and 2 more";
        let table: [(Vec<What>, &[&str]); 11] = [
            (vec![], &[]),
            (vec![What::Objects(3), What::Index(1), state("COMMIT_EDITMSG")], &[]),
            (vec![What::Objects(3), main(), What::Index(1), state("COMMIT_EDITMSG")], &["main"]),
            (
                vec![main(), change("refs/heads/fix/a", false, true), change("refs/tags/v1", true, false)],
                &["main moved, branch fix/a new, tag v1 gone"],
            ),
            (
                vec![
                    change("refs/stash", true, true),
                    What::Head(b"ref: refs/heads/x".to_vec()),
                    state("rebase-merge"),
                ],
                &["the list of stashes moved, now on x, a rebase in progress"],
            ),
            (vec![What::Head(vec![b'0'; 40]), state("MERGE_HEAD")], &["HEAD detached, a merge in progress"]),
            (vec![main(), setting("a.b"), setting("c.d")], &["main moved, settings a.b, c.d"]),
            (vec![setting("a.b")], &["setting a.b"]),
            (vec![setting("a.b"), removed("c.d")], &["settings a.b, c.d removed"]),
            ((0..12).map(|_| What::Dropped(vec![b'7'; 40])).collect(), &[DROPPED]),
            (
                (0..3).map(|n| change(&format!("refs/remotes/o/{n}"), true, true)).collect(),
                &["3 remote-tracking branches"],
            ),
        ];
        for (what, expected) in table {
            let expected: Vec<String> = expected
                .iter()
                .map(|line| if *line == "main" { "main moved" } else { line })
                .map(|line| format!("git: {line}, taken over from the box"))
                .collect();
            assert_eq!(said(".git", &taken_of(what)), expected);
        }
        let many =
            taken_of((0..9).map(|n| change(&format!("refs/heads/{n}"), false, true)).chain([setting("a.b")]).collect());
        let names: Vec<String> = (0..6).map(|n| format!("branch {n} new")).collect();
        let expected = format!("sub/lib: {} and 3 more, taken over from the box", names.join(", "));
        assert_eq!(said("sub/lib/.git", &many), [&expected[..], "sub/lib: setting a.b, taken over from the box"]);
    }

    #[test]
    fn modules_and_worktrees() {
        let of = |dir: &str, what| Taken { dir: dir.into(), what };
        let taken = vec![
            of("modules/libs/x", What::Directory),
            of("modules/libs/x", change("refs/heads/main", false, true)),
            of("worktrees/w", What::Head(b"ref: refs/heads/y".to_vec())),
            of("modules/z", change("refs/heads/main", true, true)),
        ];
        let told = TakenOver { taken, ..TakenOver::default() };
        let expected =
            "git: submodule libs/x new, now on y in worktree w, main in submodule z moved, taken over from the box";
        assert_eq!(said(".git", &told), [expected]);
    }

    #[test]
    fn what_stays_comes_first() {
        let mut told = taken_of(vec![change("refs/heads/main", true, true)]);
        told.kept = vec![
            stays("hooks/pre-commit", None, None, "is what git executes"),
            stays("config", Some("core.hookspath"), Some(".husky/_"), "is not on the list"),
            stays("rebase-merge", None, None, "has commands"),
            stays("rebase-merge/git-rebase-todo", None, None, "has commands"),
            stays("logs/refs/heads/x", None, None, logs::OF_KEPT),
            stays("objects/pack/pack-1111111111111111111111111111111111111111.pack", None, None, "holds objects"),
            stays("lfs/objects/ab/cd/abcd", None, None, "is large"),
            stays("modules/x/config", Some("alias.x"), None, "is not on the list"),
        ];
        let expected = "not taken over, kept as k3: .git/hooks/pre-commit, core.hookspath=.husky/_, .git/rebase-merge, \
                        alias.x in submodule x, 1 object, 1 LFS object (pinfold kept diff k3)";
        assert_eq!(said(".git", &told), [expected, "git: main moved, taken over from the box"]);
    }

    #[test]
    fn what_the_user_has_changed_too() {
        let kept = vec![
            stays("index", None, None, "belongs to a HEAD that was not taken over"),
            stays("HEAD", None, None, OUTSIDE),
        ];
        let mut told = TakenOver { kept, ..TakenOver::default() };
        let main = Moved {
            dir: Vec::new(),
            name: b"refs/heads/main".to_vec(),
            kept_as: b"refs/pinfold/k3/heads/main".to_vec(),
        };
        told.moved = vec![main.clone()];
        let both = "main moved outside too: yours stays, the box's is refs/pinfold/k3/heads/main";
        let files = "not taken over, because it changed outside too or was locked, kept as k3: .git/index, .git/HEAD \
                     (pinfold kept diff k3)";
        assert_eq!(said(".git", &told), [files, both]);
        told.moved = vec![main; 50];
        let lines = said(".git", &told);
        let more = "46 refs moved outside too: yours stay, the box's are in refs/pinfold/k3/";
        assert_eq!((lines.len(), &lines[5][..]), (6, more));
        // Without anything outside it stays for another reason.
        told = TakenOver { kept: vec![stays("index", None, None, "belongs to a HEAD")], ..TakenOver::default() };
        assert_eq!(said(".git", &told), ["not taken over, kept as k3: .git/index (pinfold kept diff k3)"]);
    }

    #[test]
    fn names_are_quoted_and_short() {
        let long = "x".repeat(3000);
        let evil = "a (pinfold kept drop k1)\n\u{1b}[2Jpinfold: all is well\u{202e}";
        let kept = vec![
            stays(evil, None, None, "is not known"),
            stays(&long, None, None, "is not known"),
            stays("config", Some("a.b"), Some(evil), "is not on the list"),
        ];
        let taken = vec![Taken { dir: Vec::new(), what: What::Setting { key: evil.into(), is_there: true } }];
        let told = TakenOver { taken, kept, ..TakenOver::default() };
        for line in said(".git", &told) {
            assert!(
                line.len() < 1000 && !line.chars().any(|letter| letter.is_control() || letter == '\u{202e}'),
                "{line}"
            );
            assert!(!line.contains(" pinfold: all"), "{line}");
        }
    }

    #[test]
    fn without_git() {
        let told = TakenOver { is_git_missing: true, ..TakenOver::default() };
        let expected = "there is no git here, so nothing of .git was taken over: all of it is kept as k3";
        assert_eq!(said(".git", &told), [expected]);
    }
}
