//! The last restrictions before the program starts: capabilities, filters, nested user namespaces.

use std::ffi::{CStr, CString};

use super::filter::{self, FilterContext, Filters};
use crate::error::Error;
use crate::host::Caller;
use crate::spec::{CapSet, Lockdown, NestedUserNs};

/// The restrictions that are applied last, just before the program starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    /// Capabilities that stay in the bounding set; all others are dropped. `None`: it is not changed.
    pub(crate) bounding: Option<CapSet>,
    /// The effective, permitted and inheritable set. `None`: they are not changed.
    pub(crate) caps: Option<CapSet>,
    /// The ambient set.
    pub(crate) ambient: CapSet,
    pub(crate) seccomp: Filters,
    /// Whether the limit of further user namespaces is set to 0.
    pub(crate) limit_userns: bool,
    /// Whether to check that no further user namespace can be made.
    pub(crate) assert_no_userns: bool,
    pub(crate) exec_label: Option<CString>,
}

/// Facts that the lock depends on, besides the spec.
pub(super) struct Own<'a> {
    /// Whether the sandbox has a user namespace of its own.
    pub(super) userns: bool,
    /// The effective capabilities of the caller, as a mask, if it is root; otherwise 0.
    pub(super) caps: u64,
    /// The kernel's release, if a filter may depend on it.
    pub(super) kernel: Option<&'a CStr>,
    /// Whether our process stays as init.
    pub(super) init: bool,
    /// Whether it does nothing special before the program starts, except for capabilities.
    pub(super) is_plain: bool,
    /// Whether it passes signals on to the program.
    pub(super) forwards: bool,
}

pub(super) fn lock(
    lockdown: Lockdown,
    caller: Caller,
    own: Own<'_>,
    exec_label: Option<CString>,
) -> Result<Lock, Error> {
    let Own { userns, caps: own, kernel, init, is_plain, forwards } = own;
    let limit_userns = lockdown.nested_userns == NestedUserNs::Limit && !second_userns(&lockdown);
    let Lockdown { caps, seccomp, landlock: _, settings_covered: _, nested_userns, assert_userns_disabled } = lockdown;
    let (bounding, caps) = match caps {
        // Root keeps what it has, unless the spec asks for less. In a user namespace it gets no more than it had
        // outside.
        None if caller.uid == 0 => (userns.then_some(CapSet(own)), None),
        None => (Some(CapSet::EMPTY), Some(CapSet::EMPTY)),
        Some(set) => (Some(set), Some(set)),
    };
    let is_plain = is_plain && caps == Some(CapSet::EMPTY);
    let around = FilterContext { caps: caps.unwrap_or(CapSet(own)), kernel, init, is_plain, forwards };
    Ok(Lock {
        bounding,
        ambient: caps.unwrap_or_default(),
        caps,
        seccomp: filter::filters(seccomp, around)?,
        limit_userns,
        assert_no_userns: nested_userns != NestedUserNs::Allow || assert_userns_disabled,
        exec_label,
    })
}

/// The lock of a program that stays in the host's user namespace. Capabilities are effective on the host there, so even
/// root keeps only those that it names.
pub(super) fn lock_on_host(lockdown: Lockdown, own: Own<'_>, exec_label: Option<CString>) -> Result<Lock, Error> {
    const SETPCAP: CapSet = CapSet(1 << 8);
    let Lockdown { caps, seccomp, landlock: _, settings_covered: _, nested_userns: _, assert_userns_disabled } =
        lockdown;
    let Own { userns: _, caps: own, kernel, init, is_plain, forwards } = own;
    // Only capabilities that the caller has can be kept: an ordinary user has none.
    let caps = CapSet(caps.unwrap_or(CapSet::EMPTY).0 & own);
    let seccomp = {
        let is_plain = is_plain && caps == CapSet::EMPTY;
        filter::filters(seccomp, FilterContext { caps, kernel, init, is_plain, forwards })?
    };
    Ok(Lock {
        // Reducing the bounding set takes CAP_SETPCAP. Without it, no_new_privs has the same effect: exec never grants
        // a capability that the process lacks.
        bounding: (own & SETPCAP.0 != 0).then_some(caps),
        ambient: caps,
        caps: Some(caps),
        seccomp,
        limit_userns: false,
        assert_no_userns: assert_userns_disabled,
        exec_label,
    })
}

/// `CAP_SYS_RESOURCE` (include/uapi/linux/capability.h).
const SYS_RESOURCE: u8 = 24;
/// `CAP_SYS_ADMIN`.
const SYS_ADMIN: u8 = 21;

/// Whether the program gets a second user namespace, which uses up the limit of the first one.
pub(super) fn second_userns(lockdown: &Lockdown) -> bool {
    match lockdown.nested_userns {
        NestedUserNs::Allow => false,
        // CAP_SYS_RESOURCE in the namespace of the limit would let the program raise the limit again (`set_permissions`
        // in kernel/ucount.c checks nothing else), so the program must live in another one. With CAP_SYS_ADMIN it could
        // unmount what covers denied paths.
        NestedUserNs::Limit => lockdown.caps.is_none_or(|caps| caps.has(SYS_RESOURCE) || caps.has(SYS_ADMIN)),
        NestedUserNs::SecondNamespace => true,
    }
}
