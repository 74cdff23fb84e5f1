//! Output without what differs from run to run or by design: one place that says what a comparison ignores.

use std::collections::BTreeMap;
use std::fs;

/// Standard error without pinfold's advice: after the error one `hint: …` line may follow, which bubblewrap has not.
pub(crate) fn stderr(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("hint: ")).flat_map(|line| [line, "\n"]).collect()
}

/// What `--info-fd` and `--json-status-fd` say, without process ids and inode numbers.
pub(crate) fn status_lines(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) =
        rest.find("-pid\": ").map(|at| at + 7).into_iter().chain(rest.find("space\": ").map(|at| at + 8)).min()
    {
        let (head, tail) = rest.split_at(at);
        let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        out += head;
        out += if digits > 0 { "N" } else { "" };
        rest = &tail[digits..];
    }
    out + rest
}

/// Standard output; what `probe state` printed is taken apart, anything else stays nearly as it is.
pub(crate) fn stdout(text: &str) -> String {
    let Some((before, state)) = text.split_once("probe-state\n") else { return status_lines(text) };
    let (mounts, others): (Vec<&str>, Vec<&str>) = state.lines().partition(|line| line.starts_with("mountinfo "));
    let mut out = format!("{before}probe-state\n");
    for line in others {
        out += &state_line(line);
        out.push('\n');
    }
    let mounts: Vec<Mount> = mounts.iter().filter_map(|line| Mount::parse(line)).collect();
    let mut lines: Vec<String> = mounts.iter().filter(|mount| mount.visible(&mounts)).map(Mount::line).collect();
    lines.sort();
    out + &lines.concat()
}

fn state_line(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    match words.as_slice() {
        // In a pid namespace of its own a process has a small number, which is compared.
        ["pid" | "ppid", number] if number.len() > 2 => format!("{} of the host", words[0]),
        ["ns", name, inode] => {
            let ours = fs::read_link(format!("/proc/self/ns/{name}")).is_ok_and(|link| link.as_os_str() == *inode);
            format!("ns {name} {}", if ours { "of the host" } else { "new" })
        }
        // bubblewrap makes a second user namespace for `--dev`, so that the middle number tells its inner workings.
        ["uid_map" | "gid_map", inside, _, "1"] => format!("{} {inside} * 1", words[0]),
        _ => line.to_owned(),
    }
}

/// A line of mountinfo, proc_pid_mountinfo(5).
#[derive(Debug)]
struct Mount {
    id: u32,
    parent: u32,
    root: String,
    point: String,
    options: String,
    kind: String,
    source: String,
    super_options: String,
}

impl Mount {
    fn parse(line: &str) -> Option<Mount> {
        let (first, last) = line.strip_prefix("mountinfo ")?.split_once(" - ")?;
        let (first, last): (Vec<&str>, Vec<&str>) = (first.split(' ').collect(), last.split(' ').collect());
        Some(Mount {
            id: first.first()?.parse().ok()?,
            parent: first.get(1)?.parse().ok()?,
            root: (*first.get(3)?).to_owned(),
            point: (*first.get(4)?).to_owned(),
            options: (*first.get(5)?).to_owned(),
            kind: (*last.first()?).to_owned(),
            source: (*last.get(1)?).to_owned(),
            super_options: (*last.get(2)?).to_owned(),
        })
    }

    /// Whether a path leads to this mount: no other mount covers it or a directory above it.
    ///
    /// bubblewrap leaves the flags of hidden submounts as they are; the new mount interface sets them all. Nobody can
    /// reach them, so they are not compared.
    fn visible(&self, all: &[Mount]) -> bool {
        let by_id: BTreeMap<u32, &Mount> = all.iter().map(|mount| (mount.id, mount)).collect();
        let covered = |below: &str, above: &Mount| {
            above.point == below || below.starts_with(&format!("{}/", above.point.trim_end_matches('/')))
        };
        if all.iter().any(|other| other.parent == self.id && other.point == self.point) {
            return false;
        }
        let mut child = self;
        while let Some(parent) = by_id.get(&child.parent).filter(|parent| parent.id != child.id) {
            let mut siblings = all.iter().filter(|other| other.parent == parent.id && other.id != child.id);
            if siblings.any(|other| covered(&child.point, other)) {
                return false;
            }
            child = parent;
        }
        true
    }

    /// The mount without ids, device numbers, propagation, and the names of the tool's own hidden files.
    fn line(&self) -> String {
        let own = self.kind == "tmpfs" || self.kind == "overlay";
        let root = match self.root.as_str() {
            "/newroot" if own => "/",
            root if own && root.ends_with("//deleted") => "(unlinked)",
            root => root,
        };
        let hidden = ["uid=", "gid=", "lowerdir", "upperdir=", "workdir=", "inode64"];
        // bubblewrap's root is a directory of its tmpfs, whose own mode says nothing.
        let own_root = own && self.point == "/";
        let ignored = |option: &str| {
            hidden.iter().any(|name| option.starts_with(name)) || (own_root && option.starts_with("mode="))
        };
        let options: Vec<&str> = self.super_options.split(',').filter(|option| !ignored(option)).collect();
        let Mount { point, options: flags, kind, source, .. } = self;
        format!("mount {point} from {root} {flags} {kind} {source} {}\n", options.join(","))
    }
}
