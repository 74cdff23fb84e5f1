//! `pinfold doctor` on a real kernel: what it says is what then happens, also where something stands in the way.
//!
//! Hosts that this machine is not are faked in src/doctor/tests.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Instant;

use serde_json::Value;
use support::{Actor, Fd, Launch, Tweak, executable, nest, skip, stage};

/// The box of `pinfold doctor`, in the words of the other door.
const BOX: &str = "bwrap --unshare-user --unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup-try \
                   --ro-bind / / --proc /proc --dev /dev -- true";

/// The program under its own name, where every user can enter.
fn pinfold() -> &'static Path {
    static COPY: OnceLock<PathBuf> = OnceLock::new();
    COPY.get_or_init(|| {
        let copy = stage::stage().join("pinfold");
        executable::copy(Path::new(env!("CARGO_BIN_EXE_pinfold")), &copy);
        copy
    })
}

/// `pinfold WORDS...` as an ordinary launch, in a directory to work in.
fn plainly(actor: Actor, words: &[&str]) -> Launch {
    Launch::program(pinfold(), actor, words).dir(&project(actor))
}

/// A directory of `actor`'s own.
fn project(actor: Actor) -> PathBuf {
    let project = stage::stage().join(format!("work-{actor:?}"));
    fs::create_dir_all(&project).unwrap();
    if let Some((uid, gid)) = actor.ids() {
        std::os::unix::fs::chown(&project, Some(uid), Some(gid)).unwrap();
    }
    project
}

/// The same on a host that `steps` have changed: see `nest` of tests/probe.
fn on_a_host(steps: &[&str], actor: Actor, words: &[&str]) -> Launch {
    let program = pinfold().to_str().unwrap();
    let command: Vec<String> = [program].iter().chain(words).map(|word| (*word).to_owned()).collect();
    nest(actor, &steps.iter().map(|step| (*step).to_owned()).collect::<Vec<_>>(), &command).dir(&project(actor))
}

/// The same within a box that has the filter of this file in the stage, and no other wall.
fn under_filter(filter: &'static str, actor: Actor, words: &[&str]) -> Launch {
    let outer = ["bwrap", "--dev-bind", "/", "/", "--seccomp", "9", "--", pinfold().to_str().unwrap()];
    plainly(actor, &[&outer, words].concat()).files(stage::stage()).fd(9, Fd::Open(filter))
}

/// What `pinfold doctor` says, which must be what a real launch in the same surroundings then does.
fn told(launch: impl Fn(&[&str]) -> Launch) -> Value {
    let said = launch(&["doctor", "--json"]).run();
    let document: Value = serde_json::from_str(&said.stdout_text()).unwrap_or_else(|error| panic!("{error}: {said}"));
    let real = launch(&BOX.split_whitespace().collect::<Vec<_>>()).run();
    let works = document["works"].as_bool().unwrap();
    assert_eq!(works, real.ending() == "exit 0", "{said}, and really: {real}");
    assert_eq!(said.ending(), if works { "exit 0" } else { "exit 1" }, "{said}");
    assert_eq!(document["tiers"]["full"], works);
    let text = launch(&["doctor"]).run();
    assert_eq!((text.ending(), text.stderr_text()), (said.ending(), String::new()));
    assert!(text.stdout_text().contains(if works { "true` would work." } else { "true` would not work" }), "{text}");
    document
}

/// The findings that keep a box from working.
fn blocking(document: &Value) -> Vec<&str> {
    let findings = document["findings"].as_array().unwrap().iter();
    findings.filter(|finding| finding["severity"] == "blocks").map(|finding| finding["id"].as_str().unwrap()).collect()
}

fn actors() -> impl Iterator<Item = Actor> {
    [Actor::User, Actor::Root].into_iter().filter(|actor| actor.here())
}

#[test]
fn boxes_work_here() {
    for actor in actors() {
        let document = told(|words| plainly(actor, words));
        assert_eq!(document["works"], true, "this machine runs the other tests: {document}");
        assert_eq!(blocking(&document), Vec::<&str>::new());
        assert_eq!(document["facts"]["uid"], actor.uid());
        let trials = document["trials"].as_object().unwrap();
        assert!(trials.values().all(|result| !result.is_null()), "everything is reached: {trials:?}");
        for needed in ["user_namespace", "uid_map", "loopback", "tmpfs", "pivot_root", "proc", "mount_setattr"] {
            assert_eq!(trials[needed], 0, "{needed}");
        }
    }
}

/// What is said of `pinfold run true` counts for the directory in which it is asked.
#[test]
fn a_directory_that_is_no_workspace_is_told_from_a_host_that_has_no_boxes() {
    for actor in actors() {
        let place = support::Place::new("doctor-here", actor);
        place.file("broken/.config/pinfold/profiles/workspace.profile", "nonsense\n");
        let broken = place.home.join("broken");
        for (dir, home, wanted, elsewhere) in [
            (&*place.project, &*place.home, None, false),
            (&place.home, &place.home, Some("workspace: "), true),
            (Path::new("/"), &place.home, Some("workspace: "), true),
            (&place.project, &broken, Some("workspace.profile:1: nonsense: unknown option"), false),
        ] {
            let launch = |words: &[&str]| plainly(actor, words).dir(dir).env("HOME", home.to_str().unwrap()).run();
            let (text, json, real) = (launch(&["doctor"]), launch(&["doctor", "--json"]), launch(&["run", "true"]));
            let works = real.ending() == "exit 0";
            assert_eq!(works, wanted.is_none(), "{real}");
            for said in [&text, &json] {
                assert_eq!(said.ending(), if works { "exit 0" } else { "exit 1" }, "{said}");
            }
            let document: Value = serde_json::from_str(&json.stdout_text()).unwrap();
            assert_eq!((&document["works"], &document["tiers"]["full"]), (&Value::from(works), &Value::from(true)));
            let (text, here) = (text.stdout_text(), &document["here"]);
            let Some(wanted) = wanted else {
                assert!(here.is_null() && text.ends_with("`pinfold run true` would work.\n"), "{text}");
                continue;
            };
            let message = here["message"].as_str().unwrap();
            assert!(message.contains(wanted), "{document}");
            assert_eq!(real.stderr_text().lines().next(), Some(&*format!("pinfold: {message}")));
            assert_eq!((&here["directory"], &here["works_elsewhere"]), (&dir.to_str().into(), &elsewhere.into()));
            assert!(
                text.contains(&format!("would not work here (in {}): it refuses to start.", dir.display())),
                "{text}"
            );
            assert!(text.contains(message) && !text.contains("FAIL"), "{text}");
            assert_eq!(text.contains("In a project directory it works"), elsewhere, "{text}");
            // And that is true.
            assert_eq!(launch(&["run", "--profile", "base", "true"]).ending(), "exit 0");
        }
    }
}

/// The caller's signals and descriptors are no business of its.
#[test]
fn odd_callers_get_the_same_answer() {
    let odd = [
        plainly(Actor::User, &["doctor"]).tweak(Tweak::Ignore(libc::SIGCHLD)),
        plainly(Actor::User, &["doctor"]).tweak(Tweak::Block(libc::SIGCHLD)),
        plainly(Actor::User, &["doctor"]).fd(0, Fd::Closed).fd(2, Fd::Closed),
        plainly(Actor::User, &["doctor"]).tweak(Tweak::Umask(0o777)),
    ];
    for launch in odd {
        let said = launch.run();
        assert!(said.ending() == "exit 0" && said.stdout_text().contains("would work."), "{said}");
    }
}

#[test]
fn limits_of_an_outer_namespace_are_told_by_name() {
    for actor in actors() {
        let document = told(|words| on_a_host(&["limit:0"], actor, words));
        assert_eq!(blocking(&document), ["userns-limit-of-sandbox"]);
        for kind in ["net", "pid", "mnt"] {
            let step = format!("file:/proc/sys/user/max_{kind}_namespaces:0");
            let document = told(|words| on_a_host(&[&step], actor, words));
            assert_eq!(blocking(&document), ["namespace-limit-zero"], "{document}");
            assert!(document["findings"][0]["what"].as_str().unwrap().contains(&format!("user.max_{kind}_namespaces")));
        }
        // One that is left is enough for one box.
        assert_eq!(told(|words| on_a_host(&["limit:9"], actor, words))["works"], true);
    }
}

/// A namespace that has ended counts for a while. Neither the trials nor the next launch trip over it.
///
/// How long is the kernel's choice, so each has several goes. Without the wait of a launch all are over too soon.
#[test]
fn a_limit_of_one_is_enough_for_one_box_after_the_other() {
    const GOES: usize = 15;
    for actor in actors() {
        let doctor = || on_a_host(&["limit:1"], actor, &["doctor"]).run();
        assert!((0..GOES).any(|_| doctor().ending() == "exit 0"), "{}", doctor());
        let program = pinfold().to_str().unwrap();
        let script = format!(
            "run() {{ for go in $(seq {GOES}); do {program} run true && return; done; return 1; }}
             run && run && run && echo all"
        );
        let words = ["/bin/sh".to_owned(), "-c".into(), script];
        let said = nest(actor, &["limit:1".to_owned()], &words).dir(&project(actor)).run();
        assert_eq!(said.stdout_text(), "all\n", "{said}");
    }
}

/// As services with `ProtectKernelTunables=` and containers have it: what is advised is what helps.
#[test]
fn a_read_only_proc_sys_leaves_a_box_without_proc() {
    const STEPS: [&str; 2] = ["bind:/proc/sys:/proc/sys", "flags:/proc/sys:ro"];
    for actor in actors() {
        let document = told(|words| on_a_host(&STEPS, actor, words));
        assert_eq!(blocking(&document), ["proc-masked"]);
        let fixes = document["findings"][0]["fix"].to_string();
        assert!(fixes.contains("pinfold run --best-effort"), "{fixes}");
        let said = on_a_host(&STEPS, actor, &["run", "--best-effort", "echo", "it ran"]).run();
        assert_eq!((said.ending(), said.stdout_text()), ("exit 0".into(), "it ran\n".into()), "{said}");
        let told = "not enforced: namespaces: cannot limit the number of user namespaces: Read-only file system\n";
        assert!(said.stderr_text().contains(told), "{said}");
        // The filter refuses them all the same.
        let inside = on_a_host(&STEPS, actor, &["run", "--best-effort", "unshare", "-U", "true"]).run();
        assert_eq!(inside.ending(), "exit 1", "{inside}");
        let refused = on_a_host(&STEPS, actor, &["run", "echo", "it ran"]).run();
        assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
    }
}

#[test]
fn a_covered_proc_leaves_the_tier_without_it() {
    let place = ["/proc/acpi", "/proc/driver", "/proc/irq"].into_iter().find(|place| Path::new(place).is_dir());
    let Some(place) = place else { return skip("nothing below /proc that could be covered") };
    for actor in actors() {
        let document = told(|words| on_a_host(&[&format!("tmpfs:{place}")], actor, words));
        assert_eq!(blocking(&document), ["proc-masked"]);
        assert_eq!(document["facts"]["proc_covers"][0], place);
        assert_eq!(document["tiers"]["no_proc"], true);
    }
}

/// Makes the file `name` in the stage: a filter that lets everything through but `call`, which meets `action`.
fn make_filter(name: &str, call: &str, action: &str) {
    let (source, to) = (stage::stage().join(format!("{name}.json")), stage::stage().join(name));
    let rule = format!(r#"{{ "names": ["{call}"], {action} }}"#);
    fs::write(&source, format!(r#"{{ "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{rule}] }}"#)).unwrap();
    let mut compile = Command::new(pinfold());
    assert!(compile.args(["seccomp", "compile"]).arg(source).arg("-o").arg(to).status().unwrap().success());
}

#[test]
fn a_filter_around_it_is_told_apart() {
    let errno = |number: i32| format!(r#""action": "SCMP_ACT_ERRNO", "errnoRet": {number}"#);
    make_filter("no-setattr.bpf", "mount_setattr", &errno(libc::ENOSYS));
    make_filter("no-fsopen.bpf", "fsopen", &errno(libc::EPERM));
    make_filter("no-clone.bpf", "clone", &errno(libc::EPERM));
    make_filter("kill-pivot.bpf", "pivot_root", r#""action": "SCMP_ACT_KILL_PROCESS""#);
    for actor in actors() {
        let document = told(|words| under_filter("no-setattr.bpf", actor, words));
        assert_eq!(blocking(&document), ["calls-hidden"], "{document}");
        let document = told(|words| under_filter("no-fsopen.bpf", actor, words));
        assert_eq!(blocking(&document), ["seccomp-around"], "{document}");
        let document = told(|words| under_filter("kill-pivot.bpf", actor, words));
        assert_eq!((blocking(&document), &document["trials"]["pivot_root"]), (vec!["seccomp-around"], &(-1).into()));
        assert_eq!(document["facts"]["filtered"], true);
        assert!(document.to_string().contains("refuses pivot_root(2) (it kills whoever tries)"), "{document}");
    }
    // Without clone it cannot try anything, which is a finding too.
    let document = told(|words| under_filter("no-clone.bpf", Actor::User, words));
    assert_eq!(blocking(&document), ["seccomp-around"], "{document}");
    assert!(document["error"]["message"].as_str().unwrap().starts_with("cannot try anything here"), "{document}");
    assert!(document["trials"].as_object().unwrap().values().all(Value::is_null), "{document}");
}

/// However Landlock is missing, it is one wall, and what does without it is named.
#[test]
fn a_host_without_landlock_can_do_the_rest() {
    for (name, errno, wanted) in [
        ("landlock-enosys.bpf", libc::ENOSYS, "this kernel has no Landlock, or a filter around this program hides it"),
        ("landlock-off.bpf", libc::EOPNOTSUPP, "Landlock is off since boot"),
        ("landlock-eperm.bpf", libc::EPERM, "a filter around this program refuses Landlock"),
    ] {
        let action = format!(r#""action": "SCMP_ACT_ERRNO", "errnoRet": {errno}"#);
        make_filter(name, "landlock_create_ruleset", &action);
        for actor in actors() {
            let under = |words: &[&str]| under_filter(name, actor, words).run();
            let (text, json) = (under(&["doctor"]), under(&["doctor", "--json"]));
            assert_eq!((text.ending(), json.ending()), ("exit 1".into(), "exit 1".into()), "{text}");
            let document: Value = serde_json::from_str(&json.stdout_text()).unwrap();
            assert_eq!(blocking(&document), ["landlock-missing"], "{document}");
            let tiers = &document["tiers"];
            assert_eq!(
                (&tiers["full"], &tiers["no_proc"], &tiers["landlock_only"]),
                (&true.into(), &true.into(), &false.into())
            );
            let text = text.stdout_text();
            assert!(text.contains("FAIL landlock") && text.contains(wanted), "{text}");
            assert!(!text.contains("\\n") && !text.contains("no box of namespaces can be made"), "{text}");
            assert!(text.contains("pinfold run --landlock off") && text.contains("--best-effort"), "{text}");
            // And that is true.
            for (option, works) in [("--landlock=off", true), ("--best-effort", true), ("--new-session", false)] {
                assert_eq!(under(&["run", option, "true"]).ending() == "exit 0", works, "{option}");
            }
        }
    }
}

/// What is set up for the caller is no fact of the host, but it keeps every box from being made.
#[test]
fn a_configuration_that_cannot_be_read_is_a_finding() {
    use std::os::unix::fs::PermissionsExt;
    let place = support::Place::new("doctor-set-up", Actor::User);
    place.file("closed/.config/pinfold/profiles/x.profile", "profile base\n");
    let closed = place.home.join("closed");
    fs::set_permissions(closed.join(".config"), fs::Permissions::from_mode(0o000)).unwrap();
    let launch =
        |words: &[&str]| plainly(Actor::User, words).dir(&place.project).env("HOME", closed.to_str().unwrap()).run();
    let (text, json, real) = (launch(&["doctor"]), launch(&["doctor", "--json"]), launch(&["run", "true"]));
    fs::set_permissions(closed.join(".config"), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(real.ending(), "exit 125", "{real}");
    assert_eq!((text.ending(), json.ending()), ("exit 1".into(), "exit 1".into()), "{text}");
    let document: Value = serde_json::from_str(&json.stdout_text()).unwrap();
    assert_eq!((blocking(&document), &document["tiers"]["full"]), (vec!["set-up"], &true.into()), "{document}");
    assert_eq!(document["here"]["works_elsewhere"], false);
    let text = text.stdout_text();
    assert!(text.contains("FAIL set-up") && text.contains("Permission denied"), "{text}");
    assert!(text.contains("fix:  profiles are looked for in ") && text.contains("is HOME your home?"), "{text}");
    assert!(text.ends_with("`pinfold run true` would not work: see what is marked FAIL.\n"), "{text}");
}

/// The shipped profile refuses user namespaces, as the filters of container engines do.
#[test]
fn in_a_box_with_the_shipped_filter_it_is_the_filter() {
    let to = stage::stage().join("default.bpf");
    let mut compile = Command::new(pinfold());
    assert!(compile.args(["seccomp", "compile", "default", "-o"]).arg(to).status().unwrap().success());
    for actor in actors() {
        let document = told(|words| under_filter("default.bpf", actor, words));
        assert_eq!((&document["works"], blocking(&document)), (&false.into(), vec!["seccomp-around"]), "{document}");
        assert_eq!(document["tiers"]["landlock_only"], true, "{document}");
    }
}

#[test]
fn a_chroot_is_told_for_what_it_is() {
    let root = stage::stage().join("chroot");
    fs::create_dir_all(root.join("proc")).unwrap();
    executable::copy(pinfold(), &root.join("pinfold"));
    let script = r#"mount --rbind /proc "$0/proc" && exec chroot "$0" /pinfold "$@""#;
    let chrooted = |actor, words: &[&str]| {
        let start = ["-r", "-m", "sh", "-c", script, root.to_str().unwrap()];
        Launch::program(Path::new("unshare"), actor, &[&start, words].concat())
    };
    for actor in actors() {
        let document = told(|words| chrooted(actor, words));
        assert_eq!((blocking(&document), &document["facts"]["chroot"]), (vec!["chroot"], &true.into()), "{document}");
    }
}

/// Nothing is read or tried with privileges that the caller does not have.
#[test]
fn a_privileged_copy_refuses() {
    use std::os::unix::fs::PermissionsExt;
    if !Actor::Root.here() {
        return;
    }
    let copy = stage::stage().join("privileged");
    executable::copy(pinfold(), &copy);
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).unwrap();
    let said = Launch::program(&copy, Actor::User, &["doctor"]).run();
    assert_eq!((said.ending(), said.stdout_text()), ("exit 1".into(), String::new()));
    assert!(said.stderr_text().contains("Refusing to run with privileges"), "{said}");
}

/// The mounts of this machine and its processes are what they were.
#[test]
fn nothing_is_left_behind() {
    let copy = stage::stage().join("leaving");
    executable::copy(pinfold(), &copy);
    let running = || {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        processes.filter(|entry| fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == copy)).count()
    };
    for actor in actors() {
        let before = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let start = Instant::now();
        assert_eq!(Launch::program(&copy, actor, &["doctor"]).dir(&project(actor)).run().ending(), "exit 0");
        println!("{actor:?}: {:?}", start.elapsed());
        assert_eq!(running(), 0);
        assert_eq!(fs::read_to_string("/proc/self/mountinfo").unwrap(), before);
    }
}

#[test]
fn wrong_words_are_125_and_help_is_help() {
    for words in [&["doctor", "x"][..], &["doctor", "--jsn"], &["doctor", "--json=1"]] {
        let said = plainly(Actor::User, words).run();
        assert_eq!((said.ending(), said.stdout_text()), ("exit 125".into(), String::new()), "{said}");
        assert!(said.stderr_text().starts_with("pinfold doctor: "), "{said}");
    }
    assert!(plainly(Actor::User, &["doctor", "--help"]).run().done().starts_with("usage: pinfold doctor [--json]"));
}
