//! What was done, for whoever puts it into words.

use std::collections::BTreeSet;

/// What became of a git directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// What is on the host now.
    pub taken: Vec<Taken>,
    /// What stays in the upper layer.
    pub kept: Vec<Kept>,
    /// Refs that have changed on both sides.
    pub moved: Vec<Moved>,
    /// There is no git on this host. So nothing was taken.
    pub is_git_missing: bool,
    /// What is in `kept`: its path, its name, why. A box can have any number of things kept.
    pub(super) known: BTreeSet<Known>,
}

/// The path, the name and the reason of something that was not taken over.
pub(super) type Known = (Vec<u8>, Option<Vec<u8>>, &'static str);

/// Something that was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The git directory: empty, or that of a module or worktree.
    pub dir: Vec<u8>,
    /// What of it.
    pub what: What,
}

/// What was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The git directory itself is new.
    Directory,
    /// So many new packs.
    Objects(usize),
    /// A ref. Its values are hexadecimal, or `ref: NAME`; `None`: it does not exist.
    Ref {
        /// Its name.
        name: Vec<u8>,
        /// Its value before.
        old: Option<Vec<u8>>,
        /// Its value now.
        new: Option<Vec<u8>>,
    },
    /// `HEAD`, and what it says now.
    Head(Vec<u8>),
    /// A file or directory of the state: `MERGE_HEAD`, `rebase-merge`.
    State {
        /// What it is called.
        name: Vec<u8>,
        /// Whether it exists now.
        is_there: bool,
    },
    /// So many paths of the index.
    Index(usize),
    /// A setting.
    Setting {
        /// Its key.
        key: Vec<u8>,
        /// Whether it is set now.
        is_there: bool,
    },
    /// A stash of the user's that is on the list no more, by the commit that has it.
    Dropped(Vec<u8>),
}

/// Something that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its path in the upper layer.
    pub path: Vec<u8>,
    /// The ref or the setting in that file, if it is about one.
    pub name: Option<Vec<u8>>,
    /// The last value of that setting. `None` also if it has none any more.
    pub value: Option<Vec<u8>>,
    /// Why, as the end of a sentence about it.
    pub why: &'static str,
}

/// A ref that has changed on both sides. The user's stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The git directory.
    pub dir: Vec<u8>,
    /// The ref.
    pub name: Vec<u8>,
    /// The ref that has the box's value.
    pub kept_as: Vec<u8>,
}

impl TakenOver {
    pub(super) fn take(&mut self, dir: &[u8], what: What) {
        self.taken.push(Taken { dir: dir.to_vec(), what });
    }

    pub(super) fn keep(&mut self, path: Vec<u8>, name: Option<&[u8]>, why: &'static str) {
        self.keep_all_of(Kept { path, name: name.map(<[u8]>::to_vec), value: None, why });
    }

    pub(super) fn keep_all_of(&mut self, kept: Kept) {
        if self.known.insert((kept.path.clone(), kept.name.clone(), kept.why)) {
            self.kept.push(kept);
        }
    }

    pub(super) fn is_kept(&self, path: &[u8]) -> bool {
        self.known.range((path.to_vec(), None, "")..).next().is_some_and(|(first, ..)| first == path)
    }
}
