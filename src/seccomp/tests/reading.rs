//! What profiles may contain, and the errors for wrong ones.

use super::*;

/// Wrong profiles, each with its error.
const WRONG: &[(&str, &str)] = &[
    ("", "file.json: this is no JSON: EOF while parsing a value at line 1 column 0"),
    ("[]", "file.json: an object is wanted here"),
    (r#"{"syscalls": []}"#, "file.json: defaultAction: this field is missing"),
    (r#"{"defaultAction": "ALLOW"}"#, "file.json: defaultAction: unknown word \"ALLOW\""),
    (r#"{"defaultAction": "SCMP_ACT_ALOW"}"#, "unknown word \"SCMP_ACT_ALOW\", did you mean SCMP_ACT_ALLOW?"),
    (r#"{"defaultAction": "SCMP_ACT_NOTIFY"}"#, "defaultAction: a filter that asks another process needs"),
    (
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096}"#,
        "defaultErrnoRet: a whole number from 0 to 4095",
    ),
    (
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}"#,
        "defaultErrnoRet: SCMP_ACT_ALLOW carries no number",
    ),
    (r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "EPREM"}"#, "defaultErrno: unknown errno \"EPREM\""),
    (
        r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "EPERM", "defaultErrnoRet": 38}"#,
        "defaultErrno: defaultErrnoRet says 38, this is 1",
    ),
    (r#"{"extends": "defautl"}"#, "extends: \"defautl\" is no shipped profile"),
    (
        r#"{"defaultAction": "SCMP_ACT_KILL", "sycalls": []}"#,
        "file.json: unknown field \"sycalls\", did you mean syscalls?",
    ),
    (r#"{"defaultAction": "SCMP_ACT_KILL", "syscalls": {}}"#, "file.json: syscalls: a list is wanted here"),
    (r#"{"defaultAction": "SCMP_ACT_KILL", "flags": ["LOG"]}"#, "flags[0]: unknown word \"LOG\""),
    (
        r#"{"defaultAction": "SCMP_ACT_KILL", "architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86"}]}"#,
        "archMap: either architectures or archMap is wanted",
    ),
    (
        r#"{"defaultAction": "SCMP_ACT_KILL", "architectures": ["SCMP_ARCH_X64"]}"#,
        "architectures[0]: unknown word \"SCMP_ARCH_X64\", did you mean",
    ),
];

/// Wrong rules, each with its error.
const WRONG_RULES: &[(&str, &str)] = &[
    (r#"{"action": "SCMP_ACT_ALLOW"}"#, "file.json: syscalls[0].names: no system call is named"),
    (r#"{"names": ["read"]}"#, "file.json: syscalls[0] (read).action: this field is missing"),
    (
        r#"{"names": ["read"], "name": "write", "action": "SCMP_ACT_ALLOW"}"#,
        "syscalls[0].name: either name or names is wanted",
    ),
    (
        r#"{"names": ["read", "opne"], "action": "SCMP_ACT_ALLOW"}"#,
        "file.json: syscalls[0].names[1]: unknown system call \"opne\", did you mean open?",
    ),
    (r#"{"names": ["@mounts"], "action": "SCMP_ACT_ALLOW"}"#, "unknown group \"@mounts\", did you mean @mount?"),
    (r#"{"names": ["@foreign"], "action": "SCMP_ACT_ALLOW"}"#, "unknown group \"@foreign\""),
    (r#"{"names": ["re\nad"], "action": "SCMP_ACT_ALLOW"}"#, r#"unknown system call "re\nad", did you mean read?"#),
    (r#"{"names": [7], "action": "SCMP_ACT_ALLOW"}"#, "syscalls[0].names[0]: a string is wanted here"),
    (
        r#"{"names": ["read", "write"], "action": "SCMP_ACT_ERRNO", "errnoRet": -1}"#,
        "syscalls[0] (read, …).errnoRet: a whole number from 0 to 4095",
    ),
    (
        r#"{"names": ["read"], "action": "SCMP_ACT_KILL", "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]}"#,
        "syscalls[0] (read).args[0].index: a whole number from 0 to 5",
    ),
    (
        r#"{"names": ["read"], "action": "SCMP_ACT_KILL", "args": [{"op": "SCMP_CMP_EQ"}]}"#,
        "args[0].index: this field is",
    ),
    (
        r#"{"names": ["read"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "op": "EQ"}]}"#,
        "args[0].op: unknown word",
    ),
    (
        r#"{"names": ["read"], "action": "SCMP_ACT_KILL", "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1.5}]}"#,
        "args[0].value: a whole number",
    ),
    (
        r#"{"names": ["read"], "action": "SCMP_ACT_KILL", "includes": {"caps": ["CAP_SYS_ADMNI"]}}"#,
        "syscalls[0] (read).includes.caps[0]: unknown capability \"CAP_SYS_ADMNI\"",
    ),
    (
        r#"{"names": ["read"], "action": "SCMP_ACT_KILL", "excludes": {"arches": ["amd46"]}}"#,
        "excludes.arches[0]: unknown word \"amd46\", did you mean amd64?",
    ),
    (
        r#"{"names": ["read"], "action": "SCMP_ACT_KILL", "includes": {"minKernel": "four"}}"#,
        "includes.minKernel: \"four\" is no version",
    ),
    (
        r#"{"names": ["read"], "action": "SCMP_ACT_KILL", "includes": {"cap": []}}"#,
        "unknown field \"cap\", did you mean caps?",
    ),
];

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let rules = WRONG_RULES.iter().map(|(rule, said)| (profile(rule), *said));
    for (text, wanted) in WRONG.iter().map(|(text, said)| ((*text).to_owned(), *said)).chain(rules) {
        let said = read(&text).expect_err(&text).to_string();
        assert!(said.starts_with("file.json: ") && said.contains(wanted), "{text}\nsays   {said}\nwanted {wanted}");
        assert!(!said.contains('\n'), "{said:?}");
    }
}

#[test]
fn a_rule_with_an_empty_errno_and_null_lists_is_read_as_go_writes_it() {
    let text = r#"{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS", "flags": null, "listenerPath": "", "syscalls": [
        {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": null, "includes": {"caps": null}, "excludes": {}, "errno": ""}
    ]}"#;
    let compiled = Compiled::new(text, Arch::X86_64);
    assert_eq!(compiled.call("read", &[]), ALLOW);
    assert_eq!(compiled.call("write", &[]), errno(38));
}

#[test]
fn every_action_has_the_code_of_the_kernel() {
    let wanted = [
        ("ALLOW", ALLOW),
        ("LOG", 0x7ffc_0000),
        ("TRACE", 0x7ff0_0001),
        ("ERRNO", 0x0005_0001),
        ("TRAP", 0x0003_0000),
        ("KILL", 0),
        ("KILL_THREAD", 0),
        ("KILL_PROCESS", KILL),
    ];
    for (action, code) in wanted {
        assert_eq!(
            Compiled::new(&profile(&rule("read", action, "")), Arch::X86_64).call("read", &[]),
            code,
            "{action}"
        );
    }
}

#[test]
fn includes_need_all_and_excludes_one() {
    let scoped = |scope: &str| profile(&format!(r#"{{"name": "read", "action": "SCMP_ACT_ALLOW", {scope}}}"#));
    let read = |scope: &str, caps: &[&str], kernel| {
        Compiled::with(&scoped(scope), Arch::X86_64, caps, kernel).call("read", &[]) == ALLOW
    };
    let both = r#""includes": {"caps": ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE"]}"#;
    assert!(!read(both, &["CAP_SYS_ADMIN"], (6, 0)));
    assert!(read(both, &["CAP_SYS_ADMIN", "CAP_SYS_PTRACE"], (6, 0)));
    let without = r#""excludes": {"caps": ["CAP_SYS_ADMIN", "CAP_SYS_PTRACE"]}"#;
    assert!(read(without, &[], (6, 0)));
    assert!(!read(without, &["CAP_SYS_PTRACE"], (6, 0)));
    let since = r#""includes": {"minKernel": "4.8"}"#;
    assert!(!read(since, &[], (4, 7)));
    assert!(read(since, &[], (4, 8)) && read(since, &[], (5, 0)));
    assert!(read(r#""includes": {"arches": ["s390x", "amd64"]}"#, &[], (6, 0)));
    assert!(!read(r#""includes": {"arches": ["arm64"]}"#, &[], (6, 0)));
    assert!(!read(r#""excludes": {"arches": ["amd64"]}"#, &[], (6, 0)));
    // Docker compares the architecture of the kernel, not the convention of each program.
    assert!(!read(r#""includes": {"arches": ["x86"]}"#, &[], (6, 0)));
}

#[test]
fn a_name_of_another_architecture_is_skipped() {
    let text =
        profile(r#"{"names": ["swapcontext", "socketcall", "riscv_hwprobe", "read"], "action": "SCMP_ACT_ALLOW"}"#);
    for arch in Arch::KERNELS {
        assert_eq!(Compiled::new(&text, arch).call("read", &[]), ALLOW);
    }
}

#[test]
fn architectures_decide_who_is_let_in_at_all() {
    let with = |arches: &str| {
        let rules = rule("read", "ALLOW", "");
        format!(r#"{{"defaultAction": "SCMP_ACT_ERRNO", {arches} "syscalls": [{rules}]}}"#)
    };
    let native = Compiled::new(&with(""), Arch::X86_64);
    assert_eq!((native.call("read", &[]), native.on(Arch::I386, "read", &[])), (ALLOW, KILL));
    let listed = r#""architectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"],"#;
    let both = Compiled::new(&with(listed), Arch::X86_64);
    assert_eq!((both.call("read", &[]), both.on(Arch::I386, "read", &[])), (ALLOW, ALLOW));
    assert_eq!(both.on(Arch::Arm, "read", &[]), KILL, "another kernel's");
    // x32 has the numbers of x86_64 with bit 30 set. It is never let in.
    assert_eq!(both.number(Arch::X86_64, 0x4000_0000, &[]), errno(38));
    let mapped = r#""archMap": [{"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
                                {"architecture": "SCMP_ARCH_RISCV64", "subArchitectures": null}],"#;
    let arm = Compiled::new(&with(mapped), Arch::Aarch64);
    assert_eq!((arm.call("read", &[]), arm.on(Arch::Arm, "read", &[])), (ALLOW, ALLOW));
    let unmapped = Compiled::new(&with(mapped), Arch::X86_64);
    assert_eq!((unmapped.call("read", &[]), unmapped.on(Arch::I386, "read", &[])), (ALLOW, KILL));

    let foreign = read(&with(r#""architectures": ["SCMP_ARCH_AARCH64"],"#)).unwrap();
    let target = Target { arch: Arch::X86_64, kernel: (6, 0), caps: &BTreeSet::new() };
    let error = resolve(&foreign, &target, &Table::new()).unwrap_err();
    assert_eq!(error.to_string(), "architectures: this profile is not for x86_64");
}

#[test]
fn the_nearer_rule_decides() {
    let is = |value| arg(0, "EQ", value, 0);
    // Conditions win over names, names over groups. Of two equal ones the first wins, as in libseccomp.
    let rules = [
        rule("@io", "KILL", ""),
        rule("read", "LOG", ""),
        rule("read", "TRAP", &is(1)),
        rule("read", "ALLOW", &is(1)),
        rule("read", "ALLOW", &is(2)),
        rule("read", "KILL_PROCESS", ""),
    ];
    let compiled = Compiled::new(&profile(&rules.join(",")), Arch::X86_64);
    let answers: Vec<u32> = [1, 2, 3].map(|value| compiled.call("read", &[value])).to_vec();
    assert_eq!(answers, [Verdict::Trap.code(), ALLOW, Verdict::Log.code()]);
    assert_eq!(compiled.call("write", &[]), Verdict::KillThread.code());
}

#[test]
fn an_extending_profile_decides_first() {
    let text = |rules: &str| format!(r#"{{"extends": "default", "syscalls": [{rules}]}}"#);
    let compiled = Compiled::new(&text(&rule("@ptrace", "ALLOW", "")), Arch::X86_64);
    assert_eq!(compiled.call("ptrace", &[]), ALLOW);
    assert_eq!(compiled.call("mount", &[]), errno(1), "from the base");
    assert_eq!(compiled.call("clone", &[0x1000_0000]), errno(1), "from the base");
    assert_eq!(compiled.on(Arch::I386, "read", &[]), ALLOW, "architectures of the base");
    // A rule with conditions leaves the other calls to the base. A rule without conditions leaves nothing.
    let more = Compiled::new(&text(&rule("clone", "TRAP", &arg(1, "EQ", 7, 0))), Arch::X86_64);
    assert_eq!(more.call("clone", &[0, 7]), Verdict::Trap.code());
    assert_eq!(more.call("clone", &[0x1000_0000]), errno(1));
    let all = Compiled::new(&text(&rule("clone", "ALLOW", "")), Arch::X86_64);
    assert_eq!(all.call("clone", &[0x1000_0000]), ALLOW);
}
