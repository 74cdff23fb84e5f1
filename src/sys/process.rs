//! Processes: clone, wait, exec, and what is set for the process as a whole.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal};
use nix::unistd::Pid;

use super::ns::NsSet;
use super::{Call, Errno, Result, check, fd, stat};

/// Proof that this process has one thread, so that its copy after [`clone`] has no lock that nobody will ever release.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SingleThread(());

impl SingleThread {
    /// Looks into `/proc/self/task`, which has a subdirectory for each thread. `EDEADLK` where there are several.
    pub(crate) fn check(proc: BorrowedFd<'_>) -> Result<SingleThread> {
        // A directory has two links of its own and one for each subdirectory.
        match stat::stat_at(proc, c"self/task")?.links {
            3 => Ok(SingleThread(())),
            _ => Err(Errno::EDEADLK),
        }
    }
}

/// Continues on another processor, if this process may use more than one, and never comes back to this one: for a
/// process that soon ends. Where the kernel, or a filter of the caller's, answers with an error, it stays.
pub(crate) fn leave_processor() {
    use nix::sched::{sched_getaffinity, sched_getcpu, sched_setaffinity};
    let this = Pid::from_raw(0);
    let (Ok(all), Ok(here)) = (sched_getaffinity(this), sched_getcpu()) else { return };
    let mut others = all;
    let _moved = others.unset(here).is_ok() && sched_setaffinity(this, &others).is_ok();
}

/// What [`clone`] returns, once in each process.
pub(crate) enum Cloned {
    /// In the caller: the new process.
    Parent(Child),
    /// In the new process.
    Child,
}

/// A process that this one has made and not yet waited for.
#[derive(Debug)]
pub(crate) struct Child {
    /// Process id in the caller's PID namespace.
    pub(crate) pid: i32,
    /// Refers to the process even when the id has been given to another.
    pub(crate) pidfd: OwnedFd,
}

/// `clone(2)` in the manner of `fork(2)`, with new namespaces.
///
/// The raw call: `clone3(2)` is refused by the default filter of container engines, which answer ENOSYS.
///
/// With `same_parent` the new process is a sibling of the caller.
pub(crate) fn clone(_: SingleThread, namespaces: NsSet, same_parent: bool) -> Result<Cloned> {
    let mut pidfd: RawFd = -1;
    let parent = if same_parent { libc::CLONE_PARENT } else { 0 };
    let flags = namespaces.bits() | parent | libc::CLONE_PIDFD | libc::SIGCHLD;
    // The order of the last two arguments differs between architectures; both are null.
    // SAFETY: no new stack is given, so the child runs on its copy of this one, with memory that no other thread was
    // changing; `pidfd` lives through the call.
    let pid = check(unsafe {
        libc::syscall(libc::SYS_clone, flags as libc::c_long, 0usize, &raw mut pidfd, 0usize, 0usize)
    })?;
    Ok(match pid {
        0 => Cloned::Child,
        // A kernel older than 5.2 takes no notice of CLONE_PIDFD. It has none of the mount calls either, so that the
        // child cannot get as far as a program.
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
    /// The exit code that a shell would report: 128 + n for a signal.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            End::Code(code) => code,
            End::Signal(signal) => signal.wrapping_add(128),
        }
    }

    /// The end in a status of `wait(2)`.
    fn of_status(status: c_int) -> End {
        if libc::WIFSIGNALED(status) {
            End::Signal(libc::WTERMSIG(status) as u8)
        } else {
            End::Code(libc::WEXITSTATUS(status) as u8)
        }
    }

    /// The end behind a code of [`End::exit_code`].
    pub(crate) fn from_exit_code(code: u8) -> End {
        if code > 128 { End::Signal(code - 128) } else { End::Code(code) }
    }
}

/// Waits until `child` ends, and removes it.
pub(crate) fn wait(child: BorrowedFd<'_>) -> Result<End> {
    loop {
        // SAFETY: all-zero bytes are a valid `siginfo_t`.
        let mut found: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // The raw call: a type that has a name for each signal has none for those of real time.
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

/// Waits until the child with this id ends, and removes it.
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

/// What [`wait_for_any`] does.
pub(crate) const WAIT_FOR_ANY: Call =
    // The id is an `int`: what stands in the upper half of its register is the compiler's business.
    Call {
        args: [None, None, Some(libc::WUNTRACED as u64), Some(0), None, None],
        ..Call::new("wait4", libc::SYS_wait4)
    };

/// What has become of a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// It has ended, and is removed.
    Ended(End),
    /// A signal has stopped it.
    Stopped(u8),
}

/// Waits until any child ends or stops; `ECHILD` when there is none left.
pub(crate) fn wait_for_any() -> Result<(i32, Change)> {
    loop {
        // wait4(2) by number: the init of a box runs under the caller's filter, which may know no newer call.
        let mut status: c_int = 0;
        // SAFETY: `status` lives through the call.
        let pid = unsafe { libc::wait4(-1, &raw mut status, libc::WUNTRACED, std::ptr::null_mut()) };
        let change = |status| match () {
            () if libc::WIFSTOPPED(status) => Change::Stopped(libc::WSTOPSIG(status) as u8),
            () => Change::Ended(End::of_status(status)),
        };
        match Errno::result(pid) {
            Err(Errno::EINTR) => {}
            result => return result.map(|pid| (pid, change(status))),
        }
    }
}

/// What [`has_no_child`] does.
pub(crate) const LOOK_FOR_ANY: Call = Call {
    args: [None, None, Some((libc::WNOHANG | libc::__WALL) as u32 as u64), Some(0), None, None],
    ..Call::new("wait4", libc::SYS_wait4)
};

/// Whether there is no child any more. Those that have ended are removed.
pub(crate) fn has_no_child() -> bool {
    loop {
        // Of every kind, whatever signal it ends with (`__WALL`).
        // SAFETY: the kernel writes to no memory of ours.
        let pid = unsafe { libc::wait4(-1, std::ptr::null_mut(), libc::WNOHANG | libc::__WALL, std::ptr::null_mut()) };
        match Errno::result(pid) {
            Ok(0) => return false,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return errno == Errno::ECHILD,
        }
    }
}

/// Kills `child`; one that has ended already is no error.
pub(crate) fn kill(child: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no siginfo is given; the rest are plain numbers.
    match check(unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, child.as_raw_fd(), libc::SIGKILL, std::ptr::null::<c_void>(), 0)
    }) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// A descriptor for the process that started this one; `None` where it is gone, or outside this PID namespace.
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
    // SAFETY: the kernel writes a string that ends with NUL into each of the arrays.
    Ok(unsafe { CStr::from_ptr(names.release.as_ptr()) }.to_owned())
}

/// Whether this program's file has given it ids or capabilities that its caller does not have (`getauxval(3)`).
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

/// What [`exit_now`] does.
pub(crate) const EXIT: Call = Call::new("exit_group", libc::SYS_exit_group);

/// Ends this process at once: no exit handler runs, nothing buffered is printed a second time.
pub(crate) fn exit_now(code: u8) -> ! {
    // SAFETY: `_exit` takes a plain number and does not return.
    unsafe { libc::_exit(code.into()) }
}

/// SIGCHLD as it is by default, whatever the caller made of it: an ignored one would have the kernel throw away the
/// exit status that we wait for (`waitpid(2)`, NOTES).
pub(crate) fn default_sigchld() -> Result<()> {
    // SAFETY: SIG_DFL installs no handler.
    unsafe { nix::sys::signal::signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map(drop)
}

/// No death by writing to a socket whose other end is gone.
pub(crate) fn ignore_sigpipe() -> Result<()> {
    // SAFETY: SIG_IGN installs no handler.
    unsafe { nix::sys::signal::signal(Signal::SIGPIPE, SigHandler::SigIgn) }.map(drop)
}

/// No end and no stop by writing: to what has no reader any more, beyond the limit of a file's size, or to a terminal
/// where processes in the background may not write (`stty tostop`).
pub(crate) fn ignore_signals_of_writing() -> Result<()> {
    for signal in [Signal::SIGPIPE, Signal::SIGXFSZ, Signal::SIGTTOU] {
        // SAFETY: SIG_IGN installs no handler.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn) }?;
    }
    Ok(())
}

/// What [`unblock_sigchld`] does.
pub(crate) const UNBLOCK: Call = Call::new("rt_sigprocmask", libc::SYS_rt_sigprocmask);

pub(crate) fn unblock_sigchld() -> Result<()> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    nix::sys::signal::sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&set), None)
}

/// What [`die_with_maker`] does.
pub(crate) const DIE_WITH_MAKER: Call = Call::new("prctl", libc::SYS_prctl);

/// Ends this process by a signal that has been read instead of taking effect.
pub(crate) fn die_of(signal: u8) {
    super::signals::die_of(signal);
}

/// Ends this process and its whole group by a signal.
pub(crate) fn die_with_group(signal: u8) {
    super::signals::die_with_group(signal);
}

/// This process is killed when the thread that made it ends (`PR_SET_PDEATHSIG`).
pub(crate) fn die_with_maker() -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong).map(drop)
}

/// The limit of open descriptors: soft, hard.
pub(crate) fn descriptor_limit() -> Result<(u64, u64)> {
    nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
}

pub(crate) fn set_descriptor_limit((soft, hard): (u64, u64)) -> Result<()> {
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, soft, hard)
}

/// Whether others with the same ids may look into this process (`PR_SET_DUMPABLE`, `ptrace(2)`).
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

/// Installs a filter for the calling thread and what it starts. `program` is an array of `struct sock_filter`.
pub(crate) fn install_filter(program: &[u8]) -> Result<()> {
    const ENTRY: usize = size_of::<libc::sock_filter>();
    let entries = u16::try_from(program.len() / ENTRY).map_err(|_| Errno::EINVAL)?;
    let filter = libc::sock_fprog { len: entries, filter: program.as_ptr() as *mut libc::sock_filter };
    // prctl(2) rather than seccomp(2), as bubblewrap does: a second filter must pass the first.
    // SAFETY: the kernel copies `len` entries of 8 bytes from `filter`, which `program` holds; it does not ask for
    // alignment, and it does not write.
    Errno::result(unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER as libc::c_ulong, &raw const filter, 0, 0)
    })
    .map(drop)
}

fn prctl(option: c_int, value: libc::c_ulong) -> Result<c_int> {
    // SAFETY: none of the options used with this function takes a pointer.
    Errno::result(unsafe { libc::prctl(option, value, 0, 0, 0) })
}

/// Strings for `execve(2)`, laid out before the process that needs them exists.
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

    /// For a call that takes such an array.
    pub(super) fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    /// Puts `string` in the place of string number `index`, if there is one. Allocates nothing.
    pub(crate) fn set(&mut self, index: usize, string: &'a CStr) {
        let strings = self.pointers.len() - 1;
        if let Some(pointer) = self.pointers[..strings].get_mut(index) {
            *pointer = string.as_ptr();
        }
    }
}

/// What [`exec`] does.
pub(crate) const EXEC: Call = Call::new("execve", libc::SYS_execve);

/// Replaces this program; returns only the reason why it could not.
pub(crate) fn exec(path: &CStr, arguments: &CStrArray<'_>, environment: &CStrArray<'_>) -> Errno {
    // SAFETY: `path` is a string, both arrays are null-terminated arrays of strings that they borrow.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    Errno::last()
}

/// From include/uapi/linux/sched.h: on this process's memory, which waits until the child has called exec or ended.
const ON_OUR_MEMORY: c_int = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;

/// What [`spawn_on_own_stack`] does, besides taking memory.
pub(crate) const SPAWN: Call =
    Call { args: [Some(ON_OUR_MEMORY as u64), None, None, None, None, None], ..Call::new("clone", libc::SYS_clone) };

/// What taking and giving back memory may do.
pub(crate) const MEMORY: [Call; 4] = [
    Call::new("brk", libc::SYS_brk),
    Call::new("mmap", libc::SYS_mmap),
    Call::new("munmap", libc::SYS_munmap),
    Call::new("mremap", libc::SYS_mremap),
];

/// Runs `body` in a new process, on this process's memory, and returns its id once it has called exec or ended.
///
/// As `vfork(2)`, but on a stack of its own: nothing of a frame that the caller still needs can be overwritten, and no
/// page table is copied.
pub(crate) fn spawn_on_own_stack<F: FnMut() -> u8>(_: SingleThread, body: F) -> Result<i32> {
    clone_on_own_stack(ON_OUR_MEMORY, body)
}

/// Does `body` in a helper: a process that has this one's memory and descriptors, and credentials and namespaces of its
/// own, which end with it. Returns when it has ended.
pub(crate) fn help<F: FnMut() -> u8>(_: SingleThread, body: F) -> Result<()> {
    clone_on_own_stack(ON_OUR_MEMORY | libc::CLONE_FILES, body).and_then(wait_for).map(drop)
}

fn clone_on_own_stack<F: FnMut() -> u8>(flags: c_int, mut body: F) -> Result<i32> {
    /// `body` sets a few flags, installs filters, builds arrays of pointers and calls exec, or reports a failure of about
    /// 1 KiB: a few KiB in a build for debugging.
    const STACK: usize = 64 * 1024;
    extern "C" fn enter<F: FnMut() -> u8>(body: *mut c_void) -> c_int {
        // SAFETY: `body` points to the closure in the frame of the caller, who is suspended until this process calls
        // exec or ends.
        let body = unsafe { &mut *body.cast::<F>() };
        exit_now(body())
    }
    let mut stack = Vec::<std::mem::MaybeUninit<u128>>::with_capacity(STACK / 16);
    // SAFETY: the top of the allocation, which is aligned for u128 (16 bytes) as every ABI here asks. With CLONE_VFORK
    // this process, which has no other thread, is suspended until the child has called exec or ended: so stack and
    // `body` outlive the child's use of them, and `body` runs as if it had been called here.
    let child = unsafe {
        let top = stack.as_mut_ptr().add(STACK / 16);
        libc::clone(enter::<F>, top.cast(), flags, (&raw mut body).cast())
    };
    Errno::result(child)
}

/// The descriptor's `AsFd` view of a child; a name for what the supervisor polls.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}
