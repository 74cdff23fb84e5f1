//! Fuzz target: a packet on the control socket. The program may have written it.

use super::message::Message;

/// A failure that was decoded has the same bytes when it is encoded again.
pub(crate) fn packet(bytes: &[u8]) {
    let decoded = Message::decode(bytes);
    if let Some(message @ (Message::Failed(_) | Message::Dropped(_) | Message::Remark(_))) = decoded {
        let again = message.encode();
        // encode() cuts a packet that is too long, so only the bytes up to its length are compared.
        assert_eq!(&again[..], &bytes[..again.len()]);
    }
}
