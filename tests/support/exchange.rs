//! Two names change places.
#![allow(unsafe_code)] // nix has renameat2 for glibc only

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Exchanges what is at two paths, in one step (`RENAME_EXCHANGE`).
pub(crate) fn exchange(one: &Path, other: &Path) {
    let [one, other] = [one, other].map(|path| CString::new(path.as_os_str().as_bytes()).expect("no NUL in a path"));
    let (here, flags) = (libc::AT_FDCWD, libc::RENAME_EXCHANGE);
    // SAFETY: both paths are live C strings, and the kernel only reads them.
    let result = unsafe { libc::syscall(libc::SYS_renameat2, here, one.as_ptr(), here, other.as_ptr(), flags) };
    assert_eq!(result, 0, "exchange: {}", io::Error::last_os_error());
}
