//! Landlock rules, derived from the mounts. A pure function of the operations and the kernel's ABI version.
//!
//! The mounts are the first restriction and the rules the second. A rule never allows what no mount allows, except for
//! the cases named here. What the mounts allow works under the rules too.
//!
//! * Rules only add up: what is allowed on a directory cannot be taken away below it. A read-only bind below a writable
//!   one is read-only by its mount alone.
//! * A rule belongs to an inode, whatever path or mount leads to it. If a directory is bound writable at one path and
//!   read-only at another, the rules make it writable at both. The read-only mount still refuses.
//! * Everything that is mounted can be read and executed, if its own permissions allow it. So there is one rule for the
//!   root, and one for each mount that allows more.
//! * A fifo on a read-only bind can be written to without Landlock, but not with it: it is then truly read-only.
//! * A process under rules for files cannot mount anything (kernel document `userspace-api/landlock`, "Filesystem
//!   topology modification"). So no sandbox can be made inside the sandbox.

mod only;
mod tcp;
#[cfg(test)]
mod tests;

use std::ffi::{CStr, CString};
use std::fmt;

use super::unenforced::{Unenforced, printable};
use crate::error::Field;
use crate::spec::path::is_at_or_below;
use crate::spec::{BindFlags, DataFile, FdNumber, Fds, FsOp, Landlock, LandlockTier, OverlayKind, Spec};
use crate::sys::landlock::{Handled, Rights};

pub(crate) use only::only;
pub(crate) use tcp::filter as tcp_filter;

/// Rights on files, by the ABI that introduced them. Later rights are not handled: nobody has considered here what they
/// would forbid, and a new kernel must not break a profile.
const SINCE: [(u32, Rights); 5] = [
    (
        1,
        Rights::EXECUTE
            .with(Rights::READ_FILE)
            .with(Rights::READ_DIR)
            .with(Rights::WRITE_FILE)
            .with(Rights::CHANGE_DIR),
    ),
    (2, Rights::REFER),
    (3, Rights::TRUNCATE),
    (5, Rights::IOCTL_DEV),
    (9, Rights::RESOLVE_UNIX),
];
/// The first ABI (Linux 5.19) that can allow moving a file to another directory.
const FILES_SINCE: u32 = 2;
/// The first ABI (Linux 6.7) with rules for TCP ports.
const TCP_SINCE: u32 = 4;
/// The first ABI (Linux 6.12) with scopes.
const SCOPES_SINCE: u32 = 6;

/// What every mount allows. Connecting to a socket works on read-only mounts too.
const READ: Rights = Rights::EXECUTE.with(Rights::READ_FILE).with(Rights::READ_DIR).with(Rights::RESOLVE_UNIX);
/// What a writable mount without devices allows.
const WRITE: Rights = READ.with(Rights::WRITE_FILE).with(Rights::TRUNCATE).with(Rights::CHANGE_DIR).with(Rights::REFER);
/// What device nodes allow, on read-only mounts too.
const DEVICES: Rights = READ.with(Rights::WRITE_FILE).with(Rights::IOCTL_DEV);
/// What procfs allows. Some of its files are written to (`/proc/self/oom_score_adj`), often with `O_TRUNC`, and no file
/// can be created.
const PROC: Rights = READ.with(Rights::WRITE_FILE).with(Rights::TRUNCATE);

/// The rules of one sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rules {
    /// What is forbidden unless a rule allows it.
    pub(crate) handled: Handled,
    pub(crate) files: Vec<FileRule>,
    /// Descriptors of the caller that the program gets and may open again (`/dev/stdout`).
    pub(crate) descriptors: Vec<FdNumber>,
    pub(crate) connect_tcp: Vec<u16>,
    pub(crate) bind_tcp: Vec<u16>,
}

/// What is allowed on a file, or on a directory and everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileRule {
    /// The path, without following links: for messages and for [`Object::HostPath`].
    pub(crate) path: CString,
    /// The object that the rule belongs to.
    pub(crate) object: Object,
    pub(crate) rights: Rights,
}

/// The object that a rule belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    /// The new root.
    Root,
    /// What operation number n mounts. If it mounts nothing, there is no rule.
    Mount(usize),
    /// The directory `shm` in the mount of operation number n.
    Shm(usize),
    /// The path on the host that operation number n binds.
    HostPath(usize),
}

impl fmt::Display for FileRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable(&self.path), self.rights)
    }
}

/// The rules that complement the mounts of `spec`, and what the ABI (0: no Landlock) cannot enforce.
pub(crate) fn beside_mounts(spec: &Spec, abi: u32) -> (Option<Rules>, Vec<Unenforced>) {
    let Landlock { tier, connect_tcp, bind_tcp } = &spec.lockdown.landlock;
    let mirror = *tier == LandlockTier::Mirror;
    let (wants_tcp, shared_net, shared_pid) =
        (connect_tcp.is_some() || bind_tcp.is_some(), !spec.namespaces.net, !spec.namespaces.pid);
    let mut unenforced = Vec::new();
    let mut can = |wanted: bool, since: u32, field: Field, (what, why): (&str, &str)| {
        if wanted && abi < since {
            unenforced.push(Unenforced::wish(Some(field), what, too_old(abi, since, why)));
        }
        wanted && abi >= since
    };
    let for_files = ("Landlock rules for files", "it lets nobody move files between directories");
    let files = can(mirror, FILES_SINCE, Field::Landlock, for_files);
    let tcp = can(wants_tcp, TCP_SINCE, ports_field(connect_tcp), ("TCP ports", NO_PORTS));
    let no_scopes = "it has no scopes";
    let handled = Handled {
        files: if files { rights_of(abi) } else { Rights::NONE },
        connect_tcp: tcp && connect_tcp.is_some(),
        bind_tcp: tcp && bind_tcp.is_some(),
        abstract_sockets: can(
            mirror && shared_net,
            SCOPES_SINCE,
            Field::NetNs,
            ("no way to abstract sockets outside, in the shared network namespace", no_scopes),
        ),
        // With a PID namespace of its own this is a second restriction: kill(2) with pid 0 reaches a process outside if
        // it is in the same process group.
        signals: can(
            mirror && shared_pid,
            SCOPES_SINCE,
            Field::PidNs,
            ("no signals to processes outside, in the shared PID namespace", no_scopes),
        ) || (mirror && abi >= SCOPES_SINCE),
    };
    let is_idle = handled == NOTHING;
    let rules = Rules {
        files: if files { mirror_of(spec, handled.files) } else { Vec::new() },
        descriptors: if files { descriptors(spec) } else { Vec::new() },
        connect_tcp: connect_tcp.clone().unwrap_or_default(),
        bind_tcp: bind_tcp.clone().unwrap_or_default(),
        handled,
    };
    (if is_idle { None } else { Some(rules) }, unenforced)
}

const NOTHING: Handled =
    Handled { files: Rights::NONE, connect_tcp: false, bind_tcp: false, abstract_sockets: false, signals: false };

/// Every right on files that both this ABI and this program know.
fn rights_of(abi: u32) -> Rights {
    SINCE.iter().filter(|(since, _)| *since <= abi).fold(Rights::NONE, |all, (_, rights)| all.with(*rights))
}

fn too_old(abi: u32, since: u32, why: &str) -> String {
    match abi {
        0 => "there is no Landlock: the kernel has none, or it is switched off (lsm=), or a filter around this program hides it \
              (`pinfold doctor` says which)"
            .into(),
        _ => format!("Landlock of this kernel is of ABI {abi}, and {why} before ABI {since}"),
    }
}

const NO_PORTS: &str = "it has no rules for ports";

/// The field that asks for rules for ports.
fn ports_field(connect_tcp: &Option<Vec<u16>>) -> Field {
    if connect_tcp.is_some() { Field::ConnectTcp } else { Field::BindTcp }
}

/// The entry for a kernel without Landlock.
pub(crate) fn missing() -> Unenforced {
    Unenforced::wish(Some(Field::Landlock), "Landlock", too_old(0, 1, ""))
}

fn descriptors(spec: &Spec) -> Vec<FdNumber> {
    let kept = if let Fds::Only(kept) = &spec.process.fds { kept.as_slice() } else { &[] };
    let mut all = vec![0, 1, 2];
    all.extend(kept.iter().copied().filter(|&fd| fd > 2));
    all
}

/// A mount of the sandbox, as far as it is known without asking the kernel.
struct Mount {
    path: Vec<u8>,
    object: Object,
    rights: Rights,
}

/// The rules that allow what the mounts allow.
fn mirror_of(spec: &Spec, handled: Rights) -> Vec<FileRule> {
    // The owner of the root tmpfs may change it until it is made read-only.
    let mut mounts = vec![Mount { path: Vec::new(), object: Object::Root, rights: WRITE }];
    for (index, op) in spec.ops.iter().enumerate() {
        let Some((dest, rights)) = mounted(&op.fs) else { continue };
        let path = clean(dest);
        match (&op.fs, path) {
            (FsOp::RemountReadOnly { .. }, Some(path)) => make_read_only(&mut mounts, &path),
            // With `..` the path depends on links, so it is not known what is made read-only. One rule too many does no
            // harm.
            (FsOp::RemountReadOnly { .. }, None) => {}
            (_, Some(path)) => cover(&mut mounts, path, (index, is_optional(&op.fs)), rights),
            (_, None) => mounts.push(Mount { path: dest.to_bytes().into(), object: Object::Mount(index), rights }),
        }
        if let FsOp::Dev { dest } = &op.fs {
            let path = [&clean(dest).unwrap_or_else(|| dest.to_bytes().into())[..], b"/shm"].concat();
            mounts.push(Mount { path, object: Object::Shm(index), rights: WRITE });
        }
    }
    let root = mounts.first().map_or(Rights::NONE, |root| root.rights);
    let is_needed = |mount: &Mount| mount.object == Object::Root || !root.has(mount.rights);
    let rule = |mount: Mount| FileRule {
        path: path_of(&mount.path),
        object: mount.object,
        rights: mount.rights.within(handled),
    };
    mounts.into_iter().filter(is_needed).map(rule).collect()
}

/// Where an operation mounts something, and what that mount allows. `None` if it mounts nothing.
fn mounted(op: &FsOp) -> Option<(&CStr, Rights)> {
    let (dest, rights) = match op {
        FsOp::Bind { dest, flags, source: _ } => (dest, of_bind(*flags)),
        FsOp::RemountReadOnly { dest } => (dest, READ),
        FsOp::Overlay { dest, kind: OverlayKind::ReadOnly, .. } => (dest, READ),
        FsOp::Overlay {
            dest, kind: OverlayKind::Host { .. } | OverlayKind::Apart { .. } | OverlayKind::Tmp, ..
        } => (dest, WRITE),
        FsOp::Proc { dest } => (dest, PROC),
        FsOp::Dev { dest } => (dest, DEVICES),
        FsOp::Tmpfs { dest, .. } | FsOp::Mqueue { dest } | FsOp::CopyFile { dest, .. } => (dest, WRITE),
        FsOp::Data { dest, how: DataFile::Bind { read_only }, .. } => (dest, if *read_only { READ } else { WRITE }),
        // These change existing mounts. What is denied has a mode that allows nothing.
        FsOp::Data { how: DataFile::Copy, .. }
        | FsOp::Text { .. }
        | FsOp::Dir { .. }
        | FsOp::Symlink { .. }
        | FsOp::Deny { .. }
        | FsOp::Chmod { .. }
        | FsOp::Hostname { .. } => return None,
    };
    Some((dest.as_c_str(), rights))
}

fn of_bind(flags: BindFlags) -> Rights {
    let BindFlags { read_only, devices, optional: _ } = flags;
    let rights = if read_only { READ } else { WRITE };
    rights.with_if(devices, DEVICES)
}

fn is_optional(op: &FsOp) -> bool {
    matches!(op, FsOp::Bind { flags: BindFlags { optional: true, .. }, .. })
}

/// Adds a mount that covers all that lies at or below `path`. An optional mount may turn out to cover nothing.
fn cover(mounts: &mut Vec<Mount>, path: Vec<u8>, (index, is_optional): (usize, bool), rights: Rights) {
    if !is_optional {
        mounts.retain(|mount| mount.object == Object::Root || !is_at_or_below(&mount.path, &path));
    }
    match mounts.first_mut() {
        // The root has a rule of its own.
        Some(root) if path.is_empty() => root.rights = if is_optional { root.rights.with(rights) } else { rights },
        _ => mounts.push(Mount { path, object: Object::Mount(index), rights }),
    }
}

/// Makes one mount read-only, but not the mounts below it.
fn make_read_only(mounts: &mut Vec<Mount>, path: &[u8]) {
    let Some(at) = mounts.iter().position(|mount| mount.path == path) else { return };
    // Device nodes are mounts of their own and stay writable. `shm` is no mount and becomes read-only.
    mounts[at].rights = if mounts[at].rights.has(DEVICES) { DEVICES } else { READ };
    if let Object::Mount(index) = mounts[at].object {
        mounts.retain(|mount| mount.object != Object::Shm(index));
    }
}

/// An absolute path without redundant slashes and `.` parts, empty for the root. `None` if it contains `..`, which may
/// lead anywhere.
fn clean(path: &CStr) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for part in path.to_bytes().split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
        if part == b".." {
            return None;
        }
        out.push(b'/');
        out.extend_from_slice(part);
    }
    Some(out)
}

fn path_of(clean: &[u8]) -> CString {
    // The bytes come from a C string, so there is no NUL in them.
    CString::new(if clean.is_empty() { b"/" } else { clean }).unwrap_or_default()
}
