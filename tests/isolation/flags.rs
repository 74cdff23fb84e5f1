//! Mount flags of the host are never weakened, and what the host mounts later arrives only where it may.

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::errno;
use crate::support::{Actor, Fd, Fixture, TYPICAL, inside, inside_nest};

/// The options of the mount at `at`, from the text of `/proc/self/mountinfo`.
fn flags(mountinfo: &str, at: &str) -> Vec<String> {
    let line = mountinfo.lines().find(|line| line.split(' ').nth(4) == Some(at));
    let options = line.and_then(|line| line.split(' ').nth(5)).unwrap_or_else(|| panic!("no {at} in {mountinfo}"));
    options.split(',').map(String::from).collect()
}

#[test]
fn flags_of_the_host_stay() {
    for actor in [Actor::User, Actor::Root] {
        if !actor.here() {
            continue;
        }
        let fixture = Fixture::new(&format!("flags-{actor:?}"), actor);
        let dir = fixture.path.join("empty").display().to_string();
        for set in ["ro,noexec,noatime,nosymfollow", "noexec,nodiratime", "nosymfollow", "noatime,nosymfollow"] {
            let steps = [format!("tmpfs:{dir}"), format!("flags:{dir}:{set}")];
            for bind in ["--bind", "--dev-bind", "--ro-bind"] {
                // The mount itself, and as one below what is bound.
                let top = fixture.path.display();
                let options =
                    format!("{TYPICAL} {bind} {dir} /top {bind} {top} /tree {bind} {top} /again --remount-ro /again");
                let said =
                    inside_nest(actor, &steps, &options, &["/probe", "cat", "/proc/self/mountinfo"]).run().done();
                for at in ["/top", "/tree/empty", "/again/empty"] {
                    let found = flags(&said, at);
                    let mut wanted: Vec<&str> = set.split(',').chain(["nosuid"]).collect();
                    wanted.extend((bind != "--dev-bind").then_some("nodev"));
                    wanted.extend((bind == "--ro-bind").then_some("ro"));
                    let lost: Vec<&&str> = wanted.iter().filter(|flag| !found.iter().any(|has| has == *flag)).collect();
                    assert!(lost.is_empty(), "{bind} of {set} at {at}: {lost:?} lost, has {found:?}");
                }
            }
        }
    }
}

#[test]
fn every_mount_has_nosuid_and_what_else_is_promised() {
    let said = inside(Actor::User, TYPICAL, &["/probe", "cat", "/proc/self/mountinfo"]).run().done();
    for (at, wanted) in [
        ("/", &["nosuid", "nodev"][..]),
        ("/usr", &["ro", "nosuid", "nodev"]),
        ("/proc", &["nosuid", "nodev", "noexec"]),
        ("/dev", &["nosuid"]),
        ("/dev/null", &["nosuid"]),
        ("/dev/pts", &["nosuid", "noexec"]),
        ("/tmp", &["nosuid", "nodev"]),
        ("/probe", &["ro", "nosuid", "nodev"]),
    ] {
        let found = flags(&said, at);
        assert!(wanted.iter().all(|flag| found.iter().any(|has| has == flag)), "{at}: {found:?}");
    }
}

/// Runs `act` in a thread with a mount namespace of its own, in which `/` is private.
fn in_own_mounts<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    let threaded = std::thread::scope(|scope| {
        let inner = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
                .expect("private");
            act()
        });
        inner.join()
    });
    threaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Binds a directory that is a shared mount, mounts something below it while the box runs, and looks for it inside.
fn mounted_later(actor: Actor, bind: &str) -> crate::support::Outcome {
    let fixture = Fixture::new(&format!("later-{actor:?}{bind}"), actor);
    in_own_mounts(|| {
        let dir = fixture.path.join("empty");
        let fs = |at: &std::path::Path| mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), None::<&str>);
        fs(&dir).expect("a tmpfs");
        mount(None::<&str>, &dir, None::<&str>, MsFlags::MS_SHARED, None::<&str>).expect("make it shared");
        let later = dir.join("later");
        std::fs::create_dir(&later).unwrap();
        let options = format!("{TYPICAL} {bind} {} /data", dir.display());
        let script = "echo ready >&8; /probe pause 7; exec /probe exists /data/later/file";
        let launch = inside(actor, &options, &["sh", "-c", script]).fd(7, Fd::In).fd(8, Fd::Out);
        let mut running = launch.start();
        running.read_until(8, |text| text.contains("ready"));
        fs(&later).expect("a second tmpfs");
        std::fs::write(later.join("file"), "").unwrap();
        running.end_feed(7);
        let mut outcome = running.finish();
        outcome.stdout = outcome.stdout.strip_prefix(b"ready\n").map_or(outcome.stdout.clone(), <[u8]>::to_vec);
        outcome
    })
}

/// bubblewrap's `--ro-bind` lets it in, writable.
#[test]
fn what_is_mounted_below_a_read_only_bind_later_stays_outside() {
    if Actor::Root.here() {
        for actor in [Actor::User, Actor::Root] {
            assert_eq!(mounted_later(actor, "--ro-bind").refused(), errno::NO_FILE);
        }
    }
}

#[test]
fn what_is_mounted_below_a_writable_bind_later_comes_in() {
    if Actor::Root.here() {
        for bind in ["--bind", "--dev-bind"] {
            mounted_later(Actor::User, bind).done();
        }
    }
}

/// Nothing that is mounted inside reaches the host, even through a shared mount.
#[test]
fn mounts_of_the_box_stay_inside() {
    if !Actor::Root.here() {
        return;
    }
    let fixture = Fixture::new("stays-inside", Actor::Root);
    let dir = fixture.path.join("dir");
    in_own_mounts(|| {
        mount(Some(&dir), &dir, None::<&str>, MsFlags::MS_BIND, None::<&str>).expect("a mount point");
        mount(None::<&str>, &dir, None::<&str>, MsFlags::MS_SHARED, None::<&str>).expect("make it shared");
        let own = || std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        let before = own();
        for namespaces in ["", "--unshare-all"] {
            let options = format!("{namespaces} --bind / / --bind {0} {0} --tmpfs {0}/sub", dir.display());
            let probe = crate::support::probe().display().to_string();
            inside(Actor::Root, &options, &[&probe, "mount", &dir.display().to_string()]).run().done();
            assert_eq!(own(), before, "{options}");
        }
    });
}
