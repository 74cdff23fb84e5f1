//! The way in for library users: a sandbox put together call by call.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};
use crate::host::{self, Caller};
use crate::spawn::{Child, Stdio};
use crate::spec::{BindFlags, DieWith, EnvOp, FsOp, Op, Source, Spec, Unshare, UserNs};
use crate::workspace::{self, GitConfig, Surroundings, Workspace};

/// A sandbox in the making. What it is not told to share or to mount is not there.
///
/// ```no_run
/// let code = pinfold::Sandbox::new(["/usr/bin/id"])
///     .ro_bind("/usr", "/usr")
///     .symlink("usr/lib", "/lib")
///     .symlink("usr/lib64", "/lib64")
///     .proc("/proc")
///     .dev("/dev")
///     .tmpfs("/tmp")
///     .run()?;
/// # Ok::<(), pinfold::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sandbox {
    spec: Spec,
    /// The first thing that was asked and cannot be.
    wrong: Option<Error>,
}

impl Sandbox {
    /// A sandbox for a program with its arguments: all namespaces new, an empty environment but for `PATH`, an empty
    /// root, no capabilities. It ends when the calling process does.
    pub fn new<S: AsRef<OsStr>>(command: impl IntoIterator<Item = S>) -> Sandbox {
        let mut sandbox = Sandbox { spec: Spec::new(Vec::new()), wrong: None };
        for word in command {
            let word = sandbox.text(word);
            sandbox.spec.process.command.push(word);
        }
        let namespaces = &mut sandbox.spec.namespaces;
        namespaces.user = UserNs::New;
        (namespaces.pid, namespaces.net, namespaces.ipc, namespaces.uts) = (true, true, true, true);
        namespaces.cgroup = Unshare::Try;
        sandbox.spec.process.env = vec![EnvOp::Clear, EnvOp::Set(c"PATH".into(), c"/usr/bin:/bin".into())];
        sandbox.spec.process.new_group = true;
        sandbox.spec.lockdown.settings_covered = true;
        sandbox.spec.lifecycle.die_with = DieWith::Caller;
        sandbox
    }

    /// Mounts a file or directory of the host read-only, with what is mounted below it.
    #[must_use]
    pub fn ro_bind(self, source: impl AsRef<OsStr>, dest: impl AsRef<OsStr>) -> Sandbox {
        self.bind_with(source, dest, BindFlags { read_only: true, devices: false, optional: false })
    }

    /// Mounts a file or directory of the host so that it can be written to.
    #[must_use]
    pub fn bind(self, source: impl AsRef<OsStr>, dest: impl AsRef<OsStr>) -> Sandbox {
        self.bind_with(source, dest, BindFlags { read_only: false, devices: false, optional: false })
    }

    fn bind_with(mut self, source: impl AsRef<OsStr>, dest: impl AsRef<OsStr>, flags: BindFlags) -> Sandbox {
        let (source, dest) = (Source::Path(self.text(source)), self.text(dest));
        self.op(FsOp::Bind { source, dest, flags })
    }

    /// Mounts a directory that somebody works in, so that it can be written to, at its own path. In a repository git
    /// works; what changes in git directories, and in directories that programs obey (`.vscode`), reaches the host only
    /// when the run has ended, as far as it is git's data, and the rest is kept apart ([`crate::spec::Keep`]). Single
    /// files that shells, editors and agents obey (`.envrc`) are read-only, or put back if git tracks them.
    ///
    /// Names of that kind that are new after the run are said on standard error; and of git repositories that the
    /// program has made, what git would execute is set aside ([`crate::spec::Settle`]). To that end everything that the
    /// program has left running is killed when it ends.
    ///
    /// The run is an error where `dir` is more than a project (`/`, the home directory, a system's directory), or
    /// something in it cannot be protected.
    #[must_use]
    pub fn workspace(mut self, dir: impl AsRef<Path>) -> Sandbox {
        let path = |name| host::variable(name).map(|path| PathBuf::from(OsString::from_vec(path)));
        let [home, runtime_dir, config] = ["HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"].map(path);
        let state = path("XDG_STATE_HOME").or_else(|| home.as_ref().map(|home| home.join(".local/state")));
        let stores = workspace::stores(state, runtime_dir.clone(), Caller::probe().uid);
        let search = host::variable("PATH");
        let around = Surroundings {
            cwd: dir.as_ref(),
            home: home.as_deref(),
            runtime_dir: runtime_dir.as_deref(),
            is_named: false,
            path: search.as_deref().map(OsStr::from_bytes),
            // A library remembers nothing.
            state: None,
            uid: Caller::probe().uid,
            stores: &stores,
            git_config: &GitConfig::new(home.as_deref(), config.as_deref(), &host::variable),
        };
        match workspace::find(&around).and_then(|found| found.refusal().map_or(Ok(found), Err)) {
            Ok(Workspace { mut ops, keep, watch, settle, unheld: _, notes: _, above: _, identity: _ }) => {
                self.spec.lifecycle.keep.add(keep, &mut ops);
                self.spec.lifecycle.watch.extend(watch);
                self.spec.lifecycle.settle.push(settle);
                ops.into_iter().fold(self, Sandbox::op)
            }
            Err(error) => {
                self.wrong.get_or_insert(error);
                self
            }
        }
    }

    /// Mounts an empty tmpfs.
    #[must_use]
    pub fn tmpfs(mut self, dest: impl AsRef<OsStr>) -> Sandbox {
        let dest = self.text(dest);
        self.op(FsOp::Tmpfs { dest, mode: 0o755, size: None })
    }

    /// Mounts a procfs that shows the processes of the sandbox.
    #[must_use]
    pub fn proc(mut self, dest: impl AsRef<OsStr>) -> Sandbox {
        let dest = self.text(dest);
        self.op(FsOp::Proc { dest })
    }

    /// Makes a minimal device directory.
    #[must_use]
    pub fn dev(mut self, dest: impl AsRef<OsStr>) -> Sandbox {
        let dest = self.text(dest);
        self.op(FsOp::Dev { dest })
    }

    /// Makes a symbolic link with content `target`.
    #[must_use]
    pub fn symlink(mut self, target: impl AsRef<OsStr>, dest: impl AsRef<OsStr>) -> Sandbox {
        let (target, dest) = (self.text(target), self.text(dest));
        self.op(FsOp::Symlink { target, dest })
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Sandbox {
        let (name, value) = (self.text(name), self.text(value));
        self.spec.process.env.push(EnvOp::Set(name, value));
        self
    }

    /// The directory inside in which the program starts. Otherwise it is the caller's, if that exists inside.
    #[must_use]
    pub fn chdir(mut self, dir: impl AsRef<OsStr>) -> Sandbox {
        self.spec.process.chdir = Some(self.text(dir));
        self
    }

    /// Uses the host's network.
    #[must_use]
    pub fn share_net(mut self) -> Sandbox {
        self.spec.namespaces.net = false;
        self
    }

    /// What has been put together so far, to be refined in ways that have no call of their own.
    pub fn spec(self) -> Result<Spec, Error> {
        match self.wrong {
            Some(error) => Err(error),
            None => Ok(self.spec),
        }
    }

    /// Runs the program and waits for it; see [`crate::run`].
    pub fn run(self) -> Result<u8, Error> {
        crate::run(self.spec()?)
    }

    /// Starts the program and returns; see [`crate::spawn`].
    ///
    /// ```no_run
    /// let sandbox = pinfold::Sandbox::new(["/usr/bin/sleep", "1000"]).ro_bind("/", "/").proc("/proc");
    /// let mut child = sandbox.spawn()?;
    /// println!("the box has process {}", child.id());
    /// child.kill();
    /// while let Some(event) = child.next_event() {
    ///     println!("{event:?}");
    /// }
    /// assert_eq!(child.wait()?, 128 + 9);
    /// # Ok::<(), pinfold::Error>(())
    /// ```
    pub fn spawn(self) -> Result<Child, Error> {
        crate::spawn(self.spec()?)
    }

    /// As [`Sandbox::spawn`], with other standard descriptors.
    pub fn spawn_with(self, stdio: Stdio) -> Result<Child, Error> {
        crate::spawn_with(self.spec()?, stdio)
    }

    fn op(mut self, fs: FsOp) -> Sandbox {
        let word = self.spec.ops.len();
        self.spec.ops.push(Op::new(fs, word));
        self
    }

    fn text(&mut self, text: impl AsRef<OsStr>) -> CString {
        CString::new(text.as_ref().as_bytes()).unwrap_or_else(|_| {
            let message = format!("{:?} contains a NUL byte, which no path or argument can", text.as_ref());
            self.wrong.get_or_insert(Error::new(ErrorKind::Invalid, message));
            CString::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_kernel_call_could_take_is_an_error_and_not_a_cut_text() {
        let error = Sandbox::new(["true"]).ro_bind("/usr\0/x", "/usr").spec().unwrap_err();
        assert!(error.to_string().contains("NUL"), "{error}");
    }

    #[test]
    fn everything_is_its_own_unless_said_otherwise() {
        let spec = Sandbox::new(["true"]).tmpfs("/tmp").spec().unwrap();
        assert!(spec.namespaces.pid && spec.namespaces.net && spec.namespaces.ipc && spec.namespaces.uts);
        assert_eq!(spec.namespaces.user, UserNs::New);
        assert_eq!(spec.process.env[0], EnvOp::Clear);
        assert_eq!(spec.check(1000, 1000), Ok(()));
    }
}
