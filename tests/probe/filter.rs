//! Calls by number, and hosts that lack some.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::{Answer, checked, number, operand};

/// System call NUMBER with the arguments that are named, and zeros for the rest.
pub(crate) fn syscall(words: &[OsString]) -> Answer {
    let mut args = [0_i64; 6];
    for (index, arg) in args.iter_mut().enumerate().take(words.len().saturating_sub(1)) {
        *arg = number(words, index + 1)?;
    }
    let [a, b, c, d, e, f] = args;
    // SAFETY: the caller names a call that these numbers cannot make harmful; the kernel checks pointers.
    let result = checked(unsafe { libc::syscall(number(words, 0)?, a, b, c, d, e, f) })?;
    Ok(format!("result {result}\n").into_bytes())
}

/// Becomes PROGRAM, for which each call NUMBER fails with ERRNO: a host on which they do not exist, or a filter around.
pub(crate) fn refuse(words: &[OsString]) -> Answer {
    let end = words.iter().position(|word| word == "--").ok_or_else(|| io::Error::other("no --"))?;
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for index in 0..end {
        let (call, errno) = operand(words, index)?.split_once(':').ok_or_else(|| io::Error::other("NUMBER:ERRNO"))?;
        let wrong = |_| io::Error::other("not a number");
        let (call, errno): (u32, u32) = (call.parse().map_err(wrong)?, errno.parse().map_err(wrong)?);
        let skip = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        filter.push(libc::sock_filter { jf: 1, ..statement(skip, call) });
        filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno));
    }
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    let length = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: prctl takes numbers here; the program and its instructions live through the second call.
    unsafe {
        checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
        checked(libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program))?;
    }
    let name = words.get(end + 1).ok_or_else(|| io::Error::other("no program"))?;
    Err(Command::new(name).args(&words[end + 2..]).exec())
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}
