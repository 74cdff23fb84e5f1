//! `deny-box`: a front door for the tests of what is denied and of files that are copied: simple words become a `Spec`.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;

use pinfold::spec::{
    BindFlags, CapSet, DataFile, FsOp, LAST_KNOWN_CAP, Op, OverlayKind, Source, Spec, Unshare, UserNs,
};

const USAGE: &str = "deny-box [--ro SRC:DEST | --rw SRC:DEST | --dev-bind SRC:DEST | --overlay SRC:DEST | --file SRC:DEST | --bind-data FD:DEST | --tmpfs PATH | \
                     --proc PATH | --dev PATH | --symlink TARGET:DEST | --remount-ro PATH | --dir PATH | --deny PATH | \
                     --caps | --own-caps | --no-userns | --best-effort]... -- COMMAND...";

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1).map(OsString::into_vec).collect();
    let Some(spec) = spec(words) else {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(2);
    };
    match pinfold::run(spec) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(1)
        }
    }
}

fn spec(words: Vec<Vec<u8>>) -> Option<Spec> {
    let mut words = words.into_iter();
    let mut spec = Spec::new(Vec::new());
    let namespaces = &mut spec.namespaces;
    namespaces.user = UserNs::New;
    (namespaces.pid, namespaces.net, namespaces.ipc, namespaces.uts) = (true, true, true, true);
    namespaces.cgroup = Unshare::Try;
    spec.lockdown.caps = Some(CapSet::EMPTY);
    loop {
        let word = words.next()?;
        match &*word {
            b"--" => break,
            b"--caps" => spec.lockdown.caps = Some(CapSet::all(LAST_KNOWN_CAP)),
            b"--own-caps" => spec.lockdown.caps = None,
            b"--no-userns" => spec.namespaces.user = UserNs::Auto,
            b"--best-effort" => spec.best_effort = true,
            name => {
                let fs = op(name, words.next()?)?;
                spec.ops.push(Op::new(fs, spec.ops.len()));
            }
        }
    }
    spec.process.command = words.map(CString::new).collect::<Result<_, _>>().ok()?;
    Some(spec)
}

fn op(name: &[u8], value: Vec<u8>) -> Option<FsOp> {
    let pair = || {
        let at = value.iter().position(|&byte| byte == b':')?;
        Some((CString::new(&value[..at]).ok()?, CString::new(&value[at + 1..]).ok()?))
    };
    let bind = |read_only, devices| {
        let (source, dest) = pair()?;
        let flags = BindFlags { read_only, devices, optional: false };
        Some(FsOp::Bind { source: Source::Path(source), dest, flags })
    };
    let whole = || CString::new(value.as_slice()).ok();
    Some(match name {
        b"--ro" => bind(true, false)?,
        b"--rw" => bind(false, false)?,
        b"--dev-bind" => bind(false, true)?,
        b"--overlay" => {
            let (layer, dest) = pair()?;
            FsOp::Overlay { layers: vec![layer], kind: OverlayKind::Tmp, dest }
        }
        b"--file" => {
            let (source, dest) = pair()?;
            FsOp::CopyFile { source, dest }
        }
        b"--bind-data" => {
            let (fd, dest) = pair()?;
            let fd = fd.to_str().ok()?.parse().ok()?;
            FsOp::Data { fd, dest, how: DataFile::Bind { read_only: false }, mode: 0o644 }
        }
        b"--symlink" => {
            let (target, dest) = pair()?;
            FsOp::Symlink { target, dest }
        }
        b"--tmpfs" => FsOp::Tmpfs { dest: whole()?, mode: 0o755, size: None },
        b"--dir" => FsOp::Dir { dest: whole()?, mode: 0o755 },
        b"--proc" => FsOp::Proc { dest: whole()? },
        b"--dev" => FsOp::Dev { dest: whole()? },
        b"--remount-ro" => FsOp::RemountReadOnly { dest: whole()? },
        b"--deny" => {
            FsOp::Deny { path: whole()?, is_pattern: value.iter().any(|byte| b"*?[".contains(byte)), optional: false }
        }
        _ => return None,
    })
}
