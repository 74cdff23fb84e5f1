//! `--print-bwrap`: a spec as a bubblewrap command line.

use std::ffi::{CStr, CString, OsStr};
use std::os::unix::ffi::OsStrExt;

use super::origin::refuse;
use crate::error::{Error, Field, quoted};
use crate::spec::{
    CapSet, DieWith, EnvOp, Fds, FsOp, Landlock, LandlockTier, Lifecycle, Lockdown, Namespaces, NestedUserNs,
    OverlayKind, Process, ProfileText, Report, Seccomp, Source, Spec, Unshare, UserNs,
};

/// The command line, for a shell.
pub(super) struct Line {
    /// The quoted words, then the redirections.
    pub(super) text: Vec<u8>,
    /// Differences that the line cannot avoid and that do not make it another sandbox.
    pub(super) notes: Vec<&'static str>,
}

/// The bubblewrap command line for `spec`, or an error that names what bubblewrap cannot do.
pub(super) fn line(spec: &Spec) -> Result<Line, Error> {
    let mut words = Words::default();
    // No `..` in the patterns: a new field of the spec must be handled here before this compiles.
    let Spec { namespaces, ids, ops, process, lockdown, lifecycle, report, best_effort: _, one_tmpfs: _ } = spec;
    words.namespaces(namespaces);
    words.number("--uid", ids.uid);
    words.number("--gid", ids.gid);
    words.environment(&process.env);
    for op in ops {
        words.op(&op.fs).map_err(|error| error.about(Field::Op(op.word)))?;
    }
    let mut notes = words.lockdown(lockdown)?;
    let Lifecycle {
        die_with,
        as_pid_1: _,
        lock_files: _,
        on_signal: _,
        kill_after,
        wait_all,
        sync_fd: _,
        block_fd: _,
        spent_fds: _,
        watch,
        settle,
        keep,
        own_home: _,
    } = lifecycle;
    if kill_after.is_some() {
        return none("--kill-after", None);
    }
    if *wait_all {
        return none("--wait-all", None);
    }
    if !watch.is_empty() {
        notes.push("bubblewrap does not look afterwards for names that the workspace had not before");
    }
    if !settle.is_empty() {
        notes.push("bubblewrap does not set aside what git would obey in repositories that the program makes");
    }
    for file in &keep.files {
        words.pair("--ro-bind", file, file);
    }
    if !keep.is_empty() {
        notes.push("bubblewrap keeps no changes apart: here git directories, and what is obeyed later, are read-only");
    }
    if *die_with != DieWith::Nobody {
        words.option("--die-with-parent");
    }
    let Report { info_fd: _, json_status_fd, is_open: _ } = report;
    words.number("--json-status-fd", json_status_fd.and_then(|fd| u32::try_from(fd).ok()));
    let Process { command, argv0: _, env: _, chdir, new_session, new_group, exec_label: _, file_label: _, fds } =
        process;
    if let Some(chdir) = chdir {
        words.option("--chdir");
        words.word(chdir);
    }
    if *new_session {
        words.option("--new-session");
    }
    if *new_group && !*new_session {
        notes.push("bubblewrap leaves the program in the process group of its caller");
    }
    if matches!(fds, Fds::Only(_)) {
        notes.push("bubblewrap passes every descriptor on that is open");
    }
    words.option("--");
    command.iter().for_each(|word| words.word(word));
    Ok(Line { text: words.finish(), notes })
}

/// The words of a shell command.
#[derive(Default)]
struct Words {
    words: Vec<Vec<u8>>,
    /// The redirections at the end of the line, each with its descriptor number.
    redirections: Vec<Vec<u8>>,
}

/// The first descriptor that the line opens. Lower numbers are left to scripts.
const FIRST_FD: usize = 10;

impl Words {
    fn option(&mut self, name: &str) {
        self.words.push(name.as_bytes().to_vec());
    }

    fn word(&mut self, word: &CStr) {
        self.words.push(shell_word(word.to_bytes()));
    }

    fn number(&mut self, name: &str, value: Option<u32>) {
        if let Some(value) = value {
            self.option(name);
            self.words.push(value.to_string().into_bytes());
        }
    }

    fn pair(&mut self, name: &str, first: &CStr, second: &CStr) {
        self.option(name);
        self.word(first);
        self.word(second);
    }

    fn one(&mut self, name: &str, value: &CStr) {
        self.option(name);
        self.word(value);
    }

    /// Adds the redirection `source` (without a number) and returns the number of its descriptor.
    fn descriptor(&mut self, source: Vec<u8>) -> CString {
        let number = (FIRST_FD + self.redirections.len()).to_string();
        self.redirections.push([number.as_bytes(), &source].concat());
        CString::new(number).unwrap_or_default()
    }

    fn namespaces(&mut self, wanted: &Namespaces) {
        let &Namespaces { user, user_inner: _, user_maps_from: _, pid, pid_join: _, net, ipc, uts, cgroup } = wanted;
        for (option, wanted) in [
            ("--unshare-user", user == UserNs::New),
            ("--unshare-pid", pid),
            ("--unshare-net", net),
            ("--unshare-ipc", ipc),
            ("--unshare-uts", uts),
            ("--unshare-cgroup", cgroup == Unshare::New),
        ] {
            if wanted {
                self.option(option);
            }
        }
    }

    fn environment(&mut self, changes: &[EnvOp]) {
        for change in changes {
            match change {
                EnvOp::Clear => self.option("--clearenv"),
                EnvOp::Set(name, value) => self.pair("--setenv", name, value),
                EnvOp::Unset(name) => self.one("--unsetenv", name),
            }
        }
    }

    fn op(&mut self, op: &FsOp) -> Result<(), Error> {
        match op {
            FsOp::Bind { source: Source::Path(source) | Source::Real(source), dest, flags } => {
                let name = match (flags.devices, flags.read_only) {
                    (true, _) => "--dev-bind",
                    (false, true) => "--ro-bind",
                    (false, false) => "--bind",
                };
                self.pair(&format!("{name}{}", if flags.optional { "-try" } else { "" }), source, dest);
            }
            FsOp::Overlay { layers, kind: OverlayKind::Tmp, dest } => {
                layers.iter().for_each(|layer| self.one("--overlay-src", layer));
                self.one("--tmp-overlay", dest);
            }
            FsOp::Overlay { layers, kind: OverlayKind::Apart { .. }, dest } => {
                layers.iter().for_each(|layer| self.pair("--ro-bind", layer, dest));
            }
            FsOp::Proc { dest } => self.one("--proc", dest),
            FsOp::Dev { dest } => self.one("--dev", dest),
            FsOp::Tmpfs { dest, mode, size } => {
                // 0755 is bubblewrap's default.
                if *mode != 0o755 {
                    self.option("--perms");
                    self.words.push(format!("{mode:04o}").into_bytes());
                }
                if let Some(size) = size {
                    self.option("--size");
                    self.words.push(size.to_string().into_bytes());
                }
                self.one("--tmpfs", dest);
            }
            FsOp::Symlink { target, dest } => self.pair("--symlink", target, dest),
            FsOp::CopyFile { source, dest } => {
                let fd = self.descriptor([b"<", &shell_word(source.to_bytes())[..]].concat());
                self.pair("--file", &fd, dest);
            }
            FsOp::Text { text, dest, mode: _ } => {
                let fd = self.descriptor([b"< <(printf %s ", &shell_word(text)[..], b")"].concat());
                self.pair("--file", &fd, dest);
            }
            FsOp::Hostname { name } => self.one("--hostname", name),
            FsOp::RemountReadOnly { dest } => self.one("--remount-ro", dest),
            FsOp::Deny { .. } => return none("--deny", None),
            // No option of `pinfold run` asks for these.
            FsOp::Bind { source: Source::Link(_), .. } => {
                return none("holding a symbolic link of the workspace", None);
            }
            FsOp::Bind { source: Source::Fd(_), .. }
            | FsOp::Overlay { .. }
            | FsOp::Mqueue { .. }
            | FsOp::Dir { .. }
            | FsOp::Data { .. }
            | FsOp::Chmod { .. } => return none("one of the operations", None),
        }
        Ok(())
    }

    fn lockdown(&mut self, lockdown: &Lockdown) -> Result<Vec<&'static str>, Error> {
        let Lockdown { caps, seccomp, landlock, settings_covered: _, nested_userns, assert_userns_disabled: _ } =
            lockdown;
        for cap in caps.unwrap_or_default().numbers() {
            self.option("--cap-add");
            self.words.push(CapSet::name(cap).into_bytes());
        }
        match seccomp {
            Seccomp::Off => {}
            Seccomp::Profile { text, deny, allow } if deny.is_empty() && allow.is_empty() => {
                let name = match text {
                    ProfileText::Shipped(name) => shell_word(name.as_bytes()),
                    ProfileText::File { name, text: _, thread: None } => shell_word(name.to_bytes()),
                    ProfileText::File { name, text: _, thread: Some(thread) } => {
                        shell_word(&[name.to_bytes(), b"#", thread.as_bytes()].concat())
                    }
                    ProfileText::Program(_) => return none("one of the filters", Some(Field::Seccomp)),
                };
                let fd = self.descriptor([b"< <(pinfold seccomp compile ", &name[..], b")"].concat());
                self.one("--seccomp", &fd);
            }
            Seccomp::Profile { allow, .. } if allow.is_empty() => {
                return none("--syscall-deny", Some(Field::SyscallDeny(0)));
            }
            Seccomp::Profile { .. } => {
                return none("--syscall-allow (or --allow-userns, which implies it)", Some(Field::SyscallAllow(0)));
            }
            // No option of `pinfold run` asks for these.
            Seccomp::Programs(_) | Seccomp::ReadLate(_) => return none("one of the filters", Some(Field::Seccomp)),
        }
        if *nested_userns != NestedUserNs::Allow {
            self.option("--disable-userns");
        }
        match landlock {
            Landlock { connect_tcp: Some(_), .. } => none("--tcp-connect", Some(Field::ConnectTcp)),
            Landlock { bind_tcp: Some(_), .. } => none("--tcp-bind", Some(Field::BindTcp)),
            Landlock { tier: LandlockTier::Only, .. } => none("--landlock only", Some(Field::Landlock)),
            Landlock { tier: LandlockTier::Mirror, .. } => Ok(vec!["bubblewrap has no Landlock"]),
            Landlock { tier: LandlockTier::Off, .. } => Ok(Vec::new()),
        }
    }

    /// Joins the words, one option on each line.
    fn finish(self) -> Vec<u8> {
        let mut out = b"bwrap".to_vec();
        let mut in_options = true;
        for word in self.words {
            let begins_option = in_options && word.starts_with(b"--");
            out.extend_from_slice(if begins_option { b" \\\n    " } else { b" " });
            in_options &= word != b"--";
            out.extend(word);
        }
        for redirection in self.redirections {
            out.extend_from_slice(b" \\\n    ");
            out.extend(redirection);
        }
        out.push(b'\n');
        out
    }
}

fn none<T>(wish: &str, field: Option<Field>) -> Result<T, Error> {
    refuse(format!("bubblewrap has no equivalent of {wish}")).map_err(|error: Error| Error { field, ..error })
}

fn shell_word(text: &[u8]) -> Vec<u8> {
    quoted(OsStr::from_bytes(text)).into_bytes()
}
