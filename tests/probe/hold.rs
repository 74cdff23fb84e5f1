//! Processes that stay, for tests that look at them from outside: holders of namespaces, orphans, a waiter.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};

use crate::{Answer, checked, number, operand};

/// Numbers under which [`hold`] keeps namespaces open, for the holder's parent to open through /proc/PID/fd.
const USER_FD: i32 = 20;
const USER2_FD: i32 = 21;
const PID_FD: i32 = 22;

/// Makes N orphans that end at once, then counts the zombies among the processes it can see.
pub(crate) fn zombies(words: &[OsString]) -> Answer {
    for _ in 0..number::<u32>(words, 0)? {
        // SAFETY: this program has one thread, so a forked child may do anything; both children only `_exit`.
        unsafe {
            let child = checked(libc::fork().into())?;
            if child == 0 {
                libc::fork();
                libc::_exit(0);
            }
            checked(libc::waitpid(child as i32, std::ptr::null_mut(), 0).into())?;
        }
    }
    let stat = |pid: &str| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_zombie = |pid: &str| stat(pid).rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"));
    let left = || -> io::Result<usize> {
        let names = fs::read_dir("/proc")?.flatten().map(|entry| entry.file_name());
        Ok(names.filter(|name| name.to_str().is_some_and(is_zombie)).count())
    };
    // The reaper may still be at work: give it the processor until it has nothing left, but not for ever.
    let mut count = left()?;
    for _ in 0..1000 {
        if count == 0 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
        count = left()?;
    }
    Ok(format!("zombies {count}\n").into_bytes())
}

/// Says `ready`, then waits for the end of standard input (or of FD).
pub(crate) fn pause(words: &[OsString]) -> Answer {
    println!("ready");
    io::stdout().flush()?;
    let fd = if words.is_empty() { 0 } else { number(words, 0)? };
    wait_for_end(fd)?;
    Ok(Vec::new())
}

/// Makes namespaces, keeps them open under known numbers, says `ready`, and waits for the end of standard input.
///
/// `user`: one user namespace. `user2`: another below it. `pid`: a user namespace, and in it a pid namespace with a
/// living first process.
pub(crate) fn hold(words: &[OsString]) -> Answer {
    let kind = operand(words, 0)?;
    new_user_namespace()?;
    keep("/proc/self/ns/user", USER_FD)?;
    match kind {
        "user2" => {
            new_user_namespace()?;
            keep("/proc/self/ns/user", USER2_FD)?;
        }
        "pid" => new_pid_namespace()?,
        _ => {}
    }
    pause(&[])
}

/// Enters a user namespace that maps this user and group to themselves.
pub(crate) fn new_user_namespace() -> io::Result<()> {
    // SAFETY: these read ids; unshare takes flags. None touches memory.
    let (uid, gid) = unsafe {
        let ids = (libc::geteuid(), libc::getegid());
        checked(libc::unshare(libc::CLONE_NEWUSER).into())?;
        ids
    };
    fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))
}

fn new_pid_namespace() -> io::Result<()> {
    // SAFETY: unshare takes flags; this program has one thread, so the forked child may go on as usual.
    let child = unsafe {
        checked(libc::unshare(libc::CLONE_NEWPID).into())?;
        checked(libc::fork().into())?
    };
    if child == 0 {
        // SAFETY: the signal number is valid and no memory is touched.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        let ended = wait_for_end(0);
        // SAFETY: this child has nothing to clean up, and must not print its parent's buffers.
        unsafe { libc::_exit(i32::from(ended.is_err())) }
    }
    keep("/proc/self/ns/pid_for_children", PID_FD)
}

/// Opens `path` as descriptor `fd`.
fn keep(path: &str, fd: i32) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    let file = fs::File::open(path)?;
    // SAFETY: both numbers are descriptors of this program, and `fd` is nobody else's.
    checked(unsafe { libc::dup2(file.as_raw_fd(), fd) }.into()).map(drop)
}

fn wait_for_end(fd: i32) -> io::Result<()> {
    use std::os::fd::FromRawFd;
    // SAFETY: nothing else in this program owns the number; a bad one makes `read` fail.
    let mut file = std::mem::ManuallyDrop::new(unsafe { fs::File::from_raw_fd(fd) });
    io::copy(&mut *file, &mut io::sink()).map(drop)
}
