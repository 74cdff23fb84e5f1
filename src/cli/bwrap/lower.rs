//! [`Args`] → [`Spec`]: turns the arguments into a sandbox, fills in defaults and refuses conflicts.

use super::args::{Args, CapChange, refuse, unknown_cap};
use super::messages;
use crate::error::Error;
use crate::spec::{
    CapSet, Conflict, DieWith, Fds, Ids, Keep, Landlock, Lifecycle, Lockdown, Namespaces, NestedUserNs, OnSignal,
    Process, Report, Seccomp, Spec, Unshare, UserNs,
};

/// The facts about the caller and the host that decide what the words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context {
    /// The caller's real user id.
    pub uid: u32,
    /// The caller's real group id.
    pub gid: u32,
    /// The caller's effective capabilities. Only used for root, and if [`Args::names_caps`].
    pub own_caps: CapSet,
    /// Highest capability number of this kernel. Only used if [`Args::names_caps`].
    pub last_cap: u8,
}

/// The result for a complete command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lowered {
    /// A sandbox.
    Run(Box<Spec>),
    /// It has no command: print the usage as an error.
    Usage,
}

impl Args {
    /// Whether capabilities are named. Only then does the [`Context`] need them.
    pub(crate) fn names_caps(&self) -> bool {
        !self.caps.is_empty()
    }
}

/// Builds the sandbox that `args` ask for.
pub(crate) fn lower(args: Args, context: &Context) -> Result<Lowered, Error> {
    let join_and_make = args.userns.is_some().then(|| made_user_ns(&args)).flatten();
    let spec = spec(args, context)?;
    match (spec.check(context.uid, context.gid), join_and_make) {
        // bubblewrap's order: these two first, then a user namespace that is both joined and made, then the others.
        (Err(conflict @ (Conflict::MapsFromNeedsNewUser | Conflict::MapsFromNeedsInfo)), _) => {
            refuse(messages::conflict(conflict))
        }
        (_, Some(option)) => refuse(format!("--userns not compatible {option}")),
        (Err(Conflict::NoCommand), None) => Ok(Lowered::Usage),
        (Err(conflict), None) => refuse(messages::conflict(conflict)),
        (Ok(()), None) => Ok(Lowered::Run(Box::new(spec))),
    }
}

/// The option that asks for a new user namespace, if any.
fn made_user_ns(args: &Args) -> Option<&'static str> {
    match args.unshare {
        unshare if unshare.user => Some("--unshare-user"),
        unshare if unshare.user_try => Some("--unshare-user-try"),
        _ => None,
    }
}

fn spec(args: Args, context: &Context) -> Result<Spec, Error> {
    let stays = context.uid == 0 && args.userns.is_none() && made_user_ns(&args).is_none();
    let caps = caps(&args.caps, context, stays)?;
    Ok(Spec {
        namespaces: namespaces(&args),
        ids: Ids { uid: args.uid, gid: args.gid },
        ops: args.ops,
        process: Process {
            command: args.command,
            argv0: args.argv0,
            env: args.env,
            chdir: args.chdir,
            new_session: args.new_session,
            new_group: false,
            exec_label: args.exec_label,
            file_label: args.file_label,
            fds: Fds::Inherit,
        },
        lockdown: Lockdown {
            caps,
            seccomp: match args.seccomp {
                Some(fd) => Seccomp::ReadLate(fd),
                None if args.seccomp_programs.is_empty() => Seccomp::Off,
                None => Seccomp::Programs(args.seccomp_programs),
            },
            landlock: Landlock::OFF,
            settings_covered: false,
            nested_userns: if args.disable_userns { NestedUserNs::SecondNamespace } else { NestedUserNs::Allow },
            assert_userns_disabled: args.assert_userns_disabled,
        },
        lifecycle: Lifecycle {
            die_with: if args.die_with_parent { DieWith::Caller } else { DieWith::Nobody },
            as_pid_1: args.as_pid_1,
            lock_files: args.lock_files,
            on_signal: OnSignal::Default,
            kill_after: None,
            wait_all: false,
            sync_fd: args.sync_fd,
            block_fd: args.block_fd,
            spent_fds: args.spent_fds,
            watch: Vec::new(),
            settle: Vec::new(),
            keep: Keep::default(),
            own_home: None,
        },
        report: Report { info_fd: args.info_fd, json_status_fd: args.json_status_fd, is_open: true },
        best_effort: false,
        one_tmpfs: false,
    })
}

fn namespaces(args: &Args) -> Namespaces {
    let unshare = args.unshare;
    Namespaces {
        // A required namespace wins over one that is only tried: the stricter option is the safe one.
        user: match args.userns {
            _ if unshare.user => UserNs::New,
            _ if unshare.user_try => UserNs::Try,
            Some(fd) => UserNs::Join(fd),
            None => UserNs::Auto,
        },
        user_inner: args.userns2,
        user_maps_from: args.userns_block_fd,
        pid: unshare.pid,
        pid_join: args.pidns,
        net: unshare.net,
        ipc: unshare.ipc,
        uts: unshare.uts,
        cgroup: match unshare {
            unshare if unshare.cgroup => Unshare::New,
            unshare if unshare.cgroup_try => Unshare::Try,
            _ => Unshare::Share,
        },
    }
}

/// The capabilities to keep: the changes in order, starting with root's own capabilities, or with none for other users.
///
/// Root that stays in its user namespace (`stays`) cannot get more than it has, so `ALL` means what it has.
fn caps(changes: &[CapChange], context: &Context, stays: bool) -> Result<Option<CapSet>, Error> {
    if changes.is_empty() {
        return Ok(None);
    }
    let start = if context.uid == 0 { context.own_caps } else { CapSet::EMPTY };
    let all = if stays { start } else { CapSet::all(context.last_cap) };
    let change = |set: CapSet, change: &CapChange| match change.set(all, context.last_cap) {
        Some(named) if change.keep => Ok(set.with(named)),
        Some(named) => Ok(set.without(named)),
        None => unknown_cap(&change.name),
    };
    changes.iter().try_fold(start, change).map(Some)
}

#[cfg(test)]
pub(super) mod tests {
    use std::ffi::CString;

    use super::*;
    use crate::cli::bwrap;
    use crate::cli::bwrap::parse::{Outside, parse};
    use crate::spec::{BindFlags, EnvOp, FdNumber, FsOp, Op, Source};

    pub(in crate::cli) fn context(uid: u32) -> Context {
        Context { uid, gid: uid, own_caps: CapSet(0b1111), last_cap: 40 }
    }

    struct Nothing;

    impl Outside for Nothing {
        fn read(&mut self, _: FdNumber) -> Result<Vec<u8>, String> {
            Ok(vec![0; 8])
        }

        fn warn(&mut self, _: &str, _: bool) {}
    }

    fn lowered(uid: u32, line: &str) -> Result<Lowered, String> {
        let words: Vec<CString> = line.split_whitespace().map(|word| CString::new(word).unwrap()).collect();
        let mut args = Args::default();
        parse(&mut args, bwrap::TABLE, &words, &mut Nothing).unwrap();
        lower(args, &context(uid)).map_err(|error| String::from_utf8(error.message).unwrap())
    }

    fn spec_of(uid: u32, line: &str) -> Spec {
        match lowered(uid, &format!("{line} true")) {
            Ok(Lowered::Run(spec)) => *spec,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// Texts and their order as seen by running bubblewrap 0.12.0: of two rules that are broken, the first is named.
    #[test]
    fn conflicts_are_refused_in_the_order_and_words_of_bubblewrap() {
        for (uid, line, text) in [
            (1000, "--userns-block-fd 0 --userns 0", "--userns-block-fd requires --unshare-user"),
            (1000, "--userns-block-fd 0 --unshare-all --userns 0", "--userns-block-fd requires --unshare-user"),
            (1000, "--userns-block-fd 0 --unshare-user --userns 0", "--userns-block-fd requires --info-fd"),
            (
                1000,
                "--userns-block-fd 0 --unshare-user --info-fd 1 --userns 0 --disable-userns",
                "--userns not compatible --unshare-user",
            ),
            (1000, "--unshare-user --unshare-all --userns 0", "--userns not compatible --unshare-user"),
            (1000, "--unshare-all --userns 0 x", "--userns not compatible --unshare-user-try"),
            (1000, "--unshare-user-try --userns 0 --disable-userns", "--userns not compatible --unshare-user-try"),
            (1000, "--disable-userns --userns 0", "--disable-userns requires --unshare-user"),
            (1000, "--disable-userns --unshare-all", "--disable-userns requires --unshare-user"),
            (
                1000,
                "--disable-userns --unshare-user --userns-block-fd 0 --info-fd 1",
                "--disable-userns is not compatible with  --userns-block-fd",
            ),
            (0, "--uid 5 --gid 5 x", "Specifying --uid requires --unshare-user or --userns"),
            (0, "--gid 5 --hostname x x", "Specifying --gid requires --unshare-user or --userns"),
            (0, "--uid 0 --hostname x --as-pid-1 x", "Specifying --hostname requires --unshare-uts"),
            (1000, "--as-pid-1 --lock-file x x", "Specifying --as-pid-1 requires --unshare-pid"),
            (1000, "--as-pid-1 --pidns 3 x", "Specifying --as-pid-1 requires --unshare-pid"),
            (
                1000,
                "--as-pid-1 --unshare-pid --lock-file x x",
                "Specifying --as-pid-1 and --lock-file is not permitted",
            ),
            (1000, "--cap-add 41 x", "unknown cap: 41"),
        ] {
            assert_eq!(lowered(uid, line), Err(text.into()), "{line}");
        }
        for line in ["", "--", "--uid 5 --hostname x", "--userns 3"] {
            assert_eq!(lowered(0, line), Ok(Lowered::Usage), "{line}");
        }
    }

    #[test]
    fn ids_need_a_namespace_only_where_root_has_none() {
        for (uid, line) in [
            (1000, "--uid 5 --gid 5"),
            (0, "--unshare-user --uid 5"),
            (0, "--unshare-user-try --gid 5"),
            (0, "--userns 3 --uid 5"),
            (0, "--uid 0 --gid 0"),
        ] {
            spec_of(uid, line);
        }
    }

    #[test]
    fn the_stricter_of_two_wishes_wins_and_share_net_counts_where_it_stands() {
        let namespaces = |line| spec_of(1000, line).namespaces;
        assert_eq!(namespaces("--unshare-user-try --unshare-user").user, UserNs::New);
        assert_eq!(namespaces("--unshare-all --unshare-cgroup").cgroup, Unshare::New);
        assert_eq!(namespaces("--unshare-user --unshare-user-try --disable-userns").user, UserNs::New);
        assert!(namespaces("--share-net --unshare-all").net);
        let all = namespaces("--unshare-all --share-net");
        assert_eq!((all.user, all.cgroup), (UserNs::Try, Unshare::Try));
        assert_eq!([all.pid, all.net, all.ipc, all.uts], [true, false, true, true]);
    }

    #[test]
    fn capabilities_change_in_order_from_roots_own_or_from_none() {
        let caps = |uid, line| spec_of(uid, line).lockdown.caps;
        assert_eq!(caps(1000, ""), None);
        assert_eq!(caps(1000, "--cap-drop all"), Some(CapSet::EMPTY));
        assert_eq!(caps(1000, "--cap-add ALL"), Some(CapSet::all(40)));
        assert_eq!(caps(1000, "--cap-drop ALL --cap-add cap_chown"), Some(CapSet(1)));
        assert_eq!(caps(1000, "--cap-add CAP_CHOWN --cap-drop ALL"), Some(CapSet::EMPTY));
        assert_eq!(caps(0, "--cap-drop CAP_CHOWN"), Some(CapSet(0b1110)));
        assert_eq!(caps(0, "--cap-add ALL"), Some(CapSet(0b1111)));
        assert_eq!(caps(0, "--unshare-user --cap-add ALL"), Some(CapSet::all(40)));
        assert_eq!(caps(0, "--cap-add 12"), Some(CapSet(0b1111 | 1 << 12)));
    }

    /// Nothing that was typed gets lost on the way, and nothing else gets in.
    #[test]
    fn a_line_becomes_exactly_the_spec_that_a_library_user_would_write() {
        let line = "--ro-bind / / --unshare-pid --setenv A b --clearenv --chdir /x --argv0 y --new-session --seccomp 5 \
                    --lock-file /l --sync-fd 6 --block-fd 7 --info-fd 8 --json-status-fd 9 --die-with-parent \
                    --userns2 4 --pidns 3 --uid 1 --gid 2 --exec-label e --file-label f --assert-userns-disabled";
        let mut wanted = Spec::new(vec![c"true".into()]);
        let flags = BindFlags { read_only: true, devices: false, optional: false };
        let root = FsOp::Bind { source: Source::Path(c"/".into()), dest: c"/".into(), flags };
        wanted.ops = vec![Op::new(root, 0)];
        wanted.namespaces.pid = true;
        (wanted.namespaces.user_inner, wanted.namespaces.pid_join) = (Some(4), Some(3));
        wanted.process.env = vec![EnvOp::Set(c"A".into(), c"b".into()), EnvOp::Clear];
        wanted.process.chdir = Some(c"/x".into());
        wanted.process.argv0 = Some(c"y".into());
        wanted.process.new_session = true;
        (wanted.process.exec_label, wanted.process.file_label) = (Some(c"e".into()), Some(c"f".into()));
        wanted.lockdown.seccomp = Seccomp::ReadLate(5);
        wanted.lockdown.assert_userns_disabled = true;
        wanted.lifecycle.lock_files = vec![c"/l".into()];
        (wanted.lifecycle.sync_fd, wanted.lifecycle.block_fd) = (Some(6), Some(7));
        wanted.lifecycle.die_with = DieWith::Caller;
        wanted.report = Report { info_fd: Some(8), json_status_fd: Some(9), is_open: true };
        wanted.ids = Ids { uid: Some(1), gid: Some(2) };
        assert_eq!(spec_of(1000, line), wanted);
        let filters = spec_of(1000, "--add-seccomp-fd 3 --add-seccomp-fd 4");
        assert_eq!(filters.lockdown.seccomp, Seccomp::Programs(vec![vec![0; 8]; 2]));
        assert_eq!(filters.lifecycle.spent_fds, [3, 4]);
    }
}
