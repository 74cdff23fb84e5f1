//! What PID 1 tells the copy of this program that it executes (`exec/sealed.rs`): the part of its state that the copy
//! needs.

/// What PID 1 waits for, and what it reports to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watch {
    /// The program's process id.
    pub(crate) program: i32,
    /// Whether it also reports if other processes are left in the sandbox.
    pub(crate) tells_more: bool,
    /// Whether it reports that the program has stopped.
    pub(crate) tells_stops: bool,
    /// Whether it also carries out commands of the supervisor.
    pub(crate) obeys: bool,
}

/// What the copy must do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    pub(crate) watch: Watch,
    /// The control socket.
    pub(crate) control: i32,
    /// The descriptor to which a byte is written to let the program start.
    pub(crate) release: i32,
    /// All descriptors that stay open, sorted.
    pub(crate) keep: Vec<i32>,
    /// System call filters, to be installed in this order.
    pub(crate) filters: Vec<Vec<u8>>,
}

impl Orders {
    /// The bytes that [`Orders::decode`] reads.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Watch { program, tells_more, tells_stops, obeys } = self.watch;
        let mut bytes = Vec::new();
        let flags = i32::from(tells_more) | i32::from(tells_stops) << 1 | i32::from(obeys) << 2;
        for number in [program, flags, self.control, self.release, self.keep.len() as i32] {
            bytes.extend(number.to_ne_bytes());
        }
        bytes.extend(self.keep.iter().flat_map(|fd| fd.to_ne_bytes()));
        for filter in &self.filters {
            bytes.extend((filter.len() as i32).to_ne_bytes());
            bytes.extend(filter);
        }
        bytes
    }

    /// Decodes what [`Orders::encode`] wrote. `None` for anything else.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Orders> {
        let bytes = &mut bytes;
        let (program, flags) = (number(bytes)?, number(bytes)?);
        let (tells_more, tells_stops, obeys) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        let watch = Watch { program, tells_more, tells_stops, obeys };
        let (control, release, count) = (number(bytes)?, number(bytes)?, number(bytes)?);
        let keep: Option<Vec<i32>> = (0..count).map(|_| number(bytes)).collect();
        let mut filters = Vec::new();
        while !bytes.is_empty() {
            let length = number(bytes)?;
            let (filter, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
            filters.push(filter.to_vec());
            *bytes = rest;
        }
        (control >= 0).then_some(Orders { watch, control, release, keep: keep?, filters })
    }
}

/// Removes a number from the front.
fn number(bytes: &mut &[u8]) -> Option<i32> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(i32::from_ne_bytes(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_they_were_given_and_nothing_else_is() {
        for (filters, flag) in [(vec![], true), (vec![vec![1; 8]], false), (vec![vec![], vec![7; 32_768]], true)] {
            let watch = Watch { program: 2, tells_more: flag, tells_stops: !flag, obeys: flag };
            let orders = Orders { watch, control: 5, release: 9, keep: vec![5, 8], filters };
            let bytes = orders.encode();
            assert_eq!(Orders::decode(&bytes), Some(orders));
            assert_eq!(Orders::decode(&bytes[..27]), None);
        }
        assert_eq!(Orders::decode(b""), None);
        assert_eq!(Orders::decode(&[255; 64]), None);
    }
}
