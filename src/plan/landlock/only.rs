//! Landlock as the only restriction, without namespaces and mounts, for hosts where user namespaces are off. What a
//! profile asks for and rules cannot express is reported by name.
//!
//! [`crate::spec::Spec::best_effort`] never gives more access here. If something cannot be hidden or made read-only,
//! the bind that would show it is not granted, or not for writing.

use std::ffi::CStr;

use super::{
    NO_PORTS, Rules, SCOPES_SINCE, SINCE, TCP_SINCE, clean, descriptors, mounted, of_bind, path_of, ports_field,
    rights_of, too_old,
};
use crate::error::Field;
use crate::host::Caller;
use crate::plan::landlock::{FileRule, Object, READ};
use crate::plan::unenforced::{Unenforced, printable};
use crate::spec::path::{first_wildcard, is_at_or_below};
use crate::spec::{BindFlags, CapSet, FsOp, Namespaces, NestedUserNs, Op, Source, Spec, Unshare, UserNs};
use crate::sys::landlock::{Handled, Rights};

const NO_NAMESPACE: &str = "it takes a namespace, and there is none with Landlock alone";
const NO_MOUNT: &str = "it takes a mount, and there is none with Landlock alone";
const NO_CHANGE: &str = "it would change the host itself";

/// Devices of the host that every program may use: they hold no state. Not `tty`, which would be the caller's.
const DEVICES: [&CStr; 5] = [c"/dev/null", c"/dev/zero", c"/dev/full", c"/dev/random", c"/dev/urandom"];

/// The rules for the host's own files, and what of `spec` they cannot express. `abi` is 1 or more.
pub(crate) fn only(spec: &Spec, caller: Caller, abi: u32) -> (Rules, Vec<Unenforced>) {
    let mut unenforced = wishes(spec, caller);
    unenforced.extend(limits(abi));
    let mut granted: Vec<FileRule> = Vec::new();
    for (index, op) in spec.ops.iter().enumerate() {
        if let Err(why) = grant(&mut granted, index, op) {
            unenforced.push(Unenforced::op(op, why));
        }
    }
    let landlock = &spec.lockdown.landlock;
    // A new network namespace cannot be had. The closest that rules can express is to forbid all TCP.
    let tcp = |ports: &Option<Vec<u16>>| abi >= TCP_SINCE && (ports.is_some() || spec.namespaces.net);
    let wants_tcp = landlock.connect_tcp.is_some() || landlock.bind_tcp.is_some();
    if wants_tcp && abi < TCP_SINCE {
        let field = ports_field(&landlock.connect_tcp);
        unenforced.push(Unenforced::wish(Some(field), "TCP ports", too_old(abi, TCP_SINCE, NO_PORTS)));
    }
    let files = rights_of(abi);
    for rule in &mut granted {
        rule.rights = rule.rights.within(files);
    }
    let rules = Rules {
        handled: Handled {
            files,
            connect_tcp: tcp(&landlock.connect_tcp),
            bind_tcp: tcp(&landlock.bind_tcp),
            abstract_sockets: abi >= SCOPES_SINCE,
            signals: abi >= SCOPES_SINCE,
        },
        files: granted,
        descriptors: descriptors(spec),
        connect_tcp: landlock.connect_tcp.clone().unwrap_or_default(),
        bind_tcp: landlock.bind_tcp.clone().unwrap_or_default(),
    };
    (rules, unenforced)
}

/// Requests that are no operations and need a namespace.
fn wishes(spec: &Spec, caller: Caller) -> Vec<Unenforced> {
    let &Namespaces { user, user_inner, user_maps_from, pid, pid_join, net, ipc, uts, cgroup } = &spec.namespaces;
    let network = "Landlock has rules for TCP ports, and none for UDP and other sockets";
    let nested = "the limit belongs to a user namespace, and there is none with Landlock alone";
    let wishes = [
        (user == UserNs::New || user_maps_from.is_some(), Field::UserNs, "user namespace", NO_NAMESPACE),
        (matches!(user, UserNs::Join(_)), Field::UserNs, "joining a user namespace", NO_NAMESPACE),
        (user_inner.is_some(), Field::InnerUserNs, "joining a second user namespace", NO_NAMESPACE),
        (spec.ids.uid.is_some_and(|uid| uid != caller.uid), Field::Uid, "user id", NO_NAMESPACE),
        (spec.ids.gid.is_some_and(|gid| gid != caller.gid), Field::Gid, "group id", NO_NAMESPACE),
        (
            caller.uid != 0 && spec.lockdown.caps.is_some_and(|caps| caps != CapSet::EMPTY),
            Field::Caps,
            "capabilities",
            "an ordinary user has them in a user namespace only, and there is none with Landlock alone",
        ),
        (pid, Field::PidNs, "PID namespace", NO_NAMESPACE),
        (pid_join.is_some(), Field::JoinedPidNs, "joining a PID namespace", NO_NAMESPACE),
        (spec.lifecycle.as_pid_1, Field::AsPid1, "being PID 1", NO_NAMESPACE),
        (net, Field::NetNs, "network namespace", network),
        (ipc, Field::IpcNs, "IPC namespace", NO_NAMESPACE),
        (uts, Field::UtsNs, "UTS namespace", NO_NAMESPACE),
        (cgroup == Unshare::New, Field::CgroupNs, "cgroup namespace", NO_NAMESPACE),
        (spec.lockdown.nested_userns != NestedUserNs::Allow, Field::NestedUserNs, "limit of user namespaces", nested),
    ];
    let wanted = wishes.into_iter().filter(|(is_wanted, ..)| *is_wanted);
    wanted.map(|(_, field, what, why)| Unenforced::wish(Some(field), what, why)).collect()
}

/// What this ABI cannot restrict and a namespace would.
fn limits(abi: u32) -> Vec<Unenforced> {
    let whats = [
        (Rights::REFER, "moving files between directories", "it forbids that everywhere"),
        (Rights::TRUNCATE, "read-only files", "it lets everybody cut files that are not to be written to"),
        (Rights::IOCTL_DEV, "devices", "it lets everybody use ioctl(2) on a device that can be read"),
        (Rights::RESOLVE_UNIX, "no way to sockets of the host", "it lets everybody connect to any socket with a path"),
    ];
    let rights = SINCE.iter().filter(|(since, _)| *since > abi).filter_map(|(since, rights)| {
        let (_, what, why) = whats.iter().find(|(known, ..)| known == rights)?;
        Some((*since, *what, *why))
    });
    let scopes = (SCOPES_SINCE > abi).then_some((
        SCOPES_SINCE,
        "no signals and no way to abstract sockets outside",
        "it has no scopes",
    ));
    // No ABI has rights for these (kernel document userspace-api/landlock, "Current limitations").
    let never = Unenforced::wish(
        Some(Field::Landlock),
        "modes, owners, times and attributes of files",
        "Landlock has no rights for them: chmod(2), chown(2), utime(2) and setxattr(2) work on all files that are yours",
    );
    let old = rights
        .chain(scopes)
        .map(|(since, what, why)| Unenforced::wish(Some(Field::Landlock), what, too_old(abi, since, why)));
    std::iter::once(never).chain(old).collect()
}

/// Grants what `op` asks for. If rules cannot express it, takes away all that `op` would hide and returns the reason.
fn grant(granted: &mut Vec<FileRule>, index: usize, op: &Op) -> Result<(), String> {
    match &op.fs {
        FsOp::Bind { source: Source::Path(source) | Source::Real(source), dest, flags } => {
            let is_absolute = source.to_bytes().starts_with(b"/");
            // A relative path depends on a directory that is not known here. If the sandbox can write there, `real` has
            // the path.
            let Some(source) = Some(source).filter(|_| is_absolute).or(op.real.first()) else {
                return Err(hide(granted, clean(dest), "its path is relative: name it from the root"));
            };
            let Some(path) = clean(dest).filter(|path| clean(source).as_ref() == Some(path)) else {
                return Err(hide(granted, clean(dest), "it shows something of the host at another place"));
            };
            if !flags.devices && (path.is_empty() || is_at_or_below(&path, b"/dev")) {
                return Err(hide(granted, Some(path), "there are devices, which rules cannot tell from files"));
            }
            allow(granted, index, path, of_bind(*flags))
        }
        FsOp::RemountReadOnly { dest } => match clean(dest) {
            Some(path) => reduce(granted, &path),
            None => Err(hide(granted, None, NO_MOUNT)),
        },
        FsOp::Bind { source: Source::Fd(_) | Source::Link(_), dest, .. } => Err(hide(granted, clean(dest), NO_MOUNT)),
        FsOp::Deny { path, is_pattern, .. } => {
            let bytes = path.to_bytes();
            let wild = first_wildcard(bytes).filter(|_| *is_pattern).unwrap_or(bytes.len());
            let fixed = if wild < bytes.len() { bytes[..wild].iter().rposition(|&byte| byte == b'/') } else { None };
            let top = fixed.map_or(bytes, |end| &bytes[..end]);
            let why = "rules add up: nothing can be denied below what is allowed";
            Err(hide(granted, clean(&path_of(top)), why))
        }
        FsOp::Dev { dest } => {
            let why = hide(granted, clean(dest), NO_MOUNT);
            if dest.as_c_str() != c"/dev" {
                return Err(why);
            }
            let flags = BindFlags { read_only: false, devices: true, optional: false };
            for device in DEVICES {
                allow(granted, index, device.to_bytes().to_vec(), of_bind(flags))?;
            }
            Err(format!("{why}; of the host's devices it has null, zero, full, random and urandom"))
        }
        FsOp::Overlay { .. } | FsOp::Proc { .. } | FsOp::Tmpfs { .. } | FsOp::Mqueue { .. } | FsOp::CopyFile { .. } => {
            Err(hide(granted, mounted(&op.fs).and_then(|(dest, _)| clean(dest)), NO_MOUNT))
        }
        FsOp::Data { dest, .. } | FsOp::Text { dest, .. } => Err(hide(granted, clean(dest), NO_MOUNT)),
        // Without these the program sees less, and nothing is shown that should be hidden.
        FsOp::Dir { .. } | FsOp::Symlink { .. } | FsOp::Chmod { .. } => Err(NO_CHANGE.into()),
        FsOp::Hostname { .. } => Err(NO_NAMESPACE.into()),
    }
}

/// Allows `rights` on a path of the host. As a bind would, this replaces what was allowed there and below.
fn allow(granted: &mut Vec<FileRule>, index: usize, path: Vec<u8>, rights: Rights) -> Result<(), String> {
    granted.retain(|rule| !is_at_or_below(&bytes(rule), &path));
    let mut wider = Vec::new();
    for rule in granted.iter_mut().filter(|rule| is_at_or_below(&path, &bytes(rule)) && !rights.has(rule.rights)) {
        rule.rights = rule.rights.within(rights);
        wider.push(printable(&rule.path) + if READ.has(rule.rights) { " (read-only)" } else { "" });
    }
    granted.push(FileRule { path: path_of(&path), object: Object::HostPath(index), rights });
    if wider.is_empty() {
        return Ok(());
    }
    // Each of them is named: of a workspace it is the whole project that can be written to no more.
    Err(format!(
        "rules add up: nothing can be allowed less than the directory that it lies in, so these are reduced to the same: {}",
        wider.join(", ")
    ))
}

/// Reduces what is allowed at `path` to reading.
fn reduce(granted: &mut [FileRule], path: &[u8]) -> Result<(), String> {
    let mut more_above = false;
    for rule in granted.iter_mut().filter(|rule| is_at_or_below(path, &bytes(rule))) {
        more_above |= bytes(rule) != path && !READ.has(rule.rights);
        rule.rights = rule.rights.within(READ);
    }
    if more_above { Err("rules add up: what is allowed above it is allowed here too".into()) } else { Ok(()) }
}

/// Takes away every rule that shows something at, above or below `path`, or all rules if `path` is not known.
fn hide(granted: &mut Vec<FileRule>, path: Option<Vec<u8>>, why: &str) -> String {
    granted.retain(|rule| {
        let shows = |path: &Vec<u8>| is_at_or_below(path, &bytes(rule)) || is_at_or_below(&bytes(rule), path);
        path.as_ref().is_some_and(|path| !shows(path))
    });
    why.into()
}

/// The path of a rule, in the form of [`clean`].
fn bytes(rule: &FileRule) -> Vec<u8> {
    clean(&rule.path).unwrap_or_default()
}
