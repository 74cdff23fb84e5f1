//! Content: of files, of links, of descriptors.

use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::NixPath;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::Mode;

use super::stat::{Kind, Stat};
use super::{Call, Errno, Result};

/// The content of a link; an empty `name` means `dir` itself (an `O_PATH` descriptor of a link).
pub(crate) fn read_link_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<CString> {
    let text: OsString = nix::fcntl::readlinkat(dir, name)?;
    CString::new(text.into_vec()).map_err(|_| Errno::EINVAL)
}

/// What the link `path` says.
pub(crate) fn read_link(path: &CStr) -> Result<CString> {
    read_link_at(crate::sys::mount::AT_FDCWD, path)
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
    // With room for one byte more, one read takes it all and the next one says that nothing follows.
    let mut text = Vec::with_capacity(about.st_size.unsigned_abs() as usize + 1);
    match File::from(fd).take(most + 1).read_to_end(&mut text) {
        Ok(length) if length as u64 > most => Err(Errno::EFBIG),
        Ok(_) => Ok(text),
        Err(error) => Err(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
    }
}
