//! Only descriptors 0 to 2 and those that are named reach the program.

use crate::support::{Actor, Fd};
use crate::{Place, actors};

#[test]
fn the_program_has_three_descriptors() {
    for actor in actors() {
        let place = Place::new("descriptors", actor);
        let open = |options: &str| {
            let launch = place.run(options, &["/probe", "state"]).fd(3, Fd::Open("/etc")).fd(9, Fd::Text("nine"));
            let said = launch.fd(40, Fd::Path("/")).run().done();
            let numbers = said.lines().filter_map(|line| line.strip_prefix("fd ")?.split_whitespace().next());
            numbers.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(open(""), ["0", "1", "2"]);
        assert_eq!(open("--keep-fd 9"), ["0", "1", "2", "9"]);
        assert_eq!(open("--keep-fd 9 --keep-fd 40"), ["0", "1", "2", "9", "40"]);
    }
}

#[test]
fn a_kept_descriptor_is_what_it_was() {
    let place = Place::new("kept", Actor::User);
    let said = place.run("--keep-fd 7", &["/probe", "read-fd", "7"]).fd(7, Fd::Text("seven\n")).run().done();
    assert_eq!(said, "seven\n");
}

/// A directory of the host must not become a way out (CVE-2024-21626).
#[test]
fn no_descriptor_is_a_way_to_a_directory_of_the_host() {
    let place = Place::new("way-out", Actor::User);
    for number in [3, 4, 5, 6, 7, 8, 9, 10] {
        let launch = place.sh(&format!("--workdir /proc/self/fd/{number}"), "echo it ran").fd(number, Fd::Open("/"));
        let outcome = launch.run();
        assert_eq!(
            (outcome.ending(), outcome.stdout_text()),
            ("exit 125".into(), String::new()),
            "{number}: {outcome}"
        );
    }
}

/// From a directory, `..` leads to all others: chmod, utime and stat by it need no opening, which is all that Landlock
/// holds. A place can be opened where Landlock is off.
#[test]
fn a_directory_or_a_place_in_the_stead_of_a_stream_is_refused() {
    for actor in actors() {
        let place = Place::new("standard-way-out", actor);
        place.file("home/file", "");
        for (number, name) in [(0, "Standard input"), (1, "Standard output"), (2, "Standard error")] {
            for (given, what) in [
                (Fd::Open("project"), "is a directory of the host"),
                (Fd::Path("project"), "is a directory of the host"),
                (Fd::Path("home/file"), "(O_PATH)"),
            ] {
                for options in ["", "--landlock off", "--landlock only", "--net host", "--best-effort"] {
                    let about = format!("{actor:?} {options} {number} {given:?}");
                    let files = place.project.parent().unwrap();
                    let outcome = place.sh(options, "touch ran").files(files).fd(number, given.clone()).run();
                    assert_eq!(outcome.ending(), "exit 125", "{about}: {outcome}");
                    assert!(!place.project.join("ran").exists(), "{about}");
                    if number != 2 {
                        let said = outcome.stderr_text();
                        let wanted = format!("pinfold: {name} (file descriptor {number}) ");
                        assert!(said.starts_with(&wanted) && said.contains(what) && said.contains("--ro"), "{said}");
                    }
                }
            }
        }
        // Who names the descriptor wants what it is.
        assert_eq!(place.sh("--keep-fd 0", "echo it ran").fd(0, Fd::Open("/etc")).run().done(), "it ran\n");
        // One that is closed leads nowhere.
        assert_eq!(place.sh("", "echo it ran").fd(0, Fd::Closed).run().done(), "it ran\n");
    }
}

#[test]
fn one_that_is_not_open_is_an_error() {
    let place = Place::new("not-open", Actor::User);
    let outcome = place.sh("--keep-fd 33", "echo it ran").run();
    assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{outcome}");
    assert!(outcome.stderr_text().contains("33"), "{outcome}");
}

/// Who has a file open for reading may read it, and nothing else.
#[test]
fn a_file_as_standard_input_cannot_be_changed() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    for actor in actors() {
        let place = Place::new("input", actor);
        let file = place.file("file", "first\nsecond\nthird\n");
        let before = std::fs::metadata(&file).unwrap();
        for options in ["", "--landlock off", "--share pid", "--landlock off --seccomp off"] {
            let script = r#"(echo changed >/proc/self/fd/0) 2>/dev/null && echo written
                (echo changed 1<>/proc/self/fd/0) 2>/dev/null && echo written
                chmod 600 /proc/self/fd/0 2>/dev/null && echo mode
                touch -d @1 /proc/self/fd/0 2>/dev/null && echo time
                perl -e 'print "fchmod\n" if chmod 04755, \*STDIN; print "futimens\n" if utime 1, 1, \*STDIN'
                cat"#;
            let launch = place.sh(options, script).files(&place.home).fd(0, Fd::Open("file"));
            assert_eq!(launch.run().done(), "first\nsecond\nthird\n", "{actor:?} {options}");
        }
        let after = std::fs::metadata(&file).unwrap();
        assert_eq!((after.permissions(), after.mtime()), (before.permissions(), before.mtime()), "{actor:?}");
        assert_eq!(before.permissions().mode() & 0o7000, 0);
        // The caller reads on where the program has stopped, and the program where the caller has.
        let tool = crate::support::pinfold().display();
        let script = format!("read a; {tool} run sh -c 'read b; echo $b'; read c; echo $a $c");
        let launch = crate::support::Launch::program(std::path::Path::new("/bin/sh"), actor, &["-c", &script]);
        let launch = launch.dir(&place.project).env("HOME", place.home.to_str().unwrap());
        let said = launch.files(&place.home).fd(0, Fd::Open("file")).run().done();
        assert_eq!(said, "second\nfirst third\n", "{actor:?}");
        // One that has no name any more is read as well.
        assert_eq!(place.run("", &["cat"]).fd(0, Fd::Text("nameless")).run().done(), "nameless");
    }
}

/// Programs open `/dev/stdin` again, and some by the path that its link says. A file that the sandbox shows has one.
#[test]
fn a_file_as_standard_input_can_be_opened_again() {
    for actor in actors() {
        let place = Place::new("input-again", actor);
        let inside = place.file("project/inside", "echo $((40 + 2))\n");
        place.file("outside", "echo $((40 + 2))\n");
        let run = |options: &str, file: &'static str, script: &str| {
            place.sh(options, script).files(&place.home).fd(0, Fd::Open(file)).run().done()
        };
        let project = "project/inside";
        let again = r#"cat /proc/self/fd/0; . /dev/stdin; bash -c 'source /dev/stdin'; bash /dev/stdin
            python3 -c 'print(open("/dev/stdin").read(), end="")'"#;
        let said = "echo $((40 + 2))\n42\n42\n42\necho $((40 + 2))\n";
        for (options, file) in [("", project), ("", "outside"), ("--deny inside", project), ("--overlay .", project)] {
            assert_eq!(run(options, file, again), said, "{actor:?} {options} {file}");
        }
        let by_link = "cat \"$(readlink -f /dev/stdin)\"";
        for options in ["", "--ro .", "--landlock off"] {
            assert_eq!(run(options, project, by_link), "echo $((40 + 2))\n", "{actor:?} {options}");
        }
        // Where it is shown read-only, or not at all, it is not to be written to here either.
        for options in ["--ro .", "--deny inside", "--overlay ."] {
            let script = "(echo >/proc/self/fd/0) 2>/dev/null && echo written; chmod 600 /proc/self/fd/0 2>/dev/null && echo mode; cat";
            assert_eq!(run(options, project, script), "echo $((40 + 2))\n", "{actor:?} {options}");
        }
        assert_eq!(std::fs::read_to_string(inside).unwrap(), "echo $((40 + 2))\n");
        // Something else may stand where it lies outside.
        let other = place.file("other", "other\n");
        let other = format!("--ro {}:{}", other.display(), place.home.join("outside").display());
        assert_eq!(run(&other, "outside", "cat; cat ../outside"), "echo $((40 + 2))\nother\n");
    }
}
