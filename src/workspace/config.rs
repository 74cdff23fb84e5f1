//! Parses git's configuration to find the settings that name code (git-config(1), "Syntax").
//!
//! A line with a syntax error is skipped, because git then refuses the whole file.
//!
//! git accepts a NUL byte like any other while it parses, but keeps the result in C strings. So a value ends at a NUL,
//! and so does the name of a setting: to git, `[core "hookspath\0"] x = dir` is `core.hookspath = dir`.

/// One setting: `section.key` in lower case, without a subsection (`filter.lfs.clean` is `filter.clean`), and its
/// value.
pub(super) type Setting = (String, Vec<u8>);

/// Keys whose value git executes or passes to a shell. The files of the workspace that such a value names must be
/// protected like the configuration itself.
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
    "gc.recentobjectshook",
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
    "instaweb.modulepath",
    // Of `lfs.extension.*` and `lfs.customtransfer.*`.
    "lfs.clean",
    "lfs.smudge",
    "lfs.path",
    "lfs.args",
    "sendemail.cccmd",
    "sendemail.headercmd",
    "sendemail.sendmailcmd",
    "sendemail.smtpserver",
    "sendemail.tocmd",
    "svn.authorsprog",
    "tar.command",
];

/// Keys whose value is the path of a file or directory that git executes or obeys. Each comes with the command that
/// makes such a file.
const OBEYED: &[(&str, &str)] = &[
    ("core.hookspath", "mkdir -p"),
    // `git init` and `git clone` copy it into a new repository, hooks too.
    ("init.templatedir", "mkdir -p"),
    // Decides which of the filters run.
    ("core.attributesfile", "touch"),
    // Decides whose signatures are good.
    ("gpg.allowedsignersfile", "touch"),
    // git writes to these files, and follows links.
    ("trace2.normaltarget", "touch"),
    ("trace2.perftarget", "touch"),
    ("trace2.eventtarget", "touch"),
    ("http.cookiefile", "touch"),
];

/// Keys whose value is a URL, which may be a command for git-remote-ext(1).
const URLS: &[&str] = &["remote.url", "remote.pushurl", URL_BASE];

/// Stands for the URL that is the subsection of `url.*.insteadOf` and `url.*.pushInsteadOf`.
const URL_BASE: &str = "url.base";

/// If `key` names a file or directory that git executes or obeys, returns the command that makes it.
pub(super) fn maker(key: &str, value: &[u8]) -> Option<&'static str> {
    // A trace target that is no path is a number or a truth value (git-config(1), `trace2.normalTarget`).
    let is_named = !value.is_empty() && (!key.starts_with("trace2.") || is_absolute(value));
    OBEYED.iter().find(|(known, _)| is_named && *known == key).map(|(_, maker)| *maker)
}

/// Whether a path does not depend on the current directory.
pub(super) fn is_absolute(path: &[u8]) -> bool {
    path.starts_with(b"/") || path.starts_with(b"~") || path.starts_with(b"%(prefix)/")
}

/// Whether a word of a command can only be meant as a path.
pub(super) fn is_path(word: &[u8]) -> bool {
    is_absolute(word) || word.starts_with(b"./") || word.starts_with(b"../")
}

/// Something in a command that may name a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: Vec<u8>,
    /// Whether it can only be meant as a path.
    pub(super) is_path: bool,
}

/// Returns the words in `value` that may name a file, if `key` makes it a command. Only the shell knows how to read a
/// command, so all readings are returned; to look for one file too many does no harm. The command itself counts only
/// with a slash, because otherwise it is looked up in `PATH`.
pub(super) fn command_words(key: &str, value: &[u8]) -> Option<Vec<Word>> {
    let is_alias = key.starts_with("alias.");
    let is_marked = (is_alias || key == "submodule.update") && value.starts_with(b"!");
    let is_url = URLS.contains(&key) && value.starts_with(b"ext::");
    let is_command = is_url || COMMANDS.contains(&key) || key.starts_with("pager.") || is_marked;
    if !is_command {
        return None;
    }
    let value = if is_url { &value[b"ext::".len()..] } else { value };
    let value = value.strip_prefix(b"!").unwrap_or(value).trim_ascii();
    let plain = value.split(|byte| b" \t\n!'\"=;|&()".contains(byte)).filter(|word| !word.is_empty());
    let mut words = Words { found: Vec::new(), is_alias };
    plain.enumerate().for_each(|(at, word)| words.add(at, word));
    shell_words(value).iter().enumerate().for_each(|(at, word)| words.add(at, word));
    // git executes some commands without a shell. Blanks are part of the name then.
    if value.contains(&b'/') {
        words.push(value, is_path(value));
    }
    Some(words.found)
}

struct Words {
    found: Vec<Word>,
    is_alias: bool,
}

impl Words {
    fn add(&mut self, at: usize, word: &[u8]) {
        // An alias is often a longer line. Its arguments are names of branches, or of files that are only displayed.
        let is_argument = at > 0 && !self.is_alias;
        let has_slash = word.contains(&b'/');
        if !is_argument && !has_slash {
            return;
        }
        let in_home = [&b"$HOME/"[..], b"${HOME}/"].iter().find_map(|home| word.strip_prefix(*home));
        if let Some(rest) = in_home {
            return self.push(&[b"~/", rest].concat(), true);
        }
        self.push(word, is_path(word) || at == 0 && !word.contains(&b'$'));
        // An expansion before a slash is usually the top of the work tree.
        if let Some(rest) = behind_expansion(word) {
            self.push(rest, at == 0);
        } else if let Some(rest) = word.strip_prefix(b"/") {
            self.push(rest, false);
        }
    }

    fn push(&mut self, text: &[u8], is_path: bool) {
        if text.is_empty() {
            return;
        }
        match self.found.iter_mut().find(|known| known.text == text) {
            Some(known) => known.is_path |= is_path,
            None => self.found.push(Word { text: text.to_owned(), is_path }),
        }
    }
}

/// The relative path after `$(...)`, `${...}`, `` `...` `` or `$NAME` and a slash.
fn behind_expansion(word: &[u8]) -> Option<&[u8]> {
    let closed = word.windows(2).rposition(|two| matches!(two, b")/" | b"}/" | b"`/"));
    let named = || {
        let name = word.strip_prefix(b"$")?;
        let end = name.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?;
        (name[end] == b'/').then_some(end)
    };
    Some(&word[closed.or_else(named)? + 2..])
}

/// Splits a command into words like a shell (sh(1), "Quoting"). Leaves expansions as they are written.
fn shell_words(value: &[u8]) -> Vec<Vec<u8>> {
    let (mut words, mut word) = (Vec::new(), Vec::new());
    let (mut quote, mut depth) = (None, 0_usize);
    let mut bytes = value.iter().copied();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', None | Some(b'"')) => word.extend(bytes.next()),
            (b'\'' | b'"', None) if depth == 0 => quote = Some(byte),
            (_, Some(open)) if byte == open && depth == 0 => quote = None,
            (b'(', None | Some(b'"')) if depth > 0 || word.last() == Some(&b'$') => {
                depth += 1;
                word.push(byte);
            }
            (b')', _) if depth > 0 => {
                depth -= 1;
                word.push(byte);
            }
            (_, None) if depth == 0 && b" \t\n!=;|&()<>".contains(&byte) => words.push(std::mem::take(&mut word)),
            _ => word.push(byte),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Converts a key to the form in [`Setting`]: `Filter.lfs.Clean` becomes `filter.clean`.
pub(super) fn plain_key(key: &[u8]) -> String {
    let mut parts = key.split(|&byte| byte == b'.');
    let (section, name) = (parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default());
    String::from_utf8_lossy(&[section, b".", name].concat()).to_ascii_lowercase()
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
    fn words_of_commands_may_name_files() {
        let words = |key, value: &'static str| {
            let words = command_words(key, value.as_bytes())?.into_iter();
            let shown = |word: Word| {
                format!("{}{}", if word.is_path { "path " } else { "" }, String::from_utf8(word.text).unwrap())
            };
            Some(words.map(shown).collect::<Vec<_>>())
        };
        let has = |value, word: &str| {
            let words = words("filter.clean", value).unwrap();
            assert!(words.iter().any(|found| found == word), "{value}: {words:?}");
        };
        has("/path/my ws/fsm", "path /path/my ws/fsm");
        has("'/path/my ws/fsm' %f", "path /path/my ws/fsm");
        has("/path/my\\ ws/fsm %f", "path /path/my ws/fsm");
        has("tools/clean %f", "path tools/clean");
        has("sh tools/clean %f", "tools/clean");
        has("\"$(git rev-parse --show-toplevel)/tools/clean\" %f", "path tools/clean");
        has("$(git rev-parse --show-toplevel)/my\\ tools/clean", "path my tools/clean");
        has("sh ${TOP}/tools/clean", "tools/clean");
        has("$TOP/tools/clean", "path tools/clean");
        has("`pwd`/tools/clean", "path tools/clean");
        has("$HOME/ws/fsm", "path ~/ws/fsm");
        has("\"${HOME}/my ws/fsm\"", "path ~/my ws/fsm");
        assert_eq!(words("core.editor", "vim"), Some(Vec::new()));
        assert_eq!(words("core.editor", "./vim"), Some(vec!["path ./vim".into()]));
        assert_eq!(words("filter.clean", "python3 clean.py %f"), Some(vec!["clean.py".into(), "%f".into()]));
        assert_eq!(words("alias.x", "!sh tools/x HEAD"), Some(vec!["tools/x".into(), "sh tools/x HEAD".into()]));
        assert_eq!(words("alias.x", "log tools/x"), None);
        assert_eq!(words("remote.url", "https://example.org/a/b"), None);
        assert!(words("remote.url", "ext::sh tools/x %S").unwrap().contains(&"tools/x".into()));
        let settings = parse(b"[url \"ext::./\\\"x %S\"]\n\tinsteadOf = x:\n");
        assert_eq!(settings[0], (URL_BASE.into(), b"ext::./\"x %S".to_vec()));
        for key in ["gc.recentobjectshook", "lfs.clean", "lfs.args", "instaweb.modulepath"] {
            assert!(words(key, "./x").unwrap().contains(&"path ./x".into()), "{key}");
        }
        assert!(maker("trace2.eventtarget", b"~/x").is_some() && maker("trace2.eventtarget", b"1").is_none());
        assert!(maker("http.cookiefile", b"x").is_some() && maker("http.cookiefile", b"").is_none());
        assert_eq!(words("user.name", "./x"), None);
    }

    #[test]
    fn true_has_many_names() {
        assert!(["true", "YES", "on", "1", "2"].iter().all(|word| is_true(word.as_bytes())));
        assert!(["false", "", "0", "no"].iter().all(|word| !is_true(word.as_bytes())));
    }
}
