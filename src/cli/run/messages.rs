//! What `pinfold run` says, on standard error and as lines of JSON: an error with the word of the command line or the
//! line of the profile that asked for it, and what does not hold.

use std::ffi::{CString, OsStr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::origin::{Origin, at, last, placed};
use super::terms::TERMS;
use super::view::{Seen, View};
use crate::cli::console;
use crate::error::{Error, ErrorKind, printable_json, push_printable};
use crate::plan::Plan;
use crate::protocol::{Failure, Stage};
use crate::report;
use crate::spec::{Conflict, FdNumber};
use crate::supervise::{Findings, Found, Frontend, Note, PATIENCE};
use crate::sys::{Errno, Result as SysResult, fd, output};

/// The native front end.
pub(super) struct Native {
    /// Where the operations come from, by [`crate::spec::Op::word`].
    pub(super) origins: Vec<Origin>,
    /// Every option that was set, and where it stands.
    pub(super) seen: Vec<Origin>,
    /// The caller's descriptor where events are reported, as lines of JSON.
    pub(super) status: Option<FdNumber>,
}

impl Frontend for Native {
    fn error(&self, plan: &Plan, failure: &Failure) -> Error {
        let error = report::error(plan, failure, &TERMS);
        let error = match out_of_sight(plan, failure) {
            Some(hint) => error.with_hint(Some(hint)),
            None => error,
        };
        let error = self.refusal(error);
        Error { place: error.place.map(|place| report::shortened(place.into()).into()), ..error }
    }

    fn refusal(&self, error: Error) -> Error {
        placed(&self.seen, &self.origins, error)
    }

    fn note(&self, plan: &Plan, note: &Note) {
        match note {
            Note::Dropped(failure) => {
                let what = self.error(plan, failure).text();
                self.dropped(&what);
            }
            Note::Remark(failure) => {
                let what = self.error(plan, failure).text();
                say(&what);
                self.report(&serde_json::json!({ "remark": String::from_utf8_lossy(&what) }));
            }
            Note::NotEnforced(unenforced) => self.dropped(&unenforced.line()),
        }
    }

    fn findings(&self, found: &[Found]) -> Findings {
        let mut findings = Findings::default();
        for found in found {
            findings.say("pinfold", &found.line());
            let status = match found {
                Found::Appeared { path, removed, reason: None } => {
                    serde_json::json!({ "appeared": String::from_utf8_lossy(path.to_bytes()), "removed": removed })
                }
                Found::Appeared { path, removed, reason } => serde_json::json!({
                    "appeared": String::from_utf8_lossy(path.to_bytes()),
                    "removed": removed,
                    "reason": reason,
                }),
                Found::Unseen { path } | Found::CutShort { path, .. } => {
                    serde_json::json!({ "unseen": String::from_utf8_lossy(path.to_bytes()) })
                }
                Found::Settled(settled) => serde_json::json!({
                    "settled": settled.path.to_string_lossy(),
                    "done": settled.deeds,
                    "undo": settled.undo,
                }),
            };
            findings.status.extend(json_line(&status));
        }
        findings
    }
}

impl Native {
    /// Says that a restriction does not hold.
    pub(super) fn dropped(&self, what: &[u8]) {
        say(&[b"not enforced: ", what].concat());
        self.report(&serde_json::json!({ "dropped": String::from_utf8_lossy(what) }));
    }

    /// One line of JSON for whoever asked for it.
    pub(super) fn report(&self, line: &serde_json::Value) {
        if let Some(fd) = self.status {
            report_to(fd::callers_fd(fd), line);
        }
    }
}

/// One line of JSON to `to`.
pub(super) fn report_to(to: SysResult<BorrowedFd<'_>>, line: &serde_json::Value) {
    // A reader that is gone, or does not read, does not want to know.
    let _told = to.and_then(|fd| output::write_within(fd, &json_line(line), PATIENCE)).is_ok();
}

fn json_line(line: &serde_json::Value) -> Vec<u8> {
    printable_json(&format!("{line}\n")).into_bytes()
}

/// One line on standard error.
pub(super) fn say(line: &[u8]) {
    console::tell(&[b"pinfold: ", line, b"\n"].concat());
}

/// What to do about a program that would be found outside, but is not shown: most often that of a toolchain in the home.
fn out_of_sight(plan: &Plan, failure: &Failure) -> Option<String> {
    if (failure.stage, failure.errno) != (Stage::Exec, Errno::ENOENT as i32) {
        return None;
    }
    let path = |file: &CString| Path::new(OsStr::from_bytes(file.to_bytes())).to_owned();
    let outside = plan.program.exec.files.iter().map(path).find(|path| path.is_absolute() && path.is_file())?;
    // One that is shown lacks its interpreter or its loader.
    if matches!(View::new(&plan.root.ops).at(&outside), Seen::Host(_)) {
        return None;
    }
    let mut hint = b"outside it is ".to_vec();
    push_printable(&mut hint, &outside);
    hint.extend_from_slice(
        b", which this sandbox does not show: --ro its directory (and what it needs), or --profile build for \
          toolchains in your home",
    );
    Some(String::from_utf8_lossy(&hint).into_owned())
}

/// Two wishes that exclude each other.
pub(super) fn conflict(conflict: Conflict, seen: &[Origin]) -> Error {
    let (option, takes) = match conflict {
        Conflict::NoCommand => {
            return Error::new(ErrorKind::Invalid, "no command is given: pinfold run [OPTIONS] [--] COMMAND [ARGS...]");
        }
        Conflict::HostnameNeedsUts => ("--hostname", "a UTS"),
        Conflict::UidNeedsUser => ("--uid", "a user"),
        Conflict::GidNeedsUser => ("--gid", "a user"),
        // No words of this dialect ask for these.
        Conflict::DisableNeedsNewUser
        | Conflict::DisableWithMapsFrom
        | Conflict::MapsFromNeedsNewUser
        | Conflict::MapsFromNeedsInfo
        | Conflict::Pid1NeedsPid
        | Conflict::Pid1WithLock => return conflict.into(),
    };
    let mut message = format!("this takes {takes} namespace of its own, which is not made by ").into_bytes();
    let shares = |origin: &&Origin| match origin.option {
        "--landlock" => origin.value() == b"only",
        "--share" => option == "--hostname" && origin.values().any(|kind| kind == b"uts"),
        _ => false,
    };
    match seen.iter().rev().find(shares) {
        Some(origin) => origin.push(&mut message),
        None => message.extend_from_slice(b"--landlock only"),
    }
    at(last(seen, option), Error { field: Some(conflict.field()), ..Error::new(ErrorKind::Invalid, message) })
}
