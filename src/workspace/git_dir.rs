//! Whether a directory is a git directory. There is one rule for all who ask, whatever they look with.
//!
//! git takes a directory for one if `HEAD` is valid and `objects` and `refs` can be entered; a `commondir` says that
//! these two are elsewhere (setup.c, `is_git_directory`; gitrepository-layout(5)). Here the names alone count. The type
//! of an entry does not matter, because git follows links, and the program can later make a link lead somewhere. What
//! `HEAD` says does not matter either, because the program can write that too. So this may find a git directory too
//! many, which is then protected, but never one too few.

use std::ffi::CStr;
use std::fs;
use std::path::Path;

use super::files::path_of;

/// The names that decide.
pub(super) const NAMES: [&CStr; 4] = [c"HEAD", c"objects", c"refs", c"commondir"];

/// Whether a directory in which `has` finds names is a git directory. Asks for no more names than needed.
pub(super) fn is_git_dir_with<E>(has: impl Fn(&CStr) -> Result<bool, E>) -> Result<bool, E> {
    Ok(has(c"HEAD")? && (has(c"objects")? && has(c"refs")? || has(c"commondir")?))
}

/// Whether `dir` is a git directory.
pub(super) fn is_git_dir(dir: &Path) -> bool {
    let look = |name: &CStr| dir.join(path_of(name.to_bytes())).symlink_metadata().map(drop);
    is_git_dir_with(|name| Ok::<_, ()>(look(name).is_ok())) == Ok(true)
}

/// Whether `dir` is the top of a work tree: whether its `.git` is a directory. `None` if it is none.
pub(super) fn dot_git(dir: &Path) -> Option<bool> {
    let dot_git = dir.join(".git");
    let about = fs::symlink_metadata(&dot_git).ok()?;
    (!about.is_dir() || is_git_dir(&dot_git)).then(|| about.is_dir())
}

/// The top of the repository that `dir` lies in, as git finds it.
pub(crate) fn top_of(dir: &Path) -> Option<&Path> {
    dir.ancestors().find(|dir| dot_git(dir).is_some())
}

/// Which of [`NAMES`] a listing of a directory has shown.
#[derive(Default)]
pub(super) struct Listed(Vec<&'static CStr>);

impl Listed {
    /// Notes a name, if it is one of [`NAMES`].
    pub(super) fn note(&mut self, name: &CStr) {
        self.0.extend(NAMES.into_iter().find(|known| *known == name));
    }

    /// Whether the directory is a git directory.
    pub(super) fn is_git_dir(&self) -> bool {
        is_git_dir_with(|name| Ok::<_, ()>(self.0.contains(&name))) == Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Each set of names, and whether it makes a git directory.
    const SETS: [(&[&CStr], bool); 8] = [
        (&[c"HEAD", c"objects", c"refs"], true),
        (&[c"HEAD", c"commondir"], true),
        (&[c"HEAD", c"objects", c"refs", c"commondir", c"hooks"], true),
        (&[c"HEAD", c"objects"], false),
        (&[c"HEAD", c"refs"], false),
        (&[c"objects", c"refs", c"commondir"], false),
        (&[c"HEAD"], false),
        (&[], false),
    ];

    /// By a listing, and by the path; with files, with directories, and with links that lead nowhere.
    #[test]
    fn all_who_ask_get_the_same_answer() {
        let top = std::path::PathBuf::from(format!("/var/tmp/pinfold-git-dir-{}", std::process::id()));
        fs::create_dir(&top).unwrap();
        type Make = fn(&Path) -> std::io::Result<()>;
        let kinds: [Make; 3] = [|path| fs::write(path, ""), |path| fs::create_dir(path), |path| symlink("/none", path)];
        for (number, (names, expected)) in SETS.into_iter().enumerate() {
            let mut listed = Listed::default();
            names.iter().for_each(|name| listed.note(name));
            assert_eq!(listed.is_git_dir(), expected, "{names:?}");
            for (kind, make) in kinds.iter().enumerate() {
                let dir = top.join(format!("{number}-{kind}"));
                fs::create_dir(&dir).unwrap();
                names.iter().for_each(|name| make(&dir.join(name.to_str().unwrap())).unwrap());
                assert_eq!(is_git_dir(&dir), expected, "{names:?} {kind}");
            }
        }
        fs::remove_dir_all(top).unwrap();
    }
}
