//! Notes at the end of a run: what keeps files that are lost with the home, that commits are not signed, and, if the
//! run failed, what the sandbox does not let a program do with a file.
//!
//! Nobody tells this tool which system call of the program failed: the kernel reports a refused one to no other process
//! of an ordinary user (fanotify(7) and inotify(7) have no such event, audit takes privileges), and to trace every call
//! would slow the program down. So a note is about a file that the words of the command name, and says what is certain:
//! how this file is mounted. A command that names none has no note.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::SystemTime;

use super::footprint;
use super::origin::Origin;
use crate::error::{push_printable, quoted};
use crate::plan::Plan;
use crate::spec::path::{is_at_or_below, to_os};
use crate::spec::{FsOp, Op, OverlayKind, Source};
use crate::supervise::Lost;
use crate::sys::mount::AT_FDCWD;
use crate::sys::stat;
use crate::workspace;

/// At most this many notes.
const MOST: usize = 3;

/// Programs and commands of git that remove or move a directory with all that is in it.
const REMOVE: &[&[u8]] = &[b"rm", b"rmdir", b"mv"];
/// The same of git alone.
const REMOVE_BY_GIT: &[&[u8]] = &[b"worktree", b"submodule", b"clean"];

/// The notes for a command that ended with an error.
pub(super) fn notes(plan: &Plan, origins: &[Origin]) -> Vec<Vec<u8>> {
    let words: Vec<&[u8]> = plan.program.exec.arguments.iter().map(|word| word.to_bytes()).collect();
    let start = plan.program.cwd.first().to_bytes();
    let ops = &plan.root.ops;
    let note = |(index, op): (usize, &Op)| {
        // A word may have opened it since.
        let is_last =
            |dest: &CStr| !ops[index + 1..].iter().any(|later| later.fs.is_mount() && later.fs.dest() == Some(dest));
        if let FsOp::Overlay { dest, kind: OverlayKind::Apart { .. }, .. } = &op.fs {
            return (is_removed(&words, start, dest) && is_last(dest)).then(|| in_its_place(dest));
        }
        let FsOp::Bind { source, dest, flags } = &op.fs else { return None };
        match source {
            Source::Real(_) if flags.read_only && is_named(&words, start, dest) && is_last(dest) => Some(held(dest)),
            Source::Path(source) if !flags.read_only => {
                let origin = origins.get(op.word).filter(|origin| origin.profile.is_none())?;
                (is_named(&words, start, dest) && is_file(source)).then(|| alone(origin, (source, dest), &ops[..index]))
            }
            _ => None,
        }
    };
    ops.iter().enumerate().filter_map(note).take(MOST).collect()
}

/// The note for commits that were made in the box since `start` and that the user wants to be signed.
pub(super) fn unsigned(plan: &Plan, start: SystemTime) -> Option<Vec<u8>> {
    let path = |path| Path::new(to_os(path));
    let home = plan.lifecycle.own_home.as_deref().map(path)?;
    let since = start.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let since = (i64::try_from(since.as_secs()).ok()?, i64::from(since.subsec_nanos()));
    let is_it = workspace::is_unsigned(home, path(plan.program.cwd.first()), since);
    is_it.then(|| b"commits made in the box are not signed, though commit.gpgSign is on: it has no key".to_vec())
}

/// What keeps files that were written to a home that ends with the sandbox.
pub(super) fn what_keeps(lost: &Lost) -> String {
    let Some(top) = &lost.top else {
        return "the current directory keeps files, and so does a directory named with --rw".into();
    };
    let path = Path::new(to_os(&lost.home)).join(to_os(top));
    // A shell expands the tilde of a plain word only.
    let is_plain = top.to_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    let shown = if is_plain { format!("~/{}", top.to_string_lossy()) } else { quoted(&path) };
    let them = if lost.count == 1 { "it" } else { "them" };
    let first = if path.is_dir() { String::new() } else { format!("mkdir {shown}, and ") };
    format!("{first}--rw {shown} keeps {them}")
}

/// The note for a part of the workspace that is held.
fn held(dest: &CStr) -> Vec<u8> {
    let mut out = Vec::new();
    push_printable(&mut out, to_os(dest));
    let option = quoted(to_os(dest));
    out.extend_from_slice(
        format!(
            " is read-only in the box, because programs outside obey it: --rw {option} lets a program write to it; it \
             can be removed and replaced outside only"
        )
        .as_bytes(),
    );
    out
}

/// The note for a directory whose changes are kept apart, or for a git directory.
fn in_its_place(dest: &CStr) -> Vec<u8> {
    let mut out = Vec::new();
    push_printable(&mut out, to_os(dest));
    out.extend_from_slice(
        b" is a mount in the box, because programs outside obey what is in it: a program can change that, but the \
          directory can be moved, replaced and removed outside only",
    );
    out
}

/// The note for a file that was made writable by itself, on top of `before`.
fn alone(origin: &Origin, (source, dest): (&CStr, &CStr), before: &[Op]) -> Vec<u8> {
    let mut out = Vec::new();
    push_printable(&mut out, OsStr::from_bytes(origin.value()));
    let below = footprint::covers(dest, before).next();
    let is_writable_already = matches!(below, Some(FsOp::Bind { flags, .. }) if !flags.read_only);
    let words: &[u8] = match stat::is_writable_at(AT_FDCWD, source) {
        Ok(false) => b" is not writable for you outside, and so not in the box",
        _ if is_writable_already => {
            b" is mounted by itself, and so cannot be replaced, as sed -i and some editors do; its directory is writable \
              already: leave --rw out"
        }
        _ => {
            b" is mounted by itself: a program can write to it, but not replace it, as sed -i and some editors do; --rw \
              and its directory allow both"
        }
    };
    out.extend_from_slice(words);
    out
}

fn is_file(source: &CStr) -> bool {
    Path::new(to_os(source)).is_file()
}

/// Whether a word names `path`, something below it, or a directory with it that is removed. `start` is the directory
/// from which paths count.
fn is_named(words: &[&[u8]], start: &[u8], path: &CStr) -> bool {
    let arguments = words.get(1..).unwrap_or_default();
    arguments.iter().any(|word| both_forms(start, path).any(|path| contains(word, path)))
        || is_removed(words, start, path)
}

/// Whether the words remove or move `path`, or a directory with it: its name stands beside that of a program which does
/// so, perhaps in a line for a shell.
fn is_removed(words: &[&[u8]], start: &[u8], path: &CStr) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b";&|()<>'\"`".contains(byte);
    let parts = || words.iter().flat_map(|word| word.split(is_end)).filter(|part| !part.is_empty());
    let has = |names: &[&[u8]]| {
        parts().any(|part| names.contains(&part.rsplit(|&byte| byte == b'/').next().unwrap_or_default()))
    };
    let names = |part: &[u8]| {
        let part = part.strip_suffix(b"/").unwrap_or(part);
        let part = part.strip_prefix(b"./").unwrap_or(part);
        !part.is_empty() && both_forms(start, path).any(|path| is_at_or_below(path, part))
    };
    (has(REMOVE) || has(&[b"git"]) && has(REMOVE_BY_GIT)) && parts().any(names)
}

/// `path` as a whole, and as it is called from `start`, if it lies below that.
fn both_forms<'p>(start: &[u8], path: &'p CStr) -> impl Iterator<Item = &'p [u8]> {
    let path = path.to_bytes();
    let relative = path.strip_prefix(start).and_then(|rest| rest.strip_prefix(b"/"));
    [Some(path), relative].into_iter().flatten()
}

/// Whether `path` stands in `word` as a whole, and not as a part of another name.
fn contains(word: &[u8], path: &[u8]) -> bool {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte) || byte >= 0x80;
    let mut places = word.windows(path.len().max(1)).enumerate().filter(|(_, part)| *part == path);
    places.any(|(at, _)| {
        let before = word[..at].strip_suffix(b"./").unwrap_or(&word[..at]);
        let after = word.get(at + path.len());
        before.last().is_none_or(|&byte| !is_of_name(byte))
            && after.is_none_or(|&byte| byte == b'/' || !is_of_name(byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(words: &[&str], path: &CStr) -> bool {
        is_named(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>(), b"/w", path)
    }

    #[test]
    fn a_path_in_a_word_is_found_as_a_whole() {
        for words in [
            &["sed", "-i", "s/a/b/", ".envrc"][..],
            &["sed", "-i", "s/a/b/", "./.envrc"],
            &["sed", "-i", "s/a/b/", "/w/.envrc"],
            &["sh", "-c", "echo x >.envrc; true"],
            &["tee", "--output=.envrc"],
        ] {
            assert!(named(words, c"/w/.envrc"), "{words:?}");
        }
        for words in [&["cat", "x.envrc"][..], &["cat", ".envrc2"], &["cat", "sub/.envrc"], &[".envrc"], &["make"]] {
            assert!(!named(words, c"/w/.envrc"), "{words:?}");
        }
        assert!(named(&["cp", "x", ".git/hooks/pre-commit"], c"/w/.git/hooks"));
    }

    #[test]
    fn a_directory_above_is_named_by_what_removes_it() {
        assert!(named(&["/bin/rm", "-r", "cache/"], c"/w/cache/x/.git"));
        assert!(!named(&["pytest", "cache"], c"/w/cache/x/.git"));
        assert!(!named(&["rm", "ca"], c"/w/cache/x/.git"));
    }

    #[test]
    fn a_command_that_moves_or_removes_a_directory_is_known() {
        let removed = |words: &[&str]| {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            is_removed(&words, b"/w", c"/w/wt/.git")
        };
        for words in [
            &["mv", "wt/.git", "g"][..],
            &["git", "mv", "./wt", "x"],
            &["git", "rm", "-qf", "wt"],
            &["git", "-C", ".", "worktree", "remove", "wt/"],
            &["git", "submodule", "deinit", "-f", "wt"],
            &["sh", "-c", "cd . && rm -rf wt;true"],
            &["rm", "-r", "/w/wt"],
        ] {
            assert!(removed(words), "{words:?}");
        }
        for words in [&["grep", "-r", "x", "wt"][..], &["git", "add", "wt"], &["rm", "wt2"], &["git", "clean", "-fd"]] {
            assert!(!removed(words), "{words:?}");
        }
    }
}
