//! Words and lines.

use super::read;
use crate::cli::run::args::{EnvRequest, Request};
use crate::cli::run::read::Parsed;
use crate::cli::run::table::TABLE;
use crate::cli::table::opts;
use crate::spec::{BindFlags, FsOp, Source};

fn error(line: &str) -> String {
    match read(
        line,
        &[
            ("loop-a", "profile loop-b"),
            ("loop-b", "# x\nprofile loop-a"),
            ("wrong", "ro /usr\n\nrw"),
            ("far", "profile near"),
        ],
    ) {
        Ok((outcome, args)) => panic!("{line}: {outcome:?} {args:?}"),
        Err(text) => text,
    }
}

fn ro(source: &std::ffi::CStr, dest: &std::ffi::CStr) -> Request {
    let flags = BindFlags { read_only: true, devices: false, optional: false };
    Request::Op(FsOp::Bind { source: Source::Path(source.into()), dest: dest.into(), flags })
}

#[test]
fn options_end_at_the_program_or_at_two_dashes() {
    for (line, program) in
        [("--ro /a prog --ro /b", "prog"), ("--ro=/a -- --prog --ro /b", "--prog"), ("--ro /a -- prog --ro /b", "prog")]
    {
        let (outcome, args) = read(line, &[]).unwrap();
        assert_eq!((outcome, args.command.len()), (Parsed::Complete, 3), "{line}");
        assert_eq!(args.command[0].to_str(), Ok(program));
        assert_eq!(args.requests, [ro(c"/a", c"/a")]);
    }
}

#[test]
fn help_is_short_or_long_and_stands_anywhere() {
    assert_eq!(read("-h", &[]).unwrap().0, Parsed::Help { long: false });
    assert_eq!(read("--ro /a --help x", &[]).unwrap().0, Parsed::Help { long: true });
    assert_eq!(read("-v --version", &[]).unwrap().0, Parsed::Version);
    // What follows the program is the program's.
    assert_eq!(read("prog --help", &[]).unwrap().0, Parsed::Complete);
}

#[test]
fn a_line_of_a_profile_is_an_option_with_or_without_its_dashes() {
    let text = "# words\n\n  ro /a b  \n--ro=/c\nenv A=b=${HOME} \\#\nenv LC_*\nnew-session\ndeny ~/x";
    let (_, args) = read("--profile p x", &[("p", text)]).unwrap();
    assert_eq!(args.requests[..2], [ro(c"/a b", c"/a b"), ro(c"/c", c"/c")]);
    assert_eq!(
        args.requests[2],
        Request::Op(FsOp::Deny { path: c"/home/u/x".into(), is_pattern: false, optional: false })
    );
    let set = EnvRequest::Set(c"A".into(), c"b=/home/u #".into());
    assert_eq!(args.env, [set, EnvRequest::Pass(c"LC_*".into())]);
    assert!(args.new_session);
    let lines: Vec<usize> = args.origins.iter().map(|origin| origin.profile.as_ref().unwrap().1).collect();
    assert_eq!(lines, [3, 4, 8]);
}

#[test]
fn profiles_count_once_and_where_they_stand() {
    let shelf =
        [("base", "ro /base"), ("a", "profile base\nro /a"), ("b", "profile base\nro /b"), ("workspace", "ro /w")];
    let order = |line: &str| -> Vec<String> {
        let (_, args) = read(line, &shelf).unwrap();
        args.origins.iter().map(|origin| String::from_utf8_lossy(&origin.word).into_owned()).collect()
    };
    assert_eq!(
        order("--ro /x --profile a --profile b --ro /y p"),
        ["--ro /x", "ro /base", "ro /a", "ro /b", "--ro /y"]
    );
    assert_eq!(order("--ro /x p"), ["ro /w", "--ro /x"]);
    assert_eq!(order("--profile base p"), ["ro /base"]);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    for (line, wanted) in [
        ("--r0 /a x", "unknown option --r0\nhint: did you mean --ro?"),
        ("--ro-bind /a /a x", "hint: bubblewrap's --ro-bind is --ro PATH:DEST here"),
        ("-x", "unknown option -x"),
        ("--ro", "--ro takes a value: --ro PATH[:DEST]"),
        ("--ro --rw /a x", "--ro takes a value"),
        ("--ro --rw /a x", "written --ro=--rw"),
        ("--workspace=1 x", "--workspace takes no value"),
        ("--ro= x", "--ro '': the path is empty"),
        ("--ro /a: x", "--ro /a:: the path is empty"),
        ("--uid -1 x", "--uid -1: an id is a number"),
        ("--net hots x", "--net hots: unknown word hots (known: none, host)"),
        ("--share net,foo x", "unknown word foo"),
        ("--landlock on x", "--landlock on: unknown word on (known: auto, off, only)"),
        ("--dry-run=xml x", "--dry-run=xml: unknown word xml"),
        ("--keep-fd x y", "--keep-fd x: the number of an open file descriptor is wanted"),
        ("--file /a x", "--file /a: PATH:DEST is wanted"),
        ("--env =x y", "--env =x: the name of a variable is missing"),
        ("--profile nosuch x", "--profile nosuch: no profile has this name"),
        ("--profile far x", "far:1: profile near: no profile"),
        ("--profile loop-a x", "a profile builds on itself: loop-a -> loop-b -> loop-a"),
        ("--profile wrong x", "wrong:3: rw: --rw takes a value: PATH[:DEST]"),
    ] {
        let text = error(line);
        assert!(text.contains(wanted), "{line}: {text}");
    }
}

#[test]
fn a_hostile_profile_is_refused_by_line() {
    for line in [
        "ro relative",
        "ro ~other/x",
        "ro /a/../b",
        "ro /a:../b",
        "ro ${NOSUCH}/x",
        "ro",
        "ro /a\u{1b}[2J",
        "tmpfs /a:mode=9",
        "json-status-fd 3",
        "keep-fd 3",
        "dry-run",
        "help",
        "version",
        "workspace yes",
        "-v",
        "-- /bin/sh",
        "symlink :/x",
        "seccomp ./file.json",
        "profile ./other.profile",
        "profile ../other.profile",
    ] {
        let text: &'static str = Box::leak(format!("# one\n{line}\n").into_boxed_str());
        let text = read("--profile p x", &[("p", text)]).map(|(_, args)| panic!("{line}: {args:?}")).unwrap_err();
        assert!(text.contains("p:2: "), "{line}: {text}");
        assert!(!text.contains('\u{1b}'), "{line}");
    }
}

/// Never a panic, whatever stands there; and what is refused is refused with words.
#[test]
fn arbitrary_words_and_profiles_are_read_or_refused() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 16) as usize % below
    };
    let names: Vec<&str> = opts(TABLE).map(|opt| opt.name).collect();
    const BITS: [&str; 14] = ["/a", ":", "=", "~", "${HOME}", "${", "\\", ",", "*", "\u{7f}", "-", "1", "é", "off"];
    for _ in 0..4000 {
        let mut line = String::new();
        for _ in 0..next(6) {
            line.push_str(if next(3) == 0 { "" } else { names[next(names.len())] });
            line.push_str([" ", "=", ""][next(3)]);
            for _ in 0..next(4) {
                line.push_str(BITS[next(BITS.len())]);
            }
            line.push([' ', '\n'][next(2)]);
        }
        let profile: &'static str = Box::leak(line.clone().into_boxed_str());
        for result in [read(&line, &[]), read("--profile p x", &[("p", profile)])] {
            let text = result.map(|_| "read".to_owned()).unwrap_or_else(|text| text);
            assert!(!text.is_empty() && !text.contains('\u{7f}'), "{line:?}: {text:?}");
        }
    }
}

#[test]
fn profiles_do_not_build_on_each_other_for_ever() {
    let leaked = |text: String| -> &'static str { text.leak() };
    let shelf: Vec<_> = (0..100).map(|n| (leaked(format!("p{n}")), leaked(format!("profile p{}", n + 1)))).collect();
    let text = read("--profile p0 x", &shelf).unwrap_err();
    assert!(text.contains("more than 32 deep"), "{text}");
    let text = read("--profile p69 x", &shelf).unwrap_err();
    assert!(text.contains("profile p100: no profile has this name"), "{text}");
}
