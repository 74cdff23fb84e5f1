//! Error messages as bubblewrap writes them. Programs search for some of these texts. So where bubblewrap has a
//! message, this one is the same to the letter.

use std::ffi::{CStr, CString, OsStr};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

use crate::cli::console;
use crate::error::{Error, ErrorKind, Field, push_printable};
use crate::host;
use crate::plan::{LandlockRule, Plan};
use crate::protocol::{Act, Failure, Stage};
use crate::report::hint;
use crate::spec::path::to_os;
use crate::spec::{Conflict, DataFile, FsOp, OverlayKind, Source};
use crate::supervise::{Findings, Found, Frontend, Note};
use crate::sys::{Errno, error_text};

/// The `bwrap` front end.
pub(super) struct Bubblewrap;

impl Frontend for Bubblewrap {
    fn error(&self, plan: &Plan, failure: &Failure) -> Error {
        bubblewrap(plan, failure)
    }

    fn refusal(&self, error: Error) -> Error {
        let words = match (error.kind, error.field) {
            (ErrorKind::Invalid, Some(Field::Uid)) => conflict(Conflict::UidNeedsUser),
            (ErrorKind::Invalid, Some(Field::Gid)) => conflict(Conflict::GidNeedsUser),
            (ErrorKind::Unsupported, Some(Field::ExecLabel | Field::FileLabel)) => {
                "labeling not supported on this system"
            }
            (ErrorKind::Unsupported, Some(Field::CgroupNs)) => {
                "Cannot create new cgroup namespace because the kernel does not support it"
            }
            _ => return error,
        };
        Error { message: words.into(), ..error }
    }

    fn note(&self, plan: &Plan, note: &Note) {
        let (what, text) = match note {
            Note::Dropped(failure) => ("not enforced: ", bubblewrap(plan, failure).message),
            Note::NotEnforced(unenforced) => ("not enforced: ", unenforced.line()),
            Note::Remark(failure) => ("", bubblewrap(plan, failure).message),
        };
        say([b"bwrap: ", what.as_bytes(), &text].concat());
    }

    fn findings(&self, found: &[Found]) -> Findings {
        let mut findings = Findings::default();
        found.iter().for_each(|found| findings.say("bwrap", &found.line()));
        findings
    }
}

/// Writes one line to standard error.
fn say(mut line: Vec<u8>) {
    line.push(b'\n');
    console::tell(&line);
}

const TERMS: hint::Terms = hint::Terms {
    skip_missing: "the -try form of the option skips it then",
    skip_missing_layer: None,
    no_new_procfs: "show the /proc that there is, read-only (--ro-bind /proc /proc)",
    new_ipc: "--unshare-ipc",
    tmpfs: "--tmpfs",
};

/// Turns a failure of `plan` into an error in bubblewrap's words.
fn bubblewrap(plan: &Plan, failure: &Failure) -> Error {
    let mut message = host::old_kernel(failure.errno).unwrap_or_default().into_bytes();
    let reason = what(plan, failure, &mut message);
    match reason {
        Reason::Errno => {
            message.extend_from_slice(b": ");
            message.extend_from_slice(error_text(failure.errno).as_bytes());
        }
        Reason::MountErrno if failure.errno == Errno::ENOSPC as i32 => {
            message.extend_from_slice(
                b": Limit exceeded (ENOSPC). (Hint: Check that /proc/sys/fs/mount-max is sufficient, typically 100000)",
            );
        }
        Reason::MountErrno => {
            message.extend_from_slice(b": ");
            message.extend_from_slice(error_text(failure.errno).as_bytes());
        }
        Reason::InMessage => {}
    }
    let op = plan.root.ops.get(failure.index as usize).filter(|_| failure.stage == Stage::Op).map(|op| &op.fs);
    let advice = || hint::advice(failure, op, &host::Obstacles::probe(), &TERMS);
    Error::new(ErrorKind::Invalid, message).with_hint(op.and_then(|op| newer_words(op, failure)).or_else(advice))
}

/// A second line with bubblewrap 0.12's message, where the first line has that of 0.11. Programs search for either.
fn newer_words(op: &FsOp, failure: &Failure) -> Option<String> {
    let kind = match (failure.act, Errno::from_raw(failure.errno)) {
        (Act::MakeDir, Errno::ENOTDIR) => "directory",
        // Both versions say the same about a file that is written and not mounted.
        (Act::MakeFile, Errno::EISDIR) if !is_written(op) => "file",
        _ => return None,
    };
    let mut words = Vec::new();
    with_path(&mut words, &format!("Destination is not a {kind} "), dest(op));
    Some(String::from_utf8_lossy(&words).into_owned())
}

/// Whether an operation opens its destination to write to it.
fn is_written(op: &FsOp) -> bool {
    matches!(op, FsOp::Data { how: DataFile::Copy, .. } | FsOp::Text { .. } | FsOp::CopyFile { .. })
}

pub(super) fn conflict(conflict: Conflict) -> &'static str {
    match conflict {
        Conflict::MapsFromNeedsNewUser => "--userns-block-fd requires --unshare-user",
        Conflict::MapsFromNeedsInfo => "--userns-block-fd requires --info-fd",
        Conflict::DisableNeedsNewUser => "--disable-userns requires --unshare-user",
        Conflict::DisableWithMapsFrom => "--disable-userns is not compatible with  --userns-block-fd",
        Conflict::NoCommand => "no command",
        Conflict::UidNeedsUser => "Specifying --uid requires --unshare-user or --userns",
        Conflict::GidNeedsUser => "Specifying --gid requires --unshare-user or --userns",
        Conflict::HostnameNeedsUts => "Specifying --hostname requires --unshare-uts",
        Conflict::Pid1NeedsPid => "Specifying --as-pid-1 requires --unshare-pid",
        // bubblewrap has no option that asks for this.
        Conflict::WaitAllNeedsPid => "to wait for all requires --unshare-pid",
        Conflict::Pid1WithLock => "Specifying --as-pid-1 and --lock-file is not permitted",
    }
}

/// Whether the kernel's reason follows the message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reason {
    Errno,
    /// Like `Errno`, but ENOSPC means too many mounts.
    MountErrno,
    InMessage,
}

fn what(plan: &Plan, failure: &Failure, out: &mut Vec<u8>) -> Reason {
    let (words, is_invalid) = (failure.stage.bubblewrap(), failure.errno == Errno::EINVAL as i32);
    match failure.stage {
        Stage::Clone | Stage::Net => clone_text(failure, out),
        Stage::JoinUser if is_invalid => with_text(
            out,
            "Joining the specified user namespace failed, it might not be a descendant of the current user namespace.",
        ),
        Stage::Op => op_text(plan, failure, out),
        Stage::Rule => landlock_rule(plan, failure, out),
        Stage::SwitchUid => with_number(out, words, plan.ids.switch.uid),
        Stage::SwitchGid => with_number(out, words, plan.ids.switch.gid),
        Stage::OpenLock | Stage::TakeLock => with_path(out, words, lock_file(plan, failure)),
        Stage::Watch => with_path(out, words, watched(plan, failure)),
        Stage::KeepApart => with_path(out, words, failure.detail.as_deref().unwrap_or_default()),
        Stage::Chdir => with_path(out, words, plan.program.cwd.first()),
        Stage::Exec => with_path(out, words, &plan.program.exec.command),
        Stage::UserNsNotDisabled | Stage::FilterLength => with_text(out, words),
        Stage::Unproven if failure.errno == 0 => with_text(out, words),
        Stage::Restrict if failure.errno == 0 => with_text(out, "Landlock does not enforce all of its rules"),
        Stage::InstallFilter if is_invalid => with_text(
            out,
            "Unable to set up system call filtering as requested: prctl(PR_SET_SECCOMP) reported EINVAL. (Hint: this \
             requires a kernel configured with CONFIG_SECCOMP and CONFIG_SECCOMP_FILTER.)",
        ),
        _ => with_errno(out, words),
    }
}

/// Names a Landlock rule by its path, descriptor or port: its number means nothing to users.
fn landlock_rule(plan: &Plan, failure: &Failure, out: &mut Vec<u8>) -> Reason {
    match plan.restrictions.landlock_rule(failure.index as usize) {
        Some(LandlockRule::File(path)) => with_path(out, "Can't add the Landlock rule for ", path),
        Some(LandlockRule::Descriptor(fd)) => {
            with_number(out, "Can't add the Landlock rule for descriptor ", u32::try_from(fd).ok())
        }
        Some(LandlockRule::Port(port)) => {
            with_number(out, "Can't add the Landlock rule for TCP port ", Some(port.into()))
        }
        None => with_errno(out, failure.stage.bubblewrap()),
    }
}

fn clone_text(failure: &Failure, out: &mut Vec<u8>) -> Reason {
    let text = match Errno::from_raw(failure.errno) {
        Errno::EINVAL => "Creating new namespace failed, likely because the kernel does not support user namespaces.",
        Errno::EPERM => {
            "No permissions to create a new namespace, likely because the kernel does not allow non-privileged user \
             namespaces. On e.g. debian this can be enabled with 'sysctl kernel.unprivileged_userns_clone=1'."
        }
        Errno::ENOSPC => {
            "Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded (ENOSPC)"
        }
        _ => return with_errno(out, failure.stage.bubblewrap()),
    };
    with_text(out, text)
}

fn op_text(plan: &Plan, failure: &Failure, out: &mut Vec<u8>) -> Reason {
    let Some(op) = plan.root.ops.get(failure.index as usize) else {
        return with_errno(out, failure.stage.bubblewrap());
    };
    let dest = dest(&op.fs);
    match failure.act {
        Act::Source if matches!(op.fs, FsOp::CopyFile { .. }) => {
            with_path(out, "Can't open the file to copy ", &source(&op.fs))
        }
        Act::NotAFile => {
            with_path(out, "Can't copy ", &source(&op.fs));
            with_text(out, ": it is not a regular file")
        }
        Act::Source => with_path(out, "Can't find source path ", failure.detail.as_deref().unwrap_or(&source(&op.fs))),
        Act::Race => with_text(out, "Race condition binding dirfd"),
        Act::Parents => with_path(out, "Can't mkdir parents for ", dest),
        act if is_parent(act, dest, failure.errno) => with_path(out, "Can't mkdir parents for ", dest),
        Act::MakeDir => with_path(out, "Can't mkdir ", dest),
        Act::MakeFile if is_written(&op.fs) => with_path(out, "Can't create file ", dest),
        Act::MakeFile => with_path(out, "Can't create file at ", dest),
        Act::ReadData | Act::WriteData => with_path(out, "Can't write data to file ", dest),
        Act::MakeLink => with_path(out, "Can't make symlink at ", dest),
        Act::LinkDiffers => {
            with_path(out, "Can't make symlink at ", dest);
            with_path(out, ": existing destination is ", failure.detail.as_deref().unwrap_or_default());
            Reason::InMessage
        }
        Act::NotALink => {
            with_path(out, "Can't make symlink at ", dest);
            with_text(out, ": destination exists and is not a symlink")
        }
        Act::NotAMount => not_a_mount(failure, dest, out),
        Act::Part => {
            with_path(out, "Can't set up ", failure.detail.as_deref().unwrap_or_default());
            with_path(out, " for ", dest);
            Reason::MountErrno
        }
        Act::Missing => {
            with_path(out, "Can't deny ", dest);
            with_text(out, ": it does not exist, and the program could make it")
        }
        Act::Nowhere => {
            with_path(out, "Denied ", dest);
            with_text(out, ": nothing is there, inside or outside")
        }
        Act::NoMatch => {
            with_path(out, "Can't deny ", dest);
            with_text(out, ": nothing matches it")
        }
        Act::OfProcess => {
            with_path(out, "Can't deny ", failure.detail.as_deref().unwrap_or(dest));
            with_text(out, ": it belongs to one process, and every other has its own")
        }
        Act::Look => {
            with_path(out, "Can't deny ", dest);
            with_path(out, ": looking into ", failure.detail.as_deref().unwrap_or_default())
        }
        Act::Match => {
            with_path(out, "Can't deny ", failure.detail.as_deref().unwrap_or_default());
            with_path(out, ", which matches ", dest);
            Reason::MountErrno
        }
        Act::Keep => {
            with_path(out, "Can't deny ", dest);
            with_path(out, ": keeping in its place ", failure.detail.as_deref().unwrap_or_default());
            Reason::MountErrno
        }
        Act::Elsewhere => {
            with_path(out, "Can't deny ", dest);
            with_path(out, ": covering the same at ", failure.detail.as_deref().unwrap_or_default());
            Reason::MountErrno
        }
        Act::Unlisted => {
            with_path(out, "Can't deny ", dest);
            out.extend_from_slice(format!(": {} ", hint::links_left(failure)).as_bytes());
            with_path(out, "", failure.detail.as_deref().unwrap_or_default())
        }
        Act::Outside => {
            with_path(out, "Denied ", dest);
            with_text(out, &format!(": {}", hint::links_left(failure)))
        }
        Act::Hidden | Act::NotFound => {
            with_path(out, if failure.act == Act::Hidden { "Can't deny " } else { "Denied " }, dest);
            out.extend_from_slice(format!(": {} ", hint::links_left(failure)).as_bytes());
            with_path(out, "", failure.detail.as_deref().unwrap_or_default());
            Reason::InMessage
        }
        Act::NotApart => {
            with_path(out, "Shown read-only, for the kernel makes no overlay there: ", dest);
            Reason::Errno
        }
        Act::OtherKind => {
            with_path(out, "Denied ", dest);
            with_path(
                out,
                ": a filesystem of another kind may show it too, at ",
                failure.detail.as_deref().unwrap_or_default(),
            );
            Reason::InMessage
        }
        // The message says it all; the kernel's reason adds nothing.
        Act::OnLink if failure.errno == Errno::ELOOP as i32 => {
            with_path(out, "Can't mount on symlink destination ", dest);
            Reason::InMessage
        }
        Act::OnLink => with_path(out, "Can't look at the destination ", dest),
        Act::NewFs | Act::Attach | Act::Flags | Act::Whole => whole_text(&op.fs, failure, out),
    }
}

/// Whether bubblewrap 0.11 reports the failure as one of a parent directory of `dest`. To it, all before a slash is a
/// parent, so a `dest` with a slash at its end is one too.
fn is_parent(act: Act, dest: &CStr, errno: i32) -> bool {
    dest.to_bytes().ends_with(b"/")
        && match act {
            Act::MakeDir => true,
            Act::MakeFile => errno != Errno::EISDIR as i32,
            Act::NotAMount => errno == Errno::ENOTDIR as i32,
            _ => false,
        }
}

fn not_a_mount(failure: &Failure, dest: &CStr, out: &mut Vec<u8>) -> Reason {
    with_staged(out, "Can't remount readonly on ", dest);
    if failure.errno != Errno::EINVAL as i32 {
        out.extend_from_slice(b": realpath(destination)");
        return Reason::Errno;
    }
    with_staged(out, ": Unable to find \"", failure.detail.as_deref().unwrap_or(dest));
    with_text(out, "\" in mount table")
}

/// Writes a destination as bubblewrap does during setup: below `/newroot`, where it builds the new root.
fn with_staged(out: &mut Vec<u8>, before: &str, dest: &CStr) -> Reason {
    let dest = dest.to_bytes();
    let below = dest.iter().position(|&byte| byte != b'/').map_or(&[][..], |start| &dest[start..]);
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(b"/newroot/");
    push_printable(out, OsStr::from_bytes(below));
    Reason::MountErrno
}

/// The message for an operation that failed as a whole.
fn whole_text(op: &FsOp, failure: &Failure, out: &mut Vec<u8>) -> Reason {
    match op {
        FsOp::Bind { dest, .. } => {
            with_path(out, "Can't bind mount ", &source(op));
            with_path(out, " on ", dest);
        }
        FsOp::RemountReadOnly { dest } => return with_staged(out, "Can't remount readonly on ", dest),
        FsOp::Overlay { layers, kind, dest } => {
            with_staged(out, "Can't make overlay mount on ", dest);
            out.extend_from_slice(b" with options ");
            overlay_options(layers, kind, out);
            if failure.errno == Errno::ELOOP as i32 {
                return with_text(out, ": Overlay directories may not overlap");
            }
        }
        FsOp::Proc { dest } => return with_staged(out, "Can't mount proc on ", dest),
        FsOp::Dev { dest } => return with_mount(out, "Can't mount devices on ", dest),
        FsOp::Tmpfs { dest, .. } => return with_staged(out, "Can't mount tmpfs on ", dest),
        FsOp::Mqueue { dest } => return with_staged(out, "Can't mount mqueue on ", dest),
        FsOp::Data { dest, .. } => return with_mount(out, "Can't bind mount data on ", dest),
        FsOp::Text { dest, .. } => return with_mount(out, "Can't create file ", dest),
        FsOp::Dir { dest, .. } => return with_mount(out, "Can't mkdir ", dest),
        FsOp::Symlink { dest, .. } => return with_mount(out, "Can't make symlink at ", dest),
        FsOp::Chmod { dest, mode } => {
            // Like C's `%#o`, which writes no prefix before a lone 0.
            let zero = if *mode == 0 { "" } else { "0" };
            out.extend_from_slice(format!("Can't chmod {zero}{mode:o} ").as_bytes());
            push_printable(out, to_os(dest));
            return Reason::Errno;
        }
        FsOp::CopyFile { dest, .. } => {
            with_path(out, "Can't copy ", &source(op));
            with_path(out, " to ", dest);
            return Reason::Errno;
        }
        FsOp::Deny { path, .. } => return with_mount(out, "Can't deny ", path),
        FsOp::Hostname { name } => return with_path(out, "Can't set hostname to ", name),
    }
    Reason::MountErrno
}

fn overlay_options(layers: &[CString], kind: &OverlayKind, out: &mut Vec<u8>) {
    if let OverlayKind::Host { upper, work } = kind {
        with_path(out, "upperdir=", upper);
        with_path(out, ",workdir=", work);
        out.push(b',');
    }
    out.extend_from_slice(b"lowerdir=");
    for (number, layer) in layers.iter().rev().enumerate() {
        with_path(out, if number == 0 { "" } else { ":" }, layer);
    }
    out.extend_from_slice(b",userxattr");
}

fn source(op: &FsOp) -> CString {
    match op {
        FsOp::Bind { source: Source::Path(path) | Source::Real(path) | Source::Link(path), .. } => path.clone(),
        FsOp::Bind { source: Source::Fd(fd), .. } => {
            let mut text = String::new();
            // Writing to a String cannot fail.
            let _written = write!(text, "/proc/self/fd/{fd}").is_ok();
            CString::new(text).unwrap_or_default()
        }
        FsOp::Overlay { layers, .. } => layers.first().cloned().unwrap_or_default(),
        FsOp::Proc { .. } => c"/proc".into(),
        FsOp::CopyFile { source, .. } => source.clone(),
        FsOp::RemountReadOnly { .. }
        | FsOp::Deny { .. }
        | FsOp::Dev { .. }
        | FsOp::Tmpfs { .. }
        | FsOp::Mqueue { .. }
        | FsOp::Dir { .. }
        | FsOp::Data { .. }
        | FsOp::Text { .. }
        | FsOp::Symlink { .. }
        | FsOp::Chmod { .. }
        | FsOp::Hostname { .. } => CString::default(),
    }
}

fn dest(op: &FsOp) -> &CStr {
    match op {
        FsOp::Hostname { name } => name,
        _ => op.dest().unwrap_or_default(),
    }
}

fn lock_file<'a>(plan: &'a Plan, failure: &Failure) -> &'a CStr {
    plan.lifecycle.lock_files.get(failure.index as usize).map_or(c"", |path| path)
}

fn watched<'a>(plan: &'a Plan, failure: &Failure) -> &'a CStr {
    plan.lifecycle.watch.get(failure.index as usize).map_or(c"", |watch| &watch.dir)
}

fn with_errno(out: &mut Vec<u8>, text: &str) -> Reason {
    out.extend_from_slice(text.as_bytes());
    Reason::Errno
}

fn with_path(out: &mut Vec<u8>, before: &str, path: &CStr) -> Reason {
    out.extend_from_slice(before.as_bytes());
    push_printable(out, to_os(path));
    Reason::Errno
}

fn with_mount(out: &mut Vec<u8>, before: &str, path: &CStr) -> Reason {
    with_path(out, before, path);
    Reason::MountErrno
}

fn with_text(out: &mut Vec<u8>, text: &str) -> Reason {
    out.extend_from_slice(text.as_bytes());
    Reason::InMessage
}

fn with_number(out: &mut Vec<u8>, before: &str, number: Option<u32>) -> Reason {
    out.extend_from_slice(before.as_bytes());
    out.extend(number.map(|number| number.to_string().into_bytes()).unwrap_or_default());
    Reason::Errno
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bubblewrap_refuses_too_is_refused_in_its_words() {
        let said = |error: Error| String::from_utf8(Bubblewrap.refusal(error).text()).unwrap();
        assert_eq!(said(Conflict::UidNeedsUser.into()), "Specifying --uid requires --unshare-user or --userns");
        assert_eq!(said(Conflict::GidNeedsUser.into()), "Specifying --gid requires --unshare-user or --userns");
        let unsupported = |field| Error { field: Some(field), ..Error::new(ErrorKind::Unsupported, "ours") };
        for label in [Field::ExecLabel, Field::FileLabel] {
            assert_eq!(said(unsupported(label)), "labeling not supported on this system");
        }
        let cgroup = "Cannot create new cgroup namespace because the kernel does not support it";
        assert_eq!(said(unsupported(Field::CgroupNs)), cgroup);
        assert_eq!(said(unsupported(Field::Landlock)), "ours");
    }
}
