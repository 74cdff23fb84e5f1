//! `pinfold doctor`: whether boxes work on this host. Nothing here runs when a box is started.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use lexopt::prelude::{Long, Short, Value};

use super::words;
use crate::doctor;
use crate::error::Error;
use crate::spec::{BindFlags, CapSet, DieWith, Fds, FsOp, NestedUserNs, Op, Seccomp, Source, Spec, Unshare, UserNs};

pub(super) const USAGE: &str = "usage: pinfold doctor [--json]\n";
const HELP: &str = "
Says what this host offers to sandboxes, what is missing, what that costs, and
how to mend it. Everything is tried in namespaces of its own, and nothing is left
behind.

      --json  print one JSON document
  -h, --help  print this

The exit code is 0 if `pinfold run true` would work here, and 1 if not.
";

/// Does what the words after `pinfold doctor` say. Returns what is to be printed, and the exit code.
pub(super) fn run(words: &[&CStr], environment: &[&CStr]) -> Result<(String, u8), Error> {
    let mut json = false;
    let mut parser = lexopt::Parser::from_args(words.iter().map(|word| OsStr::from_bytes(word.to_bytes())));
    let bad = |error: lexopt::Error| Error::new(125, format!("{error}\n{USAGE}"));
    while let Some(word) = parser.next().map_err(bad)? {
        match word {
            Short('h') | Long("help") => return Ok((format!("{USAGE}{HELP}"), 0)),
            Long("json") => json = true,
            Short(_) | Long(_) | Value(_) => return Err(bad(word.unexpected())),
        }
    }
    let report = doctor::examine(&wish(), environment, &words::Bubblewrap)?;
    Ok((if json { report.json() } else { report.text() }, u8::from(!report.works())))
}

/// The box that shall work: everything that an ordinary run is made of, around `true`.
fn wish() -> Spec {
    let mut spec = Spec::new(vec![c"true".into()]);
    let namespaces = &mut spec.namespaces;
    namespaces.user = UserNs::New;
    (namespaces.pid, namespaces.net, namespaces.ipc, namespaces.uts) = (true, true, true, true);
    namespaces.cgroup = Unshare::Try;
    let flags = BindFlags { read_only: true, devices: false, optional: false };
    let ops = [
        FsOp::Bind { source: Source::Path(c"/".into()), dest: c"/".into(), flags },
        FsOp::Proc { dest: c"/proc".into() },
        FsOp::Dev { dest: c"/dev".into() },
        FsOp::Tmpfs { dest: c"/tmp".into(), mode: 0o1777, size: None },
    ];
    spec.ops = ops.into_iter().enumerate().map(|(word, fs)| Op { fs, word }).collect();
    spec.lockdown.caps = Some(CapSet::EMPTY);
    spec.lockdown.nested_userns = NestedUserNs::Limit;
    // What it allows does not matter here, but that one can be installed.
    spec.lockdown.seccomp = Seccomp::Programs(vec![doctor::allow_everything()]);
    spec.process.fds = Fds::Only(Vec::new());
    spec.lifecycle.die_with = DieWith::Caller;
    spec
}
