//! System call filters, attached to the calling process.

use crate::protocol::{Failure, Outcome, Stage};
use crate::sys::process;

/// Installs filters for this process and everything it starts.
pub(super) fn install<'a>(programs: impl Iterator<Item = &'a [u8]>) -> Outcome<()> {
    for (index, program) in programs.enumerate() {
        let failed = |errno| Failure::nth(Stage::InstallFilter, index, errno as i32);
        process::install_filter(program).map_err(failed)?;
    }
    Ok(())
}
