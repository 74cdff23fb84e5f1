//! Fuzz target: a packet on the control socket, which the program's side may have written.

use super::message::Message;

/// A failure that is read has the same bytes when it is written again.
pub(crate) fn packet(bytes: &[u8]) {
    let decoded = Message::decode(bytes);
    if let Some(message @ (Message::Failed(_) | Message::Dropped(_) | Message::Remark(_))) = decoded {
        let again = message.encode();
        // No packet is longer; one that is would be cut.
        assert_eq!(&again[..], &bytes[..again.len()]);
    }
}
