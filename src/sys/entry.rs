//! One name in a directory that somebody else may have written: looked at, opened and moved without following a link.

use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::NixPath;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::Mode;

use super::file::{Kind, Stat};
use super::{Errno, Result, check};

/// What `name` in `dir` is; a link is looked at itself. `None` where there is nothing.
pub(crate) fn look_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<Option<Stat>> {
    match look(dir, name, 0) {
        Ok(about) => Ok(Some(about)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What `path` is; a link at its end is looked at itself.
pub(crate) fn look_at_path(path: &Path) -> Result<Stat> {
    path.with_nix_path(|path| look(nix::fcntl::AT_FDCWD, path, 0))?
}

/// What an open file is, and when it was made.
pub(crate) fn look_at_open(fd: BorrowedFd<'_>) -> Result<Stat> {
    look(fd, c"", libc::AT_EMPTY_PATH)
}

fn look(dir: BorrowedFd<'_>, name: &CStr, flags: libc::c_int) -> Result<Stat> {
    // SAFETY: all-zero bytes are a valid `statx`.
    let mut found: libc::statx = unsafe { std::mem::zeroed() };
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    // As stat(2) and its kin do.
    let flags = flags | libc::AT_SYMLINK_NOFOLLOW | libc::AT_NO_AUTOMOUNT;
    // SAFETY: the name is a string, `found` lives through the call and is what the kernel fills in.
    match Errno::result(unsafe { libc::statx(dir.as_raw_fd(), name.as_ptr(), flags, mask, &raw mut found) }) {
        Ok(_) => Ok(Stat::from(&found)),
        // Somebody's filter knows the call not yet, and says so or refuses it.
        Err(Errno::ENOSYS | Errno::EPERM) => {
            let flags = nix::fcntl::AtFlags::from_bits_retain(flags);
            nix::sys::stat::fstatat(dir, name, flags).map(Stat::from)
        }
        Err(errno) => Err(errno),
    }
}

/// How a file is opened that somebody else may have put there: nothing is waited for, and no terminal becomes this
/// process's own.
const READ: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// The content of the regular file `name` in `dir`, which may have `most` bytes: see [`read_open`]. A link is refused
/// (ELOOP).
pub(crate) fn read_at(dir: BorrowedFd<'_>, name: &CStr, most: u64) -> Result<Vec<u8>> {
    read_open(nix::fcntl::openat(dir, name, READ | OFlag::O_NOFOLLOW, Mode::empty())?, most)
}

/// The content of the regular file `path`, which may have `most` bytes: see [`read_open`]. A link anywhere on the way
/// or at its end is refused (ELOOP).
pub(crate) fn read_without_links(path: &CStr, most: u64) -> Result<Vec<u8>> {
    let how = OpenHow::new().flags(READ).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    read_open(nix::fcntl::openat2(nix::fcntl::AT_FDCWD, path, how)?, most)
}

/// The content of the regular file `path`, which may have `most` bytes: see [`read_open`]. Links are followed: for
/// names that the user has typed.
pub(crate) fn read_regular<P: ?Sized + NixPath>(path: &P, most: u64) -> Result<Vec<u8>> {
    read_open(nix::fcntl::open(path, READ, Mode::empty())?, most)
}

/// Reads an open file to its end. It must be a regular one (EINVAL, EISDIR): others may have no end, or make the
/// reader wait. It has `most` bytes at most (EFBIG), also where somebody lets it grow meanwhile: a part is never taken
/// for all.
fn read_open(fd: OwnedFd, most: u64) -> Result<Vec<u8>> {
    let about = nix::sys::stat::fstat(&fd)?;
    match Stat::from(about).kind() {
        Some(Kind::File) => {}
        Some(Kind::Dir) => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    if about.st_size.unsigned_abs() > most {
        return Err(Errno::EFBIG);
    }
    let mut text = Vec::new();
    match File::from(fd).take(most + 1).read_to_end(&mut text) {
        Ok(length) if length as u64 > most => Err(Errno::EFBIG),
        Ok(_) => Ok(text),
        Err(error) => Err(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
    }
}

/// Opens `path`, relative to `dir`, as a place only; a link anywhere on the way or at its end is refused (`ELOOP`).
pub(crate) fn open_without_links_at(dir: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    nix::fcntl::openat2(dir, path, how)
}

/// Gives `from` in `dir` the name `to`, which nothing may have (EEXIST).
pub(crate) fn rename_new(dir: BorrowedFd<'_>, from: &CStr, to: &CStr) -> Result<()> {
    // By number: nix has it for glibc alone.
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
        // A file system that cannot do that at once (rename(2)).
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            if look_at(dir, to)?.is_some() {
                return Err(Errno::EEXIST);
            }
            nix::fcntl::renameat(dir, from, dir, to)
        }
        result => result.map(drop),
    }
}

/// Changes the permissions of an open directory.
pub(crate) fn set_mode(dir: BorrowedFd<'_>, mode: u32) -> Result<()> {
    nix::sys::stat::fchmod(dir, Mode::from_bits_truncate(mode))
}

/// The same for one that is open as a place only, which fchmod(2) refuses.
pub(crate) fn set_mode_of_place(place: BorrowedFd<'_>, mode: u32) -> Result<()> {
    let path = format!("/proc/self/fd/{}", place.as_raw_fd());
    nix::sys::stat::fchmodat(
        nix::fcntl::AT_FDCWD,
        path.as_str(),
        Mode::from_bits_truncate(mode),
        nix::sys::stat::FchmodatFlags::FollowSymlink,
    )
}

/// A number that nobody can guess. Before the kernel has collected enough for one, after boot, it is zero.
pub(crate) fn random() -> u64 {
    let mut number = [0; 8];
    // SAFETY: `number` lives through the call, and the kernel is told its size.
    unsafe { libc::getrandom(number.as_mut_ptr().cast(), number.len(), libc::GRND_NONBLOCK) };
    u64::from_ne_bytes(number)
}
