//! Odd callers: what they have set is neither a hindrance nor changed on the way.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::support::{
    Actor, Fd, Fixture, Launch, Outcome, TYPICAL, Tweak, executable, inside, line, pinfold, probe, tool,
};

/// A mask of the text of `/proc/PID/status`.
fn mask_of(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of status");
    u64::from_str_radix(line.trim(), 16).expect("a mask")
}

/// A mask of the status of `grep`, which prints it and neither blocks nor ignores anything by itself.
fn mask(outcome: &Outcome, name: &str) -> u64 {
    mask_of(&outcome.done(), name)
}

#[test]
fn signals_are_ignored_and_blocked_as_the_caller_has_them() {
    let run = |options: &str, tweaks: &[Tweak]| {
        let options = format!("{TYPICAL} {options}");
        let launch = inside(Actor::User, &options, &["grep", "Sig", "/proc/self/status"]);
        tweaks.iter().fold(launch, |launch, tweak| launch.tweak(*tweak)).run()
    };
    let bit = |signal: i32| 1u64 << (signal - 1);
    // A launch ignores nothing, but for the two signals that the C library keeps for itself: whoever started the tests
    // may ignore those (posix_spawn of glibc leaves 32 so), and nobody can change it.
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let own = mask_of(&status, "SigIgn:") & (bit(32) | bit(33));
    for options in ["", "--as-pid-1", "--new-session --die-with-parent"] {
        let plain = run(options, &[]);
        assert_eq!((mask(&plain, "SigIgn:"), mask(&plain, "SigBlk:")), (own, 0), "{options}");
        for signal in [libc::SIGPIPE, libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, 34, 64] {
            let ignored = mask(&run(options, &[Tweak::Ignore(signal)]), "SigIgn:");
            assert_eq!(ignored, own | bit(signal), "{signal} {options}");
            let blocked = mask(&run(options, &[Tweak::Block(signal)]), "SigBlk:");
            assert_eq!(blocked, bit(signal), "{signal} {options}");
        }
    }
}

/// The supervisor goes to another processor while the setup process begins, which is nobody else's concern.
#[test]
fn the_processors_are_those_of_the_caller() {
    let allowed = |status: &str| {
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("a line of status");
        list.trim().to_owned()
    };
    let own = allowed(&std::fs::read_to_string("/proc/self/status").unwrap());
    let first: usize = own.split([',', '-']).next().unwrap().parse().unwrap();
    let launch = || inside(Actor::User, TYPICAL, &["sh", "-c", "cat /proc/self/status; read line"]).fd(0, Fd::In);
    for (launch, wanted) in [(launch(), own), (launch().tweak(Tweak::Processor(first)), first.to_string())] {
        let mut running = launch.start();
        assert_eq!(
            allowed(&running.read_until(1, |said| said.contains("Cpus_allowed_list:") && said.ends_with('\n'))),
            wanted
        );
        let outside = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).unwrap();
        assert_eq!(allowed(&outside), wanted);
        running.feed(0, "\n");
        running.finish().done();
    }
}

/// A caller that ignores SIGCHLD makes the kernel throw away exit codes; one that blocks it delays what waits for it.
#[test]
fn a_caller_that_wants_no_sigchld_gets_the_exit_code_all_the_same() {
    for tweaks in [&[Tweak::Ignore(libc::SIGCHLD)][..], &[Tweak::Block(libc::SIGCHLD)]] {
        for options in ["", "--as-pid-1", "--die-with-parent", "--json-status-fd 9"] {
            for actor in [Actor::User, Actor::Root] {
                if !actor.here() {
                    continue;
                }
                let script = "sh -c 'exit 5'; [ $? = 5 ] && exit 7";
                let launch = inside(actor, &format!("{TYPICAL} {options}"), &["sh", "-c", script]).fd(9, Fd::Out);
                let outcome = tweaks.iter().fold(launch, |launch, tweak| launch.tweak(*tweak)).run();
                assert_eq!(outcome.ending(), "exit 7", "{tweaks:?} {options} {outcome}");
            }
        }
    }
}

#[test]
fn closed_standard_descriptors_stay_closed_and_do_no_harm() {
    let script = "for fd in 0 1 2; do [ -e /proc/$$/fd/$fd ] && echo $fd >&6; done; exit 4";
    for closed in 0..8 {
        for options in ["", "--file 5 /f --bind-data 7 /g --json-status-fd 9 --info-fd 8"] {
            let launch = inside(Actor::User, &format!("{TYPICAL} {options}"), &["sh", "-c", script]).fd(6, Fd::Out);
            let launch = launch.fd(5, Fd::Text("a")).fd(7, Fd::Text("b")).fd(8, Fd::Out).fd(9, Fd::Out);
            let is_closed = |fd: &i32| closed & (1 << fd) != 0;
            let launch = (0..3).filter(is_closed).fold(launch, |launch, fd| launch.fd(fd, Fd::Closed));
            let outcome = launch.run();
            let wanted: String = (0..3).filter(|fd| !is_closed(fd)).map(|fd| format!("{fd}\n")).collect();
            assert_eq!(outcome.ending(), "exit 4", "{closed:03b} {options}");
            assert_eq!(String::from_utf8_lossy(&outcome.outs[&6]), wanted, "{closed:03b} {options}");
        }
    }
}

/// With closed standard descriptors an error has nowhere to go, and must not go into a file that took the number.
#[test]
fn an_error_is_not_written_into_what_has_taken_the_place_of_stderr() {
    let fixture = Fixture::new("no-stderr", Actor::User);
    let options = format!("{TYPICAL} --bind {} /t --file 5 /t/made --ro-bind /nonexistent /x", fixture.path.display());
    let launch = inside(Actor::User, &options, &["true"]).fd(5, Fd::Text("text"));
    let before = fixture.listing();
    let outcome = launch.fd(0, Fd::Closed).fd(1, Fd::Closed).fd(2, Fd::Closed).run();
    assert_eq!(outcome.ending(), "exit 1");
    let after = fixture.listing().lines().filter(|line| !line.starts_with("made ")).collect::<Vec<_>>().join("\n");
    assert_eq!(after, before.trim_end());
}

/// A small table of descriptors is enough, or the error is clean.
#[test]
fn a_small_table_of_descriptors_is_enough_or_a_clean_error() {
    let mut enough = Vec::new();
    for limit in [3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32, 64] {
        let outcome = inside(Actor::User, TYPICAL, &["true"]).tweak(Tweak::Files(limit)).run();
        match &*outcome.ending() {
            "exit 0" => enough.push(limit),
            "exit 1" => {
                let stderr = outcome.stderr_text();
                assert!(stderr.starts_with("bwrap: ") && stderr.contains("ulimit -"), "{limit}: {outcome}");
            }
            _ => panic!("{limit}: {outcome}"),
        }
    }
    // As many as bubblewrap needs at most, with room for the few sources of the line.
    assert!(enough.contains(&24) && enough.contains(&64), "{enough:?}");
}

/// Beyond the limit of a file's size the kernel kills who writes (`SIGXFSZ`): not us, who say what was too large.
#[test]
fn a_limit_of_file_sizes_is_a_clean_error() {
    let launch = |options: &str| {
        let launch = inside(
            Actor::User,
            &format!("--ro-bind / / --tmpfs /tmp {options}"),
            &["grep", "Sig", "/proc/self/status"],
        );
        launch.fd(6, Fd::Text("0123456789")).fd(7, Fd::Text(""))
    };
    for namespace in ["", "--unshare-pid"] {
        for (option, said) in [
            ("--file 6 /tmp/x", "Can't write data to file /tmp/x: File too large"),
            ("--ro-bind-data 6 /tmp/x", "Can't write data to file /tmp/x: File too large"),
            ("--info-fd 7", "Write to info_fd: File too large"),
            ("--json-status-fd 7", "Write to info_fd: File too large"),
        ] {
            let line = format!("{option} {namespace}");
            let outcome = launch(&line).tweak(Tweak::FileSize(4)).run();
            assert_eq!(outcome.ending(), "exit 1", "{line}: {outcome}");
            let stderr = outcome.stderr_text();
            assert!(
                stderr.starts_with(&format!("bwrap: {said}\n")) && stderr.contains("ulimit -f"),
                "{line}: {stderr}"
            );
            // The program finds the signal as the caller has it.
            assert_eq!(mask(&launch(&line).run(), "SigIgn:"), mask(&launch("").run(), "SigIgn:"), "{line}");
        }
    }
}

/// Where nothing can be said, the exit code still says it.
#[test]
fn an_error_that_does_not_fit_into_its_file_is_one_by_its_exit_code() {
    let full = |words: &[&str], number: i32| {
        let launch = Launch::program(pinfold(), Actor::User, words).fd(number, Fd::Text("0123456789"));
        launch.tweak(Tweak::FileSize(4)).run()
    };
    assert_eq!(full(&["bwrap", "--bogus"], 2).ending(), "exit 1");
    assert_eq!(full(&["bwrap", "--ro-bind", "/none", "/", "true"], 2).ending(), "exit 1");
    assert_eq!(full(&["bwrap", "--uid", "1", "--uid", "1", "--ro-bind", "/none", "/", "true"], 2).ending(), "exit 1");
    assert_eq!(full(&["run", "--bogus", "true"], 2).ending(), "exit 125");
    let help = full(&["run", "--help"], 1);
    assert_eq!(help.ending(), "exit 125", "{help}");
    assert!(help.stderr_text().contains("File too large"), "{help}");
}

/// PID 1 is copied into memory where it may be looked into; without a PID namespace, that copy can be too large.
#[test]
fn a_limit_of_file_sizes_leaves_pid_1_as_it_is() {
    let fixture = Fixture::new("file-limit", Actor::User);
    let own = fixture.path.join("bwrap");
    executable::copy(tool().path(), &own);
    if let Some((uid, gid)) = Actor::User.ids() {
        std::os::unix::fs::chown(&own, Some(uid), Some(gid)).expect("give the copy to the user");
    }
    let words = "--ro-bind / / --json-status-fd 8 --sync-fd 6 true".split(' ').collect::<Vec<_>>();
    let launch = Launch::program(&own, Actor::User, &words).fd(6, Fd::Text("")).fd(8, Fd::Out);
    let outcome = launch.tweak(Tweak::FileSize(100)).run();
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
}

#[test]
fn no_further_process_is_a_clean_error() {
    let outcome = inside(Actor::User, TYPICAL, &["true"]).tweak(Tweak::Processes(0)).run();
    let stderr = outcome.stderr_text();
    assert_eq!(outcome.ending(), "exit 1", "{outcome}");
    assert!(stderr.contains("Resource temporarily unavailable") && stderr.contains("ulimit -u"), "{stderr}");
}

#[test]
fn a_low_limit_that_the_options_exceed_is_raised_and_given_back() {
    let binds: String = (0..300).map(|number| format!("--ro-bind /usr/bin /b/{number} ")).collect();
    let state = inside(Actor::User, &format!("{TYPICAL} {binds}"), &["/probe", "state"]).run().done();
    let limit = |state: &str| state.lines().find(|line| line.starts_with("rlimit nofile")).map(str::to_owned);
    let plain = inside(Actor::User, TYPICAL, &["/probe", "state"]).run().done();
    assert_eq!(limit(&state), limit(&plain));
    let outcome = inside(Actor::User, &format!("{TYPICAL} {binds}"), &["true"]).tweak(Tweak::Files(256)).run();
    assert!(outcome.ending() == "exit 1" && outcome.stderr_text().starts_with("bwrap: "), "{outcome}");
}

/// Nothing is ever put together into a line for a shell (CVE-2017-5207, CVE-2020-17368 of another tool).
#[test]
fn every_byte_of_an_argument_arrives() {
    let odd: Vec<Vec<u8>> = (1..=255).map(|byte| vec![byte]).chain([vec![], (1..=255).collect()]).collect();
    let words: Vec<OsString> = odd.iter().cloned().map(OsString::from_vec).collect();
    let start = format!("{TYPICAL} --").replace("{probe}", &probe().display().to_string());
    let start: Vec<OsString> = start.split_whitespace().chain(["/probe", "args"]).map(OsString::from).collect();
    let outcome = tool().launch(Actor::User, start.into_iter().chain(words)).run();
    let wanted: Vec<u8> = odd.iter().flat_map(|word| [b"arg ", &word[..], b"\n"].concat()).collect();
    assert_eq!(outcome.ending(), "exit 0", "{outcome}");
    assert_eq!(outcome.stdout, wanted);
}

#[test]
fn every_byte_of_a_variable_and_a_path_arrives() {
    let odd: Vec<u8> = (1..=255).filter(|byte| *byte != b'/').collect();
    let value = OsString::from_vec(odd.clone());
    let path = OsString::from_vec([b"/", &odd[..]].concat());
    let start = TYPICAL.replace("{probe}", &probe().display().to_string());
    let mut words: Vec<OsString> = start.split_whitespace().map(OsString::from).collect();
    words.extend(["--setenv".into(), "ODD".into(), value, "--dir".into(), path.clone(), "--chdir".into(), path]);
    words.extend(["--", "/probe", "state"].map(OsString::from));
    let outcome = tool().launch(Actor::User, words).run();
    for wanted in [[b"env ODD=", &odd[..], b"\n"].concat(), [b"env PWD=/", &odd[..], b"\n"].concat()] {
        assert!(outcome.stdout.windows(wanted.len()).any(|window| window == wanted), "{outcome}");
    }
}

/// CVE-2024-32462: a command with the name of an option must not become one.
#[test]
fn a_command_may_be_called_like_an_option() {
    let fixture = Fixture::new("option-names", Actor::User);
    for name in ["--bind", "--version", "--args", "-", "--"] {
        let program = fixture.path.join("dir").join(name);
        executable::copy(probe(), &program);
        let options = format!("{TYPICAL} --ro-bind {} /c --setenv PATH /c", fixture.path.join("dir").display());
        let said = inside(Actor::User, &options, &[name, "args", "--bind", "/", "/"]).run().done();
        assert_eq!(said, "arg --bind\narg /\narg /\n", "{name}");
    }
}

/// Who is told of a child waits for what it does, or enters it. The call is the newest that every new root needs.
#[test]
fn nobody_is_told_of_a_child_where_the_kernel_lacks_a_call() {
    let refused = missing_calls();
    let fixture = Fixture::new("old-kernel", Actor::User);
    // A workspace without what the fixture has locked.
    let project = fixture.path.join("project");
    std::fs::create_dir(&project).expect("make a project");
    let boxes = [
        line(&format!("--info-fd 8 {TYPICAL}"), &["true"]),
        line(&format!("--json-status-fd 8 {TYPICAL}"), &["true"]),
        line("--unshare-user --userns-block-fd 7 --info-fd 8 --ro-bind / /", &["true"]),
        [&*pinfold().display().to_string(), "run", "--json-status-fd", "8", "true"].map(String::from).into(),
    ];
    for words in boxes {
        for uname in [&[][..], &["setarch", "--uname-2.6"]] {
            let refused: Vec<&str> = refused.iter().map(String::as_str).collect();
            let around = [&["refuse"], &*refused, &["--"], uname].concat();
            let words: Vec<&str> = around.into_iter().chain(words.iter().map(String::as_str)).collect();
            let launch = Launch::program(probe(), Actor::User, &words);
            let outcome = launch.fd(7, Fd::In).fd(8, Fd::Out).dir(&project).run();
            assert!(["exit 1", "exit 125"].contains(&&*outcome.ending()), "{outcome}");
            let told = String::from_utf8_lossy(&outcome.outs[&8]);
            assert!(!told.contains("child-pid"), "{told}");
            let said = outcome.stderr_text();
            let first = said.lines().next().unwrap_or_default();
            let names_kernel =
                first.contains(": Linux 2.6.") && first.contains(" is too old (5.12 or newer is needed): ");
            assert_eq!(names_kernel, !uname.is_empty(), "a filter may hide the call as well: {said}");
            assert!(said.contains("\nhint: pinfold needs Linux 5.12 or newer"), "{said}");
        }
    }
}

/// What a kernel before 5.12 does not have: mount_setattr and open_tree_attr, which does the same while a tree is
/// copied.
fn missing_calls() -> [String; 2] {
    const OPEN_TREE_ATTR: libc::c_long = 467;
    [libc::SYS_mount_setattr, OPEN_TREE_ATTR].map(|call| format!("{call}:{}", libc::ENOSYS))
}

/// The same where nobody is told: the first line has the cause, and what could not be done.
#[test]
fn a_kernel_that_is_too_old_is_named_first() {
    let refused = missing_calls();
    let words = line("--ro-bind /usr /usr", &["true"]);
    let tools = ["--", "setarch", "--uname-2.6"].into_iter().chain(words.iter().map(String::as_str));
    let words = ["refuse"].into_iter().chain(refused.iter().map(String::as_str)).chain(tools);
    let outcome = Launch::program(probe(), Actor::User, &words.collect::<Vec<_>>()).run();
    let said = outcome.stderr_text();
    let first = said.lines().next().unwrap_or_default();
    assert!(first.starts_with("bwrap: Linux 2.6."), "{said}");
    assert!(first.ends_with("): Can't bind mount /usr on /usr: Function not implemented"), "{said}");
}
