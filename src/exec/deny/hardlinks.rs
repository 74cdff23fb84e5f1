//! Hard links to denied files.
//!
//! They matter only if a denied file has more than one name. Then all that the sandbox shows of the file's filesystem
//! is searched once, writable views first, until as many names are found as the file has (`st_nlink`). If a name is
//! missing in the end, it lies where the sandbox shows nothing, and the caller is told. But if a directory could not be
//! listed, the name may lie there, and the denial does not hold.
//!
//! A mount of the host may hide names that another mount shows. A hidden place does not count as searched: it, and each
//! directory above it, is searched again wherever else it is seen.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use super::hidden::{Hidden, Path};
use super::inside::{Ground, Inside};
use super::place::Place;
use super::views::{By, File, Spot, View, Views};
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind, Named};
use crate::sys::{Errno, Result, mount, statfs};

/// The denied files with more than one name, and the names that were found.
#[derive(Default)]
pub(super) struct HardLinks {
    views: Rc<Views>,
    files: HashMap<File, Links>,
    /// How many of them have names that were not found yet.
    incomplete: usize,
    /// The filesystems on which they lie.
    filesystems: BTreeSet<u64>,
    /// Names that were counted one by one.
    names: HashSet<Spot>,
    /// Directories in which every name was counted, subdirectories included.
    trees: HashSet<Spot>,
    /// Directories that were listed. None is counted twice, however many mounts show it.
    listed: HashSet<File>,
    /// What mounts hid in them.
    hidden: Hidden,
    /// By filesystem, the first directory that cannot be listed but in which names may be opened.
    unlisted: HashMap<u64, CString>,
    /// Files that were removed from their directories but are still mounted, and where. No cover can be mounted on
    /// them.
    removed: HashMap<File, CString>,
    /// Operations that deny what the host has at the path, and the sandbox does not.
    on_host: HashSet<usize>,
    entries: Option<Entries>,
}

struct Links {
    /// The index of the operation that denies the file.
    op: usize,
    fs: u64,
    wanted: u32,
    found: u32,
}

/// What to look for in a tree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// This operation denies the tree: count the links of all its files.
    Count(usize),
    /// The tree is not denied: find names of the counted files.
    Find,
}

/// How to search a tree.
#[derive(Clone, Copy)]
struct Search {
    goal: Goal,
    /// Directory entries have the inode numbers of their files, so other files need no look.
    skips: bool,
    /// The last entries of a directory are marked as such. That saves the call that would return nothing.
    ends_early: bool,
    /// Nothing can be mounted in the tree.
    sees_all: bool,
    /// Record what is hidden, because the host may unmount what hides it.
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

    /// Finds mounts of removed files. Must be called once, before anything is noted.
    pub(super) fn look_for_removed(&mut self, inside: &Inside<'_, '_>) -> Result<()> {
        for view in self.views.clone().removed() {
            if let Some(found) = view.open(inside)? {
                let file = stat::named_at(found.as_fd(), c"")?.file;
                self.removed.insert(file, CString::new(view.point.as_slice()).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Fails if a mount shows `file` and nothing can be mounted on that.
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

    /// Notes a denied object, before it is covered.
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

    /// Notes what the host has at a denied path, and the sandbox does not. Nobody is told of names of it that are not
    /// shown: that is so for the denied path itself.
    pub(super) fn note_on_host(
        &mut self,
        fd: BorrowedFd<'_>,
        about: Named,
        spot: &Spot,
        op: usize,
        inside: &Inside<'_, '_>,
    ) -> Outcome<()> {
        self.on_host.insert(op);
        self.note(fd, about, spot, op, inside)
    }

    /// The denial of `file`, if it is denied and has more than one name.
    pub(super) fn denial_of(&self, file: File) -> Option<usize> {
        self.files.get(&file).map(|links| links.op)
    }

    /// Searches for the missing names, and covers them. Returns whether the caller was told of a filesystem that may
    /// show others.
    pub(super) fn cover(&mut self, inside: &Inside<'_, '_>) -> Outcome<bool> {
        if self.incomplete == 0 {
            return Ok(false);
        }
        self.find(inside)?;
        self.tell(inside)
    }

    fn count_tree(&mut self, fd: BorrowedFd<'_>, spot: &Spot, op: usize, inside: &Inside<'_, '_>) -> Outcome<()> {
        let ground = stat::fstat(fd).and_then(|about| inside.ground(fd, about)).op(op, Act::Whole)?;
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

    /// Counts a single name. Returns false if it was counted already.
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

    /// Searches for the missing names.
    fn find(&mut self, inside: &Inside<'_, '_>) -> Outcome<()> {
        for view in self.views.inside.clone() {
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
                // `Twins` covers the copies, by the file that each was made of.
                By::Copy(_) => continue,
            };
            let about = stat::named_at(root, c"").stage(Stage::Root)?;
            if about.kind == Some(Kind::Dir) {
                self.walk(root, view.root, Goal::Find, inside)?;
            } else if self.files.contains_key(&about.file) {
                self.hit(about.file, view.root, inside)?;
            }
        }
        Ok(())
    }

    /// Reports the names that were not found. Returns whether that names a filesystem that may show others.
    fn tell(&self, inside: &Inside<'_, '_>) -> Outcome<bool> {
        let left = || self.files.values().filter(|links| links.found < links.wanted);
        let Some(op) = left().map(|links| links.op).min() else { return Ok(false) };
        let failure = |count: usize, errno, act, detail| Failure {
            act,
            count: count.try_into().unwrap_or(u32::MAX),
            detail,
            ..Failure::nth(Stage::Op, op, errno)
        };
        let hidden = left().filter(|links| self.unlisted.contains_key(&links.fs));
        if let Some(first) = hidden.clone().next() {
            let dir = self.unlisted.get(&first.fs).cloned();
            inside.fail(failure(hidden.count(), Errno::EACCES as i32, Act::Unlisted, dir))?;
            return Ok(false);
        }
        let on = |fs| left().filter(move |links| links.fs == fs);
        let is_left = |spot: &Spot| on(spot.fs).next().is_some();
        if let Some(spot) = self.hidden.to_be_uncovered(is_left, &self.views, inside).stage(Stage::Root)? {
            let path = Some(self.path_inside(spot));
            inside.fail(failure(on(spot.fs).count(), 0, Act::Hidden, path))?;
            return Ok(false);
        }
        let unknown = self.views.unknown().next().map(View::path);
        let act = if unknown.is_some() { Act::NotFound } else { Act::Outside };
        let told = left().filter(|links| act == Act::NotFound || !self.on_host.contains(&links.op));
        let names_unknown = act == Act::NotFound;
        if let Some(op) = told.clone().map(|links| links.op).min() {
            inside.remark(Failure { index: op as u32, ..failure(told.count(), 0, act, unknown) });
        }
        Ok(names_unknown)
    }

    /// Searches the directory `root` and everything below it on the same mount. Returns false if something mounted in
    /// it may have hidden names.
    fn walk(&mut self, root: BorrowedFd<'_>, place: Spot, goal: Goal, inside: &Inside<'_, '_>) -> Outcome<bool> {
        let begun = self.begin(root, goal).map_err(|errno| self.failed(errno, &place, goal))?;
        let (search, fd, path) = begun;
        let mut waiting = vec![(Rc::new(Dir { fd, place, path: Rc::new(path) }), c".".to_owned())];
        while let Some((parent, name)) = waiting.pop() {
            if goal == Goal::Find && self.incomplete == 0 {
                break;
            }
            let place = parent.place.at(&name);
            let fd = match open::same_mount(parent.fd.as_fd(), &name, For::Listing) {
                Ok(fd) => fd,
                // It has gone meanwhile.
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => continue,
                // Another mount, which has a search of its own.
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
            let about = stat::named_at(fd.as_fd(), c"").map_err(|errno| self.failed(errno, &place, goal))?;
            let above = if parent.path.file == about.file { None } else { Some(parent.path.clone()) };
            drop(parent);
            let dir = Rc::new(Dir { fd, place, path: Rc::new(Path { file: about.file, above }) });
            let below = self.directory(&dir, about, search, inside)?;
            waiting.extend(below.into_iter().map(|name| (dir.clone(), name)));
        }
        Ok(search.sees_all)
    }

    /// Opens a directory for a search.
    fn begin(&self, root: BorrowedFd<'_>, goal: Goal) -> Result<(Search, OwnedFd, Path)> {
        // Search a copy of the mount. Nothing is mounted on it, so covered directories can be listed too.
        let (fd, sees_all) = match mount::clone_here(root) {
            Ok(copy) => (copy, true),
            // The kernel makes no copy if a mount of the host's lies below (mount_namespaces(7), "locked"), or if the
            // mount is unbindable. Then hidden names stay hidden.
            Err(Errno::EINVAL) => (open::any_mount(root, c".", For::Names)?, false),
            Err(errno) => return Err(errno),
        };
        let skips = goal == Goal::Find && statfs::lists_inodes(fd.as_fd())?;
        let about = stat::named_at(fd.as_fd(), c"")?;
        let on = stat::named_at(root, c"")?.mount;
        let is_changed = self.views.of_mount(on).is_some_and(|view| view.is_changed_by_host);
        let tells_hidden = goal == Goal::Find && is_changed;
        let ends_early = statfs::marks_last(fd.as_fd())?;
        let search = Search { goal, skips, ends_early, sees_all, tells_hidden };
        let path = Path { file: about.file, above: None };
        Ok((search, fd, path))
    }

    /// Searches one directory. Returns the names of its subdirectories.
    fn directory(&mut self, dir: &Dir, about: Named, search: Search, inside: &Inside<'_, '_>) -> Outcome<Vec<CString>> {
        let Search { goal, skips, ends_early, sees_all, .. } = search;
        let fd = dir.fd.as_fd();
        let failed = |links: &HardLinks, errno| links.failed(errno, &dir.place, goal);
        let is_partial = self.hidden.is_partial(about.file, sees_all);
        if !self.listed.insert(about.file) && !is_partial {
            return Ok(Vec::new());
        }
        // Then names that were counted may come up again.
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
                    _ => match stat::named_at(fd, name) {
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

    /// Examines one name that is not a directory.
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

    /// Handles a directory that cannot be listed. If nobody inside can open anything in it, there is nothing to do.
    fn unlisted(
        &mut self,
        parent: &Dir,
        name: &CStr,
        place: &Spot,
        goal: Goal,
        inside: &Inside<'_, '_>,
    ) -> Outcome<()> {
        let place_inside = self.path_inside(place);
        let is_closed = |dir: BorrowedFd<'_>| stat::fstat(dir).and_then(|about| inside.is_closed(dir, about));
        let is_closed = match open::same_mount(parent.fd.as_fd(), name, For::Names) {
            Ok(dir) => is_closed(dir.as_fd()),
            Err(_) => is_closed(parent.fd.as_fd()),
        };
        match (is_closed, goal) {
            (Ok(true), _) => Ok(()),
            // The sandbox does not show this directory either.
            (_, Goal::Count(op)) if self.on_host.contains(&op) => Ok(()),
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

    /// A path inside, for messages.
    fn path_inside(&self, place: &Spot) -> CString {
        let found = self.views.places(place, false).map(|(_, path)| path).next();
        found.unwrap_or_else(|| CString::new(place.path.as_slice()).unwrap_or_default())
    }
}

impl Spot {
    /// The place of `name` in this directory; `.` is the directory itself.
    fn at(&self, name: &CStr) -> Spot {
        let path = if name == c"." { self.path.clone() } else { [&self.path, &b"/"[..], name.to_bytes()].concat() };
        Spot { fs: self.fs, path }
    }
}
