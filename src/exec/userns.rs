//! User namespaces: id maps, ids, and the second namespace where one is asked for (`user_namespaces(7)`).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::joins::join;
use crate::plan::{IdMaps, Maps, Plan, Root, Switch, UserIds};
use crate::protocol::{At, Descriptors, Failure, Outcome, Stage};
use crate::spec::{FsOp, path};
use crate::sys::mount::AT_FDCWD;
use crate::sys::ns::{self, NsSet};
use crate::sys::{Errno, Result, caps, file, process};

/// How many user namespaces may be made in the one of whoever looks, below a procfs.
const LIMIT: &CStr = c"sys/user/max_user_namespaces";

/// Gives this process the ids that the plan wants in its user namespace.
pub(super) fn become_somebody(ids: &UserIds, proc: BorrowedFd<'_>) -> Outcome<()> {
    match &ids.maps {
        Maps::None => switch_ids(ids.switch),
        Maps::From(_) => Ok(()),
        Maps::Own { outer, inner: _ } => write_maps(proc, outer),
    }
}

/// Moves on into the second user namespace, and makes sure that there is no third where that is asked for.
pub(super) fn leave_behind(plan: &Plan, descriptors: &Descriptors) -> Outcome<()> {
    if let Some(fd) = plan.launch.joins.inner_user {
        join(descriptors, fd, NsSet::USER, Stage::JoinInnerUser)?;
    }
    if let Maps::Own { inner: Some(inner), outer: _ } = &plan.ids.maps {
        // The limit counts for the namespace in which it is written and everything below it; the next namespace uses
        // up the one that is left. It is written through the host's procfs: the box may have none.
        write(descriptors.proc(), LIMIT, b"1").stage(Stage::LimitUserNs)?;
        ns::unshare(NsSet::USER).stage(Stage::InnerUser)?;
        write_maps(descriptors.proc(), inner)?;
    }
    if plan.restrictions.lock.limit_userns {
        let limit = own_limit(&plan.root).map_or_else(|| file::open_write_at(descriptors.proc(), LIMIT), Ok);
        limit.and_then(|limit| file::write_all(limit.as_fd(), b"0")).stage(Stage::LimitUserNs)?;
    }
    if plan.restrictions.lock.assert_no_userns {
        // Any refusal will do; only success is a failure.
        match ns::unshare(NsSet::USER) {
            Err(_) => {}
            Ok(()) => return Err(Failure::new(Stage::UserNsNotDisabled, 0)),
        }
    }
    Ok(())
}

/// [`LIMIT`] in the box's own procfs, if it has a new one. In the host's the kernel compares the names of all namespaces
/// that are in use or were a moment ago (fs/proc/proc_sysctl.c, `proc_sys_compare`): where many boxes start one after the
/// other, that takes longer than any other step.
///
/// What is mounted there may be anything. Whether the limit holds is tried afterwards ([`Stage::UserNsNotDisabled`]).
fn own_limit(root: &Root) -> Option<OwnedFd> {
    let dest = root.ops.iter().rev().find_map(|op| if let FsOp::Proc { dest } = &op.fs { Some(dest) } else { None });
    let own = path::join(dest.filter(|_| root.fresh_proc)?, LIMIT);
    let limit = file::open_write_at(AT_FDCWD, &own).ok()?;
    file::is_procfs(limit.as_fd()).is_ok_and(|is_it| is_it).then_some(limit)
}

fn write_maps(proc: BorrowedFd<'_>, maps: &IdMaps) -> Outcome<()> {
    write(proc, c"self/uid_map", maps.uid.as_bytes()).stage(Stage::UidMap)?;
    // Without this the kernel does not let an ordinary user map a group: dropping a group by setgroups(2) could give
    // access that its membership denies (CVE-2014-8989).
    write(proc, c"self/setgroups", b"deny").stage(Stage::SetGroups)?;
    write(proc, c"self/gid_map", maps.gid.as_bytes()).stage(Stage::GidMap)
}

fn write(proc: BorrowedFd<'_>, path: &CStr, content: &[u8]) -> Result<()> {
    let fd = file::open_write_at(proc, path)?;
    // One write: the kernel takes a map in one piece or not at all.
    file::write_all(fd.as_fd(), content)
}

/// In a joined namespace the maps are there already; this process becomes one of the ids that they have.
fn switch_ids(Switch { uid, gid }: Switch) -> Outcome<()> {
    if let Some(gid) = gid {
        process::set_gid(gid).stage(Stage::SwitchGid)?;
    }
    let Some(uid) = uid else { return Ok(()) };
    // The mounts still need the capabilities that leaving uid 0 would take away.
    let before = caps::get().stage(Stage::SwitchCaps)?;
    caps::keep_over_setuid().stage(Stage::SwitchCaps)?;
    process::set_uid(uid).stage(Stage::SwitchUid)?;
    match caps::set(before) {
        // The namespace gave us none in the first place.
        Err(Errno::EPERM) if before.permitted == 0 => Ok(()),
        result => result.stage(Stage::SwitchCaps),
    }
}
