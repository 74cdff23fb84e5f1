//! `--best-effort`: each restriction that a host cannot enforce is an error without it, and one line with it.

use crate::support::{Actor, Fd, Launch, Outcome, nest, pinfold, probe, skip};
use crate::{Place, actors};

/// `pinfold run` on a host where each of `calls` fails with ENOSYS.
fn without(place: &Place, calls: &[i64], options: &str, command: &[&str]) -> Outcome {
    let missing: Vec<String> = calls.iter().map(|call| format!("{call}:{}", libc::ENOSYS)).collect();
    let words = ["refuse"].into_iter().chain(missing.iter().map(String::as_str)).chain(["--"]);
    let tool = pinfold().display().to_string();
    let shown = format!("--ro={}:/probe", probe().display());
    let run = [&*tool, "run", &shown].into_iter().chain(options.split_whitespace()).chain(["--"]);
    let words: Vec<&str> = words.chain(run).chain(command.iter().copied()).collect();
    let launch = Launch::program(probe(), place.actor, &words).dir(&place.project);
    launch.env("HOME", place.home.to_str().unwrap()).fd(5, Fd::Out).run()
}

/// The messages on standard error, one a line, and those of the JSON status, which must be the same.
fn dropped(outcome: &Outcome) -> Vec<String> {
    let told = |line: &str| line.strip_prefix("pinfold: not enforced: ").map(str::to_owned);
    let said: Vec<String> = outcome.stderr_text().lines().filter_map(told).collect();
    let status = String::from_utf8_lossy(&outcome.outs[&5]).into_owned();
    let values = status.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let reported: Vec<String> = values.filter_map(|value| value["dropped"].as_str().map(str::to_owned)).collect();
    assert_eq!(said, reported, "{outcome}");
    said
}

const LANDLOCK: &[i64] = &[libc::SYS_landlock_create_ruleset];

#[test]
fn without_landlock_nothing_runs_unless_it_is_dropped() {
    for actor in actors() {
        let place = Place::new("effort-landlock", actor);
        let refused = without(&place, LANDLOCK, "", &["touch", "ran"]);
        assert_eq!(refused.ending(), "exit 125", "{refused}");
        let said = refused.stderr_text();
        assert!(said.starts_with("pinfold: this cannot be enforced here:\n  Landlock"), "{said}");
        assert!(said.contains("lsm=") && said.contains("\nhint: --best-effort"), "{said}");
        assert!(!place.project.join("ran").exists());
        let outcome = without(&place, LANDLOCK, "--best-effort --json-status-fd 5", &["echo", "it ran"]);
        assert_eq!(outcome.done(), "it ran\n");
        let lines = dropped(&outcome);
        assert!(lines.len() == 1 && lines[0].starts_with("Landlock rules for files: "), "{lines:?}");
        assert_eq!(outcome.stderr_text().lines().count(), 1, "{outcome}");
        // The other walls stand.
        let mount = without(&place, LANDLOCK, "--best-effort", &["/probe", "mount", "/tmp"]);
        assert_eq!(mount.refused(), libc::EPERM);
        assert_eq!(without(&place, LANDLOCK, "--landlock off", &["echo", "it ran"]).done(), "it ran\n");
    }
}

#[test]
fn each_thing_that_landlock_was_for_is_a_line() {
    let place = Place::new("effort-scopes", Actor::User);
    let options = "--net host --share pid --tcp-connect 80";
    let refused = without(&place, LANDLOCK, options, &["touch", "ran"]);
    assert_eq!(refused.ending(), "exit 125", "{refused}");
    let whats =
        ["Landlock rules for files", "no signals to processes outside", "no way to abstract sockets", "TCP ports"];
    for what in whats {
        assert!(refused.stderr_text().lines().any(|line| line.trim_start().starts_with(what)), "{what}: {refused}");
    }
    let outcome = without(&place, LANDLOCK, &format!("--best-effort --json-status-fd 5 {options}"), &["true"]);
    let lines = dropped(&outcome);
    assert_eq!(lines.len(), whats.len(), "{lines:?}");
    assert!(whats.iter().all(|what| lines.iter().any(|line| line.starts_with(what))), "{lines:?}");
    // There is nothing to fall back on where it is the only wall.
    let alone = without(&place, LANDLOCK, "--best-effort --landlock only", &["touch", "ran"]);
    assert_eq!(alone.ending(), "exit 125", "{alone}");
    assert!(!place.project.join("ran").exists());
}

/// What nothing can stand in for is an error with and without it.
#[test]
fn namespaces_and_the_filter_are_never_dropped() {
    for actor in actors() {
        let place = Place::new("effort-never", actor);
        for call in [libc::SYS_prctl, libc::SYS_move_mount, libc::SYS_pivot_root, libc::SYS_mount_setattr] {
            for options in ["", "--best-effort"] {
                let outcome = without(&place, &[call], options, &["touch", "ran"]);
                assert_eq!(outcome.ending(), "exit 125", "{call} {options}: {outcome}");
                let said = outcome.stderr_text();
                assert!(said.starts_with("pinfold: ") && said.contains(": "), "{said}");
                assert!(!place.project.join("ran").exists(), "{call} {options}");
            }
        }
        // No user namespace may be made on this host.
        for options in ["", "--best-effort"] {
            let tool = pinfold().display().to_string();
            let words = [&*tool, "run", options, "--", "touch", "ran"];
            let command: Vec<String> = words.iter().filter(|word| !word.is_empty()).map(ToString::to_string).collect();
            let launch = nest(actor, &["limit:0".into()], &command).dir(&place.project);
            let outcome = launch.env("HOME", place.home.to_str().unwrap()).run();
            assert_eq!(outcome.ending(), "exit 125", "{options}: {outcome}");
            let said = outcome.stderr_text();
            assert!(said.starts_with("pinfold: namespaces: cannot make the namespaces: "), "{said}");
            assert!(said.contains("\nhint: ") && said.contains("user.max_user_namespaces"), "{said}");
            assert!(!place.project.join("ran").exists());
        }
    }
}

/// firejail and its like look for profiles where programs can write: that too is only dropped by name.
#[test]
fn a_box_that_could_write_profiles_is_dropped_by_name() {
    let place = Place::new("effort-profiles", Actor::User);
    place.file(".config/pinfold/profiles/x.profile", "profile base\n");
    let config = place.home.join(".config").display().to_string();
    assert_eq!(place.sh(&format!("--rw {config}"), "true").run().ending(), "exit 125");
    let options = format!("--best-effort --json-status-fd 5 --rw {config}");
    let outcome = place.sh(&options, "echo it ran").fd(5, Fd::Out).run();
    assert_eq!(outcome.done(), "it ran\n");
    let lines = dropped(&outcome);
    // git's configuration, which would lie there too, cannot be held either while it does not exist.
    let [profiles, git] = &lines[..] else { panic!("{lines:?}") };
    assert!(profiles.starts_with("protection of profiles: ") && profiles.contains("reads its rules from"), "{lines:?}");
    assert!(git.starts_with("protection of the workspace: ") && git.contains("/git/config is missing"), "{lines:?}");
}

/// On a host that can do everything there is nothing to say.
#[test]
fn nothing_is_said_where_everything_holds() {
    for actor in actors() {
        let place = Place::new("effort-full", actor);
        let outcome = place.sh("--best-effort --json-status-fd 5", "echo it ran").fd(5, Fd::Out).run();
        assert_eq!((outcome.done(), outcome.stderr_text()), ("it ran\n".into(), String::new()));
        assert!(dropped(&outcome).is_empty());
    }
}

/// What is to be done about it is said in words that this door understands, and it is true.
#[test]
fn a_covered_proc_is_explained_in_the_words_of_this_door() {
    let place_of_it =
        ["/proc/acpi", "/proc/driver", "/proc/irq"].into_iter().find(|at| std::path::Path::new(at).is_dir());
    let Some(covered) = place_of_it else { return skip("nothing below /proc that could be covered") };
    for actor in actors() {
        let place = Place::new("covered-proc", actor);
        let run = |options: &[&str]| {
            let words = [&[pinfold().to_str().unwrap(), "run"], options, &["echo", "it ran"]].concat();
            let command: Vec<String> = words.into_iter().map(str::to_owned).collect();
            nest(actor, &[format!("tmpfs:{covered}")], &command).dir(&place.project).run()
        };
        let refused = run(&[]);
        let said = refused.stderr_text();
        assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
        assert!(said.contains("the kernel then allows no new procfs: --best-effort goes on without one, or"), "{said}");
        assert!(!said.contains("bind"), "{said}");
        let dropped = run(&["--best-effort"]);
        assert_eq!(dropped.done(), "it ran\n");
        assert!(dropped.stderr_text().contains("not enforced: mounts: procfs on /proc"), "{dropped}");
    }
}
