//! What holds of the tables themselves.

use std::collections::BTreeSet;

use crate::case::words;
use crate::cases::TABLES;
use crate::known::KNOWN;

/// Names of the scripts in live.rs and join.rs to which a known difference may refer.
const SCRIPTS: &[&str] = &["lock-busy"];

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

#[test]
fn every_option_is_in_some_line() {
    let used: BTreeSet<String> = lines().flat_map(|(_, line)| words(line)).collect();
    let missing: Vec<&str> = OPTIONS.split_whitespace().filter(|name| !used.contains(&format!("--{name}"))).collect();
    assert!(missing.is_empty(), "no line uses {missing:?}");
}
