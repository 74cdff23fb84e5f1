//! User namespaces: id maps, ids, and a second namespace where the plan asks for one (`user_namespaces(7)`).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::joins::join;
use super::tell::Remarks;
use crate::plan::{IdMaps, Maps, Plan, Root, Switch, UserIds};
use crate::protocol::{At, Descriptors, Failure, Outcome, Stage};
use crate::spec::{FsOp, path};
use crate::sys::mount::AT_FDCWD;
use crate::sys::ns::{self, NsSet};
use crate::sys::{Errno, Result, Spent, caps, content, open, process, statfs};

/// Path below a procfs of the limit on user namespaces. It is that of the namespace of whoever opens the file.
const LIMIT: &CStr = c"sys/user/max_user_namespaces";

/// Gives this process the ids that the plan wants in its user namespace.
pub(super) fn map_ids(ids: &UserIds, proc: BorrowedFd<'_>, spent: &mut Spent) -> Outcome<()> {
    match &ids.maps {
        Maps::None => switch_ids(ids.switch),
        Maps::From(_) => Ok(()),
        Maps::Own { outer, inner: _ } => write_maps(proc, outer, spent),
    }
}

/// Enters the second user namespace. Makes sure that no third one can be made, where the plan asks for that.
///
/// In best-effort mode the limit may be missing, as where `/proc/sys` is read-only (systemd's
/// `ProtectKernelTunables=`, containers): the caller is told. It takes powers away from nobody else.
pub(super) fn leave_behind(plan: &Plan, descriptors: &Descriptors, remarks: &Remarks<'_>) -> Outcome<()> {
    if let Some(fd) = plan.launch.joins.inner_user {
        join(descriptors, fd, NsSet::USER, Stage::JoinInnerUser)?;
    }
    if let Maps::Own { inner: Some(inner), outer: _ } = &plan.ids.maps {
        // The limit counts for the namespace in which it is written and everything below it; the next namespace uses
        // up the one that is left. It is written through the host's procfs: the box may have none.
        let mut spent = Spent::default();
        write(descriptors.proc(), LIMIT, b"1", &mut spent).stage(Stage::LimitUserNs)?;
        ns::unshare(NsSet::USER).stage(Stage::InnerUser)?;
        write_maps(descriptors.proc(), inner, &mut spent)?;
    }
    if plan.restrictions.lock.limit_userns {
        let limit = own_limit(&plan.root).map_or_else(|| open::write_at(descriptors.proc(), LIMIT), Ok);
        let limited = limit.and_then(|limit| content::write_all(limit.as_fd(), b"0")).stage(Stage::LimitUserNs);
        if let Err(failure) = limited {
            if !plan.root.best_effort {
                return Err(failure);
            }
            remarks.dropped(failure);
            return Ok(());
        }
    }
    if plan.restrictions.lock.assert_no_userns {
        // Any error is fine: only success shows that namespaces can still be made.
        match ns::unshare(NsSet::USER) {
            Err(_) => {}
            Ok(()) => return Err(Failure::new(Stage::UserNsNotDisabled, 0)),
        }
    }
    Ok(())
}

/// [`LIMIT`] in the sandbox's own procfs, if a new one is mounted.
///
/// Opening it in the host's procfs is slow: the kernel compares the names of all namespaces that are in use or were a
/// moment ago (fs/proc/proc_sysctl.c, `proc_sys_compare`). Where many sandboxes start one after the other, that takes
/// longer than any other step.
///
/// Anything may be mounted over it. So whether the limit holds is tested afterwards ([`Stage::UserNsNotDisabled`]).
fn own_limit(root: &Root) -> Option<OwnedFd> {
    let dest = root.ops.iter().rev().find_map(|op| if let FsOp::Proc { dest } = &op.fs { Some(dest) } else { None });
    let own = path::join(dest.filter(|_| root.fresh_proc)?, LIMIT);
    let limit = open::write_at(AT_FDCWD, &own).ok()?;
    statfs::is_procfs(limit.as_fd()).is_ok_and(|is_it| is_it).then_some(limit)
}

fn write_maps(proc: BorrowedFd<'_>, maps: &IdMaps, spent: &mut Spent) -> Outcome<()> {
    write(proc, c"self/uid_map", maps.uid.as_bytes(), spent).stage(Stage::UidMap)?;
    // Without this the kernel does not let an ordinary user map a group: dropping a group by setgroups(2) could give
    // access that its membership denies (CVE-2014-8989).
    write(proc, c"self/setgroups", b"deny", spent).stage(Stage::SetGroups)?;
    write(proc, c"self/gid_map", maps.gid.as_bytes(), spent).stage(Stage::GidMap)
}

fn write(proc: BorrowedFd<'_>, path: &CStr, content: &[u8], spent: &mut Spent) -> Result<()> {
    let fd = open::write_at(proc, path)?;
    // One write: the kernel takes a map in one piece or not at all.
    let written = content::write_all(fd.as_fd(), content);
    spent.add(fd);
    written
}

/// Switches to the plan's ids in a joined namespace, whose id maps exist already.
fn switch_ids(Switch { uid, gid }: Switch) -> Outcome<()> {
    if let Some(gid) = gid {
        process::set_gid(gid).stage(Stage::SwitchGid)?;
    }
    let Some(uid) = uid else { return Ok(()) };
    // The mounts still need the capabilities. A change from uid 0 would drop them (capabilities(7)).
    let before = caps::get().stage(Stage::SwitchCaps)?;
    caps::keep_over_setuid().stage(Stage::SwitchCaps)?;
    process::set_uid(uid).stage(Stage::SwitchUid)?;
    match caps::set(before) {
        // The namespace gave this process no capabilities in the first place.
        Err(Errno::EPERM) if before.permitted == 0 => Ok(()),
        result => result.stage(Stage::SwitchCaps),
    }
}
