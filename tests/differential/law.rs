//! What holds of the tables themselves.

use std::collections::BTreeSet;

use crate::case::words;
use crate::cases::TABLES;
use crate::known::KNOWN;
use crate::support::normal;

/// Names of the scripts in live.rs and join.rs to which a known difference may refer.
const SCRIPTS: &[&str] = &["lock-busy", "userns2", "userns2-dev"];

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLES.iter().flat_map(|(_, table)| table.iter()).map(|case| (case.name, case.line))
}

#[test]
fn there_are_enough_lines_and_each_has_its_own_name() {
    let names: BTreeSet<&str> = lines().map(|(name, _)| name).collect();
    assert_eq!(names.len(), lines().count(), "a name is given twice");
    assert!(names.len() >= 150, "{}", names.len());
}

#[test]
fn every_known_difference_names_a_case_once() {
    let names: BTreeSet<&str> = lines().map(|(name, _)| name).chain(SCRIPTS.iter().copied()).collect();
    for known in KNOWN {
        assert!(names.contains(known.case), "no case is called {}", known.case);
        assert!(!known.why.is_empty(), "{} has no reason", known.case);
    }
}

/// All options of bubblewrap 0.12, of which each must be given well and badly.
const OPTIONS: &str = "args argv0 level-prefix unshare-all share-net unshare-user unshare-user-try unshare-ipc unshare-pid \
    unshare-net unshare-uts unshare-cgroup unshare-cgroup-try userns userns2 disable-userns assert-userns-disabled pidns uid \
    gid hostname chdir clearenv setenv unsetenv lock-file sync-fd bind bind-try dev-bind dev-bind-try ro-bind ro-bind-try \
    bind-fd ro-bind-fd remount-ro overlay-src overlay tmp-overlay ro-overlay exec-label file-label proc dev tmpfs mqueue dir \
    file bind-data ro-bind-data symlink seccomp add-seccomp-fd block-fd userns-block-fd info-fd json-status-fd new-session \
    die-with-parent as-pid-1 cap-add cap-drop perms size chmod help version not-a-security-boundary";

/// Flags that nothing can be wrong about, alone or with others.
const NEVER_BAD: &str = "level-prefix share-net unshare-all unshare-user-try unshare-ipc unshare-pid unshare-net unshare-uts \
    unshare-cgroup unshare-cgroup-try clearenv new-session die-with-parent help version not-a-security-boundary";
/// What is right only where SELinux is enabled.
const NEVER_GOOD: &str = "exec-label file-label";

/// Tables in which each line is wrong in itself.
const BAD: [&str; 2] = ["conflicts", "missing"];

#[test]
fn every_option_is_given_well_and_badly() {
    let used = |is_bad: bool| -> BTreeSet<String> {
        let tables = TABLES.iter().filter(|(name, _)| BAD.contains(name) == is_bad);
        tables.flat_map(|(_, table)| table.iter()).flat_map(|case| words(case.line)).collect()
    };
    let (well, badly) = (used(false), used(true));
    let lacks = |used: &BTreeSet<String>, exempt: &str| -> Vec<&str> {
        let needed = OPTIONS.split_whitespace().filter(|name| !exempt.split_whitespace().any(|exempt| exempt == *name));
        needed.filter(|name| !used.contains(&format!("--{name}"))).collect()
    };
    assert_eq!(lacks(&well, NEVER_GOOD), [""; 0], "never given well");
    assert_eq!(lacks(&badly, NEVER_BAD), [""; 0], "never given badly");
}

#[test]
fn the_normaliser_drops_only_what_differs_by_chance_or_design() {
    assert_eq!(normal::stderr("bwrap: no\nhint: try\n"), "bwrap: no\n");
    let json = "{ \"child-pid\": 4711, \"mnt-namespace\": 4026532192 }\n{ \"exit-code\": 7 }\n";
    let told = "{ \"child-pid\": N, \"mnt-namespace\": N }\n{ \"exit-code\": 7 }\n";
    assert_eq!(normal::status_lines(json), told);
    assert_eq!(normal::stdout("pid 4711\n"), "pid 4711\n", "only the state of the probe is taken apart");
    let state = "probe-state\npid 4711\nppid 1\nuid_map 5 0 1\n";
    assert_eq!(normal::stdout(state), "probe-state\npid of the host\nppid 1\nuid_map 5 * 1\n");
}

#[test]
fn hidden_mounts_are_left_out_and_propagation_is_not_compared() {
    let state = "probe-state\n\
        mountinfo 1 0 0:1 /newroot / rw shared:1 - tmpfs tmpfs rw,uid=1000,mode=755\n\
        mountinfo 2 1 0:2 / /dev rw master:1 - devtmpfs devtmpfs rw\n\
        mountinfo 3 2 0:3 / /dev/shm rw - tmpfs tmpfs rw\n\
        mountinfo 4 2 0:4 / /dev ro - tmpfs tmpfs rw,mode=755\n\
        mountinfo 5 4 0:5 /x//deleted /dev/f ro - tmpfs tmpfs rw\n";
    let told = "probe-state\n\
        mount / from / rw tmpfs tmpfs rw\n\
        mount /dev from / ro tmpfs tmpfs rw,mode=755\n\
        mount /dev/f from (unlinked) ro tmpfs tmpfs rw\n";
    assert_eq!(normal::stdout(state), told);
}
