//! Messages on the control socket, one packet each. The first byte is the kind of the message.

use super::failure::Failure;
use super::wire::{Packet, wire_enum};
use crate::sys::process::End;

/// One byte that lets the process at the other end of a socket continue. If that process reads end of file instead, the
/// sender has ended.
pub(crate) const GO: &[u8] = &[0];

/// What the processes in the sandbox tell the supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// The sender has replaced the process before it, in a joined namespace or below it. The kernel adds the sender's
    /// id.
    Hello,
    /// Everything is set up, and the program starts next. If the supervisor is to look at the program's home in the
    /// end, its mount is attached.
    Ready,
    /// The run ends with this failure.
    Failed(Failure),
    /// The program has ended. `is_empty`: it is known that no other process is left in the sandbox.
    Ended { end: End, is_empty: bool },
    /// A restriction could not be enforced and was dropped, as the spec allows.
    Dropped(Failure),
    /// A fact that the caller should know, in the form of a failure. Nothing that was asked for is missing.
    Remark(Failure),
    /// This signal has stopped the program.
    Stopped(u8),
    /// The standard input of the program is another open file description, which is attached.
    Input,
}

wire_enum! {
    /// The first byte.
    Tag {
        /// [`Message::Hello`].
        Hello,
        /// [`Message::Ready`].
        Ready,
        /// [`Message::Failed`]; the failure follows.
        Failed,
        /// [`Message::Ended`]. The exit code follows, then 1 if it is known that no other process is left in the
        /// sandbox, then 1 if a signal has ended the program.
        Ended,
        /// [`Message::Dropped`]; the failure follows.
        Dropped,
        /// [`Message::Remark`]; the failure follows.
        Remark,
        /// [`Message::Stopped`]; the signal follows.
        Stopped,
        /// [`Message::Input`].
        Input,
    }
}

impl Message {
    /// The packet for this message.
    pub(crate) fn encode(&self) -> Packet {
        let (tag, failure) = match self {
            Message::Hello => (Tag::Hello, None),
            Message::Ready => (Tag::Ready, None),
            Message::Failed(failure) => (Tag::Failed, Some(failure)),
            Message::Ended { .. } => (Tag::Ended, None),
            Message::Dropped(failure) => (Tag::Dropped, Some(failure)),
            Message::Remark(failure) => (Tag::Remark, Some(failure)),
            Message::Stopped(_) => (Tag::Stopped, None),
            Message::Input => (Tag::Input, None),
        };
        let mut packet = Packet::new(tag as u8);
        match (self, failure) {
            (_, Some(failure)) => failure.encode(&mut packet),
            (Message::Ended { end, is_empty }, _) => {
                packet.push(&[end.exit_code(), u8::from(*is_empty), u8::from(matches!(end, End::Signal(_)))]);
            }
            (Message::Stopped(signal), _) => packet.push(&[*signal]),
            _ => {}
        }
        packet
    }

    /// Decodes a packet. `None` if no process in the sandbox sends such a packet.
    pub(crate) fn decode(packet: &[u8]) -> Option<Message> {
        let (&tag, rest) = packet.split_first()?;
        match *Tag::ALL.get(usize::from(tag))? {
            Tag::Hello => Some(Message::Hello),
            Tag::Ready => Some(Message::Ready),
            Tag::Failed => Failure::decode(rest).map(Message::Failed),
            Tag::Dropped => Failure::decode(rest).map(Message::Dropped),
            Tag::Remark => Failure::decode(rest).map(Message::Remark),
            Tag::Input => Some(Message::Input),
            Tag::Stopped => rest.first().map(|&signal| Message::Stopped(signal)),
            Tag::Ended => match *rest {
                [code, is_empty, by_signal] => {
                    let end = if by_signal == 0 { End::Code(code) } else { End::from_exit_code(code) };
                    Some(Message::Ended { end, is_empty: is_empty != 0 })
                }
                _ => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Stage;

    #[test]
    fn every_message_is_read_as_it_was_sent() {
        let failure = || Failure { detail: Some(c"/a".into()), ..Failure::nth(Stage::Op, 3, 13) };
        let mut messages = vec![
            Message::Hello,
            Message::Ready,
            Message::Failed(failure()),
            Message::Dropped(failure()),
            Message::Remark(failure()),
            Message::Stopped(19),
            Message::Input,
        ];
        for is_empty in [false, true] {
            // A program may exit with a code that looks like a signal.
            let ends = [End::Code(0), End::Code(137), End::Signal(9)];
            messages.extend(ends.map(|end| Message::Ended { end, is_empty }));
        }
        let tags: std::collections::BTreeSet<u8> = messages.iter().map(|message| message.encode()[0]).collect();
        assert_eq!(tags.len(), Tag::ALL.len(), "a kind of message is not tried");
        for message in messages {
            assert_eq!(Message::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn other_packets_are_refused() {
        for packet in [&[][..], &[200], &[Tag::Failed as u8, 1], &[Tag::Ended as u8, 0, 0], &[Tag::Stopped as u8]] {
            assert_eq!(Message::decode(packet), None);
        }
    }
}
