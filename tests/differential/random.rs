//! Lines by chance, always the same ones: operations on odd paths. These are relative, have dots and double slashes,
//! end in a slash, lead through links, are missing or hold odd bytes. Ours must do in all that is compared what one of
//! the references does, or there is a reason in [`REASONS`]; and each of these is needed.
//!
//! Paths that lead above the root, and what else differs from both references on purpose, have rows in `cases/dest.rs`.

use crate::support::{Actor, Fd, Fixture, Tool, normal, references, tool};

const LINES: usize = 200;
const SEED: u64 = 20;

/// What is in the box before the operation that is tried.
const BEFORE: &[&str] = &[
    "--ro-bind {probe} /p",
    "--dir /d/sub",
    "--file 10 /f",
    "--symlink d /l",
    "--symlink f /lf",
    "--symlink nowhere /gone",
    "--bind {d}/tree /t",
    "--ro-bind {d}/dir /ro",
    "--tmpfs /m",
];
const DESTS: &[&str] = &[
    "/d",
    "/d/sub",
    "/f",
    "/f/x",
    "/l",
    "/l/sub",
    "/l/new",
    "/lf",
    "/gone",
    "/t",
    "/t/sub",
    "/t/rel",
    "/t/dangling",
    "/t/new",
    "/ro",
    "/ro/inner",
    "/ro/sub",
    "/ro/new",
    "/m",
    "/m/new",
    "/new",
    "/new/deep",
    "/d/new",
    "/",
    "d",
    "f",
    "new",
    "t/sub",
    "l/new",
];
const BEFORE_DEST: &[&str] = &["", "", "", "", "/", "//", "/./", "./"];
const BEHIND: &[&str] = &["", "", "", "", "/", "/.", "//", "/./", "/./.", "/../x", "/x\ny", "/\u{1}\u{e9}\"\\ "];
const SOURCES: &[&str] = &[
    "{d}/dir",
    "{d}/file",
    "{d}/link",
    "{d}/dirlink",
    "{d}/dangling",
    "{d}/loop",
    "{d}/missing",
    "{d}/empty",
    "file",
    "dir",
    "missing",
    ".",
    "..",
    "{d}/file/y",
    "{d}/dir/../file",
];
const MODES: &[&str] = &[
    "0",
    "755",
    "0755",
    "000",
    "07777",
    "7777",
    "10000",
    "",
    " 7",
    "7 ",
    "+7",
    "-1",
    "8",
    "0x7",
    "\t7",
    "00",
    "0750",
    "40000000000755",
];
const SIZES: &[&str] = &["1", "4096", "0x1000", "010", "0", " 1", "1k", "-1", "9223372036854775808", "", "08"];

/// Why neither of the references does what ours does, and for which lines that is the reason.
struct Reason {
    why: &'static str,
    applies: fn(&Line) -> bool,
}

const REASONS: &[Reason] = &[
    Reason {
        why: "a link at the destination is resolved inside the new root and works",
        applies: |line| {
            let refused = |seen: &Seen| {
                seen.stderr.contains("symlink destination") || seen.stderr.contains("Too many levels of symbolic links")
            };
            line.dest.contains("gone") || line.dest.contains("dangling") || line.theirs.iter().any(refused)
        },
    },
    Reason {
        why: "with a slash behind it, what should be remounted and is missing was made by 0.11, and is opened by 0.12",
        applies: |line| {
            let is_remount = line.words[0] == "--remount-ro" && line.dest.ends_with('/');
            is_remount && line.ours.stderr.contains("realpath(destination)")
        },
    },
];

/// What is compared.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    ending: String,
    stdout: String,
    stderr: String,
    files: String,
}

/// A line that was run.
struct Line {
    words: Vec<String>,
    dest: String,
    ours: Seen,
    theirs: Vec<Seen>,
}

impl Line {
    fn differences(&self) -> String {
        let Line { words, ours, theirs, .. } = self;
        let mut out = format!("{words:?}\n  + {} {}", ours.ending, ours.stderr);
        for seen in theirs {
            out += &format!("  - {} {}", seen.ending, seen.stderr);
            let (ours, theirs) = (format!("{}{}", ours.stdout, ours.files), format!("{}{}", seen.stdout, seen.files));
            let only = |a: &str, b: &str, sign: char| -> String {
                let lines = a.lines().filter(|line| !b.lines().any(|other| other == *line)).take(5);
                lines.map(|line| format!("    {sign} {line}\n")).collect()
            };
            out += &only(&theirs, &ours, '-');
            out += &only(&ours, &theirs, '+');
        }
        out
    }
}

/// Numbers by chance (xorshift64*, Vigna 2016).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    fn dest(&mut self) -> String {
        match self.below(60) {
            0 => format!("/{}", "n".repeat(255)),
            1 => format!("/{}", "n".repeat(256)),
            2 => "/a".repeat(2100),
            3 => String::new(),
            _ => {
                let (before, dest) = (self.of(BEFORE_DEST), self.of(DESTS));
                let dest = if before.is_empty() { dest } else { dest.trim_start_matches('/') };
                format!("{before}{dest}{}", self.of(BEHIND))
            }
        }
    }

    /// An operation and what modifies it; the destination is the last word.
    fn words(&mut self) -> Vec<String> {
        let one = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
        let perms = |chance: &mut Chance| {
            if chance.below(3) == 0 { one("--perms", chance.of(MODES)) } else { Vec::new() }
        };
        let dest = self.dest();
        let mut words = match self.below(13) {
            0..=3 => {
                let binds = ["--bind", "--ro-bind", "--dev-bind", "--bind-try", "--ro-bind-try", "--dev-bind-try"];
                one(self.of(&binds), self.of(SOURCES))
            }
            4 => [perms(self), vec!["--tmpfs".to_owned()]].concat(),
            5 => [one("--size", self.of(SIZES)), vec!["--tmpfs".to_owned()]].concat(),
            6 => [perms(self), vec!["--dir".to_owned()]].concat(),
            7 => [perms(self), one(self.of(&["--file", "--bind-data", "--ro-bind-data"]), "11")].concat(),
            8 => one("--symlink", self.of(&["d", "/d", "", "nowhere", "f"])),
            9 => one("--chmod", self.of(MODES)),
            10 => vec![self.of(&["--remount-ro", "--remount-ro", "--chdir"]).to_owned()],
            11 => vec!["--mqueue".to_owned()],
            _ => one("--unshare-ipc", "--mqueue"),
        };
        words.push(dest);
        words
    }
}

fn run(tool: &Tool, fixture: &Fixture, words: &[String], is_state: bool) -> Seen {
    fixture.refill();
    let before = BEFORE.iter().flat_map(|op| op.split(' ')).map(str::to_owned);
    let command = if is_state { vec!["/p", "state"] } else { vec!["/p", "tree", "/"] };
    let args = before
        .chain(words.iter().cloned())
        .chain(command.into_iter().map(str::to_owned))
        .map(|word| fixture.expand(&word));
    let launch = tool.launch(Actor::User, args);
    let outcome = launch.dir(&fixture.path).fd(10, Fd::Text("f\n")).fd(11, Fd::Text("data")).run();
    // Ours escapes control characters in what it says.
    let stderr = outcome.stderr_text();
    let lines: String = stderr.trim_end_matches('\n').replace("x\ny", "x\\ny").replace('\u{1}', "\\x01");
    Seen {
        ending: outcome.ending(),
        stdout: normal::stdout(&outcome.stdout_text()),
        stderr: normal::stderr(&lines),
        files: fixture.listing(),
    }
}

#[test]
fn lines_by_chance_do_what_one_of_the_references_does() {
    if references().len() < 2 {
        // Said by `references`.
        return;
    }
    let fixture = Fixture::new("random", Actor::User);
    let mut chance = Chance(SEED);
    let (mut faults, mut needed) = (Vec::new(), vec![0; REASONS.len()]);
    for _ in 0..LINES {
        let words = chance.words();
        let is_state = chance.below(2) == 0;
        let ours = run(tool(), &fixture, &words, is_state);
        let theirs: Vec<Seen> = references().iter().map(|it| run(&it.tool, &fixture, &words, is_state)).collect();
        if theirs.contains(&ours) {
            continue;
        }
        let dest = words.last().cloned().unwrap_or_default();
        let line = Line { words, dest, ours, theirs };
        match REASONS.iter().position(|reason| (reason.applies)(&line)) {
            Some(reason) => needed[reason] += 1,
            None => faults.push(line.differences()),
        }
    }
    assert!(faults.is_empty(), "{} of {LINES} differ\n{}", faults.len(), faults.join("\n"));
    for (Reason { why, .. }, times) in REASONS.iter().zip(needed) {
        assert!(times > 0, "no line needs this reason any more: {why}");
    }
}
