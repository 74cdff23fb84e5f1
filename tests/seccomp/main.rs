//! Seccomp profiles on a real kernel, through the front door: what compiled filters do under `--seccomp`, ours and
//! Debian's, and what `pinfold seccomp` says.
//!
//! What every filter answers to every number, on every architecture, is tested without a kernel in src/seccomp/tests.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

mod enforce;
mod programs;
mod spec;
#[path = "../support/mod.rs"]
mod support;
mod verbs;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use support::{Actor, Fd, Launch, Tool, references, stage, tool};

/// The shipped profiles.
const PROFILES: &[&str] = &["default", "build", "desktop", "strict"];

/// `pinfold seccomp` with `words`.
fn seccomp(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pinfold")).arg("seccomp").args(words).output().unwrap()
}

/// What `pinfold seccomp` printed; it must have succeeded.
fn said(words: &[&str]) -> String {
    let output = seccomp(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Why `pinfold seccomp` failed, as it must have, in one line.
fn refused(words: &[&str]) -> String {
    let output = seccomp(words);
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(125), &b""[..]), "{words:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    said.strip_prefix("pinfold seccomp: ").unwrap().trim_end().to_owned()
}

/// A file of tests/seccomp/data.
fn data(name: &str) -> String {
    format!("{}/tests/seccomp/data/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The filter of `profile` for `arch`, as a descriptor at its start.
fn filter(profile: &str, arch: &str) -> Fd {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = stage::stage().join(format!("filter-{number}"));
    said(&["compile", profile, "--arch", arch, "-o", path.to_str().unwrap()]);
    Fd::Given(Arc::new(File::open(path).unwrap().into()))
}

/// Ours and every other `bwrap` here.
fn tools() -> Vec<&'static Tool> {
    [tool()].into_iter().chain(references().iter().map(|reference| &reference.tool)).collect()
}

/// `command` as an ordinary user in the box that most programs run in, under `filter` if there is one.
fn boxed(tool: &Tool, filter: Option<Fd>, options: &str, command: &[&str]) -> Launch {
    let typical = "--unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
                   --symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp --setenv HOME /tmp --chdir /tmp";
    let seccomp = if filter.is_some() { "--seccomp 9" } else { "" };
    let words = format!("{typical} {options} {seccomp} --");
    let launch = tool.launch(Actor::User, words.split_whitespace().chain(command.iter().copied()));
    match filter {
        Some(filter) => launch.fd(9, filter),
        None => launch,
    }
}

/// A program of a C file beside this one, in the stage; nothing where `gcc` cannot build it.
fn built(source: &str, name: &str, options: &[&str]) -> Option<PathBuf> {
    let program = stage::stage().join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/seccomp").join(source);
    let done = Command::new("gcc").args(options).arg(source).arg("-o").arg(&program).output().ok()?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        let error = said.lines().find(|line| line.contains("error")).unwrap_or_default();
        support::skip(&format!("gcc {options:?}: {error}"));
        return None;
    }
    Some(program)
}
