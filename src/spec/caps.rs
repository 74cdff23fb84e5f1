//! Sets of capabilities (`capabilities(7)`).

use std::fmt;

/// Names in the order of their numbers, from `include/uapi/linux/capability.h` (Linux 6.18).
const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The highest capability number that has a name here.
pub const LAST_KNOWN_CAP: u8 = NAMES.len() as u8 - 1;

/// A set of capabilities: bit n is capability number n (0 to 63).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct CapSet(pub u64);

impl CapSet {
    /// No capability.
    pub const EMPTY: CapSet = CapSet(0);

    /// Every capability up to number `last` (0 to 63).
    pub const fn all(last: u8) -> CapSet {
        CapSet(u64::MAX >> (63 - if last > 63 { 63 } else { last }))
    }

    /// Whether capability number `cap` (0 to 63) is in the set.
    pub const fn has(self, cap: u8) -> bool {
        cap < 64 && self.0 & (1 << cap) != 0
    }

    /// The union with `other`.
    #[must_use]
    pub const fn with(self, other: CapSet) -> CapSet {
        CapSet(self.0 | other.0)
    }

    /// The set without the capabilities in `other`.
    #[must_use]
    pub const fn without(self, other: CapSet) -> CapSet {
        CapSet(self.0 & !other.0)
    }

    /// The numbers in the set, lowest first.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        (0..64).filter(move |&cap| self.has(cap))
    }

    /// The name of capability number `cap`, or the number if it has no name here.
    pub fn name(cap: u8) -> String {
        NAMES.get(usize::from(cap)).map_or_else(|| cap.to_string(), |&name| name.to_owned())
    }

    /// The names of the capabilities in the set, lowest number first. Those without a name are skipped.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.numbers().filter_map(|number| NAMES.get(usize::from(number)).copied())
    }

    /// Whether `name` is the name of a capability, in capitals as in the kernel's headers.
    pub fn is_name(name: &str) -> bool {
        NAMES.contains(&name)
    }

    /// Parses the name of a capability: `CAP_NET_ADMIN` in any case, or a number up to `last`.
    ///
    /// It accepts the same words as `cap_from_name(3)`, but requires the prefix.
    pub fn parse(name: &[u8], last: u8) -> Option<CapSet> {
        if let Some(number) = NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name)) {
            return Some(CapSet(1 << number));
        }
        let digits = std::str::from_utf8(name).ok()?;
        let number: u8 = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
        (number <= last && number < 64).then(|| CapSet(1 << number))
    }
}

impl fmt::Debug for CapSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.numbers().map(|n| NAMES.get(n as usize).copied().unwrap_or("?"))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_in_any_case_and_numbers_up_to_the_last() {
        assert_eq!(CapSet::parse(b"cap_net_admin", 40), Some(CapSet(1 << 12)));
        assert_eq!(CapSet::parse(b"CAP_CHOWN", 40), Some(CapSet(1)));
        assert_eq!(CapSet::parse(b"12", 40), Some(CapSet(1 << 12)));
        for wrong in [&b"99"[..], b"41", b"net_admin", b"", b"-1", b"+1", b" 1", b"256", b"\xff"] {
            assert_eq!(CapSet::parse(wrong, 40), None, "{wrong:?}");
        }
    }

    #[test]
    fn all_reaches_exactly_the_last_capability() {
        assert_eq!(CapSet::all(40).0, (1 << 41) - 1);
        assert_eq!(CapSet::all(63).0, u64::MAX);
        assert_eq!(CapSet::all(40).numbers().count(), 41);
    }
}
