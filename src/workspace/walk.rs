//! Walks once through a workspace and finds the repositories in it.
//!
//! The tree may be hostile. So the walk uses descriptors: no path is too long for it, and it follows no link. It does
//! not recurse, so a deep tree cannot exhaust the stack. Only the directories of the last levels stay open. The walk
//! finds those above again by `..`, and checks that they are the same.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::bounds::Budget;
use super::files::{c_path, path_of};
use super::later::{Names, TABLE, first_part};
use super::layout::is_too_deep;
use super::{git_dir, names};
use crate::error::{Error, ErrorKind, MISSING_CALL, push_printable};
use crate::sys::dir::Entries;
use crate::sys::mount::AT_FDCWD;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind, Stat};
use crate::sys::{Errno, Result, Spent, error_text, statfs};

/// The result of a walk.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Every entry called `.git`, of any type.
    pub(super) dot_gits: Vec<PathBuf>,
    /// Directories that look like git directories but have another name.
    pub(super) bare: Vec<PathBuf>,
    /// Links called `.gitmodules` beside a `.git`.
    pub(super) gitmodules: Vec<PathBuf>,
    /// The names in the top directory that shells, editors or agents obey.
    pub(super) names: Names,
    /// A directory far above the first of these that is too deep for a mount.
    pub(super) too_deep: Option<PathBuf>,
}

/// How many levels stay open.
const OPEN: usize = 32;

/// A directory on the way from the top to where the walk is.
struct Level {
    open: Option<OwnedFd>,
    /// Its identity, if it was closed.
    about: Option<Stat>,
    /// Directories in it that the walk has still to visit.
    ahead: Vec<CString>,
    /// Length of its path.
    path: usize,
    /// Whether its file system marks the last entry of a directory.
    marks_last: bool,
}

/// Walks through `top` and everything below it, other mounts too. It follows no link, and in a git directory it does
/// not enter git's own directories.
///
/// getdents(2) returns the types of files with their names, so usually no file needs a call of its own.
pub(super) fn walk(top: &Path, uid: u32, budget: &mut Budget) -> std::result::Result<Walked, Error> {
    let path = top.as_os_str().as_bytes().to_owned();
    let (found, levels, entries, spent) = (Walked::default(), Vec::new(), Entries::new(), Spent::default());
    let mut walk = Walk { uid, budget, found, levels, path, entries, spent };
    match walk.visit(AT_FDCWD, &c_path(top)).and_then(|()| walk.visit_all()) {
        Ok(()) => Ok(walk.found),
        Err(errno) => Err(failed(&walk.path, errno)),
    }
}

struct Walk<'b> {
    uid: u32,
    budget: &'b mut Budget,
    found: Walked,
    levels: Vec<Level>,
    /// Where the walk is.
    path: Vec<u8>,
    entries: Entries,
    /// Visited directories, which are still to be closed.
    spent: Spent,
}

impl Walk<'_> {
    /// Visits all directories that are left.
    fn visit_all(&mut self) -> Result<()> {
        while let Some(level) = self.levels.last_mut().filter(|_| !self.budget.is_spent()) {
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
            self.levels[far].about = Some(stat::fstat(open.as_fd())?);
        }
        Ok(())
    }

    /// Goes back up.
    fn leave(&mut self) -> Result<()> {
        let Some(level) = self.levels.pop() else { return Ok(()) };
        let open = level.open.ok_or(Errno::ESTALE)?;
        let Some(above) = self.levels.last_mut().filter(|above| above.open.is_none()) else {
            self.spent.add(open);
            return Ok(());
        };
        let back = open::any_mount(open.as_fd(), c"..", For::Listing)?;
        let about = stat::fstat(back.as_fd())?;
        // Another process has moved a directory, so the remaining ones cannot be found any more.
        if !above.about.is_some_and(|was| was.is_same_file(about)) {
            return Err(Errno::ESTALE);
        }
        above.open = Some(back);
        Ok(())
    }

    /// Looks at the directory `name` of `above`.
    fn visit(&mut self, above: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        match self.open(above, name) {
            Ok((open, marks_last)) => self.enter(open, marks_last),
            // Another process has removed or replaced it meanwhile.
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
            // The program cannot enter it either. But an owner could change its mode.
            Err(Errno::EACCES) if !self.is_own(above, name) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Opens the directory `name` of `above`, and finds out whether its file system marks the last entry. The answer is
    /// the same for all directories of one mount.
    fn open(&self, above: BorrowedFd<'_>, name: &CStr) -> Result<(OwnedFd, bool)> {
        if let Some(level) = self.levels.last() {
            match open::same_mount(above, name, For::Listing) {
                Err(Errno::EXDEV) => {}
                opened => return opened.map(|open| (open, level.marks_last)),
            }
        }
        let open = open::any_mount(above, name, For::Listing)?;
        let marks_last = statfs::marks_last(open.as_fd()).unwrap_or(false);
        Ok((open, marks_last))
    }

    fn enter(&mut self, open: OwnedFd, marks_last: bool) -> Result<()> {
        let mut seen = Seen::default();
        let mut ahead = Vec::new();
        let is_top = self.levels.is_empty();
        let here = || high_above(path_of(&self.path));
        let mut is_done = false;
        while !is_done && self.entries.read(open.as_fd())? {
            if self.budget.is_late(here) {
                return Ok(());
            }
            is_done = marks_last && self.entries.is_last();
            for (name, kind) in self.entries.iter() {
                if is_top {
                    self.found.names.extend(later(open.as_fd(), name));
                }
                let kind = match kind {
                    Some(kind) => Some(kind),
                    None => stat::look_at(open.as_fd(), name)?.and_then(Stat::kind),
                };
                seen.add(open.as_fd(), name, kind);
                if kind == Some(Kind::Dir) && name != c".git" {
                    if !self.budget.add_directory(here) {
                        return Ok(());
                    }
                    ahead.push(name.to_owned());
                }
            }
        }
        if seen.parts.is_git_dir() {
            self.note(None);
            // Work trees may lie in the other directories.
            ahead.retain(|name| !is_gits_own(name));
        }
        if seen.dot_git {
            self.note(Some(".git"));
            if seen.gitmodules {
                self.note(Some(".gitmodules"));
            }
        }
        self.levels.push(Level { open: Some(open), about: None, ahead, path: self.path.len(), marks_last });
        Ok(())
    }

    /// Notes the directory where the walk is, or something in it.
    fn note(&mut self, name: Option<&str>) {
        let dir = path_of(&self.path);
        if name != Some(".gitmodules") && !self.budget.add_repository(|| high_above(dir)) {
            return;
        }
        match name {
            _ if is_too_deep(&self.path) => {
                self.found.too_deep.get_or_insert_with(|| high_above(dir));
            }
            Some(".git") => self.found.dot_gits.push(dir.join(".git")),
            Some(link) => self.found.gitmodules.push(dir.join(link)),
            None => self.found.bare.push(dir.to_owned()),
        }
    }

    fn is_own(&self, dir: BorrowedFd<'_>, name: &CStr) -> bool {
        match stat::look_at(dir, name) {
            Ok(about) => about.is_some_and(|about| about.owner == self.uid),
            // The look fails if `dir` can be listed but not searched. Then the owner of `dir` decides.
            Err(_) => stat::fstat(dir).is_ok_and(|about| about.owner == self.uid),
        }
    }
}

/// Whether git makes a directory of this name in a git directory (gitrepository-layout(5)).
fn is_gits_own(name: &CStr) -> bool {
    const NAMES: [&CStr; 9] =
        [c"branches", c"hooks", c"info", c"logs", c"modules", c"objects", c"refs", c"reftable", c"worktrees"];
    NAMES.contains(&name)
}

/// The names in a directory that shells, editors or agents obey. `None` if it cannot be listed.
pub(super) fn names(dir: &Path, budget: &mut Budget) -> Option<Names> {
    let open = open::any_mount(AT_FDCWD, &c_path(dir), For::Listing).ok()?;
    let mut entries = Entries::new();
    let mut names = Names::new();
    while entries.read(open.as_fd()).ok()? && !budget.is_late(|| dir.to_owned()) {
        names.extend(entries.iter().filter_map(|(name, _)| later(open.as_fd(), name)));
    }
    Some(names)
}

/// Which of the names that shells, editors and agents obey the entry `name` of `dir` is.
fn later(dir: BorrowedFd<'_>, name: &CStr) -> Option<&'static CStr> {
    names::recognize(dir, name, TABLE.iter().map(|(path, _)| first_part(path)))
}

/// The entries of a directory that show whether it is a git directory or contains one.
#[derive(Default)]
struct Seen {
    dot_git: bool,
    gitmodules: bool,
    parts: git_dir::Listed,
}

impl Seen {
    fn add(&mut self, dir: BorrowedFd<'_>, name: &CStr, kind: Option<Kind>) {
        let known = [c".git", c".gitmodules"].into_iter().chain(git_dir::NAMES);
        match names::recognize(dir, name, known) {
            Some(name) if name == c".git" => self.dot_git = true,
            Some(name) if name == c".gitmodules" => self.gitmodules |= kind == Some(Kind::Link),
            Some(name) => self.parts.note(name),
            None => {}
        }
    }
}

/// Returns a path for a message. If it is too long for a system call, only its first directories.
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
