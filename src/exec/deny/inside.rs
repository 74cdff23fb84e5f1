//! The filesystem of the sandbox while denials are carried out: what a path leads to, and how that is covered.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::views::{self, Copy, Overlay};
use crate::exec::root::NewRoot;
use crate::exec::tell::Remarks;
use crate::plan::Root;
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::spec::FsOp;
use crate::spec::path::{MAX_LINKS, join};
use crate::sys::mount::{self, Attr, Propagation};
use crate::sys::open::Open;
use crate::sys::stat::{self, Kind, Stat};
use crate::sys::{Errno, Result, content, make, process, statfs};

/// Names of the covers in the scratch filesystem. Each cover has mode 0, is empty, and is mounted read-only.
const DIR: &CStr = c".deny-dir";
const FILE: &CStr = c".deny-file";
const FIFO: &CStr = c".deny-fifo";
const SOCKET: &CStr = c".deny-socket";

/// Flags of every cover.
const COVER: Attr = Attr::READ_ONLY.with(Attr::NO_SUID).with(Attr::NO_DEV).with(Attr::NO_EXEC);

/// The owner that the kernel shows if the real one has no id in the user namespace (`user_namespaces(7)`).
const UNMAPPED: u32 = 65534;

/// What is recorded while the root is built, if anything is denied.
#[derive(Default)]
pub(in crate::exec) struct Own {
    /// Device numbers of the sandbox's own filesystems. What is made there does not touch the host.
    pub(super) filesystems: Vec<u64>,
    /// Ids of the mounts that are a new `/dev`.
    pub(super) devs: Vec<u64>,
    pub(super) overlays: Vec<Overlay>,
    /// Copies of host files.
    pub(super) copies: Vec<Copy>,
}

/// The filesystem of the sandbox, its root, and the means to cover things in it.
pub(super) struct Inside<'a, 'r> {
    pub(super) plan: &'a Root,
    /// The host's procfs.
    pub(super) proc: BorrowedFd<'a>,
    pub(super) root: &'a mut NewRoot<'r>,
    pub(super) own: &'a Own,
    remarks: &'a Remarks<'a>,
    /// The covers. Other things that are seen inside may lie on the same filesystem.
    covers: [Stat; 4],
    /// Device number of the tmpfs at the bottom.
    base: u64,
}

/// What a path leads to.
pub(super) enum Found {
    Object(OwnedFd),
    /// Nothing. For each directory in which the next name, or the target of a link, is missing: who can make it there.
    Missing(Vec<Ground>),
    /// Nothing that the sandbox could open: the way is denied already, or somebody else closed it.
    Closed,
}

/// Who can make something in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// Nobody inside: it is read-only.
    ReadOnly,
    /// Somebody inside, on a filesystem of the sandbox's own.
    Own,
    /// Somebody inside, on a filesystem of the host's.
    Hosts,
}

impl<'a, 'r> Inside<'a, 'r> {
    /// Makes the covers.
    pub(super) fn new(
        (plan, proc): (&'a Root, BorrowedFd<'a>),
        root: &'a mut NewRoot<'r>,
        own: &'a Own,
        remarks: &'a Remarks<'a>,
    ) -> Outcome<Inside<'a, 'r>> {
        let covers = make_covers(root.scratch()).stage(Stage::Root)?;
        let base = stat::fstat(root.base()).stage(Stage::Root)?.device;
        Ok(Inside { plan, proc, root, own, remarks, covers, base })
    }

    /// Ends the run with `failure`. In best-effort mode, only tells the caller.
    pub(super) fn fail(&self, failure: Failure) -> Outcome<()> {
        if !self.plan.best_effort {
            return Err(failure);
        }
        self.remarks.dropped(failure);
        Ok(())
    }

    /// Whether denial number `index` is only for what exists.
    pub(super) fn is_optional(&self, index: usize) -> bool {
        matches!(self.plan.ops.get(index).map(|op| &op.fs), Some(FsOp::Deny { optional: true, .. }))
    }

    /// Tells the caller something about a denial that is fully enforced.
    pub(super) fn remark(&self, about: Failure) {
        self.remarks.remark(about);
    }

    /// Makes a cover for a path that does not exist. It is not attached yet.
    pub(super) fn cover_for_missing(&self) -> Result<OwnedFd> {
        mount::clone_tree(self.root.scratch(), FILE, false)
    }

    /// Finds what `path` leads to inside.
    pub(super) fn look(&self, path: &CStr) -> Result<Found> {
        let mut path = path.to_owned();
        let mut grounds = Vec::new();
        for _ in 0..MAX_LINKS {
            match self.root.open(&path, Open::Path) {
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => {}
                found => return found.map(Found::Object),
            }
            let Way { dir, parent, name, rest } = self.deepest(&path)?;
            let about = stat::fstat(dir.as_fd())?;
            if self.is_covered(about) {
                return Ok(Found::Closed);
            }
            let target = match content::read_link_at(dir.as_fd(), &name) {
                Err(Errno::EACCES) if self.is_closed(dir.as_fd(), about)? => return Ok(Found::Closed),
                // An earlier denial has covered it: there is no way below it.
                Err(Errno::EINVAL) if self.is_covered(stat::stat_at(dir.as_fd(), name.as_c_str())?) => {
                    return Ok(Found::Closed);
                }
                Err(Errno::ENOENT | Errno::EINVAL) => None,
                target => Some(target?),
            };
            grounds.push(self.ground(dir.as_fd(), about)?);
            let Some(target) = target else { return Ok(Found::Missing(grounds)) };
            let target = if target.to_bytes().starts_with(b"/") { target } else { join(&parent, &target) };
            path = join(&target, &rest);
        }
        Err(Errno::ELOOP)
    }

    /// Finds the last directory on the way of `path` that exists.
    fn deepest(&self, path: &CStr) -> Result<Way> {
        let bytes = path.to_bytes();
        let mut end = bytes.len();
        loop {
            let rest = &bytes[end..];
            let name_end = bytes[..end].iter().rposition(|&byte| byte != b'/').map_or(0, |at| at + 1);
            let name_start = bytes[..name_end].iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
            let [parent, name, rest] = [&bytes[..name_start], &bytes[name_start..name_end], rest].map(part_of);
            match self.root.open(&parent, Open::Dir) {
                Ok(dir) => return Ok(Way { dir, parent, name, rest }),
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) if name_start > 0 => end = name_start,
                Err(errno) => return Err(errno),
            }
        }
    }

    pub(super) fn ground(&self, dir: BorrowedFd<'_>, about: Stat) -> Result<Ground> {
        if statfs::is_read_only(dir)? {
            return Ok(Ground::ReadOnly);
        }
        Ok(if self.is_own(about) { Ground::Own } else { Ground::Hosts })
    }

    /// Whether this lies on a filesystem of the sandbox's own.
    pub(super) fn is_own(&self, about: Stat) -> bool {
        about.device == self.base || self.own.filesystems.contains(&about.device)
    }

    /// Whether nobody inside can ever open anything in this directory: nobody may search it, and nobody can change its
    /// mode, because its owner has no id inside.
    pub(super) fn is_closed(&self, dir: BorrowedFd<'_>, about: Stat) -> Result<bool> {
        Ok(self.is_foreign(about) && !stat::is_searchable(dir)?)
    }

    /// Whether somebody inside could change names in this directory, perhaps after changing its mode.
    pub(super) fn may_change(&self, dir: BorrowedFd<'_>) -> Result<bool> {
        Ok(!self.is_foreign(stat::fstat(dir)?) || stat::is_changeable(dir)?)
    }

    /// Whether the owner has no id inside.
    fn is_foreign(&self, about: Stat) -> bool {
        let has_user_ns = self.plan.has_user_ns;
        has_user_ns && about.owner == UNMAPPED && process::real_ids().0 != UNMAPPED
    }

    /// Whether this is one of the covers.
    pub(super) fn is_covered(&self, about: Stat) -> bool {
        self.covers.iter().any(|cover| cover.is_same_file(about))
    }

    /// Whether the files in this directory are the kernel's own, or devices. Patterns do not apply to those.
    pub(super) fn is_kernels(&self, dir: BorrowedFd<'_>) -> Result<bool> {
        Ok(statfs::is_kernels(dir)?
            || !self.own.devs.is_empty() && self.own.devs.contains(&stat::place_at(dir, c"")?.mount))
    }

    /// Covers an existing object, for denial number `index`.
    pub(super) fn cover(&self, object: BorrowedFd<'_>, index: usize) -> Outcome<()> {
        let about = stat::fstat(object).op(index, Act::Whole)?;
        if self.is_covered(about) {
            return Ok(());
        }
        if statfs::is_procfs(object).op(index, Act::Whole)? && self.is_of_process(object).op(index, Act::Whole)? {
            return Err(Failure { act: Act::OfProcess, ..Failure::nth(Stage::Op, index, 0) });
        }
        self.cover_with_own(object, about).op(index, Act::Whole)
    }

    fn cover_with_own(&self, object: BorrowedFd<'_>, about: Stat) -> Result<()> {
        let scratch = |name| mount::clone_tree(self.root.scratch(), name, false);
        let cover = match about.kind() {
            // A cover on the root would leave nothing, not even the program.
            Some(Kind::Dir) if stat::place_at(object, c"")? == stat::place_at(self.root.top(), c"")? => {
                return Err(Errno::EBUSY);
            }
            Some(Kind::Dir) => scratch(DIR)?,
            Some(Kind::File) => scratch(FILE)?,
            Some(Kind::Fifo) => scratch(FIFO)?,
            Some(Kind::Socket) => scratch(SOCKET)?,
            // Nobody can make a device in a user namespace (mknod(2), EPERM). So cover it with itself, on a mount that
            // allows no devices: then nobody can open it, whatever their capabilities (mount(2), MS_NODEV).
            Some(Kind::CharDevice | Kind::BlockDevice) => {
                let device = mount::clone_here(object)?;
                mount::set_attr(device.as_fd(), COVER, Propagation::Private, false)?;
                device
            }
            Some(Kind::Link) | None => return Err(Errno::EINVAL),
        };
        // The kernel mounts nothing on an object that was removed from its directory (`cant_mount` in fs/namespace.c).
        // ENOENT would mislead: the object exists, because it is open here.
        mount::attach(cover.as_fd(), object, c"")
            .map_err(|errno| if errno == Errno::ENOENT { Errno::ESTALE } else { errno })
    }

    /// The path of `object` inside.
    pub(super) fn path_of(&self, object: BorrowedFd<'_>) -> Result<CString> {
        views::path_of(self.proc, object)
    }

    /// Whether an object of procfs lies in the directory of a process or thread. `/proc/self` leads each process to a
    /// directory of its own, and only that of this process would be covered.
    fn is_of_process(&self, object: BorrowedFd<'_>) -> Result<bool> {
        // `PROC_ROOT_INO` in include/linux/proc_ns.h.
        const ROOT_OF_PROCFS: u64 = 1;
        let path = self.path_of(object)?;
        let mut parent = Vec::new();
        for name in path.to_bytes().split(|&byte| byte == b'/') {
            if !name.is_empty() && name.iter().all(u8::is_ascii_digit) {
                let dir = self.root.open(&part_of(&parent), Open::Dir)?;
                if statfs::is_procfs(dir.as_fd())? && stat::fstat(dir.as_fd())?.inode == ROOT_OF_PROCFS {
                    return Ok(true);
                }
            }
            parent.extend_from_slice(name);
            parent.push(b'/');
        }
        Ok(false)
    }
}

/// Makes one cover of each type.
fn make_covers(scratch: BorrowedFd<'_>) -> Result<[Stat; 4]> {
    make::dir_at(scratch, DIR, 0)?;
    make::file_at(scratch, FILE, 0)?;
    make::special_at(scratch, FIFO, false)?;
    make::special_at(scratch, SOCKET, true)?;
    // Nothing more is made in the scratch filesystem. What is cloned from it gets these flags too.
    mount::set_attr(scratch, COVER, Propagation::Keep, false)?;
    let about = |name| stat::stat_at(scratch, name);
    Ok([about(DIR)?, about(FILE)?, about(FIFO)?, about(SOCKET)?])
}

/// A part of a path, which contains no NUL.
fn part_of(path: &[u8]) -> CString {
    CString::new(path).unwrap_or_default()
}

/// A path, taken apart behind the last directory that exists.
struct Way {
    /// That directory, and the path to it.
    dir: OwnedFd,
    parent: CString,
    /// The next name: it is missing, or is a link that leads nowhere.
    name: CString,
    /// What follows that name.
    rest: CString,
}
