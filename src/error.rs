//! The error type. It keeps its structure until a front end prints it: its kind, the field of the spec that it is
//! about, and where that was asked for. Every module uses this one, and it uses none.

use std::ffi::OsStr;
use std::fmt;
use std::num::NonZeroI32;
use std::os::unix::ffi::OsStrExt;

/// Why the program was not started.
///
/// The engine says what is wrong and which [`Field`] of the spec it is about. A front end adds in its own words the
/// [place](Error::place) where that was asked for, and derives an exit code from the [`ErrorKind`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The field of the spec that it is about, if there is one.
    pub field: Option<Field>,
    /// Where the front end found the request: an option with its value, or a line of a profile.
    pub place: Option<Box<[u8]>>,
    /// The step of the set-up that failed, in one word. `None` if nothing was begun.
    pub step: Option<&'static str>,
    /// The error number (errno(3)), if a system call of that step failed.
    pub errno: Option<NonZeroI32>,
    /// What failed, with the path and the reason. Bytes, because paths and arguments are not always UTF-8.
    pub message: Vec<u8>,
    /// The items that the message announces, if there are several.
    pub parts: Box<[Part]>,
    /// The likely cause and the remedy, if they are known.
    pub hint: Option<Hint>,
}

/// The kind of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The request is wrong in itself, or excludes another one: no host can carry it out.
    Invalid,
    /// It would give the program more access than was meant.
    Unsafe,
    /// This host cannot do it: the kernel, or the surroundings of this process, do not allow it.
    Unsupported,
    /// A system call failed.
    Failed,
    /// The program does not exist.
    NotFound,
    /// The program exists but cannot be executed.
    NotExecutable,
    /// A bug in pinfold.
    Internal,
}

/// A field of a [`Spec`](crate::spec::Spec). A number is the index in a list, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// An operation, by its [`word`](crate::spec::Op::word).
    Op(usize),
    /// `namespaces.user`
    UserNs,
    /// `namespaces.user_inner`
    InnerUserNs,
    /// `namespaces.user_maps_from`
    UserMapsFrom,
    /// `namespaces.pid`
    PidNs,
    /// `namespaces.pid_join`
    JoinedPidNs,
    /// `namespaces.net`
    NetNs,
    /// `namespaces.ipc`
    IpcNs,
    /// `namespaces.uts`
    UtsNs,
    /// `namespaces.cgroup`
    CgroupNs,
    /// `ids.uid`
    Uid,
    /// `ids.gid`
    Gid,
    /// `process.command`
    Command,
    /// `process.chdir`
    Chdir,
    /// `process.exec_label`
    ExecLabel,
    /// `process.file_label`
    FileLabel,
    /// `process.fds`
    KeepFd(usize),
    /// `lockdown.caps`
    Caps,
    /// `lockdown.nested_userns`
    NestedUserNs,
    /// `lockdown.seccomp`
    Seccomp,
    /// `deny` of a profile in `lockdown.seccomp`
    SyscallDeny(usize),
    /// `allow` of a profile in `lockdown.seccomp`
    SyscallAllow(usize),
    /// `lockdown.landlock`
    Landlock,
    /// `lockdown.landlock.connect_tcp`
    ConnectTcp,
    /// `lockdown.landlock.bind_tcp`
    BindTcp,
    /// `lifecycle.as_pid_1`
    AsPid1,
    /// `report.info_fd`
    InfoFd,
    /// `report.json_status_fd`
    JsonStatusFd,
}

impl fmt::Display for Field {
    /// Its path in the spec, for users who build the spec themselves.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Op(word) => return write!(f, "operation of word {word}"),
            Field::UserNs => "namespaces.user",
            Field::InnerUserNs => "namespaces.user_inner",
            Field::UserMapsFrom => "namespaces.user_maps_from",
            Field::PidNs => "namespaces.pid",
            Field::JoinedPidNs => "namespaces.pid_join",
            Field::NetNs => "namespaces.net",
            Field::IpcNs => "namespaces.ipc",
            Field::UtsNs => "namespaces.uts",
            Field::CgroupNs => "namespaces.cgroup",
            Field::Uid => "ids.uid",
            Field::Gid => "ids.gid",
            Field::Command => "process.command",
            Field::Chdir => "process.chdir",
            Field::ExecLabel => "process.exec_label",
            Field::FileLabel => "process.file_label",
            Field::KeepFd(nth) => return write!(f, "process.fds[{nth}]"),
            Field::Caps => "lockdown.caps",
            Field::NestedUserNs => "lockdown.nested_userns",
            Field::Seccomp => "lockdown.seccomp",
            Field::SyscallDeny(nth) => return write!(f, "lockdown.seccomp.deny[{nth}]"),
            Field::SyscallAllow(nth) => return write!(f, "lockdown.seccomp.allow[{nth}]"),
            Field::Landlock => "lockdown.landlock",
            Field::ConnectTcp => "lockdown.landlock.connect_tcp",
            Field::BindTcp => "lockdown.landlock.bind_tcp",
            Field::AsPid1 => "lifecycle.as_pid_1",
            Field::InfoFd => "report.info_fd",
            Field::JsonStatusFd => "report.json_status_fd",
        })
    }
}

/// One of several items that an error is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Like [`Error::field`].
    pub field: Option<Field>,
    /// Like [`Error::place`].
    pub place: Option<Box<[u8]>>,
    /// What is wrong with it, on one line.
    pub message: Vec<u8>,
}

/// A remedy for an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// A text for every front end.
    Text(String),
    /// A remedy for which each front end has its own options and words.
    Advice(Advice),
}

/// A remedy, independent of the words of a front end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Continue without what cannot be enforced ([`Spec::best_effort`](crate::spec::Spec::best_effort)).
    BestEffort,
    /// Mount the directory instead of passing it as a descriptor.
    MountDirectory,
    /// Open the file for reading or writing, or mount it, instead of passing its location as a descriptor.
    MountFile,
    /// Share the host's network, or give the socket to a relay.
    ShareNetwork,
    /// Use a smaller directory as the workspace.
    OneProject,
    /// Use a directory with less to check.
    SmallerWorkspace,
    /// Name the directory to be writable, instead of working in it.
    NamedDirectory,
    /// Start the program in a directory that is not denied.
    StartElsewhere,
    /// Let a Landlock rule grant the file of the program.
    GrantProgram,
    /// Deny something else than the file of the program.
    LeaveProgram,
}

impl fmt::Display for Hint {
    /// Uses the words of the library.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hint::Text(text) => text,
            Hint::Advice(Advice::BestEffort) => "with best_effort the run goes on without what cannot be enforced",
            Hint::Advice(Advice::MountDirectory) => "mount the directory, and give the program its path",
            Hint::Advice(Advice::MountFile) => {
                "open the file for reading or writing, or mount it and give the program its path"
            }
            Hint::Advice(Advice::ShareNetwork) => {
                "share the host's network, or let a relay have the socket and the program a pipe"
            }
            Hint::Advice(Advice::OneProject) => "take the directory of one project, or bind what may be written",
            Hint::Advice(Advice::SmallerWorkspace) => {
                "make a smaller directory writable, or remove what is not yours there"
            }
            Hint::Advice(Advice::NamedDirectory) => "if the program is to change what is in it, bind it by its name",
            Hint::Advice(Advice::StartElsewhere) => {
                "the program starts in what is denied: leave that out, or start elsewhere by process.chdir"
            }
            Hint::Advice(Advice::LeaveProgram) => "the program lies in what is denied: leave that out, or deny less",
            Hint::Advice(Advice::GrantProgram) => {
                "the file is not executable for you, or no rule of Landlock lets the sandbox execute it: bind its \
                 directory (and its loader's), read-only"
            }
        })
    }
}

impl Error {
    /// An error of this kind. It is about no field and has no hint.
    pub fn new(kind: ErrorKind, message: impl Into<Vec<u8>>) -> Error {
        Error {
            kind,
            field: None,
            place: None,
            step: None,
            errno: None,
            message: message.into(),
            parts: Box::default(),
            hint: None,
        }
    }

    /// The same error, about a field of the spec.
    #[must_use]
    pub(crate) fn about(self, field: Field) -> Error {
        Error { field: Some(field), ..self }
    }

    /// The same error with a hint line.
    #[must_use]
    pub fn with_hint(self, hint: Option<String>) -> Error {
        Error { hint: hint.map(Hint::Text), ..self }
    }

    /// The same error, with advice that each front end puts into its own words.
    #[must_use]
    pub(crate) fn with_advice(self, advice: Advice) -> Error {
        Error { hint: Some(Hint::Advice(advice)), ..self }
    }

    /// The message as a front end prints it. The place comes before the message, or after it if a step is given. Each
    /// part has a line of its own.
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.message.len() + 64);
        let before = self.step.map(str::as_bytes).or(self.place.as_deref());
        if let Some(before) = before {
            out.extend_from_slice(before);
            out.extend_from_slice(b": ");
        }
        out.extend_from_slice(&self.message);
        if let (Some(_), Some(place)) = (self.step, &self.place) {
            out.extend_from_slice(&[b" (", &place[..], b")"].concat());
        }
        for part in &self.parts {
            out.extend_from_slice(b"\n  ");
            out.extend_from_slice(&part.message);
            if let Some(place) = &part.place {
                out.extend_from_slice(&[b"  [", &place[..], b"]"].concat());
            }
        }
        out
    }
}

impl fmt::Display for Error {
    /// Uses the words of the library, which names a field by its path in the spec.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            // The message already describes the operation.
            None | Some(Field::Op(_)) => {}
            Some(_) if self.place.is_some() || self.step.is_some() => {}
            Some(field) => write!(f, "{field}: ")?,
        }
        f.write_str(&String::from_utf8_lossy(&self.text()))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

/// The remedy if the limit of open descriptors is reached (`EMFILE`).
pub(crate) const MORE_FILES: &str = "raise the limit of open files (ulimit -n)";

/// The hint if a system call is missing, or seems to be (ENOSYS).
pub(crate) const MISSING_CALL: &str = "pinfold needs Linux 5.12 or newer (mount_setattr, openat2, close_range, pidfd_open), and no filter that hides these \
     calls: inside a sandbox of pinfold's, begin that by `pinfold run --allow-userns --landlock off`";

/// Appends `text` with control characters escaped (`\n`, `\x1b`, `\u{9b}`). All other bytes are kept.
///
/// A path or argument from somebody else must not move the cursor, reverse the writing direction or fake a second line
/// of a message (CVE-2023-28101 did that to a permission prompt).
pub(crate) fn push_printable(out: &mut Vec<u8>, text: impl AsRef<OsStr>) {
    for chunk in text.as_ref().as_bytes().utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\n' => out.extend_from_slice(b"\\n"),
                '\t' => out.extend_from_slice(b"\\t"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\0'..='\x1f' | '\x7f' => out.extend_from_slice(format!("\\x{:02x}", u32::from(letter)).as_bytes()),
                letter if is_hidden(letter) => out.extend(letter.escape_unicode().map(|escaped| escaped as u8)),
                letter => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        out.extend_from_slice(chunk.invalid());
    }
}

/// `text`, escaped as by [`push_printable`], with bytes that are not UTF-8 replaced.
pub(crate) fn printable(text: impl AsRef<OsStr>) -> String {
    let mut out = Vec::new();
    push_printable(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// Quotes `text` as one word for a shell, which executes nothing in it. A terminal shows all of it. If that needs
/// escapes (`$'...'`, in POSIX.1-2024 and long since in bash, zsh and ksh), the shell still reads exactly the same
/// bytes.
pub(crate) fn quoted(text: impl AsRef<OsStr>) -> String {
    let bytes = text.as_ref().as_bytes();
    // A word that contains `=` may be an assignment, unless it is an option.
    let is_option = bytes.starts_with(b"-");
    let is_bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+:@%,".contains(byte) || is_option && *byte == b'=';
    match std::str::from_utf8(bytes) {
        Ok(plain) if !plain.is_empty() && bytes.iter().all(is_bare) => plain.to_owned(),
        Ok(seen) if !seen.chars().any(|letter| letter.is_ascii_control() || is_hidden(letter)) => {
            format!("'{}'", seen.replace('\'', r"'\''"))
        }
        _ => {
            let escaped = |chunk: std::str::Utf8Chunk<'_>| {
                let seen = chunk.valid().chars().map(|letter| match letter {
                    '\\' | '\'' => format!("\\{letter}"),
                    letter if letter.is_ascii_control() || is_hidden(letter) => {
                        letter.encode_utf8(&mut [0; 4]).bytes().map(in_octal).collect()
                    }
                    letter => letter.to_string(),
                });
                seen.chain(chunk.invalid().iter().copied().map(in_octal)).collect::<String>()
            };
            format!("$'{}'", bytes.utf8_chunks().map(escaped).collect::<String>())
        }
    }
}

/// Three octal digits. A shell reads at most three of them, but may read more than two hexadecimal digits.
fn in_octal(byte: u8) -> String {
    format!("\\{byte:03o}")
}

/// Escapes invisible characters in the text of a JSON value, so that a terminal shows all of it. Such characters can
/// occur only in strings.
pub(crate) fn printable_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_hidden(letter) || letter == '\x7f' {
            // A character above U+FFFF takes two escapes (RFC 8259, section 7).
            let units =
                letter.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            out.push_str(&units);
        } else {
            out.push(letter);
        }
    }
    out
}

/// Whether a terminal would hide `letter` or its effect. These are control characters beyond ASCII, characters that
/// change the writing direction (Unicode, annex 9; CVE-2021-42574), and invisible ones: zero-width spaces, joiners,
/// fillers, variation selectors, the byte order mark, tags.
fn is_hidden(letter: char) -> bool {
    // Up to the next comment, this is Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties.txt).
    matches!(
        letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
            // C1 controls, line and paragraph separators, the blank Braille pattern, interlinear annotation characters.
            | '\u{80}'..='\u{9f}' | '\u{2028}'..='\u{2029}' | '\u{2800}' | '\u{fff9}'..='\u{fffb}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_other_bytes_kept() {
        let mut out = Vec::new();
        push_printable(&mut out, OsStr::from_bytes(b"a\x1b[2J\n\xffz"));
        assert_eq!(out, b"a\\x1b[2J\\n\xffz");
        let mut out = Vec::new();
        push_printable(&mut out, "é\u{9b}2J\u{202e}\u{2069}ß");
        assert_eq!(String::from_utf8(out).unwrap(), r"é\u{9b}2J\u{202e}\u{2069}ß");
    }

    #[test]
    fn what_shows_nothing_is_escaped_and_its_neighbours_are_kept() {
        for range in [
            0xad..=0xad_u32,
            0x34f..=0x34f,
            0x61c..=0x61c,
            0x115f..=0x1160,
            0x17b4..=0x17b5,
            0x180b..=0x180f,
            0x200b..=0x200f,
            0x2028..=0x202e,
            0x2060..=0x206f,
            0x2800..=0x2800,
            0x3164..=0x3164,
            0xfe00..=0xfe0f,
            0xfeff..=0xfeff,
            0xffa0..=0xffa0,
            0xfff0..=0xfffb,
            0x1bca0..=0x1bca3,
            0x1d173..=0x1d17a,
            0xe0000..=0xe0fff,
        ] {
            for outside in [range.start() - 1, range.end() + 1].into_iter().filter_map(char::from_u32) {
                assert_eq!(printable(outside.to_string()), outside.to_string(), "{:x}", u32::from(outside));
            }
            for letter in range.filter_map(char::from_u32) {
                assert_eq!(printable(letter.to_string()), format!("\\u{{{:x}}}", u32::from(letter)));
                let octal: String = letter.to_string().bytes().map(in_octal).collect();
                assert_eq!(quoted(letter.to_string()), format!("$'{octal}'"));
            }
        }
    }

    #[test]
    fn a_word_of_a_shell_is_what_it_was_and_executes_nothing() {
        for (text, word) in [
            (&b"/a/b-c.d:@%,+_1"[..], "/a/b-c.d:@%,+_1"),
            (b"--x=/y", "--x=/y"),
            (b"A=b", "'A=b'"),
            (b"", "''"),
            (b"~/x", "'~/x'"),
            (b"/a b/$(x)'y\"\\", r#"'/a b/$(x)'\''y"\'"#),
            ("/\u{e9}".as_bytes(), "'/\u{e9}'"),
            (b"a\n'1\\\x1b[2J", r"$'a\012\'1\\\033[2J'"),
            (b"/\xff1\xe2\x80\xae", r"$'/\3771\342\200\256'"),
        ] {
            assert_eq!(quoted(OsStr::from_bytes(text)), word);
        }
    }

    #[test]
    fn json_says_the_same_with_what_cannot_be_seen_escaped() {
        let text = "é\u{9b}\u{202e}\u{7f}\u{e0041}";
        let json = printable_json(&serde_json::json!({ "é": text }).to_string());
        assert_eq!(json, r#"{"é":"é\u009b\u202e\u007f\udb40\udc41"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["é"], text);
    }

    #[test]
    fn the_hint_stands_on_a_line_of_its_own() {
        let error = Error::new(ErrorKind::Invalid, "no").with_hint(Some("yes".into()));
        assert_eq!(error.to_string(), "no\nhint: yes");
    }

    #[test]
    fn a_place_stands_before_what_was_asked_and_behind_what_failed() {
        let error = Error::new(ErrorKind::Invalid, "no").about(Field::SyscallDeny(1));
        assert_eq!((error.text(), error.to_string()), (b"no".to_vec(), "lockdown.seccomp.deny[1]: no".into()));
        let placed = Error { place: Some((*b"--syscall-deny x").into()), ..error };
        assert_eq!(
            (placed.text(), placed.to_string()),
            (b"--syscall-deny x: no".to_vec(), "--syscall-deny x: no".into())
        );
        let failed = Error { step: Some("mounts"), ..placed };
        assert_eq!(failed.text(), b"mounts: no (--syscall-deny x)");
        let part = |place: Option<&str>| Part {
            field: None,
            place: place.map(|place| place.as_bytes().into()),
            message: b"part".to_vec(),
        };
        let several =
            Error { parts: [part(None), part(Some("f:1: x"))].into(), ..Error::new(ErrorKind::Unsupported, "these:") };
        assert_eq!(several.text(), b"these:\n  part\n  part  [f:1: x]");
    }
}
