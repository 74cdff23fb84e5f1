//! Git's configuration in all its scopes (git-config(1), "SCOPES"): the system's, the user's, a repository's, a
//! worktree's. One rule applies to each. The program can change neither the file, nor the files that it includes (under
//! any condition), nor the files that it names and git executes or obeys.
//!
//! A file that cannot be read could name anything. It would not be enough to hold the file itself, and a fifo can be
//! written to even if it is held. So such a file stops the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::area::{Area, Missing};
use super::commands::{self, Word};
use super::common::GitConfig;
use super::config::{self, LONGEST};
use super::files::{c_path, path_of};
use super::layout::expand;
use crate::spec::SettleName;

/// A setting, and the file that it comes from.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// The file, or a description if it comes from no file.
    file: Rc<Path>,
}

/// At most this much text is read in total. Nobody has that much, but a stranger's files must not delay a run without
/// end.
const MOST_TEXT: usize = 16 << 20;

/// At most this many settings are read, together with the files that they may name. A file that includes itself ten
/// times, ten levels deep, has 10^10.
const MOST_NAMES: usize = 50_000;

/// The same limit as in git (config.c, MAX_INCLUDE_DEPTH).
const DEEPEST: u32 = 10;

/// Reads configurations, and holds what they name.
pub(super) struct Scopes<'a> {
    home: Option<&'a Path>,
    /// The settings of the user and of the system, for every repository.
    common: Vec<Named>,
    /// How many bytes may still be read.
    text_left: usize,
    /// How many settings and names may still be looked at.
    names_left: usize,
    /// Relative names, which git resolves from the top of a work tree, by path.
    relative: BTreeMap<PathBuf, Relative>,
}

/// Which repositories a setting applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// Every repository, but this directory is none yet.
    NoRepository,
    /// Every repository.
    All,
    /// One repository.
    One,
}

/// A name that git resolves from the top of a work tree.
struct Relative {
    key: String,
    is_everywhere: bool,
    is_command: bool,
    /// The files that it leads to from the known tops.
    originals: BTreeSet<PathBuf>,
}

impl<'a> Scopes<'a> {
    pub(super) fn new(home: Option<&'a Path>) -> Scopes<'a> {
        Scopes { home, common: Vec::new(), text_left: MOST_TEXT, names_left: MOST_NAMES, relative: BTreeMap::new() }
    }

    /// Reads the files of the user and of the system, and holds what they name by an absolute path or relative to
    /// `cwd`, which may become a repository. [`Scopes::hold_named`] does the same for each repository.
    pub(super) fn read_common(&mut self, area: &mut Area, from: &GitConfig, cwd: &Path) {
        let mut common = Vec::new();
        for file in &from.files {
            self.read_file(area, file, Missing::Make("touch"), &mut common, 0);
        }
        if !from.settings.is_empty() {
            let file: Rc<Path> = Path::new("the environment").into();
            for (key, value) in from.settings.iter().cloned() {
                let setting = Named { key, value, file: Rc::clone(&file) };
                // git refuses a relative include that does not come from a file.
                if is_include(&setting.key) && commands::is_absolute(&setting.value) {
                    self.read_included(area, &setting, cwd, &mut common, 0);
                }
                common.push(setting);
            }
        }
        self.hold(area, &common, cwd, For::NoRepository);
        self.common = common;
    }

    /// Holds a configuration file of a repository and all that it includes. Returns its settings. `missing` says what
    /// to do if the file does not exist.
    pub(super) fn read(&mut self, area: &mut Area, file: &Path, missing: Missing) -> Vec<Named> {
        let mut settings = Vec::new();
        self.read_file(area, file, missing, &mut settings, 0);
        settings
    }

    /// Holds what these settings and those of the user and the system name in the repository with the top `top`.
    pub(super) fn hold_named(&mut self, area: &mut Area, own: &[Named], top: &Path) {
        let common = std::mem::take(&mut self.common);
        self.hold(area, &common, top, For::All);
        self.hold(area, own, top, For::One);
        self.common = common;
    }

    /// The names that git obeys in every work tree, by all settings that were read.
    pub(super) fn take_names(&mut self) -> Vec<SettleName> {
        let relative = std::mem::take(&mut self.relative).into_iter();
        let name = |(path, named): (PathBuf, Relative)| SettleName {
            path: c_path(&path),
            key: named.key,
            is_everywhere: named.is_everywhere,
            is_command: named.is_command,
            originals: named.originals.iter().map(c_path).collect(),
        };
        relative.map(name).collect()
    }

    /// Holds what `settings` name, with relative paths resolved from `top`. A file that only a repository would need
    /// may be missing if `top` is none.
    fn hold(&mut self, area: &mut Area, settings: &[Named], top: &Path, whose: For) {
        for setting in settings {
            let goes_on = self.hold_setting(area, setting, top, whose);
            area.named_by = None;
            if !goes_on {
                return;
            }
        }
    }

    /// Returns false if a limit is reached and nothing more may be looked at.
    fn hold_setting(&mut self, area: &mut Area, setting: &Named, top: &Path, whose: For) -> bool {
        let Named { key, value, .. } = setting;
        if let Some(maker) = commands::maker(key, value) {
            if !self.may_look_at(area, top) {
                return false;
            }
            setting.is_at_work(area);
            let Some(path) = self.expand(area, value, top) else { return true };
            if !commands::is_absolute(value) && !has_name(value) {
                let why = "is a work tree or lies above it, and what it holds would be executed or obeyed";
                area.give_up(&path, why, "name a directory in it instead (git config --show-origin --list)".into());
                return true;
            }
            let is_obeyed = whose != For::NoRepository || commands::is_absolute(value);
            let missing = if is_obeyed { Missing::Make(maker) } else { Missing::Watch };
            let held = area.hold(&path, missing);
            self.note(key, value, whose, false, held.map(|(place, _)| place));
        } else if let Some(words) = commands::command_words(key, value) {
            setting.is_at_work(area);
            for word in words {
                if !self.may_look_at(area, top) {
                    return false;
                }
                let held = self.hold_word(area, &word, top);
                if held.is_some() || word.text.contains(&b'/') {
                    self.note(key, &word.text, whose, true, held);
                }
            }
        }
        true
    }

    /// Remembers a name that is relative to the top of a work tree, because the program may make another work tree.
    /// `held` is the file that it leads to in this one.
    fn note(&mut self, key: &str, path: &[u8], whose: For, is_command: bool, held: Option<PathBuf>) {
        if commands::is_absolute(path) || path.contains(&0) {
            return;
        }
        let new =
            || Relative { key: key.to_owned(), is_everywhere: false, is_command: true, originals: BTreeSet::new() };
        let relative = self.relative.entry(path_of(path).to_owned()).or_insert_with(new);
        relative.is_everywhere |= whose != For::One;
        relative.is_command &= is_command;
        relative.originals.extend(held);
    }

    /// Holds the file that a word of a command may name. Returns where it is, if it exists.
    fn hold_word(&self, area: &mut Area, word: &Word, top: &Path) -> Option<PathBuf> {
        let path = self.expand(area, &word.text, top)?;
        match fs::metadata(&path) {
            Ok(about) if !about.is_dir() => area.hold(&path, Missing::Ignore).map(|(place, _)| place),
            Err(error) if error.kind() == ErrorKind::NotFound && word.is_path => {
                area.hold(&path, Missing::Watch);
                None
            }
            _ => None,
        }
    }

    fn read_file(&mut self, area: &mut Area, file: &Path, missing: Missing, settings: &mut Vec<Named>, depth: u32) {
        let Some(found) = area.hold(file, missing) else { return };
        let Some(text) = area.read(file, &found, LONGEST) else { return };
        if self.text_left < text.len() {
            return give_up(area, file);
        }
        self.text_left -= text.len();
        let named: Rc<Path> = file.into();
        for (key, value) in config::parse(&text) {
            if !self.may_look_at(area, file) {
                return;
            }
            let setting = Named { key, value, file: Rc::clone(&named) };
            if is_include(&setting.key) && depth < DEEPEST {
                self.read_included(area, &setting, file.parent().unwrap_or(file), settings, depth + 1);
            }
            settings.push(setting);
        }
    }

    /// Reads the file that a setting includes.
    fn read_included(&mut self, area: &mut Area, setting: &Named, base: &Path, settings: &mut Vec<Named>, depth: u32) {
        setting.is_at_work(area);
        if let Some(included) = self.expand(area, &setting.value, base) {
            self.read_file(area, &included, Missing::Make("touch"), settings, depth);
        }
        area.named_by = None;
    }

    fn may_look_at(&mut self, area: &mut Area, place: &Path) -> bool {
        if area.is_over(place) {
            return false;
        }
        let left = self.names_left.checked_sub(1);
        self.names_left = left.unwrap_or(0);
        if left.is_none() {
            give_up(area, place);
        }
        left.is_some()
    }

    fn expand(&self, area: &mut Area, value: &[u8], base: &Path) -> Option<PathBuf> {
        let path = expand(self.home, value, base);
        if path.is_none() {
            let why = "lies in a home that is not in /etc/passwd, so it cannot be protected";
            area.give_up(path_of(value), why, "write the path with the home as it is".into());
        }
        path
    }
}

impl Named {
    /// Notes that this setting names what is held next.
    fn is_at_work(&self, area: &mut Area) {
        area.named_by = Some((self.key.clone(), Rc::clone(&self.file)));
    }
}

/// Whether a path ends with a name and not with `..`.
fn has_name(path: &[u8]) -> bool {
    let last = path.split(|&byte| byte == b'/').rfind(|part| !matches!(*part, b"" | b"."));
    last.is_some_and(|last| last != b"..")
}

fn is_include(key: &str) -> bool {
    matches!(key, "include.path" | "includeif.path")
}

fn give_up(area: &mut Area, place: &Path) {
    let why =
        "has more configuration of git, with what it includes, than is read, so what that names cannot be protected";
    area.give_up(place, why, "look into it, and into the repositories around it".into());
}
