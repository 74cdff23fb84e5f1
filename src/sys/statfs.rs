//! What kind of filesystem a descriptor lies on, and how it is mounted.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use super::Result;
use super::mount::Attr;

/// Whether `fd` lies on a procfs. Otherwise text meant for `uid_map` could go to a file that somebody mounted there
/// (CVE-2025-52881).
pub(crate) fn is_procfs(fd: BorrowedFd<'_>) -> Result<bool> {
    nix::sys::statfs::fstatfs(fd).map(|fs| fs.filesystem_type() == nix::sys::statfs::PROC_SUPER_MAGIC)
}

/// Whether `fd` lies on a filesystem that shows the kernel's state and not somebody's files.
pub(crate) fn is_kernels(fd: BorrowedFd<'_>) -> Result<bool> {
    use nix::sys::statfs::{
        BPF_FS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, DEVPTS_SUPER_MAGIC, PROC_SUPER_MAGIC,
        SECURITYFS_MAGIC, SYSFS_MAGIC, TRACEFS_MAGIC,
    };
    let kernels = [
        PROC_SUPER_MAGIC,
        SYSFS_MAGIC,
        DEVPTS_SUPER_MAGIC,
        CGROUP_SUPER_MAGIC,
        CGROUP2_SUPER_MAGIC,
        DEBUGFS_MAGIC,
        TRACEFS_MAGIC,
        SECURITYFS_MAGIC,
        BPF_FS_MAGIC,
    ];
    nix::sys::statfs::fstatfs(fd).map(|fs| kernels.contains(&fs.filesystem_type()))
}

/// Whether the filesystem of `fd` gives the last entry of a directory the greatest possible offset. ext4 does, and a
/// reader that has reached this offset gets nothing more (`ext4_dx_readdir` in fs/ext4/dir.c, `EXT4_HTREE_EOF_64BIT`).
/// The offsets of other filesystems have no meaning outside them (`getdents(2)`).
pub(crate) fn marks_last(fd: BorrowedFd<'_>) -> Result<bool> {
    nix::sys::statfs::fstatfs(fd).map(|fs| fs.filesystem_type() == nix::sys::statfs::EXT4_SUPER_MAGIC)
}

/// What the filesystem of a directory promises about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Promises {
    /// As [`marks_last`].
    pub(crate) marks_last: bool,
    /// Whether each change of a name changes the directory's ctime, which nothing can set back. Network filesystems and
    /// FUSE report times of others, overlays those of another layer, vfat none. A filesystem that is missing in this
    /// list only costs time.
    pub(crate) sound_times: bool,
}

/// What the filesystem of `fd` promises. Nothing, if that cannot be found out.
pub(crate) fn promises(fd: BorrowedFd<'_>) -> Promises {
    use nix::sys::statfs::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, FsType, TMPFS_MAGIC};
    // nix has this constant for glibc only.
    const XFS_SUPER_MAGIC: FsType = FsType(libc::XFS_SUPER_MAGIC as _);
    let sound = [BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC];
    nix::sys::statfs::fstatfs(fd).map(|fs| fs.filesystem_type()).map_or_else(
        |_| Promises::default(),
        |kind| Promises { marks_last: kind == EXT4_SUPER_MAGIC, sound_times: sound.contains(&kind) },
    )
}

/// Whether the filesystem of `fd` lists each file with the inode number that `stat(2)` reports, and lists no files of
/// another device. An overlay and many FUSE filesystems do not. A filesystem that is missing in this list only costs
/// time.
pub(crate) fn lists_inodes(fd: BorrowedFd<'_>) -> Result<bool> {
    use nix::sys::statfs::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, FsType, TMPFS_MAGIC};
    // nix has this constant for glibc only.
    const XFS_SUPER_MAGIC: FsType = FsType(libc::XFS_SUPER_MAGIC as _);
    let known = [BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC];
    nix::sys::statfs::fstatfs(fd).map(|fs| known.contains(&fs.filesystem_type()))
}

/// Whether the filesystem of `fd` lists every name that can be looked up. Automounts, snapshots and many FUSE
/// filesystems have unlisted names. A filesystem that is missing in this list only costs time.
pub(crate) fn lists_all(fd: BorrowedFd<'_>) -> Result<bool> {
    use nix::sys::statfs::{
        BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, FsType, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC,
    };
    // nix has this constant for glibc only.
    const XFS_SUPER_MAGIC: FsType = FsType(libc::XFS_SUPER_MAGIC as _);
    let known =
        [BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC];
    nix::sys::statfs::fstatfs(fd).map(|fs| known.contains(&fs.filesystem_type()))
}

/// Whether the mount or filesystem of `fd` is read-only (`fstatvfs(3)`).
pub(crate) fn is_read_only(fd: BorrowedFd<'_>) -> Result<bool> {
    nix::sys::statvfs::fstatvfs(fd).map(|fs| fs.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY))
}

/// `noexec` if the mount of `fd` has that flag (`fstatvfs(3)`).
pub(crate) fn no_exec(fd: BorrowedFd<'_>) -> Result<Attr> {
    let flags = nix::sys::statvfs::fstatvfs(fd)?.flags();
    Ok(if flags.contains(nix::sys::statvfs::FsFlags::ST_NOEXEC) { Attr::NO_EXEC } else { Attr::NONE })
}

/// Whether a selinuxfs is mounted at `path`.
pub(crate) fn is_selinuxfs(path: &CStr) -> bool {
    // The C libraries disagree about the sign of the field, and this magic number uses the highest of 32 bits.
    nix::sys::statfs::statfs(path).is_ok_and(|fs| fs.filesystem_type().0 as u32 == libc::SELINUX_MAGIC as u32)
}
