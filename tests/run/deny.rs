//! `--deny`: nobody inside gets at a path, whatever is tried on it, and nothing of it stays on the host.

use std::fs;

use crate::support::{Actor, Fd};
use crate::{Place, actors};

/// A place with secrets in its project, beside what is free.
fn secrets(name: &str, actor: Actor) -> Place {
    let place = Place::new(name, actor);
    for file in ["secret", "keys/one", "keys/deep/two", "a.env", "sub/b.env", "sub/free", "own/file", "own/dir/x"] {
        place.file(&format!("project/{file}"), "of the host\n");
    }
    place
}

/// Everything in the project: names, types, modes, contents.
fn listing(place: &Place) -> String {
    let script = "find . -printf '%p %y %m %s %l\\n' | sort; find . -type f -exec cksum {} + | sort";
    let words = ["-c", script];
    let launch = crate::support::Launch::program(std::path::Path::new("/bin/sh"), Actor::Root, &words);
    launch.dir(&place.project).run().done()
}

#[test]
fn every_access_to_a_denied_path_fails() {
    for actor in actors() {
        let place = secrets("deny-access", actor);
        let before = listing(&place);
        let own = place.project.join("own").display().to_string();
        for name in ["secret", "keys"] {
            let path = place.project.join(name).display().to_string();
            for words in [&["--deny", &path][..], &["--deny", name]] {
                let options = words.join(" ");
                let said = place.run(&options, &["/probe", "tamper", &path, &own]).run().done();
                let done: Vec<&str> = said.lines().filter(|line| line.ends_with(" done")).collect();
                // Read, write, list, enter, create in, chmod, unlink, rename away and onto, exchange, link to and onto
                // …
                assert!(said.lines().count() >= 20 && done.is_empty(), "{actor:?} {options}: {done:?}");
                assert!(said.contains(&format!("read errno {}\n", libc::EACCES)), "{said}");
                assert_eq!(listing(&place), before, "{actor:?} {options}: the host was changed");
            }
        }
        // On what is not denied the same attempts succeed.
        let free = place.project.join("sub/free").display().to_string();
        let said = place.run("--deny secret", &["/probe", "tamper", &free, &own]).run().done();
        for attempt in ["read", "write", "chmod", "unlink", "rename-file-onto", "link-to"] {
            let told = said.lines().any(|line| line == format!("{attempt} done"));
            assert!(told || attempt == "rename-file-onto" || attempt == "link-to", "{attempt}: {said}");
        }
    }
}

/// A directory above it stays where it is, so that the next run denies the same file and no decoy.
#[test]
fn what_it_lies_in_is_not_moved() {
    for actor in actors() {
        let place = secrets("deny-above", actor);
        let script = "exec 2>/dev/null; mv keys/deep moved; mv keys moved; rm -rf keys; ln -sfn /etc keys/deep
                      cat keys/deep/two keys/deep/../deep/two moved/two moved/deep/two; rm -rf moved
                      mkdir -p keys/deep; echo decoy > keys/deep/two; echo end";
        for turn in 1..=2 {
            let said = place.sh("--deny keys/deep/two", script).run().done();
            assert_eq!(said, "end\n", "{actor:?} {turn}");
            let kept = fs::read_to_string(place.project.join("keys/deep/two")).unwrap();
            assert_eq!(kept, "of the host\n", "{actor:?} {turn}");
        }
        // What nobody denied is moved as ever, and copied across the border.
        assert_eq!(
            place.sh("--deny keys/deep/two", "mv own/file keys/ && mv own sub/ && cat keys/file").run().done(),
            "of the host\n"
        );
    }
}

#[test]
fn a_pattern_covers_all_that_it_matches_and_nothing_else() {
    for actor in actors() {
        let place = secrets("deny-pattern", actor);
        let before = listing(&place);
        let script = "for file in a.env sub/b.env sub/free; do cat $file 2>/dev/null || echo no; done";
        assert_eq!(place.sh("--deny **/*.env", script).run().done(), "no\nno\nof the host\n");
        assert_eq!(place.sh("--deny *.env", script).run().done(), "no\nof the host\nof the host\n");
        assert_eq!(place.sh("--deny sub/[a-f]*", script).run().done(), "of the host\nno\nno\n");
        assert_eq!(place.sh("--deny *.env --deny sub", script).run().done(), "no\nno\nno\n");
        assert_eq!(listing(&place), before);
        // Never taken literally, never silently nothing.
        let none = place.sh("--deny *.pem", "echo it ran").run();
        assert_eq!((none.ending(), none.stdout_text()), ("exit 125".into(), String::new()), "{none}");
        assert!(none.stderr_text().contains("*.pem") && none.stderr_text().contains("nothing matches it"), "{none}");
        assert!(none.stderr_text().contains("\nhint: "), "{none}");
    }
}

/// Whatever option comes after it, and however else the file is shown.
#[test]
fn no_later_option_opens_it_again() {
    let place = secrets("deny-later", Actor::User);
    let path = place.project.join("secret");
    let path = path.display();
    for options in [
        format!("--deny {path} --rw {path}"),
        format!("--rw {path} --deny {path}"),
        format!("--deny {path} --profile workspace"),
        format!("--deny {path} --rw {}", place.project.display()),
        format!("--profile workspace --deny {path} --cap-add CAP_DAC_OVERRIDE --uid 0"),
    ] {
        let outcome = place.sh(&options, &format!("cat {path} 2>/dev/null; echo end")).run();
        assert_eq!(outcome.stdout_text(), "end\n", "{options}: {outcome}");
    }
    let file = place.file("deny.profile", &format!("profile workspace\ndeny {path}\n"));
    let options = format!("--profile {}", file.display());
    assert_eq!(place.sh(&options, &format!("cat {path} 2>/dev/null; echo end")).run().done(), "end\n");
}

/// cc#92901: a file that is not there yet cannot be denied where the program could make it; that is said.
#[test]
fn what_is_missing_in_a_writable_place_is_refused_with_the_reason() {
    for actor in actors() {
        let place = secrets("deny-missing", actor);
        let before = listing(&place);
        let outcome = place.sh("--deny later", "echo it ran").run();
        assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{outcome}");
        let wanted = format!(
            "pinfold: mounts: deny {}/later: it does not exist, and the program could make it (--deny later)\nhint: ",
            place.project.display()
        );
        assert!(outcome.stderr_text().starts_with(&wanted), "{outcome}");
        assert_eq!(listing(&place), before);
        // In the sandbox's own home it is held, in a read-only place nobody can make it.
        let own = place.home.join(".netrc").display().to_string();
        let said = place.sh(&format!("--deny {own} --deny /usr/nowhere"), &format!("echo x 2>&1 > {own} || echo no"));
        assert!(said.run().done().ends_with("no\n"));
    }
}

#[test]
fn best_effort_goes_on_without_it_and_says_so_once() {
    let place = secrets("deny-effort", Actor::User);
    let before = listing(&place);
    let options = "--best-effort --json-status-fd 5 --deny later --deny secret";
    let outcome = place.sh(options, "cat secret 2>/dev/null || echo no").fd(5, Fd::Out).run();
    assert_eq!(outcome.done(), "no\n");
    let wanted = format!(
        "pinfold: not enforced: mounts: deny {}/later: it does not exist, and the program could make it (--deny later)\n",
        place.project.display()
    );
    assert_eq!(outcome.stderr_text(), wanted);
    let report = String::from_utf8_lossy(&outcome.outs[&5]).into_owned();
    let dropped: Vec<&str> = report.lines().filter(|line| line.contains("dropped")).collect();
    assert_eq!(dropped.len(), 1, "{report}");
    let line: serde_json::Value = serde_json::from_str(dropped[0]).unwrap();
    assert_eq!(line["dropped"], wanted.trim_end().trim_start_matches("pinfold: not enforced: "));
    assert_eq!(listing(&place), before);
}

/// `ln .env other` before the run, by a program of an earlier one say: no name of the file shows what is in it.
#[test]
fn no_other_name_of_it_opens_it() {
    for actor in actors() {
        let place = secrets("deny-names", actor);
        let link = |from: &str, to: &str| fs::hard_link(place.home.join(from), place.home.join(to)).unwrap();
        fs::create_dir(place.home.join("elsewhere")).unwrap();
        place.own(&place.home.join("elsewhere"));
        link("project/secret", "project/own/other");
        link("project/keys/deep/two", "project/sub/two");
        let before = listing(&place);
        let script = "cat secret own/other keys/deep/two sub/two; echo end";
        let plain = place.sh("", script).run().done();
        assert_eq!(plain, "of the host\n".repeat(4) + "end\n");
        let denied = place.sh("--deny secret --deny keys", script).run();
        assert_eq!(denied.stdout_text(), "end\n", "{denied}");
        assert_eq!(denied.stderr_text().matches("Permission denied").count(), 4, "{denied}");
        // The same tree at another path, and the project within all of the host.
        let (project, home) = (place.project.display(), place.home.display());
        for (options, names) in [
            (format!("--ro {project}:/other"), "secret own/other /other/secret /other/own/other"),
            (format!("--ro {home}:/home2 --overlay {project}:/o"), "/home2/project/secret /o/secret /o/own/other"),
            ("--ro /".into(), "secret own/other"),
        ] {
            let script = format!("cat {names}; echo end");
            let plain = place.sh(&options, &script).run().done();
            assert_eq!(plain.lines().count(), names.split(' ').count() + 1, "{options}: {plain}");
            let denied = place.sh(&format!("{options} --deny secret"), &script).run();
            assert_eq!(denied.stdout_text(), "end\n", "{actor:?} {options}: {denied}");
        }
        // A name that the box does not show is nobody's inside: it runs, and the caller is told once.
        link("project/secret", "elsewhere/third");
        link("project/secret", "elsewhere/fourth");
        let outcome =
            place.sh("--json-status-fd 5 --deny secret", "cat secret own/other; echo end").fd(5, Fd::Out).run();
        assert_eq!(outcome.stdout_text(), "end\n", "{outcome}");
        let told = format!(
            "mounts: deny {project}/secret: 1 file has more hard links outside of what this sandbox shows: nothing inside reaches them (--deny secret)"
        );
        assert!(outcome.stderr_text().starts_with(&format!("pinfold: note: {told}\n")), "{outcome}");
        let report = String::from_utf8_lossy(&outcome.outs[&5]).into_owned();
        let remarks: Vec<serde_json::Value> = report
            .lines()
            .filter(|line| line.contains("remark"))
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(remarks, [serde_json::json!({ "remark": told })], "{report}");
        assert_eq!(listing(&place), before);
        // Where it is shown it is covered as well.
        let shown = format!("--ro {home}/elsewhere --deny secret");
        let outcome = place.sh(&shown, &format!("cat {home}/elsewhere/*; echo end")).run();
        assert_eq!((outcome.stdout_text().as_str(), outcome.stderr_text().lines().count()), ("end\n", 2), "{outcome}");
    }
}

/// A path that is nowhere, in the box's own home: said, since it may be a slip, but not of a line of a profile.
#[test]
fn a_denied_path_that_is_nowhere_is_told() {
    for actor in actors() {
        let place = secrets("deny-nowhere", actor);
        let home = place.home.display().to_string();
        let said = |options: &str| {
            let outcome = place.sh(options, "echo ran").run();
            assert_eq!(outcome.stdout_text(), "ran\n", "{outcome}");
            outcome.stderr_text()
        };
        let wanted = format!(
            "pinfold: note: mounts: deny {home}/.netrd: nothing is there, inside or outside (--deny {home}/.netrd)\n"
        );
        assert_eq!(said(&format!("--deny {home}/.netrd")), wanted, "{actor:?}");
        // In a home that is shown read-only, where it has the same effect.
        assert_eq!(said(&format!("--ro {home} --deny {home}/.netrd")), wanted, "{actor:?}");
        assert_eq!(said(&format!("--ro {home} --deny-try {home}/.netrd")), "", "{actor:?}");
        for options in ["", &format!("ro {home}\n")] {
            let file = place.file("check.profile", &format!("profile base\n{options}deny {home}/.netrd\n"));
            let check = place.pinfold(&["profile", "check", file.to_str().unwrap()]).run();
            let line = format!("deny {home}/.netrd: nothing is there, inside or outside\n");
            assert!(check.stdout_text().contains(&line), "{options}: {check}");
        }
        fs::write(place.home.join(".netrc"), "machine").unwrap();
        assert_eq!(said(&format!("--deny {home}/.netrc")), "", "{actor:?}");
        let file = place.file("nowhere.profile", &format!("profile workspace\ndeny {home}/.netrd\n"));
        assert_eq!(said(&format!("--profile {}", file.display())), "", "{actor:?}");
    }
}

/// A failure that a denial causes names it, whatever step it comes up in, and says what to do.
#[test]
fn failures_name_the_denial_and_the_way_out() {
    for actor in actors() {
        let place = secrets("deny-words", actor);
        let project = place.project.display().to_string();
        let long = format!("sub/{}", "n".repeat(300));
        let cases = [
            ("--deny ..", "(--deny ..)", "leave that out"),
            (&*format!("--deny {project}/../proj*"), "/../proj*)", "leave that out"),
            ("--deny .", "(--deny .)", "leave that out"),
            (&*format!("--deny {long}"), " bytes ...]", "255 bytes"),
        ];
        for (options, word, hint) in cases {
            let outcome = place.run(options, &["true"]).run();
            let said = outcome.stderr_text();
            let (error, advice) = said.split_once("\nhint: ").unwrap_or_default();
            assert_eq!(outcome.ending(), "exit 125", "{actor:?} {options}: {outcome}");
            assert!(error.contains(word) && advice.contains(hint), "{actor:?} {options}: {said}");
            assert!(error.len() < 1000, "{said}");
        }
        // With another directory to start in, it holds.
        let outcome = place.run("--deny . --workdir /usr", &["/probe", "cat", &format!("{project}/secret")]).run();
        assert_eq!(outcome.refused(), libc::EACCES, "{outcome}");
    }
}

/// One line for every directory: what exists is denied, and where there is nothing the run goes on.
#[test]
fn what_may_exist_is_denied_where_it_does() {
    for actor in actors() {
        let place = secrets("deny-try", actor);
        place
            .file(".config/pinfold/profiles/agent.profile", "profile workspace\ndeny-try **/.env\ndeny-try keys/one\n");
        let look = "cat .env sub/.env keys/one 2>&1 >/dev/null | grep -c denied; cat sub/free";
        for options in ["--deny-try **/.env --deny-try keys/one --deny-try no/such", "--profile agent"] {
            assert_eq!(place.sh(options, look).run().done(), "1\nof the host\n", "{actor:?} {options}");
        }
        place.file("project/.env", "of the host\n");
        place.file("project/sub/.env", "of the host\n");
        for options in ["--deny-try **/.env --deny-try keys/one", "--profile agent"] {
            assert_eq!(place.sh(options, look).run().done(), "3\nof the host\n", "{actor:?} {options}");
        }
        // Without -try the same is an error where nothing is there, which says so.
        let refused = place.sh("--deny no/such", "true").run();
        assert_eq!(refused.ending(), "exit 125", "{refused}");
        assert!(refused.stderr_text().contains("--deny-try denies what exists"), "{refused}");
    }
}

/// The name of the directory is no part of the pattern.
#[test]
fn a_pattern_counts_from_a_directory_of_any_name() {
    let place = secrets("deny-named", Actor::User);
    place.file(".config/pinfold/profiles/agent.profile", "profile workspace\ndeny-try **/.env\n");
    for name in ["a[b]", "a*", "?", "[", "a]"] {
        place.file(&format!("{name}/.env"), "of the host\n");
        let dir = place.home.join(name);
        for options in [&["--deny", "**/.env"][..], &["--deny-try", "*.env"], &["--profile", "agent"]] {
            let words = [&["run"], options, &["--", "cat", ".env"]].concat();
            let outcome = place.pinfold(&words).dir(&dir).run();
            assert!(outcome.stderr_text().contains("Permission denied"), "{name} {options:?}: {outcome}");
        }
    }
}

#[test]
fn notes_are_silent_when_asked() {
    let place = secrets("quiet", Actor::User);
    let home = place.home.display().to_string();
    let said = |options: &str| place.sh(&format!("{options} --deny {home}/.netrd"), "true").run().stderr_text();
    assert!(said("").starts_with("pinfold: note: "));
    assert_eq!(said("-q"), "");
    assert_eq!(said("--quiet"), "");
    // Errors are no notes.
    assert!(said("-q --deny no/such").contains("no/such"));
    let made = place.sh("-q", "echo x >.envrc").run();
    assert!(made.stderr_text().contains(".envrc"), "what was found at the end: {made}");
}

/// A run with `--repo` has more than the directory where it starts.
#[test]
fn what_is_denied_at_any_depth_is_denied_in_the_whole_workspace() {
    let place = Place::new("deny-repo", Actor::User);
    for file in [".env", "sub/.env", "sub/deep/.env"] {
        place.file(&format!("project/{file}"), "secret\n");
    }
    place.file("project/.git/HEAD", "ref: refs/heads/main\n");
    for dir in ["objects", "refs"] {
        place.file(&format!("project/.git/{dir}/x"), "");
    }
    place.file("own.profile", "profile workspace\ndeny-try **/.env\n");
    let profile = format!("--profile {}/own.profile", place.home.display());
    for options in ["--repo --deny **/.env", "--repo --deny-try **/.env", &format!("--repo {profile}")] {
        let said = place.sh(options, "cat .env ../.env deep/.env").dir(&place.project.join("sub")).run();
        assert_eq!((said.stdout_text(), said.stderr_text().matches("denied").count()), (String::new(), 3), "{said}");
    }
    // Without it, the workspace is the directory where the run starts.
    let said = place.sh("--deny **/.env", "cat .env deep/.env").dir(&place.project.join("sub")).run();
    assert_eq!((said.stdout_text(), said.stderr_text().matches("denied").count()), (String::new(), 2), "{said}");
}
