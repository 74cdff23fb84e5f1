//! One walk through a workspace, for the repositories in it.
//!
//! The tree may be somebody's who is hostile. So the walk goes along descriptors, where no path can be too long and no
//! link is followed, and nothing recurs on the stack. One directory is open for each of the last levels; those above
//! are found again by `..`, and must be the same then.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::area::c_path;
use super::layout::{is_too_deep, path_of};
use crate::error::{Error, ErrorKind, MISSING_CALL, push_printable};
use crate::sys::dir::{self, Entries, For};
use crate::sys::file::{self, Kind, Stat};
use crate::sys::mount::AT_FDCWD;
use crate::sys::{Errno, Result, entry, error_text};

/// What a walk has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Everything called `.git`, whatever it is.
    pub(super) dot_gits: Vec<PathBuf>,
    /// Directories that look like git directories and have another name.
    pub(super) bare: Vec<PathBuf>,
    /// The names in the directory where the walk began.
    pub(super) names: BTreeSet<OsString>,
    /// A directory high above the first of these that is too deep for a mount.
    pub(super) too_deep: Option<PathBuf>,
}

/// Levels that are kept open.
const OPEN: usize = 32;

/// A directory on the way from the top to where the walk is.
struct Level {
    open: Option<OwnedFd>,
    /// What it is, where it was closed meanwhile.
    about: Option<Stat>,
    /// Directories in it that are still to be visited.
    ahead: Vec<CString>,
    /// Length of its path.
    path: usize,
}

/// Walks through `top` and all below it, with what is mounted there. No link is followed, and of git directories
/// nothing is entered that git has made.
///
/// The types of files come with the names (getdents(2)): no file is looked at.
pub(super) fn walk(top: &Path, uid: u32) -> std::result::Result<Found, Error> {
    let path = top.as_os_str().as_bytes().to_owned();
    let mut walk = Walk { uid, found: Found::default(), levels: Vec::new(), path, entries: Entries::new() };
    match walk.visit(AT_FDCWD, &c_path(top)).and_then(|()| walk.visit_all()) {
        Ok(()) => Ok(walk.found),
        Err(errno) => Err(failed(&walk.path, errno)),
    }
}

struct Walk {
    uid: u32,
    found: Found,
    levels: Vec<Level>,
    /// Where the walk is.
    path: Vec<u8>,
    entries: Entries,
}

impl Walk {
    /// Visits what lies ahead.
    fn visit_all(&mut self) -> Result<()> {
        while let Some(level) = self.levels.last_mut() {
            self.path.truncate(level.path);
            let Some(name) = level.ahead.pop() else {
                self.leave()?;
                continue;
            };
            self.path.push(b'/');
            self.path.extend_from_slice(name.to_bytes());
            let open = level.open.take().ok_or(Errno::ESTALE)?;
            let here = self.levels.len() - 1;
            self.visit(open.as_fd(), &name)?;
            self.levels[here].open = Some(open);
            self.close_far()?;
        }
        Ok(())
    }

    fn close_far(&mut self) -> Result<()> {
        let Some(far) = self.levels.len().checked_sub(OPEN + 1) else { return Ok(()) };
        if let Some(open) = self.levels[far].open.take() {
            self.levels[far].about = Some(file::fstat(open.as_fd())?);
        }
        Ok(())
    }

    /// Goes back up.
    fn leave(&mut self) -> Result<()> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        let Some(above) = self.levels.last_mut().filter(|above| above.open.is_none()) else { return Ok(()) };
        let back = dir::open_any_mount(level.open.ok_or(Errno::ESTALE)?.as_fd(), c"..", For::Listing)?;
        let about = file::fstat(back.as_fd())?;
        // Somebody has moved one of them, and what is ahead cannot be found any more.
        if !above.about.is_some_and(|was| was.is_same_file(about)) {
            return Err(Errno::ESTALE);
        }
        above.open = Some(back);
        Ok(())
    }

    /// Looks at the directory `name` of `above`.
    fn visit(&mut self, above: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        match dir::open_any_mount(above, name, For::Listing) {
            Ok(open) => self.enter(open),
            // Somebody works here.
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
            // Closed to the program as well; but the owner can open it.
            Err(Errno::EACCES) if !self.is_own(above, name) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    fn enter(&mut self, open: OwnedFd) -> Result<()> {
        let (mut head, mut objects, mut refs, mut commondir) = (false, false, false, false);
        let (mut ahead, mut has_dot_git) = (Vec::new(), false);
        let is_top = self.levels.is_empty();
        while self.entries.read(open.as_fd())? {
            for (name, kind) in self.entries.iter() {
                if is_top {
                    self.found.names.insert(OsStr::from_bytes(name.to_bytes()).to_owned());
                }
                // Links too: git follows them.
                match name.to_bytes() {
                    b".git" => {
                        has_dot_git = true;
                        continue;
                    }
                    b"HEAD" => head = true,
                    b"objects" => objects = true,
                    b"refs" => refs = true,
                    b"commondir" => commondir = true,
                    _ => {}
                }
                let kind = match kind {
                    Some(kind) => Some(kind),
                    None => entry::look_at(open.as_fd(), name)?.and_then(Stat::kind),
                };
                if kind == Some(Kind::Dir) {
                    ahead.push(name.to_owned());
                }
            }
        }
        // As git does (setup.c, `is_git_directory`).
        if head && (objects && refs || commondir) {
            self.note(None);
            // There may be work trees in it.
            ahead.retain(|name| !is_gits_own(name));
        }
        if has_dot_git {
            self.note(Some(".git"));
        }
        self.levels.push(Level { open: Some(open), about: None, ahead, path: self.path.len() });
        Ok(())
    }

    /// Notes the directory where the walk is, or something in it.
    fn note(&mut self, name: Option<&str>) {
        let dir = path_of(&self.path);
        match name {
            _ if is_too_deep(&self.path) => {
                self.found.too_deep.get_or_insert_with(|| high_above(dir));
            }
            Some(name) => self.found.dot_gits.push(dir.join(name)),
            None => self.found.bare.push(dir.to_owned()),
        }
    }

    fn is_own(&self, dir: BorrowedFd<'_>, name: &CStr) -> bool {
        match entry::look_at(dir, name) {
            Ok(about) => about.is_some_and(|about| about.owner == self.uid),
            // What cannot even be looked at lies in a directory that can be listed, but not entered.
            Err(_) => file::fstat(dir).is_ok_and(|about| about.owner == self.uid),
        }
    }
}

/// Directories that git makes in a git directory (gitrepository-layout(5)).
fn is_gits_own(name: &CStr) -> bool {
    const NAMES: [&CStr; 9] =
        [c"branches", c"hooks", c"info", c"logs", c"modules", c"objects", c"refs", c"reftable", c"worktrees"];
    NAMES.contains(&name)
}

/// The names in a directory that can be listed.
pub(super) fn names(dir: &Path) -> Option<BTreeSet<OsString>> {
    let entries = fs::read_dir(dir).ok()?;
    entries.map(|entry| entry.ok().map(|entry| entry.file_name())).collect()
}

/// A path for a message: of one that no call takes, the first directories.
fn high_above(path: &Path) -> PathBuf {
    const SHOWN: usize = 512;
    if !is_too_deep(path.as_os_str().as_bytes()) {
        return path.to_owned();
    }
    let is_shown = |above: &&Path| above.as_os_str().len() <= SHOWN;
    path.ancestors().find(is_shown).unwrap_or(Path::new("/")).to_owned()
}

fn failed(dir: &[u8], errno: Errno) -> Error {
    let mut message = b"Can't look for repositories in ".to_vec();
    push_printable(&mut message, high_above(path_of(dir)));
    message.extend_from_slice(format!(": {}", error_text(errno as i32)).as_bytes());
    let hint = match errno {
        Errno::EACCES => {
            Some("the program could open it and change the hooks of a repository there: chmod u+rx it, or remove it")
        }
        Errno::ENOSYS => Some(MISSING_CALL),
        Errno::ESTALE => Some("directories in it were moved meanwhile: try again"),
        _ => None,
    };
    Error::new(ErrorKind::Failed, message).with_hint(hint.map(str::to_owned))
}
