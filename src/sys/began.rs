//! Which process had a number: numbers are used again.

use std::ffi::CString;
use std::os::fd::AsFd;

use super::{Errno, Result, content, open};

/// When the process `pid` began, in clock ticks since the boot. With the number of the process this names one process
/// among all since then (proc_pid_stat(5), field 22).
pub(crate) fn began(pid: i32) -> Result<u64> {
    let path = CString::new(format!("/proc/{pid}/stat")).map_err(|_| Errno::EINVAL)?;
    let text = content::read_to_end(open::read(&path)?.as_fd())?;
    // The name of the program, in parentheses, may hold anything.
    let end = text.iter().rposition(|&byte| byte == b')').ok_or(Errno::EINVAL)?;
    let field = text[end + 1..].split(|&byte| byte == b' ').nth(20).ok_or(Errno::EINVAL)?;
    std::str::from_utf8(field).ok().and_then(|field| field.parse().ok()).ok_or(Errno::EINVAL)
}
