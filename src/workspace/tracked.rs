//! Which files git tracks, by the names in its index (gitformat-index(5)).
//!
//! The index may be long, and one name is asked about. So nothing of it is parsed: in versions 2 and 3 each name stands
//! there whole, with a NUL behind it. Whatever else there may be counts as tracking everything: version 4 shortens
//! names, a split index has a part elsewhere, a sparse one leaves out directories, and one that cannot be read says
//! nothing. A file that is said to be tracked and is not is put back too.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::files::c_path;
use crate::sys::{Errno, content};

/// The longest index that is looked at, in bytes. 276,000 files have one of 28 MB.
const LONGEST: u64 = 64 << 20;
/// Length of the header, in bytes.
const HEADER: usize = 12;
/// Extensions with which the index does not name all files.
const PARTS: [&[u8; 4]; 2] = [b"link", b"sdir"];

/// The indexes of the work trees in reach.
#[derive(Default)]
pub(super) struct Tracked {
    /// The index of each top.
    indexes: BTreeMap<PathBuf, PathBuf>,
    /// The one that was asked last.
    last: Option<(PathBuf, Names)>,
}

/// What an index says.
enum Names {
    /// Each name is in it as it is.
    In(Vec<u8>),
    /// It may name anything.
    Any,
    /// There is none.
    None,
}

impl Tracked {
    /// Notes that the work tree `top` has its index in `git_dir`.
    pub(super) fn add(&mut self, top: &Path, git_dir: &Path) {
        self.indexes.insert(top.to_owned(), git_dir.join("index"));
    }

    /// The top of the work tree that `path` lies in, if it lies in one.
    pub(super) fn top_of(&self, path: &Path) -> Option<&Path> {
        let above = path.ancestors().skip(1).find_map(|above| self.indexes.get_key_value(above));
        above.map(|(top, _)| top.as_path())
    }

    /// Whether git tracks the file `path`.
    pub(super) fn is_tracked(&mut self, path: &Path) -> bool {
        let Some(top) = self.top_of(path).map(Path::to_owned) else { return false };
        let Ok(name) = path.strip_prefix(&top) else { return false };
        let name = [name.as_os_str().as_bytes(), b"\0"].concat();
        let Some(index) = self.indexes.get(&top) else { return false };
        if self.last.as_ref().is_none_or(|(known, _)| known != index) {
            self.last = Some((index.clone(), read(index)));
        }
        match &self.last {
            Some((_, Names::In(text))) => text.windows(name.len()).any(|part| part == name),
            Some((_, Names::None)) => false,
            Some((_, Names::Any)) | None => true,
        }
    }
}

fn read(index: &Path) -> Names {
    let text = match content::read_without_links(&c_path(index), LONGEST) {
        Err(Errno::ENOENT) => return Names::None,
        Ok(text) if text.len() >= HEADER => text,
        _ => return Names::Any,
    };
    let is_whole = text.starts_with(b"DIRC\0\0\0\x02") || text.starts_with(b"DIRC\0\0\0\x03");
    let has = |part: &&[u8; 4]| text.windows(part.len()).any(|window| window == *part);
    if is_whole && !PARTS.iter().any(has) { Names::In(text) } else { Names::Any }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn names_in_an_index() {
        let top = PathBuf::from(format!("/var/tmp/pinfold-tracked-{}", std::process::id()));
        fs::create_dir_all(top.join("git")).unwrap();
        let says = |text: Option<&[u8]>, name: &str| {
            let index = top.join("git/index");
            let _old = fs::remove_file(&index);
            text.iter().for_each(|text| fs::write(&index, text).unwrap());
            let mut tracked = Tracked::default();
            tracked.add(&top, &top.join("git"));
            tracked.is_tracked(&top.join(name))
        };
        let index = |version: u8, rest: &[u8]| [b"DIRC\0\0\0", &[version][..], b"\0\0\0\x01", rest].concat();
        let named = index(2, b"..\0\x06a/.envrc\0\0");
        assert!(says(Some(&named), "a/.envrc") && !says(Some(&named), "b/.envrc") && !says(Some(&named), ".mcp.json"));
        assert!(says(Some(&index(4, b"..")), "x") && says(Some(&index(2, b"link")), "x"));
        assert!(says(Some(b"DIRC"), "x") && !says(None, "x"));
        fs::remove_dir_all(&top).unwrap();
    }
}
