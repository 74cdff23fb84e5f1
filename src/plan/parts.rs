//! The parts of a plan. Each stage of the launch gets the part that it carries out.

use std::ffi::{CStr, CString};

use super::{Denials, Exec, Joins, Lock, Maps, Rules, Start, Switch};
use crate::spec::{CapSet, FdNumber, Fds, Op, Report};
use crate::sys::ns::NsSet;

/// How the processes of the sandbox are made, and who is told about them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Namespaces that `clone(2)` makes.
    pub(crate) clone: NsSet,
    /// Namespaces to join, and when.
    pub joins: Joins,
    /// What the setup process waits for.
    pub(crate) start: Start,
    /// Who is told about the run.
    pub report: Report,
}

impl Launch {
    /// The namespaces that are made, named as by `unshare(1)`.
    pub(crate) fn namespaces(&self) -> Vec<&'static str> {
        let kinds = [
            ("user", NsSet::USER),
            ("mount", NsSet::MOUNT),
            ("pid", NsSet::PID),
            ("ipc", NsSet::IPC),
            ("uts", NsSet::UTS),
            ("cgroup", NsSet::CGROUP),
            ("net", NsSet::NET),
        ];
        let made = |set| self.clone.has(set) || (self.start == Start::NetworkBeside && set == NsSet::NET);
        kinds.iter().filter(|(_, set)| made(*set)).map(|(name, _)| *name).collect()
    }
}

/// The ids of the sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserIds {
    /// The id maps of the new user namespace.
    pub(crate) maps: Maps,
    /// The ids that the program sees as its own.
    pub(crate) seen: (u32, u32),
    /// Ids to switch to in a joined user namespace.
    pub switch: Switch,
}

/// The files that the program sees, and how its root is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Whether there is a new root. Otherwise the program sees the host's, and `ops` only served to derive Landlock
    /// rules.
    pub(crate) is_new: bool,
    /// Whether the sandbox has a user namespace that is not the host's.
    pub(crate) has_user_ns: bool,
    /// Whether mounts of the new namespace are still peers of the host's, so that they must be made slaves.
    pub(crate) make_slave: bool,
    /// The operations that build the new root.
    pub ops: Vec<Op>,
    /// How many of `ops`, from the first on, are links and binds that are made together.
    pub(crate) together: usize,
    /// What is denied once the operations are done.
    pub(crate) denials: Denials,
    /// Whether a restriction that cannot be enforced is dropped and the caller told.
    pub(crate) best_effort: bool,
    /// See [`crate::spec::Spec::one_tmpfs`].
    pub(crate) one_tmpfs: bool,
    /// Whether a new procfs is mounted, and not the host's.
    pub(crate) fresh_proc: bool,
    /// Which writable settings of the kernel in procfs are covered read-only.
    pub(crate) cover_proc: Cover,
    /// Whether the lists of keyrings in procfs are covered.
    pub(crate) hide_keys: bool,
    /// Whether the host's procfs is mounted read-only. It holds settings of processes outside, such as `oom_score_adj`.
    pub(crate) proc_is_read_only: bool,
    /// The operation that mounts [`crate::spec::Lifecycle::own_home`].
    pub(crate) own_home: Option<usize>,
    /// The terminal that becomes `/dev/console`.
    pub(crate) console: Option<CString>,
    /// SELinux label for new files.
    pub(crate) file_label: Option<CString>,
}

/// What the program may not do, besides what the mounts and namespaces prevent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restrictions {
    /// Capabilities, system call filters and nested user namespaces.
    pub(crate) lock: Lock,
    /// Landlock rules.
    pub(crate) landlock: Option<Rules>,
    /// The name of the system call filter, with the calls that are denied and allowed in addition.
    pub(crate) filter_name: String,
    /// The system call filter that the rules for TCP ports need. It is installed before any other.
    pub(crate) tcp_filter: Option<Vec<u8>>,
    /// The filter that keeps the program from changing processes outside, if it shares their PID namespace.
    pub(crate) others_filter: Option<Vec<u8>>,
}

impl Restrictions {
    /// The capabilities of the program.
    pub(crate) fn capabilities(&self) -> CapSet {
        self.lock.caps.unwrap_or_default()
    }

    /// Landlock rule number `index`. Failures count the rules in the same order.
    pub(crate) fn landlock_rule(&self, index: usize) -> Option<LandlockRule<'_>> {
        let rules = self.landlock.as_ref()?;
        let files = rules.files.iter().map(|rule| LandlockRule::File(&rule.path));
        let descriptors = rules.descriptors.iter().map(|&fd| LandlockRule::Descriptor(fd));
        let ports = rules.connect_tcp.iter().chain(&rules.bind_tcp).map(|&port| LandlockRule::Port(port));
        files.chain(descriptors).chain(ports).nth(index)
    }
}

/// The program and what it starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program.
    pub exec: Exec,
    /// Its working directory.
    pub cwd: Cwd,
    /// Descriptors of the caller that it gets.
    pub(crate) fds: Fds,
    /// Whether to start it in a new session.
    pub(crate) new_session: bool,
    /// Whether to start it in a new process group of this session.
    pub(crate) new_group: bool,
}

/// Our process in the sandbox: it sets up the sandbox, then becomes the program or stays as init.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// It stays as init: it reaps, holds lock files and `sync_fd`, and reports the program's end.
    pub(crate) stays: bool,
    /// It stays, and sends the program the signals that the supervisor gets.
    pub(crate) obeys: bool,
    /// The filters of the program are in force in it too. They are not if they refuse what it has to do.
    pub(crate) is_filtered: bool,
    /// The caller's tools may inspect this process.
    pub(crate) is_open: bool,
    /// The caller's tools may inspect it only after it has executed a copy of itself that nobody can change, because
    /// the caller can write to the file of this program.
    pub(crate) is_sealed: bool,
    /// The name of this process, which it keeps.
    pub(crate) name: CString,
}

/// The object of a Landlock rule.
pub(crate) enum LandlockRule<'a> {
    /// A file or directory.
    File(&'a CStr),
    /// The file that a descriptor of the caller refers to.
    Descriptor(FdNumber),
    /// A TCP port.
    Port(u16),
}

/// Which settings of the kernel in procfs are covered read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    /// None: no process in the sandbox could write to them.
    Nothing,
    /// Those that access(2) reports as writable for this process, as in bubblewrap. access(2) looks at the mode of a
    /// directory and does not know that the files in it belong to root.
    Writable,
    /// All of them.
    All,
}

/// The working directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cwd {
    /// This directory. If it cannot be entered, the run fails.
    Exactly(CString),
    /// The first of these that exists in the sandbox.
    FirstOf(Vec<CString>),
}

impl Cwd {
    /// The preferred directory.
    pub fn first(&self) -> &CStr {
        self.candidates().first().map_or(c"/", |path| path)
    }

    /// The directories to try, best first.
    pub(crate) fn candidates(&self) -> &[CString] {
        match self {
            Cwd::Exactly(path) => std::slice::from_ref(path),
            Cwd::FirstOf(paths) => paths,
        }
    }
}
