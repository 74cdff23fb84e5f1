//! Where setting up a box can fail. The half inside reports this in a few bytes; the half outside, which holds the
//! same plan, makes words of it.

use std::ffi::{CStr, CString};

/// The stage that failed. Stages that concern one of several things say which in [`Failure::index`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Making the control socket, or another step of the supervisor before there is a child.
    Prepare,
    /// `PR_SET_NO_NEW_PRIVS`.
    NoNewPrivs,
    /// Joining the user namespace given.
    JoinUser,
    /// Joining the PID namespace given.
    JoinPid,
    /// `clone(2)` with the new namespaces.
    Clone,
    /// `clone(2)` of the process that lives in a new PID namespace below the joined one.
    CloneBelow,
    /// Writing to `info_fd` or `json_status_fd`.
    Report,
    /// Talking to the other half.
    Control,
    /// Making this process visible to the caller's tools again (`PR_SET_DUMPABLE`).
    Dumpable,
    /// Making the network namespace.
    Net,
    /// Entering it.
    JoinNet,
    /// Bringing the loopback device up.
    Loopback,
    /// Writing `uid_map`.
    UidMap,
    /// Writing `setgroups`.
    SetGroups,
    /// Writing `gid_map`.
    GidMap,
    /// Becoming the user id asked for in a joined user namespace.
    SwitchUid,
    /// Becoming the group id asked for in a joined user namespace.
    SwitchGid,
    /// Keeping capabilities while the ids change.
    SwitchCaps,
    /// Taking the mounts out of the host's propagation.
    Slave,
    /// Room for as many open descriptors as there are sources.
    DescriptorLimit,
    /// Making the tmpfs that is the new root.
    Root,
    /// Operation number `index` of the plan; [`Failure::act`] says what of it.
    Op,
    /// `pivot_root(2)`.
    Pivot,
    /// Detaching the host's root.
    DetachRoot,
    /// Joining the second user namespace.
    JoinInnerUser,
    /// Writing `max_user_namespaces`.
    LimitUserNs,
    /// Making the second user namespace.
    InnerUser,
    /// Another user namespace could still be made.
    UserNsNotDisabled,
    /// Reducing the bounding set.
    BoundingSet,
    /// Setting the capability sets.
    SetCaps,
    /// Raising ambient capabilities.
    AmbientCaps,
    /// Reading the filter from its descriptor.
    ReadFilter,
    /// The filter's length is no multiple of 8.
    FilterLength,
    /// Entering the working directory.
    Chdir,
    /// `setsid(2)`.
    NewSession,
    /// Starting a process group (`setpgid(2)`).
    NewGroup,
    /// Opening lock file number `index`.
    OpenLock,
    /// Locking lock file number `index`.
    TakeLock,
    /// Setting the SELinux label for new files.
    FileLabel,
    /// Setting the SELinux label for the program.
    ExecLabel,
    /// `PR_SET_PDEATHSIG`.
    DieWithParent,
    /// Making the process that becomes the program.
    Spawn,
    /// Signal state of the program.
    Signals,
    /// Installing filter number `index`.
    InstallFilter,
    /// Making the Landlock ruleset.
    Ruleset,
    /// Adding Landlock rule number `index`: those for files come first, then descriptors, ports to connect to, to bind.
    Rule,
    /// `landlock_restrict_self(2)`.
    Restrict,
    /// A promise did not hold when it was read back.
    Unproven,
    /// `execve(2)`.
    Exec,
    /// Waiting for the program's end.
    Reap,
    /// Looking for watched name number `index` before the start.
    Watch,
}

/// What of an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Act {
    /// Nothing particular.
    Whole,
    /// Finding the source.
    Source,
    /// The source of a descriptor is not what the descriptor refers to any more.
    Race,
    /// Making the parents of the destination.
    Parents,
    /// Making the destination directory.
    MakeDir,
    /// Making the destination file.
    MakeFile,
    /// Reading the descriptor with the content.
    ReadData,
    /// Writing the content.
    WriteData,
    /// Making the filesystem.
    NewFs,
    /// Attaching the mount.
    Attach,
    /// Setting the flags of a mount.
    Flags,
    /// The destination is no mount point.
    NotAMount,
    /// Making a link.
    MakeLink,
    /// The link exists with another content, which is [`Failure::detail`].
    LinkDiffers,
    /// The destination of a link exists and is no link.
    NotALink,
    /// A part of it, named by [`Failure::detail`].
    Part,
    /// The source of a copy is no regular file.
    NotAFile,
    /// What is denied does not exist, and could be made.
    Missing,
    /// A pattern matches nothing.
    NoMatch,
    /// Looking for matches in a directory, or behind a link, which is [`Failure::detail`].
    Look,
    /// Covering a match of a pattern, which is [`Failure::detail`].
    Match,
    /// What is denied belongs to one process of many.
    OfProcess,
    /// Keeping a directory or link above what is denied, which is [`Failure::detail`], where it is.
    Keep,
    /// Covering what is denied at another path, which is [`Failure::detail`].
    Elsewhere,
    /// [`Failure::count`] denied files have hard links that were not found, and that may lie in a directory which
    /// cannot be listed: [`Failure::detail`].
    Unlisted,
    /// [`Failure::count`] denied files have hard links outside of what the sandbox shows.
    Outside,
    /// The destination is a link, which this operation does not follow.
    OnLink,
}

/// One failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// What of an operation.
    pub act: Act,
    /// Which one, where the stage has several.
    pub index: u32,
    /// Error number of the kernel; 0 where none applies.
    pub errno: i32,
    /// How many things it concerns, where they are counted.
    pub count: u32,
    /// A path or content that only the half inside knows.
    pub detail: Option<CString>,
}

/// Longest detail that is reported, in bytes; a longer one is cut.
const DETAIL: usize = 1024;
/// Room that every encoded failure fits into, in bytes.
pub(crate) const WIRE: usize = HEAD + DETAIL;
/// Bytes of an encoded failure before its detail.
const HEAD: usize = 14;

impl Failure {
    /// A failure of a stage as a whole.
    pub fn new(stage: Stage, errno: i32) -> Failure {
        Failure { stage, act: Act::Whole, index: 0, errno, count: 0, detail: None }
    }

    /// A failure of number `index` of a stage.
    pub fn nth(stage: Stage, index: usize, errno: i32) -> Failure {
        Failure { index: index as u32, ..Failure::new(stage, errno) }
    }

    /// The bytes that the other half understands, and how many of them count.
    pub(crate) fn encode(&self) -> ([u8; WIRE], usize) {
        let mut wire = [0; WIRE];
        wire[0] = self.stage as u8;
        wire[1] = self.act as u8;
        wire[2..6].copy_from_slice(&self.index.to_ne_bytes());
        wire[6..10].copy_from_slice(&self.errno.to_ne_bytes());
        let detail = self.detail.as_deref().map_or(&b""[..], CStr::to_bytes);
        let length = detail.len().min(DETAIL);
        wire[10..HEAD].copy_from_slice(&self.count.to_ne_bytes());
        wire[HEAD..HEAD + length].copy_from_slice(&detail[..length]);
        (wire, HEAD + length)
    }

    /// Reads what [`Failure::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(wire: &[u8]) -> Option<Failure> {
        let (head, detail) = wire.split_at_checked(HEAD)?;
        Some(Failure {
            stage: *Stage::ALL.get(usize::from(head[0]))?,
            act: *Act::ALL.get(usize::from(head[1]))?,
            index: u32::from_ne_bytes(head[2..6].try_into().ok()?),
            errno: i32::from_ne_bytes(head[6..10].try_into().ok()?),
            count: u32::from_ne_bytes(head[10..HEAD].try_into().ok()?),
            detail: if detail.is_empty() { None } else { Some(CString::new(detail).ok()?) },
        })
    }
}

impl Stage {
    /// The step of setting up that it belongs to, in a word: what reports call it, for people and for programs.
    pub fn step(self) -> &'static str {
        match self {
            Stage::Prepare | Stage::Control | Stage::Report | Stage::Reap | Stage::Watch => "supervision",
            Stage::NoNewPrivs
            | Stage::BoundingSet
            | Stage::SetCaps
            | Stage::AmbientCaps
            | Stage::Dumpable
            | Stage::Unproven => "lockdown",
            Stage::JoinUser
            | Stage::JoinPid
            | Stage::Clone
            | Stage::CloneBelow
            | Stage::JoinInnerUser
            | Stage::LimitUserNs
            | Stage::InnerUser
            | Stage::UserNsNotDisabled => "namespaces",
            Stage::Net | Stage::JoinNet | Stage::Loopback => "network",
            Stage::UidMap
            | Stage::SetGroups
            | Stage::GidMap
            | Stage::SwitchUid
            | Stage::SwitchGid
            | Stage::SwitchCaps => "ids",
            Stage::Slave | Stage::DescriptorLimit | Stage::Root | Stage::Op | Stage::Pivot | Stage::DetachRoot => {
                "mounts"
            }
            Stage::Ruleset | Stage::Rule | Stage::Restrict => "landlock",
            Stage::ReadFilter | Stage::FilterLength | Stage::InstallFilter => "seccomp",
            Stage::FileLabel | Stage::ExecLabel => "labels",
            Stage::Chdir
            | Stage::NewSession
            | Stage::NewGroup
            | Stage::OpenLock
            | Stage::TakeLock
            | Stage::DieWithParent
            | Stage::Spawn
            | Stage::Signals
            | Stage::Exec => "program",
        }
    }

    /// Every stage, in the order of the numbers.
    pub const ALL: [Stage; 51] = [
        Stage::Prepare,
        Stage::NoNewPrivs,
        Stage::JoinUser,
        Stage::JoinPid,
        Stage::Clone,
        Stage::CloneBelow,
        Stage::Report,
        Stage::Control,
        Stage::Dumpable,
        Stage::Net,
        Stage::JoinNet,
        Stage::Loopback,
        Stage::UidMap,
        Stage::SetGroups,
        Stage::GidMap,
        Stage::SwitchUid,
        Stage::SwitchGid,
        Stage::SwitchCaps,
        Stage::Slave,
        Stage::DescriptorLimit,
        Stage::Root,
        Stage::Op,
        Stage::Pivot,
        Stage::DetachRoot,
        Stage::JoinInnerUser,
        Stage::LimitUserNs,
        Stage::InnerUser,
        Stage::UserNsNotDisabled,
        Stage::BoundingSet,
        Stage::SetCaps,
        Stage::AmbientCaps,
        Stage::ReadFilter,
        Stage::FilterLength,
        Stage::Chdir,
        Stage::NewSession,
        Stage::NewGroup,
        Stage::OpenLock,
        Stage::TakeLock,
        Stage::FileLabel,
        Stage::ExecLabel,
        Stage::DieWithParent,
        Stage::Spawn,
        Stage::Signals,
        Stage::InstallFilter,
        Stage::Ruleset,
        Stage::Rule,
        Stage::Restrict,
        Stage::Unproven,
        Stage::Exec,
        Stage::Reap,
        Stage::Watch,
    ];
}

impl Act {
    /// Every act, in the order of the numbers.
    pub const ALL: [Act; 27] = [
        Act::Whole,
        Act::Source,
        Act::Race,
        Act::Parents,
        Act::MakeDir,
        Act::MakeFile,
        Act::ReadData,
        Act::WriteData,
        Act::NewFs,
        Act::Attach,
        Act::Flags,
        Act::NotAMount,
        Act::MakeLink,
        Act::LinkDiffers,
        Act::NotALink,
        Act::Part,
        Act::NotAFile,
        Act::Missing,
        Act::NoMatch,
        Act::Look,
        Act::Match,
        Act::OfProcess,
        Act::Keep,
        Act::Elsewhere,
        Act::Unlisted,
        Act::Outside,
        Act::OnLink,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_in_the_order_of_the_numbers() {
        assert!(Stage::ALL.iter().enumerate().all(|(number, &stage)| stage as usize == number));
        assert!(Act::ALL.iter().enumerate().all(|(number, &act)| act as usize == number));
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for (stage, act) in Stage::ALL.into_iter().zip(Act::ALL.into_iter().cycle()) {
            for detail in [None, Some(CString::from(c"/a b"))] {
                let failure = Failure { stage, act, index: 70_000, errno: 13, count: 80_000, detail };
                let (wire, length) = failure.encode();
                assert_eq!(Failure::decode(&wire[..length]), Some(failure));
            }
        }
    }

    #[test]
    fn a_long_detail_is_cut_and_arbitrary_bytes_are_refused_or_read() {
        let detail = Some(CString::new(vec![b'x'; 5000]).unwrap());
        let (wire, length) = Failure { detail, ..Failure::new(Stage::Op, 1) }.encode();
        assert_eq!(length, WIRE);
        assert!(Failure::decode(&wire).is_some());
        assert_eq!(Failure::decode(&[255; 20]), None);
        assert_eq!(Failure::decode(&wire[..HEAD - 1]), None);
    }
}
