//! The options of the `bwrap` front end: those of bubblewrap 0.12 and 0.13, with the same names, values and order of
//! effects.
//!
//! The texts are ours. Each option has its effect on the arguments beside it.

use std::ffi::CStr;

use super::args::{self, Args, refuse};
use super::files;
use crate::cli::table::Action::{Flag, Help, Load, One, Splice, Two, Version};
use crate::cli::table::{self, Done};
use crate::spec::{EnvOp, FdNumber, FsOp};

type Opt = table::Opt<Args>;
type Group = table::Group<Args>;

/// The output of `--version`: the version of bubblewrap that this front end replaces. Callers parse three numbers and
/// require at least 0.10.0 (flatpak, BuildStream). `pinfold --version` has pinfold's own version.
pub(crate) const VERSION: &str = "bubblewrap 0.12.0";

/// The options, in the order of the help.
pub(crate) const TABLE: &[Group] = &[
    Group { title: "General", opts: GENERAL },
    Group { title: "Namespaces", opts: NAMESPACES },
    Group { title: "Files of the host", opts: files::BINDS },
    Group { title: "Files of the sandbox", opts: files::FILES },
    Group { title: "Environment", opts: ENVIRONMENT },
    Group { title: "Restrictions", opts: RESTRICTIONS },
    Group { title: "Start, end and reports", opts: LIFETIME },
];

const GENERAL: &[Opt] = &[
    Opt::new("--help", &[], Help, "Explain the options and exit", ""),
    Opt::new("--version", &[], Version, "Show the version of bubblewrap that this stands in for and exit", ""),
    Opt::new(
        "--args",
        &["FD"],
        Splice,
        "Read more options from FD, a NUL after each word",
        "They are read in place, as if they stood here. The last NUL may be missing. Nothing behind the first word \
         that is not an option is used. There can be several, but not one inside another. No more than 9000 words are \
         accepted in all.",
    ),
    Opt::new(
        "--argv0",
        &["VALUE"],
        One(|args, value| match args.argv0.replace(value.into()) {
            None => Ok(()),
            Some(_) => refuse("--argv0 used multiple times"),
        }),
        "Start the command with VALUE as its own name (argv[0])",
        "The file that is run is still the one that COMMAND names.",
    )
    .missing("--argv0 takes one argument"),
    Opt::new(
        "--level-prefix",
        &[],
        Flag(|args| args.level_prefix = true),
        "Begin diagnostics with their syslog level, as in <3>",
        "Errors have level 3 and warnings 4. It counts from where it stands: warnings about earlier options come without.",
    ),
    // With this option, bubblewrap goes on if it cannot protect a mount. Pinfold protects every mount or stops, so the
    // option has no effect: a caller who waives safety gets it anyway.
    Opt::new(
        "--not-a-security-boundary",
        &[],
        Flag(|_| ()),
        "Accepted for compatibility; every restriction still holds",
        "Bubblewrap tolerates some failures with this option. Here they remain failures.",
    ),
];

const NAMESPACES: &[Opt] = &[
    Opt::new(
        "--unshare-all",
        &[],
        Flag(|args| {
            let new = &mut args.unshare;
            (new.user_try, new.ipc, new.pid, new.net, new.uts, new.cgroup_try) = (true, true, true, true, true, true);
        }),
        "Make every kind of namespace new",
        "The same as {--unshare-user-try} {--unshare-ipc} {--unshare-pid} {--unshare-net} {--unshare-uts} \
         {--unshare-cgroup-try}.",
    ),
    Opt::new(
        "--share-net",
        &[],
        Flag(|args| args.unshare.net = false),
        "Keep the host's network after all",
        "Takes back what an earlier {--unshare-all} or {--unshare-net} asked for.",
    ),
    Opt::new(
        "--unshare-user",
        &[],
        Flag(|args| args.unshare.user = true),
        "Make a user namespace, or fail",
        "An ordinary user gets one in any case, because nothing else here works without.",
    ),
    Opt::new(
        "--unshare-user-try",
        &[],
        Flag(|args| args.unshare.user_try = true),
        "Make a user namespace if the host has them",
        "",
    ),
    Opt::new("--unshare-ipc", &[], Flag(|args| args.unshare.ipc = true), "Make an IPC namespace", ""),
    Opt::new(
        "--unshare-pid",
        &[],
        Flag(|args| args.unshare.pid = true),
        "Make a PID namespace",
        "A small process of ours is PID 1 in it and collects orphans, unless {--as-pid-1} is given. Without this \
         option {--proc} shows the processes of the host.",
    ),
    Opt::new(
        "--unshare-net",
        &[],
        Flag(|args| args.unshare.net = true),
        "Make a network namespace, with nothing but a loopback device",
        "",
    ),
    Opt::new("--unshare-uts", &[], Flag(|args| args.unshare.uts = true), "Make a UTS (host name) namespace", ""),
    Opt::new("--unshare-cgroup", &[], Flag(|args| args.unshare.cgroup = true), "Make a cgroup namespace, or fail", ""),
    Opt::new(
        "--unshare-cgroup-try",
        &[],
        Flag(|args| args.unshare.cgroup_try = true),
        "Make a cgroup namespace if the host has them",
        "",
    ),
    Opt::new(
        "--userns",
        &["FD"],
        One(|args, value| fd(&mut args.userns, value)),
        "Join the user namespace that FD refers to",
        "Not together with {--unshare-user} or {--unshare-user-try}, and so not with {--unshare-all}.",
    )
    .last_wins(),
    Opt::new(
        "--userns2",
        &["FD"],
        One(|args, value| fd(&mut args.userns2, value)),
        "Join the user namespace FD once the root is complete",
        "Useful after {--userns}, for a namespace below that one.",
    )
    .last_wins(),
    Opt::new(
        "--disable-userns",
        &[],
        Flag(|args| args.disable_userns = true),
        "Let nobody inside make another user namespace",
        "Needs {--unshare-user}, and cannot be had together with {--userns-block-fd}.",
    ),
    Opt::new(
        "--assert-userns-disabled",
        &[],
        Flag(|args| args.assert_userns_disabled = true),
        "Fail unless making a user namespace inside is impossible",
        "For a namespace joined with {--userns}, whose maker was to use {--disable-userns}.",
    ),
    Opt::new(
        "--pidns",
        &["FD"],
        One(|args, value| fd(&mut args.pidns, value)),
        "Join the PID namespace that FD refers to",
        "With {--unshare-pid} a new one is made below it.",
    )
    .last_wins(),
    Opt::new(
        "--uid",
        &["UID"],
        One(|args, value| args::id("uid", value).map(|id| args.uid = Some(id))),
        "Be user UID inside",
        "Needs a user namespace: root must give {--unshare-user} or {--userns} with it.",
    )
    .last_wins(),
    Opt::new(
        "--gid",
        &["GID"],
        One(|args, value| args::id("gid", value).map(|id| args.gid = Some(id))),
        "Be group GID inside",
        "Needs a user namespace: root must give {--unshare-user} or {--userns} with it.",
    )
    .last_wins(),
    Opt::new(
        "--hostname",
        &["NAME"],
        One(|args, name| args.add(FsOp::Hostname { name: name.into() })),
        "Be called NAME inside",
        "Needs {--unshare-uts}.",
    )
    .last_wins(),
];

const ENVIRONMENT: &[Opt] = &[
    Opt::new(
        "--chdir",
        &["DIR"],
        One(|args, dir| {
            args.chdir = Some(dir.into());
            Ok(())
        }),
        "Start in the directory DIR of the sandbox",
        "Otherwise the command starts in the current directory if that exists inside, else in the home directory, else \
         in /.",
    )
    .last_wins()
    .missing("--chdir takes one argument"),
    Opt::new("--clearenv", &[], Flag(|args| args.env.push(EnvOp::Clear)), "Remove all variables", "PWD is still set."),
    Opt::new(
        "--setenv",
        &["VAR", "VALUE"],
        Two(|args, name, value| {
            args.env.push(EnvOp::Set(args::variable("setenv", name)?, value.into()));
            Ok(())
        }),
        "Set the variable VAR to VALUE",
        "These options take effect in their order, before COMMAND is looked up.",
    ),
    Opt::new(
        "--unsetenv",
        &["VAR"],
        One(|args, name| {
            args.env.push(EnvOp::Unset(args::variable("unsetenv", name)?));
            Ok(())
        }),
        "Remove the variable VAR",
        "",
    ),
];

const RESTRICTIONS: &[Opt] = &[
    Opt::new(
        "--seccomp",
        &["FD"],
        One(|args, value| {
            if args.seccomp_programs.is_empty() {
                fd(&mut args.seccomp, value)
            } else {
                refuse("--seccomp cannot be combined with --add-seccomp-fd")
            }
        }),
        "Install the system call filter read from FD",
        "A compiled filter: an array of struct sock_filter. It is read when everything else is set up.",
    )
    .last_wins(),
    Opt::new(
        "--add-seccomp-fd",
        &["FD"],
        Load { before: no_late_filter, what: "seccomp data", keep: keep_filter },
        "Install one more system call filter, read from FD",
        "Can be repeated; cannot be combined with {--seccomp}.",
    ),
    Opt::new(
        "--cap-add",
        &["CAP"],
        One(|args, name| args.change_cap(true, name)),
        "Let the command keep the capability CAP, or ALL",
        "An ordinary user starts with none and root with all of its own; {--cap-add} and {--cap-drop} take effect in \
         their order. Names begin with CAP_, in either case.",
    ),
    Opt::new(
        "--cap-drop",
        &["CAP"],
        One(|args, name| args.change_cap(false, name)),
        "Take the capability CAP, or ALL, from the command",
        "",
    ),
    Opt::new(
        "--exec-label",
        &["LABEL"],
        One(|args, label| {
            args.exec_label = Some(label.into());
            Ok(())
        }),
        "Run the command with the SELinux label LABEL",
        "",
    )
    .last_wins(),
    Opt::new(
        "--file-label",
        &["LABEL"],
        One(|args, label| {
            args.file_label = Some(label.into());
            Ok(())
        }),
        "Give new files the SELinux label LABEL",
        "",
    )
    .last_wins(),
    Opt::new(
        "--new-session",
        &[],
        Flag(|args| args.new_session = true),
        "Start the command in a session of its own, without a terminal",
        "Otherwise it can put words into the terminal that it shares with you, where the kernel allows TIOCSTI.",
    ),
];

const LIFETIME: &[Opt] = &[
    Opt::new(
        "--die-with-parent",
        &[],
        Flag(|args| args.die_with_parent = true),
        "Kill the whole sandbox when the caller ends",
        "",
    ),
    Opt::new(
        "--as-pid-1",
        &[],
        Flag(|args| args.as_pid_1 = true),
        "Make the command itself PID 1, with nobody to collect orphans",
        "Needs {--unshare-pid}, and cannot be had together with {--lock-file}.",
    ),
    Opt::new(
        "--lock-file",
        &["DEST"],
        One(|args, dest| {
            args.lock_files.push(dest.into());
            Ok(())
        }),
        "Hold a read lock on DEST while anything runs inside",
        "Can be repeated.",
    ),
    Opt::new(
        "--sync-fd",
        &["FD"],
        One(|args, value| fd(&mut args.sync_fd, value)),
        "Keep FD open while anything runs inside",
        "",
    )
    .last_wins(),
    Opt::new(
        "--block-fd",
        &["FD"],
        One(|args, value| fd(&mut args.block_fd, value)),
        "Start the command only when FD yields a byte or ends",
        "",
    )
    .last_wins(),
    Opt::new(
        "--userns-block-fd",
        &["FD"],
        One(|args, value| fd(&mut args.userns_block_fd, value)),
        "Leave the id maps to you, and wait on FD until they are written",
        "A byte or the end of FD says so. Needs {--unshare-user}, and {--info-fd} to tell you whose maps they are.",
    )
    .last_wins(),
    Opt::new(
        "--info-fd",
        &["FD"],
        One(|args, value| fd(&mut args.info_fd, value)),
        "Describe the sandbox on FD, in JSON",
        "",
    )
    .last_wins(),
    Opt::new(
        "--json-status-fd",
        &["FD"],
        One(|args, value| fd(&mut args.json_status_fd, value)),
        "Report start and exit code on FD, in lines of JSON",
        "",
    )
    .last_wins(),
];

fn fd(field: &mut Option<FdNumber>, value: &CStr) -> Done {
    *field = Some(args::fd(value)?);
    Ok(())
}

fn no_late_filter(args: &Args) -> Done {
    if args.seccomp.is_none() { Ok(()) } else { refuse("--add-seccomp-fd cannot be combined with --seccomp") }
}

fn keep_filter(args: &mut Args, program: Vec<u8>) -> Done {
    // One instruction is a struct sock_filter of 8 bytes.
    if !program.len().is_multiple_of(8) {
        return refuse("Invalid seccomp data, must be multiple of 8");
    }
    args.seccomp_programs.push(program);
    Ok(())
}
