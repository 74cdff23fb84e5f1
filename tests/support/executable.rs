//! Files that are executed soon after they were made.
//!
//! A test process has many threads. What one of them has open for writing, a child that another one forks meanwhile
//! holds until its exec; and as long as anybody has a file open for writing, nobody can execute it (ETXTBSY,
//! execve(2)). So such files are written by a process of their own, whose descriptors nobody inherits.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes `to` a copy of `from` that everyone may execute.
pub(crate) fn copy(from: &Path, to: &Path) {
    install(from, to, b"");
}

/// Makes `to` a file with `content` that everyone may execute.
pub(crate) fn write(to: &Path, content: &[u8]) {
    install(Path::new("/dev/stdin"), to, content);
}

fn install(from: &Path, to: &Path, input: &[u8]) {
    let mut command = Command::new("install");
    command.args(["-m", "755", "--"]).args([from, to]).stdin(Stdio::piped());
    let mut child = command.spawn().expect("start install(1)");
    child.stdin.take().expect("a pipe").write_all(input).expect("write to install(1)");
    let status = child.wait().expect("wait for install(1)");
    assert!(status.success(), "install {} {}: {status}", from.display(), to.display());
}
