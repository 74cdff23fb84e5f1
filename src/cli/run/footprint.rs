//! What operations would leave on the host, or take away there: refused before anything is made.
//!
//! A place for a mount that does not exist yet is made; below a writable bind that is a directory or file of the host,
//! which would stay there. And a writable bind over the workspace would undo what holds its hooks.

use std::ffi::{CStr, CString};

use super::advice;
use super::origin::{self, Origin};
use crate::error::{Error, ErrorKind, push_printable};
use crate::spec::path::to_os;
use crate::spec::{FsOp, Op, Source};

/// What lies at a path of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostEntry {
    /// Nothing.
    Nothing,
    /// A symbolic link that says this.
    Link(CString),
    /// Something else.
    Something,
}

/// Looks at a path of the host.
type Look<'a> = &'a dyn Fn(&CStr) -> Result<HostEntry, Error>;

/// Says which operation would leave something on the host, or undo a protection of the workspace.
pub(super) fn check(ops: &[Op], origins: &[Origin], look: Look<'_>) -> Result<(), Error> {
    // Nothing of the host can be changed before something is mounted that is writable, which most boxes have last.
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

/// The error, where `op` would make or change something on the host.
fn footprint(op: &FsOp, origin: Option<&Origin>, before: &[Op], look: Look<'_>) -> Result<Option<Error>, Error> {
    let Some(dest) = op.dest() else { return Ok(None) };
    let made = match op {
        FsOp::CopyFile { .. } | FsOp::Text { .. } | FsOp::Data { .. } => "a file",
        FsOp::Symlink { .. } => "a link",
        FsOp::Dir { .. } => "a directory",
        // It changes nothing where it is.
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
        // It is mounted on itself, as parts of the workspace are.
        return Ok(None);
    }
    if let FsOp::Bind { source: Source::Path(source), flags, .. } = op
        && !flags.optional
        && look(source)? == HostEntry::Nothing
    {
        // There is nothing to be shown at that place: a name that was not meant, most often.
        let mut message = Vec::new();
        push_printable(&mut message, to_os(source));
        message.extend_from_slice(b" does not exist on the host");
        let hint = origin.map(|origin| advice::of_missing(origin, false));
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

/// Where `dest` lies on the host, if it is shown there by something that is writable.
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
        // The source itself, without a slash: behind a file, that leads nowhere.
        let below: &[u8] = if rest.is_empty() { b"" } else { b"/" };
        return Ok(CString::new([source.to_bytes(), below, rest].concat()).ok());
    }
    Ok(None)
}

/// The mounts that show something at `path`, or have it covered, the uppermost first.
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

/// The error, where `op` is a writable bind around something that another wish holds read-only: around a protected part
/// of the workspace. One that names the part itself means it.
fn undoing(op: &Op, before: &[Op]) -> Option<Error> {
    let FsOp::Bind { source: Source::Path(_) | Source::Fd(_), dest, flags } = &op.fs else { return None };
    if flags.read_only {
        return None;
    }
    let held = before.iter().filter(|held| held.word != op.word).find_map(|held| match &held.fs {
        FsOp::Bind { source: Source::Real(_), dest: inner, flags } if flags.read_only && is_below(inner, dest) => {
            Some(inner)
        }
        FsOp::Bind { source: Source::Link(_), dest: inner, .. } if is_below(inner, dest) => Some(inner),
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

/// Whether a path is another one or lies below it; both are absolute and clean.
fn is_at_or_below(path: &CStr, above: &CStr) -> bool {
    let above = above.to_bytes();
    above == b"/" || path.to_bytes().strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}
