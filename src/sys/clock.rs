//! Clocks.

use nix::time::{ClockId, clock_gettime};

use super::Result;

/// The time by which the kernel dates changes of files, in seconds and nanoseconds since 1970. It is that of the last
/// tick, so that a later change never has an earlier date (`CLOCK_REALTIME_COARSE`, clock_getres(2); `current_time` in
/// fs/inode.c).
pub(crate) fn of_files() -> Result<(i64, i64)> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME_COARSE)?;
    Ok((now.tv_sec(), now.tv_nsec()))
}
