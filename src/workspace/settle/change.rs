//! Changes in a directory of the workspace: what git would obey gets another name, or is removed.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};

use super::told::{Deeds, shortened, shown};
use crate::error::printable;
use crate::sys::{Errno, Result, content, kernel, make, stat};

/// How many short names are tried for a file that is set aside. After that, as many random ones are tried, which the
/// program cannot guess and take first.
pub(super) const MOST_NAMES: u32 = 10;

/// Removes a link in `dir`, whatever it leads to.
pub(super) fn remove_link(dir: BorrowedFd<'_>, name: &CStr, deeds: &mut Deeds) {
    if let Some(target) = target_of(dir, name, deeds) {
        remove(dir, name, b"", &target, deeds);
    }
}

pub(super) fn target_of(dir: BorrowedFd<'_>, name: &CStr, deeds: &mut Deeds) -> Option<CString> {
    match content::read_link_at(dir, name) {
        Ok(target) => return Some(target),
        // Somebody works here.
        Err(Errno::ENOENT | Errno::EINVAL) => {}
        Err(errno) => deeds.failed("cannot look at a link", errno),
    }
    None
}

/// Removes the link `name` in `dir`. `around` is the path of `dir` for the message.
pub(super) fn remove(dir: BorrowedFd<'_>, name: &CStr, around: &[u8], target: &CStr, deeds: &mut Deeds) {
    let link = || {
        let whole = [around, b"/", name.to_bytes()].concat();
        let whole = shortened(whole.strip_prefix(b"/").unwrap_or(&whole));
        format!("the link {} -> {}", printable(whole), shown(target))
    };
    match with_write(dir, || make::unlink_at(dir, name)) {
        Ok(()) => deeds.add(|| format!("{} is removed", link())),
        Err(errno) => deeds.failed(&format!("cannot remove {}", link()), errno),
    }
}

/// Renames something to a name that git does not know. If that fails, reports it and returns false.
pub(super) fn set_aside(dir: BorrowedFd<'_>, name: &CStr, why: &str, deeds: &mut Deeds) -> bool {
    let mut result = Err(Errno::EEXIST);
    for number in 0..2 * MOST_NAMES {
        let mut to = [name.to_bytes(), b".from-sandbox"].concat();
        match number {
            0 => {}
            1..MOST_NAMES => to.extend_from_slice(format!(".{number}").as_bytes()),
            _ => to.extend_from_slice(format!(".{:016x}", kernel::random()).as_bytes()),
        }
        let to = CString::new(to).unwrap_or_default();
        result = with_write(dir, || make::rename_new(dir, name, &to));
        match result {
            Err(Errno::EEXIST) => {}
            Ok(()) => {
                deeds.set_aside(name, &to, why);
                return true;
            }
            Err(_) => break,
        }
    }
    if let Err(errno) = result {
        deeds.failed(&format!("{} {why}, and cannot be renamed", name.to_string_lossy()), errno);
    }
    false
}

/// Writes a file that does not exist yet.
pub(super) fn write_new(dir: BorrowedFd<'_>, name: &CStr, text: &[u8]) -> Result<()> {
    with_write(dir, || {
        let file = make::new_file_at(dir, name, 0o644)?;
        content::write_all(file.as_fd(), text)
    })
}

/// Changes something in a directory, even if the user has taken away their own permission to write to it.
pub(super) fn with_write<T>(dir: BorrowedFd<'_>, change: impl Fn() -> Result<T>) -> Result<T> {
    opened_for(change, || Ok(stat::fstat(dir)?.permissions()), |mode| make::set_mode(dir, mode))
}

/// Makes a change. If the permissions do not allow it, adds them for a moment. Returns the result of the change, even
/// if the old permissions cannot be restored: the user can do that, and an error would say that nothing was changed.
pub(super) fn opened_for<T>(
    change: impl Fn() -> Result<T>,
    mode: impl FnOnce() -> Result<u32>,
    set_mode: impl Fn(u32) -> Result<()>,
) -> Result<T> {
    let result = change();
    if !matches!(result, Err(Errno::EACCES)) {
        return result;
    }
    // The mode of another user's directory cannot be changed. Then the first result counts.
    let Some(mode) = mode().ok().filter(|mode| set_mode(mode | 0o700).is_ok()) else { return result };
    let result = change();
    let _closed_again = set_mode(mode).is_ok();
    result
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    #[test]
    fn a_change_counts_also_where_the_directory_cannot_be_closed_again() {
        for (fails_at, result, expected) in
            [(0, Err(Errno::EACCES), &[0o755][..]), (1, Ok(()), &[0o755, 0o555]), (2, Ok(()), &[0o755, 0o555])]
        {
            let (modes, is_open) = (RefCell::new(Vec::new()), Cell::new(false));
            let change = || if is_open.get() { Ok(()) } else { Err(Errno::EACCES) };
            let set_mode = |mode| {
                modes.borrow_mut().push(mode);
                if modes.borrow().len() == fails_at + 1 {
                    return Err(Errno::EPERM);
                }
                is_open.set(mode & 0o200 != 0);
                Ok(())
            };
            assert_eq!(opened_for(change, || Ok(0o555), set_mode), result, "{fails_at}");
            assert_eq!(*modes.borrow(), expected, "{fails_at}");
        }
    }
}
