//! Odd shapes of profiles and words: what cannot be seen, what is empty, what is no file.

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use crate::Place;
use crate::support::{Actor, Fd};

/// CVE-2023-28101: a terminal is shown what stands there, and a file gets it to the byte.
#[test]
fn a_terminal_gets_no_control_characters_of_a_profile() {
    let place = Place::new("esc", Actor::User);
    let text = "# a\u{1b}[2Jb \u{202e}c\u{200b}\n\tenv A=\u{9b}1";
    let file = place.file("esc.profile", text);
    let show = place.pinfold(&["profile", "show", file.to_str().unwrap()]);
    assert_eq!(show.run().done(), text);
    let pty = nix::pty::openpty(None, None).unwrap();
    let show = place.pinfold(&["profile", "show", file.to_str().unwrap()]);
    show.fd(1, Fd::Given(Arc::new(pty.slave))).run().done();
    let mut shown = Vec::new();
    // The end of a terminal that nobody holds is EIO.
    let _end = File::from(pty.master).read_to_end(&mut shown);
    let wanted = "# a\\x1b[2Jb \\u{202e}c\\u{200b}\r\n\tenv A=\\u{9b}1";
    // The terminal may be one that makes blanks of tabs.
    assert_eq!(String::from_utf8(shown).unwrap().replace("        ", "\t"), wanted);
}

/// As editors of another system write them.
#[test]
fn a_byte_order_mark_says_nothing_and_elsewhere_it_is_seen() {
    let place = Place::new("bom", Actor::User);
    place.file(".config/pinfold/profiles/mark.profile", "\u{feff}# Marked.\nprofile base\nenv A=1\n");
    place.file("filter.json", "\u{feff}{\"defaultAction\": \"SCMP_ACT_ALLOW\"}");
    let said = place.pinfold(&["run", "--profile", "mark", "--seccomp", "../filter.json", "env"]).run().done();
    assert!(said.contains("A=1\n"), "{said}");
    assert!(place.pinfold(&["profile", "list"]).run().done().starts_with("mark          Marked. ["));
    let file = place.file("later.profile", "profile base\n\u{feff}env A=1\n");
    let said = place.pinfold(&["run", "--profile", file.to_str().unwrap(), "true"]).run().stderr_text();
    assert!(said.contains(r"later.profile:2: \u{feff}env A=1: unknown option --\u{feff}env"), "{said}");
}

#[test]
fn tabs_are_blanks_between_name_and_value() {
    let place = Place::new("tabs", Actor::User);
    let file = place.file("tabs.profile", "\tprofile\tbase\n env \t A=1 \t\nenv=B=2\t\n\t\n");
    let said = place.pinfold(&["run", "--profile", file.to_str().unwrap(), "env"]).run().done();
    assert!(said.contains("A=1\n") && said.contains("B=2\n"), "{said:?}");
    for line in ["env A=1\t2", "ro /a\tb", "e\u{1b}nv A=1", "env A=\u{1}"] {
        let file = place.file("tabs.profile", &format!("profile base\n{line}\n"));
        let refused = place.pinfold(&["run", "--profile", file.to_str().unwrap(), "true"]).run();
        assert_eq!(refused.ending(), "exit 125", "{line:?}");
        assert!(refused.stderr_text().contains("no control characters"), "{refused}");
    }
}

#[test]
fn an_empty_word_is_seen() {
    let place = Place::new("empty", Actor::User);
    let said = |words: &[&str]| place.pinfold(&[&["run"], words].concat()).run().stderr_text();
    assert!(said(&[""]).starts_with("pinfold: program: cannot execute '': "), "{}", said(&[""]));
    assert_eq!(said(&["--rw", "", "true"]), "pinfold: --rw '': the path is empty\n");
    assert_eq!(said(&["--ro=", "true"]), "pinfold: --ro '': the path is empty\n");
}

/// The variable is the caller's, and the profile, which only uses it, is right.
#[test]
fn a_variable_that_leads_upwards_is_named() {
    let place = Place::new("upwards", Actor::User);
    let odd = format!("{}/../{}", place.home.display(), place.home.file_name().unwrap().to_str().unwrap());
    for name in ["HOME", "XDG_RUNTIME_DIR"] {
        let refused = place.pinfold(&["run", "true"]).env(name, &odd).run();
        assert_eq!(refused.ending(), "exit 125", "{refused}");
        let said = refused.stderr_text();
        assert!(said.contains(&format!("the variable {name} is {odd}, and a path in a profile has no `..` in it")));
        assert!(said.ends_with(&format!("\nhint: give {name} the same path without `..`\n")), "{said}");
    }
}

/// Nothing waits for the other end of a FIFO, and nothing reads a device without an end.
#[test]
fn what_is_no_regular_file_is_no_profile() {
    let place = Place::new("no-file", Actor::User);
    let fifo = place.home.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
    let large = place.file("large", "");
    File::options().write(true).open(&large).unwrap().set_len((16 << 20) + 1).unwrap();
    for (path, wanted) in [
        (fifo.to_str().unwrap(), "it is not a regular file"),
        ("/dev/zero", "it is not a regular file"),
        (large.to_str().unwrap(), " MiB at most"),
        ("/usr", "Is a directory"),
    ] {
        for option in ["--profile", "--seccomp"] {
            let refused = place.pinfold(&["run", option, path, "true"]).run();
            assert_eq!(refused.ending(), "exit 125", "{refused}");
            assert!(refused.stderr_text().contains(wanted), "{option} {path}: {refused}");
        }
    }
    let limit = |option| place.pinfold(&["run", option, large.to_str().unwrap(), "true"]).run().stderr_text();
    assert!(limit("--profile").contains("has 1 MiB at most") && limit("--seccomp").contains("has 16 MiB at most"));
}

#[test]
fn the_list_says_where_each_profile_comes_from() {
    let place = Place::new("origins", Actor::User);
    let own = place.file(".config/pinfold/profiles/build.profile", "# Mine.\nprofile base\n");
    let list = place.pinfold(&["profile", "list"]).run().done();
    assert!(list.contains(&format!("build         Mine. [{}]\n", own.display())), "{list}");
    let built_in = list.lines().filter(|line| line.ends_with(" [built in]")).count();
    assert_eq!((built_in, list.lines().count()), (5, 6), "{list}");
}
