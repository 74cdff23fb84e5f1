//! Hard links to what is denied.
//!
//! They are looked for only where a denied file has more than one name. Then what the sandbox shows of its filesystem
//! is walked once, what can be written to first, until as many names are found as the file has (`st_nlink`). A name
//! that is left lies where this sandbox shows nothing, and the caller is told. If a directory cannot be listed, it may
//! lie there, and the denial does not hold.
//!
//! What the host has mounted somewhere may hide names that another mount shows. Such a place is no part of what has been
//! walked: it, and each directory above it, is walked again wherever else it is seen.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::hidden::{Hidden, Path};
use super::inside::{Ground, Inside};
use super::place::Place;
use super::views::{By, File, Spot, Views};
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::sys::dir::{self, Entries, For, Named};
use crate::sys::file::{self, Kind};
use crate::sys::{Errno, Result, mount};

/// The denied files that have more than one name, and the names that have been found.
#[derive(Default)]
pub(super) struct HardLinks {
    views: Rc<Views>,
    files: HashMap<File, Links>,
    /// How many of them have names that are not found yet.
    incomplete: usize,
    /// Filesystems on which they lie.
    filesystems: BTreeSet<u64>,
    /// Names that were counted one by one.
    names: HashSet<Spot>,
    /// Directories of which each name was counted, by place, with all that is in them.
    trees: HashSet<Spot>,
    /// Directories that have been listed: none is counted twice, however many mounts show it.
    listed: HashSet<File>,
    /// What of them was hidden by something mounted.
    hidden: Hidden,
    /// By filesystem, the first directory that cannot be listed, and in which names may be opened.
    unlisted: HashMap<u64, CString>,
    /// Files that have been removed from their directories, and are still mounted at these paths. No cover can be mounted
    /// on them.
    removed: HashMap<File, CString>,
    entries: Option<Entries>,
}

struct Links {
    /// The denial.
    op: usize,
    fs: u64,
    wanted: u32,
    found: u32,
}

/// What the files of a tree are looked through for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// It is denied, by this operation: to count the links of all files.
    Count(usize),
    /// It is not: to find names of the files that are counted.
    Find,
}

/// How a tree is looked through.
#[derive(Clone, Copy)]
struct Search {
    goal: Goal,
    /// The list of a directory says which inode each file has: the others need not be looked at.
    skips: bool,
    /// It tells the end with its last entries.
    ends_early: bool,
    /// Nothing can be mounted in what is looked through.
    sees_all: bool,
    /// What is hidden must be told, because the host may unmount what hides it.
    tells_hidden: bool,
}

/// A directory on the way down.
struct Dir {
    fd: OwnedFd,
    place: Spot,
    path: Rc<Path>,
}

impl HardLinks {
    pub(super) fn of(views: Rc<Views>) -> HardLinks {
        HardLinks { views, ..HardLinks::default() }
    }

    /// To be called once, before anything is noted.
    pub(super) fn look_for_removed(&mut self, inside: &Inside<'_, '_>) -> Result<()> {
        for view in self.views.clone().removed() {
            if let Some(found) = view.open(inside)? {
                let file = dir::named_at(found.as_fd(), c"")?.file;
                self.removed.insert(file, CString::new(view.point.as_slice()).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Fails where a mount shows `file` that nothing can be mounted on.
    fn refuse_removed(&self, file: File, op: usize) -> Outcome<()> {
        match self.removed.get(&file) {
            Some(path) => Err(Failure {
                act: Act::Elsewhere,
                detail: Some(path.clone()),
                ..Failure::nth(Stage::Op, op, Errno::ESTALE as i32)
            }),
            None => Ok(()),
        }
    }

    /// Notes something that is denied, before it is covered.
    pub(super) fn note(
        &mut self,
        fd: BorrowedFd<'_>,
        about: Named,
        spot: &Spot,
        op: usize,
        inside: &Inside<'_, '_>,
    ) -> Outcome<()> {
        self.refuse_removed(about.file, op)?;
        match about.kind {
            Some(Kind::Dir) => self.count_tree(fd, spot, op, inside),
            Some(Kind::Link) | None => Ok(()),
            Some(_) if about.links > 1 => {
                self.links(about, spot.fs, op);
                self.name(about.file, spot);
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }

    /// The denial of `file`, if that is denied and has more than one name.
    pub(super) fn denial_of(&self, file: File) -> Option<usize> {
        self.files.get(&file).map(|links| links.op)
    }

    /// Looks for the names that are missing, and covers them.
    pub(super) fn cover(&mut self, inside: &Inside<'_, '_>) -> Outcome<()> {
        if self.incomplete == 0 {
            return Ok(());
        }
        self.find(inside)?;
        self.tell(inside)
    }

    fn count_tree(&mut self, fd: BorrowedFd<'_>, spot: &Spot, op: usize, inside: &Inside<'_, '_>) -> Outcome<()> {
        let ground = file::fstat(fd).and_then(|about| inside.ground(fd, about)).op(op, Act::Whole)?;
        // Nobody has made hard links there.
        if inside.is_kernels(fd).op(op, Act::Whole)? || ground == Ground::Own {
            return Ok(());
        }
        if self.walk(fd, spot.clone(), Goal::Count(op), inside)? {
            self.trees.insert(spot.clone());
        }
        Ok(())
    }

    fn links(&mut self, about: Named, fs: u64, op: usize) {
        let incomplete = &mut self.incomplete;
        self.files.entry(about.file).or_insert_with(|| {
            *incomplete += 1;
            Links { op, fs, wanted: about.links, found: 0 }
        });
        self.filesystems.insert(fs);
    }

    fn found(&mut self, file: File) {
        let Some(links) = self.files.get_mut(&file) else { return };
        links.found += 1;
        self.incomplete -= usize::from(links.found == links.wanted);
    }

    /// Counts a name of its own; false where it is counted already.
    fn name(&mut self, file: File, spot: &Spot) -> bool {
        let is_new = !self.is_in_tree(spot) && self.names.insert(spot.clone());
        if is_new {
            self.found(file);
        }
        is_new
    }

    fn is_in_tree(&self, spot: &Spot) -> bool {
        if self.trees.is_empty() {
            return false;
        }
        let ends = spot.path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        ends.into_iter().any(|end| self.trees.contains(&Spot { fs: spot.fs, path: spot.path[..end].to_vec() }))
    }

    /// Looks for the names that are missing.
    fn find(&mut self, inside: &Inside<'_, '_>) -> Outcome<()> {
        for view in self.views.0.clone() {
            if self.incomplete == 0 {
                break;
            }
            if !self.filesystems.contains(&view.root.fs) {
                continue;
            }
            let opened;
            let root = match view.by {
                By::Layer(overlay, layer) => inside.own.overlays[overlay].layers[layer].as_fd(),
                By::Mount => {
                    opened = view.open(inside).stage(Stage::Root)?;
                    let Some(root) = &opened else { continue };
                    root.as_fd()
                }
                // It is known by its file.
                By::Copy(_) => continue,
            };
            let about = dir::named_at(root, c"").stage(Stage::Root)?;
            if about.kind == Some(Kind::Dir) {
                self.walk(root, view.root, Goal::Find, inside)?;
            } else if self.files.contains_key(&about.file) {
                self.hit(about.file, view.root, inside)?;
            }
        }
        Ok(())
    }

    /// Says what is left.
    fn tell(&self, inside: &Inside<'_, '_>) -> Outcome<()> {
        let left = || self.files.values().filter(|links| links.found < links.wanted);
        let Some(op) = left().map(|links| links.op).min() else { return Ok(()) };
        let failure = |count: usize, errno, act, detail| Failure {
            act,
            count: count.try_into().unwrap_or(u32::MAX),
            detail,
            ..Failure::nth(Stage::Op, op, errno)
        };
        let hidden = left().filter(|links| self.unlisted.contains_key(&links.fs));
        if let Some(first) = hidden.clone().next() {
            let dir = self.unlisted.get(&first.fs).cloned();
            return inside.fail(failure(hidden.count(), Errno::EACCES as i32, Act::Unlisted, dir));
        }
        let on = |fs| left().filter(move |links| links.fs == fs);
        let is_left = |spot: &Spot| on(spot.fs).next().is_some();
        if let Some(spot) = self.hidden.to_be_uncovered(is_left, &self.views, inside).stage(Stage::Root)? {
            let path = Some(self.path_inside(spot));
            return inside.fail(failure(on(spot.fs).count(), 0, Act::Hidden, path));
        }
        let unknown = self.views.unknown();
        let act = if unknown.is_some() { Act::NotFound } else { Act::Outside };
        inside.remark(failure(left().count(), 0, act, unknown));
        Ok(())
    }

    /// Looks through the directory `root` and all below it, on its own mount. False where something mounted in it may
    /// have hidden names.
    fn walk(&mut self, root: BorrowedFd<'_>, place: Spot, goal: Goal, inside: &Inside<'_, '_>) -> Outcome<bool> {
        let begun = self.begin(root, goal).map_err(|errno| self.failed(errno, &place, goal))?;
        let (search, fd, path) = begun;
        let mut waiting = vec![(Rc::new(Dir { fd, place, path: Rc::new(path) }), c".".to_owned())];
        while let Some((parent, name)) = waiting.pop() {
            if goal == Goal::Find && self.incomplete == 0 {
                break;
            }
            let place = parent.place.at(&name);
            let fd = match dir::open_same_mount(parent.fd.as_fd(), &name, For::Listing) {
                Ok(fd) => fd,
                // It has gone meanwhile.
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => continue,
                // Another mount, which is looked through by itself.
                Err(Errno::EXDEV) => {
                    self.hidden.below(&parent.path, place, search.tells_hidden);
                    continue;
                }
                Err(Errno::EACCES) => {
                    self.unlisted(&parent, &name, &place, goal, inside)?;
                    continue;
                }
                Err(errno) => return Err(self.failed(errno, &place, goal)),
            };
            let about = dir::named_at(fd.as_fd(), c"").map_err(|errno| self.failed(errno, &place, goal))?;
            let above = if parent.path.file == about.file { None } else { Some(parent.path.clone()) };
            drop(parent);
            let dir = Rc::new(Dir { fd, place, path: Rc::new(Path { file: about.file, above }) });
            let below = self.directory(&dir, about, search, inside)?;
            waiting.extend(below.into_iter().map(|name| (dir.clone(), name)));
        }
        Ok(search.sees_all)
    }

    /// Opens a directory to be looked through.
    fn begin(&self, root: BorrowedFd<'_>, goal: Goal) -> Result<(Search, OwnedFd, Path)> {
        // A copy of the mount, on which nothing is mounted: what is covered can be listed there too.
        let (fd, sees_all) = match mount::clone_here(root) {
            Ok(copy) => (copy, true),
            // The kernel makes none where something of the host is mounted below (mount_namespaces(7), "locked"), or
            // where the mount is unbindable. What is hidden then is not seen.
            Err(Errno::EINVAL) => (dir::open_any_mount(root, c".", For::Names)?, false),
            Err(errno) => return Err(errno),
        };
        let skips = goal == Goal::Find && dir::lists_inodes(fd.as_fd())?;
        let about = dir::named_at(fd.as_fd(), c"")?;
        let on = dir::named_at(root, c"")?.mount;
        let is_changed = self.views.of_mount(on).is_some_and(|view| view.is_changed_by_host);
        let tells_hidden = goal == Goal::Find && is_changed;
        let ends_early = dir::marks_last(fd.as_fd())?;
        let search = Search { goal, skips, ends_early, sees_all, tells_hidden };
        let path = Path { file: about.file, above: None };
        Ok((search, fd, path))
    }

    /// Looks through one directory; returns the names of those in it.
    fn directory(&mut self, dir: &Dir, about: Named, search: Search, inside: &Inside<'_, '_>) -> Outcome<Vec<CString>> {
        let Search { goal, skips, ends_early, sees_all, .. } = search;
        let fd = dir.fd.as_fd();
        let failed = |links: &HardLinks, errno| links.failed(errno, &dir.place, goal);
        let is_partial = self.hidden.is_partial(about.file, sees_all);
        if !self.listed.insert(about.file) && !is_partial {
            return Ok(Vec::new());
        }
        // There names that have been counted are met again.
        let counts_names = is_partial || !sees_all;
        let mut below = Vec::new();
        let mut entries = self.entries.take().unwrap_or_else(Entries::new);
        loop {
            match entries.read(fd) {
                Ok(true) => {}
                Ok(false) | Err(Errno::ENOENT) => break,
                Err(errno) => return Err(failed(self, errno)),
            }
            for (name, kind, inode) in entries.numbered() {
                match kind {
                    Some(Kind::Dir) => below.push(name.to_owned()),
                    Some(Kind::Link) => {}
                    Some(_) if skips && !self.files.contains_key(&(about.file.0, inode)) => {}
                    _ => match dir::named_at(fd, name) {
                        Ok(found) if found.kind == Some(Kind::Dir) => below.push(name.to_owned()),
                        // Something is mounted there.
                        Ok(found) if found.mount != about.mount => {
                            self.hidden.below(&dir.path, dir.place.at(name), search.tells_hidden);
                        }
                        Ok(found) => self.file(found, (dir, name), goal, counts_names, inside)?,
                        Err(Errno::ENOENT) => {}
                        // Nobody can open anything in it.
                        Err(Errno::EACCES) => {}
                        Err(errno) => return Err(failed(self, errno)),
                    },
                }
            }
            if ends_early && entries.is_last() {
                break;
            }
        }
        self.entries = Some(entries);
        Ok(below)
    }

    /// Looks at one name that is no directory.
    fn file(
        &mut self,
        found: Named,
        (dir, name): (&Dir, &CStr),
        goal: Goal,
        counts_names: bool,
        inside: &Inside<'_, '_>,
    ) -> Outcome<()> {
        if let Goal::Count(op) = goal {
            self.refuse_removed(found.file, op)?;
        }
        match goal {
            _ if found.kind == Some(Kind::Link) || found.links < 2 => Ok(()),
            Goal::Count(op) => {
                self.links(found, dir.place.fs, op);
                let is_new = match counts_names {
                    true => self.names.insert(dir.place.at(name)),
                    false => self.names.is_empty() || !self.names.contains(&dir.place.at(name)),
                };
                if is_new {
                    self.found(found.file);
                }
                Ok(())
            }
            Goal::Find if self.files.contains_key(&found.file) => self.hit(found.file, dir.place.at(name), inside),
            Goal::Find => Ok(()),
        }
    }

    /// Covers another name of a denied file, wherever it is seen.
    fn hit(&mut self, file: File, spot: Spot, inside: &Inside<'_, '_>) -> Outcome<()> {
        let op = self.files.get(&file).map_or(0, |links| links.op);
        if !self.name(file, &spot) {
            return Ok(());
        }
        for (view, path) in self.views.places(&spot, false).filter(|(view, _)| !matches!(view.by, By::Copy(_))) {
            let place = Place { path, mount: view.mount, file: (view.by == By::Mount).then_some(file), op };
            if let Err(failure) = place.cover(inside) {
                inside.fail(failure)?;
            }
        }
        Ok(())
    }

    /// A directory that cannot be listed. Where nobody inside can open anything in it, nothing is to be done.
    fn unlisted(
        &mut self,
        parent: &Dir,
        name: &CStr,
        place: &Spot,
        goal: Goal,
        inside: &Inside<'_, '_>,
    ) -> Outcome<()> {
        let place_inside = self.path_inside(place);
        let is_closed = |dir: BorrowedFd<'_>| file::fstat(dir).and_then(|about| inside.is_closed(dir, about));
        let is_closed = match dir::open_same_mount(parent.fd.as_fd(), name, For::Names) {
            Ok(dir) => is_closed(dir.as_fd()),
            Err(_) => is_closed(parent.fd.as_fd()),
        };
        match (is_closed, goal) {
            (Ok(true), _) => Ok(()),
            (_, Goal::Count(_)) => inside.fail(self.failed(Errno::EACCES, place, goal)),
            (_, Goal::Find) => {
                self.unlisted.entry(place.fs).or_insert(place_inside);
                Ok(())
            }
        }
    }

    fn failed(&self, errno: Errno, place: &Spot, goal: Goal) -> Failure {
        let first = || self.files.values().map(|links| links.op).min().unwrap_or(0);
        let op = if let Goal::Count(op) = goal { op } else { first() };
        Failure { act: Act::Look, detail: Some(self.path_inside(place)), ..Failure::nth(Stage::Op, op, errno as i32) }
    }

    /// A path inside for people.
    fn path_inside(&self, place: &Spot) -> CString {
        let found = self.views.places(place, false).map(|(_, path)| path).next();
        found.unwrap_or_else(|| CString::new(place.path.as_slice()).unwrap_or_default())
    }
}

impl Spot {
    /// The place of `name` in this directory, or its own.
    fn at(&self, name: &CStr) -> Spot {
        let path = if name == c"." { self.path.clone() } else { [&self.path, &b"/"[..], name.to_bytes()].concat() };
        Spot { fs: self.fs, path }
    }
}
