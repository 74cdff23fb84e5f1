//! One attempt each: read, write, connect, mount, trace … Output is what came of it.

use std::ffi::{CString, OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{Answer, checked, number, operand};

fn path(words: &[OsString], index: usize) -> io::Result<&Path> {
    words.get(index).map(Path::new).ok_or_else(|| io::Error::other("missing path"))
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    Ok(CString::new(text.as_bytes())?)
}

/// The words themselves, one a line: arguments arrive unchanged.
pub(crate) fn args(words: &[OsString]) -> Answer {
    Ok(words.iter().flat_map(|word| [b"arg ", word.as_bytes(), b"\n"].concat()).collect())
}

pub(crate) fn cat(words: &[OsString]) -> Answer {
    fs::read(path(words, 0)?)
}

/// Writes TEXT (or `probe`) over what is there.
pub(crate) fn write(words: &[OsString]) -> Answer {
    fs::write(path(words, 0)?, words.get(1).map_or(&b"probe"[..], |word| word.as_bytes()))?;
    Ok(b"written\n".to_vec())
}

pub(crate) fn exists(words: &[OsString]) -> Answer {
    fs::symlink_metadata(path(words, 0)?)?;
    Ok(b"exists\n".to_vec())
}

/// Type and mode, size, link target of each path. Never follows a link.
pub(crate) fn stat(words: &[OsString]) -> Answer {
    let mut out = String::new();
    for word in words {
        describe(Path::new(word), &mut out);
    }
    Ok(out.into_bytes())
}

fn describe(path: &Path, out: &mut String) {
    let line = match fs::symlink_metadata(path) {
        Err(error) => crate::reason(&error),
        Ok(about) if about.is_symlink() => {
            format!("link {}", fs::read_link(path).unwrap_or_default().display())
        }
        Ok(about) => {
            let size = if about.is_file() { about.size() } else { 0 };
            format!("mode {:o} owner {}:{} size {size}", about.permissions().mode(), about.uid(), about.gid())
        }
    };
    writeln!(out, "{} {line}", path.display()).unwrap_or(());
}

/// PATH and everything below it, in the order of names.
pub(crate) fn tree(words: &[OsString]) -> Answer {
    fn walk(path: &Path, out: &mut String) {
        describe(path, out);
        let is_dir = fs::symlink_metadata(path).is_ok_and(|about| about.is_dir());
        let Some(entries) = is_dir.then(|| fs::read_dir(path).ok()).flatten() else { return };
        let mut below: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        below.sort();
        for path in below {
            walk(&path, out);
        }
    }
    let mut out = String::new();
    walk(path(words, 0)?, &mut out);
    Ok(out.into_bytes())
}

/// Bytes of the file system at PATH.
pub(crate) fn statvfs(words: &[OsString]) -> Answer {
    let name = c_string(path(words, 0)?.as_os_str())?;
    // SAFETY: an all-zero statvfs is a valid value; `name` and `about` live through the call.
    let about = unsafe {
        let mut about: libc::statvfs = std::mem::zeroed();
        checked(libc::statvfs(name.as_ptr(), &raw mut about).into())?;
        about
    };
    Ok(format!("bytes {}\n", about.f_blocks * about.f_frsize).into_bytes())
}

/// The POSIX lock of another process that stands in the way of a write lock on PATH. bubblewrap takes its lock after it
/// has started the command, so this waits for one to come; not for ever.
pub(crate) fn lock_holder(words: &[OsString]) -> Answer {
    let file = fs::File::open(path(words, 0)?)?;
    let mut lock = obstacle(&file)?;
    for _ in 0..1000 {
        if i32::from(lock.l_type) != libc::F_UNLCK {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
        lock = obstacle(&file)?;
    }
    let kind = match i32::from(lock.l_type) {
        libc::F_UNLCK => "free",
        libc::F_RDLCK => "read-locked",
        _ => "write-locked",
    };
    Ok(format!("{kind}\nstart {} length {}\n", lock.l_start, lock.l_len).into_bytes())
}

fn obstacle(file: &fs::File) -> io::Result<libc::flock> {
    // SAFETY: an all-zero flock is a valid value, and F_GETLK reads and fills it; the descriptor is open.
    unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        lock.l_type = libc::F_WRLCK as i16;
        checked(libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock).into())?;
        Ok(lock)
    }
}

/// All that FD has to give.
pub(crate) fn read_fd(words: &[OsString]) -> Answer {
    let fd = checked(number::<i32>(words, 0)?.into())?;
    // SAFETY: the number was named by the caller; nothing else in this program owns it, and a bad one makes `read`
    // fail.
    let mut file = unsafe { fs::File::from_raw_fd(fd as i32) };
    let mut out = Vec::new();
    file.read_to_end(&mut out)?;
    Ok(out)
}

pub(crate) fn kill(words: &[OsString]) -> Answer {
    // SAFETY: kill takes two numbers and touches no memory.
    checked(unsafe { libc::kill(number(words, 0)?, number(words, 1)?) }.into())?;
    Ok(b"sent\n".to_vec())
}

pub(crate) fn ptrace(words: &[OsString]) -> Answer {
    let pid: libc::pid_t = number(words, 0)?;
    // SAFETY: PTRACE_SEIZE takes no address or data, and leaves the other process running.
    checked(unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0usize, 0usize) })?;
    Ok(b"traced\n".to_vec())
}

/// Connects to a path, or with a leading `@` to an abstract name.
pub(crate) fn connect_unix(words: &[OsString]) -> Answer {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixStream};
    let name = operand(words, 0)?;
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    UnixStream::connect_addr(&address)?;
    Ok(b"connected\n".to_vec())
}

pub(crate) fn connect_tcp(words: &[OsString]) -> Answer {
    std::net::TcpStream::connect(operand(words, 0)?)?.flush()?;
    Ok(b"connected\n".to_vec())
}

/// A fresh tmpfs on DEST.
pub(crate) fn mount(words: &[OsString]) -> Answer {
    let dest = c_string(path(words, 0)?.as_os_str())?;
    let tmpfs = c"tmpfs".as_ptr();
    // SAFETY: the three strings live through the call, and no data are passed.
    checked(unsafe { libc::mount(tmpfs, dest.as_ptr(), tmpfs, 0, std::ptr::null()) }.into())?;
    Ok(b"mounted\n".to_vec())
}

pub(crate) fn unshare_user(_: &[OsString]) -> Answer {
    // SAFETY: unshare takes flags and touches no memory.
    checked(unsafe { libc::unshare(libc::CLONE_NEWUSER) }.into())?;
    Ok(b"unshared\n".to_vec())
}

/// Pushes one byte into the terminal behind FD.
pub(crate) fn tiocsti(words: &[OsString]) -> Answer {
    let byte = b'#';
    // SAFETY: TIOCSTI reads one byte, which lives through the call.
    checked(unsafe { libc::ioctl(number(words, 0)?, libc::TIOCSTI, &raw const byte) }.into())?;
    Ok(b"pushed\n".to_vec())
}
