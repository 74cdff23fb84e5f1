//! The reports to the caller (`--info-fd`, `--json-status-fd`), byte for byte as bubblewrap writes them.

use std::fmt::Write;
use std::os::fd::BorrowedFd;

use super::findings::Findings;
use crate::plan::Launch;
use crate::protocol::Descriptors;
use crate::sys::ns::NsSet;
use crate::sys::signals::FileLimitFails;
use crate::sys::{Result, content, stat};

/// The names of the namespaces, in the order of the report. Reports and procfs use the same names.
const KINDS: [(&str, NsSet); 6] = [
    ("cgroup", NsSet::CGROUP),
    ("ipc", NsSet::IPC),
    ("mnt", NsSet::MOUNT),
    ("net", NsSet::NET),
    ("pid", NsSet::PID),
    ("uts", NsSet::UTS),
];

/// Reports that the box exists: the id of its first process as the caller sees it, and its new namespaces.
pub(super) fn announce(launch: &Launch, descriptors: &mut Descriptors, pid: i32) -> Result<()> {
    if !launch.report.is_wanted() {
        return Ok(());
    }
    // A report may go to a file, and a file size limit must not kill this process. The setting may stay: this process
    // executes no program that would inherit it.
    let _for_good = FileLimitFails::begin()?;
    let namespaces = namespaces(launch, descriptors.proc(), pid)?;
    if let Some(fd) = launch.report.info_fd {
        let mut text = format!("{{\n    \"child-pid\": {pid}");
        for (kind, inode) in &namespaces {
            push(&mut text, format_args!(",\n    \"{kind}-namespace\": {inode}"));
        }
        text.push_str("\n}\n");
        write(descriptors, fd, &text)?;
        descriptors.close(fd);
    }
    if let Some(fd) = launch.report.json_status_fd {
        let mut text = format!("{{ \"child-pid\": {pid}");
        for (kind, inode) in &namespaces {
            push(&mut text, format_args!(", \"{kind}-namespace\": {inode}"));
        }
        text.push_str(" }\n");
        write(descriptors, fd, &text)?;
    }
    Ok(())
}

/// Reports the exit code of the program.
pub(super) fn exit_code(launch: &Launch, descriptors: &Descriptors, code: u8) -> Result<()> {
    match launch.report.json_status_fd {
        Some(fd) => write(descriptors, fd, &end(code)),
        None => Ok(()),
    }
}

/// The report line with the exit code.
pub(super) fn end(code: u8) -> String {
    format!("{{ \"exit-code\": {code} }}\n")
}

/// The report line for findings that did not all reach standard error. It says how many lines of findings there are.
pub(super) fn unsaid(findings: &Findings) -> String {
    let lines = findings.text.iter().filter(|&&byte| byte == b'\n').count();
    format!("{{ \"unsaid\": {lines} }}\n")
}

fn namespaces(launch: &Launch, proc: BorrowedFd<'_>, pid: i32) -> Result<Vec<(&'static str, u64)>> {
    // A joined namespace is left out: the caller passed it in and knows it.
    let new = launch.clone.with_if(launch.joins.pid_below, NsSet::PID);
    let own = KINDS.iter().filter(|(_, set)| new.has(*set));
    own.map(|&(kind, _)| stat::stat_at(proc, format!("{pid}/ns/{kind}").as_str()).map(|found| (kind, found.inode)))
        .collect()
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _written = text.write_fmt(more).is_ok();
}

fn write(descriptors: &Descriptors, fd: i32, text: &str) -> Result<()> {
    descriptors.get(fd).and_then(|fd| content::write_all(fd, text.as_bytes()))
}
