//! Building blocks of all messages: numbered values, and packets without allocation.

use std::ops::Deref;

/// Makes an enum that is one byte on the wire, and the list of its values. With one list for both they cannot differ.
macro_rules! wire_enum {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum $name {
            $($(#[$doc])* $value,)*
        }

        impl $name {
            /// All values, in the order of their numbers.
            pub(crate) const ALL: &[$name] = &[$($name::$value,)*];
        }
    };
}
pub(super) use wire_enum;

/// A packet to send. It lives on the stack, because a filter may forbid its sender to allocate memory.
pub(crate) struct Packet {
    bytes: [u8; Packet::ROOM],
    length: usize,
}

impl Packet {
    /// Size of the largest packet in bytes: a failure with the longest detail.
    pub(crate) const ROOM: usize = 1100;

    /// Starts a packet with the byte for its kind.
    pub(super) fn new(tag: u8) -> Packet {
        let mut packet = Packet { bytes: [0; Packet::ROOM], length: 0 };
        packet.push(&[tag]);
        packet
    }

    /// Appends `bytes`, as far as there is room.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = &mut self.bytes[self.length..];
        let length = bytes.len().min(room.len());
        room[..length].copy_from_slice(&bytes[..length]);
        self.length += length;
    }
}

impl Deref for Packet {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
