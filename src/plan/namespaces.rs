//! Which namespaces a box has, and whose ids: made, joined, mapped.

use crate::host::Caller;
use crate::spec::{FdNumber, Ids, Namespaces, NestedUserNs, Spec, Unshare, UserNs};
use crate::sys::ns::NsSet;

/// Namespaces that are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joins {
    /// User namespace, before anything else.
    pub user: Option<FdNumber>,
    /// User namespace, after the root is complete.
    pub inner_user: Option<FdNumber>,
    /// PID namespace.
    pub pid: Option<FdNumber>,
    /// A new PID namespace is made below the joined one.
    pub pid_below: bool,
}

/// Who writes the id maps, and what (`user_namespaces(7)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Maps {
    /// There is no new user namespace.
    None,
    /// Somebody else, who sends a byte to this descriptor when it is done.
    From(FdNumber),
    /// The new process itself.
    Own {
        outer: IdMaps,
        /// Once the root is complete, a second namespace whose making uses up the limit of the first.
        inner: Option<IdMaps>,
    },
}

/// Content of `uid_map` and `gid_map`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdMaps {
    pub(crate) uid: String,
    pub(crate) gid: String,
}

impl IdMaps {
    pub(super) fn new(inside: (u32, u32), outside: (u32, u32)) -> IdMaps {
        IdMaps { uid: format!("{} {} 1\n", inside.0, outside.0), gid: format!("{} {} 1\n", inside.1, outside.1) }
    }
}

/// Ids to become in a joined user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// User id.
    pub uid: Option<u32>,
    /// Group id.
    pub gid: Option<u32>,
}

/// Takes out of a spec what takes a namespace: it has been refused or dropped by name.
pub(super) fn forget_namespaces(spec: &mut Spec) {
    let plain = Spec::new(Vec::new());
    (spec.namespaces, spec.ids) = (plain.namespaces, plain.ids);
    spec.lockdown.nested_userns = NestedUserNs::Allow;
    spec.lifecycle.as_pid_1 = false;
}

/// Whether a user namespace is made, and which one is joined.
pub(super) fn user_namespace(wanted: UserNs, caller: Caller, can_be_had: bool) -> (bool, Option<FdNumber>) {
    match wanted {
        UserNs::Join(fd) => (false, Some(fd)),
        UserNs::New => (true, None),
        UserNs::Auto => (caller.uid != 0, None),
        UserNs::Try => (caller.uid != 0 || can_be_had, None),
    }
}

/// The namespaces that `clone(2)` makes, and whether the supervisor makes that of the network meanwhile.
///
/// Making a network namespace takes longer than the mounts, and the supervisor has nothing else to do, unless the box
/// is `held` until somebody has been told about it. It moves into the user namespace of the box for it, where nobody
/// inside shall see it: so the box must have processes of its own.
pub(super) fn new_namespaces(
    wanted: &Namespaces,
    (new_mount, new_user): (bool, bool),
    has_cgroup_ns: bool,
    held: bool,
) -> (NsSet, bool) {
    let &Namespaces { user: _, user_inner: _, user_maps_from: _, pid, pid_join, net, ipc, uts, cgroup } = wanted;
    // Below a joined one it takes a process that is in there.
    let new_pid = pid && pid_join.is_none();
    let net_meanwhile = net && new_user && new_pid && !held;
    let set = NsSet::NONE
        .with_if(new_mount, NsSet::MOUNT)
        .with_if(new_user, NsSet::USER)
        .with_if(new_pid, NsSet::PID)
        .with_if(net && !net_meanwhile, NsSet::NET)
        .with_if(ipc, NsSet::IPC)
        .with_if(uts, NsSet::UTS)
        .with_if(cgroup != Unshare::Share && has_cgroup_ns, NsSet::CGROUP);
    (set, net_meanwhile)
}

pub(super) fn maps(ids: Ids, caller: Caller, from: Option<FdNumber>, second: bool, new_user: bool) -> Maps {
    let inside = (ids.uid.unwrap_or(caller.uid), ids.gid.unwrap_or(caller.gid));
    match from {
        _ if !new_user => Maps::None,
        Some(fd) => Maps::From(fd),
        None => Maps::Own {
            outer: IdMaps::new(inside, (caller.uid, caller.gid)),
            inner: second.then(|| IdMaps::new(inside, inside)),
        },
    }
}
