//! Finds profiles: in directories of the user, then of the system, then among those that come with pinfold.
//!
//! Profiles never come from the current directory, nor from a place that the program inside can write to. Otherwise the
//! program could decide about the next sandbox (firejail, RELNOTES 0.9.80).

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::trust::{self, Distrust, Trust};
use crate::error::{Error, ErrorKind, MORE_FILES, printable, push_printable, quoted};
use crate::suggest::nearest;
use crate::sys::{Errno, content, error_text, stat};

/// The profiles that come with pinfold, by name and text, in the order of lists.
pub(crate) const SHIPPED: &[(&str, &str)] = &[
    ("workspace", include_str!("../../profiles/workspace.profile")),
    ("base", include_str!("../../profiles/base.profile")),
    ("build", include_str!("../../profiles/build.profile")),
    ("offline-tool", include_str!("../../profiles/offline-tool.profile")),
    ("desktop", include_str!("../../profiles/desktop.profile")),
    ("none", include_str!("../../profiles/none.profile")),
];

/// Directories of the system. The first one with a profile of the name wins.
pub(crate) const SYSTEM: &[&str] = &["/etc/pinfold/profiles", "/usr/share/pinfold/profiles"];

/// The users' own directory, unless they have set another (`XDG_CONFIG_HOME`).
const FOR_OWN: &str = "~/.config/pinfold";

/// The suffix of a profile's file.
const SUFFIX: &str = ".profile";

/// The maximum size of a profile, in bytes.
const LONGEST: u64 = 1 << 20;

/// A profile that was found.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    /// Its real path, or its name if it comes with pinfold. This identifies the profile, also in messages.
    pub name: Rc<[u8]>,
    /// Its content.
    pub text: Rc<[u8]>,
}

/// The places to look for profiles.
#[derive(Debug, Default)]
pub(crate) struct Library {
    /// Directories, in the order of search.
    directories: Vec<PathBuf>,
    /// The directories that are missing, and whose paths have no links. `None` until the first search.
    missing: Option<Vec<PathBuf>>,
    /// Files that have been read.
    pub used: Vec<PathBuf>,
    /// `None`: for nobody.
    pub(super) trust: Option<Trust>,
    /// Whether texts are only shown: they decide about nothing.
    pub(super) only_shows: bool,
    /// What was passed over, for a note.
    pub passed_over: Vec<Vec<u8>>,
}

impl Library {
    /// The library of a caller, whose configuration lies in `config`.
    pub(super) fn new(config: Option<&Path>, trust: Trust) -> Library {
        let own = config.map(|config| config.join("pinfold/profiles"));
        let directories = own.into_iter().chain(SYSTEM.iter().map(PathBuf::from)).collect();
        Library { directories, trust: Some(trust), ..Library::default() }
    }

    /// Every directory that is searched, and every file that was read.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Path> {
        self.directories.iter().chain(&self.used).map(PathBuf::as_path)
    }

    /// Whether `place` is one of the directories and is missing. Its path has no links then.
    pub(crate) fn is_missing(&self, place: &Path) -> bool {
        self.missing.as_ref().is_some_and(|missing| missing.iter().any(|known| known == place))
    }

    /// Finds a profile by its name, or by its path if `name` has a slash. One of `open` is taken only if there is no
    /// other of the name.
    pub(crate) fn find(&mut self, name: &CStr, open: &[Rc<[u8]>]) -> Result<Text, Error> {
        let bytes = name.to_bytes();
        if bytes.contains(&b'/') {
            // Without `.`, for messages.
            let path = &Path::new(OsStr::from_bytes(bytes)).components().collect::<PathBuf>();
            if let Some(trust) = &self.trust {
                let whole = trust.cwd.as_ref().map_or_else(|| path.to_owned(), |cwd| cwd.join(path));
                // Without `.`, so that the names can be compared.
                let whole: PathBuf = whole.components().collect();
                if let Some(distrust) = trust.of_link(&whole) {
                    return Err(unused(path, distrust));
                }
            }
            let found = self.read(path)?.ok_or_else(|| missing(name, "there is no such file"))?;
            if let Some(trust) = self.trust.as_ref().filter(|_| !self.only_shows)
                && let Some(distrust) = trust.of_text(Path::new(OsStr::from_bytes(&found.name)), &found.text)?
            {
                return Err(unused(path, distrust));
            }
            return Ok(found);
        }
        let is_name = !bytes.is_empty()
            && !bytes.starts_with(b".")
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-+".contains(byte));
        if !is_name {
            return Err(missing(name, "a name has letters, digits, dots and dashes; a file is written with a slash"));
        }
        let file = OsStr::from_bytes(&[bytes, SUFFIX.as_bytes()].concat()).to_owned();
        if self.missing.is_none() {
            self.look_at_directories();
        }
        let mut passed = None;
        for directory in self.directories.clone() {
            if self.is_missing(&directory) {
                continue;
            }
            match self.read(&directory.join(&file))? {
                Some(found) if open.contains(&found.name) => passed = passed.or(Some(found)),
                Some(found) => return Ok(found),
                None => {}
            }
        }
        let shipped = SHIPPED.iter().find(|(known, _)| known.as_bytes() == bytes);
        if let Some(passed) = passed.filter(|_| shipped.is_none()) {
            return Ok(passed);
        }
        match shipped {
            Some((name, text)) => Ok(Text { name: Rc::from(name.as_bytes()), text: Rc::from(text.as_bytes()) }),
            None => {
                let names = self.names();
                let near = nearest(&name.to_string_lossy(), names.iter().map(|(name, _)| name.as_str()));
                let list = "`pinfold profile list` shows them";
                let hint = near.map_or_else(|| list.to_owned(), |near| format!("did you mean {near}? {list}"));
                Err(missing(name, "no profile has this name").with_hint(file_meant(bytes).or(Some(hint))))
            }
        }
    }

    /// Finds out which directories exist, and passes over one that is not the caller's: with `sudo`, HOME may be
    /// somebody else's. Most users have none of these directories. One look at each is then enough for all profiles.
    fn look_at_directories(&mut self) {
        let (mut missing, mut passed_over) = (Vec::new(), Vec::new());
        for directory in &self.directories {
            let path = CString::new(directory.as_os_str().as_bytes()).unwrap_or_default();
            let found = stat::look_without_links(&path);
            if matches!(found, Err(Errno::ENOENT)) {
                missing.push(directory.clone());
                continue;
            }
            // With links on the way, what they lead to counts.
            let about = found.ok().flatten().or_else(|| stat::stat(&path).ok());
            let distrust = about.zip(self.trust.as_ref());
            let distrust = distrust.and_then(|(about, trust)| trust::of_owner(about, directory, trust.caller));
            if let Some(distrust) = distrust {
                let mut note = b"profiles in ".to_vec();
                push_printable(&mut note, directory);
                note.extend_from_slice(format!(" are not used: {}", distrust.why).as_bytes());
                passed_over.push((directory.clone(), note));
            }
        }
        self.missing = Some(missing);
        self.directories.retain(|directory| !passed_over.iter().any(|(passed, _)| passed == directory));
        self.passed_over.extend(passed_over.into_iter().map(|(_, note)| note));
    }

    /// The names that [`Library::find`] knows, with their files; `None` for those that come with pinfold.
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

    /// Reads the file `path`; `None` if it does not exist.
    fn read(&mut self, path: &Path) -> Result<Option<Text>, Error> {
        let failed = |reason: &str| {
            let mut message = b"cannot read profile ".to_vec();
            push_printable(&mut message, path);
            message.extend_from_slice(b": ");
            message.extend_from_slice(reason.as_bytes());
            Error::new(ErrorKind::Failed, message)
        };
        let (text, about) = match content::read_with_attributes(path, LONGEST) {
            Ok(read) => read,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(errno) => {
                let is_own =
                    |own: &&PathBuf| path.starts_with(own) && !SYSTEM.iter().any(|system| *own == Path::new(system));
                let own = self.directories.iter().find(is_own);
                let hint = match (errno, own) {
                    // `stat` works, so the directories can be entered: the file's own mode is the reason.
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
        if let Some(trust) = &self.trust
            && let Some(distrust) = trust::of_owner(about, path, trust.caller)
        {
            return Err(unused(path, distrust));
        }
        // Some editors on Windows write a byte order mark first. It means nothing here.
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
        // The real path: two paths to one file are one profile.
        let real = std::fs::canonicalize(path).map_err(|error| failed(&error.to_string()))?;
        let name = Rc::from(real.into_os_string().into_vec());
        // Not the real path: `World::guard_profiles` checks each link on the way.
        self.used.push(path.to_owned());
        Ok(Some(Text { name, text: Rc::from(text) }))
    }
}

/// The error for a profile that may not decide about a box.
pub(super) fn unused(path: &Path, Distrust { why, hint }: Distrust) -> Error {
    let mut message = b"profile ".to_vec();
    push_printable(&mut message, path);
    message.extend_from_slice(format!(" is not used: {why}").as_bytes());
    Error::new(ErrorKind::Unsafe, message).with_hint(Some(hint))
}

/// The reason why a profile (of options or of system calls) with at most `most` bytes cannot be read.
pub(super) fn unreadable(errno: Errno, most: u64) -> String {
    match errno {
        // `content::read_regular` returns this for anything but a regular file.
        Errno::EINVAL => "it is not a regular file".into(),
        Errno::EFBIG => format!("it is too large: a profile has {} MiB at most", most >> 20),
        errno => error_text(errno as i32).into(),
    }
}

/// A hint for an unknown profile name that is the name of a file in the current directory.
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
