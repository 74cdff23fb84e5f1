//! Reads and writes the content of files, links and descriptors.

use std::ffi::{CStr, CString, OsString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use nix::NixPath;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::Mode;

use super::stat::{Kind, Stat};
use super::{Call, Errno, Result};

/// The target of a link. An empty `name` means `dir` itself (an `O_PATH` descriptor of a link).
pub(crate) fn read_link_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<CString> {
    let text: OsString = nix::fcntl::readlinkat(dir, name)?;
    CString::new(text.into_vec()).map_err(|_| Errno::EINVAL)
}

/// The target of the link `path`.
pub(crate) fn read_link(path: &CStr) -> Result<CString> {
    read_link_at(crate::sys::mount::AT_FDCWD, path)
}

/// The system call of [`read`].
pub(crate) const READ: Call = Call::new("read", libc::SYS_read);

/// Reads once; repeats an interrupted read.
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

/// The system call of [`write_all`] on a blocking descriptor.
pub(crate) const WRITE: Call = Call::new("write", libc::SYS_write);

/// Writes all of `bytes`. Waits for room if a non-blocking descriptor is full.
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

/// Copies `from` to `to` up to end of file.
pub(crate) fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    let mut buffer = [0; 16384];
    loop {
        match read(from, &mut buffer)? {
            0 => return Ok(()),
            n => write_all(to, &buffer[..n])?,
        }
    }
}

/// Flags for opening a file that somebody else may have put there: the open does not block, and a terminal does not
/// become the controlling terminal.
const FOR_READING: OFlag = OFlag::O_RDONLY.union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY).union(OFlag::O_CLOEXEC);

/// Reads the regular file `name` in `dir`, of `most` bytes at most: see [`read_open`]. A link is refused (ELOOP).
pub(crate) fn read_at(dir: BorrowedFd<'_>, name: &CStr, most: u64) -> Result<Vec<u8>> {
    read_open(nix::fcntl::openat(dir, name, FOR_READING | OFlag::O_NOFOLLOW, Mode::empty())?, most)
}

/// Opens the regular file `name` in `dir` for reading. A link is refused (ELOOP), and so is anything else (EINVAL).
pub(crate) fn open_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let open = nix::fcntl::openat(dir, name, FOR_READING | OFlag::O_NOFOLLOW, Mode::empty())?;
    match Stat::from(nix::sys::stat::fstat(&open)?).kind() {
        Some(Kind::File) => Ok(open),
        _ => Err(Errno::EINVAL),
    }
}

/// Reads the regular file `path`, of `most` bytes at most: see [`read_open`]. A link in any part of the path is refused
/// (ELOOP).
pub(crate) fn read_without_links(path: &CStr, most: u64) -> Result<Vec<u8>> {
    let how = OpenHow::new().flags(FOR_READING).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    read_open(nix::fcntl::openat2(nix::fcntl::AT_FDCWD, path, how)?, most)
}

/// Reads the regular file `path`, of `most` bytes at most: see [`read_open`]. Follows links: for names that the user
/// has typed.
pub(crate) fn read_regular<P: ?Sized + NixPath>(path: &P, most: u64) -> Result<Vec<u8>> {
    read_open(nix::fcntl::open(path, FOR_READING, Mode::empty())?, most)
}

/// Like [`read_regular`], with the attributes of the file that was read.
pub(crate) fn read_with_attributes<P: ?Sized + NixPath>(path: &P, most: u64) -> Result<(Vec<u8>, Stat)> {
    let file = nix::fcntl::open(path, FOR_READING, Mode::empty())?;
    let about = super::stat::fstat(file.as_fd())?;
    Ok((read_open(file, most)?, about))
}

/// Reads an open file to its end. It must be a regular file (EINVAL, EISDIR), because others may have no end or block
/// the reader. It may have `most` bytes at most (EFBIG), even if somebody makes it grow meanwhile: a part is never
/// taken for the whole.
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
    let size = about.st_size.unsigned_abs() as usize;
    let mut text = vec![0; size + 1];
    let length = read(fd.as_fd(), &mut text)?;
    text.truncate(length);
    // There was room for one more byte, so the file ends here. Some files in /proc have no size, and more to read.
    if length == size && size > 0 {
        return Ok(text);
    }
    let left = (most + 1).saturating_sub(length as u64);
    match File::from(fd).take(left).read_to_end(&mut text) {
        Ok(_) if text.len() as u64 > most => Err(Errno::EFBIG),
        Ok(_) => Ok(text),
        Err(error) => Err(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
    }
}
