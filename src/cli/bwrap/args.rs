//! The arguments of the `bwrap` front end, in the order of the words. Each word is valid by itself; nothing has
//! compared them with each other yet.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;

use crate::error::{Error, ErrorKind, push_printable};
use crate::spec::{CapSet, EnvOp, FdNumber, FsOp, Op};

/// Everything that a command line asks for. The setters of the option table fill it, word by word.
#[derive(Debug, Default)]
pub(crate) struct Args {
    /// Messages begin with their syslog level, as in `<3>`.
    pub level_prefix: bool,
    /// Operations on the new root.
    pub ops: Vec<Op>,
    /// The program and its arguments; empty if there is none.
    pub command: Vec<CString>,
    /// `argv[0]` for the program.
    pub argv0: Option<CString>,
    /// Changes to the environment.
    pub env: Vec<EnvOp>,
    /// Working directory inside.
    pub chdir: Option<CString>,
    /// Start in a new session.
    pub new_session: bool,
    /// SELinux label for the program.
    pub exec_label: Option<CString>,
    /// SELinux label for new files.
    pub file_label: Option<CString>,
    /// Namespaces to make.
    pub unshare: Unshared,
    /// User namespace to join.
    pub userns: Option<FdNumber>,
    /// User namespace to join at the end.
    pub userns2: Option<FdNumber>,
    /// PID namespace to join.
    pub pidns: Option<FdNumber>,
    /// No further user namespaces inside.
    pub disable_userns: bool,
    /// Check that no further user namespace can be made inside.
    pub assert_userns_disabled: bool,
    /// User id inside.
    pub uid: Option<u32>,
    /// Group id inside.
    pub gid: Option<u32>,
    /// Changes to the set of capabilities.
    pub caps: Vec<CapChange>,
    /// The descriptor of the one system call filter that is read late.
    pub seccomp: Option<FdNumber>,
    /// System call filters that have been read.
    pub seccomp_programs: Vec<Vec<u8>>,
    /// Files to hold a lock on.
    pub lock_files: Vec<CString>,
    /// A descriptor that stays open as long as the sandbox lasts.
    pub sync_fd: Option<FdNumber>,
    /// A descriptor that the start waits for.
    pub block_fd: Option<FdNumber>,
    /// A descriptor that tells when the id maps have been written.
    pub userns_block_fd: Option<FdNumber>,
    /// The descriptor for a description of the sandbox.
    pub info_fd: Option<FdNumber>,
    /// The descriptor for reports of start and end.
    pub json_status_fd: Option<FdNumber>,
    /// Kill everything when the caller ends.
    pub die_with_parent: bool,
    /// The program is PID 1.
    pub as_pid_1: bool,
    /// Descriptors that were read to their end while parsing.
    pub spent_fds: Vec<FdNumber>,
    /// Index of the word that is being read, counted from 0 after the program's name.
    pub(super) word: usize,
    /// Modifiers that wait for their operation.
    pending: Pending,
}

/// Namespaces to make, one flag for each option. Lowering decides which of two options wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Unshared {
    /// User namespace.
    pub user: bool,
    /// User namespace, if the kernel has them.
    pub user_try: bool,
    /// IPC namespace.
    pub ipc: bool,
    /// PID namespace.
    pub pid: bool,
    /// Network namespace.
    pub net: bool,
    /// UTS namespace.
    pub uts: bool,
    /// Cgroup namespace.
    pub cgroup: bool,
    /// Cgroup namespace, if the kernel has them.
    pub cgroup_try: bool,
}

/// A change to the capabilities. The name stays as typed, because the host decides which numbers exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CapChange {
    /// Keep it, or else drop it.
    pub keep: bool,
    /// Name or number, or `ALL`.
    pub name: CString,
}

impl CapChange {
    /// The capabilities that the name stands for. `last` is the highest number on this host, and `all` is what `ALL`
    /// means.
    pub(super) fn set(&self, all: CapSet, last: u8) -> Option<CapSet> {
        match self.name.to_bytes() {
            name if name.eq_ignore_ascii_case(b"ALL") => Some(all),
            name => CapSet::parse(name, last),
        }
    }
}

/// The modifiers for the next operation.
#[derive(Debug, Default)]
struct Pending {
    mode: Option<u32>,
    size: Option<u64>,
    layers: Vec<CString>,
    /// The kind of the option that was read last.
    kind: Kind,
}

/// The kind of an option, for the rule that nothing may come between a modifier and its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Other,
    /// `--perms` or `--size`.
    Modifier,
    /// `--overlay-src`.
    Layer,
}

/// The highest capability number that any kernel can have (`capget(2)`: two words of 32 bits).
const LARGEST_CAP: u8 = 63;

/// The largest mode that `--perms` and `--chmod` take.
const LARGEST_MODE: u32 = 0o7777;

impl Args {
    pub(super) fn add(&mut self, fs: FsOp) -> Result<(), Error> {
        self.ops.push(Op::new(fs, self.word));
        Ok(())
    }

    pub(super) fn change_cap(&mut self, keep: bool, name: &CStr) -> Result<(), Error> {
        let change = CapChange { keep, name: name.into() };
        if change.set(CapSet::EMPTY, LARGEST_CAP).is_none() {
            return unknown_cap(name);
        }
        self.caps.push(change);
        Ok(())
    }

    /// The mode from `--perms`, or `default`.
    pub(super) fn take_mode(&mut self, default: u32) -> u32 {
        self.pending.mode.take().unwrap_or(default)
    }

    pub(super) fn take_size(&mut self) -> Option<u64> {
        self.pending.size.take()
    }

    /// Takes the lower layers for the overlay option `name`. It needs at least `least`, which is `word` in its message.
    pub(super) fn take_layers(&mut self, name: &str, least: usize, word: &str) -> Result<Vec<CString>, Error> {
        if self.pending.layers.len() < least {
            return refuse(format!("{name} requires at least {word} --overlay-src"));
        }
        Ok(std::mem::take(&mut self.pending.layers))
    }

    pub(super) fn set_mode(&mut self, value: &CStr) -> Result<(), Error> {
        if self.pending.mode.is_some() {
            return refuse("--perms given twice for the same action");
        }
        self.pending.mode = Some(mode("--perms", value)?);
        self.pending.kind = Kind::Modifier;
        Ok(())
    }

    pub(super) fn set_size(&mut self, value: &CStr) -> Result<(), Error> {
        if self.pending.size.is_some() {
            return refuse("--size given twice for the same action");
        }
        self.pending.size = Some(size(value)?);
        self.pending.kind = Kind::Modifier;
        Ok(())
    }

    pub(super) fn add_layer(&mut self, source: &CStr) {
        self.pending.layers.push(source.into());
        self.pending.kind = Kind::Layer;
    }

    /// Call this before an option is set.
    pub(super) fn begin_option(&mut self) {
        self.pending.kind = Kind::Other;
    }

    /// Call this after an option is set. It refuses a modifier that the next operation cannot use any more.
    pub(super) fn end_option(&self) -> Result<(), Error> {
        let Pending { mode, size, layers, kind } = &self.pending;
        if !layers.is_empty() && *kind != Kind::Layer {
            return refuse(LONELY_LAYER);
        }
        if *kind == Kind::Modifier {
            return Ok(());
        }
        if mode.is_some() {
            return refuse("--perms must be followed by an option that creates a file");
        }
        if size.is_some() {
            return refuse("--size must be followed by --tmpfs");
        }
        Ok(())
    }

    /// Call this after the last option. As in bubblewrap, a mode or a size may be left over, but a layer may not.
    pub(super) fn end_options(&self) -> Result<(), Error> {
        if self.pending.layers.is_empty() { Ok(()) } else { refuse(LONELY_LAYER) }
    }
}

/// The message for an `--overlay-src` without an overlay option after it.
pub(super) const LONELY_LAYER: &str = "--overlay-src must be followed by another --overlay-src or one of --overlay, \
                                       --tmp-overlay, or --ro-overlay";

/// Refuses the command line with `message`.
pub(super) fn refuse<T>(message: impl Into<Vec<u8>>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::Invalid, message))
}

/// Refuses an unknown capability.
pub(super) fn unknown_cap<T>(name: &CStr) -> Result<T, Error> {
    let hint = "names have their prefix: CAP_NET_ADMIN; ALL is all of them (capabilities(7))";
    refuse_word("unknown cap: ", name).map_err(|error| error.with_hint(Some(hint.into())))
}

/// Refuses `word`, which ends the message.
pub(super) fn refuse_word<T>(before: &str, word: &CStr) -> Result<T, Error> {
    let mut message = Vec::from(before);
    push_printable(&mut message, OsStr::from_bytes(word.to_bytes()));
    refuse(message)
}

/// Parses digits and nothing else: no sign, no blanks, no other base. `strtol(3)` accepts those, and its overflow has
/// turned one id into another (crun, CVE-2026-30892).
fn number<T: TryFrom<u64>>(digits: &[u8], base: u32) -> Option<T> {
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().try_fold(0u64, |value, &byte| {
        let digit = char::from(byte).to_digit(base)?;
        value.checked_mul(u64::from(base))?.checked_add(u64::from(digit))
    })?;
    T::try_from(value).ok()
}

/// A descriptor number of the caller.
pub(super) fn fd(value: &CStr) -> Result<FdNumber, Error> {
    number(value.to_bytes(), 10).map_or_else(|| refuse_word("Invalid fd: ", value), Ok)
}

/// A user or group id (`what`). 4294967295 is not an id: to the kernel it means "no change" (`setresuid(2)`).
pub(super) fn id(what: &str, value: &CStr) -> Result<u32, Error> {
    match number(value.to_bytes(), 10) {
        Some(u32::MAX) | None => refuse_word(&format!("Invalid {what}: "), value),
        Some(id) => Ok(id),
    }
}

/// Permission bits for option `name`. As in bubblewrap, blanks and a plus may come first, which `strtoul(3)` skips. No
/// mode can be mistaken for another that way. Ids and descriptors are parsed strictly.
pub(super) fn mode(name: &str, value: &CStr) -> Result<u32, Error> {
    // The blanks of isspace(3) in the C locale: those of Rust and the vertical tab.
    let is_blank = |&byte: &u8| byte.is_ascii_whitespace() || byte == 0x0b;
    let digits = value.to_bytes();
    let digits = &digits[digits.iter().take_while(|byte| is_blank(byte)).count()..];
    match number(digits.strip_prefix(b"+").unwrap_or(digits), 8) {
        Some(mode @ 0..=LARGEST_MODE) => Ok(mode),
        Some(_) | None => refuse(format!("{name} takes an octal argument <= 07777")),
    }
}

/// A size in bytes, in C's notation: `0x` for hexadecimal, `0b` for binary, `0` for octal.
fn size(value: &CStr) -> Result<u64, Error> {
    let number = match value.to_bytes() {
        [b'0', b'x' | b'X', hex @ ..] => number(hex, 16),
        [b'0', b'b' | b'B', binary @ ..] => number(binary, 2),
        [b'0', octal @ ..] => number(octal, 8),
        decimal => number(decimal, 10),
    };
    match number {
        None | Some(0) => refuse("--size takes a non-zero number of bytes"),
        Some(size) if size > i64::MAX as u64 => refuse(format!("--size (for tmpfs) is limited to {}", i64::MAX)),
        Some(size) => Ok(size),
    }
}

/// A variable name that `setenv(3)` accepts. Otherwise the message is that `call` failed.
pub(super) fn variable(call: &str, name: &CStr) -> Result<CString, Error> {
    match name.to_bytes() {
        [] => refuse(format!("{call} failed")),
        bytes if bytes.contains(&b'=') => refuse(format!("{call} failed")),
        _ => Ok(name.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_digits_and_nothing_else() {
        assert_eq!(id("uid", c"0"), Ok(0));
        assert_eq!(id("uid", c"010"), Ok(10));
        assert_eq!(id("uid", c"4294967294"), Ok(u32::MAX - 1));
        for wrong in [c"", c" 0", c"+0", c"-1", c"0 ", c"0x1", c"4294967295", c"4294967296", c"18446744073709551616"] {
            let text = format!("Invalid uid: {}", wrong.to_string_lossy());
            assert_eq!(id("uid", wrong), Err(Error::new(ErrorKind::Invalid, text)));
        }
    }

    #[test]
    fn descriptors_are_not_truncated() {
        assert_eq!(fd(c"2147483647"), Ok(i32::MAX));
        for wrong in [c"0a", c"-1", c"2147483648", c"4294967305", c" 9"] {
            assert!(fd(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(mode("--perms", c"7777"), Ok(0o7777));
        assert_eq!(mode("--perms", c"00000007"), Ok(7));
        assert_eq!(mode("--perms", c" \t\n\x0b\x0c\r+7"), Ok(7));
        for wrong in [c"", c" ", c"+", c"++7", c"+ 7", c"8", c"10000", c"-1", c"0o7", c"37777777777", c"7 "] {
            assert_eq!(
                mode("--chmod", wrong),
                Err(Error::new(ErrorKind::Invalid, "--chmod takes an octal argument <= 07777"))
            );
        }
    }

    #[test]
    fn sizes_are_in_c_notation() {
        assert_eq!(size(c"0x100000"), Ok(1 << 20));
        assert_eq!(size(c"010"), Ok(8));
        assert_eq!(size(c"9223372036854775807"), Ok(i64::MAX as u64));
        let limit = "--size (for tmpfs) is limited to 9223372036854775807";
        assert_eq!(size(c"9223372036854775808"), Err(Error::new(ErrorKind::Invalid, limit)));
        for wrong in [c"", c"0", c"00", c"0x", c"08", c"1k", c"-1", c"+1", c" 1", c"99999999999999999999999"] {
            assert_eq!(
                size(wrong),
                Err(Error::new(ErrorKind::Invalid, "--size takes a non-zero number of bytes")),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn a_word_in_a_message_cannot_fake_a_second_line() {
        assert_eq!(fd(c"x\nbwrap: ok").unwrap_err().message, b"Invalid fd: x\\nbwrap: ok");
    }
}
