//! What the program may not do.

use std::ffi::{CStr, CString};

use super::caps::CapSet;
use super::op::FdNumber;

/// What the program may not do. `no_new_privs` is not a choice: it is always set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lockdown {
    /// Capabilities that the program keeps. `None`: the default, which is all of its own for root without a user
    /// namespace and none for everybody else.
    pub caps: Option<CapSet>,
    /// System call filter.
    pub seccomp: Seccomp,
    /// Landlock rules.
    pub landlock: Landlock,
    /// The settings of the kernel in procfs are read-only for whoever is root outside as well.
    ///
    /// So are settings of processes outside, where the program shares their PID namespace: the whole procfs is, and under a
    /// profile limits and priorities can be set for the caller only. And keyrings are not listed.
    pub settings_covered: bool,
    /// Whether anybody inside may make another user namespace.
    pub nested_userns: NestedUserNs,
    /// Fail unless making another user namespace is impossible inside.
    pub assert_userns_disabled: bool,
}

/// System call filters (`seccomp(2)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seccomp {
    /// No filter.
    Off,
    /// Compiled programs (arrays of `struct sock_filter`, 8 bytes an entry) that are known already; installed in this
    /// order.
    Programs(Vec<Vec<u8>>),
    /// One compiled program, read from this descriptor once everything else is set up.
    ReadLate(FdNumber),
    /// A profile, to be compiled for this kernel and the capabilities of the program. One that refuses a call without
    /// which the program could not be started, or its end not be told, is an error.
    Profile {
        /// The profile.
        text: ProfileText,
        /// Names and `@groups` that are refused whatever the profile says: with `EPERM`, and `clone3` with `ENOSYS`, on
        /// which C libraries fall back to `clone`.
        deny: Vec<String>,
        /// Names and `@groups` that are allowed whatever the profile says, with any arguments; `deny` is stronger. Of
        /// `ioctl` the requests that type into the caller's terminal (TIOCSTI, TIOCLINUX) stay refused.
        allow: Vec<String>,
    },
}

/// Where a seccomp profile comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileText {
    /// The one of this name that comes with pinfold.
    Shipped(String),
    /// A file's name, for messages, and its content: JSON in the form of OCI and Docker, or in that of seccompiler.
    File {
        /// As it was typed.
        name: CString,
        /// What it says.
        text: Vec<u8>,
        /// Which filter of a file in seccompiler's form: it has one for each thread of a program. `None`: the only one.
        thread: Option<String>,
    },
    /// What seccompiler has made for this architecture. Other architectures, and on x86-64 the numbers of x32, are
    /// refused in front of it.
    Program(seccompiler::BpfProgram),
}

impl ProfileText {
    /// The file that `word` names: by its whole, or, where that cannot be read, as `FILE#THREAD`.
    pub(crate) fn of_word<E>(word: &CStr, read: impl Fn(&CStr) -> Result<Vec<u8>, E>) -> Result<ProfileText, E> {
        let error = match read(word) {
            Ok(text) => return Ok(ProfileText::File { name: word.into(), text, thread: None }),
            Err(error) => error,
        };
        let bytes = word.to_bytes();
        let at = bytes.iter().rposition(|&byte| byte == b'#').filter(|&at| !bytes[at..].contains(&b'/'));
        let Some((file, thread)) = at.map(|at| (&bytes[..at], &bytes[at + 1..])) else { return Err(error) };
        let name = CString::new(file).unwrap_or_default();
        match read(&name) {
            Ok(text) => {
                let thread = Some(String::from_utf8_lossy(thread).into_owned());
                Ok(ProfileText::File { name, text, thread })
            }
            Err(_) => Err(error),
        }
    }
}

impl From<seccompiler::BpfProgram> for Seccomp {
    /// The filter that seccompiler has made, refused where it does not let the program be started.
    fn from(program: seccompiler::BpfProgram) -> Seccomp {
        Seccomp::Profile { text: ProfileText::Program(program), deny: Vec::new(), allow: Vec::new() }
    }
}

/// Landlock (kernel document `userspace-api/landlock`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landlock {
    /// Whether files are restricted by it, and whether there is anything besides.
    pub tier: LandlockTier,
    /// TCP ports that may be connected to; `None`: any. Takes ABI 4 (Linux 6.7). UDP and other sockets have no rules.
    pub connect_tcp: Option<Vec<u16>>,
    /// TCP ports that may be bound to; `None`: any. 0 stands for a free one of the kernel's choice, which listen(2)
    /// without bind(2) takes without being asked.
    pub bind_tcp: Option<Vec<u16>>,
}

/// What Landlock is for in a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LandlockTier {
    /// Nothing, unless ports are named.
    Off,
    /// A second wall: what the mounts allow, and no more. Abstract sockets and signals outside are out of reach too,
    /// where the network or the PID namespace is shared. Nobody inside can mount anything: no box inside this one.
    /// Takes Landlock of ABI 2 (Linux 5.19), of ABI 6 (6.12) where one of the two is shared.
    Mirror,
    /// The only wall. No namespaces are made, and whatever takes one is refused: of the operations there remain binds
    /// of a path on itself and [`FsOp::RemountReadOnly`](super::FsOp::RemountReadOnly). What the kernel's ABI leaves
    /// open is refused as well, which before ABI 9 (Linux 7.1) are the host's sockets with a path; with
    /// [`Spec::best_effort`](super::Spec::best_effort) it is left open, and what cannot be hidden is not granted.
    /// Nobody keeps capabilities that are not named, and root neither.
    Only,
}

impl Landlock {
    /// No rules.
    pub const OFF: Landlock = Landlock { tier: LandlockTier::Off, connect_tcp: None, bind_tcp: None };
}

/// Whether anybody inside may make another user namespace (`user_namespaces(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NestedUserNs {
    /// They may.
    Allow,
    /// No: `max_user_namespaces` of the sandbox's namespace is 0. Whoever has `CAP_SYS_RESOURCE` in there could raise
    /// it again, so a program that keeps this capability gets a second namespace instead.
    Limit,
    /// No: the sandbox's namespace may have one child, and the program lives in that, as with bubblewrap.
    SecondNamespace,
}
