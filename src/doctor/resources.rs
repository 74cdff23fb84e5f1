//! What a sandbox can be given besides its restrictions: control groups, more ids, a terminal. No side effects, as in
//! `verdict`.

use super::facts::{Cgroup, Facts};
use super::finding::{Area, Finding, note};
use super::ids::{ENOUGH, Helper, IdRanges, Ranges};
use crate::error::quoted;

/// The controllers that the limits of a sandbox need.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

pub(super) fn cgroups(cgroup: &Cgroup) -> Area {
    let cost = "control groups cannot limit memory, processes and CPU time here";
    let mut findings = Vec::new();
    let has_all = |given: &[String]| CONTROLLERS.iter().all(|wanted| given.iter().any(|name| name == wanted));
    let missing = |given: &[String]| {
        let missing = CONTROLLERS.iter().filter(|wanted| !given.iter().any(|name| name == *wanted));
        missing.copied().collect::<Vec<_>>().join(", ")
    };
    let value = if cgroup.mount.is_none() {
        let fix = "boot with systemd.unified_cgroup_hierarchy=1, or mount it: mount -t cgroup2 none /sys/fs/cgroup";
        findings.push(note("cgroup-v2-missing", "control groups of version 2 are not mounted", cost, fix));
        "version 2 is not mounted".into()
    } else if cgroup.is_writable && has_all(&cgroup.controllers) {
        "this process may divide its own group".to_owned()
    } else if cgroup.manager && has_all(&cgroup.delegated) {
        "the user's service manager can make groups".into()
    } else if cgroup.manager {
        let what = format!("the user's service manager has not been given: {}", missing(&cgroup.delegated));
        let fix =
            "as root: systemctl edit user@.service, and in [Service]: Delegate=cpu memory pids; then log in again";
        findings.push(note("cgroup-controllers", what, cost, fix));
        "not all controllers are delegated".into()
    } else if cgroup.is_writable {
        let what = format!("the control group of this process lacks: {}", missing(&cgroup.controllers));
        let fix = "write `+cpu +memory +pids` to cgroup.subtree_control of the group above, as its owner";
        findings.push(note("cgroup-controllers", what, cost, fix));
        "not all controllers are there".into()
    } else {
        let fix = "start it where a group is delegated: systemd-run --user --scope -p Delegate=yes -- COMMAND in a session \
                   of systemd, loginctl enable-linger USER for a user without one";
        findings.push(note("cgroup-not-delegated", "no control group is delegated to this user", cost, fix));
        "not delegated".into()
    };
    Area::new("control groups", value, findings)
}

/// The cost of having no ranges.
const RANGES_COST: &str =
    "a sandbox can have the caller's own id and no other (this version of pinfold maps no ranges)";

pub(super) fn id_ranges(ids: &IdRanges) -> Area {
    if ids.elsewhere {
        let value = "kept by another service than /etc/subuid (nsswitch.conf)".into();
        return Area::new("id ranges", value, Vec::new());
    }
    let mut findings = Vec::new();
    let missing = [&ids.uids, &ids.gids].into_iter().filter(|ranges| ranges.state == Helper::Missing);
    let missing: Vec<&str> = missing.map(|ranges| ranges.helper).collect();
    if !missing.is_empty() {
        let fix = "install it: apt-get install uidmap (Debian, Ubuntu), dnf install shadow-utils-subid (Fedora), apk add \
                   shadow-subids (Alpine)";
        findings.push(note("id-helper-missing", format!("not installed: {}", missing.join(", ")), RANGES_COST, fix));
    }
    for (ranges, kind) in [(&ids.uids, "uids"), (&ids.gids, "gids")] {
        findings.extend(range(ids, ranges, kind));
    }
    let value = match (ids.uids.total(), ids.gids.total()) {
        (0, 0) => "none".into(),
        (uids, gids) => format!("{uids} user ids, {gids} group ids"),
    };
    Area::new("id ranges", value, findings)
}

/// The first problem with one kind of ranges.
fn range(ids: &IdRanges, ranges: &Ranges, kind: &str) -> Option<Finding> {
    let cost = RANGES_COST;
    let (user, file) = (quoted(&ids.user), ranges.file);
    let add = |from: u64| format!("as root: usermod --add-sub{kind} {from}-{} {user}", from + ENOUGH - 1);
    let total = ranges.total();
    Some(match (&ranges.state, &ranges.overlap) {
        // `id_ranges` reports this once for both kinds.
        (Helper::Missing, _) => return None,
        (Helper::Powerless(path), _) => {
            let cap = if kind == "uids" { "cap_setuid" } else { "cap_setgid" };
            let fix = format!("as root: setcap {cap}=ep {path} (or chmod u+s {path})");
            note("id-helper-powerless", format!("{path} is neither setuid nor has {cap}"), cost, &fix)
        }
        (Helper::Ready, _) if total == 0 => {
            note("id-range-missing", format!("{file} has no line for {user}"), cost, &add(ranges.free))
        }
        (Helper::Ready, Some((owner, (start, count)))) => {
            let owner = super::printable(owner);
            let what = format!("the range {start}:{count} of {user} in {file} shares ids with one of {owner}");
            let (end, free) = (start + count.saturating_sub(1), ranges.free);
            let fix = format!(
                "as root: usermod --del-sub{kind} {start}-{end} --add-sub{kind} {free}-{} {user}",
                free + ENOUGH - 1
            );
            note("id-range-overlap", what, cost, &fix)
        }
        (Helper::Ready, None) if total < ENOUGH => {
            let what = format!("{user} has only {total} ids in {file}; a distribution takes {ENOUGH}");
            note("id-range-small", what, cost, &add(ranges.free))
        }
        (Helper::Ready, None) => return None,
    })
}

pub(super) fn terminal(facts: &Facts) -> Area {
    let mut findings = Vec::new();
    if facts.tiocsti != Some(false) {
        findings.push(note(
            "tiocsti",
            "programs may push input into their terminal (TIOCSTI)",
            "a sandbox that shares the terminal with your shell could type into it (CVE-2017-5226); the seccomp profiles \
             that come with pinfold refuse that",
            "use a shipped profile or --new-session; sysctl -w dev.tty.legacy_tiocsti=0 (Linux 6.2) ends it for everybody",
        ));
    }
    let value = if findings.is_empty() { "TIOCSTI is off" } else { "TIOCSTI is on" };
    Area::new("terminal", value.into(), findings)
}
