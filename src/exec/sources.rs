//! Sources of binds and layers: each is opened once, before the new root exists, and held by descriptor from then on.
//! Nobody can exchange it any more, and a source that is missing fails the run before anything has been made. Those of
//! [`Root::together`] are only looked at.

use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

use super::listing::{Listing, Told};
use crate::plan::Root;
use crate::protocol::{Act, At, Descriptors, Failure, Outcome, Stage};
use crate::spec::{BindFlags, FsOp, Op, OverlayKind, Source};
use crate::sys::mount::{self, Attr, CloneError, Original, Propagation};
use crate::sys::{Errno, Result, Spent, content, fd, open, process, stat};

/// What an operation holds until it is carried out.
pub(super) enum Held {
    /// The operation has no source.
    None,
    /// The operation is optional, and its source does not exist.
    Skip,
    /// A detached mount.
    Tree { mount: OwnedFd, is_dir: bool },
    /// Nothing, but the source of a bind is there: it is bound by its path, with others.
    ByPath { is_dir: bool },
    /// A detached mount of a link itself.
    Link(OwnedFd),
    /// A file to copy, and its permission bits.
    File { file: OwnedFd, mode: u32 },
    /// Layers of an overlay.
    Layers { lower: Vec<OwnedFd>, upper: Option<Upper> },
}

/// The writable layer of an overlay, and the work directory that overlayfs needs beside it.
pub(super) struct Upper {
    pub(super) upper: OwnedFd,
    pub(super) work: OwnedFd,
}

/// Descriptors that are in use besides sources, with room to spare: those that wait for being closed among them.
const OTHERS: u64 = 64 + Spent::MOST as u64;

/// Raises the limit on open files where the sources need that. `give_back` restores it for the program.
pub(super) struct DescriptorRoom {
    before: Option<(u64, u64)>,
}

impl DescriptorRoom {
    pub(super) fn make(plan: &Root) -> Outcome<DescriptorRoom> {
        let layers = |op: &FsOp| match op {
            FsOp::Bind { .. } | FsOp::CopyFile { .. } => 1,
            // Denied objects are held all at once too, though later.
            FsOp::Deny { .. } => 1,
            FsOp::Overlay { layers, .. } => layers.len() as u64 + 2,
            _ => 0,
        };
        let sources: u64 = plan.ops.iter().skip(plan.together).map(|op| layers(&op.fs)).sum();
        // No call is spent on asking for the few of most boxes.
        if sources <= 16 {
            return Ok(DescriptorRoom { before: None });
        }
        let needed = sources + OTHERS;
        let (soft, hard) = process::descriptor_limit().stage(Stage::DescriptorLimit)?;
        if needed <= soft {
            return Ok(DescriptorRoom { before: None });
        }
        process::set_descriptor_limit((hard, hard)).stage(Stage::DescriptorLimit)?;
        Ok(DescriptorRoom { before: Some((soft, hard)) })
    }

    pub(super) fn give_back(self) -> Outcome<()> {
        match self.before {
            Some(limit) => process::set_descriptor_limit(limit).stage(Stage::DescriptorLimit),
            None => Ok(()),
        }
    }
}

/// Opens the sources of all operations.
pub(super) fn open(plan: &Root, descriptors: &Descriptors, spent: &mut Spent) -> Outcome<Vec<Held>> {
    let together = plan.ops.iter().take(plan.together).filter_map(|op| match &op.fs {
        FsOp::Bind { source: Source::Path(source), .. } => Some(source.as_c_str()),
        _ => None,
    });
    let listing = Listing::of(together, spent);
    let open = |(index, op): (usize, &Op)| match &op.fs {
        FsOp::Bind { source: Source::Path(source), .. } if index < plan.together => look_at(&listing, index, source),
        _ => open_one(descriptors, spent, index, op),
    };
    plan.ops.iter().enumerate().map(open).collect()
}

/// Whether an optional source is there, and is a directory.
fn look_at(listing: &Listing, index: usize, source: &CString) -> Outcome<Held> {
    match listing.tells(source) {
        Told::There { is_dir } => return Ok(Held::ByPath { is_dir }),
        Told::Missing => return Ok(Held::Skip),
        Told::Nothing => {}
    }
    match stat::stat(source) {
        Ok(found) => Ok(Held::ByPath { is_dir: found.is_dir() }),
        Err(Errno::ENOENT) => Ok(Held::Skip),
        Err(errno) => Err(errno).op(index, Act::Source),
    }
}

fn open_one(descriptors: &Descriptors, spent: &mut Spent, index: usize, op: &Op) -> Outcome<Held> {
    let real = op.real.first();
    match &op.fs {
        FsOp::Bind { source, flags, dest: _ } => match open_tree((descriptors, spent), index, (source, *flags), real) {
            Err(failure) if flags.optional && failure.errno == Errno::ENOENT as i32 => Ok(Held::Skip),
            tree => {
                let mount = tree?;
                let found = stat::fstat(mount.as_fd()).op(index, Act::Source)?;
                match source {
                    Source::Link(_) if found.is_link() => Ok(Held::Link(mount)),
                    // Somebody has exchanged the link since it was examined.
                    Source::Link(_) => Err(Failure { act: Act::Race, ..Failure::nth(Stage::Op, index, 0) }),
                    Source::Path(_) | Source::Real(_) | Source::Fd(_) => {
                        Ok(Held::Tree { mount, is_dir: found.is_dir() })
                    }
                }
            }
        },
        FsOp::Overlay { layers, kind, dest: _ } => open_layers(descriptors, index, layers, (kind, &op.real)),
        FsOp::CopyFile { source, dest: _ } => open_file(descriptors, index, source, real),
        FsOp::RemountReadOnly { .. }
        | FsOp::Proc { .. }
        | FsOp::Dev { .. }
        | FsOp::Tmpfs { .. }
        | FsOp::Mqueue { .. }
        | FsOp::Dir { .. }
        | FsOp::Data { .. }
        | FsOp::Text { .. }
        | FsOp::Symlink { .. }
        | FsOp::Deny { .. }
        | FsOp::Chmod { .. }
        | FsOp::Hostname { .. } => Ok(Held::None),
    }
}

fn open_tree(
    (descriptors, spent): (&Descriptors, &mut Spent),
    index: usize,
    (source, flags): (&Source, BindFlags),
    real: Option<&CString>,
) -> Outcome<OwnedFd> {
    let fd = match (source, real) {
        (Source::Path(_), Some(path)) | (Source::Real(path), _) => return open_real(spent, index, path, flags),
        (Source::Path(path), None) => return clone(index, Original::Tree(path), flags),
        (Source::Link(path), _) => return clone(index, Original::Link(path), flags),
        (Source::Fd(fd), _) => *fd,
    };
    // The descriptor belongs to the caller's mount namespace, and only a mount of this namespace can be copied. So find
    // the file again by its path, and make sure that it is the same file. A descriptor that is not open has no entry in
    // /proc/self/fd, hence ENOENT.
    let wanted = descriptors.get(fd).map_err(|_| Errno::ENOENT).op(index, Act::Source)?;
    let link = c_string(format!("self/fd/{fd}"));
    let path = content::read_link_at(descriptors.proc(), &link).op(index, Act::Source)?;
    let mount = clone(index, Original::Tree(&path), flags)?;
    let found = stat::fstat(mount.as_fd()).op(index, Act::Source)?;
    if !stat::fstat(wanted).op(index, Act::Source)?.is_same_file(found) {
        return Err(Failure { act: Act::Race, ..Failure::nth(Stage::Op, index, 0) });
    }
    Ok(mount)
}

/// A tree whose path must not lead through a link: a program of another box, which may write there too, could have
/// exchanged a directory for a link to anywhere (CVE-2021-30465, CVE-2024-42472).
fn open_real(spent: &mut Spent, index: usize, path: &CString, flags: BindFlags) -> Outcome<OwnedFd> {
    let place = unexchanged(index, open::without_links(path))?;
    let mount = clone(index, Original::Opened(place.as_fd()), flags);
    spent.add(place);
    mount
}

/// A copy of the tree with the flags of a bind, below as well as at its top, seen or hidden. None is ever taken away:
/// `noexec`, `nosymfollow` and the rest stay as the host has them.
fn clone(index: usize, original: Original<'_>, flags: BindFlags) -> Outcome<OwnedFd> {
    let BindFlags { read_only, devices, optional: _ } = flags;
    let attr = Attr::NO_SUID.with(if devices { Attr::NONE } else { Attr::NO_DEV }).with(if read_only {
        Attr::READ_ONLY
    } else {
        Attr::NONE
    });
    // What the host mounts below a read-only bind later would arrive here without any of these flags, so it must not
    // arrive. Below a writable bind it does, as in bubblewrap: removable media are made visible to running programs
    // this way.
    let propagation = if read_only { Propagation::Private } else { Propagation::Keep };
    mount::clone_with(original, attr, propagation).map_err(|error| {
        let (act, errno) = match error {
            CloneError::Original(errno) => (Act::Source, errno),
            CloneError::Flags(errno) => (Act::Flags, errno),
        };
        Failure { act, ..Failure::nth(Stage::Op, index, errno as i32) }
    })
}

/// Passes on the result of opening a path that had no links in it. If it has one now, somebody exchanged part of it.
pub(super) fn unexchanged(index: usize, opened: Result<OwnedFd>) -> Outcome<OwnedFd> {
    match opened {
        Err(Errno::ELOOP) => Err(Failure { act: Act::Race, ..Failure::nth(Stage::Op, index, 0) }),
        opened => opened.op(index, Act::Source),
    }
}

/// Opens a file to copy. Its type is checked before that: opening a device can have side effects, and opening a FIFO
/// would wait for a writer.
fn open_file(descriptors: &Descriptors, index: usize, source: &CString, real: Option<&CString>) -> Outcome<Held> {
    let place = match real {
        Some(real) => unexchanged(index, open::without_links(real))?,
        None => open::path(source, false).op(index, Act::Source)?,
    };
    let about = stat::fstat(place.as_fd()).op(index, Act::Source)?;
    if !about.is_file() {
        return Err(Failure { act: Act::NotAFile, ..Failure::nth(Stage::Op, index, Errno::EINVAL as i32) });
    }
    let link = c_string(format!("self/fd/{}", fd::number(place.as_fd())));
    let file = open::read_at(descriptors.proc(), &link).op(index, Act::Source)?;
    Ok(Held::File { file, mode: about.permissions() })
}

fn open_layers(
    descriptors: &Descriptors,
    index: usize,
    layers: &[CString],
    (kind, real): (&OverlayKind, &[CString]),
) -> Outcome<Held> {
    let is_apart = matches!(kind, OverlayKind::Apart { .. });
    let open = |path: &CString, real: Option<&CString>| {
        let layer = match real.or(is_apart.then_some(path)) {
            Some(real) => unexchanged(index, open::dir_without_links(real)),
            None => open::path(path, true).op(index, Act::Source),
        };
        layer.map_err(|failure| Failure { detail: Some(path.clone()), ..failure })
    };
    let lower: Outcome<Vec<OwnedFd>> =
        layers.iter().enumerate().map(|(number, path)| open(path, real.get(number))).collect();
    let upper = match kind {
        OverlayKind::Host { upper, work } => Some(Upper { upper: open(upper, None)?, work: open(work, None)? }),
        OverlayKind::Apart { kept } => {
            let dir = match kept.to_bytes().first() {
                Some(b'/') => open(kept, None)?,
                _ => {
                    let entry = descriptors.kept().and_then(open::dir_without_links).op(index, Act::Source)?;
                    open::dir_at(entry.as_fd(), kept).op(index, Act::Source)?
                }
            };
            let part = |name| open::dir_at(dir.as_fd(), name).op(index, Act::Source);
            Some(Upper { upper: part(c"upper")?, work: part(c"work")? })
        }
        OverlayKind::Tmp | OverlayKind::ReadOnly => None,
    };
    Ok(Held::Layers { lower: lower?, upper })
}

/// Makes a C string of text that contains no NUL.
pub(super) fn c_string(text: String) -> CString {
    CString::new(text).unwrap_or_default()
}
