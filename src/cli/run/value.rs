//! Values of the native options: paths with variables, pairs, sizes, lists.

use std::borrow::Cow;
use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::origin::refuse;
use crate::error::{Error, ErrorKind, push_printable, quoted};
use crate::spec::FdNumber;

/// The variable for the current directory.
pub(super) const WORKSPACE: &str = "WORKSPACE";

/// A length of time: a number of seconds with or without decimals, or of another unit that stands behind it: s, m, h or
/// d, as for timeout(1). More than 0, and at least a microsecond.
pub(super) fn time(text: &CStr) -> Result<Duration, Error> {
    let bytes = text.to_bytes();
    let (number, unit) = match bytes.split_last() {
        Some((b's', number)) => (number, 1.0),
        Some((b'm', number)) => (number, 60.0),
        Some((b'h', number)) => (number, 3600.0),
        Some((b'd', number)) => (number, 86400.0),
        _ => (bytes, 1.0),
    };
    // Digits with one point at most: no sign, no exponent, no infinity.
    let is_plain = number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    let number = std::str::from_utf8(number).ok().filter(|_| is_plain).and_then(|number| number.parse::<f64>().ok());
    let time = number.and_then(|number| Duration::try_from_secs_f64(number * unit).ok());
    time.filter(|time| time.as_micros() > 0).map_or_else(
        || refuse("a time is wanted: seconds, such as 1.5, or a number with s, m, h or d behind it, and more than 0"),
        Ok,
    )
}

/// The two halves of a value.
pub(super) type Pair<'a> = (Cow<'a, [u8]>, Option<Vec<u8>>);

/// Splits `FIRST:SECOND` at the colon. A backslash before a colon or before another backslash makes it an ordinary
/// byte.
pub(super) fn split_pair(value: &[u8]) -> Result<Pair<'_>, Error> {
    if !value.iter().any(|byte| matches!(byte, b':' | b'\\')) {
        return Ok((value.into(), None));
    }
    let (mut first, mut second) = (Vec::new(), None);
    let mut bytes = value.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b':' {
            if second.is_some() {
                return refuse("there is more than one colon; one that belongs to a path is written \\:");
            }
            second = Some(Vec::new());
            continue;
        }
        let is_escape = byte == b'\\' && bytes.peek().is_some_and(|next| matches!(next, b':' | b'\\'));
        let byte = if is_escape { bytes.next().unwrap_or(byte) } else { byte };
        second.as_mut().unwrap_or(&mut first).push(byte);
    }
    Ok((first.into(), second))
}

/// Reads a path in a profile: replaces `~` and `${NAME}`, and requires an absolute path without `..`. So it means the
/// same wherever the profile is used.
pub(super) fn from_profile(text: &[u8], variables: &[(&'static str, CString)]) -> Result<Vec<u8>, Error> {
    let path = match below_home(text) {
        Some(rest) => replaced(&[b"${HOME}", rest].concat(), variables)?,
        None => replaced(text, variables)?,
    };
    if !path.starts_with(b"/") {
        return refuse("a path in a profile begins with /, ~/ or a variable such as ${HOME}");
    }
    if goes_up(&path) { Err(upwards(text, &path, variables)) } else { Ok(path) }
}

/// A path of the command line: a leading `~` is the home directory, as in a profile. A file of that name is `./~`.
pub(super) fn without_tilde(text: &[u8], variables: &[(&'static str, CString)]) -> Result<Vec<u8>, Error> {
    match below_home(text) {
        Some(rest) => Ok([&replaced(b"${HOME}", variables)?, rest].concat()),
        None => Ok(text.to_vec()),
    }
}

/// What follows the `~` of a path below the home directory.
fn below_home(text: &[u8]) -> Option<&[u8]> {
    text.strip_prefix(b"~").filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Whether a path in a profile begins at a fixed place: at the root, the home directory or a variable.
pub(super) fn is_rooted(text: &[u8]) -> bool {
    text.starts_with(b"/") || text.starts_with(b"${") || below_home(text).is_some()
}

/// Whether a part of `path` is `..`.
fn goes_up(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').any(|part| part == b"..")
}

/// The error for a `path` with `..`, where `text` is what the profile says. If the `..` comes from a variable, the
/// error names the variable.
fn upwards(text: &[u8], path: &[u8], variables: &[(&'static str, CString)]) -> Error {
    let is_in = |value: &[u8]| goes_up(value) && path.windows(value.len()).any(|part| part == value);
    match variables.iter().find(|(_, value)| !goes_up(text) && is_in(value.to_bytes())) {
        Some((name, value)) => {
            let value = quoted(OsStr::from_bytes(value.to_bytes()));
            let message = format!("the variable {name} is {value}, and a path in a profile has no `..` in it");
            Error::new(ErrorKind::Invalid, message).with_hint(Some(format!("give {name} the same path without `..`")))
        }
        None => Error::new(ErrorKind::Invalid, "a path in a profile has no `..` in it"),
    }
}

/// Replaces each `${NAME}` in `text`.
pub(super) fn replaced(text: &[u8], variables: &[(&'static str, CString)]) -> Result<Vec<u8>, Error> {
    // Room for the NUL: most results become C strings.
    let mut out = Vec::with_capacity(text.len() + 1);
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"${") {
        out.extend_from_slice(&rest[..at]);
        let Some(end) = rest[at..].iter().position(|&byte| byte == b'}') else {
            return refuse("a ${ has no }");
        };
        let name = &rest[at + 2..at + end];
        match variables.iter().find(|(known, _)| known.as_bytes() == name) {
            Some((name, value)) if value.is_empty() && *name == WORKSPACE => {
                return refuse("the current directory, which ${WORKSPACE} stands for, is gone");
            }
            Some((name, value)) if value.is_empty() => return Err(unusable(name)),
            Some((_, value)) => out.extend_from_slice(value.to_bytes()),
            None => return unknown_variable(name, variables),
        }
        rest = &rest[at + end + 1..];
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// The error for a variable that `socket_name` in world.rs has emptied, because its value is not the name of a socket.
fn unusable(name: &str) -> Error {
    let message = format!("the variable {name} does not name a socket in the runtime directory");
    let hint =
        format!("unset {name}, or set it to the name of a socket there; a directory or a link is not shown for it");
    Error::new(ErrorKind::Invalid, message).with_hint(Some(hint))
}

fn unknown_variable<T>(name: &[u8], variables: &[(&'static str, CString)]) -> Result<T, Error> {
    let mut message = b"unknown variable ${".to_vec();
    push_printable(&mut message, OsStr::from_bytes(name));
    message.push(b'}');
    let known: Vec<&str> = variables.iter().map(|(known, _)| *known).collect();
    message.extend_from_slice(format!(" (known: {})", known.join(", ")).as_bytes());
    refuse(message)
}

/// A size in bytes. A suffix K, M, G or T multiplies it by a power of 1024.
pub(super) fn size(text: &[u8]) -> Result<u64, Error> {
    let wrong = || refuse("a size is a number of bytes above 0, with K, M, G or T for powers of 1024");
    let (digits, shift) = match text {
        [digits @ .., b'k' | b'K'] => (digits, 10),
        [digits @ .., b'm' | b'M'] => (digits, 20),
        [digits @ .., b'g' | b'G'] => (digits, 30),
        [digits @ .., b't' | b'T'] => (digits, 40),
        digits => (digits, 0),
    };
    let Some(number) = number::<u64>(digits) else { return wrong() };
    match number.checked_mul(1 << shift) {
        Some(0) | None => wrong(),
        Some(size) if size > i64::MAX as u64 => wrong(),
        Some(size) => Ok(size),
    }
}

/// Permission bits, in octal.
pub(super) fn mode(octal: &[u8]) -> Result<u32, Error> {
    let digits = std::str::from_utf8(octal).ok().filter(|text| text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)));
    match digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()) {
        Some(mode @ 0..=0o7777) => Ok(mode),
        _ => refuse("a mode is octal, from 0 to 7777"),
    }
}

/// Decimal digits and nothing else.
pub(super) fn number<T: TryFrom<u64>>(digits: &[u8]) -> Option<T> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        digits.iter().try_fold(0u64, |value, &digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    T::try_from(value).ok()
}

/// A user or group id. 4294967295 is not an id: to the kernel it means "no change" (`setresuid(2)`).
pub(super) fn id(value: &CStr) -> Result<u32, Error> {
    match number(value.to_bytes()) {
        Some(u32::MAX) | None => refuse("an id is a number from 0 to 4294967294"),
        Some(id) => Ok(id),
    }
}

/// A descriptor number of the caller.
pub(super) fn fd(value: &CStr) -> Result<FdNumber, Error> {
    number(value.to_bytes()).map_or_else(|| refuse("the number of an open file descriptor is wanted"), Ok)
}

/// TCP ports; `none` is the empty list.
pub(super) fn ports(value: &CStr) -> Result<Vec<u16>, Error> {
    if value == c"none" {
        return Ok(Vec::new());
    }
    let port = |word: &str| match number::<u16>(word.as_bytes()) {
        Some(0) | None => refuse("ports are numbers from 1 to 65535, with commas between them, or `none`"),
        Some(port) => Ok(port),
    };
    list(value)?.into_iter().map(port).collect()
}

/// A list of words, separated by commas.
pub(super) fn list(value: &CStr) -> Result<Vec<&str>, Error> {
    let Ok(text) = value.to_str() else { return refuse("a word of the list is no text") };
    let words: Vec<&str> = text.split(',').map(str::trim).collect();
    if words.iter().any(|word| word.is_empty()) {
        return refuse("a word of the list is empty");
    }
    Ok(words)
}

/// Refuses `word`, which is not one of `known`.
pub(super) fn not_one_of<T>(word: &str, known: &[&str]) -> Result<T, Error> {
    // Quotes make an empty word visible.
    let mut message = b"unknown word ".to_vec();
    push_printable(&mut message, if word.is_empty() { "''" } else { word });
    message.extend_from_slice(format!(" (known: {})", known.join(", ")).as_bytes());
    // No suggestion besides: a word that is nearly the same may open more than was meant.
    refuse(message)
}

/// Refuses `word`, with the texts `before` and `after` around it in the message.
pub(super) fn about<T>(before: &str, word: &CStr, after: &str) -> Result<T, Error> {
    let mut message = before.as_bytes().to_vec();
    push_printable(&mut message, OsStr::from_bytes(word.to_bytes()));
    message.extend_from_slice(after.as_bytes());
    refuse(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Vec<(&'static str, CString)> {
        vec![("HOME", c"/home/u".into()), ("UID", c"1000".into())]
    }

    fn text<T>(result: Result<T, Error>) -> String {
        String::from_utf8(result.err().expect("an error").message).unwrap()
    }

    #[test]
    fn a_colon_separates_unless_a_backslash_stands_before_it() {
        let split = |value: &str| {
            let (first, second) = split_pair(value.as_bytes()).unwrap();
            (String::from_utf8(first.into_owned()).unwrap(), second.map(|second| String::from_utf8(second).unwrap()))
        };
        assert_eq!(split("/a"), ("/a".into(), None));
        assert_eq!(split("/a:/b"), ("/a".into(), Some("/b".into())));
        assert_eq!(split("/a\\:x:/b\\:c"), ("/a:x".into(), Some("/b:c".into())));
        for wrong in ["/a:/b:/c", "/a::", "::", "/a:/b\\\\:"] {
            assert!(text(split_pair(wrong.as_bytes())).contains("written \\:"), "{wrong}");
        }
        assert_eq!(split("/a\\\\:/b\\n"), ("/a\\".into(), Some("/b\\n".into())));
        assert_eq!(split("/a:"), ("/a".into(), Some(String::new())));
    }

    #[test]
    fn paths_of_profiles_mean_the_same_everywhere() {
        let path = |text: &str| from_profile(text.as_bytes(), &variables());
        assert_eq!(path("~").unwrap(), b"/home/u");
        assert_eq!(path("~/x/${UID}y").unwrap(), b"/home/u/x/1000y");
        assert_eq!(path("/~/$x").unwrap(), b"/~/$x");
        for wrong in ["", "x", "./x", "~u/x", "/a/../b", "~/..", "..", "${UID}"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
        let odd = [("HOME", c"/home/u/../v".into()), ("XDG_CACHE_HOME", c"/home/u/../v/.cache".into())];
        for place in ["~", "~/x", "${XDG_CACHE_HOME}/x"] {
            let said = text(from_profile(place.as_bytes(), &odd));
            assert!(said.contains("the variable HOME is /home/u/../v, "), "{place}: {said}");
        }
        assert!(!text(from_profile(b"~/../x", &odd)).contains("HOME"));
        assert!(text(path("${HOEM}/x")).contains("${HOEM} (known: HOME, UID)"));
        assert!(text(path("/${HOME")).contains("no }"));
    }

    #[test]
    fn times_are_those_of_timeout_and_never_0() {
        for (text, millis) in [(c"1", 1000), (c"1.5", 1500), (c"2s", 2000), (c"0.5m", 30_000), (c".1", 100)] {
            assert_eq!(time(text), Ok(Duration::from_millis(millis)));
        }
        assert_eq!(time(c"1h"), Ok(Duration::from_secs(3600)));
        assert_eq!(time(c"2d"), Ok(Duration::from_secs(2 * 86400)));
        for wrong in
            [c"", c"0", c"0.0000001", c"-1", c"+1", c"1e3", c"inf", c"NaN", c"1.2.3", c"s", c".", c"1 s", c"1ms"]
        {
            assert!(time(wrong).is_err(), "{wrong:?}");
        }
        let huge = std::ffi::CString::new("9".repeat(300)).unwrap();
        assert!(time(&huge).is_err());
    }

    #[test]
    fn sizes_and_ids_are_strict() {
        assert_eq!(size(b"64M"), Ok(64 << 20));
        assert_eq!(size(b"1"), Ok(1));
        for wrong in ["", "0", "0G", "M", "-1", "1.5G", "1KB", "99999999999T", "9223372036854775808"] {
            assert!(size(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert_eq!(id(c"4294967294"), Ok(u32::MAX - 1));
        for wrong in [c"", c" 0", c"-1", c"4294967295", c"0x1", c"1 "] {
            assert!(id(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(ports(c"80,443"), Ok(vec![80, 443]));
        assert_eq!(ports(c"none"), Ok(vec![]));
        for wrong in [c"", c"0", c"65536", c"80,", c"http"] {
            assert!(ports(wrong).is_err(), "{wrong:?}");
        }
    }
}
