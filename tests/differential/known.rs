//! Known differences: where pinfold, on purpose, does not do what a reference does.
//!
//! pinfold follows bubblewrap 0.11.1 except where its way is a hole; the references here are older or newer than that.
//! A row that starts to agree fails the run: take it out then.

use crate::case::Who;
use crate::support::{Actor, Reference};

/// Which references a row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Against {
    All,
    /// Those below 0.12.
    Older,
    /// 0.12 and later.
    Newer,
}
use Against::{All, Newer, Older};
use What::{Hangs, Result, Words};

/// How much differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Only the text on stderr; all else is compared still.
    Words,
    /// What happens.
    Result,
    /// The reference never ends, so it is not run: bubblewrap's child waits for ever when its parent dies too early.
    Hangs,
}

/// A known difference: in which case, whose run, against which reference, in what, and why.
pub(crate) struct Known {
    pub(crate) case: &'static str,
    who: Who,
    against: Against,
    pub(crate) what: What,
    pub(crate) why: &'static str,
}

const fn known(case: &'static str, against: Against, what: What, why: &'static str) -> Known {
    Known { case, who: Who::Both, against, what, why }
}

impl Known {
    const fn user(mut self) -> Known {
        self.who = Who::User;
        self
    }

    const fn root(mut self) -> Known {
        self.who = Who::Root;
        self
    }
}

/// Reasons that several rows share.
mod why {
    pub(super) const BOUNDING: &str =
        "bubblewrap leaves root's bounding set full; ours holds no more than was asked for";
    pub(super) const ESCAPE: &str = "CVE-2026-87766: before 0.12 this reached the host's files";
    pub(super) const GAVE_UP: &str = "the child waits for a parent that gave up";
    pub(super) const LINK: &str = "a link at the destination is resolved inside the new root and works";
    pub(super) const NO_LOCK: &str = "without its lock the command never runs";
    pub(super) const PTS: &str = "without a second user namespace the uid 0 that owns devpts is not mapped";
    pub(super) const SAME_LINK: &str = "since 0.9 a link that is there already is no error, and another is described";
    pub(super) const SLASH: &str = "a slash after the name of a file does no harm, as in 0.12";
    pub(super) const STRICT: &str = "ids are read strictly";
    pub(super) const TWO_LINES: &str = "one error, one line: the second tells of the inner workings";
    pub(super) const WORDS_0_12: &str = "0.12 has other words; ours are those of 0.11";
}

pub(crate) const KNOWN: &[Known] = &[
    // Words to options.
    known("version", Older, Result, "we say 0.12.0, so that callers find every option of it"),
    known("version-with-more", Older, Result, "we say 0.12.0, so that callers find every option of it"),
    known("uid-with-blank", All, Result, why::STRICT),
    known("uid-with-plus", All, Result, why::STRICT),
    known("uid-too-large", All, Result, why::STRICT),
    known("gid-too-large", All, Result, why::STRICT),
    known("R --userns 6 --unshare-user true", Newer, Words, why::WORDS_0_12),
    known("R --userns 6 --unshare-user-try true", Newer, Words, why::WORDS_0_12),
    known("R --userns 6 --unshare-all true", Newer, Words, why::WORDS_0_12),
    known("R --unshare-user --disable-userns --userns-block-fd 6 --info-fd 7 true", Newer, Words, why::WORDS_0_12),
    known(
        "R --exec-label a --exec-label b true",
        All,
        Words,
        "a line is read to its end before labels are found to be unsupported",
    ),
    known(
        "R --file-label a --file-label b true",
        All,
        Words,
        "a line is read to its end before labels are found to be unsupported",
    ),
    // Descriptors.
    known("info-not-open", All, Hangs, why::GAVE_UP),
    known("json-not-open", All, Hangs, why::GAVE_UP),
    known("userns2-not-a-namespace", All, Hangs, why::GAVE_UP),
    known("userns2-twice", All, Hangs, why::GAVE_UP),
    known("sync-fd-as-pid-1", All, Result, "the descriptor does not leak into the command"),
    known("pidns-not-a-namespace", All, Words, why::TWO_LINES),
    known("pidns-not-open", All, Words, why::TWO_LINES),
    known("R --pidns 6 --pidns 7 true", All, Words, why::TWO_LINES),
    known("file-fd-twice", Newer, Words, "0.12 reads a number that by then is another of its own"),
    known("bind-fd-twice", Newer, Result, "a descriptor may be bound twice"),
    known("lock-missing", All, Result, why::NO_LOCK),
    known("lock-busy", All, Result, why::NO_LOCK),
    // Users and capabilities.
    known("cap-drop-all", All, Result, why::BOUNDING).root(),
    known("cap-drop-all-lower", All, Result, why::BOUNDING).root(),
    known("cap-drop-one", All, Result, why::BOUNDING).root(),
    known("cap-drop-then-add", All, Result, why::BOUNDING).root(),
    known("cap-add-then-drop", All, Result, why::BOUNDING).root(),
    known("userns2", All, Result, why::BOUNDING),
    known("userns2-dev", All, Result, why::BOUNDING),
    // The process.
    known("cwd-logical-relative", All, Result, "PWD=. makes bubblewrap go to / and call it `.`"),
    // /dev and message queues.
    known("dev-tree", All, Result, why::PTS).user(),
    known("dev-modes", All, Result, why::PTS).user(),
    known("dev-elsewhere", All, Result, why::PTS).user(),
    known("dev-alone", All, Result, why::PTS).user(),
    known("dev-uid-map", All, Result, "there is no second user namespace").user(),
    known("mqueue", All, Result, "nosuid and nodev, as every other mount"),
    // Making files.
    known("symlink-same", Older, Result, why::SAME_LINK),
    known("symlink-same-in-ro", Older, Result, why::SAME_LINK),
    known("symlink-other", Older, Words, why::SAME_LINK),
    known("symlink-over-file", Older, Words, why::SAME_LINK),
    known("symlink-over-dir", Older, Words, why::SAME_LINK),
    known("empty-symlink", Older, Words, why::SAME_LINK),
    known(
        "file-through-host-link",
        Newer,
        Result,
        "0.12 refuses links; 0.11 follows them, and inside the new root that is safe",
    ),
    known("chmod-none-missing", Newer, Words, why::WORDS_0_12),
    known("perms-minus-nothing", All, Result, "a mode has no sign but a plus"),
    known("chmod-link", Newer, Result, "0.12 refuses links; 0.11 follows them, and inside the new root that is safe"),
    known("bind-dir-over-file", Newer, Words, why::WORDS_0_12),
    known("bind-file-over-dir", Newer, Words, why::WORDS_0_12),
    known("bind-new-in-ro", Newer, Words, why::WORDS_0_12),
    known("bind-new-file-in-ro", Newer, Words, why::WORDS_0_12),
    known("remount-ro-not-a-mount", Newer, Words, why::WORDS_0_12),
    known("remount-ro-missing", Newer, Words, why::WORDS_0_12),
    known("tmpfs-over-file", Newer, Words, why::WORDS_0_12),
    known("tmpfs-in-ro", Newer, Words, why::WORDS_0_12),
    known("dir-over-file", Newer, Words, why::WORDS_0_12),
    known("dir-in-ro", Newer, Words, why::WORDS_0_12),
    known("bind-data-over-dir", Newer, Words, why::WORDS_0_12),
    known("chmod-missing", Newer, Words, why::WORDS_0_12),
    known("proc-over-file", Newer, Words, why::WORDS_0_12),
    known("proc-in-ro", Newer, Words, why::WORDS_0_12),
    known("dev-over-file", Newer, Words, why::WORDS_0_12),
    known("dev-in-ro", Newer, Words, why::WORDS_0_12),
    known("mqueue-in-ro", Newer, Words, why::WORDS_0_12),
    known("mqueue-shared-ipc", Newer, Words, why::WORDS_0_12).user(),
    known("tmp-overlay-over-file", Newer, Words, why::WORDS_0_12),
    known("tmp-overlay-file", Newer, Words, why::WORDS_0_12),
    known("overlay-overlap", Newer, Words, why::WORDS_0_12),
    known("overlay-same-twice", Newer, Words, why::WORDS_0_12),
    // Links at destinations.
    known("dot-dot-above-root", Older, Result, "`..` at the root stays there; before 0.12 it led out of the new root"),
    known("trailing-slash-file", Older, Result, why::SLASH),
    known("trailing-slash-file-existing", Older, Result, why::SLASH),
    known("trailing-slash-bind-existing", Older, Result, why::SLASH),
    known("trailing-slash-in-ro", Newer, Words, why::WORDS_0_12),
    known("trailing-slash-remount", Newer, Words, why::WORDS_0_12),
    known("dot-behind-file", Newer, Words, why::WORDS_0_12),
    known("dot-behind-file-new", Newer, Words, why::WORDS_0_12),
    known("dot-behind-symlink", Older, Words, why::SAME_LINK),
    known(
        "dot-dot-behind-new",
        Older,
        Result,
        "before 0.12 a mount at `..` was looked for under a name that it covers",
    ),
    known("dot-dot-to-root", All, Result, "`/..` is the root, and what is mounted there is the new one"),
    known("double-slash-remount", Newer, Words, why::WORDS_0_12),
    known("double-slash-remount-no-mount", Newer, Words, why::WORDS_0_12),
    known("dot-dot-remount", Newer, Words, why::WORDS_0_12),
    known("link-remount", Newer, Words, why::WORDS_0_12),
    known("relative-remount", Newer, Words, why::WORDS_0_12),
    known("relative-mqueue", Newer, Words, why::WORDS_0_12),
    known("empty-mqueue", Newer, Words, why::WORDS_0_12),
    known("empty-source-try", All, Result, "an empty path leads nowhere; bubblewrap shows the host's root for it"),
    known(
        "relative-source-try",
        All,
        Result,
        "what is missing in the current directory is skipped; bubblewrap shows what the host's root has of that name",
    ),
    known("root-closed", All, Words, "no directory can be entered: that is said, and nothing is executed"),
    known("link-loop", Older, Words, "the loop is above the last part, as 0.12 says"),
    known("link-parent-absolute", Older, Result, why::LINK),
    known("link-parent-dangling", All, Result, why::LINK),
    known("link-parent-absolute-dangling", All, Result, why::LINK),
    known("link-tmpfs-absolute", All, Result, why::LINK),
    known("link-bind-absolute", All, Result, why::LINK),
    known("link-bind-dangling", All, Result, why::LINK),
    known("link-file-absolute", All, Result, why::LINK),
    known("link-of-host-absolute", All, Result, why::LINK),
    known("escape-dangling", All, Result, why::LINK),
    known("link-dir", Newer, Result, why::LINK),
    known("link-tmpfs", Newer, Result, why::LINK),
    known("link-bind", Newer, Result, why::LINK),
    known("link-bind-file", Newer, Result, why::LINK),
    known("link-bind-file-dangling", Newer, Result, why::LINK),
    known("link-bind-fd-slash", Newer, Result, why::LINK),
    known("link-data", Newer, Result, why::LINK),
    known("link-file", Newer, Result, why::LINK),
    known("link-file-dangling", Newer, Result, why::LINK),
    known("link-proc", Newer, Result, why::LINK),
    known("link-dev", Newer, Result, why::LINK),
    known("link-of-host", Newer, Result, why::LINK),
    known("link-of-host-dir", Newer, Result, why::LINK),
    known("link-of-host-chain", Newer, Result, why::LINK),
    known("overlay-link-dest", Newer, Result, why::LINK),
    // Links that point out of the box.
    known("escape-staging-file", Older, Result, why::ESCAPE),
    known("escape-staging-bind", Older, Result, why::ESCAPE),
    known("escape-staging-tmpfs", Older, Result, why::ESCAPE),
    known("escape-staging-symlink", Older, Result, why::ESCAPE),
    known("escape-staging-chmod", Older, Result, why::ESCAPE),
    known("escape-staging-own-link", Older, Result, why::ESCAPE),
    known("escape-dir", Older, Words, "the link leads into the box, where the error is another"),
    known("escape-dir-visible", Older, Words, "the link leads into the box, where the error is another"),
    known("escape-file", Older, Words, "the link leads into the box, where the error is another"),
    known("escape-proc", Older, Words, "the link leads into the box, where the error is another"),
    known("escape-dir", Newer, Words, why::WORDS_0_12),
    known("escape-dir-visible", Newer, Words, why::WORDS_0_12),
    known("escape-staging-file", Newer, Words, why::WORDS_0_12),
    known("escape-staging-bind", Newer, Words, why::WORDS_0_12),
    known("escape-staging-tmpfs", Newer, Words, why::WORDS_0_12),
    known("escape-staging-symlink", Newer, Words, why::WORDS_0_12),
    known("escape-staging-chmod", Newer, Words, why::WORDS_0_12),
    known("escape-staging-own-link", Newer, Words, why::WORDS_0_12),
    known("escape-dev", Newer, Words, why::WORDS_0_12),
    known("escape-staging-dir", All, Words, "the link leads into the box, where the error is another"),
    known("escape-up", All, Words, "the link leads into the box, where the error is another"),
];

/// What is known about `case` as `actor` against `reference`.
pub(crate) fn difference(case: &str, actor: Actor, reference: &Reference) -> Option<&'static Known> {
    let applies = |known: &&Known| {
        known.case == case
            && (known.who == Who::Both || (known.who == Who::Root) == (actor == Actor::Root))
            && match known.against {
                All => true,
                Older => reference.version < (0, 12, 0),
                Newer => reference.version >= (0, 12, 0),
            }
    };
    KNOWN.iter().find(applies)
}
