//! The parts of a plan. Each stage is given the part that it carries out.

use std::ffi::{CStr, CString};

use super::{Denials, Exec, Joins, Lock, Maps, Rules, Start, Switch};
use crate::spec::{CapSet, FdNumber, Fds, Op, Report};
use crate::sys::ns::NsSet;

/// How the processes of the box are made, and who is told of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Namespaces that `clone(2)` makes.
    pub(crate) clone: NsSet,
    /// Namespaces that are joined, and when.
    pub joins: Joins,
    /// What the setup process waits for.
    pub(crate) start: Start,
    /// Who is told what.
    pub report: Report,
}

impl Launch {
    /// Names of the namespaces that are made, as `unshare(1)` has them.
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

/// Whose ids the box has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserIds {
    /// The id maps of the new user namespace.
    pub(crate) maps: Maps,
    /// The ids that the program sees itself as.
    pub(crate) seen: (u32, u32),
    /// Ids to become in a joined user namespace.
    pub switch: Switch,
}

/// What the program sees of files, and how it is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// There is a new root; otherwise the program sees the host's, and `ops` are only what the rules were made of.
    pub(crate) is_new: bool,
    /// The box has a user namespace that is not the host's.
    pub(crate) has_user_ns: bool,
    /// The mounts of the new namespace are still peers of the host's and must be cut off.
    pub(crate) make_slave: bool,
    /// What builds the new root.
    pub ops: Vec<Op>,
    /// What is denied, once they are done.
    pub(crate) denials: Denials,
    /// What cannot be enforced is dropped and told to the caller.
    pub(crate) best_effort: bool,
    /// [`Spec::one_tmpfs`].
    pub(crate) one_tmpfs: bool,
    /// Mount a new procfs rather than the host's.
    pub(crate) fresh_proc: bool,
    /// Writable parts of procfs may exist and are covered read-only.
    pub(crate) cover_proc: Cover,
    /// The lists of keyrings in procfs are covered.
    pub(crate) hide_keys: bool,
    /// The host's procfs is read-only: in it are settings of processes outside, such as `oom_score_adj`.
    pub(crate) proc_is_read_only: bool,
    /// The terminal that becomes `/dev/console`.
    pub(crate) console: Option<CString>,
    /// SELinux label for new files.
    pub(crate) file_label: Option<CString>,
}

/// What the program may not do, besides what the new root hides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restrictions {
    /// Capabilities, filters, further namespaces.
    pub(crate) lock: Lock,
    /// Landlock rules.
    pub(crate) landlock: Option<Rules>,
    /// What the system call filter is called, with what is denied and allowed on top of it.
    pub(crate) filter_name: String,
    /// A system call filter that the rules for ports need; installed before any other.
    pub(crate) tcp_filter: Option<Vec<u8>>,
    /// The filter that keeps the program from changing processes outside, where it shares their namespace.
    pub(crate) others_filter: Option<Vec<u8>>,
}

impl Restrictions {
    /// The capabilities that the program has.
    pub(crate) fn capabilities(&self) -> CapSet {
        self.lock.caps.unwrap_or_default()
    }

    /// Landlock rule number `index`, in the order in which failures count them.
    pub(crate) fn landlock_rule(&self, index: usize) -> Option<LandlockRule<'_>> {
        let rules = self.landlock.as_ref()?;
        let files = rules.files.iter().map(|rule| LandlockRule::File(&rule.path));
        let descriptors = rules.descriptors.iter().map(|&fd| LandlockRule::Descriptor(fd));
        let ports = rules.connect_tcp.iter().chain(&rules.bind_tcp).map(|&port| LandlockRule::Port(port));
        files.chain(descriptors).chain(ports).nth(index)
    }
}

/// The program, and what it is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program.
    pub exec: Exec,
    /// Where the program starts.
    pub cwd: Cwd,
    /// Descriptors of the caller that the program gets.
    pub(crate) fds: Fds,
    /// Start it in a new session.
    pub(crate) new_session: bool,
    /// Start it in a new process group of this session.
    pub(crate) new_group: bool,
}

/// The process of ours inside, until it becomes the program, or as long as it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Init {
    /// It stays: it reaps, holds what is to be held and reports the program's end.
    pub(crate) stays: bool,
    /// The tools of the caller may look into this process.
    pub(crate) is_open: bool,
    /// They may once it has become a copy of its program that nobody can change, because that file is the caller's.
    pub(crate) is_sealed: bool,
    /// The name that it keeps.
    pub(crate) name: CString,
}

/// What a Landlock rule is for.
pub(crate) enum LandlockRule<'a> {
    /// A file or directory.
    File(&'a CStr),
    /// What a descriptor of the caller refers to.
    Descriptor(FdNumber),
    /// A TCP port.
    Port(u16),
}

/// Which settings of the kernel in procfs are covered read-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cover {
    /// None: there is nobody inside who could write to them.
    Nothing,
    /// Those that access(2) says this process can write to, as with bubblewrap. It asks for the mode of a directory, and
    /// does not know that the files in it are root's.
    Writable,
    /// All.
    All,
}

/// Where the program starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cwd {
    /// There, or not at all.
    Exactly(CString),
    /// In the first of these that exists inside.
    FirstOf(Vec<CString>),
}

impl Cwd {
    /// The one that is wanted most.
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
