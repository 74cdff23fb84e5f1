//! Each way to end has its own exit code, and its message names the step and the word.

use std::fs;

use crate::support::{Actor, Fd};
use crate::{Place, actors};

#[test]
fn the_programs_own_code_is_passed_on() {
    for actor in actors() {
        let place = Place::new("codes", actor);
        for (script, ending) in
            [("exit 0", "exit 0"), ("exit 7", "exit 7"), ("exit 125", "exit 125"), ("kill -9 $$", "exit 137")]
        {
            assert_eq!(place.sh("", script).run().ending(), ending, "{script}");
        }
        assert_eq!(place.sh("", "kill -TERM $$").run().ending(), "exit 143");
    }
}

#[test]
fn a_program_that_cannot_be_started_is_126_or_127() {
    let place = Place::new("not-started", Actor::User);
    let script = place.file("project/script", "#!/bin/sh\n");
    let missing = place.run("", &["no-such-program"]).run();
    assert_eq!(missing.ending(), "exit 127");
    assert_eq!(
        missing.stderr_text().lines().next(),
        Some("pinfold: program: cannot execute no-such-program: No such file or directory")
    );
    // What a file is not a directory for cannot be found either.
    let below = format!("{}/x", script.display());
    assert_eq!(place.run("", &[&below]).run().ending(), "exit 127");
    // The kernel says "No such file" of the script whose interpreter is missing.
    let lost = place.file("project/lost", "#!/no/such/interpreter\n");
    fs::set_permissions(&lost, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let lost = place.run("", &["./lost"]).run();
    assert_eq!(lost.ending(), "exit 127");
    assert!(lost.stderr_text().contains("\nhint: interpreter /no/such/interpreter, which "), "{lost}");
    // What is no program by its looks.
    for (command, hint) in [
        ("FOO=1", "a variable is set by an option: --env FOO=1\n"),
        (".", ". is a directory, and no program\n"),
        ("ls -l", "this is one word with a blank in it: write the program (ls) and its arguments"),
        ("lost", "the current directory is not searched: write ./lost\n"),
    ] {
        let said = place.pinfold(&["run", "--", command]).run().stderr_text();
        assert!(said.contains(&format!("\nhint: {hint}")), "{command}: {said}");
    }
    let closed = place.run("", &[script.to_str().unwrap()]).run();
    assert_eq!(closed.ending(), "exit 126");
    assert!(closed.stderr_text().contains("cannot execute") && closed.stderr_text().contains("hint: "), "{closed}");
    assert_eq!(place.run("", &["/etc"]).run().ending(), "exit 126");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (options, command) in [("--deny /usr/bin", "env"), ("--deny script", "./script"), ("--deny s*t", "./script")] {
        let denied = place.run(options, &[command]).run();
        assert_eq!(denied.ending(), "exit 126", "{denied}");
        let said = denied.stderr_text();
        assert!(
            said.lines().next().is_some_and(|line| line.ends_with(&format!("Permission denied ({options})"))),
            "{said}"
        );
        assert!(said.contains("\nhint: the program lies in what is denied"), "{said}");
    }
}

/// 125, one line that names step, paths, reason and word, and a hint; and nothing of the program has run.
#[test]
fn what_pinfold_cannot_do_is_125() {
    let place = Place::new("refused", Actor::User);
    place.file("lost.profile", "profile workspace\n\n# x\nro /no/such/path\n");
    let profile = place.home.join("lost.profile");
    let by_profile = format!("--profile {}", profile.display());
    let from = format!("({}:4: ro /no/such/path)", fs::canonicalize(&profile).unwrap().display());
    for (options, wanted) in [
        (
            "--ro /no/such/path",
            "pinfold: mounts: bind /no/such/path (read-only): the source: No such file or directory (--ro /no/such/path)",
        ),
        (&*by_profile, &*from),
        ("--no-such-option", "pinfold: unknown option --no-such-option"),
        ("--net bridge", "pinfold: --net bridge: unknown word bridge"),
        ("--keep-fd 77", "77"),
        ("--profile no-such", "no profile has this name"),
        ("--workdir /no/such", "pinfold: program: cannot enter the directory /no/such: No such file or directory"),
        ("--seccomp /no/such.json", "/no/such.json: No such file or directory"),
        ("--seccomp defalt", "defalt"),
        ("--syscall-deny ptrase", "ptrase"),
        ("--cap-add CAP_NO", "--cap-add CAP_NO: unknown capability"),
        ("--tmpfs /usr/no/such", "Read-only file system"),
    ] {
        let outcome = place.sh(options, "echo it ran; touch ran").run();
        assert_eq!(outcome.ending(), "exit 125", "{options}: {outcome}");
        assert!(outcome.stderr_text().contains(wanted), "{options}: {outcome}");
        assert!(outcome.stderr_text().lines().count() <= 2, "{options}: {outcome}");
        assert!(outcome.stdout.is_empty() && !place.project.join("ran").exists(), "{options}: {outcome}");
    }
    let outcome = place.pinfold(&["run"]).run();
    assert_eq!(outcome.ending(), "exit 125");
    assert!(outcome.stderr_text().contains("no command is given"), "{outcome}");
}

/// What a script can read instead of messages.
#[test]
fn the_json_status_tells_start_and_end_or_the_error() {
    let place = Place::new("status", Actor::User);
    let outcome = place.sh("--json-status-fd 5", "exit 3").fd(5, Fd::Out).run();
    let text = String::from_utf8_lossy(&outcome.outs[&5]).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.first().is_some_and(|line| line.starts_with("{ \"child-pid\": ")), "{text}");
    assert_eq!(lines.last(), Some(&"{ \"exit-code\": 3 }"));
    let outcome = place.sh("--json-status-fd 5 --ro /no/such", "exit 3").fd(5, Fd::Out).run();
    let text = String::from_utf8_lossy(&outcome.outs[&5]).into_owned();
    let last = text.lines().last().unwrap_or_default();
    for part in
        ["\"error\":\"mounts: bind /no/such", "\"errno\":2", "\"exit-code\":125", "\"hint\":\"", "\"step\":\"mounts\""]
    {
        assert!(last.contains(part), "{part}: {text}");
    }
}

/// A typing mistake is looked for first, and what is missing outside too is said to be.
#[test]
fn what_is_missing_everywhere_is_said_to_be() {
    let place = Place::new("misspelt", Actor::User);
    place.file("data/inputs/file", "x");
    place.file("project/tool", "x");
    let data = place.home.join("data").display().to_string();
    let hint = |words: &[&str]| {
        let outcome = place.pinfold(words).run();
        outcome
            .stderr_text()
            .lines()
            .find_map(|line| line.strip_prefix("hint: ").map(str::to_owned))
            .unwrap_or_default()
    };
    let named = format!("{data}/inptus/file");
    let wanted = format!("did you mean {data}/inputs/file?");
    for option in ["--ro", "--overlay"] {
        assert_eq!(hint(&["run", option, &named, "true"]), wanted, "{option}");
    }
    // An output often has nearly the name of another.
    for value in [named.clone(), format!("{named}:/tmp/x")] {
        let said = hint(&["run", "--rw", &value, "true"]);
        assert!(said.starts_with(&format!("make it first: touch {named} for a file")), "{said}");
        assert!(said.contains(&format!("(or {wanted})")), "{said}");
    }
    assert!(hint(&["run", "--ro", &format!("{data}/other"), "true"]).contains("--ro-try"));
    for program in ["no-such-program", "nosuch", "x", "qz"] {
        assert_eq!(hint(&["run", program]), "it is missing outside too, in all directories of PATH");
    }
    assert_eq!(
        hint(&["run", "./tolo"]),
        format!("it is missing outside too; did you mean {}/tool?", place.project.display())
    );
    assert_eq!(hint(&["run", "./no-such"]), "./no-such is missing outside too");
}

/// The profile `build` is advised for what it shows, and for nothing else.
#[test]
fn a_profile_is_advised_where_it_helps() {
    let place = Place::new("advised", Actor::User);
    for (path, helps) in [(".bun/bin/tool", true), (".local/share/uv/python/x/bin/tool", true), (".mine/tool", false)] {
        let file = place.file(path, "#!/bin/sh\necho it ran\n");
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let file = file.to_str().unwrap();
        let hidden = place.pinfold(&["run", file]).run();
        assert_eq!(hidden.stderr_text().contains("--profile build"), helps, "{hidden}");
        assert!(hidden.stderr_text().contains("--ro its directory"), "{hidden}");
        let built = place.pinfold(&["run", "--profile", "build", file]).run();
        assert_eq!(built.stdout_text() == "it ran\n", helps, "{built}");
    }
}
