//! Creates, renames and removes files, and changes their permissions.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::stat::{FchmodatFlags, Mode, SFlag};

use super::{Errno, Result, check, stat};

/// Creates the file `name` in `dir` and opens it for writing. It must not exist.
pub(crate) fn new_file_at(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<OwnedFd> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    nix::fcntl::openat(dir, name, flags, Mode::from_bits_truncate(mode))
}

/// Creates an empty regular file. It must not exist.
pub(crate) fn file_at(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<()> {
    nix::sys::stat::mknodat(dir, name, SFlag::S_IFREG, Mode::from_bits_truncate(mode), 0)
}

pub(crate) fn dir_at(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<()> {
    nix::sys::stat::mkdirat(dir, name, Mode::from_bits_truncate(mode))
}

pub(crate) fn link_at(target: &CStr, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    nix::unistd::symlinkat(target, dir, name)
}

pub(crate) fn unlink_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    nix::unistd::unlinkat(dir, name, nix::unistd::UnlinkatFlags::NoRemoveDir)
}

/// `chmod` of `path` relative to `dir`, links followed.
pub(crate) fn chmod_at(dir: BorrowedFd<'_>, path: &CStr, mode: u32) -> Result<()> {
    nix::sys::stat::fchmodat(dir, path, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)
}

/// Creates a fifo, or a socket that nobody listens on, with mode 0. It must not exist.
pub(crate) fn special_at(dir: BorrowedFd<'_>, name: &CStr, is_socket: bool) -> Result<()> {
    let kind = if is_socket { nix::sys::stat::SFlag::S_IFSOCK } else { nix::sys::stat::SFlag::S_IFIFO };
    nix::sys::stat::mknodat(dir, name, kind, Mode::empty(), 0)
}

/// Renames `from` in `dir` to `to`, which must not exist (EEXIST).
pub(crate) fn rename_new(dir: BorrowedFd<'_>, from: &CStr, to: &CStr) -> Result<()> {
    // A raw call: nix has this function for glibc only.
    // SAFETY: both names live through the call; the kernel only reads them.
    let renamed = check(unsafe {
        libc::syscall(
            libc::SYS_renameat2,
            dir.as_raw_fd(),
            from.as_ptr(),
            dir.as_raw_fd(),
            to.as_ptr(),
            libc::RENAME_NOREPLACE,
        )
    });
    match renamed {
        // The filesystem cannot check and rename in one step (rename(2)).
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            if stat::look_at(dir, to)?.is_some() {
                return Err(Errno::EEXIST);
            }
            nix::fcntl::renameat(dir, from, dir, to)
        }
        result => result.map(drop),
    }
}

/// Renames `from` in `from_dir` to `to` in `to_dir`. A file that is there is replaced.
pub(crate) fn rename_over(from_dir: BorrowedFd<'_>, from: &CStr, to_dir: BorrowedFd<'_>, to: &CStr) -> Result<()> {
    nix::fcntl::renameat(from_dir, from, to_dir, to)
}

/// Exchanges two names, each in its directory (`RENAME_EXCHANGE`, rename(2)). Not all filesystems can (EINVAL).
pub(crate) fn exchange(
    (one_dir, one): (BorrowedFd<'_>, &CStr),
    (other_dir, other): (BorrowedFd<'_>, &CStr),
) -> Result<()> {
    let (one_dir, other_dir) = (one_dir.as_raw_fd(), other_dir.as_raw_fd());
    // SAFETY: both names live through the call; the kernel only reads them.
    let done = check(unsafe {
        libc::syscall(libc::SYS_renameat2, one_dir, one.as_ptr(), other_dir, other.as_ptr(), libc::RENAME_EXCHANGE)
    });
    done.map(drop)
}

/// Gives the file `name` of `dir` the second name `other`, which must not exist (EEXIST). Follows no link.
pub(crate) fn second_name(dir: BorrowedFd<'_>, name: &CStr, other: &CStr) -> Result<()> {
    nix::unistd::linkat(dir, name, dir, other, nix::fcntl::AtFlags::empty())
}

/// Removes the empty directory `name` of `dir`.
pub(crate) fn remove_dir_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    nix::unistd::unlinkat(dir, name, nix::unistd::UnlinkatFlags::RemoveDir)
}

/// Sets the time of the last change of an open file's content. The time of the last access stays.
pub(crate) fn set_modified(file: BorrowedFd<'_>, (seconds, nanoseconds): (i64, i64)) -> Result<()> {
    use nix::sys::time::TimeSpec;
    nix::sys::stat::futimens(file, &TimeSpec::UTIME_OMIT, &TimeSpec::new(seconds, nanoseconds))
}

/// Sets the empty extended attribute `name` on `path`, links followed (`setxattr(2)`).
pub(crate) fn mark(path: &CStr, name: &CStr) -> Result<()> {
    // SAFETY: both strings live through the call. The value has no bytes, so no pointer to it is used.
    Errno::result(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), std::ptr::null(), 0, 0) }).map(drop)
}

/// Changes the permissions of an open directory.
pub(crate) fn set_mode(dir: BorrowedFd<'_>, mode: u32) -> Result<()> {
    nix::sys::stat::fchmod(dir, Mode::from_bits_truncate(mode))
}

/// The same for a directory that is open as a location only, which fchmod(2) refuses.
pub(crate) fn set_mode_of_place(place: BorrowedFd<'_>, mode: u32) -> Result<()> {
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    nix::sys::stat::fchmodat(
        nix::fcntl::AT_FDCWD,
        path.as_str(),
        Mode::from_bits_truncate(mode),
        nix::sys::stat::FchmodatFlags::FollowSymlink,
    )
}
