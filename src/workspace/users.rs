//! Homes in the user database (passwd(5)).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use crate::sys::content;

/// All of the database, however long: a system may have many users.
fn database() -> Option<Vec<u8>> {
    content::read_regular(c"/etc/passwd", u64::MAX - 1).ok()
}

/// Fields of a line, counted from zero.
const NAME: usize = 0;
const UID: usize = 2;
const HOME: usize = 5;

/// The home of user `uid`, if /etc/passwd has it.
pub(super) fn recorded_home(uid: u32) -> Option<PathBuf> {
    home_where(&database()?, UID, uid.to_string().as_bytes())
}

/// The home of the user called `name`, if /etc/passwd has it.
pub(super) fn home_of(name: &[u8]) -> Option<PathBuf> {
    home_where(&database()?, NAME, name)
}

/// The home in the first line in which field number `field` is `text`.
fn home_where(users: &[u8], field: usize, text: &[u8]) -> Option<PathBuf> {
    users.split(|&byte| byte == b'\n').find_map(|line| {
        let is_it = line.split(|&byte| byte == b':').nth(field)? == text;
        let home = line.split(|&byte| byte == b':').nth(HOME)?;
        is_it.then(|| PathBuf::from(OsStr::from_bytes(home)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_home_is_found_in_the_user_database() {
        let users = b"root:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\nbad line\n";
        assert_eq!(home_where(users, UID, b"1000"), Some("/home/u".into()));
        assert_eq!(home_where(users, UID, b"7"), None);
        assert_eq!((home_where(users, NAME, b"u"), home_where(users, NAME, b"x")), (Some("/home/u".into()), None));
    }
}
