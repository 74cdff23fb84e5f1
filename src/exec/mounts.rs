//! The new root: it is made, filled in the order of the operations, and becomes the root of this process.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::deny::{self, Own};
use super::landlock::Fence;
use super::root::NewRoot;
use super::sources::{self, DescriptorRoom, Held, c_string};
use super::tell::Remarks;
use super::{devices, layers};
use crate::plan::Root;
use crate::protocol::{Act, At, Descriptors, Failure, Outcome, Stage};
use crate::spec::path::{of_file, split};
use crate::spec::{DataFile, FsOp, OverlayKind, Source, mode};
use crate::sys::mount::{self, Attr, FsOption, Propagation};
use crate::sys::open::{self, Open};
use crate::sys::signals::FileLimitFails;
use crate::sys::{Errno, Spent, content, cwd, fd, make, ns};

const NO_SUID_NO_DEV: Attr = Attr::NO_SUID.with(Attr::NO_DEV);

/// Builds the new root and makes it the root of this process. The rules for what is mounted are added to `fence`, and
/// what is `spent` is closed with the rest. Returns the mount of the program's home, too, if the supervisor is to look
/// at it in the end.
pub(super) fn build<'a>(
    plan: &Root,
    descriptors: &mut Descriptors,
    remarks: &Remarks<'_>,
    (fence, mut spent): (Fence<'a>, Spent),
) -> Outcome<(Fence<'a>, Option<OwnedFd>)> {
    if plan.make_slave {
        mount::make_all_slave().stage(Stage::Slave)?;
    }
    if let Some(label) = &plan.file_label {
        write_label(descriptors.proc(), c"self/attr/fscreate", label).stage(Stage::FileLabel)?;
    }
    let room = DescriptorRoom::make(plan)?;
    let mut held = sources::open(plan, descriptors, &mut spent)?;
    let limit = if plan.ops.iter().any(|op| writes(&op.fs)) {
        Some(FileLimitFails::begin().stage(Stage::Signals)?)
    } else {
        None
    };
    // The operations give exact modes, so no umask may change them. The program gets its own umask back.
    let umask = cwd::umask(0);
    let denies = !plan.denials.is_empty();
    let wants_scratch = denies || plan.ops.iter().any(|op| needs_scratch(&op.fs));
    // Where anything is denied, the tmpfs tells what is the box's own.
    let tree = if denies { None } else { take_root(plan, &mut held) };
    let mut root = NewRoot::make(plan.file_label.as_deref(), wants_scratch, tree, (fence, spent))?;
    let mut own = Own::default();
    for (index, (op, held)) in plan.ops.iter().zip(held).enumerate() {
        match carry_out((plan, remarks), descriptors, (&mut root, &mut own), index, &op.fs, held) {
            // In a container with a masked /proc the kernel refuses a new procfs ("mount too revealing"). A sandbox
            // without a procfs shows no more than one with it.
            Err(failure) if plan.best_effort && is_refused_proc(&op.fs, &failure) => {
                remarks.dropped(failure);
                continue;
            }
            done => done?,
        }
        if index + 1 == plan.together {
            root.close_to_writing(index)?;
        }
        if denies {
            own.note(&root, &op.fs).op(index, Act::Whole)?;
        }
        if plan.own_home == Some(index) {
            root.keep_home();
        }
    }
    root.forget_one_before();
    deny::enforce((plan, descriptors.proc()), &mut root, &own, remarks)?;
    cwd::umask(umask);
    limit.map_or(Ok(()), FileLimitFails::end).stage(Stage::Signals)?;
    let entered = root.enter()?;
    room.give_back()?;
    Ok(entered)
}

/// The tree that the first operation binds on the root itself, if it does. Nothing is left for that to do then.
fn take_root(plan: &Root, held: &mut [Held]) -> Option<OwnedFd> {
    let is_root = matches!(&plan.ops.first()?.fs, FsOp::Bind { dest, .. } if dest.as_c_str() == c"/");
    let first = held.first_mut().filter(|held| is_root && matches!(held, Held::Tree { is_dir: true, .. }))?;
    match std::mem::replace(first, Held::Skip) {
        Held::Tree { mount, .. } => Some(mount),
        _ => None,
    }
}

fn is_refused_proc(op: &FsOp, failure: &Failure) -> bool {
    matches!(op, FsOp::Proc { .. }) && failure.act == Act::NewFs && failure.errno == Errno::EPERM as i32
}

/// Whether an operation mounts something that must first be made out of sight.
fn needs_scratch(op: &FsOp) -> bool {
    matches!(op, FsOp::Data { how: DataFile::Bind { .. }, .. } | FsOp::Overlay { kind: OverlayKind::Tmp, .. })
}

/// Whether an operation writes a file.
fn writes(op: &FsOp) -> bool {
    matches!(op, FsOp::Data { .. } | FsOp::Text { .. } | FsOp::CopyFile { .. })
}

/// Sets an SELinux label through procfs (`selinux(8)`, proc_pid_attr(5)).
pub(super) fn write_label(proc: BorrowedFd<'_>, path: &CStr, label: &CStr) -> crate::sys::Result<()> {
    let fd = open::write_at(proc, path)?;
    content::write_all(fd.as_fd(), label.to_bytes_with_nul())
}

fn carry_out(
    (plan, remarks): (&Root, &Remarks<'_>),
    descriptors: &mut Descriptors,
    (root, own): (&mut NewRoot<'_>, &mut Own),
    index: usize,
    op: &FsOp,
    held: Held,
) -> Outcome<()> {
    match (op, held) {
        (_, Held::Skip) => Ok(()),
        (FsOp::Bind { source, dest, flags }, Held::Tree { mount, is_dir }) => {
            if matches!(source, Source::Fd(_)) {
                // As bubblewrap does: it compares the descriptor with what lies at the destination, and behind a link
                // it never finds the same file.
                root.refuse_link(dest, mode::CLOSED, index)?;
            }
            bind(root, dest, mount, (is_dir, mode::CLOSED), index)?;
            if is_dir && !flags.read_only {
                root.note_writable(dest);
            }
            Ok(())
        }
        (FsOp::Bind { source: Source::Path(source), dest, .. }, Held::ByPath { is_dir }) => {
            root.bind_by_path(source, dest, is_dir, index)
        }
        (FsOp::Bind { dest, .. }, Held::Link(mount)) => {
            let place = root.name_for_mount(dest, mode::CLOSED, index)?;
            root.attach(mount, place, index).map(drop)
        }
        (FsOp::Overlay { dest, kind, layers: _ }, Held::Layers { lower, upper }) => {
            let place = root.dir_for_mount(dest, mode::CLOSED, index)?;
            let fs = match kind {
                OverlayKind::Apart { .. } => layers::apart(root, (&lower, upper.as_ref()), kind, index, remarks)?,
                _ => layers::overlay(root, &lower, upper.as_ref(), kind, index)?,
            };
            root.attach(fs, place, index)?;
            if plan.denials.is_empty() { Ok(()) } else { own.keep_overlay(root, lower, upper).op(index, Act::Whole) }
        }
        (FsOp::RemountReadOnly { dest }, _) => remount_read_only(descriptors.proc(), root, dest, index),
        (FsOp::Proc { dest }, _) => devices::proc(plan, root, dest, index),
        (FsOp::Dev { dest }, _) => devices::dev(plan, root, dest, index),
        (FsOp::Tmpfs { dest, mode, size }, _) => tmpfs(plan, root, dest, (*mode, *size), index),
        (FsOp::Mqueue { dest }, _) => {
            let place = root.dir_for_mount(dest, mode::CLOSED, index)?;
            let fs = mount::new_fs(c"mqueue", &[], NO_SUID_NO_DEV).op(index, Act::NewFs)?;
            root.attach(fs, place, index).map(drop)
        }
        (FsOp::Dir { dest, mode }, _) => root.make_dir(dest, *mode, mode::of_parents(*mode), index).map(drop),
        (FsOp::Data { fd, dest, how, mode }, _) => data((plan, descriptors), root, *fd, dest, (*how, *mode), index),
        (FsOp::Text { text, dest, mode }, _) => {
            let to = create(root, dest, *mode, index)?;
            content::write_all(to.as_fd(), text).op(index, Act::WriteData)
        }
        (FsOp::Symlink { target, dest }, _) => root.link(target, dest, index),
        (FsOp::Chmod { dest, mode }, _) => chmod(descriptors.proc(), root, dest, *mode).op(index, Act::Whole),
        (FsOp::Hostname { name }, _) => ns::sethostname(name).op(index, Act::Whole),
        (FsOp::CopyFile { dest, source: _ }, Held::File { file, mode }) => {
            let copy = write_file(root, dest, file.as_fd(), mode, index)?;
            if plan.denials.is_empty() {
                return Ok(());
            }
            own.keep_copy(descriptors.proc(), file, copy.as_fd()).op(index, Act::Whole)
        }
        // `deny::enforce` carries these out after all others.
        (FsOp::Deny { .. }, _) => Ok(()),
        // `sources::open` gave every bind a tree, every overlay its layers, and every copy its file.
        (FsOp::Bind { .. } | FsOp::Overlay { .. } | FsOp::CopyFile { .. }, _) => {
            Err(Failure { act: Act::Source, ..Failure::nth(Stage::Op, index, Errno::EBADF as i32) })
        }
    }
}

fn bind(
    root: &mut NewRoot<'_>,
    dest: &CStr,
    mount: OwnedFd,
    (is_dir, parents): (bool, u32),
    index: usize,
) -> Outcome<()> {
    let place =
        if is_dir { root.dir_for_mount(dest, parents, index)? } else { root.file_for_mount(dest, parents, index)? };
    root.attach(mount, place, index).map(drop)
}

fn tmpfs(
    plan: &Root,
    root: &mut NewRoot<'_>,
    dest: &CStr,
    (mode, size): (u32, Option<u64>),
    index: usize,
) -> Outcome<()> {
    let place = root.make_dir(dest, mode, mode::of_parents(mode), index)?;
    if plan.one_tmpfs && size.is_none() && root.attach_part_of_base(&place, index)? {
        return Ok(());
    }
    let mode = c_string(format!("{mode:o}"));
    let size = size.map(|size| c_string(size.to_string()));
    let mut options = vec![FsOption::String(c"mode", &mode)];
    options.extend(size.as_deref().map(|size| FsOption::String(c"size", size)));
    options.extend(plan.file_label.as_deref().map(|label| FsOption::String(c"context", label)));
    let fs = mount::new_fs(c"tmpfs", &options, NO_SUID_NO_DEV).op(index, Act::NewFs)?;
    root.attach(fs, place, index).map(drop)
}

fn remount_read_only(proc: BorrowedFd<'_>, root: &mut NewRoot<'_>, dest: &CStr, index: usize) -> Outcome<()> {
    if let Some((parent, _)) = split(dest) {
        root.parent(&parent, mode::CLOSED, index)?;
    }
    let opened;
    let mount = if dest == c"/" {
        root.top()
    } else {
        opened = root.open(dest, Open::Path).op(index, Act::NotAMount)?;
        opened.as_fd()
    };
    match mount::set_attr(mount, NO_SUID_NO_DEV.with(Attr::READ_ONLY), Propagation::Keep, false) {
        // The kernel's answer where the descriptor is not the root of a mount (mount_setattr(2)).
        Err(Errno::EINVAL) => {
            let link = c_string(format!("self/fd/{}", fd::number(mount)));
            let detail = content::read_link_at(proc, &link).ok();
            Err(Errno::EINVAL).op(index, Act::NotAMount).map_err(|failure| Failure { detail, ..failure })
        }
        result => result.op(index, Act::Flags),
    }
}

fn data(
    (plan, descriptors): (&Root, &mut Descriptors),
    root: &mut NewRoot<'_>,
    fd: i32,
    dest: &CStr,
    (how, mode): (DataFile, u32),
    index: usize,
) -> Outcome<()> {
    let from = descriptors.get(fd).op(index, Act::ReadData)?;
    let read_only = match how {
        DataFile::Copy => {
            write_file(root, dest, from, mode, index)?;
            descriptors.close(fd);
            return Ok(());
        }
        DataFile::Bind { read_only } => read_only,
    };
    // Make the file in the scratch filesystem, mount it, and unlink its name. Then nothing else can reach it.
    let name = c_string(format!(".data-{index}"));
    let to = make::new_file_at(root.scratch(), &name, mode).op(index, Act::MakeFile)?;
    content::copy(from, to.as_fd()).op(index, Act::WriteData)?;
    // A second use of this number must fail. It must not yield an empty file.
    descriptors.close(fd);
    let mount = mount::clone_tree(root.scratch(), &name, false).op(index, Act::Source)?;
    let attr = NO_SUID_NO_DEV.with(if read_only { Attr::READ_ONLY } else { Attr::NONE });
    mount::set_attr(mount.as_fd(), attr, Propagation::Keep, false).op(index, Act::Flags)?;
    bind(root, dest, mount, (false, mode::of_parents(mode)), index)?;
    if !plan.denials.is_empty() {
        // Keep the name, because the file may be denied, and the kernel mounts nothing on a file without a name. Nobody
        // inside sees the scratch filesystem.
        return Ok(());
    }
    // Not earlier: the kernel mounts no file that has lost its name.
    make::unlink_at(root.scratch(), &name).op(index, Act::MakeFile)
}

/// Copies `from` into the file `dest`. Makes the file and its parents where they are missing; truncates an existing
/// file.
fn write_file(root: &mut NewRoot<'_>, dest: &CStr, from: BorrowedFd<'_>, mode: u32, index: usize) -> Outcome<OwnedFd> {
    let to = create(root, dest, mode, index)?;
    content::copy(from, to.as_fd()).op(index, Act::WriteData)?;
    Ok(to)
}

/// Opens the file `dest` for writing. Makes it and its parents where they are missing; truncates an existing file.
fn create(root: &mut NewRoot<'_>, dest: &CStr, mode: u32, index: usize) -> Outcome<OwnedFd> {
    if let Some((parent, _)) = split(dest) {
        root.parent(&parent, mode::of_parents(mode), index)?;
    }
    root.open(&of_file(dest), Open::Create(mode)).op(index, Act::MakeFile)
}

/// Changes the mode through the file's link in procfs. `fchmod(2)` takes no `O_PATH` descriptor, and a file of mode 0
/// cannot be opened in any other way.
fn chmod(proc: BorrowedFd<'_>, root: &NewRoot<'_>, dest: &CStr, mode: u32) -> crate::sys::Result<()> {
    let found = root.open(dest, Open::Path)?;
    let link = c_string(format!("self/fd/{}", fd::number(found.as_fd())));
    make::chmod_at(proc, &link, mode)
}
