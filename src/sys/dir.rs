//! Directories and what lies in them, found name by name or entry by entry (`getdents64(2)`).

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::Mode;
use nix::unistd::AccessFlags;

use super::file::{Kind, Stat};
use super::{Errno, Result, check};

/// What a directory is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// To find names in it that are known (`O_PATH`).
    Names,
    /// To list it.
    Listing,
}

/// Opens the directory `name` of `dir`; a link is refused (`ENOTDIR`), and so is another mount (`EXDEV`).
pub(crate) fn open_same_mount(dir: BorrowedFd<'_>, name: &CStr, what_for: For) -> Result<OwnedFd> {
    open(dir, name, what_for, ResolveFlag::RESOLVE_NO_XDEV)
}

/// Opens the directory `name` of `dir`, with what is mounted there; a link is refused (`ENOTDIR`).
pub(crate) fn open_any_mount(dir: BorrowedFd<'_>, name: &CStr, what_for: For) -> Result<OwnedFd> {
    open(dir, name, what_for, ResolveFlag::empty())
}

fn open(dir: BorrowedFd<'_>, name: &CStr, what_for: For, resolve: ResolveFlag) -> Result<OwnedFd> {
    let kind = match what_for {
        For::Names => OFlag::O_PATH,
        For::Listing => OFlag::O_RDONLY,
    };
    let flags = kind | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    nix::fcntl::openat2(dir, name, OpenHow::new().flags(flags).resolve(resolve).mode(Mode::empty()))
}

/// Opens `name` in `dir` as a place only, with what is mounted there; a link is opened itself.
pub(crate) fn open_path_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    nix::fcntl::openat(dir, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

/// What `name` in `dir` is; a link is one.
pub(crate) fn kind_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Option<Kind>> {
    let about = nix::sys::stat::fstatat(dir, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(Stat::from(about).kind())
}

/// A name in a directory, and the file behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    /// The id of the mount on which it is found.
    pub(crate) mount: u64,
    /// Device and inode, in the form of [`super::file::place_at`].
    pub(crate) file: (u64, u64),
    /// Number of hard links.
    pub(crate) links: u32,
    pub(crate) kind: Option<Kind>,
}

/// What `name` in `dir` is, with what is mounted there; a link is one. An empty name means `dir` itself.
pub(crate) fn named_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Named> {
    // SAFETY: all-zero bytes are a valid `statx`.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let mask = libc::STATX_TYPE | libc::STATX_NLINK | libc::STATX_INO | libc::STATX_MNT_ID;
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    // SAFETY: the name is a string, `found` lives through the call and is what the kernel fills in.
    Errno::result(unsafe { libc::statx(dir.as_raw_fd(), name.as_ptr(), flags, mask, &raw mut found) })?;
    if found.stx_mask & mask != mask {
        return Err(Errno::ENOSYS);
    }
    Ok(Named {
        mount: found.stx_mnt_id,
        file: (u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor), found.stx_ino),
        links: found.stx_nlink,
        kind: Kind::of_entry((found.stx_mode >> 12) as u8),
    })
}

/// Makes a fifo or a socket without anybody behind it, with mode 0; it must not exist.
pub(crate) fn make_special_at(dir: BorrowedFd<'_>, name: &CStr, is_socket: bool) -> Result<()> {
    let kind = if is_socket { nix::sys::stat::SFlag::S_IFSOCK } else { nix::sys::stat::SFlag::S_IFIFO };
    nix::sys::stat::mknodat(dir, name, kind, Mode::empty(), 0)
}

/// Whether this process may find a name in the directory `fd`, with the capabilities that it has now.
pub(crate) fn is_searchable(fd: BorrowedFd<'_>) -> Result<bool> {
    is_open_to(fd, AccessFlags::X_OK)
}

/// Whether this process may change names in the directory `fd`, with the capabilities that it has now.
pub(crate) fn is_changeable(fd: BorrowedFd<'_>) -> Result<bool> {
    is_open_to(fd, AccessFlags::W_OK.union(AccessFlags::X_OK))
}

fn is_open_to(fd: BorrowedFd<'_>, access: AccessFlags) -> Result<bool> {
    match nix::unistd::faccessat(fd, c".", access, nix::fcntl::AtFlags::AT_EACCESS) {
        Ok(()) => Ok(true),
        Err(Errno::EACCES) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether `fd` lies on a filesystem that shows the kernel's own state, rather than anybody's files.
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

/// Whether the filesystem of `fd` gives the greatest offset that there is to the last entry of a directory: ext4, which
/// answers with nothing where a reader has got there (`ext4_dx_readdir` in fs/ext4/dir.c, `EXT4_HTREE_EOF_64BIT`). Of
/// others the offsets mean nothing to anybody else (`getdents(2)`).
pub(crate) fn marks_last(fd: BorrowedFd<'_>) -> Result<bool> {
    nix::sys::statfs::fstatfs(fd).map(|fs| fs.filesystem_type() == nix::sys::statfs::EXT4_SUPER_MAGIC)
}

/// Whether the filesystem of `fd` lists files with the inode number that `stat(2)` has for them, and without those of
/// another device in between. An overlay does not always, nor do many in user space. A filesystem that is missing here
/// costs time only.
pub(crate) fn lists_inodes(fd: BorrowedFd<'_>) -> Result<bool> {
    use nix::sys::statfs::{BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, FsType, TMPFS_MAGIC};
    // nix has it for glibc alone.
    const XFS_SUPER_MAGIC: FsType = FsType(libc::XFS_SUPER_MAGIC as _);
    let known = [BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC];
    nix::sys::statfs::fstatfs(fd).map(|fs| known.contains(&fs.filesystem_type()))
}

/// Whether the filesystem of `fd` has no name in a directory that it does not list. Automounts, snapshots and much in user
/// space have. A filesystem that is missing here costs time only.
pub(crate) fn lists_all(fd: BorrowedFd<'_>) -> Result<bool> {
    use nix::sys::statfs::{
        BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, FsType, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC,
    };
    // nix has it for glibc alone.
    const XFS_SUPER_MAGIC: FsType = FsType(libc::XFS_SUPER_MAGIC as _);
    let known =
        [BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, F2FS_SUPER_MAGIC, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC];
    nix::sys::statfs::fstatfs(fd).map(|fs| known.contains(&fs.filesystem_type()))
}

/// Whether nothing can be changed at `fd` through its mount (`fstatvfs(3)`).
pub(crate) fn is_read_only(fd: BorrowedFd<'_>) -> Result<bool> {
    nix::sys::statvfs::fstatvfs(fd).map(|fs| fs.flags().contains(nix::sys::statvfs::FsFlags::ST_RDONLY))
}

/// Entries of a directory, a buffer at a time.
pub(crate) struct Entries {
    /// What the last read filled. The room behind it is never touched: pages of it would be made for nothing, and
    /// copied for the half inside.
    buffer: Vec<u8>,
}

/// Room for some hundred entries, in bytes; as much as the C library asks for.
const ROOM: usize = 32768;
/// Offsets in `struct linux_dirent64`: the inode at 0, that of the next entry, the length of the record, the type, the
/// name.
const NEXT: usize = 8;
const LENGTH: usize = 16;
const TYPE: usize = 18;
const NAME: usize = 19;

impl Entries {
    pub(crate) fn new() -> Entries {
        Entries { buffer: Vec::with_capacity(ROOM) }
    }

    /// Reads the next entries of `dir`; false at its end.
    pub(crate) fn read(&mut self, dir: BorrowedFd<'_>) -> Result<bool> {
        self.buffer.clear();
        let room = self.buffer.spare_capacity_mut();
        // SAFETY: `room` lives through the call, and the kernel is told its size.
        let filled =
            check(unsafe { libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), room.as_mut_ptr(), room.len()) })?;
        let filled = usize::try_from(filled).map_err(|_| Errno::EIO)?;
        // SAFETY: the kernel has written so many bytes from the beginning of the room on.
        unsafe { self.buffer.set_len(filled) };
        Ok(filled > 0)
    }

    fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.buffer[..];
        std::iter::from_fn(move || {
            let length: [u8; 2] = rest.get(LENGTH..LENGTH + 2)?.try_into().ok()?;
            let (record, behind) = rest.split_at_checked(usize::from(u16::from_ne_bytes(length)))?;
            rest = behind;
            Some(record)
        })
    }

    /// What the last read found, without `.` and `..`: names, and what they are where the filesystem tells.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&CStr, Option<Kind>)> {
        self.numbered().map(|(name, kind, _)| (name, kind))
    }

    /// The same, with the inode that each has in the list of the directory, whatever is mounted there.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (&CStr, Option<Kind>, u64)> {
        let named = self.records().map_while(|record| {
            let inode = u64::from_ne_bytes(record.get(..NEXT)?.try_into().ok()?);
            Some((CStr::from_bytes_until_nul(record.get(NAME..)?).ok()?, Kind::of_entry(record[TYPE]), inode))
        });
        named.filter(|(name, ..)| !matches!(name.to_bytes(), b"." | b".."))
    }

    /// Whether nothing follows what the last read found. Where [`marks_last`] is false, it may be true of anything.
    pub(crate) fn is_last(&self) -> bool {
        let next = self.records().last().and_then(|record| record.get(NEXT..LENGTH)?.try_into().ok());
        next.map(i64::from_ne_bytes) == Some(i64::MAX)
    }
}

/// Whether a selinuxfs is mounted at `path`.
pub(crate) fn is_selinuxfs(path: &CStr) -> bool {
    // The C libraries disagree about the sign of the field, and the magic number needs the highest of 32 bits.
    nix::sys::statfs::statfs(path).is_ok_and(|fs| fs.filesystem_type().0 as u32 == libc::SELINUX_MAGIC as u32)
}
