//! Processes, objects and terminals of the host are not there, and nothing inside outlives the box.

use crate::support::{Actor, Fd, terminal};
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
