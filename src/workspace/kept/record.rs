//! The record of an entry, as JSON with the number of its form. Paths are bytes: one that is no UTF-8 is a list of
//! numbers.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::spec::FileId;
use crate::sys::{began, poll, process};

/// The form that is written. Another one is not read: an entry of a newer version is left to that.
const VERSION: u64 = 1;

/// What an entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Record {
    /// When the run began, in seconds since 1970.
    pub(crate) started: i64,
    /// The command, in short. For people.
    pub(crate) command: String,
    /// The directory that it began in.
    pub(crate) place: PathBuf,
    /// The first process of the box: its id, and when it began, in clock ticks since the boot (proc_pid_stat(5)).
    pub(crate) first: Option<(i32, u64)>,
    /// The directories that the program could write to.
    pub(crate) writable: Vec<PathBuf>,
    /// Overlays, by number.
    pub(crate) overlays: Vec<Overlay>,
    /// Files that are put back, by number.
    pub(crate) files: Vec<Copied>,
    /// Whether that has been done.
    pub(crate) is_put_back: bool,
    /// Whether its run has come to its end, and only something could not be done then.
    pub(crate) is_ended: bool,
    /// How often a later run has begun to put it in order.
    pub(crate) attempts: u32,
    /// Why it was left as it is, as the end of a sentence.
    pub(crate) left: Option<String>,
}

/// A directory of the host that the run shows as an overlay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Overlay {
    /// Where it is. No part of this path is a link.
    pub(crate) path: PathBuf,
    pub(crate) id: FileId,
    /// Whether it is a git directory.
    pub(crate) is_git: bool,
}

/// A file whose content was copied before the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copied {
    /// Where it is. No part of this path is a link.
    pub(crate) path: PathBuf,
    /// Its permissions.
    pub(crate) mode: u32,
    /// When its content was changed last, in seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
}

impl Record {
    /// Whether the first process of the box lives and does not end within `patience`. While another one of the box
    /// lives, it does too (pid_namespaces(7)).
    pub(super) fn lives_on(&self, patience: Duration) -> bool {
        let Some((pid, began)) = self.first else { return false };
        let Ok(process) = process::pidfd_open(pid) else { return false };
        // Asked with the descriptor in hand: from here on it cannot be another process.
        let is_it = began::began(pid).is_ok_and(|now| now == began);
        is_it && !poll::is_ready_within(process.as_fd(), patience).unwrap_or(false)
    }

    pub(super) fn json(&self) -> String {
        let overlays = self.overlays.iter().map(|Overlay { path, is_git, id: FileId { device, inode, born } }| {
            json!({ "path": of_path(path), "device": device, "inode": inode, "born": born, "git": is_git })
        });
        let files = self.files.iter().map(
            |Copied { path, mode, modified }| json!({ "path": of_path(path), "mode": mode, "modified": modified }),
        );
        let mut text = json!({
            "version": VERSION,
            "started": self.started,
            "command": self.command,
            "place": of_path(&self.place),
            "first": self.first,
            "writable": self.writable.iter().map(|path| of_path(path)).collect::<Vec<_>>(),
            "overlays": overlays.collect::<Vec<_>>(),
            "files": files.collect::<Vec<_>>(),
            "put_back": self.is_put_back,
            "ended": self.is_ended,
            "attempts": self.attempts,
            "left": self.left,
        })
        .to_string();
        text.push('\n');
        text
    }

    pub(super) fn parse(text: &[u8]) -> Option<Record> {
        let value: Value = serde_json::from_slice(text).ok()?;
        if value["version"].as_u64() != Some(VERSION) {
            return None;
        }
        let overlay = |value: &Value| {
            let id = FileId {
                device: value["device"].as_u64()?,
                inode: value["inode"].as_u64()?,
                born: match &value["born"] {
                    Value::Null => None,
                    time => Some((time[0].as_i64()?, time[1].as_u64()?.try_into().ok()?)),
                },
            };
            Some(Overlay { path: path(&value["path"])?, id, is_git: value["git"].as_bool()? })
        };
        let file = |value: &Value| {
            let time = &value["modified"];
            Some(Copied {
                path: path(&value["path"])?,
                mode: value["mode"].as_u64()?.try_into().ok()?,
                modified: (time[0].as_i64()?, time[1].as_i64()?),
            })
        };
        Some(Record {
            started: value["started"].as_i64()?,
            command: value["command"].as_str()?.to_owned(),
            place: path(&value["place"])?,
            first: match &value["first"] {
                Value::Null => None,
                first => Some((first[0].as_i64()?.try_into().ok()?, first[1].as_u64()?)),
            },
            writable: value["writable"].as_array()?.iter().map(path).collect::<Option<_>>()?,
            overlays: value["overlays"].as_array()?.iter().map(overlay).collect::<Option<_>>()?,
            files: value["files"].as_array()?.iter().map(file).collect::<Option<_>>()?,
            is_put_back: value["put_back"].as_bool()?,
            // Records from before these have none of them.
            is_ended: value["ended"].as_bool().unwrap_or(false),
            attempts: value["attempts"].as_u64().and_then(|count| count.try_into().ok()).unwrap_or(0),
            left: value["left"].as_str().map(str::to_owned),
        })
    }
}

fn of_path(path: &Path) -> Value {
    match path.to_str() {
        Some(text) => text.into(),
        None => path.as_os_str().as_bytes().into(),
    }
}

/// An absolute path. Another one is no path of ours.
fn path(value: &Value) -> Option<PathBuf> {
    let path = match value {
        Value::String(text) => PathBuf::from(text),
        Value::Array(bytes) => {
            let byte = |value: &Value| u8::try_from(value.as_u64()?).ok();
            PathBuf::from(OsString::from_vec(bytes.iter().map(byte).collect::<Option<_>>()?))
        }
        _ => return None,
    };
    (path.is_absolute() && !path.as_os_str().as_bytes().contains(&0)).then_some(path)
}
