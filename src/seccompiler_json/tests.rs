//! What is taken for seccompiler's form, which filter of a file is meant, and what is said about a wrong one.

use std::collections::BTreeSet;

use super::*;
use crate::seccomp::compile_before;
use crate::seccomp::interpret::Data;
use crate::seccomp::policy::{Target, resolve};
use crate::seccomp::profile::Profile;
use crate::seccomp::proof::prove;

/// In the manner of Firecracker's: a list of what is allowed, and one of what is refused.
const THREADS: &str = r#"{
    "vmm": {"default_action": "trap", "filter_action": "allow", "filter": [
        {"syscall": "read"}, {"syscall": "exit_group", "comment": "the end"},
        {"syscall": "socket", "args": [{"index": 0, "type": "dword", "op": "eq", "val": 1, "comment": "AF_UNIX"}]},
        {"syscall": "madvise", "args": [{"index": 2, "type": "qword", "op": {"masked_eq": 4294967300}, "val": 4}]}
    ]},
    "api": {"mismatch_action": "allow", "match_action": {"errno": 13}, "filter": [{"syscall": "ptrace"}]}
}"#;

fn made(text: &str, thread: Option<&str>) -> Result<Option<Program>, String> {
    compile("f.json", text.as_bytes(), thread, Arch::X86_64).map_err(|error| error.to_string())
}

/// The program with our dispatch in front, as it is installed.
fn whole(thread: &str) -> Program {
    let behind = made(THREADS, Some(thread)).unwrap().unwrap();
    let profile = Profile::open();
    let target = Target { arch: Arch::X86_64, kernel: (6, 12), caps: &BTreeSet::new() };
    let policies = resolve(&profile, &target, &Table::new()).unwrap();
    let program = compile_before(&policies, &behind).unwrap();
    assert!(prove(&policies, &program, Some(&behind)).unwrap() > 1000);
    program
}

#[test]
fn a_filter_says_what_its_file_says() {
    let answer = |thread, number, args| whole(thread).run(&Data { arch: Arch::X86_64.audit(), number, args }).unwrap();
    let (allowed, trapped, refused) = (0x7fff_0000, 0x0003_0000, 0x0005_000d);
    assert_eq!(answer("vmm", 0, [0; 6]), allowed, "read");
    assert_eq!(answer("vmm", 1, [0; 6]), trapped, "write");
    assert_eq!(answer("vmm", 41, [1, 0, 0, 0, 0, 0]), allowed, "socket AF_UNIX");
    assert_eq!(answer("vmm", 41, [2, 0, 0, 0, 0, 0]), trapped, "socket AF_INET");
    assert_eq!(answer("vmm", 28, [0, 0, 4, 0, 0, 0]), allowed, "madvise");
    assert_eq!(answer("vmm", 28, [0, 0, 1 << 32 | 4, 0, 0, 0]), trapped, "madvise with an upper half");
    assert_eq!(answer("api", 101, [0; 6]), refused, "ptrace");
    assert_eq!(answer("api", 0, [0; 6]), allowed, "read");
}

/// Under a list of what is refused, seccompiler's program alone lets `ptrace` of x32 through.
#[test]
fn x32_and_other_architectures_are_refused_in_front_of_it() {
    let alone = made(THREADS, Some("api")).unwrap().unwrap();
    let x32 = Data { arch: Arch::X86_64.audit(), number: 0x4000_0000 | 521, args: [0; 6] };
    assert_eq!(alone.run(&x32), Some(0x7fff_0000));
    assert_eq!(whole("api").run(&x32), Some(0x0005_0026));
    assert_eq!(whole("api").run(&Data { arch: Arch::I386.audit(), number: 26, args: [0; 6] }), Some(0x8000_0000));
}

#[test]
fn the_form_is_not_mixed_up_with_others() {
    let others = [
        "{}",
        "[]",
        r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#,
        r#"{"extends": "default", "syscalls": []}"#,
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "vmm": {"filter": []}}"#,
        r#"{"defaultAction": {}}"#,
    ];
    for text in others {
        assert_eq!(made(text, None), Ok(None), "{text}");
        let error = made(text, Some("vmm")).unwrap_err();
        assert_eq!(error, "f.json: there is no filter \"vmm\": this is no file of seccompiler's form");
    }
}

#[test]
fn the_only_filter_need_not_be_named() {
    let only = r#"{"x": {"default_action": "allow", "filter_action": "trap", "filter": [{"syscall": "ptrace"}]}}"#;
    assert_eq!(made(only, None).unwrap(), made(only, Some("x")).unwrap());
    assert!(made(&format!("\u{feff}{only}"), None).unwrap().is_some());
}

#[test]
fn what_is_wrong_is_said() {
    let filter = |rules: &str| {
        format!(r#"{{"vmm": {{"default_action": "trap", "filter_action": "allow", "filter": [{rules}]}}}}"#)
    };
    let eq = |index: u32| {
        format!(r#"{{"syscall": "socket", "args": [{{"index": {index}, "type": "dword", "op": "eq", "val": 1}}]}}"#)
    };
    for (text, wanted) in [
        (THREADS.to_owned(), "f.json: it has several filters (\"api\", \"vmm\"); one is named as FILE#NAME"),
        (
            filter(r#"{"syscall": "raed"}"#),
            "f.json: vmm.filter[0].syscall: unknown system call \"raed\", did you mean read?",
        ),
        (
            filter(r#"{"syscall": "fcntl"}, {"syscall": "fcntl64"}"#),
            "f.json: vmm.filter[1].syscall: x86_64 has no fcntl64; a file of this form is for one architecture",
        ),
        (
            filter(r#"{"syscal": "read"}"#),
            "f.json: unknown field `syscal`, expected one of `syscall`, `args`, `comment` at line 1",
        ),
        (filter(&eq(6)), "f.json: The seccomp rule contains an invalid argument index."),
        (filter(r#"{"syscall": "read", "args": []}"#), "f.json: The condition vector of a rule cannot be empty."),
        (
            filter(&format!(r#"{{"syscall": "socket"}}, {}"#, eq(0))),
            "f.json: vmm.filter[1]: \"socket\" has a rule with args and one without, of which seccompiler drops the latter",
        ),
        (
            filter("").replace("\"trap\"", r#"{"errno": 65537}"#),
            "f.json: vmm.default_action: a whole number from 0 to 4095 is wanted here",
        ),
        (filter("").replace("trap", "tr\\u001bap"), "f.json: unknown variant `tr\\x1bap`"),
        (filter("").replace("trap", "allow"), "f.json: `match_action` and `mismatch_action` are equal."),
        (
            filter("").replace("filter_action", "default_action"),
            "f.json: field \"default_action\" is there twice (line 1)",
        ),
    ] {
        let error = made(&text, None).unwrap_err();
        assert!(error.starts_with(wanted), "{text}\n{error}\n{wanted}");
    }
    assert_eq!(made(THREADS, Some("vm")).unwrap_err(), "f.json: there is no filter \"vm\", did you mean vmm?");
}
