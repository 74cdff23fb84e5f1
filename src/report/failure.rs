//! Turns a failure of a launch into an error: the step, what was attempted, the kernel's reason, and the field of the
//! spec that asked for it.

use std::ffi::{CStr, CString, OsStr};
use std::num::NonZeroI32;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::hint::{self, Terms};
use crate::error::{Advice, Error, ErrorKind, Field, Hint, push_printable};
use crate::host::{self, Obstacles};
use crate::plan::{LandlockRule, Plan, denies};
use crate::protocol::{Act, Failure, Stage};
use crate::spec::Op;
use crate::spec::path::to_os;
use crate::sys::{Errno, error_text};

/// Turns a failure of `plan` into an error. `terms` are the front end's terms for its options.
pub(crate) fn error(plan: &Plan, failure: &Failure, terms: &Terms) -> Error {
    let mut message = host::old_kernel(failure.errno).unwrap_or_default().into_bytes();
    message.extend(shortened(what(plan, failure)));
    // For these the message already is the reason.
    let says_why = matches!(failure.act, Act::Missing | Act::NoMatch | Act::OfProcess | Act::NotAFile | Act::NotALink);
    let is_said = says_why && failure.stage == Stage::Op;
    let errno = NonZeroI32::new(failure.errno);
    if let Some(errno) = errno.filter(|_| !is_said) {
        message.extend_from_slice(b": ");
        message.extend_from_slice(error_text(errno.get()).as_bytes());
    }
    let op = plan.root.ops.get(failure.index as usize).filter(|_| failure.stage == Stage::Op).map(|op| &op.fs);
    let general = || hint::advice(failure, op, &Obstacles::probe(), terms).map(Hint::Text);
    let hint = advice(plan, failure).map(Hint::Advice).or_else(general);
    let error = Error::new(kind(failure), message);
    Error { field: field(plan, failure), step: Some(failure.stage.step()), errno, hint, ..error }
}

/// A hint, if the plan explains why the program does not start.
fn advice(plan: &Plan, failure: &Failure) -> Option<Advice> {
    match (failure.stage, Errno::from_raw(failure.errno)) {
        (Stage::Chdir, _) => denial_of_cwd(plan, failure).map(|_| Advice::StartElsewhere),
        (Stage::Exec, Errno::EACCES) if denial_of_program(plan, failure).is_some() => Some(Advice::LeaveProgram),
        // Without a new root, only Landlock restricts files.
        (Stage::Exec, Errno::EACCES) if !plan.root.is_new => Some(Advice::GrantProgram),
        _ => None,
    }
}

/// The deny operation that covers the program's start directory.
fn denial_of_cwd<'a>(plan: &'a Plan, failure: &Failure) -> Option<&'a Op> {
    if (failure.stage, failure.errno) != (Stage::Chdir, Errno::EACCES as i32) {
        return None;
    }
    plan.root.ops.iter().find(|op| denies(&op.fs, plan.program.cwd.first()))
}

/// The deny operation that covers the program's file.
fn denial_of_program<'a>(plan: &'a Plan, failure: &Failure) -> Option<&'a Op> {
    if (failure.stage, failure.errno) != (Stage::Exec, Errno::EACCES as i32) {
        return None;
    }
    let start = Path::new(to_os(plan.program.cwd.first()));
    let files = plan.program.exec.files.iter();
    let files: Vec<CString> = files
        // `components` drops parts that are `.`.
        .map(|file| start.join(to_os(file)).components().collect::<PathBuf>())
        .filter_map(|file| CString::new(file.into_os_string().into_vec()).ok())
        .collect();
    plan.root.ops.iter().find(|op| files.iter().any(|file| denies(&op.fs, file)))
}

/// The maximum length of a text in a message, in bytes. A path can have 4095.
const ENOUGH: usize = 300;

/// Cuts the middle out of a long `text`.
pub(crate) fn shortened(text: Vec<u8>) -> Vec<u8> {
    if text.len() <= ENOUGH {
        return text;
    }
    let is_inside = |at: &usize| text[*at] & 0xc0 == 0x80;
    let begin = (0..=ENOUGH / 2).rev().find(|at| !is_inside(at)).unwrap_or(0);
    let end = (text.len() - ENOUGH / 2..text.len()).find(|at| !is_inside(at)).unwrap_or(text.len());
    [&text[..begin], format!("[... {} bytes ...]", end - begin).as_bytes(), &text[end..]].concat()
}

fn kind(failure: &Failure) -> ErrorKind {
    match (failure.stage, Errno::from_raw(failure.errno)) {
        (Stage::Exec, Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG) => ErrorKind::NotFound,
        (Stage::Exec, _) => ErrorKind::NotExecutable,
        _ => ErrorKind::Failed,
    }
}

/// The field of the spec that asked for the step that failed, if one did.
fn field(plan: &Plan, failure: &Failure) -> Option<Field> {
    Some(match failure.stage {
        Stage::Op => Field::Op(plan.root.ops.get(failure.index as usize)?.word),
        Stage::Report if plan.launch.report.json_status_fd.is_some() => Field::JsonStatusFd,
        Stage::Report => Field::InfoFd,
        Stage::JoinUser => Field::UserNs,
        Stage::JoinInnerUser => Field::InnerUserNs,
        Stage::JoinPid => Field::JoinedPidNs,
        Stage::Net | Stage::JoinNet | Stage::Loopback => Field::NetNs,
        Stage::LimitUserNs | Stage::InnerUser | Stage::UserNsNotDisabled => Field::NestedUserNs,
        Stage::SwitchUid => Field::Uid,
        Stage::SwitchGid => Field::Gid,
        Stage::BoundingSet | Stage::SetCaps | Stage::AmbientCaps => Field::Caps,
        Stage::ReadFilter | Stage::FilterLength | Stage::InstallFilter => Field::Seccomp,
        Stage::Ruleset | Stage::Rule | Stage::Restrict => Field::Landlock,
        Stage::ExecLabel => Field::ExecLabel,
        Stage::FileLabel => Field::FileLabel,
        Stage::Chdir => denial_of_cwd(plan, failure).map_or(Field::Chdir, |op| Field::Op(op.word)),
        Stage::Exec => denial_of_program(plan, failure).map_or(Field::Command, |op| Field::Op(op.word)),
        _ => return None,
    })
}

/// Describes what was attempted.
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
        Stage::KeepApart => with(words, failure.detail.as_deref().unwrap_or_default()),
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
        out.extend_from_slice(if failure.act == Act::OfProcess { b": " } else { b" " });
        push_printable(&mut out, OsStr::from_bytes(detail.to_bytes()));
    }
    out
}

fn with(before: &[u8], subject: &CStr) -> Vec<u8> {
    let mut out = before.to_vec();
    // Quotes make an empty word visible.
    push_printable(&mut out, OsStr::from_bytes(if subject.is_empty() { b"''" } else { subject.to_bytes() }));
    out
}
