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
use crate::spec::path::{MAX_LINKS, join};
use crate::sys::file::Open;
use crate::sys::mount::{self, AT_FDCWD, Attr, FsOption};
use crate::sys::{Errno, Result, entry, file};

/// Modes of the directories and files that are made as mount points.
const DIR_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o444;

/// The root of the new tree.
pub(super) struct NewRoot<'a> {
    /// The Landlock rules for the mounts.
    pub(super) fence: Fence<'a>,
    /// The tmpfs at the bottom.
    base: OwnedFd,
    /// A tmpfs that is detached with the host's root. It holds what is mounted from there and must not be seen
    /// otherwise.
    scratch: Option<OwnedFd>,
    /// Mounts that cover the tmpfs at the bottom, the uppermost last.
    covers: Vec<OwnedFd>,
    /// The mount that was attached last.
    newest: Option<OwnedFd>,
    /// The parent directory that was used last. A sandbox with thousands of binds has most of them side by side.
    last: Option<(CString, OwnedFd)>,
}

/// A mount point. It is valid until the tree changes.
pub(super) enum Place {
    /// The entry of this name in the parent that was used last: newly made, or not to be followed.
    New(CString),
    /// Something that existed already.
    Existing(OwnedFd),
}

impl<'a> NewRoot<'a> {
    /// Makes the tmpfs and attaches it on top of the host's root. No path leads into it there: absolute paths start
    /// below it.
    pub(super) fn make(label: Option<&CStr>, wants_scratch: bool, fence: Fence<'a>) -> Outcome<NewRoot<'a>> {
        let scratch = if wants_scratch { Some(stacked_tmpfs(None)?) } else { None };
        let base = stacked_tmpfs(label)?;
        file::chmod_at(base.as_fd(), c".", DIR_MODE).stage(Stage::Root)?;
        Ok(NewRoot { fence, base, scratch, covers: Vec::new(), newest: None, last: None })
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

    /// The tmpfs that is not seen inside.
    pub(super) fn scratch(&self) -> BorrowedFd<'_> {
        self.scratch.as_ref().unwrap_or(&self.base).as_fd()
    }

    /// Makes this the root of the process, and detaches the host's root.
    ///
    /// `pivot_root(2)` stacks the host's root on top of the new one. Other mounts lie on the host's root: the scratch
    /// filesystem and, if something was mounted over the tmpfs at the bottom, that tmpfs and every cover except the
    /// last. Each must be detached.
    pub(super) fn enter(mut self) -> Outcome<Fence<'a>> {
        let top = self.covers.last().unwrap_or(&self.base).as_fd();
        self.fence.allow(Object::Root, top)?;
        file::fchdir(self.top()).stage(Stage::Pivot)?;
        let wanted = file::place_at(self.top(), c"").stage(Stage::Pivot)?;
        mount::pivot_to_cwd().stage(Stage::Pivot)?;
        for _ in 0..=self.covers.len() + usize::from(self.scratch.is_some()) {
            mount::detach_topmost().stage(Stage::DetachRoot)?;
        }
        // Nothing may be left there: `..` from the root leads to whatever is stacked on it.
        match file::place_at(AT_FDCWD, c"/..").stage(Stage::DetachRoot)? {
            found if found == wanted => Ok(self.fence),
            _ => Err(Failure::new(Stage::Unproven, 0)),
        }
    }

    /// Opens something that exists.
    pub(super) fn open(&self, path: &CStr, open: Open) -> Result<OwnedFd> {
        file::open_in_root(self.top(), path, open)
    }

    /// Makes the directory `path` and its missing parents, unless it exists.
    pub(super) fn make_dir(&mut self, path: &CStr, mode: u32, parents: u32, op: usize) -> Outcome<Place> {
        let make: Make = &|dir, name| file::make_dir_at(dir, name, mode);
        self.find_or_make(path, make, parents, op, Act::MakeDir)
    }

    /// Finds or makes a directory to mount something on.
    pub(super) fn dir_for_mount(&mut self, path: &CStr, parents: u32, op: usize) -> Outcome<Place> {
        self.make_dir(path, DIR_MODE, parents, op)
    }

    /// Finds or makes a file to mount something on.
    pub(super) fn file_for_mount(&mut self, path: &CStr, parents: u32, op: usize) -> Outcome<Place> {
        let make: Make = &|dir, name| file::make_file_at(dir, name, FILE_MODE);
        self.find_or_make(path, make, parents, op, Act::MakeFile)
    }

    /// Fails if `path` is a symbolic link. Makes missing parents. A path with a trailing slash means what the link
    /// leads to (path_resolution(7)), so it passes.
    pub(super) fn refuse_link(&mut self, path: &CStr, parents: u32, op: usize) -> Outcome<()> {
        let Some((parent, name)) = split(path).filter(|_| !path.to_bytes().ends_with(b"/")) else { return Ok(()) };
        let dir = self.parent(&parent, parents, op)?;
        match entry::look_at(dir, &name).op(op, Act::OnLink)? {
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
        Ok(Place::New(name))
    }

    fn find_or_make(&mut self, path: &CStr, make: Make<'_>, parents: u32, op: usize, act: Act) -> Outcome<Place> {
        if let Some((parent, name)) = split(path) {
            let dir = self.parent(&parent, parents, op)?;
            match make(dir, &name) {
                Ok(()) => return Ok(Place::New(name)),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno).op(op, act),
            }
        }
        // What exists may be a link to elsewhere, or to a parent. Forget the remembered directory.
        self.last = None;
        self.existing(path, make, parents, act).map(Place::Existing).op(op, act)
    }

    /// Opens what an existing path leads to. Makes the target of a dangling link.
    fn existing(&mut self, path: &CStr, make: Make<'_>, parents: u32, act: Act) -> Result<OwnedFd> {
        let mut path = if act == Act::MakeFile { of_file(path) } else { path.to_owned() };
        for _ in 0..MAX_LINKS {
            match self.open(&path, Open::Path) {
                Ok(found) => return kind(&found, act).and(Ok(found)),
                Err(Errno::ENOENT) => {}
                Err(errno) => return Err(errno),
            }
            path = self.target_of_dangling(&path)?;
            let Some((parent, name)) = split(&path) else { continue };
            let dir = self.open_or_make(&parent, parents)?;
            match make(dir.as_fd(), &name) {
                Ok(()) | Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::ELOOP)
    }

    /// Where the dangling link at the end of `path` leads.
    fn target_of_dangling(&self, path: &CStr) -> Result<CString> {
        let (parent, name) = split(path).ok_or(Errno::ENOENT)?;
        let dir = self.open(&parent, Open::Dir)?;
        let target = file::read_link_at(dir.as_fd(), &name)?;
        Ok(if target.to_bytes().starts_with(b"/") { target } else { join(&parent, &target) })
    }

    /// Opens the directory `path`, or makes it. Remembers it until something may have changed the way to it.
    pub(super) fn parent(&mut self, path: &CStr, mode: u32, op: usize) -> Outcome<BorrowedFd<'_>> {
        if path.is_empty() {
            self.last = None;
            return Ok(self.top());
        }
        if self.last.as_ref().is_none_or(|(known, _)| known.as_c_str() != path) {
            let dir = self.open_or_make(path, mode).op(op, Act::Parents)?;
            self.last = Some((path.to_owned(), dir));
        }
        Ok(self.last_parent())
    }

    fn last_parent(&self) -> BorrowedFd<'_> {
        self.last.as_ref().map_or(self.top(), |(_, dir)| dir.as_fd())
    }

    fn open_or_make(&self, path: &CStr, mode: u32) -> Result<OwnedFd> {
        self.open_or_make_within(path, mode, MAX_LINKS)
    }

    fn open_or_make_within(&self, path: &CStr, mode: u32, links: u32) -> Result<OwnedFd> {
        let parts = split(path);
        if let Some((parent, name)) = &parts
            && parent.is_empty()
            && file::make_dir_at(self.top(), name, mode).is_ok()
        {
            // A directory right below the root is mostly new. Making it without a look first saves three calls.
            return file::open_dir_at(self.top(), name);
        }
        match self.open(path, Open::Dir) {
            Err(Errno::ENOENT) => {}
            result => return result,
        }
        let (parent, name) = parts.ok_or(Errno::ENOENT)?;
        let dir = self.open_or_make_within(&parent, mode, links)?;
        match file::make_dir_at(dir.as_fd(), &name, mode) {
            Ok(()) => file::open_dir_at(dir.as_fd(), &name),
            // It is a dangling link, `.` or `..`, or somebody else made the directory first.
            Err(Errno::EEXIST) => match self.open(path, Open::Dir) {
                Err(Errno::ENOENT) if links > 0 => {
                    self.open_or_make_within(&self.target_of_dangling(path)?, mode, links - 1)
                }
                result => result,
            },
            Err(errno) => Err(errno),
        }
    }

    /// Attaches a mount at a place made for it. Its descriptor refers to the root of the mount before and after, so it
    /// is a way into the mount that no path can change.
    pub(super) fn attach(&mut self, mount: OwnedFd, place: &Place, op: usize) -> Outcome<BorrowedFd<'_>> {
        let covers_root = self.attach_at(mount.as_fd(), place).op(op, Act::Attach)?;
        self.fence.allow(Object::Mount(op), mount.as_fd())?;
        if covers_root {
            self.covers.push(mount);
            self.newest = None;
            return Ok(self.top());
        }
        let newest: &OwnedFd = self.newest.insert(mount);
        Ok(newest.as_fd())
    }

    /// Turns a directory that was just made in the tmpfs at the bottom into a mount of its own. Then it stays writable
    /// when that tmpfs becomes read-only. Returns false if the directory lies elsewhere and so might contain anything.
    pub(super) fn attach_part_of_base(&mut self, place: &Place, op: usize) -> Outcome<bool> {
        let Place::New(name) = place else { return Ok(false) };
        let parent = self.last_parent();
        let is_part = |parent| Ok(file::place_at(parent, c"")?.0 == file::place_at(self.base(), c"")?.0);
        // The root itself needs no check.
        let is_root = self.covers.is_empty() && self.last.is_none();
        if !is_root && !is_part(parent).op(op, Act::NewFs)? {
            return Ok(false);
        }
        let part = mount::clone_tree(parent, name, false).op(op, Act::NewFs)?;
        self.attach(part, place, op).map(|_| true)
    }

    /// Attaches a mount. Returns whether it is now the root.
    fn attach_at(&self, mount: BorrowedFd<'_>, place: &Place) -> Result<bool> {
        let dir = match place {
            Place::New(name) => return mount::attach(mount, self.last_parent(), name).map(|()| false),
            Place::Existing(dir) => dir.as_fd(),
        };
        let covers_root = file::place_at(dir, c"")? == file::place_at(self.top(), c"")?;
        mount::attach(mount, dir, c"").map(|()| covers_root)
    }

    /// Makes a symbolic link in the new root. An existing link must have the same target.
    pub(super) fn link(&mut self, target: &CStr, path: &CStr, op: usize) -> Outcome<()> {
        let failed = |act, errno: Errno, detail| Failure { act, detail, ..Failure::nth(Stage::Op, op, errno as i32) };
        // The kernel says of `.` what it says of the root: it exists.
        let (parent, name) = split(path).unwrap_or_else(|| (CString::default(), c".".into()));
        let dir = self.parent(&parent, mode::CLOSED, op)?;
        match file::make_link_at(target, dir, &name) {
            Err(Errno::EEXIST) => match file::read_link_at(dir, &name) {
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

/// Fails unless an existing object is of the kind that would have been made.
fn kind(found: &OwnedFd, act: Act) -> Result<()> {
    match (file::fstat(found.as_fd())?.is_dir(), act == Act::MakeDir) {
        (true, true) | (false, false) => Ok(()),
        (false, true) => Err(Errno::ENOTDIR),
        (true, false) => Err(Errno::EISDIR),
    }
}

/// Parent and last part of a path, without the slashes between and behind; `None` for the root.
///
/// The last part may be `.` or `..`. As in bubblewrap, what is before it is made if it is missing, and the path itself
/// exists then.
pub(super) fn split(path: &CStr) -> Option<(CString, CString)> {
    let path = without_slashes_behind(path.to_bytes());
    if path.is_empty() {
        return None;
    }
    let at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    let (parent, name) = path.split_at(at);
    Some((CString::new(without_slashes_behind(parent)).ok()?, CString::new(name).ok()?))
}

/// The path without slashes at its end. They would make the kernel follow a link there (path_resolution(7)).
fn without_slashes_behind(path: &[u8]) -> &[u8] {
    path.iter().rposition(|&byte| byte != b'/').map_or(&[], |end| &path[..=end])
}

/// The path of a file. A slash behind it does no harm, as in bubblewrap 0.12; to the kernel it means a directory.
pub(super) fn of_file(path: &CStr) -> CString {
    CString::new(without_slashes_behind(path.to_bytes())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_split_as_the_kernel_reads_it() {
        let parts =
            |path: &CStr| split(path).map(|(parent, name)| [parent, name].map(|part| part.into_string().unwrap()));
        assert_eq!(parts(c"/usr"), Some(["".into(), "usr".into()]));
        assert_eq!(parts(c"usr"), Some(["".into(), "usr".into()]));
        assert_eq!(parts(c"//a//b//"), Some(["//a".into(), "b".into()]));
        assert_eq!(parts(c"/a/./b/."), Some(["/a/./b".into(), ".".into()]));
        assert_eq!(parts(c"/a/../b"), Some(["/a/..".into(), "b".into()]));
        assert_eq!(parts(c"/a//.././"), Some(["/a//..".into(), ".".into()]));
        assert_eq!(parts(c".."), Some(["".into(), "..".into()]));
        for root in [c"", c"/", c"//"] {
            assert_eq!(parts(root), None, "{root:?}");
        }
    }
}
