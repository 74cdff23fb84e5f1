//! What all messages are made of: numbered values, and packets that take no allocation.

use std::ops::Deref;

/// Makes an enum that is a byte on the wire, and the list of its values. What is listed once cannot differ.
macro_rules! wire_enum {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $value:ident,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum $name {
            $($(#[$doc])* $value,)*
        }

        impl $name {
            /// Every value, in the order of the numbers.
            pub(crate) const ALL: &[$name] = &[$($name::$value,)*];
        }
    };
}
pub(super) use wire_enum;

/// A packet that is ready to be sent. It lives on the stack: its sender may be under a filter that lets it ask for no
/// memory.
pub(crate) struct Packet {
    bytes: [u8; Packet::ROOM],
    length: usize,
}

impl Packet {
    /// Room that every packet fits into, in bytes: a failure with the longest detail is the largest.
    pub(crate) const ROOM: usize = 1100;

    /// Begins with the byte that says what it is.
    pub(super) fn new(tag: u8) -> Packet {
        let mut packet = Packet { bytes: [0; Packet::ROOM], length: 0 };
        packet.push(&[tag]);
        packet
    }

    /// Adds `bytes`, as far as there is room.
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
