//! The mount calls that work on file descriptors (`open_tree(2)`, `move_mount(2)`, `fsopen(2)`, `mount_setattr(2)`).
//!
//! A descriptor keeps referring to its mount, even if somebody renames a directory meanwhile. `/proc/self/mountinfo` is
//! never read, so the cost per mount is constant.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Errno, Result, check};

pub(crate) use nix::fcntl::AT_FDCWD;

/// `OPEN_TREE_CLOEXEC` (include/uapi/linux/mount.h): it is `O_CLOEXEC`, in the type of the flags.
const OPEN_TREE_CLOEXEC: u32 = libc::O_CLOEXEC as u32;

/// Flags of a mount (`MOUNT_ATTR_*` of `mount_setattr(2)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attr(u64);

impl Attr {
    pub(crate) const NONE: Attr = Attr(0);
    pub(crate) const READ_ONLY: Attr = Attr(libc::MOUNT_ATTR_RDONLY);
    pub(crate) const NO_SUID: Attr = Attr(libc::MOUNT_ATTR_NOSUID);
    pub(crate) const NO_DEV: Attr = Attr(libc::MOUNT_ATTR_NODEV);
    pub(crate) const NO_EXEC: Attr = Attr(libc::MOUNT_ATTR_NOEXEC);

    pub(crate) const fn with(self, other: Attr) -> Attr {
        Attr(self.0 | other.0)
    }
}

/// What a change of flags does to propagation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Keep,
    Private,
}

/// Makes a detached copy of the mount at `path`; with `recursive`, of the mounts below it too.
///
/// `path` is relative to `dir`. Links are followed. An empty path fails with ENOENT.
pub(crate) fn clone_tree(dir: BorrowedFd<'_>, path: &CStr, recursive: bool) -> Result<OwnedFd> {
    open_tree(dir, path, if recursive { libc::AT_RECURSIVE } else { 0 })
}

/// What [`clone_with`] copies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Original<'a> {
    /// The mount at a path and the mounts below it. Links are followed.
    Tree(&'a CStr),
    /// The same, for a path relative to a directory.
    Below(BorrowedFd<'a>, &'a CStr),
    /// The mount that a descriptor refers to and the mounts below it.
    Opened(BorrowedFd<'a>),
    /// The link itself.
    Link(&'a CStr),
    /// The file at a path. Links are followed.
    File(&'a CStr),
}

/// Why a copy with flags could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloneError {
    /// The original cannot be copied.
    Original(Errno),
    /// The copy cannot be given the flags.
    Flags(Errno),
}

/// `open_tree_attr` (Linux 6.15), which libc does not know yet. The number is the same on every architecture but alpha.
const SYS_OPEN_TREE_ATTR: libc::c_long = 467;

/// Makes a detached copy and adds `attr` to its flags. Flags that are already set stay set, so nothing is weakened.
///
/// This is one system call if the kernel has it, and two otherwise. If the one call fails, the two are tried, because
/// only they tell which step failed.
pub(crate) fn clone_with(
    original: Original<'_>,
    attr: Attr,
    propagation: Propagation,
) -> std::result::Result<OwnedFd, CloneError> {
    /// Set once the kernel has refused the call itself: it would refuse it again.
    static IS_UNKNOWN: AtomicBool = AtomicBool::new(false);
    let (dir, path, flags) = match original {
        Original::Tree(path) => (AT_FDCWD, path, libc::AT_RECURSIVE),
        Original::Below(dir, path) => (dir, path, libc::AT_RECURSIVE),
        Original::Opened(place) => (place, c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE),
        Original::Link(path) => (AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW),
        Original::File(path) => (AT_FDCWD, path, 0),
    };
    if !IS_UNKNOWN.load(Ordering::Relaxed) {
        match open_tree_attr(dir, path, flags, attr, propagation) {
            Ok(copy) => return Ok(copy),
            // open_tree(2) would fail in the same way.
            Err(Errno::ENOENT) => return Err(CloneError::Original(Errno::ENOENT)),
            // The kernel is older, or a system call filter does not know the call (seccomp(2)).
            Err(Errno::ENOSYS | Errno::EPERM) => IS_UNKNOWN.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
    }
    let copy = open_tree(dir, path, flags).map_err(CloneError::Original)?;
    set_attr(copy.as_fd(), attr, propagation, flags & libc::AT_RECURSIVE != 0).map_err(CloneError::Flags)?;
    Ok(copy)
}

fn open_tree_attr(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: i32,
    attr: Attr,
    propagation: Propagation,
) -> Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags as u32;
    let wanted = mount_attr(attr, propagation);
    // SAFETY: `path` and `wanted` live through the call, and the size of `wanted` is given; the kernel only reads them.
    let fd = check(unsafe {
        libc::syscall(
            SYS_OPEN_TREE_ATTR,
            dir.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    })?;
    // SAFETY: the kernel has just returned this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Makes a detached copy of the mount that `place` refers to and of the mounts below it.
pub(crate) fn clone_opened(place: BorrowedFd<'_>) -> Result<OwnedFd> {
    open_tree(place, c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE)
}

fn open_tree(dir: BorrowedFd<'_>, path: &CStr, flags: i32) -> Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags as u32;
    // SAFETY: `path` is a valid string during the call; the kernel does not write to our memory.
    let fd = check(unsafe { libc::syscall(libc::SYS_open_tree, dir.as_raw_fd(), path.as_ptr(), flags) })?;
    // SAFETY: the kernel has just returned this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Makes a detached copy of the mount at `place` alone, without the mounts below it.
pub(crate) fn clone_here(place: BorrowedFd<'_>) -> Result<OwnedFd> {
    let flags = libc::OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as u32;
    // SAFETY: the empty string is static; the kernel does not write to our memory.
    let fd = check(unsafe { libc::syscall(libc::SYS_open_tree, place.as_raw_fd(), c"".as_ptr(), flags) })?;
    // SAFETY: the kernel has just returned this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// Adds `attr` to the flags of `mount`. Flags that are already set stay set, so nothing is weakened.
pub(crate) fn set_attr(mount: BorrowedFd<'_>, attr: Attr, propagation: Propagation, recursive: bool) -> Result<()> {
    mount_setattr(mount, mount_attr(attr, propagation), if recursive { libc::AT_RECURSIVE } else { 0 })
}

/// Makes a mount of our own writable again, but not the mounts below it.
pub(crate) fn make_writable(mount: BorrowedFd<'_>) -> Result<()> {
    let wanted = libc::mount_attr { attr_clr: libc::MOUNT_ATTR_RDONLY, ..mount_attr(Attr::NONE, Propagation::Keep) };
    mount_setattr(mount, wanted, 0)
}

fn mount_setattr(mount: BorrowedFd<'_>, wanted: libc::mount_attr, flags: i32) -> Result<()> {
    // SAFETY: `wanted` lives through the call and its size is given; the kernel only reads it.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | flags,
            &raw const wanted,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

fn mount_attr(attr: Attr, propagation: Propagation) -> libc::mount_attr {
    let propagation = match propagation {
        Propagation::Keep => 0,
        Propagation::Private => libc::MS_PRIVATE,
    };
    libc::mount_attr { attr_set: attr.0, attr_clr: 0, propagation, userns_fd: 0 }
}

/// Fails with ENOSYS if the kernel lacks [`set_attr`], the newest call that every new root needs (Linux 5.12).
pub(crate) fn look_for_set_attr() -> Result<()> {
    let nothing = std::ptr::null::<libc::mount_attr>();
    // SAFETY: the empty string is static. No attributes are given, so a kernel that has the call refuses it.
    match check(unsafe { libc::syscall(libc::SYS_mount_setattr, -1, c"".as_ptr(), 0, nothing, 0usize) }) {
        Err(Errno::ENOSYS) => Err(Errno::ENOSYS),
        _ => Ok(()),
    }
}

/// Attaches a detached mount at `name` in `dir`; an empty name means `dir` itself. A final link is not followed.
pub(crate) fn attach(mount: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | if name.is_empty() { libc::MOVE_MOUNT_T_EMPTY_PATH } else { 0 };
    // SAFETY: both strings live through the call; the kernel only reads them.
    check(unsafe {
        libc::syscall(libc::SYS_move_mount, mount.as_raw_fd(), c"".as_ptr(), dir.as_raw_fd(), name.as_ptr(), flags)
    })?;
    Ok(())
}

/// One option of a filesystem to be mounted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FsOption<'a> {
    Flag(&'a CStr),
    String(&'a CStr, &'a CStr),
}

/// A new, detached mount of filesystem `kind`.
pub(crate) fn new_fs(kind: &CStr, options: &[FsOption<'_>], attr: Attr) -> Result<OwnedFd> {
    // SAFETY: `kind` lives through the call.
    let fs = check(unsafe { libc::syscall(libc::SYS_fsopen, kind.as_ptr(), libc::FSOPEN_CLOEXEC) })?;
    // SAFETY: the kernel has just returned this descriptor; nobody else owns it.
    let fs = unsafe { OwnedFd::from_raw_fd(fs as i32) };
    // mount(8) shows it as the device, and programs recognise these filesystems by it.
    fsconfig(&fs, libc::FSCONFIG_SET_STRING, Some(c"source"), Some(kind))?;
    for option in options {
        match option {
            FsOption::Flag(key) => fsconfig(&fs, libc::FSCONFIG_SET_FLAG, Some(key), None)?,
            FsOption::String(key, value) => fsconfig(&fs, libc::FSCONFIG_SET_STRING, Some(key), Some(value))?,
        }
    }
    fsconfig(&fs, libc::FSCONFIG_CMD_CREATE, None, None)?;
    // SAFETY: plain numbers only.
    let fd = check(unsafe { libc::syscall(libc::SYS_fsmount, fs.as_raw_fd(), libc::FSMOUNT_CLOEXEC, attr.0) })?;
    // SAFETY: the kernel has just returned this descriptor; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn fsconfig(fs: &OwnedFd, command: u32, key: Option<&CStr>, value: Option<&CStr>) -> Result<()> {
    let pointer = |text: Option<&CStr>| text.map_or(std::ptr::null(), CStr::as_ptr);
    // SAFETY: each pointer is null, if the command takes none, or comes from a CStr that outlives the call.
    check(unsafe { libc::syscall(libc::SYS_fsconfig, fs.as_raw_fd(), command, pointer(key), pointer(value), 0) })?;
    Ok(())
}

/// Mounts a new filesystem `kind` on `name` in the current directory. `options` are as in mount(8).
///
/// This is one call instead of eight. It would follow a link at `name`, so use it only where nobody else can change the
/// directory.
pub(crate) fn mount_in_cwd(kind: &CStr, name: &CStr, options: &CStr, attr: Attr) -> Result<()> {
    use nix::mount::MsFlags;
    let flags = [
        (Attr::READ_ONLY, MsFlags::MS_RDONLY),
        (Attr::NO_SUID, MsFlags::MS_NOSUID),
        (Attr::NO_DEV, MsFlags::MS_NODEV),
        (Attr::NO_EXEC, MsFlags::MS_NOEXEC),
    ];
    let wanted = flags.into_iter().filter(|(flag, _)| attr.0 & flag.0 != 0).map(|(_, old)| old).collect();
    nix::mount::mount(Some(kind), name, Some(kind), wanted, Some(options))
}

/// Bind-mounts the file at `source`, links followed, on `name` in the current directory. The rule of [`mount_in_cwd`]
/// holds.
pub(crate) fn bind_in_cwd(source: &CStr, name: &CStr) -> Result<()> {
    nix::mount::mount(Some(source), name, None::<&CStr>, nix::mount::MsFlags::MS_BIND, None::<&CStr>)
}

/// The same for a directory or a file, with the mounts below it.
pub(crate) fn bind_tree_in_cwd(source: &CStr, name: &CStr) -> Result<()> {
    use nix::mount::MsFlags;
    nix::mount::mount(Some(source), name, None::<&CStr>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&CStr>)
}

/// Makes every mount of this namespace a slave: it receives mounts from the host and propagates nothing back.
pub(crate) fn make_all_slave() -> Result<()> {
    use nix::mount::MsFlags;
    nix::mount::mount(None::<&CStr>, c"/", None::<&CStr>, MsFlags::MS_SLAVE | MsFlags::MS_REC, None::<&CStr>)
}

/// Makes the current directory the root. The old root is then stacked on top of it (`pivot_root(2)`, NOTES).
pub(crate) fn pivot_to_cwd() -> Result<()> {
    nix::unistd::pivot_root(c".", c".")
}

/// Unmounts the topmost mount on the current directory, with all mounts below it.
pub(crate) fn detach_topmost() -> Result<()> {
    nix::mount::umount2(c".", nix::mount::MntFlags::MNT_DETACH)
}
