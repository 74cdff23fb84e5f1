//! Helper programs of tests: cargo builds them as examples.

use std::fs;
use std::io::ErrorKind;
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

/// The example `name`, built again where it is older than one of its `sources` (directories): `cargo test` builds
/// examples, `cargo test --test NAME` does not.
pub(crate) fn built(name: &str, sources: &[&str]) -> PathBuf {
    let (built, root) = (path(name), Path::new(env!("CARGO_MANIFEST_DIR")));
    if sources.iter().any(|source| stale(&built, &root.join(source))) {
        build(name);
    }
    built
}

/// Whether `built` is missing or older than a file below `sources`.
fn stale(built: &Path, sources: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|about| about.modified());
    let Ok(made) = changed(built) else { return true };
    fs::read_dir(sources).expect("list sources").flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() { stale(built, &path) } else { changed(&path).is_ok_and(|time| time > made) }
    })
}

fn build(name: &str) {
    let mut cargo = Command::new(env!("CARGO"));
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    cargo.args(["build", "--quiet", "--example", name, "--manifest-path", manifest]);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile().ends_with("release") {
        cargo.arg("--release");
    }
    match cargo.status() {
        Ok(status) => assert!(status.success(), "cargo build --example {name} failed"),
        // Somebody else's cargo runs the tests as this user, and has built the examples before.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && path(name).exists() => {}
        Err(error) => panic!("cannot run cargo: {error}"),
    }
}
