//! Permission bits of directories that an operation creates on the way.

/// Mode of missing parents, if what they lead to has no mode of its own: for the owner only, as in bubblewrap.
pub const CLOSED: u32 = 0o700;

/// Mode of the missing parents of something with permission bits `mode`. They are open to the group and to others,
/// unless the thing itself is closed to them, as in bubblewrap.
pub const fn of_parents(mode: u32) -> u32 {
    let group = if mode & 0o070 == 0 { 0o050 } else { 0 };
    let others = if mode & 0o007 == 0 { 0o005 } else { 0 };
    0o755 & !group & !others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_as_closed_as_what_they_lead_to() {
        let cases = [(0o755, 0o755), (0o666, 0o755), (0o600, 0o700), (0o750, 0o750), (0o705, 0o705), (0o711, 0o755)];
        for (mode, parents) in cases {
            assert_eq!(of_parents(mode), parents, "{mode:o}");
        }
    }
}
