//! Tests with faked hosts: a tree of files, and the answers of the kernel.

mod hosts;

use std::fs;
use std::os::unix::fs::symlink;

use hosts::{Case, Host, USER, all_work, cases, failing, fails, without_userns};

use super::facts::{Facts, Launcher};
use super::finding::{Finding, Severity};
use super::ids::Helper;
use super::rehearsal::{Rehearsal, Rehearsals};
use super::trials::{Trial, Trials, Tried};
use super::verdict::Verdict;
use super::{json, text};
use crate::protocol::{Failure, Stage};
use crate::sys::Errno;

fn blocking(verdict: &Verdict) -> Vec<&Finding> {
    let blocks = |finding: &&Finding| finding.severity == Severity::Blocks;
    verdict.findings().map(|(_, finding)| finding).filter(blocks).collect()
}

#[test]
fn every_host_gets_its_one_cause_and_the_advice_for_it() {
    for Case { name, host, trials, no_proc, cause, advice } in cases() {
        let report = host.report(trials, fails(), no_proc.clone());
        let causes: Vec<&str> = blocking(&report.verdict).iter().map(|finding| finding.id).collect();
        assert_eq!(causes, [cause], "{name}");
        let first = &blocking(&report.verdict)[0].fix[0];
        assert!(first.contains(advice), "{name}: {first}");
        assert!(!report.works() && !report.verdict.tiers.full, "{name}");
        assert_eq!(report.verdict.tiers.no_proc, no_proc.works(), "{name}");
        let said = text::text(&report);
        assert!(said.contains("FAIL") && said.contains("`pinfold run true` would not work"), "{name}: {said}");
        assert!(!said.contains(['\x1b', '\r', '\0']), "{name}: {said}");
    }
}

/// Somebody switched each of these protections on for a reason, and there are ways to help one program alone.
#[test]
fn the_first_advice_never_ends_a_protection_for_everybody() {
    for Case { name, host, trials, no_proc, .. } in cases() {
        for outcome in [fails(), Rehearsal::Works] {
            let report = host.report(trials.clone(), outcome, no_proc.clone());
            for (_, finding) in report.verdict.findings() {
                let first = &finding.fix[0];
                for global in [
                    "unconfined",
                    "setenforce",
                    "--privileged",
                    "unprivileged_userns_clone=1",
                    "selinux=0",
                    "_namespaces=",
                    "apparmor=0",
                    "unmask=",
                    "apparmor_restrict_unprivileged_userns=0",
                ] {
                    assert!(!first.contains(global), "{name}, {}: {first}", finding.id);
                }
                // Not as later advice either.
                for fix in &finding.fix {
                    assert!(!fix.contains("apparmor_restrict_unprivileged_userns=0"), "{name}: {fix}");
                    assert!(!fix.contains("seccomp=unconfined") && !fix.contains("setenforce"), "{name}: {fix}");
                }
                assert!(!finding.cost.is_empty() && !finding.what.is_empty(), "{name}, {}", finding.id);
            }
        }
    }
}

#[test]
fn a_healthy_host_has_no_findings() {
    let report = Host::healthy().report(all_work(), Rehearsal::Works, Rehearsal::Works);
    assert_eq!(report.verdict.findings().collect::<Vec<_>>(), []);
    let said = text::text(&report);
    assert!(said.contains("`pinfold run true` would work.") && !said.contains("FAIL"), "{said}");
    let tiers = report.verdict.tiers;
    assert!(tiers.full && tiers.no_proc && tiers.landlock_only);
}

/// A real sandbox proves more than the results of single calls.
#[test]
fn what_works_is_not_blocked() {
    for Case { name, host, trials, .. } in cases() {
        let report = host.report(trials, Rehearsal::Works, Rehearsal::Works);
        assert!(report.works() && blocking(&report.verdict).is_empty(), "{name}");
    }
}

#[test]
fn the_profile_is_for_the_path_of_this_program() {
    let host = Host::healthy().with(&[("proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n")]);
    fs::remove_file(host.0.join("proc/self/exe")).unwrap();
    symlink("/opt/p/pinfold", host.0.join("proc/self/exe")).unwrap();
    let report = host.report(failing(&[(Trial::GidMap, Errno::EPERM)]), fails(), fails());
    let fix = &blocking(&report.verdict)[0].fix[0];
    assert!(fix.contains("sed 's|/usr/bin/pinfold|/opt/p/pinfold|' packaging/apparmor/pinfold"), "{fix}");
}

#[test]
fn a_profile_that_forbids_nothing_is_no_cause() {
    let confined = |label: &str| {
        let host = Host::healthy().with(&[("sys/module/apparmor/parameters/enabled", "Y\n")]);
        let host = host.with(&[("proc/self/attr/apparmor/current", label)]);
        host.facts().security.confined().is_some()
    };
    for label in ["unconfined\n", "crun (unconfined)\n", "x (complain)\n", "unprivileged_userns (enforce)\n"] {
        assert!(!confined(label), "{label}");
    }
    assert!(confined("docker-default (enforce)\n") && confined("docker-default (enforce)\0"));
}

#[test]
fn docker_is_told_of_its_masks_too() {
    let docker = cases().into_iter().find(|case| case.name == "Docker").unwrap();
    let report = docker.host.report(docker.trials, fails(), fails());
    let proc = report.verdict.findings().find(|(_, finding)| finding.id == "proc-masked").unwrap().1;
    assert_eq!(proc.severity, Severity::Costs, "it was not reached");
    assert!(proc.what.contains("/proc/acpi, /proc/sys"), "{}", proc.what);
    assert_eq!(docker.host.facts().launcher, Launcher::Docker);
}

#[test]
fn landlock_alone_is_a_tier_and_its_versions_have_a_price() {
    let ids = |trials: Trials| {
        let report = Host::healthy().report(trials, Rehearsal::Works, Rehearsal::Works);
        let ids: Vec<&str> = report.verdict.findings().map(|(_, finding)| finding.id).collect();
        (ids, report.verdict.tiers.landlock_only)
    };
    assert_eq!(ids(failing(&[(Trial::Landlock, Errno::ENOSYS)])), (vec!["landlock-missing"], false));
    assert_eq!(ids(failing(&[(Trial::Landlock, Errno::EOPNOTSUPP)])), (vec!["landlock-missing"], false));
    assert_eq!(ids(Trials::all(Tried::Works, 4)), (vec!["landlock-old"], true));
    assert_eq!(ids(Trials::all(Tried::Works, 6)), (vec![], true));
    let old = Host::healthy().report(Trials::all(Tried::Works, 4), Rehearsal::Works, Rehearsal::Works);
    let what = &old.verdict.findings().next().unwrap().1.what;
    assert!(what.contains("6.10") && what.contains("6.12") && !what.contains("6.7"), "{what}");
    let only = Host::healthy().report(without_userns(Tried::Fails(Errno::EPERM)), fails(), fails());
    assert!(only.verdict.tiers.landlock_only && !only.verdict.tiers.no_proc);
    // Boot parameters name the modules that are active already.
    let off = Host::healthy().with(&[("sys/kernel/security/lsm", "capability,yama")]);
    let report = off.report(failing(&[(Trial::Landlock, Errno::EOPNOTSUPP)]), Rehearsal::Works, Rehearsal::Works);
    let fix = &report.verdict.findings().next().unwrap().1.fix[0];
    assert!(fix.contains("lsm=landlock,capability,yama"), "{fix}");
}

/// Nothing else is known then.
#[test]
fn that_no_process_can_be_made_is_a_finding() {
    let mut trials = Trials::all(Tried::Not, 7);
    trials.stuck = Some(Errno::EAGAIN);
    let report = Host::healthy().report_of(trials, Rehearsals::none(Errno::EAGAIN));
    let found = blocking(&report.verdict);
    assert_eq!(found.iter().map(|finding| finding.id).collect::<Vec<_>>(), ["no-process"]);
    assert!(found[0].what.contains("as many processes") && found[0].fix[0].contains("pids.max"), "{found:?}");
    let said = text::text(&report);
    assert!(said.contains("user namespaces  not tried") && said.contains("landlock         not tried"), "{said}");
}

/// The only finding of a host that is healthy except for `files`.
fn only(host: &Host, trials: Trials) -> (String, String, String) {
    let report = host.report(trials, Rehearsal::Works, Rehearsal::Works);
    let all: Vec<&Finding> = report.verdict.findings().map(|(_, finding)| finding).collect();
    assert_eq!(all.len(), 1, "{all:?}");
    (all[0].id.into(), all[0].what.clone(), all[0].fix[0].clone())
}

/// This version uses neither, so nothing is to be done about them.
#[test]
fn nothing_is_advised_about_ranges_of_ids_and_control_groups() {
    let bare = Host::healthy().without("usr/bin/newuidmap").without("usr/bin/newgidmap").without("run/user/1000/bus");
    let bare = bare.with(&[("etc/subuid", ""), ("proc/self/mountinfo", "21 1 8:1 / / rw - ext4 /dev/vda rw\n")]);
    let report = bare.report(all_work(), Rehearsal::Works, Rehearsal::Works);
    assert_eq!(report.verdict.findings().count(), 0);
    let said = text::text(&report);
    assert!(!said.contains("uidmap") && !said.contains("control group"), "{said}");
    let host = Host::healthy();
    host.mode("usr/bin/newgidmap", 0o755);
    assert_eq!(host.facts().ids.gids.state, Helper::Powerless, "a fact for programs");
}

#[test]
fn each_thing_that_only_costs_is_named() {
    let host = |files: &[(&str, &str)]| Host::healthy().with(files);
    let id = |host: &Host, trials| only(host, trials).0;
    assert_eq!(id(&host(&[("proc/sys/dev/tty/legacy_tiocsti", "1\n")]), all_work()), "tiocsti");
    let healthy = Host::healthy();
    assert_eq!(id(&healthy, failing(&[(Trial::Overlay, Errno::ENODEV)])), "overlay-missing");
    assert_eq!(id(&healthy, failing(&[(Trial::Overlay, Errno::EPERM)])), "overlay-refused");
    assert_eq!(id(&healthy, failing(&[(Trial::OverlayLayers, Errno::EINVAL)])), "overlay-layers");
    let old = host(&[("proc/sys/kernel/seccomp/actions_avail", "kill_thread trap errno trace log allow\n")]);
    let (id_of, what, _) = only(&old, all_work());
    assert!(id_of == "seccomp-actions" && what.contains("kill_process, user_notif"), "{what}");
}

#[test]
fn a_group_of_its_own_may_be_divided() {
    let dir = "sys/fs/cgroup/user.slice/user-1000.slice/session-2.scope";
    let host = Host::healthy().without("run/user/1000/bus");
    host.put(&format!("{dir}/cgroup.controllers"), "cpu io memory pids\n");
    host.put(&format!("{dir}/cgroup.procs"), "");
    assert!(host.facts().cgroup.is_writable);
    assert_eq!(host.report(all_work(), Rehearsal::Works, Rehearsal::Works).verdict.findings().count(), 0);
}

#[test]
fn what_cannot_be_read_is_no_panic_and_no_invention() {
    let host = Host::healthy();
    let empty = Facts::read(&host.0.join("nothing"), USER);
    assert!(empty.is_mapped && !empty.is_chrooted && !empty.in_userns);
    let report = host.with(&[("proc/self/uid_map", "x\n9 9 18446744073709551615\n"), ("etc/subuid", "jane:1\n:::\n")]);
    assert!(!text::text(&report.report(all_work(), fails(), fails())).is_empty());
}

#[test]
fn the_document_keeps_its_schema() {
    let broken = cases().into_iter().find(|case| case.name == "Docker").unwrap();
    let reports = [
        broken.host.report(broken.trials, fails(), fails()),
        Host::healthy().report(all_work(), Rehearsal::Works, Rehearsal::Works),
    ];
    for report in reports {
        let text = json::json(&report);
        assert!(text.ends_with("}\n") && text.lines().count() == 1);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let names: Vec<&str> = document.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted = [
            "areas",
            "error",
            "facts",
            "findings",
            "here",
            "kernel",
            "landlock_abi",
            "schema",
            "tiers",
            "trials",
            "version",
            "works",
        ];
        assert_eq!(names, wanted);
        assert_eq!(document["schema"], 1);
        assert_eq!(document["works"], report.works());
        for tier in ["full", "no_proc", "landlock_only"] {
            assert!(document["tiers"][tier].is_boolean(), "{tier}");
        }
        assert_eq!(document["trials"].as_object().unwrap().len(), Trial::ALL.len());
        for area in document["areas"].as_array().unwrap() {
            assert!(area["name"].is_string() && area["value"].is_string() && area.get("severity").is_some(), "{area}");
        }
        for finding in document["findings"].as_array().unwrap() {
            for name in ["id", "area", "severity", "what", "cost"] {
                assert!(finding[name].is_string(), "{name} of {finding}");
            }
            assert!(["note", "costs", "blocks"].contains(&finding["severity"].as_str().unwrap()));
            assert!(finding["fix"].as_array().unwrap().iter().all(serde_json::Value::is_string));
        }
    }
}

/// A failure has the same name as in the JSON lines of a run.
#[test]
fn the_step_of_a_failure_has_its_stable_name() {
    let error_of = |stage, errno| {
        let outcome = Rehearsal::Fails { message: "no".into(), hint: None, failure: Some(Failure::new(stage, errno)) };
        let document = json::json(&Host::healthy().report(all_work(), outcome, Rehearsal::Works));
        let document: serde_json::Value = serde_json::from_str(&document).unwrap();
        (document["error"]["stage"].clone(), document["error"]["errno"].clone())
    };
    assert_eq!(error_of(Stage::UidMap, Errno::EPERM as i32), ("ids".into(), 1.into()));
    // In this case no call has failed.
    assert_eq!(error_of(Stage::Unproven, 0), ("lockdown".into(), serde_json::Value::Null));
    assert!(Stage::ALL.iter().all(|stage| stage.step().bytes().all(|byte| byte.is_ascii_lowercase())));
}

#[test]
fn no_advice_is_given_that_was_tried_and_does_not_help() {
    let host = || Host::healthy().with(&[("proc/sys/user/max_user_namespaces", "0\n")]);
    let fixes = |alone: Rehearsal| {
        let (full, no_landlock, no_proc, best_effort) = (fails(), fails(), fails(), fails());
        let rehearsals = Rehearsals { full, no_landlock, no_proc, best_effort, alone };
        let report = host().report_of(without_userns(Tried::Fails(Errno::ENOSPC)), rehearsals);
        blocking(&report.verdict)[0].fix.join("\n")
    };
    assert!(fixes(Rehearsal::Works).contains("--landlock only --best-effort"));
    assert!(!fixes(fails()).contains("--landlock only"), "{}", fixes(fails()));
    assert!(fixes(fails()).contains("max_user_namespaces=15000"));
}

/// A file that is read later would set it back at the next boot.
#[test]
fn a_sysctl_is_set_where_it_lasts() {
    let advised = |files: &[(&str, &str)]| {
        let host = Host::healthy().with(&[("proc/sys/user/max_user_namespaces", "0\n")]).with(files);
        let report = host.report(without_userns(Tried::Fails(Errno::ENOSPC)), fails(), fails());
        blocking(&report.verdict)[0].fix.last().unwrap().clone()
    };
    let ours = "echo user.max_user_namespaces=15000 > /etc/sysctl.d/60-userns.conf";
    let setting = "# hardened\n-user/max_user_namespaces = 0\n";
    for files in [
        &[][..],
        &[("etc/sysctl.d/10-old.conf", setting)],
        &[("etc/sysctl.d/99-other.conf", "#user.max_user_namespaces=0\nvm.swappiness=1\n")],
        // The first directory that has a name counts.
        &[("usr/lib/sysctl.d/99-x.conf", setting), ("etc/sysctl.d/99-x.conf", "")],
    ] {
        assert!(advised(files).contains(ours), "{files:?}: {}", advised(files));
    }
    for file in ["etc/sysctl.d/99-hardening.conf", "etc/sysctl.conf"] {
        let said = advised(&[(file, setting)]);
        assert!(said.contains(&format!("say user.max_user_namespaces=15000 in /{file}")), "{said}");
        assert!(!said.contains("60-userns.conf"), "{said}");
    }
    let said = advised(&[("usr/lib/sysctl.d/70-x.conf", setting)]);
    assert!(said.contains("> /etc/sysctl.d/zz-userns.conf && sysctl --system"), "{said}");
}

#[test]
fn notes_can_be_left_out_and_nothing_else() {
    let host = Host::healthy().with(&[("proc/sys/dev/tty/legacy_tiocsti", "1\n")]);
    let mut report = host.report(failing(&[(Trial::Overlay, Errno::ENODEV)]), Rehearsal::Works, Rehearsal::Works);
    let ids = |report: &super::Report| report.verdict.findings().map(|(_, finding)| finding.id).collect::<Vec<_>>();
    assert_eq!(ids(&report), ["overlay-missing", "tiocsti"]);
    report.leave_out_notes();
    assert_eq!(ids(&report), ["overlay-missing"]);
    assert!(!text::text(&report).lines().any(|line| line.starts_with("note")));
}
