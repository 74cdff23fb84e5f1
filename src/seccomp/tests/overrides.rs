//! What lists of denied and allowed names do to a profile.

use super::*;
use crate::seccomp::policy::Policy;
use crate::seccomp::with_overrides;

fn words(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

/// The program of `text` with `deny` and `allow`, proved.
fn overridden(text: &str, deny: &str, allow: &str, arch: Arch) -> Result<Compiled, Error> {
    let table = Table::new();
    let profile = with_overrides(read(text).unwrap(), &words(deny), &words(allow), &table)?;
    let caps = BTreeSet::new();
    let policies: Vec<Policy<'_>> = resolve(&profile, &Target { arch, kernel: (6, 18), caps: &caps }, &table)?;
    let program = compile(&policies)?;
    prove(&policies, &program, None)?;
    Ok(Compiled { program, arch })
}

fn shipped(name: &str, deny: &str, allow: &str) -> Compiled {
    overridden(crate::seccomp::shipped::text(name).unwrap(), deny, allow, Arch::X86_64).unwrap()
}

const EPERM: u16 = 1;

/// Profile, denied names, allowed names; then a call with its first arguments, and the answer.
type Row = (&'static str, &'static str, &'static str, &'static str, &'static [u64], u32);

#[test]
fn denied_goes_before_allowed_before_the_profile() {
    let table: &[Row] = &[
        ("default", "", "", "mkdir", &[], ALLOW),
        ("default", "mkdir", "", "mkdir", &[], errno(EPERM)),
        ("default", "mkdir", "", "mkdirat", &[], ALLOW),
        ("default", "@file", "", "mkdirat", &[], errno(EPERM)),
        ("default", "@file", "", "read", &[], ALLOW),
        ("default", "", "mount", "mount", &[], ALLOW),
        ("default", "", "@mount", "fsopen", &[], ALLOW),
        ("default", "", "@mount", "setns", &[], errno(EPERM)),
        ("default", "mount", "mount", "mount", &[], errno(EPERM)),
        ("default", "@mount", "mount", "mount", &[], errno(EPERM)),
        ("default", "mount", "@mount", "mount", &[], errno(EPERM)),
        ("default", "mount", "@mount", "umount2", &[], ALLOW),
        // The profile's conditions no longer count, whether they refuse or allow.
        ("default", "", "clone", "clone", &[0x1000_0000], ALLOW),
        ("default", "", "socket", "socket", &[40], ALLOW),
        ("default", "", "personality", "personality", &[0x0004_0000], ALLOW),
        ("default", "", "chmod", "chmod", &[0, 0o4755], ALLOW),
        ("default", "", "chmod", "fchmodat", &[0, 0, 0o4755], errno(EPERM)),
        ("default", "", "@file", "openat2", &[], ALLOW),
        ("default", "socket", "", "socket", &[1], errno(EPERM)),
        ("strict", "", "socket", "socket", &[2], ALLOW),
        ("strict", "", "prlimit64", "prlimit64", &[77], ALLOW),
        // ENOSYS makes the C library fall back on clone.
        ("default", "clone3", "", "clone3", &[], errno(38)),
        ("default", "@process", "", "clone3", &[], errno(38)),
        ("default", "@process", "", "clone", &[0x11], errno(EPERM)),
        ("default", "clone3", "clone3", "clone3", &[], errno(38)),
        ("default", "clone", "clone3", "clone3", &[], ALLOW),
        ("default", "io_uring_setup", "", "io_uring_setup", &[], errno(EPERM)),
    ];
    for &(profile, deny, allow, call, args, wanted) in table {
        let answer = shipped(profile, deny, allow).call(call, args);
        assert_eq!(answer, wanted, "{profile} deny {deny:?} allow {allow:?}: {call} {args:x?}: {answer:x}");
    }
}

/// TIOCSTI and TIOCLINUX stay refused, by whatever name ioctl is allowed, and with anything in the upper half.
#[test]
fn allowing_ioctl_opens_no_way_into_the_callers_terminal() {
    let open = r#"{"defaultAction": "SCMP_ACT_ALLOW", "architectures":
        ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_RISCV64"]}"#;
    for text in crate::seccomp::shipped::names().map(|name| crate::seccomp::shipped::text(name).unwrap()).chain([open])
    {
        for allow in ["ioctl", "@io", "ioctl @io"] {
            for arch in Arch::KERNELS {
                let compiled = overridden(text, "", allow, arch).unwrap();
                for convention in [Some(arch), arch.compat()].into_iter().flatten() {
                    for upper in [0, 1 << 32, 1 << 63] {
                        let ioctl = |request: u64| compiled.on(convention, "ioctl", &[0, request | upper]);
                        assert_eq!([0x5412, 0x541c].map(ioctl), [errno(EPERM); 2], "{allow} {convention} {upper:x}");
                        assert_eq!([0x5423, 0x5401, 0xc020_6400].map(ioctl), [ALLOW; 3], "{allow} {convention}");
                    }
                }
            }
        }
    }
    assert_eq!(shipped("default", "ioctl", "ioctl").call("ioctl", &[0, 0x5401]), errno(EPERM));
}

#[test]
fn denied_and_allowed_names_count_for_every_calling_convention() {
    for arch in Arch::KERNELS {
        let text = crate::seccomp::shipped::text("default").unwrap();
        let compiled = overridden(text, "mkdirat", "mount", arch).unwrap();
        for convention in [Some(arch), arch.compat()].into_iter().flatten() {
            assert_eq!(compiled.on(convention, "mkdirat", &[]), errno(EPERM), "{convention}");
            assert_eq!(compiled.on(convention, "mount", &[]), ALLOW, "{convention}");
            assert_eq!(compiled.on(convention, "umount2", &[]), errno(EPERM), "{convention}");
        }
        // A name lets nobody else in: neither x32 nor another architecture.
        assert_eq!(compiled.number(arch, u32::MAX, &[]), errno(38));
        assert_eq!(
            Arch::ALL.map(|other| compiled.number(other, 0, &[]) == KILL).iter().filter(|kill| **kill).count(),
            Arch::ALL.len() - 1 - arch.compat().iter().len()
        );
    }
    let x32 = shipped("default", "", "@file @io").number(Arch::X86_64, 0x4000_0002, &[]);
    assert_eq!(x32, errno(38));
}

#[test]
fn unknown_names_are_refused_and_names_of_other_architectures_are_skipped() {
    let text = crate::seccomp::shipped::text("default").unwrap();
    let wrong = |deny, allow| overridden(text, deny, allow, Arch::X86_64).err().map(|error| error.to_string());
    assert_eq!(
        wrong("mkdir opne", "").unwrap(),
        "lockdown.seccomp.deny[1]: unknown system call \"opne\", did you mean open?"
    );
    assert_eq!(
        wrong("", "@mounts").unwrap(),
        "lockdown.seccomp.allow[0]: unknown group \"@mounts\", did you mean @mount?"
    );
    assert!(wrong("@foreign", "").unwrap().starts_with("lockdown.seccomp.deny[0]: unknown group \"@foreign\""));
    assert!(wrong("\x1b[2J", "").unwrap().contains("\\u{1b}"));
    assert_eq!(wrong("swapcontext riscv_hwprobe", "socketcall"), None);
}
