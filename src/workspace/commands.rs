//! Which settings of git name code that git executes, or files that it obeys (git-config(1)).

use super::config::URL_BASE;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::config;

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
        let settings = config::parse(b"[url \"ext::./\\\"x %S\"]\n\tinsteadOf = x:\n");
        assert_eq!(settings[0], (URL_BASE.into(), b"ext::./\"x %S".to_vec()));
        for key in ["gc.recentobjectshook", "lfs.clean", "lfs.args", "instaweb.modulepath"] {
            assert!(words(key, "./x").unwrap().contains(&"path ./x".into()), "{key}");
        }
        assert!(maker("trace2.eventtarget", b"~/x").is_some() && maker("trace2.eventtarget", b"1").is_none());
        assert!(maker("http.cookiefile", b"x").is_some() && maker("http.cookiefile", b"").is_none());
        assert_eq!(words("user.name", "./x"), None);
    }
}
