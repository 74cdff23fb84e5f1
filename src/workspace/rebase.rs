//! Commands in what git keeps of an unfinished rebase, cherry-pick or revert. `git rebase --continue` executes them.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};

use super::config;
use crate::sys::open::{self, For};
use crate::sys::{Errno, Result, content};

/// Where git keeps it, in a git directory.
pub(super) const STATES: [&CStr; 2] = [c"rebase-merge", c"sequencer"];

/// The longest file that is read, in bytes. A rebase of 10,000 commits has a todo list of this length.
const LONGEST: u64 = 1 << 20;

/// What a line of a todo list can begin with that executes nothing (git-rebase(1), "INTERACTIVE MODE"; sequencer.c,
/// `todo_command_info`). Blank lines and comments have no word; what git does not know stops it.
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

/// The commands in the directory `state` of a git directory, as lines.
///
/// # Errors
/// It is no directory, or a file in it cannot be read: then nobody knows what git would execute.
pub(super) fn commands(git_dir: BorrowedFd<'_>, state: &CStr) -> Result<Vec<Vec<u8>>> {
    let open = open::any_mount(git_dir, state, For::Names)?;
    let read = |name| match content::read_at(open.as_fd(), name, LONGEST) {
        Err(Errno::ENOENT) => Ok(Vec::new()),
        text => text,
    };
    let mut commands = Vec::new();
    // Of these, `sequencer` has the options alone: of its todo list git takes nothing but commits.
    if state == c"rebase-merge" {
        commands.extend(read(c"git-rebase-todo")?.split(|&byte| byte == b'\n').filter_map(command).map(<[u8]>::to_vec));
        commands.extend(strategy(read(c"strategy")?.trim_ascii()));
    }
    for (key, value) in config::parse(&read(c"opts")?) {
        if key == "options.strategy" {
            commands.extend(strategy(&value));
        }
    }
    Ok(commands)
}

/// A line of a todo list, where it may be a command.
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
}
