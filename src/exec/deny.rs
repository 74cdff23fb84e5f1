//! What is denied: covered, when everything else is in place, by a mount of an object of the same type that nobody can
//! open and that is empty for whoever can open everything.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::pinned_ancestors::PinnedAncestors;
use super::root::NewRoot;
use super::sources::Upper;
use super::twins::Twins;
use super::views::{self, Overlay, Views};
use super::{tell, walk};
use crate::plan::Root;
use crate::protocol::{Act, At, Failure, Message, Outcome, Stage};
use crate::spec::path::{MAX_LINKS, join};
use crate::spec::{FsOp, OverlayKind, mode};
use crate::sys::file::{self, Kind, Open, Stat};
use crate::sys::mount::{self, Attr, Propagation};
use crate::sys::{Errno, Result, dir, process};

/// Names of the covers in the scratch. Each is of mode 0, empty, and seen through read-only mounts.
const DIR: &CStr = c".deny-dir";
const FILE: &CStr = c".deny-file";
const FIFO: &CStr = c".deny-fifo";
const SOCKET: &CStr = c".deny-socket";

/// Flags of every cover.
const COVER: Attr = Attr::READ_ONLY.with(Attr::NO_SUID).with(Attr::NO_DEV).with(Attr::NO_EXEC);

/// The owner that the kernel shows for one that has no id in the user namespace (`user_namespaces(7)`).
const UNMAPPED: u32 = 65534;

/// Filesystems of the sandbox's own, which are noted while the root is built.
#[derive(Default)]
pub(super) struct Own {
    /// Device numbers: what is made there touches nothing of the host.
    filesystems: Vec<u64>,
    /// Ids of the mounts that are a new `/dev`.
    devs: Vec<u64>,
    /// Overlays.
    overlays: Vec<Overlay>,
}

impl Own {
    /// To be called after each operation, where anything is denied.
    pub(super) fn note(&mut self, root: &NewRoot<'_>, op: &FsOp) -> Result<()> {
        match op {
            FsOp::Tmpfs { .. } | FsOp::Overlay { kind: OverlayKind::Tmp, .. } => {
                self.filesystems.push(file::fstat(root.newest())?.device);
            }
            FsOp::Dev { .. } => self.devs.push(file::place_at(root.newest(), c"")?.0),
            _ => {}
        }
        Ok(())
    }

    /// To be called when an overlay is mounted: its layers are needed still.
    pub(super) fn keep(&mut self, root: &NewRoot<'_>, mut layers: Vec<OwnedFd>, upper: Option<Upper>) -> Result<()> {
        layers.extend(upper.map(|upper| upper.upper));
        self.overlays.push(Overlay { mount: file::place_at(root.newest(), c"")?.0, layers });
        Ok(())
    }
}

/// Covers everything that the plan denies.
pub(super) fn enforce(
    (plan, proc): (&Root, BorrowedFd<'_>),
    root: &mut NewRoot<'_>,
    own: &Own,
    control: &OwnedFd,
) -> Outcome<()> {
    if plan.denials.is_empty() {
        return Ok(());
    }
    let covers = make_covers(root.scratch()).stage(Stage::Root)?;
    let base = file::fstat(root.base()).stage(Stage::Root)?.device;
    let twins = Twins::of(Views::read(proc, root, &own.overlays).stage(Stage::Root)?);
    let mut deny = Deny { plan, proc, root, own, control, covers, base, pinned: PinnedAncestors::default(), twins };
    // All are looked up before any is covered: what is found does not depend on the order then.
    let mut found = Vec::new();
    for &index in &plan.denials.paths {
        match deny.find(index) {
            Ok(Some((object, way))) => found.push((index, object, way)),
            Ok(None) => {}
            Err(failure) => deny.fail(failure)?,
        }
    }
    for (index, object, way) in &found {
        deny.note(object.as_fd(), way, *index)?;
    }
    for (index, object, _) in found {
        if let Err(failure) = deny.cover(object.as_fd(), index) {
            deny.fail(failure)?;
        }
    }
    walk::walk(&mut deny, &plan.denials.patterns)?;
    std::mem::take(&mut deny.twins).cover(&mut deny)?;
    std::mem::take(&mut deny.pinned).hold(&deny)
}

/// Makes one object of each type.
fn make_covers(scratch: BorrowedFd<'_>) -> Result<[Stat; 4]> {
    file::make_dir_at(scratch, DIR, 0)?;
    file::make_file_at(scratch, FILE, 0)?;
    dir::make_special_at(scratch, FIFO, false)?;
    dir::make_special_at(scratch, SOCKET, true)?;
    // Nothing is made in the scratch any more; what is cloned from it has these flags too.
    mount::set_attr(scratch, COVER, Propagation::Keep, false)?;
    let about = |name| file::stat_at(scratch, name);
    Ok([about(DIR)?, about(FILE)?, about(FIFO)?, about(SOCKET)?])
}

/// The state of denying.
pub(super) struct Deny<'a, 'r> {
    pub(super) plan: &'a Root,
    /// The host's procfs.
    proc: BorrowedFd<'a>,
    pub(super) root: &'a mut NewRoot<'r>,
    own: &'a Own,
    pub(super) control: &'a OwnedFd,
    /// The covers. Other things that are seen inside may lie on the same filesystem.
    covers: [Stat; 4],
    /// Device number of the tmpfs at the bottom.
    base: u64,
    /// What leads to what is denied.
    pub(super) pinned: PinnedAncestors,
    /// Other names of it.
    twins: Twins,
}

/// What a path leads to.
pub(super) enum Found {
    Object(OwnedFd),
    /// Nothing, and here is what lies on the way.
    Missing(Vec<Ground>),
    /// Nothing that the box could open: the way is denied already, or closed by somebody else.
    Closed,
}

/// A directory in which something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    /// Nobody inside can make anything there.
    ReadOnly,
    /// It is the sandbox's own.
    Own,
    /// It is the host's, and may be written to.
    Hosts,
}

impl Deny<'_, '_> {
    /// Ends the run, unless as much as possible is wanted: then the caller is told.
    pub(super) fn fail(&self, failure: Failure) -> Outcome<()> {
        if !self.plan.best_effort {
            return Err(failure);
        }
        tell(self.control, &Message::Dropped(failure));
        Ok(())
    }

    /// The overlays of the plan.
    pub(super) fn overlays(&self) -> &[Overlay] {
        &self.own.overlays
    }

    /// Notes what is denied at `way`, a path without links, for the sake of its other names. To be called before it is
    /// covered.
    pub(super) fn note(&mut self, object: BorrowedFd<'_>, way: &CStr, index: usize) -> Outcome<()> {
        let mut twins = std::mem::take(&mut self.twins);
        let noted = twins.note(object, way, index, self);
        self.twins = twins;
        noted.or_else(|failure| self.fail(failure))
    }

    /// What denial number `index` must cover, if anything, and its path without links.
    fn find(&mut self, index: usize) -> Outcome<Option<(OwnedFd, CString)>> {
        let Some(FsOp::Deny { path, is_pattern: _ }) = self.plan.ops.get(index).map(|op| &op.fs) else {
            return Ok(None);
        };
        let grounds = match self.look(path).op(index, Act::Whole)? {
            Found::Object(object) => {
                let way = self.hold_way(path, object.as_fd(), index).op(index, Act::Whole)?;
                return Ok(Some((object, way)));
            }
            Found::Closed => return Ok(None),
            Found::Missing(grounds) => grounds,
        };
        if grounds.iter().all(|ground| *ground == Ground::ReadOnly) {
            return Ok(None);
        }
        match grounds.last() {
            Some(Ground::Hosts) | None => {
                return Err(Failure { act: Act::Missing, ..Failure::nth(Stage::Op, index, Errno::ENOENT as i32) });
            }
            // A link of the host leads there: it is not to be exchanged for another.
            Some(Ground::ReadOnly | Ground::Own) => self.hold_links(path, index).op(index, Act::Whole)?,
        }
        if grounds.last() == Some(&Ground::ReadOnly) {
            return Ok(None);
        }
        let place = self.root.file_for_mount(path, mode::CLOSED, index)?;
        let cover = mount::clone_tree(self.root.scratch(), FILE, false).op(index, Act::Attach)?;
        self.root.attach(cover, &place, index).map(|_| None)
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
            let about = file::fstat(dir.as_fd())?;
            if self.is_covered(about) {
                return Ok(Found::Closed);
            }
            let target = match file::read_link_at(dir.as_fd(), &name) {
                Err(Errno::EACCES) if self.is_closed(dir.as_fd(), about)? => return Ok(Found::Closed),
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

    /// The last directory on the way of `path` that exists.
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
        if dir::is_read_only(dir)? {
            return Ok(Ground::ReadOnly);
        }
        let is_own = about.device == self.base || self.own.filesystems.contains(&about.device);
        Ok(if is_own { Ground::Own } else { Ground::Hosts })
    }

    /// Whether nothing in this directory can be opened, by anybody inside and for good: it belongs to somebody who has
    /// no id inside, so that nobody there can change its mode.
    pub(super) fn is_closed(&self, dir: BorrowedFd<'_>, about: Stat) -> Result<bool> {
        Ok(self.is_foreign(about) && !dir::is_searchable(dir)?)
    }

    /// Whether somebody inside could change names in this directory, if need be by changing its mode first.
    pub(super) fn may_change(&self, dir: BorrowedFd<'_>) -> Result<bool> {
        Ok(!self.is_foreign(file::fstat(dir)?) || dir::is_changeable(dir)?)
    }

    /// Whether it belongs to somebody who has no id inside.
    fn is_foreign(&self, about: Stat) -> bool {
        let has_user_ns = self.plan.has_user_ns;
        has_user_ns && about.owner == UNMAPPED && process::real_ids().0 != UNMAPPED
    }

    /// Whether this is one of the covers.
    pub(super) fn is_covered(&self, about: Stat) -> bool {
        self.covers.iter().any(|cover| cover.is_same_file(about))
    }

    /// Whether the files of this directory are the kernel's, or devices, and no pattern is for them.
    pub(super) fn is_kernels(&self, dir: BorrowedFd<'_>) -> Result<bool> {
        Ok(dir::is_kernels(dir)? || !self.own.devs.is_empty() && self.own.devs.contains(&file::place_at(dir, c"")?.0))
    }

    /// Has the way held that `path` takes to what it leads to, links included. To be called while nothing on it is
    /// covered. Returns the way without links.
    pub(super) fn hold_way(&mut self, path: &CStr, object: BorrowedFd<'_>, index: usize) -> Result<CString> {
        let way = self.path_of(object)?;
        self.pinned.lead_to(&way, index);
        if *path != *way {
            self.hold_links(path, index)?;
        }
        Ok(way)
    }

    fn hold_links(&mut self, path: &CStr, index: usize) -> Result<()> {
        let mut pinned = std::mem::take(&mut self.pinned);
        let traced = pinned.trace_links(path, index, self);
        self.pinned = pinned;
        traced
    }

    /// Covers something that exists, for denial number `index`.
    pub(super) fn cover(&self, object: BorrowedFd<'_>, index: usize) -> Outcome<()> {
        let about = file::fstat(object).op(index, Act::Whole)?;
        if self.is_covered(about) {
            return Ok(());
        }
        if file::is_procfs(object).op(index, Act::Whole)? && self.is_of_process(object).op(index, Act::Whole)? {
            return Err(Failure { act: Act::OfProcess, ..Failure::nth(Stage::Op, index, 0) });
        }
        self.cover_with_own(object, about).op(index, Act::Whole)
    }

    fn cover_with_own(&self, object: BorrowedFd<'_>, about: Stat) -> Result<()> {
        let scratch = |name| mount::clone_tree(self.root.scratch(), name, false);
        let cover = match about.kind() {
            // Nothing would be left, not even the program.
            Some(Kind::Dir) if file::place_at(object, c"")? == file::place_at(self.root.top(), c"")? => {
                return Err(Errno::EBUSY);
            }
            Some(Kind::Dir) => scratch(DIR)?,
            Some(Kind::File) => scratch(FILE)?,
            Some(Kind::Fifo) => scratch(FIFO)?,
            Some(Kind::Socket) => scratch(SOCKET)?,
            // Nobody can make one in a user namespace (mknod(2), EPERM). Without devices on its mount nobody can open
            // it, whatever the capabilities (mount(2), MS_NODEV).
            Some(Kind::CharDevice | Kind::BlockDevice) => {
                let device = mount::clone_here(object)?;
                mount::set_attr(device.as_fd(), COVER, Propagation::Private, false)?;
                device
            }
            Some(Kind::Link) | None => return Err(Errno::EINVAL),
        };
        mount::attach(cover.as_fd(), object, c"")
    }

    /// The path inside.
    pub(super) fn path_of(&self, object: BorrowedFd<'_>) -> Result<CString> {
        views::path_of(self.proc, object)
    }

    /// Whether an object of a procfs lies in the directory of a process or thread: `/proc/self` leads every process to
    /// one of its own, and only this process's would be covered.
    fn is_of_process(&self, object: BorrowedFd<'_>) -> Result<bool> {
        // From include/linux/proc_fs.h, PROC_ROOT_INO.
        const ROOT_OF_PROCFS: u64 = 1;
        let path = self.path_of(object)?;
        let mut parent = Vec::new();
        for name in path.to_bytes().split(|&byte| byte == b'/') {
            if !name.is_empty() && name.iter().all(u8::is_ascii_digit) {
                let dir = self.root.open(&part_of(&parent), Open::Dir)?;
                if file::is_procfs(dir.as_fd())? && file::fstat(dir.as_fd())?.inode == ROOT_OF_PROCFS {
                    return Ok(true);
                }
            }
            parent.extend_from_slice(name);
            parent.push(b'/');
        }
        Ok(false)
    }
}

/// Part of a path, which has no NUL in it.
fn part_of(path: &[u8]) -> CString {
    CString::new(path).unwrap_or_default()
}

/// A path, taken apart where it ends.
struct Way {
    /// The last directory that exists, and the path to it.
    dir: OwnedFd,
    parent: CString,
    /// What is missing in it, or leads nowhere.
    name: CString,
    /// What follows.
    rest: CString,
}
