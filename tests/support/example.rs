//! Helper programs of tests: cargo builds them as examples.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where cargo puts the example called `name`.
pub(crate) fn path(name: &str) -> PathBuf {
    profile().join("examples").join(name)
}

/// This test is PROFILE/deps/NAME-HASH below target/TRIPLE, and an example PROFILE/examples/NAME.
fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("path of this test");
    test.parent().and_then(Path::parent).expect("target/TRIPLE/PROFILE").to_path_buf()
}

/// Builds an example: `cargo test` does, `cargo test --test NAME` does not.
pub(crate) fn build(name: &str) {
    let mut cargo = Command::new(env!("CARGO"));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    cargo.args(["build", "--quiet", "--example", name, "--manifest-path", manifest]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile().ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("run cargo").success(), "cargo build --example {name} failed");
}
