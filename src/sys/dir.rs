//! The entries of a directory (`getdents64(2)`).

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::stat::Kind;
use super::{Errno, Result, check};

/// Entries of a directory, one buffer at a time.
pub(crate) struct Entries {
    /// What the last read filled. The spare capacity is never touched: its pages would be allocated for nothing, and
    /// copied for the setup process.
    buffer: Vec<u8>,
}

/// Buffer size in bytes: room for some hundred entries, the same as in the C library.
const ROOM: usize = 32768;

/// Offsets in `struct linux_dirent64`. The inode is at 0. Next comes the offset of the next entry, the length of the
/// record, the type and the name.
const NEXT: usize = 8;

const LENGTH: usize = 16;

const TYPE: usize = 18;

const NAME: usize = 19;

impl Entries {
    pub(crate) fn new() -> Entries {
        Entries { buffer: Vec::with_capacity(ROOM) }
    }

    /// Reads the next entries of `dir`. Returns false at its end.
    pub(crate) fn read(&mut self, dir: BorrowedFd<'_>) -> Result<bool> {
        self.buffer.clear();
        let room = self.buffer.spare_capacity_mut();
        // SAFETY: `room` lives through the call, and the kernel is told its size.
        let filled =
            check(unsafe { libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), room.as_mut_ptr(), room.len()) })?;
        let filled = usize::try_from(filled).map_err(|_| Errno::EIO)?;
        // SAFETY: the kernel has written this many bytes from the start of the buffer.
        unsafe { self.buffer.set_len(filled) };
        Ok(filled > 0)
    }

    fn records(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.buffer[..];
        std::iter::from_fn(move || {
            let length: [u8; 2] = rest.get(LENGTH..LENGTH + 2)?.try_into().ok()?;
            let (record, behind) = rest.split_at_checked(usize::from(u16::from_ne_bytes(length)))?;
            rest = behind;
            Some(record)
        })
    }

    /// The entries of the last read, without `.` and `..`: their names, and their types if the filesystem reports them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&CStr, Option<Kind>)> {
        self.numbered().map(|(name, kind, _)| (name, kind))
    }

    /// The same, with the inode number in the directory entry. Mounts on the entry do not change it.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (&CStr, Option<Kind>, u64)> {
        let named = self.records().map_while(|record| {
            let inode = u64::from_ne_bytes(record.get(..NEXT)?.try_into().ok()?);
            Some((CStr::from_bytes_until_nul(record.get(NAME..)?).ok()?, Kind::of_entry(record[TYPE]), inode))
        });
        named.filter(|(name, ..)| !matches!(name.to_bytes(), b"." | b".."))
    }

    /// Whether the last read reached the end of the directory. Meaningful only if [`super::statfs::marks_last`] is
    /// true.
    pub(crate) fn is_last(&self) -> bool {
        let next = self.records().last().and_then(|record| record.get(NEXT..LENGTH)?.try_into().ok());
        next.map(i64::from_ne_bytes) == Some(i64::MAX)
    }
}
