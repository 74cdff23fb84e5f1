//! The facts about the caller's surroundings that `pinfold run` needs to interpret the words.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use super::args::RunArgs;
use super::footprint::HostEntry;
use super::links::{self, Place};
use super::lower::{self, Context, Lowered};
use super::origin::{self, Origin};
use super::profile::{Library, Text};
use super::read::Outside;
use super::trust::Trust;
use super::{messages, own, profile, value};
use crate::cli::seccomp::LONGEST;
use crate::error::{Error, ErrorKind, printable, push_printable};
use crate::host::Caller;
use crate::spec::path::without_dots;
use crate::spec::{FsOp, LandlockTier, Op, ProfileText, Seccomp, Source, Spec};
use crate::sys::mount::AT_FDCWD;
use crate::sys::{Errno, content, cwd, error_text, stat};
use crate::workspace::keeping::{self, With};
use crate::workspace::takeover::{Line, RunBox};
use crate::workspace::{self, GitConfig, Surroundings, Workspace};

/// The home directory inside when the caller has none.
const NO_HOME: &CStr = c"/home/user";

/// Whether `home` lies in a system directory. The sandbox mounts an empty home, which would hide that directory.
fn is_of_the_system(home: &[u8]) -> bool {
    const SYSTEM: &[&str] =
        &["/bin", "/dev", "/etc", "/gnu", "/lib", "/lib64", "/nix", "/proc", "/run", "/sbin", "/sys", "/usr"];
    let home = Path::new(OsStr::from_bytes(home));
    SYSTEM.iter().any(|system| home.starts_with(system))
}

/// The home without links, which are added to `links`. The way to a home that `cwd` lies in has none: the kernel tells
/// `cwd` without.
fn without_links(home: Vec<u8>, cwd: Option<&CStr>, links: &mut Vec<(CString, CString)>) -> Vec<u8> {
    let path = PathBuf::from(OsString::from_vec(home));
    // Whoever uses it says what is wrong with `..`.
    let is_odd = path.components().any(|part| part == std::path::Component::ParentDir);
    if is_odd || cwd.is_some_and(|cwd| path_of(cwd).starts_with(&path)) {
        return path.into_os_string().into_vec();
    }
    let real = links::real(&path, &mut |part, is_link| {
        if is_link && let Ok(target) = part.read_link() {
            let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).unwrap_or_default();
            links.push((text(part), text(&target)));
        }
    });
    real.into_os_string().into_vec()
}

/// Returns `name` if it is a socket in `directory` or does not exist there, and an empty name otherwise. A profile that
/// shows the name would else show more than a socket; `.` would be the whole directory. The reader of profiles refuses
/// an empty value.
fn socket_name(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let is_name = !matches!(name, b"." | b"..");
    let path = Path::new(OsStr::from_bytes(directory)).join(OsStr::from_bytes(name));
    let is_right = match std::fs::symlink_metadata(path) {
        Ok(found) => found.file_type().is_socket(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    if is_name && is_right { name.to_vec() } else { Vec::new() }
}

/// The caller's surroundings.
pub(in crate::cli) struct World {
    /// The current directory, without links.
    pub(super) cwd: Option<CString>,
    /// The top of the repository, if that is to be the workspace (`--repo`).
    pub(super) top: Option<CString>,
    /// The links on the way to the home, each with its target: `/home` may lead to `/var/home`.
    pub(super) home_links: Vec<(CString, CString)>,
    /// The values of `${…}` in profiles.
    pub(super) variables: Vec<(&'static str, CString)>,
    pub(super) library: Library,
    /// The git configuration of the caller and of the system, which holds for every repository.
    pub(super) git_config: GitConfig,
    /// The caller's `PATH`.
    pub(in crate::cli) path: Option<OsString>,
    /// The caller's identity.
    pub(in crate::cli) caller: Caller,
}

impl World {
    /// Reads the surroundings from the process and from `environment`.
    pub(in crate::cli) fn probe(environment: &[&CStr]) -> World {
        let caller = Caller::probe();
        let variable = |name: &str| {
            environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        };
        // Only absolute paths: the meaning of a relative one depends on where it is used (XDG Base Directory
        // Specification). And never the root: a tmpfs there would hide everything.
        let is_root = |path: &[u8]| path.split(|&byte| byte == b'/').all(|part| part.is_empty() || part == b".");
        let is_place = |path: &&[u8]| path.starts_with(b"/") && !is_root(path);
        let absolute = |name: &str| variable(name).filter(is_place).map(<[u8]>::to_vec);
        let cwd = cwd::getcwd().ok();
        let mut home_links = Vec::new();
        let resolve = |home| without_links(home, cwd.as_deref(), &mut home_links);
        let has_home = absolute("HOME").map(resolve).filter(|home| !is_of_the_system(home));
        let home = has_home.clone().unwrap_or_else(|| NO_HOME.to_bytes().to_vec());
        // A place in the home by the name of the home that the caller has is the same place.
        let named = absolute("HOME").unwrap_or_default();
        let in_home = |path: Vec<u8>| match path.strip_prefix(&named[..]) {
            Some(rest) if !named.is_empty() && rest.starts_with(b"/") => [&home, rest].concat(),
            _ => path,
        };
        let below_home = |name: &str, rest: &[u8]| absolute(name).map_or_else(|| [&home, rest].concat(), in_home);
        let runtime = format!("/run/user/{}", caller.uid).into_bytes();
        let runtime = absolute("XDG_RUNTIME_DIR").unwrap_or(runtime);
        // A name in the runtime directory. WAYLAND_DISPLAY may also be a path, which needs nothing from here.
        let wayland = variable("WAYLAND_DISPLAY").filter(|name| !name.is_empty() && !name.contains(&b'/'));
        let wayland = wayland.map_or(b"wayland-0".to_vec(), |name| socket_name(&runtime, name));
        let config = below_home("XDG_CONFIG_HOME", b"/.config");
        // Without a home, read no configuration: the fallback home is a place that somebody else may own.
        let as_path = |path: Vec<u8>| PathBuf::from(OsString::from_vec(path));
        let library = has_home.is_some().then(|| as_path(config.clone()));
        let git_home = has_home.map(as_path);
        let variable = |name: &str| variable(name).map(<[u8]>::to_vec);
        let path = variable("PATH").map(OsString::from_vec);
        let state_home = below_home("XDG_STATE_HOME", b"/.local/state");
        let state = git_home.is_some().then(|| as_path(state_home.clone()));
        let git_config = GitConfig::new(git_home.as_deref(), library.as_deref(), &variable);
        let variables = [
            ("HOME", home.clone()),
            ("UID", caller.uid.to_string().into_bytes()),
            ("XDG_RUNTIME_DIR", runtime),
            ("XDG_CONFIG_HOME", config),
            ("XDG_CACHE_HOME", below_home("XDG_CACHE_HOME", b"/.cache")),
            ("XDG_DATA_HOME", below_home("XDG_DATA_HOME", b"/.local/share")),
            ("XDG_STATE_HOME", state_home),
            ("WAYLAND_DISPLAY", wayland),
            (value::WORKSPACE, cwd.as_ref().map_or_else(Vec::new, |cwd| cwd.to_bytes().to_vec())),
        ];
        let directory = cwd.as_deref().map(path_of);
        World {
            cwd,
            top: None,
            home_links,
            // The values come from C strings, so there is no NUL.
            variables: variables.map(|(name, value)| (name, CString::new(value).unwrap_or_default())).to_vec(),
            library: Library::new(library.as_deref(), Trust { cwd: directory, home: git_home, state, caller }),
            git_config,
            path,
            caller,
        }
    }

    /// The names of all profiles, with their files.
    pub(super) fn names(&self) -> Vec<(String, Option<PathBuf>)> {
        self.library.names()
    }

    /// The place that a variable of profiles stands for, if that is known.
    fn known(&self, name: &str) -> Option<PathBuf> {
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| path_of(value))
    }

    /// Finds out what the current directory needs as a workspace.
    pub(super) fn workspace(&self) -> Result<Workspace, Error> {
        let Some(place) = self.top.as_ref().or(self.cwd.as_ref()) else {
            return Err(Error::new(ErrorKind::Failed, "the current directory is gone, and so is the workspace"));
        };
        let found = self.place_at(&path_of(place), false)?;
        let [home, config] = ["HOME", "XDG_CONFIG_HOME"].map(|name| self.known(name));
        let identity = home.zip(config).map(|(home, config)| workspace::identity(&home, &config));
        Ok(Workspace { identity: identity.unwrap_or_default(), ..found })
    }

    /// Finds out what the directory `source` needs that a word makes writable. `None` if it does not exist.
    fn place(&self, source: &CStr, best_effort: bool) -> Result<Option<(CString, Workspace)>, Error> {
        let named = without_dots(&self.absolute(&path_of(source)));
        // Whoever opens it says why it cannot be.
        let Ok(place) = named.canonicalize() else { return Ok(None) };
        // An earlier box may have made a link on the way. So a word lifts a protection only if it names the thing.
        if place != named && workspace::is_protected_name(&place) && !workspace::is_protected_name(&named) {
            let mut message = b"this leads through a link to ".to_vec();
            push_printable(&mut message, &place);
            message.extend_from_slice(b", which programs of the host obey");
            let hint = "if the program is to change that, name it as it is";
            return Err(Error::new(ErrorKind::Unsafe, message).with_hint(Some(hint.into())));
        }
        let mut found = self.place_at(&place, true);
        if let Ok(found) = &mut found
            && place.file_name() != named.file_name()
        {
            let is_writable = stat::is_writable_at(AT_FDCWD, source).unwrap_or(true);
            let (named, place) = (printable(&*named), printable(&*place));
            let end = if is_writable { ", which the program can write" } else { "" };
            found.notes.push(format!("{named} leads through a link to {place}{end}"));
        }
        if !best_effort && found.as_ref().map_or(true, |found| found.refusal().is_some()) {
            // That pinfold's own rules lie there is the better reason: nothing else that is done about the place helps.
            self.guard_rules(&[(place.clone(), own::OURS)], None, &[])?;
        }
        Ok(Some((CString::new(place.into_os_string().into_vec()).unwrap_or_default(), found?)))
    }

    fn place_at(&self, cwd: &Path, is_named: bool) -> Result<Workspace, Error> {
        workspace::find(&Surroundings {
            cwd,
            home: self.known("HOME").as_deref(),
            is_named,
            path: self.path.as_deref(),
            state: self.known("XDG_STATE_HOME").as_deref(),
            runtime_dir: self.known("XDG_RUNTIME_DIR").as_deref(),
            uid: self.caller.uid,
            stores: &self.stores(),
            git_config: &self.git_config,
        })
    }

    /// The directories in which changes may be kept apart.
    pub(in crate::cli) fn stores(&self) -> Vec<PathBuf> {
        let [state, runtime] = ["XDG_STATE_HOME", "XDG_RUNTIME_DIR"].map(|name| self.known(name));
        workspace::stores(state, runtime, self.caller.uid)
    }

    /// Puts in order what runs have left that were killed. Returns what there is to say.
    pub(in crate::cli) fn put_dead_in_order(&self, run_box: RunBox<'_>) -> Vec<Line> {
        let with = With { path: self.path.as_deref().unwrap_or_default(), run_box: Some(run_box), go_on: &|| true };
        keeping::put_dead_in_order(&self.stores(), self.caller.uid, &with)
    }

    /// Builds the sandbox that `args` ask for, and refuses options that exclude each other. `environment` is the
    /// caller's. `workspace` finds out what the current directory needs.
    pub(super) fn lowered(
        &self,
        args: RunArgs,
        environment: &[&CStr],
        workspace: &dyn Fn() -> Result<Workspace, Error>,
    ) -> Result<Lowered, Error> {
        let best_effort = args.best_effort;
        let context = Context {
            last_cap: if args.caps.is_empty() { 0 } else { Caller::last_capability() },
            cwd: self.cwd.as_deref(),
            environment,
            look: &look,
            workspace,
            place: &|source| self.place(source, best_effort),
            read: &|path| self.rules(path),
        };
        let mut lowered = lower::lower(args, &context)?;
        self.hide_own(&mut lowered.spec, &lowered.origins);
        self.link_home(&mut lowered.spec);
        let done = lowered.spec.check(self.caller.uid, self.caller.gid);
        done.map_err(|conflict| messages::conflict(conflict, &lowered.seen))?;
        Ok(lowered)
    }

    /// Has the home at the path that the caller knows too: interpreters of scripts and settings are named by it.
    fn link_home(&self, spec: &mut Spec) {
        if spec.lockdown.landlock.tier == LandlockTier::Only {
            return;
        }
        for (path, target) in &self.home_links {
            let place = path_of(path);
            let dest = |op: &Op| op.fs.dest().map(path_of);
            // The user may have made links there himself.
            let is_own = |op: &Op| {
                matches!(op.fs, FsOp::Symlink { .. }) && dest(op).is_some_and(|dest| dest.starts_with(&place))
            };
            // What is mounted above it would cover it. Anything else than an empty directory has what the host has.
            let above = |op: &Op| op.fs.is_mount() && dest(op).is_some_and(|dest| place.starts_with(dest));
            let at = spec.ops.iter().rposition(above);
            let is_free = at.is_none_or(|at| matches!(spec.ops[at].fs, FsOp::Tmpfs { .. }));
            if is_free && !spec.ops.iter().any(is_own) {
                let link = FsOp::Symlink { target: target.clone(), dest: path.clone() };
                spec.ops.insert(at.map_or(0, |at| at + 1), Op::new(link, own::OURS));
            }
        }
    }

    /// Reads a seccomp profile.
    fn rules(&self, path: &CStr) -> Result<Vec<u8>, Error> {
        let text = content::read_regular(path, LONGEST)
            .or_else(|errno| failed("cannot read the seccomp profile ", path, &profile::unreadable(errno, LONGEST)))?;
        let real = self.absolute(&path_of(path)).canonicalize();
        if let (Some(trust), Ok(real)) = (&self.library.trust, real)
            && let Some(distrust) = trust.of_text(&real, &text)?
        {
            return Err(profile::unused(&path_of(path), distrust));
        }
        Ok(text)
    }

    /// The directory of pinfold itself below the one that the variable `name` stands for, if that is known.
    fn own(&self, name: &str) -> Option<PathBuf> {
        let parent = self.known(name).filter(|parent| !parent.as_os_str().is_empty())?;
        Some(parent.join("pinfold"))
    }

    /// Denies the directories of pinfold itself where a word shows a directory above one: the program need not know
    /// which rules there are and what was done. A denial holds whatever path shows a directory, and through links.
    fn hide_own(&self, spec: &mut Spec, origins: &[Origin]) {
        let is_typed = |op: &&Op| origins.get(op.word).is_some_and(links::is_typed);
        let shown: Vec<PathBuf> = spec
            .ops
            .iter()
            .filter(is_typed)
            .flat_map(|op| links::sources(&op.fs))
            .map(|source| links::real(&self.absolute(&path_of(source)), &mut |_, _| {}))
            .collect();
        if shown.is_empty() {
            return;
        }
        // Profiles, and what is kept about runs.
        for own in self.own("XDG_CONFIG_HOME").into_iter().chain(self.own_stores()) {
            let place = links::real(&own, &mut |_, _| {});
            if shown.iter().any(|shown| place.starts_with(shown) && place != *shown) && place.exists() {
                // Of an absolute path from the environment, so there is no NUL.
                let path = CString::new(place.into_os_string().into_vec()).unwrap_or_default();
                let deny = FsOp::Deny { path, is_pattern: false, optional: true };
                spec.ops.push(Op::new(deny, own::OURS));
            }
        }
    }

    /// The directories in which pinfold keeps what it knows about runs.
    fn own_stores(&self) -> impl Iterator<Item = PathBuf> {
        self.stores().into_iter().map(|store| store.join("pinfold"))
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        let whole = self.cwd.as_deref().map_or_else(|| path.to_owned(), |cwd| path_of(cwd).join(path));
        // Without `.`, for messages.
        whole.components().collect()
    }

    /// Refuses sources that lead out of a writable place through a link in it, since an earlier sandbox may have made
    /// that link. Such places are all that this sandbox can write to, and the current directory. The home directory and
    /// the directories above it do not count as current directory: they are never a workspace. The paths that are found
    /// here are the ones that are opened later.
    pub(super) fn guard_links(&self, spec: &mut Spec, origins: &[Origin]) -> Result<(), Error> {
        let cwd = self.cwd.as_deref().map(path_of);
        let top = self.top.as_deref().map(path_of).or_else(|| cwd.clone());
        let home = self.known("HOME");
        let is_project = |cwd: &&PathBuf| !home.is_some_and(|home| home.starts_with(cwd));
        let project = top.as_ref().filter(is_project).map(|top| Place { path: top.clone(), op: None });
        let place = |(index, op)| self.writable_source(op).map(|path| Place { path, op: Some(index) });
        let places: Vec<Place> = project.into_iter().chain(spec.ops.iter().enumerate().filter_map(place)).collect();
        links::guard(&mut spec.ops, origins, cwd.as_deref(), &places)
    }

    /// Refuses a sandbox that could write to the places where pinfold reads its profiles or keeps what it knows about
    /// runs: the program could decide about the next sandbox.
    pub(super) fn guard_profiles(&self, spec: &Spec, origins: &[Origin]) -> Result<(), Error> {
        let writable = |op: &Op| Some((self.writable_source(op)?, op.word));
        let writable: Vec<(PathBuf, usize)> = spec.ops.iter().filter_map(writable).collect();
        if writable.is_empty() {
            return Ok(());
        }
        let filter = match &spec.lockdown.seccomp {
            Seccomp::Profile { text: ProfileText::File { name, .. }, .. } => Some(path_of(name)),
            _ => None,
        };
        self.guard_rules(&writable, filter, origins)
    }

    /// The source of a writable bind on the host, without links.
    fn writable_source(&self, op: &Op) -> Option<PathBuf> {
        match (&op.fs, op.real.first()) {
            (FsOp::Bind { flags, .. }, _) if flags.read_only => None,
            (FsOp::Bind { source: Source::Path(_), .. }, Some(real))
            | (FsOp::Bind { source: Source::Real(real), .. }, _) => Some(path_of(real)),
            (FsOp::Bind { source: Source::Path(source), .. }, None) => {
                Some(real(&self.absolute(&path_of(source)), false, &mut |_, _| {}))
            }
            _ => None,
        }
    }

    /// Refuses these writable directories, each with the index of its word in `origins`, if one of them meets a place
    /// of pinfold's own, or the file `filter`.
    fn guard_rules(
        &self,
        writable: &[(PathBuf, usize)],
        filter: Option<PathBuf>,
        origins: &[Origin],
    ) -> Result<(), Error> {
        for place in self.library.places().map(Path::to_owned).chain(filter).chain(self.own_stores()) {
            let mut way = Vec::new();
            let named = self.absolute(&place);
            let is_missing = self.library.is_missing(&place);
            let place = real(&named, is_missing, &mut |part, _| way.push(part.to_owned()));
            // A link that the program can replace is as dangerous as a writable target.
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
                let option = origins.get(*word).map(|origin| origin.option);
                let hint = if option.is_some_and(|option| option.starts_with("--dev")) {
                    "name the device that is needed: --dev /dev/DEVICE"
                } else if is_anothers && matches!(option, Some("--workspace" | "--repo")) {
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
    fn repository(&mut self) -> Result<CString, Error> {
        let Some(cwd) = &self.cwd else {
            return Err(Error::new(ErrorKind::Failed, "the current directory is gone, and so is the repository"));
        };
        let here = path_of(cwd);
        let Some(top) = workspace::top_of(&here) else {
            let error = Error::new(ErrorKind::Invalid, "the current directory lies in no git repository");
            return Err(
                error.with_hint(Some("without this option the current directory itself is the workspace".into()))
            );
        };
        let top = CString::new(top.as_os_str().as_bytes()).unwrap_or_default();
        self.top = Some(top.clone());
        Ok(top)
    }

    fn profile(&mut self, name: &CStr, open: &[Rc<[u8]>]) -> Result<Text, Error> {
        self.library.find(name, open)
    }
}

fn path_of(text: &CStr) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(text.to_bytes()))
}

/// Resolves the links in `path` (absolute), whether it exists or not. A path without links costs one call. A path that
/// is known to be missing (`is_missing`), and so to have no links, costs none. For a path with links, `see` is told of
/// each part on the way, as by [`links::real`].
fn real(path: &Path, is_missing: bool, see: &mut dyn FnMut(&Path, bool)) -> PathBuf {
    let goes_down = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let is_plain = || stat::is_plain(&CString::new(path.as_os_str().as_bytes()).unwrap_or_default());
    if goes_down && (is_missing || is_plain()) { path.to_owned() } else { links::real(path, see) }
}

/// What is at a path of the host. If that cannot be found out, this is an error: guessing is not safe.
pub(super) fn look(path: &CStr) -> Result<HostEntry, Error> {
    match content::read_link(path) {
        Ok(target) => Ok(HostEntry::Link(target)),
        Err(Errno::EINVAL) => Ok(HostEntry::Something),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(HostEntry::Nothing),
        Err(errno) => failed("cannot look at ", path, error_text(errno as i32)),
    }
}

/// Whether an optional bind would be skipped now because its source does not exist.
pub(super) fn is_skipped(op: &FsOp) -> bool {
    match op {
        FsOp::Bind { source: Source::Path(source), flags, .. } if flags.optional => {
            stat::stat(source).is_err_and(|errno| errno == Errno::ENOENT)
        }
        _ => false,
    }
}

/// Whether an operation makes writable what programs of the host obey. Nothing of that is protected then.
pub(super) fn is_live(op: &FsOp) -> bool {
    match op {
        FsOp::Bind { source: Source::Path(source), flags, .. } if !flags.read_only => {
            path_of(source).canonicalize().is_ok_and(|place| workspace::is_obeyed(&place))
        }
        _ => false,
    }
}

/// The error for a failed call on `path`.
fn failed<T>(what: &str, path: &CStr, why: &str) -> Result<T, Error> {
    value::about(what, path, &format!(": {why}")).map_err(|error: Error| Error { kind: ErrorKind::Failed, ..error })
}
