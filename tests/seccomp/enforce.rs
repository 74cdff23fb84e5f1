//! What the kernel answers under a filter, on both calling conventions of x86_64.
#![cfg(target_arch = "x86_64")]

use std::path::PathBuf;
use std::sync::OnceLock;

use super::support::skip;
use super::{PROFILES, boxed, built, data, filter, tool, tools};

const EPERM: i64 = -1;
const ENOSYS: i64 = -38;

/// calls.c for programs of `bits` bits.
pub(super) fn calls(bits: &str) -> Option<&'static PathBuf> {
    static BUILT: [OnceLock<Option<PathBuf>>; 2] = [OnceLock::new(), OnceLock::new()];
    let program = BUILT[usize::from(bits == "64")].get_or_init(|| {
        let flags = "-O1 -nostdlib -static -ffreestanding -fno-pic -no-pie -fno-stack-protector -fcf-protection=none";
        let width = format!("-m{bits}");
        let options: Vec<&str> = flags.split(' ').chain([&*width]).collect();
        built("calls.c", &format!("calls{bits}"), &options)
    });
    program.as_ref()
}

/// What the kernel answers to `words`, calls that `--` separates, from a program of `bits` bits under `profile`.
///
/// Nothing where such programs do not run here.
fn answers(profile: Option<&str>, bits: &str, words: &str) -> Option<Vec<i64>> {
    let program = calls(bits)?;
    if !std::process::Command::new(program).status().is_ok_and(|status| status.success()) {
        skip(&format!("this kernel runs no programs of {bits} bits"));
        return None;
    }
    let options = format!("--ro-bind {} /calls", program.display());
    let command: Vec<&str> = ["/calls"].into_iter().chain(words.split_whitespace()).collect();
    let filter = profile.map(|profile| filter(profile, "x86_64"));
    let said = boxed(tool(), filter, &options, &command).run().done();
    Some(said.lines().map(|line| line.parse().unwrap()).collect())
}

/// A call with a word for people, what it must answer under `default`, and whether it surely answers something else
/// without a filter. (Others depend on the kernel's configuration, or are refused to the box in any case.)
type Row = (&'static str, &'static str, i64, bool);

const CALLS_64: &[Row] = &[
    ("getppid", "110", 1, false),
    ("clone in a new user namespace", "56 0x10000011", EPERM, true),
    ("the same with a bit in the upper half", "56 0x110000011", EPERM, true),
    ("unshare a user namespace", "272 0x10000000", EPERM, true),
    ("clone3", "435 0 0", ENOSYS, true),
    ("io_uring_setup", "425 1 0", ENOSYS, false),
    ("keyctl: number of the session keyring", "250 0 0xfffffffd 0", EPERM, false),
    ("bpf", "321 0 0 0", EPERM, false),
    ("mount", "165 0 0 0 0 0", EPERM, true),
    ("fsopen", "430 0 0", EPERM, false),
    ("open_tree", "428 0xffffffff 0 1", EPERM, false),
    ("ptrace: PTRACE_TRACEME", "101 0 0 0 0", EPERM, true),
    ("process_vm_readv", "310 1 0 0 0 0 0", EPERM, false),
    ("userfaultfd", "323 0xff", EPERM, false),
    ("ioctl TIOCSTI", "16 0 0x5412 0", EPERM, true),
    ("ioctl TIOCSTI with a bit in the upper half", "16 0 0x100005412 0", EPERM, true),
    ("ioctl TIOCLINUX with every bit in the upper half", "16 0 0xffffffff0000541c 0", EPERM, true),
    ("ioctl TCGETS on a file", "16 0 0x5401 0", -25, false),
    ("socket AF_VSOCK", "41 40 1 0", -97, false),
    ("socket AF_ALG", "41 38 5 0", -97, false),
    ("socket AF_PACKET by its old name, SOCK_PACKET of AF_INET", "41 2 10 0", -97, true),
    ("socketpair AF_VSOCK", "53 40 1 0 0", -97, false),
    ("socketpair AF_TIPC", "53 30 1 0 0", -97, false),
    ("socketpair AF_SMC", "53 43 1 0 0", -97, false),
    ("socketpair AF_UNIX to nowhere", "53 1 1 0 0", -14, false),
    ("chmod u+s", "90 0 0x9ed", EPERM, true),
    ("chmod g+s", "90 0 0x5ed", EPERM, true),
    ("chmod u+s with bits that the kernel ignores", "90 0 0x1000f09ed", EPERM, true),
    ("chmod without them", "90 0 0x3ff", -14, false),
    ("fchmod u+s", "91 99 0x9ed", EPERM, true),
    ("fchmodat u+s", "268 0xffffff9c 0 0x9ed", EPERM, true),
    ("fchmodat2 g+s", "452 0xffffff9c 0 0x5ed 0", EPERM, true),
    ("creat u+s", "85 0 0x9ed", EPERM, true),
    ("open O_CREAT u+s", "2 0 0x41 0x9ed", EPERM, true),
    ("open O_TMPFILE g+s", "2 0 0x410002 0x5ed", EPERM, true),
    ("open for reading, with a mode that says nothing", "2 0 0 0x9ed", -14, false),
    ("openat O_CREAT u+s", "257 0xffffff9c 0 0x41 0x9ed", EPERM, true),
    ("openat O_TMPFILE u+s", "257 0xffffff9c 0 0x410002 0x9ed", EPERM, true),
    ("openat for reading, with a mode that says nothing", "257 0xffffff9c 0 0 0x9ed", -14, false),
    ("openat2", "437 0xffffff9c 0 0 0", ENOSYS, true),
    ("mknod u+s", "133 0 0x89ed 0", EPERM, true),
    ("mknodat g+s", "259 0xffffff9c 0 0x85ed 0", EPERM, true),
    ("personality: ask", "135 0xffffffff", 0, false),
    ("personality ADDR_NO_RANDOMIZE", "135 0x40000", EPERM, true),
    ("x32: getpid", "0x40000027", ENOSYS, false),
    ("a number that no kernel has", "0x7ff", ENOSYS, false),
    ("a negative number", "0xffffffff", ENOSYS, false),
];

const CALLS_32: &[Row] = &[
    ("getppid", "64", 1, false),
    ("mount", "21 0 0 0 0 0", EPERM, true),
    ("umount", "22 0", EPERM, true),
    ("unshare a user namespace", "310 0x10000000", EPERM, true),
    ("clone in a new user namespace", "120 0x10000011", EPERM, true),
    ("clone3", "435 0 0", ENOSYS, true),
    ("io_uring_setup", "425 1 0", ENOSYS, false),
    ("ptrace: PTRACE_TRACEME", "26 0 0 0 0", EPERM, true),
    ("ioctl TIOCSTI", "54 0 0x5412 0", EPERM, true),
    ("ioctl TCGETS on a file", "54 0 0x5401 0", -25, false),
    ("socket AF_VSOCK", "359 40 1 0", -97, false),
    ("socketpair AF_TIPC", "360 30 1 0 0", -97, false),
    ("chmod u+s", "15 0 0x9ed", EPERM, true),
    ("fchmod g+s", "94 99 0x5ed", EPERM, true),
    ("fchmodat u+s", "306 0xffffff9c 0 0x9ed", EPERM, true),
    ("fchmodat2 g+s", "452 0xffffff9c 0 0x5ed 0", EPERM, true),
    ("creat u+s", "8 0 0x9ed", EPERM, true),
    ("open O_CREAT u+s", "5 0 0x41 0x9ed", EPERM, true),
    ("open for reading, with a mode that says nothing", "5 0 0 0x9ed", -14, false),
    ("openat O_TMPFILE u+s", "295 0xffffff9c 0 0x410002 0x9ed", EPERM, true),
    ("openat2", "437 0xffffff9c 0 0 0", ENOSYS, true),
    ("mknod u+s", "14 0 0x89ed 0", EPERM, true),
    ("mknodat g+s", "297 0xffffff9c 0 0x85ed 0", EPERM, true),
    ("socketcall: socket", "102 1 0", ENOSYS, true),
    ("socketcall: socketpair", "102 8 0", ENOSYS, true),
    ("socketcall: connect", "102 3 0", -14, false),
    ("modify_ldt", "123 0 0 0", EPERM, false),
    ("a number that no kernel has", "0x7ff", ENOSYS, false),
];

/// `rows` under `default`, and where it tells something without it.
fn table(bits: &str, lead: &str, rows: &[Row]) {
    let words: Vec<String> = rows.iter().map(|(_, call, ..)| format!("{lead}{call}")).collect();
    let Some(with) = answers(Some("default"), bits, &words.join(" -- ")) else { return };
    assert_eq!(with.len(), rows.len());
    for ((what, call, wanted, _), answer) in rows.iter().zip(with) {
        assert_eq!(answer, *wanted, "{what}: {lead}{call}");
    }
    // One by one: without a filter some of them really do something.
    for (what, call, wanted, _) in rows.iter().filter(|(.., held)| *held) {
        let without = answers(None, bits, &format!("{lead}{call}")).unwrap();
        assert_ne!(without[0], *wanted, "{what} without a filter: {lead}{call}");
    }
}

#[test]
fn programs_of_64_bits_are_held() {
    table("64", "", CALLS_64);
}

#[test]
fn programs_of_32_bits_are_held_by_the_same_policy() {
    table("32", "", CALLS_32);
}

/// A 64-bit program that calls by the gate of 32-bit programs is judged by their numbers.
#[test]
fn the_gate_of_32_bit_programs_is_no_way_around() {
    table("64", "int80 ", CALLS_32);
}

/// What the kernel shows to a filter are whole registers, what it uses by this gate are their lower halves.
#[test]
fn upper_halves_at_the_gate_change_nothing() {
    let words = "int80 54 0 0x100005412 0 -- int80 54 0 0xffffffff0000541c 0 -- int80 102 0x100000001 0 \
                 -- int80 120 0x110000011 -- int80 359 0x100000028 1 0 -- int80 136 0xf00040000 \
                 -- int80 102 0x100000008 0 -- int80 15 0 0x1000009ed -- int80 5 0 0x100000041 0x1000005ed";
    let Some(answers) = answers(Some("default"), "64", words) else { return };
    assert_eq!(answers, [EPERM, EPERM, ENOSYS, EPERM, -97, EPERM, ENOSYS, EPERM, EPERM]);
}

#[test]
fn every_profile_holds_a_program() {
    for profile in PROFILES {
        let words = "165 0 0 0 0 0 -- 425 1 0 -- 435 0 0 -- 272 0x10000000 -- 101 0 0 0 0";
        let Some(answers) = answers(Some(profile), "64", words) else { return };
        let trace = if *profile == "build" { 0 } else { EPERM };
        assert_eq!(answers, [EPERM, ENOSYS, ENOSYS, EPERM, trace], "{profile}");
    }
}

/// The files of Docker and Podman, as they are.
#[test]
fn profiles_of_others_hold_a_program() {
    // mount, and clone in a new user namespace.
    for (file, mount, clone) in [("docker.json", EPERM, EPERM), ("docker-2015.json", EPERM, EPERM)] {
        let Some(answers) = answers(Some(&data(file)), "64", "165 0 0 0 0 0 -- 56 0x10000011 -- 110") else { return };
        assert_eq!(answers, [mount, clone, 1], "{file}");
    }
    // Podman lets programs make namespaces, and answers ENOSYS to what it does not know.
    let words = "425 1 0 -- 323 0xff -- 41 16 3 9 -- 41 16 3 0x100000009 -- 110";
    let Some(answers) = answers(Some(&data("podman.json")), "64", words) else { return };
    assert_eq!(answers, [ENOSYS, EPERM, -22, -22, 1]);
}

/// The kernel takes filters of other architectures, and they let nobody in: the architecture is looked at first.
#[test]
fn a_filter_of_another_architecture_kills_whoever_calls() {
    for arch in ["aarch64", "riscv64"] {
        for profile in PROFILES {
            let outcome = boxed(tool(), Some(filter(profile, arch)), "", &["true"]).run();
            assert_eq!(outcome.ending(), "exit 159", "{profile} for {arch}: {outcome}");
        }
    }
}

#[test]
fn every_bwrap_takes_the_filter() {
    let Some(program) = calls("64") else { return };
    let options = format!("--ro-bind {} /calls", program.display());
    for tool in tools() {
        let outcome =
            boxed(tool, Some(filter("default", "x86_64")), &options, &["/calls", "165", "--", "425", "1"]).run();
        assert_eq!(outcome.done(), "-1\n-38\n", "{}", tool.name);
    }
}
