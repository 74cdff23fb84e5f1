//! What a system call filter costs: when it is installed, and at every call.

use std::ffi::OsString;
use std::io::{Error, Read, Result, Write, stdin};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use pinfold::Sandbox;
use pinfold::spec::{ProfileText, Seccomp};
use seccompiler::{BpfProgram, sock_filter};

use crate::rounds::{Contestant, Times, interleave, plain};
use crate::stage::Stage;
use crate::verdict::Verdicts;

/// First word of this program when it is to be a box with a filter: `filtered FILTER COMMAND...`.
pub(crate) const BOX_WORD: &str = "filtered";
/// First word of this program when it is to ask for its parent again and again: `getppid TIMES`.
pub(crate) const LOOP_WORD: &str = "getppid";

/// First word of this program when it is to attach the filter that it reads, and to say how long that took.
pub(crate) const ATTACH_WORD: &str = "attach";

/// No filter, one that allows everything at once, and the profile that most boxes will have.
const FILTERS: [&str; 3] = ["none", "allow", "default"];

/// `BPF_RET | BPF_K`, `SECCOMP_RET_ALLOW`.
const ALLOW: [u8; 8] = [0x06, 0, 0, 0, 0, 0, 0xff, 0x7f];

/// Everything, in the order in which it is printed.
pub(crate) fn measure(stage: &Stage, quick: bool, verdicts: &mut Verdicts) -> Result<()> {
    let rounds = if quick { 50 } else { 1_000 };
    println!("\nwhole launch through the library with a filter ({rounds} rounds)");
    let launches = compare(stage, &["/bin/true".into()], rounds)?;
    verdicts.at_most("default profile adds to a launch, in µs", 150., Some(launches[2].less(&launches[0])));
    verdicts.note("  a filter of one instruction adds", Some(launches[1].less(&launches[0])));
    // The same without all the rest of a launch, whose time differs by more from one to the next.
    let default = plain(Command::new(stage.native())).args(["seccomp", "compile", FILTERS[2]]).output()?.stdout;
    let rounds = if quick { 50 } else { 1_000 };
    println!("\nattaching a filter, in a process of its own ({rounds} rounds)");
    let attached = attaching(stage, [&ALLOW, &default], rounds)?;
    verdicts.at_most("attaching the default profile, in µs", 150., Some(attached[1].alone()));
    verdicts.note("  attaching a filter of one instruction", Some(attached[0].alone()));
    let (rounds, calls) = (if quick { 10 } else { 100 }, 500_000);
    println!("\n{calls} calls of getppid in a box with a filter ({rounds} rounds)");
    let loops = compare(stage, &["/launch".into(), LOOP_WORD.into(), calls.to_string().into()], rounds)?;
    verdicts.at_most("getppid under the default profile, to none", 1.03, Some(loops[2].ratio_to(&loops[0])));
    // What the kernel needs to find out that there is a filter is part of the above, whatever the filter says.
    verdicts.at_most("  the same, to a filter of one instruction", 1.03, Some(loops[2].ratio_to(&loops[1])));
    verdicts.note("  a filter of one instruction, to none", Some(loops[1].ratio_to(&loops[0])));
    Ok(())
}

/// Times `command` under each of [`FILTERS`].
fn compare(stage: &Stage, command: &[OsString], rounds: usize) -> Result<Vec<Times>> {
    let contestant = |filter: &'static str| {
        let mut line = Command::new(stage.this_program());
        line.arg(BOX_WORD).arg(filter).args(command);
        Contestant::new(filter, line)
    };
    let times = interleave(rounds, FILTERS.into_iter().map(contestant).collect::<Result<_>>()?)?;
    for one in &times {
        let more = one.less(&times[0]);
        println!(
            "  {:12} min {:>9.0}  median {:>9.0}   more than without {more} µs",
            one.name,
            one.min(),
            one.median()
        );
    }
    Ok(times)
}

/// How long it takes to attach each of `programs`, those of [`FILTERS`] that are any.
fn attaching(stage: &Stage, programs: [&[u8]; 2], rounds: usize) -> Result<[Times; 2]> {
    let mut attached = [Times::of(FILTERS[1]), Times::of(FILTERS[2])];
    for _ in 0..rounds {
        for (program, times) in programs.iter().zip(&mut attached) {
            let mut command = plain(Command::new(stage.this_program()));
            let mut child = command.arg(ATTACH_WORD).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            child.stdin.take().expect("a pipe").write_all(program)?;
            let said = child.wait_with_output()?;
            times.add(String::from_utf8_lossy(&said.stdout).trim().parse().map_err(Error::other)?);
        }
    }
    for one in &attached {
        println!("  {:12} min {:>9.0}  median {:>9.0}", one.name, one.min(), one.median());
    }
    Ok(attached)
}

/// Attaches the filter that it reads, and says how many microseconds that took.
pub(crate) fn attach() -> Result<u8> {
    let mut bytes = Vec::new();
    stdin().read_to_end(&mut bytes)?;
    let one = |&[a, b, jt, jf, c, d, e, f]: &[u8; 8]| sock_filter {
        code: u16::from_le_bytes([a, b]),
        jt,
        jf,
        k: u32::from_le_bytes([c, d, e, f]),
    };
    let program: BpfProgram = bytes.as_chunks().0.iter().map(one).collect();
    let start = Instant::now();
    seccompiler::apply_filter(&program).map_err(Error::other)?;
    println!("{}", start.elapsed().as_secs_f64() * 1e6);
    Ok(0)
}

/// The box of `words`: filtered FILTER COMMAND...
pub(crate) fn box_of(words: &[OsString]) -> Result<u8> {
    let this = std::env::current_exe()?;
    let this: &Path = &this;
    let mut spec = Sandbox::new(&words[2..])
        .ro_bind("/usr", "/usr")
        .ro_bind(this, "/launch")
        .symlink("usr/lib", "/lib")
        .symlink("usr/lib64", "/lib64")
        .symlink("usr/bin", "/bin")
        .proc("/proc")
        .dev("/dev")
        .tmpfs("/tmp")
        .spec()
        .map_err(Error::other)?;
    spec.lockdown.seccomp = match words[1].to_str() {
        Some("none") => Seccomp::Off,
        Some("allow") => Seccomp::Programs(vec![ALLOW.to_vec()]),
        Some(name) => Seccomp::Profile { text: ProfileText::Shipped(name.into()), deny: Vec::new(), allow: Vec::new() },
        None => return Err(Error::other("the name of a filter is no text")),
    };
    pinfold::run(spec).map_err(Error::other)
}

/// Asks the kernel as often as `words` say: getppid TIMES.
pub(crate) fn ask(words: &[OsString]) -> u8 {
    let times: u64 = words[1].to_str().and_then(|number| number.parse().ok()).expect("a number of calls");
    let sum: u64 = (0..times).map(|_| u64::from(std::os::unix::process::parent_id())).sum();
    // The first process of a box is the parent.
    u8::from(sum != times)
}
