//! Overlay mounts (kernel document `filesystems/overlayfs`).

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use super::root::NewRoot;
use super::sources::{Upper, c_string};
use super::tell::Remarks;
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::spec::OverlayKind;
use crate::sys::mount::{self, Attr, CloneError, FsOption, Original, Propagation};
use crate::sys::{Errno, Result, make, open, statfs};

/// fsconfig(2) takes values shorter than this, in bytes (`strndup_user` in fs/fsopen.c).
const LONGEST_VALUE: usize = 256;
/// Mode of the upper and work directories of a temporary overlay.
const SCRATCH_MODE: u32 = 0o755;

/// Makes a detached overlay mount from layers that are held by descriptor, lowest first.
pub(super) fn overlay(
    root: &NewRoot<'_>,
    held: &[OwnedFd],
    upper: Option<&Upper>,
    kind: &OverlayKind,
    index: usize,
) -> Outcome<OwnedFd> {
    let scratch = match kind {
        OverlayKind::Tmp => Some(scratch(root, index).op(index, Act::MakeDir)?),
        OverlayKind::Host { .. } | OverlayKind::Apart { .. } | OverlayKind::ReadOnly => None,
    };
    let upper = upper.or(scratch.as_ref());
    // Name each layer by its descriptor: then exactly what was opened is mounted, and no character in a path is taken
    // for a separator. The kernel expects the uppermost layer first.
    let lower: Vec<CString> = held.iter().rev().map(by_descriptor).collect();
    let joined = c_string(lower.iter().map(|layer| layer.to_string_lossy()).collect::<Vec<_>>().join(":"));
    let upper = upper.map(|Upper { upper, work }| (by_descriptor(upper), by_descriptor(work)));
    // Only a privileged mount may use trusted.* attributes. With this option overlayfs uses user.* instead (Linux
    // 5.11).
    let mut options = vec![FsOption::Flag(c"userxattr")];
    if joined.count_bytes() < LONGEST_VALUE {
        options.push(FsOption::String(c"lowerdir", &joined));
    } else {
        // Add the layers one by one (Linux 6.7).
        options.extend(lower.iter().map(|layer| FsOption::String(c"lowerdir+", layer)));
    }
    if let Some((upper, work)) = &upper {
        options.extend([FsOption::String(c"upperdir", upper), FsOption::String(c"workdir", work)]);
    }
    let mut attr = Attr::NO_SUID.with(Attr::NO_DEV);
    if let (OverlayKind::Apart { .. }, [layer]) = (kind, held) {
        // The changes are read from outside. So there must be no pointers into the layer in them (index), and no files
        // without content (metacopy). The two may lie on different filesystems (xino).
        options.extend([c"index", c"metacopy", c"xino"].map(|name| FsOption::String(name, c"off")));
        // A host that forbids programs in the layer forbids them in the overlay too.
        attr = attr.with(statfs::no_exec(layer.as_fd()).op(index, Act::Source)?);
    }
    mount::new_fs(c"overlay", &options, attr).op(index, Act::NewFs)
}

/// Makes a detached mount of a layer whose changes are kept apart. If the kernel makes no such overlay, this is the
/// layer itself, read-only, and the caller is told.
pub(super) fn apart(
    root: &NewRoot<'_>,
    (lower, upper): (&[OwnedFd], Option<&Upper>),
    kind: &OverlayKind,
    index: usize,
    remarks: &Remarks<'_>,
) -> Outcome<OwnedFd> {
    let [layer] = lower else { return Err(Errno::EINVAL).op(index, Act::Source) };
    let failure = match upper.map_or(Ok(()), can_hold_changes).op(index, Act::NewFs) {
        Ok(()) => match overlay(root, lower, upper, kind, index) {
            Ok(mount) => return Ok(mount),
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    let attr = Attr::READ_ONLY.with(Attr::NO_SUID).with(Attr::NO_DEV);
    let mount = mount::clone_with(Original::Opened(layer.as_fd()), attr, Propagation::Private).map_err(|error| {
        let (CloneError::Original(errno) | CloneError::Flags(errno)) = error;
        Failure { act: Act::Source, ..Failure::nth(Stage::Op, index, errno as i32) }
    })?;
    remarks.remark(Failure { act: Act::NotApart, ..failure });
    Ok(mount)
}

/// Fails if the filesystem of the changes keeps no `user.*` attributes. The kernel mounts an overlay there, but fails
/// later, when a directory is made where one was removed (`ovl_make_workdir` in fs/overlayfs/super.c).
fn can_hold_changes(upper: &Upper) -> Result<()> {
    make::mark(&by_descriptor(&upper.work), c"user.pinfold")
}

fn by_descriptor(dir: &OwnedFd) -> CString {
    c_string(format!("/proc/self/fd/{}", dir.as_raw_fd()))
}

/// Makes two directories in the scratch filesystem. No path inside leads to them.
fn scratch(root: &NewRoot<'_>, index: usize) -> Result<Upper> {
    let make = |what: char| {
        let name = c_string(format!("overlay-{index}-{what}"));
        make::dir_at(root.scratch(), &name, SCRATCH_MODE)?;
        open::dir_at(root.scratch(), &name)
    };
    Ok(Upper { upper: make('u')?, work: make('w')? })
}
