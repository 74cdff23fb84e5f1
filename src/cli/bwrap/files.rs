//! The options that build the new root.

use std::ffi::CStr;

use super::args::{self, Args};
use crate::cli::table::Action::{One, Three, Two};
use crate::cli::table::{self, Done};
use crate::spec::{BindFlags, DataFile, FsOp, OverlayKind, Source};

type Opt = table::Opt<Args>;

/// Options that mount something from the host.
pub(super) const BINDS: &[Opt] = &[
    Opt::new(
        "--bind",
        &["SRC", "DEST"],
        Two(|args, source, dest| bind(args, source, dest, WRITABLE)),
        "Mount the host's SRC on DEST, writable",
        "With everything that is mounted below SRC. A relative SRC counts from the current directory.",
    ),
    Opt::new(
        "--bind-try",
        &["SRC", "DEST"],
        Two(|args, source, dest| bind(args, source, dest, BindFlags { optional: true, ..WRITABLE })),
        "Like {--bind}, or nothing if SRC does not exist",
        "",
    ),
    Opt::new(
        "--dev-bind",
        &["SRC", "DEST"],
        Two(|args, source, dest| bind(args, source, dest, DEVICES)),
        "Mount the host's SRC on DEST, writable and with its devices usable",
        "",
    ),
    Opt::new(
        "--dev-bind-try",
        &["SRC", "DEST"],
        Two(|args, source, dest| bind(args, source, dest, BindFlags { optional: true, ..DEVICES })),
        "Like {--dev-bind}, or nothing if SRC does not exist",
        "",
    ),
    Opt::new(
        "--ro-bind",
        &["SRC", "DEST"],
        Two(|args, source, dest| bind(args, source, dest, READ_ONLY)),
        "Mount the host's SRC on DEST, read-only",
        "Everything that is mounted below SRC becomes read-only too.",
    ),
    Opt::new(
        "--ro-bind-try",
        &["SRC", "DEST"],
        Two(|args, source, dest| bind(args, source, dest, BindFlags { optional: true, ..READ_ONLY })),
        "Like {--ro-bind}, or nothing if SRC does not exist",
        "",
    ),
    Opt::new(
        "--bind-fd",
        &["FD", "DEST"],
        Two(|args, fd, dest| bind_fd(args, fd, dest, WRITABLE)),
        "Mount the file or directory open at FD on DEST, writable",
        "",
    ),
    Opt::new(
        "--ro-bind-fd",
        &["FD", "DEST"],
        Two(|args, fd, dest| bind_fd(args, fd, dest, READ_ONLY)),
        "Mount the file or directory open at FD on DEST, read-only",
        "",
    )
    // Sic: bubblewrap's message has the wrong name.
    .missing("--bind-fd takes two arguments"),
    Opt::new(
        "--remount-ro",
        &["DEST"],
        One(|args, dest| args.add(FsOp::RemountReadOnly { dest: dest.into() })),
        "Make the mount at DEST read-only, but not those below it",
        "",
    )
    .missing("--remount-ro takes one argument"),
    Opt::new(
        "--overlay-src",
        &["SRC"],
        One(|args, source| {
            args.add_layer(source);
            Ok(())
        }),
        "Use the host's SRC as a lower layer of the overlay that follows",
        "The first one is the lowest. Nothing but another {--overlay-src} may stand between this and the {--overlay}, \
         {--tmp-overlay} or {--ro-overlay} that it belongs to.",
    )
    .missing(args::LONELY_LAYER),
    Opt::new(
        "--overlay",
        &["RWSRC", "WORKDIR", "DEST"],
        Three(|args, upper, work, dest| {
            let kind = OverlayKind::Host { upper: upper.into(), work: work.into() };
            overlay(args, ("--overlay", 1, "one"), kind, dest)
        }),
        "Mount the layers on DEST; what is written goes to the host's RWSRC",
        "WORKDIR is an empty directory on the same filesystem as RWSRC.",
    ),
    Opt::new(
        "--tmp-overlay",
        &["DEST"],
        One(|args, dest| overlay(args, ("--tmp-overlay", 1, "one"), OverlayKind::Tmp, dest)),
        "Mount the layers on DEST; what is written is lost in the end",
        "",
    ),
    Opt::new(
        "--ro-overlay",
        &["DEST"],
        One(|args, dest| overlay(args, ("--ro-overlay", 2, "two"), OverlayKind::ReadOnly, dest)),
        "Mount two or more layers on DEST, read-only",
        "",
    ),
];

/// Options that create something for the sandbox.
pub(super) const FILES: &[Opt] = &[
    Opt::new(
        "--proc",
        &["DEST"],
        One(|args, dest| args.add(FsOp::Proc { dest: dest.into() })),
        "Mount procfs on DEST",
        "It shows the processes of the sandbox with {--unshare-pid} or {--pidns}, and those of the host without.",
    ),
    Opt::new(
        "--dev",
        &["DEST"],
        One(|args, dest| args.add(FsOp::Dev { dest: dest.into() })),
        "Make a small /dev on DEST",
        "With null, zero, full, random, urandom, tty, pts and shm, and a console where standard output is a terminal.",
    ),
    Opt::new(
        "--tmpfs",
        &["DEST"],
        One(|args, dest| {
            let (mode, size) = (args.take_mode(0o755), args.take_size());
            args.add(FsOp::Tmpfs { dest: dest.into(), mode, size })
        }),
        "Mount an empty tmpfs on DEST",
        "Its mode is 0755, or what {--perms} says; {--size} limits it.",
    ),
    Opt::new(
        "--mqueue",
        &["DEST"],
        One(|args, dest| args.add(FsOp::Mqueue { dest: dest.into() })),
        "Mount a POSIX message queue filesystem on DEST",
        "",
    ),
    Opt::new(
        "--dir",
        &["DEST"],
        One(|args, dest| {
            let mode = args.take_mode(0o755);
            args.add(FsOp::Dir { dest: dest.into(), mode })
        }),
        "Make the directory DEST",
        "Its mode is 0755, or what {--perms} says. A directory that exists stays as it is.",
    ),
    Opt::new(
        "--file",
        &["FD", "DEST"],
        Two(|args, fd, dest| data(args, fd, dest, DataFile::Copy, 0o666)),
        "Write what FD yields to the file DEST",
        "Its mode is 0666, or what {--perms} says.",
    ),
    Opt::new(
        "--bind-data",
        &["FD", "DEST"],
        Two(|args, fd, dest| data(args, fd, dest, DataFile::Bind { read_only: false }, 0o600)),
        "Write what FD yields to a new file and mount that on DEST",
        "Its mode is 0600, or what {--perms} says.",
    ),
    Opt::new(
        "--ro-bind-data",
        &["FD", "DEST"],
        Two(|args, fd, dest| data(args, fd, dest, DataFile::Bind { read_only: true }, 0o600)),
        "Like {--bind-data}, mounted read-only",
        "",
    ),
    Opt::new(
        "--symlink",
        &["SRC", "DEST"],
        Two(|args, target, dest| args.add(FsOp::Symlink { target: target.into(), dest: dest.into() })),
        "Make a symbolic link DEST that points to SRC",
        "The same link may be there already.",
    ),
    Opt::new(
        "--perms",
        &["OCTAL"],
        One(|args, value| args.set_mode(value)),
        "Give what the next option makes the mode OCTAL",
        "For {--tmpfs}, {--dir}, {--file}, {--bind-data} and {--ro-bind-data}. Directories that are made on the way to \
         DEST are closed to group or others where OCTAL gives these nothing.",
    ),
    Opt::new(
        "--size",
        &["BYTES"],
        One(|args, value| args.set_size(value)),
        "Limit the next tmpfs to BYTES",
        "For {--tmpfs}. Hexadecimal with 0x in front, octal with 0.",
    ),
    Opt::new(
        "--chmod",
        &["OCTAL", "PATH"],
        Two(|args, octal, dest| {
            let mode = args::mode("--chmod", octal)?;
            args.add(FsOp::Chmod { dest: dest.into(), mode })
        }),
        "Change the mode of PATH, which must exist, to OCTAL",
        "",
    ),
];

const WRITABLE: BindFlags = BindFlags { read_only: false, devices: false, optional: false };
const DEVICES: BindFlags = BindFlags { devices: true, ..WRITABLE };
const READ_ONLY: BindFlags = BindFlags { read_only: true, ..WRITABLE };

fn bind(args: &mut Args, source: &CStr, dest: &CStr, flags: BindFlags) -> Done {
    args.add(FsOp::Bind { source: Source::Path(source.into()), dest: dest.into(), flags })
}

fn bind_fd(args: &mut Args, fd: &CStr, dest: &CStr, flags: BindFlags) -> Done {
    args.add(FsOp::Bind { source: Source::Fd(args::fd(fd)?), dest: dest.into(), flags })
}

fn overlay(args: &mut Args, (name, least, word): (&str, usize, &str), kind: OverlayKind, dest: &CStr) -> Done {
    let layers = args.take_layers(name, least, word)?;
    args.add(FsOp::Overlay { layers, kind, dest: dest.into() })
}

fn data(args: &mut Args, fd: &CStr, dest: &CStr, how: DataFile, default_mode: u32) -> Done {
    let fd = args::fd(fd)?;
    let mode = args.take_mode(default_mode);
    args.add(FsOp::Data { fd, dest: dest.into(), how, mode })
}
