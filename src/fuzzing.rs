//! The parsers that read bytes from somebody who may mean harm, each with what must hold whatever the bytes are.
//!
//! A target takes any bytes and may not panic. cargo-fuzz calls it with inputs that it grows by coverage (tests/fuzz);
//! the test below calls it with the seeds of tests/fuzz/seeds and with changed copies of them.

use crate::{cli, protocol, seccomp, workspace};

pub(crate) mod shown;

/// A target: its name, which is also that of its directory of seeds, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("git_config", workspace::fuzz::git_config),
    ("profile", cli::run::fuzz::profile),
    ("native_command_line", cli::run::fuzz::command_line),
    ("bwrap_command_line", cli::bwrap::fuzz::command_line),
    ("seccomp_json", seccomp::fuzz::json),
    ("protocol", protocol::fuzz::packet),
];

/// Runs the target `name`.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, body) = target.unwrap_or_else(|| panic!("there is no fuzz target {name}"));
    body(input);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::panic;
    use std::path::Path;

    use super::*;

    /// No input is longer.
    const LONGEST: usize = 4096;

    /// The same sequence in every run (xorshift64*, Marsaglia 2003 and Vigna 2016).
    struct Dice(u64);

    impl Dice {
        /// A number below `sides`, which is not 0.
        fn throw(&mut self, sides: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
        }

        fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
            &of[self.throw(of.len())]
        }
    }

    /// Bytes that mean something to one of the parsers.
    const MEANING: &[u8] = b"\0\0\n\r\t \"'\\#;:=[]{},./-*@~$!<>0189aZ\x1b\x7f\x80\xc3\xff";

    /// Changes `input` in one place, with material of `seeds`.
    fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], dice: &mut Dice) {
        let at = dice.throw(input.len() + 1);
        let end = at + dice.throw((input.len() - at).min(32) + 1);
        let here = at.min(input.len().saturating_sub(1));
        match dice.throw(7) {
            0 => input.insert(at, *dice.pick(MEANING)),
            1 => drop(input.drain(at..end)),
            2 => {
                let copy = input[at..end].to_vec();
                let to = dice.throw(input.len() + 1);
                input.splice(to..to, copy);
            }
            3 if !input.is_empty() => input[here] ^= 1 << dice.throw(8),
            4 if !input.is_empty() => input[here] = *dice.pick(MEANING),
            5 => input.truncate(at),
            _ => {
                let other = dice.pick(seeds);
                let from = dice.throw(other.len() + 1);
                let to = from + dice.throw((other.len() - from).min(64) + 1);
                input.splice(at..end, other[from..to].iter().copied());
            }
        }
        input.truncate(LONGEST);
    }

    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
        let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        assert!(!paths.is_empty(), "{}: no seeds", folder.display());
        paths.iter().map(|path| fs::read(path).unwrap()).collect()
    }

    fn feed(&(name, body): &Target, input: &[u8]) {
        let shown = input.escape_ascii();
        assert!(panic::catch_unwind(|| body(input)).is_ok(), "{name} fails on b\"{shown}\"");
    }

    /// Feeds the seeds of target `name`, and `count` changed copies of them.
    fn try_target(name: &str, count: usize) {
        let target = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
        let seeds = seeds(name);
        feed(target, b"");
        seeds.iter().for_each(|seed| feed(target, seed));
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        for _ in 0..count {
            let mut input = dice.pick(&seeds).clone();
            for _ in 0..=dice.throw(6) {
                change(&mut input, &seeds, &mut dice);
            }
            feed(target, &input);
        }
    }

    #[test]
    fn git_config() {
        try_target("git_config", 10_000);
    }

    #[test]
    fn profile() {
        try_target("profile", 1_500);
    }

    #[test]
    fn native_command_line() {
        try_target("native_command_line", 2_500);
    }

    #[test]
    fn bwrap_command_line() {
        try_target("bwrap_command_line", 1_500);
    }

    #[test]
    fn seccomp_json() {
        try_target("seccomp_json", 2_000);
    }

    #[test]
    fn protocol() {
        try_target("protocol", 10_000);
    }

    /// Each target has a test above, a program for cargo-fuzz and seeds.
    #[test]
    fn every_target_is_tried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
        let (manifest, here) = (fs::read_to_string(folder.join("Cargo.toml")).unwrap(), include_str!("fuzzing.rs"));
        for (name, _) in TARGETS {
            assert!(here.contains(&format!("try_target(\"{name}\", ")), "{name}: no test");
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name}: not in the manifest");
            let program = fs::read_to_string(folder.join(format!("fuzz_targets/{name}.rs"))).unwrap();
            assert!(program.contains(&format!("run(\"{name}\", ")), "{name}: another target is run");
        }
    }
}
