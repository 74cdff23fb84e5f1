//! The manual pages and the completions. They are files of the repository, generated from the tables.
//!
//! `PINFOLD_BLESS=1 cargo test generated` writes them again. Only tests use this module, so the program does not have
//! it.
#![allow(clippy::unwrap_used)] // writing to a string cannot fail, and what else fails must stop the test

use std::path::Path;
use std::{env, fs};

mod bash;
mod completion;
mod fish;
mod roff;
mod shell;
mod zsh;

#[test]
fn generated_files_are_up_to_date() {
    for (path, wanted) in [
        ("man/pinfold.1", roff::pinfold()),
        ("man/pinfold-bwrap.1", roff::bwrap()),
        ("man/pinfold-profile.5", roff::profile()),
        ("packaging/completions/pinfold.bash", bash::bash()),
        ("packaging/completions/_pinfold", zsh::zsh()),
        ("packaging/completions/pinfold.fish", fish::fish()),
    ] {
        assert!(!has_leftovers(&wanted), "{path}: a placeholder is left");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        if env::var_os("PINFOLD_BLESS").is_some_and(|value| value == "1") {
            fs::write(&file, &wanted).unwrap();
        }
        let found = fs::read_to_string(&file).unwrap_or_default();
        assert!(found == wanted, "{path} is not what the tables say: PINFOLD_BLESS=1 cargo test generated");
    }
}

/// Whether a template still has a `@NAME@` that was not replaced.
fn has_leftovers(text: &str) -> bool {
    let is_name = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    text.lines().any(|line| line.matches('@').count() > 1 && line.split('@').skip(1).step_by(2).any(is_name))
}
