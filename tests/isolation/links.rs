//! Links in a tree that the box may write lead to where they lead inside; never to the host (CVE-2026-87766).

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::support::{Actor, Fd, Fixture, exchange, inside};

/// Links in `tree/`: name, target. `{d}` is the fixture. Those of [`Fixture`] are used too.
const LINKS: &[(&str, &str)] = &[
    ("l-abs", "{d}/victim"),
    ("l-up", "../victim"),
    ("l-oldroot", "/oldroot{d}/victim"),
    ("l-newroot", "../newroot/../oldroot{d}/victim"),
    ("l-root", "/proc/self/root{d}/victim"),
    ("l-cwd", "/proc/self/cwd/victim"),
    ("l-fd", "/proc/self/fd/9"),
    ("l-fd-up", "/proc/self/fd/9/../victim"),
    ("l-new", "{d}/victim/new"),
    ("l-file", "{d}/victim/kept"),
    ("l-dots", "l-abs/../victim"),
];

/// The operations; `@` is the place. 5 is a file with text, 6 another.
const OPS: &[&str] = &[
    "--file 5 @",
    "--perms 0777 --dir @",
    "--symlink made-by-the-box @",
    "--bind /usr/bin @",
    "--ro-bind /usr/bin/true @",
    "--tmpfs @",
    "--chmod 0777 @",
    "--dev @",
    "--proc @",
    "--remount-ro @",
    "--bind-data 5 @",
    "--ro-bind-data 5 @",
    "--mqueue @",
    "--overlay-src /usr/share --tmp-overlay @",
];

/// Everything of a fixture but what the box may change.
fn outside(fixture: &Fixture) -> String {
    let listing = fixture.listing();
    listing.lines().filter(|line| !line.starts_with("tree")).flat_map(|line| [line, "\n"]).collect()
}

fn launch(fixture: &Fixture, actor: Actor, start: &str, op: &str, place: &str) -> String {
    let options = format!("{start} {}", op.replace('@', place)).replace("{t}", &fixture.expand("{d}/tree"));
    let launch = inside(actor, &options, &["/usr/bin/true"]).files(&fixture.path).dir(&fixture.path);
    let outcome = launch.fd(5, Fd::Text("text of the box")).fd(9, Fd::Open("victim")).run();
    let ending = outcome.ending();
    assert!(ending == "exit 0" || (ending == "exit 1" && !outcome.stderr.is_empty()), "{options}: {outcome}");
    ending
}

/// The fixture as it is at first, with [`LINKS`] in its tree.
fn refill(fixture: &Fixture) {
    fixture.refill();
    for (name, target) in LINKS {
        symlink(fixture.expand(target), fixture.path.join("tree").join(name)).unwrap();
    }
}

#[test]
fn no_operation_follows_a_link_out_of_the_box() {
    let fixture = Fixture::new("links", Actor::User);
    let system = "--ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64";
    let starts = [
        (format!("{system} --dev-bind /proc /proc --bind {{t}} /t"), "/t/", &["", "/made", "/kept"][..]),
        // The tree is the root itself.
        (format!("--bind {{t}} / --proc /proc {system}"), "/", &["/deep/made"]),
    ];
    let links = || LINKS.iter().map(|(name, _)| *name).chain(["out", "staging", "proc", "up"]);
    let (mut done, mut launches) = (0, 0);
    for op in OPS {
        for (start, top, below) in &starts {
            refill(&fixture);
            let before = outside(&fixture);
            for place in links().flat_map(|link| below.iter().map(move |below| format!("{top}{link}{below}"))) {
                let ending = launch(&fixture, Actor::User, start, op, &place);
                launches += 1;
                done += u32::from(ending == "exit 0");
                assert_eq!(outside(&fixture), before, "{start} {op} at {place}: {ending}");
            }
        }
    }
    // Were all refused, or none, the launches would be of another kind than meant.
    assert!(done > launches / 10 && done < launches, "{done} of {launches} succeeded");
}

/// The same as root, who could write anything there: a sixth of the work shows the same.
#[test]
fn no_operation_of_root_follows_a_link_out_of_the_box() {
    if !Actor::Root.here() {
        return;
    }
    let fixture = Fixture::new("links-of-root", Actor::Root);
    refill(&fixture);
    let before = outside(&fixture);
    let start = "--ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --bind {t} /t";
    for op in OPS {
        for place in ["/t/out/made", "/t/out/kept", "/t/staging/made", "/t/proc/made", "/t/up/../../victim/made"] {
            launch(&fixture, Actor::Root, start, op, place);
            assert_eq!(outside(&fixture), before, "{op} at {place}");
        }
    }
}

/// Exchanges a directory with a link to the victim as fast as it can, until told to stop.
fn exchange_on(tree: &Path, stop: &AtomicBool, count: &AtomicU32) {
    let (dir, link) = (tree.join("d"), tree.join("swap"));
    while !stop.load(Ordering::Relaxed) {
        exchange(&dir, &link);
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// CVE-2021-30465: somebody else exchanges the places of mounts in a shared tree while boxes are made.
#[test]
fn a_link_that_is_exchanged_during_set_up_wins_nothing() {
    const BOXES: u32 = 300;
    let fixture = Fixture::new("race", Actor::User);
    let tree = fixture.path.join("tree");
    std::fs::create_dir(tree.join("d")).unwrap();
    std::fs::set_permissions(tree.join("d"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    symlink(fixture.path.join("victim"), tree.join("swap")).unwrap();
    let before = outside(&fixture);
    let (stop, count) = (AtomicBool::new(false), AtomicU32::new(0));
    let options = format!(
        "--ro-bind /usr /usr --symlink usr/lib /lib --symlink usr/lib64 /lib64 --bind {} /v --dir /v/d/dir \
         --file 5 /v/d/file --tmpfs /v/d/mount --proc /proc --symlink x /v/d/link --bind-data 6 /v/d/data",
        tree.display()
    );
    std::thread::scope(|scope| {
        let racer = scope.spawn(|| exchange_on(&tree, &stop, &count));
        let result = std::panic::catch_unwind(|| {
            for number in 0..BOXES {
                let launch = inside(Actor::User, &options, &["cat", "/proc/self/mountinfo"]);
                let outcome = launch.fd(5, Fd::Text("new")).fd(6, Fd::Text("data")).run();
                assert!(["exit 0", "exit 1"].contains(&&*outcome.ending()), "{outcome}");
                assert_eq!(outside(&fixture), before, "box {number}: {outcome}");
                for line in outcome.stdout_text().lines() {
                    let at = line.split(' ').nth(4).unwrap_or_default();
                    // Where the directory was exchanged afterwards, the mount is named by its other name.
                    let own = ["/", "/usr", "/proc", "/v"].contains(&at);
                    let inside_tree = ["/v/d/", "/v/swap/"].iter().any(|dir| at.starts_with(dir));
                    let through_link = at.starts_with(&fixture.path.join("victim").display().to_string());
                    assert!(own || inside_tree || through_link, "{line}");
                }
            }
        });
        stop.store(true, Ordering::Relaxed);
        racer.join().expect("the racer");
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert!(count.load(Ordering::Relaxed) > BOXES, "the racer did not run");
}
