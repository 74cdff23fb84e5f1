//! Descriptors by their numbers.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::OFlag;

use super::{Call, Errno, Result, check};

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

/// Whether number `fd`, one of 0 to 2, was closed when this program was started: what [`occupy_standard_numbers`] opens ends
/// with exec, which no descriptor does that was there before.
pub(crate) fn was_closed(fd: BorrowedFd<'_>) -> bool {
    match nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFD) {
        Ok(flags) => flags & libc::FD_CLOEXEC != 0,
        Err(_) => true,
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
