//! The manual pages: troff has nothing to say about them, and what they show as examples is understood.
#![allow(clippy::unwrap_used, clippy::expect_used)] // what cannot be read must stop the test

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use support::{skip, stage};

const PAGES: &[&str] = &["pinfold.1", "pinfold-bwrap.1", "pinfold-profile.5", "pinfold-seccomp.7", "pinfold-limits.7"];

#[test]
fn troff_warns_of_nothing() {
    if Command::new("man").arg("--version").output().is_err() {
        return skip("man is not installed: pages are not formatted");
    }
    for page in PAGES {
        let mut man = Command::new("man");
        man.args(["--warnings", "-E", "UTF-8", "-l"]).arg(path(page));
        man.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80").env_remove("MAN_KEEP_FORMATTING").env_remove("MANROFFOPT");
        let output = man.output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaints.is_empty(), "{page}: {complaints}");
        let text = String::from_utf8(output.stdout).unwrap();
        let usual = ["NAME", "DESCRIPTION", "SEE ALSO"].into_iter();
        // A page about no command has no synopsis (man-pages(7)).
        for heading in usual.chain((*page != "pinfold-limits.7").then_some("SYNOPSIS")) {
            assert!(text.lines().any(|line| line == heading), "{page} has no {heading}");
        }
    }
}

#[test]
fn every_page_is_packaged() {
    let packaging = fs::read_to_string(root().join("packaging/README.md")).unwrap();
    for page in PAGES {
        assert!(packaging.contains(&format!("`man/{page}`")), "packaging/README.md does not list {page}");
    }
    let here = fs::read_dir(root().join("man")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    for name in here.filter(|name| !name.ends_with(".in")) {
        assert!(PAGES.contains(&name.as_str()), "{name} is not tested");
    }
}

#[test]
fn the_profile_that_is_shown_is_one() {
    let page = fs::read_to_string(path("pinfold-profile.5")).unwrap();
    let example =
        page.split(".SH EXAMPLE").nth(1).unwrap().split(".nf\n").nth(1).unwrap().split(".fi\n").next().unwrap();
    let text = example.replace("\\(ti", "~").replace("\\-", "-");
    let file = stage::stage().join("shown.profile");
    fs::write(&file, &text).unwrap();
    let mut diff = Command::new(env!("CARGO_BIN_EXE_pinfold"));
    // The profile that is shipped, whatever whoever runs the tests has under its name.
    diff.args(["profile", "diff", "base"]).arg(&file).env("XDG_CONFIG_HOME", "/nonexistent");
    let output = diff.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("profile")) {
        assert!(said.lines().any(|said| said == format!("+ {line}")), "{line:?} in {said}");
    }
}

fn path(page: &str) -> PathBuf {
    root().join("man").join(page)
}

fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
