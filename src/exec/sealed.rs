//! PID 1 in a copy of this program, where the file of the program belongs to the caller.
//!
//! A caller that has asked for the id of PID 1 may enter the box by it (`nsenter`, `flatpak enter`). That takes a process
//! that can be looked into, and whoever looks into a process can open its program, by `/proc/1/exe`: so can the program
//! inside, and once nobody executes that file, write to it, past every read-only bind (CVE-2019-5736). So PID 1 becomes a
//! copy in memory that is sealed, before the program starts.
//!
//! Not earlier: what is executed from memory has no path, and so loses an AppArmor profile that allows by path to make
//! namespaces. Where there can be no copy, PID 1 stays what it is, closed to everybody.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::lockdown::Locked;
use super::pid1;
use super::tell::tell;
use crate::plan::Plan;
use crate::protocol::{At, Message, Orders, Outcome, Stage, Watch};
use crate::spec::CapSet;
use crate::sys::cmdline::CommandLine;
use crate::sys::process::{self, CStrArray};
use crate::sys::signals::FileLimitFails;
use crate::sys::{Errno, caps, file, sealed};

/// What the copy is called while it starts. What follows are the number of the descriptor with its orders, and the name
/// that PID 1 shows.
pub(crate) const STARTING: &CStr = c"pinfold: PID 1 of a sandbox";

/// The copy, where one is wanted and can be had. `is_tool`: this program understands [`STARTING`].
pub(super) fn copy(plan: &Plan, proc: BorrowedFd<'_>, is_tool: bool) -> Outcome<Option<OwnedFd>> {
    // Root of a namespace is given capabilities by every exec, as far as the bounding set allows. A process that has
    // gained some is closed again (`commit_creds` in kernel/cred.c).
    let would_gain = process::real_ids().0 == 0 && plan.restrictions.lock.caps != Some(CapSet::EMPTY);
    // In the box, an interpreter would be one of the box's.
    if !plan.init.is_sealed || !is_tool || would_gain || !sealed::is_static() {
        return Ok(None);
    }
    // What is in memory has a size too.
    let limit = FileLimitFails::begin().stage(Stage::Signals)?;
    let copy = sealed::copy_of_program(proc).ok();
    limit.end().stage(Stage::Signals)?;
    Ok(copy)
}

/// Continues as the copy. Returns only where that could not be done; then nothing has changed but what descriptors are
/// left open by an exec, of which there will be none. `release` is written to when the program may start.
pub(super) fn become_copy(
    plan: &Plan,
    control: &OwnedFd,
    locked: &Locked<'_>,
    (copy, release): (&OwnedFd, &OwnedFd),
    watch: Watch,
) -> Result<(), Errno> {
    let mut keep: Vec<i32> = locked.locks.iter().map(AsRawFd::as_raw_fd).chain(plan.lifecycle.sync_fd).collect();
    keep.push(control.as_raw_fd());
    keep.sort_unstable();
    for &fd in keep.iter().chain([&release.as_raw_fd()]) {
        sealed::keep_open(file::callers_fd(fd)?)?;
    }
    let filters = locked.filters(&plan.restrictions).map(<[u8]>::to_vec).collect();
    let orders = Orders { watch, control: control.as_raw_fd(), release: release.as_raw_fd(), keep, filters };
    let orders = sealed::holding(&orders.encode())?;
    sealed::keep_open(orders.as_fd())?;
    let number = super::sources::c_string(orders.as_raw_fd().to_string());
    let words = CStrArray::new([STARTING, &number, &plan.init.name]);
    Err(sealed::exec(copy.as_fd(), &words, &CStrArray::new([])))
}

/// The copy begins here.
pub(crate) fn resume(line: CommandLine) -> ! {
    let begun = {
        let words = line.words();
        let number = words.get(1).and_then(|word| word.to_str().ok()?.parse().ok());
        let orders = number.and_then(|fd| file::read_to_end(file::callers_fd(fd).ok()?).ok());
        orders.and_then(|orders| Orders::decode(&orders)).zip(words.get(2).map(|&name| name.to_owned()))
    };
    // Nobody but this program starts it so.
    let Some((orders, name)) = begun else { process::exit_now(1) };
    line.wipe(&name);
    let control = file::own(orders.control);
    let failure = match settle(&orders, &name) {
        Ok(()) => pid1::reap(orders.watch, &control),
        Err(failure) => failure,
    };
    tell(&control, &Message::Failed(failure));
    process::exit_now(1)
}

/// Becomes what PID 1 is otherwise after `pid1::stay`, and lets the program start.
fn settle(orders: &Orders, name: &CStr) -> Outcome<()> {
    // For people only.
    let _named = sealed::set_name(name).is_ok();
    caps::set(caps::Caps::same(0)).stage(Stage::SetCaps)?;
    // The orders, which are not needed any more. What can fail comes before the program starts.
    let mut keep = orders.keep.clone();
    keep.push(orders.release);
    keep.sort_unstable();
    file::close_all_but(&keep).stage(Stage::Control)?;
    file::callers_fd(orders.release).and_then(pid1::let_start).stage(Stage::Control)?;
    file::close_numbers([orders.release]);
    pid1::install(orders.filters.iter().map(Vec::as_slice))
}
