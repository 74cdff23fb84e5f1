//! What is wanted: plain data that depends neither on the words of a command line nor on the host.
//!
//! A front end translates its arguments into a [`Spec`]. A library user builds one directly. Nothing here reads the
//! environment or asks the kernel. [`Spec::new`] has the defaults. bubblewrap's defaults (shared network, kept
//! environment, no PID namespace) are set by its front end.
#![forbid(unsafe_code)]

mod caps;
mod check;
pub mod env;
mod lockdown;
pub mod mode;
mod op;
pub(crate) mod path;
mod seen;
mod words;

use std::borrow::Cow;
use std::ffi::{CStr, CString};
use std::time::Duration;

pub use caps::{CapSet, LAST_KNOWN_CAP};
pub use check::Conflict;
pub use lockdown::{Landlock, LandlockTier, Lockdown, NestedUserNs, ProfileText, Seccomp};
pub use op::{BindFlags, DataFile, FdNumber, FsOp, Op, OverlayKind, Source};
pub(crate) use seen::{NameList, SeenDir, SeenName, Stamp};
pub use seen::{SeenBefore, SeenDirs};

/// Everything that a run needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Namespaces to make or to join.
    pub namespaces: Namespaces,
    /// The ids that the program sees as its own.
    pub ids: Ids,
    /// Operations on the new root, in order.
    pub ops: Vec<Op>,
    /// The program and what it starts with.
    pub process: Process,
    /// The restrictions of the program besides mounts and namespaces.
    pub lockdown: Lockdown,
    /// When the sandbox starts and ends, and what it holds.
    pub lifecycle: Lifecycle,
    /// Who is told about the run.
    pub report: Report,
    /// If set, a restriction that this host cannot enforce is dropped and listed in the plan. Otherwise it is an error.
    pub best_effort: bool,
    /// If set, `/dev` and every tmpfs without a size of its own are directories of the root's filesystem. They share
    /// one size limit, and one filesystem is made instead of many. A path that already exists, or that lies in another
    /// mount, still gets a filesystem of its own.
    pub one_tmpfs: bool,
}

/// Whether a namespace is shared with the host or new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unshare {
    /// The host's namespace is used.
    #[default]
    Share,
    /// A new namespace is made. If that fails, so does the run.
    New,
    /// A new namespace is made if the host offers this kind. Otherwise the host's is used.
    Try,
}

/// Where the user namespace comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserNs {
    /// A new one for an ordinary caller, none for root: no more than an unprivileged tool needs.
    Auto,
    /// Always a new one.
    New,
    /// A new one if the host offers them. An ordinary caller gets one in any case.
    Try,
    /// Joins the one that this descriptor refers to (`user_namespaces(7)`).
    Join(FdNumber),
}

/// Namespaces (`namespaces(7)`). The mount namespace is always new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    /// The user namespace in which the sandbox is set up.
    pub user: UserNs,
    /// A second user namespace, joined after the root is complete and before the program starts.
    pub user_inner: Option<FdNumber>,
    /// Another process writes the id maps, and then sends a byte (or end of file) to this descriptor.
    pub user_maps_from: Option<FdNumber>,
    /// New PID namespace.
    pub pid: bool,
    /// PID namespace to join. With `pid`, a new one is made below it.
    pub pid_join: Option<FdNumber>,
    /// New network namespace, with nothing but the loopback device, which is up.
    pub net: bool,
    /// New System V IPC and POSIX message queue namespace.
    pub ipc: bool,
    /// New UTS (host name) namespace.
    pub uts: bool,
    /// New cgroup namespace.
    pub cgroup: Unshare,
}

/// The ids inside. `None`: the caller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ids {
    /// User id inside (0 to 2^32 - 2).
    pub uid: Option<u32>,
    /// Group id inside (0 to 2^32 - 2).
    pub gid: Option<u32>,
}

/// One change to the environment. The changes apply to the caller's environment in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvOp {
    /// Remove everything.
    Clear,
    /// `NAME`, `VALUE`.
    Set(CString, CString),
    /// `NAME`.
    Unset(CString),
}

/// The program and what it starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The program and its arguments; never empty in a checked spec. It is looked up in the `PATH` of the *new*
    /// environment.
    pub command: Vec<CString>,
    /// `argv[0]` of the program, if it differs from `command[0]`.
    pub argv0: Option<CString>,
    /// Changes to the caller's environment, in order.
    pub env: Vec<EnvOp>,
    /// Working directory inside. `None`: the caller's own if it exists inside, otherwise `$HOME`, otherwise `/`.
    pub chdir: Option<CString>,
    /// Start the program in a new session, detached from the controlling terminal (`setsid(2)`).
    pub new_session: bool,
    /// Start the program in a new process group, so that no call on a process group reaches the caller's. If the
    /// caller's group is the foreground group of its terminal, the new group becomes that. A new session already has a
    /// new group.
    pub new_group: bool,
    /// SELinux label for the program.
    pub exec_label: Option<CString>,
    /// SELinux label for files that the set-up creates.
    pub file_label: Option<CString>,
    /// Descriptors of the caller that the program gets.
    pub fds: Fds,
}

/// Descriptors of the caller that the program gets. Those that the set-up uses up are closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fds {
    /// All that are not close-on-exec.
    Inherit,
    /// 0 to 2 and these.
    ///
    /// A directory or a location (`O_PATH`) on one of 0 to 2 is refused if that number is not listed here. With
    /// [`Namespaces::net`], every socket of a family other than UNIX is refused, because it would belong to the host's
    /// network.
    Only(Vec<FdNumber>),
}

/// Whose end also ends the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DieWith {
    /// Nobody's: only the end of its program ends it.
    Nobody,
    /// That of this tool: killing the tool, by any signal, kills everything inside.
    Tool,
    /// That of the process that called this tool, and that of the tool.
    Caller,
}

/// What a signal to this tool does that would end or stop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnSignal {
    /// What it does to any process.
    Default,
    /// It ends the sandbox, and then this tool. INT and QUIT from a terminal are left to the program, which gets them
    /// too.
    EndSandbox,
    /// TERM, HUP, INT, QUIT, USR1, USR2, TSTP, CONT and WINCH are sent to the program's process group, which is its
    /// own. The program's exit code says what became of it. A second TERM ends the sandbox, and then this tool, unless
    /// the same process has sent it within 0.1 s of the first: timeout(1) signals its child and then the child's group.
    /// What else would end this tool also ends the sandbox first.
    ///
    /// What the caller ignores stays ignored. Before the program starts, a signal that would end this tool ends the
    /// sandbox.
    Forward,
}

/// When the sandbox starts and ends, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// Whose end also ends the sandbox.
    pub die_with: DieWith,
    /// The program itself is PID 1 of the new PID namespace. No init reaps its orphans.
    pub as_pid_1: bool,
    /// Files (paths inside) on which a read lock is held until all processes inside have ended.
    pub lock_files: Vec<CString>,
    /// What signals to this tool do.
    pub on_signal: OnSignal,
    /// Everything inside is killed this long after a TERM has been sent on ([`OnSignal::Forward`]), if the program has
    /// not ended by then. The exit code is 137. `None`: it may take as long as it wants.
    pub kill_after: Option<Duration>,
    /// The run lasts until every process inside has ended, and not only the program. It takes a PID namespace of the
    /// sandbox's own. Once the program has ended, signals that are sent on go to every process inside.
    pub wait_all: bool,
    /// A descriptor that stays open until all processes inside have ended. The program does not get it.
    pub sync_fd: Option<FdNumber>,
    /// The program starts when this descriptor delivers a byte or end of file.
    pub block_fd: Option<FdNumber>,
    /// Descriptors that were used up while the arguments were read. They are closed before the program starts.
    pub spent_fds: Vec<FdNumber>,
    /// Names on the host that are looked for after all processes inside have ended.
    ///
    /// The run then lasts until that end. Processes that the program leaves behind are killed, or waited for with
    /// [`DieWith::Nobody`].
    pub watch: Vec<Watch>,
    /// Directories that are put in order after all processes inside have ended. The run lasts as long as with `watch`.
    pub settle: Vec<Settle>,
    /// What of the host the program changes only apart. The run lasts as long as with `watch`.
    pub keep: Keep,
    /// The home directory inside, if it is a [`FsOp::Tmpfs`]. What the program writes there ends with the sandbox. So
    /// after all processes inside have ended, the files in it are counted and the caller is told. Names with a dot in
    /// front do not count: they are settings and caches. The run lasts as long as with `watch`.
    pub own_home: Option<CString>,
}

/// Directories and files of the host that the program may change, but whose changes are kept apart. When nothing lives
/// in the sandbox any more, of git directories what is only git's data is taken over, checked. Everything else stays in
/// an entry of the store (`pinfold kept`) until the user takes it over or drops it.
///
/// If the tool is killed, the next run does this.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keep {
    /// Directories for the state of programs (`$XDG_STATE_HOME`). The entry is made in the first of them where that is
    /// possible.
    pub stores: Vec<CString>,
    /// A value of `PATH`, in which git is looked for afterwards. Without git nothing is taken over.
    pub search: CString,
    /// Directories that are shown as overlays ([`OverlayKind::Apart`], by their number here).
    pub dirs: Vec<KeptDir>,
    /// Files that are put back: absolute paths without links.
    pub files: Vec<CString>,
    /// Directories that the program can write to: absolute paths without links. A work tree that a git directory names
    /// lies in one of them.
    pub writable: Vec<CString>,
}

/// A directory whose changes are kept apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDir {
    /// An absolute path without links.
    pub path: CString,
    /// Whether it is a git directory, of which something can be taken over.
    pub is_git: bool,
}

impl Keep {
    /// Whether there is nothing to keep.
    pub(crate) fn is_empty(&self) -> bool {
        self.dirs.is_empty() && self.files.is_empty()
    }

    /// Adds what `more` keeps, whose overlays are among `ops`.
    pub(crate) fn add(&mut self, more: Keep, ops: &mut [FsOp]) {
        let mut next = self.dirs.len();
        for op in ops {
            if let FsOp::Overlay { kind: OverlayKind::Apart { kept }, .. } = op {
                // A number has no NUL.
                *kept = CString::new(next.to_string()).unwrap_or_default();
                next += 1;
            }
        }
        if !more.stores.is_empty() {
            (self.stores, self.search) = (more.stores, more.search);
        }
        self.dirs.extend(more.dirs);
        self.files.extend(more.files);
        self.writable.extend(more.writable);
    }
}

impl Lifecycle {
    /// Whether files of the host are checked after all processes inside have ended.
    pub(crate) fn looks_afterwards(&self) -> bool {
        let is_looked_for = !self.watch.is_empty() || !self.settle.is_empty() || !self.keep.is_empty();
        is_looked_for || self.own_home.is_some()
    }
}

/// Directories of the host in which new git repositories of the program are made harmless after the run. Hooks,
/// settings that are not certainly harmless, and links and pointers out of these directories are set aside. Then git
/// outside obeys none of them. This happens afterwards because no mount can protect what does not exist yet.
///
/// If the tool is killed, it does nothing of this.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settle {
    /// The directories that the program can write to.
    pub tops: Vec<SettleTop>,
    /// Absolute paths, without links, of files and directories below them that the program cannot change. These and
    /// everything below them are left alone.
    pub held: Vec<CString>,
    /// The identity of each file in `held`, in the same order. A different file at the path is not left alone: if its
    /// name is given to another file from outside, the mount on it ends, and the program can write there.
    pub held_as: Vec<FileId>,
    /// Files that git obeys in every work tree that the configuration applies to, including those that the program
    /// makes.
    pub names: Vec<SettleName>,
    /// What the look before the run has seen in some of `tops`, and in all below them. What did not change since need
    /// not be read again, and what is new and obeyed by some program is reported.
    pub before: Vec<SeenBefore>,
}

/// A path, relative to the top of a work tree, that the configuration of git names. In a new work tree, the file at
/// this path is set aside, unless it equals one of the originals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleName {
    /// The path, relative to the top of the work tree.
    pub path: CString,
    /// The configuration key that names it.
    pub key: String,
    /// Whether it applies to all repositories. Otherwise it applies to work trees of those that existed before.
    pub is_everywhere: bool,
    /// Whether it is part of a command. A directory at the path is then left alone.
    pub is_command: bool,
    /// Absolute paths, without links, of files that the program could not change: those at this path in the known work
    /// trees.
    pub originals: Vec<CString>,
}

/// The identity of a file.
///
/// The inode number alone is not enough: once a file is gone, another one can get its number (on ext4, the lowest free
/// one). Nobody can choose the creation time of a file. A few filesystems do not keep it, such as NFS before version 4
/// and ext4 with inodes of 128 bytes. There, device and inode have to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device number of its filesystem.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
    /// Its creation time, in seconds and nanoseconds (`STATX_BTIME`, statx(2)).
    pub born: Option<(i64, u32)>,
}

/// A directory and its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleTop {
    /// An absolute path without links.
    pub path: CString,
    /// Its identity. Another directory at the path is left alone, and that is reported.
    pub identity: FileId,
}

/// Names in a directory of the host that must not appear during the run. They are checked afterwards, because no mount
/// can protect a name that does not exist.
///
/// If the directory does not exist, the program is not started. If the tool is killed, nothing is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The directory: an absolute path without links.
    pub dir: CString,
    /// The names, without slashes. Those that exist when the sandbox starts are left alone.
    pub names: Vec<Cow<'static, CStr>>,
    /// Who would obey some of the names, for the report.
    pub reasons: Vec<(CString, String)>,
}

/// Who is told about the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// Gets one JSON document with `child-pid` and the namespaces; it is then closed.
    pub info_fd: Option<FdNumber>,
    /// Gets JSON documents, one per line: at the start, and with `exit-code` at the end.
    pub json_status_fd: Option<FdNumber>,
    /// Lets whoever is told enter the sandbox through the process that is named (`nsenter`, `flatpak enter`), as in
    /// bubblewrap. That process can then be inspected, also by the program inside.
    ///
    /// If the caller may write to the file of its program, this works only for the `pinfold` program, which executes a
    /// copy of itself. Another program that uses the library stays closed to inspection.
    pub is_open: bool,
}

impl Report {
    /// Whether somebody wants to know about the sandbox before it begins.
    pub fn is_wanted(&self) -> bool {
        self.info_fd.is_some() || self.json_status_fd.is_some()
    }
}

impl Spec {
    /// All descriptors of the caller that this spec names.
    pub fn descriptors(&self) -> Vec<FdNumber> {
        let of_ops = self.ops.iter().filter_map(|op| match op.fs {
            FsOp::Bind { source: Source::Fd(fd), .. } | FsOp::Data { fd, .. } => Some(fd),
            _ => None,
        });
        let (namespaces, life) = (&self.namespaces, &self.lifecycle);
        let user = if let UserNs::Join(fd) = namespaces.user { Some(fd) } else { None };
        let filter = if let Seccomp::ReadLate(fd) = self.lockdown.seccomp { Some(fd) } else { None };
        let of_namespaces = [user, namespaces.user_inner, namespaces.user_maps_from, namespaces.pid_join];
        let others = [filter, life.block_fd, life.sync_fd, self.report.info_fd, self.report.json_status_fd];
        let single = of_namespaces.into_iter().chain(others).flatten();
        let kept = if let Fds::Only(kept) = &self.process.fds { kept.as_slice() } else { &[] };
        of_ops.chain(single).chain(kept.iter().copied()).chain(life.spent_fds.iter().copied()).collect()
    }

    /// A spec that shares every namespace that can be shared, keeps the caller's environment and has no operations.
    pub fn new(command: Vec<CString>) -> Spec {
        Spec {
            namespaces: Namespaces {
                user: UserNs::Auto,
                user_inner: None,
                user_maps_from: None,
                pid: false,
                pid_join: None,
                net: false,
                ipc: false,
                uts: false,
                cgroup: Unshare::Share,
            },
            ids: Ids::default(),
            ops: Vec::new(),
            process: Process {
                command,
                argv0: None,
                env: Vec::new(),
                chdir: None,
                new_session: false,
                new_group: false,
                exec_label: None,
                file_label: None,
                fds: Fds::Inherit,
            },
            lockdown: Lockdown {
                caps: None,
                seccomp: Seccomp::Off,
                landlock: Landlock::OFF,
                settings_covered: false,
                nested_userns: NestedUserNs::Allow,
                assert_userns_disabled: false,
            },
            lifecycle: Lifecycle {
                die_with: DieWith::Nobody,
                as_pid_1: false,
                lock_files: Vec::new(),
                on_signal: OnSignal::Default,
                kill_after: None,
                wait_all: false,
                sync_fd: None,
                block_fd: None,
                spent_fds: Vec::new(),
                watch: Vec::new(),
                settle: Vec::new(),
                keep: Keep::default(),
                own_home: None,
            },
            report: Report::default(),
            best_effort: false,
            one_tmpfs: false,
        }
    }
}
