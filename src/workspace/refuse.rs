//! Directories that no program may write as a whole, because they contain more than a project.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::files::c_path;
use super::model::Surroundings;
use super::users::recorded_home;
use super::{git_dir, names, obeyed};
use crate::error::{Advice, Error, ErrorKind, push_printable};
use crate::sys::dir::Entries;
use crate::sys::mount::AT_FDCWD;
use crate::sys::open::{self, For};
use crate::sys::stat::{self, Kind};
use crate::sys::{Errno, statfs};

/// These and the directories above them belong to the system or to everybody.
const SYSTEM: &[&str] = &[
    "/usr", "/tmp", "/var", "/var/tmp", "/home", "/root", "/opt", "/mnt", "/media", "/srv", "/bin", "/sbin", "/lib",
    "/lib32", "/lib64", "/libx32",
];

/// These belong to the system with everything in them.
const WHOLE: &[&str] = &["/proc", "/sys", "/dev", "/run", "/etc", "/boot"];

/// The directories that may not be a user's workspace.
pub(super) struct Limits {
    homes: Vec<PathBuf>,
    runtime: Vec<PathBuf>,
    /// The targets of links among [`SYSTEM`] (`/home -> /var/home`).
    system: Vec<PathBuf>,
    /// The targets of links among [`WHOLE`].
    whole: Vec<PathBuf>,
}

impl Limits {
    pub(super) fn new(around: &Surroundings<'_>) -> Limits {
        // The home in the user database counts as well, whatever the environment says.
        let recorded = recorded_home(around.uid);
        let homes = both_forms(around.home.map(Path::to_owned).into_iter().chain(recorded));
        let runtime = format!("/run/user/{}", around.uid);
        let runtime = both_forms(around.runtime_dir.map(Path::to_owned).into_iter().chain([runtime.into()]));
        let links = Links::of_root();
        let real = |places| links.ways_of(places).filter_map(|place| links.real(place)).collect();
        Limits { homes, runtime, system: real(SYSTEM), whole: real(WHOLE) }
    }

    /// Returns why the directory `here` (device and inode number) may not be written as a whole, although its path is
    /// harmless. A home is often mounted at two places (autofs(8), bind mounts by systemd-homed or an image builder),
    /// and it is the same directory at both.
    pub(super) fn refusal_of_place(&self, here: (u64, u64)) -> Option<&'static str> {
        let place = |path: &Path| fs::metadata(path).ok().map(|about| (about.dev(), about.ino()));
        let is_or_above = |home: &PathBuf| home.ancestors().any(|above| place(above) == Some(here));
        self.homes.iter().any(is_or_above).then_some("it is your home directory, or holds it, under another name")
    }

    /// Returns why `dir` (absolute, without links) may not be written as a whole, or `None` if it may.
    pub(super) fn refusal(&self, dir: &Path) -> Option<&'static str> {
        if dir == Path::new("/") {
            return Some("it is the root of the whole system");
        }
        if is_or_above(dir, &self.homes) {
            return Some("it is your home directory, or holds it");
        }
        if is_or_above(dir, &self.runtime) || is_in(dir, &self.runtime) {
            return Some("the sockets of your session are there ($XDG_RUNTIME_DIR)");
        }
        let is_of_the_system = is_or_above(dir, SYSTEM)
            || is_or_above(dir, &self.system)
            || is_or_above(dir, WHOLE)
            || is_or_above(dir, &self.whole)
            || is_in(dir, WHOLE)
            || is_in(dir, &self.whole);
        is_of_the_system.then_some("it belongs to the system, or to everybody")
    }
}

/// Whether `dir` is one of `places` or contains one.
fn is_or_above(dir: &Path, places: &[impl AsRef<Path>]) -> bool {
    // Nearly all places are shorter than a workspace's path, and the length check is cheaper than `starts_with`.
    let is_long_enough = |place: &&Path| place.as_os_str().len() >= dir.as_os_str().len();
    places.iter().map(AsRef::as_ref).filter(is_long_enough).any(|place| place.starts_with(dir))
}

/// Whether `dir` is one of `places` or lies below one.
fn is_in(dir: &Path, places: &[impl AsRef<Path>]) -> bool {
    places.iter().any(|place| dir.starts_with(place))
}

/// Returns each path as it is written, and again without links if that differs. Drops relative paths and `/`, which
/// are nobody's home.
fn both_forms(paths: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut forms: Vec<PathBuf> = paths.filter(|path| path.is_absolute() && path != Path::new("/")).collect();
    // The environment and the user database mostly name the same home.
    forms.dedup();
    let real: Vec<PathBuf> = forms.iter().filter_map(|path| real(path)).collect();
    forms.extend(real);
    forms
}

/// The path of `place` without links, if it has any.
fn real(place: &Path) -> Option<PathBuf> {
    // This needs one system call for most paths. realpath(3) needs one for each part.
    if stat::is_plain(&c_path(place)) {
        return None;
    }
    place.canonicalize().ok().filter(|real| real != place)
}

/// The entries of `/` that are links, if `/` can be listed. One listing replaces a system call for each of them.
struct Links(Option<Vec<OsString>>);

impl Links {
    fn of_root() -> Links {
        Links(Links::listed().ok())
    }

    fn listed() -> Result<Vec<OsString>, Errno> {
        let root = open::any_mount(AT_FDCWD, c"/", For::Listing)?;
        let marks_last = statfs::marks_last(root.as_fd())?;
        let (mut entries, mut links, mut is_done) = (Entries::new(), Vec::new(), false);
        while !is_done && entries.read(root.as_fd())? {
            let may_be = entries.iter().filter(|(_, kind)| kind.is_none_or(|kind| kind == Kind::Link));
            links.extend(may_be.map(|(name, _)| OsStr::from_bytes(name.to_bytes()).to_owned()));
            is_done = marks_last && entries.is_last();
        }
        Ok(links)
    }

    /// The path of `place` without links, if it has any.
    fn real(&self, place: &Path) -> Option<PathBuf> {
        if place.parent() != Some(Path::new("/")) {
            return real(place);
        }
        let is_link = |name| self.0.as_ref().is_none_or(|links| links.iter().any(|link| link == name));
        if let Some(target) = fs::read_link(place).ok().map(|target| Path::new("/").join(target))
            && let [Component::RootDir, Component::Normal(first), Component::Normal(_)] =
                target.components().collect::<Vec<_>>()[..]
            && !is_link(first)
            && fs::read_link(&target).is_err_and(|error| error.kind() == io::ErrorKind::InvalidInput)
        {
            // As on systems with a merged /usr (`/bin -> usr/bin`). Nothing else needs a look.
            return Some(target);
        }
        real(place)
    }

    /// Those of `places` whose paths may contain links.
    fn ways_of<'a>(&self, places: &'a [&str]) -> impl Iterator<Item = &'a Path> {
        let may_lead_on = |place: &&Path| match (&self.0, place.strip_prefix("/")) {
            (Some(links), Ok(name)) if name.components().count() == 1 => {
                links.iter().any(|link| link == name.as_os_str())
            }
            _ => true,
        };
        places.iter().map(Path::new).filter(move |place| may_lead_on(place))
    }
}

/// Directories of the home that programs of the host obey as a whole, and why.
const OF_HOME: [(&str, &str); 5] = [
    (".ssh", "ssh reads it"),
    (".gnupg", "gpg reads it"),
    (".local/bin", "shells take programs from it"),
    (".config/autostart", "it is started when you log in"),
    (".config/systemd", "systemd starts it"),
];

/// Returns the error for a directory that the host obeys, or that lies in one. A repository in one is a project of its
/// own, as those are that agents make in their own directories (`.claude/worktrees`).
pub(super) fn protected(dir: &Path, around: &Surroundings<'_>) -> Option<Error> {
    let home = around.home.and_then(|home| home.canonicalize().ok());
    let of_home = |(name, why): &(&str, &'static str)| {
        let place = home.as_ref()?.join(name);
        dir.starts_with(&place).then_some((place, *why))
    };
    let in_table = || {
        let place = obeyed_around(dir)?;
        Some((place.to_owned(), obeyed::row(place)?.by))
    };
    let path = || around.path.map(|path| std::env::split_paths(path).collect::<Vec<_>>()).unwrap_or_default();
    let in_path = || path().iter().any(|place| place == dir).then(|| (dir.to_owned(), "your PATH has it"));
    let (place, why) = OF_HOME.iter().find_map(of_home).or_else(in_table).or_else(in_path)?;
    let mut message = b"Refusing to let the program write ".to_vec();
    push_printable(&mut message, dir);
    message.extend_from_slice(b": the host obeys what is in ");
    push_printable(&mut message, &place);
    message.extend_from_slice(format!(" ({why})").as_bytes());
    Some(Error::new(ErrorKind::Unsafe, message).with_advice(Advice::NamedDirectory))
}

/// Whether `dir` is a thing that the host obeys, or lies in one: a git directory, or a directory of the table.
pub(crate) fn is_obeyed(dir: &Path) -> bool {
    let is_gits = |part: &OsStr| names::is_like(part.as_bytes(), b".git");
    dir.iter().any(is_gits) || dir.ancestors().any(git_dir::is_git_dir) || obeyed_around(dir).is_some()
}

/// Whether `path` names something that the host obeys, a file of the table too, or lies in such a directory.
pub(crate) fn is_protected_name(path: &Path) -> bool {
    is_obeyed(path) || obeyed::row(path).is_some()
}

/// The nearest directory of the table that `dir` is or lies in, with no repository between them.
fn obeyed_around(dir: &Path) -> Option<&Path> {
    for place in dir.ancestors() {
        if obeyed::row(place).is_some_and(|row| row.kind == obeyed::Kind::Dir) {
            return Some(place);
        }
        if git_dir::dot_git(place).is_some() {
            return None;
        }
    }
    None
}

/// The error for a directory that may not be the workspace.
pub(super) fn error(dir: &Path, reason: &str) -> Error {
    let mut message = b"Refusing to let the program write all of ".to_vec();
    push_printable(&mut message, dir);
    message.extend_from_slice(format!(": {reason}").as_bytes());
    Error::new(ErrorKind::Unsafe, message).with_advice(Advice::OneProject)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::GitConfig;

    #[test]
    fn what_is_more_than_a_project_is_refused() {
        let around = Surroundings {
            is_named: false,
            cwd: Path::new("/x"),
            home: Some(Path::new("/data/people/me")),
            runtime_dir: Some(Path::new("/data/run/me")),
            path: None,
            state: None,
            uid: 54321,
            stores: &[],
            git_config: &GitConfig::default(),
        };
        let limits = Limits::new(&around);
        let refused = "/ /data /data/people /data/people/me /data/run /data/run/me /data/run/me/x /usr /tmp /var \
                       /var/tmp /home /proc /proc/1 /sys/fs /dev/shm /dev/shm/x /run /run/user/54321 /run/x /etc \
                       /etc/x /boot /root /opt /srv /lib /bin";
        for dir in refused.split_whitespace() {
            assert!(limits.refusal(Path::new(dir)).is_some(), "{dir}");
        }
        for dir in "/data/people/me/x /data/people/you /tmp/x /var/tmp/x /usr/src/x /home/x /opt/x /root/x".split(' ') {
            assert_eq!(limits.refusal(Path::new(dir)), None, "{dir}");
        }
    }

    #[test]
    fn what_the_systems_links_lead_to_is_refused_with_what_is_above_it() {
        let around = Surroundings {
            is_named: false,
            cwd: Path::new("/x"),
            home: None,
            runtime_dir: None,
            path: None,
            state: None,
            uid: 54321,
            stores: &[],
            git_config: &GitConfig::default(),
        };
        let limits = Limits { system: vec!["/data/disk/tmp".into()], ..Limits::new(&around) };
        assert!(["/data/disk/tmp", "/data/disk", "/data"].iter().all(|dir| limits.refusal(Path::new(dir)).is_some()));
        assert!(["/data/disk/tmp/x", "/data/x"].iter().all(|dir| limits.refusal(Path::new(dir)).is_none()));
    }

    #[test]
    fn only_links_in_the_root_are_followed_and_all_where_it_cannot_be_listed() {
        let places = ["/usr", "/bin", "/var/tmp"];
        let ways = |links: Option<Vec<OsString>>| Links(links).ways_of(&places).map(Path::to_owned).collect::<Vec<_>>();
        assert_eq!(ways(Some(vec!["bin".into(), "x".into()])), [Path::new("/bin"), Path::new("/var/tmp")]);
        assert_eq!(ways(None), places.map(PathBuf::from));
    }

    #[test]
    fn a_home_of_slash_does_not_refuse_everything() {
        let around = Surroundings {
            is_named: false,
            cwd: Path::new("/x"),
            home: Some(Path::new("/")),
            runtime_dir: None,
            path: None,
            state: None,
            uid: 54321,
            stores: &[],
            git_config: &GitConfig::default(),
        };
        assert_eq!(Limits::new(&around).refusal(Path::new("/data/x")), None);
    }
}
