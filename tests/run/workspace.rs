//! The project, through the front door: what is said when it cannot be protected, and what is looked for at the end.
//!
//! What is held in it and how git works there is tested in tests/workspace.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use crate::support::{Actor, Fd, Launch, Tweak, pinfold};
use crate::{Place, actors};

impl Place {
    /// Runs a script on the host, in the project.
    pub(crate) fn host(&self, script: &str) -> String {
        let launch = Launch::program(Path::new("/bin/sh"), self.actor, &["-ec", script]).dir(&self.project);
        launch.env("HOME", "/nonexistent").env("GIT_CONFIG_NOSYSTEM", "1").run().done()
    }
}

/// A new repository; true where there is git.
fn repository(place: &Place) -> bool {
    let here = Path::new("/usr/bin/git").exists();
    if here {
        place.host("git init -q -b main; git config user.name N; git config user.email n@example.org; touch file");
    } else {
        crate::support::skip("no /usr/bin/git on this machine");
    }
    here
}

#[test]
fn what_appeared_is_reported_on_both_ways() {
    for actor in actors() {
        let place = Place::new("workspace-appeared", actor);
        if !repository(&place) {
            return;
        }
        let script = "git add . && git commit -qm one; echo /evil > .git/commondir; echo x > .envrc; exit 4";
        let outcome = place.sh("--json-status-fd 5", script).fd(5, Fd::Out).run();
        assert_eq!(outcome.ending(), "exit 4", "{outcome}");
        let project = place.project.display();
        let wanted = "pinfold: not taken over, kept as k1: .git/commondir (pinfold kept diff k1)\n\
             pinfold: git: branch main new, taken over from the box\n\
             pinfold: new here, and obeyed later: .envrc (direnv runs it when a shell enters the directory)\n";
        assert_eq!(outcome.stderr_text(), wanted);
        let status = String::from_utf8_lossy(&outcome.outs[&5]).into_owned();
        let lines: Vec<serde_json::Value> = status.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let envrc = serde_json::json!({
            "path": format!("{project}/.envrc"), "by": "direnv runs it when a shell enters the directory"
        });
        assert!(lines.contains(&serde_json::json!({ "new": [envrc] })), "{status}");
        let kept = "not taken over, kept as k1: .git/commondir (pinfold kept diff k1)";
        assert!(lines.contains(&serde_json::json!({ "kept": kept })), "{status}");
        assert!(!place.project.join(".git/commondir").exists());
        assert_eq!(place.host("git log --format=%s"), "one\n");
    }
}

/// The program may close the directory: it is the user's all the same.
#[test]
fn what_is_new_in_a_directory_that_is_closed_is_told() {
    let place = Place::new("workspace-closed", Actor::User);
    let outcome = place.sh("", "mkdir .x && touch .envrc && chmod 0 .").run();
    let mode = fs::metadata(&place.project).unwrap().permissions().mode() & 0o777;
    fs::set_permissions(&place.project, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!((outcome.ending().as_str(), mode), ("exit 0", 0), "{outcome}");
    let said = "pinfold: new here, and obeyed later: .envrc (direnv runs it when a shell enters the directory); new \
                names with a dot: .x\n";
    assert_eq!(outcome.stderr_text(), said);
}

/// Whatever signal ends the tool, what the program has left is put in order before.
#[test]
fn a_signal_that_ends_the_tool_does_not_end_it_before_the_look() {
    let place = Place::new("workspace-signalled", Actor::User);
    if !repository(&place) {
        return;
    }
    let real_time = libc::SIGRTMIN() + 1;
    for signal in [libc::SIGUSR1, libc::SIGPIPE, libc::SIGALRM, libc::SIGXCPU, real_time] {
        let script = "git init -q sub; echo x >sub/.git/hooks/x; chmod 755 sub/.git/hooks/x; echo ready; sleep 1000";
        let mut running = place.sh("", script).start();
        running.read_until(1, |said| said.contains("ready"));
        // SAFETY: plain numbers.
        #[allow(unsafe_code)]
        let sent = unsafe { libc::kill(running.pid(), signal) };
        assert_eq!(sent, 0);
        let outcome = running.finish();
        // USR1 is passed on, and the program dies of it.
        let ending = if signal == libc::SIGUSR1 { "exit 138".into() } else { format!("signal {signal}") };
        assert_eq!(outcome.ending(), ending, "{outcome}");
        assert_eq!(
            place.host("ls -d sub/.git/hooks.from-sandbox; rm -r sub"),
            "sub/.git/hooks.from-sandbox\n",
            "{signal}"
        );
    }
    // One that the caller ignores is ignored.
    let launch = place.sh("", "echo ready; read x; exit 6").fd(0, Fd::In).tweak(Tweak::Ignore(libc::SIGUSR1));
    let mut running = launch.start();
    running.read_until(1, |said| said.contains("ready"));
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(running.pid()), nix::sys::signal::Signal::SIGUSR1).unwrap();
    running.feed(0, "\n");
    assert_eq!(running.finish().ending(), "exit 6");
}

#[test]
fn what_is_set_aside_is_reported_on_both_ways() {
    for actor in actors() {
        let place = Place::new("workspace-settled", actor);
        if !repository(&place) {
            return;
        }
        let script = "git init -q sub; echo x >sub/.git/hooks/pre-commit; chmod 755 sub/.git/hooks/pre-commit; exit 4";
        let outcome = place.sh("--json-status-fd 5", script).fd(5, Fd::Out).run();
        assert_eq!(outcome.ending(), "exit 4", "{outcome}");
        let path = format!("{}/sub/.git", place.project.display());
        let done = "hooks holds what git would execute, and is now hooks.from-sandbox";
        let undo = format!("cd {path} && mv -T hooks.from-sandbox hooks");
        assert_eq!(outcome.stderr_text(), format!("pinfold: {path}: {done}; if you trust it: {undo}\n"));
        let status = String::from_utf8_lossy(&outcome.outs[&5]).into_owned();
        let lines: Vec<serde_json::Value> = status.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let wanted = serde_json::json!({ "settled": path, "done": [done], "undo": undo });
        assert!(lines.contains(&wanted), "{status}");
        place.host(&undo);
        assert_eq!(place.host("cat sub/.git/hooks/pre-commit"), "x\n");
    }
}

/// What there is to say has nobody to read it: all is done the same, to the last.
#[test]
fn nothing_depends_on_who_listens() {
    for actor in actors() {
        let place = Place::new("workspace-pipe", actor);
        if !repository(&place) {
            return;
        }
        let inside = "echo x >.envrc; for i in 1 2 3 4 5; do git init -q s$i; echo x >s$i/.git/hooks/x; done";
        // The reader has gone before the program ends.
        let script = format!(
            "{{ '{}' run -- sh -c 'cat; {inside}' <end 2>&1 1>/dev/null; }} | exec 0<&- 3>end",
            pinfold().display()
        );
        let launch = Launch::program(Path::new("/bin/sh"), actor, &["-ec", &format!("mkfifo end; {script}")]);
        let home = place.project.parent().unwrap().to_str().unwrap();
        let outcome = launch.dir(&place.project).env("HOME", home).run();
        assert_eq!(outcome.ending(), "exit 0", "{outcome}");
        assert_eq!(place.host("ls -d s*/.git/hooks.from-sandbox | wc -l"), "5\n");
    }
}

/// Where the program could write nothing, nothing is walked through and nothing said.
#[test]
fn a_workspace_that_is_covered_is_left_alone() {
    for actor in actors() {
        let place = Place::new("workspace-covered", actor);
        let outcome = place.sh("--overlay .", "mkdir x; echo gitdir: /etc >x/.git; cat x/.git").run();
        assert_eq!(outcome.stdout_text(), "gitdir: /etc\n", "{outcome}");
        assert_eq!(outcome.stderr_text(), "", "{outcome}");
    }
}

/// Either it cannot be written, or what is written does not reach the host.
#[test]
fn hooks_and_what_runs_later_are_as_before() {
    for actor in actors() {
        let place = Place::new("workspace-held", actor);
        if !repository(&place) {
            return;
        }
        place.file("project/.envrc", "x\n");
        place.file("project/.vscode/tasks.json", "{}\n");
        let script = "exec 2>/dev/null
            for file in .git/hooks/pre-commit .git/config .envrc .vscode/tasks.json .vscode/new; do echo evil > $file && echo $file; done
            mv .git gone && echo moved; mv .vscode gone && echo moved; rm .envrc && echo removed; git config core.pager evil && echo set
            echo end";
        let inside = ".git/hooks/pre-commit\n.git/config\n.vscode/tasks.json\n.vscode/new\nset\nend\n";
        let config = place.host("cat .git/config");
        for options in ["", "--profile build", "--uid 0", "--cap-add CAP_DAC_OVERRIDE", "--landlock off --seccomp off"]
        {
            let outcome = place.sh(options, script).run();
            assert_eq!(outcome.done(), inside, "{options}: {outcome}");
            let said = outcome.stderr_text();
            for kept in ["hooks/pre-commit", "config", "tasks.json", "new"] {
                assert!(
                    said.contains(&format!("/{kept},")) || said.contains(&format!("/{kept} ")),
                    "{options}: {said}"
                );
            }
            let host = "cat .git/config; test ! -e .git/hooks/pre-commit; test ! -e .vscode/new; cat .envrc .vscode/*";
            assert_eq!(place.host(host), format!("{config}x\n{{}}\n"), "{options}: {said}");
        }
    }
}

/// It is the caller's own word that opens them again.
#[test]
fn what_is_held_is_opened_by_name_only() {
    let place = Place::new("workspace-opened", Actor::User);
    if !repository(&place) {
        return;
    }
    let hooks = place.project.join(".git/hooks");
    let script = "echo x > .git/hooks/mine";
    let is_live = |options: &str| {
        let outcome = place.sh(options, script).run();
        assert_eq!(outcome.done(), "", "{options}: {outcome}");
        let is_live = hooks.join("mine").exists();
        assert_eq!(outcome.stderr_text().contains(": .git/hooks/mine (pinfold kept diff"), !is_live, "{outcome}");
        let _again = fs::remove_file(hooks.join("mine"));
        is_live
    };
    assert!(!is_live(""));
    assert!(is_live(&format!("--rw {}", hooks.display())));
    assert!(is_live("--rw .git"));
    // Something around it is not its name.
    for options in ["--rw .", "--rw .:/elsewhere --rw ."] {
        let outcome = place.sh(options, script).run();
        assert_eq!((outcome.ending(), hooks.join("mine").exists()), ("exit 125".into(), false), "{options}: {outcome}");
        assert!(outcome.stderr_text().contains("/.git, which the workspace protects"), "{outcome}");
    }
    // The same of a file that git tracks and that is put back otherwise.
    place.host("echo old >.envrc; git add .envrc; git commit -qm envrc");
    let outcome = place.sh("", "echo new >.envrc").run();
    assert_eq!(place.host("cat .envrc"), "old\n", "{outcome}");
    assert!(outcome.stderr_text().contains("pinfold: .envrc is as before"), "{outcome}");
    let outcome = place.sh("--rw .envrc", "echo new >.envrc").run();
    assert_eq!((outcome.done(), place.host("cat .envrc")), (String::new(), "new\n".into()), "{outcome}");
    // A read-only project, named after it.
    let outcome = place.sh("--ro .git", "git status >/dev/null 2>&1; (: > .git/index) 2>/dev/null || echo kept").run();
    assert_eq!(outcome.done(), "kept\n");
    let outcome = place.sh("--ro .", "(: > new) 2>/dev/null || echo kept").run();
    assert_eq!(outcome.done(), "kept\n");
}

#[test]
fn what_cannot_be_protected_is_refused_with_a_remedy() {
    let place = Place::new("workspace-unheld", Actor::User);
    if !repository(&place) {
        return;
    }
    place.host("git config core.hooksPath hk");
    let outcome = place.sh("", "echo it ran").run();
    assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{outcome}");
    let hooks = place.project.join("hk").display().to_string();
    let said = outcome.stderr_text();
    assert!(said.contains(&format!("Can't protect the workspace: {hooks} is missing")), "{said}");
    assert!(said.contains(&format!("\nhint: make it once: mkdir -p {hooks}")), "{said}");
    let outcome = place.sh("--best-effort --json-status-fd 5", "echo it ran").fd(5, Fd::Out).run();
    assert_eq!(outcome.done(), "it ran\n");
    assert!(
        outcome
            .stderr_text()
            .starts_with(&format!("pinfold: not enforced: protection of the workspace: {hooks} is missing")),
        "{outcome}"
    );
    assert!(String::from_utf8_lossy(&outcome.outs[&5]).contains("\"dropped\":"), "{outcome}");
    // The remedy is one.
    place.host("mkdir hk");
    assert_eq!(place.sh("", "echo it ran").run().done(), "it ran\n");
}

/// A pointer file comes with an archive that somebody unpacked: what it says opens nothing.
#[test]
fn a_forged_pointer_opens_nothing() {
    for actor in actors() {
        let place = Place::new("workspace-forged", actor);
        place.file("other/.git/HEAD", "ref: refs/heads/main\n");
        place.file("other/.git/config", "[core]\n");
        place.file("other/.git/objects/x", "");
        place.file("other/.git/refs/x", "");
        place.file(".ssh/id", "secret\n");
        let (other, ssh) = (place.home.join("other/.git"), place.home.join(".ssh"));
        let script = format!("ls {} {} 2>/dev/null; echo end", other.display(), ssh.display());
        for target in
            [&other, &ssh, &place.home, Path::new("/"), Path::new("../other/.git"), Path::new("/proc/self/cwd")]
        {
            place.file("project/.git", &format!("gitdir: {}\n", target.display()));
            let refused = place.sh("", &script).run();
            assert_eq!((refused.ending(), refused.stdout_text()), ("exit 125".into(), String::new()), "{refused}");
            assert!(refused.stderr_text().contains("/project/.git leads to"), "{refused}");
            assert_eq!(place.sh("--best-effort", &script).run().done(), "end\n", "{}", target.display());
            // Further down it is no repository of ours, and nothing is shown.
            fs::rename(place.project.join(".git"), place.project.join("kept")).unwrap();
            place.file("project/sub/.git", &format!("gitdir: {}\n", target.display()));
            assert_eq!(place.sh("", &script).run().done(), "end\n", "{}", target.display());
            fs::remove_file(place.project.join("sub/.git")).unwrap();
        }
        // Nor does a link.
        symlink(&other, place.project.join(".git")).unwrap();
        let said = place.sh("", &script).run();
        assert_eq!(said.done(), "end\n");
        assert!(said.stderr_text().contains("/project/.git is a link that leads out of the box"), "{said}");
    }
}

/// The same directory by two names: the box is where the directory really is.
#[test]
fn a_project_behind_a_link_is_where_it_really_is() {
    let place = Place::new("workspace-link", Actor::User);
    symlink(&place.project, place.home.join("link")).unwrap();
    let link = place.home.join("link");
    let launch = place.sh("", "pwd; echo x > file; ls").dir(&link).env("PWD", link.to_str().unwrap());
    assert_eq!(launch.run().done(), format!("{}\nfile\n", place.project.display()));
    let launch = place.sh("--env PWD", "pwd").dir(&link).env("PWD", link.to_str().unwrap());
    assert_eq!(launch.run().done(), format!("{}\n", place.project.display()));
}

#[test]
fn two_workspaces_are_one() {
    let place = Place::new("workspace-twice", Actor::User);
    let options = "--profile workspace --profile workspace --workspace --workspace";
    assert_eq!(place.sh(options, "echo x > file; cat file").run().done(), "x\n");
}

/// CVE-2021-30465, CVE-2024-42472: the program of another box that works in the same directory exchanges a part of it
/// for a link, between the look and the mounts.
#[test]
fn a_part_that_became_a_link_is_not_mounted() {
    for actor in actors() {
        let place = Place::new("workspace-race", actor);
        place.file("project/sub/file", "");
        place.file(".ssh/id", "secret\n");
        symlink(place.home.join(".ssh"), place.project.join("last")).unwrap();
        symlink(&place.home, place.project.join("way")).unwrap();
        let system = "ro /usr /usr link usr/lib /lib link usr/lib64 /lib64 link usr/bin /bin";
        let mount = |path: &str| {
            let words = format!("{system} rw-real {}/{path} /w -- ls /w", place.project.display());
            crate::support::door().launch(actor, words.split_whitespace()).run()
        };
        assert_eq!(mount("sub").done(), "file\n");
        for path in ["last", "way/.ssh", "way/.ssh/id"] {
            let outcome = mount(path);
            assert_eq!(
                (outcome.ending(), outcome.stdout_text()),
                ("exit 1".into(), String::new()),
                "{path}: {outcome}"
            );
        }
    }
}

/// A program that was to work in the project does not start anywhere else.
#[test]
fn it_starts_in_the_project_or_not_at_all() {
    for actor in actors() {
        let place = Place::new("workspace-start", actor);
        let outcome = place.sh(&format!("--tmpfs {}", place.home.display()), "echo it ran").run();
        assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{outcome}");
        let wanted = format!("pinfold: program: cannot enter the directory {}", place.project.display());
        assert!(outcome.stderr_text().starts_with(&wanted), "{outcome}");
        let said = place.sh(&format!("--tmpfs {} --workdir /usr", place.home.display()), "pwd").run().done();
        assert_eq!(said, "/usr\n");
    }
}

/// A directory can be both: hooks, and something that looks like a bare repository, which would have to be writable.
#[test]
fn hooks_that_look_like_a_repository_are_held() {
    let place = Place::new("workspace-bare-hooks", Actor::User);
    if !repository(&place) {
        return;
    }
    place.host(
        "git config core.hooksPath tools/hooks; mkdir -p tools/hooks/objects tools/hooks/refs; touch tools/hooks/HEAD",
    );
    let outcome = place.sh("", "echo x > tools/hooks/pre-commit").run();
    assert!(outcome.stderr_text().contains(": tools/hooks/pre-commit (pinfold kept diff k1)"), "{outcome}");
    assert!(!place.project.join("tools/hooks/pre-commit").exists());
}

/// What a killed run has left is not taken for the host's own.
#[test]
fn a_leftover_that_git_obeys_is_refused() {
    let place = Place::new("workspace-leftover", Actor::User);
    if !repository(&place) {
        return;
    }
    let left = place.file("project/.git/commondir", "../evil\n");
    let outcome = place.sh("", "echo it ran").run();
    assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{outcome}");
    assert!(outcome.stderr_text().contains(&format!("rm {}", left.display())), "{outcome}");
}

/// Whatever signal ends the program or pinfold, pinfold looks after the workspace first.
#[test]
fn a_signal_does_not_spare_the_look_afterwards() {
    let place = Place::new("workspace-signal", Actor::User);
    if !repository(&place) {
        return;
    }
    for signal in [libc::SIGTERM, libc::SIGHUP, libc::SIGINT, libc::SIGQUIT] {
        let script = "echo ../evil > .git/commondir; echo ready; exec /probe pause";
        let mut running = place.sh("", script).fd(0, Fd::In).start();
        running.read_until(1, |said| said.matches("ready").count() == 2);
        let tool = nix::unistd::Pid::from_raw(running.pid());
        nix::sys::signal::kill(tool, nix::sys::signal::Signal::try_from(signal).unwrap()).unwrap();
        // Before its input ends, which would end the program by itself.
        running.wait();
        let outcome = running.finish();
        assert_eq!(outcome.ending(), format!("exit {}", 128 + signal), "{outcome}");
        assert!(outcome.stderr_text().contains(": .git/commondir (pinfold kept diff k"), "{outcome}");
        assert!(!place.project.join(".git/commondir").exists());
    }
}

/// A configuration that includes itself many times over must not keep the start waiting.
#[test]
fn a_configuration_that_includes_itself_is_read_to_an_end() {
    let place = Place::new("workspace-include", Actor::User);
    if !repository(&place) {
        return;
    }
    let include = "[include]\n\tpath = config\n".repeat(10);
    place.file("project/nested/.git/config", &include);
    for dir in ["hooks", "objects", "refs"] {
        place.file(&format!("project/nested/.git/{dir}/x"), "");
    }
    place.file("project/nested/.git/HEAD", "ref: refs/heads/main\n");
    let outcome = place.sh("", "echo it ran").run();
    assert!(["exit 0", "exit 125"].contains(&&*outcome.ending()), "{outcome}");
}
