//! A shell at a terminal: job control, an editor, a pager, a terminal of the box's own.

use crate::installed;
use crate::support::{Actor, Place, terminal};

/// Types `lines` into `command` in a box at a terminal, each after its prompt has been said, and returns all that it
/// says.
fn typed(place: &Place, command: &[&str], lines: &[(&str, &str)]) -> String {
    let words: Vec<&str> = ["run", "--"].into_iter().chain(command.iter().copied()).collect();
    terminal::converse(place.pinfold(&words).env("TERM", "xterm").env("PS1", ""), lines)
}

#[test]
fn a_shell_controls_its_jobs() {
    let place = Place::new("jobs", Actor::User);
    // It tells when it goes on, which is after the terminal was given to it. One process: a shell that is stopped
    // between vfork(2) and exec never says so.
    let tells = r#"$| = 1; $SIG{CONT} = sub { print "again", 5*5, "\n" }; print "started", 1+1, "\n"; sleep 9 while 1"#;
    // What is waited for is computed, so that the echo of what is typed is not taken for it.
    let said = typed(
        &place,
        &["bash", "--norc", "-i"],
        &[
            ("", "echo ready$((6*7))\n"),
            ("ready42", &format!("perl -e '{tells}'\n")),
            ("started2", "\x1a"),
            ("Stopped", "fg\n"),
            ("again25", "\x03"),
            ("^C", "echo interrupted$((3+3))\n"),
            ("interrupted6", "sleep 1000 & jobs; kill %%; exit\n"),
        ],
    );
    assert!(said.contains("Running"), "{said}");
    assert!(!said.contains("no job control"), "{said}");
}

#[test]
fn a_terminal_of_the_boxs_own_is_made_by_who_wants_one() {
    if !installed("/usr/bin/script", "bsdutils") {
        return;
    }
    let place = Place::new("script", Actor::User);
    let said = place.run("", &["script", "-qec", "tty; test -t 0 && echo yes", "/dev/null"]).run().done();
    assert_eq!(said.replace('\r', ""), "/dev/pts/0\nyes\n");
}

#[test]
fn an_editor_and_a_pager_work() {
    if !installed("/usr/bin/vim", "vim") || !installed("/usr/bin/less", "less") {
        return;
    }
    let place = Place::new("editor", Actor::User);
    let said = typed(&place, &["vim", "-u", "NONE", "new.txt"], &[("new.txt", "ihello\x1b:wq\r")]);
    assert_eq!(std::fs::read_to_string(place.project.join("new.txt")).ok().as_deref(), Some("hello\n"), "{said}");
    let said = typed(&place, &["less", "new.txt"], &[("hello", "q")]);
    assert!(said.contains("hello"), "{said}");
}
