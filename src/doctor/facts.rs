//! What the host says about itself. It is read from files below a root directory, so that a test can fake any host.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::ids::{self, IdRanges};
use super::root::Root;
use super::sysctl;
use crate::host::{Caller, NAMESPACE_KINDS, Obstacles, covers_of_proc};
use crate::seccomp::profile::kernel_version;
use crate::sys::mount::AT_FDCWD;
use crate::sys::stat;

/// Plain data. Facts that cannot be read get their usual values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) caller: Caller,
    /// The path of this program.
    pub(super) program: String,
    /// The kernel's release, and its first two numbers.
    pub(super) release: String,
    pub(super) version: (u32, u32),
    /// Known obstacles. Hints of failed runs are made from the same.
    pub(super) obstacles: Obstacles,
    /// The sysctls `user.max_*_namespaces` that can be read.
    pub(super) limits: Vec<(&'static str, u64)>,
    /// The files that set one of the sysctls at boot, with the name of the sysctl. The last one for a name counts.
    pub(super) settings: Vec<(String, String)>,
    /// The module parameter of RHEL 7 is off.
    pub(super) userns_module_off: bool,
    /// This process is not in the host's initial user namespace.
    pub(super) in_userns: bool,
    /// The caller's user id is mapped in this user namespace.
    pub(super) is_mapped: bool,
    /// The root directory is not a mount point, so it is not the root of the mount namespace.
    pub(super) is_chrooted: bool,
    pub(super) security: Security,
    /// The actions that filters may take.
    pub(super) actions: Vec<String>,
    pub(super) launcher: Launcher,
    /// What is mounted below `/proc` and stands in the way of a new procfs.
    pub(super) proc_covers: Vec<String>,
    pub(super) cgroup: Cgroup,
    pub(super) ids: IdRanges,
    /// The sysctl `dev.tty.legacy_tiocsti`. `None` if the kernel does not have it yet.
    pub(super) tiocsti: Option<bool>,
    /// The kernel has time namespaces.
    pub(super) time_ns: bool,
}

/// Security modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Security {
    /// The modules, as the kernel lists them.
    pub(super) modules: Vec<String>,
    /// The AppArmor profile of this process, if AppArmor is on.
    pub(super) apparmor: Option<String>,
    /// The file `/etc/apparmor.d/pinfold` exists.
    pub(super) has_profile: bool,
    /// Whether SELinux enforces its policy. `None` if SELinux is off.
    pub(super) selinux: Option<bool>,
}

impl Security {
    /// The AppArmor profile of this process, if that forbids anything.
    pub(super) fn confined(&self) -> Option<&str> {
        let lenient = ["unconfined", "(unconfined)", "(complain)"];
        self.apparmor.as_deref().filter(|label| {
            !label.starts_with("unprivileged_userns") && !lenient.iter().any(|mode| label.ends_with(mode))
        })
    }
}

/// What this process runs in, as far as can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Launcher {
    Plain,
    Docker,
    Podman,
    Kubernetes,
    /// The systemd service of this name.
    Service(String),
}

/// Control groups, version 2.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Cgroup {
    /// Where they are mounted.
    pub(super) mount: Option<String>,
    /// The group of this process, as a path below the mount.
    pub(super) own: Option<String>,
    /// The controllers of that group.
    pub(super) controllers: Vec<String>,
    /// This process may make groups below its own.
    pub(super) is_writable: bool,
    /// The caller has a service manager, which can make groups.
    pub(super) manager: bool,
    /// The controllers delegated to this manager.
    pub(super) delegated: Vec<String>,
}

impl Facts {
    /// Reads the facts for `caller` below `root`.
    pub(super) fn read(root: &Path, caller: Caller) -> Facts {
        let obstacles = Obstacles::probe_below(root);
        let root = Root(root);
        let release = root.line("proc/sys/kernel/osrelease").unwrap_or_default();
        let mountinfo = root.text("proc/self/mountinfo");
        let limit = |kind: &'static str| {
            root.number(&format!("proc/sys/user/max_{kind}_namespaces")).map(|limit| (kind, limit))
        };
        let map = map(&root.text("proc/self/uid_map"));
        let program = fs::read_link(root.path("proc/self/exe")).unwrap_or_default();
        Facts {
            caller,
            program: program.to_string_lossy().into_owned(),
            version: kernel_version(&release).unwrap_or((0, 0)),
            release,
            obstacles,
            limits: NAMESPACE_KINDS.into_iter().filter_map(limit).collect(),
            settings: sysctl::settings(&root),
            userns_module_off: root.line("sys/module/user_namespace/parameters/enable").as_deref() == Some("N"),
            in_userns: !map.is_empty() && map != [(0, 0, 4_294_967_295)],
            is_mapped: map.is_empty() || map.iter().any(|&(at, _, n)| (at..at + n).contains(&u64::from(caller.uid))),
            is_chrooted: !mountinfo.is_empty() && !mountinfo.lines().any(|line| line.split(' ').nth(4) == Some("/")),
            security: security(&root),
            actions: root.words("proc/sys/kernel/seccomp/actions_avail", char::is_whitespace),
            launcher: launcher(&root),
            proc_covers: covers_of_proc(&mountinfo).map(String::from).collect(),
            cgroup: cgroup(&root, &mountinfo, caller),
            ids: ids::read(&root, caller),
            tiocsti: root.number("proc/sys/dev/tty/legacy_tiocsti").map(|value| value != 0),
            time_ns: root.exists("proc/self/ns/time"),
        }
    }

    /// The limit for one kind of namespaces.
    pub(super) fn limit(&self, kind: &str) -> Option<u64> {
        self.limits.iter().find(|(known, _)| *known == kind).map(|&(_, limit)| limit)
    }
}

/// The lines of an id map: first id inside, first id outside, how many.
fn map(text: &str) -> Vec<(u64, u64, u64)> {
    let line = |line: &str| {
        let mut numbers = line.split_whitespace().map(|word| word.parse::<u32>().ok().map(u64::from));
        Some((numbers.next()??, numbers.next()??, numbers.next()??))
    };
    text.lines().filter_map(line).collect()
}

fn security(root: &Root<'_>) -> Security {
    let apparmor_is_on = root.line("sys/module/apparmor/parameters/enabled").as_deref() == Some("Y");
    let label = || root.line("proc/self/attr/apparmor/current").or_else(|| root.line("proc/self/attr/current"));
    Security {
        modules: root.words("sys/kernel/security/lsm", |c| c == ','),
        // A kernel may have AppArmor built in and not start it. Then no process has a label.
        apparmor: if apparmor_is_on { label() } else { None },
        has_profile: root.exists("etc/apparmor.d/pinfold"),
        selinux: root.number("sys/fs/selinux/enforce").map(|enforce| enforce != 0),
    }
}

fn launcher(root: &Root<'_>) -> Launcher {
    let own = own_cgroup(root).unwrap_or_default();
    let last = own.rsplit('/').next().unwrap_or_default();
    if root.exists("run/secrets/kubernetes.io") || root.exists("var/run/secrets/kubernetes.io") {
        Launcher::Kubernetes
    } else if root.exists("run/.containerenv") {
        Launcher::Podman
    } else if root.exists(".dockerenv") {
        Launcher::Docker
    } else if last.ends_with(".service") && !last.starts_with("user@") {
        Launcher::Service(last.to_owned())
    } else {
        Launcher::Plain
    }
}

/// The path of this process's group in the version 2 tree (`cgroups(7)`).
fn own_cgroup(root: &Root<'_>) -> Option<String> {
    root.text("proc/self/cgroup").lines().find_map(|line| line.strip_prefix("0::").map(String::from))
}

fn cgroup(root: &Root<'_>, mountinfo: &str, caller: Caller) -> Cgroup {
    // After " - " come type, source and options (proc_pid_mountinfo(5)).
    let is_v2 = |line: &&str| line.split_once(" - ").is_some_and(|(_, rest)| rest.starts_with("cgroup2 "));
    let mount = mountinfo.lines().find(is_v2).and_then(|line| line.split(' ').nth(4)).map(String::from);
    let Some(mount) = mount else { return Cgroup::default() };
    let own = own_cgroup(root).filter(|own| !own.split('/').any(|part| part == ".."));
    let dir = own.as_deref().map(|own| format!("{mount}/{}", own.trim_start_matches('/')));
    let dir = dir.as_deref().map(|dir| dir.trim_end_matches('/'));
    let is_writable = |path: String| {
        let path = std::ffi::CString::new(root.path(&path).as_os_str().as_bytes());
        path.is_ok_and(|path| stat::is_writable_at(AT_FDCWD, &path).unwrap_or(false))
    };
    let words = |path: String| root.words(&path, char::is_whitespace);
    let (uid, runtime) = (caller.uid, format!("run/user/{}", caller.uid));
    Cgroup {
        controllers: dir.map(|dir| words(format!("{dir}/cgroup.controllers"))).unwrap_or_default(),
        is_writable: dir.is_some_and(|dir| is_writable(dir.to_owned()) && is_writable(format!("{dir}/cgroup.procs"))),
        manager: root.exists(&format!("{runtime}/systemd/private")) || root.exists(&format!("{runtime}/bus")),
        delegated: words(format!("{mount}/user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers")),
        mount: Some(mount),
        own,
    }
}
