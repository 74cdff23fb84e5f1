//! A failure and its encoding. The process that fails reports numbers. The process that prints the message has the same
//! plan and turns the numbers into words.

use std::ffi::{CStr, CString};

use super::stage::{Act, Stage};
use super::wire::Packet;
use crate::sys::Errno;

/// The result of a step, or its failure.
pub(crate) type Outcome<T> = Result<T, Failure>;

/// Turns the error of a system call into a failure.
pub(crate) trait At<T> {
    /// The call belongs to this stage.
    fn stage(self, stage: Stage) -> Outcome<T>;
    /// The call belongs to operation number `index`.
    fn op(self, index: usize, act: Act) -> Outcome<T>;
}

impl<T> At<T> for Result<T, Errno> {
    fn stage(self, stage: Stage) -> Outcome<T> {
        self.map_err(|errno| Failure::new(stage, errno as i32))
    }

    fn op(self, index: usize, act: Act) -> Outcome<T> {
        self.map_err(|errno| Failure { act, ..Failure::nth(Stage::Op, index, errno as i32) })
    }
}

/// A failure while the sandbox is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The stage that failed.
    pub(crate) stage: Stage,
    /// The step of the operation that failed.
    pub(crate) act: Act,
    /// Which item, if the stage has several.
    pub(crate) index: u32,
    /// Error number of the kernel; 0 if there is none.
    pub(crate) errno: i32,
    /// How many items are concerned, if they are counted.
    pub(crate) count: u32,
    /// A path or content that only the setup process knows.
    pub(crate) detail: Option<CString>,
}

/// Longest reported detail in bytes. A longer one is cut.
const DETAIL: usize = 1024;
/// Bytes of an encoded failure before its detail.
const HEAD: usize = 14;
const _: () = assert!(1 + HEAD + DETAIL <= Packet::ROOM, "a failure with the longest detail fits into a packet");

impl Failure {
    /// A failure of a whole stage.
    pub(crate) fn new(stage: Stage, errno: i32) -> Failure {
        Failure { stage, act: Act::Whole, index: 0, errno, count: 0, detail: None }
    }

    /// A failure of item number `index` of a stage.
    pub(crate) fn nth(stage: Stage, index: usize, errno: i32) -> Failure {
        Failure { index: index as u32, ..Failure::new(stage, errno) }
    }

    /// Appends the bytes that [`Failure::decode`] reads.
    pub(super) fn encode(&self, packet: &mut Packet) {
        packet.push(&[self.stage as u8, self.act as u8]);
        packet.push(&self.index.to_ne_bytes());
        packet.push(&self.errno.to_ne_bytes());
        packet.push(&self.count.to_ne_bytes());
        let detail = self.detail.as_deref().map_or(&b""[..], CStr::to_bytes);
        packet.push(&detail[..detail.len().min(DETAIL)]);
    }

    /// Decodes what [`Failure::encode`] wrote. `None` for anything else.
    pub(super) fn decode(wire: &[u8]) -> Option<Failure> {
        let (head, detail) = wire.split_at_checked(HEAD)?;
        Some(Failure {
            stage: *Stage::ALL.get(usize::from(head[0]))?,
            act: *Act::ALL.get(usize::from(head[1]))?,
            index: u32::from_ne_bytes(head[2..6].try_into().ok()?),
            errno: i32::from_ne_bytes(head[6..10].try_into().ok()?),
            count: u32::from_ne_bytes(head[10..HEAD].try_into().ok()?),
            detail: if detail.is_empty() { None } else { Some(CString::new(detail).ok()?) },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(failure: &Failure) -> Vec<u8> {
        let mut packet = Packet::new(0);
        failure.encode(&mut packet);
        packet[1..].to_vec()
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for (&stage, &act) in Stage::ALL.iter().zip(Act::ALL.iter().cycle()) {
            for detail in [None, Some(CString::from(c"/a b"))] {
                let failure = Failure { stage, act, index: 70_000, errno: 13, count: 80_000, detail };
                assert_eq!(Failure::decode(&wire(&failure)), Some(failure));
            }
        }
    }

    #[test]
    fn a_long_detail_is_cut_and_arbitrary_bytes_are_refused_or_read() {
        let detail = Some(CString::new(vec![b'x'; 5000]).unwrap());
        let wire = wire(&Failure { detail, ..Failure::new(Stage::Op, 1) });
        assert_eq!(wire.len(), HEAD + DETAIL);
        assert!(Failure::decode(&wire).is_some());
        assert_eq!(Failure::decode(&[255; 20]), None);
        assert_eq!(Failure::decode(&wire[..HEAD - 1]), None);
    }
}
