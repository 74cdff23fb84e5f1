//! The arguments of `pinfold run`, in the order of the words. Each word is valid by itself; nothing has compared them
//! with each other yet.

use std::ffi::{CStr, CString};
use std::time::Duration;

use super::origin::{Origin, refuse};
use super::value;
use crate::error::{Error, ErrorKind};
use crate::spec::path::{first_wildcard, without_wildcards};
use crate::spec::{BindFlags, FdNumber, FsOp, LandlockTier, OverlayKind, Source};

/// Everything that a command line and its profiles ask for. The setters of the option table fill it.
#[derive(Debug, Default)]
pub(crate) struct RunArgs {
    /// The requests that build the new root.
    pub requests: Vec<Request>,
    /// The word behind each request.
    pub origins: Vec<Origin>,
    /// The program and its arguments.
    pub command: Vec<CString>,
    /// Environment variables of the program, in order.
    pub env: Vec<EnvRequest>,
    /// The directory where the program starts.
    pub workdir: Option<CString>,
    /// Host name inside.
    pub hostname: Option<CString>,
    /// User id inside.
    pub uid: Option<u32>,
    /// Group id inside.
    pub gid: Option<u32>,
    /// Capabilities that the program keeps, by name, number or `ALL`.
    pub caps: Vec<CString>,
    /// Namespaces that the program shares with the host.
    pub share: Shared,
    /// Descriptors that the program gets besides 0 to 2.
    pub keep_fds: Vec<FdNumber>,
    /// System call filter: `off`, the name of a profile, or a file.
    pub seccomp: Option<CString>,
    /// System calls and groups that are refused in addition to the filter.
    pub syscall_deny: Vec<String>,
    /// System calls and groups that are allowed in addition to the filter.
    pub syscall_allow: Vec<String>,
    /// How much Landlock is used for.
    pub landlock: Option<LandlockTier>,
    /// TCP ports that the program may connect to; `None` if no option says.
    pub connect_tcp: Option<Vec<u16>>,
    /// TCP ports that the program may bind to; `None` if no option says.
    pub bind_tcp: Option<Vec<u16>>,
    /// The whole repository is the workspace.
    pub repo: bool,
    /// Allow user namespaces inside.
    pub allow_userns: bool,
    /// Start in a new session.
    pub new_session: bool,
    /// End with the caller.
    pub die_with_parent: bool,
    /// How long the program may take to end after TERM.
    pub kill_after: Option<Duration>,
    /// Wait for every process inside.
    pub wait_all: bool,
    /// Go on without restrictions that cannot be enforced, and report them.
    pub best_effort: bool,
    /// Print the plan and stop.
    pub dry_run: Option<Format>,
    /// Print the equivalent bubblewrap command and stop.
    pub print_bwrap: bool,
    /// Print the plan, and go on.
    pub verbose: bool,
    /// Print no notes.
    pub quiet: bool,
    /// The descriptor for status lines.
    pub json_status_fd: Option<FdNumber>,
    /// Every option that was set, by its name, in order.
    pub seen: Vec<Origin>,
    /// The values of `~` and `${…}` in profiles.
    pub variables: Vec<(&'static str, CString)>,
    /// Where the current word comes from.
    pub(super) here: Origin,
}

/// A request about the new root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// An operation; its paths may still be relative.
    Op(FsOp),
    /// The same symbolic link as on the host; a read-only bind if the path is something else; nothing if it is missing.
    Mirror(CString),
    /// An overlay, if its source exists.
    OverlayTry {
        /// The directory to show.
        source: CString,
        /// The path inside.
        dest: CString,
    },
    /// The current directory.
    Workspace,
}

/// A variable for the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EnvRequest {
    /// The caller's variables of this name; a `*` at its end stands for any rest.
    Pass(CString),
    /// A variable with this name and value.
    Set(CString, CString),
}

/// Room for the operations of the default profile, with some to spare.
const MOST_OFTEN: usize = 64;

/// The namespaces that [`RunArgs::share`] knows.
pub(crate) const KINDS: &[&str] = &["net", "ipc", "pid", "uts", "cgroup"];

/// Namespaces that are shared with the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shared {
    /// Network.
    pub net: bool,
    /// IPC.
    pub ipc: bool,
    /// Processes.
    pub pid: bool,
    /// Host name.
    pub uts: bool,
    /// Cgroups.
    pub cgroup: bool,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

impl RunArgs {
    /// Empty arguments, with the `variables` of profiles.
    pub(super) fn new(variables: Vec<(&'static str, CString)>) -> RunArgs {
        // Room for the default profile. A vector that grows is copied, each time into new pages.
        RunArgs {
            requests: Vec::with_capacity(MOST_OFTEN),
            origins: Vec::with_capacity(MOST_OFTEN),
            seen: Vec::with_capacity(2 * MOST_OFTEN),
            variables,
            ..RunArgs::default()
        }
    }

    pub(super) fn add(&mut self, request: Request) {
        self.requests.push(request);
        self.origins.push(self.here.clone());
    }

    /// A path: as typed on the command line, with a leading `~` replaced, which a shell leaves in `--ro=~/x`; or from a
    /// profile, with variables replaced, absolute and without `..`.
    pub(super) fn path(&self, text: &[u8]) -> Result<CString, Error> {
        if text.is_empty() {
            return refuse("the path is empty");
        }
        let path = match self.here.profile {
            Some(_) => value::from_profile(text, &self.variables)?,
            None => value::without_tilde(text, &self.variables)?,
        };
        // Cannot fail: words have no NUL, and the reader refuses a NUL in a profile.
        CString::new(path).map_err(|_| Error::new(ErrorKind::Invalid, "a path cannot contain a NUL byte"))
    }

    /// Reads a path that comes from `origin`.
    pub(super) fn path_from(&mut self, origin: &Origin, text: &CStr) -> Result<CString, Error> {
        self.here = origin.clone();
        self.path(text.to_bytes())
    }

    /// `PATH[:DEST]`.
    pub(super) fn pair(&self, value: &CStr) -> Result<(CString, CString), Error> {
        let (first, second) = value::split_pair(value.to_bytes())?;
        let source = self.path(&first)?;
        let dest = second.map_or_else(|| Ok(source.clone()), |dest| self.path(&dest))?;
        Ok((source, dest))
    }

    /// `FIRST:SECOND`, where both are required.
    pub(super) fn both(&self, value: &CStr, form: &str) -> Result<(Vec<u8>, CString), Error> {
        match value::split_pair(value.to_bytes())? {
            (first, Some(second)) => Ok((first.into_owned(), self.path(&second)?)),
            (_, None) => refuse(format!("{form} is wanted; a colon that belongs to a path is written \\:")),
        }
    }

    pub(super) fn bind(&mut self, value: &CStr, flags: BindFlags) -> Result<(), Error> {
        let (source, dest) = self.pair(value)?;
        self.add(Request::Op(FsOp::Bind { source: Source::Path(source), dest, flags }));
        Ok(())
    }

    pub(super) fn overlay(&mut self, value: &CStr, optional: bool) -> Result<(), Error> {
        let (source, dest) = self.pair(value)?;
        self.add(if optional { Request::OverlayTry { source, dest } } else { Request::Op(overlay(source, dest)) });
        Ok(())
    }

    pub(super) fn tmpfs(&mut self, value: &CStr) -> Result<(), Error> {
        let (path, options) = value::split_pair(value.to_bytes())?;
        let dest = self.path(&path)?;
        let (mut mode, mut size) = (0o755, None);
        for option in options.iter().flat_map(|options| options.split(|&byte| byte == b',')) {
            match (option.strip_prefix(b"mode="), option.strip_prefix(b"size=")) {
                (Some(octal), _) => mode = value::mode(octal)?,
                (None, Some(bytes)) => size = Some(value::size(bytes)?),
                (None, None) => size = Some(value::size(option)?),
            }
        }
        self.add(Request::Op(FsOp::Tmpfs { dest, mode, size }));
        Ok(())
    }

    /// `optional`: only what exists is denied.
    pub(super) fn deny(&mut self, value: &CStr, optional: bool) -> Result<(), Error> {
        let text = value.to_bytes();
        // What the user wrote decides, and not the name of a directory that a variable stands for.
        let is_pattern = first_wildcard(text).is_some();
        let is_relative = self.here.profile.is_some() && !text.is_empty() && !value::is_rooted(text);
        let from_workspace = if is_relative {
            // Elsewhere a relative path would show something else in each directory. A denial only closes.
            Some([b"${WORKSPACE}/", text].concat())
        } else {
            // What is meant at any depth is meant in the whole workspace: a run with `--repo` may start in a part.
            let top = self.variables.iter().find(|(name, top)| *name == value::WORKSPACE && !top.is_empty());
            let top = top.filter(|_| text.starts_with(b"**/")).map(|(_, top)| without_wildcards(top));
            top.map(|top| [top.to_bytes(), b"/", text].concat())
        };
        let text = from_workspace.as_deref().unwrap_or(text);
        let path = if is_pattern {
            let plain = std::mem::take(&mut self.variables);
            self.variables = plain.iter().map(|(name, value)| (*name, without_wildcards(value))).collect();
            let path = self.path(text);
            self.variables = plain;
            path?
        } else {
            self.path(text)?
        };
        self.add(Request::Op(FsOp::Deny { path, is_pattern, optional }));
        Ok(())
    }

    pub(super) fn env(&mut self, value: &CStr) -> Result<(), Error> {
        let text = value.to_bytes();
        let (name, content) = match text.iter().position(|&byte| byte == b'=') {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let Ok(owned) = CString::new(name) else { return refuse("a name cannot contain a NUL byte") };
        if name.is_empty() {
            return refuse("the name of a variable is missing");
        }
        if name.iter().any(u8::is_ascii_whitespace) {
            return refuse("the name of a variable has no blanks in it: write NAME=VALUE, with nothing around the =");
        }
        self.env.push(match content {
            None => EnvRequest::Pass(owned),
            Some(content) => {
                let content = match self.here.profile {
                    Some(_) => value::replaced(content, &self.variables)?,
                    None => content.to_vec(),
                };
                EnvRequest::Set(owned, CString::new(content).unwrap_or_default())
            }
        });
        Ok(())
    }

    pub(super) fn share(&mut self, value: &CStr) -> Result<(), Error> {
        for kind in value::list(value)? {
            match kind {
                "net" => self.share.net = true,
                "ipc" => self.share.ipc = true,
                "pid" => self.share.pid = true,
                "uts" => self.share.uts = true,
                "cgroup" => self.share.cgroup = true,
                _ => return value::not_one_of(kind, KINDS),
            }
        }
        Ok(())
    }
}

/// An overlay of one directory. Its changes are lost at the end.
pub(super) fn overlay(source: CString, dest: CString) -> FsOp {
    FsOp::Overlay { layers: vec![source], kind: OverlayKind::Tmp, dest }
}

/// A copy of a file of the host, which belongs to the sandbox.
pub(super) fn copy(source: CString, dest: CString) -> Request {
    Request::Op(FsOp::CopyFile { source, dest })
}

/// Adds ports to a list; `none` clears it.
pub(super) fn add_ports(list: &mut Option<Vec<u16>>, value: &CStr) -> Result<(), Error> {
    let ports = value::ports(value)?;
    let list = list.get_or_insert_default();
    if ports.is_empty() {
        list.clear();
    }
    list.extend(ports);
    Ok(())
}
