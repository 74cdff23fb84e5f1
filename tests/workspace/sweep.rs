//! Names that nothing had, and that are there after the run: in the work tree they are reported, in a git directory
//! they are kept apart.

use crate::Place;
use crate::support::Actor;

#[test]
fn what_appeared_in_a_git_directory_is_kept_apart_and_the_rest_reported() {
    let place = Place::new("sweep", Actor::User);
    place.repository("r");
    let outcome =
        place.inside("r", "echo /evil >.git/commondir; echo x >.git/config.worktree; echo x >.envrc; mkdir .vscode; ln -s /nowhere .mcp.json");
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    let expected =
        ["pinfold: not taken over, kept as k1: .git/config.worktree, .git/commondir (pinfold kept diff k1)\n"
            .to_owned()];
    let said = outcome.stderr_text();
    let news = said.lines().last().unwrap();
    assert!(news.starts_with("pinfold: new here, and obeyed later: "), "{outcome}");
    for name in [".envrc (direnv", ".mcp.json (", ".vscode ("] {
        assert!(news.contains(name), "{outcome}");
    }
    assert_eq!(said, format!("{}{news}\n", expected.concat()));
    assert_eq!(
        place
            .host("r", "test ! -e .git/commondir; test ! -e .git/config.worktree; test -e .envrc; git log --format=%s"),
        "one\n"
    );
    // What was there at the start is not said again, and can be written by nobody.
    place.host("r", "rm .mcp.json");
    let outcome = place.inside("r", "(echo y >.envrc) 2>/dev/null || true");
    assert_eq!(outcome.stderr_text(), "", "{outcome}");
}

#[test]
fn neither_a_link_nor_a_directory_in_its_place_leads_anywhere() {
    let place = Place::new("sweep-odd", Actor::User);
    place.repository("r");
    place.host(".", "echo kept >kept");
    let outcome = place.inside("r", "ln -s ../../kept .git/commondir");
    assert!(outcome.stderr_text().contains(": .git/commondir (pinfold kept diff k1)"), "{outcome}");
    assert_eq!(place.host(".", "cat kept; test ! -L r/.git/commondir"), "kept\n");
    let outcome = place.inside("r", "mkdir .git/commondir; echo x >.git/commondir/x");
    assert!(outcome.stderr_text().contains(": .git/commondir/x (pinfold kept diff k2)"), "{outcome}");
    assert_eq!(place.host(".", "test ! -e r/.git/commondir; cat state/pinfold/kept/k2/*/upper/commondir/x"), "x\n");
}

/// A process that the program has left behind cannot wait for the sweep to pass.
#[test]
fn nothing_lives_inside_any_more_when_it_is_swept() {
    let place = Place::new("sweep-late", Actor::User);
    place.repository("r");
    let script = "(trap '' HUP TERM INT; : >started; while :; do echo /evil 2>/dev/null >.git/commondir; done) \
                  >/dev/null 2>&1 & while [ ! -e started ] || [ ! -e .git/commondir ]; do :; done";
    for _ in 0..20 {
        let outcome = place.inside("r", script);
        assert!(outcome.stderr_text().contains(": .git/commondir (pinfold kept diff k"), "{outcome}");
        place.host("r", "test ! -e .git/commondir; rm started");
    }
}

#[test]
fn what_a_failed_program_left_is_swept_too() {
    let place = Place::new("sweep-failed", Actor::User);
    place.repository("r");
    let outcome = place.inside("r", "echo /evil >.git/commondir; kill -9 $$");
    assert_eq!(outcome.ending(), "exit 137", "{outcome}");
    place.host("r", "test ! -e .git/commondir");
}

/// A box that ends with nobody else is not cut short: what is left behind in it is waited for.
#[test]
fn what_was_left_running_alone_is_waited_for() {
    let place = Place::new("sweep-alone", Actor::User);
    place.repository("r");
    let script = "(sleep 0.3; echo /evil >.git/commondir; : >done) >/dev/null 2>&1 &";
    let outcome = place.inside_with(&["--alone"], "r", script);
    assert!(outcome.stderr_text().contains(": .git/commondir (pinfold kept diff k1)"), "{outcome}");
    place.host("r", "test -e done; test ! -e .git/commondir");
}

/// Where `.GIT` is another name than `.git`, nobody obeys it. It hides nothing: other names are told in any case.
#[test]
fn another_way_to_write_a_name_is_another_name() {
    let place = Place::new("sweep-case", Actor::User);
    place.repository("r");
    let outcome = place.inside("r", "echo x >.ENVRC");
    assert!(outcome.stderr_text().contains("obeyed later: .ENVRC (direnv"), "{outcome}");
    let outcome = place.inside("r", "echo x >.envrc");
    assert!(outcome.stderr_text().contains("obeyed later: .envrc (direnv"), "{outcome}");
    let outcome =
        place.inside("r", "git init -q s; mv s/.git s/.GIT; echo x >s/.GIT/hooks/x; mkdir t; echo gitdir: /x >t/.GIT");
    assert!(outcome.stderr_text().contains("s/.GIT: hooks holds what git would execute"), "{outcome}");
    assert_eq!(place.host("r", "ls -d t/.GIT*"), "t/.GIT\n", "{outcome}");
}
