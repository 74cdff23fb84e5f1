//! Walks once through a workspace and finds what git and other programs obey in it.
//!
//! The tree may be hostile. So the walk uses descriptors: no path is too long for it, and it follows no link. It does
//! not recurse, so a deep tree cannot exhaust the stack. Only the directories of the last levels stay open. The walk
//! finds those above again by `..`, and checks that they are the same.
//!
//! What an earlier walk has seen in a directory counts again if the directory has not changed ([`tree`]). Such a
//! directory is asked for its attributes and not read. It is opened only if there are directories in it.
//!
//! [`tree`]: super::tree

mod found;
mod notes;
#[cfg(test)]
mod tests;

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::bounds::Budget;
use super::files::{c_path, path_of};
use super::layout::is_too_deep;
use super::stored;
use super::tree::{Record, is_settled};
use crate::error::{Error, ErrorKind, MISSING_CALL, push_printable};
use crate::spec::{SeenDir, SeenName};
use crate::sys::dir::Entries;
use crate::sys::mount::AT_FDCWD;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind, Stat};
use crate::sys::statfs::{self, Promises};
use crate::sys::{Errno, Result, Spent, error_text};
use found::counts;
pub(super) use found::{Obeyed, Walked};

/// What a walk goes by.
pub(super) struct Rules<'a> {
    /// The time when it begins, in seconds and nanoseconds since 1970.
    pub(super) now: (i64, i64),
    /// What the filesystem of a directory promises.
    pub(super) promises: &'a dyn Fn(BorrowedFd<'_>) -> Promises,
}

/// How many levels stay open.
const OPEN: usize = 32;

/// A directory on the way from the top to where the walk is.
struct Level {
    open: Option<OwnedFd>,
    /// Its attributes, if they are known. They were asked for after it was read, or are those of the record.
    about: Option<Stat>,
    seen: Arc<SeenDir>,
    /// Where in the list of its directories the walk is.
    at: usize,
    /// Length of its path.
    path: usize,
    mount: Mount,
    within: Within,
    /// Whether it is in the new record already.
    is_recorded: bool,
}

/// What holds for all directories of one filesystem.
#[derive(Debug, Clone, Copy, Default)]
struct Mount {
    /// Its device, if it was asked for.
    device: Option<u64>,
    promises: Promises,
}

/// What a directory lies in, or is.
#[derive(Debug, Clone, Copy, Default)]
struct Within {
    /// A git directory below the top.
    git: bool,
    /// A directory that tools fill.
    tools: bool,
}

/// Walks through `top` and everything below it, other mounts too. It follows no link, and in a git directory it does
/// not enter git's own directories. `known` is what an earlier walk has seen.
///
/// getdents(2) returns the types of files with their names, so usually no file needs a call of its own.
pub(super) fn walk(top: &Path, uid: u32, budget: &mut Budget, known: &Record) -> std::result::Result<Walked, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = (now.as_secs().cast_signed(), now.subsec_nanos().into());
    walk_by(top, uid, budget, known, &Rules { now, promises: &statfs::promises })
}

/// The same by other rules.
pub(super) fn walk_by(
    top: &Path,
    uid: u32,
    budget: &mut Budget,
    known: &Record,
    rules: &Rules<'_>,
) -> std::result::Result<Walked, Error> {
    let path = top.as_os_str().as_bytes().to_owned();
    let mut walk = Walk {
        uid,
        budget,
        known,
        rules,
        found: Walked::default(),
        levels: Vec::new(),
        path,
        entries: Entries::new(),
        kept: Vec::new(),
        spent: Spent::default(),
    };
    match walk.visit(AT_FDCWD, &c_path(top)).and_then(|()| walk.visit_all()) {
        Ok(()) => Ok(walk.found),
        Err(errno) => Err(failed(&walk.path, errno)),
    }
}

struct Walk<'w> {
    uid: u32,
    budget: &'w mut Budget,
    known: &'w Record,
    rules: &'w Rules<'w>,
    found: Walked,
    levels: Vec<Level>,
    /// Where the walk is.
    path: Vec<u8>,
    entries: Entries,
    /// The first directories, open, until it shows whether the tree is worth a record.
    kept: Vec<(OwnedFd, Arc<SeenDir>, Promises)>,
    /// Visited directories, which are still to be closed.
    spent: Spent,
}

impl Walk<'_> {
    /// Visits all directories that are left.
    fn visit_all(&mut self) -> Result<()> {
        while let Some(level) = self.levels.last_mut().filter(|_| !self.budget.is_spent()) {
            self.path.truncate(level.path);
            let seen = Arc::clone(&level.seen);
            let Some((name, next)) = seen.dirs.name_at(level.at) else {
                self.leave()?;
                continue;
            };
            level.at = next;
            if !is_entered(&seen, name) {
                continue;
            }
            self.path.push(b'/');
            self.path.extend_from_slice(name.to_bytes());
            let open = level.open.take().ok_or(Errno::ESTALE)?;
            let here = self.levels.len() - 1;
            self.visit(open.as_fd(), name)?;
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
        if let Some(above) = self.levels.last_mut().filter(|above| above.open.is_none()) {
            let back = open::any_mount(open.as_fd(), c"..", For::Names)?;
            let about = stat::fstat(back.as_fd())?;
            // Another process has moved a directory, so the remaining ones cannot be found any more.
            if !above.about.is_some_and(|was| was.is_same_file(about)) {
                return Err(Errno::ESTALE);
            }
            above.open = Some(back);
        }
        if level.is_recorded {
            self.spent.add(open);
        } else {
            self.kept.push((open, level.seen, level.mount.promises));
        }
        if !self.known.dirs.is_empty() || stored::is_worth_it(self.budget.directories()) {
            self.record_kept()?;
        }
        Ok(())
    }

    /// Adds what was read to the record. The directory's attributes are asked for only now: its ctime is older than the
    /// walk, so nothing has changed since before it was read.
    fn record_kept(&mut self) -> Result<()> {
        for (open, mut seen, promises) in self.kept.drain(..) {
            if promises.sound_times {
                let about = stat::fstat(open.as_fd())?;
                if is_settled(about.changed, self.rules.now) {
                    Arc::make_mut(&mut seen).changed = about.changed;
                    self.found.record.add(about, seen);
                }
            }
            self.spent.add(open);
        }
        Ok(())
    }

    /// Looks at the directory `name` of `above`.
    fn visit(&mut self, above: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        match self.look(above, name) {
            // Another process has removed or replaced it meanwhile.
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(()),
            // The program cannot enter it either. But an owner could change its mode.
            Err(Errno::EACCES) if !self.is_own(above, name) => Ok(()),
            done => done,
        }
    }

    fn look(&mut self, above: BorrowedFd<'_>, name: &CStr) -> Result<()> {
        let mount = self.levels.last().map(|level| level.mount).unwrap_or_default();
        let mut about = None;
        if mount.device.is_some() {
            self.found.asked += 1;
            let now = stat::look_at(above, name)?.filter(|about| about.is_dir()).ok_or(Errno::ENOTDIR)?;
            if mount.device == Some(now.device) {
                if let Some(seen) = self.known.unchanged(now) {
                    return self.enter_known(Err((above, name)), now, Arc::clone(seen), mount);
                }
                about = Some(now);
            }
        }
        let (open, mount, is_other) = self.open(above, name, mount)?;
        if self.known.dirs.is_empty() || !mount.promises.sound_times || (about.is_some() && !is_other) {
            return self.enter(open, mount);
        }
        // The top of a filesystem.
        let now = stat::fstat(open.as_fd())?;
        let mount = Mount { device: Some(now.device), ..mount };
        match self.known.unchanged(now) {
            Some(seen) => self.enter_known(Ok(open), now, Arc::clone(seen), mount),
            None => self.enter(open, mount),
        }
    }

    /// Opens the directory `name` of `above`, and finds out what its filesystem promises. The answer is the same for
    /// all directories of one mount. Also returns whether this is another mount.
    fn open(&self, above: BorrowedFd<'_>, name: &CStr, mount: Mount) -> Result<(OwnedFd, Mount, bool)> {
        if !self.levels.is_empty() {
            match open::same_mount(above, name, For::Listing) {
                Err(Errno::EXDEV) => {}
                opened => return opened.map(|open| (open, mount, false)),
            }
        }
        let open = open::any_mount(above, name, For::Listing)?;
        let promises = (self.rules.promises)(open.as_fd());
        Ok((open, Mount { device: None, promises }, true))
    }

    /// Enters a directory that has not changed since it was recorded. It is open, or is the entry of a directory.
    fn enter_known(
        &mut self,
        place: std::result::Result<OwnedFd, (BorrowedFd<'_>, &CStr)>,
        about: Stat,
        seen: Arc<SeenDir>,
        mount: Mount,
    ) -> Result<()> {
        let here = || high_above(path_of(&self.path));
        if self.budget.is_late(here) || !self.budget.add_directories(count_ahead(&seen), here) {
            return Ok(());
        }
        let has_more = seen.dirs.iter().any(|name| is_entered(&seen, name));
        let open = match place {
            Ok(open) => Some(open),
            Err((above, name)) if has_more => Some(open::any_mount(above, name, For::Names)?),
            Err(_) => None,
        };
        self.found.record.add(about, Arc::clone(&seen));
        let within = self.arrive(&seen);
        if open.is_some() {
            let path = self.path.len();
            self.levels.push(Level { open, about: Some(about), seen, at: 0, path, mount, within, is_recorded: true });
        }
        Ok(())
    }

    fn enter(&mut self, open: OwnedFd, mount: Mount) -> Result<()> {
        self.found.read += 1;
        let Some(seen) = self.read(open.as_fd(), mount.promises.marks_last)? else { return Ok(()) };
        let within = self.arrive(&seen);
        let (seen, path) = (Arc::new(seen), self.path.len());
        let level = Level { open: Some(open), about: None, seen, at: 0, path, mount, within, is_recorded: false };
        self.levels.push(level);
        Ok(())
    }

    /// Reads a directory. `None` if a bound is reached.
    fn read(&mut self, open: BorrowedFd<'_>, marks_last: bool) -> Result<Option<SeenDir>> {
        let mut seen = SeenDir::default();
        let is_top = self.levels.is_empty();
        let here = || high_above(path_of(&self.path));
        let mut is_done = false;
        while !is_done && self.entries.read(open)? {
            if self.budget.is_late(here) {
                return Ok(None);
            }
            is_done = marks_last && self.entries.is_last();
            for (name, kind) in self.entries.iter() {
                let kind = match kind {
                    Some(kind) => Some(kind),
                    None => stat::look_at(open, name)?.and_then(Stat::kind),
                };
                if let Some(known) = counts(open, name, is_top) {
                    seen.found.push(SeenName::new(known, kind));
                }
                if kind == Some(Kind::Dir) {
                    if name != c".git" && !self.budget.add_directory(here) {
                        return Ok(None);
                    }
                    seen.dirs.push(name);
                }
            }
        }
        Ok(Some(seen))
    }

    fn is_own(&self, dir: BorrowedFd<'_>, name: &CStr) -> bool {
        match stat::look_at(dir, name) {
            Ok(about) => about.is_some_and(|about| about.owner == self.uid),
            // The look fails if `dir` can be listed but not searched. Then the owner of `dir` decides.
            Err(_) => stat::fstat(dir).is_ok_and(|about| about.owner == self.uid),
        }
    }
}

/// Whether the walk goes into the directory `name` of a directory. Not into `.git`, and of a git directory not into
/// git's own directories; work trees may lie in the others.
fn is_entered(seen: &SeenDir, name: &CStr) -> bool {
    name != c".git" && !(is_gits_own(name) && seen.is_git_dir())
}

/// Whether git makes a directory of this name in a git directory (gitrepository-layout(5)).
fn is_gits_own(name: &CStr) -> bool {
    const NAMES: [&CStr; 9] =
        [c"branches", c"hooks", c"info", c"logs", c"modules", c"objects", c"refs", c"reftable", c"worktrees"];
    NAMES.contains(&name)
}

/// How many directories the walk has ahead in a directory.
fn count_ahead(seen: &SeenDir) -> usize {
    seen.dirs.iter().filter(|name| *name != c".git").count()
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
