//! Reads files of the host, or of a directory that takes its place in a test.

use std::fs;
use std::path::{Path, PathBuf};

/// Reads files below a root directory.
pub(super) struct Root<'a>(pub(super) &'a Path);

impl Root<'_> {
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// The text of a file; empty if there is none.
    pub(super) fn text(&self, path: &str) -> String {
        fs::read(self.path(path)).map_or_else(|_| String::new(), |text| String::from_utf8_lossy(&text).into_owned())
    }

    /// The first line of a file, trimmed. `None` if that is empty.
    pub(super) fn line(&self, path: &str) -> Option<String> {
        let text = self.text(path);
        let line = text.lines().next()?.trim_end_matches('\0').trim();
        (!line.is_empty()).then(|| line.to_owned())
    }

    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.line(path)?.parse().ok()
    }

    pub(super) fn words(&self, path: &str, separator: fn(char) -> bool) -> Vec<String> {
        self.line(path).unwrap_or_default().split(separator).filter(|w| !w.is_empty()).map(String::from).collect()
    }
}
