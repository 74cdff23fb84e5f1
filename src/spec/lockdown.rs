//! The restrictions of the program besides mounts and namespaces.

use std::ffi::{CStr, CString};

use super::caps::CapSet;
use super::op::FdNumber;

/// The restrictions of the program besides mounts and namespaces. `no_new_privs` is not a choice: it is always set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lockdown {
    /// Capabilities that the program keeps. `None` is the default: root without a user namespace keeps all of its own,
    /// everybody else none.
    pub caps: Option<CapSet>,
    /// System call filter.
    pub seccomp: Seccomp,
    /// Landlock rules.
    pub landlock: Landlock,
    /// Whether the kernel settings in procfs are read-only even if the caller is root outside, and keyrings are not
    /// listed.
    ///
    /// If the program shares the PID namespace, settings of processes outside are protected too. The whole procfs is
    /// then read-only, and under a profile the program can set limits and priorities only for itself.
    pub settings_covered: bool,
    /// Whether processes inside may make another user namespace.
    pub nested_userns: NestedUserNs,
    /// Fail unless making another user namespace inside is impossible.
    pub assert_userns_disabled: bool,
}

/// System call filters (`seccomp(2)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seccomp {
    /// No filter.
    Off,
    /// Compiled programs (arrays of `struct sock_filter`, 8 bytes per entry), installed in this order.
    Programs(Vec<Vec<u8>>),
    /// One compiled program, read from this descriptor after everything else is set up.
    ReadLate(FdNumber),
    /// A profile, compiled for this kernel and the capabilities of the program. It is an error if the profile refuses a
    /// call that is needed to start the program or to report its end.
    Profile {
        /// The profile.
        text: ProfileText,
        /// Names and `@groups` that are refused whatever the profile says. They fail with `EPERM`. `clone3` fails with
        /// `ENOSYS`, so that C libraries fall back to `clone`.
        deny: Vec<String>,
        /// Names and `@groups` that are allowed whatever the profile says, with any arguments. `deny` takes precedence.
        /// The `ioctl` requests that type into the caller's terminal (TIOCSTI, TIOCLINUX) stay refused.
        allow: Vec<String>,
    },
}

/// Where a seccomp profile comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileText {
    /// The shipped profile of this name.
    Shipped(String),
    /// A file: JSON in the form of OCI and Docker, or in that of seccompiler.
    File {
        /// Its name as it was typed, for messages.
        name: CString,
        /// Its content.
        text: Vec<u8>,
        /// The name of the filter in a file of seccompiler's form, which has one for each thread of a program. `None`:
        /// the only one.
        thread: Option<String>,
    },
    /// A program that seccompiler has made for this architecture. A check in front of it refuses other architectures
    /// and, on x86-64, the numbers of x32.
    Program(seccompiler::BpfProgram),
}

impl ProfileText {
    /// Reads the file that `word` names. If it cannot be read, tries `word` as `FILE#THREAD`.
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
    /// The filter that seccompiler has made. It is refused if it does not let the program start.
    fn from(program: seccompiler::BpfProgram) -> Seccomp {
        Seccomp::Profile { text: ProfileText::Program(program), deny: Vec::new(), allow: Vec::new() }
    }
}

/// Landlock (kernel document `userspace-api/landlock`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landlock {
    /// Whether Landlock restricts files, and whether anything else does.
    pub tier: LandlockTier,
    /// TCP ports that the program may connect to; `None`: any. Needs ABI 4 (Linux 6.7). UDP and other sockets have no
    /// rules.
    pub connect_tcp: Option<Vec<u16>>,
    /// TCP ports that the program may bind to; `None`: any. 0 stands for a free port of the kernel's choice. listen(2)
    /// without bind(2) can take such a port even if it is not listed.
    pub bind_tcp: Option<Vec<u16>>,
}

/// The role of Landlock in a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LandlockTier {
    /// Nothing, unless ports are named.
    Off,
    /// A second restriction: it allows what the mounts allow, and no more. If the network or the PID namespace is
    /// shared, abstract sockets and signals outside are out of reach too. No process inside can mount anything, so no
    /// sandbox can be made in this one. Needs Landlock ABI 2 (Linux 5.19), or ABI 6 (6.12) if one of the two is shared.
    Mirror,
    /// The only restriction. No namespaces are made, and whatever needs one is refused. The remaining operations are
    /// binds of a path on itself and [`FsOp::RemountReadOnly`](super::FsOp::RemountReadOnly).
    ///
    /// What the kernel's ABI cannot restrict is refused too. Before ABI 9 (Linux 7.1) this includes the host's sockets
    /// with a path. With [`Spec::best_effort`](super::Spec::best_effort) it stays unrestricted, and what cannot be
    /// hidden is not granted. Only capabilities that are named are kept, by root too.
    Only,
}

impl Landlock {
    /// No rules.
    pub const OFF: Landlock = Landlock { tier: LandlockTier::Off, connect_tcp: None, bind_tcp: None };
}

/// Whether processes inside may make another user namespace (`user_namespaces(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NestedUserNs {
    /// They may.
    Allow,
    /// No: `max_user_namespaces` of the sandbox's namespace is 0. `CAP_SYS_RESOURCE` in that namespace would allow
    /// raising it again. So a program that keeps this capability gets a second namespace instead.
    Limit,
    /// No: the sandbox's namespace may have one child, in which the program lives, as in bubblewrap.
    SecondNamespace,
}
