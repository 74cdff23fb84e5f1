//! Profiles: good ones, wrong ones and hostile ones; and the plan in print.

use std::fs;

use crate::support::Actor;
use crate::{Place, actors};

#[test]
fn a_profile_is_found_by_name_or_file_and_builds_on_others() {
    for actor in actors() {
        let place = Place::new("found", actor);
        place.file(".config/pinfold/profiles/mine.profile", "# Mine.\nprofile workspace\nenv MINE=1\n");
        place.file("odd name", "profile mine\nenv ODD=a \\# b\n");
        let names = |options: &[&str]| {
            let words = [&["run"], options, &["--", "env"]].concat();
            place.pinfold(&words).run().done()
        };
        assert!(names(&["--profile", "mine"]).contains("MINE=1\n"));
        let said = names(&["--profile", "../odd name"]);
        assert!(said.contains("MINE=1\n") && said.contains("ODD=a # b\n"), "{said}");
        let list = place.pinfold(&["profile", "list"]).run().done();
        assert!(list.starts_with("mine          Mine. ["), "{list}");
        for name in ["workspace", "base", "build", "offline-tool", "desktop", "none"] {
            assert!(list.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {list}");
            assert_eq!(place.pinfold(&["profile", "check", name]).run().done(), "", "{name}");
        }
        let shown = place.pinfold(&["profile", "show", "mine"]).run().done();
        assert_eq!(shown, "# Mine.\nprofile workspace\nenv MINE=1\n");
    }
}

/// firejail looked into the current directory first, where a program inside could plant a profile for the next start.
#[test]
fn no_profile_is_taken_from_a_place_that_the_program_can_write_to() {
    let place = Place::new("planted", Actor::User);
    place.file("project/workspace.profile", "env PLANTED=1\n");
    place.file("project/mine.profile", "env PLANTED=1\n");
    assert!(!place.sh("", "env").run().done().contains("PLANTED"));
    assert_eq!(place.sh("--profile mine", "env").run().ending(), "exit 125");
    // A file in the project is read once, by name; a box that can write to it is refused.
    let refused = place.sh("--profile ./mine.profile --workspace", "echo it ran").run();
    assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
    // So is one that finds its rules through a link which the program can exchange.
    place.file("weak.profile", "profile workspace\n");
    place.file("weak.json", "{\"defaultAction\": \"SCMP_ACT_ALLOW\"}");
    place
        .sh("", "mkdir sub; ln -s ../../weak.json sub/link.json; ln -s ../weak.profile link.profile; ln -s .. up")
        .run()
        .done();
    for options in [
        "--seccomp ./sub/link.json",
        "--seccomp ./up/weak.json",
        "--profile ./link.profile",
        "--profile ./up/weak.profile",
    ] {
        let refused = place.sh(options, "echo it ran").run();
        assert_eq!(
            (refused.ending(), refused.stdout_text()),
            ("exit 125".into(), String::new()),
            "{options}: {refused}"
        );
        let why = if options.contains("link.profile") { "it is a link, and lies in " } else { "reads its rules from" };
        assert!(refused.stderr_text().contains(why), "{options}: {refused}");
        assert_eq!(
            place
                .sh(
                    &options.replace("./sub/link", "../weak").replace("./link", "../weak").replace("./up", ".."),
                    "echo it ran"
                )
                .run()
                .done(),
            "it ran\n"
        );
    }
    for options in [".config", ".config/pinfold", ".config/pinfold/profiles"] {
        fs::create_dir_all(place.home.join(options)).unwrap();
        let refused = place.sh(&format!("--rw {}", place.home.join(options).display()), "echo it ran").run();
        assert_eq!(
            (refused.ending(), refused.stdout_text()),
            ("exit 125".into(), String::new()),
            "{options}: {refused}"
        );
        assert!(refused.stderr_text().contains("reads its rules from"), "{refused}");
    }
}

/// A link that leads into nothing: what the program makes there is found through it.
#[test]
fn a_place_for_profiles_is_where_its_links_lead_to_whether_it_exists_or_not() {
    let place = Place::new("dangling", Actor::User);
    std::os::unix::fs::symlink("project/./missing/../options", place.home.join(".config")).unwrap();
    // Not as a workspace, where git's configuration, which would lie there too, is looked for before.
    let refused = place.sh(&format!("--profile base --rw {}", place.project.display()), "echo it ran").run();
    assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
    assert!(refused.stderr_text().contains("project/options/pinfold/profiles"), "{refused}");
}

#[test]
fn a_wrong_line_is_named() {
    let place = Place::new("wrong", Actor::User);
    for (line, wanted) in [
        ("rо /usr", "unknown option"),
        ("ro usr", "begins with /"),
        ("tmpfs", "takes a value"),
        ("profile /no/such/file.profile", "there is no such file"),
        ("workspace now", "takes no value"),
        ("env FOO = bar", "the name of a variable has no blanks in it"),
        ("ro /a/../../etc/shadow", "no `..`"),
    ] {
        let file = place.file("wrong.profile", &format!("profile workspace\n\n{line}\n"));
        for words in
            [vec!["run", "--profile", file.to_str().unwrap(), "true"], vec!["profile", "check", file.to_str().unwrap()]]
        {
            let outcome = place.pinfold(&words).run();
            assert_eq!(outcome.ending(), "exit 125", "{line}");
            assert!(outcome.stderr_text().contains(&format!("wrong.profile:3: {line}")), "{line}: {outcome}");
            assert!(outcome.stderr_text().contains(wanted), "{line}: {outcome}");
        }
    }
}

#[test]
fn what_is_probably_not_meant_is_said() {
    let place = Place::new("lint", Actor::User);
    let file = place.file(
        "odd.profile",
        "profile base\nro-try /etc/hostname\ntmpfs /etc\ndeny /no/such\ntcp-connect 80\nro-try /no/such:/etc\n",
    );
    place.file("script", "#!/opt/no/such/interpreter\n");
    let script = place.home.join("script");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let outcome = place.pinfold(&["profile", "check", file.to_str().unwrap()]).run();
    assert_eq!(outcome.ending(), "exit 1");
    let said = outcome.stdout_text();
    for wanted in [
        "odd.profile:2: ro-try /etc/hostname: hidden by a later one: tmpfs on /etc",
        "odd.profile:4: deny /no/such: nothing is there, inside or outside",
        "odd.profile:5: tcp-connect 80: no run can start: there is no network",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let hides = "odd.profile:3: tmpfs /etc: hides base:";
    assert!(said.contains(hides) && !said.lines().any(|line| line.starts_with("base:")), "{said}");
    let quiet = place.pinfold(&["profile", "check", "-q", file.to_str().unwrap()]).run();
    assert_eq!((quiet.ending(), quiet.stdout_text()), ("exit 1".into(), String::new()));
    for (profile, command, wanted) in [
        ("none", "/bin/sh", "program /bin/sh is not visible inside"),
        ("base", "no-such-program", "program no-such-program is not visible inside"),
        ("base", script.to_str().unwrap(), "is not visible inside"),
    ] {
        let outcome = place.pinfold(&["profile", "check", profile, "--", command]).run();
        assert_eq!(outcome.ending(), "exit 1", "{command}");
        assert!(outcome.stdout_text().contains(wanted), "{command}: {outcome}");
    }
    let tool = place.file("tool.profile", &format!("profile base\nro {}\n", script.display()));
    let outcome = place.pinfold(&["profile", "check", tool.to_str().unwrap(), script.to_str().unwrap()]).run();
    assert!(outcome.stdout_text().starts_with("interpreter /opt/no/such/interpreter, which"), "{outcome}");
    assert_eq!(place.pinfold(&["profile", "check", "base", "sh"]).run().done(), "");
}

#[test]
fn two_profiles_are_compared_with_all_that_they_build_on() {
    let place = Place::new("diff", Actor::User);
    let one = place.file("one", "profile base\nro /one\nenv A\n");
    let two = place.file("two", "profile base\nenv A\nro /two\n");
    let diff = |old: &str, new: &str| place.pinfold(&["profile", "diff", old, new]).run();
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    assert_eq!(diff(one, two).stdout_text(), "- ro /one\n+ ro /two\n");
    assert_eq!(diff(one, two).ending(), "exit 1");
    assert_eq!(diff(one, one).done(), "");
    let three = place.file("three", "profile base\nenv A\nro /one\n");
    assert_eq!(diff(one, three.to_str().unwrap()).stdout_text(), "the same options in another order\n");
}

/// A dry run says what would hold, and runs nothing.
#[test]
fn the_plan_is_printed_and_nothing_runs() {
    let place = Place::new("dry-run", Actor::User);
    let text = place.sh("--dry-run --deny /etc/hosts --env A=1", "touch ran").run().done();
    for wanted in [
        "namespaces    user mount pid ipc uts cgroup net\n",
        "  [base:4: ro-try /usr]\n",
        "mounts        deny /etc/hosts  [--deny /etc/hosts]\n",
        "capabilities  none\n",
        "descriptors   0 1 2\n",
        "environment   A=1\n",
        "program       sh -c 'touch ran'\n",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    let json = place.sh("--dry-run=json", "touch ran").run().done();
    assert!(json.starts_with("{\n") && json.contains("\"namespaces\": ["), "{json}");
    // What is not there, or is a link to what is not there, is not shown as if it were.
    let there = place.file("there", "");
    std::os::unix::fs::symlink("/no/such", place.home.join("astray")).unwrap();
    let options = "--ro-try /no/such --ro-try ../there --rw-try ../astray --dry-run";
    let text = place.sh(options, "a b 'c").run().done();
    for wanted in [
        "skipped       bind /no/such (read-only): it does not exist  [--ro-try /no/such]\n",
        &format!("mounts        bind ../there on {} (read-only)  [--ro-try ../there]\n", there.display()),
        "  [--rw-try ../astray]\n",
        "program       sh -c 'a b '\\''c'\n",
    ] {
        assert!(text.contains(wanted), "{wanted}: {text}");
    }
    assert!(text.lines().any(|line| line.starts_with("skipped") && line.ends_with("astray]")), "{text}");
    let json = place.sh(&format!("{options}=json"), "true").run().done();
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    let skipped: Vec<(&str, bool)> = plan["mounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|mount| mount["from"].as_str().is_some_and(|from| from.starts_with("--r") && from.contains("-try")))
        .map(|mount| (mount["from"].as_str().unwrap(), mount["skipped"].as_bool().unwrap()))
        .collect();
    let wanted = [("--ro-try /no/such", true), ("--ro-try ../there", false), ("--rw-try ../astray", true)];
    assert_eq!(skipped, wanted);
    let verbose = place.sh("-v", "echo it ran").run();
    assert_eq!(verbose.done(), "it ran\n");
    assert!(verbose.stderr_text().starts_with("namespaces    user mount"), "{verbose}");
    assert!(!place.project.join("ran").exists());
}

/// The line that is printed does the same, with bubblewrap.
#[test]
fn the_line_for_bubblewrap_works() {
    let place = Place::new("print-bwrap", Actor::User);
    let line = place.sh("--print-bwrap --seccomp off", "echo inside; id -u; ls -A ~; touch made").run();
    let text = line.done();
    assert!(line.stderr_text().contains("Landlock"), "{line}");
    let program = crate::support::tool().path().display().to_string();
    let script = text.replacen("bwrap", &program, 1);
    let said = crate::support::Launch::program(std::path::Path::new("/bin/sh"), Actor::User, &["-c", &script]);
    let said = said.dir(&place.project).run().done();
    let uid = Actor::User.ids().map_or(nix::unistd::getuid().as_raw(), |(uid, _)| uid);
    assert_eq!(said, format!("inside\n{uid}\nproject\n"));
    assert!(place.project.join("made").exists());
}

/// Lines that do nothing, or that end every run.
#[test]
fn a_line_that_cannot_count_is_said_with_its_place() {
    let place = Place::new("idle", Actor::User);
    let base = place.file("base.profile", "profile base\nhostname one\nenv A=1\nnet none\n");
    let base = format!("profile {}\n", base.display());
    for (lines, wanted) in [
        ("tmpfs /x\ndeny /x/**/.env", "3: deny /x/**/.env: can never match: nothing is there inside\n"),
        ("deny /x/*\ntmpfs /x", "2: deny /x/*: can never match: nothing is there inside\n"),
        ("workspace\ntmpfs /x\ndeny /x/y/*", "4: deny /x/y/*: can never match: nothing is there inside\n"),
        // That may be in the workspace, or is what was put there.
        ("tmpfs /x\nworkspace\ndeny /x/*", ""),
        ("tmpfs /x\nfile /etc/hosts:/x/hosts\ndeny /x/*", ""),
        ("deny /usr/lib/*", ""),
        (
            "syscall-allow mount,sync\nsyscall-deny sync",
            "2: syscall-allow mount,sync: line 3 refuses the same, and is stronger\n",
        ),
        ("hostname a\nhostname b", "2: hostname a: never counts: line 3 says something else\n"),
        ("seccomp strict\nseccomp build", "2: seccomp strict: never counts: line 3 says something else\n"),
        ("net host\nnet=none", "2: net host: never counts: line 3 says something else\n"),
        ("workdir /usr\nworkdir /tmp", "2: workdir /usr: never counts: line 3 says something else\n"),
        ("uid 1\nuid 2", "2: uid 1: never counts: line 3 says something else\n"),
        ("env B=1\n--env=B=2", "2: env B=1: never counts: line 3 says something else\n"),
        ("env B\nenv B=2", "2: env B: never counts: line 3 says something else\n"),
        // A value of last resort, and what a profile says instead of one that it builds on.
        ("env B=2\nenv B", ""),
        ("hostname two\nenv A=2\nnet host", ""),
        ("workdir /nowhere", "2: workdir /nowhere: no run can start: the directory is not there inside\n"),
        ("workspace\nworkdir /nowhere", "3: workdir /nowhere: no run can start: the directory is not there inside\n"),
        ("workdir /usr/bin", ""),
        (
            "rw /no/such:/y",
            "2: rw /no/such:/y: no run can start: it does not exist on the host (the -try form skips it then)\n",
        ),
        ("tmpfs /x\nfile /no/such:/x/y", "3: file /no/such:/x/y: no run can start: it does not exist on the host\n"),
        (
            "tcp-bind 80",
            "2: tcp-bind 80: no run can start: there is no network but a loopback device of the sandbox's own\n",
        ),
    ] {
        let file = place.file("idle.profile", &format!("{base}{lines}\n"));
        let outcome = place.pinfold(&["profile", "check", file.to_str().unwrap()]).run();
        let wanted = if wanted.is_empty() { String::new() } else { format!("{}:{wanted}", file.display()) };
        let ending = if wanted.is_empty() { "exit 0" } else { "exit 1" };
        assert_eq!((outcome.stdout_text(), outcome.ending()), (wanted, ending.into()), "{lines}: {outcome}");
    }
}

#[test]
fn a_program_that_nobody_can_execute_is_told_from_one_that_is_not_there() {
    let place = Place::new("no-exec", Actor::User);
    let script = place.file("project/net.py", "#!/opt/no/such\n");
    let check = |word: &str| place.pinfold(&["profile", "check", "workspace", word]).run().stdout_text();
    assert_eq!(check("./net.py"), format!("program {} is not executable\n", script.display()));
    assert_eq!(check("./nut.py"), "program ./nut.py is not visible inside, or not in its PATH\n");
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let wanted = format!("interpreter /opt/no/such, which {} needs, is not visible inside\n", script.display());
    assert_eq!(check("./net.py"), wanted);
    // An interpreter that nobody writes to is not waited for.
    let fifo = place.project.join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o755)).unwrap();
    fs::write(&script, format!("#!{}\n", fifo.display())).unwrap();
    assert_eq!(check("./net.py"), "");
    // The carriage return is a part of the name.
    fs::write(&script, "#!/bin/sh\r\n").unwrap();
    assert!(check("./net.py").starts_with("interpreter /bin/sh\\r, which "), "{}", check("./net.py"));
    fs::write(&script, "#! \t/bin/sh -e\n").unwrap();
    assert_eq!(check("./net.py"), "");
    assert_eq!(check(""), "the command is an empty word\n");
    // A program header that begins where no file ends.
    let own = fs::read("/proc/self/exe").unwrap();
    let mut header = [&own[..20], &[0; 44]].concat();
    header[0x20..0x28].fill(0xff);
    header[0x36] = 56;
    header[0x38] = 1;
    fs::write(&script, &header).unwrap();
    assert_eq!(check("./net.py"), "");
    // 42 is SuperH, which pinfold is not built for. Where an emulator is registered, it may run.
    header[18..20].copy_from_slice(&42_u16.to_ne_bytes());
    fs::write(&script, header).unwrap();
    let entries = fs::read_dir("/proc/sys/fs/binfmt_misc").map_or(0, Iterator::count);
    assert_eq!(check("./net.py").contains("for another kind of processor"), entries <= 2);
}

/// What can only be told once everything is read is told by the line that it is about too, by a run as by a check.
#[test]
fn what_is_found_after_reading_names_its_line() {
    let place = Place::new("late", Actor::User);
    place.file("project/here.json", "{}");
    for (lines, wanted) in [
        (
            "hostname box\nshare ipc,uts",
            "late.profile:2: hostname box: this takes a UTS namespace of its own, which is not made by {}:3: share ipc,uts\n",
        ),
        (
            "share uts\nhostname box\nshare net",
            "late.profile:3: hostname box: this takes a UTS namespace of its own, which is not made by {}:2: share uts\n",
        ),
        (
            "landlock only\nhostname box\nshare ipc",
            "late.profile:3: hostname box: this takes a UTS namespace of its own, which is not made by {}:2: landlock only\n",
        ),
        (
            "cap-add CAP_NET_ADMN\ncap-add CAP_CHOWN",
            "late.profile:2: cap-add CAP_NET_ADMN: unknown capability\nhint: did you mean CAP_NET_ADMIN?\n",
        ),
        ("syscall-deny ptrace,nosuchcall\nsyscall-deny mount", "late.profile:2: syscall-deny ptrace,nosuchcall: "),
        (
            "syscall-deny ptrace,sync\nsyscall-deny mont\nsyscall-deny mount",
            "late.profile:3: syscall-deny mont: unknown system call \"mont\", did you mean mount?\n",
        ),
        ("syscall-allow @ptrase\nsyscall-allow sync", "late.profile:2: syscall-allow @ptrase: "),
        ("syscall-deny sync\nsyscall-deny execve\nsyscall-deny syncfs", "late.profile:3: syscall-deny execve: "),
        (
            "seccomp defualt\nenv A=1",
            "late.profile:2: seccomp defualt: no seccomp profile is called \"defualt\", did you mean default?\n",
        ),
        (
            "seccomp /no/such.json",
            "late.profile:2: seccomp /no/such.json: cannot read the seccomp profile /no/such.json: No such file or directory\n",
        ),
        ("seccomp ${HOME}/broken.json", "late.profile:2: seccomp ${HOME}/broken.json: "),
        (
            "seccomp here.json",
            "hint: a file is written with its directory: ./here.json (in a profile: with its whole path); it is refused \
             where the program could write to it, as in the workspace: keep it elsewhere, such as below ~/.config/pinfold\n",
        ),
        (
            "profile here.json",
            "late.profile:2: profile here.json: no profile has this name\nhint: a file is written with its directory: ./here.json",
        ),
        ("deny /usr/[", "late.profile:2: deny /usr/[: "),
        ("rw ~", "late.profile:2: rw ~: the program could write to "),
    ] {
        place.file("broken.json", "{");
        let file = place.file("late.profile", &format!("profile base\n{lines}\n"));
        let file = file.to_str().unwrap();
        let run = place.pinfold(&["run", "--profile", file, "echo", "it ran"]).run();
        let check = place.pinfold(&["profile", "check", file]).run();
        for outcome in [&run, &check] {
            assert_eq!(
                (outcome.ending(), outcome.stdout_text()),
                ("exit 125".into(), String::new()),
                "{lines}: {outcome}"
            );
            let said = outcome.stderr_text();
            assert!(said.contains(&wanted.replace("{}", file)), "{lines}: {said}");
        }
        let rest = |said: String| said.split_once(": ").unwrap().1.to_owned();
        assert_eq!(rest(run.stderr_text()), rest(check.stderr_text()));
    }
    // The same words, from the command line.
    let said = |options: &str| place.sh(options, "echo it ran").run().stderr_text();
    assert!(said("--seccomp here.json").contains("hint: a file is written with its directory: ./here.json"));
    assert!(said("--profile here.json").contains("hint: a file is written with its directory: ./here.json"));
    assert!(!said("--seccomp there.json").contains("./there.json"));
    assert!(
        said("--keep-fd 7 --keep-fd 0").starts_with("pinfold: --keep-fd 7: "),
        "{}",
        said("--keep-fd 7 --keep-fd 0")
    );
}

/// What Landlock alone cannot do, each with the line that wants it.
#[test]
fn what_cannot_be_enforced_names_its_lines() {
    let place = Place::new("lines", Actor::User);
    let file = place.file("alone.profile", "landlock only\nshare net,ipc\nro /\ntmpfs /tmp\n");
    let outcome = place.pinfold(&["run", "--profile", file.to_str().unwrap(), "--proc", "/proc", "true"]).run();
    let said = outcome.stderr_text();
    assert_eq!(outcome.ending(), "exit 125", "{outcome}");
    assert!(said.starts_with("pinfold: this cannot be enforced here:\n"), "{said}");
    let line =
        |what: &str| said.lines().find(|line| line.starts_with(what)).unwrap_or_else(|| panic!("{what}: {said}"));
    assert!(line("  tmpfs on /tmp (").ends_with("alone.profile:4: tmpfs /tmp]"), "{said}");
    assert!(line("  procfs on /proc:").ends_with("  [--proc /proc]"), "{said}");
    assert!(line("  modes, owners").ends_with("alone.profile:1: landlock only]"), "{said}");
}

/// Without a command it is the profile that is checked, and not the directory in which somebody does it.
#[test]
fn a_profile_can_be_checked_in_any_directory() {
    let place = Place::new("anywhere", Actor::User);
    let profiles = place.file(".config/pinfold/profiles/mine.profile", "profile workspace\nenv A=1\n");
    for dir in [&*place.project, &*place.home, profiles.parent().unwrap(), std::path::Path::new("/")] {
        for name in ["mine", "workspace", "build"] {
            assert_eq!(place.pinfold(&["profile", "check", name]).dir(dir).run().done(), "", "{}", dir.display());
        }
        // Whether a command would start there is another question.
        let started = place.pinfold(&["profile", "check", "mine", "true"]).dir(dir).run();
        assert_eq!(started.ending() == "exit 0", dir == &*place.project, "{started}");
    }
}

/// Whoever stands in a directory of the system has no profiles there to be kept elsewhere.
#[test]
fn a_directory_of_somebody_else_is_said_to_be_one() {
    let place = Place::new("anothers", Actor::User);
    let refused = place.pinfold(&["run", "true"]).dir(std::path::Path::new("/usr/share")).run();
    assert_eq!(refused.ending(), "exit 125", "{refused}");
    let said = refused.stderr_text();
    assert!(
        said.contains("/usr/share") && said.contains("\nhint: that directory belongs to somebody else: "),
        "{said}"
    );
}

/// It is the file that has the wrong mode, and not the home.
#[test]
fn a_profile_that_nobody_may_read_is_named() {
    let place = Place::new("shut", Actor::User);
    let file = place.file(".config/pinfold/profiles/shut.profile", "profile base\n");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    let refused = place.sh("--profile shut", "echo it ran").run();
    assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
    let wanted = format!("\nhint: the file is not readable for you: ls -l {} shows", file.display());
    assert!(refused.stderr_text().contains(&wanted), "{refused}");
}

/// What is not there cannot be shown; no place for it has to be made.
#[test]
fn a_source_that_is_missing_is_said_to_be() {
    let place = Place::new("missing", Actor::User);
    for (options, path, hint) in [
        ("--ro typo.txt", "typo.txt", "create it first, or write --ro-try, which skips what is missing"),
        (
            "--rw ./no/such",
            "./no/such",
            "make it first: touch ./no/such for a file, mkdir ./no/such for a directory; --rw-try skips what is \
             missing, and what is written there then is lost",
        ),
        ("--dev typo", "typo", "create it first, or write --dev-try, which skips what is missing"),
        (
            "--ro a:b",
            "a",
            "what stands behind a colon is the place inside; a colon that belongs to a path is written \\:",
        ),
    ] {
        let refused = place.sh(options, "echo it ran").run();
        assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
        let said = format!("pinfold: {options}: {path} does not exist on the host\nhint: {hint}\n");
        assert_eq!(refused.stderr_text(), said);
    }
    std::os::unix::fs::symlink("/no/such", place.home.join("dangling")).unwrap();
    for (options, hint) in [
        ("--ro /no/such", "create it first, or write --ro-try"),
        ("--ro /no/such:/y", "what stands behind a colon is the place inside; "),
        ("--tmpfs /x --file /no/such:/x/y", "create it first\n"),
        (
            &*format!("--ro {}/dangling", place.home.display()),
            "there is a symbolic link, and nothing where it leads to",
        ),
    ] {
        let refused = place.sh(options, "echo it ran").run();
        assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
        assert!(refused.stderr_text().contains(&format!("\nhint: {hint}")), "{options}: {refused}");
    }
}
