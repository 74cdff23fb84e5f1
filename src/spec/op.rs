//! The operations that build the new root. They run in the order in which they were given, so that a later one can
//! refine what an earlier one made. Denials come last, whatever their position.

use std::ffi::{CStr, CString};

/// A file descriptor number of the caller, as typed. It is turned into an owned descriptor only when it is used.
pub type FdNumber = i32;

/// One operation with the place it came from, for error messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Op {
    /// What to do.
    pub fs: FsOp,
    /// Index of the word (counting from 0 after the program's name) that asked for it; 0 where there is none.
    pub word: usize,
    /// Where its sources lie on the host, lowest layer first: absolute paths in which nothing is a link. They are opened
    /// in the place of the paths that the operation names, and if one leads through a link, the run ends: somebody has put
    /// the link there since the path was found. Empty: the sources are found by the paths that the operation names.
    pub real: Vec<CString>,
}

impl Op {
    /// An operation whose sources are found by the paths that it names.
    pub const fn new(fs: FsOp, word: usize) -> Op {
        Op { fs, word, real: Vec::new() }
    }
}

/// Where a bind comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A path on the host, resolved with the caller's working directory, links followed.
    Path(CString),
    /// An absolute path on the host, in which nothing is a link: if it leads through one, somebody has put it there since
    /// the path was found, and the run ends.
    Real(CString),
    /// The link at the end of this path, and not what it leads to. Where there is the same link at the destination, it
    /// works as before and can neither be removed nor exchanged inside.
    Link(CString),
    /// The file or directory that a descriptor of the caller refers to.
    Fd(FdNumber),
}

/// How a bind is mounted. Flags of the host's mount are never weakened; `nosuid` is always added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindFlags {
    /// Add `ro` to the mount and everything below it.
    pub read_only: bool,
    /// Do not add `nodev`.
    pub devices: bool,
    /// Skip the operation when the source does not exist (only then: any other error stays one).
    pub optional: bool,
}

/// The upper half of an overlay mount (kernel document `filesystems/overlayfs`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverlayKind {
    /// Writes go to `upper` on the host; `work` is an empty directory on the same filesystem.
    Host {
        /// Directory that receives the changes.
        upper: CString,
        /// Scratch directory of the kernel.
        work: CString,
    },
    /// Writes go to memory and are gone with the sandbox.
    Tmp,
    /// No writes.
    ReadOnly,
}

/// How the content of a descriptor becomes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataFile {
    /// Written to the destination itself, which is created, or truncated where it exists. Default mode 0666.
    Copy,
    /// A file of the sandbox's own, mounted on the destination. Default mode 0600.
    Bind {
        /// Mounted read-only.
        read_only: bool,
    },
}

/// What to do. `dest` is always a path in the new root: it is resolved there, and links in it cannot leave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FsOp {
    /// Mount a file or directory of the host, with what is mounted below it.
    Bind {
        /// What to mount.
        source: Source,
        /// Where.
        dest: CString,
        /// How.
        flags: BindFlags,
    },
    /// Make one mount that is there already read-only (not what is mounted below it).
    RemountReadOnly {
        /// Mount point.
        dest: CString,
    },
    /// Mount layers of host directories over each other.
    Overlay {
        /// Lower layers, lowest first.
        layers: Vec<CString>,
        /// Upper half.
        kind: OverlayKind,
        /// Where.
        dest: CString,
    },
    /// Mount procfs: a fresh one where the PID namespace is new or joined, otherwise the host's.
    Proc {
        /// Where.
        dest: CString,
    },
    /// Make a minimal `/dev`: six nodes, pts, shm and the usual links.
    Dev {
        /// Where.
        dest: CString,
    },
    /// Mount an empty tmpfs.
    Tmpfs {
        /// Where.
        dest: CString,
        /// Permission bits of its root (0 to 0o7777).
        mode: u32,
        /// Limit in bytes; `None`: the kernel's default, half of the memory.
        size: Option<u64>,
    },
    /// Mount a POSIX message queue filesystem.
    Mqueue {
        /// Where.
        dest: CString,
    },
    /// Make a directory. One that exists keeps its mode.
    Dir {
        /// Where.
        dest: CString,
        /// Permission bits (0 to 0o7777).
        mode: u32,
    },
    /// Make a file of what a descriptor yields until end of file. The descriptor is closed.
    Data {
        /// Where the content comes from.
        fd: FdNumber,
        /// Where it goes.
        dest: CString,
        /// How it gets there.
        how: DataFile,
        /// Permission bits (0 to 0o7777).
        mode: u32,
    },
    /// Make a file that holds these bytes. One that is there already is written over, and keeps its mode; one below a
    /// bind is the host's.
    Text {
        /// The content.
        text: Vec<u8>,
        /// Where it goes.
        dest: CString,
        /// Permission bits (0 to 0o7777).
        mode: u32,
    },
    /// Make a symbolic link. It is no error when the same link exists.
    Symlink {
        /// Content of the link.
        target: CString,
        /// Where the link is made.
        dest: CString,
    },
    /// Copy a regular file of the host, with its permission bits (but set-user-ID and the like). The copy belongs to the
    /// user of the sandbox. A file that is there already is written over, and keeps its mode; one below a bind is the
    /// host's.
    CopyFile {
        /// What to copy: a path on the host, resolved as that of a bind.
        source: CString,
        /// Where it goes.
        dest: CString,
    },
    /// Cover something with an empty object of the same type that nobody can open (`EACCES`), remove, rename or change.
    ///
    /// All denials are carried out after all other operations, whatever their position: no later mount undoes one. The
    /// file is denied, and not the path alone: where another mount or an overlay shows it too, and by each hard link that
    /// can be seen inside. A directory is denied with all of its files. What is mounted in it is denied at that path only.
    /// Hard links outside of what can be seen are counted, and the caller is told. A symbolic link is
    /// followed; it may be made to lead elsewhere by the program, and what it led to stays covered. A directory above
    /// may be renamed by the program where it may write to it, and takes the cover along. What somebody outside replaces
    /// by renaming a new file over it, while the program runs, is not covered any more: the kernel takes mounts away with
    /// the name that they are on (`rename(2)` from another mount namespace). With `CAP_SYS_ADMIN` kept, the program can
    /// unmount covers.
    Deny {
        /// What. Where it does not exist, nothing is to be done below a read-only mount, though what the host makes there
        /// later is seen; in a filesystem of the sandbox's own a file is made that holds the place; anywhere else it is an
        /// error, because nothing can be held there without leaving a file on the host. So are the root, and what each
        /// process has of its own in `/proc`.
        path: CString,
        /// `*`, `?` and `[…]` in it stand for parts of a name, a leading dot and bytes that are no text included, and a
        /// part `**` for any number of directories, or at the end for everything inside. What matches when the sandbox
        /// starts is denied; a pattern that matches nothing is an error. Procfs, sysfs and the like and a new `/dev` are
        /// not looked into. A link that matches is denied with what it leads to; a link to a directory is entered where
        /// any part but `**` matches it.
        is_pattern: bool,
    },
    /// Change the permission bits of something that exists.
    Chmod {
        /// What.
        dest: CString,
        /// Permission bits (0 to 0o7777).
        mode: u32,
    },
    /// Set the host name of the new UTS namespace.
    Hostname {
        /// At most 64 bytes (`sethostname(2)`).
        name: CString,
    },
}

/// The destination of an operation that is borrowed, in the way that it is borrowed.
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
    /// The path in the new root that this is about; none for the host name.
    pub fn dest(&self) -> Option<&CStr> {
        dest_of!(self).map(CString::as_c_str)
    }

    /// The same, to be changed.
    pub fn dest_mut(&mut self) -> Option<&mut CString> {
        dest_of!(self)
    }

    /// Whether it mounts something on its destination, which hides what was there and below.
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
