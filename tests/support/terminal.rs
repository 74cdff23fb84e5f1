//! A terminal that a launch shares with its caller.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use super::{Fd, Launch, Tweak};

/// The script in which `/probe` tries to type into each descriptor that may be the terminal; what it says goes to 6.
pub(crate) const TYPING: &str =
    "for fd in 0 1 2; do /probe tiocsti $fd; done >&6 2>&1; /probe tiocsti 3 3<>/dev/tty >&6; true";

/// Bytes that wait in the terminal of `launch`, which runs [`TYPING`], after it has ended (CVE-2017-5226).
pub(crate) fn typed(launch: Launch) -> i32 {
    let pty = nix::pty::openpty(None, None).expect("a pseudo-terminal");
    let mut raw = nix::sys::termios::tcgetattr(&pty.slave).expect("the terminal's settings");
    // Every byte counts at once, not only with the end of its line.
    nix::sys::termios::cfmakeraw(&mut raw);
    nix::sys::termios::tcsetattr(&pty.slave, nix::sys::termios::SetArg::TCSANOW, &raw).expect("a raw terminal");
    let slave = Arc::new(pty.slave);
    let launch = [0, 1, 2].iter().fold(launch.fd(6, Fd::Out), |launch, fd| launch.fd(*fd, Fd::Given(slave.clone())));
    launch.tweak(Tweak::Terminal).run().done();
    let mut waiting = 0;
    // SAFETY: FIONREAD writes one int into a live variable.
    #[allow(unsafe_code)]
    let result = unsafe { libc::ioctl(slave.as_raw_fd(), libc::FIONREAD, &raw mut waiting) };
    assert_eq!(result, 0);
    waiting
}

/// Types `lines` into `launch` at a terminal, each after its prompt has been said since the line before, and returns
/// all that it says until its end.
pub(crate) fn converse(launch: Launch, lines: &[(&str, &str)]) -> String {
    let pty = nix::pty::openpty(None, None).expect("a pseudo-terminal");
    let slave = Arc::new(pty.slave);
    let launch = [0, 1, 2].iter().fold(launch, |launch, fd| launch.fd(*fd, Fd::Given(slave.clone())));
    let mut running = launch.tweak(Tweak::Terminal).start();
    drop(slave);
    let mut terminal = std::fs::File::from(pty.master);
    let (mut said, mut from) = (String::new(), 0);
    for (prompt, line) in lines {
        while !said[from..].contains(prompt) {
            read(&mut terminal, &mut said).unwrap_or_else(|| panic!("no {prompt:?} in {said:?}"));
        }
        from = said.len();
        terminal.write_all(line.as_bytes()).expect("type");
    }
    while read(&mut terminal, &mut said).is_some() {}
    running.wait();
    said
}

/// Reads on; `None` at the end, which a terminal without users says as an error (EIO), or when nothing comes for long.
fn read(terminal: &mut std::fs::File, said: &mut String) -> Option<()> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut waiting = [PollFd::new(terminal.as_fd(), PollFlags::POLLIN)];
    if poll(&mut waiting, PollTimeout::try_from(super::running::DEADLINE).unwrap()).expect("wait for the terminal") == 0
    {
        return None;
    }
    let mut buffer = [0; 4096];
    let count = terminal.read(&mut buffer).ok().filter(|count| *count > 0)?;
    said.push_str(&String::from_utf8_lossy(&buffer[..count]));
    Some(())
}
