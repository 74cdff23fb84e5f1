//! What is probably not meant: for `pinfold profile check`.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::args::Origin;
use super::view::{Seen, View};
use crate::error::push_printable;
use crate::spec::{FsOp, Op, Spec, env};

/// As much of a program is read to find out what it needs, in bytes.
const HEAD: usize = 4096;

/// Lines that say what is odd about `spec`, each with the place of the word it is about.
pub(in crate::cli) fn lint(spec: &Spec, origins: &[Origin]) -> Vec<Vec<u8>> {
    let mut notes = Vec::new();
    let mut note = |op: &Op, text: Vec<u8>| {
        notes.push(match origins.get(op.word) {
            Some(origin) => origin.before(&text),
            None => text,
        });
    };
    for (index, op) in spec.ops.iter().enumerate() {
        if let Some(later) = shadow(op, &spec.ops[index + 1..]) {
            note(op, [b"hidden by a later one: ", &later.fs.in_words()[..]].concat());
        }
        if let FsOp::Deny { path, is_pattern: false } = &op.fs
            && View::new(&spec.ops).at(Path::new(OsStr::from_bytes(path.to_bytes()))) == Seen::Nothing
        {
            note(op, b"can never match: nothing is there inside".to_vec());
        }
    }
    let landlock = &spec.lockdown.landlock;
    if spec.namespaces.net && (landlock.connect_tcp.is_some() || landlock.bind_tcp.is_some()) {
        notes.push(
            b"--tcp-connect and --tcp-bind can never matter: there is no network but the loopback device".to_vec(),
        );
    }
    if !spec.process.command.is_empty() {
        notes.extend(program(spec));
    }
    notes
}

/// The later mount that hides all that `op` makes.
fn shadow<'a>(op: &Op, later: &'a [Op]) -> Option<&'a Op> {
    // A deny counts whatever follows, and what is made read-only is made so where it stands.
    if matches!(op.fs, FsOp::Deny { .. } | FsOp::RemountReadOnly { .. }) {
        return None;
    }
    let dest = Path::new(OsStr::from_bytes(op.fs.dest()?.to_bytes()));
    later.iter().find(|later| {
        let cover = later.fs.dest().map(|dest| Path::new(OsStr::from_bytes(dest.to_bytes())));
        // One that is skipped where its source is missing may hide nothing.
        let is_certain = !matches!(&later.fs, FsOp::Bind { flags, .. } if flags.optional);
        later.fs.is_mount() && is_certain && cover.is_some_and(|cover| dest.starts_with(cover))
    })
}

/// What keeps the program from starting: it, its interpreter or its loader is not visible inside.
fn program(spec: &Spec) -> Option<Vec<u8>> {
    let command = spec.process.command.first()?;
    let (view, environment) = (View::new(&spec.ops), spec.process.environment(&[]));
    let named = |what: &str, path: &Path, why: &str| {
        let mut out = what.as_bytes().to_vec();
        push_printable(&mut out, path);
        out.extend_from_slice(why.as_bytes());
        out
    };
    let Some((inside, mut host)) = find(command, spec, &view, &environment) else {
        let why = " is not visible inside, or not in its PATH";
        return Some(named("program ", Path::new(OsStr::from_bytes(command.to_bytes())), why));
    };
    let mut user = inside;
    // A script's interpreter may be a script itself, up to four deep (execve(2)).
    for _ in 0..4 {
        let (what, needed, is_last) = match needs(&host) {
            Needs::Interpreter(path) => ("interpreter ", path, false),
            Needs::Loader(path) => ("loader ", path, true),
            Needs::Nothing => return None,
        };
        match view.at(&needed) {
            Seen::Host(found) if !is_last => (user, host) = (needed, found),
            Seen::Host(_) | Seen::Own => return None,
            Seen::Nothing => {
                let mut why = b", which ".to_vec();
                push_printable(&mut why, &user);
                why.extend_from_slice(b" needs, is not visible inside");
                return Some(named(what, &needed, &String::from_utf8_lossy(&why)));
            }
        }
    }
    None
}

/// The program as it is called inside, and its file on the host.
fn find(command: &CStr, spec: &Spec, view: &View<'_>, environment: &[CString]) -> Option<(PathBuf, PathBuf)> {
    let name = Path::new(OsStr::from_bytes(command.to_bytes()));
    let start = spec.process.chdir.as_deref().unwrap_or(c"/");
    let start = Path::new(OsStr::from_bytes(start.to_bytes()));
    let candidates: Vec<PathBuf> = match command.to_bytes().contains(&b'/') {
        true => vec![start.join(name)],
        false => env::value(environment, c"PATH")
            .unwrap_or(b"/bin:/usr/bin")
            .split(|&byte| byte == b':')
            .map(|directory| start.join(OsStr::from_bytes(directory)).join(name))
            .collect(),
    };
    candidates.into_iter().find_map(|inside| match view.at(&inside) {
        Seen::Host(host) => {
            let is_program =
                host.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0);
            is_program.then_some((inside, host))
        }
        Seen::Own | Seen::Nothing => None,
    })
}

/// What a program needs to be started.
enum Needs {
    Nothing,
    /// By its first line.
    Interpreter(PathBuf),
    /// By its program header.
    Loader(PathBuf),
}

fn needs(program: &Path) -> Needs {
    let mut head = Vec::new();
    let read = File::open(program).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head));
    match read {
        Ok(_) if head.starts_with(b"#!") => {
            let line = head[2..].split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
            let word = line.split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
            Needs::Interpreter(std::ffi::OsString::from_vec(word.to_vec()).into())
        }
        Ok(_) => loader(&head).map_or(Needs::Nothing, Needs::Loader),
        Err(_) => Needs::Nothing,
    }
}

/// The path in the `PT_INTERP` header of an ELF file of this byte order (elf(5)).
fn loader(head: &[u8]) -> Option<PathBuf> {
    const PT_INTERP: u32 = 3;
    let is_64 = match head.get(..5)? {
        [0x7f, b'E', b'L', b'F', class] => *class == 2,
        _ => return None,
    };
    let u16_at = |at: usize| Some(usize::from(u16::from_ne_bytes(head.get(at..at + 2)?.try_into().ok()?)));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let word_at = |at: usize| match is_64 {
        true => usize::try_from(u64::from_ne_bytes(head.get(at..at + 8)?.try_into().ok()?)).ok(),
        false => usize::try_from(u32_at(at)?).ok(),
    };
    let (table, size, count) = match is_64 {
        true => (word_at(0x20)?, u16_at(0x36)?, u16_at(0x38)?),
        false => (word_at(0x1c)?, u16_at(0x2a)?, u16_at(0x2c)?),
    };
    let header = |index: usize| table.checked_add(index.checked_mul(size)?);
    let at = (0..count).filter_map(header).find(|&at| u32_at(at) == Some(PT_INTERP))?;
    let (offset, length) =
        if is_64 { (word_at(at + 8)?, word_at(at + 32)?) } else { (word_at(at + 4)?, word_at(at + 16)?) };
    let path = head.get(offset..offset.checked_add(length)?)?.split(|&byte| byte == 0).next()?;
    Some(OsStr::from_bytes(path).into())
}
