//! Files in memory, and executing programs from them (`memfd_create(2)`, `execveat(2)`).

use std::ffi::{CStr, c_uint};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::fcntl::{FcntlArg, FdFlag, SealFlag, fcntl};
use nix::unistd::Whence;

use super::process::CStrArray;
use super::{Errno, Result, check, content, fd, open};

/// From include/uapi/linux/memfd.h (6.3).
const MFD_EXEC: c_uint = 0x10;

/// Makes a copy in memory of the program of this process. Nobody can change it, and anybody can execute it. `proc` is a
/// procfs.
pub(crate) fn copy_of_program(proc: BorrowedFd<'_>) -> Result<OwnedFd> {
    let program = open::read_at(proc, c"self/exe")?;
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    let copy = match memfd(flags | MFD_EXEC) {
        // A kernel that does not know the flag needs none: its memfds are always executable.
        Err(Errno::EINVAL) => memfd(flags),
        result => result,
    }?;
    copy_all(program.as_fd(), copy.as_fd())?;
    let seals = SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals))?;
    // Opened again for reading: a file that is open for writing cannot be executed (ETXTBSY), sealed or not.
    let path = std::ffi::CString::new(format!("self/fd/{}", copy.as_raw_fd())).unwrap_or_default();
    open::read_at(proc, &path)
}

/// Copies a file in one or a few calls (`sendfile(2)`). With read(2) and write(2) a program would take hundreds. If a
/// filter refuses sendfile(2), reads and writes are used.
fn copy_all(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> Result<()> {
    /// The most bytes that one call copies (sendfile(2), NOTES).
    const MOST: usize = 0x7fff_f000;
    loop {
        // SAFETY: plain numbers, and a null offset: the offset of `from` advances.
        match Errno::result(unsafe { libc::sendfile(to.as_raw_fd(), from.as_raw_fd(), std::ptr::null_mut(), MOST) }) {
            Ok(0) => return Ok(()),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::ENOSYS | Errno::EPERM | Errno::EINVAL) => return content::copy(from, to),
            Err(errno) => return Err(errno),
        }
    }
}

/// A file in memory with the content `bytes`, positioned at its start.
pub(crate) fn holding(bytes: &[u8]) -> Result<OwnedFd> {
    let made = memfd(libc::MFD_CLOEXEC)?;
    content::write_all(made.as_fd(), bytes)?;
    nix::unistd::lseek(&made, 0, Whence::SeekSet)?;
    Ok(made)
}

fn memfd(flags: c_uint) -> Result<OwnedFd> {
    // SAFETY: the name is a static string; the flags are a plain number.
    let fd = check(unsafe { libc::syscall(libc::SYS_memfd_create, c"pinfold".as_ptr(), flags) })?;
    Ok(fd::own(fd as i32))
}

/// Whether this program is static: it has no interpreter, so no other file is needed to start it (`AT_BASE`,
/// `getauxval(3)`).
pub(crate) fn is_static() -> bool {
    // SAFETY: a plain number; the value comes from memory that the kernel filled in at exec.
    unsafe { libc::getauxval(libc::AT_BASE) == 0 }
}

/// Keeps `fd` open across exec.
pub(crate) fn keep_open(fd: BorrowedFd<'_>) -> Result<()> {
    fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map(drop)
}

/// Replaces this program by the one in `program`. Returns only if that fails, with the reason.
pub(crate) fn exec(program: BorrowedFd<'_>, arguments: &CStrArray<'_>, environment: &CStrArray<'_>) -> Errno {
    let (program, path) = (program.as_raw_fd(), c"".as_ptr());
    // SAFETY: `path` is a string, both arrays are null-terminated arrays of strings that they borrow.
    unsafe {
        libc::syscall(libc::SYS_execveat, program, path, arguments.as_ptr(), environment.as_ptr(), libc::AT_EMPTY_PATH)
    };
    Errno::last()
}

/// Sets the name of this process in `ps(1)` and `/proc/PID/comm` (`PR_SET_NAME`). It is cut to 15 bytes.
pub(crate) fn set_name(name: &CStr) -> Result<()> {
    // SAFETY: the kernel reads a string that lives through the call.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), 0, 0, 0) }).map(drop)
}
