//! The configuration of git in all its scopes (git-config(1), "SCOPES"): the system's, the user's, a repository's, a
//! worktree's. The same rule holds for each: the file cannot be changed, nor can what it includes, whatever the
//! condition, and neither what it names that git executes or obeys.
//!
//! Text that cannot be read could name anything. So it stops the run: it would not be enough to hold the file itself,
//! and a fifo can be written to where it is held.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::area::{Area, Missing, c_path};
use super::config::{self, Setting, Word};
use super::layout::{LONGEST, expand, path_of};
use crate::spec::{OnAppear, SettleName};

/// What the user and the system have configured for every repository.
#[derive(Debug, Clone, Default)]
pub(crate) struct Common {
    files: Vec<PathBuf>,
    settings: Vec<Setting>,
}

/// A setting, and where it comes from.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    /// The file, or words for what is none.
    file: Rc<Path>,
}

impl Common {
    /// Where it is (git-config(1), "FILES" and "ENVIRONMENT"), given the two directories and the caller's environment.
    /// `GIT_CONFIG_SYSTEM` and `GIT_CONFIG_GLOBAL` take the place of other files only for who has them in the
    /// environment. A git that was built with another `sysconfdir` has the system's file elsewhere.
    pub(crate) fn new(
        home: Option<&Path>,
        config: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Common {
        let mut files = vec![PathBuf::from("/etc/gitconfig")];
        files.extend(config.map(|config| config.join("git/config")));
        files.extend(home.map(|home| home.join(".config/git/config")));
        files.extend(home.map(|home| home.join(".gitconfig")));
        let named = ["GIT_CONFIG_SYSTEM", "GIT_CONFIG_GLOBAL"].into_iter().filter_map(variable);
        files.extend(named.map(|path| path_of(&path).to_owned()));
        files.retain(|file| file.is_absolute());
        files.dedup();
        let count = variable("GIT_CONFIG_COUNT").and_then(|count| String::from_utf8(count).ok()?.parse().ok());
        let setting = |number| {
            let key = variable(&format!("GIT_CONFIG_KEY_{number}"))?;
            Some((config::plain_key(&key), variable(&format!("GIT_CONFIG_VALUE_{number}"))?))
        };
        // As git does, which refuses them all where one is missing.
        let settings = (0..count.unwrap_or(0_usize)).map_while(setting).collect();
        Common { files, settings }
    }
}

/// So much text is read in all. Nobody has that much, and what a stranger has prepared must not keep a run from
/// beginning.
const MOST_TEXT: usize = 16 << 20;

/// So many settings are read in all, and so many files looked for that they may name. A file that includes itself ten
/// times, ten deep, has 10^10.
const MOST_NAMES: usize = 50_000;

/// As git has it (config.c, MAX_INCLUDE_DEPTH).
const DEEPEST: u32 = 10;

/// Reads configurations, and holds what they name.
pub(super) struct Scopes<'a> {
    home: Option<&'a Path>,
    /// What the user and the system have set for every repository.
    common: Vec<Named>,
    /// What may still be read, in bytes.
    text_left: usize,
    /// How many settings and names may still be looked at.
    names_left: usize,
    /// What is named from the top of a work tree, by its path.
    relative: BTreeMap<PathBuf, Relative>,
}

/// For whom something is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    /// For every repository, and this is none yet.
    NoRepository,
    /// For every repository.
    All,
    /// For one.
    One,
}

/// Something that is named from the top of a work tree.
struct Relative {
    key: String,
    is_everywhere: bool,
    is_command: bool,
    /// What it is at the tops that are known.
    originals: BTreeSet<PathBuf>,
}

impl<'a> Scopes<'a> {
    pub(super) fn new(home: Option<&'a Path>) -> Scopes<'a> {
        Scopes { home, common: Vec::new(), text_left: MOST_TEXT, names_left: MOST_NAMES, relative: BTreeMap::new() }
    }

    /// Reads the files of the user and of the system, and holds what they name wherever somebody is. What they name
    /// from the top of a repository is held with that: [`Scopes::hold_named`]. `cwd` may become one.
    pub(super) fn read_common(&mut self, area: &mut Area, from: &Common, cwd: &Path) {
        let mut common = Vec::new();
        for file in &from.files {
            self.read_file(area, file, Missing::Make("touch"), &mut common, 0);
        }
        if !from.settings.is_empty() {
            let file: Rc<Path> = Path::new("the environment").into();
            for (key, value) in from.settings.iter().cloned() {
                let setting = Named { key, value, file: Rc::clone(&file) };
                // Relative ones are refused where no file includes them.
                if is_include(&setting.key) && config::is_absolute(&setting.value) {
                    self.read_included(area, &setting, cwd, &mut common, 0);
                }
                common.push(setting);
            }
        }
        self.hold(area, &common, cwd, For::NoRepository);
        self.common = common;
    }

    /// Holds a file of a repository, `missing` or not, and all that it includes, and returns its settings.
    pub(super) fn read(&mut self, area: &mut Area, file: &Path, missing: Missing) -> Vec<Named> {
        let mut settings = Vec::new();
        self.read_file(area, file, missing, &mut settings, 0);
        settings
    }

    /// Holds what these settings, and those of the user and the system, name in a repository with the top `top`.
    pub(super) fn hold_named(&mut self, area: &mut Area, own: &[Named], top: &Path) {
        let common = std::mem::take(&mut self.common);
        self.hold(area, &common, top, For::All);
        self.hold(area, own, top, For::One);
        self.common = common;
    }

    /// What git obeys in every work tree, by all that was read.
    pub(super) fn take_names(&mut self) -> Vec<SettleName> {
        let relative = std::mem::take(&mut self.relative).into_iter();
        let name = |(path, named): (PathBuf, Relative)| SettleName {
            path: c_path(&path),
            key: named.key,
            is_everywhere: named.is_everywhere,
            is_command: named.is_command,
            originals: named.originals.iter().map(|original| c_path(original)).collect(),
        };
        relative.map(name).collect()
    }

    /// Outside of repositories, what they would have may be missing.
    fn hold(&mut self, area: &mut Area, settings: &[Named], top: &Path, whose: For) {
        for setting in settings {
            let goes_on = self.hold_setting(area, setting, top, whose);
            area.named_by = None;
            if !goes_on {
                return;
            }
        }
    }

    /// False where no more may be looked at.
    fn hold_setting(&mut self, area: &mut Area, setting: &Named, top: &Path, whose: For) -> bool {
        let Named { key, value, .. } = setting;
        if let Some(maker) = config::maker(key, value) {
            if !self.may_look_at(area, top) {
                return false;
            }
            setting.is_at_work(area);
            let Some(path) = self.expand(area, value, top) else { return true };
            if !config::is_absolute(value) && !has_name(value) {
                let why = "is a work tree or lies above it, and what it holds would be executed or obeyed";
                area.give_up(&path, why, "name a directory in it instead (git config --show-origin --list)".into());
                return true;
            }
            let is_obeyed = whose != For::NoRepository || config::is_absolute(value);
            let missing = if is_obeyed { Missing::Make(maker) } else { Missing::Watch(OnAppear::Report) };
            let held = area.hold(&path, missing);
            self.note(key, value, whose, false, held.map(|(place, _)| place));
        } else if let Some(words) = config::command_words(key, value) {
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

    /// Keeps what is named from the top, since the program may make another one. `held` is what it is at this one.
    fn note(&mut self, key: &str, path: &[u8], whose: For, is_command: bool, held: Option<PathBuf>) {
        if config::is_absolute(path) || path.contains(&0) {
            return;
        }
        let new =
            || Relative { key: key.to_owned(), is_everywhere: false, is_command: true, originals: BTreeSet::new() };
        let relative = self.relative.entry(path_of(path).to_owned()).or_insert_with(new);
        relative.is_everywhere |= whose != For::One;
        relative.is_command &= is_command;
        relative.originals.extend(held);
    }

    /// A word of a command. It may name a file: returns where that is, if it is there.
    fn hold_word(&self, area: &mut Area, word: &Word, top: &Path) -> Option<PathBuf> {
        let path = self.expand(area, &word.text, top)?;
        match fs::metadata(&path) {
            Ok(about) if !about.is_dir() => area.hold(&path, Missing::Ignore).map(|(place, _)| place),
            Err(error) if error.kind() == ErrorKind::NotFound && word.is_path => {
                area.hold(&path, Missing::Watch(OnAppear::Report));
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
    /// Says that this is what names whatever is held next.
    fn is_at_work(&self, area: &mut Area) {
        area.named_by = Some((self.key.clone(), Rc::clone(&self.file)));
    }
}

/// Whether a path ends with a name, and neither with `.` nor with `..`.
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
