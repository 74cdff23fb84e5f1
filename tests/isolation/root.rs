//! The root of the box is the end of the world: no path leads out, nothing is stacked on it.

use std::fs;

use crate::errno;
use crate::support::{Actor, Fixture, TYPICAL, inside, probe};

#[test]
fn files_of_the_host_do_not_exist() {
    let fixture = Fixture::new("outside", Actor::User);
    let file = fixture.path.join("file").display().to_string();
    let ways = ["", "/..", "/../..", "/proc/self/root/..", "/proc/1/root/..", "/proc/self/cwd/..", "/proc/1/cwd/.."];
    for actor in [Actor::User, Actor::Root] {
        for way in ways.iter().filter(|_| actor.here()) {
            for path in [&*file, "/etc/passwd", "/oldroot", "/newroot", "/work", "/root"] {
                let path = format!("{way}{path}");
                let outcome = inside(actor, TYPICAL, &["/probe", "exists", &path]).run();
                // PID 1 lets nobody of the box through its links.
                let refusals =
                    if way.starts_with("/proc/1/") { [errno::NO_FILE, libc::EACCES] } else { [errno::NO_FILE; 2] };
                assert!(refusals.contains(&outcome.refused()), "{path} {outcome}");
            }
        }
    }
    let bound = format!("{TYPICAL} --ro-bind {file} {file}");
    inside(Actor::User, &bound, &["/probe", "exists", &file]).run().done();
}

#[test]
fn the_root_holds_nothing_but_what_was_asked_for() {
    let said = inside(Actor::User, TYPICAL, &["ls", "-A", "/"]).run().done();
    let found: Vec<&str> = said.lines().collect();
    assert_eq!(found, ["bin", "dev", "lib", "lib64", "probe", "proc", "tmp", "usr"]);
}

/// An early build left the host's root stacked on the box's when something was bound on `/`: `..` of the root led
/// there.
#[test]
fn nothing_is_stacked_on_the_root() {
    let probe = probe().display().to_string();
    let fixture = Fixture::new("stacked", Actor::User);
    let dir = fixture.path.display().to_string();
    let bound = format!("--ro-bind {probe} /p");
    let over = |lines: &[&str]| format!("{} {bound}", lines.join(" "));
    let layouts = [
        bound.clone(),
        over(&["--tmpfs /"]),
        over(&["--tmpfs / --tmpfs / --tmpfs /"]),
        over(&[&format!("--bind {dir} /")]),
        over(&[&format!("--bind {dir} / --tmpfs / --bind {dir}/dir / --tmpfs /")]),
        over(&["--ro-bind / / --tmpfs /"]),
        over(&[&format!("--tmp-overlay / --bind {dir} /").replace("--tmp", &format!("--overlay-src {dir} --tmp"))]),
        format!("--tmpfs /tmp {bound}"),
    ];
    for actor in [Actor::User, Actor::Root] {
        for options in layouts.iter().filter(|_| actor.here()) {
            for namespaces in ["", "--unshare-all"] {
                let options = format!("{namespaces} {options}");
                let said = inside(actor, &options, &["/p", "mount-id", "/", "/..", "/../..", "."]).run().done();
                let ids: Vec<&str> = said.lines().collect();
                assert!(ids.len() == 4 && ids.iter().all(|id| *id == ids[0]), "{options}: {ids:?}");
            }
        }
    }
}

#[test]
fn nothing_is_stacked_on_a_root_that_is_the_hosts() {
    let probe = probe().display().to_string();
    for actor in [Actor::User, Actor::Root] {
        for options in ["--ro-bind / /", "--bind / /", "--ro-bind / / --ro-bind / /", "--dev-bind / / --proc /proc"] {
            if !actor.here() {
                continue;
            }
            let said = inside(actor, options, &[&probe, "mount-id", "/", "/..", "/../.."]).run().done();
            let ids: Vec<&str> = said.lines().collect();
            assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{options}: {ids:?}");
            // What lies under the root and cannot be reached is listed all the same: it must not be the host's root.
            let mounts = inside(actor, options, &[&probe, "cat", "/proc/self/mountinfo"]).run().done();
            let roots = mounts.lines().filter(|line| line.split(' ').nth(4) == Some("/")).count();
            let binds = options.matches("bind / /").count();
            assert_eq!(roots, 1, "{options} ({binds} binds): {mounts}");
        }
    }
}

/// CVE-2024-21626: a directory of the host that the caller left open must not become the working directory.
#[test]
fn no_descriptor_leads_to_a_working_directory_outside() {
    use crate::support::Fd;
    let fixture = Fixture::new("chdir", Actor::User);
    for options in ["--unshare-pid --proc /proc", "--ro-bind /proc /proc", "--dev-bind /proc /proc"] {
        for number in 0..=16 {
            for below in ["", "/..", "/sub/../.."] {
                let options = format!(
                    "--ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --ro-bind {{probe}} /probe \
                     {options} --chdir /proc/self/fd/{number}{below}"
                );
                let launch = inside(Actor::User, &options, &["/probe", "state"]).files(&fixture.path);
                let outcome = launch.fd(5, Fd::Open("dir")).fd(9, Fd::Path("dir")).run();
                let state = outcome.stdout_text();
                let cwd = state.lines().find_map(|line| line.strip_prefix("cwd "));
                // Not a directory, or not one of the box: no program. `..` of a link into nowhere may be the box's own.
                assert!(outcome.ending() == "exit 1" || cwd.is_some_and(|cwd| cwd.starts_with('/')), "{outcome}");
                assert!(cwd.is_none() || !below.is_empty() || ![5, 9].contains(&number), "{outcome}");
            }
        }
    }
}

#[test]
fn the_callers_directory_is_not_kept_where_the_box_lacks_it() {
    let fixture = Fixture::new("cwd", Actor::User);
    let launch = inside(Actor::User, &format!("{TYPICAL} --setenv HOME /usr"), &["/probe", "state"]);
    let state = launch.dir(&fixture.path.join("dir")).run().done();
    assert!(state.contains("\ncwd /usr\n"), "{state}");
}

/// Made with the modes that are asked for, whatever the caller's mask, which the program gets back.
#[test]
fn what_the_tool_makes_has_its_mode_under_any_umask() {
    use crate::support::{Fd, Tweak};
    let fixture = Fixture::new("modes", Actor::User);
    for mask in [0o000, 0o022, 0o077, 0o777] {
        let tree = fixture.path.join(format!("made-{mask:o}"));
        fs::create_dir(&tree).unwrap();
        std::os::unix::fs::chown(&tree, Actor::User.ids().map(|ids| ids.0), Actor::User.ids().map(|ids| ids.1))
            .unwrap();
        let options = format!(
            "{TYPICAL} --bind {} /t --dir /t/dir --file 5 /t/file --perms 0600 --file 6 /t/private/file \
             --perms 0711 --dir /t/open/dir --bind-data 7 /t/data --tmpfs /t/tmpfs --perms 1777 --tmpfs /t/all \
             --bind /usr /t/deep/er/bind --symlink x /t/links/l",
            tree.display()
        );
        let paths = "/ /dev /dev/shm /t/dir /t/file /t/private /t/private/file /t/open /t/open/dir /t/data /t/tmpfs /t/all \
                     /t/deep /t/deep/er /t/links";
        let command: Vec<&str> = ["/probe", "stat"].into_iter().chain(paths.split_whitespace()).collect();
        let launch = inside(Actor::User, &options, &command).tweak(Tweak::Umask(mask));
        let said = [5, 6, 7].iter().fold(launch, |launch, fd| launch.fd(*fd, Fd::Text("x"))).run().done();
        let found: Vec<String> =
            said.lines().filter_map(|line| Some(line.split_once(" owner")?.0.replace(" mode", ""))).collect();
        let wanted = [
            "/ 40755",
            "/dev 40755",
            "/dev/shm 40755",
            "/t/dir 40755",
            "/t/file 100666",
            "/t/private 40700",
            "/t/private/file 100600",
            "/t/open 40755",
            "/t/open/dir 40711",
            "/t/data 100600",
            "/t/tmpfs 40755",
            "/t/all 41777",
            "/t/deep 40700",
            "/t/deep/er 40700",
            "/t/links 40700",
        ];
        assert_eq!(found, wanted, "under umask {mask:o}");
        let state = inside(Actor::User, TYPICAL, &["/probe", "state"]).tweak(Tweak::Umask(mask)).run().done();
        assert!(state.contains(&format!("\numask {mask:03o}\n")), "{state}");
    }
}
