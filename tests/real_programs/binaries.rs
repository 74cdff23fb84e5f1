//! Programs that need nothing of the system, and scripts that do not say what they need.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Actor, Fixture, executable, inside, skip};
use crate::{actors, program};

/// Writes `42` and ends with 3, by the system calls of i386, without any library.
const SOURCE_32: &str = r#"
    .globl _start
_start:
    movl $4, %eax
    movl $1, %ebx
    movl $text, %ecx
    movl $3, %edx
    int $0x80
    movl $1, %eax
    movl $3, %ebx
    int $0x80
    .data
text: .ascii "42\n"
"#;

const SOURCE_STATIC: &str = "#include <stdio.h>\nint main(void) { puts(\"42\"); return 3; }\n";

/// Builds a program in the fixture, and shows that it runs outside.
fn built(fixture: &Fixture, suffix: &str, source: &str, options: &[&str]) -> Option<PathBuf> {
    let (text, program) = (fixture.path.join(format!("source.{suffix}")), fixture.path.join(format!("out-{suffix}")));
    std::fs::write(&text, source).unwrap();
    let made = Command::new("gcc").args(options).arg("-o").arg(&program).arg(&text).output();
    let runs = || Command::new(&program).output().is_ok_and(|output| output.stdout == b"42\n");
    match made {
        Ok(made) if made.status.success() && runs() => Some(program),
        made => {
            skip(&format!("gcc {options:?} makes no program that runs here: {made:?}"));
            None
        }
    }
}

/// In a box with nothing else in it at all.
fn runs_alone(suffix: &str, source: &str, options: &[&str]) {
    for actor in actors() {
        let fixture = Fixture::new(&format!("{suffix}-{actor:?}"), actor);
        let Some(path) = built(&fixture, suffix, source, options) else { return };
        let line = format!("--unshare-all --ro-bind {} /x", path.display());
        let outcome = inside(actor, &line, &["/x"]).run();
        assert_eq!((outcome.ending(), outcome.stdout_text()), ("exit 3".into(), "42\n".into()), "{outcome}");
    }
}

#[test]
fn a_static_program_runs_alone() {
    runs_alone("c", SOURCE_STATIC, &["-static"]);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_program_runs_alone() {
    runs_alone("s", SOURCE_32, &["-m32", "-nostdlib", "-static"]);
}

/// A dynamic one without its loader is the kernel's ENOENT, with the program's name in it.
#[test]
fn a_dynamic_program_without_its_loader_is_an_error_that_names_it() {
    let outcome = inside(Actor::User, "--unshare-all --ro-bind /usr/bin/true /x", &["/x"]).run();
    assert_eq!(outcome.ending(), "exit 1", "{outcome}");
    assert!(outcome.stderr_text().starts_with("bwrap: execvp /x: No such file or directory\n"), "{outcome}");
}

/// As execvp(3) has it: what the kernel does not know is a script of /bin/sh.
#[test]
fn a_script_without_an_interpreter_line_runs() {
    for actor in actors() {
        let fixture = Fixture::new(&format!("script-{actor:?}"), actor);
        let script = fixture.path.join("dir/inner");
        executable::write(&script, b"echo \"$0 $1 $#\"\nexit 9\n");
        let options = format!("--ro-bind {}/dir /s --setenv PATH /s:/usr/bin", fixture.path.display());
        for name in ["inner", "/s/inner"] {
            let outcome = program(actor, &options, &[name, "a b", "c"]).run();
            let said = (outcome.ending(), outcome.stdout_text());
            assert_eq!(said, ("exit 9".into(), "/s/inner a b 2\n".into()), "{outcome}");
        }
    }
}
