//! Fuzz target: a packet on the control socket, which the program's side may have written.

use super::message::Message;

/// A failure that is read has the same bytes when it is written again.
pub(crate) fn packet(bytes: &[u8]) {
    match Message::decode(bytes) {
        Some(message @ (Message::Failed(_) | Message::Dropped(_) | Message::Remark(_))) => {
            let again = message.encode();
            // No packet is longer; one that is would be cut.
            let length = again.len();
            assert_eq!(&again[..], &bytes[..length]);
        }
        _ => {}
    }
}
