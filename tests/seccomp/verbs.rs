//! What `pinfold seccomp` says and writes.

use std::collections::BTreeMap;
use std::fs;

use super::support::{skip, stage};
use super::{PROFILES, data, refused, said, seccomp};

#[test]
fn list_names_every_profile_and_group() {
    let list = said(&["list"]);
    for name in PROFILES.iter().chain(&["@mount", "@ptrace", "@keyring", "@io_uring"]) {
        let line = list.lines().find(|line| line.split_whitespace().next() == Some(name)).expect(name);
        assert!(line.len() > name.len() + 10, "{line:?} says what it is");
    }
}

#[test]
fn show_prints_what_compile_takes() {
    assert!(said(&["show", "@mount"]).lines().any(|name| name == "fsopen"));
    for profile in PROFILES {
        let text = said(&["show", profile]);
        let copy = stage::stage().join(format!("copy-{profile}.json"));
        fs::write(&copy, text).unwrap();
        let [ours, copied] = [profile, copy.to_str().unwrap()].map(|name| seccomp(&["compile", name]).stdout);
        assert!(!ours.is_empty() && ours.len() % 8 == 0 && ours == copied, "{profile}");
    }
}

#[test]
fn compile_writes_to_a_file_or_to_standard_output() {
    let path = stage::stage().join("out.bpf");
    let path = path.to_str().unwrap();
    assert_eq!(said(&["compile", "default", "-o", path]), "");
    let written = fs::read(path).unwrap();
    for words in
        [&["compile", "default"][..], &["compile", "default", "-o", "-"], &["compile", "--output=-", "default"]]
    {
        assert_eq!(seccomp(words).stdout, written, "{words:?}");
    }
    assert_ne!(seccomp(&["compile", "default", "--arch", "riscv64"]).stdout, written);
    assert_ne!(seccomp(&["compile", &data("docker.json"), "--cap", "CAP_SYS_ADMIN"]).stdout.len(), written.len());
    println!("default: {} instructions", written.len() / 8);
    assert!(written.len() / 8 <= 300, "the kernel runs it 900 times at every launch");
}

#[test]
fn check_tries_every_architecture() {
    for profile in PROFILES.iter().map(|name| (*name).to_owned()).chain(["docker.json", "podman.json"].map(data)) {
        let lines = said(&["check", &profile]);
        for arches in ["x86_64 and i386: ", "aarch64 and arm: ", "riscv64: "] {
            assert!(lines.lines().any(|line| line.starts_with(arches)), "{profile}: {lines}");
        }
    }
    // Podman says two things about setns; the first holds.
    let lines = said(&["check", &data("podman.json")]);
    assert!(lines.contains("syscalls[15] (bpf, …): setns is allowed by"), "{lines}");
    assert_eq!(said(&["check", &data("docker-2015.json")]).lines().count(), 1, "it is for x86_64 alone");
}

/// What `pinfold run` would refuse, and what it would take although it is no protection.
#[test]
fn check_says_that_a_profile_is_of_no_use() {
    let check = |name: &str, text: &str| {
        let path = stage::stage().join(name);
        fs::write(&path, text).unwrap();
        said(&["check", path.to_str().unwrap()])
    };
    let nothing = "note: it refuses nothing\n";
    let all = check("all.json", r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#);
    assert!(all.ends_with(nothing) && !all.contains("no program"), "{all}");
    let all = stage::stage().join("all.json");
    for quiet in ["-q", "--quiet"] {
        let said = said(&["check", all.to_str().unwrap(), quiet]);
        assert!(said.contains("calls tried") && !said.contains("note"), "{said}");
    }
    let log = check("log.json", r#"{"defaultAction": "SCMP_ACT_LOG", "syscalls": []}"#);
    assert!(log.ends_with(nothing), "{log}");
    let one = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}]}"#;
    assert!(!check("one.json", one).contains("note"));
    let native = "note: no program could be started, and `pinfold run` refuses it: the system call filter refuses ";
    let none = check("none.json", r#"{"defaultAction": "SCMP_ACT_KILL_PROCESS"}"#);
    assert!(none.contains(native) && !none.contains(nothing), "{none}");
    assert!(!said(&["check", "strict"]).contains("no program could be started"));
}

/// Profiles of Docker and Podman have remarks, and values wider than their mask, which libseccomp cuts down.
#[test]
fn what_other_readers_pass_over_is_no_error() {
    let path = stage::stage().join("remarks.json");
    let text = r#"{"_comment": "what this is for", "defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["socket"],
        "_why": [1], "action": "SCMP_ACT_ERRNO",
        "args": [{"index": 0, "value": 1, "valueTwo": 3, "op": "SCMP_CMP_MASKED_EQ"}]}]}"#;
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let lines = said(&["check", path]);
    let note = ": syscalls[0] (socket).args[0].valueTwo: 0x3 has bits that the mask 0x1 in value has not: 0x1 counts\n";
    assert!(lines.contains("\nnote: ") && lines.contains(note), "{lines}");
    assert!(!said(&["check", path, "-q"]).contains("note"));
    let lines = said(&["explain", "socket", "--profile", path]);
    assert!(lines.contains("argument 0 & 0x1 is 0x1"), "{lines}");
}

/// Which of the two counts is a matter of the reader; a person may have looked at the other one.
#[test]
fn a_field_that_is_there_twice_is_refused() {
    for (text, wanted) in [
        (
            "{\"defaultAction\": \"SCMP_ACT_ERRNO\",\n\"defaultAction\": \"SCMP_ACT_ALLOW\"}",
            r#"field "defaultAction" is there twice (line 2)"#,
        ),
        (
            r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a\\\"{"], "nam\u0065s": ["sync"]}]}"#,
            r#"field "names" is there twice (line 1)"#,
        ),
    ] {
        let path = stage::stage().join("twice.json");
        fs::write(&path, text).unwrap();
        let error = refused(&["check", path.to_str().unwrap()]);
        assert!(error.contains(wanted), "{error}");
    }
    // The same name in two objects is none.
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "comment": "\"comment\": {", "syscalls": [
        {"names": ["sync"], "action": "SCMP_ACT_ALLOW"}, {"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}"#;
    let path = stage::stage().join("once.json");
    fs::write(&path, text).unwrap();
    said(&["check", path.to_str().unwrap()]);
}

/// What the profiles of Docker and Podman have learnt since the copies in tests/seccomp/data.
const SINCE: &str = r#"{
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "defaultErrno": "ENOSYS",
    "archMap": [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]},
        {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": null},
        {"architecture": "SCMP_ARCH_LOONGARCH64", "subArchitectures": null}
    ],
    "syscalls": [
        {"names": ["read", "getxattrat", "riscv_hwprobe", "uretprobe", "statmount"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 12, "op": "SCMP_CMP_LT"}]},
        {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 0, "value": 13, "op": "SCMP_CMP_EQ"}]},
        {"names": ["riscv_flush_icache"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["riscv64"]}},
        {"names": ["s390_sthyi", "swapcontext"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x", "ppc64le"]}},
        {"names": ["perf_event_open"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_PERFMON"]}},
        {"names": ["perf_event_open"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "errno": "EPERM",
            "includes": {}, "excludes": {"caps": ["CAP_PERFMON"]}, "comment": "", "args": []}
    ]
}"#;

#[test]
fn newer_profiles_of_others_are_read() {
    let path = stage::stage().join("since.json");
    fs::write(&path, SINCE).unwrap();
    let path = path.to_str().unwrap();
    let lines = said(&["check", path]);
    assert_eq!(
        lines.lines().filter(|line| !line.starts_with("note: ")).count(),
        3,
        "aarch64 has no entry, and so no arm beside it"
    );
    let explain = |call: &str| said(&["explain", call, "--profile", path, "--arch", "x86_64"]);
    assert!(explain("socket").contains("allowed where the lower half of argument 0 is less than 0xc"));
    assert!(explain("perf_event_open").contains("EPERM"));
    assert!(said(&["explain", "1", "--profile", path, "--arch", "arm"]).contains("arm: not let in by the profile"));
}

#[test]
fn explain_tells_verdict_and_reason() {
    let clone = said(&["explain", "clone3"]);
    assert!(clone.contains("refused with ENOSYS (38): its flags are in memory"), "{clone}");
    let ioctl = said(&["explain", "ioctl", "--arch", "aarch64"]);
    assert!(ioctl.contains("aarch64 29:") && ioctl.contains("arm 54:"), "{ioctl}");
    assert!(ioctl.contains("refused with EPERM (1) where the lower half of argument 1 is 0x5412: TIOCSTI"), "{ioctl}");
    assert!(ioctl.contains("otherwise allowed"), "{ioctl}");
    // A number as the kernel's log has it (nsjail issue 158: the name must be the right architecture's).
    assert!(said(&["explain", "21", "--arch", "i386"]).starts_with("mount, of group @mount\n"));
    assert!(said(&["explain", "21", "--arch", "x86_64"]).starts_with("access, of group @file\n"));
    assert!(said(&["explain", "ptrace", "--profile", "build"]).contains("allowed: gdb"));
    assert!(said(&["explain", "3", "--arch", "x86_64"]).starts_with("close, of group @io"));
    assert!(said(&["explain", "1073741863", "--arch", "x86_64"]).contains("x32 and all numbers beyond"));
}

#[test]
fn what_is_wrong_is_said_in_one_line_and_how_it_is_done_in_a_second() {
    let wrong = stage::stage().join("wrong.json");
    fs::write(
        &wrong,
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["opne"], "action": "SCMP_ACT_ALLOW"}]}"#,
    )
    .unwrap();
    let wrong = wrong.to_str().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&["compile", "defualt"], "no profile is called \"defualt\", did you mean default?"),
        (&["compile", "./missing.json"], "cannot read ./missing.json: No such file or directory"),
        (&["compile", wrong], "syscalls[0].names[0]: unknown system call \"opne\", did you mean open?"),
        (&["compile", "default", "-o", "/nonexistent/x"], "cannot write /nonexistent/x: No such file"),
        (&["compile", "default", "--arch", "sparc"], "--arch \"sparc\": x86_64, aarch64 or riscv64 is wanted"),
        (&["compile", &data("docker-2015.json"), "--arch", "riscv64"], "this profile is not for riscv64"),
        (
            &["compile", "default", "--cap", "CAP_SYS_ADMNI"],
            "--cap \"CAP_SYS_ADMNI\": unknown capability, did you mean CAP_SYS_ADMIN?",
        ),
        (&["compile", "default", "--arch", "x86-64"], "riscv64 is wanted, did you mean x86_64?"),
        (&["compile", "default", "--kernel", "new"], "--kernel \"new\": a version such as 6.12 is wanted"),
        (&["explain", "@mount"], "@mount is a group of system calls; `pinfold seccomp show @mount` prints its members"),
        (&["check", "/dev/zero"], "cannot read /dev/zero: a profile has 16 MiB at most"),
        (&["explain", "iotcl"], "unknown system call \"iotcl\", did you mean ioctl?"),
        (&["show", "@mounts"], "no profile or group is called \"@mounts\", did you mean @mount?"),
        (&["compil", "default"], "unknown command compil\nhint: did you mean compile?"),
        (&["lst"], "unknown command lst\nhint: did you mean list?"),
        (&["compile", "default", "--archh", "arm"], "unknown option --archh\nhint: did you mean --arch?"),
        (&["show", "--archh"], "unknown option --archh\nhint: did you mean --arch? It is for compile, check, explain"),
        (&["check", "--hlep"], "unknown option --hlep\nhint: did you mean --help?"),
        (&["show", "default", "--arch", "arm"], "--arch is for compile, check, explain"),
        (&["explain", "read", "-x"], "unknown option -x\nhint: pinfold seccomp explain SYSCALL|NUMBER "),
        (&["list", "default"], "one word too many: default"),
        (&["check", "default", "-o", "x"], "-o is for compile"),
        (&["compile", "default", "--profile", "strict"], "--profile is for explain"),
        (&["list", "--colour"], "--colour"),
        (&[], "a command is missing"),
    ];
    for (words, wanted) in cases {
        let said = refused(words);
        assert!(said.contains(wanted), "{words:?}\nsays   {said}\nwanted {wanted}");
        let mut hint = said.lines().skip(1);
        assert!(
            hint.next().is_none_or(|line| ["hint: pinfold seccomp ", "hint: did you mean "]
                .iter()
                .any(|start| line.starts_with(start)))
                && hint.next().is_none(),
            "{said}"
        );
    }
    assert!(refused(&["list", "default"]).ends_with("\nhint: pinfold seccomp list"));
    assert!(refused(&["show"]).ends_with("\nhint: pinfold seccomp show NAME|@GROUP"));
    assert!(refused(&["list", "--colour"]).ends_with("\nhint: pinfold seccomp list"));
    for words in [&[][..], &["kompilieren"], &["--colour"]] {
        assert!(refused(words).ends_with("\nhint: pinfold seccomp --help tells how it is used"), "{words:?}");
    }
}

#[test]
fn help_names_every_verb() {
    let help = said(&["--help"]);
    for verb in ["list", "show", "compile", "check", "explain"] {
        assert!(help.contains(&format!("pinfold seccomp {verb}")), "{verb}");
    }
}

/// The manual page is written by hand; what it lists is all there is.
#[test]
fn the_manual_page_names_everything() {
    let page = include_str!("../../man/pinfold-seccomp.7").replace("\\-", "-");
    let list = said(&["list"]);
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next());
    let options =
        ["--arch", "--cap", "--kernel", "--output", "--profile", "list", "show", "compile", "check", "explain"];
    for name in names.chain(options) {
        let is_named = |line: &str| line.starts_with(".B") && line.split([' ', '"']).any(|word| word == name);
        assert!(page.lines().any(is_named), "{name}");
    }
}

/// Every number that this machine's own headers have is the one in our table.
#[test]
fn numbers_are_those_of_the_headers() {
    for (header, arch) in [("unistd_64.h", "x86_64"), ("unistd_32.h", "i386")] {
        let path = format!("/usr/include/x86_64-linux-gnu/asm/{header}");
        let Ok(text) = fs::read_to_string(&path) else {
            skip(&format!("no {path} on this machine"));
            continue;
        };
        let line = |line: &str| {
            let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
            Some((name.to_owned(), number.trim().parse::<u32>().ok()?))
        };
        let theirs: BTreeMap<String, u32> = text.lines().filter_map(line).collect();
        assert!(theirs.len() > 300, "{path}");
        let table = include_str!("../../src/seccomp/tables/syscalls.tbl");
        let column = if arch == "x86_64" { 2 } else { 3 };
        let rows = table.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect::<Vec<_>>());
        let ours: BTreeMap<&str, &str> = rows.map(|row| (row[0], row[column])).collect();
        for (name, number) in theirs {
            // Newer than our table: the kernel's headers may be.
            if number <= 469 {
                assert_eq!(ours.get(&*name), Some(&&*number.to_string()), "{arch} {name}");
            }
        }
    }
}

/// The same for the C library's crate, whatever this is built for.
#[test]
fn numbers_are_those_of_libc() {
    let known = [
        ("read", libc::SYS_read),
        ("openat", libc::SYS_openat),
        ("execve", libc::SYS_execve),
        ("clone3", libc::SYS_clone3),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("mount_setattr", libc::SYS_mount_setattr),
        ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
        ("fchmodat2", libc::SYS_fchmodat2),
        ("mseal", libc::SYS_mseal),
    ];
    for (name, number) in known {
        let lines = said(&["explain", name]);
        assert!(lines.contains(&format!("{} {number}:", std::env::consts::ARCH)), "{name}: {lines}");
    }
}

/// A file in the manner of Firecracker's, which has a filter for each thread.
#[test]
#[cfg(target_arch = "x86_64")]
fn filters_of_seccompiler_are_compiled_checked_and_explained() {
    let text = r#"{
        "vmm": {"default_action": "trap", "filter_action": "allow", "filter": [
            {"syscall": "read"}, {"syscall": "write"}, {"syscall": "exit_group"},
            {"syscall": "socket", "args": [{"index": 0, "type": "dword", "op": "eq", "val": 1}]}]},
        "api": {"default_action": "allow", "filter_action": {"errno": 1}, "filter": [{"syscall": "ptrace"}]}}"#;
    let path = stage::stage().join("firecracker.json");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let (vmm, api) = (&*format!("{path}#vmm"), &*format!("{path}#api"));
    assert!(refused(&["check", path]).contains(r#"it has several filters ("api", "vmm"); one is named as FILE#NAME"#));
    assert!(refused(&["check", &format!("{path}#vcpu")]).contains("there is no filter \"vcpu\""));
    let missing = path.replace("firecracker", "missing");
    assert!(refused(&["check", &format!("{missing}#vmm")]).contains("missing.json#vmm: No such file"));

    let checked = said(&["check", vmm]);
    assert!(checked.starts_with("x86_64: ") && checked.contains("no program could be started"), "{checked}");
    assert!(!said(&["check", api]).contains("note:"), "nothing is in the way of it");
    assert!(
        said(&["explain", "socket", "--profile", vmm])
            .contains("\n  refused with SIGSYS, or allowed: its arguments decide\n")
    );
    assert!(said(&["explain", "ptrace", "--profile", api]).contains("\n  refused with EPERM (1)\n"));
    let x32 = said(&["explain", "1073741825", "--profile", api]);
    assert!(x32.contains("x32 and all numbers beyond are never let through"), "{x32}");
    let program = seccomp(&["compile", api]).stdout;
    assert!(!program.is_empty() && program.len().is_multiple_of(8));
}
