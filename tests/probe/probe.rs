//! `probe`: runs inside the box and reports what it finds or can do there.
//!
//! One sub-command does one thing; [`COMMANDS`] is the list. Output is lines of `key value`. The exit code is 0 when
//! the thing could be done, 1 when the kernel refused it (the reason is printed on stdout), 2 for a wrong call.
//! To add a sub-command, write a `fn(&[OsString]) -> Answer` and give it a row.
#![allow(unsafe_code)] // a probe is made of raw system calls; each states why it is sound

mod acts;
mod filter;
mod hold;
mod kills;
mod mounts;
mod reach;
mod spoil;
mod state;
mod tamper;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// What a sub-command did: its lines, or why the kernel said no.
type Answer = io::Result<Vec<u8>>;

/// A sub-command: name, what follows it, what it does.
type Row = (&'static str, &'static str, fn(&[OsString]) -> Answer);

const COMMANDS: &[Row] = &[
    ("state", "", state::state),
    ("status", "PID", state::status),
    ("args", "WORD...", acts::args),
    ("cat", "PATH", acts::cat),
    ("write", "PATH [TEXT]", acts::write),
    ("exists", "PATH", acts::exists),
    ("stat", "PATH...", acts::stat),
    ("tree", "PATH", acts::tree),
    ("statvfs", "PATH", acts::statvfs),
    ("lock-holder", "PATH", acts::lock_holder),
    ("read-fd", "FD", acts::read_fd),
    ("kill", "PID SIGNAL", acts::kill),
    ("ptrace", "PID", acts::ptrace),
    ("connect-unix", "PATH", acts::connect_unix),
    ("connect-tcp", "ADDRESS:PORT", acts::connect_tcp),
    ("mount", "DEST", acts::mount),
    ("unshare-user", "", acts::unshare_user),
    ("tiocsti", "FD", acts::tiocsti),
    ("syscall", "NUMBER [ARGUMENT...]", filter::syscall),
    ("refuse", "NUMBER:ERRNO... -- PROGRAM [WORD...]", filter::refuse),
    ("spoil", "WAY FD", spoil::spoil),
    ("zombies", "N", hold::zombies),
    ("pause", "[FD]", hold::pause),
    ("hold", "user|user2|pid", hold::hold),
    ("kills", "N PROGRAM [WORD...]", kills::kills),
    ("tamper", "PATH OWN", tamper::tamper),
    ("umount", "PATH [nested]", mounts::umount),
    ("remount-rw", "PATH [nested]", mounts::remount_rw),
    ("mount-id", "PATH...", mounts::mount_id),
    ("nest", "STEP... -- PROGRAM [WORD...]", mounts::nest),
    ("pids", "", reach::pids),
    ("loopback", "", reach::loopback),
    ("ipc", "KEY", reach::ipc),
    ("sethostname", "NAME", reach::sethostname),
];

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let found = words.first().and_then(|word| COMMANDS.iter().find(|(name, _, _)| *word == **name));
    let Some((_, _, run)) = found else {
        for (name, operands, _) in COMMANDS {
            eprintln!("usage: probe {name} {operands}");
        }
        return ExitCode::from(2);
    };
    match run(&words[1..]) {
        Ok(bytes) => match io::stdout().write_all(&bytes) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(3),
        },
        Err(error) => {
            println!("refused {}", reason(&error));
            ExitCode::from(1)
        }
    }
}

/// The error by its number where it has one: words differ between C libraries, numbers do not.
fn reason(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| format!("errno {number}"))
}

/// `result` of a system call as a value or the error it left.
fn checked(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Operand number `index`, as text.
fn operand(words: &[OsString], index: usize) -> io::Result<&str> {
    words.get(index).and_then(|word| word.to_str()).ok_or_else(|| io::Error::other("missing operand"))
}

/// Operand number `index`, as a number.
fn number<T: std::str::FromStr>(words: &[OsString], index: usize) -> io::Result<T> {
    operand(words, index)?.parse().map_err(|_| io::Error::other("not a number"))
}
