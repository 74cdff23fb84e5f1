//! Attributes of files, by name or by descriptor.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use nix::NixPath;
use nix::unistd::AccessFlags;

use super::{Errno, Result};

/// The attributes of a file that this program uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Number of hard links.
    pub(crate) links: u64,
    /// User id of the owner.
    pub(crate) owner: u32,
    /// Size in bytes.
    pub(crate) size: u64,
    /// Time of the last change of the content, in seconds and nanoseconds. Its owner can set it.
    pub(crate) modified: (i64, i64),
    /// Group id.
    pub(crate) group: u32,
    /// Device number, if this is a device node.
    pub(crate) rdev: u64,
    /// Time of the last change, including names and permissions, in seconds and nanoseconds. No process can set it.
    pub(crate) changed: (i64, i64),
    /// Time of creation, in seconds and nanoseconds, if it was asked for and the filesystem keeps it. No process can
    /// set it.
    pub(crate) born: Option<(i64, u32)>,
    mode: u32,
}

/// Types of files (`inode(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Dir,
    File,
    Link,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

impl Kind {
    /// The type in a directory entry (`getdents64(2)`), if the filesystem reports it. It is the type in the mode,
    /// shifted right by 12 bits.
    pub(crate) fn of_entry(number: u8) -> Option<Kind> {
        Kind::of_mode(u32::from(number) << 12)
    }

    /// The number of this type in a directory entry.
    pub(crate) fn entry_number(self) -> u8 {
        let mode = match self {
            Kind::Dir => libc::S_IFDIR,
            Kind::File => libc::S_IFREG,
            Kind::Link => libc::S_IFLNK,
            Kind::Fifo => libc::S_IFIFO,
            Kind::Socket => libc::S_IFSOCK,
            Kind::CharDevice => libc::S_IFCHR,
            Kind::BlockDevice => libc::S_IFBLK,
        };
        (mode >> 12) as u8
    }

    fn of_mode(mode: u32) -> Option<Kind> {
        Some(match mode & libc::S_IFMT {
            libc::S_IFDIR => Kind::Dir,
            libc::S_IFREG => Kind::File,
            libc::S_IFLNK => Kind::Link,
            libc::S_IFIFO => Kind::Fifo,
            libc::S_IFSOCK => Kind::Socket,
            libc::S_IFCHR => Kind::CharDevice,
            libc::S_IFBLK => Kind::BlockDevice,
            _ => return None,
        })
    }
}

impl Stat {
    /// The type of the file. `None` if this program does not know it.
    pub(crate) fn kind(self) -> Option<Kind> {
        Kind::of_mode(self.mode)
    }

    pub(crate) fn is_dir(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }

    pub(crate) fn is_link(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFLNK
    }

    pub(crate) fn is_file(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    /// Permission bits, without setuid, setgid and sticky bits (0 to 0o777).
    pub(crate) fn permissions(self) -> u32 {
        self.mode & 0o777
    }

    pub(crate) fn is_char_device(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFCHR
    }

    /// Whether it is a device node, character or block.
    pub(crate) fn is_device(self) -> bool {
        self.is_char_device() || self.mode & libc::S_IFMT == libc::S_IFBLK
    }

    /// Whether this has more than one name (hard links). The count of a directory is that of the directories in it.
    pub(crate) fn has_more_names(self) -> bool {
        self.links > 1
    }

    /// Whether both are the same file: device and inode are equal. An inode number can be reused, so the creation times
    /// must be equal too if both are known.
    pub(crate) fn is_same_file(self, other: Stat) -> bool {
        let is_born_with = self.born.zip(other.born).is_none_or(|(here, there)| here == there);
        (self.device, self.inode) == (other.device, other.inode) && is_born_with
    }
}

impl From<nix::sys::stat::FileStat> for Stat {
    fn from(stat: nix::sys::stat::FileStat) -> Stat {
        Stat {
            device: stat.st_dev,
            inode: stat.st_ino,
            links: stat.st_nlink,
            owner: stat.st_uid,
            size: stat.st_size.unsigned_abs(),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            group: stat.st_gid,
            rdev: stat.st_rdev,
            changed: (stat.st_ctime, stat.st_ctime_nsec),
            born: None,
            mode: stat.st_mode,
        }
    }
}

impl From<&libc::statx> for Stat {
    fn from(found: &libc::statx) -> Stat {
        let has_birth = found.stx_mask & libc::STATX_BTIME != 0;
        Stat {
            device: libc::makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            links: found.stx_nlink.into(),
            owner: found.stx_uid,
            size: found.stx_size,
            modified: (found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec.into()),
            group: found.stx_gid,
            rdev: libc::makedev(found.stx_rdev_major, found.stx_rdev_minor),
            changed: (found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec.into()),
            born: has_birth.then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec)),
            mode: found.stx_mode.into(),
        }
    }
}

pub(crate) fn fstat(fd: BorrowedFd<'_>) -> Result<Stat> {
    nix::sys::stat::fstat(fd).map(Stat::from)
}

/// How many bytes of a file take no space on disk: holes, or what the filesystem has compressed.
pub(crate) fn hole(fd: BorrowedFd<'_>) -> Result<u64> {
    /// The unit of `st_blocks` (inode(7)).
    const BLOCK: u64 = 512;
    let about = nix::sys::stat::fstat(fd)?;
    Ok(about.st_size.unsigned_abs().saturating_sub(about.st_blocks.unsigned_abs() * BLOCK))
}

/// `stat(2)`. Follows links.
pub(crate) fn stat(path: &CStr) -> Result<Stat> {
    nix::sys::stat::stat(path).map(Stat::from)
}

/// A location in a tree of mounts. Equal for two paths to the same location, and different for one directory that is
/// seen through two mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PlaceId {
    /// The id of the mount.
    pub(crate) mount: u64,
    /// Major and minor number of the device, in the upper and the lower 32 bits.
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// The location of `path`, relative to `dir`. An empty path means `dir` itself.
pub(crate) fn place_at(dir: BorrowedFd<'_>, path: &CStr) -> Result<PlaceId> {
    // SAFETY: all-zero bytes are a valid `statx`.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let mask = libc::STATX_INO | libc::STATX_MNT_ID;
    // SAFETY: the path is a string; the kernel fills in `found`, which lives through the call.
    Errno::result(unsafe { libc::statx(dir.as_raw_fd(), path.as_ptr(), libc::AT_EMPTY_PATH, mask, &raw mut found) })?;
    if found.stx_mask & libc::STATX_MNT_ID == 0 {
        // If statx(2) is refused, the C library falls back to fstatat(2), which does not report mounts.
        return Err(Errno::ENOSYS);
    }
    let device = u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor);
    Ok(PlaceId { mount: found.stx_mnt_id, device, inode: found.stx_ino })
}

/// The attributes of `path`, relative to `dir`, or of what is mounted on it. Follows links.
pub(crate) fn stat_at<P: ?Sized + NixPath>(dir: BorrowedFd<'_>, path: &P) -> Result<Stat> {
    nix::sys::stat::fstatat(dir, path, nix::fcntl::AtFlags::empty()).map(Stat::from)
}

/// Whether `name` exists in `dir` and this process may write to it (`faccessat(2)`).
pub(crate) fn is_writable_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
    match access_at(dir, name, AccessFlags::W_OK) {
        Ok(()) => Ok(true),
        Err(Errno::EACCES | Errno::EPERM | Errno::EROFS | Errno::ENOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

pub(crate) fn exists_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
    match access_at(dir, name, AccessFlags::F_OK) {
        Ok(()) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Whether `dir` has an entry `name`. A dangling link counts.
pub(crate) fn has_name(dir: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
    match nix::sys::stat::fstatat(dir, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW) {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn access_at(dir: BorrowedFd<'_>, name: &CStr, mode: AccessFlags) -> Result<()> {
    nix::unistd::faccessat(dir, name, mode, nix::fcntl::AtFlags::empty())
}

/// The type of `name` in `dir`. Does not follow links.
pub(crate) fn kind_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Option<Kind>> {
    let about = nix::sys::stat::fstatat(dir, name, nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW)?;
    Ok(Stat::from(about).kind())
}

/// A directory entry, and the file behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Named {
    /// The id of the mount that holds it.
    pub(crate) mount: u64,
    /// Device and inode, in the form of [`super::stat::place_at`].
    pub(crate) file: (u64, u64),
    /// Number of hard links.
    pub(crate) links: u32,
    pub(crate) kind: Option<Kind>,
}

/// The file at `name` in `dir`, or what is mounted on it. Does not follow links. An empty name means `dir` itself.
pub(crate) fn named_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Named> {
    // SAFETY: all-zero bytes are a valid `statx`.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let mask = libc::STATX_TYPE | libc::STATX_NLINK | libc::STATX_INO | libc::STATX_MNT_ID;
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    // SAFETY: the name is a string; the kernel fills in `found`, which lives through the call.
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

/// Whether this process may look up names in the directory `fd`, with its present capabilities.
pub(crate) fn is_searchable(fd: BorrowedFd<'_>) -> Result<bool> {
    is_open_to(fd, AccessFlags::X_OK)
}

/// Whether this process may change names in the directory `fd`, with its present capabilities.
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

/// The attributes of `name` in `dir`. Does not follow links. `None` if nothing has this name.
pub(crate) fn look_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Option<Stat>> {
    match look(dir, name, 0) {
        Ok(about) => Ok(Some(about)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The attributes of `path`. A link in the last part is not followed.
pub(crate) fn look_at_path(path: &Path) -> Result<Stat> {
    path.with_nix_path(|path| look(nix::fcntl::AT_FDCWD, path, 0))?
}

/// The attributes of an open file, with its creation time.
pub(crate) fn look_at_open(fd: BorrowedFd<'_>) -> Result<Stat> {
    look(fd, c"", libc::AT_EMPTY_PATH)
}

fn look(dir: BorrowedFd<'_>, name: &CStr, flags: libc::c_int) -> Result<Stat> {
    // SAFETY: all-zero bytes are a valid `statx`.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    // stat(2) and its relatives set AT_NO_AUTOMOUNT too.
    let flags = flags | libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    // SAFETY: the name is a string; the kernel fills in `found`, which lives through the call.
    match Errno::result(unsafe { libc::statx(dir.as_raw_fd(), name.as_ptr(), flags, mask, &raw mut found) }) {
        Ok(_) => Ok(Stat::from(&found)),
        // A system call filter does not know statx(2) yet, or refuses it.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            let flags = nix::fcntl::AtFlags::from_bits_retain(flags);
            nix::sys::stat::fstatat(dir, name, flags).map(Stat::from)
        }
        Err(errno) => Err(errno),
    }
}

/// The attributes of `path` (absolute). `Ok(None)` if a link is in any part of it. ENOENT if a part is missing before
/// any link.
pub(crate) fn look_without_links(path: &CStr) -> Result<Option<Stat>> {
    match super::open::without_links(path) {
        Ok(place) => look_at_open(place.as_fd()).map(Some),
        Err(Errno::ELOOP) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Whether no link can redirect `path`: it has no link in any part, or a part is missing before any link.
pub(crate) fn is_plain(path: &CStr) -> bool {
    match super::open::without_links(path) {
        Ok(_) | Err(Errno::ENOENT) => true,
        Err(_) => false,
    }
}
