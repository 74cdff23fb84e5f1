//! `pinfold seccomp …`: shows, checks and compiles seccomp profiles. Starting a sandbox uses nothing of this.

use std::collections::BTreeSet;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;

use lexopt::prelude::{Long, Short, Value};

use super::commands::{self, SECCOMP, Subcommand};
use super::console;
use crate::error::{Error, ErrorKind, printable};
use crate::plan;
use crate::seccomp::arch::Arch;
use crate::seccomp::policy::{Decision, Idle, Policy, Target, resolve};
use crate::seccomp::profile::{Profile, Reader, Rule, kernel_version};
use crate::seccomp::table::{self, Table};
use crate::seccomp::verdict::{ENOSYS, Verdict};
use crate::seccomp::{Program, compile, compile_before, proof, shipped};
use crate::seccompiler_json;
use crate::spec::{CapSet, LAST_KNOWN_CAP, ProfileText};
use crate::suggest::{did_you_mean, nearest};
use crate::sys::io_error_text;

pub(super) const USAGE: &str = "\
usage: pinfold seccomp list
       pinfold seccomp show NAME|@GROUP
       pinfold seccomp compile NAME|FILE [--arch ARCH] [--cap CAP]... [--kernel X.Y] [-o FILE]
       pinfold seccomp check NAME|FILE [--arch ARCH] [--cap CAP]... [--kernel X.Y] [--quiet]
       pinfold seccomp explain SYSCALL|NUMBER [--profile NAME|FILE] [--arch ARCH] [--cap CAP]... [--kernel X.Y]
";
const HELP: &str = "
A profile is a file in the JSON form of OCI, Docker and Podman, or of seccompiler
(FILE#THREAD where that has several filters), or the name of one that comes with
pinfold. What `compile` writes is for `bwrap --seccomp FD`:

  pinfold seccomp compile default -o filter.bpf
  bwrap --seccomp 3 ... COMMAND 3<filter.bpf

      --arch ARCH     x86_64 (with i386), aarch64 (with arm) or riscv64; this machine's
                      unless told
      --cap CAP       the program will have this capability; none unless told
      --kernel X.Y    for this version of Linux; the running one unless told
  -o, --output FILE   write there; `-`, which is the default, is standard output
  -q, --quiet         print no notes
      --profile NAME  explain by this profile instead of `default`

pinfold-seccomp(7) describes profiles and groups.
";

/// The profile of `explain` without `--profile`.
const SHIPPED: &str = "default";

/// The maximum size of a seccomp profile in bytes, also for `pinfold run`.
pub(super) const LONGEST: u64 = 16 << 20;

/// The parsed command line.
#[derive(Debug, Default)]
struct Words {
    help: bool,
    operands: Vec<OsString>,
    /// The options that were given, spelled as in the forms of the commands.
    given: Vec<&'static str>,
    arch: Option<Arch>,
    caps: BTreeSet<String>,
    kernel: Option<(u32, u32)>,
    quiet: bool,
    output: Option<OsString>,
    profile: Option<OsString>,
}

/// The text to print, or a filter and the file to write it to.
pub(super) enum Output {
    Text(String),
    Filter(Vec<u8>, OsString),
}

/// Runs the command line after `pinfold seccomp`.
pub(super) fn run(words: &[&CStr]) -> Result<Output, Error> {
    let words = parse(words)?;
    let operands: Vec<&OsStr> = words.operands.iter().map(OsString::as_os_str).collect();
    if words.help || operands.first().is_some_and(|word| *word == "help") {
        return Ok(Output::Text(format!("{USAGE}{HELP}")));
    }
    let Some((word, rest)) = operands.split_first() else { return Err(misused(None, "a command is missing")) };
    let Some(sub) = sub(word) else { return Err(commands::unknown_command("seccomp", SECCOMP, word)) };
    if let Some(option) = words.given.iter().find(|given| !sub.options().any(|known| known == **given)) {
        return Err(misused(Some(sub), format!("{option} is for {}", commands::owners(SECCOMP, option))));
    }
    match (sub.name, rest) {
        ("list", []) => Ok(Output::Text(list())),
        ("show", [name]) => show(name).map(Output::Text),
        ("compile", [name]) => {
            let program = words.compile(name)?;
            Ok(Output::Filter(program.bytes(), words.output.clone().unwrap_or_else(|| "-".into())))
        }
        ("check", [name]) => check(&words, name).map(Output::Text),
        ("explain", [call]) => explain(&words, call).map(Output::Text),
        _ => Err(commands::wrong_count("seccomp", sub, rest)),
    }
}

/// The subcommand called `name`.
fn sub(name: &OsStr) -> Option<&'static Subcommand> {
    SECCOMP.iter().find(|sub| sub.name.as_bytes() == name.as_bytes())
}

fn misused(sub: Option<&Subcommand>, message: impl Into<Vec<u8>>) -> Error {
    commands::misused("seccomp", sub, message)
}

fn parse(words: &[&CStr]) -> Result<Words, Error> {
    let mut out = Words::default();
    let mut parser = lexopt::Parser::from_args(words.iter().map(|word| OsStr::from_bytes(word.to_bytes())));
    while let Some(word) = parser.next().map_err(|error| misused(None, error.to_string()))? {
        let name = match word {
            Short('h') | Long("help") => {
                out.help = true;
                continue;
            }
            Value(word) => {
                out.operands.push(word);
                continue;
            }
            Short('q') | Long("quiet") => {
                out.given.push("--quiet");
                out.quiet = true;
                continue;
            }
            Short('o') | Long("output") => "-o",
            Short(letter) => return Err(out.unknown(format!("-{letter}"))),
            Long(name) => {
                match ["--profile", "--arch", "--cap", "--kernel"].into_iter().find(|known| known[2..] == *name) {
                    Some(known) => known,
                    None => return Err(out.unknown(format!("--{name}"))),
                }
            }
        };
        let value = parser.value().map_err(|error| misused(out.sub(), error.to_string()))?;
        out.given.push(name);
        out.set(name, value)?;
    }
    Ok(out)
}

impl Words {
    /// The subcommand, if it has been read already.
    fn sub(&self) -> Option<&'static Subcommand> {
        self.operands.first().and_then(|name| sub(name))
    }

    fn unknown(&self, option: String) -> Error {
        commands::unknown_option("seccomp", self.sub(), option.as_ref())
    }

    fn set(&mut self, name: &str, value: OsString) -> Result<(), Error> {
        let text = value.to_string_lossy().into_owned();
        match name {
            "-o" => self.output = Some(value),
            "--profile" => self.profile = Some(value),
            "--arch" => {
                self.arch = Arch::named(&text);
                if self.arch.is_none() {
                    let near = did_you_mean(nearest(&text, Arch::KERNELS.iter().map(|arch| arch.name())));
                    return wrong(format!("--arch {value:?}: x86_64, aarch64 or riscv64 is wanted{near}"));
                }
            }
            "--cap" => {
                let name = text.to_ascii_uppercase();
                if !CapSet::is_name(&name) {
                    let near = nearest(&name, CapSet::all(LAST_KNOWN_CAP).names());
                    let near = near.or_else(|| nearest(&format!("CAP_{name}"), CapSet::all(LAST_KNOWN_CAP).names()));
                    return wrong(format!("--cap {value:?}: unknown capability{}", did_you_mean(near)));
                }
                self.caps.insert(name);
            }
            _ => {
                self.kernel = kernel_version(&text);
                if self.kernel.is_none() {
                    return wrong(format!("--kernel {value:?}: a version such as 6.12 is wanted"));
                }
            }
        }
        Ok(())
    }

    fn arch(&self) -> Result<Arch, Error> {
        match self.arch.or_else(Arch::here) {
            Some(arch) => Ok(arch),
            None => wrong("no filter can be made for this machine; name one with --arch"),
        }
    }

    /// Calls `then` with the policies of a profile on `arch`.
    fn with_policies<T>(
        &self,
        profile: &Profile,
        arch: Arch,
        then: impl FnOnce(&[Policy<'_>]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let target =
            Target { arch: arch.kernel(), kernel: self.kernel.unwrap_or_else(running_kernel), caps: &self.caps };
        then(&resolve(profile, &target, &Table::new())?)
    }

    /// Returns an error if no program could start under the profile on this machine.
    fn look_over(&self, text: ProfileText) -> Result<(), Error> {
        let caps = self.caps.iter().filter_map(|name| CapSet::parse(name.as_bytes(), LAST_KNOWN_CAP));
        let (major, minor) = self.kernel.unwrap_or_else(running_kernel);
        let kernel = CString::new(format!("{major}.{minor}")).unwrap_or_default();
        plan::look_over_profile(text, caps.fold(CapSet::EMPTY, CapSet::with), &kernel)
    }

    fn compile(&self, name: &OsStr) -> Result<Program, Error> {
        let arch = self.arch()?;
        let Loaded { profile, behind } = load(&text(name)?, arch)?;
        let compiled = |policies: &[Policy<'_>]| compile_all(policies, behind.as_ref());
        self.with_policies(&profile, arch, compiled).map_err(|error| within(name, error))
    }
}

/// Writes a filter to the file `path`, or to standard output for `-`. Returns the exit code.
pub(super) fn deliver(filter: &[u8], path: &OsStr) -> Result<u8, Error> {
    if path != "-" {
        let failed = |error: io::Error| {
            Error::new(ErrorKind::Failed, format!("cannot write {}: {}", printable(path), io_error_text(&error)))
        };
        return std::fs::write(path, filter).map(|()| 0).map_err(failed);
    }
    if std::io::stdout().is_terminal() {
        return wrong("a filter is no text for a terminal; say where it goes with -o FILE");
    }
    console::print(filter, 0)
}

/// A profile. For a file in seccompiler's form, the profile decides nothing, and `behind` is the compiled program.
struct Loaded {
    profile: Profile,
    behind: Option<Program>,
}

/// Reads a profile, or compiles a file in seccompiler's form for `arch`.
fn load(text: &ProfileText, arch: Arch) -> Result<Loaded, Error> {
    let table = Table::new();
    let reader = Reader { table: &table, shipped: &shipped::text, is_cap: &CapSet::is_name };
    let read = |name: &str, text: &[u8]| Ok(Loaded { profile: reader.read(name, text)?, behind: None });
    let of_program = |program| Loaded { profile: Profile::open(), behind: Some(program) };
    match text {
        ProfileText::Shipped(name) => read(name, shipped::find(name)?.as_bytes()),
        ProfileText::File { name, text, thread } => {
            let name = printable(OsStr::from_bytes(name.to_bytes()));
            let program = seccompiler_json::compile(&name, text, thread.as_deref(), arch.kernel())?;
            program.map_or_else(|| read(&name, text), |program| Ok(of_program(program)))
        }
        ProfileText::Program(program) => Ok(of_program(seccompiler_json::of_seccompiler(program))),
    }
}

fn compile_all(policies: &[Policy<'_>], behind: Option<&Program>) -> Result<Program, Error> {
    behind.map_or_else(|| compile(policies), |behind| compile_before(policies, behind))
}

/// The text of the profile `name`: one of ours, or a file if the name has a slash or a dot.
fn text(name: &OsStr) -> Result<ProfileText, Error> {
    let word = name.to_string_lossy();
    if shipped::text(&word).is_some() {
        return Ok(ProfileText::Shipped(word.into_owned()));
    }
    if !name.as_bytes().iter().any(|byte| b"/.".contains(byte)) {
        let near = did_you_mean(nearest(&word, shipped::names()));
        return wrong(format!("no profile is called {name:?}{near}; a file is written with its directory (./{word})"));
    }
    let read = |name: &CStr| {
        let name = OsStr::from_bytes(name.to_bytes());
        match read(name) {
            Ok(text) if text.len() as u64 > LONGEST => {
                wrong(format!("cannot read {}: a profile has {} MiB at most", printable(name), LONGEST >> 20))
            }
            Ok(text) => Ok(text),
            Err(error) => wrong(format!("cannot read {}: {}", printable(name), io_error_text(&error))),
        }
    };
    // A word of the command line has no NUL.
    ProfileText::of_word(&CString::new(name.as_bytes()).unwrap_or_default(), read)
}

/// Reads a file, at most one byte more than a profile may have: a device such as /dev/zero has no end. Pipes are
/// allowed, because the shell's <(...) is one.
fn read(name: &OsStr) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    std::fs::File::open(name)?.take(LONGEST + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn list() -> String {
    let table = Table::new();
    let reader = Reader { table: &table, shipped: &shipped::text, is_cap: &CapSet::is_name };
    let mut out = String::from("Profiles:\n");
    for name in shipped::names() {
        let comment = shipped::text(name).and_then(|text| reader.read(name, text.as_bytes()).ok());
        line(&mut out, name, &comment.map(|profile| profile.comment).unwrap_or_default());
    }
    out.push_str("\nGroups of system calls, which stand for their members among the names of a rule:\n");
    for (group, brief) in table::GROUPS {
        line(&mut out, group, brief);
    }
    out
}

fn line(out: &mut String, name: &str, text: &str) {
    write_line(out, format_args!("  {name:13} {text}"));
}

fn show(name: &OsStr) -> Result<String, Error> {
    let table = Table::new();
    let word = name.to_string_lossy();
    if let Some(members) = table.group(&word) {
        return Ok(members.map(|call| format!("{}\n", call.name)).collect());
    }
    if let Some(text) = shipped::text(&word) {
        return Ok(text.to_owned());
    }
    let groups = table::GROUPS.iter().map(|(group, _)| *group);
    let near = did_you_mean(nearest(&word, shipped::names().chain(groups)));
    wrong(format!("no profile or group is called {name:?}{near}"))
}

/// Reads a profile, compiles it for every architecture, and tests each program against the rules of the profile.
fn check(words: &Words, name: &OsStr) -> Result<String, Error> {
    let text = text(name)?;
    let here = words.arch.or_else(Arch::here);
    let Loaded { profile, behind } = load(&text, here.unwrap_or(Arch::X86_64))?;
    let mut out = String::new();
    let arches = match words.arch {
        Some(arch) => vec![arch],
        // A file in seccompiler's form is for one architecture.
        None if behind.is_some() => here.into_iter().collect(),
        None => Arch::KERNELS.iter().copied().filter(|arch| profile.arches_on(*arch).contains(arch)).collect(),
    };
    if arches.is_empty() {
        return wrong(format!("{}: this profile is for none of x86_64, aarch64 and riscv64", printable(name)));
    }
    let (mut notes, mut refuses) = (BTreeSet::new(), false);
    let is_native = arches.iter().any(|arch| Some(*arch) == Arch::here());
    for arch in arches {
        let line = words.with_policies(&profile, arch, |policies| {
            let program = compile_all(policies, behind.as_ref())?;
            let tried = proof::prove(policies, &program, behind.as_ref())?;
            let with: Vec<&str> = policies.iter().map(|policy| policy.arch.name()).collect();
            notes.extend(policies.iter().flat_map(|policy| &policy.idle).map(note));
            refuses |= match &behind {
                Some(behind) => (0..1024).any(|number| !answers(behind, arch, number).all(is_let_through)),
                None => policies.iter().any(Policy::refuses),
            };
            Ok(format!("{}: {} instructions, {tried} calls tried", with.join(" and "), program.len()))
        });
        write_line(&mut out, format_args!("{}", line.map_err(|error| within(name, error))?));
    }
    if words.quiet {
        return Ok(out);
    }
    for note in profile.rules.iter().flat_map(|rule| &rule.notes) {
        write_line(&mut out, format_args!("note: {note}"));
    }
    for note in notes {
        write_line(&mut out, format_args!("{note}"));
    }
    if !refuses {
        write_line(&mut out, format_args!("note: it refuses nothing"));
    }
    if is_native && let Err(error) = words.look_over(text) {
        let why = String::from_utf8_lossy(&error.message).into_owned();
        write_line(&mut out, format_args!("note: no program could be started, and `pinfold run` refuses it: {why}"));
    }
    Ok(out)
}

/// The possible results of `program` for a system call, over all arguments.
fn answers(program: &Program, arch: Arch, number: u32) -> impl Iterator<Item = u32> {
    program.answers(arch.audit(), number, [None; 6]).unwrap_or_default().into_iter()
}

fn is_let_through(code: u32) -> bool {
    Verdict::lets_through(code)
}

fn note(idle: &Idle<'_>) -> String {
    let Idle { call, rule, decides } = idle;
    format!("note: {}: {call} is {} by {} before", rule.place, decides.verdict, decides.place)
}

fn explain(words: &Words, call: &OsStr) -> Result<String, Error> {
    let name = words.profile.as_deref().unwrap_or(OsStr::new(SHIPPED));
    let (table, arch) = (Table::new(), words.arch()?);
    let Loaded { profile, behind } = load(&text(name)?, arch)?;
    let behind = behind.as_ref();
    let word = call.to_string_lossy();
    let number = word.parse::<u32>().ok();
    let known = match number {
        Some(number) => table.by_number(arch, number),
        None => table.find(&word),
    };
    if known.is_none() && number.is_none() {
        if table.group(&word).is_some() {
            return wrong(format!(
                "{word} is a group of system calls; `pinfold seccomp show {word}` prints its members"
            ));
        }
        return wrong(format!("unknown system call {call:?}{}", did_you_mean(table.suggestion(&word))));
    }
    let mut out = String::new();
    match known {
        Some(call) => write_line(&mut out, format_args!("{}, of group {}", call.name, call.group)),
        None => write_line(&mut out, format_args!("{word}: a number that {arch} does not use")),
    }
    words
        .with_policies(&profile, arch, |policies| {
            proof::prove(policies, &compile_all(policies, behind)?, behind)?;
            for policy in policies {
                match (known.map(|call| call.number(policy.arch)), number) {
                    (Some(None), _) => write_line(&mut out, format_args!("{}: not there", policy.arch)),
                    (Some(Some(number)), _) => tell(&mut out, policy, behind, number),
                    // A number without a system call is explained only for the architecture that was asked for.
                    (None, Some(number)) if policy.arch == arch => tell(&mut out, policy, behind, number),
                    (None, _) => {}
                }
            }
            if !policies.iter().any(|policy| policy.arch == arch) {
                write_line(&mut out, format_args!("{arch}: not let in by the profile; any call kills the process"));
            }
            Ok(())
        })
        .map_err(|error| within(name, error))?;
    Ok(out)
}

/// Prints what `policy` decides about `number`, with the comments of its rules.
fn tell(out: &mut String, policy: &Policy<'_>, behind: Option<&Program>, number: u32) {
    let default = Decision::default();
    let decision = policy.calls.get(&number).unwrap_or(&default);
    write_line(out, format_args!("{} {number}:", policy.arch));
    if let Some(behind) = behind.filter(|_| policy.leaves_open(number)) {
        let verdict = |code| Verdict::of_code(code).map_or_else(|| format!("{code:#x}"), |verdict| verdict.to_string());
        let all: Vec<String> = answers(behind, policy.arch, number).map(verdict).collect();
        let by = if all.len() > 1 { ": its arguments decide" } else { "" };
        return write_line(out, format_args!("  {}{by}", all.join(", or ")));
    }
    // The cases of one rule are adjacent and share its comment.
    for cases in decision.cases.chunk_by(|a, b| std::ptr::eq(a.rule, b.rule)) {
        let sets =
            cases.iter().map(|case| case.tests.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and "));
        let Some(case) = cases.first() else { continue };
        let sets: Vec<String> = sets.collect();
        write_line(out, format_args!("  {} where {}{}", case.verdict, sets.join(", or "), reason(case.rule)));
    }
    let lead = if decision.cases.is_empty() { "" } else { "otherwise " };
    if policy.arch.first_refused().is_some_and(|first| number >= first) {
        return write_line(
            out,
            format_args!("  {}: x32 and all numbers beyond are never let through", Verdict::Errno(ENOSYS)),
        );
    }
    let why = decision.otherwise.map_or_else(|| ": no rule names it".to_owned(), |(_, rule)| reason(rule));
    write_line(out, format_args!("  {lead}{}{why}", decision.otherwise(policy.default)));
}

fn reason(rule: &Rule) -> String {
    if rule.comment.is_empty() { String::new() } else { format!(": {}", printable(OsStr::new(&rule.comment))) }
}

fn write_line(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _infallible = writeln!(out, "{line}");
}

fn wrong<T>(message: impl Into<Vec<u8>>) -> Result<T, Error> {
    Err(Error::new(ErrorKind::Invalid, message))
}

/// Puts the name of the profile before `error`.
fn within(name: &OsStr, error: Error) -> Error {
    Error { message: [printable(name).as_bytes(), b": ", &error.message].concat(), ..error }
}

/// The version of the running kernel, or 0.0 if it cannot be read. 0.0 leaves out all rules for newer kernels.
fn running_kernel() -> (u32, u32) {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    kernel_version(&text).unwrap_or((0, 0))
}
