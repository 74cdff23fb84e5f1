//! What a program can do to an output that it shares with whoever started it, so that nothing arrives there any more.

use std::ffi::OsString;
use std::io;

use crate::{Answer, checked, number, operand};

/// Does WAY to descriptor FD.
pub(crate) fn spoil(words: &[OsString]) -> Answer {
    let fd: i32 = number(words, 1)?;
    match operand(words, 0)? {
        "shut-both" => shut(fd, libc::SHUT_RDWR),
        "shut-writing" => shut(fd, libc::SHUT_WR),
        "rewind" => set_flags(fd, |flags| flags & !libc::O_APPEND).and_then(|()| rewind(fd)),
        "no-waiting" => set_flags(fd, |flags| flags | libc::O_NONBLOCK),
        "packets" => set_flags(fd, |flags| flags | libc::O_DIRECT),
        "closed-to-all" => close_to_all(fd),
        "fill" => fill(fd),
        "hole" => make_hole(fd),
        "stop" => stop(fd),
        "no-discipline" => take_discipline(fd),
        _ => Err(io::Error::other("no such way")),
    }?;
    Ok(b"spoilt\n".to_vec())
}

fn shut(fd: i32, how: i32) -> io::Result<()> {
    // SAFETY: numbers only.
    done(unsafe { libc::shutdown(fd, how) })
}

fn rewind(fd: i32) -> io::Result<()> {
    // SAFETY: numbers only.
    checked(unsafe { libc::lseek(fd, 0, libc::SEEK_SET) }).map(drop)
}

fn close_to_all(fd: i32) -> io::Result<()> {
    // SAFETY: numbers only.
    done(unsafe { libc::fchmod(fd, 0) })
}

fn stop(terminal: i32) -> io::Result<()> {
    // SAFETY: TCXONC takes a number.
    done(unsafe { libc::ioctl(terminal, libc::TCXONC, libc::TCOOFF) })
}

/// From then on nobody can write to the terminal, and nobody sees that it is one.
fn take_discipline(terminal: i32) -> io::Result<()> {
    /// include/uapi/linux/tty.h
    const N_NULL: libc::c_int = 27;
    let discipline = N_NULL;
    // SAFETY: TIOCSETD reads an int, which lives through the call.
    done(unsafe { libc::ioctl(terminal, libc::TIOCSETD, &raw const discipline) })
}

fn done(result: i32) -> io::Result<()> {
    checked(result.into()).map(drop)
}

fn set_flags(fd: i32, change: fn(i32) -> i32) -> io::Result<()> {
    // SAFETY: numbers only.
    let flags = checked(unsafe { libc::fcntl(fd, libc::F_GETFL) }.into())?;
    // SAFETY: numbers only.
    done(unsafe { libc::fcntl(fd, libc::F_SETFL, change(flags as i32)) })
}

/// Moves the end of a file by a terabyte.
fn make_hole(fd: i32) -> io::Result<()> {
    // SAFETY: numbers only.
    done(unsafe { libc::ftruncate(fd, 1 << 40) })
}

/// Fills a pipe as large as an ordinary user can make one, and leaves it blocking.
fn fill(fd: i32) -> io::Result<()> {
    let most: i32 = std::fs::read_to_string("/proc/sys/fs/pipe-max-size")?.trim().parse().map_err(io::Error::other)?;
    // SAFETY: numbers only. Where many pipes are large already, this one keeps its size, and is full too.
    let _larger = unsafe { libc::fcntl(fd, libc::F_SETPIPE_SZ, most) };
    set_flags(fd, |flags| flags | libc::O_NONBLOCK)?;
    let page = [b'.'; 4096];
    // SAFETY: `page` lives through the call.
    while unsafe { libc::write(fd, page.as_ptr().cast(), page.len()) } > 0 {}
    set_flags(fd, |flags| flags & !libc::O_NONBLOCK)
}
