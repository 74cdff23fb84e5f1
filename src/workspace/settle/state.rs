//! Files in a git directory that make git execute or write something later: the state of an unfinished rebase, remotes
//! in their old form (a file for each), and the entries of worktrees.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};

use super::before::Before;
use super::change;
use super::judge::{Judge, OTHER_NAME};
use super::pointer;
use super::told::{Deeds, Told};
use crate::spec::path::is_at_or_below;
use crate::sys::dir::Entries;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result, content, fd};
use crate::workspace::rebase;

/// At most this many files of remotes are read. git makes none any more.
const MOST_REMOTES: usize = 100;

/// The longest file of a remote, in bytes.
const LONGEST_REMOTE: u64 = 8192;

/// Sets aside the state of an unfinished rebase, cherry-pick or `git am`, `name` in a git directory, if it contains
/// commands or options.
pub(super) fn settle_rebase(dir: BorrowedFd<'_>, name: &CStr, deeds: &mut Deeds) {
    let why = match rebase::commands(dir, name) {
        Ok(found) if found.is_empty() => return,
        Ok(_) if name == c"rebase-apply" => "holds options that git would obey (git am --continue)",
        Ok(_) => "holds commands that git would execute (git rebase --continue)",
        // git ignores what is no directory.
        Err(Errno::ENOTDIR | Errno::ENOENT) => return,
        Err(_) => "cannot be read, and may hold commands that git would execute",
    };
    change::set_aside(dir, name, why, deeds);
}

/// Sets aside a directory of remotes, if one of them is more than a plain URL.
pub(super) fn settle_remotes(judge: &Judge, dir: BorrowedFd<'_>, name: &CStr, deeds: &mut Deeds) {
    match has_bad_remote(judge, dir, name) {
        Ok(false) | Err(Errno::ENOTDIR | Errno::ENOENT) => {}
        // What cannot be read may be harmful.
        Ok(true) | Err(_) => drop(change::set_aside(dir, name, "holds remotes that git would obey", deeds)),
    }
}

fn has_bad_remote(judge: &Judge, dir: BorrowedFd<'_>, name: &CStr) -> Result<bool> {
    let open = open::any_mount(dir, name, For::Listing)?;
    let mut entries = Entries::new();
    let mut count = 0;
    while entries.read(open.as_fd())? {
        for (name, _) in entries.iter() {
            count += 1;
            if count > MOST_REMOTES || judge.is_late() {
                return Ok(true);
            }
            let Some(about) = stat::look_at(open.as_fd(), name)? else { continue };
            let is_good = match about.kind() {
                // The name of a remote has no slash. Links are removed.
                Some(Kind::Dir | Kind::Link) => true,
                Some(Kind::File) if !about.has_more_names() => {
                    content::read_at(open.as_fd(), name, LONGEST_REMOTE).is_ok_and(|text| is_plain_remote(&text))
                }
                _ => false,
            };
            if !is_good {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether each URL in the file of a remote is harmless, in either form: `URL: X`, or `X` alone.
fn is_plain_remote(text: &[u8]) -> bool {
    let is_plain = |line: &[u8]| {
        let line = line.trim_ascii();
        let url = line.strip_prefix(b"URL:").unwrap_or(line).trim_ascii_start();
        !url.iter().any(u8::is_ascii_control) && super::harmless::is_plain_url(url)
    };
    text.split(|&byte| byte == b'\n').all(is_plain)
}

/// Sets aside the `gitdir` of a worktree's entry, `path`, if it leads out of the workspace, because
/// `git worktree repair` would write a `.git` there. A `gitdir` that was held may lead out, because the user made it.
/// But if it names a path in the workspace, no link that the program has made may lead from there to somewhere else.
pub(super) fn settle_worktree(before: &Before<'_>, dir: BorrowedFd<'_>, path: &[u8], is_held: bool, told: &mut Told) {
    const NAME: &CStr = c"gitdir";
    let Ok(Some(about)) = stat::look_at(dir, NAME) else { return };
    // Links are removed.
    if about.is_link() {
        return;
    }
    let is_held = is_held || before.is_held_in(dir, NAME, path);
    let text = content::read_at(dir, NAME, pointer::LONGEST).ok();
    let way = text.as_ref().map_or(Way::Out, |text| way(before, dir, path, text));
    let mut deeds = Deeds::default();
    if way == Way::Astray || matches!(way, Way::Out | Way::Nowhere) && !is_held {
        let why = match way {
            Way::Nowhere => "leads to nothing, where a link may come that git follows",
            _ => "leads out of the workspace, where git would write",
        };
        change::set_aside(dir, NAME, why, &mut deeds);
    } else if about.has_more_names()
        && !is_held
        && change::set_aside(dir, NAME, OTHER_NAME, &mut deeds)
        && let Err(errno) = change::write_new(dir, NAME, &text.unwrap_or_default())
    {
        deeds.failed("cannot write a new gitdir", errno);
    }
    deeds.tell(path, told);
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// To a directory of the workspace.
    Inside,
    /// To nothing, at a path in the workspace. A checkout may put a link there.
    Nowhere,
    /// The path is in the workspace, but there are links on the way.
    Astray,
    /// To a path outside of the workspace.
    Out,
}

/// Where the `gitdir` that says `text`, in the directory `path`, leads.
fn way(before: &Before<'_>, dir: BorrowedFd<'_>, path: &[u8], text: &[u8]) -> Way {
    // As git does: what is before `/.git` is the work tree (worktree.c, `get_linked_worktree`), without these blanks at
    // the end.
    let end = text.iter().rposition(|byte| !b" \t\n\r".contains(byte)).map_or(0, |last| last + 1);
    let text = &text[..end];
    let tree = text.strip_suffix(b"/.git").unwrap_or(text);
    let whole = if tree.starts_with(b"/") { tree.to_owned() } else { [path, b"/", tree].concat() };
    let is_meant_inside =
        plain(&whole).is_some_and(|whole| before.tops.iter().any(|top| is_below(&whole, top.path.to_bytes())));
    let Ok(tree) = CString::new(tree) else { return Way::Out };
    let is_there = match open::without_links_at(dir, &tree) {
        Ok(tree) => is_inside(before, tree.as_fd()),
        Err(Errno::ENOENT) if is_meant_inside => return Way::Nowhere,
        Err(_) => false,
    };
    match (is_there, is_meant_inside) {
        (true, _) => Way::Inside,
        (false, true) => Way::Astray,
        (false, false) => Way::Out,
    }
}

/// Whether an open directory lies in the workspace, by the path that the kernel knows.
fn is_inside(before: &Before<'_>, place: BorrowedFd<'_>) -> bool {
    fd::path(place).is_ok_and(|path| before.tops.iter().any(|top| is_below(path.to_bytes(), top.path.to_bytes())))
}

fn is_below(path: &[u8], top: &[u8]) -> bool {
    is_at_or_below(path, top)
}

/// An absolute path without `.`, `..` and doubled slashes. `None` if it leads above the root.
fn plain(path: &[u8]) -> Option<Vec<u8>> {
    let mut parts = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.iter().flat_map(|part| [b"/", *part].concat()).collect())
}

/// Removes a link `.gitmodules` beside a `.git`: git writes where it leads (`git submodule add`).
pub(super) fn settle_gitmodules(before: &Before<'_>, dir: BorrowedFd<'_>, path: &[u8], told: &mut Told) {
    const NAME: &CStr = c".gitmodules";
    if before.is_held_in(dir, NAME, path) {
        return;
    }
    let mut deeds = Deeds::default();
    change::remove_link(dir, NAME, &mut deeds);
    deeds.tell(path, told);
}
