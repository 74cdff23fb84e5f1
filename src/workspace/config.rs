//! Reads and writes git's configuration (git-config(1), "Syntax").
//!
//! A line with a syntax error is skipped, because git then refuses the whole file.
//!
//! git accepts a NUL byte like any other while it parses, but keeps the result in C strings. So a value ends at a NUL,
//! and so does the name of a setting: to git, `[core "hookspath\0"] x = dir` is `core.hookspath = dir`.
//!
//! This understands all that git does, so nothing that git would obey is missed. `commands.rs` says what that is. For
//! what may stay of a file that somebody else has made, see `settle/harmless.rs`: it drops what is unusual.

/// One setting: `section.key` in lower case, without a subsection (`filter.lfs.clean` is `filter.clean`), and its
/// value.
pub(super) type Setting = (String, Vec<u8>);

/// The longest file to read, in bytes. People do not write longer ones.
pub(super) const LONGEST: u64 = 1 << 20;

/// Stands for the URL that is the subsection of `url.*.insteadOf` and `url.*.pushInsteadOf`.
pub(super) const URL_BASE: &str = "url.base";

/// Converts a key to the form in [`Setting`]: `Filter.lfs.Clean` becomes `filter.clean`.
pub(super) fn plain_key(key: &[u8]) -> String {
    let mut parts = key.split(|&byte| byte == b'.');
    let (section, name) = (parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default());
    String::from_utf8_lossy(&[section, b".", name].concat()).to_ascii_lowercase()
}

/// The value of the last of `settings` with this key, which is the one that counts for git.
pub(super) fn last<'s>(settings: &'s [Setting], key: &str) -> Option<&'s [u8]> {
    settings.iter().rev().find(|(known, _)| known == key).map(|(_, value)| &value[..])
}

/// All settings of `text`, in order.
pub(super) fn parse(text: &[u8]) -> Vec<Setting> {
    let mut settings = Vec::new();
    for (header, setting) in parse_with_headers(text) {
        if matches!(setting.0.as_str(), "url.insteadof" | "url.pushinsteadof") {
            settings.push((URL_BASE.to_owned(), subsection(header)));
        }
        settings.push(setting);
    }
    settings
}

/// The subsection: what is in quotes in the header of a section.
fn subsection(header: &[u8]) -> Vec<u8> {
    let quoted = header.iter().position(|&byte| byte == b'"').map_or(&[][..], |start| &header[start + 1..]);
    let mut name = Vec::new();
    let mut bytes = quoted.iter().copied();
    while let Some(byte) = bytes.next().filter(|&byte| byte != b'"') {
        name.extend(if byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    name
}

/// The same, each with the header of its section as written, without the brackets.
pub(super) fn parse_with_headers(text: &[u8]) -> Vec<(&[u8], Setting)> {
    let mut settings = Vec::new();
    let (mut header, mut section, mut cut) = (&b""[..], String::new(), None);
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b'[' => {
                let rest;
                (header, rest) = split_header(after);
                section = section_of(header);
                cut = cut_name(header, &section);
                rest
            }
            b'#' | b';' => skip_line(after),
            _ if first.is_ascii_alphabetic() => {
                let ((key, value), rest) = setting(rest, &section);
                settings.push((header, (cut.clone().unwrap_or(key), value)));
                rest
            }
            _ => after,
        };
    }
    settings
}

fn skip_line(text: &[u8]) -> &[u8] {
    text.iter().position(|&byte| byte == b'\n').map_or(&[], |end| &text[end + 1..])
}

/// Splits text that starts with a section header, after its opening bracket (`name]`, `name "sub"]`, `name.sub]`), into
/// the header and the rest.
fn split_header(text: &[u8]) -> (&[u8], &[u8]) {
    let (mut quoted, mut escaped) = (false, false);
    let end = text.iter().position(|&byte| {
        let is_end = byte == b']' && !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        is_end
    });
    end.map_or((text, &[]), |end| (&text[..end], &text[end + 1..]))
}

fn section_of(header: &[u8]) -> String {
    let name = header.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-');
    name.map(|&byte| char::from(byte.to_ascii_lowercase())).collect()
}

/// If the subsection in a header contains a NUL byte, git ends the key there. Returns this key, which all settings
/// below that header have.
fn cut_name(header: &[u8], section: &str) -> Option<String> {
    let header = &header[..header.iter().position(|&byte| byte == 0)?];
    let quote = header.iter().position(|&byte| byte == b'"')?;
    let mut name = [section.as_bytes(), b"."].concat();
    let mut bytes = header[quote + 1..].iter();
    while let Some(&byte) = bytes.next() {
        name.extend(if byte == b'\\' { bytes.next() } else { Some(&byte) });
    }
    Some(plain_key(&name))
}

/// Reads `key` or `key = value`, with the continuation lines of the value.
fn setting<'a>(text: &'a [u8], section: &str) -> (Setting, &'a [u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-').unwrap_or(text.len());
    let key = text[..end].to_ascii_lowercase();
    let key = format!("{section}.{}", String::from_utf8_lossy(&key));
    let blanks = text[end..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = &text[end + blanks..];
    let Some(rest) = rest.strip_prefix(b"=") else {
        // A key without a value means true.
        return ((key, b"true".to_vec()), skip_line(rest));
    };
    let (value, rest) = value(rest);
    ((key, value), rest)
}

fn value(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut value, mut quoted, mut kept) = (Vec::new(), false, 0);
    let mut bytes = text.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'\n' => return (trimmed(value, kept), &text[at + 1..]),
            b'#' | b';' if !quoted => return (trimmed(value, kept), skip_line(&text[at..])),
            b'"' => quoted = !quoted,
            b'\\' => match bytes.next() {
                // git reads a carriage return and a line feed as one line feed before it parses.
                Some((at, b'\r')) if text.get(at + 1) == Some(&b'\n') => {
                    bytes.next();
                    continue;
                }
                Some((_, b'\n')) | None => continue,
                Some((_, escaped)) => value.push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'b' => 8,
                    other => other,
                }),
            },
            b'\r' if text.get(at + 1) == Some(&b'\n') => continue,
            b' ' | b'\t' | b'\r' if !quoted && value.is_empty() => continue,
            _ => value.push(byte),
        }
        // Trailing blanks count only within quotes.
        if quoted || !matches!(byte, b' ' | b'\t' | b'\r') {
            kept = value.len();
        }
    }
    (trimmed(value, kept), &[])
}

fn trimmed(mut value: Vec<u8>, kept: usize) -> Vec<u8> {
    value.truncate(kept);
    if let Some(end) = value.iter().position(|&byte| byte == 0) {
        value.truncate(end);
    }
    value
}

/// Appends one setting under a section header of its own. `header` is without the brackets.
pub(super) fn write_setting(out: &mut Vec<u8>, header: &[u8], name: &str, value: &[u8]) {
    for part in [b"[", header, b"]\n\t", name.as_bytes(), b" = \""] {
        out.extend_from_slice(part);
    }
    push_escaped(out, value);
    out.extend_from_slice(b"\"\n");
}

/// Appends a value or the name of a subsection, as it is written between quotes.
pub(super) fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            other => out.push(other),
        }
    }
}

/// Whether git takes this value for true.
pub(super) fn is_true(value: &[u8]) -> bool {
    let value = value.to_ascii_lowercase();
    matches!(value.as_slice(), b"true" | b"yes" | b"on")
        || String::from_utf8_lossy(&value).parse::<i64>().is_ok_and(|number| number != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text.as_bytes()).into_iter().map(|(key, value)| (key, String::from_utf8(value).unwrap())).collect()
    }

    #[test]
    fn settings_are_read_as_git_reads_them() {
        let text = "\u{feff}# c\n[core]\n\thooksPath = .husky/_ ; why\n  bare\n[Include]path=\"a b#\\\"c\" d  \r\n\
                    [includeIf \"gitdir:~/x]y/\"] path = one\\\ntwo\n[filter \"x.y\"]\n\tclean = ./c  %f\n[a.b]c=\n";
        let expected = [
            ("core.hookspath", ".husky/_"),
            ("core.bare", "true"),
            ("include.path", "a b#\"c d"),
            ("includeif.path", "onetwo"),
            ("filter.clean", "./c  %f"),
            ("a.c", ""),
        ];
        assert_eq!(read(text), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    /// Of git 2.47.3: `git config --file F --list`.
    #[test]
    fn names_and_values_end_where_c_strings_do() {
        let text = "[core]\n\thooksPath = .husky\0/x\n[core \"hooks\\path\0y\"]\n\tx = dir\n\ty = \"a\0\"\n\
                    [remote \"origin.uploadpack\0\"]\n\tfetch = evil\n[core]\n\tbare = \0true\n";
        let expected = [
            ("core.hookspath", ".husky"),
            ("core.hookspath", "dir"),
            ("core.hookspath", "a"),
            ("remote.uploadpack", "evil"),
            ("core.bare", ""),
        ];
        assert_eq!(read(text), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    /// Of git 2.47.3 too.
    #[test]
    fn a_carriage_return_is_a_blank_or_the_end_of_a_line() {
        let text = "[core]\n\thooksPath = .husky\r ; why\n\teditor = \r./x\r\r\n\tpager = ./a\\\r\nb\n\taskPass = \"a\r\"\n\
                    \tbare = a\rb\n\tgitProxy = ./c\r";
        let expected = [
            ("core.hookspath", ".husky"),
            ("core.editor", "./x"),
            ("core.pager", "./ab"),
            ("core.askpass", "a\r"),
            ("core.bare", "a\rb"),
            ("core.gitproxy", "./c"),
        ];
        assert_eq!(read(text), expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn text_that_is_no_configuration_is_survived() {
        for text in ["[", "[\"", "a", "=", "[a]b=\\", "[a]b=\"", "\n[x]\ny", "[a]b = c\\\n", "\u{0}\u{1}"] {
            read(text);
        }
        assert_eq!(read("[core]\nhooksPath=x"), [("core.hookspath".into(), "x".into())]);
    }

    #[test]
    fn true_has_many_names() {
        assert!(["true", "YES", "on", "1", "2"].iter().all(|word| is_true(word.as_bytes())));
        assert!(["false", "", "0", "no"].iter().all(|word| !is_true(word.as_bytes())));
    }
}
