//! Describes operations in words, for messages and for the printed plan.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use super::{BindFlags, DataFile, FsOp, OverlayKind, Source};
use crate::error::push_printable;

impl FsOp {
    /// What the operation does, on one line: `bind /usr (read-only)`. Control characters in paths are escaped; other
    /// bytes are kept.
    pub fn in_words(&self) -> Vec<u8> {
        let mut out = Vec::new();
        describe(self, &mut out);
        out
    }
}

fn describe(op: &FsOp, out: &mut Vec<u8>) {
    match op {
        FsOp::Bind { source, dest, flags } => {
            words(out, "bind ");
            match source {
                Source::Path(source) | Source::Real(source) => from_to(out, source, " on ", dest),
                Source::Link(source) => {
                    words(out, "link ");
                    from_to(out, source, " on ", dest);
                }
                Source::Fd(fd) => {
                    words(out, &format!("descriptor {fd} on "));
                    path(out, dest);
                }
            }
            words(out, how(*flags));
        }
        FsOp::RemountReadOnly { dest } => one(out, "make read-only ", dest),
        FsOp::Overlay { layers, kind, dest } => {
            words(out, "overlay ");
            for (number, layer) in layers.iter().enumerate() {
                words(out, if number == 0 { "" } else { ", " });
                path(out, layer);
            }
            if layers.len() != 1 || layers.first() != Some(dest) {
                words(out, " on ");
                path(out, dest);
            }
            match kind {
                OverlayKind::Host { upper, work: _ } => one(out, " (changes go to ", upper),
                OverlayKind::Apart { kept } if kept.to_bytes().starts_with(b"/") => {
                    one(out, " (changes are kept apart in ", kept);
                }
                OverlayKind::Apart { .. } => words(out, " (changes are kept apart"),
                OverlayKind::Tmp => words(out, " (changes are lost"),
                OverlayKind::ReadOnly => words(out, " (read-only"),
            }
            words(out, ")");
        }
        FsOp::Proc { dest } => one(out, "procfs on ", dest),
        FsOp::Dev { dest } => one(out, "basic devices on ", dest),
        FsOp::Tmpfs { dest, mode, size } => {
            one(out, "tmpfs on ", dest);
            words(out, &format!(" (mode {mode:o}"));
            if let Some(size) = size {
                words(out, &format!(", {size} bytes"));
            }
            words(out, ")");
        }
        FsOp::Mqueue { dest } => one(out, "message queues on ", dest),
        FsOp::Dir { dest, mode } => {
            one(out, "directory ", dest);
            words(out, &format!(" (mode {mode:o})"));
        }
        FsOp::Data { fd, dest, how, mode: _ } => {
            let what = match how {
                DataFile::Copy => "file",
                DataFile::Bind { read_only: true } => "read-only file",
                DataFile::Bind { read_only: false } => "mounted file",
            };
            one(out, &format!("{what} of what descriptor {fd} yields, at "), dest);
        }
        FsOp::Text { text, dest, mode: _ } => one(out, &format!("file of {} bytes, at ", text.len()), dest),
        FsOp::Symlink { target, dest } => {
            one(out, "link ", dest);
            one(out, " -> ", target);
        }
        FsOp::CopyFile { source, dest } => {
            words(out, "copy ");
            from_to(out, source, " to ", dest);
        }
        FsOp::Deny { path, is_pattern, optional } => {
            one(out, if *is_pattern { "deny what matches " } else { "deny " }, path);
            out.extend_from_slice(if *optional { b" (if it exists)" } else { b"" });
        }
        FsOp::Chmod { dest, mode } => one(out, &format!("chmod {mode:o} "), dest),
        FsOp::Hostname { name } => one(out, "host name ", name),
    }
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
