//! What `README.md`, `CONTRIBUTING.md` and `SECURITY.md` say exists: options, files, dependencies, and the error that
//! is shown.
#![allow(clippy::unwrap_used, clippy::expect_used)] // what cannot be read must stop the test

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Options in the README that belong to other programs: cargo, rustfmt, the benchmark, git and Python.
const OF_OTHERS: &[&str] = &[
    "--all-targets",
    "--bench",
    "--check",
    "--format",
    "--fuzz-dir",
    "--json",
    "--offline",
    "--quick",
    "--release",
    "--target",
];

/// What users and contributors read first.
const PAGES: &[&str] = &["README.md", "CONTRIBUTING.md", "SECURITY.md"];

#[test]
fn every_option_exists() {
    let help = run(&["--help"]).0 + &pinfold(&["run", "--help"]);
    let known: BTreeSet<&str> = options(&help).chain(OF_OTHERS.iter().copied()).collect();
    for page in PAGES {
        let text = read(page);
        let unknown: Vec<&str> = options(&text).filter(|option| !known.contains(option)).collect();
        assert!(unknown.is_empty(), "{page} names options that nothing has: {unknown:?}");
    }
}

#[test]
fn every_file_exists() {
    let is_path = |name: &&str| {
        name.contains('/')
            && !name.contains([' ', ':', '('])
            && !name.starts_with(['/', '~'])
            && !name.contains("target/")
    };
    for page in PAGES {
        for name in read(page).split('`').filter(is_path) {
            assert!(root().join(name.trim()).exists(), "{page}: {name} does not exist");
        }
    }
}

#[test]
fn the_readme_is_short() {
    assert!(read("README.md").lines().count() <= 200);
}

#[test]
fn every_dependency_has_its_reason() {
    let (page, manifest) = (read("CONTRIBUTING.md"), read("Cargo.toml"));
    let direct = manifest.split("[dependencies]").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap();
    let direct: BTreeSet<&str> = direct.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    let table = page.split("| crate |").nth(1).unwrap().split("\n\n").next().unwrap();
    let listed: BTreeSet<&str> = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(listed, direct, "the table of CONTRIBUTING.md and [dependencies] of Cargo.toml");
}

#[test]
fn the_error_is_the_one_that_is_shown() {
    let readme = read("README.md");
    let (_, shown) = readme.split_once("```console\n$ bwrap ").unwrap();
    let mut shown = shown.split("```").next().unwrap().splitn(2, '\n');
    let words: Vec<&str> = shown.next().unwrap().split(' ').collect();
    assert_eq!(run(&words).1, shown.next().unwrap());
    // The one of the native door, whose words depend on no host: the source is nowhere.
    let (_, shown) = readme.split_once("```text\n$ pinfold run ").unwrap();
    let mut shown = shown.split("```").next().unwrap().splitn(2, '\n');
    let words = shown.next().unwrap().split(' ');
    let mut tool = Command::new(env!("CARGO_BIN_EXE_pinfold"));
    let said = tool.args(["run", "--profile", "none"]).args(words).output().expect("start the tool").stderr;
    assert_eq!(String::from_utf8(said).unwrap(), shown.next().unwrap());
}

/// Standard output and error of `pinfold bwrap` with `words`.
fn run(words: &[&str]) -> (String, String) {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_pinfold"));
    let output = tool.arg("bwrap").args(words).output().expect("start the tool");
    let text = |bytes| String::from_utf8(bytes).expect("the tool's words are UTF-8");
    (text(output.stdout), text(output.stderr))
}

/// What the tool prints for other words than those of its `bwrap` door.
fn pinfold(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_pinfold")).args(words).output().expect("start the tool");
    String::from_utf8(output.stdout).expect("the tool's words are UTF-8")
}

/// Words that begin with two hyphens.
fn options(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-';
    text.split(move |c| !is_part(c)).filter(|word| word.len() > 2 && word.starts_with("--") && !word.ends_with('-'))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).expect("read a file of this project")
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
