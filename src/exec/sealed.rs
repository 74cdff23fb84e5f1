//! PID 1 as a sealed copy of this program, for the case that the caller owns the program's file.
//!
//! A caller that asked for the id of PID 1 may enter the sandbox by it (`nsenter`, `flatpak enter`). That takes a
//! dumpable process (prctl(2), PR_SET_DUMPABLE). But whoever may look into a process can open its executable by
//! `/proc/1/exe`. So can the program inside. Once nobody executes that file any more, the program could write to it,
//! past every read-only bind (CVE-2019-5736). So PID 1 becomes a sealed copy in memory before the program starts.
//!
//! It cannot be a copy from the beginning. An executable in memory has no path, and AppArmor profiles that allow
//! namespaces go by the path. Where no copy can be made, PID 1 stays as it is and non-dumpable.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::lockdown::Locked;
use super::reap::{let_start, reap};
use super::tell::tell;
use crate::plan::Plan;
use crate::protocol::{At, Message, Orders, Outcome, Stage, Watch};
use crate::spec::CapSet;
use crate::sys::children::Changes;
use crate::sys::cmdline::CommandLine;
use crate::sys::process::{self, CStrArray};
use crate::sys::signals::FileLimitFails;
use crate::sys::{Errno, caps, content, fd, sealed};

/// The first argument of the copy. Two more follow: the number of the descriptor that holds its orders, and the name
/// that PID 1 shows.
pub(crate) const STARTING: &CStr = c"pinfold: PID 1 of a sandbox";

/// Makes the copy, if the plan wants one and it can be made. `is_tool`: this program understands [`STARTING`].
pub(super) fn copy(plan: &Plan, proc: BorrowedFd<'_>, is_tool: bool) -> Outcome<Option<OwnedFd>> {
    // Root of a namespace is given capabilities by every exec, as far as the bounding set allows. A process that has
    // gained some is closed again (`commit_creds` in kernel/cred.c).
    let would_gain = || process::real_ids().0 == 0 && plan.restrictions.lock.caps != Some(CapSet::EMPTY);
    // In the box, an interpreter would be one of the box's.
    if !plan.init.is_sealed || !is_tool || would_gain() || !sealed::is_static() {
        return Ok(None);
    }
    // RLIMIT_FSIZE counts for a file in memory too.
    let limit = FileLimitFails::begin().stage(Stage::Signals)?;
    let copy = sealed::copy_of_program(proc).ok();
    limit.end().stage(Stage::Signals)?;
    Ok(copy)
}

/// Continues as the copy, which writes to `release` when the program may start. Returns only after a failure. Then
/// nothing has changed, except that some descriptors would stay open over an exec, and none follows.
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
        sealed::keep_open(fd::callers_fd(fd)?)?;
    }
    let filters = locked.filters_of_init(plan).map(<[u8]>::to_vec).collect();
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
        let orders = number.and_then(|fd| content::read_to_end(fd::callers_fd(fd).ok()?).ok());
        orders.and_then(|orders| Orders::decode(&orders)).zip(words.get(2).map(|&name| name.to_owned()))
    };
    // Only this program starts a copy, and always with orders. Refuse anybody else.
    let Some((orders, name)) = begun else { process::exit_now(1) };
    line.wipe(&name);
    let control = fd::own(orders.control);
    let failure = match settle(&orders, &name) {
        Ok(changes) => reap(orders.watch, &control, changes.as_ref()),
        Err(failure) => failure,
    };
    tell(&control, &Message::Failed(failure));
    process::exit_now(1)
}

/// Brings the copy to the state in which `pid1::stay` leaves PID 1 otherwise, and lets the program start.
fn settle(orders: &Orders, name: &CStr) -> Outcome<Option<Changes>> {
    // The name is for people only. A failure does not matter.
    let _named = sealed::set_name(name).is_ok();
    caps::set(caps::Caps::same(0)).stage(Stage::SetCaps)?;
    // This closes the orders too. It can fail, so it comes before the program starts.
    let mut keep = orders.keep.clone();
    keep.push(orders.release);
    keep.sort_unstable();
    fd::close_all_but(&keep).stage(Stage::Control)?;
    let changes = orders.watch.obeys.then(Changes::watch).transpose().stage(Stage::Signals)?;
    fd::callers_fd(orders.release).and_then(let_start).stage(Stage::Control)?;
    fd::close_numbers([orders.release]);
    super::filters::install(orders.filters.iter().map(Vec::as_slice)).map(|()| changes)
}
