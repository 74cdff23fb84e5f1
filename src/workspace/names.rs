//! Recognizes special names in every spelling that a filesystem may accept.
//!
//! Some filesystems do not tell `.git` from `.GIT` (a directory of ext4, f2fs or tmpfs with `chattr +F`, vfat, xfs with
//! `ascii-ci`, exfat, ntfs, hfsplus). Some of them also ignore invisible characters. On such a filesystem, git takes a
//! file called `.GIT` for `.git`. Only the filesystem knows which names are the same. So if a name is another spelling
//! of a special one, it is looked up again by the spelling that git uses. Such names are rare, and others cost nothing.

use std::borrow::Cow;
use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use crate::sys::stat;

/// Returns which of `known` the entry `name` of `dir` is, or `None` if the filesystem takes it for another name.
pub(super) fn recognize<'k>(
    dir: BorrowedFd<'_>,
    name: &CStr,
    known: impl IntoIterator<Item = &'k CStr>,
) -> Option<&'k CStr> {
    // Folded once and not for each known name, because a program can make any number of long names.
    let folded = folded(name.to_bytes())?;
    // Nearly all names are no known ones, and the length check rejects most of them.
    let is_it = |known: &&CStr| known.count_bytes() == folded.len() && known.to_bytes().eq_ignore_ascii_case(&folded);
    let found = known.into_iter().find(is_it)?;
    (name == found || is_same_entry(dir, name, found)).then_some(found)
}

/// Whether some filesystem may take two names for the same. `known` is ASCII.
pub(super) fn is_like(name: &[u8], known: &[u8]) -> bool {
    folded(name).is_some_and(|name| name.eq_ignore_ascii_case(known))
}

/// Returns the ASCII name that some filesystem may take `name` for, in letters of any case. Returns `None` if no
/// filesystem takes it for an ASCII name.
pub(crate) fn folded(name: &[u8]) -> Option<Cow<'_, [u8]>> {
    if name.is_ascii() {
        return Some(Cow::Borrowed(name));
    }
    let letters = std::str::from_utf8(name).ok()?.chars().filter(|&letter| !is_ignored(letter));
    // Both ways are needed: U+212A, the Kelvin sign, has the lower case "k", and U+017F, the long s, the upper case
    // "S".
    let folded = letters.flat_map(char::to_lowercase).flat_map(char::to_uppercase);
    folded.map(|letter| u8::try_from(letter).ok().filter(u8::is_ascii)).collect::<Option<_>>().map(Cow::Owned)
}

/// Whether git would record a file at `path`, relative to the work tree (read-cache.c, `verify_path`): it is not
/// absolute, it stays below the top, and it does not enter a git directory.
pub(super) fn is_recordable(path: &[u8]) -> bool {
    // Nearly all names begin with a letter that no spelling of `.git` begins with.
    let may_be_gits = |part: &[u8]| part.first().is_some_and(|first| *first == b'.' || !first.is_ascii());
    let is_name = |part: &[u8]| !matches!(part, b"" | b"." | b"..") && !part.contains(&0);
    path.split(|&byte| byte == b'/').all(|part| is_name(part) && !(may_be_gits(part) && is_like(part, b".git")))
}

/// Whether filesystems may ignore this character when they compare names (Unicode, `Default_Ignorable_Code_Point`;
/// kernel, fs/unicode and fs/hfsplus/tables.c).
fn is_ignored(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

fn is_same_entry(dir: BorrowedFd<'_>, name: &CStr, known: &CStr) -> bool {
    let look = |name: &CStr| stat::look_at(dir, name).ok().flatten();
    look(known).zip(look(name)).is_some_and(|(known, found)| known.is_same_file(found))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn names_that_a_filesystem_may_take_for_one() {
        let same = [".git", ".GIT", ".Git", ".g\u{200c}it", "\u{feff}.giT", ".gi\u{ad}t"];
        assert!(same.iter().all(|name| is_like(name.as_bytes(), b".git")));
        for (name, known) in [("hoo\u{212a}s", "hooks"), ("ref\u{17f}", "refs"), ("con\u{fb01}g", "config")] {
            assert!(is_like(name.as_bytes(), known.as_bytes()), "{name}");
        }
        let other = ["git", ".gita", ".gi", "", ".g\u{ec}t", ".git ", "..git", "\u{200c}"];
        assert!(!other.iter().any(|name| is_like(name.as_bytes(), b".git")));
        assert!(!is_like(b".git\xff", b".git"));
    }

    #[test]
    fn paths_that_git_records() {
        for path in ["a", "a/b", ".gitignore", ".github/x", "a/..b", "\u{e9}/x", "git", "a b", "...", ".g"] {
            assert!(is_recordable(path.as_bytes()), "{path}");
        }
        let outside = ["", "/a", "a//b", "a/", ".", "..", "a/../b", "./a", "a\0b"];
        let gits = [".git/x", "a/.GIT/x", ".g\u{200c}it", "\u{200c}.git"];
        for path in outside.iter().chain(&gits) {
            assert!(!is_recordable(path.as_bytes()), "{path}");
        }
    }

    /// Where names are compared as they are written, another way to write one is another name. A hard link stands for a
    /// filesystem where it is not.
    #[test]
    fn the_filesystem_decides() {
        let path = std::path::PathBuf::from(format!("/var/tmp/pinfold-names-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let dir = fs::File::open(&path).unwrap();
        let known = [c".git", c"HEAD"];
        let found = |name| recognize(dir.as_fd(), name, known);
        assert_eq!((found(c".git"), found(c"HEAD"), found(c"x")), (Some(known[0]), Some(known[1]), None));
        fs::write(path.join(".GIT"), "").unwrap();
        assert_eq!(found(c".GIT"), None);
        fs::write(path.join(".git"), "").unwrap();
        assert_eq!(found(c".GIT"), None);
        fs::remove_file(path.join(".git")).unwrap();
        fs::hard_link(path.join(".GIT"), path.join(".git")).unwrap();
        assert_eq!(found(c".GIT"), Some(known[0]));
        fs::remove_dir_all(&path).unwrap();
    }
}
