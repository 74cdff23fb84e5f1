//! Fuzz target: a packet on the control socket, which the program's side may have written.

use super::{Said, Tag};

/// A failure that is read has the same bytes when it is written again.
pub(crate) fn packet(bytes: &[u8]) {
    let Some(said) = Said::of(bytes) else { return };
    let (tag, failure) = match said {
        Said::Failed(failure) => (Tag::Failed, failure),
        Said::Dropped(failure) => (Tag::Dropped, failure),
        Said::Remark(failure) => (Tag::Remark, failure),
        Said::Hello | Said::Ready | Said::Ended(..) | Said::Stopped(_) | Said::Input => return,
    };
    let (wire, length) = failure.encode();
    let again = [&[tag as u8], &wire[..length]].concat();
    // No packet is longer; one that is would be cut.
    assert_eq!(again, bytes[..bytes.len().min(Said::WIRE)]);
}
