//! What a program in the box can do: nothing that needs a capability, and no way to get one.

use crate::errno;
use crate::support::{Actor, Fixture, TYPICAL, inside, inside_nest};

/// All that `probe state` says about capabilities, and whether new ones can be gained by executing something.
fn powers(actor: Actor, options: &str) -> String {
    let state = inside(actor, &format!("{TYPICAL} {options}"), &["/probe", "state"]).run().done();
    let wanted = |line: &&str| line.starts_with("cap ") || line.starts_with("no-new-privs");
    state.lines().filter(wanted).flat_map(|line| [line, "\n"]).collect()
}

const NO_POWERS: &str =
    "cap effective 0\ncap permitted 0\ncap inheritable 0\ncap ambient 0\ncap bounding 0\nno-new-privs 1\n";

#[test]
fn a_user_has_no_capability_and_can_gain_none() {
    assert_eq!(powers(Actor::User, ""), NO_POWERS);
    assert_eq!(powers(Actor::User, "--uid 0 --gid 0"), NO_POWERS);
}

#[test]
fn root_that_drops_all_has_no_capability_and_can_gain_none() {
    if Actor::Root.here() {
        assert_eq!(powers(Actor::Root, "--cap-drop ALL"), NO_POWERS);
        assert_eq!(powers(Actor::Root, "--cap-drop ALL --uid 1000"), NO_POWERS);
    }
}

#[test]
fn root_that_stays_in_the_hosts_user_namespace_can_be_stripped_too() {
    if Actor::Root.here() {
        let options = "--ro-bind / / --cap-drop ALL";
        let probe = crate::support::probe().display().to_string();
        let state = inside(Actor::Root, options, &[&probe, "state"]).run().done();
        assert!(state.contains("cap effective 0\n") && state.contains("cap bounding 0\n"), "{state}");
    }
}

#[test]
fn an_added_capability_is_the_only_one() {
    let state = powers(Actor::User, "--cap-add CAP_NET_RAW");
    let raw = format!("{:x}", 1u64 << 13);
    let sets = ["effective", "permitted", "inheritable", "ambient", "bounding"];
    let wanted: String = sets.iter().map(|set| format!("cap {set} {raw}\n")).collect();
    assert_eq!(state, wanted + "no-new-privs 1\n");
}

#[test]
fn nothing_can_be_mounted() {
    for options in ["", "--uid 0 --gid 0"] {
        let options = format!("{TYPICAL} {options}");
        assert_eq!(inside(Actor::User, &options, &["/probe", "mount", "/tmp"]).run().refused(), errno::PERM);
        assert_eq!(inside(Actor::User, &options, &["/probe", "umount", "/tmp"]).run().refused(), errno::PERM);
    }
    let able = format!("{TYPICAL} --cap-add CAP_SYS_ADMIN");
    inside(Actor::User, &able, &["/probe", "mount", "/tmp"]).run().done();
}

#[test]
fn root_without_capabilities_cannot_mount() {
    if Actor::Root.here() {
        let options = format!("{TYPICAL} --cap-drop ALL");
        assert_eq!(inside(Actor::Root, &options, &["/probe", "mount", "/tmp"]).run().refused(), errno::PERM);
        assert_eq!(inside(Actor::Root, &options, &["/probe", "umount", "/tmp"]).run().refused(), errno::PERM);
    }
}

/// Whoever makes a user namespace inside is root there, and the kernel locks the mounts that came with it.
#[test]
fn a_read_only_bind_stays_so_even_for_root_of_a_nested_namespace() {
    for nested in [&[][..], &["nested"]] {
        let words = [&["/probe", "remount-rw", "/usr"], nested].concat();
        assert_eq!(inside(Actor::User, TYPICAL, &words).run().refused(), errno::PERM, "{words:?}");
    }
}

#[test]
fn what_a_mount_covers_stays_covered_even_for_root_of_a_nested_namespace() {
    let fixture = Fixture::new("covered", Actor::User);
    let options = format!("{TYPICAL} --bind {} /data --tmpfs /data/victim", fixture.path.display());
    let script = "/probe umount /data/victim nested; /probe exists /data/victim/kept";
    let said = inside(Actor::User, &options, &["sh", "-c", script]).run().stdout_text();
    assert_eq!(said, format!("refused errno {}\nrefused errno {}\n", libc::EINVAL, errno::NO_FILE));
}

#[test]
fn a_read_only_bind_holds_for_what_is_mounted_below_it() {
    for actor in [Actor::User, Actor::Root] {
        if !actor.here() {
            continue;
        }
        let fixture = Fixture::new(&format!("ro-{actor:?}"), actor);
        let dir = fixture.path.join("empty");
        let steps = [format!("tmpfs:{}", dir.display()), format!("file:{}/inner:text", dir.display())];
        let write = |bind: &str, file: &str| {
            let options = format!("{TYPICAL} {bind} {} /data", fixture.path.display());
            inside_nest(actor, &steps, &options, &["/probe", "write", file]).run()
        };
        for file in ["/data/file", "/data/empty/inner", "/data/empty/new"] {
            assert_eq!(write("--ro-bind", file).refused(), errno::READ_ONLY, "{file}");
            write("--bind", file).done();
        }
    }
}

#[test]
fn remount_ro_cannot_be_taken_back() {
    let options = format!("{TYPICAL} --tmpfs /data --dir /data/x --remount-ro /data");
    for words in [&["write", "/data/new"][..], &["write", "/data/x/new"]] {
        let words = [&["/probe"], words].concat();
        assert_eq!(inside(Actor::User, &options, &words).run().refused(), errno::READ_ONLY);
    }
    for words in [&["/probe", "remount-rw", "/data"][..], &["/probe", "remount-rw", "/data", "nested"]] {
        assert_eq!(inside(Actor::User, &options, words).run().refused(), errno::PERM);
    }
}

#[test]
fn disabled_user_namespaces_stay_disabled() {
    let unshare = &["/probe", "unshare-user"];
    inside(Actor::User, TYPICAL, unshare).run().done();
    let options = format!("{TYPICAL} --unshare-user --disable-userns");
    for ids in ["", "--uid 0 --gid 0"] {
        let refused = inside(Actor::User, &format!("{options} {ids}"), unshare).run().refused();
        assert_eq!(refused, libc::ENOSPC, "{ids}");
    }
    // The limit lies in a namespace above, out of reach.
    let both = "/probe write /proc/sys/user/max_user_namespaces 100; exec /probe unshare-user";
    let said = inside(Actor::User, &options, &["sh", "-c", both]).run().stdout_text();
    assert!(said.ends_with(&format!("refused errno {}\n", libc::ENOSPC)), "{said}");
}

/// bubblewrap needs two user namespaces for `--dev`, and fails here.
#[test]
fn one_user_namespace_is_enough() {
    let run = |limit: u32| inside_nest(Actor::User, &[format!("limit:{limit}")], TYPICAL, &["test", "-c", "/dev/null"]);
    run(1).run().done();
    let without = run(0).run();
    assert_eq!(without.ending(), "exit 1", "{without}");
    assert!(without.stderr_text().starts_with("bwrap: "), "{without}");
}
