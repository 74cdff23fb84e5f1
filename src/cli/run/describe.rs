//! An operation in words, for messages and for the plan that is printed.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use crate::error::push_printable;
use crate::spec::{BindFlags, DataFile, FsOp, OverlayKind, Source};

/// What `op` does: `bind /usr (read-only)`.
pub(super) fn op(op: &FsOp) -> Vec<u8> {
    let mut out = Vec::new();
    match op {
        FsOp::Bind { source, dest, flags } => {
            words(&mut out, "bind ");
            match source {
                Source::Path(source) => from_to(&mut out, source, " on ", dest),
                Source::Link(source) => {
                    words(&mut out, "link ");
                    from_to(&mut out, source, " on ", dest);
                }
                Source::Fd(fd) => {
                    words(&mut out, &format!("descriptor {fd} on "));
                    path(&mut out, dest);
                }
            }
            words(&mut out, how(*flags));
        }
        FsOp::RemountReadOnly { dest } => one(&mut out, "make read-only ", dest),
        FsOp::Overlay { layers, kind, dest } => {
            words(&mut out, "overlay ");
            for (number, layer) in layers.iter().enumerate() {
                words(&mut out, if number == 0 { "" } else { ", " });
                path(&mut out, layer);
            }
            if layers.len() != 1 || layers.first() != Some(dest) {
                words(&mut out, " on ");
                path(&mut out, dest);
            }
            match kind {
                OverlayKind::Host { upper, work: _ } => one(&mut out, " (changes go to ", upper),
                OverlayKind::Tmp => words(&mut out, " (changes are lost"),
                OverlayKind::ReadOnly => words(&mut out, " (read-only"),
            }
            words(&mut out, ")");
        }
        FsOp::Proc { dest } => one(&mut out, "procfs on ", dest),
        FsOp::Dev { dest } => one(&mut out, "basic devices on ", dest),
        FsOp::Tmpfs { dest, mode, size } => {
            one(&mut out, "tmpfs on ", dest);
            words(&mut out, &format!(" (mode {mode:o}"));
            if let Some(size) = size {
                words(&mut out, &format!(", {size} bytes"));
            }
            words(&mut out, ")");
        }
        FsOp::Mqueue { dest } => one(&mut out, "message queues on ", dest),
        FsOp::Dir { dest, mode } => {
            one(&mut out, "directory ", dest);
            words(&mut out, &format!(" (mode {mode:o})"));
        }
        FsOp::Data { fd, dest, how, mode: _ } => {
            let what = match how {
                DataFile::Copy => "file",
                DataFile::Bind { read_only: true } => "read-only file",
                DataFile::Bind { read_only: false } => "mounted file",
            };
            one(&mut out, &format!("{what} of what descriptor {fd} yields, at "), dest);
        }
        FsOp::Symlink { target, dest } => {
            one(&mut out, "link ", dest);
            one(&mut out, " -> ", target);
        }
        FsOp::CopyFile { source, dest } => {
            words(&mut out, "copy ");
            from_to(&mut out, source, " to ", dest);
        }
        FsOp::Deny { path, is_pattern } => {
            one(&mut out, if *is_pattern { "deny what matches " } else { "deny " }, path)
        }
        FsOp::Chmod { dest, mode } => one(&mut out, &format!("chmod {mode:o} "), dest),
        FsOp::Hostname { name } => one(&mut out, "host name ", name),
    }
    out
}

fn how(flags: BindFlags) -> &'static str {
    match flags {
        BindFlags { devices: true, .. } => " (with devices)",
        BindFlags { read_only: true, .. } => " (read-only)",
        BindFlags { .. } => " (writable)",
    }
}

fn from_to(out: &mut Vec<u8>, from: &CStr, between: &str, to: &CStr) {
    path(out, from);
    if from != to {
        one(out, between, to);
    }
}

fn one(out: &mut Vec<u8>, before: &str, subject: &CStr) {
    words(out, before);
    path(out, subject);
}

fn words(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn path(out: &mut Vec<u8>, path: &CStr) {
    push_printable(out, OsStr::from_bytes(path.to_bytes()));
}
