//! The commands and options in the state of an unfinished rebase, cherry-pick, revert or `git am`. git executes and
//! obeys them when the user continues it (`git rebase --continue`).

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use super::config;
use super::names::is_recordable;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Stat};
use crate::sys::{Errno, Result, content};

/// The directories in a git directory where git keeps that state.
pub(super) const STATES: [&CStr; 3] = [c"rebase-merge", c"rebase-apply", c"sequencer"];

/// The longest file to read, in bytes. A rebase of 10,000 commits has a todo list of this length.
const LONGEST: u64 = 1 << 20;

/// The words of a todo list that execute nothing (git-rebase(1), "INTERACTIVE MODE"; sequencer.c, `todo_command_info`).
/// Blank lines and comments have an empty word. git stops at a word that it does not know.
const HARMLESS: &[&str] = &[
    "",
    "pick",
    "p",
    "revert",
    "edit",
    "e",
    "reword",
    "r",
    "fixup",
    "f",
    "squash",
    "s",
    "label",
    "l",
    "reset",
    "t",
    "merge",
    "m",
    "update-ref",
    "u",
    "noop",
    "drop",
    "d",
    "break",
    "b",
];

/// Merge strategies that are part of git. Another one is a program, `git-merge-NAME`.
const STRATEGIES: &[&str] = &["", "ort", "recursive", "resolve", "octopus", "ours", "subtree"];

/// The starts of the harmless options for `git apply` that git keeps: they name no file to write and stay in the work
/// tree (git-am(1), git-apply(1)). `--directory` and numbers are checked separately.
const APPLY_OPTIONS: &[&str] = &["--whitespace=", "--exclude=", "--include="];

/// Harmless options without a value.
const APPLY_SWITCHES: &[&str] = &["-3", "--3way", "--reject", "--ignore-whitespace", "--ignore-space-change"];

/// A ref that git would write or remove in the end, unless it is one of those that begin with `usual`.
fn other_ref(name: &[u8], usual: &[u8]) -> Option<Vec<u8>> {
    (!name.is_empty() && !name.starts_with(usual)).then(|| [b"ref ", name].concat())
}

/// Returns the commands and options in the directory `state` of a git directory, as lines.
///
/// # Errors
/// It is no directory, or a file in it cannot be read or has another name too (`EMLINK`): then nobody knows what git
/// would execute.
pub(super) fn commands(git_dir: BorrowedFd<'_>, state: &CStr) -> Result<Vec<Vec<u8>>> {
    let open = open::any_mount(git_dir, state, For::Names)?;
    let read = |name| {
        // A program of a later run may write to it under another name, where nobody looks.
        if stat::look_at(open.as_fd(), name)?.is_some_and(Stat::has_more_names) {
            return Err(Errno::EMLINK);
        }
        match content::read_at(open.as_fd(), name, LONGEST) {
            Err(Errno::ENOENT) => Ok(Vec::new()),
            text => text,
        }
    };
    let mut commands = Vec::new();
    // `sequencer` has a todo list too, but git only takes commits from it.
    if state == c"rebase-merge" {
        commands.extend(read(c"git-rebase-todo")?.split(|&byte| byte == b'\n').filter_map(command).map(<[u8]>::to_vec));
        commands.extend(strategy(read(c"strategy")?.trim_ascii()));
        // When it is done, git writes and removes these refs: three lines for each, and one.
        let updates = read(c"update-refs")?;
        let updates = updates.split(|&byte| byte == b'\n').step_by(3);
        commands.extend(updates.filter_map(|name| other_ref(name, b"refs/heads/")));
        let removals = read(c"refs-to-delete")?;
        let removals = removals.split(|&byte| byte == b'\n');
        commands.extend(removals.filter_map(|name| other_ref(name, b"refs/rewritten/")));
    }
    if state != c"sequencer" {
        let head = read(c"head-name")?;
        let head = head.trim_ascii();
        commands.extend(other_ref(head, b"refs/heads/").filter(|_| head != b"detached HEAD"));
    }
    if state == c"rebase-apply" {
        commands.extend(apply_options(&read(c"apply-opt")?));
    }
    // An option for `git am`, or a key. git would use it to sign what the program has made.
    let signing = read(c"gpg_sign_opt")?;
    commands.extend((!signing.trim_ascii().is_empty()).then(|| [b"sign ", signing.trim_ascii()].concat()));
    for (key, value) in config::parse(&read(c"opts")?) {
        match key.as_str() {
            "options.strategy" => commands.extend(strategy(&value)),
            "options.gpg-sign" => commands.push([b"sign ", &value[..]].concat()),
            _ => {}
        }
    }
    Ok(commands)
}

/// Returns the options for `git apply` that may do harm. git writes each one in quotes, with a blank before it
/// (quote.c, `sq_quote_argv`). Returns the whole `text` if it is not written like that.
fn apply_options(text: &[u8]) -> Vec<Vec<u8>> {
    let text = text.trim_ascii();
    let parts: Vec<&[u8]> = text.split(|&byte| byte == b'\'').collect();
    // Blanks and options by turns, with nothing after the last quote.
    let (last, options) = parts.split_last().map_or((&b""[..], &parts[..]), |(last, options)| (*last, options));
    let is_whole = last.is_empty() && options.len() % 2 == 0;
    let is_apart =
        options.iter().step_by(2).enumerate().all(|(nth, blank)| nth == 0 && blank.is_empty() || *blank == b" ");
    if !(is_whole && is_apart) {
        return vec![[b"apply ", text].concat()];
    }
    let bad = options.iter().skip(1).step_by(2).filter(|option| !is_harmless_apply_option(option));
    bad.map(|option| [b"apply ", *option].concat()).collect()
}

fn is_harmless_apply_option(option: &[u8]) -> bool {
    let value = |name: &str| option.strip_prefix(name.as_bytes());
    if let Some(dir) = value("--directory=") {
        return is_recordable(dir.strip_suffix(b"/").unwrap_or(dir));
    }
    let is_number = |name| value(name).is_some_and(|value| value.iter().all(u8::is_ascii_digit));
    APPLY_SWITCHES.iter().any(|switch| switch.as_bytes() == option)
        || APPLY_OPTIONS.iter().any(|name| value(name).is_some())
        || is_number("-C")
        || is_number("-p")
}

/// Returns a line of a todo list if it may execute something.
fn command(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii();
    let end = line.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'-').unwrap_or(line.len());
    (!HARMLESS.iter().any(|word| word.as_bytes() == &line[..end])).then_some(line)
}

fn strategy(name: &[u8]) -> Option<Vec<u8>> {
    let is_gits = STRATEGIES.iter().any(|known| known.as_bytes() == name);
    (!is_gits).then(|| [b"strategy ", name].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_execute_something() {
        for line in ["exec make", " x make", "\tx\tmake", "exec", "xyz", "x"] {
            assert_eq!(command(line.as_bytes()), Some(line.trim().as_bytes()));
        }
        for line in
            ["", "# exec make", "p 1234 exec", "pick 1234", "fixup -C 1234", "merge -C 12 x # y", "update-ref r", "\r"]
        {
            assert_eq!(command(line.as_bytes()), None, "{line}");
        }
        assert_eq!(strategy(b"ort"), None);
        assert_eq!(strategy(b"x/evil"), Some(b"strategy x/evil".to_vec()));
    }

    #[test]
    fn options_that_may_do_harm() {
        let good = ["", "\n", " '-C3' '-p1' '--whitespace=fix' '--3way' '--directory=a/b/' '--exclude=*.o'\n", "'-3'"];
        for text in good {
            assert_eq!(apply_options(text.as_bytes()), Vec::<Vec<u8>>::new(), "{text}");
        }
        for option in
            ["--build-fake-ancestor=/x", "--unsafe-paths", "--directory=/x", "--directory=a/../..", "-pq", "x", ""]
        {
            let text = format!(" '-C1' '{option}' '--reject'\n");
            assert_eq!(apply_options(text.as_bytes()), [format!("apply {option}").into_bytes()]);
        }
        for text in ["-C1", " '-C1", " '-C1'x", " '-C'\\''1'", " '-C1''--build", "'", "'-3' '"] {
            assert_eq!(apply_options(text.as_bytes()), [format!("apply {}", text.trim()).into_bytes()]);
        }
    }
}
