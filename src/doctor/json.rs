//! The report for programs: one object. While `schema` is 1, members may be added, but none is renamed or removed.

use serde_json::{Map, Value, json};

use super::facts::{Facts, Launcher};
use super::finding::Severity;
use super::ids::{Helper, Ranges};
use super::rehearsal::{Refusal, Rehearsal};
use super::report::Report;
use super::trials::{Trial, Trials, Tried};
use crate::error::printable_json;

pub(super) fn json(report: &Report) -> String {
    let Report { facts, trials, rehearsals, verdict, here } = report;
    let findings = verdict.findings().map(|(area, finding)| {
        json!({
            "id": finding.id,
            "area": area,
            "severity": finding.severity.name(),
            "what": finding.what,
            "cost": finding.cost,
            "fix": finding.fix,
        })
    });
    let areas = verdict
        .areas
        .iter()
        .map(|area| json!({ "name": area.name, "value": area.value, "severity": area.severity.map(Severity::name) }));
    let mut text = json!({
        "schema": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "kernel": facts.release,
        "works": report.works(),
        "error": error(&rehearsals.full),
        "here": here.as_ref().map(|Refusal { directory, error, is_of_place, is_of_all: _ }| json!({
            "directory": directory,
            "message": String::from_utf8_lossy(&error.text()),
            "hint": error.hint.as_ref().map(ToString::to_string),
            "works_elsewhere": is_of_place,
        })),
        "tiers": {
            "full": verdict.tiers.full,
            "no_proc": verdict.tiers.no_proc,
            "landlock_only": verdict.tiers.landlock_only,
        },
        "areas": areas.collect::<Vec<_>>(),
        "findings": findings.collect::<Vec<_>>(),
        "landlock_abi": trials.landlock_abi,
        "trials": self::trials(trials),
        "facts": self::facts(facts),
    })
    .to_string();
    text.push('\n');
    printable_json(&text)
}

fn error(outcome: &Rehearsal) -> Value {
    match outcome {
        Rehearsal::Works => Value::Null,
        Rehearsal::Fails { message, hint, failure } => json!({
            "message": message,
            "hint": hint,
            "stage": failure.as_ref().map(|failure| failure.stage.step()),
            "errno": failure.as_ref().map(|failure| failure.errno).filter(|&errno| errno != 0),
        }),
    }
}

/// 0 if the trial worked, otherwise its error number; -1 if it killed its process, null if it was not reached.
fn trials(trials: &Trials) -> Value {
    let value = |trial| match trials.get(trial) {
        Tried::Not => Value::Null,
        Tried::Killed => json!(-1),
        Tried::Works => json!(0),
        Tried::Fails(errno) => json!(errno as i32),
    };
    Value::Object(Trial::ALL.iter().map(|&(trial, name)| (name.to_owned(), value(trial))).collect::<Map<_, _>>())
}

fn facts(facts: &Facts) -> Value {
    let limits = facts.limits.iter().map(|&(kind, limit)| (kind.to_owned(), json!(limit)));
    let launcher = match &facts.launcher {
        Launcher::Plain => "plain".to_owned(),
        Launcher::Docker => "docker".into(),
        Launcher::Podman => "podman".into(),
        Launcher::Kubernetes => "kubernetes".into(),
        Launcher::Service(unit) => unit.clone(),
    };
    json!({
        "program": facts.program,
        "uid": facts.caller.uid,
        "gid": facts.caller.gid,
        "user": facts.ids.user,
        "surroundings": launcher,
        "in_user_namespace": facts.in_userns,
        "chroot": facts.is_chrooted,
        "filtered": facts.obstacles.filtered,
        "max_namespaces": limits.collect::<Map<_, _>>(),
        "unprivileged_userns_clone_off": facts.obstacles.userns_clone_off,
        "apparmor_restricts_userns": facts.obstacles.apparmor_restricts,
        "apparmor_profile": facts.security.apparmor,
        "selinux_enforces": facts.security.selinux,
        "security_modules": facts.security.modules,
        "seccomp_actions": facts.actions,
        "time_namespaces": facts.time_ns,
        "proc_covers": facts.proc_covers,
        "cgroup": {
            "mount": facts.cgroup.mount,
            "path": facts.cgroup.own,
            "writable": facts.cgroup.is_writable,
            "controllers": facts.cgroup.controllers,
            "user_manager": facts.cgroup.manager,
            "delegated": facts.cgroup.delegated,
        },
        "subuid": ranges(&facts.ids.uids),
        "subgid": ranges(&facts.ids.gids),
        "legacy_tiocsti": facts.tiocsti,
    })
}

fn ranges(ranges: &Ranges) -> Value {
    let own = ranges.own.iter().map(|&(first, count)| json!({ "first": first, "count": count }));
    let helper = match ranges.state {
        Helper::Missing => "missing",
        Helper::Powerless => "powerless",
        Helper::Ready => "ready",
    };
    json!({ "helper": helper, "ranges": own.collect::<Vec<_>>() })
}
