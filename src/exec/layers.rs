//! Overlay mounts (kernel document `filesystems/overlayfs`).

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};

use super::root::NewRoot;
use super::sources::{Upper, c_string};
use crate::protocol::{Act, At, Outcome};
use crate::spec::OverlayKind;
use crate::sys::mount::{self, Attr, FsOption};
use crate::sys::{Result, make, open};

/// fsconfig(2) takes values shorter than this, in bytes (`strndup_user` in fs/fsopen.c).
const LONGEST_VALUE: usize = 256;
/// Mode of the upper and work directories of a temporary overlay.
const SCRATCH_MODE: u32 = 0o755;

/// Makes a detached overlay mount from layers that are held by descriptor, lowest first.
pub(super) fn overlay(
    root: &NewRoot<'_>,
    lower: &[OwnedFd],
    upper: Option<&Upper>,
    kind: &OverlayKind,
    index: usize,
) -> Outcome<OwnedFd> {
    let scratch = match kind {
        OverlayKind::Tmp => Some(scratch(root, index).op(index, Act::MakeDir)?),
        OverlayKind::Host { .. } | OverlayKind::ReadOnly => None,
    };
    let upper = upper.or(scratch.as_ref());
    // Name each layer by its descriptor: then exactly what was opened is mounted, and no character in a path is taken
    // for a separator. The kernel expects the uppermost layer first.
    let lower: Vec<CString> = lower.iter().rev().map(by_descriptor).collect();
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
    mount::new_fs(c"overlay", &options, Attr::NO_SUID.with(Attr::NO_DEV)).op(index, Act::NewFs)
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
