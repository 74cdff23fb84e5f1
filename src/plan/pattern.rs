//! Patterns of paths: `*`, `?`, `[…]` within one name, and `**` for any number of directories.
//!
//! Names are matched as bytes, as in the kernel, so a name that is not UTF-8 is matched too. `?` and `[…]` match one
//! character if the bytes are UTF-8, and one byte otherwise. A leading dot is not special, because these patterns deny
//! files and do not list them.

use std::ffi::CString;

/// A pattern, split at its slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    /// Index of the operation that it belongs to.
    pub(crate) op: usize,
    /// The parts: at least one, and no `**` follows another.
    pub(crate) parts: Vec<Part>,
}

/// One part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Part {
    /// `**`: any number of directories, or none. At the end: everything below.
    AnyDirs,
    /// A name without wildcards.
    Exactly(CString),
    /// A name with one `*` as its only wildcard, the common case: the text before it and after it.
    Around(Vec<u8>, Vec<u8>),
    /// A name with other wildcards.
    Like(Vec<Token>),
}

/// A piece of a name with wildcards.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Token {
    /// This byte.
    Byte(u8),
    /// `?`
    AnyOne,
    /// `*`
    AnyMany,
    /// `[…]`: ranges of characters, each as first and last. If `negated`, any character outside them.
    OneOf { ranges: Vec<(u32, u32)>, negated: bool },
}

/// Why a text is not a valid pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Invalid {
    Empty,
    ParentDirectory,
    PartlyAnyDirs,
    OpenBracket,
    NamedClass,
    Range,
}

impl Invalid {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Invalid::Empty => "it names nothing",
            Invalid::ParentDirectory => "a pattern cannot have .. in it",
            Invalid::PartlyAnyDirs => "** must be a whole part of the path, between slashes",
            Invalid::OpenBracket => "a [ is not closed; [[] stands for the character itself",
            Invalid::NamedClass => "named classes such as [:digit:] are not known; write [0-9]",
            Invalid::Range => "a range in [ ] ends before it begins",
        }
    }
}

impl Pattern {
    /// Parses the pattern of operation number `op`.
    pub(crate) fn parse(op: usize, text: &[u8]) -> Result<Pattern, Invalid> {
        let mut parts = Vec::new();
        for name in text.split(|&byte| byte == b'/') {
            let part = match name {
                b"" | b"." => continue,
                b".." => return Err(Invalid::ParentDirectory),
                b"**" if parts.last() == Some(&Part::AnyDirs) => continue,
                b"**" => Part::AnyDirs,
                name => part(name)?,
            };
            parts.push(part);
        }
        if parts.is_empty() { Err(Invalid::Empty) } else { Ok(Pattern { op, parts }) }
    }

    /// How many names at the start of a path, and how many at its end, decide on a match: the numbers of parts before
    /// the first `**` and after the last. If there are parts between two `**`, every name may matter, and the second
    /// number is `usize::MAX`.
    pub(crate) fn names(&self) -> (usize, usize) {
        let before = self.parts.iter().take_while(|part| **part != Part::AnyDirs).count();
        let behind = self.parts.iter().rev().take_while(|part| **part != Part::AnyDirs).count();
        if before + behind + 1 == self.parts.len() { (before, behind) } else { (before, usize::MAX) }
    }
}

impl Pattern {
    /// Whether the pattern matches the path with these names, or a directory above it.
    pub(super) fn matches_above(&self, names: &[&[u8]]) -> bool {
        let is_last = |part: usize| part + 1 == self.parts.len();
        // The parts that may match the next name.
        let mut live = vec![false; self.parts.len()];
        live[0] = true;
        for name in names {
            let mut next = vec![false; self.parts.len()];
            for part in 0..self.parts.len() {
                match &self.parts[part] {
                    _ if !live[part] => {}
                    // It may also match no directory.
                    Part::AnyDirs if !is_last(part) => {
                        next[part] = true;
                        live[part + 1] = true;
                    }
                    found if !found.matches(name) => {}
                    _ if is_last(part) => return true,
                    _ => next[part + 1] = true,
                }
            }
            live = next;
        }
        false
    }
}

impl Part {
    /// Whether this part matches `name`.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        match self {
            Part::AnyDirs => true,
            Part::Exactly(wanted) => wanted.to_bytes() == name,
            Part::Around(before, behind) => {
                name.len() >= before.len() + behind.len() && name.starts_with(before) && name.ends_with(behind)
            }
            Part::Like(tokens) => is_like(tokens, name),
        }
    }

    /// The first and the last byte that every matching name has, if they are fixed.
    pub(super) fn ends(&self) -> (Option<u8>, Option<u8>) {
        let byte = |token: Option<&Token>| if let Some(Token::Byte(byte)) = token { Some(*byte) } else { None };
        match self {
            Part::AnyDirs => (None, None),
            Part::Exactly(name) => (name.to_bytes().first().copied(), name.to_bytes().last().copied()),
            Part::Around(before, behind) => (before.first().copied(), behind.last().copied()),
            Part::Like(tokens) => (byte(tokens.first()), byte(tokens.last())),
        }
    }
}

fn part(name: &[u8]) -> Result<Part, Invalid> {
    let tokens = tokens(name)?;
    let bytes = |tokens: &[Token]| {
        tokens.iter().map(|token| if let Token::Byte(byte) = token { Some(*byte) } else { None }).collect()
    };
    // `[*]` has no wildcard either.
    let literal: Option<Vec<u8>> = bytes(&tokens);
    if let Some(name) = literal.and_then(|name| CString::new(name).ok()) {
        return Ok(Part::Exactly(name));
    }
    let star = tokens.iter().position(|token| *token == Token::AnyMany);
    let around = star.and_then(|at| Some(Part::Around(bytes(&tokens[..at])?, bytes(&tokens[at + 1..])?)));
    Ok(around.unwrap_or(Part::Like(tokens)))
}

fn tokens(mut rest: &[u8]) -> Result<Vec<Token>, Invalid> {
    let mut tokens = Vec::new();
    while let Some((&first, behind)) = rest.split_first() {
        let (token, behind) = match first {
            b'*' if behind.starts_with(b"*") => return Err(Invalid::PartlyAnyDirs),
            b'*' => (Token::AnyMany, behind),
            b'?' => (Token::AnyOne, behind),
            b'[' => class(behind)?,
            byte => (Token::Byte(byte), behind),
        };
        tokens.push(token);
        rest = behind;
    }
    Ok(tokens)
}

/// Parses what follows a `[`. Returns the token and the rest.
fn class(text: &[u8]) -> Result<(Token, &[u8]), Invalid> {
    let (negated, mut rest) = match text {
        [b'!' | b'^', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut ranges = Vec::new();
    // A `]` in first position stands for itself.
    while ranges.is_empty() || !rest.starts_with(b"]") {
        if matches!(rest, [b'[', b':' | b'.' | b'=', ..]) {
            return Err(Invalid::NamedClass);
        }
        let (first, behind) = character(rest).ok_or(Invalid::OpenBracket)?;
        let (last, behind) = match behind {
            [b'-', end @ ..] if !end.starts_with(b"]") => character(end).ok_or(Invalid::OpenBracket)?,
            _ => (first, behind),
        };
        if last < first {
            return Err(Invalid::Range);
        }
        ranges.push((first, last));
        rest = behind;
    }
    let token = match ranges.as_slice() {
        [(first, last)] if first == last && !negated => u8::try_from(*first).ok().filter(u8::is_ascii).map(Token::Byte),
        _ => None,
    };
    Ok((token.unwrap_or(Token::OneOf { ranges, negated }), &rest[1..]))
}

/// Bytes that are not part of a character get numbers from here on, above all characters.
const RAW: u32 = 0x11_0000;

/// The first character of `text` and the rest. A byte that is not part of a character counts as one.
fn character(text: &[u8]) -> Option<(u32, &[u8])> {
    let (&first, behind) = text.split_first()?;
    if first.is_ascii() {
        return Some((first.into(), behind));
    }
    let length = (2..=4.min(text.len())).find(|&length| std::str::from_utf8(&text[..length]).is_ok());
    let decoded = length.and_then(|length| Some((std::str::from_utf8(&text[..length]).ok()?.chars().next()?, length)));
    Some(match decoded {
        Some((character, length)) => (character.into(), &text[length..]),
        None => (RAW + u32::from(first), behind),
    })
}

/// Matches greedily with backtracking to the last `*` only. That is enough: whatever an earlier `*` could match in
/// addition, the last one can match too.
fn is_like(tokens: &[Token], name: &[u8]) -> bool {
    let (mut tokens, mut name) = (tokens, name);
    let mut last_star: Option<(&[Token], &[u8])> = None;
    loop {
        let step = match (tokens.split_first(), character(name)) {
            (None, None) => return true,
            (Some((Token::AnyMany, behind)), _) => {
                last_star = Some((behind, name));
                Some((behind, name))
            }
            (Some((Token::Byte(byte), behind)), Some(_)) if name[0] == *byte => Some((behind, &name[1..])),
            (Some((Token::AnyOne, behind)), Some((_, rest))) => Some((behind, rest)),
            (Some((Token::OneOf { ranges, negated }, behind)), Some((found, rest)))
                if ranges.iter().any(|(first, last)| (first..=last).contains(&&found)) != *negated =>
            {
                Some((behind, rest))
            }
            _ => None,
        };
        let Some(next) = step.or_else(|| {
            let (behind, from) = last_star?;
            let (_, rest) = character(from)?;
            last_star = Some((behind, rest));
            Some((behind, rest))
        }) else {
            return false;
        };
        (tokens, name) = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_match(pattern: &[u8], name: &[u8]) -> bool {
        let parsed = Pattern::parse(0, pattern).unwrap();
        assert_eq!(parsed.parts.len(), 1, "{pattern:?}");
        parsed.parts[0].matches(name)
    }

    #[test]
    fn a_name_matches_as_in_a_shell() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("*", &["a", ".env", "é", ""], &[]),
            ("*.pem", &["a.pem", ".pem", "a.pem.pem"], &["a.pem2", "pem", "a.PEM"]),
            ("id_*", &["id_rsa", "id_"], &["xid_rsa", "id"]),
            ("a*a", &["aa", "aba"], &["a", "ab"]),
            ("*a*b*", &["ab", "xaxbx", "aab"], &["ba", "a"]),
            ("?.env", &["a.env", "é.env", "..env"], &[".env", "ab.env"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "x", "Ax", "[a-c]x"]),
            ("[!a-c]x", &["dx", "éx"], &["ax", "x"]),
            ("[^é]", &["e", "ü"], &["é"]),
            ("*[!é]", &["ee", "ée"], &["é", "eé"]),
            ("[]-]", &["]", "-"], &["a"]),
            ("[!]]", &["a"], &["]"]),
            ("[*]", &["*"], &["a"]),
            ("[à-ü]", &["é"], &["e"]),
            ("x[[]*", &["x[", "x[]"], &["x"]),
            ("a\\*", &["a\\", "a\\b"], &["a*"]),
        ];
        for (pattern, yes, no) in cases {
            for name in *yes {
                assert!(is_match(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
            }
            for name in *no {
                assert!(!is_match(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_match_too() {
        for pattern in [&b"*.env"[..], b"?.env", b"[!a].env", b"\xff.env", b"[\xff].env", b"[\xf0-\xff].env", b"*"] {
            assert!(is_match(pattern, b"\xff.env"), "{pattern:?}");
        }
        assert!(is_match(b"??", b"\xe2\x82"), "half a character is two bytes");
        assert!(!is_match(b"[a-z].env", b"\xff.env"));
        assert!(is_match(b"?*", b"\xff"));
    }

    #[test]
    fn the_parts_are_told_apart() {
        let parts = |text: &[u8]| Pattern::parse(3, text).unwrap().parts;
        let exactly = |name: &std::ffi::CStr| Part::Exactly(name.into());
        assert_eq!(parts(b"//a/./**/**/b/"), [exactly(c"a"), Part::AnyDirs, exactly(c"b")]);
        assert_eq!(parts(b"/a[*]"), [exactly(c"a*")]);
        assert_eq!(parts(b"/a*b"), [Part::Around(b"a".into(), b"b".into())]);
        assert!(matches!(parts(b"/a*b?")[..], [Part::Like(_)]));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let cases = [
            (&b"/"[..], Invalid::Empty),
            (b"/a/../b*", Invalid::ParentDirectory),
            (b"/a**", Invalid::PartlyAnyDirs),
            (b"/***", Invalid::PartlyAnyDirs),
            (b"/[a", Invalid::OpenBracket),
            (b"/[]", Invalid::OpenBracket),
            (b"/[a-", Invalid::OpenBracket),
            (b"/[a/b]", Invalid::OpenBracket),
            (b"/[[:alpha:]]", Invalid::NamedClass),
            (b"/[z-a]", Invalid::Range),
        ];
        for (text, why) in cases {
            assert_eq!(Pattern::parse(0, text), Err(why), "{}", text.escape_ascii());
        }
    }

    /// Time grows with the product of the lengths of name and pattern, and not faster.
    #[test]
    fn no_name_makes_matching_slow() {
        let pattern = [b"*a".repeat(40), b"b".to_vec()].concat();
        assert!(!is_match(&pattern, &b"a".repeat(255)));
    }
}
