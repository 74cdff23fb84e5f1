//! The boxes that are built: as words for both tools, as words for the limit program, and as a `Spec`.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use pinfold::spec::{BindFlags, FsOp, Op, Source, Spec};

use crate::rounds::plain;
use crate::stage::Stage;

/// A root with `/usr` and nothing else. A command line for a box; so are the other words here.
pub(crate) const BARE: &str =
    "--ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin";
/// Everything that an option can unshare, and what programs expect to find.
pub(crate) const FULL: &str = "--unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/lib /lib \
    --symlink usr/lib64 /lib64 --symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp";
/// The same with the host's network.
pub(crate) const HOST_NET: &str = "--unshare-all --share-net --die-with-parent --ro-bind /usr /usr \
    --symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/bin /bin --proc /proc --dev /dev --tmpfs /tmp";
/// The host's files, read-only.
pub(crate) const ROOT: &str = "--ro-bind / /";

/// `tool` with the words of a box and `binds` read-only binds more, running `command`.
pub(crate) fn line(stage: &Stage, tool: &Path, words: &str, binds: usize, command: &str) -> Command {
    let mut line = Command::new(tool);
    line.args(words.split_whitespace());
    for number in 1..=binds {
        line.arg("--ro-bind").arg(stage.sources().join(number.to_string())).arg(format!("/b/{number}"));
    }
    line.arg(command);
    line
}

/// The limit program with its own words for the same box.
pub(crate) fn limit(stage: &Stage, words: &str, binds: usize) -> Command {
    let mut line = Command::new(stage.limit());
    line.args(words.split_whitespace()).arg(format!("binds={binds}"));
    line.arg(format!("from={}", stage.sources().display())).args(["--", "/bin/true"]);
    line
}

/// The native front door, with nothing but a command.
pub(crate) fn native(stage: &Stage) -> Command {
    let mut line = Command::new(stage.native());
    line.args(["run", "true"]);
    line
}

/// This program, which makes [`many`] of it.
pub(crate) fn library(stage: &Stage, binds: usize) -> Command {
    let mut line = Command::new(stage.this_program());
    line.arg(BOX_WORD).arg(stage.sources()).arg(binds.to_string());
    line
}

/// First word of this program when it is to be a box made through the library.
pub(crate) const BOX_WORD: &str = "box";

/// [`BARE`] with `binds` binds, as a value: bubblewrap takes 9,000 words at most, so 10,000 binds have no command line.
pub(crate) fn many(sources: &Path, binds: usize) -> Spec {
    let mut spec = Spec::new(vec![c"true".into()]);
    let link = |target: &str, dest: &str| FsOp::Symlink { target: c_string(target), dest: c_string(dest) };
    let mut ops = vec![bind(Path::new("/usr"), "/usr")];
    ops.extend([link("usr/lib", "/lib"), link("usr/lib64", "/lib64"), link("usr/bin", "/bin")]);
    ops.extend((1..=binds).map(|number| bind(&sources.join(number.to_string()), &format!("/b/{number}"))));
    spec.ops = ops.into_iter().map(|fs| Op::new(fs, 0)).collect();
    spec
}

fn bind(source: &Path, dest: &str) -> FsOp {
    FsOp::Bind {
        source: Source::Path(c_string(source.as_os_str().as_bytes())),
        dest: c_string(dest),
        flags: BindFlags { read_only: true, devices: false, optional: false },
    }
}

fn c_string(text: impl Into<Vec<u8>>) -> CString {
    CString::new(text).expect("a path has no NUL")
}

/// `tool` with a box that waits: `cat` answers when everything is set up.
pub(crate) fn waiting(stage: &Stage, tool: &Path, binds: usize) -> Command {
    plain(line(stage, tool, FULL, binds, "cat"))
}
