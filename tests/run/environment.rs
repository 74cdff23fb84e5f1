//! Only what is named of the environment gets in, and nothing inside shows the rest.

use crate::support::probe;
use crate::{Place, actors};

#[test]
fn the_default_box_has_a_short_list_and_no_tokens() {
    for actor in actors() {
        let place = Place::new("environment", actor);
        let launch = place.sh("", "env | sort; cat /proc/*/environ | tr '\\0' '\\n'");
        let mut launch = launch.env("TERM", "dumb").env("LC_ALL", "C").env("TZ", "UTC");
        for (name, value) in [
            ("GITHUB_TOKEN", "canary"),
            ("AWS_SECRET_ACCESS_KEY", "canary"),
            ("SSH_AUTH_SOCK", "/canary"),
            ("DBUS_SESSION_BUS_ADDRESS", "unix:path=/canary"),
            ("DISPLAY", ":canary"),
            ("LD_PRELOAD", ""),
            ("LD_LIBRARY_PATH", "/canary"),
            ("PYTHONPATH", "/canary"),
            ("BASH_ENV", "/canary"),
        ] {
            launch = launch.env(name, value);
        }
        let said = launch.run().done();
        assert!(!said.contains("canary"), "{said}");
        let mut names: Vec<&str> = said.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        names.sort_unstable();
        names.dedup();
        let known = ["HOME", "LANG", "LC_ALL", "OLDPWD", "PATH", "PWD", "SHLVL", "TERM", "TZ", "XDG_RUNTIME_DIR", "_"];
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
        assert!(["HOME", "LC_ALL", "PATH", "TERM", "TZ"].iter().all(|name| names.contains(name)), "{names:?}");
    }
}

#[test]
fn a_variable_is_passed_by_name_set_or_matched() {
    let place = Place::new("variables", crate::support::Actor::User);
    let launch = place.run("--env TOKEN --env A=b=c --env MY_* --env EMPTY=", &["env"]);
    let said = launch.env("TOKEN", "t").env("MY_X", "1").env("MY_Y", "2").env("MINE", "3").run().done();
    for line in ["TOKEN=t", "A=b=c", "MY_X=1", "MY_Y=2", "EMPTY="] {
        assert!(said.lines().any(|found| found == line), "{line}: {said}");
    }
    assert!(!said.contains("MINE"), "{said}");
}

/// CVE-2024-21626 and its kin: what PID 1 knows of its caller must not be read through /proc.
#[test]
fn the_command_line_of_the_caller_is_not_to_be_seen() {
    for actor in actors() {
        let place = Place::new("command-line", actor);
        let said =
            place.sh("--env CANARY=in-a-word", "cat /proc/1/cmdline /proc/1/environ | tr '\\0' ' '").run().done();
        assert!(!said.contains("in-a-word") && !said.contains(&probe().display().to_string()), "{said}");
    }
}
