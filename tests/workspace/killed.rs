//! The tool is killed, and the next run puts in order what it has left: nothing is lost, and nothing is applied that
//! belongs apart.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::Place;
use crate::support::{Actor, Launch, Running, stage};

/// What the box does with git's data.
const COMMIT: &str = "git commit -q --allow-empty -m inside; git branch made; echo 2 >file; git add file;";

/// The same without new objects. These are checked in a box, where no other git than the system's can be.
const REFS: &str = "git branch made; git reset -q --soft HEAD~1; git tag t; git config pull.rebase true
                    git config remote.o.url https://example.org/o; git branch -D old; git switch -qc other;";

/// A hook, a setting, and files that the host obeys, one of them tracked.
const EVIL: &str =
    "echo x >.git/hooks/pre-commit; git config core.fsmonitor evil; echo evil >.envrc; echo evil >.vscode/new;";

fn place(name: &str) -> Place {
    let place = Place::new(&format!("killed-{name}"), Actor::User);
    place.host(".", "mkdir home bin");
    std::fs::write(place.path.join("home/.gitconfig"), "[user]\nname = N\nemail = n@example.org\n").unwrap();
    place.repository("r");
    place.host(
        "r",
        "mkdir .vscode; echo old >.envrc; echo old >.vscode/old; git add .; git commit -qm two; git branch old",
    );
    place
}

fn start(place: &Place, env: &[(&str, &str)], script: &str) -> Running {
    let words = ["run", "--", "/bin/sh", "-ec", script];
    let launch = Launch::program(stage::pinfold(), place.actor, &words).dir(&place.path.join("r"));
    place.at_home(launch, env).start()
}

fn wait_for(path: &Path) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !path.exists() {
        assert!(Instant::now() < deadline, "{} did not come", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill_tool(running: Running) {
    kill(Pid::from_raw(running.pid()), Signal::SIGKILL).unwrap();
    let outcome = running.finish();
    assert_eq!(outcome.ending(), "signal 9", "{outcome}");
}

/// Nothing that the host obeys has reached it, and all of that is kept. Returns what git says of the repository.
fn is_in_order(place: &Place, said: &str) -> String {
    let script = "git config core.fsmonitor || echo none; test ! -e .git/hooks/pre-commit; cat .envrc; ls .vscode";
    assert_eq!(place.host("r", script), "none\nold\nold\n", "{said}");
    let kept = place.path.join("home/.local/state/pinfold/kept");
    // Beside the entries there is a list of the commits that boxes have made.
    let names = std::fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name != "made").collect::<Vec<_>>(), ["k1"], "{said}");
    for name in ["upper/hooks/pre-commit", "upper/config", "upper/new"] {
        let found = (0..2).any(|n| kept.join("k1").join(n.to_string()).join(name).exists());
        assert!(found, "{name} is lost: {said}");
    }
    assert_eq!(std::fs::read_to_string(kept.join("k1/files/0.new")).unwrap(), "evil\n", "{said}");
    let script = "git log --format=%s; git for-each-ref --format='%(refname) %(subject)'; git symbolic-ref HEAD
                  git status --porcelain; git config --local --list | sort; git reflog --format=%gs; git fsck";
    place.host("r", script)
}

/// What a run comes to that is not killed.
fn unkilled(name: &str, work: &str) -> String {
    let place = place(name);
    let outcome = start(&place, &[], &format!("{work}{EVIL}")).finish();
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    is_in_order(&place, &outcome.stderr_text())
}

/// Any run puts it in order, and says so. The one after it has nothing to do.
fn next_run(place: &Place, expected: &str) {
    let outcome = place.pinfold(&[], "r", "true");
    let said = outcome.stderr_text();
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    for part in ["was killed", "kept as k1", ".git/hooks/pre-commit", ".envrc is as before"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(is_in_order(place, &said), expected, "{said}");
    let outcome = place.pinfold(&[], "r", "true");
    assert_eq!((outcome.ending(), outcome.stderr_text()), ("exit 0".into(), String::new()), "{outcome}");
    assert_eq!(is_in_order(place, &said), expected, "{said}");
}

#[test]
fn while_the_program_runs() {
    let place = place("running");
    let before = place.host("r", "git log --format=%s; cat .git/config; ls .git/hooks .vscode");
    let running = start(&place, &[], &format!("{COMMIT}{EVIL} : >ready; exec sleep 1000"));
    wait_for(&place.path.join("r/ready"));
    kill_tool(running);
    // Until then nothing has reached the host, but for what git must be able to replace.
    assert_eq!(place.host("r", "rm ready; git log --format=%s; cat .git/config; ls .git/hooks .vscode"), before);
    next_run(&place, &unkilled("not", COMMIT));
}

/// While git works for the tool: it stands still at its first call, at its second one, and so on.
#[test]
fn in_the_middle_of_putting_in_order() {
    for (name, work, least) in [("commit", COMMIT, 2), ("refs", REFS, 4)] {
        let expected = unkilled(&format!("no-{name}"), work);
        let mut calls = 0;
        while is_killed_at(&format!("{name}-{calls}"), work, calls, &expected) {
            calls += 1;
        }
        assert!(calls >= least, "{name}: git was asked {calls} times only");
    }
}

/// The first signal waits until all is in order. With the second one the rest is kept as it is.
#[test]
fn a_second_signal_ends_putting_in_order() {
    let place = place("signals");
    let bin = place.path.join("bin");
    let slow = format!("#!/bin/sh\n: >{0}/new; mv {0}/new {0}/slow; exec sleep 1000\n", bin.display());
    std::fs::write(bin.join("git"), slow).unwrap();
    std::fs::set_permissions(bin.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let running =
        start(&place, &[("PATH", "{}/bin:/usr/bin:/bin")], &format!("export PATH=/usr/bin:/bin; {REFS}{EVIL}"));
    wait_for(&bin.join("slow"));
    let pid = Pid::from_raw(running.pid());
    kill(pid, Signal::SIGTERM).unwrap();
    // Until it is taken, a second one would be the same.
    let status = || std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let is_pending = || {
        let status = status();
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:\t"));
        pending.is_some_and(|set| u64::from_str_radix(set, 16).unwrap() >> (Signal::SIGTERM as u32 - 1) & 1 == 1)
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while is_pending() {
        assert!(Instant::now() < deadline, "nobody asks for signals");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!has_ended(running.pid()));
    kill(pid, Signal::SIGTERM).unwrap();
    let outcome = running.finish();
    let said = outcome.stderr_text();
    assert!(said.contains("not taken over any further, because it was to end: the rest is k1"), "{outcome}");
    assert_eq!(place.host("r", "cat .envrc; git config core.fsmonitor || echo none"), "old\nnone\n", "{outcome}");
    // It stays kept, and no later run says anything of it.
    let outcome = place.pinfold(&[], "r", "true");
    assert_eq!((outcome.ending(), outcome.stderr_text()), ("exit 0".into(), String::new()), "{outcome}");
    let kept = place.host_at_home(&[], "r", &format!("{} kept", stage::pinfold().display())).done();
    assert!(kept.contains("not taken over: it was to end") && kept.contains(".git/refs/heads/made"), "{kept}");
}

/// Kills the tool when it has started git so many times. Returns false if it does not do that so often.
fn is_killed_at(name: &str, work: &str, calls: usize, expected: &str) -> bool {
    let place = place(name);
    let bin = place.path.join("bin");
    let git = place.host(".", "command -v git");
    let slow = format!(
        "#!/bin/sh\nn=$(cat {0}/count 2>/dev/null || echo 0); echo $((n + 1)) >{0}/count\n\
         if [ $n -eq {calls} ]; then echo $$ >{0}/new; mv {0}/new {0}/slow; exec sleep 1000; fi\nexec {1} \"$@\"\n",
        bin.display(),
        git.trim_end()
    );
    std::fs::write(bin.join("git"), slow).unwrap();
    std::fs::set_permissions(bin.join("git"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let script = format!("export PATH=/usr/bin:/bin; {work}{EVIL}");
    let running = start(&place, &[("PATH", "{}/bin:/usr/bin:/bin")], &script);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !bin.join("slow").exists() {
        if has_ended(running.pid()) {
            let outcome = running.finish();
            assert_eq!(outcome.ending(), "exit 0", "{outcome}");
            return false;
        }
        assert!(Instant::now() < deadline, "neither slow nor done");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_tool(running);
    // It ends with the tool, whatever it is doing.
    let slow: i32 = std::fs::read_to_string(bin.join("slow")).unwrap().trim().parse().unwrap();
    let is_gone = || !Path::new(&format!("/proc/{slow}")).exists() || has_ended(slow);
    while !is_gone() {
        assert!(Instant::now() < deadline, "git outlives the tool");
        std::thread::sleep(Duration::from_millis(5));
    }
    next_run(&place, expected);
    true
}

/// Whether a child of this process has ended, and nobody has waited for it (proc_pid_stat(5)).
fn has_ended(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}
