//! Mounts: what the box has, attempts to change it, and hosts made for a test.

use std::ffi::{CStr, CString, OsString};
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::hold::new_user_namespace;
use crate::{Answer, checked, operand};

/// Where a second word says so, this process first becomes the root of a user namespace of its own, with a copy of the
/// mounts: what any program may do where user namespaces are not disabled.
fn nest_if_told(words: &[OsString]) -> io::Result<()> {
    if words.get(1).is_some_and(|word| word == "nested") { new_mounts() } else { Ok(()) }
}

fn new_mounts() -> io::Result<()> {
    new_user_namespace()?;
    // SAFETY: unshare takes flags and touches no memory.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNS) }.into()).map(drop)
}

fn c_string(text: &str) -> io::Result<CString> {
    Ok(CString::new(text)?)
}

/// mount(2) without a type's own options.
fn mount(source: &CStr, dest: &CStr, kind: &CStr, flags: u64) -> io::Result<()> {
    // SAFETY: the three strings live through the call, and no data are passed.
    checked(unsafe { libc::mount(source.as_ptr(), dest.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) }.into())
        .map(drop)
}

pub(crate) fn umount(words: &[OsString]) -> Answer {
    nest_if_told(words)?;
    let path = c_string(operand(words, 0)?)?;
    // SAFETY: the string lives through the call.
    checked(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }.into())?;
    Ok(b"unmounted\n".to_vec())
}

/// Makes PATH writable, by the old call or, if that is refused, by the new one.
pub(crate) fn remount_rw(words: &[OsString]) -> Answer {
    /// `struct mount_attr` of linux/mount.h: set, clear, propagation, user namespace.
    #[repr(C)]
    struct MountAttr([u64; 4]);
    nest_if_told(words)?;
    let path = c_string(operand(words, 0)?)?;
    let keep = libc::MS_NOSUID | libc::MS_NODEV;
    if mount(c"", &path, c"", libc::MS_REMOUNT | libc::MS_BIND | keep).is_err() {
        let attr = MountAttr([0, libc::MOUNT_ATTR_RDONLY, 0, 0]);
        let size = size_of::<MountAttr>();
        // SAFETY: `path` and `attr` live through the call, which is told the size of `attr`.
        checked(unsafe {
            libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, path.as_ptr(), 0, &raw const attr, size)
        })?;
    }
    Ok(b"writable\n".to_vec())
}

/// The number of the mount that each path leads to (statx(2)): it differs where something is stacked on another.
pub(crate) fn mount_id(words: &[OsString]) -> Answer {
    let mut out = Vec::new();
    for index in 0..words.len() {
        let path = c_string(operand(words, index)?)?;
        // SAFETY: an all-zero statx is a valid value, and both live through the call, which fills it.
        let about = unsafe {
            let mut about: libc::statx = std::mem::zeroed();
            let flags = libc::AT_SYMLINK_NOFOLLOW;
            checked(libc::statx(libc::AT_FDCWD, path.as_ptr(), flags, libc::STATX_MNT_ID, &raw mut about).into())?;
            about
        };
        out.extend(format!("{}\n", about.stx_mnt_id).bytes());
    }
    Ok(out)
}

/// Becomes PROGRAM, in a user and a mount namespace of its own that the steps have changed:
///
/// * `tmpfs:DIR` mounts an empty file system
/// * `file:PATH:TEXT` makes a file
/// * `flags:DIR:FLAG,FLAG` gives the mount at DIR these flags
/// * `bind:FROM:TO` shows a directory at another place too
/// * `hide:DIR:KEEP` mounts an empty file system on DIR, with only its subdirectory KEEP as before
/// * `share` lets mounts made here appear in namespaces made from this one and back, as systemd does on most hosts
/// * `limit:N` allows N user namespaces below this one
pub(crate) fn nest(words: &[OsString]) -> Answer {
    let end = words.iter().position(|word| word == "--").ok_or_else(|| io::Error::other("no --"))?;
    let (steps, program) = (&words[..end], &words[end + 1..]);
    new_mounts()?;
    mount(c"", c"/", c"", libc::MS_REC | libc::MS_PRIVATE)?;
    for index in 0..steps.len() {
        let parts: Vec<&str> = operand(steps, index)?.split(':').collect();
        match parts[..] {
            ["tmpfs", dir] => mount(c"tmpfs", &c_string(dir)?, c"tmpfs", 0)?,
            ["file", path, text] => fs::write(path, text)?,
            ["flags", dir, flags] => {
                let flags = flags.split(',').map(flag).sum::<io::Result<u64>>()?;
                mount(c"", &c_string(dir)?, c"", libc::MS_REMOUNT | libc::MS_BIND | flags)?;
            }
            ["bind", from, to] => mount(&c_string(from)?, &c_string(to)?, c"", libc::MS_BIND)?,
            ["hide", dir, keep] => hide(dir, keep)?,
            ["share"] => mount(c"", c"/", c"", libc::MS_REC | libc::MS_SHARED)?,
            ["limit", number] => fs::write("/proc/sys/user/max_user_namespaces", number)?,
            _ => return Err(io::Error::other(format!("no such step: {parts:?}"))),
        }
    }
    let name = program.first().ok_or_else(|| io::Error::other("no program"))?;
    Err(Command::new(name).args(&program[1..]).exec())
}

fn flag(name: &str) -> io::Result<u64> {
    Ok(match name {
        "ro" => libc::MS_RDONLY,
        "noexec" => libc::MS_NOEXEC,
        "noatime" => libc::MS_NOATIME,
        "nodiratime" => libc::MS_NODIRATIME,
        // Of linux/mount.h; the crate does not have it.
        "nosymfollow" => 256,
        _ => return Err(io::Error::other("no such flag")),
    })
}

fn hide(dir: &str, keep: &str) -> io::Result<()> {
    let kept = Path::new(dir).join(keep);
    let before = fs::File::open(&kept)?;
    mount(c"tmpfs", &c_string(dir)?, c"tmpfs", 0)?;
    fs::create_dir(&kept)?;
    let source = c_string(&format!("/proc/self/fd/{}", before.as_raw_fd()))?;
    mount(&source, &c_string(&kept.display().to_string())?, c"", libc::MS_BIND)
}
