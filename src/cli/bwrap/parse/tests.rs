//! What is read, refused and warned about, compared with what bubblewrap 0.12.0 was seen to do.

use std::ffi::CString;

use super::*;
use crate::cli::bwrap::lower;
use crate::cli::{bwrap, table};
use crate::spec::{FsOp, Op};

/// A world of descriptors with known content, which remembers the warnings.
#[derive(Default)]
struct World {
    files: Vec<(FdNumber, &'static [u8])>,
    warnings: Vec<(String, bool)>,
}

impl Outside for World {
    fn read(&mut self, fd: FdNumber) -> Result<Vec<u8>, String> {
        let file = self.files.iter().find(|(number, _)| *number == fd);
        file.map(|(_, data)| data.to_vec()).ok_or_else(|| "Bad file descriptor".into())
    }

    fn warn(&mut self, message: &str, level_prefix: bool) {
        self.warnings.push((message.into(), level_prefix));
    }
}

fn words(line: &str) -> Vec<CString> {
    line.split_whitespace().map(|word| CString::new(word.replace("''", "")).unwrap()).collect()
}

fn read_with(line: &str, world: &mut World) -> (Args, Result<Parsed, String>) {
    let mut args = Args::default();
    let outcome = parse(&mut args, bwrap::TABLE, &words(line), world);
    (args, outcome.map_err(|error| String::from_utf8(error.message).unwrap()))
}

fn read(line: &str) -> Args {
    let (args, outcome) = read_with(line, &mut World::default());
    assert_eq!(outcome, Ok(Parsed::Complete), "{line}");
    args
}

fn refused(line: &str) -> String {
    read_with(line, &mut World::default()).1.expect_err(line)
}

fn refused_with(file: &'static [u8], line: &str) -> String {
    let mut world = World { files: vec![(9, file)], ..World::default() };
    read_with(line, &mut world).1.expect_err(line)
}

/// The error texts of bubblewrap 0.12.0 for the same words, as seen by running it.
#[test]
fn refusals_are_those_of_bubblewrap() {
    for (line, text) in [
        ("-", "Unknown option -"),
        ("--bind=x", "Unknown option --bind=x"),
        ("--foo --version", "Unknown option --foo"),
        ("--bind a", "--bind takes two arguments"),
        ("--ro-bind-fd 1", "--bind-fd takes two arguments"),
        ("--tmpfs", "--tmpfs takes an argument"),
        ("--chdir", "--chdir takes one argument"),
        ("--argv0", "--argv0 takes one argument"),
        ("--remount-ro", "--remount-ro takes one argument"),
        ("--overlay a b", "--overlay takes three arguments"),
        ("--argv0 a --argv0 b", "--argv0 used multiple times"),
        ("--userns a", "Invalid fd: a"),
        ("--file x ''", "Invalid fd: x"),
        ("--uid ''", "Invalid uid: "),
        ("--cap-add net_admin --bogus", "unknown cap: net_admin"),
        ("--cap-drop 64 --bogus", "unknown cap: 64"),
        ("--setenv a=b c", "setenv failed"),
        ("--unsetenv ''", "unsetenv failed"),
        ("--chmod x ''", "--chmod takes an octal argument <= 07777"),
        ("--add-seccomp-fd 7", "Can't read seccomp data: Bad file descriptor"),
        ("--seccomp 0 --add-seccomp-fd x", "--add-seccomp-fd cannot be combined with --seccomp"),
        ("--args 7 --bogus", "Can't read --args data: Bad file descriptor"),
        ("--overlay a b c", "--overlay requires at least one --overlay-src"),
        ("--tmp-overlay ''", "--tmp-overlay requires at least one --overlay-src"),
        ("--overlay-src a --ro-overlay x", "--ro-overlay requires at least two --overlay-src"),
    ] {
        assert_eq!(refused(line), text, "{line}");
    }
}

#[test]
fn modifiers_reach_the_next_operation_or_are_refused() {
    const PERMS: &str = "--perms must be followed by an option that creates a file";
    const SIZE: &str = "--size must be followed by --tmpfs";
    for (line, text) in [
        ("--perms 700 --bogus", "Unknown option --bogus"),
        ("--perms 700 --bind a", "--bind takes two arguments"),
        ("--perms 700 --bind a b", PERMS),
        ("--perms 700 --unshare-net --dir x", PERMS),
        ("--perms 700 --perms 0", "--perms given twice for the same action"),
        ("--perms 700 --size 5 --bind a b", PERMS),
        ("--perms 700 --size 5 --dir x", SIZE),
        ("--perms 700 --overlay-src x --tmp-overlay y", PERMS),
        ("--perms 700 --tmp-overlay y", "--tmp-overlay requires at least one --overlay-src"),
        ("--size 5 --size 6", "--size given twice for the same action"),
        ("--size 5 --file 0 x", SIZE),
        ("--overlay-src", args::LONELY_LAYER),
        ("--overlay-src x", args::LONELY_LAYER),
        ("--overlay-src x --", args::LONELY_LAYER),
        ("--overlay-src x --perms 700 --tmp-overlay y", args::LONELY_LAYER),
        ("--overlay-src x --bogus", "Unknown option --bogus"),
    ] {
        assert_eq!(refused(line), text, "{line}");
    }
    for line in ["--perms 700 true", "--size 700 --", "--size 5 --perms 700 --tmpfs x", "--perms 7 --size 5 --tmpfs x"]
    {
        read(line);
    }
}

#[test]
fn a_modifier_counts_once() {
    let modes = read("--perms 700 --dir a --dir b --file 0 c --perms 0 --bind-data 0 d --ro-bind-data 0 e").ops;
    let mode = |op: &Op| {
        let (FsOp::Dir { mode, .. } | FsOp::Data { mode, .. }) = op.fs else { panic!("{op:?}") };
        mode
    };
    let modes: Vec<u32> = modes.iter().map(mode).collect();
    assert_eq!(modes, [0o700, 0o755, 0o666, 0, 0o600]);
    let sizes = read("--size 0x10 --perms 1777 --tmpfs a --tmpfs b").ops;
    assert_eq!(sizes[0].fs, FsOp::Tmpfs { dest: c"a".into(), mode: 0o1777, size: Some(16) });
    assert_eq!(sizes[1].fs, FsOp::Tmpfs { dest: c"b".into(), mode: 0o755, size: None });
}

#[test]
fn options_end_at_the_first_other_word() {
    assert_eq!(read("--unshare-pid ls --unshare-net").command, words("ls --unshare-net"));
    assert_eq!(read("-- --bind").command, words("--bind"));
    assert_eq!(read("-- -- x").command, words("-- x"));
    assert_eq!(read("'' --bind").command, words("'' --bind"));
    assert_eq!(read("").command, words(""));
    // A value may look like an option.
    assert_eq!(read("--chdir -- x").chdir.as_deref(), Some(c"--"));
}

#[test]
fn help_and_version_take_effect_when_they_are_reached() {
    for (line, outcome) in [
        ("--version", Ok(Parsed::Version)),
        ("--perms 700 --help --bogus", Ok(Parsed::Help)),
        ("--overlay-src x --version", Ok(Parsed::Version)),
        ("--bogus --help", Err("Unknown option --bogus".to_owned())),
    ] {
        assert_eq!(read_with(line, &mut World::default()).1, outcome, "{line}");
    }
}

#[test]
fn a_repeated_option_is_warned_about_in_order() {
    let mut world = World::default();
    let line =
        "--uid 1 --uid 2 --level-prefix --uid 3 --dir a --dir b --unshare-pid --unshare-pid --info-fd 0 --info-fd x";
    let (args, outcome) = read_with(line, &mut world);
    assert_eq!(outcome, Err("Invalid fd: x".into()));
    assert_eq!((args.uid, args.level_prefix), (Some(3), true));
    let uid = || "Only the last --uid option will take effect".to_owned();
    let info = "Only the last --info-fd option will take effect".to_owned();
    assert_eq!(world.warnings, [(uid(), false), (uid(), true), (info, true)]);
}

#[test]
fn words_come_from_descriptors_too() {
    let files = vec![
        (5, &b"--dir\0x"[..]),
        (6, b"--uid\x003\0foo\0--bogus"),
        (7, b""),
        (8, b"\0--bogus"),
        (9, b"--\0--bogus\0"),
    ];
    let mut world = World { files, ..World::default() };
    let line = "--perms 700 --args 5 --dir y --args 6 --args 7 --args 8 --args 9 true";
    let (args, outcome) = read_with(line, &mut world);
    assert_eq!(outcome, Ok(Parsed::Complete));
    let dir = |dest: &CStr, mode, word| Op::new(FsOp::Dir { dest: dest.into(), mode }, word);
    assert_eq!(args.ops, [dir(c"x", 0o700, 2), dir(c"y", 0o755, 4)]);
    assert_eq!(args.uid, Some(3));
    assert_eq!(args.spent_fds, [5, 6, 7, 8, 9]);
    assert_eq!(args.command, words("true"));
}

#[test]
fn a_file_of_words_has_its_own_refusals() {
    assert_eq!(refused_with(b"--args\x00009", "--args 9 x"), "--args not supported in arguments file");
    assert_eq!(refused_with(b"--ro-bind\0/", "--args 9 / x"), "--ro-bind takes two arguments");
    let perms = "--perms must be followed by an option that creates a file";
    assert_eq!(refused_with(b"--perms\x0000700", "--args 9 --dir x"), perms);
    assert_eq!(refused_with(b"--perms\x0000700\0foo", "--args 9 x"), perms);
    assert_eq!(refused_with(b"--unshare-pid", "--perms 700 --args 9"), perms);
    assert_eq!(refused_with(b"--size\x00007", "--args 9"), "--size must be followed by --tmpfs");
    assert_eq!(refused_with(b"--overlay-src\0x", "--args 9 --tmp-overlay y"), args::LONELY_LAYER);
    assert_eq!(refused_with(b"", "--overlay-src x --args 9 --tmp-overlay y"), args::LONELY_LAYER);
}

#[test]
fn nine_thousand_words_are_the_limit() {
    const TEXT: &str = "Exceeded maximum number of arguments 9000";
    read(&"--unshare-ipc ".repeat(9000));
    assert_eq!(refused(&"--version ".repeat(9001)), TEXT);
    let file = |count: usize| -> &'static [u8] { b"--unshare-ipc\0".repeat(count).leak() };
    assert_eq!(refused_with(file(8997), "--args 9 --bogus"), "Unknown option --bogus");
    assert_eq!(refused_with(file(8998), "--args 9 --bogus"), TEXT);
}

#[test]
fn filters_are_read_at_once_and_whole() {
    let mut world = World { files: vec![(3, b"12345678"), (4, b"8765432187654321")], ..World::default() };
    let (args, outcome) = read_with("--add-seccomp-fd 3 --add-seccomp-fd 4 x", &mut world);
    assert_eq!(outcome, Ok(Parsed::Complete));
    assert_eq!(args.seccomp_programs, [&b"12345678"[..], b"8765432187654321"]);
    let combined = "--seccomp cannot be combined with --add-seccomp-fd";
    assert_eq!(refused_with(b"12345678", "--add-seccomp-fd 9 --seccomp x"), combined);
    assert_eq!(refused_with(b"1234567", "--add-seccomp-fd 9"), "Invalid seccomp data, must be multiple of 8");
}

/// xorshift64 (Marsaglia 2003): the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn word(&mut self) -> CString {
        const VALUES: &[&CStr] = &[c"0", c"3", c"9", c"0700", c"ALL", c"/", c"a=b", c"", c"--", c"-1", c"0x"];
        let count = table::opts(bwrap::TABLE).count();
        match self.below(8) {
            0 => CString::new((0..self.below(6)).map(|_| 1 + self.below(255) as u8).collect::<Vec<_>>()).unwrap(),
            1..4 => VALUES[self.below(VALUES.len())].into(),
            _ => CString::new(table::opts(bwrap::TABLE).nth(self.below(count)).unwrap().name).unwrap(),
        }
    }
}

#[test]
fn no_words_make_it_panic() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20_000 {
        let words: Vec<CString> = (0..random.below(12)).map(|_| random.word()).collect();
        let mut file: Vec<u8> = Vec::new();
        for _ in 0..random.below(8) {
            file.extend(random.word().as_bytes());
            file.extend((random.below(5) > 0).then_some(0));
        }
        let file: &'static [u8] = file.leak();
        let mut world = World { files: vec![(0, file), (9, file)], ..World::default() };
        let mut args = Args::default();
        if parse(&mut args, bwrap::TABLE, &words, &mut world) == Ok(Parsed::Complete) {
            let context = lower::tests::context(random.below(2) as u32);
            drop(lower::lower(args, &context));
        }
    }
}
