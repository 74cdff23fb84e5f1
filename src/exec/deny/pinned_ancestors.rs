//! Directories above denied objects. They are held in their places.
//!
//! Whoever can rename such a directory takes its content along, covers included, and can put something else at the
//! denied path. The next run would cover that, and leave the real object open. A mount point can be neither renamed nor
//! removed (`rename(2)`, EBUSY). So the directory is mounted on itself, with the covers in it.
//!
//! The price is that nothing can be renamed or linked out of it any more (EXDEV). So this is done only if somebody
//! inside could rename the directory, and only if its name matters for the denial. A symbolic link on the way is
//! mounted on itself too, which has no price.

use std::collections::{BTreeMap, HashSet};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::inside::{Found, Ground, Inside};
use crate::plan::pattern::Pattern;
use crate::protocol::{Act, At, Failure, Outcome};
use crate::spec::path::{MAX_LINKS, join, split};
use crate::sys::open::{self, For, Open};
use crate::sys::{Errno, Result, content, mount, stat};

/// Directories to hold, by path. Each sorts after those above it.
#[derive(Default)]
pub(super) struct PinnedAncestors(BTreeMap<CString, Ancestor>);

struct Ancestor {
    /// The denial that it leads to.
    op: usize,
    /// Nothing below it may be moved out of it.
    confines: bool,
    /// Only for a symbolic link: its name in its parent directory.
    link: Option<CString>,
}

impl PinnedAncestors {
    /// Notes every directory above `path`, which is denied as a path.
    pub(super) fn lead_to(&mut self, path: &CStr, op: usize) {
        self.note(path, op, |_, _| true, None);
    }

    /// Notes the directories above `path` that match a part of `pattern` other than `**`. The names that `**` stands
    /// for do not matter, as long as nothing leaves the directory in which `**` begins.
    pub(super) fn lead_to_match(&mut self, path: &CStr, pattern: &Pattern) {
        let (before, behind) = pattern.names();
        self.note(path, pattern.op, |above, below| above <= before || below < behind, Some(before));
    }

    /// `counts` gets the depth of a directory, and the number of names that follow it. `confining` is the depth of the
    /// directory that nothing may leave.
    fn note(&mut self, path: &CStr, op: usize, counts: impl Fn(usize, usize) -> bool, confining: Option<usize>) {
        let bytes = path.to_bytes();
        let is_end = |at: &usize| *at > 0 && bytes[*at] == b'/' && bytes[at - 1] != b'/';
        let ends: Vec<usize> = (0..bytes.len()).filter(is_end).collect();
        for (number, &end) in ends.iter().enumerate() {
            let depth = number + 1;
            if counts(depth, ends.len() - number) {
                let ancestor = self.0.entry(CString::new(&bytes[..end]).unwrap_or_default());
                ancestor.or_insert(Ancestor { op, confines: false, link: None }).confines |= confining == Some(depth);
            }
        }
    }

    /// Notes each symbolic link on the way of `path`, as far as that exists, and the directories above each link.
    pub(super) fn trace_links(&mut self, path: &CStr, op: usize, inside: &Inside<'_, '_>) -> Result<()> {
        let mut waiting = vec![path.to_owned()];
        let mut links = 0;
        while let Some(path) = waiting.pop() {
            let bytes = path.to_bytes();
            let ends =
                (1..=bytes.len()).filter(|&at| bytes[at - 1] != b'/' && bytes.get(at).is_none_or(|&b| b == b'/'));
            for (parent, name) in ends.filter_map(|end| split(&CString::new(&bytes[..end]).ok()?)) {
                let dir = match inside.root.open(&parent, Open::Dir) {
                    Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => break,
                    dir => dir?,
                };
                let target = match content::read_link_at(dir.as_fd(), &name) {
                    Err(Errno::EINVAL) => continue,
                    Err(Errno::ENOENT | Errno::EACCES) => break,
                    target => target?,
                };
                let parent = inside.path_of(dir.as_fd())?;
                let parent = if parent.as_c_str() == c"/" { CString::default() } else { parent };
                let link = join(&parent, &name);
                waiting.push(if target.to_bytes().starts_with(b"/") { target } else { join(&parent, &target) });
                self.lead_to(&link, op);
                self.0.insert(link, Ancestor { op, confines: false, link: Some(name) });
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::ELOOP);
                }
            }
        }
        Ok(())
    }

    /// Holds all of them. Everything must be covered by now: the new mounts show the covers too.
    pub(super) fn hold(&self, inside: &Inside<'_, '_>) -> Outcome<()> {
        // Report each denial once: where there is no room for one mount, there is none for thousands.
        let mut told = HashSet::new();
        for (path, ancestor) in &self.0 {
            if let Err(failure) = ancestor.hold(path, inside).op(ancestor.op, Act::Keep)
                && told.insert(ancestor.op)
            {
                inside.fail(Failure { detail: Some(path.clone()), ..failure })?;
            }
        }
        Ok(())
    }
}

impl Ancestor {
    fn hold(&self, path: &CStr, inside: &Inside<'_, '_>) -> Result<()> {
        if let Some(name) = &self.link {
            return hold_link(path, name, inside);
        }
        let Some(found) = open(path, inside)? else { return Ok(()) };
        if !self.can_lose(found.as_fd(), inside)? {
            return Ok(());
        }
        mount::attach(mount::clone_opened(found.as_fd())?.as_fd(), found.as_fd(), c"")
    }

    /// Whether this is a directory of the host that must be held: it is no mount yet, and somebody inside could rename
    /// it, or could move something out of it that must stay.
    fn can_lose(&self, found: BorrowedFd<'_>, inside: &Inside<'_, '_>) -> Result<bool> {
        if inside.is_kernels(found)? || inside.ground(found, stat::fstat(found)?)? != Ground::Hosts {
            return Ok(false);
        }
        let here = stat::place_at(found, c"")?;
        if here == stat::place_at(inside.root.top(), c"")? {
            return Ok(false);
        }
        let parent = open::any_mount(found, c"..", For::Names)?;
        let is_mount = stat::place_at(parent.as_fd(), c"")?.mount != here.mount;
        Ok(!is_mount && (self.confines || inside.may_change(parent.as_fd())?))
    }
}

/// Opens a place on the way. `None` if it lies in something that is denied as a whole.
fn open(path: &CStr, inside: &Inside<'_, '_>) -> Result<Option<OwnedFd>> {
    match inside.look(path)? {
        Found::Object(found) => Ok((!inside.is_covered(stat::fstat(found.as_fd())?)).then_some(found)),
        Found::Closed => Ok(None),
        Found::Missing(_) => Err(Errno::ENOENT),
    }
}

fn hold_link(path: &CStr, name: &CStr, inside: &Inside<'_, '_>) -> Result<()> {
    let (parent, _) = split(path).ok_or(Errno::ENOENT)?;
    let Some(parent) = open(&parent, inside)? else { return Ok(()) };
    let link = open::path_at(parent.as_fd(), name)?;
    let about = stat::fstat(parent.as_fd())?;
    let is_mount = stat::place_at(link.as_fd(), c"")?.mount != stat::place_at(parent.as_fd(), c"")?.mount;
    if is_mount || inside.is_kernels(parent.as_fd())? {
        return Ok(());
    }
    if inside.ground(parent.as_fd(), about)? != Ground::Hosts || !inside.may_change(parent.as_fd())? {
        return Ok(());
    }
    mount::attach(mount::clone_here(link.as_fd())?.as_fd(), parent.as_fd(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(pinned: &PinnedAncestors) -> Vec<(&str, bool)> {
        pinned.0.iter().map(|(path, ancestor)| (path.to_str().unwrap(), ancestor.confines)).collect()
    }

    #[test]
    fn directories_are_noted_where_their_name_counts() {
        let mut pinned = PinnedAncestors::default();
        pinned.lead_to(c"/w/a/b/file", 0);
        assert_eq!(noted(&pinned), [("/w", false), ("/w/a", false), ("/w/a/b", false)]);
        let matched = |pattern: &[u8], path: &CStr| {
            let mut pinned = PinnedAncestors::default();
            pinned.lead_to_match(path, &Pattern::parse(0, pattern).unwrap());
            noted(&pinned).into_iter().map(|(path, confines)| (path.to_owned(), confines)).collect::<Vec<_>>()
        };
        let path = c"/w/a/b/c/file";
        let own = |list: &[(&str, bool)]| list.iter().map(|(path, is)| ((*path).to_owned(), *is)).collect::<Vec<_>>();
        assert_eq!(matched(b"/w/a/**/file", path), own(&[("/w", false), ("/w/a", true)]));
        assert_eq!(matched(b"/w/**/c/f*", path), own(&[("/w", true), ("/w/a/b/c", false)]));
        let all = own(&[("/w", false), ("/w/a", false), ("/w/a/b", false), ("/w/a/b/c", false)]);
        assert_eq!(matched(b"/w/*/?/c/f*", path), all);
        let all = own(&[("/w", true), ("/w/a", false), ("/w/a/b", false), ("/w/a/b/c", false)]);
        assert_eq!(matched(b"/w/**/b/**/f*", path), all);
        assert_eq!(matched(b"/w/a/**", c"/w/a/b"), own(&[("/w", false), ("/w/a", true)]));
        assert_eq!(matched(b"/**/file", path), []);
    }
}
