//! Tests of the rules: every ABI, every operation, with and without mounts.
use super::*;
use crate::error::Field;
use crate::host::Caller;
use crate::spec::{NestedUserNs, Op, Source, UserNs};

const CALLER: Caller = Caller { uid: 1000, gid: 1000 };

fn spec(tier: LandlockTier, ops: Vec<FsOp>) -> Spec {
    let mut spec = Spec::new(vec![c"true".into()]);
    spec.lockdown.landlock.tier = tier;
    (spec.namespaces.net, spec.namespaces.pid) = (tier == LandlockTier::Mirror, tier == LandlockTier::Mirror);
    spec.ops = ops.into_iter().enumerate().map(|(word, fs)| Op::new(fs, word)).collect();
    spec
}

fn bind(path: &CStr, read_only: bool) -> FsOp {
    with_flags(path, BindFlags { read_only, devices: false, optional: false })
}

fn with_flags(path: &CStr, flags: BindFlags) -> FsOp {
    FsOp::Bind { source: Source::Path(path.into()), dest: path.into(), flags }
}

fn tmpfs(dest: &CStr) -> FsOp {
    FsOp::Tmpfs { dest: dest.into(), mode: 0o755, size: None }
}

fn remount(dest: &CStr) -> FsOp {
    FsOp::RemountReadOnly { dest: dest.into() }
}

/// The rules of a sandbox on a kernel with `abi`, as they are printed.
fn mirrored(abi: u32, ops: Vec<FsOp>) -> Vec<String> {
    let (rules, unenforced) = beside_mounts(&spec(LandlockTier::Mirror, ops), abi);
    assert_eq!(unenforced, []);
    rules.unwrap().files.iter().map(ToString::to_string).collect()
}

fn names(unenforced: &[Unenforced]) -> Vec<String> {
    unenforced.iter().map(|one| String::from_utf8(one.what.clone()).unwrap()).collect()
}

const R: &str = "Execute ReadFile ReadDir";
const W: &str = "Execute WriteFile ReadFile ReadDir RemoveDir RemoveFile MakeChar MakeDir MakeReg MakeSock MakeFifo \
                 MakeBlock MakeSym Refer Truncate";

#[test]
fn each_abi_handles_the_rights_that_it_brought_and_no_later_one() {
    let new = [
        "Execute WriteFile ReadFile ReadDir RemoveDir RemoveFile MakeChar MakeDir MakeReg MakeSock MakeFifo MakeBlock \
         MakeSym",
        " Refer",
        " Truncate",
        "",
        " IoctlDev",
        "",
        "",
        "",
        " ResolveUnix",
    ];
    let mut all = String::new();
    for (abi, new) in (1..).zip(new) {
        all.push_str(new);
        assert_eq!(rights_of(abi).to_string(), all, "ABI {abi}");
    }
    assert_eq!(rights_of(10), rights_of(9), "what is not known here is not handled");
    assert_eq!(rights_of(0), Rights::NONE);
}

#[test]
fn an_abi_is_refused_for_what_it_does_not_have() {
    let mut wish = spec(LandlockTier::Mirror, Vec::new());
    (wish.namespaces.net, wish.namespaces.pid) = (false, false);
    wish.lockdown.landlock.connect_tcp = Some(vec![443]);
    let (files, tcp) = ("Landlock rules for files", "TCP ports");
    let sockets = "no way to abstract sockets outside, in the shared network namespace";
    let signals = "no signals to processes outside, in the shared PID namespace";
    for abi in 0..=9 {
        let expected: &[&str] = match abi {
            0 | 1 => &[files, tcp, sockets, signals],
            2 | 3 => &[tcp, sockets, signals],
            4 | 5 => &[sockets, signals],
            _ => &[],
        };
        let (rules, unenforced) = beside_mounts(&wish, abi);
        assert_eq!(names(&unenforced), expected, "ABI {abi}");
        assert_eq!(rules.is_some(), abi >= 2, "ABI {abi}");
        let handled = rules.map_or(NOTHING, |rules| rules.handled);
        assert_eq!(handled.connect_tcp, abi >= 4);
        assert!(!handled.bind_tcp, "nobody asked for it");
        assert_eq!((handled.abstract_sockets, handled.signals), (abi >= 6, abi >= 6));
        for one in unenforced {
            assert!(one.why.contains(if abi == 0 { "no Landlock" } else { "of ABI" }), "{}", one.why);
        }
    }
}

#[test]
fn namespaces_of_its_own_need_no_scopes_and_ports_alone_restrict_no_file() {
    let (rules, unenforced) = beside_mounts(&spec(LandlockTier::Mirror, Vec::new()), 3);
    assert!(unenforced.is_empty() && !rules.unwrap().handled.signals);
    let mut ports = spec(LandlockTier::Off, vec![tmpfs(c"/tmp")]);
    assert_eq!(beside_mounts(&ports, 7), (None, Vec::new()));
    ports.lockdown.landlock.bind_tcp = Some(vec![]);
    let rules = beside_mounts(&ports, 7).0.unwrap();
    assert_eq!(rules.handled, Handled { bind_tcp: true, ..NOTHING });
    assert!(rules.files.is_empty() && rules.descriptors.is_empty());
}

#[test]
fn a_root_that_can_be_written_to_covers_all_but_devices() {
    let dev = FsOp::Dev { dest: c"/dev".into() };
    let rules = mirrored(7, vec![bind(c"/usr", true), tmpfs(c"/tmp"), dev]);
    assert_eq!(rules, [format!("/: {W}"), "/dev: Execute WriteFile ReadFile ReadDir IoctlDev".into()]);
}

#[test]
fn a_typical_box_needs_one_rule_for_reading_and_one_for_each_writable_mount() {
    let rules = mirrored(
        7,
        vec![
            bind(c"/usr", true),
            bind(c"/home/u/work", false),
            FsOp::Proc { dest: c"/proc".into() },
            FsOp::Dev { dest: c"/dev/".into() },
            tmpfs(c"//tmp/."),
            remount(c"/"),
        ],
    );
    let expected = [
        format!("/: {R}"),
        format!("/home/u/work: {W}"),
        "/proc: Execute WriteFile ReadFile ReadDir Truncate".into(),
        "/dev: Execute WriteFile ReadFile ReadDir IoctlDev".into(),
        format!("/dev/shm: {W}"),
        format!("/tmp: {W}"),
    ];
    assert_eq!(rules, expected);
}

#[test]
fn a_later_mount_takes_the_place_of_what_it_covers() {
    let root = || format!("/: {R}");
    let covered = vec![remount(c"/"), bind(c"/a/b", false), bind(c"/ab", false), bind(c"/a", true)];
    assert_eq!(mirrored(7, covered), [root(), format!("/ab: {W}")]);
    // Whether the optional bind covers anything is known only when its source is looked up.
    let optional = with_flags(c"/a", BindFlags { read_only: true, devices: false, optional: true });
    assert_eq!(mirrored(7, vec![remount(c"/"), bind(c"/a/b", false), optional]), [root(), format!("/a/b: {W}")]);
    // With `..` the path depends on links.
    let up = vec![remount(c"/"), bind(c"/a/b", false), bind(c"/x/../a", true)];
    assert_eq!(mirrored(7, up), [root(), format!("/a/b: {W}")]);
}

#[test]
fn the_root_may_be_a_bind() {
    assert_eq!(mirrored(3, vec![bind(c"/", true)]), [format!("/: {R}")]);
    assert_eq!(mirrored(3, vec![bind(c"/", true), bind(c"/w", false)]), [format!("/: {R}"), format!("/w: {W}")]);
    let optional = with_flags(c"/", BindFlags { read_only: true, devices: false, optional: true });
    assert_eq!(mirrored(3, vec![optional]), [format!("/: {W}")]);
}

#[test]
fn a_remount_is_for_one_mount_and_devices_stay_devices() {
    let ops = vec![
        FsOp::Dev { dest: c"/dev".into() },
        tmpfs(c"/t"),
        tmpfs(c"/t/u"),
        remount(c"/t"),
        remount(c"/dev"),
        remount(c"/"),
    ];
    let devices = "/dev: Execute WriteFile ReadFile ReadDir IoctlDev".to_owned();
    assert_eq!(mirrored(7, ops), [format!("/: {R}"), devices, format!("/t/u: {W}")]);
}

#[test]
fn kinds_of_mounts_allow_what_they_are_for() {
    let dest = || c"/x".to_owned();
    let overlay = |kind| FsOp::Overlay { layers: vec![c"/l".into()], kind, dest: dest() };
    let data = |how| FsOp::Data { fd: 3, dest: dest(), how, mode: 0o600 };
    let devices = |read_only| with_flags(c"/x", BindFlags { read_only, devices: true, optional: false });
    let writable = [
        overlay(OverlayKind::Tmp),
        overlay(OverlayKind::Host { upper: c"/u".into(), work: c"/k".into() }),
        overlay(OverlayKind::Apart { kept: c"/k".into() }),
        data(DataFile::Bind { read_only: false }),
        FsOp::Mqueue { dest: dest() },
        FsOp::CopyFile { source: c"/l".into(), dest: dest() },
    ];
    for op in writable {
        assert_eq!(mirrored(7, vec![remount(c"/"), op.clone()]), [format!("/: {R}"), format!("/x: {W}")], "{op:?}");
    }
    let read_only = [
        overlay(OverlayKind::ReadOnly),
        data(DataFile::Bind { read_only: true }),
        data(DataFile::Copy),
        FsOp::Text { text: Vec::new(), dest: dest(), mode: 0o600 },
        FsOp::Symlink { target: c"y".into(), dest: dest() },
        FsOp::Deny { path: dest(), is_pattern: false, optional: false },
    ];
    for op in read_only {
        assert_eq!(mirrored(7, vec![remount(c"/"), op.clone()]), [format!("/: {R}")], "{op:?}");
    }
    assert_eq!(mirrored(7, vec![remount(c"/"), devices(false)])[1], format!("/x: {W} IoctlDev"));
    let nodes = "/x: Execute WriteFile ReadFile ReadDir IoctlDev";
    assert_eq!(mirrored(7, vec![remount(c"/"), devices(true)])[1], nodes);
    // Before ABI 5 Landlock does not know ioctl(2) and does not restrict it.
    assert_eq!(mirrored(4, vec![remount(c"/"), devices(false)])[1], format!("/x: {W}"));
    // Connecting to a socket works on a read-only mount too.
    assert_eq!(mirrored(9, vec![remount(c"/")]), [format!("/: {R} ResolveUnix")]);
}

#[test]
fn the_program_may_open_again_what_it_is_given() {
    let mut wish = spec(LandlockTier::Mirror, Vec::new());
    wish.process.fds = Fds::Only(vec![7, 1]);
    assert_eq!(beside_mounts(&wish, 7).0.unwrap().descriptors, [0, 1, 2, 7]);
}

/// What is granted, and the messages about what is not, with Landlock alone.
fn alone(abi: u32, ops: Vec<FsOp>) -> (Vec<String>, Vec<String>) {
    let (rules, unenforced) = only(&spec(LandlockTier::Only, ops), CALLER, abi);
    (rules.files.iter().map(ToString::to_string).collect(), names(&but_for_attributes(unenforced)))
}

/// Removes the entry for what no ABI has rights for. It must always be there.
fn but_for_attributes(mut unenforced: Vec<Unenforced>) -> Vec<Unenforced> {
    let always = unenforced.iter().position(|one| one.what == b"modes, owners, times and attributes of files");
    unenforced.remove(always.expect("it is named"));
    unenforced
}

#[test]
fn landlock_alone_grants_what_stays_at_its_place() {
    let (rules, unenforced) = alone(9, vec![bind(c"/usr/", true), bind(c"/home/u/./w", false)]);
    assert_eq!(unenforced, [""; 0]);
    assert_eq!(rules, [format!("/usr: {R} ResolveUnix"), format!("/home/u/w: {W} ResolveUnix")]);
    let handled = only(&spec(LandlockTier::Only, Vec::new()), CALLER, 9).0.handled;
    let everything = Handled { files: rights_of(9), abstract_sockets: true, signals: true, ..NOTHING };
    assert_eq!(handled, everything, "no rule is no access");
}

#[test]
fn landlock_alone_names_every_operation_that_it_cannot_express() {
    let path = || c"/x".to_owned();
    let elsewhere = FsOp::Bind {
        source: Source::Path(c"/y".into()),
        dest: path(),
        flags: BindFlags { read_only: true, devices: false, optional: true },
    };
    let cases = [
        elsewhere,
        bind(c"/a/../x", true),
        bind(c"x", true),
        bind(c"/dev", true),
        tmpfs(c"/x"),
        FsOp::Proc { dest: path() },
        FsOp::Dev { dest: path() },
        FsOp::Mqueue { dest: path() },
        FsOp::Overlay { layers: Vec::new(), kind: OverlayKind::Tmp, dest: path() },
        FsOp::Dir { dest: path(), mode: 0o700 },
        FsOp::Data { fd: 3, dest: path(), how: DataFile::Copy, mode: 0o600 },
        FsOp::Text { text: Vec::new(), dest: path(), mode: 0o600 },
        FsOp::Symlink { target: c"y".into(), dest: path() },
        FsOp::CopyFile { source: c"/y".into(), dest: path() },
        FsOp::Deny { path: path(), is_pattern: false, optional: false },
        FsOp::Chmod { dest: path(), mode: 0 },
        FsOp::Hostname { name: path() },
    ];
    for op in cases {
        let words = String::from_utf8(op.in_words()).unwrap();
        let (rules, unenforced) = alone(9, vec![op]);
        assert_eq!((rules.len(), unenforced), (0, vec![words]));
    }
    let source = Source::Fd(5);
    let flags = BindFlags { read_only: true, devices: false, optional: false };
    assert_eq!(alone(9, vec![FsOp::Bind { source, dest: path(), flags }]).1, ["bind descriptor 5 on /x (read-only)"]);
}

#[test]
fn landlock_alone_names_every_wish_for_a_namespace() {
    let mut wish = spec(LandlockTier::Only, Vec::new());
    wish.namespaces = crate::spec::Namespaces {
        user: UserNs::New,
        user_inner: Some(3),
        user_maps_from: None,
        pid: true,
        pid_join: Some(4),
        net: true,
        ipc: true,
        uts: true,
        cgroup: crate::spec::Unshare::New,
    };
    (wish.ids.uid, wish.ids.gid) = (Some(0), Some(0));
    wish.lifecycle.as_pid_1 = true;
    wish.lockdown.nested_userns = NestedUserNs::Limit;
    let (rules, unenforced) = only(&wish, CALLER, 9);
    let unenforced = but_for_attributes(unenforced);
    let expected = [
        "user namespace",
        "joining a second user namespace",
        "user id",
        "group id",
        "PID namespace",
        "joining a PID namespace",
        "being PID 1",
        "network namespace",
        "IPC namespace",
        "UTS namespace",
        "cgroup namespace",
        "limit of user namespaces",
    ];
    assert_eq!(names(&unenforced), expected);
    assert!(rules.handled.connect_tcp && rules.handled.bind_tcp, "no network is no port");
    assert!(rules.connect_tcp.is_empty() && rules.bind_tcp.is_empty());
    let mut own = spec(LandlockTier::Only, Vec::new());
    (own.ids.uid, own.ids.gid) = (Some(1000), Some(1000));
    assert_eq!(but_for_attributes(only(&own, CALLER, 9).1), []);
}

#[test]
fn landlock_alone_names_what_an_old_abi_leaves_open() {
    let (moving, cutting, devices, sockets, scopes) = (
        "moving files between directories",
        "read-only files",
        "devices",
        "no way to sockets of the host",
        "no signals and no way to abstract sockets outside",
    );
    for abi in 1..=9 {
        let expected: &[&str] = match abi {
            1 => &[moving, cutting, devices, sockets, scopes],
            2 => &[cutting, devices, sockets, scopes],
            3 | 4 => &[devices, sockets, scopes],
            5 => &[sockets, scopes],
            6..=8 => &[sockets],
            _ => &[],
        };
        assert_eq!(alone(abi, Vec::new()).1, expected, "ABI {abi}");
    }
    let mut wish = spec(LandlockTier::Only, Vec::new());
    wish.lockdown.landlock.bind_tcp = Some(Vec::new());
    assert!(names(&only(&wish, CALLER, 3).1).contains(&"TCP ports".to_owned()));
    assert!(!names(&only(&wish, CALLER, 4).1).contains(&"TCP ports".to_owned()));
}

/// Best effort never gives more access than was asked for.
#[test]
fn what_cannot_be_hidden_is_not_granted_at_all() {
    let home = || bind(c"/home", false);
    let usr = || bind(c"/usr", true);
    let hidden = [
        tmpfs(c"/home/u/.ssh"),
        FsOp::Deny { path: c"/home/u/.ssh".into(), is_pattern: false, optional: false },
        FsOp::Deny { path: c"/home/*/.ssh".into(), is_pattern: true, optional: false },
        FsOp::Deny { path: c"/home/u*".into(), is_pattern: true, optional: false },
        tmpfs(c"/home"),
    ];
    for op in hidden {
        let (rules, unenforced) = alone(9, vec![home(), usr(), op.clone()]);
        assert_eq!(rules, [format!("/usr: {R} ResolveUnix")], "{op:?}");
        assert_eq!(unenforced.len(), 1);
    }
    let anywhere = FsOp::Deny { path: c"/**/.env".into(), is_pattern: true, optional: false };
    assert_eq!(alone(9, vec![home(), usr(), anywhere]).0, [""; 0]);
    assert_eq!(alone(9, vec![home(), tmpfs(c"/x/../home")]).0, [""; 0], "nobody knows what it covers");
}

#[test]
fn what_cannot_be_made_read_only_below_is_read_only_above() {
    let read = |path: &str| format!("{path}: {R} ResolveUnix");
    let (rules, unenforced) = alone(9, vec![bind(c"/w", false), bind(c"/w/.git", true)]);
    assert_eq!((rules, unenforced), (vec![read("/w"), read("/w/.git")], vec!["bind /w/.git (read-only)".into()]));
    // Whoever reads it must learn that it is the whole directory, and not only what is nearest.
    let nested = vec![bind(c"/w", false), bind(c"/w/.git", false), bind(c"/w/.git/config", true)];
    let said = only(&spec(LandlockTier::Only, nested), CALLER, 9).1;
    let why = &said.iter().find(|one| one.what.starts_with(b"bind /w/.git/config")).expect("it is named").why;
    assert!(why.ends_with(": /w (read-only), /w/.git (read-only)"), "{why}");
    // The reverse can be expressed: a writable directory below a read-only one.
    let (rules, unenforced) = alone(9, vec![bind(c"/w", true), bind(c"/w/out", false)]);
    assert_eq!((rules, unenforced.len()), (vec![read("/w"), format!("/w/out: {W} ResolveUnix")], 0));
    // A bind over others replaces them, as a mount would.
    assert_eq!(alone(9, vec![bind(c"/w/out", false), bind(c"/w", true)]), (vec![read("/w")], Vec::new()));
    assert_eq!(alone(9, vec![bind(c"/w", false), remount(c"/w")]), (vec![read("/w")], Vec::new()));
    assert_eq!(alone(9, vec![bind(c"/w", false), remount(c"/w/x")]).1, ["make read-only /w/x"]);
    assert_eq!(alone(9, vec![remount(c"/")]).1, [""; 0], "nothing is granted there");
}

/// The rule for a relative source uses the path that was found. It was looked up if the sandbox can write there.
#[test]
fn a_relative_source_is_what_was_found() {
    let relative = |real: &[&CStr]| {
        let flags = BindFlags { read_only: true, devices: false, optional: false };
        let fs = FsOp::Bind { source: Source::Path(c"x".into()), dest: c"/w/x".into(), flags };
        let mut spec = spec(LandlockTier::Only, Vec::new());
        spec.ops = vec![Op { real: real.iter().map(|&real| real.into()).collect(), ..Op::new(fs, 0) }];
        let (rules, unenforced) = only(&spec, CALLER, 9);
        let why = unenforced.into_iter().find(|one| one.field == Some(Field::Op(0))).map(|one| one.why);
        (rules.files.iter().map(ToString::to_string).collect::<Vec<_>>(), why.unwrap_or_default())
    };
    let (rules, why) = relative(&[c"/w/x"]);
    assert!(rules.len() == 1 && rules[0].contains("/w/x") && why.is_empty(), "{rules:?} {why}");
    assert_eq!(relative(&[c"/w/y"]), (vec![], "it shows something of the host at another place".into()));
    assert!(relative(&[]).1.contains("relative"));
}
