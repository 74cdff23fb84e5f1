//! The settings that may stay in a repository made by somebody else (git-config(1)): those that certainly neither
//! execute anything, nor have git read or write elsewhere. Colors can hide something from whoever looks, as attributes
//! in the repository's files can.
//!
//! Not here, though they look it:
//! - What makes a partial clone of a repository. git asks the remote for what is missing, whose URL may be anybody's,
//!   as soon as somebody looks (`git status`, `git log`).
//! - Formats: `%x0a` is a line of its own in what `git rebase -i` executes (`rebase.instructionFormat`), `%x1b` a
//!   command to the terminal (`format.pretty`, `pretty.*`).
//! - Merge strategies (`pull.twohead`), tools (`diff.tool`, `merge.tool`) and aliases: they name what is executed.
//! - Options without saying so: `remotes.*`, `showBranch.default`, `push.pushOption`.
//! - Names of files, whatever they are for: `blame.ignoreRevsFile`, `commit.template`, `user.signingKey` (with ssh),
//!   and `fsck.skipList`, thus all of `fsck.*`.
//! - What makes git overlook a file that has changed: `core.trustctime`, `core.checkStat`,
//!   `sparse.expectFilesOutsideOfPatterns`, `status.showUntrackedFiles=no`, `diff.ignoreSubmodules` and
//!   `submodule.*.ignore`.
//! - What takes a protection or a check away: `core.protectNTFS`, `clean.requireForce`, `core.sharedRepository` and
//!   `tar.umask` (others may write), `core.fsync`, `merge.verifySignatures`.
//! - What has no bound on memory, threads or time: `core.bigFileThreshold`, `grep.threads`, `pack.window`,
//!   `*.renameLimit`.
//! - What takes in what somebody else has prepared: `rerere.autoUpdate` stages resolutions from `rr-cache`.
//! - All that `git gui` keeps: it is written in a language that takes text for commands.

use Value::{Any, One, PushRefspec, Refspec, Url, Word, WorkTree};

/// What is asked of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing: it is a switch, a number, a name.
    Any,
    /// It names a repository, or is the name of a remote: no program and no option comes of it.
    Url,
    /// It is one of these, with blanks between them.
    One(&'static str),
    /// A name without a path or a scheme in it.
    Word,
    /// It fetches to `refs/remotes/` or `refs/tags/` alone, or is that of a mirror. Another one could put one object in
    /// the place of another (`refs/replace/`).
    Refspec,
    /// It pushes neither by force nor nothing at all, which would remove what is there (git-push(1), "<refspec>").
    PushRefspec,
    /// A directory of the workspace that is the work tree already.
    WorkTree,
}

/// A check that users may have for all their repositories is not switched off in one. git takes them in any case, and
/// programs write them like this.
const ON: Value = One("true yes on 1");

/// To make a signature, git starts a program. Which one, only users say (`gpg.program` is not here), but it would use a
/// key that somebody else chose (`user.email`). Off is what programs without a key set.
const OFF: Value = One("false no off 0");

/// Not a format: strftime(3) fills as much memory as one asks for (`%999999999d`).
const DATE: Value =
    One("default human iso iso8601 iso-strict iso8601-strict iso-local local raw relative rfc rfc2822 short \
     short-local unix");

/// Not all fields: `signature` has gpg look at every commit (git-for-each-ref(1)).
const SORT: Value =
    One("authordate -authordate committerdate -committerdate creatordate -creatordate refname -refname taggerdate \
     -taggerdate v:refname -v:refname version:refname -version:refname");

/// What no line begins with that `git rebase -i` executes.
const COMMENT: Value = One("auto # ; @ ! $ % ^ & | : //");

/// Others may be modules that the C library has to load, and some have commands to the terminal in them.
const ENCODING: Value = One("utf-8 UTF-8 utf8 UTF8");

/// Section, keys with blanks between them (`*` for all of the section), and what is asked of their values; in lower
/// case. With `.*` where the section has a name of its own (`remote "origin"`).
const HARMLESS: &[(&str, &str, Value)] = &[
    ("add", "ignoreerrors", Any),
    // Switches.
    ("advice", "*", Any),
    ("am", "keepcr threeway", Any),
    ("apply", "ignorewhitespace whitespace", Any),
    ("author", "email name", Any),
    ("blame", "blankboundary coloring markignoredlines markunblamablelines showemail showroot", Any),
    ("blame", "date", DATE),
    ("branch", "autosetupmerge autosetuprebase", Any),
    ("branch", "sort", SORT),
    ("branch.*", "description gh-merge-base merge rebase vscode-merge-base", Any),
    ("branch.*", "pushremote remote", Url),
    ("checkout", "defaultremote guess", Any),
    // Switches and colors.
    ("color", "*", Any),
    ("color.*", "*", Any),
    ("column", "branch clean status tag ui", Any),
    ("commit", "cleanup status verbose", Any),
    ("commit", "gpgsign", OFF),
    ("commitgraph", "changedpathsversion generationversion maxnewfilters readchangedpaths", Any),
    ("committer", "email name", Any),
    (
        "core",
        "abbrev autocrlf bare commitgraph compression eol filemode ignorecase logallrefupdates loosecompression \
         multipackindex precomposeunicode preloadindex quotepath repositoryformatversion safecrlf sparsecheckout \
         sparsecheckoutcone splitindex symlinks untrackedcache whitespace",
        Any,
    ),
    ("core", "commentchar commentstring", COMMENT),
    // Anything but a switch is a command.
    ("core", "fsmonitor", One("false")),
    ("core", "worktree", WorkTree),
    (
        "diff",
        "algorithm autorefreshindex colormoved colormovedws context dirstat indentheuristic \
         interhunkcontext mnemonicprefix noprefix relative renames statgraphwidth statnamewidth submodule \
         suppressblankempty wserrorhighlight",
        Any,
    ),
    ("extensions", "noop preciousobjects relativeworktrees worktreeconfig", Any),
    // Newer ones of `refstorage` may name a place (gitformat: `files://PATH`).
    ("extensions", "compatobjectformat objectformat refstorage", Word),
    ("feature", "manyfiles", Any),
    (
        "fetch",
        "all negotiationalgorithm output parallel prune prunetags recursesubmodules unpacklimit writecommitgraph",
        Any,
    ),
    ("fetch", "fsckobjects showforcedupdates", ON),
    ("format", "pretty", One("oneline short medium full fuller reference email mboxrd raw")),
    ("gc", "auto autodetach autopacklimit cruftpacks packrefs writecommitgraph", Any),
    ("grep", "column extendedregexp fullname linenumber patterntype", Any),
    ("http", "lowspeedlimit lowspeedtime postbuffer", Any),
    ("http", "version", One("HTTP/1.1 HTTP/2")),
    ("i18n", "commitencoding logoutputencoding", ENCODING),
    ("index", "recordendofindexentries recordoffsettable skiphash sparse threads version", Any),
    ("init", "defaultbranch", Any),
    ("interactive", "singlekey", Any),
    ("lfs", "repositoryformatversion", Any),
    (
        "log",
        "abbrevcommit decorate diffmerges excludedecoration follow graphcolors initialdecorationset mailmap showroot",
        Any,
    ),
    ("log", "date", DATE),
    ("maintenance", "auto autodetach strategy", Any),
    (
        "merge",
        "autostash branchdesc conflictstyle defaulttoupstream directoryrenames ff log renames renormalize stat \
         suppressdest verbosity",
        Any,
    ),
    (
        "pack",
        "allowpackreuse compression indexversion packsizelimit readreverseindex usebitmaps usesparse writebitmaphashcache \
         writebitmaplookuptable writereverseindex",
        Any,
    ),
    // Anything but a switch is a command; and without the user's pager, commands in texts get to the terminal.
    ("pager", "*", ON),
    ("protocol", "version", Any),
    ("pull", "ff rebase", Any),
    ("push", "autosetupremote default followtags negotiate usebitmaps", Any),
    ("push", "gpgsign", OFF),
    ("push", "useforceifincludes", ON),
    (
        "rebase",
        "abbreviatecommands autosquash autostash backend forkpoint rebasemerges reschedulefailedexec stat updaterefs",
        Any,
    ),
    ("rebase", "missingcommitscheck", One("warn error")),
    ("receive", "advertisepushoptions autogc unpacklimit updateserverinfo", Any),
    ("receive", "denycurrentbranch", One("refuse updateInstead")),
    ("receive", "denydeletecurrent denydeletes denynonfastforwards fsckobjects", ON),
    ("remote", "pushdefault", Url),
    ("remote.*", "fetch", Refspec),
    ("remote.*", "followremotehead gh-resolved mirror prune prunetags skipdefaultupdate skipfetchall", Any),
    ("remote.*", "push", PushRefspec),
    ("remote.*", "pushurl url", Url),
    ("remote.*", "tagopt", One("--tags --no-tags")),
    ("repack", "packkeptobjects updateserverinfo usedeltabaseoffset usedeltaislands writebitmaps", Any),
    ("rerere", "enabled", Any),
    ("revert", "reference", Any),
    ("splitindex", "maxpercentchange", Any),
    ("stash", "showincludeuntracked showpatch showstat", Any),
    ("status", "aheadbehind branch displaycommentprefix relativepaths renames short showstash submodulesummary", Any),
    ("status", "showuntrackedfiles", One("all normal true yes on 1")),
    ("submodule", "active fetchjobs propagatebranches recurse", Any),
    ("submodule", "alternateerrorstrategy", One("die info ignore")),
    ("submodule", "alternatelocation", One("no superproject")),
    ("submodule.*", "active branch fetchrecursesubmodules", Any),
    // `!COMMAND` is executed.
    ("submodule.*", "update", One("checkout rebase merge none")),
    ("submodule.*", "url", Url),
    ("tag", "forcesignannotated gpgsign", OFF),
    ("tag", "sort", SORT),
    ("transfer", "credentialsinurl", One("die")),
    ("transfer", "fsckobjects", ON),
    ("transfer", "unpacklimit", Any),
    ("uploadpack", "allowfilter", Any),
    ("user", "email name useconfigonly", Any),
    ("versionsort", "suffix", Any),
    ("worktree", "guessremote userelativepaths", Any),
];

/// What is asked of the value of a setting; `None` where it is not harmless. Both in lower case.
pub(super) fn rule(section: &[u8], is_named: bool, key: &[u8]) -> Option<Value> {
    let is_section = |pattern: &str| match pattern.strip_suffix(".*") {
        Some(plain) => is_named && plain.as_bytes() == section,
        None => !is_named && pattern.as_bytes() == section,
    };
    let is_key = |keys: &str| keys.split(' ').any(|one| one == "*" || one.as_bytes() == key);
    HARMLESS.iter().find(|(pattern, keys, _)| is_section(pattern) && is_key(keys)).map(|(_, _, value)| *value)
}
