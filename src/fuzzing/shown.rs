//! What must hold of every error, whatever the input was.

use crate::error::Error;

/// An error must be fit to be shown: a text that came from somebody else moves no cursor and makes no second line
/// (CVE-2023-28101).
pub(crate) fn check_shown(error: &Error) {
    let message = String::from_utf8_lossy(&error.message);
    assert!(
        !message.is_empty() && !message.chars().any(char::is_control),
        "an error that is unfit to be shown: {message:?}"
    );
}
