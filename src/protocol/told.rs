//! What the supervisor tells the process of a library user that runs beside it ([`crate::Child`]), one packet per
//! message.

use super::failure::Failure;
use super::wire::{Packet, wire_enum};
use crate::sys::process::End;

/// A message of the supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Everything is set up, and the program starts next. The first process of the sandbox has this id.
    Started(i32),
    /// A restriction could not be enforced and was dropped, as the spec allows.
    Dropped(Failure),
    /// A fact that the caller should know. Nothing that was asked for is missing.
    Remark(Failure),
    /// This signal has stopped the program.
    Stopped(u8),
    /// A line about what the program has left behind.
    Found(Vec<u8>),
    /// The run is over, with this exit code.
    Ended(u8),
    /// The run has ended with this failure.
    Failed(Failure),
    /// The setup process ended without a message.
    Silent(End),
}

wire_enum! {
    /// The first byte.
    Tag {
        /// [`Told::Started`]; the process id follows.
        Started,
        /// [`Told::Dropped`]; the failure follows.
        Dropped,
        /// [`Told::Remark`]; the failure follows.
        Remark,
        /// [`Told::Stopped`]; the signal follows.
        Stopped,
        /// [`Told::Found`]; the line follows.
        Found,
        /// [`Told::Ended`]; the exit code follows.
        Ended,
        /// [`Told::Failed`]; the failure follows.
        Failed,
        /// [`Told::Silent`] with an exit code, which follows.
        SilentCode,
        /// [`Told::Silent`] by a signal, which follows.
        SilentSignal,
    }
}

impl Told {
    /// Size of the largest packet in bytes. A longer line is cut.
    pub(crate) const ROOM: usize = 16 * 1024;

    /// The packet for this message.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let (tag, rest): (Tag, &[u8]) = match self {
            Told::Started(pid) => (Tag::Started, &pid.to_ne_bytes()),
            Told::Stopped(signal) => (Tag::Stopped, &[*signal]),
            Told::Found(line) => (Tag::Found, &line[..line.len().min(Told::ROOM - 1)]),
            Told::Ended(code) => (Tag::Ended, &[*code]),
            Told::Silent(End::Code(code)) => (Tag::SilentCode, &[*code]),
            Told::Silent(End::Signal(signal)) => (Tag::SilentSignal, &[*signal]),
            Told::Dropped(failure) => return with_failure(Tag::Dropped, failure),
            Told::Remark(failure) => return with_failure(Tag::Remark, failure),
            Told::Failed(failure) => return with_failure(Tag::Failed, failure),
        };
        [&[tag as u8], rest].concat()
    }

    /// Decodes a packet. `None` if no supervisor sends such a packet.
    pub(crate) fn decode(packet: &[u8]) -> Option<Told> {
        let (&tag, rest) = packet.split_first()?;
        let byte = || if let [byte] = *rest { Some(byte) } else { None };
        match *Tag::ALL.get(usize::from(tag))? {
            Tag::Started => Some(Told::Started(i32::from_ne_bytes(rest.try_into().ok()?))),
            Tag::Dropped => Failure::decode(rest).map(Told::Dropped),
            Tag::Remark => Failure::decode(rest).map(Told::Remark),
            Tag::Stopped => byte().map(Told::Stopped),
            Tag::Found => Some(Told::Found(rest.to_vec())),
            Tag::Ended => byte().map(Told::Ended),
            Tag::Failed => Failure::decode(rest).map(Told::Failed),
            Tag::SilentCode => byte().map(End::Code).map(Told::Silent),
            Tag::SilentSignal => byte().map(End::Signal).map(Told::Silent),
        }
    }
}

fn with_failure(tag: Tag, failure: &Failure) -> Vec<u8> {
    let mut packet = Packet::new(tag as u8);
    failure.encode(&mut packet);
    packet.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Stage;

    #[test]
    fn what_is_told_is_read_as_it_was_sent() {
        let failure = || Failure { detail: Some(c"/a".into()), ..Failure::nth(Stage::Op, 3, 13) };
        let all = [
            Told::Started(70_000),
            Told::Dropped(failure()),
            Told::Remark(failure()),
            Told::Stopped(19),
            Told::Found(b"/a appeared".to_vec()),
            Told::Ended(137),
            Told::Failed(failure()),
            Told::Silent(End::Code(1)),
            Told::Silent(End::Signal(9)),
        ];
        let tags: std::collections::BTreeSet<u8> = all.iter().map(|told| told.encode()[0]).collect();
        assert_eq!(tags.len(), Tag::ALL.len(), "a kind is not tried");
        for told in all {
            assert_eq!(Told::decode(&told.encode()), Some(told));
        }
    }

    #[test]
    fn a_long_line_is_cut_and_other_packets_are_refused() {
        assert_eq!(Told::Found(vec![b'x'; 2 * Told::ROOM]).encode().len(), Told::ROOM);
        for packet in [&[][..], &[200], &[Tag::Started as u8, 1], &[Tag::Ended as u8], &[Tag::Failed as u8, 1]] {
            assert_eq!(Told::decode(packet), None);
        }
    }
}
