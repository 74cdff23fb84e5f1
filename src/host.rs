//! Facts about this host and its caller. They are probed once, and only if the spec needs them.
//!
//! This is the only reader of ambient state (ids, environment, current directory, terminal, `/proc`).

use std::ffi::{CStr, CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use crate::error::{Error, ErrorKind, MORE_FILES};
use crate::protocol::Descriptors;
use crate::spec::{FdNumber, Fds, FsOp, LAST_KNOWN_CAP, Landlock, ProfileText, Seccomp, Spec, Unshare, UserNs, env};
use crate::sys::stat::{self, Kind};
use crate::sys::{self, Errno, caps, content, cwd, fd, landlock, open, process, socket, statfs};

/// The ids of the caller. A command line is judged by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Real user id.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
}

impl Caller {
    /// The caller of this process.
    pub fn probe() -> Caller {
        let (uid, gid) = process::real_ids();
        Caller { uid, gid }
    }

    /// The effective capabilities of this process, as a mask.
    pub fn capabilities() -> Result<u64, Error> {
        caps::get().map(|caps| caps.effective).map_err(|errno| failed("Can't get capabilities", errno))
    }

    /// The highest capability number that the kernel knows.
    pub fn last_capability() -> u8 {
        (LAST_KNOWN_CAP + 1..64)
            .take_while(|&number| caps::in_bounding_set(number).is_some())
            .last()
            .unwrap_or(LAST_KNOWN_CAP)
    }
}

/// The value of an environment variable of this process. `None` if it is not set or empty.
pub(crate) fn variable(name: &str) -> Option<Vec<u8>> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(OsString::into_vec)
}

/// The environment of this process, as `NAME=VALUE`, in order. For programs without a [`crate::cli::CommandLine`].
pub fn environment() -> Vec<CString> {
    let entry = |(name, value): (OsString, OsString)| {
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend(value.into_vec());
        CString::new(entry).ok()
    };
    std::env::vars_os().filter_map(entry).collect()
}

/// A descriptor of the caller that would give the program more of the host than the open file itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WayOut {
    /// Its number.
    pub fd: FdNumber,
    /// What it gives access to.
    pub leads_to: LeadsTo,
}

/// What a [`WayOut`] gives access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeadsTo {
    /// The whole tree of the host. Calls that take a directory (`fchmodat(2)`, `utimensat(2)`) reach it through `..`.
    Directory,
    /// A location that is not open for reading or writing (`O_PATH`). The program could open it.
    Place,
    /// The network namespace in which the socket was made: `connect(2)` reaches others there. The value is the address
    /// family.
    Network(i32),
}

/// All facts about the host that planning needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Who called.
    pub caller: Caller,
    /// The environment after the changes of the spec, as `NAME=VALUE`, in order.
    pub environment: Vec<CString>,
    /// The name that this program was called by, without directories. PID 1 of the sandbox keeps it.
    pub program: CString,
    /// The current directory without links, if there is one. Only probed if the spec names no directory.
    pub cwd: Option<CString>,
    /// Whether `$PWD` (after the changes of the spec) names the current directory. If so, this name is kept.
    pub pwd_is_cwd: bool,
    /// Descriptors that the spec names and that were open before we opened any.
    pub descriptors: Vec<FdNumber>,
    /// Descriptors that would give the program more of the host than the open file itself. Only probed if the spec
    /// lists the descriptors that the program gets.
    pub ways_out: Vec<WayOut>,
    /// Whether the kernel has user namespaces and they are not switched off. Only probed for root with [`UserNs::Try`];
    /// others get one in any case.
    pub has_user_ns: bool,
    /// Whether the kernel has cgroup namespaces. Only probed if one is asked for.
    pub has_cgroup_ns: bool,
    /// Whether SELinux is enabled. Only probed if a label is given.
    pub has_selinux: bool,
    /// The path of the terminal at standard output. Only probed for a new `/dev`.
    pub tty: Option<CString>,
    /// Whether the caller may write to this program's file, or make it writable. Only probed if somebody wants to know
    /// about the sandbox.
    pub owns_program: bool,
    /// The kernel's Landlock ABI version; 0 without Landlock. Only probed if the spec wants rules.
    pub landlock_abi: u32,
    /// Effective capabilities of root, as a mask. For others it is not probed and 0.
    pub capabilities: u64,
    /// The release of the kernel, such as `6.18.44-generic`. Only probed for a seccomp profile of the caller. The
    /// shipped ones do not depend on it.
    pub kernel: Option<CString>,
}

impl Host {
    /// Probes what `spec` needs. Fails only if nothing works without the fact.
    ///
    /// `program` is the name that this program was called by, `inherited` its environment. Also returns the descriptors
    /// with which the processes of the launch begin.
    pub fn probe(
        caller: Caller,
        spec: &Spec,
        program: &CStr,
        inherited: &[&CStr],
    ) -> Result<(Host, Descriptors), Error> {
        refuse_privileges()?;
        // This comes first, while every open descriptor is still the caller's.
        let mut descriptors = spec.descriptors();
        let mut kept = Ok(());
        descriptors.retain(|&fd| {
            fd::is_open(fd).unwrap_or_else(|errno| {
                kept = Err(failed("Can't look at a file descriptor", errno));
                false
            })
        });
        kept?;
        let ways_out = ways_out(spec)?;
        let proc = open_proc()?;
        if !statfs::is_procfs(proc.as_fd()).map_err(no_proc)? {
            return Err(no_proc(Errno::ENOTSUP));
        }
        let environment = spec.process.environment(inherited);
        let wants_dev = spec.ops.iter().any(|op| matches!(op.fs, FsOp::Dev { .. }));
        let namespaces = &spec.namespaces;
        let wants_label = spec.process.exec_label.is_some() || spec.process.file_label.is_some();
        let cwd = if spec.process.chdir.is_none() { cwd::getcwd().ok() } else { None };
        let host = Host {
            caller,
            pwd_is_cwd: cwd.as_deref().is_some_and(|cwd| pwd_is_cwd(&environment, cwd)),
            cwd,
            has_user_ns: namespaces.user != UserNs::Try || caller.uid != 0 || has_user_ns(&proc)?,
            has_cgroup_ns: namespaces.cgroup == Unshare::Share || has_namespace(&proc, c"self/ns/cgroup")?,
            has_selinux: wants_label && statfs::is_selinuxfs(c"/sys/fs/selinux"),
            tty: if wants_dev { tty_path(&proc) } else { None },
            capabilities: if caller.uid == 0 { Caller::capabilities()? } else { 0 },
            kernel: kernel_for(spec)?,
            program: base_name(program),
            owns_program: !spec.report.is_wanted() || owns_program(&proc, caller)?,
            landlock_abi: if spec.lockdown.landlock == Landlock::OFF { 0 } else { landlock::abi().unwrap_or(0) },
            environment,
            descriptors,
            ways_out,
        };
        let descriptors = Descriptors::new(proc, host.descriptors.clone());
        Ok((host, descriptors))
    }
}

/// Checks the descriptors that the program gets. The caller wants those that the spec names, so they are checked only
/// if the sandbox has a network of its own: a socket of the host's network would defeat that.
fn ways_out(spec: &Spec) -> Result<Vec<WayOut>, Error> {
    let Fds::Only(named) = &spec.process.fds else { return Ok(Vec::new()) };
    let has_own_network = spec.namespaces.net;
    let standard = (0..=2).filter(|fd| !named.contains(fd)).map(|fd| (fd, false));
    let named = named.iter().filter(|_| has_own_network).map(|&fd| (fd, true));
    let mut found = Vec::new();
    for (fd, is_named) in standard.chain(named) {
        match way_out(fd, is_named, has_own_network) {
            Ok(leads_to) => found.extend(leads_to.map(|leads_to| WayOut { fd, leads_to })),
            // A closed descriptor gives access to nothing.
            Err(Errno::EBADF) => {}
            Err(errno) => return Err(failed("Can't look at a file descriptor", errno)),
        }
    }
    Ok(found)
}

fn way_out(fd: FdNumber, is_named: bool, has_own_network: bool) -> sys::Result<Option<LeadsTo>> {
    let fd = fd::callers_fd(fd)?;
    let kind = stat::fstat(fd)?.kind();
    if !is_named && kind == Some(Kind::Dir) {
        return Ok(Some(LeadsTo::Directory));
    }
    if !is_named && !fd::is_opened(fd)? {
        return Ok(Some(LeadsTo::Place));
    }
    if !has_own_network || kind != Some(Kind::Socket) {
        return Ok(None);
    }
    match socket::family(fd) {
        Ok(socket::AF_UNIX) => Ok(None),
        Ok(family) => Ok(Some(LeadsTo::Network(family))),
        // A file of type socket, opened as a location only: connect(2) takes its path and not the descriptor.
        Err(Errno::EBADF | Errno::ENOTSOCK) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Fails if this program's file gives it privileges that its caller does not have.
pub(crate) fn refuse_privileges() -> Result<(), Error> {
    if !process::is_privileged_by_file() {
        return Ok(());
    }
    let message = "Refusing to run with privileges of the program's file (setuid, setgid or file capabilities)";
    let hint = "pinfold needs none: chmod u-s,g-s and setcap -r take them away";
    Err(Error::new(ErrorKind::Unsafe, message).with_hint(Some(hint.into())))
}

/// The release of the kernel, if `spec` may depend on it: see [`Host::kernel`].
pub(crate) fn kernel_for(spec: &Spec) -> Result<Option<CString>, Error> {
    if !matches!(spec.lockdown.seccomp, Seccomp::Profile { text: ProfileText::File { .. }, .. }) {
        return Ok(None);
    }
    process::kernel_release().map(Some).map_err(|errno| failed("Can't get the kernel's release", errno))
}

/// The oldest Linux that has every call that a new root needs. The newest of them is mount_setattr(2).
pub(crate) const OLDEST_KERNEL: (u32, u32) = (5, 12);

/// The explanation of a failure, to put before its first line: a call is missing (ENOSYS) and the kernel is older than
/// pinfold needs. `None` if the kernel is new enough: a filter may hide a call too.
pub(crate) fn old_kernel(failure: i32) -> Option<String> {
    if failure == Errno::ENOSYS as i32 { older_than_needed() } else { None }
}

/// The same for any failure.
pub(crate) fn older_than_needed() -> Option<String> {
    too_old(&process::kernel_release().ok()?.to_string_lossy())
}

fn too_old(release: &str) -> Option<String> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    let version = (numbers.next()?, numbers.next()?);
    let (major, minor) = OLDEST_KERNEL;
    (version < OLDEST_KERNEL).then(|| format!("Linux {release} is too old ({major}.{minor} or newer is needed): "))
}

fn open_proc() -> Result<OwnedFd, Error> {
    let proc = open::path(c"/proc", true).map_err(no_proc)?;
    if fd::number(proc.as_fd()) > 2 {
        return Ok(proc);
    }
    drop(proc);
    fd::occupy_standard_numbers().map_err(|errno| failed("Can't create an epoll instance", errno))?;
    open::path(c"/proc", true).map_err(no_proc)
}

fn failed(what: &str, errno: Errno) -> Error {
    Error::new(ErrorKind::Failed, format!("{what}: {}", sys::error_text(errno as i32)))
}

fn no_proc(errno: Errno) -> Error {
    let hint = match errno {
        Errno::EMFILE => MORE_FILES,
        _ => "mount a procfs at /proc; the id maps are written through it",
    };
    failed("Can't open /proc", errno).with_hint(Some(hint.into()))
}

/// Whether user namespaces can be made, decided as for bubblewrap's `--unshare-user-try`: the kind exists, its limit is
/// not 0, and the module switch of RHEL 7 is on.
fn has_user_ns(proc: &OwnedFd) -> Result<bool, Error> {
    const SWITCH: &str = "/sys/module/user_namespace/parameters/enable";
    let switched_off = std::fs::read(SWITCH).is_ok_and(|text| text.starts_with(b"N"));
    let limit = std::fs::read("/proc/sys/user/max_user_namespaces");
    Ok(!switched_off && !limit.is_ok_and(|text| text == b"0\n") && has_namespace(proc, c"self/ns/user")?)
}

fn owns_program(proc: &OwnedFd, caller: Caller) -> Result<bool, Error> {
    let program =
        stat::stat_at(proc.as_fd(), c"self/exe").map_err(|errno| failed("Can't look at /proc/self/exe", errno))?;
    let is_writable = stat::is_writable_at(proc.as_fd(), c"self/exe")
        .map_err(|errno| failed("Can't look at /proc/self/exe", errno))?;
    Ok(program.owner == caller.uid || is_writable)
}

fn has_namespace(proc: &OwnedFd, kind: &CStr) -> Result<bool, Error> {
    // This checks the link itself. Following it would make the kernel create the object behind it.
    stat::has_name(proc.as_fd(), kind).map_err(|errno| failed("Can't look into /proc/self/ns", errno))
}

/// Whether `PWD`, after the changes of the spec, names the current directory (`get_current_dir_name(3)`).
fn pwd_is_cwd(environment: &[CString], cwd: &CStr) -> bool {
    let pwd = env::value(environment, c"PWD").filter(|pwd| pwd.starts_with(b"/"));
    pwd.and_then(|pwd| CString::new(pwd).ok()).is_some_and(|pwd| {
        pwd.as_c_str() == cwd
            || stat::stat(&pwd).is_ok_and(|there| stat::stat(c".").is_ok_and(|here| here.is_same_file(there)))
    })
}

/// The last part of the path that this program was called by.
fn base_name(called: &CStr) -> CString {
    let called = called.to_bytes();
    let name = called.rsplit(|&byte| byte == b'/').next().unwrap_or(called);
    CString::new(name).unwrap_or_default()
}

/// The path of the terminal at standard output, if it is one and the path really leads to it.
fn tty_path(proc: &OwnedFd) -> Option<CString> {
    let stdout = fd::callers_fd(1).ok()?;
    if !fd::is_tty(stdout) {
        return None;
    }
    let path = content::read_link_at(proc.as_fd(), c"self/fd/1").ok()?;
    let (there, here) = (stat::stat(&path).ok()?, stat::fstat(stdout).ok()?);
    (there.is_same_file(here) && there.is_char_device()).then_some(path)
}

/// What may prevent sandboxes on this host. Only probed after a failure, for the hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Obstacles {
    /// Debian's sysctl `kernel.unprivileged_userns_clone` is 0.
    pub userns_clone_off: bool,
    /// `user.max_user_namespaces`, if it can be read.
    pub max_user_namespaces: Option<u64>,
    /// A kind of namespace that cannot be made because its `user.max_*_namespaces` is 0.
    pub no_namespaces: Option<&'static str>,
    /// Ubuntu's sysctl `kernel.apparmor_restrict_unprivileged_userns` is 1.
    pub apparmor_restricts: bool,
    /// A system call filter is already installed.
    pub filtered: bool,
    /// Something is mounted below `/proc`. The kernel then refuses a new procfs ("mount too revealing").
    pub proc_is_masked: bool,
}

impl Obstacles {
    /// Probes for obstacles. A file that cannot be read counts as no obstacle.
    pub fn probe() -> Obstacles {
        Obstacles::probe_below(Path::new("/"))
    }

    /// The same for a host with the root directory `root`.
    pub(crate) fn probe_below(root: &Path) -> Obstacles {
        let number = |path: &str| std::fs::read_to_string(root.join(path)).ok()?.trim().parse::<u64>().ok();
        let text = |path: &str| {
            std::fs::read(root.join(path)).map_or_else(|_| String::new(), |text| String::from_utf8_lossy(&text).into())
        };
        Obstacles {
            userns_clone_off: number("proc/sys/kernel/unprivileged_userns_clone") == Some(0),
            max_user_namespaces: number("proc/sys/user/max_user_namespaces"),
            no_namespaces: NAMESPACE_KINDS
                .into_iter()
                .find(|kind| number(&format!("proc/sys/user/max_{kind}_namespaces")) == Some(0)),
            apparmor_restricts: number("proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1),
            filtered: text("proc/self/status")
                .lines()
                .any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() != "0")),
            proc_is_masked: covers_of_proc(&text("proc/self/mountinfo")).next().is_some(),
        }
    }
}

/// The kinds of namespaces that have a limit: the `*` in `user.max_*_namespaces`.
pub(crate) const NAMESPACE_KINDS: [&str; 7] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];

/// The mount points below `/proc` in the text of a `/proc/self/mountinfo`. It leaves out the empty directories that
/// procfs provides as mount points: mounts there are no obstacle (`mnt_already_visible` in fs/namespace.c).
pub(crate) fn covers_of_proc(mountinfo: &str) -> impl Iterator<Item = &str> {
    let is_place_for_it = |at: &&str| ["/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd"].contains(at);
    let at = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    at.filter(|at| at.starts_with("/proc/")).filter(move |at| !is_place_for_it(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_too_old_by_its_release() {
        let said = |release| format!("Linux {release} is too old (5.12 or newer is needed): ");
        for release in ["5.10.0-30-amd64", "5.11.22", "4.19", "5.4.0-1-generic"] {
            assert_eq!(too_old(release), Some(said(release)));
        }
        for release in ["5.12", "5.12.0-rc1", "6.1.0-13-amd64", "10.0.1", "", "5", "mine"] {
            assert_eq!(too_old(release), None, "{release}");
        }
        assert_eq!(old_kernel(Errno::EPERM as i32), None);
    }

    #[test]
    fn what_procfs_has_a_place_for_covers_nothing() {
        let host =
            "22 1 0:20 / /proc rw - proc proc rw\n35 22 0:30 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw\n";
        assert_eq!(covers_of_proc(host).count(), 0);
        let container = format!("{host}36 22 0:31 / /proc/acpi ro - tmpfs tmpfs ro\n");
        assert_eq!(covers_of_proc(&container).collect::<Vec<_>>(), ["/proc/acpi"]);
    }
}
