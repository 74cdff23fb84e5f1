//! Files and directories, always by descriptor.

use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;

use nix::NixPath;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::{FchmodatFlags, Mode, SFlag};
use nix::unistd::AccessFlags;

pub(crate) use super::stat::{Kind, Stat};
use super::{Call, Errno, Result, check};

pub(crate) fn fstat(fd: BorrowedFd<'_>) -> Result<Stat> {
    nix::sys::stat::fstat(fd).map(Stat::from)
}

/// How many bytes of a file take no room: holes (or what the filesystem has compressed).
pub(crate) fn hole(fd: BorrowedFd<'_>) -> Result<u64> {
    /// The unit of `st_blocks` (inode(7)).
    const BLOCK: u64 = 512;
    let about = nix::sys::stat::fstat(fd)?;
    Ok(about.st_size.unsigned_abs().saturating_sub(about.st_blocks.unsigned_abs() * BLOCK))
}

/// `stat(2)`: links are followed.
pub(crate) fn stat(path: &CStr) -> Result<Stat> {
    nix::sys::stat::stat(path).map(Stat::from)
}

/// Where `path`, relative to `dir`, lies: mount, device and inode. Equal for two ways to one place, and not for the
/// same directory seen through two mounts. An empty path means `dir` itself.
pub(crate) fn place_at(dir: BorrowedFd<'_>, path: &CStr) -> Result<(u64, u64, u64)> {
    // SAFETY: all-zero bytes are a valid `statx`.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let mask = libc::STATX_INO | libc::STATX_MNT_ID;
    // SAFETY: the path is a string, `found` lives through the call and is what the kernel fills in.
    Errno::result(unsafe { libc::statx(dir.as_raw_fd(), path.as_ptr(), libc::AT_EMPTY_PATH, mask, &raw mut found) })?;
    if found.stx_mask & libc::STATX_MNT_ID == 0 {
        // The C library makes do with fstatat(2) where statx(2) is refused, which knows no mounts.
        return Err(Errno::ENOSYS);
    }
    let device = u64::from(found.stx_dev_major) << 32 | u64::from(found.stx_dev_minor);
    Ok((found.stx_mnt_id, device, found.stx_ino))
}

/// What `path`, relative to `dir`, is, with what is mounted there; links are followed.
pub(crate) fn stat_at<P: ?Sized + NixPath>(dir: BorrowedFd<'_>, path: &P) -> Result<Stat> {
    nix::sys::stat::fstatat(dir, path, nix::fcntl::AtFlags::empty()).map(Stat::from)
}

/// The caller's descriptor with number `fd`, as long as it is used.
///
/// The number comes from the command line: it may be wrong, which every call on it then reports as `EBADF`.
pub(crate) fn callers_fd(fd: RawFd) -> Result<BorrowedFd<'static>> {
    if fd < 0 {
        return Err(Errno::EBADF);
    }
    // SAFETY: `BorrowedFd` asks that the number is not -1 and stays open while it is used. The first is checked; for
    // the second, callers close a number (`close_numbers`) only when they are done with what they borrowed.
    Ok(unsafe { BorrowedFd::borrow_raw(fd) })
}

/// Whether descriptor number `fd` is open.
pub(crate) fn is_open(fd: RawFd) -> Result<bool> {
    match callers_fd(fd).and_then(|fd| nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD)) {
        Ok(_) => Ok(true),
        Err(Errno::EBADF) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// What a descriptor is open for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

/// What `fd` is open for; neither, where it is a place only (`O_PATH`).
pub(crate) fn access(fd: BorrowedFd<'_>) -> Result<Access> {
    let flags = OFlag::from_bits_retain(nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL)?);
    let mode = flags & OFlag::O_ACCMODE;
    let is_open = !flags.contains(OFlag::O_PATH);
    Ok(Access { read: is_open && mode != OFlag::O_WRONLY, write: is_open && mode != OFlag::O_RDONLY })
}

/// Whether `fd` is open, and not a place only (`O_PATH`).
pub(crate) fn is_opened(fd: BorrowedFd<'_>) -> Result<bool> {
    let flags = OFlag::from_bits_retain(nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL)?);
    Ok(!flags.contains(OFlag::O_PATH))
}

/// Gives the numbers 0 to 2, as far as the caller has closed them, to descriptors that lead nowhere and end with exec:
/// what is printed must not land in a socket of ours that has got the number. An epoll instance, because every write to
/// one fails (EINVAL): an eventfd may count the text, and then have the writer wait.
pub(crate) fn occupy_standard_numbers() -> Result<()> {
    loop {
        // SAFETY: plain numbers.
        let fd = Errno::result(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        if fd > 2 {
            drop(own(fd));
            return Ok(());
        }
    }
}

/// Makes descriptor number `fd`, which nobody owns, refer to what `to` does; it survives exec.
pub(crate) fn redirect(fd: RawFd, to: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: plain numbers; callers pass one of 0 to 2 that no owner in this process closes.
    Errno::result(unsafe { libc::dup2(to.as_raw_fd(), fd) }).map(drop)
}

/// The same description at a number above 2; it does not survive exec. The old number stays open, with no owner.
pub(crate) fn move_above_standard(fd: OwnedFd) -> Result<OwnedFd> {
    let moved = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(3)).map(own)?;
    std::mem::forget(fd);
    Ok(moved)
}

/// Opens `path` as a place only (`O_PATH`).
pub(crate) fn open_path(path: &CStr, directory: bool) -> Result<OwnedFd> {
    let kind = if directory { OFlag::O_DIRECTORY } else { OFlag::empty() };
    nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC | kind, Mode::empty())
}

/// How [`open_in_root`] opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// A place, whatever it is.
    Path,
    /// A place that is a directory.
    Dir,
    /// For writing: created with this mode, or truncated.
    Create(u32),
}

/// Opens `path` with `root` as the root directory: neither `..` nor a link leads out of it, and the links of procfs
/// that jump anywhere are refused with `ELOOP` (`openat2(2)`; CVE-2024-21626, CVE-2026-87766).
pub(crate) fn open_in_root(root: BorrowedFd<'_>, path: &CStr, open: Open) -> Result<OwnedFd> {
    // An absolute path starts at `root` too; an empty one means `root` itself.
    let path = if path.is_empty() { c"." } else { path };
    let flags = match open {
        Open::Path => OFlag::O_PATH,
        Open::Dir => OFlag::O_PATH | OFlag::O_DIRECTORY,
        // O_NONBLOCK: a fifo without a reader is ENXIO then; opening it would wait for one.
        Open::Create(_) => OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK,
    };
    let mode = match open {
        Open::Create(mode) => Mode::from_bits_truncate(mode),
        Open::Path | Open::Dir => Mode::empty(),
    };
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .mode(mode)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    loop {
        match nix::fcntl::openat2(root, path, how) {
            // A rename somewhere below the root while it was walked; the kernel asks to try again (openat2(2)).
            Err(Errno::EAGAIN) => {}
            result => return result,
        }
    }
}

/// Opens `path` as a place only; a link anywhere on the way or at its end is refused with `ELOOP` (`openat2(2)`).
pub(crate) fn open_without_links(path: &CStr) -> Result<OwnedFd> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    nix::fcntl::openat2(nix::fcntl::AT_FDCWD, path, how)
}

/// Opens the directory `path` as a place only; a link anywhere on the way is refused with `ELOOP` (`openat2(2)`).
pub(crate) fn open_dir_without_links(path: &CStr) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    nix::fcntl::openat2(nix::fcntl::AT_FDCWD, path, how)
}

/// Opens `path` for reading. A fifo does not make this wait for a writer.
pub(crate) fn open_read(path: &CStr) -> Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    nix::fcntl::open(path, flags, Mode::empty())
}

/// Opens `name` in `dir` as a directory; a link is refused.
pub(crate) fn open_dir_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    nix::fcntl::openat(dir, name, flags, Mode::empty())
}

/// Opens `path`, relative to `dir`, for writing. Links are followed: for files of a procfs that is known to be one.
pub(crate) fn open_write_at(dir: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    nix::fcntl::openat(dir, path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Opens `path`, relative to `dir`, for reading. Links are followed, as by [`open_write_at`].
pub(crate) fn open_read_at(dir: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    nix::fcntl::openat(dir, path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Creates the file `name` in `dir`, which must not exist, for writing.
pub(crate) fn create_new_at(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<OwnedFd> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    nix::fcntl::openat(dir, name, flags, Mode::from_bits_truncate(mode))
}

/// Makes an empty regular file, which must not exist.
pub(crate) fn make_file_at(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<()> {
    nix::sys::stat::mknodat(dir, name, SFlag::S_IFREG, Mode::from_bits_truncate(mode), 0)
}

pub(crate) fn make_dir_at(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<()> {
    nix::sys::stat::mkdirat(dir, name, Mode::from_bits_truncate(mode))
}

pub(crate) fn make_link_at(target: &CStr, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    nix::unistd::symlinkat(target, dir, name)
}

/// The content of a link; an empty `name` means `dir` itself (an `O_PATH` descriptor of a link).
pub(crate) fn read_link_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<CString> {
    let text: OsString = nix::fcntl::readlinkat(dir, name)?;
    CString::new(text.into_vec()).map_err(|_| Errno::EINVAL)
}

/// What the link `path` says.
pub(crate) fn read_link(path: &CStr) -> Result<CString> {
    read_link_at(crate::sys::mount::AT_FDCWD, path)
}

pub(crate) fn unlink_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    nix::unistd::unlinkat(dir, name, nix::unistd::UnlinkatFlags::NoRemoveDir)
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

/// Whether there is anything called `name` in `dir`, a link that leads nowhere too.
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

/// `chmod` of `path` relative to `dir`, links followed.
pub(crate) fn chmod_at(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    nix::sys::stat::fchmodat(dir, path, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)
}

/// Whether `fd` lies on a procfs. What is written to `uid_map` must not land in a file that somebody mounted there
/// (CVE-2025-52881).
pub(crate) fn is_procfs(fd: BorrowedFd<'_>) -> Result<bool> {
    nix::sys::statfs::fstatfs(fd).map(|fs| fs.filesystem_type() == nix::sys::statfs::PROC_SUPER_MAGIC)
}

/// One read; interrupted ones are repeated.
pub(crate) fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match nix::unistd::read(fd, buffer) {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Everything up to end of file.
pub(crate) fn read_to_end(fd: BorrowedFd<'_>) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        match read(fd, &mut buffer)? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buffer[..n]),
        }
    }
}

/// What [`write_all`] does with a descriptor that blocks.
pub(crate) const WRITE: Call = Call::new("write", libc::SYS_write);

/// Writes all of `bytes`; waits where a non-blocking descriptor is full.
pub(crate) fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    while !bytes.is_empty() {
        match nix::unistd::write(fd, bytes) {
            Ok(0) => return Err(Errno::EIO),
            Ok(n) => bytes = &bytes[n..],
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => match poll(&mut [PollFd::new(fd, PollFlags::POLLOUT)], PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            },
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Copies everything that `from` yields to `to`.
pub(crate) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let mut buffer = [0; 16384];
    loop {
        match read(from, &mut buffer)? {
            0 => return Ok(()),
            n => write_all(to, &buffer[..n])?,
        }
    }
}

/// Takes a read lock on the whole file, or fails with `EAGAIN`. It ends when `file` is closed, and not, as a POSIX lock
/// does, when any other descriptor of the same file is; the two kinds exclude each other (`fcntl_locking(2)`).
pub(crate) fn lock_shared(file: BorrowedFd<'_>) -> Result<()> {
    let lock =
        libc::flock { l_type: libc::F_RDLCK as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 };
    nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_OFD_SETLK(&lock)).map(drop)
}

/// Closes descriptors of the caller by number. Numbers that are not open are no error: they need no closing.
pub(crate) fn close_numbers(numbers: impl IntoIterator<Item = RawFd>) {
    for number in numbers {
        // SAFETY: the caller's descriptors are never owned in this process, and whoever closes one does not use it any
        // more.
        unsafe { libc::close(number) };
    }
}

/// What [`close_all_but`] does.
pub(crate) const CLOSE_RANGE: Call = Call::new("close_range", libc::SYS_close_range);

/// Closes every descriptor above 2 except the (sorted) `keep`.
pub(crate) fn close_all_but(keep: &[RawFd]) -> Result<()> {
    let mut from = 3;
    for &fd in keep.iter().filter(|&&fd| fd >= 3) {
        if fd > from {
            close_range(from as u32, fd as u32 - 1)?;
        }
        from = fd + 1;
    }
    close_range(from as u32, u32::MAX)
}

fn close_range(first: u32, last: u32) -> Result<()> {
    // SAFETY: plain numbers. The descriptors in the range have no owner in this process, which the callers of
    // `close_all_but` see to by naming every descriptor they still use.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

pub(crate) fn chdir(path: &CStr) -> Result<()> {
    nix::unistd::chdir(path)
}

pub(crate) fn fchdir(dir: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::fchdir(dir)
}

/// The current directory as the kernel has it: with `(unreachable)` in front where it is not below the root.
pub(crate) fn getcwd() -> Result<CString> {
    let mut path = [0u8; libc::PATH_MAX as usize];
    // The raw call: getcwd(3) searches for a path by itself where the kernel has none.
    // SAFETY: `path` lives through the call, and the kernel is told its size.
    check(unsafe { libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), path.len()) })?;
    CStr::from_bytes_until_nul(&path).map(CStr::to_owned).map_err(|_| Errno::ERANGE)
}

pub(crate) fn umask(mask: u32) -> u32 {
    nix::sys::stat::umask(Mode::from_bits_truncate(mask)).bits()
}

pub(crate) fn is_tty(fd: BorrowedFd<'_>) -> bool {
    nix::unistd::isatty(fd).unwrap_or(false)
}

/// An owner for a descriptor that this process has received.
pub(crate) fn own(number: RawFd) -> OwnedFd {
    debug_assert!(number >= 0);
    // SAFETY: callers pass a number that the kernel has just handed out to them.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// The number behind a descriptor, for paths such as `/proc/self/fd/N`.
pub(crate) fn number(fd: BorrowedFd<'_>) -> RawFd {
    fd.as_raw_fd()
}
