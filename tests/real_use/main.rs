//! Real programs at work in the box of `pinfold run`, as an ordinary user would start them: in the default box, or with
//! one documented option.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test ends at the first surprise

mod git;
#[path = "../support/mod.rs"]
mod support;
mod terminal;
mod tools;

use std::path::Path;

use support::skip;

/// Whether a program is here; says so loudly if not.
fn installed(path: &str, package: &str) -> bool {
    let here = Path::new(path).exists();
    if !here {
        skip(&format!("no {path} (Debian: apt-get install {package})"));
    }
    here
}
