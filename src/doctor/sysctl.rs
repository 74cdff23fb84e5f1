//! Sysctls that files set at boot (`sysctl.d(5)`): advice to set one must not be undone by a file that is read later.

use std::fs;

use super::root::Root;
use crate::error::quoted;

/// Where files are looked for. Of two with the same name, the one in the earlier directory counts.
const DIRECTORIES: [&str; 5] =
    ["etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d", "lib/sysctl.d"];
/// `sysctl --system` of procps reads this one after all others.
const LAST: &str = "etc/sysctl.conf";
/// The sysctls that advice is about begin like this.
const OURS: [&str; 2] = ["user.max_", "kernel.unprivileged_userns_clone"];
/// The name of the file in advice, and that of one that is read after those with a number.
const NAME: &str = "60-userns.conf";
const LATER: &str = "zz-userns.conf";

/// The sysctls of interest that files set: name and file, in the order in which they are read.
pub(super) fn settings(root: &Root<'_>) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> = Vec::new();
    for directory in DIRECTORIES {
        let entries = fs::read_dir(root.path(directory)).into_iter().flatten().flatten();
        for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
            if name.ends_with(".conf") && !files.iter().any(|(known, _)| *known == name) {
                files.push((name.clone(), format!("{directory}/{name}")));
            }
        }
    }
    files.sort();
    let paths = files.into_iter().map(|(_, path)| path).chain([LAST.to_owned()]);
    paths.flat_map(|path| names(&root.text(&path)).into_iter().map(move |name| (name, format!("/{path}")))).collect()
}

/// The sysctls of interest that the text of a file sets.
fn names(text: &str) -> Vec<String> {
    let name = |line: &str| {
        let name = line.split_once('=')?.0.trim();
        // A dash before the name means that a failure is no error; slashes may stand for dots.
        let name = name.strip_prefix('-').unwrap_or(name).replace('/', ".");
        OURS.iter().any(|ours| name.starts_with(ours)).then_some(name)
    };
    text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])).filter_map(name).collect()
}

/// How to set `name` for every user and for good, where files have these `settings`.
pub(super) fn advice(settings: &[(String, String)], name: &str, value: &str) -> String {
    let set_in = settings.iter().rev().find(|(known, _)| known == name).map(|(_, file)| file.as_str());
    let is_later = |file: &&str| file.rsplit('/').next().is_some_and(|last| last > NAME) || file[1..] == *LAST;
    let set = match set_in.filter(is_later) {
        Some(file) if file.starts_with("/etc/") => {
            format!("say {name}={value} in {} (which sets it at boot)", quoted(file))
        }
        // That of a package, which comes back with the next version of it.
        Some(_) => format!("echo {name}={value} > /etc/sysctl.d/{LATER}"),
        None => format!("echo {name}={value} > /etc/sysctl.d/{NAME}"),
    };
    format!("if every user of this host may have them: {set} && sysctl --system")
}
