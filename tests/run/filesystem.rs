//! What is there, what can be written to, and that it ends where the box ends.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::support::{Actor, exchange};
use crate::{Place, actors};

/// Where there is no login session, scripts make it one in the home.
#[test]
fn a_runtime_directory_in_the_home_is_there() {
    let place = Place::new("runtime-in-home", Actor::User);
    let runtime = place.file(".cache/run/secret", "secret").parent().unwrap().to_owned();
    let script = "stat -c %a $XDG_RUNTIME_DIR; ls -A $XDG_RUNTIME_DIR; touch $XDG_RUNTIME_DIR/own && echo made";
    for options in ["", "--profile desktop"] {
        let launch = place.sh(options, script).env("XDG_RUNTIME_DIR", runtime.to_str().unwrap());
        assert_eq!(launch.run().done(), "700\nmade\n", "{options}");
    }
    assert!(!runtime.join("own").exists());
}

#[test]
fn the_system_is_read_only_and_the_rest_is_empty() {
    for actor in actors() {
        let place = Place::new("system", actor);
        place.file("secret", "secret\n");
        place.file(".ssh/id_ed25519", "secret\n");
        for dir in ["/", "/usr", "/etc", "/usr/bin", "/etc/ssl", "/home", "/run", "/var", "/proc/sys/kernel"] {
            let script = format!("if (echo x > {dir}/canary) 2>/dev/null; then echo written; else echo kept; fi");
            assert_eq!(place.sh("", &script).run().stdout_text(), "kept\n", "{dir}");
        }
        let said = place.sh("", "cd; pwd; ls -A; ls -A /tmp /var/tmp $XDG_RUNTIME_DIR; ls /").run().done();
        let home = place.home.display();
        // The way to the home of these tests.
        let stage = place.home.parent().unwrap().file_name().unwrap().to_string_lossy();
        let (start, root) = said.split_once("\nbin\n").unwrap_or_else(|| panic!("{said}"));
        let uid = actor.uid();
        assert_eq!(start, format!("{home}\nproject\n/run/user/{uid}:\n\n/tmp:\n\n/var/tmp:\n{stage}"), "{said}");
        assert!(!root.contains("root\n") && !root.contains("opt\n") && !root.contains("sys\n"), "{said}");
    }
}

#[test]
fn home_and_tmp_are_its_own_and_gone_afterwards() {
    let place = Place::new("own", Actor::User);
    let script = "echo x > ~/canary && echo x > /tmp/canary-of-run && echo x > /dev/shm/canary-of-run && mkdir ~/.config && cat ~/canary";
    assert_eq!(place.sh("", script).run().done(), "x\n");
    let left: Vec<_> = fs::read_dir(&place.home).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["project"]);
    assert!(!fs::exists("/tmp/canary-of-run").unwrap() && !fs::exists("/dev/shm/canary-of-run").unwrap());
}

#[test]
fn directories_in_memory_share_one_filesystem_and_nothing_else() {
    for actor in actors() {
        let place = Place::new("memory", actor);
        let device = "stat -c %d / /tmp /var/tmp $XDG_RUNTIME_DIR /dev /dev/shm | sort -u | wc -l; stat -c %d /sized /usr/.. | sort -u | wc -l";
        assert_eq!(place.sh("--tmpfs /sized:1M", device).run().done(), "1\n2\n");
        let modes = "stat -c '%a %A' /tmp /var/tmp $XDG_RUNTIME_DIR /dev /t | cut -d' ' -f1 | paste -sd' '";
        assert_eq!(place.sh("--tmpfs /t:mode=750", modes).run().done(), "1777 1777 700 755 750\n");
        // One is not a way into another, or to the root below them.
        let script = "echo x > /tmp/x; ls -A /var/tmp/x /dev/shm 2>&1 | head -1; ln /tmp/x /dev/shm/y 2>&1 | grep -o 'cross-device' ; \
                      for dir in / /var /run /run/user /tmp/..; do (: > $dir/canary) 2>/dev/null && echo $dir; done; ls -ld /tmp/../tmp/x | wc -l";
        let said = place.sh("", script).run().done();
        assert!(said.contains("No such file") && said.ends_with("cross-device\n1\n"), "{said}");
    }
}

#[test]
fn a_directory_in_memory_is_empty_whatever_was_at_its_place() {
    let place = Place::new("memory-over", Actor::User);
    place.file("one", "one\n");
    let data = place.home.join("one");
    let data = data.display();
    // Made by an option before it, by a mount before it, below another one, and over the root.
    let cases = [
        (format!("--file {data}:/t/one --tmpfs /t"), "ls -A /t; touch /t/new && ls -A /t", "new\n"),
        (
            format!("--ro /usr:/t --tmpfs /t/share --file {data}:/t/share/x"),
            "ls -A /t/share; touch /t/share/y && ls -A /t/share",
            "x\nx\ny\n",
        ),
        (
            "--tmpfs /t --tmpfs /t/a --tmpfs /t/a/b --tmpfs /t/a".into(),
            "ls -A /t /t/a; touch /t/x /t/a/x && echo kept",
            "/t:\na\n\n/t/a:\nkept\n",
        ),
        ("--symlink /t:/l --tmpfs /t --tmpfs /l/deep".into(), "touch /t/deep/x && ls -A /l/deep", "x\n"),
    ];
    for (options, script, wanted) in cases {
        assert_eq!(place.sh(&options, script).run().done(), wanted, "{options}");
    }
}

#[test]
fn the_current_directory_is_writable_at_its_own_path() {
    for actor in actors() {
        let place = Place::new("cwd", actor);
        let said = place.sh("", "pwd; echo new > file; mkdir -p a/b; mv file a/b/; cat a/b/file").run().done();
        assert_eq!(said, format!("{}\nnew\n", place.project.display()));
        assert_eq!(fs::read_to_string(place.project.join("a/b/file")).unwrap(), "new\n");
    }
}

#[test]
fn directories_that_are_too_much_are_refused_with_a_reason() {
    for actor in actors() {
        let place = Place::new("too-much", actor);
        let above = place.home.parent().unwrap().to_owned();
        for dir in ["/".into(), "/usr".into(), "/etc".into(), "/tmp".into(), "/var".into(), place.home.clone(), above] {
            let outcome = place.sh("", "echo it ran").dir(&dir).run();
            assert_eq!(outcome.ending(), "exit 125", "{}: {outcome}", dir.display());
            assert!(outcome.stdout.is_empty(), "{outcome}");
            let text = outcome.stderr_text();
            assert!(text.contains(dir.to_str().unwrap()) && text.contains("hint: "), "{text}");
        }
    }
}

#[test]
fn binds_files_links_and_overlays_do_what_they_say() {
    for actor in actors() {
        let place = Place::new("options", actor);
        place.file("data/one", "one\n");
        place.file("data/two:x", "two\n");
        let data = place.home.join("data");
        let (data, project) = (data.display(), place.project.display());
        for (options, script, said) in [
            (format!("--ro {data}"), format!("cat {data}/one; touch {data}/new || echo no"), "one\nno\n"),
            (format!("--ro {data}:/d"), "cat /d/one; ls -A ~".into(), "one\nproject\n"),
            (format!("--ro {data}/two\\:x:/d"), "cat /d".into(), "two\n"),
            (format!("--rw {data}/one:/d"), "echo more >> /d; cat /d".into(), "one\nmore\n"),
            ("--ro-try /no/such --rw-try /no/such --dev-try /no/such --overlay-try /no/such".into(), "ls /no".into(), ""),
            (format!("--overlay {data}"), format!("echo x > {data}/new; rm {data}/one; ls {data}"), "new\ntwo:x\n"),
            (format!("--tmpfs /t:64K,mode=700 --file {data}/two\\:x:/t/copy"), "stat -c %a /t /t/copy; cat /t/copy; echo x > /t/copy; dd if=/dev/zero of=/t/big bs=1k count=128 2>/dev/null || echo full".into(), "700\n644\ntwo\nfull\n"),
            ("--symlink /usr/bin:/links/bin".into(), "readlink /links/bin".into(), "/usr/bin\n"),
            ("--ro ../data:/rel".into(), "cat /rel/one".into(), "one\nmore\n"),
            (format!("--workdir {project}/.. --rw {data}"), "pwd; ls".into(), "HOME\ndata\nproject\n"),
        ] {
            let outcome = place.sh(&options, &format!("exec 2>/dev/null; {script}; true")).run();
            let wanted = said.replace("HOME", place.home.to_str().unwrap());
            assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 0".into(), wanted), "{options}: {outcome}");
        }
        let mut left: Vec<_> =
            fs::read_dir(place.home.join("data")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["one", "two:x"], "an overlay reached the host");
    }
}

/// CVE-2026-87766's neighbours: a link that lies in the directory which the box can write to leads nowhere else.
#[test]
fn a_link_in_the_project_leads_no_mount_to_the_host() {
    let place = Place::new("links", Actor::User);
    place.file("victim/kept", "kept\n");
    std::os::unix::fs::symlink(place.home.join("victim"), place.project.join("d")).unwrap();
    let project = place.project.display();
    let victim =
        || fs::read_dir(place.home.join("victim")).unwrap().map(|entry| entry.unwrap().file_name()).collect::<Vec<_>>();
    for options in [
        format!("--tmpfs {project}/d/x"),
        format!("--symlink a:{project}/d/x"),
        format!("--file /etc/passwd:{project}/d/x"),
    ] {
        let _refused_or_inside = place.sh(&options, "true").run();
        assert_eq!(victim(), ["kept"], "{options}");
    }
}

/// What was asked for must not stay on the host: no directory, file or link that a mount needs, and no copy.
#[test]
fn nothing_is_made_on_the_host() {
    for actor in actors() {
        let place = Place::new("footprint", actor);
        place.file("data/one", "one\n");
        place.file("project/mine", "mine\n");
        let data = place.home.join("data/one");
        let (data, project) = (data.display(), place.project.display());
        let options = [
            format!("--tmpfs {project}/new"),
            "--tmpfs new/deep".into(),
            format!("--ro {data}:{project}/new"),
            format!("--rw {data}:new"),
            "--symlink a:new".into(),
            format!("--file {data}:new"),
            format!("--file {data}:mine"),
            format!("--rw {project}/mine:/own --file {data}:/own"),
            "--overlay /usr:new".into(),
        ];
        for options in options {
            let outcome = place.sh(&options, "echo it ran").run();
            assert_eq!(
                (outcome.ending(), outcome.stdout_text()),
                ("exit 125".into(), String::new()),
                "{options}: {outcome}"
            );
            assert!(
                outcome.stderr_text().contains("on the host") && outcome.stderr_text().contains("hint: "),
                "{outcome}"
            );
        }
        assert_eq!(fs::read_to_string(place.project.join("mine")).unwrap(), "mine\n");
        assert_eq!(fs::read_dir(&place.project).unwrap().count(), 1);
        // A place that exists, or that is the sandbox's own, is all right; a source that is missing needs none.
        let options = format!("--ro {data}:mine --tmpfs /u --file {data}:/u/x --ro-try /no/such:new");
        assert_eq!(place.sh(&options, "cat mine /u/x").run().done(), "one\none\n");
    }
}

/// Root of the box is root of the host to the files in procfs, whatever it lacks of capabilities.
#[test]
fn the_settings_of_the_kernel_are_read_only() {
    for actor in actors() {
        let place = Place::new("kernel", actor);
        for options in ["", "--profile offline-tool", "--share pid", "--uid 0 --gid 0", "--net host"] {
            let script = "for f in /proc/sys/kernel/core_pattern /proc/sys/vm/swappiness /proc/sysrq-trigger; do \
                          [ -w $f ] && echo $f; done; true";
            assert_eq!(place.sh(options, script).run().done(), "", "{actor:?} {options}");
        }
    }
}

/// `--rw ./out` is said again and again in one project, and a program that works there could have exchanged `out`.
#[test]
fn a_link_that_a_box_may_have_left_is_not_followed_out_of_the_project() {
    let place = Place::new("planted-link", Actor::User);
    let secret = place.file(".ssh/id", "secret");
    place.file("project/inside/data", "inside");
    place.file("lists/own.profile", "profile base\nro ~/project/out/id:/shown\n");
    place
        .sh("", "ln -s ../.ssh out; ln -s inside near; ln -s out/id file; mkdir sub; ln -s ../../.ssh sub/deep")
        .run()
        .done();
    let secret = secret.display();
    let profile = format!("--profile {}/lists/own.profile", place.home.display());
    for options in [
        "--rw ./out",
        "--ro out",
        "--rw-try ./out:/shown",
        "--ro out/id:/shown",
        "--ro ./near/../out/id:/shown",
        "--ro sub/deep/id:/shown",
        "--file ./file:/tmp/shown",
        "--overlay ./out:/shown",
        "--profile base --rw ./out:/shown",
        &profile,
    ] {
        let outcome = place.sh(options, &format!("cat {secret} /shown /shown/id /tmp/shown")).run();
        assert_eq!(
            (outcome.ending(), outcome.stdout_text()),
            ("exit 125".into(), String::new()),
            "{options}: {outcome}"
        );
        let said = outcome.stderr_text();
        assert!(said.contains("lies where a sandbox can write") && said.contains("/.ssh"), "{options}: {said}");
    }
    // One that stays in there, and one that lies elsewhere.
    assert_eq!(place.run("--ro ./near:/shown", &["cat", "/shown/data"]).run().done(), "inside");
    std::os::unix::fs::symlink(".ssh", place.home.join("own")).unwrap();
    let own = format!("--ro {}/own:/shown", place.home.display());
    assert_eq!(place.run(&own, &["cat", "/shown/id"]).run().done(), "secret");
    // Below the home there are links of the user's own, and no workspace.
    let words = ["run", "--profile", "base", "--ro", "own:/shown", "cat", "/shown/id"];
    assert_eq!(place.pinfold(&words).dir(&place.home).run().done(), "secret");
    // What this box writes to is another such place.
    let shared = place.file("shared/data", "d").parent().unwrap().to_owned();
    std::os::unix::fs::symlink("../.ssh", shared.join("link")).unwrap();
    let both = format!("--rw {0} --ro {0}/link:/shown", shared.display());
    assert_eq!(place.run(&both, &["cat", "/shown/id"]).run().ending(), "exit 125");
    // Whatever the order of words, what such a link leads to does not vouch for it: not even the directory above.
    let above = place.file("top/secret", "secret").parent().unwrap().to_owned();
    let shared = place.file("top/shared/data", "d").parent().unwrap().to_owned();
    for target in ["..", "../../top", "../../.ssh"] {
        let link = shared.join("sub");
        let _is_first = std::fs::remove_file(&link).is_err();
        std::os::unix::fs::symlink(target, &link).unwrap();
        for [first, second] in [[&link, &shared], [&shared, &link], [&link, &link]] {
            let options = format!("--rw {} --rw {}", first.display(), second.display());
            let outcome =
                place.sh(&options, &format!("cat {0}/secret; touch {0}/planted; true", above.display())).run();
            let is_named_alone = first == second && target == "../../.ssh";
            let wanted = if is_named_alone { "exit 0" } else { "exit 125" };
            assert_eq!(outcome.ending(), wanted, "{target} {options}: {outcome}");
            assert!(is_named_alone || outcome.stderr_text().contains("lies where a sandbox can write"), "{outcome}");
            assert!(!above.join("planted").exists() && !outcome.stdout_text().contains("secret"), "{outcome}");
        }
    }
}

/// A box that runs at the same time exchanges a directory with a link again and again: at no time between the look at
/// the path and the mount does that lead anywhere else.
#[test]
fn a_source_that_is_exchanged_during_set_up_wins_nothing() {
    const BOXES: u32 = 40;
    let place = Place::new("exchanged-source", Actor::User);
    let secret = place.file(".ssh/secret", "secret").parent().unwrap().to_owned();
    let sub = place.file("project/sub/flip/secret", "own").parent().unwrap().parent().unwrap().to_owned();
    std::os::unix::fs::symlink("../../.ssh", sub.join("link")).unwrap();
    let script = "cat /tmp/z/secret /tmp/z 2>/dev/null; touch /tmp/z/planted 2>/dev/null; true";
    let (stop, count) = (AtomicBool::new(false), AtomicU32::new(0));
    let go_on = || {
        while !stop.load(Ordering::Relaxed) {
            let (dir, link) = (sub.join("flip"), sub.join("link"));
            exchange(&dir, &link);
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    let mut shown = 0;
    std::thread::scope(|scope| {
        let racer = scope.spawn(go_on);
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for options in [
                "--rw sub/flip:/tmp/z",
                "--file sub/flip/secret:/tmp/z",
                "--overlay sub/flip:/tmp/z",
                "--rw sub/flip/../flip:/tmp/z",
            ] {
                for number in 0..BOXES {
                    let outcome = place.sh(options, script).run();
                    let said = outcome.stdout_text();
                    assert!(said.is_empty() || said == "own", "{options}, box {number}: {outcome}");
                    assert!(["exit 0", "exit 125"].contains(&&*outcome.ending()), "{options}: {outcome}");
                    shown += u32::from(said == "own");
                    let names = std::fs::read_dir(&secret).unwrap().count();
                    assert_eq!(names, 1, "{options}, box {number} wrote outside of the project");
                }
            }
        }));
        stop.store(true, Ordering::Relaxed);
        racer.join().expect("the racer");
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert!(count.load(Ordering::Relaxed) > BOXES, "the racer did not run");
    assert!(shown > 0, "every box was refused");
}
