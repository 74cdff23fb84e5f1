//! What a run keeps apart: the entry of the store is made before the program starts, and put in order when nothing
//! lives in the box any more. The next run does that for a run that was killed.
//!
//! Of git directories what is only git's data is taken over ([`takeover`]). Files that git tracks and the host obeys are
//! put back ([`put_back`]). What is left, the user may look at, take over or drop: `pinfold kept`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::files::{c_path, id_of, path_of};
use super::kept::put_back::{self, Outcome};
use super::kept::{Entry, Overlay, Record, Store, items, same};
use super::takeover::{self, Base, Bounds, Git, Job, RunBox, TakenOver};
use crate::error::printable;
use crate::spec::{FileId, Keep};
use crate::sys::{Errno, Result, error_text, fd, open, process, stat};

/// How many kept files are named in a line.
const MOST_NAMED: usize = 6;

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
        let states = || keep.stores.iter().map(|state| path_of(state.to_bytes()));
        let in_store = |errno| Failed { path: states().next().unwrap_or(Path::new("")).to_owned(), errno };
        let store = Store::first(states(), uid)
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
        record.first = process::began(first).ok().map(|began| (first, began));
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
    pub(crate) fn end(&self, with: &With<'_>) -> Vec<Vec<u8>> {
        self.bases.borrow_mut().clear();
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
    /// Runs a box.
    pub(crate) run_box: RunBox<'a>,
}

/// Puts the entries in order whose runs were killed. Returns what there is to say.
pub(crate) fn put_dead_in_order(states: &[PathBuf], uid: u32, with: &With<'_>) -> Vec<Vec<u8>> {
    let mut said = Vec::new();
    for state in states {
        let Ok(Some(store)) = Store::find(state, uid) else { continue };
        for mut entry in store.dead().unwrap_or_default() {
            let Ok(Some(mut record)) = entry.read() else {
                // It was killed before it had written what it is about. So its program has not run.
                let _removed = store.remove(&entry).is_ok();
                continue;
            };
            let lines = put_in_order(&store, &mut entry, &mut record, with);
            if !lines.is_empty() {
                let (command, place) = (printable(&record.command), printable(&record.place));
                said.push(format!("the run of {command} in {place} was killed; what it has left:").into_bytes());
                said.extend(lines);
            }
        }
    }
    said
}

/// Puts one entry in order. What could not be done now, the next run tries again.
pub(crate) fn put_in_order(store: &Store, entry: &mut Entry, record: &mut Record, with: &With<'_>) -> Vec<Vec<u8>> {
    let mut said = Vec::new();
    let mut is_done = true;
    if entry.is_open() {
        let git = Git::find(with.path, &record.writable);
        for (n, overlay) in record.overlays.iter().enumerate() {
            if let Err(errno) = settle_overlay((entry, n), (overlay, record), (git.as_ref(), with), &mut said) {
                is_done = false;
                let why = error_text(errno as i32);
                let path = printable(&overlay.path);
                said.push(
                    format!(
                        "what the box has changed in {path} is not taken over yet ({why}): the next run tries again"
                    )
                    .into_bytes(),
                );
            }
        }
    }
    is_done &= put_files_back(entry, record, &mut said);
    let left = items(entry, record);
    let closed = match &left {
        Ok((left, _)) if left.is_empty() && is_done => store.remove(entry),
        Ok((left, is_all)) => {
            if !left.is_empty() {
                said.push(kept_line(&entry.id, left.iter().map(|item| &*item.path), left.len(), *is_all));
            }
            if is_done { store.close(entry) } else { Ok(()) }
        }
        Err(errno) => Err(*errno),
    };
    if let Err(errno) = closed {
        let id = &entry.id;
        said.push(format!("cannot close what is kept as {id}: {}", error_text(errno as i32)).into_bytes());
    }
    said
}

fn kept_line<'p>(id: &str, paths: impl Iterator<Item = &'p Path>, count: usize, is_all: bool) -> Vec<u8> {
    let mut line = b"not taken over, kept as ".to_vec();
    line.extend_from_slice(format!("{id}: ").as_bytes());
    let names: Vec<String> = paths.take(MOST_NAMED).map(printable).collect();
    line.extend_from_slice(names.join(", ").as_bytes());
    match count.saturating_sub(MOST_NAMED) {
        0 => {}
        more => line.extend_from_slice(format!(" and {more}{} more", if is_all { "" } else { " or" }).as_bytes()),
    }
    line.extend_from_slice(format!(" (pinfold kept diff {id})").as_bytes());
    line
}

/// Opens the directory of an overlay, if it is still the one that the box began with.
fn opened(overlay: &Overlay) -> Result<OwnedFd> {
    let open = open::dir_without_links(&c_path(&overlay.path))?;
    let FileId { device, inode, born } = id_of(stat::look_at_open(open.as_fd())?);
    let is_it = (device, inode) == (overlay.id.device, overlay.id.inode)
        && born.zip(overlay.id.born).is_none_or(|(now, then)| now == then);
    if is_it { Ok(open) } else { Err(Errno::ESTALE) }
}

fn settle_overlay(
    (entry, n): (&Entry, usize),
    (overlay, record): (&Overlay, &Record),
    (git, with): (Option<&Git>, &With<'_>),
    said: &mut Vec<Vec<u8>>,
) -> Result<()> {
    let (upper, base) = entry.overlay(n)?;
    if same::is_empty(upper.as_fd())? {
        return Ok(());
    }
    let host = match opened(overlay) {
        Ok(host) => host,
        // Somebody has moved or replaced it. So nothing is taken over, and all is kept.
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ESTALE) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    if !overlay.is_git {
        return same::forget(upper.as_fd(), host.as_fd());
    }
    // It could not be read, or another version has written it. All is kept.
    let Some(base) = Some(base).filter(|base| !base.is_empty()).and_then(|base| Base::from_bytes(&base)) else {
        let path = printable(&overlay.path);
        said.push(format!("{path} could not be read before the run, so nothing is taken over there").into_bytes());
        return Ok(());
    };
    let job = Job {
        host: host.as_fd(),
        upper: upper.as_fd(),
        base: &base,
        id: &entry.id,
        writable: &record.writable,
        git,
        run_box: with.run_box,
        go_on: &|| true,
        bounds: Bounds::default(),
    };
    match takeover::take_over(&job) {
        Ok(taken) => said.extend(lines(&overlay.path, &taken)),
        Err(Errno::E2BIG) => {
            let path = printable(&overlay.path);
            said.push(
                format!("the box has left more in {path} than is looked at, so nothing is taken over").into_bytes(),
            );
        }
        Err(errno) => return Err(errno),
    }
    Ok(())
}

fn lines(path: &Path, taken: &TakenOver) -> Vec<Vec<u8>> {
    let mut said = Vec::new();
    if taken.is_git_missing {
        said.push(format!("there is no git outside, so nothing in {} is taken over", printable(path)).into_bytes());
    }
    said
}

/// Puts the files back. Returns false if that must be tried again.
fn put_files_back(entry: &Entry, record: &mut Record, said: &mut Vec<Vec<u8>>) -> bool {
    let done = match put_back::restore_all(entry, record) {
        Ok(done) => done,
        Err(errno) => {
            let id = &entry.id;
            said.push(format!("cannot put back the files of {id}: {}", error_text(errno as i32)).into_bytes());
            return false;
        }
    };
    let mut is_done = true;
    let mut back = Vec::new();
    for (n, outcome) in done {
        let path = &record.files[n].path;
        match outcome {
            Ok(Outcome::Same | Outcome::Own) => {}
            Ok(Outcome::PutBack | Outcome::Restored) => back.push(printable(path)),
            Ok(Outcome::SetAside(aside)) => {
                let aside = printable(path_of(aside.to_bytes()));
                said.push(format!("{} is as before; what stood there is {aside} now", printable(path)).into_bytes());
            }
            Err(errno) => {
                is_done = false;
                let why = error_text(errno as i32);
                said.push(
                    format!("cannot put {} back ({why}): the next run tries again", printable(path)).into_bytes(),
                );
            }
        }
    }
    if !back.is_empty() {
        let more = back.len().saturating_sub(MOST_NAMED);
        back.truncate(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let verb = if back.len() == 1 && more.is_empty() { "is" } else { "are" };
        said.push(
            format!("{}{more} {verb} as before: the box had changed what the host obeys", back.join(", ")).into_bytes(),
        );
    }
    is_done
}
