//! What may come of a launch in which one call failed or one process was killed.
//!
//! There are two good ends: the launch is complete and its box the same as ever, or it is refused with a message, the
//! payload did not run, and nothing is left. Everything else is an error of the tool.

use std::collections::HashMap;
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::launch::{Fds, Launch, PAYLOAD_CODE};
use super::shot::{Aim, End, Hit, Lineage, Shot, Trace};

/// What one run left to see.
pub(crate) struct Seen {
    pub(crate) end: End,
    /// What the payload told, without what differs from run to run.
    pub(crate) told: Vec<String>,
    /// What the tool wrote to its own descriptors (--info-fd and the like), likewise.
    reports: Vec<String>,
    pub(crate) stderr: String,
    evidence: bool,
    started: bool,
    /// Files or mounts that were not there before.
    left: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Complete and identical.
    Complete,
    /// Ended before the payload, and said so (or could not, being killed).
    Refused,
    /// Hit after the payload had started in a right box: not a launch any more.
    Late,
}

impl Seen {
    pub(crate) fn new(trace: &Trace, fds: &Fds, evidence: bool, left: Vec<String>) -> Seen {
        Seen {
            end: trace.end,
            told: normalised(&fds.stdout()),
            reports: fds.reports().iter().map(|text| without_numbers(text)).collect(),
            stderr: fds.stderr(),
            evidence,
            started: trace.started,
            left,
        }
    }

    /// A good run without any injection.
    pub(crate) fn is_complete(&self) -> bool {
        self.end == End::Exited(PAYLOAD_CODE) && self.evidence && self.started && self.left.is_empty()
    }

    /// The first difference to another run.
    pub(crate) fn difference(&self, other: &Seen) -> Option<String> {
        if self.end != other.end {
            return Some(format!("it ended with {:?} instead of {:?}", self.end, other.end));
        }
        if self.reports != other.reports {
            return Some(format!("the tool reported {:?} instead of {:?}", self.reports, other.reports));
        }
        self.difference_of_box(other)
    }

    fn difference_of_box(&self, other: &Seen) -> Option<String> {
        if let Some((ours, theirs)) = self.told.iter().zip(&other.told).find(|(ours, theirs)| ours != theirs) {
            return Some(format!("the payload saw `{ours}` instead of `{theirs}`"));
        }
        if self.told.len() != other.told.len() {
            return Some(format!("the payload told {} lines instead of {}", self.told.len(), other.told.len()));
        }
        (self.evidence != other.evidence).then(|| "the payload could not leave its file".into())
    }

    fn payload_ran(&self) -> bool {
        self.evidence || !self.told.is_empty()
    }

    /// Whether the payload, as far as it came, was in a right box.
    fn is_beginning_of(&self, whole: &Seen) -> bool {
        // The last line may have been cut by its end.
        let lines = self.told.len().saturating_sub(1);
        self.told.len() <= whole.told.len() && self.told[..lines] == whole.told[..lines]
    }
}

/// Judges a run in which `hit` took place; `normal` is the run without it.
pub(crate) fn judge(launch: &Launch, aim: &Aim, hit: Hit, seen: &Seen, normal: &Seen) -> Result<Verdict, String> {
    if !seen.left.is_empty() {
        return Err(format!("it left {}", seen.left.join(", ")));
    }
    let difference = seen.difference(normal);
    match aim.shot {
        Shot::Fail(Errno::EINTR) => match difference {
            None => Ok(Verdict::Complete),
            Some(difference) => Err(format!("not tried again after EINTR: {difference}{}", said(seen))),
        },
        Shot::Fail(_) if difference.is_none() && hit.call.is_unseen_restriction() => Err(format!(
            "the payload ran although {}({:#x}, {:#x}) failed",
            hit.call, hit.call.args[0], hit.call.args[1]
        )),
        _ if difference.is_none() => Ok(Verdict::Complete),
        Shot::Fail(_) if hit.after_start || hit.after_ready => late(launch, seen, normal),
        Shot::Fail(_) => refused(launch, seen, difference),
        Shot::Kill if hit.after_start => late(launch, seen, normal),
        Shot::Kill if aim.at.process == Lineage::tool() => supervisor_killed(launch, seen, normal),
        // Whoever is killed on its way into the payload's program ends as the payload: 128 + 9.
        Shot::Kill if hit.after_ready => late(launch, seen, normal),
        // Without a pid namespace and --die-with-parent nothing ends the payload-to-be of an init that is killed.
        Shot::Kill if seen.payload_ran() && !launch.dies_with_parent => late(launch, seen, normal),
        Shot::Kill => refused(launch, seen, difference),
    }
}

fn refused(launch: &Launch, seen: &Seen, difference: Option<String>) -> Result<Verdict, String> {
    if seen.payload_ran() {
        let difference = difference.unwrap_or_default();
        return Err(format!("the payload ran, but the launch was not complete: {difference}{}", said(seen)));
    }
    // The standard library aborts where a directory cannot be closed, with words of its own.
    if seen.end == End::Killed(Signal::SIGABRT) && seen.stderr.contains("unexpected error during closedir") {
        return Ok(Verdict::Refused);
    }
    if !matches!(seen.end, End::Exited(code) if launch.door.has_failed(code)) {
        return Err(format!("it ended with {:?}, not with the tool's code{}", seen.end, said(seen)));
    }
    has_message(launch, seen).map(|()| Verdict::Refused)
}

/// A supervisor that is killed says nothing. Without --die-with-parent the box may outlive it, but only whole.
fn supervisor_killed(launch: &Launch, seen: &Seen, normal: &Seen) -> Result<Verdict, String> {
    if !seen.payload_ran() {
        return Ok(Verdict::Refused);
    }
    if launch.dies_with_parent {
        return Err("the payload ran after its supervisor's death, in spite of --die-with-parent".into());
    }
    match seen.difference_of_box(normal) {
        None => Ok(Verdict::Complete),
        Some(difference) => Err(format!("the payload ran in an unfinished box: {difference}")),
    }
}

/// The payload was running: it must have been in a right box, and the tool must not tell an end that was none.
fn late(launch: &Launch, seen: &Seen, normal: &Seen) -> Result<Verdict, String> {
    if !seen.is_beginning_of(normal) {
        return Err(format!("the box changed: {}", seen.difference_of_box(normal).unwrap_or_default()));
    }
    match seen.end {
        End::Exited(code) if launch.door.has_failed(code) => has_message(launch, seen).map(|()| Verdict::Late),
        // The payload's own end: its code, or the signal by which it died (128 + n).
        End::Exited(PAYLOAD_CODE | 129..) | End::Killed(_) => Ok(Verdict::Late),
        End::Exited(code) => Err(format!("it ended with code {code}{}", said(seen))),
    }
}

/// `bwrap: STEP: REASON`, `pinfold: STEP: REASON`: there must be more than the reason.
fn has_message(launch: &Launch, seen: &Seen) -> Result<(), String> {
    let names_a_step = |line: &str| {
        line.strip_prefix(launch.door.prefix()).is_some_and(|text| {
            let text = text.trim();
            !text.is_empty() && (1..134).all(|number| Errno::from_raw(number).desc() != text)
        })
    };
    if seen.stderr.lines().any(names_a_step) {
        return Ok(());
    }
    Err(format!("no message names the step{}", said(seen)))
}

fn said(seen: &Seen) -> String {
    format!("; stderr: {:?}", seen.stderr.trim_end())
}

/// The payload's words without what differs from run to run: pids, mount ids, device numbers, temporary names, and the
/// inodes of namespaces, of which only stays whether they are the host's.
fn normalised(text: &str) -> Vec<String> {
    let host = host_namespaces();
    let mut section = "";
    let mut positions = HashMap::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            section = name;
            positions.clear();
        }
        lines.push(match section {
            "mountinfo" if !line.starts_with("== ") => mount(line, &mut positions),
            "links" if host.iter().any(|namespace| namespace == line) => {
                format!("{} of the host", without_numbers(line))
            }
            "links" => without_pids(line),
            _ => line.to_owned(),
        });
    }
    lines
}

/// A line of mountinfo, see proc_pid_mountinfo(5): `id parent major:minor root target flags [shared:N …] - type source
/// options`. The parent becomes the line number of the mount it names.
fn mount<'a>(line: &'a str, positions: &mut HashMap<&'a str, usize>) -> String {
    let fields: Vec<&str> = line.split(' ').collect();
    let [id, parent, _device, root, rest @ ..] = &fields[..] else { return line.to_owned() };
    let parent = positions.get(parent).map_or_else(|| "outside".to_owned(), usize::to_string);
    positions.insert(id, positions.len());
    // A file that was unlinked after it was bound had a random name.
    let root = if root.ends_with("//deleted") { "(deleted)" } else { root };
    let is_peer_group = |field: &&str| ["shared:", "master:", "propagate_from:"].iter().any(|p| field.starts_with(p));
    // The layers of an overlay were descriptors of the tool, whose numbers say nothing.
    let has_numbers = |field: &&str| is_peer_group(field) || field.contains("=/proc/self/fd/");
    let rest: Vec<String> =
        rest.iter().map(|field| if has_numbers(field) { without_numbers(field) } else { (*field).into() }).collect();
    format!("on {parent}: {root} {}", rest.join(" "))
}

/// Every run of digits becomes `N`.
fn without_numbers(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for character in text.chars() {
        if !character.is_ascii_digit() {
            kept.push(character);
        } else if !kept.ends_with('N') {
            kept.push('N');
        }
    }
    kept
}

/// `/proc/12/fd/3` → `/proc/N/fd/3`, `pipe:[123]` → `pipe:[N]`; the numbers of descriptors stay.
fn without_pids(line: &str) -> String {
    let words = line.split(' ').map(|word| match word.strip_prefix("/proc/").and_then(|rest| rest.split_once('/')) {
        Some((_, rest)) => format!("/proc/N/{rest}"),
        None if word.ends_with(']') => without_numbers(word),
        None => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

fn host_namespaces() -> Vec<String> {
    let Ok(entries) = fs::read_dir("/proc/thread-self/ns") else { return Vec::new() };
    let targets = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.map(|target| target.to_string_lossy().into_owned()).collect()
}
