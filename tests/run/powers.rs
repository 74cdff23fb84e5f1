//! No capability, no privilege to be gained, no namespace to be made, no device but the harmless ones.

use crate::support::Actor;
use crate::{Place, actors};

fn powers(place: &Place, options: &str) -> String {
    let state = place.run(options, &["/probe", "state"]).run().done();
    let wanted = |line: &&str| line.starts_with("cap ") || line.starts_with("no-new-privs");
    state.lines().filter(wanted).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn there_is_no_capability_and_none_to_be_gained() {
    for actor in actors() {
        let place = Place::new("powers", actor);
        let none =
            "cap effective 0\ncap permitted 0\ncap inheritable 0\ncap ambient 0\ncap bounding 0\nno-new-privs 1\n";
        for options in ["", "--uid 0 --gid 0", "--profile none --proc /proc --ro /usr --mirror /lib --mirror /lib64"] {
            assert_eq!(powers(&place, options), none, "{options}");
        }
        let raw = format!("{:x}", 1u64 << 13);
        let found = powers(&place, "--cap-add CAP_NET_RAW");
        assert_eq!(found, none.replace(" 0\n", &format!(" {raw}\n")));
    }
}

#[test]
fn no_user_namespace_can_be_made_unless_it_is_allowed() {
    for actor in actors() {
        let place = Place::new("userns", actor);
        let unshare = |options: &str| place.run(options, &["/probe", "unshare-user"]).run();
        // The filter says no; without it the limit of the kernel does.
        assert_eq!(unshare("").refused(), libc::EPERM);
        assert_eq!(unshare("--seccomp off").refused(), libc::ENOSPC);
        assert_eq!(unshare("--seccomp off --cap-add ALL").refused(), libc::ENOSPC);
        unshare("--allow-userns").done();
        // Nor can the limit be raised again.
        let script = "/probe write /proc/sys/user/max_user_namespaces 100 >/dev/null; exec /probe unshare-user";
        for options in
            ["--seccomp off", "--seccomp off --landlock off --uid 0", "--seccomp off --landlock off --cap-add ALL"]
        {
            assert_eq!(place.sh(options, script).run().refused(), libc::ENOSPC, "{options}");
        }
    }
}

#[test]
fn nothing_can_be_mounted() {
    for actor in actors() {
        let place = Place::new("mounts", actor);
        for options in ["", "--uid 0", "--cap-add CAP_SYS_ADMIN"] {
            let refused = place.run(options, &["/probe", "mount", "/tmp"]).run().refused();
            assert_eq!(refused, libc::EPERM, "{options}");
        }
        // Behind the filter stands Landlock.
        let refused = place.run("--seccomp off --cap-add CAP_SYS_ADMIN", &["/probe", "mount", "/tmp"]).run().refused();
        assert_eq!(refused, libc::EPERM);
        let owner = "--seccomp off --landlock off --cap-add CAP_SYS_ADMIN --allow-userns";
        place.run(owner, &["/probe", "mount", "/tmp"]).run().done();
        // In a second user namespace, capabilities have no power over what belongs to the first.
        for caps in ["ALL", "CAP_SYS_ADMIN", "CAP_SYS_RESOURCE"] {
            let options = format!("--seccomp off --landlock off --cap-add {caps}");
            assert_eq!(place.run(&options, &["/probe", "mount", "/tmp"]).run().refused(), libc::EPERM, "{caps}");
        }
    }
}

#[test]
fn devices_are_the_harmless_ones() {
    for actor in actors() {
        let place = Place::new("devices", actor);
        let said = place
            .sh("", "ls /dev; echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 3 /dev/urandom | wc -c")
            .run()
            .done();
        assert_eq!(
            said,
            "core\nfd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n4\n3\n"
        );
        // A device node that lies in a directory of the host's cannot be opened, unless it is asked for.
        let hidden =
            place.sh("--rw /dev/zero:/d/zero", "head -c1 /d/zero >/dev/null 2>&1 && echo opened || echo closed");
        assert_eq!(hidden.run().done(), "closed\n");
        let shown =
            place.sh("--dev /dev/zero:/d/zero", "head -c1 /d/zero >/dev/null 2>&1 && echo opened || echo closed");
        assert_eq!(shown.run().done(), "opened\n");
    }
}

#[test]
fn ids_are_ones_own_unless_others_are_asked_for() {
    let place = Place::new("ids", Actor::User);
    let ids = |options: &str| place.sh(options, "id -u; id -g").run().done();
    let (own_uid, own_gid) =
        Actor::User.ids().unwrap_or((nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw()));
    assert_eq!(ids(""), format!("{own_uid}\n{own_gid}\n"));
    assert_eq!(ids("--uid 0 --gid 5"), "0\n5\n");
    assert_eq!(place.sh("--hostname box", "cat /proc/sys/kernel/hostname").run().done(), "box\n");
}
