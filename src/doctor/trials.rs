//! Tries single system calls in separate processes: which of the calls that make a sandbox the kernel allows.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::host::Caller;
use crate::sys::mount::{self, AT_FDCWD, Attr, FsOption, Propagation};
use crate::sys::ns::{self, NsSet};
use crate::sys::process::{self, Cloned, SingleThread};
use crate::sys::{Errno, Result, content, cwd, fd, kernel, make, net, open, socket};

/// The trials, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Trial {
    UserNs,
    UidMap,
    SetGroups,
    GidMap,
    MountNs,
    NetNs,
    Loopback,
    IpcNs,
    UtsNs,
    CgroupNs,
    Tmpfs,
    Attach,
    OpenTree,
    SetAttr,
    OpenAt2,
    Overlay,
    OverlayLayers,
    PidNs,
    Proc,
    Pivot,
    CloseRange,
    PidfdOpen,
    Filter,
    Landlock,
}

impl Trial {
    /// Every trial, in the order of the numbers, with its name in the JSON document.
    pub(super) const ALL: [(Trial, &str); 24] = [
        (Trial::UserNs, "user_namespace"),
        (Trial::UidMap, "uid_map"),
        (Trial::SetGroups, "setgroups"),
        (Trial::GidMap, "gid_map"),
        (Trial::MountNs, "mount_namespace"),
        (Trial::NetNs, "network_namespace"),
        (Trial::Loopback, "loopback"),
        (Trial::IpcNs, "ipc_namespace"),
        (Trial::UtsNs, "uts_namespace"),
        (Trial::CgroupNs, "cgroup_namespace"),
        (Trial::Tmpfs, "tmpfs"),
        (Trial::Attach, "move_mount"),
        (Trial::OpenTree, "open_tree"),
        (Trial::SetAttr, "mount_setattr"),
        (Trial::OpenAt2, "openat2"),
        (Trial::Overlay, "overlay"),
        (Trial::OverlayLayers, "overlay_layers"),
        (Trial::PidNs, "pid_namespace"),
        (Trial::Proc, "proc"),
        (Trial::Pivot, "pivot_root"),
        (Trial::CloseRange, "close_range"),
        (Trial::PidfdOpen, "pidfd_open"),
        (Trial::Filter, "seccomp_filter"),
        (Trial::Landlock, "landlock"),
    ];
}

/// The result of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// The trial was not reached.
    Not,
    /// The call killed the process.
    Killed,
    Works,
    Fails(Errno),
}

/// The results of all trials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trials {
    results: [Tried; Trial::ALL.len()],
    /// The ABI version of Landlock; 0 if there is no Landlock.
    pub(super) landlock_abi: u32,
    /// Why nothing could be tried: no process can be made.
    pub(super) stuck: Option<Errno>,
}

impl Trials {
    /// The same result for all trials.
    pub(super) fn all(tried: Tried, landlock_abi: u32) -> Trials {
        Trials { results: [tried; Trial::ALL.len()], landlock_abi, stuck: None }
    }

    /// Nothing could be tried.
    pub(super) fn none() -> Trials {
        Trials::all(Tried::Not, kernel::landlock_abi().unwrap_or(0))
    }

    pub(super) fn get(&self, trial: Trial) -> Tried {
        self.results[trial as usize]
    }

    #[cfg(test)]
    pub(super) fn set(&mut self, trial: Trial, tried: Tried) {
        self.results[trial as usize] = tried;
    }

    /// Runs all trials.
    pub(super) fn run(caller: Caller) -> Trials {
        Trials::begin(caller).unwrap_or_else(|errno| Trials { stuck: Some(errno), ..Trials::none() })
    }

    fn begin(caller: Caller) -> Result<Trials> {
        let mut trials = Trials::none();
        // Without a procfs no sandbox can be made. The rehearsal reports that.
        let Ok(proc) = open::path(c"/proc", true) else { return Ok(trials) };
        let thread = SingleThread::check(proc.as_fd())?;
        let (ours, theirs) = socket::pair()?;
        let teller = Teller { to: theirs, proc };
        let child = match process::clone(thread, NsSet::NONE, false)? {
            Cloned::Child => {
                drop(ours);
                plain(&teller, caller, thread);
                process::exit_now(0)
            }
            Cloned::Parent(child) => child,
        };
        drop(teller);
        let heard = trials.listen(ours.as_fd());
        process::wait(child.as_fd())?;
        heard?;
        Ok(trials)
    }

    fn listen(&mut self, from: BorrowedFd<'_>) -> Result<()> {
        let mut packet = [0; PACKET];
        while content::read(from, &mut packet)? == PACKET {
            let errno = i32::from_ne_bytes([packet[1], packet[2], packet[3], packet[4]]);
            let tried = match errno {
                BEGUN => Tried::Killed,
                0 => Tried::Works,
                errno => Tried::Fails(Errno::from_raw(errno)),
            };
            if let Some(slot) = self.results.get_mut(usize::from(packet[0])) {
                *slot = tried;
            }
        }
        Ok(())
    }
}

/// Size of a packet in bytes: the number of the trial (1), and the error number (4).
const PACKET: usize = 5;
/// Sent before the call, in place of an error number: the call may kill the process.
const BEGUN: i32 = -1;

/// In the processes that try: where to send results, and the host's procfs.
struct Teller {
    to: OwnedFd,
    proc: OwnedFd,
}

impl Teller {
    /// Tries one thing, and reports the result. Returns what it made, if it worked.
    fn try_to<T>(&self, trial: Trial, act: impl FnOnce() -> Result<T>) -> Option<T> {
        self.tell(trial, BEGUN);
        let result = act();
        self.tell(trial, result.as_ref().err().map_or(0, |&errno| errno as i32));
        result.ok()
    }

    fn tell(&self, trial: Trial, errno: i32) {
        let mut packet = [trial as u8; PACKET];
        packet[1..].copy_from_slice(&errno.to_ne_bytes());
        // If nobody listens, there is nobody to tell.
        let _listening = socket::send(self.to.as_fd(), &packet).is_ok();
    }

    fn write(&self, path: &CStr, content: &str) -> Result<()> {
        let fd = open::write_at(self.proc.as_fd(), path)?;
        content::write_all(fd.as_fd(), content.as_bytes())
    }
}

/// The trials in a process of its own, without new namespaces.
fn plain(teller: &Teller, caller: Caller, thread: SingleThread) {
    if process::set_pdeathsig().is_err() {
        return;
    }
    teller.tell(Trial::UserNs, BEGUN);
    match process::clone(thread, NsSet::USER, false) {
        Ok(Cloned::Child) => {
            teller.tell(Trial::UserNs, 0);
            inside(teller, caller, thread);
            process::exit_now(0)
        }
        Ok(Cloned::Parent(child)) => {
            let _gone = process::wait(child.as_fd()).is_ok();
        }
        Err(errno) => teller.tell(Trial::UserNs, errno as i32),
    }
    let mut keep = [&teller.to, &teller.proc].map(|fd| fd::number(fd.as_fd()));
    keep.sort_unstable();
    teller.try_to(Trial::CloseRange, || fd::close_all_but(&keep));
    teller.try_to(Trial::PidfdOpen, || process::pidfd_open(process::getpid()));
    teller.try_to(Trial::Filter, || {
        process::set_no_new_privs()?;
        process::install_filter(&allow_everything())
    });
    teller.try_to(Trial::Landlock, kernel::restrict_by_landlock);
}

/// A filter of one instruction (`struct sock_filter`): return `SECCOMP_RET_ALLOW`.
fn allow_everything() -> Vec<u8> {
    const BPF_RET: u16 = 0x06;
    const SECCOMP_RET_ALLOW: u32 = 0x7fff_0000;
    [&BPF_RET.to_ne_bytes()[..], &[0, 0], &SECCOMP_RET_ALLOW.to_ne_bytes()].concat()
}

/// The trials in a new user namespace.
fn inside(teller: &Teller, caller: Caller, thread: SingleThread) {
    // If the caller cannot read the file of this program, the process is non-dumpable, and root owns its files in
    // procfs. Then it could not write its id maps.
    if process::set_pdeathsig().and_then(|()| process::set_dumpable(true)).is_err() {
        return;
    }
    let Caller { uid, gid } = caller;
    teller.try_to(Trial::UidMap, || teller.write(c"self/uid_map", &format!("{uid} {uid} 1\n")));
    teller.try_to(Trial::SetGroups, || teller.write(c"self/setgroups", "deny"));
    teller.try_to(Trial::GidMap, || teller.write(c"self/gid_map", &format!("{gid} {gid} 1\n")));
    let mounts = teller.try_to(Trial::MountNs, || ns::unshare(NsSet::MOUNT));
    if teller.try_to(Trial::NetNs, || ns::unshare(NsSet::NET)).is_some() {
        teller.try_to(Trial::Loopback, || net::bring_loopback_up(net::any_socket()?.as_fd()));
    }
    teller.try_to(Trial::IpcNs, || ns::unshare(NsSet::IPC));
    teller.try_to(Trial::UtsNs, || ns::unshare(NsSet::UTS));
    teller.try_to(Trial::CgroupNs, || ns::unshare(NsSet::CGROUP));
    let root = mounts.and_then(|()| mounts_of_its_own(teller));
    teller.tell(Trial::PidNs, BEGUN);
    match process::clone(thread, NsSet::PID, false) {
        Ok(Cloned::Child) => {
            teller.tell(Trial::PidNs, 0);
            if mounts.is_some() {
                teller.try_to(Trial::Proc, || mount::new_fs(c"proc", &[], Attr::NO_SUID));
            }
            process::exit_now(0)
        }
        Ok(Cloned::Parent(child)) => {
            let _gone = process::wait(child.as_fd()).is_ok();
        }
        Err(errno) => teller.tell(Trial::PidNs, errno as i32),
    }
    if let Some(root) = root {
        teller.try_to(Trial::Pivot, || {
            cwd::fchdir(root.as_fd())?;
            mount::pivot_to_cwd()
        });
    }
}

/// Makes the mounts of a sandbox. Returns the tmpfs that could become the root.
fn mounts_of_its_own(teller: &Teller) -> Option<OwnedFd> {
    teller.try_to(Trial::OpenAt2, || open::in_root(AT_FDCWD, c".", open::Open::Path));
    // Recursively: mounts that came from an outer namespace cannot be separated.
    let tree = teller.try_to(Trial::OpenTree, || mount::clone_tree(AT_FDCWD, c"/", true));
    let root = teller.try_to(Trial::Tmpfs, || mount::new_fs(c"tmpfs", &[], Attr::NO_SUID))?;
    let any = tree.as_ref().unwrap_or(&root);
    teller.try_to(Trial::SetAttr, || mount::set_attr(any.as_fd(), Attr::READ_ONLY, Propagation::Keep, true));
    // On top of the host's root, as the engine does it. No path leads there.
    teller.try_to(Trial::Attach, || mount::attach(root.as_fd(), AT_FDCWD, c"/"))?;
    let dirs = ["a", "b", "u", "w"].map(|name| {
        let name = CString::new(name).ok()?;
        make::dir_at(root.as_fd(), &name, 0o755).ok()?;
        open::dir_at(root.as_fd(), &name).ok()
    });
    let [Some(a), Some(b), Some(upper), Some(work)] = dirs else { return Some(root) };
    let by_number = |dir: &OwnedFd| CString::new(format!("/proc/self/fd/{}", fd::number(dir.as_fd())));
    if let (Ok(a), Ok(b), Ok(upper), Ok(work)) = (by_number(&a), by_number(&b), by_number(&upper), by_number(&work)) {
        let writable = [FsOption::String(c"upperdir", &upper), FsOption::String(c"workdir", &work)];
        let [one, two] = writable;
        let options = [FsOption::Flag(c"userxattr"), FsOption::String(c"lowerdir", &a), one, two];
        teller.try_to(Trial::Overlay, || mount::new_fs(c"overlay", &options, Attr::NO_SUID));
        let layers = [FsOption::String(c"lowerdir+", &a), FsOption::String(c"lowerdir+", &b)];
        let options = [FsOption::Flag(c"userxattr"), layers[0], layers[1]];
        teller.try_to(Trial::OverlayLayers, || mount::new_fs(c"overlay", &options, Attr::NO_SUID));
    }
    Some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_numbers() {
        assert!(Trial::ALL.iter().enumerate().all(|(number, &(trial, _))| trial as usize == number));
    }
}
