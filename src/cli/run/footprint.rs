//! Refuses operations that would leave something on the host, before anything is made.
//!
//! A missing mount point is created. Below a writable bind, this creates a file or directory on the host, which would
//! stay there. A writable bind over the workspace is refused as well: it would undo the protection of hooks in it.

use std::ffi::{CStr, CString};

use super::advice;
use super::origin::{self, Origin};
use crate::error::{Error, ErrorKind, push_printable};
use crate::spec::path::{self, to_os};
use crate::spec::{FsOp, Op, OverlayKind, Source};

/// What is at a path of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostEntry {
    /// Nothing.
    Nothing,
    /// A symbolic link with this target.
    Link(CString),
    /// Anything else.
    Something,
}

/// Looks up what is at a path of the host.
type Look<'a> = &'a dyn Fn(&CStr) -> Result<HostEntry, Error>;

/// Refuses the first operation that would leave something on the host or undo a protection of the workspace.
pub(super) fn check(ops: &[Op], origins: &[Origin], look: Look<'_>) -> Result<(), Error> {
    // Before the first writable bind, nothing on the host can change. Most sandboxes have that bind last.
    let first = ops.iter().position(|op| matches!(&op.fs, FsOp::Bind { flags, .. } if !flags.read_only));
    for (index, op) in ops.iter().enumerate().skip(first.map_or(ops.len(), |first| first + 1)) {
        let before = &ops[..index];
        let origin = origins.get(op.word);
        let refused = match footprint(&op.fs, origin, before, look)? {
            Some(refused) => Some(refused),
            None => undoing(op, before),
        };
        if let Some(error) = refused {
            return Err(origin::at(origin, error));
        }
    }
    Ok(())
}

/// Returns the error if `op` would create or change something on the host.
fn footprint(op: &FsOp, origin: Option<&Origin>, before: &[Op], look: Look<'_>) -> Result<Option<Error>, Error> {
    let Some(dest) = op.dest() else { return Ok(None) };
    let made = match op {
        FsOp::CopyFile { .. } | FsOp::Text { .. } | FsOp::Data { .. } => "a file",
        FsOp::Symlink { .. } => "a link",
        FsOp::Dir { .. } => "a directory",
        // These create nothing.
        FsOp::RemountReadOnly { .. } | FsOp::Deny { .. } | FsOp::Hostname { .. } => return Ok(None),
        FsOp::Chmod { .. } => "a mode",
        FsOp::Bind { .. }
        | FsOp::Overlay { .. }
        | FsOp::Proc { .. }
        | FsOp::Dev { .. }
        | FsOp::Tmpfs { .. }
        | FsOp::Mqueue { .. } => "a place for the mount",
    };
    let Some(place) = place_on_host(dest, before, look)? else { return Ok(None) };
    if matches!(op, FsOp::Bind { source: Source::Real(source), .. } if *source == place) {
        // A bind of a path on itself, as for parts of the workspace, needs no new mount point.
        return Ok(None);
    }
    if let FsOp::Bind { source: Source::Path(source), flags, .. } = op
        && !flags.optional
        && look(source)? == HostEntry::Nothing
    {
        // The source does not exist: most often a wrong name, so that is the better error.
        let mut message = Vec::new();
        push_printable(&mut message, to_os(source));
        message.extend_from_slice(b" does not exist on the host");
        let hint = origin.map(|origin| advice::of_missing(origin, source, false));
        return Ok(Some(Error::new(ErrorKind::Invalid, message).with_hint(hint)));
    }
    if op.is_mount() && (is_skipped(op, look)? || look(&place)? != HostEntry::Nothing) {
        return Ok(None);
    }
    let mut message = made.as_bytes().to_vec();
    message.extend_from_slice(b" at ");
    push_printable(&mut message, to_os(dest));
    message.extend_from_slice(b" would be made on the host, and stay there");
    let hint = if op.is_mount() {
        "make it yourself first, or choose a place that is the sandbox's own, such as one below --tmpfs"
    } else {
        "choose a place that is the sandbox's own, such as one below --tmpfs"
    };
    Ok(Some(Error::new(ErrorKind::Unsafe, message).with_hint(Some(hint.into()))))
}

/// The path of `dest` on the host, if the uppermost mount there is a writable bind.
fn place_on_host(dest: &CStr, before: &[Op], look: Look<'_>) -> Result<Option<CString>, Error> {
    for fs in covers(dest, before) {
        if is_skipped(fs, look)? {
            continue;
        }
        let FsOp::Bind { source: Source::Path(source) | Source::Real(source), dest: above, flags } = fs else { break };
        if flags.read_only {
            break;
        }
        let rest = dest.to_bytes().strip_prefix(above.to_bytes()).unwrap_or_default();
        let rest = rest.strip_prefix(b"/").unwrap_or(rest);
        // No slash after the source itself: it may be a file.
        let below: &[u8] = if rest.is_empty() { b"" } else { b"/" };
        return Ok(CString::new([source.to_bytes(), below, rest].concat()).ok());
    }
    Ok(None)
}

/// The mounts at or above `path`, uppermost first.
pub(super) fn covers<'a>(path: &CStr, ops: &'a [Op]) -> impl Iterator<Item = &'a FsOp> {
    let mounts = ops.iter().rev().map(|op| &op.fs).filter(|fs| fs.is_mount());
    mounts.filter(move |fs| fs.dest().is_some_and(|above| is_at_or_below(path, above)))
}

/// Whether `op` does nothing because its source is missing.
fn is_skipped(op: &FsOp, look: Look<'_>) -> Result<bool, Error> {
    match op {
        FsOp::Bind { source: Source::Path(source), flags, .. } if flags.optional => {
            Ok(look(source)? == HostEntry::Nothing)
        }
        _ => Ok(false),
    }
}

/// Returns the error if `op` is a writable bind of a directory with a protected part of the workspace in it. A bind of
/// the protected part itself is allowed: the caller means it.
fn undoing(op: &Op, before: &[Op]) -> Option<Error> {
    let FsOp::Bind { source: Source::Path(_) | Source::Fd(_), dest, flags } = &op.fs else { return None };
    if flags.read_only {
        return None;
    }
    let held = before.iter().filter(|held| held.word != op.word).find_map(|held| match &held.fs {
        FsOp::Bind { source: Source::Real(_), dest: inner, flags } if flags.read_only && is_below(inner, dest) => {
            Some(inner)
        }
        FsOp::Bind { source: Source::Link(_), dest: inner, .. }
        | FsOp::Overlay { kind: OverlayKind::Apart { .. }, dest: inner, .. }
            if is_below(inner, dest) =>
        {
            Some(inner)
        }
        _ => None,
    })?;
    let mut message = b"this would open ".to_vec();
    push_printable(&mut message, to_os(held));
    message.extend_from_slice(b", which the workspace protects");
    let hint = "the workspace is writable already but for what the host would obey later; a directory without that \
                protection takes --profile base --rw DIR";
    Some(Error::new(ErrorKind::Unsafe, message).with_hint(Some(hint.into())))
}

fn is_below(path: &CStr, above: &CStr) -> bool {
    path != above && is_at_or_below(path, above)
}

/// Whether `path` is `above` or lies below it. Both are absolute and clean.
fn is_at_or_below(path: &CStr, above: &CStr) -> bool {
    let above = above.to_bytes();
    above == b"/" || path::is_at_or_below(path.to_bytes(), above)
}
