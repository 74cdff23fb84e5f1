//! All rules that concern more than one field of a [`Spec`], in the order in which bubblewrap checks them.

use super::{FsOp, LandlockTier, NestedUserNs, Spec, UserNs};
use crate::error::{Error, ErrorKind, Field};

/// Two requests that exclude each other, or one that lacks another that it needs. Front ends use their own words for
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// `user_maps_from` without an explicitly new user namespace.
    MapsFromNeedsNewUser,
    /// `user_maps_from` without `info_fd`: nobody would learn whose maps to write.
    MapsFromNeedsInfo,
    /// `nested_userns` closed without an explicitly new user namespace.
    DisableNeedsNewUser,
    /// `nested_userns` closed with `user_maps_from`.
    DisableWithMapsFrom,
    /// There is no command.
    NoCommand,
    /// A user id other than the caller's without a user namespace.
    UidNeedsUser,
    /// A group id other than the caller's without a user namespace.
    GidNeedsUser,
    /// A host name without a new UTS namespace.
    HostnameNeedsUts,
    /// `as_pid_1` without a new PID namespace.
    Pid1NeedsPid,
    /// `as_pid_1` with lock files: no process would be left to hold them.
    Pid1WithLock,
    /// `wait_all` without a new PID namespace: nobody would know what is still running.
    WaitAllNeedsPid,
}

impl Conflict {
    /// The field with the request that is not granted.
    pub fn field(self) -> Field {
        match self {
            Conflict::MapsFromNeedsNewUser | Conflict::MapsFromNeedsInfo => Field::UserMapsFrom,
            Conflict::DisableNeedsNewUser | Conflict::DisableWithMapsFrom => Field::NestedUserNs,
            Conflict::NoCommand => Field::Command,
            Conflict::UidNeedsUser => Field::Uid,
            Conflict::GidNeedsUser => Field::Gid,
            Conflict::HostnameNeedsUts => Field::UtsNs,
            Conflict::WaitAllNeedsPid => Field::PidNs,
            Conflict::Pid1NeedsPid | Conflict::Pid1WithLock => Field::AsPid1,
        }
    }
}

impl From<Conflict> for Error {
    /// Uses the words of the library.
    fn from(conflict: Conflict) -> Error {
        let message = match conflict {
            Conflict::MapsFromNeedsNewUser => "others can write the id maps of a new user namespace only",
            Conflict::MapsFromNeedsInfo => {
                "who writes the id maps learns from info_fd whose they are, and there is none"
            }
            Conflict::DisableNeedsNewUser => "the limit of user namespaces belongs to a new user namespace",
            Conflict::DisableWithMapsFrom => "a second user namespace cannot be made where others write the id maps",
            Conflict::NoCommand => "no command is given",
            Conflict::UidNeedsUser => "another user id than the caller's takes a user namespace",
            Conflict::GidNeedsUser => "another group id than the caller's takes a user namespace",
            Conflict::HostnameNeedsUts => "a host name takes a new UTS namespace",
            Conflict::Pid1NeedsPid => "to be PID 1 takes a new PID namespace",
            Conflict::WaitAllNeedsPid => "to wait for everything inside takes a new PID namespace",
            Conflict::Pid1WithLock => "there is nobody to hold lock files where the program is PID 1",
        };
        Error::new(ErrorKind::Invalid, message).about(conflict.field())
    }
}

impl Spec {
    /// Checks all rules and returns the first that this spec breaks. `uid` and `gid` are the caller's real ids.
    ///
    /// [`UserNs::Try`] may turn out to mean no namespace. Then the plan refuses ids other than root's own.
    pub fn check(&self, uid: u32, gid: u32) -> Result<(), Conflict> {
        let Spec { namespaces, ids, ops, process, lockdown, lifecycle, report, best_effort: _, one_tmpfs: _ } = self;
        let new_user = namespaces.user == UserNs::New;
        let no_user = namespaces.user == UserNs::Auto && uid == 0;
        let closed = lockdown.nested_userns != NestedUserNs::Allow;
        let maps_from = namespaces.user_maps_from.is_some();
        let own_pids = namespaces.pid && lockdown.landlock.tier != LandlockTier::Only;
        let names_host = || ops.iter().any(|op| matches!(op.fs, FsOp::Hostname { .. }));
        let broken = [
            (maps_from && !new_user, Conflict::MapsFromNeedsNewUser),
            (maps_from && report.info_fd.is_none(), Conflict::MapsFromNeedsInfo),
            (closed && !new_user, Conflict::DisableNeedsNewUser),
            (closed && maps_from, Conflict::DisableWithMapsFrom),
            (process.command.is_empty(), Conflict::NoCommand),
            (no_user && ids.uid.is_some_and(|wanted| wanted != uid), Conflict::UidNeedsUser),
            (no_user && ids.gid.is_some_and(|wanted| wanted != gid), Conflict::GidNeedsUser),
            (!namespaces.uts && names_host(), Conflict::HostnameNeedsUts),
            (lifecycle.as_pid_1 && !namespaces.pid, Conflict::Pid1NeedsPid),
            (lifecycle.as_pid_1 && !lifecycle.lock_files.is_empty(), Conflict::Pid1WithLock),
            (lifecycle.wait_all && (!own_pids || lifecycle.as_pid_1), Conflict::WaitAllNeedsPid),
        ];
        broken.iter().find(|(is_broken, _)| *is_broken).map_or(Ok(()), |&(_, conflict)| Err(conflict))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_spec_breaks_no_rule_and_one_without_a_command_does() {
        assert_eq!(Spec::new(vec![c"true".into()]).check(0, 0), Ok(()));
        assert_eq!(Spec::new(Vec::new()).check(0, 0), Err(Conflict::NoCommand));
    }

    #[test]
    fn only_a_namespace_that_is_surely_made_can_be_closed_or_have_foreign_maps() {
        for user in [UserNs::Auto, UserNs::Try, UserNs::Join(3), UserNs::New] {
            let mut spec = Spec::new(vec![c"true".into()]);
            spec.namespaces.user = user;
            spec.lockdown.nested_userns = NestedUserNs::SecondNamespace;
            assert_eq!(spec.check(1000, 1000).is_ok(), user == UserNs::New, "{user:?}");
            spec.lockdown.nested_userns = NestedUserNs::Allow;
            (spec.namespaces.user_maps_from, spec.report.info_fd) = (Some(4), Some(5));
            assert_eq!(spec.check(1000, 1000).is_ok(), user == UserNs::New, "{user:?}");
        }
    }

    #[test]
    fn everything_can_be_waited_for_by_an_init_of_its_own_only() {
        let mut spec = Spec::new(vec![c"true".into()]);
        spec.lifecycle.wait_all = true;
        assert_eq!(spec.check(0, 0), Err(Conflict::WaitAllNeedsPid));
        spec.namespaces.pid = true;
        assert_eq!(spec.check(0, 0), Ok(()));
        spec.lifecycle.as_pid_1 = true;
        assert_eq!(spec.check(0, 0), Err(Conflict::WaitAllNeedsPid));
        spec.lifecycle.as_pid_1 = false;
        spec.lockdown.landlock.tier = LandlockTier::Only;
        assert_eq!(spec.check(0, 0), Err(Conflict::WaitAllNeedsPid));
    }

    #[test]
    fn root_without_a_namespace_keeps_its_ids() {
        let mut spec = Spec::new(vec![c"true".into()]);
        (spec.ids.uid, spec.ids.gid) = (Some(0), Some(7));
        assert_eq!(spec.check(0, 0), Err(Conflict::GidNeedsUser));
        assert_eq!(spec.check(0, 7), Ok(()));
        assert_eq!(spec.check(1000, 1000), Ok(()));
    }
}
