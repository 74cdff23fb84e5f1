//! A terminal that a launch shares with its caller.

use std::os::fd::AsRawFd;
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
