//! The completions, in the shells that they are for: what is offered at a place of a command line.
#![allow(clippy::unwrap_used, clippy::expect_used)] // what cannot be read must stop the test

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{skip, stage};

/// `line` up to the cursor → what must be offered, and what must not.
const CASES: &[(&str, &[&str], &[&str])] = &[
    ("pinfold ", &["run", "bwrap", "profile", "seccomp", "kept", "doctor"], &["--ro"]),
    ("pinfold se", &["seccomp"], &["run"]),
    ("pinfold run --r", &["--ro", "--ro-try", "--rw"], &["--net", "--ro-bind"]),
    ("pinfold run --ro ", &["inner", "some file"], &["--ro"]),
    ("pinfold run --ro in", &["inner"], &["some file"]),
    ("pinfold run --net ", &["none", "host"], &["inner"]),
    ("pinfold run --net h", &["host"], &["none"]),
    ("pinfold run --landlock ", &["auto", "off", "only"], &["none"]),
    ("pinfold run --seccomp ", &["default", "strict", "off", "inner"], &["none", "some file"]),
    ("pinfold run --seccomp ./so", &["./some file"], &["default"]),
    // A file without a slash would be the name of a profile.
    ("pinfold run --profile ", &["workspace", "offline-tool", "mine", "inner"], &["strict", "some file"]),
    ("pinfold run --profile ./so", &["./some file"], &["mine"]),
    ("pinfold profile show ", &["workspace", "inner"], &["some file"]),
    ("pinfold run --syscall-deny @mou", &["@mount"], &["@ptrace"]),
    ("pinfold run --cap-add CAP_NET_A", &["CAP_NET_ADMIN"], &["ALL"]),
    ("pinfold run --env PINFOLD_TEST_V", &["PINFOLD_TEST_VALUE"], &["inner"]),
    // Past options and their values: the program, and then what that takes.
    ("pinfold run --net host --workspace --dry-run --s", &["--share", "--seccomp"], &["--net"]),
    ("pinfold run --net host true", &["true"], &["inner"]),
    ("pinfold run -- tru", &["true"], &["inner"]),
    ("pinfold run --net host cat in", &["inner"], &["--ro"]),
    ("pinfold bwrap --ro-bind in", &["inner"], &["some file"]),
    ("pinfold bwrap --ro-bind x in", &["inner"], &["some file"]),
    ("pinfold bwrap --ro-bind x y --unshare-n", &["--unshare-net"], &["--net"]),
    ("pinfold bwrap --setenv X in --unshare-n", &["--unshare-net"], &["inner"]),
    ("bwrap --ro-b", &["--ro-bind", "--ro-bind-try"], &["--ro"]),
    ("bwrap --unshare-all tru", &["true"], &["inner"]),
    ("pinfold profile ", &["list", "show", "check", "diff"], &["compile", "inner"]),
    ("pinfold profile show w", &["workspace"], &["base"]),
    ("pinfold profile diff base w", &["workspace"], &["base"]),
    ("pinfold profile check base tru", &["true"], &["base"]),
    ("pinfold doctor --", &["--json"], &["--ro"]),
    ("pinfold seccomp ", &["list", "show", "compile", "check", "explain"], &["diff"]),
    ("pinfold seccomp show ", &["default", "@mount"], &["base"]),
    ("pinfold seccomp compile --arch ", &["aarch64", "riscv64"], &["default"]),
    ("pinfold seccomp compile default --a", &["--arch"], &["--profile"]),
    ("pinfold seccomp explain --profile st", &["strict"], &["default"]),
];

/// Where bash is handed back what stands behind the last = or : only.
const JOINED: &[(&str, &[&str], &[&str])] = &[
    ("pinfold run --net=", &["none", "host"], &["inner"]),
    ("pinfold run --net=h", &["host"], &["none"]),
    ("pinfold run --dry-run=j", &["json"], &["text"]),
    ("pinfold run --net=host --s", &["--share", "--seccomp"], &["--net"]),
    ("pinfold run --ro=in", &["inner"], &["some file"]),
    ("pinfold run --profile=./so", &["./some file"], &["mine"]),
    ("pinfold run --profile=so", &[], &["some file"]),
    ("pinfold run --ro /x:in", &["inner"], &["some file"]),
    ("pinfold run --ro /x:/y --s", &["--share"], &["--net"]),
    ("pinfold run --env A=b --s", &["--share"], &["--net"]),
    ("pinfold run --share net,i", &["net,ipc"], &["net", "ipc"]),
    ("pinfold seccomp compile --arch=a", &["aarch64"], &["riscv64"]),
    ("pinfold bwrap --setenv X a:b --unshare-n", &["--unshare-net"], &["inner"]),
];

#[test]
fn bash_offers_what_fits() {
    for case in CASES.iter().chain(JOINED) {
        compare("bash", case, &bash(case.0));
    }
}

/// `compgen -W` carries out what stands in `$(…)`.
#[test]
fn bash_does_not_carry_out_the_name_of_a_profile() {
    let place = Place::new("bash-name");
    let name = "$(touch planted).profile";
    fs::write(place.home.join(".config/pinfold/profiles").join(name), "# Planted\n").unwrap();
    let offered = place.bash("pinfold run --profile ");
    assert!(offered.contains("workspace"), "{offered:?}");
    assert!(!place.home.join("planted").exists(), "a command in the name of a profile was executed");
}

#[test]
fn fish_offers_what_fits() {
    if absent("fish") {
        return skip("fish is not installed: its completions are not tried");
    }
    for case in CASES {
        compare("fish", case, &fish(case.0));
    }
}

#[test]
fn the_scripts_are_well_formed() {
    for (shell, script) in [("bash", "pinfold.bash"), ("zsh", "_pinfold"), ("fish", "pinfold.fish")] {
        if absent(shell) {
            skip(&format!("{shell} is not installed: its completions are not read"));
            continue;
        }
        let output = Command::new(shell).arg("-n").arg(completions().join(script)).output().unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaints.is_empty(), "{script}: {complaints}");
    }
}

fn compare(shell: &str, (line, wanted, unwanted): &(&str, &[&str], &[&str]), offered: &BTreeSet<String>) {
    for word in *wanted {
        assert!(offered.contains(*word), "{shell}: {line:?} offers no {word}: {offered:?}");
    }
    for word in *unwanted {
        assert!(!offered.contains(*word), "{shell}: {line:?} offers {word}: {offered:?}");
    }
}

fn bash(line: &str) -> BTreeSet<String> {
    Place::new(&format!("bash-{}", line.replace(['/', ' '], "_"))).bash(line)
}

fn fish(line: &str) -> BTreeSet<String> {
    Place::new(&format!("fish-{}", line.replace(['/', ' '], "_"))).fish(line)
}

/// A home with a directory, a file and a profile in it, and the tool on the path.
struct Place {
    home: PathBuf,
}

impl Place {
    fn new(name: &str) -> Place {
        let home = stage::stage().join("completions").join(name);
        fs::create_dir_all(home.join("inner")).unwrap();
        fs::write(home.join("some file"), "").unwrap();
        fs::create_dir_all(home.join(".config/pinfold/profiles")).unwrap();
        fs::write(home.join(".config/pinfold/profiles/mine.profile"), "# Mine\nprofile base\n").unwrap();
        fs::create_dir_all(home.join("bin")).unwrap();
        for name in ["pinfold", "bwrap"] {
            let link = home.join("bin").join(name);
            if !link.exists() {
                std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pinfold"), link).unwrap();
            }
        }
        Place { home }
    }

    fn shell(&self, shell: &str) -> Command {
        let mut command = Command::new(shell);
        let path = format!("{}:/usr/bin:/bin", self.home.join("bin").display());
        command.env_clear().env("HOME", &self.home).env("PATH", path).env("LC_ALL", "C.UTF-8");
        command.env("PINFOLD_TEST_VALUE", "1").current_dir(&self.home).stdin(Stdio::null());
        command
    }

    /// What readline would ask the script for.
    fn bash(&self, line: &str) -> BTreeSet<String> {
        let (words, current) = as_bash_splits(line);
        let script = r#"
            compopt() { :; }
            source "$1"; COMP_LINE=$2 COMP_CWORD=$3 COMP_POINT=${#2}; shift 3; COMP_WORDS=("$@")
            _pinfold "${COMP_WORDS[0]}"; printf '%s\n' "${COMPREPLY[@]}""#;
        let mut bash = self.shell("bash");
        bash.args(["--norc", "-c", script, "bash"]).arg(completions().join("pinfold.bash"));
        said(bash.arg(line).arg(current.to_string()).args(words))
    }

    fn fish(&self, line: &str) -> BTreeSet<String> {
        let mut fish = self.shell("fish");
        fish.args(["--no-config", "-c", "source $argv[1]; complete -C $argv[2]"]);
        let said = said(fish.arg(completions().join("pinfold.fish")).arg(line));
        // A description follows behind a tab, and a directory ends with a slash.
        let bare = |word: &String| word.split('\t').next().unwrap().trim_end_matches('/').replace("\\ ", " ");
        said.iter().map(bare).collect()
    }
}

/// `COMP_WORDS` and `COMP_CWORD`: words end at blanks, and = and : are words of their own (bash(1), `COMP_WORDBREAKS`).
fn as_bash_splits(line: &str) -> (Vec<String>, usize) {
    let mut words: Vec<String> = vec![String::new()];
    for sign in line.chars() {
        let is_break = |word: &str| word.ends_with(['=', ':']);
        let last = words.last_mut().unwrap();
        match sign {
            ' ' => words.push(String::new()),
            '=' | ':' if last.is_empty() || is_break(last) => last.push(sign),
            '=' | ':' => words.push(sign.into()),
            _ if is_break(last) => words.push(sign.into()),
            _ => last.push(sign),
        }
    }
    let current = words.len() - 1;
    (words, current)
}

fn said(command: &mut Command) -> BTreeSet<String> {
    let output = command.output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(complaints.is_empty(), "{complaints}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn absent(shell: &str) -> bool {
    Command::new(shell).arg("--version").output().is_err()
}

fn completions() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/completions")
}
