//! Collects what to mount: writable directories ("regions"), and the files that are held in them.

mod apart;
mod finish;
mod hold;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::bounds::Budget;
use super::files::{c_path, id_of};
use super::model::Unheld;
use super::tracked::Tracked;
use crate::error::{printable, quoted};
use crate::spec::FileId;
use crate::spec::path::{Follow, Step};
use crate::sys::stat::{self, Stat};
use crate::sys::{Errno, content, error_text};

/// How a place is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Write,
    Read,
    /// Read-only: the link itself and not its target.
    Link,
    /// A directory whose changes are kept apart ([`crate::spec::OverlayKind::Apart`]). `is_git`: it is a git directory.
    Apart {
        is_git: bool,
    },
}

/// What to do if a file that must be held does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It must exist, so this stops the run. The string is the command that makes it.
    Make(&'static str),
    /// The end of the run looks for it.
    Watch,
    /// Nothing, because the host would not obey it.
    Ignore,
}

/// Where a path leads.
pub(super) enum End {
    /// To this file. It is no link, and its path has none.
    There(PathBuf, Stat),
    /// To nothing. `first` is the path up to the first missing part, `whole` the path with the rest.
    Missing { first: PathBuf, whole: PathBuf },
    /// The path cannot be followed beyond `place`. `is_barred` says that git cannot follow it either. Otherwise only
    /// this attempt has failed.
    Unknown { place: PathBuf, is_barred: bool, errno: Errno },
}

/// At most this many entries of held directories are looked at in total. A stranger's tree may have any number, because
/// links lead from one directory to the next.
const MOST_ENTRIES: usize = 10_000;

/// At most this many directories without links are remembered, and at most this many missing paths.
const MOST_REMEMBERED: usize = 16;

pub(super) struct Area {
    /// How much may still be looked at.
    pub(super) budget: Budget,
    /// The user.
    uid: u32,
    /// Held directories whose entries are still to be looked at. This is a list and no recursion, because a chain of
    /// links could exhaust the stack.
    ahead: Vec<PathBuf>,
    /// Directories below those that are kept apart whose links were looked at.
    looked: BTreeSet<PathBuf>,
    /// Tracked files that are put back after the run.
    put_back: BTreeSet<PathBuf>,
    /// Whether what is held next may be put back if git tracks it. Not so what git itself obeys: git outside would
    /// execute it unseen during the run.
    may_put_back: bool,
    /// Which files git tracks.
    pub(super) tracked: Tracked,
    /// The `hooks` directory that is being looked at, if any.
    samples_in: Option<PathBuf>,
    /// How many entries may still be looked at.
    entries_left: usize,
    mounts: BTreeMap<PathBuf, Access>,
    /// The identities of held files and writable directories, as far as they were looked at anyway.
    identities: BTreeMap<PathBuf, FileId>,
    /// Directories that are writable with everything in them, except what is held.
    regions: Vec<PathBuf>,
    /// A cache of directories whose paths have no links. The program cannot replace these. `absent` is the same for
    /// paths where nothing exists.
    plain: Vec<PathBuf>,
    absent: Vec<PathBuf>,
    unheld: BTreeMap<PathBuf, Unheld>,
    watch: BTreeMap<PathBuf, Vec<Cow<'static, CStr>>>,
    /// The setting that names what is held next: its key, and its file.
    pub(super) named_by: Option<(String, Rc<Path>)>,
    /// For watched paths: which setting names them, if that is known.
    reasons: BTreeMap<PathBuf, String>,
}

impl Area {
    /// `here` is the identity of `cwd`.
    pub(super) fn new(cwd: &Path, here: FileId, uid: u32, budget: Budget) -> Area {
        let (mounts, unheld, watch) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (regions, plain, absent) = (Vec::new(), Vec::new(), Vec::new());
        let identities = BTreeMap::from([(cwd.to_owned(), here)]);
        let (ahead, samples_in, entries_left) = (Vec::new(), None, MOST_ENTRIES);
        let (looked, put_back, tracked) = (BTreeSet::new(), BTreeSet::new(), Tracked::default());
        let mut area = Area {
            budget,
            uid,
            ahead,
            looked,
            put_back,
            may_put_back: false,
            tracked,
            samples_in,
            entries_left,
            mounts,
            identities,
            regions,
            plain,
            absent,
            unheld,
            watch,
            named_by: None,
            reasons: BTreeMap::new(),
        };
        area.add_region(cwd);
        area
    }

    /// Makes a directory writable. It must not lie in a writable one.
    pub(super) fn add_region(&mut self, dir: &Path) {
        self.mounts.insert(dir.to_owned(), Access::Write);
        self.regions.push(dir.to_owned());
    }

    /// Shows a file or a directory in the box, read-only.
    pub(super) fn show(&mut self, path: &Path) {
        self.mounts.entry(path.to_owned()).or_insert(Access::Read);
    }

    /// Whether `path` is a writable directory or lies in one.
    pub(super) fn contains(&self, path: &Path) -> bool {
        self.regions.iter().any(|region| path.starts_with(region))
    }

    fn is_region(&self, path: &Path) -> bool {
        self.regions.iter().any(|region| region == path)
    }

    /// Whether the program could replace what is at `path`, by the mounts known so far.
    fn can_change(&self, path: &Path) -> bool {
        let above = path.ancestors().skip(1).find_map(|above| self.mounts.get(above));
        above == Some(&Access::Write) && !self.is_region(path)
    }

    /// Whether a bound is reached and nothing more may be looked at. `place` is where the look is now.
    pub(super) fn is_over(&mut self, place: &Path) -> bool {
        let is_full = !self.budget.allows_mounts(self.mounts.len(), || place.to_owned());
        is_full || self.budget.is_late(|| place.to_owned())
    }

    /// Records that something cannot be held. This stops the run.
    pub(super) fn give_up(&mut self, path: &Path, why: impl Into<Cow<'static, str>>, remedy: String) {
        // This replaces a mere remark about the same path.
        if !self.unheld.get(path).is_some_and(|known| known.stops) {
            let (why, named_by) = (why.into(), self.naming());
            let unheld = Unheld { path: path.to_owned(), why, named_by, remedy, stops: true };
            self.unheld.insert(path.to_owned(), unheld);
        }
    }

    /// `KEY in FILE`, in printable characters, for the setting in `named_by`.
    fn naming(&self) -> Option<String> {
        let (key, file) = self.named_by.as_ref()?;
        Some(format!("{key} in {}", printable(&**file)))
    }

    /// Records a remark. The run is safe all the same, but the user must know this.
    pub(super) fn tell(&mut self, path: &Path, why: &'static str) {
        let told =
            || Unheld { path: path.to_owned(), why: why.into(), named_by: None, remedy: String::new(), stops: false };
        self.unheld.entry(path.to_owned()).or_insert_with(told);
    }

    /// Follows `path` (absolute) to its end. Holds each link on the way that the program could replace.
    pub(super) fn follow(&mut self, path: &Path) -> End {
        if let Some(first) = self.absent.iter().find(|absent| path.starts_with(absent)) {
            return End::Missing { first: first.clone(), whole: path.to_owned() };
        }
        let mut follow = self.follow_known_part(path);
        let mut about = None;
        while let Some(step) = follow.step() {
            about = None;
            if step == Step::Up {
                continue;
            }
            let found = match stat::look_at_path(follow.place()) {
                Ok(found) => found,
                Err(Errno::ENOENT) => {
                    self.remember(follow.place(), false);
                    let (first, rest) = follow.into_parts();
                    let whole = if rest.as_os_str().is_empty() { first.clone() } else { first.join(rest) };
                    return End::Missing { first, whole };
                }
                Err(errno) => {
                    let barred = [Errno::EACCES, Errno::ELOOP, Errno::ENAMETOOLONG, Errno::ENOTDIR];
                    return unknown(follow, barred.contains(&errno), errno);
                }
            };
            if !found.is_link() {
                if found.is_dir() {
                    self.remember(follow.place(), true);
                }
                about = Some(found);
                continue;
            }
            let Ok(target) = fs::read_link(follow.place()) else { return unknown(follow, false, Errno::ESTALE) };
            let link = follow.place().to_owned();
            if !follow.lead_to(&target) {
                return unknown(follow, true, Errno::ELOOP);
            }
            if self.can_change(&link) {
                self.mounts.insert(link.clone(), Access::Link);
                self.identities.insert(link, id_of(found));
            }
        }
        match about.or_else(|| stat::look_at_path(follow.place()).ok()) {
            Some(about) => End::There(follow.into_parts().0, about),
            None => unknown(follow, false, Errno::ESTALE),
        }
    }

    fn remember(&mut self, place: &Path, is_there: bool) {
        if self.contains(place) {
            return;
        }
        let known = if is_there { &mut self.plain } else { &mut self.absent };
        if known.len() < MOST_REMEMBERED {
            known.push(place.to_owned());
        }
    }

    /// Begins to follow `path` after the part that is known to have no links. Most paths lie in a region, whose own
    /// path was resolved before it was added.
    fn follow_known_part(&self, path: &Path) -> Follow {
        let around = self.regions.iter().chain(&self.plain).filter(|known| path.starts_with(known));
        let known = around.max_by_key(|known| known.as_os_str().len()).cloned().unwrap_or_else(|| PathBuf::from("/"));
        let rest = path.strip_prefix(&known).unwrap_or(path);
        Follow::new(known, rest)
    }

    /// Reads the configuration `file`, which [`Area::hold`] has found at `place`. Opens regular files only: anything
    /// else may have no end, or the program may decide when it ends.
    pub(super) fn read(&mut self, file: &Path, (place, about): &(PathBuf, Stat), most: u64) -> Option<Vec<u8>> {
        /// Major and minor number of `/dev/null`, which git reads as nothing (null(4)).
        const NULL: u64 = 1 << 8 | 3;
        if about.is_char_device() && about.rdev == NULL {
            return None;
        }
        if !about.is_file() && self.unheld.contains_key(place) {
            return None;
        }
        let read = || content::read_without_links(&c_path(place), most);
        match if about.is_file() { read() } else { Err(Errno::EINVAL) } {
            Ok(text) => return Some(text),
            // git cannot read it either, and the program cannot change that.
            Err(Errno::EACCES) if !self.can_change(place) => {}
            Err(errno) => {
                let reason = match errno {
                    Errno::EFBIG => "it has more than 1 MiB",
                    Errno::EINVAL => "it is no regular file",
                    other => error_text(other as i32),
                };
                let why = format!(
                    "cannot be read as a configuration of git ({reason}), so what it names cannot be protected"
                );
                self.give_up(
                    file,
                    why,
                    format!("look at it, and remove it if it is not yours: ls -l {}", quoted(file)),
                );
            }
        }
        None
    }

    /// Makes a directory read-only with everything in it. Returns false if a region lies in it, which must stay
    /// writable.
    pub(super) fn close(&mut self, dir: &Path) -> bool {
        let is_changeable = self.can_change(dir);
        let is_around = self.regions.iter().any(|region| region.starts_with(dir));
        if is_changeable && !is_around {
            self.mounts.insert(dir.to_owned(), Access::Read);
        }
        !is_around
    }

    /// Has the end of the run look for `path`.
    pub(super) fn watch(&mut self, path: &Path) {
        if let (Some(dir), Some(name)) = (path.parent(), path.file_name())
            && self.can_change(path)
        {
            let name = Cow::Owned(c_path(Path::new(name)));
            let names = self.watch.entry(dir.to_owned()).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
}

fn unknown(follow: Follow, is_barred: bool, errno: Errno) -> End {
    End::Unknown { place: follow.into_parts().0, is_barred, errno }
}
