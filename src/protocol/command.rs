//! What the supervisor tells PID 1 while the program runs, one packet each.

use super::wire::{Packet, wire_enum};

/// A command of the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// Send this signal to the program's process group, or to every process inside once the program has ended.
    Signal(u8),
}

wire_enum! {
    /// The first byte.
    Tag {
        /// [`Command::Signal`]; the signal follows.
        Signal,
    }
}

impl Command {
    /// Size of the largest packet in bytes.
    pub(crate) const ROOM: usize = 2;

    /// The packet for this command.
    pub(crate) fn encode(self) -> Packet {
        let Command::Signal(signal) = self;
        let mut packet = Packet::new(Tag::Signal as u8);
        packet.push(&[signal]);
        packet
    }

    /// Decodes a packet. `None` if no supervisor sends such a packet.
    pub(crate) fn decode(packet: &[u8]) -> Option<Command> {
        let (&tag, rest) = packet.split_first()?;
        match (*Tag::ALL.get(usize::from(tag))?, rest) {
            (Tag::Signal, &[signal]) => Some(Command::Signal(signal)),
            (Tag::Signal, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::GO;

    #[test]
    fn a_command_is_read_as_it_was_sent_and_nothing_else_is_one() {
        let command = Command::Signal(15);
        assert_eq!(Command::decode(&command.encode()), Some(command));
        assert!(command.encode().len() <= Command::ROOM);
        for packet in [&[][..], GO, &[Tag::Signal as u8, 15, 0], &[200, 15]] {
            assert_eq!(Command::decode(packet), None);
        }
    }
}
