//! Processes, objects and terminals of the host are not there, and nothing inside outlives the box.

use crate::support::{Actor, Fd, Launch, terminal};
use crate::{Place, actors};

#[test]
fn only_the_boxs_own_processes_are_to_be_seen() {
    for actor in actors() {
        let place = Place::new("pids", actor);
        assert_eq!(place.run("", &["/probe", "pids"]).run().done(), "[1, 2]\n");
        let outside = std::process::id().to_string();
        assert_eq!(place.run("", &["/probe", "kill", &outside, "0"]).run().refused(), libc::ESRCH);
        // Where the processes are shared, Landlock keeps signals inside.
        let shared = place.run("--share pid", &["/probe", "kill", &outside, "0"]).run();
        assert_eq!(shared.refused(), libc::EPERM);
        assert_eq!(place.run("", &["/probe", "ptrace", "1"]).run().refused(), libc::EPERM);
    }
}

#[test]
fn objects_of_system_v_are_its_own() {
    let place = Place::new("ipc", Actor::User);
    // SAFETY: takes numbers only; the segment is removed below.
    #[allow(unsafe_code)]
    let (key, id) = unsafe {
        let key = 0x7069_6e00 | (std::process::id() & 0xff).cast_signed();
        (key, libc::shmget(key, 4096, libc::IPC_CREAT | 0o666))
    };
    assert!(id >= 0, "a segment");
    let own = place.run("", &["/probe", "ipc", &key.to_string()]).run().done();
    let shared = place.run("--share ipc", &["/probe", "ipc", &key.to_string()]).run().done();
    // SAFETY: takes numbers only.
    #[allow(unsafe_code)]
    unsafe {
        libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut());
    }
    assert_eq!(own, "shm absent\nmsg absent\nsem absent\n");
    assert!(shared.starts_with("shm found\n"), "{shared}");
}

/// A limit of no processor time kills as well as a signal does, which Landlock keeps inside.
#[test]
fn shared_processes_cannot_be_changed() {
    for actor in actors() {
        let place = Place::new("others", actor);
        let other = Launch::program(std::path::Path::new("/bin/sleep"), actor, &["1000"]).start();
        let pid = other.pid().to_string();
        let call = |number: i64, args: &[&str]| {
            let number = number.to_string();
            let command: Vec<&str> = ["/probe", "syscall", &number].iter().chain(args).copied().collect();
            place.run("--share pid", &command).run()
        };
        let uid = actor.ids().map_or_else(|| nix::unistd::getuid().as_raw(), |(uid, _)| uid).to_string();
        for (number, args) in [
            (libc::SYS_prlimit64, &[&pid, "7", "0", "0"][..]),
            (libc::SYS_setpriority, &["0", &pid, "19"]),
            (libc::SYS_setpriority, &["1", &pid, "19"]),
            (libc::SYS_setpriority, &["2", "0", "19"]),
            (libc::SYS_ioprio_set, &["1", &pid, "24576"]),
            (libc::SYS_ioprio_set, &["3", &uid, "24576"]),
            (libc::SYS_sched_setscheduler, &[&pid, "0", "0"]),
            (libc::SYS_sched_setparam, &[&pid, "0"]),
            (libc::SYS_sched_setattr, &[&pid, "0", "0"]),
            (libc::SYS_sched_setaffinity, &[&pid, "0", "0"]),
        ] {
            assert_eq!(call(number, args).refused(), libc::EPERM, "{actor:?} {number} {args:?}");
        }
        // Its own it may set, and whoever names a call means it.
        call(libc::SYS_prlimit64, &["0", "7", "0", "0"]).done();
        call(libc::SYS_setpriority, &["0", "0", "5"]).done();
        call(libc::SYS_ioprio_set, &["1", "0", "24576"]).done();
        let number = libc::SYS_prlimit64.to_string();
        let options = "--share pid --syscall-allow prlimit64";
        place.run(options, &["/probe", "syscall", &number, &pid, "7", "0", "0"]).run().done();
        for name in ["oom_score_adj", "coredump_filter", "clear_refs", "autogroup"] {
            let file = format!("/proc/{pid}/{name}");
            for options in ["--share pid", "--share pid --landlock off --seccomp off"] {
                let outcome = place.run(options, &["/probe", "write", &file, "5"]).run();
                assert!(
                    [libc::EROFS, libc::ENOENT].contains(&outcome.refused()),
                    "{actor:?} {options} {name}: {outcome}"
                );
            }
        }
        // What it opens once more lies elsewhere.
        let again = "exec 3>new; echo again >/proc/self/fd/3; cat new";
        assert_eq!(place.sh("--share pid", again).run().done(), "again\n");
    }
}

/// No namespace separates keyrings: the lists of procfs name those of the caller too.
#[test]
fn keyrings_are_not_listed() {
    for actor in actors() {
        let place = Place::new("keys", actor);
        for options in ["", "--seccomp off", "--landlock off", "--share pid"] {
            for list in ["/proc/keys", "/proc/key-users"] {
                let outcome = place.run(options, &["/probe", "cat", list]).run();
                assert_eq!(outcome.refused(), libc::EACCES, "{actor:?} {options} {list}");
            }
        }
        // A box in a box has a procfs of its own, which the kernel would not give it over a covered one.
        place.run("--allow-userns", &["/probe", "cat", "/proc/keys"]).run().done();
    }
}

/// Whatever signal ends pinfold, nothing inside lives on.
#[test]
fn the_box_ends_with_the_tool() {
    let place = Place::new("end", Actor::User);
    for options in ["--keep-fd 5", "--keep-fd 5 --net host --landlock off"] {
        for signal in [libc::SIGKILL, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            let mut running = place.sh(options, "/probe pause 5 & exec /probe pause 5").fd(5, Fd::In).start();
            running.read_until(1, |said| said.matches("ready").count() == 2);
            let tool = nix::unistd::Pid::from_raw(running.pid());
            nix::sys::signal::kill(tool, nix::sys::signal::Signal::try_from(signal).unwrap()).unwrap();
            // The end of its output, which every process inside holds.
            running.wait();
            running.read_until_end(1);
        }
    }
}

/// CVE-2017-5226: what a program puts into the terminal that it shares with its caller.
#[test]
fn nothing_is_typed_into_the_terminal() {
    for options in ["", "--seccomp strict", "--seccomp build", "--seccomp desktop", "--seccomp off", "--landlock off"] {
        let place = Place::new("terminal", Actor::User);
        let options = format!("--keep-fd 6 {options}");
        assert_eq!(terminal::typed(place.sh(&options, terminal::TYPING)), 0, "{options}");
    }
}

/// kill(2) of 0 reaches a process group through any PID namespace.
#[test]
fn the_callers_process_group_is_out_of_reach() {
    for actor in actors() {
        let place = Place::new("group", actor);
        let tool = crate::support::pinfold().display().to_string();
        let script = format!("{tool} run sh -c 'kill -9 0; echo no' >/dev/null 2>&1; echo the caller lives");
        let said = crate::support::Launch::program(std::path::Path::new("/bin/sh"), actor, &["-c", &script]);
        let said = said.dir(&place.project).env("HOME", place.home.to_str().unwrap()).run();
        assert_eq!(said.done(), "the caller lives\n", "{actor:?}");
    }
}

/// In a session of its own the program does not get what the terminal sends, so that has to end the box.
#[test]
fn an_interrupt_from_the_terminal_ends_a_box_with_a_session_of_its_own() {
    for (options, key, signal) in [("--new-session", b"\x03", "signal 2"), ("--seccomp off", b"\x1c", "signal 3")] {
        let pty = nix::pty::openpty(None, None).expect("a pseudo-terminal");
        let slave = std::sync::Arc::new(pty.slave);
        let place = Place::new("interrupt-session", Actor::User);
        let launch = place.sh(&format!("--keep-fd 6 {options}"), "echo ready >&6; read x; echo lives >&6");
        let launch = launch.fd(6, Fd::Out);
        let launch = [0, 1, 2].iter().fold(launch, |launch, fd| launch.fd(*fd, Fd::Given(slave.clone())));
        let mut running = launch.tweak(crate::support::Tweak::Terminal).start();
        running.read_until(6, |said| said.contains("ready"));
        std::io::Write::write_all(&mut std::fs::File::from(pty.master.try_clone().unwrap()), key).unwrap();
        assert_eq!(running.finish().ending(), signal, "{options}");
    }
}

/// What a terminal sends goes to the program as well, which may live on; what is sent to pinfold alone ends the box.
#[test]
fn an_interrupt_from_the_terminal_is_the_programs() {
    let pty = nix::pty::openpty(None, None).expect("a pseudo-terminal");
    let slave = std::sync::Arc::new(pty.slave);
    let place = Place::new("interrupt", Actor::User);
    let script = "trap 'echo caught >&6' INT; echo ready >&6; read x; echo lives $x >&6";
    let launch = place.sh("--keep-fd 6", script).fd(6, Fd::Out);
    let launch = [0, 1, 2].iter().fold(launch, |launch, fd| launch.fd(*fd, Fd::Given(slave.clone())));
    let mut running = launch.tweak(crate::support::Tweak::Terminal).start();
    running.read_until(6, |said| said.contains("ready"));
    let mut terminal = std::fs::File::from(pty.master);
    std::io::Write::write_all(&mut terminal, b"\x03").unwrap();
    running.read_until(6, |said| said.contains("caught"));
    std::io::Write::write_all(&mut terminal, b"on\n").unwrap();
    running.read_until(6, |said| said.contains("lives"));
    assert_eq!(running.finish().ending(), "exit 0");
}

#[test]
fn pid_1_reaps_whatever_ends_in_the_box() {
    let place = Place::new("reaps", Actor::User);
    for options in ["", "--syscall-deny kill", "--new-session"] {
        assert_eq!(place.run(options, &["/probe", "zombies", "10000"]).run().done(), "zombies 0\n", "{options}");
    }
}
