//! Under which names, and by which ways, the tool is bubblewrap: a link or copy of another name, and itself again.

use std::os::unix::fs::symlink;

use crate::case::{V0_9, words};
use crate::support::{Actor, Fd, Fixture, Launch, Outcome, Tool, executable, normal, pinfold, references, tool};

fn told(outcome: &Outcome) -> [String; 3] {
    [outcome.ending(), normal::stdout(&outcome.stdout_text()), normal::stderr(&outcome.stderr_text())]
}

/// A box in a box by the program that makes the outer one: callers that know no path of it name `/proc/self/exe`.
#[test]
fn the_program_of_a_box_can_be_the_tool_itself() {
    let lines = [
        "R /proc/self/exe R P args x",
        "R --proc /proc /proc/self/exe R P args x",
        "R --unshare-pid --proc /proc /proc/self/exe R --unshare-pid --proc /proc P args x",
        "R --proc /proc --dev /dev /proc/self/exe --unshare-net R --proc /proc /proc/self/exe --dev-bind / / P args x",
        "R --unshare-all --proc /proc /proc/self/exe --args 6 R P args x",
        "--dev-bind / / sh -c '/proc/self/exe -c true; exec {tool} --ro-bind / / {probe} args x'",
        "R --proc /proc --argv0 flatpak-bwrap /proc/self/exe R P args x",
        "R --argv0 flatpak-bwrap /proc/self/exe --bogus",
        "R --argv0 flatpak-bwrap /proc/self/exe -- nonexist",
        "R --proc /proc --argv0 exe /proc/self/exe R nonexist",
    ];
    // Of one that its own loader has started, that is what /proc/self/exe leads to.
    let installed = || references().iter().filter(|reference| reference.tool.name == "installed");
    for actor in [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here()) {
        let fixture = Fixture::new(&format!("itself-{actor:?}"), actor);
        for line in lines {
            let run = |of: &Tool| {
                let place = of.path().display().to_string();
                let args = words(line).into_iter().map(|word| fixture.expand(&word).replace("{tool}", &place));
                let given = Fd::Text("--die-with-parent\0");
                of.launch(actor, args).dir(&fixture.path).fd(6, given).run()
            };
            let ours = told(&run(tool()));
            // A box that shows a read-only /proc has no other in it.
            let fails = ["nonexist", "--bogus", "R /proc/self/exe R"].iter().any(|part| line.contains(part));
            assert!(fails || ours[0] == "exit 0", "{line} as {actor:?}: {ours:?}");
            for reference in installed().filter(|it| it.version >= V0_9 || !line.contains("--argv0")) {
                assert_eq!(ours, told(&run(&reference.tool)), "{line} as {actor:?}");
            }
        }
    }
}

/// A name that says `bwrap` is bubblewrap for any words; one that says nothing is for bubblewrap's options.
#[test]
fn links_and_copies_of_other_names_are_the_same_program() {
    let fixture = Fixture::new("names", Actor::User);
    let named: Vec<_> = ["flatpak-bwrap", "bwrap-0.12", "exe"].map(|name| fixture.path.join(name)).into();
    for path in &named {
        symlink(pinfold(), path).expect("make a link");
    }
    let copy = fixture.path.join("sandbox");
    executable::copy(pinfold(), &copy);
    for path in named.iter().chain([&copy]) {
        let is_bwrap = path.display().to_string().contains("bwrap");
        for line in [
            "R P args x",
            "--args 6",
            "--unshare-all R false",
            "--level-prefix --bogus",
            "--bind / /",
            "--tmpfs",
            "--version",
            "true",
            "--bogus",
            "-- nonexist",
            "",
        ] {
            let words: Vec<String> = words(line).into_iter().map(|word| fixture.expand(&word)).collect();
            let run = |launch: Launch| told(&launch.fd(6, Fd::Text("--bogus\0")).run());
            let other = Launch::program(path, Actor::User, &words.iter().map(String::as_str).collect::<Vec<_>>());
            let same =
                run(other.dir(&fixture.path)) == run(tool().launch(Actor::User, words.clone()).dir(&fixture.path));
            // The usage begins with what the program was called.
            let is_usage = ["", "--bind / /"].contains(&line);
            let is_option = line.starts_with("--") && !["--bogus", "--version", "-- nonexist"].contains(&line);
            let wanted = (is_bwrap || is_option || line.starts_with("R ")) && !is_usage;
            assert_eq!(same, wanted, "{} {line}", path.display());
        }
    }
}
