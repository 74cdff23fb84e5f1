//! The architecture is a test: who may use whom, where `unsafe` may stand, and what no file of `src/` may contain.
//!
//! The sources are read as tokens, without comments and the content of strings. Tests inside the sources keep the same
//! rules as what they test.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a source that cannot be read must stop the test

mod circles;
mod modules;
mod source;
mod words;

use std::collections::BTreeSet;
use std::path::Path;

use source::{Source, read, root, sources};

/// Who may use which modules of ours. A file obeys the longest row that its path under `src/` begins with, and may
/// always use its own module. An arrow never points back; `lib` is what the crate itself offers, such as `run`.
const ARROWS: &[(&str, &[&str])] = &[
    ("build.rs", &["error", "seccomp"]),
    ("main.rs", &["cli", "lib"]),
    ("lib.rs", &["error", "prepare", "report", "sandbox", "spawn", "spec", "supervise", "sys", "workspace"]),
    ("sandbox.rs", &["error", "host", "lib", "spawn", "spec", "workspace"]),
    ("prepare.rs", &["error", "host", "plan", "protocol", "spec"]),
    ("spawn.rs", &["error", "plan", "prepare", "protocol", "report", "spec", "supervise", "sys"]),
    // Words in, a spec out: pure, but for the front end itself and the words of a failure.
    ("cli", &["error", "spec"]),
    ("cli/mod.rs", &["error", "exec", "host", "sys"]),
    ("cli/console.rs", &["error", "spec", "sys"]),
    ("cli/profile.rs", &["error", "spec"]),
    ("cli/run/mod.rs", &["error", "host", "plan", "protocol", "spawn", "spec", "supervise", "sys", "workspace"]),
    ("cli/run/terms.rs", &["error", "report"]),
    ("cli/run/dry_run.rs", &["error", "plan", "spec"]),
    ("cli/run/lower.rs", &["error", "spec", "suggest", "workspace"]),
    ("cli/run/footprint.rs", &["error", "spec"]),
    ("cli/run/links.rs", &["error", "spec"]),
    ("cli/run/look.rs", &["error", "host", "plan", "spec", "supervise", "workspace"]),
    ("cli/run/profile.rs", &["error", "suggest", "sys"]),
    ("cli/run/trust.rs", &["error", "host", "state", "sys"]),
    ("cli/run/read.rs", &["error"]),
    ("cli/run/guess.rs", &["suggest"]),
    ("cli/run/advice.rs", &["error", "spec", "suggest"]),
    ("cli/run/after.rs", &["error", "plan", "spec", "supervise", "sys", "workspace"]),
    ("cli/run/value.rs", &["error", "spec"]),
    ("cli/run/messages.rs", &["error", "plan", "protocol", "report", "spec", "supervise", "sys"]),
    ("cli/run/tests", &["error", "cli", "spec", "workspace"]),
    ("cli/run/world.rs", &["error", "host", "spec", "sys", "workspace"]),
    ("cli/commands.rs", &["error", "suggest"]),
    // Compiled into tests only.
    ("cli/render/files", &["seccomp", "spec"]),
    ("cli/seccomp.rs", &["error", "plan", "seccomp", "seccompiler_json", "spec", "suggest", "sys"]),
    ("cli/kept.rs", &["error", "spawn", "spec", "sys", "workspace"]),
    ("cli/kept", &["error"]),
    ("cli/kept/settings.rs", &["error", "sys", "workspace"]),
    ("cli/doctor.rs", &["doctor", "error"]),
    ("cli/bwrap/mod.rs", &["error", "host", "plan", "spec", "supervise", "sys"]),
    ("cli/bwrap/parse.rs", &["error", "spec", "suggest"]),
    ("cli/bwrap/messages.rs", &["error", "host", "plan", "protocol", "report", "spec", "supervise", "sys"]),
    ("error.rs", &[]),
    // Compiled into tests and fuzz targets only.
    ("cli/bwrap/fuzz.rs", &["fuzzing", "spec"]),
    ("cli/run/fuzz.rs", &["error", "fuzzing", "workspace"]),
    ("fuzzing.rs", &["cli", "protocol", "seccomp", "workspace"]),
    ("fuzzing/shown.rs", &["error"]),
    ("protocol/fuzz.rs", &[]),
    ("seccomp/fuzz.rs", &["fuzzing", "seccompiler_json"]),
    ("workspace/fuzz.rs", &[]),
    ("spec", &[]),
    ("spec/check.rs", &["error"]),
    ("spec/words.rs", &["error"]),
    ("host.rs", &["error", "protocol", "spec", "sys"]),
    ("plan", &["error", "host", "spec", "sys"]),
    ("plan/filter.rs", &["error", "seccomp", "seccompiler_json", "spec", "sys"]),
    ("plan/landlock/tcp.rs", &["error", "seccomp"]),
    ("plan/others.rs", &["error", "seccomp", "spec"]),
    ("supervise", &["error", "exec", "plan", "protocol", "spec", "sys", "workspace"]),
    ("exec", &["plan", "protocol", "spec", "sys"]),
    // What the processes of a launch say to each other.
    ("protocol", &["spec", "sys"]),
    // Words that front ends share, and those of the library.
    ("report", &["error", "host", "plan", "protocol", "spec", "supervise", "sys"]),
    // Nothing uses it but its command; it uses the engine.
    ("doctor", &["error", "host", "plan", "protocol", "seccomp", "spec", "supervise", "sys"]),
    // Text in, a filter out: pure.
    ("seccompiler_json", &["error", "seccomp", "suggest"]),
    ("seccomp", &["error", "suggest"]),
    // Files of the host in, binds out.
    ("workspace", &["error", "spec", "state", "sys"]),
    ("state.rs", &["error", "sys"]),
    ("suggest.rs", &[]),
    ("sys", &[]),
];

/// Widest line of a comment, in columns.
const WIDEST_COMMENT: usize = 120;
/// Longest file, in lines.
const MOST_LINES: usize = 500;

#[test]
fn no_arrow_points_back() {
    let mut wrong = Vec::new();
    for source in sources() {
        let row = source.row();
        let Some((_, allowed)) = row else {
            wrong.push(format!("{}: no row in ARROWS", source.path));
            continue;
        };
        for (used, line) in source.modules_used() {
            if used != source.module() && !allowed.contains(&used) {
                wrong.push(format!("{}:{line}: uses {used}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_permission_is_needed() {
    let mut needed = BTreeSet::new();
    for source in sources() {
        let (row, _) = source.row().unwrap_or_default();
        needed.extend(source.modules_used().into_iter().map(|(used, _)| (row, used.to_owned())));
    }
    let idle: Vec<_> = ARROWS
        .iter()
        .flat_map(|&(row, allowed)| allowed.iter().map(move |&used| (row, used.to_owned())))
        .filter(|permission| !needed.contains(permission))
        .collect();
    assert!(idle.is_empty(), "rows of ARROWS that nothing needs: {idle:?}");
}

/// `super::` must not hide an arrow: across modules it is `crate::`, which the test above reads.
#[test]
fn every_arrow_can_be_seen() {
    for source in sources() {
        for (index, token) in source.tokens.iter().enumerate() {
            if token.text != "super" || source.text_at(index + 1) != "::" {
                continue;
            }
            let next = source.text_at(index + 2);
            assert_ne!(next, "super", "{}:{}: write crate:: instead of super::super::", source.path, token.line);
            // The file of a top-level module: only its own inline modules may look up.
            let to_the_crate = source.depth() == 1 && next != "*";
            assert!(!to_the_crate, "{}:{}: write crate:: instead of super::", source.path, token.line);
        }
    }
}

#[test]
fn the_kernel_is_called_in_sys_only() {
    for source in sources().into_iter().filter(|source| source.module() != "sys") {
        for (index, token) in source.tokens.iter().enumerate() {
            let is_call = ["libc", "nix"].contains(&token.text.as_str()) && source.text_at(index + 1) == "::";
            assert!(!is_call, "{}:{}: {}:: outside of sys", source.path, token.line, token.text);
        }
    }
}

/// By the names that only the crate has: there are modules of ours that are called as it is.
#[test]
fn the_crate_landlock_is_used_in_sys_only() {
    for source in sources().into_iter().filter(|source| source.module() != "sys") {
        for name in ["AccessFs", "AccessNet", "BitFlags", "NetPort", "PathBeneath", "RulesetCreated", "RulesetStatus"] {
            let found = source.tokens.iter().find(|token| token.text == name);
            assert!(found.is_none(), "{}:{}: {name} outside of sys", source.path, found.unwrap().line);
        }
    }
}

#[test]
fn unsafe_stands_in_sys_only() {
    for source in sources() {
        // `main` takes the arguments from the C runtime.
        if source.module() != "sys" && source.path != "main.rs" {
            let found = source.tokens.iter().find(|token| token.text == "unsafe");
            assert!(found.is_none(), "{}:{}: unsafe outside of sys", source.path, found.unwrap().line);
        }
    }
}

/// The caller's environment is read once, where facts are collected; `run` of the library does it for its caller.
#[test]
fn surroundings_are_read_in_one_place() {
    // The last two are no part of the program: one runs before it is built, the other is compiled into tests only.
    let may = ["host.rs", "lib.rs", "build.rs", "cli/render/files.rs"];
    for source in sources().into_iter().filter(|source| !may.contains(&source.path.as_str())) {
        for name in ["args", "args_os", "current_dir", "set_var", "temp_dir", "var", "var_os", "vars", "vars_os"] {
            let found = source.sequence(&["env", "::", name, "("]);
            assert!(found.is_none(), "{}:{}: env::{name} outside of host", source.path, found.unwrap());
        }
    }
}

/// What `std` buffers, a cloned child prints a second time; and only the front end talks.
#[test]
fn nothing_prints_through_a_buffer() {
    for source in sources() {
        for name in ["print", "println", "eprint", "eprintln", "dbg"] {
            let found = source.sequence(&[name, "!"]);
            assert!(found.is_none(), "{}:{}: {name}!", source.path, found.unwrap());
        }
    }
}

#[test]
fn nothing_is_left_undone() {
    for source in sources().into_iter().chain(read("tests")).filter(|source| source.path != "architecture/main.rs") {
        for undone in [&["todo", "!"][..], &["unimplemented", "!"], &["#", "[", "ignore", "]"]] {
            let found = source.sequence(undone);
            assert!(found.is_none(), "{}:{}: {}", source.path, found.unwrap(), undone.concat());
        }
        for mark in ["FIXME", "TODO"] {
            assert!(!source.text.contains(mark), "{}: {mark}", source.path);
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_is_short() {
    for source in sources().into_iter().chain(read("tests")) {
        assert!(source.text.starts_with("//! "), "{}: does not begin with //!", source.path);
        let lines = source.text.lines().count();
        assert!(lines <= MOST_LINES, "{}: {lines} lines, and {MOST_LINES} are the limit", source.path);
        // rustfmt leaves comments as they are. A table cannot be broken.
        let is_wide = |line: &&str| {
            let comment = line.trim_start();
            comment.starts_with("//") && !comment.contains(" | ") && line.chars().count() > WIDEST_COMMENT
        };
        let wide: Vec<&str> = source.text.lines().filter(is_wide).collect();
        assert!(wide.is_empty(), "{}: comments of more than {WIDEST_COMMENT} columns: {wide:#?}", source.path);
    }
}

/// "Where do I change …?" at the head of `lib.rs` names files that exist, and no module is missing from it.
#[test]
fn the_code_map_is_right() {
    let sources = sources();
    let lib = sources.iter().find(|source| source.path == "lib.rs").expect("there is a library");
    let map: String = lib.text.lines().filter(|line| line.starts_with("//!")).collect();
    let quoted: Vec<&str> = map.split('`').skip(1).step_by(2).collect();
    for name in quoted.iter().filter(|name| name.ends_with(".rs") || name.ends_with('/')) {
        assert!(root().join("src").join(name).exists(), "lib.rs: {name} does not exist");
    }
    for module in sources.iter().map(Source::module).filter(|&module| !["main", "lib", "error"].contains(&module)) {
        let is_named = quoted.iter().any(|name| Path::new(name).with_extension("").starts_with(module))
            || map.contains(&format!("`crate::{module}`"));
        assert!(is_named || module == "sandbox", "lib.rs: the map does not name {module}");
    }
}

impl Source {
    /// The row of ARROWS that this file obeys.
    fn row(&self) -> Option<(&'static str, &'static [&'static str])> {
        let fits = |row: &str| {
            Path::new(&self.path).starts_with(row) || Path::new(&self.path).with_extension("").starts_with(row)
        };
        ARROWS.iter().filter(|(row, _)| fits(row)).max_by_key(|(row, _)| row.len()).copied()
    }

    /// Modules of ours that are named here, and where: `crate::a`, `use crate::{a, b::c}`, and in the library's own
    /// file also what is declared there.
    fn modules_used(&self) -> Vec<(&str, usize)> {
        let mut used = Vec::new();
        for (index, token) in self.tokens.iter().enumerate() {
            let is_ours = token.text == "crate" || self.path == "main.rs" && token.text == "pinfold";
            if is_ours && self.text_at(index + 1) == "::" {
                used.extend(self.heads(index + 2));
            }
            if self.path == "lib.rs" && token.text != "crate" && self.text_at(index + 1) == "::" {
                used.push((token.text.as_str(), token.line));
            }
        }
        let known: BTreeSet<&str> = ARROWS.iter().map(|(row, _)| row.split(['/', '.']).next().unwrap_or(row)).collect();
        if self.path == "lib.rs" {
            used.retain(|(name, _)| known.contains(name));
        }
        // What is no module is an item of the crate.
        used.into_iter().map(|(name, line)| (if known.contains(name) { name } else { "lib" }, line)).collect()
    }
}
