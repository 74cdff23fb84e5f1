//! Pinfold's own exit codes. Codes below 125 are the program's. The `bwrap` front end uses bubblewrap's: 1.

use crate::error::ErrorKind;

/// pinfold failed; the program has not run.
pub(super) const FAILED: u8 = 125;
/// The program was found but cannot be executed.
pub(super) const NOT_EXECUTABLE: u8 = 126;
/// The program was not found.
pub(super) const NOT_FOUND: u8 = 127;
/// The answer is no, from a command that tests something: `pinfold doctor`, `pinfold profile check`.
pub(super) const NO: u8 = 1;
/// A shell's exit code for a program that SIGPIPE (13) has killed.
pub(super) const READER_GONE: u8 = 128 + 13;

/// The exit code for an error of this kind.
pub(super) fn of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::NotFound => NOT_FOUND,
        ErrorKind::NotExecutable => NOT_EXECUTABLE,
        ErrorKind::Invalid | ErrorKind::Unsafe | ErrorKind::Unsupported | ErrorKind::Failed | ErrorKind::Internal => {
            FAILED
        }
    }
}

/// The exit code for an error of `pinfold doctor`. What prevents its tests also prevents sandboxes, so the answer is
/// no.
pub(super) fn of_doctor(kind: ErrorKind) -> u8 {
    if kind == ErrorKind::Invalid { FAILED } else { NO }
}
