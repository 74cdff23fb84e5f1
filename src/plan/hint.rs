//! Advice: the likely cause of a failure, and what to do about it. A pure table of (stage, error number, obstacles).

use crate::host::Obstacles;
use crate::plan::failure::{Act, Failure, Stage};
use crate::sys::Errno;

/// One line of advice, where the cause is known.
pub fn advice(failure: &Failure, host: &Obstacles) -> Option<String> {
    let errno = Errno::from_raw(failure.errno);
    let text = match (failure.stage, failure.act, errno) {
        (Stage::Clone | Stage::Net | Stage::InnerUser, _, Errno::EPERM | Errno::EACCES) => return Some(refused(host)),
        (Stage::Loopback | Stage::UidMap | Stage::GidMap | Stage::SetGroups, _, Errno::EPERM | Errno::EACCES)
        | (Stage::Root | Stage::Pivot | Stage::Slave, _, Errno::EPERM | Errno::EACCES)
            if host.apparmor_restricts =>
        {
            APPARMOR
        }
        (Stage::Clone | Stage::Net | Stage::CloneBelow, _, Errno::ENOSYS | Errno::EINVAL) => {
            "this kernel was built without a kind of namespace that is asked for; user_namespaces(7) names the options"
        }
        (Stage::Clone | Stage::Net | Stage::InnerUser, _, Errno::ENOSPC | Errno::EUSERS) => {
            return Some(exhausted(host));
        }
        (Stage::Op, Act::NewFs, Errno::EPERM) if host.proc_is_masked => {
            "parts of /proc are covered by other mounts, as in a container; the kernel then allows no new procfs: bind \
             /proc instead (--ro-bind /proc /proc), or start the container with an unmasked /proc"
        }
        (Stage::Op, Act::Attach | Act::Part, Errno::ENOSPC) => {
            "there are too many mounts for this namespace: raise the sysctl fs.mount-max or bind fewer paths"
        }
        (_, _, Errno::ENOSYS) => {
            "pinfold needs Linux 5.12 or newer (mount_setattr, openat2, close_range, pidfd_open), and no filter that \
             hides these calls"
        }
        (Stage::Op, Act::Source, Errno::ENOENT) => {
            "the source does not exist on the host; the -try form of the option skips it then"
        }
        (Stage::Op, Act::Source, Errno::EMFILE) | (Stage::DescriptorLimit, _, _) => {
            "every source is held open until its turn: raise the hard limit of open files (ulimit -Hn)"
        }
        (Stage::Op, Act::Source, Errno::EACCES) => {
            "you may not enter a directory on the way to the source; a box never gives more access than you have"
        }
        (Stage::Op, Act::Parents | Act::MakeDir | Act::MakeFile | Act::MakeLink, Errno::EROFS) => {
            "the place for it is missing below a read-only mount: make it exist there, or mount a --tmpfs above it first"
        }
        (Stage::Op, Act::NewFs, Errno::ENODEV) => "this kernel has no such filesystem, or its module is not loaded",
        (Stage::Prepare, _, Errno::EDEADLK) => {
            "a sandbox begins as a copy of the calling process, which may have one thread only: start it from a process \
             of its own"
        }
        (Stage::Exec, _, Errno::ENOENT) => {
            "the program is looked up inside the sandbox: it, its interpreter (#! line) and its loader must be bound"
        }
        (Stage::Exec, _, Errno::EACCES) => "the file is not executable for you, or lies on a mount with noexec",
        (Stage::JoinUser | Stage::JoinPid | Stage::JoinInnerUser, _, Errno::EBADF) => {
            "no such descriptor is open: pass it on to this program (a shell does it with N</proc/PID/ns/...)"
        }
        _ => return None,
    };
    Some(text.into())
}

const APPARMOR: &str = "AppArmor takes the powers of new user namespaces away (sysctl \
    kernel.apparmor_restrict_unprivileged_userns): install a profile for the path of this program that allows `userns,` \
    (packaging/apparmor has one)";

/// Why no namespace may be made at all.
fn refused(host: &Obstacles) -> String {
    if host.userns_clone_off {
        return "user namespaces are off for ordinary users: sysctl kernel.unprivileged_userns_clone=1".into();
    }
    if host.max_user_namespaces == Some(0) {
        return "user namespaces are off: sysctl user.max_user_namespaces is 0".into();
    }
    if host.apparmor_restricts {
        return APPARMOR.into();
    }
    if host.filtered {
        return "a system call filter around this program forbids new namespaces, as container engines do: allow \
                clone(2) with CLONE_NEWUSER in its profile"
            .into();
    }
    "the kernel or a security module forbids new user namespaces here (in a chroot, the kernel always does)".into()
}

fn exhausted(host: &Obstacles) -> String {
    match host.max_user_namespaces {
        Some(limit) if limit < 16 => {
            format!(
                "sysctl user.max_user_namespaces is {limit}, and that many exist; if this is a sandbox, it was made so"
            )
        }
        _ => "namespaces are nested 32 deep at most, and as many as the sysctls user.max_*_namespaces allow".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(stage: Stage, act: Act, errno: Errno, host: Obstacles) -> Option<String> {
        advice(&Failure { act, ..Failure::new(stage, errno as i32) }, &host)
    }

    #[test]
    fn each_obstacle_has_its_own_advice() {
        let none = Obstacles::default();
        let cases = [
            (Obstacles { userns_clone_off: true, ..none }, "unprivileged_userns_clone"),
            (Obstacles { max_user_namespaces: Some(0), ..none }, "max_user_namespaces"),
            (Obstacles { apparmor_restricts: true, ..none }, "AppArmor"),
            (Obstacles { filtered: true, ..none }, "filter"),
            (none, "security module"),
        ];
        for (host, word) in cases {
            let text = with(Stage::Clone, Act::Whole, Errno::EPERM, host).unwrap();
            assert!(text.contains(word), "{text}");
        }
        let loopback = with(Stage::Loopback, Act::Whole, Errno::EPERM, Obstacles { apparmor_restricts: true, ..none });
        assert!(loopback.unwrap().contains("apparmor_restrict_unprivileged_userns"));
        assert_eq!(with(Stage::Loopback, Act::Whole, Errno::EPERM, none), None);
    }

    #[test]
    fn what_failed_chooses_the_advice() {
        let none = Obstacles::default();
        let cases = [
            (Stage::Clone, Act::Whole, Errno::ENOSPC, "nested 32"),
            (Stage::Op, Act::Source, Errno::ENOENT, "-try"),
            (Stage::Op, Act::Source, Errno::EMFILE, "ulimit"),
            (Stage::Op, Act::Attach, Errno::ENOSPC, "mount-max"),
            (Stage::Op, Act::NewFs, Errno::ENOSYS, "5.12"),
            (Stage::Control, Act::Whole, Errno::ENOSYS, "5.12"),
            (Stage::Op, Act::Parents, Errno::EROFS, "read-only"),
            (Stage::Exec, Act::Whole, Errno::ENOENT, "inside"),
        ];
        for (stage, act, errno, word) in cases {
            let text = with(stage, act, errno, none).unwrap();
            assert!(text.contains(word), "{text}");
            assert!(!text.contains('\n'));
        }
        let masked = with(Stage::Op, Act::NewFs, Errno::EPERM, Obstacles { proc_is_masked: true, ..none });
        assert!(masked.unwrap().contains("/proc"));
        let few = with(Stage::Clone, Act::Whole, Errno::ENOSPC, Obstacles { max_user_namespaces: Some(1), ..none });
        assert!(few.unwrap().contains("is 1"));
        assert_eq!(with(Stage::Chdir, Act::Whole, Errno::ENOENT, none), None);
    }
}
