//! Landlock rules: made while the mounts they belong to are at hand, and in force when everything else is set up.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};

use super::sources;
use crate::plan::{Object, Restrictions, Root, Rules};
use crate::protocol::{At, Failure, Outcome, Stage};
use crate::spec::{BindFlags, FsOp, Source};
use crate::sys::landlock::{Rights, Ruleset, Tcp};
use crate::sys::{Errno, Result, file};

/// The rules in the making. Only [`Fence::close`] puts this process behind them.
pub(super) struct Fence<'a>(Option<Making<'a>>);

struct Making<'a> {
    root: &'a Root,
    rules: &'a Rules,
    set: Ruleset,
}

impl<'a> Fence<'a> {
    /// Begins with the rules that belong to no mount: descriptors and ports.
    pub(super) fn begin(restrictions: &'a Restrictions, root: &'a Root) -> Outcome<Fence<'a>> {
        let Some(rules) = &restrictions.landlock else { return Ok(Fence(None)) };
        let mut set = Ruleset::create(rules.handled).stage(Stage::Ruleset)?;
        let mut index = rules.files.len();
        for &fd in &rules.descriptors {
            allow_descriptor(&mut set, fd, rules.handled.files).map_err(failed(index))?;
            index += 1;
        }
        // A list that is not handled is empty, or was dropped.
        let connect = rules.connect_tcp.iter().map(|&port| (port, Tcp::Connect, rules.handled.connect_tcp));
        let bind = rules.bind_tcp.iter().map(|&port| (port, Tcp::Bind, rules.handled.bind_tcp));
        for (port, tcp, is_handled) in connect.chain(bind) {
            if is_handled {
                set.allow_port(port, tcp).map_err(failed(index))?;
            }
            index += 1;
        }
        Ok(Fence(Some(Making { root, rules, set })))
    }

    /// Adds the rule for `object`, if there is one.
    pub(super) fn allow(&mut self, object: Object, place: BorrowedFd<'_>) -> Outcome<()> {
        let Some(Making { root, rules, set }) = &mut self.0 else { return Ok(()) };
        for (index, rule) in rules.files.iter().enumerate().filter(|(_, rule)| rule.object == object) {
            // No call is spent on asking what can only be a directory.
            let added =
                if may_be_file(root, object) { allow(set, place, rule.rights) } else { set.allow(place, rule.rights) };
            added.map_err(failed(index))?;
        }
        Ok(())
    }

    /// Whether there is a rule for `object`.
    pub(super) fn wants(&self, object: Object) -> bool {
        self.0.as_ref().is_some_and(|making| making.rules.files.iter().any(|rule| rule.object == object))
    }

    /// Adds the rules for paths of the host, links followed where they are in the source of a bind, and nowhere else.
    pub(super) fn allow_host_paths(&mut self) -> Outcome<()> {
        let Some(Making { root, rules, set }) = &mut self.0 else { return Ok(()) };
        for (index, rule) in rules.files.iter().enumerate() {
            let Object::HostPath(op) = rule.object else { continue };
            let opened = match without_links(root, op) {
                Some(real) => file::open_without_links(real),
                None => file::open_path(&rule.path, false),
            };
            let place = match opened {
                Err(Errno::ENOENT) if is_optional(root, op) => continue,
                opened => sources::unexchanged(op, opened)?,
            };
            allow(set, place.as_fd(), rule.rights).map_err(failed(index))?;
        }
        Ok(())
    }

    /// Puts this process behind the rules, for good. Less than all of them is a failure.
    pub(super) fn close(self) -> Outcome<()> {
        let Some(making) = self.0 else { return Ok(()) };
        let is_whole = making.set.restrict().stage(Stage::Restrict)?;
        if is_whole { Ok(()) } else { Err(Failure::new(Stage::Restrict, 0)) }
    }
}

fn failed(index: usize) -> impl Fn(Errno) -> Failure {
    move |errno| Failure::nth(Stage::Rule, index, errno as i32)
}

fn may_be_file(root: &Root, object: Object) -> bool {
    let Object::Mount(op) = object else { return false };
    let op = root.ops.get(op).map(|op| &op.fs);
    matches!(op, Some(FsOp::Bind { .. } | FsOp::Data { .. } | FsOp::CopyFile { .. }))
}

/// The path of the source of an operation, where no link may be in it.
fn without_links(root: &Root, op: usize) -> Option<&CString> {
    let op = root.ops.get(op)?;
    match &op.fs {
        FsOp::Bind { source: Source::Real(source), .. } => Some(source),
        _ => op.real.first(),
    }
}

fn is_optional(root: &Root, op: usize) -> bool {
    matches!(root.ops.get(op).map(|op| &op.fs), Some(FsOp::Bind { flags: BindFlags { optional: true, .. }, .. }))
}

fn allow(set: &mut Ruleset, place: BorrowedFd<'_>, rights: Rights) -> Result<()> {
    let rights = if file::fstat(place)?.is_dir() { rights } else { rights.within(Rights::OF_FILES) };
    set.allow(place, rights)
}

/// What the program holds already it can use without a rule; this is for opening it once more, as `/dev/stdout` does.
/// It gets what the descriptor is open for.
fn allow_descriptor(set: &mut Ruleset, number: i32, handled: Rights) -> Result<()> {
    let fd = file::callers_fd(number)?;
    let access = match file::access(fd) {
        Err(Errno::EBADF) => return Ok(()),
        access => access?,
    };
    let what = file::fstat(fd)?;
    let rights = if what.is_dir() && number <= 2 {
        // Nobody means to share a directory by `< DIR`, and what is below it was not asked for. Without a rule it is
        // shut.
        Rights::NONE
    } else if what.is_dir() {
        // Whoever hands a directory over means what is below it, with whatever its mount allows.
        handled
    } else {
        Rights::NONE
            .with_if(access.read, Rights::READ_FILE)
            .with_if(access.write, Rights::WRITE_FILE.with(Rights::TRUNCATE))
            .with_if(what.is_device(), Rights::IOCTL_DEV)
    };
    let rights = rights.within(handled);
    if rights == Rights::NONE {
        return Ok(());
    }
    match set.allow(fd, rights) {
        // It has no place in a filesystem: a pipe, a socket. No rule concerns these.
        Err(Errno::EBADFD) => Ok(()),
        result => result,
    }
}
