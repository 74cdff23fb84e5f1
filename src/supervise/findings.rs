//! What the look at the end has found, and how it is told.
//!
//! The program had the same descriptors, and can have left them so that nothing arrives: nobody reads, a file is
//! written over from its start, a terminal shows nothing. What can be undone is undone before. What could still not be
//! told decides the exit code: a report that has vanished must not look like one with nothing in it.

use std::ffi::{CString, OsStr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use crate::error::push_printable;
use crate::spec::Lifecycle;
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result, content, fd, output, socket};
use crate::workspace::Settled;

/// The exit code of a run with findings of which standard error does not have all.
pub(super) const UNSAID: u8 = 125;

/// So long a reader may take nothing. All is done by then, so that only the words are lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// A file with a larger hole, in bytes, was not written by whoever writes lines: a program has moved the end of it.
const LARGEST_HOLE: u64 = 1 << 30;

/// Something that is found after the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A watched name is there ([`crate::spec::Lifecycle::watch`]).
    Appeared { path: CString, removed: bool, reason: Option<String> },
    /// A directory of watched names is gone, or another one, or cannot be looked into.
    Unseen { path: CString },
    /// There was no time to look for all watched names: the look has ended in this directory, after so many seconds.
    CutShort { path: CString, seconds: u64 },
    /// What the program has left was put in order ([`crate::spec::Lifecycle::settle`]), or could not be.
    Settled(Settled),
}

impl Found {
    /// What there is to say, in printable characters.
    pub(crate) fn line(&self) -> Vec<u8> {
        let (before, path, after, reason) = match self {
            Found::Appeared { path, removed: false, reason } => ("", path, " appeared during the run", reason),
            Found::Appeared { path, removed: true, reason } => {
                ("", path, " appeared during the run and was removed", reason)
            }
            Found::Settled(settled) => return settled.line(),
            Found::CutShort { path, seconds } => {
                let mut line = format!("the look for what appeared ended after {seconds} seconds in ").into_bytes();
                push_printable(&mut line, OsStr::from_bytes(path.to_bytes()));
                return line;
            }
            Found::Unseen { path } => ("cannot look whether anything appeared in ", path, "", &None),
        };
        let mut line = before.as_bytes().to_vec();
        push_printable(&mut line, OsStr::from_bytes(path.to_bytes()));
        line.extend_from_slice(after.as_bytes());
        for part in reason.iter().flat_map(|reason| ["; ", reason]) {
            line.extend_from_slice(part.as_bytes());
        }
        line
    }
}

/// Findings in the words of a front end.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Lines for standard error.
    pub(crate) text: Vec<u8>,
    /// Lines of JSON, for the front end that reports in them.
    pub(crate) status: Vec<u8>,
}

impl Findings {
    /// Adds a line for standard error, that of `program`.
    pub(crate) fn say(&mut self, program: &str, line: &[u8]) {
        for part in [program.as_bytes(), b": ", line, b"\n"] {
            self.text.extend_from_slice(part);
        }
    }
}

/// Where something is told after the run: a descriptor, and what it was called before the program could do anything.
pub(super) struct Outlet {
    fd: i32,
    name: Option<CString>,
    /// Of a socket, the address that it was connected to.
    peer: Option<Vec<u8>>,
}

impl Outlet {
    pub(super) fn before(lifecycle: &Lifecycle, proc: BorrowedFd<'_>, fd: i32) -> Outlet {
        let name = lifecycle.looks_afterwards().then(|| name(proc, fd)).flatten();
        // The kernel calls a socket `socket:[NUMBER]` (proc_pid_fd(5)); the name of a file begins with a slash.
        let is_socket = name.as_ref().is_some_and(|name| name.to_bytes().starts_with(b"socket:["));
        Outlet { fd, name, peer: if is_socket { peer(fd) } else { None } }
    }

    /// Whether nobody can know that what is written arrives: a program can set a socket of the network so that the kernel
    /// keeps what is written, and drops it when the socket is closed (`TCP_CORK` and `SO_LINGER`, `UDP_CORK`).
    pub(super) fn is_network(&self) -> bool {
        self.peer.as_deref().is_some_and(|address| !socket::is_local(address))
    }

    /// Writes all of `text`, which is lines, or says why not.
    pub(super) fn tell(&self, proc: BorrowedFd<'_>, text: &[u8]) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let fd = fd::callers_fd(self.fd)?;
        let kind = stat::fstat(fd)?.kind();
        // A program can connect a socket of the network to somebody else, who is told nothing.
        if kind == Some(Kind::Socket) && self.name.is_some() && self.peer != peer(self.fd) {
            return Err(Errno::ESTALE);
        }
        write(fd, kind, text)?;
        // A program can remove the file, where that lies in its workspace, and put another one in its place.
        let is_where_it_was = || self.name.is_none() || self.name == name(proc, self.fd);
        // Behind a hole of terabytes nobody gets to the end.
        let is_found = kind != Some(Kind::File) || is_where_it_was() && stat::hole(fd)? <= LARGEST_HOLE;
        if is_found { Ok(()) } else { Err(Errno::ESTALE) }
    }
}

/// The path of what descriptor `fd` refers to, as the kernel knows it; it ends with ` (deleted)` once there is none.
fn name(proc: BorrowedFd<'_>, fd: i32) -> Option<CString> {
    let link = CString::new(format!("self/fd/{fd}")).ok()?;
    content::read_link_at(proc, &link).ok()
}

/// The address that socket `fd` is connected to; none, where it is not connected.
fn peer(fd: i32) -> Option<Vec<u8>> {
    fd::callers_fd(fd).and_then(socket::peer).ok()
}

fn write(fd: BorrowedFd<'_>, kind: Option<Kind>, text: &[u8]) -> Result<()> {
    if kind == Some(Kind::CharDevice) && output::restart_terminal(fd) {
        return output::write_within(fd, &for_terminal(text), PATIENCE);
    }
    if kind == Some(Kind::Fifo) {
        output::make_room(fd, text.len());
    }
    let _ordinary = output::Flags::ordinary(fd, kind == Some(Kind::File))?;
    output::write_within(fd, text, PATIENCE)
}

/// Takes back what keeps a terminal from showing text, and nothing else: it is no reset, which clears the screen (RIS).
/// A terminal that does not know one of these ignores it. Sources: Xterm Control Sequences; console_codes(4).
const SHOW: &[&str] = &[
    // The end of a string that hides all that follows (OSC, DCS, APC, PM, SOS).
    "\x1b\\",
    // From VT52 to ANSI; no output to the printer instead of the screen, nor to the status line; no frame held back.
    "\x1b<\x1b[4i\x1b[0$}\x1b[?2026l",
    // Back from the alternate screen. Where that is not shown, only the cursor is restored: to the place saved before.
    "\x1b7\x1b[?1049l",
    // No margins; setting them moves the cursor.
    "\x1b[?69l\x1b7\x1b[r\x1b8",
    // A soft reset (DECSTR), and again what it does, for those that do not know it: no insertion, no origin at margins,
    // lines are wrapped, the cursor is seen, letters are letters, no attributes.
    "\x1b[!p\x1b[4l\x1b[?6l\x1b[?7h\x1b[?25h\x1b(B\x0f\x1b[0m",
    // Colours that were made like the background: of xterm, then of the console.
    "\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]R\x1b\\",
    // A line of its own, and nothing beside it or below.
    "\r\n\x1b[J",
];

/// `text` so that a terminal shows it, with a return at each end of line: a terminal in raw mode makes none.
fn for_terminal(text: &[u8]) -> Vec<u8> {
    let mut out = SHOW.concat().into_bytes();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        out.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out
}
