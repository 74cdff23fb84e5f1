//! Thin typed wrappers for system calls. This is the only module with `unsafe`, and the only user of `libc` and `nix`.
//!
//! Nothing here makes decisions or prints.
#![allow(unsafe_code)]

mod arena;
pub(crate) mod began;
pub(crate) mod callers;
pub(crate) mod caps;
pub(crate) mod children;
pub(crate) mod clock;
pub(crate) mod cmdline;
pub(crate) mod command;
pub(crate) mod content;
pub(crate) mod cwd;
pub(crate) mod dir;
mod errno;
pub(crate) mod fd;
pub(crate) mod fork;
pub(crate) mod kernel;
pub(crate) mod landlock;
pub(crate) mod make;
pub(crate) mod mount;
pub(crate) mod net;
pub(crate) mod ns;
pub(crate) mod offset;
pub(crate) mod open;
pub(crate) mod output;
pub(crate) mod poll;
pub(crate) mod process;
pub(crate) mod sealed;
pub(crate) mod signals;
pub(crate) mod socket;
mod spent;
pub(crate) mod stat;
pub(crate) mod statfs;
pub(crate) mod terminal;
pub(crate) mod xattr;

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;

pub use arena::Arena;
pub(crate) use errno::{error_text, io_error_text};
pub(crate) use nix::errno::Errno;
pub(crate) use spent::Spent;

/// A path for a system call. It came from the kernel, from a C string or from the environment, so it has no NUL.
pub(crate) fn c_path(path: impl AsRef<OsStr>) -> CString {
    CString::new(path.as_ref().as_bytes()).unwrap_or_default()
}

/// The result of a system call.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// A system call that one of our functions makes, as a system call filter sees it. It is defined next to that function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) number: u32,
    /// Arguments whose value is always the same. The others are addresses, descriptors, lengths, codes.
    pub(crate) args: [Option<u64>; 6],
}

impl Call {
    /// A call with no argument known in advance.
    const fn new(name: &'static str, number: libc::c_long) -> Call {
        Call { name, number: number as u32, args: [None; 6] }
    }
}

/// Turns the return value of `libc::syscall` into a result.
fn check(value: libc::c_long) -> Result<libc::c_long> {
    if value < 0 { Err(Errno::last()) } else { Ok(value) }
}
