//! The program: the files it may be, its arguments and its environment.

use std::ffi::{CStr, CString};

use crate::spec::env;

/// The arguments of `execve(2)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exec {
    /// The command as it was typed.
    pub command: CString,
    /// The files to try, in this order. Empty if the name cannot be a file name.
    pub files: Vec<CString>,
    /// Its arguments, the name first.
    pub arguments: Vec<CString>,
    /// Its environment. At launch, the entry at `pwd_at` is replaced by one of `pwd`.
    pub environment: Vec<CString>,
    /// Index of `PWD` in the environment.
    pub pwd_at: usize,
    /// `PWD=…` for each candidate of the working directory, in the same order.
    pub pwd: Vec<CString>,
}

impl Exec {
    /// Prepares `command`. It is looked up in the `PATH` of `environment`, as by `execvp(3)`.
    pub(super) fn new(
        command: Vec<CString>,
        argv0: Option<CString>,
        environment: &mut Vec<CString>,
        cwds: &[CString],
    ) -> Exec {
        let mut arguments = command;
        let command = arguments.first().cloned().unwrap_or_default();
        let files = files(&command, env::value(environment, c"PATH"));
        if let (Some(argv0), Some(first)) = (argv0, arguments.first_mut()) {
            *first = argv0;
        }
        let known = environment.iter().position(|entry| entry.to_bytes().starts_with(b"PWD="));
        let pwd_at = known.unwrap_or_else(|| {
            environment.push(c"PWD=".into());
            environment.len() - 1
        });
        let pwd = cwds.iter().map(|path| env::entry(c"PWD", path)).collect();
        Exec { command, files, arguments, environment: std::mem::take(environment), pwd_at, pwd }
    }

    /// The arguments for a file without `#!`: `/bin/sh`, the file, the program's arguments (`execvp(3)`, ENOEXEC).
    pub(crate) fn shell_arguments<'a>(&'a self, file: &'a CStr) -> impl Iterator<Item = &'a CStr> {
        [c"/bin/sh", file].into_iter().chain(self.arguments.iter().skip(1).map(CString::as_c_str))
    }
}

/// Longest file name in bytes (`NAME_MAX` of limits.h).
const NAME_MAX: usize = 255;

fn files(command: &CStr, path: Option<&[u8]>) -> Vec<CString> {
    let name = command.to_bytes();
    if name.contains(&b'/') {
        return vec![command.to_owned()];
    }
    if name.is_empty() || name.len() > NAME_MAX {
        return Vec::new();
    }
    // glibc's default if `PATH` is not set: confstr(3), _CS_PATH.
    let directories = path.unwrap_or(b"/bin:/usr/bin").split(|&byte| byte == b':');
    let file = |directory: &[u8]| {
        let mut file = Vec::with_capacity(directory.len() + name.len() + 2);
        if !directory.is_empty() {
            file.extend_from_slice(directory);
            file.push(b'/');
        }
        file.extend_from_slice(name);
        CString::new(file).ok()
    };
    directories.filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_in_the_path_and_an_empty_part_means_here() {
        assert_eq!(files(c"a", Some(b"/x::/y/")), [c"/x/a".to_owned(), c"a".into(), c"/y//a".into()]);
        assert_eq!(files(c"a", None), [c"/bin/a".to_owned(), c"/usr/bin/a".into()]);
        assert_eq!(files(c"./a", Some(b"/x")), [c"./a".to_owned()]);
        assert_eq!(files(c"", Some(b"/x")), Vec::<CString>::new());
    }

    #[test]
    fn pwd_keeps_its_place_and_is_added_where_there_is_none() {
        let command = || vec![c"a".to_owned(), c"b".into()];
        let exec = Exec::new(command(), None, &mut vec![c"PWD=/old".into(), c"A=1".into()], &[c"/new".into()]);
        assert_eq!((exec.pwd_at, exec.pwd), (0, vec![c"PWD=/new".to_owned()]));
        let exec = Exec::new(command(), Some(c"z".into()), &mut vec![c"A=1".into()], &[]);
        assert_eq!(exec.pwd_at, 1);
        assert_eq!(exec.arguments, [c"z".to_owned(), c"b".into()]);
        assert_eq!(exec.shell_arguments(c"/f").collect::<Vec<_>>(), [c"/bin/sh", c"/f", c"b"]);
    }
}
