//! Repositories: where their parts are, and what of them the host executes or obeys (gitrepository-layout(5)).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::area::{Area, End, Missing};
use super::refuse::Limits;
use super::walk::Found;
use super::{CODE, Surroundings, config};
use crate::error::{Error, push_printable, quoted};
use crate::spec::OnAppear;

/// The repositories that a box has to do with.
pub(super) struct Repositories<'a> {
    around: &'a Surroundings<'a>,
    limits: &'a Limits,
    /// Git directories with the tops of their work trees, as far as known.
    dirs: BTreeMap<PathBuf, BTreeSet<PathBuf>>,
    /// Git directories of worktrees in reach: `worktrees/NAME` of another one.
    worktrees: BTreeSet<PathBuf>,
    /// Git directories that nobody works in directly, and that may lack what others have.
    bare: BTreeSet<PathBuf>,
    tops: BTreeSet<PathBuf>,
    /// Git directories of all worktrees, wherever these are.
    known: BTreeSet<PathBuf>,
}

/// What a pointer file leads to.
struct Target {
    git_dir: PathBuf,
    /// The same, but for a worktree.
    common: PathBuf,
}

/// What keeps a pointer file from being followed.
type Astray = (&'static str, &'static str);

const BROKEN: Astray = (
    "leads to no git directory",
    "mend it (git worktree repair, git submodule update --init), or remove it if it is not yours",
);
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
            dirs: BTreeMap::new(),
            worktrees: BTreeSet::new(),
            bare: BTreeSet::new(),
            tops: BTreeSet::new(),
            known: BTreeSet::new(),
        }
    }

    /// The work trees in reach, but for the workspace itself.
    pub(super) fn tops(&self) -> impl Iterator<Item = &Path> {
        self.tops.iter().map(PathBuf::as_path)
    }

    /// All git directories that were found, of worktrees too.
    pub(super) fn into_known(self) -> BTreeSet<PathBuf> {
        let mut known = self.known;
        known.extend(self.dirs.into_keys());
        known
    }

    /// Finds the repository that `cwd` belongs to, as git does: here, or in the nearest directory above.
    pub(super) fn find_own(&mut self, area: &mut Area, cwd: &Path) -> Result<(), Error> {
        if cwd.iter().any(|part| part == ".git") {
            return Err(inside(cwd));
        }
        for dir in cwd.ancestors() {
            // A repository of the home directory is not shown to every project in it.
            if self.limits.refusal(dir).is_some() {
                break;
            }
            if let Ok(about) = fs::symlink_metadata(dir.join(".git"))
                && (!about.is_dir() || is_git_dir(&dir.join(".git")))
            {
                // git obeys nobody else's repository either (safe.directory).
                if dir == cwd || about.uid() == self.around.uid {
                    self.add_own(area, cwd, dir);
                }
                break;
            }
            if is_git_dir(dir) {
                if dir != cwd {
                    return Err(inside(cwd));
                }
                self.dirs.insert(cwd.to_owned(), BTreeSet::new());
                return Ok(());
            }
        }
        Ok(())
    }

    fn add_own(&mut self, area: &mut Area, cwd: &Path, top: &Path) {
        if top != cwd {
            area.show(top);
        }
        let dot_git = top.join(".git");
        if let Err((why, remedy)) = self.add(area, &dot_git) {
            area.give_up(&dot_git, why, remedy.into());
        }
    }

    /// Adds what a walk through the workspace has found.
    pub(super) fn add_nested(&mut self, area: &mut Area, found: &Found) {
        for dot_git in &found.dot_gits {
            // One that leads astray is held, and what it leads to is not in the box.
            let _astray = self.add(area, dot_git).is_err();
        }
        for dir in &found.bare {
            if !self.dirs.contains_key(dir) {
                self.bare.insert(dir.clone());
                self.dirs.insert(dir.clone(), BTreeSet::new());
            }
        }
    }

    /// Adds the repository of a `.git`, whatever that is.
    fn add(&mut self, area: &mut Area, dot_git: &Path) -> Result<(), Astray> {
        let Some(top) = dot_git.parent() else { return Err(BROKEN) };
        if area.contains(top) {
            self.tops.insert(top.to_owned());
        }
        let is_link = dot_git.is_symlink();
        let (place, about) = match area.follow(dot_git) {
            End::There(place, about) => (place, about),
            End::Missing { .. } | End::Unknown(_) => return Err(BROKEN),
        };
        if is_link && !area.contains(&place) {
            return Err(("is a symbolic link that leads outside: anybody could have put it there", FORGED.1));
        }
        if about.is_dir() {
            if !is_git_dir(&place) {
                // Whoever completes it has made a repository.
                area.hold(&place, Missing::Ignore);
                return Err(BROKEN);
            }
            self.admit(area, &place, top);
            return Ok(());
        }
        area.hold(&place, Missing::Ignore);
        let target = self.follow_pointer(area, &place, top)?;
        if target.git_dir != target.common {
            self.worktrees.insert(target.git_dir);
        }
        self.admit(area, &target.common, top);
        Ok(())
    }

    fn admit(&mut self, area: &mut Area, git_dir: &Path, top: &Path) {
        if !area.contains(git_dir) {
            area.add_region(git_dir);
        }
        self.dirs.entry(git_dir.to_owned()).or_default().insert(top.to_owned());
    }

    /// Where a pointer file leads to. It may come out of an archive that somebody has unpacked: what lies outside of
    /// the workspace is only taken for the repository if it says itself that `top` belongs to it.
    fn follow_pointer(&self, area: &mut Area, file: &Path, top: &Path) -> Result<Target, Astray> {
        let text = first_line(file).ok_or(BROKEN)?;
        let named = top.join(path_of(text.strip_prefix(b"gitdir: ").ok_or(BROKEN)?));
        let git_dir = match area.follow(&named) {
            End::There(git_dir, about) if about.is_dir() => git_dir,
            End::There(..) | End::Missing { .. } | End::Unknown(_) => return Err(BROKEN),
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

    /// Holds what must be held of every repository.
    pub(super) fn protect(&mut self, area: &mut Area) {
        let mut done = BTreeSet::new();
        while let Some(git_dir) = self.dirs.keys().find(|dir| !done.contains(*dir)).cloned() {
            self.protect_one(area, &git_dir);
            done.insert(git_dir);
        }
    }

    fn protect_one(&mut self, area: &mut Area, git_dir: &Path) {
        let (hooks, config) = if self.bare.contains(git_dir) {
            (Missing::Ignore, Missing::Ignore)
        } else {
            (Missing::Make("mkdir -p"), Missing::Make("touch"))
        };
        area.pin(git_dir);
        area.hold(&git_dir.join("hooks"), hooks);
        area.hold(&git_dir.join("config"), config);
        // Only a worktree has one; git obeys it everywhere (setup.c, get_common_dir).
        let commondir = git_dir.join("commondir");
        let is_of_worktree = git_dir.parent().and_then(Path::file_name) == Some(OsStr::new("worktrees"));
        if !is_of_worktree && fs::symlink_metadata(&commondir).is_ok() {
            // No worktree: git never makes one there, and a run before may have, that was killed.
            area.give_up(
                &commondir,
                "makes git obey another directory, and no git has made it",
                format!("look into it, and remove it: rm {}", quoted(&commondir)),
            );
        }
        area.hold(&commondir, Missing::Watch(OnAppear::Remove));
        if let Some(common) = common_dir(git_dir).filter(|common| common != git_dir && area.contains(common)) {
            self.dirs.entry(common).or_default();
        }
        let own_config = self.protect_settings(area, git_dir);
        self.protect_worktrees(area, git_dir, own_config);
        self.protect_modules(git_dir);
    }

    /// Holds what the configuration names. Returns what is to be done about a missing `config.worktree`.
    fn protect_settings(&mut self, area: &mut Area, git_dir: &Path) -> Missing {
        let mut tops = self.dirs.get(git_dir).cloned().unwrap_or_default();
        tops.extend(work_tree(git_dir));
        if tops.is_empty() {
            // Hooks run in the git directory then (githooks(5)).
            tops.insert(git_dir.to_owned());
        }
        let mut settings = Vec::new();
        self.read_config(area, &git_dir.join("config"), &mut settings, 0);
        let is_extended = |(key, value): &config::Setting| key == "extensions.worktreeconfig" && config::is_true(value);
        let is_obeyed = settings.iter().any(is_extended);
        // Where git does not obey it, it will as soon as somebody needs it for something else (git-sparse-checkout(1)).
        let missing = if is_obeyed { Missing::Make("touch") } else { Missing::Watch(OnAppear::Remove) };
        area.hold(&git_dir.join("config.worktree"), missing);
        self.read_config(area, &git_dir.join("config.worktree"), &mut settings, 0);
        for (key, value) in &settings {
            for top in &tops {
                if key == "core.hookspath" && !value.is_empty() {
                    area.hold(&self.expand(value, top), Missing::Make("mkdir -p"));
                } else if let Some(words) = config::command_words(key, value) {
                    self.protect_command(area, words, top);
                }
            }
        }
        missing
    }

    /// Files that the words of a command name.
    fn protect_command<'v>(&self, area: &mut Area, words: impl Iterator<Item = &'v [u8]>, top: &Path) {
        for path in words.map(|word| self.expand(word, top)) {
            if path.is_file() {
                area.hold(&path, Missing::Ignore);
            }
        }
    }

    /// Reads a file of settings with all that it includes, on whatever condition, and holds those.
    fn read_config(&self, area: &mut Area, file: &Path, settings: &mut Vec<config::Setting>, depth: u32) {
        /// As git has it (config.c, MAX_INCLUDE_DEPTH).
        const DEEPEST: u32 = 10;
        /// More settings than any file of people has: a file that includes itself ten times, ten deep, has 10^10.
        const MOST: usize = 20_000;
        if settings.len() > MOST {
            return area.give_up(file, "is included too often to be read", "look into it; git stops there too".into());
        }
        // Only regular files: a fifo would never end.
        let Some(text) = fs::metadata(file).ok().filter(fs::Metadata::is_file).and_then(|_| fs::read(file).ok()) else {
            return;
        };
        for (key, value) in config::parse(&text) {
            if (key == "include.path" || key == "includeif.path") && depth < DEEPEST {
                let included = self.expand(&value, file.parent().unwrap_or(file));
                area.hold(&included, Missing::Make("touch"));
                self.read_config(area, &included, settings, depth + 1);
            }
            settings.push((key, value));
        }
    }

    fn expand(&self, value: &[u8], base: &Path) -> PathBuf {
        expand(self.around.home, value, base)
    }

    /// `worktrees/NAME` keep the files that lead from one part to the other.
    fn protect_worktrees(&mut self, area: &mut Area, git_dir: &Path, own_config: Missing) {
        for dir in directories(&git_dir.join("worktrees")) {
            self.known.insert(dir.clone());
            if !self.worktrees.contains(&dir) && !keep_elsewhere(area, &dir, own_config) {
                area.close(&dir);
                continue;
            }
            area.pin(&dir);
            area.hold(&dir.join("gitdir"), Missing::Make("git worktree repair #"));
            area.hold(&dir.join("commondir"), Missing::Make("git worktree repair #"));
            area.hold(&dir.join("config.worktree"), own_config);
            if let Some(top) = checkout(&dir) {
                let mut settings = Vec::new();
                self.read_config(area, &dir.join("config.worktree"), &mut settings, 0);
                for (_, value) in settings.iter().filter(|(key, _)| key == "core.hookspath") {
                    area.hold(&self.expand(value, &top), Missing::Make("mkdir -p"));
                }
            }
            self.protect_modules(&dir);
        }
    }

    /// Git directories of submodules: `modules/NAME`, where a name may have slashes.
    fn protect_modules(&mut self, git_dir: &Path) {
        let mut waiting = directories(&git_dir.join("modules"));
        while let Some(dir) = waiting.pop() {
            if is_git_dir(&dir) {
                self.dirs.entry(dir).or_default();
            } else {
                waiting.extend(directories(&dir));
            }
        }
    }
}

/// A worktree elsewhere: its files are not shown, but its pointer file is. A worktree without one seems to be gone, and
/// `git gc` cleans up after it (git-worktree(1), prune). False where it really is, or cannot be held otherwise.
///
/// The program of an earlier box may have written its entry: only what says itself that it belongs to it is shown.
fn keep_elsewhere(area: &mut Area, git_dir: &Path, own_config: Missing) -> bool {
    let Some(tree) = checkout(git_dir) else { return false };
    area.close(&tree);
    let dot_git = tree.join(".git");
    let is_held = !matches!(own_config, Missing::Make(_)) || git_dir.join("config.worktree").exists();
    let is_kept = is_held && leads_to(&dot_git, git_dir);
    if is_kept {
        area.show(&dot_git);
    }
    is_kept
}

/// A path of the configuration, relative to `base`.
pub(super) fn expand(home: Option<&Path>, value: &[u8], base: &Path) -> PathBuf {
    match (value.strip_prefix(b"~/"), home) {
        (Some(rest), Some(home)) => home.join(path_of(rest)),
        _ => base.join(path_of(value)),
    }
}

/// Whether a pointer file, which is no link, leads to `git_dir`.
fn leads_to(dot_git: &Path, git_dir: &Path) -> bool {
    let named = || {
        let text = first_line(dot_git)?;
        dot_git.parent()?.join(path_of(text.strip_prefix(b"gitdir: ")?)).canonicalize().ok()
    };
    !dot_git.is_symlink() && named().is_some_and(|named| named == git_dir)
}

fn inside(cwd: &Path) -> Error {
    let mut message = b"Refusing to let the program write ".to_vec();
    push_printable(&mut message, cwd);
    message.extend_from_slice(b": it lies inside of a git directory, whose hooks the host executes");
    Error::new(CODE, message).with_hint(Some("cd into the work tree".into()))
}

/// Whether git takes this for a git directory (setup.c, `is_git_directory`).
fn is_git_dir(dir: &Path) -> bool {
    let has_parts = || dir.join("objects").is_dir() && dir.join("refs").is_dir();
    dir.join("HEAD").symlink_metadata().is_ok() && (has_parts() || dir.join("commondir").is_file())
}

/// Where objects, hooks and configuration of a git directory are. `None` where its `commondir` leads nowhere.
fn common_dir(git_dir: &Path) -> Option<PathBuf> {
    let file = git_dir.join("commondir");
    if file.symlink_metadata().is_err() {
        return Some(git_dir.to_owned());
    }
    git_dir.join(path_of(&first_line(&file)?)).canonicalize().ok()
}

fn is_worktree_of(git_dir: &Path, common: &Path) -> bool {
    git_dir.parent().is_some_and(|parent| parent.file_name() == Some(OsStr::new("worktrees")))
        && git_dir.ancestors().nth(2) == Some(common)
}

/// The top of the worktree whose git directory this is, by its back pointer.
fn checkout(git_dir: &Path) -> Option<PathBuf> {
    let dot_git = git_dir.join(path_of(&first_line(&git_dir.join("gitdir"))?));
    let is_dot_git = dot_git.file_name() == Some(OsStr::new(".git"));
    dot_git.parent().filter(|_| is_dot_git)?.canonicalize().ok()
}

/// Whether this lies in `modules` of another git directory.
fn is_module(git_dir: &Path) -> bool {
    let is_modules = |dir: &&Path| dir.file_name() == Some(OsStr::new("modules"));
    git_dir.ancestors().skip(1).filter(is_modules).any(|modules| modules.parent().is_some_and(is_git_dir))
}

/// The work tree that a git directory names (`core.worktree`).
fn work_tree(git_dir: &Path) -> Option<PathBuf> {
    let read = |name| fs::read(git_dir.join(name)).map(|text| config::parse(&text)).unwrap_or_default();
    let settings = read("config").into_iter().chain(read("config.worktree"));
    let (_, tree) = settings.rev().find(|(key, _)| key == "core.worktree")?;
    git_dir.join(path_of(&tree)).canonicalize().ok()
}

/// Directories in `dir`; a link is none.
fn directories(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()).collect()
}

/// What a file of one line says. One that is longer than any path says nothing.
fn first_line(file: &Path) -> Option<Vec<u8>> {
    const LONGEST: u64 = 8192;
    fs::metadata(file).ok().filter(|about| about.is_file() && about.len() <= LONGEST)?;
    let mut text = fs::read(file).ok()?;
    while text.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        text.pop();
    }
    (!text.is_empty()).then_some(text)
}

/// A path as the standard library has it.
pub(super) fn path_of(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}
