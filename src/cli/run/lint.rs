//! Finds probable mistakes in a profile, for `pinfold profile check`.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::origin::{self, Origin};
use super::value;
use super::view::{Seen, View};
use crate::error::push_printable;
use crate::spec::path::{first_wildcard, to_os};
use crate::spec::{FsOp, Op, Source, Spec, env};

/// Ports are named, and there is no network for them. `run` refuses that.
pub(super) const NO_NETWORK: &str = "no run can start: there is no network but a loopback device of the sandbox's own";

/// The number of bytes read from a program to find its interpreter or loader.
const HEAD: usize = 4096;

/// The profile to check.
pub(in crate::cli) struct Subject<'a> {
    /// The spec that it asks for.
    pub spec: &'a Spec,
    /// The words that asked for the operations.
    pub origins: &'a [Origin],
    /// Every option that was set, with its origin.
    pub seen: &'a [Origin],
    /// The profile has a workspace, which may be any directory: the operations do not have it.
    pub is_anywhere: bool,
}

/// Returns the probable mistakes, one line each, with the origin of the word.
pub(in crate::cli) fn lint(subject: &Subject<'_>) -> Vec<Vec<u8>> {
    let Subject { spec, origins, seen, .. } = subject;
    let mut notes = Vec::new();
    let mut hides = Vec::new();
    let mut note = |origin: Option<&Origin>, text: &[u8]| {
        notes.push(origin.map_or_else(|| text.to_vec(), |origin| origin.before(text)));
    };
    for (index, op) in spec.ops.iter().enumerate() {
        let origin = origins.get(op.word);
        if let Some(later) = shadow(op, &spec.ops[index + 1..]) {
            match (origin, origins.get(later.word)) {
                // The line of the profile that was built on is not what is wrong.
                (Some(hidden), Some(by)) if file_of(hidden) != file_of(by) => hides.push((by, hidden)),
                _ => note(origin, &[b"hidden by a later one: ", &later.fs.in_words()[..]].concat()),
            }
        }
        if is_nowhere(op, subject) {
            note(origin, b"nothing is there, inside or outside");
        }
        if never_matches(op, subject) {
            note(origin, b"can never match: nothing is there inside");
        }
        if is_missing(&op.fs) {
            let skip = if matches!(op.fs, FsOp::CopyFile { .. }) { "" } else { " (the -try form skips it then)" };
            note(origin, format!("no run can start: it does not exist on the host{skip}").as_bytes());
        }
    }
    for lines in hides.chunk_by(|(by, _), (other, _)| by == other) {
        let [(by, first), more @ ..] = lines else { continue };
        let mut text = b"hides ".to_vec();
        first.push(&mut text);
        if !more.is_empty() {
            text.extend_from_slice(format!(", and {} more", more.len()).as_bytes());
        }
        note(Some(by), &text);
    }
    if let Some(dir) = spec.process.chdir.as_deref().map(to_os).map(Path::new)
        && View::new(&spec.ops).at(dir) == Seen::Nothing
        && !(subject.is_anywhere && dir.exists())
    {
        note(origin::last(seen, "--workdir"), b"no run can start: the directory is not there inside");
    }
    let landlock = &spec.lockdown.landlock;
    for (option, ports) in [("--tcp-connect", &landlock.connect_tcp), ("--tcp-bind", &landlock.bind_tcp)] {
        if spec.namespaces.net && ports.as_ref().is_some_and(|ports| !ports.is_empty()) {
            note(origin::last(seen, option), NO_NETWORK.as_bytes());
        }
    }
    for (origin, text) in overridden(seen) {
        note(Some(origin), text.as_bytes());
    }
    if !spec.process.command.is_empty() {
        notes.extend(program(spec));
    }
    notes
}

/// The file of a line; `None` for the command line.
fn file_of(origin: &Origin) -> Option<&[u8]> {
    origin.profile.as_ref().map(|(file, _)| &file[..])
}

/// Whether what is in the workspace decides about `op`, which depends on the directory where the run starts.
fn is_of_anywhere(op: &Op, Subject { origins, is_anywhere, .. }: &Subject<'_>) -> bool {
    let is_of_workspace = |origin: &Origin| {
        let value = origin.value();
        !value::is_rooted(value) || value.starts_with(b"${WORKSPACE}")
    };
    *is_anywhere && origins.get(op.word).is_some_and(is_of_workspace)
}

/// Whether `op` denies a path at which there is nothing, on the host or inside. A run has a note of this too.
fn is_nowhere(op: &Op, subject: &Subject<'_>) -> bool {
    let FsOp::Deny { path, is_pattern: false, optional: false } = &op.fs else { return false };
    let path = Path::new(to_os(path));
    let is_made = |op: &Op| {
        !matches!(op.fs, FsOp::Deny { .. }) && op.fs.dest().is_some_and(|dest| Path::new(to_os(dest)).starts_with(path))
    };
    let is_inside = || match View::new(&subject.spec.ops).at(path) {
        Seen::Host(_) => true,
        // Of a directory of the sandbox only what it makes is known.
        Seen::Own => subject.spec.ops.iter().any(is_made),
        Seen::Nothing => false,
    };
    !is_of_anywhere(op, subject) && path.symlink_metadata().is_err() && !is_inside()
}

/// Whether `op` denies by a pattern what does not exist when the sandbox starts, which is when patterns are matched.
fn never_matches(op: &Op, subject: &Subject<'_>) -> bool {
    let Subject { spec, origins, is_anywhere, .. } = subject;
    let FsOp::Deny { path, is_pattern: true, optional: false } = &op.fs else { return false };
    if is_of_anywhere(op, subject) {
        return false;
    }
    let path = Path::new(to_os(path));
    // The directory where the pattern starts, then the uppermost operation that affects it.
    let above = |path: &Path| first_wildcard(path.as_os_str().as_bytes()).is_some();
    let Some(start) = path.ancestors().find(|ancestor| !above(ancestor)) else { return false };
    let dest = |op: &Op| op.fs.dest().map(|dest| Path::new(to_os(dest)).to_owned());
    let meets = |op: &&Op| {
        let is_nothing = matches!(op.fs, FsOp::Deny { .. } | FsOp::RemountReadOnly { .. } | FsOp::Chmod { .. });
        !is_nothing && dest(op).is_some_and(|dest| start.starts_with(&dest) || dest.starts_with(start))
    };
    let Some(last) = spec.ops.iter().rfind(meets) else { return false };
    // A workspace after the tmpfs may be any directory, so it may be mounted there.
    let workspace = origins.iter().position(|origin| origin.option == "--workspace");
    let is_last = !is_anywhere || workspace.is_none_or(|word| word < last.word);
    matches!(last.fs, FsOp::Tmpfs { .. }) && dest(last).is_some_and(|dest| start.starts_with(dest)) && is_last
}

/// Whether a required source of `op` is missing on the host.
fn is_missing(op: &FsOp) -> bool {
    let sources = match op {
        FsOp::Bind { source: Source::Path(source), flags, .. } if !flags.optional => std::slice::from_ref(source),
        FsOp::CopyFile { source, .. } => std::slice::from_ref(source),
        FsOp::Overlay { layers, .. } => layers,
        _ => &[],
    };
    let is_missing = |source: &CString| {
        Path::new(to_os(source)).metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
    };
    sources.iter().any(is_missing)
}

/// Options where the last one wins.
const SINGLE: &[&str] = &["--hostname", "--uid", "--gid", "--workdir", "--seccomp", "--net", "--landlock"];

/// Lines that another line of the same file makes useless, each with a note. A profile may override the profile that it
/// builds on, so lines of other files do not count.
fn overridden(seen: &[Origin]) -> Vec<(&Origin, String)> {
    let mut found = Vec::new();
    for (index, origin) in seen.iter().enumerate() {
        let Some((file, _)) = &origin.profile else { continue };
        let is_near = |other: &&Origin| other.profile.as_ref().is_some_and(|(other, _)| other == file);
        let number = |other: &Origin| other.profile.as_ref().map_or(0, |(_, line)| *line);
        if let Some(later) = seen[index + 1..].iter().filter(is_near).rfind(|later| is_instead(later, origin)) {
            found.push((origin, format!("never counts: line {} says something else", number(later))));
        }
        if origin.option == "--syscall-allow"
            && let Some(deny) = seen.iter().filter(is_near).find(|other| refuses(other, origin))
        {
            found.push((origin, format!("line {} refuses the same, and is stronger", number(deny))));
        }
    }
    found
}

/// Whether `later` replaces `origin`.
fn is_instead(later: &Origin, origin: &Origin) -> bool {
    let is_same = match origin.option {
        "--env" => variable(later.value()) == (variable(origin.value()).0, true),
        option => SINGLE.contains(&option),
    };
    later.option == origin.option && is_same
}

/// Whether `other` refuses a system call that `allowed` allows.
fn refuses(other: &Origin, allowed: &Origin) -> bool {
    other.option == "--syscall-deny" && other.values().any(|name| allowed.values().any(|allowed| allowed == name))
}

/// The name in the value of `env`, and whether the value sets it (`NAME=VALUE`) or passes it on (`NAME`).
fn variable(value: &[u8]) -> (&[u8], bool) {
    match value.iter().position(|&byte| byte == b'=') {
        Some(at) => (&value[..at], true),
        None => (value, false),
    }
}

/// The later mount that completely hides the result of `op`.
fn shadow<'a>(op: &Op, later: &'a [Op]) -> Option<&'a Op> {
    later.iter().find(|later| is_hidden(&op.fs, &later.fs))
}

/// Whether the `later` operation completely hides the result of `op`.
pub(super) fn is_hidden(op: &FsOp, later: &FsOp) -> bool {
    // A deny holds whatever follows. A read-only remount acts on the mount that is there at that point.
    if matches!(op, FsOp::Deny { .. } | FsOp::RemountReadOnly { .. }) {
        return false;
    }
    // An optional bind may be skipped, and then it hides nothing.
    let is_certain = !matches!(later, FsOp::Bind { flags, .. } if flags.optional);
    let (Some(dest), Some(cover)) = (op.dest(), later.dest()) else { return false };
    later.is_mount() && is_certain && Path::new(to_os(dest)).starts_with(to_os(cover))
}

/// The reason why the program cannot start: it is not visible inside, or its interpreter or loader is not.
fn program(spec: &Spec) -> Option<Vec<u8>> {
    let command = spec.process.command.first()?;
    if command.is_empty() {
        return Some(b"the command is an empty word".to_vec());
    }
    let (view, environment) = (View::new(&spec.ops), spec.process.environment(&[]));
    let named = |what: &str, path: &Path, why: &str| {
        let mut out = what.as_bytes().to_vec();
        push_printable(&mut out, path);
        out.extend_from_slice(why.as_bytes());
        out
    };
    let (inside, host) = match find(command, spec, &view, &environment) {
        Search::Found(inside, host) => (inside, host),
        Search::NotExecutable(path) => return Some(named("program ", &path, " is not executable")),
        Search::Nothing => {
            let why = " is not visible inside, or not in its PATH";
            return Some(named("program ", Path::new(to_os(command)), why));
        }
    };
    lacks(&view, inside, host)
}

/// The reason why the program `inside`, which is the file `host`, cannot start: its interpreter or loader is not
/// visible, or it is for another processor.
pub(super) fn lacks(view: &View<'_>, inside: PathBuf, mut host: PathBuf) -> Option<Vec<u8>> {
    let mut user = inside;
    // A script's interpreter may be a script too, up to four deep (execve(2)).
    for _ in 0..4 {
        let (what, needed, is_last) = match needs(&host) {
            Needs::Interpreter(path) => ("interpreter ", path, false),
            Needs::Loader(path) => ("loader ", path, true),
            Needs::Emulator => {
                let mut out = b"program ".to_vec();
                push_printable(&mut out, &user);
                out.extend_from_slice(b" is for another kind of processor than this machine has");
                return Some(out);
            }
            Needs::Nothing => return None,
        };
        match view.at(&needed) {
            Seen::Host(found) if !is_last => (user, host) = (needed, found),
            Seen::Host(_) | Seen::Own => return None,
            Seen::Nothing => {
                let mut out = what.as_bytes().to_vec();
                push_printable(&mut out, &needed);
                out.extend_from_slice(b", which ");
                push_printable(&mut out, &user);
                out.extend_from_slice(b" needs, is not visible inside");
                if needed.as_os_str().as_bytes().ends_with(b"\r") {
                    out.extend_from_slice(
                        b": its first line ends with a carriage return (\\r), which is part of the name",
                    );
                }
                return Some(out);
            }
        }
    }
    None
}

/// The result of the search for a program.
enum Search {
    /// The path of the program inside, and its file on the host.
    Found(PathBuf, PathBuf),
    /// A file of this name exists, but nobody can execute it.
    NotExecutable(PathBuf),
    Nothing,
}

fn find(command: &CStr, spec: &Spec, view: &View<'_>, environment: &[CString]) -> Search {
    let name = Path::new(to_os(command));
    let start = Path::new(to_os(spec.process.chdir.as_deref().unwrap_or(c"/")));
    // `components` drops parts that are `.`.
    let whole = |path: PathBuf| path.components().collect::<PathBuf>();
    let candidates: Vec<PathBuf> = if command.to_bytes().contains(&b'/') {
        vec![whole(start.join(name))]
    } else {
        env::value(environment, c"PATH")
            .unwrap_or(b"/bin:/usr/bin")
            .split(|&byte| byte == b':')
            .map(|directory| whole(start.join(OsStr::from_bytes(directory)).join(name)))
            .collect()
    };
    let mut search = Search::Nothing;
    for inside in candidates {
        let Seen::Host(host) = view.at(&inside) else { continue };
        if host.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0) {
            return Search::Found(inside, host);
        }
        if matches!(search, Search::Nothing) {
            search = Search::NotExecutable(inside);
        }
    }
    search
}

/// What a program needs to start.
enum Needs {
    Nothing,
    /// Named in its first line (`#!`).
    Interpreter(PathBuf),
    /// Named in its program header.
    Loader(PathBuf),
    /// An emulator: the program is for another processor.
    Emulator,
}

fn needs(program: &Path) -> Needs {
    let mut head = Vec::new();
    // Only regular files: opening a FIFO would wait for its other end.
    let is_file = program.metadata().is_ok_and(|about| about.is_file());
    let read = || File::open(program)?.take(HEAD as u64).read_to_end(&mut head);
    match is_file.then(read) {
        Some(Ok(_)) if head.starts_with(b"#!") => {
            // Only blanks and tabs end the name (fs/binfmt_script.c). A carriage return is part of it.
            let line = head[2..].split(|&byte| byte == b'\n').next().unwrap_or_default();
            let word = line.split(|byte| b" \t".contains(byte)).find(|word| !word.is_empty()).unwrap_or_default();
            Needs::Interpreter(std::ffi::OsString::from_vec(word.to_vec()).into())
        }
        Some(Ok(_)) if is_foreign(&head) && !has_emulators() => Needs::Emulator,
        Some(Ok(_)) => loader(&head).map_or(Needs::Nothing, Needs::Loader),
        Some(Err(_)) | None => Needs::Nothing,
    }
}

/// Whether an ELF file is for another kind of processor than this program (elf(5), `e_machine`). 32-bit files of i386
/// and arm do not count: x86_64 may run i386, and aarch64 may run arm.
fn is_foreign(head: &[u8]) -> bool {
    const OURS: u16 = match std::env::consts::ARCH.as_bytes() {
        b"x86_64" => 62,
        b"aarch64" => 183,
        b"riscv64" => 243,
        _ => 0,
    };
    const OF_32_BITS: [u16; 2] = [3, 40];
    let machine = head.get(18..).and_then(|rest| rest.first_chunk()).map(|bytes| u16::from_ne_bytes(*bytes));
    head.starts_with(b"\x7fELF") && OURS != 0 && machine.is_some_and(|it| it != OURS && !OF_32_BITS.contains(&it))
}

/// Whether emulators for other processors are registered with the kernel (binfmt_misc).
fn has_emulators() -> bool {
    let mut entries = std::fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    entries.any(|entry| !["register", "status"].iter().any(|name| entry.file_name() == *name))
}

/// The path in the `PT_INTERP` header of an ELF file with this machine's byte order (elf(5)).
fn loader(head: &[u8]) -> Option<PathBuf> {
    const PT_INTERP: u32 = 3;
    let is_64 = match head.get(..5)? {
        [0x7f, b'E', b'L', b'F', class] => *class == 2,
        _ => return None,
    };
    // The file is untrusted: each offset is checked.
    let u16_at = |at: usize| Some(usize::from(u16::from_ne_bytes(*head.get(at..)?.first_chunk()?)));
    let u32_at = |at: usize| Some(u32::from_ne_bytes(*head.get(at..)?.first_chunk()?));
    let word_at = |at: usize| {
        if is_64 {
            usize::try_from(u64::from_ne_bytes(*head.get(at..)?.first_chunk()?)).ok()
        } else {
            usize::try_from(u32_at(at)?).ok()
        }
    };
    let (table, size, count) = if is_64 {
        (word_at(0x20)?, u16_at(0x36)?, u16_at(0x38)?)
    } else {
        (word_at(0x1c)?, u16_at(0x2a)?, u16_at(0x2c)?)
    };
    let header = |index: usize| table.checked_add(index.checked_mul(size)?);
    let at = (0..count).filter_map(header).find(|&at| u32_at(at) == Some(PT_INTERP))?;
    let (offset, length) =
        if is_64 { (word_at(at + 8)?, word_at(at + 32)?) } else { (word_at(at + 4)?, word_at(at + 16)?) };
    let path = head.get(offset..offset.checked_add(length)?)?.split(|&byte| byte == 0).next()?;
    Some(OsStr::from_bytes(path).into())
}
