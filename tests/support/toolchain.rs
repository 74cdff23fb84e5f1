//! The Rust toolchain that builds these tests, in a box.

use std::io::ErrorKind;
use std::path::Path;

use super::{is_root, leave_to_root, skip, stage};

/// Shows the toolchain to `act` at a path that everybody can enter; does nothing, loudly, where that cannot be.
///
/// It often lies in the home of whoever built the tests, which may be closed to others. As root it is therefore shown
/// under another name, in a mount namespace of the test.
pub(crate) fn with_toolchain<T: Send>(act: impl FnOnce(&Path) -> T + Send) -> Option<T> {
    use nix::mount::{MsFlags, mount};
    const NONE: Option<&str> = None;
    let cargo = Path::new(env!("CARGO"));
    let toolchain = cargo.parent().and_then(Path::parent).expect("TOOLCHAIN/bin/cargo");
    match cargo.metadata() {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            leave_to_root(&format!("the toolchain is closed to this user: {}", toolchain.display()));
            return None;
        }
        Err(error) => {
            skip(&format!("no {}: {error}", cargo.display()));
            return None;
        }
    }
    if !is_root() {
        return Some(act(toolchain));
    }
    let place = stage::stage().join("toolchain");
    std::fs::create_dir_all(&place).expect("make a directory for the toolchain");
    let scoped = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).expect("a mount namespace");
            mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).expect("private mounts");
            mount(Some(toolchain), &place, NONE, MsFlags::MS_BIND, NONE).expect("bind the toolchain");
            act(&place)
        });
        thread.join()
    });
    Some(scoped.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
}
