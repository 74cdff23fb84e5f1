//! Finds the parts of repositories, and holds what the host executes or obeys of them (gitrepository-layout(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::area::{Area, End, Missing};
use super::files::path_of;
use super::git_dir::{dot_git, is_git_dir};
use super::layout::{
    checkout, common_dir, directories, first_line, is_module, is_too_deep, is_worktree, is_worktree_of, leads_to,
    named_work_tree, work_tree,
};
use super::model::Surroundings;
use super::names;
use super::refuse::Limits;
use super::scopes::{Named, Scopes};
use super::walk::Walked;
use crate::error::{Error, ErrorKind, push_printable, quoted};
use crate::spec::SettleName;
use crate::sys::io_error_text;

/// The repositories in reach of a box.
pub(super) struct Repositories<'a> {
    around: &'a Surroundings<'a>,
    limits: &'a Limits,
    scopes: Scopes<'a>,
    /// Git directories, with the known tops of their work trees.
    dirs: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// Git directories of worktrees in reach: `worktrees/NAME` in another git directory.
    worktrees: BTreeSet<PathBuf>,
    tops: BTreeSet<PathBuf>,
    /// The top of the repository that the workspace lies below.
    above: Option<PathBuf>,
    /// The `.git` of the repository that the workspace belongs to, once it is added.
    own: Option<PathBuf>,
}

/// The target of a pointer file.
struct Target {
    git_dir: PathBuf,
    /// For a worktree, the git directory of its repository. Otherwise the same as `git_dir`.
    common: PathBuf,
}

/// Why a pointer file cannot be followed.
type Astray = (&'static str, &'static str);

const BROKEN: Astray = (
    "leads to no git directory",
    "mend it (git worktree repair, git submodule update --init), or remove it if it is not yours",
);
const LINKED: &str =
    "is a link that leads out of the box, so git does not work inside; it does in a directory that has both";
const FORGED: Astray = (
    "leads to a git directory outside that does not lead back here: anybody could have put it there",
    "mend it (git worktree repair), or remove it if it is not yours",
);
const NOT_YOURS: Astray =
    ("leads to a git directory that no box may write", "clone the repository into a directory of its own");

impl<'a> Repositories<'a> {
    pub(super) fn new(around: &'a Surroundings<'a>, limits: &'a Limits) -> Repositories<'a> {
        Repositories {
            around,
            limits,
            scopes: Scopes::new(around.home),
            dirs: BTreeMap::new(),
            worktrees: BTreeSet::new(),
            tops: BTreeSet::new(),
            above: None,
            own: None,
        }
    }

    /// The names that git obeys in every work tree. Call this once everything is held.
    pub(super) fn take_names(&mut self) -> Vec<SettleName> {
        self.scopes.take_names()
    }

    /// Finds the repository that `cwd` belongs to, as git does: in `cwd` or in the nearest directory above.
    pub(super) fn find_own(&mut self, area: &mut Area, cwd: &Path) -> Result<(), Error> {
        if cwd.iter().any(|part| names::is_like(part.as_bytes(), b".git")) {
            return Err(inside(cwd));
        }
        let mut dirs = cwd.ancestors().take_while(|dir| self.around.is_named || self.limits.refusal(dir).is_none());
        for dir in dirs.by_ref() {
            if let Some(is_dir) = dot_git(dir) {
                if dir == cwd {
                    self.add_own(area, dir, is_dir);
                } else {
                    self.above = Some(dir.to_owned());
                }
                break;
            }
            if is_git_dir(dir) {
                if dir != cwd {
                    return Err(inside(cwd));
                }
                self.dirs.insert(cwd.to_owned(), BTreeSet::new());
                break;
            }
        }
        Ok(())
    }

    /// The top of the repository that the directory lies in, which is not shown.
    pub(super) fn take_above(&mut self) -> Option<PathBuf> {
        self.above.take()
    }

    /// `is_dir` says that its `.git` is a directory and not a link.
    fn add_own(&mut self, area: &mut Area, top: &Path, is_dir: bool) {
        let dot_git = top.join(".git");
        if is_dir {
            self.add_top(area, top);
            area.tracked.add(top, &dot_git);
            self.admit(area, &dot_git, top);
        } else if let Err((why, remedy)) = self.add(area, &dot_git) {
            // A link is held itself, and what it leads to is not in the box (Android's repo, git-new-workdir).
            if dot_git.is_symlink() && dot_git.is_dir() {
                area.tell(&dot_git, LINKED);
            } else {
                area.give_up(&dot_git, why, remedy.into());
            }
        }
        self.own = Some(dot_git);
    }

    /// Adds the repositories that a walk through the workspace has found.
    pub(super) fn add_nested(&mut self, area: &mut Area, found: &Walked) {
        if let Some(above) = &found.too_deep {
            area.tell(above, TOO_DEEP);
        }
        for dot_git in &found.dot_gits {
            if self.own.as_ref() == Some(dot_git) {
                continue;
            }
            if area.is_over(dot_git) {
                return;
            }
            // A pointer that cannot be followed is held, and the box does not get its target.
            let _astray = self.add(area, dot_git).is_err();
        }
        for link in &found.gitmodules {
            // git writes to its target (`git submodule add`).
            area.hold(link, Missing::Ignore);
        }
        for dir in &found.bare {
            self.dirs.entry(dir.clone()).or_default();
        }
    }

    /// Adds the repository of a `.git` of any type.
    fn add(&mut self, area: &mut Area, dot_git: &Path) -> Result<(), Astray> {
        let Some(top) = dot_git.parent() else { return Err(BROKEN) };
        let is_link = dot_git.is_symlink();
        let followed = area.follow(dot_git);
        if let End::There(_, about) = &followed
            && (about.is_file() && about.size == 0 && !is_link)
        {
            // No pointer: git refuses it. Caches have such files (uv), and programs clean caches. If a program writes
            // something into it, that is a new pointer, which is put in order at the end.
            return Ok(());
        }
        self.add_top(area, top);
        let (place, about) = match followed {
            End::There(place, about) => (place, about),
            End::Missing { .. } | End::Unknown { .. } => return Err(BROKEN),
        };
        if is_link && !area.contains(&place) {
            return Err(("is a symbolic link that leads outside: anybody could have put it there", FORGED.1));
        }
        if about.is_dir() {
            if !is_git_dir(&place) {
                // The program could make it a repository by adding the missing parts.
                area.hold(&place, Missing::Ignore);
                return Err(BROKEN);
            }
            area.tracked.add(top, &place);
            self.admit(area, &place, top);
            return Ok(());
        }
        area.hold(&place, Missing::Ignore);
        let target = self.follow_pointer(area, &place, top)?;
        area.tracked.add(top, &target.git_dir);
        if target.git_dir != target.common {
            self.worktrees.insert(target.git_dir);
        }
        self.admit(area, &target.common, top);
        Ok(())
    }

    fn add_top(&mut self, area: &Area, top: &Path) {
        if area.contains(top) {
            self.tops.insert(top.to_owned());
        }
    }

    fn admit(&mut self, area: &mut Area, git_dir: &Path, top: &Path) {
        if !area.contains(git_dir) {
            area.add_region(git_dir);
        }
        self.dirs.entry(git_dir.to_owned()).or_default().insert(top.to_owned());
    }

    /// Follows a pointer file. It may come from an archive that the user has unpacked. So a target outside of the
    /// workspace only counts if it names `top` as its own work tree.
    fn follow_pointer(&self, area: &mut Area, file: &Path, top: &Path) -> Result<Target, Astray> {
        let text = first_line(file).ok_or(BROKEN)?;
        let named = top.join(path_of(text.strip_prefix(b"gitdir: ").ok_or(BROKEN)?));
        let git_dir = match area.follow(&named) {
            End::There(git_dir, about) if about.is_dir() => git_dir,
            End::There(..) | End::Missing { .. } | End::Unknown { .. } => return Err(BROKEN),
        };
        let Some(common) = common_dir(&git_dir) else { return Err(BROKEN) };
        if !is_git_dir(&common) {
            return Err(BROKEN);
        }
        if area.contains(&git_dir) && area.contains(&common) {
            return Ok(Target { git_dir, common });
        }
        let leads_back = if git_dir == common {
            is_module(&git_dir) && work_tree(&git_dir).is_some_and(|tree| tree == top)
        } else {
            is_worktree_of(&git_dir, &common) && checkout(&git_dir).is_some_and(|tree| tree == top)
        };
        if !leads_back {
            return Err(FORGED);
        }
        let is_own = fs::metadata(&common).is_ok_and(|about| about.uid() == self.around.uid);
        if !is_own || self.limits.refusal(&common).is_some() { Err(NOT_YOURS) } else { Ok(Target { git_dir, common }) }
    }

    /// Holds what must be held of each repository, and what the user's configuration names in `cwd`.
    pub(super) fn protect(&mut self, area: &mut Area, cwd: &Path) {
        self.scopes.read_common(area, self.around.git_config, cwd);
        self.protect_named_above(area);
        let mut done = BTreeSet::new();
        loop {
            // Each repository may lead to more.
            let ahead: Vec<PathBuf> = self.dirs.keys().filter(|dir| !done.contains(*dir)).cloned().collect();
            if ahead.is_empty() {
                return;
            }
            for git_dir in &ahead {
                if area.is_over(git_dir) {
                    return;
                }
                self.protect_one(area, git_dir);
            }
            done.extend(ahead);
        }
    }

    /// Holds what the repository around the workspace names in it: git outside executes `core.hooksPath = web/hooks`
    /// also where only `web` is writable.
    fn protect_named_above(&mut self, area: &mut Area) {
        let Some(top) = self.above.clone() else { return };
        let dot_git = top.join(".git");
        let pointer = || Some(top.join(path_of(first_line(&dot_git)?.strip_prefix(b"gitdir: ")?)));
        let git_dir = if dot_git.is_dir() { Some(dot_git.clone()) } else { pointer() };
        let Some((git_dir, common)) = git_dir.and_then(|dir| Some((dir.clone(), common_dir(&dir)?))) else { return };
        let mut settings = self.scopes.read(area, &common.join("config"), Missing::Ignore);
        settings.extend(self.scopes.read(area, &git_dir.join("config.worktree"), Missing::Ignore));
        self.scopes.hold_named(area, &settings, &top);
    }

    fn protect_one(&mut self, area: &mut Area, git_dir: &Path) {
        area.keep_apart(git_dir, &self.tops);
        area.hold_hooks(&git_dir.join("hooks"), Missing::Ignore);
        // Only the git directory of a worktree has one, but git obeys it in any (setup.c, get_common_dir).
        let commondir = git_dir.join("commondir");
        if fs::symlink_metadata(&commondir).is_ok() {
            if !is_worktree(git_dir) {
                // This is no worktree, so git did not make it. The program of an earlier run may have, if that run was
                // killed.
                area.give_up(
                    &commondir,
                    "makes git obey another directory, and no git has made it",
                    format!("look into it, and remove it: rm {}", quoted(&commondir)),
                );
            }
            if let Some(common) = common_dir(git_dir).filter(|common| common != git_dir && area.contains(common)) {
                self.dirs.entry(common).or_default();
            }
        }
        self.protect_settings(area, git_dir);
        self.protect_worktrees(area, git_dir);
        self.protect_modules(area, git_dir);
        hold_targets(area, git_dir);
    }

    /// Holds what the configuration names.
    fn protect_settings(&mut self, area: &mut Area, git_dir: &Path) {
        let mut settings = self.scopes.read(area, &git_dir.join("config"), Missing::Ignore);
        // git may not obey it yet, but will as soon as the user turns it on for something else
        // (git-sparse-checkout(1)).
        settings.extend(self.scopes.read(area, &git_dir.join("config.worktree"), Missing::Ignore));
        let mut tops = self.dirs.get(git_dir).cloned().unwrap_or_default();
        tops.extend(named_work_tree(git_dir, settings.iter().map(|Named { key, value, .. }| (&key[..], &value[..]))));
        if tops.is_empty() {
            // In a bare repository, hooks run in the git directory (githooks(5)).
            tops.insert(git_dir.to_owned());
        }
        tops.iter().for_each(|top| self.scopes.hold_named(area, &settings, top));
    }

    /// Looks at the directories `worktrees/NAME`, which contain the files that lead from one part to the other.
    fn protect_worktrees(&mut self, area: &mut Area, git_dir: &Path) {
        for dir in listed(area, &git_dir.join("worktrees")) {
            if area.is_over(&dir) {
                return;
            }
            if !self.worktrees.contains(&dir) {
                keep_elsewhere(area, &dir);
                continue;
            }
            let settings = self.scopes.read(area, &dir.join("config.worktree"), Missing::Ignore);
            if let Some(top) = checkout(&dir) {
                self.scopes.hold_named(area, &settings, &top);
            }
            self.protect_modules(area, &dir);
        }
    }

    /// Adds the git directories of submodules: `modules/NAME`. A name may contain slashes.
    fn protect_modules(&mut self, area: &mut Area, git_dir: &Path) {
        let mut waiting = listed(area, &git_dir.join("modules"));
        while let Some(dir) = waiting.pop() {
            if !area.budget.add_directory(|| dir.clone()) || area.is_over(&dir) {
                return;
            }
            if is_too_deep(dir.as_os_str().as_bytes()) {
                area.tell(&dir, TOO_DEEP);
            } else if is_git_dir(&dir) {
                if !self.dirs.contains_key(&dir) && area.budget.add_repository(|| dir.clone()) {
                    self.dirs.insert(dir, BTreeSet::new());
                }
            } else {
                waiting.extend(listed(area, &dir));
            }
        }
    }
}

/// Why a repository that is too deep for a mount is not held.
pub(super) const TOO_DEEP: &str =
    "holds a repository too deep to be protected during the run, since no call takes such a path";

/// Lists the directories in `dir`, which contains git directories. If it cannot be listed, it becomes read-only as a
/// whole.
fn listed(area: &mut Area, dir: &Path) -> Vec<PathBuf> {
    directories(dir).unwrap_or_else(|error| {
        if area.is_apart(dir) {
            // What is changed there is kept apart, whatever it is.
        } else if area.close(dir) {
            area.tell(dir, "cannot be listed, and is read-only with all that is in it");
        } else {
            area.give_up(
                dir,
                format!("cannot be listed ({}), and so not be protected", io_error_text(&error)),
                "see that it can be looked at (ls -l)".into(),
            );
        }
        Vec::new()
    })
}

/// Keeps the work tree of a worktree outside of the box. Without its pointer file it would seem to be gone, and
/// `git gc` would prune its entry (git-worktree(1), prune). So the box gets the pointer file, but not the other files.
///
/// The program of an earlier box may have written the entry. So a pointer file is only shown if it names this entry.
fn keep_elsewhere(area: &mut Area, git_dir: &Path) {
    let Some(tree) = checkout(git_dir) else { return };
    area.close(&tree);
    let dot_git = tree.join(".git");
    if leads_to(&dot_git, git_dir) {
        area.show(&dot_git);
    }
}

/// Holds what links in a git directory lead to, as in those of git-new-workdir and of Android's `repo`: an overlay
/// keeps the link and not its target. No box leaves a link in a git directory, so the user has made them, and people
/// have them where git itself has a name.
fn hold_targets(area: &mut Area, git_dir: &Path) {
    let links = fs::read_dir(git_dir).into_iter().flatten().flatten();
    let links = links.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink())).map(|entry| entry.path());
    for link in links.chain([git_dir.join("logs/refs")].into_iter().filter(|path| path.is_symlink())) {
        area.hold(&link, Missing::Make("touch"));
    }
}

fn inside(cwd: &Path) -> Error {
    let mut message = b"Refusing to let the program write ".to_vec();
    push_printable(&mut message, cwd);
    message.extend_from_slice(b": it lies inside of a git directory, whose hooks the host executes");
    Error::new(ErrorKind::Unsafe, message).with_hint(Some("cd into the work tree".into()))
}
