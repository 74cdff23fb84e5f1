//! What was found after the run, and how it is reported.
//!
//! The program had the same descriptors, and can have left them in a state that hides the report: nobody reads the
//! pipe, the next write to a file starts at its beginning, a terminal shows nothing. What can be undone is undone
//! first. If part of the report is still lost, the exit code says so: a lost report must not look like an empty one.

use std::ffi::{CString, OsStr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::lost::Lost;
use crate::error::push_printable;
use crate::spec::Lifecycle;
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result, content, fd, output, socket};
use crate::workspace::takeover::Line;
use crate::workspace::{News, Settled};

/// The exit code of a run whose findings did not all reach standard error, or that could not do all that is to be done
/// afterwards.
pub(super) const UNSAID: u8 = 125;

/// How long to wait for a reader that takes nothing. All other work is done by then, so only the messages are lost.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// In bytes. Nobody who writes lines makes a larger hole in a file, so the program must have moved the file's end.
const LARGEST_HOLE: u64 = 1 << 30;

/// Something found after the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A watched name has appeared ([`crate::spec::Lifecycle::watch`]).
    Appeared { path: CString, reason: Option<String> },
    /// A directory of watched names is gone, has been replaced, or cannot be looked into.
    Unseen { path: CString },
    /// There was no time to look for all watched names. The look ended in this directory after this many seconds.
    CutShort { path: CString, seconds: u64 },
    /// Something that the program left was put in order, or could not be ([`crate::spec::Lifecycle::settle`]).
    Settled(Settled),
    /// A line about what was kept apart ([`crate::spec::Lifecycle::keep`]).
    Kept(Line),
    /// What is new, and obeyed later.
    News(News),
    /// Files that the program wrote to a home that ends with the box ([`crate::spec::Lifecycle::own_home`]).
    Lost(Lost),
}

impl Found {
    /// The message, in printable characters.
    pub(crate) fn line(&self) -> Vec<u8> {
        let (before, path, after, reason) = match self {
            Found::Appeared { path, reason } => ("", path, " appeared during the run", reason),
            Found::Settled(settled) => return settled.line(),
            Found::Kept(line) => return line.text.clone().into_bytes(),
            Found::News(news) => return news.line(),
            Found::Lost(lost) => return lost.line(),
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
    /// Lines of JSON, from a front end that reports in JSON.
    pub(crate) status: Vec<u8>,
}

impl Findings {
    /// Adds a line for standard error, prefixed with the name of `program`.
    pub(crate) fn say(&mut self, program: &str, line: &[u8]) {
        for part in [program.as_bytes(), b": ", line, b"\n"] {
            self.text.extend_from_slice(part);
        }
    }
}

/// A descriptor for reports after the run, and which file it was before the program could change anything.
pub(super) struct Outlet {
    fd: i32,
    name: Option<CString>,
    /// If it is a socket, the address that it was connected to.
    peer: Option<Vec<u8>>,
}

impl Outlet {
    pub(super) fn before(lifecycle: &Lifecycle, proc: BorrowedFd<'_>, fd: i32) -> Outlet {
        let name = lifecycle.looks_afterwards().then(|| name(proc, fd)).flatten();
        // The kernel calls a socket `socket:[NUMBER]` (proc_pid_fd(5)); the name of a file begins with a slash.
        let is_socket = name.as_ref().is_some_and(|name| name.to_bytes().starts_with(b"socket:["));
        Outlet { fd, name, peer: if is_socket { peer(fd) } else { None } }
    }

    /// Whether this is a network socket, where a successful write proves nothing. A program can set it so that the
    /// kernel holds back what is written and drops it on close (`TCP_CORK` and `SO_LINGER`, `UDP_CORK`).
    pub(super) fn is_network(&self) -> bool {
        self.peer.as_deref().is_some_and(|address| !socket::is_local(address))
    }

    /// Writes the lines `text`. Fails if a part is not written, or lands where nobody finds it.
    pub(super) fn tell(&self, proc: BorrowedFd<'_>, text: &[u8]) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let fd = fd::callers_fd(self.fd)?;
        let kind = stat::fstat(fd)?.kind();
        // A program can connect a network socket to another address. Nothing is sent there.
        if kind == Some(Kind::Socket) && self.name.is_some() && self.peer != peer(self.fd) {
            return Err(Errno::ESTALE);
        }
        write(fd, kind, text)?;
        // If the file lies in the workspace, the program can replace it with another one.
        let is_where_it_was = || self.name.is_none() || self.name == name(proc, self.fd);
        // Nobody reads to the end of a file that has a hole of terabytes.
        let is_found = kind != Some(Kind::File) || is_where_it_was() && stat::hole(fd)? <= LARGEST_HOLE;
        if is_found { Ok(()) } else { Err(Errno::ESTALE) }
    }
}

/// The path of the file behind descriptor `fd`, as the kernel knows it. It ends with ` (deleted)` if the file was
/// removed.
fn name(proc: BorrowedFd<'_>, fd: i32) -> Option<CString> {
    let link = CString::new(format!("self/fd/{fd}")).ok()?;
    content::read_link_at(proc, &link).ok()
}

/// The address that socket `fd` is connected to, if it is connected.
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

/// Undoes every setting that keeps a terminal from showing text, and nothing else. A full reset (RIS) would also clear
/// the screen. A terminal ignores the sequences that it does not know. Sources: Xterm Control Sequences;
/// console_codes(4).
const SHOW: &[&str] = &[
    // End a control string, which would hide all that follows (OSC, DCS, APC, PM, SOS).
    "\x1b\\",
    // Switch from VT52 to ANSI mode. Send output to the screen, not to the printer or the status line. Hold back no
    // frame.
    "\x1b<\x1b[4i\x1b[0$}\x1b[?2026l",
    // Leave the alternate screen. If it is not shown, this only restores the cursor, so the cursor is saved first.
    "\x1b7\x1b[?1049l",
    // Remove the margins. That moves the cursor, so it is saved and restored.
    "\x1b[?69l\x1b7\x1b[r\x1b8",
    // Soft reset (DECSTR). Then the same one by one, for terminals without it: no insert mode, no origin mode, wrap
    // lines, show the cursor, the ASCII character set, no attributes.
    "\x1b[!p\x1b[4l\x1b[?6l\x1b[?7h\x1b[?25h\x1b(B\x0f\x1b[0m",
    // Reset the colours, of xterm and then of the console. The program may have made text the colour of the background.
    "\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]R\x1b\\",
    // Start a new line, and clear the screen from there.
    "\r\n\x1b[J",
];

/// Returns `text` so that a terminal shows it. Each line ends with a carriage return too, because a terminal in raw
/// mode adds none.
fn for_terminal(text: &[u8]) -> Vec<u8> {
    let mut out = SHOW.concat().into_bytes();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        out.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
        out.extend_from_slice(b"\r\n");
    }
    out
}
