//! The filter of system calls through the front door: what it answers, and how it is chosen and changed.
//!
//! What every profile answers to every number is tested in src/seccomp/tests, on every calling convention of this
//! machine in tests/seccomp.

use std::fs;

use crate::Place;
use crate::support::{Actor, Outcome};

fn call(place: &Place, options: &str, words: &str) -> Outcome {
    let command: Vec<&str> = ["/probe", "syscall"].into_iter().chain(words.split_whitespace()).collect();
    place.run(options, &command).run()
}

/// `NUMBER ARGUMENTS` of a call.
fn words(number: i64, arguments: &str) -> String {
    format!("{number} {arguments}")
}

#[test]
fn the_default_filter_refuses_what_reaches_deep_into_the_kernel() {
    let place = Place::new("seccomp-default", Actor::User);
    for (what, call_words, errno) in [
        ("io_uring_setup", words(libc::SYS_io_uring_setup, "1"), libc::ENOSYS),
        ("userfaultfd", words(libc::SYS_userfaultfd, "1"), libc::EPERM),
        ("bpf", words(libc::SYS_bpf, ""), libc::EPERM),
        ("keyctl", words(libc::SYS_keyctl, ""), libc::EPERM),
        ("add_key", words(libc::SYS_add_key, ""), libc::EPERM),
        ("ptrace", words(libc::SYS_ptrace, ""), libc::EPERM),
        ("process_vm_readv", words(libc::SYS_process_vm_readv, "1"), libc::EPERM),
        ("mount", words(libc::SYS_mount, ""), libc::EPERM),
        ("open_tree", words(libc::SYS_open_tree, ""), libc::EPERM),
        ("mount_setattr", words(libc::SYS_mount_setattr, ""), libc::EPERM),
        ("unshare of a user namespace", words(libc::SYS_unshare, "268435456"), libc::EPERM),
        ("unshare of a mount namespace", words(libc::SYS_unshare, "131072"), libc::EPERM),
        ("setns", words(libc::SYS_setns, ""), libc::EPERM),
        ("perf_event_open", words(libc::SYS_perf_event_open, ""), libc::EPERM),
        ("kexec_load", words(libc::SYS_kexec_load, ""), libc::EPERM),
        // Its flags lie in memory that no filter sees: programs fall back to clone.
        ("clone3", words(libc::SYS_clone3, ""), libc::ENOSYS),
        ("a number that no kernel has", words(1023, ""), libc::ENOSYS),
        ("the last number that fits", words(0x3fff_ffff, ""), libc::ENOSYS),
    ] {
        let outcome = call(&place, "", &call_words);
        assert_eq!(outcome.refused(), errno, "{what}");
    }
    assert_eq!(call(&place, "", &words(libc::SYS_getppid, "")).done(), "result 1\n");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_x32_do_not_exist() {
    let place = Place::new("seccomp-x32", Actor::User);
    // getpid, mount; strict as well (firejail#87).
    for options in ["", "--seccomp strict", "--seccomp build", "--seccomp desktop"] {
        for number in [0x4000_0000 + 39, 0x4000_0000 + 165, 0x4000_0000 + 520] {
            assert_eq!(call(&place, options, &number.to_string()).refused(), libc::ENOSYS, "{options} {number:#x}");
        }
    }
}

/// tests/seccomp/calls.c as a program of `bits` bits; nothing where it cannot be had or run. Built here, since a
/// machine may have the compiler but not the headers of 32 bits.
#[cfg(target_arch = "x86_64")]
pub(crate) fn calls(bits: &str) -> Option<std::path::PathBuf> {
    static BUILT: [std::sync::OnceLock<bool>; 2] = [std::sync::OnceLock::new(), std::sync::OnceLock::new()];
    let program = crate::support::stage().join(format!("calls{bits}-of-run"));
    let is_here = BUILT[usize::from(bits == "64")].get_or_init(|| {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/seccomp/calls.c");
        let flags = "-O1 -nostdlib -static -ffreestanding -fno-pic -no-pie -fno-stack-protector -fcf-protection=none";
        let mut gcc = std::process::Command::new("gcc");
        gcc.arg(format!("-m{bits}")).args(flags.split(' ')).arg(source).arg("-o").arg(&program);
        if !gcc.output().is_ok_and(|output| output.status.success()) {
            crate::support::skip(&format!("gcc builds no program of {bits} bits here"));
            return false;
        }
        if !std::process::Command::new(&program).status().is_ok_and(|status| status.success()) {
            crate::support::skip(&format!("this kernel runs no programs of {bits} bits"));
            return false;
        }
        true
    });
    is_here.then_some(program)
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_program_of_32_bits_runs_under_the_same_policy() {
    let Some(program) = calls("32") else { return };
    let place = Place::new("seccomp-32", Actor::User);
    let show = format!("--ro {}:/calls", program.display());
    // getppid, mount, unshare of a user namespace, ptrace, io_uring_setup, x32's bit.
    let command = "/calls 64 -- 21 0 0 0 0 0 -- 310 0x10000000 -- 26 0 0 0 0 -- 425 1 0 -- 0x7ff";
    let said = place.run(&show, &command.split(' ').collect::<Vec<_>>()).run().done();
    assert_eq!(said, "1\n-1\n-1\n-1\n-38\n-38\n");
}

#[test]
fn each_profile_lets_through_what_it_is_for() {
    let place = Place::new("seccomp-profiles", Actor::User);
    let trace = words(libc::SYS_ptrace, "");
    let socket = words(libc::SYS_socket, "2 1 0");
    for (options, traces, has_sockets) in [
        ("", false, true),
        ("--seccomp default", false, true),
        ("--seccomp strict", false, false),
        ("--seccomp build", true, true),
        ("--seccomp desktop", false, true),
        ("--profile build", true, true),
        ("--profile offline-tool", false, false),
        ("--seccomp off", true, true),
    ] {
        assert_eq!(call(&place, options, &trace).ending() == "exit 0", traces, "{options}");
        assert_eq!(call(&place, options, &socket).ending() == "exit 0", has_sockets, "{options}");
        // Whoever traces cannot change what a filter says (kernels before 4.8 let them), nor mount.
        assert_eq!(place.run(options, &["/probe", "mount", "/tmp"]).run().refused(), libc::EPERM, "{options}");
    }
    let filters = |options: &str| {
        place.sh(options, "grep -E '^Seccomp(_filters)?:' /proc/self/status | tr -d '\\t\\n'").run().done()
    };
    assert_eq!(filters(""), "Seccomp:2Seccomp_filters:1");
    assert_eq!(filters("--seccomp off"), "Seccomp:0Seccomp_filters:0");
}

/// The files of Docker and Podman, as they are.
#[test]
fn a_file_in_the_form_of_oci_is_a_filter() {
    let place = Place::new("seccomp-oci", Actor::User);
    for name in ["docker.json", "docker-2015.json", "podman.json"] {
        let text = fs::read_to_string(format!("{}/tests/seccomp/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let file = place.file(&format!("filters/{name}"), &text);
        let options = format!("--seccomp {}", file.display());
        assert_eq!(call(&place, &options, &words(libc::SYS_getppid, "")).done(), "result 1\n", "{name}");
        assert_eq!(call(&place, &options, &words(libc::SYS_userfaultfd, "255")).refused(), libc::EPERM, "{name}");
        assert_eq!(place.sh(&options, "echo a | tr a b").run().done(), "b\n", "{name}");
        // By a path that counts from here, and in a profile.
        assert_eq!(place.sh(&format!("--seccomp ../filters/{name}"), "echo it runs").run().done(), "it runs\n");
        place.file("oci.profile", &format!("profile workspace\nseccomp {}\n", file.display()));
        assert_eq!(
            call(&place, "--profile ../oci.profile", &words(libc::SYS_userfaultfd, "255")).refused(),
            libc::EPERM,
            "{name}"
        );
    }
}

/// What is no filter, or none that can be told, is refused before anything runs.
#[test]
fn a_wrong_file_is_refused() {
    let place = Place::new("seccomp-wrong", Actor::User);
    for (text, wanted) in [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        (r#"{"defaultAction": "SCMP_ACT_NO"}"#, "SCMP_ACT_NO"),
        (r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_NOTIFY"}]}"#, ""),
        (r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": []}"#, "execve"),
    ] {
        let file = place.file("wrong.json", text);
        let outcome = place.sh(&format!("--seccomp {}", file.display()), "echo it ran").run();
        assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{text}: {outcome}");
        assert!(outcome.stderr_text().contains("wrong.json") || !wanted.is_empty(), "{text}: {outcome}");
        assert!(outcome.stderr_text().contains(wanted), "{text}: {outcome}");
    }
    // Nobody waits for a fifo, and a directory is none.
    nix::unistd::mkfifo(&place.home.join("fifo"), nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    for path in ["../fifo", "/dev/zero", "/etc/", "../no/such.json"] {
        let outcome = place.sh(&format!("--seccomp {path}"), "echo it ran").run();
        assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 125".into(), String::new()), "{path}: {outcome}");
    }
}

#[test]
fn single_calls_can_be_refused_and_allowed() {
    let place = Place::new("seccomp-calls", Actor::User);
    let (trace, uname) = (words(libc::SYS_ptrace, ""), words(libc::SYS_sync, ""));
    assert_eq!(call(&place, "--syscall-allow ptrace", &trace).done(), "result 0\n");
    assert_eq!(call(&place, "--syscall-allow @ptrace", &trace).done(), "result 0\n");
    assert_eq!(call(&place, "", &uname).done(), "result 0\n");
    assert_eq!(call(&place, "--syscall-deny sync", &uname).refused(), libc::EPERM);
    assert_eq!(call(&place, "--syscall-deny syncfs,sync", &uname).refused(), libc::EPERM);
    // The refusal is stronger, in whatever order.
    assert_eq!(call(&place, "--syscall-deny ptrace --syscall-allow @ptrace", &trace).refused(), libc::EPERM);
    assert_eq!(call(&place, "--syscall-allow ptrace --syscall-deny @ptrace", &trace).refused(), libc::EPERM);
    for (options, wanted) in [
        ("--syscall-deny ptrase", "ptrase"),
        ("--syscall-deny @no-such", "@no-such"),
        ("--syscall-allow mount,,umount2", "a word of the list is empty"),
        ("--syscall-allow=", "a word of the list is empty"),
        ("--seccomp off --syscall-deny ptrace", "there is none"),
        ("--seccomp off --syscall-allow ptrace", "there is none"),
        // What the filter's proof stands on: without these, no program would come to run.
        ("--syscall-deny execve", "execve"),
    ] {
        let outcome = place.sh(options, "echo it ran").run();
        assert_eq!(
            (outcome.ending(), outcome.stdout_text()),
            ("exit 125".into(), String::new()),
            "{options}: {outcome}"
        );
        assert!(outcome.stderr_text().contains(wanted), "{options}: {outcome}");
    }
}

/// CVE-2019-10063: a filter compares 64 bits where the kernel uses 32.
#[test]
fn upper_halves_of_arguments_change_nothing() {
    let place = Place::new("seccomp-halves", Actor::User);
    let tiocsti = libc::TIOCSTI as i64;
    let tioclinux = libc::TIOCLINUX as i64;
    for options in ["", "--seccomp strict", "--seccomp build", "--seccomp desktop"] {
        for request in [tiocsti, tiocsti + (1 << 32), tiocsti - (1 << 32), tioclinux, tioclinux + (0x7fff << 32)] {
            // Of a descriptor that is not open: only the filter can say anything but EBADF.
            let refused = call(&place, options, &words(libc::SYS_ioctl, &format!("99 {request}"))).refused();
            let wanted = if options == "--seccomp strict" { libc::ENOTTY } else { libc::EPERM };
            assert_eq!(refused, wanted, "{options} {request:#x}");
        }
    }
}

/// A filter as Firecracker's users have them, chosen by its name; what starts a program is allowed beside it.
#[test]
#[cfg(target_arch = "x86_64")]
fn a_filter_in_the_form_of_seccompiler_is_taken() {
    let place = Place::new("seccomp-seccompiler", Actor::User);
    let text = r#"{
        "strict": {"default_action": "trap", "filter_action": "allow", "filter": [{"syscall": "read"}]},
        "loose": {"default_action": "allow", "filter_action": {"errno": 13}, "filter": [{"syscall": "getpriority"}]}}"#;
    let file = place.file("filters/threads.json", text);
    let with = |name: &str| format!("--seccomp {}#{name}", file.display());
    let getpriority = words(libc::SYS_getpriority, "0 0");
    assert_eq!(call(&place, &with("loose"), &getpriority).refused(), libc::EACCES);
    assert_eq!(call(&place, &with("loose"), &words(libc::SYS_getppid, "")).done(), "result 1\n");
    // x32 is refused in front of a list of what is refused.
    assert_eq!(call(&place, &with("loose"), &(0x4000_0000 + 140).to_string()).refused(), libc::ENOSYS);
    assert_eq!(
        call(&place, &format!("{} --syscall-allow getpriority", with("loose")), &getpriority).done(),
        "result 20\n"
    );
    let error = call(&place, &with("strict"), &getpriority);
    let wanted = "the system call filter refuses execve, which starting the program needs";
    assert!(error.stderr_text().contains(wanted), "{error}");
}
