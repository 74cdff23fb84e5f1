//! Processes: clone, wait, exec, and attributes of the whole process.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal};
use nix::unistd::Pid;

use super::ns::NsSet;
use super::{Call, Errno, Result, check, fd, stat};

/// Proof that this process has one thread. So its copy after [`clone`] holds no lock of a thread that it does not have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SingleThread(());

impl SingleThread {
    /// Counts the subdirectories of `/proc/self/task`, one for each thread. Fails with `EDEADLK` if there are several.
    pub(crate) fn check(proc: BorrowedFd<'_>) -> Result<SingleThread> {
        // A directory has two links of its own and one more for each subdirectory.
        match stat::stat_at(proc, c"self/task")?.links {
            3 => Ok(SingleThread(())),
            _ => Err(Errno::EDEADLK),
        }
    }
}

/// Moves this process to another processor, if it may use more than one, and never back: for a process that ends soon.
/// It stays if the kernel or a filter of the caller refuses the calls.
pub(crate) fn move_to_other_cpu() {
    use nix::sched::{sched_getaffinity, sched_getcpu, sched_setaffinity};
    let this = Pid::from_raw(0);
    let (Ok(all), Ok(here)) = (sched_getaffinity(this), sched_getcpu()) else { return };
    let mut others = all;
    let _moved = others.unset(here).is_ok() && sched_setaffinity(this, &others).is_ok();
}

/// The result of [`clone`], once in each process.
pub(crate) enum Cloned {
    /// In the caller: the new process.
    Parent(Child),
    /// In the new process.
    Child,
}

/// A child of this process that has not been waited for yet.
#[derive(Debug)]
pub(crate) struct Child {
    /// Process id in the caller's PID namespace.
    pub(crate) pid: i32,
    /// Refers to the process even after its id has been reused.
    pub(crate) pidfd: OwnedFd,
}

/// Like `fork(2)`, but with new namespaces (`clone(2)`).
///
/// Uses `clone` and not `clone3(2)`: the default filter of container engines refuses `clone3` with ENOSYS.
///
/// With `same_parent`, the new process is a sibling of the caller.
///
/// The kernel frees a user namespace some time after its last process was waited for (kernel/user_namespace.c,
/// `__put_user_ns`): 70 ms where it is alone, 1.2 s with the mounts and the network of a box (Linux 6.18). Until then
/// it counts for `user.max_user_namespaces`. So where that limit is reached this waits for one that has ended; a limit
/// of 0 is final.
pub(crate) fn clone(thread: SingleThread, namespaces: NsSet, same_parent: bool) -> Result<Cloned> {
    const TRIES: u32 = 100;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(20);
    let mut result = clone_once(thread, namespaces, same_parent);
    let is_full = |result: &Result<Cloned>| matches!(result, Err(Errno::ENOSPC | Errno::EUSERS));
    if is_full(&result) && namespaces.has(NsSet::USER) && !is_a_kind_off() {
        for _ in 0..TRIES {
            std::thread::sleep(PAUSE);
            result = clone_once(thread, namespaces, same_parent);
            if !is_full(&result) {
                break;
            }
        }
    }
    result
}

/// Whether the limit of one kind of namespaces is 0.
fn is_a_kind_off() -> bool {
    ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"].into_iter().any(|kind| {
        let limit = std::fs::read(format!("/proc/sys/user/max_{kind}_namespaces"));
        limit.is_ok_and(|limit| limit.trim_ascii() == b"0")
    })
}

fn clone_once(_: SingleThread, namespaces: NsSet, same_parent: bool) -> Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let parent = if same_parent { libc::CLONE_PARENT } else { 0 };
    let flags = namespaces.bits() | parent | libc::CLONE_PIDFD | libc::SIGCHLD;
    // The order of the last two arguments differs between architectures; both are null.
    // SAFETY: no new stack is given, so the child runs on its copy of this one, and no other thread was changing that
    // memory. `pidfd` lives through the call.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone, flags as libc::c_long, 0usize, &raw mut pidfd, 0usize, 0usize)
    })?;
    Ok(match pid {
        0 => Cloned::Child,
        // A kernel before 5.2 ignores CLONE_PIDFD. It lacks the mount calls too, so the child cannot get as far as
        // running a program.
        _ if pidfd < 0 => return Err(Errno::ENOSYS),
        pid => Cloned::Parent(Child { pid: pid as i32, pidfd: fd::own(pidfd) }),
    })
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Code(u8),
    Signal(u8),
}

impl End {
    /// The exit code that a shell reports: 128 + n for signal n.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            End::Code(code) => code,
            End::Signal(signal) => signal.wrapping_add(128),
        }
    }

    /// Decodes a status of `wait(2)`.
    pub(super) fn of_status(status: c_int) -> End {
        if libc::WIFSIGNALED(status) {
            End::Signal(libc::WTERMSIG(status) as u8)
        } else {
            End::Code(libc::WEXITSTATUS(status) as u8)
        }
    }

    /// The inverse of [`End::exit_code`].
    pub(crate) fn from_exit_code(code: u8) -> End {
        if code > 128 { End::Signal(code - 128) } else { End::Code(code) }
    }
}

/// Waits until `child` ends, and reaps it.
pub(crate) fn wait(child: BorrowedFd<'_>) -> Result<End> {
    loop {
        // SAFETY: all-zero bytes are a valid `siginfo_t`.
        let mut found: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // A raw call: nix names signals by an enum that lacks the real-time signals.
        // SAFETY: `found` lives through the call.
        let result =
            unsafe { libc::waitid(libc::P_PIDFD, child.as_raw_fd() as libc::id_t, &raw mut found, libc::WEXITED) };
        match Errno::result(result) {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
            Ok(_) => {
                // SAFETY: waitid(2) filled in the fields of SIGCHLD.
                let status = unsafe { found.si_status() } as u8;
                return Ok(if found.si_code == libc::CLD_EXITED { End::Code(status) } else { End::Signal(status) });
            }
        }
    }
}

/// Waits until the child with id `pid` ends, and reaps it.
pub(crate) fn wait_for(pid: i32) -> Result<End> {
    loop {
        let mut status: c_int = 0;
        // SAFETY: `status` lives through the call.
        match Errno::result(unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) }) {
            Err(Errno::EINTR) => {}
            result => return result.map(|_| End::of_status(status)),
        }
    }
}

/// Kills `child`. It is no error if the child has already ended.
pub(crate) fn kill(child: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no siginfo is given; the rest are plain numbers.
    match check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, child.as_raw_fd(), libc::SIGKILL, std::ptr::null::<c_void>(), 0)
    }) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// A descriptor for the parent of this process. `None` if the parent is outside this PID namespace.
pub(crate) fn parent_pidfd() -> Result<Option<OwnedFd>> {
    let parent = nix::unistd::getppid().as_raw();
    if parent == 0 {
        return Ok(None);
    }
    pidfd_open(parent).map(Some)
}

/// A descriptor for process `pid`.
pub(crate) fn pidfd_open(pid: i32) -> Result<OwnedFd> {
    // SAFETY: plain numbers.
    let fd = check(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    Ok(fd::own(fd as RawFd))
}

pub(crate) fn getpid() -> i32 {
    nix::unistd::getpid().as_raw()
}

pub(crate) fn getppid() -> i32 {
    nix::unistd::getppid().as_raw()
}

/// Real user and group id.
pub(crate) fn real_ids() -> (u32, u32) {
    (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw())
}

/// The release of the running kernel, such as `6.18.44-generic` (`uname(2)`).
pub(crate) fn kernel_release() -> Result<CString> {
    // SAFETY: all-zero bytes are a valid `utsname`.
    let mut names: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: `names` lives through the call.
    Errno::result(unsafe { libc::uname(&raw mut names) })?;
    // SAFETY: the kernel writes a NUL-terminated string into each of the arrays.
    Ok(unsafe { CStr::from_ptr(names.release.as_ptr()) }.to_owned())
}

/// Whether exec gave this process ids or capabilities that its caller does not have (`AT_SECURE`, `getauxval(3)`).
pub(crate) fn is_privileged_by_file() -> bool {
    // SAFETY: a plain number; the value comes from memory that the kernel filled in at exec.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

pub(crate) fn set_uid(uid: u32) -> Result<()> {
    nix::unistd::setuid(uid.into())
}

pub(crate) fn set_gid(gid: u32) -> Result<()> {
    nix::unistd::setgid(gid.into())
}

pub(crate) fn setsid() -> Result<()> {
    nix::unistd::setsid().map(|_: Pid| ())
}

/// The system call of [`exit_now`].
pub(crate) const EXIT: Call = Call::new("exit_group", libc::SYS_exit_group);

/// Ends this process at once. No exit handler runs, and nothing buffered is printed a second time.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` takes a plain number and does not return.
    unsafe { libc::_exit(code.into()) }
}

/// Resets SIGCHLD to the default, whatever the caller set. If it were ignored, the kernel would discard the exit status
/// that we wait for (`waitpid(2)`, NOTES).
pub(crate) fn default_sigchld() -> Result<()> {
    // SAFETY: SIG_DFL installs no handler.
    unsafe { nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map(drop)
}

/// Ignores SIGPIPE, so that a write to a socket whose other end is closed does not end this process.
pub(crate) fn ignore_sigpipe() -> Result<()> {
    // SAFETY: SIG_IGN installs no handler.
    unsafe { nix::sys::signal::signal(Signal::SIGPIPE, SigHandler::SigIgn) }.map(drop)
}

/// Ignores the signals that a write can raise, so that it does not end or stop this process: a write without a reader,
/// beyond the limit of a file's size, or from the background to a terminal (`stty tostop`).
pub(crate) fn ignore_signals_of_writing() -> Result<()> {
    for signal in [Signal::SIGPIPE, Signal::SIGXFSZ, Signal::SIGTTOU] {
        // SAFETY: SIG_IGN installs no handler.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn) }?;
    }
    Ok(())
}

/// The system call of [`unblock_sigchld`].
pub(crate) const UNBLOCK: Call = Call::new("rt_sigprocmask", libc::SYS_rt_sigprocmask);

pub(crate) fn unblock_sigchld() -> Result<()> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set), None)
}

/// The system call of [`set_pdeathsig`].
pub(crate) const DIE_WITH_MAKER: Call = Call::new("prctl", libc::SYS_prctl);

/// Ends this process by a signal that was read from a signalfd instead of taking effect.
pub(crate) fn die_of(signal: u8) {
    super::signals::die_of(signal);
}

/// Ends this process by `signal` and interrupts its whole process group.
pub(crate) fn die_with_group(signal: u8) {
    super::signals::die_with_group(signal);
}

/// Has the kernel kill this process when the thread that created it ends (`PR_SET_PDEATHSIG`).
pub(crate) fn set_pdeathsig() -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong).map(drop)
}

/// The limits on open descriptors: soft, hard.
pub(crate) fn descriptor_limit() -> Result<(u64, u64)> {
    nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
}

pub(crate) fn set_descriptor_limit((soft, hard): (u64, u64)) -> Result<()> {
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, soft, hard)
}

/// Sets whether other processes with the same ids may inspect this one (`PR_SET_DUMPABLE`, `ptrace(2)`).
pub(crate) fn set_dumpable(yes: bool) -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, yes.into()).map(drop)
}

/// Whether others with the same ids may look into this process.
pub(crate) fn is_dumpable() -> bool {
    prctl(libc::PR_GET_DUMPABLE, 0) == Ok(1)
}

pub(crate) fn set_no_new_privs() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1).map(drop)
}

pub(crate) fn has_no_new_privs() -> Result<bool> {
    prctl(libc::PR_GET_NO_NEW_PRIVS, 0).map(|value| value == 1)
}

/// Installs a filter for the calling thread and its future children. `program` is an array of `struct sock_filter`.
pub(crate) fn install_filter(program: &[u8]) -> Result<()> {
    const ENTRY: usize = size_of::<libc::sock_filter>();
    let entries = u16::try_from(program.len() / ENTRY).map_err(|_| Errno::EINVAL)?;
    let filter = libc::sock_fprog { len: entries, filter: program.as_ptr() as *mut libc::sock_filter };
    // prctl(2) and not seccomp(2), like bubblewrap: a second filter must be allowed by the first one.
    // SAFETY: the kernel copies `len` entries of 8 bytes from `filter`, which `program` holds. It needs no alignment
    // and does not write.
    Errno::result(unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER as libc::c_ulong, &raw const filter, 0, 0)
    })
    .map(drop)
}

fn prctl(option: c_int, value: libc::c_ulong) -> Result<c_int> {
    // SAFETY: none of the options used with this function takes a pointer.
    Errno::result(unsafe { libc::prctl(option, value, 0, 0, 0) })
}

/// A string array for `execve(2)`, laid out before the process that needs it exists.
#[derive(Debug)]
pub(crate) struct CStrArray<'a> {
    pointers: Vec<*const c_char>,
    strings: std::marker::PhantomData<&'a CStr>,
}

impl<'a> CStrArray<'a> {
    pub(crate) fn new(strings: impl IntoIterator<Item = &'a CStr>) -> CStrArray<'a> {
        let strings = strings.into_iter();
        let mut pointers = Vec::with_capacity(strings.size_hint().0 + 1);
        pointers.extend(strings.map(CStr::as_ptr));
        pointers.push(std::ptr::null());
        CStrArray { pointers, strings: std::marker::PhantomData }
    }

    /// The pointer for a system call that takes such an array.
    pub(super) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    /// Replaces string number `index`, if there is one. Allocates nothing.
    pub(crate) fn set(&mut self, index: usize, string: &'a CStr) {
        let strings = self.pointers.len() - 1;
        if let Some(pointer) = self.pointers[..strings].get_mut(index) {
            *pointer = string.as_ptr();
        }
    }
}

/// The system call of [`exec`].
pub(crate) const EXEC: Call = Call::new("execve", libc::SYS_execve);

/// Replaces this program. Returns only if that fails, with the reason.
pub(crate) fn exec(path: &CStr, arguments: &CStrArray<'_>, environment: &CStrArray<'_>) -> Errno {
    // SAFETY: `path` is a string, both arrays are null-terminated arrays of strings that they borrow.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Errno::last()
}

/// From include/uapi/linux/sched.h: the child shares our memory, and we wait until it has called exec or ended.
const ON_OUR_MEMORY: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;

/// The system call of [`spawn_on_own_stack`], besides those that take memory.
pub(crate) const SPAWN: Call =
    Call { args: [Some(ON_OUR_MEMORY as u64), None, None, None, None, None], ..Call::new("clone", libc::SYS_clone) };

/// The system calls that allocating and freeing memory may make.
pub(crate) const MEMORY: [Call; 4] = [
    Call::new("brk", libc::SYS_brk),
    Call::new("mmap", libc::SYS_mmap),
    Call::new("munmap", libc::SYS_munmap),
    Call::new("mremap", libc::SYS_mremap),
];

/// Runs `body` in a new process that shares this process's memory. Returns its id once it has called exec or ended.
///
/// Like `vfork(2)`, but the child has a stack of its own: it cannot overwrite a frame that the caller still needs. No
/// page table is copied.
pub(crate) fn spawn_on_own_stack<F: FnMut() -> u8>(_: SingleThread, body: F) -> Result<i32> {
    clone_on_own_stack(ON_OUR_MEMORY, body)
}

/// Runs `body` in a helper process and returns when it has ended. The helper shares the memory and descriptors of this
/// process, but its credentials and namespaces are its own and end with it.
pub(crate) fn help<F: FnMut() -> u8>(_: SingleThread, body: F) -> Result<()> {
    clone_on_own_stack(ON_OUR_MEMORY | libc::CLONE_FILES, body).and_then(wait_for).map(drop)
}

fn clone_on_own_stack<F: FnMut() -> u8>(flags: c_int, mut body: F) -> Result<i32> {
    /// Stack size in bytes. `body` sets flags, installs filters, builds arrays of pointers and calls exec, or reports a
    /// failure of about 1 KiB. In a debug build that takes a few KiB.
    const STACK: usize = 64 * 1024;
    extern "C" fn enter<F: FnMut() -> u8>(body: *mut c_void) -> c_int {
        // SAFETY: `body` points to the closure in the caller's frame. The caller is suspended until this process calls
        // exec or ends.
        let body = unsafe { &mut *body.cast::<F>() };
        exit_now(body())
    }
    let mut stack = Vec::<std::mem::MaybeUninit<u128>>::with_capacity(STACK / 16);
    // SAFETY: this is the top of the allocation, aligned for u128 (16 bytes) as every ABI here requires. CLONE_VFORK
    // suspends this process, which has no other thread, until the child has called exec or ended. So stack and `body`
    // outlive their use by the child, and `body` runs as if called here.
    let child = unsafe {
        let top = stack.as_mut_ptr().add(STACK / 16);
        libc::clone(enter::<F>, top.cast(), flags, (&raw mut body).cast())
    };
    Errno::result(child)
}

/// Lets callers poll the child by its pidfd.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
