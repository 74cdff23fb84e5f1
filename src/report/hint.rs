//! Hints: the likely cause of a failure, and what to do about it. A pure table of (stage, error number, obstacles).

use crate::error::{MISSING_CALL, MORE_FILES};
use crate::host::Obstacles;
use crate::protocol::{Act, Failure, Stage};
use crate::spec::{FsOp, Source};
use crate::sys::Errno;

/// A front end's terms in hints, where front ends differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// How to skip a bind with a missing source: a clause.
    pub(crate) skip_missing: &'static str,
    /// How to skip an overlay with a missing layer, if that is possible: a clause.
    pub(crate) skip_missing_layer: Option<&'static str>,
    /// What to do if the kernel allows no new procfs: the text after a colon.
    pub(crate) no_new_procfs: &'static str,
    /// The option for a new IPC namespace.
    pub(crate) new_ipc: &'static str,
    /// The option for a tmpfs.
    pub(crate) tmpfs: &'static str,
}

/// Describes other hard links of denied files that were not found. The name of a directory or mount may follow.
pub(crate) fn links_left(failure: &Failure) -> String {
    let files = match failure.count {
        1 => "1 file has more hard links".to_owned(),
        count => format!("{count} files have more hard links"),
    };
    match failure.act {
        Act::Unlisted => files + ", which may be in a directory that cannot be listed,",
        Act::Hidden => files + ", which may be in what is hidden by the mount at",
        Act::NotFound => files + ", which were not found, and may be shown by another kind of filesystem, at",
        _ => files + " outside of what this sandbox shows: nothing inside reaches them",
    }
}

/// One line of advice, if the cause is known. `op` is the operation that failed, if one did. `terms` are those of the
/// front end.
pub(crate) fn advice(failure: &Failure, op: Option<&FsOp>, host: &Obstacles, terms: &Terms) -> Option<String> {
    let errno = Errno::from_raw(failure.errno);
    let text = match (failure.stage, failure.act, errno) {
        (Stage::Clone | Stage::Net | Stage::InnerUser, _, Errno::EPERM | Errno::EACCES) => return Some(refused(host)),
        (Stage::Loopback | Stage::UidMap | Stage::GidMap | Stage::SetGroups, _, Errno::EPERM | Errno::EACCES)
        | (Stage::Root | Stage::Pivot | Stage::Slave, _, Errno::EPERM | Errno::EACCES)
            if host.apparmor_restricts =>
        {
            APPARMOR
        }
        // These are the first mounts. A process that may create a mount namespace may change mounts in it, unless
        // Landlock forbids it (Documentation/userspace-api/landlock.rst, "Filesystem topology modification").
        (Stage::Root | Stage::Pivot | Stage::Slave, _, Errno::EPERM) => {
            "something around this program refuses mounts, as Landlock does in a sandbox: inside one of `pinfold run`, \
             begin that with --landlock off"
        }
        (Stage::Clone | Stage::Net | Stage::CloneBelow, _, Errno::ENOSYS | Errno::EINVAL) => {
            "this kernel was built without a kind of namespace that is asked for; user_namespaces(7) names the options"
        }
        (Stage::Net, _, Errno::ENOSPC | Errno::EUSERS) => {
            "no further network namespace may be made: sysctl user.max_net_namespaces, here or in a namespace above"
        }
        (Stage::Clone | Stage::InnerUser, _, Errno::ENOSPC | Errno::EUSERS) => {
            return Some(exhausted(host));
        }
        (Stage::Clone | Stage::CloneBelow | Stage::Spawn, _, Errno::EAGAIN) => {
            "no further process may be made: raise the limit of your processes (ulimit -u), or pids.max of the control group"
        }
        (_, _, Errno::EFBIG) => "raise the limit of the size of files (ulimit -f); files in memory count as well",
        (Stage::Op, Act::Missing, _) => {
            "nothing can be held there without leaving a file on the host: create it on the host before, or make its \
             directory read-only"
        }
        (Stage::Op, Act::NoMatch, _) => {
            "a pattern is for what exists inside when the sandbox starts; in /proc, /sys and a new /dev for nothing but files \
             of the host that are mounted there"
        }
        (Stage::Op, Act::OfProcess, _) => "deny /proc as a whole, or leave it out of the sandbox",
        (Stage::Op, Act::Look, Errno::EACCES) => {
            "its files can be opened by name, but not be found: begin the pattern further down, or leave out what shows it"
        }
        (Stage::Op, Act::Unlisted, _) => {
            "remove the other links (find -inum, or find -samefile, shows them), deny that directory too, or leave out \
             what shows it"
        }
        (Stage::Op, Act::Hidden, _) => {
            "they would be seen in the sandbox when that is unmounted on the host: unmount it first (umount), remove the \
             other links (find -samefile shows them), or show the directory read-only"
        }
        (Stage::Op, Act::Whole | Act::Attach | Act::Match | Act::Keep | Act::Elsewhere, Errno::ENOSPC)
            if matches!(op, Some(FsOp::Deny { .. })) =>
        {
            "there are too many mounts for this namespace, one for each match and one for each directory that is kept in \
             its place: deny a directory above them, begin the pattern with **, or raise the sysctl fs.mount-max"
        }
        (Stage::Op, Act::Look | Act::Match, Errno::EMFILE) => {
            "each directory on the way down is held open: raise the limit of open files (ulimit -n)"
        }
        (Stage::Op, Act::Whole | Act::Match, Errno::EBUSY) if matches!(op, Some(FsOp::Deny { .. })) => {
            "it is the root of the sandbox: nothing would be left, not even the program"
        }
        (Stage::Op, Act::Whole | Act::Match, Errno::ELOOP) if matches!(op, Some(FsOp::Deny { .. })) => {
            "its links lead in a circle, which opens nothing: remove the link; or they lead through /proc to something that \
             each process has of its own: deny what that is by its own path"
        }
        (Stage::Op, _, Errno::ESTALE) if matches!(op, Some(FsOp::Deny { .. })) => {
            "it was removed from its directory on the host, and a mount shows it still, which nothing can cover: unmount it \
             there (umount), or put something else in its place"
        }
        (Stage::Op, Act::Look, Errno::ENAMETOOLONG) => {
            "patterns are looked for in 1000 directories below each other: deny a directory above, or begin the pattern \
             further down"
        }
        (Stage::Op, _, Errno::ENAMETOOLONG) => {
            "a name has 255 bytes at most, and a path 4095: name a directory above it instead"
        }
        (Stage::Op, Act::NewFs, Errno::EINVAL) if matches!(op, Some(FsOp::Overlay { .. })) => {
            "something is mounted below that directory, of which the kernel makes no overlay in a user namespace: unmount \
             it, or name directories beside it; or overlays lie on one another, of which two are the most"
        }
        (Stage::Op, Act::NewFs, Errno::EPERM) if host.proc_is_masked => {
            return Some(format!(
                "parts of /proc are covered by other mounts, as in a container; the kernel then allows no new procfs: {}, or \
                 start the container with an unmasked /proc",
                terms.no_new_procfs
            ));
        }
        (Stage::Op, Act::Attach | Act::Part, Errno::ENOSPC) => {
            "there are too many mounts for this namespace: raise the sysctl fs.mount-max or bind fewer paths"
        }
        (_, _, Errno::ENOSYS) => MISSING_CALL,
        (Stage::Op, Act::Source, Errno::ENOENT) => match op {
            Some(FsOp::Bind { source: Source::Path(_), .. }) => {
                return Some(format!("the source does not exist on the host; {}", terms.skip_missing));
            }
            Some(FsOp::Bind { source: Source::Fd(_), .. }) => NO_DESCRIPTOR,
            Some(FsOp::Overlay { .. }) => {
                let skip = terms.skip_missing_layer.map_or_else(String::new, |skip| format!("; {skip}"));
                return Some(format!("the source does not exist on the host{skip}"));
            }
            _ => "the source does not exist on the host",
        },
        (Stage::Op, Act::NewFs, Errno::EPERM) if matches!(op, Some(FsOp::Mqueue { .. })) => {
            return Some(format!(
                "message queues belong to an IPC namespace, and only a new one is the sandbox's to mount: {}",
                terms.new_ipc
            ));
        }
        (Stage::Op, _, Errno::EPERM) if host.filtered => {
            "a system call filter around this program may forbid mounts, as those of container engines do"
        }
        (Stage::Op, Act::Source, Errno::EMFILE) | (Stage::DescriptorLimit, _, _) => {
            "every source is held open until its turn: raise the hard limit of open files (ulimit -Hn)"
        }
        (_, _, Errno::EMFILE) => MORE_FILES,
        (Stage::Op, Act::Source, Errno::EACCES) => {
            "you may not enter a directory on the way to the source; a box never gives more access than you have"
        }
        (Stage::Op, Act::Parents | Act::MakeDir | Act::MakeFile | Act::MakeLink, Errno::EROFS) => {
            return Some(format!(
                "the place for it is missing below a read-only mount: make it exist there, or mount a {} above it first",
                terms.tmpfs
            ));
        }
        (Stage::Op, Act::NewFs, Errno::ENODEV) => "this kernel has no such filesystem, or its module is not loaded",
        (Stage::Prepare, _, Errno::EDEADLK) => {
            "a sandbox begins as a copy of the calling process, which may have one thread only: of the library, \
             `spawn` starts it from any"
        }
        (Stage::Exec, _, Errno::ENOENT) => {
            "the program is looked up inside the sandbox: it, its interpreter (#! line) and its loader must be visible there"
        }
        (Stage::Exec, _, Errno::EACCES) => "the file is not executable for you, or lies on a mount with noexec",
        (Stage::Report, _, Errno::EBADF) => "no such descriptor is open for writing: a shell opens it with N>FILE",
        (Stage::JoinUser | Stage::JoinPid | Stage::JoinInnerUser, _, Errno::EBADF) => NO_DESCRIPTOR,
        (Stage::JoinUser | Stage::JoinPid | Stage::JoinInnerUser, _, Errno::EINVAL) => {
            "the descriptor must refer to a namespace of this kind, as one of /proc/PID/ns/user or /proc/PID/ns/pid does"
        }
        (Stage::Restrict, _, Errno::E2BIG) => {
            "there are 16 layers of Landlock rules around this process, and no more may be"
        }
        (Stage::Chdir, _, Errno::ENOENT) => {
            return Some(format!(
                "the directory must exist inside the sandbox: show it there, or make an empty one with {}",
                terms.tmpfs
            ));
        }
        _ => return None,
    };
    Some(text.into())
}

const NO_DESCRIPTOR: &str =
    "no such descriptor is open: pass it on to this program (a shell does it with N</proc/PID/ns/... or N<DIRECTORY)";

const APPARMOR: &str = "AppArmor takes the powers of new user namespaces away (sysctl \
    kernel.apparmor_restrict_unprivileged_userns): install a profile for the path of this program that allows `userns,` \
    (packaging/apparmor has one)";

/// The reason why no namespace can be created.
fn refused(host: &Obstacles) -> String {
    if host.userns_clone_off {
        return "user namespaces are off for ordinary users (sysctl kernel.unprivileged_userns_clone is 0); `pinfold \
                doctor` says what can be done"
            .into();
    }
    if host.max_user_namespaces == Some(0) {
        return "user namespaces are off: sysctl user.max_user_namespaces is 0; if this is a sandbox, it was made so (one \
                of `pinfold run` lets others run inside with --allow-userns --landlock off)"
            .into();
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
    if let Some(kind) = host.no_namespaces {
        return format!("namespaces of one kind are off: sysctl user.max_{kind}_namespaces is 0");
    }
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

    const TERMS: Terms = Terms {
        skip_missing: "SKIP",
        skip_missing_layer: Some("SKIP-LAYER"),
        no_new_procfs: "NO-PROC",
        new_ipc: "NEW-IPC",
        tmpfs: "TMPFS",
    };

    fn with(stage: Stage, act: Act, errno: Errno, host: Obstacles) -> Option<String> {
        with_op(stage, act, errno, host, None)
    }

    fn with_op(stage: Stage, act: Act, errno: Errno, host: Obstacles, op: Option<&FsOp>) -> Option<String> {
        advice(&Failure { act, ..Failure::new(stage, errno as i32) }, op, &host, &TERMS)
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
            (Stage::Op, Act::Source, Errno::ENOENT, "does not exist"),
            (Stage::Op, Act::Source, Errno::EMFILE, "ulimit"),
            (Stage::Op, Act::Attach, Errno::ENOSPC, "mount-max"),
            (Stage::Op, Act::NewFs, Errno::ENOSYS, "5.12"),
            (Stage::Control, Act::Whole, Errno::ENOSYS, "5.12"),
            (Stage::Op, Act::Parents, Errno::EROFS, "read-only"),
            (Stage::Exec, Act::Whole, Errno::ENOENT, "inside"),
            (Stage::Restrict, Act::Whole, Errno::E2BIG, "16 layers"),
            (Stage::Root, Act::Whole, Errno::EPERM, "--landlock off"),
            (Stage::Op, Act::Whole, Errno::ENAMETOOLONG, "255 bytes"),
            (Stage::Op, Act::Look, Errno::ENAMETOOLONG, "1000 directories"),
        ];
        for (stage, act, errno, word) in cases {
            let text = with(stage, act, errno, none).unwrap();
            assert!(text.contains(word), "{text}");
            assert!(!text.contains('\n'));
            // But for the sandbox around this one.
            assert!(!text.replace("--allow-userns", "").replace("--landlock off", "").contains("--"), "{text}");
        }
        let masked = with(Stage::Op, Act::NewFs, Errno::EPERM, Obstacles { proc_is_masked: true, ..none });
        assert!(masked.unwrap().contains(": NO-PROC, or"));
        let few = with(Stage::Clone, Act::Whole, Errno::ENOSPC, Obstacles { max_user_namespaces: Some(1), ..none });
        assert!(few.unwrap().contains("is 1"));
        let off = with(Stage::Clone, Act::Whole, Errno::ENOSPC, Obstacles { no_namespaces: Some("net"), ..none });
        assert!(off.unwrap().contains("user.max_net_namespaces is 0"));
        assert_eq!(with(Stage::Chdir, Act::Whole, Errno::EACCES, none), None);
    }

    #[test]
    fn the_advice_fits_the_operation() {
        let flags = crate::spec::BindFlags { read_only: true, devices: false, optional: false };
        let bind = |source| FsOp::Bind { source, dest: c"/x".into(), flags };
        let missing =
            |op: &FsOp| with_op(Stage::Op, Act::Source, Errno::ENOENT, Obstacles::default(), Some(op)).unwrap();
        assert!(missing(&bind(Source::Path(c"/x".into()))).ends_with("; SKIP"));
        let overlay = FsOp::Overlay { layers: vec![], kind: crate::spec::OverlayKind::Tmp, dest: c"/x".into() };
        assert!(missing(&overlay).ends_with("; SKIP-LAYER"));
        assert!(missing(&bind(Source::Fd(9))).contains("descriptor"));
        let queue = FsOp::Mqueue { dest: c"/x".into() };
        let refused = with_op(Stage::Op, Act::NewFs, Errno::EPERM, Obstacles::default(), Some(&queue)).unwrap();
        assert!(refused.contains("NEW-IPC"), "{refused}");
        let deny = FsOp::Deny { path: c"/w/*/.env".into(), is_pattern: true, optional: false };
        for act in [Act::Whole, Act::Attach, Act::Match, Act::Keep] {
            let full = with_op(Stage::Op, act, Errno::ENOSPC, Obstacles::default(), Some(&deny)).unwrap();
            assert!(full.contains("fs.mount-max") && full.contains("deny a directory above"), "{act:?}: {full}");
        }
        let denied = |act, errno| with_op(Stage::Op, act, errno, Obstacles::default(), Some(&deny)).unwrap_or_default();
        assert!(denied(Act::Match, Errno::ELOOP).contains("remove the link"));
        assert!(denied(Act::Whole, Errno::ESTALE).contains("umount"));
        assert!(denied(Act::Elsewhere, Errno::ESTALE).contains("umount"));
        let invalid = with_op(Stage::Op, Act::NewFs, Errno::EINVAL, Obstacles::default(), Some(&overlay)).unwrap();
        assert!(invalid.contains("unmount"), "{invalid}");
    }
}
