//! What is wanted: plain data, independent of the words it was typed in and of the host it will run on.
//!
//! A front end lowers its arguments to a [`Spec`]; a library user builds one directly. Nothing here reads the
//! environment or the kernel. Defaults are the values of [`Spec::new`]; bubblewrap's defaults (network shared,
//! environment kept, no pid namespace) are values that its front end sets.
#![forbid(unsafe_code)]

mod caps;
mod check;
pub mod env;
mod lockdown;
pub mod mode;
mod op;
pub(crate) mod path;
mod words;

use std::borrow::Cow;
use std::ffi::{CStr, CString};

pub use caps::{CapSet, LAST_KNOWN_CAP};
pub use check::Conflict;
pub use lockdown::{Landlock, LandlockTier, Lockdown, NestedUserNs, ProfileText, Seccomp};
pub use op::{BindFlags, DataFile, FdNumber, FsOp, Op, OverlayKind, Source};

/// Everything that one run needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Namespaces to make or to join.
    pub namespaces: Namespaces,
    /// The ids that the program sees itself as.
    pub ids: Ids,
    /// Operations on the new root, in the order in which they are carried out.
    pub ops: Vec<Op>,
    /// The program and its surroundings.
    pub process: Process,
    /// What the program may not do.
    pub lockdown: Lockdown,
    /// When the sandbox starts, what it holds, and when it ends.
    pub lifecycle: Lifecycle,
    /// Who is told what.
    pub report: Report,
    /// A restriction that this host cannot enforce is dropped and listed in the plan, rather than an error.
    pub best_effort: bool,
    /// Directories in memory that have no size of their own, and `/dev`, are parts of the filesystem of the root: one limit
    /// for them all together, and one filesystem to be made instead of many. A place that exists when its turn comes, or
    /// that lies in another mount, gets a filesystem of its own all the same.
    pub one_tmpfs: bool,
}

/// Whether a namespace is shared with the host or made new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unshare {
    /// The host's namespace is used.
    #[default]
    Share,
    /// A new namespace is made; if that fails, so does the run.
    New,
    /// A new namespace is made where the host offers the kind at all, otherwise the host's is shared.
    Try,
}

/// Where the user namespace comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserNs {
    /// A new one for an ordinary caller, none for root: what an unprivileged tool needs and no more.
    Auto,
    /// Always a new one.
    New,
    /// A new one where the host offers them; an ordinary caller gets one in any case.
    Try,
    /// Join the one that this descriptor refers to (`user_namespaces(7)`).
    Join(FdNumber),
}

/// Namespaces (`namespaces(7)`). The mount namespace is always new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespaces {
    /// User namespace to set up in.
    pub user: UserNs,
    /// A second user namespace, joined after the root is complete and before the program starts.
    pub user_inner: Option<FdNumber>,
    /// Write nothing into the id maps: somebody else does, and then sends a byte (or end of file) to this descriptor.
    pub user_maps_from: Option<FdNumber>,
    /// New PID namespace.
    pub pid: bool,
    /// PID namespace to join; with `pid` a new one is made below it.
    pub pid_join: Option<FdNumber>,
    /// New network namespace, with the loopback device up and nothing else.
    pub net: bool,
    /// New System V IPC and POSIX message queue namespace.
    pub ipc: bool,
    /// New UTS (host name) namespace.
    pub uts: bool,
    /// New cgroup namespace.
    pub cgroup: Unshare,
}

/// Ids seen inside. `None`: the caller's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ids {
    /// User id inside (0 to 2^32 - 2).
    pub uid: Option<u32>,
    /// Group id inside (0 to 2^32 - 2).
    pub gid: Option<u32>,
}

/// One change of the environment; applied in order to the caller's own.
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
    /// The program and its arguments; never empty in a checked spec. Looked up in the *new* environment's `PATH`.
    pub command: Vec<CString>,
    /// `argv[0]` of the program where it shall differ from `command[0]`.
    pub argv0: Option<CString>,
    /// Changes to the caller's environment, in order.
    pub env: Vec<EnvOp>,
    /// Working directory inside. `None`: the caller's own if it exists inside, else `$HOME`, else `/`.
    pub chdir: Option<CString>,
    /// Start in a new session, detached from the controlling terminal (`setsid(2)`).
    pub new_session: bool,
    /// Start in a process group of its own: no call that takes a group reaches the caller's. Where the caller's group is
    /// the foreground group of its terminal, the new one is made that. A new session has a new group already.
    pub new_group: bool,
    /// SELinux label for the program.
    pub exec_label: Option<CString>,
    /// SELinux label for files that the set-up creates.
    pub file_label: Option<CString>,
    /// Descriptors of the caller that the program gets.
    pub fds: Fds,
}

/// Descriptors of the caller that the program gets, besides those that are used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fds {
    /// All that are not closed on exec.
    Inherit,
    /// 0 to 2 and these. Refused are a directory and a place (`O_PATH`) on one of 0 to 2 that is not among these; and
    /// with [`Namespaces::net`] every socket that is not of the UNIX family, because it would be one of the host's
    /// network.
    Only(Vec<FdNumber>),
}

/// With whom the sandbox ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DieWith {
    /// With its program only.
    Nobody,
    /// With this tool: killing it, by any signal, kills everything inside.
    Tool,
    /// With the process that called this tool, and with the tool.
    Caller,
}

/// When the sandbox starts, what it holds, and when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// With whom the sandbox ends.
    pub die_with: DieWith,
    /// The program itself is PID 1 of the new PID namespace; nobody reaps.
    pub as_pid_1: bool,
    /// Files (paths inside) on which a read lock is held until every process inside has ended.
    pub lock_files: Vec<CString>,
    /// Signals that would end this tool end the sandbox first, in order. INT and QUIT from a terminal, which the program
    /// gets as well, are left to it.
    pub orderly: bool,
    /// Kept open until every process inside has ended; the program does not get it.
    pub sync_fd: Option<FdNumber>,
    /// The program starts when this descriptor yields a byte or end of file.
    pub block_fd: Option<FdNumber>,
    /// Descriptors that were used up while the arguments were read; closed before the program starts.
    pub spent_fds: Vec<FdNumber>,
    /// Names on the host that are looked for once everything inside has ended. Where there is one, the run lasts that
    /// long: what the program has left behind is killed, or waited for where the sandbox ends with nobody else
    /// ([`DieWith::Nobody`]).
    pub watch: Vec<Watch>,
    /// Directories that are put in order once everything inside has ended, for which the run lasts as long too.
    pub settle: Vec<Settle>,
}

impl Lifecycle {
    /// Whether the host's files are looked at when everything inside has ended.
    pub(crate) fn looks_afterwards(&self) -> bool {
        !self.watch.is_empty() || !self.settle.is_empty()
    }
}

/// Directories of the host in which git repositories that the program has made are put in order afterwards: hooks,
/// settings that are not certainly harmless, links and pointers that lead out of these directories are set aside, so
/// that git outside obeys none of them. No mount can hold what does not exist yet.
///
/// A tool that is killed puts nothing in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settle {
    /// The directories that the program can write.
    pub tops: Vec<SettleTop>,
    /// Absolute paths, without links, of what it cannot change in them: with all that is below they are left alone.
    pub held: Vec<CString>,
    /// Which file each of `held` is, in the same order. What has become something else is not left alone:
    /// a mount ends when its name is given to another file from outside, and then the program can write there.
    pub held_as: Vec<FileId>,
    /// Links in git directories that were there before. Every other one is removed.
    pub links: Vec<SettleLink>,
    /// Commands in unfinished rebases that were there before. A rebase with others is set aside.
    pub commands: Vec<SettleCommands>,
    /// What git obeys in every work tree that the configuration is for, also in one that the program makes.
    pub names: Vec<SettleName>,
}

/// A path that the configuration of git names from the top of a work tree. Below the top of one that was not there
/// before, it is set aside, unless it is the same as one of the originals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleName {
    /// The path, relative to the top.
    pub path: CString,
    /// The key of the configuration that names it.
    pub key: String,
    /// Whether it is named for all repositories. Otherwise, for work trees of those that were there before.
    pub is_everywhere: bool,
    /// Whether it is part of a command. A directory is then left alone.
    pub is_command: bool,
    /// Absolute paths, without links, of what the program could not change: what it is at the tops that were known.
    pub originals: Vec<CString>,
}

/// Which file something is.
///
/// The inode number alone would not say it: once a file is gone, the next one gets its number (of ext4, the lowest that
/// is free). Nobody can choose when a file was made. A few filesystems do not keep that, such as NFS before version 4
/// and ext4 with inodes of 128 bytes; there, the numbers have to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    /// The device number of its filesystem.
    pub device: u64,
    /// Its inode number.
    pub inode: u64,
    /// When it was made, in seconds and nanoseconds (`STATX_BTIME`, statx(2)).
    pub born: Option<(i64, u32)>,
}

/// A directory, and which one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleTop {
    /// An absolute path without links.
    pub path: CString,
    /// Which one it is. Another directory at the path is left alone, and that is said.
    pub identity: FileId,
}

/// A symbolic link in a git directory. It stays as long as it is the same, and leads to the same place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleLink {
    /// An absolute path. Only its last part is a link.
    pub path: CString,
    /// What the link says.
    pub target: CString,
    /// Where it leads in the end: an absolute path without links.
    pub leads_to: CString,
    /// Whether there is something.
    pub is_there: bool,
    /// Which file the link itself is: another one that says the same is not this one.
    pub identity: FileId,
    /// When the link itself was last changed (its ctime), in seconds and nanoseconds.
    pub changed: (i64, i64),
}

/// Commands that git would execute in going on with a rebase or a cherry-pick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleCommands {
    /// The git directory: an absolute path without links.
    pub git_dir: CString,
    /// The commands, as lines of a todo list; a merge strategy that is a program, as `strategy NAME`.
    pub commands: Vec<Vec<u8>>,
}

/// Names in a directory of the host that are not there, and shall not be afterwards. No mount can hold a name that
/// nothing has.
///
/// The directory must exist, or the program is not started. A tool that is killed looks for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watch {
    /// The directory: an absolute path without links.
    pub dir: CString,
    /// The names, without slashes. One that exists when the sandbox starts is left alone.
    pub names: Vec<Cow<'static, CStr>>,
    /// For some of the names, who would obey them, to be said with them.
    pub reasons: Vec<(CString, String)>,
    /// What is done about them.
    pub on_appear: OnAppear,
}

/// What is done about a name that has appeared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnAppear {
    /// It is removed, and said; a directory is only said.
    Remove,
    /// It is said.
    Report,
}

/// Who is told what about the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Report {
    /// One JSON document with `child-pid` and the namespaces, then closed.
    pub info_fd: Option<FdNumber>,
    /// JSON documents, one a line: the start, and `exit-code` at the end.
    pub json_status_fd: Option<FdNumber>,
    /// Whoever is told may enter the box by the process that is named (`nsenter`, `flatpak enter`), as with bubblewrap:
    /// that process can be looked into then, and by the program inside too. Where the caller may write to the file of
    /// its program, only the `pinfold` program is open so, by a copy of itself; another program that uses the library
    /// stays closed.
    pub is_open: bool,
}

impl Report {
    /// Whether somebody wants to know about the box before it begins.
    pub fn is_wanted(&self) -> bool {
        self.info_fd.is_some() || self.json_status_fd.is_some()
    }
}

impl Spec {
    /// Every descriptor of the caller that this spec names.
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

    /// A spec with every namespace shared that may be, the caller's environment, and no operations.
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
                orderly: false,
                sync_fd: None,
                block_fd: None,
                spent_fds: Vec::new(),
                watch: Vec::new(),
                settle: Vec::new(),
            },
            report: Report::default(),
            best_effort: false,
            one_tmpfs: false,
        }
    }
}
