//! Messages of `pinfold run`, on standard error and as lines of JSON. An error names the word or the line of a profile
//! that caused it. Restrictions that are not enforced are reported too.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::lint;
use super::origin::{Origin, at, last, placed};
use super::terms::TERMS;
use super::{advice, after};
use crate::cli::console;
use crate::error::{Error, ErrorKind, printable_json, push_printable};
use crate::plan::Plan;
use crate::protocol::{Act, Failure, Stage};
use crate::report;
use crate::spec::{Conflict, FdNumber, FsOp, LandlockTier, Source, Spec};
use crate::supervise::{Findings, Found, Frontend, Note, PATIENCE, RunBox};
use crate::sys::{Errno, Result as SysResult, fd, output};

/// The native front end.
pub(super) struct Native {
    /// The word behind each operation, indexed by [`crate::spec::Op::word`].
    pub(super) origins: Vec<Origin>,
    /// Every option that was set, and where it stands.
    pub(super) seen: Vec<Origin>,
    /// The caller's descriptor for events, which are lines of JSON.
    pub(super) status: Option<FdNumber>,
    /// Notes are not wanted.
    pub(super) is_quiet: bool,
    /// Runs another box.
    pub(super) run_box: Option<RunBox>,
    /// The top of the repository that the workspace lies below, which is not shown.
    pub(super) above: Option<PathBuf>,
}

impl Frontend for Native {
    fn error(&self, plan: &Plan, failure: &Failure) -> Error {
        let error = report::error(plan, failure, &TERMS);
        let hint = match failure.stage {
            Stage::Exec => of_program(plan, failure),
            _ => self.missing(plan, failure),
        };
        let error = match hint {
            Some(hint) => error.with_hint(Some(hint)),
            None if matches!(failure.act, Act::Missing | Act::NoMatch) => {
                let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!("{hint}; "));
                error.with_hint(Some(format!("{hint}--deny-try denies what exists and nothing else")))
            }
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
            // Not worth a note: a profile may deny paths that only some of its users have.
            Note::Remark(failure) if failure.act == Act::Nowhere && self.is_of_profile(plan, failure) => {}
            Note::Remark(failure) => {
                let what = self.error(plan, failure).text();
                if !self.is_quiet {
                    // Without "note:" it looks like an error.
                    say(&[b"note: ", &what[..]].concat());
                }
                self.report(&serde_json::json!({ "remark": String::from_utf8_lossy(&what) }));
            }
            Note::NotEnforced(unenforced) => self.dropped(&unenforced.line()),
        }
    }

    fn run_box(&self) -> Option<RunBox> {
        self.run_box
    }

    fn findings(&self, found: &[Found]) -> Findings {
        let mut findings = Findings::default();
        for found in found {
            let mut line = found.line();
            if let Found::Lost(lost) = found {
                line.extend_from_slice(format!(": {}", after::what_keeps(lost)).as_bytes());
            }
            findings.say("pinfold", &line);
            let status = match found {
                Found::Appeared { path, reason: None } => {
                    serde_json::json!({ "appeared": String::from_utf8_lossy(path.to_bytes()) })
                }
                Found::Appeared { path, reason } => serde_json::json!({
                    "appeared": String::from_utf8_lossy(path.to_bytes()),
                    "reason": reason,
                }),
                Found::Unseen { path } | Found::CutShort { path, .. } => {
                    serde_json::json!({ "unseen": String::from_utf8_lossy(path.to_bytes()) })
                }
                Found::Kept(line) => serde_json::json!({ "kept": line.text }),
                Found::News(news) => by_kind(news.all(), news.more()),
                Found::Lost(lost) => serde_json::json!({
                    "lost": lost.count,
                    "bytes": lost.bytes,
                    "largest": String::from_utf8_lossy(lost.largest().to_bytes()),
                    "all": lost.is_all,
                }),
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

/// Names that are new as one object: a list for each kind, and the number of those that are in no list.
fn by_kind<'n>(
    names: impl Iterator<Item = (&'static str, &'n Path, Option<&'n str>)>,
    more: usize,
) -> serde_json::Value {
    let mut lists: BTreeMap<&str, Vec<serde_json::Value>> = BTreeMap::new();
    for (kind, path, by) in names {
        let path = path.to_string_lossy();
        let name = match by {
            Some(by) => serde_json::json!({ "path": path, "by": by }),
            None => serde_json::json!({ "path": path }),
        };
        lists.entry(kind).or_default().push(name);
    }
    let mut status = serde_json::json!(lists);
    if more > 0 {
        status["more"] = more.into();
    }
    status
}

impl Native {
    /// Says after a run that failed where more of the project is.
    pub(super) fn hint_at_repository(&self) {
        if let Some(top) = self.above.as_ref().filter(|_| !self.is_quiet) {
            let mut line = b"note: a repository lies above, in ".to_vec();
            push_printable(&mut line, top);
            line.extend_from_slice(b": --repo shows it");
            say(&line);
        }
    }

    /// A hint for a missing file of the host, in terms of the option that names it.
    fn missing(&self, plan: &Plan, failure: &Failure) -> Option<String> {
        if (failure.stage, failure.act, failure.errno) != (Stage::Op, Act::Source, Errno::ENOENT as i32) {
            return None;
        }
        let op = plan.root.ops.get(failure.index as usize)?;
        let source = match &op.fs {
            FsOp::Bind { source: Source::Path(source), .. } | FsOp::CopyFile { source, .. } => source,
            FsOp::Overlay { layers, .. } => layers.first()?,
            _ => return None,
        };
        let is_link = Path::new(OsStr::from_bytes(source.to_bytes())).is_symlink();
        Some(advice::of_missing(self.origins.get(op.word)?, source, is_link))
    }

    /// Whether a line of a profile asked for the operation that failed.
    fn is_of_profile(&self, plan: &Plan, failure: &Failure) -> bool {
        let op = plan.root.ops.get(failure.index as usize);
        op.and_then(|op| self.origins.get(op.word)).is_some_and(|origin| origin.profile.is_some())
    }

    /// Reports a restriction that is not enforced.
    pub(super) fn dropped(&self, what: &[u8]) {
        say(&[b"not enforced: ", what].concat());
        self.report(&serde_json::json!({ "dropped": String::from_utf8_lossy(what) }));
    }

    /// Writes one line of JSON to the status descriptor, if there is one.
    pub(super) fn report(&self, line: &serde_json::Value) {
        if let Some(fd) = self.status {
            report_to(fd::callers_fd(fd), line);
        }
    }
}

/// Writes one line of JSON to `to`.
pub(super) fn report_to(to: SysResult<BorrowedFd<'_>>, line: &serde_json::Value) {
    // Ignored: a reader that is gone or does not read does not want the line.
    let _told = to.and_then(|fd| output::write_within(fd, &json_line(line), PATIENCE)).is_ok();
}

fn json_line(line: &serde_json::Value) -> Vec<u8> {
    printable_json(&format!("{line}\n")).into_bytes()
}

/// Writes one line to standard error.
pub(super) fn say(line: &[u8]) {
    console::tell(&[b"pinfold: ", line, b"\n"].concat());
}

/// The error for ports that are allowed without a network. A profile may have them for its users with a network: one
/// who takes that away, by `--net none` on the command line, knows it.
pub(super) fn useless_ports(spec: &Spec, seen: &[Origin]) -> Option<Error> {
    let landlock = &spec.lockdown.landlock;
    // With Landlock alone there is no network namespace.
    if !spec.namespaces.net || landlock.tier == LandlockTier::Only {
        return None;
    }
    let is_typed = |origin: &&Origin| origin.profile.is_none();
    let is_taken_away = last(seen, "--net").filter(is_typed).is_some();
    let options = [("--tcp-connect", &landlock.connect_tcp), ("--tcp-bind", &landlock.bind_tcp)];
    let named = options.into_iter().filter(|(_, ports)| ports.as_ref().is_some_and(|ports| !ports.is_empty()));
    let origin =
        named.filter_map(|(option, _)| last(seen, option)).find(|origin| is_typed(origin) || !is_taken_away)?;
    let hint = match origin.profile {
        Some(_) => "--net host shares the host's network; --net none says that there is to be none",
        None => "--net host shares the host's network; without one, leave this out",
    };
    Some(at(Some(origin), Error::new(ErrorKind::Invalid, lint::NO_NETWORK).with_hint(Some(hint.into()))))
}

/// A hint for a program that cannot be executed, from its name and from what the sandbox shows.
fn of_program(plan: &Plan, failure: &Failure) -> Option<String> {
    let exec = &plan.program.exec;
    let is_missing = failure.errno == Errno::ENOENT as i32;
    let seen = is_missing.then(|| advice::out_of_sight(&exec.files, plan.program.cwd.first(), &plan.root.ops));
    let start = plan.program.cwd.first();
    seen.flatten()
        .or_else(|| advice::misread(&exec.command, is_missing))
        .or_else(|| advice::nowhere(&exec.command, &exec.files, start).filter(|_| is_missing))
}

/// The error for two options that exclude each other.
pub(super) fn conflict(conflict: Conflict, seen: &[Origin]) -> Error {
    let (option, takes) = match conflict {
        Conflict::NoCommand => {
            return Error::new(ErrorKind::Invalid, "no command is given: pinfold run [OPTIONS] [--] COMMAND [ARGS...]");
        }
        Conflict::HostnameNeedsUts => ("--hostname", "a UTS"),
        Conflict::WaitAllNeedsPid => ("--wait-all", "a PID"),
        Conflict::UidNeedsUser => ("--uid", "a user"),
        Conflict::GidNeedsUser => ("--gid", "a user"),
        // No option of `pinfold run` asks for these.
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
        "--share" => {
            let kind = if option == "--wait-all" { "pid" } else { "uts" };
            ["--hostname", "--wait-all"].contains(&option) && origin.values().any(|shared| shared == kind.as_bytes())
        }
        _ => false,
    };
    match seen.iter().rev().find(shares) {
        Some(origin) => origin.push(&mut message),
        None => message.extend_from_slice(b"--landlock only"),
    }
    at(last(seen, option), Error { field: Some(conflict.field()), ..Error::new(ErrorKind::Invalid, message) })
}
