//! Exit codes of pinfold's own; below 125 they are the program's.

/// pinfold failed; the program has not run.
pub(super) const FAILED: u8 = 125;
/// The program was found but cannot be executed.
pub(super) const NOT_EXECUTABLE: u8 = 126;
/// The program was not found.
pub(super) const NOT_FOUND: u8 = 127;
/// How a shell reports a program that SIGPIPE (13) has ended.
pub(super) const READER_GONE: u8 = 128 + 13;
