//! `pinfold` without a command, with one that it does not have, and what it says about those that it has.
#![allow(clippy::unwrap_used)] // a tool that cannot be started must stop the test

use std::fs::File;
use std::io::pipe;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};

#[test]
fn help_names_every_command() {
    let wanted = "\
usage: pinfold run [OPTIONS...] [--] COMMAND [ARGS...]
       pinfold bwrap [OPTIONS...] [--] COMMAND [ARGS...]
       pinfold profile list|show|check|diff|trust ...
       pinfold seccomp list|show|compile|check|explain ...
       pinfold kept list|diff|take|drop ...
       pinfold doctor [--json] [--quiet]
";
    let (code, help, _) = pinfold(&["--help"]);
    assert!(code == 0 && help.starts_with(wanted), "{help}");
    assert!(help.contains("\n  run          run a program in a box that is safe with no options;"), "{help}");
    assert!(help.lines().all(|line| line.len() <= 84), "{help}");
    for word in ["-h", "help"] {
        assert_eq!(pinfold(&[word]), (0, help.clone(), String::new()), "{word}");
    }
    let (code, nothing, said) = pinfold(&[]);
    assert_eq!((code, &nothing[..], &said[..]), (125, "", &format!("pinfold: no command is given\n{wanted}")[..]));
}

#[test]
fn a_wrong_word_gets_one_line_and_a_hint() {
    for (word, hint) in [
        ("rum", "did you mean run?"),
        ("seccmop", "did you mean seccomp?"),
        ("--ro", "an option stands behind its command: pinfold run [OPTIONS...]"),
        ("--bind", "that is an option of bubblewrap: pinfold bwrap [OPTIONS...]"),
        ("--versoin", "did you mean --version?"),
        ("xyzzy", "`pinfold --help` lists the commands"),
        ("ls", "a program is run by `pinfold run ls`"),
        ("/bin/sh", "a program is run by `pinfold run /bin/sh`"),
        ("\u{1b}[2J", "`pinfold --help` lists the commands"),
    ] {
        let (code, out, said) = pinfold(&[word, "true"]);
        assert_eq!((code, &out[..]), (125, ""), "{word}");
        let shown = word.replace('\u{1b}', "\\x1b");
        assert_eq!(said, format!("pinfold: unknown command {shown}\nhint: {hint}\n"));
    }
}

/// The same of the words behind it, whatever the command.
#[test]
fn a_wrong_word_behind_a_command_gets_a_hint_too() {
    for (words, said) in [
        ("doctor --jsn", "doctor: unknown option --jsn\nhint: did you mean --json?"),
        ("doctor json", "doctor: unknown word json\nhint: did you mean --json?"),
        ("doctor --xyzzy", "doctor: unknown option --xyzzy\nhint: pinfold doctor [--json] [--quiet]"),
        ("doctor -x", "doctor: unknown option -x\nhint: pinfold doctor [--json] [--quiet]"),
        (
            "doctor --json=1",
            "doctor: unexpected argument for option '--json': \"1\"\nhint: pinfold doctor [--json] [--quiet]",
        ),
        ("profile", "profile: a command is missing\nhint: pinfold profile --help tells how it is used"),
        ("profile shwo base", "profile: unknown command shwo\nhint: did you mean show?"),
        ("profile xyzzy", "profile: unknown command xyzzy\nhint: pinfold profile --help tells how it is used"),
        ("profile --hlep", "profile: unknown option --hlep\nhint: did you mean --help?"),
        ("profile list --hlep", "profile: unknown option --hlep\nhint: did you mean --help?"),
        ("profile diff base -x", "profile: unknown option -x\nhint: pinfold profile diff NAME|FILE NAME|FILE"),
        (
            "profile check --x base",
            "profile: unknown option --x\nhint: pinfold profile check NAME|FILE [--] [COMMAND [ARGS...]]",
        ),
        ("profile show", "profile: a word is missing\nhint: pinfold profile show NAME|FILE"),
        ("profile diff a b c", "profile: one word too many: c\nhint: pinfold profile diff NAME|FILE NAME|FILE"),
        ("seccomp lst", "seccomp: unknown command lst\nhint: did you mean list?"),
        ("run --read-only /x true", "unknown option --read-only\nhint: that is --ro PATH here"),
        ("run --cwd /x true", "unknown option --cwd\nhint: that is --workdir DIR here"),
        ("run --help=x", "--help takes no value"),
        ("run --version=x", "--version takes no value"),
        ("run --net= true", "--net '': unknown word '' (known: none, host)"),
        ("run --worksapce true", "unknown option --worksapce\nhint: did you mean --workspace?"),
    ] {
        let (code, out, text) = pinfold(&words.split(' ').collect::<Vec<_>>());
        let program = if words.starts_with("run") { "pinfold: " } else { "pinfold " };
        assert_eq!((code, &out[..], text), (125, "", format!("{program}{said}\n")), "{words}");
    }
}

#[test]
fn every_command_has_help() {
    for words in [
        &["run", "-h"][..],
        &["run", "--help"],
        &["bwrap", "--help"],
        &["profile", "-h"],
        &["seccomp", "-h"],
        &["kept", "-h"],
        &["doctor", "-h"],
    ] {
        let (code, help, said) = pinfold(words);
        let verb = words[0];
        // `bwrap` is called as it was called, with its whole path.
        let own = if verb == "bwrap" { env!("CARGO_BIN_EXE_pinfold") } else { "pinfold" };
        let is_usage = help.starts_with(&format!("usage: {own} {verb} "));
        assert!(code == 0 && said.is_empty() && is_usage, "{words:?}: {help}{said}");
    }
}

/// What prints something.
const PRINTING: &[&str] = &[
    "--help",
    "--version",
    "run --help",
    "run -h",
    "run --version",
    "run --profile base --dry-run true",
    "run --profile base --dry-run=json true",
    "run --profile base --seccomp off --print-bwrap true",
    "profile list",
    "profile show base",
    "seccomp list",
    "seccomp show default",
    "seccomp explain ptrace",
    "seccomp compile default",
    "kept --help",
    "doctor --help",
    "doctor",
    "doctor --json",
];

/// What cannot be written has not been said, and no other exit code may look as if it had.
#[test]
fn a_full_output_is_a_failure_of_ours() {
    for words in PRINTING {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let Output { status, stderr, .. } = command(words).stdout(full).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(125), "{words}: {said}");
        assert!(said.ends_with(": cannot write to standard output: No space left on device\n"), "{words}: {said}");
    }
    // The other door does as bubblewrap does.
    let full = File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(command("bwrap --help").stdout(full).status().unwrap().code(), Some(1));
}

#[test]
fn a_closed_output_is_said_to_be_closed() {
    for words in PRINTING {
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" >&-", "sh", env!("CARGO_BIN_EXE_pinfold")]).args(words.split(' '));
        let Output { status, stderr, .. } = shell.env("XDG_CONFIG_HOME", NO_PROFILES).output().unwrap();
        let said = String::from_utf8(stderr).unwrap();
        assert_eq!(status.code(), Some(125), "{words}: {said}");
        assert!(said.ends_with(": cannot write to standard output: it is closed\n"), "{words}: {said}");
    }
}

#[test]
fn too_few_open_files_are_said_to_be_too_few() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 3; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_pinfold"), "run", "true"]);
    let Output { status, stderr, .. } =
        shell.env("XDG_CONFIG_HOME", NO_PROFILES).env("HOME", "/home/x").output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(125), "{said}");
    assert!(said.ends_with("Too many open files\nhint: raise the limit of open files (ulimit -n)\n"), "{said}");
}

/// As `| head` leaves it: who reads no longer wants no complaint either.
#[test]
fn a_reader_that_is_gone_is_no_failure_to_speak_of() {
    for words in PRINTING {
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        // Who starts this test ignores SIGPIPE or not; a shell can do either.
        for (trap, wanted) in [("trap '' PIPE;", (Some(141), None)), ("", (None, Some(libc::SIGPIPE)))] {
            let script = format!("{trap} exec \"$@\"");
            let mut shell = Command::new("sh");
            shell.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_pinfold")]).args(words.split(' '));
            shell.env("XDG_CONFIG_HOME", NO_PROFILES);
            let Output { status, stderr, .. } = shell.stdout(writer.try_clone().unwrap()).output().unwrap();
            let said = String::from_utf8(stderr).unwrap();
            assert!(!said.contains("standard output"), "{words}: {said}");
            assert_eq!((status.code(), status.signal()), wanted, "{words}: {said}");
        }
    }
}

/// Whoever runs the tests may have profiles of those names; `XDG_CONFIG_HOME` leads away from them.
const NO_PROFILES: &str = "/nonexistent";

fn command(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinfold"));
    command.args(words.split(' ')).env("XDG_CONFIG_HOME", NO_PROFILES);
    command
}

/// Exit code, standard output and standard error of the tool.
fn pinfold(words: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pinfold"));
    let output = command.args(words).env("XDG_CONFIG_HOME", NO_PROFILES).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
