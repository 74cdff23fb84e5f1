//! Output and exit codes of the commands.

use super::exit_code::{self, READER_GONE};
use crate::error::{Error, ErrorKind};
use crate::spec::FdNumber;
use crate::sys::signals::FileLimitFails;
use crate::sys::{Errno, Result as SysResult, content, error_text, fd};

/// The output of `--version`.
pub(super) const VERSION: &str = concat!("pinfold ", env!("CARGO_PKG_VERSION"), "\n");

/// Returns the exit code of `program`, and prints its error if there is one.
pub(super) fn end(program: &str, done: Result<u8, Error>) -> u8 {
    done.unwrap_or_else(|error| {
        complain(program, "", &error);
        exit_code::of(error.kind)
    })
}

/// Writes all of `text` to standard output and returns `code`.
///
/// If the reader is gone, there is no message: SIGPIPE ends this process. If the caller ignores SIGPIPE, the exit code
/// is the same.
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

/// Prints the error of this run with one write.
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

/// Writes to standard error. A failure is ignored: a caller who has closed it does not want the text.
pub(super) fn tell(text: &[u8]) {
    let _told = write(2, text).is_ok();
}

/// Writes without a buffer, which a cloned child could print again. If the file is at its size limit, this is an error,
/// and SIGXFSZ does not kill the process.
pub(super) fn write(fd: FdNumber, text: &[u8]) -> SysResult<()> {
    let limit = FileLimitFails::begin()?;
    let written = fd::callers_fd(fd).and_then(|fd| content::write_all(fd, text));
    limit.end()?;
    written
}
