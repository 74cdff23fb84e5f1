//! What `pinfold run` must know of the caller's surroundings while it makes sense of the words.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use super::args::RunArgs;
use super::footprint::HostEntry;
use super::links::{self, Place};
use super::lower::{self, Context, Lowered};
use super::origin::{self, Origin};
use super::profile::{Library, Text};
use super::read::Outside;
use super::{messages, profile, value};
use crate::cli::seccomp::LONGEST;
use crate::error::{Error, ErrorKind, push_printable};
use crate::host::Caller;
use crate::spec::{FsOp, Op, ProfileText, Seccomp, Source, Spec};
use crate::sys::{Errno, content, cwd, error_text, stat};
use crate::workspace::{self, GitConfig, Surroundings, Workspace};

/// Where a program finds its home whose caller has none.
const NO_HOME: &CStr = c"/home/user";

/// Whether a home would hide a part of the system under the empty one of the box.
fn is_of_the_system(home: &[u8]) -> bool {
    const SYSTEM: &[&str] =
        &["/bin", "/dev", "/etc", "/gnu", "/lib", "/lib64", "/nix", "/proc", "/run", "/sbin", "/sys", "/usr"];
    let home = Path::new(OsStr::from_bytes(home));
    SYSTEM.iter().any(|system| home.starts_with(system))
}

/// `name`, if it is that of a socket in `directory` or of nothing there. Of anything else a profile would show more than a
/// socket, `.` being the whole directory: then it is empty, which the reader of profiles refuses.
fn socket_name(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let is_name = !matches!(name, b"." | b"..");
    let path = Path::new(OsStr::from_bytes(directory)).join(OsStr::from_bytes(name));
    let is_right = match std::fs::symlink_metadata(path) {
        Ok(found) => found.file_type().is_socket(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if is_name && is_right { name.to_vec() } else { Vec::new() }
}

/// The surroundings.
pub(super) struct World {
    /// The current directory, without links.
    pub(super) cwd: Option<CString>,
    /// What `${…}` in a profile can be.
    pub(super) variables: Vec<(&'static str, CString)>,
    pub(super) library: Library,
    /// What the caller and the system have configured for every repository.
    pub(super) git_config: GitConfig,
    /// Who called.
    pub(super) caller: Caller,
}

impl World {
    /// Looks around.
    pub(super) fn probe(environment: &[&CStr]) -> World {
        let caller = Caller::probe();
        let variable = |name: &str| {
            environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        };
        // Anything else would make a path that depends on where it is used (XDG Base Directory Specification).
        // And the root is nobody's own: a directory in memory there would hide everything.
        let is_root = |path: &[u8]| path.split(|&byte| byte == b'/').all(|part| part.is_empty() || part == b".");
        let is_place = |path: &&[u8]| path.starts_with(b"/") && !is_root(path);
        let absolute = |name: &str| variable(name).filter(is_place).map(<[u8]>::to_vec);
        let has_home = absolute("HOME").filter(|home| !is_of_the_system(home));
        let home = has_home.clone().unwrap_or_else(|| NO_HOME.to_bytes().to_vec());
        let below_home = |name: &str, rest: &[u8]| absolute(name).unwrap_or_else(|| [&home, rest].concat());
        let runtime = format!("/run/user/{}", caller.uid).into_bytes();
        let runtime = absolute("XDG_RUNTIME_DIR").unwrap_or(runtime);
        // A name in the runtime directory; it may be a path too, which needs no help of ours.
        let wayland = variable("WAYLAND_DISPLAY").filter(|name| !name.is_empty() && !name.contains(&b'/'));
        let wayland = wayland.map_or(b"wayland-0".to_vec(), |name| socket_name(&runtime, name));
        let config = below_home("XDG_CONFIG_HOME", b"/.config");
        // Without a home there is no configuration either, rather than one at a place that somebody else may own.
        let as_path = |path: Vec<u8>| PathBuf::from(OsString::from_vec(path));
        let library = has_home.is_some().then(|| as_path(config.clone()));
        let git_home = has_home.map(as_path);
        let variable = |name: &str| variable(name).map(<[u8]>::to_vec);
        let git_config = GitConfig::new(git_home.as_deref(), library.as_deref(), &variable);
        let variables = [
            ("HOME", home.clone()),
            ("UID", caller.uid.to_string().into_bytes()),
            ("XDG_RUNTIME_DIR", runtime),
            ("XDG_CONFIG_HOME", config),
            ("XDG_CACHE_HOME", below_home("XDG_CACHE_HOME", b"/.cache")),
            ("XDG_DATA_HOME", below_home("XDG_DATA_HOME", b"/.local/share")),
            ("WAYLAND_DISPLAY", wayland),
        ];
        World {
            cwd: cwd::getcwd().ok(),
            // They come from C strings, so there is no NUL in them.
            variables: variables.map(|(name, value)| (name, CString::new(value).unwrap_or_default())).to_vec(),
            library: Library::new(library.as_deref()),
            git_config,
            caller,
        }
    }

    /// Every profile's name, with its file.
    pub(super) fn names(&self) -> Vec<(String, Option<PathBuf>)> {
        self.library.names()
    }

    /// What the current directory needs.
    pub(super) fn workspace(&self) -> Result<Workspace, Error> {
        let Some(cwd) = &self.cwd else {
            return Err(Error::new(ErrorKind::Failed, "the current directory is gone, and so is the workspace"));
        };
        let known =
            |name: &str| self.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| path_of(value));
        let [home, config] = ["HOME", "XDG_CONFIG_HOME"].map(known);
        let found = workspace::find(&Surroundings {
            cwd: &path_of(cwd),
            home: home.as_deref(),
            runtime_dir: known("XDG_RUNTIME_DIR").as_deref(),
            uid: self.caller.uid,
            git_config: &self.git_config,
        })?;
        let identity = home.zip(config).map(|(home, config)| workspace::identity(&home, &config));
        Ok(Workspace { identity: identity.unwrap_or_default(), ..found })
    }

    /// What `args` ask for, if it can be had all at once. `environment` is the caller's, and `workspace` says what the
    /// current directory needs.
    pub(super) fn lowered(
        &self,
        args: RunArgs,
        environment: &[&CStr],
        workspace: &dyn Fn() -> Result<Workspace, Error>,
    ) -> Result<Lowered, Error> {
        let context = Context {
            last_cap: if args.caps.is_empty() { 0 } else { Caller::last_capability() },
            cwd: self.cwd.as_deref(),
            environment,
            look: &look,
            workspace,
            read: &read_file,
        };
        let lowered = lower::lower(args, &context)?;
        let done = lowered.spec.check(self.caller.uid, self.caller.gid);
        done.map_err(|conflict| messages::conflict(conflict, &lowered.seen))?;
        Ok(lowered)
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        self.cwd.as_deref().map_or_else(|| path.to_owned(), |cwd| path_of(cwd).join(path))
    }

    /// Refuses paths that lead astray through links which an earlier box may have left: in the current directory, unless
    /// that is the home directory or above it and so no workspace, and in what this box can write to. What such a path leads to is what will be opened.
    pub(super) fn guard_links(&self, spec: &mut Spec, origins: &[Origin]) -> Result<(), Error> {
        let cwd = self.cwd.as_deref().map(path_of);
        let home = self.variables.iter().find(|(name, _)| *name == "HOME").map(|(_, home)| path_of(home));
        let is_project = |cwd: &&PathBuf| !home.is_some_and(|home| home.starts_with(cwd));
        let project = cwd.as_ref().filter(is_project).map(|cwd| Place { path: cwd.clone(), op: None });
        let place = |(index, op)| writable_source(op).map(|path| Place { path, op: Some(index) });
        let places: Vec<Place> = project.into_iter().chain(spec.ops.iter().enumerate().filter_map(place)).collect();
        links::guard(&mut spec.ops, origins, cwd.as_deref(), &places)
    }

    /// Refuses a box that could write to where pinfold reads its profiles: what it planted there would decide about the
    /// next one.
    pub(super) fn guard_profiles(&self, spec: &Spec, origins: &[Origin]) -> Result<(), Error> {
        let writable = |op: &Op| Some((writable_source(op)?, op.word));
        let writable: Vec<(PathBuf, usize)> = spec.ops.iter().filter_map(writable).collect();
        if writable.is_empty() {
            return Ok(());
        }
        let filter = match &spec.lockdown.seccomp {
            Seccomp::Profile { text: ProfileText::File { name, .. }, .. } => Some(path_of(name)),
            _ => None,
        };
        for place in self.library.places().map(Path::to_owned).chain(filter) {
            let mut way = Vec::new();
            let named = self.absolute(&place);
            let is_missing = self.library.is_missing(&place);
            let place = real(&named, is_missing, &mut |part, _| way.push(part.to_owned()));
            // A link that the program can exchange decides as well as what it leads to.
            let is_led =
                |source: &Path| way.iter().any(|part| part.parent().is_some_and(|dir| dir.starts_with(source)));
            let meets = |(source, _): &&(PathBuf, usize)| {
                place.starts_with(source) || source.starts_with(&place) || is_led(source)
            };
            if let Some((source, word)) = writable.iter().find(meets) {
                let mut message = b"the program could write to ".to_vec();
                push_printable(&mut message, source);
                message.extend_from_slice(b", and pinfold reads its rules from ");
                let is_written = place.starts_with(source) || source.starts_with(&place);
                push_printable(&mut message, if is_written { &place } else { &named });
                let is_anothers =
                    source.metadata().is_ok_and(|about| about.uid() != self.caller.uid && self.caller.uid != 0);
                let hint = if is_anothers {
                    "that directory belongs to somebody else: start in a directory of your own, or name one to be writable"
                } else {
                    "what the program writes there would decide about the next sandbox: keep profiles outside of what it \
                     can write to, and make a smaller directory writable"
                };
                return Err(origin::at(
                    origins.get(*word),
                    Error::new(ErrorKind::Unsafe, message).with_hint(Some(hint.into())),
                ));
            }
        }
        Ok(())
    }
}

impl Outside for World {
    fn profile(&mut self, name: &CStr) -> Result<Text, Error> {
        self.library.find(name)
    }
}

fn path_of(text: &CStr) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(text.to_bytes()))
}

/// `path` (absolute) without links, whether it exists or not: one call where it has none, and no call where it is known
/// that it `is_missing` and has none. Where it has links, `see` is told of each part of the way, as by [`links::real`].
fn real(path: &Path, is_missing: bool, see: &mut dyn FnMut(&Path, bool)) -> PathBuf {
    let goes_down = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let is_plain = || stat::is_plain(&CString::new(path.as_os_str().as_bytes()).unwrap_or_default());
    if goes_down && (is_missing || is_plain()) { path.to_owned() } else { links::real(path, see) }
}

/// The host's directory or file that a writable bind shows.
fn writable_source(op: &Op) -> Option<PathBuf> {
    match (&op.fs, op.real.first()) {
        (FsOp::Bind { flags, .. }, _) if flags.read_only => None,
        (FsOp::Bind { source: Source::Path(_), .. }, Some(real))
        | (FsOp::Bind { source: Source::Real(real), .. }, _) => Some(path_of(real)),
        (FsOp::Bind { source: Source::Path(source), .. }, None) => Some(real(&path_of(source), false, &mut |_, _| {})),
        _ => None,
    }
}

/// What lies at a path. Where that cannot be told, nothing is taken for granted.
pub(super) fn look(path: &CStr) -> Result<HostEntry, Error> {
    match content::read_link(path) {
        Ok(target) => Ok(HostEntry::Link(target)),
        Err(Errno::EINVAL) => Ok(HostEntry::Something),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(HostEntry::Nothing),
        Err(errno) => failed("cannot look at ", path, error_text(errno as i32)),
    }
}

/// Whether an operation would be skipped now, because what it shows does not exist.
pub(super) fn is_skipped(op: &FsOp) -> bool {
    match op {
        FsOp::Bind { source: Source::Path(source), flags, .. } if flags.optional => {
            stat::stat(source).is_err_and(|errno| errno == Errno::ENOENT)
        }
        _ => false,
    }
}

/// The content of a seccomp profile.
pub(super) fn read_file(path: &CStr) -> Result<Vec<u8>, Error> {
    content::read_regular(path, LONGEST)
        .or_else(|errno| failed("cannot read the seccomp profile ", path, &profile::unreadable(errno, LONGEST)))
}

/// The failure of a call about `path`.
fn failed<T>(what: &str, path: &CStr, why: &str) -> Result<T, Error> {
    value::about(what, path, &format!(": {why}")).map_err(|error: Error| Error { kind: ErrorKind::Failed, ..error })
}
