//! Landlock (kernel document `userspace-api/landlock`, `landlock(7)`), through the `landlock` crate.
//!
//! Every request is a hard requirement: what the kernel does not know is an error and never left out. Rules are added
//! without the crate, because it makes one more call per file to find out whether it is a directory.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use landlock::{
    AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, RulesetAttr, RulesetError, Scope, make_bitflags,
};

use super::{Errno, Result, check};

/// From include/uapi/linux/landlock.h: asks for the ABI version and creates no ruleset.
const CREATE_RULESET_VERSION: u32 = 1;

/// The kernel's ABI version, 1 or more. `None` if the kernel has no Landlock or it is switched off.
pub(crate) fn abi() -> Option<u32> {
    // SAFETY: with this flag the kernel takes no attributes: the pointer is null and the size 0.
    let version = check(unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0usize, CREATE_RULESET_VERSION)
    });
    version.ok().and_then(|version| u32::try_from(version).ok()).filter(|&version| version > 0)
}

/// A set of rights on files.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rights(BitFlags<AccessFs>);

impl Rights {
    pub(crate) const NONE: Rights = Rights(BitFlags::EMPTY);
    pub(crate) const EXECUTE: Rights = Rights(make_bitflags!(AccessFs::{Execute}));
    pub(crate) const READ_FILE: Rights = Rights(make_bitflags!(AccessFs::{ReadFile}));
    pub(crate) const READ_DIR: Rights = Rights(make_bitflags!(AccessFs::{ReadDir}));
    pub(crate) const WRITE_FILE: Rights = Rights(make_bitflags!(AccessFs::{WriteFile}));
    /// Creating and removing directory entries of every type.
    pub(crate) const CHANGE_DIR: Rights = Rights(make_bitflags!(AccessFs::{
        RemoveDir | RemoveFile | MakeChar | MakeDir | MakeReg | MakeSock | MakeFifo | MakeBlock | MakeSym
    }));
    /// Renaming and linking between directories.
    pub(crate) const REFER: Rights = Rights(make_bitflags!(AccessFs::{Refer}));
    pub(crate) const TRUNCATE: Rights = Rights(make_bitflags!(AccessFs::{Truncate}));
    /// ioctl(2) on device nodes.
    pub(crate) const IOCTL_DEV: Rights = Rights(make_bitflags!(AccessFs::{IoctlDev}));
    /// Connecting to UNIX sockets by path.
    pub(crate) const RESOLVE_UNIX: Rights = Rights(make_bitflags!(AccessFs::{ResolveUnix}));
    /// The rights that a rule for a non-directory may have. The kernel refuses others.
    pub(crate) const OF_FILES: Rights = Rights(make_bitflags!(AccessFs::{
        Execute | WriteFile | ReadFile | Truncate | IoctlDev | ResolveUnix
    }));

    #[must_use]
    pub(crate) const fn with(self, other: Rights) -> Rights {
        Rights(self.0.union_c(other.0))
    }

    #[must_use]
    pub(crate) fn with_if(self, wanted: bool, other: Rights) -> Rights {
        if wanted { self.with(other) } else { self }
    }

    /// The rights that are in both sets.
    #[must_use]
    pub(crate) fn within(self, other: Rights) -> Rights {
        Rights(self.0 & other.0)
    }

    pub(crate) fn has(self, other: Rights) -> bool {
        self.0.contains(other.0)
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, right) in self.0.iter().enumerate() {
            write!(f, "{}{right:?}", if number == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a ruleset forbids, except where a rule allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handled {
    /// These rights on files.
    pub(crate) files: Rights,
    pub(crate) connect_tcp: bool,
    pub(crate) bind_tcp: bool,
    /// Connecting to abstract UNIX sockets that were created outside.
    pub(crate) abstract_sockets: bool,
    /// Signals to processes outside.
    pub(crate) signals: bool,
}

/// What a rule for a port allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tcp {
    Connect,
    Bind,
}

impl Tcp {
    fn access(self) -> AccessNet {
        match self {
            Tcp::Connect => AccessNet::ConnectTcp,
            Tcp::Bind => AccessNet::BindTcp,
        }
    }
}

/// A ruleset that is not in force yet.
pub(crate) struct Ruleset(OwnedFd);

/// `enum landlock_rule_type` of include/uapi/linux/landlock.h.
#[derive(Debug, Clone, Copy)]
#[repr(u32)]
enum RuleType {
    PathBeneath = 1,
    NetPort = 2,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed_access: u64,
    parent_fd: i32,
}

/// `struct landlock_net_port_attr`.
#[repr(C)]
struct NetPort {
    allowed_access: u64,
    port: u64,
}

impl Ruleset {
    /// Creates a ruleset without rules. `EINVAL` if it handles nothing, or something that the kernel does not know.
    pub(crate) fn create(handled: Handled) -> Result<Ruleset> {
        let Handled { files, connect_tcp, bind_tcp, abstract_sockets, signals } = handled;
        let (connect, bind) = (AccessNet::ConnectTcp, AccessNet::BindTcp);
        let mut ruleset = landlock::Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        if files != Rights::NONE {
            ruleset = ruleset.handle_access(files.0).map_err(errno)?;
        }
        for access in [(connect_tcp, connect), (bind_tcp, bind)].into_iter().filter(|(wanted, _)| *wanted) {
            ruleset = ruleset.handle_access(access.1).map_err(errno)?;
        }
        for scope in [(abstract_sockets, Scope::AbstractUnixSocket), (signals, Scope::Signal)] {
            if scope.0 {
                ruleset = ruleset.scope(scope.1).map_err(errno)?;
            }
        }
        // The crate returns none only when it falls back to no Landlock, which a hard requirement forbids.
        Option::<OwnedFd>::from(ruleset.create().map_err(errno)?).map(Ruleset).ok_or(Errno::ENOSYS)
    }

    /// Allows `rights` on the file that `place` refers to and, if it is a directory, on everything below it. `EINVAL`
    /// if the ruleset does not handle a right, or if a right of directories is given for another file.
    ///
    /// The rule belongs to the inode and holds whatever path leads to it. `EBADFD` if nobody could name the file by a
    /// path, such as a pipe. It needs no rule.
    pub(crate) fn allow(&mut self, place: BorrowedFd<'_>, rights: Rights) -> Result<()> {
        let rule = PathBeneath { allowed_access: rights.0.bits(), parent_fd: place.as_raw_fd() };
        self.add(RuleType::PathBeneath, &rule)
    }

    /// Allows connecting or binding to a port.
    pub(crate) fn allow_port(&mut self, port: u16, tcp: Tcp) -> Result<()> {
        let rule = NetPort { allowed_access: BitFlags::from(tcp.access()).bits(), port: port.into() };
        self.add(RuleType::NetPort, &rule)
    }

    /// Adds a rule. `rule` is the structure that the kernel reads for this type.
    fn add<T>(&mut self, rule_type: RuleType, rule: &T) -> Result<()> {
        let (set, rule_type) = (self.0.as_raw_fd(), rule_type as u32);
        // SAFETY: `rule` lives through the call and has the layout that the kernel reads for its type.
        check(unsafe { libc::syscall(libc::SYS_landlock_add_rule, set, rule_type, std::ptr::from_ref(rule), 0) })
            .map(drop)
    }

    /// Restricts this process and all its future children for good. Either the whole ruleset applies, or the call
    /// fails.
    pub(crate) fn restrict(self) -> Result<()> {
        // SAFETY: plain numbers only.
        check(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.0.as_raw_fd(), 0) }).map(drop)
    }
}

fn errno(error: RulesetError) -> Errno {
    Errno::from_raw(*landlock::Errno::from(error))
}
