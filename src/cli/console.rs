//! What the commands print, and how they end.

use super::exit_code::{self, READER_GONE};
use crate::error::{Error, ErrorKind};
use crate::spec::FdNumber;
use crate::sys::signals::FileLimitFails;
use crate::sys::{Errno, Result as SysResult, content, error_text, fd};

/// What `--version` prints.
pub(super) const VERSION: &str = concat!("pinfold ", env!("CARGO_PKG_VERSION"), "\n");

/// The exit code of `program`, which complains about its error.
pub(super) fn end(program: &str, done: Result<u8, Error>) -> u8 {
    done.unwrap_or_else(|error| {
        complain(program, "", &error);
        exit_code::of(error.kind)
    })
}

/// Gives `text` to standard output, whole, and returns `code`.
///
/// A reader that has gone wants no more, and no complaint: SIGPIPE ends this process then, and where the caller ignores
/// that signal, the end is the same.
pub(super) fn print(text: impl AsRef<[u8]>, code: u8) -> Result<u8, Error> {
    match write(1, text.as_ref()) {
        Ok(()) => Ok(code),
        Err(Errno::EPIPE) => Ok(READER_GONE),
        Err(errno) => {
            let is_closed = fd::callers_fd(1).is_ok_and(fd::was_closed);
            let reason = if is_closed { "it is closed" } else { error_text(errno as i32) };
            Err(Error::new(ErrorKind::Failed, format!("cannot write to standard output: {reason}")))
        }
    }
}

/// Prints the one error of this run, in one piece.
pub(super) fn complain(program: &str, level: &str, error: &Error) {
    tell(&complaint(program, level, error));
}

pub(super) fn complaint(program: &str, level: &str, error: &Error) -> Vec<u8> {
    let mut text = format!("{level}{program}: ").into_bytes();
    text.extend_from_slice(&error.text());
    text.push(b'\n');
    if let Some(hint) = &error.hint {
        text.extend_from_slice(format!("hint: {hint}\n").as_bytes());
    }
    text
}

/// Writes to standard error; who has closed it wants to hear nothing.
pub(super) fn tell(text: &[u8]) {
    let _told = write(2, text).is_ok();
}

/// Writes without a buffer that a cloned child could print again. A file that may not grow is an error and no death.
pub(super) fn write(fd: FdNumber, text: &[u8]) -> SysResult<()> {
    let limit = FileLimitFails::begin()?;
    let written = fd::callers_fd(fd).and_then(|fd| content::write_all(fd, text));
    limit.end()?;
    written
}
