//! What the program may not do: capabilities, filters, further namespaces.

use std::ffi::{CStr, CString};

use super::filter::{self, FilterContext, Filters};
use crate::error::Error;
use crate::host::Caller;
use crate::spec::{CapSet, Lockdown, NestedUserNs};

/// The last steps before the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lock {
    /// Nothing outside of this set stays in the bounding set.
    pub(crate) bounding: Option<CapSet>,
    /// Effective, permitted and inheritable set.
    pub(crate) caps: Option<CapSet>,
    /// Ambient set of the program.
    pub(crate) ambient: CapSet,
    pub(crate) seccomp: Filters,
    /// Set the limit of further user namespaces to 0.
    pub(crate) limit_userns: bool,
    /// Check that no further user namespace can be made.
    pub(crate) assert_no_userns: bool,
    pub(crate) exec_label: Option<CString>,
}

/// What the lock depends on, besides what is wanted.
pub(super) struct Own<'a> {
    /// There is a user namespace of the box's.
    pub(super) userns: bool,
    /// Root's capabilities.
    pub(super) caps: u64,
    /// The kernel's release, where a filter may ask for it.
    pub(super) kernel: Option<&'a CStr>,
    /// A process of ours stays inside.
    pub(super) init: bool,
    /// It does nothing special before the program starts, besides what capabilities need.
    pub(super) is_plain: bool,
}

pub(super) fn lock(
    lockdown: Lockdown,
    caller: Caller,
    own: Own<'_>,
    exec_label: Option<CString>,
) -> Result<Lock, Error> {
    let Own { userns, caps: own, kernel, init, is_plain } = own;
    let limit_userns = lockdown.nested_userns == NestedUserNs::Limit && !second_userns(&lockdown);
    let Lockdown { caps, seccomp, landlock: _, settings_covered: _, nested_userns, assert_userns_disabled } = lockdown;
    let (bounding, caps) = match caps {
        // Root keeps what it has, unless it asks for less. In a user namespace that is no more than it had outside.
        None if caller.uid == 0 => (userns.then_some(CapSet(own)), None),
        None => (Some(CapSet::EMPTY), Some(CapSet::EMPTY)),
        Some(set) => (Some(set), Some(set)),
    };
    let is_plain = is_plain && caps == Some(CapSet::EMPTY);
    let around = FilterContext { caps: caps.unwrap_or(CapSet(own)), kernel, init, is_plain };
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

/// The lock of a program that stays in the host's user namespace. There capabilities are real, and root keeps none
/// either unless it names them.
pub(super) fn lock_on_host(lockdown: Lockdown, own: Own<'_>, exec_label: Option<CString>) -> Result<Lock, Error> {
    const SETPCAP: CapSet = CapSet(1 << 8);
    let Lockdown { caps, seccomp, landlock: _, settings_covered: _, nested_userns: _, assert_userns_disabled } =
        lockdown;
    let Own { userns: _, caps: own, kernel, init, is_plain } = own;
    // What is not there cannot be kept: for an ordinary user, nothing is.
    let caps = CapSet(caps.unwrap_or(CapSet::EMPTY).0 & own);
    let seccomp = {
        let is_plain = is_plain && caps == CapSet::EMPTY;
        filter::filters(seccomp, FilterContext { caps, kernel, init, is_plain })?
    };
    Ok(Lock {
        // Only who has the capability for it may reduce the bounding set. For others no_new_privs does the same: no
        // exec gives what is not held.
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

/// Whether the program lives in a second user namespace, whose making uses up the limit of the first.
pub(super) fn second_userns(lockdown: &Lockdown) -> bool {
    match lockdown.nested_userns {
        NestedUserNs::Allow => false,
        // With CAP_SYS_RESOURCE in its own namespace the program could raise the limit again (`set_permissions` in
        // kernel/ucount.c asks for nothing else), so it must not be the namespace of the limit. With CAP_SYS_ADMIN it
        // could unmount what covers denied paths.
        NestedUserNs::Limit => lockdown.caps.is_none_or(|caps| caps.has(SYS_RESOURCE) || caps.has(SYS_ADMIN)),
        NestedUserNs::SecondNamespace => true,
    }
}
