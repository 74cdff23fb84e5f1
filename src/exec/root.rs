//! The new root while it is built: finding and making places in it.
//!
//! Every path is resolved with the new root as `/` (`openat2(2)`, `RESOLVE_IN_ROOT`). So a symbolic link in it, whoever
//! made it, leads where it will lead for the program, and never to the host (CVE-2026-87766).

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::landlock::Fence;
use crate::plan::Object;
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::spec::mode;
use crate::spec::path::{MAX_LINKS, join, of_file, split};
use crate::sys::mount::{self, AT_FDCWD, Attr, FsOption, Propagation};
use crate::sys::open::{self, Open};
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result, Spent, content, cwd, make};

/// Modes of the directories and files that are made as mount points.
const DIR_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o444;

/// The root of the new tree.
pub(super) struct NewRoot<'a> {
    /// The Landlock rules for the mounts.
    pub(super) fence: Fence<'a>,
    /// The tmpfs at the bottom, or a tree of the host in its place.
    base: OwnedFd,
    /// Which of both.
    is_tmpfs: bool,
    /// A tmpfs that stays behind with the host's root: for what is mounted from there and not seen otherwise.
    scratch: Option<OwnedFd>,
    /// Mounts that cover the tmpfs at the bottom, the uppermost last.
    covers: Vec<OwnedFd>,
    /// The mount and the file that is the root now, once somebody has asked.
    top_is: Option<(u64, (u64, u64))>,
    /// The mount that was attached last, while it is filled.
    newest: Option<OwnedFd>,
    /// The mount of the program's home, if the supervisor is to look at it in the end.
    own_home: Option<OwnedFd>,
    /// The parent that was used last. Boxes with thousands of binds have most of them side by side.
    last: Option<Parent>,
    /// The one before it: after something in a directory below, most go on where they were.
    before: Option<Parent>,
    /// What has been used, and is closed when the root is done.
    spent: Spent,
    /// Where something of the host is mounted that can be written.
    open_to_writing: Vec<CString>,
    /// The current directory, while binds are made together: one of the parents, or the root, which is empty.
    cwd: Option<CString>,
}

/// A directory of the new root that is remembered.
struct Parent {
    path: CString,
    dir: OwnedFd,
    /// Whether it is known to lie in the tmpfs at the bottom.
    is_in_base: bool,
}

/// A mount point. It is valid until the tree changes.
pub(super) enum Place {
    /// The entry of this name in the parent that was used last: newly made, or not to be followed.
    New(CString),
    /// Something that was there, and may be the root.
    Existing { place: OwnedFd, is_root: bool },
}

impl<'a> NewRoot<'a> {
    /// Makes the tmpfs and attaches it on top of the host's root, out of the way of every path: absolute ones start
    /// below it. Where the first operation binds a `tree` on the root, which would cover the tmpfs, that takes its
    /// place: there is one mount less to be taken away, for which the kernel waits (RCU).
    pub(super) fn make(
        label: Option<&CStr>,
        wants_scratch: bool,
        tree: Option<OwnedFd>,
        (mut fence, spent): (Fence<'a>, Spent),
    ) -> Outcome<NewRoot<'a>> {
        let scratch = if wants_scratch { Some(stacked_tmpfs(None)?) } else { None };
        let is_tmpfs = tree.is_none();
        let base = match tree {
            Some(tree) => {
                mount::attach(tree.as_fd(), AT_FDCWD, c"/").op(0, Act::Attach)?;
                fence.allow(Object::Mount(0), tree.as_fd())?;
                tree
            }
            None => {
                let base = stacked_tmpfs(label)?;
                make::chmod_at(base.as_fd(), c".", DIR_MODE).stage(Stage::Root)?;
                base
            }
        };
        Ok(NewRoot {
            fence,
            base,
            is_tmpfs,
            scratch,
            covers: Vec::new(),
            top_is: None,
            newest: None,
            own_home: None,
            last: None,
            before: None,
            spent,
            open_to_writing: Vec::new(),
            cwd: None,
        })
    }

    /// The root directory that the program will see.
    pub(super) fn top(&self) -> BorrowedFd<'_> {
        self.covers.last().unwrap_or(&self.base).as_fd()
    }

    /// The tmpfs at the bottom.
    pub(super) fn base(&self) -> BorrowedFd<'_> {
        self.base.as_fd()
    }

    /// The root of the mount that was attached last.
    pub(super) fn newest(&self) -> BorrowedFd<'_> {
        self.newest.as_ref().map_or(self.top(), OwnedFd::as_fd)
    }

    /// Keeps the mount that was attached last for the supervisor: it is the program's home.
    pub(super) fn keep_home(&mut self) {
        self.own_home = self.newest.take();
    }

    /// The tmpfs that is not seen inside.
    pub(super) fn scratch(&self) -> BorrowedFd<'_> {
        self.scratch.as_ref().unwrap_or(&self.base).as_fd()
    }

    /// Makes this the root of the process, and detaches the host's root. Returns the mount of the program's home, too.
    ///
    /// `pivot_root(2)` stacks the host's root on top of the new one. Other mounts lie on the host's root: the scratch
    /// filesystem and, if something was mounted over the tmpfs at the bottom, that tmpfs and every cover except the
    /// last. Each must be detached.
    pub(super) fn enter(mut self) -> Outcome<(Fence<'a>, Option<OwnedFd>)> {
        let own_home = self.own_home.take();
        let top = self.covers.last().unwrap_or(&self.base).as_fd();
        self.fence.allow(Object::Root, top)?;
        cwd::fchdir(self.top()).stage(Stage::Pivot)?;
        let wanted = stat::place_at(self.top(), c"").stage(Stage::Pivot)?;
        mount::pivot_to_cwd().stage(Stage::Pivot)?;
        for _ in 0..=self.covers.len() + usize::from(self.scratch.is_some()) {
            mount::detach_topmost().stage(Stage::DetachRoot)?;
        }
        // Nothing may be left there: `..` from the root leads to whatever is stacked on it.
        match stat::place_at(AT_FDCWD, c"/..").stage(Stage::DetachRoot)? {
            found if found == wanted => Ok((self.close(), own_home)),
            _ => Err(Failure::new(Stage::Unproven, 0)),
        }
    }

    /// Takes a descriptor that is not needed any more.
    pub(super) fn retire(&mut self, fd: OwnedFd) {
        self.spent.add(fd);
    }

    /// Closes all descriptors of the root at once.
    fn close(self) -> Fence<'a> {
        let NewRoot {
            fence,
            base,
            is_tmpfs: _,
            scratch,
            covers,
            top_is: _,
            newest,
            own_home: _,
            last,
            before,
            mut spent,
            open_to_writing: _,
            cwd: _,
        } = self;
        let parents = [last, before].into_iter().flatten().map(|parent| parent.dir);
        covers.into_iter().chain([base]).chain(scratch).chain(newest).chain(parents).for_each(|fd| spent.add(fd));
        fence
    }

    /// Opens something that exists.
    pub(super) fn open(&self, path: &CStr, open: Open) -> Result<OwnedFd> {
        open::in_root(self.top(), path, open)
    }

    /// Makes the directory `path` and its missing parents, unless it exists.
    pub(super) fn make_dir(&mut self, path: &CStr, mode: u32, parents: u32, op: usize) -> Outcome<Place> {
        let make: Make = &|dir, name| make::dir_at(dir, name, mode);
        self.find_or_make(path, make, parents, op, Act::MakeDir)
    }

    /// Finds or makes a directory to mount something on.
    pub(super) fn dir_for_mount(&mut self, path: &CStr, parents: u32, op: usize) -> Outcome<Place> {
        self.make_dir(path, DIR_MODE, parents, op)
    }

    /// Finds or makes a file to mount something on.
    pub(super) fn file_for_mount(&mut self, path: &CStr, parents: u32, op: usize) -> Outcome<Place> {
        let make: Make = &|dir, name| make::file_at(dir, name, FILE_MODE);
        self.find_or_make(path, make, parents, op, Act::MakeFile)
    }

    /// Fails if `path` is a symbolic link. Makes missing parents. A path with a trailing slash means what the link
    /// leads to (path_resolution(7)), so it passes.
    pub(super) fn refuse_link(&mut self, path: &CStr, parents: u32, op: usize) -> Outcome<()> {
        let Some((parent, name)) = split(path).filter(|_| !path.to_bytes().ends_with(b"/")) else { return Ok(()) };
        let dir = self.parent(&parent, parents, op)?;
        match stat::look_at(dir, &name).op(op, Act::OnLink)? {
            Some(found) if found.is_link() => Err(Errno::ELOOP).op(op, Act::OnLink),
            _ => Ok(()),
        }
    }

    /// The last name of `path` as a mount point. A symbolic link of that name is not followed: the mount covers the
    /// link itself (`move_mount(2)`).
    pub(super) fn name_for_mount(&mut self, path: &CStr, parents: u32, op: usize) -> Outcome<Place> {
        let parts = split(path).filter(|(_, name)| name.as_c_str() != c"." && name.as_c_str() != c"..");
        let (parent, name) = parts.ok_or(Errno::EISDIR).op(op, Act::MakeLink)?;
        self.parent(&parent, parents, op)?;
        // Paths that lead through the link must be looked up again.
        self.forget_one_before();
        Ok(Place::New(name))
    }

    /// Notes that a writable part of the host is mounted on `dest`.
    pub(super) fn note_writable(&mut self, dest: &CStr) {
        /// Whoever has more of them has them side by side, as a rule.
        const MOST: usize = 16;
        if self.open_to_writing.len() < MOST {
            self.open_to_writing.push(dest.to_owned());
        }
    }

    fn find_or_make(&mut self, path: &CStr, make: Make<'_>, parents: u32, op: usize, act: Act) -> Outcome<Place> {
        // What is mounted in a part of the host that can be written has its place there already, nearly always.
        let is_below =
            |above: &CString| path.to_bytes().strip_prefix(above.to_bytes()).is_some_and(|rest| rest.starts_with(b"/"));
        if self.open_to_writing.iter().any(is_below)
            && let Ok(found) = self.open(path, Open::Path)
        {
            self.remember(None);
            self.forget_one_before();
            return self.existing_place(found, act).op(op, act);
        }
        if let Some((parent, name)) = split(path) {
            let dir = self.parent(&parent, parents, op)?;
            match make(dir, &name) {
                Ok(()) => return Ok(Place::New(name)),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno).op(op, act),
            }
        }
        // What is there may be a link to somewhere else, or to a parent: nothing remembered is safe any more.
        self.remember(None);
        self.forget_one_before();
        let found = self.existing(path, make, parents, act).op(op, act)?;
        self.existing_place(found, act).op(op, act)
    }

    /// Something that exists, if it can serve as what would have been made.
    fn existing_place(&mut self, found: OwnedFd, act: Act) -> Result<Place> {
        let about = stat::named_at(found.as_fd(), c"")?;
        match (about.kind == Some(Kind::Dir), act == Act::MakeDir) {
            (true, true) | (false, false) => {
                let top = match self.top_is {
                    Some(known) => known,
                    None => {
                        let top = stat::named_at(self.top(), c"")?;
                        *self.top_is.insert((top.mount, top.file))
                    }
                };
                let is_root = top == (about.mount, about.file);
                Ok(Place::Existing { place: found, is_root })
            }
            (false, true) => Err(Errno::ENOTDIR),
            (true, false) => Err(Errno::EISDIR),
        }
    }

    /// Opens what an existing path leads to. Makes the target of a dangling link.
    fn existing(&mut self, path: &CStr, make: Make<'_>, parents: u32, act: Act) -> Result<OwnedFd> {
        let mut path = if act == Act::MakeFile { of_file(path) } else { path.to_owned() };
        for _ in 0..MAX_LINKS {
            match self.open(&path, Open::Path) {
                Ok(found) => return Ok(found),
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
            path = self.target_of_dangling(&path)?;
            let Some((parent, name)) = split(&path) else { continue };
            let (dir, _) = self.open_or_make(&parent, parents)?;
            match make(dir.as_fd(), &name) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
            self.spent.add(dir);
        }
        Err(Errno::ELOOP)
    }

    /// Where the dangling link at the end of `path` leads.
    fn target_of_dangling(&self, path: &CStr) -> Result<CString> {
        let (parent, name) = split(path).ok_or(Errno::ENOENT)?;
        let dir = self.open(&parent, Open::Dir)?;
        let target = content::read_link_at(dir.as_fd(), &name)?;
        Ok(if target.to_bytes().starts_with(b"/") { target } else { join(&parent, &target) })
    }

    /// Opens the directory `path`, or makes it. Remembers it until something may have changed the way to it.
    pub(super) fn parent(&mut self, path: &CStr, mode: u32, op: usize) -> Outcome<BorrowedFd<'_>> {
        let is_it = |known: &Option<Parent>| known.as_ref().is_some_and(|known| known.path.as_c_str() == path);
        if path.is_empty() {
            self.remember(None);
        } else if is_it(&self.before) {
            std::mem::swap(&mut self.last, &mut self.before);
        } else if !is_it(&self.last) {
            let (dir, is_in_base) = self.open_or_make(path, mode).op(op, Act::Parents)?;
            self.remember(Some(Parent { path: path.to_owned(), dir, is_in_base }));
        }
        Ok(self.last_parent())
    }

    /// Makes `parent` the one that was used last.
    fn remember(&mut self, parent: Option<Parent>) {
        let Some(last) = std::mem::replace(&mut self.last, parent) else { return };
        if let Some(older) = self.before.replace(last) {
            self.spent.add(older.dir);
        }
    }

    /// Forgets the parent before the last one, where a mount may have changed the way to it.
    pub(super) fn forget_one_before(&mut self) {
        if let Some(before) = self.before.take() {
            self.spent.add(before.dir);
        }
    }

    fn last_parent(&self) -> BorrowedFd<'_> {
        self.last.as_ref().map_or(self.top(), |parent| parent.dir.as_fd())
    }

    /// The directory `path`, made where it is missing, and whether it is known to lie in the tmpfs at the bottom.
    fn open_or_make(&mut self, path: &CStr, mode: u32) -> Result<(OwnedFd, bool)> {
        self.open_or_make_within(path, mode, MAX_LINKS)
    }

    fn open_or_make_within(&mut self, path: &CStr, mode: u32, links: u32) -> Result<(OwnedFd, bool)> {
        let parts = split(path);
        if let Some((parent, name)) = &parts
            && let Some((above, is_in_base)) = self.known(parent)
            && make::dir_at(above, name, mode).is_ok()
        {
            // In a directory that is at hand it is mostly new: fewer calls than with a look first.
            return Ok((open::dir_at(above, name)?, is_in_base));
        }
        match self.open(path, Open::Dir) {
            Err(Errno::ENOENT) => {}
            result => return result.map(|dir| (dir, false)),
        }
        let (parent, name) = parts.ok_or(Errno::ENOENT)?;
        let (dir, is_in_base) = self.open_or_make_within(&parent, mode, links)?;
        let found = match make::dir_at(dir.as_fd(), &name, mode) {
            Ok(()) => open::dir_at(dir.as_fd(), &name).map(|made| (made, is_in_base)),
            // A link that leads nowhere yet, `.` or `..`, or somebody else was faster.
            Err(Errno::EEXIST) => match self.open(path, Open::Dir) {
                Err(Errno::ENOENT) if links > 0 => {
                    self.open_or_make_within(&self.target_of_dangling(path)?, mode, links - 1)
                }
                result => result.map(|dir| (dir, false)),
            },
            Err(errno) => Err(errno),
        };
        self.spent.add(dir);
        found
    }

    /// The directory `path` where it is open already, and whether it is known to lie in the tmpfs at the bottom.
    fn known(&self, path: &CStr) -> Option<(BorrowedFd<'_>, bool)> {
        if path.is_empty() {
            return Some((self.top(), self.is_tmpfs && self.covers.is_empty()));
        }
        let parent = [&self.last, &self.before].into_iter().flatten().find(|known| known.path.as_c_str() == path)?;
        Some((parent.dir.as_fd(), parent.is_in_base))
    }

    /// Binds `source` by its path, as one of [`crate::plan::Root::together`]: at a new place in the tmpfs, and without
    /// flags until [`NewRoot::close_to_writing`].
    pub(super) fn bind_by_path(&mut self, source: &CStr, dest: &CStr, is_dir: bool, op: usize) -> Outcome<()> {
        let place = if is_dir {
            self.dir_for_mount(dest, mode::CLOSED, op)?
        } else {
            self.file_for_mount(dest, mode::CLOSED, op)?
        };
        // The plan has no two operations for one place there.
        let Place::New(name) = place else { return Err(Errno::EEXIST).op(op, Act::Attach) };
        let parent = self.last.as_ref().map_or(c"", |parent| &parent.path);
        if self.cwd.as_deref() != Some(parent) {
            cwd::fchdir(self.last_parent()).op(op, Act::Attach)?;
            self.cwd = Some(parent.to_owned());
        }
        mount::bind_tree_in_cwd(source, &name).op(op, Act::Attach)
    }

    /// Makes everything read-only that was bound by its path, and closes it to what the host mounts later: see
    /// `exec/sources.rs`. The tmpfs itself stays writable.
    pub(super) fn close_to_writing(&self, op: usize) -> Outcome<()> {
        let attr = Attr::READ_ONLY.with(Attr::NO_SUID).with(Attr::NO_DEV);
        mount::set_attr(self.base(), attr, Propagation::Private, true).op(op, Act::Flags)?;
        mount::make_writable(self.base()).op(op, Act::Flags)
    }

    /// Attaches a mount at a place that was made for it. What was its root when it was detached is its root still, and
    /// so this is a way into it that no path can change.
    pub(super) fn attach(&mut self, mount: OwnedFd, place: Place, op: usize) -> Outcome<BorrowedFd<'_>> {
        let covers_root = self.attach_at(mount.as_fd(), place).op(op, Act::Attach)?;
        self.fence.allow(Object::Mount(op), mount.as_fd())?;
        if covers_root {
            self.covers.push(mount);
            self.top_is = None;
            self.newest.take().into_iter().for_each(|old| self.spent.add(old));
            return Ok(self.top());
        }
        self.newest.replace(mount).into_iter().for_each(|old| self.spent.add(old));
        Ok(self.newest())
    }

    /// Turns a directory that was just made in the tmpfs at the bottom into a mount of its own. Then it stays writable
    /// when that tmpfs becomes read-only. Returns false if the directory lies on another filesystem, and so might
    /// contain anything. Another mount of that tmpfs is the same filesystem: the home, for a directory in it.
    pub(super) fn attach_part_of_base(&mut self, place: &Place, op: usize) -> Outcome<bool> {
        let Place::New(name) = place else { return Ok(false) };
        let parent = self.last_parent();
        let is_part = |parent| Ok(stat::place_at(parent, c"")?.device == stat::place_at(self.base(), c"")?.device);
        if !self.is_tmpfs {
            return Ok(false);
        }
        let is_known = self.last.as_ref().map_or(self.covers.is_empty(), |parent| parent.is_in_base);
        if !is_known && !is_part(parent).op(op, Act::NewFs)? {
            return Ok(false);
        }
        let part = mount::clone_tree(parent, name, false).op(op, Act::NewFs)?;
        self.attach(part, Place::New(name.clone()), op).map(|_| true)
    }

    /// Whether the new mount is the root now.
    fn attach_at(&mut self, mount: BorrowedFd<'_>, place: Place) -> Result<bool> {
        match place {
            Place::New(name) => mount::attach(mount, self.last_parent(), &name).map(|()| false),
            Place::Existing { place, is_root } => {
                let attached = mount::attach(mount, place.as_fd(), c"");
                self.spent.add(place);
                attached.map(|()| is_root)
            }
        }
    }

    /// Makes a symbolic link in the new root. An existing link must have the same target.
    pub(super) fn link(&mut self, target: &CStr, path: &CStr, op: usize) -> Outcome<()> {
        let failed = |act, errno: Errno, detail| Failure { act, detail, ..Failure::nth(Stage::Op, op, errno as i32) };
        // The kernel says of `.` what it says of the root: it exists.
        let (parent, name) = split(path).unwrap_or_else(|| (CString::default(), c".".into()));
        let dir = self.parent(&parent, mode::CLOSED, op)?;
        match make::link_at(target, dir, &name) {
            Err(Errno::EEXIST) => match content::read_link_at(dir, &name) {
                Ok(found) if found.as_c_str() == target => Ok(()),
                Ok(found) => Err(failed(Act::LinkDiffers, Errno::EEXIST, Some(found))),
                Err(Errno::EINVAL) => Err(failed(Act::NotALink, Errno::EEXIST, None)),
                Err(errno) => Err(failed(Act::MakeLink, errno, None)),
            },
            result => result.op(op, Act::MakeLink),
        }
    }
}

/// Mounts a new tmpfs on top of everything that lies on the host's root.
fn stacked_tmpfs(label: Option<&CStr>) -> Outcome<OwnedFd> {
    let context = label.map(|label| FsOption::String(c"context", label));
    let attr = Attr::NO_SUID.with(Attr::NO_DEV);
    let fs = mount::new_fs(c"tmpfs", context.as_slice(), attr).stage(Stage::Root)?;
    mount::attach(fs.as_fd(), AT_FDCWD, c"/").stage(Stage::Root)?;
    Ok(fs)
}

type Make<'a> = &'a dyn Fn(BorrowedFd<'_>, &CStr) -> Result<()>;
