//! Everything that a program can try on something that it must not touch, in one go.

use std::ffi::{CString, OsString};
use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::{Answer, checked};

/// One attempt: what it is called, and what came of it. `path` is what is attacked, `own` a directory of the program's
/// own with a `file` and a `dir` in it, on the same filesystem.
type Attempt = (&'static str, fn(path: &Path, own: &Path) -> io::Result<()>);

const ATTEMPTS: &[Attempt] = &[
    ("read", |path, _| open(path, OpenOptions::new().read(true))),
    ("write", |path, _| open(path, OpenOptions::new().write(true))),
    ("truncate", |path, _| open(path, OpenOptions::new().write(true).truncate(true))),
    ("create", |path, _| open(path, OpenOptions::new().write(true).create(true))),
    ("list", |path, _| fs::read_dir(path).map(drop)),
    ("enter", |path, _| std::env::set_current_dir(path)),
    ("create-in", |path, _| fs::write(path.join("x"), "x")),
    ("make-dir", |path, _| fs::create_dir(path)),
    ("connect", |path, _| UnixStream::connect(path).map(drop)),
    ("execute", |path, _| std::process::Command::new(path).status().map(drop)),
    ("chmod", |path, _| fs::set_permissions(path, Permissions::from_mode(0o777))),
    ("chown", |path, _| std::os::unix::fs::lchown(path, Some(uid()), None)),
    ("unlink", |path, _| fs::remove_file(path)),
    ("rmdir", |path, _| fs::remove_dir(path)),
    ("rename-away", |path, own| fs::rename(path, own.join("away"))),
    ("rename-file-onto", |path, own| fs::rename(own.join("file"), path)),
    ("rename-dir-onto", |path, own| fs::rename(own.join("dir"), path)),
    ("exchange", |path, own| exchange(path, &own.join("file"))),
    ("link-to", |path, own| fs::hard_link(path, own.join("link"))),
    ("link-onto", |path, own| fs::hard_link(own.join("file"), path)),
    ("symlink-onto", |path, _| symlink("/usr", path)),
    ("mount-over", |path, _| mount_over(path)),
    ("unmount", |path, _| unmount(path)),
];

/// Each attempt on PATH, and its error number or `done`.
pub(crate) fn tamper(words: &[OsString]) -> Answer {
    let [path, own] = words else { return Err(io::Error::other("PATH OWN")) };
    let mut out = String::new();
    for (name, attempt) in ATTEMPTS {
        let result = match attempt(Path::new(path), Path::new(own)) {
            Ok(()) => "done".to_owned(),
            Err(error) => crate::reason(&error),
        };
        out += &format!("{name} {result}\n");
    }
    Ok(out.into_bytes())
}

fn open(path: &Path, options: &mut OpenOptions) -> io::Result<()> {
    // A fifo that can be opened must not make this wait.
    options.custom_flags(libc::O_NONBLOCK).open(path).map(drop)
}

fn uid() -> u32 {
    // SAFETY: getuid takes nothing and always succeeds.
    unsafe { libc::getuid() }
}

fn c_string(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    let (one, other) = (c_string(one)?, c_string(other)?);
    let (here, flags) = (libc::AT_FDCWD, libc::RENAME_EXCHANGE);
    // By number: not every musl has the function.
    // SAFETY: both strings live through the call.
    let result = unsafe { libc::syscall(libc::SYS_renameat2, here, one.as_ptr(), here, other.as_ptr(), flags) };
    checked(result).map(drop)
}

fn mount_over(path: &Path) -> io::Result<()> {
    let path = c_string(path)?;
    // SAFETY: the strings live through the call, and no data are passed.
    let result =
        unsafe { libc::mount(c"/usr".as_ptr(), path.as_ptr(), std::ptr::null(), libc::MS_BIND, std::ptr::null()) };
    checked(result.into()).map(drop)
}

fn unmount(path: &Path) -> io::Result<()> {
    let path = c_string(path)?;
    // SAFETY: the string lives through the call.
    checked(unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) }.into()).map(drop)
}
