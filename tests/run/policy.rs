//! Policy that is reused: profiles that build on their namesake, wrong lines, words that would not count, and whose
//! profiles decide.

use std::fs;
use std::path::Path;

use crate::support::Actor;
use crate::{Place, actors};

#[test]
fn all_wrong_lines_are_told_at_once() {
    let place = Place::new("wrong-lines", Actor::User);
    place.file("part.profile", "net none\nuid x\n");
    let part = place.home.join("part.profile");
    let text = format!("profile workspace\nro usr\nprofile {}\nnosuch\nro /usr # system\nenv A = b\n", part.display());
    let file = place.file("wrong.profile", &text);
    let file = file.to_str().unwrap();
    for words in [vec!["run", "--profile", file, "true"], vec!["profile", "check", file]] {
        let outcome = place.pinfold(&words).run();
        let said = outcome.stderr_text();
        assert_eq!(outcome.ending(), "exit 125", "{outcome}");
        for wanted in [
            "5 words and lines are wrong:\n",
            "wrong.profile:2: ro usr: ",
            "part.profile:2: uid x: ",
            "wrong.profile:4: nosuch: unknown option --nosuch (`pinfold run -h` lists the options)\n",
            "wrong.profile:5: ro /usr # system: a comment has a line of its own",
            "wrong.profile:6: env A = b: ",
        ] {
            assert!(said.contains(wanted), "{wanted}: {said}");
        }
    }
    let many = place.file("many.profile", &"ro usr\n".repeat(1000));
    let said = place.pinfold(&["profile", "check", many.to_str().unwrap()]).run().stderr_text();
    assert!(said.starts_with("pinfold profile: more than 20 words and lines are wrong, among them:\n"), "{said}");
    assert_eq!(said.lines().count(), 21, "{said}");
}

#[test]
fn ones_own_workspace_builds_on_the_shipped_one() {
    let place = Place::new("own-workspace", Actor::User);
    place.file(".config/pinfold/profiles/workspace.profile", "profile workspace\nenv MINE=1\n");
    let said = place.sh("", "env; touch made && rm made").run().done();
    assert!(said.contains("MINE=1\n"), "{said}");
    // A shipped one that builds on it means the shipped one only while that is being read.
    let said = place.sh("--profile build", "env").run().done();
    assert!(said.contains("MINE=1\n"), "{said}");
    place.file(".config/pinfold/profiles/workspace.profile", "profile build\nenv MINE=2\n");
    assert!(place.sh("", "env; touch made && rm made").run().done().contains("MINE=2\n"));
    // Where there is no other one of the name, it is a circle.
    place.file(".config/pinfold/profiles/mine.profile", "profile mine\n");
    let outcome = place.sh("--profile mine", "true").run();
    assert!(outcome.stderr_text().contains("a profile builds on itself"), "{outcome}");
}

#[test]
fn a_word_that_a_later_profile_hides_is_an_error() {
    let place = Place::new("hidden-word", Actor::User);
    place.file("data/file", "of the host\n");
    let data = place.home.join("data").display().to_string();
    for word in [format!("--rw {data}"), format!("--ro {data}"), "--tmpfs /tmp:size=1M".into()] {
        let refused = place.sh(&format!("{word} --profile base"), "echo it ran").run();
        assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
        let said = refused.stderr_text();
        assert!(said.contains(&format!("{word}: hidden by a profile that stands behind it: base:")), "{said}");
        place.sh(&format!("--profile base {word}"), "true").run().done();
    }
    // What a later profile does not touch, does again, or cannot undo is no mistake.
    for words in [format!("--deny-try {data}/x --profile base"), "--proc /proc --profile base".into()] {
        place.sh(&words, "true").run().done();
    }
}

#[test]
fn a_tilde_of_the_command_line_is_the_home() {
    let place = Place::new("tilde", Actor::User);
    place.file("data/file", "of the host\n");
    let words = ["run", "--ro=~/data", "--workdir=~/data", "--", "cat", "file"];
    assert_eq!(place.pinfold(&words).run().done(), "of the host\n");
    place.file("own.profile", "profile workspace\nenv MINE=1\n");
    assert!(place.pinfold(&["run", "--profile=~/own.profile", "env"]).run().done().contains("MINE=1\n"));
}

#[test]
fn a_profile_that_others_can_write_is_not_used() {
    for actor in actors() {
        let place = Place::new("distrust", actor);
        let file = place.file("mine.profile", "profile base\nenv MINE=1\n");
        let path = file.to_str().unwrap();
        let mode = |mode| fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let both = |wanted: &str| {
            for words in [vec!["run", "--profile", path, "env"], vec!["profile", "check", path]] {
                let refused = place.pinfold(&words).run();
                assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
                assert!(refused.stderr_text().contains(wanted), "{wanted}: {refused}");
            }
        };
        mode(0o646);
        both("is not used: everybody can write to it (mode 646)\nhint: chmod go-w ");
        mode(0o644);
        assert!(place.pinfold(&["run", "--profile", path, "env"]).run().done().contains("MINE=1\n"));
        // The same condition, by the same words, of a box that could write to it.
        fs::write(&file, "profile base\nrw ${WORKSPACE}\n").unwrap();
        let here = place.file("project/mine.profile", "profile base\nrw ${WORKSPACE}\n");
        let trust = || place.pinfold(&["profile", "trust", "./mine.profile"]).run().done();
        assert!(trust().starts_with(here.to_str().unwrap()));
        for words in [vec!["run", "--profile", "./mine.profile", "env"], vec!["profile", "check", "./mine.profile"]] {
            let refused = place.pinfold(&words).run();
            assert!(refused.stderr_text().contains("reads its rules from"), "{refused}");
        }
        // The workspace is such a box too.
        fs::write(&here, "profile workspace\n").unwrap();
        trust();
        for words in [vec!["run", "--profile", "./mine.profile", "env"], vec!["profile", "check", "./mine.profile"]] {
            let refused = place.pinfold(&words).run();
            assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
            assert!(refused.stderr_text().contains("workspace:7: workspace: the program could write to"), "{refused}");
        }
        // Where nothing inside can write to it, one in the project is used.
        fs::write(&here, "profile base\nro ${WORKSPACE}\nenv MINE=1\n").unwrap();
        trust();
        let words = ["run", "--profile", "./mine.profile", "env"];
        assert!(place.pinfold(&words).run().done().contains("MINE=1\n"));
    }
}

/// Nothing in a project shows what an earlier box has written there. So its user says which files are as he wants them.
#[test]
fn a_profile_of_the_project_is_used_as_it_was_trusted() {
    for actor in actors() {
        let place = Place::new("trusted", actor);
        place.file("project/.git/HEAD", "");
        place.file("project/in/x", "");
        place.file("project/mine.profile", "profile base\nenv MINE=1\n");
        place.file("project/weak.json", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}");
        let refused = |words: &[&str], why: &str| {
            let refused = place.pinfold(words).run();
            assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
            assert!(refused.stderr_text().contains(why), "{refused}");
        };
        let (run, check) = (["run", "--profile", "./mine.profile", "env"], ["profile", "check", "./mine.profile"]);
        let filtered = ["run", "--profile", "base", "--seccomp", "./weak.json", "true"];
        for words in [&run[..], &check, &filtered, &["profile", "diff", "./mine.profile", "base"]] {
            refused(words, "where an earlier box may have written it\nhint: keep it elsewhere");
        }
        // Also where a box has only a part of the repository, and where the way leads through a link elsewhere.
        std::os::unix::fs::symlink(place.project.join("mine.profile"), place.home.join("led.profile")).unwrap();
        refused(&["run", "--profile", "../led.profile", "env"], "may have written it");
        let below = ["run", "--profile", "../mine.profile", "env"];
        let of_part = place.pinfold(&below).dir(&place.project.join("in")).run();
        assert_eq!(of_part.ending(), "exit 125", "{of_part}");

        assert_eq!(place.pinfold(&["profile", "show", "./mine.profile"]).run().done(), "profile base\nenv MINE=1\n");
        for file in ["./mine.profile", "./weak.json"] {
            place.pinfold(&["profile", "trust", file]).run().done();
        }
        assert!(place.pinfold(&run).run().done().contains("MINE=1\n"));
        place.pinfold(&check).run().done();
        place.pinfold(&filtered).run().done();
        // A box changes it.
        place.sh("", "echo 'rw /' >>mine.profile").run().done();
        refused(&run, "it has changed since you trusted it");
        refused(&check, "it has changed since you trusted it");

        refused(&["profile", "trust", "mine.profile"], "a file is written with its directory: ./mine.profile");
        refused(&["profile", "trust", "./none.profile"], "there is no such file");
        // Nobody inside says it.
        let said = place.sh("", "pinfold profile trust ./mine.profile || exit 3").run();
        assert_ne!(said.ending(), "exit 0", "{said}");
    }
}

/// What others may use is not used, and the run goes on without it.
#[test]
fn a_state_directory_that_is_not_the_users_alone_is_said_and_not_used() {
    let place = Place::new("open-state", Actor::User);
    place.sh("", "git init -q . && touch kept").run().done();
    let state = place.file(".local/state/pinfold/kept/x", "").parent().unwrap().to_owned();
    let mode =
        |path: &Path, mode| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    mode(state.parent().unwrap(), 0o700);
    mode(&state, 0o777);
    // The next place would be in memory, for all tests.
    let runtime = place.file("runtime/x", "").parent().unwrap().to_owned();
    let said = place.sh("", "git config core.hooksPath /x; echo ran");
    let said = said.env("XDG_RUNTIME_DIR", runtime.to_str().unwrap()).run();
    assert_eq!((said.ending(), said.stdout_text()), ("exit 0".into(), "ran\n".into()), "{said}");
    let note =
        format!("pinfold: note: cannot use {}: others may use it (mode 777): chmod 700 closes it", state.display());
    assert_eq!(said.stderr_text().matches(&note).count(), 1, "{said}");
    assert!(!fs::read_to_string(place.project.join(".git/config")).unwrap().contains("hooksPath"));
}

/// What pinfold keeps for itself is closed where a word shows a directory above it, by whatever path.
#[test]
fn the_directories_of_pinfold_itself_are_hidden() {
    for actor in actors() {
        let place = Place::new("own-files", actor);
        place.file(".local/state/pinfold/kept/x", "of pinfold\n");
        place.file(".config/pinfold/profiles/mine.profile", "profile workspace\n");
        place.file("data/file", "of the host\n");
        let home = place.home.display().to_string();
        std::os::unix::fs::symlink(&place.home, place.home.join("project/led")).unwrap();
        let look = "cat {}/.local/state/pinfold/kept/x {}/.config/pinfold/profiles/mine.profile {}/data/file";
        for (options, at) in [
            (format!("--ro {home}"), home.as_str()),
            (format!("--ro {home}:/h"), "/h"),
            (format!("--profile base --overlay {home}:/h"), "/h"),
            (format!("--profile base --ro {home}/project/../:/h"), "/h"),
        ] {
            let outcome = place.sh(&options, &look.replace("{}", at)).run();
            assert_eq!(outcome.stdout_text(), "of the host\n", "{actor:?} {options}: {outcome}");
            let closed = outcome.stderr_text().matches("Permission denied").count();
            assert_eq!(closed, 2, "{actor:?} {options}: {outcome}");
        }
        // Named itself, it can be looked at. What could write to it is refused, whether it exists or not.
        let own = format!("--ro {home}/.config/pinfold:/p");
        assert_eq!(place.sh(&own, "cat /p/profiles/mine.profile").run().done(), "profile workspace\n");
        for _ in 0..2 {
            for path in [".local/state", ".local", ".local/state/pinfold"] {
                let path = place.home.join(path);
                if !path.exists() {
                    continue;
                }
                let refused = place.sh(&format!("--rw {}", path.display()), "echo it ran").run();
                assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
                assert!(refused.stderr_text().contains(".local/state/pinfold"), "{refused}");
            }
            let _gone_the_second_time = fs::remove_dir_all(place.home.join(".local/state/pinfold"));
        }
    }
}

/// With `sudo`, HOME may be that of somebody else, whose profiles do not decide for root.
#[test]
fn profiles_of_somebody_else_are_passed_over() {
    if !Actor::Root.here() {
        return crate::support::leave_to_root("only root can make files of somebody else");
    }
    let place = Place::new("anothers", Actor::User);
    place.file(".config/pinfold/profiles/workspace.profile", "profile workspace\nenv PLANTED=1\n");
    assert!(place.sh("", "env").run().done().contains("PLANTED=1"));
    let theirs = Place::new("anothers-root", Actor::Root);
    let config = place.home.join(".config").display().to_string();
    let outcome = theirs.sh("", "env").env("XDG_CONFIG_HOME", &config).run();
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    assert!(!outcome.stdout_text().contains("PLANTED"), "{outcome}");
    let note =
        format!("pinfold: note: profiles in {config}/pinfold/profiles are not used: it belongs to somebody else");
    assert!(outcome.stderr_text().starts_with(&note), "{outcome}");
    assert_eq!(outcome.stderr_text().matches("not used").count(), 1, "{outcome}");
}

/// What pinfold keeps about runs decides what the next one does. It lies in memory where no other place can have it.
#[test]
fn no_word_makes_a_store_writable() {
    for actor in actors() {
        let place = Place::new("store", actor);
        let state = place.file(".local/state/pinfold/kept/x", "").parent().unwrap().to_owned();
        place.host("mkdir -p ../other && ln -s ../.local/state/pinfold/kept ../other/out");
        let led = place.home.join("other/out");
        for word in [state.to_str().unwrap(), led.to_str().unwrap(), "../other/out", "/dev/shm"] {
            let outcome = place.sh(&format!("--rw {word}"), "touch ran").run();
            assert_eq!(outcome.ending(), "exit 125", "{word}: {outcome}");
            assert!(outcome.stderr_text().contains("pinfold reads its rules from "), "{word}: {outcome}");
        }
        assert!(!place.project.join("ran").exists());
    }
}

/// An earlier box may have made the link.
#[test]
fn a_link_lifts_no_protection() {
    for actor in actors() {
        let place = Place::new("led-to-hooks", actor);
        place.host(
            "mkdir -p ../other/.vscode && cd ../other && git init -q . && ln -s .git/hooks out && ln -s .vscode v",
        );
        for name in ["out", "v"] {
            let outcome = place.sh(&format!("--rw ../other/{name}"), "touch ran").run();
            assert_eq!(outcome.ending(), "exit 125", "{outcome}");
            assert!(outcome.stderr_text().contains("leads through a link to "), "{outcome}");
        }
        assert!(!place.project.join("ran").exists());
        place.sh("--rw ../other/.vscode", "touch ../other/.vscode/x").run().done();
        assert!(place.home.join("other/.vscode/x").exists());
    }
}

/// A name that nothing is near to has a hint too, and paths in messages are as one would write them.
#[test]
fn a_name_that_nothing_has_leads_to_the_list() {
    let place = Place::new("no-name", Actor::User);
    let said = |options: &str| place.sh(options, "echo it ran").run().stderr_text();
    let list = "no seccomp profile is called \"foo\"\nhint: pinfold seccomp list shows the names\n";
    assert!(said("--seccomp foo").contains(list), "{}", said("--seccomp foo"));
    let shown = place.pinfold(&["profile", "show", "nosuch"]).run().stderr_text();
    assert!(shown.ends_with("no profile has this name\nhint: `pinfold profile list` shows them\n"), "{shown}");
    place.file("project/own.profile", "profile base\nrw .\n");
    let refused = said("--profile ./own.profile");
    assert!(refused.contains("/project/own.profile") && !refused.contains("/./"), "{refused}");
}

/// What a message says is true of the word that it is about, and the hint too.
#[test]
fn a_refusal_is_about_the_word_that_was_written() {
    let place = Place::new("hints", Actor::User);
    let said = |options: &str| place.sh(options, "true").run().stderr_text();
    for (options, wanted) in [
        ("--rw /dev/shm", "make a smaller directory writable\n"),
        ("--dev /dev", "hint: name the device that is needed: --dev /dev/DEVICE\n"),
    ] {
        let refused = said(options);
        assert!(refused.contains(wanted) && !refused.contains("of your own"), "{options}: {refused}");
    }
    let link = place.home.join("names");
    std::os::unix::fs::symlink("/etc/hosts", &link).unwrap();
    let note = said(&format!("--rw {}", link.display()));
    assert!(note.contains("leads through a link to /etc/hosts\n"), "{note}");
    let ssh = place.file(".ssh/config", "");
    let refused = place.sh("", "true").dir(ssh.parent().unwrap()).run().stderr_text();
    assert_eq!(refused.matches("obeys what is in").count(), 1, "{refused}");
}
