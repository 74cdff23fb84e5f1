//! What a trial launch tells `pinfold doctor`, over a socket that replaces its standard error.

use super::failure::Failure;
use super::wire::{Packet, wire_enum};

/// A packet of a trial launch that has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rehearsed {
    /// What to do about it.
    Hint(Vec<u8>),
    /// The failure itself, if it came from the engine.
    Failed(Failure),
    /// The error message.
    Error(Vec<u8>),
}

wire_enum! {
    /// The first byte. Text that the program in the sandbox prints to the same socket begins with none of these.
    Tag {
        /// Not used, because a program may print a NUL.
        Nothing,
        /// [`Rehearsed::Hint`].
        Hint,
        /// [`Rehearsed::Failed`].
        Failed,
        /// [`Rehearsed::Error`].
        Error,
    }
}

impl Rehearsed {
    /// The packet for this message.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let text = |tag: Tag, text: &[u8]| [&[tag as u8], text].concat();
        match self {
            Rehearsed::Hint(hint) => text(Tag::Hint, hint),
            Rehearsed::Error(message) => text(Tag::Error, message),
            Rehearsed::Failed(failure) => {
                let mut packet = Packet::new(Tag::Failed as u8);
                failure.encode(&mut packet);
                packet.to_vec()
            }
        }
    }

    /// Decodes a packet. `None` for anything else that arrives on the socket.
    pub(crate) fn decode(packet: &[u8]) -> Option<Rehearsed> {
        let (&tag, rest) = packet.split_first()?;
        match Tag::ALL.get(usize::from(tag))? {
            Tag::Nothing => None,
            Tag::Hint => Some(Rehearsed::Hint(rest.to_vec())),
            Tag::Failed => Failure::decode(rest).map(Rehearsed::Failed),
            Tag::Error => Some(Rehearsed::Error(rest.to_vec())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Stage;

    #[test]
    fn packets_are_read_as_they_were_sent_and_text_is_none() {
        let failed = Rehearsed::Failed(Failure::nth(Stage::Op, 3, 13));
        for told in [Rehearsed::Hint(b"do this".to_vec()), failed, Rehearsed::Error(Vec::new())] {
            assert_eq!(Rehearsed::decode(&told.encode()), Some(told));
        }
        for text in [&b""[..], b"\0", b"ld.so: no such library", b"\n", &[2, 1]] {
            assert_eq!(Rehearsed::decode(text), None);
        }
    }
}
