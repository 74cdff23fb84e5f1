//! Words for what goes wrong, in the manner of `pinfold run`: the step, what was to be done, the kernel's reason, and the
//! word of the command line or the line of the profile that asked for it.

use std::cell::RefCell;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::origin::{Origin, at, last};
use super::view::{Seen, View};
use crate::cli::exit_code::{FAILED, NOT_EXECUTABLE, NOT_FOUND};
use crate::error::{Error, printable_json, push_printable};
use crate::host::{self, Obstacles};
use crate::plan::{LandlockRule, Plan, denies, hint};
use crate::protocol::{Act, Failure, Stage};
use crate::spec::{Conflict, FdNumber, Op};
use crate::supervise::{Door, Findings, Found, Note, PATIENCE};
use crate::sys::{Errno, Result as SysResult, error_text, file, output};

const TERMS: hint::Terms = hint::Terms {
    skip_missing_layer: Some("--overlay-try skips it then"),
    no_new_procfs: "--best-effort goes on without one",
    new_ipc: "leave out --share ipc",
};

/// The native door.
pub(super) struct Native {
    /// Where the operations come from, by [`crate::spec::Op::word`].
    pub(super) origins: Vec<Origin>,
    /// Every option that was set, and where it stands.
    pub(super) seen: Vec<(&'static str, Origin)>,
    /// The caller's descriptor where events are reported, as lines of JSON.
    pub(super) status: Option<FdNumber>,
    /// The stage and error number of the failure, for the report.
    pub(super) failed: RefCell<Option<(Stage, i32)>>,
}

impl Door for Native {
    fn error(&self, plan: &Plan, failure: &Failure) -> Error {
        *self.failed.borrow_mut() = Some((failure.stage, failure.errno));
        let op = plan.root.ops.get(failure.index as usize).filter(|_| failure.stage == Stage::Op);
        let mut message = host::old_kernel(failure.errno).unwrap_or_default().into_bytes();
        message.extend_from_slice(failure.stage.step().as_bytes());
        message.extend_from_slice(b": ");
        message.extend(shortened(what(plan, failure)));
        // Of these the words are the reason already.
        let is_said = matches!(failure.act, Act::Missing | Act::NoMatch) && failure.stage == Stage::Op;
        if failure.errno != 0 && !is_said {
            message.extend_from_slice(b": ");
            message.extend_from_slice(error_text(failure.errno).as_bytes());
        }
        let closed = denial_of_cwd(plan, failure);
        let origin = match failure.stage {
            Stage::Chdir if closed.is_some() => closed.and_then(|op| self.origins.get(op.word)),
            Stage::Chdir => last(&self.seen, "--workdir"),
            Stage::Report => last(&self.seen, "--json-status-fd"),
            _ => op.and_then(|op| self.origins.get(op.word)),
        };
        if let Some(origin) = origin {
            let mut asked = Vec::new();
            origin.push(&mut asked);
            message.extend_from_slice(b" (");
            message.extend(shortened(asked));
            message.push(b')');
        }
        let general = || hint::advice(failure, op.map(|op| &op.fs), &Obstacles::probe(), &TERMS);
        let denied = || {
            closed
                .map(|_| "the program starts in what is denied: leave that out, or start elsewhere by --workdir".into())
        };
        let advice = out_of_sight(plan, failure).or_else(denied).or_else(general);
        Error::new(code(failure), message).with_hint(advice)
    }

    fn note(&self, plan: &Plan, note: &Note) {
        match note {
            Note::Dropped(failure) => {
                let what = self.error(plan, failure).message;
                *self.failed.borrow_mut() = None;
                self.dropped(&what);
            }
            Note::Remark(failure) => {
                let what = self.error(plan, failure).message;
                *self.failed.borrow_mut() = None;
                say(&what);
                self.report(&serde_json::json!({ "remark": String::from_utf8_lossy(&what) }));
            }
            Note::NotEnforced(dropped) => self.dropped(&dropped.line()),
        }
    }

    fn findings(&self, found: &[Found]) -> Findings {
        let mut findings = Findings::default();
        for found in found {
            findings.say("pinfold", &found.line());
            let status = match found {
                Found::Appeared { path, removed } => {
                    serde_json::json!({ "appeared": String::from_utf8_lossy(path.to_bytes()), "removed": removed })
                }
                Found::Unseen { path } => serde_json::json!({ "unseen": String::from_utf8_lossy(path.to_bytes()) }),
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
            report(file::callers_fd(fd), line);
        }
    }
}

/// One line of JSON to `to`.
pub(super) fn report(to: SysResult<BorrowedFd<'_>>, line: &serde_json::Value) {
    // A reader that is gone, or does not read, does not want to know.
    let _told = to.and_then(|fd| output::write_within(fd, &json_line(line), PATIENCE)).is_ok();
}

fn json_line(line: &serde_json::Value) -> Vec<u8> {
    printable_json(&format!("{line}\n")).into_bytes()
}

/// One line on standard error.
pub(super) fn say(line: &[u8]) {
    let line = [b"pinfold: ", line, b"\n"].concat();
    let _told = file::callers_fd(2).and_then(|fd| file::write_all(fd, &line)).is_ok();
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

/// The denial that closes the directory in which the program was to start.
fn denial_of_cwd<'a>(plan: &'a Plan, failure: &Failure) -> Option<&'a Op> {
    if (failure.stage, failure.errno) != (Stage::Chdir, Errno::EACCES as i32) {
        return None;
    }
    plan.root.ops.iter().find(|op| denies(&op.fs, plan.program.cwd.first()))
}

/// So much of a text is enough to tell what it names; a path can have 4095 bytes.
const ENOUGH: usize = 300;

/// `text` without its middle, where it is long.
fn shortened(text: Vec<u8>) -> Vec<u8> {
    if text.len() <= ENOUGH {
        return text;
    }
    let is_inside = |at: &usize| text[*at] & 0xc0 == 0x80;
    let begin = (0..=ENOUGH / 2).rev().find(|at| !is_inside(at)).unwrap_or(0);
    let end = (text.len() - ENOUGH / 2..text.len()).find(|at| !is_inside(at)).unwrap_or(text.len());
    [&text[..begin], format!("[... {} bytes ...]", end - begin).as_bytes(), &text[end..]].concat()
}

fn code(failure: &Failure) -> u8 {
    match failure.stage {
        Stage::Exec if failure.errno == Errno::ENOENT as i32 || failure.errno == Errno::ENAMETOOLONG as i32 => {
            NOT_FOUND
        }
        Stage::Exec => NOT_EXECUTABLE,
        _ => FAILED,
    }
}

/// What was to be done.
fn what(plan: &Plan, failure: &Failure) -> Vec<u8> {
    let words = failure.stage.native().as_bytes();
    match failure.stage {
        Stage::Op => operation(plan, failure),
        Stage::Rule => landlock_rule(plan, failure),
        Stage::Chdir => with(words, plan.program.cwd.first()),
        Stage::Exec => with(words, &plan.program.exec.command),
        Stage::Watch => {
            let watched = plan.lifecycle.watch.get(failure.index as usize);
            with(words, watched.map_or(c"", |watch| &watch.dir))
        }
        _ => words.to_vec(),
    }
}

fn landlock_rule(plan: &Plan, failure: &Failure) -> Vec<u8> {
    match plan.restrictions.landlock_rule(failure.index as usize) {
        Some(LandlockRule::File(path)) => with(b"cannot add the rule for ", path),
        Some(LandlockRule::Descriptor(fd)) => format!("cannot add the rule for descriptor {fd}").into_bytes(),
        Some(LandlockRule::Port(port)) => format!("cannot add the rule for TCP port {port}").into_bytes(),
        None => failure.stage.native().into(),
    }
}

fn operation(plan: &Plan, failure: &Failure) -> Vec<u8> {
    let mut out =
        plan.root.ops.get(failure.index as usize).map_or_else(|| failure.stage.native().into(), |op| op.fs.in_words());
    out.extend_from_slice(failure.act.native().as_bytes());
    if matches!(failure.act, Act::Unlisted | Act::Hidden | Act::NotFound | Act::Outside) {
        out.extend_from_slice(hint::links_left(failure).as_bytes());
    }
    if let Some(detail) = &failure.detail {
        out.push(b' ');
        push_printable(&mut out, OsStr::from_bytes(detail.to_bytes()));
    }
    out
}

fn with(before: &[u8], subject: &CStr) -> Vec<u8> {
    let mut out = before.to_vec();
    // What is empty has to be seen.
    push_printable(&mut out, OsStr::from_bytes(if subject.is_empty() { b"''" } else { subject.to_bytes() }));
    out
}

/// Two wishes that exclude each other.
pub(super) fn conflict(conflict: Conflict, seen: &[(&'static str, Origin)]) -> Error {
    let option = match conflict {
        Conflict::NoCommand => {
            return Error::new(FAILED, "no command is given: pinfold run [OPTIONS] [--] COMMAND [ARGS...]");
        }
        Conflict::HostnameNeedsUts => "--hostname",
        Conflict::UidNeedsUser => "--uid",
        Conflict::GidNeedsUser => "--gid",
        // No words of this dialect ask for these.
        Conflict::DisableNeedsNewUser
        | Conflict::DisableWithMapsFrom
        | Conflict::MapsFromNeedsNewUser
        | Conflict::MapsFromNeedsInfo
        | Conflict::Pid1NeedsPid
        | Conflict::Pid1WithLock => return Error::new(FAILED, "these wishes exclude each other"),
    };
    let takes = if option == "--hostname" { "a UTS" } else { "a user" };
    let mut message = format!("this takes {takes} namespace of its own, which is not made by ").into_bytes();
    let shares = |(name, origin): &&(&str, Origin)| {
        let has = |word: &[u8]| origin.word.windows(word.len()).any(|part| part == word);
        *name == "--landlock" && has(b"only") || *name == "--share" && has(b"uts") && option == "--hostname"
    };
    match seen.iter().rev().find(shares) {
        Some((_, origin)) => origin.push(&mut message),
        None => message.extend_from_slice(b"--landlock only"),
    }
    at(last(seen, option), Error::new(FAILED, message))
}
