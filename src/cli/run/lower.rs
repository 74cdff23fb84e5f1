//! [`RunArgs`] → [`Spec`]: turns the words into a sandbox and fills in safe defaults. Pure: all that it needs to know
//! of the host comes in [`Context`].

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::args::{EnvRequest, Request, RunArgs, overlay};
use super::footprint::{self, HostEntry};
use super::lint;
use super::origin::{self, Origin, refuse};
use super::own::{self, OURS};
use super::value;
use crate::error::{Error, ErrorKind};
use crate::spec::path::{to_os, without_dots, without_wildcards};
use crate::spec::{
    BindFlags, CapSet, DieWith, EnvOp, Fds, FsOp, Keep, Landlock, LandlockTier, Lifecycle, Lockdown, Namespaces,
    NestedUserNs, OnSignal, Op, Process, ProfileText, Report, Seccomp, Settle, Source, Spec, Unshare, UserNs, Watch,
};
use crate::suggest::nearest;
use crate::workspace::{Unheld, Workspace};

/// A place without links, and what it needs.
pub(crate) type Place = (CString, Workspace);

/// The facts about the caller and the host that decide what the words mean.
pub(crate) struct Context<'a> {
    /// Highest capability number of this kernel.
    pub last_cap: u8,
    /// The current directory, without links.
    pub cwd: Option<&'a CStr>,
    /// The caller's environment: `NAME=VALUE`.
    pub environment: &'a [&'a CStr],
    /// Looks up what is at a path of the host, without following links.
    pub look: &'a dyn Fn(&CStr) -> Result<HostEntry, Error>,
    /// Finds out what the current directory needs as a workspace.
    pub workspace: &'a dyn Fn() -> Result<Workspace, Error>,
    /// Finds out what a place needs that a word makes writable, and where it is without links. `None` if it needs
    /// nothing.
    pub place: &'a dyn Fn(&CStr) -> Result<Option<Place>, Error>,
    /// Reads the file of a seccomp profile.
    pub read: &'a dyn Fn(&CStr) -> Result<Vec<u8>, Error>,
}

/// The seccomp filter without `--seccomp`.
const DEFAULT_FILTER: &str = "default";

/// System calls that our own filters also allow with `--allow-userns`. Chromium and bubblewrap make their sandboxes
/// with them.
const FOR_USERNS: &[&str] = &["clone", "@namespace", "@mount"];
/// Our own filters also allow this call with `--allow-userns` and `--landlock off`: only then can mounts be made
/// inside, so pinfold can run inside pinfold, and pinfold cannot build a sandbox without it.
const FOR_BOXES: &str = "openat2";

/// The sandbox that a command line asks for.
#[derive(Debug)]
pub(crate) struct Lowered {
    /// The sandbox. [`Op::word`] is an index into `origins`.
    pub spec: Spec,
    /// The words that asked for the operations.
    pub origins: Vec<Origin>,
    /// Every option that was set, and where it stands.
    pub seen: Vec<Origin>,
    /// Parts of the workspace that cannot be protected: the caller accepts that, or has to be told of it.
    pub unheld: Vec<Unheld>,
    /// What the user must know about how something is protected.
    pub notes: Vec<String>,
    /// The top of the repository that the workspace lies below, which is not shown.
    pub above: Option<PathBuf>,
}

/// Builds the sandbox that `args` ask for.
pub(crate) fn lower(mut args: RunArgs, context: &Context<'_>) -> Result<Lowered, Error> {
    let requests = std::mem::take(&mut args.requests);
    let is_workspace = requests.contains(&Request::Workspace);
    let seen = &args.seen;
    let placed = |option: &'static str| move |error| origin::at(origin::last(seen, option), error);
    let caps = caps(&args, context.last_cap)?;
    let (seccomp, is_ours) = seccomp(&args, context).map_err(placed("--seccomp"))?;
    let is_alone = args.landlock == Some(LandlockTier::Only);
    let namespaces = namespaces(&args, is_alone);
    let ops = Vec::with_capacity(requests.len() + 8);
    let mut lowering = Lowering {
        ops,
        watch: Vec::new(),
        settle: Vec::new(),
        keep: Keep::default(),
        unheld: Vec::new(),
        notes: Vec::new(),
        above: None,
        is_alone,
    };
    for (word, request) in requests.into_iter().enumerate() {
        let done = lowering.add(word, request, context, args.best_effort);
        done.map_err(|error| origin::at(args.origins.get(word), error))?;
    }
    let Lowering { mut ops, watch, settle, keep, unheld, notes, above, is_alone: _ } = lowering;
    if let Some(error) = hidden(&ops, &args.origins) {
        return Err(error);
    }
    let settle = writable(settle, &ops);
    let keep = without_opened(keep, &ops);
    if !is_alone {
        footprint::check(&ops, &args.origins, context.look)?;
    }
    // Only what somebody made writable is writable. The root and the directories that lead to mounts are not.
    let home = args.variables.iter().find(|(name, _)| *name == "HOME");
    let own_home = home.filter(|_| !is_alone).and_then(|(_, home)| own::own_home(home, &ops));
    if !is_alone {
        own::close_ways(&mut ops);
    }
    if !is_alone && !ops.iter().any(|op| op.fs.dest() == Some(c"/")) {
        ops.push(Op::new(FsOp::RemountReadOnly { dest: c"/".into() }, OURS));
    }
    let mut origins = args.origins;
    if let Some(name) = args.hostname {
        let word = origins.len();
        origins.extend(origin::last(seen, "--hostname").cloned());
        ops.push(Op::new(FsOp::Hostname { name }, word));
    }
    let workdir = match args.workdir {
        Some(dir) => Some(absolute(dir, context).map_err(placed("--workdir"))?),
        // A program with the workspace starts in it.
        None if is_workspace => context.cwd.map(CStr::to_owned),
        None => None,
    };
    let spec = Spec {
        namespaces,
        ids: crate::spec::Ids { uid: args.uid, gid: args.gid },
        ops,
        process: Process {
            command: args.command,
            argv0: None,
            env: environment(&args.env, context.environment, keep.dirs.iter().any(|dir| dir.is_git)),
            chdir: workdir,
            // On a shared terminal, a program can push input to the caller's shell (TIOCSTI, CVE-2017-5226). Our own
            // profiles refuse that. Other filters may not, so the program then gets a new session.
            new_session: args.new_session || !is_ours,
            new_group: true,
            exec_label: None,
            file_label: None,
            fds: Fds::Only(args.keep_fds),
        },
        lockdown: Lockdown {
            caps: Some(caps),
            seccomp,
            landlock: Landlock {
                tier: args.landlock.unwrap_or(LandlockTier::Mirror),
                connect_tcp: args.connect_tcp,
                bind_tcp: args.bind_tcp,
            },
            settings_covered: true,
            nested_userns: if args.allow_userns || is_alone { NestedUserNs::Allow } else { NestedUserNs::Limit },
            assert_userns_disabled: false,
        },
        lifecycle: Lifecycle {
            die_with: if args.die_with_parent { DieWith::Caller } else { DieWith::Tool },
            as_pid_1: false,
            lock_files: Vec::new(),
            on_signal: OnSignal::Forward,
            kill_after: args.kill_after,
            wait_all: args.wait_all,
            sync_fd: None,
            block_fd: None,
            spent_fds: Vec::new(),
            watch,
            settle,
            keep,
            own_home,
        },
        report: Report { info_fd: None, json_status_fd: args.json_status_fd, is_open: false },
        best_effort: args.best_effort,
        one_tmpfs: true,
    };
    Ok(Lowered { spec, origins, seen: args.seen, unheld, notes, above })
}

/// The namespaces of the sandbox. With Landlock alone (`is_alone`), Landlock rules for signals and tracing take the
/// place of some of them. A network and IPC objects apart from the host's cannot be had without a namespace. These two
/// stay in the spec, so that the plan refuses them by name unless the caller shares them.
fn namespaces(args: &RunArgs, is_alone: bool) -> Namespaces {
    let share = args.share;
    Namespaces {
        user: if is_alone { UserNs::Auto } else { UserNs::New },
        user_inner: None,
        user_maps_from: None,
        pid: !share.pid && !is_alone,
        pid_join: None,
        net: !share.net,
        ipc: !share.ipc,
        uts: !share.uts && !is_alone,
        cgroup: if share.cgroup || is_alone { Unshare::Share } else { Unshare::New },
    }
}

fn caps(args: &RunArgs, last: u8) -> Result<CapSet, Error> {
    args.caps.iter().enumerate().try_fold(CapSet::EMPTY, |set, (nth, name)| {
        match CapSet::parse(name.to_bytes(), last) {
            _ if name.to_bytes().eq_ignore_ascii_case(b"ALL") => Ok(set.with(CapSet::all(last))),
            Some(cap) => Ok(set.with(cap)),
            None => {
                let word = name.to_string_lossy();
                let known = CapSet::all(last).names();
                let hint = match nearest(&word, known)
                    .or_else(|| nearest(&format!("CAP_{word}"), CapSet::all(last).names()))
                {
                    Some(near) => format!("did you mean {near}?"),
                    None => "names have their prefix: CAP_NET_ADMIN; ALL is all of them (capabilities(7))".into(),
                };
                let error = Error::new(ErrorKind::Invalid, "unknown capability").with_hint(Some(hint));
                Err(origin::at(origin::nth(&args.seen, "--cap-add", nth), error))
            }
        }
    })
}

/// The seccomp filter, and whether it is one that comes with pinfold.
fn seccomp(args: &RunArgs, context: &Context<'_>) -> Result<(Seccomp, bool), Error> {
    let mut allow = args.syscall_allow.clone();
    let text = match args.seccomp.as_deref() {
        None => ProfileText::Shipped(DEFAULT_FILTER.into()),
        Some(name) if name == c"off" => {
            if !args.syscall_deny.is_empty() || !args.syscall_allow.is_empty() {
                return refuse(
                    "--syscall-deny and --syscall-allow change a filter, and --seccomp off means that there is none",
                );
            }
            return Ok((Seccomp::Off, false));
        }
        Some(file) if file.to_bytes().contains(&b'/') => ProfileText::of_word(file, context.read)?,
        Some(name) => ProfileText::Shipped(name.to_string_lossy().into_owned()),
    };
    let is_ours = matches!(text, ProfileText::Shipped(_));
    if args.allow_userns && is_ours {
        let for_boxes = (args.landlock == Some(LandlockTier::Off)).then_some(&FOR_BOXES);
        allow.extend(FOR_USERNS.iter().chain(for_boxes).map(|&name| name.to_owned()));
    }
    Ok((Seccomp::Profile { text, deny: args.syscall_deny.clone(), allow }, is_ours))
}

/// The operations so far, while the requests are turned into operations one by one.
struct Lowering {
    ops: Vec<Op>,
    watch: Vec<Watch>,
    settle: Vec<Settle>,
    keep: Keep,
    unheld: Vec<Unheld>,
    notes: Vec<String>,
    above: Option<PathBuf>,
    /// `--landlock only`: no mount namespace, so no root of its own.
    is_alone: bool,
}

impl Lowering {
    fn add(&mut self, word: usize, request: Request, context: &Context<'_>, best_effort: bool) -> Result<(), Error> {
        let fs = match request {
            Request::Op(op) => with_absolute_dest(op, context)?,
            Request::Mirror(path) => {
                let dest = absolute(path.clone(), context)?;
                match (context.look)(&path)? {
                    HostEntry::Nothing => return Ok(()),
                    // Without its own root, the program sees the host's link itself.
                    HostEntry::Link(_) if self.is_alone => return Ok(()),
                    HostEntry::Link(target) => FsOp::Symlink { target, dest },
                    HostEntry::Something => FsOp::Bind {
                        source: Source::Path(path),
                        dest,
                        flags: BindFlags { read_only: true, devices: false, optional: false },
                    },
                }
            }
            Request::OverlayTry { source, dest } => match (context.look)(&source)? {
                HostEntry::Nothing => return Ok(()),
                HostEntry::Link(_) | HostEntry::Something => overlay(source, absolute(dest, context)?),
            },
            Request::Workspace => {
                let found = (context.workspace)()?;
                self.above = found.above.clone();
                return self.add_found(word, found, best_effort, context);
            }
        };
        let place = match &fs {
            FsOp::Bind { source: Source::Path(source), dest, flags } if !flags.read_only && !flags.devices => {
                (context.place)(source)?.map(|(real, found)| found.shown_at(&real, dest))
            }
            _ => None,
        };
        self.ops.push(Op::new(fs, word));
        place.map_or(Ok(()), |found| self.add_found(word, found, best_effort, context))
    }

    fn add_found(
        &mut self,
        word: usize,
        found: Workspace,
        best_effort: bool,
        context: &Context<'_>,
    ) -> Result<(), Error> {
        if let Some(refusal) = found.refusal().filter(|_| !best_effort) {
            return Err(refusal);
        }
        let found = if self.is_alone { found.read_only_instead() } else { found };
        let Workspace { identity, mut ops, keep, unheld, notes, above: _, watch, settle } = found;
        // Two places may have the same one.
        self.notes.extend(notes);
        self.notes.dedup();
        self.keep.add(keep, &mut ops);
        // Only where the sandbox has a tmpfs. Anywhere else this would write to the host.
        for fs in identity {
            let fs = with_absolute_dest(fs, context)?;
            if self.is_own(fs.dest()) {
                self.ops.push(Op::new(fs, word));
            }
        }
        self.ops.extend(ops.into_iter().map(|fs| Op::new(fs, word)));
        self.watch.extend(watch);
        self.settle.push(settle);
        self.unheld.extend(unheld);
        Ok(())
    }

    /// Whether the uppermost mount at `path` so far is a tmpfs of the sandbox, which ends with the sandbox.
    fn is_own(&self, path: Option<&CStr>) -> bool {
        let uppermost = path.and_then(|path| footprint::covers(path, &self.ops).next());
        matches!(uppermost, Some(FsOp::Tmpfs { .. })) && !self.is_alone
    }
}

/// The error for a word of the command line that a profile behind it hides: an option counts where it stands.
fn hidden(ops: &[Op], origins: &[Origin]) -> Option<Error> {
    let of_profile = |op: &&Op| origins.get(op.word).is_some_and(|origin| origin.profile.is_some());
    let last = ops.iter().rposition(|op| of_profile(&op))?;
    ops[..last].iter().enumerate().filter(|(_, op)| !of_profile(op)).find_map(|(index, op)| {
        let mut later = ops[index + 1..].iter().filter(of_profile);
        let cover = later.find(|later| later.fs != op.fs && lint::is_hidden(&op.fs, &later.fs))?;
        let mut message = b"hidden by a profile that stands behind it: ".to_vec();
        origins.get(cover.word)?.push(&mut message);
        let hint = "options count in their order: write --profile first";
        Some(origin::at(origins.get(op.word), Error::new(ErrorKind::Invalid, message).with_hint(Some(hint.into()))))
    })
}

/// Keeps only the directories that the program can write to: a later `--ro` or `--overlay` may cover them.
fn writable(mut settle: Vec<Settle>, ops: &[Op]) -> Vec<Settle> {
    for settle in &mut settle {
        settle.tops.retain(|top| {
            let uppermost = footprint::covers(&top.path, ops).next();
            matches!(uppermost, Some(FsOp::Bind { flags, .. }) if !flags.read_only)
        });
    }
    settle.retain(|settle| !settle.tops.is_empty());
    settle
}

/// Keeps only the files that no word opens by name: such a word means that the change is wanted.
fn without_opened(mut keep: Keep, ops: &[Op]) -> Keep {
    keep.files.retain(|file| footprint::covers(file, ops).next().is_none_or(|fs| fs.dest() != Some(&**file)));
    keep
}

fn with_absolute_dest(mut op: FsOp, context: &Context<'_>) -> Result<FsOp, Error> {
    // The name of the current directory is no part of a pattern.
    let plain = matches!(op, FsOp::Deny { is_pattern: true, .. }).then(|| context.cwd.map(without_wildcards)).flatten();
    if let Some(dest) = op.dest_mut() {
        *dest = absolute_from(std::mem::take(dest), plain.as_deref().or(context.cwd))?;
    }
    Ok(op)
}

/// Makes `path` absolute, starting at the current directory, and removes `.`, `..` and doubled slashes.
fn absolute(path: CString, context: &Context<'_>) -> Result<CString, Error> {
    absolute_from(path, context.cwd)
}

fn absolute_from(path: CString, cwd: Option<&CStr>) -> Result<CString, Error> {
    let text = path.to_bytes();
    // Nearly all paths are absolute and clean already.
    if text.strip_prefix(b"/").is_some_and(|rest| rest.split(|&byte| byte == b'/').all(is_name)) {
        return Ok(path);
    }
    let named = Path::new(to_os(&path));
    let whole = match cwd {
        Some(cwd) => without_dots(&Path::new(to_os(cwd)).join(named)),
        None if named.is_absolute() => without_dots(named),
        None => return value::about("", &path, ": the current directory, from which this path counts, is gone"),
    };
    // Both come from C strings, so there is no NUL.
    Ok(CString::new(whole.into_os_string().into_vec()).unwrap_or_default())
}

/// Whether a part of a path is a real name, not empty, `.` or `..`.
fn is_name(part: &[u8]) -> bool {
    !matches!(part, b"" | b"." | b"..")
}

/// The environment of the program: only the variables that are asked for. `PWD` is never taken over. The program gets a
/// `PWD` for the directory where it starts. The caller's `PWD` may lead through links that do not exist inside, and
/// then the program could not start there.
///
/// In a git directory that `is_apart` git must not tidy up by itself, which would write all of it anew into the
/// overlay; and it must look for the repository beyond a mount point, which an overlay is (git(1),
/// `GIT_DISCOVERY_ACROSS_FILESYSTEM`). And it has no key to sign with, where the repository's own configuration asks
/// for that.
fn environment(requests: &[EnvRequest], inherited: &[&CStr], is_apart: bool) -> Vec<EnvOp> {
    let mut ops = vec![EnvOp::Clear];
    for request in requests {
        match request {
            EnvRequest::Set(name, _) if name.as_c_str() == c"PWD" => {}
            EnvRequest::Set(name, value) => ops.push(EnvOp::Set(name.clone(), value.clone())),
            EnvRequest::Pass(wanted) => ops.extend(inherited.iter().filter_map(|entry| pass(wanted, entry))),
        }
    }
    if is_apart {
        let is_set = |ops: &[EnvOp], name: &CStr| {
            ops.iter().any(|op| matches!(op, EnvOp::Set(set, _) if set.as_c_str() == name))
        };
        if !is_set(&ops, c"GIT_CONFIG_COUNT") {
            let settings = [
                (c"gc.auto", c"0"),
                (c"maintenance.auto", c"false"),
                (c"commit.gpgsign", c"false"),
                (c"tag.gpgsign", c"false"),
            ];
            let number = |text: String| CString::new(text).unwrap_or_default();
            ops.push(EnvOp::Set(c"GIT_CONFIG_COUNT".into(), number(settings.len().to_string())));
            for (n, (key, value)) in settings.into_iter().enumerate() {
                ops.push(EnvOp::Set(number(format!("GIT_CONFIG_KEY_{n}")), key.into()));
                ops.push(EnvOp::Set(number(format!("GIT_CONFIG_VALUE_{n}")), value.into()));
            }
        }
        if !is_set(&ops, c"GIT_DISCOVERY_ACROSS_FILESYSTEM") {
            ops.push(EnvOp::Set(c"GIT_DISCOVERY_ACROSS_FILESYSTEM".into(), c"1".into()));
        }
    }
    ops
}

fn pass(wanted: &CStr, entry: &CStr) -> Option<EnvOp> {
    let (wanted, entry) = (wanted.to_bytes(), entry.to_bytes());
    // A cheap test first: nearly all names differ. Looking for `=` in each entry took most of the time before the plan.
    if !entry.starts_with(wanted.strip_suffix(b"*").unwrap_or(wanted)) {
        return None;
    }
    let at = entry.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (&entry[..at], &entry[at + 1..]);
    let is_wanted = match wanted {
        [start @ .., b'*'] => name.starts_with(start),
        exact => name == exact,
    };
    // An empty name can be inherited, but it cannot be set.
    (is_wanted && !name.is_empty() && name != b"PWD")
        .then(|| Some(EnvOp::Set(CString::new(name).ok()?, CString::new(value).ok()?)))?
}
