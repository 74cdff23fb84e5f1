//! Entries called `.git` that are no directories: a file with the line `gitdir: PATH`, or a link.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::before::Before;
use super::change;
use super::judge::OTHER_NAME;
use super::told::{Deeds, Told, shown};
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, Result, content, fd, open};
use crate::workspace::files::{c_path, id_of, path_of};
use crate::workspace::git_dir;

const NAME: &CStr = c".git";

/// The longest file with a path to read, in bytes. git reads longer ones (setup.c, `read_gitfile_gently`), but no
/// path is longer.
pub(in crate::workspace) const LONGEST: u64 = 8192;

/// Sets the `.git` of the directory `place` aside, unless it leads to one of `git_dirs`, or into a git directory from
/// before the run. Returns whether it does.
pub(super) fn settle(before: &Before<'_>, place: &[u8], git_dirs: &HashSet<(u64, u64)>, told: &mut Told) -> bool {
    let done = open(place).and_then(|dir| settle_in(before, dir.as_fd(), place, git_dirs, told));
    match done {
        // Somebody works here.
        Ok(leads_there) => return leads_there,
        Err(Errno::ENOENT | Errno::ENOTDIR) => {}
        Err(errno) => told.unseen(place, errno),
    }
    false
}

fn open(place: &[u8]) -> Result<OwnedFd> {
    open::dir_without_links(&CString::new(place).map_err(|_| Errno::EINVAL)?)
}

fn settle_in(
    before: &Before<'_>,
    dir: BorrowedFd<'_>,
    place: &[u8],
    git_dirs: &HashSet<(u64, u64)>,
    told: &mut Told,
) -> Result<bool> {
    let Some(about) = stat::look_at(dir, NAME)? else { return Ok(false) };
    let has_more_names = about.is_file() && about.has_more_names();
    let target = match about.kind() {
        Some(Kind::Link) => content::read_link_at(dir, NAME)?,
        Some(Kind::File) => match content::read_at(dir, NAME, LONGEST).map(|text| target(&text)) {
            Ok(Some(target)) => target,
            // git ignores it now. But somebody could write a pointer into it under its other name.
            Ok(None) if has_more_names => {
                set_aside(dir, place, OTHER_NAME, told);
                return Ok(false);
            }
            Ok(None) => return Ok(false),
            Err(_) => c"".into(),
        },
        // git ignores it.
        _ => return Ok(false),
    };
    let is_known = |end: BorrowedFd<'_>| {
        let about = stat::fstat(end)?;
        Ok(git_dirs.contains(&(about.device, about.inode)) || lies_in_held_git_dir(before, end)?)
    };
    let leads_to = open::without_links_at(dir, &target).and_then(|end| is_known(end.as_fd()));
    if leads_to != Ok(true) {
        let why = format!("leads to {}, which is no git directory of the workspace", shown(&target));
        set_aside(dir, place, &why, told);
        return Ok(false);
    }
    if has_more_names {
        replace_by_copy(dir, place, &target, told);
    }
    Ok(true)
}

/// Whether an open directory is a git directory from before the run, or lies in one. The box could not write there:
/// what is new in it was taken over, checked. So that is the entry of a worktree, or the repository of a submodule.
fn lies_in_held_git_dir(before: &Before<'_>, place: BorrowedFd<'_>) -> Result<bool> {
    let path = fd::path(place)?;
    let is_held_git_dir = |above: &Path| {
        let held = before.held.get(above.as_os_str().as_bytes());
        let open = || open::dir_without_links(&c_path(above)).ok();
        held.and_then(|held| Some((held, open()?))).is_some_and(|(held, open)| {
            let is_it = stat::look_at_open(open.as_fd()).is_ok_and(|now| id_of(now) == *held);
            is_it && git_dir::is_git_dir_with(|name| stat::has_name(open.as_fd(), name)).unwrap_or(false)
        })
    };
    Ok(path_of(path.to_bytes()).ancestors().any(is_held_git_dir))
}

/// Replaces a file that has more names by a new file with the same content.
fn replace_by_copy(dir: BorrowedFd<'_>, place: &[u8], target: &CStr, told: &mut Told) {
    let mut deeds = Deeds::default();
    if change::set_aside(dir, NAME, OTHER_NAME, &mut deeds) {
        let text = [b"gitdir: ", target.to_bytes(), b"\n"].concat();
        if let Err(errno) = change::write_new(dir, NAME, &text) {
            deeds.failed("cannot write a new .git", errno);
        }
    }
    deeds.tell(place, told);
}

/// Sets the `.git` in `dir` aside, wherever it leads.
pub(super) fn set_aside(dir: BorrowedFd<'_>, place: &[u8], why: &str, told: &mut Told) {
    let mut deeds = Deeds::default();
    change::set_aside(dir, NAME, why, &mut deeds);
    deeds.tell(place, told);
}

/// The work tree `tree`, relative to the git directory `git_dir`, and its path as the kernel knows it. No link is
/// followed.
///
/// `None` if its own `.git` does not lead back to that git directory, as that of a submodule does, or if it lies below
/// a `.git`: there, `git checkout` could write hooks and configuration, which the program itself could not.
pub(in crate::workspace) fn work_tree(git_dir: BorrowedFd<'_>, tree: &[u8]) -> Result<Option<(OwnedFd, CString)>> {
    let tree = CString::new(tree).map_err(|_| Errno::EINVAL)?;
    let tree = open::without_links_at(git_dir, &tree)?;
    let back = target(&content::read_at(tree.as_fd(), NAME, LONGEST)?).ok_or(Errno::EINVAL)?;
    let back = open::without_links_at(tree.as_fd(), &back)?;
    let path = fd::path(tree.as_fd())?;
    let is_gits = path.to_bytes().split(|&byte| byte == b'/').any(|part| part.eq_ignore_ascii_case(NAME.to_bytes()));
    let leads_back = stat::fstat(back.as_fd())?.is_same_file(stat::fstat(git_dir)?);
    Ok((leads_back && !is_gits).then_some((tree, path)))
}

/// The path in the text of a pointer file.
pub(in crate::workspace) fn target(text: &[u8]) -> Option<CString> {
    let target = text.strip_prefix(b"gitdir: ")?;
    let end = target.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    // git stops at a NUL, as C does.
    let end = target[..end].iter().position(|&byte| byte == 0).unwrap_or(end);
    CString::new(&target[..end]).ok()
}
