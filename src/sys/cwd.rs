//! Process attributes that affect paths and modes: the current directory and the umask.

use std::ffi::{CStr, CString};
use std::os::fd::BorrowedFd;

use nix::sys::stat::Mode;

use super::{Errno, Result, check};

pub(crate) fn chdir(path: &CStr) -> Result<()> {
    nix::unistd::chdir(path)
}

pub(crate) fn fchdir(dir: BorrowedFd<'_>) -> Result<()> {
    nix::unistd::fchdir(dir)
}

/// The current directory as the kernel reports it. It begins with `(unreachable)` if it is not below the root.
pub(crate) fn getcwd() -> Result<CString> {
    let mut path = [0u8; libc::PATH_MAX as usize];
    // A raw call: getcwd(3) searches for a path itself if the kernel has none.
    // SAFETY: `path` lives through the call, and the kernel is told its size.
    check(unsafe { libc::syscall(libc::SYS_getcwd, path.as_mut_ptr(), path.len()) })?;
    CStr::from_bytes_until_nul(&path).map(CStr::to_owned).map_err(|_| Errno::ERANGE)
}

pub(crate) fn umask(mask: u32) -> u32 {
    nix::sys::stat::umask(Mode::from_bits_truncate(mask)).bits()
}
