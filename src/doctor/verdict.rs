//! Turns facts, trials and rehearsals into findings. No side effects.

use std::collections::BTreeSet;

use super::causes::{no_user_namespace, raise_limit, refused, why_not};
use super::facts::{Facts, Launcher};
use super::finding::{Area, Finding, Severity, blocks, costs};
use super::rehearsal::{Refusal, Rehearsal, Rehearsals};
use super::resources::terminal;
use super::trials::{Trial, Trials, Tried};
use crate::host::OLDEST_KERNEL;
use crate::sys::Errno;

/// What works here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tiers {
    /// A sandbox with everything. Landlock may be missing, if this host has none.
    pub(super) full: bool,
    /// A sandbox without its own procfs.
    pub(super) no_proc: bool,
    /// No namespaces, but Landlock and a system call filter.
    pub(super) landlock_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) areas: Vec<Area>,
    pub(super) tiers: Tiers,
}

impl Verdict {
    pub(super) fn of(facts: &Facts, trials: &Trials, rehearsals: &Rehearsals) -> Verdict {
        let mut areas = vec![
            program(facts),
            kernel(facts, trials),
            user_namespaces(facts, trials),
            namespaces(facts, trials),
            mounts(facts, trials),
            proc(facts, trials),
            seccomp(facts, trials),
            landlock(facts, trials, rehearsals),
            overlay(facts, trials),
            terminal(facts),
        ];
        areas.extend(trials.stuck.map(|errno| processes(facts, errno)));
        say_each_cause_once(&mut areas);
        leave_out_what_does_not_help(&mut areas, rehearsals);
        let findings = || areas.iter().flat_map(|area| &area.findings);
        match &rehearsals.full {
            // A real box is worth more than any reasoning about its parts.
            Rehearsal::Works => {
                for area in &mut areas {
                    area.severity = area.severity.min(Some(Severity::Costs));
                    for finding in &mut area.findings {
                        finding.severity = finding.severity.min(Severity::Costs);
                    }
                }
            }
            Rehearsal::Fails { .. } if findings().any(|finding| finding.severity == Severity::Blocks) => {}
            Rehearsal::Fails { message, hint, failure: _ } => {
                let fix = hint.clone().unwrap_or_else(|| "pinfold run --profile base true shows it again".into());
                let finding = blocks("box-fails", in_one_line(message), vec![in_one_line(&fix)]);
                let cost = "the sandbox that `pinfold run` makes without options cannot be made".into();
                areas.push(Area::new("a real box", "fails".into(), vec![Finding { cost, ..finding }]));
            }
        }
        let landlock_only = works(trials, Trial::Landlock) && works(trials, Trial::Filter);
        let tiers = Tiers { full: rehearsals.no_landlock.works(), no_proc: rehearsals.no_proc.works(), landlock_only };
        Verdict { areas, tiers }
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = (&'static str, &Finding)> {
        self.areas.iter().flat_map(|area| area.findings.iter().map(|finding| (area.name, finding)))
    }
}

/// Joins the lines of a message into one.
fn in_one_line(message: &str) -> String {
    super::printable(message.lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

/// No process can be made, so nothing could be tried.
fn processes(facts: &Facts, errno: Errno) -> Area {
    Area::new("processes", "cannot be made".into(), vec![refused(facts, errno, "no-process", "a new process")])
}

/// A configuration file of the user's or the host's prevents every sandbox.
pub(super) fn set_up(Refusal { error, .. }: &Refusal) -> Area {
    let look = "mend that file, or take it away; `pinfold profile list` shows where profiles come from";
    let fix = error.hint.as_ref().map_or_else(|| look.to_owned(), ToString::to_string);
    let finding = blocks("set-up", String::from_utf8_lossy(&error.text()), vec![fix]);
    let cost = "`pinfold run` refuses to start anything; `pinfold bwrap` is not concerned".into();
    Area::new("set-up", "is in the way".into(), vec![Finding { cost, ..finding }])
}

/// Reports each cause once, however many areas it affects. Only the first area keeps the finding.
fn say_each_cause_once(areas: &mut [Area]) {
    let is_cause = |id| ["apparmor-userns", "apparmor-profile", "seccomp-around", "selinux"].contains(&id);
    let mut known = BTreeSet::new();
    for area in areas {
        let before = area.findings.len();
        area.findings.retain(|finding| !is_cause(finding.id) || known.insert(finding.id));
        if area.findings.is_empty() && before > 0 {
            area.value.push_str(", for the reason above");
        }
    }
}

/// Removes advice that was tried and does not help.
fn leave_out_what_does_not_help(areas: &mut [Area], rehearsals: &Rehearsals) {
    for finding in areas.iter_mut().flat_map(|area| &mut area.findings) {
        finding.fix.retain(|fix| match fix {
            fix if fix.contains("--landlock only") => rehearsals.alone.works(),
            fix if fix.contains("--best-effort") => rehearsals.best_effort.works(),
            _ => true,
        });
        if finding.fix.is_empty() {
            finding
                .fix
                .push("start pinfold outside of what this runs in, or change what stands in the way there".into());
        }
    }
}

fn works(trials: &Trials, trial: Trial) -> bool {
    trials.get(trial) == Tried::Works
}

fn program(facts: &Facts) -> Area {
    let kind = if cfg!(target_feature = "crt-static") { "static" } else { "dynamically linked" };
    Area::new("program", format!("{}, {kind}", super::printable(&facts.program)), Vec::new())
}

/// Calls that every sandbox makes: the trial, the name, and the first Linux version with the call.
const CALLS: [(Trial, &str, (u32, u32)); 6] = [
    (Trial::OpenTree, "open_tree", (5, 2)),
    (Trial::Attach, "move_mount", (5, 2)),
    (Trial::PidfdOpen, "pidfd_open", (5, 3)),
    (Trial::OpenAt2, "openat2", (5, 6)),
    (Trial::CloseRange, "close_range", (5, 9)),
    (Trial::SetAttr, "mount_setattr", (5, 12)),
];

fn kernel(facts: &Facts, trials: &Trials) -> Area {
    let mut findings = Vec::new();
    let missing = |&&(trial, _, since): &&(Trial, &str, (u32, u32))| {
        trials.get(trial) == Tried::Fails(Errno::ENOSYS) || trials.get(trial) != Tried::Works && facts.version < since
    };
    let missing: Vec<&str> = CALLS.iter().filter(missing).map(|(_, name, _)| *name).collect();
    if facts.version != (0, 0) && facts.version < OLDEST_KERNEL {
        let what = format!("Linux {} is too old: {} missing", super::printable(&facts.release), missing.join(", "));
        findings.push(blocks("kernel-old", what, vec!["use Linux 5.12 or newer (2021)".into()]));
    } else if !missing.is_empty() {
        let what = format!("{} missing on a kernel that has them: a system call filter hides them", missing.join(", "));
        let fix = format!("allow {} in the filter around this program", missing.join(", "));
        findings.push(blocks("calls-hidden", what, vec![fix]));
    }
    Area::new("kernel", format!("Linux {}", super::printable(&facts.release)), findings)
}

fn user_namespaces(facts: &Facts, trials: &Trials) -> Area {
    let mut findings = Vec::from_iter(no_user_namespace(facts, trials.get(Trial::UserNs)));
    for trial in [Trial::UidMap, Trial::SetGroups, Trial::GidMap] {
        let what = "writing the id maps of a new user namespace";
        if findings.is_empty() {
            findings.extend(why_not(facts, trials.get(trial), "id-maps", what));
        }
    }
    let value = if !findings.is_empty() {
        "cannot be made".into()
    } else if trials.get(Trial::UserNs) == Tried::Not {
        "not tried".into()
    } else if facts.in_userns {
        "can be made, below the one that this runs in".into()
    } else {
        "can be made".to_owned()
    };
    Area::new("user namespaces", value, findings)
}

/// The error number of a failed trial. A call that killed the process counts as refused.
fn failed(tried: Tried) -> Option<Errno> {
    match tried {
        Tried::Fails(errno) => Some(errno),
        Tried::Killed => Some(Errno::EPERM),
        Tried::Works | Tried::Not => None,
    }
}

/// The other kinds of namespaces: the trial, the name, and the name in the sysctl of their limit.
const KINDS: [(Trial, &str, &str); 6] = [
    (Trial::MountNs, "mount", "mnt"),
    (Trial::PidNs, "pid", "pid"),
    (Trial::NetNs, "network", "net"),
    (Trial::IpcNs, "ipc", "ipc"),
    (Trial::UtsNs, "uts", "uts"),
    (Trial::CgroupNs, "cgroup", "cgroup"),
];

fn namespaces(facts: &Facts, trials: &Trials) -> Area {
    let mut findings: Vec<Finding> = Vec::new();
    let mut good: Vec<&str> = Vec::new();
    for (trial, name, limit) in KINDS {
        let tried = trials.get(trial);
        let is_out = [Errno::ENOSPC, Errno::EUSERS].into_iter().any(|errno| tried == Tried::Fails(errno));
        if tried == Tried::Works {
            good.push(name);
        } else if is_out && facts.limit(limit) == Some(0) {
            let what = format!("{name} namespaces are off: the sysctl user.max_{limit}_namespaces is 0");
            findings.push(blocks("namespace-limit-zero", what, raise_limit(facts, limit)));
        } else {
            findings.extend(why_not(facts, tried, "namespace-refused", &format!("a new {name} namespace")));
        }
    }
    let what = "bringing up the loopback device of a new network";
    findings.extend(why_not(facts, trials.get(Trial::Loopback), "loopback", what));
    let value = match (good.len(), works(trials, Trial::UserNs)) {
        (_, false) => "not tried without a user namespace".into(),
        (0, true) => "none".into(),
        (_, true) => good.join(", "),
    };
    Area::new("namespaces", value, findings)
}

fn mounts(facts: &Facts, trials: &Trials) -> Area {
    let mut findings = Vec::new();
    let tried = [
        (Trial::Tmpfs, "a new tmpfs"),
        (Trial::OpenTree, "a copy of a mount"),
        (Trial::SetAttr, "making mounts read-only"),
        (Trial::Attach, "attaching a mount"),
        (Trial::Pivot, "pivot_root(2)"),
    ];
    for (trial, what) in tried {
        // `kernel` reports calls that the kernel does not have.
        let tried = Some(trials.get(trial)).filter(|&tried| tried != Tried::Fails(Errno::ENOSYS));
        findings.extend(tried.and_then(|tried| why_not(facts, tried, "mounts-refused", what)));
    }
    let value = if !findings.is_empty() {
        "refused"
    } else if works(trials, Trial::Pivot) {
        "tmpfs, binds, a root of its own"
    } else {
        "not tried without a user namespace"
    };
    Area::new("mounts", value.into(), findings)
}

fn proc(facts: &Facts, trials: &Trials) -> Area {
    let covers: Vec<String> = facts.proc_covers.iter().map(super::printable).collect();
    let tried = trials.get(Trial::Proc);
    let mut findings = Vec::new();
    if works(trials, Trial::Proc) || tried == Tried::Not && covers.is_empty() {
        let value = if tried == Tried::Works { "a new procfs can be mounted" } else { "not tried" };
        return Area::new("proc", value.into(), findings);
    }
    if covers.is_empty() {
        findings.extend(why_not(facts, tried, "proc-refused", "a new procfs").map(|finding| Finding {
            cost: "the sandbox gets no /proc of its own; a sandbox without /proc works if mounts work".into(),
            ..finding
        }));
        return Area::new("proc", "a new procfs is refused".into(), findings);
    }
    let shown = covers.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if covers.len() > 3 { format!(" and {} more", covers.len() - 3) } else { String::new() };
    let mut fix = vec![
        "without any change of the host: pinfold run --best-effort leaves /proc out; with bwrap, bind the one that is \
         there (--ro-bind /proc /proc: the program then sees the processes around it)"
            .into(),
    ];
    fix.extend(
        match facts.launcher {
            Launcher::Docker => Some("or start this container with docker run --security-opt systempaths=unconfined"),
            Launcher::Podman => Some("or start this container with podman run --security-opt unmask=ALL"),
            Launcher::Kubernetes => Some("or give the pod hostUsers: false and securityContext.procMount: Unmasked"),
            Launcher::Service(_) => Some("or give the service ProtectKernelTunables=no and ProtectProc=default"),
            Launcher::Plain => None,
        }
        .map(String::from),
    );
    let what = format!(
        "parts of /proc are covered by other mounts ({shown}{more}); the kernel then allows no new procfs (\"mount too \
         revealing\")"
    );
    let cost = "the sandbox gets no /proc of its own; everything else works if user namespaces work";
    let severity = if tried == Tried::Not { Severity::Costs } else { Severity::Blocks };
    findings.push(Finding { id: "proc-masked", severity, what, cost: cost.into(), fix });
    Area::new("proc", "covered in part".into(), findings)
}

fn seccomp(facts: &Facts, trials: &Trials) -> Area {
    let mut findings = Vec::new();
    match trials.get(Trial::Filter) {
        Tried::Works | Tried::Not => {}
        Tried::Fails(Errno::EINVAL | Errno::ENOSYS) => findings.push(blocks(
            "seccomp-not-built",
            "this kernel has no system call filters",
            vec!["use a kernel that is built with CONFIG_SECCOMP_FILTER=y".into()],
        )),
        Tried::Fails(_) | Tried::Killed => findings.push(blocks(
            "seccomp-refused",
            "a filter around this program forbids filters of its own",
            vec!["allow prctl(PR_SET_SECCOMP) and seccomp in the filter around this program".into()],
        )),
    }
    let wanted = ["kill_process", "errno", "log", "user_notif"];
    let missing: Vec<&str> =
        wanted.into_iter().filter(|wanted| !facts.actions.iter().any(|action| action == wanted)).collect();
    if !facts.actions.is_empty() && !missing.is_empty() {
        let what = format!("filters have no action {}", missing.join(", "));
        findings.push(costs("seccomp-actions", what, "profiles that use it cannot be enforced", "use a newer kernel"));
    }
    let around = if facts.obstacles.filtered { "; a filter is installed already" } else { "" };
    let value = match trials.get(Trial::Filter) {
        Tried::Works => format!("filters work{around}"),
        Tried::Not => format!("not tried{around}"),
        Tried::Fails(_) | Tried::Killed => "no filters".into(),
    };
    Area::new("seccomp", value, findings)
}

/// What each version of Landlock adds, and since when Linux has it.
const LANDLOCK: [(u32, &str, &str); 9] = [
    (1, "5.13", "files and directories"),
    (2, "5.19", "linking and renaming between directories"),
    (3, "6.2", "truncating"),
    (4, "6.7", "TCP ports"),
    (5, "6.10", "ioctls of devices"),
    (6, "6.12", "signals and abstract sockets to the outside"),
    (7, "6.15", "choice of what is logged"),
    (8, "7.0", "all threads at once"),
    (9, "7.1", "sockets with a path"),
];
/// The version from which on Landlock alone keeps a program from the processes around it.
const LANDLOCK_SCOPES: u32 = 6;

fn landlock(facts: &Facts, trials: &Trials, rehearsals: &Rehearsals) -> Area {
    let abi = trials.landlock_abi;
    let mut findings = Vec::new();
    if trials.get(Trial::Landlock) == Tried::Not {
        return Area::new("landlock", "not tried".into(), findings);
    }
    if works(trials, Trial::Landlock) && abi < LANDLOCK_SCOPES {
        let missing = LANDLOCK.iter().filter(|(level, ..)| (abi + 1..=LANDLOCK_SCOPES).contains(level));
        let missing: Vec<String> = missing.map(|(_, since, what)| format!("{what} (Linux {since})")).collect();
        findings.push(costs(
            "landlock-old",
            format!("version {abi} of Landlock knows no rules for: {}", missing.join(", ")),
            "Landlock cannot restrict these; the namespaces of a full sandbox do, except for TCP ports",
            "use a newer kernel",
        ));
    } else if !works(trials, Trial::Landlock) {
        let errno = failed(trials.get(Trial::Landlock)).unwrap_or(Errno::ENOSYS);
        let (what, fix) = match errno {
            Errno::EOPNOTSUPP => {
                let others = facts.security.modules.join(",");
                let list = if others.is_empty() { "LIST".into() } else { super::printable(&others) };
                ("Landlock is off since boot", format!("boot with the parameter lsm=landlock,{list}"))
            }
            Errno::ENOSYS if facts.version >= (5, 13) => (
                "this kernel has no Landlock, or a filter around this program hides it",
                "use a kernel that is built with CONFIG_SECURITY_LANDLOCK=y, and allow landlock_create_ruleset, \
                 landlock_add_rule and landlock_restrict_self in the filter"
                    .into(),
            ),
            Errno::ENOSYS => ("this kernel has no Landlock", "use Linux 5.13 or newer".into()),
            _ => (
                "a filter around this program refuses Landlock",
                "allow landlock_create_ruleset, landlock_add_rule and landlock_restrict_self in that filter".into(),
            ),
        };
        let cost = "no second barrier behind the mounts, no rules for TCP ports, and no sandbox without namespaces";
        let mut finding = costs("landlock-missing", what, cost, &fix);
        if rehearsals.no_landlock.works() && !rehearsals.full.works() {
            // `pinfold run` without options asks for Landlock, and refuses to start where it cannot have what it asks
            // for.
            finding.severity = Severity::Blocks;
            finding.cost.push_str("; `pinfold run` without options refuses to start");
            let less = "without any change of the host: pinfold run --landlock off starts without Landlock; so does \
                        --best-effort, and says so";
            finding.fix.insert(0, less.into());
        }
        findings.push(finding);
    }
    let value = if works(trials, Trial::Landlock) { format!("version {abi}") } else { "none".into() };
    Area::new("landlock", value, findings)
}

fn overlay(facts: &Facts, trials: &Trials) -> Area {
    let cost = "--overlay fails, and so do the overlay options of bwrap";
    let (tried, many) = (trials.get(Trial::Overlay), trials.get(Trial::OverlayLayers));
    let mut findings = Vec::new();
    match failed(tried) {
        Some(Errno::ENODEV) => findings.push(costs(
            "overlay-missing",
            "this kernel has no overlayfs, or its module is not loaded",
            cost,
            "as root: modprobe overlay; echo overlay > /etc/modules-load.d/overlay.conf keeps it",
        )),
        Some(_) if facts.version < (5, 11) => {
            findings.push(costs(
                "overlay-old",
                "only root may mount overlays before Linux 5.11",
                cost,
                "use a newer kernel",
            ));
        }
        Some(errno) => {
            let why = refused(facts, errno, "overlay-refused", "an overlay");
            findings.push(Finding { id: "overlay-refused", severity: Severity::Costs, cost: cost.into(), ..why });
        }
        None if failed(many).is_some() => findings.push(costs(
            "overlay-layers",
            "overlays take their layers one by one only since Linux 6.7",
            "an overlay of more layers than one option of mount(2) can name (about 15) fails",
            "use a newer kernel, or fewer layers",
        )),
        None => {}
    }
    let value = match tried {
        Tried::Works => "can be mounted",
        Tried::Not => "not tried",
        Tried::Killed | Tried::Fails(_) => "cannot be mounted",
    };
    Area::new("overlay", value.into(), findings)
}
