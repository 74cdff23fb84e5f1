//! Reads a configuration that somebody else has made, and leaves out all that is not harmless.
//!
//! This does not use the reader in [`config`](crate::workspace::config), which understands whatever git does. Here only
//! lines as git itself writes them count. Any other line could mean something else to another version of git, so the
//! file is then written anew, without that line.

use std::rc::Rc;

use super::settings::{self, Value};
use crate::error::quoted;
use crate::workspace::config::push_escaped;

/// At most this many settings are named in a message.
const MOST_NAMES: usize = 2;

/// The longest name of a subsection, in bytes. It is checked again for each setting in it.
const LONGEST_NAME: usize = 1000;

/// What is left of a configuration.
pub(in crate::workspace) struct Rest {
    pub(in crate::workspace) text: Vec<u8>,
    /// Why it is not the same any more.
    pub(in crate::workspace) why: String,
}

/// The header of a section: its name in lower case, and the subsection.
#[derive(Debug, PartialEq, Eq)]
struct Header {
    section: Vec<u8>,
    name: Option<Vec<u8>>,
}

/// A setting, with its key in lower case.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    /// Shared, because a file can have half as many settings as bytes.
    header: Rc<Header>,
    key: Vec<u8>,
    /// `None` for a key alone, which means true.
    value: Option<Vec<u8>>,
}

/// There are more settings than may be looked at.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::workspace) struct TooMany;

/// `None` where all that `text` says is harmless; otherwise a new text, with that of it which is. `is_tree` tells the
/// directory that may be the work tree. `most` is how many settings may be looked at; those of `text` are taken off it.
pub(in crate::workspace) fn rest(
    text: &[u8],
    most: &mut usize,
    is_tree: &dyn Fn(&[u8]) -> bool,
) -> Result<Option<Rest>, TooMany> {
    let (settings, is_odd) = read(text, most)?;
    let (kept, left_out): (Vec<_>, Vec<_>) = settings.into_iter().partition(|setting| setting.is_harmless(is_tree));
    Ok((is_odd || !left_out.is_empty()).then(|| Rest { text: written(&kept), why: why(&left_out) }))
}

/// A setting with its whole name.
pub(in crate::workspace) struct Named {
    /// As `git config` has it, with section and key in lower case.
    pub(in crate::workspace) name: Vec<u8>,
    /// A key alone is true.
    pub(in crate::workspace) value: Option<Vec<u8>>,
    pub(in crate::workspace) is_harmless: bool,
}

/// The settings in `text` in order, and whether it has lines that git does not write so.
pub(in crate::workspace) fn named(
    text: &[u8],
    most: &mut usize,
    is_tree: &dyn Fn(&[u8]) -> bool,
) -> Result<(Vec<Named>, bool), TooMany> {
    let (settings, is_odd) = read(text, most)?;
    let named = settings.into_iter().map(|setting| Named {
        name: setting.name(),
        is_harmless: setting.is_harmless(is_tree),
        value: setting.value,
    });
    Ok((named.collect(), is_odd))
}

/// The settings in `text`, and whether it has lines that git does not write so.
fn read(text: &[u8], most: &mut usize) -> Result<(Vec<Setting>, bool), TooMany> {
    let mut is_odd = false;
    let mut header = None;
    let mut settings = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        match read_line(line.strip_suffix(b"\r").unwrap_or(line)) {
            Some(Line::Nothing) => {}
            Some(Line::Section(next)) => header = Some(Rc::new(next)),
            Some(Line::Setting(key, value)) => {
                let left = most.checked_sub(1);
                *most = left.unwrap_or(0);
                left.ok_or(TooMany)?;
                match &header {
                    Some(header) => settings.push(Setting { header: Rc::clone(header), key, value }),
                    None => is_odd = true,
                }
            }
            None => {
                // What follows a header that was not understood belongs to it.
                if without_blanks(line).starts_with(b"[") {
                    header = None;
                }
                is_odd = true;
            }
        }
    }
    Ok((settings, is_odd))
}

/// Names the first settings that were left out. If there are none, only the way of writing was unusual.
fn why(left_out: &[Setting]) -> String {
    let mut named: Vec<&Setting> = Vec::new();
    let mut has_more = false;
    for setting in left_out {
        if named.iter().any(|other| other.key == setting.key && other.header == setting.header) {
            continue;
        }
        if named.len() < MOST_NAMES {
            named.push(setting);
        } else {
            has_more = true;
        }
    }
    if named.is_empty() {
        return "has lines that git does not write so (a new one has the others)".into();
    }
    let mut names: Vec<String> = named.iter().map(|setting| shown(&setting.name())).collect();
    names.extend(has_more.then(|| "...".into()));
    format!("has settings that may do harm ({}; a new one has the others)", names.join(", "))
}

/// The name of a setting for a message: quoted if it could be taken for a part of the message, and without its middle
/// if it is long.
fn shown(name: &[u8]) -> String {
    const END: usize = 20;
    let letters: Vec<char> = String::from_utf8_lossy(name).chars().collect();
    let ends = if letters.len() > 2 * END {
        [&letters[..END], &['.'; 3], &letters[letters.len() - END..]].concat()
    } else {
        letters
    };
    quoted(ends.into_iter().collect::<String>())
}

enum Line {
    /// Blank, or a comment.
    Nothing,
    Section(Header),
    Setting(Vec<u8>, Option<Vec<u8>>),
}

/// Reads a line. `None` if git itself would not write it so.
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
        return Some(Header { section, name: None });
    }
    // Without a blank between them git refuses the whole file (config.c, `get_base_var`).
    let quoted = rest[..end].strip_prefix(b" ").or_else(|| rest[..end].strip_prefix(b"\t"))?;
    let quoted = without_blanks(quoted).strip_prefix(b"\"")?.strip_suffix(b"]")?.strip_suffix(b"\"")?;
    let mut name = Vec::new();
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => name.push(*bytes.next().filter(|byte| matches!(byte, b'"' | b'\\'))?),
            _ => name.push(byte),
        }
    }
    let is_plain = name.len() <= LONGEST_NAME && is_printable(&name);
    is_plain.then_some(Header { section, name: Some(name) })
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

/// Removes blanks and tabs at the start. git takes nothing else for a blank in a line.
fn without_blanks(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t')).unwrap_or(text.len());
    &text[start..]
}

/// The letters, digits and dashes that a line begins with, in lower case, and the rest.
fn split_word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-').unwrap_or(text.len());
    text.first()?.is_ascii_alphabetic().then(|| (text[..end].to_ascii_lowercase(), &text[end..]))
}

/// Whether there is no control character, which could move the cursor of a terminal.
fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|&byte| byte == b'\t' || !byte.is_ascii_control())
}

impl Setting {
    /// The name as `git config` shows it.
    fn name(&self) -> Vec<u8> {
        let Header { section, name } = &*self.header;
        [Some(section), name.as_ref(), Some(&self.key)].into_iter().flatten().cloned().collect::<Vec<_>>().join(&b'.')
    }

    fn is_harmless(&self, is_tree: &dyn Fn(&[u8]) -> bool) -> bool {
        let Header { section, name } = &*self.header;
        let Some(rule) = settings::rule(section, name.is_some(), &self.key) else { return false };
        // git gives it to itself as an argument (`git fetch --all`), and takes it for the URL where there is none.
        let is_bad = |name: &Vec<u8>| name.starts_with(b"-") || section == b"remote" && !is_plain_url(name);
        if name.as_ref().is_some_and(is_bad) {
            return false;
        }
        let value = self.value.as_deref();
        match rule {
            Value::Any => true,
            Value::Url => value.is_some_and(is_plain_url),
            Value::Refspec => value.is_some_and(is_usual_refspec),
            Value::PushRefspec => value.is_some_and(|value| !value.starts_with(b"+") && !value.starts_with(b":")),
            Value::One(words) => value.is_some_and(|value| words.split(' ').any(|word| word.as_bytes() == value)),
            Value::Word => value.is_some_and(|value| value.iter().all(u8::is_ascii_alphanumeric)),
            Value::WorkTree => value.is_some_and(is_tree),
        }
    }
}

/// What `git clone --mirror` fetches: all.
pub(in crate::workspace) const MIRROR: &[u8] = b"+refs/*:refs/*";

/// Whether a refspec writes to nothing but remote-tracking branches and tags (git-fetch(1), "<refspec>"), or is that of
/// a mirror.
fn is_usual_refspec(refspec: &[u8]) -> bool {
    if refspec == MIRROR {
        return true;
    }
    let mut parts = refspec.splitn(2, |&byte| byte == b':').skip(1);
    parts.next().is_none_or(|to| to.is_empty() || to.starts_with(b"refs/remotes/") || to.starts_with(b"refs/tags/"))
}

/// Whether a URL makes git start nothing but what it speaks HTTP, ssh and its own protocol with (gitremote-helpers(7):
/// `X::` and `X://` start git-remote-X), and none of it gets an option (CVE-2017-1000117).
pub(super) fn is_plain_url(url: &[u8]) -> bool {
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
    for Setting { header, key, value } in settings {
        if last != Some(header) {
            out.push(b'[');
            out.extend_from_slice(&header.section);
            if let Some(name) = &header.name {
                out.extend_from_slice(b" \"");
                push_escaped(&mut out, name);
                out.push(b'"');
            }
            out.extend_from_slice(b"]\n");
            last = Some(header);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(text: &[u8], is_tree: &dyn Fn(&[u8]) -> bool) -> Option<Rest> {
        super::rest(text, &mut usize::MAX.clone(), is_tree).unwrap()
    }

    fn fresh(text: &str) -> Option<String> {
        rest(text.as_bytes(), &|tree| tree == b"../here").map(|rest| String::from_utf8(rest.text).unwrap())
    }

    fn why(text: &str) -> String {
        rest(text.as_bytes(), &|_| false).unwrap().why
    }

    /// Settings such as `a.b=c` or `a.b c.d=e`, each as a file of its own; `+` is a blank in a value.
    fn files(settings: &str) -> impl Iterator<Item = String> {
        settings.split_whitespace().map(|setting| {
            let (name, value) = setting.split_once('=').unwrap();
            let (section, rest) = name.split_once('.').unwrap();
            match rest.rsplit_once('.') {
                Some((sub, key)) => format!("[{section} \"{sub}\"]\n\t{key} = {value}\n"),
                None => format!("[{section}]\n\t{rest} = {value}\n"),
            }
        })
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
                   remote.x.promisor=true remote.x.partialCloneFilter=blob:none extensions.partialClone=x \
                   pager.log=x pager.x.y=true rebase.instructionFormat=%x0aexec format.pretty=%x1b \
                   pretty.x=%x1b commit.gpgSign=true tag.gpgSign=true push.gpgSign=if-asked merge.verifySignatures=true \
                   branch.sort=signature tag.sort=-signature log.date=format:%9d core.commentChar=e pull.twohead=x \
                   pull.octopus=x diff.tool=x merge.tool=x diff.orderFile=x blame.ignoreRevsFile=x user.signingKey=x \
                   http.x.postBuffer=1 http.sslVerify=false http.extraHeader=x http.version=x i18n.commitEncoding=x \
                   remotes.default=--x showBranch.default=--x core.sharedRepository=0666 core.protectNTFS=false \
                   clean.requireForce=false transfer.fsckObjects=false fsck.skipList=x gui.wmstate=x ssh.variant=x \
                   advice.x.y=false status.x.short=true gc.recentObjectsHook=x gc.repackFilterTo=x \
                   merge.verifySignatures=false log.showSignature=false transfer.credentialsInUrl=warn pager.log=false \
                   core.bigFileThreshold=100g grep.threads=9999 pack.window=9999 pack.threads=99 diff.renameLimit=0 \
                   tar.umask=0 core.fsync=none receive.denyCurrentBranch=ignore receive.denyDeletes=false \
                   push.useForceIfIncludes=false fetch.showForcedUpdates=false rebase.missingCommitsCheck=ignore \
                   core.warnAmbiguousRefs=false rerere.autoUpdate=true";
        for text in files(bad) {
            assert_eq!(
                fresh(&format!("[user]\nname = n\n{text}")).as_deref(),
                Some("[user]\n\tname = \"n\"\n"),
                "{text}"
            );
        }
    }

    #[test]
    fn what_people_set_every_day_is_left_as_it_is() {
        let good = "color.ui=auto color.status.added=green advice.detachedHead=false rerere.enabled=true \
                    commit.gpgSign=false tag.gpgSign=false push.useForceIfIncludes=true \
                    pull.rebase=true pull.ff=only merge.conflictStyle=zdiff3 merge.ff=false rebase.autoStash=true \
                    rebase.autoSquash=true fetch.prune=true push.default=current push.autoSetupRemote=true \
                    init.defaultBranch=main diff.algorithm=histogram diff.renames=copies diff.colorMoved=zebra \
                    status.showUntrackedFiles=all status.short=true log.date=iso log.abbrevCommit=true column.ui=auto \
                    core.quotePath=off core.abbrev=12 core.commentChar=@ branch.sort=-committerdate \
                    tag.sort=-version:refname pager.branch=true i18n.commitEncoding=utf-8 http.postBuffer=524288000 \
                    commit.verbose=true format.pretty=oneline transfer.fsckObjects=true stash.showPatch=true \
                    user.useConfigOnly=true index.version=4 feature.manyFiles=true protocol.version=2 \
                    receive.denyCurrentBranch=updateInstead uploadpack.allowFilter=true";
        for text in files(good) {
            assert_eq!(fresh(&text), None, "{text}");
        }
    }

    #[test]
    fn the_first_settings_are_named() {
        let said = |names: &str| format!("has settings that may do harm ({names}; a new one has the others)");
        assert_eq!(why("[core]\n\tbare\n\tfsMonitor = x"), said("core.fsmonitor"));
        let text = "[core]\nfsmonitor=x\nfsmonitor=y\n[Filter \"Lfs\"]\nclean=x\n[core]\nfsmonitor\n";
        assert_eq!(why(text), said("core.fsmonitor, filter.Lfs.clean"));
        let more = "smudge=x\nsmudge=y\nprocess=x\n";
        assert_eq!(why(&format!("{text}[filter \"Lfs\"]\n{more}")), said("core.fsmonitor, filter.Lfs.clean, ..."));
        // What could be taken for more of the line is one word, and a short one.
        assert_eq!(why("[a \"b), and is now c; if you'\"]\nd"), said("'a.b), and is now c; if you'\\''.d'"));
        assert_eq!(why("[a \"\u{202e}\"]\nd"), said("$'a.\\342\\200\\256.d'"));
        let long = format!("[includeIf \"gitdir:{}\"]\npath=x", "/x".repeat(300));
        assert_eq!(why(&long), said("includeif.gitdir:/x/...x/x/x/x/x/x/x/x.path"));
        assert_eq!(why("[core] bare = x"), "has lines that git does not write so (a new one has the others)");
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
            "[remote\"origin\"]\n\turl = x",
            "[remote \"origin\" ]\n\turl = x",
            "[core ]\n\tbare = x",
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
            assert!(!fresh.contains("fsmonitor") && rest(fresh.as_bytes(), &|_| false).is_none(), "{text:?}: {fresh}");
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
