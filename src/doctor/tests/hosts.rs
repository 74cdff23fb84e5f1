//! The faked hosts.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::doctor::Report;
use crate::doctor::facts::Facts;
use crate::doctor::rehearsal::{Rehearsal, Rehearsals};
use crate::doctor::trials::{Trial, Trials, Tried};
use crate::doctor::verdict::Verdict;
use crate::host::Caller;
use crate::sys::Errno;

pub(super) const USER: Caller = Caller { uid: 1000, gid: 1000 };

/// The root directory of a faked host. It is removed at the end.
pub(super) struct Host(pub(super) PathBuf);

impl Host {
    /// A host on which everything works.
    pub(super) fn healthy() -> Host {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let host = Host(format!("/tmp/pinfold-doctor-{}-{number}", std::process::id()).into());
        let manager = "sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers";
        let mounts = "21 1 8:1 / / rw - ext4 /dev/vda rw\n22 21 0:20 / /proc rw - proc proc rw\n\
                      23 22 0:21 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n\
                      24 21 0:22 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        for (path, content) in [
            ("proc/sys/kernel/osrelease", "6.18.1-generic\n"),
            (
                "proc/sys/kernel/seccomp/actions_avail",
                "kill_process kill_thread trap errno user_notif trace log allow\n",
            ),
            ("proc/sys/user/max_user_namespaces", "96365\n"),
            ("proc/sys/user/max_net_namespaces", "96365\n"),
            ("proc/sys/dev/tty/legacy_tiocsti", "0\n"),
            ("proc/self/status", "Name:\tpinfold\nSeccomp:\t0\n"),
            ("proc/self/uid_map", "         0          0 4294967295\n"),
            ("proc/self/mountinfo", mounts),
            ("proc/self/cgroup", "0::/user.slice/user-1000.slice/session-2.scope\n"),
            ("proc/self/ns/time", ""),
            ("run/user/1000/bus", ""),
            (manager, "cpu memory pids\n"),
            ("etc/passwd", "root:x:0:0::/:/bin/sh\njane:x:1000:1000::/:/bin/sh\n"),
            ("etc/subuid", "jane:100000:65536\n"),
            ("etc/subgid", "1000:100000:65536\n"),
            ("usr/bin/newuidmap", ""),
            ("usr/bin/newgidmap", ""),
        ] {
            host.put(path, content);
        }
        for helper in ["usr/bin/newuidmap", "usr/bin/newgidmap"] {
            host.mode(helper, 0o4755);
        }
        symlink("/usr/bin/pinfold", host.0.join("proc/self/exe")).unwrap();
        host
    }

    pub(super) fn put(&self, path: &str, content: &str) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn with(self, files: &[(&str, &str)]) -> Host {
        for (path, content) in files {
            self.put(path, content);
        }
        self
    }

    pub(super) fn without(self, path: &str) -> Host {
        fs::remove_file(self.0.join(path)).unwrap();
        self
    }

    pub(super) fn mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.0.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn facts(&self) -> Facts {
        Facts::read(&self.0, USER)
    }

    /// What is said about it where the trials went like this, and a real box so.
    pub(super) fn report(&self, trials: Trials, full: Rehearsal, no_proc: Rehearsal) -> Report {
        let no_landlock = full.clone();
        let (best_effort, alone) = (Rehearsal::Works, Rehearsal::Works);
        self.report_of(trials, Rehearsals { full, no_landlock, no_proc, best_effort, alone })
    }

    pub(super) fn report_of(&self, trials: Trials, rehearsals: Rehearsals) -> Report {
        let facts = self.facts();
        let verdict = Verdict::of(&facts, &trials, &rehearsals);
        Report { facts, trials, rehearsals, verdict, here: None }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(super) fn all_work() -> Trials {
    Trials::all(Tried::Works, 7)
}

pub(super) fn failing(failing: &[(Trial, Errno)]) -> Trials {
    let mut trials = all_work();
    for &(trial, errno) in failing {
        trials.set(trial, Tried::Fails(errno));
    }
    trials
}

/// The results without a user namespace: trials that need one are not reached.
pub(super) fn without_userns(tried: Tried) -> Trials {
    let mut trials = Trials::all(Tried::Not, 7);
    trials.set(Trial::UserNs, tried);
    for trial in [Trial::CloseRange, Trial::PidfdOpen, Trial::Filter, Trial::Landlock] {
        trials.set(trial, Tried::Works);
    }
    trials
}

pub(super) fn fails() -> Rehearsal {
    Rehearsal::Fails { message: "No box\x1b[2J".into(), hint: None, failure: None }
}

/// A host on which no sandbox works, and the finding about it.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) host: Host,
    pub(super) trials: Trials,
    pub(super) no_proc: Rehearsal,
    /// The one cause.
    pub(super) cause: &'static str,
    /// What the first advice must mention.
    pub(super) advice: &'static str,
}

pub(super) fn cases() -> Vec<Case> {
    const FILTERED: (&str, &str) = ("proc/self/status", "Seccomp:\t2\n");
    const MASKED: (&str, &str) = (
        "proc/self/mountinfo",
        "21 1 0:1 / / rw - overlay overlay rw\n22 21 0:20 / /proc rw - proc proc rw\n\
         23 22 0:21 / /proc/acpi ro - tmpfs tmpfs ro\n24 22 0:20 /sys /proc/sys ro - proc proc rw\n",
    );
    const APPARMOR: [(&str, &str); 3] = [
        ("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n"),
        ("sys/module/apparmor/parameters/enabled", "Y\n"),
        ("proc/self/attr/apparmor/current", "unconfined\n"),
    ];
    let refused = |errno| without_userns(Tried::Fails(errno));
    let host = |files: &[(&str, &str)]| Host::healthy().with(files);
    let case = |name, host, trials, cause, advice| Case { name, host, trials, no_proc: fails(), cause, advice };
    let ubuntu = || failing(&[(Trial::UidMap, Errno::EACCES), (Trial::Loopback, Errno::EPERM)]);
    let map = |errno| failing(&[(Trial::UidMap, errno), (Trial::MountNs, errno), (Trial::Loopback, errno)]);
    vec![
        case("Ubuntu", host(&APPARMOR), ubuntu(), "apparmor-userns", "apparmor_parser -r /etc/apparmor.d/pinfold"),
        case("Ubuntu, every step", host(&APPARMOR), map(Errno::EPERM), "apparmor-userns", "to this program only"),
        case(
            "Ubuntu, another path",
            host(&APPARMOR).with(&[("etc/apparmor.d/pinfold", "")]),
            ubuntu(),
            "apparmor-userns",
            "does not cover /usr/bin/pinfold",
        ),
        case(
            "Debian",
            host(&[("proc/sys/kernel/unprivileged_userns_clone", "0\n")]),
            refused(Errno::EPERM),
            "userns-sysctl-off",
            "--landlock only",
        ),
        case(
            "switched off by a limit",
            host(&[("proc/sys/user/max_user_namespaces", "0\n")]),
            refused(Errno::ENOSPC),
            "userns-limit-zero",
            "--landlock only",
        ),
        case(
            "within a sandbox",
            host(&[("proc/sys/user/max_user_namespaces", "0\n"), ("proc/self/uid_map", "1000 0 1\n")]),
            refused(Errno::ENOSPC),
            "userns-limit-of-sandbox",
            "outside of that sandbox",
        ),
        case("33 deep", host(&[]), refused(Errno::ENOSPC), "userns-limit-reached", "outside of the sandbox"),
        case(
            "unmapped",
            host(&[("proc/self/uid_map", "0 100000 1000\n")]),
            refused(Errno::EPERM),
            "ids-unmapped",
            "map this id",
        ),
        case(
            "chroot",
            host(&[("proc/self/mountinfo", "22 21 0:20 / /proc rw - proc proc rw\n")]),
            refused(Errno::EPERM),
            "chroot",
            "instead of a chroot",
        ),
        case(
            "no networks",
            host(&[("proc/sys/user/max_net_namespaces", "0\n")]),
            failing(&[(Trial::NetNs, Errno::ENOSPC)]),
            "namespace-limit-zero",
            "--landlock only",
        ),
        case(
            "Docker",
            host(&[FILTERED, MASKED, (".dockerenv", "")]),
            refused(Errno::EPERM),
            "seccomp-around",
            "docker run --security-opt seccomp=FILE",
        ),
        case(
            "Podman",
            host(&[FILTERED, MASKED, ("run/.containerenv", "")]),
            refused(Errno::EPERM),
            "seccomp-around",
            "podman run --security-opt seccomp=FILE",
        ),
        case(
            "a pod",
            host(&[FILTERED, ("run/secrets/kubernetes.io/x", "")]),
            refused(Errno::EPERM),
            "seccomp-around",
            "seccompProfile",
        ),
        case(
            "a service",
            host(&[FILTERED, ("proc/self/cgroup", "0::/system.slice/ci.service\n")]),
            refused(Errno::EPERM),
            "seccomp-around",
            "systemctl edit ci.service",
        ),
        case("a filter that kills", host(&[FILTERED]), without_userns(Tried::Killed), "seccomp-around", "clone"),
        case(
            "Docker's AppArmor profile",
            host(&APPARMOR[1..]).with(&[("proc/self/attr/apparmor/current", "docker-default (enforce)\n")]),
            failing(&[(Trial::Tmpfs, Errno::EACCES), (Trial::Attach, Errno::EACCES)]),
            "apparmor-profile",
            "userns, mount",
        ),
        case(
            "SELinux",
            host(&[("sys/fs/selinux/enforce", "1\n")]),
            refused(Errno::EACCES),
            "selinux",
            "audit2allow -M pinfold",
        ),
        case(
            "another security module",
            host(&[("sys/kernel/security/lsm", "capability,bpf")]),
            refused(Errno::EPERM),
            "user-namespace",
            "kernel's log",
        ),
        case("a kernel without", host(&[]), refused(Errno::EINVAL), "userns-not-built", "CONFIG_USER_NS=y"),
        case(
            "RHEL 7",
            host(&[("sys/module/user_namespace/parameters/enable", "N\n"), ("proc/sys/kernel/osrelease", "6.1.0\n")]),
            refused(Errno::EINVAL),
            "userns-module-off",
            "grubby",
        ),
        case(
            "Linux 5.10",
            host(&[("proc/sys/kernel/osrelease", "5.10.0-21-amd64\n")]),
            failing(&[
                (Trial::SetAttr, Errno::ENOSYS),
                (Trial::Overlay, Errno::EPERM),
                (Trial::Landlock, Errno::ENOSYS),
            ]),
            "kernel-old",
            "5.12",
        ),
        case(
            "a filter that hides",
            host(&[FILTERED]),
            failing(&[(Trial::SetAttr, Errno::ENOSYS)]),
            "calls-hidden",
            "mount_setattr",
        ),
        case(
            "no filters",
            host(&[]),
            failing(&[(Trial::Filter, Errno::EINVAL)]),
            "seccomp-not-built",
            "CONFIG_SECCOMP_FILTER",
        ),
        Case {
            no_proc: Rehearsal::Works,
            ..case(
                "masked /proc",
                host(&[MASKED]),
                failing(&[(Trial::Proc, Errno::EPERM)]),
                "proc-masked",
                "--ro-bind /proc /proc",
            )
        },
        case("who knows", host(&[]), all_work(), "box-fails", "pinfold run --profile base true"),
    ]
}
