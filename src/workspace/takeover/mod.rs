//! Takes over what a box has written into a git directory that was an overlay in it.
//!
//! The host has seen nothing of it so far. What has the shape of git's data and says nothing but data is written to the
//! host's repository, checked. Everything else stays in the upper layer, which is how it is kept apart: hooks, settings
//! that are not on the list, links, names that nobody knows. So a name that git invents tomorrow is kept apart.
//!
//! The order, for the git directory itself and then for each of its modules and worktrees:
//!
//! 1. Objects (`objects`). git computes their names anew from their content, in a box of its own.
//! 2. Refs (`refs`) and their logs (`logs`), each with its old value and under git's own locks. Where git keeps them in
//!    tables (`reftable`), all of them or none.
//! 3. Settings (`settings`), key by key.
//! 4. `HEAD` (`state`), then the entries of the index that differ, without what git remembers of the files
//!    (`index`).
//! 5. The state of a merge or a rebase (`state`).
//! 6. What is left is told, with the reason (`shape`).
//!
//! Three values decide about each thing: what it was when the box began ([`Base`]), what the box made of it, what it is
//! on the host now. If the host's is still the first, the box's is taken. If the host's has changed too, the user's
//! stays, and the box's ref becomes `refs/pinfold/ID/...`.
//!
//! A step compares first and writes then, and a file of the upper layer goes when its content is on the host. So if
//! this is killed anywhere, it can simply run again: what was done is equal and nothing is done twice.
//!
//! No git of the host ever reads a configuration, an index or an object that the box has written, except an object
//! under the name that its content has.
#![forbid(unsafe_code)]

mod at;
mod base;
mod connected;
mod entries;
mod form;
mod git;
mod index;
mod job;
mod logs;
mod objects;
mod own;
mod refs;
mod reftable;
mod settings;
mod shape;
mod side;
mod state;
mod told;
mod unit;
mod upper;
mod words;

use crate::sys::Errno;

pub use base::Base;
pub use git::Git;
pub use job::{Bounds, Job, NoteMade, RunBox};
pub(crate) use own::owner;
pub(crate) use settings::{Setting, is_config, kept_apart, take_kept};
pub use told::{Kept, Moved, Taken, TakenOver, What};
pub use words::{Line, lines};

/// Takes over what the box has left. What is not taken stays in the upper layer.
///
/// # Errors
/// `EINTR`: [`Job::go_on`] said no. Otherwise something could not be read or written; a later call goes on. `E2BIG`:
/// there is more than is looked at, and nothing was taken.
pub fn take_over(job: &Job<'_>) -> Result<TakenOver, Errno> {
    let mut told = TakenOver::default();
    take_over_into(job, &mut told).map(|()| told)
}

/// The same. `told` says what was done also where that was not all.
pub(crate) fn take_over_into(job: &Job<'_>, told: &mut TakenOver) -> Result<(), Errno> {
    let upper = upper::Upper::list(job.upper, &job.bounds)?;
    if upper.is_empty() {
        return Ok(());
    }
    if let Some(git) = job.git {
        unit::take_all(job, git, &upper, told)?;
    }
    shape::tell_rest(job, &upper, told)?;
    told.is_git_missing = job.git.is_none() && !told.kept.is_empty();
    Ok(())
}
