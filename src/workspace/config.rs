//! The configuration of git, read as far as it says where code lies (git-config(1), "Syntax").
//!
//! A line that git would not understand is left out: git refuses the whole file then.

/// One setting: `section.key` in lower case, without a subsection (`filter.lfs.clean` is `filter.clean`), and its value.
pub(super) type Setting = (String, Vec<u8>);

/// Keys whose value git hands to a shell, or executes. Files of the workspace that they name are part of the
/// configuration.
const COMMANDS: &[&str] = &[
    "core.fsmonitor",
    "core.sshcommand",
    "core.editor",
    "core.pager",
    "core.gitproxy",
    "core.askpass",
    "core.alternaterefscommand",
    "sequence.editor",
    "filter.clean",
    "filter.smudge",
    "filter.process",
    "diff.command",
    "diff.external",
    "diff.textconv",
    "merge.driver",
    "mergetool.cmd",
    "mergetool.path",
    "difftool.cmd",
    "difftool.path",
    "gpg.program",
    "gpg.defaultkeycommand",
    "credential.helper",
    "interactive.difffilter",
    "remote.uploadpack",
    "remote.receivepack",
    "uploadpack.packobjectshook",
    "trailer.cmd",
    "trailer.command",
    "web.browser",
    "browser.cmd",
    "browser.path",
    "man.cmd",
    "man.path",
    "guitool.cmd",
    "hook.command",
    "imap.tunnel",
    "instaweb.httpd",
    "lfs.path",
    "sendemail.cccmd",
    "sendemail.headercmd",
    "sendemail.sendmailcmd",
    "sendemail.smtpserver",
    "sendemail.tocmd",
    "svn.authorsprog",
    "tar.command",
];

/// Keys whose value is the path of a file or a directory that git executes or obeys, with the command that makes one.
const OBEYED: &[(&str, &str)] = &[
    ("core.hookspath", "mkdir -p"),
    // What `git init` and `git clone` put into a new repository: hooks.
    ("init.templatedir", "mkdir -p"),
    // Says which of the filters run.
    ("core.attributesfile", "touch"),
    // Says whose signatures are good.
    ("gpg.allowedsignersfile", "touch"),
];

/// The command that makes what `key` has the path of, where that is something that git executes or obeys.
pub(super) fn maker(key: &str) -> Option<&'static str> {
    OBEYED.iter().find(|(known, _)| *known == key).map(|(_, maker)| *maker)
}

/// Whether a path is the same wherever somebody is.
pub(super) fn is_absolute(path: &[u8]) -> bool {
    path.starts_with(b"/") || path.starts_with(b"~/")
}

/// Whether a word of a command can only be meant as a path.
pub(super) fn is_path(word: &[u8]) -> bool {
    is_absolute(word) || word.starts_with(b"./") || word.starts_with(b"../")
}

/// The words of `value`, where `key` makes it a command, that may name a file. The command itself does so only with a
/// slash: without one it is looked for in `PATH`.
pub(super) fn command_words<'a>(key: &str, value: &'a [u8]) -> Option<impl Iterator<Item = &'a [u8]>> {
    let is_alias = key.starts_with("alias.");
    let is_marked = (is_alias || key == "submodule.update") && value.starts_with(b"!");
    let is_command = COMMANDS.contains(&key) || key.starts_with("pager.") || is_marked;
    if !is_command {
        return None;
    }
    let words = value.split(|byte| b" \t\n!'\"=;|&()".contains(byte)).filter(|word| !word.is_empty());
    // An alias is often a longer line with names of branches and files that are only shown.
    let is_argument = move |at| at > 0 && !is_alias;
    Some(words.enumerate().filter(move |(at, word)| is_argument(*at) || word.contains(&b'/')).map(|(_, word)| word))
}

/// A key as [`Setting`] has it: `Filter.lfs.Clean` is `filter.clean`.
pub(super) fn plain_key(key: &[u8]) -> String {
    let mut parts = key.split(|&byte| byte == b'.');
    let (section, name) = (parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default());
    String::from_utf8_lossy(&[section, b".", name].concat()).to_ascii_lowercase()
}

/// All settings of `text`, in order.
pub(super) fn parse(text: &[u8]) -> Vec<Setting> {
    parse_with_headers(text).into_iter().map(|(_, setting)| setting).collect()
}

/// The same, each with the header of its section as it is written, without the brackets.
pub(super) fn parse_with_headers(text: &[u8]) -> Vec<(&[u8], Setting)> {
    let mut settings = Vec::new();
    let (mut header, mut section) = (&b""[..], String::new());
    let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            b'[' => {
                let rest;
                (header, rest) = split_header(after);
                section = section_of(header);
                rest
            }
            b'#' | b';' => skip_line(after),
            _ if first.is_ascii_alphabetic() => {
                let (found, rest) = setting(rest, &section);
                settings.push((header, found));
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

/// A section's header, which begins behind its bracket, and what follows: `name]`, `name "sub"]`, `name.sub]`.
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

/// Reads `key`, `key = value`, with the continuations of the value.
fn setting<'a>(text: &'a [u8], section: &str) -> (Setting, &'a [u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-').unwrap_or(text.len());
    let key = text[..end].to_ascii_lowercase();
    let key = format!("{section}.{}", String::from_utf8_lossy(&key));
    let blanks = text[end..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let rest = &text[end + blanks..];
    let Some(rest) = rest.strip_prefix(b"=") else {
        // A key alone is true.
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
                Some((_, b'\n')) | None => continue,
                Some((_, escaped)) => value.push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'b' => 8,
                    other => other,
                }),
            },
            b' ' | b'\t' if !quoted && value.is_empty() => continue,
            b'\r' if text.get(at + 1) == Some(&b'\n') => continue,
            _ => value.push(byte),
        }
        // Blanks at the end count only within quotes.
        if quoted || !matches!(byte, b' ' | b'\t') {
            kept = value.len();
        }
    }
    (trimmed(value, kept), &[])
}

fn trimmed(mut value: Vec<u8>, kept: usize) -> Vec<u8> {
    value.truncate(kept);
    value
}

/// What git takes for true.
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

    #[test]
    fn text_that_is_no_configuration_is_survived() {
        for text in ["[", "[\"", "a", "=", "[a]b=\\", "[a]b=\"", "\n[x]\ny", "[a]b = c\\\n", "\u{0}\u{1}"] {
            read(text);
        }
        assert_eq!(read("[core]\nhooksPath=x"), [("core.hookspath".into(), "x".into())]);
    }

    #[test]
    fn words_of_commands_may_name_files() {
        let words = |key, value: &'static str| {
            let words = command_words(key, value.as_bytes())?;
            Some(words.map(|word| std::str::from_utf8(word).unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(words("core.editor", "vim"), Some(vec![]));
        assert_eq!(words("core.editor", "./vim"), Some(vec!["./vim"]));
        assert_eq!(words("filter.clean", "python3 clean.py %f"), Some(vec!["clean.py", "%f"]));
        assert_eq!(words("alias.x", "!sh tools/x HEAD"), Some(vec!["tools/x"]));
        assert_eq!(words("alias.x", "log tools/x"), None);
        assert_eq!(words("user.name", "./x"), None);
    }

    #[test]
    fn true_has_many_names() {
        assert!(["true", "YES", "on", "1", "2"].iter().all(|word| is_true(word.as_bytes())));
        assert!(["false", "", "0", "no"].iter().all(|word| !is_true(word.as_bytes())));
    }
}
