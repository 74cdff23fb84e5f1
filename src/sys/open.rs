//! Opens files and directories. Every descriptor is close-on-exec. Each function says whether it follows links.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag};
use nix::sys::stat::Mode;

use super::{Errno, Result};

/// Opens `path` as a location only (`O_PATH`): the descriptor cannot be read or written.
pub(crate) fn path(path: &CStr, directory: bool) -> Result<OwnedFd> {
    let kind = if directory { OFlag::O_DIRECTORY } else { OFlag::empty() };
    nix::fcntl::open(path, OFlag::O_PATH | OFlag::O_CLOEXEC | kind, Mode::empty())
}

/// How [`in_root`] opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// A location of any type (`O_PATH`).
    Path,
    /// A location that must be a directory (`O_PATH`).
    Dir,
    /// A file for writing. It is truncated, or created with this mode.
    Create(u32),
}

/// Opens `path` with `root` as the root directory. Neither `..` nor a link can lead out of it. The magic links of
/// procfs, which can jump anywhere, are refused with `ELOOP` (`openat2(2)`; CVE-2024-21626, CVE-2026-87766).
pub(crate) fn in_root(root: BorrowedFd<'_>, path: &CStr, open: Open) -> Result<OwnedFd> {
    // An absolute path starts at `root` too. An empty path means `root` itself.
    let path = if path.is_empty() { c"." } else { path };
    let flags = match open {
        Open::Path => OFlag::O_PATH,
        Open::Dir => OFlag::O_PATH | OFlag::O_DIRECTORY,
        // With O_NONBLOCK a fifo without a reader fails with ENXIO. Without it, the open would wait for a reader.
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
            // Something below the root was renamed during the walk. The kernel asks to try again (openat2(2)).
            Err(Errno::EAGAIN) => {}
            result => return result,
        }
    }
}

/// Opens `path` as a location only. A link in any part of the path is refused with `ELOOP` (`openat2(2)`).
pub(crate) fn without_links(path: &CStr) -> Result<OwnedFd> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    nix::fcntl::openat2(nix::fcntl::AT_FDCWD, path, how)
}

/// Opens the directory `path` as a location only. A link in any part of the path is refused with `ELOOP`
/// (`openat2(2)`).
pub(crate) fn dir_without_links(path: &CStr) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    nix::fcntl::openat2(nix::fcntl::AT_FDCWD, path, how)
}

/// Opens `path` for reading. A fifo does not make this wait for a writer.
pub(crate) fn read(path: &CStr) -> Result<OwnedFd> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    nix::fcntl::open(path, flags, Mode::empty())
}

/// Opens `name` in `dir` as a directory; a link is refused.
pub(crate) fn dir_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    nix::fcntl::openat(dir, name, flags, Mode::empty())
}

/// Opens `path`, relative to `dir`, for writing. Follows links: use it only in a directory that is known to be on a
/// procfs.
pub(crate) fn write_at(dir: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    nix::fcntl::openat(dir, path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())
}

/// Opens `path`, relative to `dir`, for reading. Follows links, like [`write_at`].
pub(crate) fn read_at(dir: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    nix::fcntl::openat(dir, path, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
}

/// What a directory is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// To look up known names in it (`O_PATH`).
    Names,
    /// To list it.
    Listing,
}

/// Opens the directory `name` of `dir`. A link is refused (`ENOTDIR`), and so is a mount point (`EXDEV`).
pub(crate) fn same_mount(dir: BorrowedFd<'_>, name: &CStr, what_for: For) -> Result<OwnedFd> {
    dir_with(dir, name, what_for, ResolveFlag::RESOLVE_NO_XDEV)
}

/// Opens the directory `name` of `dir`, or what is mounted on it. A link is refused (`ENOTDIR`).
pub(crate) fn any_mount(dir: BorrowedFd<'_>, name: &CStr, what_for: For) -> Result<OwnedFd> {
    dir_with(dir, name, what_for, ResolveFlag::empty())
}

/// Opens the directory `path`, relative to `dir`, to be listed. A link in any part of the path is refused (`ELOOP`).
pub(crate) fn listing_without_links(dir: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    dir_with(dir, path, For::Listing, ResolveFlag::RESOLVE_NO_SYMLINKS)
}

fn dir_with(dir: BorrowedFd<'_>, name: &CStr, what_for: For, resolve: ResolveFlag) -> Result<OwnedFd> {
    let kind = match what_for {
        For::Names => OFlag::O_PATH,
        For::Listing => OFlag::O_RDONLY,
    };
    let flags = kind | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    nix::fcntl::openat2(dir, name, OpenHow::new().flags(flags).resolve(resolve).mode(Mode::empty()))
}

/// Opens `name` in `dir`, or what is mounted on it, as a location only. A link is not followed but opened itself.
pub(crate) fn path_at(dir: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd> {
    nix::fcntl::openat(dir, name, OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC, Mode::empty())
}

/// Opens `path`, relative to `dir`, as a location only. A link in any part of the path is refused (`ELOOP`).
pub(crate) fn without_links_at(dir: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC).resolve(ResolveFlag::RESOLVE_NO_SYMLINKS);
    nix::fcntl::openat2(dir, path, how)
}
