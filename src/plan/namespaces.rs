//! Which namespaces a sandbox makes or joins, and how ids are mapped.

use crate::host::Caller;
use crate::spec::{FdNumber, Ids, Namespaces, NestedUserNs, Spec, Unshare, UserNs};
use crate::sys::ns::NsSet;

/// Namespaces to join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Joins {
    /// User namespace, joined before anything else.
    pub user: Option<FdNumber>,
    /// User namespace, joined after the root is complete.
    pub inner_user: Option<FdNumber>,
    /// PID namespace.
    pub pid: Option<FdNumber>,
    /// Whether a new PID namespace is made below the joined one.
    pub pid_below: bool,
}

/// What the setup process waits for before the program starts.
///
/// The supervisor must not be open to inspection once the program runs. But it can inspect the setup process only while
/// that process can inspect it. So it closes itself just before it sends what the setup process waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nothing. The supervisor closes itself before it makes the setup process.
    AtOnce,
    /// For the network namespace, once its root is done. A helper makes that namespace meanwhile.
    NetworkBeside,
    /// For a message before it begins. Others write its id maps or want to know about it, or it lives below a joined
    /// PID namespace.
    Held,
}

impl Joins {
    /// Whether a namespace is joined before any is made.
    pub(crate) fn are_first(&self) -> bool {
        self.user.is_some() || self.pid.is_some()
    }
}

/// Who writes the id maps (`user_namespaces(7)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Maps {
    /// There is no new user namespace.
    None,
    /// Another process, which sends a byte to this descriptor when it is done.
    From(FdNumber),
    /// The new process itself.
    Own {
        outer: IdMaps,
        /// The maps of a second namespace, made once the root is complete. It uses up the limit of the first one.
        inner: Option<IdMaps>,
    },
}

/// The content of `uid_map` and `gid_map`.
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

/// Ids to switch to in a joined user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// User id.
    pub uid: Option<u32>,
    /// Group id.
    pub gid: Option<u32>,
}

/// Removes everything that needs a namespace from a spec. It has already been refused or dropped by name.
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

/// The namespaces that `clone(2)` makes, and what the setup process waits for. `is_told`: somebody wants to know about
/// the sandbox before it begins.
///
/// Making a network namespace takes as long as all mounts together. So a helper outside makes it meanwhile, unless the
/// setup process is held. The helper enters the user namespace of the sandbox, where no process of the sandbox may see
/// it. So the sandbox must have a PID namespace of its own.
pub(super) fn new_namespaces(
    wanted: &Namespaces,
    (new_mount, new_user): (bool, bool),
    has_cgroup_ns: bool,
    is_told: bool,
) -> (NsSet, Start) {
    let &Namespaces { user: _, user_inner: _, user_maps_from, pid, pid_join, net, ipc, uts, cgroup } = wanted;
    // Only a process in the joined PID namespace can make one below it.
    let new_pid = pid && pid_join.is_none();
    let is_held = is_told || new_user && user_maps_from.is_some() || pid && pid_join.is_some();
    let start = match () {
        () if is_held => Start::Held,
        () if net && new_user && new_pid => Start::NetworkBeside,
        () => Start::AtOnce,
    };
    let set = NsSet::NONE
        .with_if(new_mount, NsSet::MOUNT)
        .with_if(new_user, NsSet::USER)
        .with_if(new_pid, NsSet::PID)
        .with_if(net && start != Start::NetworkBeside, NsSet::NET)
        .with_if(ipc, NsSet::IPC)
        .with_if(uts, NsSet::UTS)
        .with_if(cgroup != Unshare::Share && has_cgroup_ns, NsSet::CGROUP);
    (set, start)
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
