//! Where profiles are found: directories of the user and of the system, then those that come with pinfold.
//!
//! Never the current directory, and never a place that the program inside could write to: what it planted there would
//! decide about the next sandbox (firejail, RELNOTES 0.9.80).

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::{Error, ErrorKind, MORE_FILES, printable, push_printable, quoted};
use crate::suggest::nearest;
use crate::sys::{Errno, content, error_text, stat};

/// Name and text of those that come with pinfold, in the order to show them.
pub(crate) const SHIPPED: &[(&str, &str)] = &[
    ("workspace", include_str!("../../profiles/workspace.profile")),
    ("base", include_str!("../../profiles/base.profile")),
    ("build", include_str!("../../profiles/build.profile")),
    ("offline-tool", include_str!("../../profiles/offline-tool.profile")),
    ("desktop", include_str!("../../profiles/desktop.profile")),
    ("none", include_str!("../../profiles/none.profile")),
];

/// Directories of the system. The first one that has a profile of the name decides.
pub(crate) const SYSTEM: &[&str] = &["/etc/pinfold/profiles", "/usr/share/pinfold/profiles"];

/// Where users keep their own, as long as they have not set another place.
const FOR_OWN: &str = "~/.config/pinfold";

/// What a profile's file is called after its name.
const SUFFIX: &str = ".profile";

/// The longest profile that is read, in bytes.
const LONGEST: u64 = 1 << 20;

/// A profile as it was found.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// Its path, or the name of one that comes with pinfold: what tells it from others, and what messages call it.
    pub name: Rc<[u8]>,
    /// What it says.
    pub text: Rc<[u8]>,
}

/// Where profiles are looked for.
#[derive(Debug, Default)]
pub(crate) struct Library {
    /// Directories, the strongest first.
    directories: Vec<PathBuf>,
    /// Those of them that are not there, and have no link on their way. Unknown until a profile is looked for.
    missing: Option<Vec<PathBuf>>,
    /// Files that have been read.
    pub used: Vec<PathBuf>,
}

impl Library {
    /// The library of a user whose configuration lies in `config`.
    pub(crate) fn new(config: Option<&Path>) -> Library {
        let own = config.map(|config| config.join("pinfold/profiles"));
        let directories = own.into_iter().chain(SYSTEM.iter().map(PathBuf::from)).collect();
        Library { directories, missing: None, used: Vec::new() }
    }

    /// Every directory that is searched, and every file that was read.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Path> {
        self.directories.iter().chain(&self.used).map(PathBuf::as_path)
    }

    /// Whether `place` is one of the directories, and is not there: its path has no link then.
    pub(crate) fn is_missing(&self, place: &Path) -> bool {
        self.missing.as_ref().is_some_and(|missing| missing.iter().any(|known| known == place))
    }

    /// The profile called `name`: a name, or a file written with a slash.
    pub(crate) fn find(&mut self, name: &CStr) -> Result<Text, Error> {
        let bytes = name.to_bytes();
        if bytes.contains(&b'/') {
            return self
                .read(Path::new(OsStr::from_bytes(bytes)))?
                .ok_or_else(|| missing(name, "there is no such file"));
        }
        let is_name = !bytes.is_empty()
            && !bytes.starts_with(b".")
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(byte));
        if !is_name {
            return Err(missing(name, "a name has letters, digits, dots and dashes; a file is written with a slash"));
        }
        let file = OsStr::from_bytes(&[bytes, SUFFIX.as_bytes()].concat()).to_owned();
        // Most have none of them: then a look at each is enough for all profiles.
        let is_missing = |directory: &&PathBuf| {
            let path = CString::new(directory.as_os_str().as_bytes()).unwrap_or_default();
            matches!(stat::look_without_links(&path), Err(Errno::ENOENT))
        };
        if self.missing.is_none() {
            self.missing = Some(self.directories.iter().filter(is_missing).cloned().collect());
        }
        for directory in self.directories.clone() {
            if self.is_missing(&directory) {
                continue;
            }
            if let Some(found) = self.read(&directory.join(&file))? {
                return Ok(found);
            }
        }
        match SHIPPED.iter().find(|(known, _)| known.as_bytes() == bytes) {
            Some((name, text)) => Ok(Text { name: Rc::from(name.as_bytes()), text: Rc::from(text.as_bytes()) }),
            None => {
                let names = self.names();
                let near = nearest(&name.to_string_lossy(), names.iter().map(|(name, _)| name.as_str()));
                let hint = near.map(|near| format!("did you mean {near}? `pinfold profile list` shows them"));
                Err(missing(name, "no profile has this name").with_hint(file_meant(bytes).or(hint)))
            }
        }
    }

    /// The names that [`Library::find`] knows, with where they come from.
    pub(crate) fn names(&self) -> Vec<(String, Option<PathBuf>)> {
        let mut names: Vec<(String, Option<PathBuf>)> = Vec::new();
        for directory in &self.directories {
            let mut own: Vec<_> = std::fs::read_dir(directory)
                .into_iter()
                .flatten()
                .flatten()
                .filter_map(|entry| Some((entry.file_name().to_str()?.strip_suffix(SUFFIX)?.to_owned(), entry.path())))
                .collect();
            own.sort();
            for (name, path) in own {
                if !names.iter().any(|(known, _)| *known == name) {
                    names.push((name, Some(path)));
                }
            }
        }
        for (name, _) in SHIPPED {
            if !names.iter().any(|(known, _)| known == name) {
                names.push(((*name).to_owned(), None));
            }
        }
        names
    }

    /// The file `path`; `None` where there is none.
    fn read(&mut self, path: &Path) -> Result<Option<Text>, Error> {
        let failed = |reason: &str| {
            let mut message = b"cannot read profile ".to_vec();
            push_printable(&mut message, path);
            message.extend_from_slice(b": ");
            message.extend_from_slice(reason.as_bytes());
            Error::new(ErrorKind::Failed, message)
        };
        let text = match content::read_regular(path, LONGEST) {
            Ok(text) => text,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(errno) => {
                let is_own =
                    |own: &&PathBuf| path.starts_with(own) && !SYSTEM.iter().any(|system| *own == Path::new(system));
                let own = self.directories.iter().find(is_own);
                let hint = match (errno, own) {
                    // It can be seen, so it is its own mode that closes it.
                    (Errno::EACCES, _) if path.exists() => Some(format!(
                        "the file is not readable for you: ls -l {} shows its owner and mode",
                        quoted(path)
                    )),
                    (Errno::EACCES, Some(own)) => Some(format!(
                        "profiles are looked for in {}, which must be yours to enter: is HOME your home?",
                        printable(own)
                    )),
                    (Errno::EMFILE, _) => Some(MORE_FILES.into()),
                    _ => None,
                };
                return Err(failed(&unreadable(errno, LONGEST)).with_hint(hint));
            }
        };
        // Editors of another system put a byte order mark in front. It says nothing here.
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
        // Its real name: two ways to one file are one profile.
        let real = std::fs::canonicalize(path).map_err(|error| failed(&error.to_string()))?;
        let name = Rc::from(real.into_os_string().into_vec());
        // The guard against writable places looks at each link on the way.
        self.used.push(path.to_owned());
        Ok(Some(Text { name, text: Rc::from(text) }))
    }
}

/// Why a profile of the one kind or the other, which may have `most` bytes, cannot be read.
pub(super) fn unreadable(errno: Errno, most: u64) -> String {
    match errno {
        // So `content::read_regular` has it.
        Errno::EINVAL => "it is not a regular file".into(),
        Errno::EFBIG => format!("it is too large: a profile has {} MiB at most", most >> 20),
        errno => error_text(errno as i32).into(),
    }
}

/// What to say about a name that nothing is called, where it is that of a file in the current directory.
pub(super) fn file_meant(name: &[u8]) -> Option<String> {
    let path = Path::new(OsStr::from_bytes(name));
    let is_name = !name.is_empty() && !name.contains(&b'/');
    let shown = printable(path);
    (is_name && path.is_file()).then(|| {
        format!(
            "a file is written with its directory: ./{shown} (in a profile: with its whole path); it is refused where \
                 the program could write to it, as in the workspace: keep it elsewhere, such as below {FOR_OWN}"
        )
    })
}

fn missing(name: &CStr, why: &str) -> Error {
    let mut place = b"profile ".to_vec();
    push_printable(&mut place, OsStr::from_bytes(name.to_bytes()));
    Error { place: Some(place.into()), ..Error::new(ErrorKind::Invalid, why) }
}
