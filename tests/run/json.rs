//! What programs read: the plan as JSON, and the lines of `--json-status-fd`.

use serde_json::Value;

use crate::Place;
use crate::support::{Actor, Fd};

/// The lines of descriptor 5, each of which must be one object.
fn lines(outcome: &crate::support::Outcome) -> Vec<Value> {
    let text = String::from_utf8(outcome.outs[&5].clone()).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text:?}");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

fn members(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn the_plan_has_all_its_members() {
    let place = Place::new("json-plan", Actor::User);
    let options = "--dry-run=json --env A=1 --cap-add CAP_CHOWN --keep-fd 5 --uid 7 --gid 8";
    let text = place.sh(options, "touch ran").fd(5, Fd::Out).run().done();
    let plan: Value = serde_json::from_str(&text).unwrap();
    let wanted = [
        "capabilities",
        "descriptors",
        "directory",
        "environment",
        "gid",
        "mounts",
        "namespaces",
        "not-enforced",
        "program",
        "restrictions",
        "uid",
    ];
    assert_eq!(members(&plan), wanted);
    assert_eq!((&plan["uid"], &plan["gid"]), (&7.into(), &8.into()));
    assert_eq!(plan["namespaces"], serde_json::json!(["user", "mount", "pid", "ipc", "uts", "cgroup", "net"]));
    assert_eq!(plan["capabilities"], serde_json::json!(["CAP_CHOWN"]));
    assert_eq!(plan["descriptors"], serde_json::json!([0, 1, 2, 5]));
    assert_eq!(plan["program"], serde_json::json!(["sh", "-c", "touch ran"]));
    assert_eq!(plan["directory"], place.project.to_str().unwrap());
    assert!(plan["environment"].as_array().unwrap().contains(&"A=1".into()));
    for mount in plan["mounts"].as_array().unwrap() {
        assert_eq!(members(mount), ["from", "live", "skipped", "what"]);
        assert_eq!(mount["live"], false, "{mount}");
        assert!(mount["what"].is_string() && (mount["from"].is_string() || mount["from"].is_null()), "{mount}");
    }
    let froms: Vec<&str> =
        plan["mounts"].as_array().unwrap().iter().filter_map(|mount| mount["from"].as_str()).collect();
    assert!(
        froms.contains(&"base:4: ro-try /usr")
            && froms.iter().any(|from| from.starts_with("--ro=") || from.starts_with("--ro /")),
        "{froms:?}"
    );
    for restriction in plan["restrictions"].as_array().unwrap() {
        assert_eq!(members(restriction), ["name", "what"]);
    }
    assert!(!place.project.join("ran").exists());
}

#[test]
fn the_status_has_a_line_for_the_start_and_one_for_the_end() {
    let place = Place::new("json-status", Actor::User);
    let lines = lines(&place.sh("--json-status-fd 5", "exit 3").fd(5, Fd::Out).run());
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0]["child-pid"].as_u64().is_some_and(|pid| pid > 0), "{lines:?}");
    assert_eq!(lines[1], serde_json::json!({ "exit-code": 3 }));
}

#[test]
fn a_failure_is_one_line_with_its_step_and_reason() {
    let place = Place::new("json-failed", Actor::User);
    for (options, command, step, errno, code) in [
        ("--ro /no/such", "true", "mounts", libc::ENOENT, 125),
        ("--workdir /no/such", "true", "program", libc::ENOENT, 125),
        ("", "no-such-program", "program", libc::ENOENT, 127),
        ("", "/etc", "program", libc::EACCES, 126),
    ] {
        let outcome = place.run(&format!("--json-status-fd 5 {options}"), &[command]).fd(5, Fd::Out).run();
        let lines = lines(&outcome);
        let last = lines.last().unwrap();
        assert_eq!(members(last), ["errno", "error", "exit-code", "hint", "step"], "{options}");
        assert_eq!((&last["step"], &last["errno"], &last["exit-code"]), (&step.into(), &errno.into(), &code.into()));
        let said = outcome.stderr_text();
        assert_eq!(said.lines().next(), Some(&*format!("pinfold: {}", last["error"].as_str().unwrap())));
        assert_eq!(said.lines().nth(1), last["hint"].as_str().map(|hint| format!("hint: {hint}")).as_deref());
        assert_eq!(outcome.ending(), format!("exit {code}"));
    }
}

/// What is found before there is a box is reported like everything else, as soon as it is known to whom.
#[test]
fn a_refusal_before_the_box_is_one_line_too() {
    let place = Place::new("json-refused", Actor::User);
    place.file("broken.json", "{");
    for (options, dir, wanted) in [
        ("", "/", "it is the root of the whole system"),
        ("--profile nosuch", ".", "no profile has this name"),
        ("--seccomp ../broken.json", ".", "this is no JSON"),
        ("--seccomp nosuch", ".", "no seccomp profile is called"),
        ("--tmpfs /x:size=y", ".", "a size is a number of bytes"),
        ("--ro nosuch", ".", "nosuch does not exist on the host"),
        ("--nosuch", ".", "unknown option --nosuch"),
        ("--rw", ".", "--rw takes a value"),
        ("--landlock only --hostname x --share net,ipc", ".", "UTS namespace"),
    ] {
        let words = format!("run --json-status-fd 5 {options}");
        let words: Vec<&str> = words.split_whitespace().chain((options != "--rw").then_some("true")).collect();
        let outcome = place.pinfold(&words).dir(&place.project.join(dir)).fd(5, Fd::Out).run();
        let lines = lines(&outcome);
        assert_eq!((outcome.ending(), lines.len()), ("exit 125".into(), 1), "{options}: {outcome}");
        assert_eq!(members(&lines[0]), ["errno", "error", "exit-code", "hint", "step"], "{options}");
        assert!(lines[0]["error"].as_str().unwrap().contains(wanted), "{options}: {lines:?}");
        assert_eq!(lines[0]["exit-code"], 125);
        let said = outcome.stderr_text();
        let told = lines[0]["error"].as_str().unwrap().to_owned();
        assert!(said.starts_with(&format!("pinfold: {told}\n")), "{said}");
    }
    // An order that makes no difference.
    let outcome = place.pinfold(&["run", "--profile", "nosuch", "--json-status-fd", "5", "true"]).fd(5, Fd::Out).run();
    assert_eq!(lines(&outcome).len(), 1, "{outcome}");
    // Nobody can be told where that is not known yet.
    let outcome = place.pinfold(&["run", "--nosuch", "--json-status-fd", "5", "true"]).fd(5, Fd::Out).run();
    assert_eq!((outcome.ending(), lines(&outcome).len()), ("exit 125".into(), 0), "{outcome}");
}

/// CVE-2023-28101: nothing that somebody else has named can fake or hide a part of what is shown.
#[test]
fn what_others_named_is_escaped_in_the_plan_and_in_errors() {
    let place = Place::new("json-odd", Actor::User);
    // A line feed, an escape, the C1 form of it, and a mark that turns the direction of writing around.
    let odd = "a\n\u{1b}[2J\u{9b}2J\u{202e}z";
    let path = place.file(&format!("{odd}/file"), "x");
    let dir = path.parent().unwrap();
    let shown = r"a\n\x1b[2J\u{9b}2J\u{202e}z";
    let hidden = ['\u{1b}', '\u{9b}', '\u{202e}'];
    let ro = format!("--ro={}", dir.display());
    let variable = format!("ODD={odd}");
    let run = |more: &[&str]| {
        let words = [&["run", &ro, "--env", &variable], more, &["--", "true", odd]].concat();
        place.pinfold(&words).fd(5, Fd::Out).run()
    };
    let text = run(&["--dry-run"]).done();
    assert!(text.contains(shown) && !text.contains(hidden), "{text:?}");
    assert!(text.lines().all(|line| line.as_bytes()[..12].iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')));
    let json = run(&["--dry-run=json"]).done();
    assert!(!json.contains(hidden), "{json:?}");
    let plan: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["program"], serde_json::json!(["true", odd]));
    let missing = format!("--ro={}/no", dir.display());
    let outcome = run(&["--json-status-fd", "5", &missing]);
    assert_eq!(outcome.ending(), "exit 125", "{outcome}");
    assert!(outcome.stderr_text().contains(shown) && !outcome.stderr_text().contains(hidden), "{outcome}");
    assert_eq!(outcome.stderr_text().lines().count(), 2, "{outcome}");
    let report = lines(&outcome);
    assert!(report.last().unwrap()["error"].as_str().unwrap().contains(shown), "{report:?}");
    assert!(!outcome.outs[&5].windows(3).any(|bytes| bytes == "\u{202e}".as_bytes()));
    // As the project itself, whose name is nobody's but its author's.
    let project = place.file(&format!("{odd}/p/file"), "x");
    let said = place.pinfold(&["run", "-v", "pwd"]).dir(project.parent().unwrap()).run();
    assert_eq!(said.done(), format!("{}\n", project.parent().unwrap().display()));
    assert!(said.stderr_text().contains(shown) && !said.stderr_text().contains(hidden), "{said}");
}

/// A reader that has gone is an error with words, and no death by SIGPIPE.
#[test]
fn a_status_without_a_reader_stops_the_run_with_an_error() {
    let place = Place::new("json-no-reader", Actor::User);
    for options in
        ["--json-status-fd 5", "--json-status-fd 5 --net host", "--json-status-fd 5 --rw=/not/there --no-such"]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let outcome = place.sh(options, "touch ran").fd(5, Fd::Given(std::sync::Arc::new(writer.into()))).run();
        assert_eq!(outcome.ending(), "exit 125", "{options}: {outcome}");
        let (said, wanted) = (outcome.stderr_text(), if options.contains("no-such") { "no-such" } else { "report" });
        assert!(said.starts_with("pinfold: ") && said.contains(wanted), "{options}: {said}");
        assert!(!place.project.join("ran").exists(), "{options}: the program ran");
    }
}
