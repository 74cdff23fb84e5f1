//! No file uses, by whatever way round, one that uses it: each can be read with those below it alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::modules::{Uses, uses};
use crate::source::{Source, sources, tokens};

#[test]
fn no_files_use_each_other() {
    let uses = uses(&sources());
    let mut wrong = String::new();
    for circle in circles(&uses) {
        writeln!(wrong, "a circle of {} files:", circle.len()).unwrap();
        let within = |file: &String| circle.contains(&file.as_str());
        for ((user, used), line) in uses.iter().filter(|((user, used), _)| within(user) && within(used)) {
            writeln!(wrong, "    {user}:{line}: uses {used}").unwrap();
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// Files that reach each other: groups of more than one, sorted.
fn circles(uses: &Uses) -> BTreeSet<Vec<&str>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (user, used) in uses.keys() {
        next.entry(user).or_default().push(used);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|&file| (file, all_below(file, &next))).collect();
    let meets = |a: &str, b: &str| reached.get(a).is_some_and(|below| below.contains(b));
    let group = |&file: &&str| -> Vec<&str> {
        next.keys().copied().filter(|&other| meets(file, other) && meets(other, file)).collect()
    };
    next.keys().map(group).filter(|group| group.len() > 1).collect()
}

/// Every file that `file` leads to.
fn all_below<'a>(file: &str, next: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut left: Vec<&str> = next.get(file).cloned().unwrap_or_default();
    while let Some(file) = left.pop() {
        if found.insert(file) {
            left.extend(next.get(file).into_iter().flatten());
        }
    }
    found
}

/// What uses what among `files`, as `user used` each.
fn read(files: &[(&str, &str)]) -> Vec<String> {
    let source = |&(path, text): &(&str, &str)| Source { path: path.into(), text: text.into(), tokens: tokens(text) };
    let sources: Vec<Source> = files.iter().map(source).collect();
    uses(&sources).keys().map(|(user, used)| format!("{user} {used}")).collect()
}

#[test]
fn every_way_to_name_a_file_is_read() {
    let below = ("a/b.rs", "pub struct Deep; pub fn f() {} pub enum Kind { One }");
    for text in [
        "use crate::a::b::Deep;",
        "use crate::a::b;",
        "use crate::a::b::*;",
        "use crate::{c, a::{self, b::{Deep as Other}}};",
        "fn g() { crate::a::b::f() }",
        "use crate::a; fn g() { a::b::f() }",
        "mod inner { fn g() { use crate::a::b::Kind::*; } }",
        "mod inner { use super::*; } use crate::a::b as other;",
        // What a `mod.rs` passes on is used where it is defined.
        "use crate::a::Deep;",
        "fn g(deep: &crate::a::Renamed) {}",
    ] {
        let found = read(&[("a/mod.rs", "mod b; pub use b::{Deep, Deep as Renamed};"), below, ("c.rs", text)]);
        assert!(found.contains(&"c.rs a/b.rs".to_owned()), "{text}: {found:?}");
        assert!(!found.contains(&"a/mod.rs a/b.rs".to_owned()), "{text}: {found:?}");
    }
}

#[test]
fn relatives_are_told_apart() {
    let parent = "mod b; mod c; pub(crate) use b::Deep; pub struct Own; mod part { use super::c::g; }";
    let found =
        |text| read(&[("a.rs", parent), ("a/b.rs", "pub struct Deep;"), ("a/c.rs", text), ("lib.rs", "mod a;")]);
    assert_eq!(found("fn g() {}"), ["a.rs a/c.rs"]);
    assert_eq!(found("use super::Own;"), ["a.rs a/c.rs", "a/c.rs a.rs"]);
    assert_eq!(found("use super::Deep;"), ["a.rs a/c.rs", "a/c.rs a/b.rs"]);
    assert_eq!(
        found("fn g(_: &super::b::Deep, b: &self::Own, std: std::fmt::Error) {}"),
        ["a.rs a/c.rs", "a/c.rs a/b.rs"]
    );
    assert_eq!(found("mod tests { use super::*; use super::super::Own; }"), ["a.rs a/c.rs", "a/c.rs a.rs"]);
    assert_eq!(found("use super::*; fn g(_: Deep) {}"), ["a.rs a/c.rs", "a/c.rs a.rs", "a/c.rs a/b.rs"]);
    assert_eq!(found("pub(in crate::a) fn g() {}"), ["a.rs a/c.rs"]);
    // A `use` for tests still says what a name means.
    let tests = "#[cfg(test)] mod tests { use super::Own; fn g() {} } #[cfg(test)] fn g(_: [u8; 1]) { super::Own } \
                 #[cfg(test)] use super::Own; fn f() {}";
    assert_eq!(found(tests), ["a.rs a/c.rs"]);
    assert_eq!(found("#[cfg(test)] mod tests; fn f() { super::Own }"), ["a.rs a/c.rs", "a/c.rs a.rs"]);
    // Passed on and used.
    let both = read(&[("a.rs", "mod b; pub use b::Deep; fn f(_: Deep) {}"), ("a/b.rs", "pub struct Deep;")]);
    assert_eq!(both, ["a.rs a/b.rs"]);
}

#[test]
fn circles_are_found() {
    let uses = |pairs: &[(&str, &str)]| -> Uses { pairs.iter().map(|&(a, b)| ((a.into(), b.into()), 1)).collect() };
    let found = uses(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "f"), ("f", "e"), ("g", "a")]);
    assert_eq!(circles(&found).into_iter().collect::<Vec<_>>(), [vec!["a", "b", "c"], vec!["e", "f"]]);
    assert!(circles(&uses(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
}
