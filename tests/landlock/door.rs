//! `door`: runs what its words say through the library, for wishes that `bwrap` has no words for.
//!
//! Each wish is one word, its operands follow it; `--` and the command end them. See [`wish`].

#![no_main] // as the program itself: what the runtime of `std` does at the start is no part of a launch
#![allow(unsafe_code)] // the `main` of C

use std::ffi::{CString, c_char, c_int};
use std::os::unix::ffi::OsStringExt;

use pinfold::spec::{
    BindFlags, CapSet, Fds, FsOp, LandlockTier, NestedUserNs, Op, OverlayKind, Seccomp, Source, Spec, UserNs,
};

/// Called by the C runtime.
// SAFETY: there is one `main` in this program; its signature is that of the C standard.
#[unsafe(no_mangle)]
extern "C" fn main(_argc: c_int, _argv: *const *const c_char) -> c_int {
    let mut words = std::env::args_os().filter_map(|word| CString::new(word.into_vec()).ok());
    let name = words.next().unwrap_or_default().to_string_lossy().into_owned();
    let mut spec = Spec::new(Vec::new());
    while let Some(word) = words.next().filter(|word| word.as_c_str() != c"--") {
        if wish(&mut spec, word.to_str().unwrap_or_default(), &mut words).is_none() {
            eprintln!("{name}: {word:?}?");
            return 2;
        }
    }
    spec.process.command = words.collect();
    match pinfold::run(spec) {
        Ok(code) => code.into(),
        Err(error) => {
            eprintln!("{name}: {error}");
            1
        }
    }
}

/// Adds one wish; `None` where nothing is called so, or an operand is missing.
fn wish(spec: &mut Spec, word: &str, operands: &mut impl Iterator<Item = CString>) -> Option<()> {
    let landlock = &mut spec.lockdown.landlock;
    let mut number = || operands.next()?.to_str().ok()?.parse().ok();
    match word {
        "mirror" => landlock.tier = LandlockTier::Mirror,
        "only" => landlock.tier = LandlockTier::Only,
        "best-effort" => spec.best_effort = true,
        "connect" => landlock.connect_tcp.get_or_insert_default().push(number()? as u16),
        "bind-port" => landlock.bind_tcp.get_or_insert_default().push(number()? as u16),
        "no-port" => (landlock.connect_tcp, landlock.bind_tcp) = (Some(Vec::new()), Some(Vec::new())),
        "net" => spec.namespaces.net = true,
        "pid" => spec.namespaces.pid = true,
        "user" => spec.namespaces.user = UserNs::New,
        "uts" => spec.namespaces.uts = true,
        "no-nesting" => spec.lockdown.nested_userns = NestedUserNs::Limit,
        "all-caps" => spec.lockdown.caps = Some(CapSet::all(40)),
        "keep" => spec.process.fds = Fds::Only(vec![number()?]),
        "filter" => {
            // Everything but personality(2), which is answered with error 42: BPF_LD, BPF_JEQ, BPF_RET.
            let program: [[u64; 4]; 4] =
                [[0x20, 0, 0, 0], [0x15, 0, 1, 135], [0x06, 0, 0, 0x0005_002a], [0x06, 0, 0, 0x7fff_0000]];
            let bytes = program.iter().flat_map(|&[code, yes, no, k]| {
                let head = code | yes << 16 | no << 24;
                (head | k << 32).to_le_bytes()
            });
            spec.lockdown.seccomp = Seccomp::Programs(vec![bytes.collect()]);
        }
        "session" => spec.process.new_session = true,
        "chdir" => spec.process.chdir = Some(operands.next()?),
        "lock" => spec.lifecycle.lock_files.push(operands.next()?),
        _ => {
            let fs = operation(word, operands)?;
            let word = spec.ops.len();
            spec.ops.push(Op::new(fs, word));
        }
    }
    Some(())
}

fn operation(word: &str, operands: &mut impl Iterator<Item = CString>) -> Option<FsOp> {
    let flags = |read_only, devices, optional| BindFlags { read_only, devices, optional };
    let first = operands.next()?;
    let mut bind = |flags| {
        let source = Source::Path(first.clone());
        operands.next().map(|dest| FsOp::Bind { source, dest, flags })
    };
    let dest = first.clone();
    Some(match word {
        "ro" => bind(flags(true, false, false))?,
        "rw" => bind(flags(false, false, false))?,
        "rw-real" => {
            let flags = flags(false, false, false);
            FsOp::Bind { source: Source::Real(dest), dest: operands.next()?, flags }
        }
        "rw-try" => bind(flags(false, false, true))?,
        "dev-bind" => bind(flags(false, true, false))?,
        "overlay" => FsOp::Overlay { layers: vec![dest], kind: OverlayKind::Tmp, dest: operands.next()? },
        "apart" => {
            let kind = OverlayKind::Apart { kept: operands.next()? };
            FsOp::Overlay { layers: vec![dest.clone()], kind, dest }
        }
        "link" => FsOp::Symlink { target: dest, dest: operands.next()? },
        "ro-remount" => FsOp::RemountReadOnly { dest },
        "proc" => FsOp::Proc { dest },
        "dev" => FsOp::Dev { dest },
        "tmpfs" => FsOp::Tmpfs { dest, mode: 0o755, size: None },
        "deny" => FsOp::Deny { path: dest, is_pattern: false, optional: false },
        "hostname" => FsOp::Hostname { name: dest },
        _ => return None,
    })
}
