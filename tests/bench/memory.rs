//! The most memory that the processes of a tool ever held.

use std::fs;
use std::io::{Error, Read, Result, Write};
use std::process::{Command, Stdio};

/// Peak resident memory (`VmHWM`, KiB) of the supervisor and of PID 1 in the box that `cat` makes.
pub(crate) fn peak(mut cat: Command) -> Result<(u64, u64)> {
    let mut supervisor = cat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let measured = (|| {
        // `cat` gives back a byte once it runs: by then all of the set-up is over.
        let (stdin, stdout) = (supervisor.stdin.as_mut(), supervisor.stdout.as_mut());
        stdin.ok_or_else(|| Error::other("no pipe"))?.write_all(b"x")?;
        stdout.ok_or_else(|| Error::other("no pipe"))?.read_exact(&mut [0])?;
        let pid = supervisor.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
        let first = children.split_whitespace().next().and_then(|pid| pid.parse().ok());
        let init = first.ok_or_else(|| Error::other("the supervisor has no child"))?;
        Ok((high_water(pid)?, high_water(init)?))
    })();
    drop(supervisor.stdin.take());
    supervisor.wait()?;
    measured
}

fn high_water(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.trim().strip_suffix(" kB")).and_then(|number| number.trim().parse().ok());
    number.ok_or_else(|| Error::other("/proc/PID/status has no VmHWM"))
}
