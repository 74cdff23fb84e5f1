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

#[test]
fn one_that_is_not_open_is_an_error() {
    let place = Place::new("not-open", Actor::User);
    let outcome = place.sh("--keep-fd 33", "echo it ran").run();
    assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{outcome}");
    assert!(outcome.stderr_text().contains("33"), "{outcome}");
}
