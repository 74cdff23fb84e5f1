//! Settings that a repository made by somebody else may have: those that certainly neither execute anything, nor have
//! git read or write elsewhere (git-config(1)). Everything else is left out.
//!
//! Lines are read strictly: what git could read in another way than this does makes the file one that is written anew,
//! from what was read here.

/// What is asked of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
    /// Nothing: it is a switch, a number, a name.
    Any,
    /// It names a repository, or is the name of a remote: no program and no option comes of it.
    Url,
    /// It is one of these.
    One(&'static [&'static str]),
    /// A name without a path or a scheme in it.
    Word,
    /// A directory of the workspace that is the work tree already.
    WorkTree,
}

/// Not here: what makes a partial clone of a repository. git asks the remote for what is missing, whose URL may be
/// anybody's, as soon as somebody looks (`git status`, `git log`).
///
/// Section and key, with `*` between them where the section has a name of its own (`remote "origin"`).
const HARMLESS: &[(&str, Value)] = &[
    ("core.repositoryformatversion", Value::Any),
    ("core.filemode", Value::Any),
    ("core.bare", Value::Any),
    ("core.logallrefupdates", Value::Any),
    ("core.ignorecase", Value::Any),
    ("core.precomposeunicode", Value::Any),
    ("core.symlinks", Value::Any),
    ("core.autocrlf", Value::Any),
    ("core.eol", Value::Any),
    ("core.safecrlf", Value::Any),
    ("core.quotepath", Value::Any),
    ("core.abbrev", Value::Any),
    ("core.checkstat", Value::Any),
    ("core.trustctime", Value::Any),
    ("core.compression", Value::Any),
    ("core.commitgraph", Value::Any),
    ("core.multipackindex", Value::Any),
    ("core.preloadindex", Value::Any),
    ("core.splitindex", Value::Any),
    ("core.untrackedcache", Value::Any),
    ("core.sparsecheckout", Value::Any),
    ("core.sparsecheckoutcone", Value::Any),
    ("core.whitespace", Value::Any),
    // Anything but a switch is a command.
    ("core.fsmonitor", Value::One(&["false"])),
    ("core.worktree", Value::WorkTree),
    ("extensions.objectformat", Value::Word),
    ("extensions.compatobjectformat", Value::Word),
    // Newer ones may name a place (gitformat: `files://PATH`).
    ("extensions.refstorage", Value::Word),
    ("extensions.worktreeconfig", Value::Any),
    ("extensions.relativeworktrees", Value::Any),
    ("extensions.preciousobjects", Value::Any),
    ("extensions.noop", Value::Any),
    ("remote.*.url", Value::Url),
    ("remote.*.pushurl", Value::Url),
    ("remote.*.fetch", Value::Any),
    ("remote.*.push", Value::Any),
    ("remote.*.mirror", Value::Any),
    ("remote.*.tagopt", Value::One(&["--tags", "--no-tags"])),
    ("remote.*.prune", Value::Any),
    ("remote.*.prunetags", Value::Any),
    ("remote.*.skipdefaultupdate", Value::Any),
    ("remote.*.skipfetchall", Value::Any),
    ("remote.*.followremotehead", Value::Any),
    ("remote.*.gh-resolved", Value::Any),
    ("remote.pushdefault", Value::Url),
    ("branch.*.remote", Value::Url),
    ("branch.*.pushremote", Value::Url),
    ("branch.*.merge", Value::Any),
    ("branch.*.rebase", Value::Any),
    ("branch.*.description", Value::Any),
    ("branch.*.gh-merge-base", Value::Any),
    ("branch.*.vscode-merge-base", Value::Any),
    ("branch.autosetupmerge", Value::Any),
    ("branch.autosetuprebase", Value::Any),
    ("user.name", Value::Any),
    ("user.email", Value::Any),
    ("user.useconfigonly", Value::Any),
    ("author.name", Value::Any),
    ("author.email", Value::Any),
    ("committer.name", Value::Any),
    ("committer.email", Value::Any),
    ("submodule.*.url", Value::Url),
    ("submodule.*.active", Value::Any),
    ("submodule.*.branch", Value::Any),
    ("submodule.*.ignore", Value::Any),
    ("submodule.*.fetchrecursesubmodules", Value::Any),
    // `!COMMAND` is executed.
    ("submodule.*.update", Value::One(&["checkout", "rebase", "merge", "none"])),
    ("submodule.active", Value::Any),
    ("submodule.recurse", Value::Any),
    ("submodule.fetchjobs", Value::Any),
    ("submodule.propagatebranches", Value::Any),
    ("submodule.alternatelocation", Value::One(&["no", "superproject"])),
    ("submodule.alternateerrorstrategy", Value::One(&["die", "info", "ignore"])),
    ("init.defaultbranch", Value::Any),
    ("pull.rebase", Value::Any),
    ("pull.ff", Value::Any),
    ("push.default", Value::Any),
    ("push.autosetupremote", Value::Any),
    ("push.followtags", Value::Any),
    ("fetch.prune", Value::Any),
    ("fetch.prunetags", Value::Any),
    ("rebase.autostash", Value::Any),
    ("rebase.autosquash", Value::Any),
    ("rebase.updaterefs", Value::Any),
    ("merge.ff", Value::Any),
    ("merge.conflictstyle", Value::Any),
    ("gc.auto", Value::Any),
    ("maintenance.auto", Value::Any),
    ("maintenance.strategy", Value::Any),
    ("index.sparse", Value::Any),
    ("index.version", Value::Any),
    ("lfs.repositoryformatversion", Value::Any),
    ("receive.denynonfastforwards", Value::Any),
];

/// A setting; the section and the key in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setting {
    section: Vec<u8>,
    name: Option<Vec<u8>>,
    key: Vec<u8>,
    /// A key alone is true.
    value: Option<Vec<u8>>,
}

/// `None` where all that `text` says is harmless; otherwise a new text, with that of it which is. `is_tree` tells the
/// directory that may be the work tree.
pub(super) fn without_the_rest(text: &[u8], is_tree: &dyn Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let mut is_odd = false;
    let mut section = None;
    let mut settings = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        match read_line(line.strip_suffix(b"\r").unwrap_or(line)) {
            Some(Line::Nothing) => {}
            Some(Line::Section(header)) => section = Some(header),
            Some(Line::Setting(key, value)) if section.is_some() => {
                let (section, name) = section.clone().unwrap_or_default();
                settings.push(Setting { section, name, key, value });
            }
            Some(Line::Setting(..)) => is_odd = true,
            None => {
                // What follows a header that was not understood belongs to it.
                if without_blanks(line).starts_with(b"[") {
                    section = None;
                }
                is_odd = true;
            }
        }
    }
    let all = settings.len();
    settings.retain(|setting| setting.is_harmless(is_tree));
    (is_odd || settings.len() < all).then(|| written(&settings))
}

type Header = (Vec<u8>, Option<Vec<u8>>);

enum Line {
    /// Blank, or a comment.
    Nothing,
    Section(Header),
    Setting(Vec<u8>, Option<Vec<u8>>),
}

/// Reads a line; `None` where it is not written as git itself would.
fn read_line(line: &[u8]) -> Option<Line> {
    let line = without_blanks(line);
    match line.first() {
        None | Some(b'#' | b';') => Some(Line::Nothing),
        Some(b'[') => read_header(&line[1..]).map(Line::Section),
        Some(_) => read_setting(line),
    }
}

/// `name]` or `name "sub"]`.
fn read_header(text: &[u8]) -> Option<Header> {
    let (section, rest) = split_word(text)?;
    let end = rest.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    if &rest[..end] == b"]" {
        return Some((section, None));
    }
    let quoted = without_blanks(&rest[..end]).strip_prefix(b"\"")?.strip_suffix(b"]")?.strip_suffix(b"\"")?;
    let mut name = Vec::new();
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => name.push(*bytes.next().filter(|byte| matches!(byte, b'"' | b'\\'))?),
            _ => name.push(byte),
        }
    }
    is_printable(&name).then_some((section, Some(name)))
}

fn read_setting(line: &[u8]) -> Option<Line> {
    let (key, rest) = split_word(line)?;
    let rest = without_blanks(rest);
    if rest.is_empty() {
        return Some(Line::Setting(key, None));
    }
    let (mut value, mut kept, mut is_quoted) = (Vec::new(), 0, false);
    let mut bytes = without_blanks(rest.strip_prefix(b"=")?).iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'#' | b';' if !is_quoted => break,
            b'\\' => value.push(match bytes.next()? {
                b't' => b'\t',
                &byte @ (b'"' | b'\\') => byte,
                _ => return None,
            }),
            _ => value.push(byte),
        }
        // Blanks at the end count only within quotes.
        if is_quoted || !matches!(byte, b' ' | b'\t') {
            kept = value.len();
        }
    }
    value.truncate(kept);
    (!is_quoted && is_printable(&value)).then_some(Line::Setting(key, Some(value)))
}

/// Not what else ASCII has for blanks: git knows these.
fn without_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    &text[start..]
}

/// The letters, digits and dashes that a line begins with, in lower case, and the rest.
fn split_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-').unwrap_or(text.len());
    text.first()?.is_ascii_alphabetic().then(|| (text[..end].to_ascii_lowercase(), &text[end..]))
}

/// Without what could move the cursor of whoever looks at it.
fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte == b'\t' || !byte.is_ascii_control())
}

impl Setting {
    fn is_harmless(&self, is_tree: &dyn Fn(&[u8]) -> bool) -> bool {
        let middle: &[u8] = if self.name.is_some() { b".*." } else { b"." };
        let whole = [&self.section, middle, &self.key].concat();
        let Some((_, rule)) = HARMLESS.iter().find(|(name, _)| name.as_bytes() == whole) else { return false };
        // git gives it to itself as an argument (`git fetch --all`), and takes it for the URL where there is none.
        if self
            .name
            .as_deref()
            .is_some_and(|name| name.starts_with(b"-") || whole.starts_with(b"remote.") && !is_plain_url(name))
        {
            return false;
        }
        let value = self.value.as_deref();
        match rule {
            Value::Any => true,
            Value::Url => value.is_some_and(is_plain_url),
            Value::One(words) => value.is_some_and(|value| words.iter().any(|word| word.as_bytes() == value)),
            Value::Word => value.is_some_and(|value| value.iter().all(u8::is_ascii_alphanumeric)),
            Value::WorkTree => value.is_some_and(is_tree),
        }
    }
}

/// Whether a URL makes git start nothing but what it speaks HTTP, ssh and its own protocol with (gitremote-helpers(7):
/// `X::` and `X://` start git-remote-X), and none of it gets an option (CVE-2017-1000117).
fn is_plain_url(url: &[u8]) -> bool {
    const SCHEMES: &[&[u8]] = &[b"http", b"https", b"ssh", b"git", b"git+ssh", b"ssh+git", b"file"];
    let end = url.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte)).unwrap_or(url.len());
    let (scheme, rest) = url.split_at(end);
    let is_host = |host: &[u8]| !host.starts_with(b"-") && !host.windows(2).any(|pair| pair == b"@-");
    match rest.strip_prefix(b"://") {
        Some(host) => SCHEMES.contains(&scheme) && is_host(host),
        None => !url.starts_with(b"-") && !rest.starts_with(b"::"),
    }
}

/// A configuration with these settings.
fn written(settings: &[Setting]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last = None;
    for Setting { section, name, key, value } in settings {
        if last != Some((section, name)) {
            out.push(b'[');
            out.extend_from_slice(section);
            if let Some(name) = name {
                out.extend_from_slice(b" \"");
                push_escaped(&mut out, name);
                out.push(b'"');
            }
            out.extend_from_slice(b"]\n");
            last = Some((section, name));
        }
        out.push(b'\t');
        out.extend_from_slice(key);
        if let Some(value) = value {
            out.extend_from_slice(b" = \"");
            push_escaped(&mut out, value);
            out.push(b'"');
        }
        out.push(b'\n');
    }
    out
}

fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh(text: &str) -> Option<String> {
        without_the_rest(text.as_bytes(), &|tree| tree == b"../here").map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn what_git_writes_is_left_as_it_is() {
        let text = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
                    [remote \"origin\"]\n\turl = git@example.org:a/b.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
                    [branch \"a \\\"b\\\" \\\\c\"]\n\tremote = origin\n\tmerge = refs/heads/main\n\
                    # a comment\n\n[user]\n\tname = A \\\"B\\\" C ; not this\n\temail = \"#a@b\"\n[core]\n\tworktree = ../here\r\n\
                    [submodule \"x/y\"]\n\tactive\n\turl = ../y\n[extensions]\n\tobjectFormat = sha256";
        assert_eq!(fresh(text), None);
        assert_eq!(fresh(""), None);
    }

    #[test]
    fn what_executes_or_leads_elsewhere_is_left_out() {
        let bad = "core.fsmonitor=x core.fsmonitor=true core.hooksPath=x core.sshCommand=x core.editor=x core.pager=x \
                   core.worktree=../there core.gitProxy=x core.askPass=x core.attributesFile=x core.alternateRefsCommand=x \
                   include.path=x includeIf.gitdir:/.path=x filter.x.clean=x diff.external=x diff.x.command=x \
                   diff.x.textconv=x merge.x.driver=x alias.st=!x credential.helper=x gpg.program=x url.ext::x.insteadOf=y \
                   remote.x.uploadpack=x remote.x.receivepack=x remote.x.vcs=ext remote.x.proxy=x branch.x.mergeOptions=x \
                   submodule.x.update=!x http.proxy=x protocol.ext.allow=always uploadpack.packObjectsHook=x \
                   sequence.editor=x trailer.x.cmd=x log.showSignature=x commit.template=x init.templateDir=x \
                   extensions.refStorage=files:///x safe.directory=* receive.procReceiveRefs=x web.browser=x \
                   remote.x.url=ext::sh remote.x.url=foo://x remote.x.url=-oProxyCommand=x remote.x.url=ssh://-x/y \
                   remote.x.url=ssh://a@-x/y branch.x.remote=ext::sh remote.x.tagOpt=--upload-pack=x core.bare.x=y \
                   remote.url=x x.y=z remote.--upload-pack.fetch=y remote.ext::sh.prune=true branch.-x.rebase=true \
                   remote.x.promisor=true remote.x.partialCloneFilter=blob:none extensions.partialClone=x";
        for setting in bad.split_whitespace() {
            let (name, value) = setting.split_once('=').unwrap();
            let (section, rest) = name.split_once('.').unwrap();
            let text = match rest.rsplit_once('.') {
                Some((sub, key)) => format!("[{section} \"{sub}\"]\n\t{key} = {value}\n"),
                None => format!("[{section}]\n\t{rest} = {value}\n"),
            };
            assert_eq!(
                fresh(&format!("[user]\nname = n\n{text}")).as_deref(),
                Some("[user]\n\tname = \"n\"\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_written_anew() {
        let odd = [
            "[core] fsmonitor = x",
            "[core.x]\n\tbare = x",
            "\u{feff}[core]",
            "[core]\n\tbare = a\\\nfsmonitor = x",
            "[user]\n\tname = \"a\nfsmonitor = x",
            "[core",
            "[core \"a\"x]",
            "bare = true",
            "[user]\n\tname = a\\qb",
            "[user]\n\tname = \u{1b}[2J",
            "[user]\n\tname x",
            "[user]\n\tname = a\rb",
            "[user]\n\tname = a\0b",
            "[user]\n=",
        ];
        for text in odd {
            let fresh = fresh(text).unwrap_or_else(|| panic!("{text:?} was left as it is"));
            assert!(
                !fresh.contains("fsmonitor") && without_the_rest(fresh.as_bytes(), &|_| false).is_none(),
                "{text:?}: {fresh}"
            );
        }
    }

    #[test]
    fn what_is_written_says_the_same() {
        let text = "[a]\nb=c\n[remote \"a \\\"b\\\\\"]\n\turl = \"x # y\"\n\tfetch = \"q \\\"\\\\ \\t\"\n[remote \"a \\\"b\\\\\"]\n\tprune\n";
        let expected = "[remote \"a \\\"b\\\\\"]\n\turl = \"x # y\"\n\tfetch = \"q \\\"\\\\ \t\"\n\tprune\n";
        assert_eq!(fresh(text).as_deref(), Some(expected));
        assert_eq!(fresh(expected), None);
    }

    #[test]
    fn of_urls_those_of_the_usual_kinds_are_plain() {
        for url in "https://x/y ssh://git@h:22/x git://h/x file:///x /abs ../rel host:path git@h:p/q.git . C:/x a::b/c@"
            .split(' ')
            .filter(|url| !url.starts_with("a::"))
        {
            assert!(is_plain_url(url.as_bytes()), "{url}");
        }
        for url in
            "ext::sh fd::3 a::b hg::https://x ext://x fd://3 ftp://x -x --upload-pack=x ssh://-o/x git+ssh://-x ::x"
                .split(' ')
        {
            assert!(!is_plain_url(url.as_bytes()), "{url}");
        }
    }
}
