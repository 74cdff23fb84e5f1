//! How long a launch takes: pinfold against bubblewrap and against the limit program, which does the same work and
//! nothing else (`limit.c`).
//!
//! `cargo bench --bench launch` prints everything; `cargo bench --bench launch -- --quick` does fewer rounds. The
//! contestants take turns in one run, as an ordinary user. Compare ratios: they hold on a busy machine, and on another
//! one, where times do not. Nothing here fails because something is slow.
#![allow(clippy::expect_used, clippy::unwrap_used)] // a benchmark that cannot go on stops

mod boxes;
mod filter;
mod memory;
mod rounds;
mod stage;
mod stages;
mod verdict;

use std::ffi::OsString;
use std::io::{Error, Result};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use rounds::{Contestant, Ratio, Times, interleave};
use stage::Stage;
use verdict::{Bound, Verdicts};

/// First word of this program when it is the half that measures.
const MEASURE_WORD: &str = "measure";
/// Who measures when root starts this. Any ordinary user does.
const USER: u32 = 1000;
/// As many binds as fit into the 9,000 words that bubblewrap takes.
const MOST_BY_WORDS: usize = 2_990;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let is = |index: usize, word: &str| words.get(index).is_some_and(|given| given == word);
    let done = if is(0, boxes::BOX_WORD) {
        box_of(&words)
    } else if is(0, filter::BOX_WORD) {
        filter::box_of(&words)
    } else if is(0, filter::LOOP_WORD) {
        Ok(filter::ask(&words))
    } else if is(0, filter::ATTACH_WORD) {
        filter::attach()
    } else if is(0, MEASURE_WORD) {
        measure(&Stage::at(words[1].clone().into()), is(2, "--quick")).map(|()| 0)
    } else {
        start(&words)
    };
    done.map_or_else(
        |error| {
            eprintln!("launch: {error}");
            ExitCode::FAILURE
        },
        ExitCode::from,
    )
}

/// A box with many binds, made through the library. `words`: box SOURCES BINDS.
fn box_of(words: &[OsString]) -> Result<u8> {
    let binds = words[2].to_str().and_then(|number| number.parse().ok()).expect("a number of binds");
    pinfold::run(boxes::many(Path::new(&words[1]), binds)).map_err(Error::other)
}

/// Prepares everything, and measures as an ordinary user.
fn start(words: &[OsString]) -> Result<u8> {
    let quick = words.iter().any(|word| word == "--quick");
    if let Some(unknown) = words.iter().find(|word| *word != "--quick" && *word != "--bench") {
        return Err(Error::other(format!("unknown word {}; there is only --quick", unknown.display())));
    }
    if !words.iter().any(|word| word == "--bench") {
        println!("launch: nothing is measured; `cargo bench --bench launch` does that");
        return Ok(0);
    }
    let stage = Stage::make()?;
    let mut inner = Command::new(stage.this_program());
    inner.arg(MEASURE_WORD).arg(stage.path()).args(quick.then_some("--quick")).current_dir("/");
    if nix::unistd::geteuid().is_root() {
        inner.uid(USER).gid(USER);
    }
    let status = inner.status();
    stage.remove()?;
    Ok(if status?.success() { 0 } else { 1 })
}

/// Everything, in the order in which it is printed.
fn measure(stage: &Stage, quick: bool) -> Result<()> {
    let rounds = if quick { 20 } else { 200 };
    let mut verdicts = Verdicts::default();
    println!("pinfold with {}; times in µs; ratios: median of the rounds (of the minima)", stage::C_LIBRARY);
    let full = launch(stage, "everything unshared", boxes::FULL, "net", rounds)?;
    verdicts.at_most("whole launch, everything unshared, to bubblewrap's", 0.52, full.to_bubblewrap);
    let shared = launch(stage, "host network", boxes::HOST_NET, "", rounds)?;
    verdicts.at_most("whole launch, host network, to bubblewrap's", 0.55, shared.to_bubblewrap);
    let root = launch(stage, "root read-only, nothing unshared", boxes::ROOT, "root", rounds)?;
    verdicts.at_most("whole launch, root read-only alone, to bubblewrap's", 0.63, root.to_bubblewrap);
    let native = native(stage, rounds)?;
    verdicts.at_most("pinfold run, to bubblewrap with everything unshared", 0.65, native);
    verdicts.at_most("whole launch, everything unshared, to the limit", 1.25, full.to_limit);
    stages::print(stage, rounds)?;
    thousand_binds(stage, quick, &mut verdicts)?;
    time_per_bind(stage, quick, &mut verdicts)?;
    filter::measure(stage, quick, &mut verdicts)?;
    memory_and_size(stage, &mut verdicts)?;
    verdicts.print();
    Ok(())
}

/// How pinfold compares; nothing where there is nobody to compare with.
struct Compared {
    to_bubblewrap: Option<Ratio>,
    to_limit: Option<Ratio>,
}

/// One box, all three.
fn launch(stage: &Stage, title: &str, words: &str, limit: &str, rounds: usize) -> Result<Compared> {
    println!("\n{title} ({rounds} rounds)");
    compare(stage, words, limit, 0, rounds, true)
}

/// `pinfold run` with no options in an empty project, and bubblewrap's box with everything unshared.
fn native(stage: &Stage, rounds: usize) -> Result<Option<Ratio>> {
    println!("\n{NATIVE}, in an empty project: seccomp, Landlock, what a workspace needs ({rounds} rounds)");
    let contestant = |name, line: Command| Contestant::new(name, line).map(|who| who.at_home(&stage.project()));
    let mut contestants = vec![contestant(NATIVE, boxes::native(stage))?];
    if stage.bubblewrap().exists() {
        let line = boxes::line(stage, &stage.bubblewrap(), boxes::FULL, 0, "true");
        contestants.push(contestant(BUBBLEWRAP, line)?);
    }
    let times = interleave(rounds, contestants)?;
    let ratio = times.get(1).map(|base| times[0].ratio_to(base));
    for one in &times {
        println!("  {:12} min {:>9}  median {:>9}", one.name, grouped(one.min()), grouped(one.median()));
    }
    println!("  to bubblewrap {}", ratio.map_or("-".into(), |ratio| ratio.to_string()));
    Ok(ratio)
}

fn thousand_binds(stage: &Stage, quick: bool, verdicts: &mut Verdicts) -> Result<()> {
    let few = if quick { 1 } else { 3 };
    println!("\n1,000 binds ({few} rounds)");
    let all = compare(stage, boxes::BARE, "bare", 1_000, few, true)?;
    let speed = all.to_bubblewrap.map(|ratio| Ratio { median: 1. / ratio.median, of_minima: 1. / ratio.of_minima });
    verdicts.at_least("1,000 binds, times bubblewrap's speed", 60., speed);
    let more = if quick { 10 } else { 50 };
    println!("\n1,000 binds, without bubblewrap ({more} rounds)");
    let ours = compare(stage, boxes::BARE, "bare", 1_000, more, false)?;
    verdicts.at_most("1,000 binds, to the limit", 1.5, ours.to_limit);
    Ok(())
}

/// Times one box with all who are there, and prints them.
fn compare(
    stage: &Stage,
    words: &str,
    limit: &str,
    binds: usize,
    rounds: usize,
    with_bubblewrap: bool,
) -> Result<Compared> {
    let mut contestants = Vec::new();
    if with_bubblewrap && stage.bubblewrap().exists() {
        let line = boxes::line(stage, &stage.bubblewrap(), words, binds, "true");
        contestants.push(Contestant::new(BUBBLEWRAP, line)?);
    }
    contestants.push(Contestant::new(PINFOLD, boxes::line(stage, &stage.pinfold(), words, binds, "true"))?);
    if stage.limit().exists() {
        contestants.push(Contestant::new(LIMIT, boxes::limit(stage, limit, binds))?);
    }
    let times = interleave(rounds, contestants)?;
    let of = |name: &str| times.iter().find(|times| times.name == name);
    for one in &times {
        let to = |name: &str| of(name).map_or(String::new(), |base| one.ratio_to(base).to_string());
        println!(
            "  {:12} min {:>9}  median {:>9}   to bubblewrap {:15}   to the limit {:15}",
            one.name,
            grouped(one.min()),
            grouped(one.median()),
            to(BUBBLEWRAP),
            to(LIMIT),
        );
    }
    let pinfold = of(PINFOLD).expect("it always takes part");
    let to = |name: &str| of(name).map(|base| pinfold.ratio_to(base));
    Ok(Compared { to_bubblewrap: to(BUBBLEWRAP), to_limit: to(LIMIT) })
}

const BUBBLEWRAP: &str = "bubblewrap";
const PINFOLD: &str = "pinfold";
const NATIVE: &str = "pinfold run";
const LIBRARY: &str = "library";
const LIMIT: &str = "limit";

/// What each bind adds to a launch: the time with them less the time without, by their number.
fn time_per_bind(stage: &Stage, quick: bool, verdicts: &mut Verdicts) -> Result<()> {
    println!("\ntime per bind (library: pinfold through `pinfold::run`, because a command line ends at 9,000 words)");
    println!("  {:>6}  {BUBBLEWRAP:>10}  {PINFOLD:>10}  {LIBRARY:>10}  {LIMIT:>10}", "binds");
    let base = with_binds(stage, 0, if quick { 20 } else { 100 }, true)?;
    let mut library = Vec::new();
    for (binds, rounds, quick_rounds) in
        [(10, 200, 20), (100, 100, 20), (1_000, 30, 5), (MOST_BY_WORDS, 15, 3), (stage::SOURCES, 7, 3)]
    {
        let rounds = if quick { quick_rounds } else { rounds };
        // bubblewrap needs a quarter of a minute for 3,000, so that it gets no second try.
        let mut times = with_binds(stage, binds, rounds, binds < 1_000)?;
        let slow = stage.bubblewrap().exists() && (1_000..stage::SOURCES).contains(&binds);
        if slow && !(quick && binds > 1_000) {
            let line = boxes::line(stage, &stage.bubblewrap(), boxes::BARE, binds, "true");
            times.extend(interleave(1, vec![Contestant::new(BUBBLEWRAP, line)?])?);
        }
        let minimum = |all: &[Times], name: &str| all.iter().find(|one| one.name == name).map(Times::min);
        let each = |name: &str| Some((minimum(&times, name)? - minimum(&base, name)?) / binds as f64);
        let cell = |name: &str| each(name).map_or("-".into(), |each| format!("{each:.1}"));
        println!(
            "  {:>6}  {:>10}  {:>10}  {:>10}  {:>10}",
            grouped(binds as f64),
            cell(BUBBLEWRAP),
            cell(PINFOLD),
            cell(LIBRARY),
            cell(LIMIT)
        );
        library.push((binds, each(LIBRARY).expect("it always takes part"), each(LIMIT)));
    }
    let at = |binds: usize| library.iter().find(|row| row.0 == binds).expect("it was measured");
    let (thousand, most) = (at(1_000), at(stage::SOURCES));
    verdicts.at_most("time per bind at 10,000, to that at 1,000", 1.25, Some(Ratio::alone(most.1 / thousand.1)));
    let limit = most.2.zip(thousand.2).map(|(most, thousand)| Ratio::alone(most / thousand));
    verdicts.note("  the same for the limit program", limit);
    Ok(())
}

/// The bare box with `binds`, by everybody who can.
fn with_binds(stage: &Stage, binds: usize, rounds: usize, with_bubblewrap: bool) -> Result<Vec<Times>> {
    let mut contestants = vec![Contestant::new(LIBRARY, boxes::library(stage, binds))?];
    if binds <= MOST_BY_WORDS {
        contestants.push(Contestant::new(PINFOLD, boxes::line(stage, &stage.pinfold(), boxes::BARE, binds, "true"))?);
    }
    if stage.limit().exists() {
        contestants.push(Contestant::new(LIMIT, boxes::limit(stage, "bare", binds))?);
    }
    if with_bubblewrap && stage.bubblewrap().exists() {
        let line = boxes::line(stage, &stage.bubblewrap(), boxes::BARE, binds, "true");
        contestants.push(Contestant::new(BUBBLEWRAP, line)?);
    }
    interleave(rounds, contestants)
}

fn memory_and_size(stage: &Stage, verdicts: &mut Verdicts) -> Result<()> {
    println!("\npeak memory in KiB: supervisor + PID 1");
    for binds in [0, 1_000] {
        let sum = |name: &str, tool: &Path| -> Result<u64> {
            let (supervisor, init) = memory::peak(boxes::waiting(stage, tool, binds))?;
            println!(
                "  {name:12} {:>5} binds  {supervisor:>6} + {init:>6} = {:>6}",
                grouped(binds as f64),
                supervisor + init
            );
            Ok(supervisor + init)
        };
        let ours = sum(PINFOLD, &stage.pinfold())?;
        let theirs = if stage.bubblewrap().exists() { Some(sum(BUBBLEWRAP, &stage.bubblewrap())?) } else { None };
        let what =
            if binds == 0 { "peak memory, to bubblewrap's" } else { "peak memory with 1,000 binds, to bubblewrap's" };
        verdicts.add(what, Bound::Below(1.), theirs.map(|theirs| Ratio::alone(ours as f64 / theirs as f64)));
    }
    let size = std::fs::metadata(stage.pinfold())?.len() as f64;
    println!("\nsize of the program: {} bytes", grouped(size));
    verdicts.at_most("size of the program in MB", 4.0, Some(Ratio::alone(size / 1e6)));
    Ok(())
}

/// A whole number with commas between its thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
