//! What a file is (inode(7)).

/// What a file is, as far as anybody here asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Number of links.
    pub(crate) links: u64,
    /// User id of the owner.
    pub(crate) owner: u32,
    /// Device number of a device node.
    pub(crate) rdev: u64,
    /// When it was last changed, its names and permissions included, in seconds and nanoseconds. Nobody can set it.
    pub(crate) changed: (i64, i64),
    /// When it was made, in seconds and nanoseconds, where that was asked for and the filesystem keeps it. Nobody can
    /// set it.
    pub(crate) born: Option<(i64, u32)>,
    mode: u32,
}

/// Types of files (`inode(7)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Dir,
    File,
    Link,
    Fifo,
    Socket,
    CharDevice,
    BlockDevice,
}

impl Kind {
    /// The type in an entry of a directory (`getdents64(2)`), where the filesystem tells it: the same number as in the
    /// mode, but shifted.
    pub(crate) fn of_entry(number: u8) -> Option<Kind> {
        Kind::of_mode(u32::from(number) << 12)
    }

    fn of_mode(mode: u32) -> Option<Kind> {
        Some(match mode & libc::S_IFMT {
            libc::S_IFDIR => Kind::Dir,
            libc::S_IFREG => Kind::File,
            libc::S_IFLNK => Kind::Link,
            libc::S_IFIFO => Kind::Fifo,
            libc::S_IFSOCK => Kind::Socket,
            libc::S_IFCHR => Kind::CharDevice,
            libc::S_IFBLK => Kind::BlockDevice,
            _ => return None,
        })
    }
}

impl Stat {
    /// What it is; `None` for a type that this program does not know.
    pub(crate) fn kind(self) -> Option<Kind> {
        Kind::of_mode(self.mode)
    }

    pub(crate) fn is_dir(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFDIR
    }

    pub(crate) fn is_link(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFLNK
    }

    pub(crate) fn is_file(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    /// Permission bits, without those that change ids (0 to 0o777).
    pub(crate) fn permissions(self) -> u32 {
        self.mode & 0o777
    }

    pub(crate) fn is_char_device(self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFCHR
    }

    /// A device node, of characters or blocks.
    pub(crate) fn is_device(self) -> bool {
        self.is_char_device() || self.mode & libc::S_IFMT == libc::S_IFBLK
    }

    /// Whether both are one file: that of the same number. A number can be used again, so the times of birth count
    /// too where both are known.
    pub(crate) fn is_same_file(self, other: Stat) -> bool {
        let is_born_with = self.born.zip(other.born).is_none_or(|(here, there)| here == there);
        (self.device, self.inode) == (other.device, other.inode) && is_born_with
    }
}

impl From<nix::sys::stat::FileStat> for Stat {
    fn from(stat: nix::sys::stat::FileStat) -> Stat {
        Stat {
            device: stat.st_dev,
            inode: stat.st_ino,
            links: stat.st_nlink,
            owner: stat.st_uid,
            rdev: stat.st_rdev,
            changed: (stat.st_ctime, stat.st_ctime_nsec),
            born: None,
            mode: stat.st_mode,
        }
    }
}

impl From<&libc::statx> for Stat {
    fn from(found: &libc::statx) -> Stat {
        let has_birth = found.stx_mask & libc::STATX_BTIME != 0;
        Stat {
            device: libc::makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            links: found.stx_nlink.into(),
            owner: found.stx_uid,
            rdev: libc::makedev(found.stx_rdev_major, found.stx_rdev_minor),
            changed: (found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec.into()),
            born: has_birth.then_some((found.stx_btime.tv_sec, found.stx_btime.tv_nsec)),
            mode: found.stx_mode.into(),
        }
    }
}
