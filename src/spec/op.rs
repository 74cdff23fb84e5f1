//! The operations that build the new root. They run in the given order, so a later one can refine what an earlier one
//! has made. Denials always run last.

use std::ffi::{CStr, CString};

/// A file descriptor number of the caller, as typed. It becomes an owned descriptor only when it is used.
pub type FdNumber = i32;

/// An operation and the word that asked for it, for error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// What to do.
    pub fs: FsOp,
    /// Index of the word that asked for it, counted from 0 after the program's name; 0 if there is none.
    pub word: usize,
    /// The locations of its sources on the host, lowest layer first, as absolute paths without links. They are opened
    /// instead of the paths that the operation names. If one leads through a link, somebody has put the link there
    /// since the path was found, and the run ends. If empty, the paths that the operation names are opened.
    pub real: Vec<CString>,
}

impl Op {
    /// An operation whose sources are found by the paths that it names.
    pub const fn new(fs: FsOp, word: usize) -> Op {
        Op { fs, word, real: Vec::new() }
    }
}

/// The source of a bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path on the host, relative to the caller's working directory. Links are followed.
    Path(CString),
    /// An absolute path on the host without links. If it leads through one, somebody has put the link there since the
    /// path was found, and the run ends.
    Real(CString),
    /// The link at the end of this path, and not its target. Mounted on an equal link, it works as before, and can be
    /// neither removed nor replaced inside.
    Link(CString),
    /// The file or directory that a descriptor of the caller refers to.
    Fd(FdNumber),
}

/// How a bind is mounted. Flags of the host's mount are never weakened. `nosuid` is always added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindFlags {
    /// Add `ro` to the mount and to all mounts below it.
    pub read_only: bool,
    /// Do not add `nodev`.
    pub devices: bool,
    /// Skip the operation if the source does not exist. Any other error remains an error.
    pub optional: bool,
}

/// The upper part of an overlay mount (kernel document `filesystems/overlayfs`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverlayKind {
    /// Writes go to `upper` on the host. `work` is an empty directory on the same filesystem.
    Host {
        /// Directory that receives the changes.
        upper: CString,
        /// Scratch directory for the kernel.
        work: CString,
    },
    /// Writes go to a directory of the host that the program never sees, and the layer below stays as it is until
    /// somebody takes the changes over.
    ///
    /// There is one layer. Neither its path nor `kept` may lead through a link. Where the kernel makes no overlay of
    /// the two, as on an overlay or a network filesystem, or with something mounted in the layer, the layer is shown
    /// read-only, and the caller is told. It is never shown writable.
    Apart {
        /// A directory with the directories `upper`, which receives the changes, and `work`, which is empty. Nobody
        /// else may be able to write to it. A number is that of a directory in [`crate::spec::Keep::dirs`]: the run
        /// makes the place for its changes.
        kept: CString,
    },
    /// Writes go to memory and are gone with the sandbox.
    Tmp,
    /// No writes.
    ReadOnly,
}

/// How data from a descriptor becomes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataFile {
    /// Written to the destination, which is created, or truncated if it exists. Default mode 0666.
    Copy,
    /// Written to a private file of the sandbox, which is mounted on the destination. Default mode 0600.
    Bind {
        /// Mounted read-only.
        read_only: bool,
    },
}

/// An operation. `dest` is always a path in the new root. It is resolved there, and links in it cannot lead out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FsOp {
    /// Mount a file or directory of the host, and the mounts below it.
    Bind {
        /// What to mount.
        source: Source,
        /// Where to mount it.
        dest: CString,
        /// How.
        flags: BindFlags,
    },
    /// Make one existing mount read-only, but not the mounts below it.
    RemountReadOnly {
        /// Mount point.
        dest: CString,
    },
    /// Mount layers of host directories on top of each other.
    Overlay {
        /// Lower layers, lowest first.
        layers: Vec<CString>,
        /// The upper part.
        kind: OverlayKind,
        /// Where to mount it.
        dest: CString,
    },
    /// Mount procfs: a new one if the PID namespace is new or joined, otherwise the host's.
    Proc {
        /// Where to mount it.
        dest: CString,
    },
    /// Make a minimal `/dev`: six device nodes, pts, shm and the usual links.
    Dev {
        /// Where to mount it.
        dest: CString,
    },
    /// Mount an empty tmpfs.
    Tmpfs {
        /// Where to mount it.
        dest: CString,
        /// Permission bits of its root (0 to 0o7777).
        mode: u32,
        /// Size limit in bytes. `None`: the kernel's default, half of the memory.
        size: Option<u64>,
    },
    /// Mount a POSIX message queue filesystem.
    Mqueue {
        /// Where to mount it.
        dest: CString,
    },
    /// Make a directory. An existing one keeps its mode.
    Dir {
        /// Where to make it.
        dest: CString,
        /// Permission bits (0 to 0o7777).
        mode: u32,
    },
    /// Make a file from the data of a descriptor, up to end of file. The descriptor is closed.
    Data {
        /// The source of the data.
        fd: FdNumber,
        /// Where the file is made.
        dest: CString,
        /// How the file is made.
        how: DataFile,
        /// Permission bits (0 to 0o7777).
        mode: u32,
    },
    /// Make a file with this content. An existing file is overwritten and keeps its mode. Below a bind, that is a file
    /// of the host.
    Text {
        /// The content.
        text: Vec<u8>,
        /// Where the file is made.
        dest: CString,
        /// Permission bits (0 to 0o7777).
        mode: u32,
    },
    /// Make a symbolic link. It is no error if the same link exists.
    Symlink {
        /// Content of the link.
        target: CString,
        /// Where the link is made.
        dest: CString,
    },
    /// Copy a regular file of the host, with its permission bits but without set-user-ID and the like. The copy belongs
    /// to the user of the sandbox. An existing file is overwritten and keeps its mode. Below a bind, that is a file of
    /// the host.
    CopyFile {
        /// What to copy: a path on the host, resolved like the source of a bind.
        source: CString,
        /// Where the copy is made.
        dest: CString,
    },
    /// Cover something with an empty object of the same type that nobody can open (`EACCES`), remove, rename or change.
    ///
    /// All denials run after all other operations, whatever their position, so no later mount undoes one.
    ///
    /// * The file is denied, not only the path: also where another mount or an overlay shows it, and at each hard link
    ///   that is visible inside. Hard links elsewhere are counted, and the caller is told.
    /// * A directory is denied with all its files. What is mounted in it is denied at that path only.
    /// * A symbolic link is followed. If the program makes it lead elsewhere, its former target stays covered.
    /// * The program may rename a directory above, if it can write there. The cover moves along.
    /// * If somebody outside replaces the file by renaming a new one over it while the program runs, the new file is
    ///   not covered: the kernel removes mounts together with the name that they are on (`rename(2)` from another mount
    ///   namespace).
    /// * A program that keeps `CAP_SYS_ADMIN` can unmount covers.
    Deny {
        /// What to deny. If it does not exist, this depends on where it would be. Below a read-only mount nothing is
        /// done, and what the host creates there later is visible. In a filesystem of the sandbox's own, a file is made
        /// as a placeholder. Anywhere else it is an error, because protecting the name would leave a file on the host.
        /// The root, and what each process has of its own in `/proc`, are errors too.
        path: CString,
        /// Whether the path is a pattern. `*`, `?` and `[…]` match parts of a name, including a leading dot and bytes
        /// that are not text. A part `**` matches any number of directories, or at the end everything below.
        ///
        /// What matches when the sandbox starts is denied. A pattern without a match is an error. Procfs, sysfs and the
        /// like and a new `/dev` are not searched. A link that matches is denied together with its target. A link to a
        /// directory is followed if a part other than `**` matches it.
        is_pattern: bool,
        /// Deny what is there when the sandbox starts, and nothing where there is nothing. A pattern without a match
        /// and a path that does not exist are no errors then.
        optional: bool,
    },
    /// Change the permission bits of something that exists.
    Chmod {
        /// What to change.
        dest: CString,
        /// Permission bits (0 to 0o7777).
        mode: u32,
    },
    /// Set the host name of the new UTS namespace.
    Hostname {
        /// The name, at most 64 bytes (`sethostname(2)`).
        name: CString,
    },
}

/// The destination of an operation. It is borrowed in the same way as the operation: shared or mutable.
macro_rules! dest_of {
    ($op:expr) => {
        match $op {
            FsOp::Bind { dest, .. }
            | FsOp::RemountReadOnly { dest }
            | FsOp::Overlay { dest, .. }
            | FsOp::Proc { dest }
            | FsOp::Dev { dest }
            | FsOp::Tmpfs { dest, .. }
            | FsOp::Mqueue { dest }
            | FsOp::Dir { dest, .. }
            | FsOp::Data { dest, .. }
            | FsOp::Text { dest, .. }
            | FsOp::Symlink { dest, .. }
            | FsOp::CopyFile { dest, .. }
            | FsOp::Deny { path: dest, .. }
            | FsOp::Chmod { dest, .. } => Some(dest),
            FsOp::Hostname { .. } => None,
        }
    };
}

impl FsOp {
    /// The path in the new root that the operation is about. `None` for the host name.
    pub fn dest(&self) -> Option<&CStr> {
        dest_of!(self).map(CString::as_c_str)
    }

    /// The same path, mutably.
    pub fn dest_mut(&mut self) -> Option<&mut CString> {
        dest_of!(self)
    }

    /// Whether it mounts something on its destination, which hides what was at and below it.
    pub fn is_mount(&self) -> bool {
        match self {
            FsOp::Bind { .. }
            | FsOp::Overlay { .. }
            | FsOp::Proc { .. }
            | FsOp::Dev { .. }
            | FsOp::Tmpfs { .. }
            | FsOp::Mqueue { .. }
            | FsOp::Data { how: DataFile::Bind { .. }, .. } => true,
            FsOp::RemountReadOnly { .. }
            | FsOp::Dir { .. }
            | FsOp::Data { how: DataFile::Copy, .. }
            | FsOp::Text { .. }
            | FsOp::Symlink { .. }
            | FsOp::CopyFile { .. }
            | FsOp::Deny { .. }
            | FsOp::Chmod { .. }
            | FsOp::Hostname { .. } => false,
        }
    }
}
