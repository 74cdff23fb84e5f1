//! What a run keeps apart: the entry of the store is made before the program starts, and put in order when nothing
//! lives in the box any more. The next run does that for a run that was killed.
//!
//! Of git directories what is only git's data is taken over ([`takeover`]). Files that git tracks and the host obeys
//! are put back ([`put_back`]). What is left, the user may look at, take over or drop: `pinfold kept`.

use std::cell::{LazyCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, OsStr};
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::files::{c_path, id_of, path_of};
use super::kept::put_back::{self, Outcome};
use super::kept::take::{contents, take};
use super::kept::{Entry, Item, Overlay, Record, Store, What, items, same};
use super::takeover::{self, Base, Bounds, Git, Job, Line, RunBox, TakenOver};
use crate::error::printable;
use crate::spec::{FileId, Keep};
use crate::sys::{Errno, Result, began, error_text, fd, open, stat};

/// How many kept files are named in a line.
const MOST_NAMED: usize = 6;

/// So many files are asked about whether they are the user's own. Each takes a few milliseconds.
const MOST_OWN: usize = 50;

/// So long does putting an entry in order take at most. Naming the objects of a large fetch takes most of it.
const LONGEST: Duration = Duration::from_secs(60);

/// So often is it tried after the run itself. What a box has left may be what lets it fail.
const MOST_ATTEMPTS: u32 = 2;

/// So many letters of a command are shown.
const LONGEST_COMMAND: usize = 40;

/// What a run keeps apart while it lasts. Its process has the lock of the entry.
#[derive(Debug)]
pub(crate) struct Keeping {
    store: Store,
    entry: RefCell<Entry>,
    record: RefCell<Record>,
    /// By the number of the overlay.
    bases: RefCell<BTreeMap<usize, Base>>,
}

/// A step that failed, and where.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) path: PathBuf,
    pub(crate) errno: Errno,
}

impl Keeping {
    /// Makes the entry for what `keep` names. `command` and `place` are for people.
    pub(crate) fn begin(keep: &Keep, command: String, place: &CStr, uid: u32) -> std::result::Result<Keeping, Failed> {
        let states: Vec<&Path> = keep.stores.iter().map(|state| path_of(state.to_bytes())).collect();
        let in_store = |errno| Failed { path: states.first().copied().unwrap_or(Path::new("")).to_owned(), errno };
        let store = Store::first(&states, uid)
            .map_err(|error| in_store(error.errno.map_or(Errno::EACCES, |errno| Errno::from_raw(errno.get()))))?;
        let entry = store.begin().map_err(in_store)?;
        let mut record = Record {
            started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64),
            command,
            place: path_of(place.to_bytes()).to_owned(),
            writable: keep.writable.iter().map(|path| path_of(path.to_bytes()).to_owned()).collect(),
            ..Record::default()
        };
        let mut bases = BTreeMap::new();
        let done = fill(keep, &entry, &mut record, &mut bases);
        if let Err(failed) = done {
            let _removed = store.remove(&entry).is_ok();
            return Err(failed);
        }
        entry.write(&record).map_err(in_store)?;
        Ok(Keeping { store, entry: entry.into(), record: record.into(), bases: bases.into() })
    }

    /// Where the entry is, without links.
    pub(crate) fn path(&self) -> Result<CString> {
        fd::path(self.entry.borrow().dir())
    }

    /// The descriptors that must stay open until the end.
    pub(crate) fn descriptors(&self) -> [i32; 2] {
        [self.store.dir().as_raw_fd(), self.entry.borrow().dir().as_raw_fd()]
    }

    /// Called when the program starts; `first` is the first process of the box. Does what need not be done before.
    pub(crate) fn started(&self, first: i32) {
        let entry = self.entry.borrow();
        let mut record = self.record.borrow_mut();
        record.first = began::began(first).ok().map(|began| (first, began));
        // Without these, less is taken over.
        let _written = entry.write(&record).is_ok();
        for (n, base) in self.bases.borrow_mut().iter_mut() {
            if let Ok(dir) = opened(&record.overlays[*n]) {
                base.read_indexes(dir.as_fd());
                let _written = entry.write_base(*n, &base.to_bytes()).is_ok();
            }
        }
    }

    /// Puts everything in order. No process of the box lives any more. Returns what there is to say.
    pub(crate) fn end(&self, with: &With<'_>) -> Vec<Line> {
        self.bases.borrow_mut().clear();
        self.record.borrow_mut().is_ended = true;
        put_in_order(&self.store, &mut self.entry.borrow_mut(), &mut self.record.borrow_mut(), with)
    }

    /// Removes the entry: the program has not run.
    pub(crate) fn cancel(&self) {
        let _removed = self.store.remove(&self.entry.borrow()).is_ok();
    }
}

fn fill(
    keep: &Keep,
    entry: &Entry,
    record: &mut Record,
    bases: &mut BTreeMap<usize, Base>,
) -> std::result::Result<(), Failed> {
    for (n, dir) in keep.dirs.iter().enumerate() {
        let path = path_of(dir.path.to_bytes()).to_owned();
        let failed = |errno| Failed { path: path.clone(), errno };
        let open = open::dir_without_links(&dir.path).map_err(failed)?;
        let id = id_of(stat::look_at_open(open.as_fd()).map_err(failed)?);
        // A git directory that git itself could not read, or that somebody has prepared, has no base. Then nothing is
        // taken over.
        let base = if dir.is_git { Base::record(open.as_fd()).ok() } else { None };
        let bytes = base.as_ref().map(Base::to_bytes).unwrap_or_default();
        entry.make_overlay(n, &bytes).map_err(failed)?;
        bases.extend(base.map(|base| (n, base)));
        record.overlays.push(Overlay { path, id, is_git: dir.is_git });
    }
    for (n, file) in keep.files.iter().enumerate() {
        let path = path_of(file.to_bytes());
        let failed = |errno| Failed { path: path.to_owned(), errno };
        let copied = put_back::copy(entry, n, path).map_err(failed)?;
        record.files.push(copied.ok_or(failed(Errno::EFBIG))?);
    }
    Ok(())
}

/// What putting in order needs.
#[derive(Clone, Copy)]
pub(crate) struct With<'a> {
    /// The caller's `PATH`, in which git is looked for.
    pub(crate) path: &'a OsStr,
    /// Runs a box. Without that nothing is taken over.
    pub(crate) run_box: Option<RunBox<'a>>,
    /// Asked again and again. False: the user does not want to wait any longer.
    pub(crate) go_on: &'a dyn Fn() -> bool,
}

/// Puts the entries in order whose runs were killed, or could not do it. Returns what there is to say.
pub(crate) fn put_dead_in_order(states: &[PathBuf], uid: u32, with: &With<'_>) -> Vec<Line> {
    let mut said = Vec::new();
    for state in states {
        let Ok(Some(store)) = Store::find(state, uid) else { continue };
        for mut entry in store.dead().unwrap_or_default() {
            let mut record = match entry.read() {
                Ok(Some(record)) => record,
                Ok(None) => {
                    // It was killed before it had written what it is about. So its program has not run.
                    let _removed = store.remove(&entry).is_ok();
                    continue;
                }
                // Perhaps the next run can read it.
                Err(_) => continue,
            };
            // Counted before: this process may not outlive it.
            record.attempts += 1;
            let _counted = entry.write(&record).is_ok();
            let lines = put_in_order(&store, &mut entry, &mut record, with);
            if !lines.is_empty() {
                let (command, place) = (shortened(&record.command), printable(&record.place));
                let end = if record.is_ended { "has left things undone:" } else { "was killed; what it has left:" };
                said.push(finding(format!("the run of {command} in {place} {end}")));
                said.extend(lines);
            }
        }
    }
    said
}

/// Says of a path and a content whether it is the user's own.
type IsOwn<'o> = &'o dyn Fn(&Path, &[u8]) -> bool;

/// The git of the host, and what runs it in a box, if there are both.
type Found<'r> = Option<(Git, RunBox<'r>)>;

/// A command in short: the whole of it is in the entry.
fn shortened(command: &str) -> String {
    let mut letters = command.chars();
    let start: String = letters.by_ref().take(LONGEST_COMMAND).collect();
    printable(if letters.next().is_some() { format!("{start}...") } else { start })
}

/// Puts one entry in order. What could not be done now, the next run tries again, but not for ever: what still cannot
/// be taken over then stays as it is.
pub(crate) fn put_in_order(store: &Store, entry: &mut Entry, record: &mut Record, with: &With<'_>) -> Vec<Line> {
    let mut said = Vec::new();
    let mut is_done = true;
    let is_last = record.attempts >= MOST_ATTEMPTS;
    let end = Instant::now() + LONGEST;
    let go_on = || Instant::now() < end && (with.go_on)();
    // The overlays of which everything that stays was named already, the settings by their keys.
    let mut named = BTreeSet::new();
    let known = record.clone();
    // Most runs change nothing that git is asked about.
    let git =
        LazyCell::new(|| with.run_box.and_then(|run_box| Some((Git::find(with.path, &known.writable)?, run_box))));
    let made = LazyCell::new(|| store.made());
    if entry.is_open() && record.attempts > MOST_ATTEMPTS {
        let why = "two runs have tried to, and neither came to an end".to_owned();
        said.push(failure(format!("nothing more of {} is taken over: {why}", entry.id)));
        record.left = Some(why);
    } else if entry.is_open() {
        let mut left = None;
        for (n, overlay) in record.overlays.iter().enumerate() {
            match settle_overlay((entry, n), (overlay, record), (store, &git, &go_on), &mut said) {
                Ok(false) => {}
                Ok(true) => {
                    named.insert(n);
                }
                Err(Errno::EINTR) => {
                    let why = if Instant::now() < end { "it was to end" } else { "it takes too long" };
                    let (path, id) = (printable(&overlay.path), &entry.id);
                    said.push(failure(format!(
                        "{path} is not taken over any further, because {why}: the rest is {id}"
                    )));
                    left = Some(why.to_owned());
                }
                Err(errno) => {
                    named.insert(n);
                    let (why, path) = (error_text(errno as i32), printable(&overlay.path));
                    let what = format!("what the box has changed in {path} is not taken over");
                    if is_last {
                        said.push(failure(format!("{what} ({why}): it stays kept as {}", entry.id)));
                        left = Some(why.to_owned());
                    } else {
                        is_done = false;
                        said.push(failure(format!("{what} yet ({why}): the next run tries again")));
                    }
                }
            }
        }
        record.left = left;
    }
    // By the branch.
    let own = RefCell::new(BTreeMap::<Vec<u8>, BTreeSet<String>>::new());
    let is_own = |path: &Path, now: &[u8]| {
        let owner = owner((entry, &known), (&git, &go_on), &made, (path, now)).ok().flatten();
        let is_own = owner.is_some();
        let mut own = own.borrow_mut();
        if let Some(branch) = owner {
            own.entry(branch).or_default().insert(shown(path, &known.place));
        }
        is_own
    };
    if entry.is_open() {
        take_own(entry, record, &is_own);
    }
    is_done &= put_files_back(entry, record, (&is_own, is_last), &mut said);
    for (branch, paths) in own.borrow().iter() {
        let branch = printable(path_of(branch));
        let verb = if paths.len() == 1 { "is that" } else { "are those" };
        let text = format!("{} {verb} of branch {branch} now", listed(paths.iter().cloned(), true));
        said.push(Line { text, is_note: true, is_undone: false });
    }
    if !is_done || record.left.is_some() {
        let _noted = entry.write(record).is_ok();
    }
    let left = items(entry, record);
    let closed = match &left {
        // What was said may have its name.
        Ok((left, _)) if left.is_empty() && is_done && said.iter().any(|line| !line.is_note) => store.retire(entry),
        Ok((left, _)) if left.is_empty() && is_done => store.remove(entry),
        Ok((left, is_all)) => {
            let is_named = |item: &&Item| named.iter().any(|n| item.is_of(*n));
            let others: Vec<&Path> = left.iter().filter(|item| !is_named(item)).map(|item| &*item.path).collect();
            if !others.is_empty() {
                said.push(finding(kept_line(&entry.id, &record.place, others.into_iter(), *is_all)));
            }
            if is_done { entry.drop_work(record).and_then(|()| store.close(entry)) } else { Ok(()) }
        }
        Err(errno) => Err(*errno),
    };
    if let Err(errno) = closed {
        let id = &entry.id;
        said.push(failure(format!("cannot close what is kept as {id}: {}", error_text(errno as i32))));
    }
    said
}

fn kept_line<'p>(id: &str, place: &Path, paths: impl ExactSizeIterator<Item = &'p Path>, is_all: bool) -> String {
    let names = listed(paths.map(|path| shown(path, place)), is_all);
    format!("not taken over, kept as {id}: {names} (pinfold kept diff {id})")
}

fn finding(text: String) -> Line {
    Line { text, is_note: false, is_undone: false }
}

fn failure(text: String) -> Line {
    Line { text, is_note: false, is_undone: true }
}

/// A path as the user knows it who is in `place`, in printable characters.
fn shown(path: &Path, place: &Path) -> String {
    printable(path.strip_prefix(place).unwrap_or(path))
}

/// Opens the directory of an overlay, if it is still the one that the box began with.
fn opened(overlay: &Overlay) -> Result<OwnedFd> {
    let open = open::dir_without_links(&c_path(&overlay.path))?;
    let FileId { device, inode, born } = id_of(stat::look_at_open(open.as_fd())?);
    let is_it = (device, inode) == (overlay.id.device, overlay.id.inode)
        && born.zip(overlay.id.born).is_none_or(|(now, then)| now == then);
    if is_it { Ok(open) } else { Err(Errno::ESTALE) }
}

/// Takes over what may be taken of one overlay. Returns whether what stays in it is named by what it said.
fn settle_overlay<'r>(
    (entry, n): (&Entry, usize),
    (overlay, record): (&Overlay, &Record),
    (store, git, go_on): (&Store, &impl Deref<Target = Found<'r>>, &dyn Fn() -> bool),
    said: &mut Vec<Line>,
) -> Result<bool> {
    let upper = entry.upper(n)?;
    if same::is_empty(upper.as_fd())? {
        return Ok(false);
    }
    let host = match opened(overlay) {
        Ok(host) => host,
        // Somebody has moved or replaced it. So nothing is taken over, and all is kept.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ESTALE) => return Ok(false),
        Err(errno) => return Err(errno),
    };
    if !overlay.is_git {
        return same::forget(upper.as_fd(), host.as_fd()).map(|()| false);
    }
    // It could not be read, or another version has written it. All is kept.
    let base = entry.base(n)?;
    let Some(base) = Some(base).filter(|base| !base.is_empty()).and_then(|base| Base::from_bytes(&base)) else {
        let path = printable(&overlay.path);
        said.push(finding(format!("{path} could not be read before the run, so nothing is taken over there")));
        return Ok(false);
    };
    let git = git.as_ref();
    let job = Job {
        host: host.as_fd(),
        upper: upper.as_fd(),
        base: &base,
        id: &entry.id,
        writable: &record.writable,
        git: git.map(|(git, _)| git),
        run_box: git.map_or(&|_, _, _| Ok(1), |(_, run_box)| *run_box),
        go_on,
        note_made: &|ids| {
            if ids.is_empty() {
                return Ok(());
            }
            let known = base.values();
            store.add_made(ids.iter().filter(|id| !known.contains(*id)).cloned().collect())
        },
        bounds: Bounds::default(),
    };
    let mut taken = TakenOver::default();
    let done = takeover::take_over_into(&job, &mut taken);
    let path = overlay.path.strip_prefix(&record.place).unwrap_or(&overlay.path);
    said.extend(takeover::lines(path, &entry.id, &taken));
    match done {
        Ok(()) => Ok(true),
        Err(Errno::E2BIG) => {
            let path = printable(&overlay.path);
            said.push(failure(format!("the box has left more in {path} than is looked at, so nothing is taken over")));
            Ok(false)
        }
        Err(errno) => Err(errno),
    }
}

/// The branch by which `now` is the user's own content of the file `path`. Asks only in repositories whose git
/// directory was kept apart.
fn owner<'r>(
    (entry, record): (&Entry, &Record),
    (git, go_on): (&impl Deref<Target = Found<'r>>, &dyn Fn() -> bool),
    made: &impl Deref<Target = BTreeSet<Vec<u8>>>,
    (path, now): (&Path, &[u8]),
) -> Result<Option<Vec<u8>>> {
    let of_top = |top: &Path| {
        let git_dir = top.join(".git");
        record
            .overlays
            .iter()
            .position(|overlay| overlay.is_git && overlay.path == git_dir)
            .map(|n| (top.to_owned(), n))
    };
    let Some((top, n)) = path.ancestors().skip(1).find_map(of_top) else { return Ok(None) };
    let Some((git, _)) = &**git else { return Ok(None) };
    let (Some(base), Ok(rest)) = (Base::from_bytes(&entry.base(n)?), path.strip_prefix(&top)) else { return Ok(None) };
    let dir = opened(&record.overlays[n])?;
    takeover::owner((git, dir.as_fd()), &base, made, (rest.as_os_str().as_bytes(), now), go_on)
}

/// Takes over what is the user's own in directories that are obeyed. What cannot be taken stays.
fn take_own(entry: &Entry, record: &Record, is_own: &dyn Fn(&Path, &[u8]) -> bool) {
    let obeyed = || record.overlays.iter().enumerate().filter(|(_, overlay)| !overlay.is_git);
    if obeyed().next().is_none() {
        return;
    }
    let Ok((items, _)) = items(entry, record) else { return };
    let is_obeyed = |item: &&Item| obeyed().any(|(n, _)| item.is_of(n)) && item.what == What::File;
    for item in items.iter().filter(is_obeyed).take(MOST_OWN) {
        let Ok((Some(kept), _)) = contents(entry, item) else { continue };
        if is_own(&item.path, &kept) && take(entry, item).is_ok() {
            // The old content was that of another commit.
            let _dropped = item.drop(entry).is_ok();
        }
    }
}

/// Puts the files back. Returns false if that must be tried again.
fn put_files_back(
    entry: &Entry,
    record: &mut Record,
    (is_own, is_last): (IsOwn<'_>, bool),
    said: &mut Vec<Line>,
) -> bool {
    let done = match put_back::restore_all(entry, record, is_own, is_last) {
        Ok(done) => done,
        Err(errno) => {
            let id = &entry.id;
            said.push(failure(format!("cannot put back the files of {id}: {}", error_text(errno as i32))));
            return false;
        }
    };
    let mut is_done = true;
    let mut back = Vec::new();
    for (n, outcome) in done {
        let path = &record.files[n].path;
        match outcome {
            Ok(Outcome::Same | Outcome::Own) => {}
            Ok(Outcome::PutBack | Outcome::Restored) => back.push(shown(path, &record.place)),
            Ok(Outcome::SetAside(aside)) => {
                let aside = printable(path_of(aside.to_bytes()));
                said.push(finding(format!(
                    "{} is as before; what stood there is {aside} now",
                    shown(path, &record.place)
                )));
            }
            Ok(Outcome::Away(errno)) => {
                let (path, why, id) = (shown(path, &record.place), error_text(errno as i32), &entry.id);
                let text = format!("{path} cannot be put back ({why}): its old content is kept as {id}");
                // Its directory is something else now, as after `git switch`.
                let is_gone = matches!(errno, Errno::ENOTDIR | Errno::ELOOP);
                said.push(if is_gone { finding(text) } else { failure(text) });
            }
            Err(errno) => {
                is_done = false;
                let why = error_text(errno as i32);
                said.push(failure(format!("cannot put {} back ({why}): the next run tries again", printable(path))));
            }
        }
    }
    if !back.is_empty() {
        let verb = if back.len() == 1 { "is" } else { "are" };
        said.push(finding(format!(
            "{} {verb} as before: what the host obeys had changed during the run, by the box or outside",
            listed(back.into_iter(), true)
        )));
    }
    is_done
}

/// The first of these names, and how many more there are, or at least (not `is_all`).
fn listed(names: impl ExactSizeIterator<Item = String>, is_all: bool) -> String {
    let more = match names.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more}{} more", if is_all { "" } else { " or" }),
    };
    format!("{}{more}", names.take(MOST_NAMED).collect::<Vec<_>>().join(", "))
}
