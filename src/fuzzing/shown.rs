//! What must hold of every error, whatever the input was.

use crate::error::Error;

/// An error must be fit to be shown: a text that came from somebody else moves no cursor and makes no second line
/// (CVE-2023-28101).
pub(crate) fn check_shown(error: &Error) {
    assert!(!error.message.is_empty());
    let hint = error.hint.as_ref().map(ToString::to_string).unwrap_or_default();
    let parts = error.parts.iter().flat_map(|part| [Some(&part.message[..]), part.place.as_deref()]);
    let texts = [Some(&error.message[..]), error.place.as_deref(), Some(hint.as_bytes())];
    for text in texts.into_iter().chain(parts).flatten().map(String::from_utf8_lossy) {
        assert!(!text.chars().any(char::is_control), "an error that is unfit to be shown: {text:?}");
    }
}
