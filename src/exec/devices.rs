//! `/dev` and `/proc`.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use super::root::NewRoot;
use crate::plan::{Cover, Object, Root};
use crate::protocol::{Act, At, Failure, Outcome, Stage};
use crate::spec::mode;
use crate::sys::mount::{self, AT_FDCWD, Attr, CloneError, FsOption, Original, Propagation};
use crate::sys::{Errno, cwd, make, open, stat};

const DIR_MODE: u32 = 0o755;
/// Mode of the empty files that devices are mounted on.
const NODE_MODE: u32 = 0o444;

/// Host devices that every program may use. None holds state through which one sandbox could disturb another.
const NODES: [(&CStr, &CStr); 6] = [
    (c"/dev/null", c"null"),
    (c"/dev/zero", c"zero"),
    (c"/dev/full", c"full"),
    (c"/dev/random", c"random"),
    (c"/dev/urandom", c"urandom"),
    (c"/dev/tty", c"tty"),
];

/// Links that programs expect beside the devices.
const LINKS: [(&CStr, &CStr); 6] = [
    (c"/proc/self/fd/0", c"stdin"),
    (c"/proc/self/fd/1", c"stdout"),
    (c"/proc/self/fd/2", c"stderr"),
    (c"/proc/self/fd", c"fd"),
    (c"/proc/kcore", c"core"),
    (c"pts/ptmx", c"ptmx"),
];

/// Parts of procfs through which root of the host could change the host.
const PROC_COVERED: [&CStr; 4] = [c"sys", c"sysrq-trigger", c"irq", c"bus"];

/// Files that list keys (`keyrings(7)`). No namespace separates keyrings, so these would list the caller's too.
const PROC_HIDDEN: [&CStr; 2] = [c"keys", c"key-users"];

/// Mounts a minimal device directory on `dest`.
pub(super) fn dev(plan: &Root, root: &mut NewRoot<'_>, dest: &CStr, index: usize) -> Outcome<()> {
    let place = root.dir_for_mount(dest, mode::CLOSED, index)?;
    let wants_shm = root.fence.wants(Object::Shm(index));
    if !plan.one_tmpfs || !root.attach_part_of_base(&place, index)? {
        let options = [FsOption::String(c"mode", c"0755")];
        let fs = mount::new_fs(c"tmpfs", &options, Attr::NO_SUID.with(Attr::NO_DEV)).op(index, Act::NewFs)?;
        root.attach(fs, place, index)?;
    }
    let dir = root.newest();
    // Nobody else can change this directory, so it is safe to mount by name in it.
    cwd::fchdir(dir).op(index, Act::Attach)?;
    for (source, name) in NODES {
        node(dir, source, name, index)?;
    }
    for (target, name) in LINKS {
        part(make::link_at(target, dir, name), name, index)?;
    }
    for name in [c"shm", c"pts"] {
        part(make::dir_at(dir, name, DIR_MODE), name, index)?;
    }
    // Since Linux 4.7 every mount of devpts is a new instance.
    let attr = Attr::NO_SUID.with(Attr::NO_EXEC);
    part(mount::mount_in_cwd(c"devpts", c"pts", c"ptmxmode=0666,mode=620", attr), c"pts", index)?;
    if let Some(tty) = &plan.console {
        node(dir, tty, c"console", index)?;
    }
    // One call sets the flag on all of them.
    mount::set_attr(dir, Attr::NO_SUID, Propagation::Keep, true).op(index, Act::Flags)?;
    if wants_shm {
        let shm = part(open::dir_at(dir, c"shm"), c"shm", index)?;
        root.fence.allow(Object::Shm(index), shm.as_fd())?;
        root.retire(shm);
    }
    Ok(())
}

/// Mounts a device of the host on a new file in `dir`, which must be the current directory.
fn node(dir: BorrowedFd<'_>, source: &CStr, name: &CStr, index: usize) -> Outcome<()> {
    part(make::file_at(dir, name, NODE_MODE), name, index)?;
    part(mount::bind_in_cwd(source, name), source, index)?;
    // Accept a device only: on a host that somebody prepared, anything may lie at its path (CVE-2025-31133,
    // CVE-2025-52565).
    if !part(stat::stat_at(dir, name), source, index)?.is_char_device() {
        return part(Err(Errno::ENODEV), source, index);
    }
    Ok(())
}

/// Mounts procfs on `dest`.
pub(super) fn proc(plan: &Root, root: &mut NewRoot<'_>, dest: &CStr, index: usize) -> Outcome<()> {
    let place = root.dir_for_mount(dest, mode::CLOSED, index)?;
    let fs = if plan.fresh_proc {
        let attr = Attr::NO_SUID.with(Attr::NO_DEV).with(Attr::NO_EXEC);
        mount::new_fs(c"proc", &[], attr).op(index, Act::NewFs)?
    } else {
        let fs = mount::clone_tree(AT_FDCWD, c"/proc", true).op(index, Act::Source)?;
        let read_only = if plan.proc_is_read_only { Attr::READ_ONLY } else { Attr::NONE };
        let attr = Attr::NO_SUID.with(Attr::NO_DEV).with(read_only);
        mount::set_attr(fs.as_fd(), attr, Propagation::Keep, true).op(index, Act::Flags)?;
        fs
    };
    root.attach(fs, place, index)?;
    if plan.hide_keys {
        hide_keys(root, index)?;
    }
    match plan.cover_proc {
        Cover::Nothing => Ok(()),
        Cover::Writable | Cover::All => PROC_COVERED.into_iter().try_for_each(|name| cover(plan, root, name, index)),
    }
}

/// Covers a part of procfs by itself, read-only, where it is there.
fn cover(plan: &Root, root: &mut NewRoot<'_>, name: &CStr, index: usize) -> Outcome<()> {
    let dir = root.newest();
    if plan.cover_proc == Cover::Writable && !part(stat::is_writable_at(dir, name), name, index)? {
        return Ok(());
    }
    let attr = Attr::READ_ONLY.with(Attr::NO_SUID).with(Attr::NO_DEV);
    let cover = match mount::clone_with(Original::Below(dir, name), attr, Propagation::Keep) {
        Ok(cover) => cover,
        // Asked again: nothing is left open because of one answer.
        Err(CloneError::Original(Errno::ENOENT)) if !part(stat::exists_at(dir, name), name, index)? => return Ok(()),
        Err(CloneError::Original(errno) | CloneError::Flags(errno)) => part(Err(errno), name, index)?,
    };
    part(mount::attach(cover.as_fd(), dir, name), name, index)?;
    root.retire(cover);
    Ok(())
}

/// Covers [`PROC_HIDDEN`] by something that nobody can open: a device on a mount without devices.
fn hide_keys(root: &mut NewRoot<'_>, index: usize) -> Outcome<()> {
    for name in PROC_HIDDEN {
        let attr = Attr::READ_ONLY.with(Attr::NO_SUID).with(Attr::NO_DEV).with(Attr::NO_EXEC);
        let cover = match mount::clone_with(Original::File(c"/dev/null"), attr, Propagation::Private) {
            Err(CloneError::Original(errno)) => part(Err(errno), c"/dev/null", index)?,
            Err(CloneError::Flags(errno)) => part(Err(errno), name, index)?,
            Ok(cover) => cover,
        };
        let attached = mount::attach(cover.as_fd(), root.newest(), name);
        root.retire(cover);
        match attached {
            // A kernel without keyrings.
            Err(Errno::ENOENT) => return Ok(()),
            attached => part(attached, name, index)?,
        }
    }
    Ok(())
}

/// Turns an error into the failure of the part `name` of an operation.
fn part<T>(result: Result<T, Errno>, name: &CStr, index: usize) -> Outcome<T> {
    result.map_err(|errno| Failure {
        act: Act::Part,
        detail: Some(name.to_owned()),
        ..Failure::nth(Stage::Op, index, errno as i32)
    })
}
