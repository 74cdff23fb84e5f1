//! The options of `pinfold run`. They are also the lines of profiles.

mod ending;

use super::args::{self, Format, Request, RunArgs};
use super::origin::refuse;
use super::value;
use crate::cli::table;
use crate::cli::table::Action::{Flag, Help, Maybe, One, Splice, Version};
use crate::cli::table::Reach;
use crate::spec::{BindFlags, FsOp, LandlockTier};
use ending::ENDING;

type Opt = table::Opt<RunArgs>;
type Group = table::Group<RunArgs>;

/// The options, in the order of the help.
pub(crate) const TABLE: &[Group] = &[
    Group { title: "Files of the host", opts: HOST },
    Group { title: "Files of the sandbox", opts: FILES },
    Group { title: "Program", opts: PROGRAM },
    Group { title: "Signals and end", opts: ENDING },
    Group { title: "Namespaces", opts: NAMESPACES },
    Group { title: "Restrictions", opts: RESTRICTIONS },
    Group { title: "Profiles and reports", opts: GENERAL },
];

/// One-letter names of options.
pub(crate) const SHORT: &[(char, &str)] = &[('h', "--help"), ('q', "--quiet"), ('v', "--verbose"), ('V', "--version")];

const READ_ONLY: BindFlags = BindFlags { read_only: true, devices: false, optional: false };
const WRITABLE: BindFlags = BindFlags { read_only: false, devices: false, optional: false };
const DEVICES: BindFlags = BindFlags { read_only: false, devices: true, optional: false };

const HOST: &[Opt] = &[
    Opt::new(
        "--ro",
        &["PATH[:DEST]"],
        One(|args, value| args.bind(value, READ_ONLY)),
        "Show PATH of the host, read-only",
        "At its own path, or at DEST. A relative path counts from the current directory; in a profile it is absolute, or \
         begins with ~/ or a variable. A colon that belongs to a path is written \\:.",
    )
    .reach(Reach::Reads),
    Opt::new(
        "--ro-try",
        &["PATH[:DEST]"],
        One(|args, value| args.bind(value, BindFlags { optional: true, ..READ_ONLY })),
        "Like {--ro}, or nothing if PATH does not exist",
        "",
    )
    .reach(Reach::Reads),
    Opt::new(
        "--rw",
        &["PATH[:DEST]"],
        One(|args, value| args.bind(value, WRITABLE)),
        "Show PATH of the host, writable",
        "The program can change whatever you can change there. An output must exist: make it first. A file that is shown by \
         itself can be written to, but not replaced, as sed -i and some editors do: show its directory.",
    )
    .reach(Reach::Writes),
    Opt::new(
        "--rw-try",
        &["PATH[:DEST]"],
        One(|args, value| args.bind(value, BindFlags { optional: true, ..WRITABLE })),
        "Like {--rw}, or nothing if PATH does not exist",
        "What the program writes there then is lost.",
    )
    .reach(Reach::Writes),
    Opt::new(
        "--dev",
        &["PATH[:DEST]"],
        One(|args, value| args.bind(value, DEVICES)),
        "Show a device of the host, or a directory of them, usable",
        "For example {--dev} /dev/dri, {--dev} /dev/kvm. Everywhere else devices cannot be opened.",
    ),
    Opt::new(
        "--dev-try",
        &["PATH[:DEST]"],
        One(|args, value| args.bind(value, BindFlags { optional: true, ..DEVICES })),
        "Like {--dev}, or nothing if PATH does not exist",
        "",
    ),
    Opt::new(
        "--overlay",
        &["PATH[:DEST]"],
        One(|args, value| args.overlay(value, false)),
        "Show a directory of the host, writable; the changes are lost",
        "They are kept in memory until the sandbox ends, and never reach the host (overlayfs).",
    )
    .reach(Reach::Reads),
    Opt::new(
        "--overlay-try",
        &["PATH[:DEST]"],
        One(|args, value| args.overlay(value, true)),
        "Like {--overlay}, or nothing if PATH does not exist",
        "",
    )
    .reach(Reach::Reads),
    Opt::new(
        "--mirror",
        &["PATH"],
        One(|args, value| {
            let path = args.path(value.to_bytes())?;
            args.add(Request::Mirror(path));
            Ok(())
        }),
        "Show PATH of the host, read-only; of a link make the same link",
        "Nothing if PATH does not exist. For /bin and /lib, which are links on some systems and directories on others.",
    )
    .reach(Reach::Reads),
    Opt::new(
        "--workspace",
        &[],
        Flag(|args| args.add(Request::Workspace)),
        "Show the current directory, writable, and start there",
        "What the program changes in git directories, and in what is obeyed outside later, does not reach the host while \
         it runs. When it ends, commits and the like are taken over, and the rest is kept apart: see `pinfold kept`. \
         Nothing above the directory is shown. Refused in /, in the home directory, above it, and in directories of \
         the system and of those that programs obey.",
    )
    .reach(Reach::Writes),
    Opt::new(
        "--repo",
        &[],
        Flag(|args| args.repo = true),
        "Take the whole git repository around as the workspace",
        "The program starts in the current directory all the same. Without this, a directory inside of a repository is \
         shown without the rest and without .git.",
    )
    .reach(Reach::Writes),
    Opt::new(
        "--deny",
        &["PATH"],
        One(|args, value| args.deny(value, false)),
        "Keep PATH closed: nobody inside can open it",
        "Opening it fails with \"Permission denied\", and it can be neither replaced nor renamed nor removed. It counts \
         whatever options follow. *, ?, [...] and ** (any directories) are patterns: everything that they match when \
         the sandbox starts is covered. So is the same file at another path: by a hard link, where the same tree is \
         shown twice, or as a copy by {--file}. Directories and links that the program could rename to get PATH out of the way \
         can be neither renamed nor removed either, and renaming or linking a file from such a directory to the outside \
         of it fails with \"Invalid cross-device link\", where mv copies instead; that concerns each directory above \
         PATH up to the mount that it lies in, and of a pattern none below **. What does not exist yet, in a place that the program can write to, cannot be \
         held without leaving a file on the host, and is refused. In a profile a relative path counts from the directory \
         where the run starts.",
    )
    .reach(Reach::Closes),
    Opt::new(
        "--deny-try",
        &["PATH"],
        One(|args, value| args.deny(value, true)),
        "Like {--deny}, or nothing if PATH does not exist",
        "What exists when the sandbox starts is denied in the same way. A file that is made there later is not.",
    )
    .reach(Reach::Closes),
];

const FILES: &[Opt] = &[
    Opt::new(
        "--tmpfs",
        &["PATH[:OPTIONS]"],
        One(RunArgs::tmpfs),
        "Make an empty directory in memory, writable",
        "OPTIONS, with commas between them, are size=BYTES, with K, M, G or T for powers of 1024, and mode=OCTAL (755 \
         otherwise). With a size it is a filesystem of its own. All others are one, together with the root of the \
         sandbox, and share its limit, which is half of the memory.",
    )
    .reach(Reach::Neutral),
    Opt::new(
        "--file",
        &["PATH:DEST"],
        One(|args, value| {
            let (source, dest) = args.both(value, "PATH:DEST")?;
            let source = args.path(&source)?;
            args.add(args::copy(source, dest));
            Ok(())
        }),
        "Copy a file of the host to DEST; the copy is writable",
        "Changes stay inside and are lost. DEST lies in a directory of the sandbox's own, such as a {--tmpfs}.",
    )
    .reach(Reach::Reads),
    Opt::new(
        "--symlink",
        &["TARGET:PATH"],
        One(|args, value| {
            let (target, dest) = args.both(value, "TARGET:PATH")?;
            let target = match std::ffi::CString::new(target) {
                Ok(target) if !target.is_empty() => target,
                _ => return refuse("the target of a link cannot be empty"),
            };
            args.add(Request::Op(FsOp::Symlink { target, dest }));
            Ok(())
        }),
        "Make a symbolic link at PATH that says TARGET",
        "",
    )
    .reach(Reach::Neutral),
    Opt::new(
        "--proc",
        &["PATH"],
        One(|args, value| {
            let dest = args.path(value.to_bytes())?;
            args.add(Request::Op(FsOp::Proc { dest }));
            Ok(())
        }),
        "Mount a procfs, which shows the processes of the sandbox",
        "",
    )
    .reach(Reach::Neutral),
    Opt::new(
        "--basic-dev",
        &["PATH"],
        One(|args, value| {
            let dest = args.path(value.to_bytes())?;
            args.add(Request::Op(FsOp::Dev { dest }));
            Ok(())
        }),
        "Make a device directory with what every program may use",
        "null, zero, full, random, urandom, tty, a pts and a shm of its own, and the links stdin, stdout, stderr and fd.",
    )
    .reach(Reach::Neutral),
];

const PROGRAM: &[Opt] = &[
    Opt::new(
        "--env",
        &["NAME[=VALUE]"],
        One(RunArgs::env),
        "Set a variable, or pass on yours",
        "Only what is named gets in; profile base names PATH, LANG, LC_*, TERM and the like. A * at the end of NAME stands \
         for the rest of it.",
    )
    .reach(Reach::Reads),
    Opt::new(
        "--workdir",
        &["DIR"],
        One(|args, value| {
            args.workdir = Some(args.path(value.to_bytes())?);
            Ok(())
        }),
        "Start in the directory DIR of the sandbox",
        "Otherwise it is the current directory if that exists inside, else the home directory, else /.",
    )
    .reach(Reach::Neutral),
    Opt::new(
        "--hostname",
        &["NAME"],
        One(|args, name| {
            args.hostname = match name.count_bytes() {
                // sethostname(2), HOST_NAME_MAX.
                1..=64 => Some(name.into()),
                _ => return refuse("a host name has 1 to 64 bytes"),
            };
            Ok(())
        }),
        "Be called NAME inside",
        "",
    )
    .reach(Reach::Neutral),
    Opt::new(
        "--uid",
        &["UID"],
        One(|args, value| value::id(value).map(|id| args.uid = Some(id))),
        "Be user UID inside; yours otherwise",
        "",
    )
    .reach(Reach::Neutral),
    Opt::new(
        "--gid",
        &["GID"],
        One(|args, value| value::id(value).map(|id| args.gid = Some(id))),
        "Be group GID inside; yours otherwise",
        "",
    )
    .reach(Reach::Neutral),
    Opt::new(
        "--keep-fd",
        &["FD"],
        One(|args, value| value::fd(value).map(|fd| args.keep_fds.push(fd))),
        "Let the program have the open file descriptor FD",
        "It gets 0 to 2 and those that are named, and no others. A directory opens the host to the program: what is below \
         it can be read and changed, and from there modes and times of all files that are yours; with --landlock off, all \
         can be opened. Refused are sockets of the network, unless --net host is given, and directories on 0 to 2 that \
         are not named here.",
    ),
    Opt::new(
        "--new-session",
        &[],
        Flag(|args| args.new_session = true),
        "Start without a controlling terminal",
        "Job control ends there. It is implied where the system call filter is off or of your own: then nothing else keeps \
         the program from putting words into your terminal (TIOCSTI).",
    )
    .reach(Reach::Closes),
    Opt::new(
        "--die-with-parent",
        &[],
        Flag(|args| args.die_with_parent = true),
        "Kill the whole sandbox when the calling process ends",
        "It is killed in any case when pinfold is.",
    )
    .reach(Reach::Closes),
];

const NAMESPACES: &[Opt] = &[
    Opt::new(
        "--net",
        &["none|host"],
        One(|args, mode| match mode.to_bytes() {
            b"none" => {
                args.share.net = false;
                Ok(())
            }
            b"host" => {
                args.share.net = true;
                Ok(())
            }
            _ => value::not_one_of(&mode.to_string_lossy(), &["none", "host"]),
        }),
        "Have no network but a loopback device, or the host's",
        "`none` unless told. With the host's network its loopback services can be reached too. Sockets with abstract names stay out of reach, \
         by Landlock: with {--landlock} off, a program can connect to them and send to them.",
    ),
    Opt::new(
        "--share",
        &["KINDS"],
        One(RunArgs::share),
        "Share namespaces of the host: net, ipc, pid, uts, cgroup",
        "With commas between them. All are new otherwise. The mount and the user namespace always are.",
    ),
    Opt::new(
        "--allow-userns",
        &[],
        Flag(|args| args.allow_userns = true),
        "Let the program make user namespaces",
        "For browsers and others that sandbox themselves: the filter lets their calls through, unless {--seccomp} names \
         a file. Mounts stay refused as long as Landlock is on. With {--landlock} off, openat2(2) is let through too, which \
         a pinfold inside needs and which can make set-user-ID files.",
    ),
];

const RESTRICTIONS: &[Opt] = &[
    Opt::new(
        "--seccomp",
        &["PROFILE"],
        One(|args, value| {
            if value.is_empty() {
                return refuse("the name of a profile, a file or `off` is wanted");
            }
            args.seccomp =
                Some(if value.to_bytes().contains(&b'/') { args.path(value.to_bytes())? } else { value.into() });
            Ok(())
        }),
        "Filter system calls by PROFILE, or not at all (off)",
        "A profile that comes with pinfold (`default` unless told, `strict`, `build`, `desktop`), or a file in the JSON form of OCI, Docker and \
         Podman, or of seccompiler (FILE#THREAD), written with a slash. `pinfold seccomp` shows and checks them.",
    ),
    Opt::new(
        "--syscall-deny",
        &["NAMES"],
        One(|args, value| {
            args.syscall_deny.extend(value::list(value)?.into_iter().map(str::to_owned));
            Ok(())
        }),
        "Refuse these system calls, whatever the filter says",
        "Names and groups such as @ptrace, with commas between them. They fail with EPERM.",
    )
    .reach(Reach::Closes),
    Opt::new(
        "--syscall-allow",
        &["NAMES"],
        One(|args, value| {
            args.syscall_allow.extend(value::list(value)?.into_iter().map(str::to_owned));
            Ok(())
        }),
        "Allow these system calls, whatever the filter says",
        "{--syscall-deny} is stronger. A program that must set set-user-ID or set-group-ID bits needs \
         chmod,fchmod,fchmodat,fchmodat2.",
    ),
    Opt::new(
        "--landlock",
        &["auto|off|only"],
        One(|args, mode| {
            args.landlock = Some(match mode.to_bytes() {
                b"auto" => LandlockTier::Mirror,
                b"off" => LandlockTier::Off,
                b"only" => LandlockTier::Only,
                _ => return value::not_one_of(&mode.to_string_lossy(), &["auto", "off", "only"]),
            });
            Ok(())
        }),
        "Restrict files by Landlock as well, not, or by nothing else",
        "`auto`, unless told, is a second wall behind the mounts. `only` makes no namespaces, for hosts where user namespaces are off: \
         what Landlock cannot express is then refused by name. No Landlock has rights for the modes and owners of files, so this \
         takes {--best-effort}, which says what does not hold. Before Landlock 9, sockets with a path are part of that. Rules \
         only add up: a workspace with files to be protected in it, as every Git repository has, is read-only as a whole then.",
    ),
    Opt::new(
        "--tcp-connect",
        &["PORTS"],
        One(|args, value| args::add_ports(&mut args.connect_tcp, value)),
        "Connect to these TCP ports only; `none` is none",
        "With commas between them. It counts for the network that the program has; see {--net}. UDP, ping, UNIX sockets \
         and netlink are not restricted by it. Every other kind of socket is refused, because some of them speak TCP past \
         these rules: MPTCP, SMC, SCTP, raw sockets and more.",
    )
    .reach(Reach::Closes),
    Opt::new(
        "--tcp-bind",
        &["PORTS"],
        One(|args, value| args::add_ports(&mut args.bind_tcp, value)),
        "Bind TCP sockets to these ports only; `none` is none",
        "bind(2) is what the kernel asks about. A socket that listens without it gets a free port of the kernel's choice, \
         which no rule sees: with {--net} host that can be reached from outside. The same sockets are refused as with \
         {--tcp-connect}.",
    )
    .reach(Reach::Closes),
    Opt::new(
        "--cap-add",
        &["CAP"],
        One(|args, name| {
            args.caps.push(name.into());
            Ok(())
        }),
        "Give the program a capability, or ALL of them",
        "Names such as CAP_NET_ADMIN, or numbers. They count inside the sandbox's own namespaces. With \
         CAP_SYS_ADMIN or CAP_SYS_RESOURCE (and ALL) the program could undo mounts and make user namespaces, so it lives in \
         a second user namespace then, where it has no power over the mounts and the network of the first; {--allow-userns} spares it that.",
    ),
];

const GENERAL: &[Opt] = &[
    Opt::new(
        "--profile",
        &["NAME"],
        Splice,
        "Take the options of a profile, a name or a file; can be repeated",
        "`workspace` unless told. NAME is that of a profile, or a file written with a slash. The options take effect \
         where this one stands. Each profile counts once. See pinfold-profile(5).",
    ),
    Opt::new(
        "--best-effort",
        &[],
        Flag(|args| args.best_effort = true),
        "Go on without what this host cannot enforce, and say so",
        "Each restriction that is dropped is one line on standard error, and in the JSON status. Otherwise the run ends \
         with an error before the program starts.",
    ),
    Opt::new(
        "--dry-run",
        &["text|json"],
        Maybe(|args, format| {
            args.dry_run = Some(match format.map(std::ffi::CStr::to_bytes) {
                None | Some(b"text") => Format::Text,
                Some(b"json") => Format::Json,
                Some(other) => return value::not_one_of(&String::from_utf8_lossy(other), &["text", "json"]),
            });
            Ok(())
        }),
        "Print what would be done, and stop",
        "It is the plan itself that is printed: what is not in there will not be enforced.",
    )
    .reach(Reach::Neutral),
    Opt::new(
        "--print-bwrap",
        &[],
        Flag(|args| args.print_bwrap = true),
        "Print the line for bubblewrap that does the same, and stop",
        "What bubblewrap has no option for is an error; the second wall of Landlock, which it lacks too, is named on \
         standard error.",
    )
    .reach(Reach::Neutral),
    Opt::new(
        "--json-status-fd",
        &["FD"],
        One(|args, value| value::fd(value).map(|fd| args.json_status_fd = Some(fd))),
        "Report start, errors and exit code on FD, in lines of JSON",
        "pinfold(1) describes the lines.",
    )
    .reach(Reach::Neutral),
    Opt::new("--verbose", &[], Flag(|args| args.verbose = true), "Print the plan on standard error, and go on", "")
        .reach(Reach::Neutral),
    Opt::new(
        "--quiet",
        &[],
        Flag(|args| args.quiet = true),
        "Print no notes",
        "Errors are printed, and so is what does not hold and what was set aside or found at the end.",
    )
    .reach(Reach::Neutral),
    Opt::new("--version", &[], Version, "Show the version and exit", "").reach(Reach::Neutral),
    Opt::new("--help", &[], Help, "Explain the options and exit; -h only lists them", "").reach(Reach::Neutral),
];
