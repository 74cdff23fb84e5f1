//! What somebody else chose: names and files of the project, words, variables, limits, descriptors.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::sync::Arc;

use crate::support::{Actor, Fd, Launch, Tweak, nest, pinfold, probe};
use crate::{Place, actors};

/// Everything that an archive or a program of an earlier run may have left in a project.
fn odd_project(place: &Place) {
    for name in ["-rf", "--ro", "a\nb", "\u{1b}[31m", " ", "$(touch ran)", "a:b", "a\\:b", "*", "~", "..."] {
        place.file(&format!("project/{name}/.git/x"), "");
        place.file(&format!("project/{name}/.envrc"), "");
    }
    fs::write(place.project.join(std::ffi::OsStr::from_bytes(b"no text \xff\xfe")), "").unwrap();
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    for name in [".envrc", ".mcp.json", "fifo", "x/.git"] {
        fs::create_dir_all(place.project.join("x")).unwrap();
        nix::unistd::mkfifo(&place.project.join(name), mode).unwrap();
    }
    for (name, target) in
        [(".vscode", "/etc"), (".git", "loop"), ("loop", "loop"), ("up", "../.."), ("CLAUDE.md", "/dev/null")]
    {
        symlink(target, place.project.join(name)).unwrap();
    }
    let socket = std::os::unix::net::UnixListener::bind(place.project.join("x/HEAD")).unwrap();
    drop(socket);
}

#[test]
fn an_odd_project_is_refused_or_held_and_nothing_hangs() {
    for actor in actors() {
        let place = Place::new("hostile-project", actor);
        odd_project(&place);
        let refused = |why: &str| {
            let outcome = place.sh("", "echo it ran").run();
            assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{outcome}");
            assert!(outcome.stderr_text().contains(why), "{outcome}");
        };
        // A program can write to a fifo also where it is read-only.
        refused("/project/.envrc is a fifo");
        for fifo in [".envrc", ".mcp.json", "x/.git"] {
            fs::remove_file(place.project.join(fifo)).unwrap();
        }
        refused("/project/.git leads to no git directory");
        fs::remove_file(place.project.join(".git")).unwrap();
        let outcome = place.sh("", "echo it ran; echo x > /etc/canary; echo x > .vscode/canary; exit 0").run();
        assert_eq!(outcome.done(), "it ran\n");
        assert!(!outcome.stderr_text().contains('\u{1b}'), "{outcome}");
        assert!(!Path::new("/etc/canary").exists());
    }
}

#[test]
fn a_project_that_cannot_be_looked_through_is_refused() {
    let place = Place::new("hostile-closed", Actor::User);
    place.file("project/closed/x", "");
    let closed = place.project.join("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let outcome = place.sh("", "echo it ran").run();
    assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{outcome}");
    assert!(
        outcome.stderr_text().contains("/project/closed") && outcome.stderr_text().contains("\nhint: "),
        "{outcome}"
    );
    if Actor::Root.here() {
        // Somebody else's is closed to the program for good.
        chown(&closed, Some(0), Some(0)).unwrap();
        assert_eq!(place.sh("", "echo it ran; ls closed 2>/dev/null").run().stdout_text(), "it ran\n");
    }
}

/// Nothing is there, or it is an error: what cannot be told is not taken for nothing.
#[test]
fn a_path_that_cannot_be_looked_at_is_refused() {
    if !Actor::Root.here() {
        return;
    }
    let place = Place::new("hostile-mirror", Actor::User);
    place.file("closed/link", "");
    chown(place.home.join("closed"), Some(0), Some(0)).unwrap();
    fs::set_permissions(place.home.join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
    for option in ["--mirror", "--overlay-try", "--ro-try"] {
        let outcome = place.sh(&format!("{option} {}/closed/link", place.home.display()), "echo it ran").run();
        assert_eq!(
            (outcome.ending(), outcome.stdout_text()),
            ("exit 125".into(), String::new()),
            "{option}: {outcome}"
        );
        assert!(outcome.stderr_text().contains("closed/link"), "{option}: {outcome}");
    }
}

/// A directory below /tmp that somebody else owns: it can be looked at, not written to, and no repository in it is
/// obeyed.
#[test]
fn a_directory_of_somebody_else_is_as_closed_as_ever() {
    if !Actor::Root.here() {
        return;
    }
    let place = Place::new("hostile-foreign", Actor::User);
    place.file("project/file", "theirs\n");
    for path in ["project", "project/file"] {
        chown(place.home.join(path), Some(1001), Some(1001)).unwrap();
    }
    let outcome =
        place.sh("", "cat file; (echo x > file) 2>/dev/null || echo closed; (: > new) 2>/dev/null || echo closed");
    assert_eq!(outcome.run().done(), "theirs\nclosed\nclosed\n");
}

#[test]
fn a_large_tree_is_no_obstacle() {
    let place = Place::new("hostile-large", Actor::User);
    for outer in 0..40 {
        for inner in 0..50 {
            fs::create_dir_all(place.project.join(format!("{outer}/{inner}"))).unwrap();
        }
    }
    let mut deep = place.project.join("deep");
    for _ in 0..200 {
        deep.push("directory");
    }
    fs::create_dir_all(&deep).unwrap();
    // Fewer descriptors than there are directories.
    let outcome = place.sh("", "echo it ran").tweak(Tweak::Files(96)).run();
    assert_eq!(outcome.done(), "it ran\n");
}

#[test]
fn variables_that_name_odd_places_open_nothing() {
    for actor in actors() {
        let place = Place::new("hostile-variables", actor);
        place.file("secret", "secret\n");
        let home = place.home.display().to_string();
        let script = "cat $SECRET 2>/dev/null; for dir in / /usr /etc /var; do (: > $dir/canary) 2>/dev/null && echo written; done; echo end";
        for (name, value) in [
            ("HOME", "/"),
            ("HOME", ""),
            ("HOME", "//"),
            ("HOME", "/."),
            ("HOME", "relative"),
            ("HOME", "/no/such/home"),
            ("HOME", "/home/a\nb"),
            ("HOME", "/home/a:b"),
            ("HOME", "/home/../etc"),
            ("XDG_RUNTIME_DIR", "/"),
            ("XDG_RUNTIME_DIR", "/./"),
            ("XDG_RUNTIME_DIR", "relative"),
            ("XDG_RUNTIME_DIR", "/run/a\nb"),
            ("XDG_RUNTIME_DIR", "/run/../usr"),
            ("XDG_CONFIG_HOME", "."),
            ("XDG_CONFIG_HOME", "/\u{1b}[2J"),
            ("XDG_CONFIG_HOME", "/proc/self/cwd"),
            ("XDG_CACHE_HOME", "/"),
            ("XDG_DATA_HOME", "/"),
            ("WAYLAND_DISPLAY", "../../../etc"),
            ("LANG", "../../../etc"),
            ("LC_ALL", "\u{1b}[2J"),
            ("PATH", ""),
            ("TERM", "%n%s"),
        ] {
            for options in ["", "--profile build"] {
                let secret = format!("SECRET={home}/secret");
                let command = ["--env", &secret, "--", "/usr/bin/sh", "-c", script];
                let words: Vec<&str> = ["run"].into_iter().chain(options.split_whitespace()).chain(command).collect();
                let outcome = place.pinfold(&words).env(name, value).run();
                let end = (outcome.ending(), outcome.stdout_text());
                let ran = ("exit 0".to_owned(), "end\n".to_owned());
                assert!(end == ran || end == ("exit 125".into(), String::new()), "{name}={value}: {outcome}");
                assert!(!outcome.stderr_text().contains('\u{1b}'), "{outcome}");
                // Refused are paths with `..`, and profiles where the program can write.
                let is_path = name != "WAYLAND_DISPLAY" && name != "LANG";
                let is_refused = is_path && value.contains("..") || value == "/proc/self/cwd";
                assert_eq!(end == ran, !is_refused, "{name}={value}: {outcome}");
            }
        }
    }
}

/// The variable stands for one socket, and shows nothing else of the runtime directory.
#[test]
fn the_display_is_a_socket_or_nothing() {
    let place = Place::new("hostile-display", Actor::User);
    let secret = place.file("run/keyring/secret", "s");
    let runtime = place.home.join("run");
    std::os::unix::fs::symlink("keyring", runtime.join("link")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(runtime.join("wayland-7")).unwrap();
    place.own(&runtime.join("wayland-7"));
    let shown = |display: &str, options: &str| {
        let script = format!("test -S $XDG_RUNTIME_DIR/wayland-7 && echo socket; cat {}; true", secret.display());
        let launch = place.sh(options, &script).env("XDG_RUNTIME_DIR", runtime.to_str().unwrap());
        launch.env("WAYLAND_DISPLAY", display).run()
    };
    for display in [".", "..", "keyring", "link"] {
        let outcome = shown(display, "--profile desktop");
        assert_eq!(
            (outcome.ending(), outcome.stdout_text()),
            ("exit 125".into(), String::new()),
            "{display}: {outcome}"
        );
        assert!(outcome.stderr_text().contains("WAYLAND_DISPLAY does not name a socket"), "{display}: {outcome}");
        // Who does not ask for it is not kept from anything.
        assert_eq!(shown(display, "").ending(), "exit 0", "{display}");
    }
    assert_eq!(shown("wayland-7", "--profile desktop").stdout_text(), "socket\n");
    assert_eq!(shown("wayland-8", "--profile desktop").ending(), "exit 0");
}

#[test]
fn thousands_of_variables_and_words_arrive() {
    let place = Place::new("hostile-many", Actor::User);
    let mut launch = place.sh("--env MANY_*", "env | grep -c ^MANY_");
    for number in 0..5000 {
        launch = launch.env(&format!("MANY_{number}"), "x");
    }
    assert_eq!(launch.run().done(), "5000\n");
    let words: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
    let command: Vec<&str> =
        ["sh", "-c", "echo $#", "sh"].into_iter().chain(words.iter().map(String::as_str)).collect();
    assert_eq!(place.run("", &command).run().done(), "100000\n");
}

/// CVE-2024-32462: what stands after `--`, or after the command, is never an option.
#[test]
fn words_of_the_command_are_never_options() {
    let place = Place::new("hostile-words", Actor::User);
    for name in ["--ro", "--net", "-", "--", "-h", "--help", "--rw=/", "--version", ""] {
        let outcome = place.run("", &[name]).run();
        assert_eq!(
            (outcome.ending(), outcome.stdout_text()),
            ("exit 127".into(), String::new()),
            "{name:?}: {outcome}"
        );
    }
    let said = place.pinfold(&["run", "printf", "%s|", "--net", "host", "--", "-h", "", "--rw=/", "a\nb"]).run();
    assert_eq!(said.done(), "--net|host|--|-h||--rw=/|a\nb|");
    // Every byte that a word can have.
    let all: Vec<u8> = (1..=255).collect();
    let word = std::ffi::OsStr::from_bytes(&all);
    let mut command = std::process::Command::new(pinfold());
    command.args(["run", "--profile", "base", "printf", "%s"]).arg(word);
    command.current_dir(&place.project).env("HOME", &place.home);
    let output = command.output().unwrap();
    assert_eq!(output.stdout, all, "{}", String::from_utf8_lossy(&output.stderr));
    // As names of options and of files they are refused in printable characters.
    for option in [
        &b"--\xff"[..],
        b"--ro=/\x1b[2J",
        b"--deny=\x1b\xff",
        b"--profile=\x1b",
        b"--seccomp=\x1b",
        b"--syscall-deny=\x1b",
        b"--net=\x1b",
    ] {
        let mut command = std::process::Command::new(pinfold());
        command
            .arg("run")
            .arg(std::ffi::OsStr::from_bytes(option))
            .args(["echo", "it ran"])
            .current_dir(&place.project);
        let output = command.output().unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0), "{output:?}");
        assert!(!output.stderr.contains(&0x1b) && output.stderr.starts_with(b"pinfold: "), "{output:?}");
    }
}

#[test]
fn hostile_profiles_are_refused_and_nothing_hangs() {
    let place = Place::new("hostile-profiles", Actor::User);
    let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
    nix::unistd::mkfifo(&place.home.join("fifo"), mode).unwrap();
    place.file("huge", &"# x\n".repeat(300_000));
    place.file("nul", "env A=\0\n");
    place.file("escape", "ro /\u{1b}[2J\n");
    place.file("self", &format!("profile {}/self\n", place.home.display()));
    // Each builds on the next.
    for number in 0..3000 {
        place.file(&format!("chain/{number}"), &format!("profile {}/chain/{}\n", place.home.display(), number + 1));
    }
    for name in ["fifo", "huge", "nul", "escape", "self", "chain/0", "no-such", "chain", "../../../../../dev/zero", ""]
    {
        let outcome = place.sh(&format!("--profile={}/{name}", place.home.display()), "echo it ran").run();
        assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{name}: {outcome}");
        assert!(outcome.stderr_text().starts_with("pinfold: "), "{name}: {outcome}");
        assert!(!outcome.stderr_text().contains('\u{1b}'), "{name}: {outcome}");
    }
}

#[test]
fn standard_descriptors_may_be_anything() {
    for actor in actors() {
        let place = Place::new("hostile-standard", actor);
        for closed in [&[0][..], &[1], &[2], &[0, 1], &[0, 1, 2]] {
            let launch = place.sh("", "echo ran > evidence; ls -l /proc/self/fd > list; exit 7");
            let launch = closed.iter().fold(launch, |launch, &fd| launch.fd(fd, Fd::Closed));
            assert_eq!(launch.run().ending(), "exit 7", "{closed:?}");
            let list = fs::read_to_string(place.project.join("list")).unwrap();
            // Nothing of the tool's took the number: what `ls` opens itself is the first that is free.
            let targets: Vec<&str> = list.lines().filter_map(|line| Some(line.split_once(" -> ")?.1)).collect();
            let is_known = |target: &&str| {
                target.ends_with("/fd")
                    || target.ends_with("/list")
                    || target.starts_with("pipe:")
                    || target.contains("(deleted)")
            };
            assert!(targets.iter().all(is_known) && !targets.is_empty(), "{closed:?}: {list}");
            fs::remove_file(place.project.join("evidence")).unwrap();
            // Errors are errors, although nobody hears them.
            let launch = place.sh("--ro /no/such", "touch evidence");
            let launch = closed.iter().fold(launch, |launch, &fd| launch.fd(fd, Fd::Closed));
            assert_eq!(launch.run().ending(), "exit 125", "{closed:?}");
            assert!(!place.project.join("evidence").exists());
        }
        // Nobody shares a directory by `< DIR`. Even where it is named, it can be held, and nothing below it is opened.
        let dir = place.file("other/kept", "of the host\n");
        let dir = fs::File::open(dir.parent().unwrap()).unwrap();
        let script = "exec 2>/dev/null; cat /proc/self/fd/0/kept; cd /proc/self/fd/0 && cat kept; echo x > /proc/self/fd/0/new; echo x > new; echo end";
        let launch = place.sh("--keep-fd 0", script).fd(0, Fd::Given(Arc::new(dir.into())));
        assert_eq!(launch.run().done(), "end\n", "{actor:?}");
        assert!(!place.home.join("other/new").exists());
    }
}

#[test]
fn odd_surroundings_change_nothing() {
    for actor in actors() {
        let place = Place::new("hostile-surroundings", actor);
        let script = "umask; grep -c . /proc/self/mounts >/dev/null; echo it ran";
        for tweak in [
            Tweak::Umask(0),
            Tweak::Umask(0o777),
            Tweak::Ignore(libc::SIGCHLD),
            Tweak::Block(libc::SIGCHLD),
            Tweak::Files(96),
        ] {
            let outcome = place.sh("", script).tweak(tweak).run();
            assert!(outcome.done().ends_with("it ran\n"), "{tweak:?}");
            let outcome = place.sh("", "exit 9").tweak(tweak).run();
            assert_eq!(outcome.ending(), "exit 9", "{tweak:?}");
        }
        // CVE-2026-97026: what is made for the box is not everybody's.
        let modes = place.sh("", "stat -c %a / ~ $XDG_RUNTIME_DIR /tmp").tweak(Tweak::Umask(0)).run().done();
        assert_eq!(modes, "755\n700\n700\n1777\n");
        // Too few descriptors are an error, never a box with less.
        let outcome = place.sh("", "touch ran").tweak(Tweak::Files(6)).run();
        assert_eq!(outcome.ending(), "exit 125", "{outcome}");
        assert!(!place.project.join("ran").exists());
    }
}

#[test]
fn a_current_directory_that_is_gone_or_unreachable_is_an_error() {
    let place = Place::new("hostile-cwd", Actor::User);
    let tool = pinfold().display();
    let shell = |script: &str| {
        let launch = Launch::program(Path::new("/bin/sh"), Actor::User, &["-c", script]).dir(&place.project);
        launch.env("HOME", place.home.to_str().unwrap()).run()
    };
    let gone = shell(&format!("mkdir gone; cd gone; rmdir ../gone; exec {tool} run echo it ran"));
    assert_eq!((gone.ending(), gone.stdout_text()), ("exit 125".into(), String::new()), "{gone}");
    assert!(gone.stderr_text().contains("the current directory is gone"), "{gone}");
    let home = shell(&format!("mkdir gone; cd gone; rmdir ../gone; exec {tool} run --profile base pwd"));
    assert_eq!(home.done(), format!("{}\n", place.home.display()));
    // Below a mount that hides it, no path leads there any more.
    let dir = place.home.display().to_string();
    let words = ["/bin/sh", "-c", &format!("exec {tool} run --ro-try /no -- echo it ran")].map(str::to_owned);
    let hidden = nest(Actor::User, &[format!("tmpfs:{dir}")], &words).dir(&place.project).env("HOME", "/home/u").run();
    let ran = hidden.stdout_text().contains("it ran");
    assert!(!ran || hidden.ending() == "exit 0", "{hidden}");
    assert!(ran || hidden.ending() == "exit 125", "{hidden}");
}

/// The home, and what holds it, by the path of another mount.
#[test]
fn a_home_under_another_name_is_refused_too() {
    for actor in actors() {
        let place = Place::new("hostile-alias", actor);
        fs::create_dir(place.project.join("alias")).unwrap();
        let (home, alias) = (place.home.display(), place.project.join("alias"));
        let start = |from: &str| {
            let words =
                ["/bin/sh", "-c", &format!("cd {} && exec {} run echo it ran", alias.display(), pinfold().display())];
            let steps = [format!("bind:{from}:{}", alias.display())];
            nest(actor, &steps, &words.map(str::to_owned))
                .dir(&place.project)
                .env("HOME", place.home.to_str().unwrap())
                .run()
        };
        for from in [home.to_string(), place.home.parent().unwrap().display().to_string()] {
            let refused = start(&from);
            assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
            assert!(refused.stderr_text().contains("under another name"), "{refused}");
        }
        fs::create_dir(place.home.join("other")).unwrap();
        place.own(&place.home.join("other"));
        assert_eq!(start(&format!("{home}/other")).done(), "it ran\n");
    }
}

/// Inside of another box there is no way to make one, and that is said.
#[test]
fn a_box_in_a_box_says_why_not() {
    for actor in actors() {
        let place = Place::new("hostile-nested", actor);
        let options = format!("--ro {}:/pinfold", pinfold().display());
        let outcome = place.run(&options, &["/pinfold", "run", "touch", "ran"]).run();
        assert_eq!(outcome.ending(), "exit 125", "{outcome}");
        assert!(outcome.stderr_text().contains("hint: "), "{outcome}");
        assert!(!place.project.join("ran").exists());
    }
}

/// CVE-2020-5291: nothing is read or done with privileges that the file gives.
#[test]
fn a_setuid_tool_reads_nothing() {
    if !Actor::Root.here() {
        return;
    }
    let place = Place::new("hostile-setuid", Actor::User);
    let secret = place.file("secret.profile", "env SECRET=of-root\nsecret-of-root\n");
    chown(&secret, Some(0), Some(0)).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let copy = crate::support::stage().join("pinfold-setuid");
    crate::support::executable::copy(pinfold(), &copy);
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o4755)).unwrap();
    for verb in [&["run", "--profile"][..], &["profile", "show"], &["profile", "check"]] {
        let words = [verb, &[secret.to_str().unwrap(), "true"]].concat();
        let words = if verb[0] == "profile" { &words[..3] } else { &words[..] };
        let outcome = Launch::program(&copy, Actor::User, words).dir(&place.project).run();
        assert!(!format!("{outcome}").contains("of-root"), "{words:?}: {outcome}");
        assert_eq!(outcome.ending(), "exit 125", "{words:?}: {outcome}");
    }
    fs::remove_file(copy).unwrap();
}

/// A descriptor of the host's root as input (`pinfold run … < /`) is given by the caller; no other is there.
#[test]
fn no_other_descriptor_of_the_caller_arrives() {
    let place = Place::new("hostile-fds", Actor::User);
    let root: Arc<std::os::fd::OwnedFd> = Arc::new(fs::File::open("/").unwrap().into());
    let mut launch = place.run("", &["/probe", "state"]);
    for number in [3, 4, 5, 6, 7, 8, 9, 10, 20, 63, 100] {
        launch = launch.fd(number, Fd::Given(root.clone()));
    }
    let said = launch.run().done();
    let numbers: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("fd ")?.split(' ').next()).collect();
    assert_eq!(numbers, ["0", "1", "2"], "{said}");
    assert!(probe().exists());
}
