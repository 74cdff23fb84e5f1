//! What the user's own configuration of git names is held or kept apart where the program could write it, as what a
//! repository's names is. That it would be obeyed is shown with the real git.

use crate::support::Actor;
use crate::{Place, beside_taken_over};

/// Something that the configuration of the user names in the repository `w/r`.
struct Case {
    name: &'static str,
    /// The text of `~/.gitconfig`.
    config: &'static str,
    /// What is there before.
    script: &'static str,
    /// What the program does; `$E` is a script that shows that it was executed.
    attack: &'static str,
    /// What the user does.
    then: &'static str,
}

const COMMIT: &str = "echo 2 >file; git commit -qam two";

const CASES: &[Case] = &[
    Case {
        name: "hooks",
        config: "[core]\nhooksPath = .hk",
        script: "mkdir .hk",
        attack: "cp $E .hk/pre-commit",
        then: COMMIT,
    },
    Case {
        name: "hooks-absolute",
        config: "[core]\nhooksPath = ~/../w/r/hk",
        script: "mkdir hk",
        attack: "cp $E hk/pre-commit",
        then: COMMIT,
    },
    Case {
        name: "include",
        config: "[include]\npath = ~/../w/r/inc",
        script: ": >inc",
        attack: "git config -f inc core.fsmonitor $E",
        then: "git status",
    },
    Case {
        name: "include-if",
        config: "[includeIf \"gitdir:~/../\"]\npath = ../w/r/inc\n[includeIf \"onbranch:main\"]\npath = ../w/r/inc",
        script: ": >inc",
        attack: "git config -f inc core.fsmonitor $E",
        then: "git status",
    },
    Case {
        name: "fsmonitor",
        config: "[core]\nfsmonitor = ./fsm",
        script: "printf '#!/bin/sh\\n' >fsm; chmod 755 fsm",
        attack: "cp $E fsm",
        then: "git status",
    },
    Case {
        name: "filter",
        config: "[filter \"x\"]\nclean = sh tools/clean",
        script: "mkdir tools; echo cat >tools/clean; echo '* filter=x' >.gitattributes",
        attack: "cp $E tools/clean",
        then: "echo 2 >file; git add file",
    },
    Case {
        name: "filter-at-the-top",
        config: "[filter \"x\"]\nclean = \\\"$(git rev-parse --show-toplevel)/my tools/clean\\\" %f",
        script: "mkdir 'my tools'; printf '#!/bin/sh\\ncat' >'my tools/clean'; chmod 755 my*/*
                 echo '* filter=x' >.gitattributes",
        attack: "cp $E 'my tools/clean'",
        then: "echo 2 >file; git add file",
    },
    Case {
        name: "fsmonitor-in-the-home",
        config: "[core]\nfsmonitor = $HOME/../w/r/fsm",
        script: "printf '#!/bin/sh\\n' >fsm; chmod 755 fsm",
        attack: "cp $E fsm",
        then: "git status",
    },
    Case {
        name: "attributes",
        config: "[core]\nattributesFile = ~/../w/r/attributes\n[filter \"x\"]\nclean = sh $HOME/../e",
        script: ": >attributes",
        attack: "echo '* filter=x' >attributes",
        then: "echo 2 >file; git add file",
    },
    Case {
        name: "template",
        config: "[init]\ntemplateDir = ~/../w/r/template",
        script: "mkdir -p template/hooks",
        attack: "cp $E template/hooks/post-checkout",
        then: "git init -q ../new; cd ../new; git commit -q --allow-empty -m one; git checkout -q -b x",
    },
    Case {
        name: "external-diff",
        config: "[diff]\nexternal = ./show",
        script: "printf '#!/bin/sh\\n' >show; chmod 755 show",
        attack: "cp $E show",
        then: "echo 2 >file; git diff",
    },
    Case {
        name: "alias",
        config: "[alias]\nx = !sh ./tools/x",
        script: "mkdir tools; : >tools/x",
        attack: "cp $E tools/x",
        then: "git x",
    },
    Case {
        name: "pager",
        config: "[core]\npager = ~/../w/r/page\n[pager]\nlog = ~/../w/r/page",
        script: "printf '#!/bin/sh\\ncat' >page; chmod 755 page",
        attack: "cp $E page",
        then: "script -qec 'git --paginate log' /dev/null >/dev/null",
    },
    Case {
        name: "driver",
        config: "[merge \"x\"]\ndriver = ./merge %A",
        script:
            "printf '#!/bin/sh\\n' >merge; chmod 755 merge; echo '* merge=x' >.gitattributes; git add .gitattributes
                 git commit -qm attributes; git checkout -qb b; echo b >file; git commit -qam b; git checkout -q main
                 echo a >file; git commit -qam a",
        attack: "cp $E merge",
        then: "git merge -q -m m b",
    },
];

/// `$E` shows whether it was executed.
const WITH_EVIL: &str = "E=$PWD/../../e; ";

fn built(case: &Case, name: &str) -> Place {
    let place = Place::new(name, Actor::User);
    place.host(".", "mkdir w home; printf '#!/bin/sh\\ntouch %s/ran; cat\\n' \"$PWD\" >e; chmod 755 e");
    place.repository("w/r");
    place.host("w/r", case.script);
    std::fs::write(place.path.join("home/.gitconfig"), format!("[user]\nname = N\nemail = n@x\n{}\n", case.config))
        .unwrap();
    place
}

/// Whether what the user does executes what the program has planted.
fn is_executed(place: &Place, case: &Case, env: &[(&str, &str)]) -> bool {
    let outcome = place.host_at_home(env, "w/r", &format!("exec </dev/null; {}", case.then));
    drop(outcome);
    place.path.join("ran").exists()
}

/// Each case where the program can write, which must be obeyed, and from a box, where it cannot, or not for long.
fn withstand(case: &Case, name: &str, env: &[(&str, &str)]) {
    let place = built(case, &format!("scopes-{name}-bare"));
    place.host_at_home(env, "w/r", &[WITH_EVIL, case.attack].concat()).done();
    assert!(is_executed(&place, case, env), "{name}: no attack at all");
    let place = built(case, &format!("scopes-{name}"));
    // What the box cannot see it brings along.
    let evil = std::fs::read_to_string(place.path.join("e")).unwrap();
    let attack = format!("cat >/tmp/e <<'EVIL'\n{evil}EVIL\nchmod 755 /tmp/e; E=/tmp/e; {}", case.attack);
    let outcome = place.pinfold(env, "w/r", &attack);
    let is_kept = outcome.stderr_text().contains("kept as k");
    assert!(outcome.ending() != "exit 125" && (outcome.ending() != "exit 0" || is_kept), "{name}: {outcome}");
    assert!(!is_executed(&place, case, env), "{name}: {outcome}");
    // The rest can be written, and git works; where a filter is not passed on, git says so instead of adding.
    let add = "echo 3 >new; git add new 2>said || grep -q does-not-pass-this-filter-on said || exit 9; echo ran";
    let outcome = place.pinfold(env, "w/r", add);
    assert_eq!(outcome.done(), "ran\n", "{name}: {outcome}");
}

#[test]
fn of_the_users_configuration() {
    for case in CASES {
        withstand(case, case.name, &[]);
    }
}

/// Wherever it lies, and whatever names it.
#[test]
fn of_every_file_of_the_user() {
    let case = &CASES[0];
    for (name, moved, env) in [
        ("xdg", "mkdir -p home/.config/git; mv home/.gitconfig home/.config/git/config", &[][..]),
        ("xdg-elsewhere", "mkdir -p xdg/git; mv home/.gitconfig xdg/git/config", &[("XDG_CONFIG_HOME", "{}/xdg")]),
        ("global", "mv home/.gitconfig global", &[("GIT_CONFIG_GLOBAL", "{}/global")]),
        ("system", "mv home/.gitconfig system", &[("GIT_CONFIG_SYSTEM", "{}/system")]),
        (
            "environment",
            "rm home/.gitconfig",
            &[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "Core.HooksPath"), ("GIT_CONFIG_VALUE_0", ".hk")],
        ),
        (
            "environment-include",
            "mv home/.gitconfig included",
            &[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "include.path"), ("GIT_CONFIG_VALUE_0", "{}/included")],
        ),
    ] {
        let place = built(case, &format!("scopes-{name}"));
        place.host(".", moved);
        let outcome = place.pinfold(env, "w/r", "touch .hk/pre-commit");
        assert!(outcome.stderr_text().contains(": .hk/pre-commit (pinfold kept diff k"), "{name}: {outcome}");
        assert_eq!(place.host("w/r", "ls -A .hk"), "", "{name}: {outcome}");
    }
}

/// The file itself, where it is kept in a repository that somebody works in.
#[test]
fn of_a_configuration_that_lies_in_the_workspace() {
    let case = &Case { config: "", script: "", ..CASES[0] };
    let place = built(case, "scopes-dotfiles");
    place.host(
        ".",
        "mv home/.gitconfig w/r/gitconfig; ln -s ../w/r/links/config home/.gitconfig
                     mkdir w/r/links; ln -s ../gitconfig w/r/links/config",
    );
    for attack in ["echo >>gitconfig", "rm gitconfig", "ln -sf evil links/config", "mv links x"] {
        let outcome = place.pinfold(&[], "w/r", attack);
        assert!(outcome.ending() != "exit 0" && outcome.ending() != "exit 125", "{attack}: {outcome}");
    }
    place.host(".", "rm w/r/gitconfig");
    let outcome = place.pinfold(&[], "w/r", "true");
    assert!(outcome.stderr_text().contains("gitconfig is missing"), "{outcome}");
}

/// What is not there yet, and would be obeyed, is dealt with as what a repository itself names.
#[test]
fn what_is_missing_could_be_made_by_the_program() {
    for (name, config, why) in [
        ("hooks", "[core]\nhooksPath = .hk", ".hk is missing"),
        ("include", "[include]\npath = ~/../w/r/inc", "inc is missing"),
        ("template", "[init]\ntemplateDir = ~/../w/r/x", "hint: make it once: mkdir -p "),
        ("attributes", "[core]\nattributesFile = ~/../w/r/x", "hint: make it once: touch "),
    ] {
        let case = Case { name, config, script: "", ..CASES[0] };
        let place = built(&case, &format!("scopes-missing-{name}"));
        let outcome = place.pinfold(&[], "w/r", "true");
        assert_eq!(outcome.ending(), "exit 125", "{name}: {outcome}");
        assert!(outcome.stderr_text().contains(why), "{name}: {outcome}");
        let key =
            config.split(['[', ']', '\n', ' ']).filter(|word| !word.is_empty()).take(2).collect::<Vec<_>>().join(".");
        let named = format!("; {} in {}/home/.gitconfig names it", key.to_lowercase(), place.path.display());
        assert!(outcome.stderr_text().contains(&named), "{named}: {outcome}");
    }
    // A command may not be meant as a file, and a directory is no repository yet: these are looked for.
    let case = Case { config: "[core]\nhooksPath = .hk\nfsmonitor = ./fsm", script: "mkdir .hk", ..CASES[0] };
    let place = built(&case, "scopes-missing-command");
    let outcome = place.pinfold(&[], "w/r", "touch fsm");
    assert!(outcome.stderr_text().contains("fsm"), "{outcome}");
    let config = "[core]\nhooksPath = .hk\n[filter \"x\"]\nclean = tools/clean %f";
    let place = built(&Case { config, ..case }, "scopes-missing-filter");
    let outcome = place.pinfold(&[], "w/r", "mkdir tools; touch tools/clean");
    let said = outcome.stderr_text();
    assert!(
        said.contains("/r/tools appeared during the run; filter.clean in ") && said.contains("/home/.gitconfig names "),
        "{said}"
    );
    place.host(".", "mkdir w/plain");
    let outcome = place.pinfold(&[], "w/plain", "mkdir .hk");
    assert!(outcome.stderr_text().contains(".hk"), "{outcome}");
}

/// One that cannot be read, by whatever it is.
#[test]
fn of_a_configuration_that_has_no_end() {
    for (name, made) in [("fifo", "mkfifo"), ("sparse", "truncate -s 2G"), ("zero", "ln -s /dev/zero")] {
        let case = Case { config: "", script: "", ..CASES[0] };
        let place = built(&case, &format!("scopes-endless-{name}"));
        place.host("home", &format!("rm .gitconfig; {made} .gitconfig"));
        let outcome = place.pinfold(&[], "w/r", "true");
        assert_eq!(outcome.ending(), "exit 125", "{name}: {outcome}");
        assert!(outcome.stderr_text().contains("cannot be read as a configuration of git"), "{name}: {outcome}");
    }
}

/// A name that is relative to the top of a work tree counts also in one that the program makes.
#[test]
fn of_what_is_named_in_a_work_tree_that_the_program_makes() {
    let husky = "git config core.hooksPath .husky/_; mkdir -p .husky/_";
    for (name, config, script, made, renamed) in [
        ("worktree", "", husky, "git worktree add -q wt; mkdir -p wt/.husky/_", "_.from-sandbox"),
        ("new", "[core]\nhooksPath = .husky/_", "mkdir -p .husky/_", "mkdir -p wt/.husky/_; git init -q wt", "_.from-"),
        ("link", "", husky, "git worktree add -q wt; mkdir -p e/_; ln -s ../e wt/.husky", ".husky.from-sandbox"),
    ] {
        let case = Case { name, config, script, ..CASES[0] };
        let commit = "cd wt; git config --get user.name; git commit -q --allow-empty -m one";
        let attack = |place: &Place| {
            let ran = place.path.join("ran");
            let hook = "wt/.husky/_/pre-commit";
            format!("{made}; printf '#!/bin/sh\\ntouch {}\\n' >{hook}; chmod 755 {hook}", ran.display())
        };
        let place = built(&case, &format!("scopes-made-{name}-bare"));
        place.host_at_home(&[], "w/r", &format!("{}; {commit}", attack(&place))).done();
        assert!(place.path.join("ran").exists(), "{name}: no attack at all");
        let place = built(&case, &format!("scopes-made-{name}"));
        let outcome = place.pinfold(&[], "w/r", &attack(&place));
        assert!(outcome.ending() == "exit 0" && outcome.stderr_text().contains(renamed), "{name}: {outcome}");
        place.host_at_home(&[], "w/r", commit).done();
        assert!(!place.path.join("ran").exists(), "{name}: {outcome}");
    }
}

/// But what a checkout has put there is left alone.
#[test]
fn what_a_checkout_has_made_stays() {
    let script = "mkdir hk tools; echo true >hk/pre-commit; echo cat >tools/clean; chmod 755 hk/* tools/*
                  git config core.hooksPath hk; git config filter.x.clean tools/clean; git add .; git commit -qm two";
    let place = built(&Case { config: "", script, ..CASES[0] }, "scopes-checkout");
    let outcome = place.pinfold(&[], "w/r", "git worktree add -q wt");
    assert!(outcome.ending() == "exit 0" && beside_taken_over(&outcome).is_empty(), "{outcome}");
    let outcome = place.pinfold(&[], "w/r", "git worktree add -q two; echo >>two/tools/clean; echo >two/hk/x");
    assert_eq!(
        place.host("w/r", "ls -d */hk* */tools/*"),
        "two/hk.from-sandbox\ntwo/tools/clean.from-sandbox\nwt/hk\nwt/tools/clean\n",
        "{outcome}"
    );
}
