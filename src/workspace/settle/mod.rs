//! Puts git repositories in order that the program has made or completed, once no process lives in the box any more.
//! git outside must execute nothing from them and write nothing through them.
//!
//! Repositories that were there before are overlays in the box, so what is met here is new. This walks once more
//! through everything that the program could write, and leaves alone only what was held or kept apart. It ignores all
//! times of files: a program can prepare files in an earlier run and move the directory around them into place, which
//! changes no time of the files. The program made the tree, so this works along descriptors, follows no link, does not
//! recurse, and reports what it cannot look at.
//!
//! Nothing is lost: what git would obey is renamed within its directory. Only links are removed, and their targets are
//! reported.
//!
//! The look ends however much the program has made, because what is read and the time are bounded ([`judge`]). Signals
//! wait until then, a few seconds at most. Messages come after all work, because their reader may make this process
//! wait for ever.

mod before;
mod change;
pub(in crate::workspace) mod elsewhere;
pub(super) mod harmless;
pub(super) mod index;
mod judge;
mod list;
mod names;
pub(super) mod news;
pub(super) mod pointer;
mod repository;
mod rerere;
mod settings;
mod state;
#[cfg(test)]
mod tests;
mod told;
mod tree;

use super::files::id_of;
use crate::spec::{Settle, SettleTop};
use crate::sys::open;
use crate::sys::stat::{self};
use crate::sys::{Errno, process};
use before::{Before, Deferred};
use judge::{Judge, LIMITS, Limits};
pub(crate) use news::News;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};
pub(crate) use told::Settled;
use told::Told;
use tree::Tree;

/// Puts in order what the program has left. Returns each repository where something was done or could not be done, and
/// what is new and obeyed later. `start` is the directory that the program started in.
pub(crate) fn settle(wish: &Settle, start: &CStr) -> (Vec<Settled>, News) {
    let (settled, news) = settle_within(wish, LIMITS);
    (settled, news.seen_from(start))
}

fn settle_within(wish: &Settle, limits: Limits) -> (Vec<Settled>, News) {
    let mut told = Told::default();
    let mut judge = Judge::new(limits);
    let before = Before {
        held: wish.held.iter().map(|path| path.to_bytes()).zip(wish.held_as.iter().copied()).collect(),
        tops: &wish.tops,
        names: &wish.names,
        seen: &wish.before,
        user: process::real_ids().0,
    };
    let mut deferred = Deferred::default();
    let mut news = News::default();
    for top in &wish.tops {
        match open_top(top) {
            Ok(open) => Tree::new(&before, &mut judge, &mut deferred, (&mut told, &mut news)).walk(open, &top.path),
            Err(errno) => told.unseen(top.path.to_bytes(), errno),
        }
    }
    settle_deferred(&before, &judge, &deferred, &mut told);
    news.look_at_the_rest(&wish.before);
    wish.before.iter().for_each(|seen| elsewhere::look(&mut news, seen));
    (told.finish(), news)
}

/// Handles what the walk has kept for later, while there is time.
fn settle_deferred(before: &Before<'_>, judge: &Judge, deferred: &Deferred, told: &mut Told) {
    let pointers = deferred.pointers.iter().map(|place| (place, true));
    for (place, is_pointer) in pointers.chain(deferred.tops.iter().map(|top| (top, false))) {
        if judge.is_late() {
            return told.cut_short(place, judge.time());
        }
        if !is_pointer || pointer::settle(before, place, &deferred.git_dirs, told) {
            names::settle_at(before, judge, place, is_pointer, told);
        }
    }
}

fn open_top(top: &SettleTop) -> Result<OwnedFd, Errno> {
    let open = open::dir_without_links(&top.path)?;
    let (now, then) = (id_of(stat::look_at_open(open.as_fd())?), top.identity);
    // Only statx(2) tells the time of birth. If it was refused, device and inode number must be enough: not to put the
    // workspace in order would be worse.
    let is_born_with = now.born.zip(then.born).is_none_or(|(now, then)| now == then);
    let has_its_numbers = (now.device, now.inode) == (then.device, then.inode);
    if has_its_numbers && is_born_with { Ok(open) } else { Err(Errno::ESTALE) }
}
