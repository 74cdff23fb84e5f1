//! What `src/plan/names.rs` buys: `cargo bench --bench names`.
//!
//! The names of a large project are judged against fifteen usual patterns of `--deny`: by the tables of that file, and
//! one pattern after the other. The results must be the same.

use std::hint::black_box;
use std::time::{Duration, Instant};

#[allow(dead_code, missing_docs, unreachable_pub, unused_imports)] // a part of the library, without the rest of it
#[path = "../../src/plan"]
mod plan {
    pub mod names;
    pub mod pattern;
}

use plan::names::Names;
use plan::pattern::Pattern;

const PATTERNS: [&str; 15] = [
    ".env",
    ".env.*",
    "*.pem",
    "id_rsa*",
    "*.key",
    "secrets",
    "*.p12",
    ".npmrc",
    ".netrc",
    "credentials*",
    "*.kdbx",
    ".pypirc",
    "*token*",
    ".git-credentials",
    "*.keystore",
];

/// Names in the tree: as many as a project with its `node_modules` has.
const NAMES: usize = 280_000;

/// Names of the kinds that such a tree has, and now and then one that is denied.
const KINDS: [(&str, &str); 10] = [
    ("index", ".js"),
    ("package", ".json"),
    ("lib", ".rs"),
    ("README", ".md"),
    ("util", ".test.ts"),
    ("map", ".d.ts"),
    ("LICENSE", ""),
    ("a_long_name_of_a_module", ".c"),
    ("mod", ".pyc"),
    ("server", ".pem"),
];

const ROUNDS: usize = 15;

fn main() {
    let patterns: Vec<Pattern> = PATTERNS
        .iter()
        .enumerate()
        .map(|(op, name)| {
            Pattern::parse(op, format!("**/{name}").as_bytes()).unwrap_or_else(|why| panic!("{name}: {}", why.text()))
        })
        .collect();
    let names: Vec<Vec<u8>> = (0..NAMES)
        .map(|number| {
            let (before, behind) = KINDS[number % KINDS.len()];
            format!("{before}{number}{behind}").into_bytes()
        })
        .collect();
    let table = Names::of(&patterns);
    let set = table.set((0..patterns.len()).map(|pattern| (pattern, 1)));
    let (mut by_table, mut one_by_one) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (first, time) = count(&names, |name| table.is_in(name, &set));
        by_table.push(time);
        let (second, time) = count(&names, |name| patterns.iter().any(|pattern| pattern.parts[1].matches(name)));
        one_by_one.push(time);
        assert_eq!(first, second, "both ways judge alike");
    }
    let (by_table, one_by_one) = (median(by_table), median(one_by_one));
    println!("{NAMES} names, {} patterns, median of {ROUNDS} rounds", PATTERNS.len());
    println!("  by src/plan/names.rs     {:>8.1} ms", by_table.as_secs_f64() * 1e3);
    println!("  one pattern by another   {:>8.1} ms", one_by_one.as_secs_f64() * 1e3);
    println!("  ratio                    {:>8.2}", by_table.as_secs_f64() / one_by_one.as_secs_f64());
}

/// How many of the names are hit, and how long it takes to know.
fn count(names: &[Vec<u8>], is_hit: impl Fn(&[u8]) -> bool) -> (usize, Duration) {
    let start = Instant::now();
    let hits = names.iter().filter(|name| is_hit(black_box(name))).count();
    (hits, start.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
