//! The part of init that also runs in its sealed copy: it lets the program start, and reaps.

use std::os::fd::{BorrowedFd, OwnedFd};

use super::tell::tell;
use crate::protocol::{Failure, GO, Message, Stage, Watch};
use crate::sys::process::{self, Change};
use crate::sys::{Errno, content};

/// Lets the program's process go on, and waits until it has executed the program, which closes its end of the socket.
/// As with `process::spawn_on_own_stack`, a failure from here on is one after the start.
pub(super) fn let_start(release: BorrowedFd<'_>) -> Result<(), Errno> {
    content::write_all(release, GO)?;
    // The result does not matter: the process was released.
    let _executed = content::read(release, &mut [0]).is_ok();
    Ok(())
}

/// Waits until no child is left. Reports how the program ended as soon as it has.
pub(super) fn reap(Watch { program, tells_more, tells_stops }: Watch, control: &OwnedFd) -> Failure {
    let mut ended = None;
    loop {
        match (process::wait_for_any(), ended) {
            (Ok((pid, Change::Ended(end))), _) if pid == program => {
                ended = Some(end.exit_code());
                let is_empty = tells_more && process::has_no_child();
                tell(control, &Message::Ended { end, is_empty });
            }
            (Ok((pid, Change::Stopped(signal))), _) if pid == program && tells_stops => {
                tell(control, &Message::Stopped(signal));
            }
            (Ok(_), _) => {}
            (Err(_), Some(code)) => process::exit_now(code),
            (Err(errno), None) => return Failure::new(Stage::Reap, errno as i32),
        }
    }
}
