//! Capabilities (`capabilities(7)`). Sets are bit masks: bit n is capability number n.

use super::{Errno, Result, check};

/// From include/uapi/linux/capability.h: each set has two 32-bit words.
const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;

/// The last capability of Linux 5.9.
const CAP_CHECKPOINT_RESTORE: libc::c_ulong = 40;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The three sets that `capget(2)` reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Caps {
    pub(crate) effective: u64,
    pub(crate) permitted: u64,
    pub(crate) inheritable: u64,
}

impl Caps {
    /// All three sets are `set`.
    pub(crate) fn same(set: u64) -> Caps {
        Caps { effective: set, permitted: set, inheritable: set }
    }
}

pub(crate) fn get() -> Result<Caps> {
    let header = Header { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let mut data = [Data::default(); 2];
    // SAFETY: with version 3 the kernel writes two `Data`; both pointers live through the call.
    check(unsafe { libc::syscall(libc::SYS_capget, &raw const header, data.as_mut_ptr()) })?;
    let join = |field: fn(&Data) -> u32| u64::from(field(&data[0])) | u64::from(field(&data[1])) << 32;
    Ok(Caps {
        effective: join(|d| d.effective),
        permitted: join(|d| d.permitted),
        inheritable: join(|d| d.inheritable),
    })
}

pub(crate) fn set(caps: Caps) -> Result<()> {
    let header = Header { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let half = |shift: u32| Data {
        effective: (caps.effective >> shift) as u32,
        permitted: (caps.permitted >> shift) as u32,
        inheritable: (caps.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: with version 3 the kernel reads two `Data`; both pointers live through the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) }).map(drop)
}

/// Whether capability `number` is in the bounding set. `None` if the kernel does not know the capability.
pub(crate) fn in_bounding_set(number: u8) -> Option<bool> {
    prctl(libc::PR_CAPBSET_READ, number.into(), 0).ok().map(|value| value == 1)
}

/// Drops every capability that is not in `keep` from the bounding set. There is no call that drops several at once.
pub(crate) fn limit_bounding_set(keep: u64) -> Result<()> {
    for number in 0..64 {
        if keep & (1 << number) != 0 {
            continue;
        }
        match prctl(libc::PR_CAPBSET_DROP, number, 0) {
            Ok(_) => {}
            // The first unknown number ends the list. Every kernel that gets here (5.12 or later) knows the
            // capabilities up to CAP_CHECKPOINT_RESTORE.
            Err(Errno::EINVAL) if number > CAP_CHECKPOINT_RESTORE => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Adds each capability of `set` to the ambient set.
pub(crate) fn raise_ambient(set: u64) -> Result<()> {
    for number in (0..64).filter(|number| set & (1 << number) != 0) {
        prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong, number)?;
    }
    Ok(())
}

/// Keeps the permitted set when the user id changes from 0 to another (`PR_SET_KEEPCAPS`).
pub(crate) fn keep_over_setuid() -> Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, 1, 0).map(drop)
}

fn prctl(option: libc::c_int, arg2: libc::c_ulong, arg3: libc::c_ulong) -> Result<libc::c_int> {
    // SAFETY: none of the options used in this file takes a pointer.
    Errno::result(unsafe { libc::prctl(option, arg2, arg3, 0, 0) })
}
