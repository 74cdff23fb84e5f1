//! [`RunArgs`] → [`Spec`]: what is meant by the words, with the defaults of a safe box filled in. Pure; what it must
//! know of the host comes as [`Context`].

use std::ffi::{CStr, CString};

use super::args::{EnvRequest, Request, RunArgs, overlay};
use super::footprint::{self, HostEntry};
use super::origin::{self, Origin, refuse};
use super::value;
use crate::error::{Error, ErrorKind};
use crate::spec::{
    BindFlags, CapSet, DieWith, EnvOp, Fds, FsOp, Landlock, LandlockTier, Lifecycle, Lockdown, Namespaces,
    NestedUserNs, Op, Process, ProfileText, Report, Seccomp, Settle, Source, Spec, Unshare, UserNs, Watch,
};
use crate::suggest::nearest;
use crate::workspace::{Unheld, Workspace};

/// What the meaning of the words depends on.
pub(crate) struct Context<'a> {
    /// Highest capability number of this kernel.
    pub last_cap: u8,
    /// The current directory, without links.
    pub cwd: Option<&'a CStr>,
    /// The caller's environment: `NAME=VALUE`.
    pub environment: &'a [&'a CStr],
    /// What lies at a path of the host, links not followed.
    pub look: &'a dyn Fn(&CStr) -> Result<HostEntry, Error>,
    /// What the current directory needs.
    pub workspace: &'a dyn Fn() -> Result<Workspace, Error>,
    /// The content of a seccomp profile's file.
    pub read: &'a dyn Fn(&CStr) -> Result<Vec<u8>, Error>,
}

/// The filter of a program that is not told otherwise.
const DEFAULT_FILTER: &str = "default";

/// What a filter of ours lets through besides where user namespaces are allowed: what Chromium and bubblewrap make
/// their own sandboxes with.
const FOR_USERNS: &[&str] = &["clone", "@namespace", "@mount"];
/// What it lets through besides where mounts can be made as well: pinfold makes no box without it, and this is where one
/// can run inside another.
const FOR_BOXES: &str = "openat2";

/// What a command line asks for.
#[derive(Debug)]
pub(crate) struct Lowered {
    /// The sandbox. [`Op::word`] is an index of the origins.
    pub spec: Spec,
    /// Where its operations come from.
    pub origins: Vec<Origin>,
    /// Every option that was set, and where it stands.
    pub seen: Vec<Origin>,
    /// Parts of the workspace that cannot be protected, which is all right with the caller, or of which they must know.
    pub unheld: Vec<Unheld>,
}

/// [`Op::word`] of an operation that nobody has typed.
const OURS: usize = usize::MAX;

/// The sandbox that `args` ask for.
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
    let mut lowering = Lowering { ops, watch: Vec::new(), settle: Vec::new(), unheld: Vec::new(), is_alone };
    for (word, request) in requests.into_iter().enumerate() {
        let done = lowering.add(word, request, context, args.best_effort);
        done.map_err(|error| origin::at(args.origins.get(word), error))?;
    }
    let Lowering { mut ops, watch, settle, unheld, is_alone: _ } = lowering;
    let settle = writable(settle, &ops);
    if !is_alone {
        footprint::check(&ops, &args.origins, context.look)?;
    }
    // What nobody made writable is not: the root itself, and the directories in it that lead to mounts.
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
        // A program that was to work here does not start anywhere else.
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
            env: environment(&args.env, context.environment),
            chdir: workdir,
            // A terminal that is shared takes words put into it by whoever may (CVE-2017-5226). Our own profiles refuse
            // that; about others nothing is known.
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
            orderly: true,
            sync_fd: None,
            block_fd: None,
            spent_fds: Vec::new(),
            watch,
            settle,
        },
        report: Report { info_fd: None, json_status_fd: args.json_status_fd, is_open: false },
        best_effort: args.best_effort,
        one_tmpfs: true,
    };
    Ok(Lowered { spec, origins, seen: args.seen, unheld })
}

/// The namespaces that are wanted. Where Landlock stands alone (`is_alone`) it has rules instead of some of them, for
/// signals and tracing; what is left is a wish that the plan refuses by name, unless it is taken back: a network and IPC
/// objects that are not the host's.
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

/// The filter, and whether it is one of ours.
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

/// The operations, as they grow.
struct Lowering {
    ops: Vec<Op>,
    watch: Vec<Watch>,
    settle: Vec<Settle>,
    unheld: Vec<Unheld>,
    /// There are no namespaces.
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
                    // Without a root of its own, the program has the host's link itself.
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
                if let Some(refusal) = found.refusal().filter(|_| !best_effort) {
                    return Err(refusal);
                }
                let Workspace { identity, ops, unheld, watch, settle } = found;
                // Never into a directory of the host.
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
                return Ok(());
            }
        };
        self.ops.push(Op::new(fs, word));
        Ok(())
    }

    /// Whether what is mounted so far shows something of the box's own at `path`, which ends with the box.
    fn is_own(&self, path: Option<&CStr>) -> bool {
        let uppermost = path.and_then(|path| footprint::covers(path, &self.ops).next());
        matches!(uppermost, Some(FsOp::Tmpfs { .. })) && !self.is_alone
    }
}

/// Only where the program could write at all: `--ro` and `--overlay` may cover the directory again.
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

fn with_absolute_dest(mut op: FsOp, context: &Context<'_>) -> Result<FsOp, Error> {
    if let Some(dest) = op.dest_mut() {
        *dest = absolute(std::mem::take(dest), context)?;
    }
    Ok(op)
}

/// `path` from the current directory on, without `.`, `..` and doubled slashes.
fn absolute(path: CString, context: &Context<'_>) -> Result<CString, Error> {
    let text = path.to_bytes();
    // As nearly all are.
    if text.strip_prefix(b"/").is_some_and(|rest| rest.split(|&byte| byte == b'/').all(is_name)) {
        return Ok(path);
    }
    let mut whole = Vec::new();
    if !text.starts_with(b"/") {
        match context.cwd {
            Some(cwd) => whole.extend_from_slice(cwd.to_bytes()),
            None => return value::about("", &path, ": the current directory, from which this path counts, is gone"),
        }
        whole.push(b'/');
    }
    whole.extend_from_slice(text);
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in whole.split(|&byte| byte == b'/') {
        match part {
            b".." => drop(parts.pop()),
            _ if is_name(part) => parts.push(part),
            _ => {}
        }
    }
    // It has been a C string before, so there is no NUL in it.
    Ok(CString::new([b"/", &*parts.join(&b'/')].concat()).unwrap_or_default())
}

/// Whether a part of a path names something in the directory before it.
fn is_name(part: &[u8]) -> bool {
    !matches!(part, b"" | b"." | b"..")
}

/// Only what is named gets in. `PWD` is none of it: the program gets that of the directory where it starts, and the
/// caller's name of its own, with links that nothing shows inside, would keep it from starting there.
fn environment(requests: &[EnvRequest], inherited: &[&CStr]) -> Vec<EnvOp> {
    let mut ops = vec![EnvOp::Clear];
    for request in requests {
        match request {
            EnvRequest::Set(name, _) if name.as_c_str() == c"PWD" => {}
            EnvRequest::Set(name, value) => ops.push(EnvOp::Set(name.clone(), value.clone())),
            EnvRequest::Pass(wanted) => ops.extend(inherited.iter().filter_map(|entry| pass(wanted, entry))),
        }
    }
    ops
}

fn pass(wanted: &CStr, entry: &CStr) -> Option<EnvOp> {
    let (wanted, entry) = (wanted.to_bytes(), entry.to_bytes());
    // Nearly all have another name. Looking for `=` in each of them first took most of the time before the plan.
    if !entry.starts_with(wanted.strip_suffix(b"*").unwrap_or(wanted)) {
        return None;
    }
    let at = entry.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (&entry[..at], &entry[at + 1..]);
    let is_wanted = match wanted {
        [start @ .., b'*'] => name.starts_with(start),
        exact => name == exact,
    };
    // A name that is empty can be inherited, but not be set.
    (is_wanted && !name.is_empty() && name != b"PWD")
        .then(|| Some(EnvOp::Set(CString::new(name).ok()?, CString::new(value).ok()?)))?
}
