//! File descriptors by number.

use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::OFlag;

use super::{Call, Errno, Result, check};

/// Borrows the caller's descriptor number `fd`.
///
/// The number comes from the command line and may be wrong. Every call on it then fails with `EBADF`.
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

/// What `fd` is open for. Both are false for a location only (`O_PATH`).
pub(crate) fn access(fd: BorrowedFd<'_>) -> Result<Access> {
    let flags = OFlag::from_bits_retain(nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL)?);
    let mode = flags & OFlag::O_ACCMODE;
    let is_open = !flags.contains(OFlag::O_PATH);
    Ok(Access { read: is_open && mode != OFlag::O_WRONLY, write: is_open && mode != OFlag::O_RDONLY })
}

/// Whether `fd` is opened for reading or writing, and not as a location only (`O_PATH`).
pub(crate) fn is_opened(fd: BorrowedFd<'_>) -> Result<bool> {
    let flags = OFlag::from_bits_retain(nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL)?);
    Ok(!flags.contains(OFlag::O_PATH))
}

/// Occupies those of the numbers 0 to 2 that the caller has closed, until exec. Otherwise one of our sockets could get
/// such a number, and printed text would land in it.
///
/// They refer to an epoll instance, because every write to one fails (EINVAL). An eventfd could accept the text as a
/// count and then block the writer.
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

/// Whether number `fd`, one of 0 to 2, was closed when this program was started: what [`occupy_standard_numbers`] opens
/// ends with exec, which no descriptor does that was there before.
pub(crate) fn was_closed(fd: BorrowedFd<'_>) -> bool {
    match nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD) {
        Ok(flags) => flags & libc::FD_CLOEXEC != 0,
        Err(_) => true,
    }
}

/// Makes descriptor number `fd`, which nobody owns, refer to the same description as `to`. It survives exec.
pub(crate) fn redirect(fd: RawFd, to: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: plain numbers; callers pass one of 0 to 2 that no owner in this process closes.
    Errno::result(unsafe { libc::dup2(to.as_raw_fd(), fd) }).map(drop)
}

/// Duplicates `fd` to a number above 2 that does not survive exec. The old number stays open, without an owner.
pub(crate) fn move_above_standard(fd: OwnedFd) -> Result<OwnedFd> {
    let moved = nix::fcntl::fcntl(&fd, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(3)).map(own)?;
    std::mem::forget(fd);
    Ok(moved)
}

/// Takes a read lock on the whole file, or fails with `EAGAIN`. The lock ends when `file` is closed. A POSIX lock would
/// also end when any other descriptor of the same file is closed. The two kinds exclude each other
/// (`fcntl_locking(2)`).
pub(crate) fn lock_shared(file: BorrowedFd<'_>) -> Result<()> {
    let lock =
        libc::flock { l_type: libc::F_RDLCK as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 };
    nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_OFD_SETLK(&lock)).map(drop)
}

/// Takes the only lock on an open file or directory (`flock(2)`). Returns false if somebody else has it. The lock ends
/// when the last copy of this descriptor is closed, however its process ends.
pub(crate) fn lock_alone(file: BorrowedFd<'_>) -> Result<bool> {
    // SAFETY: plain numbers.
    match Errno::result(unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }) {
        Ok(_) => Ok(true),
        Err(Errno::EWOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Closes descriptors of the caller by number. A number that is not open is no error.
pub(crate) fn close_numbers(numbers: impl IntoIterator<Item = RawFd>) {
    for number in numbers {
        // SAFETY: this process never owns the caller's descriptors, and whoever closes one no longer uses it.
        unsafe { libc::close(number) };
    }
}

/// The system call of [`close_all_but`].
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
    // SAFETY: plain numbers. No descriptor in the range has an owner in this process: callers of `close_all_but` name
    // every descriptor that they still use.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}

pub(crate) fn is_tty(fd: BorrowedFd<'_>) -> bool {
    nix::unistd::isatty(fd).unwrap_or(false)
}

/// Takes ownership of a new descriptor.
pub(crate) fn own(number: RawFd) -> OwnedFd {
    debug_assert!(number >= 0);
    // SAFETY: callers pass a number that the kernel has just returned to them.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// The number of a descriptor, for paths such as `/proc/self/fd/N`.
pub(crate) fn number(fd: BorrowedFd<'_>) -> RawFd {
    fd.as_raw_fd()
}

/// The path of what is open, as the kernel knows it: without links (proc_pid_fd(5)).
pub(crate) fn path(fd: BorrowedFd<'_>) -> Result<CString> {
    let link = CString::new(format!("/proc/self/fd/{}", number(fd))).map_err(|_| Errno::EINVAL)?;
    super::content::read_link(&link)
}
