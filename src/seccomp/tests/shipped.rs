//! What the shipped profiles promise on every architecture.

use super::*;
use crate::seccomp::shipped::{names, text};
use crate::seccomp::table::GROUPS;

/// Every kernel, with each of its calling conventions.
fn everywhere() -> impl Iterator<Item = (Arch, Arch)> {
    Arch::KERNELS
        .into_iter()
        .flat_map(|kernel| [Some(kernel), kernel.compat()].into_iter().flatten().map(move |a| (kernel, a)))
}

fn compiled(name: &str, kernel: Arch) -> Compiled {
    Compiled::new(text(name).unwrap(), kernel)
}

fn exists(arch: Arch, name: &str) -> bool {
    Table::new().find(name).unwrap().number(arch).is_some()
}

/// Calls, first arguments, and the errno with which every shipped profile answers.
const REFUSED: &[(&str, &[u64], u16)] = &[
    ("io_uring_setup", &[], 38),
    ("io_uring_enter", &[], 38),
    ("io_uring_register", &[], 38),
    ("clone3", &[], 38),
    ("openat2", &[], 38),
    ("clone", &[0x1000_0000], 1),
    ("clone", &[0x0002_0011], 1),
    ("clone", &[0x1_1000_0000], 1),
    ("unshare", &[0x1000_0000], 1),
    ("unshare", &[0x80], 1),
    ("setns", &[], 1),
    ("mount", &[], 1),
    ("umount2", &[], 1),
    ("pivot_root", &[], 1),
    ("chroot", &[], 1),
    ("fsopen", &[], 1),
    ("open_tree", &[], 1),
    ("open_tree_attr", &[], 1),
    ("mount_setattr", &[], 1),
    ("move_mount", &[], 1),
    ("add_key", &[], 1),
    ("request_key", &[], 1),
    ("keyctl", &[], 1),
    ("userfaultfd", &[], 1),
    ("bpf", &[], 1),
    ("perf_event_open", &[], 1),
    ("kexec_load", &[], 1),
    ("kexec_file_load", &[], 1),
    ("init_module", &[], 1),
    ("finit_module", &[], 1),
    ("delete_module", &[], 1),
    ("open_by_handle_at", &[], 1),
    ("fanotify_init", &[], 1),
    ("syslog", &[], 1),
    ("swapon", &[], 1),
    ("settimeofday", &[], 1),
    ("vm86", &[], 1),
    ("iopl", &[], 1),
    ("nfsservctl", &[], 38),
];

#[test]
fn what_no_program_needs_is_refused_by_every_profile() {
    for name in names() {
        for (kernel, arch) in everywhere() {
            let compiled = compiled(name, kernel);
            for &(call, args, wanted) in REFUSED.iter().filter(|(call, ..)| exists(arch, call)) {
                assert_eq!(compiled.on(arch, call, args), errno(wanted), "{name} {arch} {call} {args:x?}");
            }
        }
    }
}

/// `TIOCSTI`, `TIOCLINUX`, `TIOCSETD`, with anything in the upper half (CVE-2017-5226, CVE-2023-28100, CVE-2019-10063).
#[test]
fn nothing_is_typed_into_the_callers_terminal() {
    for name in names() {
        for (kernel, arch) in everywhere() {
            let compiled = compiled(name, kernel);
            let wanted = if name == "strict" { 25 } else { 1 };
            for request in [0x5412, 0x541c, 0x5423] {
                for upper in [0, 1 << 32, 1 << 63, 0xffff_ffff << 32] {
                    let answer = compiled.on(arch, "ioctl", &[0, request | upper]);
                    assert_eq!(answer, errno(wanted), "{name} {arch} {request:x} {upper:x}");
                }
            }
            for request in [0x5401, 0x5413, 0x541b] {
                assert_eq!(compiled.on(arch, "ioctl", &[0, request]), ALLOW, "{name} {arch} {request:x}");
            }
        }
    }
}

/// Numbers that are in no table are refused: nobody can judge today what a newer kernel does with them
/// (CVE-2021-41133).
#[test]
fn numbers_beyond_the_table_do_not_exist() {
    let table = Table::new();
    for name in names() {
        for (kernel, arch) in everywhere() {
            let compiled = compiled(name, kernel);
            let unknown = (0..2048).filter(|&number| table.by_number(arch, number).is_none());
            for number in unknown.chain([0x4000_0000, 0x4000_0001, 0x4000_003b, u32::MAX]) {
                assert_eq!(compiled.number(arch, number, &[]), errno(38), "{name} {arch} {number}");
            }
        }
    }
}

#[test]
fn sockets_are_of_the_four_families_that_programs_use() {
    for name in ["default", "build", "desktop"] {
        for (kernel, arch) in everywhere().filter(|(_, arch)| exists(*arch, "socket")) {
            let compiled = compiled(name, kernel);
            for (family, call) in (0..50).flat_map(|family| [(family, "socket"), (family, "socketpair")]) {
                let wanted = if [1, 2, 10, 16].contains(&family) { ALLOW } else { errno(97) };
                assert_eq!(compiled.on(arch, call, &[family, 1]), wanted, "{name} {arch} {call} {family}");
                // SOCK_PACKET turns AF_INET into AF_PACKET. Also with SOCK_CLOEXEC, and with bits that the kernel
                // ignores.
                for kind in [10, 0x8000a, 1 << 32 | 10] {
                    assert_eq!(compiled.on(arch, call, &[family, kind]), errno(97), "{name} {arch} {call} {family}");
                }
            }
        }
    }
    // The multiplexer (socketcall) hides the family, so it makes neither sockets nor pairs of them.
    let compiled = compiled("default", Arch::X86_64);
    assert_eq!([1, 8].map(|what| compiled.on(Arch::I386, "socketcall", &[what])), [errno(38); 2]);
    assert_eq!(compiled.on(Arch::I386, "socketcall", &[3]), ALLOW);
}

#[test]
fn strict_makes_no_sockets_but_streams_between_its_own() {
    for (kernel, arch) in everywhere() {
        let compiled = compiled("strict", kernel);
        for call in ["socket", "connect", "bind", "listen", "accept4", "sendmsg", "sendmmsg", "socketcall"] {
            if exists(arch, call) {
                assert_eq!(compiled.on(arch, call, &[1, 1]), errno(1), "{arch} {call}");
            }
        }
        // SOCK_STREAM with flags, SOCK_DGRAM, and a family other than AF_UNIX.
        assert_eq!(compiled.on(arch, "socketpair", &[1, 0x80801]), ALLOW);
        assert_eq!(compiled.on(arch, "socketpair", &[1, 2]), errno(1));
        assert_eq!(compiled.on(arch, "socketpair", &[30, 1]), errno(1));
        assert_eq!(compiled.on(arch, "sendto", &[3, 4, 5, 0, 0]), ALLOW);
        assert_eq!(compiled.on(arch, "sendto", &[3, 4, 5, 0, 0x7fff_0000]), errno(1));
    }
}

/// Every call that gives a file its mode, with the index of the mode.
const WITH_MODE: &[(&str, usize)] = &[
    ("chmod", 1),
    ("fchmod", 1),
    ("fchmodat", 2),
    ("fchmodat2", 2),
    ("creat", 1),
    ("mknod", 1),
    ("mknodat", 2),
    ("open", 2),
    ("openat", 3),
];

#[test]
fn no_file_gets_a_set_id_bit() {
    // O_CREAT with O_WRONLY, O_TMPFILE, and bits in the flags that the kernel ignores.
    let makes = [0x41, 0x0040_0002, 1 << 32 | 0x41];
    for name in names() {
        for (kernel, arch) in everywhere() {
            let compiled = compiled(name, kernel);
            for &(call, index) in WITH_MODE.iter().filter(|(call, _)| exists(arch, call)) {
                let answer = |flags: u64, mode: u64| {
                    let mut args = [0; 6];
                    if call.starts_with("open") {
                        args[index - 1] = flags;
                    }
                    args[index] = mode;
                    compiled.on(arch, call, &args)
                };
                for flags in makes {
                    for mode in [0o4755, 0o2755, 0o6000, 0o104_755, 1 << 32 | 0o2711] {
                        assert_eq!(answer(flags, mode), errno(1), "{name} {arch} {call} {flags:x} {mode:o}");
                    }
                    for mode in [0, 0o644, 0o1777, 0o100_755, !0o6000] {
                        assert_eq!(answer(flags, mode), ALLOW, "{name} {arch} {call} {flags:x} {mode:o}");
                    }
                }
                // If no file is made, the register of the mode may hold anything.
                let wanted = if call.starts_with("open") { ALLOW } else { errno(1) };
                assert_eq!(answer(0x0008_0000, u64::MAX), wanted, "{name} {arch} {call}");
            }
        }
    }
}

#[test]
fn what_every_program_needs_is_allowed() {
    let needed = "read write openat close mmap mprotect munmap brk execve exit_group wait4 futex rt_sigaction getrandom \
                  clock_gettime prctl getcwd fcntl statx epoll_ctl setsid rseq pipe2 sched_getaffinity landlock_restrict_self";
    for name in names() {
        for (kernel, arch) in everywhere() {
            let compiled = compiled(name, kernel);
            for call in needed.split(' ').filter(|call| exists(arch, call)) {
                assert_eq!(compiled.on(arch, call, &[]), ALLOW, "{name} {arch} {call}");
            }
            // fork, and a thread.
            for flags in [0x0120_0011, 0x003d_0f00] {
                assert_eq!(compiled.on(arch, "clone", &[flags]), ALLOW, "{name} {arch} {flags:x}");
            }
        }
    }
}

#[test]
fn build_and_desktop_add_what_they_say() {
    let (default, build, desktop) =
        (compiled("default", Arch::X86_64), compiled("build", Arch::X86_64), compiled("desktop", Arch::X86_64));
    assert_eq!([&default, &build, &desktop].map(|c| c.call("ptrace", &[])), [errno(1), ALLOW, errno(1)]);
    assert_eq!([&default, &build, &desktop].map(|c| c.call("personality", &[0x40000])), [errno(1), ALLOW, ALLOW]);
    assert_eq!([&default, &build, &desktop].map(|c| c.call("modify_ldt", &[])), [errno(1), errno(1), ALLOW]);
    assert_eq!([&default, &build, &desktop].map(|c| c.call("kcmp", &[])), [errno(1), ALLOW, ALLOW]);
    for c in [&default, &build, &desktop] {
        assert_eq!(c.call("personality", &[0xffff_ffff]), ALLOW, "asking");
        assert_eq!(c.call("personality", &[0x0100_0000]), errno(1));
    }
}

/// Every group has a verdict, except the obsolete one. So whoever adds a call to the table must think of the profile.
#[test]
fn default_speaks_of_every_group() {
    let profile = read(text("default").unwrap()).unwrap();
    for (group, _) in GROUPS.iter().filter(|(group, _)| *group != "@obsolete") {
        let named = |name: &String| name == group;
        let members: Vec<&str> = Table::new().group(group).unwrap().map(|call| call.name).collect();
        let one_by_one =
            members.iter().all(|call| profile.rules.iter().any(|rule| rule.names.iter().any(|n| n == call)));
        assert!(one_by_one || profile.rules.iter().any(|rule| rule.names.iter().any(named)), "{group}");
    }
}

#[test]
fn every_refusal_has_its_reason() {
    for name in names() {
        let profile = read(text(name).unwrap()).unwrap();
        assert!(!profile.comment.is_empty(), "{name}");
        for rule in &profile.rules {
            assert!(rule.verdict == Verdict::Allow || !rule.comment.is_empty(), "{}", rule.place);
        }
    }
}

#[test]
fn no_rule_of_ours_is_without_effect() {
    for name in names() {
        let profile = read(text(name).unwrap()).unwrap();
        for arch in Arch::KERNELS {
            let caps = BTreeSet::new();
            for policy in resolve(&profile, &Target { arch, kernel: (6, 18), caps: &caps }, &Table::new()).unwrap() {
                assert!(policy.idle.is_empty(), "{name} {arch}: {:?}", policy.idle);
            }
        }
    }
}

#[test]
fn only_calls_of_the_native_architecture_are_tried_at_load() {
    for (kernel, arch) in everywhere() {
        let program = compiled("default", kernel).program;
        let tried = (0..480).filter(|&number| program.is_tried_at_load(arch.audit(), number)).count();
        assert!(if kernel == arch { tried > 440 } else { tried == 0 }, "{arch} on {kernel}: {tried}");
    }
}

/// When the kernel loads a filter, it tries it on every number. Later it runs the filter only for calls that are not
/// always allowed. This test counts the instructions of both; the benchmark measures the time.
#[test]
fn programs_are_compact() {
    for name in names() {
        for arch in Arch::KERNELS {
            let program = compiled(name, arch).program;
            let (mut most, mut all) = (0, 0);
            for number in 0..480 {
                let steps = program.steps(&Data { arch: arch.audit(), number, args: [0; 6] });
                (most, all) = (steps.max(most), all + steps);
            }
            assert!(program.len() <= 350, "{name} {arch}: {} instructions", program.len());
            assert!(most <= 20 && all <= 480 * 12, "{name} {arch}: at most {most}, for all numbers {all}");
        }
    }
    let program = compiled("default", Arch::X86_64).program;
    let steps = |number, args| program.steps(&Data { arch: Arch::X86_64.audit(), number, args });
    // The kernel remembers that getppid and read are always allowed. It runs the filter for each ioctl (here FIONREAD).
    let calls = [steps(110, [0; 6]), steps(0, [0; 6]), steps(16, [0, 0x541b, 0, 0, 0, 0])];
    assert!(calls.iter().all(|steps| *steps <= 14), "{calls:?}");
}
