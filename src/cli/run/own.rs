//! Directories of the sandbox's own, where what the program writes would be lost in silence.

use std::ffi::{CStr, CString};

use super::footprint;
use crate::spec::{FsOp, Op, OverlayKind, mode};

/// The [`Op::word`] of an operation that no word asked for.
pub(super) const OURS: usize = usize::MAX;

/// Makes directories read-only that exist only to lead to a writable part of the host, such as `~/src` where the
/// workspace is `~/src/project`.
///
/// For the program, such a directory looks like the user's. It lies in a tmpfs of the sandbox, so what is written there
/// ends with the sandbox (`tar czf ../backup.tgz .`, `git worktree add ../other`). On a read-only mount the program
/// fails and says so. Permission bits would not do: the program owns the directory, and a tool that is denied tries
/// chmod(1) next.
///
/// A directory with a dot name stays writable. Programs keep settings and caches there (`~/.config`), whatever of it
/// comes from the host. So does one that a word names.
pub(super) fn close_ways(ops: &mut Vec<Op>) {
    let mut closed: Vec<(usize, CString)> = Vec::new();
    for (index, op) in ops.iter().enumerate().filter(|(_, op)| is_writable_host(&op.fs)) {
        let Some((tmpfs, way)) = op.fs.dest().and_then(|dest| way_to(dest, &ops[..index])) else { continue };
        if closed.iter().all(|(_, known)| *known != way) && !is_named(&way, ops) {
            closed.push((tmpfs, way));
        }
    }
    // From the last on, so that the indexes stay right. The mount comes first, and what is mounted below it finds its
    // place; it is made read-only when everything is in its place.
    closed.sort_by_key(|(tmpfs, _)| std::cmp::Reverse(*tmpfs));
    for (tmpfs, way) in &closed {
        let fs = FsOp::Tmpfs { dest: way.clone(), mode: mode::CLOSED, size: None };
        ops.insert(tmpfs + 1, Op::new(fs, OURS));
    }
    ops.extend(closed.into_iter().map(|(_, dest)| Op::new(FsOp::RemountReadOnly { dest }, OURS)));
}

/// The home of the program, if it is an empty tmpfs of the sandbox.
pub(super) fn own_home(home: &CStr, ops: &[Op]) -> Option<CString> {
    match footprint::covers(home, ops).next() {
        Some(FsOp::Tmpfs { dest, .. }) if dest.as_c_str() == home => Some(home.to_owned()),
        _ => None,
    }
}

fn is_writable_host(op: &FsOp) -> bool {
    match op {
        FsOp::Bind { flags, .. } => !flags.read_only,
        FsOp::Overlay { kind, .. } => !matches!(kind, OverlayKind::Tmp | OverlayKind::ReadOnly),
        _ => false,
    }
}

/// The first directory on the way from a tmpfs of the sandbox to `dest`, and the index of that tmpfs. `None` if there
/// is no directory between them.
fn way_to(dest: &CStr, before: &[Op]) -> Option<(usize, CString)> {
    let uppermost = footprint::covers(dest, before).next()?;
    let FsOp::Tmpfs { dest: top, .. } = uppermost else { return None };
    let index = before.iter().rposition(|op| std::ptr::eq(&raw const op.fs, uppermost))?;
    let rest = dest.to_bytes().strip_prefix(top.to_bytes())?.strip_prefix(b"/")?;
    let name = &rest[..rest.iter().position(|&byte| byte == b'/')?];
    let way = CString::new([top.to_bytes(), b"/", name].concat()).ok()?;
    (!name.starts_with(b".")).then_some((index, way))
}

/// Whether a word makes something at `way` itself.
fn is_named(way: &CStr, ops: &[Op]) -> bool {
    ops.iter().any(|op| op.fs.dest() == Some(way))
}
