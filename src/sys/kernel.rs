//! Probes of what the kernel can do. `pinfold doctor` uses them; a launch does not.

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use super::{Result, check, fd};

/// From include/uapi/linux/landlock.h.
const LANDLOCK_CREATE_RULESET_VERSION: u32 = 1;
const LANDLOCK_ACCESS_FS_MAKE_BLOCK: u64 = 1 << 11;

/// The first field of `struct landlock_ruleset_attr`, which every version has.
#[repr(C)]
struct Ruleset {
    handled_access_fs: u64,
}

/// The Landlock ABI version. `ENOSYS` if the kernel has no Landlock, `EOPNOTSUPP` if it was off at boot.
pub(crate) fn landlock_abi() -> Result<u32> {
    // SAFETY: with this flag the kernel takes no attributes.
    check(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<Ruleset>(),
            0usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    })
    .map(|version| version as u32)
}

/// Restricts this process by Landlock: it can create no block devices. The process must have `no_new_privs`.
pub(crate) fn restrict_by_landlock() -> Result<()> {
    let wanted = Ruleset { handled_access_fs: LANDLOCK_ACCESS_FS_MAKE_BLOCK };
    // SAFETY: `wanted` lives through the call, and its size is given; the kernel only reads it.
    let rules =
        check(unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const wanted, size_of::<Ruleset>(), 0) })?;
    let rules = fd::own(rules as i32);
    // SAFETY: plain numbers.
    check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) }).map(drop)
}

/// Whether the file at `path` has an extended attribute of this name.
pub(crate) fn has_attribute(path: &CStr, name: &CStr) -> bool {
    // SAFETY: both strings live through the call; there is no buffer, and its size is 0.
    unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) >= 0 }
}

/// An unpredictable number. It is zero early after boot, before the kernel's random number generator is ready.
pub(crate) fn random() -> u64 {
    let mut number = [0; 8];
    // SAFETY: `number` lives through the call, and the kernel is told its size.
    unsafe { libc::getrandom(number.as_mut_ptr().cast(), number.len(), libc::GRND_NONBLOCK) };
    u64::from_ne_bytes(number)
}
