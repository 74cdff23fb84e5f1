//! The new root while it is built: finding and making places in it.
//!
//! Every path is resolved with the new root as `/` (`openat2(2)`, `RESOLVE_IN_ROOT`): links in it, whoever made them,
//! lead to where they will lead when the program follows them, and never to the host (CVE-2026-87766).

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

/// Mode of directories and files that are made for something to be mounted on.
const DIR_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o444;

/// The root of the new tree.
pub(super) struct NewRoot<'a> {
    /// The rules that belong to what is mounted.
    pub(super) fence: Fence<'a>,
    /// The tmpfs at the bottom.
    base: OwnedFd,
    /// A tmpfs that stays behind with the host's root: for what is mounted from there and not seen otherwise.
    scratch: Option<OwnedFd>,
    /// What has been mounted over the tmpfs, the uppermost last.
    covers: Vec<OwnedFd>,
    /// The mount that was attached last, while it is filled.
    newest: Option<OwnedFd>,
    /// The parent that was used last. Boxes with thousands of binds have most of them side by side.
    last: Option<(CString, OwnedFd)>,
}

/// A place for a mount. It is good until the next change of the tree.
pub(super) enum Place {
    /// Something new of this name, in the parent that was used last.
    New(CString),
    /// Something that was there.
    Existing(OwnedFd),
}

impl<'a> NewRoot<'a> {
    /// Makes the tmpfs and attaches it on top of the host's root, out of the way of every path: absolute ones start
    /// below it.
    pub(super) fn make(label: Option<&CStr>, wants_scratch: bool, fence: Fence<'a>) -> Outcome<NewRoot<'a>> {
        let scratch = if wants_scratch { Some(stacked_tmpfs(None)?) } else { None };
        let base = stacked_tmpfs(label)?;
        file::chmod_at(base.as_fd(), c".", DIR_MODE).stage(Stage::Root)?;
        Ok(NewRoot { fence, base, scratch, covers: Vec::new(), newest: None, last: None })
    }

    /// The root directory as it will be seen inside.
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

    /// Makes this the root of the process, and takes the host's away.
    ///
    /// `pivot_root(2)` stacks the host's root on top of the new one. Where something was mounted over the tmpfs at the
    /// bottom, that tmpfs still lies on the host's root, and on it what was covered in its turn; so does the scratch.
    pub(super) fn enter(mut self) -> Outcome<Fence<'a>> {
        let top = self.covers.last().unwrap_or(&self.base).as_fd();
        self.fence.allow(Object::Root, top)?;
        file::fchdir(self.top()).stage(Stage::Pivot)?;
        let wanted = file::place_at(self.top(), c"").stage(Stage::Pivot)?;
        mount::pivot_to_cwd().stage(Stage::Pivot)?;
        for _ in 0..=self.covers.len() + usize::from(self.scratch.is_some()) {
            mount::detach_topmost().stage(Stage::DetachRoot)?;
        }
        // Nothing may be left there: from the root, `..` leads to whatever is stacked on it.
        match file::place_at(AT_FDCWD, c"/..").stage(Stage::DetachRoot)? {
            found if found == wanted => Ok(self.fence),
            _ => Err(Failure::new(Stage::Unproven, 0)),
        }
    }

    /// Opens something that exists.
    pub(super) fn open(&self, path: &CStr, open: Open) -> Result<OwnedFd> {
        file::open_in_root(self.top(), path, open)
    }

    /// Makes `path` a directory, unless it is one, with its parents.
    pub(super) fn make_dir(&mut self, path: &CStr, mode: u32, parents: u32, op: usize) -> Outcome<Place> {
        let make: Make = &|dir, name| file::make_dir_at(dir, name, mode);
        self.find_or_make(path, make, parents, op, Act::MakeDir)
    }

    /// A directory to mount something on.
    pub(super) fn dir_for_mount(&mut self, path: &CStr, parents: u32, op: usize) -> Outcome<Place> {
        self.make_dir(path, DIR_MODE, parents, op)
    }

    /// A file to mount something on.
    pub(super) fn file_for_mount(&mut self, path: &CStr, parents: u32, op: usize) -> Outcome<Place> {
        let make: Make = &|dir, name| file::make_file_at(dir, name, FILE_MODE);
        self.find_or_make(path, make, parents, op, Act::MakeFile)
    }

    /// Fails where `path` is a link, with the parents made that are missing. With a slash behind it, a path means what the
    /// link leads to (path_resolution(7)).
    pub(super) fn refuse_link(&mut self, path: &CStr, parents: u32, op: usize) -> Outcome<()> {
        let Some((parent, name)) = split(path).filter(|_| !path.to_bytes().ends_with(b"/")) else { return Ok(()) };
        let dir = self.parent(&parent, parents, op)?;
        match entry::look_at(dir, &name).op(op, Act::OnLink)? {
            Some(found) if found.is_link() => Err(Errno::ELOOP).op(op, Act::OnLink),
            _ => Ok(()),
        }
    }

    /// The name at the end of `path`, to mount something on what has it: a link there is not followed
    /// (`move_mount(2)`).
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
        // What is there may be a link to somewhere else, or to a parent: nothing remembered is safe any more.
        self.last = None;
        self.existing(path, make, parents, act).map(Place::Existing).op(op, act)
    }

    /// What a path that exists leads to. A link that leads nowhere has its target made.
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

    /// Where the link at the end of `path` leads to; the link exists, its target does not.
    fn target_of_dangling(&self, path: &CStr) -> Result<CString> {
        let (parent, name) = split(path).ok_or(Errno::ENOENT)?;
        let dir = self.open(&parent, Open::Dir)?;
        let target = file::read_link_at(dir.as_fd(), &name)?;
        Ok(if target.to_bytes().starts_with(b"/") { target } else { join(&parent, &target) })
    }

    /// The directory `path`, made where it is missing, remembered until something may have changed the way to it.
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
            // Directly in the root it is mostly new: three calls fewer than with a look first.
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
            // A link that leads nowhere yet, `.` or `..`, or somebody else was faster.
            Err(Errno::EEXIST) => match self.open(path, Open::Dir) {
                Err(Errno::ENOENT) if links > 0 => {
                    self.open_or_make_within(&self.target_of_dangling(path)?, mode, links - 1)
                }
                result => result,
            },
            Err(errno) => Err(errno),
        }
    }

    /// Attaches a mount at a place that was made for it. What was its root when it was detached is its root still, and
    /// so this is a way into it that no path can change.
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

    /// Makes a directory that was just made in the tmpfs at the bottom a mount of its own, which stays writable when that
    /// is not. False where it lies elsewhere, and might have anything in it.
    pub(super) fn attach_part_of_base(&mut self, place: &Place, op: usize) -> Outcome<bool> {
        let Place::New(name) = place else { return Ok(false) };
        let parent = self.last_parent();
        let is_part = |parent| Ok(file::place_at(parent, c"")?.0 == file::place_at(self.base(), c"")?.0);
        // Nothing need be asked of the root itself.
        let is_root = self.covers.is_empty() && self.last.is_none();
        if !is_root && !is_part(parent).op(op, Act::NewFs)? {
            return Ok(false);
        }
        let part = mount::clone_tree(parent, name, false).op(op, Act::NewFs)?;
        self.attach(part, place, op).map(|_| true)
    }

    /// Whether the new mount is the root now.
    fn attach_at(&self, mount: BorrowedFd<'_>, place: &Place) -> Result<bool> {
        let dir = match place {
            Place::New(name) => return mount::attach(mount, self.last_parent(), name).map(|()| false),
            Place::Existing(dir) => dir.as_fd(),
        };
        let covers_root = file::place_at(dir, c"")? == file::place_at(self.top(), c"")?;
        mount::attach(mount, dir, c"").map(|()| covers_root)
    }

    /// A link in the new root. One that is there already must say the same.
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

/// A new tmpfs, on top of everything that lies on the host's root.
fn stacked_tmpfs(label: Option<&CStr>) -> Outcome<OwnedFd> {
    let context = label.map(|label| FsOption::String(c"context", label));
    let attr = Attr::NO_SUID.with(Attr::NO_DEV);
    let fs = mount::new_fs(c"tmpfs", context.as_slice(), attr).stage(Stage::Root)?;
    mount::attach(fs.as_fd(), AT_FDCWD, c"/").stage(Stage::Root)?;
    Ok(fs)
}

type Make<'a> = &'a dyn Fn(BorrowedFd<'_>, &CStr) -> Result<()>;

/// Whether something that exists can serve as what would have been made.
fn kind(found: &OwnedFd, act: Act) -> Result<()> {
    match (file::fstat(found.as_fd())?.is_dir(), act == Act::MakeDir) {
        (true, true) | (false, false) => Ok(()),
        (false, true) => Err(Errno::ENOTDIR),
        (true, false) => Err(Errno::EISDIR),
    }
}

/// Parent and last part of a path, without the slashes between and behind; `None` for the root.
///
/// The last part may be `.` or `..`. What is before it is made then if it is missing, and what the path means is there
/// already: so does bubblewrap.
pub(super) fn split(path: &CStr) -> Option<(CString, CString)> {
    let path = without_slashes_behind(path.to_bytes());
    if path.is_empty() {
        return None;
    }
    let at = path.iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
    let (parent, name) = path.split_at(at);
    Some((CString::new(without_slashes_behind(parent)).ok()?, CString::new(name).ok()?))
}

/// A path that names the same, but what a link at its end leads to only where that is asked for (path_resolution(7)).
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
