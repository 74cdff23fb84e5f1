//! Passes on of the user's git configuration who commits and what decides about the content of commits, and no more.
//!
//! The rest stays outside: it may contain tokens (`url.*.insteadOf`, `http.extraHeader`, `credential.helper`), and name
//! programs and keys that the box does not have (`commit.gpgSign` would make every commit fail). The environment cannot
//! pass the name, because it would override the name in the repository's configuration (git-commit(1), "COMMIT
//! INFORMATION").
//!
//! A filter (gitattributes(5), "filter") that the box did not know would be skipped in silence: git would commit the
//! large files themselves where Git LFS commits pointers. So each filter is passed on. Its command is executed inside,
//! where the program could execute it anyway. If the box lacks the program of a required filter, git fails and says so;
//! a filter whose command is not passed on is made a required one.

use std::path::{Component, Path, PathBuf};

use super::config::{self, LONGEST};
use super::files::c_path;
use super::layout::expand;
use crate::spec::FsOp;
use crate::sys::{content, stat};

/// The settings to pass on: who commits, what a commit contains, and the name of the first branch in a new repository.
/// Without the latter, `git init` prints a long explanation.
const KEPT: &[&str] = &[
    "user.name",
    "user.email",
    "user.useconfigonly",
    "author.name",
    "author.email",
    "committer.name",
    "committer.email",
    "init.defaultbranch",
    "core.autocrlf",
    "core.eol",
    "core.safecrlf",
    "core.commentchar",
    "commit.cleanup",
    "merge.ff",
    "pull.ff",
    "pull.rebase",
];

/// Settings that name a file of patterns. The file is passed on at its own path.
const FILES: &[&str] = &["core.excludesfile", "core.attributesfile"];

/// Settings of a filter that are commands.
const COMMANDS: &[&str] = &["clean", "smudge", "process"];

/// Stands for a command that is not passed on. No program has this name, so git fails, and says it.
const NOT_PASSED_ON: &[u8] = b"pinfold-does-not-pass-this-filter-on";

/// The same limit as in git (config.c, MAX_INCLUDE_DEPTH).
const DEEPEST: u32 = 10;

/// Returns reduced git configuration files for a box with a home of its own. `config` is `$XDG_CONFIG_HOME`; in the box
/// it is at its usual place. Each included file becomes a file at its own path, whatever the condition, so that git
/// itself decides about the condition.
pub(crate) fn identity(home: &Path, config: &Path) -> Vec<FsOp> {
    let mut files = Files { home, ops: Vec::new(), done: Vec::new() };
    files.add(&config.join("git/config"), &home.join(".config/git/config"), 0);
    files.add(&home.join(".gitconfig"), &home.join(".gitconfig"), 0);
    files.ops
}

/// Whether a commit was made in the repository at `dir` since `since` (seconds and nanoseconds since 1970), and the
/// user wants commits to be signed. Inside there is no key, so it is not. Only the log of a repository of ordinary size
/// is read.
pub(crate) fn is_unsigned(home: &Path, dir: &Path, since: (i64, i64)) -> bool {
    let path = dir.join(".git/logs/HEAD");
    // The seconds in the log would not tell a commit from one just before the run.
    if !stat::look_at_path(&path).is_ok_and(|about| about.modified >= since) {
        return false;
    }
    let Ok(log) = content::read_regular(&path, LONGEST) else { return false };
    // `OLD NEW NAME <MAIL> TIME ZONE<TAB>commit: SUBJECT`, with `commit (amend)` and the like.
    let is_new = |who: &[u8]| {
        let time =
            who.rsplit(|&byte| byte == b' ').nth(1).and_then(|time| std::str::from_utf8(time).ok()?.parse().ok());
        time.is_some_and(|time: i64| time >= since.0)
    };
    let lines = log.rsplit(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let mut new = lines
        .filter_map(|line| Some(line.split_at(line.iter().position(|&byte| byte == b'\t')?)))
        .take_while(|(who, _)| is_new(who));
    new.any(|(_, what)| what.starts_with(b"\tcommit")) && wants_signatures(home, dir)
}

fn wants_signatures(home: &Path, dir: &Path) -> bool {
    let files = [home.join(".config/git/config"), home.join(".gitconfig"), dir.join(".git/config")];
    let files = files.map(|path| content::read_regular(&path, LONGEST));
    let mut settings = files.iter().rev().flatten().flat_map(|text| config::parse_with_headers(text).into_iter().rev());
    let last = settings.find(|(_, (key, _))| key == "commit.gpgsign");
    last.is_some_and(|(_, (_, value))| config::is_true(&value))
}

struct Files<'a> {
    home: &'a Path,
    ops: Vec<FsOp>,
    done: Vec<PathBuf>,
}

impl Files<'_> {
    /// Adds the settings to pass on from the file `source`, as the file `dest` in the box.
    fn add(&mut self, source: &Path, dest: &Path, depth: u32) {
        let is_plain = dest.starts_with(self.home) && dest.components().all(|part| part != Component::ParentDir);
        if depth > DEEPEST || !is_plain || self.done.iter().any(|done| done == dest) {
            return;
        }
        // Links are followed, because many people keep these files elsewhere. A missing file passes nothing on.
        let Ok(text) = content::read_regular(source, LONGEST) else { return };
        self.done.push(dest.to_owned());
        let kept = self.kept(&text, source, depth);
        if !kept.is_empty() {
            self.ops.push(FsOp::Text { text: kept, dest: c_path(dest), mode: 0o600 });
        }
    }

    /// Adds the file of patterns that `value` names, if it is in the home. Returns its path.
    fn patterns(&mut self, value: &[u8]) -> Option<PathBuf> {
        let path = expand(Some(self.home), value, Path::new(""))?;
        if !path.is_absolute() {
            // git looks for it from the current directory on, inside as well.
            return None;
        }
        let is_plain = path.starts_with(self.home) && path.components().all(|part| part != Component::ParentDir);
        if is_plain
            && !self.done.contains(&path)
            && let Ok(text) = content::read_regular(&path, LONGEST)
        {
            self.done.push(path.clone());
            self.ops.push(FsOp::Text { text, dest: c_path(&path), mode: 0o600 });
        }
        Some(path)
    }

    fn kept(&mut self, text: &[u8], source: &Path, depth: u32) -> Vec<u8> {
        let mut out = Vec::new();
        for (header, (key, value)) in config::parse_with_headers(text) {
            let Some((section, name)) = key.split_once('.') else { continue };
            // A setting of a subsection is another one, except where the section has nothing else.
            let is_whole = header.eq_ignore_ascii_case(section.as_bytes());
            if matches!(key.as_str(), "include.path" | "includeif.path") {
                let base = source.parent().unwrap_or(source);
                let Some(included) = expand(Some(self.home), &value, base) else { continue };
                self.add(&included, &included, depth + 1);
                config::write_setting(&mut out, header, name, c_path(&included).as_bytes());
            } else if is_whole && FILES.contains(&key.as_str()) {
                let Some(named) = self.patterns(&value) else { continue };
                config::write_setting(&mut out, header, name, c_path(&named).as_bytes());
            } else if section == "filter" {
                match (name, command(&value)) {
                    ("required", _) if config::is_true(&value) => config::write_setting(&mut out, header, name, &value),
                    (name, Some(value)) if COMMANDS.contains(&name) => {
                        config::write_setting(&mut out, header, name, value);
                    }
                    // Without `required`, git would commit the content as it is.
                    (name, None) if COMMANDS.contains(&name) => {
                        config::write_setting(&mut out, header, name, NOT_PASSED_ON);
                        config::write_setting(&mut out, header, "required", b"true");
                    }
                    _ => {}
                }
            } else if is_whole && KEPT.contains(&key.as_str()) {
                config::write_setting(&mut out, header, name, &value);
            }
        }
        out
    }
}

/// The command of a filter, if it may be passed on. A command can contain a password (`openssl enc -k`), so it must
/// consist of a program that is found by its name and of words that every filter has.
fn command(value: &[u8]) -> Option<&[u8]> {
    const WORDS: &[&[u8]] = &[b"--", b"%f", b"clean", b"smudge", b"process", b"filter-process", b"--skip"];
    let mut words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let is_name = |word: &[u8]| word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    // An empty command means that there is none (convert.c).
    let is_program = words.next().is_none_or(is_name);
    (is_program && words.all(|word| WORDS.contains(&word))).then_some(value)
}
