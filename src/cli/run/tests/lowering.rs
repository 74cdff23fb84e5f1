//! What the words mean.

use std::ffi::{CStr, CString};

use super::lower;
use crate::cli::bwrap;
use crate::cli::bwrap::args::Args;
use crate::cli::bwrap::lower::{Context, Lowered, lower as lower_bwrap};
use crate::cli::bwrap::parse::{Outside, parse};
use crate::cli::run::as_bwrap;
use crate::spec::{
    BindFlags, CapSet, DieWith, EnvOp, FdNumber, Fds, FsOp, Landlock, LandlockTier, NestedUserNs, OnSignal,
    ProfileText, Seccomp, Source, Spec, Unshare, UserNs,
};

fn spec(line: &str) -> Spec {
    lower(line, &[]).unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// The operations but for the one that is always there.
fn ops(line: &str) -> Vec<FsOp> {
    let mut ops: Vec<FsOp> = spec(line).ops.into_iter().map(|op| op.fs).collect();
    assert_eq!(ops.pop(), Some(FsOp::RemountReadOnly { dest: c"/".into() }));
    ops
}

#[test]
fn everything_is_closed_with_no_options_at_all() {
    let spec = spec("x");
    let namespaces = &spec.namespaces;
    assert_eq!((namespaces.user, namespaces.cgroup), (UserNs::New, Unshare::New));
    assert!(namespaces.pid && namespaces.net && namespaces.ipc && namespaces.uts);
    assert_eq!(spec.process.env, [EnvOp::Clear]);
    assert_eq!(spec.process.fds, Fds::Only(vec![]));
    assert_eq!(spec.lockdown.caps, Some(CapSet::EMPTY));
    assert_eq!(spec.lockdown.nested_userns, NestedUserNs::Limit);
    assert_eq!(spec.lockdown.landlock, Landlock { tier: LandlockTier::Mirror, ..Landlock::OFF });
    let default = ProfileText::Shipped("default".into());
    assert_eq!(spec.lockdown.seccomp, Seccomp::Profile { text: default, deny: vec![], allow: vec![] });
    assert_eq!(spec.lifecycle.die_with, DieWith::Tool);
    assert!(!spec.process.new_session && !spec.best_effort);
    assert_eq!(spec.check(1000, 1000), Ok(()));
}

#[test]
fn paths_count_from_the_current_directory() {
    let flags = BindFlags { read_only: false, devices: false, optional: false };
    let bind =
        |source: &CStr, dest: &CStr| FsOp::Bind { source: Source::Path(source.into()), dest: dest.into(), flags };
    assert_eq!(ops("--rw . x"), [bind(c".", c"/work/dir")]);
    assert_eq!(ops("--rw ../a//b/./c x"), [bind(c"../a//b/./c", c"/work/a/b/c")]);
    assert_eq!(ops("--rw /..//x:d x"), [bind(c"/..//x", c"/work/dir/d")]);
    assert!(matches!(&spec("--tmpfs /../.. x").ops[..], [op] if op.fs.dest() == Some(c"/")));
    assert_eq!(spec("--workdir sub x").process.chdir, Some(c"/work/dir/sub".into()));
}

#[test]
fn what_the_host_has_is_mirrored() {
    assert_eq!(ops("--mirror /bin x"), [FsOp::Symlink { target: c"usr/bin".into(), dest: c"/bin".into() }]);
    assert_eq!(ops("--mirror /missing --overlay-try /missing x"), []);
    assert!(matches!(&ops("--mirror /sbin x")[..], [FsOp::Bind { flags: BindFlags { read_only: true, .. }, .. }]));
    assert!(matches!(&ops("--overlay-try /data x")[..], [FsOp::Overlay { .. }]));
    assert!(matches!(&ops("--workspace x")[..], [FsOp::Tmpfs { .. }]));
}

#[test]
fn who_commits_is_said_only_in_a_home_of_the_boxs_own() {
    let said = |line: &str| spec(line).ops.iter().filter(|op| matches!(op.fs, FsOp::Text { .. })).count();
    assert_eq!(said("--tmpfs /home/me --workspace x"), 1);
    assert_eq!(said("--tmpfs / --workspace x"), 1);
    for line in
        ["", "--rw /home/me", "--tmpfs /home --rw /home/me", "--tmpfs /home/m", "--tmpfs /home/me --landlock only"]
    {
        assert_eq!(said(&format!("{line} --workspace x")), 0, "{line}");
    }
}

#[test]
fn user_namespaces_are_let_through_by_every_filter_of_ours() {
    for line in ["--allow-userns x", "--seccomp desktop --allow-userns x"] {
        let Seccomp::Profile { allow, .. } = spec(line).lockdown.seccomp else { panic!("{line}") };
        assert!(allow.contains(&"@namespace".into()) && !allow.contains(&"openat2".into()), "{line}");
    }
    // A box inside the box takes mounts as well.
    let allow_boxes = spec("--allow-userns --landlock off x").lockdown.seccomp;
    let Seccomp::Profile { allow, .. } = allow_boxes else { panic!() };
    assert!(allow.contains(&"openat2".into()));
    let Seccomp::Profile { allow, .. } = spec("--seccomp ./f.json --allow-userns x").lockdown.seccomp else { panic!() };
    assert_eq!(allow, Vec::<String>::new());
}

#[test]
fn only_what_is_named_of_the_environment_gets_in() {
    let set = |name: &CStr, value: &CStr| EnvOp::Set(name.into(), value.into());
    assert_eq!(spec("--env PATH --env NOSUCH x").process.env, [EnvOp::Clear, set(c"PATH", c"/bin")]);
    let found = spec("--env LC_* --env A=1 --env PATH= x").process.env;
    assert_eq!(found, [EnvOp::Clear, set(c"LC_ALL", c"C"), set(c"LC_TIME", c""), set(c"A", c"1"), set(c"PATH", c"")]);
    let all: Vec<EnvOp> = spec("--env * x").process.env;
    assert_eq!(all.len(), 6, "{all:?}");
}

#[test]
fn a_root_that_is_somebodys_own_stays_as_it_is() {
    let spec = spec("--rw /tree:/ x");
    assert!(!spec.ops.iter().any(|op| matches!(op.fs, FsOp::RemountReadOnly { .. })));
}

#[test]
fn a_filter_of_unknown_make_takes_the_terminal_away() {
    assert!(!spec("--seccomp strict x").process.new_session);
    for line in ["--seccomp off x", "--seccomp ./f.json x", "--new-session x"] {
        assert!(spec(line).process.new_session, "{line}");
    }
    assert!(lower("--seccomp off --syscall-deny ptrace x", &[]).unwrap_err().contains("--seccomp off"));
}

#[test]
fn capabilities_are_exactly_those_that_are_named() {
    assert_eq!(spec("--cap-add cap_chown --cap-add 3 x").lockdown.caps, Some(CapSet(0b1001)));
    assert_eq!(spec("--cap-add ALL x").lockdown.caps, Some(CapSet::all(40)));
    assert_eq!(
        lower("--cap-add chown x", &[]).unwrap_err(),
        "--cap-add chown: unknown capability\nhint: did you mean CAP_CHOWN?"
    );
}

struct Nothing;

impl Outside for Nothing {
    fn read(&mut self, fd: FdNumber) -> Result<Vec<u8>, String> {
        Err(format!("{fd} is not to be read"))
    }

    fn warn(&mut self, _: &str, _: bool) {}
}

/// The two front ends lead to one engine: the line that `--print-bwrap` prints is lowered to an equal spec.
#[test]
fn a_bubblewrap_line_and_its_native_twin_are_equal_specs() {
    for line in [
        "--seccomp off --landlock off x y",
        "--seccomp off --landlock off --ro /a:/b --ro-try /c --rw d --rw-try /e --dev /dev/kvm --dev-try /f x",
        "--seccomp off --landlock off --overlay /o:/p --tmpfs /t:4K,mode=1777 --tmpfs /u --symlink a:/b --proc /proc x",
        "--seccomp off --landlock off --basic-dev /dev --mirror /bin --workspace --env A=b --env LC_* --workdir /w x",
        "--seccomp off --landlock off --hostname h --uid 5 --gid 6 --cap-add CAP_CHOWN --json-status-fd 7 x",
        "--seccomp off --landlock off --share net,pid,ipc --allow-userns --ro /o'd:/d -- x --y 'z",
    ] {
        let mut native = spec(line);
        let text = String::from_utf8(as_bwrap::line(&native).unwrap().text).unwrap();
        let words: Vec<CString> =
            shell_words(&text).into_iter().skip(1).map(|word| CString::new(word).unwrap()).collect();
        let mut args = Args::default();
        parse(&mut args, bwrap::TABLE, &words, &mut Nothing).unwrap();
        let context = Context { uid: 1000, gid: 1000, own_caps: CapSet::EMPTY, last_cap: 40 };
        let Ok(Lowered::Run(mut twin)) = lower_bwrap(args, &context) else { panic!("{text}") };
        // What bubblewrap has no words for, and does in its own way.
        assert!(native.lifecycle.die_with == DieWith::Tool && twin.lifecycle.die_with == DieWith::Caller);
        (native.lifecycle.die_with, twin.lifecycle.die_with) = (DieWith::Nobody, DieWith::Nobody);
        (native.lifecycle.on_signal, native.report.is_open) = (OnSignal::Default, true);
        (native.lockdown.settings_covered, native.one_tmpfs) = (false, false);
        (native.process.fds, native.process.new_group) = (Fds::Inherit, false);
        if native.lockdown.nested_userns == NestedUserNs::Limit {
            native.lockdown.nested_userns = NestedUserNs::SecondNamespace;
        }
        if native.lockdown.caps == Some(CapSet::EMPTY) {
            native.lockdown.caps = None;
        }
        let wanted: Vec<&FsOp> = native.ops.iter().map(|op| &op.fs).collect();
        let found: Vec<&FsOp> = twin.ops.iter().map(|op| &op.fs).collect();
        assert_eq!(found, wanted, "{text}");
        (native.ops, twin.ops) = (vec![], vec![]);
        assert_eq!(*twin, native, "{text}");
    }
}

#[test]
fn what_bubblewrap_cannot_say_is_refused_by_name() {
    for (line, wish) in [
        ("--deny /x y", "--deny"),
        ("--syscall-deny ptrace y", "--syscall-deny"),
        ("--syscall-allow ptrace y", "--syscall-allow"),
        ("--tcp-connect 80 y", "--tcp-connect"),
        ("--landlock only y", "--landlock only"),
    ] {
        let error = as_bwrap::line(&spec(line)).err().unwrap().to_string();
        assert!(error.ends_with(wish) || error.contains(&format!("{wish} ")), "{line}: {error}");
    }
    let line = as_bwrap::line(&spec("--file /a:/t/b y")).unwrap();
    let text = String::from_utf8(line.text).unwrap();
    assert!(text.contains("--seccomp 11") && text.contains("10</a") && text.contains("compile default)"), "{text}");
    assert_eq!(line.notes.len(), 3);
}

/// The words of a line for a shell, as single quotes and backslashes before line ends make them.
fn shell_words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if !quoted => match letters.next() {
                Some('\n') | None => {}
                Some(other) => word.get_or_insert_default().push(other),
            },
            ' ' | '\n' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}
