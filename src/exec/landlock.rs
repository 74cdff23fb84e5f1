//! Landlock rules (landlock(7)). Each is made while its mount is at hand. They take effect when everything else is set
//! up.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd};

use super::sources;
use crate::plan::{Object, Restrictions, Root, Rules};
use crate::protocol::{At, Failure, Outcome, Stage};
use crate::spec::{BindFlags, FsOp, Source};
use crate::sys::landlock::{Rights, Ruleset, Tcp};
use crate::sys::{Errno, Result, fd, open, stat};

/// The ruleset while it is made. It restricts this process only once [`Fence::close`] is called.
pub(super) struct Fence<'a>(Option<Making<'a>>);

struct Making<'a> {
    root: &'a Root,
    rules: &'a Rules,
    set: Ruleset,
}

impl<'a> Fence<'a> {
    /// Begins with the rules that belong to no mount: those for descriptors and ports.
    pub(super) fn begin(restrictions: &'a Restrictions, root: &'a Root) -> Outcome<Fence<'a>> {
        let Some(rules) = &restrictions.landlock else { return Ok(Fence(None)) };
        let mut set = Ruleset::create(rules.handled).stage(Stage::Ruleset)?;
        let mut index = rules.files.len();
        for &fd in &rules.descriptors {
            allow_descriptor(&mut set, fd, rules.handled.files).map_err(failed(index))?;
            index += 1;
        }
        // If the ruleset does not handle an access, its list of ports is empty or was dropped.
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
            // Only ask for the type of what may be a file: that costs a call.
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

    /// Adds the rules for paths of the host. Follows symbolic links only where the source of a bind may contain them.
    pub(super) fn allow_host_paths(&mut self) -> Outcome<()> {
        let Some(Making { root, rules, set }) = &mut self.0 else { return Ok(()) };
        for (index, rule) in rules.files.iter().enumerate() {
            let Object::HostPath(op) = rule.object else { continue };
            let opened = match without_links(root, op) {
                Some(real) => open::without_links(real),
                None => open::path(&rule.path, false),
            };
            let place = match opened {
                Err(Errno::ENOENT) if is_optional(root, op) => continue,
                opened => sources::unexchanged(op, opened)?,
            };
            allow(set, place.as_fd(), rule.rights).map_err(failed(index))?;
        }
        Ok(())
    }

    /// Puts this process behind the rules, for good.
    pub(super) fn close(self) -> Outcome<()> {
        self.0.map_or(Ok(()), |making| making.set.restrict().stage(Stage::Restrict))
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

/// The path of the source of an operation, if no symbolic link may be in it.
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
    let rights = if stat::fstat(place)?.is_dir() { rights } else { rights.within(Rights::OF_FILES) };
    set.allow(place, rights)
}

/// Lets the program open an inherited descriptor once more, as `/dev/stdout` does. Using the descriptor itself needs no
/// rule. The rule allows what the descriptor is open for.
fn allow_descriptor(set: &mut Ruleset, number: i32, handled: Rights) -> Result<()> {
    let fd = fd::callers_fd(number)?;
    let access = match fd::access(fd) {
        Err(Errno::EBADF) => return Ok(()),
        access => access?,
    };
    let what = stat::fstat(fd)?;
    let rights = if what.is_dir() && number <= 2 {
        // Nobody means to share a directory by `< DIR`: what lies below was not asked for. Without a rule it is closed.
        Rights::NONE
    } else if what.is_dir() {
        // Whoever hands over a directory means what lies below it, as far as its mount allows.
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
        // A pipe or a socket: it lies in no filesystem, and no rule concerns it.
        Err(Errno::EBADFD) => Ok(()),
        result => result,
    }
}
